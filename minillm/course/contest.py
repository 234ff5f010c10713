"""A stored contest of full recipes (benchmarks/alignment.py): who comes first depends on what is counted, and on seeds.

ENTRANTS   what learned from the preferences, by title; BASELINES what didn't
podium     all entrants in the order of one measure, at one temperature, on some seeds; `standings` prints it
contests   everything that `podium` can be asked; `winners` says who is first in how many of them
table      lines about all: gold utility, its gain in two parts, and what the training took
ahead      how far an entrant is ahead of another or of a baseline, paired by seed, with an interval; `gains`, of each
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, product
from statistics import fmean
from typing import Any

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
    "distilled-any": "any one answer, distilled",
}
KEYS = {title: key for key, title in (BASELINES | ENTRANTS).items()}
MEASURES = {  # of a row; more is better
    "gold": lambda row: row["gold"],
    "right": lambda row: row["right_share"],
    "polite": lambda row: row["polite"],
    "reward": lambda row: row["reward"],
    "brief": lambda row: -row["words"],
}
UNITS = {
    "gold": "points of gold utility",
    "right": "of the answers are right",
    "polite": "of the answers are polite",
    "reward": "points by the reward model",
    "brief": "words per answer, fewest first",
}
TEMPERATURES = ("greedy", "sampled")
Contest = tuple[str, str, tuple[int, ...]]


def seeds() -> range:
    """The seeds of the stored contest, by number."""
    return range(len(stored("alignment")["runs"]))


def _one_of(known: Iterable[str], what: str, name: Any) -> Any:
    """The name, if it is known. Raises `UserError` with those that contain it in any capitals, or else with all."""
    known = [*known]
    if name in known:
        return name
    meant = [each for each in known if str(name).lower() in each.lower()] or known
    raise UserError(f"there is no {what} {name!r}; take {', '.join(map(repr, meant))}")


def _some_seeds(on: Any) -> list[int]:
    """The seeds that are asked for, each once. Raises `UserError` for any that there is not, and for none at all."""
    if on is None:
        return [*seeds()]
    asked = [*on] if isinstance(on, Iterable) and not isinstance(on, str) else []
    if not asked or not all(isinstance(seed, int) and seed in seeds() for seed in asked):
        raise UserError(f"on={on!r} isn't a list of stored seeds; take some of {[*seeds()]}, such as on=[0, 2]")
    return sorted({*asked})


def podium(
    measure: str = "gold", temperature: str = "sampled", on: Sequence[int] | None = None
) -> list[tuple[str, float]]:
    """All entrants with their means over seeds, the best first. Raises `UserError` for what wasn't measured.

    >>> len(podium("brief", "greedy", on=[0]))
    7
    """
    read = MEASURES[_one_of(MEASURES, "measure", measure)]
    _one_of(TEMPERATURES, "temperature", temperature)
    runs = [stored("alignment")["runs"][seed] for seed in _some_seeds(on)]
    means = {title: fmean(read(run[key][temperature]) for run in runs) for key, title in ENTRANTS.items()}
    return sorted(means.items(), key=lambda item: -item[1])


def standings(yours: str, measure: str = "gold", temperature: str = "sampled", on: Sequence[int] | None = None) -> str:
    """The podium as lines, with an arrow at one entrant, and what its author may write. Raises `UserError` as `podium`.

    >>> print(standings("PPO", "reward", "sampled").splitlines()[-1])
    PPO comes first. Abstract: "PPO outperforms six strong methods (reward, sampled, seeds 0, 1, 2)."
    """
    _one_of(ENTRANTS.values(), "entrant", yours)
    rows, asked = podium(measure, temperature, on), _some_seeds(on)
    lines = [f"{abs(value) if measure == 'brief' else value:8.3f}  {title}" for title, value in rows]
    place = [title for title, _ in rows].index(yours)
    lines[place] += "  <-"
    won = f"{measure}, {temperature}, seed{'s' * (len(asked) > 1)} {', '.join(map(str, asked))}"
    end = f'{yours} comes first. Abstract: "{yours} outperforms six strong methods ({won})."'
    if yours not in first(rows):
        end = f"{yours} is number {place + 1} of {len(rows)}. Don't write an abstract yet."
    return "\n".join([UNITS[measure], *lines, end])


def first(rows: Sequence[tuple[str, float]]) -> list[str]:
    """Who has the best value; several, if they have the same.

    >>> first([("a", 0.1 + 0.2), ("b", 0.3), ("c", 0.2)])
    ['a', 'b']
    """
    best = max(value for _, value in rows)
    return [title for title, value in rows if value > best - 1e-9]


def contests() -> Iterator[Contest]:
    """All that `podium` can be asked: every measure at both temperatures, on every choice of seeds."""
    chosen = chain.from_iterable(combinations(seeds(), n) for n in range(1, len(seeds()) + 1))
    return product(MEASURES, TEMPERATURES, chosen)


def winners(held: Iterable[Contest] | None = None) -> Counter[str]:
    """Who is first in how many of some contests, or of all; a tie counts for each.

    >>> winners().total() >= len([*contests()])
    True
    """
    return Counter(chain.from_iterable(first(podium(*contest)) for contest in held or contests()))


def table(temperature: str) -> Iterator[str]:
    """A line about each baseline and entrant: gold utility, its gain in two parts, minutes of the processor.

    The gain in right answers has its 95% interval over seeds. Raises `UserError` for another temperature.

    >>> next(table("greedy"))
    'chat model                     gold ...
    """
    _one_of(TEMPERATURES, "temperature", temperature)
    runs, means = stored("alignment")["runs"], stored("alignment")["summary"]["methods"]
    for key, title in (BASELINES | ENTRANTS).items():
        if temperature not in means[key]:
            continue
        row, ran = means[key][temperature], [run[key] for run in runs]
        line = f"{title:30} gold {row['gold']['mean']:.2f}"
        if key != "SFT":
            right, manners = (Gain.of(row[f"gain_{part}"]["values"]) for part in ("right", "manners"))
            line += f"  right {right}, manners {manners.mean:+.2f}"
        if key in ENTRANTS:
            line += f"  {fmean(each['seconds'] for each in ran) / 60:4.1f} min"
        yield line


def ahead(title: str, over: str, temperature: str = "sampled", over_at: str | None = None, part: str = "gold") -> Gain:
    """By how many points one title is ahead of another: paired by seed, with a 95% interval by Student's t.

    The other's answers are of the same temperature, or of `over_at`. `part` is "gold", or one of its parts, "right" or
    "manners". Raises `UserError` for what wasn't measured.

    >>> ahead("chat model", "chat model", "greedy", "sampled", part="right").mean > 0
    True
    """
    _one_of(("gold", "right", "manners"), "part", part)
    of_title, of_other = _points(title, temperature, part), _points(over, over_at or temperature, part)
    return Gain.of([one - other for one, other in zip(of_title, of_other, strict=True)])


def _points(title: str, temperature: str, part: str) -> list[float]:
    """Points by seed."""
    key, rows = KEYS[_one_of(KEYS, "entrant", title)], stored("alignment")["runs"]
    _one_of([name for name in TEMPERATURES if name in rows[0][key]], f"temperature of {title},", temperature)
    return [row[key][temperature][part] for row in rows]


def gains(over: str = "chat model", temperature: str = "sampled") -> dict[str, Gain]:
    """By how many points each entrant is ahead of a baseline.

    >>> gains()["PPO"].mean > 0
    True
    """
    return {title: ahead(title, over, temperature) for title in ENTRANTS.values()}
