"""PPO, GRPO, DPO and best-of-64 on the same preferences: what of the gap that best-of-64 opens does each close?

    python benchmarks/alignment.py                                # three seeds
    python benchmarks/alignment.py --methods ppo dpo --seeds 1 --json

All begin with the course's chat model. Best-of-64 draws 64 answers to every held-out instruction and keeps the one that
the course's reward model likes best; PPO and GRPO learn from that same reward model, DPO from pairs of the same raters,
among the chat model's own answers, and `dpo-judge` from the same pairs as the reward model has them. The gold utility
of sampled answers counts, in points, over the same instructions for all; `closed` is (method - SFT) / (best-of-64 -
SFT). Beside it stand the seconds that each took, the drawing of what it learns from included.
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
from minillm.posttraining.reward import as_judged
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction, Instructions

ASKED = 300  # held-out instructions
STREAM = 3_000_000  # their seed, beyond those that anything was trained on
N = 64
METHODS = ("ppo", "grpo", "dpo", "dpo-judge")
COLUMNS = "{:12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}"


def train_online(train: Callable, recipe: OnlineConfig, seed: int, judge: RewardModel) -> Transformer:
    model, tokenizer = models.sft()
    config = replace(recipe, seed=seed)
    prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - config.max_new_tokens)
    return train(model, PromptData(prompts, judge.score, [tokenizer.eos_id]), config, on_metrics=show)[0]


def train_dpo(seed: int, judge: RewardModel | None = None) -> Transformer:
    model, tokenizer = models.sft()
    found = world_preferences(DPO, Rater(), seed, lambda asked: own_answers(model, tokenizer, asked, seed=seed))
    train, held_out = (encode_preferences(tokenizer, part, model.config.max_seq_len).pairs for part in found)
    if judge is not None:
        train, held_out = as_judged(judge, train), as_judged(judge, held_out)
    data = PairData(PairBatches(train, DPO.batch_size, seed), held_out)
    return dpo(model, data, DPO.training, on_metrics=show)[0]


def show(line: dict) -> None:
    figures = (f"{name} {line[name]:.2f}" for name in ("loss", "reward", "margin", "kl") if name in line)
    print(f"  step {line['step']}: {', '.join(figures)}      ", end="\r", flush=True)


def best_of_64(tokenizer: Tokenizer, asked: list[Instruction], judge: RewardModel, seed: int) -> list[float]:
    """The gold utilities of what the reward model picks."""
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in asked]
    picked, _ = best_of_n(models.sft()[0], prompts, N, judge.score, LONGEST, [tokenizer.eos_id], seed)
    texts = (tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_id else ids) for ids in picked)
    return [utility(one, text) for one, text in zip(asked, texts, strict=True)]


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
    """All methods with one seed, measured on the same instructions."""
    seed_everything(seed)
    reference, tokenizer = models.sft()
    judge = models.reward()[0].eval()
    asked = askable(reference, tokenizer, Instructions(STREAM + seed, "held-out").stream(), ASKED)
    start = time.perf_counter()
    best = Estimate.of(best_of_64(tokenizer, asked, judge, seed))
    seconds = time.perf_counter() - start
    before = assess(reference, tokenizer, asked, reference, judge, seed)
    table = {"SFT": {"seconds": 0.0} | figures(before, before, best.mean)}
    table["best-of-64"] = {"seconds": seconds, "utility": best.mean, "utility_stderr": best.stderr, "closed": 1.0}
    training = {
        "ppo": lambda: train_online(ppo, WORLD_PPO, seed, judge),
        "grpo": lambda: train_online(grpo, WORLD_GRPO, seed, judge),
        "dpo": lambda: train_dpo(seed),
        "dpo-judge": lambda: train_dpo(seed, judge),
    }
    for method in methods:
        start = time.perf_counter()
        model = training[method]()
        seconds = time.perf_counter() - start
        after = assess(model, tokenizer, asked, reference, judge, seed)
        table[method] = {"seconds": seconds} | figures(after, before, best.mean)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="each draws its own prompts, answers and instructions")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    runs = [run(seed, arguments.methods) for seed in range(arguments.seeds)]
    print(COLUMNS.format("method", "seconds", "utility", "closed", "least", "KL", "right", "words", "win rate"))
    for method in runs[0]:
        rows = [one[method] for one in runs]
        means = [fmean(row[name] for row in rows) if name in rows[0] else float("nan") for name in
                 ("seconds", "utility", "closed", "kl", "accuracy", "length")]  # fmt: skip
        wins = fmean(row["win_rate"][0] for row in rows) if "win_rate" in rows[0] else float("nan")
        seconds, points, closed, kl, right, words = means
        least = min(row["closed"] for row in rows)
        print(COLUMNS.format(method, f"{seconds:.0f}", f"{points:.2f}", f"{closed:.0%}", f"{least:.0%}", f"{kl:.2f}",
                             f"{right:.1%}", f"{words:.1f}", f"{wins:.1%}"))  # fmt: skip
    print(f"written to {write_result('alignment', {'asked': ASKED, 'runs': runs})}")
    if arguments.json:
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
