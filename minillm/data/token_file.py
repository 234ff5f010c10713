"""A corpus as token ids on disk: encoded once, then read from the file as if it were in memory.

Encoding two gigabytes of text takes minutes and, as Python lists, more memory than a laptop has. So the ids go to a
file while they are made, two bytes each (four for a vocabulary over 65,536), and are memory-mapped afterwards: the
operating system loads the pages that a batch touches.

    bytes 0 to 511        one line of JSON: the format, how many, what they were made from, SHA-256 of all that follows
    the ids               each document, then its end token
    the bounds            uint64: where each document starts, and after the last one where all end

Everything is little-endian. Nothing in the file can run, and a file with a wrong checksum is not read.
"""

import hashlib
import json
import sys
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int, UInt

from minillm.errors import UserError
from minillm.files import locked, replacing

FORMAT = "minillm tokens 1"
HEADER = 512  # bytes, a multiple of 8: the bounds after the ids are aligned by a few bytes of padding
FIELDS = {"format": str, "bits": int, "documents": int, "tokens": int, "end_id": int, "source": str, "sha256": str}


class TokenFileError(UserError):
    """A token file is damaged, or is not one."""


class TokenFile(Sequence):
    """The documents of a token file: `file[i]` is document i as an array of ids, its end token not included.

    `stream` is the whole file as one array, every document followed by `end_id`; `lengths` are the documents' tokens.
    Raises `TokenFileError` for a file that is damaged, and `FileNotFoundError` where there is none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_token_file(Path(folder) / "a.tokens", [[5, 6], [7]], end_id=0, vocab_size=300)
    ...     [document.tolist() for document in written], written.stream.tolist(), written.lengths.tolist()
    ([[5, 6], [7]], [5, 6, 0, 7, 0], [2, 1])
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        header = _read_header(path)
        kind = np.dtype(f"<u{header['bits'] // 8}")
        bounds_at = HEADER + _padded(header["tokens"] * kind.itemsize)
        size, wanted = path.stat().st_size, bounds_at + 8 * (header["documents"] + 1)
        if size != wanted:
            raise TokenFileError(f"{path} has {size:,} bytes, and its header promises {wanted:,}")
        with path.open("rb") as file:
            file.seek(HEADER)
            if hashlib.file_digest(file, "sha256").hexdigest() != header["sha256"]:
                raise TokenFileError(f"{path} does not have its checksum")
            # Not mapped: 8 bytes per document are little compared with its tokens, and every batch reads them.
            file.seek(bounds_at)
            bounds = np.frombuffer(file.read(), dtype="<u8").astype(np.int64)
        if bounds[0] != 0 or bounds[-1] != header["tokens"] or (np.diff(bounds) < 1).any():
            raise TokenFileError(f"{path} has documents that overlap or leave its {header['tokens']:,} tokens")
        self.path, self.end_id, self.source = path, header["end_id"], header["source"]
        self._bounds = bounds
        mapped = np.memmap(path, kind, "r", HEADER, (header["tokens"],)) if header["tokens"] else np.zeros(0, kind)
        self.stream = mapped.view(np.ndarray)

    @property
    def lengths(self) -> Int[np.ndarray, "documents"]:
        """Tokens of each document, without the end token."""
        return np.diff(self._bounds) - 1

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, index: int) -> UInt[np.ndarray, "tokens"]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"document {index} does not exist: {self.path} holds {len(self):,}")
        index %= len(self)
        return self.stream[self._bounds[index] : self._bounds[index + 1] - 1]


def write_token_file(
    path: str | Path, documents: Iterable[Sequence[int]], end_id: int, vocab_size: int, source: str = ""
) -> TokenFile:
    """Write documents one by one, with only one in memory; the file gets its name when it is complete.

    `source` says what the ids were made from. Raises `UserError` for ids outside the vocabulary, and `OSError` for a
    full disk; nothing half is left.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as partial:
            _write_whole(partial, documents, end_id, vocab_size, source)
    except OSError as error:
        remedy = "free some disk space, or set MINILLM_HOME to a folder on another disk"
        raise OSError(f"{path} cannot be written: {error.strerror or error}; {remedy}") from None
    return TokenFile(path)


def _write_whole(path: Path, documents: Iterable[Sequence[int]], end_id: int, vocab_size: int, source: str) -> None:
    bits = 16 if vocab_size <= 1 << 16 else 32
    with path.open("w+b") as file:
        file.write(bytes(HEADER))
        bounds = _write_documents(file, documents, end_id, vocab_size, bits)
        file.seek(HEADER)
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        header = dict(format=FORMAT, bits=bits, documents=len(bounds) - 1, tokens=bounds[-1], end_id=end_id)
        line = json.dumps(header | {"source": source, "sha256": checksum}).encode()
        if len(line) >= HEADER:
            raise UserError(f"source has {len(source)} characters; it must fit into a header of {HEADER} bytes")
        file.seek(0)
        file.write(line.ljust(HEADER - 1) + b"\n")


def cached_token_file(
    path: str | Path, documents: Iterable[Sequence[int]], end_id: int, vocab_size: int, source: str
) -> TokenFile:
    """The token file at `path` if it is intact and made from `source`; else it is made from `documents`.

    A file that is damaged or was made from something else is replaced, and a message on stderr says so. Two processes
    may call this at once: one writes, the other waits for it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.tokens"
    ...     _ = cached_token_file(path, [[5]], end_id=0, vocab_size=9, source="x")
    ...     cached_token_file(path, [[7]], end_id=0, vocab_size=9, source="x").stream.tolist()    # read, not made again
    [5, 0]
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        if path.exists():
            try:
                found = TokenFile(path)
                if found.source == source:
                    return found
                fault = f"{path} was made from another text or by another tokenizer"
                del found  # Windows replaces no file that is mapped
            except TokenFileError as error:
                fault = str(error)
            print(f"{fault}. It is made again.", file=sys.stderr)
        return write_token_file(path, documents, end_id, vocab_size, source)


def _write_documents(
    file: BinaryIO, documents: Iterable[Sequence[int]], end_id: int, vocab_size: int, bits: int
) -> array:
    """Write the ids, then the bounds, which are returned."""
    bounds = array("Q", [0])
    for number, document in enumerate(documents):
        ids = np.array([*document, end_id], dtype=np.int64)
        if ids.min() < 0 or ids.max() >= vocab_size:
            raise UserError(
                f"document {number} holds ids from {ids.min()} to {ids.max()}, outside a vocabulary of {vocab_size}"
            )
        file.write(ids.astype(f"<u{bits // 8}").tobytes())
        bounds.append(bounds[-1] + len(ids))
    size = bounds[-1] * bits // 8
    file.write(bytes(_padded(size) - size))
    file.write(np.frombuffer(bounds, dtype=np.uint64).astype("<u8").tobytes())
    return bounds


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _read_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        line = file.read(HEADER)
    try:
        header = json.loads(line)
    except ValueError:  # no JSON, or no UTF-8
        header = None
    if len(line) < HEADER or not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TokenFileError(f"{path} is not a token file of the form {FORMAT!r}")
    for name, kind in FIELDS.items():
        value: Any = header.get(name)
        if type(value) is not kind or (kind is int and value < 0) or (name == "bits" and value not in (16, 32)):
            raise TokenFileError(f"{path} is damaged: its header says {name} = {value!r}")
    return header
