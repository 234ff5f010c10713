"""What runs inside the sandbox: a learner's cells, then the probes' calls. It answers, and knows no right answer.

Grading and `minillm progress` start this file in a process of its own (`outside`). It reads one message, sends one for
each step that it has done, and shares that process with the learner's code: so nothing that it sends is to be trusted.
"""

import ast
import linecache
import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any
from warnings import catch_warnings

import torch

from minillm.course.checks.asking import Reply, ask, told
from minillm.course.checks.wire import LENGTH, pack, unpack

# Lines that are IPython's and no Python: %time f(), !ls, ?len, len?, files = !ls
MAGIC = re.compile(r"(\s*+)(?:[%!?].*|.*\?\s*|\w[\w\s,]*=\s*[%!].*)")
MOST_MAGICS = 20  # in a cell: each is looked for anew
NOBODY = 65534


def main() -> None:
    """Read what is asked from stdin, answer on what was stdout, and end."""
    request = unpack(sys.stdin.buffer.read())
    channel = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what the learner's code prints goes nowhere
        os.dup2(nowhere, stream)
    torch.set_num_threads(1)
    if request["limits"]:
        confine(**request["limits"])
    for message in steps(request):
        message = pack(message)
        message = memoryview(LENGTH.pack(len(message)) + message)
        while message:
            message = message[os.write(channel, message) :]
    os._exit(0)  # threads and exit handlers that the cells left are not waited for


def confine(memory: int) -> None:
    """Take from this process what no answer needs: more than `memory` bytes, more processes, files, being root.

    Torch is loaded by now, so the address space that it has taken does not count.
    """
    import resource  # which Windows lacks

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limits = {resource.RLIMIT_AS: used + memory, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    if os.geteuid() == 0:  # the limit on processes does not hold for root
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    for kind, limit in (limits | {resource.RLIMIT_NPROC: 0}).items():
        resource.setrlimit(kind, (limit, limit))


def steps(request: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Do what a message asks for; yields the name and the result of each step: a cell's trouble, a probe's replies."""
    yield "ready", None
    module = sys.modules["__main__"] = ModuleType("__main__")  # where a notebook's names live
    for name, source in request["cells"]:
        yield name, run_cell(name, source, module.__dict__)
    for name, function, forbidden, calls, fresh in request["probes"]:
        if function in module.__dict__:
            replies = ask(module.__dict__[function], calls, forbidden, fresh)
        else:
            replies = [Reply(trouble="is nowhere defined in the notebook")] * len(calls)
        yield name, [(reply.value, reply.trouble) for reply in replies]


def run_cell(name: str, source: str, names: dict[str, Any]) -> str | None:
    """Run a cell as a notebook would; the end of a sentence if it raised something, as `asking` tells it."""
    source = python_of(source)
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # so that errors show lines
    try:
        with catch_warnings(action="ignore"):
            exec(compile(source, name, "exec"), names)
    except BaseException as error:
        return told(error, name)
    return None


@lru_cache(maxsize=100)
def python_of(source: str) -> str:
    r"""A cell as it stands, or with `pass` for each line that is IPython's, if it is no Python with them.

    >>> python_of("%time f()\nrest = (7\n    % 4)\nlen?")
    'pass\nrest = (7\n    % 4)\npass'
    """
    if source.lstrip().startswith("%%"):
        return ""
    lines = source.lstrip(" \t").split("\n")  # IPython forgives an indented beginning
    for _ in range(MOST_MAGICS):
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as error:  # it names the line where Python ends
            place = (error.lineno or 0) - 1
            magic = MAGIC.fullmatch(lines[place]) if place < len(lines) else None
            if not magic:
                break
            lines[place] = f"{magic[1]}pass"
        except (ValueError, RecursionError, MemoryError):
            break
        else:
            break
    return "\n".join(lines)


if __name__ == "__main__":
    main()
