"""Two weights of SmolLM2-135M that the model can't do without, and what else it can.

    python benchmarks/super_weights.py              # about fifteen minutes on one thread
    python benchmarks/super_weights.py --texts 12 --controls 6 --json

The two are found by one forward pass (`surgery.super_weight_candidates`, after Yu et al. 2024). They are set to zero,
singly and together, and so are the controls: random weights, the largest weights, weights of the same size, whole
neurons. Measured are the loss on texts, capitals of 20, the greedy continuations of three prompts, and what stands at
the first token: the norm of the residual stream after block 11, its share in the coordinate that the two write to, and
the attention that later tokens pay to it. Rows are kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from measures import bootstrap_interval, stored, texts
from resuming import Resumable

from minillm.analysis.surgery import (
    blurred,
    capitals,
    prompt_ids,
    super_weight_candidates,
    without_neurons,
    write,
    zeroed,
    zeroed_at_random,
)
from minillm.analysis.tracing import trace
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
PROMPTS = ("The capital of France is", "The old man walked to the", "Once upon a time, a dog")
LAYER, ROW, COLUMNS = 11, 507, (1229, 1487)
NAME = f"blocks.{LAYER}.feedforward.down.weight"
BOTH = tuple((ROW, column) for column in COLUMNS)
RANDOM, NEURONS, SEEDS, NEURON_SEEDS = 100_000, 1_000, 5, 3
Context = Callable[[Transformer], AbstractContextManager]


@contextmanager
def zeroed_at_tokens(
    model: Transformer, layer: int, row: int, columns: Sequence[int], elsewhere: bool
) -> Iterator[None]:
    """Without what these entries of `down` write at the first token, or without what they write elsewhere."""

    def hook(down: torch.nn.Linear, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        share = inputs[0][..., list(columns)] @ down.weight[row, list(columns)]  # (B, T)
        kept = torch.arange(share.shape[1]) == 0
        output = output.clone()
        output[..., row] -= torch.where(kept != elsewhere, share, 0)
        return output

    handle = model.blocks[layer].feedforward.down.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def all_zeroed(model: Transformer, places: Sequence[tuple[int, str, int, int]]) -> Iterator[None]:
    """Entries of several matrices set to zero: (layer, "gate", "up" or "down", row, column) each."""
    if not places:
        yield
        return
    (layer, matrix, *place), *rest = places
    with zeroed(model, f"blocks.{layer}.feedforward.{matrix}.weight", tuple(place)), all_zeroed(model, rest):
        yield


def largest_weights(model: Transformer, n: int, matrices: Sequence[str] = ("gate", "up", "down")) -> list[tuple]:
    """The n feed-forward weights of the largest size: (layer, matrix, row, column), the two left out."""
    found = []
    for layer, block in enumerate(model.blocks):
        for matrix in matrices:
            weight = getattr(block.feedforward, matrix).weight
            sizes, places = weight.abs().flatten().topk(n + 2)
            for size, place in zip(sizes.tolist(), places.tolist(), strict=True):
                found.append((size, layer, matrix, *divmod(place, weight.shape[1])))
    two = {(LAYER, "down", ROW, column) for column in COLUMNS}
    return [entry[1:] for entry in sorted(found, reverse=True) if entry[1:] not in two][:n]


def same_size(model: Transformer, n: int) -> list[tuple]:
    """The n entries of `down` whose size is nearest to that of the two, the two left out."""
    size = fmean(abs(model.blocks[LAYER].feedforward.down.weight[place].item()) for place in BOTH)

    return sorted(largest_weights(model, 4 * n, ("down",)), key=lambda entry: abs(abs(value(model, entry)) - size))[:n]


def value(model: Transformer, entry: tuple) -> float:
    layer, matrix, row, column = entry
    return getattr(model.blocks[layer].feedforward, matrix).weight[row, column].item()


def random_neurons(model: Transformer, n: int, seed: int) -> list[tuple[int, int]]:
    width = model.config.d_ff
    return [divmod(index, width) for index in random.Random(seed).sample(range(len(model.blocks) * width), n)]


def label(entry: tuple) -> str:
    layer, matrix, row, column = entry
    return f"{matrix} {layer} [{row}, {column}]"


def rows(model: Transformer, loudest: Sequence) -> dict[str, tuple[Context, int, bool]]:
    """By name: what is changed, the first layer that it changes, and whether it is one of the main rows."""
    one, two = BOTH
    mute = {LAYER: torch.zeros(model.config.d_model)}
    rest = range(1, model.config.max_seq_len)
    found: dict[str, tuple[Context, int, bool]] = {
        "intact": (lambda m: nullcontext(), len(model.blocks) - 1, True),
        "first weight": (lambda m: zeroed(m, NAME, one), LAYER, True),
        "second weight": (lambda m: zeroed(m, NAME, two), LAYER, True),
        "both weights": (lambda m: zeroed(m, NAME, one, two), LAYER, True),
        "first neuron": (lambda m: without_neurons(m, (LAYER, COLUMNS[0])), LAYER, True),
        "second neuron": (lambda m: without_neurons(m, (LAYER, COLUMNS[1])), LAYER, True),
        "both neurons": (lambda m: without_neurons(m, *((LAYER, c) for c in COLUMNS)), LAYER, True),
        "both weights, at the first token only": (
            lambda m: zeroed_at_tokens(m, LAYER, ROW, COLUMNS, elsewhere=False), LAYER, False),
        "both weights, at all other tokens": (
            lambda m: zeroed_at_tokens(m, LAYER, ROW, COLUMNS, elsewhere=True), LAYER, False),
        "feed-forward 11, at the first token only": (lambda m: blurred(m, "feed_forward", mute, [0]), LAYER, False),
        "feed-forward 11, at all other tokens": (lambda m: blurred(m, "feed_forward", mute, rest), LAYER, False),
    }  # fmt: skip
    for candidate in loudest:
        if (candidate.layer, candidate.row, candidate.column) not in {(LAYER, *place) for place in BOTH}:
            entry = (candidate.layer, "down", candidate.row, candidate.column)
            found[f"writes much: {label(entry)}"] = (lambda m, e=entry: all_zeroed(m, [e]), entry[0], False)
    for seed in range(SEEDS):
        name = f"{RANDOM:,} random weights, seed {seed}"
        found[name] = (lambda m, s=seed: zeroed_at_random(m, RANDOM, s), 0, False)
    for seed in range(NEURON_SEEDS):
        name = f"{NEURONS:,} random neurons, seed {seed}"
        found[name] = (lambda m, s=seed: without_neurons(m, *random_neurons(m, NEURONS, s)), 0, False)
    for entry in largest_weights(model, 8):
        found[f"large: {label(entry)}"] = (lambda m, e=entry: all_zeroed(m, [e]), entry[0], False)
    alike = same_size(model, 6)
    for pair in zip(alike[::2], alike[1::2], strict=True):
        name = f"two of the same size: {label(pair[0])}, {label(pair[1])}"
        found[name] = (lambda m, p=pair: all_zeroed(m, p), min(entry[0] for entry in pair), False)
    return found


@torch.no_grad()
def first_token(model: Transformer, tokenizer: Tokenizer) -> dict:
    """The stream at the first token after block 11, and the mean attention on that token of all later ones."""
    seen = trace(model, torch.tensor([prompt_ids(tokenizer, texts(1)[0])]))
    x = seen.stream[LAYER + 1, 0, 0]
    assert seen.weights is not None
    on_first = seen.weights[LAYER + 1 :, 0, :, 1:, 0]  # (later layers, H, T - 1)
    return {"norm": x.norm().item(), "share": (x[ROW].abs() / x.norm()).item(), "attention": on_first.mean().item()}


def cost(losses: Sequence[float], intact: Sequence[float]) -> dict:
    """The rise of the loss over the intact model on the same texts, with its interval over texts."""
    costs = [a - b for a, b in zip(losses, intact[: len(losses)], strict=True)]
    low, high = bootstrap_interval(costs, fmean)
    return {"of": len(costs), "loss": fmean(losses), "cost": fmean(costs), "low": low, "high": high,
            "least": min(costs), "most": max(costs)}  # fmt: skip


def measured(
    model: Transformer, tokenizer: Tokenizer, prefixes: Resumable, layer: int, count: int | None, prompts: Sequence[str]
) -> dict:
    """Losses, capitals and texts of the model as it is now, changed from this layer on."""
    return {
        "losses": prefixes.losses(layer, count),
        "capitals": capitals(model, tokenizer),
        "texts": {prompt: write(model, tokenizer, prompt, n=20) for prompt in prompts},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=50, help="of the main rows")
    parser.add_argument("--controls", type=int, default=20, help="texts of the others")
    parser.add_argument("--folder", type=Path, default=Path("runs/super_weights"), help="keeps the rows that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    model.requires_grad_(False)
    loudest = super_weight_candidates(model, tokenizer, PROMPTS[0], n=8)
    ids = [prompt_ids(tokenizer, text) for text in texts(arguments.texts)]
    prefixes, found, alone = Resumable(model, ids), {}, {}
    startless = Resumable(model, [row[1:] for row in ids[: arguments.controls]])
    folder = arguments.folder / f"{arguments.texts} {arguments.controls}"
    for name, (change, layer, is_main) in rows(model, loudest).items():
        kept = folder / f"{name.replace(':', '')}.json"
        count, prompts = (None, PROMPTS) if is_main else (arguments.controls, PROMPTS[:1])
        with change(model):
            row = stored(kept, lambda: measured(model, tokenizer, prefixes, layer, count, prompts))  # noqa: B023
            if is_main:
                row["first token"] = first_token(model, tokenizer)
            if name in ("intact", "both weights"):
                without_start = kept.with_stem(f"{kept.stem}, no start")
                alone[name] = stored(without_start, lambda: startless.losses(layer))  # noqa: B023
                row["text without start"] = write(model, tokenizer, tokenizer.encode(PROMPTS[0]), n=20)
        found[name] = row | cost(row["losses"], found["intact"]["losses"] if found else row["losses"])
        row = found[name]
        print(
            f"{name:55} {row['cost']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}) {row['capitals']} "
            f"{row['texts'][PROMPTS[0]]!r} {row.get('first token', '')}",
            flush=True,
        )
    for name, losses in alone.items():
        found[name]["without start"] = cost(losses, alone["intact"])
    result = {
        "model": MODEL,
        "weights": {NAME: BOTH},
        "values": [model.blocks[LAYER].feedforward.down.weight[place].item() for place in BOTH],
        "candidates": [candidate._asdict() | {"written": candidate.written} for candidate in loudest],
        "sizes": {label(entry): value(model, entry) for entry in [*largest_weights(model, 8), *same_size(model, 6)]},
        "rows": found,
    }
    print(f"written to {write_result('super_weights', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
