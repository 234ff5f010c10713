"""The lab about kernels: what is said of C that doesn't compile, crashes, never ends, or is wrong."""

import ctypes
import re

import numpy as np
import pytest

from minillm.course import kernel_lab
from minillm.course.kernel_lab import asking, climbing, packing, questions, running
from minillm.errors import UserError

with_compiler = pytest.mark.skipif(bool(running.unavailable()), reason="no C compiler")
DOT = "float dot(const float *w, const float *x, int n) {{ float sum = 0; {} return sum; }}"
DOT8 = "int dot8(const int8_t *w, const int8_t *x, int n) {{ {} }}"
LOOP4 = (
    "float dot4(const Block *w, const float *x, int blocks) {{ float sum = 0; for (int b = 0; b < blocks; b++, x += 32)"
    " {{ float codes = 0, all = 0; for (int i = 0; i < 16; i++) {{ {} all += x[i] + x[i + 16]; }} {} }} return sum; }}"
)
CODES = "codes += (w[b].codes[i] & 15) * x[i] + (w[b].codes[i] >> 4) * x[i + 16];"
SUM = "sum += w[b].scale * codes + w[b].low * all;"
WRONG = [
    ("dot", DOT.format("for (int i = 0; i < n; i++) sum = w[i] * x[i];"), "Only the last product is there."),
    ("dot", DOT.format("for (int i = 0; i < n; i++) return w[i] * x[i];"), "Only the first product is there."),
    ("dot", DOT.format("for (int i = 0; i < n - 1; i++) sum += w[i] * x[i];"), "The last number is left out."),
    ("dot", DOT.format("for (int i = 1; i < n; i++) sum += w[i] * x[i];"), "The first number is left out."),
    ("dot", DOT.format("for (int i = 0; i <= n; i++) sum += w[i] * x[i];"), "It reads past the end of the arrays."),
    ("dot", DOT.format("for (int i = 0; i < n; i++) sum += w[i] + x[i];"), "w and x are added, not multiplied."),
    ("dot", DOT.format("for (int i = 0; i < n; i++) sum += w[i];"), "The weights are added up, without x."),
    ("dot", DOT.format("sum = w[10000000000L * n];"), "An index is wrong."),
    ("dot", DOT.format("sum += w[0]"), "It doesn't compile: line 1: "),
    ("dot", DOT.format("for (volatile int i = 0; i < n; i += 0) sum += w[i];"), "Does a loop never end?"),
    ("dot4", LOOP4.format(CODES, "sum += w[b].scale * codes;"), "`low` is left out."),
    ("dot4", LOOP4.format(CODES, "sum += w[b].scale * codes + w[b].low;"), "`low` is added once per block"),
    ("dot4", LOOP4.format(CODES, "sum += w[b].scale * (codes + w[b].low * all);"), "`scale` multiplies `low`, too."),
    ("dot4", LOOP4.format(CODES, "sum += codes + w[b].low * all;"), "`scale` is left out."),
    ("dot4", LOOP4.format(CODES, "sum = w[b].scale * codes + w[b].low * all;"), "Only the last block counts."),
    ("dot4", LOOP4.format(CODES.replace("+ 16", "").replace("x[i ]", "x[i]"), SUM), ""),
    (
        "dot4",
        LOOP4.format("codes += (w[b].codes[i] & 15) * x[2 * i] + (w[b].codes[i] >> 4) * x[2 * i + 1];", SUM),
        "Each byte's two codes are taken for neighbors.",
    ),
    (
        "dot4",
        LOOP4.format("codes += (w[b].codes[i] >> 4) * x[i] + (w[b].codes[i] & 15) * x[i + 16];", SUM),
        "The upper and the lower half have changed places.",
    ),
    (
        "dot4",
        LOOP4.format("codes += w[b].codes[i] * x[i] + (w[b].codes[i] >> 4) * x[i + 16];", SUM),
        "The byte isn't cut",
    ),
    ("dot4", LOOP4.format("codes += (w[b].codes[i] & 15) * x[i];", SUM), "Only the lower halves are read."),
    (
        "dot8",
        DOT8.format("int16_t s = 0; for (int i = 0; i < n; i++) s += w[i] * x[i]; return s;"),
        "overflows 16 bits",
    ),
    ("dot8", DOT8.format("int8_t s = 0; for (int i = 0; i < n; i++) s += w[i] * x[i]; return s;"), "overflows 8 bits"),
    (
        "dot8",
        DOT8.format("int s = 0; for (int i = 0; i < n; i++) s += (uint8_t)w[i] * (uint8_t)x[i]; return s;"),
        "Negative codes are read as large positive ones.",
    ),
    ("dot8", DOT8.format("int s = 0; for (int i = 0; i <= n; i++) s += w[i] * x[i]; return s;"), "past the end"),
]


@with_compiler
@pytest.mark.parametrize(("name", "source", "sentence"), WRONG)
def test_a_wrong_kernel_is_told_its_mistake_and_the_courses_stands_in(name, source, sentence, capsys, monkeypatch):
    monkeypatch.setattr(running, "SECONDS", 5)
    kernel = kernel_lab.your_kernel(name, source)
    said = capsys.readouterr().out
    assert "not right yet" in said
    assert sentence in said
    assert kernel == kernel_lab.ready(name)


@with_compiler
@pytest.mark.parametrize("name", questions.ASKED)
def test_the_solution_passes_and_is_the_learners(name, capsys):
    solution = questions.ASKED[name].solution
    kernel = kernel_lab.your_kernel(name, solution)
    assert "Right, on all" in capsys.readouterr().out
    assert kernel.is_yours
    assert kernel.source == solution


@pytest.mark.parametrize("name", questions.ASKED)
def test_the_stub_is_unwritten_and_gives_a_hint_each_time(name, capsys):
    asked = questions.ASKED[name]
    for given in range(len(asked.hints) + 1):
        kernel = kernel_lab.your_kernel(name, asked.stub)
        said = capsys.readouterr().out
        assert "not written yet" in said
        assert given == 0 or f"Hint {given} of 3: {asked.hints[given - 1]}" in said
    assert kernel == kernel_lab.ready(name)


def test_without_a_compiler_the_page_says_so_and_reads_what_is_stored(capsys, monkeypatch):
    monkeypatch.setattr(running, "unavailable", lambda: "There is no C compiler.")
    kernel = kernel_lab.your_kernel("dot", questions.DOT.solution)
    assert "Nothing is compiled here. There is no C compiler." in capsys.readouterr().out
    assert not kernel.is_yours
    rung = kernel_lab.Rung("2 float32, optimized", kernel)
    monkeypatch.setattr(climbing, "stored", lambda: None)
    assert kernel_lab.ladder([rung]) == {}
    assert "Nothing was timed" in capsys.readouterr().out
    row = {"name": rung.name, "bytes": 4e8, "error": 0.0, "bound": 12.0}
    row |= {"milliseconds": {"mean": 20.0}, "waited": {"mean": 0.4}}
    kept = {"rows": [row], "machine": {"processor": "a processor"}, "compiler": "gcc 1"}
    monkeypatch.setattr(climbing, "stored", lambda: kept)
    found = kernel_lab.ladder([rung, kernel_lab.Rung("another", kernel)])
    assert found[rung.name]["same"] == pytest.approx(12.0)
    assert "These rows are stored" in capsys.readouterr().out


def test_an_unknown_kernel_is_refused():
    with pytest.raises(UserError, match="no kernel is called 'dots'; there are dot, dot4, dot8, rows16"):
        kernel_lab.ready("dots")


@with_compiler
@pytest.mark.parametrize("name", running.KERNELS)
def test_each_kernel_equals_the_readable_form_of_its_format(name):
    """Oracle: numpy in float64 on the weights as the format holds them."""
    kernel = kernel_lab.ready(name)
    library = ctypes.CDLL(str(running.compiled(name, kernel.source)))
    matrix = packing.Layer.like_smollm2().matrices[1][:64].copy()
    x, y = np.linspace(-1, 1, 576, dtype=np.float32), np.empty(64, np.float32)
    form = packing.FORMATS[kernel.form]
    packed = form.pack(matrix)
    assert packed.nbytes == pytest.approx(form.bits / 8 * matrix.size, rel=0.01)
    library.product.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int] * 2
    library.product(packed.ctypes.data, x.ctypes.data, y.ctypes.data, 64, 576)
    exact = form.rounded(matrix.astype(np.float64)) @ x
    rounding = 1e-5 if name in ("dot", "dot4") else 0.03  # the vector has 8 bits
    assert np.abs(y - exact).max() < rounding * exact.std()


@with_compiler
def test_a_ladder_is_timed_in_turns():
    rungs = [kernel_lab.Rung("a", kernel_lab.ready("dot")), kernel_lab.Rung("b", kernel_lab.ready("dot8"))]
    rows = kernel_lab.climb(rungs, rounds=2, steps=1, layers=2)
    assert [row["name"] for row in rows] == ["a", "b"]
    assert rows[0]["bytes"] == 2 * 4 * 3538944
    assert all(len(row["medians"]) == 2 and row["bound"] > 0 for row in rows)
    assert rows[0]["error"] < 1e-4


def test_a_death_is_told_on_unix_and_on_windows():
    for code in (-11, 0xC0000005):
        assert "An index is wrong" in running._death(code, "")
    assert "divided" in running._death(0xC0000094, "")
    assert running._death(1, "a\nNameError: b") == "Its process ended (1): NameError: b"


def test_the_compilers_complaint_names_the_learners_line():
    said = "the C compiler gcc failed: your kernel:3:5: error: expected ';' before 'return'"
    assert asking._first_complaint(said) == "line 3: expected ';' before 'return'."
    assert re.search("linker", asking._first_complaint("the C compiler gcc failed: linker lost"))
