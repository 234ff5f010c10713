"""The form of lessons in which the learner writes, and of labs: budgets, honest minutes, turns and their solutions.

A lesson has this form if it asks for turns (`@your_turn`); a lab's name ends with `_lab`. `manuscript_rules` holds the
rules that all pages share, `pace` what a reader does. Each violation is a sentence.
"""

import ast
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import nbformat

from minillm.course import puzzles
from minillm.course.claims import MEASURED
from minillm.course.pages import YOUR_TURN, is_test
from minillm.course.turns import find
from minillm.course.workbook import short_name
from tools import pace, slide_rules

WORDS, CODE_CELLS, CODE_LINES, MINUTES = 2300, 35, 200, 80  # the most of a lesson
TURNS, PREDICTIONS, QUESTIONS = (3, 6), (2, 8), (3, 5)  # the fewest and the most
SHORT, TURNS_OF_SHORT = 45, 2  # a page of at most so many minutes has room for two turns
WORDS_PER_MINUTE, LINES_PER_MINUTE, MINUTES_PER_CHOICE, MINUTES_PER_FIGURE = 150, 12, 2, 1
SOLUTION = re.compile(r"<details><summary>Solution</summary>\n\n```python\n(.*?\n)```\n\n</details>", re.DOTALL)
ASKED = re.compile(r"^@tiles\.asked$|^\w+ = your_kernel\((?s:.*)^    \.\.\.$", re.MULTILINE)  # of a lab, unwritten
IN_A_LAB = 5  # minutes that a function takes which a lab asks for
EXPERIMENT = ("**Claim**", "**Refuted if**", "**Method**", "**Controls**", "**Result**", "**Verdict**")
ALONE = ("> **Where the picture simplifies", "> **At scale", "**1.** ", "**What you wrote**")  # in cells of their own

Cells = Sequence[nbformat.NotebookNode]


@dataclass(frozen=True)
class Size:
    """What a page asks of its reader."""

    words: int  # of the text, folded answers included, solutions not
    code_cells: int
    code_lines: int
    turns: int
    turn_minutes: int  # of all turns
    choices: int  # predictions and explorers
    figures: int = 0
    seconds: float = 0  # in which its cells run
    puzzles: int = 0  # of one line, each a thing to type

    @property
    def minutes(self) -> int:
        """Honest minutes, rounded up to a multiple of five.

        >>> Size(1500, 20, code_lines=120, turns=3, turn_minutes=25, choices=2, figures=4, seconds=90).minutes
        55
        """
        reading = self.words / WORDS_PER_MINUTE + self.code_lines / LINES_PER_MINUTE
        looking = MINUTES_PER_CHOICE * self.choices + MINUTES_PER_FIGURE * self.figures
        typing = self.turn_minutes + puzzles.MINUTES * self.puzzles
        return 5 * math.ceil((reading + typing + looking + self.seconds / 60) / 5)


def has_turns(cells: Cells) -> bool:
    """Whether the learner writes in this page."""
    return any(YOUR_TURN.search(cell.source) for cell in cells if cell.cell_type == "code")


def size(cells: Cells, seconds: float = 0) -> Size:
    """Count what a page asks of its reader; learners never see the cells that test the lesson."""
    cells = [cell for cell in cells if not is_test(cell)]
    words = sum(pace.words_in(cell.source) for cell in cells if cell.cell_type == "markdown")
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    lines = sum(bool(line.strip()) for source in code for line in source.splitlines())
    choices = len(re.findall(r"\b(?:predict|predict_number|\w*Explorer)\(", "\n".join(code)))
    figures = len(re.findall(r"\b(?:show|Watch|Live)\(", "\n".join(code)))
    turns = [id for source in code for id in YOUR_TURN.findall(source)]
    minutes = sum(find(id).minutes for id in turns)
    minutes += IN_A_LAB * sum(bool(ASKED.search(source)) for source in code)
    asked = sum(len(_puzzles(source)) for source in code)
    return Size(words, len(code), lines, len(turns), minutes, choices, figures, seconds, asked)


def seconds_of(lesson: str) -> float:
    """The seconds in which the cells of a page run on two cores, from measured.toml; 0 if it does not say."""
    rows = tomllib.loads(MEASURED.read_text(encoding="utf-8"))["lesson"]
    return next((row.get("seconds", 0) for row in rows if row["number"] == short_name(f"{lesson}.ipynb")), 0)


def report(lesson: str, cells: Cells) -> str:
    """A line about a page: its honest minutes, what they are made of, and its longest passive stretch."""
    counted = size(cells, seconds_of(lesson))
    return (
        f"{lesson}: {counted.minutes} minutes ({counted.words} words, {counted.code_cells} code cells, "
        f"{counted.code_lines} lines, {counted.turns} turns of {counted.turn_minutes} minutes, "
        f"{counted.puzzles} puzzles, {counted.choices} predictions and explorers, {counted.figures} figures, "
        f"{counted.seconds:.0f} s); longest passive stretch: {pace.longest(cells)}"
    )


def complaints(lesson: str, cells: Cells) -> Iterator[str]:
    """Yield one sentence for every rule of the form that a page violates."""
    counted = size(cells, seconds_of(lesson))
    stated = re.search(r"\*\*Time\*\*: (\d+) minutes", cells[0].source)
    if stated is None or int(stated[1]) != counted.minutes:
        yield f"cell 1 must say **Time**: {counted.minutes} minutes ({counted})"
    yield from pace.typed_answers(cells)
    yield from _bound_again(cells)
    yield from _tests(cells)
    if lesson.endswith("_lab"):
        yield from _experiments(cells)
        return
    for what, found, most in (
        ("words", counted.words, WORDS),
        ("code cells", counted.code_cells, CODE_CELLS),
        ("lines of code", counted.code_lines, CODE_LINES),
        ("minutes", counted.minutes, MINUTES),
    ):
        if found > most:
            yield f"the lesson has {found} {what}; the most is {most}"
    predictions = sum(len(slide_rules.PREDICTS.findall(cell.source)) for cell in cells if cell.cell_type == "code")
    fewest_turns = TURNS_OF_SHORT if counted.minutes <= SHORT else TURNS[0]
    for what, found, (fewest, most) in (
        ("turns", counted.turns, (fewest_turns, TURNS[1])),
        ("predictions", predictions, PREDICTIONS),
        ("questions in its quiz", "\n".join(cell.source for cell in cells).count("<summary>Open"), QUESTIONS),
    ):
        if not fewest <= found <= most:
            yield f"the lesson has {found} {what}; it needs {fewest} to {most}"
    if not any("diagrams." in cell.source for cell in cells if cell.cell_type == "code"):
        yield "the lesson has no diagram"
    for phrase in ALONE:
        if sum(phrase in cell.source for cell in cells if _begins(cell, phrase)) != 1:
            yield f"{phrase!r} must begin a cell of its own"
    yield from pace.complaints(cells)
    yield from _solutions(cells)
    yield from _specs(cells)
    yield from slide_rules.complaints(cells)


def _tests(cells: Cells) -> Iterator[str]:
    """Check that what tests the lesson is in cells of its own, tagged `test`, and that no other cell needs these."""
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        plain = any(isinstance(node, ast.Assert) for node in ast.walk(tree))
        if not is_test(cell):
            if plain:
                yield (
                    f"cell {number} asserts, which tests the lesson and teaches nothing; move that into a cell tagged "
                    '"test", or show that two tensors are equal with torch.testing.assert_close'
                )
        elif not plain or not all(isinstance(node, ast.Assert | ast.For) for node in tree.body):
            yield f'cell {number} is tagged "test" and must only assert, since the learner\'s copy lacks it'


def _bound_again(cells: Cells) -> Iterator[str]:
    """Check that no two cells bind one name, so that a learner can run any cell again, in any order."""
    first: dict[str, int] = {}
    for number, cell in enumerate(cells, start=1):
        for name in sorted(_names_bound(ast.parse(cell.source))) if cell.cell_type == "code" else ():
            if first.setdefault(name, number) != number:
                yield f"cell {number} binds `{name}`, as cell {first[name]} does; use another name"


def _names_bound(tree: ast.Module) -> set[str]:
    """The names that a cell assigns or defines at its top level; loop variables are left out."""
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    assigned = [name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    names = {name.id for name in assigned if isinstance(name.ctx, ast.Store)} - {"_"}
    return names | {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _begins(cell: nbformat.NotebookNode, phrase: str) -> bool:
    start = phrase if phrase != "**1.** " else "## "
    return cell.cell_type == "markdown" and cell.source.startswith(start)


def _solutions(cells: Cells) -> Iterator[str]:
    """Check that the course's version of each turn is folded into the cell below it."""
    for number, cell in enumerate(cells, start=1):
        for id in YOUR_TURN.findall(cell.source) if cell.cell_type == "code" else ():
            turn, folded = find(id), SOLUTION.findall(cells[number].source)
            if cell.source != f"{turn.decorator}\n{turn.stub.rstrip()}":
                yield f"cell {number} must hold turn {id} and its stub:\n{turn.decorator}\n{turn.stub}"
            if folded != [turn.solution]:
                yield f"cell {number + 1} must fold away the solution of turn {id}:\n{turn.solution}"


def _puzzles(source: str) -> list[str]:
    """The names of the puzzles that a code cell asks for."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    asked = [call for call in calls if ast.unparse(call.func) == "puzzles.solve"]
    return [keyword.arg for call in asked for keyword in call.keywords if keyword.arg]


def _specs(cells: Cells) -> Iterator[str]:
    """Check that puzzles stand between their specs and their folded solutions."""
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type != "code" or not (names := _puzzles(cell.source)):
            continue
        if cell.source != puzzles.cell(*names):
            yield f"cell {number} must ask for its puzzles and nothing else:\n{puzzles.cell(*names)}"
        if SOLUTION.findall(cells[number].source) != [f"{puzzles.cell(*names, solved=True)}\n"]:
            yield f"cell {number + 1} must fold away the solution:\n{puzzles.cell(*names, solved=True)}"
        for name in names:
            if (spec := puzzles.PUZZLES[name].told) not in cells[number - 2].source:
                yield f"cell {number - 1} must hold the spec of the puzzle {name}:\n{spec}"


def _experiments(cells: Cells) -> Iterator[str]:
    """Check that each numbered section of a lab is told as an experiment."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    numbered = [section for section in sections if re.match(r"\d\. ", section)]
    if not numbered:
        yield "the lab has no section '## 1. ...'"
    for section in numbered:
        missing = [phrase for phrase in EXPERIMENT if phrase not in section]
        if missing:
            yield f"the section {section.splitlines()[0]!r} lacks {', '.join(missing)}"
