"""`native.c` as a library, and the structures that it shares with Python."""

import ctypes
from ctypes import POINTER, Structure, c_double, c_int64, c_void_p, sizeof
from pathlib import Path

from minillm import c_library
from minillm.c_library import NativeError

SOURCE = Path(__file__).with_name("native.c")  # and the headers beside it, which it includes
FLAGS = (*c_library.FLAGS, "-pthread")
PATHS = ("plain C", "AVX2", "AVX512-VNNI", "NEON")  # by their numbers in native.c


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
        *[(name, c_int64) for name in ("B", "T", "n_past", "n_threads", "own_threads", "path", "n_last")],
        *[(name, c_void_p) for name in ("x", "cos", "sin", "mask")],
        *[(name, c_int64) for name in ("angle_stride", "mask_stride")],
        *[(name, c_void_p) for name in ("keys", "values")],
        *[(f"{name}_stride", c_int64) for name in ("layer", "row", "head", "position")],
        ("cache_format", c_int64),
        *[(name, c_void_p) for name in ("normed", "query", "key", "value", "mixed", "gate", "up", "scores")],
        *[(name, c_void_p) for name in ("codes", "scale", "sum", "logits")],
    ]


def load_library(flags: tuple[str, ...] | None = None) -> ctypes.CDLL:
    """The library, compiled if it is not in the cache; raises `NativeError` where that is not possible."""
    library = c_library.load(sources(), flags or (*FLAGS, *c_library.openmp()), "its decoding step")
    try:
        library.minillm_layout.restype = c_int64
        library.minillm_step.restype = None
    except AttributeError as error:
        raise NativeError(f"the compiled step cannot be loaded from {library._name} ({error})") from None
    library.minillm_step.argtypes = [POINTER(Model), POINTER(Call)]
    if [library.minillm_layout(which) for which in range(4)] != [*map(sizeof, (Matrix, Layer, Model, Call))]:
        raise NativeError("the C compiler lays out structures differently from Python")
    return library


def sources() -> list[Path]:
    """The files that the library is made of: `SOURCE` and its headers.

    >>> [path.name for path in sources()]
    ['native.c', 'native_kernels.h']
    """
    return [SOURCE, *sorted(SOURCE.parent.glob("native*.h"))]
