"""Copying with one layer and with two: random letters that repeat, and which heads do it.

    python benchmarks/induction.py            # about ten minutes on one quiet core; a killed run resumes

Each row repeats itself after 8 to 19 random letters; the targets are the letters that can be copied. Models of one and
of two layers with two heads each, 100 updates, eight seeds; then four seeds each with one thing changed (SETTINGS).

Beside the losses: *guessing*, ln L; *a letter seen so far*, uniform over the different letters of the row (exact);
*in proportion to its count* within a period (exact); *by position*, a letter at a distance of 8 to 19 (simulated);
*the best possible* (Bayes, simulated).

Each head's scores (mean attention): *previous token*, from a position to the one before; *prefix matching* (Olsson et
al. 2022), from a target's position to the letter that has to be copied. Each head's output is replaced by its mean
over other rows (*mean*) and by zeros (*zero*).
"""

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from common import write_result
from short_runs import kept
from torch import Tensor

from minillm import ModelConfig, TrainConfig, Transformer
from minillm.analysis.heads import ablate_heads, head_outputs
from minillm.analysis.tracing import trace
from minillm.losses import IGNORE, next_token_loss
from minillm.training.loop import Task, train

SHORTEST, LONGEST = 8, 19  # letters of a period
ROWS, BATCH = 512, 64  # of the test, of an update
TEST, REFERENCE = 10**6, 2 * 10**6  # seeds of rows that no update reads
HEADS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True)
class Setting:
    """The lesson's task and run, or one thing changed in it."""

    letters: int = 32
    length: int = 40
    updates: int = 100
    optimizer: str = "muon"
    learning_rate: float = 0.01


SETTINGS = {
    "as in the lesson": Setting(),
    "16 letters": Setting(letters=16),
    "64 letters": Setting(letters=64),
    "rows of 80": Setting(length=80),
    "300 updates": Setting(updates=300),
}
SEEDS = {name: 8 if name == "as in the lesson" else 4 for name in SETTINGS}


def repeats(setting: Setting, rows: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs and targets (rows, length), and the periods (rows, 1).

    The first letter of the second time round is not a target: the model needs one by which to recognize the row.
    """
    generator = torch.Generator().manual_seed(seed)
    once = torch.randint(setting.letters, (rows, setting.length), generator=generator)
    period = torch.randint(SHORTEST, LONGEST + 1, (rows, 1), generator=generator)
    ids = once.gather(1, torch.arange(setting.length + 1) % period)
    first_time = torch.arange(1, setting.length + 1) <= period
    return ids[:, :-1], ids[:, 1:].masked_fill(first_time, IGNORE), period


class Rows:
    """Fresh rows for each update."""

    batch_size = BATCH

    def __init__(self, setting: Setting):
        self.setting = setting

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        return repeats(self.setting, self.batch_size, step)[:2]


def copy_loss(model: Transformer, batch: tuple[Tensor, ...]) -> Tensor:
    """Nats per letter that can be copied."""
    return next_token_loss(model(batch[0]), batch[1])


def over_periods(setting: Setting, of: Any) -> float:
    """The mean over targets of something that depends on the period: a row of period p has length - p targets."""
    periods = range(SHORTEST, LONGEST + 1)
    return sum((setting.length - p) * of(p) for p in periods) / sum(setting.length - p for p in periods)


def seen_so_far(setting: Setting) -> float:
    """The loss of a uniform choice among the different letters of the row, exactly.

    A target's row has shown its whole period. p draws from L letters have k different ones with a probability that is
    known by recursion: the next letter is a new one with probability (L - k) / L.
    """
    n, chances = setting.letters, [1.0]
    by_period = {}
    for p in range(1, LONGEST + 1):
        chances = [
            (chances[k] * k / n if k < len(chances) else 0) + (chances[k - 1] * (n - k + 1) / n if k else 0)
            for k in range(p + 1)
        ]
        by_period[p] = sum(chance * math.log(k) for k, chance in enumerate(chances) if k)
    return over_periods(setting, by_period.__getitem__)


def by_count(setting: Setting) -> float:
    """The loss if each letter's probability is its share of the period, exactly.

    The letter that comes is there once, and once more for each of the other p - 1 letters that equals it.
    """

    def loss(p: int) -> float:
        n = setting.letters
        counts = [(k + 1, math.comb(p - 1, k) * (1 / n) ** k * (1 - 1 / n) ** (p - 1 - k)) for k in range(p)]
        return math.log(p) - sum(chance * math.log(count) for count, chance in counts)

    return over_periods(setting, loss)


def simulated(setting: Setting, rows: int, seed: int = TEST) -> dict[str, float]:
    """Losses of predictors without weights on random rows, among them the best possible one.

    Of the best one, a period p is possible if every letter equals the one p before it; the row then has a probability
    of L to the power -p.
    """
    x, y, _ = repeats(setting, rows, seed)
    losses: dict[str, list[float]] = {"a letter seen so far": [], "by position": [], "the best possible": []}
    for row, targets in zip(x.tolist(), y.tolist(), strict=True):
        for t, target in enumerate(targets):
            if target == IGNORE:
                continue
            losses["a letter seen so far"].append(math.log(len(set(row[: t + 1]))))
            periods = range(SHORTEST, min(LONGEST, t) + 1)
            right = [row[t + 1 - p] == target for p in periods]
            losses["by position"].append(-math.log(sum(right) / len(right)))
            possible = [row[p : t + 1] == row[: t + 1 - p] for p in periods]
            weights = [ok * setting.letters ** float(SHORTEST - p) for ok, p in zip(possible, periods, strict=True)]
            hits = sum(w for w, r in zip(weights, right, strict=True) if r)
            losses["the best possible"].append(-math.log(hits / sum(weights)))
    return {name: statistics.fmean(values) for name, values in losses.items()}


def scores(model: Transformer, rows: tuple[Tensor, Tensor, Tensor]) -> tuple[list[float], list[float]]:
    """Each head's previous-token score and its prefix-matching score, in the order of the layers."""
    x, y, period = rows
    weights = trace(model, x).weights
    assert weights is not None
    weights = weights.transpose(1, 2).flatten(0, 1)  # heads of all layers (N, B, T, S)
    previous = weights.diagonal(offset=-1, dim1=2, dim2=3).mean((1, 2))
    row, t = (y != IGNORE).nonzero(as_tuple=True)
    matching = weights[:, row, t, t + 1 - period[row, 0]].mean(1)
    return previous.tolist(), matching.tolist()


@torch.no_grad()
def without(model: Transformer, heads: Sequence[tuple[int, int]], means: Tensor, rows: Any) -> dict[str, float]:
    """The loss with the output of some heads replaced: by means (L, H, D), and by zeros."""
    found = {}
    for kind, vectors in {"mean": means, "zero": torch.zeros_like(means)}.items():
        with ablate_heads(model, {head: vectors[head] for head in heads}):
            found[kind] = copy_loss(model, rows).item()
    return found


def run(setting: Setting, layers: int, seed: int) -> dict[str, Any]:
    """Train one model and measure its heads."""
    torch.manual_seed(seed)
    shape = dict(d_model=64, n_layers=layers, n_heads=2, d_ff=64, max_seq_len=setting.length, qk_norm=True)
    model = Transformer(ModelConfig(setting.letters, **shape))
    config = TrainConfig(
        steps=setting.updates,
        optimizer=setting.optimizer,
        learning_rate=setting.learning_rate,
        schedule="wsd",
        warmup_steps=10,
        final_fraction=0.0,
        log_every=1,
    )
    losses = [line["loss"] for line in train(Task(model, Rows(setting), copy_loss), config)]
    model.eval()
    rows = repeats(setting, ROWS, TEST)
    means = head_outputs(model, repeats(setting, ROWS, REFERENCE)[0]).mean((1, 3))
    previous, matching = scores(model, rows)
    with torch.no_grad():
        full = copy_loss(model, rows).item()
    heads = [head for head in HEADS if head[0] < layers]
    groups = {f"layer {layer} head {head}": [(layer, head)] for layer, head in heads}
    groups |= {f"both heads of layer {layer}": [head for head in heads if head[0] == layer] for layer in range(layers)}
    return {
        "losses": [round(loss, 4) for loss in losses],
        "end": full,
        "previous token": previous,
        "prefix matching": matching,
        "without": {name: without(model, group, means, rows) for name, group in groups.items()},
    }


def first_below(losses: Sequence[float], line: float) -> int | None:
    """The first update whose batch has a loss below the line.

    >>> first_below([3.0, 2.0, 1.0], 1.5), first_below([3.0], 1.5)
    (3, None)
    """
    return next((step for step, loss in enumerate(losses, start=1) if loss < line), None)


def verdict(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the ablations of one two-layer model say of its first layer.

    *alone*: without the head that matters more, more than 1 nat is lost, and without the other one less than 0.3.
    """
    rise = [found["without"][f"layer 0 head {head}"][kind] - found["end"] for head in (0, 1)]
    matters = max((0, 1), key=rise.__getitem__)
    return {
        "matters": matters,
        "rise": rise[matters],
        "rise without the other": rise[1 - matters],
        "alone": rise[matters] > 1 and rise[1 - matters] < 0.3,
        "has the higher previous-token score": found["previous token"][matters] > found["previous token"][1 - matters],
        "previous-token scores": [found["previous token"][matters], found["previous token"][1 - matters]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        line = seen_so_far(setting)
        group: dict[str, Any] = {
            "guessing": math.log(setting.letters),
            "a letter seen so far": line,
            "in proportion to its count": by_count(setting),
            "simulated": simulated(setting, ROWS),
        }
        for layers in (1, 2):
            rows = []
            for seed in range(SEEDS[name]):
                asked = asdict(setting) | {"layers": layers, "seed": seed}
                found = kept("induction", asked, lambda s=setting, n=layers, i=seed: run(s, n, i))
                found["below half of that line at"] = first_below(found["losses"], line / 2)
                if layers == 2:
                    found["first layer"] = {kind: verdict(found, kind) for kind in ("mean", "zero")}
                told = {key: value for key, value in found.items() if key not in ("losses", *asdict(setting))}
                print(name, json.dumps(told), flush=True)
                rows.append(found if name == "as in the lesson" else told)
            group[f"{layers} layer{'s' * (layers > 1)}"] = rows
        result[name] = group
    write_result("induction", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
