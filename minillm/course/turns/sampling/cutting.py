"""07.top_p: cut the tail of a distribution, nucleus sampling (Holtzman et al. 2020, section 3.1)."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def top_p(logits, p):
    """The logits, with minus infinity for all but the likeliest tokens that reach p together."""
    shares, order = logits.softmax(dim=-1).sort(descending=True)
    before = shares.cumsum(dim=-1) - shares  # of all more probable tokens
    kept = logits.clone()
    kept[order[before >= p]] = -math.inf
    return kept


turn = Turn(
    "07.top_p",
    "Cut the tail",
    top_p,
    minutes=9,
    difficulty=3,
    constants=("logits", "p"),
    hints=(
        "Probabilities 0.5, 0.3, 0.2 and p = 0.7: which two stay, and what do the tokens before each add up to?",
        "`values, order = probabilities.sort(descending=True)`: `order` says which token stands at each rank. A token "
        "goes if those before it already reach p.",
        "The cut is known by rank, and the logits stand by id: `order[...]` turns ranks into ids. Write -inf there, in "
        "a copy.",
    ),
    errors={
        "changed the input": "The caller still needs `logits`. Write into a copy: `logits.clone()`.",
        "Dimension out of range|too many indices": "`logits` has one axis here: there's no batch.",
        "k out of range": "As many tokens stay as are needed to reach p: no fixed number k.",
        "must match|shape mismatch|not match": "As many tokens stay as are needed: no fixed number, and a mask as long "
        "as `logits`.",
        r"name '(top_p|probs|probabilities|k|filter_value)' is not defined": "There are two arguments: `logits` and "
        "`p`.",
        "single memory location": "`remove[1:] = remove[:-1]` overwrites what it reads next: put `.clone()` on "
        "the right.",
        "'list' object|only integer tensors": "`logits` is a tensor, and so is `order`, which may index it.",
    },
    debrief=Debrief(
        "Hugging Face does the same for a batch, with `scatter` in place of `order[...]`. Inference engines avoid "
        "sorting 49,152 numbers per token: they search for the threshold.",
        "When the model is sure, top-p keeps one token; when it isn't, hundreds. What would top-k keep?",
    ),
)


def _ranked(logits: Tensor) -> tuple[Tensor, Tensor]:
    shares, order = logits.softmax(-1).sort(descending=True)
    return shares, order


def _without(logits: Tensor, cut: Tensor, value: float = -math.inf) -> Tensor:
    """The logits, with another value at these ids."""
    kept = logits.clone()
    kept[cut] = value
    return kept


def _by_rank(drop: Callable[[Tensor, float], Tensor], value: float = -math.inf) -> Callable[[Tensor, float], Tensor]:
    """A cut that drops ranks, given the sorted probabilities and p."""

    def cut(logits: Tensor, p: float) -> Tensor:
        shares, order = _ranked(logits)
        return _without(logits, order[drop(shares, p)], value)

    return cut


def _far(rng: random.Random, V: int, p: float, scale: float = 1.5) -> Call:
    """Logits without ties, whose cumulative probabilities are not near p."""
    while True:
        logits = numbers(rng, V, scale=scale)
        ends = _ranked(logits)[0].cumsum(-1)
        if len(set(logits.tolist())) == V and (p == 1 or float((ends - p).abs().min()) > 0.01):
            return logits, p


def _some(rng: random.Random) -> list[Call]:
    small: Call = (torch.tensor([0.0, 2.0, 1.0]), 0.7)
    return [small, *(_far(rng, V, p) for V, p in ((4, 0.6), (5, 0.9), (6, 0.8), (8, 0.5), (8, 0.7), (12, 0.95)))]


def _one(rng: random.Random) -> list[Call]:
    """The likeliest token alone is enough."""
    sure = torch.tensor([0.0, 5.0, 1.0, -1.0])
    return [
        (sure, 0.5),
        (torch.tensor([4.0, 0.0, -1.0]), 0.1),
        (_far(rng, 6, 0.05)[0], 0.05),
        (torch.tensor([2.0]), 0.9),
    ]


def _exact(rng: random.Random) -> list[Call]:
    """Probabilities of 1/2, 1/4 and twice 1/8, in another order; p is reached exactly, or everything stays."""
    halves = math.log(2) * torch.tensor([1.0, 0.0, 2.0, 0.0])
    return [(halves, 0.5), (halves, 0.75), (halves, 1.0), (torch.tensor([0.0, 1.0, -2.0]), 1.0)]


def _cut(rng: random.Random) -> list[Call]:
    """Logits from which something was cut before."""
    calls = []
    for V, p in ((4, 0.9), (6, 0.8), (6, 1.0)):
        logits = _far(rng, V, p)[0]
        logits[rng.randrange(V)] = -math.inf
        calls.append((logits, p))
    return calls


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not one number per token."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        logits = call[0]
        if type(answer) in (tuple, dict):
            return (
                "Several things are returned.",
                "Return one tensor, the logits with -inf where a token is cut.",
                index,
            )
        tensor = as_tensor(answer)
        if tensor is None:
            continue
        if tensor.dtype == torch.bool:
            return "That's a mask.", "Return the logits, with -inf where a token is cut.", index
        if tensor.shape != logits.shape and tensor.dim() == 1 and len(tensor) < len(logits):
            hint = "Keep the shape: the position says which token it is. Cut tokens get -inf."
            if not tensor.is_floating_point():
                return "These are the ids of the tokens that stay.", hint, index
            return "Only the logits of the tokens that stay are returned.", hint, index
    if (k := _fixed_number(calls, got)) is not None:
        hint = "How many stay depends on the probabilities: add them up until they reach p."
        return f"This is top-k: {k} tokens stay, whatever their probabilities.", hint
    return None


def _fixed_number(calls: list[Call], got: list[Any]) -> int | None:
    """The number of tokens that stay in every call, if these are the likeliest; None if it differs."""
    answers = [tensor for answer in got if (tensor := as_tensor(answer)) is not None]
    if len(calls) < 5 or len(answers) < len(got):
        return None
    k = max(int((answer > -math.inf).sum()) for answer in answers)
    for (logits, _), answer in zip(calls, answers, strict=True):
        least = logits.topk(min(k, len(logits))).values[-1]
        if difference(logits.masked_fill(logits < least, -math.inf), answer) is not None:
            return None
    return k


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another number of tokens is kept than should be."""
    for index, (due, gave) in enumerate(zip(right, map(as_tensor, got), strict=True)):
        if gave is None or gave.shape != due.shape or difference(due, gave) is None:
            continue
        if gave.isnan().any():
            return (
                "There is a NaN.",
                "-inf times 0, or minus -inf? Write -inf into a copy in place of the logit.",
                index,
            )
        kept, wanted = int((gave > -math.inf).sum()), int((due > -math.inf).sum())
        same = gave > -math.inf
        if difference(calls[index][0][same], gave[same]):
            continue
        if kept == 0:
            return "Nothing is left.", "The likeliest token always stays: nothing comes before it.", index
        if kept != wanted:
            hint = "Which sum do you compare with p: of the more probable ones, or with the token itself?"
            return f"{kept} token{'s' * (kept != 1)} stayed, and {wanted} should.", hint, index
        hint = "`order` says which token stands at each rank: `order[...]`."
        return "As many tokens stay as should, but others.", hint, index
    return None


some = turn.probe("the likeliest tokens that reach p", _some, _form)
some.at_last = _nearly
some.mistake(
    "The token that reaches p is cut, too.",
    "Together, the kept tokens must reach p. Cut a token if those before it already do.",
    _by_rank(lambda shares, p: shares.cumsum(-1) > p),
)
some.mistake(
    "One token too many stays.",
    "Cut a token if those before it already reach p.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares - torch.cat([torch.zeros(1), shares[:-1]]) >= p),
)
some.mistake(
    "The mask is in sorted order, and the logits are in the order of their ids.",
    "Rank 0 isn't token 0. `order` says which token stands at each rank.",
    lambda logits, p: logits.masked_fill(_ranked(logits)[0].cumsum(-1) - _ranked(logits)[0] >= p, -math.inf),
)
some.mistake(
    "The mask is in sorted order, the logits are not, and the token that reaches p is cut.",
    "`order` says which token stands at each rank. And cut a token if those before it already reach p.",
    lambda logits, p: logits.masked_fill(_ranked(logits)[0].cumsum(-1) > p, -math.inf),
)
some.mistake(
    "The mask is indexed with `order`, which goes the wrong way: from ids to ranks.",
    "`order[rank]` is an id. Write with it, `kept[order[drop]] = ...`, or use `scatter`.",
    lambda logits, p: logits.masked_fill(
        (_ranked(logits)[0].cumsum(-1) - _ranked(logits)[0] >= p)[_ranked(logits)[1]], -math.inf
    ),
)
some.mistake(
    "The logits come back sorted.",
    "Keep their order: the position says which token it is.",
    lambda logits, p: logits.sort(descending=True).values.masked_fill(
        _ranked(logits)[0].cumsum(-1) - _ranked(logits)[0] >= p, -math.inf
    ),
)
some.mistake(
    "The logits are added up, not the probabilities.",
    "p is a probability: `softmax` first.",
    lambda logits, p: _without(
        logits,
        logits.sort(descending=True).indices[
            logits.sort(descending=True).values.cumsum(-1) - logits.sort(descending=True).values >= p
        ],
    ),
)
some.mistake(
    "Cut tokens get -10,000,000,000.",
    "That's close, but then a token can still be drawn, at a very high temperature. `-math.inf` is exact.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares >= p, -1e10),
)
some.mistake(
    "Cut tokens get -1,000,000,000.",
    "That's close, but then a token can still be drawn, at a very high temperature. `-math.inf` is exact.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares >= p, -1e9),
)
some.mistake(
    "Cut tokens get the lowest number that a float32 can hold.",
    "`-math.inf` is exact, whatever the temperature and the type.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares >= p, torch.finfo(torch.float32).min),
)
some.mistake(
    "Cut tokens get the logit 0, which is often higher than what they had.",
    "The logit that softmax turns into 0 is `-math.inf`.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares >= p, 0.0),
)
some.mistake(
    "Probabilities are returned.",
    "Return logits: `sample` divides them by the temperature, and takes softmax.",
    lambda logits, p: top_p(logits, p).softmax(-1),
)
some.mistake(
    "Log-probabilities are returned.",
    "`sample` would draw the same from them. But a token that stays keeps its logit, as it came.",
    lambda logits, p: logits.log_softmax(-1).masked_fill(top_p(logits, p) == -math.inf, -math.inf),
)
some.mistake(
    "Log-probabilities of what is left are returned.",
    "`sample` would draw the same from them. But a token that stays keeps its logit, as it came.",
    lambda logits, p: top_p(logits, p).log_softmax(-1),
)
some.mistake(
    "Probabilities are returned, and they don't add up to 1.",
    "Return logits: `sample` takes softmax, which makes the rest add up to 1.",
    lambda logits, p: logits.softmax(-1).masked_fill(top_p(logits, p) == -math.inf, 0.0),
)
some.mistake(
    "Probabilities are returned where logits are asked for, with -inf among them.",
    "Put -inf into a copy of `logits`.",
    lambda logits, p: logits.softmax(-1).masked_fill(top_p(logits, p) == -math.inf, -math.inf),
)
some.mistake(
    "This is min-p: what has less than p times the largest probability is cut.",
    "For top-p, add up the probabilities from the likeliest down.",
    lambda logits, p: logits.masked_fill(logits.softmax(-1) < p * logits.softmax(-1).max(), -math.inf),
)
some.mistake(
    "Each token with a probability below p is cut.",
    "It's their sum, from the likeliest down, that must reach p.",
    lambda logits, p: logits.masked_fill(logits.softmax(-1) < p, -math.inf),
)
some.mistake(
    "Each token with a probability below 1 - p is cut.",
    "It's their sum, from the likeliest down, that must reach p.",
    lambda logits, p: logits.masked_fill(logits.softmax(-1) < 1 - p, -math.inf),
)
some.mistake(
    "The least likely tokens are kept: the order is ascending.",
    "Begin with the likeliest: `sort(descending=True)`.",
    lambda logits, p: _without(
        logits,
        logits.sort().indices[logits.sort().values.softmax(-1).cumsum(-1) - logits.sort().values.softmax(-1) >= p],
    ),
)
some.mistake(
    "The probabilities are added up in the order of the ids.",
    "Begin with the likeliest: sort first.",
    lambda logits, p: logits.masked_fill(logits.softmax(-1).cumsum(-1) - logits.softmax(-1) >= p, -math.inf),
)
some.mistake(
    "The tail is kept, and the likeliest tokens are cut.",
    "Turn the comparison around: a token goes if those before it already reach p.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares < p),
)
some.mistake(
    "This is top-k, with k = p times the number of tokens.",
    "How many stay depends on the probabilities: add them up until they reach p.",
    lambda logits, p: logits.masked_fill(logits < logits.topk(max(1, int(p * len(logits)))).values[-1], -math.inf),
)
some.mistake(
    "Nothing is cut.",
    "Is the result of the last step returned? `masked_fill` and `scatter` without `_` return something new.",
    lambda logits, p: logits.clone(),
)
some.mistake(
    "Only the likeliest token stays.",
    "Others stay until their sum reaches p.",
    lambda logits, p: logits.masked_fill(logits < logits.max(), -math.inf),
)

one = turn.probe("one token is enough", _one, _form)
one.at_last = _nearly
one.mistake(
    "Nothing is left where the likeliest token alone is above p.",
    "That token always stays: no other comes before it.",
    _by_rank(lambda shares, p: shares.cumsum(-1) > p),
)
one.mistake(
    "Where the likeliest token alone reaches p, a second one stays.",
    "Cut a token if those before it already reach p.",
    _by_rank(lambda shares, p: (shares.cumsum(-1) - shares >= p) & (torch.arange(len(shares)) > 1)),
)

exact = turn.probe("p is reached exactly, or is 1", _exact, _form)
exact.at_last = _nearly
exact.mistake(
    "Where p is reached exactly, one more token stays.",
    "If those before a token reach p exactly, it isn't needed any more: `>=`.",
    _by_rank(lambda shares, p: shares.cumsum(-1) - shares > p),
)


def _first_beyond(logits: Tensor, p: float) -> Tensor:
    """The logit of the first token with which the sum is above p."""
    shares, order = _ranked(logits)
    return logits[order[min(int((shares.cumsum(-1) <= p).sum()), len(order) - 1)]]


exact.mistake(
    "Where p is reached exactly, the next token stays, too, with all that are as likely.",
    "If those before a token reach p exactly, it isn't needed any more: `>=`.",
    lambda logits, p: logits.masked_fill(logits < _first_beyond(logits, p), -math.inf),
)
exact.mistake(
    "Where p is reached exactly, the token that reaches it is cut.",
    "The kept tokens reach p together with that one: look at the sum before it.",
    _by_rank(lambda shares, p: (shares.cumsum(-1) - shares >= p) | (shares.cumsum(-1) == p)),
)
exact.mistake(
    "At p = 1 the least likely token is cut.",
    "At p = 1 everything stays.",
    lambda logits, p: _without(top_p(logits, p), logits.argmin()) if p == 1 else top_p(logits, p),
)

cut = turn.probe("some were cut before", _cut, _form)
cut.at_last = _nearly
