"""02.analogy: b - a + c, with and without the query words (Mikolov, Yih and Zweig 2013; Linzen 2016)."""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import whole_numbers
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.embeddings.neighbors import nearest


def analogy(a, b, c, table, leave_out):
    """The id nearest to row b - row a + row c; with `leave_out`, a, b and c may not answer."""
    total = table[b] - table[a] + table[c]
    found = [int(id) for id in nearest(total, table, 4)]
    if leave_out:
        found = [id for id in found if id not in (a, b, c)]
    return found[0]


turn = Turn(
    "02.analogy",
    "King - man + woman",
    analogy,
    minutes=8,
    difficulty=3,
    hints=(
        "`a`, `b` and `c` are ids. What do you add and subtract: the ids, or something that they name?",
        "`nearest` finds the rows near your sum. If three ids may not answer, how many must you ask it for?",
        "Ask for four. Go through them in order, and return the first one that may answer, as one number.",
    ),
    errors={
        r"\b576\b": "The check's table has other sizes than the model's. Take the rows of `table`, not those of the "
        "page's words.",
        "selected index k out of range": "The check's tables are small. Three ids may be barred, so four are enough.",
        "index out of range|out of bounds": "A list was empty, or too short. Three ids may be barred, so ask `nearest` "
        "for four.",
        "StopIteration": "No id was left. Three may be barred, so ask `nearest` for four.",
        "changed the input": "Nothing may be written into `table`. Pick from a list of ids, or copy with `.clone()`.",
        r"list\.remove": "An id that isn't among the four can't be removed. Go through them, and skip those that are "
        "barred.",
        "'int' object|'float' object|'Tensor' and 'int'": "`a`, `b` and `c` are ids, plain numbers. The vectors are "
        "the rows of `table`.",
        r"name '\w+' is not defined": "The arguments are `a`, `b`, `c`, `table` and `leave_out`. For torch's "
        "functions, import F in your cell: `import torch.nn.functional as F`.",
        "mat1|mat2|1D tensors expected|size of tensor|inconsistent|must match": "`nearest` takes the vector first, "
        "then the table: `nearest(total, table, 4)`.",
        "too many indices": "`[a, b, c]` is one index per axis; a list inside, `[[a, b, c]]`, is three along one axis.",
        "only one element|ambiguous": "That's a whole tensor where one number is needed: compare one id with the ids "
        "a, b and c, not with rows. `.tolist()` makes a plain list of ids.",
        "no attribute": "What `nearest` returns depends on how you wrote it: `list(...)` and `int(...)` take a tensor "
        "and a list.",
    },
    debrief=Debrief(
        "Gensim's `most_similar` normalizes the rows first, and always leaves out the query words. So does nearly "
        "every published score.",
        "If b wins without leaving anything out, how large can the step c - a be?",
    ),
)

KINDS = ("d", "b", "c", "another", "b", "c", "c and b", "all three", "a first", "d", "c and b")  # who is near the sum
BARRED = (False, False, False, False, True, True, True, True, True, True, True)
ABOVE = 320  # rows before those of the last call: Python makes new objects of numbers above 256; a set sorts these


def _calls(rng: random.Random) -> list[Call]:
    """Sums whose nearest rows are the query words in every order, with and without leaving them out; large ids."""
    calls: list[Call] = []
    for kind, leave_out in zip(KINDS, BARRED, strict=True):
        calls.append((*_with(rng, kind), leave_out))
    a, b, c, table, leave_out = calls.pop()
    away = torch.arange(-ABOVE, 0)[:, None] * (table[b] - table[a] + table[c])
    table = torch.cat([away, table])
    a, b, c = ABOVE + a, ABOVE + b, ABOVE + c
    best = analogy(a, b, c, table, leave_out)
    table[[2, best]] = table[[best, 2]]  # the digits of this id are in those of the others
    return [*calls, (a, b, c, table, leave_out)]


def _with(rng: random.Random, kind: str) -> tuple[int, int, int, Tensor]:
    """Three ids and a small table in which the nearest rows to their sum are of this kind."""
    while True:
        table = numbers(rng, 7, 3)
        a, b, c = rng.sample(range(7), 3)
        near = _order(table[b] - table[a] + table[c], table)
        fits = {
            "d": near[0] not in (a, b, c),
            "another": near[0] not in (a, b, c) and near[1] in (b, c),
            "b": near[0] == b and near[1] not in (a, c),
            "c": near[0] == c and near[1] not in (a, b),
            "c and b": near[:2] == [c, b] and near[2] != a,
            "all three": set(near[:3]) == {a, b, c},
            "a first": near[0] in (b, c) and near[1] == a,
        }
        if fits[kind]:
            return a, b, c, table


def _order(total: Tensor, table: Tensor) -> list[int]:
    return _cosines(total, table).argsort(descending=True).tolist()


def _cosines(total: Tensor, table: Tensor) -> Tensor:
    return F.cosine_similarity(table, total[None], dim=-1)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A vector, several ids, or a cosine in place of one id."""
    for index, ((a, b, c, table, _), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) is str:
            return "That's the token.", "Return its id.", index
        if answer is None:
            if all((each is None) is not call[-1] for each, call in zip(got, calls, strict=True)):
                return "Without `leave_out`, nothing is returned.", "If it is False, the nearest row answers.", index
            hint = "Return it. If three ids are barred, are there four to choose from? Does a loop go on after those?"
            return "Nothing is returned in some cases." if index else "Nothing is returned.", hint, index
        gave = as_tensor(answer)
        if gave is None:
            return None
        if type(answer) is Tensor and answer.is_floating_point() and gave.numel() == table.shape[1]:
            if difference(table[b] - table[a] + table[c], gave) is None:
                return "That's the vector of the sum.", "Return the id of the row that is nearest to it.", index
            return "That's a vector.", "Return the id of the nearest row.", index
        if gave.numel() == 1 and (type(answer) is float or (type(answer) is Tensor and answer.is_floating_point())):
            return "That's a fraction, no id.", "Return which row is nearest, not how near it is.", index
        if gave.dim() == 1:
            if gave.numel() == 1:
                return "That's a list with one id in it.", "Return the id itself: `[0]`.", index
            return f"That's a list of {len(gave)} ids.", "Return one id: the nearest that may answer.", index
        if gave.dim() >= 1:
            return "That's more than one number.", "Return one id.", index
    barred = [(call[:3], int(answer)) for call, answer in zip(calls, got, strict=True) if call[-1]]
    if all(id in query for query, id in barred):
        hint = "Is a barred cosine as small as can be? A row of zeros or infinities has none: it's NaN, and `topk` "
        hint += "takes NaN first."
        return "With `leave_out`, one of the three still answers, always.", hint, BARRED.index(True)
    return None


def _last(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A query word where none may answer, or another one where all may."""
    for index, ((a, b, c, _, leave_out), answer) in enumerate(zip(calls, got, strict=True)):
        if leave_out and int(answer) in (a, b, c):
            which = "abc"[(a, b, c).index(int(answer))]
            return (
                f"With `leave_out`, {which} answers in this case.",
                "All three ids are barred then, and the next best answers.",
                index,
            )
    wrong = [difference(*pair) is not None for pair in zip(right, got, strict=True)]
    if not any(bad for bad, call in zip(wrong, calls, strict=True) if not call[-1]):
        hint = "Are a, b and c barred, and nothing else? Does the nearest of all others answer?"
        return "Right where all may answer; with `leave_out`, the wrong row answers.", hint
    return None


sums = turn.probe("sums with and without leaving out", _calls, _form, demand=whole_numbers)
sums.at_last = _last


def _answer(total: Any = None, barred: Any = None, score: Any = _cosines) -> Any:
    """An answer with another sum, other barred ids or another score."""

    def answer(a: int, b: int, c: int, table: Tensor, leave_out: bool) -> int:
        vector = table[b] - table[a] + table[c] if total is None else total(table[a], table[b], table[c])
        scores = score(vector, table).clone()
        out = ([a, b, c] if leave_out else []) if barred is None else barred(a, b, c, leave_out)
        scores[out] = -torch.inf
        return int(scores.argmax())

    return answer


def _place(n: int) -> Any:
    """An answer that takes the n-th nearest if words are left out."""

    def answer(a: int, b: int, c: int, table: Tensor, leave_out: bool) -> int:
        return _order(table[b] - table[a] + table[c], table)[n if leave_out else 0]

    return answer


sums.mistake(
    "The sum is a - b + c.",
    "King - man + woman: b comes in, a goes out.",
    _answer(lambda a, b, c: a - b + c),
)
sums.mistake(
    "The sum is b - c + a.",
    "A man goes out and a woman comes in: subtract a, add c.",
    _answer(lambda a, b, c: b - c + a),
)
sums.mistake("c isn't added: the sum is b - a.", "Add row c.", _answer(lambda a, b, c: b - a))
sums.mistake("b isn't added: the sum is c - a.", "Start from row b.", _answer(lambda a, b, c: c - a))
sums.mistake("All three are added.", "Subtract row a.", _answer(lambda a, b, c: a + b + c))
sums.mistake(
    "c is subtracted as well: the sum is b - a - c.",
    "In b - (a + c) the brackets take c away. Add row c.",
    _answer(lambda a, b, c: b - a - c),
)
sums.mistake(
    "The vector is the mean of b and c, minus a.",
    "Row b - row a + row c: nothing is halved.",
    _answer(lambda a, b, c: (b + c) / 2 - a),
)
sums.mistake("Nothing is subtracted: the sum is b + c.", "Subtract row a.", _answer(lambda a, b, c: b + c))
sums.mistake(
    "The ids are added, and the row of that id is used.",
    "An id is only a name. Add rows: `table[b]` and so on.",
    lambda a, b, c, table, leave_out: _answer(lambda *rows: table[(b - a + c) % len(table)])(a, b, c, table, leave_out),
)
sums.mistake(
    "The ids themselves are added.",
    "An id is only a name. Add the rows, then ask `nearest`.",
    lambda a, b, c, table, leave_out: b - a + c,
)
sums.mistake(
    "With `leave_out`, b or c still answers where it is nearest.",
    "If it is True, none of a, b and c may answer. Three `!=` in one condition need `and`. Are your ids tensors? A set "
    "or a dictionary never finds those: `int(id)`.",
    _answer(barred=lambda a, b, c, leave_out: []),
)
sums.mistake(
    "The query words are left out always.",
    "Only if `leave_out` is True.",
    _answer(barred=lambda a, b, c, leave_out: [a, b, c]),
)
sums.mistake(
    "`leave_out` works the wrong way round.",
    "If it is True, a, b and c may not answer.",
    _answer(barred=lambda a, b, c, leave_out: [] if leave_out else [a, b, c]),
)
sums.mistake(
    "Only b is left out.", "a and c are barred as well.", _answer(barred=lambda a, b, c, out: [b] if out else [])
)
sums.mistake(
    "Only c is left out.", "a and b are barred as well.", _answer(barred=lambda a, b, c, out: [c] if out else [])
)
sums.mistake(
    "Only b and c are left out.", "a is barred as well.", _answer(barred=lambda a, b, c, out: [b, c] if out else [])
)
sums.mistake(
    "The ids are searched as text, where 2 is in 321.",
    "Digits aren't ids. Compare the numbers: `id in (a, b, c)`.",
    _answer(barred=lambda a, b, c, out: [id for id in range(1000) if out and str(id) in f"{a} {b} {c}"]),
)
sums.mistake(
    "Ids above 256 are compared by `is`, which asks for the same object.",
    "Two equal numbers may be two objects. Compare with `==`, `!=` or `in`.",
    _answer(barred=lambda a, b, c, out: [id for id in (a, b, c) if out and id <= 256]),
)
sums.mistake(
    "With `leave_out`, the second nearest row answers, whichever that is.",
    "Bar a, b and c by their ids; one, two or three of them may be in front.",
    _place(1),
)
sums.mistake(
    "With `leave_out`, the fourth nearest row answers, whichever that is.",
    "Bar a, b and c by their ids; not all of them need be in front.",
    _place(3),
)
sums.mistake(
    "The largest dot product answers: long rows win.",
    "Cosines, as `nearest` takes them.",
    _answer(score=lambda total, table: table @ total),
)
sums.mistake(
    "The nearest row by distance answers.",
    "Cosines, as `nearest` takes them.",
    _answer(score=lambda total, table: -(table - total).norm(dim=1)),
)
sums.mistake(
    "The row farthest away answers.",
    "The largest cosine is the nearest.",
    _answer(score=lambda total, table: -_cosines(total, table)),
)
sums.mistake(
    "The rows are brought to norm 1 before they are added.",
    "Gensim does that, and it's a fair choice. Here the rows are added as they are.",
    _answer(lambda *rows: _unit(rows[1]) - _unit(rows[0]) + _unit(rows[2])),
)


def _unit(row: Tensor) -> Tensor:
    return F.normalize(row, dim=0)


@sums.mistake(
    "Of the four nearest that may answer, the last one does.",
    "Stop at the first.",
)
def _last_of_four(a, b, c, table, leave_out):
    near = _order(table[b] - table[a] + table[c], table)[:4]
    return next(id for id in reversed(near) if not leave_out or id not in (a, b, c))


@sums.mistake(
    "With `leave_out`, the order of nearness is lost.",
    "A set has no order. The nearest answers: keep the order that `nearest` gives.",
)
def _smallest_id(a, b, c, table, leave_out):
    near = _order(table[b] - table[a] + table[c], table)[:4]
    return min(set(near) - {a, b, c}) if leave_out else near[0]


@sums.mistake(
    "With `leave_out`, the second nearest row answers if the first is barred, even if it is barred as well.",
    "Two or three of the barred ids may be in front: go on until one may answer.",
)
def _second(a, b, c, table, leave_out):
    near = _order(table[b] - table[a] + table[c], table)
    return near[int(leave_out and near[0] in (a, b, c))]


@sums.mistake(
    "The barred rows are removed from the table, so all ids after them have moved.",
    "Keep the table, and bar the ids.",
)
def _removed(a, b, c, table, leave_out):
    total = table[b] - table[a] + table[c]
    kept = [id for id in range(len(table)) if not leave_out or id not in (a, b, c)]
    return int(_cosines(total, table[kept]).argmax())


@sums.mistake(
    "The barred rows are removed, and the place that is found isn't always turned back into the right id.",
    "Each barred id up to the answer moves it by one, and the move may pass another. Keep the table, and bar the ids.",
)
def _moved_back(a, b, c, table, leave_out):
    place = _removed(a, b, c, table, leave_out)
    return place + sum(id <= place for id in {a, b, c}) if leave_out else place


@sums.mistake(
    "If the three nearest rows are all barred, the first of them answers after all.",
    "Three ids are barred, so the answer may be the fourth: look at one more.",
)
def _three_asked(a, b, c, table, leave_out):
    near = _order(table[b] - table[a] + table[c], table)[:3]
    return next((id for id in near if not leave_out or id not in (a, b, c)), near[0])


def _barred_by(value: float) -> Any:
    """An answer in which barred rows get this cosine."""

    def answer(a: int, b: int, c: int, table: Tensor, leave_out: bool) -> int:
        scores = _cosines(table[b] - table[a] + table[c], table).clone()
        if leave_out:
            scores[[a, b, c]] = value
        return int(scores.argmax())

    return answer


sums.mistake(
    "A barred row gets the cosine 1, so it wins.",
    "To bar a row, make its cosine as small as can be.",
    _barred_by(1.0),
)
sums.mistake(
    "A barred row gets the cosine 0, so it wins where all others are negative.",
    "To bar a row, make its cosine smaller than any: `-torch.inf`.",
    _barred_by(0.0),
)


@sums.mistake(
    "Barred rows become zeros, whose cosine of 0 wins where all others are negative.",
    "To bar a row, make its cosine smaller than any, `-torch.inf`, or skip its id.",
)
def _zero_rows(a, b, c, table, leave_out):
    total, rows = table[b] - table[a] + table[c], table.clone()
    rows[[a, b, c] if leave_out else []] = 0.0
    return int(_cosines(total, rows).topk(1).indices)


@sums.mistake(
    "Cosines with a, b and c are multiplied and divided: that's 3CosMul.",
    "It's another published rule. Here the row with the largest cosine with b - a + c answers.",
)
def _multiplied(a, b, c, table, leave_out):
    units = F.normalize(table, dim=1)
    to_a, to_b, to_c = ((units @ units[id] + 1) / 2 for id in (a, b, c))
    scores = to_b * to_c / (to_a + 1e-3)
    scores[[a, b, c] if leave_out else []] = -torch.inf
    return int(scores.argmax())


@sums.mistake(
    "It takes the row whose step from c points as b - a does.",
    "That compares steps. Here the row with the largest cosine with b - a + c answers.",
)
def _steps(a, b, c, table, leave_out):
    scores = _cosines(table[b] - table[a], table - table[c])
    scores[[a, b, c] if leave_out else []] = -torch.inf
    return int(scores.argmax())
