"""What is often done instead in 10b.ppo_loss: a sentence, a hint, and the answer."""

from collections.abc import Callable

import torch
from torch import Tensor

from minillm.course.turns.ppo.tables import Mistakes


def gain_of(ratio: Tensor, A: Tensor, epsilon: float) -> Tensor:
    """The clipped gain of each token."""
    return torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()


Gain = Callable[[Tensor, Tensor, float], Tensor]


def _with(gain: Gain, log_ratio: Callable[[Tensor, Tensor], Tensor] = torch.sub) -> Callable[..., Tensor]:
    """The loss with another gain of a token."""
    return lambda log_p, old, A, mask, epsilon: -_mean(gain(log_ratio(log_p, old).exp(), A, epsilon), mask)


def _averaged(mean: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss with another mean."""
    return lambda log_p, old, A, mask, epsilon: mean(-gain_of((log_p - old).exp(), A, epsilon), mask)


def _loss(log_p: Tensor, old: Tensor, A: Tensor, mask: Tensor, epsilon: float) -> Tensor:
    return -_mean(gain_of((log_p - old).exp(), A, epsilon), mask)


MISTAKES: Mistakes = (
    (
        "The larger of the two terms is taken.",
        "Of the gains, take the smaller (of the losses, the larger): the clip may stop a step, and never make one.",
        _with(lambda ratio, A, epsilon: torch.maximum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)),
    ),
    (
        "The sign is wrong: the policy would learn what has a negative advantage.",
        "An optimizer goes down the loss: the loss is minus the gain.",
        lambda *call: -_loss(*call),
    ),
    (
        "The sign is wrong, and the larger of the two terms is taken.",
        "Take the smaller of the two gains, then change the sign.",
        lambda log_p, old, A, mask, epsilon: _mean(
            torch.maximum((log_p - old).exp() * A, (log_p - old).exp().clamp(1 - epsilon, 1 + epsilon) * A), mask
        ),
    ),
    (
        "Nothing is clipped: this is -ratio A.",
        "Clip the ratio to 1 - epsilon ... 1 + epsilon, and take the smaller of both products.",
        _with(lambda ratio, A, epsilon: ratio * A),
    ),
    (
        "Only the clipped ratio counts, so a bad token that has become more probable is never corrected.",
        "Take the smaller one of `ratio * A` and `clipped * A`.",
        _with(lambda ratio, A, epsilon: ratio.clamp(1 - epsilon, 1 + epsilon) * A),
    ),
    (
        "The smaller of the two ratios is taken, then multiplied by A.",
        "Multiply both by A first: where A is negative, the order turns round.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio, ratio.clamp(1 - epsilon, 1 + epsilon)) * A),
    ),
    (
        "The log-ratio is clipped to -epsilon ... epsilon, not the ratio.",
        "First `exp`, then clip to 1 - epsilon ... 1 + epsilon.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.log().clamp(-epsilon, epsilon).exp() * A)),
    ),
    (
        "The product is clipped, not the ratio.",
        "Clip the ratio first, then multiply by A.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, (ratio * A).clamp(1 - epsilon, 1 + epsilon))),
    ),
    (
        "The ratio is clipped to -epsilon ... epsilon.",
        "It's near 1: clip it to 1 - epsilon ... 1 + epsilon.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.clamp(-epsilon, epsilon) * A)),
    ),
    (
        "The clip range is always 0.8 to 1.2.",
        "Use `epsilon`: 1 - epsilon to 1 + epsilon.",
        _with(lambda ratio, A, epsilon: gain_of(ratio, A, 0.2)),
    ),
    (
        "Only the upper bound is there.",
        "Clip on both sides: 1 - epsilon and 1 + epsilon.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.clamp(max=1 + epsilon) * A)),
    ),
    (
        "Only the lower bound is there.",
        "Clip on both sides: 1 - epsilon and 1 + epsilon.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.clamp(min=1 - epsilon) * A)),
    ),
    (
        "The ratio is upside down: p_old / p.",
        "The new probability is on top: `log_p - log_p_old`.",
        _with(gain_of, lambda log_p, old: old - log_p),
    ),
    (
        "There is no `exp`: the log-ratio is taken for the ratio.",
        "p / p_old = exp(log_p - log_p_old).",
        _with(lambda ratio, A, epsilon: gain_of(ratio.log(), A, epsilon)),
    ),
    (
        "The ratio is one of log-probabilities.",
        "p / p_old = exp(log_p - log_p_old).",
        _with(gain_of, lambda log_p, old: (log_p / old).log()),
    ),
    (
        "This is REINFORCE: -A log p, without ratio and clip.",
        "The answers come from the old policy: multiply A by the ratio, and clip it.",
        lambda log_p, old, A, mask, epsilon: -_mean(log_p * A, mask),
    ),
    (
        "The log-ratio is multiplied by A: no ratio, no clip.",
        "p / p_old = exp(log_p - log_p_old), and then the clip.",
        lambda log_p, old, A, mask, epsilon: -_mean((log_p - old) * A, mask),
    ),
    (
        "All entries of the table are in the mean, the padding with 0.",
        "Divide by the number of tokens, `mask.sum()`.",
        _averaged(lambda losses, mask: (losses * mask).mean()),
    ),
    (
        "The mask isn't used: the padding counts.",
        "Set the padding's losses to 0, and divide by `mask.sum()`.",
        _averaged(lambda losses, mask: losses.mean()),
    ),
    (
        "This is the mean over answers of the mean over tokens, as in GRPO.",
        "Take one mean over all tokens of all answers.",
        _averaged(lambda losses, mask: ((losses * mask).sum(1) / mask.sum(1)).mean()),
    ),
    (
        "The losses are added up.",
        "Divide by the number of tokens, `mask.sum()`.",
        _averaged(lambda losses, mask: (losses * mask).sum()),
    ),
    (
        "The losses of all entries are added up, then divided by the number of tokens: the padding counts.",
        "Set the padding's losses to 0 first: multiply by `mask`.",
        _averaged(lambda losses, mask: losses.sum() / mask.sum()),
    ),
    (
        "The sum is divided by the number of answers.",
        "Divide by the number of tokens, `mask.sum()`.",
        _averaged(lambda losses, mask: (losses * mask).sum() / len(mask)),
    ),
    (
        "The mask is the wrong way round: this is the padding's loss.",
        "True is a token of the answer.",
        _averaged(lambda losses, mask: (losses * ~mask).sum() / mask.sum()),
    ),
    (
        "The ratio is that of whole answers, as in GSPO.",
        "Each token has its own ratio here: no sum inside `exp`.",
        lambda log_p, old, A, mask, epsilon: (
            -_mean(gain_of(((log_p - old) * mask).sum(1, keepdim=True).exp() + 0 * A, A, epsilon), mask)
        ),
    ),
    (
        "The advantages are whitened here.",
        "That's done before: take A as it comes.",
        lambda log_p, old, A, mask, epsilon: _loss(
            log_p, old, (A - _mean(A, mask)) / (_mean((A - _mean(A, mask)).square(), mask).sqrt() + 1e-8), mask, epsilon
        ),
    ),
    (
        "The sign of A is lost.",
        "Keep it: a token with a negative advantage should become less probable.",
        lambda log_p, old, A, mask, epsilon: _loss(log_p, old, A.abs(), mask, epsilon),
    ),
    (
        "Both terms are added.",
        "Take the smaller one of `ratio * A` and `clipped * A`.",
        _with(lambda ratio, A, epsilon: ratio * A + ratio.clamp(1 - epsilon, 1 + epsilon) * A),
    ),
    (
        "A difference of probabilities stands in place of the ratio.",
        "p / p_old = exp(log_p - log_p_old).",
        lambda log_p, old, A, mask, epsilon: -_mean(gain_of(log_p.exp() - old.exp(), A, epsilon), mask),
    ),
    (
        "The sign is wrong, and the mask isn't used.",
        "The loss is minus the gain. Set the padding's losses to 0, and divide by `mask.sum()`.",
        _averaged(lambda losses, mask: -losses.mean()),
    ),
    (
        "The padding counts: its ratio is 1, but its advantages aren't 0.",
        "Multiply the losses by `mask`, not the log-probabilities.",
        lambda log_p, old, A, mask, epsilon: -gain_of(((log_p - old) * mask).exp(), A, epsilon).sum() / mask.sum(),
    ),
    (
        "A is clipped, not the ratio.",
        "Clip the ratio, then multiply it by A.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio * A.clamp(1 - epsilon, 1 + epsilon))),
    ),
    (
        "A isn't used.",
        "The gain is min(ratio A, clipped ratio A).",
        _with(lambda ratio, A, epsilon: gain_of(ratio, torch.ones_like(A), epsilon)),
    ),
    (
        "The bounds have changed places, so the clipped ratio is 1 - epsilon everywhere.",
        "The lower one comes first: `clamp(1 - epsilon, 1 + epsilon)`.",
        _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, (1 - epsilon) * A)),
    ),
    (
        "Outside of the range, the gain is 0.",
        "There the *clipped* ratio counts, and only if it makes the gain smaller: a bad token that has become more "
        "probable must be corrected.",
        _with(lambda ratio, A, epsilon: ratio * A * ((ratio - 1).abs() < epsilon)),
    ),
    (
        "Only the first answer counts, divided by the number of all tokens.",
        "Is there a `return` inside the loop? It ends the loop in its first round.",
        _averaged(lambda losses, mask: (losses * mask)[0].sum() / mask.sum()),
    ),
    (
        "Only the first answer counts.",
        "Is there a `return` inside the loop? It ends the loop in its first round.",
        _averaged(lambda losses, mask: (losses * mask)[0].sum() / mask[0].sum()),
    ),
)
