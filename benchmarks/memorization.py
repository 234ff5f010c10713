"""How often must a document be read until it comes back word for word? Counts 0 to 32 in one training mixture.

    python benchmarks/memorization.py            # about six minutes on one quiet core; a killed run resumes
    python benchmarks/memorization.py --seeds 3

Lesson 08's 120 updates, with 84 new documents in seven groups of twelve. In each run the groups stand in the training
text 0, 1, 2, 4, 8, 16 and 32 times, all documents in random order, and each row of the text is read exactly once. Which
group has which count changes from seed to seed: in seven runs each document has each count once. One more run reads
none of them. So each document is its own control, in the runs that never read it.

*Recited*: the model reads a document's first 20 tokens and continues greedily; are the next 20 (or 10) tokens all right
(Carlini et al. 2023), and how many of them are? *Loss*: nats per token of the document, minus that of its control, each
relative to the run's validation loss. Intervals are of 90%: Wilson's for shares, a bootstrap over documents for losses.
"""

import argparse
import json
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from common import write_result
from measures import bootstrap_interval, wilson
from optimizers import documents_read
from short_runs import CONFIG, DOCUMENTS, RECIPE, STEPS, Lesson, kept, new_model, train

from minillm import Transformer
from minillm.data.batches import whole_documents
from minillm.data.corpora import load_corpus
from minillm.data.packing import plan_rows
from minillm.losses import IGNORE
from minillm.training.pretraining import mean_loss

COUNTS = (0, 1, 2, 4, 8, 16, 32)
GROUP, GIVEN, THEN = 12, 20, (10, 20)
CONTROL = 100  # the seed of the run that reads no new document


def new_documents(lesson: Lesson) -> list[list[int]]:
    """Documents of the same world that are neither in the lesson's training text nor in its validation documents."""
    known = {*map(tuple, lesson.training), *map(tuple, lesson.validation)}
    texts = load_corpus("world", seed=0, n_train=DOCUMENTS + 1_000).train[DOCUMENTS:]
    found: list[list[int]] = []
    for document in lesson.tokenizer.encode_batch(texts):
        if len(document) >= GIVEN + THEN[-1] and tuple(document) not in known:
            found.append(document)
            known.add(tuple(document))
    return found[: len(COUNTS) * GROUP]


def count_of(group: int, seed: int) -> int:
    """How often a group is read in the run of a seed: a Latin square; never in the control run.

    >>> sorted(count_of(3, seed) for seed in range(7)), count_of(3, CONTROL)
    ([0, 1, 2, 4, 8, 16, 32], 0)
    """
    if seed == CONTROL:
        return 0
    return COUNTS[(group + seed) % len(COUNTS)]


def mixture(others: Sequence[list[int]], new: Sequence[list[int]], seed: int, rows: int) -> list[list[int]]:
    """The new documents, each as often as its count, and so many others that all fit exactly into `rows` rows."""
    copies = [document for n, document in enumerate(new) for _ in range(count_of(n // GROUP, seed))]

    def shuffled(n: int, draw: int) -> list[list[int]]:
        found = [*copies, *others[:n]]
        random.Random(100 * seed + draw).shuffle(found)
        return found

    def rows_of(documents: Sequence[list[int]]) -> int:
        lengths = torch.tensor([len(document) for document in documents]).numpy()
        return len(plan_rows(lengths, CONFIG.max_seq_len + 1)[1]) - 1

    low, high = 0, len(others)
    while low < high:  # the largest number that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if rows_of(shuffled(middle, 0)) <= rows else (low, middle - 1)
    # how many rows they fill depends a little on their order
    for found in (shuffled(low, draw) for draw in range(100)):
        if rows_of(found) == rows:
            return found
    raise ValueError(f"{low} documents do not fill {rows} rows; give more than {len(others)} documents")


@torch.no_grad()
def right_tokens(model: Transformer, documents: Sequence[list[int]], end: int) -> list[list[bool]]:
    """Whether each of the tokens after the first `GIVEN` is right in a greedy continuation."""
    text = torch.tensor([[end, *document[: GIVEN + THEN[-1]]] for document in documents])
    ids = text[:, : GIVEN + 1]
    for _ in range(THEN[-1]):
        ids = torch.cat([ids, model(ids)[:, -1:].argmax(-1)], dim=1)
    return (ids == text)[:, GIVEN + 1 :].tolist()


@torch.no_grad()
def losses_of(model: Transformer, documents: Sequence[list[int]], end: int) -> list[float]:
    """Nats per token of each document, from its start to its end token."""
    found = []
    for document in documents:
        ((inputs, targets),) = whole_documents([document], end)
        log_p = model(inputs).log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        found.append(-log_p[targets != IGNORE].mean().item())
    return found


def run(lesson: Lesson, new: Sequence[list[int]], seed: int) -> dict[str, Any]:
    """Train on the mixture of a seed, and measure every new document."""
    end = lesson.tokenizer.end_id
    documents = mixture(lesson.training, new, seed, STEPS * RECIPE.batch_size)
    data, model = lesson.data(seed, documents), new_model(seed)
    read = Counter(map(tuple, documents_read(data.train, STEPS, end)))
    assert [read[tuple(each)] for each in new] == [count_of(n // GROUP, seed) for n in range(len(new))]
    train(model, data.train)
    return {
        "documents": len(documents),
        "val_loss": mean_loss(model, data.validation),
        "losses": losses_of(model, new, end),
        "right": right_tokens(model, new, end),
    }


def mean_and_interval(values: Sequence[float]) -> dict[str, float]:
    """A mean over documents and its 90% interval."""
    low, high = bootstrap_interval(values, statistics.fmean)
    return {"mean": statistics.fmean(values), "low": low, "high": high}


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the runs say of each count; a document is compared with its mean over the runs that never read it."""
    never: dict[int, list[float]] = defaultdict(list)
    for each in runs:
        for n, loss in enumerate(each["losses"]):
            if count_of(n // GROUP, each["seed"]) == 0:
                never[n].append(loss - each["val_loss"])
    control = {n: statistics.fmean(losses) for n, losses in never.items()}
    found = {}
    for count in COUNTS:
        places = [
            (each, n)
            for each in runs
            for n in range(len(each["losses"]))
            if count_of(n // GROUP, each["seed"]) == count
        ]
        gains = [each["losses"][n] - each["val_loss"] - control[n] for each, n in places if n in control]
        found[str(count)] = {
            "exact": {str(k): wilson(sum(all(each["right"][n][:k]) for each, n in places), len(places)) for k in THEN},
            "tokens": mean_and_interval([statistics.fmean(each["right"][n]) for each, n in places]),
            "loss": mean_and_interval([each["losses"][n] for each, n in places]),
            "loss minus control": mean_and_interval(gains) if count and len(gains) > 1 else None,
            "exact by run": [sum(all(each["right"][n]) for one, n in places if one is each) for each in runs],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=len(COUNTS), help="runs, besides the control run")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lesson = Lesson.load()
    new = new_documents(lesson)
    shape = {"counts": COUNTS, "group": GROUP, "given": GIVEN, "then": THEN}
    runs = []
    for seed in (*range(arguments.seeds), CONTROL):
        runs.append(kept("memorization", shape | {"seed": seed}, lambda s=seed: run(lesson, new, s)))
        print(f"seed {seed}: validation loss {runs[-1]['val_loss']:.3f}", flush=True)
    found = summary(runs)
    for count, row in found.items():
        print(count, json.dumps(row))
    result = shape | {"documents of a run": [each["documents"] for each in runs], "by count": found}
    result |= {"val_loss": [each["val_loss"] for each in runs], "tokens of a document": [len(each) for each in new]}
    write_result("memorization", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
