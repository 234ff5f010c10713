"""Sample answers in batches and score their log-probabilities: shared by PPO, GRPO and best-of-n.

Drawing goes token by token on the KV cache and remembers nothing for a gradient. How likely the answers are, under the
model that drew them or any other, is then one forward pass over all of them, and that one can be learned from.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from minillm.errors import UserError
from minillm.inference.decode import hidden_step, in_float32
from minillm.inference.generate import continuations, pad_left
from minillm.inference.sampling import Sampling
from minillm.losses import entropy_of_log_probs
from minillm.model.prefix_cache import PrefixCache, pick_rows
from minillm.model.transformer import Transformer, Trunk, check_language_model

TOKENS_AT_ONCE = 384  # in one forward pass: fewer, and the matrix products become slow; more, and much is padding
LOGITS_AT_ONCE = 2**24  # 64 MB: of a large vocabulary, the logits of all answers would not fit into memory


@dataclass(frozen=True)
class Rollout:
    """Prompts and an answer to each, with the stop token that closed it; one that was cut off has none."""

    prompts: list[list[int]]
    answers: list[list[int]]
    ids: Int[Tensor, "B T"]  # of the answers, padded on the right
    mask: Bool[Tensor, "B T"]  # True at their tokens

    @classmethod
    def from_answers(
        cls, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], device: torch.device | str = "cpu"
    ) -> "Rollout":
        """Any answers to any prompts.

        >>> rollout = Rollout.from_answers([[1, 2], [3]], [[4], [5, 6]])
        >>> rollout.ids.tolist(), rollout.mask.tolist()
        ([[4, 0], [5, 6]], [[True, False], [True, True]])
        """
        width = max(map(len, answers))
        rows = [[*answer, *[0] * (width - len(answer))] for answer in answers]
        ids = torch.tensor(rows, dtype=torch.long, device=device)
        lengths = torch.tensor([len(answer) for answer in answers], device=device)
        mask = torch.arange(width, device=device) < lengths[:, None]
        return cls([list(prompt) for prompt in prompts], [list(answer) for answer in answers], ids, mask)

    def rows(self, picked: Int[Tensor, "_B"]) -> "Rollout":
        """Some of the rows, without the columns that are padding in all of them."""
        prompts, answers = ([texts[row] for row in picked.tolist()] for texts in (self.prompts, self.answers))
        return Rollout.from_answers(prompts, answers, self.ids.device)


def roll_out(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop: Sequence[int] = (),
    seed: int | None = None,
    temperature: float = 1.0,
) -> Rollout:
    """Draw an answer of at most `max_new_tokens` to each prompt; with a `seed`, always the same ones.

    For several answers to one prompt, give it several times; it is read once. Raises `UserError` where there is no
    prompt, or one that leaves no room in the model's context for an answer.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> rollout = roll_out(model, [[1, 2, 3], [4]], max_new_tokens=2, seed=0)
    >>> rollout.ids.shape, rollout.mask.tolist()
    (torch.Size([2, 2]), [[True, True], [True, True]])
    """
    check_language_model(model)
    if not prompts or max_new_tokens < 1:
        raise UserError(
            f"{len(prompts)} prompts and answers of at most {max_new_tokens} tokens; give at least one each"
        )
    longest = max(range(len(prompts)), key=lambda row: len(prompts[row]))
    if len(prompts[longest]) >= model.config.max_seq_len:
        raise UserError(
            f"prompt {longest} has {len(prompts[longest])} tokens and leaves no room for an answer in a context of "
            f"{model.config.max_seq_len} (max_seq_len); shorten it or leave it out"
        )
    different, place = numbered(prompts)
    tokens, segments = pad_left(model, different)
    copies = torch.tensor(place, device=model.device)
    sampling = Sampling(temperature)
    steps = continuations(model, tokens, segments, max_new_tokens, sampling, stop, seed, copies=copies, by_inverse=True)
    with evaluating(model), in_float32(model):
        chosen, running = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
    answers = [row[:length] for row, length in zip(chosen.tolist(), running.sum(1).tolist(), strict=True)]
    return Rollout.from_answers(prompts, answers, model.device)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode for a while: without dropout, and by its fast step (`inference/decode.py`).

    >>> layer = nn.Dropout()
    >>> with evaluating(layer): layer.training
    False
    >>> layer.training
    True
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def numbered(prompts: Sequence[Sequence[int]]) -> tuple[list[tuple[int, ...]], list[int]]:
    """The different prompts, and for each prompt its number among them.

    >>> numbered([[1, 2], [3], [1, 2]])
    ([(1, 2), (3,)], [0, 1, 0])
    """
    number: dict[tuple[int, ...], int] = {}
    places = [number.setdefault(tuple(prompt), len(number)) for prompt in prompts]
    return list(number), places


def answer_hidden(model: Transformer, rollout: Rollout) -> Float[Tensor, "B T C"]:
    """The vector in front of every token of the answers: what it is predicted from, and what a value head reads.

    After an answer's end it is 0.
    """
    return hidden_of_answers(model, rollout.prompts, [answer[:-1] for answer in rollout.answers])


def hidden_of_answers(
    model: Trunk, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> Float[Tensor, "B T C"]:
    """The vectors at the last token of each prompt and at all tokens of its answer, and 0 after it.

    Repeated prompts are encoded once and shared by their answers. Prompts of similar length go through the model
    together, and so do answers, so that little is padding. Without gradients the C step computes them if the model has
    one. T is the longest answer plus one.
    Raises `UserError` where there are not as many answers as prompts.
    """
    if len(prompts) != len(answers):
        raise UserError(f"{len(prompts)} prompts and {len(answers)} answers; give one answer to each prompt")
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return _hidden_of_answers(model, None, prompts, answers)
    with evaluating(model), in_float32(model):
        return _hidden_of_answers(model, hidden_step(model), prompts, answers)


def _hidden_of_answers(
    model: Trunk,
    fast: Callable[..., Tensor] | None,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
) -> Float[Tensor, "B T C"]:
    different, places = numbered(prompts)
    place, width = torch.tensor(places), max(map(len, answers)) + 1
    parts, rows, hidden_of = [], [], fast or model.hidden
    for some in in_batches([len(prompt) for prompt in different]):
        tokens, segments = pad_left(model, [different[number] for number in some.tolist()])
        prefix_cache = model.new_cache(len(tokens), tokens.shape[1] + width) if fast else PrefixCache()
        last = hidden_of(tokens, prefix_cache, segments)[:, -1:]
        asked = torch.isin(place, some).nonzero().flatten()
        for part in in_batches([len(answers[row]) for row in asked.tolist()]):
            picked = asked[part]
            its = (place[picked, None] == some).int().argmax(1).to(model.device)  # where its prompt is among these
            texts = Rollout.from_answers([[]] * len(picked), [answers[row] for row in picked.tolist()], model.device)
            hidden = pick_rows(last, its)
            if texts.ids.shape[1]:
                going_on = hidden_of(texts.ids, prefix_cache.rows(its), texts.mask.long())
                hidden = torch.cat((hidden, going_on * texts.mask.unsqueeze(-1)), dim=1)
            parts.append(F.pad(hidden, (0, 0, 0, width - hidden.shape[1])))
            rows.append(picked)
    return torch.cat(parts)[torch.cat(rows).argsort().to(model.device)]


def in_batches(lengths: Sequence[int]) -> list[Int[Tensor, "_N"]]:
    """The numbers of texts in batches of like length, of `TOKENS_AT_ONCE` tokens at most where there are two."""
    ordered, order = torch.tensor(lengths).sort()
    sizes: list[int] = []
    for length in ordered.tolist():
        if not sizes or (sizes[-1] + 1) * length > TOKENS_AT_ONCE:
            sizes.append(0)
        sizes[-1] += 1
    return list(order.split(sizes))


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
    return score_vectors(model.head, rollout, answer_hidden(model, rollout) if hidden is None else hidden)


def score_vectors(
    head: nn.Module, rollout: Rollout, hidden: Float[Tensor, "B T C"]
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """`score_answers` by any head, from the vectors in front of the tokens."""
    log_probs, entropy = _of_each_token(_score, head, rollout, hidden)
    return log_probs, entropy


def log_probs_of_vectors(head: nn.Module, rollout: Rollout, hidden: Float[Tensor, "B T C"]) -> Float[Tensor, "B T"]:
    """`score_vectors` without the entropy, which takes a pass over all logits."""
    (log_probs,) = _of_each_token(_log_probs, head, rollout, hidden)
    return log_probs


def _of_each_token(
    measure: Callable[..., tuple[Tensor, ...]], head: nn.Module, rollout: Rollout, hidden: Float[Tensor, "B T C"]
) -> Iterator[Float[Tensor, "B T"]]:
    mask = rollout.mask
    vectors, targets = hidden[mask], rollout.ids[mask]
    rows = max(LOGITS_AT_ONCE // head(vectors[:0]).shape[-1], 1)
    parts = [
        checkpoint(measure, head, *part, use_reentrant=False) if len(vectors) > rows else measure(head, *part)
        for part in zip(vectors.split(rows), targets.split(rows), strict=True)
    ]
    nothing = torch.zeros(mask.shape, device=mask.device)
    return (nothing.masked_scatter(mask, torch.cat(part)) for part in zip(*parts, strict=True))


def _log_probs(head: nn.Module, vectors: Float[Tensor, "N C"], targets: Int[Tensor, "N"]) -> tuple[Float[Tensor, "N"]]:
    return (-F.cross_entropy(head(vectors).float(), targets, reduction="none"),)


def _score(
    head: nn.Module, vectors: Float[Tensor, "N C"], targets: Int[Tensor, "N"]
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
    log_probs = head(vectors).float().log_softmax(-1)
    return log_probs.gather(-1, targets[:, None]).squeeze(-1), entropy_of_log_probs(log_probs)
