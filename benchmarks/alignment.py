"""PPO, GRPO and DPO on the same preferences: how much of the gain of best-of-64 does each reach?

    python benchmarks/alignment.py                                # three seeds
    python benchmarks/alignment.py --methods ppo dpo --seeds 1 --json

All methods start from the course's chat model. Best-of-64 samples 64 answers to every held-out instruction and keeps
the one with the highest reward. PPO and GRPO train on the same reward model. DPO trains on pairs of the chat model's
own answers, labeled by the same raters, and `dpo-judge` on the same pairs labeled by the reward model. The metric is
the gold utility of sampled answers, in points, on the same instructions; `closed` is (method - SFT) / (best-of-64 -
SFT). The seconds include generating the training data.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean

from common import write_result

from minillm.analysis.alignment import LONGEST, Estimate, Report, askable, assess, win_rate
from minillm.course import models
from minillm.data.chat import encode_chat
from minillm.data.pairs import PairBatches, PairData, encode_preferences
from minillm.data.preferences import Rater, utility
from minillm.device import seed_everything
from minillm.model.transformer import Transformer
from minillm.posttraining.best_of_n import best_of_n
from minillm.posttraining.dpo import dpo
from minillm.posttraining.grpo import grpo
from minillm.posttraining.online import OnlineConfig, PromptData
from minillm.posttraining.ppo import ppo
from minillm.posttraining.recipes import (
    DPO,
    PROMPTS,
    WORLD_GRPO,
    WORLD_PPO,
    own_answers,
    world_preferences,
    world_prompts,
)
from minillm.posttraining.reward import relabel
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction, Instructions

ASKED = 300  # held-out instructions
STREAM = 3_000_000  # their seed, beyond all seeds used in training
N = 64
METHODS = ("ppo", "grpo", "dpo", "dpo-judge")
COLUMNS = "{:12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}"


def train_online(train: Callable, recipe: OnlineConfig, seed: int, reward_model: RewardModel) -> Transformer:
    model, tokenizer = models.sft()
    config = replace(recipe, seed=seed)
    prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - config.max_new_tokens)
    return train(model, PromptData(prompts, reward_model.score, [tokenizer.eos_id]), config, on_metrics=show)[0]


def train_dpo(seed: int, reward_model: RewardModel | None = None) -> Transformer:
    model, tokenizer = models.sft()
    found = world_preferences(DPO, Rater(), seed, lambda asked: own_answers(model, tokenizer, asked, seed=seed))
    train, held_out = (encode_preferences(tokenizer, part, model.config.max_seq_len).pairs for part in found)
    if reward_model is not None:
        train, held_out = relabel(reward_model, train), relabel(reward_model, held_out)
    data = PairData(PairBatches(train, DPO.batch_size, seed), held_out)
    return dpo(model, data, DPO.training, on_metrics=show)[0]


def show(line: dict) -> None:
    figures = (f"{name} {line[name]:.2f}" for name in ("loss", "reward", "margin", "kl") if name in line)
    print(f"  step {line['step']}: {', '.join(figures)}      ", end="\r", flush=True)


def best_of_64(tokenizer: Tokenizer, asked: list[Instruction], reward_model: RewardModel, seed: int) -> list[float]:
    """Compute the gold utilities of the answers that the reward model picks."""
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in asked]
    picked, _ = best_of_n(models.sft()[0], prompts, N, reward_model.score, LONGEST, [tokenizer.eos_id], seed)
    texts = (tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_id else ids) for ids in picked)
    return [utility(instruction, text) for instruction, text in zip(asked, texts, strict=True)]


def figures(report: Report, reference: Report, ceiling: float) -> dict[str, float | list[float]]:
    names = ("accuracy", "utility", "reward", "kl")
    before = reference.utility.mean
    wins = win_rate(report.utilities, reference.utilities)
    return {name: getattr(report, name).mean for name in names} | {
        "utility_stderr": report.utility.stderr,
        "closed": (report.utility.mean - before) / (ceiling - before),
        "length": report.length,
        "distinct": report.distinct[1],
        "win_rate": [wins.rate, wins.low, wins.high],
    }


def run(seed: int, methods: Sequence[str]) -> dict[str, dict]:
    """Run all methods with one seed and evaluate them on the same instructions."""
    seed_everything(seed)
    reference, tokenizer = models.sft()
    reward_model = models.reward()[0].eval()
    asked = askable(reference, tokenizer, Instructions(STREAM + seed, "held-out").stream(), ASKED)
    start = time.perf_counter()
    best = Estimate.of(best_of_64(tokenizer, asked, reward_model, seed))
    seconds = time.perf_counter() - start
    before = assess(reference, tokenizer, asked, reference, reward_model, seed)
    table = {"SFT": {"seconds": 0.0} | figures(before, before, best.mean)}
    table["best-of-64"] = {"seconds": seconds, "utility": best.mean, "utility_stderr": best.stderr, "closed": 1.0}
    training = {
        "ppo": lambda: train_online(ppo, WORLD_PPO, seed, reward_model),
        "grpo": lambda: train_online(grpo, WORLD_GRPO, seed, reward_model),
        "dpo": lambda: train_dpo(seed),
        "dpo-judge": lambda: train_dpo(seed, reward_model),
    }
    for method in methods:
        start = time.perf_counter()
        model = training[method]()
        seconds = time.perf_counter() - start
        after = assess(model, tokenizer, asked, reference, reward_model, seed)
        table[method] = {"seconds": seconds} | figures(after, before, best.mean)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="each has its own prompts, answers and instructions")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    runs = [run(seed, arguments.methods) for seed in range(arguments.seeds)]
    print(COLUMNS.format("method", "seconds", "utility", "closed", "min", "KL", "right", "words", "win rate"))
    for method in runs[0]:
        rows = [table[method] for table in runs]
        means = [fmean(row[name] for row in rows) if name in rows[0] else float("nan") for name in
                 ("seconds", "utility", "closed", "kl", "accuracy", "length")]  # fmt: skip
        wins = fmean(row["win_rate"][0] for row in rows) if "win_rate" in rows[0] else float("nan")
        seconds, points, closed, kl, right, words = means
        lowest = min(row["closed"] for row in rows)
        print(COLUMNS.format(method, f"{seconds:.0f}", f"{points:.2f}", f"{closed:.0%}", f"{lowest:.0%}", f"{kl:.2f}",
                             f"{right:.1%}", f"{words:.1f}", f"{wins:.1%}"))  # fmt: skip
    print(f"written to {write_result('alignment', {'asked': ASKED, 'runs': runs})}")
    if arguments.json:
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
