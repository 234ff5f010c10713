"""The course's chat model over several seeds: its accuracy on held-out instructions, before and after SFT.

    python benchmarks/sft.py                   # three seeds, a quarter of an hour each on one core
    python benchmarks/sft.py --seeds 1 --json

Each run is `minillm sft` with its defaults in a separate process, on a quiet machine, starting from the course's base
model. Answers are decoded greedily and checked by the instructions' own checkers. `training` is the accuracy on new
instructions whose pairs of parameters occur in training; the difference to `held-out` is due to new pairs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from common import write_result

from minillm import load
from minillm.analysis.alignment import answer
from minillm.course import models
from minillm.data.chat import chat_tokenizer
from minillm.world.instructions import Instructions

ASKED = 1000  # instructions of each split
STREAM = 1_000_000  # their seed, beyond all seeds used in training


def accuracies(model, tokenizer, split: str) -> dict[str, float]:
    """Measure the accuracy by family and overall."""
    instructions = Instructions(STREAM, split).instructions(ASKED)
    right = defaultdict(list)
    for instruction, said in zip(instructions, answer(model, tokenizer, instructions, temperature=0.0), strict=True):
        for name in (instruction.family, "all"):
            right[name].append(instruction.check(said.text))
    return {name: round(statistics.fmean(values), 4) for name, values in sorted(right.items())}


def run(seed: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sft"
        command = [sys.executable, "-m", "minillm", "sft", "--out", str(out), "--seed", str(seed), "--json"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        model, tokenizer = load(out)
    result = json.loads(output.splitlines()[-1])
    del result["out"]  # a temporary folder
    return result | {split: accuracies(model, tokenizer, split) for split in ("held-out", "training")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs, each with its own instructions and order")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    base, tokenizer = models.base()
    result: dict = {"base": accuracies(base, chat_tokenizer(tokenizer), "held-out")}
    asked = Counter(instruction.family for instruction in Instructions(STREAM, "held-out").instructions(ASKED))
    result["asked"] = dict(sorted(asked.items()))
    result["runs"] = [run(seed) for seed in range(arguments.seeds)]
    print("{:10} {:>8} {:>8} {:>8} {:>8} {:>8}".format("family", "base", "mean", "min", "max", "training"))
    for name, before in result["base"].items():
        values = [accuracy["held-out"][name] for accuracy in result["runs"]]
        known = statistics.fmean(accuracy["training"][name] for accuracy in result["runs"])
        figures = (before, statistics.fmean(values), min(values), max(values), known)
        print(f"{name:10} " + " ".join(f"{figure:8.1%}" for figure in figures))
    print(f"seconds    {[row['seconds'] for row in result['runs']]}")
    print(f"written to {write_result('sft', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
