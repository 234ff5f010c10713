"""DPO: learn from preferences without a reward model, since the policy that is best for a reward gives it away.

What is best for a reward r at the price beta a nat of KL from a reference is p(a) = p_ref(a) exp(r(a) / beta) / Z. Read
from right to left: r(a) = beta log(p(a) / p_ref(a)) + beta log Z. In a difference of two answers to one prompt Z is
gone, so the Bradley-Terry loss of a reward model becomes a loss of the policy itself (Rafailov et al. 2023).
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.data.pairs import Pair, PairData
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import save_merged
from minillm.posttraining.reward import SCORED_AT_ONCE, accuracy, preference_loss
from minillm.posttraining.rollout import Rollout, roll_out, score_answers
from minillm.tokenizer import Tokenizer
from minillm.training.loop import Task, fit, number_format
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, Run, ignore
from minillm.training.settings import TrainConfig

ASKED = 64  # held-out prompts that the KL is measured on


@dataclass(frozen=True, kw_only=True)
class DPOConfig(TrainConfig):
    """How to train, and the price of leaving the reference. Raises `ValueError` for numbers that mean nothing.

    DPO only pulls two answers apart, and both may become less likely. With `imitation` the chosen ones are also learnt
    as examples (Pang et al. 2024, "Iterative reasoning preference optimization", eq. 1).

    >>> DPOConfig(steps=100).beta
    0.1
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    beta: float = 0.1  # points of reward a nat of KL
    imitation: float = 0.0  # nats a token of the chosen answers, in nats a pair

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.imitation < math.inf:
            raise UserError(f"imitation is {self.imitation}; it cannot be negative")
        if not 0 < self.beta < math.inf:
            raise UserError(f"beta is {self.beta}; it must be positive")


def log_ratios(model: Transformer, pairs: Sequence[Pair]) -> Float[Tensor, "B"]:
    """log p(chosen) - log p(rejected) of every pair, in nats."""
    chosen, rejected = log_probs(model, pairs)
    return chosen - rejected


def log_probs(model: Transformer, pairs: Sequence[Pair]) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """log p(chosen) and log p(rejected) of every pair, in nats."""
    prompts = [pair.prompt for pair in pairs for _ in range(2)]
    answers = [answer for pair in pairs for answer in (pair.chosen, pair.rejected)]
    of_tokens, _ = score_answers(model, Rollout.of(prompts, answers, model.device))
    chosen, rejected = of_tokens.sum(1).unflatten(0, (-1, 2)).unbind(1)
    return chosen, rejected


@torch.no_grad()
def pair_log_ratios(model: Transformer, pairs: Sequence[Pair]) -> Float[Tensor, "N"]:
    """`log_ratios` of any number of pairs, without gradients."""
    model.eval()
    starts = range(0, len(pairs), SCORED_AT_ONCE)
    return torch.cat([log_ratios(model, pairs[start : start + SCORED_AT_ONCE]) for start in starts])


def implicit_margins(log_ratios: Float[Tensor, "B"], reference: Float[Tensor, "B"], beta: float) -> Float[Tensor, "B"]:
    """beta log(p / p_ref) of the chosen answer, less that of the rejected one: a difference of rewards.

    `preference_loss` of it is the loss of DPO (Rafailov et al. 2023, eq. 7). Its gradient pushes the chosen answer up
    and the rejected one down by beta sigmoid(-margin): the more, the more wrong the margin is (section 4).

    >>> implicit_margins(torch.tensor([3.0]), torch.tensor([1.0]), beta=0.1)
    tensor([0.2000])
    """
    return beta * (log_ratios - reference)


def dpo(
    model: Transformer,
    data: PairData,
    config: DPOConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: OnMetrics = ignore,
) -> tuple[Transformer, list[Metrics]]:
    """Make the answers that people prefer likelier than the others; returns the model (trained in place), the metrics.

    The model as it comes in is the reference; what it makes of the pairs is computed once. With `run_dir` and
    `tokenizer` everything is kept there, and a run that was cut off goes on where it was, if `model` comes in as it did
    the first time.
    A line of metrics counts pairs as its tokens; it holds margin and accuracy of the last batch (the mean difference of
    the implicit rewards, and the share of pairs in which it is positive), and now and then val_loss (nats a pair),
    val_accuracy, and kl (nats an answer, from the reference, over answers of its own to held-out prompts).
    Raises what `training.loop.train` raises, and `ValueError` where only one of `run_dir` and `tokenizer` is given.

    >>> from minillm import ModelConfig
    >>> from minillm.data.pairs import PairBatches
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> pairs = [Pair((1, 2), (3, 9), (4, 9)), Pair((2, 1), (3, 9), (5, 9))]       # an answer with 3 is preferred
    >>> data = PairData(PairBatches(pairs, batch_size=2, seed=0), pairs)
    >>> model, metrics = dpo(model, data, DPOConfig(steps=20, learning_rate=0.01, warmup_steps=2))
    >>> metrics[-1]["step"], metrics[-1]["val_accuracy"]
    (20, 1.0)
    """
    run = Run(config, run_dir, tokenizer, on_metrics, save_model=save_merged)
    reference = copy.deepcopy(model).requires_grad_(False).eval()
    with number_format(config, model.device):  # as the policy will compute: a rounding would count as something learnt
        before = pair_log_ratios(reference, data.train.pairs)
    before_held_out = pair_log_ratios(reference, data.validation)
    latest = Metrics()

    def loss(module: Transformer, batch: tuple[Int[Tensor, "_B"]]) -> Float[Tensor, ""]:
        pairs = [data.train.pairs[number] for number in batch[0].tolist()]
        chosen, rejected = log_probs(module, pairs)
        found = implicit_margins(chosen - rejected, before[batch[0]], config.beta)
        latest.update(margin=found.mean().item(), accuracy=accuracy(found))
        nats_a_token = -chosen.sum() / sum(len(pair.chosen) for pair in pairs)
        return preference_loss(found) + config.imitation * nats_a_token

    def validate() -> Metrics:
        found = implicit_margins(pair_log_ratios(model, data.validation), before_held_out, config.beta)
        kl = sampled_kl(model, reference, data.validation[:ASKED])
        return {"val_loss": preference_loss(found).item(), "val_accuracy": accuracy(found), "kl": kl}

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
