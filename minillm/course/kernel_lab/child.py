"""The process in which a learner's kernel runs: it may crash here. Needs numpy alone, so it starts in a moment.

It is started as a script with the file of a job (JSON) and the file for the answer, and prints nothing. A job either
calls a kernel on small arrays ("calls"), or times kernels in turns ("rungs").
"""

import ctypes
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))  # no package is imported: that would load torch

from packing import FORMATS, Layer

KINDS = {"float32": np.float32, "int8": np.int8, "uint8": np.uint8}
GUARD = 64  # bytes after an array, so that a read beyond its end is seen, or does no harm


def call(library: ctypes.CDLL, name: str, result: str, calls: list[list[dict[str, Any]]]) -> list[float]:
    """What a function gives for each list of arguments: arrays, and whole numbers."""
    function = getattr(library, name)
    function.restype = ctypes.c_float if result == "float" else ctypes.c_int
    return [float(function(*map(_argument, arguments))) for arguments in calls]


def _argument(given: dict[str, Any]) -> Any:
    if "number" in given:
        return ctypes.c_int(given["number"])
    array = np.array(given["array"], KINDS[given["kind"]])
    guarded = np.full(len(array) + GUARD, np.nan if array.dtype == np.float32 else 113, array.dtype)
    guarded[: len(array)] = array
    _kept.append(guarded)
    return guarded.ctypes.data_as(ctypes.c_void_p)


_kept: list[np.ndarray] = []  # while C looks at them


class Weights:
    """All layers in one format, each in memory of its own; of the first, the exact products."""

    def __init__(self, form: str, n_layers: int, one: Layer):
        packed = [FORMATS[form].pack(matrix) for matrix in one.matrices]
        self.shapes = [matrix.shape for matrix in one.matrices]
        self.layers = [[part.copy() for part in packed] for _ in range(n_layers)]
        self.nbytes = n_layers * sum(part.nbytes for part in packed)
        self.x = [np.linspace(-1, 1, cols, dtype=np.float32) for _, cols in self.shapes]
        rounded = [FORMATS[form].rounded(matrix.astype(np.float64)) for matrix in one.matrices]
        self.exact = [matrix @ x for matrix, x in zip(rounded, self.x, strict=True)]

    def sum_by(self, library: ctypes.CDLL) -> float:
        """Bytes per second of a plain sum over all of it."""
        library.plain_sum.restype, library.plain_sum.argtypes = ctypes.c_float, [ctypes.c_void_p, ctypes.c_int64]
        start = time.perf_counter()
        for layer in self.layers:
            for part in layer:
                library.plain_sum(part.ctypes.data, part.nbytes // 4)
        return self.nbytes / (time.perf_counter() - start)


class Timed:
    """A kernel and the weights that it multiplies."""

    def __init__(self, path: str, weights: Weights):
        self.library, self.weights = ctypes.CDLL(path), weights
        self.library.product.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int] * 2
        self.y = [np.empty(rows, np.float32) for rows, _ in weights.shapes]
        self.step(same=True)
        pairs = zip(self.y, weights.exact, strict=True)
        self.error = max(float(np.abs(y - wanted).max() / wanted.std()) for y, wanted in pairs)

    def step(self, same: bool = False) -> float:
        """Seconds of all products once; with `same`, of the first layer's, as often."""
        weights = self.weights
        start = time.perf_counter()
        for layer in weights.layers:
            parts = weights.layers[0] if same else layer
            for part, x, y, (rows, cols) in zip(parts, weights.x, self.y, weights.shapes, strict=True):
                self.library.product(part.ctypes.data, x.ctypes.data, y.ctypes.data, rows, cols)
        return time.perf_counter() - start


def race(rungs: list[dict[str, str]], adder: str, n_layers: int, rounds: int, steps: int) -> dict[str, Any]:
    """Time each rung in every round, in turns: with weights of its own per layer, with one layer; and a plain sum."""
    one = Layer.like_smollm2()
    weights = {form: Weights(form, n_layers, one) for form in dict.fromkeys(rung["form"] for rung in rungs)}
    contestants = [Timed(rung["path"], weights[rung["form"]]) for rung in rungs]
    largest, library = max(weights.values(), key=lambda each: each.nbytes), ctypes.CDLL(adder)
    found = [
        {"name": rung["name"], "bytes": each.weights.nbytes, "error": each.error, "own": [], "same": []}
        for rung, each in zip(rungs, contestants, strict=True)
    ]
    sums = []
    for _ in range(rounds):
        sums.append(largest.sum_by(library))
        for row, each in zip(found, contestants, strict=True):
            row["own"].append([each.step() for _ in range(steps)])
            row["same"].append([each.step(same=True) for _ in range(steps)])
    return {"rows": found, "bytes per second of a sum": sums}


def main(job: str, answer: str) -> None:
    """Do what the file `job` asks for, and write the result to the file `answer`."""
    asked = json.loads(Path(job).read_text(encoding="utf-8"))
    if "calls" in asked:
        library = ctypes.CDLL(asked["path"])
        found: Any = call(library, asked["name"], asked["result"], asked["calls"])
    else:
        found = race(asked["rungs"], asked["adder"], asked["layers"], asked["rounds"], asked["steps"])
    Path(answer).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
