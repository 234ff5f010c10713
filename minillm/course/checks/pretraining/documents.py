"""What to say of a wrong share, in 08.3."""

from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show


def which_document(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first document whose share is wrong, and by how many of its tokens."""
    for (_, validation, n), wanted, answer in zip(calls, right, got, strict=True):
        shares = answer.tolist() if type(answer) is torch.Tensor else answer
        if type(shares) not in (list, tuple) and type(shares) in (int, float):
            return "It's one number for all documents together.", "Return a list with a share for each document."
        if type(shares) not in (list, tuple) or len(shares) != len(validation):
            return None
        for place, (document, due, gave) in enumerate(zip(validation, wanted, shares, strict=True)):
            if type(gave) not in (int, float) or difference(due, gave) is None:
                continue
            size = len(document)
            if gave != gave:
                return f"The share of {document} is NaN.", "An empty document has the share 0.0."
            if gave < 0 or gave > 1:
                return f"The share of {document} is {gave:.4g}; it should be from 0 to 1.", _MARK
            if size < n:
                hint = "Stop at L - n: a slice at the end is shorter, without an error."
                return f"A document of {size} tokens has no {n}-gram: its share is 0.0, not {gave:.4g}.", hint
            if abs(gave * size - round(gave * size)) > 1e-3:
                sentence = f"The share of {show(document)} is {gave:.4g}, which is not a count of its {size} tokens"
                return f"{sentence} divided by {size}; right is {due * size:.0f} / {size}.", _MARK
            tokens = f"{gave * size:.3g} of its {size} tokens are counted; right is {due * size:.0f}"
            return f"In validation document {place}, {show(document)}, {tokens} (n = {n}).", _MARK
    return None


_MARK = "Print the document, and beside each token whether it's part of an n-gram that occurs in training."
