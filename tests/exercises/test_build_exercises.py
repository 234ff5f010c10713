"""The builder of the exercises, on a small assignment: what nbgrader makes of it, and what is never overwritten."""

import shutil
import subprocess
import sys

import nbformat
import pytest

from tools import build_exercises as builder
from tools.build_notebooks import BuildError, notebook_path, read_manuscript, what_is_stale, write
from tools.exercise_cells import fingerprint

SMALL = """\
# %% [markdown]
# # Exercise

# %%
def next_pair(words):
    ### BEGIN SOLUTION
    secret = 1
    return secret
    ### END SOLUTION


# %%
check("01.1", next_pair).points
"""


def needs_nbgrader():
    pytest.importorskip("nbgrader", reason="nbgrader makes the exercises: pip install -e .[grading]")


@pytest.fixture
def manuscript(tmp_path):
    """A manuscript whose solved notebook is stored, though nothing was executed."""
    path = tmp_path / "solutions" / "src" / "01_small.py"
    path.parent.mkdir(parents=True)
    path.write_text(SMALL, encoding="utf-8")
    write(as_if_executed(path), notebook_path(path))
    return path


def as_if_executed(path):
    notebook = read_manuscript(path)
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="2 of 2 points\n")]
    return notebook


def change(path, edit):
    notebook = nbformat.read(path, as_version=4)
    edit(notebook.cells[1])
    write(notebook, path)


def sealed(manuscript):
    """An exercise as `unsolved` seals it, made without nbgrader."""
    solved = nbformat.read(notebook_path(manuscript), as_version=4)
    notebook = read_manuscript(manuscript)
    notebook.cells[1].source = "def next_pair(words):\n    ..."
    notebook.metadata.minillm = {"solved": fingerprint(solved), "unsolved": fingerprint(notebook)}
    path = builder.exercise_path(manuscript)
    path.parent.mkdir(parents=True)
    write(notebook, path)
    return path


def test_where_the_files_lie(manuscript, tmp_path):
    assert notebook_path(manuscript) == tmp_path / "solutions" / "01_small" / "01_small.ipynb"
    assert builder.exercise_path(manuscript) == tmp_path / "exercises" / "01_small" / "01_small.ipynb"
    assert what_is_stale(manuscript) is None


def test_nbgrader_takes_out_the_solution_and_locks_the_check(manuscript):
    needs_nbgrader()
    builder.release(manuscript)
    notebook = nbformat.read(builder.exercise_path(manuscript), as_version=4)
    answer, check = notebook.cells[1:]
    assert answer.source == "def next_pair(words):\n    ..."
    assert answer.outputs == check.outputs == []
    assert answer.metadata.nbgrader.grade_id == "answer_01_1"
    assert answer.metadata.get("editable", True)
    assert check.metadata.editable is False
    assert check.metadata.nbgrader.points == 2
    assert len(check.metadata.nbgrader.checksum) == 32
    assert b"secret" not in builder.exercise_path(manuscript).read_bytes()


def test_releasing_twice_gives_the_same_bytes(manuscript):
    needs_nbgrader()
    builder.release(manuscript)
    first = builder.exercise_path(manuscript).read_bytes()
    builder.release(manuscript)
    assert builder.exercise_path(manuscript).read_bytes() == first


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in builder.manuscripts(builder.SOLUTIONS).values()])
def test_the_exercises_in_the_repository_are_what_nbgrader_makes(path, tmp_path):
    needs_nbgrader()
    solved = nbformat.read(notebook_path(path), as_version=4)
    write(builder.unsolved(solved), tmp_path / "again.ipynb")
    assert (tmp_path / "again.ipynb").read_bytes() == builder.exercise_path(path).read_bytes()


def test_what_nbgrader_gives_for_the_points_of_a_check():
    """Full, part and nothing, by nbgrader's own rule for a number as the last value of a cell."""
    needs_nbgrader()
    from nbgrader.utils import determine_grade

    cell = nbformat.v4.new_code_cell('check("04.3", window_mask).points')
    cell.metadata.nbgrader = {"grade": True, "grade_id": "check_04_3", "locked": True, "points": 3, "solution": False}
    cell.metadata.nbgrader |= {"schema_version": 3, "task": False}
    for points in (0, 1, 3):
        report = nbformat.v4.new_output("stream", name="stdout", text=f"04.3: {points} of 3 points\n")
        value = nbformat.v4.new_output("execute_result", data={"text/plain": str(points)}, execution_count=1)
        cell.outputs = [report, value]
        assert determine_grade(cell) == (points, 3)


def test_a_file_that_was_written_in_is_not_overwritten(manuscript):
    path = sealed(manuscript)
    change(path, lambda cell: cell.update(source="def next_pair(words):\n    return my_own_work"))
    before = path.read_bytes()
    with pytest.raises(BuildError, match=r"exercises/01_small/01_small\.ipynb has been edited.*rename it first"):
        builder.release(manuscript)
    assert path.read_bytes() == before
    assert builder.main(["01"], manuscript.parents[1]) == 1
    assert path.read_bytes() == before


def test_running_the_cells_is_no_edit(manuscript):
    path = sealed(manuscript)
    change(path, lambda cell: cell.update(execution_count=3, outputs=[]))
    assert not builder.is_edited(path)
    change(path, lambda cell: cell.metadata.update(collapsed=True))
    assert not builder.is_edited(path)


def test_without_nbgrader_the_builder_says_what_to_install(manuscript, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    with pytest.raises(BuildError, match=r"pip install -e '\.\[grading\]'"):
        builder.release(manuscript)


def test_what_check_calls_stale(manuscript, capsys):
    folder = manuscript.parents[1]
    assert builder.main(["--check"], folder) == 1
    assert "01_small: the exercise has not been built yet" in capsys.readouterr().out
    path = sealed(manuscript)
    assert builder.main(["--check"], folder) == 0
    assert "1 assignments are up to date" in capsys.readouterr().out

    manuscript.write_text(SMALL.replace("secret = 1", "secret = 2"), encoding="utf-8")
    assert "cell 2 differs" in builder.why_stale(manuscript)
    write(as_if_executed(manuscript), notebook_path(manuscript))
    assert builder.why_stale(manuscript) == "01_small: the exercise was made from another solution"
    change(path, lambda cell: cell.update(source="my own work"))
    assert builder.why_stale(manuscript) is None, "a learner's file is left in peace"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_an_edit_that_an_author_committed_is_stale(manuscript):
    path = sealed(manuscript)
    change(path, lambda cell: cell.update(source="by hand"))
    root = manuscript.parents[2]
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    assert "was committed with manual edits" in builder.why_stale(manuscript)
    change(path, lambda cell: cell.update(source="a learner's"))
    assert builder.why_stale(manuscript) is None


def test_an_answer_without_a_check_stays_unmarked_and_nbgrader_refuses_it(manuscript):
    needs_nbgrader()
    manuscript.write_text(SMALL.split("# %%\ncheck")[0], encoding="utf-8")
    with pytest.raises(RuntimeError, match="non-solution cell"):
        builder.unsolved(read_manuscript(manuscript))
