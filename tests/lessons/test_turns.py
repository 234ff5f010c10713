"""Every turn: its texts, its place on the page, its solution and its inputs."""

import ast
import re

import pytest

from minillm.course.checks.plain import difference, plain
from minillm.course.contents import TOPICS
from minillm.course.learner.source import is_unwritten
from minillm.course.learner.trial import try_out
from minillm.course.learner.turn import Turn
from minillm.course.pages import read_page, turns_in
from minillm.course.turns import all_turns, find, turns
from minillm.course.workbook import course_pages, number_of
from minillm.errors import UserError

# The shape checks of the test run would look at every one of many small calls, and this is what users meet.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

LESSONS = [
    pytest.param(path, id=path.stem)
    for name, path in course_pages().items()
    if number_of(name) in TOPICS and not ("/" in name or name.endswith("_lab.ipynb"))
]
TURNS = [pytest.param(turn, id=turn.id) for turn in all_turns()]


@pytest.mark.parametrize("turn", TURNS)
def test_no_hint_is_the_solution(turn):
    """The first is a question, and none holds an expression of the solution that takes more than one call."""
    assert "?" in turn.hints[0]
    solution = re.sub(r"\s", "", turn.solution)
    for code in (piece for hint in turn.hints for piece in hint.split("`")[1::2]):
        assert len(re.findall(r"[A-Za-z_]+\(", code)) <= 1, code
        assert len(code) <= 16 or re.sub(r"\s", "", code) not in solution, code


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_says_how_long_it_takes_and_what_comes_after_it(turn):
    assert 2 <= turn.minutes <= 20
    assert 1 <= turn.difficulty <= 5
    assert turn.debrief.why.endswith("?")
    assert turn.debrief.production.endswith(".")


@pytest.mark.parametrize("path", LESSONS)
def test_turns_are_in_the_order_of_the_page(path):
    """`mine.report()` lists them so, and a turn that passes asks for those before it."""
    asked = [find(id) for id in turns_in(read_page(path))]
    assert list(turns(path.name.partition("_")[0])) == asked


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_is_complete(turn):
    assert turn.id.partition(".")[0] in TOPICS
    assert len(turn.hints) == 3
    assert sum(len(probe.mistakes) for probe in turn.probes) >= 6
    assert all(text.endswith((".", "?")) for text in turn.hints)
    told = [(mistake.sentence, mistake.hint) for probe in turn.probes for mistake in probe.mistakes]
    assert all(text.endswith((".", "?")) for pair in told for text in pair)
    assert len(set(told)) == len(told)
    assert all(text.endswith((".", "?", ".)")) for text in turn.errors.values())
    texts = [*turn.hints, *turn.errors.values(), *(text for pair in told for text in pair)]
    assert all(text.count("`") % 2 == 0 for text in texts)


def test_names_are_unique_and_unknown_ones_are_answered():
    names = [turn.name for turn in all_turns()]
    assert len(set(names)) == len(names)
    assert turns("99") == ()
    with pytest.raises(
        UserError, match=r"no turn is called '04.atention'; there are 00.next_token, .*00b.sgd_step, .*04.attention"
    ):
        find("04.atention")


@pytest.mark.parametrize("turn", TURNS)
def test_the_solution_passes_its_own_turn_and_the_stub_is_unwritten(turn):
    assert try_out(turn, turn.course, turn.solution).state == "right"
    assert not is_unwritten(turn.solution)
    assert is_unwritten(turn.stub)
    assert try_out(turn, turn.course, turn.stub).state == "not written yet"
    assert ast.parse(turn.stub).body[0].name == turn.name


@pytest.mark.parametrize("turn", TURNS)
def test_inputs_depend_on_the_seed_alone_and_no_mistake_changes_them(turn):
    for seed in (0, 1):
        for probe, calls in zip(turn.probes, turn.calls(seed), strict=True):
            before = plain(calls)
            for answer in (probe.right, *(mistake.answer for mistake in probe.mistakes)):
                plain([answer(*call) for call in calls])
            assert difference(before, calls) is None
    once = turn.calls(0)
    Turn.draws.cache_clear()
    assert difference(once, turn.calls(0)) is None
