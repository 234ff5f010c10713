"""The answers on file: right ones pass, wrong ones fail and are told why; and every known mistake is told its own name.

A mistake's own function is its first test. What is on file beside it is the smallest set in which every kind of answer
and of reply occurs (`tools/choose_answers.py`); the archive has all others (`test_archive.py`).
"""

import pytest
from answers import on_file

from minillm.course.checks import ask, questions
from minillm.course.contents import ASSIGNMENTS
from minillm.course.learner.box import Box
from minillm.course.learner.decorator import _help
from minillm.course.turns import all_turns

# The shape checks of the test run would look at every one of many small calls, and this is what users meet.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

TURNS = all_turns()
QUESTIONS = tuple(question for number in ASSIGNMENTS for question in questions(number))
BOTH = [pytest.param(each, id=each.id) for each in (*TURNS, *QUESTIONS)]
RIGHT = [pytest.param(answer, id=str(answer)) for answer in on_file() if answer.is_right]
WRONG = [pytest.param(answer, id=str(answer)) for answer in on_file() if not answer.is_right]


@pytest.mark.parametrize("answer", RIGHT)
def test_an_unusual_right_answer_passes(answer):
    assert all(told.right for told in answer.told), answer.told


@pytest.mark.parametrize("answer", WRONG)
def test_a_wrong_answer_fails_and_is_told_why(answer):
    for told in answer.told:
        assert not told.right
        assert answer.sentence in str(told)


@pytest.mark.parametrize("asked", BOTH)
def test_a_mistake_is_told_its_own_name(asked):
    """By the replies of its own function, among all mistakes that the probe knows: so none is said of another one."""
    for probe, (calls, *_) in zip(asked.probes, asked.draws(0), strict=True):
        for mistake in probe.mistakes:
            failure = probe.grade(asked.function, calls, ask(mistake.answer, calls))
            assert failure is not None, mistake.sentence
            assert mistake.sentence in failure.sentence


@pytest.mark.parametrize("turn", [pytest.param(turn, id=turn.id) for turn in TURNS])
def test_a_box_about_a_wrong_answer_has_at_most_60_words(turn):
    for answer in on_file():
        if answer.id == turn.id and not answer.is_right:
            lines = _help(turn, answer.thing, answer.verdict, f"the course's `{turn.name}`")
            assert Box("", "not right yet", tuple(lines)).words <= 60, answer


@pytest.mark.parametrize("asked", BOTH)
def test_a_right_answer_of_ones_own_counts_as_written(asked):
    """A probe that calls the course's version itself would take every answer for a call of that."""
    told = [told for answer in on_file() if answer.id == asked.id and answer.is_right for told in answer.told]
    assert any(each.right and not each.ready_made for each in told)
