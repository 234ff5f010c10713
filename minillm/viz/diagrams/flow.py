"""Tensors and operations in a line that breaks like a long equation.

`flow([box(...), arrow(...), box(...)])` draws them.
"""

import itertools
from collections.abc import Sequence

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import COLORS_ONLY
from minillm.viz.diagrams.canvas import Canvas, Diagram
from minillm.viz.diagrams.page import TALL, WIDE, Page
from minillm.viz.diagrams.part import Part
from minillm.viz.diagrams.parts import Arrow, Fan, Row, Sign, tensors, told

BETWEEN = 0.3  # inches between two rows
INDENT = 0.22  # inches, of the rows after the first
TURN = 0.1  # inches that the stroke to the next row needs at the right


def arrow(name: str, note: str = "") -> Arrow:
    """An operation for `flow`, with a note below the arrow.

    >>> arrow("softmax", "each row sums to 1").name
    'softmax'
    """
    return Arrow(name, note)


def sign(name: str) -> Sign:
    """An operator for `flow`, such as "@".

    >>> sign("@").name
    '@'
    """
    return Sign(name)


def fan(*rows: Sequence[Part]) -> Fan:
    """Several rows for `flow`, each reached by an arrow from the part before.

    >>> len(fan([sign("a")], [sign("b")]).rows)
    2
    """
    return Fan(tuple(Row(tuple(row)) for row in rows))


def flow(parts: Sequence[Part], title: str = "", alt: str = "", theme: str = "light", rows: int = 2) -> Diagram:
    """Draw tensors and operations from left to right, in as few rows as fit the page.

    Numbers get two digits after the point, or one, or none (colors only): as many as leave the diagram with at most
    `rows` rows. `alt` is added to the alternative text that is made from the parts. Raises `UserError` if there is no
    tensor, and for another theme than "light" or "dark".

    >>> from minillm.viz.diagrams.boxes import box
    >>> flow([box("x", [[1, 2]], "T C"), arrow("double"), box("y", [[2, 4]], "T C")]).alt
    'Diagram. x (T × C = 1 × 2), then double, y (T × C = 1 × 2).'
    """
    boxes = tensors(*parts)
    if not boxes:
        raise UserError("flow has no tensor to draw; give at least one box(...)")
    lines: list[Row] = []
    high = 0.0
    for digits in (2, 1, COLORS_ONLY):
        lines = _balanced([part.with_digits(digits) for part in parts])
        high = sum(line.extent().above + line.extent().below for line in lines) + BETWEEN * (len(lines) - 1)
        if len(lines) <= rows and max(line.extent().width for line in lines) <= WIDE and high <= TALL:
            break
    wide = max(line.extent().width + (INDENT if index else 0) for index, line in enumerate(lines))
    page = Page(title, boxes, wide + (TURN if len(lines) > 1 else 0), high, theme)
    y, end = page.top, None
    for line in lines:
        width, above, below = line.extent()
        x, middle = page.left + (INDENT if end else 0), y + above
        if end is not None:
            _turn(page.canvas, end, (x, middle), y - BETWEEN / 2)
        line.draw(page.canvas, x, middle)
        end = (x + width, middle)
        y += above + below + BETWEEN
    return page.finish(told(parts), alt)


def _balanced(parts: Sequence[Part]) -> list[Row]:
    """The parts in as few rows as fit the page, of about the same width."""
    limit = WIDE - TURN
    lines = _broken(parts, limit)
    while limit > 1 and len(narrower := _broken(parts, limit - 0.1)) == len(lines):
        limit, lines = limit - 0.1, narrower
    return lines


def _broken(parts: Sequence[Part], limit: float) -> list[Row]:
    """The parts in rows of at most `limit` inches."""
    lines: list[tuple[Part, ...]] = []
    for unit in _units(parts, limit - INDENT):
        room = limit - (INDENT if len(lines) > 1 else 0)
        if lines and Row((*lines[-1], *unit)).extent().width <= room:
            lines[-1] = (*lines[-1], *unit)
        else:
            lines.append(unit)
    return [Row(line) for line in lines]


def _units(parts: Sequence[Part], limit: float) -> list[tuple[Part, ...]]:
    """The parts cut before each arrow and, if still too wide, before each sign."""
    units: list[tuple[Part, ...]] = []
    for unit in _cut(parts, Arrow):
        units += [unit] if Row(unit).extent().width <= limit else _cut(unit, Sign)
    return units


def _cut(parts: Sequence[Part], kind: type) -> list[tuple[Part, ...]]:
    """The parts cut before each one of a kind."""
    starts = [0, *(index for index, part in enumerate(parts) if index and isinstance(part, kind)), len(parts)]
    return [tuple(parts[start:end]) for start, end in itertools.pairwise(starts)]


def _turn(canvas: Canvas, end: tuple[float, float], start: tuple[float, float], between: float) -> None:
    """A pale stroke from the end of a row to the start of the next."""
    (x, y), (to_x, to_y) = end, start
    right, left = x + TURN, to_x - 0.14
    points = ((x + 0.02, y), (right, y), (right, between), (left, between), (left, to_y), (to_x, to_y))
    canvas.arrow(*points, color=canvas.theme.hatch, head=False)
