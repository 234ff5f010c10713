"""Training speed compared with a plain GPT-2-style recipe in PyTorch, on the same machine at the same time.

    python benchmarks/train.py --race --text tinyshakespeare.txt    # seconds to the same validation loss, three seeds
    python benchmarks/train.py --ladder                             # the effect of each part of our recipe
    python benchmarks/train.py --throughput                         # tokens/s, and the fraction of the matmul peak
    python benchmarks/train.py --kernels                            # a step with the fused kernels and without
    python benchmarks/train.py --shapes                             # step time and memory by length and batch

`--race` measures the time to 1.886 nats per character on tiny Shakespeare, with 4 layers of width 128 and context 64:
with the plain recipe in its usual 2,000 steps, and with ours. The two take turns step by step, and only training is
timed. Keep the machine quiet; `--json` ends with the result on one line.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
from common import tiny_shakespeare, write_result
from shakespeare import OURS, RECIPE, TARGET, Shakespeare, our_run, plain_run, side_by_side
from throughput import kernels_gain, shapes, throughput


def race(data: Shakespeare, seeds: int) -> dict:
    rows = []
    for seed in range(seeds):
        ours, plain = our_run(data, seed, OURS, RECIPE), plain_run(data, seed)
        side_by_side(ours, plain)
        row = {
            "seed": seed,
            "seconds_ours": round(ours.seconds, 2),
            "seconds_plain": round(plain.seconds, 2),
            "ratio": round(plain.seconds / ours.seconds, 2),
            "loss_ours": round(data.loss(ours.model), 4),
            "loss_plain": round(data.loss(plain.model), 4),
        }
        rows.append(row)
        verdict = "reached" if row["loss_ours"] <= TARGET else "MISSED"
        print(
            f"seed {seed}: ours {row['loss_ours']:.3f} ({TARGET} {verdict}), plain {row['loss_plain']:.3f}; "
            f"{row['ratio']:.1f} times as fast",
            flush=True,
        )
    figures = {name: [row[name] for row in rows] for name in ("seconds_ours", "seconds_plain", "ratio")}
    return figures | {
        "target": TARGET,
        "reached": all(row["loss_ours"] <= TARGET for row in rows),
        "median_ratio": statistics.median(figures["ratio"]),
        "rows": rows,
    }


# Each entry adds one change to the previous ones. The first is the plain recipe's model with our loop and number of
# steps, and a learning rate that suits AdamW.
LADDER = [
    (
        "GPT-2 style, AdamW, cosine",
        dict(norm="layernorm", activation="gelu", position="learned", d_ff=512),
        RECIPE | dict(optimizer="adamw", schedule="cosine", learning_rate=3e-3, bf16=False),
    ),
    ("RMSNorm", dict(norm="rmsnorm"), {}),
    ("rotary positions", dict(position="rotary", rope_theta=100.0), {}),
    ("QK-norm", dict(qk_norm=True), {}),
    ("squared ReLU", dict(activation="relu2"), {}),
    ("one key/value head, F = 256", dict(n_kv_heads=1, d_ff=256), {}),
    ("untied head", dict(tie_embeddings=False), {}),
    ("larger initial embeddings", dict(embedding_std=0.3), {}),
    ("WSD schedule", {}, dict(schedule="wsd")),
    ("Muon", {}, dict(optimizer="muon", learning_rate=RECIPE["learning_rate"])),
    ("bfloat16 products", {}, dict(bf16=None)),
]


def ladder(data: Shakespeare, seeds: int) -> dict:
    """Measure the loss after the same number of tokens and the time per step, for each entry of the ladder."""
    shape, recipe, rows = {}, {}, []
    for name, shape_change, recipe_change in LADDER:
        shape, recipe = shape | shape_change, recipe | recipe_change
        runs = [our_run(data, seed, shape, recipe) for seed in range(seeds)]
        for run in runs:
            side_by_side(run)
        losses = [data.loss(run.model) for run in runs]
        seconds = [run.seconds / run.length for run in runs]
        rows.append({"rung": name, "losses": losses, "step_seconds": min(seconds)})
        print(f"{name:28} loss {statistics.fmean(losses):.3f}   step {1e3 * min(seconds):.0f} ms", flush=True)
    return {"steps": RECIPE["steps"], "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_mutually_exclusive_group(required=True)
    for name in ("race", "ladder", "throughput", "kernels", "shapes"):
        parts.add_argument(f"--{name}", dest="part", action="store_const", const=name)
    parser.add_argument("--text", type=Path, default=tiny_shakespeare(), help="for --race and --ladder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("highest")
    if arguments.part in ("race", "ladder"):
        if arguments.text is None:
            parser.error("the text is missing; run: minillm fetch tiny-shakespeare")
        if not arguments.text.is_file():
            parser.error(f"there is no file {arguments.text}; give its path with --text")
        data = Shakespeare(arguments.text)
        result = {"race": race, "ladder": ladder}[arguments.part](data, arguments.seeds)
    else:
        result = {"throughput": throughput, "kernels": kernels_gain, "shapes": shapes}[arguments.part]()
    result = {"threads": torch.get_num_threads(), **result}
    suffix = "" if arguments.part == "race" else f"_{arguments.part}"
    print(f"written to {write_result(f'train{suffix}', result).name}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
