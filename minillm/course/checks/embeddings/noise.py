"""02.4: a step of skip-gram with negative sampling (Mikolov et al. 2013b, eq. 4)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.embeddings.terms import (
    Tables,
    averaged_noise,
    first_draws,
    last_only,
    nearly_sure,
    which_row,
    with_rows,
)
from minillm.course.checks.question import Question


def step(
    E: Float[Tensor, "V C"],
    U: Float[Tensor, "V C"],
    words: Int[Tensor, "N"],
    contexts: Int[Tensor, "N"],
    noise: Int[Tensor, "N K"],
    rate: float,
) -> Tables:
    """The right answer, by autograd: both tables after one step down.

    >>> E, U = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [0.0]])
    >>> step(E, U, torch.tensor([0]), torch.tensor([0]), torch.tensor([[1]]), rate=1.0)
    (tensor([[1.],
            [2.]]), tensor([[ 0.5000],
            [-0.5000]]))
    """
    return _step(E, U, words, contexts, noise, rate)


def _loss(E: Tensor, U: Tensor, words: Tensor, contexts: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
    """-log sigmoid of the right scores and of minus the wrong ones; `mask` is (N, K), True where noise counts."""
    right = (U[contexts] * E[words]).sum(-1)
    wrong = (U[noise] * E[words][:, None]).sum(-1)
    return -F.logsigmoid(right).sum() - F.logsigmoid(-wrong)[mask].sum()


def _step(
    E: Tensor,
    U: Tensor,
    words: Tensor,
    contexts: Tensor,
    noise: Tensor,
    rate: float,
    *,
    loss: Callable[..., Tensor] = _loss,
    mask: Callable[..., Tensor] = lambda words, contexts, noise: noise != contexts[:, None],
    rates: Callable[[Tensor, Tensor], tuple[float, float]] = lambda words, noise: (1, 1),
) -> Tables:
    """A step by autograd; `rates` are factors for E's rate and for U's."""
    with torch.enable_grad():
        tables = [table.detach().double().requires_grad_() for table in (E, U)]
        value = loss(*tables, words, contexts, noise, mask(words, contexts, noise))
        slopes = torch.autograd.grad(value, tables)
    factors = rates(words, noise)
    stepped = [t.detach() - rate * f * s for t, f, s in zip(tables, factors, slopes, strict=True)]
    return stepped[0].float(), stepped[1].float()


def _with_loss(loss: Callable[..., Any]) -> Callable[..., Any]:
    return partial(_step, loss=loss)


def _drawn(
    rng: random.Random, *sizes: tuple[int, int, int], repeats: bool = False, clashes: bool = False
) -> list[Call]:
    """For each (N, K, C) two tables of nine rows, and pairs; noise is apart from all pairs unless it `clashes`."""
    calls = []
    for N, K, C in sizes:
        ids = rng.sample(range(9), 9)
        some = (lambda pool, k: rng.choices(pool[:3], k=k)) if repeats else rng.sample
        words, contexts = some(ids[:4], N), some(ids[:4], N)
        noise = [some(ids[4:], K) for _ in range(N)]
        if clashes:  # with its own context, and with what else is in the pairs
            for n in range(N):
                noise[n][:2] = [contexts[n], rng.choice(words + contexts)]
        calls.append((*(numbers(rng, 9, C) for _ in range(2)), *map(torch.tensor, (words, contexts, noise)), 0.5))
    return calls


def _different(rng: random.Random) -> list[Call]:
    calls = _drawn(rng, (1, 1, 1), (1, 3, 2), (1, 4, 3), (1, 5, 2), (1, 5, 4), (1, 3, 2))
    E, U, *others = calls.pop()
    return [*calls, (20 * E, 10 * U, *others), nearly_sure(rng)]


def _hits(rng: random.Random) -> list[Call]:
    """Some draws hit, then all of them, then none."""
    calls = _drawn(rng, (2, 2, 1), (3, 4, 2), (4, 3, 2), (4, 3, 3), (4, 5, 3), clashes=True)
    E, U, words, contexts, noise, rate = _drawn(rng, (2, 2, 2))[0]
    every = E, U, words, contexts, contexts[:, None].repeat(1, 2), rate
    return [*calls, every, (E, U, words, contexts, noise, rate)]


question = Question(
    "02.4",
    "Skip-gram with negative sampling",
    step,
    forbidden=("minillm", "torch.autograd", "torch.Tensor.backward", "torch.nn.functional.embedding"),
    parts=("E", "U"),
)

different_words = question.probe(
    "one pair, and different words",
    _different,
    which_row,
    kinds=("one draw", *["several draws"] * 4, "scores far from 0", "scores of 6 to 8 and -6 to -8"),
)


@different_words.mistake(
    "The noise is pulled closer, too.",
    "A negative sample's slope is sigmoid(score), without minus 1: its score should fall.",
)
@_with_loss
def _pulled_loss(E: Tensor, U: Tensor, words: Tensor, contexts: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
    choices = torch.cat([contexts[:, None], noise], 1)
    return -F.logsigmoid((U[choices] * E[words][:, None]).sum(-1)).sum()


different_words.mistake(
    "The noise does nothing.",
    "Each negative sample pushes e_w away, and is pushed away by it.",
    partial(_step, mask=lambda words, contexts, noise: torch.zeros_like(noise, dtype=torch.bool)),
)


@different_words.mistake(
    "It is a softmax over the right word and the noise.",
    "Each word is a question of its own, real or not: one sigmoid each, and they don't have to add up to 1.",
)
@_with_loss
def _softmax_loss(E: Tensor, U: Tensor, words: Tensor, contexts: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
    choices = torch.cat([contexts[:, None], noise], 1)
    return -(U[choices] * E[words][:, None]).sum(-1).log_softmax(-1)[:, 0].sum()


different_words.mistake(
    "The step goes uphill.",
    "Subtract rate times slope. For the context, the rows are pulled together.",
    lambda E, U, words, contexts, noise, rate: step(E, U, words, contexts, noise, -rate),
)


@different_words.mistake(
    "U is stepped with rows of E that have moved already.",
    "Compute all slopes with the tables as they came; then change both.",
)
def _first_E_then_U(E, U, words, contexts, noise, rate):
    new = step(E, U, words, contexts, noise, rate)[0]
    return new, U + step(new, U, words, contexts, noise, rate)[1] - U


@different_words.mistake(
    "E is stepped with rows of U that have moved already.",
    "Compute all slopes with the tables as they came; then change both.",
)
def _first_U_then_E(E, U, words, contexts, noise, rate):
    new = step(E, U, words, contexts, noise, rate)[1]
    return step(E, new, words, contexts, noise, rate)[0], new


@different_words.mistake(
    "U is stepped with rows of E that have moved already, if not with new scores.",
    "Compute all slopes with the tables as they came; then change both.",
)
def _new_E_old_scores(E, U, words, contexts, noise, rate):
    new = step(E, U, words, contexts, noise, rate)[0]
    return new, with_rows((E, U), words, contexts, noise, rate, (new, U))[1]


@different_words.mistake(
    "E is stepped with rows of U that have moved already, if not with new scores.",
    "Compute all slopes with the tables as they came; then change both.",
)
def _new_U_old_scores(E, U, words, contexts, noise, rate):
    new = step(E, U, words, contexts, noise, rate)[1]
    return with_rows((E, U), words, contexts, noise, rate, (E, new))[0], new


different_words.mistake(
    "The word is looked up in U, and context and noise in E.",
    "E has the rows of the words, U those of context and noise: u_context · e_word.",
    lambda E, U, words, contexts, noise, rate: step(U, E, words, contexts, noise, rate)[::-1],
)
different_words.mistake(
    "Only E learns.",
    "Every row of U in a score has a slope, too: what is sent back, times e_w.",
    partial(_step, rates=lambda words, noise: (1, 0)),
)

for _E_too, _U_too, _where in ((True, True, "both tables"), (True, False, "E"), (False, True, "U")):
    different_words.mistake(
        f"In {_where}, the part of the noise is averaged over the draws.",
        "The loss has a sum over the draws: each pushes with its whole slope.",
        partial(averaged_noise, E_too=_E_too, U_too=_U_too),
    )

repeated_words = question.probe(
    "words that occur several times",
    lambda rng: _drawn(rng, (3, 2, 1), (4, 3, 2), (5, 2, 2), (6, 4, 3), (7, 4, 3), repeats=True),
    which_row,
)
repeated_words.mistake(
    "In E, a word that occurs several times is stepped once.",
    "`E[words] -= ...` writes each row once. `index_add` adds for every pair.",
    partial(last_only, E_too=True, U_too=False),
)
repeated_words.mistake(
    "In U, a word that occurs several times is stepped once.",
    "Noise and contexts repeat. `index_add` adds for every position.",
    partial(last_only, E_too=False, U_too=True),
)
repeated_words.mistake(
    "In both tables, a word that occurs several times is stepped once.",
    "`table[ids] -= ...` writes each row once. `index_add` adds for every position.",
    partial(last_only, E_too=True, U_too=True),
)
repeated_words.mistake(
    "The slopes are divided by the number of pairs.",
    "The loss of this question is a sum over the pairs.",
    partial(_step, rates=lambda words, noise: (1 / len(words), 1 / len(words))),
)


@repeated_words.mistake(
    "The pairs are worked on one after the other.",
    "All pairs see the tables as they came. Collect the slopes of all, then step once.",
)
def _pair_by_pair(E, U, words, contexts, noise, rate):
    for n in range(len(words)):
        E, U = step(E, U, words[n : n + 1], contexts[n : n + 1], noise[n : n + 1], rate)
    return E, U


repeated_words.mistake(
    "Noise that is drawn twice for a pair counts once.",
    "The loss has one term for each draw: the same word drawn twice counts twice.",
    partial(_step, mask=first_draws),
)


hits = question.probe(
    "noise that hits the right word",
    _hits,
    which_row,
    kinds=(*["draws that hit"] * 5, "only draws that hit", "no draw that hits"),
)


@hits.mistake(
    "A pair whose noise hits the right word is left out as a whole.",
    "Leave out the one hit. The pair itself and its other noise count.",
)
def _no_such_pair(E, U, words, contexts, noise, rate):
    fine = (noise != contexts[:, None]).all(1)
    return step(E, U, words[fine], contexts[fine], noise[fine], rate)


@hits.mistake(
    "Noise that is the right word counts as one more right pair.",
    "A hit is left out: neither pushed away nor pulled closer.",
)
@_with_loss
def _hits_are_right(E: Tensor, U: Tensor, words: Tensor, contexts: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
    scores = (U[noise] * E[words][:, None]).sum(-1)
    return _loss(E, U, words, contexts, noise, mask) - F.logsigmoid(scores)[~mask].sum()


@hits.mistake(
    "The score of noise that is the right word is set to 0, and sigmoid(0) is a half, not 0.",
    "Set the *slope* at this score to 0, or the score to minus infinity.",
)
@_with_loss
def _half_a_slope(E: Tensor, U: Tensor, words: Tensor, contexts: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
    scores = (U[noise] * E[words][:, None]).sum(-1)
    return _loss(E, U, words, contexts, noise, mask) + scores[~mask].sum() / 2


hits.mistake(
    "Noise that is the right word is pushed away all the same.",
    "Where noise equals this pair's context, leave it out.",
    partial(_step, mask=lambda words, contexts, noise: noise == noise),
)
hits.mistake(
    "Noise that equals the word, not its context, is left out.",
    "A word may well be noise to itself. It is compared with the word to predict: `contexts`.",
    partial(_step, mask=lambda words, contexts, noise: noise != words[:, None]),
)
hits.mistake(
    "Noise that is the context of another pair is left out.",
    "Only its own pair matters: compare row by row, `noise != contexts[:, None]`.",
    partial(_step, mask=lambda words, contexts, noise: ~torch.isin(noise, contexts)),
)
hits.mistake(
    "A pair whose noise hits the right word loses all its noise.",
    "Leave out the one hit. The pair's other noise counts.",
    partial(
        _step, mask=lambda words, contexts, noise: (noise != contexts[:, None]).all(1, keepdim=True).expand_as(noise)
    ),
)
