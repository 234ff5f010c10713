"""The right answers of exercise 02, against torch's own layer, loops and nudges."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.embeddings.association import association
from minillm.course.checks.embeddings.gradient import gradient
from minillm.course.checks.embeddings.noise import step
from minillm.course.checks.embeddings.rank import rank


def test_the_ranks_are_a_list_sorted_by_angle():
    table = torch.randn(9, 4) + 5
    centred = (table - table.mean(0)).tolist()

    def angle(one, other):
        dot = sum(x * y for x, y in zip(centred[one], centred[other], strict=True))
        return math.acos(dot / math.hypot(*centred[one]) / math.hypot(*centred[other]))

    for one in range(9):
        others = sorted(set(range(9)) - {one}, key=lambda other: angle(one, other))
        assert [rank(table, one, other) for other in others] == list(range(1, 9))


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


def test_what_meets_by_chance_has_no_association():
    words, company = torch.tensor([1.0, 4.0, 2.0]), torch.tensor([3.0, 5.0])
    torch.testing.assert_close(association(torch.outer(words, company), 1.0), torch.zeros(3, 2))


@pytest.mark.parametrize("power", [1.0, 0.75])
def test_the_association_of_each_pair_on_paper(power):
    counts = torch.tensor([[3.0, 0.0, 5.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
    flattened = [4**power, 0, 10**power]
    expected = torch.zeros(4, 3)
    for word, company in [(0, 0), (0, 2), (1, 0), (1, 2), (3, 2)]:
        share = counts[word, company].item() / counts[word].sum().item()
        expected[word, company] = max(0, math.log(share / (flattened[company] / sum(flattened))))
    torch.testing.assert_close(association(counts, power), expected)


def test_the_step_goes_where_nudges_of_the_loss_point():
    E, U = torch.randn(2, 4, 2)
    words, company = torch.tensor([0, 1, 0]), torch.tensor([1, 1, 3])
    noise = torch.tensor([[2, 2, 1], [0, 3, 2], [1, 3, 3]])  # repeats, and three hits

    def loss(E, U):
        total = 0.0
        for word, other, drawn in zip(words.tolist(), company.tolist(), noise.tolist(), strict=True):
            for target in [other, *(one for one in drawn if one != other)]:
                score = (1 if target == other else -1) * (U[target] @ E[word]).item()
                total += math.log(1 + math.exp(-score))
        return total

    stepped = step(E, U, words, company, noise, rate=0.5)
    for which, new in enumerate(stepped):
        for place in range(8):
            nudge = torch.zeros(2, 4, 2).double()
            nudge[which].view(-1)[place] = 1e-6
            slope = (loss(E + nudge[0], U + nudge[1]) - loss(E - nudge[0], U - nudge[1])) / 2e-6
            expected = (E, U)[which].view(-1)[place].item() - 0.5 * slope
            assert math.isclose(new.view(-1)[place].item(), expected, rel_tol=1e-4, abs_tol=1e-5)
