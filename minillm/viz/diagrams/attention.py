"""Diagrams of one attention head: its steps, its mask, its projections."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import box
from minillm.viz.diagrams.canvas import Diagram
from minillm.viz.diagrams.flow import arrow, fan, flow, sign
from minillm.viz.diagrams.part import Part
from minillm.viz.diagrams.parts import one_scale
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE, PURPLE, RED
from minillm.viz.figures import style


def attention_step(
    query: Float[Tensor, "T D"],
    key: Float[Tensor, "S D"],
    value: Float[Tensor, "S Dv"],
    words: Sequence[str],
    visible: Bool[Tensor, "T S"] | None = None,
    title: str = "",
    theme: str = "light",
    attention: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
    names: Sequence[Sequence[str]] = ((), ()),
) -> Diagram:
    """Draw one head of attention, from query and key to its output.

    The steps are those of Vaswani et al. (2017), eq. 1. `words` are those of the S keys; the T queries are the last T
    of them. `visible` is True where a query may see a key. With `attention(query, key, value, visible)`, weights and
    output are what that function makes of them. `names` are those of the columns of key and value. Raises `UserError`
    for shapes that do not fit and for a query that sees no key.

    >>> query, key, value = torch.eye(2), torch.eye(2), torch.ones(2, 3)
    >>> attention_step(query, key, value, ["The", "bank"]).alt.partition(". ")[0]
    'Diagram: "bank" reads most from "bank" (weight 0.67)'
    """
    query, key, value = (style.tensor_of(part) for part in (query, key, value))
    _check_head(query, key, value)
    (T, D), S = query.shape, len(key)
    asking = _queries(words, T, S)
    shown = _visible(visible, T, S)
    scores = query @ key.mT / math.sqrt(D)
    weights = scores.masked_fill(~shown, -math.inf).softmax(-1)
    output = weights @ value
    if attention is not None:
        asked, found, given = (part.float() for part in (query, key, value))  # as a model has them
        weights, output = _weights_by(attention, asked, found, shown), attention(asked, found, given, shown)
        if output.shape != (T, value.shape[1]):
            raise UserError(f"attention returned the shape {tuple(output.shape)}; it must be {(T, value.shape[1])}")
    mask = None if bool(shown.all()) else ~shown
    of_key, of_value = names
    table = partial(box, axes="T S", rows=asking, columns=words)
    asked, found, matched, given, read = one_scale(
        box("query", query, "T D", rows=asking, columns=of_key, accent=BLUE),
        box("keyᵀ", key.mT, "D S", rows=of_key, columns=words, accent=ORANGE),
        table("scores", scores, mask=mask),
        box("value", value, "S D", rows=words, columns=of_value, accent=PURPLE),
        box("output", output, "T D", rows=asking, columns=of_value, accent=RED),
    )
    shares = dataclasses.replace(table("weights", weights, mask=mask, accent=GREEN), limit=1.0)
    parts = [
        asked, sign("@"), found, arrow("÷ √D" if mask is None else "÷ √D\nand mask"), matched,
        arrow("softmax"), shares, sign("@"), given, sign("="), read,
    ]  # fmt: skip
    reading = _reading(weights, asking, words)
    return flow(parts, title or reading, alt=reading if title else "", theme=theme)


def _weights_by(attention: Callable[..., Tensor], query: Tensor, key: Tensor, visible: Tensor) -> Tensor:
    """The weights that a function uses: what it returns for the values of an identity, D columns at a time."""
    (S, D), columns = key.shape, []
    for start in range(0, S, D):
        columns.append(attention(query, key, torch.eye(S, start + D)[:, start:], visible))
    return torch.cat(columns, dim=1)[:, :S]


def causal_mask(
    visible: Bool[Tensor, "T S"],
    words: Sequence[str],
    scores: Float[Tensor, "T S"] | None = None,
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw which key each query may see.

    With `scores`, the mask is applied to them, and the weights follow. `words` are those of the S keys; the T queries
    are the last T of them. Raises `UserError` for shapes that do not fit and for a query that sees no key.

    >>> causal_mask(torch.ones(2, 2, dtype=torch.bool).tril(), ["The", "bank"]).alt.partition(". ")[2]
    'visible (T × S = 2 × 2). The sees The; bank sees The, bank.'
    """
    mask = style.tensor_of(visible)
    if mask.dim() != 2:
        raise UserError(f"visible has shape {tuple(mask.shape)}; give one row per query and one column per key, (T, S)")
    shown = _visible(mask.bool(), *mask.shape)
    T, S = shown.shape
    asking = _queries(words, T, S)
    table = partial(box, axes="T S", rows=asking, columns=words, corner="query ↓ key →")
    causal = torch.equal(shown, torch.ones(T, S, dtype=torch.bool).tril(S - T))
    title = title or ("Each word sees itself and the words before it" if causal else "Which words each word sees")
    parts: list[Part] = [table("visible", shown, mask=~shown, digits=0)]
    if scores is not None:
        given = style.tensor_of(scores)
        if given.shape != shown.shape:
            raise UserError(f"scores have shape {tuple(given.shape)} and visible {(T, S)}; give scores for each cell")
        weights = given.masked_fill(~shown, -math.inf).softmax(-1)
        parts = [
            table("scores", given),
            arrow("mask", "hatched: −∞"),
            table("masked scores", given, mask=~shown),
            arrow("softmax", "hatched: exactly 0"),
            table("weights", weights, mask=~shown, accent=GREEN),
        ]
    sees = "; ".join(
        f"{word} sees {', '.join(other for other, flag in zip(words, row, strict=True) if flag)}"
        for word, row in zip(asking, shown.tolist(), strict=True)
    )
    return flow(parts, title, alt=sees, theme=theme)


def projections(
    x: Float[Tensor, "T C"],
    query_weight: Float[Tensor, "C D"],
    key_weight: Float[Tensor, "C D"],
    value_weight: Float[Tensor, "C Dv"],
    words: Sequence[str],
    title: str = "",
    theme: str = "light",
    names: Sequence[Sequence[str]] = ((), (), (), ()),
) -> Diagram:
    """Draw how query, key and value are computed from the same x.

    The matrices are (C, D), as in `x @ W`; for a layer of torch give `linear.weight.T`. `names` are those of the
    columns of x, query, key and value. Raises `UserError` for shapes that do not fit.

    >>> weight = torch.ones(4, 2)
    >>> projections(torch.ones(2, 4), weight, weight, weight, ["The", "bank"]).alt.partition("; ")[0]
    'Diagram: One x, three learned matrices. x (T × C = 2 × 4), then @ W_Q (C × D = 4 × 2) = query (T × D = 2 × 2)'
    """
    x = style.tensor_of(x)
    features, *outcomes = names
    drawn = [box("x", x, "T C", rows=words, columns=features)]
    for letter, weight, name, columns, accent in (
        ("Q", query_weight, "query", outcomes[0], BLUE),
        ("K", key_weight, "key", outcomes[1], ORANGE),
        ("V", value_weight, "value", outcomes[2], PURPLE),
    ):
        matrix = style.tensor_of(weight)
        if x.dim() != 2 or matrix.dim() != 2 or len(matrix) != x.shape[1]:
            raise UserError(
                f"x has shape {tuple(x.shape)} and W_{letter} {tuple(matrix.shape)}; give x (T, C) and W (C, D), "
                "for a layer of torch linear.weight.T"
            )
        drawn.append(box(f"W_{letter}", matrix, "C D", rows=features, columns=columns, accent=accent))
        drawn.append(box(name, x @ matrix, "T D", rows=words, columns=columns, accent=accent))
    first, *pairs = one_scale(*drawn)
    rows = [[sign("@"), learned, sign("="), made] for learned, made in zip(pairs[::2], pairs[1::2], strict=True)]
    return flow([first, fan(*rows)], title or "One x, three learned matrices", theme=theme, rows=1)


def _check_head(query: Tensor, key: Tensor, value: Tensor) -> None:
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if any(part.dim() != 2 for part in (query, key, value)):
        raise UserError(f"{shapes}: give one head of one text, query (T, D), key (S, D), value (S, D)")
    if query.shape[1] != key.shape[1] or len(key) != len(value):
        raise UserError(f"{shapes}: query and key must have the same D, key and value the same S")


def _queries(words: Sequence[str], T: int, S: int) -> Sequence[str]:
    """The words of the queries: the last T of the S."""
    if len(words) != S or T > S:
        raise UserError(
            f"{len(words)} words for {S} keys and {T} queries; give one word per key, of which T are queries"
        )
    return words[S - T :]


def _visible(visible: Tensor | None, T: int, S: int) -> Tensor:
    """The mask, all True if there is none."""
    shown = torch.ones(T, S, dtype=torch.bool) if visible is None else style.tensor_of(visible).bool()
    if shown.shape != (T, S):
        raise UserError(
            f"visible has shape {tuple(shown.shape)}; give (T, S) = {(T, S)}, True where a query sees a key"
        )
    if not bool(shown.any(-1).all()):
        blind = int((~shown.any(-1)).nonzero()[0])
        raise UserError(f"query {blind} sees no key, so its weights are undefined; let it see at least itself")
    return shown


def _reading(weights: Tensor, asking: Sequence[str], words: Sequence[str]) -> str:
    """What the last query reads most from, in words."""
    best = int(weights[-1].argmax())
    return (
        f'"{style.visible(asking[-1])}" reads most from "{style.visible(words[best])}" (weight {weights[-1, best]:.2f})'
    )
