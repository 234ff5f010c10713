"""02.4: what pairs, noise and hits bring to the slopes of both tables, how often a wrong step counts each, a draw."""

import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor, difference

Tables = tuple[Tensor, Tensor]  # E and U
ROLES = ("of the context", "of the noise", "of noise that hits the pair's own context")


def _pieces(E, U, words, contexts, noise) -> list[list[Tensor]]:
    """For each table what the pairs, the noise and the hits bring to its slopes, each (V, C)."""
    E, U = E.double(), U.double()
    e, u, hit = E[words], U[noise], noise == contexts[:, None]
    right = (torch.sigmoid((U[contexts] * e).sum(-1)) - 1)[:, None]
    wrong = torch.sigmoid((u * e[:, None]).sum(-1))[..., None]
    split = [wrong * keep[..., None] for keep in (~hit, hit)]
    to_E = [right * U[contexts], *((part * u).sum(1) for part in split)]
    to_U = [(part * e[:, None]).flatten(0, 1) for part in split]
    zeros = torch.zeros_like(E)
    return [
        [zeros.index_add(0, words, part) for part in to_E],
        [zeros.index_add(0, contexts, right * e), *(zeros.index_add(0, noise.flatten(), part) for part in to_U)],
    ]


def _how_often(calls: list[Call], got: list[Any]) -> tuple[str, str] | None:
    """How often each part of the slopes is counted, if the steps are made of these parts."""
    hint = "The word's row moves by the context's row and by the noise's, and each of them by the word's row."
    for index, name in enumerate("EU"):
        pieces = [_pieces(*call[:-1])[index] for call in calls]
        moved = [(call[index] - as_tensor(answer[index])) / call[-1] for call, answer in zip(calls, got, strict=True)]
        columns = torch.stack([torch.cat([one[role].flatten() for one in pieces]) for role in range(3)], 1)
        total = torch.cat([one.flatten() for one in moved]).double()
        used = [role for role in range(3) if columns[:, role].any()]
        times = torch.linalg.lstsq(columns[:, used], total).solution
        if difference(total, columns[:, used] @ times):
            return None
        for role, n in zip(used, times.tolist(), strict=True):
            due = 0.0 if role == 2 else 1.0
            if abs(n - due) > 0.01:
                share = f"In {name}, the part {ROLES[role]} is"
                if abs(n) < 0.01:
                    return f"{share} missing.", hint
                if abs(n + 1) < 0.01:
                    return f"{share} taken with the other sign.", hint
                return f"{share} taken {n:.3g} times; right is {due:.0f} times.", hint
    return None


def which_row(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which part of the slopes is counted wrongly, or the first wrong row."""
    for answer, wanted in zip(got, right, strict=True):
        if type(answer) not in (list, tuple) or len(answer) != 2:
            return None
        for due, gave in zip(wanted, map(as_tensor, answer), strict=True):
            if gave is None or gave.shape != due.shape:
                return None
    if named := _how_often(calls, got):
        return named
    for (_, _, words, contexts, noise, _), wanted, answer in zip(calls, right, got, strict=True):
        for name, due, gave in zip("EU", wanted, map(as_tensor, answer), strict=True):
            if gave is not None and (wrong := apart(due, gave).any(-1).nonzero().flatten().tolist()):
                row = wrong[0]
                roles = {"words": words} if name == "E" else {"contexts": contexts, "noise": noise}
                times = ", ".join(f"{int((ids == row).sum())}× in {role}" for role, ids in roles.items())
                hint = "Write down every term of the loss with this row. One that is named nowhere stays."
                return f"Row {row} of {name} is wrong. It is named {times}.", hint
    return None


def with_rows(old: Tables, words, contexts, noise, rate, new: Tables) -> Tables:
    """A step with the scores of the old tables, but with the rows of new ones."""
    (E, U), (rows_E, rows_U) = old, new
    right = (torch.sigmoid((U[contexts] * E[words]).sum(-1)) - 1)[:, None]
    wrong = torch.sigmoid((U[noise] * E[words][:, None]).sum(-1)) * (noise != contexts[:, None])
    by_word = right * rows_U[contexts] + (wrong[..., None] * rows_U[noise]).sum(1)
    by_noise = (wrong[..., None] * rows_E[words][:, None]).flatten(0, 1)
    new_U = U.index_add(0, contexts, right * rows_E[words], alpha=-rate)
    return E.index_add(0, words, by_word, alpha=-rate), new_U.index_add(0, noise.flatten(), by_noise, alpha=-rate)


def last_only(E, U, words, contexts, noise, rate, *, E_too: bool, U_too: bool):
    """What `table[ids] += ...` writes: of an id that occurs several times, the last."""
    weight = (noise != contexts[:, None]).float()
    slope_right = torch.sigmoid((U[contexts] * E[words]).sum(-1)) - 1  # (N,)
    slope_wrong = torch.sigmoid((U[noise] * E[words][:, None]).sum(-1)) * weight  # (N, K)
    for_word = slope_right[:, None] * U[contexts] + (slope_wrong[..., None] * U[noise]).sum(1)
    new_E, new_U = E.clone(), U.clone()
    for table, ids, slopes, lost in (
        (new_E, words, for_word, E_too),
        (new_U, contexts, slope_right[:, None] * E[words], U_too),
        (new_U, noise.flatten(), (slope_wrong[..., None] * E[words][:, None]).flatten(0, 1), U_too),
    ):
        if lost:
            same = ids[:, None] == ids
            last = torch.tensor([int(row.nonzero()[-1]) for row in same])
            slopes = slopes[last] / same.sum(1, keepdim=True)  # all copies together add it once
        table.index_add_(0, ids, slopes, alpha=-rate)
    return new_E, new_U


def averaged_noise(E, U, words, contexts, noise, rate, *, E_too: bool, U_too: bool) -> Tables:
    """A step in which the part of the noise is a mean over the draws."""
    new = []
    for index, (table, averaged) in enumerate(((E, E_too), (U, U_too))):
        pair, draws, _ = _pieces(E, U, words, contexts, noise)[index]
        new.append((table - rate * (pair + draws / (noise.shape[1] if averaged else 1))).float())
    return new[0], new[1]


def nearly_sure(rng: random.Random) -> Call:
    """Scores between 6 and 8, above and below 0: their sigmoids are not quite 0 or 1."""
    ids = rng.sample(range(9), 9)
    E, U = numbers(rng, 9, 2), numbers(rng, 9, 2)
    E[ids[0]] = torch.tensor([4.0, 0.0])
    U[ids[1:5], 0] = torch.tensor([rng.randint(16, 19) / 10 * sign for sign in (1, 1, -1, -1)])
    return E, U, *map(torch.tensor, ([ids[0]], [ids[rng.choice((1, 3))]], [[ids[2], ids[4]]])), 0.5


def first_draws(words: Tensor, contexts: Tensor, noise: Tensor) -> Tensor:
    """True where a word is drawn for the first time for its pair, and isn't its context."""
    return ((noise[:, :, None] == noise[:, None]).int().argmax(-1) == torch.arange(noise.shape[1])) & (
        noise != contexts[:, None]
    )
