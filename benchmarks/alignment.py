"""PPO, GRPO, DPO and distillation on the same preferences: how much of the gain of best-of-64 does each reach?

    python benchmarks/alignment.py                                # three seeds, an hour each on one core
    python benchmarks/alignment.py --methods ppo dpo --seeds 1 --json

All methods start from the course's chat model. Best-of-64 samples 64 answers to every held-out instruction and keeps
the one with the highest reward. PPO and GRPO train on the same reward model. DPO trains on pairs of the chat model's
own answers, labeled by the same raters. `dpo-rounds` is iterated DPO: three rounds, each on new answers of the model so
far. `dpo-judge` is DPO on the pairs of `dpo`, labeled by the reward model. `distilled` is SFT on the best of 16 answers
to each of 1,000 training instructions. The metric is the gold utility of sampled answers, in points, on the same
instructions; `closed` is (method - SFT) / (best-of-64 - SFT). The seconds include generating the training data. Each
run is kept in --folder when it is done; an interrupted benchmark resumes there.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

from common import write_result

from minillm.analysis.alignment import LONGEST, Estimate, Report, askable, assess, win_rate
from minillm.course import models
from minillm.course.recipes.preferences import DPO, own_answers, world_preferences
from minillm.course.recipes.prompts import PROMPT_STREAM, PROMPTS, WORLD_GRPO, WORLD_PPO, world_prompts
from minillm.course.recipes.reasoning import REASONING_REJECTION
from minillm.data.chat import encode_chat
from minillm.data.conversations import hold_out
from minillm.data.pairs import PairBatches, PairData, encode_preferences
from minillm.device import seed_everything
from minillm.files import read_json, write_json
from minillm.model.transformer import Transformer
from minillm.posttraining.best_of_n import best_of_n
from minillm.posttraining.dpo import dpo
from minillm.posttraining.grpo import grpo
from minillm.posttraining.online import OnlineConfig, PromptData
from minillm.posttraining.ppo import ppo
from minillm.posttraining.reward import relabel
from minillm.posttraining.reward_model import RewardModel
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction, Instructions
from minillm.world.raters import Rater, utility

ASKED = 300  # held-out instructions
STREAM = 3_000_000  # their seed, beyond all seeds used in training
N = 64
# Best-of-n, distilled: SFT on the best of 16 answers to 1,000 instructions. The settings of rejection sampling.
DISTILLED, DISTILLED_N, DISTILLATION_BATCH = 1000, 16, 8
DISTILLATION = replace(REASONING_REJECTION.training, steps=150)
ROUNDS, ROUND = 3, 1000  # of iterated DPO; how far apart the seeds of two rounds are
METHODS = ("ppo", "grpo", "dpo", "dpo-rounds", "dpo-judge", "distilled")
COLUMNS = "{:12}" + " {:>8}" * 8 + " {:>10}"


def train_online(train: Callable, recipe: OnlineConfig, seed: int, reward_model: RewardModel) -> Transformer:
    model, tokenizer = models.sft()
    config = replace(recipe, seed=seed)
    prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - config.max_new_tokens)
    return train(model, PromptData(prompts, reward_model.score, [tokenizer.eos_id]), config, on_metrics=show)[0]


def train_distilled(seed: int, reward_model: RewardModel) -> Transformer:
    """SFT on what best-of-n picks among the chat model's own answers to instructions that SFT has not seen."""
    model, tokenizer = models.sft()
    asked = askable(model, tokenizer, Instructions(PROMPT_STREAM + seed).stream(), DISTILLED)
    answers = picked(model, tokenizer, asked, DISTILLED_N, reward_model, seed)
    chats = [
        [*one.messages[:-1], {"role": "assistant", "content": text}] for one, text in zip(asked, answers, strict=True)
    ]
    train, held_out = (encode_conversations(tokenizer, part) for part in hold_out(chats))
    data = ChatData.from_examples(train, held_out, tokenizer.end_id, model.config.max_seq_len, DISTILLATION_BATCH, seed)
    return sft(model, data, DISTILLATION, on_metrics=show)[0]


def train_dpo(seed: int, reward_model: RewardModel | None = None, rounds: int = 1) -> Transformer:
    """Train on pairs of the model's own answers. Each round samples new ones, from the last model, its reference."""
    model, tokenizer = models.sft()
    for stream in range(seed, seed + rounds * ROUND, ROUND):
        own = partial(own_answers, model, tokenizer, seed=stream)
        found = world_preferences(DPO, Rater(), stream, own)
        train, held_out = (encode_preferences(tokenizer, part, model.config.max_seq_len).pairs for part in found)
        if reward_model is not None:
            train, held_out = relabel(reward_model, train), relabel(reward_model, held_out)
        data = PairData(PairBatches(train, DPO.batch_size, seed), held_out)
        model = dpo(model, data, DPO.training, on_metrics=show)[0]
    return model


def show(line: dict) -> None:
    figures = (f"{name} {line[name]:.2f}" for name in ("loss", "reward", "margin", "kl") if name in line)
    print(f"  step {line['step']}: {', '.join(figures)}      ", end="\r", flush=True)


def picked(
    model: Transformer, tokenizer: Tokenizer, asked: list[Instruction], n: int, reward_model: RewardModel, seed: int
) -> list[str]:
    """The texts that the reward model likes best among `n` answers to each instruction."""
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in asked]
    found, _ = best_of_n(model, prompts, n, reward_model.score, LONGEST, [tokenizer.eos_id], seed)
    return [tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_id else ids) for ids in found]


def figures(report: Report, reference: Report, asked: list[Instruction]) -> dict[str, float | list[float]]:
    names = ("accuracy", "utility", "reward", "kl")
    wins = win_rate(report.utilities, reference.utilities)
    return {name: getattr(report, name).mean for name in names} | {
        "utility_stderr": report.utility.stderr,
        "sampled_accuracy": fmean(one.check(text) for one, text in zip(asked, report.texts, strict=True)),
        "length": report.length,
        "distinct": report.distinct[1],
        "win_rate": [wins.rate, wins.low, wins.high],
    }


def run(seed: int, methods: Sequence[str], folder: Path) -> dict[str, dict]:
    """Run the methods that are not in the folder yet, and evaluate them on the same instructions."""
    seed_everything(seed)
    reference, tokenizer = models.sft()
    reward_model = models.reward()[0].eval()
    asked = askable(reference, tokenizer, Instructions(STREAM + seed, "held-out").stream(), ASKED)
    before = assess(reference, tokenizer, asked, reference, reward_model, seed)
    training = {
        "ppo": lambda: train_online(ppo, WORLD_PPO, seed, reward_model),
        "grpo": lambda: train_online(grpo, WORLD_GRPO, seed, reward_model),
        "dpo": lambda: train_dpo(seed),
        "dpo-rounds": lambda: train_dpo(seed, rounds=ROUNDS),
        "dpo-judge": lambda: train_dpo(seed, reward_model),
        "distilled": lambda: train_distilled(seed, reward_model),
    }
    table = {"SFT": {"seconds": 0.0} | figures(before, before, asked)}
    for method in ("best-of-64", *methods):
        kept = folder / f"seed{seed}" / f"{method}.json"
        if not kept.exists():
            start = time.perf_counter()
            if method == "best-of-64":
                texts = picked(reference, tokenizer, asked, N, reward_model, seed)
                seconds = time.perf_counter() - start
                best = Estimate.of([utility(one, text) for one, text in zip(asked, texts, strict=True)])
                right = fmean(one.check(text) for one, text in zip(asked, texts, strict=True))
                measured = {"utility": best.mean, "utility_stderr": best.stderr, "sampled_accuracy": right}
            else:
                model = training[method]()
                seconds = time.perf_counter() - start
                measured = figures(assess(model, tokenizer, asked, reference, reward_model, seed), before, asked)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_json(kept, {"seconds": seconds} | measured)
        table[method] = read_json(kept)
    gain = table["best-of-64"]["utility"] - before.utility.mean
    return {name: row | {"closed": (row["utility"] - before.utility.mean) / gain} for name, row in table.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="each has its own prompts, answers and instructions")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--folder", type=Path, default=Path("runs/alignment"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    runs = [run(seed, arguments.methods, arguments.folder) for seed in range(arguments.seeds)]
    heads = ("method", "seconds", "utility", "closed", "min", "KL", "right", "sampled", "words", "win rate")
    print(COLUMNS.format(*heads))
    for method in runs[0]:
        rows = [table[method] for table in runs]
        names = ("seconds", "utility", "closed", "kl", "accuracy", "sampled_accuracy", "length")
        means = [fmean(row[name] for row in rows) if name in rows[0] else float("nan") for name in names]
        wins = fmean(row["win_rate"][0] for row in rows) if "win_rate" in rows[0] else float("nan")
        seconds, points, closed, kl, right, sampled, words = means
        lowest = min(row["closed"] for row in rows)
        print(COLUMNS.format(method, f"{seconds:.0f}", f"{points:.2f}", f"{closed:.0%}", f"{lowest:.0%}", f"{kl:.2f}",
                             f"{right:.1%}", f"{sampled:.1%}", f"{words:.1f}", f"{wins:.1%}"))  # fmt: skip
    print(f"written to {write_result('alignment', {'asked': ASKED, 'runs': runs})}")
    if arguments.json:
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
