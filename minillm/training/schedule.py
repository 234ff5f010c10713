"""How large a step to take, when."""

import math


def warmup_cosine(step: int, steps: int, warmup_steps: int, peak: float, final: float = 0.0) -> float:
    """The learning rate of step 0 .. steps - 1: a straight climb to `peak`, then half a cosine down to `final`.

    The climb is there because AdamW's first steps divide by a variance it has hardly seen; the descent, because
    large steps around a minimum keep the loss above it (Loshchilov & Hutter 2017, eq. 5).

    >>> [round(warmup_cosine(step, steps=7, warmup_steps=3, peak=0.9), 4) for step in range(7)]
    [0.3, 0.6, 0.9, 0.9, 0.675, 0.225, 0.0]
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(steps - 1 - warmup_steps, 1)
    return final + (peak - final) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
