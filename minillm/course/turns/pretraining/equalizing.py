"""08.orthogonalize: the core of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), Newton-Schulz."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def orthogonalize(M, steps=5):
    """The matrix with its singular values moved close to 1, and its singular vectors kept."""
    tall = M.shape[0] > M.shape[1]
    X = M.T if tall else M
    X = X / (X.norm() + 1e-7)
    for _ in range(steps):
        A = X @ X.T
        X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
    return X.T if tall else X


turn = Turn(
    "08.orthogonalize",
    "Orthogonalize",
    orthogonalize,
    minutes=8,
    difficulty=3,
    constants=("M",),
    hints=(
        "M is (6, 2). How large is X Xᵀ if you don't transpose it, and if you do?",
        "Before the loop: transpose if there are more rows than columns, and divide by the norm of all entries. After "
        "it: transpose back.",
        "In each round make A anew from the present X. The three terms are X, A X and A A X, each with its number.",
    ),
    errors={
        "changed the input": "`M` is the caller's: begin with `X = M / ...`, which is a new tensor.",
        "cannot be multiplied|size mismatch|must match|inconsistent": "X Xᵀ is `X @ X.T`. A has as many rows as X, so "
        "it stands on the left: `A @ X`.",
        "name '(X|A|a|b|c|G|G_norm|T)' is not defined": "X begins as M over its norm, and A is `X @ X.T`, made in each "
        "round.",
        "a must be|Expected all|must be 2-D|Dimension out of range": "M is one matrix, (rows, columns), with no batch.",
        "object is not callable": "`M.shape` is no call; `M.norm()` is one. And `2 (x)` calls the number 2.",
        "numpy": "`M` is a tensor: it has `.T`, `.norm()` and `@`.",
        "has not finished": "The loop has `steps` rounds, no more.",
    },
    debrief=Debrief(
        "Keller Jordan's Muon does this in bfloat16, for all matrices of one shape at once. Kimi K2 was trained by "
        "a variant of it, with AdamW for embeddings and norms.",
        "SVD would give UVᵀ exactly. Why do five rounds of matrix products win on a GPU?",
    ),
)

A_, B_, C_ = 3.4445, -4.7750, 2.0315
EXPLODED = 10.0  # no singular value passes 1.3 if M was divided by its norm
Rounds = Callable[[Tensor], Tensor]


def _round(X: Tensor) -> Tensor:
    A = X @ X.T
    return A_ * X + (B_ * A + C_ * A @ A) @ X


def _changed(
    *,
    norm: Callable[[Tensor], Any] = lambda M: M.norm() + 1e-7,
    each: Rounds = _round,
    rounds: Callable[[int], int] = lambda steps: steps,
    turned: Callable[[Tensor], bool] = lambda M: M.shape[0] > M.shape[1],
    back: bool = True,
) -> Callable[[Tensor, int], Tensor]:
    """The function with one thing done differently."""

    def orthogonalize(M: Tensor, steps: int) -> Tensor:
        X = M.T if turned(M) else M
        X = X / norm(X)
        for _ in range(rounds(steps)):
            X = each(X)
        return X.T if turned(M) and back else X

    return orthogonalize


def _square(rng: random.Random) -> list[Call]:
    """Square and wide, with the usual five rounds."""
    small: Call = (torch.tensor([[3.0, 1.0], [0.0, 0.5]]), 5)
    return [small, (numbers(rng, 2, 3), 5), (numbers(rng, 3, 3, scale=0.2), 5), (numbers(rng, 2, 5, scale=20.0), 5)]


def _tall(rng: random.Random) -> list[Call]:
    return [(numbers(rng, rows, columns), 5) for rows, columns in ((3, 2), (5, 2), (6, 3))]


def _rounds(rng: random.Random) -> list[Call]:
    """Other numbers of rounds, none at all among them."""
    return [(numbers(rng, 2, 2), 1), (numbers(rng, 2, 3), 2), (numbers(rng, 4, 3), 3), (numbers(rng, 3, 4), 0)]


def _zeros(rng: random.Random) -> list[Call]:
    """A parameter that got no gradient yet; and a matrix of rank 1."""
    return [(torch.zeros(2, 3), 5), (torch.zeros(3, 2), 2), (numbers(rng, 3, 1) @ numbers(rng, 1, 4), 5)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several things, or a shape that is turned."""
    for index, (due, answer) in enumerate(zip(right, got, strict=True)):
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return the matrix alone.", index
        tensor = as_tensor(answer)
        if tensor is not None and tensor.shape != due.shape and tensor.shape == due.T.shape:
            if difference(due.T.contiguous(), tensor) is None:
                return "A tall matrix comes back transposed.", "Transpose the result back: `X.T`.", index
            return "The result is transposed.", "It must have the shape of `M`.", index
        if tensor is None or tensor.shape != due.shape:
            continue
        if tensor.dtype in (torch.bfloat16, torch.float16):
            hint = "It's enough for training, and faster there. Here, stay in the type of `M`."
            return f"The result is in {str(tensor.dtype)[6:]}, which keeps two or three digits.", hint, index
        if not calls[index][0].any() and not tensor.isfinite().all():
            hint = "A matrix of zeros has norm 0: add 1e-7 to the norm."
            return "NaN for a matrix of zeros.", hint, index
        if not tensor.isfinite().all() or tensor.abs().max() > EXPLODED:
            hint = (
                "Is M divided by the norm of all its entries before the loop? Is b negative? Are all products matrix "
                "products, and all three terms made from the same X?"
            )
            return "The numbers explode: a round makes singular values above 1.3 larger and larger.", hint, index
    return None


square = turn.probe("square and wide", _square, _form, demand=same_kind)
tall = turn.probe("tall", _tall, _form, demand=same_kind)
rounds = turn.probe("other numbers of rounds", _rounds, _form, demand=same_kind)
zeros = turn.probe("zeros, and rank 1", _zeros, _form, demand=same_kind)

square.mistake(
    "M is divided by the sum of its entries' sizes.",
    "The norm is the root of the sum of all squares: `M.norm()`.",
    _changed(norm=lambda M: M.abs().sum() + 1e-7),
)
square.mistake(
    "M is divided by the square of its norm.",
    "Take the root of the sum of squares: `M.norm()`.",
    _changed(norm=lambda M: M.square().sum() + 1e-7),
)
square.mistake(
    "M is divided by its largest singular value.",
    "That would do, too, but costs a decomposition. Here it's the norm of all entries: `M.norm()`.",
    _changed(norm=lambda M: torch.linalg.matrix_norm(M, 2) + 1e-7),
)
square.mistake(
    "A is made once, before the loop.",
    "X changes in each round, and A with it: compute `X @ X.T` inside the loop.",
    lambda M, steps: _with_one_gram(M, steps),
)
square.mistake(
    "The entries of A are squared one by one: `A * A` or `A**2`.",
    "The square of a matrix is `A @ A`.",
    _changed(each=lambda X: A_ * X + (B_ * X @ X.T + C_ * (X @ X.T) ** 2) @ X),
)
square.mistake(
    "Powers are taken entry by entry: `X**3` or `X * X`.",
    "The terms are matrix products: `A @ X` and `A @ A @ X`, with A = X Xᵀ.",
    _changed(each=lambda X: A_ * X + B_ * X**3 + C_ * X**5),
)
square.mistake(
    "X is divided by its norm again in each round.",
    "Only once, before the loop.",
    _changed(each=lambda X: _round(X / (X.norm() + 1e-7)), norm=lambda M: 1.0),
)
square.mistake(
    "X is divided by its norm before the loop, and again in each round.",
    "Only once, before the loop.",
    _changed(each=lambda X: _round(X) / (_round(X).norm() + 1e-7)),
)
square.mistake(
    "The last term is missing: c A A X.",
    "Three terms: X, A X and A A X.",
    _changed(each=lambda X: A_ * X + B_ * X @ X.T @ X),
)
square.mistake(
    "b and c are swapped.",
    "b belongs to A X, and c to A A X.",
    _changed(each=lambda X: A_ * X + (C_ * X @ X.T + B_ * X @ X.T @ X @ X.T) @ X),
)
square.mistake(
    "The classical coefficients 1.5 and -0.5 are used, as in X · 1.5 - A X / 2.",
    "They converge more slowly. Here a, b and c are 3.4445, -4.7750 and 2.0315.",
    _changed(each=lambda X: 1.5 * X - 0.5 * X @ X.T @ X),
)
square.mistake(
    "This is UVᵀ exactly, from the SVD. All singular values are 1.",
    "That's the aim, and too slow on a GPU. Here: five rounds of matrix products, which end near 1.",
    lambda M, steps: _exactly(M),
)
square.mistake(
    "Only one round runs.",
    "Is `return` inside the loop?",
    _changed(rounds=lambda steps: min(steps, 1)),
)
square.mistake(
    "No round runs: M is only divided by its norm.",
    "`for _ in range(steps)`, with X assigned anew in each round.",
    _changed(rounds=lambda steps: 0),
)
square.mistake(
    "X is multiplied from the right: X A, with A = X Xᵀ.",
    "A X: A stands on the left.",
    lambda M, steps: _from_the_right(M, steps),
)
tall.mistake(
    "The result is scaled by √(rows / columns).",
    "Muon scales later, in its update. Return X as it is.",
    lambda M, steps: (M.shape[0] / M.shape[1]) ** 0.5 * orthogonalize(M, steps),
)
rounds.mistake(
    "There are five rounds, whatever `steps` says.",
    "`range(steps)`.",
    _changed(rounds=lambda steps: 5),
)
rounds.mistake(
    "There is one round too many.",
    "`range(steps)` has `steps` rounds.",
    _changed(rounds=lambda steps: steps + 1),
)
rounds.mistake(
    "There is one round too few.",
    "`range(steps)` has `steps` rounds.",
    _changed(rounds=lambda steps: max(steps - 1, 0)),
)


def _exactly(M: Tensor) -> Tensor:
    U, _, V = torch.linalg.svd(M, full_matrices=False)
    return U @ V


def _with_one_gram(M: Tensor, steps: int) -> Tensor:
    X = M / (M.norm() + 1e-7)
    A = X @ X.T
    for _ in range(steps):
        X = A_ * X + (B_ * A + C_ * A @ A) @ X
    return X


def _from_the_right(M: Tensor, steps: int) -> Tensor:
    X = M / (M.norm() + 1e-7)
    for _ in range(steps):
        A = X @ X.T
        right = A if A.shape[0] == X.shape[1] else X.T @ X  # other shapes raise an error
        X = A_ * X + B_ * X @ right + C_ * X @ right @ right
    return X
