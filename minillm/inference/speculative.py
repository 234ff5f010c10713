"""Several tokens per pass of a large model: a draft model proposes them, the model checks all of them at once.

A pass reads every weight of the model once. Where that reading takes the time, five tokens cost little more than one.
So a draft proposes a few tokens, the model reads them in one pass, and a rule keeps as many as it can without changing
what the model would have written by itself: `speculate` draws from the same distribution as `stream`, whatever the
draft is (Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding"; Chen et al. 2023,
"Accelerating Large Language Model Decoding with Speculative Sampling"). A bad draft costs time, never quality. Weights
of 4 bits are read so fast that a CPU waits for the arithmetic, and less is gained (see `benchmarks/speculative.py`).

A draft is a smaller model with the same vocabulary, or `PromptLookup`, which copies from the text itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.config import check_types
from minillm.errors import UserError
from minillm.inference.decode import last_logits, next_logits
from minillm.inference.sampling import Sampling, SamplingSettings
from minillm.model.embedding import check_ids
from minillm.model.transformer import Transformer, check_language_model

Proposal = list[tuple[int, Tensor]]  # tokens, each with the draft's probabilities (V,) that it was drawn from


@dataclass(frozen=True)
class PromptLookup:
    """A draft without a model: what followed the last `n` tokens where they last occurred before.

    It is often right where a text quotes or repeats, and costs next to nothing elsewhere (Saxena 2023, "Prompt Lookup
    Decoding"). Raises `UserError` for `n` below 1.

    >>> PromptLookup(2).propose([7, 8, 9, 1, 7, 8], 3)
    [9, 1, 7]
    """

    n: int = 3

    def __post_init__(self) -> None:
        check_types(self)
        if self.n < 1:
            raise UserError(f"n is {self.n}; look up at least the last 1 token")

    def propose(self, text: Sequence[int], n_draft: int) -> list[int]:
        """`n_draft` tokens, or none where the last `n` tokens are new; a copy may run on into what it copied.

        >>> PromptLookup(1).propose([5, 6, 5, 6], 4)
        [5, 6, 5, 6]
        """
        grown = list(text)
        for position in range(len(text) - 1, self.n - 1, -1):
            if grown[position - self.n : position] == grown[-self.n :]:
                for copied in range(position, position + n_draft):
                    grown.append(grown[copied])
                break
        return grown[len(text) :]


@dataclass
class Tally:
    """What a call of `speculate` counted: passes of the large model, and how many proposed tokens it accepted.

    >>> Tally(passes=10, proposed=40, accepted=20, tokens=30).tokens_per_pass
    3.0
    """

    passes: int = 0  # of the large model, the prompt's included
    proposed: int = 0  # tokens that the draft proposed
    accepted: int = 0  # of those, tokens that the model kept
    tokens: int = 0  # written in all

    @property
    def tokens_per_pass(self) -> float:
        """1 is what the model does without a draft; 0 if there was no pass."""
        return self.tokens / max(self.passes, 1)


@torch.no_grad()
def speculate(
    model: Transformer,
    ids: Sequence[int],
    max_new_tokens: int,
    draft: Transformer | PromptLookup,
    sampling: Sampling | None = None,
    *,
    stop: Sequence[int] = (),
    seed: int | None = None,
    n_draft: int = 4,
    tally: Tally | None = None,
    **settings: Unpack[SamplingSettings],
) -> Iterator[int]:
    """The new tokens one by one, as from `stream`; the draft proposes `n_draft` at a time, and `tally` counts.

    Each token is drawn from the distribution that `stream` draws it from, but a seed gives another text than there. A
    greedy text is the same: in exact arithmetic always, in floating-point numbers until two tokens tie within rounding,
    since a pass over several tokens adds up in another order than a pass over one. In float32 that takes logits that
    agree in about six digits; quantized layers and bfloat16 round far more, and their texts differ more often. Raises
    `UserError` for prompts and settings that `stream` refuses, and for a draft that does not fit the model.

    >>> from minillm import ModelConfig, stream
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> tokens = list(speculate(model, [1, 2, 3], 6, PromptLookup(1), temperature=0))
    >>> tokens == list(stream(model, [1, 2, 3], 6, temperature=0))
    True
    """
    sampling = Sampling.from_settings(sampling, **settings)
    text, tally = list(ids), Tally() if tally is None else tally
    end = _end_of_text(model, len(text), max_new_tokens, draft, n_draft)
    check_ids(torch.tensor(text), model.config.vocab_size)  # here, since an unknown id would end the process on a GPU
    rng = None if seed is None else torch.Generator(model.device).manual_seed(seed)
    target = _Reader(model, end)
    proposer = _Reader(draft, end) if isinstance(draft, Transformer) else draft
    while len(text) < end:
        # 1. the draft proposes; the model adds a token of its own in any case
        n_proposed = min(n_draft, end - len(text) - 1)
        if isinstance(proposer, _Reader):
            proposal = _sampled_proposal(proposer, text, n_proposed, sampling, rng)
        else:
            proposal = _certain_proposal(model, proposer.propose(text, n_proposed))
        # 2. the model scores all proposed tokens in one pass
        logits = target.logits(text + [token for token, _ in proposal], len(proposal) + 1)
        tally.passes += 1
        tally.proposed += len(proposal)
        # 3. accept or replace, up to the first replacement
        for position in range(len(proposal) + 1):
            target_probs = sampling.probabilities(logits[None, position], _row(model, text))[0]
            if position < len(proposal):
                proposed, draft_probs = proposal[position]
                token = verify(proposed, target_probs, draft_probs, rng)
            else:  # all were accepted; the last logits give one more token for free
                proposed, token = None, _draw(target_probs, rng)
            text.append(token)
            tally.tokens += 1
            tally.accepted += token == proposed
            yield token
            if token in stop:
                return
            if token != proposed:
                break
        # 4. forget what was read beyond the text; its last token was never read, or replaced
        target.truncate(len(text) - 1)
        if isinstance(proposer, _Reader):
            proposer.truncate(len(text) - 1)


def verify(
    token: int, target_probs: Float[Tensor, "V"], draft_probs: Float[Tensor, "V"], rng: torch.Generator | None = None
) -> int:
    """The proposed token, or a replacement: distributed as `target_probs` if it was drawn from `draft_probs`.

    A token x is accepted with probability min(1, target(x) / draft(x)) (Leviathan et al. 2023, Algorithm 1; Chen et al.
    2023, Algorithm 2). Greedy choices are the case in which both distributions put probability 1 on one token.

    >>> verify(0, target_probs=torch.tensor([0.0, 1.0]), draft_probs=torch.tensor([1.0, 0.0]))
    1
    """
    uniform = torch.rand((), generator=rng, device=target_probs.device)
    if uniform * draft_probs[token] < target_probs[token]:
        return token
    return _draw(residual(target_probs, draft_probs), rng)


def residual(target_probs: Float[Tensor, "V"], draft_probs: Float[Tensor, "V"]) -> Float[Tensor, "V"]:
    """The distribution of a replacement: max(target - draft, 0), normalized.

    Accepting gives a token x the probability min(target(x), draft(x)); this is what is then missing (Leviathan et al.
    2023, appendix A.1). Where rounding leaves nothing, the two are equal, and `target_probs` itself will do.

    >>> residual(torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.6, 0.2]))
    tensor([1., 0., 0.])
    """
    missing = (target_probs - draft_probs).clamp(min=0)
    total = missing.sum()
    return missing / total if total > 0 else target_probs


class _Reader:
    """A model and the cache of what it has read of the text."""

    def __init__(self, model: Transformer, max_seq_len: int):
        self.model, self.cache = model, model.new_cache(1, max_seq_len)

    def logits(self, text: list[int], n_last: int) -> Float[Tensor, "n_last V"]:
        """The logits at the last `n_last` positions of the text, after reading what is new of it."""
        new = _row(self.model, text[self.cache.length :])
        if self.cache.length == 0:  # of the prompt, only the last positions need logits
            return last_logits(self.model, new, self.cache, n_last=n_last)[0]
        return next_logits(self.model, new, self.cache)[0, -n_last:]

    def truncate(self, length: int) -> None:
        self.cache.truncate(min(length, self.cache.length))


def _sampled_proposal(
    draft: _Reader, text: list[int], n_proposed: int, sampling: Sampling, rng: torch.Generator | None
) -> Proposal:
    """What a draft model would write next, drawn with the settings of the large one."""
    grown, proposal = list(text), []
    for _ in range(n_proposed):
        draft_probs = sampling.probabilities(draft.logits(grown, 1), _row(draft.model, grown))[0]
        grown.append(_draw(draft_probs, rng))
        proposal.append((grown[-1], draft_probs))
    return proposal


def _certain_proposal(model: Transformer, tokens: list[int]) -> Proposal:
    """Tokens that were not drawn: each had probability 1."""
    index = torch.tensor(tokens, dtype=torch.long, device=model.device)
    draft_probs = torch.zeros(len(tokens), model.config.vocab_size, device=model.device)
    return list(zip(tokens, draft_probs.scatter(1, index.unsqueeze(1), 1.0), strict=True))


def _draw(probabilities: Float[Tensor, "V"], rng: torch.Generator | None) -> int:
    return int(torch.multinomial(probabilities, 1, generator=rng))


def _row(model: Transformer, text: list[int]) -> Tensor:
    return torch.tensor([text], dtype=torch.long, device=model.device)


def _end_of_text(
    model: Transformer, length: int, max_new_tokens: int, draft: Transformer | PromptLookup, n_draft: int
) -> int:
    """How long the text may become. Raises `UserError` where the model or the draft cannot write it."""
    check_language_model(model)
    if max_new_tokens < 0:
        raise UserError(f"max_new_tokens is {max_new_tokens}; it cannot be negative")
    if n_draft < 1:
        raise UserError(f"n_draft is {n_draft}; let the draft propose at least 1 token, or use stream")
    model.check_length(length)
    end = min(length + max_new_tokens, model.config.max_seq_len)
    if not model.config.causal:
        raise UserError("a model with causal=False would see the proposals that it is to check; use generate")
    if isinstance(draft, nn.Module):  # also a reward model, which is refused
        check_language_model(draft)
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
