"""Preferences: the gold utility, simulated raters and the best accuracy anybody can reach."""

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.preferences import Preference
from minillm.world.instructions import Instructions
from minillm.world.raters import RIGHT, WORDINESS, Rater, bayes_ceiling, candidates, length, simulate, utility

HELLO = ({"role": "user", "content": "Hello"},)


@pytest.fixture(scope="module")
def tasks():
    return Instructions(2).instructions(40)


@pytest.fixture(scope="module")
def many_preferences(tasks):
    return simulate(tasks, Rater(temperature=2.0), seed=5, pairs=60)


def test_the_gold_answer_is_the_best_of_its_pool(tasks):
    for task in tasks:
        pool = candidates(task)
        assert pool[0] == task.answer
        assert utility(task, task.answer) == 5.0 == max(utility(task, answer) for answer in pool)


def test_pools_have_every_grade_and_the_checker_knows_each(tasks):
    for task in tasks:
        pool = candidates(task)
        assert len(pool) == len(set(pool)) >= 9
        for answer in pool:
            right = any(reply in answer for reply in (task.reply, task.worked) if reply)
            made_from_right = right and not any(wrong in answer for wrong in task.mistakes)
            assert task.check(answer) is (answer == task.answer or made_from_right), (task.question, answer)
        points = [utility(task, answer) for answer in pool]
        assert max(points) - min(points) > 4
        assert candidates(task) == pool


def test_utility_by_hand(tasks):
    task = next(t for t in tasks if t.family == "who")
    wrong = task.mistakes[0]
    allowed = length(task.answer)
    assert utility(task, task.reply) == 4.0
    assert utility(task, f"{task.reply} Stop bothering me.") == pytest.approx(
        3.0 - 0.1 * (length(task.reply) + 3 - allowed)
    )
    assert utility(task, f"Certainly. {wrong}") == pytest.approx(1.0)
    assert utility(task, wrong) == 0.0
    longer = f"{task.answer} " + "really " * 7
    assert utility(task, longer) == pytest.approx(5.0 - 0.7)
    assert utility(task, f"Certainly. Gladly. {wrong}") <= utility(task, f"Certainly. {wrong}")


@given(a=st.floats(-50, 50), b=st.floats(-50, 50), temperature=st.floats(0.01, 100))
def test_bradley_terry_is_a_probability_with_its_symmetries(a, b, temperature):
    p = Rater(temperature).probability_of_preferring(a, b)
    assert 0 <= p <= 1
    assert p + Rater(temperature).probability_of_preferring(b, a) == pytest.approx(1)
    difference = (a - b) / temperature
    if abs(difference) < 500:
        assert p == pytest.approx(1 / (1 + math.exp(-difference)), abs=1e-12)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(0.2, 5))
def test_odds_multiply_along_a_chain(merits, temperature):
    """Bradley and Terry (1952): odds(a over c) = odds(a over b) times odds(b over c)."""
    rater = Rater(temperature)

    def odds(x, y):
        p = rater.probability_of_preferring(x, y)
        return p / (1 - p)

    a, b, c = (merit / 5 * temperature for merit in merits)
    assert odds(a, c) == pytest.approx(odds(a, b) * odds(b, c), rel=1e-6)


def test_chosen_answers_follow_the_stated_probabilities(tasks, many_preferences):
    """Chi-square over bins of p: of the pairs in which some side has probability p, the side wins a share p of them."""
    by_prompt = {task.prompt: task for task in tasks}
    bins = [[0, 0.0, 0.0] for _ in range(8)]  # wins, expected wins, variance
    for preference in many_preferences:
        task = by_prompt[preference.prompt[0]["content"]]
        points = [utility(task, answer) for answer in (preference.chosen, preference.rejected)]
        by_hand = 1 / (1 + math.exp(-(points[0] - points[1]) / 2.0))
        assert preference.probability == pytest.approx(by_hand)
        # Seen from a side that does not know who won: the answer that comes first in the alphabet.
        won = preference.chosen < preference.rejected
        p = by_hand if won else 1 - by_hand
        bin = bins[min(int(p * 8), 7)]
        bin[0] += won
        bin[1] += p
        bin[2] += p * (1 - p)
    assert all(variance > 5 for _, _, variance in bins)
    assert sum((wins - expected) ** 2 / variance for wins, expected, variance in bins) < 26.12  # 8 degrees, p = 0.001


def test_a_reader_who_knows_the_utilities_reaches_the_ceiling(many_preferences):
    ceiling = bayes_ceiling(many_preferences)
    agreed = [preference.probability > 0.5 for preference in many_preferences]
    ties = sum(preference.probability == 0.5 for preference in many_preferences)
    accuracy = (sum(agreed) + ties / 2) / len(agreed)
    assert abs(accuracy - ceiling.accuracy) < 3.3 * ceiling.stderr  # once in a thousand seeds
    assert 0.6 < ceiling.accuracy < 0.95
    assert ceiling.stderr < 0.01


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_ceiling_is_the_mean_of_the_better_side(chances):
    pairs = [Preference(HELLO, "a", "b", "simulated", p) for p in chances]
    ceiling = bayes_ceiling(pairs)
    assert ceiling.accuracy == pytest.approx(statistics.fmean(max(p, 1 - p) for p in chances))
    assert 0.5 <= ceiling.accuracy <= 1
    flipped = bayes_ceiling([replace(pair, probability=1 - pair.probability) for pair in pairs])
    assert flipped.accuracy == pytest.approx(ceiling.accuracy)
    assert flipped.stderr == pytest.approx(ceiling.stderr, abs=1e-7)  # 1 - p rounds, and a spread may be as small


def test_a_ceiling_needs_pairs_whose_raters_are_known():
    with pytest.raises(ValueError, match="there are no pairs"):
        bayes_ceiling([])
    pair = Preference(HELLO, "a", "b", "Ada")
    with pytest.raises(ValueError, match="pair 1 has no probability; only for simulated raters"):
        bayes_ceiling([replace(pair, probability=0.7), pair])


def test_cold_raters_are_sure_and_hot_ones_toss_coins(tasks):
    cold = bayes_ceiling(simulate(tasks, Rater(temperature=0.001), seed=1, pairs=5))
    hot = bayes_ceiling(simulate(tasks, Rater(temperature=1e6), seed=1, pairs=5))
    assert cold.accuracy > 0.9  # the rest are ties
    assert hot.accuracy == pytest.approx(0.5, abs=1e-4)


def test_a_rater_with_a_length_bias_likes_the_longer_answer(tasks):
    task = next(t for t in tasks if t.family == "who")
    wordy = f"As everybody around the lake will tell you, such matters are seldom simple. {task.answer}"
    fair, biased = Rater(), Rater(length_bias=0.5)
    assert fair.perceived(task, wordy) == utility(task, wordy) < utility(task, task.answer)
    assert biased.perceived(task, wordy) > biased.perceived(task, task.answer)
    assert biased.perceived(task, wordy) - fair.perceived(task, wordy) == pytest.approx(0.5 * length(wordy))
    longer = {
        rater: sum(length(p.chosen) > length(p.rejected) for p in simulate(tasks, rater, seed=3, pairs=5))
        for rater in (fair, biased)
    }
    assert longer[biased] > longer[fair] + 20


def test_simulation_is_deterministic_and_names_its_rater(tasks):
    rater = Rater(name="Tobin")
    first = simulate(tasks[:5], rater, seed=1, pairs=2)
    assert len(first) == 10
    assert first == simulate(tasks[:5], rater, seed=1, pairs=2)
    assert first != simulate(tasks[:5], rater, seed=2, pairs=2)
    assert {preference.rater for preference in first} == {"Tobin"}
    assert [preference.prompt[0]["content"] for preference in first[::2]] == [task.prompt for task in tasks[:5]]


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_impossible_temperatures(temperature):
    with pytest.raises(
        ValueError, match=f"the temperature of a rater is {temperature}; it must be positive and finite"
    ):
        Rater(temperature)


def test_an_impossible_bias():
    with pytest.raises(ValueError, match="the length bias is nan; give a finite number of points per word"):
        Rater(length_bias=math.nan)


def test_other_answers_may_be_compared_than_the_candidates():
    instructions = Instructions(0).instructions(6)
    said = {one.prompt: (one.answer, one.mistakes[0], one.answer, " ") for one in instructions}
    for preference in simulate(instructions, Rater(), 0, 3, lambda one: said[one.prompt]):
        assert {preference.chosen, preference.rejected} == {*said[preference.prompt[0]["content"]][:2]}
    assert len(simulate(instructions, Rater(), 0, 3, lambda one: said[one.prompt])) == 6  # none is compared twice
    assert simulate(instructions, Rater(), 0, 3, lambda one: [one.answer] * 4) == []


def test_every_pair_of_a_few_answers_is_compared_once():
    for instruction in Instructions(0).instructions(4):
        found = simulate([instruction], Rater(), seed=0, pairs=28, among=8)
        pairs = {frozenset((one.chosen, one.rejected)) for one in found}
        assert len(pairs) == len(found) == 28
        answers = frozenset().union(*pairs)
        assert len(answers) == 8
        assert answers <= set(candidates(instruction))


def test_steps_are_free_only_where_they_are_shown():
    task = next(one for one in Instructions(0).stream() if one.family == "chain")
    assert utility(task, task.worked) == RIGHT
    padded = f"{task.reply} {'And so on. ' * 3}"
    assert utility(task, padded) == pytest.approx(RIGHT - WORDINESS * (length(padded) - length(task.answer)))
