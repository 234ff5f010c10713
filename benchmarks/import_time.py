"""The time of `import minillm` relative to the `import torch` that it contains.

    python benchmarks/import_time.py               # ten fresh processes of each, about half a minute
    python benchmarks/import_time.py --json

Every import runs in a fresh process. The two take turns, after one uncounted import of each that fills the disk cache.
The ratio is that of the median CPU times, which other processes on the machine do not affect. The ratio of wall-clock
times is also reported.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

from common import write_result

MODULES = ("torch", "minillm")


def seconds(module: str) -> tuple[float, float]:
    """Measure the wall-clock and CPU seconds of a fresh process that imports a module."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    clock, after = time.perf_counter() - start, os.times()
    return clock, after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    for module in MODULES:
        seconds(module)
    rounds = [{module: seconds(module) for module in MODULES} for _ in range(arguments.rounds)]
    result: dict[str, Any] = {"rounds": arguments.rounds}
    for column, kind in enumerate(("clock", "processor")):
        medians = {module: round(median(times[module][column] for times in rounds), 3) for module in MODULES}
        result[kind] = medians | {"ratio": round(medians["minillm"] / medians["torch"], 3)}
        print(f"{kind:10}", *(f"{module} {value:.2f} s  " for module, value in medians.items()), result[kind]["ratio"])
    print(f"written to {write_result('import_time', result).name}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
