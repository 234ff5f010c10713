"""10b.token_rewards: the reward of each token, a KL penalty and at the end the score (Ouyang et al. 2022, eq. 2)."""

import random

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn
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
        "out of bounds|out of range": "Columns are counted from 0: an answer of n tokens ends in column n - 1.",
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


def _rewards(
    score: Tensor,
    log_p: Tensor,
    log_p_ref: Tensor,
    mask: Tensor,
    beta: float,
    *,
    sign: float = -1.0,
    kept: bool = True,
    shift: int = 0,
    worth: float = 1.0,
    penalty: Tensor | None = None,
) -> Tensor:
    """The rewards with one thing done differently."""
    table = sign * beta * (log_p - log_p_ref if penalty is None else penalty)
    table = table * mask if kept else table.clone()
    last = (mask.sum(dim=1) - 1 + shift).clamp(0, mask.shape[1] - 1)
    table[torch.arange(len(score)), last] += worth * score
    return table


def _at(score: Tensor, table: Tensor, column: int) -> Tensor:
    table = table.clone()
    table[:, column] += score
    return table


def _penalty(log_p: Tensor, log_p_ref: Tensor, mask: Tensor, beta: float) -> Tensor:
    return -beta * (log_p - log_p_ref) * mask


def _in_place_of(score: Tensor, log_p: Tensor, log_p_ref: Tensor, mask: Tensor, beta: float) -> Tensor:
    table = _penalty(log_p, log_p_ref, mask, beta)
    table[torch.arange(len(score)), mask.sum(dim=1) - 1] = score
    return table


def _to_all_rows(score: Tensor, log_p: Tensor, log_p_ref: Tensor, mask: Tensor, beta: float) -> Tensor:
    table = _penalty(log_p, log_p_ref, mask, beta)
    table[:, mask.sum(dim=1) - 1] += score
    return table


def _whole_at_end(score: Tensor, log_p: Tensor, log_p_ref: Tensor, mask: Tensor, beta: float) -> Tensor:
    whole = score + _penalty(log_p, log_p_ref, mask, beta).sum(dim=1)
    return _rewards(whole, log_p, log_p_ref, mask, 0.0)


some = turn.probe("answers of several lengths", _some, no_table)
some.mistake(
    "The score is in the last column of the table, and shorter answers have ended before it.",
    "An answer of n tokens ends in column n - 1: `mask.sum(dim=1) - 1`.",
    lambda score, *others: _at(score, _penalty(*others), -1),
)
some.mistake(
    "The score is in the last column, and the padding is penalized, too.",
    "An answer of n tokens ends in column n - 1. What comes after it gets 0: multiply by `mask`.",
    lambda score, log_p, log_p_ref, mask, beta: _at(score, -beta * (log_p - log_p_ref), -1),
)
some.mistake(
    "Every token gets the score.",
    "The reward model has read the whole answer: its score belongs to the last token alone.",
    lambda score, log_p, log_p_ref, mask, beta: (score[:, None] - beta * (log_p - log_p_ref)) * mask,
)
some.mistake(
    "Every column gets the score, and the padding its penalty.",
    "The score belongs to the last token alone, and what comes after it gets 0.",
    lambda score, log_p, log_p_ref, mask, beta: score[:, None] - beta * (log_p - log_p_ref),
)
some.mistake(
    "Every column gets the score.",
    "The reward model has read the whole answer: its score belongs to the last token alone.",
    lambda score, *others: score[:, None] + _penalty(*others),
)
some.mistake(
    "The score is shared out among the tokens.",
    "The reward model has read the whole answer: its score belongs to the last token alone.",
    lambda score, log_p, log_p_ref, mask, beta: (
        _penalty(log_p, log_p_ref, mask, beta) + (score / mask.sum(dim=1))[:, None] * mask
    ),
)
some.mistake(
    "The score is at the first token.",
    "It belongs to the last one, when the answer is complete.",
    lambda score, *others: _at(score, _penalty(*others), 0),
)
some.mistake(
    "The score comes a token too late, in the padding.",
    "Columns are counted from 0: an answer of n tokens ends in column n - 1.",
    lambda *call: _rewards(*call, shift=1),
)
some.mistake(
    "The score comes a token too early.",
    "Columns are counted from 0: an answer of n tokens ends in column n - 1.",
    lambda *call: _rewards(*call, shift=-1),
)
some.mistake(
    "The sign of the penalty is wrong: it rewards leaving the reference.",
    "A token that the policy finds more probable than the reference does gets less: -beta (log_p - log_p_ref).",
    lambda *call: _rewards(*call, sign=1.0),
)
some.mistake(
    "The padding is penalized, too.",
    "What comes after an answer gets 0: multiply by `mask`.",
    lambda *call: _rewards(*call, kept=False),
)
some.mistake(
    "The sign of the penalty is wrong, and the padding has one, too.",
    "It's -beta (log_p - log_p_ref), and 0 after an answer: multiply by `mask`.",
    lambda *call: _rewards(*call, sign=1.0, kept=False),
)
some.mistake(
    "The score is multiplied by beta, too.",
    "Only the penalty is: beta is its weight against the score.",
    lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, beta, worth=beta),
)
some.mistake(
    "The score is missing.",
    "Add it at each answer's last token.",
    lambda *call: _rewards(*call, worth=0.0),
)
some.mistake(
    "The score is subtracted.",
    "Add it: a good answer gets more.",
    lambda *call: _rewards(*call, worth=-1.0),
)
some.mistake(
    "beta is missing.",
    "The penalty is beta times the difference of the log-probabilities.",
    lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 1.0),
)
some.mistake(
    "The penalty is divided by beta.",
    "Multiply by it: a larger beta holds the policy nearer.",
    lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 1 / beta),
)
some.mistake(
    "There is no penalty: the score alone.",
    "Every token gets -beta (log_p - log_p_ref), the last one, too.",
    lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 0.0),
)
some.mistake(
    "The last token gets the score in place of its penalty.",
    "Add the score to what is there: `+=`.",
    _in_place_of,
)
some.mistake(
    "The penalties of an answer are added up and taken from its score.",
    "That's right as a sum, but each token pays its own: then GAE can tell which one left the reference.",
    _whole_at_end,
)
some.mistake(
    "The penalty is a difference of probabilities.",
    "Leave the log-probabilities as they are: their difference is the log of a ratio.",
    lambda *call: _rewards(*call, penalty=call[1].exp() - call[2].exp()),
)
some.mistake(
    "The penalty is the ratio of the probabilities.",
    "It's the log of that ratio: log_p - log_p_ref.",
    lambda *call: _rewards(*call, penalty=(call[1] - call[2]).exp()),
)
some.mistake(
    "The penalty is weighted with the probability.",
    "The tokens were sampled: the mean over samples does that weighting. Take log_p - log_p_ref as it is.",
    lambda *call: _rewards(*call, penalty=call[1].exp() * (call[1] - call[2])),
)
some.mistake(
    "The penalty is never negative: the absolute difference.",
    "Keep its sign. Only then is its mean over samples the KL.",
    lambda *call: _rewards(*call, penalty=(call[1] - call[2]).abs()),
)
some.mistake(
    "The penalty is the square of the difference (the estimator k2).",
    "Take log_p - log_p_ref as it is: its mean over samples is the KL.",
    lambda *call: _rewards(*call, penalty=(call[1] - call[2]).square() / 2),
)
some.mistake(
    "The penalty is the square of the difference.",
    "Take log_p - log_p_ref as it is: its mean over samples is the KL.",
    lambda *call: _rewards(*call, penalty=(call[1] - call[2]).square()),
)
some.mistake(
    "The penalty is the estimator k3, as in GRPO.",
    "A fine estimate, but not what this turn asks for: take log_p - log_p_ref as it is.",
    lambda *call: _rewards(*call, penalty=(call[2] - call[1]).exp() - 1 - (call[2] - call[1])),
)
some.mistake(
    "The reference isn't used: the penalty is -beta log_p.",
    "That would be an entropy bonus. Subtract `log_p_ref` first.",
    lambda *call: _rewards(*call, penalty=call[1]),
)
some.mistake(
    "The mask is the wrong way round: the padding is penalized, and the answer isn't.",
    "True is a token of the answer: multiply by `mask`.",
    lambda score, log_p, log_p_ref, mask, beta: _rewards(
        score, log_p, log_p_ref, mask, beta, kept=False, penalty=(log_p - log_p_ref) * ~mask
    ),
)
some.mistake(
    "The penalties are averaged over the answer, and every token pays the mean.",
    "Each token has its own: the table of differences is all you need.",
    lambda *call: _rewards(
        *call, penalty=((call[1] - call[2]) * call[3]).sum(1, keepdim=True) / call[3].sum(1, keepdim=True) + 0 * call[1]
    ),
)
some.mistake(
    "Every row gets the scores of all answers.",
    "`rewards[:, last]` takes whole columns. For one entry per row: `rewards[torch.arange(B), last]`.",
    _to_all_rows,
)
some.mistake(
    "All answers end where the shortest one does.",
    "Each row has its own length: `mask.sum(dim=1)`.",
    lambda score, log_p, log_p_ref, mask, beta: _at(
        score, _penalty(log_p, log_p_ref, mask, beta), int(mask.sum(dim=1).min()) - 1
    ),
)
turn.probe("answers of one token, and one alone", _ends, no_table)
