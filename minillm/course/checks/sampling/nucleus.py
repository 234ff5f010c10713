"""07.2, a bug-hunt: top-p that was written for one text, and is given a batch.

Both mistakes stood side by side in fish-speech (pull requests 1171 and 1326): `drop[0] = False` meant the likeliest
token of one text, and in a batch it is all of the first text; and the token that crosses p was cut. The second one is
the commonest of all: issue 46 of transformers-neuronx, pull request 21 of C2C, 360 of esm. A mask that is not brought
back into the tokens' order is issue 1 of routing-transformer.
"""

import math
import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question
from minillm.inference.sampling import keep_top_k, keep_top_p

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


def _text(rng: random.Random, V: int, lowest: int = 10, highest: int = 95) -> tuple[Tensor, float]:
    """V different logits, and a p that no sum of probabilities comes near."""
    while True:
        row = torch.tensor(rng.sample(range(-25, 26), V)) / 10
        p = rng.randint(lowest, highest) / 100
        if ((row.softmax(-1).sort(descending=True).values.cumsum(-1)[:-1] - p).abs() > MARGIN).all():
            return row, p


def _texts(rng: random.Random, *sizes: tuple[int, int]) -> list[Call]:
    """B texts with V different logits each, and a p for each: (B, V)."""
    calls = []
    for B, V in sizes:
        rows, every = zip(*(_text(rng, V) for _ in range(B)), strict=True)
        calls.append((torch.stack(rows), torch.tensor(every)))
    return calls


def _one(rng: random.Random) -> list[Call]:
    row, small = _text(rng, 4, highest=20)
    calls = [*_texts(rng, (1, 3), (1, 5), (1, 6), (1, 8), (1, 8)), (row[None], torch.tensor([small]))]
    row, own = _text(rng, 4)
    calls += [(row[None], torch.tensor([1.0])), (row[None] + 200, torch.tensor([own]))]
    cut = torch.cat([row[:2], torch.tensor([-math.inf]), row[2:]])
    return [*calls, (cut[None], torch.tensor([own])), (torch.tensor([[0.5]]), torch.tensor([0.9]))]


ONE = (
    *["usual logits"] * 5,
    "a small p",
    "a p of 1",
    "large logits",
    "a logit that is minus infinity",
    "one token only",
)


def _explained(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What is kept that should be cut, or the other way round, and how a cut logit is written."""
    results = [as_tensor(answer) for answer in got]
    if any(result is None or result.shape != logits.shape for (logits, _), result in zip(calls, results, strict=True)):
        return None
    rows = [  # logits, p, the right result and the wrong one, of each wrong row
        (*row, index)
        for (logits, p), wanted, result in zip(calls, right, results, strict=True)
        for index, row in enumerate(zip(logits, p, wanted, result.float(), strict=True))  # pyright: ignore[reportOptionalMemberAccess]
        if apart(row[2], row[3]).any()
    ]
    return _other_values(rows) or _other_choice(rows, results)


def _other_values(rows: list[Any]) -> tuple[str, str] | None:
    """Another number than minus infinity where a logit is cut, or other logits where one stays."""
    fills = torch.cat([got[wanted.isinf() & logits.isfinite()] for logits, _, wanted, got, _ in rows])
    if all(not apart(wanted[wanted.isfinite()], got[wanted.isfinite()]).any() for _, _, wanted, got, _ in rows):
        fills = fills[fills.isfinite()]
        if len(fills) > 1 and (fills == fills[0]).all():
            hint = "Minus infinity is the only logit whose probability is 0: e to the 0 is 1."
            return f"A cut logit is {fills[0].item() + 0.0:.8g}; it should be minus infinity.", hint
    for logits, _, _, got, _ in rows:
        stays = got.isfinite()
        if apart(logits[stays], got[stays]).any():
            hint = "Return logits. `masked_fill` leaves the others as they were."
            if ((got >= 0) & (got <= 1)).all():
                return "These are probabilities or a mask, and logits are asked for.", hint
            if abs(got[stays].exp().sum() - 1) < 1e-3:
                return "The logits that stay have been normalized; they should be as they were.", hint
            return "Logits that stay are not as they were.", hint
    return None


def _other_choice(rows: list[Any], results: list[Any]) -> tuple[str, str] | None:
    """Other tokens than the likeliest, or too few or too many of them."""
    counts = [(got.isfinite().sum().item(), wanted.isfinite().sum().item()) for _, _, wanted, got, _ in rows]
    likeliest = [torch.arange(len(logits)) == logits.argmax() for logits, _, _, _, _ in rows]
    if all(apart(wanted, got).equal(place) for (_, _, wanted, got, _), place in zip(rows, likeliest, strict=True)):
        return "The likeliest token is cut; the others are as they should be.", (
            "No other token stands before the likeliest, so it always stays. What fills the first place of the mask?"
        )
    for logits, _, _, got, index in rows:
        order, stays = logits.argsort(descending=True), got.isfinite()
        if not stays[order[: stays.sum()]].all():
            missed, other = order[~stays[order]][0].item(), order[stays[order]][-1].item()
            hint = "The nucleus is made of the likeliest tokens. Print the mask, sorted and in the order of `logits`."
            return f"Text {index} keeps token {other} and cuts token {missed}, which is likelier.", hint
    hint = "The nucleus is the smallest number of likeliest tokens that together reach p."
    inner = [(logits, p, got) for logits, p, _, got, _ in rows if 0.02 < p < 0.98]
    single = all(len(result) == 1 for result in results)  # of several texts some may agree by chance
    if single and all(top_p(logits[None], 1 - p[None])[0].equal(got) for logits, p, got in inner):
        return "What stays holds 1 - p and not p.", hint
    if all(kept == due - 1 for kept, due in counts):
        return "The token that crosses p is cut: each time one too few stays.", hint
    if all(kept == due + 1 for kept, due in counts):
        return "One token too many stays: the one after that which crosses p.", hint
    batches = [result.isfinite().sum(-1).tolist() for result in results if len(result) > 1]
    if batches and all(len(set(each)) == 1 for each in batches):
        sentence = f"Every text keeps {counts[0][0]} of its tokens, and this one should keep {counts[0][1]}"
        return f"{sentence}.", "Each text has its own p, and so its own number of tokens."
    (logits, p, _, _, index), (kept, due) = rows[0], counts[0]
    held = logits.softmax(-1).sort(descending=True).values[:kept].sum()
    sentence = f"Text {index} keeps its {kept} likeliest, which hold {held:.3g}; p is {p:.3g}, so {due} should stay"
    return f"{sentence}.", hint


def _relative(logits: Tensor) -> Tensor:
    """What each token holds, over what the likeliest holds."""
    return (logits - logits.max(-1, keepdim=True).values).exp()


def _not_first(shares: Tensor) -> Tensor:
    return torch.arange(shares.shape[-1]) > 1


def _share_of_vocabulary(logits: Tensor, p: Tensor, *, count: Any) -> Tensor:
    """The likeliest p · V tokens of each text, one at least."""
    rows = [keep_top_k(row, max(1, count(own * len(row)))) for row, own in zip(logits, p.tolist(), strict=True)]
    return torch.stack(rows)


question = Question("07.2", "A nucleus for each text of a batch", top_p)

one_text = question.probe("one text", _one, _explained, kinds=ONE)
one_text.mistake(
    "Nothing is cut from the first text.",
    "`drop` is (B, V), and `drop[0]` is the whole first row. Does a line like this spare too much?",
    partial(_top_p, drop=lambda shares, p: _drop(shares, p) & (torch.arange(len(shares)) > 0)[:, None]),
)
one_text.mistake(
    "The token that crosses p is cut.",
    "A token stays while those before it hold less than p: compare p with the sum without the token.",
    partial(_top_p, drop=lambda shares, p: (shares.cumsum(-1) > p) & (torch.arange(shares.shape[1]) > 0)),
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
    "It is min-p: what holds at least p times as much as the likeliest token stays.",
    "Top-p looks at the sum of the likelier ones: keep the fewest of the likeliest that together reach p.",
    lambda logits, p: logits.masked_fill(_relative(logits) < p[:, None], -math.inf),
)
one_text.mistake(
    "Each token is held against p by itself: what holds less than p is cut.",
    "It is the sum that must reach p: the sum of what the likelier tokens hold.",
    lambda logits, p: logits.masked_fill(logits.softmax(-1) < p[:, None], -math.inf),
)
one_text.mistake(
    "One token too many stays: the one after that which crosses p.",
    "A token stays while those before it hold less than p.",
    partial(_top_p, drop=lambda shares, p: (shares.cumsum(-1) - shares - shares.roll(1, -1) >= p) & _not_first(shares)),
)

one_text.mistake(
    "The tokens are not sorted: they are collected in the order of the vocabulary.",
    "The nucleus begins with the likeliest: sort first, and bring the mask back afterwards.",
    lambda logits, p: logits.masked_fill(_drop(logits.softmax(-1), p[:, None]), -math.inf),
)
for _count in (math.ceil, math.floor):
    one_text.mistake(
        "p is taken for a share of the tokens: p times V of them stay.",
        "p is a sum of probabilities: keep the fewest of the likeliest that together hold p.",
        partial(_share_of_vocabulary, count=_count),
    )

several_texts = question.probe(
    "several texts, each with its own p", lambda rng: _texts(rng, (3, 3), (4, 4), (5, 5), (6, 6)), _explained
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


def _same_for_all(logits: Tensor, p: Tensor, *, choose: Any) -> Tensor:
    """Every text keeps as many tokens as one of them should."""
    count = choose(top_p(logits, p).isfinite().sum(-1))
    return logits.masked_fill(logits.argsort(descending=True).argsort(-1) >= count, -math.inf)


several_texts.mistake(
    "Every text keeps as many tokens as the one with the largest nucleus.",
    "Each text has its own number of tokens: `drop` is a mask of (B, V), and no row's number is another's.",
    partial(_same_for_all, choose=lambda counts: counts.max()),
)
several_texts.mistake(
    "Every text is cut at the largest p of the batch.",
    "Each row has its own: `p[:, None]` is a column.",
    partial(_top_p, own=lambda p: p.max()),
)
several_texts.mistake(
    "Every text is cut at the mean p of the batch.",
    "Each row has its own: `p[:, None]` is a column.",
    partial(_top_p, own=lambda p: p.mean()),
)
several_texts.mistake(
    "Nothing is cut from the last text.",
    "`drop` is (B, V): `drop[-1]` is a whole row.",
    partial(_top_p, drop=lambda shares, p: _drop(shares, p) & (torch.arange(len(shares)) < len(shares) - 1)[:, None]),
)
