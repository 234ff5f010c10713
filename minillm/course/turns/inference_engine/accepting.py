"""12.outcome: the accept rule of speculative decoding (Leviathan et al. 2023; Chen et al. 2023)."""

import random
from fractions import Fraction
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.inference_engine.accepting_variants import Rest, exactly, missing, most, rule


def outcome(p, q, guess):
    """The distribution of the token that comes out, if `guess` was drawn from q and p is right."""
    keep = min(1, p[guess] / q[guess])
    missing = [max(wanted - drawn, 0) for wanted, drawn in zip(p, q, strict=True)]
    total = sum(missing)
    result = [(1 - keep) * each / total if total else 0 for each in missing]
    result[guess] += keep
    return result


turn = Turn(
    "12.outcome",
    "Accept or replace",
    outcome,
    minutes=9,
    difficulty=3,
    called=exactly,
    hints=(
        "The draft proposes a token twice as often as the model would. How often should it be kept?",
        "With probability min(1, p[guess] / q[guess]), the guess is kept. What's left of 1 goes to a replacement.",
        "Replacements are drawn in proportion to what the draft proposes too rarely, max(p - q, 0), divided by the sum "
        "of that. The sum is 0 if the two are equal; then no guess is rejected.",
    ),
    errors={
        "ZeroDivisionError": "Where the draft equals the model, max(p - q, 0) is 0 everywhere. Then nothing is "
        "replaced.",
        "list indices|not subscriptable": "`p[guess]` is a number; `guess` is a token's id.",
        "'list' and|can't multiply|unsupported operand|must be real|bad operand": "`p` and `q` are lists: go through "
        "them token by token.",
        r"not iterable": "`p` and `q` are lists, `p[guess]` is a number.",
        "Fraction.*(tensor|dtype|numpy)|infer|could not determine|object_|numpy.object|new\\(\\)|sqrt|isfinite": (
            "`p` and `q` are lists of fractions, so that nothing is rounded: Python's `min`, `max` and `sum` do."
        ),
        "changed the input": "Leave `p` and `q` as they are, and make a list of your own.",
        r"name '(np|F|random|keep|V|rng|token|x|r|u|residual|math|torch)' is not defined": "There are `p`, `q` and "
        "`guess`. Nothing is drawn at random.",
    },
    debrief=Debrief(
        "Production code doesn't compute this distribution. It draws from it: one random number against p / q, and a "
        "second one only after a rejection.",
        "A draft that always guesses the likeliest token has q = 1 there. When is it kept?",
    ),
)


def _cards(rng: random.Random, n: int) -> list[float]:
    """Probabilities in tenths, none of them 0."""
    cuts = sorted(rng.sample(range(1, 10), n - 1))
    return [(b - a) / 10 for a, b in zip([0, *cuts], [*cuts, 10], strict=True)]


def _drawn(rng: random.Random, *sizes: int) -> list[Call]:
    """Two lists that differ, with two tokens as the guess."""
    calls: list[Call] = []
    for n in sizes:
        p = q = _cards(rng, n)
        while p == q:
            q = _cards(rng, n)
        calls += [(p, q, guess) for guess in rng.sample(range(n), 2)]
    return calls


def _usual(rng: random.Random) -> list[Call]:
    return [([0.5, 0.5], [0.75, 0.25], 0), ([0.5, 0.5], [0.75, 0.25], 1), *_drawn(rng, 3, 3, 4, 4, 5)]


def _special(rng: random.Random) -> list[Call]:
    """A draft that is right; one that is sure; a guess that is impossible; a model that is sure; one token."""
    p = _cards(rng, 3)
    sure = [0.0, 1.0, 0.0]
    return [
        (p, [*p], 1),
        (p, sure, 1),
        ([0.0, *_cards(rng, 2)], _cards(rng, 3), 0),
        (sure, _cards(rng, 3), 0),
        (sure, _cards(rng, 3), 1),
        ([1.0], [1.0], 0),
    ]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not one probability per token."""
    for index, ((p, q, guess), answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (int, float, bool):
            if answer == min(1, p[guess] / q[guess]) and any(0 < each < 1 for each in got if type(each) is float):
                hint = "That's one part. What else can come out, and how often?"
                return "Only the probability of keeping the guess is returned.", hint, index
            return "One number is returned.", "Return a list: one probability per token.", index
        if type(answer) is dict:
            return "A dictionary is returned.", "Return a list, in the order of the ids.", index
        tensor = as_tensor(answer)
        if tensor is None or tensor.dim() != 1:
            return "That's not a list of probabilities.", "Return one probability per token.", index
        if len(tensor) != len(p):
            few = "There's 1 number" if len(tensor) == 1 else f"There are {len(tensor)} numbers"
            hint = "One probability per token. Is a `return` inside a loop?"
            return f"{few} for {len(p)} tokens.", hint, index
    for index, ((*_, guess), answer) in enumerate(zip(calls, got, strict=True)):
        gave = [float(each) for each in answer]
        if gave[guess] > 1 + 1e-6:
            return "The guess is kept with a probability above 1.", "At most 1: `min(1, p / q)`.", index
        if min(gave) < -1e-6:
            return "There is a negative probability.", "Of p - q, only what is above 0 counts.", index
        if abs(sum(gave) - 1) > 1e-6:
            hint = "The guess gets its share, and all that's left of 1 goes to the replacements."
            return f"The probabilities add up to {sum(gave):.3g}, not to 1.", hint, index
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A draw in place of its probabilities; a wrong share of the guess, or of what replaces it."""
    sure = [float(answer[guess]) in (0, 1) for (*_, guess), answer in zip(calls, got, strict=True)]
    if all(sure):
        hint = "Nothing is drawn here. With which probability is it kept? That's its share."
        return "Each guess is either kept or not, as if by a draw.", hint
    for index, ((_, _, guess), due, answer) in enumerate(zip(calls, right, got, strict=True)):
        if difference(due, answer) is None:
            continue
        gave = [float(each) for each in answer]
        if abs(gave[guess] - due[guess]) > 1e-6:
            return "The guess is kept too often or too rarely.", "With probability min(1, p / q).", index
        return "The guess gets its share; the replacements don't.", "In proportion to max(p - q, 0).", index
    return None


def _a_list(right: Any, got: Any) -> str | None:
    """A tensor, which has rounded: the cells below multiply fractions."""
    return "is a tensor, which rounds; a list of fractions is asked for" if type(got) is Tensor else None


usual = turn.probe("two distributions", _usual, _form, demand=_a_list)
special = turn.probe("certain, impossible, equal", _special, _form, demand=_a_list)
usual.at_last = special.at_last = _nearly

TOO_RARELY = "Draw from max(p - q, 0), normalized: from what the draft proposes too rarely."
IT_IS_DRAWN = "It's drawn, in proportion to max(p - q, 0)."


def _replaced(sentence: str, hint: str, rest: Rest) -> None:
    usual.mistake(sentence, hint, rule(rest=rest))


_replaced(
    "Replacements are drawn from p itself.",
    "Then tokens that the draft proposes often come too often. Draw from max(p - q, 0), normalized.",
    lambda p, q, guess: list(p),
)
_replaced(
    "Replacements are drawn from p without the guess.",
    TOO_RARELY,
    lambda p, q, guess: [0 if i == guess else each for i, each in enumerate(p)],
)
_replaced("Replacements are drawn from q.", TOO_RARELY, lambda p, q, guess: list(q))
_replaced(
    "Replacements are drawn from max(q - p, 0): from what the draft proposes too often.",
    "It's the other way round: max(p - q, 0).",
    lambda p, q, guess: missing(q, p, guess),
)
_replaced(
    "Replacements are drawn from |p - q|.",
    TOO_RARELY,
    lambda p, q, guess: [abs(a - b) for a, b in zip(p, q, strict=True)],
)
_replaced(
    "Replacements are drawn in proportion to p / q - 1.",
    "In proportion to the difference: max(p - q, 0).",
    lambda p, q, guess: [max(a / b - 1, 0) if b else a for a, b in zip(p, q, strict=True)],
)
_replaced(
    "The replacement is always the token that's missing most.",
    IT_IS_DRAWN,
    lambda p, q, guess: [Fraction(i == most(missing(p, q, guess))) for i in range(len(p))],
)
_replaced(
    "The replacement is always the token that the model finds likeliest.",
    IT_IS_DRAWN,
    lambda p, q, guess: [Fraction(i == most(p)) for i in range(len(p))],
)
_replaced(
    "All other tokens replace the guess equally often.",
    "In proportion to max(p - q, 0).",
    lambda p, q, guess: [Fraction(i != guess) for i in range(len(p))],
)
usual.mistake(
    "max(p - q, 0) isn't normalized.",
    "Divide it by its sum.",
    rule(normalized=False),
)
usual.mistake(
    "The replacements aren't multiplied by the probability of a rejection.",
    "They share what's left of 1: 1 - min(1, p / q).",
    rule(weighed=False),
)
usual.mistake(
    "The guess is kept with probability q / p.",
    "A token that the draft says too often must be rejected at times: p / q.",
    rule(keep=lambda p, q, guess: min(Fraction(1), q[guess] / p[guess]) if p[guess] else Fraction(1)),
)
usual.mistake(
    "p / q may be above 1: then 1 - p / q is negative.",
    "A probability of keeping is at most 1: `min(1, ...)`.",
    rule(keep=lambda p, q, guess: p[guess] / q[guess]),
)
usual.mistake(
    "The guess is kept with probability p[guess].",
    "It was already drawn with probability q[guess]: p / q, at most 1.",
    rule(keep=lambda p, q, guess: p[guess]),
)
usual.mistake(
    "The guess is kept with probability min(p, q).",
    "That's how often it is drawn *and* kept. It was drawn already: min(1, p / q).",
    rule(keep=lambda p, q, guess: min(p[guess], q[guess])),
)
usual.mistake(
    "The guess is kept if p is at least q, and else always rejected.",
    "Below that, it's kept with probability p / q.",
    rule(keep=lambda p, q, guess: Fraction(p[guess] >= q[guess])),
)
usual.mistake(
    "The guess is kept only if the model finds it likeliest.",
    "It's kept with probability min(1, p / q).",
    rule(keep=lambda p, q, guess: Fraction(p[guess] == max(p))),
)
special.mistake(
    "Where p equals q, p is returned.",
    "No guess is rejected then: its entry is 1, and all others are 0.",
    exactly(lambda p, q, guess: list(p) if p == q else outcome(p, q, guess)),
)
usual.mistake(
    "The guess is always kept.",
    "Its share is min(1, p / q). And nothing is drawn: return the probabilities, not one outcome.",
    rule(keep=lambda *_: Fraction(1)),
)
usual.mistake(
    "The guess is always replaced.",
    "Keep it with probability min(1, p / q).",
    rule(keep=lambda *_: Fraction(0)),
)
usual.mistake(
    "This is p, whatever was guessed.",
    "Given a guess, the outcome isn't p. Only over all guesses is it p, and that's the point.",
    exactly(lambda p, q, guess: list(p)),
)
usual.mistake(
    "This is the distribution over all guesses: min(p, q), plus what's missing.",
    "Here, the guess is known: how often is it kept, and what comes in its place?",
    exactly(lambda p, q, guess: [min(p[i], q[i]) if i == guess else missing(p, q, 0)[i] for i in range(len(p))]),
)
usual.mistake(
    "A rejected guess gets the rejections back: its entry is 1.",
    "Only the share min(1, p / q) goes to the guess, the rest to the replacements.",
    exactly(lambda p, q, guess: [Fraction(i == guess) + each for i, each in enumerate(missing(p, q, 0))]),
)
