"""The rules for manuscripts (see CONTRIBUTING.md); each violation is a sentence with lesson and cell."""

import ast
import re
import statistics
from collections.abc import Iterator

import nbformat

from tools import lesson_form
from tools.clock_rules import asserts_on_time

LONGEST_CELL = 30  # lines
MEDIAN_CELL = 8  # lines
QUESTIONS = 5
BOXES = ("Where the picture simplifies", "At scale")
ABSOLUTE_PATH = re.compile(r"""["'(\s=](/(?:home|Users|root|tmp|work|mnt|opt|usr)/|[A-Za-z]:\\)""")
# A paragraph that wraps before "1)" or "16." is rendered as a list; an intended list has an empty line before it.
ITEM_IN_A_PARAGRAPH = re.compile(r"^(?! |[-*+] |\d+[.)] ).+\n((?:[-*+]|\d+[.)]) .*)", re.MULTILINE)
CHOICE = re.compile(r"\([a-e]\)")
TAGS = {"nbval-ignore-output", "nbval-skip", "skip-execution", "raises-exception", "test"}


def complaints(lesson: str, notebook: nbformat.NotebookNode) -> list[str]:
    """Return one sentence for every rule that a page violates; `lesson_form` has those of labs and newer lessons."""
    cells = notebook.cells
    rules = [_code_cells, _clocks, _imports, _figures, _anywhere]
    rules += [] if lesson.endswith("_lab") else [_median]
    if lesson.endswith("_lab"):
        found = [*_first_and_last(cells, (), ("**Next**",)), *lesson_form.complaints(lesson, cells)]
    elif lesson_form.has_turns(cells):
        built = ("**You will write**", "**The claim**")
        found = [*_first_and_last(cells, built, ("**What you wrote**", "**Next**"))]
        found += [*_quiz(cells), *lesson_form.complaints(lesson, cells)]
    else:
        built, learned = ("**You will build**", "**The claim**"), ("**What you built**", "**Exercise**", "**Next**")
        found = [*_first_and_last(cells, built, learned)]
        rules += [_quiz, _five_questions, _boxes, _one_explorer, _definitions_are_tried]
    return [f"{lesson}, {complaint}" for complaint in [*found, *(said for rule in rules for said in rule(cells))]]


def _first_and_last(
    cells: list[nbformat.NotebookNode], at_first: tuple[str, ...], at_last: tuple[str, ...]
) -> Iterator[str]:
    first, last = cells[0], cells[-1]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "cell 1 must be text that begins with the lesson's title (# ...)"
    for phrase in (*at_first, "**Time**", "**Before you start**"):
        if phrase not in first.source:
            yield f"cell 1 must hold {phrase}"
    if re.search(r"\*\*Time\*\*\D*\d+", first.source) is None:
        yield "cell 1 must say after **Time** how many minutes the lesson takes"
    if last.cell_type != "markdown":
        yield f"cell {len(cells)}, the last one, must be text"
    for phrase in at_last:
        if phrase not in last.source:
            yield f"cell {len(cells)}, the last one, must hold {phrase}"


def _code_cells(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    for number, cell in _code(cells):
        lines = _lines(cell)
        if not lines:
            yield f"cell {number} is empty"
        if len(lines) > LONGEST_CELL:
            yield f"cell {number} has {len(lines)} lines of code; the most is {LONGEST_CELL}"
        tags = set(cell.metadata.get("tags", []))
        if unknown := tags - TAGS:
            yield f"cell {number} has an unknown tag: {', '.join(sorted(unknown))}"
        if ("skip-execution" in tags) != ("nbval-skip" in tags):
            yield f"cell {number} needs both tags, skip-execution (for the builder) and nbval-skip (for nbval)"


def _median(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    lengths = [len(_lines(cell)) for _, cell in _code(cells)]
    if lengths and statistics.median(lengths) > MEDIAN_CELL:
        yield f"the median code cell has {statistics.median(lengths):g} lines; the most is {MEDIAN_CELL}"


def _definitions_are_tried(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    """Check that a cell that defines a function or class, or the next code cell, contains an assert."""
    code = list(_code(cells))
    for position, (number, cell) in enumerate(code):
        tree = _parsed(cell)
        if not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body):
            continue
        following = code[position + 1 : position + 2]
        if not any(_asserts(_parsed(candidate)) for _, candidate in [(number, cell), *following]):
            yield f"cell {number} defines something that neither it nor the next code cell runs and asserts"


def _asserts(tree: ast.Module) -> bool:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls]
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree)) or any(n.startswith("assert_") for n in names)


def _clocks(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    for number, source in asserts_on_time([(number, cell.source) for number, cell in _code(cells)]):
        yield f"cell {number} asserts on measured time, which differs by machine; print it instead: {source}"


def _imports(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    for number, cell in list(_code(cells))[1:]:
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(_parsed(cell))):
            yield f"cell {number} imports; imports belong in the first code cell"


def _figures(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    for number, call in _calls(cells):
        if getattr(call.func, "id", "") == "show" and "alt" not in [keyword.arg for keyword in call.keywords]:
            yield f"cell {number} shows a figure without alt=..., the sentence that says what it shows"
        if getattr(call.func, "attr", "") == "savefig":
            yield f"cell {number} calls savefig; a lesson shows its figures with show(figure, alt=...)"


def _one_explorer(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    explorers = sum(getattr(call.func, "id", "") in ("Explorer", "TokenExplorer") for _, call in _calls(cells))
    if explorers != 1:
        yield f"the lesson makes {explorers} Explorers; it needs one"


def _calls(cells: list[nbformat.NotebookNode]) -> Iterator[tuple[int, ast.Call]]:
    trees = ((number, _parsed(cell)) for number, cell in _code(cells))
    return ((number, node) for number, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))


def _five_questions(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    asked = sum(cell.source.count("<summary>Open") for cell in cells if cell.cell_type == "markdown")
    if asked != QUESTIONS:
        yield f"the quiz has {asked} <details> with a <summary>Open ...; it needs {QUESTIONS}"


def _boxes(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for box in BOXES:
        if not re.search(rf"^> \*\*{box}", text, re.MULTILINE):
            yield f"the box '> **{box}**' is missing"


def _quiz(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    parts = re.split(r"<details>\s*<summary>Open.*?</summary>(.*?)</details>", text, flags=re.DOTALL)
    asked, answers = parts[:-1:2], parts[1::2]
    if len(answers) != text.count("<summary>Open"):
        yield f"the quiz opens {text.count('<summary>Open')} answers, of which {len(answers)} are closed"
    for number, (question, answer) in enumerate(zip(asked, answers, strict=True), start=1):
        question = question[question.rfind(f"**{number}.") :]
        choices = set(CHOICE.findall(question))
        if len(choices) < 2:
            yield f"quiz question {number} must offer choices (a), (b), ... after its bold number **{number}.**"
        if missing := sorted(choices - set(CHOICE.findall(answer))):
            yield f"the answer to quiz question {number} does not mention {', '.join(missing)}"
        if len(answer.split()) < 8 * max(len(choices), 2):
            yield f"quiz question {number} is answered in {len(answer.split())} words; explain every choice"


def _anywhere(cells: list[nbformat.NotebookNode]) -> Iterator[str]:
    for number, cell in enumerate(cells, start=1):
        if found := ABSOLUTE_PATH.search("\n" + cell.source):
            yield f"cell {number} contains an absolute path: {found.group(1)}"
        if cell.cell_type == "markdown" and (found := ITEM_IN_A_PARAGRAPH.search(cell.source)):
            yield f"cell {number}: Markdown renders {found.group(1)[:30]!r} as a list item; wrap it elsewhere"
        for forbidden in ("%timeit", "!pip", "%pip", "filterwarnings", "plt."):
            if cell.cell_type == "code" and forbidden in cell.source:
                yield f"cell {number} contains {forbidden}, which lessons must not use"


def _code(cells: list[nbformat.NotebookNode]) -> Iterator[tuple[int, nbformat.NotebookNode]]:
    return ((number, cell) for number, cell in enumerate(cells, start=1) if cell.cell_type == "code")


def _lines(cell: nbformat.NotebookNode) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def _parsed(cell: nbformat.NotebookNode) -> ast.Module:
    return ast.parse(cell.source)
