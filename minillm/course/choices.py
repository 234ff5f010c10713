"""What lesson 07 uses of the package: the real model's next tokens, and what was measured on many prompts.

riddles       forty riddles whose answer needs "an": what was right after which word
articles      what the model says after a riddle, with "a", with "an", and by itself
branches      the likeliest first tokens after a prompt, each with the likeliest tokens after it
questions     the tokens of a text as questions of a guessing game
tail          the probability of all but the likeliest next tokens
surprise      how surprised the model is by a text, in nats per token
agree         how much of their beginning two texts have in common
forgetting    a cache without one token
stored        a file of benchmarks/results
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minillm.analysis import surgery
from minillm.course.own_model import smollm2
from minillm.course.turns.sampling import remember
from minillm.files import read_json
from minillm.inference.generate import generate
from minillm.inference.scoring import log_probs
from minillm.viz.diagrams.choices import Branch
from minillm.viz.guessing import Question

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
BOOK = (
    "My grandmother kept bees behind the house. Every June she put on her white hat, lit the smoker, and told us to "
    "stay inside. We watched from the kitchen window while she lifted the frames, one by one, and talked to the bees "
    "as if they were her oldest friends."
)


def stored(name: str) -> Any:
    """What a benchmark has measured.

    >>> stored("riddles")["model"]
    'smollm2-135m-instruct'
    """
    return read_json(RESULTS / f"{name}.json")


def riddles() -> dict[str, int]:
    """Of forty riddles whose answer needs "an", in how many SmolLM2 says so; and how many answers were right.

    Greedy, in three wordings. "vowel" allows only tokens that begin with a vowel, so that "an" tells nothing by that.

    >>> riddles()["says an"]
    1
    """
    frames = stored("riddles")["frames"]
    first, second, third = (frame["an"] for frame in frames.values())
    found = {f"right after {word}": first[f"right after {word}"]["hits"] for word in ("a", "an", "the")}
    letters = first["likeliest token"]["first letter"]
    found |= {f"right after {word}, vowel": letters[word]["hits"] for word in ("a", "an", "the")}
    found |= {
        "says an": first["first"]["an"]["hits"],
        "right after an, known as": second["right after an"]["hits"],
        "right after an, question": third["right after an"]["hits"],
    }
    return found


def articles(description: str) -> str:
    """What SmolLM2 says after a description: the probabilities of both articles, and the words after each."""
    model, tokenizer = smollm2()
    p = surgery.next_logits(model, tokenizer, description).softmax(-1)
    lines = []
    for article in ("a", "an"):
        said = generate(model, surgery.prompt_ids(tokenizer, f"{description} {article}"), 5, temperature=0)
        new = tokenizer.decode(said[len(surgery.prompt_ids(tokenizer, f"{description} {article}")) :])
        lines.append(f"{article:2} {p[tokenizer.encode(f' {article}')[0]]:.2f} ->{new.splitlines()[0]}")
    return "\n".join(lines)


@torch.no_grad()
def branches(prompt: str, first: int = 5, second: int = 2) -> list[Branch]:
    """The likeliest first tokens after a prompt, and after each its likeliest next ones, with probabilities."""
    model, tokenizer = smollm2()
    ids = surgery.prompt_ids(tokenizer, prompt)

    def likeliest(ids: Sequence[int], k: int) -> list[tuple[int, float]]:
        found = model(torch.tensor([list(ids)]))[0, -1].softmax(-1).topk(k)
        return list(zip(found.indices.tolist(), found.values.tolist(), strict=True))

    return [
        (
            tokenizer.decode([token]),
            p,
            [(tokenizer.decode([other]), q) for other, q in likeliest([*ids, token], second)],
        )
        for token, p in likeliest(ids, first)
    ]


@torch.no_grad()
def questions(text: str = BOOK, known: int = 9, count: int = 12) -> tuple[str, list[Question]]:
    """The beginning of a text, and its next tokens as questions: what SmolLM2 would say, and the rank of what came."""
    model, tokenizer = smollm2()
    ids = surgery.prompt_ids(tokenizer, text)
    before = len(ids) - len(tokenizer.encode(text)) + known
    logits = model(torch.tensor([ids]))[0]
    asked = []
    for at in range(before, min(before + count, len(ids))):
        row = logits[at - 1]
        rank = 1 + int((row > row[ids[at]]).sum())
        asked.append(Question(tokenizer.decode([ids[at]]), tokenizer.decode([int(row.argmax())]), rank))
    return tokenizer.decode(ids[before - known : before]), asked


@torch.no_grad()
def tail(prompt: str, likeliest: int) -> float:
    """The probability at T = 1 that the next token after a prompt is none of the likeliest ones."""
    model, tokenizer = smollm2()
    shares = surgery.next_logits(model, tokenizer, prompt).softmax(-1)
    return float(shares.sort(descending=True).values[likeliest:].sum())


def agree(text: str, other: str) -> int:
    """How many characters two texts have in common at their beginning.

    >>> agree("door, and", "door and")
    4
    """
    pairs = zip(text, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other)))


@torch.no_grad()
def surprise(prompt: str, text: str) -> float:
    """SmolLM2's loss on what follows a prompt, in nats per token, at temperature 1 and without a cut."""
    model, tokenizer = smollm2()
    start = surgery.prompt_ids(tokenizer, prompt)
    ids = [*start, *tokenizer.encode(text)]
    return -float(log_probs(model, ids)[len(start) - 1 :].mean())


Remember = Callable[[dict, int, Tensor, Tensor], tuple[Tensor, Tensor]]


def forgetting(place: int) -> Remember:
    """A cache that keeps everything, but from the second step on no query sees the token at one place.

    >>> cache, new = {}, torch.arange(3.0).view(1, 3, 1)
    >>> forget = forgetting(0)
    >>> _ = forget(cache, 0, new, new)
    >>> forget(cache, 0, new[:, :1], new[:, :1])[0].flatten().tolist()
    [1.0, 2.0, 0.0]
    """

    def keep(cache: dict, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = remember(cache, layer, key, value)
        if key.shape[1] > 1:
            return keys, values
        keys, values = (torch.cat([part[:, :place], part[:, place + 1 :]], dim=1) for part in (keys, values))
        return keys, values

    keep.__name__ = f"forgetting({place})"
    return keep
