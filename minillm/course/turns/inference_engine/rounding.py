"""12.quantize: a matrix as codes of 8 bits and one scale per row (absmax; Dettmers et al. 2022, section 2.1)."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def quantize(weight):
    """Codes in int8, (rows, C), and the scale of each row, (rows, 1): weight is nearly codes * scale."""
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    steps = scale.where(scale > 0, 1)  # a row of zeros would divide by 0
    codes = (weight / steps).round().to(torch.int8)
    return codes, scale


def _learners(thing: Any) -> Answer:
    """The learner's function; the scale of a row of zeros may be any number, since it multiplies zeros."""

    def answer(weight: Tensor) -> Any:
        made = thing(weight)
        if type(made) not in (tuple, list) or len(made) != 2:
            return made
        codes, scale = (as_tensor(part) if type(part) is not Tensor else part for part in made)
        if codes is None or scale is None or scale.shape != (len(weight), 1) or codes.shape != weight.shape:
            return made
        free = (weight == 0).all(dim=1, keepdim=True) & scale.isfinite()
        return made[0], scale.where(~free, 0)

    return answer


turn = Turn(
    "12.quantize",
    "Eight bits",
    quantize,
    minutes=8,
    difficulty=2,
    parts=("the codes", "the scale"),
    called=_learners,
    constants=("weight",),
    hints=(
        "The largest weight of a row, without its sign, gets the code 127 or -127. How large is one step then?",
        "Each row has a scale of its own: keep the axis, `keepdim=True`, so that it divides the row.",
        "Divide by the scale, round to the nearest whole number, and only then make it an int8. And what if a row is "
        "all zeros?",
    ),
    errors={
        "must match the size|size of tensor|broadcast": "The scale is (rows, 1), one number per row: `keepdim=True`.",
        "'torch.return_types.max'|return_types|argument of type|unsupported operand|bad operand": "`.max(dim=1)` gives "
        "two things, values and indices. `.amax(dim=1, keepdim=True)` gives the values alone.",
        "has no attribute|not callable": "`weight` is a torch tensor: `.abs()`, `.amax(...)`, `.round()` and "
        "`.to(torch.int8)` are its methods.",
        "too many dimensions|Dimension out of|ambiguous": "`weight` is a matrix, (rows, C): rows are axis 0, columns "
        "axis 1.",
        "__round__": "Python's `round` takes one number. A tensor has a method: `x.round()`.",
        r"to\(\) received": "The type is torch's: `.to(torch.int8)`.",
        "changed the input": "Leave `weight` as it is: `x = weight / scale` makes a new tensor.",
        "cannot convert|cannot be converted|NaN": "Is a row all zeros? Then its scale would divide by 0.",
        r"name '(np|scale|codes|F|W|x|nn|n_bits|bits|R|C|math)' is not defined": "There is `weight`, and `torch`, "
        "which the page imports.",
    },
    debrief=Debrief(
        "LLM.int8() takes one scale per row, too, and keeps columns with outliers in 16 bits. Files of 4 bits have a "
        "scale for each 32 weights.",
        "A row has one weight of 12.7, and all others lie between -0.1 and 0.1. What are their codes?",
    ),
)


def _codes(weight: Tensor, scale: Tensor, whole: Callable[[Tensor], Tensor] = torch.round) -> Tensor:
    """Weights over their scale as whole numbers, in which int8 begins again at -128 after 127."""
    x = whole(torch.nan_to_num(weight / scale, 0.0, 0.0, 0.0))
    return ((x + 128) % 256 - 128).to(torch.int8)


def _with(scale_of: Callable[[Tensor], Tensor], **codes: Any) -> Answer:
    """Codes by another scale, or rounded otherwise."""

    def answer(weight: Tensor) -> tuple[Tensor, Tensor]:
        scale = scale_of(weight).expand(len(weight), 1).clone()
        return _codes(weight, scale_of(weight), **codes), scale

    return answer


def _absmax(weight: Tensor) -> Tensor:
    return weight.abs().amax(dim=1, keepdim=True)


def _scale(weight: Tensor) -> Tensor:
    return _absmax(weight) / 127


def _far_from_ties(weight: Tensor) -> bool:
    """Whether no code is near one half, where orders of computing differ."""
    x = weight / _scale(weight).clamp(min=1e-9)
    return bool(((x - x.floor() - 0.5).abs() > 0.02).all())


def _matrices(rng: random.Random, *shapes: tuple[int, int], scale: float = 1.0) -> list[Call]:
    found: list[Call] = []
    for shape in shapes:
        while not _far_from_ties(weight := numbers(rng, *shape, scale=scale)) or not _absmax(weight).all():
            pass
        found.append((weight,))
    return found


def _rows(rng: random.Random) -> list[Call]:
    return _matrices(rng, (1, 3), (2, 2), (2, 3), (3, 3), (4, 6)) + _matrices(rng, (3, 2), scale=20.0)


def _special(rng: random.Random) -> list[Call]:
    """A row of zeros; rows whose largest weight is negative, or alone; one column."""
    with_zeros, negative = _matrices(rng, (3, 3), (3, 4))
    with_zeros[0][1] = 0.0
    lonely = torch.tensor([[0.0, -0.5, 0.0], [3.0, 0.0, 0.0]])
    return [with_zeros, (-negative[0].abs(),), (lonely,), *_matrices(rng, (3, 1)), (torch.zeros(2, 2),)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a pair of tensors of the right shapes."""
    for index, ((weight,), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) is Tensor:
            if answer.shape == weight.shape and answer.dtype == torch.int8:
                return "Only the codes are returned.", "Return both: `codes, scale`.", index
            return "One tensor is returned.", "Return two: `codes, scale`.", index
        if type(answer) is dict or type(answer) not in (tuple, list) or len(answer) != 2:
            return "The result isn't a pair.", "Return two tensors: `codes, scale`.", index
        codes, scale = map(as_tensor, answer)
        if codes is None or scale is None:
            return "The result isn't a pair of tensors.", "Return two tensors: `codes, scale`.", index
        if codes.shape == (len(weight), 1) and scale.shape == weight.shape != (len(weight), 1):
            return "The scale comes first.", "Return the codes first, then the scale.", index
        if scale.shape != (len(weight), 1) or codes.shape != weight.shape:
            kind = {(): "one number", (len(weight),): "(rows,), without its second axis"}.get(tuple(scale.shape))
            if kind is None and scale.shape == (1, weight.shape[1]):
                return "There's one scale per column.", "One per row: the largest along axis 1.", index
            if codes.shape == weight.shape:
                hint = "One scale per row, (rows, 1), so that `codes * scale` multiplies each row by its own."
                return f"The scale is {kind or tuple(scale.shape)}; it must be (rows, 1).", hint, index
            return f"The codes have shape {tuple(codes.shape)}.", "One code per weight, (rows, C).", index
    return None


def _int8(right: Any, got: Any) -> str | None:
    """Codes of another type than int8."""
    kind = got[0].dtype if type(got[0]) is Tensor else type(got[0]).__name__
    if kind != torch.int8:
        return f"keeps the right codes as {kind}: end with `.to(torch.int8)`"
    return None if type(got[1]) is Tensor else "holds a scale that isn't a tensor"


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Whether it is the scale, or the codes."""
    for index, ((codes, scale), (given, other)) in enumerate(zip(right, got, strict=True)):
        if difference(scale, other) is not None:
            return "The scale is wrong.", "It's the largest absolute weight of the row, over 127.", index
        if difference(codes, given) is not None:
            if difference((codes * scale), given) is None:
                return "These are rounded weights, not codes.", "Return whole numbers from -127 to 127.", index
            return "The scale is right; the codes aren't.", "`weight / scale`, rounded to the nearest.", index
    return None


rows = turn.probe("a scale per row", _rows, _form, demand=_int8)
special = turn.probe("zeros, and negative rows", _special, _form, demand=_int8)
rows.at_last = special.at_last = _nearly


rows.mistake(
    "The scale comes from the largest weight with its sign; a row may reach further on the negative side.",
    "Take absolute values first.",
    _with(lambda weight: weight.amax(dim=1, keepdim=True) / 127),
)
rows.mistake(
    "The absolute value is taken after the largest: a row may reach further on the negative side.",
    "`.abs()` first, then the largest.",
    _with(lambda weight: weight.amax(dim=1, keepdim=True).abs() / 127),
)
rows.mistake(
    "The scale is the largest weight over 128, so that weight becomes 128, which an int8 doesn't have.",
    "Codes go from -127 to 127: divide by 127. int8 has no 128; it begins again at -128.",
    _with(lambda weight: _absmax(weight) / 128),
)
rows.mistake(
    "The scale is the largest weight over 128, and the codes are clamped.",
    "Divide by 127; then nothing needs to be clamped.",
    _with(lambda weight: _absmax(weight) / 128, whole=lambda x: x.round().clamp(-128, 127)),
)
rows.mistake(
    "The codes are cut, not rounded: `.to(torch.int8)` drops what follows the point.",
    "`.round()` first.",
    _with(_scale, whole=torch.trunc),
)
rows.mistake("The codes are always rounded down.", "`.round()` goes to the nearest.", _with(_scale, whole=torch.floor))
rows.mistake("The codes are always rounded up.", "`.round()` goes to the nearest.", _with(_scale, whole=torch.ceil))
rows.mistake(
    "All rows share one scale.",
    "Each row has its own largest weight: `dim=1`.",
    _with(lambda weight: (weight.abs().max() / 127).view(1, 1)),
)
rows.mistake(
    "The scale is the largest weight itself.",
    "Divide by 127: it is the size of one step.",
    lambda weight: (quantize(weight)[0], _absmax(weight)),
)
rows.mistake(
    "The largest weight is taken for one step, so all codes are -1, 0 or 1.",
    "Divide it by 127.",
    _with(_absmax),
)
rows.mistake(
    "The scale is 127 over the largest weight: its inverse.",
    "`codes * scale` must give the weights back.",
    lambda weight: (quantize(weight)[0], 127 / _absmax(weight)),
)
rows.mistake(
    "The range from the smallest to the largest weight is divided into 255 steps.",
    "Here, 0 stays 0: the scale is the largest absolute weight over 127.",
    _with(lambda weight: (weight.amax(1, keepdim=True) - weight.amin(1, keepdim=True)) / 255),
)
rows.mistake(
    "The scale is twice the largest weight over 255.",
    "The largest weight becomes 127: divide by that.",
    _with(lambda weight: _absmax(weight) * 2 / 255),
)
rows.mistake(
    "The scale is the mean absolute weight over 127.",
    "The largest weight must fit: take the largest.",
    _with(lambda weight: weight.abs().mean(1, keepdim=True) / 127),
)
rows.mistake(
    "The scale is the row's norm over 127.",
    "Take the largest absolute weight.",
    _with(lambda weight: weight.norm(dim=1, keepdim=True) / 127),
)
rows.mistake(
    "The largest weight becomes 7, as with 4 bits.",
    "8 bits have room for 127.",
    _with(lambda weight: _absmax(weight) / 7),
)
rows.mistake(
    "The scale is the largest weight over 255.",
    "One bit is the sign: 127 codes on each side.",
    _with(lambda weight: _absmax(weight) / 255),
)
rows.mistake(
    "The signs are lost.",
    "Only the scale takes absolute values; the codes keep their signs.",
    lambda weight: (quantize(weight)[0].abs(), _scale(weight)),
)
rows.mistake(
    "The weights are multiplied by the scale, not divided.",
    "A code is the number of steps in a weight: `weight / scale`.",
    lambda weight: ((weight * _scale(weight)).round().to(torch.int8), _scale(weight)),
)
rows.mistake(
    "The weights are rounded before they are divided.",
    "Divide first: the steps are much smaller than 1.",
    lambda weight: (_codes(weight.round(), _scale(weight)), _scale(weight)),
)
rows.mistake(
    "Rounded weights are returned, not their codes.",
    "Leave the last multiplication out: the codes are whole numbers.",
    lambda weight: (quantize(weight)[0] * _scale(weight), _scale(weight)),
)
special.mistake(
    "A row of zeros gives NaN: 0 / 0.",
    "Let such a row divide by another number than 0; its codes are 0.",
    lambda weight: (quantize(weight)[0], _scale(weight).where(_scale(weight) > 0, torch.nan)),
)
