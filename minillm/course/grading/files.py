"""Read the notebooks in a folder or a zip as bytes.

Nothing is unpacked to disk, and no link is followed.
"""

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from minillm.course.grading.names import DOCUMENTS, NOTEBOOKS
from minillm.errors import UserError

MAX_FILES = 100_000  # per submission, which may be the whole course folder
MAX_BYTES = 100_000_000  # per notebook, including images; `notebook.MAX_CODE` limits its code
MODULE = ".py"
MAX_MODULES, MAX_MODULE_BYTES = 200, 100_000  # modules that are read, in case that a notebook beside them needs them
File: TypeAlias = tuple[
    str, bytes | str, datetime | None
]  # path, content or what is wrong with it, time of the last change


def in_folder(folder: Path) -> Iterator[File]:
    """Read the notebooks and modules in a folder and in its zips; documents are only named.

    Raises `UserError` if there are too many files.
    """
    count = modules = 0
    for root, folders, files in os.walk(folder):  # does not follow links
        folders[:] = sorted(name for name in folders if not _hidden(name))
        count += len(folders) + len(files)
        if count > MAX_FILES:
            raise UserError(f"it holds more than {MAX_FILES:,} files; hand in the notebooks alone")
        for name in sorted(files):
            path = Path(root, name)
            shown = path.relative_to(folder).as_posix()
            modules += name.lower().endswith(MODULE)
            read = (*NOTEBOOKS, ".zip", *([MODULE] if modules <= MAX_MODULES else []))
            if _hidden(name):
                continue
            if name.lower().endswith(read):
                shown, data, written = read_file(path, shown)
                if name.lower().endswith(".zip") and isinstance(data, bytes):  # Moodle puts each zip into a folder
                    yield from in_zip(io.BytesIO(data), f"{shown}/")
                elif not name.lower().endswith(".zip"):
                    yield shown, data, written
            elif name.lower().endswith(DOCUMENTS):
                yield shown, "is not a notebook", None


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "__pycache__", "site-packages", "node_modules")


def read_file(path: Path, shown: str) -> File:
    """Read one file; `shown` is the path to report."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return shown, "is a link or not a regular file", None
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return shown, f"cannot be read: {error.strerror}", None
    return shown, _bounded(data), datetime.fromtimestamp(status.st_mtime)


def in_zip(packed: Path | io.BytesIO, above: str = "") -> Iterator[File]:
    """Read the notebooks and modules in a zip and in the zips inside it; documents are only named.

    `above` is the path of this zip, as a prefix for the paths in it; it is empty for the outermost zip.
    """
    if not zipfile.is_zipfile(packed):
        if above:
            return
        raise UserError("it is not a zip file, or is incomplete; zip the folder again")
    with zipfile.ZipFile(packed) as archive:
        members, modules = archive.infolist(), 0
        if len(members) > MAX_FILES:
            raise UserError(f"it holds more than {MAX_FILES:,} files; hand in the notebooks alone")
        for member in members:
            path = member.filename.replace("\\", "/")
            inner = path.lower().endswith(".zip") and not above
            if any(_hidden(part) for part in path.split("/") if part != ".."):
                continue
            modules += path.lower().endswith(MODULE)
            if inner or path.lower().endswith(NOTEBOOKS) or (path.lower().endswith(MODULE) and modules <= MAX_MODULES):
                shown, data, written = _member(archive, member, above + path)
                if inner and isinstance(data, bytes):
                    yield from in_zip(io.BytesIO(data), f"{shown}/")
                elif not inner:
                    yield shown, data, written
            elif path.lower().endswith(DOCUMENTS):
                yield above + path, "is not a notebook", None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, shown: str) -> File:
    if stat.S_ISLNK(member.external_attr >> 16):
        return shown, "is a link", None
    if member.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):  # other methods can expand past the limit
        return shown, "is compressed in an unusual way; create the zip with your system's own tool", None
    try:
        with archive.open(member) as file:
            data = file.read(MAX_BYTES + 1)  # the size that the zip declares may be false
    except Exception as error:  # a damaged or encrypted member fails in many ways; the others may be intact
        return shown, f"is damaged or encrypted ({type(error).__name__}: {error})", None
    try:
        written = datetime(*member.date_time)
    except ValueError:
        written = None
    return shown, _bounded(data), written


def _bounded(data: bytes) -> bytes | str:
    return data if len(data) <= MAX_BYTES else f"has more than {MAX_BYTES // 10**6} MB"
