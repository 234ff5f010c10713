"""The reward model: a transformer that reads a prompt and an answer, and says with one number how good the answer is.

Nobody can say what an answer is worth, but people can say which of two they prefer. Bradley and Terry (1952) make
numbers of that: P(a over b) = sigmoid(r_a - r_b). The numbers that explain the preferences best are the rewards
(Ouyang et al. 2022, section 3.5). Only their differences mean anything.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.data.pairs import Pair, PairData
from minillm.errors import UserError
from minillm.files import MAX_CONFIG_BYTES, read_json
from minillm.losses import bradley_terry_loss
from minillm.model.transformer import Transformer
from minillm.posttraining.rollout import Rollout, hidden_of_answers, score_vectors
from minillm.pretrained import huggingface
from minillm.tokenizer import Tokenizer
from minillm.training.loop import Metrics
from minillm.training.run import run_training, saving
from minillm.training.settings import TrainConfig

# In files: the head as in transformers' LlamaForSequenceClassification; the rest is only in a `LikelihoodReward`.
NAMES = {"head": "score", "language_head": "lm_head", "likelihood": "likelihood"}
SCORED_AT_ONCE = 512  # answers, or pairs

Reward = TypeVar("Reward", bound="RewardModel")


class RewardModel(Transformer):
    """A transformer whose head gives one number instead of V, read at the last real token: ids (B, T) -> rewards (B,).

    Padding (segment 0) may stand on either side. The head has no bias, since it would not change any difference, and
    begins at zero: at first, all answers are worth the same.

    >>> model = RewardModel(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model(torch.tensor([[1, 2, 3], [4, 5, 5]]), torch.tensor([[1, 1, 1], [1, 1, 0]])).tolist()
    [0.0, 0.0]
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config.replace(tie_embeddings=False))
        self.head = nn.Linear(config.d_model, 1, bias=False)
        nn.init.zeros_(self.head.weight)

    @classmethod
    def of(cls: type[Reward], model: Transformer) -> Reward:
        """A copy of a language model, with a head that has learnt nothing yet. Raises `ValueError` for LoRA layers."""
        made = cls(model.config).to(model.device)
        weights = {name: weight for name, weight in model.state_dict().items() if name != "head.weight"}
        if unknown := sorted(weights.keys() - made.state_dict().keys()):
            raise UserError(f"the model has {unknown[0]}, which is no part of a plain one; merge corrections (LoRA)")
        made.load_state_dict(weights, strict=False)
        return made

    def forward(self, ids: Int[Tensor, "B T"], segments: Int[Tensor, "B T"] | None = None) -> Float[Tensor, "B"]:
        """With `segments` (1, and 0 at padding), rows hold texts of unequal length."""
        hidden = self.hidden(ids, segments=segments)
        if segments is None:
            last = torch.full((len(ids),), ids.shape[1] - 1, device=ids.device)
        else:
            last = (segments * torch.arange(1, ids.shape[1] + 1, device=ids.device)).argmax(1)
        return points(self.head, hidden[torch.arange(len(ids), device=ids.device), last])

    def rewards(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """The reward of each answer to its prompt, from their ids; a prompt with several answers is read once."""
        return self.judge(prompts, answers)[0]

    def judge(
        self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"] | None]:
        """The rewards, and log p of the answers if the model knows it (`LikelihoodReward`)."""
        return self._by_head(hidden_of_answers(self, prompts, answers), answers), None

    def _by_head(self, hidden: Float[Tensor, "B T C"], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        last = torch.tensor([len(answer) for answer in answers], device=self.device)
        return points(self.head, hidden[torch.arange(len(answers), device=self.device), last])

    @torch.no_grad()
    def score(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """`rewards` of any number of answers, without gradients: what best-of-n chooses by and PPO learns from."""
        starts = range(0, len(answers), SCORED_AT_ONCE)
        parts = [(prompts[start : start + SCORED_AT_ONCE], answers[start : start + SCORED_AT_ONCE]) for start in starts]
        return torch.cat([self.rewards(*part) for part in parts])


class LikelihoodReward(RewardModel):
    """A reward model that also counts how likely it finds an answer: r = w . h_last + likelihood * log p(answer).

    What the layers of a small model know is what they would say themselves. A head at the end of another's answer
    hardly gets at that: it learns manners, and not to read. The likelihood asks for it. By itself it is the reward that
    DPO finds in every language model, with a reference that likes all answers alike (Rafailov et al. 2023, section 5).

    >>> model = LikelihoodReward(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> _ = nn.init.zeros_(model.language_head.weight), nn.init.ones_(model.likelihood.weight)
    >>> model.rewards([[1, 2], [1, 2]], [[3], [3, 4]]).detach()                 # log 0.1, once and twice
    tensor([-2.3026, -4.6052])
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.language_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.likelihood = nn.Linear(1, 1, bias=False)  # points a nat

    @classmethod
    def of(cls, model: Transformer, likelihood: float = 0.0) -> "LikelihoodReward":
        """As `RewardModel.of`; the language model's own head stays, and a nat counts `likelihood` points at first."""
        made = super().of(model)
        made.language_head.load_state_dict(model.head.state_dict())
        nn.init.constant_(made.likelihood.weight, likelihood)
        return made

    def forward(self, ids: Int[Tensor, "B T"], segments: Int[Tensor, "B T"] | None = None) -> Float[Tensor, "B"]:
        """Raises `ValueError`: in ids alone nothing says where the answer begins."""
        raise UserError("the likelihood of an answer needs to know where it begins; call rewards(prompts, answers)")

    def judge(
        self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
        """As in any reward model."""
        hidden = hidden_of_answers(self, prompts, answers)
        log_probs, _ = score_vectors(self.language_head, Rollout.of(prompts, answers, self.device), hidden[:, :-1])
        return self._by_head(hidden, answers) + points(self.likelihood, log_probs.sum(1, True)), log_probs.sum(1)


def points(layer: nn.Linear, vectors: Float[Tensor, "B C"]) -> Float[Tensor, "B"]:
    """What a layer with one output says, in float32 also while training: 8 bits would round what two answers differ by.

    >>> layer = nn.Linear(2, 1, bias=False); _ = nn.init.constant_(layer.weight, 1.001)
    >>> with torch.autocast("cpu", torch.bfloat16): points(layer, torch.ones(1, 2)).detach()    # not 2.0
    tensor([2.0020])
    """
    return (vectors.float() * layer.weight[0].float()).sum(-1)


@dataclass(frozen=True, kw_only=True)
class RewardConfig(TrainConfig):
    """How to train, and whether the likelihood of an answer counts. Raises `ValueError` for negative numbers.

    Where it does, the model also learns to say what was chosen (as Yang et al. 2024, "Regularizing hidden states
    enables learning generalizable reward model for LLMs", do against forgetting). So the manners of those who are
    judged are soon no surprise to it, and what is unlikely is what is wrong.

    >>> RewardConfig(steps=100).likelihood
    0.0
    """

    likelihood: float = 0.0  # points a nat at first; without any, only the head speaks
    imitation: float = 0.5  # nats a token of the chosen answers, in nats a pair

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("likelihood", "imitation"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}; it cannot be negative")


def margins(model: RewardModel, pairs: Sequence[Pair]) -> Float[Tensor, "B"]:
    """r_chosen - r_rejected of every pair: the model's log-odds that the chosen answer is preferred."""
    return _judge_pairs(model, pairs)[0]


def _judge_pairs(model: RewardModel, pairs: Sequence[Pair]) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"] | None]:
    """The margins, and log p of the chosen answers if the model knows it."""
    prompts = [pair.prompt for pair in pairs for _ in range(2)]
    answers = [answer for pair in pairs for answer in (pair.chosen, pair.rejected)]
    rewards, log_probs = model.judge(prompts, answers)
    chosen, rejected = rewards.unflatten(0, (-1, 2)).unbind(1)
    return chosen - rejected, None if log_probs is None else log_probs[::2]


@torch.no_grad()
def pair_margins(model: RewardModel, pairs: Sequence[Pair]) -> Float[Tensor, "N"]:
    """`margins` of any number of pairs, without gradients."""
    model.eval()
    return torch.cat([margins(model, pairs[i : i + SCORED_AT_ONCE]) for i in range(0, len(pairs), SCORED_AT_ONCE)])


def as_judged(model: RewardModel, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as the reward model has them: the answer with the higher reward is chosen, whoever chose before.

    A rater's choice is one toss of a coin, and a policy can only learn it by heart; a judge decides like cases alike.

    >>> judge = RewardModel(ModelConfig(vocab_size=9, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> judge.head.weight.data[0, 0] = 1.0
    >>> pairs = as_judged(judge, [Pair((1,), (5, 2), (6, 2)), Pair((1,), (6, 2), (5, 2))])
    >>> pairs[0] == pairs[1], bool((pair_margins(judge, pairs) > 0).all())
    (True, True)
    """
    found = pair_margins(model, pairs).tolist()
    return [
        pair if margin >= 0 else replace(pair, chosen=pair.rejected, rejected=pair.chosen)
        for pair, margin in zip(pairs, found, strict=True)
    ]


def train_reward_model(
    model: Transformer,
    data: PairData,
    config: TrainConfig,
    run_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    on_metrics: Callable[[Metrics], None] = lambda metrics: None,
) -> tuple[RewardModel, list[Metrics]]:
    """Learn what people prefer; returns a reward model that began as a copy of `model`, and the metrics of the run.

    `model` is left as it is, unless it is a reward model: that is trained on, in place. With `run_dir` and `tokenizer`
    everything is kept there, for `load_reward_model`, and a run that was cut off goes on where it was.
    A line of metrics counts pairs as its tokens; it holds accuracy (the share of the last batch's pairs in which the
    chosen answer has the higher reward) and now and then val_loss (nats a pair) and val_accuracy.
    Raises what `training.loop.train` raises, and `ValueError` where only one of `run_dir` and `tokenizer` is given.

    >>> from minillm import ModelConfig
    >>> from minillm.data.pairs import PairBatches
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> pairs = [Pair((1, 2), (3, 9), (4, 9)), Pair((2, 1), (3, 9), (5, 9))]       # an answer with 3 is preferred
    >>> data = PairData(PairBatches(pairs, batch_size=2, seed=0), pairs)
    >>> judge, metrics = train_reward_model(model, data, TrainConfig(steps=20, learning_rate=0.01, warmup_steps=2))
    >>> judge.score([(1, 2), (1, 2)], [(3, 9), (4, 9)]).diff().item() < 0
    True
    """
    keep = saving(save_reward_model, run_dir, tokenizer)
    if isinstance(model, RewardModel):
        reward_model = model
    elif isinstance(config, RewardConfig) and config.likelihood:
        reward_model = LikelihoodReward.of(model, config.likelihood)
    else:
        reward_model = RewardModel.of(model)
    latest = {}

    def loss(module: RewardModel, batch: tuple[Int[Tensor, "_B"]]) -> Float[Tensor, ""]:
        pairs = [data.train.pairs[number] for number in batch[0].tolist()]
        differences, log_probs = _judge_pairs(module, pairs)
        latest["accuracy"] = accuracy(differences)
        if log_probs is None or not isinstance(config, RewardConfig):
            return bradley_terry_loss(differences)
        imitation = -log_probs.sum() / sum(len(pair.chosen) for pair in pairs)
        return bradley_terry_loss(differences) + config.imitation * imitation

    def validate() -> Metrics:
        differences = pair_margins(reward_model, data.validation)
        return {"val_loss": bradley_terry_loss(differences).item(), "val_accuracy": accuracy(differences)}

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
    no answer. A `LikelihoodReward` is none of its classes, so its config.json names none. Raises what `minillm.save`
    raises.
    """
    described = huggingface.describe(model.config, tokenizer)
    classes = [
        re.sub("ForCausalLM|LMHeadModel", "ForSequenceClassification", name)
        for name in described.get("architectures", [])
    ]
    changes = {"architectures": classes, "num_labels": 1, "pad_token_id": tokenizer.bos_id} if classes else {}
    if isinstance(model, LikelihoodReward):
        changes = {"architectures": [], "model_type": "minillm", "likelihood_reward": True}
    huggingface.save(model, tokenizer, dir, NAMES, changes)


def load_reward_model(dir: str | Path, device: torch.device | str = "cpu") -> tuple[RewardModel, Tokenizer]:
    """What `save_reward_model` wrote, in evaluation mode; raises as `minillm.load` does, also for a language model."""
    config = Path(dir) / huggingface.CONFIG
    reads = config.is_file() and read_json(config, MAX_CONFIG_BYTES).get("likelihood_reward") is True
    model, tokenizer = huggingface.load(dir, NAMES, LikelihoodReward if reads else RewardModel)
    return model.to(device), tokenizer
