"""What lesson 00a uses beside torch: an attention layer with one axis changed at a time, and short tests of SmolLM2.

changes         29 ways to take a wrong axis in an attention layer
tried           what comes of each of them at some sizes: an error, another shape, other numbers, or no difference
capitals        of 20 countries, how many capitals SmolLM2 knows with other parts
agrees          whether it gives the same scores with other parts as with its own
mean_share      how much of the mean square of a vector is its mean, at the model's norms
texts           what it writes after six beginnings
rounded         the model with its weights rounded to another number format, inside a `with` block
"""

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from minillm.analysis import surgery
from minillm.course.own_model import smollm2

LAYER = """
def layer(x, W_Q, W_K, W_V, W_O, H):
    T, C = x.shape
    D = C // H
    query = (x @ W_Q.T).view(T, H, D).transpose(0, 1)
    key = (x @ W_K.T).view(T, H, D).transpose(0, 1)
    value = (x @ W_V.T).view(T, H, D).transpose(0, 1)
    scores = query @ key.transpose(1, 2) / math.sqrt(D)
    t = torch.arange(T)
    scores = scores.masked_fill(t[:, None] < t, -math.inf)
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    weights = powers / powers.sum(-1, keepdim=True)
    return (weights @ value).transpose(0, 1).reshape(T, C) @ W_O.T
"""
RULES = {  # what is changed, wherever it stands, and what may stand there instead
    r"(?<=W_[QKVO])\.T\b": [""],
    r"\.transpose\(0, 1\)": ["", ".transpose(0, 2)", ".transpose(1, 2)"],
    r"\.transpose\(1, 2\)": ["", ".transpose(0, 1)", ".transpose(0, 2)"],
    r"\.view\(T, H, D\)\.transpose\(0, 1\)": [".reshape(H, T, D)"],
    r"(?<=\()-1(?=, keepdim)": ["0", "1"],
    r", keepdim=True": [""],
    r"t\[:, None\] < t": ["t < t[:, None]"],
}
ERROR, SHAPE, NUMBERS, SAME = "raises an error", "wrong shape", "wrong numbers", "no difference"
BEGINNINGS = (
    "The capital of France is",
    "Once upon a time, a dog",
    "The river was high, so the ferryman",
    "In the morning, my mother",
    "To poach an egg,",
    "The bridge was closed because",
)


class Change(NamedTuple):
    """A line of the layer, before and after the change."""

    before: str
    after: str
    source: str  # of the whole layer


def changes() -> list[Change]:
    """The layer with one thing changed, in every way that `RULES` has.

    >>> len(changes())
    29
    """
    found = []
    for pattern, others in RULES.items():
        for match in re.finditer(pattern, LAYER):
            start, end = LAYER.rfind("\n", 0, match.start()) + 1, LAYER.find("\n", match.end())
            for other in others:
                source = LAYER[: match.start()] + other + LAYER[match.end() :]
                line = source[start : end + len(source) - len(LAYER)]
                found.append(Change(LAYER[start:end].strip(), line.strip(), source))
    return found


def tried(T: int, H: int, D: int) -> list[tuple[Change, str]]:
    """Each change, and what comes of it for T tokens and H heads of D numbers, on random numbers.

    >>> Counter(outcome for _, outcome in tried(4, 4, 4))["raises an error"]
    0
    """
    rng = torch.Generator().manual_seed(0)
    C = H * D
    x = torch.randn(T, C, generator=rng)
    weights = [torch.randn(C, C, generator=rng) / math.sqrt(C) for _ in range(4)]
    right = _layer(LAYER)(x, *weights, H)
    return [(change, _outcome(_layer(change.source), right, x, *weights, H)) for change in changes()]


def counted(T: int, H: int, D: int) -> Counter[str]:
    """How many of the changes come to what."""
    return Counter(outcome for _, outcome in tried(T, H, D))


def _layer(source: str) -> Callable[..., Tensor]:
    names: dict[str, Any] = {"torch": torch, "math": math}
    exec(source, names)  # this file's own text with one change of `RULES`; nothing from outside
    return names["layer"]


def _outcome(layer: Callable[..., Tensor], right: Tensor, *arguments: Any) -> str:
    try:
        result = layer(*arguments)
    except (RuntimeError, IndexError):
        return ERROR
    if result.shape != right.shape:
        return SHAPE
    return SAME if torch.allclose(result, right, rtol=1e-3, atol=1e-4) else NUMBERS


def capitals(**parts: Any) -> int:
    """Of 20 countries, after how many the model names the capital, with other parts (`analysis.surgery.parts`)."""
    model, tokenizer = smollm2()
    with surgery.replaced(model, **parts):
        return surgery.capitals(model, tokenizer)


@torch.no_grad()
def agrees(text: str, **parts: Any) -> bool:
    """Whether all scores of the next token are the same as with the model's own parts, but for rounding.

    >>> agrees("Hello", softmax=lambda scores: scores.softmax(-1)), agrees("Hello", softmax=lambda scores: 0 * scores)
    (True, False)
    """
    model, tokenizer = smollm2()
    own = surgery.next_logits(model, tokenizer, text)
    with surgery.replaced(model, **parts):
        other = surgery.next_logits(model, tokenizer, text)
    return bool((own - other).abs().max() < 0.01 * own.std())


def mean_share() -> float:
    """The squared mean of a vector over its mean square, averaged over tokens: the median of the 61 norms."""
    shares = []

    def spy(x: Tensor, weight: Tensor, eps: float) -> Tensor:
        square = x.square().mean(dim=-1, keepdim=True)
        shares.append((x.mean(dim=-1, keepdim=True).square() / square).mean().item())
        return x * (square + eps).rsqrt() * weight

    model, tokenizer = smollm2()
    with surgery.replaced(model, norm=spy):
        for beginning in BEGINNINGS:
            surgery.next_logits(model, tokenizer, beginning)
    return statistics.median(shares)


def texts(n: int = 16) -> list[str]:
    """What the model writes after each of the beginnings, n tokens each."""
    model, tokenizer = smollm2()
    return [surgery.write(model, tokenizer, beginning, n) for beginning in BEGINNINGS]


@contextmanager
def rounded(dtype: torch.dtype) -> Iterator[None]:
    """Round every weight of the model to another number format, inside a `with` block; it computes in float32."""
    parameters = list(smollm2()[0].parameters())
    before = [parameter.data for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.data = parameter.data.to(dtype).float()
        yield
    finally:
        for parameter, data in zip(parameters, before, strict=True):
            parameter.data = data
