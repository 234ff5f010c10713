"""The right answers of exercise 11a, against the package, autograd, and cases worked by hand."""

from fractions import Fraction
from statistics import multimode

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.reasoning.lengths import fair_loss
from minillm.course.checks.reasoning.steps import first_mistake
from minillm.course.checks.reasoning.training import train
from minillm.course.checks.reasoning.vote import vote
from minillm.course.recipes.chat import problems
from minillm.course.turns import turns
from minillm.posttraining import verifiers
from minillm.posttraining.policy_gradient import group_advantages, grpo_loss
from minillm.posttraining.verifiers import majority_vote
from minillm.world.instructions import Instructions


@given(st.lists(st.none() | st.integers(0, 4), max_size=9))
def test_a_vote_is_the_first_mode_and_the_packages_choice(results):
    votes = [result for result in results if result is not None]
    assert vote(results) == (multimode(votes)[0] if votes else None)
    if votes:
        conclusions = [() if result is None else (str(result),) for result in results]
        assert vote(results) == results[majority_vote(conclusions)]


def test_the_worlds_own_steps_hold_and_the_wrong_results_do_not():
    for problem in problems({"chain": 2, "long_chain": 1}, 30, seed=0):
        assert first_mistake(problem.worked) is None
        assert first_mistake(f"With pleasure. {problem.worked}") is None
        assert first_mistake(problem.mistakes[-1]) == problem.worked.count("=")


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("18 + 4 = 22, 22 + 7 = 28, 28 - 9 = 19. Answer: 19.", 1),
        ("18 + 4 = 23, 23 + 7 = 31. Answer: 30.", 0),
        ("18 + 4 = 22, 21 + 7 = 28. Answer: 28.", 1),
        ("18 + 4 = 22. Answer: 23.", 1),
    ],
)
def test_the_first_wrong_step_by_hand(answer, number):
    assert first_mistake(answer) == number


def test_every_token_of_the_fair_loss_has_the_same_weight():
    mask = torch.arange(8) < torch.tensor([4, 2, 8])[:, None]
    log_probs = torch.randn(3, 8, requires_grad=True)
    fair_loss(log_probs, torch.tensor([1.0, 0.0, 0.0]), mask, longest=10).backward()
    expected = torch.tensor([-2 / 3, 1 / 3, 1 / 3])[:, None] / 30 * mask
    torch.testing.assert_close(log_probs.grad, expected)


@pytest.mark.parametrize("scale", [False, True])
def test_each_update_follows_the_gradient_that_autograd_finds(scale):
    success, shares = [0.1, 0.7, 0.4], [0.6, 0.1, 0.3]
    accuracies, final = train(success, shares, 0.8, 3, scale)
    logits = torch.tensor(shares).double().log().requires_grad_()
    for accuracy in accuracies[:-1]:
        value = (logits.softmax(0) * torch.tensor(success).double()).sum()
        assert value.item() == pytest.approx(accuracy)
        (gradient,) = torch.autograd.grad(value, logits)
        spread = (value * (1 - value)).sqrt().item() + 1e-6 if scale else 1.0
        logits = (logits + 0.8 * gradient / spread).detach().requires_grad_()
    assert logits.softmax(0).tolist() == pytest.approx(final)


def test_the_best_way_wins_in_the_end():
    accuracies, shares = train([0.03, 0.3], [0.88, 0.12], 5.0, 200, False)
    assert accuracies[0] == pytest.approx(
        float(Fraction(3, 100) * Fraction(88, 100) + Fraction(3, 10) * Fraction(12, 100))
    )
    assert shares[1] > 0.95
    assert accuracies == sorted(accuracies)


def test_the_courses_versions_of_reasoning_equal_the_package():
    """Oracles: the instructions' own checker, pass@k of the package, and the gradient of its GRPO loss."""
    verifier, policy_gradient_loss, pass_at_k = (turn.course for turn in turns("11a"))
    for task in Instructions(3, families={"chain": 1, "count": 1}).instructions(40):
        for said in (task.answer, task.worked, *task.mistakes, "", "Gladly."):
            assert verifier(said, int(task.key.truth[0])) == float(task.check(said)), (task.question, said)
    for n, c, k in ((1, 0, 1), (6, 2, 3), (64, 3, 64), (64, 60, 8)):
        assert pass_at_k(n, c, k) == pytest.approx(verifiers.pass_at_k(n, c, k))
    mask = torch.arange(4) < torch.tensor([[2], [4], [1]])
    log_probs, rewards = torch.randn(3, 4).requires_grad_(), torch.tensor([1.0, 0.0, 0.0])
    (mine,) = torch.autograd.grad(policy_gradient_loss(log_probs, rewards, mask), log_probs)
    before = log_probs.detach()
    loss, _ = grpo_loss(log_probs, before, before, group_advantages(rewards, 3), mask, kl_coef=0.0)
    torch.testing.assert_close(mine, torch.autograd.grad(loss, log_probs)[0])
