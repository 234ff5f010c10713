"""Every lesson with turns, once more with all turns written: they pass, and everything else comes out the same.

And with each unusual right answer on file: after "right", the cells below must run on it. MINILLM_SLOW=1 tries all
right answers, also those that were written to be scored.
"""

import ast
import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from turn_answers import load_all

from minillm.course.learner.source import globals_of, needs, source_of
from minillm.course.pages import YOUR_TURN, fill_turns, is_test, turns_in
from minillm.course.turns import find
from tools.build_notebooks import NOTEBOOKS
from tools.lesson_environment import lesson_environment

PAGES = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
ASKED = {path: [find(id) for id in turns_in(page)] for path, page in PAGES.items() if turns_in(page)}


ALL = "MINILLM_SLOW" in os.environ  # otherwise those in turns/right, which were written to be unusual
RIGHT = {}  # turn: the sources of its right answers, with what they need
for answer in load_all():
    if answer.sentence is None and (ALL or answer.holder.__module__.startswith("turns_right_")):
        source = source_of(answer.thing)
        known = {find(answer.turn).name, *(turn.name for asked in ASKED.values() for turn in asked)}
        RIGHT.setdefault(answer.turn, []).append((source, needs(source, globals_of(answer.thing), known)))
SHORTER = {  # training, steps and problems: what is tried is whether cells run
    r"\bupdates=\d+": "updates=1",
    r"\blearn\(300": "learn(12",
    r"\bsteps=300\b": "steps=12",
    r"\b200\b": "8",
    r"(own_run\.learn\([^)]*)\bseed=seed\)": r"\1until=1)",
    r"\buntil=30\b": "until=1",
    r"\bchatting\.exam\b": "__import__('functools').partial(chatting.exam, count=8)",
    r"\bown_ppo\.learn\(": "__import__('functools').partial(own_ppo.learn, rounds=1, prompts_per_step=2)(",
    r"\bconversations\(700\)": "conversations(60)",
    r"\branking\.held_out\(\)": "ranking.held_out(short=True)",
    r"test=60\)": "test=4)",
    r"\bown_task\.MESSAGES\b": "own_task.MESSAGES[:4]",
    r"\bpreferring\.learn_dpo\b": "__import__('functools').partial(preferring.learn_dpo, updates=1)",
    r"\bpreferring\.learn_grpo\b": "__import__('functools').partial(preferring.learn_grpo, rounds=1)",
    r"\bpreferring\.exam\b": "__import__('functools').partial(preferring.exam, draws=1, count=8)",
}


def affected(sources, names):
    """The cells that use these names or what such cells define; all others would come out as before."""
    names, kept = {*names, "mine"}, []
    for source in sources:
        nodes = [*ast.walk(ast.parse(source))]
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        if used & names:
            kept.append(source)
            names |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return kept


def test_cells_are_affected_by_what_they_use_and_by_what_is_made_of_it():
    cells = ["a = f(1)", "b = 2", "def g():\n    return a", "c = g() + b", "print(b)", "@your_turn('1')\ndef f(): ..."]
    assert affected(cells, {"f", "your_turn"}) == [cells[0], cells[2], cells[3], cells[5]]


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
        elif "nbval-ignore-output" not in cell.metadata.get("tags", []):  # whose code ran may differ
            now, before = ([text.replace("the course's", "your") for text in texts(each)] for each in (cell, stored))
            assert now == before, cell.source
    assert right == [turn.id for turn in ASKED[path]]
    kept = {turn.topic for turn in ASKED[path]}
    assert {file.stem for file in (tmp_path / "mine").glob("*.py")} >= kept


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in ASKED])
def test_after_each_unusual_right_answer_the_cells_below_run(path: Path, tmp_path, real_weights):
    """The page again and again in one kernel; a turn that has run out of answers begins again with its first.

    After the first time, only the cells that depend on the turns are run again.
    """
    cells = [cell for cell in PAGES[path]["cells"] if cell["cell_type"] == "code" and not is_test(cell)]
    sources, names = [], {turn.name for turn in ASKED[path]}
    for number in range(max(len(RIGHT[turn.id]) for turn in ASKED[path])):
        chosen = {turn.id: RIGHT[turn.id][number % len(RIGHT[turn.id])] for turn in ASKED[path]}
        filled = fill_turns({"cells": cells}, {id: source for id, (source, _) in chosen.items()})["cells"]
        above = [text for _, need in chosen.values() for text in (*need.imports.values(), *need.above.values())]
        page = ["".join(cell["source"]) for cell in filled]
        sources += ["\n".join(above), *(affected(page, {"your_turn", *names}) if number else page)]
    for pattern, short in SHORTER.items():
        sources = [re.sub(pattern, short, source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = {**lesson_environment(), "MINILLM_WORKBOOK": str(tmp_path), "OMP_NUM_THREADS": "1"}
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, coalesce_streams=True, resources=where).execute(env=environment)
    said = [texts(cell)[0].split("\n")[0] for cell in notebook.cells if YOUR_TURN.search(cell.source)]
    assert said
    assert all(line.endswith(": right") for line in said), said
