"""A training loop that is worth watching: plots that grow, an example's output now and then, the seconds left.

It can be interrupted at any time, and what was learned stays. Small models train inside it on one thread: on two,
beside other work, they are several times slower.
"""

import html
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import torch

from minillm.errors import UserError
from minillm.viz.outputs import as_picture, displayed, notebook
from minillm.viz.panels import Panel, panels_figure, panels_svg

EVERY = 0.5  # seconds between two drawings, after the first ten updates, each of which is drawn
MAX_FRACTION = 0.02  # of the time that may be spent on drawing
EXAMPLES, SHOWN = 14, 8  # how often the example is asked at most, and how many answers are shown
LONGEST = 240  # characters of an example
RECENT = 10  # updates from which the seconds left are estimated


class Watch:
    """A loop over updates in which a cell is watched: `with Watch(...) as watch`, `for update in watch`, `watch.log`.

    `panels` has the plots: what each shows, and the names of its lines. A share is drawn from 0 to 100%, anything else
    from zero; the panels in `zoomed` are drawn as close as their values allow. `levels` are horizontal lines to compare
    with, by panel and name. `example` returns a text, for example the model's answer to one fixed question; it is
    called before the first update and at most `examples` times after that. `threads` is the number of torch's threads
    inside the block, or None to leave it.

    Updates count from 0, as in `range`; in the plots a number stands after its update, so the first stands at 1.
    Interrupting the kernel leaves the block quietly, and `done` says how many updates were done. Any other exception
    passes. Outside a notebook lines are printed. Raises `UserError` for a name that no panel has.

    >>> with Watch(3, {"share of answers": ["right", "with steps"]}, example=lambda: "6 - 3 = 3") as watch:
    ...     for update in watch:
    ...         watch.log(right=(1 + update) / 4, with_steps=0.5)
    update 0: 6 - 3 = 3
    update 1 of 3: right 25%, with steps 50%
    update 1: 6 - 3 = 3
    update 2 of 3: right 50%, with steps 50%
    update 2: 6 - 3 = 3
    update 3 of 3: right 75%, with steps 50%
    update 3: 6 - 3 = 3
    After 3 updates: right 75% (25% at first), with steps 50% (50% at first).
    >>> watch.history
    {'right': [0.25, 0.5, 0.75], 'with steps': [0.5, 0.5, 0.5]}
    """

    def __init__(
        self,
        updates: int,
        panels: Mapping[str, Sequence[str]],
        example: Callable[[], str] | None = None,
        levels: Mapping[str, Mapping[str, float]] | None = None,
        zoomed: Collection[str] = (),
        threads: int | None = 1,
        examples: int = EXAMPLES,
    ):
        if updates < 1 or not panels:
            raise UserError(f"Watch needs at least one update and one panel; got {updates} and {list(panels)}")
        names = [name for lines in panels.values() for name in lines]
        if len({*names}) < len(names) or not all(panels.values()):
            raise UserError(f"each panel needs lines, and each line a name of its own; got {dict(panels)}")
        if unknown := {*(levels or {}), *zoomed} - {*panels}:
            raise UserError(f"there is no panel {min(unknown)!r}; there are {', '.join(map(repr, panels))}")
        self.updates, self.example, self.threads = updates, example, threads
        self.done = 0  # updates
        self.examples: dict[int, str] = {}  # by the number of updates before it
        self._layout = {name: tuple(lines) for name, lines in panels.items()}
        self._levels, self._zoomed = levels or {}, zoomed
        self._logged: dict[str, dict[int, float]] = {name: {} for name in names}
        self._every = math.ceil(updates / examples)
        self._now = 0  # the number of the update that is running, counted from 1
        self._ended = ""  # a sentence, if it ended early
        self._ticks: list[float] = []  # when the last updates ended
        self._next = 0.0  # time of the next drawing
        self._displays: tuple[Any, ...] = ()

    def __enter__(self) -> "Watch":
        self._threads_before = torch.get_num_threads()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return self

    def __iter__(self) -> Iterator[int]:
        self._ask()
        self._draw()
        self._ticks.append(time.perf_counter())
        for update in range(self.done + 1, self.updates + 1):
            self._now = update
            yield update - 1
            self.done = update
            self._ticks = [*self._ticks[-RECENT:], time.perf_counter()]
            due = update % self._every == 0 or update == self.updates
            if notebook() is None and (due or update <= 3):
                print(f"update {update} of {self.updates}: {', '.join(self._last())}")
            if due:
                self._ask()
            if update <= 10 or time.perf_counter() >= self._next:
                self._draw()

    def log(self, **values: Any) -> None:
        """Add numbers to the running update, by the names of their lines with `_` for each space.

        What is logged before the first update stands at 0. A second number for one line replaces the first.
        """
        for key, value in values.items():
            name = next((name for name in self._logged if key in (name, name.replace(" ", "_"))), None)
            if name is None:
                raise UserError(f"no panel has a line {key!r}; there are {', '.join(map(repr, self._logged))}")
            self._logged[name][self._now] = float(value)

    @property
    def history(self) -> dict[str, list[float]]:
        """What was logged, by the names of the lines."""
        return {name: [*values.values()] for name, values in self._logged.items()}

    @property
    def sentence(self) -> str:
        """What the plots show: the last number of each line, and the first."""
        lasts = [
            f"{last} ({panel.written(next(iter(logged.values())))} at first)" if len(logged) > 1 else last
            for (panel, logged), last in zip(self._drawable(), self._last(), strict=True)
        ]
        return f"After {self.done} update{'s' * (self.done != 1)}: {', '.join(lasts) or 'nothing logged'}."

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> bool:
        try:
            stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
            if stopped:
                self._ended = f"Stopped after update {self.done} of {self.updates}; what was learned stays."
            elif kind is not None:
                self._ended = f"Ended by an error after update {self.done} of {self.updates}."
            self._finish()
        finally:
            torch.set_num_threads(self._threads_before)
        return stopped

    def _finish(self) -> None:
        """Replace the SVG by a figure that stays."""
        if notebook() is None:
            print(" ".join(filter(None, [self._ended, self.sentence])))
            return
        self._draw()  # if nothing was drawn yet, there is something to replace
        picture, words = self._displays
        picture.update(**as_picture(panels_figure(self.panels, self.updates), alt=self.sentence))
        words.update(self._words(" ".join(filter(None, [self._ended, self.sentence]))), raw=True)
        self._displays = ()

    @property
    def panels(self) -> list[Panel]:
        """The plots with what was logged so far."""

        def curve(name: str) -> tuple[list[int], list[float]]:
            kept = {update: value for update, value in self._logged[name].items() if math.isfinite(value)}
            return [*kept], [*kept.values()]

        found, before = [], 0
        for title, lines in self._layout.items():
            curves = {name: curve(name) for name in lines}
            found.append(Panel(title, curves, self._levels.get(title, {}), title in self._zoomed, before))
            before += len(lines)
        return found

    def _drawable(self) -> list[tuple[Panel, dict[int, float]]]:
        """The panel and the numbers of each line that has some."""
        pairs = [(panel, self._logged[name]) for panel in self.panels for name in panel.lines]
        return [(panel, logged) for panel, logged in pairs if logged]

    def _last(self) -> list[str]:
        names = [name for lines in self._layout.values() for name in lines if self._logged[name]]
        written = [panel.written([*logged.values()][-1]) for panel, logged in self._drawable()]
        return [f"{name} {value}" for name, value in zip(names, written, strict=True)]

    def _ask(self) -> None:
        """Ask for the example's output, unless it is known."""
        if self.example is None or self.done in self.examples:
            return
        text = " ".join(str(self.example()).split())
        self.examples[self.done] = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        if notebook() is None:
            print(f"update {self.done}: {self.examples[self.done]}")

    def _draw(self) -> None:
        if notebook() is None:
            return
        begun = time.perf_counter()
        picture = {"text/html": panels_svg(self.panels, self.updates, self.sentence), "text/plain": "<Figure>"}
        words = self._words(f"Update {self.done} of {self.updates}{self._left()}.")
        if not self._displays:
            self._displays = displayed(picture), displayed(words)
        else:
            for display, bundle in zip(self._displays, (picture, words), strict=True):
                display.update(bundle, raw=True)
        done = time.perf_counter()
        self._next = done + max(EVERY, (done - begun) / MAX_FRACTION)

    def _left(self) -> str:
        """The seconds left, from the last updates."""
        if len(self._ticks) < 2:
            return ""
        seconds = (self._ticks[-1] - self._ticks[0]) / (len(self._ticks) - 1) * (self.updates - self.done)
        return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"

    def _words(self, status: str) -> dict[str, str]:
        """A sentence, and below it the first example's output and some of the later ones, evenly chosen."""
        asked = [*self.examples.items()]
        stride = next(2**k for k in range(len(asked) + 1) if len(asked[:: 2**k]) <= SHOWN)
        shown = asked[::stride] if stride == 1 or (len(asked) - 1) % stride == 0 else [*asked[::stride], asked[-1]]
        rows = "".join(
            f'<span style="opacity:0.65;white-space:nowrap">update {update}</span><span>{html.escape(text)}</span>'
            for update, text in shown
        )
        grid = "display:grid;grid-template-columns:max-content 1fr;gap:3px 12px;max-width:52em"
        below = f'<div style="{grid}">{rows}</div>' if rows else ""
        lines = [status, *(f"update {update}: {text}" for update, text in shown)]
        return {
            "text/html": f'<p role="status" style="margin:4px 0">{html.escape(status)}</p>{below}',
            "text/plain": "\n".join(lines),
        }
