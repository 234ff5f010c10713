"""The one-line puzzles: every right answer passes, and a wrong one is told its mistake and the smallest case."""

import pytest
import torch
import torch.nn.functional as F

from minillm.course import puzzles
from minillm.course.checks.plain import difference
from minillm.course.learner import puzzle
from minillm.course.learner.trial import try_out
from minillm.course.puzzles import PUZZLES, cell, solve
from minillm.errors import UserError

pytestmark = pytest.mark.usefixtures("as_users_call_it")

RIGHT = {
    "pick": [
        lambda x, ids: x[range(len(x)), ids],
        lambda x, ids: torch.stack([row[i] for row, i in zip(x, ids, strict=True)]),
        lambda x, ids: x[:, ids].diagonal(),
        lambda x, ids: (x * (ids[:, None] == torch.arange(x.shape[1]))).sum(1),
        lambda x, ids: torch.where(ids[:, None] == torch.arange(x.shape[1]), x, 0).sum(-1),
        lambda x, ids: x.flatten()[torch.arange(len(x)) * x.shape[1] + ids],
        lambda x, ids: (F.one_hot(ids, x.shape[1]) * x).sum(1),
    ],
    "repeat_rows": [
        lambda x, n: x[[i // n for i in range(n * len(x))]],
        lambda x, n: x[:, None].expand(-1, n, -1).reshape(len(x) * n, -1),
        lambda x, n: torch.stack([x] * n, dim=1).flatten(0, 1),
        lambda x, n: (torch.arange(len(x) * n)[:, None] // n == torch.arange(len(x))).float() @ x,
        lambda x, n: x.repeat(1, n).view(-1, x.shape[1]),
        lambda x, n: torch.kron(x, torch.ones(n, 1)),
    ],
    "outer": [
        lambda a, b: a.unsqueeze(1) * b.unsqueeze(0),
        lambda a, b: a[:, None] @ b[None],
        lambda a, b: (b[:, None] * a).T,
        lambda a, b: torch.stack([x * b for x in a]),
        lambda a, b: a.diag() @ b.expand(len(a), -1),
    ],
    "one_hot": [
        lambda ids, V: torch.eye(V)[ids],
        lambda ids, V: (ids[:, None] == torch.arange(V)[None, :]).int(),
        lambda ids, V: (torch.arange(V)[:, None] == ids).T,
        lambda ids, V: torch.where(torch.arange(V) == ids.unsqueeze(-1), 1.0, 0.0),
        lambda ids, V: torch.zeros(len(ids), V).scatter(1, ids[:, None], 1.0),
        lambda ids, V: ~(ids[:, None] - torch.arange(V)).bool(),
    ],
    "center": [
        lambda x: x - x.mean(1)[:, None],
        lambda x: (x.T - x.mean(1)).T,
        lambda x: x - x.sum(-1, keepdim=True) / x.shape[-1],
        lambda x: x - x @ torch.ones(x.shape[1], x.shape[1]) / x.shape[1],
        lambda x: x @ (torch.eye(x.shape[1]) - 1 / x.shape[1]),
    ],
    "distances": [
        lambda a, b: (a.unsqueeze(1) - b.unsqueeze(0)).pow(2).sum(2),
        lambda a, b: (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T,
        lambda a, b: torch.stack([((row - b) ** 2).sum(1) for row in a]),
        lambda a, b: ((b[:, None] - a) ** 2).sum(-1).T,
        lambda a, b: sum((a[:, c, None] - b[:, c]) ** 2 for c in range(a.shape[1])),
    ],
    "window": [
        lambda t, W: (t[:, None] - t >= 0) & (t[:, None] - t < W),
        lambda t, W: (t <= t[:, None]) * (t[:, None] - W < t),
        lambda t, W: torch.ones(len(t), len(t)).tril().triu(1 - W).bool(),
        lambda t, W: ((d := t[:, None] - t) >= 0) & (d < W),
        lambda t, W: torch.isin(t[:, None] - t, torch.arange(W)),
        lambda t, W: (t[:, None] - t).clamp(0, W - 1) == t[:, None] - t,
    ],
    "rank": [
        lambda x: (x[:, None] < x).sum(-1),
        lambda x: (x[:, None] > x).sum(0),
        lambda x: (x > x.unsqueeze(-1)).float().sum(1),
        lambda x: torch.stack([(x > number).sum() for number in x]),
        lambda x: len(x) - torch.searchsorted(x.sort().values, x, right=True),
    ],
    "running_sum": [
        lambda x: (torch.arange(len(x))[:, None] >= torch.arange(len(x))).float() @ x,
        lambda x: (torch.ones(len(x), len(x)).tril() * x).sum(1),
        lambda x: x @ torch.ones(len(x), len(x)).triu(),
        lambda x: torch.stack([x[: t + 1].sum() for t in range(len(x))]),
        lambda x: x.expand(len(x), -1).tril().sum(1),
    ],
    "shift": [
        lambda x: (torch.arange(len(x))[:, None] == torch.arange(len(x)) + 1).float() @ x,
        lambda x: torch.cat([torch.zeros(1), x[:-1]]),
        lambda x: torch.where(torch.arange(len(x)) > 0, x[torch.arange(len(x)) - 1], 0.0),
        lambda x: torch.ones(len(x), len(x)).tril(-1).triu(-1) @ x,
        lambda x: x.roll(1) * (torch.arange(len(x)) > 0),
        lambda x: F.pad(x, (1, 0))[:-1],
        lambda x: torch.diag(torch.ones(len(x) - 1), -1) @ x,
    ],
}
READY_MADE = {
    "pick": lambda x, ids: x.gather(1, ids[:, None])[:, 0],
    "repeat_rows": lambda x, n: x.repeat_interleave(n, 0),
    "outer": lambda a, b: torch.outer(a, b),
    "one_hot": lambda ids, V: F.one_hot(ids, V),
    "distances": lambda a, b: torch.cdist(a, b) ** 2,
    "running_sum": lambda x: x.cumsum(0),
}
WRONG = [
    ("pick", lambda x, ids: x[:, ids], "picks a whole column"),
    ("pick", lambda x, ids: x[ids], "picks whole rows"),
    ("pick", lambda x, ids: x[ids, torch.arange(len(x))], "Rows and columns are swapped"),
    ("pick", lambda x, ids: x[torch.arange(len(x)), ids - 1], "is the one before"),
    ("pick", lambda x, ids: x[torch.arange(len(x)), ids + 1], "is out of bounds"),
    ("pick", lambda x, ids: x[0, ids], "has"),
    ("repeat_rows", lambda x, n: x.repeat(n, 1), "come in turn"),
    ("repeat_rows", lambda x, n: x[torch.arange(len(x) * n) % len(x)], "come in turn"),
    ("repeat_rows", lambda x, n: x.repeat(1, n), "side by side"),
    ("repeat_rows", lambda x, n: x * n, "multiplied by n"),
    ("repeat_rows", lambda x, n: x[torch.arange(len(x) // n)], "shape"),
    ("outer", lambda a, b: a * b, "entry by entry"),
    ("outer", lambda a, b: a * b[:, None], "rows belong to b"),
    ("outer", lambda a, b: a[:, None] + b, "added"),
    ("outer", lambda a, b: a @ b, "summed"),
    ("one_hot", lambda ids, V: ids == torch.arange(V), "no table"),
    ("one_hot", lambda ids, V: torch.arange(V)[:, None] == ids, "a row for each v"),
    ("one_hot", lambda ids, V: ids[:, None] == torch.arange(1, V + 1), "counts from 1"),
    ("one_hot", lambda ids, V: torch.eye(V), "has"),
    ("center", lambda x: x - x.mean(1), "Without `keepdim`"),
    ("center", lambda x: x - x.mean(0), "mean of each column"),
    ("center", lambda x: x - x.mean(), "mean of all numbers"),
    ("center", lambda x: x - x.sum(1, keepdim=True), "sum is subtracted"),
    ("center", lambda x: x.mean(1, keepdim=True) - x, "sign"),
    ("distances", lambda a, b: ((a - b) ** 2).sum(-1), "Row t of a meets row t of b alone"),
    ("distances", lambda a, b: ((a[:, None] - b) ** 2).sum(1), "over b's rows"),
    ("distances", lambda a, b: ((a - b[:, None]) ** 2).sum(-1), "rows belong to b"),
    ("distances", lambda a, b: (a[:, None] - b).abs().sum(-1), "Absolute"),
    ("distances", lambda a, b: (a[:, None] - b).norm(dim=-1), "root"),
    ("window", lambda t, W: (t >= t[:, None]) & (t < t[:, None] + W), "looks ahead"),
    ("window", lambda t, W: t[:, None] >= t, "Nothing ends"),
    ("window", lambda t, W: t[:, None] - t < W, "Nothing hides"),
    ("window", lambda t, W: (t[:, None] >= t) & (t[:, None] <= t + W), "W + 1"),
    ("window", lambda t, W: (t[:, None] > t) & (t[:, None] < t + W), "doesn't see itself"),
    ("window", lambda t, W: (t[:, None] - t).abs() < W, "both ways"),
    ("window", lambda t, W: t[:, None] >= t and t[:, None] < t + W, "Boolean value"),
    ("rank", lambda x: (x > x[:, None]).sum(0), "smaller ones are counted"),
    ("rank", lambda x: (x >= x[:, None]).sum(1), "counts itself"),
    ("rank", lambda x: x.argsort(descending=True), "positions, not ranks"),
    ("rank", lambda x: x.argsort(descending=True).argsort(), "different ranks"),
    ("rank", lambda x: (x > x).sum(), "has"),
    ("running_sum", lambda x: torch.ones(len(x), len(x)).triu() @ x, "from t to the end"),
    ("running_sum", lambda x: torch.ones(len(x), len(x)).tril(-1) @ x, "x[t] itself is missing"),
    ("running_sum", lambda x: torch.ones(len(x), len(x)) @ x, "sum of all"),
    ("running_sum", lambda x: torch.ones(len(x), len(x)).tril() * x, "makes a table"),
    ("running_sum", lambda x: (torch.arange(len(x))[:, None] >= torch.arange(len(x))) @ x, "dtype"),
    ("shift", lambda x: x.roll(1), "round to the front"),
    ("shift", lambda x: x[torch.arange(len(x)) - 1], "round to the front"),
    ("shift", lambda x: torch.cat([x[1:], torch.zeros(1)]), "to the left"),
    ("shift", lambda x: torch.cat([torch.zeros(1), x]), "one entry too many"),
    ("shift", lambda x: x[:-1], "0 in front is missing"),
    ("shift", lambda x: x[torch.arange(len(x)) + 1], "out of bounds"),
    ("pick", lambda x, ids: x[ids, ids], "Row ids[t] is taken"),
    ("pick", lambda x, ids: x[range(len(x)), range(len(ids))], "the diagonal"),
    ("pick", lambda x, ids: x * (ids[:, None] == torch.arange(x.shape[1])), "All columns but one are 0"),
    ("pick", lambda x, ids: x[torch.arange(len(x)), ids].sum(), "added up"),
    ("pick", lambda x, ids: x.gather(0, ids[None])[0], "Rows and columns are swapped"),
    ("repeat_rows", lambda x, n: torch.cat([x] * n, dim=1), "side by side"),
    ("repeat_rows", lambda x, n: x.repeat(n), "repeat dims"),
    ("repeat_rows", lambda x, n: x[torch.arange(len(x) * n) / n], "tensors used as indices"),
    ("repeat_rows", lambda x, n: torch.stack([x] * n), "on an axis of their own"),
    ("outer", lambda a, b: a[None] * b, "still runs along"),
    ("outer", lambda a, b: a[:, None] * b[:, None], "Both run down"),
    ("outer", lambda a, b: (a[:, None] * b).flatten(), "one row"),
    ("outer", lambda a, b: a[:, None] / b, "divided"),
    ("outer", lambda a, b: a[:, None] @ b, "size mismatch"),
    ("one_hot", lambda ids, V: ids[:, None] == ids, "V isn't used"),
    ("one_hot", lambda ids, V: torch.eye(V)[ids - 1], "the column before"),
    ("one_hot", lambda ids, V: ids[:, None] != torch.arange(V), "swapped"),
    ("one_hot", lambda ids, V: ids[:, None] == torch.arange(V + 1), "a column too many"),
    ("center", lambda x: x + x.mean(1, keepdim=True), "added"),
    ("center", lambda x: x / x.mean(1, keepdim=True), "divided"),
    ("center", lambda x: x.mean(1), "means alone"),
    ("center", lambda x: x - x.max(1, keepdim=True), "return_types.max"),
    ("center", lambda x: x.T - x.mean(1), "transposed"),
    ("distances", lambda a, b: (a[:, None] ** 2 - b**2).sum(-1), "The squares are subtracted"),
    ("distances", lambda a, b: (a**2).sum(1)[:, None] + (b**2).sum(1), "products are missing"),
    ("distances", lambda a, b: (a**2).sum(1)[:, None] + (b**2).sum(1) - a @ b.T, "count once"),
    ("distances", lambda a, b: ((a[:, :, None] - b) ** 2).sum(-1), "is the last"),
    ("distances", lambda a, b: (a[:, None] - b).sum(-1).abs(), "summed first"),
    ("distances", lambda a, b: ((a[None] - b) ** 2).sum(-1), "alone: (1, S)"),
    ("window", lambda t, W: (t <= t[:, None]) | (t[:, None] - t < W), "Everything is seen"),
    ("window", lambda t, W: (t >= t[:, None]) & (t[:, None] - t < W), "looks ahead, and nothing ends it"),
    ("window", lambda t, W: (t[:, None] >= t) & (t[:, None] < W), "Rows are compared with W"),
    ("window", lambda t, W: (t[:, None] - t).clamp(0, W - 1), "cut off"),
    ("window", lambda t, W: 0 <= t[:, None] - t < W, "Boolean value"),
    ("rank", lambda x: (x > x[:, None]).sum(1) + 1, "begin at 1 here."),
    ("rank", lambda x: x.argsort(descending=True).argsort() + 1, "equal numbers get different ones"),
    ("rank", lambda x: (x >= x[:, None]).sum(1) - 1, "count each other"),
    ("rank", lambda x: (x * (x > x[:, None])).sum(1), "added up"),
    ("rank", lambda x: (x != x[:, None]).sum(1), "All other numbers"),
    ("running_sum", lambda x: (torch.ones(len(x), len(x)).tril() * x).sum(0), "The columns are summed"),
    ("running_sum", lambda x: x[: torch.arange(len(x)) + 1].sum(), "converted to an index"),
    ("running_sum", lambda x: torch.ones(len(x)).tril() @ x, "at least 2 dimensions"),
    ("running_sum", lambda x: x + x.roll(1), "Only x[t - 1]"),
    ("shift", lambda x: torch.ones(len(x), len(x)).tril(-1) @ x, "All entries before"),
    ("shift", lambda x: torch.where(x > 0, x.roll(1), 0), "numbers of x, not for positions"),
    ("shift", lambda x: torch.where(torch.arange(len(x)) > 0, x.roll(-1), 0), "to the left, and out[0]"),
    ("shift", lambda x: torch.where(torch.arange(len(x)) > 0, x.roll(1)), "invalid combination"),
    ("shift", lambda x: torch.cat([0, x[:-1]]), "expected Tensor"),
]


def named(name, answer):
    answer.__name__ = name
    return answer


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    for kept, empty in (("_solved", set()), ("_tried", {}), ("_hints", {})):
        monkeypatch.setattr(puzzle, kept, empty)


@pytest.mark.parametrize(
    ("name", "answer"), [pytest.param(name, each, id=name) for name, several in RIGHT.items() for each in several]
)
def test_a_right_answer_passes(name, answer):
    verdict = try_out(PUZZLES[name], named(name, answer))
    assert (verdict.state, verdict.ready_made) == ("right", ""), verdict


@pytest.mark.parametrize("name", READY_MADE)
def test_torchs_own_function_passes_and_does_not_count(name, capsys):
    solve(**{name: READY_MADE[name]})
    assert "by torch's own" in capsys.readouterr().out
    assert puzzle._solved == set()


@pytest.mark.parametrize(("name", "answer", "told"), WRONG, ids=[f"{name} {told}" for name, _, told in WRONG])
def test_a_wrong_answer_is_told_its_mistake_and_a_small_case(name, answer, told):
    verdict = try_out(PUZZLES[name], named(name, answer))
    assert verdict.state == "not right yet"
    assert told in verdict.sentence
    assert list(verdict.case)[: len(PUZZLES[name].parameters)] == list(PUZZLES[name].parameters)
    assert all(len(value) < 200 for value in verdict.case.values())


def test_ten_puzzles_and_each_has_its_answers_here():
    assert list(PUZZLES) == list(RIGHT)
    assert len(PUZZLES) == 10
    for name in PUZZLES:
        assert sum(wrong == name for wrong, *_ in WRONG) >= 4


@pytest.mark.parametrize("each", PUZZLES.values(), ids=PUZZLES)
def test_the_spec_says_what_the_answer_gives(each):
    for calls in each.calls(0):
        for call in calls:
            right = each.right(*call)
            out = torch.zeros(right.shape)
            each.spec(out, *call)
            assert difference(right.float(), out) is None
    assert len(each.loops.splitlines()) <= 3
    assert len(each.solution) <= 84
    assert "?" in each.hints[0]


def test_a_cell_is_judged_puzzle_by_puzzle_and_counts(capsys):
    solve(outer=lambda a, b: ..., one_hot=lambda ids, V: ids[:, None] == torch.arange(V))
    assert capsys.readouterr().out == (
        "Puzzle outer: not written yet\nFor a hint, run the cell again as it is.\n"
        "Puzzle one_hot: right\nRight, on all 15 checks. Solved so far: 1 of 10.\n"
    )
    solve(outer=lambda a, b: ..., one_hot=lambda ids, V: ids[:, None] == torch.arange(V))
    assert "Hint 1 of 2: Flush right" in capsys.readouterr().out
    solve(outer=lambda a, b: b[:, None] * a)
    told = capsys.readouterr().out
    assert "rows belong to b" in told
    assert "The smallest case:\n    a " in told
    solve(outer=lambda a, b: a[..., None] * b)  # an Ellipsis does not make it unwritten
    assert "Solved so far: 2 of 10" in capsys.readouterr().out


def test_any_function_is_an_answer(capsys):
    def table(a, b):
        return a[:, None] * b

    solve(outer=table)
    solve(outer=torch.outer)
    assert table.__name__ == "table"
    told = capsys.readouterr().out
    assert "Solved so far: 1 of 10" in told
    assert "by torch's own `outer`. And without it?" in told


def test_what_is_no_answer_is_told(capsys):
    with pytest.raises(UserError, match="'inner' names none of the puzzles: pick, "):
        solve(inner=lambda a, b: a)
    solve(outer=3)
    solve(outer=lambda a: a)
    told = capsys.readouterr().out
    assert "asks for a function, `outer`; yours is of type int" in told
    assert "must take (a, b); yours takes (a)" in told


def test_a_cell_and_its_solution():
    assert cell("outer", "center") == ("puzzles.solve(\n    outer=lambda a, b: ...,\n    center=lambda x: ...,\n)")
    assert "    center=lambda x: x - x.mean(dim=1, keepdim=True)," in cell("center", solved=True)
    assert puzzles.MINUTES == 2
