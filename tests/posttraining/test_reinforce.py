"""REINFORCE: its gradient by hand, and an optimum that is known."""

import pytest
import torch
from bandits import DATA, bandit, optimum, probability
from helpers import lively, small_config

from minillm.model.transformer import Transformer
from minillm.posttraining.policy_gradient import reinforce_loss
from minillm.posttraining.reinforce import REINFORCE, REINFORCEConfig, reinforce
from minillm.posttraining.rollout import Rollout, answer_hidden, score_answers


def test_the_gradient_by_hand():
    """Of A log softmax(z)[a] with respect to z: A (one-hot(a) - softmax(z)); 0 at padding; a mean over answers."""
    logits = torch.randn(2, 3, 4, requires_grad=True)
    ids, mask = torch.tensor([[1, 3, 0], [2, 0, 0]]), torch.tensor([[True, True, True], [True, False, False]])
    advantages = torch.tensor([0.5, -2.0])
    log_probs = logits.log_softmax(-1).gather(-1, ids[..., None]).squeeze(-1)
    reinforce_loss(log_probs, advantages[:, None], mask).backward()
    one_hot = torch.nn.functional.one_hot(ids, 4)
    by_hand = -advantages[:, None, None] * (one_hot - logits.detach().softmax(-1)) * mask[..., None] / 2
    torch.testing.assert_close(logits.grad, by_hand)


def test_its_mean_is_the_gradient_of_the_expected_reward():
    """Over all answers of a policy with three arms, weighted by their probabilities; with any baseline."""
    z, rewards = torch.tensor([0.3, -1.0, 0.5], requires_grad=True), torch.tensor([1.0, 0.0, 4.0])
    (true,) = torch.autograd.grad((z.softmax(0) * rewards).sum(), z)
    for baseline in (0.0, 2.5):
        mean = torch.zeros(3)
        for arm in range(3):
            log_prob = z.log_softmax(0)[arm].view(1, 1)
            loss = reinforce_loss(log_prob, (rewards[arm] - baseline).view(1, 1), torch.ones(1, 1, dtype=torch.bool))
            mean -= z.softmax(0)[arm].item() * torch.autograd.grad(loss, z)[0]
        torch.testing.assert_close(mean, true)


@pytest.mark.parametrize(("baseline", "expected"), [(True, [-1.5, 1.5]), (False, [0.8, 3.8])])
def test_advantages_by_hand(baseline, expected):
    """Scores 1 and 4; each answer's log-ratio is 0.1 per token over two tokens, at 1 point per nat."""
    model = lively(Transformer(small_config()))
    rollout = Rollout.from_answers([[3], [3]], [[1, 2], [4, 5]])
    method = REINFORCE(model, REINFORCEConfig(prompts_per_step=1, answers_per_prompt=2, baseline=baseline))
    with torch.no_grad():
        hidden = answer_hidden(model, rollout)
        old = score_answers(model, rollout, hidden)[0]
        part, metrics = method.experience(rollout, torch.tensor([1.0, 4.0]), hidden, old, old - 0.1, 1.0)
    torch.testing.assert_close(part.advantages, torch.tensor(expected)[:, None].expand(2, 2))
    assert metrics == {}


@pytest.mark.parametrize(("seed", "kl_coef"), [(0, 0.5), pytest.param(2, 1.0, marks=pytest.mark.slow)])
def test_a_two_armed_bandit_ends_at_the_optimum_of_the_objective(seed, kl_coef):
    model = bandit(seed)
    expected = optimum(probability(model), kl_coef)
    config = REINFORCEConfig(
        steps=150, prompts_per_step=4, answers_per_prompt=64, max_new_tokens=1, learning_rate=0.01, kl_coef=kl_coef
    )
    model, history = reinforce(model, DATA, config)
    assert probability(model) == pytest.approx(expected, abs=0.04)
    assert {line["updates"] for line in history} == {1}
    assert {line["clip_fraction"] for line in history} == {0.0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 2}, "epochs is 2; REINFORCE makes one update per sample"),
        ({"minibatch": 63}, "minibatch is 63 of 64 answers; REINFORCE makes one update of all"),
    ],
)
def test_a_second_update_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        REINFORCEConfig(**changes)
