"""05.2, a bug-hunt: gate and up in one matrix, split over several GPUs, and joined as if there were only one.

Each GPU holds its rows of gate, then its rows of up, so the joined matrix reads gate, up, gate, up. Issue 360 of
NVIDIA/Megatron-LM asks about it and pull request 520 fixes it there; nnsight had it with vLLM (pull request 719). Tests
with one GPU don't find it.
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
from minillm.course.checks.feed_forward.common import OTHER_ACTIVATIONS, hidden
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question


def feed_forward(x: Float[Tensor, "T C"], gate_up: list[Tensor], down: list[Tensor]) -> Float[Tensor, "T C"]:
    """The right answer: the sum of what each GPU writes.

    >>> one = torch.ones(1, 1)
    >>> feed_forward(one, [torch.ones(2, 1)] * 2, [one] * 2).round(decimals=4)
    tensor([[1.4621]])
    """
    return _by_shards(x, gate_up, down)


def _by_shards(x, gate_up, down, *, fire=hidden, total=lambda parts: parts.sum(0)) -> Tensor:
    """GPU by GPU, with one thing done differently."""
    parts = [fire(x, *both.chunk(2)) @ own.T for both, own in zip(gate_up, down, strict=True)]
    return total(torch.stack(parts))


def _joined(
    x: Tensor, gate_up: list[Tensor], down: list[Tensor], *, cut: Callable[[Tensor], tuple[Tensor, ...]]
) -> Tensor:
    """All rows in one matrix, which is then split into gate and up."""
    return hidden(x, *cut(torch.cat(gate_up))) @ torch.cat(down, 1).T


def _shards(rng: random.Random, *sizes: tuple[int, int, tuple[int, ...]]) -> list[Call]:
    """Networks of the sizes (T, C, how many neurons are on each GPU)."""
    calls = []
    for T, C, shares in sizes:
        gate_up = [numbers(rng, 2 * share, C) for share in shares]
        calls.append((numbers(rng, T, C), gate_up, [numbers(rng, C, share) for share in shares]))
    return calls


def _weights_of_shards(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """How often each GPU counts, if the result is a sum of their outputs."""
    for call, wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape or not given.isfinite().all():
            return None
        parts = _by_shards(*call, total=lambda parts: parts).double().flatten(1)
        if apart(wanted, given).any() and parts.shape[1] > len(parts):
            weights = torch.linalg.lstsq(parts.T, given.double().flatten()[:, None]).solution[:, 0]
            if not apart(given.double().flatten(), weights @ parts).any():
                heard = ", ".join(f"{weight:.4g}" for weight in (weights + 0.0).round(decimals=4).tolist())
                hint = "The output is the sum over all GPUs, each counted once."
                return (
                    f"The outputs of the {len(parts)} GPUs are added with the weights {heard}; right is 1 each.",
                    hint,
                )
    return None


def _reshaped(x: Tensor, gate_up: list[Tensor], down: list[Tensor]) -> Tensor:
    gate, up = (torch.cat(parts) for parts in zip(*(both.chunk(2) for both in gate_up), strict=True))
    flat = torch.cat([own.flatten() for own in down])
    return hidden(x, gate, up) @ flat.reshape(x.shape[1], -1).T


def _in_a_row(x: Tensor, gate_up: list[Tensor], down: list[Tensor], *, keep: int) -> Tensor:
    """Each GPU reads the output of the one before, and adds to it if `keep` is 1."""
    for both, own in zip(gate_up, down, strict=True):
        x = keep * x + hidden(x, *both.chunk(2)) @ own.T
    return x


question = Question("05.2", "Tensor parallelism changes the output", feed_forward)

two_gpus = question.probe(
    "two GPUs",
    lambda rng: _shards(rng, (1, 2, (1, 1)), (3, 4, (3, 3)), (4, 6, (8, 8)), (4, 4, (4, 4))),
    _weights_of_shards,
    kinds=("one neuron per GPU", "three neurons per GPU", "eight neurons per GPU", "sizes that are all equal"),
)
two_gpus.mistake(
    "The matrices are still joined first and split afterwards: the half called gate holds rows of up.",
    "Split each GPU's matrix into its gate and its up before you join anything.",
    partial(_joined, cut=lambda both: both.chunk(2)),
)
two_gpus.mistake(
    "Gate and up are swapped.",
    "On each GPU the rows of gate come first.",
    partial(_by_shards, fire=lambda x, gate, up: hidden(x, up, gate)),
)
two_gpus.mistake(
    "Every other row is taken for gate, as if gate and up alternated.",
    "A GPU holds all of its rows of gate, then all of its rows of up.",
    partial(_joined, cut=lambda both: (both[::2], both[1::2])),
)
two_gpus.mistake(
    "The GPUs' outputs are averaged.",
    "Each GPU holds some of the neurons, and the output is the *sum* over all neurons.",
    partial(_by_shards, total=lambda parts: parts.mean(0)),
)
two_gpus.mistake(
    "Only the first GPU is used.",
    "Every GPU holds some of the neurons. Sum over all of them.",
    partial(_by_shards, total=lambda parts: parts[0]),
)
two_gpus.mistake(
    "The activation function is missing.",
    "The gate goes through SiLU, as in the broken version. That wasn't the bug.",
    partial(_by_shards, fire=lambda x, gate, up: (x @ gate.T) * (x @ up.T)),
)
two_gpus.mistake(
    "Only the last GPU is used.",
    "Sum over the GPUs: `out = out + ...`.",
    partial(_by_shards, total=lambda parts: parts[-1]),
)
two_gpus.mistake(
    "The matrices of `down` are joined as flat numbers, which mixes its rows.",
    "Each GPU's `down` has C rows. Join them along the columns, `torch.cat(down, dim=1)`.",
    _reshaped,
)
for activation in OTHER_ACTIVATIONS.values():
    two_gpus.mistake(
        "The gate goes through another activation than SiLU.",
        "SiLU is x times sigmoid(x), `F.silu`, as in the broken version.",
        partial(_by_shards, fire=lambda x, gate, up, activation=activation: activation(x @ gate.T) * (x @ up.T)),
    )
two_gpus.mistake(
    "The matrices of `down` are taken in the reverse order.",
    "GPU 0's neurons write through `down[0]`.",
    lambda x, gate_up, down: _by_shards(x, gate_up, down[::-1]),
)

two_gpus.mistake(
    "SiLU is taken of the product of gate and up.",
    "SiLU is applied to the *gate* only. The result is multiplied by up.",
    partial(_by_shards, fire=lambda x, gate, up: F.silu((x @ gate.T) * (x @ up.T))),
)
two_gpus.mistake(
    "SiLU is taken of both, gate and up.",
    "SiLU is applied to the *gate* only. Up stays linear.",
    partial(_by_shards, fire=lambda x, gate, up: F.silu(x @ gate.T) * F.silu(x @ up.T)),
)
two_gpus.mistake(
    "Up is left out.",
    "The activation of a neuron is SiLU(gate) *times* up.",
    partial(_by_shards, fire=lambda x, gate, up: F.silu(x @ gate.T)),
)
two_gpus.mistake(
    "The gate is left out.",
    "The activation of a neuron is SiLU(gate) *times* up.",
    partial(_by_shards, fire=lambda x, gate, up: x @ up.T),
)
two_gpus.mistake(
    "The GPUs' outputs are returned separately; the sum is missing.",
    "The output is (T, C): sum over the GPUs.",
    partial(_by_shards, total=lambda parts: parts),
)
two_gpus.mistake(
    "All GPUs use the first one's matrix, of `gate_up` or of `down`.",
    "Each GPU has its own matrices: go through both lists together, with `zip`.",
    lambda x, gate_up, down: _by_shards(x, gate_up[:1] * len(down), down),
)
two_gpus.mistake(
    "All GPUs use the first one's matrix, of `gate_up` or of `down`.",
    "Each GPU has its own matrices: go through both lists together, with `zip`.",
    lambda x, gate_up, down: _by_shards(x, gate_up, down[:1] * len(down)),
)
for _keep in (0, 1):
    two_gpus.mistake(
        "A GPU reads the output of the GPU before it.",
        "All GPUs read `x`, and their outputs are summed: keep `x`, and add to another tensor.",
        partial(_in_a_row, keep=_keep),
    )

EQUAL_SHARES = "The matrices of `down` are taken", "All GPUs use"  # mistakes that can be made only with them

more_gpus = question.probe(
    "more GPUs, with unequal shards",
    lambda rng: _shards(
        rng,
        (1, 2, (1, 1, 1)),
        (3, 4, (2, 1)),
        (2, 4, (2, 2, 2, 2)),
        (3, 6, (5, 4, 4)),
        (2, 3, (1, 3)),
        (3, 4, (2, 5, 1)),
        (2, 3, (4,)),
    ),
    _weights_of_shards,
    same=[mistake for mistake in two_gpus.mistakes if not mistake.sentence.startswith(EQUAL_SHARES)],
    kinds=(
        "three GPUs",
        "unequal shards",
        "four GPUs",
        "three unequal shards",
        *["a later shard is larger"] * 2,
        "a single GPU",
    ),
)


def _as_many_as_the_first(x, gate_up, down, *, up):
    n = len(gate_up[0]) // 2
    shards = [(own, min(n, len(own) // 2)) for own in gate_up]
    cut = [torch.cat([own[:m], up(own, m)]) for own, m in shards]
    return _by_shards(x, cut, [own[:, :n] for own in down])


for _up in (lambda own, n: own.chunk(2)[1][:n], lambda own, n: own[n : 2 * n], lambda own, n: own[-n:]):
    more_gpus.mistake(
        "Every GPU is taken to hold no more neurons than the first.",
        "Each GPU has its own number of neurons: `own.chunk(2)`, or `len(own) // 2` inside the loop.",
        partial(_as_many_as_the_first, up=_up),
    )


def _two_gpus(both: Tensor) -> tuple[Tensor, Tensor]:
    parts = both.tensor_split(4)
    return torch.cat(parts[::2]), torch.cat(parts[1::2])


more_gpus.mistake(
    "The joined matrix is split into four: that is right for two GPUs only.",
    "Do the same for every GPU, for any number of them and of neurons on each.",
    partial(_joined, cut=_two_gpus),
)


@more_gpus.mistake(
    "All GPUs are taken to hold the same number of neurons.",
    "A GPU's own matrix says how many rows are its own: half of them are gate.",
)
def _equal_shards(x, gate_up, down):
    def cut(both):
        parts = both.tensor_split(2 * len(gate_up))
        return torch.cat(parts[::2]), torch.cat(parts[1::2])

    return _joined(x, gate_up, down, cut=cut)
