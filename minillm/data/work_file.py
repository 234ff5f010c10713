"""Files of lines that hold a person's work: rankings that were clicked, conversations that were had.

They appear whole or not at all, and one writer at a time changes them: a crash, a full disk or a second notebook never
loses a line that was there before.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from minillm.files import locked, replacing


def save_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write a file anew, each text as one line; raises `OSError` where the disk refuses, and the old file stays.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_lines(Path(folder, "a.jsonl"), ["{}"])
    ...     append_lines(Path(folder, "a.jsonl"), ["[]"])
    ...     Path(folder, "a.jsonl").read_bytes()
    b'{}\\n[]\\n'
    """
    path = Path(path)
    with locked(path):
        _write(path, b"", lines)


def append_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Add lines at the end of a file, or begin it; raises `OSError` where the disk refuses, and the old file stays."""
    path = Path(path)
    with locked(path):
        old = path.read_bytes() if path.exists() else b""
        _write(path, old if old.endswith(b"\n") or not old else old + b"\n", lines)


def _write(path: Path, start: bytes, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(start + text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
