"""The reward model: a transformer that reads a prompt and an answer, and says with one number how good the answer is.

Nobody can say what an answer is worth, but people can say which of two they prefer. Bradley and Terry (1952) make
numbers of that: P(a over b) = sigmoid(r_a - r_b). The numbers that explain the preferences best are the rewards
(Ouyang et al. 2022, section 3.5). Only their differences mean anything.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.data.pairs import Pair, PairData
from minillm.model.transformer import Transformer
from minillm.posttraining.rollout import hidden_of_answers
from minillm.pretrained import huggingface
from minillm.tokenizer import Tokenizer
from minillm.training.loop import Metrics
from minillm.training.run import run_training
from minillm.training.settings import TrainConfig

NAMES = {"head": "score"}  # in files, as in transformers' LlamaForSequenceClassification
SCORED_AT_ONCE = 512  # answers, or pairs


class RewardModel(Transformer):
    """A transformer whose head gives one number instead of V, read at the last real token: ids (B, T) -> rewards (B,).

    Padding (segment 0) may stand on either side. The head has no bias, since it would not change any difference, and
    begins at zero: at first, all answers are worth the same.

    >>> model = RewardModel(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model(torch.tensor([[1, 2, 3], [4, 5, 5]]), torch.tensor([[1, 1, 1], [1, 1, 0]])).tolist()
    [0.0, 0.0]
    """

    def __init__(self, config: ModelConfig):
        super().__init__(replace(config, tie_embeddings=False))
        self.head = nn.Linear(config.d_model, 1, bias=False)
        nn.init.zeros_(self.head.weight)

    @classmethod
    def of(cls, model: Transformer) -> "RewardModel":
        """A copy of a language model, with a head that has learnt nothing yet. Raises `ValueError` for LoRA layers."""
        made = cls(model.config).to(model.device)
        weights = {name: weight for name, weight in model.state_dict().items() if name != "head.weight"}
        if unknown := sorted(weights.keys() - made.state_dict().keys()):
            raise ValueError(f"the model has {unknown[0]}, which is no part of a plain one; merge corrections (LoRA)")
        made.load_state_dict(weights, strict=False)
        return made

    def forward(self, ids: Int[Tensor, "B T"], segments: Int[Tensor, "B T"] | None = None) -> Float[Tensor, "B"]:
        """With `segments` (1, and 0 at padding), rows hold texts of unequal length."""
        hidden = self.hidden(ids, segments=segments)
        if segments is None:
            last = torch.full((len(ids),), ids.shape[1] - 1, device=ids.device)
        else:
            last = (segments * torch.arange(1, ids.shape[1] + 1, device=ids.device)).argmax(1)
        return self.head(hidden[torch.arange(len(ids), device=ids.device), last]).squeeze(-1).float()

    def rewards(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """The reward of each answer to its prompt, from their ids; a prompt with several answers is read once."""
        hidden = hidden_of_answers(self, prompts, answers)
        last = torch.tensor([len(answer) for answer in answers], device=self.device)
        return self.head(hidden[torch.arange(len(answers), device=self.device), last]).squeeze(-1).float()

    @torch.no_grad()
    def score(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """`rewards` of any number of answers, without gradients: what best-of-n chooses by and PPO learns from."""
        starts = range(0, len(answers), SCORED_AT_ONCE)
        parts = [(prompts[start : start + SCORED_AT_ONCE], answers[start : start + SCORED_AT_ONCE]) for start in starts]
        return torch.cat([self.rewards(*part) for part in parts])


def margins(model: RewardModel, pairs: Sequence[Pair]) -> Float[Tensor, "B"]:
    """r_chosen - r_rejected of every pair: the model's log-odds that the chosen answer is preferred."""
    prompts = [pair.prompt for pair in pairs for _ in range(2)]
    answers = [answer for pair in pairs for answer in (pair.chosen, pair.rejected)]
    chosen, rejected = model.rewards(prompts, answers).unflatten(0, (-1, 2)).unbind(1)
    return chosen - rejected


def preference_loss(margins: Float[Tensor, "B"]) -> Float[Tensor, ""]:
    """The mean of -log sigmoid(r_chosen - r_rejected), in nats (Bradley & Terry 1952; Ouyang et al. 2022, eq. 1).

    >>> round(preference_loss(torch.tensor([0.0])).item(), 4)                        # ln 2: a coin
    0.6931
    """
    return -F.logsigmoid(margins).mean()


@torch.no_grad()
def pair_margins(model: RewardModel, pairs: Sequence[Pair]) -> Float[Tensor, "N"]:
    """`margins` of any number of pairs, without gradients."""
    model.eval()
    starts = range(0, len(pairs), SCORED_AT_ONCE)
    return torch.cat([margins(model, pairs[start : start + SCORED_AT_ONCE]) for start in starts])


def train_reward_model(
    model: Transformer,
    data: PairData,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: Callable[[Metrics], None] = lambda metrics: None,
) -> tuple[RewardModel, list[Metrics]]:
    """Learn what people prefer; returns a reward model that began as a copy of `model`, and the metrics of the run.

    `model`, which may be a reward model too, is left as it is. With `run_dir` and `tokenizer` everything is kept there,
    for `load_reward_model`, and a run that was cut off goes on where it was.
    A line of metrics counts pairs as its tokens; it holds accuracy (the share of the last batch's pairs in which the
    chosen answer has the higher reward) and now and then val_loss (nats a pair) and val_accuracy.
    """
    if (run_dir is None) != (tokenizer is None):
        raise ValueError("give run_dir and tokenizer together: a saved model without its tokenizer cannot be used")
    reward_model = model if isinstance(model, RewardModel) else RewardModel.of(model)
    latest = {}

    def loss(module: RewardModel, batch: tuple[Int[Tensor, "_B"]]) -> Float[Tensor, ""]:
        differences = margins(module, [data.train.pairs[number] for number in batch[0].tolist()])
        latest["accuracy"] = accuracy(differences)
        return preference_loss(differences)

    def validate() -> Metrics:
        differences = pair_margins(reward_model, data.validation)
        return {"val_loss": preference_loss(differences).item(), "val_accuracy": accuracy(differences)}

    def keep(whole: RewardModel, folder: Path) -> None:
        save_reward_model(whole, tokenizer, folder)

    history = run_training(
        reward_model, data.train, loss, config, validate, run_dir, keep, on_metrics, add=lambda line: latest
    )
    return reward_model, history


def accuracy(margins: Float[Tensor, "B"]) -> float:
    """The share of pairs in which the chosen answer is ahead; a tie is half.

    >>> accuracy(torch.tensor([2.0, -1.0, 0.0, 0.5]))
    0.625
    """
    return (((margins > 0).float() + (margins >= 0).float()) / 2).mean().item()


def save_reward_model(model: RewardModel, tokenizer: Tokenizer, dir: str | Path) -> None:
    """Write it as `minillm.save` writes a model, in the form of transformers' ...ForSequenceClassification.

    That reads a reward at the last token that is not `pad_token_id`; it is the one that begins documents, which ends
    no answer. Raises what `minillm.save` raises.
    """
    described = huggingface.describe(model.config, tokenizer)
    classes = [
        re.sub("ForCausalLM|LMHeadModel", "ForSequenceClassification", name)
        for name in described.get("architectures", [])
    ]
    changes = {"architectures": classes, "num_labels": 1, "pad_token_id": tokenizer.bos_id} if classes else {}
    huggingface.save(model, tokenizer, dir, NAMES, changes)


def load_reward_model(dir: str | Path, device: torch.device | str = "cpu") -> tuple[RewardModel, Tokenizer]:
    """What `save_reward_model` wrote, in evaluation mode; raises as `minillm.load` does, also for a language model."""
    model, tokenizer = huggingface.load(dir, NAMES, RewardModel)
    return model.to(device), tokenizer
