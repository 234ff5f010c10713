"""Reward hacking: optimized further and further, the proxy reward keeps rising while the gold utility falls.

    python benchmarks/reward_hacking.py                          # two proxies, three seeds, five minutes each on a core
    python benchmarks/reward_hacking.py --proxies low --seeds 1 --json

A proxy is a reward model with a head alone that learned from raters who take length for quality. GRPO optimizes it
without a KL penalty, from the course's chat model. After some rounds, answers to held-out instructions get a proxy
reward and a gold utility:

    low     raters who give 0.15 points per word, hardly more than the 0.1 that the gold utility takes off; 2,000 pairs
    high    raters who give 0.3 points per word, so that twenty words outweigh a right answer; 200 pairs

Gao et al. 2023 measured the same with a larger reward model as the gold standard. Runs that are done are kept in the
cache, so an interrupted benchmark resumes.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean

import numpy as np
from common import RESULTS, write_result

from minillm.analysis.alignment import askable, assess
from minillm.assets import cache_dir
from minillm.course import models
from minillm.course.recipes.preferences import LOVER_OF_LENGTH, WEAK_REWARD, WorldPairs
from minillm.course.recipes.prompts import LONGEST_ANSWER, PROMPT_STREAM, PROMPTS, world_prompts
from minillm.files import read_json, write_json
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.reward_model import RewardModel
from minillm.viz.figures import BLUE, ORANGE, in_style, png
from minillm.viz.figures.style import new_panels
from minillm.world.instructions import Instructions
from minillm.world.raters import Rater


@dataclass(frozen=True)
class Proxy:
    """The raters, and how a reward model learns from them."""

    rater: Rater
    pairs: WorldPairs


PROXIES = {
    "low": Proxy(
        Rater(length_bias=0.15, name="slight"),
        replace(WEAK_REWARD, pairs=2000, training=replace(WEAK_REWARD.training, steps=250)),
    ),
    "high": Proxy(LOVER_OF_LENGTH, WEAK_REWARD),
}
TRAINING = GRPOConfig(steps=80, learning_rate=3e-4, kl_coef=0.0, max_new_tokens=LONGEST_ANSWER)
MEASURED = (0, 2, 5, 10, 20, 40, 80)  # rounds
ASKED = 300  # held-out instructions
SHOWN = 3  # answers that are kept
TICKS = (0, 1, 10, 30, 60, 100, 150)  # nats
FIGURES = ("kl", "reward", "utility", "accuracy", "length", "ended")


@cache
def proxy(name: str, seed: int) -> RewardModel:
    return models.make_reward(models.RewardRecipe(seed, rater=PROXIES[name].rater, pairs=PROXIES[name].pairs))[0]


def run(name: str, seed: int, kept: Path) -> list[dict]:
    """Optimize one proxy and measure on the way, or read what is kept."""
    model, tokenizer = models.sft()
    config = replace(TRAINING, seed=seed)
    parts = [repr((PROXIES[name], config)).encode(), *(p.detach().numpy().tobytes() for p in model.parameters())]
    path = kept / f"{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}.json"
    if not path.exists():
        reward_model, reference = proxy(name, seed), models.sft()[0]
        asked = askable(model, tokenizer, Instructions(PROMPT_STREAM + seed, "held-out").stream(), ASKED)
        rows = []

        def measure(number: int) -> None:
            report = asdict(assess(model, tokenizer, asked, reference, reward_model, seed))
            means = {key: report[key]["mean"] for key in ("accuracy", "utility", "kl", "reward")}
            samples = list(zip((one.prompt for one in asked[:SHOWN]), report["texts"], strict=False))
            others = {"length": report["length"], "ended": report["ended"], "samples": samples}
            rows.append({"round": number} | means | others)

        def watch(line: dict) -> None:
            step = line["step"]
            print(f"  {name}, seed {seed}, round {step}: proxy {line['reward']:.2f}, KL {line['kl']:.2f}", end="\r")
            if step in MEASURED:
                measure(step)

        measure(0)
        prompts = world_prompts(tokenizer, PROMPTS, seed, model.config.max_seq_len - LONGEST_ANSWER)
        data = PromptData(prompts, reward_model.score, [tokenizer.eos_id])
        grpo(model, data, config, on_metrics=watch)
        kept.mkdir(parents=True, exist_ok=True)
        write_json(path, {"rounds": rows})
    return read_json(path)["rounds"]


def course_of(seeds: Sequence[Sequence[dict]], figure: str) -> list[float]:
    """The mean over seeds of one figure, round by round."""
    return [fmean(row[figure] for row in rows) for rows in zip(*seeds, strict=True)]


def finding(name: str, seeds: Sequence[Sequence[dict]]) -> str:
    """State what the gold utility does, in one line; it rises only if it does with every seed."""
    gold, bias = course_of(seeds, "utility"), PROXIES[name].rater.length_bias
    highest = max(range(len(gold)), key=gold.__getitem__)
    rises = all(rows[highest]["utility"] > rows[0]["utility"] for rows in seeds)
    top = f"rises from {gold[0]:.2f} to {gold[highest]:.2f}, then falls" if rises else f"falls from {gold[0]:.2f}"
    return f"{bias} points per word: gold utility {top} to {gold[-1]:.2f}"


@in_style
def picture(table: dict[str, list[list[dict]]]) -> bytes:
    """Draw the gain in proxy reward and in gold utility over the KL from SFT, one line per seed, a panel per proxy."""
    figure, (panels,) = new_panels(1, len(table), height=3.4, width=5.2 * len(table))
    for axes, (name, seeds) in zip(panels, table.items(), strict=True):
        for key, label, color in (("reward", "proxy reward", ORANGE), ("utility", "gold utility", BLUE)):
            for number, rows in enumerate(seeds):
                gains = [row[key] - rows[0][key] for row in rows]
                nats = [max(row["kl"], 0.0) for row in rows]
                axes.plot(nats, gains, "-o", color=color, linewidth=1, markersize=3, label=None if number else label)
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.set_xscale("function", functions=(np.sqrt, np.square))  # as in Gao et al. 2023, figure 1
        axes.set_xticks(TICKS, map(str, TICKS))
        axes.set(xlim=(0, None), xlabel="KL from SFT, nats per answer", ylabel="gain over SFT, points")
        axes.set_title(finding(name, seeds), loc="left", fontsize=9)
        axes.legend(loc="upper left", frameon=False)
    return png(figure)


def show(table: dict[str, list[list[dict]]]) -> None:
    columns = "{:>6} {:>6}" + " {:>8}" * len(FIGURES)
    print(columns.format("proxy", "round", "KL", "proxy", "utility", "right", "words", "ended"))
    for name, seeds in table.items():
        for number, rows in zip(MEASURED, zip(*seeds, strict=True), strict=True):
            for values in (*rows, {figure: fmean(row[figure] for row in rows) for figure in FIGURES}):
                where = number if values in rows else "mean"
                print(columns.format(name, where, *(f"{values[figure]:.2f}" for figure in FIGURES)))
        print(f"{finding(name, seeds)}. The last answers of the first seed:")
        for prompt, text in seeds[0][-1]["samples"]:
            print(f"  {prompt[-100:]!r}\n    {text!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxies", choices=PROXIES, nargs="+", default=list(PROXIES), help="by their raters' bias")
    parser.add_argument("--seeds", type=int, default=3, help="each with its own proxy, prompts and answers")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    kept = cache_dir() / "reward_hacking"
    table = {name: [run(name, seed, kept) for seed in range(arguments.seeds)] for name in arguments.proxies}
    show(table)
    (RESULTS / "reward_hacking.png").write_bytes(picture(table))
    result = {"biases": {name: PROXIES[name].rater.length_bias for name in table}, "proxies": table}
    print(f"written to {write_result('reward_hacking', result)} and a .png")
    if arguments.json:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
