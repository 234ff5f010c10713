"""How `inside` is started: in a sandbox of bubblewrap or, for a learner's own code, without one.

In the sandbox there is the system and Python's packages, all read-only, without the package `minillm` (but for the
modules that ask) and whatever else a question forbids as a whole; there is no network, no home, no environment, no
submission but the one that came in by the message, and nothing that can be written to but a small scratch folder.
"""

import contextlib
import ctypes
import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
MODULES = {"stub.py": "__init__.py", "asking.py": "asking.py", "plain.py": "plain.py", "wire.py": "wire.py"}
SYSTEM = [Path("/", name) for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64")]
SYSTEM += [Path("/etc/ld.so.cache"), Path("/etc/alternatives"), Path("/etc/fonts")]
INSIDE = Path("/checks")  # where the modules lie in the sandbox
SCRATCH = Path("/scratch")  # where a learner's code may write
SCRATCH_BYTES = 32_000_000
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "LANG": "C.UTF-8",
    "HOME": str(SCRATCH),
    "TMPDIR": str(SCRATCH),
    "PATH": "/usr/bin:/bin",
    "MPLBACKEND": "Agg",
}
# System calls that no answer needs: into other processes, keys that others left, memory that no limit counts, locks
# that another sandbox sees, and new namespaces, in which every one of these would be allowed again.
REFUSED = (
    "add_key", "bpf", "fanotify_init", "finit_module", "flock", "fsconfig", "fsmount", "fsopen", "fspick",
    "init_module", "io_uring_setup", "kcmp", "kexec_load", "keyctl", "memfd_create", "memfd_secret", "mount",
    "mount_setattr", "move_mount", "mq_open", "msgget", "name_to_handle_at", "open_by_handle_at", "open_tree",
    "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev",
    "ptrace", "quotactl", "request_key", "semget", "setns", "shmat", "shmget", "swapon", "umount2", "unshare",
    "userfaultfd",
)  # fmt: skip
NAMESPACES = 0x7E02_0000  # the flags of `clone` that make a new namespace
EPERM, ENOSYS = 1, 38
PR_SET_PDEATHSIG, SIGKILL = 1, 9
KEYCTL_JOIN_SESSION_KEYRING = 1


@dataclass(frozen=True)
class Command:
    """A command line, whether it gets an environment, the filter of its system calls, and what to put before it all."""

    arguments: tuple[str, ...]
    bare: bool = False  # with an empty environment
    filter: bytes | None = None
    before: tuple[str, ...] = ()  # see `cgroups.memory_group`

    def start(self, stdin: IO[bytes]) -> subprocess.Popen:
        """Start it as the head of a session of its own, with a pipe to read from."""
        arguments, descriptors = list(self.arguments), []
        with tempfile.TemporaryFile() as file:
            if self.filter is not None:
                file.write(self.filter)
                file.seek(0)
                arguments[1:1] = ["--seccomp", str(file.fileno())]
                descriptors = [file.fileno()]
            return subprocess.Popen(
                [*self.before, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={} if self.bare and self.before[:1] != ("systemd-run",) else None,
                pass_fds=descriptors,
                start_new_session=True,
            )


def plain_command() -> Command:
    """Run a learner's code as this user, with all that this user may do.

    >>> plain_command().arguments[-1]
    'minillm.course.checks.inside'
    """
    return Command((sys.executable, "-m", "minillm.course.checks.inside"))


def sandboxed_command(
    forbidden: Iterable[str] = (), hidden: Iterable[Path] = (), before: tuple[str, ...] = ()
) -> Command:
    """Run a learner's code where it can do no harm: for Linux with bubblewrap and libseccomp.

    `forbidden` is what questions forbid, as names to import by; whole packages but torch, numpy and Python's own are
    not there at all. `hidden` are folders that must not be seen, whatever lies around them.
    """
    arguments = [shutil.which("bwrap") or "bwrap"]
    arguments += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:  # `inside` becomes nobody, since some limits do not hold for root
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        arguments += ["--unshare-user"]
    # As process 1 it has no other process of the same user to write into.
    arguments += ["--as-pid-1", "--die-with-parent", "--new-session", "--clearenv", "--proc", "/proc", "--dev", "/dev"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    bound = _bound()
    folders = {above for path in (*bound, INSIDE / "minillm/course/checks/stub.py") for above in path.parents}
    for path in sorted(folders - {Path("/")}):
        arguments += ["--perms", "0755", "--dir", str(path)]  # bubblewrap's own would be closed to nobody
    for path in bound:
        arguments += ["--ro-bind", str(path), str(path)]
    for path in SYSTEM:
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
    for path in _masks([*_packages(forbidden), *hidden], bound):
        arguments += ["--tmpfs", str(path)]
    for source, target in MODULES.items():
        arguments += ["--ro-bind", str(HERE / source), f"{INSIDE}/minillm/course/checks/{target}"]
    arguments += ["--ro-bind", str(HERE / "inside.py"), f"{INSIDE}/inside.py"]
    arguments += ["--perms", "1777", "--size", str(SCRATCH_BYTES), "--tmpfs", str(SCRATCH)]
    arguments += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", str(SCRATCH)]
    arguments += [sys.executable, "-E", "-s", "-B", f"{INSIDE}/inside.py"]
    return Command(tuple(arguments), True, system_call_filter(), before)


@cache
def system_call_filter() -> bytes:
    """The system calls that the sandbox refuses, as a program for the kernel; raises `OSError` without libseccomp."""
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        try:
            rules.add_rule(pyseccomp.ERRNO(EPERM), name)
        except OSError:  # a call that this libseccomp has not heard of, on a kernel that may have it
            if name in ("ptrace", "keyctl", "unshare", "shmget"):
                raise
    for bit in range(32):
        if NAMESPACES >> bit & 1:
            flag = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 1 << bit, 1 << bit)
            rules.add_rule(pyseccomp.ERRNO(EPERM), "clone", flag)
    rules.add_rule(pyseccomp.ERRNO(ENOSYS), "clone3")  # its flags cannot be read; callers then use `clone`
    death = pyseccomp.Arg(0, pyseccomp.EQ, PR_SET_PDEATHSIG), pyseccomp.Arg(1, pyseccomp.NE, SIGKILL)
    rules.add_rule(pyseccomp.ERRNO(EPERM), "prctl", *death)  # none outlives the grader that started it
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def new_keyring() -> None:
    """Give this process, and all that it starts, an empty keyring in place of its session's (on Linux)."""
    with contextlib.suppress(Exception):  # where there are no keyrings there is nothing to leave
        import pyseccomp

        number = pyseccomp.resolve_syscall(pyseccomp.system_arch(), "keyctl")
        ctypes.CDLL(None).syscall(number, KEYCTL_JOIN_SESSION_KEYRING, None)


def _bound() -> list[Path]:
    """The folders that hold the system and Python, none of them within another."""
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    found = {path for path in SYSTEM if path.exists() and not path.is_symlink()}
    found |= python | {path.resolve() for path in python}
    return [path for path in sorted(found) if not found & set(path.parents)]


def _masks(hidden: Sequence[Path], bound: Sequence[Path]) -> list[Path]:
    """Where hidden folders can be seen in the sandbox: under each bound folder that leads to them, links included."""
    found = set()
    for path in hidden:
        for root in bound:
            for form, top in ((path.resolve(), root.resolve()), (path.absolute(), root)):
                if path.is_dir() and form.is_relative_to(top):
                    found.add(root / form.relative_to(top))
    return sorted(path for path in found if not found & set(path.parents))


def _packages(forbidden: Iterable[str]) -> list[Path]:
    """The folders of the packages that are forbidden as a whole, wherever a Python of the sandbox would look."""
    tops = {"minillm", *(name for name in forbidden if "." not in name)} - {"torch", "numpy", *sys.stdlib_module_names}
    found = [find_spec(name) for name in sorted(tops)]
    places = {Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()}
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent), "/usr"}
    homes = {*sys.path, *site.getsitepackages(list(prefixes)), "/usr/lib/python3/dist-packages"}
    return sorted(places | {Path(home, name) for home in homes if home for name in tops if Path(home, name).is_dir()})


def why_no_sandbox() -> str | None:
    """Why there is no sandbox on this machine, as a sentence; None if there is one."""
    if not sys.platform.startswith("linux"):
        return "the sandbox that keeps students' code away from your files needs Linux"
    if shutil.which("bwrap") is None:
        return "bubblewrap, which keeps students' code away from your files, is not installed (apt install bubblewrap)"
    try:
        system_call_filter()
    except ImportError:
        return "pyseccomp, which filters students' system calls, is not installed (pip install -e '.[grading]')"
    except (OSError, RuntimeError, AttributeError) as error:
        return f"libseccomp, which filters students' system calls, does not work ({error}; apt install libseccomp2)"
    return None
