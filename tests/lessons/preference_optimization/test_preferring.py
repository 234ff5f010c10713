"""Lesson 11's runs with the course's functions are those of the package; small policies do what the page says."""

import re
from dataclasses import replace

import pytest
import torch

from minillm.course import models, preference_runs, preferring, small_policies
from minillm.course.recipes.preferences import DPO
from minillm.course.turns.preference_optimization import aggregate, dpo_loss, group_advantages
from minillm.data.pairs import PairBatches, PairData
from minillm.errors import UserError
from minillm.posttraining.dpo import dpo
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.online import PromptData

pytestmark = pytest.mark.usefixtures("as_users_call_it")


@pytest.fixture
def few_questions(monkeypatch):
    monkeypatch.setattr(preferring, "LEARNED", 8)
    monkeypatch.setattr(preferring, "HELD_OUT", 3)
    preferring.own_pairs.cache_clear()
    yield
    preferring.own_pairs.cache_clear()


def weights(model):
    return torch.cat([part.detach().flatten() for part in model.parameters()])


@pytest.mark.timeout(300)
def test_dpo_with_the_courses_loss_is_the_packages(few_questions, capsys):
    mine, about = preferring.learn_dpo(dpo_loss, beta=0.3, nll=1.0, updates=2)
    assert capsys.readouterr().out.splitlines()[-1].endswith("pairs by the course's dpo_loss.")
    pairs = preferring.own_pairs()
    config = replace(DPO.training, steps=2, warmup_steps=2, log_every=2, eval_every=10, beta=0.3, imitation=1.0)
    data = PairData(PairBatches(pairs.training, DPO.batch_size, 0), pairs.held_out)
    theirs, _ = dpo(models.sft()[0], data, config)
    torch.testing.assert_close(weights(mine), weights(theirs), rtol=1e-4, atol=1e-5)
    assert len(about["training"]["right"]) == len(pairs.training)


@pytest.mark.timeout(300)
def test_grpo_with_the_courses_functions_is_the_packages(few_questions):
    mine = preferring.learn_grpo(group_advantages, aggregate, rounds=1)
    asked = preferring.short_questions(preferring.STREAM, 8)
    tokenizer = models.sft()[1]
    prompts = [preferring.encode_chat(tokenizer, one.messages[:-1]) for one in asked]
    data = PromptData(prompts, models.reward()[0].eval().score, [tokenizer.end_id])
    config = GRPOConfig(steps=1, warmup_steps=1, learning_rate=2e-4, max_new_tokens=preferring.LONGEST)
    theirs, _ = grpo(models.sft()[0], data, config)
    torch.testing.assert_close(weights(mine), weights(theirs), rtol=1e-4, atol=1e-5)


WRONG = {
    "`loss` returned None; return a tensor": lambda w, lost, ref_w, ref_l, beta: None,
    "`loss` returned 0.5; return a tensor": lambda w, lost, ref_w, ref_l, beta: 0.5,
    "numbers, of shape": lambda w, lost, ref_w, ref_l, beta: w - lost,
    "without a gradient": lambda w, lost, ref_w, ref_l, beta: (ref_w - ref_l).mean(),
    "`loss` returned nan; compute it with F.logsigmoid": lambda w, lost, ref_w, ref_l, beta: (
        (w - lost).mean() * torch.nan
    ),
    "`loss` diverged at update 0 (beta 0.1)": lambda w, lost, ref_w, ref_l, beta: 1e30 * (w - lost).mean(),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_loss_that_cannot_be_trained_with_is_told_in_one_sentence(few_questions, sentence):
    def loss(*given):
        return WRONG[sentence](*given)

    with pytest.raises(UserError, match=re.escape(sentence)):
        preferring.learn_dpo(loss, updates=1)


@pytest.mark.parametrize(
    ("loss", "nll", "sentence"), [("dpo", 0, "loss is 'dpo'; give"), (dpo_loss, "1", "nll is '1'")]
)
def test_what_is_no_loss_or_no_weight_is_named(loss, nll, sentence):
    with pytest.raises(UserError, match=sentence):
        preferring.learn_dpo(loss, nll=nll)


def test_each_seed_of_the_exam_has_other_questions():
    asked = [
        {one.prompt for one in preferring.short_questions(preferring.EXAM + preferring.APART * seed, 200, "held-out")}
        for seed in (0, 1)
    ]
    assert len(asked[0] & asked[1]) < 10


def test_an_exam_of_few_questions():
    found = preferring.exam(draws=1, count=4)
    assert len(found.right) == len(found.polite) == len(found.first) == 4
    assert str(found).startswith("right ")


@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_dpo_finds_the_best_policy_on_a_table(beta):
    r, pi_ref = torch.tensor([2.0, 1.0, 0.0]).double(), torch.tensor([0.2, 0.3, 0.5]).double()
    wins = torch.sigmoid(r[:, None] - r).fill_diagonal_(0)
    found = small_policies.on_table(dpo_loss, wins, pi_ref, beta, updates=400)
    torch.testing.assert_close(found, (pi_ref.log() + r / beta).softmax(0), rtol=0, atol=1e-5)


def test_a_shared_weight_moves_a_third_answer():
    features = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 0.0]])
    path, losses = small_policies.one_pair(features)
    assert (losses.diff() < 0).all()
    assert path[-1, 0] < 0.05 < 0.9 < path[-1, 2]
    assert small_policies.one_pair(features, dpo_loss, nll=1.0)[0][-1, 0] > 0.9


def test_live_runs_are_those_on_file():
    runs = preference_runs.live_runs()
    assert list(runs.gains) == ["bare DPO", "careful DPO", "GRPO", "PPO"]
    for row in runs.gains.values():
        assert all(gain.low < gain.mean < gain.high and len(gain.values) == 3 for gain in row.values())
    assert [len(values) for values in runs.controls.values()] == [3, 3]
