"""Train each of the course's models, as its command does; resumes what an interrupted run left in the folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from minillm.course.models.recipes import ChatRecipe, PPORecipe, ReasoningRecipe, RewardRecipe
from minillm.course.recipes.preferences import world_preferences
from minillm.course.recipes.prompts import WorldPrompts
from minillm.course.recipes.reasoning import verified_job
from minillm.data.pairs import encode_preferences
from minillm.device import pick_device, seed_everything
from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import grpo
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.recipes import BaseRecipe, make
from minillm.training.run import OnMetrics
from minillm.training.settings import TrainConfig


def train_base(recipe: BaseRecipe, folder: Path) -> None:
    """Pretrain on the world, as `minillm pretrain` does."""
    with _bar(recipe.training, "base") as show:
        make(recipe, folder, show)


def train_sft(recipe: ChatRecipe, folder: Path, base: tuple[Transformer, Tokenizer]) -> None:
    """Teach the base model the world's instructions, as `minillm sft` does."""
    model, tokenizer = base
    seed_everything(recipe.seed)
    with _bar(recipe.sft.training, "chat") as show:
        make(recipe.sft, folder, show, (model.to(pick_device(None)), tokenizer, recipe.seed))


def train_reward(recipe: RewardRecipe, folder: Path, sft: tuple[Transformer, Tokenizer]) -> None:
    """Let the chat model learn what raters prefer, as `minillm reward` does."""
    model, tokenizer = sft
    seed_everything(recipe.seed)
    with _bar(recipe.pairs.training, "reward") as show:
        found = world_preferences(recipe.pairs, recipe.rater, recipe.seed)
        pairs = [encode_preferences(tokenizer, part, model.config.max_seq_len).pairs for part in found]
        make(recipe.pairs, folder, show, (model.to(pick_device(None)), tokenizer, recipe.seed, *pairs))


def train_ppo(
    recipe: PPORecipe, folder: Path, sft: tuple[Transformer, Tokenizer], reward: tuple[RewardModel, Tokenizer]
) -> None:
    """Let the chat model learn from its own answers, as `minillm ppo` does."""
    device, config = pick_device(None), replace(recipe.training, seed=recipe.seed)
    (model, tokenizer), (reward_model, _) = sft, reward
    seed_everything(recipe.seed)
    start = model.to(device), tokenizer, recipe.seed, reward_model.to(device).eval()
    with _bar(config, "PPO") as show:
        make(WorldPrompts(config, recipe.prompts), folder, show, start)


def train_reasoning(recipe: ReasoningRecipe, folder: Path, solver: tuple[Transformer, Tokenizer]) -> None:
    """Let the solver find out what pays on problems with exact checkers, as `minillm grpo --verify` does."""
    model, tokenizer = solver
    config = replace(recipe.training, seed=recipe.seed)
    seed_everything(recipe.seed)
    with _bar(config, "reasoning") as show:
        model = model.to(pick_device(None))
        verified_job(grpo, config, model, tokenizer, recipe.families, recipe.prompts, recipe.seed).run(folder, show)


@contextmanager
def _bar(config: TrainConfig, name: str) -> Iterator[OnMetrics]:
    with tqdm(total=config.steps, desc=f"The course's {name} model, made once", unit="step") as bar:

        def show(metrics: Metrics) -> None:
            bar.update(metrics["step"] - bar.n)
            bar.set_postfix(loss=f"{metrics['loss']:.3f}")

        yield show
