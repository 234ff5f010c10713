"""Limit the total memory of a sandbox with the kernel's control groups.

Without control groups, each process has its own limit (`inside.confine`), and data in pipes, sockets or files of the
scratch folder is limited only by their number and size.
"""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
TORCH_MB = 1500  # used before a learner's code runs, including libraries in the page cache
MAX_PROCESSES = 64  # and threads
NO_GROUP_WARNING = "the memory limit of a notebook holds per process, not in total: no control group is available"
_count = itertools.count()


def control_groups() -> str | None:
    """The kind of control groups that this process can create.

    One of "v2", "v1", "systemd"; None if it can create none.
    """
    if os.geteuid() == 0 and "memory" in _read(ROOT / "cgroup.subtree_control").split():
        return "v2"
    if os.geteuid() == 0 and (folder := _own_v1()) and os.access(folder, os.W_OK):
        return "v1"
    if Path("/run/systemd/system").is_dir() and shutil.which("systemd-run"):
        return "systemd"
    return None


@contextlib.contextmanager
def memory_group(kind: str | None, memory_mb: int) -> Iterator[tuple[str, ...]]:
    """Create a control group with `memory_mb` in addition to what torch uses.

    Yields the prefix of a command line that runs in the group.

    >>> with memory_group(None, 100) as before:
    ...     before
    ()
    """
    limit = (memory_mb + TORCH_MB) * 10**6
    if kind is None:
        yield ()
    elif kind == "systemd":
        user = [] if os.geteuid() == 0 else ["--user"]
        properties = [f"MemoryMax={limit}", "MemorySwapMax=0", f"TasksMax={MAX_PROCESSES}"]
        run = [
            "systemd-run",
            *user,
            "--scope",
            "--quiet",
            *(word for value in properties for word in ("-p", value)),
            "--",
        ]
        yield (*run, "/usr/bin/env", "-i")  # systemd-run itself needs the environment
    else:
        top = ROOT if kind == "v2" else _own_v1()
        folder = Path(str(top), f"minillm-{os.getpid()}-{next(_count)}")
        folder.mkdir()
        try:
            if kind == "v2":
                limits = {"memory.max": limit, "memory.swap.max": 0, "pids.max": MAX_PROCESSES}
            else:
                limits = {"memory.limit_in_bytes": limit}
            for name, value in limits.items():
                with contextlib.suppress(OSError):  # a kernel may lack some of these files
                    (folder / name).write_text(str(value), encoding="ascii")
            yield ("/bin/sh", "-c", f'echo $$ > "{folder}/cgroup.procs" && exec "$@"', "sh")
        finally:
            _remove(folder)


def _own_v1() -> Path | None:
    """The folder of this process's control group, version 1."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        folder = ROOT / "memory" / path.lstrip("/")
        if controllers == "memory" and (folder / "memory.limit_in_bytes").exists():
            return folder
    return None


def _remove(folder: Path) -> None:
    """Remove a group once the kernel has ended its last process."""
    with contextlib.suppress(OSError):
        (folder / "cgroup.kill").write_text("1", encoding="ascii")
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
