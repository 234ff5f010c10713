"""The course's base model over several seeds: how much of the way from the bigram model to the floor it goes, how fast.

    python benchmarks/pretrain.py                   # three seeds, about two minutes each on two cores
    python benchmarks/pretrain.py --seeds 1 --json

Each run is `minillm pretrain` with its own defaults in a process of its own, on a quiet machine. `closed` is the share
of the distance from the bigram model's loss to the exact floor; `kl` is what is left, in nats per token.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import write_result

FIGURES = ("val_loss", "floor", "bigram_loss", "kl", "closed", "seconds", "tokens_per_second")


def run(seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "base"
        command = [sys.executable, "-m", "minillm", "pretrain", "--out", str(out), "--seed", str(seed), "--json"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs, each with a world, weights and order of its own")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    runs = [run(seed) for seed in range(arguments.seeds)]
    result: dict = {"runs": runs}
    for figure in FIGURES:
        values = [one[figure] for one in runs]
        result[figure] = {"mean": statistics.fmean(values), "least": min(values), "most": max(values)}
        print(f"{figure:18} {result[figure]['mean']:10.4f}   from {min(values):.4f} to {max(values):.4f}")
    print(f"written to {write_result('pretrain', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
