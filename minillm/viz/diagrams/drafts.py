"""A diagram of the accept rule of speculative decoding: what a draft proposes, and what comes out."""

from collections.abc import Sequence
from fractions import Fraction
from typing import SupportsFloat

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Diagram, text_width
from minillm.viz.diagrams.page import Page
from minillm.viz.diagrams.theme import ORANGE, SKY
from minillm.viz.figures.style import SMALL, TINY

MOST_TOKENS = 8
TALL, BAR, APART = 1.7, 0.42, 0.55  # inches: of probability 1 of the highest bar, of a bar, between two tokens
BEYOND = 0.35  # inches, for the last token's p
KEY, SIDES = ("kept", "rejected", "a replacement"), "Left: proposed. Right: comes out"
NEAR = 1e-9  # two probabilities that differ by less are equal
Probabilities = Sequence[SupportsFloat]


def accept_rule(
    words: Sequence[str],
    p: Probabilities,
    q: Probabilities,
    joint: Sequence[Probabilities],
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw for each token how often the draft proposes it, and how often it comes out; a line marks p, the model's.

    `joint[guess][token]` is how often the draft proposes `guess` and `token` comes out. Of each proposal (left bar), a
    part is kept and the rest rejected; what comes out (right bar) was kept or is a replacement. Raises `UserError` for
    sizes that don't fit.

    >>> half = [[0.5, 0.0], [0.25, 0.25]]
    >>> accept_rule(["a", "b"], [0.75, 0.25], [0.5, 0.5], half).alt.split(". ")[0]
    'Diagram: What comes out is p: 25% rejected, 25% replaced'
    """
    n = len(words)
    if not 1 <= n <= MOST_TOKENS or {len(p), len(q), len(joint), *map(len, joint)} != {n}:
        raise UserError(f"{n} words, {len(p)} and {len(q)} probabilities; give equally many, up to {MOST_TOKENS}")
    kept = [float(joint[token][token]) for token in range(n)]
    out = [sum(float(row[token]) for row in joint) for token in range(n)]
    rejected = sum(map(float, q)) - sum(kept)
    wrong = [word for word, got, due in zip(words, out, p, strict=True) if abs(got - float(due)) > NEAR]
    if not title:
        title = f"What comes out is p: {rejected:.0%} rejected, {rejected:.0%} replaced"
        title = f"What comes out isn't p: wrong for {', '.join(wrong)}" if wrong else title
    scale = TALL / max(*map(float, (*p, *q)), *out)
    group = max(2 * BAR + 0.04, *(text_width(word, SMALL, bold=True) for word in words)) + APART
    key = sum(0.58 + text_width(text, TINY) for text in KEY) + text_width(SIDES, TINY)
    page = Page(title, [], max(group * n + BEYOND, key), TALL + 0.9, theme)
    canvas, colors = page.canvas, page.canvas.theme
    base = page.top + TALL + 0.2

    def bar(left: float, low: float, high: float, face: str, hatch: str | None = None) -> None:
        if high - low > NEAR:
            area = Area(left, base - high * scale, left + BAR, base - low * scale)
            canvas.panel(area, face, colors.hatch, width=0.6, hatch=hatch)

    for token, word in enumerate(words):
        middle = page.left + group * (token + 0.5)
        proposed, came = middle - BAR - 0.02, middle + 0.02
        bar(proposed, 0, kept[token], colors.accent(SKY))
        bar(proposed, kept[token], float(q[token]), colors.masked, "/////")
        bar(came, 0, kept[token], colors.accent(SKY))
        bar(came, kept[token], out[token], colors.accent(ORANGE))
        level = base - float(p[token]) * scale
        canvas.line((came - 0.05, level), (came + BAR + 0.05, level), color=colors.ink, width=2.0)
        canvas.text(came + BAR + 0.09, level, f"p = {_share(p[token])}", size=TINY, align="left")
        canvas.text(middle, base + 0.14, word, bold=True)
    canvas.line((page.left, base), (page.left + group * n, base))
    faces = ((colors.accent(SKY), None), (colors.masked, "/////"), (colors.accent(ORANGE), None))
    x, y = page.left, page.bottom - 0.1
    for text, (face, hatch) in zip(KEY, faces, strict=True):
        canvas.panel(Area(x, y - 0.07, x + 0.2, y + 0.07), face, colors.line, width=0.6, hatch=hatch)
        canvas.text(x + 0.28, y, text, size=TINY, align="left", color=colors.quiet)
        x += 0.28 + text_width(text, TINY) + 0.3
    canvas.text(x, y, SIDES, size=TINY, align="left", color=colors.quiet)
    told = "; ".join(
        f"{word}: proposed {_share(q[token])}, kept {kept[token]:.2f}, comes out {out[token]:.2f}, p is "
        f"{_share(p[token])}"
        for token, word in enumerate(words)
    )
    return page.finish(told, "Hatched: rejected. Orange: replacements. The line is p")


def _share(value: SupportsFloat) -> str:
    return str(value) if isinstance(value, Fraction) else f"{float(value):.2f}"
