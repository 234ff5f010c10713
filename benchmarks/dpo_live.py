"""Preference optimization in a minute: what a learner sees live in lesson 11, several methods at about equal time.

    python benchmarks/dpo_live.py                         # all runs, under a minute each on a free core
    python benchmarks/dpo_live.py --runs bare careful --seeds 0
    python benchmarks/dpo_live.py --kept                  # only what is kept already; writes the result

Each run starts from the course's chat model. DPO and IPO train on up to four pairs each of the chat model's own answers
to 192 short questions, labeled by a simulated rater, three times over. GRPO and PPO ask the same questions, with the
course's reward model, for as many rounds as take about the same time of the processor, sampling included. Before and
after, 200 short held-out questions and 200 of all kinds are answered greedily and twice at temperature 1. For DPO, the
mean log-probabilities of chosen and rejected answers to training questions are followed over the updates, and how many
of the pairs the policy ranks rightly (by its log-ratio to the reference) in the end.

`grpo` is the form of 2024 (Shao et al.): beta 0.04, the mean of each answer's tokens, division by the group's standard
deviation, two passes. `grpo today` has what TRL has as defaults in 2025: beta 0, the mean over all tokens, one pass,
and still the division by the group's standard deviation.
The runs between change one thing. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from common import write_result
from gold import ask, over_seeds
from measures import stored
from ppo_live import (
    APART,
    BASE,
    LEARNED,
    LONGEST,
    STREAM,
    Counted,
    chat_model,
    described,
    line_of,
    questions,
    short,
    summary,
    with_fixed_prefix,
    without_ids,
)

from minillm.course import models
from minillm.course.recipes.preferences import DPO, own_answers
from minillm.data.pairs import Pair, PairBatches, PairData, encode_preferences
from minillm.posttraining.dpo import DPOConfig, dpo, pair_log_probs
from minillm.posttraining.grpo import GRPO, GRPOConfig
from minillm.posttraining.online import Experience, OnlineConfig, PromptData, run_online
from minillm.posttraining.policy_gradient import group_advantages
from minillm.posttraining.ppo import PPO
from minillm.posttraining.rollout import Rollout
from minillm.training.metrics import Metrics
from minillm.training.settings import TrainConfig
from minillm.world.instructions import Instruction
from minillm.world.raters import Rater, simulate

OTHERS = 40  # questions whose pairs are held out
FOLLOWED, EVERY = 100, 8  # training pairs whose log-probabilities are followed, every so many updates
UPDATES, ROUNDS = 64, 24  # about twenty seconds each on a free core; PPO has 20 rounds
KEPT = ("reward", "kl", "clip_fraction", "policy_kl", "updates", "entropy", "ended", "idle")


class BatchScaled(GRPO):
    """GRPO that divides by the standard deviation of the whole batch (TRL's scale_rewards="batch")."""

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
        centred = group_advantages(scores, self.config.answers_per_prompt, scale=False)
        return replace(made, advantages=(centred / (scores.std() + 1e-6))[:, None] * rollout.mask), metrics


@dataclass(frozen=True)
class Run:
    """A live run: the method, and what it changes in that method's settings."""

    title: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)


TODAY = {"kl_coef": 0.0, "loss_type": "dapo", "epochs": 1, "minibatch": 64}
RUNS = {
    "bare": Run("DPO, beta 0.1", "dpo", {"beta": 0.1, "imitation": 0.0}),
    "careful": Run("DPO, beta 0.3 and NLL", "dpo", {"beta": 0.3, "imitation": 1.0}),
    "grpo": Run("GRPO, form of 2024", "grpo"),
    "ppo": Run("PPO", "ppo"),
    "bare, beta 0.3": Run("DPO, beta 0.3", "dpo", {"beta": 0.3, "imitation": 0.0}),
    "careful, beta 0.1": Run("DPO, beta 0.1 and NLL", "dpo", {"beta": 0.1, "imitation": 1.0}),
    "ipo": Run("IPO, beta 0.1", "dpo", {"beta": 0.1, "imitation": 0.0, "loss_type": "ipo"}),  # 5 nats per token
    "ipo, beta 1": Run("IPO, beta 1", "dpo", {"beta": 1.0, "imitation": 0.0, "loss_type": "ipo"}),  # 0.5 per token
    "grpo today": Run("GRPO, defaults of 2025", "grpo", TODAY),
    "grpo, beta 0": Run("GRPO without a KL penalty", "grpo", {"kl_coef": 0.0}),
    "grpo, tokens": Run("GRPO, mean over tokens", "grpo", {"loss_type": "dapo"}),
    "grpo, one pass": Run("GRPO, one update per sample", "grpo", {"epochs": 1, "minibatch": 64}),
    "grpo, unscaled": Run("GRPO without division", "grpo", {"scale": False}),
    "grpo, batch": Run("GRPO, batch's standard deviation", "batch"),
}
GRPO_BASE = GRPOConfig(steps=ROUNDS, learning_rate=2e-4, max_new_tokens=LONGEST)
ONLINE: dict[str, tuple[type, OnlineConfig]] = {
    "grpo": (GRPO, GRPO_BASE),
    "batch": (BatchScaled, GRPO_BASE),
    "ppo": (PPO, BASE),
}
DPO_BASE: Any = replace(DPO.training, steps=UPDATES, warmup_steps=4, log_every=EVERY, eval_every=10_000)


def ranked(asked: Sequence[Instruction], seed: int) -> list[Pair]:
    """Pairs of the chat model's own answers, four samples to each question, as a rater prefers them."""
    model, tokenizer = models.sft()
    own = own_answers(model, tokenizer, asked, n=4, seed=seed)
    said = dict(zip((one.prompt for one in asked), own, strict=True))
    preferences = simulate(asked, Rater(), seed, 4, lambda one: said[one.prompt])
    return encode_preferences(tokenizer, preferences, model.config.max_seq_len).pairs


def train_dpo(config: TrainConfig, seed: int) -> tuple[Any, dict[str, Any]]:
    """DPO or IPO; returns the policy, and what happened to its pairs."""
    assert isinstance(config, DPOConfig)
    (model, _), (reference, _) = models.sft(), models.sft()
    asked = short(STREAM + APART * seed, LEARNED + OTHERS)
    start = time.process_time()
    pairs = ranked(asked[:LEARNED], seed)
    seconds = time.process_time() - start
    held_out = ranked(asked[LEARNED:], seed + 1)
    followed, curve = pairs[:FOLLOWED], []

    def measure(step: int) -> None:
        chosen, rejected = pair_log_probs(model, followed).mean(0).tolist()
        curve.append({"update": step, "chosen": chosen, "rejected": rejected})

    watching = 0.0

    def watch(line: Mapping[str, Any]) -> None:
        nonlocal watching
        begun = time.process_time()
        measure(line["step"])
        curve[-1] |= {key: line[key] for key in ("loss", "margin", "accuracy")}
        watching += time.process_time() - begun

    measure(0)
    start = time.process_time()
    dpo(model, PairData(PairBatches(pairs, DPO.batch_size, seed), held_out), config, on_metrics=watch)
    seconds += time.process_time() - start - watching
    ranks = {}
    for name, those in (("training", pairs), ("held_out", held_out)):
        after, before = pair_log_probs(model, those), pair_log_probs(reference, those)
        moved = after - before
        ranks[name] = {
            "pairs": len(those),
            "accuracy": (moved[:, 0] > moved[:, 1]).float().mean().item(),
            "accuracy_of_chat_model": (before[:, 0] > before[:, 1]).float().mean().item(),
            "chosen": moved[:, 0].mean().item(),
            "rejected": moved[:, 1].mean().item(),
            "chosen_fell": (moved[:, 0] < 0).float().mean().item(),
        }
    return model, {"seconds": seconds, "curve": curve, "ranks": ranks}


def train_online(method: str, changes: Mapping[str, Any], seed: int) -> tuple[Any, dict[str, Any]]:
    """GRPO or PPO; returns the policy and its metrics."""
    model, tokenizer = models.sft()
    kind, base = ONLINE[method]
    counted = Counted(models.reward()[0].eval().score, tokenizer, short(STREAM + APART * seed, LEARNED))
    lines: list[dict[str, float]] = []

    def watch(line: Mapping[str, Any]) -> None:
        lines.append({key: round(line[key], 4) for key in KEPT if key in line})

    start = time.process_time()
    data = PromptData(counted.prompts, counted, [tokenizer.end_id])
    run_online(kind(model, replace(base, seed=seed, **changes)), data, None, None, watch)
    seconds = time.process_time() - start
    return model, {"seconds": seconds, "history": [a | b for a, b in zip(lines, counted.rounds, strict=True)]}


def train(name: str, seed: int) -> dict[str, Any]:
    """One live run, and what its policy says after it."""
    run, (reference, tokenizer) = RUNS[name], models.sft()
    if run.method == "dpo":
        model, about = train_dpo(replace(DPO_BASE, **run.changes), seed)
    else:
        model, about = train_online(run.method, run.changes, seed)
    speak = partial(ask, model, tokenizer, reference=reference, seed=seed, longest=LONGEST)
    return about | {"said": without_ids({kind: speak(those) for kind, those in questions().items()})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of questions, labels and answers")
    parser.add_argument("--folder", type=Path, default=Path("runs/dpo_live"), help="keeps what is done")
    parser.add_argument("--kept", action="store_true", help="only what is kept already: writes the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = models.sft()[1]
    before = stored(arguments.folder / "chat-model.json", chat_model)
    baselines = {"SFT": described(before, before), "prefix": described(with_fixed_prefix(before, tokenizer), before)}
    for name, found in baselines.items():
        print(line_of(name, found), flush=True)
    rows: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        for name in arguments.runs:
            path = arguments.folder / f"{name}-{seed}.json".replace(" ", "_").replace(",", "")
            if arguments.kept and not path.exists():
                continue
            made = stored(path, lambda name=name, seed=seed: train(name, seed))
            row = {"name": name, "seed": seed} | {key: value for key, value in made.items() if key != "said"}
            rows.append(row | {"after": described(made["said"], before)})
            print(line_of(f"{name}, {seed}", rows[-1]["after"]), f"{made['seconds']:.0f} s", flush=True)
            for part, ranks in made.get("ranks", {}).items():
                print(f"  {part}:", {key: round(value, 2) for key, value in ranks.items()}, flush=True)
    means = summary(rows)
    for name in means:
        its = [row for row in rows if row["name"] == name]
        means[name]["seconds"] = fmean(row["seconds"] for row in its)
        if "ranks" in its[0]:
            means[name]["train_accuracy"] = over_seeds([row["ranks"]["training"]["accuracy"] for row in its])
    about = {
        name: {"title": run.title, "method": run.method, "changes": dict(run.changes)} for name, run in RUNS.items()
    }
    result = {"learned": LEARNED, "updates": UPDATES, "about": about, "baselines": baselines, "runs": rows}
    print(f"written to {write_result('dpo_live', result | {'summary': means})}")


if __name__ == "__main__":
    main()
