"""The live run of lesson 09: what 150, 300 and 600 updates of SFT teach the base model, and what the mask changes.

    python benchmarks/sft_live.py                # about half an hour on one thread; what is done is kept in --folder
    python benchmarks/sft_live.py --seeds 1 --json

Every run starts from the course's base model and reads nearly every row once (AdamW, 8 rows of 256 tokens, learning
rate 2e-3 falling to 0). A seed draws the conversations and their order. All runs answer the same 200 held-out
instructions, greedily, so two runs are compared question by question (McNemar). "Every token" trains on the same rows
without the mask. The first answer token is split into what chance decides (half of the answers begin with one of four
courtesies) and the rest. Controls: sums of the base model as its documents write them, and with examples before them.
"""

import argparse
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from chat_runs import RATE, UPDATES, Bench, chat_data, every_token, learn, training_for
from common import write_result
from measures import stored, wilson
from paired import mcnemar, over_seeds

from minillm import Transformer
from minillm.course import models
from minillm.course.recipes.chat import CIVIL, example_of
from minillm.data.chat import encode_chat
from minillm.losses import IGNORE
from minillm.posttraining.rollout import roll_out
from minillm.posttraining.sft import ChatData
from minillm.world import experiments
from minillm.world.holdout import Split
from minillm.world.instructions import Instruction, Instructions
from minillm.world.phrasebook import load_phrasebook

RUNS = ((150, "answers"), (150, "every token"), (300, "answers"), (600, "answers"))
SUMS, EXAMPLES = 100, 3


def courtesies() -> dict[str, float]:
    """The polite openings and their probabilities in a polite answer."""
    options = load_phrasebook().courtesies
    total = sum(weight for weight, _ in options)
    return {phrase: weight / total for weight, phrase in options}


def coin() -> dict[str, float]:
    """What chance costs at the first answer token, in nats: polite or not, and which courtesy.

    >>> {name: round(nats, 3) for name, nats in coin().items()}
    {'polite or not': 0.693, 'which courtesy': 0.663, 'both': 1.356}
    """
    whether = -CIVIL * math.log(CIVIL) - (1 - CIVIL) * math.log(1 - CIVIL)
    which = -CIVIL * sum(p * math.log(p) for p in courtesies().values())
    return {"polite or not": whether, "which courtesy": which, "both": whether + which}


@torch.no_grad()
def first_tokens(bench: Bench, model: Transformer) -> dict[str, Any]:
    """The loss at the first answer token and at the others, and what of the first is chance.

    `chance` is what the true probabilities of the manners cost on these very answers; `rest` is the loss beyond it.
    Answers that apologize have no coin.
    """
    firsts = {bench.tokenizer.encode(phrase)[0]: p for phrase, p in courtesies().items()}
    assert len(firsts) == len(courtesies())
    parts: dict[str, list[float]] = {"first": [], "between": [], "end": [], "chance": [], "manner": []}
    sorry = bench.tokenizer.encode("I am sorry")[0]
    model.eval()
    for inputs, segments, targets in bench.answers:
        log_probs = model(inputs, segments=segments).log_softmax(-1)
        losses = F.nll_loss(log_probs.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="none")
        losses, counted = losses.view(targets.shape), targets != IGNORE
        first = counted & ~F.pad(counted, (1, 0))[:, :-1]
        end = targets == bench.tokenizer.end_id
        for name, chosen in (("first", first), ("between", counted & ~first & ~end), ("end", counted & end)):
            parts[name] += losses[chosen].tolist()
        polite = log_probs[first][:, list(firsts)].logsumexp(-1)
        for target, log_polite, loss in zip(
            targets[first].tolist(), polite.tolist(), losses[first].tolist(), strict=True
        ):
            if target == sorry:
                continue
            if target in firsts:
                parts["chance"].append(-math.log(CIVIL * firsts[target]))
                parts["manner"].append(loss)
            else:
                parts["chance"].append(-math.log(1 - CIVIL))
                parts["manner"].append(-math.log(max(1e-9, 1 - math.exp(log_polite))))
    return {name: fmean(values) for name, values in parts.items()} | {"answers": len(parts["first"])}


def run(bench: Bench, updates: int, targets: str, seed: int) -> dict[str, Any]:
    """One SFT run and its exam."""
    data = chat_data(bench.tokenizer, seed, updates)
    if targets == "every token":
        data = ChatData(every_token(data.train), data.validation)
    model, path, seconds = learn(bench.base, data, training_for(updates, RATE, 30), seed, watch=bench.losses)
    return {"path": path, "seconds": seconds, "first": first_tokens(bench, model)} | bench.exam(model)


def told(bench: Bench, row: dict[str, Any]) -> dict[str, Any]:
    """The figures of a run: shares instead of lists, by family, too."""
    found = {"seconds": row["seconds"], **row["path"][-1], "first": row["first"]}
    found |= {name: fmean(row[name]) for name in ("right", "ended", "excuses")}
    pairs = list(zip(bench.asked, row["right"], strict=True))
    families = sorted({instruction.family for instruction in bench.asked})
    found["families"] = {
        family: [sum(hit for its, hit in pairs if its.family == family), sum(its.family == family for its, _ in pairs)]
        for family in families
    }
    found["examples"] = row["texts"][:6]
    return found


def sums_of(bench: Bench, asked: Sequence[Instruction]) -> dict[str, list[bool]]:
    """Right answers to sums: the base model as its documents have them and after examples, and the chat model."""

    def continued(prefixes: Sequence[str], results: Sequence[int]) -> list[bool]:
        """Whether the number that the base model writes next, greedily, is the result."""
        rows = [[bench.edge, *bench.tokenizer.encode(prefix)] for prefix in prefixes]
        hits = []
        for start in range(0, len(rows), 32):
            said = roll_out(bench.base.eval(), rows[start : start + 32], 4, [bench.edge], 0, 0.0).answers
            found = [re.match(r"\s*(\d+)", bench.tokenizer.decode(ids)) for ids in said]
            wanted = results[start : start + 32]
            hits += [hit is not None and int(hit[1]) == result for hit, result in zip(found, wanted, strict=True)]
        return hits

    def of_documents(split: Split) -> list[bool]:
        probes = [probe for probe in experiments.sums(split, count=2 * SUMS).probes if probe.group == "sum"]
        return continued([probe.prefix for probe in probes], [int(probe.amount or 0) for probe in probes])

    digits = [(a, b) for a in range(2, 10) for b in range(2, 10)]
    frame = "Nothing was happening at the church on stilts, so Wren did some sums.\n{} + {} ="
    shown = [each for each in Instructions(5, families={"sum": 1}).instructions(60) if each.worked][:EXAMPLES]
    before = [message for each in shown for message in example_of(each, worked=1.0)]
    as_text = "".join(f"Question: {each.question}\nAnswer: {each.worked}\n\n" for each in shown)
    room = bench.base.config.max_seq_len - 48

    def asked_with(prompts: Sequence[list[int]]) -> list[bool]:
        if max(map(len, prompts)) > room:
            raise ValueError(f"a prompt has {max(map(len, prompts))} tokens, and there is room for {room}; show fewer")
        stop = [bench.edge, bench.tokenizer.end_id]
        said = roll_out(bench.base.eval(), prompts, 40, stop, 0, 0.0).answers
        texts = [bench.tokenizer.decode([id for id in ids if id not in stop]) for ids in said]
        return [its.check(text.strip().split("\n")[0]) for its, text in zip(asked, texts, strict=True)]

    encode = bench.tokenizer.encode
    template = [encode_chat(bench.tokenizer, [*before, *its.messages[:1]]) for its in asked]
    documents = [[bench.edge, *encode(f"{as_text}Question: {its.question}\nAnswer:")] for its in asked]
    return {
        "base, in a document, pairs of its training": of_documents("training"),
        "base, in a document, other pairs": of_documents("held-out"),
        "base, in a document, numbers from 2 to 9": continued(
            [frame.format(*pair) for pair in digits], [*map(sum, digits)]
        ),
        "base, asked in the template": bench.exam(bench.base, asked)["right"],
        f"base, {EXAMPLES} examples in the template": asked_with(template),
        f"base, {EXAMPLES} examples as a document": asked_with(documents),
        "finished, asked": bench.exam(models.sft()[0], asked)["right"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="draws of the conversations and their order")
    parser.add_argument("--count", type=int, default=len(RUNS), help="how many of the kinds of run, in their order")
    parser.add_argument("--folder", type=Path, default=Path("runs/sft_live"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bench, folder = Bench.of(), arguments.folder
    ends = {}
    for name in ("base", "finished"):
        ends[name] = stored(folder / f"{name}.json", lambda name=name: examined(bench, name))
    asked = Instructions(2_000_000, "held-out", families={"sum": 1}).instructions(SUMS)
    sums = stored(folder / "sums.json", lambda: sums_of(bench, asked))
    result = {
        "questions": len(bench.asked),
        "rate": RATE,
        "coin": coin(),
        "models": {name: told(bench, row) for name, row in ends.items()},
        "sums": {name: wilson(sum(hits), len(hits), 1.96) for name, hits in sums.items()},
    }
    rows: dict[str, list[dict[str, Any]]] = {}
    for (updates, targets), seed in itertools.product(RUNS[: arguments.count], range(arguments.seeds)):
        name = f"{updates} updates, {targets}"
        path = folder / f"{name}, seed {seed}.json"
        rows.setdefault(name, []).append(stored(path, lambda s=seed, u=updates, t=targets: run(bench, u, t, s)))
        row = told(bench, rows[name][-1])
        print(
            f"{name}, seed {seed}: right {row['right']:.3f}, ended {row['ended']:.2f}, "
            f"answers {row['answers']:.3f}, documents {row['documents']:.3f}, {row['seconds']:.0f} s",
            flush=True,
        )
        result |= summary(bench, rows)
        write_result("sft_live", result)
    print(json.dumps({key: result[key] for key in ("coin", "sums", "means")}, indent=1))
    if arguments.json:
        print(json.dumps(result))


def examined(bench: Bench, name: str) -> dict[str, Any]:
    """The base model or the finished chat model, measured as a run is."""
    model = bench.base if name == "base" else models.sft()[0]
    return {"path": [bench.losses(model)], "first": first_tokens(bench, model), "seconds": 0.0} | bench.exam(model)


def summary(bench: Bench, rows: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Every run, means over the seeds that are done, and the two targets on the same questions."""
    figures = ("right", "ended", "excuses", "answers", "documents", "seconds")
    runs = {name: [told(bench, row) for row in some] for name, some in rows.items()}
    means = {name: {key: over_seeds([row[key] for row in some]) for key in figures} for name, some in runs.items()}
    every, masked = (rows.get(f"{UPDATES} updates, {targets}", ()) for targets in ("every token", "answers"))
    pairs = list(zip(every, masked, strict=False))  # of the seeds that both have
    found = {
        "runs": runs,
        "means": means,
        "paths": {name: [row["path"] for row in some] for name, some in rows.items()},
    }
    if pairs:
        changes = [fmean(b["right"]) - fmean(a["right"]) for a, b in pairs]
        by_seed = [mcnemar(a["right"], b["right"]) for a, b in pairs]
        found["mask"] = {"answers - every token": over_seeds(changes), "by seed": by_seed}
    return found


if __name__ == "__main__":
    main()
