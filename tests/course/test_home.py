"""The page that opens the course: what it shows, that it is written whole, and that it never stops a lesson."""

import json
import os
import re
import sys

import pytest

from minillm.course import home, progress, workbook
from minillm.course.learner import loading
from minillm.course.turns import turns
from minillm.errors import UserError

TURNS = turns("04")[:3]  # of the lesson in these tests


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A workbook of a lesson 00 and a lesson 04 with its turns, two labs and exercise."""
    monkeypatch.setattr(workbook, "COURSE", tmp_path / "course")
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    asked = [f'@your_turn("{turn.id}", minutes=8, difficulty=2)\n{turn.stub}' for turn in TURNS]
    for name, title, cells in (
        ("notebooks/00_the_map", "# 00 · The map: a | b <c>\n**Time**: 55 minutes", ["1", "2"]),
        ("notebooks/04_attention", "# 04 · Attention\n**Time**: 65 minutes", asked),
        ("notebooks/04_attention_data_lab", "# 04 data lab · Attention", ["3"]),
        ("notebooks/04_attention_lab", "# 04 lab · Attention", ["3"]),
        ("exercises/04_attention/04_attention", "# Exercise", ["4"]),
    ):
        path = tmp_path / "course" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [{"cell_type": "code", "source": source} for source in cells]
        path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": title}, *cells]}), encoding="utf-8")
    workbook.lay_out()
    return tmp_path / "workbook"


def lines(page):
    """The text of the page without its pictures."""
    return [line for line in page.read_text(encoding="utf-8").splitlines() if line and "base64" not in line]


def save(path, at):
    """A copy as JupyterLab saves it, at a time, with its cells run."""
    page = json.loads(path.read_text(encoding="utf-8"))
    for number, cell in enumerate(page["cells"]):
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
    path.write_text(json.dumps(page), encoding="utf-8")
    os.utime(path, (at, at))


def test_a_fresh_page_begins_with_the_first_lesson(book):
    assert lines(home.write()) == [
        "# Write a language model yourself",
        '<p class="minillm-go"><a href="00_the_map.ipynb">Begin with 00 · The map</a> 55 minutes</p>',
        "0 of 2 lessons done · 0 of 3 parts yours · about 2 hours to go",
        "| Lesson | Minutes | | |",
        "| --- | ---: | --- | --- |",
        '| [00 · The map](00_the_map.ipynb) <span class="minillm-about">a &#124; b &lt;c&gt;</span> '
        "| 55 | not begun |  |",
        "| [04 · Attention](04_attention.ipynb) | 65 | not begun | [lab](04_attention_lab.ipynb) · "
        "[data lab](04_attention_data_lab.ipynb) · [exercise](exercises/04_attention/04_attention.ipynb) |",
        f"*{home.OURS}*",
    ]


def test_the_page_of_somebody_who_has_begun(book):
    save(book / "00_the_map.ipynb", at=1e9)
    turn, following, _ = TURNS
    loading.save(turn, turn.solution, vars(sys.modules[turn.course.__module__]))
    progress.keep_points({"04": (3, 10)})
    text = "\n".join(lines(home.write()))
    assert (
        '<a href="04_attention.ipynb">Go on with 04 · Attention</a> '
        f"your turn: {following.title} · 65 minutes · 1 of 3 parts yours</p>"
    ) in text
    assert "1 of 2 lessons done · 1 of 3 parts yours · 3 of 10 points in the exercises" in text
    assert "| 55 | ✓ done |" in text
    assert "[exercise](exercises/04_attention/04_attention.ipynb) 3 of 10 |" in text
    workbook.catch_up("05")
    text = "\n".join(lines(home.write()))
    assert '<p class="minillm-go">All lessons are done. Well done!</p>' in text


def test_every_link_leads_to_a_page_of_the_workbook(book):
    text = home.write().read_text(encoding="utf-8")
    links = re.findall(r"""\]\(([^)]+)\)|href="([^"]+)""", text)
    assert len(links) == 6
    assert all((book / (first or second)).is_file() for first, second in links)


def test_the_map_is_there_for_both_themes_with_what_it_shows(book):
    (line,) = [line for line in home.write().read_text(encoding="utf-8").splitlines() if "base64" in line]
    pictures = re.findall(r'<img class="minillm-(\w+)" alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)">', line)
    assert [theme for theme, _, _ in pictures] == ["light", "dark"]
    assert all("The whole model" in alt for _, alt, _ in pictures)
    assert pictures[0][2] != pictures[1][2]


def test_the_same_state_gives_the_same_bytes_and_an_edited_page_is_written_over(book):
    page = home.write()
    first, when = page.read_bytes(), page.stat().st_mtime_ns
    home.write()
    assert page.stat().st_mtime_ns == when, "nothing is written where nothing has changed"
    page.write_text("mine", encoding="utf-8")
    home.renew()
    assert page.read_bytes() == first


def test_the_map_is_drawn_once_for_each_state(book, monkeypatch):
    first = home.write().read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(home, "drawn", None)
        assert home.write().read_bytes() == first
        turn = TURNS[0]
        loading.save(turn, turn.solution, vars(sys.modules[turn.course.__module__]))
        with pytest.raises(TypeError):
            home.write()
    assert home.write().read_bytes() != first


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": 3, "text": 4}', '{"state": "another", "text": "<p></p>"}'])
def test_a_damaged_map_is_drawn_again(book, text):
    first = home.write().read_bytes()
    (book / home.MAP).write_text(text, encoding="utf-8")
    assert home.write().read_bytes() == first


def test_a_page_that_cannot_be_written_is_told_and_never_stops_a_lesson(book, monkeypatch):
    (book / home.NAME).mkdir()
    with pytest.raises(UserError, match=r"Home\.md cannot be written \(.*\); move it away"):
        home.write()
    home.renew()

    def broken():
        raise RuntimeError("of our own making")

    monkeypatch.setattr(home, "lesson_progress", broken)
    home.renew()


def test_no_workbook_is_made_for_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    home.renew()
    assert not (tmp_path / "workbook").exists()
