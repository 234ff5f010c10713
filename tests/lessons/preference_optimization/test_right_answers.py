"""The right answers of exercise 11, against the package and against what the lesson has found out."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm import ModelConfig
from minillm.course.checks.preference_optimization.closing import answer_log_probs
from minillm.course.checks.preference_optimization.estimators import kl_estimators
from minillm.course.checks.preference_optimization.others import against_the_others
from minillm.course.checks.preference_optimization.thumbs import thumbs
from minillm.model.transformer import Transformer
from minillm.posttraining.policy_gradient import kl_estimate
from minillm.posttraining.rollout import Rollout, score_answers


def test_the_estimators_by_samples_and_k3_as_the_packages():
    logits, reference = torch.randn(2, 5).double()
    means, deviations, left = kl_estimators(logits, reference, 0.5, 0)
    sampled = torch.multinomial(logits.softmax(0), 40_000, replacement=True)
    log_p, log_q = logits.log_softmax(0)[sampled], reference.log_softmax(0)[sampled]
    for which, values in enumerate((log_p - log_q, (log_p - log_q) ** 2 / 2, kl_estimate(log_p[None], log_q[None])[0])):
        assert abs(means[which] - values.mean()) < 5 * deviations[which] / 200
        assert math.isclose(deviations[which], values.std(), rel_tol=0.1)
    torch.testing.assert_close(left, means[:1].expand(3))


def test_what_each_estimator_does_as_a_loss():
    """k1 does nothing; k2 is an update of KL(policy, reference), k3 one of KL(reference, policy)."""
    logits, reference = torch.randn(2, 4).double()
    log_q = reference.log_softmax(0)
    ends = []
    for forwards in (True, False):
        x = logits.clone().requires_grad_()
        log_p = x.log_softmax(0)
        kl = (log_p.exp() * (log_p - log_q)).sum() if forwards else (log_q.exp() * (log_q - log_p)).sum()
        log_p = (x - 0.3 * torch.autograd.grad(kl, x)[0]).detach().log_softmax(0)
        ends.append((log_p.exp() * (log_p - log_q)).sum())
    means, _, left = kl_estimators(logits, reference, 0.3, 1)
    torch.testing.assert_close(left, torch.stack([means[0], *ends]))


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 3)), min_size=1, max_size=9))
def test_each_against_the_others_by_counting(answers):
    found = against_the_others(
        *(torch.tensor(column) for column in zip(*((float(s), q) for s, q in answers), strict=True))
    )
    for place, (score, question) in enumerate(answers):
        others = [s for n, (s, q) in enumerate(answers) if q == question and n != place]
        expected = score - sum(others) / len(others) if others else 0.0
        assert math.isclose(found[place], expected, abs_tol=1e-5)


def test_answers_are_as_likely_as_the_package_finds_them():
    END = 0
    model = Transformer(ModelConfig(vocab_size=7, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    prompts, answers = [[1, 2], [3, END, 4], [5]], [[6, 1, END], [2, 3, 4], [END]]
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    ids = torch.tensor([row + [END] * (6 - len(row)) for row in rows])
    with torch.no_grad():
        expected, _ = score_answers(model, Rollout.from_answers(prompts, answers, model.device))
        found = answer_log_probs(model(ids), ids, torch.tensor([2, 3, 1]), END)
    torch.testing.assert_close(found, expected.sum(1))


def test_the_chances_of_all_answers_are_at_most_one():
    END, ids = 0, torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]])  # closed at once, closed late, cut off
    logits = torch.randn(3, 2).expand(3, 3, 2)
    assert math.isclose(answer_log_probs(logits, ids, torch.ones(3).long(), END).exp().sum(), 1.0, rel_tol=1e-5)


def test_thumbs_push_by_the_slope_of_the_mean_loss():
    log_ratios, strangers = torch.randn(6).double(), torch.randn(6).double().abs()
    liked = torch.tensor([True, False, True, True, False, True])
    losses, pushes = thumbs(log_ratios, liked, strangers, 0.4)
    for n in range(6):
        step = 1e-5 * (torch.arange(6) == n)
        up, down = (thumbs(log_ratios + s, liked, strangers, 0.4)[0].mean() for s in (step, -step))
        assert math.isclose(pushes[n], -(up - down) / 2e-5, rel_tol=1e-5)
    assert ((pushes > 0) == liked).all()
    sure, _ = thumbs(torch.tensor([50.0, -50.0]), torch.tensor([True, False]), torch.zeros(2), 1.0)
    assert sure.max() < 1e-6
    even, _ = thumbs(torch.zeros(3), torch.tensor([True, False, False]), torch.zeros(3), 1.0)
    assert math.isclose(even[0], even[1:].sum())
    assert losses.shape == (6,)
