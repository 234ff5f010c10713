"""Each formula against a loop that spells it out, and against its properties; the docstrings hold cases by hand."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.posttraining.policy_gradient import (
    adapted_kl_coef,
    answer_mean,
    clipped_policy_loss,
    clipped_value_loss,
    explained_variance,
    gae,
    group_advantages,
    kl_estimate,
    token_mean,
    token_rewards,
    whiten,
)

lengths = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def counts_of(lengths):
    return torch.tensor([[t < length for t in range(max(lengths))] for length in lengths])


def tables(counts, n):
    """Random tables; what stands after an answer's end must not matter, so it is large."""
    return [torch.randn(counts.shape).where(counts, 100.0) for _ in range(n)]


@given(lengths)
def test_means_by_loops(lengths):
    counts = counts_of(lengths)
    [values] = tables(counts, 1)
    rows = [row[:length].tolist() for row, length in zip(values, lengths, strict=True)]
    assert token_mean(values, counts).item() == pytest.approx(math.fsum(map(math.fsum, rows)) / sum(lengths), abs=1e-5)
    expected = math.fsum(math.fsum(row) / len(row) for row in rows) / len(rows)
    assert answer_mean(values, counts).item() == pytest.approx(expected, abs=1e-5)


@given(lengths, st.floats(0, 2))
def test_rewards_by_loops(lengths, kl_coef):
    counts, scores = counts_of(lengths), torch.randn(len(lengths))
    log_probs, reference = tables(counts, 2)
    rewards = token_rewards(scores, log_probs, reference, counts, kl_coef)
    for b, length in enumerate(lengths):
        for t in range(max(lengths)):
            expected = -kl_coef * (log_probs[b, t] - reference[b, t]) if t < length else torch.tensor(0.0)
            torch.testing.assert_close(rewards[b, t], expected + (scores[b] if t == length - 1 else 0.0))


@given(lengths, st.floats(0, 1), st.floats(0, 1))
def test_gae_as_the_sum_that_the_paper_writes(lengths, discount, trace):
    """Eq. 16 before it is made recursive: the sum over l of (discount trace)^l delta_(t+l)."""
    counts = counts_of(lengths)
    rewards, values = tables(counts, 2)
    advantages = gae(rewards, values, counts, discount, trace)
    for b, length in enumerate(lengths):
        v = [*values[b, :length].tolist(), 0.0]
        delta = [rewards[b, t].item() + discount * v[t + 1] - v[t] for t in range(length)]
        for t in range(max(lengths)):
            expected = sum((discount * trace) ** (s - t) * delta[s] for s in range(t, length))
            assert advantages[b, t].item() == pytest.approx(expected, abs=1e-4)


@given(lengths)
def test_gae_at_its_ends(lengths):
    """Trace 1: all that came, less the value. Trace 0: one step."""
    counts = counts_of(lengths)
    rewards, values = (table * counts for table in tables(counts, 2))
    to_come = rewards.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(gae(rewards, values, counts, 1.0, 1.0), (to_come - values) * counts)
    following = torch.nn.functional.pad(values[:, 1:], (0, 1))
    torch.testing.assert_close(gae(rewards, values, counts, 0.9, 0.0), rewards + 0.9 * following - values)


@given(lengths.filter(lambda lengths: sum(lengths) > 1))
def test_whitened_is_mean_0_and_spread_1(lengths):
    counts = counts_of(lengths)
    [values] = tables(counts, 1)
    white = whiten(values, counts)
    torch.testing.assert_close(white[counts].mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(white[counts].std(unbiased=False), torch.tensor(1.0), atol=1e-3, rtol=0)
    assert (white[~counts] == 0).all()
    torch.testing.assert_close(whiten(7 * values + 3, counts), white, atol=1e-4, rtol=1e-4)
    assert (whiten(torch.full_like(values, 5.3), counts) == 0).all()  # whose rounded mean may not be 5.3


@given(st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3), min_size=1, max_size=4))
def test_group_advantages_divide_by_the_standard_deviation_of_the_sample(groups):
    found = group_advantages(torch.tensor(groups, dtype=torch.float32).flatten(), 3).unflatten(0, (-1, 3))
    for row, group in zip(found.tolist(), groups, strict=True):
        deviation = statistics.stdev(group)  # n - 1
        expected = [(score - statistics.mean(group)) / deviation if deviation else 0.0 for score in group]
        assert row == pytest.approx(expected, abs=1e-4)


def test_group_advantages_by_hand():
    """Scores 1, 2, 6, 7 have the mean 4 and the squares 9, 4, 4, 9: variance 26 / 3."""
    found = group_advantages(torch.tensor([1.0, 2.0, 6.0, 7.0, 5.3, 5.3, 5.3, 5.3]), group_size=4)
    deviation = math.sqrt(26 / 3)
    torch.testing.assert_close(found[:4], torch.tensor([-3.0, -2.0, 2.0, 3.0]) / deviation)
    assert (found[4:] == 0).all()  # although the rounded mean may not be 5.3
    assert group_advantages(torch.tensor([3.0, 9.0]), group_size=1).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("ratio", "advantage", "slope"),
    [(1.0, 2.0, -2.0), (1.5, 2.0, 0.0), (0.5, 2.0, -2.0), (1.0, -2.0, 2.0), (1.5, -2.0, 2.0), (0.5, -2.0, 0.0)],
)
def test_where_clipping_stops_the_gradient(ratio, advantage, slope):
    """Only where the ratio has already gone too far in the direction that the advantage asks for."""
    leaf = torch.tensor([[ratio]], requires_grad=True)
    loss = clipped_policy_loss(leaf.log(), torch.zeros(1, 1), torch.tensor([[advantage]]), clip=0.2)
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), leaf)[0], torch.tensor([[slope]]))


@given(st.floats(0.1, 3), st.floats(-3, 3), st.floats(0.05, 0.5))
def test_clipping_by_cases(ratio, advantage, clip):
    loss = clipped_policy_loss(torch.tensor([[ratio]]).log(), torch.zeros(1, 1), torch.tensor([[advantage]]), clip)
    effective = min(ratio, 1 + clip) if advantage > 0 else max(ratio, 1 - clip)
    expected = -advantage * effective
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_value_clipping_by_cases(value, old, target):
    loss = clipped_value_loss(*(torch.tensor([[float(x)]]) for x in (value, old, target)), clip=0.2)
    near = min(max(value, old - 0.2), old + 0.2)
    expected = max((value - target) ** 2, (near - target) ** 2) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_kl_estimate_has_the_kl_for_its_mean_and_is_never_negative():
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    estimates = kl_estimate(p.log()[None], q.log()[None])[0]
    torch.testing.assert_close((p * estimates).sum(), (p * (p / q).log()).sum())
    assert (estimates >= 0).all()
    assert kl_estimate(p.log()[None], p.log()[None]).abs().max() < 1e-6


def test_the_kl_coefficient_follows_its_target():
    assert adapted_kl_coef(0.1, 6.0, 6.0) == 0.1
    assert adapted_kl_coef(0.1, 6.6, 6.0) == pytest.approx(0.101)
    assert adapted_kl_coef(0.1, 60.0, 6.0) == pytest.approx(0.102)
    assert adapted_kl_coef(0.1, 0.0, 6.0) == pytest.approx(0.098)


@given(lengths.filter(lambda lengths: sum(lengths) > 2))
def test_explained_variance_at_its_marks(lengths):
    counts = counts_of(lengths)
    [returns] = tables(counts, 1)
    assert explained_variance(returns, returns, counts).item() == pytest.approx(1)
    assert explained_variance(torch.ones_like(returns), returns, counts).item() == pytest.approx(0, abs=1e-4)
    assert explained_variance(-returns, returns, counts).item() == pytest.approx(-3, abs=1e-3)
