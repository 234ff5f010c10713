"""What each block of SmolLM2-135M is worth: dropped, repeated, swapped with the next one, or replaced by noise.

    python benchmarks/blocks.py                     # 12 texts, about ten minutes on one thread
    python benchmarks/blocks.py --texts 4 --json

Blocks count from 0 here. One at a time, each of the 30 blocks is dropped, run twice, swapped with the next one, or
replaced by a random vector of the norm of what it writes, drawn for each token. Then the order of many blocks changes:
shuffled, reversed, side by side, left out. Two controls leave the order alone: 1 of 30 neurons dropped in every block,
with and without 9 of all 270 heads. The cost is the rise of the loss on a text, in nats per token; attention and
feed-forward networks dropped alone are in `removal.json`, on the same texts. What is done is kept in --folder; an
interrupted benchmark resumes there.
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import fmean

import torch
from common import RESULTS, write_result
from measures import bootstrap_interval, stored, texts
from torch import Tensor

from minillm.analysis.surgery import capitals, prompt_ids, replaced, write
from minillm.files import read_json
from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
SINGLE = ("dropped", "repeated", "swapped", "random")
CHEAP = 0.5  # nats per token
SEEDS = range(3)
PROMPTS = ("The capital of France is", "The old man walked to the")
MIDDLE = range(12, 23)  # blocks 13 to 23, counted from 1


def orders(n_layers: int = 30, middle: Sequence[int] = MIDDLE) -> dict[str, list[int]]:
    """Orders of many blocks, by name.

    >>> orders(6, range(2, 4))["middle reversed"], orders(6, range(2, 4))["middle twice"]
    ([0, 1, 3, 2, 4, 5], [0, 1, 2, 3, 2, 3, 4, 5])
    """
    every, inside = list(range(n_layers)), list(middle)
    below, above = every[: inside[0]], every[inside[-1] + 1 :]

    def around(blocks: Sequence[int]) -> list[int]:
        return [*below, *blocks, *above]

    center = len(inside) // 2
    found = {f"middle shuffled, seed {seed}": around(random.Random(seed).sample(inside, len(inside))) for seed in SEEDS}
    found |= {
        "middle reversed": around(inside[::-1]),
        "middle left out": around([]),
        "middle twice": around(inside * 2),
        "middle: one block in place of all": around([inside[center - 2]] * len(inside)),
        "four left out": around(inside[: center - 1] + inside[center + 3 :]),
        "eight left out": around(inside[:1] + inside[9:]),
        "one block ten times": around(inside[: center + 1] + [inside[center]] * 9 + inside[center + 1 :]),
        "all reversed": every[::-1],
    }
    for seed in SEEDS:
        gone = set(random.Random(seed).sample(inside, min(4, len(inside))))
        found[f"four of the middle left out, seed {seed}"] = around([block for block in inside if block not in gone])
        found[f"all shuffled, seed {seed}"] = random.Random(seed).sample(every, n_layers)
    return found


class Reader:
    """The loss of one text, from any block on and with the blocks in any order."""

    def __init__(self, model: Transformer, ids: Sequence[int]):
        row = torch.tensor([list(ids)])
        self.model, self.targets = model, row[:, 1:]
        self.context = model.context(row[:, :-1])
        self.streams = [model.embedding(row[:, :-1])]  # before each block, and after the last one
        for layer in range(len(model.blocks)):
            self.streams.append(self.block(self.streams[-1], layer))

    def block(self, x: Tensor, layer: int) -> Tensor:
        return self.model.blocks[layer](x, **self.context.for_layer(layer))

    def written(self, layer: int) -> Tensor:
        """What a block adds to the stream of the intact model."""
        return self.streams[layer + 1] - self.streams[layer]

    def loss(self, x: Tensor, order: Sequence[int]) -> float:
        """The loss if the blocks of `order` read the stream x one after the other."""
        for layer in order:
            x = self.block(x, layer)
        return next_token_loss(self.model.head(self.model.final_norm(x)), self.targets).item()


def noise_like(written: Tensor, seed: int) -> Tensor:
    """For each token a random vector of the norm of what was written there."""
    drawn = torch.randn(written.shape, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=-1, keepdim=True) * written.norm(dim=-1, keepdim=True)


@contextmanager
def partly(model: Transformer, share: float, seed: int, heads: bool) -> Iterator[Transformer]:
    """The model without this share of the neurons of every block, and with `heads` of all attention heads too."""
    rng = torch.Generator().manual_seed(seed)
    c, L = model.config, len(model.blocks)
    gone = torch.randperm(L * c.n_heads, generator=rng)[: round(share * L * c.n_heads) if heads else 0]
    kept_heads = torch.ones(L * c.n_heads).scatter(0, gone, 0.0).view(L, c.n_heads)

    def dropping(module: torch.nn.Module, kept: Tensor) -> None:
        hooks.callback(module.register_forward_pre_hook(lambda module, inputs: (inputs[0] * kept,)).remove)

    with ExitStack() as hooks:
        for block, of_heads in zip(model.blocks, kept_heads, strict=True):
            neurons = torch.randperm(c.d_ff, generator=rng)[: round(share * c.d_ff)]
            dropping(block.feedforward.down, torch.ones(c.d_ff).scatter(0, neurons, 0.0))
            dropping(block.attention.output, of_heads.repeat_interleave(block.attention.d_head))
        yield model


@torch.no_grad()
def measured(model: Transformer, tokenizer: Tokenizer, text: str) -> dict:
    """The intact loss on a text, and the cost of each change to one block and to many."""
    reader = Reader(model, prompt_ids(tokenizer, text))
    L, streams = len(model.blocks), reader.streams
    intact = reader.loss(streams[-1], [])
    single: dict[str, list[float]] = {name: [] for name in SINGLE}
    for layer in range(L):
        after = range(layer + 1, L)
        single["dropped"].append(reader.loss(streams[layer], after) - intact)
        single["repeated"].append(reader.loss(streams[layer + 1], [layer, *after]) - intact)
        if layer + 1 < L:
            single["swapped"].append(reader.loss(streams[layer], [layer + 1, layer, *after[1:]]) - intact)
        noise = noise_like(reader.written(layer), seed=layer)
        single["random"].append(reader.loss(streams[layer] + noise, after) - intact)
    many = {name: reader.loss(streams[0], order) - intact for name, order in orders(L).items()}
    start = streams[MIDDLE[0]]
    beside = sum((reader.block(start, layer) - start for layer in MIDDLE), start)
    many["middle side by side"] = reader.loss(beside, range(MIDDLE[-1] + 1, L)) - intact
    for seed in SEEDS:
        for heads in (False, True):
            with partly(model, 1 / L, seed, heads):
                name = f"1 of {L} neurons{' and heads' if heads else ''}, seed {seed}"
                many[name] = reader.loss(streams[0], range(L)) - intact
        with partly(model, 4 / L, seed, heads=True):
            many[f"4 of {L} neurons and heads, seed {seed}"] = reader.loss(streams[0], range(L)) - intact
    return {"loss": intact, "single": single, "many": many}


def told(costs: Sequence[float]) -> dict:
    """The mean of costs with its 90 % interval over texts, and the costs text by text."""
    low, high = bootstrap_interval(costs, fmean)
    return {"mean": fmean(costs), "low": low, "high": high, "costs": list(costs)}


def counts_below(rows: Sequence[Sequence[float]], most: float = CHEAP) -> dict:
    """How many of the blocks cost less than `most`: by their means, on each text, and on all texts.

    `rows` holds the costs of one block on each text.

    >>> counts_below([[0.1, 0.2], [0.1, 0.8], [2.0, 3.0]])
    {'by mean': 2, 'text by text': [2, 1], 'on all texts': 1, 'low': 1, 'high': 2}
    """

    def by_mean(chosen: Sequence[int]) -> int:
        return sum(fmean(row[text] for text in chosen) < most for row in rows)

    every = range(len(rows[0]))
    low, high = bootstrap_interval(every, by_mean, resamples=500)
    return {
        "by mean": by_mean(every),
        "text by text": [by_mean([text]) for text in every],
        "on all texts": sum(max(row) < most for row in rows),
        "low": low,
        "high": high,
    }


def of_removal(written: int) -> dict[str, list[list[float]]]:
    """From `removal.json`: the costs of each attention and each feed-forward network, by block and text."""
    parts = read_json(RESULTS / "removal.json")["parts"]
    return {
        kind: [part["costs"][:written] for part in parts if part["kind"] == kind]
        for kind in ("attention", "feed_forward")
    }


def summary(rows: Sequence[Mapping], parts: Mapping[str, Sequence[Sequence[float]]]) -> dict:
    """Costs with intervals by change and block, and how many blocks are cheap; `parts` are those of `removal.json`."""
    single = {
        name: [[row["single"][name][block] for row in rows] for block in range(len(rows[0]["single"][name]))]
        for name in rows[0]["single"]
    } | {f"{kind} dropped": list(costs) for kind, costs in parts.items()}
    return {
        "cheap": {name: counts_below(costs) for name, costs in single.items()},
        "single": {name: [told(costs) for costs in blocks] for name, blocks in single.items()},
        "many": {name: told([row["many"][name] for row in rows]) for name in rows[0]["many"]},
    }


def shown(model: Transformer, tokenizer: Tokenizer, order: list[int] | None) -> dict:
    """How many capitals the model names with its blocks in this order, and what it writes."""
    with replaced(model, order=order):
        written = {prompt: write(model, tokenizer, prompt, n=20) for prompt in PROMPTS}
        return {"capitals": capitals(model, tokenizer), "texts": written}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=12)
    parser.add_argument("--folder", type=Path, default=Path("runs/blocks"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (model, tokenizer), written = load(MODEL), texts(arguments.texts)
    rows = []
    for number, text in enumerate(written):
        path = arguments.folder / f"text {number}.json"
        rows.append(stored(path, lambda text=text: measured(model, tokenizer, text)))
        print(f"text {number + 1} of {len(written)}: {rows[-1]['loss']:.2f} nats per token", flush=True)
    L, texts_of = len(model.blocks), {}
    changes: dict[str, list[int] | None] = {"intact": None}
    changes |= {f"dropped {gone}": [block for block in range(L) if block != gone] for gone in range(L)}
    changes |= {"swapped 16": [*range(16), 17, 16, *range(18, L)]} | orders(L)
    for name, order in changes.items():
        path = arguments.folder / f"shown-{name}.json"
        texts_of[name] = stored(path, lambda order=order: shown(model, tokenizer, order))
        print(f"{name:16} {texts_of[name]['capitals']:2} capitals {texts_of[name]['texts']}", flush=True)
    found = summary(rows, of_removal(len(written)))
    for name, counted in found["cheap"].items():
        print(f"{name:22} under {CHEAP}: {counted}")
        print(f"{'':22} {[round(block['mean'], 2) for block in found['single'][name]]}")
    for name, of in found["many"].items():
        print(f"{name:40} {of['mean']:+.2f} ({of['low']:+.2f} to {of['high']:+.2f})")
    result = {"model": MODEL, "texts": len(written), "middle": [MIDDLE[0], MIDDLE[-1]]}
    result |= {"intact": [row["loss"] for row in rows]} | found
    print(f"written to {write_result('blocks', result | {'orders': orders(L), 'shown': texts_of})}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
