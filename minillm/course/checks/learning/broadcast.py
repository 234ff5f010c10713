"""00b.3: what is broadcast forward is summed backward, the step that every autograd needs for + and *.

In torch it is `Tensor.sum_to_size`, in HIPS/autograd `unbroadcast`.
"""

import random
from functools import partial

from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import Demand, same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.probe import Probe
from minillm.course.checks.question import Question

Shape = tuple[int, ...]


def unbroadcast(slopes: Tensor, shape: Shape) -> Tensor:
    """The right answer, by torch's own function.

    >>> import torch
    >>> unbroadcast(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), (2, 1))
    tensor([[3.],
            [7.]])
    """
    return slopes.sum_to_size(shape)


def _stretched(slopes: Tensor, shape: Shape) -> list[int]:
    """The axes along which a tensor of this shape was repeated."""
    padded = [0] * (slopes.dim() - len(shape)) + list(shape)
    return [
        axis for axis, (size, own) in enumerate(zip(slopes.shape, padded, strict=True)) if own in (0, 1) and size > own
    ]


Case = tuple[str, Shape, Shape]  # the kind, the shape of the slopes, and the shape asked for

IN_FRONT: list[Case] = [  # most sizes alike, so that summing the wrong axis is not an error but a mistake to name
    ("one axis in front (all sizes alike)", (2, 2), (2,)),
    ("one axis in front (all sizes alike)", (3, 3, 3), (3, 3)),
    ("two axes in front (all sizes alike)", (3, 3, 3), (3,)),
    ("two axes in front (all sizes alike)", (2, 2, 2, 2), (2, 2)),
    ("one axis in front (of another size)", (4, 3), (3,)),
]
STRETCHED: list[Case] = [
    ("an axis of 1", (2, 2), (2, 1)),
    ("an axis of 1", (3, 4), (1, 4)),
    ("two axes of 1", (3, 2, 4), (3, 1, 1)),
    ("an axis of 1 that was not stretched", (4, 1, 2), (4, 1, 1)),
    ("an axis of 1 that was not stretched", (1, 3), (1, 3)),
    ("nothing to sum", (2, 3), (2, 3)),
    ("slopes of shape ()", (), ()),  # here numpy's `sum` gives a plain number, which will do
]
BOTH: list[Case] = [
    ("an axis in front and one of 1", (2, 2, 2), (2, 1)),
    ("an axis in front and one of 1", (2, 3, 4), (3, 1)),
    ("an axis in front and one of 1", (4, 2, 3, 3), (1, 3)),
    ("axes in front of another size", (4, 3), (3,)),
    ("axes in front of another size", (2, 2, 3, 2), (3, 2)),
    ("the empty shape ()", (2, 3), ()),
    ("the shape (1,)", (3, 2), (1,)),
    ("an axis in front of size 1", (1, 3), (3,)),
    ("an axis of 0", (2, 0, 3), (0, 1)),
    ("an axis of 1 that became one of 0", (2, 0), (2, 1)),
]


def _calls(rng: random.Random, cases: list[Case]) -> list[Call]:
    return [(numbers(rng, *given), shape) for _, given, shape in cases]


def _probe(name: str, cases: list[Case], demand: Demand | None = None) -> Probe:
    kinds = tuple(kind for kind, _, _ in cases)
    return question.probe(name, partial(_calls, cases=cases), demand=demand, kinds=kinds)


question = Question(
    "00b.3",
    "The gradient of a broadcast",
    unbroadcast,
    forbidden=("minillm", "torch.Tensor.sum_to_size", "torch.autograd", "torch.Tensor.backward"),
)

in_front = _probe("axes that were put in front", IN_FRONT)


@in_front.mistake("The slopes of the copies are averaged.", "The gradients of all copies add up. Take the sum.")
def _mean(slopes, shape):
    summed = unbroadcast(slopes, shape)
    return summed * (summed.numel() / slopes.numel())


@in_front.mistake(
    "Only the first copy's slope is kept.", "All copies were used, so the slopes of all of them count: add them up."
)
def _first(slopes, shape):
    for axis in _stretched(slopes, shape):
        slopes = slopes.narrow(axis, 0, 1)
    return slopes.reshape(shape)


in_front.mistake(
    "The slopes still have the shape of the result.",
    "The gradient has the shape of what was broadcast. Sum along the axes that `shape` does not have.",
    lambda slopes, shape: slopes,
)
in_front.mistake(
    "Only one of the leading axes is summed.",
    "`slopes` has `slopes.dim() - len(shape)` leading axes more than `shape`. It may be two.",
    lambda slopes, shape: slopes.sum(0) if slopes.dim() > len(shape) else slopes,
)


@in_front.mistake(
    "The trailing axes are summed, not the leading ones.",
    "Align the two shapes on the right. The extra axes on the left come from broadcasting.",
)
def _from_the_left(slopes, shape):
    return slopes.flatten(len(shape)).sum(-1) if slopes.dim() > len(shape) else slopes


@in_front.mistake(
    "The first axis is summed, and then an axis further along: the others have moved down by one.",
    "After `sum(0)` the next leading axis is axis 0 again. Sum all of them at once: `sum(dim=(0, 1))`.",
)
def _axes_moved(slopes, shape):
    for axis in range(slopes.dim() - len(shape)):
        slopes = slopes.sum(axis)
    return slopes


stretched = _probe("axes of size 1 that were stretched", STRETCHED)


@stretched.mistake(
    "Axes of size 1 are left stretched.", "Where `shape` has a 1 and `slopes` has more, sum along this axis too."
)
def _only_in_front(slopes, shape):
    return slopes.sum(tuple(range(slopes.dim() - len(shape)))) if slopes.dim() > len(shape) else slopes


stretched.mistake(
    "Along an axis of size 1 only the first copy's slope is kept.",
    "All copies were used, so the slopes of all of them count: `sum(axis, keepdim=True)`.",
    lambda slopes, shape: _first(_only_in_front(slopes, shape), shape),
)


@stretched.mistake(
    "Only the first axis of size 1 is summed.",
    "Go through all axes of `shape`: a loop without `break`.",
)
def _first_axis_of_one(slopes, shape):
    slopes = _only_in_front(slopes, shape)
    axes = _stretched(slopes, shape)
    return slopes.sum(axes[0], keepdim=True) if axes else slopes


stretched.mistake(
    "Only the first axis of size 1 is summed.",
    "Go through all axes of `shape`: `shape.index(1)` finds one.",
    lambda slopes, shape: (
        _only_in_front(slopes, shape).sum(shape.index(1), keepdim=True) if 1 in shape else _only_in_front(slopes, shape)
    ),
)
stretched.mistake(
    "Along an axis of size 1 the slopes of the copies are averaged.",
    "The gradients of all copies add up. Take the sum.",
    lambda slopes, shape: _mean(_only_in_front(slopes, shape), shape),
)


@stretched.mistake(
    "The numbers are reshaped in the order of memory, and summed in blocks.",
    "That adds up numbers that are not copies of each other. Sum along an axis instead: `sum(axis)`.",
)
def _reshaped(slopes, shape):
    return slopes.reshape(-1, *shape).sum(0)


@stretched.mistake(
    "The summed axis is lost.",
    "(B, 1) and (B,) are different shapes: the lesson's second trap. `keepdim=True` keeps the 1.",
)
def _axis_lost(slopes, shape):
    axes = _stretched(slopes, shape)
    return slopes.sum(axes) if axes else slopes


both = _probe("both at once, and a single number", BOTH, demand=same_kind)


@both.mistake(
    "An axis of 1 that became one of 0 keeps the size 0.",
    "Sum along each axis where `shape` has a 1 and `slopes` another size. A sum over nothing is 0.",
)
def _not_from_nothing(slopes, shape):
    slopes = _only_in_front(slopes, shape)
    axes = _stretched(slopes, shape)
    return slopes.sum(axes, keepdim=True) if axes else slopes


@both.mistake(
    "The axes of size 1 are looked up at the wrong axes.",
    "While there is a leading axis more, axis 1 of `shape` is axis 2 of `slopes`. Sum over the leading one first.",
)
def _counted_too_early(slopes, shape):
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return _only_in_front(slopes, shape)
