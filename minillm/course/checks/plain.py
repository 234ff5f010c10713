"""Plain data: the values that pass between a learner's function and the grader.

Grading must not run the learner's code. An object of the learner's own class may return True for every `==`, and a
subclass of Tensor may do so through torch. So each output is first copied into exact built-in types, or refused.
"""

import math
from types import GeneratorType
from typing import Any

import numpy as np
import torch

ATOMS = {bool, int, float, str, bytes, type(None)}
NUMBERS = (bool, int, float)
WHOLE = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
DTYPES = WHOLE | {torch.float16, torch.bfloat16, torch.float32, torch.float64}  # comparable with each other
NUMPY_SCALARS = set(np.sctypeDict.values()) - {np.object_, np.void}
MAX_DEPTH = 8  # of nested lists in one value
MAX_ITEMS = 100_000  # in one value
MAX_KEYS = 10_000  # of one dictionary, since keys may be chosen to collide
MAX_AXES = 8  # of one tensor
MAX_SIZE = 10_000_000  # numbers in one tensor, characters in one string
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # tolerances for float32, computed in any order
MAX_WIDTH = 160  # characters of a value in a message
SHAPE = "a tensor ("  # prefix of a value that is shown as its shape


class Refused(ValueError):
    """The value is not plain; the message is the end of a sentence about it."""


def plain(value: Any) -> Any:
    """Copy a value into exact Python types and plain torch tensors on the CPU.

    Parameters, numpy's arrays and numbers, dictionaries of `collections` and bytearray are converted. Raises `Refused`
    for all other types, including subclasses, and for values that are too large or nested too deep.

    >>> plain([(1, 2.5), np.arange(2)])
    [(1, 2.5), tensor([0, 1])]
    >>> plain(range(3))
    Traceback (most recent call last):
    minillm.course.checks.plain.Refused: is of type range; return plain numbers, text, lists or tensors
    """
    return _copy(value, MAX_DEPTH, [MAX_ITEMS])


def _copy(value: Any, depth: int, left: list[int]) -> Any:
    kind = type(value)  # not isinstance, which a class can deceive
    left[0] -= 1
    if depth == 0 or left[0] < (len(value) if kind in (list, tuple) else 0):
        raise Refused(f"is nested deeper than {MAX_DEPTH} lists, or holds more than {MAX_ITEMS:,} items")
    if kind in ATOMS:
        if (kind is int and value.bit_length() > 1000) or (kind in (str, bytes) and len(value) > MAX_SIZE):
            raise Refused(f"is a {kind.__name__} too large for any right answer")
        return value
    if kind in (list, tuple):
        return kind([_copy(item, depth - 1, left) for item in value])
    if kind is dict or (issubclass(kind, dict) and kind.__module__ == "collections"):
        if len(value) > MAX_KEYS:
            raise Refused(f"is a dictionary of more than {MAX_KEYS:,} keys")
        return {_copy(key, depth - 1, left): _copy(item, depth - 1, left) for key, item in dict.items(value)}
    if kind is torch.Tensor or kind is torch.nn.Parameter:
        return _copy_tensor(value)
    if kind is np.ndarray and value.dtype.kind in "biuf":
        return _copy_tensor(torch.from_numpy(np.array(value)))
    if kind in NUMPY_SCALARS or kind is bytearray:
        return _copy(bytes(value) if kind is bytearray else value.item(), depth - 1, left)
    if kind is GeneratorType:
        raise Refused("is a generator, which has computed nothing yet; collect its items in a list")
    raise Refused(f"is of type {kind.__name__}; return plain numbers, text, lists or tensors")


def _copy_tensor(value: torch.Tensor) -> torch.Tensor:
    # An attribute of the instance may shadow a method, so each method comes from the class.
    if value.layout != torch.strided or value.is_quantized or value.is_meta or torch.Tensor.is_complex(value):
        raise Refused("is a sparse, quantized, complex or meta tensor; return an ordinary one")
    if value.dtype not in DTYPES:
        raise Refused(f"is a tensor of {value.dtype}; return one of {torch.float32} or {torch.int64}")
    shape = tuple(value.shape)
    if len(shape) > MAX_AXES:
        raise Refused(f"is a tensor with {len(shape):,} axes; at most {MAX_AXES} can be compared")
    if math.prod(max(size, 1) for size in shape) > MAX_SIZE:  # shape (10**9, 0) has no numbers but 10**9 rows
        raise Refused(f"is a tensor of shape {shape}, too large for any right answer")
    return torch.Tensor.clone(torch.Tensor.cpu(torch.Tensor.detach(value)))


def difference(right: Any, got: Any) -> str | None:
    """The first difference from the right value, as the end of a sentence, or None.

    Rounding is ignored, and so is the difference between lists and tuples, tensors and lists of numbers, and True or
    False and 1 or 0.

    >>> difference([(1, 2), (3, 4)], [[1, 2], [3, 5]])
    'has 5 in place of 4 at [1][1]'
    >>> difference(torch.ones(2), [1.0, 1.000001]) is None
    True
    >>> difference(torch.ones(2, 1), torch.ones(2))
    'has shape (2,) in place of (2, 1)'
    >>> difference(0.12345, 0.12348)
    'has 0.12348 in place of 0.12345'
    >>> difference([{"a": 1, "b": 2}], [{"a": 1, "b": 3}])
    "has 3 in place of 2 at [0]['b']"
    """
    if type(right) is torch.Tensor:
        return _tensor_difference(right, got)
    if type(right) is dict:
        if type(got) is not dict:
            return f"is {show(got)} in place of {show(right)}"
        by_key = {key: difference(right[key], got[key]) for key in right if key in got}
        changed = [key for key in right if key not in got or by_key[key]] + [key for key in got if key not in right]
        if len(changed) == 1 and (inner := by_key.get(changed[0])):
            return _at(inner, changed[0])
        return f"differs at the keys {show(changed)}" if changed else None
    if type(got) is torch.Tensor:
        if got.numel() > MAX_ITEMS:  # more than any right list has items
            return f"is {show(got)} in place of {show(right)}"
        got = got.tolist()
    if type(right) in (list, tuple):
        return _list_difference(right, got)
    if type(right) in NUMBERS and type(got) in NUMBERS:
        same = math.isclose(right, got, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or (right != right and got != got)
        if float not in (type(right), type(got)):
            same = right == got
    else:
        same = type(right) is type(got) and right == got
    return None if same else f"has {_versus(got, right)}"


def _list_difference(right: list | tuple, got: Any) -> str | None:
    if type(got) not in (list, tuple):
        return f"is {show(got)} in place of {show(right)}"
    if len(got) != len(right):
        return f"has the length {len(got)} in place of {len(right)}"
    for index, (wanted, gave) in enumerate(zip(right, got, strict=True)):
        if inner := difference(wanted, gave):
            return _at(inner, index)
    return None


def _at(inner: str, key: Any) -> str:
    """Prefix the position of a difference with a key: [0] inside [1] is [1][0]."""
    words, at, rest = inner.partition(" at [")
    return f"{words} at [{show(key)}]" + (f"[{rest}" if at else "")


def _tensor_difference(right: torch.Tensor, got: Any) -> str | None:
    given, got = got, as_tensor(got)
    if got is None:
        return f"is {show(given)} in place of a tensor"
    if got.shape != right.shape:
        return f"has shape {tuple(got.shape)} in place of {tuple(right.shape)}"
    far = apart(right, got)
    if not far.any():
        return None
    index = tuple(far.nonzero()[0].tolist())
    where = f" at [{', '.join(map(str, index))}]" if index else ""
    return f"has {_versus(got[index].item(), right[index].item())}{where}"


def _versus(got: Any, right: Any) -> str:
    """Both values, with more digits if four would show the same number twice."""
    shown = [show(value) for value in (got, right)]
    if shown[0] == shown[1] and type(got) is type(right) is float:
        shown = [f"{value:.8g}" for value in (got, right)]
    return " in place of ".join(shown)


def apart(right: torch.Tensor, got: torch.Tensor) -> torch.Tensor:
    """A mask of where two tensors of one shape differ by more than rounding.

    Integers must be equal. The rounding error of a sum grows with its largest terms, so the largest number sets the
    absolute tolerance for all.

    >>> apart(torch.tensor([100.0, 0.0]), torch.tensor([100.0, 0.0005]))
    tensor([False, False])
    """
    if not right.is_floating_point():
        return right != got
    right, got = right.double(), got.double()
    finite = right[right.isfinite()].abs()
    atol = ABSOLUTE * max(1.0, finite.max().item() if len(finite) else 0.0)
    return ~torch.isclose(got, right, rtol=RELATIVE, atol=atol, equal_nan=True)


def as_tensor(value: Any) -> torch.Tensor | None:
    """Convert a plain value, such as a list of numbers, to a tensor, or return None.

    >>> as_tensor([torch.ones(2), (1, 0)]), as_tensor([[1], [2, 3]])
    (tensor([[1., 1.],
            [1., 0.]], dtype=torch.float64), None)
    """
    if type(value) is torch.Tensor:
        return value
    try:
        return torch.tensor(_numbers(value), dtype=torch.float64)
    except (ValueError, TypeError, RuntimeError, OverflowError):  # ragged, text, or a number beyond 64 bits
        return None


def _numbers(value: Any) -> Any:
    if type(value) is torch.Tensor:
        if value.numel() > MAX_ITEMS:
            raise ValueError("the list has more numbers than any right answer")
        return value.tolist()
    return [_numbers(item) for item in value] if type(value) in (list, tuple) else value


def show(value: Any, numbers: int = 16) -> str:
    """Format a plain value on one line, as you would type it.

    A tensor with more than `numbers` numbers is shown as its shape.

    >>> show({"a": torch.tensor([0.25, -1.0])}), show(torch.zeros(9, 9))
    ("{'a': [0.25, -1.0]}", 'a tensor (9, 9)')
    """
    text = repr(_typed(value, numbers))
    return text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 4]} ..."


def printable(text: Any, max_length: int = 400) -> str:
    """Format untrusted text on one line, without control characters, and truncate it.

    >>> printable("red: \\x1b[31m, two\\nlines", max_length=20)
    'red:  [31m, two line'
    """
    return "".join(character if character.isprintable() else " " for character in str(text)[:max_length])


class _Word(str):
    __repr__ = str.__str__


def _typed(value: Any, numbers: int) -> Any:
    if type(value) is torch.Tensor:
        if value.numel() > numbers:
            return _Word(f"{SHAPE}{str(tuple(value.shape))[1:]}")
        return _typed(value.tolist(), numbers)
    if type(value) is float:
        return _Word(f"{value:.4g}" if value % 1 else f"{value:.1f}")
    if type(value) in (list, tuple):
        return type(value)(
            [_typed(item, numbers) for item in value[: MAX_WIDTH // 2]]
        )  # more items do not fit on a line
    if type(value) is dict:
        return {_typed(key, numbers): _typed(item, numbers) for key, item in value.items()}
    return value
