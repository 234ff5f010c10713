"""08.4: Adam's second moment in two vectors (Adafactor; Shazeer & Stern 2018, algorithms 2 and 4)."""

import random
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question

Step = tuple[Float[Tensor, "rows C"], Float[Tensor, "rows"], Float[Tensor, "C"]]
KEEP = 0.9  # of the running means
EPS = 1e-8


def factored_step(
    gradient: Float[Tensor, "rows C"],
    row: Float[Tensor, "rows"],
    column: Float[Tensor, "C"],
    step: int,
    beta2: float,
    longest: float,
) -> Step:
    """The right answer: the update, and the two running means.

    >>> update, row, column = factored_step(torch.tensor([[1.0, 2.0]]), torch.zeros(1), torch.zeros(2), 1, 0.9, 10.0)
    >>> update, row, column
    (tensor([[1., 1.]]), tensor([0.2500]), tensor([0.1000, 0.4000]))
    """
    return _factored_step(gradient, row, column, step, beta2, longest)


def _factored_step(
    gradient,
    row,
    column,
    step,
    beta2,
    longest,
    *,
    squares=lambda g, axis: (g * g).mean(axis),
    mix=lambda old, new, beta2: beta2 * old + (1 - beta2) * new,
    total=lambda row: row.mean(),
    unbias=lambda beta2, step: 1 - beta2**step,
    root=0.5,
    keeps_unbiased=False,
    divide=lambda gradient, second, root: gradient / (second**root + EPS),
    shorten=lambda update, longest: update / max(1.0, update.square().mean().sqrt().item() / longest),
) -> Step:
    """The step with one thing done differently."""
    row = mix(row, squares(gradient, 1), beta2)
    column = mix(column, squares(gradient, 0), beta2)
    small = unbias(beta2, step)
    second = torch.outer(row, column) / total(row) / small
    update = shorten(divide(gradient, second, root), longest)
    return (update, row / small, column / small) if keeps_unbiased else (update, row, column)


def _turned(gradient, row, column, step, beta2, longest) -> Step:
    update, by_column, by_row = factored_step(gradient.T, column, row, step, beta2, longest)
    return update.T, by_column, by_row


def _by_the_old(gradient, row, column, step, beta2, longest) -> Step:
    _, new_row, new_column = factored_step(gradient, row, column, step, beta2, longest)
    if step == 1:
        row, column = new_row, new_column
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    return gradient / (table.sqrt() + EPS), new_row, new_column


def _rms(numbers: Tensor) -> float:
    return numbers.square().mean().sqrt().item()


def _shortened_first(gradient, row, column, step, beta2, longest) -> Step:
    shorter = gradient / max(1.0, _rms(gradient) / longest)
    return factored_step(shorter, row, column, step, beta2, 1e9)


def _state(rng: random.Random, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Two running means as earlier gradients left them: with one and the same mean."""
    squares = numbers(rng, rows, columns).abs() + 0.1
    return squares.mean(1), squares.mean(0)


def _gradient(rng: random.Random, rows: int, columns: int) -> Tensor:
    gradient = numbers(rng, rows, columns)
    return gradient + 0.1 * (gradient == 0)


def _first(rng: random.Random) -> list[Call]:
    sizes = (2, 2), (3, 3), (1, 1)  # squares, so that rows and columns that have changed places raise no error
    calls = [(_gradient(rng, R, C), torch.zeros(R), torch.zeros(C), 1, KEEP, 10.0) for R, C in sizes]
    return [*calls, (1e-7 * _gradient(rng, 2, 2), torch.zeros(2), torch.zeros(2), 1, KEEP, 10.0)]


FIRST = *["square matrices"] * 2, "a single number", "a gradient of 1e-7"
LATER = (
    *["matrices that are not square"] * 3,
    "one row",
    "one column",
    "a row of zeros",
    "a large gradient",
    "a step of 1,000, and beta2 = 0.999",
    "beta2 = 0",
)
SPIKE = "an RMS that is too large", "one that is small enough", "one that is much too large", "the first step"


def _later(rng: random.Random) -> list[Call]:
    sizes = (2, 2), (3, 2), (3, 5)
    steps = 2, rng.randint(3, 9), rng.randint(10, 30)
    calls = [
        (_gradient(rng, R, C), *_state(rng, R, C), step, KEEP, 10.0) for (R, C), step in zip(sizes, steps, strict=True)
    ]
    calls += [(_gradient(rng, R, C), *_state(rng, R, C), 4, KEEP, 10.0) for R, C in ((1, 3), (3, 1))]
    zeros = _gradient(rng, 3, 2)
    zeros[1] = 0.0
    calls.append((zeros, torch.zeros(3), torch.zeros(2), 1, KEEP, 10.0))
    row, column = _state(rng, 2, 3)
    calls.append((1e5 * _gradient(rng, 2, 3), 1e10 * row, 1e10 * column, 5, KEEP, 1e7))
    calls.append((_gradient(rng, 2, 3), row, column, 1000, 0.999, 10.0))
    return [*calls, (_gradient(rng, 2, 3), row, column, 3, 0.0, 10.0)]


def _spike(rng: random.Random) -> list[Call]:
    """Gradients of some ten times the usual size, and one of usual size: the RMS is above 1, or below."""
    calls = [(scale * g, *rest, 1.0) for scale, (g, *rest, _) in zip((10, 0.2, 20), _later(rng)[:3], strict=True)]
    return [*calls, (*_first(rng)[1][:5], 0.5)]


PARTS = ("update", "row", "column")
TITLE, FORBIDDEN = "Adafactor: a matrix of second moments in two vectors", ("minillm", "torch.optim")
question = Question("08.4", TITLE, factored_step, forbidden=FORBIDDEN, parts=PARTS)

first_step = question.probe("the first step", _first, kinds=FIRST)
first_step.mistake(
    "The product of the two means isn't divided by the mean of all squares.",
    "Each of the two contains the overall scale. Divide one of them by `row.mean()`.",
    partial(_factored_step, total=lambda row: 1.0),
)
first_step.mistake(
    "The product is divided by the sum of the rows' means.",
    "With sums of squares that would be right. Both are means, so divide by the overall mean: `row.mean()`.",
    partial(_factored_step, total=lambda row: row.sum()),
)
first_step.mistake(
    "The squares of a row or column are summed; their mean is asked for.",
    "The paper stores sums, and its update is the same. Here, return the means: `mean(1)`, `mean(0)`.",
    partial(_factored_step, squares=lambda g, axis: (g * g).sum(axis), total=lambda row: row.sum()),
)
first_step.mistake(
    "The bias of the first steps isn't corrected.",
    "Both means start at 0. Divide v̂ by 1 - beta2^step, as in AdamW.",
    partial(_factored_step, unbias=lambda beta2, step: 1.0),
)
first_step.mistake(
    "The bias is corrected twice, once for the rows and once for the columns.",
    "v̂ is row times column divided by the mean, so it contains the bias once: correct it once.",
    partial(_factored_step, unbias=lambda beta2, step: (1 - beta2**step) ** 2),
)
first_step.mistake(
    "The root is missing: the gradient is divided by v̂ itself.",
    "Divide by the square root of v̂.",
    partial(_factored_step, root=1.0),
)
first_step.mistake(
    "The 1e-8 is left out.",
    "Add it to the root: for a gradient of 1e-7 it matters.",
    partial(_factored_step, divide=lambda gradient, second, root: gradient / second**root),
)
first_step.mistake(
    "The 1e-8 is under the root.",
    "First the root, then plus 1e-8. Under the root it would act like 1e-4.",
    partial(_factored_step, divide=lambda gradient, second, root: gradient / (second + EPS) ** root),
)
first_step.mistake(
    "It's the square of the mean, not the mean of the squares.",
    "Square each number first: in a mean, gradients of both signs cancel.",
    partial(_factored_step, squares=lambda g, axis: g.mean(axis) ** 2),
)
first_step.mistake(
    "The weights of old and new in the running means are swapped.",
    "The old mean has the weight beta2, and the new squares have 1 - beta2.",
    partial(_factored_step, mix=lambda old, new, beta2: (1 - beta2) * old + beta2 * new),
)
first_step.mistake(
    "The means that you return are bias-corrected, so the next step would correct them again.",
    "Return the running means as they are, and correct only the denominator of the update.",
    partial(_factored_step, keeps_unbiased=True),
)
first_step.mistake(
    "An update with a small RMS is scaled up.",
    "`longest` is a limit: divide by max(1, RMS / longest).",
    partial(_factored_step, shorten=lambda update, longest: update / update.square().mean().sqrt() * longest),
)

first_step.mistake(
    "Rows and columns are swapped.",
    "The mean of a row is over the columns: `mean(1)`.",
    partial(_factored_step, squares=lambda g, axis: (g * g).mean(1 - axis)),
)
first_step.mistake(
    "The two means are swapped, and v̂ is transposed to match.",
    "`row` has the mean of each row, over the columns: `mean(1)`.",
    _turned,
)
first_step.mistake(
    "The update contains the minus sign of the step.",
    "The update is g / (√v̂ + 1e-8). It's subtracted later.",
    partial(_factored_step, divide=lambda gradient, second, root: -gradient / (second**root + EPS)),
)
first_step.mistake(
    "The bias is corrected with step + 1.",
    "The first step has the number 1: 1 - beta2^step.",
    partial(_factored_step, unbias=lambda beta2, step: 1 - beta2 ** (step + 1)),
)
first_step.mistake(
    "v̂ is multiplied by 1 - beta2^step instead of divided.",
    "The means start at 0 and are too small. Dividing by a number below 1 makes them larger.",
    partial(_factored_step, unbias=lambda beta2, step: 1 / (1 - beta2**step)),
)
first_step.mistake(
    "The absolute values are averaged, not the squares.",
    "The second moment is the mean of g².",
    partial(_factored_step, squares=lambda g, axis: g.abs().mean(axis)),
)
for eps in (1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10):
    first_step.mistake(
        f"{eps:.0e} is added to the root, not 1e-08.",
        "Add 1e-8: for a gradient of 1e-7 it matters.",
        partial(_factored_step, divide=lambda g, second, root, eps=eps: g / (second**root + eps)),
    )

first_step.mistake(
    "The update is divided by its RMS only, so its RMS becomes 1, not `longest`.",
    "Divide by max(1, RMS / longest): the new RMS is `longest`.",
    partial(_factored_step, shorten=lambda update, longest: update / max(1.0, _rms(update))),
)

later_step = question.probe("a later step", _later, kinds=LATER)
later_step.mistake(
    "The old running means are ignored: only this gradient counts.",
    "New mean = beta2 · old mean + (1 - beta2) · mean of the squares.",
    partial(_factored_step, mix=lambda old, new, beta2: (1 - beta2) * new),
)
later_step.mistake(
    "The bias is corrected as if every step were the first.",
    "The correction depends on the step: 1 - beta2^step.",
    partial(_factored_step, unbias=lambda beta2, step: 1 - beta2),
)

later_step.mistake(
    "The bias is corrected with step - 1.",
    "The first step has the number 1: 1 - beta2^step.",
    partial(_factored_step, unbias=lambda beta2, step: 1 - beta2 ** (step - 1) if step > 1 else 1 - beta2),
)
later_step.mistake(
    "The update uses the old running means.",
    "First update the means, then compute v̂ from the new ones.",
    _by_the_old,
)

long_update = question.probe("an RMS that is too large", _spike, kinds=SPIKE)
long_update.mistake(
    "The update isn't scaled down.",
    "Divide it by max(1, RMS / longest), where RMS is the root of the mean of its squares.",
    partial(_factored_step, shorten=lambda update, longest: update),
)
long_update.mistake(
    "The update is scaled by its norm, which grows with the matrix.",
    "RMS is the root of the *mean* of the squares, not of their sum.",
    partial(_factored_step, shorten=lambda update, longest: update / max(1.0, update.norm().item() / longest)),
)
long_update.mistake(
    "Each number of the update is clipped separately.",
    "Scale all of them by one factor, so that the direction stays.",
    partial(_factored_step, shorten=lambda update, longest: update.clamp(-longest, longest)),
)
long_update.mistake(
    "The gradient is scaled down, not the update.",
    "First divide by the root of v̂, then scale the update.",
    _shortened_first,
)
long_update.mistake(
    "The update is scaled by its largest number, not by its RMS.",
    "RMS is the root of the mean of the squares of all numbers.",
    partial(_factored_step, shorten=lambda update, longest: update / max(1.0, update.abs().max().item() / longest)),
)
long_update.mistake(
    "The root in the RMS is missing: it's the mean of the squares.",
    "RMS is the *root* of the mean of the squares.",
    partial(_factored_step, shorten=lambda update, longest: update / max(1.0, _rms(update) ** 2 / longest)),
)
