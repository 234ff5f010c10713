"""A diagram of a padded batch: its tokens, its padding, and the position at which each row is read."""

from collections.abc import Sequence

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Diagram, text_width
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import GREEN, ORANGE, SKY
from minillm.viz.figures.style import SMALL, TINY, visible

CELL, GAP, NAME = 0.34, 0.16, 0.7  # inches


def read_at(
    pieces: Sequence[Sequence[str]],
    mask: Sequence[Sequence[bool]],
    read: Sequence[int],
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw rows of tokens with hatched padding, and outline the position at which each row is read.

    Raises `UserError` unless rows, mask and positions fit together.

    >>> read_at([["A", " cat"], ["A", ""]], [[True, True], [True, False]], [1, 1]).alt
    'Diagram: 1 of 2 rows are read at their last token. Row 0 is read at cat; row 1 is read at padding.'
    """
    T = len(pieces[0]) if pieces else 0
    if not T or not len(pieces) == len(mask) == len(read) or any(len(row) != T for row in (*pieces, *mask)):
        raise UserError("read_at needs rows of one length, a mask of the same shape, and one position per row")
    if outside := [position for position in read if not 0 <= position < T]:
        raise UserError(f"position {outside[0]} is outside the rows, which have {T} columns")
    ends = [max((t for t in range(T) if row[t]), default=-1) for row in mask]
    right = sum(end == position for end, position in zip(ends, read, strict=True))
    shown = [[visible(piece).replace("␣", " ").strip() or visible(piece) for piece in row] for row in pieces]
    column = min(max(max(map(text_width, row)) for row in shown) + 0.24, (WIDE - NAME) / T)
    heading = f"{right} of {len(read)} rows are read at their last token"
    page = Page(title or heading, [], NAME + column * T, (CELL + GAP) * len(read) + 0.45, theme)
    canvas, colors = page.canvas, page.canvas.theme
    told = []
    for index, (row, real, position) in enumerate(zip(shown, mask, read, strict=True)):
        top = page.top + 0.1 + (CELL + GAP) * index
        canvas.text(page.left, top + CELL / 2, f"row {index}", align="left", color=colors.quiet)
        for t, piece in enumerate(row):
            left = page.left + NAME + column * t
            area = Area(left, top, left + column - 0.08, top + CELL)
            if real[t]:
                canvas.panel(area, colors.panel, colors.accent(SKY), radius=0.05)
                canvas.text(area.center, area.middle, piece, size=SMALL)
            else:
                canvas.hatched(area)
            if t == position:
                color = colors.accent(GREEN if t == ends[index] else ORANGE)
                ring = Area(area.left - 0.035, area.top - 0.035, area.right + 0.035, area.bottom + 0.035)
                canvas.panel(ring, "none", color, radius=0.06, width=2.2)
        told.append(f"row {index} is read at {row[position] if real[position] else 'padding'}")
    canvas.text(page.left, page.bottom - 0.1, "outlined: where the reward is read; hatched: padding", size=TINY,
                align="left", color=colors.quiet)  # fmt: skip
    alt = "; ".join(told)
    return page.finish(f"{alt[0].upper()}{alt[1:]}")
