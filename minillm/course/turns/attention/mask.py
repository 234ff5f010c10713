"""04.causal_mask: which keys each query may see in a model that writes from left to right."""

import math
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def causal_mask(T):
    """True where query t may see key s: (T, T)."""
    position = torch.arange(T)
    return position[:, None] >= position[None, :]


turn = Turn(
    "04.causal_mask",
    "The causal mask",
    causal_mask,
    minutes=5,
    difficulty=1,
    hints=(
        "Which keys may query 0 see? And query 2? Write the first three rows on paper.",
        "The row is the query's position t, the column the key's position s. For which s is the entry True?",
        "Compare a column of positions (the queries) with a row of positions (the keys): broadcasting makes the table.",
    ),
    errors={
        "at least 2 dimensions|must be Tensor, not int": "T is a number: `torch.ones(T)` makes a row, and "
        "`torch.ones(T, T)` a table.",
        "name '(words|\\w*(length|size))' is not defined|'int' (object )?has no": "The number of tokens is the "
        "argument `T`, a plain number.",
        "name 'self' is not defined": "This is a function, not a layer: all that it needs is `T`. Return the table.",
        "argument 'dtype'": "End with `.bool()`, or make the ones with `dtype=torch.bool`.",
        "name '([ts]|position)' is not defined": "`torch.arange(T)` holds all positions. You need them twice: as a "
        "column of queries and as a row of keys.",
        r"ambiguous": "`not` and `and` judge a whole tensor. `~` and `&` work entry by entry.",
        r"index \d+ is out of bounds": "Positions run from 0 to T - 1, and T differs from case to case.",
    },
    debrief=Debrief(
        "Nobody stores the table for a long text: a kernel is told `is_causal=True` and skips the blocks above the "
        "diagonal.",
        "A model writes one token at a time, so there is no later token to see. Why does it need the mask at all?",
    ),
)


def _first_wrong_cell(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """The type, the dtype, or the first pair of positions that is wrong."""
    for index, (mask, answer) in enumerate(zip(right, got, strict=True)):
        if type(answer).__module__ == "numpy":
            return "The mask is a numpy array.", "Make it a tensor: `torch.from_numpy(mask)`, or use torch throughout."
        if answer is None:
            return f"For T = {len(mask)}, the function returns None.", "Does every path end in `return`?", index
        if type(answer) is not Tensor:
            return "The mask must be a tensor of True and False.", "`torch.tensor(rows)` turns nested lists into one."
        if answer.dim() == 2 and answer.shape != mask.shape:
            T, (rows, columns) = len(mask), answer.shape
            return f"For T = {T} the mask has {rows} rows and {columns} columns.", "T differs from case to case.", index
        if answer.dim() == 1 and len(answer) == len(mask):
            hint = "A row of positions, compared with a column of them (`position[:, None]`), makes a table."
            return "The mask is one row, not a table with a row per query.", hint, index
        if answer.dim() == 1 and len(answer) == mask.numel():
            return "The mask is one long row.", "Make a list for each query: a list of lists makes a table.", index
        if answer.shape != mask.shape and answer.numel() == mask.numel() and answer.dim() > 2:
            return "The mask has extra axes, as for a batch of texts.", "Here it is one text: return (T, T)."
        if answer.shape == mask.shape and (wrong := (answer.bool() != mask).nonzero().tolist()):
            t, s = wrong[0]
            hint = "Write the first three rows on paper: row t has t + 1 times True, then False."
            if s > t:
                return f"Query {t} sees key {s}, which comes after it.", hint
            return f"Query {t} does not see key {s}, which {'is its own' if s == t else 'comes before it'}.", hint
        if answer.dtype != torch.bool and answer.shape == mask.shape:
            sentence = f"The pattern is right, but the mask holds {answer.dtype} numbers instead of True and False."
            return sentence, "Compare positions, which gives True and False, or end with `.bool()`."
    return None


any_length = turn.probe(
    "texts of 1 to 9 tokens", lambda rng: [(3,), (1,), (2,), (rng.randint(4, 9),)], _first_wrong_cell, demand=same_dtype
)
any_length.mistake(
    "The mask is inverted: True where a query must not look.",
    "True means visible here. Swap the two sides of the comparison, or put `~` in front.",
    lambda T: ~causal_mask(T),
)
any_length.mistake(
    "No query sees its own key.",
    "Query t sees keys 0 to t, and t belongs to them: use `>=`, not `>`.",
    lambda T: torch.ones(T, T).tril(-1).bool(),
)
any_length.mistake(
    "Each query also sees the key after its own.",
    "The last visible key of query t is t: compare without + 1, or use `tril` without `diagonal=1`.",
    lambda T: torch.ones(T, T).tril(1).bool(),
)
any_length.mistake(
    "The mask is transposed: each query sees its own key and the later ones.",
    "Queries are the rows, keys the columns: `position[:, None]` for the queries. `tril` keeps the lower triangle.",
    lambda T: causal_mask(T).T,
)
any_length.mistake(
    "Everything is visible.", "Hide the keys that come after the query.", lambda T: causal_mask(T) | True
)
any_length.mistake(
    "Each query sees its own key and no other.",
    "The keys before it are visible, too: compare with `>=`, not `==`.",
    lambda T: torch.eye(T).bool(),
)
any_length.mistake(
    "Only the first row is filled in.",
    "Is `return` inside the loop? It ends the function in the first round.",
    lambda T: causal_mask(T) & (torch.arange(T) == 0)[:, None],
)
any_length.mistake(
    "The mask holds numbers to add to the scores: 0 and minus infinity.",
    "Return True and False; `attention` turns False into minus infinity.",
    lambda T: torch.zeros(T, T).masked_fill(~causal_mask(T), -math.inf),
)
