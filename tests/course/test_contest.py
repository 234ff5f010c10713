"""The stored contest of lesson 11's lab: podium, all contests, differences by seed."""

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


def test_every_contest_is_won_by_somebody(two_seeds):
    held = [*contest.contests()]
    assert len(held) == len({*held}) == 5 * 2 * 3  # measures, temperatures, choices of seeds
    assert contest.winners().total() == len(held)


def test_differences_are_taken_seed_by_seed(two_seeds):
    gain = contest.ahead("PPO", "GRPO")
    assert gain.values == pytest.approx((0.3, 0.5))
    assert gain.mean - gain.low == pytest.approx(12.71 * 0.1, rel=1e-3)  # 0.1 is the standard error, t has one degree
    assert contest.ahead("PPO", "GRPO", "greedy").values == (0.0, 0.0)


@pytest.mark.parametrize("asked", [("gold", "sampled", [7]), ("speed", "sampled", [0]), ("gold", "hot", [0])])
def test_a_contest_that_nobody_held_is_refused(two_seeds, asked):
    with pytest.raises(UserError, match=r"nobody held the contest .* choose among gold, right"):
        contest.podium(*asked)
