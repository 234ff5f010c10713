"""The engine's public names, each where `import minillm` finds it: `minillm.generate` is `minillm.api.generate`."""

from minillm.config import ModelConfig
from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.data.pairs import PairData
from minillm.data.preferences import Preference
from minillm.inference.engine import Engine, Request
from minillm.inference.generate import generate, stream
from minillm.inference.native import compile_native
from minillm.inference.sampling import Sampling
from minillm.inference.speculative import PromptLookup, speculate
from minillm.losses import bradley_terry_loss, entropy, next_token_loss, sft_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import load_adapter, save_adapter
from minillm.posttraining.dpo import DPOConfig, dpo, dpo_loss
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.lora import add_lora, merge_lora
from minillm.posttraining.online import PromptData
from minillm.posttraining.policy_gradient import gae, grpo_loss, ppo_loss
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.posttraining.reward import RewardConfig, train_reward_model
from minillm.posttraining.reward_model import RewardModel, load_reward_model, save_reward_model
from minillm.posttraining.sft import ChatData, sft
from minillm.posttraining.verifiers import Verifier
from minillm.pretrained import from_transformers, load, quantize, save
from minillm.tokenizer import Tokenizer
from minillm.training.optim import adamw, muon
from minillm.training.pretraining import TextData, pretrain
from minillm.training.schedule import cosine_with_warmup
from minillm.training.settings import TrainConfig

__all__ = [
    "ChatData",
    "DPOConfig",
    "Engine",
    "GRPOConfig",
    "ModelConfig",
    "PPOConfig",
    "PairData",
    "Preference",
    "PromptData",
    "PromptLookup",
    "Request",
    "RewardConfig",
    "RewardModel",
    "Sampling",
    "TextData",
    "Tokenizer",
    "TrainConfig",
    "Transformer",
    "Verifier",
    "adamw",
    "add_lora",
    "bradley_terry_loss",
    "chat_tokenizer",
    "compile_native",
    "cosine_with_warmup",
    "dpo",
    "dpo_loss",
    "encode_chat",
    "entropy",
    "from_transformers",
    "gae",
    "generate",
    "grpo",
    "grpo_loss",
    "load",
    "load_adapter",
    "load_reward_model",
    "merge_lora",
    "muon",
    "next_token_loss",
    "ppo",
    "ppo_loss",
    "pretrain",
    "quantize",
    "save",
    "save_adapter",
    "save_reward_model",
    "sft",
    "sft_loss",
    "speculate",
    "stream",
    "train_reward_model",
]
