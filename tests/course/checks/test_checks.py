"""The checks of the exercises: what is compared, what is told, and what an answer can't do."""

import json
import math
import random
import signal
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest
import torch
from answers import judged

from minillm.course.checks import ask, check
from minillm.course.checks.asking import Forbidden, OutOfTime, watched_call
from minillm.course.checks.plain import difference, plain, show
from minillm.course.checks.probe import Mistake, Probe
from minillm.course.checks.time_limit import time_limit

# The shape checks of the test run would look at every one of many small calls, and this is what users meet.
pytestmark = pytest.mark.usefixtures("as_users_call_it")


def test_ctrl_c_still_stops_a_check():
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged("04.3", interrupted, seed=0)


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
