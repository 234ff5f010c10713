"""The course's base model over several seeds: how close it gets to the entropy floor, and how fast.

    python benchmarks/pretrain.py                   # three seeds, about a minute each on two cores
    python benchmarks/pretrain.py --seeds 1 --json
    python benchmarks/pretrain.py --long            # 6.5 times the steps, on new documents: seven minutes each

Each run is `minillm pretrain` with its defaults in a separate process, on a quiet machine. `closed` is the fraction of
the gap between the bigram model's loss and the exact floor that the model closes; `kl` is the remaining gap in nats per
token. Each model is then scored on the world's experiments. For comparison, the plain GPT-2-style recipe of
`plain_gpt.py` is trained on the first seed's batches; pretrain.png shows both losses over time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from common import RESULTS, write_result
from plain_gpt import PlainGPT, plain_optimizer, plain_step

from minillm import ModelConfig
from minillm.data.corpora import encode_training, learn_tokenizer, load_corpus
from minillm.training.metrics import METRICS, read_metrics, smoothed
from minillm.training.pretraining import TextData
from minillm.training.recipes import BaseRecipe
from minillm.viz.figures import lines, png

# Chosen on seed 0 at 1,400 steps. KL by rate and weight decay: 0.011 and 0.03 or 0.06 0.056; 0.016 and 0.03 0.057, and
# none 0.061; 0.022 and 0.03 0.068; 0.016 and 0.1, with momentum 0.95, 0.069. At 400 steps d_model 192 was a tenth
# better than 128, but a step took 1.6 times as long.
LONG = ("--steps", "4290", "--documents", "234000", "--learning-rate", "0.012", "--weight-decay", "0.03")
FIGURES = ("val_loss", "floor", "bigram_loss", "kl", "closed", "seconds", "tokens_per_second")


def run(seed: int, options: Sequence[str] = ()) -> dict:
    """Train our recipe with `options`; returns its results, and the loss of each batch as (seconds, nats per token)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "base"
        result = minillm("pretrain", "--out", str(out), "--seed", str(seed), *options)
        scores = minillm("eval", "--model", str(out), "--samples", "0")["experiments"]
        curve = [(line["seconds"], line["loss"]) for line in read_metrics(out / METRICS)]
    del result["out"]  # a temporary folder
    return result | {"curve": curve, "experiments": scores}


def minillm(*arguments: str) -> dict:
    """Run a command with --json and return its result."""
    command = [sys.executable, "-m", "minillm", *arguments, "--json"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def plain(seed: int) -> list[tuple[float, float]]:
    """Train the plain recipe on the same batches for as many steps; returns some (seconds, nats per token)."""
    recipe, config = BaseRecipe("world"), ModelConfig.preset("tiny")
    corpus = load_corpus("world", seed, recipe.documents)
    tokenizer = learn_tokenizer(corpus, config.vocab_size)
    text = encode_training(corpus, tokenizer), tokenizer.encode_batch(corpus.validation)
    data = TextData.from_ids(*text, tokenizer.eos_id, config.max_seq_len, recipe.batch_size, seed)
    torch.manual_seed(seed)
    shape = config.d_model, config.n_layers, config.n_heads, config.max_seq_len
    model = PlainGPT(tokenizer.vocab_size, *shape)
    optimizer, steps, curve = plain_optimizer(model), recipe.training.steps, []
    start = time.perf_counter()
    for step in range(steps):
        loss = plain_step(model, optimizer, step, *data.train[step], steps)
        if step % recipe.training.log_every == 0 or step == steps - 1:
            curve.append((round(time.perf_counter() - start, 3), loss.item()))
    return curve


def draw(runs: list[dict]) -> bytes:
    """Draw the smoothed losses of the first seed over time, with the two reference losses."""
    first, curves, times = runs[0], {}, {}
    for name, curve in {"minillm": first["curve"], "plain GPT-2 style": first["plain_curve"]}.items():
        times[name] = [seconds for seconds, _ in curve]
        curves[name] = smoothed(range(1, len(curve) + 1), [loss for _, loss in curve])
    references = {"bigram model": first["bigram_loss"], "floor": first["floor"]}
    return png(lines(curves, "seconds on two cores", "nats per token", x=times, references=references, log_y=True))


def show_experiments(seeds: list[dict[str, dict[str, dict[str, float]]]]) -> None:
    print(f"\n{'experiment':12} {'split':>9} {'chance':>7} {'mean':>7} {'min':>7} {'max':>7} {'perfect':>8}")
    for name, splits in seeds[0].items():
        for split, score in splits.items():
            values = [scores[name][split]["model"] for scores in seeds]
            figures = (score["chance"], statistics.fmean(values), min(values), max(values), score["perfect"])
            print(f"{name:12} {split:>9} " + " ".join(f"{figure:7.3f}" for figure in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs, each with its own world, weights and order")
    parser.add_argument("--long", action="store_true", help="6.5 times the steps")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    runs = [run(seed, LONG if arguments.long else ()) for seed in range(arguments.seeds)]
    result: dict = {"runs": runs}
    for figure in FIGURES:
        values = [row[figure] for row in runs]
        result[figure] = {"mean": statistics.fmean(values), "least": min(values), "most": max(values)}
        print(f"{figure:18} {result[figure]['mean']:10.4f}   from {min(values):.4f} to {max(values):.4f}")
    show_experiments([row["experiments"] for row in runs])
    if not arguments.long:
        runs[0]["plain_curve"] = plain(0)
        (RESULTS / "pretrain.png").write_bytes(draw(runs))
    print(f"written to {write_result('pretrain_long' if arguments.long else 'pretrain', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
