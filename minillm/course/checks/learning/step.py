"""00b.2, a bug-hunt: a layer is stepped before the slope has gone back through it.

It happens in networks written by hand, since both stand in one loop and the loss falls all the same: issue 12 of
zero_to_gpt, issue 31 of data-science-from-scratch, issue 72 of Toy-Neural-Network-JS.
"""

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.question import Question

Layer = tuple[Tensor, Tensor]  # (in, out) weight and (out,) bias


def step(layers: list[Layer], x: Float[Tensor, "B C"], y: Float[Tensor, "B V"], rate: float) -> list[Layer]:
    """The right answer, by autograd: all layers after one step down.

    >>> one = torch.zeros(1, 2), torch.zeros(2)
    >>> step([one], torch.tensor([[1.0]]), torch.tensor([[1.0, 0.0]]), rate=0.5)
    [(tensor([[ 0.2500, -0.2500]]), tensor([ 0.2500, -0.2500]))]
    """
    watched = [tensor.clone().requires_grad_() for layer in layers for tensor in layer]
    with torch.enable_grad():
        for weight, bias in zip(watched[:-2:2], watched[1:-2:2], strict=True):
            x = torch.tanh(x @ weight + bias)
        loss = -(y * (x @ watched[-2] + watched[-1]).log_softmax(-1)).sum()
        slopes = torch.autograd.grad(loss, watched)
    stepped = [tensor.detach() - rate * slope for tensor, slope in zip(watched, slopes, strict=True)]
    return list(zip(stepped[::2], stepped[1::2], strict=True))


def _step(
    layers: list[Layer],
    x: Tensor,
    y: Tensor,
    rate: float,
    *,
    back: Callable[[Tensor, Tensor], Tensor] = lambda old, new: old.T,
    tanh_slope: Callable[[Tensor, Tensor], Tensor | int] = lambda tanh, before: 1 - tanh**2,
    weigh: Callable[[Tensor], Tensor | float] = lambda y: y.sum(1, keepdim=True),
    tanh_at_the_end: bool = False,
    bias_too: bool = True,
) -> list[Layer]:
    """The walk back by hand, with one thing done differently."""
    outputs = [x]
    for weight, bias in layers:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    logits = outputs[-1] if tanh_at_the_end else outputs[-2] @ layers[-1][0] + layers[-1][1]
    slope = logits.softmax(-1) * weigh(y) - y
    slope = slope * (1 - logits**2 if tanh_at_the_end else 1)
    stepped: list[Layer] = []
    for index in reversed(range(len(layers))):
        weight, bias = layers[index]
        new = weight - rate * outputs[index].T @ slope, bias - bias_too * rate * slope.sum(0)
        stepped.insert(0, new)
        if index > 0:
            slope = slope @ back(weight, new[0]) * tanh_slope(outputs[index], outputs[index - 1])
    return stepped


def _networks(rng: random.Random, *sizes: tuple[int, ...]) -> list[Call]:
    """For (B, C, ..., V) a batch of B, and layers from each width to the next."""
    calls = []
    for B, *widths in sizes:
        layers = [
            (numbers(rng, wide, next_wide), numbers(rng, next_wide, scale=0.5)) for wide, next_wide in pairwise(widths)
        ]
        y = numbers(rng, B, widths[-1]).abs() + 0.1  # rows of unequal weight, together 1
        calls.append((layers, numbers(rng, B, widths[0]), y / y.sum(), rng.choice([0.5, 1.0, 2.0])))
    return calls


def _two_layers(rng: random.Random) -> list[Call]:
    (layers, x, y, rate), *others = _networks(rng, (2, 2, 3, 2), (4, 3, 5, 6), (5, 4, 2, 3))
    return [(layers, x, y / y.sum(1, keepdim=True) / 2, rate), *others]


def _other_depths(rng: random.Random) -> list[Call]:
    one, three, four, without, large = _networks(
        rng, (3, 4, 2), (1, 2, 2, 2, 2), (4, 3, 3, 3, 3, 3), (2, 2, 2, 2), (2, 2, 2, 2)
    )
    without[2][0] = 0.0
    one = one[0], 10 * one[1], *one[2:]  # slopes longer than 1, which must not be clipped
    layers, x, y, rate = large
    layers[-1] = layers[-1][0], layers[-1][1] + torch.tensor([150.0, 149.0])
    return [one, three, four, (without[0], without[1], without[2] / without[2].sum(), rate), (layers, x, y, rate)]


TANH_SLOPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "1 where h is above 0, the slope of a ReLU": lambda tanh, before: (tanh > 0).to(tanh.dtype),
    "1 - h": lambda tanh, before: 1 - tanh,
    "h": lambda tanh, before: tanh,
    "h²": lambda tanh, before: tanh**2,
    "1 + h²": lambda tanh, before: 1 + tanh**2,
    "h · (1 - h), the slope of a sigmoid": lambda tanh, before: tanh * (1 - tanh),
    "1 - tanh(h)²": lambda tanh, before: 1 - torch.tanh(tanh) ** 2,
    "(1 - h)²": lambda tanh, before: (1 - tanh) ** 2,
    "1 - |h|": lambda tanh, before: 1 - tanh.abs(),
    "(1 - h²)²": lambda tanh, before: (1 - tanh**2) ** 2,
}


def _which(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The last layer that goes wrong, since all before it depend on it, and how far it moved."""
    for words, slope in TANH_SLOPES.items():
        if not any(difference(_step(*call, tanh_slope=slope), gave) for call, gave in zip(calls, got, strict=True)):
            return f"On the way back through a tanh, {words} is multiplied.", "The slope of h = tanh(...) is 1 - h²."
    if found := _rescaled(calls, right, got):
        return found
    for (layers, x, *_), wanted, answer in zip(calls, right, got, strict=True):
        pairs = [layer for layer in answer if type(layer) in (list, tuple)] if type(answer) in (list, tuple) else []
        if [len(layer) for layer in pairs] != [2] * len(wanted):
            return None
        for index in reversed(range(len(wanted))):
            for name, due, gave, old in zip(
                ("weight", "bias"), wanted[index], pairs[index], layers[index], strict=True
            ):
                if found := difference(due, gave):
                    later = "all layers after it are right" if index + 1 < len(wanted) else "it is the last layer"
                    hint = "Compute this slope by a nudge (`slopes_by_nudging` in the lesson) and compare."
                    found = _how_far(due - old, as_tensor(gave) - old, len(x)) or found
                    return f"The {name} of layer {index} {found}; {later}.", hint
    return None


def _rescaled(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Right slopes that were scaled to length 1, or to at most 1, or cut to their signs."""
    moved, due = [], []
    for (layers, _, _, rate), wanted, answer in zip(calls, right, got, strict=True):
        for old, new, gave in zip(layers, wanted, answer, strict=True):
            moved.append([(before - as_tensor(after)) / rate for before, after in zip(old, gave, strict=True)])
            due.append([(before - after) / rate for before, after in zip(old, new, strict=True)])
    if not any(
        difference(slope.sign(), step)
        for one, other in zip(due, moved, strict=True)
        for slope, step in zip(one, other, strict=True)
    ):
        return "Only the signs of the slopes are used: every number moves by `rate`.", HINT
    ends = [0, *(sum(len(layers) for layers, *_ in calls[: n + 1]) for n in range(len(calls)))]
    for words, group in {
        "each layer": lambda layers: [torch.cat([part.flatten() for part in layer]) for layer in layers],
        "all layers together": lambda layers: [
            torch.cat([part.flatten() for layer in layers[a:b] for part in layer]) for a, b in pairwise(ends)
        ],
        "each weight and each bias": lambda layers: [part.flatten() for layer in layers for part in layer],
    }.items():
        pairs = list(zip(group(due), group(moved), strict=True))
        if not any(difference(slope / slope.norm(), step) for slope, step in pairs):
            return f"The slopes of {words} are scaled to length 1.", HINT
        if not any(difference(slope / slope.norm().clamp_min(1), step) for slope, step in pairs):
            return f"The slopes of {words} are scaled down to length 1 where they are longer.", HINT
    return None


HINT = "A step is `old - rate * slope`, with the slope as it comes out of the chain rule: no clipping, no normalizing."


def _how_far(due: Tensor, moved: Tensor, B: int) -> str | None:
    """What a step has to do with the right one, if it is a multiple of it."""
    if not moved.any():
        return "does not move"
    factor = float((moved * due).sum() / (due * due).sum())
    if due.numel() < 2 or difference(due * factor, moved):
        return None
    if abs(factor * B - 1) < 1e-3:
        return "moves 1 / B as far as it should"
    return f"moves {factor:.4g} times as far as it should"


question = Question(
    "00b.2",
    "The loss falls, but the step is wrong",
    step,
    forbidden=("minillm", "torch.autograd", "torch.Tensor.backward", "torch.optim"),
)

two_layers = question.probe(
    "two layers",
    _two_layers,
    _which,
    kinds=("rows of equal weight", "rows of unequal weight", "rows of unequal weight"),
)
two_layers.mistake(
    "The slope still goes back through a weight that has been stepped already.",
    "Send the slope back first, through the old weight. Then take the step; or keep all slopes and step at the end.",
    partial(_step, back=lambda old, new: new.T),
)
two_layers.mistake(
    "The slope of tanh is missing in the backward pass.",
    "After each tanh, multiply by 1 - tanh², number by number.",
    partial(_step, tanh_slope=lambda tanh, before: 1),
)
two_layers.mistake(
    "The step goes uphill.",
    "A slope says where the loss rises. Subtract it.",
    lambda layers, x, y, rate: step(layers, x, y, -rate),
)
two_layers.mistake(
    "The rate is multiplied in twice: into the slopes, and into the step.",
    "Only the step has the rate: `old - rate * slope`.",
    lambda layers, x, y, rate: step(layers, x, y, rate**2),
)
two_layers.mistake(
    "Every row of `y` is taken to add up to 1.",
    "A row weighs what its `y` adds up to, so its slope is p · y.sum(1, keepdim=True) - y.",
    partial(_step, weigh=lambda y: 1.0),
)
two_layers.mistake(
    "Every row of `y` is taken to weigh 1 / B.",
    "A row weighs what its `y` adds up to, so its slope is p · y.sum(1, keepdim=True) - y.",
    partial(_step, weigh=lambda y: 1 / len(y)),
)
two_layers.mistake(
    "The slopes are divided by the batch once more.",
    "The weights of the rows are in `y` already. What comes from several rows adds up: a sum, no mean.",
    lambda layers, x, y, rate: step(layers, x, y, rate / len(x)),
)
two_layers.mistake(
    "The logits, too, go through tanh.",
    "tanh is applied between two layers. After the last one there is none.",
    partial(_step, tanh_at_the_end=True),
)
two_layers.mistake(
    "The biases stay where they were.",
    "A bias was broadcast to all rows, so its slope is `slope.sum(0)`. It steps like a weight.",
    partial(_step, bias_too=False),
)


@two_layers.mistake(
    "The outputs are computed anew after each layer has been stepped.",
    "All slopes belong to the layers as they came in. Walk forwards once, before any step.",
)
def _forward_again(layers, x, y, rate):
    now = list(layers)
    for index in reversed(range(len(layers))):
        now[index] = step(now, x, y, rate)[index]
    return now


@two_layers.mistake(
    "The outputs are computed anew after each layer has been stepped, and the slopes go back through the old weights.",
    "All slopes belong to the layers as they came in. Walk forwards once, before any step.",
)
def _only_forward_again(layers, x, y, rate):
    now = list(layers)
    for index in reversed(range(len(layers))):
        outputs = [x]
        for weight, bias in now:
            outputs.append(torch.tanh(outputs[-1] @ weight + bias))
        slope = (outputs[-2] @ now[-1][0] + now[-1][1]).softmax(-1) * y.sum(1, keepdim=True) - y
        for later in range(len(layers) - 1, index, -1):
            slope = slope @ layers[later][0].T * (1 - outputs[later] ** 2)
        weight, bias = layers[index]
        now[index] = weight - rate * outputs[index].T @ slope, bias - rate * slope.sum(0)
    return now


other_depths = question.probe(
    "three and four layers, and only one",
    _other_depths,
    _which,
    kinds=("one layer", "three layers", "four layers", "a row of weight 0", "logits near 150"),
    same=two_layers.mistakes[:1],
)
other_depths.mistake(
    "The slope goes back through the weight, not through its transpose.",
    "Forwards it was x @ weight, so backwards it is slope @ weight.T. Equal widths hide this.",
    partial(_step, back=lambda old, new: old),
)
other_depths.mistake(
    "The slope of tanh is taken from the layer before.",
    "`1 - h**2` wants the h that came out of this very tanh, the input of the layer after it.",
    partial(_step, tanh_slope=lambda tanh, before: 1 - before**2),
)
