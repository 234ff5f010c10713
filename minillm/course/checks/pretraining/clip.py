"""08.1: clipping a gradient by the norm of the whole (Pascanu et al. 2013, algorithm 1)."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question

Clipped = tuple[Any, float]  # the gradients, and the norm that they had


def clip(gradients: list[Tensor], longest: float) -> Clipped:
    """The right answer, by torch: one factor for all, at most 1; zeros where the norm is not finite.

    >>> clip([torch.tensor([3.0]), torch.tensor([[4.0]])], longest=1.0)
    ([tensor([0.6000]), tensor([[0.8000]])], 5.0)
    """
    norm = torch.nn.utils.get_total_norm(gradients).item()
    if not math.isfinite(norm):
        return [torch.zeros_like(gradient) for gradient in gradients], norm
    return [gradient * min(1.0, longest / max(norm, 1e-9)) for gradient in gradients], norm


def _norm(gradients: list[Tensor]) -> float:
    return math.sqrt(sum(gradient.square().sum().item() for gradient in gradients))


def _flat(gradients: list[Tensor]) -> Tensor:
    return torch.cat([gradient.reshape(-1) for gradient in gradients])


def _scaled(factor: Callable[[list[Tensor], float], float | Tensor]) -> Callable[..., Clipped]:
    """Another factor for all, and the right norm."""
    return lambda gradients, longest: (
        [gradient * factor(gradients, longest) for gradient in gradients],
        _norm(gradients),
    )


def _measured(gradients: list[Tensor], longest: float, *, measure: Callable[[list[Tensor]], float]) -> Clipped:
    """Clipped by another length than the norm, which is returned, too."""
    length = measure(gradients)
    return [gradient * min(1.0, longest / max(length, 1e-9)) for gradient in gradients], length


def _gradients(rng: random.Random) -> list[list[Tensor]]:
    shapes = [[(1,), (1, 1)], [(2, 3), (3,)], [(4,), (2, 2), (3, 1), (1,)], [(3,)], [(), (2,)]]
    return [[numbers(rng, *shape, scale=3.0) for shape in each] for each in shapes]


def _too_long(rng: random.Random) -> list[Call]:
    return [(each, round(_norm(each) * rng.uniform(0.2, 0.6), 1) + 0.1) for each in _gradients(rng)]


def _some_short(rng: random.Random) -> list[Call]:
    calls = [(each, round(_norm(each) * rng.uniform(1.5, 3.0), 1) + 1.0) for each in _gradients(rng)]
    calls += [([torch.zeros(2), torch.zeros(1, 2)], 1.0), ([torch.tensor([3.0]), torch.tensor([[4.0]])], 5.0)]
    calls += [([0.01 * numbers(rng, 2) + 0.05], 1.0), ([numbers(rng, 3, scale=3.0)], 1e6)]
    large = [(1e14 * each, 1.0) for each in (numbers(rng, 3) + 0.1,)]
    return [*calls, *[([each], longest) for each, longest in large], *_too_long(rng)]


LONG = *["several tensors"] * 3, "one tensor", "a single number as a tensor"
SHORT = (
    *["a short gradient"] * 5,
    "a gradient of zeros",
    "a norm that is just the limit",
    "a small gradient",
    "a very large limit",
    "numbers of 10^14",
    *["a long gradient"] * 5,
)
BROKEN = (
    "NaN",
    "several tensors",
    "infinity",
    "minus infinity",
    "one tensor",
    "infinity twice, with both signs",
    "only NaN",
)


def _broken(rng: random.Random) -> list[Call]:
    calls = [([torch.tensor([1.0, math.nan]), torch.tensor([2.0])], 1.0), *_too_long(rng)]
    for gradients, value in ((calls[2][0], math.inf), (calls[3][0], -math.inf), (calls[5][0], math.inf)):
        gradients[0].view(-1)[-1] = value
    calls[5][0][1].view(-1)[0] = -math.inf
    return [*calls, ([torch.tensor([math.nan]), torch.tensor([math.nan, math.nan])], 1.0)]


question = Question(
    "08.1",
    "One leash for all",
    clip,
    forbidden=(
        "minillm",
        "torch.nn.utils.clip_grad_norm_",
        "torch.nn.utils.clip_grads_with_norm_",
        "torch.nn.utils.get_total_norm",
        "torch.nn.utils.clip_grad_value_",
    ),
    fresh=True,
    parts=("clipped", "norm"),
)

too_long = question.probe("a gradient that is too long", _too_long, kinds=LONG)
too_long.mistake(
    "Each tensor is clipped by itself, so the gradient points elsewhere afterwards.",
    "One norm over the numbers of all tensors, and one factor for all of them.",
    lambda gradients, longest: ([clip([gradient], longest)[0][0] for gradient in gradients], _norm(gradients)),
)
too_long.mistake(
    "Each number is cut off at the limit.",
    "That is clipping by value, and it bends the gradient. Shorten all numbers by one factor.",
    lambda gradients, longest: ([gradient.clamp(-longest, longest) for gradient in gradients], _norm(gradients)),
)
too_long.mistake(
    "The norms of the tensors are added.",
    "Add their squares, and take the root of that sum: Pythagoras.",
    partial(_measured, measure=lambda gradients: sum(_norm([gradient]) for gradient in gradients)),
)
too_long.mistake(
    "The root is missing: it is the sum of the squares.",
    "A length is the root of the sum of squares.",
    partial(_measured, measure=lambda gradients: _norm(gradients) ** 2),
)
too_long.mistake(
    "The length is the largest number of all.",
    "Every number counts: the root of the sum of all squares.",
    partial(_measured, measure=lambda gradients: max(gradient.abs().max().item() for gradient in gradients)),
)
too_long.mistake(
    "The length is the sum of the absolute values.",
    "Square each number, add all squares, and take the root of the sum.",
    partial(_measured, measure=lambda gradients: sum(gradient.abs().sum().item() for gradient in gradients)),
)
too_long.mistake(
    "The length is the root of the mean of the squares, not of their sum.",
    "A norm grows with the number of weights: add the squares and do not divide.",
    partial(_measured, measure=lambda gradients: _norm(gradients) / sum(map(torch.numel, gradients)) ** 0.5),
)
too_long.mistake(
    "The length is the largest norm of a tensor.",
    "Every tensor counts: the root of the sum of all squares.",
    partial(_measured, measure=lambda gradients: max(_norm([gradient]) for gradient in gradients)),
)
too_long.mistake(
    "The length is the mean of the tensors' norms.",
    "Add the squares of all numbers, and take the root of that sum.",
    partial(_measured, measure=lambda gradients: sum(_norm([each]) for each in gradients) / len(gradients)),
)
too_long.mistake(
    "It is divided by the norm, and not multiplied by the limit: the new norm is 1.",
    "The factor is longest / norm.",
    _scaled(lambda gradients, longest: 1 / max(_norm(gradients), 1e-9)),
)
too_long.mistake(
    "The factor is norm / longest: what is too long becomes longer.",
    "The factor is longest / norm, which is less than 1 for what is too long.",
    _scaled(lambda gradients, longest: max(1.0, _norm(gradients) / longest)),
)
too_long.mistake(
    "Nothing is shortened.",
    "Where the norm is larger than `longest`, multiply every tensor by longest / norm.",
    _scaled(lambda gradients, longest: 1.0),
)
too_long.mistake(
    "Everything is put into one vector.",
    "Return a list of tensors, each with its own shape, in the same order.",
    lambda gradients, longest: (_flat(clip(gradients, longest)[0]), _norm(gradients)),
)


@too_long.mistake("The norm is that after clipping.", "A log wants to see the spike. Return the norm as it was before.")
def _norm_afterwards(gradients, longest):
    clipped, norm = clip(gradients, longest)
    return clipped, min(norm, longest)


short_enough = question.probe("one that is short enough", _some_short, kinds=SHORT)
short_enough.mistake(
    "A short gradient is made longer.",
    "A leash pulls back and does not push: the factor is at most 1.",
    _scaled(lambda gradients, longest: longest / max(_norm(gradients), 1e-9)),
)
short_enough.mistake(
    "A short gradient is made longer, and one of length 0 becomes NaN.",
    "A leash pulls back and does not push: the factor is at most 1, for a norm of 0 as well.",
    _scaled(lambda gradients, longest: longest / torch.tensor(_norm(gradients))),
)

overflowed = question.probe("one that overflowed", _broken, kinds=BROKEN)


@overflowed.mistake(
    "What has overflowed is multiplied all the same, and NaN goes into the weights.",
    "Infinity times 0 is NaN, NaN times anything, too. If `not math.isfinite(norm)`, return zeros.",
)
def _times_nan(gradients, longest):
    factor = (longest / torch.tensor(_norm(gradients))).clamp(max=1.0)
    return [gradient * factor for gradient in gradients], _norm(gradients)


@overflowed.mistake(
    "A gradient with NaN comes back whole: `min(1.0, nan)` is 1.0.",
    "Every comparison with NaN is false. Ask `math.isfinite(norm)` first.",
)
def _unclipped(gradients, longest):
    return _scaled(lambda all, longest: min(1.0, longest / _norm(all)))(gradients, longest)  # min(1.0, nan) is 1.0


@overflowed.mistake(
    "The broken numbers are set to 0, and the rest is walked.",
    "Where one number has overflowed the others are not to be trusted. All of them become 0.",
)
def _mended(gradients, longest):
    return clip([gradient.nan_to_num(0.0, 0.0, 0.0) for gradient in gradients], longest)[0], _norm(gradients)


@overflowed.mistake(
    "Only the tensor with the broken number is set to 0.",
    "The step as a whole is left out: zeros in place of every tensor.",
)
def _only_the_broken_one(gradients, longest):
    return clip(_without_the_broken(gradients), longest)[0], _norm(gradients)


def _without_the_broken(gradients):
    return [gradient if gradient.isfinite().all() else torch.zeros_like(gradient) for gradient in gradients]


overflowed.mistake(
    "Only the tensor with the broken number is set to 0.",
    "The step as a whole is left out: zeros in place of every tensor.",
    lambda gradients, longest: (
        clip(gradients, longest)[0] if math.isfinite(_norm(gradients)) else _without_the_broken(gradients),
        _norm(gradients),
    ),
)


@overflowed.mistake(
    "The broken numbers are set to 0 before the norm is measured.",
    "A log wants to see that it has overflowed: return the norm as it is, infinite or NaN, and zeros for the rest.",
)
def _cleaned(gradients, longest):
    return clip([gradient.nan_to_num(0.0, 0.0, 0.0) for gradient in gradients], longest)


@overflowed.mistake(
    "Only NaN is looked for; infinity times 0 is NaN as well.",
    "`math.isfinite(norm)` is False for NaN, for infinity and for minus infinity.",
)
def _only_nan(gradients, longest):
    return clip(gradients, longest) if math.isnan(_norm(gradients)) else _times_nan(gradients, longest)


@overflowed.mistake(
    "Only infinity is looked for, and NaN goes into the weights.",
    "`math.isfinite(norm)` is False for NaN, for infinity and for minus infinity.",
)
def _only_inf(gradients, longest):
    return clip(gradients, longest) if math.isinf(_norm(gradients)) else _times_nan(gradients, longest)


@overflowed.mistake("The norm comes back as 0.", "Return the norm as it is, infinite or NaN: the log shall show it.")
def _norm_is_zero(gradients, longest):
    clipped, norm = clip(gradients, longest)
    return clipped, norm if math.isfinite(norm) else 0.0
