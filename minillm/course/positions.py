"""What lesson 03 uses of the package: the real model with other positions, and tests of who did what.

counted_from      a rotation that counts positions from another number than 0
scores            capitals and revenge, with another rotation
book, COLORS      questions that are asked both ways, for `prefers`
prefers           how many of them the model gets right, with another rotation or without positions
next_logits       the model's logits after a text
by_position       the loss along a long text with a broken rotation, from benchmarks/results/rotations.json
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from minillm.analysis import surgery
from minillm.analysis.surgery.meters import NAMES
from minillm.course.own_model import smollm2
from minillm.course.turns.positional_encoding import rotate
from minillm.files import read_json

Rotation = Callable[[Tensor, Tensor, float], Tensor]
Questions = list[tuple[str, str, str]]  # a text, the word that should follow, the word that should not

THINGS = ("door", "box", "hat", "car", "cup", "bag", "bed", "wall")
SHADES = ("red", "blue", "green", "black", "white", "yellow", "brown", "pink")
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "rotations.json"


class Scores(NamedTuple):
    """Two tests: capitals of 20 countries, and the 84 texts of `surgery.revenge`."""

    capitals: int
    revenge: int

    def __str__(self) -> str:
        return f"{self.capitals:2} of 20 capitals, {self.revenge:2} of 84 revenge"


def counted_from(start: int) -> Rotation:
    """A rotation for `mine.write` that numbers the tokens start, start + 1, start + 2, ...

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0]])
    >>> torch.equal(counted_from(5)(x, torch.tensor([0]), 100.0), rotate(x, torch.tensor([5]), 100.0))
    True
    """

    def rotation(x: Tensor, positions: Tensor, base: float) -> Tensor:
        return rotate(x, positions + start, base)

    return rotation


def scores(rotation: Rotation | None = None) -> Scores:
    """Two tests of SmolLM2, with this rotation in all its layers."""
    model, tokenizer = smollm2()
    with surgery.replaced(model, rotation=rotation):
        return Scores(surgery.capitals(model, tokenizer), surgery.revenge(model, tokenizer))


def book(way: str) -> Questions:
    """Who has the book? 28 pairs of names; `way` is "gave a book to" or "got a book from".

    >>> book("got a book from")[0]
    ('Tom got a book from Bob. Now the book belongs to', 'Tom', 'Bob')
    """
    pairs = list(itertools.permutations(NAMES, 2))[::2]
    named = {"gave a book to": (1, 0), "got a book from": (0, 1)}[way]
    return [(f"{pair[0]} {way} {pair[1]}. Now the book belongs to", pair[named[0]], pair[named[1]]) for pair in pairs]


def _colors(count: int) -> Questions:
    """Which color is the door? Each pair of things four times: colors swapped, and sentences swapped."""
    questions = []
    pairs, shades = (list(itertools.combinations(words, 2))[::2][:count] for words in (THINGS, SHADES))
    for (one, other), (first, second) in zip(pairs, reversed(shades), strict=True):
        for a, b in ((first, second), (second, first)):
            sentences = [f"The {one} is {a}.", f"The {other} is {b}."]
            asked = f"What color is the {one}? The {one} is"
            questions += [(" ".join([*order, asked]), a, b) for order in (sentences, sentences[::-1])]
    return questions


COLORS = _colors(14)  # 56 questions; rules such as "the color named last" are right in exactly half of them


def prefers(questions: Sequence[tuple[str, str, str]], rotation: Rotation | None = None, **left_out: Any) -> int:
    """After how many texts SmolLM2 gives the right word more probability than the wrong one.

    With this rotation in all layers, or `without="positions"`.
    """
    model, tokenizer = smollm2()
    if left_out:
        with surgery.without(model, left_out["without"]):
            return surgery.preferred(model, tokenizer, questions)
    with surgery.replaced(model, rotation=rotation):
        return surgery.preferred(model, tokenizer, questions)


def next_logits(text: str, rotation: Rotation | None = None) -> Tensor:
    """The logits of the token after a text, (V,), with this rotation in all layers."""
    model, tokenizer = smollm2()
    with surgery.replaced(model, rotation=rotation):
        return surgery.next_logits(model, tokenizer, text)


def by_position(*names: str) -> tuple[list[float], dict[str, list[float]]]:
    """The middle of each part of a text of 1,200 tokens, and how many nats each break adds to the loss there."""
    stored = read_json(RESULTS)
    middles = [(a + b) / 2 for a, b in itertools.pairwise(stored["parts"])]
    intact = stored["rows"]["intact"]["by position"]
    rises = {
        name: [loss - before for loss, before in zip(stored["rows"][name]["by position"], intact, strict=True)]
        for name in names
    }
    return middles, rises
