"""A stored contest of full recipes (benchmarks/alignment.py): who comes first depends on what is counted, and on seeds.

ENTRANTS   what learned from the preferences, by title; BASELINES what didn't train
podium     all entrants in the order of one measure, at one temperature, on some seeds
contests   everything that `podium` can be asked; `winners` says who is first in how many of them
table      lines about all: gold utility, its gain in two parts, and what the training took
ahead      how far an entrant is ahead of another or of a baseline, paired by seed, with an interval; `gains`, of each
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, product
from statistics import fmean

from minillm.course.choices import stored
from minillm.course.preference_runs import Gain
from minillm.errors import UserError

ENTRANTS = {
    "ppo": "PPO",
    "grpo": "GRPO",
    "dpo": "DPO, one round",
    "dpo-rounds": "DPO, three rounds",
    "dpo-rounds-first": "three rounds, first reference",
    "dpo-judge": "DPO, reward model's labels",
    "distilled": "best of 16, distilled",
}
BASELINES = {
    "SFT": "chat model",
    "prefix": '"Certainly." in front',
    "best-of-4": "best of 4",
    "best-of-64": "best of 64",
}
KEYS = {title: key for key, title in (BASELINES | ENTRANTS).items()}
MEASURES = {  # of a row; more is better
    "gold": lambda row: row["gold"],
    "right": lambda row: row["right_share"],
    "polite": lambda row: row["polite"],
    "reward": lambda row: row["reward"],
    "brief": lambda row: -row["words"],
}
TEMPERATURES = ("greedy", "sampled")


def seeds() -> range:
    """The seeds of the stored contest, by number."""
    return range(len(stored("alignment")["runs"]))


def podium(
    measure: str = "gold", temperature: str = "sampled", on: Sequence[int] | None = None
) -> list[tuple[str, float]]:
    """All entrants with their means over seeds, the best first. Raises `UserError` for what wasn't measured.

    >>> len(podium("brief", "greedy", on=[0]))
    7
    """
    on = seeds() if on is None else on
    if measure not in MEASURES or temperature not in TEMPERATURES or not on or not set(on) <= set(seeds()):
        known = f"{', '.join(MEASURES)}; {' or '.join(TEMPERATURES)}; on some of the seeds {[*seeds()]}"
        raise UserError(f"nobody held the contest {measure!r}, {temperature!r}, on {on}; choose among {known}")
    runs = [stored("alignment")["runs"][seed] for seed in on]
    read = MEASURES[measure]
    means = {title: fmean(read(run[key][temperature]) for run in runs) for key, title in ENTRANTS.items()}
    return sorted(means.items(), key=lambda item: -item[1])


def contests() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """All that `podium` can be asked: every measure at both temperatures, on every choice of seeds."""
    chosen = chain.from_iterable(combinations(seeds(), n) for n in range(1, len(seeds()) + 1))
    return product(MEASURES, TEMPERATURES, chosen)


def winners() -> Counter[str]:
    """Who is first in how many of all contests.

    >>> winners().total() == len([*contests()])
    True
    """
    return Counter(podium(*contest)[0][0] for contest in contests())


def table(temperature: str) -> Iterator[str]:
    """A line about each baseline and entrant: gold utility, its gain in two parts, minutes of the processor.

    >>> next(table("greedy"))
    'chat model                      gold ...
    """
    runs, means = stored("alignment")["runs"], stored("alignment")["summary"]["methods"]
    for key, title in (BASELINES | ENTRANTS).items():
        if temperature not in means[key]:
            continue
        row, ran = means[key][temperature], [run[key] for run in runs]
        line = f"{title:31} gold {row['gold']['mean']:.2f}"
        if key != "SFT":
            line += f"   right {row['gain_right']['mean']:+.2f}, manners {row['gain_manners']['mean']:+.2f}"
        if key in ENTRANTS:
            line += f"   {fmean(each['seconds'] for each in ran) / 60:4.1f} min"
        yield line


def ahead(first: str, second: str, temperature: str = "sampled") -> Gain:
    """By how many points one title is ahead of another: paired by seed, with a 95% interval by Student's t."""
    one, other = (KEYS[title] for title in (first, second))
    runs = stored("alignment")["runs"]
    return Gain.of([run[one][temperature]["gold"] - run[other][temperature]["gold"] for run in runs])


def gains(over: str = "chat model", temperature: str = "sampled") -> dict[str, Gain]:
    """By how many points each entrant is ahead of a baseline.

    >>> gains()["PPO"].mean > 0
    True
    """
    return {title: ahead(title, over, temperature) for title in ENTRANTS.values()}
