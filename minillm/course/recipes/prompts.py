"""Recipes for PPO and GRPO, on the world's instructions."""

from collections.abc import Callable

from minillm.data.chat import encode_chat
from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.online import OnlineConfig, PromptData, Reward
from minillm.posttraining.ppo import PPOConfig
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import Job
from minillm.world.instructions import Instructions

PROMPTS = 4000  # that PPO and GRPO may ask
LONGEST_ANSWER = 64  # tokens of a sampled answer
# PPO: best of five on seed 10, which alignment.json lacks; GRPO: better of two on seed 0. See benchmarks/README.md.
WORLD_PPO = PPOConfig(
    steps=160, learning_rate=1.5e-4, answers_per_prompt=8, gae_lambda=1.0, max_new_tokens=LONGEST_ANSWER
)
WORLD_GRPO = GRPOConfig(steps=80, learning_rate=2e-4, prompts_per_step=16, max_new_tokens=LONGEST_ANSWER)
PROMPT_STREAM = 2_000_000  # seeds of prompts start here: instructions that SFT has not seen


def world_prompts(tokenizer: Tokenizer, count: int, seed: int, longest: int) -> list[list[int]]:
    """Encoded instructions without answers, the prompts of PPO and GRPO; none over `longest` tokens."""
    asked = Instructions(PROMPT_STREAM + seed).instructions(count)
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in asked]
    return [prompt for prompt in prompts if len(prompt) <= longest]


def online_job(
    method: Callable,
    config: OnlineConfig,
    model: Transformer,
    tokenizer: Tokenizer,
    reward: Reward,
    prompts: int,
    seed: int,
) -> Job:
    """A job for PPO or GRPO on `prompts` of the world's instructions, scored by `reward`."""
    asked = world_prompts(tokenizer, prompts, seed, model.config.max_seq_len - config.max_new_tokens)
    return Job(model, tokenizer, PromptData(asked, reward, [tokenizer.end_id]), config, method)
