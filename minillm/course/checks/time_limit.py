"""A time limit for a learner's function in the learner's own notebook.

A grader needs none: it runs the function in another process, which it can kill (`outside`).
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minillm.course.checks.asking import OutOfTime


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body after `seconds`, then every second until it ends.

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
