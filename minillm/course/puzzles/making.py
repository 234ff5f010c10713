"""How a puzzle of this package is made: from its answer, its spec, and inputs of equal and of other sizes."""

import random
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.probe import Probe
from minillm.course.learner.puzzle import Puzzle

Draw = Callable[[random.Random], list[Call]]
PUZZLES: dict[str, Puzzle] = {}
TENSOR = "torch.Tensor."
ERRORS = {
    "size of tensor|must match|shape mismatch": "Write the shapes flush right: where they differ, one must be 1 or "
    "missing.",
    "out of bounds|out of range": "Which axis does this index count, and how long is it?",
    "same dtype|expected .*scalar type": "`@` wants floats on both sides: `.float()` makes 1.0 and 0.0 of a table of "
    "True and False.",
    "size mismatch, got input|mat1 and mat2|inconsistent tensor size": "The inner sizes of `@` must agree: (T, C) @ "
    "(C, F).",
    "repeat dims": "`repeat` takes a count for each axis. It repeats the whole table, not row by row.",
    "tensors used as indices must be": "An index is a whole number: `//` divides without a remainder.",
    "converted to an index": "A slice takes one number, not a tensor of them.",
    "at least 2 dimensions": "A matrix has two sizes: `torch.ones(n, n)`.",
    r"where\(\) received": "`torch.where(condition, this, otherwise)` takes three.",
    "expected Tensor as element": "`torch.cat` joins tensors: `torch.zeros(1)` is one that holds a 0.",
    "infer output dtype": "True and False have a sum, but no mean.",
    "return_types.max'": "`max` along an axis returns two things, values and positions. `amax` returns the values "
    "alone.",
    "name '[a-zA-Z]' is not defined": "Use nothing but the arguments, and torch.",
}


def puzzle(
    answer: Callable[..., Any],
    spec: Callable[..., None],
    draw: Draw,
    others: Draw,
    hints: tuple[str, str],
    ready_made: tuple[str, ...] = (),
) -> Probe:
    """Add a puzzle; returns the probe with equal sizes, where a wrong axis raises no error and can be named."""
    made = Puzzle(
        f"00a.{answer.__name__}", answer.__name__, answer, hints=hints, ready_made=ready_made, errors=ERRORS, spec=spec
    )
    PUZZLES[made.name] = made
    first = made.probe("equal sizes", draw)
    made.probe("other sizes", others)
    return first
