"""The mutants on file: what exercises/README.md says of them, and how they are made, judged and counted."""

import re
import sys
import time
from pathlib import Path

import mutants
import pytest

from minillm.errors import UserError

README = Path(__file__).resolve().parents[2] / "exercises" / "README.md"
SAYS = {"equivalent": True, "why": "the list is never empty"}


def test_the_readme_says_what_is_on_file():
    text = README.read_text(encoding="utf-8").replace("\n", " ")
    assert mutants.figures(mutants.summary()) in text, "run python tests/mutants.py --figures"
    (paragraph,) = (part for part in README.read_text(encoding="utf-8").split("\n\n") if "tests/mutants.py" in part)
    for id, question in mutants.summary().items():
        for survivor, said in question["survivors"].items():
            assert said["equivalent"] in (True, False), f"{id}: nobody has read {survivor!r}"
            assert said["why"]
            assert said["equivalent"] or id in paragraph, f"README does not name {id}, which accepts a mutant"


def test_what_is_on_file_is_of_the_solutions_that_there_are():
    there = {subject.id: subject.fingerprint for subject in mutants.subjects()}
    for id, question in mutants.summary().items():
        assert there.get(id) == question["source"], f"another solution: run python tests/mutants.py {id}"


def test_the_figures_by_hand():
    survivors = {"a": SAYS, "b": {"equivalent": False, "why": "no input has two rows"}}
    found = {"99.1": {"mutants": 7, "survivors": survivors}, "99.2": {"mutants": 3, "survivors": {"c": SAYS}}}
    assert mutants.figures(found) == (
        "10 mutants of 2 solutions: 7 are rejected, 2 are equivalent, and 1 that are wrong are accepted "
        "(87.50% of the wrong ones are rejected)"
    )


def test_a_verdict_counts_as_long_as_the_line_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "SUMMARY", tmp_path / "mutants.json")
    subject = mutants.Subject("04.1", "f", "def f(): return 1 + 1", {})
    row = {"question": "04.1", "source": subject.fingerprint, "line": 1, "diff": "- a\n+ b", "survived": True}
    mutants.summarize(subject, [row, row | {"line": 2, "survived": False}, row | {"source": "another"}])
    assert mutants.summary()["04.1"]["mutants"] == 2
    assert mutants.summary()["04.1"]["survivors"] == {"line 1\n- a\n+ b": {"equivalent": None, "why": ""}}
    found = mutants.summary()
    found["04.1"]["survivors"]["line 1\n- a\n+ b"] = SAYS
    mutants.write(found)
    mutants.summarize(subject, [row])
    assert mutants.summary()["04.1"]["survivors"]["line 1\n- a\n+ b"] == SAYS
    mutants.summarize(subject, [row | {"diff": "- a\n+ c"}])
    assert mutants.summary()["04.1"]["survivors"] == {"line 1\n- a\n+ c": {"equivalent": None, "why": ""}}


def test_a_change_is_told_by_its_line():
    assert mutants.change("def f(x):\n    return x + 1", "def f(x):\n    return x - 1") == (
        2,
        "- return x + 1\n+ return x - 1",
    )


@pytest.mark.skipif(not hasattr(mutants.os, "fork"), reason="needs a fork")
def test_a_mutant_that_crashes_or_never_ends_is_rejected(monkeypatch):
    assert mutants.in_a_child(lambda: True)
    assert not mutants.in_a_child(lambda: False)
    assert not mutants.in_a_child(lambda: 1 / 0)
    assert not mutants.in_a_child(lambda: mutants.os._exit(0))
    assert not mutants.in_a_child(lambda: bytearray(1 << 40))
    monkeypatch.setattr(mutants, "CLOCK", 0.1)
    assert not mutants.in_a_child(lambda: time.sleep(60))


def test_without_cosmic_ray_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cosmic_ray.mutating", None)
    monkeypatch.delitem(sys.modules, "mutators", raising=False)
    with pytest.raises(UserError, match="pip install cosmic-ray"):
        import mutators  # noqa: F401


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("y = x.softmax(-1)", {"y = x.softmax(1)", "y = x.softmax()", "y = x.log_softmax(-1)", "y = x"}),
        ("y = x.sum(0, keepdim=True)", {"y = x.sum(0)", "y = x.sum(1, keepdim=True)", "y = x.mean(0, keepdim=True)"}),
        ("y = math.sqrt(x)", {"y = (x)"}),
        ("y += x", {"y -= x", "y = x"}),
        ("if x > 0:\n    y = 1", {"if True:\n    y = 1", "if x > 0:\n    pass", "if x >= 0:\n    y = 1"}),
        ("y = -x / 2", {"y = x / 2", "y = -x * 2", "y = -x // 2", "y = -x / 3"}),
    ],
)
def test_what_is_changed(before, after):
    pytest.importorskip("cosmic_ray", reason="pip install cosmic-ray")
    import mutators

    made = {source.strip() for _, source in mutators.mutants(before + "\n")}
    assert {re.sub(r"\s", "", source) for source in after} <= {re.sub(r"\s", "", source) for source in made}
    assert before not in made
