"""A memory that counts what is loaded and stored, and attention on it that writes its table, in numpy."""

import math
from typing import Any

import numpy as np

State = tuple[np.ndarray, np.ndarray, np.ndarray]  # per query: largest score, sum of weights, weighted values
D = 64  # entries of a query in the page's runs
BYTES = 4  # of a float32


class Memory:
    """A matrix in slow memory: rows are loaded and stored, and each number that moves is counted.

    >>> memory = Memory(np.ones((8, 2)))
    >>> memory.load(2, 5).shape, memory.moved
    ((3, 2), 6)
    >>> memory.store(0, np.zeros((4, 2)))
    >>> memory.moved
    14
    """

    def __init__(self, array: Any):
        self.array = np.array(array, np.float32)
        self.moved = 0
        self.tallest = 0  # rows of the largest load

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.array.shape

    def load(self, first: int, end: int) -> np.ndarray:
        """A copy of the rows from `first` up to `end`, or up to the last one."""
        rows = self.array[first:end].copy()
        self.moved += rows.size
        self.tallest = max(self.tallest, len(rows))
        return rows

    def store(self, first: int, rows: np.ndarray) -> None:
        """Write rows from `first` on."""
        self.array[first : first + len(rows)] = rows
        self.moved += rows.size


def hide(scores: np.ndarray, r: int, c: int) -> np.ndarray:
    """The scores of a tile whose first query is r and whose first key is c; later keys get minus infinity.

    >>> hide(np.zeros((2, 2)), 4, 4)
    array([[  0., -inf],
           [  0.,   0.]])
    """
    queries, keys = np.arange(r, r + len(scores)), np.arange(c, c + scores.shape[1])
    return np.where(keys[None, :] <= queries[:, None], scores, -np.inf)


def start(R: int, D: int) -> State:
    """Nothing seen yet: the largest score is minus infinity, both sums are 0."""
    return np.full(R, -np.inf), np.zeros(R), np.zeros((R, D))


def plain(q: Memory, k: Memory, v: Memory, out: Memory, fused: bool = False) -> int:
    """Attention that writes its table; returns how many numbers moved.

    Four passes go over the table: scores are written, read for the softmax, weights are written, and read for the mix.
    If `fused`, the softmax happens while the values are mixed, and two are left.

    >>> q, k, v, out = (Memory(np.ones((4, 2))) for _ in range(4))
    >>> plain(q, k, v, out), plain(q, k, v, out, fused=True)
    (96, 64)
    """
    T, width = q.shape
    before = sum(each.moved for each in (q, k, v, out))
    table = Memory(np.zeros((T, T)))
    table.store(0, hide(q.load(0, T) @ k.load(0, T).T / math.sqrt(width), 0, 0))
    scores = table.load(0, T)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True)
    if not fused:
        table.store(0, weights)
        weights = table.load(0, T)
    out.store(0, weights @ v.load(0, T))
    return sum(each.moved for each in (q, k, v, out)) - before + table.moved


def texts(T: int, width: int = D, scale: float = 1.0, seed: int = 0) -> tuple[Memory, Memory, Memory, Memory]:
    """Random queries, keys and values of T tokens, and room for the result."""
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((T, width)) for _ in range(3))
    return Memory(scale * q), Memory(scale * k), Memory(v), Memory(np.zeros((T, width)))


def megabytes_of_plain(T: int, fused: bool = False) -> float:
    """What attention moves that writes its table."""
    return plain(*texts(T), fused=fused) * BYTES / 1e6
