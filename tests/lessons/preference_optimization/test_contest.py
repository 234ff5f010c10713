"""The stored contest of lesson 11's lab: podium, all contests, differences by seed."""

import re

import pytest

from minillm.course import contest
from minillm.errors import UserError


def entry(gold, words=9.0):
    return {"gold": gold, "right_share": 0.9, "polite": 0.5, "reward": -gold, "words": words}


@pytest.fixture
def two_seeds(monkeypatch):
    """PPO is ahead of all others by 0.3 and 0.5 points; greedily, everybody says the same."""
    runs = [
        {key: {"sampled": entry(4 + (key == "ppo") * more), "greedy": entry(4.0)} for key in contest.ENTRANTS}
        for more in (0.3, 0.5)
    ]
    monkeypatch.setattr(contest, "stored", lambda name: {"runs": runs})


def test_the_podium_counts_what_is_asked_on_the_seeds_that_are_asked(two_seeds):
    title, value = contest.podium("gold", "sampled", on=[1])[0]
    assert (title, value) == ("PPO", 4.5)
    assert contest.podium("gold", "sampled")[0][1] == pytest.approx(4.4)
    assert contest.podium("reward", "sampled")[-1] == ("PPO", pytest.approx(-4.4))


def test_every_contest_is_won_by_somebody_and_a_tie_by_each(two_seeds):
    held = [*contest.contests()]
    assert len(held) == len({*held}) == 5 * 2 * 3  # measures, temperatures, choices of seeds
    greedy = [each for each in held if each[1] == "greedy"]
    assert contest.winners(greedy) == dict.fromkeys(contest.ENTRANTS.values(), len(greedy))
    assert contest.winners([("gold", "sampled", (0, 1))]) == {"PPO": 1}
    assert contest.winners()["PPO"] == len(held) - 3  # it has the lowest reward


def test_standings_point_at_one_entrant_and_print_an_abstract_only_for_the_first(two_seeds):
    first = contest.standings("PPO", "gold", "sampled", on=[1])
    assert "   4.500  PPO  <-" in first
    assert first.endswith('seed 1)."')
    last = contest.standings("PPO", "reward")
    assert last.splitlines()[0] == "points by the reward model"
    assert last.endswith("PPO is number 7 of 7. Don't write an abstract yet.")
    assert "   9.000  GRPO" in contest.standings("GRPO", "brief")  # words, not their negative


def test_differences_are_taken_seed_by_seed(two_seeds):
    gain = contest.ahead("PPO", "GRPO")
    assert gain.values == pytest.approx((0.3, 0.5))
    assert gain.mean - gain.low == pytest.approx(12.71 * 0.1, rel=1e-3)  # 0.1 is the standard error, t has one degree
    assert contest.ahead("PPO", "GRPO", "greedy").values == (0.0, 0.0)
    assert contest.ahead("PPO", "GRPO", "sampled", over_at="greedy").values == pytest.approx((0.3, 0.5))


ASKED = {
    "on=[5] isn't a list of stored seeds; take some of [0, 1]": ("gold", "sampled", [5]),
    "on=[] isn't": ("gold", "sampled", []),
    "on=0 isn't": ("gold", "sampled", 0),
    "on='01' isn't": ("gold", "sampled", "01"),
    "on=[0.0] isn't": ("gold", "sampled", [0.0]),
    "no measure 'speed'; take 'gold', 'right', 'polite', 'reward', 'brief'": ("speed", "sampled", [0]),
    "no measure 'Gold'; take 'gold'": ("Gold",),
    "no measure ['gold']": (["gold"],),
    "no temperature 'hot'; take 'greedy', 'sampled'": ("gold", "hot", [0]),
}


@pytest.mark.parametrize("sentence", ASKED)
def test_a_contest_that_nobody_held_is_refused_with_what_is_wrong_in_it(two_seeds, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        contest.podium(*ASKED[sentence])


def test_a_misspelled_entrant_is_named(two_seeds):
    with pytest.raises(UserError, match="no entrant 'grpo'; take 'GRPO'"):
        contest.standings("grpo")
    with pytest.raises(UserError, match="no entrant 'DPO'; take .*'DPO, one round'"):
        contest.ahead("PPO", "DPO")
    with pytest.raises(UserError, match="no part 'politeness'; take 'gold', 'right', 'manners'"):
        contest.ahead("PPO", "GRPO", part="politeness")


def test_what_has_one_temperature_only_says_so():
    with pytest.raises(UserError, match="no temperature of best of 64, 'greedy'; take 'sampled'"):
        contest.ahead("best of 64", "PPO", "greedy")
