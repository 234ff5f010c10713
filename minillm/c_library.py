"""C source files as libraries: compiled once with a C compiler, kept in the cache, loaded by ctypes.

No build system is needed and no binary is shipped: a source is compiled in a few seconds at first use, and stderr says
so. The name in the cache is a hash of the sources, the flags and the compiler's version, so any change compiles anew.
With `MINILLM_NATIVE=0` in the environment, nothing is compiled or loaded.
"""

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from minillm.assets import cache_dir
from minillm.errors import UserError
from minillm.files import locked, replacing

# Not -ffast-math: a library that gcc links with it changes how the whole process treats tiny numbers.
MATH = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math")
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", *MATH)
COMPILERS = ("cc", "gcc", "clang")
# A compiler that pip installs. By itself it would compile for this very processor, and the cache may be shared.
ZIG = ("-m", "ziglang", "cc", "-mcpu=baseline")
SECONDS = 300  # for the compiler; it takes a few
SWITCH = "MINILLM_NATIVE"  # environment variable: 0 does without C, 1 (the default) with it


class NativeError(RuntimeError):
    """The C code is not available here; the message is a sentence that says why."""


def load(sources: Sequence[Path], flags: tuple[str, ...], described: str) -> ctypes.CDLL:
    """The library of the first of `sources` (the others are its headers), compiled if it is not in the cache.

    `described` is what is said to be compiled. Raises `NativeError` with the reason where it cannot be made or
    loaded: no compiler, one that fails, a cache that cannot be written, or `MINILLM_NATIVE=0`.
    """
    if is_switched_off():
        raise NativeError(f"{SWITCH}=0 switches the C step off")
    command, path = compiler(), None
    try:
        path = library_path(sources, command, flags)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path):
                if not path.is_file():  # else another process made it while this one waited
                    announce(described, path.parent)
                    compile_library(sources[0], command, flags, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeError(
            f"the compiled step cannot be kept in or loaded from {path or cache_dir()} ({error})"
        ) from None


def was_compiled(source: Path) -> bool:
    """Whether a library of `source` is in the cache, of any version. No compiler is asked, so this is quick."""
    return any((cache_dir() / "native").glob(f"{source.stem}-*.so"))


def is_switched_off() -> bool:
    """Whether the environment variable `MINILLM_NATIVE` says to do without C.

    Raises `UserError` for a value other than 0 and 1.
    """
    value = os.environ.get(SWITCH) or "1"
    if value not in ("0", "1"):
        raise UserError(f"{SWITCH} is {value!r}; set it to 0 (without compiled C) or 1 (with it, the default)")
    return value == "0"


@cache
def announce(described: str, folder: Path) -> None:
    """Say on stderr, once per process, that a compiler is started: a call that computes did not ask for that."""
    said = f"minillm compiles {described} in C, which takes some seconds, once per computer"
    print(f"{said}. It is kept in {folder}; {SWITCH}=0 does without it.", file=sys.stderr, flush=True)


def compiler() -> list[str]:
    """The command of the C compiler: `CC`, else the first of `COMPILERS` that is installed, else pip's `ziglang`.

    Raises `NativeError` where there is none.
    """
    if command := shlex.split(os.environ.get("CC", "")):
        if shutil.which(command[0]) is None:
            raise NativeError(f"CC names the compiler {command[0]!r}, which is not here; correct CC, or unset it")
        return command
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, *ZIG]
    raise NativeError(
        f"there is no C compiler ({', '.join(COMPILERS)}); install one (Debian, Ubuntu: apt install gcc; other "
        "Linux: pip install ziglang; macOS: xcode-select --install)"
    )


def openmp() -> tuple[str, ...]:
    """The flag for threads that are PyTorch's own, which gcc has: clang's OpenMP would start others beside them."""
    return () if "clang" in _version_of(compiler()) else ("-fopenmp",)


def library_path(sources: Sequence[Path], command: list[str], flags: tuple[str, ...]) -> Path:
    """Where the library of these sources, compiler and flags is kept."""
    facts = [_version_of(command), " ".join([*command, *flags]), platform.machine()]
    parts = [*(path.read_bytes() for path in sources), *(fact.encode() for fact in facts)]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]
    return cache_dir() / "native" / f"{sources[0].stem}-{key}.so"


def _version_of(command: list[str]) -> str:
    program = Path(shutil.which(command[0]) or command[0])
    return _version((*command,), program, program.stat().st_mtime_ns if program.is_file() else 0)


@cache
def _version(command: tuple[str, ...], program: Path, changed: int) -> str:
    """What a compiler says of itself; asked once, as long as its file is the same."""
    return run([*command, "--version"])


def compile_library(source: Path, command: list[str], flags: tuple[str, ...], path: Path) -> None:
    """Write the library to `path`, whole or not at all; raises `NativeError` with the compiler's first complaint."""
    with replacing(path) as partial:
        run([*command, *flags, str(source), "-o", str(partial), "-lm"])
        if not partial.is_file():
            raise NativeError(f"the C compiler {command[0]} succeeded without writing a library")


def run(command: list[str]) -> str:
    """What a command prints; raises `NativeError` with its first complaint where it fails."""
    # zig runs the compiler that CC names, for its libc: if that is zig itself, without end
    environment = {name: value for name, value in os.environ.items() if name != "CC"}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeError(f"the C compiler {command[0]} could not be run ({error})") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        worst = next((line for line in said if "error" in line), said[0])
        raise NativeError(f"the C compiler {command[0]} failed: {worst[:200]}")
    return done.stdout.decode(errors="replace")
