"""Why a finished model predicts better without its mask: the loss by what stands after the predicted token.

A part of `bug_zoo.py`. At six places of a text, the model without a mask predicts the next token while it sees, after
the current one: the right rest of the text; nothing; the tokens of another text; the right next token and then the
other text; or a token of the other text and then the right rest.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from measures import bootstrap_interval, stored, text_losses, texts
from torch import Tensor

from minillm.analysis.surgery import prompt_ids
from minillm.course.bug_zoo import infected
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

PLACES = 6
TEXTS = 12
MARGIN = 8  # tokens before the first place and after the last one
FUTURES = ("right", "none", "another text's", "right next token only", "right but for the next token")


def places(T: int) -> list[int]:
    """Places that are spread over a text of T tokens.

    >>> places(30)
    [8, 10, 13, 15, 18, 20]
    """
    return torch.linspace(MARGIN, T - 1 - MARGIN - 1, PLACES).round().long().tolist()


def with_future(ids: Sequence[int], other: Sequence[int], t: int, future: str) -> list[int]:
    """A text with what stands after token t; `other` is at least as long.

    >>> with_future([1, 2, 3, 4], [5, 6, 7, 8], 1, "right next token only")
    [1, 2, 3, 8]
    >>> with_future([1, 2, 3, 4], [5, 6, 7, 8], 1, "right but for the next token")
    [1, 2, 7, 4]
    """
    ids, other = list(ids), list(other[: len(ids)])
    return {
        "right": ids,
        "none": ids[: t + 1],
        "another text's": ids[: t + 1] + other[t + 1 :],
        "right next token only": ids[: t + 2] + other[t + 2 :],
        "right but for the next token": [*ids[: t + 1], other[t + 1], *ids[t + 2 :]],
    }[future]


def losses_at(model: Transformer, rows: Sequence[Sequence[int]], at: Sequence[int], targets: Sequence[int]) -> Tensor:
    """For each row of ids the loss of the target that follows position `at`, in nats."""
    found = []
    for row, t, target in zip(rows, at, targets, strict=True):
        logits = model.head(model.hidden(torch.tensor([row]))[0, t])
        found.append(-logits.log_softmax(-1)[target])
    return torch.stack(found)


@torch.no_grad()
def by_future(model: Transformer, tokenizer: Tokenizer, text: str, others: str) -> dict[str, list[float]]:
    """Losses at the places of a text: with its mask, and without it by what stands after each."""
    ids, other = prompt_ids(tokenizer, text), prompt_ids(tokenizer, others)
    other = (other * (1 + len(ids) // len(other)))[: len(ids)]
    at = places(len(ids))
    targets = [ids[t + 1] for t in at]
    found = {"with the mask": losses_at(model, [ids[: t + 1] for t in at], at, targets).tolist()}
    with infected(model, "no mask"):
        for future in FUTURES:
            rows = [with_future(ids, other, t, future) for t in at]
            found[future] = losses_at(model, rows, at, targets).tolist()
    return found


def no_mask_part(model: Transformer, tokenizer: Tokenizer, folder: Path) -> dict:
    """The loss on all texts with the mask and without it, and the control on the first 12."""
    every, few = texts(), texts(TEXTS)
    masked = stored(folder / "mask, all texts.json", lambda: text_losses(model, tokenizer, every))

    def without_mask() -> list[float]:
        with infected(model, "no mask"):
            return text_losses(model, tokenizer, every)

    unmasked = stored(folder / "no mask, all texts.json", without_mask)
    rows = []
    for number, text in enumerate(few):
        other = few[(number + 1) % len(few)]
        path = folder / f"future of text {number}.json"
        rows.append(stored(path, lambda text=text, other=other: by_future(model, tokenizer, text, other)))
    means = {name: [fmean(row[name]) for row in rows] for name in rows[0]}
    costs = [without - loss for without, loss in zip(unmasked, masked, strict=True)]
    return {
        "texts": len(every),
        "lower on": sum(cost < 0 for cost in costs),
        "loss": {"with": fmean(masked), "without": fmean(unmasked)},
        "cost": {"mean": fmean(costs), "interval": bootstrap_interval(costs, fmean), "costs": costs},
        "kinds": texts(field="kind"),
        "places": PLACES,
        "futures": {
            name: {"mean": fmean(values), "interval": bootstrap_interval(values, fmean)}
            | difference(values, means["with the mask"])
            for name, values in means.items()
        },
        "rows": means,
    }


def difference(values: Sequence[float], masked: Sequence[float]) -> dict:
    """What is added to the loss with the mask, text by text, with an interval, and on how many texts it is lower.

    >>> difference([1.0, 1.0], [2.0, 2.0])
    {'cost': -1.0, 'cost interval': (-1.0, -1.0), 'lower on': 2}
    """
    costs = [value - loss for value, loss in zip(values, masked, strict=True)]
    return {
        "cost": fmean(costs),
        "cost interval": bootstrap_interval(costs, fmean),
        "lower on": sum(cost < 0 for cost in costs),
    }
