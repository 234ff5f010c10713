"""09.lora: a frozen matrix with a correction of low rank beside it (Hu et al. 2021, equation 3)."""

import math
import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def lora(x, W, A, B, alpha):
    """What the frozen matrix makes of x, plus alpha / r times the correction."""
    r = len(A)
    low = x @ A.T  # (T, r)
    return x @ W.T + alpha / r * (low @ B.T)


turn = Turn(
    "09.lora",
    "LoRA",
    lora,
    minutes=5,
    difficulty=2,
    constants=("W",),
    hints=(
        "x is (T, C_in) and A is (r, C_in). Which product of the two is (T, r)?",
        "Two roads lead from x to the result, and they're added: through W, and through A, then B.",
        "r is the number of rows of A. The second road is scaled by alpha over r; the first one isn't.",
    ),
    errors={
        "shapes cannot be multiplied|size of tensor|must match": "Write the shapes down: x (T, C_in), W (C_out, C_in), "
        "A (r, C_in), B (C_out, r). Which of them need `.T`?",
        "changed the input": "W is frozen: add the correction to the result, not to W itself.",
        r"name '(r|rank|self|nn|scaling|scale)' is not defined": "There are `x`, `W`, `A`, `B` and `alpha`; r is the "
        "number of rows of A.",
        "name 'F' is not defined": "Import it in your cell: `import torch.nn.functional as F`.",
        "not callable|has no attribute": "W, A and B are plain tensors: multiply with `@`.",
    },
    long_call=(torch.zeros(60, 16), torch.zeros(16, 16), torch.zeros(4, 16), torch.zeros(16, 4), 8.0),
    slow=(
        "The result is right, but it's computed number by number.",
        "One `@` multiplies all rows at once. The model has 28 such layers.",
    ),
    debrief=Debrief(
        "PEFT keeps one pair A, B per layer, and multiplies x by A first: B A would be as large as W. After "
        "training, W + alpha / r B A is computed once, and the layer is as fast as before.",
        "B starts at zero and A at random. What is the gradient of A in the first update?",
    ),
)


def _layers(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    """For each (T, C_in, C_out, r) an input, a matrix and its correction."""
    return [
        (
            numbers(rng, T, C_in),
            numbers(rng, C_out, C_in),
            numbers(rng, r, C_in),
            numbers(rng, C_out, r),
            rng.choice([2.5, 3.5, 4.5]),
        )
        for T, C_in, C_out, r in sizes
    ]


def _square(rng: random.Random) -> list[Call]:
    """All matrices square and alike, so that a wrong order raises no error."""
    return _layers(rng, (1, 2, 2, 2), (2, 2, 2, 2), (3, 3, 3, 3))


def _any(rng: random.Random) -> list[Call]:
    return _layers(rng, (2, 3, 2, 1), (3, 4, 5, 2), (4, 5, 3, 2), (2, 6, 6, 3))


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, ((x, W, *_), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (tuple, list):
            return "Several things are returned.", "Return one tensor, (T, C_out).", index
        if type(answer) is Tensor and answer.shape == W.shape and answer.shape != (len(x), len(W)):
            return "The result has the shape of W.", "Multiply x by it: one row per token.", index
        if type(answer) is Tensor and answer.shape == (len(W), len(x)) and len(x) != len(W):
            return "The result is (C_out, T).", "Transpose it: one row per token.", index
    return None


def _sum(x: Tensor, W: Tensor, A: Tensor, B: Tensor, scale: float) -> Tensor:
    return x @ W.T + scale * (x @ A.T @ B.T)


square = turn.probe("square matrices", _square, _form)
square.mistake(
    "A and B have changed places.",
    "x goes through A first, then through B.",
    lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * (x @ B.T @ A.T),
)
square.mistake(
    "The matrices aren't transposed.",
    "W is (C_out, C_in), as in `nn.Linear`: `x @ W.T`. A and B likewise.",
    lambda x, W, A, B, alpha: x @ W + alpha / len(A) * (x @ A @ B),
)
square.mistake(
    "W isn't transposed.",
    "W is (C_out, C_in), as in `nn.Linear`: `x @ W.T`.",
    lambda x, W, A, B, alpha: x @ W + alpha / len(A) * (x @ A.T @ B.T),
)
square.mistake(
    "A and B aren't transposed.",
    "A is (r, C_in) and B is (C_out, r): `x @ A.T`, then the same with B.",
    lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * (x @ A @ B),
)
square.mistake(
    "The correction A, B is transposed: x goes through B A without `.T`.",
    "B A is (C_out, C_in), like W: it needs `.T`, too.",
    lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * (x @ B @ A),
)
square.mistake(
    "W + B A is returned, not what it makes of x.",
    "Multiply x by it.",
    lambda x, W, A, B, alpha: (W + alpha / len(A) * B @ A)[: len(x)],
)
square.mistake(
    "The correction reads what W has made, not x.",
    "Both roads begin at x.",
    lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * (x @ W.T @ A.T @ B.T),
)
square.mistake(
    "The correction is multiplied by alpha, not by alpha / r.",
    "Divide by r, the number of rows of A.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha),
)
square.mistake(
    "The correction isn't scaled.",
    "Multiply it by alpha / r.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, 1.0),
)
square.mistake(
    "The correction is scaled by 1 / r; alpha is left out.",
    "Multiply it by alpha / r.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, 1 / len(A)),
)
square.mistake(
    "The correction is scaled by r / alpha.",
    "It's the other way round: alpha / r.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, len(A) / alpha),
)
square.mistake(
    "The correction is scaled by alpha / sqrt(r), as in rank-stabilized LoRA.",
    "Here it's alpha / r, as in Hu et al. 2021.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha / math.sqrt(len(A))),
)
square.mistake(
    "The correction is always doubled, as on the page.",
    "There, alpha is 8 and r is 4. Both may be others: r is `len(A)`.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, 2.0),
)
square.mistake(
    "r is always 4, as on the page.",
    "It's the number of rows of A: `len(A)`.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha / 4),
)
square.mistake(
    "The correction is divided by r twice.",
    "Once is enough: alpha / r.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha / len(A) ** 2),
)
square.mistake(
    "There is an activation between A and B, as in an adapter.",
    "LoRA has none, so that B A can be added to W after training.",
    lambda x, W, A, B, alpha: x @ W.T + alpha / len(A) * ((x @ A.T).relu() @ B.T),
)
square.mistake(
    "`//` drops what is left over of alpha / r.",
    "Divide with `/`.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha // len(A)),
)
square.mistake(
    "The result of W is scaled, too.",
    "Only the correction is: at the beginning, with B = 0, nothing may change.",
    lambda x, W, A, B, alpha: alpha / len(A) * _sum(x, W, A, B, 1.0),
)
square.mistake(
    "Only the correction is returned.",
    "Add it to what W makes of x.",
    lambda x, W, A, B, alpha: alpha / len(A) * (x @ A.T @ B.T),
)
square.mistake(
    "There is no correction: this is W alone.",
    "Add alpha / r times the second road, through A and B.",
    lambda x, W, A, B, alpha: x @ W.T,
)
square.mistake(
    "The correction is subtracted.",
    "Add it.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, -alpha / len(A)),
)
square.mistake(
    "The two roads are multiplied.",
    "Add them.",
    lambda x, W, A, B, alpha: (x @ W.T) * (alpha / len(A) * (x @ A.T @ B.T)),
)
anywhere = turn.probe("any sizes", _any, _form)
anywhere.mistake(
    "The correction is divided by the number of columns of A.",
    "r is the number of its rows: `len(A)`.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha / A.shape[1]),
)
anywhere.mistake(
    "The correction is divided by the number of rows of B.",
    "r is the number of rows of A, or of columns of B.",
    lambda x, W, A, B, alpha: _sum(x, W, A, B, alpha / len(B)),
)
