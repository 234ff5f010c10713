"""A reward model's score against a table by hand, and for models of known quality."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.analysis.calibration import score_pairs
from minillm.data.preferences import Preference
from minillm.world.instructions import Instructions
from minillm.world.raters import Rater, bayes_ceiling, simulate

HELLO = ({"role": "user", "content": "Hello"},)


def pairs(*probabilities: float) -> list[Preference]:
    return [Preference(HELLO, "Good morning.", "What?", "simulated", p) for p in probabilities]


def test_a_table_by_hand():
    """The model is 0.75, 0.75 and 0.95 confident; raters agree with probability 0.9, 0.4 and 0.8."""
    margins = [math.log(3), -math.log(3), math.log(19)]
    score = score_pairs(margins, pairs(0.9, 0.6, 0.8), bins=5)
    assert (score.n, score.accuracy) == (3, pytest.approx(2 / 3))
    assert score.expected == pytest.approx((0.9 + 0.4 + 0.8) / 3)
    assert score.ceiling == pytest.approx((0.9 + 0.6 + 0.8) / 3)
    assert [row.count for row in score.bins] == [2, 1]
    assert [row.predicted for row in score.bins] == pytest.approx([0.75, 0.95])
    assert [row.true for row in score.bins] == pytest.approx([0.65, 0.8])
    assert score.calibration_error == pytest.approx((2 * 0.10 + 0.15) / 3)


def test_the_true_probabilities_reach_the_ceiling_and_are_calibrated_and_overconfident_ones_are_not():
    preferences = simulate(Instructions(0).instructions(40), Rater(), seed=0, pairs=5)
    probabilities = [preference.probability for preference in preferences]
    truth = [math.log(max(p, 1e-12) / max(1 - p, 1e-12)) for p in probabilities]
    score = score_pairs(truth, preferences)
    assert score.expected == pytest.approx(score.ceiling)
    assert score.ceiling == bayes_ceiling(preferences).accuracy
    assert abs(score.accuracy - score.ceiling) < 4 * score.stderr
    assert score.calibration_error < 1e-9
    overconfident = score_pairs([3 * margin for margin in truth], preferences)
    assert overconfident.expected == score.expected
    assert overconfident.calibration_error > 0.02
    opposite = score_pairs([-margin for margin in truth], preferences)
    assert opposite.expected == pytest.approx(1 - score.ceiling)


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_expected_accuracy_never_exceeds_the_ceiling(rows):
    score = score_pairs([margin for margin, _ in rows], pairs(*(p for _, p in rows)))
    assert score.expected <= score.ceiling + 1e-9
    assert sum(row.count for row in score.bins) == len(rows)
    assert 0 <= score.calibration_error <= 1


def test_guessing_scores_one_half():
    score = score_pairs([0.0] * 4, pairs(0.9, 0.9, 0.2, 0.5))
    assert score.accuracy == score.expected == 0.5
    assert score.calibration_error == 0  # margins of 0 are calibrated
    rng = random.Random(0)
    guesses = score_pairs([rng.choice((-1.0, 1.0)) for _ in range(2000)], pairs(*[0.9] * 2000))
    assert guesses.expected == pytest.approx(0.5, abs=0.05)


def test_invalid_input_is_rejected():
    with pytest.raises(ValueError, match="1 margins for 2 pairs"):
        score_pairs([1.0], pairs(0.5, 0.6))
    with pytest.raises(ValueError, match="has no probability"):
        score_pairs([1.0], [Preference(HELLO, "Yes.", "No.", "Ada")])
    with pytest.raises(ValueError, match="there are no pairs"):
        score_pairs([], [])
