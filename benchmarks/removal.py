"""What each part of SmolLM2-135M is worth: the loss without it, beside the size of what it adds.

    python benchmarks/removal.py                     # 60 removals on 20 texts, about four minutes on one thread
    python benchmarks/removal.py --texts 4 --json

Each of the 30 attentions and 30 feed-forward networks is left out alone, so that it adds nothing to the residual
stream (`minillm.analysis.surgery.removal`). Its cost is the rise of the loss on a text, in nats per token. Its size is
the mean norm of what it adds to a position of the intact model, without the first position of each text, where a few
parts write vectors of norm 1,000 and more; its relative size is that norm over the norm of what it is added to. Two
rules that read no text are ranked beside the sizes: the earlier, the farther from the middle, and feed-forward networks
before attentions, the more expensive.
Single removals then continue two prompts greedily and are asked for 20 capitals. What is done is kept in --folder; an
interrupted benchmark resumes there.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from measures import bootstrap_interval, stored, texts

from minillm.analysis.surgery import capitals, rank_correlation, removal, without, write
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
KINDS = ("attention", "feed_forward")
SIZES = ("norms", "relative")
RULES = ("early", "far from the middle", "feed-forward")  # what a size must beat
CHEAP, EXPENSIVE = 0.1, 1.0  # nats per token
PROMPTS = ("The capital of France is", "Once upon a time, a dog")
SHOWN: list[tuple[str, int]] = [  # what the continuations are printed for
    ("attention", 0),
    ("attention", 1),
    ("attention", 7),
    ("attention", 24),
    ("feed_forward", 0),
    ("feed_forward", 2),
    ("feed_forward", 11),
    ("feed_forward", 29),
]


def measured(model: Transformer, tokenizer: Tokenizer, text: str) -> dict[str, list]:
    """The intact loss on a text, and by layer and kind of part: its size, its relative size and its cost."""
    found = removal(model, tokenizer, [text])
    return {
        "loss": found.loss.tolist(),
        "norms": found.size.tolist(),
        "relative": found.relative.tolist(),
        "costs": found.cost[..., 0].tolist(),
    }


def by_part(rows: Sequence[Mapping[str, list]]) -> list[dict]:
    """What was measured on each text, by part instead."""
    return [
        {"part": f"{kind} {layer}", "kind": kind, "layer": layer}
        | {key: [row[key][layer][which] for row in rows] for key in ("norms", "relative", "costs")}
        for which, kind in enumerate(KINDS)
        for layer in range(len(rows[0]["costs"]))
    ]


def ruled(parts: Sequence[Mapping], layers: int) -> list[dict]:
    """The parts with the rules as sizes, alike on every text.

    >>> ruled([{"kind": "attention", "layer": 0, "costs": [1.0, 2.0]}], layers=30)[0]["early"]
    [0, 0]
    """
    found = []
    for part in parts:
        place, count = len(KINDS) * part["layer"] + KINDS.index(part["kind"]), len(part["costs"])
        middle = (len(KINDS) * layers - 1) / 2
        values = (-place, abs(place - middle), KINDS.index(part["kind"]))
        found.append(part | {rule: [value] * count for rule, value in zip(RULES, values, strict=True)})
    return found


def correlations(parts: Sequence[Mapping], size: str) -> dict[str, float | list[float]]:
    """Rank correlation of size and cost over parts: of their means, with an interval over texts, and text by text."""

    def over(chosen: Sequence[int]) -> float:
        means = [torch.tensor([fmean(part[key][text] for text in chosen) for part in parts]) for key in (size, "costs")]
        return rank_correlation(*means).item()

    every = range(len(parts[0]["costs"]))
    low, high = bootstrap_interval(every, over, resamples=500)
    return {"of means": over(every), "low": low, "high": high, "by text": [over([text]) for text in every]}


def summary(parts: Sequence[Mapping]) -> dict:
    """How many parts are cheap or expensive, and whether what writes much costs much."""
    means = [fmean(part["costs"]) for part in parts]
    ranked = sorted(range(len(parts)), key=lambda index: -means[index])
    sized = ruled(parts, layers=1 + max(part["layer"] for part in parts))
    return {
        "cheap on all texts": sum(max(part["costs"]) < CHEAP for part in parts),
        "cheap on average": sum(mean < CHEAP for mean in means),
        "expensive on all texts": sum(min(part["costs"]) > EXPENSIVE for part in parts),
        "expensive on average": sum(mean > EXPENSIVE for mean in means),
        "most expensive": [parts[index]["part"] for index in ranked[:8]],
        "cheapest": [parts[index]["part"] for index in ranked[:-9:-1]],
        "better without on a text": sum(min(part["costs"]) < 0 for part in parts),
        "rank correlation": {
            size: {
                kind: correlations([part for part in sized if part["kind"] in kinds], size)
                for kind, kinds in {"attention": KINDS[:1], "feed_forward": KINDS[1:], "all": KINDS}.items()
                if size != "feed-forward" or kind == "all"
            }
            for size in SIZES + RULES
        },
    }


def continuations(model: Transformer, tokenizer: Tokenizer) -> dict:
    """What the model writes, and how many capitals it knows."""
    texts = {prompt: write(model, tokenizer, prompt, n=20) for prompt in PROMPTS}
    return {"capitals": capitals(model, tokenizer), "texts": texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("runs/removal"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (model, tokenizer), written = load(MODEL), texts(arguments.texts)
    folder = arguments.folder / str(len(written))

    rows = []
    for number, text in enumerate(written):
        rows.append(stored(folder / f"text {number}.json", lambda text=text: measured(model, tokenizer, text)))
        print(f"text {number + 1} of {len(written)}: {rows[-1]['loss'][0]:.2f} nats per token", flush=True)
    intact, parts = [row["loss"][0] for row in rows], by_part(rows)
    shown = {}
    for kind, layer in [("", 0), *SHOWN]:
        name = f"{kind} {layer}" if kind else "intact"
        with without(model, kind, layer) if kind else nullcontext():
            shown[name] = stored(folder / f"shown-{name}.json", lambda: continuations(model, tokenizer))
        print(f"{name:16} {shown[name]['capitals']:2} capitals {shown[name]['texts']}", flush=True)
    result = {"model": MODEL, "texts": len(written), "intact": intact} | summary(parts)
    print(json.dumps(summary(parts), indent=1))
    result |= {"shown": shown, "parts": parts}
    print(f"written to {write_result('removal', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
