"""What lesson 06 and its lab use of the package: the stream of the real model, its blocks, bugs, and stored results.

all_but           the order of SmolLM2's blocks without some of them, for `mine.write`
ids_of            the ids of a text, START in front
settings          what the weights of SmolLM2 don't say
stream            the stream before the first block and after each, from a `block` of the reader's
writes, show_writes   the 61 vectors that are added up at each token, and a figure of their sum
costs, show_costs     what each block is worth, from benchmarks/results/blocks.json
capitals_without      how many capitals the model names without each block, from the same file
results           a file of benchmarks/results
infected_text     what the model writes with a bug of the zoo
loss              the loss of the model, or of one with a bug, on twelve texts
suspects          three models that may have a bug, as their streams, for `differs`; `suspect_texts` is what they write
patched, lens_of  probabilities by depth: one token's stream taken from another text; read off by the head
PatchExplorer     choose a token to patch, at every depth, beside the lens
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minillm.analysis import lens, surgery
from minillm.analysis.tracing import trace
from minillm.course.bug_zoo import HARMLESS, infected
from minillm.course.bug_zoo.inside import no_scale
from minillm.course.heads import Settings, settings_of
from minillm.course.own_model import one_line, smollm2
from minillm.files import read_json
from minillm.losses import next_token_loss
from minillm.viz.explorer import Explorer
from minillm.viz.figures import costs_by_block, lines, show, waterfall

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
CHEAP = 0.5  # nats per token
TOP = 850  # of the figure of the stream's norm
TOP_COST = 4  # nats per token, of the figure of what the blocks are worth
BROKEN = 17  # the block with the bug, of the first suspect


def results(name: str) -> dict[str, Any]:
    """A file of benchmarks/results, without its ending.

    >>> results("removal")["texts"]
    20
    """
    return read_json(RESULTS / f"{name}.json")


def all_but(*blocks: int) -> list[int]:
    """The order of SmolLM2's blocks without these.

    >>> len(all_but(17, 18)), all_but(0)[:2]
    (28, [1, 2])
    """
    return [block for block in range(30) if block not in blocks]


def ids_of(text: str) -> Tensor:
    """The ids of a text, with START in front: (T,)."""
    return torch.tensor(surgery.prompt_ids(smollm2()[1], text))


def tokens_of(text: str) -> list[str]:
    """The tokens of a text, with START in front."""
    return ["START", *(smollm2()[1].decode([id]) for id in ids_of(text)[1:].tolist())]


def settings() -> Settings:
    """What the weights of SmolLM2 don't say: its layers, the width of a head, the base of the rotation."""
    return settings_of(smollm2()[0])


@torch.no_grad()
def stream(block: Callable[..., Tensor], ids: Tensor) -> Tensor:
    """The stream of SmolLM2 before the first block and after each, by this `block`: (L + 1, T, C)."""
    weights, given = smollm2()[0].state_dict(), settings()
    depths = [weights["embedding.weight"][ids]]
    for layer in range(given["layers"]):
        depths.append(block(depths[-1], weights, layer, given))
    return torch.stack(depths)


def reference(ids: Tensor) -> Tensor:
    """The same from the package: (L + 1, T, C)."""
    return trace(smollm2()[0], ids[None], weights=False).stream[:, 0]


def writes(text: str) -> Tensor:
    """All that is ever added to the stream of a text: the embedding, then two writes per block: (61, T, C)."""
    seen = trace(smollm2()[0], ids_of(text)[None], weights=False)
    pairs = torch.stack([seen.attention, seen.feedforward], dim=1).flatten(0, 1)  # (2L, B, T, C)
    return torch.cat([seen.stream[:1], pairs])[:, 0]


def show_writes(added: Tensor, text: str, title: str) -> None:
    """Draw how each of the writes, (61, T, C), changes the norm of each token's stream."""
    norms = added.cumsum(0).norm(dim=-1).T  # (T, 61)
    tokens = tokens_of(text)
    last = ", ".join(f"{token.strip()} {row[-1]:,.0f}" for token, row in zip(tokens, norms, strict=True))
    told = f"Norms of the stream after the last write: {last}. The largest ever: {norms.max():,.0f}, at START."
    show(waterfall(norms, tokens, TOP), title=title, alt=told)


def costs() -> dict[str, list[list[float]]]:
    """What SmolLM2 loses without each block, attention and feed-forward network, on each of 12 texts, in nats."""
    single = results("blocks")["single"]
    names = {"block": "dropped", "attention": "attention dropped", "feed-forward": "feed_forward dropped"}
    return {kind: [block["costs"] for block in single[name]] for kind, name in names.items()}


def show_costs(found: dict[str, list[list[float]]], title: str) -> None:
    """Draw what each block is worth, and its two parts: means, with a line from the lowest to the highest text."""
    means = {kind: [sum(row) / len(row) for row in rows] for kind, rows in found.items()}
    told = "; ".join(
        f"{kind}: {sum(mean < CHEAP for mean in each)} of {len(each)} below {CHEAP}, block 23 {each[23]:.2f}"
        for kind, each in means.items()
    )
    show(costs_by_block(found, CHEAP, TOP_COST), title=title, alt=f"Nats per token. {told}.")


def capitals_without() -> list[int]:
    """Of 20 capitals, how many SmolLM2 names without each of its blocks; with all of them it names 17.

    >>> capitals_without()[23]
    0
    """
    shown = results("blocks")["shown"]
    return [shown[f"dropped {block}"]["capitals"] for block in range(30)]


def infected_text(bug: str, prompt: str, n: int = 14) -> str:
    """What SmolLM2 writes with a bug of the zoo, on one line; "" for none."""
    model, tokenizer = smollm2()
    with infected(model, bug) if bug else nullcontext():
        return one_line(surgery.write(model, tokenizer, prompt, n))


@torch.no_grad()
def loss(bug: str = "", texts: int = 12) -> float:
    """The mean loss of SmolLM2, in nats per token, on the first texts of benchmarks/texts.json; "" for none."""
    rows = json.loads((RESULTS.parent / "texts.json").read_text(encoding="utf-8"))[:texts]
    with infected(smollm2()[0], bug) if bug else nullcontext():
        found = []
        for row in rows:
            ids = ids_of(row["text"])[None]
            found.append(next_token_loss(smollm2()[0](ids[:, :-1]), ids[:, 1:]).item())
    return sum(found) / len(found)


def suspects(ids: Tensor) -> dict[str, Tensor]:
    """The streams of three models, (L + 1, T, C) each. They may be broken in one block, everywhere, or not at all."""
    model = smollm2()[0]
    found = {}
    for name, put_in in {
        "A": lambda: surgery.replaced(model, layers=BROKEN, attention=no_scale),
        "B": lambda: infected(model, HARMLESS),
        "C": lambda: infected(model, "eps 1e-3"),
    }.items():
        with put_in():
            found[name] = reference(ids)
    return found


def suspect_texts(prompt: str, n: int = 14) -> dict[str, str]:
    """What the three suspects write."""
    model, tokenizer = smollm2()
    with surgery.replaced(model, layers=BROKEN, attention=no_scale):
        first = one_line(surgery.write(model, tokenizer, prompt, n))
    return {"A": first, "B": infected_text(HARMLESS, prompt, n), "C": infected_text("eps 1e-3", prompt, n)}


@torch.no_grad()
def patched(text: str, donor: str, at: int) -> Tensor:
    """Probabilities of the next token, one token's stream taken from `donor` after each number of blocks: (L + 1, V).

    Both texts must have as many tokens. One batch does all depths: row d is patched after d blocks.
    """
    model, ids, theirs = smollm2()[0], ids_of(text), reference(ids_of(donor))[:, at]

    def patch(depth: int) -> Callable[..., Tensor]:
        def hook(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            output = output.clone()
            output[depth, at] = theirs[depth]
            return output

        return hook

    places: Sequence[Any] = [model.embedding, *model.blocks]
    with ExitStack() as hooks:
        for depth, place in enumerate(places):
            hooks.callback(place.register_forward_hook(patch(depth)).remove)
        return model(ids.expand(len(places), -1))[:, -1].softmax(-1)


@torch.no_grad()
def lens_of(text: str, at: int = -1) -> Tensor:
    """Probabilities of the next token, read off after each number of blocks: (L + 1, V)."""
    return lens.read_off(smollm2()[0], reference(ids_of(text))[:, at]).softmax(-1)


class PatchExplorer(Explorer):
    """A choice of token: the probability of the donor's answer if its stream is swapped in there, beside the lens."""

    def __init__(self, text: str, donor: str, answer: str) -> None:
        tokens = tokens_of(text)
        id = smollm2()[1].encode(answer)[0]
        at_token = {f"{at}: {token.strip()}": patched(text, donor, at)[:, id] for at, token in enumerate(tokens) if at}
        read = lens_of(donor)[:, id]

        def draw(token: str) -> tuple[Any, str]:
            curves = {f"patched at {token.partition(': ')[2]}": at_token[token], "lens at the last token": read}
            figure = lines(curves, "after so many blocks", f"probability of {answer.strip()}", ylim=(0, 1))
            switch = (at_token[token] > 0.5).tolist()
            told = f"{sum(switch)} of {len(switch)} depths give {answer.strip()} more than half."
            return figure, f"At token {token}: {told}"

        super().__init__(draw, token=list(at_token)[::-1])
