"""Answers to 07.4 that go wrong, each in its own way."""

from collections.abc import Callable
from typing import Any

from minillm.course.checks.sampling.search import Tokens, beam_search, grow, per_token, rounds


def columns(log_p, *others) -> Tokens:
    """The table read by columns: from the second token to the first."""
    return beam_search(log_p.T, *others)


def fewer(log_p, start, end, width, steps, power) -> Tokens:
    """A round too few."""
    return beam_search(log_p, start, end, width, steps - 1, power) if steps > 1 else ()


def width_for_each(log_p, start, end, width, steps, power) -> Tokens:
    """Of each text of the beam as many as the whole beam should hold."""
    beam, score = [((), 0.0)], per_token(power)
    for _ in range(steps):
        each = [sorted(grow(log_p.tolist(), [text], start, end), key=score, reverse=True)[:width] for text in beam]
        beam = [text for own in each for text in own]
    return max(beam, key=score)[0]


def worst(log_p, start, end, width, steps, power) -> Tokens:
    """The worst texts of each round."""
    *_, last = rounds(log_p, start, end, width, steps, lambda text: -per_token(power)(text))
    return last[0][0]


def ranked(log_p, start, end, width, steps, power) -> list[Any]:
    """The last beam."""
    beam, score = [((), 0.0)], per_token(power)
    for _ in range(steps):
        pool = sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        beam = pool[:width]
    return beam


def finished_first(*call) -> Tokens:
    """A finished text before any other, whatever their scores."""
    return max(ranked(*call), key=lambda text: (text[0][-1] == call[2], per_token(call[5])(text)))[0]


def frees_its_place(log_p, start, end, width, steps, power) -> Tokens:
    """Finished texts are kept aside once they were among the best, and the next round has more room."""
    score, beam, aside = per_token(power), [((), 0.0)], []
    for _ in range(steps):
        best = sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True)[:width]
        aside += [text for text in best if text[0][-1] == end]
        beam = [text for text in best if text[0][-1] != end]
    return max(aside + beam, key=score)[0]


def counting(log_p, start, end, width, steps, power, counted: Callable[[Tokens, int], int]) -> Tokens:
    """Beam search with another number of tokens in the score."""
    *_, last = rounds(log_p, start, end, width, steps, per_token(power, lambda tokens: counted(tokens, end)))
    return last[0][0]


def offset(*call) -> Tokens:
    """Divided by a power of 5 more than the length, as Google's translator does."""
    return counting(*call, counted=lambda tokens, end: 5 + len(tokens))  # the 6 is the same for all


def plain(log_p, start, end, width, steps, power) -> Tokens:
    """The power is always 1."""
    return beam_search(log_p, start, end, width, steps, 1.0)


def cut_at_the_end(*call) -> Tokens:
    """Finished texts go on, and the answer is cut after its first end."""
    log_p, start, end, *rest = call
    tokens = beam_search(log_p, start, -1, *rest)
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens


def one_for_each_last_token(log_p, start, end, width, steps, power) -> Tokens:
    """Viterbi's rule: of the texts with the same last token only the best."""
    beam, score = [((), 0.0)], per_token(power)
    for _ in range(steps):
        best = {}
        for text in sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True):
            best.setdefault(text[0][-1], text)
        beam = list(best.values())[:width]
    return beam[0][0]


def divided_again(log_p, start, end, width, steps, power) -> Tokens:
    """A score that is divided already is carried along as the sum."""
    beam = [((), 0.0)]
    for _ in range(steps):
        pool = []
        for text in beam:
            new = grow(log_p.tolist(), [text], start, end)
            pool += new if new == [text] else [(ids, total / len(ids) ** power) for ids, total in new]
        beam = sorted(pool, key=lambda text: text[1], reverse=True)[:width]
    return beam[0][0]


def after_the_start(log_p, start, *others) -> Tokens:
    """Every token as if it came after the start."""
    return beam_search(log_p[start].expand_as(log_p), start, *others)


def one_at_first(log_p, start, end, width, steps, power) -> Tokens:
    """Only the best first token goes on."""
    beam, score = [((), 0.0)], per_token(power)
    for number in range(steps):
        pool = sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        beam = pool[: width if number else 1]
    return beam[0][0]
