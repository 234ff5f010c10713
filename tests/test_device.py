import itertools
import os
import random
import re
import subprocess
import sys
import sysconfig
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minillm.device import (
    _least_seconds,
    autocast_dtype,
    bf16_speedup,
    keep_freed_memory,
    matmul_peak,
    packed_speedup,
    pick_device,
    require_compiler,
    seed_everything,
)


def test_the_cpu_is_the_default_without_a_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device() == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cudax", "cpu:x"])
def test_an_unknown_device_is_named(name):
    with pytest.raises(ValueError, match=f"unknown device '{name}'; choose one of cpu, cuda, mps"):
        pick_device(name)


def test_a_device_that_is_not_here_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no NVIDIA card"):
        pick_device("cuda:0")
    with pytest.raises(ValueError, match="this computer has no Apple silicon"):
        pick_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "__version__", "2.6.0")
    with pytest.raises(ValueError, match="PyTorch 2.6.0 cannot run grouped attention on 'mps'; take 2.7"):
        pick_device("mps")
    monkeypatch.setattr(torch, "__version__", "2.7.0")
    assert pick_device("mps") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match="device 'cuda:7' was asked for, but PyTorch sees 1 card"):
        pick_device("cuda:7")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted as Linux counts them")
def test_memory_given_back_is_not_asked_for_again():
    code = """
import resource, torch
from minillm.device import keep_freed_memory
kept = keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        tensors = [torch.ones(250_000) for _ in range(8)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""
    kept, faults = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    if kept == "False":
        pytest.skip("this C library is not glibc")
    assert int(faults) < 2000  # 20 x 8 MB are 40,000 pages; the system may take some back


@pytest.mark.parametrize(
    ("imports", "own", "spins"),
    [("minillm", None, "5000"), ("minillm", "7", "7"), ("torch, minillm", None, None)],
)
def test_the_package_limits_the_spinning_of_threads_in_time(imports, own, spins):
    """OpenMP reads the variable when torch is imported, and can be made to print what it has read."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"OMP_DISPLAY_ENV": "verbose"} | ({"GOMP_SPINCOUNT": own} if own else {})
    done = subprocess.run([sys.executable, "-c", f"import {imports}"], env=environment, capture_output=True, text=True)
    found = re.search(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    if found is None:
        pytest.skip("torch does not use GNU's OpenMP here")
    assert found[1] == spins or (spins is None and found[1] != "5000")


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr("minillm.device.ctypes.CDLL", lambda name: SimpleNamespace())
    assert keep_freed_memory.__wrapped__() is False


def test_a_seed_repeats_all_three_sources():
    def draw():
        seed_everything(5)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    assert draw() == draw()


def test_autocast_follows_the_measurement(monkeypatch):
    for speedup, expected in ((2.0, torch.bfloat16), (0.05, None)):
        monkeypatch.setattr("minillm.device.bf16_speedup", lambda kind, s=speedup: s)
        assert autocast_dtype(torch.device("cpu")) is expected
    assert bf16_speedup("cpu") > 0


def test_a_card_that_imitates_bfloat16_stays_in_float32(monkeypatch):
    """As a T4 does, which Colab gives away: torch says yes unless it is asked for the real thing."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    bf16_speedup.cache_clear()
    assert autocast_dtype(torch.device("cuda")) is None
    bf16_speedup.cache_clear()


def test_what_compiling_needs_is_named(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="there is no C\\+\\+ compiler 'no-such-compiler' here; leave compile out, or"):
        require_compiler(torch.device("cpu"))
    monkeypatch.setenv("CXX", sys.executable)  # found, which is all that is asked
    monkeypatch.setattr("minillm.device._paths_in_the_link_command", dict)
    require_compiler(torch.device("cpu"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="the package triton is not installed"):
        require_compiler(torch.device("cuda"))


@pytest.mark.skipif(sys.platform == "win32", reason="torch quotes its paths on Windows")
@pytest.mark.parametrize(
    ("installed", "cache", "remedy"),
    [("a b", "ab", "install torch in"), ("ab", "a b", "point TORCHINDUCTOR_CACHE_DIR to")],
)
def test_a_path_that_the_linker_cannot_read_is_named(installed, cache, remedy, monkeypatch):
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "/usr/lib")
    monkeypatch.setattr(torch, "__file__", f"/home/{installed}/torch/__init__.py")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", f"/home/{cache}/torch")
    sentence = f"cannot link from a path with a space, '/home/a b/torch'; leave compile out, or {remedy} a folder"
    with pytest.raises(ValueError, match=sentence):
        require_compiler(torch.device("cpu"))


def test_the_peak_is_operations_over_time(monkeypatch):
    """On a clock that goes on by 8 ms at each look, a product of 256 x 256 takes 8 ms, which is long enough."""
    looks = itertools.count()
    monkeypatch.setattr("minillm.device.time", SimpleNamespace(perf_counter=lambda: 8e-3 * next(looks)))
    state = torch.get_rng_state()
    assert matmul_peak.__wrapped__(torch.device("cpu")) == pytest.approx(2 * 256**3 / 8e-3)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_peak_is_measured_once(monkeypatch):
    cpu = torch.device("cpu")
    first = matmul_peak(cpu)
    monkeypatch.setattr("minillm.device.time", None)
    assert matmul_peak(cpu) == first > 0


@pytest.mark.parametrize("kernel", ["int8", "int4"])
def test_a_pytorch_without_packed_kernels_gains_nothing_by_them(monkeypatch, kernel):
    class Without:
        ops = SimpleNamespace(aten=SimpleNamespace())

        def __getattr__(self, name):
            return getattr(torch, name)

    assert packed_speedup.__wrapped__(kernel) >= 0
    monkeypatch.setattr("minillm.device.torch", Without())
    assert packed_speedup.__wrapped__(kernel) == 0


def test_a_probe_runs_on_one_thread_and_gives_the_others_back():
    threads, seen = torch.get_num_threads(), []

    def fail():
        raise RuntimeError("no such kernel")

    torch.set_num_threads(2)
    try:
        assert _least_seconds(lambda: seen.append(torch.get_num_threads()), rounds=9) >= 0
        assert seen == [1] * 9
        with pytest.raises(RuntimeError, match="no such kernel"):
            _least_seconds(fail)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
