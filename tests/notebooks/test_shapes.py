"""The shapes that lessons write: their letters, what the package says of the same thing, and what the tensors are."""

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest

import minillm
from minillm.model.attention import attention_by_loops
from minillm.viz.figures.style import LEGEND
from tools import build_notebooks as builder
from tools.shape_comments import ShapeError, shapes_in, watched
from tools.shape_rules import annotated_shapes, complaints, package_complaints

ROOT = Path(__file__).resolve().parents[2]
SHOWN = """\
# %%
import inspect
from minillm.model import attention as package

# %%
print(inspect.getsource(package.attention_by_loops))

"""
NAIVE = '''\
# %%
def naive_head(query, key, value):
    """All queries: (T, D), (S, D), (S, D) -> (T, D)."""
    return (query @ key.T) @ value
'''


def judged(text):
    """What is said of a manuscript."""
    return complaints("00_small", jupytext.reads(text, fmt="py:percent"))


def run(source):
    """Run a cell with its shapes watched."""
    exec(compile(watched(source), "<cell>", "exec"), {"zeros": lambda *shape: np.zeros(shape)})


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in builder.manuscripts().values()])
def test_the_lessons_shapes_are_of_the_legend_and_the_package_s(path):
    broken = complaints(path.stem, builder.read_manuscript(path))
    assert not broken, "\n".join(broken)


def test_the_package_s_shapes_are_of_the_legend():
    rooms = sorted((ROOT / "minillm").rglob("*.py"))
    broken = [one for path in rooms for one in package_complaints(path, path.relative_to(ROOT).as_posix())]
    assert not broken, "\n".join(broken)


def test_the_legend_is_the_same_in_the_readme_the_package_and_the_figures():
    in_package = re.search(r"B batch.*?\.", minillm.__doc__, re.DOTALL).group()
    in_readme = re.search(
        r"B batch.*?\.", (ROOT / "minillm" / "README.md").read_text(encoding="utf-8"), re.DOTALL
    ).group()
    assert in_package.split() == in_readme.split()
    assert set(re.findall(r"(?:^|, )([A-Z]) ", " ".join(in_package.split()))) == set(LEGEND)


def test_a_shape_is_told_from_other_brackets():
    assert shapes_in("(B, T) ids -> (B, **C**) and (L + 1,\nT, C)") == [("(B, T)",), ("(B, C)",), ("(L + 1,\nT, C)",)]
    assert shapes_in("a (B, C) = (2, 3) tensor") == [("(B, C)", "(2, 3)")]
    assert shapes_in("f(x, T), (early, t), (3, 4), (Fig. 1, B), (a) or (B), (W, 2.5), table[i](B, T)") == []


def test_right_shapes_are_left_in_peace():
    assert judged(SHOWN + NAIVE + "# %%\nheat_map(x, axes='T C')\ny = x  # (pairs, C)\n") == []
    assert judged("# %%\nx = 1\n\n# %% [markdown]\n# In books (Q, K, V).\n") == []


def test_code_without_shapes_stays_as_it_is():
    plain = "def f(x):\n    T = len(x)\n    for T in range(T):\n        x = x + T\n    return x\n"
    assert ast.dump(watched(plain)) == ast.dump(ast.parse(plain))
    mixed = ast.unparse(watched(plain + "y = zeros(2, 3)  # (B, T)\n"))
    assert ast.unparse(ast.parse(plain)) in mixed
    assert mixed.count("__check_shape__") == 1


def test_the_package_s_annotations_are_read_as_they_stand():
    shapes = annotated_shapes(attention_by_loops)
    assert (shapes["query"], shapes["key"], shapes["return"]) == (["B H T D"], ["B K S D"], ["B H T D"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# %%\nx = 1\n\n# %% [markdown]\n# It is (B, M).\n", "cell 2 writes (B, M), and M is not in the shape legend"),
        ("# %%\nx = table[ids]  # (B, M)\n", "cell 1 writes (B, M), and M is not"),
        ('# %%\ndef f(x):\n    """It takes (M, 3)."""\n', "cell 1 writes (M, 3), and M is not"),
        ("# %%\ncaptions = ['scores (T, W)']\n", "cell 1 writes (T, W), and W is not"),
        ("# %%\nheat_map(x, axes='T W')\n", 'cell 1 writes axes="T W", and W is not in the shape legend (B, T, S'),
        # What a naive form says of a parameter is what the package says of it.
        (SHOWN + NAIVE.replace("(T, D), (S", "(D, T), (S"), "cell 3 says that query of naive_head is (D, T)"),
        (SHOWN + NAIVE.replace("(T, D), (S", "(S, D), (S"), "query of naive_head is (S, D); of the package, which it"),
        (SHOWN + NAIVE.replace("(S, D) ->", "(H, S, D) ->"), "value of naive_head is (H, S, D)"),
        (SHOWN + NAIVE.replace("-> (T, D)", "-> (T, S)"), "the result of naive_head is (T, S)"),
        (SHOWN + NAIVE.replace("(T, D), (S", "(T, C), (S"), "package.attention_by_loops has (B, H, T, D)"),
    ],
)
def test_a_shape_that_is_not_the_course_s_is_named(text, sentence):
    found = judged(text)
    assert any(sentence in complaint for complaint in found), found
    assert all(complaint.startswith("00_small, cell ") for complaint in found)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ('def f(x: Float[Tensor, "B Q"]): ...', 'line 1 annotates "B Q", and Q is not in the shape legend'),
        ('def f(x: Float[Tensor, "*Q T"]): ...', "Q is not"),
        ('def f(x: Float[Tensor, "B HQ"]): ...', "HQ is not"),
        ("x = y  # (B, Q)", "line 1 writes (B, Q), and Q is not"),
        ('def f(x: Float[Tensor, "B1 HD *batch _ 3 N"]): ...  # (N, C)', None),
    ],
)
def test_an_annotation_with_a_strange_letter_is_named(tmp_path, code, sentence):
    path = tmp_path / "room.py"
    path.write_text(code, encoding="utf-8")
    found = list(package_complaints(path, "room.py"))
    assert len(found) == 1 and found[0].startswith("room.py, ") and sentence in found[0] if sentence else found == []


HEAD = '''\
def head(q, k):
    """{}"""
    scores = q @ k.T  # (T, S)
    return scores, q
head(zeros(2, 5), zeros(3, 5))
'''


@pytest.mark.parametrize(
    "source",
    [
        "x = zeros(2, 3, 4)  # (B, T, C), and a word",
        "a, b = zeros(2, 3), zeros(3)  # (B, T), (T,)",
        "a, b = zeros(2, 3), zeros(2, 3)  # (B, T): both",
        "one = (zeros(2, 3), zeros(2, 3))  # (B, T)",
        "h = zeros(2, 3) @ zeros(3, 4)  # (B, C) @ (C, F) -> (B, F)",
        "x = zeros(2, 3)  # (B, T) = (2, 3)",
        "L = 3\nx = zeros(4, 2)  # (L + 1, 2)",
        "x = zeros(4, 2)  # (L + 1, 2): L is unknown here",
        "for T in (2, 3):\n    x = zeros(T, 4)  # (T, C)",
        "for n in (2, 3):\n    x = zeros(n, 4)  # (T, C)\n    y = zeros(4, n)  # (C, T)",
        "T = 2\nx = zeros(T, 4)  # (T, C)\nT = 3\nx = zeros(T, 4)  # (T, C)",
        "T = 2\nT = 'a word'\nx = zeros(3, 4)  # (T, C)",
        "x = [1, 2]  # (T,): a list has no shape",
        HEAD.format("Scores and queries: (T, D), (S, D) -> (T, S), (T, D)."),
        HEAD.format("q: (T, D); k: (S, D)."),
        "def two(n):\n    return zeros(n, 3)  # (T, C)\ntwo(2), two(4)",
        "def f(x, D=5):\n    return x  # (T, D)\nf(zeros(2, 5))\nf(zeros(2, 4), D=4)",
    ],
)
def test_a_true_comment_passes(source):
    run(source)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = zeros(2, 3)  # (B, T, C)", "line 1 says that x is (B, T, C), but it is (2, 3): 2 axes, not 3"),
        (
            "x = zeros(2, 3)  # (B, T)\ny = zeros(3, 2)  # (B, T)",
            "line 2 says that y is (B, T), but it is (3, 2): B is",
        ),
        ("x = zeros(2, 3)  # (T, T)", "T is 2 by line 1, not 3"),
        ("x = zeros(2, 3)  # (B, 4)", "axis 4 must be 4, not 3"),
        ("x = zeros(2, 3)  # (B, T) = (3, 2)", "says that x is (3, 2), but it is (2, 3)"),
        ("a, b = zeros(2, 3), zeros(2)  # (B, T), (T,)", "says that b is (T,), but it is (2,)"),
        ("one = (zeros(2, 3), zeros(3, 2))  # (B, T)", "says that one is (B, T), but it is (3, 2)"),
        ("h = zeros(2, 3) @ zeros(3, 4)  # (B, C) @ (C, F)", "says that h is (C, F)"),
        ("L = 3\nx = zeros(3, 2)  # (L + 1, 2)", "axis L + 1 must be 4, not 3"),
        ("T, D = 5, 8\nx = zeros(8, 5)  # (T, D)", "T is 5 by line 1, not 8"),
        ("x = zeros(2, 3)  # (B, T)\nx += zeros(2, 3)  # (T, B)", "line 2 says that x is (T, B)"),
        (HEAD.format("(T, D), (S, D) -> (S, T), (T, D)"), "line 4 says that the result[0] is (S, T), but it is (2, 3)"),
        (HEAD.format("(D, T), (S, D) -> (T, S), (T, D)"), "line 1 says that k is (S, D), but it is (3, 5): D is 2"),
        (HEAD.format("q: (S, D); k: (T, D)."), "line 3 says that scores is (T, S), but it is (2, 3)"),
        ("def f(x):\n    '''Rows: (B,).'''\n    return x\nf(zeros(2, 5))", "line 3 says that the result is (B,)"),
        ("def f(x, D=5):\n    return x  # (T, D)\nf(zeros(2, 4))", "D is 5 by line 1, not 4"),
    ],
)
def test_a_false_comment_is_named(source, sentence):
    with pytest.raises(ShapeError, match=re.escape(sentence)):
        run(source)


LESSON = """\
# %% [markdown]
# # A lesson

# %%
import inspect
import torch

# %%
def rows(x):
    return x.sum(-1)  # (B,)


ids = torch.zeros(2, 3)  # (B, T)
total = rows(ids)  # (B,)

# %%
print(inspect.getsource(rows), total.shape)
total  # (B,)
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "notebooks" / "src").mkdir(parents=True)

    def write(text):
        path = tmp_path / "notebooks" / "src" / "00_small.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_builder_checks_and_leaves_no_trace(write):
    manuscript = write(LESSON)
    builder.build(manuscript)
    cells = nbformat.read(builder.notebook_path(manuscript), as_version=4).cells
    assert [cell.get("execution_count") for cell in cells] == [None, 1, 2, 3]
    assert [len(cell.get("outputs", [])) for cell in cells] == [0, 0, 0, 2]
    assert cells[3].outputs[0].text == "def rows(x):\n    return x.sum(-1)  # (B,)\n torch.Size([2])\n"
    assert cells[2].source == builder.read_manuscript(manuscript).cells[2].source


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("total = rows(ids)  # (B,)", "total = rows(ids)  # (T,)", "line 6 says that total is (T,), but it is (2,)"),
        ("x.sum(-1)  # (B,)", "x.sum(-1)  # (B, 1)", "line 2 says that the result is (B, 1), but it is (2,): 1 axes"),
    ],
)
def test_the_builder_refuses_a_false_shape_and_says_where(write, right, wrong, sentence):
    manuscript = write(LESSON.replace(right, wrong))
    with pytest.raises(builder.BuildError, match=re.escape(sentence)) as caught:
        builder.build(manuscript)
    assert "00_small, cell 3" in str(caught.value)
    assert not builder.notebook_path(manuscript).exists()
