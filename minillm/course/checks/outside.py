"""The trusted side of the sandbox: start `inside` and collect its replies.

The process runs steps in a fixed order: each statement, then each probe. If it takes too long, dies, or sends an
unexpected message, that step has failed. A new process then starts without the failed step, so that a broken answer
affects no other.
"""

import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.course.checks.asking import Reply
from minillm.course.checks.plain import plain, printable
from minillm.course.checks.question import Question
from minillm.course.checks.sandbox import Command
from minillm.course.checks.time_limit import SECONDS
from minillm.course.checks.wire import LENGTH, pack, unpack

READY = "ready"
START_SECONDS = 120.0  # limit for loading torch on a busy machine
OPTIONAL_SECONDS = 5.0  # limit for a statement that may not be needed
TOTAL = 8  # times the limit of a step, for all steps of a hand-in
MAX_SKIPPED = 3  # failed optional statements after which all optional ones are dropped


@dataclass(frozen=True)
class Limits:
    """The time and memory limits of one notebook."""

    seconds: float = SECONDS  # per statement, and for the calls of one probe
    total_seconds: float = TOTAL * SECONDS  # for all of a hand-in, second attempts included: see `Budget`
    memory_mb: int = 2000  # in addition to what torch uses
    reply_mb: int = 64  # for the replies to one probe
    grading_seconds: int = 60  # for the check that compares the replies to one question


@dataclass(frozen=True)
class Statement:
    """A statement of a notebook, with a name for messages.

    An error in it is reported only if it is `needed`.
    """

    name: str
    source: str
    needed: bool = True


@dataclass(frozen=True)
class Collected:
    """The replies of a notebook, and the errors in its statements."""

    replies: dict[str, list[list[Reply]]]  # by question id, one list per probe
    troubles: dict[str, str]  # by statement name, its error as the end of a sentence


class Budget:
    """The time that is left for a hand-in, on the clock.

    Everything counts: reading the code, running it, starting Python again after a crash, and second attempts. Only the
    first start of Python is free, since its time depends on the machine.

    >>> budget = Budget(10)
    >>> budget.forgive(5), budget.forgive(5), 14 < budget.left() <= 15
    (None, None, True)
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._started = False

    def left(self) -> float:
        """Seconds that are left; 0 if none are."""
        return max(0.0, self._end - time.monotonic())

    def forgive(self, seconds: float) -> None:
        """Add the time of the first start; of a later one nothing."""
        if not self._started:
            self._started = True
            self._end += seconds

    @property
    def late(self) -> str:
        """The end of a sentence about a step for which no time is left."""
        return f"was not reached within the notebook's time limit of {self.seconds:.0f} seconds"


class StepFailed(Exception):
    """The process did not finish a step; the message is the end of a sentence."""


def collect(
    statements: Sequence[Statement],
    asked: Sequence[tuple[Question, int]],
    command: Command,
    limits: Limits = Limits(),
    confined: bool = True,
    preload: Sequence[str] = (),
    budget: Budget | None = None,
) -> Collected:
    """Run statements and the probes of questions in a process started by `command`.

    `asked` holds questions with their seeds. If `confined`, the process limits its own permissions and memory before it
    runs a learner's code; it imports the modules in `preload` before that. `budget` holds the time left for the
    hand-in, by default all of it. Raises `ChildProcessError` if the process does not start.
    """
    probes = {
        (question.id, index): [question.function, list(question.forbidden), calls, question.fresh]
        for question, seed in asked
        for index, calls in enumerate(question.calls(seed))
    }
    request = {"limits": {"memory": limits.memory_mb * 10**6} if confined else None, "preload": list(preload)}
    session = _Session(statements, probes, command, limits, request, budget or Budget(limits.total_seconds))
    session.run()
    replies = {question.id: [session.answered[key] for key in probes if key[0] == question.id] for question, _ in asked}
    return Collected(replies, session.troubles)


class _Session:
    """Consecutive processes that run the statements and some of the probes."""

    def __init__(
        self,
        statements: Sequence[Statement],
        probes: dict[tuple[str, int], list[Any]],
        command: Command,
        limits: Limits,
        request: dict[str, Any],
        budget: Budget,
    ) -> None:
        self.statements = list(statements)
        self.probes, self.waiting = probes, list(probes)
        self.command, self.limits, self.request, self.budget = command, limits, request, budget
        self.answered: dict[tuple[str, int], list[Reply]] = {}
        self.troubles: dict[str, str] = {}
        self.n_skipped = 0  # optional statements that failed

    def run(self) -> None:
        """Start processes until every step is done, skipped, or out of time."""
        while self.budget.left() and self._next_failed_step() is not None and self.waiting:
            pass
        for key in self.waiting:
            self.answered[key] = [Reply(trouble=self.budget.late)] * len(self.probes[key][2])

    def _next_failed_step(self) -> Any:
        """Run the remaining steps in one process; return the step that failed, or None.

        The next process skips the failed step.
        """
        statements = {statement.name: statement for statement in self.statements}
        expected = [READY, *statements, *self.waiting]
        results, reason = self._one_process(expected, statements)
        for step, result in zip(expected[1:], results[1:], strict=False):
            if step in self.probes:
                self.answered[step] = result
                self.waiting.remove(step)
            elif result is not None and statements[step].needed:
                self.troubles[step] = result
        if reason is None:
            return None
        step = expected[len(results)]
        if step == READY:
            raise ChildProcessError(f"the process for a learner's code {reason}: {' '.join(self.command.arguments)}")
        if step in self.probes:  # grading ignores the later probes of a question after a failed one
            for key in [key for key in self.waiting if key[0] == step[0]]:
                self.answered[key] = [Reply(trouble=reason)] * len(self.probes[key][2])
                self.waiting.remove(key)
        elif statements[step].needed:
            self.troubles[step] = reason
            self.statements.remove(statements[step])
        else:  # optional statements may use only little of the time of the needed ones
            self.n_skipped += 1
            drop_all = self.n_skipped >= MAX_SKIPPED
            self.statements = [
                statement
                for statement in self.statements
                if statement.needed or not (drop_all or statement.name == step)
            ]
        return step

    def _one_process(self, expected: list[Any], statements: dict[str, Statement]) -> tuple[list[Any], str | None]:
        """Run the expected steps in one process.

        Returns the results up to a failed step, and the reason if one failed.
        """
        request = self.request | {
            "statements": [[statement.name, statement.source] for statement in statements.values()],
            "probes": [[key, *self.probes[key]] for key in self.waiting],
        }
        with tempfile.TemporaryFile() as file:  # a pipe would block if the process did not read
            file.write(pack(request))
            file.seek(0)
            process = self.command.start(file)
        messages: queue.Queue[bytes | str] = queue.Queue(maxsize=2)  # a full queue makes the process wait
        max_bytes = self.limits.reply_mb * 10**6
        reader = threading.Thread(target=_read, args=(process.stdout, max_bytes, messages), daemon=True)
        reader.start()
        results: list[Any] = []
        seconds, began = START_SECONDS, time.monotonic()
        try:
            for step in expected:
                calls = len(self.probes[step][2]) if step in self.probes else None
                results.append(_result(messages.get(timeout=seconds), step, calls))
                if step == READY:
                    self.budget.forgive(time.monotonic() - began)
                seconds = self._seconds(expected, len(results), statements)
        except queue.Empty:
            return results, f"took longer than {seconds:.0f} seconds" if self.budget.left() else self.budget.late
        except StepFailed as failure:
            return results, str(failure)
        finally:
            _kill(process)
            while reader.is_alive():  # it may be waiting for a full queue
                with contextlib.suppress(queue.Empty):
                    messages.get_nowait()
                reader.join(0.01)
        return results, None

    def _seconds(self, expected: list[Any], index: int, statements: dict[str, Statement]) -> float:
        """The time limit of a step."""
        step, limit = expected[index] if index < len(expected) else None, self.limits.seconds
        if step in statements and not statements[step].needed:
            limit = min(limit, OPTIONAL_SECONDS)
        return min(limit, self.budget.left())


def _read(stream: Any, max_bytes: int, messages: queue.Queue) -> None:
    """Put each message of a process into the queue, as bytes.

    The last item is a string, the reason why no more messages follow, as the end of a sentence.
    """
    with stream:
        while len(header := stream.read(LENGTH.size)) == LENGTH.size:
            (length,) = LENGTH.unpack(header)
            if length > max_bytes:
                messages.put(f"returned more than {max_bytes // 10**6} MB")
                return
            messages.put(stream.read(length))
    messages.put("ended the process that it ran in, or used too much memory")


def _result(message: bytes | str, step: Any, n_calls: int | None) -> Any:
    """Decode the message about the expected step.

    Returns the error of a statement (or None), or the replies to a probe's `n_calls` calls.
    """
    if isinstance(message, str):
        raise StepFailed(message)
    forged = StepFailed("wrote to the channel for its replies")
    try:
        name, result = unpack(message)
        if name != step:
            raise forged
        if n_calls is None:
            return None if result is None else printable(result)
        replies = [Reply(plain(value), *map(_words, about)) for value, *about in result]
    except (ValueError, TypeError):
        raise forged from None
    if len(replies) != n_calls:
        raise forged
    return replies


def _words(text: Any) -> str | None:
    return None if text is None else printable(text)


def _kill(process: subprocess.Popen) -> None:
    """Kill a process and its children.

    In a sandbox that includes process 1, whose end kills all others there.
    """
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
            for child in children.split():
                os.kill(int(child), signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:  # Windows
        process.kill()
    process.wait()
