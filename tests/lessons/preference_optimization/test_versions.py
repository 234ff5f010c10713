"""The course's versions of the turns of lesson 11 equal the package's formulas, and TRL's where those differ."""

import pytest
import torch

from minillm.course.turns import turns
from minillm.posttraining import dpo, policy_gradient

dpo_loss, group_advantages, aggregate = (turn.course for turn in turns("11"))


def test_dpo_is_the_packages_with_its_gradient():
    policy = torch.randn(2, 6).sub(8).requires_grad_()
    reference = torch.randn(2, 6) - 8
    mine, theirs = dpo_loss(*policy, *reference, 0.3), dpo.dpo_loss(*policy, *reference, beta=0.3)
    torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, policy)[0] for loss in (mine, theirs)))


@pytest.mark.parametrize("scale", [True, False])
def test_advantages_are_the_packages(scale):
    rewards = torch.tensor([*torch.randn(8).tolist(), 1.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(
        group_advantages(rewards, 4, scale), policy_gradient.group_advantages(rewards, 4, scale=scale)
    )


def test_averages_are_the_packages():
    losses, mask = torch.randn(3, 5), torch.arange(5) < torch.tensor([[2], [4], [1]])
    for how, name in (("answer", "answer_mean"), ("token", "token_mean"), ("constant", "constant_mean")):
        extra = (9,) if how == "constant" else ()
        torch.testing.assert_close(
            aggregate(losses, mask, how, 9), getattr(policy_gradient, name)(losses, mask, *extra)
        )
