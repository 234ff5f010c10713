"""What a run leaves behind for whoever looks at it: its lines of metrics, read, and its loss without the noise."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minillm.errors import UserError

METRICS = "metrics.jsonl"  # in a run's folder: one JSON object a line


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl, each with a `step` that grows, a `loss`, and nothing but numbers.

    After the last line break there is nothing, or half a line that a kill tore off, which is left out.
    Raises `ValueError`, with the line's number, for what is no such line, and `FileNotFoundError` for no file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; a run that is kept (--out, or run_dir) writes its metrics there")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text ({error}); is it another file under this name?") from None
    parsed, step = [], 0
    for number, line in enumerate(lines, start=1):
        try:
            metrics = json.loads(line)
            if not isinstance(metrics, dict):
                raise UserError("it is no JSON object")
            for name, value in metrics.items():
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise UserError(f"{name} is {str(value)[:40]!r}, no number")
                float(value)  # which refuses a whole number of hundreds of digits
            if not isinstance(metrics.get("step"), int) or metrics["step"] <= step:
                raise UserError(f"step is {metrics.get('step')}; a whole number above {step} belongs here")
            if "loss" not in metrics:
                raise UserError("it has no loss")
        except (ValueError, OverflowError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: {error}. Mend or delete that line") from None
        parsed.append(metrics)
        step = metrics["step"]
    return parsed


def series(lines: Sequence[dict[str, Any]], key: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric, from the lines that hold it as a finite number.

    >>> series([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "val_loss": 2.5}], "val_loss")
    ([2], [2.5])
    """
    held = [line for line in lines if math.isfinite(line.get(key, math.nan))]
    return [line["step"] for line in held], [line[key] for line in held]


def smoothed(steps: Sequence[int], values: Sequence[float], share: float = 0.1) -> list[float]:
    """At each step, the mean of the values of the last tenth of the way so far.

    A batch's loss is noisy, and a batch's noise is no news. The window grows with the step, since the loss falls fast
    at first and slowly later; it looks back only, so a point does not change when the run goes on.

    >>> smoothed([1, 10, 19, 20], [7.0, 6.0, 3.0, 1.0])
    [7.0, 6.0, 3.0, 2.0]
    """
    means, start, total = [], 0, 0.0
    for end, (step, value) in enumerate(zip(steps, values, strict=True)):
        total += value
        while steps[start] <= (1 - share) * step:
            total -= values[start]
            start += 1
        means.append(total / (end + 1 - start))
    return means
