"""Facts or manner? Teach facts about half of the people of Ottermere in SFT, and ask about the other half.

    python benchmarks/fact_lab.py                # about an hour on one thread; what is done is kept in --folder
    python benchmarks/fact_lab.py --seeds 1 --json

A base model knows the home and the trade of 36 people. It is taught those of 18 in 40 updates, and then asked about the
other 18. A seed draws the halves, the lies and the invented names; both halves are taught in turn. (Every update reads
the whole lesson, so the order of its facts plays no part.) What is taught: the truth; lies (the same homes and trades,
dealt so that none is true); half of each; invented people, who contradict nothing; lies and invented people with the
values of the other half; the truth in one word. The truth is also taught to a model that was never trained, and to two
that read 250 updates of documents: of this world, and of another one, in which people have other homes and trades.

Two figures: the true answer is the likeliest of all homes or trades ("listed"), and the greedy answer has it and no
other ("free"). The error is over seeds, each the mean over both halves, not over questions.
"""

import argparse
import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from common import write_result
from fact_lessons import Fact, Lab, facts_of, halves, lesson, shares
from measures import stored
from paired import over_seeds

from minillm import Transformer, load
from minillm.course import models
from minillm.data.batches import Batch, whole_documents
from minillm.data.corpora import encode_training, load_corpus
from minillm.pretrained import save
from minillm.tokenizer import Tokenizer
from minillm.training.pretraining import mean_loss
from minillm.training.recipes import BaseRecipe, Text
from minillm.world import World
from minillm.world.dirty import other_world

UPDATES, RATE = 40, 2e-3
OTHER_SIZES = ((10, RATE), (80, RATE), (UPDATES, RATE / 4))  # the nuisance: how hard the lessons are
LESSONS = (
    "truth", "lies", "invented people", "invented people, others' values", "lies, others' values", "half lies",
    "bare answers",
)  # fmt: skip
PAIRS = (
    ("invented people", "lies"),
    ("truth", "invented people"),
    ("invented people", "invented people, others' values"),
    ("lies", "lies, others' values"),
    ("invented people, others' values", "lies, others' values"),
    ("truth", "lies"),
    ("lies", "half lies"),
)
READ = 250  # updates of the two models that are pretrained here
DOCUMENTS_PER_UPDATE = 40  # about as many as a batch holds
VALIDATION, HELD_OUT = 200, 1_000_000  # documents to validate on; the number of the first one that none has read


def pretrained(world: World, tokenizer: Tokenizer, folder: Path, updates: int) -> Transformer:
    """A model of the course's shape after so many updates on documents of a world, made once."""
    if not (folder / "config.json").is_file():
        documents = [document.text for document in world.documents(DOCUMENTS_PER_UPDATE * updates)]
        corpus = replace(load_corpus("world", world.seed, 0, VALIDATION), name="fact-lab", train=documents)
        corpus = replace(corpus, fingerprint=hashlib.sha256("\0".join(documents).encode()).hexdigest())
        text = Text(corpus, tokenizer, encode_training(corpus, tokenizer), tokenizer.encode_batch(corpus.validation))
        recipe = BaseRecipe("world")
        recipe = replace(recipe, training=replace(recipe.training, steps=updates))
        model, _ = recipe.prepare(text).run()
        save(model, tokenizer, folder)
    return load(folder)[0]


class Condition(NamedTuple):
    """A model that starts, what it is taught, and in which form; the size is updates and learning rate."""

    start: str
    lesson: str
    size: tuple[int, float] = (UPDATES, RATE)

    @property
    def name(self) -> str:
        updates, rate = self.size
        size = "" if self.size == (UPDATES, RATE) else f", {updates} updates at {rate:g}"
        return f"{self.start}: {self.lesson}{size}"


CONDITIONS = (
    *(Condition("base", lesson) for lesson in LESSONS),
    Condition("never trained", "truth"),
    *(Condition("this world", lesson) for lesson in ("truth", "lies", "invented people")),
    *(Condition("another world", lesson) for lesson in ("truth", "its own truth", "invented people")),
    *(Condition("base", lesson, size) for size in OTHER_SIZES for lesson in ("truth", "lies", "invented people")),
)


def run(lab: Lab, start: Transformer, condition: Condition, seed: int, half: int, elsewhere: list[Fact]) -> dict:
    """Teach one half and examine both."""
    taught, others = halves(lab.facts, half, seed)
    own_taught, own_others = halves(elsewhere, half, seed)
    says = own_taught if condition.lesson == "its own truth" else lesson(condition.lesson, taught, others, seed)
    form = "bare" if condition.lesson == "bare answers" else "sentence"
    pupil, loss = lab.taught(start, says, form, condition.size, seed)
    found = {"loss": loss, "taught": lab.exam(pupil, says, form), "others": lab.exam(pupil, others, form)}
    if condition.start == "another world":
        found["others, as its world has them"] = lab.exam(pupil, own_others, form)
    return found


def summary(runs: Sequence[Sequence[dict]]) -> dict[str, Any]:
    """Over seeds, each the mean of both halves (`runs[seed][half]`), and what is listed of the others by half."""
    found: dict[str, Any] = {"loss": fmean(row["loss"] for rows in runs for row in rows)}
    for part in [key for key in runs[0][0] if key != "loss"]:
        by_seed = [[shares(row[part]) for row in rows] for rows in runs]
        found[part] = {
            figure: over_seeds([fmean(row[figure] for row in rows) for rows in by_seed]) for figure in by_seed[0][0]
        }
    found["by half"] = [[shares(rows[half]["others"])["listed"] for rows in runs] for half in (0, 1)]
    return found


def difference(first: Sequence[Sequence[dict]], second: Sequence[Sequence[dict]]) -> dict[str, Any]:
    """The second condition minus the first on the others, paired by seed and half; each seed is one value."""
    found = {}
    for figure in ("listed", "free"):
        changes = [
            fmean(shares(b["others"])[figure] - shares(a["others"])[figure] for a, b in zip(before, after, strict=True))
            for before, after in zip(first, second, strict=True)
        ]
        found[figure] = over_seeds(changes)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="draws of the halves, the lies and the invented names")
    parser.add_argument("--count", type=int, default=len(CONDITIONS), help="how many of the conditions, in their order")
    parser.add_argument("--folder", type=Path, default=Path("runs/fact_lab"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    base, base_tokenizer = models.base()
    lab, elsewhere = Lab(base, base_tokenizer, facts_of()), facts_of(other_world(0))
    worlds = {"this world": World(0), "another world": other_world(0)}

    @functools.cache
    def start(name: str) -> Transformer:
        if name == "base":
            return base
        if name in worlds:
            return pretrained(worlds[name], base_tokenizer, arguments.folder / name, READ)
        torch.manual_seed(0)
        return Transformer(base.config)

    def runs_of(condition: Condition) -> list[list[dict]]:
        file = condition.name.replace(":", "")
        return [
            [
                stored(
                    arguments.folder / f"{file}, seed {seed}, half {half}.json",
                    lambda seed=seed, half=half: run(lab, start(condition.start), condition, seed, half, elsewhere),
                )
                for half in (0, 1)
            ]
            for seed in range(arguments.seeds)
        ]

    documents = held_out(base_tokenizer, worlds)
    rows: dict[str, list[list[dict]]] = {}
    before: dict[str, dict] = {}
    result: dict[str, Any] = {"facts": len(lab.facts), "updates": UPDATES, "rate": RATE, "seeds": arguments.seeds}
    result["guessing"] = fmean(1 / len(lab.values(fact.relation)) for fact in lab.facts)
    for condition in CONDITIONS[: arguments.count]:
        rows[condition.name] = runs_of(condition)
        if condition.start not in before:
            path = arguments.folder / f"before, {condition.start}.json"
            before[condition.start] = stored(
                path, lambda its=condition: known(lab, start(its.start), elsewhere, documents)
            )
        found = summary(rows[condition.name])
        parts = [part for part in found if part not in ("loss", "by half")]
        shown = [
            f"{part} {found[part]['listed']['mean']:.2f} (free {found[part]['free']['mean']:.2f})" for part in parts
        ]
        print(f"{condition.name:50} {', '.join(shown)}", flush=True)
        result |= {
            "before": before,
            "conditions": {name: summary(runs) for name, runs in rows.items()},
            "differences": {
                f"{second} - {first}": difference(rows[f"base: {first}"], rows[f"base: {second}"])
                for first, second in PAIRS
                if f"base: {first}" in rows and f"base: {second}" in rows
            },
            "left": [its.name for its in CONDITIONS if its.name not in rows],
        }
        write_result("facts", result)
    print(json.dumps(result["differences"], indent=1))
    if arguments.json:
        print(json.dumps(result))


def held_out(tokenizer: Tokenizer, worlds: Mapping[str, World]) -> dict[str, list[Batch]]:
    """Documents of each world that no model has read."""
    found = {}
    for name, world in worlds.items():
        texts = [tokenizer.encode(document.text) for document in itertools.islice(world.stream(HELD_OUT), 60)]
        found[name] = whole_documents(texts, tokenizer.end_id)
    return found


def known(
    lab: Lab, model: Transformer, elsewhere: Sequence[Fact], documents: Mapping[str, Sequence[Batch]]
) -> dict[str, Any]:
    """A model before it is taught: the facts of both worlds, and its loss on documents of both."""
    return {
        "facts": shares(lab.exam(model, lab.facts)),
        "facts of another world": shares(lab.exam(model, elsewhere)),
        "documents": {world: mean_loss(model, batches) for world, batches in documents.items()},
    }


if __name__ == "__main__":
    main()
