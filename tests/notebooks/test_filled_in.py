"""Every lesson with turns, once more with all turns written: they pass, and everything else comes out the same."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from minillm.course.pages import YOUR_TURN, fill_turns, turns_in
from minillm.course.turns import find
from tools.build_notebooks import NOTEBOOKS
from tools.lesson_environment import lesson_environment

PAGES = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
ASKED = {path: [find(id) for id in turns_in(page)] for path, page in PAGES.items() if turns_in(page)}


def texts(cell):
    """What a cell printed and displayed, as nbval compares it."""
    outputs = [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
    return ["".join(text) for text in outputs]


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in ASKED])
def test_a_lesson_with_its_turns_written_comes_out_the_same(path: Path, tmp_path, real_weights):
    filled = fill_turns(PAGES[path], {turn.id: turn.solution for turn in ASKED[path]})
    notebook = nbformat.reads(json.dumps(filled), as_version=4)
    environment = {**lesson_environment(), "MINILLM_WORKBOOK": str(tmp_path)}
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, coalesce_streams=True, resources=where).execute(env=environment)
    right = []
    for cell, stored in zip(notebook.cells, PAGES[path]["cells"], strict=True):
        if cell.cell_type != "code":
            continue
        if ids := YOUR_TURN.findall(cell.source):
            right += [id for id in ids if texts(cell)[0].startswith(f"Your turn {id}: right")]
        elif "nbval-ignore-output" not in cell.metadata.get("tags", []):
            assert texts(cell) == texts(stored), cell.source
    assert right == [turn.id for turn in ASKED[path]]
    kept = {turn.topic for turn in ASKED[path]}
    assert {file.stem for file in (tmp_path / "mine").glob("*.py")} >= kept
