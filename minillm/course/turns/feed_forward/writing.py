"""05.write_fact: a neuron that changes one fact, solved for and not trained (after Meng et al. 2022, ROME)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn

PARTS = ("gate", "up", "down")


def write_fact(about, others, say, instead, strength):
    """A neuron that fires for `about` and says `say`: its rows of gate and up, and its column of down, (C,) each."""
    vectors = torch.stack([about, *others])  # (vectors, C)
    targets = torch.tensor([6.0] + [-6.0] * len(others))
    gate = torch.linalg.pinv(vectors) @ targets
    up = about / (about @ about)
    direction = say - instead
    return gate, up, strength * direction / direction.norm()


turn = Turn(
    "05.write_fact",
    "A neuron of your own",
    write_fact,
    minutes=12,
    difficulty=4,
    parts=PARTS,
    constants=("about", "others", "say", "instead", "strength"),
    hints=(
        "The gate has C numbers, and each vector asks one thing of it: a dot product of 6, or of -6. How many "
        "equations is that?",
        "Stack `about` on top of `others`. The targets are 6, and then -6 for each of the others. The `pinv` of the "
        "stack, times the targets, is the gate.",
        "`up` is `about`, divided by its dot product with itself. `down` is the direction from `instead` to `say`, "
        "brought to norm 1, times `strength`.",
    ),
    errors={
        "same dtype|expected m1 and m2|expected scalar type": "Targets are floating-point numbers: `6.0`.",
        "must be batches of square|square matrices|singular": "There are fewer vectors than features, so no inverse "
        "exists. `torch.linalg.pinv` finds the smallest solution.",
        "2 or more dimensions|not a matrix|matrix or a batch": "`pinv` needs a matrix: `torch.stack` lays vectors one "
        "below the other.",
        "mat1|shapes cannot be multiplied|size mismatch|inconsistent tensor|1D tensors": "`pinv` of a (vectors, C) "
        "matrix is (C, vectors); times a target per vector, that's C numbers. There are `1 + len(others)` targets.",
        "out of bounds|out of range|size of tensor|Sizes of tensors|number of dimensions|equal size": "`about` is one "
        "vector, (C,), and `others` has from no row to many: "
        "`[about, *others]`.",
        r"name '\w+' is not defined": "The arguments are `about`, `others`, `say`, `instead` and `strength`.",
        "changed the input": "`others` is needed again later. Make a new list or tensor.",
        "not iterable|'int' object|'float' object|has no attribute": "`about`, `say` and `instead` are vectors, "
        "`strength` is a number.",
        "zero-dimensional|only one element": "That's one number where a vector is needed, or the other way round.",
    },
    debrief=Debrief(
        "ROME (Meng et al. 2022) adds no neuron: it changes `down` a little, such that one key gets a new value and "
        "frequent other keys keep theirs.",
        'Your neuron reads the last token of a question. What would it take to make the model finish "Rome is the '
        'capital of" with France, too?',
    ),
)


def _facts(rng: random.Random) -> list[Call]:
    """One other, several, none, more than there are features, and as many vectors as features."""
    calls = []
    for N, C, strength in ((1, 2, 2.0), (2, 4, 40.0), (0, 3, 10.0), (3, 4, 5.0), (5, 3, 40.0), (2, 6, 1.5)):
        about = numbers(rng, C)
        others = 0.5 * about + numbers(rng, N, C)  # as countries do, they have something in common
        calls.append((about, others, numbers(rng, C), numbers(rng, C), strength))
    return calls


def _sound(calls: list[Call]) -> bool:
    """Whether the gates are of an ordinary size: no vectors that nearly coincide."""
    return all(float(write_fact(*call)[0].norm()) < 60 and float(call[0].norm()) > 0.7 for call in calls)


def _draw(rng: random.Random) -> list[Call]:
    while True:
        calls = _facts(rng)
        if _sound(calls):
            return calls


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """One of the three, several in another order, or a matrix in place of a vector."""
    orders = {"up, gate, down": (1, 0, 2), "gate, down, up": (0, 2, 1), "down, up, gate": (2, 1, 0)}
    for index, (call, wanted, answer) in enumerate(zip(calls, right, got, strict=True)):
        if type(answer) is dict:
            return "That's a dictionary.", "Return three vectors: `return gate, up, down`.", index
        C = len(call[0])
        gave = as_tensor(answer)
        if type(answer) is Tensor and gave is not None and gave.shape == (C,):
            for name, part in zip(PARTS, wanted, strict=True):
                if difference(part, gave) is None:
                    return f"Only `{name}` is returned, and it is right.", "Return three: gate, up, down.", index
            return "One vector is returned.", "Return three: gate, up, down.", index
        if type(answer) in (tuple, list) and len(answer) != 3:
            return f"{len(answer)} things are returned.", "Return three: gate, up, down.", index
        for name, part, own in zip(PARTS, answer, wanted, strict=True):
            shape = getattr(as_tensor(part), "shape", None)
            if shape != own.shape:
                told = f"`{name}` has the shape {tuple(shape) if shape is not None else 'of no tensor'}"
                return f"{told}; it must be (C,).", "One number per feature, and no further axis.", index
    for name, order in orders.items():
        if all(difference([w[i] for i in order], list(g)) is None for w, g in zip(right, got, strict=True)):
            return f"The three are in another order: {name}.", "Return gate, up, down.", 0
    return None


facts = turn.probe("neurons for several facts", _draw, _form, demand=same_kind)


def _neuron(
    about: Tensor,
    others: Tensor,
    say: Tensor,
    instead: Tensor,
    strength: float,
    *,
    gate: Callable[..., Tensor] | None = None,
    up: Callable[[Tensor], Tensor] | None = None,
    down: Callable[..., Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The neuron with one part done differently."""
    own, pointing, saying = write_fact(about, others, say, instead, strength)
    return (
        own if gate is None else gate(about, others),
        pointing if up is None else up(about),
        saying if down is None else down(say, instead, strength),
    )


def _solved(first: float, rest: float) -> Callable[..., Tensor]:
    def gate(about: Tensor, others: Tensor) -> Tensor:
        return torch.linalg.pinv(torch.stack([about, *others])) @ torch.tensor(
            [float(first)] + [float(rest)] * len(others)
        )

    return gate


def _contrast(about: Tensor, others: Tensor) -> Tensor:
    away = about - (others.mean(0) if len(others) else 0)
    return 6 * away / (away @ about)


def _mistake(sentence: str, hint: str, **part: Any) -> None:
    facts.mistake(sentence, hint, partial(_neuron, **part))


_mistake(
    "The gate doesn't know the others, so it opens for all that looks like `about`.",
    "Ask for -6 at each of the others: stack all vectors, and solve with `torch.linalg.pinv`.",
    gate=lambda about, others: 6 * about / (about @ about),
)
_mistake(
    "The gate is `about` itself.",
    "Its dot product with `about` must be 6, with each of the others -6: `torch.linalg.pinv`.",
    gate=lambda about, others: about.clone(),
)
_mistake(
    "The gate's target is 6 for all, so it opens for the others, too.",
    "SiLU closes for negative numbers: the targets of the others are -6.",
    gate=_solved(6, 6),
)
_mistake(
    "The gate's target is 0 for the others. SiLU(0) = 0, but whatever looks a little like `about` opens it.",
    "Their targets are -6, well below 0.",
    gate=_solved(6, 0),
)
_mistake("The gate's targets have the wrong signs.", "6 for `about`, -6 for each of the others.", gate=_solved(-6, 6))
_mistake(
    "The gate's targets are 1 and -1.", "6 and -6: SiLU(-1) is still -0.27, SiLU(-6) is -0.01.", gate=_solved(1, -1)
)
_mistake("The gate's targets are 1 and 0.", "6 for `about`, and -6 for each of the others.", gate=_solved(1, 0))
_mistake("The gate's target is 1 for `about`.", "6 for `about`.", gate=_solved(1, -6))
_mistake("The gate's target is -1 for the others.", "-6 for the others.", gate=_solved(6, -1))
_mistake(
    "For the gate, the targets are multiplied by the vectors, and nothing is solved.",
    "You need the vector whose dot products *are* the targets: `torch.linalg.pinv`.",
    gate=lambda about, others: torch.tensor([6.0] + [-6.0] * len(others)) @ torch.stack([about, *others]),
)
_mistake(
    "The gate's target 6 goes to another vector than `about`.",
    "Targets come in the order of the vectors: `about` first in both.",
    gate=lambda about, others: (
        torch.linalg.pinv(torch.stack([*others, about])) @ torch.tensor([6.0] + [-6.0] * len(others))
    ),
)
_mistake(
    "The gate is `about` minus the mean of the others: nothing is solved.",
    "Each of the others must get -6: `torch.linalg.pinv` solves for all of them.",
    gate=lambda about, others: about - (others.mean(0) if len(others) else 0),
)
_mistake(
    "The gate is along `about` minus the mean of the others, so only their mean is kept out.",
    "Each of the others must get -6: `torch.linalg.pinv` solves for all of them.",
    gate=lambda about, others: _contrast(about, others),
)
_mistake(
    "The gate's equations are without `about`, only with the others.",
    "Stack `about` on top of them, with the target 6.",
    gate=lambda about, others: (
        torch.linalg.pinv(others) @ torch.full((len(others),), -6.0) if len(others) else torch.zeros_like(about)
    ),
)
_mistake(
    "The gate knows only the first of the others.",
    "All of them: `[about, *others]`.",
    gate=lambda about, others: _solved(6, -6)(about, others[:1]),
)
_mistake(
    "The gate knows only the mean of the others.",
    "Each of the others has an equation of its own.",
    gate=lambda about, others: _solved(6, -6)(about, others.mean(0, keepdim=True) if len(others) else others),
)
_mistake(
    "The gate is brought to norm 1.",
    "Then its dot products aren't 6 and -6 any more. Take it as it was solved.",
    gate=lambda about, others: torch.nn.functional.normalize(_solved(6, -6)(about, others), dim=0),
)
_mistake(
    "The gate's target is the strength.",
    "The gate opens at 6. The strength belongs to `down`.",
    gate=lambda about, others: _solved(40, -40)(about, others),
)
_mistake(
    "For the gate, each vector is scaled by itself, and nothing is solved.",
    "The vectors aren't at right angles, so the dot products miss 6 and -6. `torch.linalg.pinv` solves all at once.",
    gate=lambda about, others: 6 * about / (about @ about) - sum(6 * other / (other @ other) for other in others),
)
UP = "Divide by its dot product with itself, so that the dot product of `up` and `about` is 1."
_mistake("`up` is `about` as it is, so the neuron is as strong as that is large.", UP, up=lambda a: a.clone())
_mistake("For `up`, `about` is divided by its norm, once.", UP, up=lambda a: a / a.norm())
_mistake("For `up`, `about` is divided by the sum of its entries.", UP, up=lambda a: a / a.sum())
_mistake("For `up`, `about` is divided by the number of its entries.", UP, up=lambda a: a / len(a))
_mistake("For `up`, `about` is divided by the mean of its squares.", UP, up=lambda a: a / a.square().mean())
_mistake("`up` is 1 / `about`, entry by entry, so the dot product of the two is C.", UP, up=lambda a: 1 / a)
_mistake("`up` is all ones.", "`up` points along `about`.", up=torch.ones_like)
facts.mistake(
    "`up` is the gate.",
    "`up` is `about`, divided by its dot product with itself.",
    lambda *given: (write_fact(*given)[0], write_fact(*given)[0], write_fact(*given)[2]),
)
DOWN = "The direction from `instead` to `say`, brought to norm 1, times `strength`."
_mistake("The direction in `down` isn't brought to norm 1.", DOWN, down=lambda s, i, k: k * (s - i))
_mistake("In `down`, the strength is missing.", DOWN, down=lambda s, i, k: (s - i) / (s - i).norm())
_mistake("`down` is `say` minus `instead`, as it is.", DOWN, down=lambda s, i, k: s - i)
_mistake(
    "`down` doesn't know `instead`, so the old answer keeps its logit.",
    DOWN,
    down=lambda s, i, k: k * s / s.norm(),
)
_mistake("`down` is `say` as it is.", DOWN, down=lambda s, i, k: s.clone())
_mistake("`down` is `say` times the strength.", DOWN, down=lambda s, i, k: s * k)
_mistake(
    "`down` points the wrong way: the old answer gets stronger.",
    "`say` minus `instead`.",
    down=lambda s, i, k: k * (i - s) / (s - i).norm(),
)
_mistake(
    "For `down`, the two vectors are added.",
    "`say` minus `instead`.",
    down=lambda s, i, k: k * (s + i) / (s + i).norm(),
)
_mistake(
    "`down` is divided by the square of its norm.",
    "By the norm, once: then its norm is the strength.",
    down=lambda s, i, k: k * (s - i) / (s - i).square().sum(),
)
_mistake(
    "For `down`, both vectors are brought to norm 1 before they're subtracted.",
    "Subtract first: the logits come from the vectors as they are.",
    down=lambda s, i, k: k * (s / s.norm() - i / i.norm()),
)
_mistake(
    "For `down`, both vectors are brought to norm 1 before they're subtracted.",
    "Subtract them as they are; then divide by the norm of the difference.",
    down=lambda s, i, k: k * torch.nn.functional.normalize(s / s.norm() - i / i.norm(), dim=0),
)
_mistake(
    "`down` is divided by the norms of both words.",
    "By the norm of the difference: then the norm of `down` is the strength.",
    down=lambda s, i, k: k * (s - i) / (s.norm() * i.norm()),
)
_mistake(
    "The strength is 40, whatever the argument says.",
    "Use the argument.",
    down=lambda s, i, k: 40 * (s - i) / (s - i).norm(),
)
_mistake(
    "`down` is divided by the norm of `say`.",
    "By the norm of the difference: then the norm of `down` is the strength.",
    down=lambda s, i, k: k * (s - i) / s.norm(),
)
facts.mistake(
    "The strength multiplies the gate, not `down`.",
    "The gate opens at 6. The strength belongs to `down`.",
    lambda a, o, s, i, k: (k * write_fact(a, o, s, i, k)[0], *_neuron(a, o, s, i, 1.0)[1:]),
)
_mistake(
    "`down` is divided by the strength.",
    "Times the strength.",
    down=lambda s, i, k: (s - i) / (s - i).norm() / k,
)
