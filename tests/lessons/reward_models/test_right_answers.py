"""The right answers of exercise 10, against the package, and against what their neighbours do worse."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.config import ModelConfig
from minillm.course.checks.rlhf.advantages import advantages
from minillm.course.checks.rlhf.budget import best_within
from minillm.course.checks.rlhf.merits import merits
from minillm.course.checks.rlhf.weights import weights_with_errors
from minillm.course.turns import turns
from minillm.data.preferences import Preference
from minillm.losses import bradley_terry_loss
from minillm.posttraining.policy_gradient import gae, token_rewards
from minillm.posttraining.reward_model import RewardModel
from minillm.world import raters


def test_the_weights_are_at_the_minimum_and_the_errors_are_of_its_curvature():
    """Oracles: autograd's gradient and Hessian of the package's loss, summed, with the prior."""
    x, prior = torch.randn(12, 3).double(), 1.5
    w, errors = weights_with_errors(x, prior)

    def loss(w):
        return len(x) * bradley_terry_loss(x @ w) + (w / prior).square().sum() / 2

    w.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(w), w)
    assert gradient.abs().max() < 1e-9
    H = torch.autograd.functional.hessian(loss, w.detach())
    torch.testing.assert_close(errors, H.inverse().diagonal().sqrt())


def test_advantages_are_the_packages():
    counts = torch.arange(6) < torch.tensor([[3], [6], [1]])
    log_probs, reference, values = -torch.rand(3, 3, 6) * counts
    scores = torch.randn(3)
    rewards = token_rewards(scores, log_probs, reference, counts, kl_coef=0.2)
    expected = gae(rewards, values, counts, discount=1.0, gae_lambda=0.9)
    torch.testing.assert_close(advantages(scores, log_probs, reference, values, counts, 0.2, 0.9), expected)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(-6, 6)), min_size=2, max_size=6), st.floats(0.01, 3.0))
def test_no_policy_within_the_budget_earns_more(answers, budget):
    parts, rewards = torch.tensor(answers).double().T
    reference = parts / parts.sum()
    best = best_within(reference, rewards, budget)
    far = torch.special.xlogy(best, best / reference).sum()
    assert far <= budget + 1e-9
    if far < budget - 1e-6:  # then only favourites are left
        assert math.isclose(best @ rewards, rewards.max(), abs_tol=1e-6)
    others = torch.distributions.Dirichlet(torch.ones(len(answers)).double()).sample((300,))
    others = torch.cat((others, 0.9 * best + 0.1 * others))
    within = others[torch.special.xlogy(others, others / reference).sum(1) <= budget]
    assert (within @ rewards <= best @ rewards + 1e-6).all()


@pytest.mark.parametrize("pull", [0.0, 1.5])
def test_the_merits_have_no_slope_left(pull):
    wins = torch.tensor([[0, 3, 0, 1], [2, 0, 6, 0], [0, 1, 0, 4], [2, 0, 3, 0]]).double()
    found = merits(wins, pull).requires_grad_()
    loss = -(wins * torch.nn.functional.logsigmoid(found[:, None] - found)).sum() + pull / 2 * found.square().sum()
    loss.backward()
    assert found.grad.abs().max() < 1e-9
    assert abs(found.sum()) < 1e-9


def test_endless_games_give_the_merits_back():
    worth = torch.tensor([2.0, 0.5, -0.5, -2.0]).double()
    heard = torch.sigmoid(worth[:, None] - worth).fill_diagonal_(0)
    torch.testing.assert_close(merits(heard, 0.0), worth)


def test_the_courses_versions_of_reward_models_equal_the_package():
    """Oracles: the package's loss, its ceiling, and its reward model on padded rows."""
    preference_loss, bayes_ceiling, reward_at_end = (turn.course for turn in turns("10"))
    r_w, r_l = 3 * torch.randn(2, 9)
    torch.testing.assert_close(preference_loss(r_w, r_l), bradley_terry_loss(r_w - r_l))
    asked = ({"role": "user", "content": "Hello"},)
    p = torch.rand(20)
    pairs = [Preference(asked, "Good morning.", "What?", "simulated", each) for each in p.tolist()]
    assert bayes_ceiling(p).item() == pytest.approx(raters.bayes_ceiling(pairs).accuracy)
    model = RewardModel(ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=8)).eval()
    torch.nn.init.normal_(model.head.weight)
    ids = torch.randint(9, (3, 5))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    hidden = model.transformer.hidden(ids, segments=mask)
    torch.testing.assert_close(reward_at_end(hidden, mask.bool(), model.head.weight[0]), model(ids, mask))
