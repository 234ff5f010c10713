"""11.dpo_loss: the loss of direct preference optimization (Rafailov et al. 2023, eq. 7)."""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
    """The mean loss of B pairs in nats, from log-probabilities (B,) of answers under the policy and the reference."""
    r_w = beta * (logp_w - ref_w)  # the implicit rewards
    r_l = beta * (logp_l - ref_l)
    return -F.logsigmoid(r_w - r_l).mean()


turn = Turn(
    "11.dpo_loss",
    "The DPO loss",
    dpo_loss,
    minutes=7,
    difficulty=2,
    constants=("ref_w", "ref_l", "beta"),
    hints=(
        "Without the constant, what's the implicit reward of one answer, in terms of `beta` and two of the arguments?",
        "The reward of an answer is beta times (policy minus reference), both log-probabilities. Take that of the "
        "winner and that of the loser, and subtract.",
        "The rest is the loss of a reward model: minus `logsigmoid` of the difference, and a mean over the pairs.",
    ),
    errors={
        r"name '(policy|reference|pi|model|chosen|rejected|labels|log_probs|y_w|y_l)\w*' is not defined": "There are "
        "four tensors, `logp_w`, `logp_l`, `ref_w` and `ref_l`, and the number `beta`.",
        "math domain error|must be real number|only one element|scalar": "These are tensors of B numbers: use torch's "
        "functions, such as `F.logsigmoid`, not those of `math`.",
        "Dimension out of range|too many indices|dimension.*out of": "Each tensor is (B,): the tokens are summed "
        "already, so there's one axis.",
        r"no attribute '(logsigmoid|log_sigmoid)'": "It's in `torch.nn.functional`: `F.logsigmoid(x)`.",
        r"LogSigmoid.__init__": "`nn.LogSigmoid` is a module: `nn.LogSigmoid()(x)`, or shorter, `F.logsigmoid(x)`.",
        "math range error|cannot convert float infinity": "`F.logsigmoid` takes both steps in one and never overflows.",
    },
    debrief=Debrief(
        "TRL's trainer computes the same from summed log-probabilities, those of the reference once and ahead of time, "
        "and logs `rewards/chosen`, `rewards/rejected`, their `margins` and `accuracies`.",
        "Add the same number to `logp_w` and `logp_l`: what does the loss say about it?",
    ),
)


def _pairs(rng: random.Random) -> list[Call]:
    """Log-probabilities of answers, between -20 and -1; in the first call as small as a person can check."""
    first: Call = (torch.tensor([-4.0]), torch.tensor([-7.0]), torch.tensor([-5.5]), torch.tensor([-5.0]), 0.5)
    calls = [first]
    for B, beta in ((2, 0.5), (3, 0.1), (5, 0.3), (4, 2.0)):
        reference = -numbers(rng, 2, B, scale=4.0).abs() - 1
        policy = reference + numbers(rng, 2, B, scale=1.5)
        calls.append((*policy.unbind(), *reference.unbind(), beta))
    return calls


def _long(rng: random.Random) -> list[Call]:
    """Answers of hundreds of tokens: no exp of a log-probability, and no sigmoid of a margin, can be held."""
    calls: list[Call] = []
    for B, beta in ((1, 1.0), (3, 2.0)):
        reference = -400 - 50 * numbers(rng, 2, B).abs()
        moved = torch.stack([-150 - 20 * numbers(rng, B).abs(), 150 + 20 * numbers(rng, B).abs()])
        calls.append((*(reference + moved).unbind(), *reference.unbind(), beta))
    return calls


def _margins(logp_w: Tensor, logp_l: Tensor, ref_w: Tensor, ref_l: Tensor, beta: float) -> Tensor:
    return beta * ((logp_w - ref_w) - (logp_l - ref_l))


def _leads(logp_w: Tensor, logp_l: Tensor, ref_w: Tensor, ref_l: Tensor, beta: float) -> Tensor:
    """The margins without beta."""
    return (logp_w - ref_w) - (logp_l - ref_l)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several things, one number per pair, or not finite."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return one tensor: the mean loss.", index
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a number.", "Return the mean loss, one number.", index
        if tensor.dim():
            what = "one loss per pair?" if tensor.numel() == len(call[0]) else ""
            sentence = f"The loss must be one number; here its shape is {tuple(tensor.shape)}"
            return f"{sentence}: {what}" if what else f"{sentence}.", "End with a mean over the pairs.", index
        if not tensor.isfinite():
            sentence = "Not finite: a probability was rounded to 0 before its logarithm, or `exp` overflowed."
            return sentence, "Stay with log-probabilities, and end with `F.logsigmoid`, which takes both steps.", index
    return None


pairs = turn.probe("pairs of answers", _pairs, _form)


def _mistake(sentence: str, hint: str, answer: Any) -> None:
    pairs.mistake(sentence, hint, answer)


REWARD = "An answer's reward is `beta` times (its log-probability minus the reference's)."
_mistake(
    "The sign is wrong: this grows as the winner gains on the loser.",
    "A loss is *minus* the log-probability of what the rater chose.",
    lambda *call: F.logsigmoid(_margins(*call)).mean(),
)
_mistake(
    "Winner and loser are swapped: it would train the policy to prefer the rejected answers.",
    "The winner's reward comes first in the difference. By the way, `softplus(x)` is `-logsigmoid(-x)`.",
    lambda *call: F.softplus(_margins(*call)).mean(),
)
_mistake(
    "The reference is left out.",
    REWARD,
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - lo)).mean(),
)
_mistake(
    "The policy is left out: these are the reference's log-probabilities alone.",
    REWARD,
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (rw - rl)).mean(),
)
_mistake(
    "The references have the wrong sign: added, or taken from the other answer.",
    REWARD,
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - lo + rw - rl)).mean(),
)
_mistake(
    "Brackets are missing: the loser's reference has the wrong sign.",
    "`a - b - c - d` subtracts `d`. In (w - ref_w) - (l - ref_l), ref_l comes back with a plus.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - lo - rw - rl)).mean(),
)
_mistake(
    "Only the winner is compared with the reference.",
    "The loser's reward has its reference, too: `ref_l`.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - rw - lo)).mean(),
)
_mistake(
    "Only the loser is compared with the reference.",
    "The winner's reward has its reference, too: `ref_w`.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - (lo - rl))).mean(),
)
_mistake(
    "Only the winner's reward has the factor beta: brackets are missing.",
    "Both rewards are multiplied by `beta`.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - rw) - (lo - rl)).mean(),
)
_mistake(
    "Beta multiplies the policy alone, not the reference.",
    REWARD,
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - lo) - (rw - rl)).mean(),
)
_mistake(
    "Beta stands outside of the sigmoid.",
    "It belongs to the rewards: inside, before `logsigmoid`.",
    lambda *call: -call[-1] * F.logsigmoid(_leads(*call)).mean(),
)
_mistake(
    "Beta isn't used.",
    REWARD,
    lambda *call: -F.logsigmoid(_leads(*call)).mean(),
)
_mistake(
    "It's divided by beta.",
    "The reward is beta times the log-ratio; reward / beta is in the formula of the policy.",
    lambda *call: -F.logsigmoid(_leads(*call) / call[-1]).mean(),
)
_mistake(
    "Beta stands inside *and* outside of the sigmoid.",
    "Once is enough: inside.",
    lambda *call: -call[-1] * F.logsigmoid(_margins(*call)).mean(),
)
_mistake(
    "The sigmoid is there, and its logarithm isn't.",
    "The loss is -log sigmoid(...): `F.logsigmoid`.",
    lambda *call: -_margins(*call).sigmoid().mean(),
)
_mistake(
    "The sigmoid is taken twice: `logsigmoid` holds one already.",
    "Give `F.logsigmoid` the difference of the rewards.",
    lambda *call: -F.logsigmoid(_margins(*call).sigmoid()).mean(),
)
_mistake(
    "The rewards are added; their difference is asked for.",
    "The winner's reward *minus* the loser's.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w - rw + lo - rl)).mean(),
)
_mistake(
    "Winner and loser are swapped, and the minus is missing.",
    "The loss is *minus* `logsigmoid` of the winner's reward minus the loser's.",
    lambda *call: F.logsigmoid(-_margins(*call)).mean(),
)
_mistake(
    "This is the mean probability of being wrong; its logarithm is asked for.",
    "The loss is -log sigmoid(...): `F.logsigmoid`.",
    lambda *call: 1 - _margins(*call).sigmoid().mean(),
)
_mistake(
    "There's no sigmoid: this is the mean difference of the rewards.",
    "The loss is -log sigmoid of that difference, for each pair.",
    lambda *call: -_margins(*call).mean(),
)
_mistake(
    "There's no sigmoid, and the sign is that of a gain.",
    "The loss is -log sigmoid of that difference, for each pair.",
    lambda *call: _margins(*call).mean(),
)
_mistake(
    "The mean is taken before the loss: of the differences.",
    "First the loss of each pair, then their mean.",
    lambda *call: -F.logsigmoid(_margins(*call).mean()),
)
_mistake(
    "The logarithm is taken of the mean probability.",
    "First -log of each pair's probability, then their mean.",
    lambda *call: -_margins(*call).sigmoid().mean().log(),
)
_mistake(
    "The losses of the pairs are summed.",
    "Take their mean, so that the step doesn't grow with the batch.",
    lambda *call: -F.logsigmoid(_margins(*call)).sum(),
)
_mistake(
    "It's half of the loss: is the mean taken over 2 B answers?",
    "There are B pairs, and each has one loss.",
    lambda *call: -F.logsigmoid(_margins(*call)).mean() / 2,
)
_mistake(
    "Each answer has a loss of its own: the winner's reward isn't compared with the loser's.",
    "One sigmoid per pair, of the difference of both rewards.",
    lambda w, lo, rw, rl, beta: -(F.logsigmoid(beta * (w - rw)) + F.logsigmoid(-beta * (lo - rl))).mean(),
)
_mistake(
    "Each answer has a sigmoid of its own, and the difference is taken after it.",
    "First subtract the rewards, then take `logsigmoid` once.",
    lambda w, lo, rw, rl, beta: -(F.logsigmoid(beta * (w - rw)) - F.logsigmoid(beta * (lo - rl))).mean(),
)
_mistake(
    "These are ratios of probabilities; their logarithms are asked for.",
    "log(p / p_ref) is a difference of log-probabilities: no `exp`.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * ((w - rw).exp() - (lo - rl).exp())).mean(),
)
_mistake(
    "The probabilities are subtracted, not their logarithms.",
    "log(p / p_ref) is a difference of log-probabilities: no `exp`.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * ((w.exp() - rw.exp()) - (lo.exp() - rl.exp()))).mean(),
)
_mistake(
    "One log-probability is divided by the other.",
    "log(p / p_ref) is log p *minus* log p_ref.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * (w / rw - lo / rl)).mean(),
)
_mistake(
    "The logarithm is taken twice: of log-probabilities.",
    "`logp_w` is a logarithm already: subtract the reference's.",
    lambda w, lo, rw, rl, beta: -F.logsigmoid(beta * ((w / rw).log() - (lo / rl).log())).mean(),
)
_mistake(
    "The loss is in bits.",
    "Nats are asked for: the natural logarithm.",
    lambda *call: -F.logsigmoid(_margins(*call)).mean() / torch.tensor(2.0).log(),
)
_mistake(
    "This is the loss of IPO: a squared distance from 1 / (2 beta).",
    "A variant that exists. DPO's is -log sigmoid of the difference of the rewards.",
    lambda *call: (_leads(*call) - 1 / (2 * call[-1])).square().mean(),
)
_mistake(
    "This is a hinge loss: 0 beyond a margin of 1.",
    "A variant that exists (SLiC). DPO's is -log sigmoid.",
    lambda *call: (1 - _margins(*call)).relu().mean(),
)
for place, which, remedy in (
    (0, "first", "Is there a `return` inside a loop? It ends the loop in its first round."),
    (-1, "last", "Does each round of a loop overwrite the sum?"),
):
    _mistake(f"Only the {which} pair counts.", remedy, lambda *call, place=place: -F.logsigmoid(_margins(*call))[place])
    _mistake(
        f"Only the {which} pair counts, divided by B.",
        remedy,
        lambda *call, place=place: -F.logsigmoid(_margins(*call))[place] / len(call[0]),
    )

long = turn.probe("long answers", _long, _form)
for small in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-20):
    long.mistake(
        "A tiny number is added inside the logarithm, so the loss of a pair that is far off is too small, and its "
        f"gradient is 0: {small:g}?",
        "`F.logsigmoid` needs none: it takes both steps in one.",
        lambda *call, small=small: -(_margins(*call).sigmoid() + small).log().mean(),
    )
