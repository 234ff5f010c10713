"""GRPO: PPO without a value function; the mean score of several answers to one prompt is the baseline.

Shao et al. 2024, section 4.1. An answer is good if it scores above the mean of its group, and all its tokens have the
same advantage. The KL from the reference is a term of the loss, not of the reward.
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
from minillm.posttraining.policy_gradient import LossType, group_advantages, grpo_loss
from minillm.posttraining.rollout import Rollout
from minillm.posttraining.verifiers import TextReward
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, ignore


@dataclass(frozen=True, kw_only=True)
class GRPOConfig(OnlineConfig):
    """Settings of GRPO and its variants. Raises `UserError` for values out of range.

    Dr. GRPO is scale=False with loss_type="dr_grpo"; DAPO is loss_type="dapo" with clip_high=0.28.

    >>> GRPOConfig(answers_per_prompt=1)
    Traceback (most recent call last):
    minillm.errors.UserError: answers_per_prompt is 1; a group needs at least 2 answers to be compared
    """

    steps: int | None = 60  # rounds
    prompts_per_step: int = 8
    answers_per_prompt: int = 8  # a group
    learning_rate: float = 3e-4
    kl_coef: float = 0.04
    scale: bool = True  # divide advantages by the standard deviation of their group
    loss_type: LossType = "grpo"  # how the losses of tokens are averaged

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.answers_per_prompt < 2:
            raise UserError(
                f"answers_per_prompt is {self.answers_per_prompt}; a group needs at least 2 answers to be compared"
            )


def grpo(
    model: Transformer,
    data: PromptData | Sequence[Prompt],
    config: GRPOConfig = GRPOConfig(),
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    reward: TextReward | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Train `model` in place for a reward, by GRPO; returns it and the metrics of the run.

    `data` may be prompts, texts or conversations; then `reward(prompt, answer)` scores an answer as text, and the
    `tokenizer` is needed. The rest is as in `ppo.ppo`, except for the groups. Two consequences of the formulas: scores
    are divided by the standard deviation of their group, so their unit does not matter; and the gradient of this KL
    term, on answers that were just sampled, is that of KL(reference, policy), which penalizes losing an answer more
    than gaining one. A line of metrics adds to those of `online.OnlineTask` kl_loss and idle (the share of groups whose
    scores are all equal).

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["a"], 257, ["<|endoftext|>"])
    >>> model = Transformer(ModelConfig(tokenizer.vocab_size, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> config = GRPOConfig(steps=12, learning_rate=0.03, prompts_per_step=8, answers_per_prompt=32, max_new_tokens=1)
    >>> model, metrics = grpo(model, ["a"], config, tokenizer=tokenizer, reward=lambda prompt, answer: answer < "a")
    >>> metrics[-1]["reward"] > metrics[0]["reward"]
    True
    """
    return run_online(GRPO(model, config), data, run_dir, tokenizer, on_metrics, reward)


class GRPO(Method):
    """Advantages within each group of answers, and the loss."""

    config: GRPOConfig

    def experience(
        self,
        rollout: Rollout,
        scores: Float[Tensor, "B"],
        hidden: Float[Tensor, "B T C"],
        old: Float[Tensor, "B T"],
        reference: Float[Tensor, "B T"],
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        """Advantages in which every token of an answer has the answer's."""
        advantages = group_advantages(scores, self.config.answers_per_prompt, self.config.scale)
        idle = (advantages.unflatten(0, (-1, self.config.answers_per_prompt)) == 0).all(1).float().mean().item()
        return Experience(rollout, old, reference, advantages[:, None] * rollout.mask), {"idle": idle}

    def loss(
        self, part: Experience, hidden: Float[Tensor, "B T C"], log_probs: Float[Tensor, "B T"], kl_coef: float
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss of GRPO on some of the answers (Shao et al. 2024, eq. 3)."""
        config = self.config
        return grpo_loss(
            log_probs,
            part.old,
            part.reference,
            part.advantages,
            part.rollout.mask,
            clip=config.clip,
            kl_coef=kl_coef,
            clip_high=config.clip_high,
            loss_type=config.loss_type,
            max_new_tokens=config.max_new_tokens,
        )
