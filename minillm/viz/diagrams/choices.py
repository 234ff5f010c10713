"""Diagrams of what happens while a model writes: where texts branch, and which tokens are read again."""

from collections.abc import Mapping, Sequence

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Diagram, text_width, wrapped
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import GREEN, ORANGE, SKY
from minillm.viz.figures.style import SMALL, TINY, visible

Branch = tuple[str, float, Sequence[tuple[str, float]]]  # a token, its probability, and what may follow it
ROW = 0.27  # inches
MOST_ROWS, MOST_CELLS = 20, 40


def continuations(prompt: str, branches: Sequence[Branch], title: str = "", theme: str = "light") -> Diagram:
    """Draw a tree of continuations of two tokens, with the probability of each pair at its end.

    A branch is (token, probability, [(token, probability), ...]). The path that takes the likeliest token twice is
    orange, the likeliest pair green. Raises `UserError` without branches, and for more than 20 pairs.

    >>> tree = continuations("He is", [(" a", 0.6, [(" man", 0.2)]), (" very", 0.4, [(" old", 0.9)])])
    >>> tree.alt.split(". ", 1)[0]
    'Diagram: Greedy finds "a man" (0.120), and "very old" (0.360) is more probable'
    """
    pairs = [
        (first, p, second, q) for first, p, nexts in branches for second, q in sorted(nexts, key=lambda each: -each[1])
    ]
    if not pairs or any(not nexts for *_, nexts in branches) or len(pairs) > MOST_ROWS:
        raise UserError(f"{len(pairs)} pairs of tokens; give 1 to {MOST_ROWS}, at least one for each first token")
    best = max(pairs, key=lambda pair: pair[1] * pair[3])
    first = max(pairs, key=lambda pair: pair[1])[0]
    greedy = max((pair for pair in pairs if pair[0] == first), key=lambda pair: pair[3])
    named = [f'"{(visible(a) + visible(b)).replace("␣", " ").strip()}" ({p * q:.3f})' for a, p, b, q in (greedy, best)]
    same = greedy == best
    title = title or (
        f"Greedy finds the likeliest pair, {named[0]}"
        if same
        else f"Greedy finds {named[0]}, and {named[1]} is more probable"
    )
    start = wrapped(" ".join(prompt.split()), 1.7, SMALL)
    first_wide = max(text_width(_labeled(a, p)) for a, p, *_ in pairs) + 0.24
    second_wide = max(text_width(_labeled(b, q)) for *_, b, q in pairs) + 0.24
    root_wide = max(text_width(line) for line in start) + 0.24
    gap = 0.55
    wide = root_wide + first_wide + second_wide + 2 * gap + 0.75
    page = Page(title, [], wide, ROW * len(pairs) + 0.05, theme)
    canvas, colors, middle = page.canvas, page.canvas.theme, (page.top + page.bottom) / 2
    root = Area(page.left, middle - 0.1 * len(start) - 0.08, page.left + root_wide, middle + 0.1 * len(start) + 0.08)
    canvas.panel(root, colors.panel, colors.line, radius=0.05)
    for index, line in enumerate(start):
        canvas.text(root.center, middle + 0.2 * (index - (len(start) - 1) / 2), line)
    y = page.top + ROW / 2
    for token, p, nexts in branches:
        rows = sorted(nexts, key=lambda each: -each[1])
        left = root.right + gap
        box = _node(page, left, y + ROW * (len(rows) - 1) / 2, first_wide, _labeled(token, p), token == greedy[0])
        _stroke(page, root, box, ORANGE if token == greedy[0] else GREEN if token == best[0] else None)
        for second, q in rows:
            pair = (token, p, second, q)
            role = ORANGE if pair == greedy else GREEN if pair == best else None
            leaf = _node(page, box.right + gap, y, second_wide, _labeled(second, q), False)
            _stroke(page, box, leaf, role)
            color = colors.quiet if role is None else colors.accent(role)
            canvas.text(leaf.right + 0.12, y, f"{p * q:.3f}", align="left", color=color, bold=role is not None)
            y += ROW
    told = "; ".join(f"{visible(a)} {p:.3f}, then {visible(b)} {q:.3f}: {p * q:.3f}" for a, p, b, q in pairs)
    return page.finish(told, "Orange: the likeliest token each time. Green: the likeliest pair")


def _labeled(token: str, p: float) -> str:
    return f"{visible(token)}  {p:.2f}"


def _node(page: Page, left: float, y: float, wide: float, text: str, marked: bool) -> Area:
    canvas = page.canvas
    area = Area(left, y - ROW / 2 + 0.025, left + wide, y + ROW / 2 - 0.025)
    canvas.panel(area, canvas.theme.panel, canvas.theme.accent(ORANGE) if marked else canvas.theme.line, radius=0.05)
    canvas.text(area.center, y, text)
    return area


def _stroke(page: Page, start: Area, end: Area, role: int | None) -> None:
    color = None if role is None else page.canvas.theme.accent(role)
    page.canvas.curve((start.right, start.middle), (end.left - 0.02, end.middle), color=color, across=True)


def tokens_read(
    words: Sequence[str], reads: Mapping[str, Sequence[int]], title: str = "", theme: str = "light"
) -> Diagram:
    """Draw which tokens a model reads at each step of writing: a panel per way, a row per step, a column per token.

    `reads` says for each way, such as "with a cache", how many tokens each step read: the last ones of the text so far.
    Those before them are remembered, and drawn pale. Raises `UserError` for counts that don't fit the words.

    >>> drawn = tokens_read(["a", "b", "c"], {"with": [2, 1], "without": [2, 3]})
    >>> drawn.alt.split(". ")[0]
    'Diagram: Tokens read: 3 with, 5 without'
    """
    steps = {len(counts) for counts in reads.values()}
    if len(steps) != 1 or not 0 < (n := steps.pop()) <= len(words) <= MOST_CELLS:
        raise UserError(f"{len(words)} words and counts of {sorted(map(len, reads.values()))} steps; give equal ones")
    known = len(words) - n  # tokens before the first step's last one
    for name, counts in reads.items():
        if any(not 1 <= count <= known + step for step, count in enumerate(counts, 1)):
            raise UserError(f"{name}: counts {list(counts)}; step k reads 1 to {known} + k tokens")
    title = title or f"Tokens read: {', '.join(f'{sum(counts)} {name}' for name, counts in reads.items())}"
    number = text_width("00") + 0.1
    across = (WIDE - 0.5 * (len(reads) - 1)) / len(reads) - number - 0.3
    cell = min(0.3, across / len(words))
    height = max(text_width(visible(word), TINY) for word in words) + 0.12
    panel = number + cell * len(words) + 0.45
    page = Page(title, [], panel * len(reads), 0.28 + height + cell * n + 0.35, theme)
    canvas, colors = page.canvas, page.canvas.theme
    for place, (name, counts) in enumerate(reads.items()):
        left = page.left + panel * place + number
        canvas.text(left, page.top + 0.1, f"{name}: {sum(counts)} tokens read", align="left", bold=True)
        top = page.top + 0.28 + height
        for column, word in enumerate(words):
            canvas.upright(left + cell * (column + 0.5), top - 0.05, visible(word), size=TINY)
        for step, count in enumerate(counts, 1):
            y = top + cell * (step - 1)
            canvas.text(left - 0.06, y + cell / 2, str(step), size=TINY, align="right", color=colors.quiet)
            for column in range(known + step):
                area = Area(left + cell * column, y, left + cell * (column + 1), y + cell)
                read = column >= known + step - count
                face = colors.accent(SKY) if read else colors.masked
                canvas.panel(area, face, colors.paper if read else colors.hatch, width=1.0 if read else 0.6)
    foot = page.bottom - 0.12
    for index, (text, face) in enumerate((("read in this step", colors.accent(SKY)), ("remembered", colors.masked))):
        x = page.left + number + 1.7 * index
        canvas.panel(Area(x, foot - 0.07, x + 0.2, foot + 0.07), face, colors.line, width=0.6)
        canvas.text(x + 0.28, foot, text, size=TINY, align="left", color=colors.quiet)
    told = "; ".join(f"{name}, by step: {', '.join(map(str, counts))}" for name, counts in reads.items())
    return page.finish(told)
