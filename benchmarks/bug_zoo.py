"""Bugs in a finished transformer: what they cost SmolLM2-135M, and whether what it then writes reads like English.

    python benchmarks/bug_zoo.py                       # about twelve minutes on one thread
    python benchmarks/bug_zoo.py --bugs "no mask" LayerNorm --json

Each bug of `minillm.course.bug_zoo` is measured on 12 texts, 20 capitals and eight prompts that it continues greedily
by 20 tokens. A continuation reads like English if the intact model, too, could have written it:

- its loss under the intact model is at most that of 95 % of the intact model's own texts at temperature 1, and
- the share of different tokens in it is at least the lowest of the intact model's own greedy continuations.

A bug reads like English if more than half of its continuations do. Human texts, and the words of the intact model's
texts in random order, show what the rule is worth. What is done is kept in --folder; an interrupted benchmark resumes
there.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from common import write_result
from measures import bootstrap_interval, stored, text_losses, texts
from no_mask import no_mask_part

from minillm.analysis.surgery import capitals, continuation, prompt_ids
from minillm.analysis.surgery.writing import END, NotFinite
from minillm.course.bug_zoo import HARMLESS, ZOO, infected
from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
PROMPTS = (
    "The old man walked to the", "The capital of France is", "Once upon a time, a dog", "My favorite food is",
    "In the morning, she", "The weather today is", "He opened the box and", "The best way to learn is",
)  # fmt: skip
SHOWN = 3  # prompts whose continuations are kept
LONG = 20  # tokens of a continuation
TABLE = (
    HARMLESS, "eps 1e-3", "theta 10,000", "LayerNorm", "rotation in neighboring pairs", "no mask",
    "rotation backwards", "no rotation", "no sqrt(D)", "plain average", "query not transposed", "heads by reshape",
    "no output matrix", "eps 1", "key head h % K",
)  # fmt: skip
TEXTS = 12
SEEDS = range(3)


class Judgement(NamedTuple):
    """What the rule asks of a continuation."""

    loss: float  # at most, in nats per token under the intact model
    distinct: float  # at least, different tokens per token


def distinct(ids: Sequence[int]) -> float:
    """Different tokens per token.

    >>> distinct([5, 6, 5, 5])
    0.5
    """
    return len(set(ids)) / len(ids)


def new_tokens(model: Transformer, tokenizer: Tokenizer, prompt: str, sampler=None) -> list[int]:
    """The tokens that continue a prompt, up to the end of a text; those before a logit that is no number."""
    ids, end = [], {tokenizer.special_tokens.get(END), tokenizer.eos_id}
    try:
        for token in continuation(model, prompt_ids(tokenizer, prompt), LONG, sampler):
            ids.append(token)
            if token in end:
                break
    except NotFinite:
        pass
    return ids


def sampler_at(temperature: float, seed: int):
    """Draws a token at a temperature, the same ones for a seed."""
    rng = torch.Generator().manual_seed(seed)
    return lambda logits: int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=rng))


@torch.no_grad()
def loss_of(model: Transformer, tokenizer: Tokenizer, prompt: str, new: Sequence[int]) -> float:
    """Mean loss of the new tokens alone, in nats per token, after the prompt."""
    before = prompt_ids(tokenizer, prompt)
    row = torch.tensor([[*before, *new]])
    logits = model(row[:, :-1])[:, len(before) - 1 :]
    return next_token_loss(logits, row[:, len(before) :]).item()


def reads(judgement: Judgement, text: Mapping) -> bool:
    """Whether a continuation, {"ids", "loss"}, reads like English by the rule.

    >>> reads(Judgement(3.0, 0.5), {"ids": [1, 2, 3], "loss": 2.9})
    True
    >>> reads(Judgement(3.0, 0.5), {"ids": [1, 1, 1], "loss": 0.1})
    False
    """
    return bool(text["ids"]) and text["loss"] <= judgement.loss and distinct(text["ids"]) >= judgement.distinct


def judged(model: Transformer, tokenizer: Tokenizer, prompt: str, ids: Sequence[int]) -> dict:
    """A continuation with its loss under the intact model."""
    loss = loss_of(model, tokenizer, prompt, ids) if ids else 1e9
    return {"prompt": prompt, "ids": list(ids), "text": tokenizer.decode(list(ids)), "loss": loss}


def own_texts(model: Transformer, tokenizer: Tokenizer) -> dict[str, list[dict]]:
    """What the intact model writes greedily and at two temperatures, and the controls of the rule."""
    rng = random.Random(0)
    greedy = [judged(model, tokenizer, p, new_tokens(model, tokenizer, p)) for p in PROMPTS]
    found = {"greedy": greedy}
    for temperature, seeds in ((0.7, SEEDS[:1]), (1.0, SEEDS)):
        found[f"T = {temperature}"] = [
            judged(model, tokenizer, p, new_tokens(model, tokenizer, p, sampler_at(temperature, 100 * seed + number)))
            for seed in seeds
            for number, p in enumerate(PROMPTS)
        ]
    found["human"] = []
    for text in texts(12):
        words = text.split()
        ids = tokenizer.encode(" " + " ".join(words[6:]))[:LONG]
        found["human"].append(judged(model, tokenizer, " ".join(words[:6]), ids))
    found["words in random order"] = []
    for row in greedy + found["T = 0.7"]:
        words = row["text"].split()
        ids = tokenizer.encode(" " + " ".join(rng.sample(words, len(words))))[:LONG]
        found["words in random order"].append(judged(model, tokenizer, row["prompt"], ids))
    return found


def judgement_of(own: Mapping[str, Sequence[Mapping]]) -> Judgement:
    """The rule's two numbers, from the intact model's own texts."""
    losses = sorted(row["loss"] for row in own["T = 1.0"])
    return Judgement(losses[int(0.95 * len(losses)) - 1], min(distinct(row["ids"]) for row in own["greedy"]))


def measured(model: Transformer, tokenizer: Tokenizer, name: str) -> dict:
    """Losses, capitals and continuations of a model with a bug; the intact one judges the continuations."""
    with infected(model, name) if name != "intact" else nullcontext():
        losses, known = text_losses(model, tokenizer, texts(TEXTS)), capitals(model, tokenizer)
        new = [new_tokens(model, tokenizer, prompt) for prompt in PROMPTS]
    rows = [judged(model, tokenizer, prompt, ids) for prompt, ids in zip(PROMPTS, new, strict=True)]
    return {"losses": losses, "capitals": known, "continuations": rows}


def told(found: Mapping, intact: Mapping, judgement: Judgement) -> dict:
    """The row of a bug: its loss and cost with an interval, capitals, what it writes and how that reads."""
    costs = [loss - right for loss, right in zip(found["losses"], intact["losses"], strict=True)]
    english = sum(reads(judgement, row) for row in found["continuations"])
    return {
        "loss": fmean(found["losses"]),
        "loss interval": bootstrap_interval(found["losses"], fmean),
        "cost": fmean(costs),
        "cost interval": bootstrap_interval(costs, fmean),
        "lower on": sum(cost < 0 for cost in costs),
        "losses": found["losses"],
        "capitals": found["capitals"],
        "as the intact one": sum(
            a["ids"] == b["ids"] for a, b in zip(found["continuations"], intact["continuations"], strict=True)
        ),
        "english": english,
        "probable": sum(row["loss"] <= judgement.loss for row in found["continuations"]),
        "varied": sum(distinct(row["ids"] or [0]) >= judgement.distinct for row in found["continuations"]),
        "reads like English": 2 * english > len(found["continuations"]),
        "text loss": fmean(min(row["loss"], 99.0) for row in found["continuations"]),
        "texts": {row["prompt"]: row["text"] for row in found["continuations"][:SHOWN]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bugs", nargs="+", default=list(ZOO), choices=ZOO)
    parser.add_argument("--folder", type=Path, default=Path("runs/bug_zoo"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (model, tokenizer), folder = load(MODEL), arguments.folder
    own = stored(folder / "own texts.json", lambda: own_texts(model, tokenizer))
    judgement = judgement_of(own)
    passed = {name: [sum(reads(judgement, row) for row in rows), len(rows)] for name, rows in own.items()}
    print(judgement, passed, flush=True)
    mask = no_mask_part(model, tokenizer, folder)
    print(json.dumps({key: value for key, value in mask.items() if key != "rows"}, indent=1), flush=True)
    rows = {}
    for name in ["intact", *(bug for bug in TABLE if bug in arguments.bugs), *arguments.bugs]:
        if name not in rows:
            path = folder / f"{name.replace('/', ' of ')}.json"
            rows[name] = stored(path, lambda name=name: measured(model, tokenizer, name))
            row = told(rows[name], rows["intact"], judgement)
            print(
                f"{name:30} {row['loss']:6.2f} ({row['cost']:+.2f}), {row['capitals']:2} capitals, "
                f"{row['english']:2} of {len(PROMPTS)} like English, {row['texts'][PROMPTS[0]]!r}",
                flush=True,
            )
    found = {name: told(row, rows["intact"], judgement) for name, row in rows.items()}
    table = [name for name in TABLE if name in found]
    result = {
        "model": MODEL,
        "texts": TEXTS,
        "prompts": PROMPTS,
        "judgement": judgement._asdict() | {"passed": passed},
        "table": table,
        "like English": [name for name in found if name != "intact" and found[name]["reads like English"]],
        "bugs": {name: {"part": bug.part, "written": bug.written} for name, bug in ZOO.items() if name in found},
        "rows": found,
        "no mask": mask,
    }
    print(f"like English: {result['like English']}")
    if set(TABLE) <= set(found):
        print(f"written to {write_result('bug_zoo', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
