"""What the page shows of a run's metrics: loss or reward against steps, and how far from the floor it ended."""

from collections.abc import Sequence
from typing import Any

from minillm.training.metrics import Metrics, series, smoothed

MAX_POINTS = 300  # of one line; a phone has about as many columns


def curve_of(lines: Sequence[Metrics]) -> dict[str, Any] | None:
    """The lines of the figure, the floor and the last values; None for a run without metrics.

    A run of PPO or GRPO is drawn by its reward. `floor` is the validation loss minus `above_floor`, so it is there
    where the corpus's true probabilities are known.

    >>> lines = [Metrics(step=1, loss=3.0), Metrics(step=2, loss=1.0, val_loss=1.5, above_floor=0.5)]
    >>> curve = curve_of(lines)
    >>> curve["lines"], curve["floor"]
    ({'training loss': [[1, 3.0], [2, 1.0]], 'validation loss': [[2, 1.5]]}, 1.0)
    """
    measure = "reward" if series(lines, "reward")[0] else "loss"
    shown = {"reward": "mean reward"} if measure == "reward" else {"loss": "training loss"}
    steps, values = series(lines, measure)
    if not steps:
        return None
    drawn = {shown[measure]: thin([[s, round(v, 4)] for s, v in zip(steps, smoothed(steps, values), strict=True)])}
    floor = first = None
    if measure == "loss":
        steps_validated, validated = series(lines, "val_loss")
        if steps_validated:
            drawn["validation loss"] = thin([[s, round(v, 4)] for s, v in zip(steps_validated, validated, strict=True)])
        with_floor = [line for line in lines if "above_floor" in line and "val_loss" in line]
        if with_floor:
            floor = round(with_floor[-1]["val_loss"] - with_floor[-1]["above_floor"], 4)
        first = round(values[0], 4)
    return {
        "measure": measure,
        "lines": drawn,
        "floor": floor,
        "first": first,
        "steps": steps[-1],
        "seconds": round(lines[-1].get("seconds", 0)),
        "tokens": lines[-1].get("tokens"),
    }


def thin(points: list[list[float]], most: int = MAX_POINTS) -> list[list[float]]:
    """At most so many of the points, evenly spaced, the first and the last among them.

    >>> thin([[step, 0.0] for step in range(10)], most=4)
    [[0, 0.0], [3, 0.0], [6, 0.0], [9, 0.0]]
    """
    if len(points) <= most:
        return points
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
