"""What a check may demand of a result beyond its values: its type. Each finds a fault, as the end of a sentence."""

from collections.abc import Callable
from typing import Any

import torch

Demand = Callable[[Any, Any], str | None]  # the right result and the given one, which has the right values


def same_dtype(right: Any, got: Any) -> str | None:
    """A wrong dtype: of a tensor, or of the first one in a dictionary.

    >>> same_dtype(torch.ones(1), torch.ones(1).double())
    'is a tensor of torch.float64 in place of torch.float32'
    """
    if type(right) is torch.Tensor:
        kind = f"a tensor of {got.dtype}" if type(got) is torch.Tensor else f"of type {type(got).__name__}"
        return None if kind == f"a tensor of {right.dtype}" else f"is {kind} in place of {right.dtype}"
    found = ((name, same_dtype(tensor, got[name])) for name, tensor in right.items())
    return next((text.replace(" in place", f" at [{name!r}] in place", 1) for name, text in found if text), None)


def same_kind(right: Any, got: Any) -> str | None:
    """No tensor, or one of another kind of numbers. The precision is ignored: one of any floats will do for floats.

    >>> same_kind(torch.ones(2), torch.ones(2, dtype=torch.float64)), same_kind((1, torch.ones(2)), (1, [1.0, 1.0]))
    (None, 'is of type list at [1], and a tensor is asked for')
    """
    if type(right) is tuple:
        found = ((index, same_kind(part, got[index])) for index, part in enumerate(right))
        return next((text.replace(",", f" at [{index}],", 1) for index, text in found if text), None)
    if type(right) is not torch.Tensor:
        return None
    if type(got) is not torch.Tensor:
        return f"is of type {type(got).__name__}, and a tensor is asked for"
    kinds = ["boolean" if x.dtype == torch.bool else "float" if x.is_floating_point() else "int" for x in (right, got)]
    return None if kinds[0] == kinds[1] else f"is a tensor of {got.dtype}, and {right.dtype} is asked for"


def whole_numbers(right: Any, got: Any) -> str | None:
    """Floats, in a tensor or in lists, where whole numbers are asked for.

    >>> whole_numbers(torch.tensor([1]), torch.tensor([1.0])), whole_numbers(torch.tensor([1]), [1])
    ('is made of floats, and whole numbers are asked for', None)
    """
    return "is made of floats, and whole numbers are asked for" if _has_floats(got) else None


def _has_floats(value: Any) -> bool:
    if type(value) is torch.Tensor:
        return value.is_floating_point()
    return any(map(_has_floats, value)) if type(value) in (list, tuple) else type(value) is float


def a_list(right: Any, got: Any) -> str | None:
    """A tuple or a tensor where a list is asked for.

    >>> a_list(["a"], ("a",)), a_list(["a"], ["a"])
    ('is a tuple, and a list is asked for', None)
    """
    return None if type(got) is list else f"is a {type(got).__name__.lower()}, and a list is asked for"
