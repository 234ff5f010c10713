"""10.bayes_ceiling: how often the best possible predictor of noisy choices is right."""

import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.reward_models.divisors import divisor


def bayes_ceiling(p):
    """The expected accuracy of one who knows, for each pair, the probability p that the rater prefers answer A."""
    return torch.maximum(p, 1 - p).mean()


turn = Turn(
    "10.bayes_ceiling",
    "The Bayes ceiling",
    bayes_ceiling,
    minutes=4,
    difficulty=2,
    constants=("p",),
    hints=(
        "One pair, p = 0.3. Which answer do you name, and with which probability are you right?",
        "You name the answer that is more probable. So you're right with the larger one of p and 1 - p.",
        "Do that pair by pair, and take the mean at the end. For tensors, the larger one is `torch.maximum(a, b)`.",
    ),
    errors={
        "Boolean value of Tensor|ambiguous": "Python's `max` and `if` ask about one number, and `p` is a tensor of N: "
        "use `torch.maximum`, or a loop.",
        r"max\(\) received|maximum\(\)|not iterable|0-d tensor": "`torch.maximum` takes two tensors, `p` and `1 - p`.",
        r"name '(np|numpy|q|accuracy|ceiling|rng|N|n|a|b)' is not defined": "Inside, there is `p`, a tensor; `torch` "
        "is imported.",
        "has no attribute|not callable|unexpected keyword": "`p` is a tensor of N probabilities. It has a `.mean()`.",
        "unsupported operand|bad operand|must be Tensor|must be real number": "Compute with tensors: `1 - p` is one, "
        "too.",
        "changed the input": "Leave `p` as it is: make a new tensor.",
    },
    debrief=Debrief(
        "For people's choices nobody knows p, so papers report how often two people agree, which is lower than the "
        "ceiling.",
        "The rater is asked about the same pairs a second time. Why do the two choices agree less often than this?",
    ),
)


def _some(rng: random.Random) -> list[Call]:
    """Probabilities on both sides of a half, one pair first."""
    calls: list[Call] = [(torch.tensor([0.3]),), (torch.tensor([0.9, 0.4, 0.2]),)]
    for N in (4, 5, 8):
        calls.append((torch.tensor([rng.choice((3, 8, 15, 22, 35, 45, 55, 62, 81, 97)) / 100 for _ in range(N)]),))
    return calls


def _edges(rng: random.Random) -> list[Call]:
    """Sure raters, and one who doesn't care."""
    return [(torch.tensor([0.5]),), (torch.tensor([1.0, 0.0]),), (torch.tensor([0.0, 0.5, 1.0, 0.8]),)]


NOTHING_DRAWN = "Nothing has to be drawn at random: the probability of being right is known for each pair."


def _counted(pairs: int, answer: Any) -> bool:
    """Whether an accuracy is a whole number of so many pairs."""
    tensor = as_tensor(answer)
    return tensor is not None and tensor.numel() == 1 and bool((pairs * tensor - (pairs * tensor).round()).abs() < 1e-4)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, ((p,), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return one number: the ceiling.", index
        tensor = as_tensor(answer)
        if tensor is not None and tensor.shape != () and len(p) > 1:
            if difference(torch.maximum(p, 1 - p), tensor.flatten()) is None:
                return "That's right for each pair. One number is asked for.", "End with a mean.", index
            return f"The ceiling is one number; here the shape is {tuple(tensor.shape)}.", "End with a mean.", index
    if (count := divisor([float(torch.maximum(p, 1 - p).sum()) for (p,) in calls], got)) is not None:
        return f"The sum is always divided by {count:g}.", "Divide by the number of pairs, `len(p)`."
    if all(_counted(len(p), answer) for (p,), answer in zip(calls, got, strict=True)):
        return "Whole pairs are counted here, as right or as wrong: is it a simulation?", NOTHING_DRAWN
    return None


def _range(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """No accuracy, or one that a guess would beat."""
    numbers = [float(torch.as_tensor(as_tensor(answer))) for answer in got]
    for index, number in enumerate(numbers):
        if not 0 <= number <= 1:
            return f"{number:.4g} isn't an accuracy.", "Add up probabilities, then divide by their number.", index
        if number < 0.5 - 1e-6:
            sentence = f"{number:.4g} is less than a coin gets."
            return sentence, "Naming the answer that is more probable gets at least a half, for each pair.", index
    if 1e-4 < max(abs(number - float(due)) for number, due in zip(numbers, right, strict=True)) < 0.05:
        sentence = "This is close to the ceiling, and misses it by a little: is it a simulation?"
        return sentence, NOTHING_DRAWN
    return None


def _mean(p: Tensor) -> Tensor:
    return torch.maximum(p, 1 - p).mean()


some = turn.probe("pairs with p below and above a half", _some, _form)
some.at_last = _range
for sentence, hint, _wrong in (
    (
        "This is the mean of p: it names answer A every time.",
        "Where p is below a half, name B. Then you're right with probability 1 - p.",
        lambda p: p.mean(),
    ),
    (
        "This is the mean of 1 - p: it names answer B every time.",
        "Where p is above a half, name A.",
        lambda p: 1 - p.mean(),
    ),
    (
        "This is how often the rater, asked a second time, makes the same choice.",
        "One who knows p leaves nothing to chance, and names the more probable answer every time: max(p, 1 - p).",
        lambda p: (p**2 + (1 - p) ** 2).mean(),
    ),
    (
        "First the mean, then the larger one: it names the same answer for all pairs.",
        "Decide pair by pair, then take the mean.",
        lambda p: torch.maximum(p.mean(), 1 - p.mean()),
    ),
    (
        "The largest p, and the largest 1 - p, of all pairs are averaged.",
        "Take the larger one of p and 1 - p for each pair: `dim=0` of the stack.",
        lambda p: torch.stack([p, 1 - p]).amax(1).mean(),
    ),
    (
        "This is the geometric mean.",
        "An accuracy is a plain mean over pairs, without logarithms.",
        lambda p: torch.maximum(p, 1 - p).log().mean().exp(),
    ),
    (
        "The smaller one is taken: that's how often the best predictor is wrong.",
        "Name the more probable answer: the larger one of p and 1 - p.",
        lambda p: torch.minimum(p, 1 - p).mean(),
    ),
    (
        "This is the share of pairs in which A is more probable.",
        "Being right is a matter of probability here: with p, not with 1.",
        lambda p: (p > 0.5).float().mean(),
    ),
    (
        "Each pair counts as right for certain.",
        "The more probable answer is preferred with probability max(p, 1 - p), not always.",
        lambda p: torch.ones_like(p).mean(),
    ),
    (
        "This is the distance from a coin, |p - 1/2|.",
        "A half has to be added to it.",
        lambda p: (p - 0.5).abs().mean(),
    ),
    (
        "This is |2p - 1|, how much better than a coin, from 0 to 1.",
        "The accuracy itself is asked for, from 1/2 to 1.",
        lambda p: (2 * p - 1).abs().mean(),
    ),
    (
        "The largest probability of all pairs is returned.",
        "Take the larger one pair by pair, then the mean.",
        lambda p: torch.maximum(p, 1 - p).max(),
    ),
    (
        "The largest p is returned.",
        "Take the larger one of p and 1 - p pair by pair, then the mean.",
        lambda p: p.max(),
    ),
    (
        "The sum is returned.",
        "Divide by the number of pairs.",
        lambda p: torch.maximum(p, 1 - p).sum(),
    ),
    (
        "Where B is more probable, this counts a half.",
        "Name B there: right with probability 1 - p.",
        lambda p: p.clamp(min=0.5).mean(),
    ),
    (
        "Pairs in which B is more probable count as wrong.",
        "Name B there: right with probability 1 - p.",
        lambda p: (p * (p > 0.5)).mean(),
    ),
    (
        "Only pairs in which A is more probable count.",
        "Where B is, name B: right with probability 1 - p.",
        lambda p: p[p > 0.5].mean(),
    ),
    (
        "Pairs in which B is more probable count as right for certain.",
        "You're right there with probability 1 - p.",
        lambda p: torch.where(p > 0.5, p, torch.ones_like(p)).mean(),
    ),
    (
        "This is the median pair.",
        "Take the mean.",
        lambda p: torch.maximum(p, 1 - p).median(),
    ),
    (
        "This is in percent.",
        "A share is asked for, from 0 to 1.",
        lambda p: 100 * _mean(p),
    ),
    (
        "This is the variance of a choice, p (1 - p).",
        "That's about the noise. The ceiling is the mean of the larger one of p and 1 - p.",
        lambda p: (p * (1 - p)).mean(),
    ),
    (
        "This is how often two raters disagree, 2 p (1 - p).",
        "The ceiling is the mean of the larger one of p and 1 - p.",
        lambda p: (2 * p * (1 - p)).mean(),
    ),
    (
        "This is the standard error of an accuracy on these pairs.",
        "The ceiling itself is asked for: the mean of the larger one of p and 1 - p.",
        lambda p: (p * (1 - p)).sum().sqrt() / len(p),
    ),
    (
        "This is the mean of p squared.",
        "You name an answer every time. Then you're right with p, or with 1 - p.",
        lambda p: (p**2).mean(),
    ),
    (
        "This is the entropy of a choice, in nats.",
        "An accuracy is asked for: the mean of the larger one of p and 1 - p.",
        lambda p: -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).mean(),
    ),
    (
        "This is the entropy of a choice, in bits.",
        "An accuracy is asked for: the mean of the larger one of p and 1 - p.",
        lambda p: -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).mean() / torch.tensor(2.0).log(),
    ),
    (
        "The probability of being right in *all* pairs is returned.",
        "The mean over pairs is asked for.",
        lambda p: torch.maximum(p, 1 - p).prod(),
    ),
    (
        "Only the first pair counts.",
        "Is there a `return` inside a loop?",
        lambda p: torch.maximum(p, 1 - p)[0],
    ),
    (
        "Only the first pair counts, divided by N.",
        "Is there a `return` inside a loop?",
        lambda p: torch.maximum(p, 1 - p)[0] / len(p),
    ),
    (
        "Only the last pair counts.",
        "Does each round of a loop overwrite the sum?",
        lambda p: torch.maximum(p, 1 - p)[-1],
    ),
    (
        "Only the last pair counts, divided by N.",
        "Does each round of a loop overwrite the sum?",
        lambda p: torch.maximum(p, 1 - p)[-1] / len(p),
    ),
    (
        "p is used as if it were a reward: a sigmoid of it is taken.",
        "It's a probability already.",
        lambda p: p.sigmoid().mean(),
    ),
):
    some.mistake(sentence, hint, _wrong)
edges = turn.probe("sure raters, and one who doesn't care", _edges, _form)
edges.mistake(
    "A pair with p = 1/2 counts as wrong.",
    "Whichever answer you name there, you're right half of the time.",
    lambda p: (torch.maximum(p, 1 - p) * (p != 0.5)).mean(),
)
edges.mistake(
    "A pair with p = 1/2 counts as right for certain.",
    "Whichever answer you name there, you're right half of the time.",
    lambda p: torch.where(p == 0.5, torch.ones_like(p), torch.maximum(p, 1 - p)).mean(),
)
