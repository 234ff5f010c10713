"""What `import minillm` costs beside the `import torch` that is in it.

    python benchmarks/import_time.py               # ten fresh processes of each, about half a minute
    python benchmarks/import_time.py --json

A process of its own for every import, in turns, after one of each that is not counted (it fills the disk's cache). The
ratio is of the medians of processor time: an import is one thread, and what else the machine does is none of its cost.
The ratio of the seconds on the clock stands beside it.
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
    """Seconds on the clock and of the processor for a fresh process that imports a module and ends."""
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
    for kind, place in (("clock", 0), ("processor", 1)):
        medians = {module: round(median(one[module][place] for one in rounds), 3) for module in MODULES}
        result[kind] = medians | {"ratio": round(medians["minillm"] / medians["torch"], 3)}
        print(f"{kind:10}", *(f"{module} {value:.2f} s  " for module, value in medians.items()), result[kind]["ratio"])
    print(f"written to {write_result('import_time', result).name}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
