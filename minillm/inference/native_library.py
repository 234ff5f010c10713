"""`native.c` as a library: compiled once with a C compiler, kept in the cache, loaded by ctypes.

No build system is needed and no binary is shipped: `native.c` is compiled in a few seconds, by `compile_native` or at
first use, and stderr says so. The name in the cache is a hash of the sources, the flags and the compiler's version, so
any change compiles anew. With `MINILLM_NATIVE=0` in the environment, nothing is compiled or loaded.
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
from ctypes import POINTER, Structure, c_double, c_int64, c_void_p, sizeof
from functools import cache
from pathlib import Path

from minillm.assets import cache_dir
from minillm.errors import UserError
from minillm.files import locked, replacing

SOURCE = Path(__file__).with_name("native.c")  # and the headers beside it, which it includes
# Not -ffast-math: a library that gcc links with it changes how the whole process treats tiny numbers.
MATH = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math")
FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-pthread", *MATH)
COMPILERS = ("cc", "gcc", "clang")
# A compiler that pip installs. By itself it would compile for this very processor, and the cache may be shared.
ZIG = ("-m", "ziglang", "cc", "-mcpu=baseline")
PATHS = ("plain C", "AVX2", "AVX512-VNNI", "NEON")  # by their numbers in native.c
SECONDS = 300  # for the compiler; it takes a few
SWITCH = "MINILLM_NATIVE"  # environment variable: 0 decodes without the C step, 1 (the default) with it


class NativeError(RuntimeError):
    """The C step is not available here; the message is a sentence that says why."""


class Matrix(Structure):
    """The C struct of that name; `native.c` and `native_kernels.h` describe the fields of all four."""

    _fields_ = [
        *[(name, c_void_p) for name in ("blocks", "bias")],
        *[(name, c_int64) for name in ("rows", "columns", "bits")],
    ]


class Layer(Structure):
    """The norms and matrices of one block."""

    _fields_ = [
        *[(name, c_void_p) for name in ("attention_norm", "query_norm", "key_norm", "feedforward_norm")],
        *[(name, Matrix) for name in ("query", "key", "value", "output", "gate", "up", "down")],
    ]


class Model(Structure):
    """The numbers of a configuration, and all weights."""

    _fields_ = [
        *[(name, c_int64) for name in "CLHKDF"],
        ("eps", c_double),
        ("layers", POINTER(Layer)),
        ("final_norm", c_void_p),
        ("head", Matrix),
    ]


class Call(Structure):
    """What one step reads and writes."""

    _fields_ = [
        *[(name, c_int64) for name in ("B", "T", "n_past", "n_threads", "path", "n_last")],
        *[(name, c_void_p) for name in ("x", "cos", "sin", "mask")],
        *[(name, c_int64) for name in ("angle_stride", "mask_stride")],
        *[(name, c_void_p) for name in ("keys", "values")],
        *[(f"{name}_stride", c_int64) for name in ("layer", "row", "head", "position")],
        ("cache_format", c_int64),
        *[(name, c_void_p) for name in ("normed", "query", "key", "value", "mixed", "gate", "up", "scores")],
        *[(name, c_void_p) for name in ("codes", "scale", "sum", "logits")],
    ]


def load_library(flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """The library, compiled if it is not in the cache.

    Raises `NativeError` where that is not possible, or switched off by `MINILLM_NATIVE=0`.
    """
    if is_switched_off():
        raise NativeError(f"{SWITCH}=0 switches the C step off")
    command, path = compiler(), None
    try:
        path = library_path(command, flags)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path):
                if not path.is_file():  # else another process made it while this one waited
                    announce(path.parent)
                    compile_library(command, flags, path)
        library = ctypes.CDLL(str(path))
        library.minillm_layout.restype = c_int64
        library.minillm_step.restype = None
        library.minillm_step.argtypes = [POINTER(Model), POINTER(Call)]
    except (OSError, AttributeError) as error:
        raise NativeError(
            f"the compiled step cannot be kept in or loaded from {path or cache_dir()} ({error})"
        ) from None
    if [library.minillm_layout(which) for which in range(4)] != [*map(sizeof, (Matrix, Layer, Model, Call))]:
        raise NativeError("the C compiler lays out structures differently from Python")
    return library


def is_switched_off() -> bool:
    """Whether the environment variable `MINILLM_NATIVE` says to do without the C step.

    Raises `UserError` for a value other than 0 and 1.
    """
    value = os.environ.get(SWITCH) or "1"
    if value not in ("0", "1"):
        raise UserError(f"{SWITCH} is {value!r}; set it to 0 (decode without the C step) or 1 (with it, the default)")
    return value == "0"


@cache
def announce(folder: Path) -> None:
    """Say on stderr, once per process, that a compiler is started: a call that generates text did not ask for that."""
    said = "minillm compiles its decoding step in C, which takes some seconds, once per computer"
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


def library_path(command: list[str], flags: tuple[str, ...]) -> Path:
    """Where the library of these sources, compiler and flags is kept."""
    facts = [_run([*command, "--version"]), " ".join([*command, *flags]), platform.machine()]
    parts = [*(path.read_bytes() for path in sources()), *(fact.encode() for fact in facts)]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]
    return cache_dir() / "native" / f"{key}.so"


def sources() -> list[Path]:
    """The files that the library is made of: `SOURCE` and its headers.

    >>> [path.name for path in sources()]
    ['native.c', 'native_kernels.h']
    """
    return [SOURCE, *sorted(SOURCE.parent.glob("native*.h"))]


def compile_library(command: list[str], flags: tuple[str, ...], path: Path) -> None:
    """Write the library to `path`, whole or not at all; raises `NativeError` with the compiler's first complaint."""
    with replacing(path) as partial:
        _run([*command, *flags, str(SOURCE), "-o", str(partial), "-lm"])
        if not partial.is_file():
            raise NativeError(f"the C compiler {command[0]} succeeded without writing a library")


def _run(command: list[str]) -> str:
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
