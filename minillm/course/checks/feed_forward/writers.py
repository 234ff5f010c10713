"""05.1: what each neuron adds to the score of a word (Geva et al. 2022: the output as a sum of values)."""

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
from minillm.course.checks.feed_forward.common import OTHER_BENDS, hidden
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question


def contributions(
    x: Float[Tensor, "T C"],
    gate: Float[Tensor, "F C"],
    up: Float[Tensor, "F C"],
    down: Float[Tensor, "C F"],
    words: Float[Tensor, "V C"],
) -> Float[Tensor, "T F V"]:
    """The right answer: how strongly a neuron fires, times how well what it writes fits each word.

    >>> one = torch.ones(1, 1)
    >>> contributions(one, one, one, 2 * one, one).round(decimals=4)
    tensor([[[1.4621]]])
    """
    return torch.einsum("tf,cf,vc->tfv", hidden(x, gate, up), down, words)


def _firing(
    x: Tensor, gate: Tensor, up: Tensor, down: Tensor, words: Tensor, *, fire: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Contributions of neurons that fire otherwise, by the readings of their gate and up."""
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
    hint = "Multiply two numbers: how strongly it fires here, and its column of `down` times the word."
    sentence = f"At position {t} neuron {f} is said to add {given[t, f, v]:.4g} to word {v}"
    return f"{sentence}; right is {wanted[t, f, v]:.4g}.", hint


FACTORS = (
    (
        (0,),
        "At each position all numbers are off by one factor.",
        "Is something divided by a norm or a sum of its own at each position? Nothing is normalized here.",
    ),
    (
        (1,),
        "The numbers of each neuron are off by one factor, the same at all positions and for all words.",
        "Is a neuron's value scaled or normalized? How strongly it fires is right up to this factor.",
    ),
    (
        (2,),
        "The numbers of each word are off by one factor, the same for all neurons.",
        "Is a word's row normalized or scaled? A dot product takes it as it is.",
    ),
    (
        (0, 1),
        "The neurons fire with the wrong strengths; how well what they write fits the words is right.",
        "The strength is SiLU(x · gateᵀ) · (x · upᵀ), with SiLU on the gate alone.",
    ),
    (
        (1, 2),
        "From position to position each neuron's numbers change as they should, but they are off by a factor: what "
        "it writes, or how well that fits the word, is wrong.",
        "What a neuron writes is its column of `down`, and the fit is a dot product with the word: `words @ down`.",
    ),
)  # axes along which a factor may differ, and what it says if it differs along no other


def _scaled_along(axes: tuple[int, ...], wanted: Tensor, given: Tensor) -> bool:
    """Whether each slice along these axes is a multiple of the right one: the best factor leaves no rest."""
    others = tuple(axis for axis in range(3) if axis not in axes)
    size = wanted.square().sum(others, keepdim=True)
    factor = (wanted * given).sum(others, keepdim=True) / size.clamp_min(1e-12)
    return not apart(given, factor * wanted).any()


question = Question("05.1", "Which neuron wrote it?", contributions)

one_word = question.probe(
    "one word",
    lambda rng: _networks(rng, (1, 2, 3, 1), (4, 6, 5, 1), (3, 4, 4, 1), (2, 3, 1, 1), (2, 1, 3, 1)),
    at_last=_first_wrong_neuron,
    demand=same_kind,
    kinds=("one position", "several positions", "as many neurons as coordinates", "one neuron", "one coordinate"),
)
one_word.mistake(
    "The neurons have no bend: gate and up are multiplied as they are.",
    "The reading of the gate goes through SiLU first: x times sigmoid(x).",
    partial(_firing, fire=lambda gate, up: gate * up),
)
one_word.mistake(
    "Gate and up are swapped.",
    "SiLU bends what the *gate* reads, and only that.",
    partial(_firing, fire=lambda gate, up: F.silu(up) * gate),
)
one_word.mistake(
    "The gate alone decides; what up reads is left out.",
    "A neuron fires with SiLU(gate) *times* up.",
    partial(_firing, fire=lambda gate, up: F.silu(gate)),
)
one_word.mistake(
    "Every neuron counts as if it fired with strength 1.",
    "What a neuron writes into the stream is its value *times* how strongly it fires.",
    partial(_firing, fire=lambda gate, up: torch.ones_like(up)),
)
one_word.mistake(
    "These are the strengths with which the neurons fire; nothing is said of the word.",
    "Multiply each by how well what the neuron writes fits the word: a dot product.",
    lambda x, gate, up, down, words: hidden(x, gate, up)[:, :, None].expand(-1, -1, len(words)),
)
one_word.mistake(
    "The word is held against the keys (rows of up), not against the values.",
    "What a neuron writes is its column of `down`.",
    lambda x, gate, up, down, words: torch.einsum("tf,fc,vc->tfv", hidden(x, gate, up), up, words),
)
one_word.mistake(
    "The axes come out as (T, V, F).",
    "Positions, neurons, words: (T, F, V).",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, words).mT,
)

for bend in OTHER_BENDS.values():
    one_word.mistake(
        "The gate's reading goes through another function than SiLU.",
        "SiLU is x times sigmoid(x), `F.silu`.",
        partial(_firing, fire=lambda gate, up, bend=bend: bend(gate) * up),
    )
one_word.mistake(
    "SiLU is taken of the product of gate and up.",
    "SiLU bends what the *gate* reads; then it is multiplied by what up reads.",
    partial(_firing, fire=lambda gate, up: F.silu(gate * up)),
)
one_word.mistake(
    "These are the scores of all neurons together, not what each of them adds.",
    "Do not add up over the neurons: the axis F stays.",
    lambda *network: contributions(*network).sum(1),
)
one_word.mistake(
    "The positions are added up: each neuron has one number for the whole text.",
    "A neuron fires at each position anew. The axis T stays.",
    lambda *network: contributions(*network).sum(0),
)
one_word.mistake(
    "The shares are divided by their sum or put through a softmax; they no longer add up to the score.",
    "A share is a number that is added to the score, and may be negative. Leave it as it is.",
    lambda *network: contributions(*network).softmax(1),
)
one_word.mistake(
    "The shares are divided by their sum or put through a softmax; they no longer add up to the score.",
    "A share is a number that is added to the score, and may be negative. Leave it as it is.",
    lambda *network: contributions(*network) / contributions(*network).sum(1, keepdim=True),
)
one_word.mistake(
    "`down` is reshaped to (F, C), which mixes its rows and columns.",
    "Only a transpose makes (F, C) of (C, F) with each neuron's column as a row: `down.T`.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down.reshape(down.T.shape).T, words),
)
one_word.mistake(
    "The shares are given without their signs.",
    "A neuron may lower a score. Without signs the shares do not add up to what the network does.",
    lambda *network: contributions(*network).abs(),
)
one_word.mistake(
    "A softmax over the words makes probabilities of the shares.",
    "What is asked for is what a neuron adds to the score; it may be negative or larger than 1.",
    lambda *network: contributions(*network).softmax(-1),
)

one_word.mistake(
    "A norm stands in front of the network or of the head; there is none here.",
    "Use `x` as it comes, and what the neurons write as it is.",
    lambda x, *network: contributions(_normed(x), *network),
)
one_word.mistake(
    "A norm stands in front of the network or of the head; there is none here.",
    "Use `x` as it comes, and what the neurons write as it is.",
    lambda *network: contributions(*network) * _size(hidden(*network[:3]) @ network[3].T)[:, None],
)
one_word.mistake(
    "The words' rows or what the neurons write are divided by their length: these are cosines.",
    "The score of a word is a dot product, and long rows count for more.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, F.normalize(words)),
)
one_word.mistake(
    "The words' rows or what the neurons write are divided by their length: these are cosines.",
    "The score of a word is a dot product, and long rows count for more.",
    lambda x, gate, up, down, words: contributions(x, gate, up, F.normalize(down, dim=0), words),
)
one_word.mistake(
    "The words' rows or what the neurons write are divided by their length: these are cosines.",
    "The score of a word is a dot product, and long rows count for more.",
    lambda x, gate, up, down, words: contributions(x, gate, up, F.normalize(down, dim=0), F.normalize(words)),
)
one_word.mistake(
    "What the stream itself adds to the score is in every number.",
    "Only what the neuron writes is asked for, without `x` and its own share in the score.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, words) + (x @ words.T)[:, None],
)
one_word.mistake(
    "The numbers are added up from neuron to neuron.",
    "Each neuron's own share is asked for, without that of the neurons before it.",
    lambda *network: contributions(*network).cumsum(1),
)

several_words = question.probe(
    "several words",
    lambda rng: _networks(rng, (1, 2, 2, 2), (3, 4, 5, 3), (2, 6, 4, 4), (3, 4, 1, 2)),
    at_last=_first_wrong_neuron,
    demand=same_kind,
    kinds=("one position", "several positions", "as many words as neurons", "one neuron"),
)
several_words.mistake(
    "Only the first word is asked about.",
    "`words` has a row for each word, and the last axis of the result a number for each.",
    lambda x, gate, up, down, words: contributions(x, gate, up, down, words[:1]),
)


@several_words.mistake(
    "The words are added up: each gets the sum of all.",
    "`words @ down` is (V, F), a number for each word and each neuron. Keep both axes.",
)
def _words_added(x, gate, up, down, words):
    return contributions(x, gate, up, down, words).sum(-1, keepdim=True).expand(-1, -1, len(words))


@several_words.mistake(
    "The numbers were laid out as (T, V, F), and then viewed as (T, F, V).",
    "`view` and `reshape` leave the numbers in their order. To swap axes, transpose.",
)
def _viewed(x, gate, up, down, words):
    shares = contributions(x, gate, up, down, words)
    return shares.mT.reshape(shares.shape)
