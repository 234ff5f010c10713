"""Files of lines that hold a person's work: rankings that were clicked, conversations that were had.

They appear whole or not at all, and one writer at a time changes them: a crash, a full disk or a second notebook costs
no line that stood there before.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock


def save_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a file anew, each text as one line; raises `OSError` where the disk refuses, and the old file stays.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_lines(Path(folder, "a.jsonl"), ["{}"])
    ...     append_lines(Path(folder, "a.jsonl"), ["[]"])
    ...     Path(folder, "a.jsonl").read_bytes()
    b'{}\\n[]\\n'
    """
    with FileLock(_lock(path)):
        _write(path, b"", lines)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines at the end of a file, or begin it; raises `OSError` where the disk refuses, and the old file stays."""
    with FileLock(_lock(path)):
        old = path.read_bytes() if path.exists() else b""
        _write(path, old if old.endswith(b"\n") or not old else old + b"\n", lines)


def _write(path: Path, start: bytes, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(start + text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")
