"""11a.verifier: a reward that a program can compute (Lambert et al. 2024, "Tülu 3", section 6)."""

import random
import re

from minillm.course.checks.asking import Call
from minillm.course.learner.turn import Turn


def verifier(answer, result):
    """The reward of an answer: 1.0 if it ends in the right result, else 0.0."""
    final = answer.rpartition("Answer:")[2]  # all of it, where there is no "Answer:"
    numbers = re.findall(r"\d+", final)
    return float({int(number) for number in numbers} == {result})


turn = Turn(
    "11a.verifier",
    "A verifier",
    verifier,
    hints=(
        'Only what follows the last "Answer:" counts. `answer.rpartition("Answer:")[2]` is that part, and all of the '
        'answer if there is no "Answer:" in it.',
        r"`re.findall(r'\d+', final)` lists the numbers in a text as strings, and `int` makes a number of each.",
        "The reward is 1.0 if the set of these numbers is exactly `{result}`: no other number, and at least this one.",
    ),
    errors={
        "list index out of range": 'Without "Answer:", `split` gives one piece. Without a number, `findall` gives an '
        "empty list.",
        "invalid literal for int|could not convert string": r"`re.findall(r'\d+', final)` finds the numbers in a "
        "sentence, and `int` takes each of them.",
    },
)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _final(answer: str) -> str:
    return answer.rpartition("Answer:")[2]


def _direct(rng: random.Random) -> list[Call]:
    result = rng.randint(12, 39)
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
        (f"Answer: {subtotal}. No, {steps} Answer: {result}.", result),
        (f"Answer: {result}. No, {steps} Answer: {subtotal}.", result),
    ]


def _unusual(rng: random.Random) -> list[Call]:
    result = rng.randint(12, 39)
    return [(f"It is {result}.5.", result), ("It is 0.", 0), ("The number is 1234.", 1234), ("It is 7.", 7)]


direct = turn.probe("direct answers", _direct)
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

several = turn.probe("answers that name several numbers", _several)
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

worked = turn.probe("answers with steps", _worked)
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
    "The last number of the whole answer counts, even where none follows the marker.",
    'Look for numbers only in what follows the last "Answer:".',
    lambda answer, result: float(set(_numbers(_final(answer)) or _numbers(answer)[-1:]) == {result}),
)

unusual = turn.probe("unusual numbers", _unusual)
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
