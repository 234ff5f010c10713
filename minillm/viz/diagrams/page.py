"""The page of a diagram: its title, a key to its colors, its alternative text."""

from collections.abc import Sequence

from matplotlib.patches import Rectangle

from minillm.viz.diagrams.boxes import Box
from minillm.viz.diagrams.canvas import MARGIN, TITLE, Area, Canvas, Diagram, text_width, wrapped
from minillm.viz.diagrams.theme import theme_named
from minillm.viz.figures.style import TINY

PAGE = 8.6  # inches, the widest diagram
WIDE = PAGE - 2 * MARGIN  # inches, between the margins
TALL = 6.8  # inches; a taller diagram is drawn with fewer digits
KEY = 0.3  # inches, the height of the key
TITLE_LINE = 0.22  # inches
WRAPPED = 4.6  # inches; a longer title does not widen the page, but takes another line
SWATCH = 0.42  # inches


class Page:
    """A canvas with a title above and a key below.

    Between them are `wide` x `high` inches for the drawing, between `top` and `bottom`, `left` and `right`. Raises
    `UserError` for an unknown theme.

    >>> page = Page("A title", [], wide=4.0, high=1.0, theme="light")
    >>> page.finish("An empty page").alt
    'Diagram: A title. An empty page.'
    """

    def __init__(self, title: str, boxes: Sequence[Box], wide: float, high: float, theme: str):
        colors = theme_named(theme)
        entries = _entries(boxes)
        heading = min(text_width(title, TITLE, bold=True) + 0.02, WRAPPED)
        across = max(wide, sum(width for *_, width in entries), heading)
        lines = wrapped(title, across, TITLE, bold=True) if title else []
        self.title = title
        self.left = MARGIN + (across - wide) / 2
        self.right = self.left + wide
        self.top = MARGIN + (TITLE_LINE * len(lines) + 0.12 if lines else 0)
        self.bottom = self.top + high
        self.canvas = Canvas(across + 2 * MARGIN, self.bottom + (KEY if entries else 0) + MARGIN, colors)
        self.canvas.signed = any(part.signed for part in boxes)  # in all boxes, so that a color has one meaning
        for index, line in enumerate(lines):
            self.canvas.text(MARGIN, MARGIN + TITLE_LINE * (index + 0.5), line, size=TITLE, align="left", bold=True)
        x = MARGIN
        for kind, text, width in entries:
            self._entry(x, self.bottom + KEY - 0.08, kind, text)
            x += width

    def finish(self, told: str, alt: str = "") -> Diagram:
        """The diagram; its alternative text is the title, `told` and `alt`."""
        start = f"Diagram: {self.title}" if self.title else "Diagram"
        sentences = [text.strip().rstrip(".") for text in (start, told, alt) if text.strip()]
        text = ". ".join(sentences) + "."
        return Diagram(self.canvas.figure, "".join(c if c.isprintable() else " " for c in text))

    def _entry(self, x: float, y: float, kind: str, text: str) -> None:
        """One swatch of the key with its text."""
        canvas, theme = self.canvas, self.canvas.theme
        swatch = Area(x, y - 0.06, x + SWATCH, y + 0.06)
        if kind == "mask":
            canvas.hatched(swatch)
        else:
            scale, steps = theme.scale(kind == "signed"), 7
            for step in range(steps):
                left, wide = swatch.left + SWATCH * step / steps, SWATCH / steps
                color = scale(step / (steps - 1))
                strip = Rectangle((left, swatch.top), wide, 0.12, facecolor=color, linewidth=0, antialiased=False)
                strip.set_zorder(canvas.above())
                canvas.axes.add_patch(strip)
        canvas.panel(swatch, edge=theme.hatch, width=0.8)
        canvas.text(swatch.right + 0.08, y, text, size=TINY, color=theme.quiet, align="left")


def _entries(boxes: Sequence[Box]) -> list[tuple[str, str, float]]:
    """The entries of the key: kind, text and width in inches."""
    signed = any(part.signed for part in boxes)
    kinds = {
        "signed": ("negative to positive", signed),
        "share": ("zero to largest", not signed and any(part.shaded for part in boxes)),
        "mask": ("masked", any(part.mask is not None and bool(part.mask.any()) for part in boxes)),
    }
    return [
        (kind, text, SWATCH + 0.08 + text_width(text, TINY) + 0.25) for kind, (text, shown) in kinds.items() if shown
    ]
