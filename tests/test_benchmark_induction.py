"""The benchmark of copying with one layer and two: its exact lines against enumeration, and its scores by hand."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from minillm.losses import IGNORE
from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def induction():
    with benchmark_script("induction") as module:
        yield module


def test_every_target_can_be_copied(induction):
    setting = induction.Setting()
    x, y, period = induction.repeats(setting, 20, seed=0)
    assert x.shape == y.shape == (20, 40)
    row, t = (y != IGNORE).nonzero(as_tuple=True)
    assert torch.equal(x[row, t + 1 - period[row, 0]], y[row, t])
    assert [int((targets != IGNORE).sum()) for targets in y] == [40 - int(p) for p in period]
    assert period.min() >= induction.SHORTEST
    assert period.max() <= induction.LONGEST


def test_the_exact_lines_are_means_over_all_periods(induction, monkeypatch):
    """Three letters and periods of 2 and 3, enumerated; rows of 6 have 4 and 3 targets."""
    monkeypatch.setattr(induction, "SHORTEST", 2)
    monkeypatch.setattr(induction, "LONGEST", 3)
    setting = induction.Setting(letters=3, length=6)
    seen, counted = [], []
    for p in (2, 3):
        for period in itertools.product(range(3), repeat=p):
            weight = (6 - p) / 3**p / 7
            seen.append(weight * math.log(len(set(period))))
            counted.append(weight * sum(-math.log(period.count(letter) / p) / p for letter in period))
    assert induction.seen_so_far(setting) == pytest.approx(sum(seen))
    assert induction.by_count(setting) == pytest.approx(sum(counted))
    found = induction.simulated(setting, rows=6000)
    assert found["a letter seen so far"] == pytest.approx(sum(seen), abs=0.03)


def test_nothing_beats_the_best_possible(induction):
    found = induction.simulated(induction.Setting(), rows=60)
    assert 0 <= found["the best possible"] < 0.05 < 2 < found["by position"] < found["a letter seen so far"]


def test_scores_of_attention_that_is_known(induction, monkeypatch):
    """One head looks at the token before, one at the letter to copy."""
    rows = induction.repeats(induction.Setting(), 5, seed=0)
    weights = torch.zeros(1, 5, 2, 40, 40)
    for row, period in enumerate(rows[2][:, 0].tolist()):
        for t in range(40):
            weights[0, row, 0, t, max(0, t - 1)] = 1
            weights[0, row, 1, t, max(0, t + 1 - period)] = 1
    monkeypatch.setattr(induction, "trace", lambda model, ids: SimpleNamespace(weights=weights))
    previous, matching = induction.scores(None, rows)
    assert previous[0] == pytest.approx(1)
    assert matching == [pytest.approx(0), pytest.approx(1)]


def test_who_carries_it_alone(induction):
    found = {
        "end": 0.1,
        "without": {"layer 0 head 0": {"mean": 3.0}, "layer 0 head 1": {"mean": 0.2}},
        "previous token": [0.3, 0.4],
    }
    verdict = induction.verdict(found, "mean")
    assert (verdict["matters"], verdict["alone"], verdict["has the higher previous-token score"]) == (0, True, False)
    found["without"]["layer 0 head 1"]["mean"] = 1.0
    assert not induction.verdict(found, "mean")["alone"]
