"""Each formula against a loop that spells it out, and against its properties; the docstrings hold cases by hand."""

import math
import statistics

import numpy as np
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
    grpo_loss,
    kl_estimate,
    ppo_loss,
    token_mean,
    token_rewards,
    whiten,
)

lengths = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def mask_of(lengths):
    return torch.tensor([[t < length for t in range(max(*lengths, 1))] for length in lengths])


def tables(mask, n):
    """Random tables; what stands after an answer's end must not matter, so it is large."""
    return [torch.randn(mask.shape).where(mask, 100.0) for _ in range(n)]


lengths_or_none = st.lists(st.integers(0, 6), min_size=1, max_size=5)  # an answer may have no token


@given(lengths_or_none)
def test_means_by_loops(lengths):
    mask = mask_of(lengths)
    [values] = tables(mask, 1)
    rows = [row[:length].tolist() for row, length in zip(values, lengths, strict=True)]
    assert token_mean(values, mask).item() == pytest.approx(
        math.fsum(map(math.fsum, rows)) / max(sum(lengths), 1), abs=1e-5
    )
    expected = math.fsum(math.fsum(row) / len(row) for row in rows if row) / len(rows)
    assert answer_mean(values, mask).item() == pytest.approx(expected, abs=1e-5)


@given(lengths, st.floats(0, 2))
def test_rewards_by_loops(lengths, kl_coef):
    mask, scores = mask_of(lengths), torch.randn(len(lengths))
    log_probs, reference = tables(mask, 2)
    rewards = token_rewards(scores, log_probs, reference, mask, kl_coef)
    for b, length in enumerate(lengths):
        for t in range(max(lengths)):
            expected = -kl_coef * (log_probs[b, t] - reference[b, t]) if t < length else torch.tensor(0.0)
            torch.testing.assert_close(rewards[b, t], expected + (scores[b] if t == length - 1 else 0.0))


@given(lengths, st.floats(0, 1), st.floats(0, 1))
def test_gae_as_the_sum_that_the_paper_writes(lengths, discount, gae_lambda):
    """Eq. 16 before it is made recursive: the sum over l of (discount gae_lambda)^l delta_(t+l)."""
    mask = mask_of(lengths)
    rewards, values = tables(mask, 2)
    advantages = gae(rewards, values, mask, discount, gae_lambda)
    for b, length in enumerate(lengths):
        v = [*values[b, :length].tolist(), 0.0]
        delta = [rewards[b, t].item() + discount * v[t + 1] - v[t] for t in range(length)]
        for t in range(max(lengths)):
            expected = sum((discount * gae_lambda) ** (s - t) * delta[s] for s in range(t, length))
            assert advantages[b, t].item() == pytest.approx(expected, abs=1e-4)


def test_an_answer_without_tokens_has_no_loss_and_no_gradient():
    """TRL's case: an advantage of 1 at three tokens, over two answers."""
    log_probs = torch.zeros(2, 3, requires_grad=True)
    mask = torch.tensor([[True] * 3, [False] * 3])
    loss, _ = grpo_loss(log_probs, log_probs.detach(), log_probs.detach(), torch.ones(2), mask)
    assert loss.item() == -0.5
    loss.backward()
    torch.testing.assert_close(log_probs.grad, torch.tensor([[-1 / 6] * 3, [0.0] * 3]))
    assert (whiten(torch.ones(2, 3), mask & False) == 0).all()


@given(lengths)
def test_gae_at_its_ends(lengths):
    """gae_lambda 1: the sum of later rewards minus the value. gae_lambda 0: one step."""
    mask = mask_of(lengths)
    rewards, values = (table * mask for table in tables(mask, 2))
    to_come = rewards.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(gae(rewards, values, mask, 1.0, 1.0), (to_come - values) * mask)
    following = torch.nn.functional.pad(values[:, 1:], (0, 1))
    torch.testing.assert_close(gae(rewards, values, mask, 0.9, 0.0), rewards + 0.9 * following - values)


@given(lengths.filter(lambda lengths: sum(lengths) > 1))
def test_whitened_is_mean_0_and_spread_1(lengths):
    mask = mask_of(lengths)
    [values] = tables(mask, 1)
    white = whiten(values, mask)
    torch.testing.assert_close(white[mask].mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(white[mask].std(unbiased=False), torch.tensor(1.0), atol=1e-3, rtol=0)
    assert (white[~mask] == 0).all()
    torch.testing.assert_close(whiten(7 * values + 3, mask), white, atol=1e-4, rtol=1e-4)
    assert (whiten(torch.full_like(values, 5.3), mask) == 0).all()  # whose rounded mean may not be 5.3


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
    mask = mask_of(lengths)
    [returns] = tables(mask, 1)
    assert explained_variance(returns, returns, mask).item() == pytest.approx(1)
    assert explained_variance(torch.ones_like(returns), returns, mask).item() == pytest.approx(0, abs=1e-4)
    assert explained_variance(-returns, returns, mask).item() == pytest.approx(-3, abs=1e-3)


def numpy_surrogate(log_probs, old, advantages, low, high):
    ratio = np.exp(log_probs - old)
    return -np.minimum(ratio * advantages, np.clip(ratio, 1 - low, 1 + high) * advantages)


@given(lengths_or_none, st.sampled_from(["grpo", "dapo", "dr_grpo"]), st.sampled_from([None, 0.28]), st.floats(0, 1))
def test_the_variants_of_grpo_by_the_formulas_of_trl(lengths, loss_type, clip_high, kl_coef):
    """TRL 1.x, GRPOTrainer._compute_loss, in float64; its "dapo" on one process and without accumulation."""
    mask = mask_of(lengths)
    log_probs, old, reference = (0.3 * table * mask for table in tables(mask, 3))
    advantages = torch.randn(len(lengths))
    loss, parts = grpo_loss(
        log_probs, old, reference, advantages, mask, clip=0.2, kl_coef=kl_coef, clip_high=clip_high,
        loss_type=loss_type, max_new_tokens=7,
    )  # fmt: skip
    m, logp, before, ref = (table.double().numpy() for table in (mask, log_probs, old, reference))
    high = 0.2 if clip_high is None else clip_high
    surrogate = numpy_surrogate(logp, before, advantages.double().numpy()[:, None], 0.2, high)
    kl = np.exp(ref - logp) - (ref - logp) - 1
    per_token = surrogate + kl_coef * kl
    expected = {
        "grpo": ((per_token * m).sum(-1) / m.sum(-1).clip(min=1)).mean(),
        "dapo": (per_token * m).sum() / m.sum().clip(min=1),
        "dr_grpo": (per_token * m).sum() / (len(lengths) * 7),
    }[loss_type]
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert loss.item() == pytest.approx((parts["policy_loss"] + kl_coef * parts["kl_loss"]).item())


@given(lengths, st.sampled_from([None, 0.4]))
def test_the_loss_of_ppo_by_the_formula_of_trl(lengths, clip_high):
    """TRL 1.x, experimental PPOTrainer.train, in float64."""
    mask = mask_of(lengths)
    log_probs, old, advantages, values, old_values, returns = (0.5 * table * mask for table in tables(mask, 6))
    loss, parts = ppo_loss(
        log_probs, old, advantages, mask, values, old_values, returns,
        clip=0.2, value_clip=0.3, value_coef=0.7, clip_high=clip_high,
    )  # fmt: skip
    m = mask.numpy()
    logp, before, a, v, old_v, r = (
        table.double().numpy() for table in (log_probs, old, advantages, values, old_values, returns)
    )
    clipped = np.clip(v, old_v - 0.3, old_v + 0.3)
    value = 0.5 * np.maximum((v - r) ** 2, (clipped - r) ** 2)[m].mean()
    policy = numpy_surrogate(logp, before, a, 0.2, 0.2 if clip_high is None else clip_high)[m].mean()
    assert parts["policy_loss"].item() == pytest.approx(policy, rel=1e-4, abs=1e-6)
    assert parts["value_loss"].item() == pytest.approx(value, rel=1e-4, abs=1e-6)
    assert loss.item() == pytest.approx(policy + 0.7 * value, rel=1e-4, abs=1e-6)


def test_group_advantages_without_the_division_keep_the_unit_of_the_score():
    found = group_advantages(torch.tensor([1.0, 3.0, 10.0, 10.2]), group_size=2, scale=False)
    torch.testing.assert_close(found, torch.tensor([-1.0, 1.0, -0.1, 0.1]), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("as_users_call_it")
def test_an_unknown_loss_type_is_refused():
    table = torch.zeros(1, 1)
    with pytest.raises(ValueError, match="loss_type is 'bnpo'; choose one of grpo, dapo, dr_grpo"):
        grpo_loss(table, table, table, table, table == 0, loss_type="bnpo")
