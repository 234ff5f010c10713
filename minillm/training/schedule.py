"""How large a step to take, when.

A schedule is a shape over `progress`, the share of the run that is over: 0 at the start, 1 at the end. So the same
shape serves a run of so many steps and a run of so many minutes.
"""

import math


def learning_rate(
    schedule: str, peak: float, step: int, progress: float, warmup_steps: int, final_fraction: float
) -> float:
    """The rate of update `step` (from 0): the lower of the climb and the schedule's shape, times `peak`.

    The climb is there because the first steps divide by a variance, or follow a momentum, that has hardly been seen.

    >>> [round(learning_rate("wsd", 0.9, step, step / 10, 3, 0.0), 3) for step in range(10)]
    [0.3, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.675, 0.45, 0.225]
    """
    climb = (step + 1) / warmup_steps if step < warmup_steps else 1.0
    return peak * min(climb, SHAPES[schedule](progress, final_fraction))


def cosine(progress: float, final_fraction: float) -> float:
    """Half a cosine from 1 down to `final_fraction`: large steps around a minimum keep the loss above it.

    Loshchilov & Hutter 2017, eq. 5.

    >>> [round(cosine(progress, 0.1), 3) for progress in (0, 0.5, 1)]
    [1.0, 0.55, 0.1]
    """
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def warmup_stable_decay(progress: float, final_fraction: float, decay: float = 0.4) -> float:
    """1 until the last `decay` of the run, then straight down to `final_fraction`.

    With the climb it is a trapezoid (WSD; Hu et al. 2024, MiniCPM, eq. 1, whose decay is exponential; straight as in
    Hägele et al. 2024, section 3). The stable part does not depend on where the run ends, so it can be prolonged.

    >>> [round(warmup_stable_decay(progress, 0.0), 3) for progress in (0, 0.6, 0.8, 1)]
    [1.0, 1.0, 0.5, 0.0]
    """
    left = max(1.0 - progress, 0.0) / decay
    return final_fraction + (1 - final_fraction) * min(left, 1.0)


SHAPES = {"cosine": cosine, "wsd": warmup_stable_decay}
