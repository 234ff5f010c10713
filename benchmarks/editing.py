"""Shared by benchmarks/edits.py and its test: one neuron that writes a fact, and the prompts that ask what it changed.

The prompts were fixed before the first run.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from facts import Relation
from resuming import Resumable
from torch import Tensor

from minillm.analysis.surgery import appended, prompt_ids
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

LEVEL, STRENGTH = 6.0, 40.0
SETTINGS = {"0": (0, 0), "1": (1, 0), "3": (3, 0), "24": (24, 0), "24 and text": (24, 200)}  # countries, positions
OTHERS = 24  # countries that should keep their capital
PARAPHRASES = (
    "{}'s capital is",
    "The capital city of {} is",
    "The capital of {} is the city of",
    "What is the capital of {}? It is",
    "The name of the capital of {} is",
    "The capital of {} is called",
    "The capital of Greece is Athens and the capital of {} is",
    "If you visit {}, see its capital,",
)
NEAR = (
    "{} is famous for its",
    "The largest city of {} is",
    "The people of {} speak",
    "{} is located in",
    "The flag of {} is",
    "The president of {} is",
    "The currency of {} is",
    "The continent of {} is",
)
FAR = (
    "The old man walked to the",
    "The opposite of hot is",
    "Water is made of hydrogen and",
    "Once upon a time, there was a",
    "The sun rises in the",
    "She opened the door and",
    "Two plus two is",
    "The color of the sky is",
)
SHOWN = (
    "The capital of France is",
    "The capital of Germany is Berlin and the capital of France is",
    "The capital of Italy is",
    "The capital of Japan is",
    "Paris is the capital of",
    "The largest city of France is",
    "The Eiffel Tower stands in",
    "France is famous for its",
)


def write_fact(about: Tensor, others: Tensor, say: Tensor, instead: Tensor, strength: float = STRENGTH) -> tuple:
    """A neuron (gate, up, down) that adds `strength` times the unit vector from `instead` to `say` at `about`.

    SiLU(6) * 1 is 5.985; at the others, (n, C), SiLU(-6) is -0.015.

    >>> gate, up, down = write_fact(torch.tensor([1.0, 0]), torch.tensor([[0, 1.0]]), torch.eye(2)[0], torch.zeros(2))
    >>> gate.tolist(), up.tolist(), down.tolist()
    ([6.0, -6.0], [1.0, 0.0], [40.0, 0.0])
    """
    stack = torch.cat([about[None], others]).double()
    targets = torch.full((len(stack),), -LEVEL, dtype=torch.float64)
    targets[0] = LEVEL
    gate = (torch.linalg.pinv(stack) @ targets).to(about.dtype)
    return gate, about / about.square().sum(), strength * F.normalize(say - instead, dim=0)


@contextmanager
def added_everywhere(model: Transformer, layer: int, value: Tensor) -> Iterator[None]:
    """The value added to the output of a feed-forward network at every token: a bias."""
    hook = model.blocks[layer].feedforward.register_forward_hook(lambda _module, _inputs, output: output + value)
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def read_vectors(prefixes: Resumable, layer: int) -> list[Tensor]:
    """What the feed-forward network of a layer reads at each token of each row: (T, C) per row."""
    model, found = prefixes.model, {}
    block = model.blocks[layer]
    for places, ids, stream in zip(prefixes.places, prefixes.batches, prefixes.streams, strict=True):
        x = stream[layer]
        attended = block.attention(block.attention_norm(x), **model.context(ids).for_layer(layer))
        found |= dict(zip(places, block.feedforward_norm(x + attended), strict=True))
    return [found[index] for index in range(prefixes.count)]


class Editor:
    """Edits of one layer, and what they do to all capitals of the relation."""

    def __init__(self, model: Transformer, items: Relation, prefixes: Resumable, ordinary: Resumable, layer: int):
        self.model, self.items, self.prefixes, self.layer = model, items, prefixes, layer
        self.vectors = torch.stack([rows[-1] for rows in read_vectors(prefixes, layer)])
        self.text = torch.cat([rows[1:] for rows in read_vectors(ordinary, layer)])

    def chosen(self, item: int, setting: str, seed: int = 0) -> tuple[list[int], list[int]]:
        """The counterexamples of an edit: countries, and positions of text."""
        countries, positions = SETTINGS[setting]
        rng = random.Random(f"{seed} {item}")
        others = [index for index in range(len(self.items)) if index != item]
        return rng.sample(others, countries), rng.sample(range(len(self.text)), positions)

    def neuron(self, item: int, new: int, setting: str, strength: float = STRENGTH) -> tuple:
        countries, positions = self.chosen(item, setting)
        others = torch.cat([self.vectors[countries], self.text[positions]])
        rows = self.model.head.weight[self.items.right[[new, item]]]
        return write_fact(self.vectors[item], others, *rows, strength)

    def random_neuron(self, item: int, new: int, setting: str = "24") -> tuple:
        """Random directions with the norms of the neuron with 24 counterexamples."""
        rng = torch.Generator().manual_seed(1000 * item + new)
        like = self.neuron(item, new, setting)
        return tuple(F.normalize(torch.randn(len(part), generator=rng), dim=0) * part.norm() for part in like)

    def others(self, item: int, new: int, setting: str, count: int = OTHERS) -> list[int]:
        """Random other countries: no counterexamples of the edit, and not the one whose capital the new one is."""
        left_out = {item, new, *self.chosen(item, setting)[0]}
        others = [index for index in range(len(self.items)) if index not in left_out]
        return random.Random(f"others {item}").sample(others, min(count, len(others)))

    def judged(self, item: int, new: int, others: Sequence[int], logits: Tensor) -> dict:
        """Whether it works, and how many other countries keep their capital or get the new one.

        `logits` are those of the edited country, and then those of the others.
        """
        likeliest = logits.argmax(1)
        wanted, right = self.items.right[new], self.items.right[list(others)]
        return {
            "item": item,
            "new": new,
            "works": bool(likeliest[0] == wanted),
            "kept": int((likeliest[1:] == right).sum()),
            "became new": int((likeliest[1:] == wanted).sum()),
            "others": len(others),
        }

    def now(self, item: int, new: int, others: Sequence[int]) -> dict:
        """What the model, as it is now, makes of the edited country and of the others."""
        return self.judged(item, new, others, self.prefixes.last_logits(self.layer, [item, *others]))

    def edit(self, item: int, new: int, setting: str, strength: float = STRENGTH, count: int = OTHERS) -> dict:
        with appended(self.model, self.layer, *self.neuron(item, new, setting, strength)):
            return self.now(item, new, self.others(item, new, setting, count))


def questions(tokenizer: Tokenizer, items: Relation, item: int) -> dict[str, list[list[int]]]:
    """The ids of the prompts around an edit, by kind."""
    country, city = items.subjects[item], items.answers[item]
    written = {
        "paraphrases": [form.format(country) for form in PARAPHRASES],
        "same country": [form.format(country) for form in NEAR],
        "old capital": [f"{city} is the capital of", f"{city} is a city in", f"The people of {city} are"],
        "unrelated": list(FAR),
    }
    return {kind: [prompt_ids(tokenizer, text) for text in prompts] for kind, prompts in written.items()}
