"""The page that a student gets: what to do first, one example that fits, and nothing that runs."""

import html
import re

import pytest

from minillm.course.grading.decisions import Deadline, Decision, score
from minillm.course.grading.feedback import MAX_VALUE, example_of, page_of
from minillm.course.grading.grade import Record

LONG = f"in f({[[0.1, 0.2]] * 200}) the result has 0.2208 in place of 0.2293 at [0, 1, 0]."


def result(number, got, sentence="", seen="f(2) gave 5; right is 4.", private=()):
    probes = ["one", "two", "three"]
    failure = {"sentence": sentence, "seen": seen, "hint": "Half of it."} if sentence else None
    return {"question": f"04.{number}", "title": "Twice", "points": got, "possible": 3, "probes": probes,
            "passed": got == 3, "failure": failure, "function": f"f{number}", "private": list(private)}  # fmt: skip


def page(*results, cells=(), decisions=(), **others):
    record = Record("Ann <b>", "04", "key", list(results), **others)
    return page_of(score(record, Deadline(), decisions), cells)


def plain(text):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", text.replace("</td>", " "))))


def test_what_to_do_first_is_what_is_wrong_and_not_what_is_unwritten():
    text = plain(page(result(1, 3), result(2, 0, "f2 is not written yet."), result(3, 2, "It is squared.")))
    assert "04_attention: 5 of 9 points" in text
    assert "Start with 04.3: It is squared." in text
    assert "3 of 3 All tests passed." in text
    assert "0 of 3 Not written yet." in text
    assert "2 of 3 tests passed, and the next failed: three." in text
    assert "Start with 04.2: f2 is not written yet." in plain(page(result(2, 0, "f2 is not written yet.")))
    assert "Start with" not in plain(page(result(1, 3)))


def test_what_was_not_tried_is_said_in_words():
    rest = "The other 2 were not tried, so nothing is known about them."
    assert f"The first test failed: one. {rest}" in plain(page(result(1, 0, "It is squared.")))
    assert "The last was not tried, so nothing is known about it." in plain(page(result(1, 1, "It is squared.")))


def test_an_example_fits_the_width_and_is_short():
    (_, call), (_, seen) = example_of(LONG)
    assert len(call) <= MAX_VALUE + 5
    assert seen == "has 0.2208 in place of 0.2293 at [0, 1, 0]"
    text = page(result(1, 0, "It is squared.", LONG))
    assert "overflow-wrap: anywhere" in text
    assert "overflow-x" not in text


def test_the_page_says_how_to_appeal_and_shows_decisions():
    text = page(result(1, 1, "It is squared."), decisions=[Decision("Ann <b>", "04.1", 2.0, 0, "a <i>slip</i>")])
    assert "Is something not right?" in text
    assert "2 points. a &lt;i&gt;slip&lt;/i&gt;" in text
    assert "Ann &lt;b&gt;" in text


def test_a_private_test_keeps_what_it_tried():
    text = plain(page(result(1, 0, "It is squared.", private=["one"])))
    assert "one of your teacher's private tests" in text
    assert "gave 5" not in text
    assert "It is squared." not in text


@pytest.mark.parametrize("source", ["def f1(): return '</pre><script>1</script>'", "x = '\ud800'", "{{ 7 * 7 }}"])
def test_code_is_text(source):
    text = page(result(1, 3), cells=[("cell 1", source)])
    assert "<script" not in text
    assert "49" not in text
    assert "default-src 'none'" in text
    text.encode("utf-8")


def test_the_code_of_a_module_is_shown_as_an_answer():
    text = page(result(1, 3), cells=[("cell 1", "%%writefile own.py\ndef f1(): return 1"), ("cell 2", "import own")])
    assert "<pre>def f1(): return 1</pre>" in text
    assert "%%writefile" not in text


def test_nothing_handed_in_is_no_zero():
    text = plain(page(result(1, 0), missing=True, troubles=["it is not a zip file"]))
    assert "nothing that can be graded" in text
    assert "it is not a zip file" in text
    assert "of 3" not in text
