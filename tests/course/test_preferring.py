"""Lesson 11's small policies do what the page says; its exam and its stored runs are read."""

import pytest
import torch

from minillm.course import preference_runs, preferring, small_policies
from minillm.course.turns.preference_optimization import dpo_loss

pytestmark = pytest.mark.usefixtures("as_users_call_it")


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


def test_both_forms_of_a_contest_are_read(monkeypatch):
    old = {"utility": 4.5, "kl": 1.0, "closed": 0.8}
    new = {"sampled": {"gold": 4.5, "kl": 1.0}, "closed": {"gold": 0.8, "right": 0.1, "manners": 1.0}}
    for row in (old, new):
        monkeypatch.setattr(preference_runs, "stored", lambda name, row=row: {"runs": [{"ppo": row}] * 2})
        assert preference_runs.recipes("ppo") == ["ppo        4.50 points, KL 1.00; of the gain 80%, 80%"]


def test_live_runs_are_those_on_file():
    runs = preference_runs.live_runs()
    assert list(runs.gains) == ["bare DPO", "careful DPO", "GRPO", "PPO"]
    for row in runs.gains.values():
        assert all(gain.low < gain.mean < gain.high and len(gain.values) == 3 for gain in row.values())
