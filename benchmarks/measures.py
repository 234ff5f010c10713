"""Shared by the benchmarks of a real model: its texts, their losses, what is kept, and statistics with an interval.

`texts.json` holds 50 texts of 50 to 150 tokens: 26 written for it, twelve documents of the world and twelve docstrings
of the package. The first 20 are a mixture of all three.
"""

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from minillm.analysis.surgery import prompt_ids
from minillm.files import read_json, write_json
from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

TEXTS = Path(__file__).parent / "texts.json"
RESAMPLES = 2000
Item = TypeVar("Item")


def texts(count: int | None = None, field: str = "text") -> list[str]:
    """The texts to measure on, or the first of them; or what `field` says of each: its kind."""
    return [row[field] for row in json.loads(TEXTS.read_text(encoding="utf-8"))[:count]]


@torch.no_grad()
def text_loss(model: Transformer, ids: Sequence[int]) -> float:
    """Mean loss in nats per token on one text; `ids` begin with the token that separates texts, which costs nothing."""
    row = torch.tensor([list(ids)])
    return next_token_loss(model(row[:, :-1]), row[:, 1:]).item()


def text_losses(model: Transformer, tokenizer: Tokenizer, written: Sequence[str]) -> list[float]:
    """The loss on each text, in nats per token."""
    return [text_loss(model, prompt_ids(tokenizer, text)) for text in written]


def stored(path: Path, make: Callable[[], Any]) -> Any:
    """What an earlier run made and kept at `path`, or what `make` makes now, which is kept there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"made": make()})
    return read_json(path)["made"]


def bootstrap_interval(
    items: Sequence[Item], statistic: Callable[[list[Item]], float], coverage: float = 0.9, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The interval of a statistic over resamples of the items, drawn with replacement (Efron 1979).

    >>> bootstrap_interval([2, 2, 2], lambda items: sum(items) / len(items))
    (2.0, 2.0)
    """
    rng = random.Random(0)
    drawn = sorted(statistic(rng.choices(items, k=len(items))) for _ in range(resamples))
    outside = round((1 - coverage) / 2 * resamples)
    return drawn[outside], drawn[-1 - outside]


def wilson(hits: int, of: int, z: float = 1.645) -> dict[str, float]:
    """How many of how many, the share, and its interval of 90% (Wilson 1927), which has a width at 0 and 1, too.

    >>> {key: round(value, 3) for key, value in wilson(10, 10).items()}
    {'hits': 10, 'of': 10, 'share': 1.0, 'low': 0.787, 'high': 1.0}
    """
    share, spread = hits / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return {"hits": hits, "of": of, "share": share, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}
