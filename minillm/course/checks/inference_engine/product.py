"""12.1: a product of whole numbers, both sides rounded to 8 bits row by row (Dettmers et al. 2022, "vector-wise")."""

import random
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.inference_engine.codes import explain
from minillm.course.checks.question import Question


def int8_product(x: Float[Tensor, "T C"], weight: Float[Tensor, "rows C"]) -> Float[Tensor, "T rows"]:
    """The right answer; codes are made in float32, their sums in double precision, where they are exact.

    >>> int8_product(torch.tensor([[1.27, 0.3]]), torch.tensor([[1.27, 0.0], [0.0, 2.54]]))
    tensor([[1.6129, 0.7620]])
    """
    return _product(x, weight)


def _row_by_row(matrix: Tensor) -> Tensor:
    largest = matrix.abs().amax(1, keepdim=True)
    return torch.where(largest == 0, 127, largest) / 127


def _product(
    x: Tensor,
    weight: Tensor,
    *,
    scale: Callable[[Tensor], Tensor] = _row_by_row,
    whole: Callable[[Tensor], Tensor] = torch.round,
    whole_x: Callable[[Tensor], Tensor] | None = None,
    sums: Callable[[Tensor], Tensor] = torch.clone,
    rescale: Callable[..., Tensor] = lambda product, of_x, of_weight: product * of_x * of_weight.T,
) -> Tensor:
    of_x, of_weight = scale(x), scale(weight)
    codes = (whole_x or whole)(x / of_x)
    return rescale(sums(codes.double() @ whole(weight / of_weight).double().T), of_x, of_weight).float()


def _row(rng: random.Random, n: int) -> list[float]:
    """Numbers with one decimal whose codes are not halfway between two whole numbers: roundings would differ there."""
    while True:
        tenths = [rng.randint(-40, 40) for _ in range(n)]
        largest = max(map(abs, tenths))
        if largest and all(2 * 127 * number % (2 * largest) != largest for number in tenths):
            return [number / 10 for number in tenths]


def _matrix(rng: random.Random, rows: int, columns: int) -> Tensor:
    return torch.tensor([_row(rng, columns) for _ in range(rows)])


ORDINARY = (*["ordinary rows"] * 5, "one number", "small rows of weights", "very small rows of weights")


def _ordinary(rng: random.Random) -> list[Call]:
    sizes = ((1, 2, 2), (2, 3, 4), (2, 2, 6), (4, 4, 8), (3, 5, 16))
    calls = [(_matrix(rng, T, C), _matrix(rng, R, C)) for T, R, C in sizes]
    one = torch.tensor([[rng.randint(1, 40) / 10]]), torch.tensor([[-rng.randint(1, 40) / 10]])
    small = _matrix(rng, 3, 8) / torch.tensor([[200.0], [2000.0], [1.0]])  # trained weights are around 0.02
    tiny = _matrix(rng, 2, 8) / torch.tensor([[4000.0], [40000.0]])
    return [*calls, one, (_matrix(rng, 2, 8), small), (_matrix(rng, 2, 8) * 1000, tiny)]


def _with_zeros(rng: random.Random) -> list[Call]:
    """A row of zeros in x, in the weights, and in both."""
    calls = [(_matrix(rng, T, C), _matrix(rng, R, C)) for T, R, C in ((2, 1, 2), (2, 3, 4), (4, 3, 8))]
    calls[0][0][0], calls[1][1][1], calls[2][0][3], calls[2][1][0] = 0.0, 0.0, 0.0, 0.0
    return calls


question = Question(
    "12.1",
    "Whole numbers on both sides",
    int8_product,
    forbidden=(
        "minillm",
        "torch.quantize_per_channel",
        "torch.quantize_per_tensor",
        "torch.fake_quantize_per_channel_affine",
        "torch.fake_quantize_per_tensor_affine",
    ),
)

ordinary = question.probe("ordinary rows", _ordinary, explain, kinds=ORDINARY)
ordinary.mistake(
    "Only the weights are rounded; `x` is not.",
    "The unit multiplies whole numbers with whole numbers. Make codes of `x`, too, row by row.",
    partial(_product, whole_x=torch.clone),
)
ordinary.mistake(
    "Nothing is rounded: this is the ordinary product.",
    "Divide each row by its scale and round; the whole numbers are what is multiplied.",
    partial(_product, whole=torch.clone),
)
ordinary.mistake(
    "The whole matrix has one scale; each row needs its own.",
    "Take the largest absolute value along the last axis, and keep that axis: (T, 1) and (R, 1).",
    partial(_product, scale=lambda matrix: (matrix.abs().amax() / 127).expand(len(matrix), 1)),
)
ordinary.mistake(
    "The scale comes from the largest number, and the most negative one may be larger.",
    "The code 127 is for the largest *absolute* value of a row.",
    partial(_product, scale=lambda matrix: matrix.amax(1, keepdim=True) / 127),
)
ordinary.mistake(
    "The codes are cut off behind the point, not rounded.",
    "A conversion to whole numbers cuts off. Call `round` first.",
    partial(_product, whole=torch.trunc),
)
ordinary.mistake(
    "The sums are kept in 8 bits and wrap round at 127.",
    "127 times 127 does not fit into a byte. Widen the codes before you multiply: `.int()`.",
    partial(_product, sums=lambda sums: (sums + 128) % 256 - 128),
)
ordinary.mistake(
    "The result is still in codes.",
    "A code of x is worth its row's scale and a code of the weights theirs; a product is worth both.",
    partial(_product, rescale=lambda product, of_x, of_weight: product),
)
ordinary.mistake(
    "The scales of the weights are missing in the result.",
    "Column r of the result belongs to row r of the weights: multiply it by that row's scale.",
    partial(_product, rescale=lambda product, of_x, of_weight: product * of_x),
)

ordinary.mistake(
    "The scale comes from the largest number, and the most negative one may be larger.",
    "The code 127 is for the largest *absolute* value of a row.",
    lambda x, weight: _product(
        x,
        weight,
        scale=lambda matrix: (top := matrix.amax(1, keepdim=True) / 127).where(top > 0, 1.0),
        whole=lambda codes: codes.round().clamp(-127, 127),
    ),
)
ordinary.mistake(
    "Only `x` is rounded; the weights are not.",
    "Make codes of both matrices, row by row.",
    partial(_product, whole=torch.clone, whole_x=torch.round),
)
ordinary.mistake(
    "The codes are rounded down, not to the nearest.",
    "`floor` goes down. Call `round`.",
    partial(_product, whole=torch.floor),
)
ordinary.mistake(
    "The scales of `x` are missing in the result.",
    "Row t of the result belongs to row t of x: multiply it by that row's scale.",
    partial(_product, rescale=lambda product, of_x, of_weight: product * of_weight.T),
)
ordinary.mistake(
    "Negative codes are lost: they are cut off at 0.",
    "Codes go from -127 to 127.",
    partial(_product, whole=lambda codes: codes.round().clamp(min=0)),
)
ordinary.mistake(
    "The sums are kept in 16 bits and wrap round at 32,767.",
    "Four products of 127 and 127 do not fit into 16 bits. Widen the codes before you multiply: `.int()`.",
    partial(_product, sums=lambda sums: (sums + 2**15) % 2**16 - 2**15),
)
LEVELS = {
    127.5: "The scale is the largest value over 127.5, so codes are spread over 256 levels.",
    128.0: "The scale is the largest value over 128, so the largest gets the code 128.",
    255.0: "The scale is the largest value over 255: codes have 8 bits and a sign.",
    7.0: "The scale is the largest value over 7, as for 4 bits.",
}
for levels, sentence in LEVELS.items():
    ordinary.mistake(
        sentence,
        "The largest absolute value of a row gets the code 127.",
        partial(_product, scale=lambda matrix, levels=levels: matrix.abs().amax(1, keepdim=True) / levels),
    )
for kind in (torch.float16, torch.bfloat16):
    ordinary.mistake(
        "The scales are rounded to 16 bits.",
        "Keep them in float32, as `abs().amax() / 127` gives them.",
        partial(_product, scale=lambda matrix, kind=kind: _row_by_row(matrix).to(kind).float()),
    )
for least in (1e-2, 1e-3, 1e-4, 1e-5):
    ordinary.mistake(
        "Scales are kept above a smallest number, so small rows lose their digits.",
        "Only a scale of exactly 0 needs another number in its place; rows of weights may be tiny.",
        partial(_product, scale=lambda matrix, least=least: _row_by_row(matrix).clamp_min(least)),
    )
for more in (1e-3, 1e-4, 1e-5, 1e-6):
    ordinary.mistake(
        "Something is added to the scales, so small rows lose their digits.",
        "Only a scale of exactly 0 needs another number in its place; rows of weights may be tiny.",
        partial(_product, scale=lambda matrix, more=more: _row_by_row(matrix) + more),
    )


def _one_scale_of(x: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """One scale for the whole of one matrix, and a scale a row for the other."""

    def answer(first: Tensor, second: Tensor) -> Tensor:
        matrix = first if x else second
        largest = matrix.abs().amax()
        return _product(
            first,
            second,
            scale=lambda each: (largest / 127).expand(len(each), 1) if each is matrix else _row_by_row(each),
        )

    return answer


for x in (True, False):
    ordinary.mistake(
        f"{'`x`' if x else '`weight`'} has one scale for all of its rows; each row needs its own.",
        "Take the largest absolute value along the last axis, and keep that axis: (T, 1) and (R, 1).",
        _one_scale_of(x),
    )

zero_row = question.probe("a row of zeros", _with_zeros, kinds=("zeros in x", "zeros in the weights", "zeros in both"))
zero_row.mistake(
    "A row of zeros has the scale 0, and 0 / 0 is NaN.",
    "Give such a row any other scale; its codes are 0 all the same.",
    partial(_product, scale=lambda matrix: matrix.abs().amax(1, keepdim=True) / 127),
)
