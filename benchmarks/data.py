"""The data lab: what dirt in a pretraining corpus costs, and what filtering and deduplication win back.

    python benchmarks/data.py                                     # three seeds, about 40 s per run on two cores
    python benchmarks/data.py --seeds 1 --conditions dirty oracle
    python benchmarks/data.py --steps 20                          # to see it work

Every run trains the course's base model (`BaseRecipe`) for the same number of steps of the same number of tokens, with
one vocabulary, and is measured on the same clean validation documents. `kl` is the loss minus their exact floor, in
nats per token. The conditions differ in their training documents only:

    clean          as many clean documents as the mixture has documents
    dirty          the mixture of `minillm.world.dirty`: 40 % clean
    filtered       what the perplexity filter keeps, its model counted on 1,000 other clean documents
    deduplicated   the mixture without near-duplicates
    both           what passes both
    oracle         the documents whose label is clean
    other 0 ... 50 the oracle's documents, with 0, 10, 30 or 50 % of another world's

The mixture lasts about one epoch, so what a filter keeps is repeated: cleaning has a price. The copies are of few
documents, as on the web. Each run's result is kept in the cache, so an interrupted benchmark resumes.
"""

import argparse
import functools
import hashlib
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common import RESULTS, write_result

from minillm.assets import cache_dir
from minillm.data.corpora import Corpus, encode_training, learn_tokenizer, load_corpus
from minillm.data.filtering import PerplexityFilter, mix, near_duplicates
from minillm.files import write_json
from minillm.training.recipes import BaseRecipe, Text
from minillm.viz.figures import BLUE, GREEN, INK, RED, in_style, png
from minillm.viz.figures.style import new_panels
from minillm.world import WORLD_VERSION, World
from minillm.world.dirty import LABELS, SHARES, Labelled, mixture

DOCUMENTS_PER_STEP = 40  # of the mixture, about as many as sixteen rows of 256 tokens hold
REFERENCE = 1_000  # clean documents for the vocabulary and the filter
REFERENCE_START = 100_000_000  # in the world's stream, where no mixture reaches
VALIDATION = 500  # clean documents to measure the KL on
CLEANED = ("clean", "dirty", "filtered", "deduplicated", "both", "oracle")
DIAL = (0, 10, 30, 50)  # % of another world's documents
CONDITIONS = (*CLEANED, *(f"other {share}" for share in DIAL))


@dataclass(frozen=True)
class Lab:
    """What all conditions of a seed share: the mixture, the clean reference and the validation documents."""

    world: World
    documents: list[Labelled]
    reference: list[str]
    validation: Corpus

    @classmethod
    def of(cls, seed: int, count: int) -> "Lab":
        """Make the lab of one seed; no validation text is in the mixture."""
        world = World(seed)
        validation = load_corpus("world", seed, 0, VALIDATION)
        held_out = set(validation.validation)
        documents = [document for document in mixture(world, count, SHARES, seed) if document.text not in held_out]
        reference = [world.document(REFERENCE_START + index).text for index in range(REFERENCE)]
        return cls(world, documents, reference, validation)

    @functools.cached_property
    def passing(self) -> set[int]:
        """The documents that the filter keeps."""
        quality = PerplexityFilter(self.reference)
        return {index for index, document in enumerate(self.documents) if quality.keeps(document.text)}

    @functools.cached_property
    def first(self) -> set[int]:
        """The documents that are near-duplicates of none before them."""
        return {*range(len(self.documents))} - {*near_duplicates([document.text for document in self.documents])}

    def kept(self, condition: str) -> list[Labelled]:
        """The documents of the mixture that a condition trains on."""
        sets = {
            "dirty": {*range(len(self.documents))},
            "filtered": self.passing,
            "deduplicated": self.first,
            "both": self.passing & self.first,
            "oracle": {index for index, document in enumerate(self.documents) if document.label == "clean"},
        }
        return [self.documents[index] for index in sorted(sets[condition])]

    def training(self, condition: str) -> list[Labelled]:
        """The training documents of any condition."""
        count = len(self.documents)
        if condition == "clean":
            return mixture(self.world, count, {"clean": 1.0})
        if not condition.startswith("other"):
            return self.kept(condition)
        share = int(condition.split()[1]) / 100
        others = mixture(self.world, int(SHARES["clean"] * count), {"other world": 1.0})  # as many as clean ones
        return mix({"clean": self.kept("oracle"), "other": others}, {"clean": 1 - share, "other": share}, count)


def run(lab: Lab, condition: str, recipe: BaseRecipe) -> dict:
    """Train on one condition's documents and measure the KL on the validation documents."""
    documents = lab.training(condition)
    texts = [document.text for document in documents]
    fingerprint = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    tokenizer = learn_tokenizer(replace(lab.validation, train=lab.reference), recipe.config.vocab_size)
    corpus = replace(lab.validation, name="data-lab", train=texts, fingerprint=fingerprint)
    validation = tokenizer.encode_batch(corpus.validation)
    text = Text(corpus, tokenizer, encode_training(corpus, tokenizer), validation)
    job = recipe.prepare(text)
    _, history = job.run()
    labels = Counter(document.label for document in documents)
    return {
        "condition": condition,
        "seed": recipe.seed,
        "documents": len(documents),
        "labels": {label: labels[label] for label in LABELS},
        "kl": history[-1]["above_floor"],
        "val_loss": history[-1]["val_loss"],
        "tokens": history[-1]["tokens"],
        "epochs": recipe.training.steps / job.data.train.epoch_length,
        "seconds": history[-1]["seconds"],
    }


def results(conditions: Sequence[str], seeds: int, steps: int, documents: int, kept: Path) -> list[dict]:
    """Run every condition with every seed, or read what is kept of an earlier call."""
    rows = []
    for seed in range(seeds):
        make = functools.cache(functools.partial(Lab.of, seed, documents))  # only if a run is missing
        training = replace(BaseRecipe("world").training, steps=steps, warmup_steps=min(20, steps // 2))
        recipe = BaseRecipe("world", seed=seed, training=training)
        settings = f"{WORLD_VERSION} {recipe} {documents} {SHARES} {REFERENCE} {VALIDATION}"
        folder = kept / hashlib.sha256(settings.encode()).hexdigest()[:16]
        for condition in conditions:
            path = folder / f"{condition.replace(' ', '_')}.json"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                write_json(path, run(make(), condition, recipe))
            rows.append(json.loads(path.read_text(encoding="utf-8")))
            print(f"seed {seed}, {condition}: KL {rows[-1]['kl']:.3f} nats per token", flush=True)
    return rows


def by_condition(rows: Sequence[dict], figure: str = "kl") -> dict[str, list]:
    """One figure of every seed, by condition."""
    return {
        condition: values
        for condition in CONDITIONS
        if (values := [row[figure] for row in rows if row["condition"] == condition])
    }


def finding(kl: dict[str, list[float]]) -> str:
    """State in one sentence how much of the cost of dirt the cleaning wins back, of what labels would."""
    dirty, both, oracle = (statistics.fmean(kl[name]) for name in ("dirty", "both", "oracle"))
    if dirty <= oracle:
        return f"Perfect labels do not help here: KL {oracle:.3f} against {dirty:.3f} on the dirty mixture"
    share = (dirty - both) / (dirty - oracle)
    verb = "win back" if share >= 0 else "lose"
    return f"Filtering and deduplication {verb} {abs(share):.0%} of what perfect labels would"


def dial_finding(kl: dict[str, list[float]]) -> str:
    """State what the largest share of another world's documents does to the KL."""
    without, most = (statistics.fmean(kl[f"other {share}"]) for share in (DIAL[0], DIAL[-1]))
    return f"{DIAL[-1]} % of another world: KL x {most / without:.2f}"


@in_style
def draw(kl: dict[str, list[float]]) -> bytes:
    """Draw the mean KL of each condition, and over the dial; error bars from the lowest to the highest seed."""
    figure, ((bars, dial),) = new_panels(1, 2, height=3.2, width=9.5)
    colours = {"clean": GREEN, "oracle": GREEN, "dirty": RED}
    look = {"ecolor": INK, "elinewidth": 1, "capsize": 3}
    for row, name in enumerate(CLEANED):
        mean, reach = spread(kl[name])
        bars.barh(row, mean, height=0.68, color=colours.get(name, BLUE), xerr=reach, error_kw=look)
        bars.annotate(f"{mean:.3f}", (mean + reach[1][0], row), (4, 0), textcoords="offset points", va="center")
    bars.set_yticks(range(len(CLEANED)), CLEANED)
    bars.set(ylim=(len(CLEANED) - 0.45, -0.55), xlabel="KL from the truth, nats per token")
    bars.margins(x=0.2)
    bars.set_title(finding(kl), loc="left", fontsize=9)
    for share in DIAL:
        mean, reach = spread(kl[f"other {share}"])
        dial.errorbar([share], [mean], yerr=reach, fmt="o", color=BLUE, **look)
    dial.plot(DIAL, [statistics.fmean(kl[f"other {share}"]) for share in DIAL], color=BLUE, linewidth=1.6)
    dial.set(xlabel="documents from another world, %", ylabel="nats per token", ylim=(0, None))
    dial.set_title(dial_finding(kl), loc="left", fontsize=9)
    return png(figure)


def spread(values: Sequence[float]) -> tuple[float, list[list[float]]]:
    """The mean, and how far the lowest and the highest value are from it."""
    mean = statistics.fmean(values)
    return mean, [[mean - min(values)], [max(values) - mean]]


def show(rows: Sequence[dict], kl: dict[str, list[float]]) -> None:
    """Print a line per condition: means over seeds, with the range of the KL."""
    print(f"\n{'condition':14}" + "".join(f"{label:>15}" for label in LABELS) + "  epochs      KL   from   to")
    for name, values in kl.items():
        labels = [statistics.fmean(counts[label] for counts in by_condition(rows, "labels")[name]) for label in LABELS]
        epochs = statistics.fmean(by_condition(rows, "epochs")[name])
        counts = "".join(f"{count:15.0f}" for count in labels)
        print(f"{name:14}{counts}{epochs:8.2f}{statistics.fmean(values):8.3f}   {min(values):.3f} {max(values):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs per condition, each with its own world and weights")
    parser.add_argument("--steps", type=int, default=250, help="training steps of each run, at least 2")
    parser.add_argument("--documents", type=int, help="size of the mixture; about one epoch if not given")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=CONDITIONS, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    documents = arguments.documents or DOCUMENTS_PER_STEP * arguments.steps
    rows = results(arguments.conditions, arguments.seeds, arguments.steps, documents, cache_dir() / "data_lab")
    kl = by_condition(rows)
    show(rows, kl)
    result = {"steps": arguments.steps, "documents": documents, "shares": SHARES, "runs": rows}
    if set(kl) == set(CONDITIONS):
        result["finding"] = f"{finding(kl)}. {dial_finding(kl)}."
        (RESULTS / "data.png").write_bytes(draw(kl))
        print(f"\n{result['finding']}\nwritten to {write_result('data', result)} and a .png")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
