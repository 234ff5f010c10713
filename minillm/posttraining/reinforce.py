"""REINFORCE: raise the probability of a sampled answer in proportion to its reward. The simplest policy gradient.

Williams 1992: the gradient of the expected reward is the mean of reward times the gradient of log p, over answers
sampled from the policy itself. So each sample serves for one update only, and nothing is clipped. PPO and GRPO exist to
take several updates from a sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from minillm.data.chat import Prompt
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.online import Experience, Method, OnlineConfig, PromptData, run_online
from minillm.posttraining.policy_gradient import reinforce_loss
from minillm.posttraining.rollout import Rollout
from minillm.posttraining.verifiers import TextReward
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, ignore


@dataclass(frozen=True, kw_only=True)
class REINFORCEConfig(OnlineConfig):
    """Settings of REINFORCE. Raises `UserError` for settings that would need more than one update per sample.

    >>> REINFORCEConfig(epochs=2)
    Traceback (most recent call last):
    minillm.errors.UserError: epochs is 2; REINFORCE makes one update per sample, so use 1, or GRPO
    """

    steps: int | None = 60  # rounds, each with one update
    prompts_per_step: int = 8
    answers_per_prompt: int = 8
    learning_rate: float = 3e-4
    epochs: int = 1
    minibatch: int = 100_000  # answers per update: all of them
    kl_coef: float = 0.0
    baseline: bool = True  # subtract the batch's mean reward

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs != 1:
            raise UserError(f"epochs is {self.epochs}; REINFORCE makes one update per sample, so use 1, or GRPO")
        n_answers = self.prompts_per_step * self.answers_per_prompt
        if self.minibatch < n_answers:
            raise UserError(
                f"minibatch is {self.minibatch} of {n_answers} answers; REINFORCE makes one update of all, so raise it"
            )


def reinforce(
    model: Transformer,
    data: PromptData | Sequence[Prompt],
    config: REINFORCEConfig = REINFORCEConfig(),
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    reward: TextReward | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Train `model` in place for a reward, by REINFORCE; returns it and the metrics of the run.

    `data` may be prompts, texts or conversations; then `reward(prompt, answer)` scores an answer as text, and the
    `tokenizer` is needed.

    As `ppo.ppo`, without a value head. The metrics are those of `online.OnlineTask`.

    >>> import torch
    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> data = PromptData([[1, 2]], lambda prompts, answers: torch.tensor([float(9 in answer) for answer in answers]))
    >>> config = REINFORCEConfig(steps=60, learning_rate=0.03, prompts_per_step=8, max_new_tokens=1)
    >>> model, metrics = reinforce(model, data, config)
    >>> metrics[-1]["reward"] > 0.8                                     # 9 had probability 0.1 at first
    True
    """
    return run_online(REINFORCE(model, config), data, run_dir, tokenizer, on_metrics, reward)


class REINFORCE(Method):
    """Advantages over the batch's mean, and the loss."""

    config: REINFORCEConfig

    def experience(
        self,
        rollout: Rollout,
        scores: Float[Tensor, "B"],
        hidden: Float[Tensor, "B T C"],
        old: Float[Tensor, "B T"],
        reference: Float[Tensor, "B T"],
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        """Scores minus the KL penalty of the whole answer and minus the baseline, at every token of an answer."""
        advantages = scores - kl_coef * (old - reference).sum(1)
        if self.config.baseline:
            advantages = advantages - advantages.mean()
        return Experience(rollout, old, reference, advantages[:, None] * rollout.mask), {}

    def loss(
        self, part: Experience, hidden: Float[Tensor, "B T C"], log_probs: Float[Tensor, "B T"], kl_coef: float
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """Minus advantage times log p of the answers."""
        loss = reinforce_loss(log_probs, part.advantages, part.rollout.mask)
        return loss, {"policy_loss": loss}
