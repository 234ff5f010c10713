"""The border between a learner's code and what judges it: messages, and a process that may do anything."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks import find, questions
from minillm.course.checks.outside import Limits, Statement, collect
from minillm.course.checks.plain import Refused, difference, plain
from minillm.course.checks.sandbox import Command, plain_command
from minillm.course.checks.wire import LENGTH, pack, unpack
from minillm.course.contents import ASSIGNMENTS
from minillm.course.grading.attempts import ask_notebook

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
TENSORS = st.lists(st.floats(width=32), max_size=4).map(torch.tensor) | st.just(torch.ones(2, 3, dtype=torch.bool).mT)
VALUES = st.recursive(
    ATOMS | TENSORS,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
QUICK = Limits(seconds=5)
ANSWER = """def window_mask(T, S, window, sinks):
    query, key = torch.arange(S - T, S)[:, None], torch.arange(S)
    return ((query - key < window) | (key < sinks)) & (key <= query)"""


@given(VALUES)
def test_a_message_comes_out_as_it_went_in(value):
    got = unpack(pack(value))
    assert type(got) is type(value)
    assert difference(value, got) is None


@given(st.binary(max_size=60))
def test_junk_is_not_a_message(junk):
    with pytest.raises(ValueError, match="not a message|nested deeper"):
        unpack(junk)


@pytest.mark.parametrize(
    "text",
    [
        '{"tensor": "7"}',
        '{"a": 1, "b": 2}',
        "{}",
        "[" * 100_000,
        '{"bytes": "xyz"}',
        '{"dict": [[[], 1]]}',
        "1e",
        "{1: 2}",
    ],
)
def test_a_message_that_was_forged_is_refused(text):
    with pytest.raises(ValueError, match="not a message"):
        unpack(LENGTH.pack(len(text)) + text.encode() + pack(None)[LENGTH.size + 4 :])


def test_a_tensor_is_handed_over_once():
    twice = '[{"tensor": "0"}, {"tensor": "0"}]'  # a short message could ask for any number of copies
    tensor = pack(torch.ones(3))[LENGTH.size + len('{"tensor": "0"}') :]
    with pytest.raises(ValueError, match="not a message"):
        unpack(LENGTH.pack(len(twice)) + twice.encode() + tensor)


def test_a_damaged_message_is_refused_or_plain():
    message = pack([(1, torch.ones(3)), "text"])
    for place in range(len(message)):
        damaged = bytearray(message)
        damaged[place] ^= 0x20
        try:
            value = unpack(bytes(damaged))
        except ValueError:
            continue
        pack(value)  # still plain


def test_what_is_not_plain_is_no_message():
    with pytest.raises(Refused, match="of type range"):
        pack([range(3)])


def answers(*cells, limits=QUICK, ids=("04.3",)):
    asked = [(find(id), 3) for id in ids]
    named = [Statement(f"cell {place}", source) for place, source in enumerate(["import torch", *cells], 1)]
    collected = collect(named, asked, plain_command(), limits, confined=False)
    return [question.grade(seed, collected.replies[question.id]) for question, seed in asked], collected.troubles


@pytest.mark.slow
def test_what_goes_wrong_in_a_statement_costs_that_statement_alone():
    broken = "x = 1 / 0", "y = (", "while True: pass", "import os; os._exit(0)", "raise SystemExit"
    (result,), troubles = answers(*broken, ANSWER)
    assert result.passed, str(result)
    assert troubles == {
        "cell 2": "raised ZeroDivisionError: division by zero, in the line: x = 1 / 0",
        "cell 3": "raised SyntaxError: '(' was never closed (cell 3, line 1)",
        "cell 4": "took longer than 5 seconds",
        "cell 5": "ended the process that it ran in, or used too much memory",
        "cell 6": "raised SystemExit: , in the line: raise SystemExit",
    }


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("", "window_mask is not defined in the notebook."),
        (
            "window_mask = 3",
            "window_mask is of type int, not a function; pass the function itself, without parentheses.",
        ),
        ("def window_mask(*a): raise NotImplementedError", "window_mask is not written yet."),
        ("def window_mask(*a):\n    while True: pass", "window_mask took longer than 5 seconds."),
        ("def window_mask(*a):\n    import os; os._exit(0)", "window_mask ended the process that it ran in"),
        ("def window_mask(*a): return torch.zeros(20_000_000)", "too large for any right answer"),
        ("def window_mask(*a): raise KeyboardInterrupt", "window_mask ended the process that it ran in"),
    ],
)
def test_an_answer_that_is_none_is_told_why(answer, sentence):
    (result, other), _ = answers(answer, JOIN, ids=("04.3", "04.4"))
    assert sentence in result.failure.sentence
    assert result.points == 0
    assert other.passed, str(other)  # which was asked after it


JOIN = """def join(out_a, total_a, out_b, total_b):
    parts = torch.stack([total_a, total_b])
    shares = parts.softmax(0)[..., None]
    return (shares * torch.stack([out_a, out_b]).nan_to_num()).sum(0), parts.logsumexp(0)"""


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 1000])  # the second is more than is kept waiting
def test_a_forged_reply_is_no_reply(times):
    forge = f"""import os
for channel in range(3, 20):
    try: os.write(channel, (bytes(7) + b"x" + 120 * b"7") * {times})
    except OSError: pass"""
    (result,), troubles = answers(forge, ANSWER)
    assert result.passed, str(result)
    assert troubles == {"cell 2": "wrote to the channel for its replies"}


def test_what_an_error_says_cannot_steer_a_terminal():
    (result,), troubles = answers("raise ValueError('\\x1b[2J\\n' + 'x' * 1000)", ANSWER)
    assert result.passed
    (said,) = troubles.values()
    assert said.startswith("raised ValueError:  [2J xxx")
    assert said.isprintable()
    assert len(said) <= 400


def test_more_than_may_be_returned_is_not_read():
    big = "def window_mask(*a): return torch.zeros(9_000_000)"
    (result,), _ = answers(big, limits=Limits(seconds=20, reply_mb=10))
    assert result.failure.sentence == "window_mask returned more than 10 MB."


@pytest.mark.slow
def test_all_of_a_notebook_together_has_a_limit():
    cells = ["import time; time.sleep(1.5)"] * 4
    (result,), troubles = answers(*cells, ANSWER, limits=Limits(seconds=1, total_seconds=2))
    assert result.failure.sentence == "window_mask was not reached within the notebook's time limit of 2 seconds."
    assert len(troubles) < 4


@pytest.mark.slow
def test_what_is_perhaps_not_needed_costs_no_time_and_is_not_told():
    slow = [Statement(f"slow {place}", "while True: pass", needed=False) for place in range(7)]
    statements = [Statement("imports", "import torch"), *slow, Statement("answer", ANSWER)]
    collected = collect(statements, [(find("04.3"), 3)], plain_command(), Limits(2, 300), confined=False)
    assert collected.troubles == {}
    assert find("04.3").grade(3, collected.replies["04.3"]).passed


SPY = """seen = []
def window_mask(*a):
    seen.append(a)
    raise ValueError(str(seen))"""


@pytest.mark.slow
def test_what_a_private_probe_asks_no_other_reply_can_tell(monkeypatch):
    monkeypatch.setattr("minillm.course.checks.question.DRAWS", 1)  # so that all calls fit into a message
    public, heard = find("04.3"), []
    question = replace(public, probes=[replace(public.probes[0], private=True), *public.probes[1:]])

    def grade(asked, seed, replies):
        heard.append(([probe.private for probe in asked.probes], replies))
        return asked.grade(seed, replies)

    cells = [("imports", "import torch"), ("spy", SPY)]
    ask_notebook(cells, {}, [(question, 33)], plain_command(), QUICK, confined=False, grade=grade)
    (are_private, replies), hidden = heard[-1], public.calls(33)[0]
    assert are_private[0]
    assert str(hidden[0]) in replies[0][0].trouble  # which the page does not show
    for calls, answers_to in zip(public.calls(33)[1:], replies[1:], strict=True):
        assert str(calls[0]) in answers_to[0].trouble
        assert not any(str(call) in reply.trouble for call in hidden for reply in answers_to)


@pytest.mark.parametrize("id", [question.id for number in ASSIGNMENTS for question in questions(number)])
def test_the_inputs_of_every_question_cross_the_border(id):
    calls = find(id).calls(0)
    assert difference(calls, unpack(pack(["nested", [["deeper", calls]]]))[1][0][1]) is None


def deep(value, times):
    for _ in range(times):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros([1] * 100), "has 100 axes|with 100 axes"),
        (torch.zeros(10**9, 0), "too large for any right answer"),
        (dict.fromkeys(range(10_001)), "a dictionary of more than 10,000 keys"),
        (deep(1, 9), "nested deeper than 8 lists"),
    ],
)
def test_an_absurd_value_is_refused_before_it_is_worked_on(value, words):
    with pytest.raises(Refused, match=words):
        plain(value)


def test_keys_that_collide_are_too_few_to_cost_time():
    keys = [[place * (2**61 - 1), 0] for place in range(20_000)]  # all of one hash
    text = json.dumps({"dict": keys}).encode()
    with pytest.raises(ValueError, match="not a message"):
        unpack(LENGTH.pack(len(text)) + text + pack(None)[LENGTH.size + 4 :])


def test_a_header_that_asks_for_much_is_not_read():
    message = pack(None)[: LENGTH.size + 4] + (50_000_000).to_bytes(8, "little") + b"{" * 100
    with pytest.raises(ValueError, match="not a message"):
        unpack(message)


@pytest.mark.slow
def test_an_input_that_comes_back_itself_is_noticed_over_there():
    right = "    return [*pieces] if tuple(pair) not in zip(pieces, pieces[1:]) else merge(*joined(pieces, pair))"
    joined = """def joined(pieces, pair):
    at = list(zip(pieces, pieces[1:])).index(tuple(pair))
    return [*merge(pieces[:at], pair), "".join(pair), *merge(pieces[at + 2:], pair)], (None, None)"""
    for body, sentence in ((right, None), (right.replace("[*pieces]", "pieces"), "merge returned its input itself; ")):
        (result,), _ = answers(f"{joined}\ndef merge(pieces, pair):\n{body}", ids=("01.2",))
        assert (result.failure is None) if sentence is None else result.failure.sentence.startswith(sentence)


def test_a_process_that_does_not_start_is_our_own_fault():
    with pytest.raises(ChildProcessError, match="the process for a learner's code ended"):
        collect([], [], Command((sys.executable, "-c", "")), Limits())
