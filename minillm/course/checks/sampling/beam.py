"""07.4: beam search, which looks for the most probable text instead of the most probable next token.

Implementations differ, and go wrong, in what they do with finished texts. Without a length penalty, short texts win,
even the empty one (Stahlberg & Byrne 2019).
"""

import math
import random

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question
from minillm.course.checks.sampling.search import beam_search, grow, per_token, rounds
from minillm.course.checks.sampling.slips import (
    after_the_start,
    columns,
    counting,
    cut_at_the_end,
    divided_again,
    fewer,
    finished_first,
    frees_its_place,
    offset,
    one_at_first,
    one_for_each_last_token,
    plain,
    ranked,
    width_for_each,
    worst,
)
from minillm.course.checks.sampling.tables import other_text, tables, wide


def _never_ending(rng: random.Random) -> list[Call]:
    traps = _greedy, _never_cut, _each_for_itself, _sum_of_probabilities, width_for_each, columns
    return [*tables(rng, False, False, *traps), *wide(rng, -math.inf, (1, 4), (2, 1))]


def _ending(rng: random.Random) -> list[Call]:
    traps = _go_on_after_the_end, _finished_lost, _first_that_ends, _finished_set_aside, finished_first, cut_at_the_end
    traps += (frees_its_place,)
    return [*tables(rng, True, False, *traps), *wide(rng, 0.5, (5, 3), (1, 4), (2, 1))]


def _normed(rng: random.Random) -> list[Call]:
    traps = _no_power, _only_in_the_end, _start_counts, _end_does_not, _multiplied, _best_that_ends, offset, plain
    return tables(rng, True, True, *traps)


question = Question("07.4", "Beam search", beam_search)

never_end = question.probe("texts that never end", _never_ending, other_text)


@never_end.mistake("It is greedy: the width is always 1.", "Keep `width` texts after each round, not one.")
def _greedy(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, 1, steps, power)


@never_end.mistake(
    "The beam is never cut: it finds the best text of all for any width.",
    "A real model has 50,000 continuations per text. After each round keep `width` of all.",
)
def _never_cut(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, len(log_p) ** steps, steps, power)


@never_end.mistake(
    "Each text of the beam is extended by its own best token only.",
    "Put all continuations of all texts into one list, sort it, and keep the best.",
)
def _each_for_itself(log_p, start, end, width, steps, power):
    firsts = next(rounds(log_p, start, end, width, 1, per_token(power)))[:width]
    whole = []
    for tokens, total in firsts:
        *_, last = [[((), 0.0)], *rounds(log_p, tokens[0], end, 1, steps - 1, per_token(0.0))]
        rest = last[0] if tokens[0] != end else ((), 0.0)
        whole.append((tokens + rest[0], total + rest[1]))
    return max(whole, key=per_token(power))[0]


@never_end.mistake(
    "Texts are compared by their last token only.",
    "Keep the sum: the score so far plus the new log-probability.",
)
def _last_step_only(log_p, start, end, width, steps, power):
    *_, last = rounds(log_p, start, end, width, steps, lambda text: log_p[(start, *text[0])[-2:]].item())
    return last[0][0]


@never_end.mistake("Probabilities are added.", "The probability of a text is a product, so the logarithms are added.")
def _sum_of_probabilities(log_p, start, end, width, steps, power):
    return beam_search(log_p.exp(), start, end, width, steps, power)


never_end.mistake(
    "The start is returned with the text.",
    "Return the new tokens only.",
    lambda log_p, start, *others: (start, *beam_search(log_p, start, *others)),
)

never_end.mistake(
    "The table is read by columns: the token before, not the token after.",
    "Row i is for the token after token i: `log_p[last]`.",
    columns,
)
never_end.mistake(
    "Each text keeps its own best `width` continuations, without comparing them to those of other texts.",
    "Put all continuations of all texts into one list, and keep its `width` best.",
    width_for_each,
)
never_end.mistake(
    "In each round the `width` worst are kept.",
    "The highest score is best: the sum closest to 0. Sort with `reverse=True`.",
    worst,
)
never_end.mistake(
    "The answer is the worst of the beam.",
    "The highest score is best: the sum closest to 0.",
    lambda *call: ranked(*call)[-1][0],
)
never_end.mistake(
    "One round too few: a token is missing at the end.",
    "There are `steps` rounds, and each adds a token to each unfinished text.",
    fewer,
)
never_end.mistake(
    "Of the texts with the same last token only the best is kept (Viterbi's rule).",
    "In a beam two texts may end with the same token. Keep the `width` best of all.",
    one_for_each_last_token,
)
never_end.mistake(
    "Every token is scored as if it came after the start.",
    "The row changes in each round: `log_p[last]`, with the text's own last token.",
    after_the_start,
)
never_end.mistake(
    "After the first round only one text is kept.",
    "The first round keeps `width` texts, too.",
    one_at_first,
)

with_ends = question.probe("texts that end", _ending, other_text)


@with_ends.mistake(
    "Finished texts are extended after their end.", "A text whose last token is `end` stays as it is, with its score."
)
def _go_on_after_the_end(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, -1, width, steps, power)


@with_ends.mistake(
    "Finished texts are lost.", "They stay in the beam and may win. Otherwise a short text could never be the answer."
)
def _finished_lost(log_p, start, end, width, steps, power):
    never = log_p.clone()
    never[:, end] = -math.inf
    return beam_search(never, start, end, width, steps, power)


@with_ends.mistake(
    "The search ends with the first text that is finished.",
    "An unfinished one may still be more probable. Stop when all texts of the beam are finished.",
)
def _first_that_ends(log_p, start, end, width, steps, power):
    for pool in rounds(log_p, start, end, width, steps, per_token(power)):
        for tokens, _ in pool[:width]:
            if tokens[-1] == end:
                return tokens
    return pool[0][0]


@with_ends.mistake(
    "Finished texts are set aside, and others take their places in the beam.",
    "By these rules they keep their place in the beam unless `width` texts are better.",
)
def _finished_set_aside(log_p, start, end, width, steps, power):
    score, beam, aside = per_token(power), [((), 0.0)], []
    for _ in range(steps):
        pool = sorted(grow(log_p.tolist(), beam, start, end), key=score, reverse=True)
        aside += [text for text in pool if text[0][-1] == end]
        beam = [text for text in pool if text[0][-1] != end][:width]
    return max(aside + beam, key=score)[0]


with_ends.mistake(
    "A finished text leaves the beam after its round, and others take its place.",
    "By these rules it keeps its place in the beam, and leaves it only if `width` texts are better.",
    frees_its_place,
)
with_ends.mistake(
    "A finished text is extended, and cut after its end only in the answer.",
    "A text whose last token is `end` stays as it is in the beam, with its score.",
    cut_at_the_end,
)
with_ends.mistake(
    "The end token is cut off.",
    "`end` is one of the new tokens: return it, too.",
    lambda *call: tuple(id for id in beam_search(*call) if id != call[2]),
)
with_ends.mistake(
    "A finished text is preferred in the end, even where an unfinished one has a higher score.",
    "After the last round the best of the beam is the answer, finished or not.",
    finished_first,
)
with_ends.mistake(
    "An unfinished text is preferred in the end, even where a finished one has a higher score.",
    "After the last round the best of the beam is the answer, finished or not.",
    lambda *call: max(ranked(*call), key=lambda text: (text[0][-1] != call[2], per_token(call[5])(text)))[0],
)
with_ends.mistake(
    "The result is empty where `start` equals `end`.",
    "The start is not a new token, so it finishes nothing. Look at the last *new* token.",
    lambda *call: () if call[1] == call[2] else beam_search(*call),
)


with_ends.mistake(
    "The sum is divided by n for any power.", "Divide by n to the `power`: `len(tokens) ** power`.", plain
)

per_length = question.probe("scores per length", _normed, other_text)


@per_length.mistake(
    "`power` is not used.", "The score is the sum divided by n to this power, where n is the number of new tokens."
)
def _no_power(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, width, steps, 0.0)


@per_length.mistake(
    "Only the last choice uses the score; the beam is cut by the sums.", "Use the score wherever texts are compared."
)
def _only_in_the_end(log_p, start, end, width, steps, power):
    *_, last = rounds(log_p, start, end, width, steps, per_token(0.0))
    return max(last[:width], key=per_token(power))[0]


@per_length.mistake(
    "The sum is multiplied by n to the power instead of divided.",
    "Sums are negative and fall with every token. Dividing compensates for that.",
)
def _multiplied(log_p, start, end, width, steps, power):
    return beam_search(log_p, start, end, width, steps, -power)


@per_length.mistake("The start counts as a token.", "Only new tokens count, the end among them.")
def _start_counts(*call):
    return counting(*call, counted=lambda tokens, end: len(tokens) + 1)


@per_length.mistake("The end does not count as a token.", "Its log-probability is in the sum, so it counts as well.")
def _end_does_not(*call):
    return counting(*call, counted=lambda tokens, end: max(1, len(tokens) - (tokens[-1] == end)))


@per_length.mistake(
    "The search ends as soon as the best text is finished.",
    "With a power above 0 a longer one may still get a higher score. Stop when all of the beam are finished.",
)
def _best_that_ends(log_p, start, end, width, steps, power):
    for pool in rounds(log_p, start, end, width, steps, per_token(power)):
        if pool[0][0][-1] == end:
            break
    return pool[0][0]


per_length.mistake(
    "The sum is divided by ((5 + n) / 6) to the power, the length penalty of GNMT.",
    "Here it is divided by n to the power, where n is the number of new tokens.",
    offset,
)
per_length.mistake(
    "A score that was already divided is kept as the sum, and divided again in the next round.",
    "Keep the plain sum, and divide it only to compare.",
    divided_again,
)
per_length.mistake(
    "The sum is divided by n · power, not by n to the power.",
    "Divide by n to the `power`: `len(tokens) ** power`.",
    plain,
)
