"""04.1: predict the longest text whose keys and values fit into a given memory, from the sizes of a model."""

import random
from functools import partial
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question

Sizes = dict[str, int]
SIZES = {  # of real models with grouped heads, multi-head attention, and one key/value head
    "Llama 3 8B": Sizes(n_parameters=8_030_261_248, n_layers=32, d_model=4096, n_heads=32, n_kv_heads=8),
    "Llama 2 7B": Sizes(n_parameters=6_738_415_616, n_layers=32, d_model=4096, n_heads=32, n_kv_heads=32),
    "Gemma 2B": Sizes(n_parameters=2_506_172_416, n_layers=18, d_model=2048, n_heads=8, n_kv_heads=1),
}


def longest_text(model: Sizes, memory: int, n_texts: int) -> int:
    """The right answer: the number of tokens that each of n_texts may have; 0 if not even one fits.

    The model has 1,000 parameters. A token costs 2 bytes for each of 2 (key, value) * 3 layers * 2 heads * 2 entries:

    >>> model = {"n_parameters": 1000, "n_layers": 3, "d_model": 8, "n_heads": 4, "n_kv_heads": 2}
    >>> longest_text(model, memory=3000, n_texts=1), longest_text(model, memory=3000, n_texts=2)
    (20, 10)
    """
    return max(_left(model, memory) // (n_texts * _per_token(model)), 0)


def _per_token(model: Sizes) -> int:
    """The bytes of a token's keys and values in all layers."""
    return 2 * 2 * model["n_layers"] * model["n_kv_heads"] * (model["d_model"] // model["n_heads"])


def _left(model: Sizes, memory: int, width: int = 2) -> int:
    """The bytes that the parameters leave."""
    return memory - width * model["n_parameters"]


def _model(rng: random.Random, K: int, times: int, d_head: int) -> Sizes:
    H = K * times
    sizes = rng.randint(500, 5000), rng.randint(2, 6), H * d_head, H, K
    return dict(zip(("n_parameters", "n_layers", "d_model", "n_heads", "n_kv_heads"), sizes, strict=True))


def _room(rng: random.Random, model: Sizes, T: int, n_texts: int = 1, exact: bool = False) -> Call:
    """A memory in which n_texts of T tokens fit, and none that is longer; if `exact`, to the last byte."""
    per_token = n_texts * _per_token(model)
    spare = 0 if exact else rng.randint(1, per_token - 1)
    return model, 2 * model["n_parameters"] + T * per_token + spare, n_texts


def _one_text(rng: random.Random) -> list[Call]:
    groups = [(2, 2, 2), (3, 3, 8), (1, 6, 4), (4, 1, 16), (1, 1, 1)]  # the last ones: shared by all, by none, one head
    calls = [_room(rng, _model(rng, *sizes), rng.randint(20, 900)) for sizes in groups]
    exact = [_room(rng, _model(rng, *sizes), T, exact=True) for T, sizes in zip((1, 40, 700), groups, strict=False)]
    return [*calls, *exact, *((model, 80 * 10**9, 1) for model in SIZES.values())]


def _many_texts(rng: random.Random) -> list[Call]:
    groups = [(2, 2, 2), (3, 3, 8), (1, 4, 4), (2, 1, 16)]
    calls = [_room(rng, _model(rng, *sizes), rng.randint(20, 900), rng.randint(2, 64)) for sizes in groups]
    exact = _room(rng, _model(rng, 2, 3, 4), rng.randint(20, 900), rng.randint(2, 9), exact=True)
    return [*calls, exact, (SIZES["Llama 3 8B"], 80 * 10**9, 64)]


def _too_little(rng: random.Random) -> list[Call]:
    """Memories without room for one token: the parameters fit and no key, they just fit, or they do not fit."""
    model = _model(rng, 2, 2, 2)
    weights = 2 * model["n_parameters"]
    memories = weights + _per_token(model) - 1, weights, weights - 1, weights // 2, 0
    return [(model, memory, n_texts) for memory in memories for n_texts in (1, 3)]


def _explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A number that is off by a factor, the same one in every call."""
    large = [(answer, wanted) for answer, wanted in zip(got, right, strict=True) if wanted >= 200]
    ratios = [answer / wanted for answer, wanted in large]
    if ratios and max(ratios) < 1.02 * min(ratios) and not 0.98 < min(ratios) < 1.02:
        hint = "Per token: 2 vectors (key, value) in every layer, K heads of D entries each, 2 bytes per entry."
        return f"In every case the text is {ratios[0]:.3g} times as long as it can be.", hint
    return None


def _count(
    model: Sizes, memory: int, n_texts: int, *, width: int | None = None, token_bytes: int = 4, weight_bytes: int = 2
) -> int:
    """The tokens of one text, with one thing counted differently; `width` is that of all keys of a layer."""
    if width is None:
        width = model["n_kv_heads"] * model["d_model"] // model["n_heads"]
    return _left(model, memory, weight_bytes) // (token_bytes * model["n_layers"] * width)


question = Question("04.1", "The longest text that fits", longest_text)

one_text = question.probe("one text", _one_text, _explain)
one_text.mistake(
    "The text is twice as long as can fit: the values are missing, or each entry counts as one byte.",
    "Each layer keeps a key and a value per token, and every entry takes 2 bytes.",
    partial(_count, token_bytes=2),
)
one_text.mistake(
    "The keys of a token are counted d_model wide: as if every query head had a key, or as if K heads shared d_model.",
    "D is d_model / n_heads, also for keys and values, and a layer keeps only `n_kv_heads` keys and values per token.",
    lambda model, memory, n_texts: _count(model, memory, n_texts, width=model["d_model"]),
)
one_text.mistake(
    "Each key/value head is counted d_model wide.",
    "One head has D = d_model / n_heads entries.",
    lambda model, memory, n_texts: _count(model, memory, n_texts, width=model["n_kv_heads"] * model["d_model"]),
)
one_text.mistake(
    "Only one key/value head per layer is counted.",
    "A layer keeps `n_kv_heads` keys of D entries each for every token, and as many values.",
    lambda model, memory, n_texts: _count(model, memory, n_texts, width=model["d_model"] // model["n_heads"]),
)
one_text.mistake(
    "The number of query heads per key/value head, H / K, is taken for the number of key/value heads.",
    "A layer keeps `n_kv_heads` keys per token; how many queries share one does not matter.",
    lambda model, memory, n_texts: _count(model, memory, n_texts, width=model["d_model"] // model["n_kv_heads"]),
)
one_text.mistake(
    "Only one layer is counted.",
    "Every layer keeps its own keys and values.",
    lambda model, memory, n_texts: model["n_layers"] * _left(model, memory) // _per_token(model),
)
one_text.mistake(
    "The parameters are not subtracted.",
    "They must be in memory, too, with 2 bytes each. Only what they leave is free for the cache.",
    partial(_count, weight_bytes=0),
)
one_text.mistake(
    "A parameter is counted as one byte.",
    "Parameters take 2 bytes each, like keys and values.",
    partial(_count, weight_bytes=1),
)
one_text.mistake(
    "A parameter is counted as four bytes.",
    "Parameters take 2 bytes each, like keys and values.",
    lambda model, memory, n_texts: max(_count(model, memory, n_texts, weight_bytes=4), 0),
)
one_text.mistake(
    "The result is not rounded.",
    "Part of a token does not fit: round down, with `//`.",
    lambda model, memory, n_texts: _left(model, memory) / _per_token(model),
)
one_text.mistake(
    "The result is rounded to the nearest number of tokens.",
    "Part of a token does not fit: round down, with `//`.",
    lambda model, memory, n_texts: round(_left(model, memory) / _per_token(model)),
)
one_text.mistake(
    "The result is rounded up.",
    "Part of a token does not fit: round down, with `//`.",
    lambda model, memory, n_texts: -(-_left(model, memory) // _per_token(model)),
)
one_text.mistake(
    "A text that fills the memory to the last byte is refused.",
    "It fits: compare with `<=`, or divide with `//`.",
    lambda model, memory, n_texts: (_left(model, memory) - 1) // _per_token(model),
)

many_texts = question.probe("many texts, and too little memory", lambda rng: [*_many_texts(rng), *_too_little(rng)])
many_texts.mistake(
    "The number of texts is not used.",
    "The texts share the free memory: divide it by `n_texts`, too.",
    lambda model, memory, n_texts: longest_text(model, memory, 1),
)
many_texts.mistake(
    "The parameters are counted once per text.",
    "All texts are computed with the same parameters. Only the cache grows with their number.",
    lambda model, memory, n_texts: max(
        (memory - 2 * n_texts * model["n_parameters"]) // (n_texts * _per_token(model)), 0
    ),
)
many_texts.mistake(
    "The result is below 0 where the parameters do not fit.",
    "Where not even one token fits, return 0.",
    lambda model, memory, n_texts: _left(model, memory) // (n_texts * _per_token(model)),
)
many_texts.mistake(
    "Where the parameters do not fit, the lack of memory is counted as if it were free.",
    "Where not even one token fits, return 0.",
    lambda model, memory, n_texts: abs(_left(model, memory)) // (n_texts * _per_token(model)),
)
many_texts.mistake(
    "Every text gets at least one token.",
    "Where not even one token fits, return 0.",
    lambda model, memory, n_texts: max(longest_text(model, memory, n_texts), 1),
)
