"""Answers in steps for 11a.2, with mistakes at known places."""

import random

from minillm.course.checks.asking import Call


def write(numbers: list[tuple[int, str, int, int]], said: int | None = None) -> str:
    """A worked answer with these steps; `said` is its result, if not the last total."""
    steps = ", ".join(f"{first} {sign} {second} = {total}" for first, sign, second, total in numbers)
    return f"{steps}. Answer: {numbers[-1][3] if said is None else said}."


def chain(rng: random.Random, length: int) -> list[tuple[int, str, int, int]]:
    """Random steps, each from the total of the one before."""
    start, moves = rng.randint(30, 39), []
    for _ in range(length):
        sign, amount = rng.choice("+-"), rng.randint(2, 5)
        total = start + amount if sign == "+" else start - amount
        moves.append((start, sign, amount, total))
        start = total
    return moves


def wrong_sum(rng: random.Random, length: int, at: int, by: int) -> str:
    """A chain with one false step, and everything after it right for the false total."""
    moves = chain(rng, length)
    shifted = [
        (first + by * (number > at), sign, second, total + by * (number >= at))
        for number, (first, sign, second, total) in enumerate(moves)
    ]
    return write(shifted)


def false_sums(rng: random.Random) -> list[Call]:
    """Answers of which one step has a wrong total, and some without."""
    by = rng.choice((-1, 1, 2))
    wrong = [(2, 0, by), (2, 1, -by), (3, 2, by), (4, 1, -by), (4, 3, by)]  # totals too large, and too small
    texts = [write([(12, "+", 9, 21), (21, "-", 4, 17)]), *(wrong_sum(rng, *each) for each in wrong)]
    twice = [(20, "+", 3, 24), (24, "-", 5, 18), (18, "+", 2, 20)]
    below = [(12, "+", 3, 15), (15, "-", 19, 4)]
    long = [(96, "+", 7, 103), (103, "+", 25, 128)]
    other = wrong_sum(rng, 3, 1, by).rpartition(":")[0] + ": 3."
    rest = (other, write(chain(rng, 1)), write(chain(rng, 5)), write(twice), write(below), write(long))
    return [(text,) for text in (*texts, *rest)]


def jumps(rng: random.Random) -> list[Call]:
    """Answers in which a step doesn't begin with the total before it."""
    calls = []
    for length, at in ((2, 1), (3, 2), (4, 1), (4, 2)):
        moves, by = chain(rng, length), rng.choice((-2, -1, 1, 3))
        jump = [
            (first + by * (number >= at), sign, second, total + by * (number >= at))
            for number, (first, sign, second, total) in enumerate(moves)
        ]
        calls.append((write(jump),))
    swapped = [(30, "+", 4, 34), (2, "+", 34, 36), (36, "-", 5, 31)]
    both = [(31, "-", 2, 29), (27, "+", 5, 32), (32, "+", 3, 36)]
    zero = [(5, "-", 5, 0), (3, "+", 4, 7)]
    earlier = [(30, "+", 4, 34), (34, "-", 5, 29), (34, "+", 2, 36)]
    canceling = [(33, "+", 4, 37), (30, "+", 5, 42), (42, "-", 2, 40)]
    calls += [(write(numbers),) for numbers in (swapped, both, zero, earlier, canceling)]
    courtesy = rng.choice(("Certainly.", "With pleasure.", "Gladly."))
    return [*calls, (f"{courtesy} {write(chain(rng, 3))}",), (f"{courtesy} {wrong_sum(rng, 3, 1, 1)}",)]


def results(rng: random.Random) -> list[Call]:
    """Answers whose steps are right, and whose result isn't the last total."""
    calls = []
    for length in (1, 2, 3, 4):
        moves = chain(rng, length)
        calls += [(write(moves, moves[-1][3] + rng.choice((-1, 1))),), (write(moves, moves[0][0]),)]
    moves = chain(rng, 2)
    calls += [(write(moves, int(f"1{moves[-1][3]}")),), (write(moves, moves[-1][3] // 10),)]
    calls += [(write(moves, moves[-1][3] * 10),), (write(moves, moves[0][3]),)]
    return [*calls, (write(chain(rng, 3)),), (wrong_sum(rng, 3, 2, 1).rpartition(":")[0] + ": 3.",)]


MORE = "more taken away than there is"
SUMS = (
    "no mistake",
    *["a false sum"] * 5,
    "a false sum and another result",
    "no mistake",
    "no mistake",
    "two false sums",
    MORE,
    "numbers from 100 on",
)
CARRIED = (
    *["a step that begins elsewhere"] * 4,
    "a step that ends with the total before it",
    "a false sum after a step that begins elsewhere",
    "a step after a total of 0",
    "a step that begins with an earlier total",
    "a step whose total is right for the total before it only",
    "words in front",
    "words in front",
)
FINAL = (
    *["a result that is near the total", "a result that is the first number"] * 4,
    "a result that ends in the digits of the total",
    "a result of one digit of the total",
    "a result that begins with the digits of the total",
    "a result that is an earlier total",
    "no mistake",
    "a false sum and another result",
)
