"""Answers drawn from a model, many at once, and how likely a model finds them: what PPO, GRPO and best-of-n stand on.

Drawing goes token by token on the KV cache and remembers nothing for a gradient. How likely the answers are, under the
model that drew them or any other, is then one forward pass over all of them, and that one can be learnt from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from minillm.inference.generate import continuations, pad_left
from minillm.inference.sampling import Sampling
from minillm.model.transformer import Transformer

TOKENS_AT_ONCE = 1024  # in one forward pass: fewer, and the matrix products become slow; more, and much is padding
LOGITS_AT_ONCE = 2**24  # 64 MB: of a large vocabulary, the logits of all answers would not fit into memory


@dataclass(frozen=True)
class Rollout:
    """Prompts, padded on the left, and an answer to each, padded on the right: all answers begin in one column.

    An answer includes the stop token that closed it. One that was cut off has none.
    """

    prompts: list[list[int]]
    answers: list[list[int]]
    ids: Int[Tensor, "B S"]
    segments: Int[Tensor, "B S"]  # 1 for prompt and answer, 0 for padding
    is_answer: Bool[Tensor, "B S"]

    @property
    def start(self) -> int:
        """The column of every answer's first token."""
        return max(map(len, self.prompts))

    @property
    def counts(self) -> Bool[Tensor, "B T"]:
        """True at the tokens of the answers, of which the longest has T."""
        return self.is_answer[:, self.start :]

    def rows(self, picked: Int[Tensor, "_B"]) -> "Rollout":
        """Some of the rows, without the columns that are padding in all of them."""
        prompts, answers = ([texts[row] for row in picked.tolist()] for texts in (self.prompts, self.answers))
        first = self.start - max(map(len, prompts))
        last = self.start + max(map(len, answers))
        return Rollout(
            prompts, answers, *(part[picked, first:last] for part in (self.ids, self.segments, self.is_answer))
        )


def roll_out(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop: Sequence[int] = (),
    seed: int | None = None,
    temperature: float = 1.0,
) -> Rollout:
    """Draw an answer of at most `max_new_tokens` to each prompt; with a `seed`, always the same ones.

    For several answers to one prompt, give it several times. Raises `ValueError` where there is no prompt, or one that
    leaves no room in the model's context for an answer.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> rollout = roll_out(model, [[1, 2, 3], [4]], max_new_tokens=2, seed=0)
    >>> rollout.segments.tolist(), rollout.counts.tolist()
    ([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]], [[True, True], [True, True]])
    """
    if not prompts or max_new_tokens < 1:
        raise ValueError(
            f"{len(prompts)} prompts and answers of at most {max_new_tokens} tokens; give at least one each"
        )
    longest = max(range(len(prompts)), key=lambda row: len(prompts[row]))
    if len(prompts[longest]) >= model.config.max_seq_len:
        raise ValueError(
            f"prompt {longest} has {len(prompts[longest])} tokens and leaves no room for an answer in a context of "
            f"{model.config.max_seq_len} (max_seq_len); shorten it or leave it out"
        )
    tokens, segments = pad_left(model, prompts)
    steps = continuations(model, tokens, segments, max_new_tokens, Sampling(temperature), stop, seed)
    chosen, running = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
    segments = torch.ones_like(tokens) if segments is None else segments
    answers = [row[:length] for row, length in zip(chosen.tolist(), running.sum(1).tolist(), strict=True)]
    return Rollout(
        [list(prompt) for prompt in prompts],
        answers,
        torch.cat((tokens, chosen), dim=1),
        torch.cat((segments, running.long()), dim=1),
        torch.cat((torch.zeros_like(tokens, dtype=torch.bool), running), dim=1),
    )


def answer_hidden(model: Transformer, rollout: Rollout) -> Float[Tensor, "B T C"]:
    """The vector in front of every token of the answers: what it is predicted from, and what a value head reads.

    After an answer's end it is 0. Rows of like length go through the model together, so that little of it is padding.
    """
    lengths, order = rollout.segments.sum(1).sort()
    parts, sizes = [], []
    for length in lengths.tolist():
        if not sizes or (sizes[-1] + 1) * length > TOKENS_AT_ONCE:
            sizes.append(0)
        sizes[-1] += 1
    for picked in order.split(sizes):
        part = rollout.rows(picked)
        hidden = model.hidden(part.ids[:, :-1], segments=part.segments[:, :-1])[:, part.start - 1 :]
        missing = rollout.counts.shape[1] - hidden.shape[1]
        parts.append(F.pad(hidden * part.counts.unsqueeze(-1), (0, 0, 0, missing)))
    return torch.cat(parts)[order.argsort()]


def score_answers(
    model: Transformer, rollout: Rollout, hidden: Float[Tensor, "B T C"] | None = None
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """log p of every token of the answers, and the entropy of the distribution it came from, in nats; 0 after the end.

    `model` may be any model with this vocabulary; gradients flow. `hidden` is its `answer_hidden`, if that is known.
    Only the answers' tokens are turned into logits, and of a large vocabulary only a part of them at a time, which the
    backward pass computes again.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> _ = nn.init.zeros_(model.head.weight)                                # every token is as likely as any other
    >>> log_probs, entropy = score_answers(model, roll_out(model, [[1, 2]], max_new_tokens=2, seed=0))
    >>> log_probs.detach(), entropy.detach()                                 # log 0.1, and the entropy of ten
    (tensor([[-2.3026, -2.3026]]), tensor([[2.3026, 2.3026]]))
    """
    hidden = answer_hidden(model, rollout) if hidden is None else hidden
    counts = rollout.counts
    vectors, targets = hidden[counts], rollout.ids[:, rollout.start :][counts]
    rows = max(LOGITS_AT_ONCE // model.config.vocab_size, 1)
    parts = [
        checkpoint(_score, model.head, *part, use_reentrant=False) if len(vectors) > rows else _score(model.head, *part)
        for part in zip(vectors.split(rows), targets.split(rows), strict=True)
    ]
    nothing = torch.zeros(counts.shape, device=counts.device)
    log_probs, entropy = (nothing.masked_scatter(counts, torch.cat(part)) for part in zip(*parts, strict=True))
    return log_probs, entropy


def _score(
    head: nn.Module, vectors: Float[Tensor, "N C"], targets: Int[Tensor, "N"]
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
    log_probs = head(vectors).float().log_softmax(-1)
    return log_probs.gather(-1, targets[:, None]).squeeze(-1), -(log_probs.exp() * log_probs).sum(-1)
