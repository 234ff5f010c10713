"""The course's models by name, for the engine: `minillm.load("course-base")`, `load_reward_model("course-reward")`."""

import functools
from pathlib import Path

from minillm.assets import register_folder

NAMES = ("base", "sft", "reward", "ppo", "solver", "reasoning")


def find(name: str) -> Path:
    """The folder of one of the course's models; what neither ships nor is in the cache is trained first."""
    from minillm.course import models  # here, since a name is registered in every process, and few ask for a model

    return models.folder(name, models.DEFAULTS[name])


for name in NAMES:
    register_folder(f"course-{name}", functools.partial(find, name))
