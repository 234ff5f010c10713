"""14.score: whether an answer is JSON that says what it should."""

import ast
import json
import random
import re
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def score(answer, truth):
    """Whether the answer is JSON and says exactly what the truth says."""
    try:
        return json.loads(answer) == truth
    except ValueError:
        return False


turn = Turn(
    "14.score",
    "Who decides what's right?",
    score,
    minutes=6,
    difficulty=1,
    hints=(
        'Is `{"clock": 2,"lamp": 1}` a wrong answer if the truth is written with other spaces, or in another order?',
        "Turn the text into Python's dictionary first. Two dictionaries are equal whatever their order.",
        "`json.loads` raises an error on text that isn't JSON. Catch it with `try` and `except`, and say False.",
    ),
    errors={
        "JSONDecodeError|Expecting|Extra data": "Most answers of an untrained model aren't JSON at all. "
        "Catch the error, which is a `ValueError`, and say False.",
        "no attribute 'read'": "`json.loads`, with an s, reads text. `json.load` reads a file.",
        "must be str, bytes or bytearray": "`truth` is a dictionary already. Only `answer` is text.",
        "name 'json' is not defined": "Import it in your cell: `import json`.",
        r"name '(loads|literal_eval|ast|re|true|null|expected|text|question|prediction|results)' is not defined": (
            "There are `answer`, a text, and `truth`. The module `json` is imported on the page."
        ),
        "SyntaxError|invalid syntax|malformed|unterminated|was never closed|unexpected|invalid decimal": "Python's own "
        "reader is another one: it reads 'single quotes', too. `json.loads` reads JSON.",
        "has no attribute|not subscriptable|indices must be|not iterable|unhashable|object of type": "An answer may "
        "be JSON and still no dictionary: a list, a number, or null. `==` takes them all.",
        "KeyError": "Does the answer have that key at all? `==` compares both dictionaries at once.",
    },
    debrief=Debrief(
        "Benchmarks call this exact match on parsed output. Evaluation harnesses often search for the JSON inside of "
        "the text first, which is kinder to models that chat.",
        'What does your function say about `{"lamp": 1, "lamp": 2}`, and what would the shop\'s program read?',
    ),
)


def _read(answer: str) -> Any:
    """The value of JSON that a text is, or an object that equals nothing."""
    try:
        return json.loads(answer)
    except ValueError:
        return object()


THINGS = ("clock", "kettle", "lamp", "radio", "violin")


def _cases(rng: random.Random) -> list[Call]:
    """One answer per way to be right or wrong."""
    one, two, three, four = rng.sample(THINGS, 4)
    a, b, c = rng.sample(range(2, 9), 3)
    truth = {one: a, two: b}
    text = json.dumps(truth)
    return [
        (text, truth),
        (text.replace(", ", ","), truth),
        (json.dumps({two: b, one: a}), truth),
        (json.dumps({one: a, two: c}), truth),
        (json.dumps({one: a}), truth),
        (json.dumps({one: a, two: b, three: c}), truth),
        (json.dumps({three: a, two: b}), truth),
        (json.dumps({one: b, two: a}), truth),
        (json.dumps({one: str(a), two: b}), truth),
        (text.upper(), truth),
        (f"  {text}\n", truth),
        (json.dumps({one: a + 1, two: b - 1}), truth),
        (json.dumps({f"{one}s": a, two: b}), truth),
        (json.dumps({three: a, four: b}), truth),
        ("{}", truth),
        ("[]", truth),
        (json.dumps([[one, a], [two, b]]), truth),
        ("null", truth),
        (str(a + b), truth),
        (json.dumps({one: a, two: {"count": b}}), truth),
        (json.dumps({three: c, one: a}), truth),
        (text.replace("o", "\\u006f").replace("a", "\\u0061").replace("e", "\\u0065"), truth),
        (f"{a} {one}", truth),
        (json.dumps(truth, indent=2), truth),
    ]


def _texts(rng: random.Random) -> list[Call]:
    """Answers that hold the truth and aren't JSON, beside some that are."""
    one, two = rng.sample(THINGS, 2)
    a, b = rng.sample(range(2, 9), 2)
    truth = {one: a, two: b}
    text = json.dumps(truth)
    return [
        (f"You have {a} {one}s and {b} {two}s.", truth),
        (str(truth), truth),
        (f"Sure! Here it is: {text}", truth),
        (f"{text} I hope this helps.", truth),
        (f"{text}\nI hope this helps.", truth),
        (f"{text} {text}", truth),
        (text[:-1], truth),
        (f"{text[:-1]},}}", truth),
        ("", truth),
        (f"```json\n{text}\n```", truth),
        (f"{{{one}: {a}, {two}: {b}}}", truth),
        (text, truth),
        (json.dumps({one: a, two: b + 1}), truth),
        (json.dumps(text), truth),
        (f"Two things: {json.dumps({two: b, one: a})}.", truth),
        ("A classic example of a musical composition.", truth),
    ]


def _values(rng: random.Random) -> list[Call]:
    """Other truths than counts of things."""
    hour, minute = rng.randrange(3, 23), rng.randrange(5, 55)
    return [
        (f'{{"hour": {hour}, "minute": {minute}}}', {"minute": minute, "hour": hour}),
        (f"[{hour}, {minute}]", [hour, minute]),
        (f"[{minute}, {hour}]", [hour, minute]),
        (f"{hour}", hour),
        (f'"{hour}"', hour),
        ('{"city": "Pellin"}', {"city": "Pellin"}),
        ('{"city": "pellin"}', {"city": "Pellin"}),
        ('{"open": false}', {"open": False}),
        ('{"open": null}', {"open": False}),
        ("{}", {}),
        ("", {}),
        ("null", {}),
    ]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, answer in enumerate(got):
        if answer is None:
            hint = "Say False where the answer isn't right: is there a way without `return`?"
            return "The result is None.", hint, index
        if type(answer) is str:
            return "The result is text.", "Return True or False.", index
        if type(answer) in (dict, list, tuple):
            return "The result is what was read.", "Compare it with `truth`: True or False.", index
        if type(answer) is float and answer not in (0.0, 1.0):
            hint = "One wrong count makes the whole order wrong: True or False."
            return "The result is a share, or a part of a point.", hint, index
        if type(answer) is int and answer not in (0, 1):
            return "The result is a count.", "Return True if all is right, False otherwise.", index
    return _nearly(right, got)


def _nearly(right: list[Any], got: list[Any]) -> Explanation | None:
    """Yes or no says too little to guess a mistake from some of the answers."""
    for index, (due, gave) in enumerate(zip(right, got, strict=True)):
        if bool(gave) != due:
            hint = "Read all of the answer with `json.loads`, and compare what comes out with `truth`."
            names = "wrong", "right"
            return f"An answer that's {names[due]} counts as {names[bool(gave)]}.", hint, index
    return None


def _begins(answer: str) -> Any:
    """The value that a text begins with, whatever comes after it."""
    try:
        return json.JSONDecoder().raw_decode(answer)[0]
    except ValueError:
        return object()


def _found(answer: str) -> Any:
    """The value of the first thing in curly brackets."""
    found = re.search(r"\{.*?\}", answer, re.DOTALL)
    return _read(found[0]) if found else object()


def _widest(answer: str) -> Any:
    """The value between the first and the last curly bracket."""
    found = re.search(r"\{.*\}", answer, re.DOTALL)
    return _read(found[0]) if found else object()


def _python(answer: str) -> Any:
    """The value of a Python expression; what Python calls null isn't one."""
    try:
        return ast.literal_eval(answer.strip())
    except (ValueError, SyntaxError):
        return object()


def _items(value: Any) -> dict:
    return value if type(value) is dict else {}


def _of(compare: Callable[[dict, Any], bool]) -> Answer:
    """Two dictionaries compared in another way; any other truth as it should be."""

    def answer(answer: str, truth: Any) -> bool:
        value = _read(answer)
        return compare(value, truth) if type(value) is dict and type(truth) is dict else value == truth

    return answer


cases = turn.probe("JSON, right and wrong", _cases, _form)
cases.mistake(
    "Two texts are compared, so spaces and the order of keys decide.",
    "Read the answer with `json.loads`, and compare two dictionaries.",
    lambda answer, truth: answer == json.dumps(truth),
)
cases.mistake(
    "Two texts are compared, without the spaces around them: the order of keys decides.",
    "Read the answer with `json.loads`, and compare two dictionaries.",
    lambda answer, truth: answer.strip() == json.dumps(truth),
)
cases.mistake(
    "Two texts are compared, with their keys sorted: spaces decide.",
    "Read the answer with `json.loads`, and compare two dictionaries.",
    lambda answer, truth: answer == json.dumps(truth, sort_keys=True),
)
cases.mistake(
    "Two texts are compared without their spaces: the order of keys decides.",
    "Read the answer with `json.loads`, and compare two dictionaries.",
    lambda answer, truth: "".join(answer.split()) == "".join(json.dumps(truth).split()),
)
cases.mistake(
    "Upper and lower case count as the same.",
    "The shop's program knows a lamp and no LAMP. Leave the text as it is.",
    lambda answer, truth: _read(answer.lower()) == truth,
)
cases.mistake(
    "The characters are compared, in any order.",
    "Two wrong counts may have the same characters. Read the answer with `json.loads`.",
    lambda answer, truth: sorted("".join(answer.split())) == sorted("".join(json.dumps(truth).split())),
)
cases.mistake(
    "Any JSON counts as right.",
    "That's the form. Compare what was read with `truth`, too.",
    lambda answer, truth: type(_read(answer)) is not object,
)
cases.mistake(
    "Any dictionary counts as right.",
    "That's the form. Compare it with `truth`, too.",
    lambda answer, truth: type(_read(answer)) is dict,
)
cases.mistake(
    "Only the things are compared, not how many.",
    "Compare the dictionaries, not their keys.",
    _of(lambda value, truth: value.keys() == truth.keys()),
)
cases.mistake(
    "Only the counts are compared, not of what.",
    "Compare the dictionaries, not their values.",
    _of(lambda value, truth: [*value.values()] == [*truth.values()]),
)
cases.mistake(
    "Only the counts are compared, sorted.",
    "Compare the dictionaries, not their values.",
    _of(lambda value, truth: sorted(map(str, value.values())) == sorted(map(str, truth.values()))),
)
cases.mistake(
    "Only the sum of the counts is compared.",
    "Compare the dictionaries: each count belongs to a thing.",
    _of(lambda value, truth: sum(n for n in value.values() if type(n) is int) == sum(truth.values())),
)
cases.mistake(
    "Only the number of things is compared.",
    "Compare the dictionaries themselves.",
    _of(lambda value, truth: len(value) == len(truth)),
)
cases.mistake(
    "A thing that nobody ordered may come along.",
    "All that's in `truth` is there, but there may be more. `==` looks both ways.",
    _of(lambda value, truth: all(value.get(key) == truth[key] for key in truth)),
)
cases.mistake(
    "A thing that was ordered may be missing.",
    "All that was answered is in `truth`, but there may be less. `==` looks both ways.",
    _of(lambda value, truth: all(truth.get(key) == value[key] for key in value)),
)
cases.mistake(
    "One thing that's right is enough.",
    "The whole order must be right: `==`.",
    _of(lambda value, truth: any(value.get(key) == truth[key] for key in truth)),
)
cases.mistake(
    "A count that is text passes as a number.",
    "The shop's program adds numbers: \"3\" isn't 3. Leave the values as they were read.",
    _of(lambda value, truth: {key: str(n) for key, n in value.items()} == {key: str(n) for key, n in truth.items()}),
)
cases.mistake(
    "The order of the keys decides.",
    "Compare the dictionaries. As lists or texts, their order counts.",
    _of(lambda value, truth: [*value.items()] == [*truth.items()]),
)
cases.mistake(
    "Nothing is ever right.",
    "Is text compared with a dictionary? `json.loads(answer) == truth`. Or does a bare `except:` hide another error? "
    "Write `except ValueError:`, and you'll see it.",
    lambda answer, truth: answer == truth,
)
cases.mistake(
    "Only the first line of the answer is read.",
    "JSON may have several lines. Read all of the answer.",
    lambda answer, truth: _read(answer.strip().split("\n")[0]) == truth,
)
cases.mistake(
    "It's the other way round: wrong answers count as right.",
    "`==`, not `!=`.",
    lambda answer, truth: _read(answer) != truth,
)
cases.mistake(
    "Everything counts as right.",
    "Where does the comparison go?",
    lambda answer, truth: True,
)
cases.mistake(
    "Every word and number of the truth must be somewhere in the text: more isn't asked.",
    "A wrong answer has them, too, if it has them elsewhere. Read the text with `json.loads`.",
    lambda answer, truth: all(str(key) in answer and str(n) in answer for key, n in truth.items()),
)
cases.mistake(
    "The things must be somewhere in the text: more isn't asked.",
    "The counts matter, too. Read the text with `json.loads`.",
    lambda answer, truth: all(str(key) in answer for key in truth),
)
cases.mistake(
    "What isn't JSON counts as right.",
    "In `except`, say False.",
    lambda answer, truth: type(_read(answer)) is object or _read(answer) == truth,
)

texts = turn.probe("text that isn't JSON", _texts, _form)
texts.mistake(
    "What comes after the JSON is ignored.",
    "A program that reads JSON stops at the first other character. Read all of the answer.",
    lambda answer, truth: _begins(answer) == truth,
)
texts.mistake(
    "The truth may stand anywhere in the text.",
    "A program that reads JSON stops at the first other character. All of the answer must be JSON.",
    lambda answer, truth: json.dumps(truth) in answer,
)
texts.mistake(
    "The first thing in curly brackets is taken, whatever stands around it.",
    "A program that reads JSON stops at the first other character. Read all of the answer.",
    lambda answer, truth: _found(answer) == truth,
)
texts.mistake(
    "Whatever stands before and after the curly brackets is cut off.",
    "A program that reads JSON stops at the first other character. Read all of the answer.",
    lambda answer, truth: _widest(answer) == truth,
)
texts.mistake(
    "The answer is read as Python: 'single quotes' pass, and a comma before the bracket, too.",
    "Python isn't JSON: `json.loads` refuses both.",
    lambda answer, truth: _python(answer) == truth,
)
texts.mistake(
    "Single quotes are made double ones first.",
    "That mends what's wrong. A model that writes them hasn't written JSON.",
    lambda answer, truth: _read(answer.replace("'", '"')) == truth,
)
texts.mistake(
    "Words and numbers must be somewhere in the text: more isn't asked.",
    "Read the text with `json.loads`. What it can't read is wrong.",
    lambda answer, truth: all(f"{n}" in answer and key in answer for key, n in truth.items()),
)
texts.mistake(
    "The marks of a code block are taken off first.",
    "That mends what's wrong: the shop's program doesn't do it.",
    lambda answer, truth: _read(answer.removeprefix("```json").removesuffix("```").strip("`\n")) == truth,
)
texts.mistake(
    "JSON that stands in a text of JSON is read, too.",
    "Read once: what comes out must equal `truth`.",
    lambda answer, truth: (_read(_read(answer)) if type(_read(answer)) is str else _read(answer)) == truth,
)

values = turn.probe("other values", _values, _form)
values.mistake(
    "An empty text counts as an empty dictionary.",
    "It isn't JSON: `json.loads` says so.",
    lambda answer, truth: (_read(answer) if answer else {}) == truth,
)
values.mistake(
    "An empty order, or a false value, is never right.",
    "Compare, and return what `==` says: `and` and `if value` take what is empty as false.",
    lambda answer, truth: bool(_read(answer)) and _read(answer) == truth,
)
values.mistake(
    "Only dictionaries can be right.",
    "Another task may ask for a list, or a number. `==` takes them all.",
    lambda answer, truth: type(_read(answer)) is dict and _read(answer) == truth,
)
values.mistake(
    "Everything is compared as text, so the number 3 equals the text 3.",
    "Leave the values as they were read.",
    lambda answer, truth: str(_read(answer)) == str(truth),
)
values.mistake(
    "The order in a list doesn't count.",
    "In a list it does. `==` knows.",
    lambda answer, truth: (
        sorted(_read(answer)) == sorted(truth)
        if type(_read(answer)) is list and type(truth) is list
        else _read(answer) == truth
    ),
)
values.mistake(
    "What is empty or false is taken for None, and None for what is empty.",
    "Compare with `==` alone.",
    lambda answer, truth: (_read(answer) or None) == (truth or None),
)
