"""The course's models in small: default recipes that train in a second, and an empty folder for what ships."""

from dataclasses import replace

from helpers import small_config

from minillm.course import models, shipped
from minillm.course.models import BaseRecipe, ChatRecipe, PPORecipe, ReasoningRecipe, RewardRecipe
from minillm.course.recipes import chat, preferences
from minillm.course.recipes.chat import WORLD_SFT, WorldSFT
from minillm.course.recipes.preferences import REWARD, WorldPairs
from minillm.course.recipes.prompts import WORLD_PPO
from minillm.course.recipes.reasoning import REASONING, REASONING_GRPO
from minillm.training import recipes as training_recipes
from minillm.training.settings import TrainConfig

LOAD_CORPUS = training_recipes.load_corpus
SHORT = {"steps": 3, "warmup_steps": 1, "bf16": False}
BASE = BaseRecipe(
    "world",
    config=small_config(vocab_size=300, max_seq_len=700),
    training=TrainConfig(steps=4, warmup_steps=1, log_every=2, eval_every=2, save_every=2, bf16=False),
    batch_size=2,
    documents=20,
    tokenizer_documents=10,
)
FEW = dict(batch_size=2, instructions=30, questions=2, short_instructions=20, short_steps=2)
SFT = ChatRecipe(base=BASE, sft=WorldSFT(replace(WORLD_SFT.training, **SHORT), **FEW))
REWARDS = RewardRecipe(chat=SFT, pairs=WorldPairs(replace(REWARD.training, **SHORT), batch_size=2, pairs=12))
ONLINE = replace(WORLD_PPO, steps=2, prompts_per_step=2, max_new_tokens=4)
PROBLEMS = replace(
    REASONING, training=replace(REASONING.training, **SHORT), batch_size=2, instructions=20, worked_steps=2
)
SOLVER = ChatRecipe(base=BASE, sft=PROBLEMS)
VERIFIED = replace(REASONING_GRPO, steps=2, prompts_per_step=2, answers_per_prompt=2, max_new_tokens=4)
DEFAULTS = {
    "base": BASE,
    "sft": SFT,
    "reward": REWARDS,
    "ppo": PPORecipe(reward=REWARDS, prompts=6, training=ONLINE),
    "solver": SOLVER,
    "reasoning": ReasoningRecipe(solver=SOLVER, prompts=6, training=VERIFIED),
}


def set_up(tmp_path, monkeypatch):
    """Use the tiny recipes, an empty cache, and an empty folder of shipped models; returns the latter."""
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(models, "DEFAULTS", dict(DEFAULTS))
    monkeypatch.setattr(chat, "HELD_OUT", 4)
    monkeypatch.setattr(preferences, "HELD_OUT_PAIRS", 4)
    monkeypatch.setattr(
        training_recipes, "load_corpus", lambda name, seed, n: LOAD_CORPUS(name, seed, n, n_validation=5)
    )
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    return tmp_path / "shipped"
