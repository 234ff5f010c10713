"""10b.gae: how much better than expected things went after each token (Schulman et al. 2016, equation 16)."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.ppo.crediting_variants import after, at_ends, credited
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
        r"name '\w*(deltas?|next|last|returns|lambda|discount|gae|advantages?|td|dones?|T|B)\w*' is not defined": "The "
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


def _mistake(sentence: str, hint: str, answer: Callable[..., Tensor]) -> None:
    whole.mistake(sentence, hint, answer)


_mistake(
    "The loop runs forwards: A_t is made of A_(t-1).",
    "A_t needs what comes after t: begin with the last token.",
    lambda *call: credited(*call, forward=True),
)
_mistake(
    "These are the deltas alone.",
    "Add gamma lambda A_(t+1).",
    lambda *call: credited(*call, step=lambda delta, *_: delta),
)
_mistake(
    "lambda is missing: A_t = delta_t + gamma A_(t+1).",
    "A_(t+1) is multiplied by gamma and by lambda.",
    lambda *call: credited(*call, step=lambda delta, following, gamma, lam: delta + gamma * following),
)
_mistake(
    "gamma is missing in front of A_(t+1).",
    "A_(t+1) is multiplied by gamma and by lambda.",
    lambda *call: credited(*call, step=lambda delta, following, gamma, lam: delta + lam * following),
)
_mistake(
    "gamma is missing in delta.",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] + after(call[1] * call[2]) - call[1]),
)
_mistake(
    "gamma is missing in both places.",
    "delta_t = r_t + gamma V_(t+1) - V_t, and A_t = delta_t + gamma lambda A_(t+1).",
    lambda rewards, values, mask, gamma, lam: credited(rewards, values, mask, 1.0, lam),
)
_mistake(
    "A_(t+1) isn't multiplied by anything.",
    "A_t = delta_t + gamma lambda A_(t+1).",
    lambda *call: credited(*call, step=lambda delta, following, gamma, lam: delta + following),
)
_mistake(
    "delta_t is multiplied by lambda, too.",
    "Only what comes after t is: A_t = delta_t + gamma lambda A_(t+1).",
    lambda *call: credited(*call, step=lambda delta, following, gamma, lam: lam * (delta + gamma * following)),
)
_mistake(
    "delta_t is multiplied by gamma lambda, too.",
    "Only what comes after t is: A_t = delta_t + gamma lambda A_(t+1).",
    lambda *call: credited(*call, step=lambda delta, following, gamma, lam: gamma * lam * (delta + following)),
)
_mistake(
    "delta_t has the weight 1 - lambda.",
    "Its weight is 1: A_t = delta_t + gamma lambda A_(t+1).",
    lambda *call: credited(*call, step=lambda delta, later, gamma, lam: (1 - lam) * delta + gamma * lam * later),
)
_mistake(
    "V_t is added to the advantages: these are the returns.",
    "The advantage is what comes beyond V_t.",
    lambda *call: credited(*call) + call[1] * call[2],
)
_mistake(
    "V_t isn't subtracted: delta_t = r_t + gamma V_(t+1).",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1] * call[2])),
)
_mistake(
    "V_t and V_(t+1) have changed places.",
    "What is expected after the token counts for it: r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * call[1] - after(call[1] * call[2])),
)
_mistake(
    "The signs of V_t and gamma V_(t+1) are the wrong way round.",
    "What is expected after the token counts for it: r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] - call[3] * after(call[1] * call[2]) + call[1]),
)
_mistake(
    "V_(t+1) is missing: delta_t = r_t - V_t.",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] - call[1]),
)
_mistake(
    "The values aren't used: these are sums of rewards.",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0]),
)
_mistake(
    "The last token has no advantage.",
    "It has: r_t - V_t, since after it both V and A are 0. The last column counts, too.",
    lambda *call: credited(*call, deltas=(call[0] + call[3] * after(call[1]) - call[1]) * ~at_ends(call[2])),
)
_mistake(
    "The advantage of the last token is its reward.",
    "Take its value off, too: delta = r_t + 0 - V_t.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1] * ~at_ends(call[2])),
)
_mistake(
    "After the last token the value is still V_t, not 0.",
    "An answer that has ended expects nothing more: there, V_(t+1) = 0.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1], call[1][:, -1:]) - call[1]),
)
_mistake(
    "After the last token comes the value of the first: the values go round in a circle.",
    "An answer that has ended expects nothing more: there, V_(t+1) = 0.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1], call[1][:, :1]) - call[1]),
)
_mistake(
    "delta takes the value before t, V_(t-1), not the one after it.",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(
        *call,
        deltas=call[0] + call[3] * torch.cat([torch.zeros_like(call[1][:, :1]), call[1][:, :-1]], 1) - call[1],
    ),
)
_mistake(
    "The advantages are subtracted: A_t = delta_t - gamma lambda A_(t+1).",
    "Add what comes after t.",
    lambda *call: credited(*call, step=lambda delta, later, gamma, lam: delta - gamma * lam * later),
)
_mistake(
    "The sign is wrong: these are the advantages times -1.",
    "Better than expected is positive: r_t + gamma V_(t+1) - V_t.",
    lambda *call: -credited(*call),
)
_mistake(
    "The columns are in the wrong order: the first one belongs to the last token.",
    "Going backwards, you collect the last token first: turn the list round at the end.",
    lambda *call: credited(*call).flip(1),
)
_mistake(
    "All tokens have the advantage of the first.",
    "Write each one into its own column, `advantages[:, t]`.",
    lambda *call: credited(*call)[:, :1].expand_as(call[0]),
)
_mistake(
    "The advantages are whitened: mean 0, standard deviation 1.",
    "That comes later. Return them in points of reward.",
    lambda *call: (credited(*call) - credited(*call).mean()) / (credited(*call).std() + 1e-8),
)
_mistake(
    "gamma and lambda have changed places in delta: it's lambda that multiplies V_(t+1).",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] + call[4] * after(call[1] * call[2]) - call[1]),
)
_mistake(
    "lambda multiplies V_(t+1), too: as if A_t were r_t + gamma lambda A_(t+1), less V_t.",
    "lambda belongs to A_(t+1) alone: delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * call[4] * after(call[1] * call[2]) - call[1]),
)
_mistake(
    "gamma multiplies the reward.",
    "delta_t = r_t + gamma V_(t+1) - V_t.",
    lambda *call: credited(*call, deltas=call[3] * call[0] + call[3] * after(call[1] * call[2]) - call[1]),
)

some.mistake(
    "After the last token of a short answer comes the value of the padding, and A goes on into it.",
    "An answer that has ended expects nothing more: multiply `values` and the advantages by `mask`.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1], kept=False),
)
some.mistake(
    "After the last token of a short answer, V_(t+1) is the value of the padding.",
    "An answer that has ended expects nothing more: multiply `values` by `mask`.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1]),
)
some.mistake(
    "The padding has advantages, and the last token gets a part of them.",
    "Multiply each column of advantages by `mask[:, t]` before the next one uses it.",
    lambda *call: credited(*call, kept=False),
)
some.mistake(
    "The padding's values reach the answers: the mask is used only at the end.",
    "Multiply `values` and each column of advantages by the mask before the next column uses them.",
    lambda *call: credited(*call, deltas=call[0] + call[3] * after(call[1]) - call[1], kept=False) * call[2],
)
some.mistake(
    "Advantages of the padding reach the last token: they're set to 0 only at the end.",
    "Multiply each column of advantages by `mask[:, t]` before the next one uses it.",
    lambda *call: credited(*call, kept=False) * call[2],
)
some.mistake(
    "The last token of a short answer has no advantage: it's masked by the token after it.",
    "Multiply by `mask[:, t]`, not by `mask[:, t + 1]`.",
    lambda *call: credited(*call) * after(call[2]),
)
turn.probe("no discount, lambda 0 and 1", _edges, no_table)
