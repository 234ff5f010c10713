"""14.few_shot: examples as a conversation, before the question (Brown et al. 2020, section 2)."""

import json
import random
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def few_shot(examples, question):
    """The messages that show each example, and then ask the question."""
    messages = []
    for asked, answer in examples:
        if asked != question:
            messages.append({"role": "user", "content": asked})
            messages.append({"role": "assistant", "content": json.dumps(answer)})
    return [*messages, {"role": "user", "content": question}]


turn = Turn(
    "14.few_shot",
    "Show, don't train",
    few_shot,
    minutes=6,
    difficulty=2,
    hints=(
        "In a conversation, who would have asked the questions of your examples, and who would have answered them?",
        "Two messages per example, in their order: the user's and the assistant's. At the end, one more of the user's.",
        "An example whose question is `question` itself would give the answer away: skip it. The content of the "
        "assistant is text: `json.dumps(...)`.",
    ),
    errors={
        "'NoneType' object has no attribute": "`append` changes the list and returns None: write "
        "`messages.append(...)` alone.",
        r"dump\(\)": "`json.dumps`, with an s, makes text. `json.dump` writes a file.",
        "list index out of range": "There may be any number of examples: go along them with a loop.",
        "not JSON serializable|expected string|can only concatenate": "A content is text. `json.dumps` makes text of "
        "a dictionary.",
        "name 'json' is not defined": "Import it in your cell: `import json`.",
        r"name '(messages|prompt|tokenizer|model|role|content|query|train)' is not defined|cannot access local": (
            "There are `examples` and `question`. Begin with an empty list."
        ),
        "indices must be|too many values|not enough values|cannot unpack|KeyError|string index": "Each "
        "example is a pair: `for asked, answer in examples`.",
        "changed the input": "`examples` is needed for the next question, too. Leave it as it is.",
        "has no attribute": "`examples` is a list of pairs, and `messages` a list of dictionaries.",
    },
    debrief=Debrief(
        "Evaluation harnesses build the same list. Serving engines keep the keys and values of the examples, so all "
        "questions share one reading of them.",
        "The examples stand before every question. What do they cost per answer, and what does training cost?",
    ),
)

THINGS = ("clock", "kettle", "lamp", "radio", "violin")


def _example(rng: random.Random, count: int = 2) -> tuple[str, dict]:
    chosen = rng.sample(THINGS, count)
    answer = {thing: rng.randrange(2, 9) for thing in chosen}
    return f"I bring {' and '.join(f'{n} {thing}s' for thing, n in answer.items())}.", answer


def _examples(rng: random.Random, count: int) -> list[tuple[str, dict]]:
    found: dict[str, dict] = {}
    while len(found) < count:
        question, answer = _example(rng)
        found[question] = answer
    return [*found.items()]


def _shown(rng: random.Random) -> list[Call]:
    """Examples, and a question that none of them has."""
    calls: list[Call] = []
    for count in (1, 2, 3, 4):
        *examples, (question, _) = _examples(rng, count + 1)
        calls.append((examples, question))
    return calls


def _leaks(rng: random.Random) -> list[Call]:
    """The question is among the examples: first, in the middle, last, or alone; and a question that looks alike."""
    examples = _examples(rng, 4)
    same = [(question, dict(examples[0][1])) for question, _ in examples[:2]]  # two with one answer
    return [
        (examples[:3], examples[1][0]),
        (examples, examples[0][0]),
        (examples, examples[-1][0]),
        (examples[:1], examples[0][0]),
        (examples[:3], f"{examples[2][0]} Please!"),
        ([(f"{examples[0][0]} Please!", {"clock": 2}), examples[1]], examples[0][0]),
        ([examples[0], examples[0], examples[1]], examples[0][0]),
        (examples[:2], "".join([*examples[0][0]])),  # equal, and another object
        (same, same[0][0]),
        ([examples[0], examples[1], examples[0]], examples[0][0]),
    ]


def _values(rng: random.Random) -> list[Call]:
    """No examples, and answers that are no dictionaries."""
    return [
        ([], "Two lamps."),
        ([("Open?", {"open": True}), ("Until when?", {"hour": None})], "And now?"),
        ([("When?", [rng.randrange(9, 18), 30]), ("How many?", rng.randrange(2, 9))], "Where?"),
        ([('Say "hello".', {"said": "hello"})], "Say 'Tom's'."),
    ]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, answer in enumerate(got):
        if type(answer) is str:
            return "The result is text.", "Return a list of messages. The template is applied later.", index
        if type(answer) is not list:
            kind = {dict: "a dictionary", tuple: "a tuple", type(None): "None"}.get(type(answer), "something else")
            return f"The result is {kind}.", "Return a list of dictionaries, one per message.", index
        for message in answer:
            if type(message) is not dict:
                hint = "One dictionary per message. `append` adds it; `extend` and `+=` take it apart."
                return "There is something else than a dictionary in the list.", hint, index
            if {*message} != {"role", "content"}:
                return f"A message has the keys {sorted(map(str, message))}.", "It needs `role` and `content`.", index
            if type(message["content"]) is not str:
                kind = type(message["content"]).__name__
                return f"A content is a {kind}.", "Contents are text: `json.dumps(answer)`.", index
            if message["role"] not in ("user", "assistant", "system"):
                return f"A role is {message['role']!r}.", "The roles are `user` and `assistant`.", index
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    for index, (due, gave) in enumerate(zip(right, got, strict=True)):
        if len(due) != len(gave):
            hint = "Two per example, and one at the end. An example with this very question is left out."
            return f"There are {len(gave)} messages, and {len(due)} are due.", hint, index
        for n, (wanted, given) in enumerate(zip(due, gave, strict=True)):
            if wanted["role"] != given["role"]:
                return f"Message {n} is from the {given['role']}.", f"The {wanted['role']} speaks there.", index
            if wanted["content"] != given["content"]:
                sentence = f"Message {n} says {given['content'][:40]!r}."
                return sentence, f"It should say {wanted['content'][:40]!r}.", index
    return None


def _pair(asked: str, said: str) -> list[dict]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]


def _built(
    *,
    kept: Callable[[list, str], list] = lambda examples, question: [each for each in examples if each[0] != question],
    text: Callable[[Any], str] = json.dumps,
    pair: Callable[[str, str], list[dict]] = _pair,
    first: Callable[[str], list[dict]] = lambda question: [],
    last: Callable[[str], list[dict]] = lambda question: [{"role": "user", "content": question}],
) -> Answer:
    """The messages, with one thing done differently."""

    def answer(examples: list, question: str) -> list[dict]:
        shown = [message for asked, said in kept(examples, question) for message in pair(asked, text(said))]
        return [*first(question), *shown, *last(question)]

    return answer


def _in_one(examples: list, question: str) -> list[dict]:
    """Everything in one message of the user."""
    shown = [f"{asked}\n{json.dumps(said)}" for asked, said in examples if asked != question]
    return [{"role": "user", "content": "\n".join([*shown, question])}]


def _apart(examples: list, question: str) -> list[dict]:
    """First all questions, then all answers."""
    kept = [each for each in examples if each[0] != question]
    asked = [{"role": "user", "content": each} for each, _ in kept]
    said = [{"role": "assistant", "content": json.dumps(each)} for _, each in kept]
    return [*asked, *said, {"role": "user", "content": question}]


def _until(examples: list, question: str) -> list:
    """The examples before the one that asks the question."""
    asked = [each for each, _ in examples]
    return examples[: asked.index(question)] if question in asked else examples


def _all_but_first(examples: list, question: str) -> list:
    """The first example that asks the question is left out, and no other."""
    asked = [each for each, _ in examples]
    at = asked.index(question) if question in asked else len(examples)
    return [*examples[:at], *examples[at + 1 :]]


def _removed_in_the_loop(examples: list, question: str) -> list:
    """The loop goes along a list that gets shorter."""
    left = [*examples]
    for each in left:
        if each[0] == question:
            left.remove(each)
    return left


def _other_answers(examples: list, question: str) -> list:
    """Without examples that have the answer of the question's own."""
    own = [answer for asked, answer in examples if asked == question]
    return [each for each in examples if each[1] not in own]


shown = turn.probe("examples before a question", _shown, _form)
shown.at_last = _nearly
shown.mistake(
    "The answers are written as Python: 'single quotes'.",
    "The model will write what it's shown. `json.dumps(answer)` makes JSON.",
    _built(text=str),
)
shown.mistake(
    "The answers are written with other spaces, or line breaks.",
    "`json.dumps(answer)`, as it is.",
    _built(text=lambda answer: json.dumps(answer, indent=2)),
)
shown.mistake(
    "The answers are written with `json.dumps` twice: it's text in quotes.",
    "Once is enough.",
    _built(text=lambda answer: json.dumps(json.dumps(answer))),
)
shown.mistake(
    "The answers are written without spaces.",
    "`json.dumps(answer)`, as it is.",
    _built(text=lambda answer: json.dumps(answer, separators=(",", ":"))),
)
shown.mistake(
    "The roles have changed places.",
    "The user asks, and the assistant answers.",
    _built(pair=lambda asked, said: [{"role": "assistant", "content": asked}, {"role": "user", "content": said}]),
)
shown.mistake(
    "Everything is said by the user.",
    "What the model is to imitate comes from the `assistant`.",
    _built(pair=lambda asked, said: [{"role": "user", "content": text} for text in (asked, said)]),
)
shown.mistake(
    "In each pair, the answer comes before its question.",
    "First the user's message, then the assistant's.",
    _built(pair=lambda asked, said: _pair(asked, said)[::-1]),
)
shown.mistake(
    "The question is missing.",
    "After the examples comes one more message of the user: `question`.",
    _built(last=lambda question: []),
)
shown.mistake(
    "The question comes first.",
    "The model answers the last message: put `question` at the end.",
    _built(first=lambda question: [{"role": "user", "content": question}], last=lambda question: []),
)
shown.mistake(
    "An empty message of the assistant comes at the end.",
    "The template opens the answer by itself. End with the user's question.",
    _built(last=lambda question: _pair(question, "")),
)
shown.mistake(
    "The examples come in reverse order.",
    "Keep their order: a later cell compares three of them.",
    _built(kept=lambda examples, question: [each for each in examples[::-1] if each[0] != question]),
)
shown.mistake(
    "Only the first example is there.",
    "Is `return` inside the loop?",
    _built(kept=lambda examples, question: examples[:1]),
)
shown.mistake(
    "Only the last example is there.",
    "Make the list before the loop, and add to it.",
    _built(kept=lambda examples, question: examples[-1:]),
)
shown.mistake(
    "The last example is missing.",
    "Does a slice or a range end too early?",
    _built(kept=lambda examples, question: examples[:-1]),
)
shown.mistake(
    "The first example is missing.",
    "Does a slice or a range begin too late?",
    _built(kept=lambda examples, question: examples[1:]),
)
shown.mistake(
    "No examples are shown.",
    "Two messages per example come before the question.",
    _built(kept=lambda examples, question: []),
)
shown.mistake(
    "Only the questions of the examples are there.",
    "Each is followed by its answer, from the `assistant`.",
    _built(pair=lambda asked, said: _pair(asked, said)[:1]),
)
shown.mistake(
    "Only the answers of the examples are there.",
    "Each comes after its question, from the `user`.",
    _built(pair=lambda asked, said: _pair(asked, said)[1:]),
)
shown.mistake(
    "A system message stands at the front.",
    "It may help, but here only the examples are compared: leave it out.",
    _built(first=lambda question: [{"role": "system", "content": "You are a helpful assistant."}]),
)
shown.mistake(
    "All is one message of the user.",
    "It may work, too, but here each example is a turn of the conversation: two messages.",
    _in_one,
)
shown.mistake(
    "First come all questions, then all answers.",
    "Each answer follows its question.",
    _apart,
)
shown.mistake(
    "All messages of the examples are one and the same dictionary, which changed later.",
    "Make a new dictionary for each message.",
    lambda examples, question: (
        [_pair("", json.dumps(examples[-1][1]))[1] for _ in examples for _ in range(2)]
        + [{"role": "user", "content": question}]
    ),
)
shown.mistake(
    "The question is asked before each example, too.",
    "Once, at the end.",
    lambda examples, question: (
        [
            message
            for asked, said in examples
            for message in ({"role": "user", "content": question}, *_pair(asked, json.dumps(said)))
        ]
        + [{"role": "user", "content": question}]
    ),
)
shown.mistake(
    "The question comes after each example, not only at the end.",
    "Is its line inside the loop?",
    lambda examples, question: [
        message
        for asked, said in examples
        for message in (*_pair(asked, json.dumps(said)), {"role": "user", "content": question})
    ],
)

leaks = turn.probe("the question among the examples", _leaks, _form)
leaks.at_last = _nearly
leaks.mistake(
    "The question itself is among the examples, with its answer.",
    "Then it's copied, not answered. Leave out the example whose question is `question`.",
    _built(kept=lambda examples, question: examples),
)
leaks.mistake(
    "The examples after the one with this question are gone, too.",
    "Skip that one (`continue`), and go on: `break` ends the loop.",
    _built(kept=_until),
)
leaks.mistake(
    "Only the first example with this question is left out.",
    "There may be another one: look at each.",
    _built(kept=_all_but_first),
)
leaks.mistake(
    "An example is left out if its question is part of this one.",
    "Two questions may begin alike. Compare with `==` or `!=`.",
    _built(kept=lambda examples, question: [each for each in examples if each[0] not in question]),
)
leaks.mistake(
    "An example is left out if this question is part of its own.",
    "Two questions may begin alike. Compare with `==` or `!=`.",
    _built(kept=lambda examples, question: [each for each in examples if question not in each[0]]),
)
leaks.mistake(
    "Of two examples in a row with this question, one is still there.",
    "`remove` inside the loop makes it skip the next one. Build a new list.",
    _built(kept=_removed_in_the_loop),
)
leaks.mistake(
    "Examples with the same answer are left out, too.",
    "Only the question decides: another one with that answer may be shown.",
    _built(kept=_other_answers),
)
leaks.mistake(
    "Of the example with this question, the answer is gone, and the question isn't.",
    "Leave out both of its messages.",
    lambda examples, question: (
        [
            message
            for asked, said in examples
            for message in (_pair(asked, json.dumps(said)) if asked != question else _pair(asked, "")[:1])
        ]
        + [{"role": "user", "content": question}]
    ),
)
leaks.mistake(
    "If the question is among the examples, nothing is shown at all.",
    "Leave out that example alone.",
    _built(
        kept=lambda examples, question: [] if any(asked == question for asked, _ in examples) else examples,
    ),
)
leaks.mistake(
    "If the question is among the examples, it isn't asked at the end.",
    "It's always asked, once, at the end.",
    lambda examples, question: (
        [message for asked, said in examples if asked != question for message in _pair(asked, json.dumps(said))]
        + [{"role": "user", "content": question}][any(asked == question for asked, _ in examples) :]
    ),
)

values = turn.probe("no examples, and other answers", _values, _form)
values.at_last = _nearly
values.mistake(
    "True, None and quotes are written as Python writes them.",
    "`json.dumps` writes true, null and double quotes.",
    _built(text=lambda answer: str(answer).replace("'", '"')),
)
values.mistake(
    "Only dictionaries are made JSON; other answers are written as Python.",
    "`json.dumps` takes every answer.",
    _built(text=lambda answer: json.dumps(answer) if type(answer) is dict else f"{answer} "),
)
values.mistake(
    "Double quotes in a question are changed.",
    "What was asked stays as it is.",
    _built(pair=lambda asked, said: _pair(asked.replace('"', "'"), said)),
)
