"""Learning-rate schedules: warmup, cosine, and warmup-stable-decay (WSD).

A schedule is a shape over `progress`, the share of the run that is over: 0 at the start, 1 at the end. So one shape
serves both a run of a number of steps and a run of a number of minutes.
"""

import math

from minillm.errors import UserError


def learning_rate(
    schedule: str,
    peak: float,
    step: int,
    progress: float,
    warmup_steps: int,
    final_fraction: float,
    decay_fraction: float = 0.4,
) -> float:
    """Learning rate of update `step` (from 0): `peak` times the lower of the warmup and the schedule's shape.

    The warmup is there because the first steps divide by a variance, or follow a momentum, of very few gradients.

    >>> [round(learning_rate("wsd", 0.9, step, step / 10, 3, 0.0), 3) for step in range(10)]
    [0.3, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.675, 0.45, 0.225]
    """
    warmup = (step + 1) / warmup_steps if step < warmup_steps else 1.0
    if schedule == "wsd":
        return peak * min(warmup, warmup_stable_decay(progress, final_fraction, decay_fraction))
    return peak * min(warmup, cosine(progress, final_fraction))


def cosine_with_warmup(
    step: int, total_steps: int, peak: float, warmup_steps: int = 0, final_fraction: float = 0.0
) -> float:
    """Learning rate of update `step` (from 0): linear warmup to `peak`, then a cosine to `final_fraction` of it.

    The common form, as in GPT-3 (Brown et al. 2020, appendix B) and nanoGPT: the cosine begins where the warmup ends.
    In `learning_rate` it begins at step 0 and the warmup cuts it off, so that one shape fits runs in steps and minutes.
    Raises `UserError` if the warmup is longer than the run.

    >>> [round(cosine_with_warmup(step, 6, 1.0, warmup_steps=2, final_fraction=0.1), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.868, 0.55, 0.232, 0.1]
    """
    if not 0 <= warmup_steps < total_steps:
        raise UserError(
            f"warmup_steps is {warmup_steps} of {total_steps} steps; it must be from 0 to {total_steps - 1}"
        )
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * cosine((step - warmup_steps) / (total_steps - warmup_steps), final_fraction)


def cosine(progress: float, final_fraction: float) -> float:
    """Half a cosine from 1 to `final_fraction` (Loshchilov & Hutter 2017, eq. 5).

    Large steps around a minimum keep the loss above it, so the rate has to fall before the end.

    >>> [round(cosine(progress, 0.1), 3) for progress in (0, 0.5, 1)]
    [1.0, 0.55, 0.1]
    """
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def warmup_stable_decay(progress: float, final_fraction: float, decay: float = 0.4) -> float:
    """1 until the last share `decay` of the run, then linear to `final_fraction`.

    With the warmup it is a trapezoid (WSD; Hu et al. 2024, MiniCPM, eq. 1, where the decay is exponential; linear as in
    Hägele et al. 2024, section 3). The stable part does not depend on where the run ends, so it can be prolonged.

    >>> [round(warmup_stable_decay(progress, 0.0), 3) for progress in (0, 0.6, 0.8, 1)]
    [1.0, 1.0, 0.5, 0.0]
    """
    left = max(1.0 - progress, 0.0) / decay
    return final_fraction + (1 - final_fraction) * min(left, 1.0)
