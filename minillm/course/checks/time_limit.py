"""A time limit for a learner's function in the learner's own notebook.

A grader needs none: it runs the function in another process, which it can kill (`outside`).
"""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minillm.course.checks.asking import OutOfTime


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body after `seconds`, then every second until it ends.

    In the main thread of a POSIX system a timer does this, elsewhere (Windows, another thread) a second thread. The
    limit fails for a loop that catches everything with a bare `except:`, and for a single long call of compiled code;
    interrupt those by hand (Kernel, Interrupt). In a browser, which has no threads, there is no limit.

    >>> with time_limit(0.1):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    minillm.course.checks.asking.OutOfTime
    """
    by_timer = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    with _timer(seconds) if by_timer else _second_thread(seconds):
        yield


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    running = True

    def stop(number: int, frame: FrameType | None) -> None:
        if running:  # a signal may arrive after the end of the body
            raise OutOfTime

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def _second_thread(seconds: float) -> Iterator[None]:
    """A thread that raises the exception in this one, between two steps of the interpreter."""
    own, ended, ending = threading.get_ident(), threading.Event(), threading.Lock()

    def raise_in_body(error: type[BaseException] | None) -> None:
        pending = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(own), pending)

    def watch() -> None:
        pause = seconds
        while not ended.wait(pause):
            with ending:
                if not ended.is_set():
                    raise_in_body(OutOfTime)
            pause = 1.0

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        watcher.start()
    except RuntimeError:  # a browser
        yield
        return
    try:
        yield
    finally:
        with ending:
            ended.set()
            raise_in_body(None)  # withdraw one that has not arrived
        watcher.join()
