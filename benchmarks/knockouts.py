"""What SmolLM2-135M still knows when the output of a part is replaced by a mean, by where the mean comes from.

    python benchmarks/knockouts.py                  # about fifteen minutes on one thread
    python benchmarks/knockouts.py --relations capitals copies --json

Mean ablation of each attention and feed-forward network alone, and of those of blocks 2 to 30 together, at every token
but the first (`surgery.blurred`). The mean is per position over the same questions, per position over other questions
of the relation (the other half of the items), or over ordinary text; "within" is the mean over the questions in the
damaged pass itself, as lesson 05 once took it. Capitals are compared with languages, with past tenses and with copying
the country's name, among all tokens and among the answers. Controls: the attentions together, random vectors of the
same norms in place of the change, and the nearest answers by the embedding table. Rows are kept in --folder.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median

import torch
import torch.nn.functional as F
from common import write_result
from facts import FORMS, Relation, known, logits_of, relation, scores
from measures import bootstrap_interval, stored, texts
from resuming import Resumable
from torch import Tensor

from minillm.analysis.surgery import blurred, output_means, prompt_ids
from minillm.analysis.tracing import trace
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
PARTS = ("attention", "feed_forward")
SOURCES = ("same", "other", "text")
SINGLES = {"capitals": ("other", "text"), "copies": ("other", "text")}  # what single parts are asked, and their means
SEEDS, LOSS_TEXTS = 3, 10
AT_MOST = {"copies": 45, "past tense": 30}  # items of those that are known
Means = Mapping[int, Tensor]


def halves(count: int) -> list[list[int]]:
    """The items by turns: each half is judged with the mean of the other."""
    return [list(range(start, count, 2)) for start in (0, 1)]


@contextmanager
def within(model: Transformer, part: str, layers: Sequence[int]) -> Iterator[None]:
    """Outputs replaced by their mean over the rows of the batch, position by position."""
    hooks = [
        _module(model, part, layer).register_forward_hook(lambda _, __, y: y.mean(0, keepdim=True).expand_as(y).clone())
        for layer in layers
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def shaken(model: Transformer, part: str, means: Means, seed: int) -> Iterator[None]:
    """Outputs changed by random vectors, each as long as the change to the mean would be, but for the first token."""
    rng = torch.Generator().manual_seed(seed)

    def of(mean: Tensor):
        def hook(_module, _inputs, output: Tensor) -> Tensor:
            size = (mean[: output.shape[1]] - output).norm(dim=-1, keepdim=True)
            size[:, 0] = 0
            return output + size * F.normalize(torch.randn(output.shape, generator=rng), dim=-1)

        return hook

    hooks = [_module(model, part, layer).register_forward_hook(of(mean)) for layer, mean in means.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _module(model: Transformer, part: str, layer: int) -> torch.nn.Module:
    block = model.blocks[layer]
    return block.attention if part == "attention" else block.feedforward


class Asked:
    """The known items of a relation, by halves, and the means of each part over them."""

    def __init__(self, model: Transformer, items: Relation):
        self.model, self.items = model, items
        self.halves = halves(len(items))
        self.prefixes = [Resumable(model, [items.rows[i] for i in half]) for half in self.halves]
        seen = [trace(model, prefixes.batches[0], weights=False) for prefixes in self.prefixes]
        self.means: dict[str, list[Means]] = {
            "attention": [dict(enumerate(each.attention.mean(1))) for each in seen],
            "feed_forward": [dict(enumerate(each.feedforward.mean(1))) for each in seen],
        }

    def mean(self, part: str, source: str, half: int, text: Mapping[str, Means]) -> Means:
        """The mean for the items of a half: over the same half, over the other, or over ordinary text."""
        return text[part] if source == "text" else self.means[part][half if source == "same" else 1 - half]

    def judged(self, logits: Sequence[Tensor]) -> dict:
        """Scores in the order of the items."""
        order = [index for half in self.halves for index in half]
        joined = torch.empty_like(torch.cat(list(logits)))
        joined[order] = torch.cat(list(logits))
        return scores(joined, self.items.right)

    def blurred(self, part: str, layers: Sequence[int], source: str, text: Mapping[str, Means]) -> dict:
        tokens, found = range(1, len(self.items.rows[0])), []
        for half, prefixes in enumerate(self.prefixes):
            means = {layer: self.mean(part, source, half, text)[layer] for layer in layers}
            with blurred(self.model, part, means, tokens):
                found.append(prefixes.last_logits(min(layers)))
        return self.judged(found)

    def shaken(self, part: str, layers: Sequence[int], seed: int, text: Mapping[str, Means]) -> dict:
        found = []
        for half, prefixes in enumerate(self.prefixes):
            means = {layer: self.mean(part, "other", half, text)[layer] for layer in layers}
            with shaken(self.model, part, means, seed):
                found.append(prefixes.last_logits(min(layers)))
        return self.judged(found)

    def within(self, part: str, layers: Sequence[int]) -> dict:
        with within(self.model, part, layers):
            return scores(logits_of(self.model, self.items.rows), self.items.right)


def nearest(model: Transformer, tokenizer: Tokenizer, items: Relation) -> dict:
    """The answer whose row of the embedding table has the largest cosine with the subject's."""
    table = F.normalize(model.embedding.weight.detach(), dim=-1)
    subjects = torch.tensor([tokenizer.encode(f" {subject}")[0] for subject in items.subjects])
    return {"closed": ((table[subjects] @ table[items.right].T).argmax(1) == torch.arange(len(items))).tolist()}


def counted(found: Mapping[str, list]) -> dict:
    """How many are right, with an interval over items, and the median rank."""
    result: dict = {"of": len(found["closed"])}
    for kind in ("open", "closed"):
        if kind in found:
            low, high = bootstrap_interval([float(hit) for hit in found[kind]], fmean, resamples=500)
            result[kind] = {"hits": sum(found[kind]), "low": low, "high": high}
    return result | ({"rank": median(found["ranks"])} if "ranks" in found else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--relations", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--folder", type=Path, default=Path("runs/knockouts"), help="keeps the rows that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    model.requires_grad_(False)
    written, L = texts(), len(model.blocks)
    ordinary = {part: output_means(model, tokenizer, written[20:40], part) for part in PARTS}
    asked, result = {}, {"model": MODEL, "relations": {}, "singles": {}, "together": {}}
    for name in arguments.relations:
        every = relation(tokenizer, name)
        items = known(model, tokenizer, every)
        items = items.only(list(range(len(items)))[: AT_MOST.get(name)])
        asked[name] = Asked(model, items)
        result["relations"][name] = {
            "form": items.form, "items": len(every), "asked": len(items),
            "nearest row": counted(nearest(model, tokenizer, items)),
        }  # fmt: skip
        print(name, result["relations"][name], flush=True)

    late = range(1, L)
    for name, task in asked.items():
        found = {}
        for part in PARTS:
            rows = {source: (lambda p=part, s=source: task.blurred(p, late, s, ordinary)) for source in SOURCES}  # noqa: B023
            rows["within"] = lambda p=part: task.within(p, late)  # noqa: B023
            for seed in range(SEEDS if part == "feed_forward" else 0):
                rows[f"random, seed {seed}"] = lambda p=part, s=seed: task.shaken(p, late, s, ordinary)  # noqa: B023
            for source, make in rows.items():
                kept = arguments.folder / f"{name} {part} 2 to {L}, {source}.json"
                found[f"{part}: {source}"] = counted(stored(kept, make))
                row = found[f"{part}: {source}"]
                print(f"{name:12} {part} 2 to {L}, {source:14} open {row['open']['hits']}, closed "
                      f"{row['closed']['hits']} of {row['of']}, rank {row['rank']}", flush=True)  # fmt: skip
        result["together"][name] = found
    for name, sources in SINGLES.items():
        if (task := asked.get(name)) is None:
            continue
        result["singles"][name] = {}
        for source in sources:
            for part in PARTS:
                rows = []
                for layer in range(L):
                    kept = arguments.folder / f"{name} {part} {layer}, {source}.json"
                    made = stored(kept, lambda: task.blurred(part, [layer], source, ordinary))  # noqa: B023
                    rows.append(counted(made))
                result["singles"][name][f"{part}: {source}"] = rows
                print(f"{name:12} {part}, {source}: {[row['open']['hits'] for row in rows]}", flush=True)
    result["loss"] = stored(arguments.folder / "loss.json", lambda: losses(model, tokenizer, ordinary))
    print(result["loss"])
    print(f"written to {write_result('knockouts', result)}")
    if arguments.json:
        print(json.dumps(result))


def losses(model: Transformer, tokenizer: Tokenizer, ordinary: Mapping[str, Means]) -> dict[str, float]:
    """The rise of the loss on ten texts when the parts of blocks 2 to 30 are their mean over other texts."""
    prefixes = Resumable(model, [prompt_ids(tokenizer, text) for text in texts()[10:20][:LOSS_TEXTS]])
    intact, found = fmean(prefixes.losses(len(model.blocks) - 1)), {}
    for part in PARTS:
        means = {layer: mean for layer, mean in ordinary[part].items() if layer > 0}
        with blurred(model, part, means, range(1, model.config.max_seq_len)):
            found[part] = fmean(prefixes.losses(1)) - intact
    return found


if __name__ == "__main__":
    main()
