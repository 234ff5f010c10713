"""07.4: beam search, which looks for the likeliest text and not for the likeliest next token.

The lesson leaves it out. What becomes of finished texts is where implementations differ and go wrong, and without a
correction for the length short texts win, the empty one above all (Stahlberg & Byrne 2019).
"""

import math
import random
from collections.abc import Callable
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import show
from minillm.course.checks.question import Question
from minillm.course.checks.sampling import search
from minillm.course.checks.sampling.search import Tokens, beam_search, per_token, rounds

MARGIN = 0.005  # no two texts that matter are nearer to each other, so rounding decides nothing


def _tables(rng: random.Random, ends: bool, normed: bool, *traps: Callable[..., Tokens]) -> list[Call]:
    """What follows what, with two decimals: two tables for each mistake that they lead astray, the smallest first."""
    calls = []
    while len(calls) < 2 * len(traps):
        V, width, steps = ((3, 2, 3), (4, 2, 4), (4, 3, 4), (4, 2, 5), (4, 2, 4))[min(len(calls), 4)]
        rows = torch.tensor([[rng.gauss(0, 1.2) for _ in range(V)] for _ in range(V)])
        rows[:, -1] += 0.5 if ends else -math.inf
        power = rng.choice((0.6, 0.8, 1.0)) if normed else 0.0
        start = V - 1 if ends and len(calls) % 2 else 0  # what ends a text may also stand before it
        call = (rows.log_softmax(-1).round(decimals=2), start, V - 1, width, steps, power)
        if _clear(*call) and beam_search(*call) != traps[len(calls) % len(traps)](*call):
            calls.append(call)
    return calls


def _clear(log_p, start, end, width, steps, power) -> bool:
    """Whether rounding can decide neither a cut nor the choice."""
    score = per_token(power)
    gaps = []
    for pool in rounds(log_p, start, end, width, steps, score):
        ranked = [score(text) for text in pool]
        gaps += [ranked[place - 1] - ranked[place] for place in (1, width) if place < len(ranked)]
    return min(gaps) > MARGIN


def _other_text(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Both texts with their scores."""
    for (log_p, start, _, width, steps, power), wanted, answer in zip(calls, right, got, strict=True):
        if type(answer) not in (list, tuple) or not answer or any(type(id) is not int for id in answer):
            return None
        if tuple(answer) == wanted:
            continue
        if len(answer) > steps or not all(0 <= id < len(log_p) for id in answer):
            return None
        scores = []
        for tokens in (tuple(answer), wanted):
            before = (start, *tokens[:-1])
            total = sum(log_p[pair].item() for pair in zip(before, tokens, strict=True))
            scores.append(per_token(power)((tokens, total)))
        sentence = f"{show(list(answer))} has the score {scores[0]:.6g}, and {show(list(wanted))} has {scores[1]:.6g}."
        return sentence, f"Print the {width} texts of each round with their scores. Where do the rules keep others?"
    return None


question = Question("07.4", "The likeliest text", beam_search)

never_end = question.probe(
    "texts that never end",
    lambda rng: _tables(
        rng, False, False, search.greedy, search.never_cut, search.each_for_itself, search.sum_of_probabilities
    ),
    _other_text,
)
never_end.mistake(
    "It is greedy: a width of 1, whatever is asked for.",
    "Keep `width` texts after each round, not one.",
    search.greedy,
)
never_end.mistake(
    "The beam is never cut: it finds the best text of all, whatever the width.",
    "A real model has 50,000 continuations for each text. After each round keep `width` of all.",
    search.never_cut,
)
never_end.mistake(
    "Each text of the beam is continued by its own best token alone.",
    "Put all continuations of all texts into one list, sort that, and keep the best of it.",
    search.each_for_itself,
)
never_end.mistake(
    "Texts are compared by their last token alone.",
    "Carry the sum along: the score so far plus the new log-probability.",
    search.last_step_only,
)
never_end.mistake(
    "Probabilities are added.",
    "The probability of a text is a product, so it is the logarithms that are added.",
    search.sum_of_probabilities,
)
never_end.mistake(
    "The start comes back with the text.",
    "Return the new tokens only.",
    search.with_the_start,
)

with_ends = question.probe(
    "texts that end",
    lambda rng: _tables(
        rng,
        True,
        False,
        search.go_on_after_the_end,
        search.finished_are_lost,
        search.first_that_ends,
        search.finished_set_aside,
    ),
    _other_text,
)
with_ends.mistake(
    "Finished texts go on after their end.",
    "A text whose last token is `end` stays as it is, with its score.",
    search.go_on_after_the_end,
)
with_ends.mistake(
    "Finished texts are lost.",
    "They stay in the beam and may win. Only then can a short text be the likeliest.",
    search.finished_are_lost,
)
with_ends.mistake(
    "The search ends with the first text that is finished.",
    "An unfinished one may still be likelier. Stop when all of the beam are finished.",
    search.first_that_ends,
)
with_ends.mistake(
    "Finished texts are set aside, and others take their places.",
    "Here they keep their place in the beam as long as nothing better comes.",
    search.finished_set_aside,
)

per_length = question.probe(
    "scores per length",
    lambda rng: _tables(
        rng,
        True,
        True,
        search.power_ignored,
        search.only_in_the_end,
        search.start_counts,
        search.end_does_not,
        search.multiplied,
        search.best_that_ends,
    ),
    _other_text,
)
per_length.mistake(
    "`power` is not used.",
    "The score is the sum divided by n to this power, where n is the number of new tokens.",
    search.power_ignored,
)
per_length.mistake(
    "Only the last choice is by the score; the beam is cut by the sums.",
    "Use the score wherever texts are compared.",
    search.only_in_the_end,
)
per_length.mistake(
    "The sum is multiplied, and long texts lose twice.",
    "Sums are negative and fall with every token. Dividing is what makes up for it.",
    search.multiplied,
)
per_length.mistake(
    "The start counts as a token.",
    "Only new tokens count, the end among them.",
    search.start_counts,
)
per_length.mistake(
    "The end does not count as a token.",
    "It has a log-probability in the sum, so it counts as well.",
    search.end_does_not,
)
per_length.mistake(
    "The search ends as soon as the best text is finished.",
    "With a power above 0 a longer one may still overtake it. Stop when all of the beam are finished.",
    search.best_that_ends,
)
