"""The only code that touches a learner's function: it calls it, and hands back plain data or the reason for none.

A grader runs this module in a sandbox. What goes in (the calls) and what comes out (the replies) is plain data, so it
can be written down at the border; everything that judges stands on the other side. (In a learner's own notebook both
sides share one process: anyone who wants to cheat themselves there can.)
"""

import inspect
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from types import FrameType, FunctionType, ModuleType
from typing import Any
from warnings import catch_warnings

import torch
from torch import _tensor, _tensor_str

from minillm.course.checks.plain import Refused, difference, plain

Call = tuple[Any, ...]  # the arguments
ALLOWED = ("torch.autograd.grad_mode.", "minillm.course.checks.time_limit.")  # what no answer is blamed for


@dataclass(frozen=True)
class Reply:
    """What one call brought: a plain value or, in `trouble`, what went wrong, as the end of a sentence (or both)."""

    value: Any = None
    trouble: str | None = None


class OutOfTime(BaseException):  # not an Exception, which an answer may catch
    """The answer took longer than it may; raised in the midst of it by `time_limit`."""


class Forbidden(BaseException):  # not an Exception, which an answer may catch
    """The answer called what its question does not allow; the message is its name."""


def ask(answer: Any, calls: Sequence[Call], forbidden: Sequence[str] = (), fresh: bool = False) -> list[Reply]:
    """Call a learner's function once for each tuple of arguments, and never fail, but for Ctrl-C and `OutOfTime`.

    `forbidden` names what the answer may not call (see `watched_call`); with `fresh` the result must not be one of the
    arguments itself. What the function prints is dropped, warnings too: a notebook grader takes anything on stderr for
    an error.

    >>> ask(lambda a, b: a / b, [(1, 2)]), ask(0.5, [(1, 2)])[0].trouble
    ([Reply(value=0.5, trouble=None)], 'is no function but of type float; pass it without brackets')
    """
    return [_reply(answer, call, forbidden, fresh) for call in calls]


def _reply(answer: Any, call: Call, forbidden: Sequence[str], fresh: bool) -> Reply:
    if not callable(answer):
        return Reply(trouble=f"is no function but of type {type(answer).__name__}; pass it without brackets")
    arguments = plain(call)
    try:
        with (
            open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
            catch_warnings(action="ignore"),
        ):
            value = watched_call(answer, arguments, forbidden)
        result = plain(value)
        changed = difference(call, plain(arguments))
        tensors = [part for part in _parts(arguments) if type(part) is torch.Tensor]
        tracked = any(tensor.requires_grad or tensor.grad is not None for tensor in tensors)
        is_input = fresh and _is_input(value, arguments)
    except (KeyboardInterrupt, OutOfTime):
        raise
    except Forbidden as name:
        return Reply(trouble=f"called {name}, and this question asks you to do without")
    except Refused as reason:
        return Reply(trouble=f"returned something that {reason}")
    except BaseException as error:
        return Reply(trouble=told(error, answer.__code__.co_filename if type(answer) is FunctionType else None))
    if changed is not None:
        return Reply(trouble="changed the input that it was given; work on a copy")
    if tracked:
        return Reply(trouble="changed `requires_grad` or `grad` of the input that it was given; work on a copy")
    if is_input:
        trouble = "returned its input itself; return something new, even where nothing changes"
        return Reply(result, trouble)  # a wrong result is told first
    return Reply(result)


def _is_input(value: Any, arguments: Call) -> bool:
    """Whether a result, or one of several, is a part of the arguments or a tensor that shares its memory."""
    taken = set(map(_place, _parts(arguments)))
    results = [value, *value] if type(value) in (list, tuple) else [value]
    return any(_place(result) in taken for result in results if _place(result) is not None)


def _parts(value: Any) -> Iterator[Any]:
    """A plain value and all that it holds."""
    yield value
    for item in value.values() if type(value) is dict else value if type(value) in (list, tuple) else ():
        yield from _parts(item)


def _place(value: Any) -> int | None:
    """Where in memory a value lies that can be changed."""
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return value.untyped_storage().data_ptr() if value.numel() else None
    return id(value) if type(value) in (list, dict) else None


def told(error: BaseException, file: str | None) -> str:
    """An error as the end of a sentence, with the last line of the learner's `file` that it passed through."""
    try:
        if type(error) is NotImplementedError and not error.args:  # torch's own say what is missing
            return "is not written yet"
        if type(error) is RecursionError:
            return "calls itself without an end"
        lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        text = f"raised {type(error).__name__}: {str(error)[:200]}"
        return f"{text}, in the line: {lines[-1]}" if lines and lines[-1] else text
    except BaseException:  # the error's own class is the learner's too
        return "raised an error that cannot be shown"


def watched_call(function: Any, arguments: Call, forbidden: Sequence[str]) -> Any:
    """Call a function; raises `Forbidden` where it calls what it may not, by whatever name it knows it.

    `forbidden` holds names to import by: a function ("torch.nn.functional.softmax"), a class (its methods), a module or
    a package (all that is defined in it). Nothing is replaced; the interpreter tells of each call. An answer that
    catches the error is found out in the end. Switching gradients off, printing and copying tensors are always allowed.
    What escapes: a function written in C that C code calls, as `map` does.

    >>> import json
    >>> watched_call(lambda: json.dumps([1]), (), ["json.loads"])
    '[1]'
    >>> watched_call(lambda: json.dumps([1]), (), ["json"])
    Traceback (most recent call last):
    minillm.course.checks.asking.Forbidden: json.dumps
    """
    written_in_c, homes = _look_up(forbidden)
    called: list[str] = []

    def see(frame: FrameType, event: str, target: Any) -> None:
        if event not in ("call", "c_call"):
            return
        home = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}" if event == "call" else _home(target)
        name = written_in_c.get(id(target)) or (home if f"{home}.".startswith(homes) else None)
        if name is not None and not name.startswith(ALLOWED) and not _prints_or_copies(frame):
            called.append(name)
            raise Forbidden(name)

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        value = function(*arguments)
    finally:
        sys.setprofile(before)
        if called:
            raise Forbidden(called[0])
    return value


def _prints_or_copies(frame: FrameType | None) -> bool:
    """Whether torch calls this by itself, to print a tensor or to copy it."""
    while frame is not None:
        if frame.f_globals is vars(_tensor_str):
            return True
        if frame.f_globals is vars(_tensor) and frame.f_code.co_name == "__deepcopy__":
            return True
        frame = frame.f_back
    return False


def _look_up(forbidden: Sequence[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """The forbidden functions that are written in C, by id, and the beginnings of the full names of all others."""
    written_in_c, homes = {}, []
    for name in forbidden:
        try:
            target = pkgutil.resolve_name(name)
        except (ImportError, AttributeError):  # what is not installed, or not in this torch, cannot be called
            continue
        if inspect.isbuiltin(target):
            written_in_c[id(target)] = name
        elif isinstance(target, ModuleType):
            homes.append(f"{target.__name__}.")
        elif inspect.ismethoddescriptor(target):  # a method written in C does not know its module
            homes.append(f"{name}.")
        else:
            target = inspect.unwrap(target)
            homes.append(f"{target.__module__}.{target.__qualname__}.")
    return written_in_c, tuple(homes)


def _home(function: Any) -> str:
    """Where a function or method that is written in C is defined, as its full name."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType):
        return f"{owner.__name__}.{function.__name__}"
    kind = owner if isinstance(owner, type) else type(owner)
    return f"{kind.__module__}.{kind.__qualname__}.{function.__name__}"
