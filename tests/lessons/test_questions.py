"""Every question of the exercises: its inputs, its own right answer, and answers that mean harm."""

import math

import pytest
import torch
from answers import SEEDS, judged

from minillm.course.checks import ask, find, questions
from minillm.course.checks.asking import Forbidden
from minillm.course.checks.plain import Refused, difference, plain
from minillm.course.checks.question import Question
from minillm.course.contents import ASSIGNMENTS

# The shape checks of the test run would look at every one of many small calls, and this is what users meet.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

ALL = [question for number in ASSIGNMENTS for question in questions(number)]
IDS = [question.id for question in ALL]


@pytest.mark.parametrize("id", IDS)
def test_the_right_answer_by_which_a_check_judges_passes_it(id):
    for probe in find(id).probes:
        for seed in SEEDS:
            calls = find(id).calls(seed)[find(id).probes.index(probe)]
            assert probe.grade("answer", calls, ask(probe.right, calls)) is None


@pytest.mark.parametrize("id", IDS)
def test_a_seed_gives_the_same_inputs_again_and_another_one_others(id, monkeypatch):
    once, other = map(find(id).calls, SEEDS)
    monkeypatch.setattr(Question, "draws", Question.draws.__wrapped__)  # not the ones that are kept
    again = find(id).calls(SEEDS[0])
    assert again is not once
    assert difference(once, again) is None
    assert difference(once, other) is not None


@pytest.mark.parametrize("id", IDS)
def test_no_mistake_changes_its_input(id):
    question = find(id)
    for probe, calls in zip(question.probes, question.calls(0), strict=True):
        before = plain(calls)
        for answer in (probe.right, *(mistake.answer for mistake in probe.mistakes)):
            plain([answer(*call) for call in calls])
            assert difference(before, calls) is None


@pytest.mark.parametrize("id", IDS)
def test_what_goes_over_the_border_is_plain(id):
    question = find(id)
    for calls in question.calls(0):
        assert difference(calls, plain(calls)) is None
        for reply in ask(question.probes[0].right, calls):
            plain([reply.value, reply.trouble])


class Liar:
    """Equal to everything, of every length, with every attribute."""

    __class__ = torch.Tensor
    shape = torch.Size([1])

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __getattr__(self, name):
        return lambda *_, **__: self


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        return True if "eq" in str(function) or "close" in str(function) else torch.ones(2, 2)


class LyingList(list):
    def __eq__(self, other):
        return True

    def __len__(self):
        return 1


class LyingText(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class Bomb(BaseException):
    def __str__(self):
        raise SystemExit


def in_itself():
    own = []
    own.append(own)
    return own


def with_a_lying_method():
    tensor = torch.zeros(2, 2)
    tensor.detach = tensor.clone = tensor.double = tensor.is_complex = lambda: Liar()
    return tensor


def raising(error):
    def answer(*_):
        error.__traceback__ = None  # or each call would add its lines to those of all calls before
        raise error

    return answer


def endless(*arguments):
    return endless(*arguments)


def giving(make):
    return lambda *_: make()


HOSTILE = {
    "a lying __eq__": (giving(Liar), "is of type Liar"),
    "a tensor with __torch_function__": (giving(lambda: torch.ones(2, 2).as_subclass(LyingTensor)), "LyingTensor"),
    "a tensor with methods of its own": (giving(with_a_lying_method), "."),
    "a lying list": (giving(LyingList), "is of type LyingList"),
    "lying text in a list": (giving(lambda: [LyingText("a")]), "is of type LyingText"),
    "a generator": (giving(lambda: (number for number in range(9))), "which has computed nothing yet"),
    "a function": (giving(lambda: print), "is of type builtin_function_or_method"),
    "NaN": (giving(lambda: math.nan), "."),
    "a tensor of NaN": (giving(lambda: torch.full((3, 2), math.nan)), "."),
    "the wrong shape": (giving(lambda: torch.zeros(7, 7, 7)), "."),
    "an empty shell": (giving(lambda: torch.zeros(3, 3, device="meta")), "meta tensor"),
    "a sparse tensor": (giving(lambda: torch.eye(3).to_sparse()), "sparse"),
    "complex numbers": (giving(lambda: torch.ones(3, 3, dtype=torch.complex64)), "complex"),
    "a tensor larger than memory": (giving(lambda: torch.zeros(1).expand(10**9)), "too large"),
    "a list that holds itself": (giving(in_itself), "nested deeper"),
    "a list without an end": (giving(lambda: [0] * 10**6), "more than"),
    "a number without an end": (giving(lambda: 1 << 10**6), "too large"),
    "a number beyond 64 bits": (giving(lambda: [1 << 900]), "."),
    "ragged lists": (giving(lambda: [[1.0], [1.0, 2.0]]), "."),
    "an endless recursion": (endless, "goes more than 1,000 calls deep"),
    "SystemExit": (raising(SystemExit(0)), "raised SystemExit"),
    "GeneratorExit": (raising(GeneratorExit()), "raised GeneratorExit"),
    "an error that cannot be shown": (raising(Bomb()), "cannot be shown"),
    "a tensor of eight bits": (giving(lambda: torch.zeros(3, 3, dtype=torch.float8_e4m3fn)), "float8_e4m3fn; return"),
    "what torch lacks": (giving(lambda: torch.tensor([]).bincount()), "raised NotImplementedError: "),
    "an error of ours": (raising(Refused("is right; give it all points")), "returned something that"),
    "Forbidden itself": (raising(Forbidden("nothing")), "called nothing"),
    "nothing": (giving(lambda: None), "."),
    "a bare number": (7, "is of type int, not a function"),
}


@pytest.mark.parametrize("id", IDS)
def test_a_hostile_answer_does_not_pass_and_breaks_nothing(id):
    for name, (answer, expected) in HOSTILE.items():
        result = judged(id, answer, seed=0)
        assert not result.passed, name
        assert expected in str(result), name
        assert len(str(result)) < 2000, name


@pytest.mark.parametrize("id", IDS)
def test_the_stub_gets_nothing_and_is_told_why(id):
    def stub(*_):
        raise NotImplementedError()

    result = judged(id, stub, seed=0)
    assert result.points == 0
    assert result.failure.sentence == f"{find(id).function} is not written yet."
