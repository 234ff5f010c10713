"""The map of a course about one model: the parts of the model in a strip, and the stages of its training below it."""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Canvas, Diagram, text_width
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import GREEN, ORANGE
from minillm.viz.figures.style import SMALL

LAYER = ("norm", "attention", "norm ", "feed-forward")  # a box needs a name of its own
STRIP = ("tokenizer", "embedding", *LAYER, "logits", "sampling")
POSITIONS, FRAME = "positions", "transformer"  # above attention, and around a layer
NUMBER = 8.5  # points, the second line of a box
HIGH, LOW = 0.46, 0.3  # inches, a box with two lines and with one
GAP = 0.08  # inches between two stages, at least; half of that where they are many
INNER = 0.12  # inches from the frame to what is in it
LEVEL, STAGES, HEIGHT = 0.98, 2.24, 2.49  # inches from the top: the middle of the strip, of the stages, the end
AGAIN = "the chosen token joins the text, and the next one is computed"


class Station(NamedTuple):
    """A part of the model or a stage of its training.

    `lesson` is the number of the lesson about it, which asks for `of` functions; so many of them are `yours`. Stages
    that follow each other in a `group` share its name as a caption.
    """

    name: str
    lesson: str = ""
    yours: int = 0
    of: int = 0
    group: str = ""

    @property
    def is_yours(self) -> bool:
        """Whether every function of it is yours."""
        return self.yours == self.of > 0

    @property
    def note(self) -> str:
        """The second line of its box: the number of the lesson, and what is yours.

        >>> [Station("", "04", yours, 3).note for yours in (0, 1, 3)]
        ['04', '04 · 1 of 3', '✓ 04']
        """
        if self.is_yours:
            return f"✓ {self.lesson}"
        return f"{self.lesson} · {self.yours} of {self.of}" if self.yours else self.lesson

    @property
    def short_note(self) -> str:
        """The same where many stages share a row.

        >>> Station("", "04", 1, 3).short_note
        '04 · 1/3'
        """
        return self.note.replace(" of ", "/")


def model_map(
    stations: Iterable[Station],
    here: Sequence[str] = (),
    layers: int | None = None,
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw the whole model as a strip from text to text, with the other stations below it.

    "tokenizer", "embedding", "attention", "feed-forward", "logits" and "sampling" are boxes of the strip, "positions"
    stands above attention, "norm" before both parts of a layer, and "transformer" is the frame around a layer, of which
    there are `layers`. All other stations follow below in their order. Those that are yours are green with a check
    mark. `here` names stations to outline. Raises `UserError` for a name in it that is no station, and for more
    stations than fit the page.

    >>> stations = [Station("attention", "04", yours=2, of=2), Station("SFT", "09")]
    >>> model_map(stations, here=["SFT"]).alt
    'Diagram: You are here: SFT (lesson 09). Of 2 stations, these are yours: attention.'
    """
    named = {station.name: station for station in stations}
    if unknown := [name for name in here if name not in named]:
        raise UserError(f"here names {unknown[0]!r}, which is no station; there are {', '.join(named)}")
    places = " and ".join(f"{name} (lesson {named[name].lesson})" for name in here)
    title = title or (f"You are here: {places}" if here else "The whole model")
    return _Map(named, here, layers, title, theme).draw()


class _Map:
    """The layout: a key, the strip with the way back below it, and a row of stages."""

    def __init__(self, named: dict[str, Station], here: Sequence[str], layers: int | None, title: str, theme: str):
        self.named, self.here, self.layers = named, here, layers
        self.page = Page(title, [], WIDE, HEIGHT, theme)
        self.canvas: Canvas = self.page.canvas
        self.areas: dict[str, Area] = {}
        self.tight = False  # whether the stages are so many that their boxes are narrow

    def draw(self) -> Diagram:
        """Draw everything; outlines come last, above all boxes."""
        self._key()
        self._strip(self.page.top + LEVEL)
        self._layer(self.page.top + LEVEL)
        self._again(self.page.top + LEVEL)
        self._stages(self.page.top + STAGES)
        for name in self.here:
            left, top, right, bottom = self.areas[name]
            around = Area(left - 0.05, top - 0.05, right + 0.05, bottom + 0.05)
            self.canvas.panel(around, "none", self.canvas.theme.accent(ORANGE), width=2.4, radius=0.1)
        mine = [
            f"{name} ({s.yours} of {s.of})" if s.yours < s.of else name for name, s in self.named.items() if s.yours
        ]
        return self.page.finish(f"Of {len(self.named)} stations, these are yours: {', '.join(mine) or 'none so far'}")

    def _key(self) -> None:
        """What the colors mean, at the upper right."""
        canvas, theme = self.canvas, self.canvas.theme
        green, orange = theme.accent(GREEN), theme.accent(ORANGE)
        x, y = self.page.left + WIDE, self.page.top - 0.22
        for text, face, edge in (("this lesson", "none", orange), ("✓ yours", green, "none")):
            x -= text_width(text, NUMBER)
            canvas.text(x, y, text, size=NUMBER, color=theme.quiet, align="left")
            canvas.panel(Area(x - 0.28, y - 0.07, x - 0.08, y + 0.07), face, edge, width=2, radius=0.04)
            x -= 0.5

    def _strip(self, level: float) -> None:
        """From text to text, evenly spaced."""
        widths, text = [self._width(name) for name in STRIP], text_width("text", SMALL)
        gap = (WIDE - sum(widths) - 2 * text - 4 * INNER) / (len(STRIP) + 1)
        if gap < 0.1:
            raise UserError("the names of the stations are too long for the width of the page; shorten them")
        x = self.page.left
        self.canvas.text(x, level, "text", color=self.canvas.theme.quiet, align="left")
        x += text
        for name, width in zip(STRIP, widths, strict=True):
            x = self._reach(x, x + gap + 2 * INNER * (name in (LAYER[0], "logits")), level)  # across the frame
            self._box(name, x, level, width)
            x += width
        x = self._reach(x, x + gap, level)
        self.canvas.text(x, level, "text", color=self.canvas.theme.quiet, align="left")

    def _reach(self, start: float, end: float, level: float) -> float:
        self.canvas.arrow((start + 0.03, level), (end - 0.03, level))
        return end

    def _layer(self, level: float) -> None:
        """The positions above attention, and the frame around a layer."""
        canvas, theme = self.canvas, self.canvas.theme
        attention, width = self.areas["attention"], self._width(POSITIONS)
        self._box(POSITIONS, attention.center - width / 2, level - 0.7, width)
        positions = self.areas[POSITIONS]
        canvas.arrow((attention.center, positions.bottom + 0.02), (attention.center, attention.top - 0.03))
        left, right = self.areas[LAYER[0]].left - INNER, self.areas[LAYER[-1]].right + INNER
        frame = self.areas[FRAME] = Area(left, positions.top - 0.1, right, level + HIGH / 2 + 0.12)
        station = self.named.get(FRAME, Station(FRAME))
        strong, quiet = [theme.accent(GREEN)] * 2 if station.is_yours else (theme.ink, theme.quiet)
        canvas.panel(frame, "none", strong if station.yours else theme.line, width=1.6, radius=0.1)
        x, times = right - 0.12, f"× {self.layers or 'N'} layers"
        canvas.text(x, frame.top + 0.15, station.name, color=strong, align="right", bold=True)
        canvas.text(x, frame.top + 0.33, station.note, size=NUMBER, color=quiet, align="right")
        canvas.text(x, frame.top + 0.5, times, size=NUMBER, color=theme.quiet, align="right")

    def _again(self, level: float) -> None:
        """The way back from the chosen token to the next text."""
        start, end, y = self.areas["sampling"], self.areas["embedding"], level + HIGH / 2 + 0.3
        down, up = (start.center, start.bottom + 0.03), (end.center, end.bottom + 0.04)
        self.canvas.arrow(down, (start.center, y), (end.center, y), up)
        self.canvas.text((start.center + end.center) / 2, y + 0.12, AGAIN, NUMBER, self.canvas.theme.quiet)

    def _stages(self, level: float) -> None:
        """The other stations in a row, with the names of their groups above."""
        stages = [station for name, station in self.named.items() if name not in (*STRIP, POSITIONS, FRAME)]
        widths = {station.name: self._width(station.name) for station in stages}
        gaps = max(1, len(stages) - 1)
        if (WIDE - sum(widths.values())) / gaps < GAP:
            self.tight = True
            widths = {station.name: self._width(station.name) for station in stages}
        gap = (WIDE - sum(widths.values())) / gaps
        if stages and gap < GAP / 2:
            raise UserError(f"{len(stages)} stages are too many for the width of the page; leave some out")
        x, theme = self.page.left, self.canvas.theme
        for group, members in itertools.groupby(stages, key=lambda station: station.group):
            self.canvas.text(x, level - HIGH / 2 - 0.13, group, NUMBER, theme.quiet, "left")
            for place, station in enumerate(members):
                if place and gap > 1.5 * GAP:  # there is space for an arrow
                    self._reach(x - gap, x, level)
                self._box(station.name, x, level, widths[station.name])
                x += widths[station.name] + gap

    def _station(self, name: str) -> Station:
        return self.named.get(name.strip(), Station(name.strip()))

    def _width(self, name: str) -> float:
        station = self._station(name)
        note = station.short_note if self.tight else station.note
        return max(text_width(station.name, SMALL, bold=True), text_width(note, NUMBER)) + (
            0.08 if self.tight else 0.14
        )

    def _box(self, name: str, x: float, level: float, width: float) -> None:
        """One station: solid where it is yours, one line where no lesson is about it."""
        theme, station = self.canvas.theme, self._station(name)
        half = (HIGH if station.lesson else LOW) / 2
        area = self.areas[name] = Area(x, level - half, x + width, level + half)
        green = theme.accent(GREEN)
        face, edge = green if station.is_yours else theme.panel, green if station.yours else theme.hatch
        self.canvas.panel(area, face, edge, radius=0.06, width=1.4)
        if not station.lesson:
            self.canvas.text(area.center, level, station.name, color=theme.quiet)
            return
        strong, quiet = [theme.paper] * 2 if station.is_yours else (theme.ink, green if station.yours else theme.quiet)
        self.canvas.text(area.center, level - 0.085, station.name, color=strong, bold=True)
        self.canvas.text(area.center, level + 0.1, station.short_note if self.tight else station.note, NUMBER, quiet)
