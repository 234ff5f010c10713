"""Does a law predict? Bigram and trigram tables over tokens counted, and the course's runs over FLOPs.

    python benchmarks/scaling_laws.py               # about three minutes on one thread
    python benchmarks/scaling_laws.py --seeds 1

Tables: for each seed, a stream of new documents of the world is counted up to 2^20 tokens, and scored on documents of
another seed. A power law with a fitted floor is fitted to the sizes from `first` to 2^18, and predicts the loss at
2^20, four times as many. The rival says "as at 2^18". Intervals are t-intervals over seeds.

Runs: the twelve and thirteen runs of the course's sweep, chosen in ten ways, predict its base model with the floor
known, without a floor, and with a fitted one. Each way also leaves out each run in turn. Errors are shares of the
excess over the known floor.
"""

import argparse
import json
from itertools import chain
from statistics import median, stdev
from typing import Any

from common import write_result

from minillm.course import models
from minillm.course.scaling_runs import (
    SIZES,
    Point,
    base_floor,
    base_point,
    choices,
    law_of,
    left_out_of,
    predict_loss,
    sweep_points,
    table_losses,
)
from minillm.course.turns.scaling import fit_power
from minillm.tokenizer import Tokenizer
from minillm.world import World

HELD_OUT, N_HELD_OUT = 1_000, 500  # the seed and the number of documents that score
T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262}  # Student's t at 97.5%, by seeds
LAST = 2**18  # the largest size that a law is fitted to
FIRSTS = tuple(2**n for n in range(12, 17))
ORDERS = {"bigram": 2, "trigram": 3}


def stream(tokenizer: Tokenizer, seed: int, tokens: int) -> list[int]:
    """At least so many tokens of a seed's documents, each after an end token."""
    world, ids, at, end = World(seed), [], 0, tokenizer.eos_id
    while len(ids) < tokens:
        documents = [world.document(at + n).text for n in range(500)]
        ids += chain.from_iterable([end, *document] for document in tokenizer.encode_batch(documents))
        at += len(documents)
    return ids


def predicted(sizes: list[int], losses: list[float], first: int) -> dict[str, float]:
    """What a law fitted to the sizes from `first` to `LAST` says of the largest size, and the rival, as shares."""
    points = [Point("", size, loss) for size, loss in zip(sizes, losses, strict=True) if first <= size <= LAST]
    law = law_of(points, fit_power, None)
    inside = [law(point.cost) / point.loss - 1 for point in points]
    return {
        "error": law(sizes[-1]) / losses[-1] - 1,
        "rival": points[-1].loss / losses[-1] - 1,
        "worst inside": max(map(abs, inside)),
    }


def of_tables(seeds: int) -> dict[str, Any]:
    _, tokenizer = models.base()
    held_out = stream(tokenizer, HELD_OUT, 1)  # one batch of 500 documents
    losses: dict[str, list[list[float]]] = {name: [] for name in ORDERS}
    for seed in range(1, seeds + 1):
        train = stream(tokenizer, seed, SIZES[-1])
        for name, order in ORDERS.items():
            losses[name].append(table_losses(train, held_out, len(tokenizer.vocab), order))
            print(name, seed, [round(loss, 3) for loss in losses[name][-1]])
    found = {}
    for name, rows in losses.items():
        laws = {}
        for first in FIRSTS:
            each = [predicted(list(SIZES), row, first) for row in rows]
            laws[str(first)] = {key: summary([one[key] for one in each]) for key in each[0]}
        found[name] = {"losses": rows, "laws": laws}
    return found


def summary(values: list[float]) -> dict[str, Any]:
    """A mean over seeds with its 95% t-interval."""
    mean = sum(values) / len(values)
    if len(values) not in T:
        return {"mean": mean, "values": values}
    half = T[len(values)] * stdev(values) / len(values) ** 0.5
    return {"mean": mean, "low": mean - half, "high": mean + half, "values": values}


def of_runs() -> dict[str, Any]:
    floor, target = base_floor(), base_point()
    excess = target.loss - floor
    rows = {}
    for name, chosen in choices(sweep_points(), floor).items():
        row: dict[str, Any] = {"runs": len(chosen), "base": {}, "left out": {}}
        for way, told in (("known", floor), ("none", 0.0), ("fitted", None)):
            said = predict_loss(chosen, target.cost, fit_power, told)
            row["base"][way] = {"loss": said, "error": (said - target.loss) / excess}
            if len(chosen) >= 4:
                errors = [abs(error) for error in left_out_of(chosen, fit_power, told, floor)]
                row["left out"][way] = {"median": median(errors), "worst": max(errors)}
        rows[name] = row
    return {"floor": floor, "base": target.loss, "choices": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {"sizes": list(SIZES), "last": LAST, "tables": of_tables(options.seeds), "runs": of_runs()}
    for name, found in result["tables"].items():
        for first, row in found["laws"].items():
            print(name, first, {key: f"{value['mean']:+.3f}" for key, value in row.items()})
    for name, row in result["runs"]["choices"].items():
        print(f"{name:42}", {way: f"{each['loss']:.3f} ({each['error']:+.0%})" for way, each in row["base"].items()})
    write_result("scaling_laws", result)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
