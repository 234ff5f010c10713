"""00.next_token: softmax with a temperature, in plain Python (Ackley, Hinton and Sejnowski 1985)."""

import math
import random
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import a_list
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def next_token(logits, temperature):
    """The probability of each token: a list of numbers above 0 that add up to 1."""
    largest = max(logits)
    powers = [math.exp((logit - largest) / temperature) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


turn = Turn(
    "00.next_token",
    "From scores to probabilities",
    next_token,
    minutes=6,
    difficulty=2,
    hints=(
        "A score may be negative, a probability may not. Which function makes any number positive and keeps the order?",
        "Divide each score by the temperature, then take `math.exp` of it. What must each power be divided by?",
        "Two lists: the powers, and each power over the sum of all powers. Subtracting the largest score from all of "
        "them first changes no result, and then no power can overflow.",
    ),
    long_call=([0.01 * n for n in range(200)], 0.8),
    ready_made=("torch.softmax", "torch.nn.functional.softmax", "torch.Tensor.softmax"),
    errors={
        "math range error|OverflowError": "e to the power of 1000 is too large for a float. Subtract the largest score "
        "from every score first, then divide by the temperature: all probabilities stay the same.",
        "name '(exp|log|e)' is not defined": "It's in the module `math`: `math.exp`.",
        "must be real number, not list|unsupported operand.*'list'|can't multiply sequence": "`math.exp` and `/` take "
        "one number at a time: go through the list with `for logit in logits`.",
        "name 'T' is not defined": "The temperature is the argument `temperature`.",
        "'float' object (is not iterable|is not subscriptable|has no)|'int' object is not iterable|object is not "
        "subscriptable": "A single number was used as a list. `sum`, `max` and `for` take the whole list.",
        "'list' object has no attribute": "`logits` is a plain list. Lists can't do arithmetic; a loop or `[... for "
        "logit in logits]` can.",
        "not tuple": "`logits` is a plain list of numbers. It takes one index, without commas.",
        "list indices must be integers": "`for logit in logits` gives the scores, not their places: use `logit`.",
        "values to unpack": "The number of tokens differs from case to case: take the list as it comes.",
        "index out of range|list assignment": "Make a new list: begin with `[]`, and `.append(...)` each result.",
        "division by zero": "e to the power of -1000 is 0 to a computer, and so is a sum of such. Subtract the largest "
        "score from every score first (`max`, not the largest size): all probabilities stay the same.",
        "must be Tensor, not list|not a Tensor": "`logits` is a plain list, and a plain list is asked for. No torch "
        "is needed.",
    },
    debrief=Debrief(
        "A library does this on a whole tensor at once, `softmax(logits / temperature)`, and subtracts the largest "
        "score just as you might have.",
        "As the temperature goes to 0, what becomes of the largest probability? And where two scores are equal?",
    ),
)


def _scores(rng: random.Random, n: int, spread: float = 2.0) -> list[float]:
    return [round(rng.gauss(0, spread), 1) for _ in range(n)]


def _plain(rng: random.Random) -> list[Call]:
    """Temperature 1, with scores of both signs."""
    equal: Call = ([2.0, 0.5, 0.5], 1.0)
    return [([1.0, 0.0, -1.0], 1.0), ([0.5, 2.0], 1.0), equal, (_scores(rng, 5), 1.0), (_scores(rng, 14), 1.0)]


def _warm(rng: random.Random) -> list[Call]:
    return [([2.0, 1.0, 0.5], 0.5), ([2.0, 1.0, 0.5], 2.0), (_scores(rng, 4), 0.8), (_scores(rng, 6), 5.0)]


def _extreme(rng: random.Random) -> list[Call]:
    """Scores that overflow, or vanish, unless the largest is subtracted first."""
    return [
        ([1000.0, 999.0], 1.0),
        ([-1000.0, -1001.0, -1003.0], 1.0),
        ([20.0, 19.9, -5.0], 0.02),
        ([800.0, -800.0, 799.0], 2.0),
        ([0.0, -3.0, -37.0], 1.0),
    ]


def _type(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another kind of thing than a list with a number for each score."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        logits = call[0]
        if type(answer) is Tensor:
            return "That's a tensor or an array, and a list is asked for.", "End with `.tolist()`.", index
        if type(answer) is dict:
            return "That's a dictionary.", "A list is enough: one probability per score, in the same order.", index
        if type(answer) is tuple and len(answer) == len(logits):
            return "That's a tuple, and a list is asked for.", "`list(...)` makes one of it.", index
        if type(answer) is tuple:
            return f"{len(answer)} things are returned.", "Return one list: a probability per score.", index
        if type(answer) is list and any(isinstance(item, list | tuple | dict) for item in answer):
            return "The items of the list aren't plain numbers.", "Return the probabilities alone.", index
        if type(answer) in (float, int):
            if type(answer) is int and 0 <= answer < len(logits):
                hint = "Nothing is chosen here: return all probabilities, one per score."
                return "That's the number of a token.", hint, index
            hint = "One per score is asked for, in a list. Is `return` inside a loop?"
            return "That's a single number.", hint, index
        if type(answer) is list and len(answer) != len(logits):
            hint = "Return all of them, in the order of the scores. Is `return`, or the empty list, inside the loop?"
            if len(set(logits)) == len(answer):
                hint = "Equal scores have become one: a dictionary or a set can't hold both. Keep a list."
            elif not answer:
                hint = "Was a generator used up by `sum` before you went through it? Make a list of the powers first."
            if len(answer) > len(logits):
                hint = "One probability per score, whatever their number. Are numbers of an example in your function?"
            count = f"{len(answer)} number{'s' * (len(answer) != 1)}"
            return f"{len(logits)} scores came in, and {count} came out.", hint, index
        if type(answer) is list and any(isinstance(number, str) for number in answer):
            return "The list holds text.", "Numbers are asked for: no rounding, no percent signs.", index
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What is wrong with a list of numbers that no known mistake explains."""
    for index, answer in enumerate(got):
        if any(number != number for number in answer):
            return "A result is NaN.", "Is infinity divided by infinity? Subtract the largest score first.", index
        if abs(sum(answer) - 1) > 1e-3:
            hint = "Divide each power by the sum of all of them."
            if sum(answer) < 1e-3:
                hint = "Every power was too small for a float. Subtract the largest score from every score first."
            return f"The numbers add up to {sum(answer):.3g}, and probabilities add up to 1.", hint, index
        if min(answer) < 0:
            return "A probability is negative.", "`math.exp` is positive for every score.", index
    return None


def _to_the_smallest(right: Any, got: Any) -> str | None:
    """A list, and even the smallest shares in it are right: they are compared as quotients."""
    if fault := a_list(right, got):
        return fault
    for index, (wanted, gave) in enumerate(zip(right, got, strict=True)):
        if gave < 0 or (wanted > 1e-30 and abs(gave / wanted - 1) > 1e-3):  # float32 is closer, and ends below 1e-38
            return f"has {gave:.3g} in place of {wanted:.3g} at [{index}]"
    return None


def _softmax(logits: list[float], temperature: float = 1.0) -> list[float]:
    return next_token(logits, temperature)


def _shares(powers: list[float]) -> list[float]:
    return [power / sum(powers) for power in powers]


plain = turn.probe("temperature 1", _plain, _type, demand=_to_the_smallest)
plain.at_last = _nearly
plain.mistake(
    "The scores themselves are divided by their sum.",
    "A score may be negative. Take `math.exp` of each first, then divide by the sum of the powers.",
    lambda logits, temperature: [logit / (sum(logits) or 1e-9) for logit in logits],
)
plain.mistake(
    "The powers are not divided by their sum.",
    "Probabilities add up to 1: divide each power by the sum of all powers.",
    lambda logits, temperature: [math.exp(logit / temperature) for logit in logits],
)
plain.mistake(
    "The likeliest token gets 1, and the powers are not divided by their sum.",
    "Dividing by the largest power, or subtracting the largest score, isn't enough: divide by the sum of all powers.",
    lambda logits, temperature: [math.exp((logit - max(logits)) / temperature) for logit in logits],
)
plain.mistake(
    "The powers are divided by the sum of the scores.",
    "Divide by the sum of the powers: `sum(powers)`.",
    lambda logits, temperature: [math.exp(logit) / (sum(logits) or 1e-9) for logit in logits],
)
plain.mistake(
    "The powers are divided by e to the sum of the scores.",
    "Powers first, then their sum: `sum(powers)`.",
    lambda logits, temperature: [math.exp(logit - sum(logits)) for logit in logits],
)
plain.mistake(
    "The scores are rounded down to whole numbers before `math.exp`.",
    "`/` keeps the digits; `//` and `int` drop them.",
    lambda logits, temperature: _softmax([float(math.floor(logit)) for logit in logits]),
)
plain.mistake(
    "The powers are divided by the number of tokens.",
    "Divide by their sum, so that they add up to 1.",
    lambda logits, temperature: [math.exp(logit) / len(logits) for logit in logits],
)
plain.mistake(
    "The powers are those of 2, not of e.",
    "Softmax uses e: `math.exp(...)`.",
    lambda logits, temperature: _shares([2.0**logit for logit in logits]),
)
plain.mistake(
    "The powers are those of a rounded e.",
    "`math.exp(...)` has all of its digits.",
    lambda logits, temperature: _shares([2.72**logit for logit in logits]),
)
plain.mistake(
    "The powers are those of 10, not of e.",
    "Softmax uses e: `math.exp(...)`.",
    lambda logits, temperature: _shares([10.0**logit for logit in logits]),
)
plain.mistake(
    "The sign of the scores is turned round: the lowest score gets the most.",
    "A higher score means a higher probability: no minus sign before the score.",
    lambda logits, temperature: _softmax([-logit for logit in logits]),
)
plain.mistake(
    "The scores are squared, so a very negative score counts as much as a very positive one.",
    "`math.exp` is positive for every score and keeps their order.",
    lambda logits, temperature: _shares([logit**2 for logit in logits]),
)
plain.mistake(
    "Negative scores count as 0, and the rest is divided by its sum.",
    "Then a token with a score of -0.1 can never come. Take `math.exp` of each score.",
    lambda logits, temperature: [max(logit, 0.0) / (sum(max(x, 0.0) for x in logits) or 1) for logit in logits],
)
plain.mistake(
    "Negative scores count as 0 before `math.exp`.",
    "Its result is positive for every score: leave them as they are.",
    lambda logits, temperature: _softmax([max(logit, 0.0) for logit in logits]),
)
plain.mistake(
    "The scores' absolute values are divided by their sum.",
    "A score of -2 should get less than a score of 1. `math.exp` keeps their order.",
    lambda logits, temperature: _shares([abs(logit) for logit in logits]),
)
plain.mistake(
    "Each score is a probability of its own: this is the sigmoid.",
    "Tokens compete: divide each power by the sum of all powers.",
    lambda logits, temperature: [1 / (1 + math.exp(-logit)) for logit in logits],
)
plain.mistake(
    "The logarithm of the probabilities is returned.",
    "Probabilities are asked for: each power over the sum of all powers.",
    lambda logits, temperature: [math.log(p) for p in _softmax(logits)],
)
plain.mistake(
    "The likeliest token gets all, the others nothing.",
    "That's temperature 0. Here each token gets its share: its power over the sum of all powers.",
    lambda logits, temperature: [float(logit == max(logits)) for logit in logits],
)
plain.mistake(
    "Only the ten likeliest tokens get something.",
    "The figure shows ten; every token gets its share.",
    lambda logits, temperature: _shares(
        [math.exp(logit) if logit >= sorted(logits)[-10:][0] else 0.0 for logit in logits]
    ),
)
plain.mistake(
    "The probabilities are sorted.",
    "Keep the order of the scores: the place in the list says which token it is.",
    lambda logits, temperature: sorted(_softmax(logits), reverse=True),
)
plain.mistake(
    "All tokens get the same probability.",
    "The scores have no effect. Is each power computed from its own score?",
    lambda logits, temperature: [1 / len(logits)] * len(logits),
)
plain.mistake(
    "Softmax is taken twice.",
    "Once: its results are probabilities already.",
    lambda logits, temperature: _softmax(_softmax(logits)),
)
plain.mistake(
    "The smallest score is subtracted, and what is left is divided by its sum.",
    "Then the lowest token can never come. Take `math.exp` of each score.",
    lambda logits, temperature: _shares([logit - min(logits) for logit in logits]),
)
plain.mistake(
    "The probabilities are rounded.",
    "Leave all digits: 49,152 tokens share 1, and most have less than 0.001.",
    lambda logits, temperature: [round(p, 3) for p in _softmax(logits)],
)
plain.mistake(
    "The result is in percent.",
    "Return probabilities, which add up to 1.",
    lambda logits, temperature: [100 * p for p in _softmax(logits)],
)
plain.mistake(
    "The first power isn't in the sum.",
    "Python counts from 0: `powers[1:]` leaves it out.",
    lambda logits, temperature: [math.exp(logit) / sum(map(math.exp, logits[1:])) for logit in logits],
)
plain.mistake(
    "Equal scores count once in the sum.",
    "A dictionary or a set can't hold both. Keep a list of powers, and add up all of them.",
    lambda logits, temperature: [math.exp(logit) / sum(map(math.exp, set(logits))) for logit in logits],
)
plain.mistake(
    "Each power is divided by the sum of the powers before it and its own.",
    "Compute all powers first, then their sum, then the shares.",
    lambda logits, temperature: [
        math.exp(logit) / sum(map(math.exp, logits[: place + 1])) for place, logit in enumerate(logits)
    ],
)
plain.mistake(
    "Each power is divided by the sum of the others, without its own.",
    "These are odds. Divide by the sum of all powers.",
    lambda logits, temperature: [p / (1 - p) for p in _softmax(logits)],
)

warm = turn.probe("other temperatures", _warm, _type, demand=_to_the_smallest)
warm.at_last = _nearly
warm.mistake(
    "The temperature has no effect.",
    "Divide every score by it, before `math.exp`.",
    lambda logits, temperature: _softmax(logits),
)
warm.mistake(
    "The temperature works the other way round, as if the scores were multiplied by it.",
    "A high temperature flattens the bars: divide the scores by it.",
    lambda logits, temperature: _softmax(logits, 1 / temperature),
)
warm.mistake(
    "Above 1, the probabilities are mixed with equal ones.",
    "It's one rule for all temperatures: divide the scores.",
    lambda logits, temperature: [
        1 / len(logits) + (p - 1 / len(logits)) / max(temperature, 1) for p in _softmax(logits, min(temperature, 1))
    ],
)
warm.mistake(
    "The probabilities are divided by the temperature, after softmax.",
    "Divide the scores, before `math.exp`. Afterwards they no longer add up to 1.",
    lambda logits, temperature: [p / temperature for p in _softmax(logits)],
)
warm.mistake(
    "The probabilities are multiplied by the temperature, after softmax.",
    "Divide the scores by it, before `math.exp`.",
    lambda logits, temperature: [p * temperature for p in _softmax(logits)],
)
warm.mistake(
    "Probabilities, not scores, are divided by the temperature, and softmax is taken again.",
    "Softmax once, of scores divided by the temperature.",
    lambda logits, temperature: _softmax(_softmax(logits), temperature),
)
warm.mistake(
    "Each probability is raised to the temperature's power, and they don't add up to 1 again.",
    "Divide the scores by the temperature, before `math.exp`.",
    lambda logits, temperature: [p**temperature for p in _softmax(logits)],
)
warm.mistake(
    "Each probability is raised to 1 over the temperature, and they don't add up to 1 again.",
    "Right so far; divide by the new sum. Or divide the scores by the temperature, before `math.exp`.",
    lambda logits, temperature: [p ** (1 / temperature) for p in _softmax(logits)],
)
warm.mistake(
    "Only the powers above the line know the temperature; the sum below it is that of the plain scores.",
    "Divide the scores by the temperature once, and use these for the powers and for their sum.",
    lambda logits, temperature: [math.exp(logit / temperature) / sum(map(math.exp, logits)) for logit in logits],
)
warm.mistake(
    "Only the powers above the line know the temperature; the sum below it is that of the plain scores.",
    "Divide what is left of the scores, with the largest subtracted, once. Use these for the powers and for their sum.",
    lambda logits, temperature: [
        math.exp((logit - max(logits)) / temperature) / sum(math.exp(other - max(logits)) for other in logits)
        for logit in logits
    ],
)
warm.mistake(
    "Only the sum below the line knows the temperature; the powers above it are those of the plain scores.",
    "Divide the scores by the temperature once, and use these for the powers and for their sum.",
    lambda logits, temperature: [
        math.exp(logit) / sum(math.exp(other / temperature) for other in logits) for logit in logits
    ],
)
warm.mistake(
    "The scores are divided by the square of the temperature: it is used twice.",
    "Divide each score by the temperature once.",
    lambda logits, temperature: _softmax(logits, temperature**2),
)
warm.mistake(
    "The scores are divided by the square root of the temperature.",
    "Divide each score by the temperature itself.",
    lambda logits, temperature: _softmax(logits, temperature**0.5),
)
warm.mistake(
    "The largest score is subtracted after the others were divided by the temperature, and is not divided itself.",
    "Subtract first, then divide the difference: `(logit - largest) / temperature`, with parentheses.",
    lambda logits, temperature: [
        math.exp(logit / temperature - max(logits))
        / sum(math.exp((other - max(logits)) / temperature) for other in logits)
        for logit in logits
    ],
)

extreme = turn.probe("scores of 1,000, or a low temperature", _extreme, _type, demand=_to_the_smallest)
extreme.at_last = _nearly
extreme.mistake(
    "At a low temperature the likeliest token gets all.",
    "The others stay above 0, at any temperature above 0: no branch is needed.",
    lambda logits, temperature: (
        [float(logit == max(logits)) for logit in logits] if temperature < 0.5 else _softmax(logits, temperature)
    ),
)
for small in (1e-3, 1e-4):
    extreme.mistake(
        f"Probabilities below {small:g} are raised to {small:g}, so the sum is above 1.",
        "Leave them as small as they are: a float holds 1e-300.",
        lambda logits, temperature, small=small: [max(p, small) for p in _softmax(logits, temperature)],
    )
extreme.mistake(
    "Scores far from 0 are cut off, so they become equal.",
    "Subtract the largest score from every score first. Then none overflows, and nothing needs to be cut.",
    lambda logits, temperature: _softmax([max(-700.0, min(700.0, logit / temperature)) for logit in logits]),
)
