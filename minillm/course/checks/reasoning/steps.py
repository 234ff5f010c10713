"""11a.2: the first wrong step of an answer (process supervision; Lightman et al. 2023, "Let's verify step by step")."""

import random
import re
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show
from minillm.course.checks.question import Question

STEP = re.compile(r"(\d+) ([+-]) (\d+) = (\d+)")


def first_mistake(answer: str) -> int | None:
    """The right answer: the number of the first wrong step, from 0; the number of steps if only the result is wrong.

    >>> first_mistake("18 + 4 = 22, 22 + 7 = 28. Answer: 28."), first_mistake("5 - 3 = 2. Answer: 2.")
    (1, None)
    """
    return _first(answer)


def _first(
    answer: str, sums: bool = True, carried: bool = True, final: bool = True, propagate: bool = True, base: int = 0
) -> int | None:
    """The first mistake with one thing left out or done differently."""
    before, steps = None, STEP.findall(answer)
    for number, (first, sign, second, total) in enumerate(steps):
        right = int(first) + int(second) if sign == "+" else int(first) - int(second)
        if (sums and right != int(total)) or (carried and before not in (None, int(first))):
            return number + base
        before = int(total) if propagate else right
    said = int(answer.rpartition("Answer: ")[2].rstrip("."))
    return len(steps) + base if final and said != before else None


def _write(numbers: list[tuple[int, str, int, int]], said: int | None = None) -> str:
    steps = ", ".join(f"{first} {sign} {second} = {total}" for first, sign, second, total in numbers)
    return f"{steps}. Answer: {numbers[-1][3] if said is None else said}."


def _chain(rng: random.Random, length: int) -> list[tuple[int, str, int, int]]:
    start, moves = rng.randint(30, 39), []
    for _ in range(length):
        sign, amount = rng.choice("+-"), rng.randint(2, 5)
        total = start + amount if sign == "+" else start - amount
        moves.append((start, sign, amount, total))
        start = total
    return moves


def _wrong_sum(rng: random.Random, length: int, at: int, by: int) -> str:
    """A chain with one false step, and everything after it right for the false total."""
    moves = _chain(rng, length)
    shifted = [
        (first + by * (number > at), sign, second, total + by * (number >= at))
        for number, (first, sign, second, total) in enumerate(moves)
    ]
    return _write(shifted)


def _sums(rng: random.Random) -> list[Call]:
    by = rng.choice((-1, 1, 2))
    wrong = [(2, 0, by), (2, 1, -by), (3, 2, by), (4, 1, -by), (4, 3, by)]  # totals too large, and too small
    texts = [_write([(12, "+", 9, 21), (21, "-", 4, 17)]), *(_wrong_sum(rng, *each) for each in wrong)]
    twice = [(20, "+", 3, 24), (24, "-", 5, 18), (18, "+", 2, 20)]
    below = [(12, "+", 3, 15), (15, "-", 19, 4)]
    long = [(96, "+", 7, 103), (103, "+", 25, 128)]
    rest = (_write(_chain(rng, 1)), _write(_chain(rng, 5)), _write(twice), _write(below), _write(long))
    return [(text,) for text in (*texts, *rest)]


def _carried(rng: random.Random) -> list[Call]:
    calls = []
    for length, at in ((2, 1), (3, 2), (4, 1), (4, 2)):
        moves, by = _chain(rng, length), rng.choice((-2, -1, 1, 3))
        jump = [
            (first + by * (number >= at), sign, second, total + by * (number >= at))
            for number, (first, sign, second, total) in enumerate(moves)
        ]
        calls.append((_write(jump),))
    swapped = [(30, "+", 4, 34), (2, "+", 34, 36), (36, "-", 5, 31)]
    both = [(31, "-", 2, 29), (27, "+", 5, 32), (32, "+", 3, 36)]
    zero = [(5, "-", 5, 0), (3, "+", 4, 7)]
    calls += [(_write(swapped),), (_write(both),), (_write(zero),)]
    courtesy = rng.choice(("Certainly.", "With pleasure.", "Gladly."))
    return [*calls, (f"{courtesy} {_write(_chain(rng, 3))}",), (f"{courtesy} {_wrong_sum(rng, 3, 1, 1)}",)]


def _final(rng: random.Random) -> list[Call]:
    calls = []
    for length in (1, 2, 3, 4):
        moves = _chain(rng, length)
        calls += [(_write(moves, moves[-1][3] + rng.choice((-1, 1))),), (_write(moves, moves[0][0]),)]
    moves = _chain(rng, 2)
    calls += [(_write(moves, int(f"1{moves[-1][3]}")),), (_write(moves, moves[-1][3] // 10),)]
    return [*calls, (_write(_chain(rng, 3)),), (_wrong_sum(rng, 3, 2, 1).rpartition(":")[0] + ": 3.",)]


MORE = "more taken away than there is"
SUMS = ("no mistake", *["a false sum"] * 5, "no mistake", "no mistake", "two false sums", MORE, "numbers from 100 on")
CARRIED = (
    *["a step that begins elsewhere"] * 4,
    "a step that ends with the total before it",
    "a false sum after a step that begins elsewhere",
    "a step after a total of 0",
    "words in front",
    "words in front",
)
FINAL = (
    *["a result that is near the total", "the result of the first step"] * 4,
    "a result that holds the digits of the total",
    "a result of one digit of the total",
    "no mistake",
    "a false sum and another result",
)


def _judged(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Why the first answer that is judged wrongly is right or wrong; and the known mistake that explains most."""
    if any(type(gave) not in (int, type(None)) for gave in got):
        return None  # a fact or a difference says more of another type
    place = next(place for place, (due, gave) in enumerate(zip(right, got, strict=True)) if difference(due, gave))
    (answer,), due = calls[place], right[place]
    steps = STEP.findall(answer)
    reason, hint = "it has no mistake, so right is None", "Return None for an answer that is right throughout."
    if due is not None and due < len(steps):
        first, sign, second, total = steps[due]
        reason = f"step {due} is the first wrong one: {first} {sign} {second} is not {total}"
        hint = "Compute each step, and compare it with its total; and compare its first number with the total before."
        if not _false(*steps[due]):
            reason = f"step {due} is the first wrong one: it begins with {first}, and the step before ends in "
            reason += steps[due - 1][3]
    elif due is not None:
        reason = f"all steps are right, the last total is {steps[-1][3]}, and the result is not, so right is {due}"
        hint = "Compare the two as numbers, and return the number of steps if they differ."
    sentence = f"For '{answer}' you return {show(got[place])}, but {reason}."
    for probe in question.probes:
        if mistake := probe.closest(calls, right, got):
            return f"{sentence} In some cases, this is what happens: {mistake.sentence}", mistake.hint
    return sentence, hint


question = Question("11a.2", "Which step is wrong?", first_mistake)

sums = question.probe("a wrong sum or difference", _sums, _judged, kinds=SUMS)
sums.mistake("The steps are counted from 1.", "The first step has the number 0.", lambda answer: _first(answer, base=1))
sums.mistake(
    "This tells whether there is a mistake, not where the first one is.",
    "Return the number of the first wrong step, or None.",
    lambda answer: _first(answer) is not None,
)
sums.mistake(
    "An answer without a mistake gives 0, which is the number of its first step.",
    "Return None for an answer that is right throughout.",
    lambda answer: _first(answer) or 0,
)
sums.mistake(
    "An answer without a mistake gives -1.",
    "Return None for an answer that is right throughout.",
    lambda answer: -1 if _first(answer) is None else _first(answer),
)
sums.mistake(
    "The minus sign is not read: every step is taken for an addition.",
    "Look at the sign between the two numbers.",
    lambda answer: _first(answer.replace(" - ", " + ")),
)
sums.mistake(
    "A false sum is not found: each step is only compared with the one before.",
    "Compute each step yourself, and compare with what stands after the equals sign.",
    lambda answer: _first(answer, sums=False),
)


@sums.mistake("The last wrong step is returned, not the first.", "Return as soon as a step is wrong.")
def _last(answer):
    found = [number for number, (a, sign, b, c) in enumerate(STEP.findall(answer)) if _false(a, sign, b, c)]
    return found[-1] if found else _first(answer)


def _false(first: str, sign: str, second: str, total: str) -> bool:
    return int(first) + (int(second) if sign == "+" else -int(second)) != int(total)


@sums.mistake(
    "The wrong steps are counted.", "Return the number (the position) of the first wrong step, and stop there."
)
def _how_many(answer):
    return sum(_false(*step) for step in STEP.findall(answer)) or None


@sums.mistake(
    "A step that goes on rightly from a wrong total is called wrong.",
    "Compare with the total that the step before states, not with the one that it should have stated.",
)
def _from_the_truth(answer):
    steps, wrong = STEP.findall(answer), None
    truth = int(steps[0][0])
    for number, (_, sign, second, total) in enumerate(steps):
        truth += int(second) if sign == "+" else -int(second)
        wrong = number if truth != int(total) else wrong
    return wrong


carried = question.probe("a step that begins elsewhere", _carried, _judged, kinds=CARRIED)
carried.mistake(
    "A step that does not begin with the total before it goes unnoticed.",
    "The first number of each step after the first must be the total of the step before.",
    lambda answer: _first(answer, carried=False),
)


@carried.mistake(
    "The step before the jump is blamed.",
    "The wrong step is the one that begins with another number.",
)
def _one_too_early(answer):
    found, sums_only = _first(answer), _first(answer, carried=False)
    return found if found is None or found == sums_only else found - 1


@carried.mistake(
    "A step passes that has the total before it as its second number.",
    "The *first* number of each step after the first must be the total of the step before.",
)
def _either_number(answer):
    total = None
    for number, (first, sign, second, stated) in enumerate(STEP.findall(answer)):
        if total not in (None, first, second) or _false(first, sign, second, stated):
            return number
        total = stated
    return _first(answer, carried=False)


@carried.mistake(
    "A false sum is reported before an earlier step that begins elsewhere.",
    "Look at each step once, for both: where it begins and what it sums to.",
)
def _sums_first(answer):
    found = next((number for number, step in enumerate(STEP.findall(answer)) if _false(*step)), None)
    return _first(answer) if found is None else found


final = question.probe("the result", _final, _judged, kinds=FINAL)
final.mistake(
    "A result that differs from the last total goes unnoticed.",
    'Compare the number after "Answer:" with the last total. If only that is wrong, return the number of steps.',
    lambda answer: _first(answer, final=False),
)


@final.mistake(
    "A wrong result is charged to the last step.",
    "If all steps are right and the result is not, return the number of steps.",
)
def _last_step(answer):
    found = _first(answer)
    return found if found is None or found < len(STEP.findall(answer)) else found - 1


@final.mistake(
    "A wrong result comes before a wrong step.",
    "Go through the steps first. The result is the last thing to compare.",
)
def _result_first(answer):
    steps = STEP.findall(answer)
    said = answer.rpartition("Answer: ")[2].rstrip(".")
    return len(steps) if said != steps[-1][3] else _first(answer)


@final.mistake(
    "A result passes that only holds the digits of the last total, such as 119 for 19.",
    "Compare numbers: `int(...) != total`.",
)
def _digits(answer):
    found, steps = _first(answer), STEP.findall(answer)
    same = steps[-1][3] in answer.rpartition("Answer: ")[2]
    return None if found == len(steps) and same else found
