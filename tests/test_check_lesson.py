"""tools/check_lesson.py: the commands that hold a lesson, and what is printed of them."""

import sys
from pathlib import Path

import pytest

from minillm.course.contents import TOPICS
from tools import check_lesson

ROOT = check_lesson.ROOT


@pytest.fixture
def asked(monkeypatch):
    """Parts that would be run."""
    parts = {}
    monkeypatch.setattr(check_lesson, "run", lambda given: parts.update(given) or 0)
    return parts


def test_the_parts_of_a_lesson(asked):
    assert check_lesson.main(["04"]) == 0
    assert list(asked) == ["page", "tests", "generated files", "deck", "links"]
    commands = {part: [command[1:] for command in several] for part, several in asked.items()}
    assert commands["page"] == [["-m", "pytest", "-q", "--nbval", "notebooks/04_attention.ipynb"]]
    tests = ["-m", "pytest", "-q", "-m", "not browser and not slow", "--lesson=04", *check_lesson.FOLDERS]
    assert commands["tests"] == [tests]
    assert commands["generated files"] == [
        ["tools/build_notebooks.py", "--check", "04", "04_lab"],
        ["tools/build_exercises.py", "--check", "04"],
    ]
    assert commands["links"] == [["-m", "pytest", "-q", "--lesson=04", check_lesson.LINKS]]
    deck = commands["deck"][0]
    assert deck[:3] == ["tools/deck.py", "04", "--out"]
    assert not Path(deck[3]).is_relative_to(ROOT)


def test_several_lessons_with_all(asked):
    assert check_lesson.main(["00", "11a", "--all", "-k", "verifier"]) == 0
    pages = ["00_the_map", "00_the_map_lab", "11a_reasoning", "11a_reasoning_lab"]  # and not those of 00a
    assert asked["page"][0][-4:] == [f"notebooks/{page}.ipynb" for page in pages]
    assert asked["tests"][0][-2:] == ["-k", "verifier"]
    assert {"not browser", "--lesson=00", "--lesson=11a"} <= set(asked["tests"][0])
    assert asked["generated files"][1][-2:] == ["--check", "11a"]  # 00 has no assignment


def test_quick_leaves_out_the_page(asked):
    assert check_lesson.main(["00", "--quick"]) == 0
    assert list(asked) == ["tests", "generated files", "deck", "links"]
    assert len(asked["generated files"]) == 1


def test_an_unknown_number_gets_those_that_there_are(asked, capsys):
    assert check_lesson.main(["04", "4"]) == 2
    assert capsys.readouterr().err == f"start.py: there is no lesson 4; there are {', '.join(TOPICS)}\n"
    assert asked == {}


def test_where_it_looks_is_there():
    assert all((ROOT / place).exists() for place in [*check_lesson.FOLDERS, check_lesson.LINKS])


def test_a_failed_part_hides_no_later_one(capsys):
    def says(code):
        return [sys.executable, "-c", code]

    parts = {"page": [says("print('ran')")], "tests": [says("raise SystemExit(1)"), says("print('too')")], "deck": []}
    assert check_lesson.run(parts) == 1
    _, page, tests, deck = capsys.readouterr().out.split("\n== ")
    assert "\nran\n" in page
    assert "\ntoo\n" in tests
    rows = [line.split()[:2] for line in deck.splitlines()[-4:]]
    assert rows == [["part", "result"], ["page", "passed"], ["tests", "failed"], ["deck", "passed"]]
    assert check_lesson.run({"page": parts["page"]}) == 0
