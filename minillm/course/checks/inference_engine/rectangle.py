"""What a message says of a padded batch that fits no known mistake, for 12.2: which part, whose, and what is there."""

from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor

BEGINS = "Write down for each row at which column its text begins; all else follows."
SEES = "A column sees those of its own text up to itself; a column of padding only itself."


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first batch with a wrong token or position, or with a column that sees what it should not."""
    if any(type(reply) not in (list, tuple) or len(reply) != 3 for reply in got):
        return "The result is not three things: ids, positions, visible.", "End with all three behind `return`."
    batches = [[as_tensor(part) for part in reply] for reply in got]
    for due, parts in zip(right, batches, strict=True):
        if any(part is None or part.shape != wanted.shape for part, wanted in zip(parts, due, strict=True)):
            return None
    masks: list[Tensor] = [parts[2] for parts in batches if parts[2] is not None]
    if found := _form(right, masks):
        return found
    pads = [_padding(texts) for texts, _ in calls]
    for call, due, parts, pad in zip(calls, right, batches, pads, strict=True):
        ids, positions, visible = parts
        if ids is None or positions is None or visible is None:
            return None
        if (due[0] != ids).any():
            return _of_ids(call, due[0], ids, pad)
        if (due[1] != positions).any():
            return _of_positions(due[1], positions, pad)
    for due, mask, pad in zip(right, masks, pads, strict=True):
        if (due[2] != mask.bool()).any():
            only = all(((d[2] == m.bool()) | p[:, :, None]).all() for d, m, p in zip(right, masks, pads, strict=True))
            fine = all(((d[2] == m.bool()) | ~p[:, :, None]).all() for d, m, p in zip(right, masks, pads, strict=True))
            some = any(p.any() for p in pads)
            prefix = "Columns of text see what they should, those of padding do not: " if only else ""
            prefix = "Columns of padding see what they should, those of text do not: " if fine and some else prefix
            return _of_mask(prefix, due[2], mask.bool(), pad)
    return None


def _padding(texts: list[list[int]]) -> Tensor:
    """Where there is padding: (B, T)."""
    width = max(map(len, texts))
    return torch.arange(width) < torch.tensor([[width - len(text)] for text in texts])


def _form(right: list[Any], masks: list[Tensor]) -> tuple[str, str] | None:
    """A mask for scores, or one that is upside down."""
    added = [((mask == 0) | (mask < -1e4)).all() and (mask < -1e4).any() for mask in masks]
    if any(added) and all(((mask == 0) | (mask < -1e4)).all() for mask in masks):
        sentence = "The mask holds 0 and a very negative number, to be added to scores; True and False are asked for"
        seen = all(torch.equal(due[2], mask == 0) for due, mask in zip(right, masks, strict=True))
        return f"{sentence}{', and they would be right' if seen else ''}.", "True is for what may be seen: `mask == 0`."
    if all(torch.equal(due[2], ~mask.bool()) for due, mask in zip(right, masks, strict=True)):
        return "The mask is upside down: True where a column must not look.", "True is for what may be seen."
    return None


def _of_ids(call: Call, due: Tensor, ids: Tensor, pad: Tensor) -> tuple[str, str]:
    (row, column) = (due != ids).nonzero()[0].tolist()
    where = f"Row {row} of the ids is {_whole(ids[row])}, not {_whole(due[row])}"
    if torch.equal(due[~pad], ids[~pad]):
        return f"The texts are right, but the padding is not: it has the id {ids[row, column]:g}, not `pad`.", (
            "All that stands in front of a text has the id `pad`."
        )
    if sorted(due[row].tolist()) == sorted(ids[row].tolist()):
        return f"The ids of a row are right, but in another order: {where[0].lower()}{where[1:]}.", (
            "First the padding, then the text from its first token to its last."
        )
    return f"{where}.", BEGINS


def _of_positions(due: Tensor, positions: Tensor, pad: Tensor) -> tuple[str, str]:
    row, _ = (due != positions).nonzero()[0].tolist()
    where = f"row {row} has {_whole(positions[row])}, right is {_whole(due[row])}"
    if torch.equal(due[~pad], positions[~pad]):
        return f"The positions of the texts are right, but those of padding are not 0: {where}.", (
            "Padding stands at position 0, as a text's first token does."
        )
    if torch.equal(due[pad], positions[pad]) and pad.any():
        return f"The positions of padding are right, but those of the texts are not: {where}.", BEGINS
    return f"The ids are right, but the positions are not: {where}.", BEGINS


def _of_mask(prefix: str, due: Tensor, mask: Tensor, pad: Tensor) -> tuple[str, str]:
    row, column, other = (due != mask).nonzero()[0].tolist()
    seen, right = (_whole(each[row, column].nonzero().flatten()) for each in (mask, due))
    kind = "padding" if pad[row, column] else "text"
    if not mask[row, column].any():
        seen = "nothing"
    sentence = f"{prefix}in row {row}, column {column} ({kind}) sees {seen}, not {right}."
    if other == column and due[row, column, other]:
        return f"{sentence} It does not see itself.", SEES
    return sentence[:1].upper() + sentence[1:], SEES


def _whole(numbers: Tensor) -> str:
    return str([int(each) if float(each).is_integer() else each for each in numbers.tolist()])
