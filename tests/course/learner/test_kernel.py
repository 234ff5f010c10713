"""Turns in a real kernel, as JupyterLab and nbval run them: stable outputs, unwritten and filled in."""

import os

import nbformat
import pytest
from nbclient import NotebookClient

from minillm.course.turns import turns

ASKED = turns("04")
SETUP = "import math\nimport torch\nfrom torch import nn\nfrom minillm.course import mine, your_turn"
USE = "heads = MultiHead(4, 2)\nprint(heads(torch.ones(3, 4), causal_mask(3)).shape)\nmine.report()"


def executed(sources, folder):
    cells = [SETUP, *(f'@your_turn("{turn.id}")\n{source}' for turn, source in zip(ASKED, sources, strict=True)), USE]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook).execute(env={**os.environ, "MINILLM_WORKBOOK": str(folder)})
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_page_runs_to_its_end_unwritten_and_filled_in(tmp_path):
    unwritten = executed([turn.stub for turn in ASKED], tmp_path)
    for turn, outputs in zip(ASKED, unwritten[1:], strict=False):
        assert [output.output_type for output in outputs] == ["display_data"]
        assert outputs[0].data["text/plain"].startswith(f"Your turn {turn.id}: not written yet\n")
        assert "border-left" in outputs[0].data["text/html"]
        assert outputs[0].metadata == {}
    assert "torch.Size([3, 4])\n" in unwritten[-1][0].text
    assert "\nLesson 04: 0 of 4 parts are yours.\n" in unwritten[-1][0].text
    assert not (tmp_path / "mine").exists()

    filled_in = executed([turn.solution for turn in ASKED], tmp_path)
    assert [outputs[0].data["text/plain"].splitlines()[0] for outputs in filled_in[1:-1]] == [
        f"Your turn {turn.id}: right" for turn in ASKED
    ]
    assert "\nLesson 04: 4 of 4 parts are yours.\n" in filled_in[-1][0].text
    text = (tmp_path / "mine" / "attention.py").read_text(encoding="utf-8")
    assert all(turn.solution.strip() in text for turn in ASKED)

    again = executed([turn.stub for turn in ASKED], tmp_path)
    assert all("which passed before, runs" in outputs[0].data["text/plain"] for outputs in again[1:-1])
    assert "4 of 4 parts are yours" in again[-1][0].text
