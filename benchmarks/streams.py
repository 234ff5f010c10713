"""How much of a decode step in torch the memory explains: its products, plain sums of the same matrices, controls.

    python benchmarks/streams.py --rounds 10
    python benchmarks/streams.py --threads 2 --folder runs/streams-2   # goes on with the rounds that are there

SmolLM2-135M in float32, one token at a time. In each round all contestants take turns, and ratios are taken within the
round (Student's t over rounds): the whole step, its matrix-vector products alone, plain sums of the same matrices, the
products with one matrix of each shape (which stays in the processor's cache), and one large sum. A round is one JSON
file in the folder; a file that is there is kept.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import write_result
from paired import over_seeds

from minillm.files import read_json, write_json
from minillm.pretrained import load

NAME = "smollm2-135m-instruct"
STEP, PRODUCTS, SUMS, CACHED = "step", "products", "sums of the same matrices", "products from the cache"
RATIOS = ((PRODUCTS, STEP), (SUMS, PRODUCTS), (CACHED, PRODUCTS), (SUMS, STEP))


def contestants() -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    model, _ = load(NAME)
    cache, ids = model.new_cache(1, 8), torch.tensor([[1]])
    matrices = [layer.weight for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    inner = [matrix for matrix in matrices if matrix is not model.head.weight]
    one = {matrix.shape: matrix for matrix in inner}
    vectors = {matrix.shape[1]: torch.ones(matrix.shape[1]) for matrix in matrices}
    return {
        STEP: lambda: (model(ids, cache), cache.truncate(0)),
        PRODUCTS: lambda: [matrix @ vectors[matrix.shape[1]] for matrix in inner],
        SUMS: lambda: [matrix.sum() for matrix in inner],
        CACHED: lambda: [one[matrix.shape] @ vectors[matrix.shape[1]] for matrix in inner],
    }


def one_round(timed: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Milliseconds of each, the best of `repeats` in which they take turns."""
    best = dict.fromkeys(timed, float("inf"))
    for _ in range(repeats):
        for name, work in timed.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], 1000 * (time.perf_counter() - start))
    return best


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=10, help="turns in a round, of which the best counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/streams"), help="of the rounds")
    parser.add_argument("--no-result", action="store_true", help="print only: a trial run on a busy machine")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files = [arguments.folder / f"round-{number}.json" for number in range(arguments.rounds)]
    timed = contestants() if not all(path.is_file() for path in files) else {}
    for path in files:
        if not path.is_file():
            write_json(path, one_round(timed, arguments.repeats))
    rounds = [read_json(path) for path in files]
    milliseconds = {name: over_seeds([each[name] for each in rounds]) for name in rounds[0]}
    ratios = {f"{a} / {b}": over_seeds([each[a] / each[b] for each in rounds]) for a, b in RATIOS}
    for name, found in {**milliseconds, **ratios}.items():
        print(f"{name:46} {found['mean']:8.2f} ({found.get('low', 0):.2f} to {found.get('high', 0):.2f})")
    result = {"threads": arguments.threads, "milliseconds": milliseconds, "ratios": ratios}
    if not arguments.no_result:
        write_result("streams" if arguments.threads == 1 else f"streams_{arguments.threads}", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
