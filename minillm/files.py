"""Files that are whole or not there at all: atomic writes, JSON, lines, checksums and locks."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from minillm.errors import UserError

MAX_CONFIG_BYTES = 1_000_000  # a config.json has a few thousand
MAX_BYTES = 500_000_000  # of a JSON file; the tokenizer files of the largest vocabularies have 30 million


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, which replaces `path` once the block ends; an error deletes it and leaves `path` alone.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as partial:
    ...         _ = partial.write_text("whole")
    ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
    [('a.txt', 'whole')]
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:  # Ctrl-C too
        partial.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file with the same bytes on every system, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path, limit: int = MAX_BYTES) -> dict[str, Any]:
    """Read the object in a JSON file of at most `limit` bytes.

    Raises `UserError` for a file that is too large, cut off, ambiguous (a key stands in it twice) or not an object; put
    `naming` around the call to begin that sentence with the file's name.
    """
    if (size := path.stat().st_size) > limit:
        raise UserError(f"the file has {size:,} bytes; files of this kind have at most {limit:,}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"this is not complete JSON ({error}); the file may be cut off, fetch it again") from None
    if not isinstance(value, dict):
        raise UserError(f"the file holds a {type(value).__name__}; expected a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{twice[:80]!r} stands in it twice")
    return values


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Begin the message of a `UserError` with a file's name."""
    try:
        yield
    except ValueError as error:  # UnicodeDecodeError, where the file is not UTF-8, is one of them
        raise UserError(f"{path}: {str(error)[:500]}") from None  # some quote the file, whatever its length


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locked(path: Path) -> AbstractContextManager[Any]:
    """Hold the lock of a path: of several processes one goes on, the others wait for it."""
    return FileLock(path.with_name(f".{path.name}.lock"))


def save_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write a file anew, each text as one line; raises `OSError` where the disk refuses, and the old file stays.

    One writer at a time changes the file, here and in `append_lines`. A crash, a full disk or a second notebook loses
    no line that was there before.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_lines(Path(folder, "a.jsonl"), ["{}"])
    ...     append_lines(Path(folder, "a.jsonl"), ["[]"])
    ...     Path(folder, "a.jsonl").read_bytes()
    b'{}\\n[]\\n'
    """
    path = Path(path)
    with locked(path):
        _write_lines(path, b"", lines)


def append_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Add lines at the end of a file, or begin it; raises `OSError` where the disk refuses, and the old file stays."""
    path = Path(path)
    with locked(path):
        old = path.read_bytes() if path.exists() else b""
        _write_lines(path, old if old.endswith(b"\n") or not old else old + b"\n", lines)


def _write_lines(path: Path, start: bytes, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(start + text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
