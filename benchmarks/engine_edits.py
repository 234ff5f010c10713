"""What SmolLM2 writes on lesson 12's engine with one line changed: texts, and nats added.

    python benchmarks/engine_edits.py     # about three minutes on a free core; minillm fetch smollm2-135m-instruct
    python benchmarks/engine_edits.py --edits "hide nothing"   # measures only this one again, and the controls

Each edit of `own_engine_edits.EDITS` writes 12 tokens, greedily, after a story's beginning, after an order to repeat a
list, and after a question; guesses are looked up after one token, so that some are wrong. `same` says whether the text
is that of the unchanged engine. Nats: six passages of 27 tokens from documentation, the first 16 read in one pass and
the others one by one; the mean over these 11, minus that of the unchanged engine, with its standard error over the
passages. An edit that changes only which guesses stay has none. Controls, in nats only: another early key is kept in
place of the first.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from common import RESULTS, write_result

from minillm.course import own_engine, own_engine_edits
from minillm.course.own_model import smollm2
from minillm.course.turns.inference_engine import cached_attention
from minillm.data.chat import encode_chat
from minillm.files import read_json

NEW, READ, SCORED, PASSAGES = 12, 16, 11, 6
CONTROLS = {
    f"keep the {name} and the newest 7": own_engine_edits.Edit(own_engine_edits.shortened(1, at))
    for name, at in (("second", 1), ("third", 2), ("fifth", 4))
}
STORY, CHAT = "The river was high, so the ferryman", ("quote a list", "why salty")


def losses(change: own_engine_edits.Edit, texts: Sequence[Sequence[int]], read: int = READ) -> list[float]:
    """The mean loss of each text after its first `read` tokens, in nats per token, with an edit."""
    found = []
    for ids in texts:
        cached = change.engine(smollm2()[0], change.attention(cached_attention))
        rows = [cached(ids[:read])[-1:], *(cached([token]) for token in ids[read:-1])]
        targets = torch.tensor(list(ids[read:]))
        found.append(torch.nn.functional.cross_entropy(torch.cat(rows), targets).item())
    return found


def measure(new: int, passages: int, edits: Sequence[str]) -> dict[str, Any]:
    tokenizer = smollm2()[1]
    stop = [tokenizer.eos_id]
    asked = {"a story": tokenizer.encode(STORY)}
    for name in CHAT:
        asked[name] = encode_chat(tokenizer, [{"role": "user", "content": own_engine.TASKS[name]}])
    texts = own_engine.passages(passages, READ + SCORED)
    unchanged, rows, controls = losses(own_engine_edits.Edit(), texts), {}, {}
    for edit in (None, *edits):
        change = own_engine_edits.Edit() if edit is None else own_engine_edits.EDITS[edit]
        written = {
            name: tokenizer.decode(own_engine_edits.write(ids, new, edit, cached_attention, n_match=1, stop=stop))
            for name, ids in asked.items()
        }
        row: dict[str, Any] = {"texts": written}
        if edit is not None:
            row["same"] = {name: text == rows["right"]["texts"][name] for name, text in written.items()}
            guesses_only = change.rule is not None or change.engine is own_engine_edits.TakesNothingBack
            if not guesses_only:
                row["nats added"], row["stderr"] = own_engine.added(unchanged, losses(change, texts))
        rows[edit or "right"] = row
        print(edit or "right", row, flush=True)
    for name, change in CONTROLS.items():
        mean, error = own_engine.added(unchanged, losses(change, texts))
        controls[name] = {"nats added": mean, "stderr": error}
        print(name, controls[name], flush=True)
    return {
        "settings": {"new": new, "passages": passages, "read": READ, "scored": SCORED},
        "nats": unchanged,
        "rows": rows,
        "controls": controls,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--new", type=int, default=NEW, help="tokens per text, at most")
    parser.add_argument("--passages", type=int, default=PASSAGES)
    parser.add_argument("--edits", nargs="+", choices=[*own_engine_edits.EDITS], help="only these; others stay")
    arguments = parser.parse_args()
    result = measure(arguments.new, arguments.passages, arguments.edits or [*own_engine_edits.EDITS])
    if arguments.edits and (RESULTS / "engine_edits.json").is_file():
        before = read_json(RESULTS / "engine_edits.json")
        if (before["settings"], before["rows"]["right"]) != (result["settings"], result["rows"]["right"]):
            parser.error("what is stored was measured otherwise; measure all edits")
        result["rows"] = before["rows"] | result["rows"]
    write_result("engine_edits", result)


if __name__ == "__main__":
    main()
