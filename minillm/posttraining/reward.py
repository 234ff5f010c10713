"""Training of the reward model, which reads a prompt and an answer and gives one number, the reward.

People cannot put a number on an answer, but they can say which of two they prefer. The model of Bradley and Terry
(1952) is P(a preferred to b) = sigmoid(r_a - r_b); the rewards are the numbers under which the preferences are most
probable (Ouyang et al. 2022, section 3.5). Only their differences have a meaning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.data.chat import chat_tokenizer
from minillm.data.pairs import Pair, PairData, Pairs
from minillm.errors import UserError
from minillm.losses import bradley_terry_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import SCORED_AT_ONCE, RewardModel, save_reward_model
from minillm.tokenizer import Tokenizer
from minillm.training.loop import Task, fit
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, Run, ignore
from minillm.training.settings import TrainConfig


@dataclass(frozen=True, kw_only=True)
class RewardConfig(TrainConfig):
    """How to train, and what the reward model reads. Raises `UserError` for negative numbers.

    With one, the model also learns to predict the chosen answers (as Yang et al. 2024, "Regularizing hidden states
    enables learning generalizable reward model for LLMs", do against forgetting). It soon expects the style of the
    answers, so what remains improbable is what is wrong.

    >>> RewardConfig(steps=100).likelihood
    0.0
    """

    reference: bool = False  # whether it reads the chat model's own answer before an answer
    likelihood: float = 0.0  # c of the likelihood term at first (reward per nat); 0: no such term
    imitation: float = 0.5  # weight of the chosen answers' loss (nats per token)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("likelihood", "imitation"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}; it cannot be negative")


def margins(model: RewardModel, pairs: Sequence[Pair]) -> Float[Tensor, "B"]:
    """r_chosen - r_rejected of every pair: the model's log-odds that the chosen answer is preferred."""
    return _margins_and_log_probs(model, pairs)[0]


def _margins_and_log_probs(
    model: RewardModel, pairs: Sequence[Pair]
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"] | None]:
    """The margins, and log p of the chosen answers with a likelihood term."""
    texts = [(pair.prompt, answer) for pair in pairs for answer in (pair.chosen, pair.rejected)]
    row = {text: number for number, text in enumerate(dict.fromkeys(texts))}  # each is read once, in however many pairs
    prompts, answers = zip(*row, strict=True)
    rewards, log_probs = model.rewards_and_log_probs(prompts, answers)
    chosen, rejected = torch.tensor([row[text] for text in texts], device=rewards.device).view(-1, 2).unbind(1)
    picked = rewards.index_select(0, chosen) - rewards.index_select(0, rejected)
    return picked, None if log_probs is None else log_probs.index_select(0, chosen)


@torch.no_grad()
def pair_margins(model: RewardModel, pairs: Sequence[Pair]) -> Float[Tensor, "N"]:
    """`margins` of any number of pairs, without gradients."""
    model.eval()
    return torch.cat([margins(model, pairs[i : i + SCORED_AT_ONCE]) for i in range(0, len(pairs), SCORED_AT_ONCE)])


def relabel(model: RewardModel, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs relabelled by the reward model: the answer with the higher reward is the chosen one.

    A rater's choice is noisy, and a policy can only memorize it; a reward model decides similar cases in the same way.

    >>> from minillm import ModelConfig
    >>> reward_model = RewardModel(ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> reward_model.head.weight.data[0, 0] = 1.0
    >>> pairs = relabel(reward_model, [Pair((1,), (5, 2), (6, 2)), Pair((1,), (6, 2), (5, 2))])
    >>> pairs[0] == pairs[1], bool((pair_margins(reward_model, pairs) > 0).all())
    (True, True)
    """
    found = pair_margins(model, pairs).tolist()
    return [
        pair if margin >= 0 else replace(pair, chosen=pair.rejected, rejected=pair.chosen)
        for pair, margin in zip(pairs, found, strict=True)
    ]


def train_reward_model(
    model: Transformer | RewardModel,
    data: PairData | Pairs,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
) -> tuple[RewardModel, list[Metrics]]:
    """Learn preferences; returns a reward model that began as a copy of `model`, and the metrics of the run.

    `data` may be what `PairData.from_pairs` takes, with the `tokenizer`.
    `model` is left as it is, unless it is a reward model: that is trained on, in place. With `run_dir` and `tokenizer`
    everything is kept there, for `load_reward_model`, and a run that was cut off goes on where it was.
    A line of metrics counts pairs as its tokens; it holds accuracy (the share of the last batch's pairs in which the
    chosen answer has the higher reward) and now and then val_loss (nats per pair) and val_accuracy.
    Raises what `PairData.from_pairs` and `training.loop.train` raise, and `UserError` for a `run_dir` without a
    tokenizer.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["user assistant"], 270, ["<|im_start|>", "<|im_end|>"])
    >>> model = Transformer(ModelConfig(tokenizer.vocab_size, d_model=8, n_layers=1, n_heads=2, max_seq_len=32))
    >>> pairs = [{"prompt": f"{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(8)]
    >>> model, metrics = train_reward_model(model, pairs, TrainConfig(steps=20), tokenizer=tokenizer)
    >>> metrics[-1]["step"], metrics[-1]["val_accuracy"]
    (20, 1.0)
    """
    if not isinstance(data, PairData):
        data = PairData.from_pairs(data, tokenizer, model.config.max_seq_len)
        tokenizer = chat_tokenizer(cast("Tokenizer", tokenizer))
    run = Run(config, run_dir, tokenizer, on_metrics, save_model=save_reward_model)
    if isinstance(model, RewardModel):
        reward_model = model
    else:
        reads = config if isinstance(config, RewardConfig) else RewardConfig(steps=1)  # a head alone
        stop = data.validation[0].chosen[-1] if reads.reference else None  # the token that closes an answer
        reward_model = RewardModel.from_language_model(model, reads.likelihood or None, stop)
    reward_model.with_reference_answers([pair.prompt for pair in data.train.pairs])  # many at once; they are kept
    latest = Metrics()

    def loss(module: RewardModel, batch: tuple[Int[Tensor, "_B"]]) -> Float[Tensor, ""]:
        pairs = [data.train.pairs[number] for number in batch[0].tolist()]
        differences, log_probs = _margins_and_log_probs(module, pairs)
        latest["accuracy"] = accuracy(differences)
        if log_probs is None or not isinstance(config, RewardConfig):
            return bradley_terry_loss(differences)
        imitation = -log_probs.sum() / sum(len(pair.chosen) for pair in pairs)
        return bradley_terry_loss(differences) + config.imitation * imitation

    def validate() -> Metrics:
        differences = pair_margins(reward_model, data.validation)
        return {"val_loss": bradley_terry_loss(differences).item(), "val_accuracy": accuracy(differences)}

    task = Task(reward_model, data.train, loss, validate, lambda metrics: latest)
    return reward_model, fit(task, config, run)


def accuracy(margins: Float[Tensor, "B"]) -> float:
    """The share of pairs in which the chosen answer has the higher reward; a tie counts half.

    >>> accuracy(torch.tensor([2.0, -1.0, 0.0, 0.5]))
    0.625
    """
    return (((margins > 0).float() + (margins >= 0).float()) / 2).mean().item()
