"""Stored runs that lesson 11 shows: live runs and full recipes, over three seeds.

live_runs   gains over the chat model in points, with intervals, beside a fixed prefix
closed      the share of best-of-64's gain that each full recipe reaches, and `recipes`, a line about each
ahead       how far one full recipe is ahead of another, paired by seed, with an interval
"""

from dataclasses import dataclass
from statistics import fmean, stdev

from minillm.course.choices import stored
from minillm.course.learner.by_data import T975

NAMES = {"bare": "bare DPO", "careful": "careful DPO", "grpo": "GRPO", "ppo": "PPO"}
CONTROL = "bare, beta 0.3"
TITLES = {"dpo-judge": "dpo, the reward model's labels"}  # of full recipes whose key says too little
PARTS = ("right", "manners")


@dataclass(frozen=True)
class Gain:
    """The mean gain over seeds in points, with its 95% interval by Student's t."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


@dataclass(frozen=True)
class LiveRuns:
    """Gains over the chat model on sampled answers to short questions, by method and part, and those of a prefix."""

    gains: dict[str, dict[str, Gain]]
    prefix: float  # in manners; it changes no right answer
    control: tuple[float, ...]  # gains in right answers of DPO with the beta of careful DPO and without its NLL term

    def means(self, name: str) -> list[float]:
        """The mean gains of a method in right answers and in manners."""
        return [self.gains[name][part].mean for part in PARTS]

    def halves(self, name: str) -> list[float]:
        """Half the lengths of their intervals."""
        return [(self.gains[name][part].high - self.gains[name][part].low) / 2 for part in PARTS]


def live_runs() -> LiveRuns:
    """What benchmarks/dpo_live.py has measured, in the setting of this lesson.

    >>> live_runs().prefix > 0
    True
    """
    found, gains = stored("dpo_live"), {}
    for key, name in NAMES.items():
        rows = {part: found["summary"][key]["short, sampled"][f"gain_{part}"] for part in PARTS}
        gains[name] = {
            part: Gain(row["mean"], row["low"], row["high"], tuple(row["values"])) for part, row in rows.items()
        }
    control = found["summary"][CONTROL]["short, sampled"]["gain_right"]["values"]
    return LiveRuns(gains, found["baselines"]["prefix"]["short"]["sampled"]["gain"]["manners"][0], tuple(control))


def closed(*methods: str) -> dict[str, list[float]]:
    """For each full recipe, the share of best-of-64's gain in gold utility that it reaches, on each seed."""
    rows = {method: [run[method]["closed"] for run in stored("alignment")["runs"]] for method in methods}
    return {
        method: [share["gold"] if isinstance(share, dict) else share for share in shares]
        for method, shares in rows.items()
    }


def recipes(*methods: str) -> list[str]:
    """Lines about the full recipes (benchmarks/alignment.py): gold utility, KL, and the shares of best-of-64's gain."""
    lines = []
    for method, shares in closed(*methods).items():
        rows = [run[method] for run in stored("alignment")["runs"]]
        sampled = [row.get("sampled", row) for row in rows]  # a newer form tells greedy from sampled answers
        utility = fmean(row.get("gold", row.get("utility")) for row in sampled)
        kl, of = fmean(row["kl"] for row in sampled), ", ".join(f"{share:.0%}" for share in shares)
        lines.append(f"{TITLES.get(method, method):10} {utility:.2f} points, KL {kl:.2f}; of the gain {of}")
    return lines


def ahead(first: str, second: str) -> str:
    """How far one full recipe is ahead of another in shares of best-of-64's gain: paired by seed, with a 95% interval.

    >>> ahead("ppo", "dpo").startswith("ppo minus dpo: +")
    True
    """
    shares = closed(first, second)
    differences = [a - b for a, b in zip(shares[first], shares[second], strict=True)]
    mean, n = fmean(differences), len(differences)
    half = T975[n - 1] * stdev(differences) / n**0.5
    return f"{first} minus {second}: {mean:+.0%} of the gain (95%: {mean - half:+.0%} to {mean + half:+.0%})"
