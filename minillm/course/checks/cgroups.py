"""A limit on all memory that a sandbox takes, in whichever process: the kernel's control groups, where there are any.

Without them each process is limited by itself (`inside.confine`), and what lies in pipes, sockets or files of the
scratch folder is limited by their number and size.
"""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
TORCH_MB = 1500  # what the process takes before a learner's code runs, libraries in the page cache included
MOST_PROCESSES = 32
NONE = "the memory of a notebook is limited for each of its processes, not for all together: no control group is free"
_count = itertools.count()


def control_groups() -> str | None:
    """Which kind of control groups this process may make: "v2", "v1", "systemd"; None for none."""
    if os.geteuid() == 0 and "memory" in _read(ROOT / "cgroup.subtree_control").split():
        return "v2"
    if os.geteuid() == 0 and (folder := _own_v1()) and os.access(folder, os.W_OK):
        return "v1"
    if Path("/run/systemd/system").is_dir() and shutil.which("systemd-run"):
        return "systemd"
    return None


@contextlib.contextmanager
def memory_group(kind: str | None, memory_mb: int) -> Iterator[tuple[str, ...]]:
    """A control group with so much memory beside torch's own; yields what has to stand before a command line in it.

    >>> with memory_group(None, 100) as before:
    ...     before
    ()
    """
    most = (memory_mb + TORCH_MB) * 10**6
    if kind is None:
        yield ()
    elif kind == "systemd":
        user = [] if os.geteuid() == 0 else ["--user"]
        limits = [f"MemoryMax={most}", "MemorySwapMax=0", f"TasksMax={MOST_PROCESSES}"]
        run = ["systemd-run", *user, "--scope", "--quiet", *(word for limit in limits for word in ("-p", limit)), "--"]
        yield (*run, "/usr/bin/env", "-i")  # systemd-run itself needs the environment
    else:
        top = ROOT if kind == "v2" else _own_v1()
        folder = Path(str(top), f"minillm-{os.getpid()}-{next(_count)}")
        folder.mkdir()
        try:
            if kind == "v2":
                limits = {"memory.max": most, "memory.swap.max": 0, "pids.max": MOST_PROCESSES}
            else:
                limits = {"memory.limit_in_bytes": most}
            for name, value in limits.items():
                with contextlib.suppress(OSError):  # a kernel may lack one of them
                    (folder / name).write_text(str(value), encoding="ascii")
            yield ("/bin/sh", "-c", f'echo $$ > "{folder}/cgroup.procs" && exec "$@"', "sh")
        finally:
            _remove(folder)


def _own_v1() -> Path | None:
    """The folder of this process's own group in the older form of control groups."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        folder = ROOT / "memory" / path.lstrip("/")
        if controllers == "memory" and (folder / "memory.limit_in_bytes").exists():
            return folder
    return None


def _remove(folder: Path) -> None:
    """Remove a group when its last process is gone, which takes the kernel a moment."""
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
