"""The right answers of exercise 11, against the package and against what the lesson has found out."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm import ModelConfig
from minillm.course.checks.preference_optimization.closing import answer_log_probs
from minillm.course.checks.preference_optimization.others import against_the_others
from minillm.course.checks.preference_optimization.slips import careful_loss
from minillm.course.checks.preference_optimization.thumbs import thumbs
from minillm.losses import bradley_terry_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import implicit_margins
from minillm.posttraining.rollout import Rollout, score_answers


@pytest.mark.parametrize("slips", [0.0, 0.2])
def test_the_careful_loss_is_the_packages_from_both_sides(slips):
    tables = torch.randn(4, 5)
    margins = implicit_margins(tables[0] - tables[1], tables[2] - tables[3], beta=0.3)
    expected = (1 - slips) * bradley_terry_loss(margins) + slips * bradley_terry_loss(-margins)
    torch.testing.assert_close(careful_loss(*tables, 0.3, slips), expected)


def test_the_careful_loss_is_least_where_the_exercise_says():
    margin = torch.tensor([math.log(0.9 / 0.1)], requires_grad=True)
    nothing = torch.zeros(1)
    careful_loss(margin, nothing, nothing, nothing, 1.0, 0.1).backward()
    assert margin.grad.abs() < 1e-6


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
