"""The comparison of numbers: its pairs are matched, and its scores those of simple rules."""

import pytest

from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def compare_numbers():
    with benchmark_script("compare_numbers") as module:
        yield module


def test_a_model_that_repeats_the_last_number_is_right_in_half(compare_numbers):
    last = compare_numbers.scores([False] * 4, [True] * 4, larger=True)
    assert last == {"right": 0.5, "named_last": 1.0}
    first_and_small = compare_numbers.scores([False] * 4, [False] * 4, larger=False)
    assert first_and_small == {"right": 1.0, "named_last": 0.5}
    found = compare_numbers.summary({"first": [(True, True)] * 8, "last": [(True, False)] * 8}, larger=True)
    assert (found["right"], found["named_last"], found["questions"], found["one_of_the_two"]) == (1, 0.5, 16, 0.5)
    assert found["right interval"] == (1, 1)


def test_the_conditions_have_matched_answers(compare_numbers):
    pairs = compare_numbers.CONDITIONS
    assert {name: len(of) for name, of in pairs.items()} == {name: 40 for name in pairs} | {"all single digits": 108}
    assert all(float(f"0.{p.larger}") > float(f"0.{p.smaller}") for of in pairs.values() for p in of)
    first = {name: {(p.larger[0], p.smaller[0]) for p in of} for name, of in pairs.items() if "single" not in name}
    assert set(map(frozenset, first.values())) == {frozenset((digit, "1") for digit in "23456789")}
