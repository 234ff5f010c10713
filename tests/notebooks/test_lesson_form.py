"""The form of a lesson with turns and of a lab: what is counted, and each rule on a page that breaks it."""

from dataclasses import replace

import jupytext
import pytest

from minillm.course import puzzles
from minillm.course.turns import turns
from tools.lesson_form import Size, complaints, has_turns, report, seconds_of, size

TURNS = turns("04")[:3]
FOLDED = "<details><summary>Solution</summary>\n\n```python\n{}```\n\n</details>"
TEXT, CODE, TEST = "# %% [markdown]\n", "# %%\n", '\n# %% tags=["test"]\n'


def commented(text):
    return TEXT + "\n".join(f"# {line}".rstrip() for line in text.splitlines()) + "\n"


def parts():
    """A small right lesson, by the names of its parts."""
    told = {"first": TEXT + "# # Lesson\n# **Time**: 40 minutes. Two words.\n"}
    for turn in TURNS:
        told[turn.id] = f"{CODE}{turn.decorator}\n{turn.stub}"
        told[f"{turn.id} folded"] = commented(FOLDED.format(turn.solution))
    told["predict"] = CODE + 'why = predict("Why?", ["a", "b"])\n\n' + CODE + 'how = predict("How?", ["a", "b"])\n'
    told["diagram"] = CODE + "diagrams.heads(x).show()\n"
    told["boxes"] = TEXT + "# > **Where the picture simplifies.** So.\n\n" + TEXT + "# > **At scale.** So.\n"
    told["quiz"] = TEXT + "# ## Questions\n# **1.** What?\n" + "# <details><summary>Open 1</summary></details>\n" * 3
    told["last"] = TEXT + "# **What you wrote**: it. **Next**: more.\n"
    return told


def read(text):
    return jupytext.reads(text, fmt="py:percent").cells


def judged(**changes):
    return list(complaints("04_small", read("\n".join({**parts(), **changes}.values()))))


def test_a_right_lesson_is_left_in_peace():
    assert judged() == []


def test_what_is_counted():
    cells = read("\n".join(parts().values()))
    assert has_turns(cells)
    counted = size(cells)
    turn_minutes = sum(turn.minutes for turn in TURNS)
    assert (counted.turns, counted.turn_minutes, counted.choices) == (3, turn_minutes, 2)
    assert (counted.code_cells, counted.figures) == (6, 1)
    stubs = [line for turn in TURNS for line in turn.stub.splitlines() if line.strip()]
    assert counted.code_lines == len(stubs) + 3 + 3  # the decorators; two predictions and a diagram
    page = read(TEXT + "# Read [this page](it.md) of *x W_Q*, don't skip.\n#\n# ```python\n# not counted\n# ```\n")
    assert size(page) == Size(words=8, code_cells=0, code_lines=0, turns=0, turn_minutes=0, choices=0)
    assert not has_turns(page)


def test_what_tests_the_lesson_is_not_read_and_not_counted():
    test = TEST + "for number in (1, 2):\n    assert number < 3\n"
    assert judged(diagram=parts()["diagram"] + test) == []
    assert size(read(CODE + "x = 1\n" + test)) == size(read(CODE + "x = 1\n"))


def test_minutes_are_counted_and_rounded_up_to_five():
    small = Size(words=150, code_cells=1, code_lines=12, turns=1, turn_minutes=8, choices=3, figures=2, seconds=120)
    assert small.minutes == 20  # 1 + 1 + 8 + 6 + 2 + 2
    assert replace(small, seconds=121).minutes == 25
    assert replace(small, turn_minutes=9).minutes == 25


def test_puzzles_are_typed_between_their_specs_and_their_solutions():
    names = "outer", "center"
    specs = TEXT + "# ```python\n" + commented("\n".join(puzzles.PUZZLES[name].told for name in names))[len(TEXT) :]
    asked = CODE + puzzles.cell(*names) + "\n"
    solution = commented(FOLDED.format(puzzles.cell(*names, solved=True) + "\n"))
    page = specs + "# ```\n\n" + asked + "\n" + solution
    first = TEXT + "# # Lesson\n# **Time**: 45 minutes. Two words.\n"
    assert judged(first=first, diagram=parts()["diagram"] + page) == []
    assert size(read(page)).puzzles == 2
    assert Size(0, 1, code_lines=0, turns=0, turn_minutes=0, choices=0, puzzles=5).minutes == 10
    for changed, told in (
        (page.replace("lambda x: ...", "lambda x: x"), "must ask for its puzzles and nothing else"),
        (page.replace("keepdim=True", "keepdim=False"), "must fold away the solution"),
        (page.replace("a[i] * b[j]", "a[j] * b[i]"), "must hold the spec of the puzzle outer"),
    ):
        (complaint,) = judged(first=first, diagram=parts()["diagram"] + changed)
        assert told in complaint


def test_the_seconds_of_a_page_are_read(tmp_path, monkeypatch):
    path = tmp_path / "measured.toml"
    path.write_text("[[lesson]]\nnumber = '04'\nseconds = 40\n[[lesson]]\nnumber = '05'\n", encoding="utf-8")
    monkeypatch.setattr("tools.lesson_form.MEASURED", path)
    assert [seconds_of(page) for page in ("04_attention", "04_attention_lab", "05_feed_forward")] == [40, 0, 0]
    told = report("04_small", read("\n".join(parts().values())))
    assert told.startswith("04_small: ")
    assert "1 figures, 40 s); longest passive stretch: cells 10 to 13: " in told


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"first": TEXT + "# # Lesson\n# **Time**: 20 minutes\n"}, r"cell 1 must say **Time**: 40 minutes (Size("),
        ({"first": TEXT + "# # Lesson\n"}, "cell 1 must say **Time**: 40 minutes"),
        ({"last": parts()["last"] + "# word" * 2301}, "words; the most is 2300"),
        ({"diagram": parts()["diagram"] + (CODE + "print()\n\n") * 30}, "the lesson has 36 code cells; the most is 35"),
        ({"diagram": parts()["diagram"] + "x = 1\n" * 200}, "lines of code; the most is 200"),
        ({"diagram": parts()["diagram"] + "Explorer(\n)\n" * 30}, "minutes; the most is 80"),
        ({"predict": CODE + "1\n"}, "the lesson has 0 predictions; it needs 2 to 8"),
        ({"diagram": parts()["diagram"] + CODE + 'why.answer("a")\n'}, "cell 11 answers `why` by 'a'; compute"),
        ({"boxes": parts()["boxes"] + TEXT + "# word" * 401}, "nothing to type, click or decide in cells 10 to"),
        (
            {"04.heads": "", "04.heads folded": "", "diagram": parts()["diagram"] + "Explorer(\n)\n" * 12},
            "the lesson has 2 turns; it needs 3 to 6",
        ),
        (  # a short one needs two
            {"04.heads": "", "04.heads folded": "", "04.attention": "", "04.attention folded": ""},
            "the lesson has 1 turns; it needs 2 to 6",
        ),
        (
            {"quiz": parts()["quiz"].replace("Open 1", "Look")},
            "has 0 questions in its quiz; it needs 3 to 5",
        ),
        ({"diagram": CODE + "1\n"}, "the lesson has no diagram"),
        ({"diagram": parts()["diagram"] + "(why, a[0]), _ = (1, 2), 3\n"}, "cell 10 binds `why`, as cell 8 does"),
        (
            {"diagram": parts()["diagram"] + "def causal_mask():\n    how = 1\n"},
            "binds `causal_mask`, as cell 2",
        ),
        ({"boxes": parts()["boxes"].replace("\n\n" + TEXT, "#\n")}, "'> **At scale' must begin a cell of its own"),
        (
            {"diagram": parts()["diagram"] + "assert x.sum() == 1\n"},
            "cell 10 asserts, which tests the lesson and teaches",
        ),
        ({"diagram": parts()["diagram"] + TEST + "y = x\nassert y\n"}, 'cell 11 is tagged "test" and must only assert'),
        ({"diagram": parts()["diagram"] + TEST + "print(x)\n"}, 'cell 11 is tagged "test" and must only assert'),
        (
            {"last": TEXT + "# So.\n# ## End\n" + parts()["last"]},
            "has the heading '## End' inside; begin a cell with it",
        ),
        ({"04.heads": parts()["04.heads"].replace("...", "return x")}, "must hold turn 04.heads and its stub:"),
        ({"04.heads folded": TEXT + "# See the book.\n"}, "must fold away the solution of turn 04.heads:"),
    ],
)
def test_each_rule_catches_what_breaks_it(changes, sentence):
    assert any(sentence in complaint for complaint in judged(**changes)), judged(**changes)


LAB = (
    TEXT
    + "# # Lab\n# **Time**: 5 minutes\n#\n# ## 1. Does it?\n# **Claim**. **Refuted if**. **Method**. **Controls**.\n"
)


def test_an_experiment_is_told_whole():
    whole = LAB + "# **Result**. **Verdict**.\n#\n# ## Shorter measurements\n# Free.\n"
    assert list(complaints("04_small_lab", read(whole))) == []
    assert list(complaints("04_small_lab", read(LAB))) == ["the section '1. Does it?' lacks **Result**, **Verdict**"]
    nothing = TEXT + "# # Lab\n# **Time**: 5 minutes\n"
    assert list(complaints("04_small_lab", read(nothing))) == ["the lab has no section '## 1. ...'"]
