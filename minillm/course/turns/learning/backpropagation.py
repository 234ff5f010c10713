"""00b.backward: backpropagation through two layers with tanh between them (Rumelhart, Hinton and Williams 1986)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn

PARTS = ("d_w1", "d_b1", "d_w2", "d_b2")


def backward(x, h, w2, d_logits):
    """The gradients of w1, b1, w2 and b2, from x (B, C), h (B, F), w2 (F, V) and d_logits (B, V)."""
    d_w2 = h.T @ d_logits
    d_b2 = d_logits.sum(dim=0)
    d_z = (d_logits @ w2.T) * (1 - h**2)
    d_w1 = x.T @ d_z
    d_b1 = d_z.sum(dim=0)
    return d_w1, d_b1, d_w2, d_b2


turn = Turn(
    "00b.backward",
    "Backward through two layers",
    backward,
    minutes=14,
    difficulty=4,
    parts=PARTS,
    hints=(
        "Which shape must each of the four results have? Write the four shapes down first.",
        "Start at the end: `d_logits` gives `d_w2` and `d_b2` by rules 1 and 3, and by rule 2 the gradient of h.",
        "Then go through tanh, which multiplies entry by entry (rule 4). That is `d_z`, and it is to W1 and b1 what "
        "`d_logits` is to W2 and b2.",
    ),
    errors={
        r"name '[wW]1' is not defined": "W1 isn't needed: its gradient is made of x and of what comes back to z.",
        r"name '(z|z1|hpreact|pre)' is not defined": "The slope of tanh needs no z: with h = tanh(z) it is 1 - h².",
        r"name '(embcat|emb|xs|X|Xb|inputs?)' is not defined": "The input is `x` here.",
        r"name '(logits|targets|y|p|probs|loss|b1|b2)' is not defined": "All that is needed are the four arguments: "
        "`d_logits` already holds what was predicted minus what was true.",
        r"'(d_h|d_z|dh|dz|d_w1|d_b1|d_w2|d_b2)' ": "Go from the end to the beginning: compute it in "
        "a line above the one that needs it.",
        r"name '(B|C|F|V|n|N)' is not defined": "Sizes differ from case to case. `h.T @ d_logits` needs none of them.",
        r"tensor [ab] \((64|27)\)": "The sizes differ from case to case: take them from the arguments.",
        "does not require grad": "Nothing here was recorded for autograd. The four rules are enough.",
        "mat1 and mat2 shapes|size mismatch|inconsistent tensor size": "In `A @ B`, the rows of A must be as long as "
        "the columns of B. `.T` swaps the axes of a matrix; only one order gives the shape of the weight.",
        "size of tensor a": "`*` multiplies entry by entry, so both factors need one shape. To add up over rows or "
        "letters, use `@`.",
        "Dimension out of range|too many indices": "`x`, `h` and `d_logits` have two axes: rows are 0, columns 1.",
        "is invalid for input of size|out of bounds": "Sizes differ from case to case: take them from the arguments.",
        "'tuple' object|'list' object|no attribute 'T'": "That is a plain Python object. `.T` and `@` need tensors.",
    },
    debrief=Debrief(
        "Autograd records the forward pass and applies these rules for you, one per operation. Keeping every h for the "
        "way back is why training takes more memory than running a model.",
        "Your `backward` never looks at `w1`. Which line would need it if there were a third layer below?",
    ),
)


def _walk(
    x: Tensor,
    h: Tensor,
    w2: Tensor,
    d_logits: Tensor,
    *,
    slope: Callable[[Tensor], Tensor] = lambda h: 1 - h**2,
    bias: Callable[[Tensor], Tensor] = lambda d: d.sum(0),
    by: Callable[[Tensor], float] = lambda x: 1.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The way back with one thing done differently."""
    d_z = d_logits @ w2.T * slope(h)
    return x.T @ d_z / by(x), bias(d_z) / by(x), h.T @ d_logits / by(x), bias(d_logits) / by(x)


def _networks(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    """For (B, C, F, V) an input, a hidden layer between -1 and 1, a weight, and gradients whose rows add up to 0."""
    calls = []
    for B, C, F, V in sizes:
        d_logits = numbers(rng, B, V)
        d_logits[:, -1] -= d_logits.sum(1)
        h = numbers(rng, B, F).tanh().round(decimals=1)
        calls.append((numbers(rng, B, C), h, numbers(rng, F, V), d_logits))
    return calls


def _sizes(rng: random.Random) -> list[Call]:
    return _networks(rng, (2, 2, 3, 2), (1, 3, 2, 4), (4, 3, 5, 6), (5, 4, 2, 3))


def _square(rng: random.Random) -> list[Call]:
    return _networks(rng, (3, 3, 3, 3), (2, 2, 2, 2))


SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "h * (1 - h), the slope of a sigmoid": lambda h: h * (1 - h),
    "1 - h, without the square": lambda h: 1 - h,
    "1 where h is positive, the slope of ReLU": lambda h: (h > 0).to(h.dtype),
    "h": lambda h: h,
    "h²": lambda h: h**2,
    "1 + h²": lambda h: 1 + h**2,
    "1 - tanh(h)², which takes tanh twice": lambda h: 1 - h.tanh() ** 2,
    "tanh(h)": lambda h: h.tanh(),
    "(1 - h)²": lambda h: (1 - h) ** 2,
    "h² - 1": lambda h: h**2 - 1,
    "(1 - h²)²": lambda h: (1 - h**2) ** 2,
    "1 - |h|": lambda h: 1 - h.abs(),
    "1 / (1 - h²): it divides": lambda h: 1 / (1 - h**2),
}


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Transposed parts, columns for rows, parts that are missing."""
    if any(type(answer) not in (list, tuple) for answer in got):
        return "The result is not four tensors.", f"Return {', '.join(PARTS)}, in this order."
    if any(len(answer) != len(PARTS) for answer in got):
        return f"{len(got[0])} things are returned, not four.", f"Return {', '.join(PARTS)}, in this order."
    if any(type(part) is not Tensor for answer in got for part in answer):
        missing = next(
            name for answer in got for name, part in zip(PARTS, answer, strict=True) if type(part) is not Tensor
        )
        return f"`{missing}` is not a tensor.", "Each gradient is a tensor with the shape of what it belongs to."
    orders = {
        "d_w2, d_b2, d_w1, d_b1": (2, 3, 0, 1),
        "d_w1, d_w2, d_b1, d_b2": (0, 2, 1, 3),
        "d_b1, d_w1, d_b2, d_w2": (1, 0, 3, 2),
        "d_b2, d_w2, d_b1, d_w1": (3, 2, 1, 0),
        "d_w2, d_w1, d_b2, d_b1": (2, 0, 3, 1),
    }
    for said, order in orders.items():
        if all(
            difference(wanted[index], gave[place]) is None
            for wanted, gave in zip(right, got, strict=True)
            for place, index in enumerate(order)
        ):
            return f"All four are right, but in the order {said}.", f"Return {', '.join(PARTS)}, in this order."
    pairs = [pair for wanted, gave in zip(right, got, strict=True) for pair in zip(wanted, gave, strict=True)]
    firsts = [mistake.answer(*calls[0])[0] for mistake in sizes.mistakes]
    wrong = all(wanted.shape == gave.shape and difference(wanted, gave) for wanted, gave in pairs)
    factors = {round(float((gave / wanted).flatten()[0]), 6) for wanted, gave in pairs if wrong}
    if wrong and len(factors) == 1 and factors != {-1.0}:
        (factor,) = factors
        hint = "Return the gradients themselves. The rate belongs to the step, which comes later."
        return f"Each gradient is {factor:g} times the right one.", hint
    if wrong and all(difference(first, got[0][0]) for first in firsts):
        return "All four gradients are wrong.", "So look at the beginning: is `d_logits` used as it came?"
    if skipped := _skipped(calls, got):
        return skipped
    for index, name in enumerate(PARTS):
        pairs = [(wanted[index], gave[index]) for wanted, gave in zip(right, got, strict=True)]
        if found := _transposed(name, pairs, [len(x) for x, _, _, _ in calls]):
            return found
    return None


def _skipped(calls: list[Call], got: list[Any]) -> tuple[str, str] | None:
    """W1 or b1 with the gradient of a layer that ends in the logits: nothing went back through W2."""
    for index, name in enumerate(PARTS[:2]):
        shapes = [(x.shape[1], w2.shape[1])[index:] for x, _, w2, _ in calls]
        if all(answer[index].shape == shape for answer, shape in zip(got, shapes, strict=True)) and any(
            w2.shape[0] != w2.shape[1] for _, _, w2, _ in calls
        ):
            hint = "Between the logits and W1 are W2 and tanh: go back through both first, by rules 2 and 4."
            return f"`{name}` is as wide as the logits: is it made of `d_logits`?", hint
    return None


def _transposed(name: str, pairs: list[tuple[Tensor, Tensor]], rows: list[int]) -> tuple[str, str] | None:
    """The shape of one part, if it tells what was done."""
    if all(gave.shape == wanted.shape for wanted, gave in pairs):
        return None
    is_matrix = pairs[0][0].dim() == 2
    if is_matrix and all(difference(wanted.T, gave) is None for wanted, gave in pairs):
        return f"`{name}` is right, but transposed.", f"It must have the shape of {name[2:]}: swap the two factors."
    if not is_matrix:
        if all(gave.shape == (1, len(wanted)) and difference(wanted, gave[0]) is None for wanted, gave in pairs):
            return f"`{name}` is right, but a table of one row.", "Leave out `keepdim`: a bias is one row of numbers."
        if all(gave.dim() == 0 for _, gave in pairs):
            return f"`{name}` is one number: everything was added up.", "Sum over the rows only: `sum(dim=0)`."
        if all(gave.dim() == 2 for _, gave in pairs):
            hint = "The bias was added to every row, so what comes back from all rows adds up: `sum(dim=0)`."
            return f"`{name}` still has a row per input.", hint
        if [tuple(gave.shape) for _, gave in pairs] == [(n,) for n in rows]:
            return f"`{name}` has a number per row, not per column.", "Sum over the rows: `sum(dim=0)`."
        return f"`{name}` is as wide as another layer.", "Was a name overwritten before you needed its first value?"
    return None


sizes = turn.probe("networks of four different sizes", _sizes, _form)
sizes.mistake(
    "The slope of tanh is missing: what comes back to h goes on to W1 and b1 unchanged.",
    "Multiply what comes back to h by 1 - h², entry by entry.",
    partial(_walk, slope=torch.ones_like),
)
for words, _slope in SLOPES.items():
    sizes.mistake(
        f"On the way back through tanh, you multiply by {words}.",
        "The slope of h = tanh(z) is 1 - h².",
        partial(_walk, slope=_slope),
    )
sizes.mistake(
    "The sign is wrong.",
    "Gradients point uphill, and the step will subtract them. Here nothing is negated.",
    lambda *call: tuple(-part for part in backward(*call)),
)
sizes.mistake(
    "The biases take the mean over the rows instead of the sum.",
    "The 1/B of the mean loss is in `d_logits` already. What comes back from several rows adds up.",
    partial(_walk, bias=lambda d: d.mean(0)),
)
sizes.mistake(
    "It is divided by the number of rows once more.",
    "The 1/B of the mean loss is in `d_logits` already.",
    partial(_walk, by=len),
)
sizes.mistake(
    "Only the first row's gradient reaches the biases.",
    "A bias was added to every row, so the rows add up: `sum(dim=0)`.",
    partial(_walk, bias=lambda d: d[0]),
)
sizes.mistake(
    "The biases get no gradient.",
    "A bias was added to every row, so its gradient is the sum over the rows.",
    partial(_walk, bias=lambda d: 0 * d[0]),
)


@sizes.mistake(
    "Each gradient is scaled down to norm 1, as in gradient clipping.",
    "Return the gradients as they are. Clipping belongs to the step.",
)
def _clipped(*call):
    return tuple(part / part.norm().clamp(min=1.0) for part in backward(*call))


@sizes.mistake(
    "h² is subtracted from what comes back to h: parentheses are missing around 1 - h².",
    "`d_h * (1 - h**2)`: Python multiplies before it subtracts.",
)
def _no_parentheses(x, h, w2, d_logits):
    d_z = d_logits @ w2.T - h**2
    return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


@sizes.mistake(
    "`d_b1` is the sum of what comes back to h. The slope of tanh is missing there.",
    "b1 is added before tanh, so its gradient is the sum of `d_z`, not of what comes back to h.",
)
def _bias_before_tanh(x, h, w2, d_logits):
    d_w1, _, d_w2, d_b2 = backward(x, h, w2, d_logits)
    return d_w1, (d_logits @ w2.T).sum(0), d_w2, d_b2


@sizes.mistake(
    "`d_w1` is made of what comes back to h. The slope of tanh is missing there.",
    "x W1 is added up before tanh, so W1 needs `d_z`, not what comes back to h.",
)
def _weight_before_tanh(x, h, w2, d_logits):
    _, d_b1, d_w2, d_b2 = backward(x, h, w2, d_logits)
    return x.T @ (d_logits @ w2.T), d_b1, d_w2, d_b2


sizes.mistake(
    "Only the last row counts.",
    "The rows add up: `+=` in the loop, not `=`. A matrix product and `sum(dim=0)` do it without a loop.",
    lambda x, h, w2, d_logits: backward(x[-1:], h[-1:], w2, d_logits[-1:]),
)


@sizes.mistake(
    "Only the last row counts in the gradients of the weights.",
    "The rows add up: `+=` in the loop, not `=`. A matrix product does it without a loop.",
)
def _last_row(x, h, w2, d_logits):
    _, d_b1, _, d_b2 = backward(x, h, w2, d_logits)
    d_w1, _, d_w2, _ = backward(x[-1:], h[-1:], w2, d_logits[-1:])
    return d_w1, d_b1, d_w2, d_b2


@sizes.mistake(
    "Gradients beyond 1 and -1 are cut off there.",
    "Return them as they are. Clipping belongs to the step.",
)
def _clamped(x, h, w2, d_logits):
    return tuple(part.clamp(-1, 1) for part in backward(x, h, w2, d_logits))


@sizes.mistake(
    "`w2` is reshaped, not transposed, so what comes back to h is mixed up.",
    "`w2.T` swaps the axes. `reshape` keeps the numbers in their order and only cuts the rows elsewhere.",
)
def _reshaped(x, h, w2, d_logits):
    d_z = d_logits @ w2.reshape(w2.T.shape) * (1 - h**2)
    return x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)


sizes.mistake(
    "The way back to h goes through W2 as it is after its step.",
    "The logits were made with the `w2` that comes in: use that one.",
    lambda x, h, w2, d_logits: backward(x, h, w2 - h.T @ d_logits, d_logits),
)


@sizes.mistake(
    "`d_b1` takes the slope of tanh at the mean of h.",
    "Multiply row by row, then add the rows up: the sum of `d_z`.",
)
def _slope_at_the_mean(x, h, w2, d_logits):
    d_w1, _, d_w2, d_b2 = backward(x, h, w2, d_logits)
    return d_w1, (d_logits.sum(0) @ w2.T) * (1 - h.mean(0) ** 2), d_w2, d_b2


@sizes.mistake(
    "The slope of tanh is also multiplied into the gradients of W2 and b2.",
    "W2 and b2 come after tanh: what they need is h and `d_logits`.",
)
def _slope_too_early(x, h, w2, d_logits):
    d_w1, d_b1, _, d_b2 = backward(x, h, w2, d_logits)
    return d_w1, d_b1, (h * (1 - h**2)).T @ d_logits, d_b2


@sizes.mistake(
    "`d_w2` uses the slope of tanh in place of h.",
    "W2 multiplies h, so its gradient is made of h and `d_logits`.",
)
def _slope_for_h(x, h, w2, d_logits):
    d_w1, d_b1, _, d_b2 = backward(x, h, w2, d_logits)
    return d_w1, d_b1, (1 - h**2).T @ d_logits, d_b2


square = turn.probe("networks of equal sizes, where a transpose doesn't show in the shape", _square, _form)


def _square_walk(x, h, w2, d_logits, *, back=lambda w: w.T, first=lambda x, d: x.T @ d, second=lambda h, d: h.T @ d):
    d_z = d_logits @ back(w2) * (1 - h**2)
    return first(x, d_z), d_z.sum(0), second(h, d_logits), d_logits.sum(0)


square.mistake(
    "What comes back to h went through W2 itself, not through its transpose.",
    "Forward it was h W2, so backward it is `d_logits @ w2.T`. Equal sizes hide this.",
    partial(_square_walk, back=lambda w: w),
)
square.mistake(
    "`d_w2` is transposed, which equal sizes hide.",
    "(F, B) @ (B, V) gives (F, V): `h.T @ d_logits`.",
    partial(_square_walk, second=lambda h, d: d.T @ h),
)
square.mistake(
    "`d_w1` is transposed, which equal sizes hide.",
    "(C, B) @ (B, F) gives (C, F): x first.",
    partial(_square_walk, first=lambda x, d: d.T @ x),
)
square.mistake(
    "Both weights' gradients are transposed, which equal sizes hide.",
    "A gradient has the axes of its weight: inputs transposed, times what comes back.",
    partial(_square_walk, first=lambda x, d: d.T @ x, second=lambda h, d: d.T @ h),
)
square.mistake(
    "The biases sum over the columns, which equal sizes hide.",
    "Sum over the rows: `sum(dim=0)`.",
    lambda x, h, w2, d_logits: _walk(x, h, w2, d_logits, bias=lambda d: d.sum(1)),
)
