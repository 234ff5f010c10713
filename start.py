#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# ///
"""Set up the course and run a command. Only needs Python 3.11 or newer.

    python3 start.py                  set up, fetch the real weights, open JupyterLab on your workbook's home page
    python3 start.py --no-browser --port 9999 --ip ADDRESS     the same; JupyterLab takes these options
    python3 start.py setup            only set up: make .venv, install, compile the fast decoding step, fetch the real
                                      weights, lay out the workbook
    python3 start.py reset 04         put lesson 04 of your workbook back; what you wrote is kept beside it
    python3 start.py reset 06 --solved     also fill in the turns of the lessons before it, to catch up
    python3 start.py test             run the checks, unit tests and lessons, about 40 minutes
    python3 start.py test --all       also the slow tests (over two seconds each), and the lessons in a browser
    python3 start.py test --quick     only the checks and unit tests; other arguments go to pytest
    python3 start.py test 04          everything that holds lesson 04, about a minute and a half
    python3 start.py tour             lesson 00 in the terminal
    python3 start.py doctor           check this computer and its PyTorch
    python3 start.py site             write the course as a site for a web server: build/site
    python3 start.py deck 04          write lesson 04 as slides, beside the lesson
    python3 start.py bundle [FOLDER]  write everything for a computer without a network, for a USB stick
    python3 start.py setup --from FOLDER   set up from such a folder, without a network

The folder workbook/ has your own copies of the lessons and exercises. A copy that you have written in is never
overwritten; the others are renewed when the course is. The variable MINILLM_WORKBOOK names another folder.

On Windows use `py start.py`. It is always safe to run a command again: finished steps are skipped, and interrupted ones
are repaired.
"""

import argparse
import collections
import contextlib
import difflib
import errno
import hashlib
import html
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path, PurePosixPath

OLDEST = (3, 11)
PYTHON = "py" if os.name == "nt" else "python3"  # the command in messages

# This file must parse in Python 3.6, so that an old Python prints this message and not "invalid syntax".
if sys.version_info < OLDEST:
    names = [f"python3.{minor}" for minor in range(19, 10, -1)]
    newer = [n for n in names if shutil.which(n) and not subprocess.call([n, "-c", ""], stderr=subprocess.DEVNULL)]
    remedy = f"run `{newer[0]} start.py`" if newer else "install a newer one from https://www.python.org"
    found = "{}.{}".format(*sys.version_info)
    sys.exit(f"start.py: the course needs Python 3.11 or newer, and {sys.executable} is Python {found}: {remedy}.")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "start.json"  # what was installed; absent during an installation
LOCK = ROOT / ".start.lock"  # locked by the start.py that sets up
UNPACKED = VENV / "tmp"  # where pip unpacks, if temporary files have too little room
HOME = ROOT / ".home"  # replaces a home folder that is not writable, for Jupyter, IPython and the course
HOME_NAMES = (".cache", ".config", ".ipython", ".jupyter", ".local", ".local/share")
WORKBOOK = "MINILLM_WORKBOOK"  # environment variable: where the learner's copies are, if not in workbook/
PAGES = ("Home.md", "00_the_map.ipynb")  # of the workbook; the first that is there is opened
NEXT = re.compile(r'<p class="minillm-go"><a href="[^"]*">([^<]+)</a>')  # the first link of the home page
JUPYTER = ROOT / "minillm" / "course" / "jupyter"  # settings, style and an extension for JupyterLab
OURS = (
    "--LabApp.custom_css=True",
    f"--ServerApp.tornado_settings=static_custom_path={JUPYTER / 'custom'}",
    f"--LabApp.extra_labextensions_path={JUPYTER / 'labextensions'}",
)
ASSETS = ("smollm2-135m-instruct", "gpt2-tokenizer")
COMPILE = """
import minillm
try:
    minillm.compile_native()
except ValueError as error:
    print(f"Text is generated more slowly: {error}.")
"""
SERVERS = """
import pathlib, jupyter_core.paths
for path in pathlib.Path(jupyter_core.paths.jupyter_runtime_dir()).glob("jpserver-*.json"):
    print(path.read_text(encoding="utf-8").replace("\\n", " "))
"""
COMMANDS = ("lab", "setup", "reset", "test", "tour", "doctor", "deck", "site", "bundle")
DEBIANS_VENV = "python{}.{}-venv".format(*sys.version_info)
EXTRAS = {"test": ("test", "grading", "site"), "site": ("site",)}  # of pyproject.toml, besides `lab`
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
DOWNLOAD = "0.4 GB to download (3 GB if PyTorch comes with CUDA), about three minutes on a fast line"
GIGABYTES = 3  # .venv takes 1.6 with PyTorch's CPU build (6 with CUDA), and pip needs space to unpack

# What venv and pip put into their folder; a .venv with anything else may belong to the user.
VENV_NAMES = {"bin", "include", "lib", "lib64", "share", "etc", "Include", "Lib", "Scripts", ".gitignore"}
VENV_NAMES |= {STAMP.name, UNPACKED.name}

# Error messages of Python and pip (as patterns) and what to tell the user. The first match counts.
FAILURES = {
    r"No space left|Errno 28|WinError 112|[Qq]uota exceeded": f"the disk is full: the course needs {GIGABYTES} GB, "
    "with CUDA 8. Make room (also where temporary files go, which the variable TMPDIR decides)",
    r"externally-managed-environment": "this Python belongs to the operating system, which installs its packages "
    "itself. Leave out --here (start.py makes a .venv)",
    r"No module named pip": "this Python has no pip. Add it (`python -m ensurepip`)",
    r"Permission denied|Errno 13|WinError 5\b|Read-only file system": "a file or folder here may not be written to. "
    "Copy the course to a folder of your own",
    r"connection broken|name resolution|Could not fetch URL|ProxyError|SSLError|[Tt]imed out|IncompleteRead"
    r"|Connection aborted|unreachable": "the package index cannot be reached. Check the network (behind a proxy: the "
    "variable HTTPS_PROXY)",
}


class Stop(Exception):
    """An error with a message for the user."""


def main(arguments: list[str]) -> int:
    """Run the command line and return the exit status."""
    # Waiting threads of PyTorch must not spin for long, in any process started from here: see minillm/__init__.py.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a Windows console may not have every character of a path
    try:
        return act(arguments)
    except Stop as stop:
        print(f"start.py: {stop}", file=sys.stderr)
    except OSError as error:
        print(f"start.py: {diagnose(str(error))}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nstart.py: interrupted. Run the same command again, and it goes on from here.", file=sys.stderr)
        return 130
    return 1


def act(arguments: list[str]) -> int:
    """Parse the command line, prepare the environment and run the command in it."""
    parser = argparse.ArgumentParser(
        prog="start.py",
        usage="start.py [setup|reset NN|test [NN]|tour|doctor|deck NN|site|bundle] [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--here", action="store_true", help="install into the environment that is active, not .venv")
    parser.add_argument("--torch-index", metavar="URL", help=f"where PyTorch comes from, such as {CPU_INDEX}")
    parser.add_argument("--from", dest="bundle", metavar="FOLDER", help="set up from what `start.py bundle` wrote")
    options, rest = parser.parse_known_args(arguments)
    command = rest.pop(0) if rest and not rest[0].startswith("-") else "lab"
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"the commands are {', '.join(COMMANDS)}."
        raise Stop(f"there is no command {command!r}; {hint}")
    if command == "lab":
        check_lab_options(rest)
    if rest and command == "setup":
        raise Stop(f"{command!r} takes no {rest[0]!r}; `{PYTHON} start.py --help` shows what there is.")
    if command in ("reset", "deck") and (not rest or rest[0].startswith("-")):
        raise Stop(f"{command!r} needs the number of a lesson: `{PYTHON} start.py {command} 04`.")
    if options.bundle and command != "setup":
        raise Stop(f"--from belongs to `{PYTHON} start.py setup`; {command!r} comes after it.")

    if command == "doctor" and not options.here and not read_stamp():
        return look()

    # set up
    files = open_bundle(Path(options.bundle).resolve()) if options.bundle else {}
    with alone():
        python = sys.executable if options.here else make_venv()
        new = install(python, {"lab", *EXTRAS.get(command, ())}, options)
        settle()
        if options.bundle:
            lay_out(python, Path(options.bundle).resolve(), files)
        if new or command == "setup":
            run([python, "-c", COMPILE])  # the decoding step in C, so that no lesson waits for it
    if command in ("test", "tour", "bundle"):
        fetch(python)

    # run the command
    if command == "reset":
        return workbook(python, "--reset", *rest)
    if command in ("lab", "setup"):
        # in one process, since each one takes seconds to import PyTorch
        status = workbook(python, *(f"--fetch={name}" for name in ASSETS))
        if status:
            return status
    if command == "setup":
        print(f"\nReady. Next: `{PYTHON} start.py` opens JupyterLab on your home page.")
        if not options.here:
            activate = r".venv\Scripts\activate" if os.name == "nt" else "source .venv/bin/activate"
            print(f"Or `{activate}`, and the commands minillm and jupyter are at hand.")
        return 0
    if command == "deck":
        return run([python, str(ROOT / "tools" / "deck.py"), *rest])
    if command == "lab":
        return lab(python, rest)
    if command == "site":
        return run([python, "tools/make_site.py", *rest])
    return test(python, rest) if command == "test" else run([python, "-m", "minillm", command, *rest])


def check_lab_options(rest: list[str]) -> None:
    """Raise `Stop` unless these are options that JupyterLab is given."""
    waiting = iter(rest)
    for option in waiting:
        name, _, value = option.partition("=")
        if name in ("--port", "--ip"):
            if not (value or next(waiting, "")):
                example = "9999" if name == "--port" else "127.0.0.1"
                raise Stop(f"{name} needs a value, such as `{PYTHON} start.py {name}={example}`.")
        elif option != "--no-browser":
            raise Stop(f"'lab' takes no {option!r}; `{PYTHON} start.py --help` shows what there is.")


# -- the environment -------------------------------------------------------------------------------------------------


def look() -> int:
    """Look at this computer before anything is installed; returns 0 if the course can be set up here."""
    venv = importlib.util.find_spec("ensurepip") is not None
    free = shutil.disk_usage(ROOT).free / 1e9
    index = "https://pypi.org/simple/pip/"
    ours = own_index(sys.executable) or os.environ.get("PIP_NO_INDEX")
    online = ours or answers(index)
    network = f"{index} answers" if online else f"{index} does not answer; a bundle needs no network"
    print(f"Python {platform.python_version()}: " + ("fine" if venv else f"`sudo apt install {DEBIANS_VENV}`"))
    print(f"Disk: {free:.1f} GB free" + ("" if free >= GIGABYTES else f", and the course needs {GIGABYTES}"))
    print(f"Network: {'pip is configured to use an index of its own' if ours else network}")
    print(f"\nNothing is set up here yet. Next: `{PYTHON} start.py setup`: {DOWNLOAD}.")
    return 0 if venv and free >= GIGABYTES and online else 1


@contextlib.contextmanager
def alone():
    """Wait until no other start.py sets up this folder, and let others wait meanwhile."""
    with open(LOCK, "w", encoding="utf-8") as file:
        if not lock(file):
            print("Another start.py sets up here; waiting until it is done ...", flush=True)
            while not lock(file):
                time.sleep(0.5)
        yield


def lock(file) -> bool:
    """Lock an open file until it is closed or this process ends; False if another process has locked it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # others: this disk knows no locks
    return True


def make_venv() -> str:
    """Return the Python of .venv, after making or repairing it if necessary."""
    python = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    if VENV.exists():
        fault = venv_fault(python)
        if fault is None:
            return python
        remove_venv(fault)
    check_disk()
    print(f"Setting up, once: {DOWNLOAD}.\nMaking {VENV} ...", flush=True)
    try:
        import ensurepip  # noqa: F401  (what venv needs for pip; Debian ships it in a package of its own)
    except ImportError:
        raise Stop(
            f"this Python lacks venv. On Debian or Ubuntu: `sudo apt install {DEBIANS_VENV}`, then try again."
        ) from None
    # If start.py runs on the Python that was just removed, its base Python has to make the new one.
    base = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run([base, "-m", "venv", str(VENV)], capture_output=True, text=True, errors="replace")
    if made.returncode:
        raise Stop(diagnose(made.stdout + made.stderr))
    pip(python, "--quiet", "--upgrade", "pip")  # from 25.1 on pip resumes a large download that broke off
    return python


def venv_fault(python: str) -> str | None:
    """Return why .venv cannot be used, or None if it can."""
    scripts = [VENV / folder / "activate" for folder in ("bin", "Scripts")]  # what venv writes last
    if not (VENV / "pyvenv.cfg").is_file() or not any(path.is_file() for path in scripts):
        return "it is half-made"
    if read_stamp().get("folder", str(VENV)) != str(VENV):
        return "it was made for another folder"
    code = f"import sys, pip._internal.cli.main; sys.exit(sys.version_info < {OLDEST})"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, errors="replace", timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return "its Python does not start"
    if "pip" in done.stderr:
        return "its pip is broken"
    return "its Python is too old or broken" if done.returncode else None


def remove_venv(fault: str) -> None:
    """Remove a .venv that cannot be used, with a message; raises `Stop` if it may belong to the user."""
    foreign = (
        sorted(path.name for path in VENV.iterdir() if path.name not in VENV_NAMES) if VENV.is_dir() else [VENV.name]
    )
    if VENV.is_symlink() or (foreign and not (VENV / "pyvenv.cfg").is_file()):
        raise Stop(f"{VENV} is not an environment of start.py's making. Move it away and run the same command again.")
    print(f"The environment in {VENV} cannot be used: {fault}. It is removed and made anew.")
    shutil.rmtree(VENV)


def read_stamp() -> dict:
    """Read what the last finished installation wrote; empty if there was none."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def install(python: str, extras: set[str], options: argparse.Namespace) -> bool:
    """Install the course with its extras in editable mode, unless the stamp says that this is done.

    Returns whether .venv is new or was changed.
    """
    pyproject = (ROOT / "pyproject.toml").read_bytes()
    before = {} if options.here else read_stamp()
    extras = extras | set(before.get("extras", ()))
    stamp = {"folder": str(VENV), "pyproject": hashlib.sha256(pyproject).hexdigest(), "extras": sorted(extras)}
    if before == stamp and not options.torch_index:
        return False
    if not options.here:
        STAMP.unlink(missing_ok=True)
    install_torch(python, pyproject.decode("utf-8"), options)
    pip(python, "--editable", f".[{','.join(stamp['extras'])}]")
    if not options.here:
        STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    return not options.here


def check_disk() -> None:
    """Raise `Stop` if the disk has too little space for the download."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < GIGABYTES:
        raise Stop(f"the disk has {free:.1f} GB free, and the course needs {GIGABYTES}. Make room and try again.")


def install_torch(python: str, pyproject: str, options: argparse.Namespace) -> None:
    """Install PyTorch before the other packages if it should come from another index."""
    import tomllib  # new in Python 3.11

    requirements = tomllib.loads(pyproject)["project"]["dependencies"]
    torch = [requirement for requirement in requirements if re.match(r"torch\b", requirement)]
    there = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
    if not options.torch_index and (not torch or subprocess.call([python, "-c", there]) == 0):
        return
    check_disk()
    index = options.torch_index or choose_index(python)
    if index is None:
        return
    # Without dependencies: they are installed with the other packages, from pip's usual index.
    again = ["--force-reinstall"] if options.torch_index else []
    try:
        pip(python, *again, "--no-deps", "--index-url", index, *torch)
    except Stop as stop:
        if options.torch_index:
            raise
        print(f"PyTorch did not come from {index}: {stop} It comes with the rest instead.")


def choose_index(python: str) -> str | None:
    """Return PyTorch's CPU index, or None for pip's usual index, and print how to choose another."""
    if not sys.platform.startswith("linux") or nvidia_driver() or os.environ.get("PIP_NO_INDEX"):
        return None  # pip's usual index has the right build, or no index may be used
    smaller = f"For PyTorch's smaller CPU build: `{PYTHON} start.py setup --torch-index {CPU_INDEX}`"
    if own_index(python):
        print(f"PyTorch comes from where pip is configured to look. {smaller}", flush=True)
        return None
    if answers(CPU_INDEX + "/"):
        print(f"No NVIDIA driver here, so PyTorch's smaller CPU build comes from {CPU_INDEX}.", flush=True)
        print("For another build: --torch-index URL", flush=True)
        return CPU_INDEX
    print(f"{CPU_INDEX} does not answer, so PyTorch comes with gigabytes of CUDA. {smaller}", flush=True)
    return None


def nvidia_driver() -> bool:
    """Whether an NVIDIA driver is installed on this Linux."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def own_index(python: str) -> bool:
    """Whether pip is configured to use another index, by its files or by environment variables."""
    listing = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, errors="replace")
    return re.search(r"\.(index-url|extra-index-url|find-links|no-index)=", listing.stdout) is not None


def answers(url: str, seconds: float = 5) -> bool:
    """Whether the server answers in time; uses a thread, because a DNS lookup has no timeout."""
    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(url, timeout=seconds):
                answered.set()
        except (OSError, ValueError):
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answered.is_set()


def pip(python: str, *arguments: str) -> None:
    """Run `pip install`, with one line of progress; raises `Stop` with one sentence if it fails."""
    command = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    said, line = [], ProgressLine(sys.stdout.isatty())
    if line.terminal:  # an old pip does not know how to tell its progress to a program
        raw = [*command, "--progress-bar=raw"]
        command = command if subprocess.run([*raw, "--help"], capture_output=True).returncode else raw
    command += arguments
    with temporary_files() as environment, subprocess.Popen(command, cwd=ROOT, env=environment, **piped) as process:
        try:
            for each in process.stdout:
                said.append(each)
                line.show(each)
        except KeyboardInterrupt:
            process.stdout.read()  # pip got the Ctrl-C too and cleans up, for which it needs an open pipe
            raise
        finally:
            line.clear()
    if process.returncode:
        raise Stop(diagnose("".join(said)))


class ProgressLine:
    """What pip is doing, on one line of a terminal, which is written again and again; elsewhere its large downloads."""

    DOING = re.compile(r" *(Collecting|Downloading|Installing|Building|Successfully installed) ?(.*)")
    LARGE = re.compile(r"\(\d+(\.\d+)? [MG]B\)")
    PART = re.compile(r"Progress (\d+) of (\d+)")

    def __init__(self, terminal: bool):
        self.terminal = terminal
        self.doing = ""
        self.written = 0  # characters of the line that stands there

    def show(self, line: str) -> None:
        """Take one line of pip's."""
        doing, part = self.DOING.match(line), self.PART.match(line)
        if doing:
            what = doing[2].rpartition("/")[2] if doing[1] == "Downloading" else doing[2]
            self.doing = f"{doing[1]} {what}"
        if doing and doing[1].startswith("Successfully"):
            self.clear()
            print(f"Installed packages: {len(what.split())}.", flush=True)
        elif self.terminal and (doing or part):
            done = f"  {100 * int(part[1]) // max(int(part[2]), 1)} %" if part else ""
            self.clear()
            text = self.doing[: shutil.get_terminal_size().columns - 8] + done
            print(text, end="", flush=True)
            self.written = len(text)
        elif doing and self.LARGE.search(line):
            print(self.doing, flush=True)

    def clear(self) -> None:
        """Leave an empty line."""
        print("\r" + " " * self.written + "\r" if self.written else "", end="", flush=True)
        self.written = 0


@contextlib.contextmanager
def temporary_files():
    """The environment for pip: it unpacks beside .venv if temporary files have too little room elsewhere."""
    try:
        room = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    except OSError:  # no folder for temporary files can be written to
        room = 0
    if room >= GIGABYTES or not VENV.is_dir():
        yield None
        return
    UNPACKED.mkdir(exist_ok=True)
    try:
        yield {**os.environ, "TMPDIR": str(UNPACKED), "TEMP": str(UNPACKED), "TMP": str(UNPACKED)}
    finally:
        shutil.rmtree(UNPACKED, ignore_errors=True)


def diagnose(complaints: str) -> str:
    """Turn the error output of Python or pip into one sentence with a remedy."""
    for pattern, sentence in FAILURES.items():
        if re.search(pattern, complaints):
            return f"{sentence} and run the same command again."
    lines = [line.strip() for line in complaints.splitlines() if line.strip()] or ["no reason was given"]
    said = next((line for line in lines if line.startswith("ERROR:")), lines[-1])
    return f"setting up failed ({said}). Run the same command again; if that does not help, remove .venv first."


# -- a bundle instead of the network -----------------------------------------------------------------------------------

BUNDLE_LIST, BUNDLE_FORMAT = "bundle.json", 1
SEAL = "seal.json"  # the last file of a cached model
# Allowed paths in a bundle: inside its folder, without drives or hidden files. (minillm/cli/bundle.py writes it.)
BUNDLED = re.compile(
    r"(?:wheels/{0}\.whl|cache/(?:assets|models|runs)(?:/{0})+)".format("[A-Za-z0-9_][A-Za-z0-9_.+!-]*")
)


def open_bundle(folder: Path) -> dict[str, str]:
    """Check a whole bundle before using it, and make pip use only the bundle.

    Returns the SHA-256 of each file by its path in the bundle. Raises `Stop` for an invalid bundle.
    """
    try:
        text = (folder / BUNDLE_LIST).read_bytes()
        listing = dict(json.loads(text))
        files = {str(path): str(checksum) for path, checksum in listing["files"].items()}
        readable = re.fullmatch(r"[A-Za-z0-9_ -]+/\d+\.\d+", "{system}/{python}".format(**listing))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        readable = None
    if not readable:
        raise Stop(f"{folder} is not a bundle: its {BUNDLE_LIST} is missing or unreadable.")
    if listing.get("format") != BUNDLE_FORMAT:
        raise Stop(
            f"{folder} was written by another version of start.py. Take the course's folder from the same stick."
        )
    check_made_for(folder, listing)
    if not files:
        raise Stop(f"{folder} is unfinished: run `start.py bundle` again where it was made.")
    unlisted = {f"wheels/{path.name}" for path in (folder / "wheels").glob("[!.]*")} - set(files)
    if unlisted:
        raise Stop(f"{folder} contains {min(unlisted)!r}, which is not in its list. Copy the bundle again.")
    print(f"Checking the {len(files)} files of {folder} ...", flush=True)
    for number, (path, checksum) in enumerate(files.items()):
        if sys.stdout.isatty():
            print(f"\r{number} of {len(files)} ", end="", flush=True)
        fault = bundle_fault(folder, path, checksum)
        if fault:
            raise Stop(f"the bundle's {path!r} {fault}. Copy the bundle again.")
    fingerprint = hashlib.sha256(text).hexdigest()[:16]
    print(f"\rAll are intact. Fingerprint: {fingerprint} (compare it with the one you were given)")
    os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=(folder / "wheels").as_uri())
    return files


def check_made_for(folder: Path, listing: dict) -> None:
    """Raise `Stop` for a bundle for another system, another Python or another version of the course."""
    system, python = f"{platform.system()} {platform.machine()}", "{}.{}".format(*sys.version_info)
    wants = listing["python"]
    if listing["system"] != system:
        raise Stop(
            f"{folder} was made for {listing['system']}, and this is {system}. Ask for a bundle that was made on such "
            f"a computer; with a network `{PYTHON} start.py setup` needs none."
        )
    if wants != python:
        call = f"py -{wants}" if os.name == "nt" else f"python{wants}"
        raise Stop(
            f"{folder} was made for Python {wants}, and {sys.executable} is Python {python}. Call start.py by that one "
            f"(`{call} start.py setup --from ...`), or ask for a bundle for Python {python}."
        )
    if listing.get("pyproject") != hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest():
        raise Stop(
            f"{folder} was made for another version of the course. Take the course's folder from the same stick."
        )


def bundle_fault(folder: Path, name: str, checksum: str) -> str | None:
    """Return why a file of a bundle must not be used, or None if it matches the list."""
    if not BUNDLED.fullmatch(name):
        return "has no place in a bundle"
    path = folder / name
    if not path.is_file():
        return "is missing"
    if path.resolve() != folder.resolve() / name:
        return "is a link to somewhere else"
    return None if sha256(path) == checksum else "has changed since it was written"


def lay_out(python: str, folder: Path, files: dict[str, str]) -> None:
    """Copy weights and course models into the course's cache; models that exist already are kept."""
    command = [python, "-X", "utf8", "-c", "from minillm.assets import cache_dir; print(cache_dir())"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise Stop(diagnose(done.stderr))
    home = Path(done.stdout.strip())
    paths = [PurePosixPath(path) for path in files if path.startswith("cache/")]
    sealed = {path.parent for path in paths if (home / path.parent.relative_to("cache") / SEAL).exists()}
    for path in sorted(paths, key=lambda path: (path.name == SEAL, path)):  # the seal, which completes a model, last
        target = home / path.relative_to("cache")
        if path.parent in sealed or (target.is_file() and sha256(target) == files[str(path)]):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".bundled")
        shutil.copyfile(folder / path, partial)
        if sha256(partial) != files[str(path)]:
            raise Stop(f"the bundle's {str(path)!r} changed while it was read. Copy the bundle again.")
        os.replace(partial, target)
    print(f"Weights and course models are in {home}.")  # `fetch`, next, checks them against the course's checksums


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file without reading it all into memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# -- the commands ----------------------------------------------------------------------------------------------------


def settle() -> None:
    """Set another HOME if the user's is not writable, because JupyterLab would not start."""
    home = Path(os.path.expanduser("~"))
    folders = [home, *filter(os.path.exists, (home / name for name in HOME_NAMES))]
    read_only = [path for path in folders if not os.access(path, os.W_OK)]
    if not read_only:
        return
    HOME.mkdir(exist_ok=True)
    os.environ["HOME"] = str(HOME)
    print(f"{read_only[0]} is not writable, so the course and Jupyter store their files in {HOME}.")
    print(f"In your own terminal, first run: export HOME={shlex.quote(str(HOME))}", flush=True)


def run(command: list[str], listen=None) -> int:
    """Run a command in the course's folder; the command handles Ctrl-C, and we wait until it has ended.

    With `listen`, the command's stderr goes there line by line.
    """
    interrupted, listening = False, None
    piped = {"stderr": subprocess.PIPE, "text": True, "errors": "replace"} if listen else {}
    with subprocess.Popen(command, cwd=ROOT, **piped) as process:
        if listen:
            listening = threading.Thread(target=lambda: [listen(line) for line in process.stderr], daemon=True)
            listening.start()
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
        if listening:
            listening.join(5)  # a process that it left behind may hold the pipe open
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


def fetch(python: str) -> None:
    """Fetch the real weights; a failure only prints a message, because most of the course works without them."""
    for name in ASSETS:
        if run([python, "-m", "minillm", "fetch", name]):
            print(f"Continuing without {name}; the next `{PYTHON} start.py` tries again.")
            return


def test(python: str, rest: list[str]) -> int:
    """Run all checks, even after a failure, and print a summary; or those of a lesson, if its number comes first."""
    first = next((argument for argument in rest if argument not in ("--all", "--quick")), "")
    if re.match(r"\d", first):
        return run([python, "tools/check_lesson.py", *rest])
    parallel = ["-n", "auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]
    checks = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "types": ["pyright", "--pythonpath", python],
    }
    if "--all" in rest:
        checks["course models"] = ["minillm.course.models"]  # trains what neither ships nor is in the cache
    checks["tests"] = ["pytest", *parallel, "-m", "not browser" if "--all" in rest else "not browser and not slow"]
    checks["tests"] += [argument for argument in rest if argument not in ("--all", "--quick")]
    if "--quick" not in rest:
        checks["lessons"] = ["pytest", "--nbval", *parallel, "notebooks/"]
    if "--all" in rest:
        pair = ["-n", "auto", "--maxprocesses=2", "--dist=worksteal"]
        checks["browser"] = ["pytest", *pair, "-m", "browser", "tests/notebooks", "tests/publish"]
    failed = []
    for name, arguments in checks.items():
        print(f"\n== {name}: {' '.join(arguments)}", flush=True)
        if run([python, "-m", *arguments]):
            failed.append(name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}. Next: read the first failure above.")
        return 1
    print(f"\nAll passed: {', '.join(checks)}. Next: `{PYTHON} start.py` opens the lessons.")
    return 0


def workbook(python: str, *options: str) -> int:
    """Lay out the learner's copies, or put one back. Python processes that start later find them by a variable."""
    os.environ[WORKBOOK] = os.path.abspath(os.environ.get(WORKBOOK) or ROOT / "workbook")
    return run([python, "-m", "minillm", "workbook", *options])


def lab(python: str, options: list[str]) -> int:
    """Serve JupyterLab in the workbook, at the next free port, and print its address with the token.

    It serves all of the course's folder, because links in the lessons lead there, and opens the workbook in it. Our
    settings come as defaults and from a folder of their own: the user's settings count, and nothing of theirs is
    written.
    """
    folder = Path(os.environ[WORKBOOK])
    root = ROOT if folder.is_relative_to(ROOT) else folder
    page = next((folder / name for name in PAGES if (folder / name).is_file()), folder / PAGES[-1])
    # its terminals find this environment's `python` and `minillm`
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(os.path.abspath(python)), os.environ.get("PATH", os.defpath)])
    places = [str(JUPYTER), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(places)
    running = (
        None
        if any(option.startswith("--") and option != "--no-browser" for option in options)
        else served(python, root)
    )
    if running:
        print(f"Your course is open already: {running}\n{JupyterLog(page).next()}", end="")
        if "--no-browser" not in options and not headless():
            webbrowser.open(running)
        return 0
    command = [python, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command.append(f"--LabApp.default_url=/lab/tree/{page.relative_to(root).as_posix()}")
    command.append(f"--FileContentsManager.preferred_dir={folder}")  # where the list of files begins
    command += OURS
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if headless():
        command.append("--no-browser")
    print("Starting JupyterLab ...", flush=True)
    log = JupyterLog(page)
    try:
        status = run([*command, *options], log.line)
    except KeyboardInterrupt:
        return 0
    if status and not log.opened:
        print("".join(log.quiet), end="", file=sys.stderr)
    return status


def headless() -> bool:
    """Whether there is no screen, so that a text browser would take over the terminal."""
    return sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def served(python: str, root: Path) -> "str | None":
    """The address of a Jupyter server that serves this folder already and answers."""
    listing = subprocess.run([python, "-c", SERVERS], capture_output=True, text=True, errors="replace")
    for line in listing.stdout.splitlines():
        try:
            server = dict(json.loads(line))
            url, folder, token = str(server["url"]), str(server["root_dir"]), str(server.get("token", ""))
        except (ValueError, KeyError, TypeError):  # being written, or somebody else's file
            continue
        if folder == str(root) and answers(f"{url}api", 2):
            return f"{url}lab?token={token}"
    return None


class JupyterLog:
    """JupyterLab's log: three lines of our own once it is open, then only errors."""

    LEVEL = re.compile(r"\[(?:([DIWEC]) \d{4}-|\w+App\] ([DIWEC])[A-Z]+ )")
    ADDRESS = re.compile(r"https?://\S+")

    def __init__(self, page: Path):
        self.page = page
        self.opened = False
        self.level = ""  # of the last message; its further lines have none
        self.quiet = collections.deque(maxlen=40)  # the last lines that were not printed; why it did not start

    def line(self, line: str) -> None:
        """Take one line of the log."""
        match = self.LEVEL.match(line)
        if match:
            self.level = match[1] or match[2]
        address = self.ADDRESS.search(line)
        if address and self.level == "I" and not self.opened:
            self.opened = True
            print(f"Your course: {address[0]}\n{self.next()}Ctrl-C twice in this window ends it.", flush=True)
        elif self.level == "E":
            print(line, end="", file=sys.stderr, flush=True)
        else:
            self.quiet.append(line)

    def next(self) -> str:
        """What comes next, as the home page says; empty if it does not."""
        try:
            found = NEXT.search(self.page.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        return f"Next: {html.unescape(found[1])}.\n" if found else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
