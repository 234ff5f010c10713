"""Documents become rectangles of token ids: packed rows to train on, whole documents to measure on.

Every batch is a pure function of the seed and its number. That is what lets a killed run go on in the middle:
there is no loader state to save.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from minillm.losses import IGNORE

# Inputs (B, T), and for each the token that comes next. The underscores: batches of one list differ in B and T.
Batch = tuple[Int[Tensor, "_B _T"], Int[Tensor, "_B _T"]]


def pack_documents(documents: Sequence[Sequence[int]], end_id: int, row_length: int) -> Int[Tensor, "N T"]:
    """Fill rows of `row_length` tokens with whole documents, each between two `end_id`; the rest is `IGNORE`.

    A document goes into the fullest row that still has room for it (best fit), so that almost nothing is padding
    and no document is cut, except one that is longer than a row: its pieces fill rows of their own.
    Raises `ValueError` where there is nothing to pack.

    >>> pack_documents([[1, 2], [3, 4, 5], [6]], end_id=0, row_length=6).tolist()
    [[0, 1, 2, 0, 6, 0], [0, 3, 4, 5, 0, -100]]
    """
    if row_length < 3:
        raise ValueError(f"row_length is {row_length}; a row needs an end token, a token and an end token: 3 at least")
    room = row_length - 1  # after the end token that opens the row
    rows: list[list[int]] = []
    with_space: list[list[list[int]]] = [[] for _ in range(room + 1)]  # rows by the space that is left
    for document in documents:
        tokens = [*document, end_id]
        for start in range(0, len(tokens), room):
            piece = tokens[start : start + room]
            space = next((s for s in range(len(piece), room + 1) if with_space[s]), None)
            if space is None:
                row, space = [end_id], room
                rows.append(row)
            else:
                row = with_space[space].pop()
            row.extend(piece)
            with_space[space - len(piece)].append(row)
    if not rows:
        raise ValueError("there are no documents to pack")
    return torch.tensor([row + [IGNORE] * (row_length - len(row)) for row in rows], dtype=torch.int32)


class PackedBatches:
    """Shuffled batches of packed rows, forever: `batches[step]` is the same whenever it is asked for.

    Each epoch has its own order, drawn from the seed and the epoch's number; a last batch that would be short is
    filled from the next epoch. `end_id` stands in for padding in the inputs, whose targets do not count.

    >>> rows = pack_documents([[1, 2], [3, 4]], end_id=0, row_length=4)
    >>> inputs, targets = PackedBatches(rows, batch_size=2, seed=0, end_id=0)[5]
    >>> sorted(zip(inputs.tolist(), targets.tolist()))
    [([0, 1, 2], [1, 2, 0]), ([0, 3, 4], [3, 4, 0])]
    """

    def __init__(self, rows: Int[Tensor, "N T"], batch_size: int, seed: int, end_id: int):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.rows, self.batch_size, self.seed, self.end_id = rows, batch_size, seed, end_id
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    @property
    def epoch_length(self) -> float:
        """Batches in one pass over the rows."""
        return len(self.rows) / self.batch_size

    def _epoch_order(self, epoch: int) -> Int[Tensor, "N"]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.rows), generator=generator)

    def __getitem__(self, step: int) -> Batch:
        wanted = range(step * self.batch_size, (step + 1) * self.batch_size)
        picked = [int(self._order(i // len(self.rows))[i % len(self.rows)]) for i in wanted]
        return split_targets(self.rows[picked], self.end_id)


def split_targets(rows: Int[Tensor, "B length"], end_id: int) -> Batch:
    """Inputs and the tokens that follow them: the same row, shifted by one.

    >>> import torch
    >>> split_targets(torch.tensor([[0, 7, 8, 0, IGNORE]]), end_id=0)
    (tensor([[0, 7, 8, 0]]), tensor([[   7,    8,    0, -100]]))
    """
    rows = rows.long()
    return rows[:, :-1].where(rows[:, :-1] != IGNORE, end_id), rows[:, 1:]


def whole_documents(documents: Sequence[Sequence[int]], end_id: int, batch_tokens: int = 16_384) -> list[Batch]:
    """Batches for measuring: each document alone in a row, from its start to its end token.

    Documents of like length share a batch of about `batch_tokens`, so little is padding. Every token of every
    document counts exactly once, the end token included.

    >>> [(inputs.tolist(), targets.tolist()) for inputs, targets in whole_documents([[1], [2, 3]], end_id=0)]
    [([[0, 1, 0], [0, 2, 3]], [[1, 0, -100], [2, 3, 0]])]
    """
    batches, group = [], []
    for document in [*sorted(documents, key=len), None]:
        if group and (document is None or (len(group) + 1) * (len(document) + 2) > batch_tokens):
            longest = max(len(row) for row in group)
            rows = torch.tensor([row + [IGNORE] * (longest - len(row)) for row in group])
            batches.append(split_targets(rows, end_id))
            group = []
        if document is not None:
            group.append([end_id, *document, end_id])
    return batches
