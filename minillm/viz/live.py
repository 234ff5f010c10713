"""A live plot of a training run: one figure in the notebook that updates in place, with a summary below it.

While the cell runs, the plot is a fast SVG that takes about a millisecond. When the cell ends, for whatever reason, it
is replaced by a matplotlib figure, which stays in the stored notebook with its alternative text.
"""

import html
import time
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.training.metrics import Metrics, series, smoothed
from minillm.viz.figures import training_curve
from minillm.viz.outputs import as_picture, displayed, notebook
from minillm.viz.sketch import sketch

EVERY = 1.0  # minimum number of seconds between two updates
MAX_FRACTION = 0.01  # of the time that may be spent on drawing

Band = tuple[Sequence[float], Sequence[float], Sequence[float]]  # steps, lowest, highest


class Live:
    """A callback that plots metrics: `pretrain(..., on_metrics=Live(floor=0.6))`.

    `floor` and `bigram` are reference losses in nats per token, drawn as horizontal lines. `band` is (steps, lowest,
    highest) over reference runs, drawn in the background. `steps`, the length of the run, fixes the x axis. The plot is
    updated about once per second, less often if drawing would take more than 1 % of the time, and always at the end of
    the cell. Outside a notebook nothing is drawn; `figure()` and `sentence` work anywhere.

    The sentence contains speeds, so a lesson tags its cell `nbval-ignore-output`.

    >>> live = Live(floor=0.6)
    >>> live({"step": 1, "loss": 6.9, "learning_rate": 0.0001})
    >>> live({"step": 20, "loss": 5.0, "val_loss": 5.1, "tokens_per_second": 9876.5, "flop_utilization": 0.312})
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
        losses = {"bigram model": bigram, "floor": floor}
        self.references = {name: value for name, value in losses.items() if value is not None}
        for name, value in self.references.items():
            if not value > 0:
                raise UserError(f"the {name} is {value}; a loss on a logarithmic axis must be above 0")
        self.floor, self.band, self.band_name, self.steps = floor, band, band_name, steps
        self.lines: list[Metrics] = []
        self._displays: tuple[Any, ...] = ()
        self._next = 0.0  # time of the next update

    def __call__(self, metrics: Metrics) -> None:
        """Add one line of metrics; earlier lines of the same or a later step are replaced."""
        while self.lines and self.lines[-1]["step"] >= metrics["step"]:
            self.lines.pop()
        self.lines.append(metrics)
        shell = notebook()
        now = time.perf_counter()
        if shell is None or (self._displays and now < self._next) or not self._curve("loss")[0]:
            return
        picture = {"text/html": self.sketch(), "text/plain": "<Figure>"}
        if not self._displays:
            self._displays = tuple(displayed(bundle) for bundle in (picture, self._caption()))
            shell.events.register("post_run_cell", self._finish)
        else:
            self._update(picture, raw=True)
        done = time.perf_counter()
        self._next = done + max(EVERY, (done - now) / MAX_FRACTION)

    def _finish(self, _result: Any = None) -> None:
        """Replace the SVG by the final figure when the cell ends."""
        notebook().events.unregister("post_run_cell", self._finish)
        self._update(**as_picture(self.figure(), alt=self.sentence))
        self._displays = ()  # a run that continues in another cell is shown there

    def _update(self, obj: dict[str, str], **options: Any) -> None:
        image, caption = self._displays
        image.update(obj, **options)
        caption.update(self._caption(), raw=True)

    def _caption(self) -> dict[str, str]:
        return {"text/html": f"<p><em>{html.escape(self.sentence)}</em></p>", "text/plain": self.sentence}

    def _curve(self, kind: str) -> tuple[list[int], list[float]]:
        """The steps and positive values of one loss, for a logarithmic axis."""
        steps, values = series(self.lines, kind)
        kept = [(step, value) for step, value in zip(steps, values, strict=True) if value > 0]
        return [step for step, _ in kept], [value for _, value in kept]

    def _drawn(self) -> dict[str, Any]:
        raw = self._curve("loss")
        drawn = {"raw": raw, "smooth": (raw[0], smoothed(*raw)), "validation": self._curve("val_loss")}
        return drawn | {"references": self.references, "band": self.band, "band_name": self.band_name}

    def figure(self) -> Figure:
        """Draw the run so far with matplotlib; raises `UserError` before the first line."""
        return training_curve(**self._drawn())

    def sketch(self) -> str:
        """Draw the run so far as SVG, which is fast."""
        return sketch(**self._drawn(), steps=self.steps, sentence=self.sentence)

    @property
    def sentence(self) -> str:
        """A summary of the last line of metrics and the last validation loss."""
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
            "flop_utilization": "{:.0%} of the peak",
            "grad_norm": "gradient norm {:.2f}",
            "learning_rate": "learning rate {:.2g}",
        }
        rest = [form.format(last[key]) for key, form in words.items() if key in last]
        parts = [", ".join(part) for part in (losses, rest) if part]
        return f"Step {last['step']:,}: {'; '.join(parts)}."
