"""What a message says of a clipped gradient that fits no known mistake, for 13.2: the factors that it was scaled by."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor

Factors = dict[tuple[int, str], float | None]  # by card and name; None where the factors inside a piece differ
ONE_FACTOR = "One factor for everything: `most` over the length of the whole gradient, or 1 where that is shorter."


def _norm(pieces: Iterable[Tensor]) -> float:
    return math.sqrt(sum(_square(piece) for piece in pieces))


def _pieces(cards: list[dict[str, Tensor]]) -> list[Tensor]:
    return [piece for card in cards for piece in card.values()]


OTHER_LENGTHS: dict[str, Callable[[list[dict[str, Tensor]]], float]] = {
    "the mean of the cards' lengths": lambda cards: sum(_norm(card.values()) for card in cards) / len(cards),
    "the length of the pieces with the first name": lambda cards: _norm(
        card[next(iter(cards[0]))] for card in cards if next(iter(cards[0])) in card
    ),
    "the length of the pieces with the last name": lambda cards: _norm(
        card[list(cards[-1])[-1]] for card in cards if list(cards[-1])[-1] in card
    ),
    "the largest length of a piece": lambda cards: max(map(_norm, ([piece] for piece in _pieces(cards)))),
    "the sum of the lengths of all pieces": lambda cards: sum(map(_norm, ([piece] for piece in _pieces(cards)))),
    "the sum of all numbers": lambda cards: float(sum(piece.double().sum() for piece in _pieces(cards))),
    "the mean length of the pieces": lambda cards: (
        sum(_norm([piece]) for piece in _pieces(cards)) / len(_pieces(cards))
    ),
    "the mean of all squares": lambda cards: (
        sum(map(_square, _pieces(cards))) / sum(piece.numel() for piece in _pieces(cards))
    ),
}


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Which pieces were scaled by which factor, and which length the factor stands for."""
    found = [_factors(call[0], reply) for call, reply in zip(calls, got, strict=True)]
    if faults := [factors for factors in found if isinstance(factors, str)]:
        return faults[0], "Return a list with a dictionary for each card."
    due = [_factor(*call) for call in calls]
    wrong = [
        (call, factors, factor)
        for call, factors, factor in zip(calls, found, due, strict=True)
        if isinstance(factors, dict) and any(f is None or not _close(f, factor) for f in factors.values())
    ]
    if not wrong or any(f is not None and not math.isfinite(f) for _, factors, _ in wrong for f in factors.values()):
        return None
    return _inside(wrong) or _only_some(wrong) or _unequal(wrong) or _one_for_all(wrong)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-6)


def _square(piece: Tensor) -> float:
    return float(piece.double().square().sum())


def _length(cards: list[dict[str, Tensor]], whole: list[str]) -> float:
    pieces = [
        piece for number, card in enumerate(cards) for name, piece in card.items() if not number or name not in whole
    ]
    return math.sqrt(sum(map(_square, pieces)))


def _factor(cards: list[dict[str, Tensor]], whole: list[str], most: float) -> float:
    return min(1.0, most / max(_length(cards, whole), 1e-30))


def _factors(cards: list[dict[str, Tensor]], reply: Any) -> Factors | str:
    """The factor of each piece that is not 0, or what is wrong with the form of the result."""
    if type(reply) is not list:
        return f"The result is of type {type(reply).__name__}, not a list with a dictionary for each card."
    if len(reply) != len(cards):
        return f"The result has {len(reply)} entries for {len(cards)} cards."
    factors: Factors = {}
    for number, (card, scaled) in enumerate(zip(cards, reply, strict=True)):
        if type(scaled) is not dict:
            return f"Entry {number} of the result is of type {type(scaled).__name__}, not a dictionary."
        if scaled.keys() != card.keys():
            return f"Card {number} has the names {sorted(card)}, and the result {sorted(map(str, scaled))} there."
        for name, piece in card.items():
            given = as_tensor(scaled[name])
            if given is None or given.shape != piece.shape:
                return f"The shape of {name!r} on card {number} has changed."
            ratios = (given.double() / piece.double())[piece != 0]
            if len(ratios):
                factors[number, name] = ratios[0].item() if torch.allclose(ratios, ratios[:1], 1e-3, 1e-6) else None
    return factors


def _inside(wrong: list[tuple[Call, Factors, float]]) -> tuple[str, str] | None:
    """Different factors for the numbers of one piece."""
    for _, factors, _ in wrong:
        for (number, name), factor in factors.items():
            if factor is None:
                sentence = f"The numbers of {name!r} on card {number} are not all scaled alike: its direction changes."
                return sentence, ONE_FACTOR
    return None


def _only_some(wrong: list[tuple[Call, Factors, float]]) -> tuple[str, str] | None:
    """The right factor, but pieces that are left as they were."""
    if not all(any(_close(f or 0, due) for f in factors.values()) for _, factors, due in wrong):
        return None
    left = [(call, key) for call, factors, _ in wrong for key, f in factors.items() if _close(f or 0, 1.0)]
    if len(left) != sum(not _close(f or 0, due) for _, factors, due in wrong for f in factors.values()):
        return None
    (cards, _, most), (number, name) = left[0]
    own = math.sqrt(sum(map(_square, cards[number].values())))
    short = all(math.sqrt(sum(map(_square, call[0][n].values()))) <= call[2] for call, (n, _) in left)
    if short:
        sentence = (
            f"A card whose own pieces are not too long is not scaled: card {number} has {own:.3g} of at most {most:g}."
        )
    else:
        sentence = f"The factor is right, but {name!r} on card {number} is not scaled by it."
    return sentence, "If the whole is too long, every piece is scaled by one factor, on every card."


def _unequal(wrong: list[tuple[Call, Factors, float]]) -> tuple[str, str] | None:
    """Cards or names with factors of their own."""
    for _, factors, due in wrong:
        first, *others = factors.items()
        for key, factor in others:
            if not _close(factor or 0, first[1] or 0):
                (card, name), (other, other_name) = first[0], key
                sentence = (
                    f"Not everything is scaled alike: {name!r} on card {card} by {first[1]:.4g}, "
                    f"{other_name!r} on card {other} by {factor:.4g}. Right for all is {due:.4g}."
                )
                return sentence, ONE_FACTOR
    return None


def _one_for_all(wrong: list[tuple[Call, Factors, float]]) -> tuple[str, str] | None:
    """One factor that is wrong: a function of the right one, or that of another length."""
    used = [next(iter(factors.values())) or 0.0 for _, factors, _ in wrong]
    dues = [due for *_, due in wrong]
    for words, function in (
        ("the square of the right one", lambda f: f**2),
        ("the square root of the right one", lambda f: f**0.5),
        ("1 over the right one", lambda f: 1 / f),
        ("the right one, rounded down to a power of two", lambda f: 2.0 ** math.floor(math.log2(f))),
        ("the right one, rounded to a power of two", lambda f: 2.0 ** round(math.log2(f))),
        ("1: nothing is scaled", lambda f: 1.0),
        ("0", lambda f: 0.0),
        ("the right one with the other sign", lambda f: -f),
        ("1 minus the right one", lambda f: 1 - f),
    ):
        if all(_close(f, function(due)) for f, due in zip(used, dues, strict=True)):
            return f"Everything is scaled by one factor, and it is {words}.", ONE_FACTOR
    if all(due == 1 for due in dues):
        return f"A gradient that is not too long is scaled, by {used[0]:.4g}. Its factor is 1.", ONE_FACTOR
    return _other_length(wrong, used)


def _other_length(wrong: list[tuple[Call, Factors, float]], used: list[float]) -> tuple[str, str] | None:
    """Which length a wrong factor means: with `whole` counted otherwise, or a multiple of the right one."""
    for words, function in (
        ("`most`", lambda most, _: most),
        ("1 / `most`", lambda most, _: 1 / most),
        ("1 over the length", lambda _, length: 1 / length),
        ("the length over `most`", lambda most, length: length / most),
    ):
        if all(_close(f, function(call[2], _length(*call[:2]))) for (call, *_), f in zip(wrong, used, strict=True)):
            return f"Everything is scaled by {words}.", ONE_FACTOR
    lengths = [call[2] / f if f else math.inf for (call, *_), f in zip(wrong, used, strict=True)]
    rights = [_length(call[0], call[1]) for call, *_ in wrong]
    for words, other in OTHER_LENGTHS.items():
        if all(_close(other(call[0]), length) for (call, *_), length in zip(wrong, lengths, strict=True)):
            return f"Everything is scaled alike, but {words} is taken for the length of the whole.", ONE_FACTOR
    more = [length - due for length, due in zip(lengths, rights, strict=True)]
    if len(wrong) > 1 and all(_close(each, more[0]) for each in more):
        sentence = f"Everything is scaled as if the gradient were longer by {more[0]:.3g}."
        return sentence if more[0] > 0 else sentence.replace("longer by -", "shorter by "), ONE_FACTOR
    ratios = [length / right for length, right in zip(lengths, rights, strict=True)]
    counts = []
    for (call, *_), length in zip(wrong, lengths, strict=True):
        cards, whole, _ = call
        held = sum(_square(cards[0][name]) for name in whole)
        counts.append((length**2 - _length(cards, whole) ** 2) / held + 1 if held else math.nan)
    if len(wrong) > 1 and all(_close(count, counts[0]) for count in counts) and counts[0] > -1e-3:
        sentence = f"The length is as if the squares of what every card holds counted {counts[0]:.3g} times, not once."
        return sentence, "Each number of the gradient counts once: of the names in `whole`, those of card 0."
    if len(wrong) > 1 and all(_close(ratio, ratios[0]) for ratio in ratios):
        sentence = f"Everything is scaled alike, but to {1 / ratios[0]:.4g} times the right length."
        return sentence, ONE_FACTOR
    sentence = (
        f"Everything is scaled alike, by {used[0]:.4g}, as if the gradient had the length {lengths[0]:.4g}. "
        f"It has {rights[0]:.4g}."
    )
    return sentence, "The length is the root of the sum of all squares, each number of the gradient counted once."
