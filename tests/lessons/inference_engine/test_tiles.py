"""The lab on tiles: the memory that counts, and answers to its two turns."""

import math

import numpy as np
import pytest
import torch

from minillm.course import tiles
from minillm.course.tiles import attending, in_triton, merging
from minillm.course.tiles.memory import hide, plain, start, texts
from minillm.model.attention import attention_by_loops, causal_mask


def test_attention_that_writes_its_table_equals_the_package():
    q, k, v, out = texts(9, width=4)
    plain(q, k, v, out)
    rows = (torch.from_numpy(each.array)[None, None] for each in (q, k, v))
    expected = attention_by_loops(*rows, causal_mask(9, 9))[0, 0].numpy()
    np.testing.assert_allclose(out.array, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (4, 4), (16, 5), (64, 64)])
def test_tiles_of_any_shape_give_the_same_numbers(shape):
    assert tiles.moved(attending.attend, 37, *shape)[1] < 1e-6


def test_what_moves_is_the_formula():
    """T^2 D / R for keys and values, half a tile more on the diagonal, and 2 T D for queries and results."""
    T, D, R = 512, 64, 64
    numbers = T * D * (T / R + 1) + 2 * T * D
    assert tiles.moved(attending.attend, T, R, R)[0] == pytest.approx(4e-6 * numbers)
    assert tiles.megabytes_of_plain(T) == pytest.approx(4e-6 * (4 * T * T + 4 * T * D))


def by_two_passes(state, scores, values):
    largest, total, mixed = state
    high = np.max(np.concatenate([largest[:, None], scores], axis=1), axis=1)
    old, weights = np.exp(largest - high), np.exp(scores.T - high).T
    return [high, old * total + weights.sum(-1), (old * mixed.T).T + np.einsum("rn,nd->rd", weights, values)]


def by_rows(state, scores, values):
    out = []
    for r in range(len(scores)):
        m = max(state[0][r], max(scores[r]))
        f = math.exp(state[0][r] - m)
        w = [math.exp(s - m) for s in scores[r]]
        out.append((m, state[1][r] * f + sum(w), state[2][r] * f + sum(a * b for a, b in zip(w, values, strict=True))))
    return tuple(np.array(part) for part in zip(*out, strict=True))


def backwards(q, k, v, out, rows, cols):
    T, D = q.shape
    for r in reversed(range(0, T, rows)):
        mine = q.load(r, min(r + rows, T)) / D**0.5
        state = start(len(mine), D)
        for c in range(0, min(r + rows, T), cols):
            state = merging.merge(state, hide(mine @ k.load(c, c + cols).T, r, c), v.load(c, c + cols))
        out.store(r, (state[2].T / state[1]).T)


@pytest.mark.parametrize(("name", "answer"), [("merge", by_two_passes), ("merge", by_rows), ("attend", backwards)])
def test_unusual_right_answers_pass(name, answer, capsys):
    answer = named(name, answer)
    assert tiles.asked(answer) is answer
    assert "Right, on all" in capsys.readouterr().out


def named(name, function):
    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("merge", lambda state, scores, values: state, ""),
        ("merge", lambda state, scores, values: values, "The state isn't three arrays."),
        (
            "merge",
            lambda state, scores, values: (lambda m, t, x: (m, t, x / t[:, None]))(
                *merging.merge(state, scores, values)
            ),
            "The values are divided by the total already.",
        ),
        (
            "merge",
            lambda state, scores, values: (scores.max(1), np.exp(scores - scores.max(1)[:, None]).sum(1), values),
            "`mixed` has shape",
        ),
        ("attend", lambda q, k, v, out, rows, cols: plain(q, k, v, out), "The fast memory has room for a tile"),
        ("attend", lambda q, k, v, out, rows, cols: out.store(0, v.load(0, rows)), "the result"),
        ("attend", lambda q, k, v, out, rows, cols: q[0:rows] @ k.T, "A memory gives its rows by"),
    ],
)
def test_wrong_answers_are_told_why_and_the_courses_stands_in(name, answer, sentence, capsys):
    assert tiles.asked(named(name, answer)) is tiles.ASKED[name].course
    said = capsys.readouterr().out
    assert "not right yet" in said
    assert sentence in said


def test_what_is_not_written_yet_gets_no_hint_at_first(capsys):
    @tiles.asked
    def merge(state, scores, values):
        """The state after one more tile."""
        ...

    assert merge is merging.merge
    assert "not written yet" in capsys.readouterr().out


@pytest.mark.skipif(bool(in_triton.why_no_triton()), reason="no Triton")
@pytest.mark.parametrize("shape", [(16, 16), (64, 16), (16, 64)])
def test_triton_gives_the_same_numbers(shape):
    assert in_triton.by_triton(100, *shape) < 1e-5
