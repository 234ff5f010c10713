"""Tables for 07.4, on which the mistakes go astray, and what to say of another text than the best."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import show
from minillm.course.checks.sampling.search import Tokens, beam_search, per_token, rounds

MARGIN = 0.005  # no two texts that matter are nearer to each other, so rounding decides nothing


def tables(rng: random.Random, ends: bool, normed: bool, *traps: Callable[..., Tokens]) -> list[Call]:
    """What follows what, with two decimals: two tables for each mistake that they lead astray, the smallest first."""
    calls = []
    while len(calls) < 2 * len(traps):
        V, width, steps = ((3, 2, 3), (4, 2, 4), (4, 3, 4), (4, 2, 5), (4, 2, 4))[min(len(calls), 4)]
        rows = torch.tensor([[rng.gauss(0, 1.2) for _ in range(V)] for _ in range(V)])
        rows[:, -1] += 0.5 if ends else -math.inf
        power = rng.choice((0.6, 0.8, 1.0)) if normed else 0.0
        end = V - 1
        if len(calls) % 4 > 1:  # what ends a text may be any token
            rows, end = rows.roll((1, 1), (0, 1)), 0
        start = end if ends and len(calls) % 2 else 1 - end // 2  # and may also stand before it
        call = (rows.log_softmax(-1).round(decimals=2), start, end, width, steps, power)
        if clear(*call) and beam_search(*call) != traps[len(calls) % len(traps)](*call):
            calls.append(call)
    return calls


def wide(rng: random.Random, for_the_end: float, *sizes: tuple[int, int]) -> list[Call]:
    """Beams of some width and so many rounds, over three tokens."""
    calls = []
    for width, steps in sizes:
        while True:
            rows = torch.tensor([[rng.gauss(0, 1.2) for _ in range(3)] for _ in range(3)])
            rows[:, -1] += for_the_end
            call = (rows.log_softmax(-1).round(decimals=2), 0, 2, width, steps, 0.0)
            if clear(*call):
                break
        calls.append(call)
    return calls


def clear(log_p, start, end, width, steps, power) -> bool:
    """Whether rounding can decide neither a cut nor the choice."""
    score = per_token(power)
    gaps = []
    for pool in rounds(log_p, start, end, width, steps, score):
        ranked = [score(text) for text in pool]
        gaps += [ranked[place - 1] - ranked[place] for place in (1, width) if place < len(ranked)]
    return min(gaps) > MARGIN


def other_text(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What is wrong with another text by itself, or both texts with their scores."""
    for (log_p, start, end, width, steps, power), wanted, answer in zip(calls, right, got, strict=True):
        if type(answer) not in (list, tuple) or any(type(id) is not int for id in answer):
            return None
        tokens = tuple(answer)
        if tokens == wanted:
            continue
        shown = show(list(answer))
        if not tokens:
            return None
        if not all(0 <= id < len(log_p) for id in tokens):
            return f"{shown} contains something that is not a token.", "Return a list of ids."
        if len(tokens) > steps:
            return f"{shown} has more than {steps} tokens.", "There are `steps` rounds, each with one new token."
        if end in tokens[:-1]:
            return f"{shown} continues after its end.", "A text whose last token is `end` stays as it is."
        if tokens[-1] != end and len(tokens) < steps:
            hint = "Only a text that ends with `end` is shorter than `steps`."
            return f"{shown} is not finished, and has {len(tokens)} of {steps} tokens.", hint
        totals = [total_of(log_p, start, text) for text in (tokens, wanted)]
        if totals[0] == -math.inf:
            hint = "`log_p[i, j]` is for token j after token i, and the first new token comes after `start`."
            return f"{shown} is impossible: it contains a token that can't follow the one before.", hint
        mine, best = (per_token(power)(pair) for pair in zip((tokens, wanted), totals, strict=True))
        sentence = f"{shown} has the score {mine:.6g}, and {show(list(wanted))} has {best:.6g}"
        if mine > best:
            return (
                f"{sentence}. A beam of {width} doesn't find your text: too many texts are kept, or the wrong ones.",
                _PRINT,
            )
        if len(calls) > 1 and width >= len(log_p) ** steps:
            return f"{sentence}. The beam holds all texts here, so also the best.", _PRINT
        return f"{sentence}. The better one was dropped in an earlier round, or not chosen at the end.", _PRINT
    return None


def total_of(log_p: Tensor, start: int, tokens: Tokens) -> float:
    """The sum of the log-probabilities of a text."""
    return sum(log_p[pair].item() for pair in zip((start, *tokens[:-1]), tokens, strict=True))


_PRINT = "Print the texts of each round with their scores. In which round do the rules keep others?"
