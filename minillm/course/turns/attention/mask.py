"""04.causal_mask: which keys each query may see in a model that writes from left to right."""

import math
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.learner.turn import Turn


def causal_mask(T):
    """True where query t may see key s: (T, T)."""
    position = torch.arange(T)
    return position[:, None] >= position[None, :]


turn = Turn(
    "04.causal_mask",
    "The causal mask",
    causal_mask,
    hints=(
        "Row t belongs to query t, column s to key s. Query t sees the keys 0 to t, its own included.",
        "`torch.arange(T)` holds the positions. Compare a column of them (the queries) with a row of them (the keys).",
        "`position[:, None] >= position[None, :]` broadcasts to (T, T). `torch.ones(T, T).tril().bool()` is equal.",
    ),
    errors={"at least 2 dimensions": "`torch.ones(T, T)` is a table, `torch.ones(T)` a row."},
)


def _first_wrong_cell(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The dtype, or the first pair of positions that is wrong."""
    for mask, answer in zip(right, got, strict=True):
        if type(answer) is not Tensor:
            return "The mask must be a tensor of True and False.", "`torch.tensor(rows)` turns nested lists into one."
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
    "The mask holds numbers to add to the scores: 0 and minus infinity.",
    "Return True and False; `attention` turns False into minus infinity.",
    lambda T: torch.zeros(T, T).masked_fill(~causal_mask(T), -math.inf),
)
