"""12.3: a whole run of guesses, kept or replaced with dice that are given (Leviathan et al. 2023, algorithm 1)."""

import random
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.inference_engine.walks import explain
from minillm.course.checks.question import Question


def settle(
    guesses: list[int], offered: Float[Tensor, "n V"], wanted: Float[Tensor, "places V"], dice: list[float], last: float
) -> list[int]:
    """The right answer, in double precision.

    >>> offered, wanted = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.1], [0.0, 1.0]])
    >>> settle([0], offered, wanted, dice=[0.7], last=0.3), settle([1], offered, wanted, dice=[0.7], last=0.3)
    ([0, 1], [0])
    """
    return _settle(guesses, offered, wanted, dice, last)


def _fairly(dice: float, p: float, q: float) -> bool:
    return dice * q < p


def _missing(p: Tensor, q: Tensor) -> Tensor:
    missing = (p - q).clamp(min=0)
    return missing / missing.sum()


def _walk(probabilities: Tensor, last: float) -> int:
    """The first token at which the running sum is above `last`; the last of all where none is."""
    above = probabilities.cumsum(0) > last
    return int(above.int().argmax()) if above.any() else len(probabilities) - 1


def _settle(
    guesses: list[int],
    offered: Tensor,
    wanted: Tensor,
    dice: list[float],
    last: float,
    *,
    keep: Callable[[float, float, float], bool] = _fairly,
    instead: Callable[[Tensor, Tensor], Tensor] = _missing,
    walk: Callable[[Tensor, float], int] = _walk,
    one_more: int | None = -1,
    replaces: bool = True,
    stops: bool = True,
    always_one_more: bool = False,
    its_die: bool = False,
) -> list[int]:
    """Settling with one thing done differently; `one_more` is the place in `wanted` that the token on top is from."""
    text, refused = [], False
    for guess, q, p, die in zip(guesses, offered.double(), wanted.double(), dice, strict=False):
        if keep(die, float(p[guess]), float(q[guess])):
            text.append(guess)
            continue
        refused = True
        if replaces:
            text.append(walk(instead(p, q), die if its_die else last))
        if stops:
            break
    if one_more is not None and (not refused or always_one_more):
        text.append(walk(wanted.double()[one_more if guesses else 0], last))
    return text


def _parts(rng: random.Random, among: Sequence[int] = range(4)) -> Tensor:
    """Four probabilities in tenths, of which only some tokens have any."""
    tokens = rng.choices(among, k=10)
    return torch.tensor([tokens.count(token) / 10 for token in range(4)])


def _die(rng: random.Random) -> float:
    """Thousandths that no ratio of tenths, and no sum of such, is equal to: nothing is decided by rounding."""
    return rng.choice([n for n in range(1, 1000) if n % 2 and n % 5]) / 1000


def _call(rng: random.Random, n: int, certain: bool = False) -> Call:
    among = [[rng.randrange(4)] if certain else range(4) for _ in range(n)]
    offered = torch.stack([_parts(rng, tokens) for tokens in among]) if n else torch.zeros(0, 4)
    wanted = torch.stack([_parts(rng) for _ in range(n + 1)])
    guesses = [rng.choices(range(4), row.tolist())[0] for row in offered]
    return guesses, offered, wanted, [_die(rng) for _ in range(n)], _die(rng)


def _drawn(rng: random.Random, accepted: Callable[[Call], bool]) -> list[Call]:
    """Calls with one guess, then with more, drawn until they are accepted."""
    calls = []
    for n in (1, 1, 1, 2, 2, 3, 3, 4):
        while not accepted(call := _call(rng, n)):
            pass
        calls.append(call)
    return calls


def _all_stay(call: Call) -> bool:
    return len(settle(*call)) > len(call[0])


def _edges(rng: random.Random) -> list[Call]:
    """No guess; dice of exactly 0; and guesses that were certain."""
    no_guess = [], torch.zeros(0, 4), _parts(rng, [1, 3])[None], [], 0.0
    guesses, offered, wanted, _, last = _call(rng, 1, certain=True)
    wanted[0] = _parts(rng, [token for token in range(4) if token not in guesses])
    refused = guesses, offered, wanted, [0.0], last
    return [no_guess, refused, *(_call(rng, n, certain=True) for n in (1, 2, 2, 3))]


question = Question(
    "12.3",
    "A run of guesses, and dice that you are given",
    settle,
    forbidden=("minillm", "torch.multinomial", "torch.distributions"),
)

all_stay = question.probe("all guesses stay", lambda rng: _drawn(rng, _all_stay), explain)
all_stay.mistake(
    "Nothing comes behind the last guess.",
    "The model has read all guesses and says what follows: draw one more token, from `wanted[n]`.",
    partial(_settle, one_more=None),
)
all_stay.mistake(
    "The token on top is drawn from the list that belongs to the last guess.",
    "`wanted[i]` is for the place of guess i. Behind n guesses stands place n.",
    partial(_settle, one_more=-2),
)
all_stay.mistake(
    "The ratio is upside down.",
    "A guess that the model likes better than the guesser always stays: p over q, not q over p.",
    partial(_settle, keep=lambda dice, p, q: dice * p < q),
)
all_stay.mistake(
    "The dice are not used: a guess stays only if the model finds it at least as likely.",
    "It stays with the probability p / q: whenever its die is below that.",
    partial(_settle, keep=lambda dice, p, q: p >= q),
)
all_stay.mistake(
    "The die is held against p; what the guesser offered is not used.",
    "The guesser has proposed it with probability q already. Keep it with min(1, p / q).",
    partial(_settle, keep=lambda dice, p, q: dice < p),
)
all_stay.mistake(
    "The token on top is the likeliest one, not a drawn one.",
    "Add up the probabilities from token 0 on, and take the first at which the sum is above `last`.",
    partial(_settle, walk=lambda probabilities, last: int(probabilities.argmax())),
)

all_stay.mistake(
    "A guess stays if its die is above p / q, not below it.",
    "A guess that the model likes better has a ratio above 1, and always stays.",
    partial(_settle, keep=lambda dice, p, q: dice * q >= p),
)
all_stay.mistake(
    "The token on top is drawn from the first list.",
    "Behind n guesses stands place n: `wanted[n]`.",
    partial(_settle, one_more=0),
)
all_stay.mistake(
    "A draw goes through the tokens from the last to the first, not from token 0 on.",
    "Add up the probabilities from token 0 on.",
    partial(_settle, walk=lambda probabilities, last: len(probabilities) - 1 - _walk(probabilities.flip(0), last)),
)
all_stay.mistake(
    "A draw goes through the tokens from the likeliest on, not from token 0 on.",
    "Add up the probabilities in the order of the tokens' numbers.",
    partial(
        _settle,
        walk=lambda probabilities, last: int(
            (order := probabilities.argsort(descending=True, stable=True))[_walk(probabilities[order], last)]
        ),
    ),
)

refused = question.probe("a guess is refused", lambda rng: _drawn(rng, lambda call: not _all_stay(call)), explain)
refused.mistake(
    "The replacement is drawn from the model's own list.",
    "What is guessed too often stays too frequent then (lesson 12). Draw from what p has more than q.",
    partial(_settle, instead=lambda p, q: p),
)
refused.mistake(
    "What p has more than q is not scaled to sum to 1.",
    "Divide by its sum; otherwise the walk comes to the end before it has reached `last`.",
    partial(_settle, instead=lambda p, q: (p - q).clamp(min=0)),
)


def _nothing_above(rest: Tensor, last: float, instead: int) -> int:
    """The draw from what is not scaled, and what comes where no sum is above `last`."""
    above = rest.cumsum(0) > last
    return int(above.int().argmax()) if above.any() or rest.sum() > 0.999 else instead


for _end in ("token 0", "the last that has any", "the likeliest"):
    refused.mistake(
        "What p has more than q is not scaled to sum to 1.",
        "Divide by its sum; otherwise the walk comes to the end before it has reached `last`.",
        partial(
            _settle,
            instead=lambda p, q: (p - q).clamp(min=0),
            walk=lambda rest, last, end=_end: _nothing_above(
                rest,
                last,
                {"token 0": 0, "the likeliest": int(rest.argmax())}.get(end, int(rest.nonzero()[-1])),
            ),
        ),
    )
refused.mistake(
    "The replacement is also drawn from what p has *less* than q.",
    "Take (p - q) only where it is positive; its absolute value is something else.",
    partial(_settle, instead=lambda p, q: (p - q).abs() / (p - q).abs().sum()),
)
refused.mistake(
    "The replacement is drawn from what q has more than p: upside down.",
    "The guesser has said that too often already. Draw from what p has more than q.",
    partial(_settle, instead=lambda p, q: _missing(q, p)),
)
refused.mistake(
    "The guesses behind a refused one are looked at, too.",
    "They were made for a text that now goes on otherwise. Stop.",
    partial(_settle, stops=False, always_one_more=True),
)
refused.mistake(
    "Nothing comes in place of a refused guess.",
    "A pass always brings one token more than the guesses that stay.",
    partial(_settle, replaces=False),
)
refused.mistake(
    "Behind the replacement comes one token too many.",
    "The last list is for the place behind all guesses. Where one is refused there is none.",
    partial(_settle, always_one_more=True),
)

refused.mistake(
    "The likeliest token comes in place of a refused guess, not a drawn one.",
    "Add up what p has more than q, scaled to sum to 1, and take the first at which the sum is above `last`.",
    partial(_settle, instead=lambda p, q: torch.nn.functional.one_hot(_missing(p, q).argmax(), len(p)).double()),
)
refused.mistake(
    "The token in place of a refused guess is drawn with its die, not with `last`.",
    "The die has been used up: it said that the guess does not stay. `last` is for the one draw.",
    partial(_settle, its_die=True),
)

edge_cases = question.probe("no guess, certain guesses, and dice of exactly 0", _edges, explain)
edge_cases.mistake(
    "A guess that the model gives probability 0 stays when its die shows 0.",
    "Uniform numbers include 0. Keep a guess if its die is *below* p / q.",
    partial(_settle, keep=lambda dice, p, q: dice * q <= p),
)
edge_cases.mistake(
    "A token of probability 0 is drawn when `last` is 0.",
    "Take the first token at which the sum is *above* `last`.",
    partial(_settle, walk=lambda probabilities, last: int((probabilities.cumsum(0) >= last).int().argmax())),
)
