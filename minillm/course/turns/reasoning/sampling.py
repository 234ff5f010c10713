"""11a.pass_at_k: what sampling more answers is worth (Chen et al. 2021, "Evaluating large language models", eq. 1)."""

import math
import random
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import NUMBERS, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def pass_at_k(n, c, k):
    """The probability that k of n answers, c of them right, include a right one."""
    return 1 - math.comb(n - c, k) / math.comb(n, k)


turn = Turn(
    "11a.pass_at_k",
    "pass@k without bias",
    pass_at_k,
    minutes=7,
    difficulty=3,
    hints=(
        "Four answers, one of them right. In how many ways can you draw two, and how many of these ways miss it?",
        "`math.comb(n, k)` counts the ways to draw k out of n. A draw misses if all k come from the n - c wrong ones.",
        "The share of draws that miss is one count over the other. You are asked for the share of draws that don't.",
    ),
    errors={
        r"name '(comb|perm|factorial|prod)' is not defined": "It is in the module `math`: write `math.` before it.",
        r"for \^": "A power is `**` in Python.",
        r"factorial\(\) not defined|math domain error": "If fewer than k answers are wrong, no draw holds only wrong "
        "ones: their number is 0. `math.comb` knows that.",
        "OverflowError": "Whole numbers may have any size in Python, but a float ends near 1e308. Divide last.",
        "module 'math' has no attribute": "The number of ways to draw k out of n is `math.comb(n, k)`.",
        "must be a non-negative integer": "A count below 0: is a size fixed in your code, or a difference the wrong "
        "way round?",
        "in the line: raise ": "That line of yours raises it. What is the probability in this case?",
        "division by zero.*comb": "There are `math.comb(n, k)` draws, and that is never 0. Are its arguments in this "
        "order? Is it below the line?",
        "division by zero": "What is 0 there? A loop makes k draws, and a recursion ends at k = 0: no draw, no hit.",
        "has not finished": "Are all draws listed? There are millions here: `math.comb` counts them at once.",
    },
    ready_made=("minillm.posttraining.verifiers.pass_at_k",),
    debrief=Debrief(
        production="Chen et al. multiply the factors 1 - k / i for i from n - c + 1 to n, since factorials of large n "
        "overflow a float. `math.comb` has whole numbers of any size, so yours is exact.",
        why="You sample n = 64 answers and want pass@64. How many draws of 64 are there, and what does that do to the "
        "noise of your estimate?",
    ),
)


def _some_right(rng: random.Random) -> list[Call]:
    """Few draws: an answer that lists them all must end, since a call to C code cannot be stopped."""
    sizes = [(4, 1, 2), (10, 3, 4), (64, 5, 3), (rng.randint(12, 30), rng.randint(2, 5), rng.randint(2, 4))]
    return [(4, 1, 1), *sizes]


def _many(rng: random.Random) -> list[Call]:
    """Too many draws to list in all of these calls, though not in any one of them: here the time limit can act."""
    return [(n, rng.randint(20, 100), 3) for n in rng.sample(range(230, 260), 20)]


def _edges(rng: random.Random) -> list[Call]:
    n = rng.randint(5, 9)
    return [(n, 0, 3), (n, n, 2), (n, 2, n), (n, n - 1, 2), (n, 1, n - 1), (1, 1, 1), (1, 0, 1), (256, 1, 254)]


def _no_probability(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A result out of range, or shares of a round number of draws."""
    if not all(type(gave) in NUMBERS for gave in got):
        return None
    for place, gave in enumerate(got):
        if not 0 <= gave <= 1:
            hint = "Which count must be the larger one, and where does it stand?"
            return f"{gave:.4g} is not a probability.", hint, place
    errors = [abs(gave - due) for due, gave in zip(right, got, strict=True)]
    if 0.005 < max(errors) < 0.2 and any(all(_is_whole(n * gave) for gave in got) for n in ROUNDS):
        sentence = "This is close to the right probability, and misses it by a little: is it a simulation?"
        return sentence, "Nothing has to be drawn at random here: count the draws with `math.comb`."
    return None


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < 1e-6


ROUNDS = (100, 1000, 2000, 10_000, 100_000)  # what somebody may simulate

some = turn.probe("some answers are right", _some_right, _no_probability)
some.mistake(
    "This is 1 - (1 - c/n)^k, the probability if each answer were put back before the next draw. It is too low.",
    "c/n is itself an estimate, and its power is biased. Count the draws of k out of n without putting any back.",
    lambda n, c, k: 1 - (1 - c / n) ** k,
)
some.mistake(
    "The result is 1 here, although a draw may miss.",
    "Is a share cut to 0, as by `//`? Does a sum count draws without a right one? Is it only asked whether any answer "
    "is right?",
    lambda n, c, k: 1.0,
)
some.mistake(
    "The fraction is upside down, so a number above 1 is subtracted from 1.",
    "A share is the smaller count over the larger one.",
    lambda n, c, k: 1 - math.comb(n, k) / math.comb(n - c, k),
)
some.mistake(
    "This is pass@1, whatever k is.",
    "With k answers there are k attempts. Is `k` used, and does `return` stand below the loop, if there is one?",
    lambda n, c, k: c / n,
)
some.mistake(
    "The probability c/n is multiplied by k, so that two right answers in one draw count twice.",
    "Count the draws without any right answer, and subtract their share from 1.",
    lambda n, c, k: min(1.0, k * c / n),
)
some.mistake(
    "This is (1 - c/n)^k, the probability that no answer is right if each is put back before the next draw.",
    "Count the draws of k out of n without putting any back, and subtract the share that misses from 1.",
    lambda n, c, k: (1 - c / n) ** k,
)
some.mistake(
    "This is the probability that no answer is right.",
    "Subtract it from 1.",
    lambda n, c, k: math.comb(n - c, k) / math.comb(n, k),
)
some.mistake(
    "This is the probability that all k answers are right.",
    "One right answer is enough: subtract the share of draws with only wrong answers from 1.",
    lambda n, c, k: math.comb(c, k) / math.comb(n, k),
)
some.mistake(
    "This is one minus the probability that all k answers are right.",
    "The draws to leave out hold only wrong answers: there are n - c of these to choose from.",
    lambda n, c, k: 1 - math.comb(c, k) / math.comb(n, k),
)
some.mistake(
    "This is the probability that exactly one of the k answers is right.",
    "Two right answers pass as well: subtract the share of draws without any from 1.",
    lambda n, c, k: c * math.comb(n - c, k - 1) / math.comb(n, k),
)
some.mistake(
    "This is the expected number of right answers among k, which can be above 1.",
    "Several right answers in one draw pass only once: subtract the share of draws without any from 1.",
    lambda n, c, k: k * c / n,
)
some.mistake(
    "The product of the factors 1 - k / i begins one i too early, at n - c instead of n - c + 1.",
    "There is one factor for each of the c right answers: i runs from n - c + 1 to n.",
    lambda n, c, k: 1 - math.prod(1 - k / i for i in range(n - c, n + 1)),
)
some.mistake(
    "The product of the factors 1 - k / i begins and ends one i too early.",
    "There is one factor for each of the c right answers: i runs from n - c + 1 to n.",
    lambda n, c, k: 1 - math.prod(1 - k / i for i in range(n - c, n)),
)
some.mistake(
    "A wrong answer that was drawn still counts among the wrong ones in the next draw.",
    "After i draws n - i answers are left, and n - c - i of them are wrong.",
    lambda n, c, k: 1 - math.prod((n - c) / (n - i) for i in range(k)),
)
some.mistake(
    "The first of the k draws is left out.",
    "`range(1, k)` has k - 1 numbers. `range(k)` begins with 0.",
    lambda n, c, k: 1 - math.prod((n - c - i) / (n - i) for i in range(1, k)),
)
some.mistake(
    "The draws in which all k answers are right are left out.",
    "`range(1, k)` ends before k.",
    lambda n, c, k: pass_at_k(n, c, k) - math.comb(c, k) / math.comb(n, k),
)
some.mistake(
    "This is pass@2, whatever k is.",
    "Is a 2 fixed in your code?",
    lambda n, c, k: pass_at_k(n, c, 2),
)
some.mistake(
    "The orders of all answers are counted, whatever k is.",
    "Only k answers are drawn: `math.comb(n, k)` counts the ways.",
    lambda n, c, k: 1 - math.factorial(n - c) / math.factorial(n),
)
some.mistake(
    "A wrong answer that was drawn still counts among all n answers in the next draw.",
    "After i draws n - i answers are left, and n - c - i of them are wrong.",
    lambda n, c, k: 1 - math.prod((n - c - i) / n for i in range(k)),
)
some.mistake(
    "The result is in percent.", "Return a probability, from 0 to 1.", lambda n, c, k: 100 * pass_at_k(n, c, k)
)
some.mistake(
    "The draws are counted in order in one place and without order in the other.",
    "Use `math.comb` for both counts, or `math.perm` for both.",
    lambda n, c, k: 1 - math.perm(n - c, k) / math.comb(n, k),
)


def _no_draw_misses(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str, int] | None:
    """All is right but a case in which every draw holds a right answer."""
    wrong = [place for place, (due, gave) in enumerate(zip(right, got, strict=True)) if difference(due, gave)]
    if not all(calls[place][0] - calls[place][1] < calls[place][2] for place in wrong):
        return None
    sentence = f"Where fewer than k answers are wrong, the result is {got[wrong[0]]:g} here."
    return sentence, "Can a draw miss in this case?", wrong[0]


turn.probe("many answers", _many, _no_probability)
edges = turn.probe("no answer is right, all are, or k is n", _edges, _no_draw_misses)
edges.mistake(
    "Where fewer than k answers are wrong, the result is not 1.",
    "Then every draw holds a right answer. `math.comb(n - c, k)` is 0 there by itself.",
    lambda n, c, k: 1 - math.comb(max(n - c, k), k) / math.comb(n, k),
)
