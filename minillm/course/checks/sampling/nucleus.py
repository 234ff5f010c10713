"""07.2, a bug-hunt: top-p that was written for one text, and is given a batch.

Both mistakes stood side by side in fish-speech (pull requests 1171 and 1326): `drop[0] = False` meant the likeliest
token of one text, and in a batch it is all of the first text; and the token that crosses p was cut. The second one is
the commonest of all: issue 46 of transformers-neuronx, pull request 21 of C2C, 360 of esm. A mask that is not brought
back into the tokens' order is issue 1 of routing-transformer.
"""

import math
import random
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.question import Question
from minillm.inference.sampling import keep_top_p

MARGIN = 0.01  # what has been collected is never so near to p that rounding could decide


def top_p(logits: Float[Tensor, "B V"], p: Float[Tensor, "B"]) -> Float[Tensor, "B V"]:
    """The right answer, by the package, text by text.

    >>> top_p(torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]).log(), torch.tensor([0.4, 0.7])).softmax(-1)
    tensor([[1.0000, 0.0000, 0.0000],
            [0.6250, 0.3750, 0.0000]])
    """
    return torch.stack([keep_top_p(row, own) for row, own in zip(logits, p.tolist(), strict=True)])


def _drop(probabilities: Tensor, p: Tensor) -> Tensor:
    return probabilities.cumsum(-1) - probabilities >= p


def _back(drop: Tensor, order: Tensor) -> Tensor:
    return drop.gather(-1, order.argsort(-1))


def _top_p(logits, p, *, down=True, drop=_drop, own=lambda p: p[:, None], back=_back, cut=-math.inf) -> Tensor:
    """Sort the tokens, mark those to drop by their probabilities, bring the marks back in order, and cut."""
    ordered, order = logits.sort(descending=down)
    return logits.masked_fill(back(drop(ordered.softmax(-1), own(p)), order), cut)


def _texts(rng: random.Random, *sizes: tuple[int, int]) -> list[Call]:
    """B texts with V different logits each, and a p for each: (B, V)."""

    def clear(row: Tensor, p: float) -> bool:
        return bool(((row.softmax(-1).sort(descending=True).values.cumsum(-1) - p).abs() > MARGIN).all())

    calls = []
    for B, V in sizes:
        rows, every = [], []
        while len(rows) < B:
            row = torch.tensor(rng.sample(range(-25, 26), V)) / 10
            p = rng.randint(10, 95) / 100
            if clear(row, p):
                rows.append(row)
                every.append(p)
        calls.append((torch.stack(rows), torch.tensor(every)))
    return calls


question = Question("07.2", "A nucleus for each text of a batch", top_p)

one_text = question.probe("one text", lambda rng: _texts(rng, (1, 3), (1, 5), (1, 6), (1, 8), (1, 8)))
one_text.mistake(
    "Nothing is cut from the first text.",
    "`drop` is (B, V), and `drop[0]` is the whole first row. Does a line like this spare too much?",
    partial(_top_p, drop=lambda shares, p: _drop(shares, p) & (torch.arange(len(shares)) > 0)[:, None]),
)
one_text.mistake(
    "The token that crosses p is cut.",
    "A token stays while those before it hold less than p: compare p with the sum without the token.",
    partial(_top_p, drop=lambda shares, p: (shares.cumsum(-1) >= p) & (torch.arange(shares.shape[1]) > 0)),
)
one_text.mistake(
    "What is cut is found by place in the sorted list, but cut by place in the vocabulary.",
    "`order` says which token stands where. The mask must go back the same way: scatter, or gather.",
    partial(_top_p, back=lambda drop, order: drop),
)
one_text.mistake(
    "The mask goes back by `order` where it needs the inverse.",
    "`gather` asks for the place of each token: `order.argsort(-1)`. Or scatter by `order`.",
    partial(_top_p, back=lambda drop, order: drop.gather(-1, order)),
)
one_text.mistake(
    "The least likely tokens are collected first.",
    "The nucleus begins with the likeliest: `sort(descending=True)`.",
    partial(_top_p, down=False),
)
one_text.mistake(
    "The logits come back sorted: they belong to other tokens now.",
    "Sort only to find out what to cut. The answer has the order of `logits`.",
    lambda logits, p: top_p(logits, p).sort(descending=True).values,
)
one_text.mistake(
    "The tail is kept and the nucleus is cut.",
    "Cut a token if those before it have reached p already.",
    partial(_top_p, drop=lambda shares, p: ~_drop(shares, p)),
)
one_text.mistake(
    "A cut logit is 0, and e to the 0 is 1.",
    "Minus infinity is the only logit whose probability is 0.",
    partial(_top_p, cut=0.0),
)

several_texts = question.probe(
    "several texts, each with its own p", lambda rng: _texts(rng, (3, 3), (4, 4), (5, 5), (6, 6))
)
several_texts.mistake(
    "Every text is cut at the first one's p.",
    "Each row has its own: `p[:, None]` is a column.",
    partial(_top_p, own=lambda p: p[0]),
)
several_texts.mistake(
    "The p's lie along the tokens, not along the texts.",
    "A vector (B,) is laid along the last axis. `p[:, None]` makes a column of it, (B, 1).",
    partial(_top_p, own=lambda p: p),
)
several_texts.mistake(
    "What is cut in one text is cut in all.",
    "The mask must stay (B, V). Ids without their row have lost their text.",
    partial(_top_p, back=lambda drop, order: _back(drop, order).any(0)),
)
