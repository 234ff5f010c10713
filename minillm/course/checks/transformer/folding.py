"""Models for 06.2, whose norm weights are folded, rightly or with one thing done differently."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference

Weights = dict[str, Tensor]
ATTENTION = ("attention.query", "attention.key", "attention.value")
FEEDFORWARD = ("feedforward.gate", "feedforward.up")
READERS = {"attention_norm": ATTENTION, "feedforward_norm": FEEDFORWARD}
EMBEDDING, HEAD, FINAL = "embedding.weight", "head.weight", "final_norm.weight"


def fold(weights: Weights) -> Weights:
    """The right answer: column c of each matrix after a norm, times the norm's weight c.

    >>> norm, table = torch.tensor([2.0, 3.0]), torch.ones(1, 2)
    >>> {name: weight.tolist() for name, weight in fold({EMBEDDING: table, FINAL: norm}).items()}
    {'embedding.weight': [[1.0, 1.0]], 'final_norm.weight': [1.0, 1.0], 'head.weight': [[2.0, 3.0]]}
    """
    return fold_with(weights)


def scale_columns(matrix: Tensor, norm: Tensor) -> Tensor:
    """Column c times the norm's weight c."""
    return (matrix * norm).to(matrix.dtype)


def fold_with(
    weights: Weights,
    *,
    readers=READERS,
    times: Callable[[Tensor, Tensor], Tensor] = scale_columns,
    left: Callable[[Tensor], Tensor] = torch.ones_like,
    blocks: Callable[[str], bool] = lambda block: True,
    of: Callable[[str], str] = lambda norm: norm,
    head: bool = True,
) -> Weights:
    """A fold with one thing done differently; `left` is left of a norm, and `of` says which norm stands for which."""
    folded = dict(weights)
    for name in [name for name in weights if name.startswith("blocks.") and "_norm." in name]:
        block, part = name.removesuffix(".weight").rsplit(".", 1)
        if blocks(block):
            for matrix in (f"{block}.{reader}.weight" for reader in readers.get(part, ())):
                if matrix in weights:
                    folded[matrix] = times(weights[matrix], weights[of(name)])
            folded[name] = left(weights[name])
    if head:
        folded[HEAD] = times(weights.get(HEAD, weights[EMBEDDING]), weights[FINAL])
        folded[FINAL] = left(weights[FINAL])
    return folded


def _drawn(rng: random.Random, *shape: int, of: tuple[float, ...]) -> Tensor:
    return torch.tensor([rng.choice(of) for _ in range(torch.Size(shape).numel())]).view(shape)


MATRIX = tuple(x / 2 for x in range(-9, 10) if abs(x) > 1)  # few digits: a product with a norm's weight is exact
NORM = (0.25, 0.5, 0.75, 1.5, 2.0, 3.0)  # in bfloat16, too


def _model(
    rng: random.Random, tied: bool, n_blocks: int, C: int, F: int, wide: int, *, gate: bool = True, bias: bool = False
) -> Weights:
    """A model of `wide` queries and F neurons; no two norms of it are equal or multiples of each other."""
    shapes = {part: (wide if part == ATTENTION[0] else C, C) for part in ATTENTION}
    shapes |= {"attention.output": (C, wide), "feedforward.up": (F, C), "feedforward.down": (C, F)}
    shapes |= {"feedforward.gate": (F, C)} if gate else {}
    weights = {EMBEDDING: _drawn(rng, 4, C, of=MATRIX)}
    for number in range(n_blocks):
        block = f"blocks.{number}"
        for norm in READERS:
            weights[f"{block}.{norm}.weight"] = _norm(rng, C)
            for part, shape in shapes.items():
                if part.split(".")[0] == norm.removesuffix("_norm"):
                    weights[f"{block}.{part}.weight"] = _drawn(rng, *shape, of=MATRIX)
                    if bias:
                        weights[f"{block}.{part}.bias"] = _drawn(rng, shape[0], of=MATRIX)
    weights[FINAL] = _norm(rng, C)
    return weights if tied else weights | {HEAD: _drawn(rng, 4, C, of=MATRIX)}


def _norm(rng: random.Random, C: int) -> Tensor:
    return torch.tensor(rng.sample(NORM, C))


def _half(weights: Weights, norms: torch.dtype) -> Weights:
    """The matrices in bfloat16, the norms in another dtype."""
    return {name: weight.to(norms if "norm" in name else torch.bfloat16) for name, weight in weights.items()}


def models(rng: random.Random, tied: bool) -> list[Call]:
    """One model for each kind in KINDS."""
    few, square = _model(rng, tied, 1, 2, 3, 3), _model(rng, tied, 1, 3, 3, 3, bias=True)
    plain, many = _model(rng, tied, 2, 3, 4, 3, gate=False, bias=True), _model(rng, tied, 12, 2, 3, 4)
    half = _half(_model(rng, tied, 2, 3, 4, 3), torch.bfloat16), _half(_model(rng, tied, 1, 2, 3, 2), torch.float32)
    return [(few,), (_model(rng, tied, 2, 2, 4, 3),), (square,), (plain,), (many,), (half[0],), (half[1],)]


KINDS = (
    "one block",
    "two blocks",
    "square matrices with biases",
    "a layer without a gate",
    "twelve blocks",
    "bfloat16",
    "bfloat16 matrices and float32 norms",
)


def relation(weights: Weights, name: str, tensor: Any) -> str | None:
    """What a tensor has to do with one that came in, in words."""
    old = weights[name].double()
    if difference(old, tensor) is None:
        return "as it came in" if name != EMBEDDING else "the embedding as it came in"
    if difference(torch.ones_like(old), tensor) is None or difference(torch.zeros_like(old), tensor) is None:
        return f"{'ones' if difference(torch.ones_like(old), tensor) is None else 'zeros'}"
    if type(tensor) is not torch.Tensor or tensor.shape != old.shape:
        return f"of shape {tuple(tensor.shape)}" if type(tensor) is torch.Tensor else None
    parts, found = "columns" if old.dim() > 1 else "numbers", []
    own = f"{name.rpartition('.weight')[0].rpartition('.')[0]}_norm.weight" if name.startswith("blocks.") else FINAL
    norms = [other for other in weights if other.endswith("norm.weight") and weights[other].shape == old.shape[-1:]]
    for norm in sorted(norms, key=lambda other: other != own):
        g = weights[norm].double()
        results = {f"its {parts} times {norm!r}": old * g, f"its {parts} divided by {norm!r}": old / g}
        results[f"its {parts} times the square of {norm!r}"] = old * g * g
        if len(old) == len(g) and old.dim() > 1:
            results[f"its rows times {norm!r}"] = g[:, None] * old
        found += [words for words, result in results.items() if difference(result, tensor) is None]
        if norm == own and found:
            return found[0]
    return found[0] if len(found) == 1 else None  # two norms may explain the same numbers


def scale_rows(matrix: Tensor, norm: Tensor) -> Tensor:
    """Rows in place of columns, where the shapes allow it."""
    return scale_columns(matrix.T, norm).T if len(matrix) == len(norm) else scale_columns(matrix, norm)


def as_well(weights: Weights, *parts: str, rows: bool = False) -> Weights:
    """Folded, and what writes to the stream is multiplied, too, where the shapes allow it."""
    folded = fold(weights)
    for name, weight in weights.items():
        if name.endswith(parts):
            norm = weights[".".join(name.split(".")[:3]) + "_norm.weight"]
            if weight.shape[0 if rows else -1] == len(norm):
                folded[name] = scale_columns(weight.T, norm).T if rows else scale_columns(weight, norm)
    return folded


def same_beginning(weights: Weights) -> Weights:
    """The norm of the last block whose number begins alike."""

    def last(name: str) -> str:
        block, part = name.rsplit(".", 2)[:2]
        return [other for other in weights if other.startswith(block) and other.endswith(f".{part}.weight")][-1]

    return fold_with(weights, of=last)


def both_beginnings(weights: Weights) -> Weights:
    """Folded, and multiplied once more by the norms of all blocks whose number is the beginning of its own."""
    folded = fold(weights)
    for name in [name for name in weights if name.startswith("blocks.") and "_norm." in name]:
        block, part = name.removesuffix(".weight").rsplit(".", 1)
        for other in weights:
            longer = other.startswith(block) and not other.startswith(f"{block}.")
            if longer and other.endswith(tuple(f".{reader}.weight" for reader in READERS[part])):
                folded[other] = scale_columns(folded[other], weights[name])
    return folded


def one_digit(weights: Weights, norms_too: bool) -> Weights:
    """Folded, but for blocks from number 10 on; `norms_too` leaves their norms as they came in."""
    late = {name: weight for name, weight in weights.items() if name.startswith("blocks.") and name[8] != "."}
    return fold(weights) | {name: weight for name, weight in late.items() if norms_too or "_norm." not in name}


def without(weights: Weights, part: str) -> Weights:
    """Folded, but for what belongs to a part."""
    return fold(weights) | {name: weight for name, weight in weights.items() if f".{part}" in name}


def swapped(name: str) -> str:
    """The name of the block's other norm."""
    block, part = name.rsplit(".", 2)[:2]
    return f"{block}.{'feedforward' if part.startswith('attention') else 'attention'}_norm.weight"
