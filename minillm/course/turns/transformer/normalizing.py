"""06.rms_norm: each token's vector, brought to one size (Zhang & Sennrich 2019, eq. 4)."""

import random
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def rms_norm(x, weight, eps=1e-5):
    """Each row of x divided by its root mean square, then each column times its weight: (T, C)."""
    mean_square = x.square().mean(dim=-1, keepdim=True)  # (T, 1)
    return x / torch.sqrt(mean_square + eps) * weight


turn = Turn(
    "06.rms_norm",
    "One size for every vector",
    rms_norm,
    minutes=7,
    difficulty=2,
    constants=("eps",),
    hints=(
        "Root mean square: read it from right to left. Which of the three steps comes first?",
        "Every token has a divisor of its own, so there are T of them. What shape must they have to divide the rows of "
        "a (T, C) table?",
        "Square, average over the last axis and keep it, add `eps`, take the root. Divide x by that, and multiply by "
        "the weights at the end.",
    ),
    ready_made=("torch.nn.functional.rms_norm", "torch.rms_norm"),
    errors={
        r"size of tensor a": "`.mean(-1)` has shape (T,). To divide rows, it must be a column, (T, 1): `keepdim=True`.",
        r"name '(self|gamma|g|scale)' is not defined": "This is a function, not a layer: use the argument `weight`.",
        r"name '(T|C|dim|d_model|hidden_size|n)' is not defined": "Take sizes from the argument: `x.shape[-1]`.",
        r"name '(F|nn|np|math)' is not defined": "Import it in your cell, or stay with what tensors can do: "
        "`.square()`, `.mean()`, `.sqrt()`.",
        r"sqrt\(\): argument|only one element tensors|must be real number": "`math.sqrt` takes one number; "
        "`torch.sqrt`, a whole tensor.",
        r"too many indices|Dimension out of range|not enough values|too many values": "There's no batch here: x is "
        "(T, C), a row per token.",
        r"missing 1 required positional argument: 'eps'": "The first line gives it a default: `eps=1e-5`.",
        r"changed the input": "Make a new tensor: `x = x / ...` is fine, `x /= ...` isn't.",
    },
    debrief=Debrief(
        "Production code does it in one kernel, together with the addition before it, and computes the mean square in "
        "float32 even where the model runs in bfloat16.",
        "Multiply x by 1,000. What changes in the result, and what does that mean for a block that reads it?",
    ),
)

Size = Any  # a function of x and eps: what each row is divided by


def _root_mean_square(x: Tensor, eps: float, *, dim: Any = -1) -> Tensor:
    return (x.square().mean(dim, keepdim=True) + eps).sqrt()


def _normed(x: Tensor, weight: Tensor, eps: float, *, size: Size = _root_mean_square, center: Any = None) -> Tensor:
    """The norm with another divisor, or of what is left of x after a mean over the axis `center`."""
    x = x if center is None else x - x.mean(center, keepdim=True)
    return x / size(x, eps) * weight


def _rows(rng: random.Random) -> list[Call]:
    """The last one is as wide as it is long, so that a forgotten axis raises no error there."""
    calls: list[Call] = []
    for T, C in ((2, 3), (1, 4), (3, 2), (5, 8), (4, 4)):
        x = numbers(rng, T, C) * torch.tensor([1.0, 10.0, 0.5, 2.0, 4.0])[:T, None] + 0.3
        calls.append((x, 1 + numbers(rng, C, scale=0.5), 1e-5))
    return calls


def _with_eps(rng: random.Random) -> list[Call]:
    """Small rows, a row of zeros, and an eps that counts."""
    x = numbers(rng, 3, 4, scale=0.5)
    x[1] = 0.0
    rest = ((2, 3, 0.5), (4, 3, 2.0))
    return [(x, 1 + numbers(rng, 4, scale=0.5), 0.1)] + [
        (numbers(rng, T, C), 1 + numbers(rng, C, scale=0.5), eps) for T, C, eps in rest
    ]


def _without_eps(rng: random.Random) -> list[Call]:
    """Rows so small that the default of eps counts."""
    return [(0.01 * numbers(rng, T, C), 1 + numbers(rng, C, scale=0.5)) for T, C in ((2, 3), (3, 4))]


def _shape(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """The divisors in place of what they divide, one number per token or for all, or an axis too many."""
    if any(type(result) is not Tensor for result in got):
        return None
    pairs = list(zip(right, got, strict=True))
    if all(result.shape in ((len(wanted), 1), (len(wanted),)) for wanted, result in pairs):
        return "One number per token is returned.", "That's what to divide by. Return x, divided and weighted: (T, C)."
    if all(difference(wanted[0], result.reshape(-1)) is None for wanted, result in pairs):
        return "Only the first row is there.", "Is `return` inside the loop? It ends the function in the first round."
    if all(result.dim() == 0 for result in got):
        return "A single number is returned.", "Return (T, C): each row of x, divided and weighted."
    if all(result.shape == (1, *wanted.shape) for wanted, result in pairs):
        return "The result has a batch axis in front.", "Return (T, C), without it."
    if all(result.shape == (len(wanted), wanted.shape[1], 1) for wanted, result in pairs):
        return "The result has one axis too many at the end.", "Return (T, C)."
    return None


rows = turn.probe("rows of several sizes", _rows, _shape)
rows.mistake(
    "The mean is taken over the tokens: each column is divided by its own size.",
    "A token may not depend on its neighbors. Average over the last axis, `dim=-1`.",
    partial(_normed, size=partial(_root_mean_square, dim=0)),
)
rows.mistake(
    "One size is taken for the whole table.",
    "Each token has its own: average over the last axis only, `dim=-1`.",
    partial(_normed, size=partial(_root_mean_square, dim=(0, 1))),
)
rows.mistake(
    "That's LayerNorm: the mean of each row is subtracted.",
    "RMSNorm leaves the mean alone.",
    partial(_normed, center=-1),
)

rows.mistake(
    "That's LayerNorm: the mean of each row is subtracted; and `std` or `var` divides by C - 1.",
    "RMSNorm leaves the mean alone, and averages over all C squares.",
    lambda x, weight, eps: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) * weight,
)


@rows.mistake(
    "The rows are divided by their standard deviation.",
    "A standard deviation subtracts the mean first. Average the squares of x itself.",
)
def _by_deviation(x, weight, eps):
    return x / ((x - x.mean(-1, keepdim=True)).square().mean(-1, keepdim=True) + eps).sqrt() * weight


rows.mistake(
    "The rows are divided by their standard deviation, and `std` or `var` divides by C - 1.",
    "A standard deviation subtracts the mean first. Average the squares of x itself.",
    partial(_normed, size=lambda x, eps: x.std(-1, keepdim=True) + eps),
)
rows.mistake(
    "The sum of squares is divided by 576, whatever C is.",
    "C is `x.shape[-1]`; `.mean(...)` counts by itself.",
    partial(_normed, size=lambda x, eps: (x.square().sum(-1, keepdim=True) / 576 + eps).sqrt()),
)
rows.mistake(
    "The weights are missing.",
    "At the end, multiply by `weight`: a number per column.",
    lambda x, weight, eps: rms_norm(x, torch.ones_like(weight), eps),
)
rows.mistake(
    "The squares are added up, not averaged: that's the norm (length) of a row, √C times too large.",
    "Root *mean* square: `.mean(...)` in place of `.sum(...)` or `.norm(...)`.",
    partial(_normed, size=lambda x, eps: (x.square().sum(-1, keepdim=True) + eps).sqrt()),
)
rows.mistake(
    "The sum of squares is divided by C - 1, not by C.",
    "A mean divides by how many there are: C.",
    partial(_normed, size=lambda x, eps: (x.square().sum(-1, keepdim=True) / max(x.shape[1] - 1, 1) + eps).sqrt()),
)
rows.mistake(
    "The root is missing: the rows are divided by their mean square.",
    "Divide by the root of it: `torch.sqrt`.",
    partial(_normed, size=lambda x, eps: x.square().mean(-1, keepdim=True) + eps),
)
rows.mistake(
    "The rows are multiplied by their root mean square.",
    "Divide by it, or multiply by `rsqrt`, which is 1 over the root.",
    partial(_normed, size=lambda x, eps: 1 / _root_mean_square(x, eps)),
)
rows.mistake(
    "The mean of the sizes |x| is taken, without squares.",
    "Square first, then average, then the root.",
    partial(_normed, size=lambda x, eps: x.abs().mean(-1, keepdim=True) + eps),
)
rows.mistake(
    "The rows are divided by their largest number.",
    "By the root of the mean of the squares.",
    partial(_normed, size=lambda x, eps: x.abs().amax(-1, keepdim=True) + eps),
)
rows.mistake(
    "The rows are divided by their mean.",
    "Square the numbers before you average them, and take the root after.",
    partial(_normed, size=lambda x, eps: x.mean(-1, keepdim=True) + eps),
)
rows.mistake(
    "The mean is squared: the average comes before the square.",
    "Square first, then average, then the root.",
    partial(_normed, size=lambda x, eps: (x.mean(-1, keepdim=True).square() + eps).sqrt()),
)
rows.mistake(
    "The weights are multiplied in before the size is taken.",
    "Divide first. The weights come at the end.",
    lambda x, weight, eps: rms_norm(x * weight, torch.ones_like(weight), eps),
)
rows.mistake(
    "The weights are added.",
    "Multiply by them.",
    lambda x, weight, eps: rms_norm(x, torch.ones_like(weight), eps) + weight,
)
rows.mistake(
    "The result is divided by the weights.",
    "Multiply by them.",
    lambda x, weight, eps: rms_norm(x, 1 / weight, eps),
)
rows.mistake(
    "The weights are counted from 1: `1 + weight`.",
    "Gemma stores its weights so. Here they are the factors themselves.",
    lambda x, weight, eps: rms_norm(x, 1 + weight, eps),
)
rows.mistake(
    "The weights are multiplied in twice.",
    "Once is enough.",
    lambda x, weight, eps: rms_norm(x, weight * weight, eps),
)
rows.mistake(
    "Only the first row is there.",
    "Is `return` inside the loop? It ends the function in the first round.",
    lambda x, weight, eps: rms_norm(x, weight, eps) * (torch.arange(len(x)) == 0)[:, None],
)
rows.mistake(
    "A softmax is taken.",
    "Divide each row by its root mean square.",
    lambda x, weight, eps: x.softmax(-1) * weight,
)
rows.mistake(
    "The size of a row isn't divided out; only the weights are multiplied in.",
    "First divide each row by its root mean square.",
    lambda x, weight, eps: x * weight,
)

small = turn.probe("small rows, and an eps that counts", _with_eps, _shape)
small.mistake(
    "`eps` is added to the root, not under it.",
    "Add it to the mean square, then take the root.",
    partial(_normed, size=lambda x, eps: x.square().mean(-1, keepdim=True).sqrt() + eps),
)
small.mistake(
    "`eps` is always 1e-5.",
    "Use the argument `eps`.",
    lambda x, weight, eps: rms_norm(x, weight, 1e-5),
)
small.mistake(
    "`eps` is always 1e-6.",
    "Use the argument `eps`.",
    lambda x, weight, eps: rms_norm(x, weight, 1e-6),
)
small.mistake(
    "`eps` is left out, so a row of zeros is divided by 0.",
    "Add it to the mean square, then take the root.",
    lambda x, weight, eps: rms_norm(x, weight, 0.0),
)
small.mistake(
    "`eps` is a floor: it counts only where the size is smaller.",
    "Add it to the mean square, whatever that is.",
    partial(_normed, size=lambda x, eps: x.square().mean(-1, keepdim=True).sqrt().clamp(min=eps)),
)
small.mistake(
    "`eps` is a floor under the mean square.",
    "Add it, whatever the mean square is.",
    partial(_normed, size=lambda x, eps: x.square().mean(-1, keepdim=True).clamp(min=eps).sqrt()),
)
small.mistake(
    "`eps` is squared.",
    "Add it to the mean square as it is.",
    lambda x, weight, eps: rms_norm(x, weight, eps**2),
)
small.mistake(
    "`eps` is added to x.",
    "Add it to the mean square.",
    lambda x, weight, eps: x / ((x + eps).square().mean(-1, keepdim=True)).sqrt() * weight,
)
small.mistake(
    "`eps` is added to the sum of squares, before it is divided by C.",
    "First the mean, then `eps`.",
    lambda x, weight, eps: rms_norm(x, weight, eps / x.shape[-1]),
)

default = turn.probe("a call without eps", _without_eps, _shape)
default.mistake(
    "Left out, `eps` is 1e-6.",
    "Here its default is `eps=1e-5`, as in the first line of the turn. Llama's code often has 1e-6.",
    lambda x, weight, eps=1e-6: rms_norm(x, weight, eps),
)

turn.probe(
    "double precision",
    lambda rng: [(numbers(rng, 2, 3).double(), 1 + numbers(rng, 3, scale=0.5).double(), 1e-5)],
    demand=same_dtype,
)
