"""SmolLM2-135M with its rotation broken: what the loss shows, and what two short tests show.

    python benchmarks/rotations.py                        # about seven minutes on one thread
    python benchmarks/rotations.py --breaks neighbors "base 10,000" --json

Functions take the place of the rotation of queries and keys in all 30 layers. Measured: the loss on 20 texts, 20
capitals, the 84 texts of `surgery.revenge`, which only a model that knows who came first can continue, and the loss by
position in one long text. Each row is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from measures import bootstrap_interval, stored, text_losses, texts
from torch import Tensor

from minillm import Transformer
from minillm.analysis.surgery import capitals, prompt_ids, replaced, revenge, without, write
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

MODEL = "smollm2-135m-instruct"
PROMPTS = ("Tom hit Bob. Then Bob", "The capital of France is")
PARTS = (0, 50, 100, 200, 400, 800, 1200)  # of the long text, in tokens
Rotation = Callable[[Tensor, Tensor, float], Tensor]


def turned(x: Tensor, positions: Tensor, base: float, neighbors: bool = False) -> Tensor:
    """Rotate (T, D) as RoPE does: pair i by positions * base ** (-2 i / D); pairs are halves, or neighbors.

    >>> turned(torch.tensor([[1.0, 0.0]]), torch.tensor([torch.pi / 2]), base=10.0).round(decimals=3)
    tensor([[-0., 1.]])
    """
    half = x.shape[-1] // 2
    angle = positions.float()[:, None] * base ** (-torch.arange(half, dtype=torch.float32) / half)
    first, second = (x[:, 0::2], x[:, 1::2]) if neighbors else (x[:, :half], x[:, half:])
    pairs = first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()
    return torch.stack(pairs, -1).flatten(-2) if neighbors else torch.cat(pairs, -1)


def slipped(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """The rotation with a wrong sign in its second half."""
    cosine_part = (turned(x, positions, base) + turned(x, -positions, base)) / 2
    sine_part = turned(x, positions, base) - cosine_part
    half = x.shape[-1] // 2
    return cosine_part + torch.cat([sine_part[:, :half], -sine_part[:, half:]], -1)


ROTATIONS: dict[str, Rotation] = {
    "right": turned,
    "from 1,000,000": lambda x, p, base: turned(x, p + 1_000_000, base),
    "from 4,000, in bfloat16": lambda x, p, base: turned(x, (p + 4_000).bfloat16(), base),
    "in bfloat16": lambda x, p, base: turned(x, p.bfloat16(), base),
    "neighbors": lambda x, p, base: turned(x, p, base, neighbors=True),
    "reversed": lambda x, p, base: turned(x, -p, base),
    "sign slip in one half": slipped,
    "base 10,000": lambda x, p, base: turned(x, p, 10_000.0),
    "doubled": lambda x, p, base: turned(x, 2 * p, base),
    "halved": lambda x, p, base: turned(x, p / 2, base),
    "two tokens share one": lambda x, p, base: turned(x, p // 2, base),
}
BREAKS = (*ROTATIONS, "no positions", "queries only", "keys only")


@contextmanager
def one_side(model: Transformer, queries: bool) -> Iterator[Transformer]:
    """The model with only its queries rotated, or only its keys."""

    def of(project: Callable) -> Callable:
        def forward(x: Tensor, angles=None) -> tuple[Tensor, Tensor, Tensor]:
            query, key, value = project(x, angles)
            plain_query, plain_key, _ = project(x, None)
            return (query, plain_key, value) if queries else (plain_query, key, value)

        return forward

    try:
        for block in model.blocks:
            block.attention.__dict__["project"] = of(block.attention.project)
        yield model
    finally:
        for block in model.blocks:
            block.attention.__dict__.pop("project", None)


def broken(model: Transformer, name: str) -> AbstractContextManager:
    """The model with this break, inside a `with` block."""
    if name == "no positions":
        return without(model, "positions")
    if name in ("queries only", "keys only"):
        return one_side(model, queries=name == "queries only")
    return replaced(model, rotation=ROTATIONS[name])


def measured(model: Transformer, tokenizer: Tokenizer) -> dict:
    """Losses, meters and texts of the model as it is now."""
    return {
        "losses": text_losses(model, tokenizer, texts(20)),
        "capitals": capitals(model, tokenizer),
        "revenge": revenge(model, tokenizer),
        "texts": {prompt: write(model, tokenizer, prompt, n=24) for prompt in PROMPTS},
    }


@torch.no_grad()
def by_position(model: Transformer, tokenizer: Tokenizer) -> list[float]:
    """Loss in each part of a text of 1,200 tokens, which is the 50 texts put together."""
    row = torch.tensor([prompt_ids(tokenizer, "\n\n".join(texts()))[: PARTS[-1] + 1]])
    log_probs = model(row[:, :-1])[0].log_softmax(-1)
    loss = -log_probs.gather(1, row[0, 1:, None])[:, 0]
    return [loss[a:b].mean().item() for a, b in itertools.pairwise(PARTS)]


def breaks_part(folder: Path, names: list[str]) -> dict:
    """Each break of the rotation, beside the intact model."""
    model, tokenizer = load(MODEL)
    rows: dict[str, dict] = {}
    for name in ["intact", *names]:
        with nullcontext() if name == "intact" else broken(model, name):
            rows[name] = stored(folder / f"{name}.json", lambda: measured(model, tokenizer))
            rows[name]["by position"] = stored(folder / f"{name}, long.json", lambda: by_position(model, tokenizer))
        row, costs = rows[name], [a - b for a, b in zip(rows[name]["losses"], rows["intact"]["losses"], strict=True)]
        row["loss"], row["cost"] = fmean(row["losses"]), fmean(costs)
        row["cost interval"] = bootstrap_interval(costs, fmean)
        print(
            f"{name:24} {row['loss']:.3f} ({row['cost']:+.3f}), {row['capitals']} capitals, {row['revenge']} of 84, "
            f"{row['texts'][PROMPTS[0]]!r}, {[round(loss, 2) for loss in row['by position']]}",
            flush=True,
        )
    return {"model": MODEL, "parts": PARTS, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--breaks", nargs="+", default=list(BREAKS), choices=BREAKS, help="of the rotation")
    parser.add_argument("--folder", type=Path, default=Path("runs/rotations"), help="keeps the rows that are done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = breaks_part(arguments.folder, arguments.breaks)
    print(f"written to {write_result('rotations', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
