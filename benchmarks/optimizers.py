"""AdamW, Muon and plain SGD on lesson 08's 120 updates, each at its best learning rate; and the run as a compressor.

    python benchmarks/optimizers.py          # about 20 minutes on one quiet core; a killed run resumes

*Sweeps*: one run per learning rate, seed 0. *Best*: the rate with the lowest validation loss, three seeds (initial
weights and order). `closed` is the share of the way from counted bigrams to the exact floor. *AdamW, changed*: what
else could hold AdamW back, one thing at a time. *Longer*: four times the updates on four times the documents, one seed.

*Code*: a sender and a receiver who train the same model on what was sent so far need the sum of its training losses,
in bits, for the text (prequential coding). Beside it, for the same text: zlib, xz, and n-grams that count as they read.
"""

import argparse
import json
import lzma
import math
import statistics
import zlib
from dataclasses import replace
from typing import Any

import torch
from common import RESULTS, write_result
from ngrams import NGrams
from short_runs import CONFIG, DOCUMENTS, SETTINGS, STEPS, Lesson, kept, train_and_measure

from minillm.data.corpora import load_corpus
from minillm.data.floor import bigram_loss
from minillm.losses import IGNORE
from minillm.model.accounting import count_parameters
from minillm.training.optim import BETAS
from minillm.training.recipes import BaseRecipe, Text

RATES = {
    "AdamW": (0.0015, 0.003, 0.006, 0.0085, 0.012),
    "Muon": (0.008, 0.016, 0.032, 0.064),
    "SGD, momentum 0.9": (0.1, 0.3, 1.0),
}
SEEDS, ORDERS, CURVE_EVERY, LONGER = (0, 1, 2), range(1, 7), 5, 4
# fields of the config or the model, or the rate of everything outside the blocks
CHANGES: dict[str, dict[str, Any]] = {
    "tables at 0.016, blocks at 0.006": {"tables": 0.016},
    "gradients not clipped": {"clip_norm": 1e9},
    "warm-up of 5 updates": {"warmup_steps": 5},
    "initial embeddings 0.02": {"embedding_std": 0.02},
    "tables at 0.016, blocks at 0.003": {"learning_rate": 0.003, "tables": 0.016},
}


class Scaled(torch.optim.AdamW):
    """AdamW whose groups have rates in a fixed proportion: each has a `scale`."""

    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            group["lr"] *= group["scale"]
        super().step()


def optimizer_of(name: str, rate: float, change: dict[str, Any]) -> Any:
    """What makes the optimizer of a model; None for those that a config can name."""
    if name.startswith("SGD"):
        return lambda model: torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    if "tables" in change:

        def make(model: torch.nn.Module) -> Scaled:
            kinds: dict[str, list] = {"blocks": [], "tables": [], "vectors": []}
            for part, p in model.named_parameters():
                kinds["vectors" if p.dim() < 2 else "blocks" if "blocks." in part else "tables"].append(p)
            scales = {"blocks": 1.0, "tables": change["tables"] / rate, "vectors": change["tables"] / rate}
            decay = {"blocks": SETTINGS.weight_decay, "tables": SETTINGS.weight_decay, "vectors": 0.0}
            groups = [{"params": kinds[k], "scale": scales[k], "weight_decay": decay[k]} for k in kinds]
            return Scaled(groups, lr=rate, betas=BETAS, fused=True)

        return make
    return None


def run(
    lesson: Lesson, name: str, rate: float, seed: int = 0, times: int = 1, change: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One run, trained or read: losses, numbers of targets and the validation loss."""
    change = change or {}
    rate = change.get("learning_rate", rate)
    settings = {"optimizer": name, "learning_rate": rate, "seed": seed, "times": times, "change": change}

    def make() -> dict[str, Any]:
        fields = {key: change[key] for key in ("warmup_steps", "weight_decay", "clip_norm") if key in change}
        named = {"optimizer": name.lower()} if name in ("AdamW", "Muon") else {}
        config = replace(SETTINGS, steps=times * STEPS, learning_rate=rate, **named, **fields)
        shape = CONFIG.replace(embedding_std=change.get("embedding_std", CONFIG.embedding_std))
        return train_and_measure(lesson, seed, config, optimizer_of(name, rate, change), shape)

    found = kept("optimizers", settings, make)
    print(name, settings["learning_rate"], "seed", seed, "x", times, change, "val", found["val_loss"], flush=True)
    return found


def best(runs: dict[float, dict[str, Any]]) -> float:
    """The rate with the lowest validation loss.

    >>> best({0.1: {"val_loss": 2.0}, 0.2: {"val_loss": None}})
    0.1
    """
    return min((rate for rate in runs if runs[rate]["val_loss"] is not None), key=lambda rate: runs[rate]["val_loss"])


def curve(losses: list[float]) -> dict[str, list[float]]:
    """The losses of the first update and of every fifth.

    >>> curve([7.0, 6.0, 5.0, 4.0, 3.0])
    {'steps': [1, 5], 'loss': [7.0, 3.0]}
    """
    steps = [step for step in range(1, len(losses) + 1) if step == 1 or step % CURVE_EVERY == 0]
    return {"steps": steps, "loss": [losses[step - 1] for step in steps]}


def below(losses: list[float], line: float, window: int = 10) -> int | None:
    """The first update at which the mean loss of the last ten is below a line, or None.

    >>> below([3.0] * 10 + [1.0] * 10, 2.5)
    13
    """
    for step in range(window, len(losses) + 1):
        if statistics.fmean(losses[step - window : step]) < line:
            return step
    return None


def documents_read(data: Any, steps: int, end: int) -> list[list[int]]:
    """The documents of the first batches, in the order in which they are read, row by row."""
    found: list[list[int]] = []
    for step in range(steps):
        for row in data[step][1].tolist():
            document: list[int] = []
            for token in row:
                if token == IGNORE:
                    break
                if token == end:
                    found.append(document)
                    document = []
                else:
                    document.append(token)
            if document:  # a piece of one that is longer than a row
                found.append(document)
    return found


def counted_loss(lesson: Lesson, order: int) -> float:
    """The validation loss of n-grams that were counted on the training documents."""
    counts = NGrams(order, CONFIG.vocab_size, lesson.tokenizer.end_id)
    for document in lesson.training:
        counts.read(document)
    return counts.loss(lesson.validation)


def code(lesson: Lesson, losses: list[float], targets: list[int]) -> dict[str, Any]:
    """Bytes for what a run of 120 updates has read, in several codes."""
    documents = documents_read(lesson.data(0).train, len(losses), lesson.tokenizer.end_id)
    text = "\n".join(map(lesson.tokenizer.decode, documents)).encode()
    nats = sum(loss * n for loss, n in zip(losses, targets, strict=True))
    return {
        "text": len(text),
        "tokens": sum(targets),
        "zlib": len(zlib.compress(text, 9)),
        "xz": len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)),
        "n-grams": {
            n: NGrams(n, CONFIG.vocab_size, lesson.tokenizer.end_id).code(documents) / 8 for n in ORDERS if n > 1
        },
        "model": nats / math.log(2) / 8,
        "at the floor": sum(targets) * lesson.floor / math.log(2) / 8,
        "weights in 16 bits": 2 * count_parameters(CONFIG),
        "merges of the tokenizer in 16 bits": 4 * len(lesson.tokenizer.merges),
    }


def base_code(seed: int, row: dict[str, Any]) -> dict[str, Any]:
    """The same of a whole base run in pretrain.json, which holds the loss of every tenth batch."""
    documents, text = base_documents(seed, row["steps"])
    raw = "\n".join(map(text.tokenizer.decode, documents)).encode()
    return {
        "text": len(raw),
        "tokens": row["tokens"],
        "zlib": len(zlib.compress(raw, 9)),
        "model": mean_of_tenths([loss for _, loss in row["curve"]]) * row["tokens"] / math.log(2) / 8,
        "at the floor": row["floor"] * row["tokens"] / math.log(2) / 8,
    }


def base_rivals(seed: int, row: dict[str, Any], order: int = 5) -> dict[str, Any]:
    """xz and n-grams on the text of a base run, and the n-grams' validation loss after they have read it."""
    documents, text = base_documents(seed, row["steps"])
    raw = "\n".join(map(text.tokenizer.decode, documents)).encode()
    counts = NGrams(order, text.tokenizer.vocab_size, text.tokenizer.end_id)
    return {
        "xz": len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
        f"{order}-grams": counts.code(documents) / 8,
        f"validation loss of {order}-grams": counts.loss(text.validation),
        "validation loss of the model": row["val_loss"],
    }


def base_documents(seed: int, steps: int) -> tuple[list[list[int]], Text]:
    """The documents that the base run of a seed reads, and its text."""
    recipe = BaseRecipe("world", seed=seed)
    text = recipe.read()
    return documents_read(recipe.prepare(text).data.train, steps, text.tokenizer.end_id), text


def mean_of_tenths(losses: list[float]) -> float:
    """The mean loss of a run, from that of update 1 and of every tenth, by trapezoids.

    >>> mean_of_tenths([7.0, 7.0, 5.0])
    6.5
    """
    widths = [9, *[10] * (len(losses) - 2)]
    parts = [w * (a + b) / 2 for w, a, b in zip(widths, losses[:-1], losses[1:], strict=True)]
    return (losses[0] + sum(parts)) / (1 + sum(widths))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", action="store_true", help="n-grams on the text of a base run, too (1 GB of memory)")
    parser.add_argument("--changes", type=int, default=len(CHANGES), help="how many of the changes to AdamW to run")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lesson = Lesson.load()
    end, vocab_size = lesson.tokenizer.end_id, CONFIG.vocab_size
    streams = [[end, *(t for d in part for t in (*d, end))] for part in (lesson.training, lesson.validation)]
    bigram = bigram_loss(*streams, vocab_size)

    def closed(loss: float | None) -> float | None:
        return None if loss is None else (bigram - loss) / (bigram - lesson.floor)

    def told(found: dict[str, Any]) -> dict[str, Any]:
        return {"val_loss": found["val_loss"], "closed": closed(found["val_loss"])}

    sweeps, chosen, curves = {}, {}, {}
    for name, rates in RATES.items():
        runs = {rate: run(lesson, name, rate) for rate in rates}
        rate = best(runs)
        sweeps[name] = {str(each): told(found) for each, found in runs.items()}
        seeds = [run(lesson, name, rate, seed) for seed in SEEDS[: 1 if name.startswith("SGD") else None]]
        curves[name] = [curve(each["losses"]) for each in seeds]
        chosen[name] = {
            "learning_rate": rate,
            "runs": [told(each) for each in seeds],
            "below the bigrams at": [below(each["losses"], bigram) for each in seeds],
        }
    rate = chosen["AdamW"]["learning_rate"]
    corpus = load_corpus("world", seed=0, n_train=LONGER * DOCUMENTS)
    assert corpus.validation == lesson.corpus.validation
    more = replace(lesson, corpus=corpus, training=lesson.tokenizer.encode_batch(corpus.train))
    longer = {}
    for name in ("AdamW",):  # of Muon, pretrain.json has 660 updates
        rate = chosen[name]["learning_rate"]
        found = run(more, name, rate, times=LONGER)
        curves[f"{name}, {LONGER} x the updates"] = [curve(found["losses"])]
        longer[name] = told(found) | {"learning_rate": rate, "below the bigrams at": below(found["losses"], bigram)}
    changes = list(CHANGES.items())[: arguments.changes]
    changed = {name: told(run(lesson, "AdamW", rate, change=change)) for name, change in changes}

    counted = {n: kept("counting", {"order": n}, lambda n=n: {"val_loss": counted_loss(lesson, n)}) for n in ORDERS}
    assert math.isclose(counted[2]["val_loss"], bigram, rel_tol=1e-6)
    muon = [run(lesson, "Muon", chosen["Muon"]["learning_rate"], seed) for seed in SEEDS]
    base = json.loads((RESULTS / "pretrain.json").read_text(encoding="utf-8"))["runs"]
    codes = [kept("base_codes", {"seed": n}, lambda n=n, row=row: base_code(n, row)) for n, row in enumerate(base)]
    rivals = kept("base_rivals", {"seed": 0}, lambda: base_rivals(0, base[0])) if arguments.rivals else None
    whole = code(lesson, muon[0]["losses"], muon[0]["targets"])
    whole["model, by seed"] = [
        sum(loss * n for loss, n in zip(each["losses"], each["targets"], strict=True)) / math.log(2) / 8
        for each in muon
    ]
    tenths = [muon[0]["losses"][0], *each_tenth(muon[0]["losses"])]
    whole["model, from every tenth loss"] = mean_of_tenths(tenths) * whole["tokens"] / math.log(2) / 8
    result = {
        "steps": STEPS,
        "floor": lesson.floor,
        "bigram": bigram,
        "n-grams": {str(order): told(found) for order, found in counted.items()},
        "sweeps": sweeps,
        "best": chosen,
        "AdamW, changed": changed,
        "longer": {"times": LONGER, "documents": LONGER * DOCUMENTS} | longer,
        "code": {"120 updates": whole, "base": codes, "base, seed 0": rivals},
        "curves": curves,
    }
    print(json.dumps({name: value for name, value in result.items() if name != "curves"}, indent=1))
    write_result("optimizers", result)
    if arguments.json:
        print(json.dumps(result))


def each_tenth(losses: list[float]) -> list[float]:
    """The losses of updates 10, 20, 30 and so on."""
    return losses[9::10]


if __name__ == "__main__":
    main()
