"""What every benchmark needs: the machine in words, a fair race, one JSON file a benchmark.

A benchmark prints ratios between contestants that ran side by side. The seconds belong to one machine on one day and
are only kept in the JSON, next to that machine's description.
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

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("minillm", "torch", "numpy", "tokenizers", "transformers", "regex", "llama_cpp_python")

Prepare = Callable[[], Callable[[], object]]


def machine() -> dict[str, Any]:
    """The machine that the figures belong to."""
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
    """Tiny Shakespeare, 1.1 MB: a copy beside the repository, or what `minillm fetch tiny-shakespeare` brought."""
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
    """The best of several rounds for each contestant, in seconds.

    Each contestant is a function that prepares (not timed) and returns the function to time. They take turns, so a
    noisy moment hits all of them; the best round is the one with the least noise.
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
    """Write benchmarks/results/<name>.json, the machine included."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps(result | {"machine": machine()}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return path
