"""Ask the answers of a notebook in the sandbox, each once or twice, within one budget of time.

The first attempt runs only the statements that the answers need, so that other cells cost nothing. An answer without
full points is asked again in the state that the notebook had at its check. Private probes come last, when nothing that
a student reads is asked any more, so that no process can pass on what they tried.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from minillm.course.checks.asking import Reply
from minillm.course.checks.outside import Budget, Limits, Statement, collect
from minillm.course.checks.question import Question, Result
from minillm.course.checks.sandbox import Command
from minillm.course.grading.needed import all_statements, needed_statements
from minillm.course.grading.notebook import begun, definition

ALL = Limits()
FINAL_TROUBLES = (  # prefixes of replies that a second attempt with the same definition cannot improve
    "is not written yet",
    "took longer",
    "was not reached",
    "ended the process",
    "wrote to the channel",
    "returned more than",
)
PRELOAD = {"matplotlib": "matplotlib.pyplot"}  # modules whose import needs threads or many files, denied later
Cells: TypeAlias = Sequence[tuple[str, str]]
Grader: TypeAlias = Callable[[Question, int, Sequence[Sequence[Reply]]], Result]
Asked: TypeAlias = Sequence[tuple[Question, int]]


def ask_notebook(
    cells: Cells,
    checks: Mapping[str, int],
    asked: Asked,
    command: Command,
    limits: Limits = ALL,
    confined: bool = True,
    grade: Grader = Question.grade,
) -> tuple[dict[str, Result], dict[str, str]]:
    """Run the statements that a notebook's answers need, and grade the answers.

    An answer without full points runs once more in the state that the notebook had when its check cell ran: with every
    statement above that cell, since the analysis of names may have missed one, and with none below it, since one may
    have rebound a name. The better result counts. `checks` holds the number of cells above each check. All attempts
    share the time of one `Budget`. Returns the results by question id, and the troubles as `collect` returns them.
    """
    budget = Budget(limits.total_seconds)

    def ask(statements: Sequence[Statement], some: Asked) -> tuple[dict[str, list[list[Reply]]], dict[str, str]]:
        found = collect(statements, some, command, limits, confined, _preload(statements), budget)
        return found.replies, found.troubles

    used: dict[str, list[Statement]] = {}  # by question

    def settle(some: Asked, replies: dict[str, list[list[Reply]]]) -> dict[str, Result]:
        """Grade replies, and ask again where that may be better; `replies` and `used` are then those of the better."""
        results = {}
        for question, seed in some:
            id = question.id
            results[id] = grade(question, seed, replies[id])
            if not results[id].passed and (again := _second(cells, checks, question, used[id], replies[id])):
                second, _ = ask(again, [(question, seed)])
                result = grade(question, seed, second[id])
                if result.points > results[id].points:
                    results[id], replies[id], used[id] = result, second[id], again
        return results

    first = needed_statements(cells, [question.function for question, _ in asked])
    used = {question.id: first for question, _ in asked}
    public = [(_only(question, private=False), seed) for question, seed in asked]
    replies, troubles = ask(first, public)
    results = settle(public, replies)
    hidden = [(_only(question, private=True), seed) for question, seed in asked]
    own: dict[str, list[list[Reply]]] = {}
    for statements in {id(each): each for each in used.values()}.values():
        if some := [pair for pair in hidden if pair[0].probes and used[pair[0].id] is statements]:
            own |= ask(statements, some)[0]
    settle([pair for pair in hidden if pair[0].id in own], own)
    for question, seed in asked:
        if question.id in own:
            of = {True: iter(own[question.id]), False: iter(replies[question.id])}
            results[question.id] = grade(question, seed, [next(of[probe.private]) for probe in question.probes])
    return results, troubles


def _only(question: Question, private: bool) -> Question:
    """A question with only its private probes, or only those that are everybody's."""
    return replace(question, probes=[probe for probe in question.probes if probe.private == private])


def _second(
    cells: Cells,
    checks: Mapping[str, int],
    question: Question,
    first: Sequence[Statement],
    replies: Sequence[Sequence[Reply]],
) -> list[Statement] | None:
    """The statements of a second attempt; None if it can't be better than the first."""
    function = question.function
    above = _state_at_check(cells, checks.get(question.id, len(cells)), function)
    troubles = [reply.trouble for probe in replies for reply in probe if reply.trouble]
    is_final = any(trouble.startswith(FINAL_TROUBLES) for trouble in troubles)
    if is_final and _last_definition(above, function) == _last_definition(cells, function):
        return None
    every = all_statements(above, needed_statements(above, [function]))
    same = [statement.source for statement in every] == [statement.source for statement in first]
    return None if same else every


def _state_at_check(cells: Cells, place: int, function: str) -> Cells:
    """The cells above a check, or all; without the last stubs of an answer if it is written further up.

    >>> cells = [("1", "def f(): return 1"), ("2", "x = 1"), ("3", "def f(): ..."), ("4", "y = 1")]
    >>> [title for title, _ in _state_at_check(cells, 4, "f")], len(_state_at_check(cells, 2, "f"))
    (['1', '2', '4'], 2)
    """
    for end in (place, len(cells)):
        defining = [index for index in range(end) if definition(cells[index][1], function)]
        written = [index for index in defining if begun([cells[index]], function)]
        if written:
            stubs = {index for index in defining if index > written[-1]}
            return [cell for index, cell in enumerate(cells[:end]) if index not in stubs]
    return cells


def _last_definition(cells: Cells, function: str) -> tuple[str, int] | None:
    """The cell and the line of the last definition of a name."""
    found = [(title, node.lineno) for title, source in cells if (node := definition(source, function))]
    return found[-1] if found else None


def _preload(statements: Iterable[Statement]) -> list[str]:
    """The modules among the imports that must be imported before the limits are set."""
    source = "\n".join(statement.source for statement in statements)
    return [module for name, module in PRELOAD.items() if name in source]
