"""Reward hacking, measured: as leaving the reference gets cheaper, the proxy rises on and the gold utility turns over.

    python benchmarks/reward_hacking.py         # PPO at four prices, three seeds, some three minutes each on two cores
    python benchmarks/reward_hacking.py --method grpo --prices 0.1 0 --json

The proxy is a reward model of 200 pairs whose raters take length for quality; the gold utility knows better. The
course's chat model is trained for the proxy, at one price of a nat of KL after the other, and asked held-out
instructions: what does the proxy think of its answers, and what are they worth? Gao et al. 2023 measured the same with
a larger reward model as the gold. Runs are kept in the cache: what was interrupted goes on, and what is done is done.
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
PRICES = (0.3, 0.1, 0.03, 0.0)  # points of the proxy a nat
ASKED = 300  # held-out instructions to be measured on
SHOWN = 3  # answers
FIGURES = ("kl", "reward", "utility", "accuracy", "length", "ended")
COLUMNS = "{:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}"


def proxy(seed: int) -> RewardModel:
    return models.make_reward(models.RewardRecipe(seed, rater=LOVER_OF_LENGTH, pairs=WEAK_REWARD))[0]


def run(method: str, price: float, steps: int, seed: int, kept: Path) -> dict:
    """Train for the proxy at one price and measure; or read what was measured before with the same models."""
    model, tokenizer = models.sft()
    judge = proxy(seed)
    train, settings = METHODS[method]
    config = settings(steps=steps, kl_coef=price, seed=seed, max_new_tokens=LONGEST_ANSWER)
    weights = [parameter.detach().numpy().tobytes() for one in (model, judge) for parameter in one.parameters()]
    folder = kept / hashlib.sha256(b"".join([repr(config).encode(), *weights])).hexdigest()[:16]
    done = folder / "measured.json"
    if done.exists():
        return json.loads(done.read_text(encoding="utf-8"))
    prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - LONGEST_ANSWER)
    data = PromptData(prompts, judge.score, [tokenizer.eos_id])
    model, history = train(model, data, config, folder, tokenizer, progress)
    result = {"price": price, "seconds": history[-1]["seconds"]} | measured(model, tokenizer, judge, seed)
    done.write_text(json.dumps(result), encoding="utf-8")
    return result


def progress(line: dict) -> None:
    print(f"  step {line['step']}: proxy {line['reward']:.2f}, KL {line['kl']:.2f} nats", end="\r", flush=True)


def measured(model, tokenizer, judge: RewardModel, seed: int) -> dict:
    asked = askable(model, tokenizer, Instructions(PROMPT_STREAM + seed, "held-out").stream(), ASKED)
    report = assess(model, tokenizer, asked, models.sft()[0], judge, seed)
    samples = [[one.prompt, text] for one, text in zip(asked[:SHOWN], report.texts, strict=False)]
    return summary(report) | {"samples": samples}


def summary(report: Report) -> dict:
    figures = asdict(report)
    means = {name: figures[name]["mean"] for name in ("accuracy", "utility", "kl", "reward")}
    return means | {"length": report.length, "ended": report.ended}


def of_seed(seed: int, method: str, prices: Sequence[float], steps: int) -> list[dict]:
    """SFT, and a run at each price, with a proxy, prompts and answers of this seed's own."""
    model, tokenizer = models.sft()
    runs = [{"price": None} | measured(model, tokenizer, proxy(seed), seed)]
    for price in prices:
        runs.append(run(method, price, steps, seed, cache_dir() / "reward_hacking"))
    return runs


def draw(seeds: list[list[dict]]) -> bytes:
    """What each proxy says of the answers, and what they are worth, against the distance from SFT; a line a seed."""
    curves, places = {}, {}
    for name, figure in {"proxy": "reward", "gold utility": "utility"}.items():
        for seed, runs in enumerate(seeds):
            runs = sorted(runs, key=lambda one: one["kl"])
            curves[f"{name}, seed {seed}"] = [one[figure] for one in runs]
            places[f"{name}, seed {seed}"] = [one["kl"] for one in runs]
    return png(lines(curves, "KL from SFT, nats an answer", "points", x=places))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, default="ppo", help="what trains for the proxy")
    parser.add_argument("--prices", type=float, nargs="+", default=PRICES, help="of a nat of KL, in points")
    parser.add_argument("--steps", type=int, default=60, help="rounds of asking and learning at each price")
    parser.add_argument("--seeds", type=int, default=3, help="each with a proxy, prompts and answers of its own")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    settings = arguments.method, arguments.prices, arguments.steps
    seeds = [of_seed(seed, *settings) for seed in range(arguments.seeds)]
    print(COLUMNS.format("price", "KL", "proxy", "utility", "right", "words", "ended"))
    for runs in zip(*seeds, strict=True):
        price = "SFT" if runs[0]["price"] is None else runs[0]["price"]
        for row in (*runs, {name: statistics.fmean(one[name] for one in runs) for name in FIGURES}):
            print(COLUMNS.format(price if row in runs else "mean", *(f"{row[name]:.2f}" for name in FIGURES)))
    for one in (seeds[0][0], seeds[0][-1]):
        print(f"\nAt the price {one['price']}:" if one["price"] is not None else "\nSFT:")
        for prompt, text in one["samples"]:
            print(f"  {prompt[-100:]!r}\n    {text!r}")
    (RESULTS / "reward_hacking.png").write_bytes(draw(seeds))
    result = {"method": arguments.method, "steps": arguments.steps, "seeds": seeds}
    print(f"written to {write_result('reward_hacking', result)} and a .png")
    if arguments.json:
        print(json.dumps(seeds))


if __name__ == "__main__":
    main()
