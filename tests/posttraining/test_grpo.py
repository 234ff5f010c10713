import math

import pytest
import torch
from bandits import DATA, bandit, optimum, probability
from helpers import lively, small_config

from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import GRPO, GRPOConfig, grpo
from minillm.posttraining.rollout import Rollout, answer_hidden, roll_out, score_answers


def own_optimum(reference: float, kl_coef: float) -> float:
    """Where GRPO's push and its price are equal, for two answers and a large group.

    With probability p of the better one, the normalised advantages are sqrt((1 - p) / p) and -sqrt(p / (1 - p)), and
    the push on the logit is p (1 - p) times their difference: sqrt(p (1 - p)), whatever the rewards are. The price is
    kl_coef times the slope of KL(reference, policy): kl_coef (p - reference).
    """
    low, high = reference, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        ahead = math.sqrt(middle * (1 - middle)) > kl_coef * (middle - reference)
        low, high = (middle, high) if ahead else (low, middle)
    return low


@pytest.mark.parametrize(
    ("seed", "kl_coef"), [(0, 0.5), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((0, 2.0), (2, 1.0)))]
)
def test_a_two_armed_bandit_ends_where_push_and_price_are_equal(seed, kl_coef):
    model = bandit(seed)
    before = probability(model)
    expected = own_optimum(before, kl_coef)
    config = GRPOConfig(
        steps=60, prompts_per_step=4, answers_per_prompt=64, max_new_tokens=1, minibatch=256, learning_rate=0.01,
        kl_coef=kl_coef,
    )  # fmt: skip
    model, _ = grpo(model, DATA, config)
    assert probability(model) == pytest.approx(expected, abs=0.04)
    assert abs(expected - optimum(before, kl_coef)) > 0.1  # it is not where PPO's objective has its optimum


def test_the_loss_by_loops():
    model, reference, moved = (lively(Transformer(small_config())) for _ in range(3))
    moved.load_state_dict({k: 0.8 * model.state_dict()[k] + 0.2 * v for k, v in moved.state_dict().items()})
    config = GRPOConfig(answers_per_prompt=2, clip=0.2)
    scores = torch.tensor([1.0, 3.0, 2.0, 2.0])
    rollout = roll_out(model, [[3, 14, 15]] * 2 + [[7]] * 2, 6, stop=[4, 9, 17, 33, 41, 28, 11, 5], seed=3)
    method = GRPO(model, config)
    with torch.no_grad():
        old, before, new = (score_answers(m, rollout)[0] for m in (model, reference, moved))
        part, metrics = method.experience(rollout, scores, answer_hidden(model, rollout), old, before, 0.3)
        loss, _ = method.loss(part, answer_hidden(moved, rollout), new, 0.3)
    lengths = rollout.mask.sum(1).tolist()
    assert len(set(lengths)) > 1
    answers = []
    for b, advantage in enumerate([-math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0]):  # 1 and 3 deviate by sqrt(2)
        tokens = []
        for t in range(lengths[b]):
            ratio, back = (new[b, t] - old[b, t]).exp().item(), (before[b, t] - new[b, t]).item()
            surrogate = min(ratio * advantage, min(max(ratio, 0.8), 1.2) * advantage)
            tokens.append(-surrogate + 0.3 * (math.exp(back) - back - 1))
        answers.append(sum(tokens) / len(tokens))
    assert loss.item() == pytest.approx(sum(answers) / 4, rel=1e-4)
    assert metrics == {"idle": 0.5}


def test_a_group_of_one_is_refused():
    with pytest.raises(ValueError, match="answers_per_prompt is 1; a group needs at least 2"):
        GRPOConfig(answers_per_prompt=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"clip_high": 0.0}, "clip_high is 0.0; it must be positive"),
        ({"clip_high": math.inf}, "clip_high is inf; it must be positive"),
    ],
)
def test_variants_that_do_not_exist_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        GRPOConfig(**changes)


def test_the_settings_of_the_variants_reach_advantages_and_loss():
    """Dr. GRPO by hand: advantages are -1 and 1, and every token counts 1 / (2 x 5)."""
    model = lively(Transformer(small_config()))
    config = GRPOConfig(answers_per_prompt=2, scale=False, loss_type="dr_grpo", max_new_tokens=5, clip_high=0.5)
    method, rollout = GRPO(model, config), Rollout.from_answers([[3, 14], [3, 14]], [[1, 2, 3], [4]])
    with torch.no_grad():
        old = score_answers(model, rollout)[0]
        part, _ = method.experience(rollout, torch.tensor([1.0, 3.0]), answer_hidden(model, rollout), old, old, 0.0)
        loss, _ = method.loss(part, answer_hidden(model, rollout), old + math.log(1.4), 0.0)
    assert loss.item() == pytest.approx((3 * 1.4 - 1 * 1.4) / 10, rel=1e-4)  # 1.4 is beyond `clip`, within `clip_high`
