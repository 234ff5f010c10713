"""What every part of a diagram can do."""

from typing import Any, NamedTuple

from minillm.viz.diagrams.canvas import Canvas


class Extent(NamedTuple):
    """The size of a part in inches.

    `above` and `below` are measured from the line on which a row aligns its parts.
    """

    width: float
    above: float
    below: float


class Part:
    """A part of a diagram: it knows its size and draws itself."""

    @property
    def told(self) -> str:
        """The part in words, for the alternative text."""
        raise NotImplementedError

    def extent(self) -> Extent:
        """Its size."""
        raise NotImplementedError

    def draw(self, canvas: Canvas, x: float, middle: float) -> Any:
        """Draw it with its left edge at `x`, aligned at the height `middle`."""
        raise NotImplementedError

    def with_digits(self, digits: int) -> "Part":
        """The part with fewer digits after the point, if it has numbers."""
        return self
