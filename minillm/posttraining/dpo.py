"""DPO: learn from preferences without a reward model, because the optimal policy of a reward determines the reward.

The policy that maximizes a reward r with KL coefficient beta is p(a) = p_ref(a) exp(r(a) / beta) / Z. Solved for the
reward: r(a) = beta log(p(a) / p_ref(a)) + beta log Z. Z cancels in the difference of two answers to one prompt, so the
Bradley-Terry loss of a reward model becomes a loss of the policy itself (Rafailov et al. 2023).
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.data.chat import chat_tokenizer
from minillm.data.pairs import Pair, PairData, Pairs
from minillm.errors import UserError
from minillm.losses import bradley_terry_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import save_merged
from minillm.posttraining.reward import SCORED_AT_ONCE, accuracy
from minillm.posttraining.rollout import Rollout, roll_out, score_answers
from minillm.tokenizer import Tokenizer
from minillm.training.loop import Task, fit, training_context
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, Run, ignore
from minillm.training.settings import TrainConfig

ASKED = 64  # held-out prompts that the KL is measured on
DPOLossType = Literal["sigmoid", "ipo"]


@dataclass(frozen=True, kw_only=True)
class DPOConfig(TrainConfig):
    """How to train, beta, and the variants of the loss. Raises `UserError` for values out of range.

    DPO only increases the difference between two answers, and both may become less likely. With `imitation` the chosen
    ones are also learned as examples (Pang et al. 2024, "Iterative reasoning preference optimization", eq. 1).
    `label_smoothing` and `loss_type` are described at `dpo_loss`.

    >>> DPOConfig(steps=100).beta
    0.1
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    beta: float = 0.1  # KL coefficient: reward per nat
    imitation: float = 0.0  # weight of the chosen answers' loss (nats per token)
    label_smoothing: float = 0.0  # share of pairs whose labels are taken to be wrong
    loss_type: DPOLossType = "sigmoid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.imitation < math.inf:
            raise UserError(f"imitation is {self.imitation}; it cannot be negative")
        _check_loss(self.beta, self.label_smoothing, self.loss_type)


def _check_loss(beta: float, label_smoothing: float, loss_type: str) -> None:
    if loss_type not in get_args(DPOLossType):
        raise UserError(f"loss_type is {loss_type!r}; choose one of {', '.join(get_args(DPOLossType))}")
    if not 0 < beta < math.inf:
        raise UserError(f"beta is {beta}; it must be positive")
    if not 0 <= label_smoothing < 0.5:
        raise UserError(f"label_smoothing is {label_smoothing}; it must be at least 0 and below 0.5")
    if label_smoothing and loss_type == "ipo":
        raise UserError('label_smoothing is for loss_type "sigmoid"; IPO has none, set it to 0')


def dpo_loss(
    chosen_log_probs: Float[Tensor, "B"],
    rejected_log_probs: Float[Tensor, "B"],
    reference_chosen: Float[Tensor, "B"],
    reference_rejected: Float[Tensor, "B"],
    beta: float,
    label_smoothing: float = 0.0,
    loss_type: DPOLossType = "sigmoid",
    imitation: float = 0.0,
    chosen_lengths: Int[Tensor, "B"] | None = None,
    rejected_lengths: Int[Tensor, "B"] | None = None,
) -> Float[Tensor, ""]:
    """The loss of DPO from log p of whole answers, under the policy and under the reference, in nats.

    "sigmoid": `bradley_terry_loss` of the `implicit_margins`, with its `label_smoothing` (Rafailov et al. 2023, eq. 7).
    "ipo": squared distance of the margin of log ratios from 1 / (2 beta), which overconfident pairs cannot push to
    infinity (Azar et al. 2024, eq. 17); with both lengths (tokens) the log ratios are per token, as in TRL.
    `imitation` adds that multiple of -log p of the chosen answers in nats per token and needs `chosen_lengths`.
    Raises `UserError` as `DPOConfig` does for these options, and for lengths that are missing.

    >>> chosen, rejected, reference = torch.tensor([-4.0]), torch.tensor([-7.0]), torch.tensor([-5.0])
    >>> dpo_loss(chosen, rejected, reference, reference, beta=0.5)                             # -log sigmoid(1.5)
    tensor(0.2014)
    >>> dpo_loss(chosen, rejected, reference, reference, beta=0.5, loss_type="ipo")            # (3 - 1)^2
    tensor(4.)
    """
    _check_loss(beta, label_smoothing, loss_type)
    if imitation and chosen_lengths is None:
        raise UserError(f"imitation is {imitation} and needs chosen_lengths, the tokens of each chosen answer")
    if loss_type == "ipo":
        if (chosen_lengths is None) != (rejected_lengths is None):
            raise UserError("IPO takes the log ratios per token or per answer; give both lengths or neither")
        chosen, rejected = chosen_log_probs - reference_chosen, rejected_log_probs - reference_rejected
        if chosen_lengths is not None and rejected_lengths is not None:
            chosen, rejected = chosen / chosen_lengths, rejected / rejected_lengths
        loss = (chosen - rejected - 1 / (2 * beta)).square().mean()
    else:
        ratios, reference = chosen_log_probs - rejected_log_probs, reference_chosen - reference_rejected
        loss = bradley_terry_loss(implicit_margins(ratios, reference, beta), label_smoothing=label_smoothing)
    if imitation and chosen_lengths is not None:
        loss = loss + imitation * (-chosen_log_probs.sum() / chosen_lengths.sum())
    return loss


def dpo_loss_of_pairs(
    model: Transformer, pairs: Sequence[Pair], reference: Float[Tensor, "B 2"], config: DPOConfig
) -> tuple[Float[Tensor, ""], Float[Tensor, "B"]]:
    """`dpo_loss` of a model on pairs, and their implicit margins.

    `reference` is what `pair_log_probs` of the reference says of the same pairs.
    """
    chosen, rejected = log_probs(model, pairs)
    return _loss_and_margins(torch.stack((chosen, rejected), 1), reference, pairs, config, config.imitation)


def _loss_and_margins(
    policy: Float[Tensor, "B 2"],
    reference: Float[Tensor, "B 2"],
    pairs: Sequence[Pair],
    config: DPOConfig,
    imitation: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, "B"]]:
    lengths = torch.tensor([(len(pair.chosen), len(pair.rejected)) for pair in pairs], device=policy.device)
    chosen, rejected = policy.unbind(1)
    reference_chosen, reference_rejected = reference.unbind(1)
    loss = dpo_loss(
        chosen,
        rejected,
        reference_chosen,
        reference_rejected,
        config.beta,
        config.label_smoothing,
        config.loss_type,
        imitation,
        *lengths.unbind(1),
    )
    margins = implicit_margins(chosen - rejected, reference_chosen - reference_rejected, config.beta)
    return loss, margins.detach()


def log_probs(model: Transformer, pairs: Sequence[Pair]) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """log p(chosen) and log p(rejected) of each pair, in nats; gradients flow."""
    prompts = [pair.prompt for pair in pairs for _ in range(2)]
    answers = [answer for pair in pairs for answer in (pair.chosen, pair.rejected)]
    of_tokens, _ = score_answers(model, Rollout.from_answers(prompts, answers, model.device))
    chosen, rejected = of_tokens.sum(1).unflatten(0, (-1, 2)).unbind(1)
    return chosen, rejected


@torch.no_grad()
def pair_log_probs(model: Transformer, pairs: Sequence[Pair]) -> Float[Tensor, "N 2"]:
    """log p(chosen) and log p(rejected) of any number of pairs, side by side, without gradients."""
    model.eval()
    starts = range(0, len(pairs), SCORED_AT_ONCE)
    return torch.cat([torch.stack(log_probs(model, pairs[start : start + SCORED_AT_ONCE]), 1) for start in starts])


def implicit_margins(log_ratios: Float[Tensor, "B"], reference: Float[Tensor, "B"], beta: float) -> Float[Tensor, "B"]:
    """beta log(p / p_ref) of the chosen answer minus that of the rejected one: a difference of rewards.

    Its `bradley_terry_loss` is the loss of DPO (Rafailov et al. 2023, eq. 7). The gradient raises the chosen answer's
    log-probability and lowers the rejected one's by beta sigmoid(-margin): more where the margin is wrong (section 4).

    >>> implicit_margins(torch.tensor([3.0]), torch.tensor([1.0]), beta=0.1)
    tensor([0.2000])
    """
    return beta * (log_ratios - reference)


def dpo(
    model: Transformer,
    data: PairData | Pairs,
    config: DPOConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
    reference: Transformer | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Train `model` in place with DPO on preference pairs; returns it and the metrics.

    `data` may be what `PairData.from_pairs` takes, with the `tokenizer`. The reference is the initial model, or
    another `reference`, such as that of an earlier round (Xu et al. 2023 let it move, Yuan et al. 2024 too); its
    log-probabilities are computed once, up front. With `run_dir` and
    `tokenizer` everything is kept there, and a run that was cut off goes on where it was, if `model` comes in as it did
    the first time.
    A line of metrics counts pairs as its tokens; it holds margin and accuracy of the last batch (the mean difference of
    the implicit rewards, and the share of pairs in which it is positive), and now and then val_loss (nats per pair),
    val_accuracy, and kl (nats an answer, from the reference, over answers of its own to held-out prompts).
    Raises what `PairData.from_pairs` and `training.loop.train` raise, and `UserError` for a `run_dir` without a
    tokenizer.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["user assistant"], 270, ["<|im_start|>", "<|im_end|>"])
    >>> model = Transformer(ModelConfig(tokenizer.vocab_size, d_model=8, n_layers=1, n_heads=2, max_seq_len=32))
    >>> pairs = [{"prompt": f"{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(8)]
    >>> model, metrics = dpo(model, pairs, DPOConfig(steps=20, warmup_steps=2), tokenizer=tokenizer)
    >>> metrics[-1]["step"], metrics[-1]["val_accuracy"]
    (20, 1.0)
    """
    if not isinstance(data, PairData):
        data = PairData.from_pairs(data, tokenizer, model.config.max_seq_len)
        tokenizer = chat_tokenizer(cast("Tokenizer", tokenizer))
    run = Run(config, run_dir, tokenizer, on_metrics, save_model=save_merged)
    reference = copy.deepcopy(model if reference is None else reference).requires_grad_(False).eval()
    with training_context(config, model.device):  # as in training: else rounding would count as learning
        before = pair_log_probs(reference, data.train.pairs)
    before_held_out = pair_log_probs(reference, data.validation)
    latest = Metrics()

    def loss(module: Transformer, batch: tuple[Int[Tensor, "_B"]]) -> Float[Tensor, ""]:
        pairs = [data.train.pairs[number] for number in batch[0].tolist()]
        value, margins = dpo_loss_of_pairs(module, pairs, before[batch[0]], config)
        latest.update(margin=margins.mean().item(), accuracy=accuracy(margins))
        return value

    def validate() -> Metrics:
        after = pair_log_probs(model, data.validation)
        value, margins = _loss_and_margins(after, before_held_out, data.validation, config, imitation=0.0)
        kl = sampled_kl(model, reference, data.validation[:ASKED])
        return {"val_loss": value.item(), "val_accuracy": accuracy(margins), "kl": kl}

    return model, fit(Task(model, data.train, loss, validate, lambda metrics: latest), config, run)


@torch.no_grad()
def sampled_kl(model: Transformer, reference: Transformer, pairs: Sequence[Pair]) -> float:
    """KL(model, reference) in nats an answer, estimated from one answer of the model to the prompt of each pair.

    An answer may be twice as long as the longest of the pairs.
    """
    model.eval()
    stop = {pair.chosen[-1] for pair in pairs}  # what closes an answer
    longest = max(len(answer) for pair in pairs for answer in (pair.chosen, pair.rejected))
    answers = roll_out(model, [pair.prompt for pair in pairs], 2 * longest, sorted(stop), seed=0)
    return (score_answers(model, answers)[0] - score_answers(reference, answers)[0]).sum(1).mean().item()
