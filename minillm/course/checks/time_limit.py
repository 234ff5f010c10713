"""A time limit for a learner's function in the learner's own notebook.

A grader has the same limit, but on the clock: it runs the function in a process that it can kill (`outside`).
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minillm.course.checks.asking import OutOfTime

SECONDS = 30.0  # for a statement of a notebook, and for the calls of one probe, in a notebook and in the grader
WAITING = 60.0  # seconds on the clock for a function that sleeps or waits


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body after it has computed for `seconds`, then every second until it ends.

    What counts is this thread's time on a processor, so a busy machine stops nobody soon. A body that computes less
    than that, since it sleeps or waits, is stopped by the clock, after `WAITING` seconds (or `seconds`, if more). On
    a machine so busy that a thread gets less than `seconds` of `WAITING`, one that only computes is stopped so, too.

    This needs the main thread and a POSIX system. Elsewhere (Windows, a browser, another thread) there is no limit:
    interrupt an endless loop by hand (Kernel, Interrupt). The limit also fails for a loop that catches everything with
    a bare `except:`, and for a single long call of compiled code.

    >>> with time_limit(0.1):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    minillm.course.checks.asking.OutOfTime
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    running = True
    end_of_computing = time.thread_time() + seconds
    end_of_waiting = time.monotonic() + max(seconds, WAITING)

    def look(number: int, frame: FrameType | None) -> None:
        if not running:  # a signal may arrive after the end of the body
            return
        left = min(end_of_computing - time.thread_time(), end_of_waiting - time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001) if left > 0 else 1.0)
        if left <= 0:
            raise OutOfTime

    handler = signal.signal(signal.SIGALRM, look)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
