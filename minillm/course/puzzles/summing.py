"""Puzzles about counting, adding up and moving: rank, running_sum, shift."""

import torch

from minillm.course.checks.drawing import numbers
from minillm.course.puzzles.making import TENSOR, puzzle


def rank(x):
    """How many numbers are larger, for each."""
    return (x > x[:, None]).sum(dim=1)


def _rank(out, x):
    for i in range(len(x)):
        out[i] = sum(x[j] > x[i] for j in range(len(x)))


ranks = puzzle(
    rank,
    _rank,
    lambda rng: [(torch.tensor(row),) for row in ([0.5, 2.0, 1.0], [0.3, 2.0, 0.1, 2.0], [2.0, 0.5, 2.5, 1.0, 3.0])],
    lambda rng: [(numbers(rng, n),) for n in (1, 6)],
    (
        "Compare all with all: a table. Which of the two runs down, so that row i is about x[i]?",
        "Row i of `x > x[:, None]` says which numbers are larger than x[i]. Count them.",
    ),
)
ranks.mistake(
    "The smaller ones are counted: the wrong one runs down, or the sum has the wrong axis.",
    "Row i must say which numbers are *larger* than x[i].",
    lambda x: (x < x[:, None]).sum(1),
)
ranks.mistake("Off by one: each counts itself.", "Larger, and not equal: `>`.", lambda x: (x >= x[:, None]).sum(1))
ranks.mistake("Ranks begin at 1 here.", "Nothing is larger than the largest, so its rank is 0.", lambda x: rank(x) + 1)
ranks.mistake(
    "Ranks begin at 1 here, and equal numbers get different ones.",
    "Count the larger ones: sorting must put one of two equals first.",
    lambda x: x.argsort(descending=True, stable=True).argsort() + 1,
)
ranks.mistake(
    "Equal numbers count each other.",
    "Larger, and not equal: `>`. Then nothing has to be subtracted.",
    lambda x: (x >= x[:, None]).sum(1) - 1,
)
ranks.mistake("The larger numbers are added up.", "Count them.", lambda x: ((x > x[:, None]) * x).sum(1))
ranks.mistake("All other numbers are counted.", "Only larger ones: `>`.", lambda x: (x != x[:, None]).sum(1))
ranks.mistake("These are the numbers, sorted.", "Count, don't sort.", lambda x: x.sort().values)
ranks.mistake("These are positions, not ranks.", "Count, don't sort.", lambda x: x.argsort(descending=True))
ranks.mistake("These are positions, the smallest first.", "Count, don't sort.", lambda x: x.argsort())
ranks.mistake(
    "Equal numbers get different ranks.",
    "Count the larger ones: sorting must put one of two equals first.",
    lambda x: x.argsort(descending=True, stable=True).argsort(),
)
ranks.mistake(
    "Equal numbers get different ranks, the later one first.",
    "Count the larger ones: sorting must put one of two equals first.",
    lambda x: len(x) - 1 - x.argsort(stable=True).argsort(),
)
ranks.mistake("The smallest has rank 0.", "The *larger* ones count.", lambda x: x.argsort(stable=True).argsort())
ranks.mistake("Nothing is counted yet.", "`.sum(dim=1)` counts a row's True.", lambda x: x > x[:, None])
ranks.mistake("All are counted together.", "One count per row.", lambda x: (x > x[:, None]).sum())


def running_sum(x):
    """The sum up to each entry."""
    return torch.ones(len(x), len(x)).tril() @ x


def _running_sum(out, x):
    for t in range(len(x)):
        out[t] = sum(x[: t + 1])


sums = puzzle(
    running_sum,
    _running_sum,
    lambda rng: [(numbers(rng, n),) for n in (2, 3, 4)],
    lambda rng: [(numbers(rng, n),) for n in (1, 7)],
    (
        "A matrix times x: which matrix of 1 and 0 has a row (1, 1, 0) for out[1], where x has three entries?",
        "Ones on and below the diagonal: compare positions, or take `.tril()` of ones.",
    ),
    ("torch.cumsum", TENSOR + "cumsum"),
)
sums.mistake(
    "It sums from t to the end: the matrix is on its side.",
    "Row t must have ones up to column t.",
    lambda x: running_sum(x.flip(0)).flip(0),
)
sums.mistake("Off by one: x[t] itself is missing.", "The diagonal belongs to it: `>=`.", lambda x: running_sum(x) - x)
sums.mistake(
    "Off by one: x[t + 1] is in it.",
    "Row t has ones up to column t.",
    lambda x: running_sum(x) + torch.cat([x[1:], torch.zeros(1)]),
)
sums.mistake("It's the sum of all, everywhere.", "Row t has ones up to column t.", lambda x: x.sum().expand(len(x)))
sums.mistake("It's one sum.", "A sum for each t: a matrix times x.", lambda x: x.sum())
sums.mistake("These are means.", "The ones aren't divided.", lambda x: running_sum(x) / torch.arange(1, len(x) + 1))
sums.mistake(
    "Each entry is multiplied by how many ones there are.",
    "`*` works entry by entry; `@` adds up.",
    lambda x: torch.arange(1, len(x) + 1) * x,
)
sums.mistake(
    "The columns are summed, so an entry is multiplied by how many ones are below.",
    "Sum along the rows: `dim=1`, or `@`.",
    lambda x: torch.arange(len(x), 0, -1) * x,
)
sums.mistake("Only x[t - 1] is added.", "All entries up to t count.", lambda x: x + x.roll(1))
sums.mistake("`*` makes a table; nothing is added up.", "`@` adds up.", lambda x: torch.ones(len(x), len(x)).tril() * x)


def shift(x):
    """Each entry moved one place to the right, behind a 0."""
    return torch.where(torch.arange(len(x)) > 0, x.roll(1), 0)


def _shift(out, x):
    for t in range(1, len(x)):
        out[t] = x[t - 1]


shifts = puzzle(
    shift,
    _shift,
    lambda rng: [(numbers(rng, n),) for n in (3, 4)],
    lambda rng: [(numbers(rng, n),) for n in (1, 2, 7)],
    (
        "Which matrix times x gives the entry before? Or: for which t is there an entry t - 1?",
        "`torch.where(condition, this, otherwise)` puts a 0 where there is none. Index -1 is the last.",
    ),
)
shifts.mistake("The last comes round to the front.", "out[0] is 0.", lambda x: x.roll(1))
shifts.mistake(
    "It moves to the left.",
    "out[t] is x[t - 1].",
    lambda x: torch.where(torch.arange(len(x)) < len(x) - 1, x.roll(-1), 0),
)
shifts.mistake("It moves to the left, and the first comes round.", "out[t] is x[t - 1].", lambda x: x.roll(-1))
shifts.mistake(
    "It moves to the left, and out[0] is 0.",
    "out[t] is x[t - 1]: `x.roll(1)` moves to the right.",
    lambda x: torch.where(torch.arange(len(x)) > 0, x.roll(-1), 0),
)
shifts.mistake(
    "All entries before are added up.",
    "Only one of them, x[t - 1]: a row of the matrix has a single 1.",
    lambda x: torch.ones(len(x), len(x)).tril(-1) @ x,
)
shifts.mistake(
    "The condition asks for numbers of x, not for positions.",
    "`torch.arange(len(x))` holds the positions.",
    lambda x: torch.where(x > 0, x.roll(1), 0),
)
shifts.mistake(
    "`torch.where` has its two choices swapped.",
    "First what is taken where the condition is True.",
    lambda x: torch.where(torch.arange(len(x)) > 0, 0, x.roll(1)),
)
shifts.mistake("The first stays.", "out[0] is 0.", lambda x: x[(torch.arange(len(x)) - 1).clamp(min=0)])
shifts.mistake(
    "The last is still there: one entry too many.", "As many as x has.", lambda x: torch.cat([torch.zeros(1), x])
)
shifts.mistake("The 0 in front is missing.", "As many as x has.", lambda x: x[:-1])
shifts.mistake(
    "Off by one: it moves by two.", "out[t] is x[t - 1].", lambda x: torch.where(torch.arange(len(x)) > 1, x.roll(2), 0)
)
shifts.mistake(
    "The first is 0, but nothing moves.", "out[t] is x[t - 1].", lambda x: torch.where(torch.arange(len(x)) > 0, x, 0)
)
