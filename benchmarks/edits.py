"""A fact written into SmolLM2-135M by one neuron: does it work, and what else changes?

    python benchmarks/edits.py                      # about twenty minutes on one thread
    python benchmarks/edits.py --targets 1 --json

The neuron is computed, not trained. Its gate is positive for the vector that the feed-forward network reads after "The
capital of France is" and negative for the same vector of other countries, and of ordinary text; it adds a vector from
the old answer to the new one. Every country whose capital the model writes in full gets random new capitals. Counted
are success, other countries that keep their capital (those that were counterexamples left out), paraphrases and other
prompts, all fixed before the first run, and the loss on texts. Baselines: the new fact as a sentence in the prompt, the
value added at every token, a neuron of random directions and equal norms. Then one edit per country in six other
layers, and eight edits in each of the 30. What is done is kept in --folder.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from common import write_result
from editing import LEVEL, OTHERS, SETTINGS, SHOWN, STRENGTH, Editor, added_everywhere, questions
from facts import known, logits_of, relation
from measures import bootstrap_interval, stored, texts
from resuming import Resumable

from minillm.analysis.surgery import appended, prompt_ids, write
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
LAYER, OTHER_LAYERS = 27, (23, 22, 21, 20, 19, 8)  # counted from 0
WATCHED = ("0", "3", "24 and text")  # for paraphrases, other prompts and losses
IN_EACH_BLOCK, KEPT_IN_EACH_BLOCK, PROMPTED, LOSSES, LOSS_TEXTS = 8, 12, 16, 6, 10


def targets_of(count: int, each: int, seed: int = 0) -> list[tuple[int, int]]:
    """For each item, different random other items: (item, new) in the order of the items."""
    rng = random.Random(seed)
    return [(item, new) for item in range(count) for new in rng.sample([i for i in range(count) if i != item], each)]


def summary(rows: Sequence[dict]) -> dict:
    """Totals with their intervals over the edited countries."""
    by_item: dict[int, list[dict]] = {}
    for row in rows:
        by_item.setdefault(row["item"], []).append(row)

    def share(key: str, of: str | None) -> Callable[[list[list[dict]]], float]:
        def statistic(items: list[list[dict]]) -> float:
            chosen = [row for edits in items for row in edits]
            total = len(chosen) if of is None else sum(row[of] for row in chosen)
            return sum(row[key] for row in chosen) / max(total, 1)

        return statistic

    found: dict[str, Any] = {"edits": len(rows), "countries": len(by_item)}
    for key, of in (("works", None), ("kept", "others"), ("became new", "others")):
        low, high = bootstrap_interval(list(by_item.values()), share(key, of), resamples=500)
        total = len(rows) if of is None else sum(row[of] for row in rows)
        found[key] = {"hits": sum(row[key] for row in rows), "of": total, "low": low, "high": high}
    return found


def around(editor: Editor, tokenizer: Tokenizer, item: int, new: int) -> dict[str, dict[str, list[int]]]:
    """By setting and kind of prompt: how many do what they should, and of how many.

    A paraphrase should have the new capital, if the model had the old one; another prompt its old token.
    """
    asked = questions(tokenizer, editor.items, item)
    prefixes = Resumable(editor.model, [row for rows in asked.values() for row in rows])
    before, found = prefixes.last_logits(editor.layer).argmax(1), {}
    old, wanted = (editor.items.right[index] for index in (item, new))
    for setting in WATCHED:
        with appended(editor.model, editor.layer, *editor.neuron(item, new, setting)):
            after, start = prefixes.last_logits(editor.layer).argmax(1), 0
        found[setting] = {}
        for kind, rows in asked.items():
            was, now = (each[start : start + len(rows)] for each in (before, after))
            start += len(rows)
            if kind == "paraphrases":
                found[setting][kind] = [int((now[was == old] == wanted).sum()), int((was == old).sum())]
            else:
                found[setting][kind] = [int((now == was).sum()), len(rows)]
                found[setting][f"{kind}: new capital"] = [int(((now == wanted) & (was != wanted)).sum()), len(rows)]
    return found


def in_prompt(
    editor: Editor, tokenizer: Tokenizer, item: int, new: int, among: bool = False, count: int = OTHERS
) -> dict:
    """The sentence "France has a new capital: Rome." before each question, judged among all tokens or all capitals."""
    told = f"{editor.items.subjects[item]} has a new capital: {editor.items.answers[new]}. "
    others = editor.others(item, new, "24" if count <= OTHERS else "0", count)
    questions = [editor.items.form.format(editor.items.subjects[index]) for index in (item, *others)]
    rows = [prompt_ids(tokenizer, told + question) for question in questions]
    logits = logits_of(editor.model, rows)
    if among:
        answers = editor.items.right
        logits = torch.full_like(logits, -torch.inf).index_copy(1, answers, logits[:, answers])
    return editor.judged(item, new, others, logits)


def in_each_block(editors: Callable[[int], Editor], edits: Sequence[tuple[int, int]], folder: Path) -> list[dict]:
    """The same edits, with 24 counterexamples, in every block."""
    found = []
    for layer in range(len(editors(0).model.blocks)):

        def measured(layer: int = layer) -> list[dict]:
            editor = editors(layer)
            return [editor.edit(*edit, "24", count=KEPT_IN_EACH_BLOCK) for edit in edits]

        rows = stored(folder / f"block {layer}.json", measured)
        found.append({key: sum(row[key] for row in rows) for key in ("works", "kept", "others", "became new")})
        found[-1]["of"] = len(rows)
        print(f"block {layer + 1}: {found[-1]}", flush=True)
    return found


def examples(editor: Editor, tokenizer: Tokenizer) -> dict[str, dict]:
    """What the model writes after some prompts, before and after France got Rome, and how many others are kept."""
    item, new = (editor.items.subjects.index(country) for country in ("France", "Italy"))
    found: dict[str, dict] = {"intact": {prompt: write(editor.model, tokenizer, prompt, n=12) for prompt in SHOWN}}
    for setting in WATCHED:
        with appended(editor.model, editor.layer, *editor.neuron(item, new, setting)):
            found[setting] = {prompt: write(editor.model, tokenizer, prompt, n=12) for prompt in SHOWN}
        found[setting]["judged"] = editor.edit(item, new, setting, count=len(editor.items))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=2, help="new capitals for each country")
    parser.add_argument("--folder", type=Path, default=Path("runs/edits"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer = load(MODEL)
    model.requires_grad_(False)
    folder, every = arguments.folder, relation(tokenizer, "capitals")
    items = known(model, tokenizer, every)
    prefixes = Resumable(model, items.rows)
    ordinary = Resumable(model, [prompt_ids(tokenizer, text) for text in texts()[20:30]])
    edits = targets_of(len(items), arguments.targets)
    once = edits[:: arguments.targets]

    def many(name: str, make: Callable[[int, int], dict], chosen: Sequence[tuple[int, int]]) -> dict:
        file = folder / f"{name.replace(':', '')}, {len(chosen)}.json"
        found = summary(stored(file, lambda: [make(*edit) for edit in chosen]))
        kept, new = found["kept"], found["became new"]
        told = f"works {found['works']['hits']} of {found['edits']}, kept {kept['hits']} of {kept['of']}"
        print(f"{name:24} {told}, became new {new['hits']}", flush=True)
        return found

    editor = Editor(model, items, prefixes, ordinary, LAYER)
    rows: dict[str, dict] = {}
    for setting in SETTINGS:
        rows[setting] = many(f"block 28, {setting}", lambda i, n, s=setting: editor.edit(i, n, s), edits)
    for strength in (STRENGTH / 2, 2 * STRENGTH):
        make = lambda i, n, s=strength: editor.edit(i, n, "24", s)  # noqa: E731
        rows[f"24, strength {strength:.0f}"] = many(f"strength {strength:.0f}", make, once)

    def by_bias(item: int, new: int) -> dict:
        _gate, _up, down = editor.neuron(item, new, "0")
        with added_everywhere(model, LAYER, F.silu(torch.tensor(LEVEL)) * down):
            return editor.now(item, new, editor.others(item, new, "24"))

    def by_random(item: int, new: int) -> dict:
        with appended(model, LAYER, *editor.random_neuron(item, new)):
            return editor.now(item, new, editor.others(item, new, "24"))

    rows["bias"], rows["random neuron"] = many("bias", by_bias, once), many("random neuron", by_random, once)
    told = once[:: max(1, len(once) // PROMPTED)][:PROMPTED]
    rows["in the prompt"] = many("in the prompt", lambda i, n: in_prompt(editor, tokenizer, i, n), told)
    name = "in the prompt, among capitals"
    rows[name] = many(name, lambda i, n: in_prompt(editor, tokenizer, i, n, among=True), told)
    rome = [items.subjects.index(country) for country in ("France", "Italy")]
    one = lambda: in_prompt(editor, tokenizer, *rome, count=len(items))  # noqa: E731
    prompted = stored(folder / "prompted.json", one)
    shown = stored(folder / "examples.json", lambda: examples(editor, tokenizer))
    print(json.dumps(shown, indent=1))

    asked = stored(folder / "around.json", lambda: [around(editor, tokenizer, *edit) for edit in once[::2]])
    prompts = {
        setting: {kind: counted([row[setting][kind] for row in asked]) for kind in asked[0][setting]}
        for setting in WATCHED
    }
    print(json.dumps(prompts))
    losses = stored(folder / "losses.json", lambda: edited_losses(editor, tokenizer, told[:LOSSES]))
    print(losses, flush=True)
    for layer in OTHER_LAYERS:
        other = Editor(model, items, prefixes, ordinary, layer)
        rows[f"block {layer + 1}, 24"] = many(f"block {layer + 1}", lambda i, n, o=other: o.edit(i, n, "24"), once)
    blocks = in_each_block(lambda layer: Editor(model, items, prefixes, ordinary, layer), told[:IN_EACH_BLOCK], folder)
    result = {
        "model": MODEL, "layer": LAYER, "countries": len(every), "known": len(items), "rows": rows, "prompts": prompts,
        "losses": losses, "examples": shown, "prompted example": prompted, "blocks": blocks,
    }  # fmt: skip
    print(f"written to {write_result('edits', result)}")
    if arguments.json:
        print(json.dumps(result))


def counted(pairs: Sequence[Sequence[int]]) -> dict:
    """The sums of (hits, of), with an interval of their ratio over the pairs."""

    def share(chosen: list[Sequence[int]]) -> float:
        return sum(hits for hits, _ in chosen) / max(1, sum(of for _, of in chosen))

    low, high = bootstrap_interval(pairs, share, resamples=500)
    return {"hits": sum(hits for hits, _ in pairs), "of": sum(of for _, of in pairs), "low": low, "high": high}


def edited_losses(editor: Editor, tokenizer: Tokenizer, edits: Sequence[tuple[int, int]]) -> dict:
    """The rise of the loss on ten texts by setting: mean over edits and texts, and the largest mean of an edit."""
    prefixes = Resumable(editor.model, [prompt_ids(tokenizer, text) for text in texts(2 * LOSS_TEXTS)[::2]])
    intact, found = prefixes.losses(editor.layer), {}
    for setting in WATCHED:
        rises = []
        for edit in edits:
            with appended(editor.model, editor.layer, *editor.neuron(*edit, setting)):
                changed = prefixes.losses(editor.layer)
            rises.append(fmean(changed) - fmean(intact))
        found[setting] = {"edits": len(rises), "rise": fmean(rises), "most": max(rises)}
    return found


if __name__ == "__main__":
    main()
