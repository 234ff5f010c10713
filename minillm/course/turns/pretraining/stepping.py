"""08.adamw_step: one update of AdamW (Loshchilov & Hutter 2019, algorithm 2, with the rate on the decay as in torch).

The first edition of AdamW, Kingma & Ba's Adam (2015, algorithm 1), has the same two means and no decay.
"""

import itertools
import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.pretraining.stepping_variants import changed


def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
    """The weights and both running means after one update: w, m and v."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    w = w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)
    return w, m, v


turn = Turn(
    "08.adamw_step",
    "A step of AdamW",
    adamw_step,
    minutes=8,
    difficulty=2,
    constants=("w", "g", "m", "v"),
    hints=(
        "At the first step m = 0.1 g and v = 0.05 g². What do you divide each by to get back g and g²?",
        "First the new m and v. Then the corrected ones, under other names, since the uncorrected ones are returned.",
        "The step is `m_hat` over (root of `v_hat`, plus eps). The decay is a second term beside it, and `lr` "
        "multiplies both.",
    ),
    errors={
        "changed the input": "`-=`, `*=` and methods that end in `_` write into the caller's tensors. Make new ones: "
        "`m = beta1 * m + ...`.",
        r"ZeroDivision": "`step` counts from 1, so 1 - beta**step isn't 0. Is it `step - 1` somewhere?",
        "name '(grad|gradient|t|lamb|wd|weight_decay|rate|b1|b2|m_hat|v_hat)' is not defined": "The arguments are `w`, "
        "`g`, `m`, `v`, `step`, `lr`, `decay`, `beta1`, `beta2` and `eps`.",
        r"'(NoneType|Tensor)' object has no attribute '(grad|data|step|item_)'|'NoneType'": "The gradient is the "
        "argument `g`; nothing is in `.grad`.",
        r"sqrt\(\)|must be real number|only (one element|length-1)": "`math.sqrt` takes one number. A tensor has "
        "`.sqrt()`, or `** 0.5`.",
        "leaf Variable|requires grad": "`w`, `g`, `m` and `v` are plain tensors: compute with them as with numbers.",
        "size of tensor|must match": "All four tensors have one shape, and so do the three results.",
    },
    debrief=Debrief(
        "`torch.optim.AdamW(fused=True)` does all weights in one kernel, in place. `m` and `v` cost twice the memory "
        "of the weights: that's why a 7B model needs far more than its weights to be trained.",
        "Multiply the loss by 1,000. Which of these lines notice?",
    ),
    parts=("w", "m", "v"),
)


def _call(rng: random.Random, shape: tuple[int, ...], step: int, first: bool = False, **changed: Any) -> Call:
    w, g = numbers(rng, *shape), numbers(rng, *shape)
    m, v = (torch.zeros(shape), torch.zeros(shape)) if first else (numbers(rng, *shape), numbers(rng, *shape).square())
    given = {"lr": 0.1, "decay": 0.5, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8} | changed
    return (w, g, m, v, step, *given.values())


def _first(rng: random.Random) -> list[Call]:
    """The first step, from zero means; no gradient is 0."""
    small: Call = (torch.tensor([1.0, -2.0]), torch.tensor([0.5, -0.2]), torch.zeros(2), torch.zeros(2), 1)
    calls: list[Call] = [(*small, 0.1, 0.5, 0.9, 0.95, 1e-8)]
    for shape, lr, decay in (((3,), 0.3, 0.1), ((2, 3), 0.01, 0.0), ((4, 2), 0.2, 1.0)):
        calls.append(_call(rng, shape, 1, first=True, lr=lr, decay=decay))
    for call in calls:
        call[1][call[1] == 0] = 0.7
    return calls


def _later(rng: random.Random) -> list[Call]:
    """Later steps, other rates and means."""
    return [
        _call(rng, (2,), 2),
        _call(rng, (2, 3), 5, lr=0.3, decay=0.2),
        _call(rng, (3, 2), 7, beta1=0.8, beta2=0.99),
        _call(rng, (4,), 40, beta1=0.95, beta2=0.9, lr=0.02),
    ]


def _still(rng: random.Random) -> list[Call]:
    """No gradient: the decay still acts. And an eps large enough to be seen, at any gradient."""
    calls = [_call(rng, (3,), 3, eps=0.1), _call(rng, (2, 2), 9, eps=0.5, decay=0.0)]
    w, _, _, _, *rest = _call(rng, (4,), 2, decay=0.3)
    zero = torch.zeros(4)
    return [*calls, (w, zero, zero.clone(), zero.clone(), *rest)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not three tensors."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        if as_tensor(answer) is not None and type(answer) is Tensor and answer.shape == call[0].shape:
            return "One tensor is returned.", "Return three: the new `w`, `m` and `v`. The next step needs them.", index
        if type(answer) not in (tuple, list) or len(answer) != 3:
            return "The result isn't three tensors.", "Return the new `w`, `m` and `v`, in this order.", index
    for order in itertools.permutations(range(3)):
        turned = ([gave[i] for i in order] for gave in got)
        if all(difference(list(due), gave) is None for due, gave in zip(right, turned, strict=True)):
            return "All three are right, in another order.", "Return `w`, `m` and `v`, in this order.", 0
    if all(difference(list(due[1:]), list(call[2:4])) for due, call in zip(right, calls, strict=True)) and all(
        difference(list(call[2:4]), list(gave[1:])) is None for call, gave in zip(calls, got, strict=True)
    ):
        return "`m` and `v` come back as they came in.", "Return the new means: the next step starts from them.", 0
    return None


def _as_the_first(m: Tensor, v: Tensor, step: int, b1: float, b2: float) -> tuple[Tensor, Tensor]:
    return m / (1 - b1), v / (1 - b2)


first = turn.probe("the first step", _first, _form, demand=same_kind)
later = turn.probe("later steps", _later, _form, demand=same_kind)
still = turn.probe("a visible eps, and no gradient", _still, _form, demand=same_kind)

OUTSIDE = "AdamW keeps it apart: subtract lr · decay · w from the weights. In the means it would be divided by √v."
first.mistake(
    "The decay is added to the gradient: that's Adam with L2, and not AdamW.",
    OUTSIDE,
    changed(gradient=lambda w, g, decay: g + decay * w, moved=lambda w, ratio, lr, decay: w - lr * ratio),
)
first.mistake(
    "The means are not corrected for having begun at 0.",
    "Divide m by 1 - beta1^step and v by 1 - beta2^step before the step, under other names.",
    changed(corrected=lambda m, v, step, b1, b2: (m, v)),
)
first.mistake(
    "The correction uses step + 1.",
    "`step` counts from 1 already.",
    changed(corrected=lambda m, v, step, b1, b2: (m / (1 - b1 ** (step + 1)), v / (1 - b2 ** (step + 1)))),
)
first.mistake(
    "The root is missing: m is divided by v.",
    "Divide by the root of v, plus eps.",
    changed(ratio=lambda m, v, eps: m / (v + eps)),
)
first.mistake(
    "The decay isn't used.",
    "Each weight also moves towards 0, by lr · decay · w.",
    changed(moved=lambda w, ratio, lr, decay: w - lr * ratio),
)
first.mistake(
    "The decay isn't multiplied by the rate.",
    "`lr` multiplies both: the step and decay · w.",
    changed(moved=lambda w, ratio, lr, decay: w - decay * w - lr * ratio),
)
first.mistake(
    "The decay acts after the step, on the new weights.",
    "Use the old `w` in the decay, or shrink the weights before the step.",
    changed(moved=lambda w, ratio, lr, decay: (w - lr * ratio) * (1 - lr * decay)),
)
first.mistake(
    "The step goes uphill: the loss would rise.",
    "A gradient says where the loss rises. Subtract the step.",
    changed(moved=lambda w, ratio, lr, decay: w + lr * ratio - lr * decay * w),
)
first.mistake(
    "Step and decay are both added: the loss would rise, and the weights grow.",
    "Subtract both.",
    changed(moved=lambda w, ratio, lr, decay: w + lr * (ratio + decay * w)),
)
first.mistake(
    "The decay pushes the weights away from 0.",
    "Subtract lr · decay · w, as you subtract the step.",
    changed(moved=lambda w, ratio, lr, decay: w - lr * (ratio - decay * w)),
)
first.mistake(
    "v is a mean of m², not of g².",
    "Square the gradient, `g`.",
    changed(means=lambda m, v, g, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * (b1 * m + (1 - b1) * g) ** 2)),
)
first.mistake(
    "v is the mean of the gradients' sizes, not of their squares.",
    "Square `g` in v: its root is taken later.",
    changed(means=lambda m, v, g, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g.abs())),
)
first.mistake(
    "v is a mean of the gradients, not of their squares.",
    "Square `g` in v.",
    changed(means=lambda m, v, g, b1, b2: (b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g)),
)
first.mistake(
    "The old means get 1 - beta, and the new gradient beta: the other way around.",
    "Most of a running mean is old: beta times the old one, plus 1 - beta times what is new.",
    changed(means=lambda m, v, g, b1, b2: ((1 - b1) * m + b1 * g, (1 - b2) * v + b2 * g**2)),
)
first.mistake(
    "beta1 and beta2 are swapped.",
    "beta1 belongs to m, and beta2 to v.",
    changed(
        means=lambda m, v, g, b1, b2: (b2 * m + (1 - b2) * g, b1 * v + (1 - b1) * g**2),
        corrected=lambda m, v, step, b1, b2: (m / (1 - b2**step), v / (1 - b1**step)),
    ),
)
first.mistake(
    "v's beta is 0.999, whatever the argument says.",
    "Use `beta2`.",
    changed(
        means=lambda m, v, g, b1, b2: (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2),
        corrected=lambda m, v, step, b1, b2: (m / (1 - 0.9**step), v / (1 - 0.999**step)),
    ),
)
first.mistake(
    "The corrected m and v become the new means.",
    "Keep the uncorrected means, as the next step starts from them; give the corrected ones other names.",
    changed(kept=lambda w, m, v, m_hat, v_hat: (w, m_hat, v_hat)),
)
first.mistake(
    "Only v is corrected.",
    "m began at 0, too: divide it by 1 - beta1^step.",
    changed(corrected=lambda m, v, step, b1, b2: (m, v / (1 - b2**step))),
)
first.mistake(
    "Only m is corrected.",
    "v began at 0, too: divide it by 1 - beta2^step.",
    changed(corrected=lambda m, v, step, b1, b2: (m / (1 - b1**step), v)),
)
first.mistake(
    "The step is made with the old m and v: this step's gradient doesn't reach it.",
    "First the new means, then the step, from the new ones.",
    lambda w, g, m, v, step, lr, decay, beta1, beta2, eps: (
        w - lr * (m / (1 - beta1**step) / ((v / (1 - beta2**step)).sqrt() + eps) + decay * w),
        beta1 * m + (1 - beta1) * g,
        beta2 * v + (1 - beta2) * g**2,
    ),
)
first.mistake(
    "The weights follow the gradient itself: that's SGD with decay.",
    "The step is m over the root of v, both corrected.",
    lambda w, g, m, v, step, lr, decay, beta1, beta2, eps: (
        w - lr * (g + decay * w),
        beta1 * m + (1 - beta1) * g,
        beta2 * v + (1 - beta2) * g**2,
    ),
)
first.mistake(
    "Without parentheses, m / 1 - beta1^step is m, minus a power of beta1.",
    "`m / (1 - beta1**step)`, and the same for v.",
    changed(corrected=lambda m, v, step, b1, b2: (m - b1**step, v - b2**step)),
)
later.mistake(
    "The correction multiplies beta by the step, in place of beta to the power of the step.",
    "`beta1**step`.",
    changed(corrected=lambda m, v, step, b1, b2: (m / (1 - b1 * step), v / (1 - b2 * step))),
)
later.mistake(
    "The correction is that of the first step, whatever `step` is.",
    "Divide by 1 - beta^step, with `beta1**step`.",
    changed(corrected=_as_the_first),
)
later.mistake(
    "The old means are forgotten: only this gradient counts.",
    "beta times the old mean, plus 1 - beta times what is new.",
    changed(means=lambda m, v, g, b1, b2: ((1 - b1) * g, (1 - b2) * g**2)),
)
later.mistake(
    "`m`, `v` and `step` are ignored: each step is a first one, as of an optimizer that was just made.",
    "Compute the new means from the old ones, as in point 1.",
    changed(means=lambda m, v, g, b1, b2: ((1 - b1) * g, (1 - b2) * g**2), corrected=_as_the_first),
)
later.mistake(
    "The gradient is divided by the root of v, and m isn't used.",
    "The step is m over the root of v, both corrected.",
    lambda w, g, m, v, step, lr, decay, beta1, beta2, eps: (
        w - lr * (g / (((beta2 * v + (1 - beta2) * g**2) / (1 - beta2**step)).sqrt() + eps) + decay * w),
        beta1 * m + (1 - beta1) * g,
        beta2 * v + (1 - beta2) * g**2,
    ),
)

still.mistake(
    "eps is inside the root.",
    "Add it after the root: √v + eps.",
    changed(ratio=lambda m, v, eps: m / (v + eps).sqrt()),
)
still.mistake(
    "eps is missing: where a gradient was always 0, that's 0 / 0.",
    "Add `eps` to the root.",
    changed(ratio=lambda m, v, eps: m / v.sqrt()),
)
still.mistake(
    "eps is 1e-8, whatever the argument says.",
    "Use the argument `eps`.",
    changed(ratio=lambda m, v, eps: m / (v.sqrt() + 1e-8)),
)
