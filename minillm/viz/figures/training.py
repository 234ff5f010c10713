"""The loss curves of a training run, with reference losses."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.figures.curves import reference_lines, scales
from minillm.viz.figures.labels import name_at_the_right
from minillm.viz.figures.style import BLUE, FAINT, ORANGE, SKY, Numbers, in_style, new_figure, numbers

Curve = tuple[Sequence[float], Numbers]  # steps, and nats per token at each of them


@in_style
def training_curve(
    raw: Curve,
    smooth: Curve,
    validation: Curve = ((), ()),
    references: Mapping[str, float] | None = None,
    band: tuple[Sequence[float], Numbers, Numbers] | None = None,
    band_name: str = "normal over five seeds",
) -> Figure:
    """Draw the loss of each batch, the smoothed loss and the validation loss over steps, on a log scale in nats.

    `references` are horizontal lines, such as the floor; `band` is (steps, lowest, highest), drawn in the background.
    Raises `UserError` without any loss, for a loss that is not positive, and if steps and losses do not match.

    >>> figure = training_curve(([1, 10], [7.0, 4.0]), ([1, 10], [7.0, 5.5]), ([10], [4.2]), {"floor": 0.6})
    >>> [line.get_ydata().tolist() for line in figure.axes[0].lines[:3]]
    [[7.0, 4.0], [7.0, 5.5], [4.2]]
    """
    curves = {"each batch": raw, "training loss": smooth, "validation loss": validation}
    listed = {name: ([*steps], numbers(values, name)) for name, (steps, values) in curves.items()}
    for name, (steps, values) in listed.items():
        if len(steps) != len(values):
            raise UserError(f"{name}: {len(steps)} steps and {len(values)} losses; give one loss for each step")
    if not listed["each batch"][0]:
        raise UserError("training_curve needs at least one loss; add a line of metrics first")
    figure, axes = new_figure(height=3.2)
    axes.set(xlabel="step", ylabel="nats per token")
    ends = []
    look = {
        "each batch": dict(color=SKY, lw=0.8, alpha=0.7, zorder=1.5),
        "training loss": dict(color=BLUE, lw=1.8, marker="o", ms=4, markevery=[-1]),
        "validation loss": dict(color=ORANGE, lw=1.4, marker="s", ms=5, zorder=3),
    }
    for name, (steps, values) in listed.items():
        if steps:
            axes.plot(steps, values, label=name, **look[name])
            if "marker" in look[name]:
                ends.append((values[-1], name, look[name]["color"], look[name]["marker"]))
    ends += reference_lines(axes, references or {})
    if band is not None:
        steps, lowest, highest = [*band[0]], numbers(band[1], band_name), numbers(band[2], band_name)
        axes.fill_between(steps, lowest, highest, color=FAINT, alpha=0.8, lw=0, zorder=0.5, label=band_name)
        ends.append((lowest[-1], band_name, FAINT, "s"))
    axes.margins(x=0.02)
    scales(axes, log_x=False, log_y=True)
    name_at_the_right(axes, ends)
    return figure
