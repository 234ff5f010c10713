"""Compare the answers of a class with each other and with the public solution, in processes with limits.

Students' code is only read. One notebook that is too much for the limits costs only itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minillm.course.checks.question import Question
from minillm.course.grading.limited import Failed, Processes, run_all
from minillm.course.grading.notebook import begun, flat
from minillm.course.grading.published import published, solutions_of
from minillm.course.grading.similarity import Match, Normalized, Pair, answer_of, normalize, pairs_of
from minillm.course.grading.submissions import Notebook
from minillm.course.grading.tidying import tidy

SECONDS = 300.0  # limit for comparing an assignment's answers
READING_SECONDS = 60.0  # limit for finding the answers of a notebook
Key = tuple[str, str]  # a student, and the number of an assignment or a question


@dataclass
class Comparison:
    """Pairs of similar answers, sentences about what is public, and about what could not be compared."""

    pairs: list[Pair] = field(default_factory=list)
    published: dict[Key, list[str]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    answers: dict[Key, str] = field(default_factory=dict)  # the code by student and question, tidied


def compare_class(
    notebooks: Mapping[Key, Notebook],
    questions: Mapping[str, Sequence[Question]],
    public: Mapping[str, Sequence[str]],
    processes: Processes,
    jobs: int,
    on_compared: Callable[[], Any] = lambda: None,
) -> Comparison:
    """Compare the submitted notebooks of all assignments.

    `public` holds, by the number of the assignment, the code of the exercise and of its solution. `on_compared` is
    called for each notebook that is read, and for each assignment.
    """
    functions = {number: {question.id: question.function for question in asked} for number, asked in questions.items()}
    solutions = {number: solutions_of(code[-1], functions[number]) for number, code in public.items() if code}
    work = [
        lambda key=key, notebook=notebook: (
            key,
            *_read(processes, notebook, functions[key[1]], solutions.get(key[1], {})),
        )
        for key, notebook in notebooks.items()
        if not notebook.trouble
    ]
    asked: dict[str, dict[str, dict[str, Normalized]]] = {number: {} for number in questions}
    found = Comparison()
    for (student, number), answers, said, trouble in run_all(work, jobs, processes):
        on_compared()
        found.troubles += [f"{student}, {number}: not compared, since reading it {trouble}"] if trouble else []
        if said:
            found.published[student, number] = said
        for question, answer in answers.items():
            asked[number].setdefault(question, {})[student] = answer
            found.answers[student, question] = answer[0]
    for number, answers in asked.items():
        on_compared()
        known = [normalize(form) for code in public.get(number, ()) for form in (code, tidy(code))]
        try:
            found.pairs += [_pair(number, *each) for each in processes.call(_pairs, answers, known, seconds=SECONDS)]
        except Failed as reason:
            found.troubles.append(f"{number}: the answers are not compared, since it {reason}")
    found.pairs.sort(key=lambda pair: (pair.number, -pair.characters, pair.first, pair.second))
    return found


def _read(
    processes: Processes, notebook: Notebook, functions: Mapping[str, str], solutions: Mapping[str, str]
) -> tuple[dict[str, Normalized], list[str], str | None]:
    try:
        found, said = processes.call(_normalized, notebook.cells, functions, solutions, seconds=READING_SECONDS)
    except Failed as reason:
        return {}, [], str(reason)
    return {question: tuple(answer) for question, answer in found.items()}, said, None


def _normalized(
    cells: Sequence[tuple[str, str]], functions: Mapping[str, str], solutions: Mapping[str, str]
) -> tuple[dict[str, Normalized], list[str]]:
    """The answers that are begun, by question, and what is public in them."""
    cells = flat(cells)
    answers = {id: normalize(answer_of(cells, name)) for id, name in functions.items() if begun(cells, name)}
    return answers, published(cells, answers, solutions)


def _pairs(asked: Mapping[str, Mapping[str, Normalized]], known: Sequence[Normalized]) -> list[list[Any]]:
    """`pairs_of` as JSON; called in a process of its own."""
    pairs = pairs_of("", asked, known)
    return [
        [pair.first, pair.second, [list(vars(match).values()) for match in pair.matches], pair.ring] for pair in pairs
    ]


def _pair(number: str, first: str, second: str, matches: Sequence[Sequence[Any]], ring: Sequence[str]) -> Pair:
    found = []
    for question, characters, share, (left, right), run in matches:
        sides = [(text, shared) for text, shared in left], [(text, shared) for text, shared in right]
        found.append(Match(question, characters, share, sides, run))
    return Pair(number, first, second, tuple(found), tuple(ring))
