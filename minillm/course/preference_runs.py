"""Stored live runs that lesson 11 shows, over three seeds: gains in points, with intervals, beside a fixed prefix."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from minillm.course.choices import stored
from minillm.course.learner.by_data import T975

NAMES = {"bare": "bare DPO", "careful": "careful DPO", "grpo": "GRPO", "ppo": "PPO"}
CONTROLS = {"beta 0.3 alone": "bare, beta 0.3", "NLL alone": "careful, beta 0.1"}  # between bare and careful DPO
PARTS = ("right", "manners")


@dataclass(frozen=True)
class Gain:
    """The mean gain over seeds in points, with its 95% interval by Student's t."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Gain":
        """Of one value per seed.

        >>> print(Gain.of([0.3, 0.4, 0.2]))
        +0.30 (+0.05 to +0.55)
        """
        mean, n = fmean(values), len(values)
        half = T975[n - 1] * stdev(values) / n**0.5
        return cls(mean, mean - half, mean + half, tuple(values))

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


@dataclass(frozen=True)
class LiveRuns:
    """Gains over the chat model on sampled answers to short questions, by method and part, and those of a prefix."""

    gains: dict[str, dict[str, Gain]]
    prefix: float  # in manners; it changes no right answer
    controls: dict[str, tuple[float, ...]]  # gains in right answers of DPO with half of what makes it careful

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
        gains[name] = {part: Gain.of(row["values"]) for part, row in rows.items()}
    controls = {
        name: tuple(found["summary"][key]["short, sampled"]["gain_right"]["values"]) for name, key in CONTROLS.items()
    }
    return LiveRuns(gains, found["baselines"]["prefix"]["short"]["sampled"]["gain"]["manners"][0], controls)
