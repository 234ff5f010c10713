"""The reward model: a transformer that reads a prompt and an answer and gives one number, and its files.

`posttraining/reward.py` trains it.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.assets import registered_folder
from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.files import MAX_CONFIG_BYTES, read_json
from minillm.model.linear import Linear
from minillm.model.transformer import Transformer
from minillm.posttraining.rollout import Rollout, hidden_of_answers, log_probs_of_vectors, numbered, roll_out
from minillm.pretrained import huggingface
from minillm.pretrained.families import ARCHITECTURES
from minillm.tokenizer import Tokenizer

# Names in files: the head as in transformers' ...ForSequenceClassification; the rest is there with a likelihood term.
NAMES = {"head": "score", "language_head": "lm_head", "likelihood": "likelihood"}
REFERENCE = "reference."  # begins the names of the reference model's tensors
CLASSIFIER = "ForSequenceClassification"
SCORED_AT_ONCE = 512  # answers, or pairs
ANSWERED_AT_ONCE = 128  # prompts, by the reference model
LONGEST_REFERENCE = 64  # tokens of its answer
ROOM = 80  # tokens by which the context grows for that answer and a new turn


class RewardModel(nn.Module):
    """A trunk with a head that gives one number, read at the last real token: ids (B, T) -> rewards (B,).

    r = w . h_last. The head has no bias, since it would cancel in every difference, and starts at zero: at first, all
    rewards are 0. Padding (segment 0) may be on either side.

    With `reads_likelihood` the reward also counts how probable the answer is, r = w . h_last + c log p(answer),
    by a copy of the language head. The layers of a small model know what it would say itself, which a head at the end
    of somebody else's answer hardly reads: it learns style, not truth. Alone, the second term is the reward that DPO
    finds in every language model, with a uniform reference (Rafailov et al. 2023, section 5).

    With a `stop` token it also has a reference model, which is never trained, and reads that model's own greedy answer
    between the prompt and the answer: to compare two results is easier than to work one out (Zheng et al. 2023,
    "Judging LLM-as-a-judge", section 3.4). `with_reference_answers` shows what it reads.

    >>> model = RewardModel(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=2, max_seq_len=16))
    >>> model(torch.tensor([[1, 2, 3], [4, 5, 5]]), torch.tensor([[1, 1, 1], [1, 1, 0]])).tolist()
    [0.0, 0.0]
    >>> model = RewardModel(model.config, reads_likelihood=True)
    >>> _ = nn.init.zeros_(model.language_head.weight), nn.init.ones_(model.likelihood.weight)
    >>> model.rewards([[1, 2], [1, 2]], [[3], [3, 4]]).detach()                 # log 0.1, once and twice
    tensor([-2.3026, -4.6052])
    """

    def __init__(self, config: ModelConfig, reads_likelihood: bool = False, stop: int | None = None):
        super().__init__()
        config = config.replace(tie_embeddings=False)
        self.transformer = Transformer(config).trunk()  # with the initial weights of a language model of this seed
        self.head = nn.Linear(config.d_model, 1, bias=False)
        nn.init.zeros_(self.head.weight)
        self.language_head = Linear(config.d_model, config.vocab_size, bias=False) if reads_likelihood else None
        self.likelihood = nn.Linear(1, 1, bias=False) if reads_likelihood else None  # c, reward per nat
        self.stop = stop  # the token that ends an answer of the reference model
        self.reference = None if stop is None else Transformer(config).requires_grad_(False)
        self.pad: int | None = None  # a classifier's padding token; the text is read before those at its end
        self._read: dict[tuple[int, ...], list[int]] = {}  # prompts -> what is read before their answers

    @classmethod
    def from_language_model(
        cls, model: Transformer, likelihood: float | None = None, stop: int | None = None
    ) -> "RewardModel":
        """A copy of a language model with an untrained head; with `likelihood`, the c that the second term starts with.

        With `stop` the language model is also its reference. Raises `UserError` for a model with LoRA layers, and for a
        reference with learned positions, which cannot read further.
        """
        made = cls(model.config, likelihood is not None, stop).to(model.device)
        weights = {name: weight for name, weight in model.state_dict().items() if name != "head.weight"}
        if unknown := sorted(weights.keys() - made.transformer.state_dict().keys()):
            raise UserError(f"the model has {unknown[0]}, which a plain one has not; merge corrections (merge_lora)")
        made.transformer.load_state_dict(weights)
        if made.language_head is not None and made.likelihood is not None and likelihood is not None:
            made.language_head.load_state_dict(model.head.state_dict())
            nn.init.constant_(made.likelihood.weight, likelihood)
        if made.reference is not None:
            made.reference.load_state_dict(weights | {"head.weight": model.head.weight})
            for part in (made.transformer, made.reference):
                part.extend_context(model.config.max_seq_len + ROOM)
        return made

    @property
    def config(self) -> ModelConfig:
        """The configuration of the trunk."""
        return self.transformer.config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.transformer.device

    def forward(self, ids: Int[Tensor, "B T"], segments: Int[Tensor, "B T"] | None = None) -> Float[Tensor, "B"]:
        """With `segments` (1, and 0 at padding), rows hold texts of unequal length.

        Raises `UserError` with a likelihood term: ids alone do not tell where the answer begins.
        """
        if self.likelihood is not None:
            raise UserError("the likelihood term needs to know where the answer begins; call rewards(prompts, answers)")
        hidden = self.transformer.hidden(ids, segments=segments)
        real = torch.ones_like(ids) if segments is None else segments
        if self.pad is not None:  # of a classifier that transformers trained, which reads before it
            real = real * (ids != self.pad)
        last = (real * torch.arange(1, ids.shape[1] + 1, device=ids.device)).argmax(1)
        return points(self.head, hidden[torch.arange(len(ids), device=ids.device), last])

    @torch.no_grad()
    def with_reference_answers(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """What is read before each answer: the prompt, the reference's answer to it, and the beginning of a new turn.

        Without a reference model the prompts as they are. Each prompt is answered once.
        """
        if self.reference is None or self.stop is None:
            return [list(prompt) for prompt in prompts]
        asked = [tuple(prompt) for prompt in prompts]
        new = sorted({prompt for prompt in asked if prompt not in self._read}, key=len)
        for start in range(0, len(new), ANSWERED_AT_ONCE):
            some = new[start : start + ANSWERED_AT_ONCE]
            room = self.reference.config.max_seq_len - len(some[-1])
            said = roll_out(self.reference, some, min(room, LONGEST_REFERENCE), [self.stop], temperature=0.0)
            for prompt, answer in zip(some, said.answers, strict=True):
                self._read[prompt] = [*prompt, *answer, *_turn(prompt, self.stop)]
        return [self._read[prompt] for prompt in asked]

    def rewards(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """The reward of each answer to its prompt, from their ids; a prompt with several answers is read once."""
        return self.rewards_and_log_probs(prompts, answers)[0]

    def rewards_and_log_probs(
        self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"] | None]:
        """The rewards, and log p(answer) of each answer in nats; None without a likelihood term."""
        prompts = self.with_reference_answers(prompts)
        if self.pad is not None:
            texts = [without_padding(*text, self.pad) for text in zip(prompts, answers, strict=True)]
            prompts, answers = [prompt for prompt, _ in texts], [answer for _, answer in texts]
        longest = max(map(len, prompts)) + max(map(len, answers))
        if self.reference is not None and longest > self.config.max_seq_len:  # a long answer of the reference
            self.transformer.extend_context(longest)
        hidden = hidden_of_answers(self.transformer, prompts, answers)
        last = torch.tensor([len(answer) for answer in answers], device=self.device)
        rewards = points(self.head, hidden[torch.arange(len(answers), device=self.device), last])
        if self.language_head is None or self.likelihood is None:
            return rewards, None
        rollout = Rollout.from_answers(prompts, answers, self.device)
        log_probs = log_probs_of_vectors(self.language_head, rollout, hidden[:, :-1])
        return rewards + points(self.likelihood, log_probs.sum(1, True)), log_probs.sum(1)

    @torch.no_grad()
    def score(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        """`rewards` of any number of answers, without gradients: the reward function of best-of-n, PPO and GRPO.

        With a reference, how much higher than that of its own answer. Pairs of answers only fix differences, so the
        rewards of one prompt may all be high and those of another all low; to PPO that would be noise.
        """
        starts = range(0, len(answers), SCORED_AT_ONCE)
        parts = [(prompts[start : start + SCORED_AT_ONCE], answers[start : start + SCORED_AT_ONCE]) for start in starts]
        return torch.cat([self._score(*part) for part in parts])

    def _score(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Float[Tensor, "B"]:
        if self.reference is None or self.stop is None:
            return self.rewards(prompts, answers)
        different, places = numbered(prompts)
        read = self.with_reference_answers(different)
        turns = [len(_turn(prompt, self.stop)) for prompt in different]
        said = [text[len(prompt) : len(text) - turn] for prompt, text, turn in zip(different, read, turns, strict=True)]
        rewards = self.rewards([*prompts, *different], [*answers, *said])  # together, so that prompts are read once
        return rewards[: len(answers)] - rewards[len(answers) :][places]


def _turn(prompt: Sequence[int], stop: int) -> Sequence[int]:
    """The tokens that begin an answer: those at the end of a prompt, after its last `stop`.

    >>> _turn([0, 7, 9, 1, 2], stop=9)
    [1, 2]
    """
    last = max((place for place, token in enumerate(prompt) if token == stop), default=len(prompt) - 1)
    return prompt[last + 1 :]


def without_padding(prompt: Sequence[int], answer: Sequence[int], pad: int) -> tuple[list[int], list[int]]:
    """Prompt and answer up to the last token that is not `pad`, where transformers reads; its first if all are.

    >>> without_padding([1, 9], [2, 9, 9], pad=9), without_padding([1, 9], [9], pad=9)
    (([1, 9], [2]), ([1], []))
    """
    text = [*prompt, *answer]
    end = max((place for place, token in enumerate(text, 1) if token != pad), default=1)
    return text[: min(end, len(prompt))], text[len(prompt) : end]


def points(layer: nn.Linear, vectors: Float[Tensor, "B C"]) -> Float[Tensor, "B"]:
    """The output of a layer with one row, in float32 under autocast too: bfloat16 would round small differences away.

    >>> layer = nn.Linear(2, 1, bias=False); _ = nn.init.constant_(layer.weight, 1.001)
    >>> with torch.autocast("cpu", torch.bfloat16): points(layer, torch.ones(1, 2)).detach()    # not 2.0
    tensor([2.0020])
    """
    return (vectors.float() * layer.weight[0].float()).sum(-1)


def save_reward_model(model: RewardModel, tokenizer: Tokenizer, dir: str | Path) -> None:
    """Write it as `minillm.save` writes a model, in the form of transformers' ...ForSequenceClassification.

    transformers reads the reward at the last token that is not `pad_token_id`; that is the token that begins documents.
    Where it also ends them, config.json names none, and transformers then reads one text at a time. No class there has
    a likelihood term or a reference: with one, config.json names no class. Raises what `minillm.save` raises.

    >>> import tempfile
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> model = RewardModel(ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_reward_model(model, tokenizer, folder)
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']
    """
    described = huggingface.describe(model.config, tokenizer)
    classes = [re.sub("ForCausalLM|LMHeadModel", CLASSIFIER, name) for name in described.get("architectures", [])]
    changes: dict[str, Any] = {}
    if classes:
        pad = tokenizer.bos_id if tokenizer.bos_id != tokenizer.eos_id else None
        changes = {"architectures": classes, "num_labels": 1, "pad_token_id": pad}
    if model.pad is not None:
        changes |= {"pad_token_id": model.pad, "reads_before_pad": True}
    if model.likelihood is not None or model.stop is not None:
        reads = {"likelihood_reward": model.likelihood is not None, "reference_stop": model.stop}
        changes = {"architectures": [], "model_type": "minillm", **reads}
    huggingface.save(model, tokenizer, dir, _names, changes)


def load_reward_model(dir: str | Path, device: torch.device | str = "cpu") -> tuple[RewardModel, Tokenizer]:
    """Load what `save_reward_model` wrote, or transformers' ...ForSequenceClassification with one label.

    `dir` may be a registered name, such as the course's "course-reward". The model is in evaluation mode. Of other
    programs' models the families that `minillm.load` reads are read, and texts up to the last token that is not their
    `pad_token_id`, as by transformers. Raises what `minillm.load` raises, also for a language model and for a
    classifier with several labels.

    >>> import tempfile
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> model = RewardModel(ModelConfig(vocab_size=260, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_reward_model(model, tokenizer, folder)
    ...     loaded, _ = load_reward_model(folder)
    >>> loaded.score([[1, 2]], [[3]])
    tensor([0.])
    """
    dir = registered_folder(dir) or Path(dir)
    config = dir / huggingface.CONFIG
    values = read_json(config, MAX_CONFIG_BYTES) if config.is_file() else {}
    stop = values.get("reference_stop")
    if stop is not None and not (type(stop) is int and stop >= 0):
        raise UserError(f"{config}: reference_stop is {stop!r:.80}; it must be the id of a token")
    build = functools.partial(RewardModel, reads_likelihood=values.get("likelihood_reward") is True, stop=stop)
    pad = values.get("pad_token_id") if "minillm" not in values or values.get("reads_before_pad") is True else None
    if pad is not None and type(pad) is not int:
        raise UserError(f"{config}: pad_token_id is {pad!r:.80}; it must be the id of a token, or null")
    model, tokenizer = huggingface.load(dir, _names, build, _as_language_model)
    model.pad = pad
    return model.to(device), tokenizer


def _names(family: Mapping[str, str]) -> dict[str, str]:
    reference = {f"{REFERENCE}{ours}": f"{REFERENCE}{theirs}" for ours, theirs in family.items()}
    return {f"transformer.{ours}": theirs for ours, theirs in family.items()} | reference | NAMES


def _as_language_model(values: dict[str, Any]) -> dict[str, Any]:
    """The config.json of the language model that a classifier's transformer is from; checks that it has one label."""
    kind, classes = values.get("model_type"), values.get("architectures")
    if "minillm" in values or not isinstance(classes, list) or not str(classes[:1]).endswith(f"{CLASSIFIER}']"):
        return values
    labels = values.get("id2label", [0, 1])  # transformers' default is two, and then none are written
    if values.get("num_labels", len(labels)) != 1:
        raise UserError(f"{classes[0][:80]} has {len(labels)} labels; a reward model has 1 (num_labels)")
    return values | {"architectures": [ARCHITECTURES.get(str(kind))]}
