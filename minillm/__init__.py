"""minillm: a decoder-only language model in small, readable rooms.

Shape legend, the same in every file, lesson and figure:
B batch, T query position, S key position, C d_model, H heads, K key/value heads, D head dim, F feed-forward dim,
V vocabulary, L layers.

Read in the order in which data flows:
text -> `tokenizer` -> `data` -> `model` -> `training` -> `inference` -> text.
"""

import os

# Torch's threads by default burn their core while they wait for each other. With a browser or a second process on a
# two-core laptop that made a training step ten times slower; 5,000 turns of waiting, then sleep, cost 3 % on a quiet
# machine and keep a shared one alive. Read when torch loads, by GNU's OpenMP (Linux).
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from minillm import world
from minillm.config import ModelConfig
from minillm.inference.generate import generate, stream
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import DPOConfig, dpo
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.posttraining.reward import RewardConfig, train_reward_model
from minillm.posttraining.sft import sft
from minillm.pretrained import from_transformers, load, quantize, save
from minillm.tokenizer import Tokenizer
from minillm.training.pretraining import pretrain
from minillm.training.settings import TrainConfig

__all__ = [
    "DPOConfig",
    "GRPOConfig",
    "ModelConfig",
    "PPOConfig",
    "RewardConfig",
    "Tokenizer",
    "TrainConfig",
    "Transformer",
    "dpo",
    "from_transformers",
    "generate",
    "grpo",
    "load",
    "ppo",
    "pretrain",
    "quantize",
    "save",
    "sft",
    "stream",
    "train_reward_model",
    "world",
]
__version__ = "0.1.0"
