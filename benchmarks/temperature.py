"""Which temperature is right? The course's base model against the world whose documents it learned.

    python benchmarks/temperature.py                  # about six minutes on one thread
    python benchmarks/temperature.py --documents 64 --json

- Loss on fresh documents by temperature, and the best temperature, over three seeds of documents (`by_temperature`).
- The exact distribution of the next token, where a piece of text ends: KL divergence and probability of impossible
  tokens by setting, and calibration.
- Whole documents: how many the world could have written, by its parser, and what that costs in variety. Controls:
  documents of the world, a base model trained from another seed (if it is in the cache), and the model after SFT.
- Real English: the best temperature of SmolLM2-135M on each text of `texts.json`, and the rank of the token that was
  written, as in Shannon's game.

What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from by_temperature import best, by_confidence, english, fresh, mean_of, next_tokens, reliability, truths
from common import write_result
from measures import stored, wilson

from minillm.inference.generate import generate
from minillm.inference.sampling import Sampling
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer
from minillm.world import World
from minillm.world.holdout import Split
from minillm.world.reading import log_add
from minillm.world.scene import Scene
from minillm.world.world import GENERATORS, KINDS

SEEDS = (101, 102, 103)  # of worlds whose documents are fresh, and of draws
SETTINGS = {
    "T 1": Sampling(),
    "T 0.8": Sampling(temperature=0.8),
    "T 0.5": Sampling(temperature=0.5),
    "T 0.3": Sampling(temperature=0.3),
    "top-p 0.9": Sampling(top_p=0.9),
    "min-p 0.1": Sampling(min_p=0.1),
    "greedy": Sampling(temperature=0),
}
CONTROL_SETTINGS = ("T 1", "greedy")  # of the other models
CONTROL_DOCUMENTS = 64  # of the model after SFT
TRAINED_ON = 40_000  # documents of World(0)
OPENING = 4  # words


class OfKind(World):
    """The world's documents of one kind."""

    def __init__(self, seed: int, kind: str, split: Split = "training"):
        super().__init__(seed, split=split)
        self.kind = kind

    def step(self, scene: Scene | None, sampler: Any) -> Scene:
        if scene is not None:
            return super().step(scene, sampler)
        scene = Scene(self.lexicon, self.kind, self.split)
        GENERATORS[scene.kind].begin(scene, sampler, self.plans[scene.kind])
        GENERATORS[scene.kind].step(scene, sampler)
        return scene


class Judge:
    """Says of a document what the world's parser says: possible, with which probability and kind, and how far."""

    def __init__(self) -> None:
        total = sum(weight for weight, _ in KINDS)
        self.kinds = {kind: (math.log(weight / total), OfKind(0, kind)) for weight, kind in KINDS}
        self.with_held_out = {kind: OfKind(0, kind, "both") for kind in self.kinds}

    def of(self, text: str) -> dict:
        """The reading of a document; the kind of an impossible one is that which agrees with it for longest.

        `agrees` is the share of its characters before the first that no document could have there.
        """
        readings = {kind: (log_p, world.read(text)) for kind, (log_p, world) in self.kinds.items()}
        log_prob = reduce(log_add, (log_p + reading.log_prob for log_p, reading in readings.values()))
        kind = max(readings, key=lambda kind: (readings[kind][1].log_prob, readings[kind][1].reached))
        possible = math.isfinite(log_prob)
        return {
            "text": text,
            "possible": possible,
            "held out": not possible and math.isfinite(self.with_held_out[kind].log_prob(text)),
            "log_prob": log_prob if possible else None,
            "kind": kind,
            "agrees": 1.0 if possible else readings[kind][1].reached / max(1, len(text)),
        }


def drawn(
    model: Transformer, tokenizer: Tokenizer, sampling: Sampling, count: int, seed: int, judge: Judge
) -> list[dict]:
    """Documents that the model writes from nothing, in batches of 256, and what the judge says of them.

    A text that has not ended within the model's context counts as impossible.
    """
    start, length, made = tokenizer.special_tokens["<|endoftext|>"], model.config.max_seq_len - 1, []
    for batch in range(0, count, 256):
        starts = [[start]] * min(256, count - batch)
        made += generate(model, starts, length, sampling, stop=start, seed=1000 * seed + batch)
    known: dict[str, dict] = {}
    for ids in made:
        text = tokenizer.decode(ids[1:-1] if ids[-1] == start else ids[1:])
        if text not in known:
            known[text] = judge.of(text)
        known[text]["possible"] &= ids[-1] == start
    return [known[tokenizer.decode(ids[1:-1] if ids[-1] == start else ids[1:])] for ids in made]


def entropy(values: Sequence[str]) -> float:
    """The entropy of the values in nats; its exponential is how many equally frequent ones vary as much.

    >>> round(math.exp(entropy(["letter", "story", "letter", "story"])), 6)
    2.0
    """
    return -sum(count / len(values) * math.log(count / len(values)) for count in Counter(values).values())


def opening(text: str) -> str:
    return " ".join(text.split()[:OPENING])


def summary(runs: Sequence[Sequence[dict]], training: frozenset[str]) -> dict:
    """Documents of one setting: one list for each seed."""
    rows = [row for run in runs for row in run]
    possible = [row for row in rows if row["possible"]]
    found: dict = {"possible": wilson(len(possible), len(rows))}
    found["possible by seed"] = [fmean(row["possible"] for row in run) for run in runs]
    found["only with held-out combinations"] = sum(row["held out"] for row in rows)
    found["agrees"] = mean_of([row["agrees"] for row in rows])
    # variety, per seed: of all documents, and of the possible ones
    found["different"] = fmean(len({row["text"] for row in run}) for run in runs)
    found["different and possible"] = fmean(len({row["text"] for row in run if row["possible"]}) for run in runs)
    found["openings"] = fmean(len({opening(row["text"]) for row in run}) for run in runs)
    found["kinds that vary as much"] = fmean(math.exp(entropy([row["kind"] for row in run])) for run in runs)
    found["kinds"] = {kind: fmean(row["kind"] == kind for row in rows) for _, kind in KINDS}
    found["copies of training documents"] = sum(row["text"] in training for row in rows)
    by_kind = {kind: [row["possible"] for row in rows if row["kind"] == kind] for _, kind in KINDS}
    found["possible by kind"] = {kind: wilson(sum(each), len(each)) for kind, each in by_kind.items() if each}
    if possible:
        found["log p"] = mean_of([row["log_prob"] for row in possible])
        found["copies among possible"] = sum(row["text"] in training for row in possible)
        found["openings of possible"] = fmean(
            len({opening(row["text"]) for row in run if row["possible"]}) for run in runs
        )
        found["kinds of possible that vary as much"] = math.exp(entropy([row["kind"] for row in possible]))
    found["examples"] = [row["text"] for row in rows[:2]]
    return found


def documents(
    kept: Callable[[str, Callable[[], Any]], Any], models: dict[str, tuple[Transformer, Tokenizer]], count: int
) -> dict:
    """What each model writes with each setting, and documents of the world as the control."""
    judge, training = Judge(), frozenset(document.text for document in World(0).documents(TRAINED_ON))
    result: dict = {"documents": count, "seeds": len(SEEDS)}
    real = [
        kept(f"documents, world, {seed}", lambda s=seed: [judge.of(each.text) for each in World(s).documents(count)])
        for seed in SEEDS
    ]
    result["world"] = summary(real, training)
    for name, (model, tokenizer) in models.items():
        result[name] = {}
        for setting, sampling in SETTINGS.items():
            if name != "base" and setting not in CONTROL_SETTINGS:
                continue
            n = min(count, CONTROL_DOCUMENTS) if name == "SFT" else count
            runs = [
                kept(
                    f"documents, {name}, {setting}, {seed}",
                    lambda s=seed, how=sampling, m=model, t=tokenizer, n=n: drawn(
                        m, t, how, 1 if how.temperature == 0 else n, s, judge
                    ),
                )
                for seed in (SEEDS[:1] if sampling.temperature == 0 else SEEDS)  # greedy writes one document
            ]
            found = result[name][setting] = summary(runs, training)
            share, p = found["possible"], found.get("log p", {"mean": math.nan})["mean"]
            print(
                f"{name:6} {setting:10} possible {share['share']:.3f} ({share['low']:.3f} to {share['high']:.3f}), "
                f"log p {p:.1f}, openings {found['openings']:.0f}, different and possible "
                f"{found['different and possible']:.0f} of {n}",
                flush=True,
            )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=256, help="for each setting and seed")
    parser.add_argument("--other", type=Path, help="a base model from another seed: a folder")
    parser.add_argument("--folder", type=Path, default=Path("runs/temperature"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    count, folder = arguments.documents, arguments.folder / str(arguments.documents)

    def kept(name: str, make: Callable[[], Any]) -> Any:
        return stored(folder / f"{name}.json", make)

    models = {"base": load("course-base"), "SFT": load("course-sft")}
    if arguments.other:
        models["other seed"] = load(arguments.other)
    result: dict = {}
    for name in [name for name in models if name != "SFT"]:
        base = models[name]
        losses = [kept(f"loss, {name}, {seed}", lambda s=seed, b=base: fresh(*b, s, count)) for seed in SEEDS]
        result[f"loss of {name}"] = best(losses)
        print(f"best T of {name} by loss: {json.dumps(result[f'loss of {name}']['best T'])}", flush=True)
    known = [kept(f"truth, {seed}", lambda s=seed: truths(models["base"][1], s, max(8, count // 8))) for seed in SEEDS]
    result["next token"] = kept("next token", lambda: next_tokens(*models["base"], known, SETTINGS))
    result["calibration"] = kept("calibration", lambda: reliability(*models["base"], known, SEEDS, count))
    result["by confidence"] = kept("by confidence", lambda: by_confidence(*models["base"], SEEDS, count))
    result["documents"] = documents(kept, models, count)
    result["English"] = kept("English", lambda: english(*load("smollm2-135m-instruct")))
    print(f"written to {write_result('temperature', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
