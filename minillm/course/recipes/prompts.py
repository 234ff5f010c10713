"""Recipes for PPO and GRPO, on the world's instructions."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minillm.analysis.alignment import Report, askable, assess, win_rate
from minillm.data.chat import encode_chat
from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.online import PromptData
from minillm.posttraining.ppo import PPOConfig
from minillm.posttraining.recipes import OnlineRecipe
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction, Instructions

PROMPTS = 4000  # that PPO and GRPO may ask
MEASURED = 300  # held-out instructions that are asked before and after
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


@dataclass(frozen=True)
class WorldPrompts(OnlineRecipe):
    """PPO or GRPO on the world's instructions, scored by a reward model."""

    prompts: int = PROMPTS

    def data(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: RewardModel) -> PromptData:
        """Instructions that SFT has not seen."""
        asked = world_prompts(tokenizer, self.prompts, seed, self.longest_prompt(model))
        return PromptData(asked, reward_model.score, [tokenizer.end_id])

    def evaluation(
        self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: RewardModel
    ) -> "OnInstructions":
        """How it answers held-out instructions."""
        asked = askable(model, tokenizer, Instructions(seed, "held-out").stream(), MEASURED)
        return OnInstructions(asked, tokenizer, copy.deepcopy(model), reward_model, seed)


@dataclass(frozen=True)
class OnInstructions:
    """The `Evaluation` of a chat model on held-out instructions: reward, gold utility, accuracy and KL."""

    asked: Sequence[Instruction]
    tokenizer: Tokenizer
    reference: Transformer  # that the KL is measured from
    reward_model: RewardModel
    seed: int

    def measure(self, model: Transformer) -> Report:
        """Ask the model."""
        return assess(model, self.tokenizer, self.asked, self.reference, self.reward_model, self.seed)

    def compare(self, before: Report, after: Report) -> dict[str, Any]:
        """Both reports as plain values, and how often the answers are better now."""
        result = {"asked": after.n, "before": _figures(before), "after": _figures(after)}
        return result | {"win_rate": asdict(win_rate(after.utilities, before.utilities))}

    def sentence(self, result: dict[str, Any]) -> str:
        """The same for a person."""
        before, after, wins = result["before"], result["after"], result["win_rate"]
        return (
            f"On {result['asked']} held-out instructions: reward {before['reward']:.2f} before, {after['reward']:.2f} "
            f"after; utility {before['utility']:.2f}, {after['utility']:.2f}; right {before['accuracy']:.1%}, "
            f"{after['accuracy']:.1%}; {after['kl']:.1f} nats an answer from the model it began as. What it says now "
            f"is better in {wins['rate']:.1%} ({wins['low']:.1%} to {wins['high']:.1%}), ties being half "
            f"({result['seconds']:.0f} s)."
        )


def _figures(report: Report) -> dict[str, float]:
    means = {name: getattr(report, name).mean for name in ("accuracy", "utility", "reward", "kl")}
    return means | {"utility_stderr": report.utility.stderr, "length": report.length, "ended": report.ended}
