"""A diagram of a text that is its own answer key: what is read at each position, and what comes next."""

from collections.abc import Sequence

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Diagram, text_width
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import GREEN, SKY
from minillm.viz.figures.style import SMALL, TINY, visible

CELL, GAP, NAME = 0.34, 0.62, 1.25  # inches


def next_tokens(tokens: Sequence[str], losses: Sequence[float], title: str = "", theme: str = "light") -> Diagram:
    """Draw a text twice, the second time shifted by one, with a model's loss at each position in between.

    The last position has no answer. Raises `UserError` unless there is one loss fewer than there are tokens.

    >>> next_tokens(["A", " cat", " sat"], [2.0, 1.0]).alt
    'Diagram: The answers are the text, shifted by one. After A comes cat: 2.00 nats; after cat comes sat: 1.00 nats.'
    """
    if len(tokens) < 2 or len(losses) != len(tokens) - 1:
        raise UserError(f"{len(tokens)} tokens and {len(losses)} losses; give at least two, and one loss fewer")
    shown = [visible(token).replace("␣", " ").strip() or visible(token) for token in tokens]
    wide = max(max(map(text_width, shown)), text_width("0.00")) + 0.18
    column = min(wide + 0.08, (WIDE - NAME) / len(tokens))
    page = Page(title or "The answers are the text, shifted by one", [], NAME + column * len(tokens), 1.72, theme)
    canvas, colors = page.canvas, page.canvas.theme
    tops = page.top + 0.1, page.top + 0.1 + CELL + GAP
    for top, name in zip(tops, ("what it reads", "what comes next"), strict=True):
        canvas.text(page.left, top + CELL / 2, name, align="left", color=colors.quiet)
    canvas.text(page.left, (tops[0] + CELL + tops[1]) / 2, "loss, in nats", align="left", color=colors.quiet)
    for at, token in enumerate(shown):
        left = page.left + NAME + column * at
        area = Area(left, tops[0], left + column - 0.08, tops[0] + CELL)
        canvas.panel(area, colors.panel, colors.accent(SKY), radius=0.05)
        canvas.text(area.center, area.middle, token, size=SMALL)
        answer = Area(area.left, tops[1], area.right, tops[1] + CELL)
        if at == len(losses):
            canvas.hatched(answer)
            continue
        canvas.panel(answer, colors.panel, colors.accent(GREEN), radius=0.05)
        canvas.text(answer.center, answer.middle, shown[at + 1], size=SMALL)
        middle = (area.bottom + answer.top) / 2
        canvas.line((area.center, area.bottom), (area.center, middle - 0.1), color=colors.quiet)
        canvas.text(area.center, middle, f"{losses[at]:.2f}", size=TINY)
        canvas.arrow((area.center, middle + 0.1), (area.center, answer.top), color=colors.quiet)
    canvas.text(page.left, page.bottom - 0.1, "hatched: nothing is known about what comes last", size=TINY,
                align="left", color=colors.quiet)  # fmt: skip
    told = "; ".join(
        f"after {a} comes {b}: {loss:.2f} nats" for a, b, loss in zip(shown[:-1], shown[1:], losses, strict=True)
    )
    return page.finish(told[0].upper() + told[1:])
