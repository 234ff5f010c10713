"""PPO: learning from a reward with the help of a second opinion, the value, on how well things stand.

Schulman et al. 2017, for language models as in Ziegler et al. 2019 and Ouyang et al. 2022. The value head tells before
each token what reward to expect; a token is pushed by how much better things went after it than that.
"""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.online import Experience, Method, OnlineConfig, PromptData, run_online
from minillm.posttraining.policy_gradient import (
    clipped_policy_loss,
    clipped_value_loss,
    explained_variance,
    gae,
    token_mean,
    token_rewards,
    whiten,
)
from minillm.posttraining.rollout import Rollout
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, ignore


@dataclass(frozen=True, kw_only=True)
class PPOConfig(OnlineConfig):
    """The settings of PPO. Raises `ValueError` for nonsense.

    >>> PPOConfig(trace=1.5)
    Traceback (most recent call last):
    minillm.errors.UserError: trace is 1.5; it must lie between 0 and 1
    """

    steps: int | None = 60  # rounds
    prompts_per_step: int = 16
    answers_per_prompt: int = 4
    learning_rate: float = 3e-4
    kl_coef: float = 0.05
    discount: float = 1.0  # of what comes a token later
    trace: float = 0.95  # lambda of GAE
    value_clip: float = 2.0  # points; how far a value may move in one round and still be pushed on
    value_coef: float = 0.1  # weight of the value's loss

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("discount", "trace"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        for name in ("value_clip", "value_coef"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is {getattr(self, name)}; it must be positive")


def ppo(
    model: Transformer,
    data: PromptData,
    config: PPOConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
) -> tuple[Transformer, list[Metrics]]:
    """Make answers that `data.reward` likes likelier; returns the model (trained in place) and the metrics of the run.

    The model as it comes in is the reference that the KL is measured from. A line of metrics adds
    value_loss and explained_variance (the share of the returns that the values foretold).
    With `run_dir` and `tokenizer` everything is kept there, and a run that was cut off goes on where it was, if `model`
    comes in as it did the first time.

    >>> import torch
    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> data = PromptData([[1, 2]], lambda prompts, answers: torch.tensor([float(9 in answer) for answer in answers]))
    >>> config = PPOConfig(steps=20, learning_rate=0.03, prompts_per_step=8, max_new_tokens=1)
    >>> model, metrics = ppo(model, data, config)
    >>> metrics[-1]["reward"] > 0.8                                          # it says 9, as one in ten did before
    True
    """
    return run_online(PPO(model, config), data, run_dir, tokenizer, on_metrics)


class PPO(Method):
    """Policy and value, what they make of a score, and the loss of both."""

    config: PPOConfig

    def __init__(self, model: Transformer, config: PPOConfig):
        super().__init__(model, config)
        self.value_head = nn.Linear(model.config.d_model, 1).to(model.device)
        nn.init.zeros_(self.value_head.weight)  # expects nothing at first
        nn.init.zeros_(self.value_head.bias)
        self.module = nn.ModuleDict({"policy": model, "value": self.value_head})

    def judge(
        self,
        rollout: Rollout,
        scores: Float[Tensor, "B"],
        hidden: Float[Tensor, "B T C"],
        old: Float[Tensor, "B T"],
        reference: Float[Tensor, "B T"],
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        """Rewards with the price of leaving the reference in them, and advantages over what the values expected."""
        counts, values = rollout.counts, self.values(hidden)
        rewards = token_rewards(scores, old, reference, counts, kl_coef)
        advantages = gae(rewards, values, counts, self.config.discount, self.config.trace)
        returns = advantages + values
        foretold = explained_variance(values, returns, counts).item()
        experience = Experience(rollout, old, reference, whiten(advantages, counts), values, returns)
        return experience, {"explained_variance": foretold}

    def loss(
        self, part: Experience, hidden: Float[Tensor, "B T C"], log_probs: Float[Tensor, "B T"], kl_coef: float
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The clipped loss of the policy, and a share of that of the values (Schulman et al. 2017, eq. 9)."""
        counts, config = part.rollout.counts, self.config
        policy = token_mean(clipped_policy_loss(log_probs, part.old, part.advantages, config.clip), counts)
        value = clipped_value_loss(self.values(hidden), part.values, part.returns, config.value_clip)
        value = token_mean(value, counts)
        return policy + config.value_coef * value, {"policy_loss": policy, "value_loss": value}

    def values(self, hidden: Float[Tensor, "B T C"]) -> Float[Tensor, "B T"]:
        """What is still to come, as expected before each token."""
        return self.value_head(hidden).squeeze(-1).float()
