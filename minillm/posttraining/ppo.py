"""PPO: maximize a reward by policy gradients, with a value head that predicts the return before each token.

Schulman et al. 2017, for language models as in Ziegler et al. 2019 and Ouyang et al. 2022. A token's advantage is how
much better the rewards after it were than the value predicted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from minillm.data.chat import Prompt
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.online import Experience, Method, OnlineConfig, PromptData, run_online
from minillm.posttraining.policy_gradient import (
    explained_variance,
    gae,
    ppo_loss,
    token_rewards,
    whiten,
)
from minillm.posttraining.rollout import Rollout
from minillm.posttraining.verifiers import TextReward
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, ignore


@dataclass(frozen=True, kw_only=True)
class PPOConfig(OnlineConfig):
    """Settings of PPO. Raises `UserError` for values out of range.

    >>> PPOConfig(gae_lambda=1.5)
    Traceback (most recent call last):
    minillm.errors.UserError: gae_lambda is 1.5; it must lie between 0 and 1
    """

    steps: int | None = 60  # rounds
    prompts_per_step: int = 16
    answers_per_prompt: int = 4
    learning_rate: float = 3e-4
    kl_coef: float = 0.05
    discount: float = 1.0  # gamma: weight of a reward one token later
    gae_lambda: float = 0.95
    value_clip: float = 2.0  # how far a value may move in one round, in units of the reward
    value_coef: float = 0.1  # weight of the value loss

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("discount", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        for name in ("value_clip", "value_coef"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name)}; it must be positive")


def ppo(
    model: Transformer,
    data: PromptData | Sequence[Prompt],
    config: PPOConfig = PPOConfig(),
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    reward: TextReward | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Train `model` in place for a reward, by PPO; returns it and the metrics of the run.

    `data` may be prompts, texts or conversations; then `reward(prompt, answer)` scores an answer as text, and the
    `tokenizer` is needed.

    The model as it comes in is the reference that the KL is measured from. A line of metrics adds
    value_loss and explained_variance (the share of the returns' variance that the values predict).
    With `run_dir` and `tokenizer` everything is kept there, and a run that was cut off goes on where it was, if `model`
    comes in as it did the first time.

    >>> import torch
    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> data = PromptData([[1, 2]], lambda prompts, answers: torch.tensor([float(9 in answer) for answer in answers]))
    >>> config = PPOConfig(steps=20, learning_rate=0.03, prompts_per_step=8, max_new_tokens=1)
    >>> model, metrics = ppo(model, data, config)
    >>> metrics[-1]["reward"] > 0.8                                     # 9 had probability 0.1 at first
    True
    """
    return run_online(PPO(model, config), data, run_dir, tokenizer, on_metrics, reward)


class PPO(Method):
    """Policy and value head: advantages from scores, and the loss of both."""

    config: PPOConfig

    def __init__(self, model: Transformer, config: PPOConfig):
        super().__init__(model, config)
        self.value_head = nn.Linear(model.config.d_model, 1).to(model.device)
        nn.init.zeros_(self.value_head.weight)  # predicts 0 at first
        nn.init.zeros_(self.value_head.bias)
        self.module = nn.ModuleDict({"policy": model, "value": self.value_head})

    def experience(
        self,
        rollout: Rollout,
        scores: Float[Tensor, "B"],
        hidden: Float[Tensor, "B T C"],
        old: Float[Tensor, "B T"],
        reference: Float[Tensor, "B T"],
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        """Token rewards with the KL penalty, and their advantages over the values."""
        mask, values = rollout.mask, self.values(hidden)
        rewards = token_rewards(scores, old, reference, mask, kl_coef)
        advantages = gae(rewards, values, mask, self.config.discount, self.config.gae_lambda)
        returns = advantages + values
        experience = Experience(rollout, old, reference, whiten(advantages, mask), values, returns)
        return experience, {"explained_variance": explained_variance(values, returns, mask).item()}

    def loss(
        self, part: Experience, hidden: Float[Tensor, "B T C"], log_probs: Float[Tensor, "B T"], kl_coef: float
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss of PPO on some of the answers (Schulman et al. 2017, eq. 9)."""
        config = self.config
        return ppo_loss(
            log_probs,
            part.old,
            part.advantages,
            part.rollout.mask,
            self.values(hidden),
            part.values,
            part.returns,
            clip=config.clip,
            value_clip=config.value_clip,
            value_coef=config.value_coef,
            clip_high=config.clip_high,
        )

    def values(self, hidden: Float[Tensor, "B T C"]) -> Float[Tensor, "B T"]:
        """The predicted return before each token."""
        return self.value_head(hidden).squeeze(-1).float()
