"""02.embed: the rows of a table that a list of ids names (Bengio et al. 2003)."""

import random
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def embed(ids, table):
    """The row of each id: (T,) ids and a (V, C) table make (T, C) vectors."""
    return table[ids]


turn = Turn(
    "02.embed",
    "Look the rows up",
    embed,
    minutes=5,
    difficulty=1,
    hints=(
        "Each id is the number of a row. Which rows does [2, 0, 2] ask for, and in which order?",
        "A tensor in square brackets picks rows of another tensor, one for each number, repeats included.",
        "No loop and no product is needed: put `ids` in square brackets behind the table.",
    ),
    ready_made=("torch.nn.functional.embedding",),
    errors={
        r"name '\w+' is not defined": "The arguments are called `ids` and `table`. For torch's functions, import F in "
        "your cell: `import torch.nn.functional as F`.",
        "out of bounds|out of range": "Ids count the rows of `table`, from 0 to V - 1, and there are C columns. Which "
        "axis of which tensor does your index count?",
        "expected m1 and m2 to have the same dtype|same dtype|expected scalar type": "A product needs two tensors of "
        "one dtype, and ids are whole numbers. `.float()` makes floats; picking rows needs no product.",
        "shapes cannot be multiplied|size mismatch|inconsistent tensor size|size of tensor": "Do the shapes fit? A "
        "one-hot row must be V numbers wide, as wide as the table is long: `len(table)`.",
        "changed the input": "Nothing may be written into `table`, and `max_norm` does that: it shortens rows. A row "
        "is taken as it is.",
        "too many indices": "A list of tensors is taken as one index per axis. `ids` is a tensor already: take it "
        "as it is.",
        "expanded size|existing size": "Every table has a width of its own: `table.shape[1]`, not 576.",
        "Index tensor must have the same number of dim": "`gather` needs an index for each number. Square brackets "
        "take whole rows.",
        "'weight' must be 2-D": "`F.embedding` takes the ids first, then the table.",
        "can't convert|only integer tensors|only one element|converted to Python scalars": "`ids` holds T numbers. A "
        "loop takes one at a time; square brackets take them all.",
        "must be Tensor, not|expected Tensor as element|'list' object has no attribute": "`torch.stack` makes one "
        "tensor of a list of rows.",
        "`table` gets (no|a wrong) gradient": "`from_pretrained` makes a table of its own, `padding_idx` keeps one row "
        "from learning, and `torch.tensor`, `.tolist()`, `.detach()` and numpy cut it off. Use `table[ids]`.",
    },
    constants=("ids",),
    debrief=Debrief(
        "`torch.nn.Embedding` does this and keeps the table. Its backward pass adds up the gradients of the rows that "
        "were looked up; all other rows get 0.",
        "An id that occurs three times in a text: how many gradients reach its row?",
    ),
)


def _texts(rng: random.Random) -> list[Call]:
    """Texts with and without repeats, as long as the table and shorter; V above C, equal to it, and below it."""
    calls = []
    for V, C, ids in (
        (3, 2, [2, 0]),
        (4, 4, [1, 2, 1]),
        (6, 3, [4, 0, 4, 3, 1]),
        (5, 6, [3, 2, 0, 4]),
        (7, 2, [5]),
    ):
        calls.append((torch.tensor(ids), numbers(rng, V, C)))
    return calls


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another shape than a row per id."""
    if any(type(answer) is dict for answer in got) or any(answer is None for answer in got):
        return None
    for index, (wanted, gave) in enumerate(zip(right, map(as_tensor, got), strict=True)):
        if gave is None or gave.shape == wanted.shape:
            continue
        if gave.numel() == wanted.numel() and difference(wanted.flatten(), gave.flatten()) is None:
            told = "The numbers are right, but the shape must be (T, C), a row per id"
            hint = "T rows of C numbers, and no further axis."
            if gave.dim() < 2:
                hint = "Also where T is 1: `squeeze()` takes away every axis of 1."
            return f"{told}; here it is {tuple(gave.shape)}.", hint, index
        T, C = wanted.shape
        if tuple(gave.shape) == (C,) and T > 1:
            for row in (0, -1):
                if difference(wanted[row], gave) is None:
                    where = "first" if row == 0 else "last"
                    hint = "All T rows are asked for. " * (row == 0)
                    hint += "Is `return` inside a loop?" if row == 0 else "Does each round of a loop replace the row?"
                    return f"Only the row of the {where} id is returned.", hint, index
            for name, value in (("sum", wanted.sum(0)), ("mean", wanted.mean(0))):
                if difference(value, gave) is None:
                    return f"The {name} of the rows is returned.", "Return all of them, one row per id.", index
    return None


def _elsewhere(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Of the right shape, but no row comes from the table."""
    answers = list(map(as_tensor, got))
    for (_, table), wanted, gave in zip(calls, right, answers, strict=True):
        if gave is None or gave.shape != wanted.shape or not gave.is_floating_point() or not gave.isfinite().all():
            return None
        if any(difference(row, other) is None for row in gave for other in table):
            return None
    return (
        "None of the rows in the result is a row of `table`.",
        "A new layer or table begins with random rows of its own. And a row is taken as it is: nothing is added.",
    )


rows = turn.probe("rows of several tables", _texts, _form, demand=same_kind)
rows.at_last = _elsewhere


def _mistake(sentence: str, hint: str, answer: Any) -> None:
    rows.mistake(sentence, hint, answer)


_mistake(
    "Columns are picked in place of rows.",
    "A token has a row of its own: the id is the first index.",
    lambda ids, table: table[:, ids % table.shape[1]],
)
_mistake(
    "Columns are picked in place of rows, and turned into rows.",
    "A token has a row of its own: the id is the first index.",
    lambda ids, table: table[:, ids % table.shape[1]].T,
)
_mistake(
    "These are the first rows of the table, whatever the ids are.",
    "`len(ids)` isn't enough: the ids say which rows.",
    lambda ids, table: table[: len(ids)],
)
_mistake(
    "Each row is the one before the right one: off by one.",
    "Rows are counted from 0, as ids are.",
    lambda ids, table: table[ids - 1],
)
_mistake(
    "Each row is the one after the right one: off by one.",
    "Rows are counted from 0, as ids are.",
    lambda ids, table: table[(ids + 1) % len(table)],
)
_mistake(
    "The right rows, but sorted by id.",
    "The order is that of the text.",
    lambda ids, table: table[ids.sort().values],
)
_mistake(
    "The right rows, each once and sorted by id.",
    "A text may say a word twice: one row per id, in the order of the text.",
    lambda ids, table: table[ids.unique()],
)
_mistake(
    "The right rows, but an id that comes again gives no second row.",
    "A dictionary holds each id once. A text may say a word twice: one row per id.",
    lambda ids, table: table[list(dict.fromkeys(ids.tolist()))],
)
_mistake(
    "The right rows in reverse order.",
    "The order is that of the text.",
    lambda ids, table: table[ids.flip(0)],
)
_mistake(
    "The rows are transposed: (C, T).",
    "A row per id: (T, C).",
    lambda ids, table: table[ids].T,
)
_mistake(
    "The rows are columns, (C, T), and then reshaped: that mixes their numbers.",
    "`reshape` swaps no axes. Stack the rows along the first axis, or swap the two with `.T`.",
    lambda ids, table: table[ids].T.reshape(len(ids), -1),
)
_mistake(
    "The rows are multiplied by sqrt(C).",
    "The first transformer did that. Here a row is taken as it is.",
    lambda ids, table: table[ids] * table.shape[1] ** 0.5,
)
_mistake(
    "Each row is multiplied by its id.",
    "An id is a name, not an amount: it only says which row.",
    lambda ids, table: ids[:, None] * table[ids],
)
_mistake(
    "The id itself is multiplied by one row.",
    "An id is a name, not an amount: it says which row.",
    lambda ids, table: ids[:, None] * table[0],
)
_mistake(
    "Each row has norm 1.",
    "A row is taken as it is, with its norm.",
    lambda ids, table: torch.nn.functional.normalize(table[ids], dim=-1),
)
_mistake(
    "The rows are cut to whole numbers.",
    "A table that is made of `ids`, as by `ids.new_zeros`, holds whole numbers. Make none: pick the rows.",
    lambda ids, table: table[ids].long(),
)
_mistake(
    "Only the first number of each row is there.",
    "`gather` takes one number for each entry of its index. Square brackets take whole rows.",
    lambda ids, table: table[ids][:, :1],
)
_mistake(
    "Each id picks a single number, not a row.",
    "`table[id]` is a whole row. A second index picks within it; `torch.take` sees no rows.",
    lambda ids, table: table.flatten()[ids],
)
_mistake(
    "Only the signs of the rows are left.",
    "A row is taken as it is.",
    lambda ids, table: table[ids].sign(),
)
_mistake(
    "The mean row of the table is subtracted.",
    "A row is taken as it is.",
    lambda ids, table: table[ids] - table.mean(0),
)
_mistake(
    "Softmax is taken of each row.",
    "A row isn't a list of scores: take it as it is.",
    lambda ids, table: table[ids].softmax(-1),
)
_mistake(
    "These are one-hot rows. The product with the table is missing.",
    "Multiply them by the table, or pick the rows right away.",
    lambda ids, table: torch.nn.functional.one_hot(ids, len(table)).float(),
)
_mistake(
    "The rows follow each other in one long vector.",
    "One row per id, (T, C): `torch.stack` in place of `torch.cat`.",
    lambda ids, table: table[ids].flatten(),
)
_mistake(
    "All rows of the result are the same: the sum of the rows that the text names.",
    "A one-hot row has a single 1, in the column of its own id.",
    lambda ids, table: table[ids.unique()].sum(0).repeat(len(ids), 1),
)
_mistake(
    "All rows are returned.",
    "Only those that `ids` names.",
    lambda ids, table: table.clone(),
)
_mistake(
    "The rows after the first one are added up: each row holds the sum of the text so far.",
    "Each id gives its own row.",
    lambda ids, table: table[ids].cumsum(0),
)
