"""GRPO: PPO without a value, since several answers to one prompt tell each other what was to be expected.

Shao et al. 2024, section 4.1. An answer is good if it scores above the mean of its group, and all its tokens share the
praise. The KL from the reference is a term of the loss and no part of the reward.
"""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.online import Experience, Method, OnlineConfig, PromptData, run_online
from minillm.posttraining.policy_gradient import answer_mean, clipped_policy_loss, group_advantages, kl_estimate
from minillm.posttraining.rollout import Rollout
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, ignore


@dataclass(frozen=True, kw_only=True)
class GRPOConfig(OnlineConfig):
    """The settings of GRPO. Raises `ValueError` for nonsense.

    >>> GRPOConfig(answers_per_prompt=1)
    Traceback (most recent call last):
    minillm.errors.UserError: answers_per_prompt is 1; a group needs at least 2 answers to be compared
    """

    steps: int | None = 60  # rounds
    prompts_per_step: int = 8
    answers_per_prompt: int = 8  # a group
    learning_rate: float = 3e-4
    kl_coef: float = 0.04

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.answers_per_prompt < 2:
            raise UserError(
                f"answers_per_prompt is {self.answers_per_prompt}; a group needs at least 2 answers to be compared"
            )


def grpo(
    model: Transformer,
    data: PromptData,
    config: GRPOConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
) -> tuple[Transformer, list[Metrics]]:
    """Make answers that `data.reward` likes likelier; returns the model (trained in place) and the metrics of the run.

    Everything is as in `ppo.ppo`, but the groups. Two things follow from the formulas and are worth knowing: as scores
    are divided by the standard deviation of their group, their unit does not matter; and the gradient of this KL term,
    on answers that were just drawn, is that of KL(reference, policy), which punishes an answer that is lost more than
    one that is gained. A line of metrics adds kl_loss and idle (the share of groups whose scores
    are all equal).

    >>> import torch
    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> data = PromptData([[1, 2]], lambda prompts, answers: torch.tensor([float(9 in answer) for answer in answers]))
    >>> config = GRPOConfig(steps=20, learning_rate=0.03, prompts_per_step=8, max_new_tokens=1)
    >>> model, metrics = grpo(model, data, config)
    >>> metrics[-1]["reward"] > 0.8                                          # it says 9, as one in ten did before
    True
    """
    return run_online(GRPO(model, config), data, run_dir, tokenizer, on_metrics)


class GRPO(Method):
    """What a group makes of its scores, and the loss."""

    def judge(
        self,
        rollout: Rollout,
        scores: Float[Tensor, "B"],
        hidden: Float[Tensor, "B T C"],
        old: Float[Tensor, "B T"],
        reference: Float[Tensor, "B T"],
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        """Every token of an answer has the answer's advantage."""
        advantages = group_advantages(scores, self.config.answers_per_prompt)
        idle = (advantages.unflatten(0, (-1, self.config.answers_per_prompt)) == 0).all(1).float().mean().item()
        return Experience(rollout, old, reference, advantages[:, None] * rollout.counts), {"idle": idle}

    def loss(
        self, part: Experience, hidden: Float[Tensor, "B T C"], log_probs: Float[Tensor, "B T"], kl_coef: float
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The clipped loss and the price of the KL, every answer weighing the same (Shao et al. 2024, eq. 3)."""
        counts = part.rollout.counts
        policy = answer_mean(clipped_policy_loss(log_probs, part.old, part.advantages, self.config.clip), counts)
        kl = answer_mean(kl_estimate(log_probs, part.reference), counts)
        return policy + kl_coef * kl, {"policy_loss": policy, "kl_loss": kl}
