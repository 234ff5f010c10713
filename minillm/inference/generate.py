"""The auto-regressive loop: choose a token, append it, ask again.

The prompt goes through the model once (prefill); after that each step feeds one token, since the KV cache holds
what the others left behind (decode).
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from minillm.inference.sampling import Sampling
from minillm.model.transformer import Transformer


def generate(
    model: Transformer,
    ids: Sequence[int] | Int[Tensor, "B T"],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    stop: Sequence[int] = (),
    seed: int | None = None,
    use_cache: bool = True,
) -> list[int] | Int[Tensor, "B S"]:
    """Continue `ids`: the prompt followed by at most `max_new_tokens` new tokens, as a list if a list came in.

    A row ends with the first token of `stop` that it draws; in a batch, rows that ended repeat that token until the
    last one has ended. Generation also ends where the model's context does. The same `seed` gives the same text.
    Raises `ValueError` for an empty or too long prompt and for settings that mean nothing.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> ids = generate(model, [1, 2, 3], max_new_tokens=4, seed=0)
    >>> ids[:3], len(ids)
    ([1, 2, 3], 7)
    """
    prompt = ids if isinstance(ids, Tensor) else torch.tensor([list(ids)], dtype=torch.long, device=model.device)
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    new = list(_steps(model, prompt, max_new_tokens, sampling, stop, seed, use_cache))
    whole = torch.cat([prompt, *(tokens.unsqueeze(1) for tokens in new)], dim=1)
    return whole if isinstance(ids, Tensor) else whole[0].tolist()


def stream(
    model: Transformer,
    ids: Sequence[int],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float | None = None,
    stop: Sequence[int] = (),
    seed: int | None = None,
) -> Iterator[int]:
    """The new tokens of `generate` one by one, as soon as each is chosen; a stop token is the last one.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> list(stream(model, [1, 2, 3], 4, seed=0)) == generate(model, [1, 2, 3], 4, seed=0)[3:]
    True
    """
    prompt = torch.tensor([list(ids)], dtype=torch.long, device=model.device)
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    for tokens in _steps(model, prompt, max_new_tokens, sampling, stop, seed, use_cache=True):
        yield int(tokens)


def _steps(
    model: Transformer,
    prompt: Int[Tensor, "B T"],
    max_new_tokens: int,
    sampling: Sampling,
    stop: Sequence[int],
    seed: int | None,
    use_cache: bool,
) -> Iterator[Int[Tensor, "B"]]:
    """Yield the chosen token of every row, step by step."""
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it cannot be negative")
    batch, length = prompt.shape
    model.check_length(length)
    total = min(length + max_new_tokens, model.config.max_seq_len)
    generator = None if seed is None else torch.Generator(model.device).manual_seed(seed)
    stops = torch.tensor(list(stop), dtype=torch.long, device=model.device)
    cache = model.new_cache(batch, total) if use_cache else None
    tokens, new, ended = prompt, prompt, torch.zeros(batch, dtype=torch.bool, device=model.device)
    for _ in range(total - length):
        with torch.no_grad():
            logits = model.head(model.hidden(new if use_cache else tokens, cache)[:, -1])
            chosen = torch.where(ended, tokens[:, -1], sampling.choose(logits, tokens, generator))
        tokens, new = torch.cat((tokens, chosen.unsqueeze(1)), dim=1), chosen.unsqueeze(1)
        ended = ended | torch.isin(chosen, stops)
        yield chosen
        if bool(ended.all()):
            return
