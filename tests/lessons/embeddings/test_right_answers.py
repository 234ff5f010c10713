"""The right answers of exercise 02, against torch's own layer, loops and nudges."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.embeddings.gradient import gradient
from minillm.course.checks.embeddings.noise import step
from minillm.course.checks.embeddings.ppmi import ppmi
from minillm.course.checks.embeddings.recall import recall


def test_recall_by_angles_one_row_after_another():
    table, compressed = torch.randn(9, 4) + 1, torch.randn(9, 3) + 1

    def angle(one, other):
        dot = sum(x * y for x, y in zip(one, other, strict=True))
        return math.acos(dot / math.hypot(*one) / math.hypot(*other))

    def neighbors(rows, row, k):
        others = sorted(set(range(len(rows))) - {row}, key=lambda other: angle(rows[row], rows[other]))
        return set(others[:k])

    for k in (1, 3, 8):
        both = [(neighbors(table.tolist(), row, k), neighbors(compressed.tolist(), row, k)) for row in range(9)]
        assert recall(table, compressed, k) == pytest.approx(sum(len(a & b) for a, b in both) / (9 * k))


def test_recall_is_1_for_the_same_directions_and_k_over_v_by_chance():
    table = torch.randn(200, 8)
    assert recall(table, 3 * table @ torch.linalg.qr(torch.randn(8, 8)).Q, 10) == 1
    assert recall(table, torch.randn(200, 8), 10) == pytest.approx(10 / 199, abs=0.02)


@given(st.integers(1, 3), st.integers(1, 6), st.integers(0, 4), st.integers(0, 1000))
def test_the_gradient_of_a_lookup_is_that_of_torchs_layer(B, T, pad, seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, (B, T), generator=generator)
    upstream = torch.randn(B, T, 3, generator=generator)
    table = torch.zeros(5, 3, requires_grad=True)
    F.embedding(ids, table, padding_idx=pad).backward(upstream)
    rows, slopes = gradient(ids, upstream, pad)
    assert rows.tolist() == sorted(set(ids.flatten().tolist()) - {pad})
    torch.testing.assert_close(slopes, table.grad[rows])
    assert table.grad.count_nonzero() == slopes.count_nonzero()


def test_what_meets_by_chance_has_no_ppmi():
    words, contexts = torch.tensor([1.0, 4.0, 2.0]), torch.tensor([3.0, 5.0])
    torch.testing.assert_close(ppmi(torch.outer(words, contexts), 1.0), torch.zeros(3, 2))


@pytest.mark.parametrize("power", [1.0, 0.75])
def test_the_ppmi_of_each_pair_on_paper(power):
    counts = torch.tensor([[3.0, 0.0, 5.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
    flattened = [4**power, 0, 10**power]
    expected = torch.zeros(4, 3)
    for word, context in [(0, 0), (0, 2), (1, 0), (1, 2), (3, 2)]:
        share = counts[word, context].item() / counts[word].sum().item()
        expected[word, context] = max(0, math.log(share / (flattened[context] / sum(flattened))))
    torch.testing.assert_close(ppmi(counts, power), expected)


def test_the_step_goes_where_nudges_of_the_loss_point():
    E, U = torch.randn(2, 4, 2)
    words, contexts = torch.tensor([0, 1, 0]), torch.tensor([1, 1, 3])
    noise = torch.tensor([[2, 2, 1], [0, 3, 2], [1, 3, 3]])  # repeats, and three hits

    def loss(E, U):
        total = 0.0
        for word, context, drawn in zip(words.tolist(), contexts.tolist(), noise.tolist(), strict=True):
            for target in [context, *(id for id in drawn if id != context)]:
                score = (1 if target == context else -1) * (U[target] @ E[word]).item()
                total += math.log(1 + math.exp(-score))
        return total

    stepped = step(E, U, words, contexts, noise, rate=0.5)
    for which, new in enumerate(stepped):
        for index in range(8):
            nudge = torch.zeros(2, 4, 2).double()
            nudge[which].view(-1)[index] = 1e-6
            slope = (loss(E + nudge[0], U + nudge[1]) - loss(E - nudge[0], U - nudge[1])) / 2e-6
            expected = (E, U)[which].view(-1)[index].item() - 0.5 * slope
            assert math.isclose(new.view(-1)[index].item(), expected, rel_tol=1e-4, abs_tol=1e-5)
