"""PPO in a minute: what a learner sees live in lesson 10b, what each brake does, and what a fixed prefix does without.

    python benchmarks/ppo_live.py                         # all runs, about a minute each on a free core
    python benchmarks/ppo_live.py --runs fresh --seeds 0
    python benchmarks/ppo_live.py --kept                  # only what is kept already; writes the result

Each run starts from the course's chat model and differs in one line of RUNS from `fresh`: 192 short questions, 16 of
them with 4 answers each per round, 20 rounds. `fixed` is the earlier live run: the same 16 questions in all of 12
rounds. `eos` gives every answer that does not end a fixed bad reward. The runs from `no clip` on are without one of
PPO's five brakes. Before and after, 200 held-out questions of all kinds and 200 short ones are answered
greedily and twice at temperature 1; beside them stand the chat model with a fixed prefix, the course's own PPO model
(160 rounds), and of 64 answers of the chat model the one that the reward model likes best. In each round, the share of
right and of polite answers is counted among the 64 that were sampled. Seconds are of the processor, for sampling,
scoring and updates. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from common import write_result
from gold import PARTS, Said, ask, describe, each, gain, over_seeds, polite, prefixed
from measures import stored

from minillm.course import models
from minillm.data.chat import encode_chat
from minillm.posttraining.best_of_n import best_of_n
from minillm.posttraining.online import Experience, PromptData, run_online
from minillm.posttraining.policy_gradient import gae, token_rewards
from minillm.posttraining.ppo import PPO, PPOConfig
from minillm.posttraining.rollout import Rollout
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.world.holdout import Split
from minillm.world.instructions import Instruction, Instructions

SHORT = 160  # characters of a short question, at most
LEARNED, FIXED = 192, 16  # questions
STREAM, APART, HELD_OUT = 6_000_000, 1000, 4_000_000  # seeds: of questions to learn from, between seeds, of the others
ASKED = 200
LONGEST = 40  # tokens of an answer
BEST_OF = 64
NO_END = -3.0  # points for an answer without an end; the chat model's own answer has 0
KEPT = ("reward", "kl", "clip_fraction", "policy_kl", "updates", "explained_variance", "value_loss", "entropy", "ended")


class Unwhitened(PPO):
    """PPO whose advantages are in points of reward."""

    def experience(
        self,
        rollout: Rollout,
        scores: torch.Tensor,
        hidden: torch.Tensor,
        old: torch.Tensor,
        reference: torch.Tensor,
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        made, metrics = super().experience(rollout, scores, hidden, old, reference, kl_coef)
        received = token_rewards(scores, old, reference, rollout.mask, kl_coef)
        advantages = gae(received, made.values, rollout.mask, self.config.discount, self.config.gae_lambda)
        return replace(made, advantages=advantages), metrics


BASE = PPOConfig(steps=20, learning_rate=2e-4, gae_lambda=1.0, max_new_tokens=LONGEST)


@dataclass(frozen=True)
class Run:
    """A live run: what it changes in `BASE`."""

    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    fixed: bool = False
    end_counts: bool = False
    method: type[PPO] = PPO
    seeds: int = 3


RUNS = {
    "fresh": Run("192 short questions, 20 rounds"),
    "fixed": Run("16 questions, 12 rounds", {"steps": 12, "learning_rate": 3e-4, "gae_lambda": 0.95}, fixed=True),
    "beta 0": Run("no KL penalty", {"kl_coef": 0.0}),
    "eos": Run("a bad reward without an end", end_counts=True, seeds=1),  # all answers end, so it changes nothing
    "no value": Run("values stay 0", {"value_coef": 1e-15}),  # so small that Adam's epsilon keeps the head where it is
    "no clip": Run("no clipping", {"clip": 1e6}),
    "no whitening": Run("advantages in points", method=Unwhitened),
    "no value clip": Run("values may move freely", {"value_clip": 1e6}),
    "no stop": Run("no stop_kl", {"stop_kl": 1e6}),
    "rate alone": Run("none of the other four", {"clip": 1e6, "kl_coef": 0.0, "stop_kl": 1e6, "value_clip": 1e6}),
    "rate x 5": Run("learning rate 1e-3", {"learning_rate": 1e-3}),
    "rate x 2.5": Run("learning rate 5e-4", {"learning_rate": 5e-4}),
    "rate x 5, eos": Run("1e-3, and an end counts", {"learning_rate": 1e-3}, end_counts=True, seeds=1),
    "rate x 5, no stop": Run("1e-3 without stop_kl", {"learning_rate": 1e-3, "stop_kl": 1e6}),
    "rate x 5, no clip": Run("1e-3 without clipping", {"learning_rate": 1e-3, "clip": 1e6}),
    "rate x 5, beta 0": Run("1e-3 without a KL penalty", {"learning_rate": 1e-3, "kl_coef": 0.0}),
}


def short(stream: int, count: int, split: Split = "training", longest: int = SHORT) -> list[Instruction]:
    """The first `count` instructions of a stream whose question has at most so many characters."""
    return list(islice((one for one in Instructions(stream, split).stream() if len(one.prompt) <= longest), count))


@cache
def questions() -> dict[str, list[Instruction]]:
    """Held-out questions of all kinds, and short ones."""
    every = Instructions(HELD_OUT, "held-out").instructions(ASKED)
    return {"all": every, "short": short(HELD_OUT, ASKED, "held-out")}


class Counted:
    """A reward that also counts, for each round, how many of the answers are right and how many polite."""

    def __init__(self, score: Callable, tokenizer: Tokenizer, asked: Sequence[Instruction], end_counts: bool = False):
        self.score, self.tokenizer, self.end_counts = score, tokenizer, end_counts
        self.of_prompt = {tuple(encode_chat(tokenizer, one.messages[:-1])): one for one in asked}
        self.rounds: list[dict[str, float]] = []

    @property
    def prompts(self) -> list[list[int]]:
        return [list(prompt) for prompt in self.of_prompt]

    def __call__(self, prompts: list[list[int]], answers: list[list[int]]) -> torch.Tensor:
        end = self.tokenizer.end_id
        texts = [self.tokenizer.decode([token for token in ids if token != end]) for ids in answers]
        right = [self.of_prompt[tuple(prompt)].check(text) for prompt, text in zip(prompts, texts, strict=True)]
        self.rounds.append({"right": fmean(right), "polite": fmean(map(polite, texts))})
        scores = self.score(prompts, answers)
        ended = torch.tensor([ids[-1] == end for ids in answers])
        return scores.masked_fill(~ended, NO_END) if self.end_counts else scores


def train(name: str, seed: int) -> dict[str, Any]:
    """One live run, and what its policy says before and after."""
    run, (model, tokenizer), (reference, _) = RUNS[name], models.sft(), models.sft()
    stream = STREAM + APART * seed
    asked = short(stream, FIXED, longest=500) if run.fixed else short(stream, LEARNED)
    reward = Counted(models.reward()[0].eval().score, tokenizer, asked, run.end_counts)
    config = replace(BASE, seed=seed, **run.changes)
    lines: list[dict[str, float]] = []

    def watch(line: Mapping[str, Any]) -> None:
        lines.append({key: round(line[key], 4) for key in KEPT})
        print(f"  {name}, seed {seed}, round {line['step']}: {line['reward']:.2f}, KL {line['kl']:.2f}  ", end="\r")

    start = time.process_time()
    data = PromptData(reward.prompts, reward, [tokenizer.end_id])
    run_online(run.method(model, config), data, None, None, watch)
    seconds = time.process_time() - start
    said = {kind: ask(model, tokenizer, those, reference, seed, longest=LONGEST) for kind, those in questions().items()}
    history = [line | counted for line, counted in zip(lines, reward.rounds, strict=True)]
    return {"seconds": seconds, "history": history, "said": without_ids(said)}


def chat_model() -> dict[str, Any]:
    model, tokenizer = models.sft()
    return without_ids({kind: ask(model, tokenizer, those, longest=LONGEST) for kind, those in questions().items()})


def long_run() -> dict[str, Any]:
    """What the course's PPO model says, which was trained for 160 rounds."""
    (model, tokenizer), (reference, _) = models.ppo(), models.sft()
    kinds = questions().items()
    return without_ids({kind: ask(model, tokenizer, those, reference, longest=LONGEST) for kind, those in kinds})


def best_of() -> dict[str, Any]:
    """Of 64 sampled answers to each question the one with the highest reward, as if it were the greedy answer."""
    (model, tokenizer), judge = models.sft(), models.reward()[0].eval()
    asked = questions()["all"]
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in asked]
    end = tokenizer.end_id
    kept, _ = best_of_n(model, prompts, BEST_OF, judge.score, LONGEST, [end])
    texts = [tokenizer.decode([token for token in ids if token != end]) for ids in kept]
    rows = [{"text": text, "ended": ids[-1] == end, "log_ratio": None} for text, ids in zip(texts, kept, strict=True)]
    return {"all": {"greedy": [rows]}}


def without_ids(said: Any) -> Any:
    """Answers without their ids, which a text-level figure does not need."""
    if isinstance(said, dict):
        return {key: without_ids(value) for key, value in said.items() if key != "ids"}
    return [without_ids(value) for value in said] if isinstance(said, list) else said


def with_fixed_prefix(said: Mapping[str, Mapping[str, Said]], tokenizer: Tokenizer) -> dict[str, Any]:
    kinds = said.items()
    rows = {
        kind: {name: [[one | {"ids": []} for one in d] for d in draws] for name, draws in of.items()}
        for kind, of in kinds
    }
    return {kind: {name: prefixed(draws, tokenizer) for name, draws in of.items()} for kind, of in rows.items()}


def described(said: Mapping[str, Mapping[str, Said]], before: Mapping[str, Mapping[str, Said]]) -> dict[str, Any]:
    """Figures of the answers to both sets of questions at both temperatures, with gains over the chat model's."""
    asked = questions()
    return {
        kind: {
            name: describe(asked[kind], draws)
            | {"gain": gain(each(asked[kind], draws), each(asked[kind], before[kind][name]))}
            for name, draws in temperatures.items()
        }
        for kind, temperatures in said.items()
    }


def brakes(history: Sequence[Mapping[str, float]], most: float) -> dict[str, float]:
    """What held a run back: tokens outside the clip range, rounds cut short by stop_kl, and how far it went."""
    return {
        "clip_fraction": fmean(line["clip_fraction"] for line in history),
        "stopped": sum(line["updates"] < most for line in history),
        "largest_policy_kl": max(line["policy_kl"] for line in history),
        "kl": fmean(line["kl"] for line in history[-3:]),
        "reward": fmean(line["reward"] for line in history[-3:]),
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By run: mean gains over seeds with intervals, on both sets of questions and at both temperatures."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(row["name"] for row in rows):
        seeds = [row for row in rows if row["name"] == name]
        found[name] = {
            f"{kind}, {temperature}": {
                f"gain_{part}": over_seeds([row["after"][kind][temperature]["gain"][part][0] for row in seeds])
                for part in PARTS
            }
            | {
                key: over_seeds([row["after"][kind][temperature][key] for row in seeds])
                for key in ("gold", "polite", "right_share")
            }
            for kind in ("all", "short")
            for temperature in ("greedy", "sampled")
        }
    return found


def line_of(name: str, after: Mapping[str, Any]) -> str:
    cells = []
    for kind in ("all", "short"):
        for temperature in ("greedy", "sampled"):
            it = after[kind][temperature]
            won = " ".join(f"{it['gain'][part][0]:+.2f}" for part in PARTS)
            shares = f"right {it['right_share']:.2f} polite {it['polite']:.2f}"
            cells.append(f"{kind} {temperature}: {it['gold']:.2f} ({won}) {shares}")
    return f"{name:22} " + " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of runs that have several")
    parser.add_argument("--folder", type=Path, default=Path("runs/ppo_live"), help="keeps what is done")
    parser.add_argument("--kept", action="store_true", help="only what is kept already: writes the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = models.sft()[1]
    before = stored(arguments.folder / "chat-model.json", chat_model)
    baselines = {"SFT": described(before, before), "prefix": described(with_fixed_prefix(before, tokenizer), before)}
    for name, found in baselines.items():
        print(line_of(name, found), flush=True)
    for name, make in (("PPO, 160 rounds", long_run), (f"best of {BEST_OF}", best_of)):
        said = stored(arguments.folder / f"{name}.json".replace(" ", "_"), make)
        baselines[name] = described(said, before)
    points = each(questions()["all"], said["all"]["greedy"])  # of best of n, for a comparison question by question
    baselines[name]["all"]["greedy"]["points"] = points
    rows = []
    for seed in arguments.seeds:
        for name in (name for name in arguments.runs if seed < RUNS[name].seeds):
            path = arguments.folder / f"{name}-{seed}.json".replace(" ", "_")
            if arguments.kept and not path.exists():
                continue
            made = stored(path, lambda name=name, seed=seed: train(name, seed))
            config = replace(BASE, **RUNS[name].changes)
            most = config.epochs * math.ceil(config.prompts_per_step * config.answers_per_prompt / config.minibatch)
            row = {"name": name, "seed": seed, "seconds": made["seconds"], "history": made["history"]}
            rows.append(row | {"after": described(made["said"], before), "brakes": brakes(made["history"], most)})
            held = {key: round(value, 3) for key, value in rows[-1]["brakes"].items()}
            print(line_of(f"{name}, {seed}", rows[-1]["after"]), f"{made['seconds']:.0f} s", held, flush=True)
    about = {name: {"title": run.title, "changes": dict(run.changes)} for name, run in RUNS.items()}
    result = {"asked": ASKED, "base": asdict(BASE), "about": about, "baselines": baselines, "runs": rows}
    print(f"written to {write_result('ppo_live', result | {'summary': summary(rows)})}")


if __name__ == "__main__":
    main()
