"""A limit of time for a learner's function that runs in the learner's own notebook.

(A grader runs it in another process, which it can end: `outside`.)
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minillm.course.checks.asking import OutOfTime


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body after so many seconds, once a second until it is out.

    It needs the main thread and a POSIX system. Elsewhere (Windows, a browser, another thread) there is no limit:
    interrupt an endless loop by hand (Kernel, Interrupt). Nor is there one for a loop that catches everything with a
    bare `except:`, or for a single call of compiled code that takes long.

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
        if running:  # a signal may arrive when the body is left already
            raise OutOfTime

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
