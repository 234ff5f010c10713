"""The map of the model in the lessons: every lesson has a place, and what the workbook keeps is green."""

import re
import sys
from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from minillm.course.contents import TOPICS
from minillm.course.learner import trial
from minillm.course.learner.loading import save
from minillm.course.strip import STATIONS, drawn, show_map
from minillm.course.turns import find, turns
from minillm.errors import UserError
from minillm.viz.diagrams.theme import GREEN, ORANGE, THEMES

LESSONS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path))
    monkeypatch.setattr(trial, "SECONDS", 120.0)  # on a busy machine


def write(*ids):
    """Save solutions as the learner's parts."""
    for id in ids:
        turn = find(id)
        save(turn, turn.solution, vars(sys.modules[turn.course.__module__]))


def solid(diagram, accent):
    """How many boxes are filled with an accent."""
    color = THEMES["light"].accent(accent).lower()
    return sum(to_hex(patch.get_facecolor()) == color for patch in diagram.figure.findobj(FancyBboxPatch))


def outlined(diagram, accent):
    color = THEMES["light"].accent(accent).lower()
    return sum(to_hex(patch.get_edgecolor()) == color for patch in diagram.figure.findobj(FancyBboxPatch))


def notes(diagram):
    return {text.get_text() for text in diagram.figure.findobj(Text)}


def test_every_lesson_has_a_place():
    numbers = {re.match(r"\d+[ab]?", path.name)[0] for path in LESSONS.glob("[0-9]*.ipynb")}
    assert numbers | set(TOPICS) <= {"00", *(station.lesson for station in STATIONS)}


def test_in_an_empty_workbook_nothing_is_yours():
    for lesson in ("00", *(station.lesson for station in STATIONS)):
        diagram = drawn(lesson)
        assert "these are yours: none so far." in diagram.alt
        assert solid(diagram, GREEN) == 1  # the key
        assert outlined(diagram, ORANGE) == 1 + (lesson != "00")


def test_what_passed_is_yours():
    write("04.attention")
    some = drawn("04")
    assert f"yours: attention (1 of {len(turns('04'))})." in some.alt
    assert f"04 · 1 of {len(turns('04'))}" in notes(some)
    assert solid(some, GREEN) == 1
    write(*(turn.id for turn in turns("04")))
    every = drawn("04")
    assert every.alt.startswith("Diagram: You are here: attention (lesson 04). ")
    assert every.alt.endswith("yours: attention.")
    assert "✓ 04" in notes(every)
    assert solid(every, GREEN) == 2
    assert drawn("04").png() == every.png() != some.png()


def test_outside_a_notebook_it_is_told(capsys):
    show_map(lesson="11a")
    assert capsys.readouterr().out.startswith("Diagram: You are here: reasoning (lesson 11a). ")
    with pytest.raises(UserError, match="the map has no lesson '4'; give one of 00, 00a, 00b, 01, "):
        show_map(lesson="4")


def test_the_maps_that_are_stored_in_pages_have_todays_stations():
    stored = [path.read_text(encoding="utf-8") for path in LESSONS.glob("*.ipynb")]
    numbers = re.findall(r"You are here: .*? Of (\d+) stations", "\n".join(stored))
    assert len(numbers) >= 20
    assert set(numbers) == {str(len(STATIONS))}
