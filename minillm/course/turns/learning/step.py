"""00b.sgd_step: one step of gradient descent (Cauchy 1847)."""

import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def sgd_step(weights, gradients, rate):
    """The weights after one step down, as a new list."""
    return [w - rate * g for w, g in zip(weights, gradients, strict=True)]


turn = Turn(
    "00b.sgd_step",
    "A step of gradient descent",
    sgd_step,
    fresh=True,
    minutes=4,
    difficulty=1,
    hints=(
        "A gradient points to where the loss rises fastest. Which way do you go, and how far?",
        "`zip(weights, gradients)` gives each weight with its own gradient.",
        "Make a new tensor for each pair: the old weight, minus the rate times its gradient. Return them in a list.",
    ),
    errors={
        "can't multiply sequence|unsupported operand.*'(list|tuple)'": "`weights` and "
        "`gradients` are lists of tensors. Python can't compute with a whole list: loop over both with `zip`.",
        "too many values to unpack|not enough values": "There may be any number of weights, so loop over them.",
        "size of tensor a": "Shapes differ there. Each weight takes its own gradient, of this call and as it is: "
        "`zip(weights, gradients)` pairs them.",
        "'list' object has no attribute|'tuple' object has no attribute": "`weights` is a list. Its items are tensors.",
        "no attribute 'grad'|'NoneType'": "The gradients are in the argument `gradients`; nothing is in `.grad`.",
        "name '(lr|learning_rate|eta|alpha|step_size)' is not defined": "Here the learning rate is called `rate`.",
        "name '(grads?|params?|parameters|d_\\w+|w1|w2|b1|b2)' is not defined": "The arguments are `weights`, "
        "`gradients` and `rate`.",
        "index out of range|out of bounds": "There may be any number of weights: loop over them.",
        "list indices must be|converted to an index": "A loop over a list gives its items. For "
        "numbers, use `range(len(weights))`, or `zip`.",
        "changed the input": "`-=`, `*=` and methods that end in `_` change the old tensors, `weights[i] = ...` "
        "the old list. Put each `w - rate * g` into a list of your own.",
        "stack expects|only one element tensors": "The weights may differ in shape: they stay a list, one tensor each.",
    },
    debrief=Debrief(
        "`torch.optim.SGD` changes the weights in place to save memory. Real runs estimate the gradient on a random "
        "batch, which is the S in SGD, and most use AdamW (lesson 08).",
        "Double the loss function, and every gradient doubles. What would you change to get the same steps?",
    ),
)


def _lists(rng: random.Random) -> list[Call]:
    """Several numbers of weights, of several shapes; two may have one shape."""
    calls = []
    for shapes, rate in (
        (((3,), (3,)), 0.4),
        (((2, 2),), 2.0),
        (((2, 3), (3,), (3, 2), (2,)), 0.3),
        (((2,), (2,), (2,)), 1.5),
    ):
        calls.append(([numbers(rng, *s) for s in shapes], [numbers(rng, *s) for s in shapes], rate))
    weights = [numbers(rng, 2) for _ in range(3)]
    rests = (weights, [numbers(rng, 2), torch.zeros(2), numbers(rng, 2)], 0.5)
    return [
        *calls,
        rests,
        ([torch.tensor([1.2345, 0.4321])], [torch.tensor([0.0007, 1.0])], 1.0),
    ]  # and a slope that is nearly 0


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not a list with one tensor per weight."""
    if any(type(answer) is Tensor for answer in got):
        return "One tensor is returned, not a list.", "Collect the new weights in a list, one for each old one."
    if any(type(answer) not in (list, tuple) for answer in got):
        return None
    n_numbers = [sum(weight.numel() for weight in weights) for weights, _, _ in calls]
    if any(len(call[0]) > 1 for call in calls) and all(
        len(answer) == 1 and type(answer[0]) is Tensor and answer[0].numel() == n
        for n, answer in zip(n_numbers, got, strict=True)
    ):
        return "All weights are in one long vector.", "Return a list with a tensor per weight, each in its own shape."
    if all(len(answer) == 1 for answer in got) and any(len(call[0]) > 1 for call in calls):
        hint = "Is `return` inside the loop, which it ends? Or the empty list, which then begins again each round?"
        return "Only one weight is returned.", hint
    if all(len(answer) == 2 and type(answer[0]) in (list, tuple) for answer in got):
        return "Two lists are returned.", "Return only the new weights."
    if any(type(item) in (list, tuple) for answer in got for item in answer):
        return "The items of the list aren't tensors.", "Return only the new weights, one tensor for each old one."
    return None


lists = turn.probe("lists of weights", _lists, _form)


def _mistake(sentence: str, hint: str, change: Any) -> None:
    lists.mistake(sentence, hint, lambda weights, gradients, rate: [
        change(w, g, rate) for w, g in zip(weights, gradients, strict=True)
    ])  # fmt: skip


_mistake(
    "The step goes uphill: the loss would rise.",
    "A gradient says where the loss rises. Subtract it.",
    lambda w, g, rate: w + rate * g,
)
_mistake("The rate isn't used.", "Multiply each gradient by `rate`.", lambda w, g, rate: w - g)
_mistake(
    "The gradient is divided by the rate.",
    "A larger rate means a larger step: multiply.",
    lambda w, g, rate: w - g / rate,
)
_mistake(
    "The steps are returned, not the weights after them.",
    "Subtract the step from the old weight.",
    lambda w, g, rate: rate * g,
)
_mistake(
    "Minus the steps are returned, not the weights after them.",
    "Add them to the old weights.",
    lambda w, g, rate: -rate * g,
)
_mistake(
    "Nothing changes: the old weights are returned.",
    "Are the new tensors returned? And is the rate used as it is?",
    lambda w, g, rate: w,
)
_mistake(
    "The rate multiplies the whole difference: parentheses.",
    "Only the gradient is multiplied by the rate.",
    lambda w, g, rate: rate * (w - g),
)
_mistake(
    "The rate multiplies the weight in place of its gradient.",
    "The weight stays whole; its gradient is multiplied by the rate.",
    lambda w, g, rate: rate * w - g,
)
_mistake(
    "Weight and gradient are swapped.",
    "Weights come first in both the argument list and the difference.",
    lambda w, g, rate: g - rate * w,
)
_mistake(
    "The weight is multiplied by 1 - rate, too.",
    "The old weight stays whole: `w - rate * g`, and `lerp` mixes the two.",
    lambda w, g, rate: (1 - rate) * w - rate * g,
)
_mistake(
    "The weight moves toward its gradient, as an average of both.",
    "Subtract rate times gradient from the weight; the weight stays whole.",
    lambda w, g, rate: w + rate * (g - w),
)
_mistake("The result has the other sign.", "Old weight minus rate times gradient.", lambda w, g, rate: rate * g - w)
_mistake(
    "The step is multiplied by the weight.",
    "Subtract rate times gradient from the weight; nothing else.",
    lambda w, g, rate: w * (1 - rate * g),
)
_mistake(
    "Only the sign of each gradient is used: every number moves equally far.",
    "Use the gradient itself. Sign descent exists, but this turn asks for gradient descent.",
    lambda w, g, rate: w - rate * g.sign(),
)
_mistake(
    "Gradients beyond 1 and -1 are cut off there.",
    "Use each gradient as it is. Clipping is another recipe.",
    lambda w, g, rate: w - rate * g.clamp(-1, 1),
)
_mistake(
    "The gradients lost their sign: every number falls.",
    "A gradient below 0 says that the number should grow: subtract the gradient itself.",
    lambda w, g, rate: w - rate * g.abs(),
)
_mistake(
    "Each gradient is divided by the length of its weight, `len(w)`.",
    "Multiply it by `rate`, and nothing else.",
    lambda w, g, rate: w - rate * g / len(w),
)
_mistake(
    "Each gradient is scaled to norm 1 first.",
    "Use the gradient as it is.",
    lambda w, g, rate: w - rate * g / g.norm(),
)
_mistake(
    "The rate is squared: it is multiplied twice.",
    "Multiply each gradient by `rate` once.",
    lambda w, g, rate: w - rate**2 * g,
)
_mistake(
    "All entries of a weight move by the mean of its gradient.",
    "Each number has a gradient of its own.",
    lambda w, g, rate: w - rate * g.mean(),
)
_mistake(
    "All entries of a weight move by the sum of its gradient.",
    "Each number has a gradient of its own.",
    lambda w, g, rate: w - rate * g.sum(),
)
_mistake(
    "The rate is subtracted, and the gradient isn't used.",
    "Multiply the gradient by the rate.",
    lambda w, g, rate: w - rate,
)
_mistake(
    "The rate is 0.1, whatever the argument says.",
    "Use the argument `rate`.",
    lambda w, g, rate: w - 0.1 * g,
)
_mistake(
    "The rate is 4, whatever the argument says.",
    "Use the argument `rate`.",
    lambda w, g, rate: w - 4 * g,
)
_mistake(
    "The rate is cut off at 1.",
    "Use it as it is. On the page it's 4.",
    lambda w, g, rate: w - min(rate, 1) * g,
)
_mistake(
    "Rate and gradient are added, then subtracted.",
    "Multiply the gradient by the rate.",
    lambda w, g, rate: w - (rate + g),
)
_mistake(
    "The weights shrink, too, as under weight decay.",
    "Subtract rate times gradient, and nothing else.",
    lambda w, g, rate: w - rate * (g + 0.01 * w),
)
lists.mistake(
    "Only the matrices take a step; the biases stay.",
    "Every tensor in the list takes the same kind of step.",
    lambda weights, gradients, rate: [
        w - rate * g if w.dim() > 1 else w for w, g in zip(weights, gradients, strict=True)
    ],
)
lists.mistake(
    "Only the first weight takes a step.",
    "Does each round of the loop append its own new weight?",
    lambda weights, gradients, rate: [weights[0] - rate * gradients[0], *weights[1:]],
)
lists.mistake(
    "The first weight doesn't move.",
    "Every weight takes a step; Python counts them from 0.",
    lambda weights, gradients, rate: [weights[0], *sgd_step(weights[1:], gradients[1:], rate)],
)
lists.mistake(
    "The last weight doesn't move.",
    "Every weight takes a step: `range(len(weights))` takes all, or `zip`.",
    lambda weights, gradients, rate: [*sgd_step(weights[:-1], gradients[:-1], rate), weights[-1]],
)
lists.mistake(
    "The gradients are divided by the number of tensors.",
    "Multiply each by `rate`, and nothing else.",
    lambda weights, gradients, rate: sgd_step(weights, gradients, rate / len(weights)),
)
lists.mistake(
    "The first weight is left out.",
    "Python counts from 0. `zip(weights, gradients)` needs no counting.",
    lambda weights, gradients, rate: sgd_step(weights, gradients, rate)[1:],
)
lists.mistake(
    "The last weight is left out.",
    "Loop over all of them: `zip(weights, gradients)`.",
    lambda weights, gradients, rate: sgd_step(weights, gradients, rate)[:-1],
)
lists.mistake(
    "A weight whose gradient is 0 is left out.",
    "It doesn't move, but it belongs in the list.",
    lambda weights, gradients, rate: [w - rate * g for w, g in zip(weights, gradients, strict=True) if g.any()],
)
lists.mistake(
    "The old weights are still in front of the new ones.",
    "Begin with an empty list.",
    lambda weights, gradients, rate: [*weights, *sgd_step(weights, gradients, rate)],
)
lists.mistake(
    "The new weights are in reverse order.",
    "Return them in the order of `weights`.",
    lambda weights, gradients, rate: sgd_step(weights, gradients, rate)[::-1],
)


@lists.mistake(
    "All tensors are scaled by one factor, as in gradient clipping.",
    "Use the gradients as they are.",
)
def _clipped(weights, gradients, rate):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return sgd_step(weights, [g / norm.clamp(min=1.0) for g in gradients], rate)
