"""What to say of a wrong row, in 09.4: which of its four parts is wrong, at which index, and what is there."""

from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.losses import IGNORE

NAMES = ("inputs", "targets", "positions", "visible")
BY_HAND = "Do the example of the question by hand, one index after the other."


def which(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Conversations that stand elsewhere; else the first place that is wrong, and what kind of place it is."""
    if found := _laid_out_otherwise(calls, got):
        return found
    for (conversations, length), wanted, answer in zip(calls, right, got, strict=True):
        if type(answer) not in (list, tuple) or len(answer) != 4:
            return "The result isn't four tensors.", f"Return {', '.join(NAMES)}."
        owner = [number for number, (ids, _) in enumerate(conversations) for _ in ids]
        owner += [None] * (length - len(owner))
        for name, due, part in zip(NAMES, wanted, answer, strict=True):
            if not (wrong := difference(due, part)):
                continue
            gave = as_tensor(part)
            if gave is not None and gave.shape == due.shape:
                index = (gave.double() != due).nonzero()[0].tolist()
                if name == "visible" and gave[tuple(index)] in (0, 1):
                    return _seen(index[0], index[1], due[tuple(index)].item(), owner)
                if name != "visible":
                    return _told(name, index[0], gave[index[0]].item(), due, wanted[0], owner)
            return f"In `{name}` the result {wrong}.", BY_HAND
    return None


LAYOUTS = {
    "Each conversation is followed by an unused position.": lambda row, length: [id for ids in row for id in (*ids, 0)],
    "There is an unused position before each conversation.": lambda row, length: [
        id for ids in row for id in (0, *ids)
    ],
    "The last position of the row is never used.": lambda row, length: [id for ids in row for id in ids][: length - 1],
    "The first token of each conversation is missing.": lambda row, length: [id for ids in row for id in ids[1:]],
    "The last token of each conversation is missing.": lambda row, length: [id for ids in row for id in ids[:-1]],
    "The conversations are in reverse order.": lambda row, length: [id for ids in row[::-1] for id in ids],
    "Each conversation's tokens are in reverse order.": lambda row, length: [id for ids in row for id in ids[::-1]],
    "The unused positions come before the conversations, not after them.": lambda row, length: [
        *[0] * (length - sum(map(len, row))),
        *[id for ids in row for id in ids],
    ],
    "Only the first conversation is in the row.": lambda row, length: list(row[0]),
    "Only the last conversation is in the row.": lambda row, length: list(row[-1]),
    "The last conversation is missing.": lambda row, length: [id for ids in row[:-1] for id in ids],
    "Every conversation starts at index 0 and overwrites the one before.": lambda row, length: _overwritten(row),
}


def _overwritten(row: list[list[int]]) -> list[int]:
    """The ids where each conversation is written over the one before."""
    places: dict[int, int] = {place: id for ids in row for place, id in enumerate(ids)}
    return [places[place] for place in range(len(places))]


def _laid_out_otherwise(calls: list[Call], got: list[Any]) -> tuple[str, str] | None:
    """The inputs of all rows by another layout; most of them make no difference for some rows."""
    given = []
    for (_, length), answer in zip(calls, got, strict=True):
        inputs = as_tensor(answer[0]) if type(answer) in (list, tuple) and len(answer) == 4 else None
        if inputs is None or inputs.shape != (length,):
            return None
        given.append([int(each) for each in inputs.tolist()])
    rows = [[list(ids) for ids, _ in conversations] for conversations, _ in calls]
    lengths = [length for _, length in calls]
    right = [_filled([id for ids in row for id in ids], length) for row, length in zip(rows, lengths, strict=True)]
    if given == right:
        return None
    fitting = []
    for sentence, layout in LAYOUTS.items():
        if given == [_filled(layout(row, length), length) for row, length in zip(rows, lengths, strict=True)]:
            fitting.append(f"{sentence[0].lower()}{sentence[1:-1]}")
    if not fitting:
        return None
    hint = "The conversations follow one another from index 0 on, without gaps, and the rest is unused."
    return f"In `inputs`: {', or '.join(fitting)}.", hint


def _filled(ids: list[int], length: int) -> list[int]:
    return [*ids, *[0] * length][:length]


def _seen(t: int, s: int, due: bool, owner: list[int | None]) -> tuple[str, str]:
    if owner[t] is None:
        who = f"Index {t} is unused, and {'does not see itself' if due else f'sees index {s}'}"
    elif owner[s] is None:
        who = f"Index {t} sees index {s}, which is unused"
    elif owner[t] != owner[s]:
        who = f"Index {t} sees index {s}, which belongs to another conversation"
    elif s > t:
        who = f"Index {t} sees index {s}, which comes after it"
    else:
        other = "itself" if s == t else f"index {s}, which comes before it in its conversation"
        who = f"Index {t} doesn't see {other}"
    return f"{who}.", "A token sees its own conversation, up to itself. An unused position sees only itself."


def _told(name: str, t: int, gave: float, due: Tensor, ids: Tensor, owner: list[int | None]) -> tuple[str, str]:
    wanted, last = due[t].item(), t + 1 == len(owner) or owner[t + 1] != owner[t]
    first = t == 0 or owner[t - 1] != owner[t]
    thing = {"inputs": "input", "targets": "target", "positions": "position"}[name]
    kind = "is unused" if owner[t] is None else "starts a conversation" if first else "is inside a conversation"
    if name == "targets" and owner[t] is not None:
        if last:
            kind = "is the last of its conversation"
        elif wanted == IGNORE:
            kind = f"comes before a token, {ids[t + 1].item()}, that doesn't count"
        else:
            kind = f"comes before a token that counts, {ids[t + 1].item()}"
    return f"Index {t} {kind}, and has the {thing} {gave:g}; right is {wanted}.", BY_HAND
