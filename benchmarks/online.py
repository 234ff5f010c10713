"""Rounds of GRPO per minute (sample, score, update) of the course's chat model: with the fast forms and without.

    python benchmarks/online.py                             # three seeds, some ten minutes on one core
    python benchmarks/online.py --against ../old-checkout   # and compared with another version of the package
    python benchmarks/online.py --threads 2 --json

A round has 64 answers: 8 to each of 8 prompts, scored by the course's reward model, then two passes of updates. The
contestants are processes that take turns, one round each, and wait while another is measured. "by PyTorch" is the same
program with MINILLM_NATIVE=0. The ratio is the median over rounds of the same number.
Rewards are means over the last third of the rounds; all contestants see the same prompts, and their answers part where
rounding does.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
PROMPTS_PER_STEP = 8  # with 8 answers each
FAST, PLAIN = "fast forms", "by PyTorch"


def take_turns(seed: int, rounds: int, threads: int) -> None:
    """Train, in a process of its own: one round for each line of stdin, whose seconds and reward go to stdout."""
    import torch

    from minillm.course import models
    from minillm.course.recipes.prompts import PROMPTS, WORLD_GRPO, world_prompts
    from minillm.posttraining.grpo import grpo
    from minillm.posttraining.online import PromptData

    torch.set_num_threads(threads)
    model, tokenizer = models.sft()
    reward_model = models.reward()[0].eval()
    config = replace(WORLD_GRPO, steps=rounds + 1, prompts_per_step=PROMPTS_PER_STEP, seed=seed)  # the first warms up
    prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - config.max_new_tokens)
    start = 0.0

    def report(metrics: Any) -> None:
        nonlocal start
        print(json.dumps({"seconds": time.perf_counter() - start, "reward": metrics["reward"]}), flush=True)
        if metrics["step"] < config.steps:
            sys.stdin.readline()
        start = time.perf_counter()

    grpo(model, PromptData(prompts, reward_model.score, [tokenizer.end_id]), config, on_metrics=report)


def compete(contestants: dict[str, tuple[Path, bool]], seed: int, rounds: int, threads: int) -> dict[str, list[dict]]:
    """The rounds of each contestant, a checkout and whether it does without the C step."""
    processes, found = {}, {name: [] for name in contestants}
    for name, (checkout, plain) in contestants.items():
        command = [sys.executable, __file__, "--turns", str(seed), str(rounds), str(threads)]
        switches = {"MINILLM_NATIVE": "0"} if plain else {}
        environment = os.environ | switches | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(threads)}
        pipes: dict[str, Any] = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes[name] = subprocess.Popen(command, cwd=checkout, env=environment, **pipes)
        answer(processes[name].stdout)
    for _ in range(rounds):
        for name, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            found[name].append(answer(process.stdout))
    for process in processes.values():
        process.wait()
    return found


def answer(stdout: IO[str] | None) -> dict[str, float]:
    assert stdout is not None
    return json.loads(stdout.readline())


def summary(runs: list[dict[str, list[dict]]], name: str, baseline: str) -> dict[str, Any]:
    """Rounds per minute, how many times that of the baseline, and the reward of each seed's last third."""
    rounds = [one["seconds"] for run in runs for one in run[name]]
    ratios = [
        slow["seconds"] / fast["seconds"] for run in runs for slow, fast in zip(run[baseline], run[name], strict=True)
    ]
    rewards = [fmean(one["reward"] for one in run[name][-(len(run[name]) // 3) :]) for run in runs]
    return {"rounds_per_minute": 60 / median(rounds), "ratio": median(ratios), "rewards": rewards}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="each has its own prompts and answers")
    parser.add_argument("--rounds", type=int, default=24, help="of each seed, without the first, which is not timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--against", type=Path, help="another checkout of this repository, which takes turns, too")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    parser.add_argument("--turns", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turns:
        take_turns(*arguments.turns)
        return
    from common import write_result

    contestants = {PLAIN: (ROOT, True), FAST: (ROOT, False)}
    if arguments.against is not None:
        contestants = {f"{arguments.against.name}": (arguments.against.resolve(), False), **contestants}
    baseline = next(iter(contestants))
    runs = [compete(contestants, seed, arguments.rounds, arguments.threads) for seed in range(arguments.seeds)]
    result = {name: summary(runs, name, baseline) for name in contestants}
    for name, row in result.items():
        rewards = ", ".join(f"{reward:.2f}" for reward in row["rewards"])
        print(f"{name:20} {row['rounds_per_minute']:6.1f} rounds per minute, {row['ratio']:.2f} x; rewards {rewards}")
    settings = {"rounds": arguments.rounds, "threads": arguments.threads, "answers": 8 * PROMPTS_PER_STEP}
    print(f"written to {write_result('online', settings | {'contestants': result})}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
