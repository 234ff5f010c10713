"""The trusted side of the border: it starts the process that runs a learner's code (`inside`), and collects replies.

The process is asked for steps in an order that is known: each statement, then each probe. One that takes too long,
dies, or says anything else has broken a step. It is then started anew and spared that step, so that a broken answer
costs itself alone.
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
from minillm.course.checks.wire import LENGTH, pack, unpack

READY = "ready"
START = 120.0  # seconds that loading torch may take on a busy machine
SHORT = 5.0  # seconds that a statement may take which is perhaps not needed
MOST_SPARED = 3  # of these may break before all that are left are dropped


@dataclass(frozen=True)
class Limits:
    """What the code of one notebook may take."""

    seconds: float = 20.0  # for one statement, or for the calls of one probe
    total_seconds: float = 120.0  # for all of them
    memory_mb: int = 2000  # beside what torch takes itself
    reply_mb: int = 64  # for the replies to one probe


@dataclass(frozen=True)
class Statement:
    """A piece of a notebook that is run by itself, named for people; what goes wrong is told if it is `needed`."""

    name: str
    source: str
    needed: bool = True


@dataclass(frozen=True)
class Collected:
    """What a notebook answered, and what went wrong on the way."""

    replies: dict[str, list[list[Reply]]]  # by the question's id, a list for each probe
    troubles: dict[str, str]  # what went wrong in a statement, by its name, as the end of a sentence


class Broken(Exception):
    """The process did not do a step; the message is the end of a sentence."""


def collect(
    statements: Sequence[Statement],
    asked: Sequence[tuple[Question, int]],
    command: Command,
    limits: Limits = Limits(),
    confined: bool = True,
    preload: Sequence[str] = (),
) -> Collected:
    """Run statements in a process that `command` starts, and ask questions, each with its seed.

    `confined` tells the process to take rights and memory away from itself before it runs anything, and `preload` names
    modules to import before that. Private probes are asked in a process of their own, whose replies no learner sees.
    Raises `ChildProcessError` if the process does not even start.
    """
    probes, private = {}, set()
    for question, seed in asked:
        for place, calls in enumerate(question.calls(seed)):
            probes[question.id, place] = [question.function, list(question.forbidden), calls, question.fresh]
            if question.probes[place].private:
                private.add((question.id, place))
    request = {
        "limits": {"memory": limits.memory_mb * 10**6} if confined else None,
        "preload": list(preload),
    }
    answered, troubles = {}, None
    for keys in ([key for key in probes if key not in private], [key for key in probes if key in private]):
        if keys or not probes:
            session = _Session(statements, {key: probes[key] for key in keys}, command, limits, request)
            session.run()
            answered |= session.answered
            if troubles is None:  # a statement can read what will be asked: of private probes nothing may be told
                secret = private.issuperset(keys) and bool(keys)
                troubles = {name: "went wrong" if secret else told for name, told in session.troubles.items()}
    replies = {question.id: [answered[key] for key in probes if key[0] == question.id] for question, _ in asked}
    return Collected(replies, troubles or {})


class _Session:
    """The processes, one after the other, that run the statements and answer some probes."""

    def __init__(
        self,
        statements: Sequence[Statement],
        probes: dict[tuple[str, int], list[Any]],
        command: Command,
        limits: Limits,
        request: dict[str, Any],
    ) -> None:
        self.statements = list(statements)
        self.probes, self.waiting = probes, list(probes)
        self.command, self.limits, self.request = command, limits, request
        self.left = limits.total_seconds  # without what starting a process takes, which a busy machine decides
        self.answered: dict[tuple[str, int], list[Reply]] = {}
        self.troubles: dict[str, str] = {}
        self.spared = 0  # statements that were not needed and did not end

    def run(self) -> None:
        """Start processes until every step is done, spared, or out of time."""
        while self._broken_step() is not None:
            if not self.waiting or self.left <= 0:
                break
        late = f"was not reached within {self.limits.total_seconds:.0f} seconds, which is all that a notebook has"
        for key in self.waiting:
            self.answered[key] = [Reply(trouble=late)] * len(self.probes[key][2])

    def _broken_step(self) -> Any:
        """Let one process do what is left; None if it did, else the step that it broke, which is then spared."""
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
        if step in self.probes:  # a question's later probes are not looked at when one has failed
            for key in [key for key in self.waiting if key[0] == step[0]]:
                self.answered[key] = [Reply(trouble=reason)] * len(self.probes[key][2])
                self.waiting.remove(key)
        elif statements[step].needed:
            self.troubles[step] = reason
            self.statements.remove(statements[step])
        else:  # what is perhaps not needed may cost only so much of the time of what is
            self.spared += 1
            every = self.spared >= MOST_SPARED
            self.statements = [
                statement for statement in self.statements if statement.needed or not (every or statement.name == step)
            ]
        return step

    def _one_process(self, expected: list[Any], statements: dict[str, Statement]) -> tuple[list[Any], str | None]:
        """Let one process do the expected steps; the results until one was broken, and the reason if one was."""
        request = self.request | {
            "statements": [[statement.name, statement.source] for statement in statements.values()],
            "probes": [[key, *self.probes[key]] for key in self.waiting],
        }
        with tempfile.TemporaryFile() as file:  # a pipe would block if the process did not read
            file.write(pack(request))
            file.seek(0)
            process = self.command.start(file)
        messages: queue.Queue[bytes | str] = queue.Queue(maxsize=2)  # the process waits when it is ahead
        most = self.limits.reply_mb * 10**6
        reader = threading.Thread(target=_read, args=(process.stdout, most, messages), daemon=True)
        reader.start()
        results: list[Any] = []
        seconds, began = START, None
        try:
            for step in expected:
                seconds = self._seconds(step, statements, began)
                calls = len(self.probes[step][2]) if step in self.probes else None
                results.append(_result(messages.get(timeout=seconds), step, calls))
                began = began or time.monotonic()
        except queue.Empty:
            return results, f"took longer than {seconds:.0f} seconds"
        except Broken as broken:
            return results, str(broken)
        finally:
            self.left -= time.monotonic() - began if began else 0.0
            _kill(process)
            while reader.is_alive():  # it may be waiting for room
                with contextlib.suppress(queue.Empty):
                    messages.get_nowait()
                reader.join(0.01)
        return results, None

    def _seconds(self, step: Any, statements: dict[str, Statement], began: float | None) -> float:
        if began is None:
            return START
        most = self.limits.seconds
        if step in statements and not statements[step].needed:
            most = min(most, SHORT)
        return min(most, max(0.0, self.left - (time.monotonic() - began)))


def _read(stream: Any, most: int, messages: queue.Queue) -> None:
    """Hand over each message of a process as bytes, and at the end why there are no more, as the end of a sentence."""
    with stream:
        while len(header := stream.read(LENGTH.size)) == LENGTH.size:
            (length,) = LENGTH.unpack(header)
            if length > most:
                messages.put(f"returned more than {most // 10**6} MB")
                return
            messages.put(stream.read(length))
    messages.put("ended the process that it ran in, or took more memory than there is")


def _result(message: bytes | str, step: Any, n_calls: int | None) -> Any:
    """What a message says of the expected step: a statement's trouble, or the replies to a probe's calls."""
    if isinstance(message, str):
        raise Broken(message)
    forged = Broken("wrote something of its own where its replies are read")
    try:
        said, result = unpack(message)
        if said != step:
            raise forged
        if n_calls is None:
            return None if result is None else printable(result)
        replies = [Reply(plain(value), None if trouble is None else printable(trouble)) for value, trouble in result]
    except (ValueError, TypeError):
        raise forged from None
    if len(replies) != n_calls:
        raise forged
    return replies


def _kill(process: subprocess.Popen) -> None:
    """End a process and what it started: in a sandbox, process 1, with which all others there die."""
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
