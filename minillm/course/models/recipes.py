"""The recipe of each of the course's models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minillm.course.keeping import as_settings
from minillm.course.recipes.chat import WORLD_SFT, WorldSFT
from minillm.course.recipes.preferences import REWARD, WorldPairs
from minillm.course.recipes.prompts import PROMPTS, WORLD_PPO
from minillm.course.recipes.reasoning import FAMILIES, REASONING, REASONING_GRPO
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.ppo import PPOConfig
from minillm.training.recipes import BaseRecipe
from minillm.world import WORLD_VERSION
from minillm.world.instructions import INSTRUCTIONS_VERSION
from minillm.world.raters import Rater


@dataclass(frozen=True)
class ChatRecipe:
    """Everything needed to reproduce a chat model; the defaults are those of `minillm sft`."""

    seed: int = 0  # decides the instructions and the order
    base: BaseRecipe = field(default_factory=lambda: BaseRecipe("world"))  # what it begins with
    sft: WorldSFT = WORLD_SFT


@dataclass(frozen=True)
class RewardRecipe:
    """Everything needed to reproduce a reward model; the defaults are those of `minillm reward`."""

    seed: int = 0  # decides the instructions, the raters' choices and the order
    chat: ChatRecipe = field(default_factory=ChatRecipe)  # what it begins with
    rater: Rater = field(default_factory=Rater)
    pairs: WorldPairs = REWARD


@dataclass(frozen=True)
class PPORecipe:
    """Everything needed to reproduce a model after PPO; the defaults are those of `minillm ppo`."""

    seed: int = 0  # decides what is asked, and the answers
    reward: RewardRecipe = field(default_factory=RewardRecipe)  # the reward model, and what it began as
    prompts: int = PROMPTS
    training: PPOConfig = WORLD_PPO


@dataclass(frozen=True)
class ReasoningRecipe:
    """Everything needed to reproduce a solver after GRPO with a verifier; the defaults are those of lesson 11a."""

    seed: int = 0  # decides the problems, and the answers
    solver: ChatRecipe = field(default_factory=lambda: ChatRecipe(sft=REASONING))  # what it begins with
    families: Mapping[str, int] = field(default_factory=lambda: FAMILIES)  # of problems, by weight
    prompts: int = PROMPTS
    training: GRPOConfig = REASONING_GRPO


CourseRecipe = BaseRecipe | ChatRecipe | RewardRecipe | PPORecipe | ReasoningRecipe


def plain_settings(recipe: CourseRecipe) -> dict[str, Any]:
    """Return the recipe as plain values, with the versions of the world and of the instructions that it reads.

    >>> plain_settings(BaseRecipe("world", seed=1))["seed"], "corpus" in plain_settings(BaseRecipe("world"))
    (1, False)
    """
    texts = {"world": WORLD_VERSION}
    if not isinstance(recipe, BaseRecipe):
        texts["instructions"] = INSTRUCTIONS_VERSION
    return as_settings(recipe) | texts
