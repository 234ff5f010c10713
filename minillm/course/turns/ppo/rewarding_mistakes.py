"""What is often done instead in 10b.token_rewards: a sentence, a hint, and the answer."""

import torch
from torch import Tensor

from minillm.course.turns.ppo.tables import Mistakes


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
    weight: float = 1.0,
    penalty: Tensor | None = None,
) -> Tensor:
    """The rewards with one thing done differently."""
    table = sign * beta * (log_p - log_p_ref if penalty is None else penalty)
    table = table * mask if kept else table.clone()
    last = (mask.sum(dim=1) - 1 + shift).clamp(0, mask.shape[1] - 1)
    table[torch.arange(len(score)), last] += weight * score
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


MISTAKES: Mistakes = (
    (
        "The score is in the last column of the table, and shorter answers have ended before it.",
        "An answer of n tokens ends in column n - 1: `mask.sum(dim=1) - 1`.",
        lambda score, *others: _at(score, _penalty(*others), -1),
    ),
    (
        "The score is in the last column, and the padding is penalized, too.",
        "An answer of n tokens ends in column n - 1. What comes after it gets 0: multiply by `mask`.",
        lambda score, log_p, log_p_ref, mask, beta: _at(score, -beta * (log_p - log_p_ref), -1),
    ),
    (
        "Every token gets the score.",
        "The reward model has read the whole answer: its score belongs to the last token alone.",
        lambda score, log_p, log_p_ref, mask, beta: (score[:, None] - beta * (log_p - log_p_ref)) * mask,
    ),
    (
        "Every column gets the score, and the padding its penalty.",
        "The score belongs to the last token alone, and what comes after it gets 0.",
        lambda score, log_p, log_p_ref, mask, beta: score[:, None] - beta * (log_p - log_p_ref),
    ),
    (
        "Every column gets the score.",
        "The reward model has read the whole answer: its score belongs to the last token alone.",
        lambda score, *others: score[:, None] + _penalty(*others),
    ),
    (
        "The score is shared out among the tokens.",
        "The reward model has read the whole answer: its score belongs to the last token alone.",
        lambda score, log_p, log_p_ref, mask, beta: (
            _penalty(log_p, log_p_ref, mask, beta) + (score / mask.sum(dim=1))[:, None] * mask
        ),
    ),
    (
        "The score is at the first token.",
        "It belongs to the last one, when the answer is complete.",
        lambda score, *others: _at(score, _penalty(*others), 0),
    ),
    (
        "The score comes a token too late, in the padding.",
        "Columns are counted from 0: an answer of n tokens ends in column n - 1.",
        lambda *call: _rewards(*call, shift=1),
    ),
    (
        "The score comes a token too early.",
        "Columns are counted from 0: an answer of n tokens ends in column n - 1.",
        lambda *call: _rewards(*call, shift=-1),
    ),
    (
        "The sign of the penalty is wrong: it rewards leaving the reference.",
        "A token that the policy finds more probable than the reference does gets less: -beta (log_p - log_p_ref).",
        lambda *call: _rewards(*call, sign=1.0),
    ),
    (
        "The padding is penalized, too.",
        "What comes after an answer gets 0: multiply by `mask`.",
        lambda *call: _rewards(*call, kept=False),
    ),
    (
        "The sign of the penalty is wrong, and the padding has one, too.",
        "It's -beta (log_p - log_p_ref), and 0 after an answer: multiply by `mask`.",
        lambda *call: _rewards(*call, sign=1.0, kept=False),
    ),
    (
        "The score is multiplied by beta, too.",
        "Only the penalty is: beta is its weight against the score.",
        lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, beta, weight=beta),
    ),
    (
        "The score is missing.",
        "Add it at each answer's last token; `x[a][b] += ...` adds it to a copy.",
        lambda *call: _rewards(*call, weight=0.0),
    ),
    (
        "The score is subtracted.",
        "Add it: a good answer gets more.",
        lambda *call: _rewards(*call, weight=-1.0),
    ),
    (
        "beta is missing.",
        "The penalty is beta times the difference of the log-probabilities.",
        lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 1.0),
    ),
    (
        "The penalty is divided by beta.",
        "Multiply by it: a larger beta holds the policy nearer.",
        lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 1 / beta),
    ),
    (
        "The penalty is missing: the score is all.",
        "Every token gets -beta (log_p - log_p_ref), the last one, too.",
        lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 0.0),
    ),
    (
        "The last token gets the score in place of its penalty.",
        "Add the score to what is there: `+=`.",
        _in_place_of,
    ),
    (
        "The penalties of an answer are added up and taken from its score.",
        "That's right as a sum, but each token has its own: then GAE can tell which one left the reference.",
        _whole_at_end,
    ),
    (
        "The penalty is a difference of probabilities.",
        "Leave the log-probabilities as they are: their difference is the log of a ratio.",
        lambda *call: _rewards(*call, penalty=call[1].exp() - call[2].exp()),
    ),
    (
        "The penalty is the ratio of the probabilities.",
        "It's the log of that ratio: log_p - log_p_ref.",
        lambda *call: _rewards(*call, penalty=(call[1] - call[2]).exp()),
    ),
    (
        "The penalty is weighted with the probability.",
        "The tokens were sampled: the mean over samples does that weighting. Take log_p - log_p_ref as it is.",
        lambda *call: _rewards(*call, penalty=call[1].exp() * (call[1] - call[2])),
    ),
    (
        "The penalty is never negative: the absolute difference.",
        "Keep its sign. Only then is its mean over samples the KL.",
        lambda *call: _rewards(*call, penalty=(call[1] - call[2]).abs()),
    ),
    (
        "The penalty is the square of the difference (the estimator k2).",
        "Take log_p - log_p_ref as it is: its mean over samples is the KL.",
        lambda *call: _rewards(*call, penalty=(call[1] - call[2]).square() / 2),
    ),
    (
        "The penalty is the square of the difference.",
        "Take log_p - log_p_ref as it is: its mean over samples is the KL.",
        lambda *call: _rewards(*call, penalty=(call[1] - call[2]).square()),
    ),
    (
        "The penalty is the estimator k3, as in GRPO.",
        "A fine estimate, but not what this turn asks for: take log_p - log_p_ref as it is.",
        lambda *call: _rewards(*call, penalty=(call[2] - call[1]).exp() - 1 - (call[2] - call[1])),
    ),
    (
        "The reference isn't used: the penalty is -beta log_p.",
        "That would be an entropy bonus. Subtract `log_p_ref` first.",
        lambda *call: _rewards(*call, penalty=call[1]),
    ),
    (
        "The mask is the wrong way round: the padding is penalized, and the answer isn't.",
        "True is a token of the answer: multiply by `mask`.",
        lambda score, log_p, log_p_ref, mask, beta: _rewards(
            score, log_p, log_p_ref, mask, beta, kept=False, penalty=(log_p - log_p_ref) * ~mask
        ),
    ),
    (
        "The penalties are averaged over the answer, and every token of it has the mean.",
        "Each token has its own: the table of differences is all you need.",
        lambda *call: _rewards(
            *call,
            penalty=((call[1] - call[2]) * call[3]).sum(1, keepdim=True) / call[3].sum(1, keepdim=True) + 0 * call[1],
        ),
    ),
    (
        "Every row gets the scores of all answers.",
        "`rewards[:, last]` takes whole columns. For one entry per row: `rewards[torch.arange(B), last]`.",
        _to_all_rows,
    ),
    (
        "All answers end where the shortest one does.",
        "Each row has its own length: `mask.sum(dim=1)`.",
        lambda score, log_p, log_p_ref, mask, beta: _at(
            score, _penalty(log_p, log_p_ref, mask, beta), int(mask.sum(dim=1).min()) - 1
        ),
    ),
    (
        "The score is at the last token, and in all of the padding after it.",
        "After an answer, the cumulative sum of its mask stays the same: multiply by `mask`, too.",
        lambda score, log_p, log_p_ref, mask, beta: (
            _penalty(log_p, log_p_ref, mask, beta)
            + (mask.cumsum(dim=1) == mask.sum(dim=1, keepdim=True)) * score[:, None]
        ),
    ),
    (
        "The penalties are averaged over all answers, and every token has the mean.",
        "Each token has its own: the table of differences is all you need.",
        lambda *call: _rewards(*call, penalty=(call[1] - call[2])[call[3]].mean() + 0 * call[1]),
    ),
    (
        "The penalties are divided by the number of tokens.",
        "Take -beta (log_p - log_p_ref) as it is: added up over an answer, it's its KL penalty.",
        lambda *call: _rewards(*call, penalty=(call[1] - call[2]) / call[3].sum(dim=1, keepdim=True)),
    ),
    (
        "The penalty is weighted with the reference's probability, as in `F.kl_div`.",
        "The tokens were sampled from the policy: take log_p - log_p_ref as it is.",
        lambda *call: _rewards(*call, penalty=call[2].exp() * (call[2] - call[1])),
    ),
    (
        "beta is always 0.1.",
        "Use the argument, `beta`.",
        lambda score, log_p, log_p_ref, mask, beta: _rewards(score, log_p, log_p_ref, mask, 0.1),
    ),
    (
        "The log-probabilities are divided.",
        "The log of a ratio is a difference: log_p - log_p_ref.",
        lambda *call: _rewards(*call, penalty=call[1] / call[2]),
    ),
    (
        "beta multiplies log_p alone.",
        "Parentheses: -beta * (log_p - log_p_ref).",
        lambda *call: _rewards(*call, penalty=call[1] + call[2] / call[4]),
    ),
    (
        "The rewards are added up from each token to the end.",
        "That sum is the return. Here, each token has its own reward; what comes later is the work of GAE.",
        lambda *call: _rewards(*call).flip(1).cumsum(1).flip(1) * call[3],
    ),
    (
        "The rewards are whitened: mean 0, standard deviation 1.",
        "Return them in points. The package whitens the advantages, before the loss.",
        lambda *call: (
            (_rewards(*call) - _rewards(*call)[call[3]].mean()) / (_rewards(*call)[call[3]].std() + 1e-8) * call[3]
        ),
    ),
)
