"""What lesson 00 uses of the package, so that its first cell has two imports: the real model, read, drawn and priced.

NextTokenExplorer         type a beginning, see what may come next
next_logits, likeliest    the score of every token after a text, and the ten likeliest tokens
token_probabilities       the probability that each token of a text had
capitals                  of 20 countries, how many capitals it still knows
size, show_ids            the model in a line; the ids of a text in two vocabularies
traced, written           one text on its way through every box, and the vectors that the boxes add
prices, show_prices       what each of the 60 parts is worth, beside the size of what it adds
choosing                  a sampler made of the learner's probabilities
"""

import math
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps
from typing import Any

import torch

from minillm.analysis import surgery
from minillm.analysis.surgery import SORTS, Read, Removal
from minillm.analysis.tracing import trace
from minillm.assets import fetch
from minillm.course.own_model import smollm2
from minillm.errors import UserError
from minillm.tokenizer import Tokenizer
from minillm.viz import diagrams
from minillm.viz.figures import BLUE, ORANGE, bars, probability_bars, show, size_and_cost, visible
from minillm.viz.next_token import NextTokenExplorer as _NextTokenExplorer

Probabilities = Callable[[list[float], float], Sequence[float]]
SHOWN = 10  # of the likeliest tokens
BITS = 1 / math.log(2)  # in a nat
SENTENCES = (  # read without each part; new, so that no model has seen them
    "The lighthouse keeper's daughter sold her violin to buy a telescope, and then it rained for a month.",
    "To poach an egg, add a little vinegar to the water, stir it, and lower the heat before it boils.",
    "Our new neighbor claims that he once taught a parrot to whistle the national anthem backwards.",
    "The bridge was closed on Friday because two of its cables had rusted through near the north tower.",
    "Dear Sir, I am writing to complain about the goose that your company delivered in place of a lamp.",
    "Light from the sun takes about eight minutes to reach the earth, so we always see it as it was.",
)

__all__ = [
    "SENTENCES",
    "NextTokenExplorer",
    "capitals",
    "choosing",
    "diagrams",
    "likeliest",
    "next_logits",
    "prices",
    "show_ids",
    "show_next",
    "show_prices",
    "show_surprises",
    "size",
    "token_probabilities",
    "traced",
    "written",
]


def next_logits(text: str) -> list[float]:
    """The score of every token after a text, as a plain list: V numbers."""
    return surgery.next_logits(*smollm2(), text).tolist()


def token_probabilities(text: str, without: str | None = None, layer: int | None = None) -> list[Read]:
    """The tokens of a text, each with the probability that the model gave it, with a part left out if you name one."""
    model, tokenizer = smollm2()
    with surgery.without(model, without, layer) if without is not None else nullcontext():
        return surgery.token_probabilities(model, tokenizer, text)


def likeliest(text: str, probabilities: Probabilities | None = None, temperature: float = 1.0) -> list[Read]:
    """The ten likeliest tokens after a text, by `probabilities(logits, temperature)` or, without it, by softmax."""
    logits = next_logits(text)
    if probabilities is None:
        shares = (torch.tensor(logits, dtype=torch.float64) / temperature).softmax(-1)
    else:
        shares = torch.tensor(list(probabilities(logits, temperature)), dtype=torch.float64)
    best = shares.topk(SHOWN)
    tokenizer = smollm2()[1]
    return [Read(tokenizer.decode([id]), p) for id, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]


class NextTokenExplorer(_NextTokenExplorer):
    """A text to begin, the ten tokens that may come next after it, and a button that adds one.

    With a function `probabilities(logits, temperature)` it computes them, and there is a dial for the temperature.
    """

    def __init__(self, beginning: str, probabilities: Probabilities | None = None) -> None:
        def ten(text: str, temperature: float = 1.0) -> tuple[list[str], list[float]]:
            tokens, shares = zip(*likeliest(text, probabilities, temperature), strict=True)
            return list(tokens), list(shares)

        super().__init__(ten, beginning, None if probabilities is None else 1.0)


def show_next(text: str, probabilities: Probabilities) -> None:
    """Draw the ten likeliest tokens after a text, by `probabilities(logits, temperature)` at temperature 1."""
    tokens, shares = zip(*likeliest(text, probabilities), strict=True)
    best = ", ".join(f"'{visible(token)}' = {share:.3f}" for token, share in zip(tokens[:3], shares, strict=False))
    print(f"likeliest: {best}, ...")
    told = f"After {text!r}, {tokens[0]!r} has {shares[0]:.3f}; all ten together {sum(shares):.3f}."
    title = f'After "{text}", the likeliest token has {shares[0]:.2f}'
    show(probability_bars(tokens, shares), title=title, alt=told)


def choosing(probabilities: Probabilities, temperature: float, seed: int = 0) -> Callable[[torch.Tensor], int]:
    """A sampler for `mine.write`: it draws a token's number at random, by `probabilities(logits, temperature)`.

    Raises `UserError` for a temperature that is not above 0.

    >>> sampler = choosing(lambda logits, temperature: [0.0, 1.0], 1.0)
    >>> sampler(torch.tensor([5.0, 5.0]))
    1
    """
    if not temperature > 0:
        raise UserError(f"the temperature is {temperature}; give a number above 0")
    rng = random.Random(seed)

    @wraps(probabilities)  # so that `mine.write` says whose code ran
    def sampler(logits: torch.Tensor) -> int:
        shares = [float(p) for p in probabilities(logits.tolist(), temperature)]
        return rng.choices(range(len(shares)), shares)[0]

    return sampler


def size() -> str:
    """How large the model is, in a line."""
    model = smollm2()[0]
    numbers = sum(parameter.numel() for parameter in model.parameters())
    return f"{numbers:,} numbers, in {len(model.blocks)} layers, {model.config.d_model} wide"


def show_ids(*texts: str) -> None:
    """Print the ids of texts in two vocabularies, and the beginning of the row that SmolLM2 has for the first one."""
    model, tokenizer = smollm2()
    folder = fetch("gpt2-tokenizer")
    gpt2 = Tokenizer.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
    for name, each in (("GPT-2", gpt2), ("SmolLM2", tokenizer)):
        ids = "   ".join(f"{text} -> {each.encode(text)}" for text in texts)
        print(f"{name:8} {each.vocab_size:,} pieces   {ids}")
    row = model.embedding.weight[tokenizer.encode(texts[0])[0], :4].tolist()
    print(f"row of {texts[0]}: {' '.join(f'{number:.3f}' for number in row)} ...")


@torch.no_grad()
def written(text: str) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What the embedding and the 60 parts add for the last token of a text, and the final vector that the model has.

    >>> vectors, final = written("Hello")
    >>> len(vectors), torch.allclose(sum(vectors), final, rtol=1e-3, atol=1e-2)
    (61, True)
    """
    model, tokenizer = smollm2()
    seen = trace(model, torch.tensor([surgery.prompt_ids(tokenizer, text)]), weights=False)
    parts = torch.stack([seen.attention, seen.feedforward], dim=1)[:, :, 0, -1]  # (L, 2, C)
    return [seen.stream[0, 0, -1], *parts.flatten(0, 1)], seen.stream[-1, 0, -1]


def traced(text: str) -> dict[str, Any]:
    """A text on its way through the model, as the arguments of `diagrams.journey`."""
    model, tokenizer = smollm2()
    ids = surgery.prompt_ids(tokenizer, text)
    with torch.no_grad():
        row = torch.tensor([ids])
        embedded, final = model.embedding(row)[0], model.hidden(row)[0]
        logits = model.head(final[-1]).double()
    best, probabilities = logits.topk(SHOWN).indices.tolist(), logits.softmax(-1)
    return {
        "text": text,
        "tokens": ["START", *(tokenizer.decode([id]) for id in ids[1:])],
        "ids": ids,
        "embedded": embedded,
        "final": final,
        "likeliest": [(tokenizer.decode([id]), logits[id].item(), probabilities[id].item()) for id in best],
        "vocabulary": len(logits),
        "layers": len(model.blocks),
    }


def show_surprises(texts: Sequence[Sequence[Read]], bits: Callable[[list[float]], float], title: str) -> None:
    """Draw the surprise of each token of two texts, the first one above the second, by `bits([probability])`.

    Both begin one token before they part.
    """
    apart = next((n for n, pair in enumerate(zip(*texts, strict=False)) if pair[0].token != pair[1].token), 1)
    ends = [text[max(0, apart - 1) :] for text in texts]
    reads = [read for end in ends for read in end]
    colors = [color for end, color in zip(ends, (BLUE, ORANGE), strict=True) for _ in end]
    values = [float(bits([read.probability])) for read in reads]
    told = "; ".join(f"{read.token!r}: {value:.1f}" for read, value in zip(reads, values, strict=True))
    labels = [visible(read.token) for read in reads]
    show(bars(labels, values, "bits of surprise", 1, colors), title=title, alt=f"Bits of surprise. {told}.")


def capitals(order: Sequence[int] | None = None, without: str | None = None, layer: int | None = None) -> int:
    """Of 20 countries, after how many the model still names the capital, with blocks reordered or a part left out."""
    model, tokenizer = smollm2()
    if without is not None:
        with surgery.without(model, without, layer):
            return surgery.capitals(model, tokenizer)
    with surgery.replaced(model, order=order):
        return surgery.capitals(model, tokenizer)


def prices(texts: Sequence[str]) -> Removal:
    """Take each of the model's 60 parts away once, and read the texts without it."""
    return surgery.removal(*smollm2(), list(texts))


def show_prices(found: Removal, title: str, relative: bool = False) -> None:
    """Draw how much each part adds, and what is lost without it, in bits per token; the lines span the texts.

    What it adds is a norm, or that norm over the norm of what it is added to (`relative`). Prints the rank correlation
    of size and cost, from the lowest to the highest of the texts, over all parts and over those of each sort.
    """
    cost, size = found.cost * BITS, found.relative if relative else found.size

    def by_sort(values: torch.Tensor) -> dict[str, torch.Tensor]:
        return {sort: values[:, index] for index, sort in enumerate(SORTS)}

    low, high = (by_sort(each.values) for each in (cost.min(-1), cost.max(-1)))
    xlabel = "norm of what the part adds" + (" / norm of what it's added to" if relative else "")
    ylabel = "cost of removing it (bits per token)"
    figure = size_and_cost(by_sort(size), by_sort(cost.mean(-1)), low, high, xlabel, ylabel, also=[("attention", 24)])
    print(f"rank correlation of size and cost in {cost.shape[-1]} texts:")
    for sort in (None, *SORTS):
        each = found.agreement(relative, sort)
        measure = "norm / norm of the sum" if relative else "norm"
        print(f"{measure}, {sort or 'all parts'}: {each.min():.2f} to {each.max():.2f}")
    agreement = found.agreement(relative)
    told = f"{size.numel()} points, {xlabel} against cost: rank correlation {agreement.mean():.2f} over the texts."
    show(figure, title=title, alt=told)
