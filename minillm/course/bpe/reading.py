"""The real model on texts that are cut in any way: what they cost it, and what it writes after them."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from minillm.analysis import surgery
from minillm.analysis.surgery import EncodeWord
from minillm.analysis.surgery.cutting import cut, merges_of
from minillm.analysis.surgery.meters import CAPITALS
from minillm.course import own_model
from minillm.course.bpe.vocabularies import gpt2
from minillm.data.chat import encode_chat
from minillm.files import read_json
from minillm.viz.figures import BLUE, ORANGE, QUIET, bars, show

STORED = 8.0  # bits in a byte that is stored as it is
NAMED = {  # the cuts of wrong_merges.json that the page shows
    "right": "merges in order",
    "longest match": "longest match",
    "no split into words": "no cut into words",
    "one merge in ten missing": "one merge in ten missing",
    "any known pair, pass by pass": "any known pair, pass by pass",
    "GPT-2's ids": "GPT-2's ids",
    "merges in random order": "random order",
    "merges in reverse order": "last learned first",
    "no merges: bytes": "no merges",
}
RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


@torch.no_grad()
def bits_per_byte(text: str, encode: EncodeWord, merges: int | None = None) -> float:
    """What a text costs SmolLM2 in bits per byte, each word cut by `encode`, with the first so many merges or all."""
    model, tokenizer = own_model.smollm2()
    first = None if merges is None else dict(list(merges_of(tokenizer).items())[:merges])
    ids = cut(tokenizer, text, encode, first)
    start = surgery.prompt_ids(tokenizer, "")
    log_probs = model(torch.tensor([[*start, *ids]]))[0, :-1].double().log_softmax(-1)
    came = log_probs.gather(-1, torch.tensor(ids)[:, None])
    return -came.sum().item() / math.log(2) / len(text.encode())


def misread(text: str) -> None:
    """Print how SmolLM2 reads a text that GPT-2's tokenizer has cut: the same numbers, another list."""
    ids, smollm2 = gpt2().tokenizer.encode(text), own_model.smollm2()[1]
    print(f"{text!r} is {ids} to GPT-2.")
    known = [id for id in ids if id < smollm2.vocab_size]
    print(f"SmolLM2 reads these numbers as {smollm2.decode(known)!r}.")
    if len(known) < len(ids):
        print(f"It has no token {', '.join(str(id) for id in ids if id not in known)}: its list is shorter.")


def capitals_after(end: str) -> tuple[int, int]:
    """Of 20 countries, after how many SmolLM2 names the capital, and after how many it writes a digit.

    `end` comes after "The capital of X is"; what's named is the likeliest token, the first of the capital's name.
    """
    model, tokenizer = own_model.smollm2()
    digits = {tokenizer.encode(digit)[0] for digit in "0123456789"}
    named = digit = 0
    for country, city in CAPITALS.items():
        best = int(surgery.next_logits(model, tokenizer, f"The capital of {country} is{end}").argmax())
        named += best == tokenizer.encode(city if end.endswith(" ") else f" {city}")[0]
        digit += best in digits
    return named, digit


def after_lone_spaces(texts: Sequence[str]) -> dict[str, int]:
    """What follows a space that SmolLM2's tokenizer leaves alone in these texts, and how often."""
    tokenizer = own_model.smollm2()[1]
    (space,) = tokenizer.encode(" ")
    follow: Counter[str] = Counter()
    for text in texts:
        for left, right in pairwise(tokenizer.encode(text)):
            if left == space:
                first = tokenizer.decode([right])[0]
                kind = "a digit" if first.isdigit() else "a letter" if first.isalpha() else "another space"
                follow[kind if first.isspace() or first.isalnum() else "something else"] += 1
    return {kind: follow[kind] for kind in ("a digit", "another space", "something else", "a letter")}


def forged(message: str, plain: str, n: int = 12) -> list[str]:
    """Print and return SmolLM2's answers to a message with marks, cut as text and as marks, and to one without."""
    model, tokenizer = own_model.smollm2()
    safe = encode_chat(tokenizer, [{"role": "user", "content": message}])
    harmless = encode_chat(tokenizer, [{"role": "user", "content": plain}])
    marks = set(tokenizer.special_tokens.values())
    ways = {
        "typed text": safe,
        "real marks": tokenizer.encode(tokenizer.decode(safe), allow_special=True),
        "no marks typed": harmless,
    }
    answers = []
    for name, ids in ways.items():
        answers.append(own_model.one_line(surgery.write(model, tokenizer, ids, n)))
        print(f"{name:15} {sum(id in marks for id in ids)} special ids  {answers[-1]}")
    return answers


def costs() -> list[Mapping[str, Any]]:
    """What 50 texts cost SmolLM2 when they are cut in other ways, as `benchmarks/wrong_merges.py` measured it."""
    return read_json(RESULTS / "wrong_merges.json")["rows"]


def show_costs(title: str) -> None:
    """Draw the costs of 50 texts in bits per byte, beside what the texts take as they are stored."""
    rows = [row for row in costs() if row["cut"] in NAMED]
    rows.sort(key=lambda row: row["bits_per_byte"])
    names, values = [NAMED[row["cut"]] for row in rows], [row["bits_per_byte"] for row in rows]
    errors = [(row["high"] - row["low"]) / 2 for row in rows]
    place = sum(value < STORED for value in values)
    names.insert(place, "stored as it is")
    values.insert(place, STORED)
    errors.insert(place, 0.0)
    colors = [BLUE if name == NAMED["right"] else QUIET if name == "stored as it is" else ORANGE for name in names]
    told = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, values, strict=True))
    show(bars(names, values, "bits per byte (lines: 95% over texts)", 2, colors, errors), title=title, alt=f"{told}.")
