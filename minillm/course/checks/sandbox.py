"""Command lines that start `inside`, with or without a bubblewrap sandbox.

Learners run their own code without a sandbox. The sandbox contains the system and Python's packages, all read-only,
without the packages that a question forbids and without `minillm`, except for the modules that `inside` needs. It has
no network, no home folder, no environment, and no submission except the one in the message. Only a small scratch folder
is writable.
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
    "MALLOC_ARENA_MAX": "2",  # a thread has no memory of its own, which would count although it is empty
}
MOUNTS = ("mountinfo", "mounts", "mountstats", "task/1/mountinfo", "task/1/mounts")  # in /proc/1: names of folders here
# System calls that no answer needs: new processes, access to other processes, to keys of others, to memory that no
# limit counts (the kernel keeps extended attributes outside of every limit), to locks and the page cache, which another
# sandbox shares, to the news of files that others open, and new namespaces, in which all of these would be allowed.
REFUSED = (
    "add_key", "bpf", "cachestat", "fadvise64", "fanotify_init", "finit_module", "flock", "fork", "fsconfig",
    "fsetxattr", "fsmount", "fsopen", "fspick", "init_module", "inotify_init", "inotify_init1", "io_uring_setup",
    "kcmp", "kexec_load", "keyctl", "lsetxattr", "memfd_create", "memfd_secret", "mincore", "mount",
    "mount_setattr", "move_mount", "mq_open", "msgget", "name_to_handle_at", "open_by_handle_at", "open_tree",
    "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev",
    "ptrace", "quotactl", "readahead", "request_key", "semget", "setns", "setxattr", "setxattrat", "shmat",
    "shmget", "swapon", "umount2", "unshare", "userfaultfd", "vfork",
)  # fmt: skip
SHARING = (5, 6, 7, 36, 37, 38, 1024, 1026)  # commands of `fcntl`: locks of files, leases, and news of a folder
AF_UNIX = 1  # the family of sockets that stay in the sandbox; AF_VSOCK, say, reaches the host of a virtual machine
NAMESPACES = 0x7E02_0000  # the flags of `clone` that make a new namespace
THREAD = 0x1_0000  # the flag of `clone` for a thread; without it, a new process begins
EPERM, ENOSYS = 1, 38
PR_SET_PDEATHSIG, SIGKILL = 1, 9
KEYCTL_JOIN_SESSION_KEYRING = 1


@dataclass(frozen=True)
class Command:
    """A command line with its environment, system call filter and prefix."""

    arguments: tuple[str, ...]
    bare: bool = False  # with an empty environment
    filter: bytes | None = None  # of system calls, see `system_call_filter`
    before: tuple[str, ...] = ()  # prefix of the command line, see `cgroups.memory_group`

    def start(self, stdin: IO[bytes]) -> subprocess.Popen:
        """Start the process in a new session, with a pipe for its output."""
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
    """The command that runs a learner's code as this user, with all permissions.

    >>> plain_command().arguments[-1]
    'minillm.course.checks.inside'
    """
    return Command((sys.executable, "-m", "minillm.course.checks.inside"))


def sandboxed_command(
    forbidden: Iterable[str] = (), hidden: Iterable[Path] = (), before: tuple[str, ...] = ()
) -> Command:
    """The command that runs a learner's code in a sandbox.

    It needs Linux, bubblewrap and libseccomp.

    `forbidden` holds the import names that questions forbid; forbidden packages are absent from the sandbox, except
    torch, numpy and the standard library. `hidden` holds folders that must not be visible, even inside visible ones.
    """
    arguments = [shutil.which("bwrap") or "bwrap"]
    arguments += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:  # `inside` becomes nobody, since some limits do not hold for root
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        arguments += ["--unshare-user"]
    # As process 1 it sees no other process of the same user.
    arguments += ["--as-pid-1", "--die-with-parent", "--new-session", "--clearenv", "--proc", "/proc", "--dev", "/dev"]
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    bound = _bound()
    folders = {above for path in (*bound, INSIDE / "minillm/course/checks/stub.py") for above in path.parents}
    for path in sorted(folders - {Path("/")}):
        arguments += ["--perms", "0755", "--dir", str(path)]  # the default mode would deny access to the user nobody
    for path in bound:
        arguments += ["--ro-bind", str(path), str(path)]
    for path in SYSTEM:
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
    for path in _masks([*_packages(forbidden), *hidden], bound):
        arguments += ["--tmpfs", str(path)]
    for path in _telling(tuple(bound)):
        arguments += ["--ro-bind", "/dev/null", str(path)]
    for name in MOUNTS:
        arguments += ["--ro-bind", "/dev/null", f"/proc/1/{name}"]
    for source, target in MODULES.items():
        arguments += ["--ro-bind", str(HERE / source), f"{INSIDE}/minillm/course/checks/{target}"]
    arguments += ["--ro-bind", str(HERE / "inside.py"), f"{INSIDE}/inside.py"]
    arguments += ["--perms", "1777", "--size", str(SCRATCH_BYTES), "--tmpfs", str(SCRATCH)]
    arguments += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", str(SCRATCH)]
    arguments += [sys.executable, "-E", "-s", "-B", f"{INSIDE}/inside.py"]
    return Command(tuple(arguments), True, system_call_filter(), before)


@cache
def system_call_filter() -> bytes:
    """A seccomp filter (BPF) that refuses the system calls of `REFUSED`.

    Raises `OSError` without libseccomp.
    """
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in REFUSED:
        try:
            rules.add_rule(pyseccomp.ERRNO(EPERM), name)
        except OSError:  # this libseccomp does not know the call, which the kernel may have
            if name in ("ptrace", "keyctl", "unshare", "shmget"):
                raise
    for bit in range(32):
        if NAMESPACES >> bit & 1:
            flag = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 1 << bit, 1 << bit)
            rules.add_rule(pyseccomp.ERRNO(EPERM), "clone", flag)
    rules.add_rule(pyseccomp.ERRNO(EPERM), "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, THREAD, 0))
    for command in SHARING:
        rules.add_rule(pyseccomp.ERRNO(EPERM), "fcntl", pyseccomp.Arg(1, pyseccomp.EQ, command))
    rules.add_rule(pyseccomp.ERRNO(EPERM), "preadv2", pyseccomp.Arg(5, pyseccomp.NE, 0))  # RWF_NOWAIT: is it cached?
    rules.add_rule(pyseccomp.ERRNO(EPERM), "socket", pyseccomp.Arg(0, pyseccomp.NE, AF_UNIX))
    rules.add_rule(pyseccomp.ERRNO(ENOSYS), "clone3")  # its flags cannot be read; callers then use `clone`
    death = pyseccomp.Arg(0, pyseccomp.EQ, PR_SET_PDEATHSIG), pyseccomp.Arg(1, pyseccomp.NE, SIGKILL)
    rules.add_rule(pyseccomp.ERRNO(EPERM), "prctl", *death)  # no process outlives the grader
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def new_keyring() -> None:
    """Give this process and its children a new, empty session keyring (on Linux)."""
    with contextlib.suppress(Exception):  # a system without keyrings needs none
        import pyseccomp

        number = pyseccomp.resolve_syscall(pyseccomp.system_arch(), "keyctl")
        ctypes.CDLL(None).syscall(number, KEYCTL_JOIN_SESSION_KEYRING, None)


def _bound() -> list[Path]:
    """The folders of the system and of Python, none inside another."""
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    folders = {path for path in SYSTEM if path.exists() and not path.is_symlink()}
    folders |= python | {path.resolve() for path in python}
    return [path for path in sorted(folders) if not folders & set(path.parents)]


def _masks(hidden: Sequence[Path], bound: Sequence[Path]) -> list[Path]:
    """The paths of hidden folders in the sandbox, also through links."""
    masks = set()
    for path in hidden:
        for root in bound:
            for form, top in ((path.resolve(), root.resolve()), (path.absolute(), root)):
                if path.is_dir() and form.is_relative_to(top):
                    masks.add(root / form.relative_to(top))
    return sorted(path for path in masks if not masks & set(path.parents))


@cache
def _telling(bound: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files among Python's packages that say where the course, or another one under work, lies on this machine."""
    homes = {Path(home).resolve() for home in (*sys.path, *site.getsitepackages()) if home and Path(home).is_dir()}
    homes = {home for home in homes if any(home.is_relative_to(root.resolve()) for root in bound)}
    kinds = ("*.pth", "__editable__*", "*.egg-link", "*.dist-info/direct_url.json")
    words = (str(HERE.parents[2]), "file://", "__editable__")
    files = {path for home in homes for kind in kinds for path in home.glob(kind) if path.is_file()}
    told = [path for path in files if any(word in path.read_text("utf-8", "replace") for word in words)]
    return tuple(sorted(path for path in told if not any(path.is_relative_to(each) for each in _packages(()))))


def _packages(forbidden: Iterable[str]) -> list[Path]:
    """The folders of forbidden packages on every path of Python in the sandbox."""
    tops = {"minillm", *(name for name in forbidden if "." not in name)} - {"torch", "numpy", *sys.stdlib_module_names}
    specs = [find_spec(name) for name in sorted(tops)]
    folders = {Path(folder) for spec in specs if spec for folder in spec.submodule_search_locations or ()}
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent), "/usr"}
    homes = {*sys.path, *site.getsitepackages(list(prefixes)), "/usr/lib/python3/dist-packages"}
    return sorted(folders | {Path(home, name) for home in homes if home for name in tops if Path(home, name).is_dir()})


def why_no_sandbox() -> str | None:
    """The reason why this machine has no sandbox, as a sentence; None if it has one."""
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
