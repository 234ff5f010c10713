"""10b.token_rewards: the reward of each token, a KL penalty and at the end the score (Ouyang et al. 2022, eq. 2)."""

import random

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.ppo.rewarding_mistakes import MISTAKES
from minillm.course.turns.ppo.tables import masks, no_table, shuffled


def token_rewards(score, log_p, log_p_ref, mask, beta):
    """The reward of each token (B, T): the KL penalty, and at an answer's last token its score, too."""
    rewards = -beta * (log_p - log_p_ref) * mask
    last = mask.sum(dim=1) - 1
    rewards[torch.arange(len(score)), last] += score
    return rewards


turn = Turn(
    "10b.token_rewards",
    "A reward for each token",
    token_rewards,
    minutes=7,
    difficulty=2,
    constants=("score", "log_p", "log_p_ref", "mask", "beta"),
    hints=(
        "An answer has 3 tokens, and the table has 5 columns. In which column does its score belong?",
        "First the penalty, as one table: a difference of two tables, times a number, times `mask`.",
        "`mask.sum(dim=1)` counts the tokens of each answer, and columns are counted from 0. To pick one entry per "
        "row, index with row numbers, `torch.arange(B)`, and column numbers.",
    ),
    errors={
        "size of tensor|shape mismatch|must match|broadcast": "`score` is (B,), the tables are (B, T). Which entry of "
        "each row gets a score?",
        r"name '\w*(reward|kl|lengths?|last|ref|ratio|logp|B|T)\w*' is not defined": "The arguments are `score`, "
        "`log_p`, `log_p_ref`, `mask` and `beta`; `B, T = mask.shape`.",
        "out of bounds|out of range": "An answer of n tokens ends in column n - 1, and the last column has none after "
        "it. `mask.sum(dim=1)` counts the tokens of each answer.",
        "desired output type Bool": "A table like `mask` holds True and False only: make it `torch.zeros_like(log_p)`.",
        "infer output dtype|boolean tensors|not implemented for": "`mask` holds True and False: "
        "`mask.sum(dim=1)` counts, and a table times `mask` is 0 where it's False.",
        "changed the input": "Make a table of your own: `rewards = -beta * ...` is a new one.",
        "Index tensor|same number of dimensions|int64": "`scatter_add` wants an index (B, 1) of int64: "
        "`last[:, None]`.",
        "only one element|converted to|ambiguous": "Each answer has its own length: B numbers, not one.",
        "not callable|has no attribute": "All but `beta` are tensors; `mask.sum(dim=1)` counts tokens.",
    },
    debrief=Debrief(
        "TRL's PPO trainer does the same. GRPO leaves the rewards alone and adds the KL to the loss; since 2025 its "
        "default coefficient in TRL is 0.",
        "The penalty is positive where the policy finds its token less probable than the reference does. Can the "
        "policy earn reward that way, on average?",
    ),
)


def _answers(rng: random.Random, *lengths: int) -> Call:
    """Scores, log-probabilities, and junk where an answer has ended."""
    mask = shuffled(rng, *lengths)
    log_p, log_p_ref = (-0.2 - numbers(rng, *mask.shape).abs() for _ in range(2))
    return numbers(rng, len(mask), scale=2.0) + 0.5, log_p, log_p_ref, mask, rng.choice([0.1, 0.2, 0.5])


def _some(rng: random.Random) -> list[Call]:
    small = torch.tensor([3.0, -1.0]), torch.tensor([[-1.0, -0.5, -2.0], [-0.3, -1.0, -0.7]])
    table = torch.tensor([[-2.0, -0.7, -1.5], [-0.5, -0.6, -0.1]])
    first: Call = (*small, table, masks((3, 2)), 0.1)
    return [first, _answers(rng, 4, 2), _answers(rng, 3, 5, 4), _answers(rng, 2, 6, 3, 4), _answers(rng, 5, 3)]


def _ends(rng: random.Random) -> list[Call]:
    """Answers of one token, and one answer alone."""
    return [_answers(rng, 1, 3, 2), _answers(rng, 4), _answers(rng, 1)]


some = turn.probe("answers of several lengths", _some, no_table)
for sentence, hint, answer in MISTAKES:
    some.mistake(sentence, hint, answer)
turn.probe("answers of one token, and one alone", _ends, no_table)
