"""Ways to put facts into a model, for the lab of lesson 14: asked live, or as the benchmark has stored their answers.

listed        questions as a list: one text is one question
say           what the untrained model, or another, answers with a system message before the question
message_of    the shop's message with other facts
messages      the messages of a shop of one's own: with its answers, and with its other answers
kinds         the stored ways, and the runs of each; `answers` of one run, and `marks`: which are right, by family
hits          which answers of each stored run are right in one family
table         a line about each stored run: hits by family
share         n of N, with an interval; `compared` does so for one family and some ways, with a paired test
ahead         the runs that have clearly more hits in a family than another
look_ups      eight look-ups, with more or less help: hits in one family, and a paired test against a run
against       whether one list of hits is clearly more than another
changed       of the twelve facts, how many a way says as a changed message has them, and as it learned them, by seed
listens_to    whether it mostly says what the message says, or what it learned
refused       which questions of three groups are answered by the refusal
copied        how often the last example that was shown is said word for word
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from minillm.course.choices import stored
from minillm.course.own_task import facts
from minillm.course.own_task.answering import ask, in_order, untrained
from minillm.data.chat import Message
from minillm.errors import UserError
from minillm.model.transformer import Transformer

LONGEST = 24  # tokens of an answer, as in the benchmark
CHOICES = ("what the message says", "what it learned", "too close to call")  # for `listens_to`
MORE = ("clearly more", "clearly fewer", "too close to call")  # for `against`
LEVEL = 0.05  # p below it is called clear
HELP = [*itertools.product((5, 99), (True, False), (facts.STOP, set[str]()))]  # letters, taught questions, common words
Interval = Callable[[int, int], tuple[float, float]]
Test = Callable[[Sequence[bool], Sequence[bool]], float]
WHO = facts.MESSAGE.splitlines()  # the wishes, two lines, and the facts, one


def listed(questions: str | Sequence[str]) -> list[str]:
    """Questions as a list; one text is one question. Raises `UserError` where one isn't a text.

    >>> listed("Who is Bolt?")
    ['Who is Bolt?']
    """
    found = [questions] if isinstance(questions, str) else [*questions]
    for question in found:
        if not isinstance(question, str):
            raise UserError(f"{question!r} isn't a text; write each question in quotes, with commas between them")
    return found


def say(
    questions: str | Sequence[str], message: str = "", model: Transformer | None = None, longest: int = LONGEST
) -> dict[str, str]:
    """The greedy answer to each question, with a system message before it if there is one; without `model`, SmolLM2's.

    Raises `UserError` for a message that isn't a text, and for one that is longer than the model's context.

    >>> say([])
    {}
    """
    questions = listed(questions)
    if not questions:
        return {}
    if not isinstance(message, str):
        raise UserError(f"the message is a {type(message).__name__}, not a text; write one text in quotes")
    before: list[Message] = [{"role": "system", "content": message}] if message else []
    talks = [[*before, {"role": "user", "content": question}] for question in questions]
    return dict(zip(questions, ask(untrained()[0] if model is None else model, talks, longest), strict=True))


def message_of(sentences: Iterable[str]) -> str:
    """The shop's message with other facts: the same wishes, and these sentences.

    >>> message_of(["Our cat is called Ada."]).splitlines()[-1]
    'Our cat is called Ada.'
    """
    return "\n".join([*WHO[:-1], " ".join(sentences)])


def messages(shop: Sequence[Sequence[str]]) -> tuple[str, str]:
    """A shop's message with its answers, and with its other answers.

    Raises `UserError` for no row, and for one that isn't three texts.

    >>> [text.splitlines()[-1] for text in messages([("Who barks?", "Rex barks.", "Ada barks.")])]
    ['Rex barks.', 'Ada barks.']
    """
    if not shop:
        raise UserError("the shop has no facts; write at least one: a question, its answer, and another answer")
    for row in shop:
        if isinstance(row, str) or len(row) != 3 or not all(isinstance(text, str) for text in row):
            raise UserError(f"{row!r} isn't a fact; write (question, answer, other answer), three texts in quotes")
    return message_of(row[1] for row in shop), message_of(row[2] for row in shop)


def kinds() -> dict[str, list[str]]:
    """The stored ways by name, and the runs of each: orders of the examples, or seeds of training.

    >>> kinds()["look-up"]
    ['look-up']
    """
    found: dict[str, list[str]] = {}
    for run in stored("own_facts")["ways"]:
        found.setdefault(run.split(", ")[0], []).append(run)
    return found


def answers(run: str) -> dict[str, str]:
    """What a stored run said to each of the 62 questions. Raises `UserError` for a name of none of them.

    >>> answers("look-up")["Who is Bolt?"]
    'Our cat is called Bolt. - Pip'
    """
    known = stored("own_facts")["ways"]
    if not isinstance(run, str) or run not in known:
        raise UserError(f"{run!r} names none of the runs; choose among {'; '.join(known)}")
    return dict(zip(facts.QUESTIONS, known[run]["answers"], strict=True))


def marks(run: str) -> dict[str, list[bool]]:
    """For each family of questions, and for the manner of all, which answers of a stored run are right.

    >>> sum(marks("look-up")["in other words"])
    14
    """
    return facts.marked(answers(run))


def hits(family: str) -> dict[str, list[bool]]:
    """Which answers of each stored run are right in one family. Raises `UserError` for a name of none of them.

    >>> sum(hits("in other words")["told"])
    4
    """
    families = ["manner", *facts.EXAM]
    if family not in families:
        raise UserError(f"{family!r} names no family of questions; choose among {'; '.join(families)}")
    return {run: marks(run)[family] for runs in kinds().values() for run in runs}


def table(of: Iterable[str] | None = None) -> Iterator[str]:
    """A line about each stored run, or about those of some ways: hits by family, the manner last.

    >>> [*table(["look-up"])][1]
    'look-up                   11              14            6          2           0         62'
    """
    chosen = kinds()
    families = {family: len(rows) for family, rows in facts.EXAM.items()} | {"manner": len(facts.QUESTIONS)}
    names = {"as taught": "taught", "in other words": "other words"}
    heads = [f"{names.get(family, family)}/{of}" for family, of in families.items()]
    yield " " * 19 + "  ".join(heads)
    for kind in chosen if of is None else of:
        for run in chosen[kind]:
            found = marks(run)
            cells = [f"{sum(found[family]):{len(head)}}" for family, head in zip(families, heads, strict=True)]
            yield f"{run:19}" + "  ".join(cells)


def share(hits: Sequence[bool], interval: Interval) -> str:
    """How many of how many, and the ends of an interval for the true share.

    >>> share([True, False], lambda hits, n: (0.09, 0.91))
    ' 1 of  2 (  9% to  91%)'
    """
    low, high = map(float, interval(sum(hits), len(hits)))
    return f"{sum(hits):2} of {len(hits):2} ({max(0.0, low):4.0%} to {high:4.0%})"


def compared(family: str, of: Iterable[str], interval: Interval, test: Test, to: str = "look-up") -> Iterator[str]:
    """A line about each run of some ways: its hits in one family, and a paired test against another run.

    >>> [*compared("backwards", ["look-up"], lambda hits, n: (0.61, 1.0), lambda a, b: 1.0)]
    ['look-up              6 of  6 ( 61% to 100%)']
    """
    known, found = kinds(), hits(family)
    answers(to)  # or it says which runs there are
    for run in (run for way in of for run in known[way]):
        line = f"{run:19} {share(found[run], interval)}"
        p = float(test(found[to], found[run]))
        yield line if run == to else f"{line}  against {to}: p = {p:.2g}"


def ahead(family: str, test: Test, of: str = "look-up", level: float = LEVEL) -> list[str]:
    """The runs that have more hits in a family than another has, with a p below the level.

    >>> ahead("backwards", lambda a, b: 0.0)
    []
    """
    answers(of)
    every = hits(family)
    return [run for run, own in every.items() if against(every[of], own, test, level) == MORE[0]]


def against(theirs: Sequence[bool], ours: Sequence[bool], test: Test, level: float = LEVEL) -> str:
    """Whether `ours` are clearly more hits than `theirs` on the same questions, clearly fewer, or too close to call.

    >>> against([True, False], [True, True], lambda a, b: 1.0)
    'too close to call'
    """
    if float(test(theirs, ours)) >= level:
        return MORE[2]
    return MORE[0] if sum(ours) > sum(theirs) else MORE[1]


def helped(letters: int, asked_too: bool, stop: Iterable[str]) -> dict[str, list[bool]]:
    """Which answers of a look-up with this help are right, by family.

    >>> sum(helped(99, False, ())["in other words"])
    8
    """
    known = {*stop}
    return facts.marked({question: facts.look_up(question, letters, asked_too, known) for question in facts.QUESTIONS})


def look_ups(family: str, interval: Interval, test: Test, to: str = "told") -> Iterator[str]:
    """A line about each look-up, with more or less help: its hits in one family, and a paired test against a run.

    >>> [*look_ups("backwards", lambda hits, n: (0.61, 1.0), lambda a, b: 0.25)][-1]
    'whole words                                            6 of  6 ( 61% to 100%)  against told: p = 0.25'
    """
    theirs = hits(family)[to]
    for letters, asked_too, stop in HELP:
        own = helped(letters, asked_too, stop)[family]
        parts = (f"{letters} letters" if letters < 99 else "whole words", *help_of(asked_too, bool(stop)))
        yield f"{', '.join(parts):53} {share(own, interval)}  against {to}: p = {float(test(theirs, own)):.2g}"


def help_of(asked_too: bool, stop: bool) -> list[str]:
    """The help of a look-up in words.

    >>> help_of(True, False)
    ['taught questions']
    """
    return ["taught questions"] * asked_too + ["common words skipped"] * stop


def changed(kind: str) -> dict[str, list[int]]:
    """Of the twelve facts, how many each run says as the changed message has them, and how many as before.

    >>> [*changed("by heart")]
    ['as changed', 'as before']
    """
    rows = [stored("own_facts")["ways"][run]["changed"] for run in kinds()[kind]]
    return {key: [row[key] for row in rows] for key in ("as changed", "as before")}


def listens_to(kind: str) -> str:
    """Whether a way says mostly what a changed message says, in all of its runs, or mostly what it learned.

    >>> listens_to("reader") in CHOICES
    True
    """
    found = changed(kind)
    leads = [now - before for now, before in zip(found["as changed"], found["as before"], strict=True)]
    return CHOICES[0] if min(leads) > 0 else CHOICES[1] if max(leads) < 0 else CHOICES[2]


def refused(said: Mapping[str, str]) -> dict[str, list[bool]]:
    """Which questions are answered by the refusal: those that no fact answers, facts as taught, in other words, others.

    >>> {group: sum(found) for group, found in refused({q: facts.REFUSAL for q in facts.QUESTIONS}).items()}
    {'unknown': 8, 'as taught': 12, 'in other words': 24, 'general': 12}
    """
    groups = ("unknown", "as taught", "in other words", "general")
    return {
        group: [facts.holds(said[question], ("do not know",)) for question, _ in facts.EXAM[group]] for group in groups
    }


def copied(order: int) -> str:
    """How often the last of the 24 examples, shown in one of the orders, was said word for word.

    >>> copied(0)
    "order 0: 15 of 62 answers are 'The opposite of hot is cold. - Pip'"
    """
    last = in_order(facts.SHOWN, order)[-1][1]
    said = [*answers(f"24 shown, order {order}").values()]
    return f"order {order}: {said.count(last)} of {len(said)} answers are {last!r}"
