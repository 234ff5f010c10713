"""Puzzles about rows against rows: center, distances, window."""

import torch

from minillm.course.checks.drawing import numbers
from minillm.course.puzzles.making import puzzle


def center(x):
    """Each row minus its mean."""
    return x - x.mean(dim=1, keepdim=True)


def _center(out, x):
    for t in range(len(x)):
        out[t] = x[t] - sum(x[t]) / len(x[t])


centered = puzzle(
    center,
    _center,
    lambda rng: [(numbers(rng, n, n),) for n in (2, 3)],
    lambda rng: [(numbers(rng, *shape),) for shape in ((2, 4), (3, 2))],
    (
        "`x.mean(dim=1)` has the shape (T,). Flush right, what does it stand below?",
        "`keepdim=True` keeps the axis, (T, 1): a mean per row.",
    ),
)
centered.mistake(
    "Without `keepdim`, the mean of row j is taken from column j. Here x is square, so no error says so.",
    "`keepdim=True` gives (T, 1): a mean per row.",
    lambda x: x - x.mean(1),
)
centered.mistake("The mean of each column is taken.", "Rows: `dim=1`.", lambda x: x - x.mean(0))
centered.mistake("The mean of all numbers is taken.", "A mean per row: `dim=1`.", lambda x: x - x.mean())
centered.mistake("The sum is subtracted.", "The mean is wanted: `x.mean(...)`.", lambda x: x - x.sum(1, keepdim=True))
centered.mistake("These are the means alone.", "Subtract them from x.", lambda x: x.mean(1, keepdim=True))
centered.mistake("These are the means alone, (T,).", "Subtract them from x, with `keepdim=True`.", lambda x: x.mean(1))
centered.mistake("The mean is added.", "Subtract it.", lambda x: x + x.mean(1, keepdim=True))
centered.mistake("x is divided by the mean.", "Subtract.", lambda x: x / x.mean(1, keepdim=True))
centered.mistake("The largest number is subtracted.", "The mean is wanted.", lambda x: x - x.amax(1, keepdim=True))
centered.mistake("The sign is turned around.", "x minus its mean.", lambda x: -center(x))
centered.mistake("It's divided by the spread, too.", "Only subtract.", lambda x: center(x) / x.std(1, keepdim=True))


def distances(a, b):
    """Squared distances of all rows of a to all rows of b."""
    return ((a[:, None] - b) ** 2).sum(dim=-1)


def _distances(out, a, b):
    for t in range(len(a)):
        for s in range(len(b)):
            out[t, s] = sum((a[t] - b[s]) ** 2)


far = puzzle(
    distances,
    _distances,
    lambda rng: [(numbers(rng, n, n), numbers(rng, n, n)) for n in (2, 3)],
    lambda rng: [(numbers(rng, T, C), numbers(rng, S, C)) for T, S, C in ((2, 3, 4), (3, 1, 2))],
    (
        "Before the sum, the differences need three axes, (T, S, C). Which axis does a lack, and which b?",
        "`a[:, None]` is (T, 1, C), and b is (S, C) already. Square, and sum over the last axis.",
    ),
    ("torch.functional.cdist",),
)
far.mistake(
    "It's on its side: rows belong to b.", "Rows count a: which one needs the axis?", lambda a, b: distances(b, a)
)
far.mistake("The root is taken.", "Leave the sum of squares as it is.", lambda a, b: distances(a, b).sqrt())
far.mistake("The differences aren't squared.", "Square before you sum.", lambda a, b: (a[:, None] - b).sum(-1))
far.mistake(
    "Absolute differences are summed.", "Squares are wanted: `** 2`.", lambda a, b: (a[:, None] - b).abs().sum(-1)
)
far.mistake("The sum runs over b's rows.", "Sum over the last axis.", lambda a, b: ((a[:, None] - b) ** 2).sum(1))
far.mistake("The sum runs over a's rows.", "Sum over the last axis.", lambda a, b: ((a[:, None] - b) ** 2).sum(0))
far.mistake("The mean is taken.", "Sum.", lambda a, b: ((a[:, None] - b) ** 2).mean(-1))
far.mistake("All is added up.", "One sum per pair of rows: `dim=-1`.", lambda a, b: distances(a, b).sum())
far.mistake(
    "The differences are summed first, then made positive.",
    "Square each difference, then sum.",
    lambda a, b: (a[:, None] - b).sum(-1).abs(),
)
far.mistake("The rows are added.", "Subtract them.", lambda a, b: distances(a, -b))
far.mistake("The differences are doubled, not squared.", "Squares: `** 2`.", lambda a, b: 2 * (a[:, None] - b).sum(-1))
far.mistake(
    "The squares are subtracted.",
    "Subtract first, then square.",
    lambda a, b: (a[:, None] ** 2 - b**2).sum(-1),
)
far.mistake(
    "The products count once.",
    "(a - b)^2 is a^2 - 2ab + b^2.",
    lambda a, b: distances(a, b) + a @ b.T,
)
far.mistake("The products are missing.", "(a - b)^2 is a^2 - 2ab + b^2.", lambda a, b: distances(a, b) + 2 * a @ b.T)
far.mistake(
    "The new axis of `a` is the last, so numbers of a row meet rows of b.",
    "`a` needs the shape (T, 1, C).",
    lambda a, b: ((a[:, :, None] - b) ** 2).sum(-1),
)
far.mistake(
    "`b` is on its side, so rows of a meet columns of b.",
    "Leave b as it is: rows meet rows.",
    lambda a, b: ((a[:, None] - b.T) ** 2).sum(-1),
)
far.mistake(
    "Row t of a meets row t of b alone: (T, 1).",
    "Only `a` needs a new axis.",
    lambda a, b: ((a - b) ** 2).sum(-1)[:, None],
)
far.mistake(
    "Row t of a meets row t of b alone: (1, S).",
    "`a` must run down: `a[:, None]`.",
    lambda a, b: ((a - b) ** 2).sum(-1)[None],
)
far.mistake("a meets itself.", "b is wanted, too.", lambda a, b: distances(a, a))
far.mistake("These are dot products.", "Subtract, square, sum.", lambda a, b: a @ b.T)
far.mistake(
    "Row t of a meets row t of b alone.",
    "All meet all: let a run down an axis of its own, `a[:, None]`.",
    lambda a, b: ((a - b) ** 2).sum(-1),
)
far.mistake("Nothing is summed.", "Sum over the last axis.", lambda a, b: (a[:, None] - b) ** 2)
far.mistake("The sum is squared.", "Square before you sum.", lambda a, b: (a[:, None] - b).sum(-1) ** 2)


def window(t, W):
    """True where position t[i] sees t[j]: itself, and those less than W before."""
    return (t[:, None] >= t) & (t[:, None] < t + W)


def _window(out, t, W):
    for i in range(len(t)):
        for j in range(len(t)):
            out[i, j] = 0 <= t[i] - t[j] < W


windows = puzzle(
    window,
    _window,
    lambda rng: [(torch.arange(T), W) for T, W in ((3, 2), (4, 2), (4, 3))],
    lambda rng: [(torch.arange(3, 6), 2), (torch.arange(3), 1), (torch.arange(4), 9)],
    (
        "Two comparisons, two tables. What does each of them say about t[i] and t[j]?",
        "`t[:, None] >= t` is one of them. `&` joins two tables of True and False; put each in parentheses.",
    ),
)
windows.mistake("It looks ahead: rows and columns are swapped.", "t[i] runs down.", lambda t, W: window(t, W).T)
windows.mistake("Nothing ends the window.", "t[i] - t[j] must be below W.", lambda t, W: t[:, None] >= t)
windows.mistake("Nothing hides what comes later.", "t[i] - t[j] must be 0 at least.", lambda t, W: t[:, None] - t < W)
windows.mistake("Off by one: the window holds W + 1.", "Below W, and not equal to it.", lambda t, W: window(t, W + 1))
windows.mistake(
    "Off by one: a position doesn't see itself.", "0 is allowed: `>=`.", lambda t, W: window(t, W) & (t[:, None] != t)
)
windows.mistake(
    "Off by one: the window is moved, and a position doesn't see itself.",
    "From 0 up to, and not including, W.",
    lambda t, W: window(t, W + 1) & (t[:, None] != t),
)
windows.mistake(
    "It looks both ways.", "Only back: t[i] - t[j] must be 0 at least.", lambda t, W: (t[:, None] - t).abs() < W
)
windows.mistake(
    "It looks ahead, and nothing ends it.",
    "t[i] - t[j] must be 0 at least, and t[i] runs down.",
    lambda t, W: t[:, None] <= t,
)
windows.mistake(
    "Everything is seen.", "True only where 0 <= t[i] - t[j] < W.", lambda t, W: torch.ones(len(t), len(t)).bool()
)
windows.mistake(
    "Rows are compared with W, not differences.",
    "t[i] - t[j] must be below W.",
    lambda t, W: (t[:, None] >= t) & (t[:, None] < W),
)
windows.mistake(
    "Columns are compared with W, not differences.",
    "t[i] - t[j] must be below W.",
    lambda t, W: (t[:, None] >= t) & (t < W),
)
windows.mistake("These are the differences.", "Compare them: with 0, and with W.", lambda t, W: t[:, None] - t)
windows.mistake(
    "These are the differences, cut off.",
    "Compare them: with 0, and with W.",
    lambda t, W: (t[:, None] - t).clamp(0, W - 1),
)
windows.mistake("True and False are swapped.", "True is what is seen.", lambda t, W: ~window(t, W))
