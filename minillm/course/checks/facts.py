"""What a wrong result has to do with the right one: what a message says where no known mistake fits.

Each function looks at one right and one wrong result and yields what is true of the two, the most telling first. What
is true of all wrong results is said: "The result is the right one with the other sign."
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.multiples import FACTORS, multiples
from minillm.course.checks.plain import NUMBERS, SHAPE, apart, as_tensor, difference, show

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "is the right one with the other sign": torch.neg,
    "is the right one without its sign": torch.abs,
    "is 1 minus the right one": lambda x: 1 - x,
    "is the square of the right one": torch.square,
    "is the square root of the right one": torch.sqrt,
    "is 1 over the right one": torch.reciprocal,
    "is e to the power of the right one": torch.exp,
    "is the logarithm of the right one": torch.log,
    "is the softmax of the right one": lambda x: x.softmax(-1) if x.dim() else x,
    "is the right one, cut to whole numbers": torch.trunc,
    "is the right one, rounded to whole numbers": torch.round,
    "is the right one, rounded to one digit after the point": lambda x: x.round(decimals=1),
    "is the right one, rounded to two digits after the point": lambda x: x.round(decimals=2),
    "is the right one with 0 in place of all negative numbers": torch.relu,
}
NOTHING = "is None: does the last line return it?"
AXES = {2: ("row", "column"), 1: ("number",)}


def fact(names: Sequence[str], calls: Sequence[Sequence[Any]], right: Sequence[Any], got: Sequence[Any]) -> str | None:
    """The most telling sentence that is true of all wrong results, or None. `names` are those of the arguments.

    >>> fact(["x"], [(1,), (2,)], [torch.tensor([1.0, 2.0]), 5.0], [torch.tensor([-1.0, -2.0]), -5.0])
    'The result is the right one with the other sign.'
    """
    found: list[str] | None = None
    wrong = [each for each in zip(calls, right, got, strict=True) if difference(*each[1:]) is not None]
    for call, wanted, gave in wrong:
        here = list(dict.fromkeys(_facts(names, call, wanted, gave)))
        here += multiples(_sizes(names, call), wanted, gave) if len(wrong) > 1 else []
        found = here if found is None else [one for one in found if one in here]
    if any(gave is not None for gave in got):  # then it does return something
        found = [words for words in found or () if words != NOTHING]
    if _one_pair([each[1:] for each in wrong]):  # of a single number much is true by chance: 0 is 1 minus 1, and log 1
        found = [words for words in found or () if words not in FUNCTIONS and not words.endswith("as it came in")]
    return f"The result {found[0]}{'' if found[0].endswith('?') else '.'}" if found else None


def _one_pair(wrong: Sequence[tuple[Any, Any]]) -> bool:
    """Whether all numbers of the results are one and the same pair, of a right number and a wrong one."""
    pairs: set[tuple[str, str]] = set()  # as text: no NaN is equal to another
    for values in wrong:
        right, got = map(as_tensor, values)
        if right is None or got is None or right.shape != got.shape:
            return False
        pairs |= set(zip(map(str, right.flatten().tolist()), map(str, got.flatten().tolist()), strict=True))
    return len(pairs) == 1


def _facts(names: Sequence[str], call: Sequence[Any], right: Any, got: Any) -> Iterator[str]:
    if got is None:
        yield NOTHING
        return
    for name, argument in zip(names, call, strict=False):
        if difference(argument, got) is None and difference(got, argument) is None:
            yield f"is `{name}` as it came in"
    yield from _kinds(right, got)
    wanted, gave = as_tensor(right), as_tensor(got)
    if wanted is not None and gave is not None and wanted.numel():
        wanted, gave = wanted.double(), gave.double()
        yield from _shapes(wanted, gave) if wanted.shape != gave.shape else _values(names, call, wanted, gave)
    elif type(right) in (list, tuple) and type(got) in (list, tuple):
        yield from _sequences(list(right), list(got))
    elif type(right) is type(got) and type(right) in (str, bytes):
        yield from _texts(right, got)
    elif type(right) is dict and type(got) is dict:
        yield from _dictionaries(right, got)


def _kinds(right: Any, got: Any) -> Iterator[str]:
    """Of another type: a list around it, a part of it, text for bytes."""
    if type(got) in (list, tuple) and len(got) == 1 and difference(right, got[0]) is None:
        yield "is right, but inside a list of its own"
    for index, part in enumerate(got if type(got) is tuple and type(right) not in NUMBERS else ()):
        if len(got) > 1 and difference(right, part) is None:
            yield f"is a tuple of {len(got)}, and part {index + 1} of it is right: return only that"
    if type(right) in (list, tuple):
        if len(right) == 1 and difference(right[0], got) is None:
            yield "is right, but it should be in a list"
        if type(right) is tuple and len(right) > 1:
            for index, part in enumerate(right):
                if difference(part, got) is None:
                    yield f"is only part {index + 1} of what is asked for, and {len(right)} parts are"
        if type(got) is dict:
            yield "is a dictionary, and a list or several results are asked for"
        if type(got) is str and all(type(item) is str for item in right) and "".join(right) == got:
            yield "is one text, and a list of its pieces is asked for"
    if type(got) is str and str(right) == got and type(right) is not str:
        yield "is text that looks like the right result"
    if {type(right), type(got)} == {str, bytes}:
        yield f"is {'text' if type(got) is str else 'bytes'}, and {'text' if type(right) is str else 'bytes'} is right"


def _shapes(right: Tensor, got: Tensor) -> Iterator[str]:
    """Of another shape: the same numbers, more or fewer of them."""
    if got.numel() == right.numel():
        if right.dim() == 2 and got.shape == right.T.shape and _same(right.T, got):
            yield "is transposed: its rows should be its columns"
        if _same(right.reshape(-1), got.reshape(-1)):
            axes = right.dim() - got.dim()
            more = "with an axis of 1 too few" if axes > 0 else "with an axis of 1 too many"
            squeezed = right.squeeze().shape == got.squeeze().shape
            yield f"has the right numbers {more if squeezed and axes else 'in another shape'}"
        elif _same(right.reshape(-1).sort().values, got.reshape(-1).sort().values):
            yield "has the right numbers in another shape and order"
    if got.dim() == right.dim():
        for axis in range(right.dim()):
            yield from _lengths(right, got, axis)
    try:
        if _same(right.expand_as(got), got):
            yield "is the right one, repeated"
    except RuntimeError:
        pass


def _lengths(right: Tensor, got: Tensor, axis: int) -> Iterator[str]:
    """One more or one less along an axis, at its beginning or its end."""
    name = AXES.get(right.dim(), ())
    item = name[axis] if axis < len(name) else f"entry of axis {axis}"
    more = got.shape[axis] - right.shape[axis]
    short, long = (right, got) if more > 0 else (got, right)
    n = short.shape[axis]
    if more == 0 or short.shape[:axis] != long.shape[:axis] or short.shape[axis + 1 :] != long.shape[axis + 1 :]:
        return
    for place, start in (("last", 0), ("first", abs(more))):
        if _same(long.narrow(axis, start, n), short):
            count = item if abs(more) == 1 else f"{abs(more)} {item}s"
            yield f"has a {count} too many, the {place}" if more > 0 else f"lacks the {place} {count}"


def _values(names: Sequence[str], call: Sequence[Any], right: Tensor, got: Tensor) -> Iterator[str]:
    """Of the right shape: a function of the right one, its numbers elsewhere, or right in most places."""
    if got.isnan().any() and not right.isnan().any():
        yield "is NaN in places: 0 / 0, inf - inf, or 0 * inf"
    if got.isinf().any() and right.isfinite().all():
        yield "is infinite in places: a power overflows, or something is divided by 0"
    if _same(torch.zeros_like(got), got) and not _same(torch.zeros_like(right), right):
        yield "is 0 everywhere" if got.numel() > 1 else "is 0"
    for sentence, function in FUNCTIONS.items():
        cut = sentence.endswith("whole numbers") and (right.numel() == 1 or _same(torch.zeros_like(got), got))
        if _same(function(right), got) and not cut:  # of a single number, or of zeros, it says nothing
            yield sentence
    for name, argument in zip(names, call, strict=False):
        if type(argument) is Tensor and argument.shape == right.shape and argument.any():
            for sign, other in (("minus", right - argument.double()), ("plus", right + argument.double())):
                if _same(other, got):
                    yield f"is the right one {sign} `{name}`"
    yield from _moved(right, got)
    yield from _scaled(names, call, right, got)
    yield from _partly(right, got)


def _moved(right: Tensor, got: Tensor) -> Iterator[str]:
    """The right numbers at other places."""
    if right.numel() < 2 or _same(right.reshape(-1)[:1].expand(right.numel()), right.reshape(-1)):
        return
    if right.dim() == 2 and right.shape[0] == right.shape[1] and _same(right.T, got):
        yield "is transposed: its rows should be its columns"
    for axis in range(right.dim()):
        along = "" if right.dim() == 1 else f" along axis {axis}"
        if right.shape[axis] > 1:
            if _same(right.flip(axis), got):
                yield f"is the right one, backwards{along}"
            for by, where in ((1, "late"), (-1, "early")):
                inner = right.shape[axis] - 1
                a, b = (0, 1) if by == 1 else (1, 0)
                if inner > 1 and _same(right.narrow(axis, a, inner), got.narrow(axis, b, inner)):
                    yield f"is one place too {where}{along}"
    if _same(right.reshape(-1).sort().values, got.reshape(-1).sort().values):
        yield "has the right numbers in another order"


def _scaled(names: Sequence[str], call: Sequence[Any], right: Tensor, got: Tensor) -> Iterator[str]:
    """A multiple of the right one, as a whole or row by row, or a constant more."""
    usable = right.isfinite() & got.isfinite() & (right.abs() > 1e-6)
    if usable.sum() < 2 or (right[usable] - right[usable][0]).abs().max() < 1e-6:
        return
    ratio = got[usable] / right[usable]
    factor = ratio[0].item()
    if _same(right * factor, got) and factor and abs(factor - 1) > 1e-3:
        for name, size in _sizes(names, call):
            for value, words in ((1 / size, "divided by"), (float(size), "times")):
                if math.isclose(factor, value, rel_tol=1e-3):
                    yield f"is the right one {words} {name}: a mean in place of a sum, or a sum in place of a mean"
            if math.isclose(factor, size**0.5, rel_tol=1e-3) or math.isclose(factor, size**-0.5, rel_tol=1e-3):
                yield f"is off by the factor sqrt({name})"
        for value, sentence in FACTORS.items():
            if math.isclose(factor, value, rel_tol=1e-3):
                yield f"is {sentence}"
        yield f"is {factor:.4g} times the right one"
    offset = (got[usable] - right[usable])[0].item()
    if _same(right + offset, got) and abs(offset) > 1e-4:
        yield f"is the right one {'plus' if offset > 0 else 'minus'} {abs(offset):.4g}"
    if right.dim() > 1 and right.shape[-1] > 1 and usable.all():
        rows = got / right
        if not rows.all():  # a factor of 0 says nothing
            return
        if _same(rows[..., :1].expand_as(rows), rows):
            yield "is right up to a factor in each row: is a row divided by something else?"
        columns = rows.transpose(-1, -2)
        if right.shape[-2] > 1 and _same(columns[..., :1].expand_as(columns), columns):
            yield "is right up to a factor in each column"


def _sizes(names: Sequence[str], call: Sequence[Any]) -> Iterator[tuple[str, int]]:
    """The sizes of the arguments' axes, and whole numbers among the arguments, with their names."""
    for name, argument in zip(names, call, strict=False):
        if type(argument) is int and argument > 1:
            yield f"`{name}`", argument
        for axis, size in enumerate(argument.shape if type(argument) is Tensor else ()):
            if size > 1:
                yield f"`{name}.shape[{axis}]`", size
        if isinstance(argument, (list, tuple)) and len(argument) > 1:
            yield f"`len({name})`", len(argument)


def _partly(right: Tensor, got: Tensor) -> Iterator[str]:
    """Right in most places: the part that is wrong."""
    wrong = apart(right, got)
    if wrong.all():
        return
    if not (wrong & (right != 0)).any():
        yield "is right but for what should be 0"
    if not (wrong & right.isfinite()).any():
        yield "is right but for what should be infinite or NaN"
    if torch.equal(wrong, right < 0):
        yield "is right but for the negative numbers"
    if right.dim() == 2 and right.shape[0] == right.shape[1] and not (wrong & ~torch.eye(len(right)).bool()).any():
        yield "is right but for the diagonal"
    for axis in range(right.dim()):
        names = AXES.get(right.dim(), ())
        item = names[axis] if axis < len(names) else f"entry of axis {axis}"
        where = wrong.movedim(axis, 0).reshape(right.shape[axis], -1).any(1).nonzero().flatten().tolist()
        if len(where) == 1 and right.shape[axis] > 2:
            place = {0: "first", right.shape[axis] - 1: "last"}.get(where[0])
            if place:
                yield f"is right but for the {place} {item}"
        if right.shape[axis] > 2 and where == list(range(1, right.shape[axis])):
            yield f"is right in the first {item} only"


def _sequences(right: list, got: list) -> Iterator[str]:
    """Lists that are no tensors: pieces of text, pairs, dictionaries."""
    if difference(right, got[::-1]) is None:
        yield "is in the reverse order" if len(right) > 2 else "has its two parts in the wrong order"
    if len(got) < len(right):
        missing = len(right) - len(got)
        if difference(right[: len(got)], got) is None:
            yield "lacks the last item" if missing == 1 else "ends too early"
        if difference(right[missing:], got) is None:
            yield "lacks the first item" if missing == 1 else "begins too late"
    if len(got) > len(right) and difference(right, got[: len(right)]) is None:
        yield "has something more at the end"
    if len(got) > len(right) and difference(right, got[-len(right) :] if right else []) is None:
        yield "has something more at the beginning"
    texts = all(type(item) in (str, bytes) for item in [*right, *got]) and len({type(x) for x in [*right, *got]}) == 1
    if texts and right:
        empty = type(right[0])()
        if [item for item in right if item] == [item for item in got if item]:
            yield "is right but for empty items"
        if empty.join(right) == empty.join(got):
            yield "has the right text, cut at other places"
        if [item.strip() for item in right] == [item.strip() for item in got]:
            yield "is right but for the blanks around its items"
        if [item.lower() for item in right] == [item.lower() for item in got]:
            yield "is right but for capital and small letters"
    items, others = list(map(show, right)), list(map(show, got))
    if any(SHAPE in text or text.endswith("...") for text in items + others):
        return  # shown in part only
    if sorted(items) == sorted(others):
        yield "has the right items in another order"
    if set(items) == set(others):
        yield "has the right items, but not each as often as it should"


def _texts(right: str | bytes, got: str | bytes) -> Iterator[str]:
    if right.strip() == got.strip():
        yield "is right but for blanks or line ends around it"
    if right.lower() == got.lower():
        yield "is right but for capital and small letters"
    if right.split() == got.split():
        yield "is right but for the blanks in it"
    if right.startswith(got):  # pyright: ignore[reportArgumentType] - of one type
        yield "ends too early"
    if got.startswith(right):  # pyright: ignore[reportArgumentType]
        yield "has something more at the end"


def _dictionaries(right: dict, got: dict) -> Iterator[str]:
    missing, extra = [key for key in right if key not in got], [key for key in got if key not in right]
    if missing and not extra:
        yield f"lacks the key {show(missing[0])}" if len(missing) == 1 else f"lacks {len(missing)} keys"
    if extra and not missing:
        yield f"has the key {show(extra[0])} too many" if len(extra) == 1 else f"has {len(extra)} keys too many"


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and not apart(one, other).any()
