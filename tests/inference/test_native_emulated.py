"""The NEON products of `native_kernels.h` on an emulated processor; on a real one `test_native.py` runs them.

The oracle is plain C, which `test_native.py` holds against the readable model: the two add up the same integers and
round in float32 in another order.
"""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from minillm.c_library import MATH

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SOURCE = Path(__file__).with_name("native_products.c")


@pytest.mark.skipif(platform.machine() in ("aarch64", "arm64"), reason="test_native.py runs NEON on this processor")
@pytest.mark.skipif(
    not (shutil.which(COMPILER) and shutil.which(EMULATOR)),
    reason=f"needs {COMPILER} and {EMULATOR} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user)",
)
def test_neon_products_are_those_of_plain_c(tmp_path):
    program = tmp_path / "products"
    flags = ("-O3", "-std=gnu11", "-pthread", "-static", "-Wall", "-Werror", *MATH)
    subprocess.run([COMPILER, *flags, str(SOURCE), "-o", str(program), "-lm"], check=True)
    done = subprocess.run([EMULATOR, str(program)], check=True, capture_output=True, text=True)
    compared, difference = done.stdout.split()
    assert int(compared) == 4 * 2 * 3 * (1 + 4 + 8) * 16  # bits, widths, kinds, vectors, rows
    assert float(difference) < 1e-6
