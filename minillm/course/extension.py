"""The course's models and recipes by name, for the engine: `load("course-base")`, `minillm sft --data world`."""

import functools
from pathlib import Path
from typing import Any

from minillm.assets import register_folder
from minillm.training.recipes import register_recipe

NAMES = ("base", "sft", "reward", "ppo", "solver", "reasoning")
DATA = {"world": ("sft", "reward", "dpo", "ppo", "grpo"), "problems": ("sft", "grpo")}  # and the commands that use it


def find(name: str) -> Path:
    """The folder of one of the course's models; what neither ships nor is in the cache is trained first."""
    from minillm.course import models  # here, since a name is registered in every process, and few ask for a model

    return models.folder(name, models.DEFAULTS[name])


def find_recipe(command: str, data: str) -> Any:
    """The course's recipe of a command for some data."""
    from minillm.course.recipes.commands import COMMANDS  # here, too

    return COMMANDS[command, data]


for name in NAMES:
    register_folder(f"course-{name}", functools.partial(find, name))
for data, commands in DATA.items():
    for command in commands:
        register_recipe(command, data, functools.partial(find_recipe, command, data))
