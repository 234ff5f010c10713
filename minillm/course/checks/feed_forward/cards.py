"""05.2, a bug-hunt: gate and up in one matrix, spread over cards, and put together as if there were only one.

Each card holds its gate's rows and behind them its up's, so the matrices joined read gate, up, gate, up. Issue 360 of
NVIDIA/Megatron-LM asks about it and pull request 520 mends it there; nnsight had it with vLLM's cards (pull request
719). With one card all is well, which is why tests do not see it.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.feed_forward.common import OTHER_BENDS, hidden
from minillm.course.checks.plain import apart, as_tensor
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


def _weights_of_cards(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How often each card counts, if the result is a sum of what the cards write."""
    for call, wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape or not given.isfinite().all():
            return None
        parts = _by_cards(*call, total=lambda parts: parts).double().flatten(1)
        if apart(wanted, given).any() and parts.shape[1] > len(parts):
            weights = torch.linalg.lstsq(parts.T, given.double().flatten()[:, None]).solution[:, 0]
            if not apart(given.double().flatten(), weights @ parts).any():
                heard = ", ".join(f"{weight:.4g}" for weight in (weights + 0.0).round(decimals=4).tolist())
                hint = "The output is the sum of what all cards write, each counted once."
                return (
                    f"The outputs of the {len(parts)} cards are added with the weights {heard}; right is 1 each.",
                    hint,
                )
    return None


def _reshaped(x: Tensor, gate_up: list[Tensor], down: list[Tensor]) -> Tensor:
    gate, up = (torch.cat(parts) for parts in zip(*(both.chunk(2) for both in gate_up), strict=True))
    flat = torch.cat([own.flatten() for own in down])
    return hidden(x, gate, up) @ flat.reshape(x.shape[1], -1).T


def _in_a_row(x: Tensor, gate_up: list[Tensor], down: list[Tensor], *, keep: int) -> Tensor:
    """Each card reads what the one before it has written, and adds to it if `keep` is 1."""
    for both, own in zip(gate_up, down, strict=True):
        x = keep * x + hidden(x, *both.chunk(2)) @ own.T
    return x


question = Question("05.2", "Two cards, and another network", feed_forward)

two_cards = question.probe(
    "two cards",
    lambda rng: _cards(rng, (1, 2, (1, 1)), (3, 4, (3, 3)), (4, 6, (8, 8)), (4, 4, (4, 4))),
    _weights_of_cards,
    kinds=("one neuron per card", "three neurons per card", "eight neurons per card", "sizes that are all equal"),
)
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
two_cards.mistake(
    "Only the last card is heard.",
    "Add up what all cards write: `out = out + ...`.",
    partial(_by_cards, total=lambda parts: parts[-1]),
)
two_cards.mistake(
    "The columns of `down` are joined one card behind the other as flat numbers, which mixes its rows.",
    "Each card's `down` has C rows. They are joined along the columns, `torch.cat(down, dim=1)`.",
    _reshaped,
)
for bend in OTHER_BENDS.values():
    two_cards.mistake(
        "The gate's reading goes through another function than SiLU.",
        "SiLU is x times sigmoid(x), `F.silu`, as in the broken one.",
        partial(_by_cards, fire=lambda x, gate, up, bend=bend: bend(x @ gate.T) * (x @ up.T)),
    )
two_cards.mistake(
    "The matrices of `down` are taken in the reverse order.",
    "Card 0's neurons write through `down[0]`.",
    lambda x, gate_up, down: _by_cards(x, gate_up, down[::-1]),
)

two_cards.mistake(
    "SiLU is taken of the product of gate and up.",
    "SiLU bends what the *gate* reads; then it is multiplied by what up reads.",
    partial(_by_cards, fire=lambda x, gate, up: F.silu((x @ gate.T) * (x @ up.T))),
)
two_cards.mistake(
    "SiLU is taken of both, gate and up.",
    "SiLU bends what the *gate* reads; what up reads stays as it is.",
    partial(_by_cards, fire=lambda x, gate, up: F.silu(x @ gate.T) * F.silu(x @ up.T)),
)
two_cards.mistake(
    "What up reads is left out.",
    "A neuron fires with SiLU(gate) *times* up.",
    partial(_by_cards, fire=lambda x, gate, up: F.silu(x @ gate.T)),
)
two_cards.mistake(
    "The gate is left out.",
    "A neuron fires with SiLU(gate) *times* up.",
    partial(_by_cards, fire=lambda x, gate, up: x @ up.T),
)
two_cards.mistake(
    "What each card writes comes back by itself; the sum is missing.",
    "The output is (T, C): add up what all cards write.",
    partial(_by_cards, total=lambda parts: parts),
)
two_cards.mistake(
    "All cards use the first one's matrix, of `gate_up` or of `down`.",
    "Each card has its own matrices: go through both lists together, with `zip`.",
    lambda x, gate_up, down: _by_cards(x, gate_up[:1] * len(down), down),
)
two_cards.mistake(
    "All cards use the first one's matrix, of `gate_up` or of `down`.",
    "Each card has its own matrices: go through both lists together, with `zip`.",
    lambda x, gate_up, down: _by_cards(x, gate_up, down[:1] * len(down)),
)
for _keep in (0, 1):
    two_cards.mistake(
        "A card reads what the card before it has written.",
        "All cards read `x`, and what they write is added up: keep `x`, and add to another tensor.",
        partial(_in_a_row, keep=_keep),
    )

EQUAL_SHARES = "The matrices of `down`", "All cards use"  # mistakes that can be made only with them

more_cards = question.probe(
    "more cards, with unequal shares",
    lambda rng: _cards(rng, (1, 2, (1, 1, 1)), (3, 4, (2, 1)), (2, 4, (2, 2, 2, 2)), (3, 6, (5, 4, 4)), (2, 3, (4,))),
    _weights_of_cards,
    same=[mistake for mistake in two_cards.mistakes if not mistake.sentence.startswith(EQUAL_SHARES)],
    kinds=("three cards", "unequal shares", "four cards", "three unequal shares", "a single card"),
)


def _two_cards(both: Tensor) -> tuple[Tensor, Tensor]:
    parts = both.tensor_split(4)
    return torch.cat(parts[::2]), torch.cat(parts[1::2])


more_cards.mistake(
    "The joined matrix is cut into four: that is right for two cards only.",
    "Do the same for every card, however many there are and however much each holds.",
    partial(_joined, cut=_two_cards),
)
