"""Rungs of a matrix-vector product in C, on matrices of SmolLM2's shapes: time, bytes, and what the memory decides.

    python benchmarks/kernel.py                          # 10 rounds, each in a process of its own
    python benchmarks/kernel.py --folder runs --rounds 20   # goes on with the rounds that are in the folder

The products of one token are timed on one thread, for each rung of the lab's ladder. Rungs take turns within a round,
and a ratio of two rungs is taken in each round, so that a busy minute hits both; the interval is Student's t over
rounds. `waited` is the share of a step that goes away if one layer's matrices, which stay in the processor's cache, are
read again and again in place of 30 layers: what the memory costs. `bound` is what a plain sum takes for the same bytes.
Nothing of this says what another processor or compiler does: the result names both. A round is one JSON file in the
folder; a file that is there is kept.
"""

import argparse
import json
from pathlib import Path
from statistics import median

from common import write_result
from paired import over_seeds

from minillm.c_library import compiler, run
from minillm.course.kernel_lab import Rung, climb, ready
from minillm.course.kernel_lab.running import unavailable
from minillm.files import read_json, write_json

FLOAT32 = "2 float32, optimized"
RUNGS = (
    Rung("1 float32, plain", ready("dot"), ("-O1",)),
    Rung(FLOAT32, ready("dot")),
    Rung("3 4 bits, row by row", ready("dot4")),
    Rung("4 8 bits, whole numbers", ready("dot8")),
    Rung("5 4 bits, 16 rows side by side", ready("rows16")),
)


def one_round(path: Path, steps: int, layers: int) -> list[dict]:
    """The rows of a round, from its file if it is there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"rows": climb(RUNGS, rounds=1, steps=steps, layers=layers)})
    return read_json(path)["rows"]


def summary(rounds: list[list[dict]]) -> list[dict]:
    """A row per rung: milliseconds, ratio to the optimized float32 rung, and the share that the memory costs."""
    found = []
    for rung, rows in enumerate(zip(*rounds, strict=True)):
        reference = [next(row for row in each if row["name"] == FLOAT32) for each in rounds]
        own, same = ([row[key][0] for row in rows] for key in ("medians", "medians of one layer"))
        pairs = zip(own, reference, strict=True)
        found.append(
            {
                "name": RUNGS[rung].name,
                "form": RUNGS[rung].kernel.form,
                "bytes": rows[0]["bytes"],
                "error": rows[0]["error"],
                "milliseconds": over_seeds(own),
                "best tenth": min(row["own"] for row in rows),
                "bound": median(row["bound"] for row in rows),
                "of the bound": over_seeds([row["bound"] / ms for row, ms in zip(rows, own, strict=True)]),
                "over float32": over_seeds([ms / other["medians"][0] for ms, other in pairs]),
                "waited": over_seeds([1 - b / a for a, b in zip(own, same, strict=True)]),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=15, help="of each kind, in a round")
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--folder", type=Path, default=Path("runs/kernel"), help="of the rounds")
    parser.add_argument("--no-result", action="store_true", help="print only: a trial run on a busy machine")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()
    if reason := unavailable():
        raise SystemExit(reason)
    files = [arguments.folder / f"round-{number}.json" for number in range(arguments.rounds)]
    rounds = [one_round(path, arguments.steps, arguments.layers) for path in files]
    rows = summary(rounds)
    for row in rows:
        ratio, waited = row["over float32"], row["waited"]
        print(
            f"{row['name']:32}{row['bytes'] / 1e6:6.0f} MB{row['milliseconds']['mean']:8.1f} ms"
            f"{ratio['mean']:7.2f} x float32  memory {waited['mean']:5.0%} "
            f"({waited.get('low', waited['mean']):.0%} to {waited.get('high', waited['mean']):.0%})"
        )
    result = {
        "rows": rows,
        "rounds": arguments.rounds,
        "steps": arguments.steps,
        "layers": arguments.layers,
        "threads": 1,
        "compiler": run([*compiler(), "--version"]).splitlines()[0],
    }
    if not arguments.no_result:
        write_result("kernel", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
