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
from minillm.course.checks.sampling.search import Tokens, beam_search, grow, per_token, rounds

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


def _never_ending(rng: random.Random) -> list[Call]:
    return _tables(rng, False, False, _greedy, _never_cut, _each_for_itself, _sum_of_probabilities)


def _ending(rng: random.Random) -> list[Call]:
    return _tables(rng, True, False, _go_on_after_the_end, _finished_lost, _first_that_ends, _finished_set_aside)


def _normed(rng: random.Random) -> list[Call]:
    traps = _no_power, _only_in_the_end, _start_counts, _end_does_not, _multiplied, _best_that_ends
    return _tables(rng, True, True, *traps)


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

never_end = question.probe("texts that never end", _never_ending, _other_text)


@never_end.mistake(
    "It is greedy: a width of 1, whatever is asked for.", "Keep `width` texts after each round, not one."
)
def _greedy(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, 1, steps, power)


@never_end.mistake(
    "The beam is never cut: it finds the best text of all, whatever the width.",
    "A real model has 50,000 continuations for each text. After each round keep `width` of all.",
)
def _never_cut(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, len(log_p) ** steps, steps, power)


@never_end.mistake(
    "Each text of the beam is continued by its own best token alone.",
    "Put all continuations of all texts into one list, sort that, and keep the best of it.",
)
def _each_for_itself(log_p, start, end, width, steps, power):
    firsts = next(rounds(log_p, start, end, width, 1, per_token(power)))[:width]
    whole = []
    for tokens, total in firsts:
        *_, last = rounds(log_p, tokens[0], end, 1, steps - 1, per_token(0.0))
        rest = last[0] if tokens[0] != end else ((), 0.0)
        whole.append((tokens + rest[0], total + rest[1]))
    return max(whole, key=per_token(power))[0]


@never_end.mistake(
    "Texts are compared by their last token alone.",
    "Carry the sum along: the score so far plus the new log-probability.",
)
def _last_step_only(log_p, start, end, width, steps, power):
    *_, last = rounds(log_p, start, end, width, steps, lambda text: log_p[(start, *text[0])[-2:]].item())
    return last[0][0]


@never_end.mistake(
    "Probabilities are added.", "The probability of a text is a product, so it is the logarithms that are added."
)
def _sum_of_probabilities(log_p, start, end, width, steps, power):
    return beam_search(log_p.exp(), start, end, width, steps, power)


never_end.mistake(
    "The start comes back with the text.",
    "Return the new tokens only.",
    lambda log_p, start, *others: (start, *beam_search(log_p, start, *others)),
)

with_ends = question.probe("texts that end", _ending, _other_text)


@with_ends.mistake(
    "Finished texts go on after their end.", "A text whose last token is `end` stays as it is, with its score."
)
def _go_on_after_the_end(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, -1, width, steps, power)


@with_ends.mistake(
    "Finished texts are lost.", "They stay in the beam and may win. Only then can a short text be the likeliest."
)
def _finished_lost(log_p, start, end, width, steps, power):
    never = log_p.clone()
    never[:, end] = -math.inf
    return beam_search(never, start, end, width, steps, power)


@with_ends.mistake(
    "The search ends with the first text that is finished.",
    "An unfinished one may still be likelier. Stop when all of the beam are finished.",
)
def _first_that_ends(log_p, start, end, width, steps, power):
    for pool in rounds(log_p, start, end, width, steps, per_token(power)):
        for tokens, _ in pool[:width]:
            if tokens[-1] == end:
                return tokens
    return pool[0][0]


@with_ends.mistake(
    "Finished texts are set aside, and others take their places.",
    "Here they keep their place in the beam as long as nothing better comes.",
)
def _finished_set_aside(log_p, start, end, width, steps, power):
    score, beam, aside = per_token(power), [((), 0.0)], []
    for _ in range(steps):
        pool = sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        aside += [text for text in pool if text[0][-1] == end]
        beam = [text for text in pool if text[0][-1] != end][:width]
    return max(aside + beam, key=score)[0]


def _counting(log_p, start, end, width, steps, power, counted: Callable[[Tokens, int], int]) -> Tokens:
    """Beam search with another number of tokens in the score."""
    *_, last = rounds(log_p, start, end, width, steps, per_token(power, lambda tokens: counted(tokens, end)))
    return last[0][0]


per_length = question.probe("scores per length", _normed, _other_text)


@per_length.mistake(
    "`power` is not used.", "The score is the sum divided by n to this power, where n is the number of new tokens."
)
def _no_power(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, width, steps, 0.0)


@per_length.mistake(
    "Only the last choice is by the score; the beam is cut by the sums.", "Use the score wherever texts are compared."
)
def _only_in_the_end(log_p, start, end, width, steps, power):
    *_, last = rounds(log_p, start, end, width, steps, per_token(0.0))
    return max(last[:width], key=per_token(power))[0]


@per_length.mistake(
    "The sum is multiplied, and long texts lose twice.",
    "Sums are negative and fall with every token. Dividing is what makes up for it.",
)
def _multiplied(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, width, steps, -power)


@per_length.mistake("The start counts as a token.", "Only new tokens count, the end among them.")
def _start_counts(*call):
    return _counting(*call, counted=lambda tokens, end: len(tokens) + 1)


@per_length.mistake("The end does not count as a token.", "It has a log-probability in the sum, so it counts as well.")
def _end_does_not(*call):
    return _counting(*call, counted=lambda tokens, end: max(1, len(tokens) - (tokens[-1] == end)))


@per_length.mistake(
    "The search ends as soon as the best text is finished.",
    "With a power above 0 a longer one may still overtake it. Stop when all of the beam are finished.",
)
def _best_that_ends(log_p, start, end, width, steps, power):
    for pool in rounds(log_p, start, end, width, steps, per_token(power)):
        if pool[0][0][-1] == end:
            break
    return pool[0][0]
