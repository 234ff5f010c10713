"""Shared by all benchmarks: a description of the machine, fair timing, and one JSON file per benchmark.

A benchmark prints ratios between contestants that ran side by side. Absolute seconds depend on the machine; they are
only stored in the JSON, together with a description of the machine.
"""

import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minillm.assets import cached
from minillm.world import WORLD_VERSION

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("minillm", "torch", "numpy", "tokenizers", "transformers", "regex", "llama_cpp_python")

Prepare = Callable[[], Callable[[], object]]


def machine() -> dict[str, Any]:
    """Describe the machine that the results belong to."""
    packages = {}
    for package in PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": packages,
    }


def tiny_shakespeare() -> Path | None:
    """Find tiny Shakespeare (1.1 MB), beside the repository or in the cache of `minillm fetch`; None if missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "tinyshakespeare.txt"
    return beside if beside.is_file() else cached("tiny-shakespeare")


def processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def race(contestants: dict[str, Prepare], rounds: int = 5) -> dict[str, float]:
    """Time each contestant and return its best round, in seconds.

    Each contestant is a function that prepares (not timed) and returns the function to time. They take turns, so that
    noise affects all of them; the best round is the one with the least noise.
    """
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, prepare in contestants.items():
            work = prepare()
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def write_result(name: str, result: dict[str, Any]) -> Path:
    """Write benchmarks/results/<name>.json, with the world's version and a description of the machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps(result | {"world": WORLD_VERSION, "machine": machine()}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path
