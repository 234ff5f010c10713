"""minillm workbook: what it says, in one sentence for each thing that somebody has to know."""

import json

import pytest
from click.testing import CliRunner

from minillm.assets import AssetError
from minillm.cli import main
from minillm.course import home, workbook
from minillm.course.turns import turns


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of lessons 04, with its first turn, and 06, and an exercise."""
    monkeypatch.setattr(workbook, "COURSE", tmp_path)
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    write(tmp_path / "notebooks" / "04_attention.ipynb", f'@your_turn("04.causal_mask")\n{turns("04")[0].stub}')
    write(tmp_path / "notebooks" / "06_all.ipynb", "6")
    write(tmp_path / "exercises" / "04_attention" / "04_attention.ipynb", "4")
    return tmp_path


def write(path, source):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}), encoding="utf-8")


def run(*arguments, status=0):
    result = CliRunner().invoke(main, ["workbook", *arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_it_says_what_it_did_and_nothing_if_it_did_nothing(course):
    book = course / "workbook"
    assert run() == f"Your workbook is {book}: 2 lessons and labs, 1 exercises.\n"
    assert run() == ""
    write(course / "notebooks" / "06_all.ipynb", "7")
    write(course / "notebooks" / "07_new.ipynb", "7")
    (book / "exercises/04_attention/04_attention.ipynb").unlink()
    assert run().splitlines() == [
        "New in your workbook: 07_new.ipynb, exercises/04_attention.",
        "Renewed, since nobody had written in them: 06_all.ipynb.",
    ]
    write(book / "06_all.ipynb", "mine")
    write(course / "notebooks" / "06_all.ipynb", "8")
    (course / "notebooks" / "07_new.ipynb").unlink()
    (book / "04_attention.ipynb").write_text("{", encoding="utf-8")
    kept, left, gone = run().splitlines()
    assert kept == (
        "Kept with what was written in them, though the course has newer versions: 06_all.ipynb. "
        "`python3 start.py reset 06` takes the new one and keeps yours beside it."
    )
    assert left.startswith("04_attention.ipynb is left alone: this is not complete JSON (")
    assert left.endswith(". `python3 start.py reset 04` puts a fresh one there and keeps this one beside it.")
    assert gone == "No longer part of the course, and kept: 07_new.ipynb."


def test_a_page_is_put_back_and_the_turns_before_it_are_filled_in(course):
    run()
    assert run("--reset", "06") == "06_all.ipynb is as the course has it.\n"
    write(course / "workbook" / "06_all.ipynb", "mine")
    write(course / "workbook" / "04_attention.ipynb", '@your_turn("04.causal_mask")\ndef causal_mask(T):\n    return 3')
    put_back, copied, filled = run("--reset", "06", "--solved").splitlines()
    assert put_back.startswith("06_all.ipynb is as the course has it. Yours is beside it: 06_all (")
    assert copied.startswith("You had written in a page that was filled in; as it was, it is 04_attention (")
    assert filled == (
        "Filled in before lesson 06, and saved in mine/: 00.next_token, 00.surprise, 00a.join_heads, "
        "00a.batched_product, 00a.softmax, 00b.cross_entropy, 00b.backward, 00b.sgd_step, 01.count_pairs, 01.merge, "
        "01.learn, 01.encode, 02.embed, 02.nearest, 02.analogy, 03.sinusoids, 03.rotate_pair, 03.rotate, "
        "04.causal_mask, 04.attention, 04.heads, 04.grouped, 05.feed_forward, 05.recall, 05.write_fact."
    )
    assert run("--reset", "06", "--solved").splitlines()[-1] == "No turn before lesson 06 was missing."


def test_the_page_that_opens_the_course_is_written_or_a_sentence_says_why_not(course):
    run()
    page = course / "workbook" / home.NAME
    assert page.read_text(encoding="utf-8").startswith("# Write a language model yourself")
    page.unlink()
    page.mkdir()
    said = run()
    assert said.startswith(f"{page} cannot be written (")
    assert said.endswith("); move it away\n")


def test_assets_are_fetched_first_and_the_course_goes_on_without_them(course, monkeypatch):
    asked = []

    def fetch(name):
        asked.append(name)
        if name == "b":
            raise AssetError("cannot fetch 'b'. Check the network")

    monkeypatch.setattr("minillm.assets.fetch", fetch)
    said = run("--fetch", "a", "--fetch", "b")
    assert asked == ["a", "b"]
    assert "cannot fetch 'b'. Check the network\nContinuing without b; the next start tries again.\n" in said
    assert "Your workbook is" in said


def test_what_cannot_be_meant_is_told(course):
    assert "there is no page '99'; the lessons are 04, 06, and an exercise is exercises/NN" in run(
        "--reset", "99", status=1
    )
    assert not (course / "workbook").exists()
    assert "--solved belongs to --reset NN: it fills in the turns of the lessons" in run("--solved", status=1)
    (course / "workbook").write_text("a file")
    assert "the workbook cannot be used at" in run(status=1)
