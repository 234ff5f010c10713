"""Variants of the accept rule, which `12.outcome` knows by name, and how probes call them: with decimals."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from minillm.course.checks.probe import Answer
from minillm.errors import UserError

Rest = Callable[[Sequence[Any], Sequence[Any], int], list]


def missing(p: Sequence[Any], q: Sequence[Any], guess: int) -> list:
    """What the draft proposes too rarely."""
    return [max(a - b, Fraction(0)) for a, b in zip(p, q, strict=True)]


def most(numbers: Sequence[Any]) -> int:
    """The index of the largest number."""
    return max(range(len(numbers)), key=numbers.__getitem__)


def rule(
    keep: Callable[..., Any] = lambda p, q, guess: min(Fraction(1), p[guess] / q[guess]),
    rest: Rest = missing,
    normalized: bool = True,
    weighed: bool = True,
    added: bool = True,
) -> Answer:
    """The right rule, with one thing changed."""

    def changed(p: list[Fraction], q: list[Fraction], guess: int) -> list:
        kept, left = keep(p, q, guess), rest(p, q, guess)
        total = (sum(left) or Fraction(1)) if normalized else Fraction(1)
        result = [(1 - kept if weighed else 1) * each / total for each in left]
        result[guess] = kept + (result[guess] if added else 0)
        return result

    return exactly(changed)


def exactly(thing: Any) -> Answer:
    """A function of fractions, as the probes call it: with decimals, and with decimals as its result."""

    def answer(p: list[float], q: list[float], guess: int) -> Any:
        exact = [[Fraction(each).limit_denominator(1000) for each in numbers] for numbers in (p, q)]
        given = [[*numbers] for numbers in exact]
        made = thing(*given, guess)
        if given != exact:
            raise UserError("changed the input that it was given")
        return _decimals(made)

    return answer


def _decimals(value: Any) -> Any:
    if type(value) is Fraction:
        return float(value)
    if type(value) in (list, tuple):
        return type(value)(_decimals(each) for each in value)
    if type(value) is dict:
        return {key: _decimals(each) for key, each in value.items()}
    if getattr(getattr(value, "dtype", None), "kind", "") == "O":  # numpy's array of fractions
        return _decimals(value.tolist())
    return value
