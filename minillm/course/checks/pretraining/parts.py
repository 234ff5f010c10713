"""08.2, a bug-hunt: a large batch in parts, whose losses are averaged although the parts hold unequally many targets.

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
from minillm.course.checks.plain import difference
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
        parts.append((numbers(rng, len(targets), C), torch.tensor(targets)))
    return numbers(rng, V, C), parts


def _unequal(rng: random.Random) -> list[Call]:
    sizes = [[1, 3], rng.sample(range(1, 7), 3), rng.sample(range(1, 9), 4)]
    return [_parts(rng, 3, 2, each, [0] * len(each)) for each in sizes]


def _with_padding(rng: random.Random) -> list[Call]:
    sizes = [([1, 2], [2, 0]), ([4, 1, 2], [0, 3, 2]), (rng.sample(range(1, 9), 4), [4, 0, 1, 3])]
    return [_parts(rng, 3, 2, *each) for each in sizes]


def _with_nothing(rng: random.Random) -> list[Call]:
    return [_parts(rng, 3, 2, *each) for each in (([2, 0], [0, 2]), ([0, 3, 1], [3, 1, 2]), ([1, 0, 4, 0], [1] * 4))]


def _depends_on_the_cut(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    for (loss, gradient), answer in zip(right, got, strict=True):
        if type(answer) not in (list, tuple) or len(answer) != 2:
            return "The result is no pair.", "Return two things: the loss as a number, and the gradient (V, C)."
        if difference(loss, answer[0]) is None and difference(gradient, answer[1]):
            hint = "Call `backward` on the loss that you return: what you divide there must be divided here, too."
            return "The loss is right, the gradient is not.", hint
    return None


question = Question("08.2", "The same batch, cut otherwise", in_parts)

unequal_parts = question.probe("parts with unequally many tokens", _unequal, _depends_on_the_cut)
unequal_parts.mistake(
    "It is still the mean of the parts' means: a token in a small part counts for more.",
    "Add up the losses of the tokens (`reduction='sum'`), and divide by the tokens of all parts.",
    _mean_of_means,
)
unequal_parts.mistake(
    "The loss is mended, the gradient is not.",
    "What you call `backward` on must be the mended loss: a part's sum over the tokens of all parts.",
    lambda weight, parts: (in_parts(weight, parts)[0], _mean_of_means(weight, parts)[1]),
)
unequal_parts.mistake(
    "The sum over all tokens is not divided.",
    "A mean does not grow with the batch. Divide by the number of targets in all parts.",
    partial(_weighted, weigh=lambda counts, places: [float(count) for count in counts]),
)
unequal_parts.mistake(
    "The sum over all tokens is divided by the number of parts.",
    "What is counted are the targets of all parts, not the parts.",
    partial(_weighted, weigh=lambda counts, places: [count / len(counts) for count in counts]),
)


@unequal_parts.mistake(
    "Only the last part's gradient is left.",
    "`weight.grad` adds up by itself. Set it to zero once, before the first part.",
)
def _last_gradient(weight, parts):
    loss, _ = in_parts(weight, parts)
    n, last = sum(len(y) for _, y in parts), len(parts[-1][1])
    return loss, in_parts(weight, parts[-1:])[1] * last / n


ignored_places = question.probe("places that do not count", _with_padding, _depends_on_the_cut)
ignored_places.mistake(
    "A part weighs as much as it has places, padding included.",
    "Count the targets that are not -100.",
    partial(_weighted, weigh=lambda counts, places: [place / sum(places) for place in places]),
)
ignored_places.mistake(
    "The sum is divided by all places, padding included.",
    "Count the targets that are not -100, in all parts.",
    partial(_weighted, weigh=lambda counts, places: [count / sum(places) for count in counts]),
)

empty_part = question.probe("a part with nothing to learn", _with_nothing, _depends_on_the_cut)
empty_part.mistake(
    "A part without a target makes all of it NaN.",
    "The mean over nothing is 0 / 0, and NaN times 0 is NaN. A sum over nothing is 0.",
    _nan_with_nothing,
)
