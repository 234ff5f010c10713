"""02.nearest: the rows of a table with the largest cosines (Salton, Wong and Yang 1975, of documents)."""

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


def nearest(vector, table, k):
    """The ids of the k rows with the largest cosines with a vector, nearest first."""
    cosines = table @ vector / (table.norm(dim=1) * vector.norm())
    return cosines.topk(k).indices


turn = Turn(
    "02.nearest",
    "Nearest rows by cosine",
    nearest,
    minutes=8,
    difficulty=3,
    hints=(
        "How do you get the dot products of all rows with one vector, all V of them at once?",
        "Divide each dot product by the norm of its own row. `norm` takes the axis that it sums over: the columns.",
        "`topk` finds the largest and has two parts; its `.indices` say where they are.",
    ),
    errors={
        r"\b576\b": "Take `vector` and `table` as they come in. A vector of the page has 576 numbers, the check's "
        "tables have fewer columns.",
        "selected index k out of range|k not in range": "`topk` was asked for more numbers than there are. Is there "
        "one cosine per row, V in all? And `k` may be V, so ask for exactly k.",
        "of type topk": "`topk` returns a pair: the cosines, and the ids. Return its `.indices`.",
        "mat1 and mat2 shapes|size mismatch|1D tensors expected|inconsistent tensor size": "`table` is (V, C) and "
        "`vector` is (C,): `table @ vector` is (V,), a dot product per row.",
        "size of tensor a|must match the size": "Which shapes meet here? There are V dot products and V row norms. "
        "Norms of rows run over the columns: `dim=1`.",
        "only one element|ambiguous|converted to Python scalars|converted to a scalar": "That's a whole tensor where "
        "one number is needed. In a loop, take one row at a time.",
        r"name '\w+' is not defined": "The arguments are `vector`, `table` and `k`. For torch's functions, import F in "
        "your cell: `import torch.nn.functional as F`.",
        "Dimension out of range": "`vector` has one axis, `table` has two; axes are counted from 0. `argmax` takes an "
        "axis, too; `topk` takes a count.",
        "'list' object has no attribute": "A method of tensors needs a tensor: `torch.stack` makes one of a list of "
        "tensors.",
        "no attribute|not subscriptable": "`topk` and `sort` return a pair, whose second part is `.indices`. `argsort` "
        "returns ids alone.",
    },
    debrief=Debrief(
        "Search engines and chatbots with documents do this over millions of rows. They normalize the rows once, and "
        "approximate libraries such as FAISS look at a fraction of them.",
        "Why may you leave out the norm of `vector`, and not those of the rows?",
    ),
)


AGAIN = 3  # the call that is made once more, at the end


def _tables(rng: random.Random) -> list[Call]:
    """Rows of very different norms; a vector that is a row, one that is none; all rows, and one; close cosines."""
    calls = []
    for V, C, k, own in ((4, 2, 2, False), (6, 3, 3, True), (5, 5, 2, False), (7, 4, 7, False), (9, 3, 1, False)):
        table = numbers(rng, V, C) * torch.tensor([0.5, 1.0, 3.0, 2.0, 0.7, 4.0, 1.5, 6.0, 0.4])[:V, None]
        table[:, 0] += 0.5  # like a real table, it leans one way
        vector = table[rng.randrange(V)].clone() if own else numbers(rng, C)
        if not vector.any():
            vector[0] = 1.0
        calls.append((vector, table, k))
    close = torch.tensor([[0.5, 0.9], [6.0, 0.5], [9.0, 0.4]])  # to (1, 0), by cosines of 0.9966 and 0.9990
    return [*calls, (torch.tensor([float(rng.randint(1, 5)), 0.0]), close, 2), calls[AGAIN]]


def _cosines(vector: Tensor, table: Tensor) -> Tensor:
    return F.cosine_similarity(table, vector[None], dim=-1)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Cosines or rows in place of ids, too many or too few, or something that isn't a list of numbers; and chance."""
    if difference(got[AGAIN], got[-1]) is not None:
        told = "The same call gives another result when it's made again."
        return told, "Is something drawn at random? The k largest cosines are asked for: `topk`.", AGAIN
    for index, ((vector, table, k), answer) in enumerate(zip(calls, got, strict=True)):
        cosines = _cosines(vector, table)
        if type(answer) in (tuple, list) and len(answer) == 2 and as_tensor(answer[0]) is not None:
            first, second = map(as_tensor, answer)
            if first is None or second is None:
                return None
            if first.dim() == 1 and first.is_floating_point() and not second.is_floating_point():
                return "That's a pair: cosines and ids.", "Return the ids alone: `.indices`.", index
        if type(answer) in (tuple, list) and answer and type(answer[0]) in (tuple, list):
            return "That's a list of pairs.", "Return the ids alone, one number per neighbor.", index
        gave = as_tensor(answer)
        if gave is None:
            return None
        if gave.dtype == torch.bool:
            return "That's a mask: True where a row is near.", "Return the ids, nearest first: `topk`.", index
        if gave.dim() == 1 and gave.is_floating_point():
            if difference(cosines.topk(k).values, gave) is None:
                return "These are the cosines of the right rows.", "Return where they are: `.indices`.", index
            if difference(cosines, gave) is None:
                return "These are the cosines of all rows.", "Return the ids of the k largest: `topk`.", index
        if gave.dim() == 2 and gave.is_floating_point() and gave.shape[1:] == table.shape[1:]:
            return "These are rows of the table.", "Return their ids.", index
        if gave.dim() == 2:
            told = f"That's a tensor of shape {tuple(gave.shape)}; k ids have the shape ({k},)."
            hint = "One cosine per row, V in all: print the shape of yours. No batch axis, no `keepdim`."
            return told, hint, index
        if gave.dim() == 0:
            return "That's a single number.", "k ids are asked for, also if k is 1: `topk`.", index
    ids = [each for each in map(as_tensor, got) if each is not None and each.dim() == 1]
    if len(ids) < len(calls):
        return None
    if len({len(each) for each in ids}) == 1:
        return f"There are always {len(ids[0])} ids.", "`k` says how many.", 0
    wrong = [n for n, each in enumerate(ids) if len(each) != calls[n][2]]
    if wrong:
        begins = [each[: call[2]] for call, each in zip(calls, ids, strict=True)]
        fine = all(difference(*pair) is None for pair in zip(begins, right, strict=True))
        which = "They begin with the right ones, but there" if fine else "There"
        count = len(ids[wrong[0]])
        text = f"{which} {'is 1 id' if count == 1 else f'are {count} ids'} where k is {calls[wrong[0]][2]}."
        return text, "`k` says how many.", wrong[0]
    if _only_itself_is_lost(calls, right, got):
        hint = "Is it left out on purpose? It counts like every row. Or did rounding put its cosine just above 1, and "
        hint += "an angle was made of it? Its `acos` is NaN, which sorts last."
        return "The row that is the vector itself is lost, and nothing else.", hint
    if not _is_likely(calls, right, got):
        return _last(calls, right, got)
    return None


def _only_itself_is_lost(calls: list[Call], right: list[Any], got: list[Any]) -> bool:
    """Whether all that is wrong is a nearest row with a cosine of 1, which is missing or comes last."""
    wrong = [n for n, pair in enumerate(zip(right, got, strict=True)) if difference(*pair) is not None]
    lost = [difference(right[n][1:], torch.as_tensor(got[n])[:-1].to(right[n].dtype)) is None for n in wrong]
    own = [_cosines(calls[n][0], calls[n][1])[right[n][0]] > 1 - 1e-5 for n in wrong]
    return 0 < len(wrong) < len(calls) and all(lost) and all(own)


def _is_likely(calls: list[Call], right: list[Any], got: list[Any]) -> bool:
    """Whether a known mistake explains all that is wrong: of so few ids, some agree by chance."""
    wrong = [n for n, pair in enumerate(zip(right, got, strict=True)) if difference(*pair) is not None]
    return any(all(difference(mistake.answer(*calls[n]), got[n]) is None for n in wrong) for mistake in tables.mistakes)


def _last(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another order of the right ids, or rows that are near by no rule that is known."""
    ids = [each for each in map(as_tensor, got) if each is not None and each.dim() == 1]
    if len(ids) < len(calls) or any(each.is_floating_point() for each in ids):
        return None
    same = [difference(a.sort().values, b.sort().values) is None for a, b in zip(ids, right, strict=True)]
    if all(same):
        return "The right ids, but in another order.", "The nearest comes first."
    if any(len(each.unique()) < len(each) for each in ids):
        return "One id comes several times.", "Each row is found once: `topk`, or bar the ones that you have."
    hint = "Print all the cosines, and compare: are they dot products over both norms, and are the k largest found?"
    return "Other rows have larger cosines.", hint, same.index(False)


tables = turn.probe("several tables", _tables, _form, demand=whole_numbers)
tables.at_last = _last


def _twins(rng: random.Random) -> list[Call]:
    """Tables with two equal rows, which both belong to the answer."""
    calls = []
    for near in (0, 1, 2):
        table, vector = numbers(rng, 6, 3), numbers(rng, 3)
        vector[0] += 0.5
        twin = table[_cosines(vector, table).argsort(descending=True)[near]]
        calls.append((vector, torch.cat([table, twin[None]]), near + 2))
    return calls


def _fault(call: Call, got: Any) -> str | None:
    """What is wrong with these ids, of which equal rows may come in either order."""
    vector, table, k = call
    ids = as_tensor(got)
    if ids is None or ids.shape != (k,):
        return f"isn't {k} ids"
    cosines = _cosines(vector, table)
    if len(ids.unique()) < k or difference(cosines.topk(k).values, cosines[ids.long()]) is not None:
        return "isn't the k nearest rows"
    return None


def _one_twin(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation:
    hint = "Does a dictionary by cosine, or a sort of yours, keep one of several? Each row has an id of its own."
    return "Of two equal rows, only one is found.", hint


def _of_columns(vector: Tensor, table: Tensor) -> Tensor:
    return F.cosine_similarity(table, vector[None], dim=0)


def _by(scores: Any) -> Any:
    """An answer that takes the k largest of other scores."""
    return lambda vector, table, k: scores(vector, table).topk(k).indices


tables.mistake(
    "These are the largest dot products: long rows win.",
    "Divide each dot product by the norm of its own row.",
    _by(lambda vector, table: table @ vector),
)
tables.mistake(
    "The norms are those of the columns.",
    "A norm per row sums over the columns: `dim=1`, or `dim=-1`.",
    _by(lambda vector, table: F.normalize(table, dim=0) @ vector),
)
tables.mistake(
    "These rows are nearest by distance, not by cosine.",
    "The cosine compares directions: dot product / norms.",
    _by(lambda vector, table: -(table - vector).norm(dim=1)),
)
tables.mistake(
    "These rows are nearest by distance to the vector of norm 1, and the rows keep their own norms.",
    "Bring the rows to norm 1 as well: then the nearest by distance is the nearest by cosine.",
    _by(lambda vector, table: -(table - F.normalize(vector, dim=0)).norm(dim=1)),
)
tables.mistake(
    "These rows are the farthest away, by distance.",
    "Compare directions, by the cosine. And of distances, the smallest are near.",
    _by(lambda vector, table: (table - vector).norm(dim=1)),
)
tables.mistake(
    "These are the smallest cosines: the rows farthest away.",
    "A large cosine is near: `topk`, or sort in descending order.",
    _by(lambda vector, table: -_cosines(vector, table)),
)
tables.mistake(
    "Rows with a negative cosine are never found: the search begins at 0.",
    "The largest may be below 0. Begin with `-math.inf`, or let `topk` search.",
    lambda vector, table, k: torch.where((top := _cosines(vector, table).topk(k)).values > 0, top.indices, -1),
)


@tables.mistake(
    "Each row that was found is taken out, so the ids of the rows behind it are too small.",
    "Keep the list as long as it is, and set what was found to `-torch.inf`.",
)
def _taken_out(vector, table, k):
    cosines, found = _cosines(vector, table).tolist(), []
    for _ in range(k):
        found.append(cosines.index(max(cosines)))
        cosines.pop(found[-1])
    return torch.tensor(found)


tables.mistake(
    "The right rows, but the nearest comes last.",
    "Turn the order round: the nearest comes first.",
    lambda vector, table, k: _cosines(vector, table).topk(k).indices.flip(0),
)
tables.mistake(
    "The right rows, sorted by their ids.",
    "The nearest comes first.",
    lambda vector, table, k: _cosines(vector, table).topk(k).indices.sort().values,
)
tables.mistake(
    "The nearest row is left out.",
    "If the vector is itself a row, that row belongs to the answer. Leave nothing out here.",
    lambda vector, table, k: _cosines(vector, table).argsort(descending=True)[1 : k + 1],
)
tables.mistake(
    "Opposite directions count as near: the cosines have lost their signs.",
    "No `abs`, no square: -1 is as far away as it gets.",
    _by(lambda vector, table: _cosines(vector, table).abs()),
)
tables.mistake(
    "The dot products are divided by squared norms.",
    "The norm is the root of the sum of squares: `norm`.",
    _by(lambda vector, table: table @ vector / table.square().sum(1)),
)
tables.mistake(
    "The dot products are divided by the sums of the rows, not by their norms.",
    "The norm is the root of the sum of squares: `norm`.",
    _by(lambda vector, table: table @ vector / (table.sum(1) * vector.sum())),
)
tables.mistake(
    "The dot products are divided by the sums of absolute values.",
    "The norm is the root of the sum of squares: `norm`.",
    _by(lambda vector, table: table @ vector / table.abs().sum(1)),
)
tables.mistake(
    "The dot products are multiplied by the norms of the rows.",
    "Divide by both norms. Parentheses?",
    _by(lambda vector, table: table @ vector * table.norm(dim=1)),
)
tables.mistake(
    "The mean of each row and of the vector is subtracted first: that's a correlation.",
    "The cosine takes the numbers as they are.",
    _by(lambda vector, table: _cosines(vector - vector.mean(), table - table.mean(1, keepdim=True))),
)
tables.mistake(
    "The mean row of the table is subtracted first.",
    "The cosine takes the rows as they are.",
    _by(lambda vector, table: _cosines(vector, table - table.mean(0))),
)
tables.mistake(
    "The mean row of the table is subtracted first.",
    "The cosine takes the rows and the vector as they are: what they have in common counts, too.",
    _by(lambda vector, table: _cosines(vector - table.mean(0), table - table.mean(0))),
)
tables.mistake(
    "The cosines are rounded to two digits, so close ones count as equal.",
    "Sort them as they are. Round only what you print.",
    lambda vector, table, k: _cosines(vector, table).round(decimals=2).argsort(descending=True, stable=True)[:k],
)
tables.mistake(
    "The cosines run along the columns: C of them.",
    "Sum over the numbers of a row, `dim=1`: one cosine per row, V in all.",
    lambda vector, table, k: _of_columns(vector, table).topk(min(k, len(vector))).indices,
)
tables.mistake(
    "Norms below 1 count as 1.",
    "Short rows have a direction, too: divide by their own norm, without `clamp`.",
    _by(lambda vector, table: table @ vector / table.norm(dim=1).clamp(min=1)),
)
tables.mistake(
    "A number is added to the product of the norms, so long rows seem to be nearer.",
    "Divide by the norms alone. No row here is zero.",
    _by(lambda vector, table: table @ vector / (1 + table.norm(dim=1) * vector.norm())),
)
tables.mistake(
    "The longest rows are returned, wherever they point.",
    "The dot product with `vector` is missing.",
    _by(lambda vector, table: table.norm(dim=1)),
)
tables.mistake(
    "The first k ids are returned, wherever the rows point.",
    "Sort by the cosine as it is, and return `.indices`, not a count.",
    lambda vector, table, k: torch.arange(k),
)
tables.mistake(
    "These ids count along the sorted list, not along the table.",
    "After sorting the rows, their places are no ids. Sort the ids by the cosines: `argsort`, or `topk`.",
    lambda vector, table, k: _cosines(vector, table).argsort(descending=True).argsort()[:k],
)
turn.probe("two equal rows", _twins, demand=whole_numbers, judge=_fault, at_last=_one_twin)
