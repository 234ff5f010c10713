"""Reward hacking: optimized further and further, a proxy reward keeps rising while the gold utility falls.

    python benchmarks/reward_hacking.py                          # five runs on three seeds, ten minutes each on a core
    python benchmarks/reward_hacking.py --runs low good --seeds 1
    python benchmarks/reward_hacking.py --kept                   # only what is kept already; writes the result

GRPO optimizes a reward from the course's chat model, all runs at the same rate and for the same number of rounds:

    low         a proxy of raters who give 0.15 points per word, hardly more than the 0.1 that the gold utility takes
                off: a head alone, from 2,000 pairs; beta = 0
    low-0.05, low-0.2   the same proxy with a KL penalty
    high        raters who give 0.3 points per word, so that twenty words outweigh a right answer; 200 pairs; beta = 0
    good        the control: the course's reward model, of raters without a bias; beta = 0

The bias and the rate were chosen on seed 0, which is left out here. At each checkpoint, answers to held-out questions
get the reward that is optimized and gold points; answers to questions that the run has trained on get the reward, too.
So overfitting (reward lower on held-out questions) and over-optimization (gold falls while the reward rises) can be
told apart. Gao et al. 2023 measured the second with a larger reward model as the gold standard. What is done is kept in
--folder; an interrupted benchmark resumes there.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_result
from gold import ask, describe, each, gain, over_seeds, rewards
from measures import stored

from minillm.analysis.alignment import askable
from minillm.course import models
from minillm.course.recipes.preferences import LOVER_OF_LENGTH, WEAK_REWARD, WorldPairs
from minillm.course.recipes.prompts import LONGEST_ANSWER, PROMPT_STREAM, PROMPTS
from minillm.data.batches import Shuffled
from minillm.data.chat import encode_chat
from minillm.posttraining.grpo import GRPOConfig, grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.reward_model import RewardModel
from minillm.viz.figures import BLUE, GREEN, ORANGE, in_style, png
from minillm.viz.figures.style import new_panels
from minillm.world.instructions import Instructions
from minillm.world.raters import Rater


@dataclass(frozen=True)
class Proxy:
    """The raters, and how a reward model learns from them."""

    rater: Rater
    pairs: WorldPairs


@dataclass(frozen=True)
class Run:
    """What is optimized (None: the course's reward model), and the KL coefficient."""

    title: str
    proxy: str | None
    kl_coef: float = 0.0


PROXIES = {
    "low": Proxy(
        Rater(length_bias=0.15, name="slight"),
        replace(WEAK_REWARD, pairs=2000, training=replace(WEAK_REWARD.training, steps=250)),
    ),
    "high": Proxy(LOVER_OF_LENGTH, WEAK_REWARD),
}
RUNS = {
    "low": Run("proxy, 0.15 points per word", "low"),
    "good": Run("course's reward model", None),
    "low-0.2": Run("proxy, 0.15, beta = 0.2", "low", 0.2),
    "low-0.05": Run("proxy, 0.15, beta = 0.05", "low", 0.05),
    "high": Run("proxy, 0.3 points per word", "high"),
}
SEEDS = (1, 2, 3)  # not 0, on which the bias and the rate were chosen
TRAINING = GRPOConfig(steps=80, learning_rate=3e-4, kl_coef=0.0, max_new_tokens=LONGEST_ANSWER)
MEASURED = (0, 2, 5, 8, 10, 12, 15, 20, 30, 40, 60, 80)  # rounds
RECENT = 5  # rounds before a checkpoint whose training reward is averaged
ASKED = 300  # held-out questions
SEEN_ROUNDS = 20  # the questions of the first rounds are asked again at each checkpoint: 160
SHOWN = 3  # answers that are kept
TICKS = (0, 1, 10, 30, 60, 100, 150)  # nats
ZOOM = 5  # nats
CLEAR = 2.0  # standard errors


@cache
def reward_model(name: str | None, seed: int) -> RewardModel:
    if name is None:
        return models.reward()[0].eval()
    recipe = models.RewardRecipe(seed, rater=PROXIES[name].rater, pairs=PROXIES[name].pairs)
    return models.make_reward(recipe)[0].eval()


def optimize(name: str, seed: int) -> list[dict]:
    """Optimize one reward with one seed; returns a row for each checkpoint."""
    (model, tokenizer), (reference, _), run = models.sft(), models.sft(), RUNS[name]
    judge, config = reward_model(run.proxy, seed), replace(TRAINING, seed=seed, kl_coef=run.kl_coef)
    held_out = askable(model, tokenizer, Instructions(PROMPT_STREAM + seed, "held-out").stream(), ASKED)
    longest = model.config.max_seq_len - LONGEST_ANSWER
    drawn = Instructions(PROMPT_STREAM + seed).instructions(PROMPTS)
    learned = [one for one in drawn if len(encode_chat(tokenizer, one.messages[:-1])) <= longest]
    order = Shuffled(len(learned), config.prompts_per_step, seed)
    seen = [learned[number] for step in range(SEEN_ROUNDS) for number in order[step].tolist()]
    rows: list[dict] = []
    first: dict[str, dict[str, list[float]]] = {}

    def measure(number: int, recent: Sequence[float]) -> None:
        row: dict[str, Any] = {"round": number, "training_reward": fmean(recent) if recent else None}
        for part, asked in (("held_out", held_out), ("seen", seen)):
            for temperature, said in ask(model, tokenizer, asked, reference, seed, draws=1).items():
                where = f"{part}_{temperature}"
                counted = each(asked, said)
                row[where] = describe(asked, said) | {"reward": rewards(judge, tokenizer, asked, said)}
                row[where]["gain"] = gain(counted, first.setdefault(where, counted))
                if where == "held_out_sampled":
                    row["samples"] = [[one.prompt, it["text"]] for one, it in zip(asked[:SHOWN], said[0], strict=False)]
        rows.append(row)

    history: list[float] = []

    def watch(line: Mapping[str, Any]) -> None:
        history.append(line["reward"])
        print(f"  {name}, seed {seed}, round {line['step']}: {line['reward']:.2f}, KL {line['kl']:.2f}  ", end="\r")
        if line["step"] in MEASURED:
            measure(line["step"], history[-RECENT:])

    measure(0, [])
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in learned]
    grpo(model, PromptData(prompts, judge.score, [tokenizer.eos_id]), config, on_metrics=watch)
    return rows


def begins_to_fall(rows: Sequence[dict], part: str, temperature: str = "sampled") -> int | None:
    """The first checkpoint from which on a part of the gold points stays clearly below that of the chat model."""
    low = [row[f"held_out_{temperature}"]["gain"][part] for row in rows]
    below = [mean < -CLEAR * error for mean, error in low]
    for number, row in enumerate(rows):
        if all(below[number:]):
            return row["round"]
    return None


def summary(table: Mapping[str, Sequence[Sequence[dict]]]) -> dict[str, Any]:
    """By run: means over seeds at each checkpoint, and where gold, right answers and manners begin to fall."""
    found: dict[str, Any] = {}
    for name, seeds in table.items():
        rows = []
        for at in zip(*seeds, strict=True):
            values = {
                "kl": [row["held_out_sampled"]["kl"] for row in at],
                "reward": [row["held_out_sampled"]["reward"] for row in at],
                "reward_seen": [row["seen_sampled"]["reward"] for row in at],
                "gold": [row["held_out_sampled"]["gold"] for row in at],
                "gold_greedy": [row["held_out_greedy"]["gold"] for row in at],
                "gain_right": [row["held_out_sampled"]["gain"]["right"][0] for row in at],
                "gain_manners": [row["held_out_sampled"]["gain"]["manners"][0] for row in at],
                "right": [row["held_out_sampled"]["right_share"] for row in at],
                "right_greedy": [row["held_out_greedy"]["right_share"] for row in at],
                "words": [row["held_out_sampled"]["words"] for row in at],
                "ended": [row["held_out_sampled"]["ended"] for row in at],
            }
            rows.append({"round": at[0]["round"]} | {key: over_seeds(those) for key, those in values.items()})
        falls = {
            f"{part}, {temperature}": [begins_to_fall(those, part, temperature) for those in seeds]
            for part in ("gold", "right")
            for temperature in ("greedy", "sampled")
        }
        found[name] = {"rows": rows, "begins_to_fall": falls}
    return found


@in_style
def picture(table: Mapping[str, Sequence[Sequence[dict]]]) -> bytes:
    """Draw gains in reward, gold utility and right answers over the KL from SFT: whole on top, the first nats below."""
    figure, panels = new_panels(2, len(table), height=6.0, width=3.4 * len(table))
    for column, (name, seeds) in enumerate(table.items()):
        for axes, zoomed in ((panels[0][column], False), (panels[1][column], True)):
            for label, color, of in (
                ("reward that is optimized", ORANGE, lambda row: row["reward"]),
                ("gold utility", BLUE, lambda row: row["gold"]),
                ("right answers", GREEN, lambda row: row["right"]),
            ):
                for number, rows in enumerate(seeds):
                    points = [row["held_out_sampled"] for row in rows]
                    gains = [of(row) - of(points[0]) for row in points]
                    nats = [max(row["kl"], 0.0) for row in points]
                    style = {"color": color, "linewidth": 1, "markersize": 3, "label": None if number else label}
                    axes.plot(nats, gains, "-o", **style)
            axes.axhline(0, color="0.6", linewidth=0.8)
            if zoomed:
                axes.set(xlim=(0, ZOOM), ylim=(-1.5, 1.5), xlabel="KL from SFT, nats per answer")
            else:
                axes.set_xscale("function", functions=(np.sqrt, np.square))  # as in Gao et al. 2023, figure 1
                axes.set_xticks(TICKS, map(str, TICKS))
                axes.set_xlim(0, None)
                axes.set_title(RUNS[name].title, loc="left", fontsize=9)
            if not column:
                axes.set_ylabel("gain over SFT, points")
    panels[0][0].legend(loc="upper left", frameon=False)
    return png(figure)


def show(means: Mapping[str, Any]) -> None:
    keys = ("kl", "reward", "reward_seen", "gold", "gain_right", "gain_manners", "right", "right_greedy", "words")
    columns = "{:9} {:>5}" + " {:>12}" * (len(keys) + 1)
    print(columns.format("run", "round", *keys, "ended"))
    for name, found in means.items():
        for row in found["rows"]:
            print(columns.format(name, row["round"], *(f"{row[key]['mean']:.2f}" for key in (*keys, "ended"))))
        print(name, "begins to fall at round", found["begins_to_fall"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", choices=RUNS, nargs="+", default=list(RUNS))
    parser.add_argument("--seeds", type=int, default=3, help="each with its own proxy, questions and answers")
    parser.add_argument("--folder", type=Path, default=Path("runs/reward_hacking"), help="keeps what is done")
    parser.add_argument("--kept", action="store_true", help="only what is kept already: writes the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table: dict[str, list] = {name: [] for name in arguments.runs}
    for seed in islice(SEEDS, arguments.seeds):
        for name in arguments.runs:
            path = arguments.folder / f"{name}-{seed}.json"
            if path.exists() or not arguments.kept:
                table[name].append(stored(path, lambda name=name, seed=seed: optimize(name, seed)))
    table = {name: seeds for name, seeds in table.items() if seeds}
    means = summary(table)
    show(means)
    (RESULTS / "reward_hacking.png").write_bytes(picture(table))
    about = {name: asdict(RUNS[name]) for name in table}
    biases = {name: one.rater.length_bias for name, one in PROXIES.items()}
    result = {"biases": biases, "seeds": SEEDS[: arguments.seeds], "about": about, "summary": means, "runs": table}
    print(f"written to {write_result('reward_hacking', result)} and a .png")


if __name__ == "__main__":
    main()
