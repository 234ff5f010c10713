"""Five position schemes read longer texts than in training: lesson 03's small models, with 4 and 8 heads.

    python benchmarks/positions.py                        # about six minutes on one thread
    python benchmarks/positions.py --seeds 1 --json

They learn the lesson's language of six letters from texts of 32 letters, in 150 and 600 steps. Their excess is the loss
minus the true surprise of the letter that came: 0 is perfect. Each cell is kept in --folder; an interrupted benchmark
resumes there.
"""

import argparse
import itertools
import json
import math
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from measures import stored
from torch import Tensor

from minillm import ModelConfig, Transformer
from minillm.losses import next_token_loss
from minillm.training.optim import adamw

LETTERS, PROBABILITIES = 6, torch.tensor([0.7, 0.2, 0.1])
LENGTH, ROWS = 32, 128  # letters of a training text; texts in the test
RATE = 1e-2
SCHEMES: dict[str, dict] = {
    "rotary": dict(position="rotary"),
    "alibi": dict(position="alibi"),
    "learned": dict(position="learned"),
    "none, 2 layers": dict(position="none", n_layers=2),
    "sinusoidal": dict(position="sinusoidal", tie_embeddings=False, embedding_std=1.0),
}
HEADS, STEPS = (4, 8), (150, 600)
CELLS = [(name, heads, scheme) for name, scheme in SCHEMES.items() for heads in HEADS]
# is it the number of heads, or the frequencies that heads of this width have?
CELLS += [("rotary, heads of 4 numbers", 4, dict(position="rotary", d_head=4))]
# is it their width, or the speeds that a base gives to pairs of this width? These swap the speed of 0.1 per letter
CELLS += [("rotary, base 100", 8, dict(position="rotary", rope_theta=1e2))]
CELLS += [("rotary, base 1e8", 4, dict(position="rotary", rope_theta=1e8))]


def language() -> Tensor:
    """Probability of the next letter after the last two and their order: [last but one, last, next]."""
    rng, table = torch.Generator().manual_seed(0), torch.zeros(LETTERS, LETTERS, LETTERS)
    for a, b in itertools.product(range(LETTERS), repeat=2):
        table[a, b, torch.randperm(LETTERS, generator=rng)[: len(PROBABILITIES)]] = PROBABILITIES
    return table


def letters(table: Tensor, count: int, length: int, seed: int) -> Tensor:
    """Texts of the language: ids (count, length)."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(LETTERS, (count, length), generator=rng)
    for t in range(2, length):
        ids[:, t] = torch.multinomial(table[ids[:, t - 2], ids[:, t - 1]], 1, generator=rng)[:, 0]
    return ids


def trained(table: Tensor, seed: int, steps: int, heads: int, scheme: dict) -> Transformer:
    """A small model after `steps` batches of 32 texts, as lesson 03 trains it."""
    torch.manual_seed(seed)
    shape = dict(n_layers=1, tie_embeddings=True) | scheme
    model = Transformer(
        ModelConfig(vocab_size=LETTERS, d_model=32, n_heads=heads, max_seq_len=LENGTH, **shape)  # pyright: ignore
    )
    optimizer = adamw(model, RATE, weight_decay=0.1)
    for step, ids in enumerate(letters(table, 32 * steps, LENGTH + 1, seed).split(32)):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, 2 - 2 * step / steps)
        loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.requires_grad_(False)


def excess(model: Transformer, table: Tensor, ids: Tensor) -> Tensor:
    """Loss minus true surprise, from the second letter on, a mean over the texts: (length - 2,)."""
    if ids.shape[1] - 1 > model.config.max_seq_len:
        model.extend_context(ids.shape[1] - 1)
    log_probs = model(ids[:, :-1])[:, 1:].log_softmax(-1)
    truth = table[ids[:, :-2], ids[:, 1:-1], ids[:, 2:]].log()
    return (truth - log_probs.gather(2, ids[:, 2:, None])[..., 0]).mean(0)


def in_parts(curve: Tensor) -> dict[str, float | None]:
    """The mean within the training length, over the next 32 letters, and from there to four times the length."""
    ends = {"within": (0, LENGTH - 1), "next": (LENGTH - 1, 2 * LENGTH - 1), "beyond": (2 * LENGTH - 1, 4 * LENGTH - 1)}
    return {name: curve[a:b].mean().item() if b <= len(curve) else None for name, (a, b) in ends.items()}


def measured(folder: Path, seeds: int) -> dict:
    """A cell for each scheme, number of heads, number of steps and seed."""
    table, cells = language(), []
    test = letters(table, ROWS, 4 * LENGTH + 1, seed=1000)
    for (name, heads, scheme), steps in itertools.product(CELLS, STEPS):
        ids = test[:, : LENGTH + 1] if name == "learned" else test

        def cell(seed: int, heads=heads, steps=steps, scheme=scheme, ids=ids) -> dict:
            return in_parts(excess(trained(table, seed, steps, heads, scheme), table, ids))

        runs = [
            stored(folder / f"{name}-{heads}-{steps}-{seed}.json", lambda seed=seed, cell=cell: cell(seed))
            for seed in range(seeds)
        ]
        cells.append({"scheme": name, "heads": heads, "steps": steps, "runs": runs})
        spans = {part: [run[part] for run in runs if run[part] is not None] for part in runs[0]}
        told = {part: f"{fmean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for part, v in spans.items() if v}
        print(f"{name:18} {heads} heads, {steps} steps: {told}", flush=True)
    floor = -(PROBABILITIES * PROBABILITIES.log()).sum().item()
    return {"floor": floor, "uniform": math.log(LETTERS) - floor, "last letter only": last_only(table), "cells": cells}


def last_only(table: Tensor) -> float:
    """What a reader who knows only the last letter loses to the floor, in the long run."""
    pair = torch.full((LETTERS, LETTERS), 1 / LETTERS**2)
    for _ in range(200):
        pair = (pair[:, :, None] * table).sum(0)
    floor = -(PROBABILITIES * PROBABILITIES.log()).sum().item()
    return -(pair * (pair / pair.sum(1, keepdim=True)).log()).sum().item() - floor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("runs/positions"), help="keeps the cells that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = measured(arguments.folder, arguments.seeds)
    print(f"written to {write_result('positions', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
