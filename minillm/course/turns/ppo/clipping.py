"""10b.ppo_loss: the clipped objective of PPO, as a loss (Schulman et al. 2017, equation 7)."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.ppo.tables import masks, shuffled


def ppo_loss(log_p, log_p_old, A, mask, epsilon):
    """The mean over all tokens of -min(ratio A, clipped ratio A), as one number."""
    ratio = (log_p - log_p_old).exp()
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
    losses = -torch.minimum(ratio * A, clipped * A)
    return (losses * mask).sum() / mask.sum()


turn = Turn(
    "10b.ppo_loss",
    "The clipped loss",
    ppo_loss,
    minutes=8,
    difficulty=3,
    constants=("log_p_old", "A", "mask", "epsilon"),
    hints=(
        "You have two log-probabilities. How do you get the ratio of the two probabilities from them?",
        "Two tables: the ratio times A, and the clipped ratio times A. Then the smaller one of each pair, and only "
        "then the sign: an optimizer goes down.",
        "`clamp(low, high)` clips. `torch.minimum` compares two tables entry by entry. At the end, set the padding to "
        "0 with `mask`, add up, and divide by how many tokens there are in all.",
    ),
    errors={
        "size of tensor|must match|shape mismatch": "All four tables are (B, T). Has one lost its columns?",
        r"name '\w*(ref|ratio|old|advantages?|clip|eps|logp|log_probs|self)\w*' is not defined": "The arguments are "
        "`log_p`, `log_p_old`, `A`, `mask` and `epsilon`. The reference isn't among them: the KL is in the rewards.",
        "does not require grad": "Return the loss; the training loop calls `backward`.",
        "changed the input": "Work on a table of your own: `ratio = ...`.",
        "only one element|converted to|ambiguous": "Python's `min` and `max` take one number; `torch.minimum` compares "
        "tables.",
        r"\b(min|max)\(\)": "`torch.min(a, b)` and `torch.minimum(a, b)` compare two tables; "
        "`a.min(dim=...)` looks for the smallest in a row.",
        "not callable|has no attribute|clip_|clamp": "Tensors have `.exp()`, `.clamp(low, high)` and `.sum()`; "
        "`torch.minimum` compares two tables.",
        "infer output dtype|boolean|not implemented for": "`mask` holds True and False: "
        "multiply by it, or index with it.",
        "division by zero|Division": "Divide by the number of tokens, `mask.sum()`.",
    },
    debrief=Debrief(
        "TRL adds the value loss and an entropy bonus, and logs how many tokens are clipped. DAPO raises the upper "
        "bound alone, so that rare tokens may gain more.",
        "In the first of several updates on the same answers, every ratio is 1. What is the gradient then?",
    ),
)


def _tables(rng: random.Random, *lengths: int, epsilon: float | None = None) -> Call:
    """Ratios on both sides of the clip range, and advantages of both signs; junk in the padding."""
    mask = shuffled(rng, *lengths)
    old = -0.5 - numbers(rng, *mask.shape).abs()
    new = (old + numbers(rng, *mask.shape, scale=0.6)).clamp(max=-0.05)
    return new, old, numbers(rng, *mask.shape, scale=1.5), mask, rng.choice([0.1, 0.3]) if epsilon is None else epsilon


def _some(rng: random.Random) -> list[Call]:
    log_p, old = torch.tensor([[-0.2, -0.3, -1.0, -2.0]]), torch.tensor([[-0.9, -1.0, -0.4, -1.1]])
    small: Call = log_p, old, torch.tensor([[1.0, -1.0, 1.0, -1.0]]), masks((4,)), 0.2
    return [small, *(_tables(rng, *those) for those in ((3, 4), (5, 2, 4), (2, 6, 3, 5)))]


def _near(rng: random.Random) -> list[Call]:
    """Ratios within the clip range, as in the first update."""
    calls = []
    for lengths in ((3,), (4, 2), (3, 5, 1)):
        new, old, A, mask, epsilon = _tables(rng, *lengths, epsilon=0.2)
        calls.append((old if len(lengths) == 1 else old + 0.1 * (new - old).clamp(-1, 1), old, A, mask, epsilon))
    return calls


def _gain(ratio: Tensor, A: Tensor, epsilon: float) -> Tensor:
    return torch.minimum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum()


Gain = Callable[[Tensor, Tensor, float], Tensor]


def _with(gain: Gain, log_ratio: Callable[[Tensor, Tensor], Tensor] = torch.sub) -> Callable[..., Tensor]:
    """The loss with another gain of a token."""
    return lambda log_p, old, A, mask, epsilon: -_mean(gain(log_ratio(log_p, old).exp(), A, epsilon), mask)


def _averaged(mean: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss with another mean."""
    return lambda log_p, old, A, mask, epsilon: mean(-_gain((log_p - old).exp(), A, epsilon), mask)


def _no_number(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several results, a table of losses, or not finite."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        log_p, old, A, mask, epsilon = call
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return the loss alone, one number.", index
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a number.", "Return the mean loss, one number.", index
        losses = -_gain((log_p - old).exp(), A, epsilon)
        if tensor.shape == mask.shape and difference(losses * mask, tensor * mask) is None:
            hint = "Take the mean, over the tokens whose mask is True."
            return "These are the losses of the tokens, all right. One number is asked for.", hint, index
        if tensor.dim():
            return f"The loss must be one number; here its shape is {tuple(tensor.shape)}.", "End with a mean.", index
        if not tensor.isfinite():
            return "The loss is not finite.", "Is there a log of a log-probability, or a division by 0?", index
    return None


some = turn.probe("ratios on both sides of the range", _some, _no_number)


def _mistake(sentence: str, hint: str, answer: Callable[..., Tensor]) -> None:
    some.mistake(sentence, hint, answer)


_mistake(
    "The larger of the two terms is taken.",
    "Of the gains, take the smaller (of the losses, the larger): the clip may stop a step, and never make one.",
    _with(lambda ratio, A, epsilon: torch.maximum(ratio * A, ratio.clamp(1 - epsilon, 1 + epsilon) * A)),
)
_mistake(
    "The sign is wrong: the policy would learn what has a negative advantage.",
    "An optimizer goes down the loss: the loss is minus the gain.",
    lambda *call: -ppo_loss(*call),
)
_mistake(
    "The sign is wrong, and the larger of the two terms is taken.",
    "Take the smaller of the two gains, then change the sign.",
    lambda log_p, old, A, mask, epsilon: _mean(
        torch.maximum((log_p - old).exp() * A, (log_p - old).exp().clamp(1 - epsilon, 1 + epsilon) * A), mask
    ),
)
_mistake(
    "Nothing is clipped: this is -ratio A.",
    "Clip the ratio to 1 - epsilon ... 1 + epsilon, and take the smaller of both products.",
    _with(lambda ratio, A, epsilon: ratio * A),
)
_mistake(
    "Only the clipped ratio counts, so a bad token that has become more probable is never corrected.",
    "Take the smaller one of `ratio * A` and `clipped * A`.",
    _with(lambda ratio, A, epsilon: ratio.clamp(1 - epsilon, 1 + epsilon) * A),
)
_mistake(
    "The smaller of the two ratios is taken, then multiplied by A.",
    "Multiply both by A first: where A is negative, the order turns round.",
    _with(lambda ratio, A, epsilon: torch.minimum(ratio, ratio.clamp(1 - epsilon, 1 + epsilon)) * A),
)
_mistake(
    "The log-ratio is clipped to -epsilon ... epsilon, not the ratio.",
    "First `exp`, then clip to 1 - epsilon ... 1 + epsilon.",
    _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.log().clamp(-epsilon, epsilon).exp() * A)),
)
_mistake(
    "The product is clipped, not the ratio.",
    "Clip the ratio first, then multiply by A.",
    _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, (ratio * A).clamp(1 - epsilon, 1 + epsilon))),
)
_mistake(
    "The ratio is clipped to -epsilon ... epsilon.",
    "It's near 1: clip it to 1 - epsilon ... 1 + epsilon.",
    _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.clamp(-epsilon, epsilon) * A)),
)
_mistake(
    "The clip range is always 0.8 to 1.2.",
    "Use `epsilon`: 1 - epsilon to 1 + epsilon.",
    _with(lambda ratio, A, epsilon: _gain(ratio, A, 0.2)),
)
_mistake(
    "Only the upper bound is there.",
    "Clip on both sides: 1 - epsilon and 1 + epsilon.",
    _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.clamp(max=1 + epsilon) * A)),
)
_mistake(
    "Only the lower bound is there.",
    "Clip on both sides: 1 - epsilon and 1 + epsilon.",
    _with(lambda ratio, A, epsilon: torch.minimum(ratio * A, ratio.clamp(min=1 - epsilon) * A)),
)
_mistake(
    "The ratio is upside down: p_old / p.",
    "The new probability is on top: `log_p - log_p_old`.",
    _with(_gain, lambda log_p, old: old - log_p),
)
_mistake(
    "There is no `exp`: the log-ratio is taken for the ratio.",
    "p / p_old = exp(log_p - log_p_old).",
    _with(lambda ratio, A, epsilon: _gain(ratio.log(), A, epsilon)),
)
_mistake(
    "The ratio is one of log-probabilities.",
    "p / p_old = exp(log_p - log_p_old).",
    _with(_gain, lambda log_p, old: (log_p / old).log()),
)
_mistake(
    "This is REINFORCE: -A log p, without ratio and clip.",
    "The answers come from the old policy: multiply A by the ratio, and clip it.",
    lambda log_p, old, A, mask, epsilon: -_mean(log_p * A, mask),
)
_mistake(
    "The log-ratio is multiplied by A: no ratio, no clip.",
    "p / p_old = exp(log_p - log_p_old), and then the clip.",
    lambda log_p, old, A, mask, epsilon: -_mean((log_p - old) * A, mask),
)
_mistake(
    "All entries of the table are in the mean, the padding with 0.",
    "Divide by the number of tokens, `mask.sum()`.",
    _averaged(lambda losses, mask: (losses * mask).mean()),
)
_mistake(
    "The mask isn't used: the padding counts.",
    "Set the padding's losses to 0, and divide by `mask.sum()`.",
    _averaged(lambda losses, mask: losses.mean()),
)
_mistake(
    "This is the mean over answers of the mean over tokens, as in GRPO.",
    "Take one mean over all tokens of all answers.",
    _averaged(lambda losses, mask: ((losses * mask).sum(1) / mask.sum(1)).mean()),
)
_mistake(
    "The losses are added up.",
    "Divide by the number of tokens, `mask.sum()`.",
    _averaged(lambda losses, mask: (losses * mask).sum()),
)
_mistake(
    "The losses of all entries are added up, then divided by the number of tokens: the padding counts.",
    "Set the padding's losses to 0 first: multiply by `mask`.",
    _averaged(lambda losses, mask: losses.sum() / mask.sum()),
)
_mistake(
    "The sum is divided by the number of answers.",
    "Divide by the number of tokens, `mask.sum()`.",
    _averaged(lambda losses, mask: (losses * mask).sum() / len(mask)),
)
_mistake(
    "The mask is the wrong way round: this is the padding's loss.",
    "True is a token of the answer.",
    _averaged(lambda losses, mask: (losses * ~mask).sum() / mask.sum()),
)
_mistake(
    "The ratio is that of whole answers, as in GSPO.",
    "Each token has its own ratio here: no sum inside `exp`.",
    lambda log_p, old, A, mask, epsilon: (
        -_mean(_gain(((log_p - old) * mask).sum(1, keepdim=True).exp() + 0 * A, A, epsilon), mask)
    ),
)
_mistake(
    "The advantages are whitened here.",
    "That's done before: take A as it comes.",
    lambda log_p, old, A, mask, epsilon: ppo_loss(
        log_p, old, (A - _mean(A, mask)) / (_mean((A - _mean(A, mask)).square(), mask).sqrt() + 1e-8), mask, epsilon
    ),
)
_mistake(
    "The sign of A is lost.",
    "Keep it: a token with a negative advantage should become less probable.",
    lambda log_p, old, A, mask, epsilon: ppo_loss(log_p, old, A.abs(), mask, epsilon),
)
_mistake(
    "Both terms are added.",
    "Take the smaller one of `ratio * A` and `clipped * A`.",
    _with(lambda ratio, A, epsilon: ratio * A + ratio.clamp(1 - epsilon, 1 + epsilon) * A),
)
_mistake(
    "A difference of probabilities stands in place of the ratio.",
    "p / p_old = exp(log_p - log_p_old).",
    lambda log_p, old, A, mask, epsilon: -_mean(_gain(log_p.exp() - old.exp(), A, epsilon), mask),
)
turn.probe("ratios near 1", _near, _no_number)
