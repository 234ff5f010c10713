"""The autoregressive loop: choose a token, append it, repeat.

The prompt goes through the model once (prefill). After that each step reads one token, since the KV cache holds the
keys and values of all others (decode). Prompts of unequal length share a batch by padding on the left, so that all of
them grow at the same end (`model/segments.py` keeps the padding out of attention).

`continuations` is the loop for a batch that starts together; `generate`, `stream` and `roll_out` use it. `Engine.step`
is the loop for requests that come and go. There are two because a batch draws all its rows at once from one random
generator, while a request has its own seed and settings, so it is drawn by itself: 1.7 times the time per step with 8
rows of a small model. Both read prompts with `last_logits`, read new tokens with `next_logits` and draw with
`Sampling.choose`. For one prompt they give the same tokens, as tests/inference/test_engine.py checks.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from reprlib import repr as shortened
from typing import Any, TypeGuard, Unpack, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from minillm.data.chat import Prompt, encode_prompt
from minillm.errors import UserError
from minillm.inference.decode import last_logits, next_logits, steady
from minillm.inference.sampling import Sampling, SamplingSettings
from minillm.inference.text import TextStream
from minillm.model.embedding import check_ids
from minillm.model.transformer import Transformer, Trunk, check_language_model
from minillm.tokenizer import Tokenizer

MOST_RUNNING = 0.75  # of the rows in the cache; with fewer, those that have ended are taken out


def generate(
    model: Transformer,
    ids: Prompt | Sequence[int] | Sequence[Sequence[int]] | Int[Tensor, "B T"] | np.ndarray,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    *,
    stop: int | Sequence[int] = (),
    seed: int | None = None,
    use_cache: bool = True,
    tokenizer: Tokenizer | None = None,
    **settings: Unpack[SamplingSettings],
) -> Any:
    """Continue `ids`: the prompt followed by at most `max_new_tokens` new tokens, as a list if a list came in.

    `ids` may be a text, if its `tokenizer` is given: the result is the text with its continuation, which ends where the
    end token is drawn. A list of messages (a conversation) gives the answer as text.

    Tokens are drawn as `sampling` says, or by its fields as keyword arguments: `temperature`, `top_k`, `top_p`,
    `min_p`, `repetition_penalty`. The same `seed` gives the same texts.

    A list of prompts, which may differ in length, gives a list of texts. A row ends with the first token of `stop` that
    it draws, or where its own text fills the model's context; in a tensor, which has one width, rows that ended repeat
    that token until the last one has ended. Greedy texts are those of each prompt alone; sampled ones are not, as the
    rows of a batch draw from the seed in turn (in `engine` each has its own seed). Raises `UserError` for an empty or
    too long prompt, for ids outside the vocabulary, for a text without a tokenizer and for settings out of range.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> ids = generate(model, [1, 2, 3], max_new_tokens=4, temperature=0.8, seed=0)
    >>> ids[:3], len(ids)
    ([1, 2, 3], 7)
    """
    check_language_model(model)
    sampling = Sampling.from_settings(sampling, **settings)
    if is_text(ids):
        pieces = stream_text(model, ids, max_new_tokens, sampling, stop, seed, tokenizer)
        with steady(model):
            return (ids if isinstance(ids, str) else "") + "".join(pieces)
    if isinstance(ids, Tensor):
        if ids.dim() != 2:
            raise UserError(f"ids has the shape {tuple(ids.shape)}; it must be (B, T): for one text give ids[None]")
        steps = continuations(model, ids, None, max_new_tokens, sampling, stop, seed, use_cache)
        with steady(model):
            return torch.cat([ids, *(chosen.unsqueeze(1) for chosen, _ in steps)], dim=1)
    if not hasattr(ids, "__len__"):
        raise UserError(f"ids is {shortened(ids)}; give a list of integers, lists of them, a tensor (B, T), or a text")
    is_batch = len(ids) > 0 and hasattr(ids[0], "__len__")
    prompts: Any = ids if is_batch else [ids]
    try:
        texts = [[operator.index(token) for token in prompt] for prompt in prompts]
    except TypeError:
        raise UserError(f"ids is {shortened(ids)}; give integers in a list, lists of them, or a tensor") from None
    tokens, segments = pad_left(model, texts)
    with steady(model):
        for chosen, running in continuations(model, tokens, segments, max_new_tokens, sampling, stop, seed, use_cache):
            for text, token, is_running in zip(texts, chosen.tolist(), running.tolist(), strict=True):
                if is_running:
                    text.append(token)
    return texts if is_batch else texts[0]


def stream(
    model: Transformer,
    ids: Prompt | Sequence[int],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    *,
    stop: int | Sequence[int] = (),
    seed: int | None = None,
    tokenizer: Tokenizer | None = None,
    **settings: Unpack[SamplingSettings],
) -> Iterator[Any]:
    """The new tokens of `generate` one by one, as soon as each is chosen; a stop token is the last one.

    Of a text or a conversation, pieces of the new text.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> list(stream(model, [1, 2, 3], 4, seed=0)) == generate(model, [1, 2, 3], 4, seed=0)[3:]
    True
    """
    check_language_model(model)
    sampling = Sampling.from_settings(sampling, **settings)
    if is_text(ids):
        yield from stream_text(model, ids, max_new_tokens, sampling, stop, seed, tokenizer)
        return
    tokens, segments = pad_left(model, [cast("Sequence[int]", ids)])
    for chosen, _ in continuations(model, tokens, segments, max_new_tokens, sampling, stop, seed):
        yield int(chosen)


def stop_ids(stop: int | Sequence[int]) -> list[int]:
    """The tokens that end a text: of one token, a list of it."""
    return [stop] if isinstance(stop, int) else list(stop)


def is_text(prompt: Any) -> TypeGuard[Prompt]:
    """Whether a prompt is a text or a list of messages, and not ids."""
    return isinstance(prompt, str) or (isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], Mapping))


def stream_text(
    model: Transformer,
    prompt: Prompt,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    stop: int | Sequence[int] = (),
    seed: int | None = None,
    tokenizer: Tokenizer | None = None,
) -> Iterator[str]:
    """The continuation of a text, or the answer to a conversation, piece by piece, without the token that ends it.

    Raises `UserError` without a tokenizer.

    >>> from minillm import ModelConfig
    >>> tokenizer = Tokenizer.train(["to be"], 258)
    >>> model = Transformer(ModelConfig(vocab_size=258, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> text = generate(model, "to be", 4, seed=0, tokenizer=tokenizer)
    >>> text == "to be" + "".join(stream(model, "to be", 4, seed=0, tokenizer=tokenizer))
    True
    """
    if tokenizer is None:
        raise UserError(f"the prompt is {shortened(prompt)}, a text; give its tokenizer by name: tokenizer=...")
    ends = {*stop_ids(stop), *(() if tokenizer.eos_id is None else (tokenizer.eos_id,))}
    text = TextStream(tokenizer)
    for token in stream(model, encode_prompt(tokenizer, prompt), max_new_tokens, sampling, stop=[*ends], seed=seed):
        if token not in ends:
            yield text.add(token)
    yield text.end()


def pad_left(model: Trunk, prompts: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"] | None]:
    """Prompts as one rectangle on the model's device, with their segments; None for those if nothing is padded.

    Padding repeats the first token of its row: attention never sees it, and a repetition penalty meets no token that
    the prompt does not hold. Raises `UserError` for a prompt that is empty or longer than the context, and
    for an id that is not in the vocabulary.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> [part.tolist() for part in pad_left(model, [[1, 2, 3], [4]])]
    [[[1, 2, 3], [4, 4, 4]], [[1, 1, 1], [0, 0, 1]]]
    """
    for prompt in prompts:
        model.check_length(len(prompt))
    n_padding = [max(map(len, prompts)) - len(prompt) for prompt in prompts]
    rows = [[prompt[0]] * n + list(prompt) for prompt, n in zip(prompts, n_padding, strict=True)]
    segments = [[0] * n + [1] * len(prompt) for prompt, n in zip(prompts, n_padding, strict=True)]
    tokens, segments = (torch.tensor(part, dtype=torch.long) for part in (rows, segments))
    check_ids(tokens, model.config.vocab_size)  # here, since an unknown id would end the process on a GPU
    return tokens.to(model.device), segments.to(model.device) if any(n_padding) else None


def continuations(
    model: Transformer,
    tokens: Int[Tensor, "B T"],
    segments: Int[Tensor, "B T"] | None,
    max_new_tokens: int,
    sampling: Sampling,
    stop: int | Sequence[int] = (),
    seed: int | None = None,
    use_cache: bool = True,
    copies: Int[Tensor, "_rows"] | None = None,
    by_inverse: bool = False,
) -> Iterator[tuple[Int[Tensor, "_rows"], Bool[Tensor, "_rows"]]]:
    """Yield the chosen token of every row, step by step, and whether the row was still running.

    A row that has drawn a `stop` token, or whose context is full, repeats its last token from then on. Where prompts
    are padded (`segments`), these repetitions are padding too, so no row takes more of the context than it needs alone.
    On a CPU, rows that have ended leave the cache when they are a quarter of it. With `copies`, row n continues prompt
    `copies[n]`, so that a prompt with many answers is read once. With `by_inverse`, `Sampling.choose_by_inverse` draws
    the tokens, with one random number per row; the same seed then gives other texts.

    >>> from minillm import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=16))
    >>> steps = continuations(model, torch.tensor([[1], [2]]), None, 3, Sampling(), seed=0)
    >>> [chosen.shape for chosen, running in steps]
    [torch.Size([2]), torch.Size([2]), torch.Size([2])]
    """
    # 1. how many tokens fit, and what is kept between steps
    if max_new_tokens < 0:
        raise UserError(f"max_new_tokens is {max_new_tokens}; it cannot be negative")
    (B, T), device, new, new_segments = tokens.shape, model.device, tokens, segments
    if copies is not None:
        tokens, segments = tokens[copies], None if segments is None else segments[copies]
    if segments is None:
        model.check_length(T)
    n_free = model.config.max_seq_len - (T if segments is None else segments.sum(1))  # per row
    n_steps = min(max_new_tokens, int(torch.as_tensor(n_free).max()))
    rng = None if seed is None else torch.Generator(device).manual_seed(seed)
    stops = torch.tensor(stop_ids(stop), dtype=torch.long, device=device)
    cache = model.new_cache(B, T + n_steps) if use_cache else None
    running = torch.ones(len(tokens), dtype=torch.bool, device=device) & (n_free > 0)
    held = torch.arange(len(tokens), device=device)  # the rows that are in the cache
    for step in range(1, n_steps + 1):
        # 2. logits: of the prompts in the first step (prefill), of one new token per row in the others (decode)
        with torch.no_grad():
            if step > 1 and cache is not None:
                if device.type == "cpu" and int(running.sum()) <= MOST_RUNNING * len(held):  # a GPU would wait here
                    held = held[cache.keep(running[held].nonzero().squeeze(1))]
                its = None if new_segments is None else new_segments[held]
                logits = next_logits(model, new[held], cache, its)[:, -1]
            else:
                read = (new, new_segments) if use_cache else (tokens, segments)
                logits = last_logits(model, read[0], cache, read[1])[:, -1]
                if cache is not None and copies is not None:
                    logits, cache = logits[copies], cache.rows(copies)
            drawn = _draw(sampling, logits, tokens, held, rng, by_inverse)
        chosen = torch.where(running, drawn, tokens[:, -1])
        yield chosen, running
        # 3. append, and see which rows go on
        tokens, new = torch.cat((tokens, chosen.unsqueeze(1)), dim=1), chosen.unsqueeze(1)
        if segments is not None:
            new_segments = running.long().unsqueeze(1)
            segments = torch.cat((segments, new_segments), dim=1)
        running = running & ~torch.isin(chosen, stops) & (n_free > step)
        if bool((~running).all()):
            return


def _draw(
    sampling: Sampling,
    logits: Float[Tensor, "held V"],
    tokens: Int[Tensor, "rows T"],
    held: Int[Tensor, "held"],
    rng: torch.Generator | None,
    by_inverse: bool,
) -> Int[Tensor, "rows"]:
    """A token for each row, of which only those held count.

    All rows take random numbers, so that what a row draws does not depend on whether others have ended.
    """
    if by_inverse:
        uniform = torch.rand(len(tokens), dtype=torch.float64, generator=rng, device=tokens.device)
        drawn = sampling.choose_by_inverse(logits, tokens[held], uniform[held])
        return tokens[:, -1].index_copy(0, held, drawn)
    if len(held) < len(tokens):
        logits = logits.new_zeros(len(tokens), logits.shape[1]).index_copy_(0, held, logits)
    return sampling.choose(logits, tokens, rng)
