"""05.1: what each neuron adds to the logit of a token (Geva et al. 2022: the output as a sum of values)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.feed_forward.common import OTHER_ACTIVATIONS, hidden
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question


def contributions(
    x: Float[Tensor, "T C"],
    gate: Float[Tensor, "F C"],
    up: Float[Tensor, "F C"],
    down: Float[Tensor, "C F"],
    words: Float[Tensor, "V C"],
) -> Float[Tensor, "T F V"]:
    """The right answer: a neuron's activation times the dot product of its column with each token.

    >>> one = torch.ones(1, 1)
    >>> contributions(one, one, one, 2 * one, one).round(decimals=4)
    tensor([[[1.4621]]])
    """
    return torch.einsum("tf,cf,vc->tfv", hidden(x, gate, up), down, words)


def _firing(
    x: Tensor, gate: Tensor, up: Tensor, down: Tensor, words: Tensor, *, fire: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Contributions with other activations, by gate and up."""
    return torch.einsum("tf,cf,vc->tfv", fire(x @ gate.T, x @ up.T), down, words)


def _size(x: Tensor) -> Tensor:
    """1 over the root of the mean square, as RMSNorm multiplies by it."""
    return (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()


def _normed(x: Tensor) -> Tensor:
    return x * _size(x)


def _networks(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    """Networks and words of the sizes (T, C, F, V)."""
    return [tuple(numbers(rng, *shape) for shape in ((T, C), (F, C), (F, C), (C, F), (V, C))) for T, C, F, V in sizes]


def _first_wrong_neuron(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What all wrong results have in common, or else a neuron whose number is wrong."""
    pairs = []
    for wanted, answer in zip(right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape:
            return None
        if apart(wanted, given).any():
            pairs.append((wanted.double(), given.double()))
    for axes, words, hint in FACTORS:
        others = {0, 1, 2} - set(axes) - ({2} if axes == (0,) else set())
        told = all(any(wanted.shape[axis] > 1 for wanted, _ in pairs) for axis in others)
        if told and all(_scaled_along(axes, *pair) for pair in pairs):
            return words, hint
    wanted, given = pairs[0]
    t, f, v = apart(wanted, given).nonzero()[0].tolist()
    hint = (
        "Multiply two numbers: its activation here, and the dot product of its column of `down` with the token's row."
    )
    sentence = f"At position {t}, neuron {f} adds {given[t, f, v]:.4g} to the logit of token {v} in your result"
    return f"{sentence}; right is {wanted[t, f, v]:.4g}.", hint


FACTORS = (
    (
        (0,),
        "At each position all numbers are off by the same factor.",
        "Is something divided by a norm or a sum at each position? Nothing is normalized here.",
    ),
    (
        (1,),
        "The numbers of each neuron are off by one factor, the same at all positions and for all tokens.",
        "Is a column of `down` scaled or normalized? The activations are right up to this factor.",
    ),
    (
        (2,),
        "The numbers of each token are off by one factor, the same for all neurons.",
        "Is a row of `words` normalized or scaled? The dot product takes it as it is.",
    ),
    (
        (0, 1),
        "The activations are wrong; the dot products of `words` and `down` are right.",
        "The activation is SiLU(x · gateᵀ) · (x · upᵀ), with SiLU on the gate only.",
    ),
    (
        (1, 2),
        "The activations are right, but each neuron's numbers are off by a factor: its column of `down`, or the dot "
        "product with the token's row, is wrong.",
        "What a neuron writes is its column of `down`, and its dot product with the tokens is `words @ down`.",
    ),
)  # axes along which a factor may differ, and what it says if it differs along no other


def _scaled_along(axes: tuple[int, ...], wanted: Tensor, given: Tensor) -> bool:
    """Whether each slice along these axes is a multiple of the right one: the best factor leaves no rest."""
    others = tuple(axis for axis in range(3) if axis not in axes)
    size = wanted.square().sum(others, keepdim=True)
    factor = (wanted * given).sum(others, keepdim=True) / size.clamp_min(1e-12)
    return not apart(given, factor * wanted).any()


question = Question("05.1", "Attribute logits to neurons", contributions)

one_word = question.probe(
    "one token",
    lambda rng: _networks(rng, (1, 2, 3, 1), (4, 6, 5, 1), (3, 4, 4, 1), (2, 3, 1, 1), (2, 1, 3, 1)),
    at_last=_first_wrong_neuron,
    demand=same_kind,
    kinds=("one position", "several positions", "as many neurons as coordinates", "one neuron", "one coordinate"),
)
one_word.mistake(
    "There is no SiLU: gate and up are multiplied as they are.",
    "The gate goes through SiLU first: x times sigmoid(x).",
    partial(_firing, fire=lambda gate, up: gate * up),
)
one_word.mistake(
    "The activations are averaged over the positions: all positions get the same.",
    "Each position has its own activations, (T, F). Keep the axis of the positions.",
    lambda x, gate, up, down, words: (
        contributions(x, gate, up, down, words).mean(0, keepdim=True).expand(len(x), -1, -1)
    ),
)
one_word.mistake(
    "Gate and up are swapped.",
    "SiLU is applied to the *gate* only.",
    partial(_firing, fire=lambda gate, up: F.silu(up) * gate),
)
one_word.mistake(
    "Only the gate is used; up is left out.",
    "The activation of a neuron is SiLU(gate) *times* up.",
    partial(_firing, fire=lambda gate, up: F.silu(gate)),
)
one_word.mistake(
    "Every neuron counts as if its activation were 1.",
    "What a neuron writes to the stream is its column of `down` *times* its activation.",
    partial(_firing, fire=lambda gate, up: torch.ones_like(up)),
)
one_word.mistake(
    "These are the activations only; the tokens are not used.",
    "Multiply each by the dot product of the neuron's column of `down` with the token's row.",
    lambda x, gate, up, down, words: hidden(x, gate, up)[:, :, None].expand(-1, -1, len(words)),
)
one_word.mistake(
    "The dot product is with the rows of up, not with the columns of `down`.",
    "What a neuron writes is its column of `down`.",
    lambda x, gate, up, down, words: torch.einsum("tf,fc,vc->tfv", hidden(x, gate, up), up, words),
)
one_word.mistake(
    "The axes come out as (T, V, F).",
    "Positions, neurons, tokens: (T, F, V).",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, words).mT,
)

for activation in OTHER_ACTIVATIONS.values():
    one_word.mistake(
        "The gate goes through another activation than SiLU.",
        "SiLU is x times sigmoid(x), `F.silu`.",
        partial(_firing, fire=lambda gate, up, activation=activation: activation(gate) * up),
    )
one_word.mistake(
    "SiLU is taken of the product of gate and up.",
    "SiLU is applied to the *gate* only. The result is multiplied by up.",
    partial(_firing, fire=lambda gate, up: F.silu(gate * up)),
)
one_word.mistake(
    "These are the sums over all neurons, not what each of them adds.",
    "Don't sum over the neurons: the axis F stays.",
    lambda *network: contributions(*network).sum(1),
)
one_word.mistake(
    "The positions are summed: each neuron has one number for the whole text.",
    "A neuron has another activation at each position. The axis T stays.",
    lambda *network: contributions(*network).sum(0),
)
one_word.mistake(
    "The contributions are divided by their sum or put through a softmax, so they no longer sum to the logit.",
    "A contribution is added to the logit, and may be negative. Leave it as it is.",
    lambda *network: contributions(*network).softmax(1),
)
one_word.mistake(
    "The contributions are divided by their sum or put through a softmax, so they no longer sum to the logit.",
    "A contribution is added to the logit, and may be negative. Leave it as it is.",
    lambda *network: contributions(*network) / contributions(*network).sum(1, keepdim=True),
)
one_word.mistake(
    "`down` is reshaped to (F, C), which mixes its rows and columns.",
    "A transpose turns each neuron's column into a row: `down.T`.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down.reshape(down.T.shape).T, words),
)
one_word.mistake(
    "The contributions are given without their signs.",
    "A neuron may lower a logit. Without signs the contributions don't sum to the logit.",
    lambda *network: contributions(*network).abs(),
)
one_word.mistake(
    "A softmax over the tokens turns the contributions into probabilities.",
    "Return what a neuron adds to the logit; it may be negative or larger than 1.",
    lambda *network: contributions(*network).softmax(-1),
)

one_word.mistake(
    "There is a norm before the layer or before the head; none is asked for.",
    "Use `x` and what the neurons write as they are.",
    lambda x, *network: contributions(_normed(x), *network),
)
one_word.mistake(
    "There is a norm before the layer or before the head; none is asked for.",
    "Use `x` and what the neurons write as they are.",
    lambda *network: contributions(*network) * _size(hidden(*network[:3]) @ network[3].T)[:, None],
)
one_word.mistake(
    "The rows of `words` or the columns of `down` are divided by their norms: these are cosines.",
    "A logit is a dot product, not a cosine.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, F.normalize(words)),
)
one_word.mistake(
    "The rows of `words` or the columns of `down` are divided by their norms: these are cosines.",
    "A logit is a dot product, not a cosine.",
    lambda x, gate, up, down, words: contributions(x, gate, up, F.normalize(down, dim=0), words),
)
one_word.mistake(
    "The rows of `words` or the columns of `down` are divided by their norms: these are cosines.",
    "A logit is a dot product, not a cosine.",
    lambda x, gate, up, down, words: contributions(x, gate, up, F.normalize(down, dim=0), F.normalize(words)),
)
one_word.mistake(
    "Every number contains what `x` itself adds to the logit.",
    "Only what the neuron writes is asked for, without `x`.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, words) + (x @ words.T)[:, None],
)
one_word.mistake(
    "The numbers are cumulative over the neurons.",
    "Return each neuron's own contribution, without those of the neurons before it.",
    lambda *network: contributions(*network).cumsum(1),
)

several_words = question.probe(
    "several tokens",
    lambda rng: _networks(rng, (1, 2, 2, 2), (3, 4, 5, 3), (2, 6, 4, 4), (3, 4, 1, 2)),
    at_last=_first_wrong_neuron,
    demand=same_kind,
    kinds=("one position", "several positions", "as many tokens as neurons", "one neuron"),
)
several_words.mistake(
    "Only the first token is used.",
    "`words` has one row per token, and so has the last axis of the result.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, words[:1]),
)


@several_words.mistake(
    "The tokens are summed: each gets the sum of all.",
    "`words @ down` is (V, F), one number per token and neuron. Keep both axes.",
)
def _words_added(x, gate, up, down, words):
    return contributions(x, gate, up, down, words).sum(-1, keepdim=True).expand(-1, -1, len(words))


@several_words.mistake(
    "The numbers are in the order (T, V, F), and then viewed as (T, F, V).",
    "`view` and `reshape` leave the numbers in their order. To swap axes, transpose.",
)
def _viewed(x, gate, up, down, words):
    shares = contributions(x, gate, up, down, words)
    return shares.mT.reshape(shares.shape)
