"""AdamW's step with one thing done differently: the mistakes that the probes of `08.adamw_step` know."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

Step = Callable[..., Any]


def changed(
    *,
    gradient: Callable[[Tensor, Tensor, float], Tensor] = lambda w, g, decay: g,
    means: Callable[..., tuple[Tensor, Tensor]] = lambda m, v, g, b1, b2: (
        b1 * m + (1 - b1) * g,
        b2 * v + (1 - b2) * g**2,
    ),
    corrected: Callable[..., tuple[Tensor, Tensor]] = lambda m, v, step, b1, b2: (
        m / (1 - b1**step),
        v / (1 - b2**step),
    ),
    ratio: Callable[[Tensor, Tensor, float], Tensor] = lambda m_hat, v_hat, eps: m_hat / (v_hat.sqrt() + eps),
    moved: Callable[..., Tensor] = lambda w, ratio, lr, decay: w - lr * (ratio + decay * w),
    kept: Callable[..., Any] = lambda w, m, v, m_hat, v_hat: (w, m, v),
) -> Step:
    """The step with one thing done differently."""

    def step(w, g, m, v, step, lr, decay, beta1, beta2, eps):
        new_m, new_v = means(m, v, gradient(w, g, decay), beta1, beta2)
        m_hat, v_hat = corrected(new_m, new_v, step, beta1, beta2)
        return kept(moved(w, ratio(m_hat, v_hat, eps), lr, decay), new_m, new_v, m_hat, v_hat)

    return step
