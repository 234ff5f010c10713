"""06.differs: the first place where a model departs from a reference, block by block."""

import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def differs(actual, right, tolerance):
    """The first depth at which a token's vector is off by more than tolerance times its norm, or None."""
    for depth, (ours, theirs) in enumerate(zip(actual, right, strict=True)):  # (T, C) each
        allowed = tolerance * theirs.norm(dim=-1)  # (T,)
        if not ((ours - theirs).norm(dim=-1) <= allowed).all():  # false for NaN, too
            return depth
    return None


turn = Turn(
    "06.differs",
    "A test that finds the bug",
    differs,
    minutes=8,
    difficulty=3,
    constants=("actual", "right", "tolerance"),
    hints=(
        "For one depth and one token: how large is the difference, and how large may it be?",
        "`.norm(dim=-1)` gives one number per token, of the difference and of the right vector. Each token has its own "
        "limit, and one token that is off is enough.",
        "Every comparison with NaN is False. So ask whether all differences are within the limit, and take the first "
        "depth where they aren't.",
    ),
    errors={
        r"ambiguous": "A comparison of tensors holds many True and False. `.any()` or `.all()` makes one of them.",
        r"name '(L|T|C|depth|layers|n_layers|ids|model|tol|eps|rtol|atol|expected)' is not defined": "The arguments "
        "are `actual`, `right` and `tolerance`; take sizes from `actual.shape`.",
        r"Tensor-likes are not|AssertionError": "`assert_close` raises an error. Return the number of the depth.",
        r"size of tensor a|must match": "`.norm(dim=-1)` gives one number per token. Compare numbers per token with "
        "numbers per token.",
        r"out of bounds|out of range": "There are `len(actual)` depths, and how many differs from case to case.",
        r"cannot convert|item\(\)|Boolean value|only one element": "`float(...)` and `.item()` need a single number: "
        "`.max()`, `.any()` or `.all()` first.",
    },
    debrief=Debrief(
        "A port of a model is tested like this, layer by layer, against the original in float64. "
        "`torch.testing.assert_close` does it for one pair of tensors, and knows NaN.",
        "Two models agree at every depth on one prompt. Which bugs of the zoo could still be there?",
    ),
)


def _found(
    actual: Tensor,
    right: Tensor,
    tolerance: float,
    *,
    apart: Callable[..., Tensor] = lambda ours, theirs, tolerance: (ours - theirs).norm(dim=-1),
    limit: Callable[..., Any] = lambda ours, theirs, tolerance: tolerance * theirs.norm(dim=-1),
    off: Callable[..., Any] = lambda apart, limit: not (apart <= limit).all(),
    depths: Callable[[int], Any] = lambda n: range(n),
) -> int | None:
    """The search with one thing done differently."""
    for depth in depths(len(actual)):
        ours, theirs = actual[depth], right[depth]
        if off(apart(ours, theirs, tolerance), limit(ours, theirs, tolerance)):
            return depth
    return None


def _streams(
    rng: random.Random,
    L: int,
    T: int,
    C: int,
    at: int | None,
    token: int | None,
    sizes: Sequence[float],
    start: float = 100.0,
) -> Call:
    """Streams that part at a depth and a token (None: at all), from there on by these shares of the norm.

    Rounding is everywhere. Token 0 is `start` times as long as the others.
    """
    right = numbers(rng, L, T, C, scale=2.0) + 0.5
    right[1:, 0] *= start
    actual = right * (1 + 0.0001 * numbers(rng, L, T, C).sign())
    for depth, size in enumerate(sizes, at or 0):
        for t in range(T) if token is None else (token,):
            direction = numbers(rng, C, scale=5.0) + 0.1
            actual[depth, t] += size * right[depth, t].norm() * direction / direction.norm()
    return actual, right, 0.01


def _stretched(rng: random.Random, L: int, T: int, C: int, at: int, factor: float) -> Call:
    """Streams that part at a depth by a factor."""
    actual, right, tolerance = _streams(rng, L, T, C, None, 0, [])
    actual[at:] *= factor
    return actual, right, tolerance


def _calls(rng: random.Random) -> list[Call]:
    return [
        _streams(rng, 3, 2, 2, 1, 1, [0.1, 0.2]),
        _streams(rng, 3, 2, 3, None, 0, []),
        _streams(rng, 5, 4, 3, 2, 1, [0.02, 0.04]),
        _streams(rng, 4, 3, 2, 3, 0, [0.05]),
        _streams(rng, 4, 3, 4, 0, 2, [0.5, 0.2, 0.002]),
        _streams(rng, 6, 3, 4, 4, 1, [0.03, 0.03]),
        _streams(rng, 6, 3, 4, 2, 2, [0.009, 0.005]),
        _streams(rng, 5, 4, 3, 1, 2, [0.033, 0.05, 0.004], start=3.0),
        _streams(rng, 5, 4, 3, 1, 3, [0.05, 0.5], start=3.0),
        _streams(rng, 4, 3, 3, 1, None, [0.1, 0.2]),
        _stretched(rng, 3, 2, 3, 1, 1.005),
    ]


def _with_nan(rng: random.Random) -> list[Call]:
    """A NaN from some depth on, and infinities; and equal streams, of which nothing may differ."""
    calls = []
    for L, T, C, at, bad in ((4, 2, 2, 2, math.nan), (5, 3, 4, 1, math.inf), (3, 3, 2, 0, math.nan)):
        actual, right, tolerance = _streams(rng, L, T, C, None, 0, [])
        actual[at:, T - 1, 0] = bad
        calls.append((actual, right, tolerance))
    equal = numbers(rng, 3, 2, 2) + 0.5
    return [calls[0], _streams(rng, 3, 2, 2, None, 0, []), *calls[1:], (equal, equal.clone(), 0.0)]


def _kind(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """True and False, a tensor, a list, or several things in place of one number."""
    if all(type(result) is bool for result in got):
        return "True or False is returned.", "Return the number of the depth, or None where nothing differs."
    if all(type(result) is tuple and len(result) > 1 for result in got):
        return "Several things are returned.", "Return one number, or None."
    if all(type(result) is list for result in got):
        return "A list is returned.", "Return the first depth as a number, or None where nothing differs."
    if any(type(result) is Tensor and result.numel() != 1 for result in got):
        return "A tensor with several numbers is returned.", "Return the first depth as a number, or None."
    if any(type(result) is Tensor and result.dim() for result in got):
        return "A tensor with an axis is returned.", "Return the number itself: `.item()` makes one of it."
    nothing = [gave for wanted, gave in zip(right, got, strict=True) if wanted is None]
    if any(gave == -1 for gave in nothing if type(gave) is int):
        return "-1 is returned where nothing differs.", "Return None there."
    wrong = [gave for wanted, gave in zip(right, got, strict=True) if wanted != gave]
    if any(gave is not None for gave in got) and all(gave is None for gave in wrong):
        return "In some cases, None is returned although something differs.", "In this case, which token is off?"
    if all(gave == len(call[0]) for call, wanted, gave in zip(calls, right, got, strict=True) if wanted is None):
        return "The number of depths is returned where nothing differs.", "Return None there."
    return None


probe = turn.probe("streams that part somewhere", _calls, _kind)
probe.mistake(
    "The tolerance is absolute: the difference isn't compared with the size of the vector.",
    "Allow `tolerance` times the norm of the right vector. START's is 20,000 in SmolLM2, the others' 100.",
    partial(_found, limit=lambda ours, theirs, tolerance: tolerance),
)
probe.mistake(
    "One limit for all tokens: START is so long that it hides the others.",
    "Each token has its own limit: the norm over the last axis only.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: (ours - theirs).norm(),
        limit=lambda ours, theirs, tolerance: tolerance * theirs.norm(),
    ),
)
probe.mistake(
    "The limit is taken from the longest token: START hides the others.",
    "Each token has its own limit: compare (T,) with (T,).",
    partial(_found, limit=lambda ours, theirs, tolerance: tolerance * theirs.norm(dim=-1).max()),
)


@probe.mistake(
    "The limit is taken from the longest token of all depths: START hides the others.",
    "Each token has its own limit at each depth.",
)
def _one_limit(actual, right, tolerance):
    return _found(actual, right, tolerance, limit=lambda *_: tolerance * right.norm(dim=-1).max())


probe.mistake(
    "The tolerance is always 0.001.",
    "Use the argument `tolerance`.",
    lambda actual, right, tolerance: differs(actual, right, 0.001),
)
probe.mistake(
    "Numbers are compared, not vectors: a number that happens to be near 0 is allowed next to nothing.",
    "Compare the norm of the difference with the norm of the vector, for each token.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: (ours - theirs).abs(),
        limit=lambda ours, theirs, tolerance: tolerance * theirs.abs(),
    ),
)
probe.mistake(
    "Only the last token is compared.",
    "A bug may show at any of them: compare all rows.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: (ours - theirs)[-1:].norm(dim=-1),
        limit=lambda ours, theirs, tolerance: tolerance * theirs[-1:].norm(dim=-1),
    ),
)
probe.mistake(
    "All tokens must be off; one is enough.",
    "`.any()` in place of `.all()`, if you ask what is too far.",
    partial(_found, off=lambda apart, limit: not (apart <= limit).any()),
)
probe.mistake(
    "The differences are averaged over the tokens.",
    "One token that is off is enough: compare each with its own limit.",
    partial(_found, off=lambda apart, limit: not apart.mean() <= limit.mean()),
)
probe.mistake(
    "The shares are averaged over the tokens.",
    "One token that is off is enough: compare each with its own limit.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: ((ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)).mean(),
        limit=lambda ours, theirs, tolerance: tolerance,
    ),
)
probe.mistake(
    "The norms are taken over the tokens: one per column.",
    "A vector is a row: `.norm(dim=-1)`.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: (ours - theirs).norm(dim=0),
        limit=lambda ours, theirs, tolerance: tolerance * theirs.norm(dim=0),
    ),
)
probe.mistake(
    "Directions are compared: a vector that points the same way may have another length.",
    "Take the norm of the difference.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: 1 - functional.cosine_similarity(ours, theirs, dim=-1),
        limit=lambda ours, theirs, tolerance: tolerance,
    ),
)
probe.mistake(
    "The last depth isn't compared.",
    "There are L + 1 depths: `len(actual)`.",
    partial(_found, depths=lambda n: range(n - 1)),
)
probe.mistake(
    "Nothing may differ at all, not even by rounding.",
    "Allow `tolerance` times the norm of the right vector.",
    partial(_found, limit=lambda ours, theirs, tolerance: 0 * theirs.norm(dim=-1)),
)
probe.mistake(
    "The last depth that differs is returned.",
    "Return the first: everything after it inherits the difference.",
    partial(_found, depths=lambda n: reversed(range(n))),
)


@probe.mistake("The depth with the largest difference is returned.", "Return the first that is over the limit.")
def _largest(actual, right, tolerance):
    share = ((actual - right).norm(dim=-1) / right.norm(dim=-1)).amax(dim=-1)
    return int(share.argmax()) if share.max() > tolerance else None


@probe.mistake("Depths are counted from 1.", "Depth 0 is the embedding, before any block.")
def _from_one(actual, right, tolerance):
    depth = differs(actual, right, tolerance)
    return None if depth is None else depth + 1


@probe.mistake(
    "The depth before the first difference is returned.", "Return the number of the first depth that is off."
)
def _before(actual, right, tolerance):
    depth = differs(actual, right, tolerance)
    return None if depth is None else depth - 1


@probe.mistake("Depth 0 isn't compared.", "The embedding may be wrong, too: begin with 0.")
def _without_zero(actual, right, tolerance):
    depth = differs(actual[1:], right[1:], tolerance)
    return None if depth is None else depth + 1


@probe.mistake("0 is returned where nothing differs.", "Return None there: 0 means that the embedding is wrong.")
def _zero_for_none(actual, right, tolerance):
    return differs(actual, right, tolerance) or 0


@probe.mistake("The first depth that agrees is returned.", "Return the first that does not.")
def _first_that_agrees(actual, right, tolerance):
    depths = range(len(actual))
    return next((depth for depth in depths if differs(actual[depth:][:1], right[depth:][:1], tolerance) is None), None)


@probe.mistake("Only the first round of the loop runs.", "Is `return None` inside the loop? It belongs after it.")
def _first_round(actual, right, tolerance):
    return differs(actual[:1], right[:1], tolerance)


@probe.mistake("Only the last depth is compared.", "Compare every depth, from 0 on.")
def _only_last(actual, right, tolerance):
    return None if differs(actual[-1:], right[-1:], tolerance) is None else len(actual) - 1


@probe.mistake("The number of depths that differ is returned.", "Return the number of the first one.")
def _count(actual, right, tolerance):
    depths = range(len(actual))
    return sum(differs(actual[depth:][:1], right[depth:][:1], tolerance) is not None for depth in depths) or None


@probe.mistake(
    "The number of the token is returned.", "Return the depth. `nonzero()` finds (depth, token), in this order."
)
def _token(actual, right, tolerance):
    off = ((actual - right).norm(dim=-1) > tolerance * right.norm(dim=-1)).nonzero()
    return int(off[0, 1]) if len(off) else None


probe.mistake(
    "Differences with a sign are compared: what is too small counts as fine.",
    "Take the norm of the difference, or its absolute value.",
    partial(
        _found,
        apart=lambda ours, theirs, tolerance: (ours - theirs).amax(-1),
    ),
)
probe.mistake(
    "Norms are compared: a vector of the same length may point elsewhere.",
    "Take the norm of the difference, not the difference of the norms.",
    partial(_found, apart=lambda ours, theirs, tolerance: (ours.norm(dim=-1) - theirs.norm(dim=-1)).abs()),
)

nan = turn.probe("streams with NaN and infinity, and a tolerance of 0", _with_nan, _kind)
nan.mistake(
    "A difference of exactly the limit counts as too large: at tolerance 0, even equal vectors.",
    "What is at the limit is within it: `<=`, not `<`.",
    partial(_found, off=lambda apart, limit: not (apart < limit).all()),
)
nan.mistake(
    "NaN passes: it is neither larger nor smaller than the limit.",
    "Every comparison with NaN is False. Ask whether all differences are within the limit, and negate that.",
    partial(_found, off=lambda apart, limit: bool((apart > limit).any())),
)
nan.mistake(
    "NaN counts as no difference.",
    "A NaN in your model is a bug: don't turn it into 0.",
    partial(_found, apart=lambda ours, theirs, tolerance: (ours - theirs).nan_to_num(0.0, 0.0, 0.0).norm(dim=-1)),
)
nan.mistake(
    "The limit is taken from `actual`: with an infinity in it, everything is allowed.",
    "Take the norm of the right vector.",
    partial(_found, limit=lambda ours, theirs, tolerance: tolerance * ours.norm(dim=-1)),
)
