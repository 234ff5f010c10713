"""The metrics of a run: what each key means, how to read metrics.jsonl, and how to smooth a noisy loss."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from minillm.errors import UserError

METRICS = "metrics.jsonl"  # in a run's folder: one JSON object per line


class Metrics(TypedDict, total=False):
    """One line of metrics. Losses are in nats; what a method does not have is left out."""

    # every method
    step: int  # optimizer steps done; of PPO and GRPO, rounds of sampling and learning
    tokens: int  # learned from since step 0; of a reward model and DPO, pairs; of PPO and GRPO, tokens sampled
    seconds: float  # since step 0, validation and saving included
    loss: float  # of this step's batches, before the update
    learning_rate: float
    grad_norm: float  # before clipping
    tokens_per_second: float  # since the line before, without validating and saving
    # now and then
    val_loss: float  # nats per target of the validation data
    val_accuracy: float  # share of validation pairs in which the chosen answer is ahead
    # pretraining
    above_floor: float  # val_loss - the entropy floor
    flop_utilization: float  # share of the fastest matrix product measured here
    # pairs: reward model and DPO
    accuracy: float  # share of the last batch's pairs in which the chosen answer is ahead
    margin: float  # mean difference of implicit rewards (DPO)
    kl: float  # nats per answer from the reference (DPO: when validating; PPO and GRPO: always)
    # PPO and GRPO: of the sampled answers
    reward: float  # mean score
    kl_coef: float  # as it stands after the step
    entropy: float  # nats per token
    answer_length: float  # tokens
    ended: float  # share of answers that a stop token ended
    # PPO and GRPO: means over the step's updates
    updates: int
    policy_loss: float
    policy_kl: float  # nats per token that the policy has moved in this step
    clip_fraction: float  # share of tokens whose probability ratio is clipped
    value_loss: float  # PPO
    explained_variance: float  # PPO: share of the returns' variance that the values predicted
    kl_loss: float  # GRPO
    idle: float  # GRPO: share of groups whose scores are all equal


def read_metrics(path: str | Path) -> list[Metrics]:
    """Read a metrics.jsonl: each line has an increasing `step`, a `loss`, and nothing but numbers.

    Half a line at the end, which a kill may leave, is skipped. Raises `UserError`, with the line's number, for any
    other line, and `FileNotFoundError` if there is no file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; a run that is kept (--out, or run_dir) writes its metrics there")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file ({error}); is it another file under this name?") from None
    parsed: list[Any] = []
    step = 0
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


def series(lines: Sequence[Mapping[str, Any]], key: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric, from the lines that hold it as a finite number.

    >>> series([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "val_loss": 2.5}], "val_loss")
    ([2], [2.5])
    """
    held = [line for line in lines if math.isfinite(line.get(key, math.nan))]
    return [line["step"] for line in held], [line[key] for line in held]


def smoothed(steps: Sequence[int], values: Sequence[float], fraction: float = 0.1) -> list[float]:
    """Average each value with those of the last tenth of the run so far.

    One batch's loss is noisy. The window grows with the step, since the loss falls fast at first and slowly later, and
    it only looks back, so a point does not change as the run goes on.

    >>> smoothed([1, 10, 19, 20], [7.0, 6.0, 3.0, 1.0])
    [7.0, 6.0, 3.0, 2.0]
    """
    means, start, total = [], 0, 0.0
    for end, (step, value) in enumerate(zip(steps, values, strict=True)):
        total += value
        while steps[start] <= (1 - fraction) * step:
            total -= values[start]
            start += 1
        means.append(total / (end + 1 - start))
    return means
