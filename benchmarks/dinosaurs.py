"""Lesson 00b's network on five seeds: how it learns, what breaks it, and what 3,000 steps do to it.

    python benchmarks/dinosaurs.py                # about two minutes on a free core
    python benchmarks/dinosaurs.py --seeds 1

Each run is gradient descent on all names at once with the course's own turns. *Long*: 3,000 steps at rate 4, measured
at the steps in AT. *Broken*: 300 steps with one thing changed. Measured: loss on the 120 training names and on the 40
held-out names, copies among 200 invented names, how many of the held-out names are among them, and how many should be
by the network's own probabilities. Beside it: the floor of the training loss, and rivals that learned nothing but
counting: a table of counts (with a number added to each), and counts that fall back on shorter contexts.
"""

import argparse
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import torch
from common import write_result
from torch import Tensor

from minillm.course.dinosaurs import (
    CONTEXT,
    HELD_OUT,
    LETTERS,
    LONGEST,
    TRAINING,
    copies,
    forward,
    invent,
    start,
    windows,
)
from minillm.course.turns.learning import backward, cross_entropy, sgd_step

AT = (0, 10, 30, 100, 300, 1000, 3000)
INVENTED = 200
RATE, BROKEN_STEPS = 4.0, 300
Gradient = Callable[[Sequence[Tensor], Tensor, Tensor], list[Tensor]]


def gradient(weights: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """The gradient of the loss, by hand."""
    h, logits = forward(weights, x)
    d_logits = logits.softmax(-1)
    d_logits[torch.arange(len(y)), y] -= 1
    return list(backward(x, h, weights[2], d_logits / len(y)))


def no_tanh_slope(weights: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """The gradient with the slope of tanh left out."""
    h, logits = forward(weights, x)
    d_logits = logits.softmax(-1)
    d_logits[torch.arange(len(y)), y] -= 1
    d_logits = d_logits / len(y)
    d_z = d_logits @ weights[2].T
    return [x.T @ d_z, d_z.sum(0), h.T @ d_logits, d_logits.sum(0)]


def accumulated() -> Gradient:
    """The sum of all gradients so far: nobody clears them."""
    kept: list[Tensor] = []

    def add(weights: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
        kept[:] = [a + b for a, b in zip(kept or [0] * 4, gradient(weights, x, y), strict=True)]
        return list(kept)

    return add


def shuffled(seed: int) -> Gradient:
    """The same numbers, dealt to the wrong entries of each tensor."""
    generator = torch.Generator().manual_seed(seed)

    def deal(weights: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
        found = gradient(weights, x, y)
        return [g.flatten()[torch.randperm(g.numel(), generator=generator)].view_as(g) for g in found]

    return deal


def as_long(find: Gradient, seed: int) -> Gradient:
    """Another gradient, each tensor of it with the norm that it has at the same step of the unbroken run."""
    unbroken = start(seed)

    def scale(weights: Sequence[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
        wanted = gradient(unbroken, x, y)
        unbroken[:] = sgd_step(unbroken, wanted, RATE)
        return [g * (w.norm() / g.norm()) for g, w in zip(find(weights, x, y), wanted, strict=True)]

    return scale


def broken(seed: int) -> dict[str, tuple[Gradient, list[Tensor], float]]:
    """What is changed: the gradient, the start or the rate."""
    zeros, tenths = ([torch.full_like(weight, value) for weight in start(seed)] for value in (0.0, 0.1))
    return {
        "nothing": (gradient, start(seed), RATE),
        "gradients never cleared": (accumulated(), start(seed), RATE),
        "gradients never cleared, rate 2": (accumulated(), start(seed), RATE / 2),
        "gradients never cleared, rate 1": (accumulated(), start(seed), RATE / 4),
        "rate 1": (gradient, start(seed), RATE / 4),
        "rate 40": (gradient, start(seed), 10 * RATE),
        "rate 0.04": (gradient, start(seed), RATE / 100),
        "all weights start at 0": (gradient, zeros, RATE),
        "all weights start at 0.1": (gradient, tenths, RATE),
        "no slope of tanh": (no_tanh_slope, start(seed), RATE),
        "gradient shuffled": (shuffled(seed), start(seed), RATE),
        "gradient shuffled, in steps as long as with nothing changed": (
            as_long(shuffled(seed), seed),
            start(seed),
            RATE,
        ),
        "uphill": (gradient, start(seed), -RATE),
    }


def counted(x: Tensor, y: Tensor) -> dict[tuple, Counter]:
    """How often each letter follows each three."""
    counts: dict[tuple, Counter] = defaultdict(Counter)
    for context, target in zip(x.tolist(), y.tolist(), strict=True):
        counts[tuple(context)][target] += 1
    return counts


def table_loss(counts: dict[tuple, Counter], x: Tensor, y: Tensor, add: float) -> float:
    """The loss of a table of counts with `add` added to each."""
    total = 0.0
    for context, target in zip(x.tolist(), y.tolist(), strict=True):
        row = counts.get(tuple(context), Counter())
        total -= math.log((row[target] + add) / (sum(row.values()) + len(LETTERS) * add))
    return total / len(y)


def fallback_loss(x: Tensor, y: Tensor, held_x: Tensor, held_y: Tensor, weight: float = 1.0) -> float:
    """The held-out loss of counts that fall back on shorter contexts (Witten and Bell 1991, for a weight of 1).

    From n letters: p_n = (count + weight * kinds * p_(n - 1)) / (total + weight * kinds), where `kinds` is the number
    of different letters that followed them. Below n = 0, all letters have the same probability.
    """
    counts: dict[tuple, Counter] = defaultdict(Counter)
    for ids, target in zip(ids_in(x), y.tolist(), strict=True):
        for n in range(CONTEXT + 1):
            counts[tuple(ids[CONTEXT - n :])][target] += 1

    def probability(ids: list[int], target: int, n: int) -> float:
        if n < 0:
            return 1 / len(LETTERS)
        row, shorter = counts.get(tuple(ids[CONTEXT - n :]), Counter()), probability(ids, target, n - 1)
        bonus = weight * len(row)
        return (row[target] + bonus * shorter) / (row.total() + bonus) if row else shorter

    rows = zip(ids_in(held_x), held_y.tolist(), strict=True)
    return -statistics.fmean(math.log(probability(ids, target, CONTEXT)) for ids, target in rows)


def ids_in(x: Tensor) -> list[list[int]]:
    """The ids of the letters in each input row."""
    return x.unflatten(1, (CONTEXT, len(LETTERS))).argmax(-1).tolist()


def expected_hits(weights: Sequence[Tensor]) -> float:
    """How many of the invented names should be among the held-out ones, by the network's own probabilities."""
    losses = [(float(cross_entropy(forward(weights, x)[1], y)) * len(y)) for x, y in (windows([n]) for n in HELD_OUT)]
    return INVENTED * sum(math.exp(-loss) for loss in losses)


def write_by_table(counts: dict[tuple, Counter], n: int, seed: int) -> list[str]:
    """Names drawn from a table of counts."""
    generator, names = torch.Generator().manual_seed(seed), []
    for _ in range(n):
        ids = [0, 0, 0]
        while len(ids) < 3 + LONGEST and (len(ids) == 3 or ids[-1]):
            row = torch.zeros(3, len(LETTERS))
            row[torch.arange(3), torch.tensor(ids[-3:])] = 1
            follows = counts[tuple(row.flatten().tolist())]
            drawn = torch.multinomial(torch.tensor([float(c) for c in follows.values()]), 1, generator=generator)
            ids.append(list(follows)[drawn.item()])
        names.append("".join(LETTERS[id] for id in ids[3:]).partition(".")[0])
    return names


def rows(result: dict) -> list[str]:
    """The rows that the lesson prints: means and standard deviations over the seeds."""

    def told(values: list[float], digits: int) -> str:
        spread = statistics.stdev(values) if len(values) > 1 else math.nan
        return f"{statistics.fmean(values):5.{digits}f} ± {spread:.{digits}f}"

    lines = [f"{'':15}{'training':14}{'held out':14}copies of 200"]
    for step, row in result["long"].items():
        cells = [told(row["training"], 2), told(row["held out"], 2), told(row["copies"], 0)]
        lines.append(f"{f'{int(step):,} steps':15}" + "".join(f"{cell:14}" for cell in cells).rstrip())
    best = min(result["table held out"].values())
    counts = [f"{result['floor']:5.2f}", f"{best:5.2f}", told(result["table copies"], 0)]
    lines.append(f"{'table of counts':15}" + "".join(f"{cell:14}" for cell in counts).rstrip())
    return lines


def main() -> None:
    """Run everything and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    (x, y), (held_x, held_y) = windows(TRAINING), windows(HELD_OUT)
    counts = counted(x, y)
    long: dict[str, dict[str, list[float]]] = {str(step): defaultdict(list) for step in AT}
    for seed in seeds:
        weights = start(seed)
        for step in range(AT[-1] + 1):
            if step in AT:
                row, names = long[str(step)], invent(weights, INVENTED, seed)
                row["training"].append(float(cross_entropy(forward(weights, x)[1], y)))
                row["held out"].append(float(cross_entropy(forward(weights, held_x)[1], held_y)))
                row["copies"].append(copies(names))
                row["held-out names hit"].append(copies(names, HELD_OUT))
                row["held-out names expected"].append(expected_hits(weights))
            weights = sgd_step(weights, gradient(weights, x, y), RATE)
    ends: dict[str, dict[str, list]] = {}
    for seed in seeds:
        for name, (find, weights, rate) in broken(seed).items():
            lengths = []
            for _ in range(BROKEN_STEPS):
                found = find(weights, x, y)
                lengths.append(abs(rate) * float(torch.cat([g.flatten() for g in found]).norm()))
                weights = sgd_step(weights, found, rate)
            row = ends.setdefault(name, {"training": [], "held out": [], "says": [], "first and last step": []})
            row["first and last step"].append([lengths[0], lengths[-1]])
            row["training"].append(float(cross_entropy(forward(weights, x)[1], y)))
            row["held out"].append(float(cross_entropy(forward(weights, held_x)[1], held_y)))
            row["says"].append(invent(weights, 3, seed))
    table = {str(add): table_loss(counts, held_x, held_y, add) for add in (0.01, 0.03, 0.05, 0.1, 0.3)}
    result = {
        "examples": len(y),
        "contexts": len(counts),
        "floor": table_loss(counts, x, y, 0),
        "seeds": list(seeds),
        "long": long,
        "broken": ends,
        "table held out": table,
        "fallback held out": {str(w): fallback_loss(x, y, held_x, held_y, w) for w in (1.0, 2.0, 3.0, 4.0, 6.0)},
        "table copies": [copies(write_by_table(counts, INVENTED, seed)) for seed in seeds],
    }
    print(*(f"{step:>5}: {dict(row)}" for step, row in long.items()), sep="\n")
    print(*(f"{name}: {row}" for name, row in ends.items()), sep="\n")
    print({name: result[name] for name in ("examples", "floor", "table held out", "fallback held out", "table copies")})
    result["table"] = rows(result)
    write_result("dinosaurs", result)


if __name__ == "__main__":
    main()
