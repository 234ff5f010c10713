"""05.2, a bug-hunt: gate and up in one matrix, spread over cards, and put together as if there were only one.

Each card holds its gate's rows and behind them its up's, so the matrices joined read gate, up, gate, up. Issue 360 of
NVIDIA/Megatron-LM asks about it and pull request 520 mends it there; nnsight had it with vLLM's cards (pull request
719). With one card all is well, which is why tests do not see it.
"""

import random
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.feed_forward.common import hidden
from minillm.course.checks.question import Question


def feed_forward(x: Float[Tensor, "T C"], gate_up: list[Tensor], down: list[Tensor]) -> Float[Tensor, "T C"]:
    """The right answer: what each card writes, added up.

    >>> one = torch.ones(1, 1)
    >>> feed_forward(one, [torch.ones(2, 1)] * 2, [one] * 2).round(decimals=4)
    tensor([[1.4621]])
    """
    return _by_cards(x, gate_up, down)


def _by_cards(x, gate_up, down, *, fire=hidden, total=lambda parts: parts.sum(0)) -> Tensor:
    """Card by card, with one thing done differently."""
    parts = [fire(x, *both.chunk(2)) @ own.T for both, own in zip(gate_up, down, strict=True)]
    return total(torch.stack(parts))


def _joined(
    x: Tensor, gate_up: list[Tensor], down: list[Tensor], *, cut: Callable[[Tensor], tuple[Tensor, ...]]
) -> Tensor:
    """All cards' rows in one matrix, which is then cut into gate and up."""
    return hidden(x, *cut(torch.cat(gate_up))) @ torch.cat(down, 1).T


def _cards(rng: random.Random, *sizes: tuple[int, int, tuple[int, ...]]) -> list[Call]:
    """Networks of the sizes (T, C, how many neurons lie on each card)."""
    calls = []
    for T, C, shares in sizes:
        gate_up = [numbers(rng, 2 * share, C) for share in shares]
        calls.append((numbers(rng, T, C), gate_up, [numbers(rng, C, share) for share in shares]))
    return calls


question = Question("05.2", "Two cards, and another network", feed_forward)

two_cards = question.probe("two cards", lambda rng: _cards(rng, (1, 2, (1, 1)), (3, 4, (3, 3)), (4, 6, (8, 8))))
two_cards.mistake(
    "The matrices are still joined first and cut afterwards: the half called gate holds rows of up.",
    "Cut each card's matrix into its gate and its up before you put anything together.",
    partial(_joined, cut=lambda both: both.chunk(2)),
)
two_cards.mistake(
    "Gate and up are swapped.",
    "On each card the gate's rows come first.",
    partial(_by_cards, fire=lambda x, gate, up: hidden(x, up, gate)),
)
two_cards.mistake(
    "The rows are dealt out in turn, as if gate and up alternated.",
    "A card holds all of its gate's rows, and behind them all of its up's.",
    partial(_joined, cut=lambda both: (both[::2], both[1::2])),
)
two_cards.mistake(
    "The cards' outputs are averaged.",
    "Each card holds some of the neurons, and the output is the *sum* of what all neurons write.",
    partial(_by_cards, total=lambda parts: parts.mean(0)),
)
two_cards.mistake(
    "Only the first card is heard.",
    "Every card holds some of the neurons. Add up what all of them write.",
    partial(_by_cards, total=lambda parts: parts[0]),
)
two_cards.mistake(
    "The bend is lost.",
    "The gate's reading goes through SiLU, as in the broken one. That was not the fault.",
    partial(_by_cards, fire=lambda x, gate, up: (x @ gate.T) * (x @ up.T)),
)

more_cards = question.probe(
    "more cards, with unequal shares",
    lambda rng: _cards(rng, (1, 2, (1, 1, 1)), (3, 4, (2, 1)), (2, 4, (2, 2, 2, 2)), (3, 6, (5, 4, 4)), (2, 3, (4,))),
    same=two_cards.mistakes,
)


def _two_cards(both: Tensor) -> tuple[Tensor, Tensor]:
    parts = both.tensor_split(4)
    return torch.cat(parts[::2]), torch.cat(parts[1::2])


more_cards.mistake(
    "The joined matrix is cut into four: that is right for two cards only.",
    "Do the same for every card, however many there are and however much each holds.",
    partial(_joined, cut=_two_cards),
)
