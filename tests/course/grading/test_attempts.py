"""Second attempts, private probes, and the one budget of time that all of them share."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from minillm.course.checks import find, outside
from minillm.course.checks.asking import Forbidden, watched_call
from minillm.course.checks.outside import Limits
from minillm.course.checks.probe import Probe
from minillm.course.checks.sandbox import plain_command
from minillm.course.grading import attempts
from minillm.course.grading.attempts import ask_notebook
from minillm.course.grading.grade import _newer_python
from minillm.course.grading.needed import needed_statements
from minillm.course.grading.notebook import parsed

RIGHT = """import torch
def window_mask(T, S, window, sinks):
    query, key = torch.arange(S - T, S)[:, None], torch.arange(S)
    return ((query - key < window) | (key < sinks)) & (key <= query)"""
CHECK = 'check("04.3", window_mask).points'


def answers(*sources, limits=Limits(seconds=5), question=None):  # noqa: B008 (it is frozen)
    """The result of 04.3, and the troubles; a source `CHECK` is the cell that checks it."""
    cells = [(f"cell {place}", source) for place, source in enumerate(sources, 1) if source != CHECK]
    checks = {"04.3": sources.index(CHECK)} if CHECK in sources else {}
    asked = [(question or find("04.3"), 3)]
    found, troubles = ask_notebook(cells, checks, asked, plain_command(), limits, confined=False)
    return found["04.3"], troubles


@pytest.mark.parametrize(
    "below",
    [
        ["def window_mask(T, S, window, sinks):\n    raise NotImplementedError()"],
        ["def window_mask(T, S, window, sinks):\n    ..."],
        [CHECK, "def window_mask(T, S, window, sinks):\n    raise NotImplementedError()"],
        [CHECK, "import time\ndef window_mask(T, S, window, sinks): time.sleep(60)"],
        [CHECK, "import os\ndef window_mask(T, S, window, sinks): os._exit(0)"],
    ],
    ids=["a stub that raises", "a stub", "a stub below the check", "a slow one", "one that ends the process"],
)
def test_the_last_definition_that_works_counts(below):
    result, _ = answers(RIGHT, *below, limits=Limits(seconds=3))
    assert result.passed, str(result)


@pytest.mark.parametrize("line", ["os._exit(0)", "time.sleep(2.5)"])
def test_crashes_and_sleeps_share_one_budget_with_second_attempts(monkeypatch, line):
    started = []
    start = outside._Session._one_process
    monkeypatch.setattr(outside._Session, "_one_process", lambda *a: started.append(time.monotonic()) or start(*a))
    slow = "\n".join(f"X{number} = {line}" for number in range(40))
    needs = RIGHT.replace("    query", f"    assert {' or '.join(f'X{number}' for number in range(40))}\n    query", 1)
    began = time.monotonic()
    result, troubles = answers("import os, time", slow, needs, CHECK, limits=Limits(seconds=3, total_seconds=6))
    spent = time.monotonic() - began
    assert result.points == 0
    assert len(started) < 10  # each takes a second or more
    assert spent < 6 + 2 * outside.START_SECONDS  # the first start is free, and the last may take as long
    assert "was not reached within the notebook's time limit of 6 seconds" in str(result) + str(troubles)


def test_the_time_of_a_chain_of_names_grows_with_its_length():
    def seconds(length):
        names = range(length)
        lines = [f"def a{number}(): return a{number + 1}()" for number in names]  # in the worst order
        cells = [("cell 1", "\n".join([*lines, "def f(): return a0()"]))]
        parsed(cells[0][1])
        began = time.process_time()
        assert len(needed_statements(cells, ["f"])) == length + 1
        return time.process_time() - began

    assert seconds(8000) < 20 * seconds(1000) + 1  # and not 64 times


def test_private_probes_are_asked_when_all_else_is_done(monkeypatch):
    question = find("04.3")
    hidden = Probe("hidden", lambda rng: [(31, 37, 5, 3)], question.right, private=True)
    question = replace(question, probes=[hidden, *question.probes])
    asked, collect = [], attempts.collect

    def watch(statements, pairs, *rest):
        asked.append([probe.private for question, _ in pairs for probe in question.probes])
        return collect(statements, pairs, *rest)

    monkeypatch.setattr(attempts, "collect", watch)
    rule = RIGHT.replace("window_mask", "near").replace("import torch\n", "")
    table = "RULES = {}\ndef rule(f):\n    RULES[f.__name__] = f\n    return f"
    cells = ["import torch", table, f"@rule\n{rule}", "def window_mask(*a): return RULES['near'](*a)"]
    result, _ = answers(*cells, question=question)
    assert result.points == len(question.probes), str(result)
    assert asked == [[False] * 3, [False] * 3, [True]]  # the second attempt, too
    wrong, _ = answers(RIGHT.replace("<= query", "< query"), question=question)
    assert (wrong.points, wrong.probes[0]) == (0, "hidden")


FILES = {
    "written and imported": ["%%writefile own.py\nRULES = [1]", "from own import RULES"],
    "written in two parts": ["%%writefile own.py\nRULES = [1]", "%%writefile -a own.py\nMORE = 2", "from own import *"],
    "run": ["%%writefile own.py\nRULES = [1]", "%run own.py"],
    "run without its suffix": ["%%writefile own.py\nRULES = [1]", "%run own"],
    "run with an option and an argument": ["%%writefile own.py\nRULES = [1]", "%run -i own.py 3"],
    "written by Python": [
        "with open('own.py', 'w') as file:\n    file.write('RULES = [1]')",
        "import own\nRULES = own.RULES",
    ],
}


@pytest.mark.parametrize("cells", FILES.values(), ids=FILES)
def test_a_module_that_a_cell_writes_is_there_and_costs_no_word(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result, troubles = answers(*cells, RIGHT.replace("    query", "    assert len(RULES) == 1\n    query", 1))
    assert result.passed, str(result)
    assert troubles == {}


def test_a_thread_is_watched_as_well():
    def in_a_thread(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.nn.functional.softmax, x, -1).result()

    ones = torch.ones(2)
    assert watched_call(in_a_thread, (ones,), []).tolist() == [0.5, 0.5]
    with pytest.raises(Forbidden, match="softmax"):
        watched_call(in_a_thread, (ones,), ["torch.nn.functional.softmax"])
    assert threading.getprofile() is None


def test_syntax_of_a_newer_python_names_the_versions():
    newer = f"3.{sys.version_info.minor + 1}"
    said = _newer_python(newer, ["cell 3 raised SyntaxError: invalid syntax"])
    assert f"written with Python {newer} and graded with 3.{sys.version_info.minor}" in said
    assert _newer_python(newer, ["cell 3 raised NameError: x"]) is None
    assert _newer_python("3.8", ["cell 3 raised SyntaxError: invalid syntax"]) is None
    assert _newer_python(None, ["cell 3 raised SyntaxError: invalid syntax"]) is None
