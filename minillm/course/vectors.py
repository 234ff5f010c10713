"""What lesson 02 uses of the package: the embedding table of SmolLM2, its words, and vectors that no word has.

row, id_of, name     a word's vector and its id; an id's token
table, size          all vectors, and how many numbers they are
MixExplorer          a slider from one word to another, and what the model expects after the mixture
NeighborExplorer     b - a + c for three words of the reader's, by the reader's `nearest`
random_cosines       what the cosine of two tokens is that have nothing to do with each other
echoes               how many tokens the model says once more after it has read each four times
agreement            whether a learner's analogy and the package's give the same answers
census, by_rule      where the sums of ten relations land, and what a rule promises of them
show_rule            what the rule promises beside what closes
judged, show_judged  how often the model reads a vector as it should, from benchmarks/results/sums.json
capitals             of 20 countries, how many capitals it still names
"""

from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

import torch
import torch.nn.functional as F
from ipywidgets import Text
from torch import Tensor

from minillm.analysis import analogies as pairs
from minillm.analysis import surgery
from minillm.course.own_model import smollm2
from minillm.errors import UserError
from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, neighbour_bars, scatter, show

RELATIONS = tuple(pairs.WORDS)
Lookup = Callable[[Tensor, Tensor], Tensor]
Nearest = Callable[[Tensor, Tensor, int], Any]
SHOWN = 8  # neighbors
MOST = 12  # percent, in the figure of a mixture
RARE, FREQUENT = 10_000, 300  # the last ids are rare tokens, the first ones are marks and bytes


def table() -> Tensor:
    """The embedding table of SmolLM2: (V, C)."""
    return smollm2()[0].embedding.weight.detach()


def id_of(word: str) -> int:
    """The id of a word with the space in front of it; raises `UserError` if it is cut into several tokens.

    A token that has no space in front, such as "MetaInfoClass", is found as it is.
    """
    tokenizer = smollm2()[1]
    word = word.strip()
    for text in (f" {word}", word):
        if len(ids := tokenizer.encode(text)) == 1:
            return ids[0]
    pieces = [tokenizer.decode([id]) for id in tokenizer.encode(f" {word}")]
    raise UserError(f"{word!r} is cut into {pieces}, so it has no row of its own; take a commoner word")


def row(word: str) -> Tensor:
    """The vector of a word: (C,)."""
    return table()[id_of(word)].clone()


def name(id: int | Tensor) -> str:
    """The token with this id, as a Python string."""
    return repr(smollm2()[1].decode([int(id)]))


def size() -> str:
    """How large the table is, and how much of the model it is, in two lines."""
    numbers, all_of_them = table().numel(), sum(each.numel() for each in smollm2()[0].parameters())
    share = f"{numbers:,} of {all_of_them:,} numbers are the table: {numbers / all_of_them:.0%}"
    return f"the table: {len(table()):,} rows of {table().shape[1]}\n{share}"


class MixExplorer(Explorer):
    """A slider from one word to another: what comes after a prompt in which the mixture stands in place of `???`.

    The bars are the probabilities that some words begin there.
    """

    def __init__(self, prompt: str, first: str, second: str, words: Sequence[str]) -> None:
        model, tokenizer = smollm2()
        ids = [tokenizer.encode(f" {word}")[0] for word in words]

        def draw(share: float) -> tuple[Any, str]:
            mixture = (1 - share) * row(first) + share * row(second)
            shares = surgery.read_vectors(model, tokenizer, prompt, mixture[None])[0].double().softmax(-1)[ids].tolist()
            told = ", ".join(f"{word} {each:.3f}" for word, each in zip(words, shares, strict=True))
            figure = bars(words, [100 * each for each in shares], "percent", 1)
            figure.axes[0].set_xlim(0, MOST)  # the same for all mixtures
            return figure, f"{1 - share:.0%} {first}, {share:.0%} {second}: {told}"

        super().__init__(draw, share=(0.0, 1.0, 0.05))


class NeighborExplorer(Explorer):
    """Three words, and the rows nearest to b - a + c, by `nearest(vector, table, k)`; the words' own bars are gray."""

    def __init__(self, a: str, b: str, c: str, nearest: Nearest) -> None:
        def draw(a: str, b: str, c: str) -> tuple[Any, str]:
            total, query = row(b) - row(a) + row(c), [id_of(word) for word in (a, b, c)]
            ids = [int(id) for id in nearest(total, table(), SHOWN)]
            cosines = F.cosine_similarity(table()[ids], total[None]).tolist()
            tokens = [smollm2()[1].decode([id]) for id in ids]
            grey = [smollm2()[1].decode([id]) for id in query]
            told = f"{b} - {a} + {c}: nearest is {tokens[0]!r} at {cosines[0]:.3f}, then {tokens[1]!r}."
            return neighbour_bars(tokens, cosines, f"{b} - {a} + {c}", greyed=grey), told

        words = {"a": a, "b": b, "c": c}
        super().__init__(draw, **{name: Text(word, continuous_update=False) for name, word in words.items()})


def random_cosines(count: int = 20_000) -> tuple[float, str]:
    """The mean cosine of random pairs of rows; and a line on it, on frequent rows, rare ones, and random numbers."""
    rng = torch.Generator().manual_seed(0)
    tables = {
        "the table as it is": table(),
        "frequent tokens": table()[FREQUENT:RARE],
        "rare tokens": table()[-RARE:],
        "random numbers": torch.randn(RARE, table().shape[1], generator=rng),
    }
    royal = F.cosine_similarity(row("king"), row("queen"), dim=0)
    means, lines = [], []
    for told, rows in tables.items():
        one, other = torch.randint(len(rows), (2, count), generator=rng)
        cosines = F.cosine_similarity(rows[one], rows[other], dim=1).double()
        above = (cosines > royal).double().mean().item()
        means.append(round(cosines.mean().item(), 2))
        lines.append(f"{told:20} mean {means[-1]:5.2f}, above king and queen {above:.3f}")
    return means[0], "\n".join(lines)


@torch.no_grad()
def echoes(ids: Sequence[int] | Tensor) -> int:
    """Of these tokens, how many are the likeliest token after "X, X, X, X,"."""
    model, tokenizer = smollm2()
    start, (comma,) = surgery.prompt_ids(tokenizer, "")[0], tokenizer.encode(",")
    asked = torch.as_tensor([int(id) for id in ids])
    texts = torch.stack([torch.full_like(asked, start), *[asked, torch.full_like(asked, comma)] * 4], dim=1)
    return int((model.head(model.hidden(texts)[:, -1]).argmax(-1) == asked).sum())


def random_ids(count: int, rare: bool = False, seed: int = 0) -> list[int]:
    """Some ids, drawn at random from the vocabulary without its first marks and bytes, or from its rare end."""
    rng = torch.Generator().manual_seed(seed)
    low = len(table()) - RARE if rare else FREQUENT
    return torch.randint(low, len(table()), (count,), generator=rng).tolist()


def capitals(embedding: Lookup) -> int:
    """Of 20 countries, how many capitals the model names with this lookup."""
    model, tokenizer = smollm2()
    with surgery.replaced(model, embedding=embedding):
        return surgery.capitals(model, tokenizer)


def places(relation: str) -> Tensor:
    """The ids of a, b, c and d of all analogies of a relation: (4, n)."""
    known = pairs.relations(smollm2()[1])
    if relation not in known:
        raise UserError(f"{relation!r} names none of the relations; choose one of {', '.join(known)}")
    return pairs.analogies(known[relation], smollm2()[1])


def agreement(analogy: Callable[..., Any], relation: str, count: int) -> str:
    """Whether `analogy(a, b, c, table, leave_out)` and the package's agree on `count` sums of a relation, in a line."""
    chosen = places(relation)
    chosen = chosen[:, torch.randperm(chosen.shape[1], generator=torch.Generator().manual_seed(0))[:count]]
    a, b, c, _ = rows = chosen
    same = 0
    for leave_out in (False, True):
        total = table()[b] - table()[a] + table()[c]
        right = pairs.nearest_rows(table(), total, rows[:3] if leave_out else None).tolist()
        same += sum(
            int(analogy(*each, table(), leave_out)) == id for each, id in zip(rows[:3].T.tolist(), right, strict=True)
        )
    return f"same answer in {same} of {2 * chosen.shape[1]} sums"


def census(relation: str, total: Callable[[Tensor, Tensor, Tensor], Tensor], leave_out: bool) -> tuple[int, int]:
    """How often d is nearest to `total(row a, row b, row c)` in a relation, and of how many."""
    rows = places(relation)
    a, b, c, d = rows
    vectors = total(table()[a], table()[b], table()[c])
    found = pairs.nearest_rows(table(), vectors, rows[:3] if leave_out else None)
    return int((found == d).sum()), len(d)


def by_rule(relation: str, rule: Callable[..., Tensor], *settings: Any) -> tuple[Tensor, Tensor]:
    """What `rule(a, b, c, d, *settings)` promises of each sum of a relation, from rows; and whether d is nearest."""
    ids = places(relation)
    a, b, c, d = (table()[each] for each in ids)
    return rule(a, b, c, d, *settings), pairs.nearest_rows(table(), b - a + c) == ids[3]


def show_rule(promised: dict[str, Tensor], closed: dict[str, tuple[int, int]], title: str) -> None:
    """Draw a point per relation: the percentage of its sums that the rule promises, and that close."""
    x = [100 * each.double().mean().item() for each in promised.values()]
    y = [100 * hits / n for hits, n in (closed[relation] for relation in promised)]
    labels = [relation.replace(" ", "\u00a0") for relation in promised]
    axes = "percent of the sums that the rule promises", "percent that close"
    figure = scatter(x, y, *axes, labels, fit=([0, 100], [0, 100]), fit_name="as promised")
    told = "; ".join(f"{label}: {a:.0f} promised, {b:.0f} closed" for label, a, b in zip(labels, x, y, strict=True))
    show(figure, title=title, alt=f"Percentages. {told}.")


def judged(found: dict, words: Sequence[str]) -> dict[str, list[int]]:
    """For each vector, told with the words a, b, c and d, how often the model reads it right, by prompt.

    >>> found = {"vectors": {"b - a + c": {"??? is in": {"hits": 3}}, "d itself": {"??? is in": {"hits": 4}}}}
    >>> judged(found, ["France", "Paris", "Italy", "Rome"])
    {'Paris - France + Italy': [3], 'Rome': [4]}
    """
    names: dict[str, str] = {"itself": "", "another": "another one", "random": "a random"}
    names |= zip("abcd", words, strict=True)
    vectors: dict[str, dict] = found["vectors"]
    told = {key: " ".join(names.get(each, each) for each in key.split()).strip() for key in vectors}
    return {told[key]: [hit["hits"] for hit in prompts.values()] for key, prompts in vectors.items()}


def show_judged(read: dict[str, list[int]], n: int, title: str) -> None:
    """Draw for each vector how often it is read right, of n: the mean of the prompts and their standard deviation."""
    means = [fmean(hits) for hits in read.values()]
    unit = f"read right, of {n}: mean of {len(next(iter(read.values())))} prompts ± their standard deviation"
    figure = bars(list(read), means, unit, 0, errors=[stdev(hits) for hits in read.values()])
    told = ", ".join(f"{who} {mean:.0f}" for who, mean in zip(read, means, strict=True))
    show(figure, title=title, alt=f"Read right, of {n}: {told}.")
