"""The builder on small lessons of its own: what it stores, what it calls stale, and what it says when a cell fails."""

import json
from pathlib import Path

import nbformat
import pytest

from tools import build_notebooks as builder

ROOT = Path(__file__).resolve().parents[2]

GOOD = """\
# %% [markdown]
# # A lesson

# %%
total = 1 + 1
print(total)

# %% tags=["skip-execution", "nbval-skip"]
raise SystemExit("never run")

# %%
from IPython.display import display
import ipywidgets as widgets
display(widgets.IntSlider(total))
total
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "notebooks" / "src").mkdir(parents=True)

    def write(text, name="00_small.py"):
        path = tmp_path / "notebooks" / "src" / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One good lesson, built twice: (manuscript, bytes of the first build, bytes of the second)."""
    folder = tmp_path_factory.mktemp("lessons") / "notebooks" / "src"
    folder.mkdir(parents=True)
    manuscript = folder / "00_small.py"
    manuscript.write_text(GOOD, encoding="utf-8")
    builder.build(manuscript)
    first = builder.notebook_path(manuscript).read_bytes()
    builder.build(manuscript)
    return manuscript, first, builder.notebook_path(manuscript).read_bytes()


def test_outputs_are_stored_with_counts_and_nothing_of_the_machine(built):
    manuscript, first, _ = built
    notebook = nbformat.read(builder.notebook_path(manuscript), as_version=4)
    assert [cell.get("execution_count") for cell in notebook.cells] == [None, 1, None, 2]
    assert notebook.cells[1].outputs[0].text == "2\n"
    assert notebook.cells[3].outputs[-1].data["text/plain"] == "2"
    assert dict(notebook.metadata) == builder.METADATA
    assert notebook.metadata.language_info == {"name": "python"}, "no Python version"
    assert b"widget-view" not in first
    assert b"execution_state" not in first
    assert b'"iopub' not in first
    assert str(manuscript.parent).encode() not in first


def test_building_twice_gives_the_same_bytes(built):
    _, first, second = built
    assert first == second


def test_a_current_notebook_is_current(built):
    assert builder.what_is_stale(built[0]) is None


def test_where_prose_alone_changed_the_outputs_stay_and_nothing_runs(built, write, monkeypatch):
    manuscript = write(GOOD.replace("# # A lesson", "# # A better title"))
    page = builder.notebook_path(manuscript)
    page.write_bytes(built[1])
    with monkeypatch.context() as patched:
        patched.setattr(builder, "execute", lambda *_: pytest.fail("was executed"))
        builder.build(manuscript, keep=True)
    assert builder.what_is_stale(manuscript) is None
    assert page.read_bytes() != built[1]
    manuscript.write_text(GOOD.replace("1 + 1", "1 + 2"), encoding="utf-8")
    builder.build(manuscript, keep=True)
    assert nbformat.read(page, as_version=4).cells[1].outputs[0].text == "3\n"


def test_cell_ids_survive_a_new_cell_in_front(write):
    before = [cell.id for cell in builder.read_manuscript(write(GOOD)).cells]
    after = [cell.id for cell in builder.read_manuscript(write("# %%\nfirst = 1\n\n" + GOOD)).cells]
    assert after[1:] == before
    assert len(set(after)) == len(after)


def test_equal_cells_get_different_ids(write):
    ids = [cell.id for cell in builder.read_manuscript(write("# %%\na = 1\n\n# %%\na = 1\n")).cells]
    assert ids[0] != ids[1]


def test_what_check_calls_stale(built, write):
    _, first, _ = built
    manuscript = write(GOOD)
    assert builder.what_is_stale(manuscript) == "00_small: the notebook has not been built yet"
    notebook = builder.notebook_path(manuscript)
    notebook.write_bytes(first)
    assert builder.what_is_stale(manuscript) is None

    write(GOOD.replace("1 + 1", "1 + 2"))
    assert builder.what_is_stale(manuscript) == "00_small: cell 2 differs between the manuscript and the notebook"
    write(GOOD + "\n# %%\ntotal\n")
    assert builder.what_is_stale(manuscript) == "00_small: 5 cells in the manuscript, 4 in the notebook"
    write(GOOD.replace('["skip-execution", "nbval-skip"]', '["skip-execution"]'))
    assert "cell 3 differs" in builder.what_is_stale(manuscript), "a changed tag is a change"

    write(GOOD)
    stripped = json.loads(first)
    for cell in stripped["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    notebook.write_text(json.dumps(stripped), encoding="utf-8")
    assert builder.what_is_stale(manuscript) == "00_small: the notebook has no outputs"
    stripped["cells"][1]["execution_count"] = None
    notebook.write_text(json.dumps(stripped), encoding="utf-8")
    assert "not numbered 1 to 2" in builder.what_is_stale(manuscript)


def test_text_on_the_line_that_begins_a_cell_would_be_lost(built, write):
    _, first, _ = built
    manuscript = write(GOOD + "\n# %% [markdown] Read this.\n# And this.\n")
    with pytest.raises(builder.BuildError, match="00_small: a cell starts with '%% Read this.'; put its text"):
        builder.build(manuscript)
    builder.notebook_path(manuscript).write_bytes(first)
    assert "a cell starts with" in builder.what_is_stale(manuscript)


def test_check_names_notebooks_without_a_manuscript(write, tmp_path):
    manuscript = write(GOOD)
    (tmp_path / "notebooks" / "99_lost.ipynb").write_text("{}", encoding="utf-8")
    assert builder.check([manuscript], tmp_path / "notebooks") == [
        "00_small: the notebook has not been built yet",
        "99_lost: a notebook without a manuscript in notebooks/src",
    ]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import os\nos._exit(1)", "killed its kernel"),
        ("from pathlib import Path\nprint(Path('.').resolve() / 'x', Path.home() / 'x')", "prints the folder"),
        ("import warnings\nwarnings.warn('beware', stacklevel=1)", "wrote to stderr"),
        ("import time\ntime.sleep(60)", "took longer than 2 s"),
    ],
)
def test_a_lesson_that_cannot_be_built_says_where_and_the_old_notebook_stays(write, monkeypatch, code, sentence):
    if "sleep" in code:
        monkeypatch.setattr(builder, "CELL_TIMEOUT", 2)
    manuscript = write(f"# %% [markdown]\n# # A lesson\n\n# %%\n{code}\n")
    builder.notebook_path(manuscript).write_text("the old one", encoding="utf-8")
    with pytest.raises(builder.BuildError, match=sentence) as caught:
        builder.build(manuscript)
    assert "00_small, cell 2" in str(caught.value)
    assert builder.notebook_path(manuscript).read_text(encoding="utf-8") == "the old one"
    assert not list(builder.notebook_path(manuscript).parent.glob("*.part"))


def test_a_lab_has_a_number_of_its_own_beside_its_lesson(write, tmp_path):
    names = ("00_small_data_lab.py", "00_small_lab.py", "00a_other.py")
    paths = [write(GOOD), *(write(GOOD, name) for name in names)]
    numbers = ("00", "00_data_lab", "00_lab", "00a")
    assert builder.manuscripts(tmp_path / "notebooks") == dict(zip(numbers, paths, strict=True))


def test_lessons_are_chosen_by_number_or_name():
    lessons = {"00": Path("src/00_the_map.py"), "00a": Path("src/00a_tensors.py")}
    assert builder.chosen(["00a"], lessons) == [lessons["00a"]]
    assert builder.chosen(["notebooks/00_the_map.ipynb"], lessons) == [lessons["00"]]
    assert builder.chosen(["00_the_map_lab"], {**lessons, "00_lab": Path("lab.py")}) == [Path("lab.py")]
    with pytest.raises(SystemExit, match="no manuscript for lesson '7'; there are 00, 00a"):
        builder.chosen(["7"], lessons)
