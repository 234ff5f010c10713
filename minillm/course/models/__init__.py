"""The course's own trained models: they ship with the package, and what does not ship is trained once and kept.

    recipes      everything needed to reproduce a model
    training     how each is trained, by the code that the lessons teach
    retraining   `python -m minillm.course.models --retrain`: makes the shipped models anew
    base/ sft/ reward/ ppo/ solver/ reasoning/ sweep.json   what ships; `minillm.course.shipped` reads it

Other seeds and recipes, and all models while the world or a default recipe is newer than what ships, are trained here
with a progress bar and kept in the cache under a hash of their settings (`minillm.course.keeping`), so changed settings
give another model. The settings hold the SHA-256 of the shipped weights that training starts from.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from minillm.course.keeping import kept_files, kept_folder
from minillm.course.models.recipes import (
    ChatRecipe,
    CourseRecipe,
    PPORecipe,
    ReasoningRecipe,
    RewardRecipe,
    plain_settings,
)
from minillm.course.models.training import train_base, train_ppo, train_reasoning, train_reward, train_sft
from minillm.course.shipped import (
    check_shipped,
    shipped_files,
    shipped_folder,
    shipped_numbers,
    shipped_weights,
)
from minillm.course.sweep import sweep, sweep_files
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel, load_reward_model, save_reward_model
from minillm.pretrained import load, save
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import BaseRecipe

DEFAULTS: dict[str, CourseRecipe] = {
    "base": BaseRecipe("world"),
    "sft": ChatRecipe(),
    "reward": RewardRecipe(),
    "ppo": PPORecipe(),
    "solver": ReasoningRecipe().solver,
    "reasoning": ReasoningRecipe(),
}  # the models that ship; each only starts from those before it


@dataclass(frozen=True)
class Method:
    """How a kind of model is trained, and how its files are read and written."""

    train: Callable[..., None]  # (recipe, folder, **starts)
    starts: Callable[[Any], dict[str, CourseRecipe]]  # the recipes of the models that it starts from
    load: Callable[[Path], tuple[Any, Tokenizer]] = load
    save: Callable[[Any, Tokenizer, Path], None] = save


METHODS = {
    "base": Method(train_base, lambda recipe: {}),
    "sft": Method(train_sft, lambda recipe: {"base": recipe.base}),
    "reward": Method(train_reward, lambda recipe: {"sft": recipe.chat}, load_reward_model, save_reward_model),
    "ppo": Method(train_ppo, lambda recipe: {"sft": recipe.reward.chat, "reward": recipe.reward}),
    "solver": Method(train_sft, lambda recipe: {"base": recipe.base}),
    "reasoning": Method(train_reasoning, lambda recipe: {"solver": recipe.solver}),
}


def base(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's base model of Ottermere and its tokenizer, ready to use: what `minillm pretrain` makes by default.

    It ships with the package, in float16, and loads in less than a second. With another seed, or if what ships is
    older than the default recipe, the first call trains it, a few minutes on two cores, and keeps it in the cache.
    Raises `UserError` if the shipped files are damaged, and `OSError` if the cache cannot be written.

    >>> model, tokenizer = base()                                                             # doctest: +SKIP
    """
    return make("base", replace(DEFAULTS["base"], seed=seed))


def make_base(recipe: BaseRecipe) -> tuple[Transformer, Tokenizer]:
    """The base model of any recipe: shipped, from the cache, or trained now."""
    return make("base", recipe)


def sft(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's base model after it has learned to answer: what `minillm sft` makes by default.

    Shipped or trained as `base` is; training takes minutes on two cores, and the base model first if that is missing.

    >>> model, tokenizer = sft()                                                              # doctest: +SKIP
    """
    return make("sft", replace(DEFAULTS["sft"], seed=seed))


def make_sft(recipe: ChatRecipe) -> tuple[Transformer, Tokenizer]:
    """The chat model of any recipe: shipped, from the cache, or trained now."""
    return make("sft", recipe)


def reward(seed: int = 0) -> tuple[RewardModel, Tokenizer]:
    """A reward model of what simulated raters prefer: what `minillm reward` makes by default.

    Shipped or trained as `base` is; training takes minutes on two cores, and that of missing starts before it.

    >>> model, tokenizer = reward()                                                           # doctest: +SKIP
    """
    return make("reward", replace(DEFAULTS["reward"], seed=seed))


def make_reward(recipe: RewardRecipe) -> tuple[RewardModel, Tokenizer]:
    """The reward model of any recipe: shipped, from the cache, or trained now."""
    return make("reward", recipe)


def ppo(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's chat model after PPO with the course's reward model: what `minillm ppo` makes by default.

    Shipped or trained as `base` is; training takes minutes on two cores, and that of missing starts before it.

    >>> model, tokenizer = ppo()                                                              # doctest: +SKIP
    """
    return make("ppo", replace(DEFAULTS["ppo"], seed=seed))


def make_ppo(recipe: PPORecipe) -> tuple[Transformer, Tokenizer]:
    """The model that PPO makes of any recipe: shipped, from the cache, or trained now."""
    return make("ppo", recipe)


def solver(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's base model after SFT on problems: it answers most at once, and can show its steps.

    Lesson 11a begins with it. Shipped or trained as `base` is; training takes a minute on two cores.

    >>> model, tokenizer = solver()                                                           # doctest: +SKIP
    """
    return make("solver", replace(DEFAULTS["solver"], seed=seed))


def reasoning(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The solver after GRPO on verified results, `minillm grpo --verify`: it shows its steps.

    Shipped or trained as `base` is; training takes minutes on two cores, and that of missing starts before it.

    >>> model, tokenizer = reasoning()                                                        # doctest: +SKIP
    """
    return make("reasoning", replace(DEFAULTS["reasoning"], seed=seed))


def make(name: str, recipe: CourseRecipe) -> tuple[Any, Tokenizer]:
    """The model of a recipe of the kind `name`: shipped, from the cache, or trained now with a progress bar."""
    return METHODS[name].load(folder(name, recipe))


def folder(name: str, recipe: CourseRecipe) -> Path:
    """The folder of that model."""
    settings = settings_of(name, recipe)
    return shipped_folder(name, settings) or kept_folder(name, settings, functools.partial(train, name, recipe))


def train(name: str, recipe: CourseRecipe, folder: Path) -> None:
    """Train a model into a run folder, and first make the models that it starts from."""
    method = METHODS[name]
    starts = {start: make(start, its_recipe) for start, its_recipe in method.starts(recipe).items()}
    method.train(recipe, folder, **starts)


def settings_of(name: str, recipe: CourseRecipe) -> dict[str, Any]:
    """All that a model depends on, as plain values: its recipe, the texts' versions, and the weights it starts from.

    `starts` has the SHA-256 of shipped starts by name. For a start that does not ship, whose recipe is part of this
    one, it has the shipped weights that the start began with.
    """
    starts: dict[str, str] = {}
    for start, its_recipe in METHODS[name].starts(recipe).items():
        settings = settings_of(start, its_recipe)
        weights = shipped_weights(start, settings)
        starts |= {start: weights} if weights else settings.get("starts", {})
    return plain_settings(recipe) | ({"starts": starts} if starts else {})


def files_here() -> dict[str, list[Path]]:
    """The files of each default model, shipped or in the cache; an empty list for a model that is still to be made.

    Those in the cache, copied to the same place in another computer's cache, are that computer's models.
    """
    found = {}
    for name, recipe in DEFAULTS.items():
        try:
            settings = settings_of(name, recipe)
        except UserError:  # a damaged start: `damages` names it
            found[name] = []
            continue
        found[name] = shipped_files(name, settings) or kept_files(name, settings)
    return found | {"sweep": sweep_files()}


def damages() -> list[str]:
    """What is wrong with shipped files and what to do, one sentence for each damaged model."""
    found = []
    for check in [*(lambda name=name: check_shipped(name) for name in DEFAULTS), shipped_numbers]:
        try:
            check()
        except UserError as error:
            found.append(str(error))
    return found


def make_all() -> None:
    """Make what neither ships nor is in the cache, and say how long each took: about an hour for all of it."""
    for model in (base, sft, reward, ppo, solver, reasoning, sweep):
        start = time.perf_counter()
        model()
        print(f"{model.__name__:8} {time.perf_counter() - start:6.0f} s", flush=True)
