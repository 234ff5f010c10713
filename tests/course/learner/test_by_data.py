"""Which choice leads, by how many standard errors."""

import math
from statistics import stdev

import pytest

from minillm.analysis.alignment import Estimate
from minillm.course.learner.by_data import lead
from minillm.errors import UserError

ONE, OTHER = [1.0, 2.0, 4.0, 3.0, 2.5], [2.0, 4.0, 4.5, 5.0, 3.0]


def test_pairs_are_compared_by_their_differences():
    found = lead({"a": ONE, "b": OTHER})
    assert (found.best, found.rival, found.degrees) == ("b", "a", 4)
    assert found.difference == pytest.approx(1.2)
    assert found.stderr == pytest.approx(stdev([1, 2, 0.5, 2, 0.5]) / math.sqrt(5))
    assert not found.too_close  # t = 3.54, and 2.78 are needed
    assert lead({"a": ONE, "b": OTHER}, smallest=True).best == "a"


def test_two_samples_are_compared_as_welch_does():
    found = lead({"a": ONE, "b": [*OTHER, 9.0]})  # scipy.stats.ttest_ind(equal_var=False): t = 1.883, df = 7.296
    assert found.difference / found.stderr == pytest.approx(1.883, abs=5e-4)
    assert found.degrees == pytest.approx(7.296, abs=5e-4)
    assert found.too_close


def test_estimates_are_compared_by_their_errors():
    found = lead({"a": Estimate(1.0, 0.3), "b": Estimate(2.0, 0.4)})
    assert (found.difference, found.stderr, found.degrees, found.too_close) == (1.0, 0.5, math.inf, True)
    assert not lead({"a": Estimate(1.0, 0.3), "b": Estimate(2.01, 0.4)}).too_close
    mixed = lead({"a": Estimate(1.0, 0.3), "b": ONE})
    assert mixed.stderr == pytest.approx(math.hypot(0.3, Estimate.of(ONE).stderr))


def test_few_values_need_a_larger_lead():
    pair = {"a": [0.0, 0.0], "b": [0.9, 1.1]}  # ten standard errors, but one degree of freedom needs 12.7
    assert lead(pair).too_close
    assert not lead({"a": [0.0] * 3, "b": [0.9, 1.1, 1.0]}).too_close


def test_the_rival_is_the_one_that_comes_closest_in_errors():
    noisy, far = [0.0, 4.0, -2.0, 3.0], [1.4, 1.6, 1.5, 1.5]  # the mean of `noisy` is lower, but its error is large
    found = lead({"best": [2.0, 2.0, 2.1, 2.0], "far": far, "noisy": noisy})
    assert (found.best, found.rival, found.too_close) == ("best", "noisy", True)


def test_equal_values_are_too_close_and_a_constant_difference_is_not():
    assert lead({"a": ONE, "b": ONE}).too_close
    shifted = lead({"a": ONE, "b": [value + 1 for value in ONE]})
    assert not shifted.too_close
    assert shifted.sentence == '"b" is ahead of "a" by 1 ± 0 (one standard error).'


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"a": ONE}, "compares at least two choices; got a"),
        ({}, "compares at least two choices; got none"),
        ({"a": ONE, "b": [1.0]}, "the choice 'b' has 1 values, so no error; give at least two"),
        ({"a": ONE, "b": [1.0, math.nan]}, "the values of the choice 'b' are not all finite"),
        ({"a": Estimate(0.0, math.inf), "b": ONE}, "the values of the choice 'a' are not all finite"),
    ],
)
def test_what_has_no_error_is_refused(values, sentence):
    with pytest.raises(UserError, match=sentence):
        lead(values)
