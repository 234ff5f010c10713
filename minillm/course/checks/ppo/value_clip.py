"""10b.1, a bug-hunt: the clip of PPO's values, which must stop progress and never a repair.

The loss is that of OpenAI's baselines (ppo2): the larger one of two squared errors, of the value and of the clipped
value. With the smaller one, a value that has jumped the wrong way has no gradient any more.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question

Found = tuple[Tensor, Tensor]


def value_loss(
    values: Float[Tensor, "B T"],
    old_values: Float[Tensor, "B T"],
    advantages: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    clip: float,
) -> Found:
    """The right answer, with its gradient in closed form.

    >>> tables = torch.tensor([[2.0, 0.4]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[0.3, 0.2]])
    >>> loss, gradient = value_loss(*tables, torch.tensor([[True, True]]), clip=0.2)
    >>> loss, gradient                                # errors 1.2 and -0.3
    (tensor(0.3825), tensor([[ 0.6000, -0.1500]]))
    """
    return _loss(values, old_values, advantages, mask, clip)


def _target(old: Tensor, advantages: Tensor, values: Tensor) -> Tensor:
    return old + advantages


def _near(old: Tensor, values: Tensor, target: Tensor, clip: float) -> Tensor:
    return old + (values - old).clamp(-clip, clip)


def _tokens(table: Tensor, mask: Tensor) -> Tensor:
    return table.where(mask, 0.0).sum() / mask.sum()


def _loss(
    values: Tensor,
    old_values: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    *,
    target: Callable[[Tensor, Tensor, Tensor], Tensor] = _target,
    near: Callable[[Tensor, Tensor, Tensor, float], Tensor] = _near,
    choose: Callable[[Tensor, Tensor], Tensor] = torch.maximum,
    per_token: Callable[[Tensor], Tensor] = lambda error: error.square() / 2,
    mean: Callable[[Tensor, Tensor], Tensor] = _tokens,
    made: Callable[[Tensor, Tensor, Tensor], Any] = lambda loss, gradient, mask: (loss, gradient),
    masked: Callable[[Tensor, Tensor], Tensor] = lambda table, mask: table.where(mask, 0.0),
) -> Any:
    """The loss and its gradient by autograd, with one thing done differently."""
    old, gained = masked(old_values, mask), masked(advantages, mask)
    with torch.enable_grad():
        x = masked(values, mask).detach().requires_grad_()
        goal = target(old, gained, x)
        loss = mean(choose(per_token(x - goal), per_token(near(old, x, goal, clip) - goal)), mask)
        (gradient,) = torch.autograd.grad(loss, x, allow_unused=True, materialize_grads=True)
    return made(loss.detach(), gradient, mask)


def _batch(rng: random.Random, lengths: list[int], clip: float, left: Callable[[Tensor], Tensor]) -> Call:
    """Values at `left` times the clip from the old ones, and junk in the padding; no errors tie."""
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    while True:
        old, advantages = numbers(rng, *mask.shape), numbers(rng, *mask.shape)
        moved = left(torch.tensor([[rng.uniform(-1, 1) for _ in row] for row in mask]))
        values = (old + clip * moved).round(decimals=2)
        goal = old + advantages
        near = (_near(old, values, goal, clip) - goal).abs()
        far = (values - goal).abs()
        beyond = (values - old).abs() > clip
        tie = ((near - far).abs() < 0.02) & beyond
        if not (tie | ((values - old).abs() - clip).abs().lt(0.005) | far.lt(0.02))[mask].any():
            return values, old, advantages, mask, clip


def _inside(rng: random.Random) -> list[Call]:
    return [
        _batch(rng, lengths, rng.choice([0.2, 0.5]), lambda x: 0.9 * x) for lengths in ([1], [3], [2, 4], [5, 1, 3])
    ]


def _outside(rng: random.Random) -> list[Call]:
    first: Call = (
        torch.tensor([[2.0, 0.4]]),
        torch.tensor([[0.5, 0.5]]),
        torch.tensor([[0.3, 0.2]]),
        torch.tensor([[True, True]]),
        0.2,
    )
    return [first, *(_batch(rng, lengths, rng.choice([0.2, 0.5]), _far) for lengths in ([4], [3, 6], [5, 2, 7]))]


def _far(x: Tensor) -> Tensor:
    return 3 * x.sign() * x.abs().sqrt()


def _with_nan(rng: random.Random) -> list[Call]:
    """Padding that isn't a number."""
    calls = []
    for lengths in ([1, 3], [4, 2], [2, 6, 3]):
        values, old, advantages, mask, clip = _batch(rng, lengths, 0.2, _far)
        bad = rng.sample([torch.nan, -torch.inf, torch.inf], 3)
        tables = (table.where(mask, x) for table, x in zip((values, old, advantages), bad, strict=True))
        calls.append((*tables, mask, clip))
    return calls


INSIDE = ("one token", "one answer", "two answers", "three answers")
OUTSIDE = ("two tokens", "one answer", "two answers", "three answers")
PADDED = ("two answers", "two answers, the first one longer", "three answers")


def _explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str, int] | None:
    """No pair of a number and a table; NaN; a gradient in the padding."""
    pairs = [answer for answer in got if type(answer) in (tuple, list) and len(answer) == 2]
    if difference(right, [pair[::-1] for pair in pairs]) is None:
        return "The gradient comes first.", DEFAULT, 0
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) not in (tuple, list) or len(answer) != 2:
            return "Two results are asked for: the loss and its gradient.", "`return loss, gradient`.", index
        loss, gradient = map(as_tensor, answer)
        if loss is None or gradient is None or loss.numel() != 1 or gradient.shape != call[0].shape:
            return "The loss is one number, and the gradient a table like `values`.", DEFAULT, index
        if not loss.isfinite().all():
            return (
                "The loss isn't finite: what stands in the padding reaches it, and 0 times NaN is NaN.",
                PADDING,
                index,
            )
        if not gradient.isfinite().all():
            return "The gradient isn't finite: the padding is masked too late for it.", PADDING, index
        if (gradient[~call[3]] != 0).any():
            return "The padding has a gradient.", "Where `mask` is False there's no token: the gradient is 0.", index
    return None


DEFAULT = "First the loss, then its gradient along `values`, (B, T)."
TARGET = (
    "The target is `old_values + advantages`, fixed numbers: what came, as estimated when the answers were sampled."
)
HALF = "The loss of a token is half of the squared error, the larger one of two."
MEAN = "One mean over all tokens of all answers: divide by `mask.sum()`."
BOTH = "Two errors per token, of the value and of the clipped value, and the *larger* square counts."
AROUND = "The clipped value is `old_values + (values - old_values).clamp(-clip, clip)`."
PADDING = "Put 0 into the padding of all tables first, with `torch.where`; also the gradient of NaN times 0 is NaN."

question = Question("10b.1", "A value clip that prevents repairs", value_loss, parts=("loss", "gradient"))

inside = question.probe("values that stay within the clip", _inside, _explain, kinds=INSIDE)
for _sentence, _goal in (
    ("The target moves with the value: it's made from `values`, so nothing pulls.", lambda old, A, x: x + A),
    ("The target is made from `values`, not from `old_values`.", lambda old, A, x: x.detach() + A),
    ("The target is the advantage alone.", lambda old, A, x: A),
    ("The advantage is subtracted from the old value.", lambda old, A, x: old - A),
    ("The target is the old value: the advantages aren't used.", lambda old, A, x: old),
):
    inside.mistake(_sentence, TARGET, partial(_loss, target=_goal))
for _sentence, _hint, _error in (
    ("It's twice too large: is the ½ missing, or are both errors added?", HALF, torch.square),
    ("The errors aren't squared.", HALF, torch.abs),
):
    inside.mistake(_sentence, _hint, partial(_loss, per_token=_error))
for _sentence, _mean in (
    ("The sum is divided by all B · T places, the padding included.", lambda x, mask: x.where(mask, 0.0).mean()),
    ("The losses are summed, not averaged.", lambda x, mask: x.where(mask, 0.0).sum()),
    ("The sum is divided by the number of answers.", lambda x, mask: x.where(mask, 0.0).sum() / len(x)),
    (
        "Each answer has its own mean, so a token of a short answer counts more.",
        lambda x, mask: (x.where(mask, 0.0).sum(1) / mask.sum(1)).mean(),
    ),
):
    inside.mistake(_sentence, MEAN, partial(_loss, mean=_mean))
inside.mistake(
    "The padding counts.",
    MEAN,
    partial(_loss, mean=lambda x, mask: x.mean(), masked=lambda table, mask: table),
)
for _sentence, _hint, _made in (
    (
        "The gradient is that of the tokens' sum; the loss is a mean.",
        "Divide the gradient by `mask.sum()`, too.",
        lambda loss, gradient, mask: (loss, gradient * mask.sum()),
    ),
    (
        "The gradient has the wrong sign: it's the step downhill.",
        "The gradient itself is asked for.",
        lambda loss, gradient, mask: (loss, -gradient),
    ),
    (
        "The loss is a table: a number for each token.",
        MEAN,
        lambda loss, gradient, mask: ((mask.sum() * gradient).square() / 2, gradient),
    ),
):
    inside.mistake(_sentence, _hint, partial(_loss, made=_made))
for _sentence, _clipped in (
    ("The value itself is clipped to ±clip.", lambda old, x, goal, clip: x.clamp(-clip, clip)),
    (
        "The value is clipped by a ratio, as a policy is; values can be 0 or negative.",
        lambda old, x, goal, clip: old * (x / old.where(old != 0, 1e-9)).clamp(1 - clip, 1 + clip),
    ),
    (
        "The clipped move isn't added to the old value.",
        lambda old, x, goal, clip: (x - old).clamp(-clip, clip),
    ),
    (
        "The clipped move is subtracted from the old value.",
        lambda old, x, goal, clip: old - (x - old).clamp(-clip, clip),
    ),
):
    inside.mistake(_sentence, AROUND, partial(_loss, near=_clipped))

outside = question.probe("values that have left it, both ways", _outside, _explain, kinds=OUTSIDE)
for _sentence, _choose in (
    ("The smaller of the two errors counts, so a value that jumped the wrong way is never repaired.", torch.minimum),
    ("The clipped value alone counts, so a value beyond the clip has no gradient at all.", lambda plain, near: near),
    ("Nothing is clipped.", lambda plain, near: plain),
    ("The two errors are averaged.", lambda plain, near: (plain + near) / 2),
):
    outside.mistake(_sentence, BOTH, partial(_loss, choose=_choose))
outside.mistake(
    "A value is clipped upwards only.",
    AROUND,
    partial(_loss, near=lambda old, x, goal, clip: old + (x - old).clamp(max=clip)),
)


def _larger_mean(*call: Any) -> Found:
    both = [_loss(*call, choose=choose) for choose in (lambda plain, near: plain, lambda plain, near: near)]
    return max(both, key=lambda each: each[0].item())


outside.mistake(
    "The larger of two means counts, not the mean of the larger errors.",
    "`torch.maximum` token by token, then the mean.",
    _larger_mean,
)


def _through(values: Tensor, old_values: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Found:
    loss, _ = value_loss(values, old_values, advantages, mask, clip)
    return loss, (values - old_values - advantages).where(mask, 0.0) / mask.sum()


outside.mistake(
    "The loss is right, but the gradient doesn't stop: where the clipped error is the larger one, it's 0.",
    "The clipped value doesn't change with `values` any more, so a token that counts by it has gradient 0.",
    _through,
)

question.probe("padding that isn't a number", _with_nan, _explain, kinds=PADDED)
