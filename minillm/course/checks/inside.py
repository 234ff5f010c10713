"""The program inside the sandbox: run a learner's statements, then the probes.

Grading and `minillm progress` start this file in its own process (`outside`). It reads one message and sends one for
each finished step. It shares the process with the learner's code, so its messages cannot be trusted, and it contains no
right answers.
"""

import __future__

import ast
import asyncio
import contextlib
import inspect
import linecache
import os
import secrets
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any
from warnings import catch_warnings

import torch

from minillm.course.checks.asking import Reply, ask, describe_error, script_of
from minillm.course.checks.wire import LENGTH, pack, unpack

NOBODY = 65534
USERS = 0x7000_0000, 0x0FFF_FFFF  # the first id that belongs to nobody on any system, and how many there are, less one
THREADS = 32  # of a notebook; the filter of system calls refuses other processes
FILE_BYTES = 8_000_000  # of one file that a learner's code writes
FILES = 256  # open at a time; data in pipes and sockets is not in the memory limit
PR_SET_PDEATHSIG, SIGKILL = 1, 9


def main() -> None:
    """Read the request from stdin, send the results on the original stdout, and exit."""
    request = unpack(sys.stdin.buffer.read())
    channel = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # discard what the learner's code prints
        os.dup2(nowhere, stream)
    torch.set_num_threads(1)
    torch.set_num_threads = torch.set_num_interop_threads = _quiet  # each has its own limit of time and memory to keep
    sys.path.append("")  # the working folder, where a notebook finds modules that it has written
    for name in request["preload"]:  # their import needs threads or files, which `confine` denies
        with contextlib.suppress(Exception), catch_warnings(action="ignore"):
            import_module(name)
    if request["limits"]:
        confine(**request["limits"])
    for message in steps(request):
        message = pack(message)
        message = memoryview(LENGTH.pack(len(message)) + message)
        while message:
            message = message[os.write(channel, message) :]
    os._exit(0)  # do not wait for threads and exit handlers of the cells


def confine(memory: int) -> None:
    """Drop the permissions that no answer needs, and limit this process.

    Limits `memory` (bytes, in addition to what torch uses already), the number of threads and the size of files, and
    drops root.
    """
    import ctypes
    import resource  # not on Windows

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limits = {resource.RLIMIT_AS: used + memory, resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_CORE: 0}
    limits |= {resource.RLIMIT_NOFILE: FILES, resource.RLIMIT_MSGQUEUE: 0}
    if os.geteuid() == 0:  # the limit on processes does not hold for root
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        user = USERS[0] + secrets.randbelow(USERS[1])  # of its own, since the kernel counts the threads of a user
        os.setresuid(user, user, user)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)  # changing the user resets it
    for kind, limit in (limits | {resource.RLIMIT_NPROC: THREADS}).items():
        resource.setrlimit(kind, (limit, limit))


def steps(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Run the request; yields the name and the result of each step.

    The result of a statement is its error as the end of a sentence, or None; that of a probe is its replies.
    """
    yield "ready", None
    module = sys.modules["__main__"] = ModuleType("__main__")  # the namespace of the notebook
    module.__dict__.update(display=_quiet, get_ipython=lambda: _Shell(module.__dict__))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for name, source in request["statements"]:
        if source.startswith("from __future__ import annotations"):  # holds for all later cells
            flags |= __future__.annotations.compiler_flag
        yield name, run(name, source, module.__dict__, flags)
    for name, function, forbidden, calls, fresh in request["probes"]:
        if function in module.__dict__:
            replies = ask(module.__dict__[function], calls, forbidden, fresh)
        else:
            replies = [Reply(trouble="is not defined in the notebook")] * len(calls)
        yield name, [(reply.value, reply.trouble, reply.kept) for reply in replies]


def run(name: str, source: str, names: dict[str, Any], flags: int = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) -> str | None:
    """Run a part of a cell as a notebook would.

    Returns None, or the error as the end of a sentence (see `asking.describe_error`).

    >>> run("cell 1", "import asyncio; x = await asyncio.sleep(0, result=3)", names := {}), names["x"]
    (None, 3)
    """
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # so that errors show lines
    try:
        with catch_warnings(action="ignore"):
            code = compile(source, name, "exec", flags, dont_inherit=True)
            if code.co_flags & inspect.CO_COROUTINE:
                asyncio.run(eval(code, names))
            else:
                exec(code, names)
    except BaseException as error:
        return describe_error(error, name)
    return None


def _quiet(*_: Any, **__: Any) -> None:
    """Replaces functions that display something in a notebook."""


class _Shell:
    """Replaces IPython's shell, which runs a notebook's `%` and `!` lines; only `%run` does something here."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def run_line_magic(self, magic: str, line: str, *_: Any) -> None:
        """Run a module in the notebook's namespace. Like a cell, it is the student's own, and stays in the sandbox."""
        if magic == "run" and (name := script_of(line)):
            with open(name, encoding="utf-8") as file:
                exec(compile(file.read(), name, "exec", dont_inherit=True), self._names)

    def __getattr__(self, name: str) -> Any:
        return _quiet


if __name__ == "__main__":
    main()
