"""The trusted side of the border: it starts the process that runs a learner's code (`inside`), and collects replies.

The process is asked for steps in an order that is known: each cell, then each probe. One that takes too long, dies, or
says anything else has broken a step. It is then started anew and spared that step, so that a broken answer costs itself
alone.
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
from typing import Any

from minillm.course.checks.asking import Reply
from minillm.course.checks.plain import printable
from minillm.course.checks.question import Question
from minillm.course.checks.wire import LENGTH, pack, unpack

READY = "ready"
START = 120.0  # seconds that loading torch may take on a busy machine
LOOK = 0.2  # seconds between two looks at whether to stop


@dataclass(frozen=True)
class Limits:
    """What the code of one notebook may take."""

    seconds: float = 20.0  # for one cell, or for the calls of one probe
    total_seconds: float = 120.0  # for all of them
    memory_mb: int = 2000  # beside what torch takes itself
    reply_mb: int = 64  # for the replies to one probe


@dataclass(frozen=True)
class Collected:
    """What a notebook answered, and what went wrong on the way."""

    replies: dict[str, list[list[Reply]]]  # by the question's id, a list for each probe
    cells: dict[str, str]  # what went wrong in a cell, by its name, as the end of a sentence


class Broken(Exception):
    """The process did not do a step; the message is the end of a sentence."""


def collect(
    cells: Sequence[tuple[str, str]],
    asked: Sequence[tuple[Question, int]],
    command: Sequence[str],
    limits: Limits = Limits(),
    confined: bool = True,
    stop: threading.Event | None = None,
) -> Collected:
    """Run cells, each a name and its source, in a process that `command` starts, and ask questions, each with its seed.

    `confined` tells the process to take rights and room away from itself before it runs anything. Raises
    `ChildProcessError` if it does not even start, and `InterruptedError` soon after another thread has set `stop`.
    """
    probes = {}
    for question, seed in asked:
        for place, calls in enumerate(question.calls(seed)):
            probes[question.id, place] = [question.function, list(question.forbidden), calls, question.fresh]
    answered: dict[tuple[str, int], list[Reply]] = {}
    trouble: dict[str, str] = {}
    waiting, spared = list(probes), set()
    deadline = time.monotonic() + limits.total_seconds
    while True:
        running = [cell for cell in cells if cell[0] not in spared]
        expected = [READY, *(name for name, _ in running), *waiting]
        request = {
            "limits": {"memory": limits.memory_mb * 10**6} if confined else None,
            "cells": running,
            "probes": [[key, *probes[key]] for key in waiting],
        }
        results, reason = _run(request, expected, command, limits, deadline, stop)
        for step, result in zip(expected[1:], results[1:], strict=False):
            if step in probes:
                answered[step] = result
                waiting.remove(step)
            elif result is not None:
                trouble[step] = result
        if reason is None:
            break
        step = expected[len(results)]
        if step == READY:
            raise ChildProcessError(f"the process for a learner's code {reason}: {' '.join(command)}")
        if step in probes:  # a question's later probes are not looked at when one has failed
            for key in [key for key in waiting if key[0] == step[0]]:
                answered[key] = [Reply(trouble=reason)] * len(probes[key][2])
                waiting.remove(key)
        else:
            trouble[step] = reason
            spared.add(step)
        if not waiting or time.monotonic() > deadline:
            break
    late = f"was not reached within {limits.total_seconds:.0f} seconds, which is all that a notebook has"
    for key in waiting:
        answered[key] = [Reply(trouble=late)] * len(probes[key][2])
    replies = {question.id: [answered[key] for key in probes if key[0] == question.id] for question, _ in asked}
    return Collected(replies, trouble)


def _run(
    request: dict[str, Any],
    expected: list[Any],
    command: Sequence[str],
    limits: Limits,
    deadline: float,
    stop: threading.Event | None,
) -> tuple[list[Any], str | None]:
    """Let one process do the expected steps; the results until one was broken, and the reason if one was."""
    with tempfile.TemporaryFile() as file:  # a pipe would block if the process did not read
        file.write(pack(request))
        file.seek(0)
        process = subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    messages: queue.Queue[bytes | str] = queue.Queue(maxsize=2)  # the process waits when it is ahead
    reader = threading.Thread(target=_read, args=(process.stdout, limits.reply_mb * 10**6, messages), daemon=True)
    reader.start()
    calls = {step: len(calls) for step, _, _, calls, _ in request["probes"]}
    results: list[Any] = []
    seconds = START
    try:
        for step in expected:
            seconds = START if step == READY else min(limits.seconds, max(0.0, deadline - time.monotonic()))
            results.append(_result(_next(messages, seconds, stop), step, calls.get(step)))
    except queue.Empty:
        return results, f"took longer than {seconds:.0f} seconds"
    except Broken as broken:
        return results, str(broken)
    finally:
        _kill(process)
        while reader.is_alive():  # it may be waiting for room
            with contextlib.suppress(queue.Empty):
                messages.get_nowait()
            reader.join(0.01)
    return results, None


def _next(messages: queue.Queue[bytes | str], seconds: float, stop: threading.Event | None) -> bytes | str:
    """The next message; raises `queue.Empty` if it takes longer than so many seconds."""
    end = time.monotonic() + seconds
    while stop is None or not stop.is_set():
        left = end - time.monotonic()
        with contextlib.suppress(queue.Empty):
            return messages.get(timeout=min(max(left, 0.0), LOOK))
        if left <= 0:
            raise queue.Empty
    raise InterruptedError("stopped")


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
    """What a message says of the expected step: a cell's trouble, or the replies to a probe's calls."""
    if isinstance(message, str):
        raise Broken(message)
    forged = Broken("wrote something of its own where its replies are read")
    try:
        said, result = unpack(message)
        if said != step:
            raise forged
        if n_calls is None:
            return None if result is None else printable(result)
        replies = [Reply(value, None if trouble is None else printable(trouble)) for value, trouble in result]
    except (ValueError, TypeError):
        raise forged from None
    if len(replies) != n_calls:
        raise forged
    return replies


def _kill(process: subprocess.Popen) -> None:
    """End a process and what it started; bubblewrap's whole sandbox dies with it."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:  # Windows
        process.kill()
    process.wait()
