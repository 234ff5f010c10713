"""The course's own trained models: made once on this computer, by the code that the lessons teach, and then kept.

A lesson that needs a trained model asks here and waits only the first time; `python -m minillm.course.models` makes
all of them beforehand, and the runs of `sweep.py`. What is kept lies in the cache under a hash of the settings that
made it, so changed settings give another model, never an old one under a new name (`keeping.py`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from minillm.course.keeping import kept, kept_files
from minillm.course.sweep import sweep, sweep_files
from minillm.data.preferences import Rater
from minillm.device import pick_device, seed_everything
from minillm.model.transformer import Transformer
from minillm.posttraining.ppo import PPOConfig
from minillm.posttraining.ppo import ppo as run_ppo
from minillm.posttraining.recipes import (
    PROMPTS,
    REWARD,
    WORLD_PPO,
    WORLD_SFT,
    PairRecipe,
    SFTRecipe,
    online_job,
    world_preferences,
)
from minillm.posttraining.reward import train_reward_model
from minillm.posttraining.reward_model import RewardModel, load_reward_model
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.recipes import BaseRecipe, Job, make
from minillm.training.run import OnMetrics
from minillm.training.settings import TrainConfig
from minillm.world import WORLD_VERSION
from minillm.world.instructions import INSTRUCTIONS_VERSION


def base(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's base model of Ottermere and its tokenizer, ready to use: what `minillm pretrain` makes by default.

    The first call trains it, a few minutes on two cores, with a progress bar; later ones load it in less
    than a second. Raises `OSError` where the cache folder cannot be written to.

    >>> model, tokenizer = base()                                                             # doctest: +SKIP
    """
    return make_base(BaseRecipe(seed))


def make_base(recipe: BaseRecipe) -> tuple[Transformer, Tokenizer]:
    """The base model of any recipe, from the cache or trained now."""
    return kept("base", _settings(recipe), lambda folder: train_base(recipe, folder))


@dataclass(frozen=True)
class ChatRecipe:
    """All that decides what a model becomes that learns to answer; the defaults are those of `minillm sft`."""

    seed: int = 0  # decides the instructions and the order
    base: BaseRecipe = field(default_factory=BaseRecipe)  # what it begins with
    sft: SFTRecipe = WORLD_SFT


def sft(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's base model after it has learned to answer: what `minillm sft` makes by default.

    The first call trains it, and the base model where that was never made; each takes minutes on two cores. Raises
    `OSError` where the cache folder cannot be written to.

    >>> model, tokenizer = sft()                                                              # doctest: +SKIP
    """
    return make_sft(ChatRecipe(seed))


def make_sft(recipe: ChatRecipe) -> tuple[Transformer, Tokenizer]:
    """The model of any such recipe, from the cache or trained now."""
    return kept("sft", _settings(recipe), lambda folder: train_sft(recipe, folder))


@dataclass(frozen=True)
class RewardRecipe:
    """All that decides what a reward model becomes; the defaults are those of `minillm reward`."""

    seed: int = 0  # decides the instructions, the raters' choices and the order
    chat: ChatRecipe = field(default_factory=ChatRecipe)  # what it begins with
    rater: Rater = field(default_factory=Rater)
    pairs: PairRecipe = REWARD


def reward(seed: int = 0) -> tuple[RewardModel, Tokenizer]:
    """A reward model of what simulated raters prefer: what `minillm reward` makes by default.

    The first call trains it, and the models that it begins with where they were never made; each takes minutes on two
    cores. Raises `OSError` where the cache folder cannot be written to.

    >>> model, tokenizer = reward()                                                           # doctest: +SKIP
    """
    return make_reward(RewardRecipe(seed))


def make_reward(recipe: RewardRecipe) -> tuple[RewardModel, Tokenizer]:
    """The model of any such recipe, from the cache or trained now."""
    return kept("reward", _settings(recipe), lambda folder: train_reward(recipe, folder), load_reward_model)


@dataclass(frozen=True)
class PPORecipe:
    """All that decides what PPO makes of a chat model; the defaults are those of `minillm ppo`."""

    seed: int = 0  # decides what is asked, and the answers
    reward: RewardRecipe = field(default_factory=RewardRecipe)  # the reward model, and what it began as
    prompts: int = PROMPTS
    training: PPOConfig = WORLD_PPO


def ppo(seed: int = 0) -> tuple[Transformer, Tokenizer]:
    """The course's chat model after PPO with the course's reward model: what `minillm ppo` makes by default.

    The first call trains it, and the models that it begins with where they were never made; each takes minutes on two
    cores. Raises `OSError` where the cache folder cannot be written to.

    >>> model, tokenizer = ppo()                                                              # doctest: +SKIP
    """
    return make_ppo(PPORecipe(seed))


def make_ppo(recipe: PPORecipe) -> tuple[Transformer, Tokenizer]:
    """The model of any such recipe, from the cache or trained now."""
    return kept("ppo", _settings(recipe), lambda folder: train_ppo(recipe, folder))


DEFAULTS = {"base": BaseRecipe(), "sft": ChatRecipe(), "reward": RewardRecipe(), "ppo": PPORecipe()}


def files_here() -> dict[str, list[Path]]:
    """The files of each of the course's own models that the cache holds whole, and none for a model to be made yet.

    Copied to the same place in another computer's cache, they are that computer's models.
    """
    return {name: kept_files(name, _settings(recipe)) for name, recipe in DEFAULTS.items()} | {"sweep": sweep_files()}


def make_all() -> None:
    """Make what is not here yet, and say how long each took: about twenty minutes on two cores."""
    for model in (base, sft, reward, ppo, sweep):
        start = time.perf_counter()
        model()
        print(f"{model.__name__:8} {time.perf_counter() - start:6.0f} s", flush=True)


def train_base(recipe: BaseRecipe, folder: Path) -> None:
    """Pretrain on the world, as `minillm pretrain` does; resumes what an interrupted run left in `folder`."""
    with _bar(recipe.training, "base") as show:
        make(recipe, folder, show)


def train_sft(recipe: ChatRecipe, folder: Path) -> None:
    """Teach the base model the world's instructions, as `minillm sft` does."""
    model, tokenizer = make_base(recipe.base)
    seed_everything(recipe.seed)
    with _bar(recipe.sft.training, "chat") as show:
        make(recipe.sft, folder, show, (model.to(pick_device(None)), tokenizer, recipe.seed))


def train_reward(recipe: RewardRecipe, folder: Path) -> None:
    """Let the chat model learn what raters prefer, as `minillm reward` does."""
    model, tokenizer = make_sft(recipe.chat)
    seed_everything(recipe.seed)
    with _bar(recipe.pairs.training, "reward") as show:
        found = world_preferences(recipe.pairs, recipe.rater, recipe.seed)
        data, *_ = recipe.pairs.encode(found, model, tokenizer, recipe.seed)
        Job(model.to(pick_device(None)), tokenizer, data, recipe.pairs.training, train_reward_model).run(folder, show)


def train_ppo(recipe: PPORecipe, folder: Path) -> None:
    """Let the chat model learn from its own answers, as `minillm ppo` does."""
    device, config = pick_device(None), replace(recipe.training, seed=recipe.seed)
    (model, tokenizer), (reward_model, _) = make_sft(recipe.reward.chat), make_reward(recipe.reward)
    seed_everything(recipe.seed)
    score = reward_model.to(device).eval().score
    with _bar(config, "PPO") as show:
        online_job(run_ppo, config, model.to(device), tokenizer, score, recipe.prompts, recipe.seed).run(folder, show)


# Fields that are newer than kept models, with the values that change nothing.
LATER = [("rope_scaling", None), ("sliding_window", None), ("corpus", "world")]


def _settings(recipe: BaseRecipe | ChatRecipe | RewardRecipe | PPORecipe) -> dict[str, Any]:
    """The recipe as plain values, without settings that came later and say nothing: so what was made stays known.

    With them the versions of what the texts are drawn from, as far as the model reads such.
    """
    texts = {"world": WORLD_VERSION}
    if not isinstance(recipe, BaseRecipe):
        texts["instructions"] = INSTRUCTIONS_VERSION
    plain = asdict(recipe, dict_factory=lambda pairs: dict(pair for pair in pairs if pair not in LATER))
    return plain | texts


@contextmanager
def _bar(config: TrainConfig, name: str) -> Iterator[OnMetrics]:
    with tqdm(total=config.steps, desc=f"The course's {name} model, made once", unit="step") as bar:

        def show(metrics: Metrics) -> None:
            bar.update(metrics["step"] - bar.n)
            bar.set_postfix(loss=f"{metrics['loss']:.3f}")

        yield show


if __name__ == "__main__":
    make_all()
