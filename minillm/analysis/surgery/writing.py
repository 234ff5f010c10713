"""Let a model write, whatever its parts are: with the KV cache where that gives the same, and without it elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.model.kv_cache import KVCache
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

CLOSE = 0.02  # of the logits' standard deviation: more than rounding, less than a part that reads other tokens
END = "<|endoftext|>"  # where texts begin and end in pretraining


class NotFinite(ArithmeticError):
    """A logit is infinite or not a number, so no token can be chosen."""


@torch.no_grad()
def write(
    model: Transformer,
    tokenizer: Tokenizer,
    prompt: str | Sequence[int],
    n: int = 24,
    sampler: Callable[[Float[Tensor, "V"]], int] | None = None,
) -> str:
    """Continue a prompt by up to n tokens; returns only what is new.

    `sampler` chooses a token's id from the logits; by default it is the likeliest. A prompt may also be a list of ids.
    The text ends early after the token that ends a text, and with " [NaN]" where no token can be chosen, since a logit
    is infinite or not a number. Raises `UserError` for an empty prompt or one longer than the context, and for a token
    that is not in the vocabulary.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["hi hi"], vocab_size=256)
    >>> model = Transformer(ModelConfig(vocab_size=256, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> write(model, tokenizer, "hi", n=3, sampler=lambda logits: tokenizer.encode("!")[0])
    '!!!'
    """
    ids = prompt_ids(tokenizer, prompt) if isinstance(prompt, str) else list(prompt)
    ends = {tokenizer.special_tokens.get(END), tokenizer.eos_id} - {None}
    new = []
    try:
        for token in continuation(model, ids, n, sampler):
            new.append(token)
            if token in ends:
                break
    except NotFinite:
        return f"{tokenizer.decode(new)} [NaN]"
    return tokenizer.decode(new)


def prompt_ids(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The tokens of a text from its beginning: after the token that separates texts, if the tokenizer has one.

    >>> prompt_ids(Tokenizer.train(["hi"], 257, special_tokens=["<|endoftext|>"]), "")
    [0]
    """
    start = tokenizer.special_tokens.get(END, tokenizer.bos_id)
    ids = tokenizer.encode(prompt)
    if not ids and start is None:
        raise UserError("the prompt is empty; give at least one word")
    return ids if start is None else [start, *ids]


@torch.no_grad()
def continuation(
    model: Transformer, ids: Sequence[int], n: int, sampler: Callable[[Tensor], int] | None = None
) -> Iterator[int]:
    """Choose up to n tokens, one by one, as far as the context reaches; raises `NotFinite` where none can be chosen.

    The second token is computed twice, from the cache and from the whole text. Only if both agree does the cache go on:
    with a mask that lets earlier tokens see later ones, say, each new token changes what the cache holds.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=4))
    >>> len(list(continuation(model, [1, 2], n=24)))
    2
    """
    ids = list(ids)
    model.check_length(len(ids))
    n = min(n, model.config.max_seq_len - len(ids))
    cache = model.new_cache(max_seq_len=len(ids) + n) if model.config.causal and n > 0 else None
    for step in range(n):
        if cache is None:
            logits = _last(model, ids)
        elif step == 0:
            logits = _last(model, ids, cache)
        elif step == 1:
            logits = _last(model, ids)
            if not _agrees(model, ids, cache, logits):
                cache = None
        else:
            logits = _last(model, ids[-1:], cache)
        if not logits.isfinite().all():
            raise NotFinite
        token = int(logits.argmax()) if sampler is None else _chosen(sampler(logits), len(logits))
        yield token
        ids.append(token)


def _last(model: Transformer, ids: Sequence[int], cache: KVCache | None = None) -> Float[Tensor, "V"]:
    hidden = model.hidden(torch.tensor([ids], device=model.device), cache)
    return model.head(hidden[:, -1])[0].float()


def _agrees(model: Transformer, ids: Sequence[int], cache: KVCache, whole: Float[Tensor, "V"]) -> bool:
    """Whether the last token after those in the cache gives the logits of the whole text."""
    try:
        step = _last(model, ids[-1:], cache)
    except Exception:  # a part that computes whole texts only
        return False
    return bool((step - whole).abs().max() <= CLOSE * whole.std())


def _chosen(token: Any, V: int) -> int:
    try:
        token = int(token)
    except (TypeError, ValueError, RuntimeError):
        raise UserError(f"`sampler` returned {type(token).__name__}; it must return the id of one token") from None
    if not 0 <= token < V:
        raise UserError(f"`sampler` returned {token}; it must return the id of a token, from 0 to {V - 1}")
    return token
