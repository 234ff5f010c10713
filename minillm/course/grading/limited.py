"""A process with limits of its own for each thing that is done with a hand-in: reading it, judging it, its page.

All that runs here is our own code, but what it handles is hostile: a file may crash a parser, ask for all memory, or
keep a regular expression busy for ever. In a process of its own that costs one hand-in, with a reason, and no more.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from minillm.course.checks.plain import printable
from minillm.course.checks.sandbox import new_keyring
from minillm.errors import UserError

MOST_ANSWER = 100_000_000  # bytes
MEMORY = 6_000_000_000  # of address space, beside what torch takes itself
FILE_BYTES = 50_000_000
# On Linux and macOS one process loads torch, and all others are forked from it.
METHOD = "spawn" if os.name == "nt" else "forkserver"


class Failed(Exception):
    """What was to be done was not done; the message is the end of a sentence."""


class Stopped(Exception):
    """The process was ended because the whole run was."""


class Processes:
    """Starts a process for each call, and ends them all when it is told to stop.

    >>> with Processes([]) as processes:
    ...     processes.call(divmod, 7, 2, seconds=60)
    [3, 1]
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._context: Any = multiprocessing.get_context(METHOD)
        if METHOD == "forkserver":
            self._context.set_forkserver_preload(list(preload))
        self._running: set[Any] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process; each `call` then raises `Stopped`."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def call(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """What the function returns, as JSON has it: lists for tuples, texts for keys.

        Raises `Failed` with what it raised, or if it takes longer, crashes, or needs too much memory.
        """
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, function, arguments), daemon=True)
        with self._lock:
            if self._stopped:
                raise Stopped
            process.start()
            self._running.add(process)
        theirs.close()
        try:
            with ours:
                if not ours.poll(seconds):
                    raise Failed(f"took longer than {seconds:.0f} seconds")
                found = json.loads(ours.recv_bytes(MOST_ANSWER))
        except (EOFError, OSError):
            raise Failed("crashed, or took more memory or time than it may") from None
        finally:
            _end(process)
            with self._lock:
                self._running.discard(process)
                stopped = self._stopped
            if stopped:
                raise Stopped
        if "failed" in found:
            raise Failed(found["failed"])
        return found["value"]


def _end(process: Any) -> None:
    process.terminate()
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _work(channel: Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> NoReturn:
    """What the process does: it takes limits upon itself, does its work, and says what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that what runs in a sandbox is ended first
    _limit()
    try:
        answer = {"value": function(*arguments)}
    except MemoryError:
        answer = {"failed": "took more memory than it may"}
    except Exception as error:
        told = str(error) if isinstance(error, UserError) else f"failed ({type(error).__name__}: {error})"
        answer = {"failed": printable(told)}
    with contextlib.suppress(OSError):  # nobody listens any more
        channel.send_bytes(json.dumps(answer).encode())
    os._exit(0)


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """End this process if something takes longer, even if it never comes back to Python (not on Windows)."""
    if os.name != "nt":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
    yield
    if os.name != "nt":
        signal.alarm(0)


def _limit() -> None:
    """Limit the memory and the files of this process, and leave the keyring of the process that started it."""
    import torch

    torch.set_num_threads(1)
    if os.name == "nt":
        return
    import resource

    new_keyring()
    used = 0
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limits = {resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_CORE: 0}
    if used:  # elsewhere than on Linux nobody can say
        limits[resource.RLIMIT_AS] = used + MEMORY
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, hard))
