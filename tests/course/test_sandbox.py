"""What a learner's code can reach in the sandbox: nothing of the machine that it runs on, and no way out."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minillm.course.checks import cgroups, outside, sandbox
from minillm.course.checks.cgroups import control_groups, memory_group
from minillm.course.checks.outside import Limits, Statement, collect
from minillm.course.checks.sandbox import sandboxed_command, why_no_sandbox

needs_sandbox = pytest.mark.skipif(why_no_sandbox() is not None, reason=str(why_no_sandbox()))


def tried(*sources, hidden=(), limits=Limits(seconds=20)):  # noqa: B008 (it is frozen)
    """What went wrong in each statement, run in the sandbox; None if nothing did."""
    statements = [Statement(str(place), source) for place, source in enumerate(sources)]
    troubles = collect(statements, [], sandboxed_command((), hidden), limits).troubles
    return [troubles.get(statement.name) for statement in statements]


@needs_sandbox
def test_what_stands_around_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("TEACHERS_TOKEN", "5e5f")
    (tmp_path / "grades.csv").write_text("ann,10", encoding="utf-8")
    allowed = {*sandbox.ENVIRONMENT, "LC_CTYPE", "PWD", "OPENBLAS_CORETYPE"}
    found = tried(
        f"import os; assert set(os.environ) <= {allowed}, sorted(os.environ)",
        "assert [name for name in os.listdir('/proc') if name.isdigit()] == ['1']",
        "assert os.getpid() == 1",
        "assert b'5e5f' not in open('/proc/self/environ', 'rb').read()",
        "os.listdir('/home')",
        f"open({str(tmp_path / 'grades.csv')!r}).read()",
        "open('/usr/x', 'w')",
        "open('/x', 'w')",
        "open('x.txt', 'w').write('mine'); assert open('x.txt').read() == 'mine'",
        "assert os.stat('/scratch').st_dev != os.stat('/').st_dev",
        "import matplotlib",
    )
    assert found[:4] == [None] * 4 or "PermissionError" in str(found[3])
    assert all("FileNotFoundError" in trouble for trouble in found[4:6])
    assert all("OSError" in trouble or "PermissionError" in trouble for trouble in found[6:8])
    assert found[8:] == [None] * 3


@needs_sandbox
def test_memory_that_no_limit_counts_and_what_sandboxes_share_are_refused():
    acl = "b'\\x02\\0\\0\\0' + b'\\x01\\0\\6\\0\\xff\\xff\\xff\\xff'"
    refused = (
        f"import os; open('f', 'w').close(); os.setxattr('f', 'system.posix_acl_access', {acl})",
        f"os.setxattr(os.open('f', os.O_RDWR), 'system.posix_acl_access', {acl})",
        f"os.setxattr('f', 'user.x', {acl}, follow_symlinks=False)",
        "library = os.open(os.__file__, os.O_RDONLY)",
        "os.posix_fadvise(library, 0, 0, os.POSIX_FADV_DONTNEED)",
        "os.preadv(library, [bytearray(1)], 0, os.RWF_NOWAIT)",
        "import fcntl; fcntl.lockf(library, fcntl.LOCK_SH)",
        "import ctypes; os.strerror(1) if ctypes.CDLL(None).inotify_init() >= 0 else 1 / 0",
        "import socket; socket.socket(socket.AF_NETLINK)",
        "import socket; socket.socket(socket.AF_VSOCK)",
        "import socket; socket.socket()",
    )
    allowed = (
        "import socket; socket.socketpair(); socket.socket(socket.AF_UNIX)",
        "import asyncio; asyncio.run(asyncio.sleep(0))",
        "assert os.preadv(library, [bytearray(1)], 0) == 1",
        "fcntl.fcntl(library, fcntl.F_GETFL); fcntl.fcntl(library, fcntl.F_SETFD, fcntl.FD_CLOEXEC)",
        "import shutil; shutil.copy('f', 'g')",
    )
    found = tried(*refused, *allowed)
    assert found[3] is None
    assert all("PermissionError" in str(trouble) for trouble in found[:3] + found[4:7] + found[8:11]), found
    assert "ZeroDivisionError" in str(found[7])
    assert found[11:] == [None] * len(allowed)


@needs_sandbox
def test_nothing_says_where_the_teachers_folders_lie():
    course = str(Path(sandbox.__file__).parents[3])
    look = (
        "import os, sys\n"
        "def seen(path):\n"
        "    try: return open(path, errors='replace').read()\n"
        "    except OSError: return ''\n"
        f"names = {sandbox.MOUNTS}\n"
        "texts = {name: seen(f'/proc/{task}/{name}') for task in ('self', '1') for name in names}\n"
        "texts |= {name: seen(f'/proc/{name}') for name in ('mounts', 'thread-self/mountinfo')}\n"
        "found = [path for path, text in texts.items() if text.strip()]\n"
        "for top in {*sys.path} - {''}:\n"
        "    for root, folders, files in os.walk(top) if top.endswith('-packages') else []:\n"
        "        folders[:] = [name for name in folders if root == top and name.endswith('.dist-info')]\n"
        "        told = [name for name in files if name.endswith(('.pth', 'direct_url.json', 'egg-link'))"
        " or name.startswith('__editable__')]\n"
        f"        found += [name for name in told if {course!r} in seen(os.path.join(root, name))]\n"
        "assert not found, found"
    )
    assert tried(look) == [None]


@needs_sandbox
def test_threads_are_there_and_other_processes_are_not():
    threads = (
        "import threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(8) as pool:\n    assert sum(pool.map(abs, range(100))) == 4950"
    )
    bomb = "while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    found = tried(threads, "import os; os.fork()", "import subprocess; subprocess.run(['/bin/true'])", bomb)
    assert found[0] is None
    assert all("PermissionError" in str(trouble) for trouble in found[1:3]), found
    assert "can't start new thread" in found[3]


@pytest.mark.slow
@needs_sandbox
def test_the_answers_are_hidden_however_the_package_is_installed(monkeypatch, tmp_path):
    package = tmp_path / "real" / "site-packages" / "minillm"  # not editable: a copy among the other packages
    package.mkdir(parents=True)
    (package / "answers.py").write_text("right = 42", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    places = [tmp_path / "real", tmp_path / "link"]
    bound = sandbox._bound()
    monkeypatch.setattr(sandbox, "_bound", lambda: [*bound, *places])
    reach = [
        f"import importlib.util as u; s = u.spec_from_file_location('m', '{place}/site-packages/minillm/answers.py'); "
        "m = u.module_from_spec(s); s.loader.exec_module(m)"
        for place in places
    ]
    assert tried(*reach) == [None, None]  # as long as nothing says that this is the package
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "link" / "site-packages")])
    assert all("FileNotFoundError" in str(trouble) for trouble in tried(*reach))
    everywhere = "import minillm.course.checks.question", "from minillm.course.checks.attention import join"
    assert all("ModuleNotFoundError" in str(trouble) for trouble in tried(*everywhere))


@needs_sandbox
def test_a_process_that_refuses_to_die_with_its_parent_is_ended_all_the_same(monkeypatch):
    ended, kill = [], outside._kill

    def watch(process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
        ended.extend(Path("/proc", child) for child in children.split())
        kill(process)

    monkeypatch.setattr(outside, "_kill", watch)
    stay = "import ctypes, time\nassert ctypes.CDLL(None).prctl(1, 0) == -1\nwhile True: time.sleep(1)"
    assert tried(stay, limits=Limits(seconds=2)) == ["took longer than 2 seconds"]
    assert ended
    deadline = time.monotonic() + 30  # the kernel ends it when it comes to it
    while left := [path for path in ended if _runs(path)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _runs(path):
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in (path / "status").read_text()
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="keyrings are Linux's")
def test_a_new_keyring_is_another_one():
    code = (
        "import ctypes, sys, pyseccomp\n"
        "from minillm.course.checks.sandbox import new_keyring\n"
        "keyctl = pyseccomp.resolve_syscall(pyseccomp.system_arch(), 'keyctl')\n"
        "which = lambda: ctypes.CDLL(None).syscall(keyctl, 0, -3, 1)\n"
        "first = which(); new_keyring(); second = which()\n"
        "sys.exit(3 if first < 0 else first == second)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=False).returncode
    if ended == 3:
        pytest.skip("this system has no keyrings for us")
    assert ended == 0


def test_a_group_limits_the_memory_of_all_its_processes_together(monkeypatch):
    kind = control_groups()
    if kind is None:
        pytest.skip("no control group may be made here")
    monkeypatch.setattr(cgroups, "TORCH_MB", 0)
    code = (
        "import os, sys\n"
        "mine = b'x' * 60_000_000\n"
        "if not os.fork():\n"
        "    its = b'y' * 60_000_000; os._exit(0)\n"
        "sys.exit(os.wait()[1] != 0)"
    )
    for memory_mb, fits in ((1000, True), (100, False)):  # either fits into the second, and both do not
        with memory_group(kind, memory_mb) as before:
            ended = subprocess.run([*before, sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL)
            groups = list(cgroups.ROOT.glob(f"**/minillm-{os.getpid()}-*"))
        assert (ended.returncode == 0) == fits
        assert kind == "systemd" or groups
        assert not list(cgroups.ROOT.glob(f"**/minillm-{os.getpid()}-*"))


def test_where_no_group_may_be_made_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert control_groups() is None


@pytest.mark.parametrize(
    ("broken", "words"),
    [("shutil.which", "bubblewrap, which keeps"), ("minillm.course.checks.sandbox.system_call_filter", "libseccomp")],
)
def test_a_sandbox_that_lacks_something_is_none(monkeypatch, broken, words):
    def nothing(*_):
        if broken == "shutil.which":
            return None
        raise OSError("no such library")

    monkeypatch.setattr(broken, nothing)
    monkeypatch.setattr(sys, "platform", "linux")
    if broken != "shutil.which":
        monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/bwrap")
    assert words in why_no_sandbox()
