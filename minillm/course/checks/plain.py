"""Plain data: all that passes between a learner's function and the code that judges it.

Judging must not run code of what is judged. An object of a class of one's own may answer `==` with True to everything;
a subclass of Tensor may do so through torch. So an output is first copied into exact types, and refused otherwise.
"""

import math
from types import GeneratorType
from typing import Any

import numpy as np
import torch

ATOMS = {bool, int, float, str, bytes, type(None)}
NUMBERS = (bool, int, float)
WHOLE = {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
DTYPES = WHOLE | {torch.float16, torch.bfloat16, torch.float32, torch.float64}  # what can be compared with all others
NUMPY_SCALARS = set(np.sctypeDict.values()) - {np.object_, np.void}
DEEPEST = 8  # lists in lists, in one value
MOST = 100_000  # items in all
MOST_KEYS = 10_000  # of one dictionary: keys may be chosen so that each collides with all before it
MOST_AXES = 8  # of one tensor
LARGEST = 10_000_000  # numbers in one tensor, characters in one text
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # float32, computed in any order
WIDEST = 160  # characters of a value in a message
SHAPE = "a tensor ("  # how a value begins that is shown by its shape


class Refused(ValueError):
    """A value that is not plain; the message says what is wrong with it, as the end of a sentence."""


def plain(value: Any) -> Any:
    """An independent copy that consists of nothing but exact Python types and plain torch tensors on the CPU.

    Harmless relatives become what they stand for: parameters, numpy's arrays and numbers, `Counter`, bytearray.
    Raises `Refused` for all other types, subclasses included, and for what is nested too deep or too large.

    >>> plain([(1, 2.5), np.arange(2)])
    [(1, 2.5), tensor([0, 1])]
    >>> plain(range(3))
    Traceback (most recent call last):
    minillm.course.checks.plain.Refused: is of type range; return plain numbers, text, lists or tensors
    """
    return _copy(value, DEEPEST, [MOST])


def _copy(value: Any, depth: int, left: list[int]) -> Any:
    kind = type(value)  # never isinstance: a class may lie to it
    left[0] -= 1
    if depth == 0 or left[0] < (len(value) if kind in (list, tuple) else 0):
        raise Refused(f"is nested deeper than {DEEPEST} lists, or holds more than {MOST:,} items")
    if kind in ATOMS:
        if (kind is int and value.bit_length() > 1000) or (kind in (str, bytes) and len(value) > LARGEST):
            raise Refused(f"is a {kind.__name__} too large for any right answer")
        return value
    if kind in (list, tuple):
        return kind([_copy(item, depth - 1, left) for item in value])
    if kind is dict or (issubclass(kind, dict) and kind.__module__ == "collections"):
        if len(value) > MOST_KEYS:
            raise Refused(f"is a dictionary of more than {MOST_KEYS:,} keys")
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
    # An attribute of the instance may hide a method, so each is fetched from the class.
    if value.layout != torch.strided or value.is_quantized or value.is_meta or torch.Tensor.is_complex(value):
        raise Refused("is a sparse, quantised, complex or empty-shelled tensor; return an ordinary one")
    if value.dtype not in DTYPES:
        raise Refused(f"is a tensor of {value.dtype}; return one of {torch.float32} or {torch.int64}")
    shape = tuple(value.shape)
    if len(shape) > MOST_AXES:
        raise Refused(f"is a tensor with {len(shape):,} axes; at most {MOST_AXES} can be compared")
    if math.prod(max(size, 1) for size in shape) > LARGEST:  # (10**9, 0) holds no number, and 10**9 rows
        raise Refused(f"is a tensor of shape {shape}, too large for any right answer")
    return torch.Tensor.clone(torch.Tensor.cpu(torch.Tensor.detach(value)))


def difference(right: Any, got: Any) -> str | None:
    """Where and how a plain value differs from the right one, as the end of a sentence; None if it does not.

    Numbers may differ by rounding, a list may be a tuple, a tensor a list of numbers, True and False 1 and 0.

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
        found = {key: difference(right[key], got[key]) for key in right if key in got}
        changed = [key for key in right if key not in got or found[key]] + [key for key in got if key not in right]
        if len(changed) == 1 and (inside := found.get(changed[0])):
            return _inside(inside, changed[0])
        return f"differs at the keys {show(changed)}" if changed else None
    if type(got) is torch.Tensor:
        if got.numel() > MOST:  # more than any right list has
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
    for place, (wanted, gave) in enumerate(zip(right, got, strict=True)):
        if found := difference(wanted, gave):
            return _inside(found, place)
    return None


def _inside(found: str, place: Any) -> str:
    """A difference, found in the item at a place of a list or dictionary: [1], and inside of it [0], make [1][0]."""
    words, at, rest = found.partition(" at [")
    return f"{words} at [{show(place)}]" + (f"[{rest}" if at else "")


def _tensor_difference(right: torch.Tensor, got: Any) -> str | None:
    given, got = got, as_tensor(got)
    if got is None:
        return f"is {show(given)} in place of a tensor"
    if got.shape != right.shape:
        return f"has shape {tuple(got.shape)} in place of {tuple(right.shape)}"
    far = apart(right, got)
    if not far.any():
        return None
    place = tuple(far.nonzero()[0].tolist())
    where = f" at [{', '.join(map(str, place))}]" if place else ""
    return f"has {_versus(got[place].item(), right[place].item())}{where}"


def _versus(got: Any, right: Any) -> str:
    """Both, with more digits where four would show the same number twice."""
    shown = [show(value) for value in (got, right)]
    if shown[0] == shown[1] and type(got) is type(right) is float:
        shown = [f"{value:.8g}" for value in (got, right)]
    return " in place of ".join(shown)


def apart(right: torch.Tensor, got: torch.Tensor) -> torch.Tensor:
    """True where two tensors of one shape differ by more than rounding; whole numbers must be equal.

    What was summed up is rounded in proportion to its largest terms, so the largest number sets the tolerance for all.

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
    """A plain value as a tensor, lists of numbers and of tensors too; None if it makes none.

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
        if value.numel() > MOST:
            raise ValueError("more numbers than any right answer that is a list")
        return value.tolist()
    return [_numbers(item) for item in value] if type(value) in (list, tuple) else value


def show(value: Any, numbers: int = 16) -> str:
    """A plain value in at most a line, as one would type it: a tensor as its numbers or, if it has more, as its shape.

    >>> show({"a": torch.tensor([0.25, -1.0])}), show(torch.zeros(9, 9))
    ("{'a': [0.25, -1.0]}", 'a tensor (9, 9)')
    """
    text = repr(_typed(value, numbers))
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 4]} ..."


def printable(text: Any, most: int = 400) -> str:
    """Somebody else's text on one line, without what would steer a terminal, and cut off.

    >>> printable("red: \\x1b[31m, two\\nlines", most=20)
    'red:  [31m, two line'
    """
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:most])


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
        return type(value)([_typed(item, numbers) for item in value[: WIDEST // 2]])  # more do not fit a line
    if type(value) is dict:
        return {_typed(key, numbers): _typed(item, numbers) for key, item in value.items()}
    return value
