"""Run a function on untrusted data in a process with its own limits.

Reading a submission, grading it and writing its page each run in such a process. All code here is ours, but the data is
untrusted: a file may crash a parser, allocate all memory, or keep a regular expression busy forever. In a separate
process, such a file affects only its own submission, which then has a reason in its record.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from minillm.course.checks.plain import printable
from minillm.course.checks.sandbox import new_keyring
from minillm.errors import UserError

MAX_RESULT_BYTES = 100_000_000
MEMORY = 6_000_000_000  # bytes of address space, in addition to what torch uses
FILE_BYTES = 50_000_000
# On Linux and macOS, one process loads torch and all others are forked from it.
METHOD = "spawn" if os.name == "nt" else "forkserver"


class Failed(Exception):
    """The call did not succeed; the message is the end of a sentence."""


class Stopped(Exception):
    """The process was stopped because the whole run was stopped."""


class Processes:
    """Start a process for each call, and stop all of them together.

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
        """Stop every process; each `call` then raises `Stopped`."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def call(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """Call a function in a new process and return its result.

        The result passes through JSON, so tuples become lists and keys become strings. Raises `Failed` if the function
        raises an error, takes longer than `seconds`, crashes, or needs too much memory.
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
                answer = json.loads(ours.recv_bytes(MAX_RESULT_BYTES))
        except (EOFError, OSError):
            raise Failed("crashed or exceeded its memory or time limit") from None
        finally:
            _end(process)
            with self._lock:
                self._running.discard(process)
                stopped = self._stopped
            if stopped:
                raise Stopped
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer["value"]


def run_all(work: Sequence[Callable[[], Any]], jobs: int, processes: Processes) -> Iterable[Any]:
    """Call functions in `jobs` threads and yield each result when it is ready.

    An exception, such as that of Ctrl-C, stops all of them.
    """
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future] = {pool.submit(function) for function in work}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for job in finished:
                    yield job.result()
        except BaseException:
            processes.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _end(process: Any) -> None:
    process.terminate()
    process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _work(channel: Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> NoReturn:
    """Set limits, call the function, and send its result; runs in the new process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that a running sandbox is stopped first
    _limit()
    try:
        answer = {"value": function(*arguments)}
    except MemoryError:
        answer = {"failed": "exceeded its memory limit"}
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"failed ({type(error).__name__}: {error})"
        answer = {"failed": printable(reason)}
    with contextlib.suppress(OSError):  # the other end may be closed
        channel.send_bytes(json.dumps(answer).encode())
    os._exit(0)


@contextlib.contextmanager
def exit_after(seconds: int) -> Iterator[None]:
    """Kill this process if the body takes longer than `seconds` (not on Windows).

    The limit holds even if a compiled function never returns to the interpreter.
    """
    if os.name != "nt":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
    yield
    if os.name != "nt":
        signal.alarm(0)


def _limit() -> None:
    """Limit the memory and file size of this process, and leave the parent's keyring."""
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
    if used:  # only Linux reports it
        limits[resource.RLIMIT_AS] = used + MEMORY
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, hard))
