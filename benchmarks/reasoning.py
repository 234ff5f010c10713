"""Does a model find out that showing its steps pays? Reinforcement learning from verifiable rewards, over seeds.

    python benchmarks/reasoning.py                                # three seeds
    python benchmarks/reasoning.py --seeds 1 --steps 20           # shorter
    python benchmarks/reasoning.py --base runs/base --json

Each seed has its own SFT start, which can show its steps and seldom does (`posttraining/reasoning.py`). From there
GRPO, REINFORCE and rejection sampling learn from the same verifier, without a reward model. Two more parts belong to
rejection sampling: its control learns from answers that nobody verified, and distillation from the right answers of the
model that GRPO made. Measured on held-out problems and on chains longer than any in training: accuracy, the share of
answers with steps, tokens per answer, pass@k (of right results, and of right steps), self-consistency. Every part of
every seed is kept in --folder when it is done; an interrupted benchmark resumes there.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

from common import RESULTS, write_result

from minillm.analysis.reasoning import many_answers, pass_at, solve, sound, vote_at
from minillm.course import models
from minillm.course.recipes.chat import problems
from minillm.course.recipes.prompts import PROMPT_STREAM, PROMPTS
from minillm.course.recipes.reasoning import (
    FAMILIES,
    REASONING,
    REASONING_GRPO,
    REASONING_REINFORCE,
    REASONING_REJECTION,
    REJECTION_PROBLEMS,
    checks_of,
    verified_job,
)
from minillm.data.chat import chat_tokenizer
from minillm.device import seed_everything
from minillm.files import read_json, write_json
from minillm.model.transformer import Transformer
from minillm.posttraining.grpo import grpo
from minillm.posttraining.online import OnlineConfig, Reward
from minillm.posttraining.reinforce import reinforce
from minillm.posttraining.verifiers import Verifier
from minillm.pretrained import load, save
from minillm.tokenizer import Tokenizer
from minillm.viz.figures import BLUE, GREEN, ORANGE, png
from minillm.viz.figures.style import INK, in_style, new_panels
from minillm.world.answers import shows_steps

STREAM = 5_000_000  # the seed of the problems measured on, beyond all seeds used in training
ASKED = 300  # held-out problems, and as many longer chains, with one answer each
SAMPLED = 100  # of them with 64 answers each
KS = (1, 2, 4, 8, 16, 32, 64)  # of pass@k
VOTES = (1, 4, 16, 64)  # answers that vote
NAMES = {
    "start": "SFT",
    "grpo": "GRPO",
    "reinforce": "REINFORCE",
    "rejection": "rejection sampling",
    "unverified": "all samples",
    "distilled": "distillation",
}  # part: its name, in the order in which they are made
Chat = tuple[Transformer, Tokenizer]


class Watched:
    """A reward that notes the share of answers with steps in each round."""

    def __init__(self, reward: Verifier):
        self.reward, self.worked = reward, []

    def __call__(self, prompts: list[list[int]], answers: list[list[int]]) -> Any:
        """The verifier's rewards."""
        self.worked.append(fmean(shows_steps(self.reward.text(answer)) for answer in answers))
        return self.reward(prompts, answers)


def train_start(base: Chat, seed: int, steps: int | None) -> tuple[Chat, dict]:
    recipe = REASONING
    if steps:
        recipe = replace(
            recipe, training=replace(recipe.training, steps=steps), instructions=40 * steps, worked_steps=4 * steps // 5
        )
    job = recipe.prepare(*base, seed)
    model, history = job.run(on_metrics=show)
    return (model, job.tokenizer), {"val_loss": history[-1]["val_loss"]}


def train_online(method: Callable, recipe: OnlineConfig, chat: Chat, seed: int, steps: int | None) -> tuple[Chat, dict]:
    config = replace(recipe, seed=seed, steps=steps or recipe.steps)
    job = verified_job(method, config, *chat, FAMILIES, PROMPTS, seed)
    watched: Reward = Watched(job.data.reward)
    job.data = replace(job.data, reward=watched)
    model, history = job.run(on_metrics=show)
    curve = {
        "updates": list(accumulate(line["updates"] for line in history)),
        "accuracy": [line["reward"] for line in history],
        "worked": watched.worked,
        "tokens": [line["answer_length"] for line in history],
    }
    return (model, chat[1]), {"curve": curve}


def train_rejection(
    chat: Chat, seed: int, steps: int | None, teacher: Transformer | None = None, verify: bool = True
) -> tuple[Chat, dict]:
    recipe = REASONING_REJECTION
    if steps:
        recipe = replace(recipe, training=replace(recipe.training, steps=steps))
    asked = checks_of(problems(FAMILIES, REJECTION_PROBLEMS, PROMPT_STREAM + seed))
    job = recipe.prepare(*chat, asked, seed, teacher, verify)
    return (job.run(on_metrics=show)[0], chat[1]), {}


def show(line: dict) -> None:
    figures = (f"{name} {line[name]:.2f}" for name in ("loss", "reward", "answer_length") if name in line)
    print(f"  step {line['step']}: {', '.join(figures)}      ", end="\r", flush=True)


def measure(chat: Chat, seed: int) -> dict:
    asked = problems(FAMILIES, ASKED, STREAM + seed, "held-out")
    longer = problems({"long_chain": 1}, ASKED, STREAM + seed, "held-out")
    result = {
        where: {"greedy": asdict(solve(*chat, some)), "sampled": asdict(solve(*chat, some, 1.0, seed))}
        for where, some in (("held-out", asked), ("longer chains", longer))
    }
    texts = many_answers(*chat, asked[:SAMPLED], max(KS), seed)
    result["pass_at"] = pass_at(asked[:SAMPLED], texts, KS)
    result["sound_at"] = pass_at(asked[:SAMPLED], texts, KS, sound)
    result["vote_at"] = vote_at(asked[:SAMPLED], texts, VOTES)
    return json.loads(json.dumps(result))  # with keys as a file has them


def run(seed: int, base: Callable[[], Chat], folder: Path, steps: int | None) -> dict[str, dict]:
    """Make and measure the parts of one seed that are not in the folder yet."""
    table = {}
    for part in NAMES:
        kept, out = folder / f"seed{seed}" / part, folder / f"seed{seed}" / f"{part}.json"
        if not out.exists():
            print(f"seed {seed}, {NAMES[part]}")
            seed_everything(seed)
            begin = time.perf_counter()
            chat = base() if part == "start" else load(folder / f"seed{seed}" / "start")
            chat = chat[0], chat_tokenizer(chat[1])
            if part == "start":
                chat, own = train_start(chat, seed, steps)
            elif part in ("rejection", "unverified", "distilled"):
                teacher = load(folder / f"seed{seed}" / "grpo")[0] if part == "distilled" else None
                chat, own = train_rejection(chat, seed, steps, teacher, verify=part != "unverified")
            else:
                method, recipe = (grpo, REASONING_GRPO) if part == "grpo" else (reinforce, REASONING_REINFORCE)
                chat, own = train_online(method, recipe, chat, seed, steps)
            own["seconds"] = time.perf_counter() - begin
            save(*chat, kept)
            write_json(out, own | measure(chat, seed))
        table[part] = read_json(out)
    return table


def mean_of(runs: Sequence[dict], part: str, *path: str) -> float:
    """The mean over seeds of one number of a part."""
    values = []
    for table in runs:
        value = table[part]
        for name in path:
            value = value[name]
        values.append(value)
    return fmean(values)


def finding(runs: Sequence[dict]) -> str:
    """The title of the figure, computed from the numbers: greedy answers on held-out problems."""
    worked, right, tokens = (
        [mean_of(runs, part, "held-out", "greedy", name) for part in ("start", "grpo")]
        for name in ("worked", "accuracy", "tokens")
    )
    verb = "raises" if worked[1] > worked[0] and right[1] > right[0] else "moves"
    return (
        f"GRPO on right results alone {verb} answers with steps from {worked[0]:.0%} to {worked[1]:.0%}, "
        f"tokens per answer from {tokens[0]:.0f} to {tokens[1]:.0f},\nand accuracy from {right[0]:.0%} to "
        f"{right[1]:.0%} (greedy, held-out problems, {len(runs)} seed{'s' * (len(runs) > 1)})"
    )


@in_style
def picture(runs: Sequence[dict]) -> bytes:
    """Three panels: accuracy and steps by updates, length by updates, and pass@k with votes before and after."""
    figure, ((shares, lengths, samples),) = new_panels(1, 3, 3.6, 11)
    panels = [(shares, "accuracy", ": right", BLUE), (shares, "worked", ": with steps", ORANGE)]
    panels += [(lengths, "tokens", "", INK)]
    for table in runs:
        for part, style in (("grpo", "-"), ("reinforce", "--")):
            curve = table[part]["curve"]
            for axes, key, what, color in panels:
                smooth = [fmean(curve[key][max(0, n - 4) : n + 1]) for n in range(len(curve[key]))]
                axes.plot(curve["updates"], smooth, style, color=color, linewidth=1, label=NAMES[part] + what)
        for part, when, color in (("start", "before", BLUE), ("grpo", "after GRPO", GREEN)):
            for key, style, what in (("pass_at", "-o", "pass@k"), ("vote_at", ":s", "vote of k")):
                ks, values = list(map(int, table[part][key])), list(table[part][key].values())
                samples.plot(ks, values, style, color=color, linewidth=1, markersize=3, label=f"{what}, {when}")
    shares.set(xlabel="updates", ylabel="share of sampled answers", ylim=(0, 1))
    lengths.set(xlabel="updates", ylabel="tokens per answer", ylim=(0, None))
    samples.set(xlabel="k answers", ylabel="share of problems", ylim=(0, 1), xscale="log")
    samples.set_xticks(KS, map(str, KS))
    samples.minorticks_off()
    for axes in (shares, lengths, samples):
        handles, labels = axes.get_legend_handles_labels()
        named = dict(zip(labels, handles, strict=True))  # one entry for all seeds
        columns = 2 if axes is samples else 1
        axes.legend(named.values(), named.keys(), loc="lower right", frameon=False, fontsize=7, ncols=columns)
    figure.suptitle(finding(runs), fontsize=10)
    return png(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="each has its own start, problems and answers")
    parser.add_argument("--steps", type=int, help="steps of every training, to shorten it")
    parser.add_argument("--base", help="a base model's run folder; without it the course's")
    parser.add_argument("--folder", type=Path, default=Path("runs/reasoning"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    base = (lambda: load(arguments.base)) if arguments.base else models.base
    runs = [run(seed, base, arguments.folder, arguments.steps) for seed in range(arguments.seeds)]
    columns = "{:20} {:>9} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8}"
    print(
        columns.format(
            "means over seeds", "seconds", "right", "steps", "tokens", "longer", "pass@1", "pass@64", "vote@64"
        )
    )
    for part in NAMES:
        paths = [("held-out", "greedy", "accuracy"), ("held-out", "greedy", "worked"), ("held-out", "greedy", "tokens")]
        paths += [("longer chains", "greedy", "accuracy"), ("pass_at", "1"), ("pass_at", "64"), ("vote_at", "64")]
        right, worked, tokens, *others = (mean_of(runs, part, *path) for path in paths)
        row = [f"{right:.1%}", f"{worked:.1%}", f"{tokens:.1f}", *(f"{share:.1%}" for share in others)]
        print(columns.format(NAMES[part], f"{mean_of(runs, part, 'seconds'):.0f}", *row))
    print(finding(runs))
    print(f"written to {write_result('reasoning', {'asked': ASKED, 'sampled': SAMPLED, 'runs': runs})}")
    (RESULTS / "reasoning.png").write_bytes(picture(runs))
    if arguments.json:
        print(json.dumps(runs))


if __name__ == "__main__":
    main()
