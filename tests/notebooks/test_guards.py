"""The guards of the root conftest.py, on notebooks made here: what nbval gets wrong alone, what it must still catch."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]


def stored(source, text=None, kind="stdout"):
    """A code cell as an executed notebook holds it."""
    outputs = [] if text is None else [new_output("stream", name=kind, text=text)]
    return source, outputs


NOTEBOOKS = {
    "semicolon": [stored("'hidden by the semicolon';")],
    "stderr": [stored("import sys; print('pid', 17, file=sys.stderr)", "pid 4\n", "stderr")],
    "environment": [
        stored(
            "import os, minillm; print(os.environ['OMP_NUM_THREADS'], os.environ['TQDM_DISABLE'], minillm.__name__)",
            "1 1 minillm\n",
        )
    ],
    "tampered": [stored("print(1 + 1)", "3\n")],
    "dead": [stored("import os; os._exit(1)"), stored("print('after')", "after\n")],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The report of all of them in one `pytest --nbval`."""
    folder = tmp_path_factory.mktemp("guards")
    for name, cells in NOTEBOOKS.items():
        notebook = new_notebook(cells=[new_code_cell(source, outputs=outputs) for source, outputs in cells])
        for number, cell in enumerate(notebook.cells, start=1):
            cell.execution_count = number
        nbformat.write(notebook, folder / f"{name}.ipynb")
    options = ["--nbval", "-rA", "-p", "conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    return result.stdout + result.stderr


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("semicolon", "a trailing semicolon hides the value, as in JupyterLab"),
        ("stderr", "what goes to stderr is not compared"),
        ("environment", "the kernel gets the lessons' environment and this tree's package; a set variable wins"),
    ],
)
def test_passes(run, name, why):
    assert outcome(run, name, 0) == "PASSED", f"{why}:\n{run}"


def outcome(report, name, cell):
    """PASSED, FAILED or ERROR: what pytest's summary says of one cell."""
    lines = [line for line in report.splitlines() if f"{name}.ipynb::Cell {cell}" in line]
    return next((word for line in lines if (word := line.split(" ")[0]) in ("PASSED", "FAILED", "ERROR")), None)


def test_a_changed_output_is_still_caught(run):
    assert outcome(run, "tampered", 0) == "FAILED", run


def test_a_dead_kernel_fails_at_once_and_says_so(run):
    assert outcome(run, "dead", 0) == "FAILED", run
    assert outcome(run, "dead", 1) == "FAILED", run
    assert "the kernel died in this cell" in run


def test_a_cell_gets_time_for_its_messages_and_an_end_of_its_own():
    given = []
    config = SimpleNamespace(option=SimpleNamespace(nbval_cell_timeout=300.0))
    notebook = SimpleNamespace(missing_models=[])
    cell = SimpleNamespace(
        output_timeout=5, config=config, add_marker=given.append, parent=notebook
    )  # as nbval makes it
    runpy.run_path(str(ROOT / "conftest.py"))["pytest_itemcollected"](cell)
    assert cell.output_timeout > 5
    assert [mark.name for mark in given] == ["timeout"]
    assert given[0].args[0] > 300 + cell.output_timeout, "pytest-timeout is the last to lose patience"


def test_workers_begin_with_the_long_files_and_keep_the_order_within_a_file(monkeypatch):
    def item(path, name, slow=False):
        return SimpleNamespace(path=Path(path), name=name, get_closest_marker=lambda mark: mark == "slow" and slow)

    order = runpy.run_path(str(ROOT / "conftest.py"))["pytest_collection_modifyitems"]
    given = [
        ("00_map.ipynb", "a"),
        ("14_last.ipynb", "b"),
        ("14_last.ipynb", "c"),
        ("test_a.py", "d"),
        ("test_b.py", "e"),
        ("test_c.py", "f"),
        ("test_c.py", "g"),
    ]
    items = [item(*one) for one in given] + [item("test_b.py", "h", slow=True)]
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    config = SimpleNamespace(option=SimpleNamespace(lesson=[]))
    order(config, items)
    assert [one.name for one in items] == [*"abcdefgh"], "one process keeps the order of the lessons"
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    order(config, items)
    assert [one.name for one in items] == [*"ehfgdbca"]


def test_a_lessons_tests_are_those_in_its_folder_and_those_that_its_number_begins():
    belongs = runpy.run_path(str(ROOT / "conftest.py"))["belongs"]

    def theirs(node, *numbers):
        return belongs(SimpleNamespace(nodeid=node, name=node.rpartition("::")[2]), numbers)

    for parameter in (
        "04.attention",
        "04.2",
        "04.attention SomeName",
        "04_attention",
        "04_attention_lab",
        "7-04.2",
        "04",
    ):
        assert theirs(f"tests/course/test_a.py::test[{parameter}]", "11a", "04"), parameter
    for parameter in ("04a.attention", "104.2", "1.04.2", "11-05.1", "a 04.2", "4.2"):
        assert not theirs(f"tests/course/test_a.py::test[{parameter}]", "11a", "04"), parameter
    assert not theirs("tests/course/test_a.py::test[00a.join]", "00")
    assert not theirs("tests/course/test_a.py::test_04_", "04")
    assert theirs("tests/lessons/attention/test_a.py::test", "04")
    assert not theirs("tests/lessons/attention/test_a.py::test", "05")


def test_the_others_are_deselected(monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    deselected = []
    hook = SimpleNamespace(pytest_deselected=lambda items: deselected.extend(items))
    config = SimpleNamespace(option=SimpleNamespace(lesson=["04"]), hook=hook)
    names = ["test_a[04.2]", "test_a[05.2]", "test_b"]
    items = [SimpleNamespace(nodeid=f"tests/test_a.py::{name}", name=name) for name in names]
    runpy.run_path(str(ROOT / "conftest.py"))["pytest_collection_modifyitems"](config, items)
    assert [item.name for item in items] == ["test_a[04.2]"]
    assert [item.name for item in deselected] == ["test_a[05.2]", "test_b"]


def test_the_conftest_imports_without_nbval():
    code = "import sys; sys.modules['nbval'] = None; import conftest; assert conftest.nbval_kernel is None"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
