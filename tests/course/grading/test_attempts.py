"""Second attempts, private probes, and the one budget of time that all of them share."""

import time
from dataclasses import replace

import pytest

from minillm.course.checks import find, outside
from minillm.course.checks.outside import Limits
from minillm.course.checks.probe import Probe
from minillm.course.checks.sandbox import plain_command
from minillm.course.grading import attempts
from minillm.course.grading.attempts import ask_notebook
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
