"""What a message says of a result of several parts, such as a loss and a gradient: which of them is wrong, and how."""

from collections.abc import Sequence
from typing import Any

import torch

from minillm.course.checks.facts import fact
from minillm.course.checks.plain import difference

HINT = "Print every part for the input that you see here, and compare one after the other."
MAX_PLAIN = 2  # parts whose first wrong number is told, if nothing else is known of them


def fact_of_parts(
    parts: Sequence[str],
    names: Sequence[str],
    calls: Sequence[Sequence[Any]],
    right: Sequence[Any],
    got: Sequence[Any],
    mistakes: Sequence[tuple[str, str, Sequence[Any]]] = (),
) -> tuple[str, str] | None:
    """A sentence about the wrong parts, and a hint; None if all are right.

    `mistakes` are known ones: a sentence, a hint, and what comes of each call. One that explains all of a part is told.

    >>> fact_of_parts(["loss", "count"], ["x"], [(1,), (2,)], [(2.0, 3), (1.0, 4)], [(2.0, -3), (1.0, -4)])[0]
    '`loss` is right. `count` is the right one with the other sign.'
    """
    if difference(list(right), list(got)) is None:
        return None
    if any(type(answer) not in (list, tuple) or len(answer) != len(parts) for answer in got):
        found = fact(names, calls, right, got)
        return found or f"The result is not {len(parts)} values.", f"Return {', '.join(parts)}, in this order."
    if all(difference(wanted, gave[::-1]) is None for wanted, gave in zip(right, got, strict=True)):
        return "The parts of the result stand in another order.", f"Return {', '.join(parts)}, in this order."
    sentences, hint, plainly = [], HINT, 0
    fine = [f"`{name}`" for index, name in enumerate(parts) if not _wrong(index, right, got)]
    if fine:
        sentences.append(f"{' and '.join(fine)} {'is' if len(fine) == 1 else 'are'} right.")
    for index, name in enumerate(parts):
        if not _wrong(index, right, got):
            continue
        known = next(((text, hint) for text, hint, made in mistakes if not _wrong(index, made, got)), None)
        found = fact(names, calls, *_joined([each[index] for each in right], [each[index] for each in got]))
        if known:
            sentences.append(f"In `{name}`, this is what happens: {known[0]}")
            hint = known[1]
        elif found:
            sentences.append(found.replace("The result", f"`{name}`", 1))
        elif (plainly := plainly + 1) <= MAX_PLAIN:
            changes = (difference(wanted[index], gave[index]) for wanted, gave in zip(right, got, strict=True))
            sentences.append(f"`{name}` {next(filter(None, changes))}.")
        else:
            sentences.append(f"`{name}` is wrong, too.")
    return " ".join(sentences), hint


def _wrong(index: int, right: Sequence[Any], got: Sequence[Any]) -> bool:
    return any(difference(wanted[index], gave[index]) is not None for wanted, gave in zip(right, got, strict=True))


def _joined(right: list[Any], got: list[Any]) -> tuple[list[Any], list[Any]]:
    """Lists of tensors as one long vector each, since what is true of all their numbers is told."""

    def shapes(value: Any) -> list[Any] | None:
        tensors = type(value) in (list, tuple) and all(type(item) is torch.Tensor for item in value) and value
        return [item.shape for item in value] if tensors else None

    if all(shapes(wanted) and shapes(wanted) == shapes(gave) for wanted, gave in zip(right, got, strict=True)):
        right, got = ([torch.cat([item.reshape(-1) for item in each]) for each in both] for both in (right, got))
    return right, got
