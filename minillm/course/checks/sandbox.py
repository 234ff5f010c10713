"""The command that runs `inside` in a sandbox of bubblewrap, or, for a learner's own code, without one.

In the sandbox there is the system and Python's packages, all read-only, without the package `minillm` (but for the
rooms that ask) and whatever else a question forbids as a whole; there is no network, no home, no submission but the
one that came in by the message, and nothing that can be written to.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOMS = {"stub.py": "__init__.py", "asking.py": "asking.py", "plain.py": "plain.py", "wire.py": "wire.py"}
SYSTEM = [Path("/", name) for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64")]
SYSTEM += [Path("/etc/ld.so.cache"), Path("/etc/alternatives")]
INSIDE = Path("/checks")  # where the rooms lie in the sandbox
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "HOME": "/nowhere", "PATH": "/usr/bin:/bin"}


def plain_command() -> list[str]:
    """Run a learner's code as this user, with all that this user may do.

    >>> plain_command()[-1]
    'minillm.course.checks.inside'
    """
    return [sys.executable, "-m", "minillm.course.checks.inside"]


def sandboxed_command(forbidden: Iterable[str] = (), hidden: Iterable[Path] = ()) -> list[str]:
    """Run a learner's code where it can do no harm: for Linux with bubblewrap.

    `forbidden` is what questions forbid, as names to import by; whole packages but torch, numpy and Python's own are
    not there at all. `hidden` are folders that must not be seen, whatever lies around them.
    """
    arguments = ["bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:  # `inside` becomes nobody, since some limits do not hold for root
        arguments += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        arguments += ["--unshare-user"]
    arguments += ["--die-with-parent", "--new-session", "--clearenv", "--proc", "/proc", "--dev", "/dev"]
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
    masked = [*_packages(forbidden), *(path.resolve() for path in hidden)]
    for path in masked:
        if path.is_dir() and any(path.is_relative_to(one) for one in bound):
            arguments += ["--tmpfs", str(path)]
    for source, target in ROOMS.items():
        arguments += ["--ro-bind", str(HERE / source), f"{INSIDE}/minillm/course/checks/{target}"]
    arguments += ["--ro-bind", str(HERE / "inside.py"), f"{INSIDE}/inside.py"]
    arguments += ["--remount-ro", "/", "--remount-ro", "/dev", "--chdir", str(INSIDE)]
    return [*arguments, sys.executable, "-E", "-s", "-B", f"{INSIDE}/inside.py"]


def _bound() -> list[Path]:
    """The folders that hold the system and Python, none of them within another."""
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    found = {path for path in SYSTEM if path.exists() and not path.is_symlink()}
    found |= python | {path.resolve() for path in python}
    return [path for path in sorted(found) if not found & set(path.parents)]


def _packages(forbidden: Iterable[str]) -> list[Path]:
    """The folders of the packages that are forbidden as a whole."""
    tops = {"minillm", *(name for name in forbidden if "." not in name)} - {"torch", "numpy", *sys.stdlib_module_names}
    found = [find_spec(name) for name in sorted(tops)]
    return [Path(place) for spec in found if spec for place in spec.submodule_search_locations or ()]


def why_no_sandbox() -> str | None:
    """Why there is no sandbox on this machine, as a sentence; None if there is one."""
    if not sys.platform.startswith("linux"):
        return "bubblewrap, which keeps students' code away from your files, is for Linux alone"
    if shutil.which("bwrap") is None:
        return "bubblewrap, which keeps students' code away from your files, is not installed (apt install bubblewrap)"
    return None
