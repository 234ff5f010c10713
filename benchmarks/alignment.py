"""PPO, GRPO, DPO and distillation on the same preferences, beside what costs no training: how much does each gain?

    python benchmarks/alignment.py                                # three seeds, an hour and a half each on one core
    python benchmarks/alignment.py --methods ppo dpo --seeds 1
    python benchmarks/alignment.py --kept                         # only what is kept already; writes the result

All methods start from the course's chat model and are asked the same held-out questions, greedily and at temperature 1.
PPO and GRPO train on the same reward model. DPO trains on pairs of the chat model's own answers, labeled by the same
raters. `dpo-rounds` is iterated DPO: three rounds, each on new answers of the model so far, which is its reference.
`dpo-rounds-first` keeps the chat model as the reference in all rounds. `dpo-judge` is DPO on the pairs of `dpo`,
labeled by the reward model. `distilled` is SFT on the best of 16 answers to each of 1,000 training instructions, and
`distilled-any`, its control, on any one answer to each.

Three baselines cost no training: greedy answers of the chat model; a fixed "Certainly." in front of every answer that
is not polite yet (`prefix`); and the best of 4 or 64 answers by the reward model. A gain over the chat model at the
same temperature is split into right answers and manners, in points of gold utility; intervals are Student's t over
seeds. `closed` is the share of best-of-64's gain, in the same two parts.

Policies and answers are kept in --folder, so an interrupted benchmark resumes there, and a new column needs no new
training.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from common import write_result
from gold import PARTS, TEMPERATURES, ask, describe, each, gain, over_seeds, points, prefixed, rewards
from measures import stored

import minillm
from minillm.analysis.alignment import LONGEST, askable, win_rate
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
from minillm.posttraining.best_of_n import best_of_n, draw
from minillm.posttraining.dpo import dpo
from minillm.posttraining.grpo import grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.ppo import ppo
from minillm.posttraining.reward import relabel
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.world.instructions import Instruction, Instructions
from minillm.world.raters import Rater

ASKED = 300  # held-out instructions
STREAM = 3_000_000  # their seed, beyond all seeds used in training
NS = (1, 2, 4, 8, 16, 32, 64)  # of best-of-n; all of them pick among the same 64 answers
# Best-of-n, distilled: SFT on the best of 16 answers to 1,000 instructions. The settings of rejection sampling.
DISTILLED, DISTILLED_N, DISTILLATION_BATCH = 1000, 16, 8
DISTILLATION = replace(REASONING_REJECTION.training, steps=150)
ROUND = 1000  # how far apart the seeds of two rounds are
METHODS = ("ppo", "grpo", "dpo", "dpo-rounds", "dpo-rounds-first", "dpo-judge", "distilled", "distilled-any")
COMPARED = (  # at both temperatures: the first minus the second
    ("ppo", "grpo"),
    ("ppo", "dpo"),
    ("ppo", "dpo-rounds"),
    ("dpo-rounds", "dpo"),
    ("dpo-rounds", "dpo-rounds-first"),
    ("distilled", "distilled-any"),
    *((method, "prefix") for method in METHODS),
)
COLUMNS = "{:18} {:8} {:>16} {:>16} {:>16} {:>7} {:>7} {:>7} {:>6} {:>6}"


@dataclass(frozen=True)
class Trained:
    """The policies of one seed, each trained when it is first asked for and kept in a folder."""

    seed: int
    folder: Path

    def __call__(self, name: str) -> Transformer:
        """The policy of a method; of iterated DPO also that of a round, such as dpo-rounds/2."""
        if name in ("dpo-rounds", "dpo-rounds-first"):
            return self(f"{name}/3")
        folder = self.folder / f"seed{self.seed}" / "policies" / name
        if not (done := folder / "seconds.json").exists():
            seed_everything(self.seed)
            start = time.process_time()
            self.train(name, folder)
            write_json(done, {"seconds": time.process_time() - start})
        return minillm.load(folder)[0]

    def seconds(self, method: str) -> float:
        """Of the processor, for training with all that it samples; of iterated DPO all rounds, the first included."""
        names = (method,)
        if method in ("dpo-rounds", "dpo-rounds-first"):
            names = ("dpo", f"{method}/2", f"{method}/3")
        folder = self.folder / f"seed{self.seed}" / "policies"
        return sum(read_json(folder / name / "seconds.json")["seconds"] for name in names)

    def train(self, name: str, folder: Path) -> None:
        method, _, number = name.partition("/")
        if method in ("ppo", "grpo"):
            return self.online(method, folder)
        if method in ("distilled", "distilled-any"):
            return self.distilled(folder, DISTILLED_N if method == "distilled" else 1)
        if not number:  # one round
            return self.dpo(models.sft()[0], self.seed, folder, judged=method == "dpo-judge")
        before = self("dpo" if number == "2" else f"{method}/{int(number) - 1}")  # the first round of both is `dpo`
        first = models.sft()[0] if method == "dpo-rounds-first" else None
        return self.dpo(before, self.seed + (int(number) - 1) * ROUND, folder, first)

    def online(self, method: str, folder: Path) -> None:
        model, tokenizer = models.sft()
        train, recipe = (ppo, WORLD_PPO) if method == "ppo" else (grpo, WORLD_GRPO)
        config: Any = replace(recipe, seed=self.seed)
        prompts = world_prompts(tokenizer, PROMPTS, self.seed, model.config.max_seq_len - config.max_new_tokens)
        data = PromptData(prompts, models.reward()[0].eval().score, [tokenizer.eos_id])
        train(model, data, config, folder, tokenizer, show)

    def dpo(
        self, model: Transformer, stream: int, folder: Path, reference: Transformer | None = None, judged: bool = False
    ) -> None:
        """One round on pairs of the model's own answers."""
        tokenizer = models.sft()[1]
        own = partial(own_answers, model, tokenizer, seed=stream)
        found = world_preferences(DPO, Rater(), stream, own)
        train, held_out = (encode_preferences(tokenizer, part, model.config.max_seq_len).pairs for part in found)
        if judged:
            train, held_out = (relabel(models.reward()[0], part) for part in (train, held_out))
        data = PairData(PairBatches(train, DPO.batch_size, self.seed), held_out)
        dpo(model, data, DPO.training, folder, tokenizer, show, reference)

    def distilled(self, folder: Path, n: int) -> None:
        """SFT on what best-of-n picks among the chat model's own answers to instructions that SFT has not seen."""
        model, tokenizer = models.sft()
        asked = askable(model, tokenizer, Instructions(PROMPT_STREAM + self.seed).stream(), DISTILLED)
        prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in asked]
        score, stop = models.reward()[0].eval().score, [tokenizer.eos_id]
        picked, _ = best_of_n(model, prompts, n, score, LONGEST, stop, self.seed)
        texts = [tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_id else ids) for ids in picked]
        chats = [
            [*one.messages[:-1], {"role": "assistant", "content": text}] for one, text in zip(asked, texts, strict=True)
        ]
        train, held_out = (encode_conversations(tokenizer, part) for part in hold_out(chats))
        shape = tokenizer.end_id, model.config.max_seq_len, DISTILLATION_BATCH, self.seed
        data = ChatData.from_examples(train, held_out, *shape)
        sft(model, data, DISTILLATION, folder, tokenizer, show)


def show(line: Any) -> None:
    figures = (f"{name} {line[name]:.2f}" for name in ("loss", "reward", "margin", "kl") if name in line)
    print(f"  step {line['step']}: {', '.join(figures)}      ", end="\r", flush=True)


def best_of(seed: int, asked: Sequence[Instruction]) -> dict[str, dict]:
    """Best-of-n by n: the points by part of the winner of each n answers, averaged over all groups of n among 64."""
    model, tokenizer = models.sft()
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in asked]
    drawn = draw(model, prompts, max(NS), LONGEST, [tokenizer.eos_id], seed)
    scores = models.reward()[0].eval().score([prompt for prompt in prompts for _ in range(max(NS))], drawn)
    texts = [tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_id else ids) for ids in drawn]
    counted = [points(asked[number // max(NS)], text) for number, text in enumerate(texts)]
    found = {}
    for n in NS:
        groups = scores.view(-1, n)
        winners = [row * n + place for row, place in enumerate(groups.argmax(1).tolist())]
        of_question = max(NS) // n
        values = {part: torch.tensor([counted[row][part] for row in winners]).view(-1, of_question) for part in PARTS}
        found[str(n)] = {part: rows.double().mean(1).tolist() for part, rows in values.items()}
        found[str(n)]["reward"] = groups.amax(1).mean().item()
    return found


def run(seed: int, methods: Sequence[str], folder: Path, kept: bool = False) -> dict[str, dict]:
    """Train the methods that are not in the folder yet, and ask all of them the same questions."""
    reference, tokenizer = models.sft()
    reward_model = models.reward()[0].eval()
    asked = askable(reference, tokenizer, Instructions(STREAM + seed, "held-out").stream(), ASKED)
    trained, answers = Trained(seed, folder), folder / f"seed{seed}" / "answers"
    said = {"SFT": stored(answers / "SFT.json", lambda: ask(reference, tokenizer, asked, reference, seed))}
    said["prefix"] = {name: prefixed(draws, tokenizer) for name, draws in said["SFT"].items()}
    best = stored(answers / "best-of-n.json", lambda: best_of(seed, asked))
    for method in methods:
        path = answers / f"{method}.json"
        if path.exists() or not kept:
            said[method] = stored(path, lambda name=method: ask(trained(name), tokenizer, asked, reference, seed))
    before = {name: each(asked, draws) for name, draws in said["SFT"].items()}
    table: dict[str, dict] = {}
    for method, temperatures in said.items():
        row = {}
        for name, draws in temperatures.items():
            path = answers / f"{method}-{name}-reward.json"
            row[name] = describe(asked, draws) | {"gain": gain(each(asked, draws), before[name])}
            row[name]["reward"] = stored(path, lambda said=draws: rewards(reward_model, tokenizer, asked, said))
        wins = win_rate(each(asked, temperatures["sampled"])["gold"], before["sampled"]["gold"])
        table[method] = row | {"win_rate": [wins.rate, wins.low, wins.high]}
        if method in METHODS:
            table[method]["seconds"] = trained.seconds(method)
    for n, found in best.items():
        row = {part: fmean(found[part]) for part in PARTS} | {"gain": gain(found, before["sampled"])}
        table[f"best-of-{n}"] = {"sampled": row | {"reward": found["reward"]}}
    whole = table[f"best-of-{max(NS)}"]["sampled"]["gold"] - table["SFT"]["sampled"]["gold"]
    for row in table.values():
        now = row["sampled"]
        row["closed"] = {part: (now[part] - table["SFT"]["sampled"][part]) / whole for part in PARTS}
    return table


def summary(runs: Sequence[dict[str, dict]]) -> dict[str, Any]:
    """Means over seeds with intervals: gold points, gains by part, and differences of two methods."""
    rows: dict[str, Any] = {}
    for method in (name for name in runs[0] if all(name in table for table in runs)):
        rows[method] = {}
        for name in (name for name in TEMPERATURES if name in runs[0][method]):
            found = [table[method][name] for table in runs]
            rows[method][name] = {"gold": over_seeds([row["gold"] for row in found])} | {
                f"gain_{part}": over_seeds([row["gain"][part][0] for row in found]) for part in PARTS
            }
    differences = [
        {"first": first, "second": second, "temperature": name}
        | {part: over_seeds([t[first][name][part] - t[second][name][part] for t in runs]) for part in PARTS}
        for first, second in COMPARED
        if first in rows and second in rows
        for name in TEMPERATURES
    ]
    return {"methods": rows, "differences": differences}


def lines(runs: Sequence[dict[str, dict]], means: dict[str, Any]) -> list[str]:
    """The table for a terminal."""
    heads = ("method", "", "gold", "gain: right", "gain: manners", "right", "polite", "words", "KL", "seeds")
    made = [COLUMNS.format(*heads)]
    for method, temperatures in means["methods"].items():
        for name, row in temperatures.items():
            found = [table[method][name] for table in runs]
            cells = []
            for key in ("gold", "gain_right", "gain_manners"):
                half = "" if row[key]["low"] is None else f" ± {row[key]['mean'] - row[key]['low']:.2f}"
                cells.append(f"{row[key]['mean']:.2f}{half}")
            for key, spec in (("right_share", ".1%"), ("polite", ".0%"), ("words", ".1f"), ("kl", ".2f")):
                there = [one[key] for one in found if key in one]
                cells.append(format(fmean(there), spec) if there else "")
            made.append(COLUMNS.format(method, name, *cells, len(found)))
    for row in means["differences"]:
        gold = row["gold"]
        interval = "" if gold["low"] is None else f" ({gold['low']:.2f} to {gold['high']:.2f})"
        made.append(f"{row['temperature']:8} {row['first']} - {row['second']}: {gold['mean']:+.2f}{interval}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="each has its own prompts and questions"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--folder", type=Path, default=Path("runs/alignment"), help="keeps policies and answers")
    parser.add_argument("--kept", action="store_true", help="only what is kept already: writes the result")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = [run(seed, arguments.methods, arguments.folder, arguments.kept) for seed in arguments.seeds]
    means = summary(runs)
    print(*lines(runs, means), sep="\n")
    whole = {"asked": ASKED, "seeds": arguments.seeds, "runs": runs, "summary": means}
    print(f"written to {write_result('alignment', whole)}")
    if arguments.json:
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
