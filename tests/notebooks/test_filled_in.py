"""Every lesson with turns, once more with all turns written: they pass, and everything else comes out the same.

Long training is cut short; the notebooks themselves are tested with all of it. MINILLM_SLOW=1 cuts nothing, and goes on
with each unusual right answer on file: after "right", the cells below must run on it.
"""

import ast
import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from answers import is_turn, on_file
from nbclient import NotebookClient

from minillm.course.learner.source import globals_of, needs, source_of
from minillm.course.pages import YOUR_TURN, fill_turns, is_test, turns_in
from minillm.course.turns import find
from tools.build_notebooks import NOTEBOOKS
from tools.lesson_environment import lesson_environment

PAGES = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
ASKED = {path: [find(id) for id in turns_in(page)] for path, page in PAGES.items() if turns_in(page)}


ALL = "MINILLM_SLOW" in os.environ
RIGHT = {}  # turn: the sources of its right answers, with what they need
for answer in on_file():
    if answer.is_right and is_turn(answer.id):
        source = source_of(answer.thing)
        known = {find(answer.id).name, *(turn.name for asked in ASKED.values() for turn in asked)}
        RIGHT.setdefault(answer.id, []).append((source, needs(source, globals_of(answer.thing), known)))
SHORTER = {  # training, steps and problems: what is tried is whether cells run
    r"\bupdates=\d+": "updates=1",
    r"\blearn\(300": "learn(12",
    r"\bsteps=300\b": "steps=12",
    r"\b200\b": "8",
    r"(own_run\.learn\([^)]*)\bseed=seed\)": r"\1until=1)",
    r"\buntil=30\b": "until=1",
    r"\b24, stop\b": "2, stop",
    r"\bedits\.menu\(PROMPT, 12\b": "edits.menu(PROMPT, 1",
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
AGAIN = {  # what is cut, too, where cells run once more with unusual answers
    r"\bpassages\(6\)": "passages(2)",
    r"\bown_engine\.rounded\(": "__import__('functools').partial(own_engine.rounded, n_blocks=1)(",
    r"\bedits\.menu\(PROMPT\b": "edits.menu('The'",
    r'"quote a story", "quote a list", "why salty"': '"quote a story",',
}


def affected(sources, names):
    """Which cells use these names or what such cells define; all others come out as before."""
    names, found = set(names), []
    for source in sources:
        used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        found.append(bool(used & names))
        names |= defined(source) if found[-1] else set()
    return found


def defined(source):
    nodes = [*ast.walk(ast.parse(source))]
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def shorter(page, patterns=SHORTER):
    """The cells with long training cut short; not what is filled into them."""
    cells = []
    for cell in page:
        source = "".join(cell["source"])
        for pattern, short in patterns.items():
            source = re.sub(pattern, short, source)
        cells.append({**cell, "source": source})
    return cells


def test_cells_are_affected_by_what_they_use_and_by_what_is_made_of_it():
    cells = ["a = f(1)", "b = 2", "def g():\n    return a", "c = g() + b", "print(b)", "@your_turn('1')\ndef f(): ..."]
    assert affected(cells, {"f", "your_turn"}) == [True, False, True, True, False, True]


@pytest.mark.parametrize("pattern", SHORTER | AGAIN)
def test_what_is_cut_short_stands_in_a_page(pattern):
    assert any(re.search(pattern, "".join(cell["source"])) for page in PAGES.values() for cell in page["cells"])


def texts(cell):
    """What a cell printed and displayed, as nbval compares it."""
    outputs = [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
    return ["".join(text) for text in outputs]


def solved(page, asked):
    """Every cell with the course's solutions, and the cell of the page where it has to come out the same."""
    solutions = {turn.id: turn.solution for turn in asked}
    filled = with_answers(page, solutions)
    short = filled if ALL else with_answers(shorter(page), solutions)
    cut = [before != after for before, after in zip(filled, short, strict=True)]
    names = {name for source, is_cut in zip(filled, cut, strict=True) if is_cut for name in defined(source)}
    differ = [a or b for a, b in zip(cut, affected(filled, names), strict=True)]
    for cell, source, may_differ in zip(page, short, differ, strict=True):
        if not (may_differ and is_test(cell)):
            same = not may_differ and "nbval-ignore-output" not in cell["metadata"].get("tags", [])
            yield source, cell if same else None


def answered(page, chosen):
    """The cells that depend on the turns, with these answers and what those need above them."""
    filled = with_answers(shorter(page, SHORTER | AGAIN), {turn.id: source for turn, (source, _) in chosen.items()})
    yield (
        "\n".join(text for _, need in chosen.values() for text in (*need.imports.values(), *need.above.values())),
        None,
    )
    again = affected(filled, {"your_turn", "mine", *(turn.name for turn in chosen)})
    for cell, source, is_again in zip(page, filled, again, strict=True):
        if is_again and not is_test(cell):
            yield source, None


def with_answers(page, answers):
    return ["".join(cell["source"]) for cell in fill_turns({"cells": page}, answers)["cells"]]


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(7200 if ALL else 1200)
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in ASKED])
def test_a_lesson_with_its_turns_written_runs_and_comes_out_the_same(path: Path, tmp_path, real_weights):
    """The page again and again in one kernel; a turn that has run out of answers begins again with its first.

    After the first time, with the course's solutions, only the cells that depend on the turns are run again.
    """
    page = [cell for cell in PAGES[path]["cells"] if cell["cell_type"] == "code"]
    runs = [*solved(page, ASKED[path])]
    rounds = max(len(RIGHT[turn.id]) for turn in ASKED[path]) if ALL else 0
    for number in range(rounds):
        runs += answered(page, {turn: RIGHT[turn.id][number % len(RIGHT[turn.id])] for turn in ASKED[path]})
    sources, stored = zip(*runs, strict=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = {**lesson_environment(), "MINILLM_WORKBOOK": str(tmp_path)}
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, coalesce_streams=True, resources=where).execute(env=environment)
    said = [texts(cell)[0].split("\n")[0] for cell in notebook.cells if YOUR_TURN.search(cell.source)]
    assert [line for line in said if not line.endswith(": right")] == []
    assert len(said) == (1 + rounds) * len(ASKED[path])
    assert any(stored)
    for cell, before in zip(notebook.cells, stored, strict=True):
        if before and not YOUR_TURN.search(cell.source):  # whose code ran may differ
            now, then = ([text.replace("the course's", "your") for text in texts(each)] for each in (cell, before))
            assert now == then, cell.source
    assert {file.stem for file in (tmp_path / "mine").glob("*.py")} >= {turn.topic for turn in ASKED[path]}
