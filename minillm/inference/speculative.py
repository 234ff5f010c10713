"""Several tokens for one pass of a large model: something cheap guesses ahead, the model checks all guesses at once.

A pass reads every weight of the model once, and where that is what takes the time, five tokens cost little more than
one. So a draft proposes a few tokens, the model reads them in one pass, and a rule keeps as many as it may without
changing what the model would have written by itself: `speculate` draws from the same distribution as `stream`, whatever
the draft is (Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding"; Chen et al. 2023,
"Accelerating Large Language Model Decoding with Speculative Sampling"). A bad draft costs time, never quality. Weights
of 4 bits are read so fast that a CPU waits for the arithmetic, and less is won (see `benchmarks/speculative.py`).

A draft is a smaller model with the same vocabulary, or `PromptLookup`, which copies from the text itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.config import check_types
from minillm.errors import UserError
from minillm.inference.decode import next_logits
from minillm.inference.sampling import Sampling
from minillm.model.embedding import check_ids
from minillm.model.transformer import Transformer

Proposal = list[tuple[int, Tensor]]  # tokens, each with the distribution (V,) that it was drawn from


@dataclass(frozen=True)
class PromptLookup:
    """A draft that is no model: what followed the last `n` tokens where they stood before, the latest place first.

    It guesses well where a text quotes or repeats, and costs next to nothing elsewhere (Saxena 2023, "Prompt Lookup
    Decoding"). Raises `ValueError` for `n` below 1.

    >>> PromptLookup(2).propose([7, 8, 9, 1, 7, 8], 3)
    [9, 1, 7]
    """

    n: int = 3

    def __post_init__(self) -> None:
        check_types(self)
        if self.n < 1:
            raise UserError(f"n is {self.n}; look up at least the last 1 token")

    def propose(self, text: Sequence[int], most: int) -> list[int]:
        """`most` tokens, or none where the last `n` tokens are new; a copy may run on into what it copied.

        >>> PromptLookup(1).propose([5, 6, 5, 6], 4)
        [5, 6, 5, 6]
        """
        grown = list(text)
        for place in range(len(text) - 1, self.n - 1, -1):
            if grown[place - self.n : place] == grown[-self.n :]:
                for copied in range(place, place + most):
                    grown.append(grown[copied])
                break
        return grown[len(text) :]


@dataclass
class Tally:
    """What a call of `speculate` counted: passes of the large model, and what came of the proposals.

    >>> Tally(passes=10, proposed=40, accepted=20, tokens=30).tokens_per_pass
    3.0
    """

    passes: int = 0  # of the large model, the prompt's among them
    proposed: int = 0  # tokens that the draft proposed,
    accepted: int = 0  # and those that the model kept
    tokens: int = 0  # written in all

    @property
    def tokens_per_pass(self) -> float:
        """1 is what the model does alone; without a pass, 0."""
        return self.tokens / max(self.passes, 1)


@torch.no_grad()
def speculate(
    model: Transformer,
    ids: Sequence[int],
    max_new_tokens: int,
    draft: Transformer | PromptLookup,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    stop: Sequence[int] = (),
    seed: int | None = None,
    n_draft: int = 4,
    tally: Tally | None = None,
) -> Iterator[int]:
    """The new tokens one by one, as from `stream`, `n_draft` of them guessed ahead at a time; `tally` is counted up.

    Each is drawn from the distribution that `stream` draws it from, but a seed gives another text than there. A greedy
    text is the same: in exact arithmetic always, in floating-point numbers until two tokens tie within rounding, since
    a pass over several tokens adds up in another order than one over a single token does. In float32 that takes logits
    that agree in about six digits; quantised layers and bfloat16 round far more, and their texts part more often.
    Raises `ValueError` for prompts and settings that `stream` refuses, and for a draft that does not fit the model.

    >>> from minillm import ModelConfig, stream
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> tokens = list(speculate(model, [1, 2, 3], 6, PromptLookup(1), temperature=0))
    >>> tokens == list(stream(model, [1, 2, 3], 6, temperature=0))
    True
    """
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    text, tally = list(ids), Tally() if tally is None else tally
    end = _end_of_text(model, len(text), max_new_tokens, draft, n_draft)
    check_ids(torch.tensor(text), model.config.vocab_size)  # before a card sees them
    generator = None if seed is None else torch.Generator(model.device).manual_seed(seed)
    large = _Reader(model, end)
    small: Any = _Reader(draft, end) if isinstance(draft, Transformer) else None
    while len(text) < end:
        most = min(n_draft, end - len(text) - 1)  # the model's own token comes on top
        if isinstance(draft, Transformer):
            proposal = _guesses(small, text, most, sampling, generator)
        else:
            proposal = _certain(model, draft.propose(text, most))
        logits = large.logits(text + [token for token, _ in proposal], len(proposal) + 1)
        tally.passes += 1
        tally.proposed += len(proposal)
        for place in range(len(proposal) + 1):
            wanted = sampling.probabilities(logits[None, place], _row(model, text))[0]
            if place < len(proposal):
                guess, offered = proposal[place]
                token = verify(guess, wanted, offered, generator)
            else:  # all were kept; the last position's logits are one more token for free
                guess, token = None, _draw(wanted, generator)
            text.append(token)
            tally.tokens += 1
            tally.accepted += token == guess
            yield token
            if token in stop:
                return
            if token != guess:
                break
        for reader in (large, small):
            if reader is not None:
                reader.forget_from(len(text) - 1)  # the last token was never read, or another one in its place


def verify(
    guess: int, wanted: Float[Tensor, "V"], offered: Float[Tensor, "V"], generator: torch.Generator | None = None
) -> int:
    """The guess, or a token in its place: drawn from `wanted` if the guess was drawn from `offered`.

    A guess x stays with probability min(1, wanted[x] / offered[x]) (Leviathan et al. 2023, Algorithm 1; Chen et al.
    2023, Algorithm 2). Greedy choices are the case in which both distributions hold one token each.

    >>> verify(0, wanted=torch.tensor([0.0, 1.0]), offered=torch.tensor([1.0, 0.0]))
    1
    """
    chance = torch.rand((), generator=generator, device=wanted.device)
    if chance * offered[guess] < wanted[guess]:
        return guess
    return _draw(residual(wanted, offered), generator)


def residual(wanted: Float[Tensor, "V"], offered: Float[Tensor, "V"]) -> Float[Tensor, "V"]:
    """What a refused guess is replaced from: what `wanted` has more than `offered`, in proportion.

    Accepting gives a token x the probability min(wanted[x], offered[x]); this is what is then missing (Leviathan et al.
    2023, appendix A.1). Where rounding leaves nothing, the two are equal, and `wanted` itself will do.

    >>> residual(torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.6, 0.2]))
    tensor([1., 0., 0.])
    """
    missing = (wanted - offered).clamp(min=0)
    total = missing.sum()
    return missing / total if total > 0 else wanted


class _Reader:
    """A model and what it has read of the text."""

    def __init__(self, model: Transformer, most: int):
        self.model, self.cache = model, model.new_cache(1, most)

    def logits(self, text: list[int], places: int) -> Float[Tensor, "places V"]:
        """The logits at the last places of the text, after reading what is new of it."""
        new = _row(self.model, text[self.cache.length :])
        if self.cache.length == 0:  # the prompt, of which all but the last places would be logits for nothing
            return self.model.head(self.model.hidden(new, self.cache)[0, -places:])
        return next_logits(self.model, new, self.cache)[0, -places:]

    def forget_from(self, length: int) -> None:
        self.cache.truncate(min(length, self.cache.length))


def _guesses(
    small: _Reader, text: list[int], most: int, sampling: Sampling, generator: torch.Generator | None
) -> Proposal:
    """What a model of its own would write next, drawn with the settings of the large one."""
    grown, proposal = list(text), []
    for _ in range(most):
        offered = sampling.probabilities(small.logits(grown, 1), _row(small.model, grown))[0]
        grown.append(_draw(offered, generator))
        proposal.append((grown[-1], offered))
    return proposal


def _certain(model: Transformer, tokens: list[int]) -> Proposal:
    """Tokens that nobody drew: each had the probability 1."""
    places = torch.tensor(tokens, dtype=torch.long, device=model.device)
    offered = torch.zeros(len(tokens), model.config.vocab_size, device=model.device)
    return list(zip(tokens, offered.scatter(1, places.unsqueeze(1), 1.0), strict=True))


def _draw(probabilities: Float[Tensor, "V"], generator: torch.Generator | None) -> int:
    return int(torch.multinomial(probabilities, 1, generator=generator))


def _row(model: Transformer, text: list[int]) -> Tensor:
    return torch.tensor([text], dtype=torch.long, device=model.device)


def _end_of_text(
    model: Transformer, length: int, max_new_tokens: int, draft: Transformer | PromptLookup, n_draft: int
) -> int:
    """How long the text may become; raises `ValueError` where it cannot be written this way."""
    model.check_predicts_tokens()
    if max_new_tokens < 0:
        raise UserError(f"max_new_tokens is {max_new_tokens}; it cannot be negative")
    if n_draft < 1:
        raise UserError(f"n_draft is {n_draft}; let the draft propose at least 1 token, or use stream")
    model.check_length(length)
    end = min(length + max_new_tokens, model.config.max_seq_len)
    if not model.config.causal:
        raise UserError("a model with causal=False would see the proposals that it is to check; use generate")
    if isinstance(draft, nn.Module):  # also a reward model, which is refused
        draft.check_predicts_tokens()
        ours, theirs = model.config, draft.config
        if not theirs.causal:
            raise UserError("the draft has causal=False, which cannot write from left to right; take a causal one")
        if theirs.vocab_size != ours.vocab_size:
            raise UserError(
                f"the draft has a vocabulary of {theirs.vocab_size} tokens and the model one of {ours.vocab_size}; "
                "they must share a tokenizer"
            )
        if theirs.max_seq_len < end:
            raise UserError(
                f"the text may become {end} tokens long, and the draft was built for {theirs.max_seq_len} "
                "(max_seq_len); ask for fewer tokens, or extend the draft's context first"
            )
    return end
