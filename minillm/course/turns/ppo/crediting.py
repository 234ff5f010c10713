"""10b.gae: how much better than expected things went after each token (Schulman et al. 2016, equation 16)."""

import random

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.ppo.crediting_mistakes import PADDED, WHOLE
from minillm.course.turns.ppo.tables import masks, no_table, shuffled


def gae(rewards, values, mask, gamma, lam):
    """The advantage of each token (B, T), 0 after an answer."""
    advantages = torch.zeros_like(rewards)
    next_value = next_advantage = torch.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = (delta + gamma * lam * next_advantage) * mask[:, t]
        next_value, next_advantage = values[:, t] * mask[:, t], advantages[:, t]
    return advantages


turn = Turn(
    "10b.gae",
    "The advantage of each token",
    gae,
    minutes=11,
    difficulty=4,
    constants=("rewards", "values", "mask", "gamma", "lam"),
    hints=(
        "A_t needs A_(t+1). With which token do you have to begin?",
        "Set `values` to 0 after the end: `values * mask`. Then the value after the last token is 0 by itself, but for "
        "the last column, which has no column after it.",
        "Go from the last column to the first. Keep two tensors of B zeros: the value and the advantage of the column "
        "that you've just done. At each column: delta, then the advantage, then both are replaced.",
    ),
    errors={
        "out of bounds|out of range": "The last column has no column after it: there, V_(t+1) and A_(t+1) are 0.",
        "size of tensor|must match|shape mismatch|expand|Sizes of tensors": "A column of the table, `values[:, t]`, is "
        "(B,); a row, `values[t]`, is one answer.",
        r"name '\w*(delta|next|last|return|lambda|discount|gae|advantage|td|done|steps|T|B)\w*' is not defined": "The "
        "arguments are `rewards`, `values`, `mask`, `gamma` and `lam`; `B, T = rewards.shape`.",
        "changed the input": "Make a table of your own for the advantages: `torch.zeros_like(rewards)`.",
        "only one element|converted to|ambiguous": "There are B answers: a column holds B numbers. Compute with all of "
        "them at once, or take `rewards[b, t]`.",
        "boolean|bool|not implemented for": "`mask` holds True and False: multiply by it, or use `~mask`.",
        "not callable|has no attribute|step must be|negative step": "A tensor can't be reversed with `[::-1]`: use "
        "`.flip(1)`, or count down with `reversed(range(T))`.",
    },
    debrief=Debrief(
        "Libraries run the same loop backwards over the whole batch. RLHF code usually has gamma = 1, and lambda 0.95 "
        "or 1: an answer is short, and its score comes at the end.",
        "With lambda = 1 and gamma = 1, which sum do all the deltas of an answer make, and what is left of the values?",
    ),
)


def _answers(rng: random.Random, *lengths: int, gamma: float | None = None, lam: float | None = None) -> Call:
    """Rewards that are 0 after an answer, and values that are not."""
    mask = shuffled(rng, *lengths)
    rewards, values = numbers(rng, *mask.shape, scale=2.0) * mask + 0.0, numbers(rng, *mask.shape, scale=2.0) + 0.5
    gamma = rng.choice([0.5, 0.8, 0.9]) if gamma is None else gamma
    return rewards, values, mask, gamma, rng.choice([0.4, 0.6, 0.75]) if lam is None else lam


def _whole(rng: random.Random) -> list[Call]:
    """Answers as long as the table."""
    small: Call = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[2.0, 1.0, 2.0]]), masks((3,)), 0.5, 0.5
    return [small, _answers(rng, 3, 3), _answers(rng, 4, 4, 4), _answers(rng, 5, 5)]


def _some(rng: random.Random) -> list[Call]:
    return [_answers(rng, 2, 3), _answers(rng, 5, 3), _answers(rng, 2, 6, 4, 5), _answers(rng, 1, 4, 3)]


def _edges(rng: random.Random) -> list[Call]:
    """No discount; lambda 0 and 1."""
    return [
        _answers(rng, 3, 5, gamma=1.0, lam=1.0),
        _answers(rng, 4, 3, gamma=1.0, lam=0.95),
        _answers(rng, 4, 2, gamma=0.9, lam=0.0),
        _answers(rng, 1, gamma=1.0, lam=1.0),
    ]


whole = turn.probe("answers as long as the table", _whole, no_table)
some = turn.probe("answers of several lengths", _some, no_table)
for probe, mistakes in ((whole, WHOLE), (some, PADDED)):
    for sentence, hint, answer in mistakes:
        probe.mistake(sentence, hint, answer)
turn.probe("no discount, lambda 0 and 1", _edges, no_table)
