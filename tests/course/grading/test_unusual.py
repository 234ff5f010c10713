"""What a teacher is told to look at: roads that no answer needs, and nothing in honest code."""

import pytest

from benchmarks.classroom import notebook
from minillm.course.checks import questions
from minillm.course.contents import ASSIGNMENTS
from minillm.course.grading.notebook import read_code
from minillm.course.grading.unusual import LONG, defined_elsewhere, unusual_code

FORBIDDEN = ["minillm", "torch.softmax", "torch.nn.functional.scaled_dot_product_attention"]


def looks(*sources, forbidden=FORBIDDEN):
    return unusual_code([(f"cell {place}", source) for place, source in enumerate(sources, 1)], forbidden)


def test_what_no_answer_needs_is_shown_to_a_person():
    sources = (
        "import torch\nfrom ctypes import cdll",
        "def softmax(x): return x.softmax(-1)\nsoftmax(1)",
        "getattr(torch.nn.functional, 'scaled_dot_product_attention')",
    )
    assert looks(*sources) == [
        "cell 1 mentions ctypes",
        "cell 3 mentions getattr",
        "cell 3 mentions scaled_dot_product_attention",
    ]


@pytest.mark.parametrize("number", ASSIGNMENTS)
@pytest.mark.parametrize("kind", ["solutions", "exercises"])
def test_the_courses_own_code_raises_no_look(number, kind):
    cells, _ = read_code(notebook(number, kind))
    forbidden = sorted({name for question in questions(number) for name in question.forbidden})
    assert unusual_code(cells, forbidden) == []


DETOURS = {
    "globals()['f'] = g": "globals",
    "import sys\nsetattr(sys.modules[__name__], 'f', g)": "setattr",
    "import sys as s\ns.modules['torch']": "sys.modules",
    "from sys import modules": "sys.modules",
    "list(map(vars(F)['soft' + 'max'], xs))": "vars",
    "import operator\noperator.attrgetter('nn.functional')(torch)": "attrgetter",
    "from operator import attrgetter as a": "attrgetter",
    "import pickle\npickle.loads(b'')": "pickle",
    "import sys\nsys.__dict__['set' + 'profile'](None)": "__dict__",
    "%%writefile off.py\nimport sys\nsys.setprofile(None)": "setprofile",
    "open('off.py', 'w').write('')": "off.py",
    "import torch._decomp": "_decomp",
    "t = torch.ops.aten": "ops",
    "from _thread import start_new_thread": "_thread",
    "def f(x):\n    return x.__class__.__getattribute__(x, 'y')": "__getattribute__",
    # definitions that are none, so that the name still is Python's
    "g = getattr\nif 0: getattr = 1\ng(torch, 'x')": "getattr",
    "def getattr(): ...\ndel getattr\ngetattr(torch, 'x')": "getattr",
    "import os\nclass A:\n    def fork(self): ...\nos.fork()": "fork",
    "def g():\n    vars = 1\ndef f(): return vars(F)": "vars",
}


@pytest.mark.parametrize(("source", "name"), DETOURS.items(), ids=DETOURS)
def test_a_detour_is_told(source, name):
    assert f"cell 2 mentions {name}" in looks("import torch\nimport torch.nn.functional as F", source)


@pytest.mark.parametrize(
    "source",
    [
        "ops = [1, 2]\nfor op in ops: print(op)",
        "def f(x, vars, eval):\n    return vars, eval",
        "def f(x):\n    ops = x\n    return [o for o in ops]",
        "class Pages:\n    def fork(self): return self\nPages().fork()",
        "if event == 'fork': pages.append(1)",
        "model.modules()",
        "import torch.nn.functional as F\nF.gelu(x)",
        "import re\nre.compile('x')",
        "open('notes.txt', 'w').write('x')",
        "import threading, asyncio",
        "print('exec is a word in a text')",
    ],
)
def test_honest_code_is_not(source):
    assert looks(source) == []


def test_files_long_cells_and_answers_from_elsewhere_are_told():
    assert looks("%%writefile own.py\nX = 1", "%run own.py") == ["cell 1 writes own.py", "cell 2 runs own.py"]
    assert looks("#" * (LONG + 1)) == ["cell 1 has 20,001 characters"]
    cells = [("cell 1", "from own import f\ndef g(): ..."), ("cell 2", "h = g")]
    assert defined_elsewhere(cells, ["f", "g", "h"]) == ["no cell defines f, and it's there: see where it comes from"]


def test_what_is_nested_too_deeply_is_told_and_costs_nothing():
    assert looks("x = " + "-" * 900 + "1") in ([], ["cell 1 is nested too deeply to read"])
    assert looks("x = " + "+".join("y" * 3000))[:1] in ([], ["cell 1 is nested too deeply to read"])
