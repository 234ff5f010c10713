"""The border between a learner's code and what judges it: messages, and a process that may do anything."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks import find
from minillm.course.checks.outside import Limits, collect
from minillm.course.checks.plain import Refused, difference
from minillm.course.checks.sandbox import plain_command
from minillm.course.checks.wire import LENGTH, pack, unpack

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
def test_junk_is_no_message(junk):
    with pytest.raises(ValueError, match="no message|nested deeper"):
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
    with pytest.raises(ValueError, match="no message"):
        unpack(LENGTH.pack(len(text)) + text.encode() + pack(None)[LENGTH.size + 4 :])


def test_a_tensor_is_handed_over_once():
    twice = '[{"tensor": "0"}, {"tensor": "0"}]'  # a short message could ask for any number of copies
    tensor = pack(torch.ones(3))[LENGTH.size + len('{"tensor": "0"}') :]
    with pytest.raises(ValueError, match="no message"):
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
    named = [(f"cell {place}", source) for place, source in enumerate(["import torch", *cells], 1)]
    collected = collect(named, asked, plain_command(), limits, confined=False)
    return [question.judge(seed, collected.replies[question.id]) for question, seed in asked], collected.cells


def test_a_right_answer_has_all_points_as_in_the_notebook():
    around = "if True:\n    %time ahead = 1\nfiles = !ls\ntorch.where?\n" + ANSWER + "\nrest = (7\n    % 4)"
    (result,), troubles = answers("%matplotlib inline\n" + around, "print('heard by nobody')", "assert rest == 3")
    assert result.passed, str(result)
    assert troubles == {}


def test_what_goes_wrong_in_a_cell_costs_that_cell_alone():
    broken = "x = 1 / 0", "y = (", "while True: pass", "import os; os._exit(0)", "raise SystemExit", "%%html\n<b>"
    (result,), troubles = answers(*broken, ANSWER)
    assert result.passed, str(result)
    assert troubles == {
        "cell 2": "raised ZeroDivisionError: division by zero, in the line: x = 1 / 0",
        "cell 3": "raised SyntaxError: '(' was never closed (cell 3, line 1)",
        "cell 4": "took longer than 5 seconds",
        "cell 5": "ended the process that it ran in, or took more memory than there is",
        "cell 6": "raised SystemExit: , in the line: raise SystemExit",
    }


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("", "window_mask is nowhere defined in the notebook."),
        ("window_mask = 3", "window_mask is no function but of type int; pass it without brackets."),
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


@pytest.mark.parametrize("times", [1, 1000])  # the second is more than is kept waiting
def test_a_forged_reply_is_no_reply(times):
    forge = f"""import os
for channel in range(3, 20):
    try: os.write(channel, (bytes(7) + b"x" + 120 * b"7") * {times})
    except OSError: pass"""
    (result,), troubles = answers(forge, ANSWER)
    assert result.passed, str(result)
    assert troubles == {"cell 2": "wrote something of its own where its replies are read"}


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


def test_all_of_a_notebook_together_has_a_limit():
    cells = ["import time; time.sleep(1.5)"] * 4
    (result,), troubles = answers(*cells, ANSWER, limits=Limits(seconds=1, total_seconds=2))
    assert result.failure.sentence == "window_mask was not reached within 2 seconds, which is all that a notebook has."
    assert len(troubles) < 4


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
        collect([], [], [sys.executable, "-c", ""], Limits())
