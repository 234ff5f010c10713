"""Recipes of post-training on data of one's own: SFT, the reward model and DPO, PPO and GRPO.

Recipes for data that an extension brings have the same methods and are registered (`training.recipes`).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from minillm.data.chat import chat_tokenizer, encode_chat
from minillm.data.conversations import hold_out, read_prompts
from minillm.data.pairs import Pair, PairBatches, PairData
from minillm.data.preferences import Preference
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import DPOConfig, dpo
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.online import OnlineConfig, PromptData
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.posttraining.reinforce import REINFORCEConfig, reinforce
from minillm.posttraining.reward import RewardConfig, train_reward_model
from minillm.posttraining.reward_model import RewardModel
from minillm.posttraining.rollout import roll_out, score_answers
from minillm.posttraining.sft import ChatData, Conversations, sft
from minillm.tokenizer import Tokenizer
from minillm.training.recipes import Job
from minillm.training.settings import TrainConfig

MEASURED = 300  # answers that are sampled before and after; more only where there are more held-out prompts
ROWS = 64  # answers per batch


@dataclass(frozen=True)
class SFTRecipe:
    """SFT on conversations of one's own."""

    training: TrainConfig
    batch_size: int  # rows of several conversations

    def prepare(self, model: Transformer, tokenizer: Tokenizer, seed: int, conversations: Conversations) -> Job:
        """A job on what `ChatData.from_conversations` takes, such as the path of a JSONL file."""
        tokenizer = chat_tokenizer(tokenizer)
        shape = model.config.max_seq_len, self.batch_size, seed
        data = ChatData.from_conversations(conversations, tokenizer, *shape)
        return Job(model, tokenizer, data, self.training, sft)


# A few dozen conversations of one's own, for LoRA on a model that can chat already: to learn a style, not a language.
OWN_SFT = SFTRecipe(
    TrainConfig(steps=24, learning_rate=1e-3, warmup_steps=3, weight_decay=0.0, final_fraction=0.0, log_every=4),
    batch_size=2,
)


@dataclass(frozen=True)
class PairRecipe:
    """A reward model or DPO on pairs of answers: DPO if the training settings are `DPOConfig`."""

    training: TrainConfig
    batch_size: int  # prompts, each with all its pairs

    def prepare(
        self, model: Transformer, tokenizer: Tokenizer, seed: int, train: Sequence[Pair], validation: list[Pair]
    ) -> Job:
        """A job on encoded pairs (`data.pairs.encode_preferences`)."""
        data = PairData(PairBatches(train, self.batch_size, seed), validation)
        method = dpo if isinstance(self.training, DPOConfig) else train_reward_model
        return Job(model, tokenizer, data, self.training, method)

    def known_scores(self, margins: Sequence[float], preferences: Sequence[Preference]) -> dict[str, Any]:
        """What margins are worth where raters' probabilities are known; nothing here, which needs simulated raters."""
        return {}


# Expected accuracy on held-out pairs (ceiling 84 %), one seed each: likelihood alone 74; a head on the reference's
# answer 70; both 76; both, with all 28 pairs of eight answers, 79. Only the last two share a chat model.
OWN_REWARD = PairRecipe(
    RewardConfig(
        steps=1600,
        optimizer="muon",
        learning_rate=0.0015,
        schedule="wsd",
        warmup_steps=20,
        final_fraction=0.0,
        reference=True,
        likelihood=0.3,
    ),
    batch_size=8,
)
# The best of eight that were tried, one seed each, with twice the pairs since; benchmarks/README.md has them all.
OWN_DPO = PairRecipe(
    DPOConfig(steps=400, learning_rate=3e-4, warmup_steps=10, final_fraction=0.0, beta=0.3, imitation=1.0), batch_size=8
)


@runtime_checkable
class Evaluation(Protocol):
    """How `minillm ppo` and `minillm grpo` measure a model, before and after."""

    def measure(self, model: Transformer) -> Any:
        """What the model does with held-out prompts."""
        ...

    def compare(self, before: Any, after: Any) -> dict[str, Any]:
        """Both measurements as plain values."""
        ...

    def sentence(self, result: dict[str, Any]) -> str:
        """The same for a person; `result` is what `compare` returned, and the run's seconds."""
        ...


METHODS = {PPOConfig: ppo, GRPOConfig: grpo, REINFORCEConfig: reinforce}


@dataclass(frozen=True)
class OnlineRecipe:
    """PPO, GRPO or REINFORCE, as the class of the training settings says; a subclass decides what is asked."""

    training: OnlineConfig

    def prepare(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: RewardModel | None) -> Job:
        """A job on the prompts. `reward_model` scores the answers, unless the prompts come with exact checks."""
        data = self.data(model, tokenizer, seed, reward_model)
        return Job(model, tokenizer, data, self.training, METHODS[type(self.training)])

    def data(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: Any) -> PromptData:
        """The prompts, and the reward of an answer."""
        raise NotImplementedError

    def evaluation(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: Any) -> Evaluation:
        """How the model is measured before and after; `model` is the one that training begins with."""
        raise NotImplementedError

    def longest_prompt(self, model: Transformer) -> int:
        """The tokens of a prompt that leaves space for an answer."""
        return model.config.max_seq_len - self.training.max_new_tokens


@dataclass(frozen=True)
class FilePrompts(OnlineRecipe):
    """Prompts from a JSONL file (`read_prompts`), scored by a reward model; one in ten is held out to measure on."""

    prompts: str  # the file

    def data(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: RewardModel) -> PromptData:
        """The prompts of the file that are not held out."""
        return PromptData(self.split(model, tokenizer)[0], reward_model.score, [tokenizer.end_id])

    def evaluation(self, model: Transformer, tokenizer: Tokenizer, seed: int, reward_model: RewardModel) -> Evaluation:
        """The reward and the KL on the prompts that are held out."""
        reference = copy.deepcopy(model).eval()
        answers = [tokenizer.end_id], self.training.max_new_tokens, seed
        return RewardAndKL(self.split(model, tokenizer)[1], reward_model, reference, *answers)

    def split(self, model: Transformer, tokenizer: Tokenizer) -> tuple[list[list[int]], list[list[int]]]:
        """The encoded prompts to learn from, and those that are held out; one that is too long for the model is not."""
        longest = self.longest_prompt(model)
        fitting = [prompt for prompt in read_prompts(self.prompts) if len(encode_chat(tokenizer, prompt)) <= longest]
        train, held_out = ([encode_chat(tokenizer, prompt) for prompt in part] for part in hold_out(fitting))
        return train, held_out


@dataclass(frozen=True)
class RewardAndKL:
    """The mean reward of sampled answers to held-out prompts, and the KL from the model that training began with."""

    prompts: Sequence[list[int]]
    reward_model: RewardModel
    reference: Transformer
    stop: Sequence[int]
    max_new_tokens: int
    seed: int

    @torch.no_grad()
    def measure(self, model: Transformer) -> dict[str, float]:
        """Sample answers at temperature 1; reward in points, KL in nats per answer."""
        model.eval()
        asked = [prompt for prompt in self.prompts for _ in range(max(1, MEASURED // len(self.prompts)))]
        rewards, ratios = [], []
        for start in range(0, len(asked), ROWS):
            rows = asked[start : start + ROWS]
            rollout = roll_out(model, rows, self.max_new_tokens, self.stop, self.seed + start)
            rewards.append(self.reward_model.score(rollout.prompts, rollout.answers))
            of_model, of_reference = (score_answers(each, rollout)[0] for each in (model, self.reference))
            ratios.append((of_model - of_reference).sum(1))
        return {"reward": torch.cat(rewards).mean().item(), "kl": torch.cat(ratios).mean().item()}

    def compare(self, before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
        """Both measurements."""
        return {"asked": len(self.prompts), "before": before, "after": after}

    def sentence(self, result: dict[str, Any]) -> str:
        """Both measurements for a person."""
        return (
            f"On {result['asked']} held-out prompts: reward {result['before']['reward']:.2f} before, "
            f"{result['after']['reward']:.2f} after; {result['after']['kl']:.1f} nats an answer from the model it "
            f"began as ({result['seconds']:.0f} s)."
        )
