"""Attention in tiles, for Triton: the lab's `attend` as a program that runs once per tile of queries.

Where Triton isn't installed, `run` is None. Its interpreter accepts what a card refuses (tiles of fewer than 16 rows),
reads past the end without a word, and runs its programs one after the other.
"""

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, empty_like

from minillm.course.tiles.memory import plain, texts

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before the first import
try:
    import triton  # pyright: ignore[reportMissingImports]
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:
    triton: Any = None

run: Callable[[Tensor, Tensor, Tensor, int, int], Tensor] | None = None

if triton is not None:

    @triton.jit
    def tiles(q, k, v, out, T, scale, D: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr):
        r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)  # this program's queries
        d = tl.arange(0, D)
        queries = tl.load(q + r[:, None] * D + d, mask=r[:, None] < T, other=0.0)
        largest = tl.full((ROWS,), float("-inf"), tl.float32)
        total = tl.zeros((ROWS,), tl.float32)
        mixed = tl.zeros((ROWS, D), tl.float32)
        for first in range(0, tl.minimum(T, (tl.program_id(0) + 1) * ROWS), COLS):
            c = first + tl.arange(0, COLS)
            keys = tl.load(k + c[:, None] * D + d, mask=c[:, None] < T, other=0.0)
            values = tl.load(v + c[:, None] * D + d, mask=c[:, None] < T, other=0.0)
            scores = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
            scores = tl.where(c[None, :] <= r[:, None], scores, float("-inf"))
            new = tl.maximum(largest, tl.max(scores, 1))
            shrink = tl.exp(largest - new)
            weights = tl.exp(scores - new[:, None])
            total = total * shrink + tl.sum(weights, 1)
            mixed = mixed * shrink[:, None] + tl.dot(weights, values, input_precision="ieee")
            largest = new
        tl.store(out + r[:, None] * D + d, mixed / total[:, None], mask=r[:, None] < T)

    def _run(q: Tensor, k: Tensor, v: Tensor, rows: int, cols: int) -> Tensor:
        """Causal attention of one head, (T, D), on the tensors' device; on the CPU only in Triton's interpreter."""
        T, D = q.shape
        out = empty_like(q)
        tiles[(triton.cdiv(T, rows),)](q, k, v, out, T, D**-0.5, D, rows, cols)
        return out

    run = _run


def triton_source() -> str:
    """The kernel in Triton, as text.

    >>> print(triton_source()[:22])
    @triton.jit
    def tiles(
    """
    text = Path(__file__).read_text(encoding="utf-8")
    return textwrap.dedent(text[text.index("    @triton.jit\n    def") : text.index("    def _run")]).rstrip()


def why_no_triton() -> str:
    """Why `by_triton` can't run here, as a sentence; empty where it can."""
    if run is None:
        return "Triton isn't installed (Linux only: pip install triton, 286 MB), so this cell is skipped."
    return ""


def by_triton(T: int, rows: int, cols: int) -> float:
    """The largest difference of Triton's kernel, on a card or in its interpreter on the CPU, from `plain`."""
    assert run is not None, why_no_triton()
    memories = texts(T)
    q, k, v = (torch.from_numpy(each.array).to(DEVICE) for each in memories[:3])
    out = run(q, k, v, rows, cols)
    plain(*memories)
    return float(np.abs(out.cpu().numpy() - memories[3].array).max())
