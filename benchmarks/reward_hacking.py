"""Reward hacking: with a smaller KL coefficient the proxy reward keeps rising while the gold utility falls.

    python benchmarks/reward_hacking.py         # PPO, four KL coefficients, three seeds, three minutes each
    python benchmarks/reward_hacking.py --method grpo --kl-coefs 0.1 0 --json

The proxy is a reward model trained on 200 pairs by raters who prefer long answers. The course's chat model is trained
on the proxy with several KL coefficients, and its answers to held-out instructions get a proxy reward and a gold
utility. Gao et al. 2023 measured the same with a larger reward model as the gold standard. Runs are cached, so an
interrupted benchmark resumes.
"""

import argparse
import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from common import RESULTS, write_result

from minillm.analysis.alignment import Report, askable, assess
from minillm.assets import cache_dir
from minillm.course import models
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.posttraining.recipes import (
    LONGEST_ANSWER,
    LOVER_OF_LENGTH,
    PROMPT_STREAM,
    PROMPTS,
    WEAK_REWARD,
    world_prompts,
)
from minillm.posttraining.reward_model import RewardModel
from minillm.viz.figures import lines, png
from minillm.world.instructions import Instructions

METHODS = {"ppo": (ppo, PPOConfig), "grpo": (grpo, GRPOConfig)}
KL_COEFS = (0.3, 0.1, 0.03, 0.0)  # points of proxy reward per nat
ASKED = 300  # held-out instructions for the evaluation
SHOWN = 3  # answers that are printed
FIGURES = ("kl", "reward", "utility", "accuracy", "length", "ended")
COLUMNS = "{:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}"


def proxy(seed: int) -> RewardModel:
    return models.make_reward(models.RewardRecipe(seed, rater=LOVER_OF_LENGTH, pairs=WEAK_REWARD))[0]


def run(method: str, kl_coef: float, steps: int, seed: int, kept: Path) -> dict:
    """Train on the proxy with one KL coefficient and evaluate, or read the cached result."""
    model, tokenizer = models.sft()
    reward_model = proxy(seed)
    train, settings = METHODS[method]
    config = settings(steps=steps, kl_coef=kl_coef, seed=seed, max_new_tokens=LONGEST_ANSWER)
    weights = [p.detach().numpy().tobytes() for network in (model, reward_model) for p in network.parameters()]
    folder = kept / hashlib.sha256(b"".join([repr(config).encode(), *weights])).hexdigest()[:16]
    done = folder / "measured.json"
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - LONGEST_ANSWER)
    data = PromptData(prompts, reward_model.score, [tokenizer.eos_id])
    model, history = train(model, data, config, folder, tokenizer, progress)
    result = {"price": kl_coef, "seconds": history[-1]["seconds"]} | measured(model, tokenizer, reward_model, seed)
    done.write_text(json.dumps(result), encoding="utf-8")
    return result


def progress(line: dict) -> None:
    print(f"  step {line['step']}: proxy {line['reward']:.2f}, KL {line['kl']:.2f} nats", end="\r", flush=True)


def measured(model, tokenizer, reward_model: RewardModel, seed: int) -> dict:
    asked = askable(model, tokenizer, Instructions(PROMPT_STREAM + seed, "held-out").stream(), ASKED)
    report = assess(model, tokenizer, asked, models.sft()[0], reward_model, seed)
    samples = [[instruction.prompt, text] for instruction, text in zip(asked[:SHOWN], report.texts, strict=False)]
    return summary(report) | {"samples": samples}


def summary(report: Report) -> dict:
    figures = asdict(report)
    means = {name: figures[name]["mean"] for name in ("accuracy", "utility", "kl", "reward")}
    return means | {"length": report.length, "ended": report.ended}


def of_seed(seed: int, method: str, kl_coefs: Sequence[float], steps: int) -> list[dict]:
    """Evaluate SFT and a run per KL coefficient, with the proxy, prompts and answers of one seed."""
    model, tokenizer = models.sft()
    runs = [{"price": None} | measured(model, tokenizer, proxy(seed), seed)]
    for kl_coef in kl_coefs:
        runs.append(run(method, kl_coef, steps, seed, cache_dir() / "reward_hacking"))
    return runs


def draw(seeds: list[list[dict]]) -> bytes:
    """Draw proxy reward and gold utility over the KL from SFT, one line per seed."""
    curves, distances = {}, {}
    for name, figure in {"proxy": "reward", "gold utility": "utility"}.items():
        for seed, runs in enumerate(seeds):
            runs = sorted(runs, key=lambda row: row["kl"])
            curves[f"{name}, seed {seed}"] = [row[figure] for row in runs]
            distances[f"{name}, seed {seed}"] = [row["kl"] for row in runs]
    return png(lines(curves, "KL from SFT, nats per answer", "points", x=distances))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, default="ppo", help="the method that trains on the proxy")
    parser.add_argument("--kl-coefs", type=float, nargs="+", default=KL_COEFS, help="points per nat of KL")
    parser.add_argument("--steps", type=int, default=60, help="training steps for each KL coefficient")
    parser.add_argument("--seeds", type=int, default=3, help="each with its own proxy, prompts and answers")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    settings = arguments.method, arguments.kl_coefs, arguments.steps
    seeds = [of_seed(seed, *settings) for seed in range(arguments.seeds)]
    print(COLUMNS.format("KL coef", "KL", "proxy", "utility", "right", "words", "ended"))
    for runs in zip(*seeds, strict=True):
        kl_coef = "SFT" if runs[0]["price"] is None else runs[0]["price"]
        for row in (*runs, {name: statistics.fmean(seed_row[name] for seed_row in runs) for name in FIGURES}):
            print(COLUMNS.format(kl_coef if row in runs else "mean", *(f"{row[name]:.2f}" for name in FIGURES)))
    for row in (seeds[0][0], seeds[0][-1]):
        print(f"\nKL coefficient {row['price']}:" if row["price"] is not None else "\nSFT:")
        for prompt, text in row["samples"]:
            print(f"  {prompt[-100:]!r}\n    {text!r}")
    (RESULTS / "reward_hacking.png").write_bytes(draw(seeds))
    result = {"method": arguments.method, "steps": arguments.steps, "seeds": seeds}
    print(f"written to {write_result('reward_hacking', result)} and a .png")
    if arguments.json:
        print(json.dumps(seeds))


if __name__ == "__main__":
    main()
