"""What passed is known without running it, and where anything has changed it is run."""

import pytest

from minillm.course.contents import listed_questions, listed_turns
from minillm.course.learner import loading, saved
from minillm.course.learner.passed import passed
from minillm.course.turns import find, turns


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The file of a learner who has written all of lesson 04."""
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    path = saved.file_of("attention")
    path.parent.mkdir()
    names = {}
    exec("import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn, Tensor", names)
    names |= {turn.name: turn.course for turn in turns("04")}
    for turn in turns("04"):
        loading.save(turn, turn.solution, names)
    return path


def test_what_is_as_it_was_is_not_run(monkeypatch):
    monkeypatch.setattr(loading, "load", None)
    assert passed("attention") == {turn.id for turn in turns("04")}
    assert passed("reasoning") == set(), "there is no such file"


@pytest.mark.parametrize(
    ("old", "new", "is_lost"),
    [
        ("def causal_mask(", "def causal_mask (", False),  # another source, which passes
        ("def causal_mask(", "def my_mask(", True),
        (", check ", ", check 0123", True),  # this is no header
        ("# Turn 04.causal_mask, passed", "# Turn 04.another, passed", True),
        ("# Turn", "raise SystemExit\n# Turn", False),  # above the parts, where only imports count
        ("import torch\n", "", False),
        ("from torch import nn\n", "", False),
        ("\n# Turn", "\nimport (\n# Turn", True),
    ],
)
def test_a_file_that_somebody_changed_is_run(file, old, new, is_lost):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert passed("attention") == loading.load("attention").yours.keys()
    assert ("04.causal_mask" not in passed("attention")) == is_lost


def test_the_list_is_that_of_the_turns_and_questions():
    for listed in listed_turns():
        turn = find(listed.id)
        assert (turn.title, turn.name, turn.topic) == (listed.title, listed.name, listed.topic)
    assert [turn.id for turn in listed_turns("04")] == [turn.id for turn in turns("04")]
    assert listed_turns("99") == listed_questions("99") == ()
