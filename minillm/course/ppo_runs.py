"""Stored runs that lesson 10b shows: PPO without one of its brakes, over three seeds.

brakes   gold utility by seed, and what held each run back
needed   the brakes without which gold utility is lost
"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from minillm.course.choices import stored

BRAKES = {  # stored runs by what is different in them
    "as it is": "fresh",
    "no clip": "no clip",
    "no KL penalty": "beta 0",
    "no stop_kl": "no stop",
    "no clip of the values": "no value clip",
    "none of these four": "rate alone",
    "rate x 2.5": "rate x 2.5",
    "rate x 5": "rate x 5",
    "rate x 5, no clip": "rate x 5, no clip",
    "rate x 5, no KL penalty": "rate x 5, beta 0",
    "rate x 5, no stop_kl": "rate x 5, no stop",
}


def brakes() -> dict[str, dict[str, Any]]:
    """What stored runs did without a brake of PPO: gold utility by seed; means of KL, tokens clipped, rounds cut.

    >>> len(brakes()["as it is"]["gold"])
    3
    """
    found = {}
    for title, name in BRAKES.items():
        rows = [row for row in stored("ppo_live")["runs"] if row["name"] == name]
        means = {key: fmean(row["brakes"][key] for row in rows) for key in ("kl", "clip_fraction", "stopped")}
        found[title] = means | {"gold": [row["after"]["all"]["greedy"]["gold"] for row in rows]}
    return found


def needed(rows: Mapping[str, Mapping[str, Any]], points: float = 1.0) -> list[str]:
    """Without which brakes gold utility ends more than so many points lower, as a mean over seeds.

    >>> needed({"as it is": {"gold": [4.5]}, "no clip": {"gold": [4.4]}, "rate x 5": {"gold": [-3.0]}})
    ['rate x 5']
    """
    least = fmean(rows["as it is"]["gold"]) - points
    return [name for name, row in rows.items() if fmean(row["gold"]) < least]
