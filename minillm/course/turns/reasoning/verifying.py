"""11a.verifier: a reward that a program can compute (Lambert et al. 2024, "Tülu 3", section 6)."""

import random
import re
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def verifier(answer, result):
    """The reward of an answer: 1.0 if it ends in the right result, else 0.0."""
    final = answer.rpartition("Answer:")[2]  # all of it, where there is no "Answer:"
    numbers = re.findall(r"\d+", final)
    return float({int(number) for number in numbers} == {result})


turn = Turn(
    "11a.verifier",
    "A verifier",
    verifier,
    minutes=6,
    difficulty=2,
    hints=(
        'Where does the final answer begin if there is an "Answer:", if there are two, and if there is none?',
        "`str.rpartition` splits a text at the last marker; its third part is the whole text if there is none. "
        "`re.findall` lists every number of a text, as strings.",
        "Make whole numbers of these strings, and put them into a set. Reward the answer if the set holds the result "
        "and nothing else.",
    ),
    errors={
        r"list index out of range.*split\(\)": "An empty text has no words, so `split()` gives an empty list.",
        r"list index out of range.*split\(.+\)\[1\]": 'Without "Answer:", `split` gives one piece, so `[1]` does '
        "not exist. `[-1]` does.",
        r"list index out of range.*findall\(": "An answer without any number gives an empty list. It is wrong, so its "
        "reward is 0.0.",
        "list index out of range": 'Which list is too short? Without "Answer:", `split` gives one piece, and without a '
        "number `findall` gives none.",
        r"NoneType' object (has no attribute|is not subscriptable)": "`re.search` and `re.match` return None where "
        'nothing matches, for example without "Answer:". Ask for None before you take the group.',
        r"eval\(": "An answer is a sentence, and `eval` reads only Python. `re.findall` finds the numbers in a text.",
        r"(got 'tuple'|'tuple' object)": "`partition` and `rpartition` give three texts. The part after the marker "
        "is the third, `[2]`.",
        "(not|got) 'list'|'list' object has no attribute": "`split` and `findall` give lists of texts. Take one item, "
        "or loop over them.",
        "'int' object is not iterable": "One answer comes in, a text, and one result, a number: nothing to loop over.",
        "unhashable type": "Braces around a list don't make a set of its items. `set(...)` does, or braces with a "
        "`for` inside.",
        "requires string as left operand": r"`result` is a number, and `answer` is text. `re.findall(r'\d+', ...)` "
        "finds the numbers in a text.",
        "in the line: raise ": "That line of yours raises it. Which reward should such an answer get?",
        "invalid literal for int|could not convert string": r"`re.findall(r'\d+', final)` finds the numbers in a "
        "sentence, and `int` takes each of them.",
    },
    ready_made=("minillm.posttraining.verifiers.Verifier",),
    debrief=Debrief(
        production="Open verifiers do the same with more care: they read what stands in \\boxed{...} and compare "
        "formulas with a computer algebra system, since 1/2 and 0.5 are one answer. For code, they run tests.",
        why="Your verifier never reads the steps. Which answers does it pay that a teacher would not?",
    ),
)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _final(answer: str) -> str:
    return answer.rpartition("Answer:")[2]


def _direct(rng: random.Random) -> list[Call]:
    result = rng.choice([number for number in range(12, 40) if number % 10])
    return [
        (f"It is {result}.", result),
        (str(result), result),
        (f"The number is {result + 1}.", result),
        (f"It is 1{result}.", result),
        (f"{result}0 of them.", result),
        (f"I count {result} of them", result),
        (f"It is {result}, yes, {result}.", result),
        (f"It is {result}.", result + 1),
        ("I do not know.", result),
        ("", result),
        (f"Answer: {result}.", result),
        ("It is 7.", 7),
    ]


def _several(rng: random.Random) -> list[Call]:
    result = rng.randint(12, 39)
    other = result + rng.choice((-7, -3, 2, 5))
    return [
        (f"It is {other} or {result}.", result),
        (f"{result}, or perhaps {other}.", result),
        (f"Answer: {result} or {other}.", result),
        (f"Answer: {other}, {result}.", result),
        (f"It is {result - 1} or {result + 1}.", result),
    ]


def _worked(rng: random.Random) -> list[Call]:
    first, second, third = rng.randint(5, 20), rng.randint(4, 9), rng.randint(2, 3)
    subtotal = first + second
    result = subtotal - third
    steps = f"{first} + {second} = {subtotal}, {subtotal} - {third} = {result}."
    return [
        (f"{steps} Answer: {result}.", result),
        (f"{steps} Answer: {result + 1}.", result),
        (f"{first} + {second} = {subtotal + 1}, {subtotal + 1} - {third} = {result + 1}. Answer: {result}.", result),
        (f"{steps} Answer: I do not know.", result),
        (f"{steps} Answer:", result),
        (f"{steps}\nAnswer: {result}.\nI hope this helps.", result),
        (f"{steps} Answer: {result}. Is my Answer right?", result),
        (f"{steps}", result),
        (f"{result}. Answer: {result + 1}.", result),
        (f"It is {result}. Answer: I am not sure.", result),
        (f"Answer: {subtotal}. No, {steps} Answer: {result}.", result),
        (f"Answer: {result}. No, {steps} Answer: {subtotal}.", result),
    ]


def _unusual(rng: random.Random) -> list[Call]:
    result = rng.randint(12, 39)
    return [(f"It is {result}.5.", result), ("It is 0.", 0), ("The number is 1234.", 1234), ("It is 7.", 7)]


def _one_case(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Rewards are 0 or 1, so a wrong one resembles many mistakes: show a case and guess nothing."""
    if any(type(gave) is list for gave in got):
        return (
            "The result is a list.",
            "Return one number. `answer` is one text, and a loop over it goes letter by letter.",
        )
    if None in got and any(gave is not None for gave in got):
        place = got.index(None)
        hint = "Does every way through the function end at a `return`, below the loop if there is one?"
        return f'For the answer "{calls[place][0]}", nothing is returned.', hint, place
    other = next((place for place, gave in enumerate(got) if type(gave) in (int, float) and gave not in (0, 1)), None)
    if other is not None:
        hint = "Only 1.0 and 0.0 are asked for, whatever else an answer has."
        return f"A reward is {got[other]:g} here.", hint, other
    wrong = [place for place, (due, gave) in enumerate(zip(right, got, strict=True)) if difference(due, gave)]
    if not all(gave in (0, 1) for gave in got):
        return None
    answer, result = calls[wrong[0]]
    gets = "is rewarded" if got[wrong[0]] else "gets nothing"
    return f'For the result {result}, the answer "{answer}" {gets}.', "Which rule of the text decides this case?"


direct = turn.probe("direct answers", _direct, _one_case)
direct.mistake(
    "The result is looked for as text, so 31 is found in 131, too.",
    r"Compare numbers: `re.findall(r'\d+', final)` finds whole numbers, and `int` makes numbers of them.",
    lambda answer, result: float(str(result) in _final(answer)),
)
direct.mistake(
    'Only answers with "Answer:" are rewarded.',
    "An answer without steps may be right, too. If the marker is missing, all of the answer counts.",
    lambda answer, result: float("Answer:" in answer and set(_numbers(_final(answer))) == {result}),
)
direct.mistake(
    "No answer is ever rewarded.",
    "Print the two things that you compare: is one of them `result`? The text '23', the number 23 and the set {23} are "
    "not equal.",
    lambda answer, result: 0.0,
)
direct.mistake(
    "Every answer is rewarded.",
    "Compare what the answer says with `result`.",
    lambda answer, result: 1.0,
)
direct.mistake(
    "A wrong answer gets -1.0 here; it should get 0.0.",
    "The text asks for 0.0. To GRPO both are the same: it subtracts the mean and divides by the spread.",
    lambda answer, result: 2 * verifier(answer, result) - 1,
)
direct.mistake(
    "The digits of a number are read one by one, so 23 becomes 2 and 3.",
    r"`\d` is one digit, `\d+` is a whole number.",
    lambda answer, result: float({int(digit) for digit in re.findall(r"\d", _final(answer))} == {result}),
)
direct.mistake(
    "Right and wrong are swapped.",
    "The reward of a right answer is 1.0.",
    lambda answer, result: 1.0 - verifier(answer, result),
)
direct.mistake(
    "An answer without any number is rewarded.",
    "Compare the set of numbers with `{result}`: the empty set is not equal to it.",
    lambda answer, result: float(set(_numbers(_final(answer))) <= {result}),
)
direct.mistake(
    "The number must stand alone: a word or a period beside it is not allowed.",
    r"Look for the number in the text: `re.findall(r'\d+', final)`.",
    lambda answer, result: float(_final(answer).strip() == str(result)),
)
direct.mistake(
    "Words beside the number are not allowed.",
    r"Look for the number in the text: `re.findall(r'\d+', final)`.",
    lambda answer, result: float(_final(answer).strip(" .") == str(result)),
)
direct.mistake(
    "A number with a period or a comma beside it is not found.",
    r"`split` leaves the period at the number. `re.findall(r'\d+', final)` finds digits wherever they stand.",
    lambda answer, result: float({int(word) for word in _final(answer).split() if word.isdigit()} == {result}),
)
direct.mistake(
    "Every answer that names a number is rewarded.",
    "Compare the number with `result`.",
    lambda answer, result: float(bool(_numbers(_final(answer)))),
)
direct.mistake(
    "An answer that repeats its result is wrong here.",
    "Compare sets: saying the same number twice is still one answer.",
    lambda answer, result: float(_numbers(_final(answer)) == [result]),
)

several = turn.probe("answers that name several numbers", _several, _one_case)
several.mistake(
    "An answer that names several numbers is rewarded if one of them is right.",
    "A model would soon list all numbers. Reward only answers that name the result and no other number.",
    lambda answer, result: float(result in _numbers(_final(answer))),
)
several.mistake(
    "Only the last number counts, so an answer may name others before it.",
    "Reward only answers that name the result and no other number.",
    lambda answer, result: float(_numbers(_final(answer))[-1:] == [result]),
)
several.mistake(
    "Only the first number counts, so an answer may name others after it.",
    "Reward only answers that name the result and no other number.",
    lambda answer, result: float(_numbers(_final(answer))[:1] == [result]),
)

worked = turn.probe("answers with steps", _worked, _one_case)
worked.mistake(
    "The numbers of the steps count, too.",
    'Drop what stands before "Answer:": `answer.rpartition("Answer:")[2]`.',
    lambda answer, result: float(set(_numbers(answer)) == {result}),
)
worked.mistake(
    'What follows the first "Answer:" counts, not what follows the last one.',
    "Use `rpartition`, which splits at the last one, or `split` and the last part.",
    lambda answer, result: float(set(_numbers(answer.partition("Answer:")[2] or answer)) == {result}),
)
worked.mistake(
    'What stands before "Answer:" counts, not what follows it.',
    'The part after the marker is `answer.rpartition("Answer:")[2]`.',
    lambda answer, result: float(set(_numbers(answer.partition("Answer:")[0])) == {result}),
)
worked.mistake(
    'If no number follows "Answer:", the whole answer counts.',
    'Then the final answer names no number, so the reward is 0.0. All of it counts only if there is no "Answer:".',
    lambda answer, result: float((set(_numbers(_final(answer))) or set(_numbers(answer))) == {result}),
)
worked.mistake(
    "The last number of the whole answer counts, even where none follows the marker.",
    'Look for numbers only in what follows the last "Answer:".',
    lambda answer, result: float(set(_numbers(_final(answer)) or _numbers(answer)[-1:]) == {result}),
)

unusual = turn.probe("unusual numbers", _unusual, _one_case)
unusual.mistake(
    "The result 0 is taken for no number.",
    "0 is false in Python. Compare sets or lengths instead of asking whether a number is true.",
    lambda answer, result: float(result != 0 and verifier(answer, result)),
)
unusual.mistake(
    "A number with decimals counts as the whole number before them.",
    r"`re.findall(r'\d+', final)` finds two numbers in 17.5, so it is not 17.",
    lambda answer, result: verifier(answer.replace(".5", ""), result),
)
unusual.mistake(
    "Only numbers of two digits are found.",
    r"`\d+` finds numbers of any length.",
    lambda answer, result: float(9 < result < 100 and verifier(answer, result)),
)
unusual.mistake(
    "Large numbers are never equal: `is` compares objects, not values.",
    "Compare with `==`.",
    lambda answer, result: float(result < 257 and verifier(answer, result)),
)
