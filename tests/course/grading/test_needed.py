"""Only what an answer needs is run, and whatever else stands in an honest notebook costs nothing."""

import pytest

from minillm.course.checks import find
from minillm.course.checks.outside import Limits
from minillm.course.checks.sandbox import plain_command
from minillm.course.grading.attempts import ask_notebook
from minillm.course.grading.needed import needed_statements
from minillm.course.grading.notebook import python_of

ANSWER = """def window_mask(T, S, window, sinks):
    query, key = torch.arange(S - T, S)[:, None], torch.arange(S)
    return ((query - key < window) | (key < sinks)) & (key <= query)"""


def needed(function, *sources):
    """The sources of the statements that are run: those that are needed, and those that perhaps are."""
    cells = [(f"cell {place}", source) for place, source in enumerate(sources, 1)]
    found = needed_statements(cells, [function])
    return (
        [statement.source for statement in found if statement.needed],
        [statement.source for statement in found if not statement.needed],
    )


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        (["import math, torch\nimport time", "def f(x): return math.pi"], ["import math"]),
        (["time.sleep(100)\nx = f(3)\nprint(x)\nassert x", "def f(x): return x"], []),
        (["A = 1\nB = A + 1\nC = slow()", "def f(x): return B"], ["A = 1", "B = A + 1"]),
        (["def g(x): return h(x)\ndef h(x): return x", "def f(x): return g(x)"], [
            "def g(x): return h(x)", "def h(x): return x"]),
        (["A = {}\nA[3] = 4\nfor i in range(3): A[i] = i", "def f(x): return A[x]"], [
            "A = {}", "A[3] = 4", "for i in range(3): A[i] = i"]),
        (["try:\n    import fast as lib\nexcept ImportError:\n    import slow as lib", "def f(x): return lib.go(x)"], [
            "try:\n    import fast as lib\nexcept ImportError:\n    import slow as lib"]),
        (["x = slow()", "def f(x):\n    y = x + 1\n    return [x for x in range(y)]"], []),
        (["N = 3\ndef begin():\n    global N\n    N = 4\nbegin()", "def f(x): return N"], [
            "N = 3", "def begin():\n    global N\n    N = 4", "begin()"]),
        (["from helpers import *", "def f(x): return g(x)"], ["from helpers import *"]),
        (["class Base:\n    factor = F\nF = 3", "class f(Base): pass"], ["class Base:\n    factor = F", "F = 3"]),
        (["def g(x): return x", "f = functools.cache(g)", "import functools"], [
            "def g(x): return x", "import functools"]),
        (["x = await load()", "async def load(): return 3", "def f(y): return x + y"], [
            "x = await load()", "async def load(): return 3"]),
        (["if E:\n    K = 1\nelse:\n    K = 2", "def f(x, k=K): return k"], ["if E:\n    K = 1\nelse:\n    K = 2"]),
        (["torch.nn.functional.softmax = None", "import torch", "def f(x): return torch.ones(x)"], [
            "torch.nn.functional.softmax = None", "import torch"]),
    ],
)  # fmt: skip
def test_what_an_answer_needs_is_found_by_names(sources, wanted):
    own = sources[-1] if "f = functools" not in sources[1] else sources[1]
    assert sorted(needed("f", *sources)[0]) == sorted([*wanted, own])


def test_what_may_change_a_needed_name_is_run_too():
    sources = "A = []\nA.append(1)\nrandom.shuffle(A)", "import random, torch", "torch.manual_seed(0)\nprint(3)"
    assert needed("f", *sources, "def f(x): return torch.ones(A[x])") == (
        ["A = []", "import torch", "def f(x): return torch.ones(A[x])"],
        ["A.append(1)", "random.shuffle(A)", "import random", "torch.manual_seed(0)"],
    )


def test_an_answer_that_no_statement_binds_is_looked_for_everywhere():
    assert needed("f", "x = 1", "globals()['f'] = lambda: x") == ([], ["x = 1", "globals()['f'] = lambda: x"])


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%%time\nx = 1", "\nx = 1"),
        ("%%capture out\n%%time\nx = 1", "\n\nx = 1"),
        ("%%writefile x.py\nx = 1", "open('x.py', 'w').write('x = 1\\n')"),
        ("%%html\n<b>", ""),
        ("x = 7\nx = (x\n  % 4)", "x = 7\nx = (x\n  % 4)"),
        ("x = await load()", "x = await load()"),
        ("y = (", "y = (\n"),
    ],
)
def test_a_cell_is_read_as_ipython_reads_it(source, python):
    assert python_of(source) == python


QUICK = Limits(seconds=5)
CHECK = 'check("04.3", window_mask).points'


def answers(*sources, limits=QUICK):
    """The result of 04.3, and the troubles; a source `check` is the cell that checks it."""
    cells = [(f"cell {place}", source) for place, source in enumerate(sources, 1) if source != CHECK]
    checks = {"04.3": sources.index(CHECK)} if CHECK in sources else {}
    found, troubles = ask_notebook(cells, checks, [(find("04.3"), 3)], plain_command(), limits, confined=False)
    return found["04.3"], troubles


def test_a_right_answer_has_all_points_as_in_the_notebook():
    around = "if True:\n    %time ahead = 1\nfiles = !ls\ntorch.where?\n" + ANSWER + "\nrest = (7\n    % 4)"
    result, troubles = answers("%matplotlib inline\nimport torch\n" + around, "assert rest == 3")
    assert result.passed, str(result)
    assert troubles == {}


HONEST = [
    "import torch",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "import time\nfor _ in range(10):\n    time.sleep(25)",
    "import os; os._exit(1)",
    "y = (",
    "import minillm.model.attention\nfrom nowhere import this",
    "open('notes.txt', 'w').write('x')",
    "%%capture\nprint(3)",
    "import asyncio\nawait asyncio.sleep(0)",
    "%%time\n" + ANSWER + "\ndisplay(window_mask(3, 3, 2, 0))",
    "print(window_mask(3, 3, 2, 0))\nwhile True: pass",
    "raise KeyboardInterrupt",
]


def test_cells_that_are_not_needed_cost_nothing():
    result, troubles = answers(*HONEST)
    assert result.passed, str(result)
    assert troubles == {}


def test_what_names_cannot_tell_is_found_by_running_all():
    table = "RULES = {}\ndef rule(function):\n    RULES[function.__name__] = function\n    return function"
    rule = ANSWER.replace("window_mask", "near")
    result, _ = answers(
        "import torch", table, f"@rule\n{rule}", "def window_mask(*a):\n    return RULES['near'](*a)", "raise Exception"
    )
    assert result.passed, str(result)


SLOW = "import time\nprint(torch.allclose(time.sleep(9) or torch.ones(1), torch.ones(1)))"
EFFECTS = {
    "called for its effect": ["RULES = []\ndef fill():\n    RULES.append(1)\n    return RULES", "out = fill()"],
    "a decorator's list": ["RULES = []\ndef rule(f):\n    RULES.append(f)\n    return f", "@rule\ndef near(): pass"],
    "by another name": ["class Rules: n = 0\nRULES = []", "setattr(Rules, 'n', 1)\nglobals()['RULES'] = [Rules.n]"],
    "one slow effect": ["RULES = []", f"for rule in (1,): RULES.append(rule)\n{SLOW}"],
    "a module of its own": ["%%writefile own_rules.py\nRULES = [1]", "from own_rules import RULES"],
    "annotations": ["from __future__ import annotations\nRULES = [1]", "def g(x: Absent) -> Missing: ..."],
    "what is not installed": ["import absent_package as ab, math\nRULES = [math.pi]"],
    "threads": ["RULES = [torch.set_num_threads(8)]"],
}
RULED = ANSWER.replace("    query", "    assert RULES and len(RULES) == 1\n    query", 1)


@pytest.mark.parametrize("cells", EFFECTS.values(), ids=EFFECTS)
def test_what_changes_a_name_in_ways_that_names_do_not_tell(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result, _ = answers("import torch", *cells, RULED)
    assert result.passed, str(result)


@pytest.mark.parametrize("later", ["window_mask = window_mask(3, 3, 2, 0)", "def visible(): return 1", "del visible"])
def test_what_stands_below_the_check_takes_nothing_away(later):
    helper = "def visible(near, sink, past): return (near | sink) & past"
    answer = ANSWER.replace("((query - key < window) | (key < sinks)) & (key <= query)",
                            "visible(query - key < window, key < sinks, key <= query)")  # fmt: skip
    result, _ = answers("import torch", helper, answer, CHECK, later)
    assert result.passed, str(result)


def test_a_cell_that_is_no_python_is_told_if_an_answer_is_in_it():
    result, troubles = answers("import torch", "y = (", ANSWER.replace("):", ")"))
    assert result.failure.sentence == "window_mask is not defined in the notebook."
    assert list(troubles) == ["cell 3"]
    assert "SyntaxError: expected ':'" in troubles["cell 3"]


def test_an_error_shows_its_line():
    result, troubles = answers("import torch\nN = 1 / 0", "def window_mask(*a):\n    return a[0] + N")
    assert troubles == {"cell 1, line 2": "raised ZeroDivisionError: division by zero, in the line: N = 1 / 0"}
    assert "NameError" in result.failure.sentence
    assert result.failure.sentence.endswith("in the line: return a[0] + N.")
