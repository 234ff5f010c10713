"""How much faster is decoding with a KV cache? SmolLM2-135M, with the cache and without, by length.

    python benchmarks/cache_gain.py                  # about three minutes on one thread
    python benchmarks/cache_gain.py --rounds 3 --lengths 8 32 --json

A step: the logits after the last of n tokens, with all others in the cache or with none; the gain depends on n. Whole
continuations: n new tokens after a prompt of seven, greedily, the same with the cache and without; up to 64, since 512
would take minutes without it. A batch of 16 texts takes turns with a single one, both with the cache. Contestants take
turns; the gain is the ratio of the median seconds, and the ratios of single rounds give its range. Each round is kept
in --folder; an interrupted benchmark resumes there, and more rounds can be added to those that are done.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from common import write_result
from measures import stored, texts

from minillm.analysis.surgery import prompt_ids
from minillm.inference.generate import generate
from minillm.model.transformer import Transformer
from minillm.pretrained import load

MODEL = "smollm2-135m-instruct"
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
LONGEST_WHOLE = 64
BATCH, BATCH_TOKENS = 16, 32
PROMPT = "The old man walked to the"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@torch.no_grad()
def one_step(model: Transformer, ids: Sequence[int]) -> dict[str, float]:
    """Seconds for the logits after the last token, with the others in the cache and without."""
    row = torch.tensor([list(ids)])
    cache = model.new_cache(1, len(ids))
    model.hidden(row[:, :-1], cache)
    return {
        "cache": seconds(lambda: model.head(model.hidden(row[:, -1:], cache)[:, -1])),
        "none": seconds(lambda: model.head(model.hidden(row)[:, -1])),
    }


def whole(model: Transformer, start: Sequence[int], length: int) -> dict[str, float]:
    """Seconds to continue by `length` tokens, with the cache and without."""
    return {
        name: seconds(lambda used=used: generate(model, start, length, temperature=0, use_cache=used))
        for name, used in (("cache", True), ("none", False))
    }


def batch_round(model: Transformer, start: Sequence[int]) -> dict[str, float]:
    """Seconds for one text and for a batch of them, both with the cache."""
    return {
        name: seconds(lambda rows=rows: generate(model, [start] * rows, BATCH_TOKENS, temperature=0))
        for name, rows in (("one", 1), ("batch", BATCH))
    }


def gain(rounds: Sequence[dict[str, float]], slow: str, fast: str) -> dict:
    """The ratio of the median seconds, and the lowest and highest ratio of a round.

    >>> gain([{"a": 2.0, "b": 1.0}, {"a": 9.0, "b": 3.0}, {"a": 4.0, "b": 1.0}], "a", "b")
    {'ratio': 4.0, 'lowest': 2.0, 'highest': 4.0, 'seconds': {'a': 4.0, 'b': 1.0}}
    """
    ratios = [row[slow] / row[fast] for row in rounds]
    medians = {name: median(row[name] for row in rounds) for name in (slow, fast)}
    ratio = medians[slow] / medians[fast]
    return {"ratio": ratio, "lowest": min(ratios), "highest": max(ratios), "seconds": medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--folder", type=Path, default=Path("runs/cache_gain"), help="keeps the rounds that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    start = prompt_ids(tokenizer, PROMPT)
    generate(model, start, 4, temperature=0)  # the first call is slower

    text = [id for each in texts() for id in prompt_ids(tokenizer, each)]  # any tokens take as long

    made: dict[str, list[dict]] = {}
    for number in range(arguments.rounds):
        work: dict[str, Callable[[], dict[str, float]]] = {
            f"step, {n}": lambda n=n: one_step(model, text[:n]) for n in arguments.lengths
        }
        work |= {f"whole, {n}": lambda n=n: whole(model, start, n) for n in arguments.lengths if n <= LONGEST_WHOLE}
        work["batch"] = lambda: batch_round(model, start)
        for name, each in work.items():
            made.setdefault(name, []).append(stored(arguments.folder / f"round {number}, {name}.json", each))
        print(f"round {number + 1} of {arguments.rounds}", flush=True)
    result: dict = {"model": MODEL, "threads": torch.get_num_threads(), "rounds": arguments.rounds}
    for part in ("step", "whole"):
        result[part] = {}
        for name in [name for name in made if name.startswith(part)]:
            found = result[part][name.removeprefix(f"{part}, ")] = gain(made[name], "none", "cache")
            print(f"{name:>10} tokens: {found['ratio']:.1f} ({found['lowest']:.1f} to {found['highest']:.1f})")
    batch = gain(made["batch"], "batch", "one")
    result["batch"] = batch | {"texts": BATCH, "tokens": BATCH_TOKENS, "throughput": BATCH / batch["ratio"]}
    print(f"a batch of {BATCH} takes {batch['ratio']:.1f} times as long as one text")
    print(f"written to {write_result('cache_gain', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
