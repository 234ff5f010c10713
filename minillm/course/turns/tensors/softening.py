"""00a.softmax: probabilities from scores, over the last axis of any table, safe against large and hidden scores."""

import math
import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def softmax(scores):
    """Probabilities along the last axis, in the shape of `scores`."""
    powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


turn = Turn(
    "00a.softmax",
    "A stable softmax",
    softmax,
    minutes=6,
    difficulty=2,
    hints=(
        "What must add up to 1: a row, a column, or the whole table? And what shape has a sum that divides a row?",
        "Subtract the largest score of each row before `exp`. The shares stay the same, and no power exceeds 1.",
        "`amax` and `sum` each take `dim=-1` and `keepdim=True`, so that a row keeps its number as an axis of size 1.",
    ),
    ready_made=(
        "torch.softmax",
        "torch.Tensor.softmax",
        "torch.nn.functional.softmax",
        "torch.log_softmax",
        "torch.Tensor.log_softmax",
    ),
    errors={
        "name '(x|z|logits|s)' is not defined": "The argument is called `scores`.",
        r"type torch.return_types.max|not torch.return_types.max|return_types.max'|and 'torch.return_types": "`max` "
        "along an axis returns two things, values and places. `amax` returns the values alone.",
        "size of tensor|must match": "Do the shapes fit, flush right? A row's sum must keep its axis: `keepdim=True`.",
        r"softmax\(\) (missing|received)": "Over which axis? `dim=-1` is the last one.",
        "only one element tensors|must be real number|only length-1": "`math.exp` takes one number; a tensor has "
        "`.exp()`.",
        r"max\(\): argument 'dim'|numpy": "numpy's functions don't fit tensors: use `scores.amax` and `.exp()`.",
        "ambiguous": "`scores` may have one, two, three axes or more, and a loop takes the first apart. Compute with "
        "the whole tensor.",
        "Dimension out of range": "The last axis is -1, however many there are. Here `scores` may have one, two, three "
        "or more.",
    },
    debrief=Debrief(
        "`scores.softmax(dim=-1)`. FlashAttention never sees a whole row: it keeps the largest score so far, and "
        "rescales its sum whenever a larger one comes.",
        "What comes out if a row is hidden entirely, so that all its scores are -inf?",
    ),
)
SHIFT = "Subtract the largest score of each row, `amax`, before `exp`: the shares stay the same."


def _draw(rng: random.Random, *shapes: tuple[int, ...]) -> list[Call]:
    return [(numbers(rng, *shape, scale=1.5),) for shape in shapes]


def _large(rng: random.Random) -> list[Call]:
    sure = torch.tensor([[200.0, 199.0, 0.0], [-200.0, -201.0, -200.0]])
    mixed = torch.tensor([[200.0, 199.0, 0.0], [-30.0, -31.0, -29.0]])
    return [(sure[:1],), (sure[1:],), (sure,), (5 * sure,), (torch.stack([sure, -sure]),), (mixed,)]


def _hidden(rng: random.Random) -> list[Call]:
    """A causal mask, and single hidden scores."""
    tables = [numbers(rng, *shape, scale=1.5) for shape in ((2, 2), (3, 3), (2, 3, 3))]
    low = torch.tensor([[-1000.0, -math.inf, -1001.0]])
    return [*((table.masked_fill(torch.ones_like(table).triu(1).bool(), -math.inf),) for table in tables), (low,)]


def _not_finite(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A NaN or an infinity that no known mistake gives."""
    for index, (answer, (scores,)) in enumerate(zip(map(as_tensor, got), calls, strict=True)):
        if answer is None or answer.shape != scores.shape or answer.isfinite().all():
            continue
        if scores.isinf().any():
            return "Not finite where a score is -inf.", "Minus infinity may enter `exp`, which gives 0.", index
        return "Not finite: powers overflow, or all those of a row are 0.", SHIFT, index
    return None


def _shares(scores: Tensor, shift: Tensor | float = 0.0) -> Tensor:
    """Powers divided by their sum, as floats give it."""
    powers = (scores - shift).exp()
    return powers / powers.sum(-1, keepdim=True)


square = turn.probe("square tables", lambda rng: _draw(rng, (2, 2), (3, 3), (3, 3, 3)), _not_finite)
square.mistake(
    "The columns add up to 1, not the rows.",
    "The last axis runs along a row: `dim=-1`.",
    lambda scores: scores.softmax(-2),
)
square.mistake(
    "The sum runs over the first axis.",
    "The last axis is -1, however many there are.",
    lambda scores: scores.softmax(0),
)
square.mistake(
    "The sum runs over axis 1. With three axes, that isn't the last.",
    "The last axis is -1, however many there are.",
    lambda scores: scores.softmax(1),
)
square.mistake(
    "Without `keepdim`, a row's sum divides a column. The table is square, so no error says so.",
    "`keepdim=True` leaves (..., 1): a sum per row, which broadcasts along that row.",
    lambda scores: scores.exp() / scores.exp().sum(-1),
)
square.mistake(
    "Without `keepdim`, largest scores and sums of rows go to columns. The table is square, so no error says so.",
    "`keepdim=True` leaves (..., 1): a number per row, which broadcasts along that row.",
    lambda scores: (scores - scores.amax(-1)).exp() / (scores - scores.amax(-1)).exp().sum(-1),
)
square.mistake(
    "Without `keepdim`, the largest score of a row is subtracted from a column.",
    "`keepdim=True` leaves (..., 1): a number per row, which broadcasts along that row.",
    lambda scores: (scores - scores.amax(-1)).softmax(-1),
)
for _axis, _which in ((-2, "of each column"), (0, "along the first axis")):
    square.mistake(
        f"The largest score {_which} is subtracted, so the scores of a row get different shifts.",
        "One number for the whole row: `amax(dim=-1, keepdim=True)`.",
        lambda scores, axis=_axis: _shares(scores, scores.amax(axis, keepdim=True)),
    )
square.mistake(
    "The whole table adds up to 1.",
    "Each row is a choice of its own: sum along the last axis.",
    lambda scores: scores.flatten().softmax(0).view_as(scores),
)
square.mistake(
    "Each row is shifted by itself, but then the whole table is divided by one sum.",
    "Each row is a choice of its own: `sum` along the last axis too.",
    lambda scores: (
        (scores - scores.amax(-1, keepdim=True)).exp() / (scores - scores.amax(-1, keepdim=True)).exp().sum()
    ),
)
square.mistake(
    "Without `keepdim`, the sum of a row divides a column. The table is square, so no error says so.",
    "`keepdim=True` leaves (..., 1): a sum per row, which broadcasts along that row.",
    lambda scores: (
        (scores - scores.amax(-1, keepdim=True)).exp() / (scores - scores.amax(-1, keepdim=True)).exp().sum(-1)
    ),
)
square.mistake(
    "Each row is shifted by itself, but the sum runs over the first axis.",
    "The last axis is -1, however many there are: for `sum`, too.",
    lambda scores: (
        (scores - scores.amax(-1, keepdim=True)).exp() / (scores - scores.amax(-1, keepdim=True)).exp().sum(0)
    ),
)
square.mistake(
    "Everything after the first axis adds up to 1. With three axes, that's more than a row.",
    "A loop over `scores` takes its first axis apart. Compute with the whole tensor, along `dim=-1`.",
    lambda scores: scores.flatten(1).softmax(1).view_as(scores),
)
square.mistake(
    "These are logarithms of the probabilities.",
    "End with the shares themselves: powers divided by their sum.",
    lambda scores: scores.log_softmax(-1),
)
square.mistake(
    "The powers are not divided by their sum.",
    "Each row must add up to 1.",
    lambda scores: (scores - scores.amax(-1, keepdim=True)).exp(),
)
square.mistake(
    "The powers are not divided by their sum, and nothing is subtracted.",
    "Each row must add up to 1.",
    lambda scores: scores.exp(),
)
square.mistake(
    "The scores themselves are divided by their sum.",
    "Raise e to the power of each score first: shares must be positive.",
    lambda scores: scores / scores.sum(-1, keepdim=True),
)
square.mistake(
    "The shifted scores are divided by their sum, without `exp`.",
    "Raise e to the power of each shifted score first.",
    lambda scores: (
        (scores - scores.amax(-1, keepdim=True)) / (scores - scores.amax(-1, keepdim=True)).sum(-1, keepdim=True)
    ),
)
square.mistake(
    "The sign is turned around: the smallest score gets the largest share.",
    "Subtract the largest score from the others, and not the other way round.",
    lambda scores: (-scores).softmax(-1),
)
square.mistake(
    "Powers of 2 are taken.",
    "Softmax takes powers of e: `exp`.",
    lambda scores: (scores * math.log(2)).softmax(-1),
)
square.mistake(
    "Each score is squeezed by itself (a sigmoid), so a row does not add up to 1.",
    "Divide each power by the sum of its row.",
    lambda scores: scores.sigmoid(),
)
square.mistake(
    "Each score is squeezed by a sigmoid before the row is divided by its sum.",
    "Raise e to the power of each score: no other curve is needed.",
    lambda scores: scores.sigmoid() / scores.sigmoid().sum(-1, keepdim=True),
)
square.mistake(
    "What is above the diagonal is hidden.",
    "Hidden scores come as -inf already; no mask is asked for here.",
    lambda scores: scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf).softmax(-1),
)
square.mistake(
    "The scores are divided by the largest one.",
    "Subtract it: then all powers shrink by one factor, which the division cancels.",
    lambda scores: (scores / scores.amax(-1, keepdim=True)).softmax(-1),
)
square.mistake(
    "Softmax is taken twice.",
    "Once is enough: powers, divided by their sum.",
    lambda scores: scores.softmax(-1).softmax(-1),
)
for small in (1e-3, 1e-2, 1.0):
    square.mistake(
        f"{small:g} is added to the sum, so a row does not add up to 1.",
        "The sum is never 0: the largest power of a row is 1.",
        lambda scores, small=small: (
            (scores - scores.amax(-1, keepdim=True)).exp()
            / ((scores - scores.amax(-1, keepdim=True)).exp().sum(-1, keepdim=True) + small)
        ),
    )
shapes = turn.probe("other shapes", lambda rng: _draw(rng, (2, 5), (4,), (3, 1), (2, 3, 4), (1, 2, 3, 2)), _not_finite)
shapes.mistake(
    "A row of one score comes back as it was.",
    "Its only share is 1. The formula says so, without a branch.",
    lambda scores: scores if scores.shape[-1] == 1 else scores.softmax(-1),
)
large = turn.probe("scores of 200 and -200", _large, _not_finite)
large.mistake(
    "`exp` overflows above 88, and a row of -200 has nothing but zeros: NaN.",
    SHIFT,
    _shares,
)
large.mistake(
    "The largest score of the whole table is subtracted. A row far below it has nothing but zeros: NaN.",
    "Take the largest score of each row, with `keepdim=True`.",
    lambda scores: _shares(scores, scores.max()),
)
large.mistake(
    "Scores of -1,000 and less count as hidden, so a row of them has nothing but zeros: NaN.",
    "Only -inf is hidden. A row of -1,000s has shares like any other.",
    lambda scores: scores.masked_fill(scores <= -1000, -math.inf).softmax(-1),
)
large.mistake(
    "The mean is subtracted, so large scores still overflow.",
    SHIFT,
    lambda scores: _shares(scores, scores.mean(-1, keepdim=True)),
)
large.mistake(
    "The smallest score is subtracted, so large scores still overflow.",
    SHIFT,
    lambda scores: _shares(scores, scores.amin(-1, keepdim=True)),
)
large.mistake(
    "The largest score is subtracted only if it is large: a row of -200 has nothing but zeros, NaN.",
    SHIFT,
    lambda scores: (
        _shares(scores, scores.amax(-1, keepdim=True))
        if scores.max() > 80
        else _shares(scores)  # one table, one choice
    ),
)
large.mistake(
    "The largest absolute score is subtracted. In a row of -200, that's 200, and nothing but zeros is left: NaN.",
    "Take the largest score of each row as it is, with its sign.",
    lambda scores: _shares(scores, scores.abs().amax(-1, keepdim=True)),
)
large.mistake(
    "Large scores are cut off, so all beyond the limit get the same share.",
    SHIFT,
    lambda scores: _shares(scores.clamp(max=80)),
)
large.mistake(
    "Scores are cut off at both ends, so all beyond an end get the same share.",
    SHIFT,
    lambda scores: _shares(scores.clamp(-80, 80)),
)
large.mistake(
    "A NaN is replaced: the shares of a large score are gone.",
    SHIFT,
    lambda scores: _shares(scores).nan_to_num(),
)
hidden = turn.probe("hidden scores", _hidden, _not_finite)
hidden.mistake(
    "A hidden score counts like a score of -1,000, which others may have, too.",
    "Leave -inf as it is: its power is exactly 0.",
    lambda scores: scores.nan_to_num(neginf=-1000).softmax(-1),
)
hidden.mistake(
    "A hidden score counts like a score of 0.",
    "Leave -inf as it is: its power is exactly 0.",
    lambda scores: scores.nan_to_num(neginf=0).softmax(-1),
)
