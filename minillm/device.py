"""The device, the number format and the seed of a run: the only module that asks about hardware."""

import ctypes
import importlib.util
import os
import random
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch.torch_version import TorchVersion

from minillm.errors import UserError

DEVICES = ("cpu", "cuda", "mps")


def pick_device(name: str | None = None) -> torch.device:
    """The device of that name; without a name CUDA where there is a GPU, else the CPU.

    Apple's MPS is used only when you ask for it: several versions computed wrong losses silently, and `minillm doctor`
    compares it with the CPU first. Raises `UserError` for a device that is not available.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = name.split(":")[0]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or kind not in DEVICES:
        raise UserError(f"unknown device {name!r}; choose one of {', '.join(DEVICES)}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r} was asked for, but PyTorch sees no NVIDIA card here; use 'cpu'")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"device {name!r} was asked for, but this computer has no Apple silicon; use 'cpu'")
    if kind == "mps" and TorchVersion(torch.__version__) < "2.7":  # grouped heads end the process (pytorch#149132)
        raise UserError(f"PyTorch {torch.__version__} cannot run grouped attention on {name!r}; take 2.7, or 'cpu'")
    if kind == "cuda" and (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise UserError(f"device {name!r} was asked for, but PyTorch sees {torch.cuda.device_count()} cards here")
    return device


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices), so that a run can be repeated.

    >>> seed_everything(0)
    >>> torch.rand(1)
    tensor([0.4963])
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - other libraries read NumPy's global state
    torch.manual_seed(seed)


@cache
def keep_freed_memory() -> bool:
    """Tell the C library to keep the memory that tensors free; returns whether it did (glibc, so Linux).

    A training step allocates and frees the same megabytes each time. By default glibc returns them to the system, which
    hands out fresh pages, zeroed one by one, at the next step: 13,000 page faults and 13 % of a step's time at preset
    tiny. The process then stays as large as its largest step. This holds for all of the process and is not taken back
    after training, since glibc cannot return to the thresholds that it adapts by itself. So training asks for it, and
    `import minillm` does not.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    trim_threshold, mmap_threshold, largest_allowed = -1, -3, 32 * 2**20  # names and numbers of malloc.h
    return bool(mallopt(mmap_threshold, largest_allowed)) and bool(mallopt(trim_threshold, 2**30))


@cache
def bf16_speedup(device: str = "cpu") -> float:
    """How many times faster a bfloat16 matmul runs here than a float32 one, measured once per process.

    On a CPU it is measured: with AVX512-BF16 or AMX it is about 2, on an older one it can be below 0.1. On CUDA it is 2
    where the GPU supports the format and 0 where it emulates it, slowly.
    """
    if device == "cuda":
        return 2.0 if torch.cuda.is_bf16_supported(including_emulation=False) else 0.0

    def seconds(dtype: torch.dtype) -> float:
        left, right = torch.ones(512, 256, dtype=dtype), torch.ones(256, 512, dtype=dtype)
        return _least_seconds(lambda: left @ right)

    return seconds(torch.float32) / seconds(torch.bfloat16)


@cache
def packed_speedup(kernel: str) -> float:
    """How many times faster PyTorch's product of one vector with packed "int8" or "int4" weights is than in float32.

    Measured on one thread of this CPU, once per process; 0 where PyTorch has no such kernel. With AVX512 it is about
    1.5 (on two threads 2.7), without AVX2 below 0.1.
    """
    rows, columns, group = 4096, 576, 32  # more than a core's cache holds in float32
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 16, (rows, columns), generator=generator, dtype=torch.int32)
    vector, matrix = torch.ones(1, columns, dtype=torch.bfloat16), codes.float()
    ops = torch.ops.aten
    try:
        if kernel == "int8":
            codes, scale = codes.to(torch.int8), torch.ones(rows, dtype=torch.bfloat16)
            packed = _least_seconds(lambda: ops._weight_int8pack_mm(vector, codes, scale))
        else:
            codes = ops._convert_weight_to_int4pack_for_cpu(codes, 1)
            scales_and_zeros = torch.ones(columns // group, rows, 2, dtype=torch.bfloat16)
            packed = _least_seconds(lambda: ops._weight_int4pack_mm_for_cpu(vector, codes, group, scales_and_zeros))
    except (AttributeError, NotImplementedError, RuntimeError):  # not in this version, or not for this processor
        return 0.0
    return _least_seconds(lambda: torch.nn.functional.linear(vector.float(), matrix)) / packed


def _least_seconds(work: Callable[[], object], rounds: int = 50, enough: float = 0.2) -> float:
    """Fastest single-thread time of up to `rounds` calls, in seconds; stops after 7 once `enough` seconds have passed.

    On a busy machine two threads nearly always wait for each other, while one alone has quiet moments: with two, a
    kernel was sometimes measured 20 times slower than it is.
    """
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        while len(times) < rounds and (len(times) < 7 or sum(times) < enough):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return min(times)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """bfloat16 where it is clearly faster than float32 on this device, else None (stay in float32).

    >>> autocast_dtype(torch.device("mps")) is None
    True
    """
    if device.type == "mps":
        return None
    return torch.bfloat16 if bf16_speedup(device.type) > 1.2 else None


def require_compiler(device: torch.device) -> None:
    """Raise `UserError` where torch.compile cannot work: without Triton on CUDA, without a C++ compiler elsewhere.

    torch does not quote all paths in the compiler's command line, so a space in one of them breaks it.
    """
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise UserError("compile is on, but the package triton is not installed; install it, or leave compile out")
        return
    usual = {"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++")
    compiler = os.environ.get("CXX", usual)
    if shutil.which(compiler) is None:
        raise UserError(
            f"compile is on, but there is no C++ compiler {compiler!r} here; leave compile out, or install one "
            "(Debian, Ubuntu: apt install g++; macOS: xcode-select --install; Windows: Visual Studio's build tools)"
        )
    for path, remedy in _paths_in_the_link_command().items():
        if " " in path:
            raise UserError(
                f"compile is on, but torch's compiler cannot link from a path with a space, {path!r}; "
                f"leave compile out, or {remedy} a folder without one"
            )


def _paths_in_the_link_command() -> dict[str, str]:
    """Every path that torch writes without quotes into the linker's command, with how to change it."""
    if sys.platform == "win32":  # torch quotes them there
        return {}
    return {
        os.path.dirname(torch.__file__ or ""): "install torch in",
        sysconfig.get_config_var("LIBDIR") or "": "use a Python from",
        tempfile.gettempdir(): "point TMPDIR to",
        os.environ.get("TORCHINDUCTOR_CACHE_DIR", ""): "point TORCHINDUCTOR_CACHE_DIR to",
    }


@cache
def matmul_peak(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations per second of the fastest square matrix product here, measured once per process.

    It is the upper limit that a model's own rate is compared with; on a CPU, for the threads that torch uses. Products
    grow until one takes long enough to be measured well; the fastest round counts. Takes a few tenths of a second and
    leaves the random state alone.
    """
    best, size, seconds = 0.0, 256, 0.0
    while seconds < 5e-3:
        numbers = torch.rand(2, size, size, generator=torch.Generator(device).manual_seed(0), device=device).to(dtype)
        (numbers[0] @ numbers[1])[0, 0].item()  # the first product on a GPU also loads its library
        times = []
        while len(times) < 6 and sum(times) < 0.1:
            start = time.perf_counter()
            (numbers[0] @ numbers[1])[0, 0].item()  # reading one number waits for the device
            times.append(time.perf_counter() - start)
        seconds = min(times)
        best = max(best, 2 * size**3 / seconds)
        size *= 2
    return best


def memory_gb() -> float | None:
    """Physical memory of this computer in GB; None where the system does not report it this way (Windows).

    >>> memory_gb() is None or memory_gb() > 0
    True
    """
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
