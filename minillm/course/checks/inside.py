"""What runs inside the sandbox: a learner's statements, then the probes' calls. It answers, and knows no right answer.

Grading and `minillm progress` start this file in a process of its own (`outside`). It reads one message, sends one for
each step that it has done, and shares that process with the learner's code: so nothing that it sends is to be trusted.
"""

import __future__

import ast
import asyncio
import contextlib
import inspect
import linecache
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any
from warnings import catch_warnings

import torch

from minillm.course.checks.asking import Reply, ask, told
from minillm.course.checks.wire import LENGTH, pack, unpack

NOBODY = 65534
FILE_BYTES = 8_000_000  # of one file that a learner's code writes
FILES = 256  # open at a time: what lies in pipes and sockets counts as nobody's memory
PR_SET_PDEATHSIG, SIGKILL = 1, 9


def main() -> None:
    """Read what is asked from stdin, answer on what was stdout, and end."""
    request = unpack(sys.stdin.buffer.read())
    channel = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the learner's code prints goes nowhere
        os.dup2(nowhere, stream)
    torch.set_num_threads(1)
    torch.set_num_threads = torch.set_num_interop_threads = _quiet  # no more can be started, and that ends the process
    sys.path.append("")  # where a notebook finds the modules that it has written
    for name in request["preload"]:  # needs threads or files for its start, which are gone in a moment
        with contextlib.suppress(Exception), catch_warnings(action="ignore"):
            import_module(name)
    if request["limits"]:
        confine(**request["limits"])
    for message in steps(request):
        message = pack(message)
        message = memoryview(LENGTH.pack(len(message)) + message)
        while message:
            message = message[os.write(channel, message) :]
    os._exit(0)  # threads and exit handlers that the cells left are not waited for


def confine(memory: int) -> None:
    """Take from this process what no answer needs: more than `memory` bytes, more processes, large files, being root.

    Torch is loaded by now, so the address space that it has taken does not count.
    """
    import ctypes
    import resource  # which Windows lacks

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limits = {resource.RLIMIT_AS: used + memory, resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_CORE: 0}
    limits |= {resource.RLIMIT_NOFILE: FILES, resource.RLIMIT_MSGQUEUE: 0}
    if os.geteuid() == 0:  # the limit on processes does not hold for root
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)  # forgotten by a process that changes its user
    for kind, limit in (limits | {resource.RLIMIT_NPROC: 0}).items():
        resource.setrlimit(kind, (limit, limit))


def steps(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Do what a message asks for; yields the name and the result of each step.

    That is what went wrong in a statement (None if nothing did), and the replies to a probe.
    """
    yield "ready", None
    module = sys.modules["__main__"] = ModuleType("__main__")  # where a notebook's names live
    module.__dict__.update(display=_quiet, get_ipython=_Quiet)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for name, source in request["statements"]:
        if source.startswith("from __future__ import annotations"):  # which holds for all cells after it
            flags |= __future__.annotations.compiler_flag
        yield name, run(name, source, module.__dict__, flags)
    for name, function, forbidden, calls, fresh in request["probes"]:
        if function in module.__dict__:
            replies = ask(module.__dict__[function], calls, forbidden, fresh)
        else:
            replies = [Reply(trouble="is nowhere defined in the notebook")] * len(calls)
        yield name, [(reply.value, reply.trouble) for reply in replies]


def run(name: str, source: str, names: dict[str, Any], flags: int = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) -> str | None:
    """Run a part of a cell as a notebook would; the end of a sentence if it raised something, as `asking` tells it.

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
        return told(error, name)
    return None


def _quiet(*_: Any, **__: Any) -> None:
    """Stands in for what shows something in a notebook."""


class _Quiet:
    """Stands in for IPython's shell, which runs a notebook's `%` and `!` lines."""

    def __getattr__(self, name: str) -> Any:
        return _quiet


if __name__ == "__main__":
    main()
