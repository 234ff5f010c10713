"""Call a learner's function and return plain data, or an error as text.

A grader runs this module in a sandbox. Its input (the calls) and output (the replies) are plain data, so they can cross
the border of the sandbox; all grading happens outside. In a learner's own notebook both sides share one process, so
learners can deceive the check there.
"""

import copy
import dis
import inspect
import os
import pkgutil
import sys
import threading
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any
from warnings import catch_warnings
from weakref import WeakKeyDictionary

import torch
from torch import _tensor, _tensor_str

from minillm.course.checks.plain import Refused, difference, plain

Call = tuple[Any, ...]  # the arguments
ALLOWED = ("torch.autograd.grad_mode.", "minillm.course.checks.time_limit.")  # calls that are never forbidden


@dataclass(frozen=True)
class Reply:
    """The outcome of one call: a plain value, an error, or both.

    The error is in `trouble`, as the end of a sentence. `kept` names an argument whose default value holds what earlier
    calls left in it, or such a list or dictionary outside the function, if that changes the outcome.
    """

    value: Any = None
    trouble: str | None = None
    kept: str | None = None


class OutOfTime(BaseException):  # not an Exception, which an answer may catch
    """The answer exceeded its time limit; raised inside it by `time_limit`."""


class Forbidden(BaseException):  # not an Exception, which an answer may catch
    """The answer called a forbidden function; the message is the function's name."""


def ask(
    answer: Any,
    calls: Sequence[Call],
    forbidden: Sequence[str] = (),
    fresh: bool = False,
    file: str | None = None,
    behind: Any = None,
) -> list[Reply]:
    """Call a learner's function once per tuple of arguments.

    `forbidden` holds names that the answer must not call (see `watched_call`). If `fresh`, the result must not be one
    of the arguments. An error is described with its last line in `file`, by default that of the function. `behind` is
    the learner's function, where `answer` is a wrapper of ours, for what it keeps between calls. Output and warnings of
    the function are discarded, since notebook graders take text on stderr for an error. Raises only `KeyboardInterrupt`
    and `OutOfTime`.

    >>> ask(lambda a, b: a / b, [(1, 2)])
    [Reply(value=0.5, trouble=None, kept=None)]
    >>> ask(0.5, [(1, 2)])[0].trouble
    'is of type float, not a function; pass the function itself, without parentheses'
    """
    if file is None and type(answer) is FunctionType:
        file = answer.__code__.co_filename
    behind = answer if behind is None else behind
    unused = _UNUSED.setdefault(behind, _defaults(behind)) if type(behind) is FunctionType else {}
    empty = _EMPTY.setdefault(behind, _empty_globals(behind)) if type(behind) is FunctionType else {}
    replies = []

    def note(name: str, call: Call, anew: Any) -> None:
        other = _reply(anew, call, forbidden, fresh, file)
        if (other.trouble is None) != (replies[-1].trouble is None) or _changed(other.value, replies[-1].value):
            replies[-1] = replace(replies[-1], kept=name)

    for call in calls:
        replies.append(_reply(answer, call, forbidden, fresh, file))
        for name in [name for name, value in unused.items() if _changed(value, _defaults(behind, copies=False)[name])]:
            note(name, call, _with_default(behind, name, unused[name]))
        for name in [name for name, value in empty.items() if _is_filled(behind.__globals__.get(name), value)]:
            with _emptied(behind.__globals__, name, empty[name]):
                note(name, call, answer)
    return replies


MUTABLE = (list, dict, set, bytearray)
CONTAINERS = (*MUTABLE, Counter, defaultdict, deque)  # just these: a class of the learner's may do anything when asked
_UNUSED: WeakKeyDictionary[FunctionType, dict[str, Any]] = WeakKeyDictionary()  # defaults when they were first seen
_EMPTY: WeakKeyDictionary[FunctionType, dict[str, Any]] = WeakKeyDictionary()  # copies of globals that were empty then


def _empty_globals(function: FunctionType) -> dict[str, Any]:
    """Empty lists, dictionaries and the like outside a function that it uses, itself or by others of its file."""
    names, file, codes = function.__globals__, function.__code__.co_filename, [function.__code__]
    for code in codes:  # which grows
        used = [*map(names.get, code.co_names), *code.co_consts]
        found = [each.__code__ if type(each) is FunctionType else each for each in used]
        codes += [each for each in found if type(each) is CodeType and each.co_filename == file and each not in codes]
    values = {name: names.get(name) for code in codes for name in code.co_names}
    return {name: copy.copy(value) for name, value in values.items() if type(value) in CONTAINERS and not value}


def _is_filled(value: Any, empty: Any) -> bool:
    return type(value) is type(empty) and len(value) > 0


@contextmanager
def _emptied(names: dict[str, Any], name: str, empty: Any) -> Iterator[None]:
    """Let a global name mean something empty for a while."""
    before, names[name] = names[name], copy.copy(empty)
    try:
        yield
    finally:
        names[name] = before


def _defaults(function: FunctionType, copies: bool = True) -> dict[str, Any]:
    """The default values of a function that can change from call to call, by the names of the arguments."""
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    values = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
    values |= function.__kwdefaults__ or {}
    found = {name: value for name, value in values.items() if isinstance(value, MUTABLE)}
    try:
        return copy.deepcopy(found) if copies else found
    except Exception:  # something in it that cannot be copied
        return {}


def _with_default(function: FunctionType, name: str, value: Any) -> FunctionType:
    """The same function with a fresh default value of one argument."""
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    values, only = list(function.__defaults__ or ()), dict(function.__kwdefaults__ or {})
    if name in only:
        only[name] = copy.deepcopy(value)
    else:
        values[positional.index(name) - len(positional)] = copy.deepcopy(value)
    other = FunctionType(
        function.__code__, function.__globals__, function.__name__, tuple(values), function.__closure__
    )
    other.__kwdefaults__ = only
    return other


def _changed(one: Any, other: Any) -> bool:
    try:
        one, other = (plain(list(each) if isinstance(each, set) else each) for each in (one, other))
    except Refused:
        return True
    return difference(one, other) is not None


def _reply(answer: Any, call: Call, forbidden: Sequence[str], fresh: bool, file: str | None) -> Reply:
    if not callable(answer):
        kind = type(answer).__name__
        return Reply(trouble=f"is of type {kind}, not a function; pass the function itself, without parentheses")
    if is_stub(answer):
        return Reply(trouble="is not written yet")
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
        return Reply(trouble=f"called {name}, which this question does not allow; compute it yourself")
    except Refused as reason:
        return Reply(trouble=f"returned something that {reason}")
    except BaseException as error:
        return Reply(trouble=describe_error(error, file))
    if changed is not None:
        return Reply(trouble="changed the input that it was given; work on a copy")
    if tracked:
        return Reply(trouble="changed `requires_grad` or `grad` of the input that it was given; work on a copy")
    if is_input:
        trouble = "returned its input itself; return something new, even where nothing changes"
        return Reply(result, trouble)  # if the result is wrong, that is reported first
    return Reply(result)


def is_stub(thing: Any) -> bool:
    """Whether a function only returns None, judged by its code, as one that is still `...`.

    >>> is_stub(lambda x: None), is_stub(lambda x: x)
    (True, False)
    """
    code = getattr(thing, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    steps = list(dis.get_instructions(code))
    nothing = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    returned = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    return {step.opname for step in steps} <= nothing and returned == [None]


def _is_input(value: Any, arguments: Call) -> bool:
    """Whether the result or an item of it shares memory with the arguments."""
    taken = set(map(_address, _parts(arguments)))
    results = [value, *value] if type(value) in (list, tuple) else [value]
    return any(_address(result) in taken for result in results if _address(result) is not None)


def _parts(value: Any) -> Iterator[Any]:
    """A plain value and all values inside it."""
    yield value
    for item in value.values() if type(value) is dict else value if type(value) in (list, tuple) else ():
        yield from _parts(item)


def _address(value: Any) -> int | None:
    """The memory address of a mutable value; None for other values."""
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return value.untyped_storage().data_ptr() if value.numel() else None
    return id(value) if type(value) in (list, dict) else None


def script_of(line: str) -> str:
    """The module that `%run line` runs; empty if it names none.

    >>> script_of("-i own.py 3"), script_of("work/own"), script_of("")
    ('own.py', 'work/own.py', '')
    """
    name = next((word for word in line.split() if not word.startswith("-")), "")
    return f"{name.removesuffix('.py')}.py" if name else ""


def describe_error(error: BaseException, file: str | None) -> str:
    """An error as the end of a sentence, with its last line in the learner's `file`."""
    try:
        if type(error) is NotImplementedError and not error.args:  # torch's errors have a message
            return "is not written yet"
        if type(error) is RecursionError:
            return "goes more than 1,000 calls deep"
        lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        said = str(error).partition(", but expected one of:")[0]  # what torch's functions could take fills a page
        text = f"raised {type(error).__name__}: {said[:200].removesuffix('.')}"
        return f"{text}, in the line: {lines[-1]}" if lines and lines[-1] else text
    except BaseException:  # the class of the error may be the learner's
        return "raised an error that cannot be shown"


def watched_call(function: Any, arguments: Call, forbidden: Sequence[str]) -> Any:
    """Call a function; raises `Forbidden` if it calls a forbidden function.

    `forbidden` holds import names: a function ("torch.nn.functional.softmax"), a class (its methods), a module or a
    package (everything defined in it). An alias of a function is recognized, since the interpreter's profile hook
    reports each call and nothing is replaced. `Forbidden` is raised again at the end, in case the answer has caught it.
    Disabling gradients, printing and copying tensors are always allowed. One kind of call is missed: a C function that
    is called by C code, such as `map`.

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

    before, before_in_threads = sys.getprofile(), threading.getprofile()
    sys.setprofile(see)
    threading.setprofile(see)
    try:
        value = function(*arguments)
    finally:
        sys.setprofile(before)
        threading.setprofile(before_in_threads)  # pyright: ignore[reportArgumentType]
        if called:
            raise Forbidden(called[0])
    return value


def _prints_or_copies(frame: FrameType | None) -> bool:
    """Whether torch itself makes this call, to print or copy a tensor."""
    while frame is not None:
        if frame.f_globals is vars(_tensor_str):
            return True
        if frame.f_globals is vars(_tensor) and frame.f_code.co_name == "__deepcopy__":
            return True
        frame = frame.f_back
    return False


def _look_up(forbidden: Sequence[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """The forbidden C functions by id, and prefixes of the full names of all others."""
    written_in_c, homes = {}, []
    for name in forbidden:
        try:
            target = pkgutil.resolve_name(name)
        except (ImportError, AttributeError):  # a name that does not exist here cannot be called
            continue
        if inspect.isbuiltin(target):
            written_in_c[id(target)] = name
        elif isinstance(target, ModuleType):
            homes.append(f"{target.__name__}.")
        elif inspect.ismethoddescriptor(target):  # a method in C does not know its module
            homes.append(f"{name}.")
        else:
            target = inspect.unwrap(target)
            homes.append(f"{target.__module__}.{target.__qualname__}.")
    return written_in_c, tuple(homes)


def _home(function: Any) -> str:
    """The full name of a function or method that is written in C."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType):
        return f"{owner.__name__}.{function.__name__}"
    kind = owner if isinstance(owner, type) else type(owner)
    return f"{kind.__module__}.{kind.__qualname__}.{function.__name__}"
