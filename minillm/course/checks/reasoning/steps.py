"""11a.2: the first wrong step of an answer (process supervision; Lightman et al. 2023, "Let's verify step by step")."""

import re
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show
from minillm.course.checks.probe import Mistake
from minillm.course.checks.question import Question
from minillm.course.checks.reasoning.texts import CARRIED, FINAL, SUMS, false_sums, jumps, results

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
    if mistake := _nearly_all(calls, right, got):
        return f"{sentence} In some cases, this is what happens: {mistake.sentence}", mistake.hint
    return sentence, hint


def _nearly_all(calls: list[Call], right: list[Any], got: list[Any]) -> Mistake | None:
    """The only known mistake, of any probe, that gives three in four of the wrong results, of three or more."""
    wrong = [each for each in zip(calls, right, got, strict=True) if difference(*each[1:])]
    known = {mistake.sentence: mistake for probe in question.probes for mistake in probe.mistakes}
    agreeing = {
        words: sum(difference(mistake.answer(*call), gave) is None for call, _, gave in wrong)
        for words, mistake in known.items()
    }
    most = max(agreeing.values())
    best = [words for words, count in agreeing.items() if count == most]
    return known[best[0]] if len(best) == 1 and most >= max(3, 0.75 * len(wrong)) else None


question = Question("11a.2", "Which step is wrong?", first_mistake)

sums = question.probe("a wrong sum or difference", false_sums, _judged, kinds=SUMS)
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
    "Step 0 is returned as None: 0 counts as false.",
    "`found or None` throws the number 0 away. Compare with `is None`.",
    lambda answer: _first(answer) or None,
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
    "A false sum is not found: the numbers of a step are not added up.",
    "Compute each step yourself, and compare with what stands after the equals sign.",
    lambda answer: _first(answer, sums=False),
)


@sums.mistake(
    "An answer whose result is its last total is taken for right; its steps are not looked at.",
    "An answer can end well by luck. Go through the steps first, whatever the result is.",
)
def _trusts_the_result(answer):
    return None if _first(answer, sums=False, carried=False) is None else _first(answer)


@sums.mistake("The last wrong step is returned, not the first.", "Return as soon as a step is wrong.")
def _last(answer):
    found = [number for number, (a, sign, b, c) in enumerate(STEP.findall(answer)) if _false(a, sign, b, c)]
    return found[-1] if found else _first(answer)


def _false(first: str, sign: str, second: str, total: str) -> bool:
    return int(first) + (int(second) if sign == "+" else -int(second)) != int(total)


@sums.mistake("The last wrong step is returned, not the first.", "Return as soon as a step is wrong.")
def _last_of_all(answer):
    steps = STEP.findall(answer)
    found = [n for n, step in enumerate(steps) if _false(*step) or (n and step[0] != steps[n - 1][3])]
    result = answer.rpartition("Answer: ")[2].rstrip(".")
    return len(steps) if result != steps[-1][3] else found[-1] if found else None


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


@sums.mistake(
    "A wrong result comes before a wrong step.",
    "Go through the steps first. The result is the last thing to compare.",
)
def _result_first(answer):
    steps = STEP.findall(answer)
    said = answer.rpartition("Answer: ")[2].rstrip(".")
    return len(steps) if said != steps[-1][3] else _first(answer)


carried = question.probe("a step that begins elsewhere", jumps, _judged, kinds=CARRIED)
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
    found, steps = _first(answer), STEP.findall(answer)
    return found - 1 if found and found < len(steps) and steps[found][0] != steps[found - 1][3] else found


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
    "A step may begin with any earlier total, not only with that of the step before.",
    "Keep one total, that of the step before, and compare the first number with it.",
)
def _any_earlier(answer):
    totals: list[str] = []
    for number, (first, sign, second, stated) in enumerate(STEP.findall(answer)):
        if (totals and first not in totals) or _false(first, sign, second, stated):
            return number
        totals.append(stated)
    return _first(answer, carried=False)


@carried.mistake(
    "A step passes if its total is right for a running total of your own; its first number is never looked at.",
    "Compare the first number with the total of the step before, and the sum of the two numbers with the total.",
)
def _running_total(answer):
    steps = STEP.findall(answer)
    total = int(steps[0][0])
    for number, (_, sign, second, stated) in enumerate(steps):
        total += int(second) if sign == "+" else -int(second)
        if total != int(stated):
            return number
    return _first(answer, sums=False, carried=False)


@carried.mistake(
    "A false sum is reported before an earlier step that begins elsewhere.",
    "Look at each step once, for both: where it begins and what it sums to.",
)
def _sums_first(answer):
    found = next((number for number, step in enumerate(STEP.findall(answer)) if _false(*step)), None)
    return _first(answer) if found is None else found


final = question.probe("the result", results, _judged, kinds=FINAL)
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
    "A result passes that only holds the digits of the last total, such as 119 for 19.",
    "Compare numbers: `int(...) != total`.",
)
def _digits(answer):
    found, steps = _first(answer), STEP.findall(answer)
    same = steps[-1][3] in answer.rpartition("Answer: ")[2]
    return None if found == len(steps) and same else found


@final.mistake(
    "A result passes that begins with the digits of the last total, such as 190 for 19.",
    "Compare numbers: `int(...) != total`.",
)
def _begins(answer):
    found, steps = _first(answer), STEP.findall(answer)
    same = answer.rpartition("Answer: ")[2].startswith(steps[-1][3])
    return None if found == len(steps) and same else found


@final.mistake(
    "A result passes that ends in the digits of the last total, such as 119 for 19.",
    "Compare numbers: `int(...) != total`.",
)
def _ends(answer):
    found, steps = _first(answer), STEP.findall(answer)
    same = answer.rstrip(".").endswith(steps[-1][3])
    return None if found == len(steps) and same else found


@final.mistake(
    "A result passes that is the total of an earlier step.",
    "Compare the result with the last total alone.",
)
def _earlier(answer):
    found, steps = _first(answer), STEP.findall(answer)
    totals = [stated for *_, stated in steps]
    return None if found == len(steps) and answer.rpartition("Answer: ")[2].rstrip(".") in totals else found
