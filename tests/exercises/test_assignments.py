"""Every assignment keeps one form, agrees with its checks, and works for a learner who has nothing but the package."""

import ast
import contextlib
import io
import re
import sys

import nbformat
import pytest
from answers import SEEDS, judged

from minillm.course.checks import find, questions
from minillm.course.contents import ASSIGNMENTS, CHECK_CELL
from tools.build_exercises import SOLUTIONS, exercise_path
from tools.build_notebooks import manuscripts, read_manuscript
from tools.exercise_cells import BEGIN

MANUSCRIPTS = manuscripts(SOLUTIONS)
KINDS = ("rebuild", "extend", "bug-hunt", "predict")
LABEL = re.compile(r"^\*(\S+) · difficulty ([1-5]) of 5 · (\d+) minutes · (\d) points\*$", re.MULTILINE)


def parts(path):
    """The text of each question by its id: everything from its headline to its check."""
    found = {}
    for cell in read_manuscript(path).cells:
        if headline := re.match(r"## (\d+\w?\.\d) · (.+)", cell.source):
            id = headline.group(1)
            found[id] = [f"title: {headline.group(2)}"]
        if found:
            found[id].append(cell.source)
    return {id: "\n\n".join(sources) for id, sources in found.items()}


def solved(path):
    """What the solution's cells define, with each function that a check is given."""
    names, given = {}, {}
    for cell in read_manuscript(path).cells:
        if cell.cell_type == "code":
            if found := CHECK_CELL.match(cell.source):
                given[found.group(1)] = names[found.group(2)]
            else:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(cell.source, names)
    return given


assignments = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in MANUSCRIPTS.values()])


def test_each_assignment_has_its_checks_and_a_row_in_the_table():
    assert list(MANUSCRIPTS) == list(ASSIGNMENTS)
    page = (SOLUTIONS.parent / "exercises" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| \[.*?\]\((.*?)\) \|", page, re.MULTILINE)
    assert rows == [(number, f"{path.stem}/{path.stem}.ipynb") for number, path in MANUSCRIPTS.items()]


@assignments
def test_its_lesson_leads_to_it(path):
    pages = (SOLUTIONS.parent / "notebooks" / "src").glob(f"{path.stem.partition('_')[0]}_*.py")
    lesson = min(pages, key=lambda page: page.stem.endswith("_lab"))
    assert f"(../exercises/{path.stem}/{path.stem}.ipynb)" in lesson.read_text(encoding="utf-8")


@assignments
def test_the_manuscript_keeps_the_form(path):
    number = path.stem.split("_")[0]
    text = parts(path)
    assert list(text) == [question.id for question in questions(number)]
    assert 2 <= len(text) <= 5
    labels = {id: LABEL.search(part) for id, part in text.items()}
    for id, part in text.items():
        question = find(id)
        assert labels[id], f"{id} has no line *kind · difficulty d of 5 · m minutes · p points*"
        assert labels[id].group(1) in KINDS
        assert int(labels[id].group(4)) == len(question.probes)
        assert f"title: {question.title}" in part
        for word in ("**Goal**: ", "**In**: ", "**Out**: ", "**Without**: "):
            assert part.count(word) == 1, f"{id} needs {word} once"
        without = part.split("**Without**: ")[1].split("\n\n")[0]
        assert set(question.forbidden) <= set(re.findall(r"`([\w.]+)`", without)), f"{id}: forbidden, and not told"
        assert re.findall(r"<details><summary>Hint (\d)</summary>", part) == ["1", "2", "3"]
        assert part.count("</details>") == 3
        assert part.count(BEGIN) == part.count("### END SOLUTION") == 1
        assert f"def {question.function}(" in part
        assert f'check("{id}", {question.function}).points' in part
    difficulties = [int(label.group(2)) for label in labels.values()]
    assert difficulties == sorted(difficulties), "questions rise in difficulty"
    assert "bug-hunt" in {label.group(1) for label in labels.values()}


@assignments
def test_the_first_cell_adds_up(path):
    first = read_manuscript(path).cells[0].source
    labels = [LABEL.search(part) for part in parts(path).values()]
    assert f"**Time**: {sum(int(label.group(3)) for label in labels)} minutes" in first
    assert f"**Points**: {sum(int(label.group(4)) for label in labels)}" in first
    assert "**You will write**" in first
    assert "**Before you start**" in first


@assignments
def test_the_solutions_pass_with_every_seed(path):
    given = solved(path)
    assert list(given) == list(parts(path))
    for id, function in given.items():
        for seed in SEEDS:
            result = judged(id, function, seed)
            assert result.passed, str(result)


@assignments
def test_the_exercise_runs_without_solutions_and_every_check_gives_nothing(path):
    notebook = nbformat.read(exercise_path(path), as_version=4)
    names, results = {}, []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert "SOLUTION" not in cell.source
            assert cell.outputs == []
            assert cell.execution_count is None
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                *head, last = ast.parse(cell.source).body
                exec(compile(ast.Module(head, []), path.stem, "exec"), names)
                if CHECK_CELL.match(cell.source):
                    results.append(eval(compile(ast.Expression(last.value), path.stem, "eval"), names))
                    assert "is not written yet." in said.getvalue()
                else:
                    exec(compile(ast.Module([last], []), path.stem, "exec"), names)
    assert results == [0] * len(parts(path))


@assignments
def test_an_exercise_needs_nothing_but_the_package(path):
    allowed = {"minillm", "torch", "numpy", *sys.stdlib_module_names}
    for cell in nbformat.read(exercise_path(path), as_version=4).cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Import):
                    assert {alias.name.split(".")[0] for alias in node.names} <= allowed
                if isinstance(node, ast.ImportFrom):
                    assert node.module.split(".")[0] in allowed
                    assert not node.module.startswith("minillm") or node.module == "minillm.course.checks"


@assignments
def test_nbgrader_finds_each_answer_and_the_points_of_each_check(path):
    marks = [cell.metadata.nbgrader for cell in read_manuscript(path).cells if "nbgrader" in cell.metadata]
    graded = {mark.grade_id: mark.points for mark in marks if mark.grade}
    answers = [mark.grade_id for mark in marks if mark.solution]
    ids = [question.id.replace(".", "_") for question in questions(path.stem.split("_")[0])]
    assert graded == {f"check_{id}": len(find(id.replace("_", ".")).probes) for id in ids}
    assert answers == [f"answer_{id}" for id in ids]
    assert all(mark.locked == mark.grade for mark in marks)
