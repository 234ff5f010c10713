"""13.2, a bug-hunt: cards that hold pieces of one gradient, and each clips its piece by that piece's own length.

It happens whenever code for one card meets a model that is spread over several: PyTorch's issue 72548 says why its
`clip_grad_norm_` must not be used on FSDP's shards, and issue 766 of torchtitan shows the norms that differ from card
to card. Counting what all cards hold once for each of them happened too (PyTorch's pull request 88955).
"""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question
from minillm.course.checks.scaling.factors import explain

Card = dict[str, Tensor]


def clip(cards: list[Card], whole: list[str], most: float) -> list[Card]:
    """The right answer: put the gradient together, and scale every piece alike.

    >>> clip([{"up": torch.tensor([3.0])}, {"up": torch.tensor([4.0])}], [], most=1.0)
    [{'up': tensor([0.6000])}, {'up': tensor([0.8000])}]
    """
    return _scaled(cards, lambda name, piece: min(1.0, most / _norm(_all(cards, whole))))


def _all(cards: list[Card], whole: list[str]) -> list[Tensor]:
    """Every number of the gradient once."""
    return [
        piece for number, card in enumerate(cards) for name, piece in card.items() if number == 0 or name not in whole
    ]


def _norm(pieces: Any) -> float:
    return max(math.sqrt(sum(_square(piece) for piece in pieces)), 1e-30)


def _square(piece: Tensor) -> float:
    return float(piece.double().square().sum())


def _scaled(cards: list[Card], factor: Callable[[str, Tensor], float]) -> list[Card]:
    return [{name: piece * factor(name, piece) for name, piece in card.items()} for card in cards]


def _by(total: Callable[[list[Card]], float]) -> Callable[[list[Card], list[str], float], list[Card]]:
    """Clipping by another length of the whole."""
    return lambda cards, whole, most: _scaled(cards, lambda name, piece: min(1.0, most / total(cards)))


def _norms(cards: list[Card]) -> list[float]:
    return [_norm(card.values()) for card in cards]


def _cards(rng: random.Random, n: int, names: str, shared: str = "") -> list[Card]:
    """Pieces of unequal size and length, and gradients that all cards have; with one name, of one number each."""

    def piece(size: int, scale: int) -> Tensor:
        return torch.tensor([rng.choice((-1, 1)) * rng.randint(1, 9) * scale / 10 for _ in range(size)])

    def last_first(cards: list[Card]) -> list[Card]:
        return [*cards[1:], cards[0]] if n > 2 else cards  # so that the longest piece is not always the last

    most = 1 if " " not in names else 3
    held = {name: piece(rng.randint(1, most), rng.randint(1, 3)) for name in shared.split()}
    cards = []
    for number in range(n):
        pieces = {name: piece(rng.randint(1, most), 1 + number * rng.randint(1, 3)) for name in names.split()}
        cards.append(pieces | {name: gradient.clone() for name, gradient in held.items()})
    return last_first(cards)


def _long(rng: random.Random) -> list[Call]:
    """Gradients with every card's part longer than the limit."""
    calls = []
    for n, names in ((2, "up"), (2, "up down"), (3, "up gate down")):
        cards = _cards(rng, n, names)
        cards[0].pop("gate", None)  # a piece may lie on some of the cards only
        if n > 2:
            cards[-1].pop("gate", None)
        calls.append((cards, [], round(0.6 * min(_norms(cards)), 2)))
    alike = _cards(rng, 1, "up down")[0]  # both cards hold equal numbers, and they are pieces all the same
    same = [alike, {name: piece.clone() for name, piece in alike.items()}]
    first, second = _cards(rng, 2, "up down")
    matrices = [{"up": torch.stack([card["down"]] * 2), "down": card["up"]} for card in (second, first)]
    most = round(0.6 * min(_norms(matrices)), 2)
    lone = _cards(rng, 1, "up down")
    return [
        *calls,
        (same, [], round(0.6 * _norm(alike.values()), 2)),
        (matrices, [], most),
        (lone, [], round(0.5 * _norm(lone[0].values()), 2)),
    ]


LONG = (
    "two cards",
    "two names",
    "a name that card 0 has not",
    "pieces that are equal by chance",
    "matrices",
    "one card",
)
SHORT = ("a short gradient", "a short gradient", "a long gradient of short parts", "a gradient of 0")


def _short(rng: random.Random) -> list[Call]:
    """Shorter than the limit, longer though no part of it is, and all 0."""
    calls = []
    for n, names, times in ((2, "up", 1.5), (3, "up down", 1.2), (2, "up down", 0.9)):
        cards = _cards(rng, n, names)
        calls.append((cards, [], round(times * _norm(_all(cards, [])), 2)))
    zero = [{"up": torch.zeros(2)}, {"up": torch.zeros(1)}]
    return [*calls, (zero, [], 1.0)]


def _shared(rng: random.Random) -> list[Call]:
    calls = []
    sizes = ((2, "up", "norm"), (3, "up down", "norm"), (4, "up down", "norm bias"), (1, "up", "norm"))
    for n, names, shared in (*sizes, (2, "norm2 down.norm", "norm"), (3, "blocks.10 up.blocks.1.up", "blocks.1")):
        cards = _cards(rng, n, names, shared)
        calls.append((cards, shared.split(), round(0.6 * _norm(_all(cards, shared.split())), 2)))
    return calls


def _parted(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A gradient that all cards hold must stay the same on all."""
    for (cards, whole, _), reply in zip(calls, got, strict=True):
        if type(reply) is not list or not all(type(card) is dict and card.keys() == cards[0].keys() for card in reply):
            return explain(calls, right, got)
        for name in whole:
            for number, card in enumerate(reply):
                if difference(reply[0][name], card[name]):
                    sentence = f"Cards 0 and {number} hold the same {name!r}, and after clipping they no longer do."
                    return sentence, "One factor for everything, on every card: then what was equal stays equal."
    return explain(calls, right, got)


def _nothing(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A gradient of 0 has the length 0."""
    for (cards, _, _), reply in zip(calls, got, strict=True):
        if type(reply) is list and all(type(card) is dict for card in reply) and not any(map(_square, _all(cards, []))):
            found = [as_tensor(piece) for card in reply for piece in card.values()]
            if any(piece is not None and not piece.isfinite().all() for piece in found):
                return "A gradient of 0 becomes NaN: its length is 0, and 0 / 0 is NaN.", (
                    "Scale only where the length is above `most`; a gradient of 0 never is."
                )
    return explain(calls, right, got)


question = Question(
    "13.2", "Two cards clip one gradient", clip, forbidden=("minillm", "torch.nn.utils.clip_grad_norm_"), fresh=True
)

long = question.probe("pieces of a long gradient", _long, explain, kinds=LONG)
long.mistake(
    "Each card clips by the length of its own pieces.",
    "The length is that of the whole gradient: add up the squares of all cards first.",
    lambda cards, whole, most: [clip([card], [], most)[0] for card in cards],
)
long.mistake(
    "Each tensor is clipped by its own length.",
    "One length for the whole gradient, and one factor for all of its pieces; so its direction stays.",
    lambda cards, whole, most: _scaled(cards, lambda name, piece: min(1.0, most / _norm([piece]))),
)
long.mistake(
    "Each number is cut off at the limit.",
    "It is the length of the gradient that is limited. Scale all of its numbers alike.",
    lambda cards, whole, most: [{name: piece.clamp(-most, most) for name, piece in card.items()} for card in cards],
)
long.mistake(
    "The lengths of the cards are added.",
    "Lengths do not add, their squares do: the root of the sum of squares.",
    _by(lambda cards: sum(_norms(cards))),
)
long.mistake(
    "The largest length of a card is taken for that of the whole.",
    "The whole is longer than each of its parts: the root of the sum of squares.",
    _by(lambda cards: max(_norms(cards))),
)
long.mistake(
    "The squares of the cards are averaged.",
    "Pieces of one gradient are added up. A mean is for gradients of the same weights.",
    _by(lambda cards: math.sqrt(sum(norm**2 for norm in _norms(cards)) / len(cards))),
)
long.mistake(
    "The root is missing: the factor is `most` over the squared length.",
    "Add the squares, and take the root of the sum.",
    _by(lambda cards: sum(norm**2 for norm in _norms(cards))),
)
long.mistake(
    "Only the names are looked for that card 0 has.",
    "A piece may lie on one card alone. Go through each card's own dictionary.",
    lambda cards, whole, most: clip([{name: card[name] for name in cards[0]} for card in cards], whole, most),
)
long.mistake(
    "The gradient gets the length 1, whatever `most` is.",
    "The factor is `most` divided by the length.",
    lambda cards, whole, most: _scaled(cards, lambda name, piece: 1 / _norm(_all(cards, whole))),
)


@long.mistake(
    "Pieces that are equal on two cards are counted once.",
    "`whole` says what every card holds. Other pieces may be equal by chance, and each counts.",
)
def _equal_counted_once(cards, whole, most):
    once: list[Tensor] = []
    for piece in (piece for card in cards for piece in card.values()):
        once += [] if any(difference(piece, other) is None for other in once) else [piece]
    return _scaled(cards, lambda name, piece: min(1.0, most / _norm(once)))


long.mistake(
    "Of the pieces with one name only the last card's counts.",
    "Cards hold different pieces under the same name: put into one dictionary, each replaces the one before.",
    _by(lambda cards: _norm({name: piece for card in cards for name, piece in card.items()}.values())),
)
for place, name in ((0, "first"), (-1, "last")):
    long.mistake(
        f"The length is that of the {name} card's pieces.",
        "The length is that of the whole gradient: add up the squares of all cards.",
        _by(lambda cards, place=place: _norm(cards[place].values())),
    )
long.mistake(
    "Absolute values are added up, not squares.",
    "The length is the root of the sum of squares.",
    _by(lambda cards: sum(float(piece.abs().sum()) for piece in _all(cards, []))),
)
long.mistake(
    "The largest number is taken for the length.",
    "The length is the root of the sum of squares.",
    _by(lambda cards: max(float(piece.abs().max()) for piece in _all(cards, []))),
)
long.mistake(
    "It is the mean square of the numbers, not their sum.",
    "The length is the root of the sum of squares.",
    _by(lambda cards: math.sqrt(sum(map(_square, _all(cards, []))) / sum(piece.numel() for piece in _all(cards, [])))),
)
long.mistake(
    "The gradient of all cards of one name is clipped by itself.",
    "One length for the whole gradient, over all names.",
    lambda cards, whole, most: _scaled(
        cards,
        lambda name, piece: min(1.0, most / _norm(card[name] for card in cards if name in card)),
    ),
)
long.mistake(
    "Each card may be as long as `most` over the number of cards.",
    "`most` is for the whole gradient: the factor is `most` over the length of the whole.",
    lambda cards, whole, most: clip(cards, whole, most / len(cards)),
)

short = question.probe("a short gradient", _short, _nothing, kinds=SHORT)
short.mistake(
    "A gradient that is shorter than the limit is made longer.",
    "`most` is a limit, not an aim: the factor is never above 1.",
    lambda cards, whole, most: _scaled(cards, lambda name, piece: most / _norm(_all(cards, whole))),
)

replicated = question.probe("gradients that every card holds", _shared, _parted)
replicated.mistake(
    "What every card holds is counted once for each card.",
    "It is one gradient, of which each card has a copy. Count that of card 0 only.",
    _by(lambda cards: _norm(piece for card in cards for piece in card.values())),
)


@replicated.mistake("What every card holds is not counted at all.", "It belongs to the gradient too: count it once.")
def _without_the_whole(cards, whole, most):
    length = _norm(piece for card in cards for name, piece in card.items() if name not in whole)
    return _scaled(cards, lambda name, piece: min(1.0, most / length))


def _whole_if(alike: Callable[[str, str], bool], cards: list[Card], whole: list[str], most: float) -> list[Card]:
    found = [name for card in cards for name in card if any(alike(name, each) for each in whole)]
    return _scaled(cards, lambda name, piece: min(1.0, most / _norm(_all(cards, found))))


for words, alike in (("begins with", str.startswith), ("ends in", str.endswith), ("contains", str.__contains__)):
    replicated.mistake(
        f"A name that {words} one of `whole` is taken for it.",
        "Compare whole names: `name in whole` asks the list. `blocks.10` is not `blocks.1`.",
        partial(_whole_if, alike),
    )


@replicated.mistake("What every card holds is not clipped.", "The factor is for all pieces, cut or not.")
def _whole_as_it_was(cards, whole, most):
    clipped = clip(cards, whole, most)
    return [
        old | {name: new[name] for name in new if name not in whole} for old, new in zip(cards, clipped, strict=True)
    ]
