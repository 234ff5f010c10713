"""Compile C of a page, and run it in a child process that may crash or never end."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from minillm.assets import cache_dir
from minillm.c_library import FLAGS, NativeError, compile_library, compiler, is_switched_off, library_path
from minillm.files import locked

HERE = Path(__file__).parent
SECONDS = 30  # that a child may take for small arrays
KERNELS = ("dot", "dot4", "dot8", "rows16")  # numbers in driver.h
STARTS = '#include "{harness}"\n#line 1 "your kernel"\n{source}\n#line 1 "driver"\n#include "{driver}"\n'


class Crashed(Exception):
    """The child process ended before it answered; the message is a sentence that says how."""


@cache
def unavailable() -> str:
    """Why no C is compiled here, as a sentence; empty where it is.

    >>> isinstance(unavailable(), str)
    True
    """
    if is_switched_off():
        return "MINILLM_NATIVE=0 switches the compiler off."
    try:
        compiler()
    except NativeError as error:
        return f"{str(error)[0].upper()}{str(error)[1:]}."
    return ""


def compiled(name: str, source: str, flags: Sequence[str] = ()) -> Path:
    """The library of one kernel and the driver around it, kept by its hash.

    `flags` come last, so `-O1` there takes the place of `-O3`. Raises `NativeError` with the compiler's first
    complaint.
    """
    folder = cache_dir() / "native" / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    text = STARTS.format(harness=_path("harness.h"), driver=_path("driver.h"), source=source)
    parts = [HERE / "harness.h", HERE / "driver.h"]
    given = (*FLAGS, *_processor(), f"-DKERNEL={KERNELS.index(name)}", *flags)
    with tempfile.TemporaryDirectory(dir=folder) as own:
        file = Path(own) / "kernel.c"
        file.write_text(text, encoding="utf-8")
        path = library_path([file, *parts], compiler(), given)
        path = path.with_name(f"lab-{path.name}")
        if not path.is_file():
            with locked(path):
                if not path.is_file():
                    compile_library(file, compiler(), given, path)
    return path


def _path(name: str) -> str:
    return (HERE / name).as_posix()


@cache
def _processor() -> tuple[str, ...]:
    """The flag for this very processor, where the compiler knows one."""
    with tempfile.TemporaryDirectory() as own:
        file = Path(own) / "empty.c"
        file.write_text("int nothing;\n", encoding="utf-8")
        for flags in (("-march=native",), ("-mcpu=native",)):
            try:
                compile_library(file, compiler(), (*FLAGS, *flags), Path(own) / "empty.so")
            except NativeError:
                continue
            return flags
    return ()


def in_child(job: dict[str, Any], seconds: float = SECONDS) -> Any:
    """What `child` answers to a job. Raises `Crashed` with a sentence where it dies or takes too long."""
    with tempfile.TemporaryDirectory() as own:
        asked, answer = Path(own) / "job.json", Path(own) / "answer.json"
        asked.write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, str(HERE / "child.py"), str(asked), str(answer)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            raise Crashed(f"It had not ended after {seconds:.0f} seconds. Does a loop never end?") from None
        if done.returncode:
            raise Crashed(_death(done.returncode, done.stderr.decode(errors="replace")))
        return json.loads(answer.read_text(encoding="utf-8"))


def _death(code: int, said: str) -> str:
    """How a process ended, as a sentence: by a signal (Unix), or by an exception of Windows.

    >>> _death(-11, "")[:40]
    'Its process died: it read or wrote memor'
    """
    name = signal.Signals(-code).name if code < 0 and -code in {*signal.Signals} else ""
    if name in ("SIGSEGV", "SIGBUS") or code == 0xC0000005:
        return "Its process died: it read or wrote memory that isn't its own. An index is wrong."
    if name == "SIGFPE" or code == 0xC0000094:
        return "Its process died: it divided a whole number by 0."
    if name == "SIGABRT" or code in (0xC0000374, 0xC0000409):
        return "Its process died: it wrote over memory that something else needs."
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    return f"Its process ended ({name or code}): {last[:200]}"
