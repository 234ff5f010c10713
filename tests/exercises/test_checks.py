"""The checks against answers on file: wrong ones are rejected by name, right ones accepted, hostile ones do no harm."""

import json
import math
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from answers import SEEDS, judged, kill_rate, load_all

from minillm.course.checks import ask, check, find, questions
from minillm.course.contents import ASSIGNMENTS
from minillm.course.checks.asking import Forbidden, OutOfTime, watched_call
from minillm.course.checks.plain import Refused, difference, plain, show
from minillm.course.checks.probe import Mistake, Probe
from minillm.course.checks.question import Question
from minillm.course.checks.time_limit import time_limit

# The shape checks of the test run look at every one of some million small calls; the doctests run with them.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

EXERCISES = Path(__file__).resolve().parents[2] / "exercises"
ALL = [question for number in ASSIGNMENTS for question in questions(number)]
IDS = [question.id for question in ALL]
WRONG = [pytest.param(answer, id=str(answer)) for answer in load_all() if answer.mistake]
RIGHT = [pytest.param(answer, id=str(answer)) for answer in load_all() if not answer.mistake]


@pytest.mark.parametrize("seed", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[1:])])
@pytest.mark.parametrize("answer", WRONG)
def test_a_wrong_answer_is_rejected_and_its_mistake_named(answer, seed):
    result = judged(answer.question, answer.function, seed)
    assert not result.passed
    assert result.points < result.possible
    assert answer.mistake in result.failure.sentence, str(result)


@pytest.mark.parametrize("answer", RIGHT)
def test_an_unusual_right_answer_is_accepted(answer):
    for seed in SEEDS:
        result = judged(answer.question, answer.function, seed)
        assert result.passed, f"seed {seed}: {result}"
        assert result.points == result.possible == len(result.probes)


def test_every_question_has_its_answers_on_file():
    wrong = Counter(answer.question for answer in load_all() if answer.mistake)
    right = Counter(answer.question for answer in load_all() if not answer.mistake)
    assert {id: wrong[id] >= 4 and right[id] >= 1 for id in IDS} == dict.fromkeys(IDS, True)
    assert set(wrong) | set(right) == set(IDS)


def test_every_named_mistake_is_made_by_an_answer_on_file():
    """A sentence that no wrong answer brings out may never be said; or it may be said of something else."""
    said = {answer.question: [] for answer in load_all()}
    for answer in load_all():
        if answer.mistake:
            said[answer.question].append(judged(answer.question, answer.function, 0).failure.sentence)
    for question in ALL:
        named = {mistake.sentence for probe in question.probes for mistake in probe.mistakes}
        assert named <= set(said[question.id]), named - set(said[question.id])


@pytest.mark.parametrize("id", IDS)
def test_every_named_mistake_has_a_near_miss_on_file(id):
    """An answer that fails in the same probe, and of which the sentence is not said: it is not said of everything."""
    failed: dict[str, list[str]] = {}  # by the name of the probe, what is said of the answers that fail in it
    for answer in load_all():
        if answer.question == id and answer.mistake:
            result = judged(id, answer.function, 0)
            failed.setdefault(result.probes[result.points], []).append(result.failure.sentence)
    by_sentence: dict[str, list[str]] = {}
    for probe in find(id).probes:
        for mistake in probe.mistakes:
            by_sentence.setdefault(mistake.sentence, []).extend(failed.get(probe.name, []))
    missing = [words for words, said in by_sentence.items() if not any(words not in other for other in said)]
    assert not missing


def test_the_readme_counts_the_answers_on_file():
    text = (EXERCISES / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    assert f"{len(ALL)} questions: {len(WRONG)} of {len(WRONG)} wrong answers are rejected" in text
    assert f"{len(RIGHT)} of {len(RIGHT)} unusual right ones accepted" in text


@pytest.mark.slow
def test_the_kill_rate_is_a_sentence_for_the_readme(capsys):
    n_wrong, n_right = len(WRONG), len(RIGHT)
    sentence = kill_rate()
    with capsys.disabled():
        print(f"\n{sentence}")
    assert sentence.startswith(f"{len(ALL)} questions: {n_wrong} of {n_wrong} wrong answers")
    assert f"{n_right} of {n_right} unusual right ones" in sentence
    text = (EXERCISES / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    assert sentence in text, "exercises/README.md tells another kill rate"


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
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_does_not_pass_and_breaks_nothing(id, name):
    answer, expected = HOSTILE[name]
    result = judged(id, answer, seed=0)
    assert not result.passed
    assert any(part in str(result) for part in expected.split("|")), str(result)
    assert len(str(result)) < 2000


@pytest.mark.parametrize("id", IDS)
def test_the_stub_gets_nothing_and_is_told_why(id):
    def stub(*_):
        raise NotImplementedError()

    result = judged(id, stub, seed=0)
    assert result.points == 0
    assert result.failure.sentence == f"{find(id).function} is not written yet."


def test_ctrl_c_still_stops_a_check():
    with pytest.raises(KeyboardInterrupt):
        judged("04.3", raising(KeyboardInterrupt()), seed=0)


def test_check_prints_what_a_learner_needs_and_returns_what_a_program_needs(capsys):
    def window_too_wide(T, S, window, sinks):
        print("noise of the learner's own")
        query, key = torch.arange(S - T, S)[:, None], torch.arange(S)
        return (key <= query) & ((query - key <= window) | (key < sinks))

    result = check("04.3", window_too_wide)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out == f"{result}\n"
    assert "04.3 A window, and a sink: 0 of 3 points" in printed.out
    assert "The window is one position too wide." in printed.out
    assert "Seen: in window_mask(4, 4, 2, 0) the result has True in place of False at [2, 0]." in printed.out
    assert "Hint: A window of 2 is the token itself and one before it" in printed.out
    told = json.loads(json.dumps(result.to_dict()))
    assert told["points"] == 0
    assert told["passed"] is False
    assert told["failure"]["sentence"] == "The window is one position too wide."
    assert result.failure.example == (4, 4, 2, 0)


def test_points_are_those_of_the_rungs_before_the_first_that_fails():
    def window_only(T, S, window, sinks):
        return torch.ones(T, S, dtype=torch.bool).tril(S - T).triu(S - T - window + 1)

    result = judged("04.3", window_only, seed=0)
    assert (result.points, result.possible) == (1, 3)
    lines = str(result).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["passed", "FAILED", "not"]


def test_a_warning_costs_nothing(capsys, recwarn):
    import warnings

    def noisy(T, S, window, sinks):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        position = torch.arange(S - T, S)[:, None]
        key = torch.arange(S)
        return (key <= position) & ((position - key < window) | (key < sinks))

    assert judged("04.3", noisy, seed=0).passed
    assert not recwarn.list
    assert capsys.readouterr().err == ""


def test_a_probe_whose_mistake_cannot_be_told_from_the_right_answer_is_refused():
    probe = Probe("largest", lambda rng: [(1, 2)], max, [Mistake("It takes the larger.", "Do not.", max)])
    with pytest.raises(AssertionError, match="probe 'largest' draws no input that tells its mistakes apart"):
        probe.calls(random.Random(0))


def test_a_mistake_is_named_only_if_it_explains_all_draws():
    def answer(number):
        return number + 6

    squared = Mistake("It is the square.", "Twice is a sum.", lambda number: number**2)
    probe = Probe("twice", lambda rng: [(3,)], lambda number: 2 * number, [squared])
    draws = [(calls, ask(answer, calls)) for calls in ([(3,)], [(4,)])]
    assert probe.grade("twice", *draws[0]).sentence == squared.sentence
    assert squared.sentence not in probe.grade("twice", *draws[0], draws).sentence
    draws[1] = draws[1][0], ask(squared.answer, draws[1][0])
    assert probe.grade("twice", *draws[0], draws).sentence == squared.sentence


def test_an_unknown_question_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"no question is called '99.1'; there are 00a.1, 00a.2"):
        check("99.1", print)


def test_the_line_of_the_error_is_told():
    def answer(T, S, window, sinks):
        return torch.zeros(T) @ torch.zeros(S + 1)

    sentence = judged("04.3", answer, seed=0).failure.sentence
    assert sentence.startswith("window_mask raised RuntimeError: ")
    assert sentence.endswith("in the line: return torch.zeros(T) @ torch.zeros(S + 1).")


def test_an_input_that_was_changed_is_noticed_and_the_next_call_gets_a_fresh_one():
    def eats(words):
        return words.popitem()[0][:2]

    reply = ask(eats, [({(1, 2): 3},), ({(1, 2): 3},)])
    assert [one.trouble for one in reply] == ["changed the input that it was given; work on a copy"] * 2


def test_a_default_that_holds_what_earlier_calls_left_is_named_if_it_changes_the_result():
    def total(numbers, seen=[]):  # noqa: B006
        seen.extend(numbers)
        return sum(seen)

    def by_name(numbers, *, seen={}):  # noqa: B006
        seen[len(seen)] = sum(numbers)
        return sum(seen.values())

    def breaks(numbers, seen=set()):  # noqa: B006
        if seen:
            raise ValueError
        seen.update(numbers)
        return sum(numbers)

    calls = [([1, 2],), ([3],), ([4],)]
    for answer in (total, by_name, breaks):
        assert [one.kept for one in ask(answer, calls)] == [None, "seen", "seen"]
        assert [one.kept for one in ask(answer, calls)] == ["seen"] * 3  # of the call before the first, too
        probe = Probe("sum", lambda rng: calls, sum)
        assert "`seen` still holds what earlier calls" in probe.grade("sum", calls, ask(answer, calls)).sentence


_NUMBERS, _SUMS, _BEST = [], Counter(), []


def test_a_list_outside_the_function_that_holds_what_earlier_calls_left_is_named_if_it_changes_the_result():
    def total(numbers):
        _NUMBERS.extend(numbers)
        return sum(_NUMBERS)

    def by_helper(numbers):
        def count(number):
            _SUMS["all"] += number

        for number in numbers:
            count(number)
        return _SUMS["all"]

    def rebound(numbers):
        global _BEST
        _BEST = torch.tensor(numbers)  # neither true nor false
        return int(_BEST.sum())

    calls = [([1, 2],), ([3],), ([4],)]
    assert [one.kept for one in ask(total, calls)] == [None, "_NUMBERS", "_NUMBERS"]
    assert [one.kept for one in ask(by_helper, calls)] == [None, "_SUMS", "_SUMS"]
    assert [(one.value, one.kept) for one in ask(rebound, calls)] == [(3, None), (3, None), (4, None)]
    assert _NUMBERS == [1, 2, 3, 4]  # as the calls left it
    probe = Probe("sum", lambda rng: calls, sum)
    assert "`_NUMBERS` still holds what earlier calls" in probe.grade("sum", calls, ask(total, calls)).sentence


def test_a_default_that_changes_no_result_is_not_named():
    def squared(number, known={}):  # noqa: B006
        if number not in known:
            known[number] = number**2
        return known[number]

    def wrong(number, known={}):  # noqa: B006
        known[number] = True
        return number + 1

    calls = [(2,), (3,), (2,), (3,)]
    for answer in (squared, wrong):
        assert [one.kept for one in ask(answer, calls)] == [None] * 4
    failure = Probe("squares", lambda rng: calls, lambda number: number**2).grade("f", calls, ask(wrong, calls))
    assert "earlier calls" not in failure.sentence


def test_a_gradient_that_is_left_in_the_input_is_noticed():
    def by_backward(weight):
        weight.requires_grad_()
        (weight**2).sum().backward()
        return weight.grad.clone()

    def switched_off_again(weight):
        found = by_backward(weight)
        weight.requires_grad_(False)
        return found

    def on_a_copy(weight):
        return by_backward(weight.clone())

    call = (torch.ones(2),)
    for answer in (by_backward, switched_off_again):
        assert "changed `requires_grad` or `grad` of the input" in ask(answer, [call])[0].trouble
    assert ask(lambda pair: by_backward(pair[0]["w"]), [([{"w": torch.ones(2)}],)])[0].trouble is not None
    assert ask(on_a_copy, [call])[0].trouble is None


@pytest.mark.parametrize(
    ("answer", "argument", "is_input"),
    [
        (lambda x: x, torch.ones(2), True),
        (lambda x: x.view(2, 1), torch.ones(2), True),
        (lambda x: (1.0, x), torch.ones(2), True),
        (lambda x: x, [1, 2], True),
        (lambda x: [x[0]], [{"a": 1}], True),
        (lambda x: x["a"], {"a": torch.ones(2)}, True),
        (lambda x: x.clone(), torch.ones(2), False),
        (lambda x: dict(x), {"a": torch.ones(2)}, False),
        (lambda x: list(x), [1, 2], False),
        (lambda x: x, 1, False),
        (lambda x: x, torch.ones(0), False),
    ],
)
def test_an_input_that_comes_back_itself_is_noticed_where_a_new_value_is_asked_for(answer, argument, is_input):
    (reply,) = ask(answer, [(argument,)], fresh=True)
    assert (reply.trouble is not None) == is_input
    assert reply.value is not None
    assert ask(answer, [(argument,)])[0].trouble is None


def test_a_wrong_result_is_told_before_an_input_that_comes_back():
    probe = Probe("sorted", lambda rng: [([2, 1],), ([1, 2],)], sorted)
    wrong, right = (
        ask(answer, probe.calls(None), fresh=True) for answer in (lambda x: x, lambda x: sorted(x, key=abs))
    )
    assert probe.grade("order", probe.calls(None), wrong).sentence == "The result is `iterable` as it came in."
    assert probe.grade("order", probe.calls(None), right) is None
    half = ask(lambda x: x if x == [1, 2] else [1, 2], probe.calls(None), fresh=True)
    assert probe.grade("order", probe.calls(None), half).sentence.startswith("order returned its input itself")


def test_an_endless_loop_is_stopped_and_the_rest_is_not_asked(monkeypatch, capsys):
    asked = []

    def endless(T, S, window, sinks):
        asked.append(T)
        while True:
            try:
                math.sqrt(len(asked))
            except Exception:
                continue

    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0
    monkeypatch.setattr("minillm.course.checks.SECONDS", 0.2)
    result = check("04.3", endless)
    assert len(asked) == 1
    late = "took longer than 0 seconds; does a loop in it never end, or does it try too many ways?"
    assert result.failure.sentence == f"window_mask {late}"
    assert str(result) in capsys.readouterr().out
    assert (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0) == before


def test_only_computing_counts_so_that_a_busy_machine_stops_nobody():
    """While another process has the processor, this one does what a sleeper does: nothing."""
    with time_limit(0.05):
        time.sleep(0.3)


def test_one_that_waits_without_an_end_is_stopped_by_the_clock(monkeypatch):
    monkeypatch.setattr(sys.modules[time_limit.__module__], "WAITING", 0.1)
    with pytest.raises(OutOfTime), time_limit(0.05):
        threading.Event().wait()


def test_without_the_main_thread_there_is_no_limit_and_no_error():
    def limited():
        with time_limit(0.01):
            time.sleep(0.1)
        done.append(True)

    done = []
    thread = threading.Thread(target=limited)
    thread.start()
    thread.join()
    assert done == [True]


def test_what_is_too_large_to_be_right_is_not_copied_into_lists():
    """Copied for every call and every mistake, two million numbers took 41 seconds."""
    huge = torch.zeros(2, 1_000_000)
    assert difference([1, 2], huge) == "is a tensor (2, 1000000) in place of [1, 2]"
    assert difference(1, huge) == "is a tensor (2, 1000000) in place of 1"
    assert difference(torch.ones(2), list(huge)).startswith("is [a tensor (1000000,)")
    assert show([list(range(50_000))] * 2) == show([list(range(200))])


def test_what_is_forbidden_is_found_by_whatever_name():
    kernel = torch.nn.functional.scaled_dot_product_attention
    ones = torch.ones(1, 1, 2, 2)
    with pytest.raises(Forbidden, match=r"torch\.nn\.functional\.scaled_dot_product_attention"):
        watched_call(lambda: kernel(ones, ones, ones), (), ["torch.nn.functional.scaled_dot_product_attention"])
    with pytest.raises(Forbidden, match=r"torch\.nn\.modules\.activation\.MultiheadAttention\.__init__"):
        watched_call(torch.nn.MultiheadAttention, (4, 2), ["torch.nn.MultiheadAttention"])
    with pytest.raises(Forbidden, match=r"torch\.Tensor\.sum_to_size"):
        watched_call(lambda: torch.Tensor.sum_to_size(ones, 1), (), ["torch.Tensor.sum_to_size"])
    assert watched_call(lambda: kernel(ones, ones, ones), (), ["minillm"]).shape == ones.shape


def test_after_a_call_nothing_is_watched_any_more():
    with pytest.raises(Forbidden):
        watched_call(lambda: json.dumps(1), (), ["json"])
    with pytest.raises(ZeroDivisionError):
        watched_call(lambda: 1 / 0, (), ["json"])
    assert json.dumps(1) == "1"


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), torch.tensor([1, 2])),
        (torch.nn.Parameter(torch.ones(2)), torch.ones(2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (bytearray(b"x"), b"x"),
        ((1, [None, True]), (1, [None, True])),
    ],
)
def test_harmless_relatives_become_plain(value, copy):
    made = plain(value)
    assert type(made) is type(copy)
    assert difference(copy, made) is None


def test_a_copy_is_independent_and_has_no_gradient():
    tensor = torch.ones(2, requires_grad=True)
    copy = plain(tensor)
    assert not copy.requires_grad
    with torch.no_grad():
        tensor[0] = 5
    assert copy.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("right", "got", "words"),
    [
        (1, 1.0, None),
        (1.0, 1.00001, None),
        (1, True, None),
        (1, 2, "has 2 in place of 1"),
        (1.0, math.nan, "has nan in place of 1.0"),
        (None, 0, "has 0 in place of None"),
        ("1", 1, "has 1 in place of '1'"),
        (b"a", "a", "has 'a' in place of b'a'"),
        ([1, 2], torch.tensor([1, 2]), None),
        ([1, 2], [1], "has the length 1 in place of 2"),
        ([1, 2], {1: 2}, "is {1: 2} in place of [1, 2]"),
        ([[1], [2]], [[1], [3]], "has 3 in place of 2 at [1][0]"),
        ({"a": 1}, {"a": 1, "b": 2}, "differs at the keys ['b']"),
        ({"a": 1}, [1], "is [1] in place of {'a': 1}"),
        (torch.tensor([1.0, 2.0]), [1.0, 2.00001], None),
        (torch.tensor([True, False]), [1, 0], None),
        (torch.eye(2), [torch.tensor([1.0, 0.0]), (0, 1)], None),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, math.nan]), "has nan in place of 2.0 at [1]"),
        (torch.tensor([1.0, 2.0]), [[1.0], [2.0, 3.0]], "is [[1.0], [2.0, 3.0]] in place of a tensor"),
        (torch.tensor([1.0, 2.0]), "12", "is '12' in place of a tensor"),
        (torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 2.0]]), "has shape (1, 2) in place of (2,)"),
    ],
)
def test_a_difference_says_where_and_how(right, got, words):
    assert difference(right, got) == words


def test_what_is_shown_fits_a_line():
    assert len(show(["word"] * 1000)) <= 160
    assert show(torch.tensor([0.123456, 2.0])) == "[0.1235, 2.0]"
