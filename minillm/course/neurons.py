"""What lesson 05 uses of the package: neurons of SmolLM2, what they read and say, and facts to store in some more.

reads, asks          the vectors that the feed-forward network of a layer reads: of a text, of a question
weights, word, says  the three matrices of a layer; the row of a word in the head; what a neuron's column raises
activation           how strongly a neuron is on at the last token of a text
closed               the share of gates below 0
hands                how probable a word for a hand is, over twelve prompts, with and without a neuron
FACTS                nine facts of Ottermere
share_recalled       how many of N random facts a memory of a certain width gives back
show_capacity        the same for several kinds of memory and many numbers of facts
MemoryExplorer       the number of facts, the width and the threshold of such a memory, to be changed
show_memory          the scores of a small memory, and what comes back for each question
cities, compare      what the model calls the capital of 20 countries, and what an edit changed
tell_edits           how many edits of many countries work, and what they change, beside other ways to say it
where_facts_are      capitals left without a part of each layer, and edits that work there
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.analysis import surgery
from minillm.analysis.surgery.meters import CAPITALS
from minillm.course.own_model import smollm2
from minillm.files import read_json
from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, heat_map, lines, show
from minillm.viz.figures.style import BLUE, ORANGE
from minillm.world.facts import load_almanac

LAYER = 27  # where the lesson writes its fact
QUESTION = "The capital of {} is"
HAND = ("hand", "hands", "arm", "arms", "fingers")
MOVES = (
    "She waved her", "He clapped his", "She washed her", "He put his gloves on his", "They shook", "She crossed her",
    "He raised his", "She folded her", "He tied them behind his", "She held the baby in her",
    "He covered his face with his", "The boy put up his",
)  # fmt: skip
PEOPLE, RELATIONS = ("Mira", "Bram", "Isa"), ("home", "trade", "food")
AMOUNTS = (30, 100, 300, 1_000, 3_000, 10_000)
ANSWERS, ASKED = 100, 100  # of the random facts: different answers, and questions that are tried
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
Memory = Callable[[Tensor, Tensor, Tensor], Tensor]


def _facts() -> dict[tuple[str, str], str]:
    told = {(one.name, what.name): one.attributes[what.name] for one, what in load_almanac().facts()}
    return {(who, what): told[who, what] for who in PEOPLE for what in RELATIONS}


FACTS = _facts()  # ("Mira", "home"): "Pellin"


@torch.no_grad()
def _inputs(text: str) -> list[Tensor]:
    """What the feed-forward network of each layer reads: L times (T, C)."""
    model, tokenizer = smollm2()
    seen: list[Tensor] = []
    with ExitStack() as hooks:
        for block in model.blocks:
            add = block.feedforward.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
            hooks.callback(add.remove)
        model.hidden(torch.tensor([surgery.prompt_ids(tokenizer, text)]))
    return seen


def reads(text: str, layer: int = LAYER) -> Tensor:
    """What the feed-forward network of a layer reads, (T, C): the normed stream of START and of each token."""
    return _inputs(text)[layer]


def asks(country: str, layer: int = LAYER) -> Tensor:
    """What the network of a layer reads at the end of "The capital of France is", for another country: (C,)."""
    return reads(QUESTION.format(country), layer)[-1]


def word(text: str) -> Tensor:
    """The row of a word, or of its first token, in the head: (C,). The dot product with it is the word's logit."""
    model, tokenizer = smollm2()
    return model.head.weight[tokenizer.encode(f" {text}")[0]].detach()


def weights(layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """The matrices of a feed-forward network: gate and up (F, C), down (C, F)."""
    network: Any = smollm2()[0].blocks[layer].feedforward
    return network.gate.weight.detach(), network.up.weight.detach(), network.down.weight.detach()


def says(layer: int, neuron: int, n: int = 8) -> str:
    """The tokens whose logits a neuron's column of `down` raises most, if nothing comes after it."""
    model, tokenizer = smollm2()
    raised = model.head.weight @ (model.final_norm.weight * weights(layer)[2][:, neuron])
    return ", ".join(tokenizer.decode([int(id)]).strip() for id in raised.topk(n).indices)


def activation(text: str, layer: int, neuron: int) -> float:
    """SiLU(gate · x) times up · x, at the last token of a text."""
    gate, up, _ = weights(layer)
    x = reads(text, layer)[-1]
    return float(F.silu(gate[neuron] @ x) * (up[neuron] @ x))


def closed(text: str) -> float:
    """The share of all gates that are below 0, over all layers and the tokens of a text but START."""
    shares = [(x[1:] @ weights(layer)[0].T < 0).double().mean() for layer, x in enumerate(_inputs(text))]
    return float(torch.stack(shares).mean())


@torch.no_grad()
def hands(*neurons: tuple[int, int]) -> float:
    """The mean probability of hand, hands, arm, arms or fingers after twelve prompts, without these neurons."""
    model, tokenizer = smollm2()
    ids = [tokenizer.encode(f" {each}")[0] for each in HAND]
    rows = [surgery.prompt_ids(tokenizer, text) for text in MOVES]
    longest = max(map(len, rows))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in rows])  # no token sees what comes after it
    with surgery.without_neurons(model, *neurons):
        last = model.hidden(padded)[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]
        return float(model.head(last).softmax(-1)[:, ids].sum(-1).mean())


def share_recalled(memory: Memory, n_facts: int, C: int) -> float:
    """The share of random facts that `memory(questions, keys, values)` gives back, of the hundred that are asked.

    Keys and answers are random directions of C numbers. A fact is given back if the output is nearest to its answer,
    of a hundred.

    >>> share_recalled(lambda questions, keys, values: torch.relu(questions @ keys.T - 0.7) @ values, 1_000, 64)
    1.0
    """
    keys, answers, right = _random_facts(n_facts, C)
    output = memory(keys[:ASKED], keys, answers[right])
    return float(((output @ answers.T).argmax(1) == right[:ASKED]).double().mean())


@cache
def _random_facts(n_facts: int, C: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(n_facts)
    keys = F.normalize(torch.randn(n_facts, C, generator=rng), dim=1)
    answers = F.normalize(torch.randn(ANSWERS, C, generator=rng), dim=1)
    return keys, answers, torch.randint(ANSWERS, (n_facts,), generator=rng)


class MemoryExplorer(Explorer):
    """How loud the right neuron of a memory is, and all others together, by `recall(questions, keys, values, t)`."""

    def __init__(self, recall: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
        def draw(facts: int, C: int, threshold: float) -> tuple[Any, str]:
            keys, answers, right = _random_facts(facts, C)
            output = recall(keys[:ASKED], keys, answers[right], threshold)
            own = max(0.0, 1 - threshold) * answers[right[:ASKED]]  # a question fits its own key with 1
            noise = (output - own).norm(dim=1).mean().item()
            hits = int(((output @ answers.T).argmax(1) == right[:ASKED]).sum())
            both = ["its own neuron", "all others together"], [max(0.0, 1 - threshold), noise]
            figure = bars(*both, "norm of what is written", 2, colours=[BLUE, ORANGE])
            return figure, f"{facts:,} facts in {C} numbers, threshold {threshold:.1f}: {hits} of {len(own)} recalled."

        super().__init__(draw, facts=[100, 1_000, 10_000], C=[16, 64, 256], threshold=(0.0, 0.9, 0.1))
        self.controls["facts"].value, self.controls["C"].value = 1_000, 64


def show_memory(scores: Tensor, found: Tensor) -> None:
    """Draw the scores of the questions and keys of `FACTS`, and how much of each answer comes back."""
    names = [f"{who},\u00a0{what}" for who, what in FACTS]
    answers = [answer.replace(" ", "\u00a0") for answer in FACTS.values()]
    for table, axes, columns, title in (
        (scores, "question key", names, "Scores: two shared words make 2, one makes 1"),
        (found, "question answer", answers, "What comes back, above the threshold"),
    ):
        told = f"{len(names)} questions: {table.diagonal().mean():.0f} on the diagonal, elsewhere up to "
        told += f"{(table - table.diagonal().diag()).max():.0f}."
        show(heat_map(table, axes, names, columns, digits=0), title=title, alt=told)


def show_capacity(kinds: Mapping[str, Memory], C: int) -> dict[str, list[float]]:
    """Draw how many percent of 30 to 10,000 random facts each memory gives back; returns them by name."""
    curves = {name: [100 * share_recalled(memory, N, C) for N in AMOUNTS] for name, memory in kinds.items()}
    print("1,000 facts:", ", ".join(f"{name} {row[AMOUNTS.index(1_000)]:.0f}%" for name, row in curves.items()))
    show(
        lines(curves, "facts stored", "percent recalled", x=AMOUNTS, log_x=True, ylim=(0, 104)),
        title=f"{C} numbers hold many facts if small scores are squashed",
        alt="; ".join(f"{name}: {[round(n) for n in row]}" for name, row in curves.items()),
    )
    return curves


@torch.no_grad()
def cities(form: str = QUESTION) -> dict[str, str]:
    """What the model, as it is now, calls the capital of each of 20 countries: the likeliest token after `form`."""
    model, tokenizer = smollm2()
    found = {}
    by_length: dict[int, list[tuple[str, list[int]]]] = {}
    for country in CAPITALS:
        ids = surgery.prompt_ids(tokenizer, form.format(country))
        by_length.setdefault(len(ids), []).append((country, ids))
    for rows in by_length.values():
        likeliest = model.head(model.hidden(torch.tensor([ids for _, ids in rows]))[:, -1]).argmax(-1)
        found |= {country: tokenizer.decode([int(id)]) for (country, _), id in zip(rows, likeliest, strict=True)}
    return found


class Change(NamedTuple):
    """What an edit did to the capitals of the countries that it isn't about and wasn't shown."""

    kept: int
    of: int
    city: int  # how many are now the edit's own city

    def __str__(self) -> str:
        return f"{self.kept} of {self.of} other capitals kept, {self.city} are now the new city"


def compare(before: Mapping[str, str], now: Mapping[str, str], city: str, *left_out: str) -> Change:
    """Count the capitals that stayed, of those that the model knew, without the countries that are left out.

    >>> compare({"France": " Paris", "Italy": " Rome"}, {"France": " Rome", "Italy": " Rome"}, "Rome", "France")
    Change(kept=1, of=1, city=0)
    """
    known = [
        country for country, token in before.items() if country not in left_out and _begins(CAPITALS[country], token)
    ]
    became = sum(now[country] == f" {city}" != before[country] for country in known)
    return Change(sum(now[country] == before[country] for country in known), len(known), became)


def _begins(capital: str, token: str) -> bool:
    return token != " " and f" {capital}".startswith(token)


def tell_edits() -> None:
    """Print what benchmarks/edits.py counted: edits that work, and other countries that keep their capital."""
    told = {
        "0": "no counterexamples",
        "3": "three",
        "24": "24 countries",
        "bias": "vector everywhere",
        "in the prompt": "in the prompt",
        "in the prompt, among capitals": "... capitals only",
    }
    rows = stored("edits")["rows"]
    for key, name in told.items():
        works, kept = rows[key]["works"], rows[key]["kept"]
        share = kept["hits"] / kept["of"]
        print(f"{name:18} works in {works['hits']:3} of {works['of']:3}, other capitals kept: {share:.1%}")


class Layers(NamedTuple):
    """By layer: how many of the known capitals are left without a part of it, and which share of edits works."""

    known: int
    without: dict[str, list[int]]  # "feed-forward" and "attention"
    works: list[float]
    edits: int  # in each layer

    def show(self, title: str) -> None:
        """Draw the three, in percent."""
        curves = {
            f"left without {part}": [100 * hits / self.known for hits in row] for part, row in self.without.items()
        }
        curves["edits that work"] = [100 * share for share in self.works]
        told = "; ".join(f"{name}: {[round(n) for n in row]}" for name, row in curves.items())
        show(lines(curves, "layer", "percent", ylim=(0, 104)), title=title, alt=f"By layer, in percent. {told}.")


def where_facts_are() -> Layers:
    """What benchmarks/knockouts.py and benchmarks/edits.py found of capitals, layer by layer."""
    singles = stored("knockouts")["singles"]["capitals"]
    rows = {name: singles[f"{part}: other"] for name, part in (("feed-forward", "feed_forward"), ("attention",) * 2)}
    blocks = stored("edits")["blocks"]
    return Layers(
        rows["attention"][0]["of"],
        {name: [row["open"]["hits"] for row in found] for name, found in rows.items()},
        [row["works"] / row["of"] for row in blocks],
        blocks[0]["of"],
    )


def stored(name: str) -> Any:
    """A result of a benchmark, from benchmarks/results."""
    return read_json(RESULTS / f"{name}.json")
