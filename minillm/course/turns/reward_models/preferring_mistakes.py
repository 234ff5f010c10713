"""What is often done instead in 10.preference_loss: a sentence, a hint, and the answer."""

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def mean(term: Callable[[Tensor], Tensor]) -> Loss:
    """The mean of a term of the differences."""
    return lambda r_w, r_l: term(r_w - r_l).mean()


MISTAKES: tuple[tuple[str, str, Loss], ...] = (
    (
        "The two answers have changed places: a lead of the *preferred* answer makes the loss large.",
        "P = sigmoid(r_w - r_l): w is the winner.",
        mean(lambda d: -F.logsigmoid(-d)),
    ),
    (
        "The sign is wrong: this is the mean of log P.",
        "A logarithm of a probability is negative. The loss is minus that.",
        mean(F.logsigmoid),
    ),
    (
        "The sign is wrong, and so is the order: this is log P of the choice that wasn't made.",
        "The loss is minus log P, and P = sigmoid(r_w - r_l).",
        mean(lambda d: F.logsigmoid(-d)),
    ),
    (
        "The losses are summed.",
        "Take their mean, or a large batch makes a large step.",
        lambda r_w, r_l: -F.logsigmoid(r_w - r_l).sum(),
    ),
    (
        "The losses are divided by the number of answers, and there are two per pair.",
        "Take the mean over pairs.",
        mean(lambda d: -F.logsigmoid(d) / 2),
    ),
    (
        "The loss is in bits: the logarithm has base 2.",
        "Nats are asked for: use the natural logarithm.",
        mean(lambda d: -F.logsigmoid(d) / math.log(2)),
    ),
    (
        "This is minus the mean probability, without a logarithm.",
        "The loss is -log P. It must be able to grow: being sure and wrong is expensive.",
        mean(lambda d: -d.sigmoid()),
    ),
    (
        "This is 1 - P, the probability of the other choice, without a logarithm.",
        "The loss is -log P; 1 - P is the size of its gradient.",
        mean(lambda d: (-d).sigmoid()),
    ),
    (
        "This is P itself, the mean probability of the choices.",
        "The loss is -log P.",
        mean(lambda d: d.sigmoid()),
    ),
    (
        "The probabilities are averaged first, and the logarithm is taken of their mean.",
        "Take the logarithm pair by pair, then the mean.",
        lambda r_w, r_l: -(r_w - r_l).sigmoid().mean().log(),
    ),
    (
        "The differences are averaged first, and the loss is taken of their mean.",
        "Each pair is a choice of its own: take its loss, then the mean.",
        lambda r_w, r_l: -F.logsigmoid((r_w - r_l).mean()),
    ),
    (
        "The differences are added up before the sigmoid.",
        "Each pair is a choice of its own: take its loss, then the mean.",
        lambda r_w, r_l: -F.logsigmoid((r_w - r_l).sum()),
    ),
    (
        "This is minus the mean difference, without the sigmoid and its logarithm.",
        "Such a loss never has enough: a lead of 100 is pushed as hard as one of 0.",
        mean(lambda d: -d),
    ),
    (
        "This is the mean difference itself.",
        "The loss is -log P, with P = sigmoid of the difference.",
        mean(lambda d: d),
    ),
    (
        "This is a hinge loss, with a margin of 1.",
        "Bradley and Terry's model gives a probability: the loss is -log sigmoid(r_w - r_l).",
        mean(lambda d: (1 - d).relu()),
    ),
    (
        "This is a hinge loss, without a margin.",
        "Bradley and Terry's model gives a probability: the loss is -log sigmoid(r_w - r_l).",
        mean(lambda d: (-d).relu()),
    ),
    (
        "This is the squared distance of P from 1.",
        "The loss is -log P.",
        mean(lambda d: (1 - d.sigmoid()) ** 2),
    ),
    (
        "This is the squared distance of the difference from 1.",
        "The loss is -log P, with P = sigmoid of the difference.",
        mean(lambda d: (1 - d) ** 2),
    ),
    (
        "This is the mean squared difference.",
        "The loss is -log P, with P = sigmoid of the difference.",
        mean(lambda d: d**2),
    ),
    (
        "This is the exponential loss, e to the minus difference.",
        "Bradley and Terry's loss is log(1 + e^-d): the 1 is missing, and the logarithm.",
        mean(lambda d: (-d).exp()),
    ),
    (
        "This is 1 + e^-d, without the logarithm.",
        "-log sigmoid(d) is the logarithm of that.",
        mean(lambda d: 1 + (-d).exp()),
    ),
    (
        "The sigmoid is taken twice.",
        "`logsigmoid` and `..._with_logits` want the difference itself, not a probability.",
        mean(lambda d: -F.logsigmoid(d.sigmoid())),
    ),
    (
        "Each answer gets a sigmoid of its own, and their logarithms are subtracted.",
        "First subtract the rewards, then take one sigmoid per pair.",
        lambda r_w, r_l: (F.logsigmoid(r_l) - F.logsigmoid(r_w)).mean(),
    ),
    (
        "Each answer is judged by itself, as good or bad. A pair says only which of two is better.",
        "First subtract the rewards, then take one sigmoid per pair.",
        lambda r_w, r_l: -(F.logsigmoid(r_w) + F.logsigmoid(-r_l)).mean(),
    ),
    (
        "Each answer is judged by itself, as good or bad, and all 2B of them are averaged.",
        "First subtract the rewards, then take one sigmoid per pair.",
        lambda r_w, r_l: -(F.logsigmoid(r_w) + F.logsigmoid(-r_l)).mean() / 2,
    ),
    (
        "Two sigmoids are subtracted.",
        "First subtract the rewards, then take one sigmoid per pair.",
        lambda r_w, r_l: -(r_w.sigmoid() - r_l.sigmoid()).mean(),
    ),
    (
        "Two sigmoids are subtracted, and the logarithm is taken of that.",
        "First subtract the rewards, then take one sigmoid per pair.",
        lambda r_w, r_l: -(r_w.sigmoid() - r_l.sigmoid()).log().mean(),
    ),
    (
        "The difference goes through a second sigmoid after those of the rewards.",
        "Subtract the rewards themselves.",
        lambda r_w, r_l: -F.logsigmoid(r_w.sigmoid() - r_l.sigmoid()).mean(),
    ),
    (
        "The rewards are divided by their sum, as if they were Bradley and Terry's original strengths.",
        "A strength is e^r, so P = e^r_w / (e^r_w + e^r_l), which is sigmoid(r_w - r_l).",
        lambda r_w, r_l: -(r_w / (r_w + r_l)).log().mean(),
    ),
    (
        "The softmax runs over the batch: pairs compete with each other.",
        "The two answers of *one* pair compete.",
        lambda r_w, r_l: -(r_w - r_l).log_softmax(0).mean(),
    ),
    (
        "The other answers don't count: only r_w is used.",
        "P depends on the difference, r_w - r_l.",
        lambda r_w, r_l: -F.logsigmoid(r_w).mean(),
    ),
    (
        "The rewards are added, not subtracted.",
        "P = sigmoid(r_w - r_l).",
        lambda r_w, r_l: -F.logsigmoid(r_w + r_l).mean(),
    ),
    (
        "The size of the difference is used: whichever answer leads, the loss is the same.",
        "Keep the sign of r_w - r_l.",
        mean(lambda d: -F.logsigmoid(d.abs())),
    ),
    (
        "Each answer is compared with those of all pairs, not with its own.",
        "(B, 1) and (B,) make (B, B): subtract (B,) from (B,).",
        lambda r_w, r_l: -F.logsigmoid(r_w[:, None] - r_l).mean(),
    ),
    (
        "Only the first pair counts.",
        "Is there a `return` inside a loop? It ends the loop in its first round.",
        lambda r_w, r_l: -F.logsigmoid(r_w - r_l)[0],
    ),
    (
        "Only the first pair counts, divided by B.",
        "Is there a `return` inside a loop? It ends the loop in its first round.",
        lambda r_w, r_l: -F.logsigmoid(r_w - r_l)[0] / len(r_w),
    ),
    (
        "Only the last pair counts.",
        "Does each round of a loop overwrite the sum?",
        lambda r_w, r_l: -F.logsigmoid(r_w - r_l)[-1],
    ),
    (
        "Only the last pair counts, divided by B.",
        "Does each round of a loop overwrite the sum?",
        lambda r_w, r_l: -F.logsigmoid(r_w - r_l)[-1] / len(r_w),
    ),
    (
        "The softmax runs over the batch: the preferred answers compete with each other.",
        "The two answers of *one* pair compete.",
        lambda r_w, r_l: -r_w.log_softmax(0).mean(),
    ),
    (
        "This is the median pair.",
        "Take the mean.",
        lambda r_w, r_l: -F.logsigmoid(r_w - r_l).median(),
    ),
    (
        "1 is subtracted from the difference, a margin as in Llama 2.",
        "Without one: P = sigmoid(r_w - r_l).",
        mean(lambda d: -F.logsigmoid(d - 1)),
    ),
    (
        "Both choices count: log P of the one that was made, and log (1 - P) of the other.",
        "Only one of them was made: the loss is -log P.",
        mean(lambda d: -F.logsigmoid(d) - F.logsigmoid(-d)),
    ),
    (
        "This is the share of pairs in which the preferred answer leads: an accuracy, which has no gradient.",
        "The loss is -log P.",
        mean(lambda d: (d > 0).float()),
    ),
    (
        "This is the share of pairs that are the wrong way round, which has no gradient.",
        "The loss is -log P.",
        mean(lambda d: (d < 0).float()),
    ),
    (
        "This is e to the loss.",
        "Return the loss itself.",
        lambda r_w, r_l: (-F.logsigmoid(r_w - r_l).mean()).exp(),
    ),
    (
        "This is the entropy of the predicted choices: the choice that was made plays no part.",
        "The loss is -log P of the choice that was made.",
        mean(lambda d: -(d.sigmoid() * F.logsigmoid(d) + (-d).sigmoid() * F.logsigmoid(-d))),
    ),
    (
        "This is minus the mean reward of the preferred answers: the others don't count, and nothing is enough.",
        "P = sigmoid(r_w - r_l), and the loss is -log P.",
        lambda r_w, r_l: -r_w.mean(),
    ),
    *(
        (
            f"The difference is multiplied by {factor:g}, as in DPO with its beta.",
            "A reward counts as it is: P = sigmoid(r_w - r_l).",
            mean(lambda d, factor=factor: -F.logsigmoid(factor * d)),
        )
        for factor in (0.1, 0.5, 2.0)
    ),
)


def floored(tiny: float) -> Loss:
    """The loss of a probability to which a tiny number is added."""
    return mean(lambda d: -(d.sigmoid() + tiny).log())


def limited(most: float) -> Loss:
    """The loss of a difference that is clamped."""
    return mean(lambda d: -F.logsigmoid(d.clamp(-most, most)))
