"""The right answers of exercise 10b, against the package, against autograd, and by sampling."""

import random

import numpy as np
import pytest
import torch

from minillm.course.checks import find
from minillm.course.checks.ppo.bigrams import task, train_within
from minillm.course.checks.ppo.kl_limit import LIMITS, MOST, fault
from minillm.course.checks.ppo.value_clip import value_loss
from minillm.course.turns import turns
from minillm.posttraining import policy_gradient
from minillm.posttraining.policy_gradient import clipped_value_loss, token_mean


def test_the_value_loss_is_the_packages():
    mask = torch.arange(6) < torch.tensor([[3], [6], [1]])
    values, old_values, advantages = torch.randn(3, 3, 6)
    loss, gradient = value_loss(values, old_values, advantages, mask, 0.2)
    x = values.clone().requires_grad_()
    expected = token_mean(clipped_value_loss(x, old_values, old_values + advantages, 0.2), mask)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, x)[0])


def tiny(seed, limit):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(4, 4, generator=rng).double(), torch.randn(4, 4, 4, generator=rng).double(), limit


def test_reward_and_kl_are_those_of_samples():
    here = task(*tiny(0, 0.4))
    policy = here.tables[0] + 0.5 * np.random.default_rng(0).normal(size=(4, 4))
    tables = [torch.from_numpy(table.copy()).log_softmax(-1) for table in (policy, here.tables[0])]
    token, log_ratios, answers = torch.zeros(40_000, dtype=torch.long), torch.zeros(40_000).double(), []
    for _ in range(3):
        following = torch.multinomial(tables[0].exp()[token], 1).squeeze(1)
        log_ratios += (tables[0] - tables[1])[token, following]
        token = following
        answers.append(token)
    rewards = torch.from_numpy(here.tables[1].copy()).view(4, 4, 4)[tuple(answers)]
    mean, kl = here.measured(policy)
    for exact, sampled in ((mean, rewards), (kl, log_ratios)):
        assert abs(exact - sampled.mean().item()) < 5 * sampled.std().item() / 200


@pytest.mark.parametrize("limit", LIMITS)
def test_no_other_policy_at_the_limit_earns_more(limit):
    """The best one spends the limit, and the gradient of its reward is beta times that of its KL."""
    call = tiny(1, limit)
    here = task(*call)
    assert 0.98 * limit < here.measured(here.best)[1] <= limit
    assert fault(call, train_within(*call), MOST) is None

    def slopes(logits):
        return [
            np.array([here.measured(logits + step)[index] - here.measured(logits - step)[index] for step in steps])
            for index in (0, 1)
        ]

    steps = [1e-5 * np.eye(16)[place].reshape(4, 4) for place in range(16)]
    reward, kl = slopes(here.best)
    assert np.corrcoef(reward, kl)[0, 1] > 0.999
    rng = np.random.default_rng(0)
    for _ in range(300):
        other = here.best + 0.1 * rng.normal(size=(4, 4))
        assert here.measured(other)[1] > limit or here.share(other) < 1.005


def test_what_is_wrong_with_a_policy_is_told():
    call = tiny(2, 0.05)
    reference = call[0]
    assert fault(call, reference[0], 0.5) == "isn't a table of 4 x 4 finite logits"
    assert fault(call, torch.full((4, 4), torch.nan), 0.5) == "isn't a table of 4 x 4 finite logits"
    assert fault(call, reference, 0.5).startswith("has 0% of the gain that 0.05 nats allow")
    far = reference + 3 * torch.eye(4)
    assert fault(call, far, 0.5).endswith("nats from the reference, and the limit is 0.05")


def test_draws_have_a_low_and_a_high_limit():
    for probe in find("10b.2").probes:
        assert [call[2] for call in probe.draw(random.Random(0))] == list(LIMITS)


def test_the_courses_versions_of_ppo_equal_the_package_and_trl():
    """Oracles: the package's formulas, and those of TRL's PPO trainer, written down again (version 0.24)."""
    token_rewards, gae, ppo_loss = (turn.course for turn in turns("10b"))
    mask = torch.arange(6) < torch.tensor([[4], [6], [1]])
    new, old, ref, values = -torch.rand(4, 3, 6)
    score, ends = torch.randn(3), mask.sum(1) - 1
    rewards = token_rewards(score, old, ref, mask, 0.05)
    torch.testing.assert_close(rewards, policy_gradient.token_rewards(score, old, ref, mask, 0.05))
    theirs = -0.05 * (old - ref).masked_fill(~mask, 0)
    theirs[torch.arange(3), ends] += score
    torch.testing.assert_close(rewards, theirs)
    for gamma, lam in ((1.0, 0.95), (1.0, 1.0), (0.9, 0.0)):
        advantages = gae(rewards, values, mask, gamma, lam)
        torch.testing.assert_close(advantages, policy_gradient.gae(rewards, values, mask, gamma, lam))
        expected, last, columns = values.masked_fill(~mask, 0), 0, []
        for t in reversed(range(6)):
            following = expected[:, t + 1] if t < 5 else 0.0
            last = rewards[:, t] + gamma * following - expected[:, t] + gamma * lam * last
            columns.append(last)
        torch.testing.assert_close(advantages, torch.stack(columns[::-1], 1).masked_fill(~mask, 0))
    loss = ppo_loss(new, old, advantages, mask, 0.2)
    tokens = policy_gradient.clipped_policy_loss(new, old, advantages, 0.2)
    torch.testing.assert_close(loss, policy_gradient.token_mean(tokens, mask))
    ratio = torch.exp(new - old)
    unclipped, clipped = -advantages * ratio, -advantages * torch.clamp(ratio, 0.8, 1.2)
    torch.testing.assert_close(loss, (torch.max(unclipped, clipped) * mask).sum() / mask.sum())
