"""08.2, a bug-hunt: gradient accumulation that averages the losses of parts with different numbers of targets.

It happened in many trainers at once: Hugging Face's Trainer until October 2024 (transformers pull request 34191, found
by Unsloth; issue 24725 had said so a year before), nanochat (pull request 59), mlx-lm (pull request 1413). Nothing is
raised, the loss falls, and tokens in short texts count for more than those in long ones.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question
from minillm.losses import IGNORE

Part = tuple[Float[Tensor, "_N C"], Int[Tensor, "_N"]]
Weigh = Callable[[list[int], list[int]], list[float]]  # from the targets and the places of all parts


def in_parts(weight: Float[Tensor, "V C"], parts: list[Part]) -> tuple[float, Float[Tensor, "V C"]]:
    """The right answer: loss and gradient of all parts as one batch, the gradient as (softmax minus one-hot) times x.

    >>> x = torch.ones(1, 1)
    >>> in_parts(torch.zeros(2, 1), [(x, torch.tensor([0])), (x, torch.tensor([IGNORE]))])
    (0.6931471824645996, tensor([[-0.5000],
            [ 0.5000]]))
    """
    x, targets = (torch.cat(some) for some in zip(*parts, strict=True))
    x, targets = x[targets != IGNORE], targets[targets != IGNORE]
    log_probs = (x @ weight.T).log_softmax(-1)
    slope = log_probs.exp() - F.one_hot(targets, len(weight))
    return -log_probs.gather(1, targets[:, None]).mean().item(), slope.T @ x / len(x)


def _weighted(weight: Tensor, parts: list[Part], *, weigh: Weigh) -> Any:
    """The means of the parts, each times a weight of its own."""
    weights = weigh([int((y != IGNORE).sum()) for _, y in parts], [len(y) for _, y in parts])
    weight = weight.clone().requires_grad_()
    losses = [F.cross_entropy(x @ weight.T, y, ignore_index=IGNORE) for x, y in parts]
    loss: Any = sum(share * part_loss for share, part_loss in zip(weights, losses, strict=True))
    return loss.item(), torch.autograd.grad(loss, weight)[0]


_mean_of_means = partial(_weighted, weigh=lambda counts, places: [1 / len(counts)] * len(counts))
_nan_with_nothing = partial(_weighted, weigh=lambda counts, places: [count / sum(counts) for count in counts])


def _parts(rng: random.Random, V: int, C: int, counts: list[int], ignored: list[int]) -> Call:
    """So many places that count in each part, and so many that do not, in any order."""
    parts = []
    for count, others in zip(counts, ignored, strict=True):
        targets = [rng.randrange(V) for _ in range(count)] + [IGNORE] * others
        rng.shuffle(targets)
        parts.append((numbers(rng, len(targets), C), torch.tensor(targets, dtype=torch.long)))
    return numbers(rng, V, C), parts


def _unequal(rng: random.Random) -> list[Call]:
    sizes = [[1, 3], rng.sample(range(1, 7), 3), rng.sample(range(1, 9), 4)]
    calls = [_parts(rng, 3, 2, each, [0] * len(each)) for each in sizes]
    weight, parts = _parts(rng, 3, 2, [2, 5], [0, 0])
    return [*calls, (40 * weight, parts), _parts(rng, 4, 3, [3], [0]), _parts(rng, 5, 2, [2, 2], [0, 0])]


UNEQUAL = *["parts of different sizes"] * 3, "large logits", "one part only", "parts of one size"


def _with_padding(rng: random.Random) -> list[Call]:
    sizes = [([1, 2], [2, 0]), ([4, 1, 2], [0, 3, 2]), (rng.sample(range(1, 9), 4), [4, 0, 1, 3])]
    calls = [_parts(rng, 3, 2, *each) for each in sizes]
    weight, parts = _parts(rng, 3, 2, [3, 2], [0, 0])
    for front, (_, targets) in zip((True, False), parts, strict=True):
        targets[: 1 if front else None][-1] = IGNORE
    return [*calls, (weight, parts), _parts(rng, 4, 3, [3], [2])]


PADDED = *["padding in between"] * 3, "padding in front and at the end", "one part only"


def _with_nothing(rng: random.Random) -> list[Call]:
    return [
        _parts(rng, 3, 2, *each)
        for each in (([2, 0], [0, 2]), ([0, 3, 1], [3, 1, 2]), ([1, 0, 4, 0], [1] * 4), ([2, 0, 1], [0, 0, 1]))
    ]


NOTHING = "a part of padding at the end", "a part of padding in front", "two parts of padding", "an empty part"


def _in_turn(weight: Tensor, parts: list[Part], *, share: Callable[[Tensor, Tensor, Tensor, int], Tensor]) -> Any:
    """The sum of what each part adds to the loss: `share` of the weight, x, the targets and the number before them."""
    weight, before, losses = weight.clone().requires_grad_(), 0, []
    for x, targets in parts:
        losses.append(share(weight, x, targets, before))
        before += int((targets != IGNORE).sum())
    return _with_slope(sum(losses[1:], losses[0]), weight)


def _with_slope(loss: Tensor, weight: Tensor) -> tuple[float, Tensor]:
    return loss.item(), torch.autograd.grad(loss, weight)[0]


def _so_far(weight, x, targets, before) -> Tensor:
    n = before + int((targets != IGNORE).sum())
    return F.cross_entropy(x @ weight.T, targets, ignore_index=IGNORE, reduction="sum") / max(n, 1)


def _whole(weight: Tensor, parts: list[Part], *, change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Any:
    """The loss of all parts as one, by `change` of the weight, x and targets."""
    weight = weight.clone().requires_grad_()
    return _with_slope(change(weight, *(torch.cat(some) for some in zip(*parts, strict=True))), weight)


def _steps(weight: Tensor, parts: list[Part]) -> tuple[float, Tensor]:
    n, loss, slope = sum(int((y != IGNORE).sum()) for _, y in parts), 0.0, torch.zeros_like(weight)
    for x, y in parts:
        kept = int((y != IGNORE).sum())
        if kept:
            own, grown = in_parts(weight - slope, [(x, y)])
            loss, slope = loss + own * kept / n, slope + grown * kept / n
    return loss, slope


def _shifted(weight: Tensor, parts: list[Part]) -> Any:
    return in_parts(weight, [(x[:-1], y[1:]) for x, y in parts])


def _mean_loss(logits: Tensor, targets: Tensor, **others: Any) -> Tensor:
    return F.cross_entropy(logits, targets, ignore_index=IGNORE, **others)


def _again_and_again(weight: Tensor, parts: list[Part]) -> tuple[float, Tensor]:
    """`backward` on the running sum: the first part's gradient comes as often as there are parts."""
    n = sum(int((y != IGNORE).sum()) for _, y in parts)
    slopes = []
    for end in range(1, len(parts) + 1):
        kept = sum(int((y != IGNORE).sum()) for _, y in parts[:end])
        slopes.append(in_parts(weight, parts[:end])[1] * kept / n if kept else torch.zeros_like(weight))
    return in_parts(weight, parts)[0], torch.stack(slopes).sum(0)


question = Question("08.2", "Gradient accumulation changes the loss", in_parts, parts=("loss", "gradient"))

unequal_parts = question.probe("parts with different numbers of tokens", _unequal, kinds=UNEQUAL)
unequal_parts.mistake(
    "It's still the mean of the parts' means, so a token in a small part weighs more.",
    "Sum the losses of the tokens (`reduction='sum'`), and divide by the number of targets in all parts.",
    _mean_of_means,
)
unequal_parts.mistake(
    "The loss is right, but the gradient isn't.",
    "Call `backward` on the new loss: a part's sum divided by the number of targets in all parts.",
    lambda weight, parts: (in_parts(weight, parts)[0], _mean_of_means(weight, parts)[1]),
)
unequal_parts.mistake(
    "The sum over all tokens isn't divided by anything.",
    "A mean doesn't grow with the batch. Divide by the number of targets in all parts.",
    partial(_weighted, weigh=lambda counts, places: [float(count) for count in counts]),
)
unequal_parts.mistake(
    "The sum over all tokens is divided by the number of parts.",
    "Divide by the number of targets in all parts, not by the number of parts.",
    partial(_weighted, weigh=lambda counts, places: [count / len(counts) for count in counts]),
)


unequal_parts.mistake(
    "Each part is divided by the number of targets seen so far.",
    "Divide all parts by the same number. Count the targets of all parts before the first `backward`.",
    partial(_in_turn, share=_so_far),
)
unequal_parts.mistake(
    "The weight is updated after each part.",
    "All parts use the same weight: the gradients add up, and the step comes after the last part.",
    _steps,
)
unequal_parts.mistake(
    "The mean is also over the vocabulary: the loss is divided by V as well.",
    "A token has one loss, -ln p(target). Divide by the number of targets only.",
    lambda weight, parts: tuple(part / len(weight) for part in in_parts(weight, parts)),
)
unequal_parts.mistake(
    "The softmax is taken twice.",
    "`F.cross_entropy` takes logits. It contains the softmax.",
    partial(_whole, change=lambda weight, x, y: _mean_loss((x @ weight.T).softmax(-1), y)),
)
unequal_parts.mistake(
    "The loss is the probability of the target, not -ln of it.",
    "The loss of a token is -ln p(target).",
    partial(_whole, change=lambda weight, x, y: (x @ weight.T).softmax(-1).gather(1, y.clamp(min=0)[:, None]).mean()),
)
unequal_parts.mistake(
    "`backward` is called on the running sum, so the first parts enter the gradient several times.",
    "Call `backward` on the part's own loss. The gradients add up by themselves.",
    _again_and_again,
)
unequal_parts.mistake(
    "The targets are shifted.",
    "Row i of x already belongs to `targets[i]`.",
    lambda weight, parts: _shifted(weight, parts),
)
unequal_parts.mistake(
    "Only the last part counts.",
    "Sum the loss and the gradient over all parts.",
    lambda weight, parts: in_parts(weight, parts[-1:]),
)


@unequal_parts.mistake(
    "The gradient is that of the last part only.",
    "`weight.grad` adds up by itself. Clear it once, before the first part.",
)
def _last_gradient(weight, parts):
    loss, _ = in_parts(weight, parts)
    n, last = sum(len(y) for _, y in parts), len(parts[-1][1])
    return loss, in_parts(weight, parts[-1:])[1] * last / n


ignored_places = question.probe("targets that don't count", _with_padding, kinds=PADDED)
ignored_places.mistake(
    "Parts are weighted by all of their positions, padding included.",
    "Count the targets that are not -100.",
    partial(_weighted, weigh=lambda counts, places: [place / sum(places) for place in places]),
)
ignored_places.mistake(
    "The sum is divided by the number of all positions, padding included.",
    "Count the targets that are not -100, in all parts.",
    partial(_weighted, weigh=lambda counts, places: [count / sum(places) for count in counts]),
)

ignored_places.mistake(
    "A target of -100 is taken for token 0, and counts.",
    "Leave these positions out of the sum and of the count: `targets != -100`.",
    partial(_whole, change=lambda weight, x, y: F.cross_entropy(x @ weight.T, y.clamp(min=0))),
)
unequal_parts.mistake(
    "Targets of 0 are ignored, too.",
    "Only -100 doesn't count; 0 is a token like any other.",
    partial(_whole, change=lambda weight, x, y: _mean_loss(x @ weight.T, y.where(y > 0, IGNORE))),
)

empty_part = question.probe("a part without a target", _with_nothing, kinds=NOTHING)
empty_part.mistake(
    "A part without a target makes the whole result NaN.",
    "The mean over nothing is 0 / 0, and NaN times 0 is NaN. A sum over nothing is 0.",
    _nan_with_nothing,
)
