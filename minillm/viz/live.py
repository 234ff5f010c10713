"""Watch a run while it learns: one picture in the notebook that changes in place, and a sentence of numbers below it.

While the cell runs, the picture is a sketch that takes about a millisecond; when the cell ends, however it ends, the
course's own figure takes its place and stays in the stored notebook, with its alternative text.
"""

import base64
import html
import sys
import time
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.training.metrics import Metrics, series, smoothed
from minillm.viz.figures import png, shown_size, training_curve
from minillm.viz.sketch import sketch

EVERY = 1.0  # seconds between two pictures, at least
SHARE = 0.01  # of the time, at most, that drawing takes

Band = tuple[Sequence[float], Sequence[float], Sequence[float]]  # steps, lowest, highest


class Live:
    """Hand it every line of metrics: `pretrain(..., on_metrics=Live(floor=0.6))`.

    `floor` and `bigram` are losses in nats per token that are drawn as lines; `band` is (steps, lowest, highest) of
    runs that went well, drawn behind; with `steps`, the length of the run, the axis does not move. A picture is drawn
    about once a second, less often where that would take more than a hundredth of the time, and always at the end of
    the cell. Outside of a notebook it draws nothing and only keeps the lines; `figure()` and `sentence` work anywhere.

    The sentence holds speeds, so a lesson tags its cell `nbval-ignore-output`.

    >>> live = Live(floor=0.6)
    >>> live({"step": 1, "loss": 6.9, "learning_rate": 0.0001})
    >>> live({"step": 20, "loss": 5.0, "val_loss": 5.1, "tokens_per_second": 9876.5, "flop_utilisation": 0.312})
    >>> print(live.sentence)
    Step 20: training loss 5.000, validation loss 5.100 (4.500 above the floor); 9,876 tokens/s, 31% of the peak.
    """

    def __init__(
        self,
        floor: float | None = None,
        bigram: float | None = None,
        band: Band | None = None,
        steps: int | None = None,
        band_name: str = "normal over five seeds",
    ):
        rulers = {"bigram model": bigram, "floor": floor}
        self.references = {name: value for name, value in rulers.items() if value is not None}
        for name, value in self.references.items():
            if not value > 0:
                raise UserError(f"the {name} is {value}; a loss on a logarithmic axis must be above 0")
        self.floor, self.band, self.band_name, self.steps = floor, band, band_name, steps
        self.lines: list[Metrics] = []
        self._displays: tuple[Any, ...] = ()
        self._next = 0.0  # when the next picture is due

    def __call__(self, metrics: Metrics) -> None:
        """Take a line; lines of steps that are run again give way to the new ones."""
        while self.lines and self.lines[-1]["step"] >= metrics["step"]:
            self.lines.pop()
        self.lines.append(metrics)
        shell = _notebook()
        now = time.perf_counter()
        if shell is None or (self._displays and now < self._next) or not self._curve("loss")[0]:
            return
        picture = {"text/html": self.sketch(), "text/plain": "<Figure>"}
        if not self._displays:
            self._displays = tuple(_show(bundle) for bundle in (picture, self._caption()))
            shell.events.register("post_run_cell", self._finish)
        else:
            self._update(picture)
        done = time.perf_counter()
        self._next = done + max(EVERY, (done - now) / SHARE)

    def _finish(self, _result: Any = None) -> None:
        """The cell is over: the figure that stays, and no more of the sketch."""
        _notebook().events.unregister("post_run_cell", self._finish)
        picture = png(self.figure())
        width, height = shown_size(picture)
        metadata = {"image/png": {"alt": self.sentence, "width": width, "height": height}}
        self._update({"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"}, metadata)
        self._displays = ()  # a run that goes on in another cell is shown there

    def _update(self, picture: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        place, caption = self._displays
        place.update(picture, raw=True, metadata=metadata or {})
        caption.update(self._caption(), raw=True)

    def _caption(self) -> dict[str, str]:
        return {"text/html": f"<p><em>{html.escape(self.sentence)}</em></p>", "text/plain": self.sentence}

    def _curve(self, kind: str) -> tuple[list[int], list[float]]:
        """What of one loss can stand on a logarithmic axis."""
        steps, values = series(self.lines, kind)
        kept = [(step, value) for step, value in zip(steps, values, strict=True) if value > 0]
        return [step for step, _ in kept], [value for _, value in kept]

    def _drawn(self) -> dict[str, Any]:
        raw = self._curve("loss")
        drawn = {"raw": raw, "smooth": (raw[0], smoothed(*raw)), "validation": self._curve("val_loss")}
        return drawn | {"references": self.references, "band": self.band, "band_name": self.band_name}

    def figure(self) -> Figure:
        """The run so far as the course's figure; raises `ValueError` before the first line."""
        return training_curve(**self._drawn())

    def sketch(self) -> str:
        """The same as SVG, quickly."""
        return sketch(**self._drawn(), steps=self.steps, sentence=self.sentence)

    @property
    def sentence(self) -> str:
        """Where the run stands: what the last line says, and the last validation."""
        if not self.lines:
            return "No step yet."
        last = self.lines[-1]
        known: dict[str, Any] = {key: value for line in self.lines for key, value in line.items()}
        losses = []
        if self._curve("loss")[0]:
            losses.append(f"training loss {smoothed(*self._curve('loss'))[-1]:.3f}")
        if "val_loss" in known:
            above = known["val_loss"] - self.floor if self.floor is not None else known.get("above_floor")
            known_above = "" if above is None else f" ({above:.3f} above the floor)"
            losses.append(f"validation loss {known['val_loss']:.3f}{known_above}")
        words = {
            "tokens_per_second": "{:,.0f} tokens/s",
            "flop_utilisation": "{:.0%} of the peak",
            "grad_norm": "gradient norm {:.2f}",
            "learning_rate": "learning rate {:.2g}",
        }
        rest = [form.format(last[key]) for key, form in words.items() if key in last]
        parts = [", ".join(part) for part in (losses, rest) if part]
        return f"Step {last['step']:,}: {'; '.join(parts)}."


def _show(bundle: dict[str, str]) -> Any:
    """Display something that can be changed later; returns the handle to do so."""
    from IPython.display import display  # a notebook's own library

    return display(bundle, raw=True, display_id=True)


def _notebook() -> Any:
    """The shell of the notebook that this runs in; None in a script or a terminal."""
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None
