"""What to say of a wrong row, in 09.4: which of its four parts is wrong, at which place, and what stands there."""

from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.losses import IGNORE

NAMES = ("inputs", "targets", "positions", "visible")
BY_HAND = "Do the example of the question by hand, place by place."


def which(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first place that is wrong, and what kind of place it is."""
    for (conversations, length), wanted, answer in zip(calls, right, got, strict=True):
        if type(answer) not in (list, tuple) or len(answer) != 4:
            return "The result is not four tensors.", f"Return {', '.join(NAMES)}."
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


def _seen(t: int, s: int, due: bool, owner: list[int | None]) -> tuple[str, str]:
    if owner[t] is None:
        who = f"Place {t} is empty, and {'does not see itself' if due else f'sees place {s}'}"
    elif owner[s] is None:
        who = f"Place {t} sees place {s}, which is empty"
    elif owner[t] != owner[s]:
        who = f"Place {t} sees place {s}, which is of another conversation"
    elif s > t:
        who = f"Place {t} sees place {s}, which comes after it"
    else:
        other = "itself" if s == t else f"place {s}, which is before it in its conversation"
        who = f"Place {t} does not see {other}"
    return f"{who}.", "In its own conversation, not in the future; and an empty place sees itself alone."


def _told(name: str, t: int, gave: float, due: Tensor, ids: Tensor, owner: list[int | None]) -> tuple[str, str]:
    wanted, last = due[t].item(), t + 1 == len(owner) or owner[t + 1] != owner[t]
    first = t == 0 or owner[t - 1] != owner[t]
    thing = {"inputs": "input", "targets": "target", "positions": "position"}[name]
    kind = "is empty" if owner[t] is None else "begins a conversation" if first else "is inside a conversation"
    if name == "targets" and owner[t] is not None:
        if last:
            kind = "is the last of its conversation"
        elif wanted == IGNORE:
            kind = f"comes before a token, {ids[t + 1].item()}, that does not count"
        else:
            kind = f"comes before a token that counts, {ids[t + 1].item()}"
    return f"Place {t} {kind}, and has the {thing} {gave:g}; right is {wanted}.", BY_HAND
