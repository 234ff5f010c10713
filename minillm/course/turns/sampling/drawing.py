"""07.sample: draw a token with one random number, by inverting the cumulative distribution (Devroye 1986)."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def sample(logits, temperature, u):
    """The id of the token in whose piece of the line u falls."""
    if temperature == 0:
        return int(logits.argmax())
    pieces = (logits.double() / temperature).softmax(dim=-1)
    ends = pieces.cumsum(dim=-1)
    return int((ends <= u * ends[-1]).sum())


turn = Turn(
    "07.sample",
    "Draw a token",
    sample,
    minutes=8,
    difficulty=2,
    constants=("logits", "temperature", "u"),
    forbidden=("torch.multinomial", "random.choices", "numpy.random.choice"),
    hints=(
        "Lay the probabilities end to end from 0 to 1, in the order of the ids. Where does the piece of token 2 end?",
        "`cumsum` gives the end of every piece. u falls into the first piece that ends beyond it: how many end before?",
        "Treat temperature 0 first. And where the pieces add up to 0.99999998, a u beyond that is still the last "
        "piece's: compare with u times the last end, in float64.",
    ),
    long_call=(torch.linspace(-1, 1, 300), 1.0, 0.95),
    errors={
        "called (torch.multinomial|random|numpy)": "It draws a random number of its own. Here the number is given: "
        "u says which token comes.",
        "division by zero|ZeroDivisionError": "Temperature 0 takes the likeliest token: return that first.",
        "math range error|OverflowError": "e to the power of 800 is too large. Use `softmax`, which subtracts the "
        "largest logit first.",
        "'list' object|'float' object": "`logits` is a tensor with one axis. Its `.softmax(dim=-1)` is one, too.",
        "index out of range|out of bounds": "The number of tokens differs from case to case, and u may lie beyond the "
        "last end by a rounding error.",
        r"name '(p|probs|probabilities|V|T|rng|r)' is not defined": "There are three arguments: `logits`, "
        "`temperature` and `u`.",
        "too many indices|Dimension out of range": "`logits` has one axis here: there's no batch.",
        "cannot access local variable": "It gets a value in some rounds only. Is `return` inside the loop? It ends "
        "the function.",
        "searchsorted": "`torch.searchsorted` wants a tensor and a number, and `right=True` to go past an end that "
        "equals u.",
    },
    debrief=Debrief(
        "Libraries call `torch.multinomial` or add noise to the logits and take the largest (the Gumbel trick). Both "
        "draw from the same distribution, with numbers of their own, so a seed gives other texts there.",
        "With the same seed, a temperature a little higher often gives the same token. Why?",
    ),
)

LARGEST_BELOW_1 = 1 - 2**-53  # which random.random() may give
Weigh = Callable[[Tensor, float], Tensor]  # the pieces of the line from logits and a temperature


def _pieces(logits: Tensor, temperature: float) -> Tensor:
    return (logits.double() / temperature).softmax(-1)


def _drawn(pieces: Tensor, u: float) -> int:
    ends = pieces.cumsum(-1)
    return int((ends <= u * ends[-1]).sum())


def _by(weigh: Weigh) -> Callable[[Tensor, float, float], int]:
    """Sampling from other pieces; the likeliest at temperature 0."""

    def draw(logits: Tensor, temperature: float, u: float) -> int:
        if temperature == 0:
            return int(logits.argmax())
        ends = weigh(logits.double(), temperature).cumsum(-1)
        return min(int((ends <= u).sum()), len(logits) - 1)

    return draw


def _shares(rng: random.Random) -> list[Call]:
    """Temperature 1, with u in the middle of a piece; some calls come twice, since u alone decides."""
    calls: list[Call] = [(torch.tensor([1.0, 0.0, 2.0]), 1.0, u) for u in (0.1, 0.3, 0.6, 0.95)]
    more = [_inside(rng, 5, 1.0) for _ in range(14)]
    return [*calls, *more, *more[:8]]


def _inside(rng: random.Random, V: int, temperature: float) -> Call:
    """Logits, and a u that is far from every end."""
    while True:
        logits, u = numbers(rng, V, scale=1.2), round(rng.random(), 2)
        ends = _pieces(logits, temperature).cumsum(-1)
        if float((ends - u).abs().min()) > 0.02 and u > 0.02:
            return logits, temperature, u


def _warm(rng: random.Random) -> list[Call]:
    small: Call = (torch.tensor([1.0, 0.0, 2.0]), 0.5, 0.2)
    return [small, *(_inside(rng, 5, temperature) for temperature in (0.5, 2.0, 0.3, 4.0) * 4)]


def _zero(rng: random.Random) -> list[Call]:
    return [(numbers(rng, V), 0, u) for V, u in ((3, 0.9), (6, 0.01), (6, 0.5), (5, 0.99), (7, 0.3))]


def _extreme(rng: random.Random) -> list[Call]:
    big = torch.tensor([799.0, 801.0, 800.0])
    return [
        (big, 1.0, 0.05),
        (big, 1.0, 0.5),
        (big, 1.0, 0.9),
        (-big, 1.0, 0.5),
        (torch.tensor([20.0, 19.0, 20.5]), 0.001, 0.7),
        (torch.tensor([20.0, -19.0, 0.5]), 100.0, 0.7),
        (torch.tensor([3.0, -2.0, 0.5, 1.0]), 50.0, 0.3),
    ]


def _ends(rng: random.Random) -> list[Call]:
    """Tokens without a piece, and a u at the end of a piece, or of the line."""
    cut = -math.inf
    rounded = next(n for n in range(3, 400) if float(torch.zeros(n).softmax(0).cumsum(0)[-1]) < 1 - 2e-8)
    double = next(n for n in range(3, 400) if float(_pieces(torch.zeros(n), 1.0).cumsum(0)[-1]) <= LARGEST_BELOW_1)
    return [
        (torch.tensor([0.0, 0.0]), 1.0, 0.5),
        (torch.tensor([cut, 1.0, 0.0]), 1.0, 0.0),
        (torch.tensor([1.0]), 0.7, 0.4),
        (torch.zeros(4), 1.0, 0.25),
        (torch.tensor([1.0, cut, cut, 0.5]), 1.0, 0.999),
        (torch.zeros(rounded), 1.0, 1 - 1e-9),
        (torch.cat([torch.zeros(rounded), torch.tensor([cut])]), 1.0, 1 - 1e-9),
        (torch.zeros(double), 1.0, LARGEST_BELOW_1),
    ]


def _kind(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another kind of thing than the id of a token."""
    for index, answer in enumerate(got):
        twin = next((at for at in range(index) if difference(calls[at], calls[index]) is None), None)
        if twin is not None and difference(got[twin], answer):
            hint = "u is the only random number here, and it is given: find the piece in which it falls."
            return "Called twice with one u, it returns two tokens.", hint, twin
    for index, answer in enumerate(got):
        if answer is None and index and type(got[0]) is int:
            hint = "Which token is the last that has a piece? Return it after the loop."
            return "In this case nothing is returned: u lies beyond the end of every piece.", hint, index
        if type(answer) in (list, tuple, dict):
            return "One whole number is asked for, the id of the token.", "Return the id alone.", index
        if type(answer) is Tensor and answer.numel() != 1:
            return "That's a tensor with more than one number.", "Return the id of one token.", index
        if type(answer) is float or (type(answer) is Tensor and answer.is_floating_point()):
            hint = "Count the pieces that end at u or before: that is the id."
            return "That's not the id of a token, but a number with a fraction.", hint, index
        if type(answer) is Tensor:
            return "The number is in a tensor, and an int is asked for.", "`int(...)` makes one of it.", index
    return None


def _a_number(right: Any, got: Any) -> str | None:
    return None if type(got) is int else f"is a {type(got).__name__.lower()}, and an int is asked for"


def _at_an_end(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """What goes wrong at the ends of pieces, of which a function may do several."""
    for index, (call, due, gave) in enumerate(zip(calls, right, got, strict=True)):
        if due == gave or type(gave) is not int:
            continue
        logits = call[0]
        if gave >= len(logits):
            return f"There is no token {gave}.", _ROUNDED, index
        if logits[gave] == -math.inf:
            hint = "It has no piece. At u = 0 go past every end that equals u. " + _ROUNDED
            return "A token whose logit is -inf was drawn.", hint, index
        if gave == due - 1:
            return "At the end of a piece, u belongs to the next one.", "Compare with `u < end`, not `u <= end`.", index
    return None


_ROUNDED = "Rounded pieces may add up to less than 1: compare with u times the last end, in `.double()`."


plain = turn.probe("temperature 1", _shares, _kind, demand=_a_number)
plain.mistake(
    "The likeliest token always comes; u has no effect.",
    "That's greedy decoding. Here u chooses: find the piece in which it falls.",
    lambda logits, temperature, u: int(logits.argmax()),
)
plain.mistake(
    "Token 0 always comes.",
    "Is `return` inside the loop, where it ends the function in the first round?",
    lambda logits, temperature, u: 0,
)
plain.mistake(
    "The token before the right one is returned.",
    "u falls into the first piece that ends beyond it. Ids count from 0.",
    lambda logits, temperature, u: max(sample(logits, temperature, u) - 1, 0),
)
plain.mistake(
    "The token after the right one is returned.",
    "u falls into the first piece that ends beyond it. Ids count from 0.",
    lambda logits, temperature, u: sample(logits, temperature, u) + 1,
)
plain.mistake(
    "The first token whose probability is above u is returned.",
    "Add up the pieces from the left, and compare u with their sum: `cumsum`.",
    lambda logits, temperature, u: next(
        (i for i, p in enumerate(_pieces(logits, temperature or 1).tolist()) if p > u), len(logits) - 1
    ),
)
plain.mistake(
    "The pieces are laid out in sorted order.",
    "Any order would give the same odds, but here the ids are in order, so that a seed gives one text.",
    lambda logits, temperature, u: int(
        logits.sort(descending=True).indices[_drawn(_pieces(logits.sort(descending=True).values, temperature or 1), u)]
    ),
)
plain.mistake(
    "A rank is returned, not an id: the pieces were sorted.",
    "Leave the pieces in the order of the ids.",
    lambda logits, temperature, u: _drawn(_pieces(logits.sort(descending=True).values, temperature or 1), u),
)
plain.mistake(
    "All tokens have pieces of one length.",
    "The length of a piece is the token's probability: `softmax`.",
    lambda logits, temperature, u: int(u * len(logits)),
)
plain.mistake(
    "The logits themselves are added up.",
    "They may be negative. `softmax` makes probabilities of them.",
    _by(lambda logits, temperature: logits / temperature),
)
plain.mistake(
    "The logits themselves are added up, and u is compared with shares of their sum.",
    "They may be negative. `softmax` makes probabilities of them.",
    lambda logits, temperature, u: min(_drawn(logits.double() / (temperature or 1), u), len(logits) - 1),
)
plain.mistake(
    "Softmax is taken twice.",
    "Once: its results are the pieces.",
    _by(lambda logits, temperature: _pieces(_pieces(logits, temperature), 1.0)),
)
plain.mistake(
    "u is compared with the pieces, scaled by the largest.",
    "Add up the pieces from the left, and compare u with their sum.",
    lambda logits, temperature, u: next(
        i
        for i, p in enumerate(_pieces(logits, temperature or 1).tolist())
        if p >= u * _pieces(logits, temperature or 1).max()
    ),
)
plain.mistake(
    "The token whose probability is closest to u is returned.",
    "Add up the pieces from the left, and see in which one u falls.",
    lambda logits, temperature, u: int((_pieces(logits, temperature or 1) - u).abs().argmin()),
)
plain.mistake(
    "u is measured from the right end of the line, as 1 - u would be.",
    "Count from the left: the pieces that end at u or before.",
    lambda logits, temperature, u: _drawn(_pieces(logits, temperature or 1), 1 - u),
)

warm = turn.probe("other temperatures", _warm, _kind, demand=_a_number)
warm.mistake(
    "The temperature has no effect.",
    "Divide the logits by it, before `softmax`.",
    _by(lambda logits, temperature: _pieces(logits, 1.0)),
)
warm.mistake(
    "The logits are multiplied by the temperature.",
    "A high temperature flattens: divide.",
    _by(lambda logits, temperature: _pieces(logits, 1 / temperature)),
)
warm.mistake(
    "The probabilities are divided by the temperature, after `softmax`.",
    "Then they no longer add up to 1. Divide the logits.",
    _by(lambda logits, temperature: _pieces(logits, 1.0) / temperature),
)
warm.mistake(
    "u is divided by the temperature.",
    "Divide the logits.",
    lambda logits, temperature, u: min(
        int((_pieces(logits, 1.0).cumsum(-1) <= u / (temperature or 1)).sum()), len(logits) - 1
    ),
)
warm.mistake(
    "Probabilities, not logits, are divided by the temperature, and `softmax` is taken again.",
    "Softmax once, of the logits divided by the temperature.",
    _by(lambda logits, temperature: _pieces(_pieces(logits, 1.0), temperature)),
)

zero = turn.probe("temperature 0", _zero, _kind, demand=_a_number)
zero.mistake(
    "At temperature 0 the logits stay as they are.",
    "The lower the temperature, the surer the likeliest token: at 0 return it, whatever u is.",
    lambda logits, temperature, u: _drawn(_pieces(logits, temperature or 1), u),
)
zero.mistake(
    "At temperature 0 the first token is returned.",
    "Dividing by 0 gives infinite logits and NaN. Return the likeliest token first.",
    lambda logits, temperature, u: 0 if temperature == 0 else sample(logits, temperature, u),
)
zero.mistake(
    "At temperature 0 the last token is returned.",
    "Dividing by 0 gives infinite logits and NaN. Return the likeliest token first.",
    lambda logits, temperature, u: len(logits) - 1 if temperature == 0 else sample(logits, temperature, u),
)
zero.mistake(
    "At temperature 0 there is a number beyond the last token.",
    "Dividing by 0 gives infinite logits and NaN. Return the likeliest token first.",
    lambda logits, temperature, u: len(logits) if temperature == 0 else sample(logits, temperature, u),
)
zero.mistake(
    "At temperature 0 the largest logit is returned, not its id.",
    "`argmax` gives the index of the largest.",
    lambda logits, temperature, u: float(logits.max()) if temperature == 0 else sample(logits, temperature, u),
)
zero.mistake(
    "At temperature 0 the probability of the likeliest token is returned, not its id.",
    "`argmax` gives the index of the largest.",
    lambda logits, temperature, u: 1.0 if temperature == 0 else sample(logits, temperature, u),
)

extreme = turn.probe("large logits, and extreme temperatures", _extreme, _kind, demand=_a_number)


@extreme.mistake(
    "Large logits overflow.",
    "e to the power of 801 is infinite in a float. Use `softmax`, which subtracts the largest logit first.",
)
def _overflow(logits, temperature, u):
    powers = (logits / (temperature or 1)).exp()
    ends = (powers / powers.sum()).cumsum(-1)
    return int((ends <= u * ends[-1]).sum())


@extreme.mistake(
    "Large logits overflow, and the last token is returned.",
    "e to the power of 801 is infinite in a float. Use `softmax`, which subtracts the largest logit first.",
)
def _overflow_to_the_last(logits, temperature, u):
    ends = (logits / (temperature or 1)).exp().cumsum(-1)
    below = next((i for i, end in enumerate((ends / ends[-1]).tolist()) if u < end), None)
    return len(logits) - 1 if below is None else below


ends = turn.probe("ends of pieces", _ends, _kind, demand=_a_number)
ends.at_last = _at_an_end


def _compared(compare: Callable[[Tensor, float], Tensor], last: Callable[[Tensor], int]) -> Any:
    def draw(logits: Tensor, temperature: float, u: float) -> int:
        pieces = (logits / (temperature or 1)).softmax(-1)
        count = int(compare(pieces.cumsum(-1), u).sum())
        return count if count < len(logits) else last(pieces)

    return draw


ends.mistake(
    "At the end of a piece, the token before it comes; at u = 0 even one that was cut.",
    "A piece ends before its end: the next one begins there. Count the ends that are at most u.",
    _compared(lambda ends, u: ends < u, lambda pieces: int(pieces.nonzero()[-1])),
)
ends.mistake(
    "Where rounding leaves u beyond the last end, there is no token of that number.",
    _ROUNDED,
    _compared(lambda ends, u: ends <= u, lambda pieces: len(pieces)),
)
ends.mistake(
    "Where rounding leaves u beyond the last end, the last token comes, even if it was cut.",
    _ROUNDED,
    _compared(lambda ends, u: ends <= u, lambda pieces: len(pieces) - 1),
)
