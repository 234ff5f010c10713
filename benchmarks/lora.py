"""LoRA in lesson 09: on a base model that has never met the end token, and on the finished chat model.

    python benchmarks/lora.py                    # about an hour on one thread; what is done is kept in --folder
    python benchmarks/lora.py --seeds 1 --parts chat --json

base   150 updates of the lesson's SFT: full fine-tuning, LoRA (rank 8 in all matrices of the blocks), and LoRA with
       the rows of the two special tokens in the embedding table and the head ("rows"), each at several learning rates.
       Measured on the way: the share of answers that end; at the end: right answers, loss on answers and documents.
chat   40 updates that teach the finished chat model one new manner: every answer begins with "Gladly." By rank,
       learning rate and full fine-tuning. Baselines without training: the word is written before each answer, or the
       answer is generated after it (prefilled). Controls: the same updates on ordinary answers, and another manner, a
       sentence at the end. Measured on the same 200 questions: answers with
       the manner, and right answers before and after (McNemar).
"""

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from chat_runs import UPDATES, Bench, chat_data, learn, training_for
from common import write_result
from measures import stored, wilson
from paired import mcnemar, over_seeds

from minillm import Transformer
from minillm.course import models
from minillm.course.recipes.chat import example_of
from minillm.data.chat import encode_chat
from minillm.posttraining.lora import add_lora, merge_lora
from minillm.posttraining.rollout import roll_out
from minillm.posttraining.sft import ChatData, encode_conversations
from minillm.world import World
from minillm.world.instructions import Instruction, Instructions

MANNERS = {"begins": ("Gladly. ", ""), "ends": ("", " Have a good day."), "ordinary": ("", "")}  # before, after
LESSONS, CHAT_UPDATES = 400, 40  # conversations that teach the manner
WATCHED = 50  # questions that are asked on the way
PARTS = ("chat", "base")


@dataclass(frozen=True)
class Method:
    """Full fine-tuning (rank 0) or LoRA, perhaps with the special tokens' rows, at a learning rate."""

    rate: float
    rank: int = 0
    rows: bool = False
    updates: int = UPDATES
    manner: str = "begins"  # that the chat model is taught

    @property
    def name(self) -> str:
        kind = f"LoRA rank {self.rank}{' and rows' if self.rows else ''}" if self.rank else "full"
        manner = "" if self.manner == "begins" else f", {self.manner}"
        return f"{kind}, {self.rate:g}" + ("" if self.updates == UPDATES else f", {self.updates} updates") + manner

    def prepare(self, special: Sequence[int]) -> Callable[[Transformer], Transformer]:
        """What is done to the model before it is trained; alpha is 2 x rank."""

        def prepared(model: Transformer) -> Transformer:
            if self.rank:
                add_lora(model, rank=self.rank, alpha=2 * self.rank)
            return learning_rows(model, special) if self.rows else model

        return prepared


def learning_rows(model: Transformer, tokens: Sequence[int]) -> Transformer:
    """Let the rows of these tokens learn, in the embedding table and in the head, and no others."""
    own = torch.zeros(len(model.head.weight), 1)
    own[list(tokens)] = 1
    for table in (model.embedding.weight, model.head.weight):
        table.requires_grad_(True)
        table.register_hook(lambda gradient: gradient * own)
    return model


BASE = (
    *(Method(rate, 8) for rate in (5e-3, 1e-2, 2e-2)),
    *(Method(rate, 8, rows=True) for rate in (5e-3, 1e-2, 2e-2)),
    *(Method(rate) for rate in (5e-4, 2e-3, 8e-3)),
    Method(5e-2, 8, rows=True),
    *(Method(rate, 8, updates=300) for rate in (5e-3, 2e-2)),
)
CHAT = (
    *(Method(5e-3, rank, updates=CHAT_UPDATES) for rank in (4, 1, 16)),
    *(Method(rate, updates=CHAT_UPDATES) for rate in (5e-4, 2e-4, 1e-3)),
    *(Method(rate, 4, updates=CHAT_UPDATES) for rate in (2e-3, 1e-2)),
    Method(5e-3, 4, updates=CHAT_UPDATES, manner="ordinary"),
    Method(5e-4, updates=CHAT_UPDATES, manner="ordinary"),
    *(Method(5e-3, rank, updates=CHAT_UPDATES, manner="ends") for rank in (1, 4, 16)),
)


@torch.no_grad()
def at_the_end(bench: Bench, model: Transformer, unseen: Sequence[int]) -> dict[str, float]:
    """Where an answer ends, the probability of the end token and of all tokens together that no document has."""
    end, together, model = [], [], model.eval()
    for inputs, segments, targets in bench.answers:
        chosen = model(inputs, segments=segments)[targets == bench.tokenizer.end_id].softmax(-1)
        end += chosen[:, bench.tokenizer.end_id].tolist()
        together += chosen[:, list(unseen)].sum(-1).tolist()
    return {"p of the end token": fmean(end), "p of unseen tokens": fmean(together)}


def unseen_tokens(bench: Bench) -> list[int]:
    """The tokens that 2,000 documents do not have; the special tokens are among them."""
    met = {id for document in World(seed=3).documents(2000) for id in bench.tokenizer.encode(document.text)}
    return [id for id in range(bench.tokenizer.vocab_size) if id not in met and id != bench.edge]


def on_base(bench: Bench, method: Method, seed: int, unseen: Sequence[int]) -> dict[str, Any]:
    """SFT of the base model: shares and losses on the way, and right answers at the end."""
    special = [bench.tokenizer.special_tokens[token] for token in ("<|im_start|>", "<|im_end|>")]

    def watch(model: Transformer) -> dict[str, Any]:
        ended = fmean(bench.exam(model, bench.asked[:WATCHED])["ended"])
        return {"ended": ended} | at_the_end(bench, model, unseen) | bench.losses(model)

    data = chat_data(bench.tokenizer, seed, method.updates)
    decay = {"weight_decay": 0.0} if method.rank else {}
    training = training_for(method.updates, method.rate, 30, **decay)
    model, path, seconds = learn(bench.base, data, training, seed, method.prepare(special), watch)
    return {"path": path, "seconds": seconds} | bench.exam(model)


def with_manner(text: str, manner: str) -> str:
    """An answer in a manner.

    >>> with_manner("In Lull.", "begins"), with_manner("In Lull.", "ends")
    ('Gladly. In Lull.', 'In Lull. Have a good day.')
    """
    before, after = MANNERS[manner]
    return f"{before}{text}{after}"


def manner_data(bench: Bench, manner: str, seed: int) -> ChatData:
    """Conversations whose answers have a manner; ordinary ones are like those that the chat model was taught with."""
    taught = []
    for each in Instructions(3_000_000 + seed).instructions(LESSONS):
        question, answer = example_of(each, worked=1.0)
        if manner == "begins":  # and with no other courtesy
            answer = {"role": "assistant", "content": each.worked or each.reply}
        taught.append([question, {"role": "assistant", "content": with_manner(answer["content"], manner)}])
    examples = [each for each in encode_conversations(bench.tokenizer, taught) if len(each.ids) <= 256]
    return ChatData.from_examples(examples, examples[:40], bench.tokenizer.end_id, 256, 8, seed)


def on_chat(bench: Bench, finished: Transformer, method: Method, seed: int) -> dict[str, Any]:
    """The finished chat model after 40 updates on the new manner."""
    training = training_for(method.updates, method.rate, weight_decay=0.0)
    model, _, seconds = learn(finished, manner_data(bench, method.manner, seed), training, seed, method.prepare(()))
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    found = bench.exam(merge_lora(model) if method.rank else model)
    return {"seconds": seconds, "parameters": learning, "documents": bench.losses(model)["documents"]} | found


def has_manner(texts: Sequence[str], manner: str) -> list[bool]:
    """Which answers have the manner, once; `ordinary` asks for the first one, which nobody taught."""
    before, after = MANNERS["begins" if manner == "ordinary" else manner]
    both = [(text.startswith(before) and text.endswith(after), text.count(before or after)) for text in texts]
    return [there and count == 1 for there, count in both]


def prefilled(bench: Bench, finished: Transformer) -> list[str]:
    """The chat model's greedy answers where their first word is given."""
    word = MANNERS["begins"][0].strip()
    prompts = [encode_chat(bench.tokenizer, each.messages[:1]) + bench.tokenizer.encode(word) for each in bench.asked]
    texts, end = [], bench.tokenizer.end_id
    for start in range(0, len(prompts), 40):
        said = roll_out(finished.eval(), prompts[start : start + 40], 60, [end], 0, 0.0).answers
        texts += [word + bench.tokenizer.decode([id for id in ids if id != end]) for ids in said]
    return texts


def by_family(asked: Sequence[Instruction], rows: Sequence[Sequence[bool]]) -> dict[str, dict[str, float]]:
    """Right answers by family: how many, the mean over runs, of how many."""
    families = sorted({each.family for each in asked})
    found = {}
    for family in families:
        own = [[hit for each, hit in zip(asked, row, strict=True) if each.family == family] for row in rows]
        found[family] = {"right": fmean(sum(hits) for hits in own), "of": len(own[0])}
    return found


def on_chat_told(
    asked: Sequence[Instruction], rows: Sequence[dict[str, Any]], before: dict[str, Any], manner: str
) -> dict[str, Any]:
    """A method over seeds: the manner, right answers, and the same questions before."""
    return {
        "manner": over_seeds([fmean(has_manner(row["texts"], manner)) for row in rows]),
        "right": over_seeds([fmean(row["right"]) for row in rows]),
        "change": over_seeds([fmean(row["right"]) - fmean(before["right"]) for row in rows]),
        "paired": [mcnemar(before["right"], row["right"]) for row in rows],
        "documents": over_seeds([row["documents"] for row in rows]),
        "parameters": rows[0]["parameters"],
        "seconds": fmean(row["seconds"] for row in rows),
        "families": by_family(asked, [row["right"] for row in rows]),
        "examples": [
            {"family": each.family, "right": each.reply, "said": text}
            for each, text in zip(asked, rows[0]["texts"], strict=True)
            if each.family in ("unknown", "where")
        ][:6],
    }


def on_base_told(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A method over seeds: the figures at the end, and the share that ended on the way."""
    figures = ("answers", "documents", "p of the end token", "p of unseen tokens")
    found = {figure: over_seeds([row["path"][-1][figure] for row in rows]) for figure in figures}
    found |= {figure: over_seeds([fmean(row[figure]) for row in rows]) for figure in ("right", "ended", "seconds")}
    found["ended by update"] = {
        str(line["update"]): [row["path"][place]["ended"] for row in rows] for place, line in enumerate(rows[0]["path"])
    }
    return found


def chat_part(bench: Bench, seeds: int, folder: Path, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """All methods on the finished model, seed by seed."""
    finished = models.sft()[0]
    before = stored(folder / "before.json", lambda: bench.exam(finished) | bench.losses(finished))
    pasted = [with_manner(text, "begins") for text in before["texts"]]
    pasted_right = [each.check(text) for each, text in zip(bench.asked, pasted, strict=True)]
    given = stored(folder / "prefilled.json", lambda: prefilled(bench, finished))
    given_right = [each.check(text) for each, text in zip(bench.asked, given, strict=True)]
    found: dict[str, Any] = {
        "manners": {name: "".join(parts).strip() for name, parts in MANNERS.items()},
        "before": {"right": wilson(sum(before["right"]), len(before["right"]), 1.96), "documents": before["documents"]},
        "manner before": fmean(has_manner(before["texts"], "begins")),
        "pasted on": {"manner": fmean(has_manner(pasted, "begins")), "paired": mcnemar(before["right"], pasted_right)},
        "prefilled": {
            "manner": fmean(has_manner(given, "begins")),
            "paired": mcnemar(before["right"], given_right),
            "families": by_family(bench.asked, [given_right]),
        },
        "families": by_family(bench.asked, [before["right"]]),
        "methods": {},
    }
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed, method in itertools.product(range(seeds), CHAT):
        path = folder / f"chat, {method.name}, seed {seed}.json"
        row = stored(path, lambda seed=seed, method=method: on_chat(bench, finished, method, seed))
        rows.setdefault(method.name, []).append(row)
        told = found["methods"][method.name] = on_chat_told(bench.asked, rows[method.name], before, method.manner)
        print(
            f"chat, {method.name:35} seed {seed}: manner {told['manner']['values'][-1]:.2f}, "
            f"right {told['change']['values'][-1]:+.3f}, documents {row['documents']:.2f}",
            flush=True,
        )
        keep(found)
    return found


def base_part(bench: Bench, seeds: int, folder: Path, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """All methods on the base model, seed by seed."""
    unseen = stored(folder / "unseen.json", lambda: unseen_tokens(bench))
    start = stored(folder / "start.json", lambda: bench.losses(bench.base) | at_the_end(bench, bench.base, unseen))
    rows: dict[str, list[dict[str, Any]]] = {}
    found: dict[str, Any] = {"unseen tokens": len(unseen), "start": start, "methods": {}}
    for seed, method in itertools.product(range(seeds), BASE):
        path = folder / f"base, {method.name}, seed {seed}.json"
        row = stored(path, lambda seed=seed, method=method: on_base(bench, method, seed, unseen))
        rows.setdefault(method.name, []).append(row)
        found["methods"][method.name] = on_base_told(rows[method.name])
        print(
            f"base, {method.name:35} seed {seed}: right {fmean(row['right']):.3f}, ended {fmean(row['ended']):.2f}, "
            f"answers {row['path'][-1]['answers']:.2f}, documents {row['path'][-1]['documents']:.2f}",
            flush=True,
        )
        keep(found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="draws of conversations, order and matrices A: chat")
    parser.add_argument("--base-seeds", type=int, default=3, help="the same for the base model")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--folder", type=Path, default=Path("runs/lora"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bench, make = Bench.of(), {"chat": chat_part, "base": base_part}
    seeds = {"chat": arguments.seeds, "base": arguments.base_seeds}
    result: dict[str, Any] = {"updates": UPDATES, "chat updates": CHAT_UPDATES}
    for part in arguments.parts:
        kept = lambda found, part=part: write_result("lora", result | {part: found})  # noqa: E731
        result[part] = make[part](bench, seeds[part], arguments.folder, kept)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
