"""Documents become batches of token ids: packed rows for training, whole documents for evaluation.

Every batch is a pure function of the seed and its number. So a killed run resumes exactly, without any loader state.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from minillm.data.packing import PackedRows
from minillm.errors import UserError
from minillm.losses import IGNORE

# Inputs (B, T), and for each the token that comes next. The underscores: batches of one list differ in B and T.
Batch = tuple[Int[Tensor, "_B _T"], Int[Tensor, "_B _T"]]
# The same with the segments of the inputs between them: which text of its row each token belongs to.
SegmentedBatch = tuple[Int[Tensor, "_B _T"], Int[Tensor, "_B _T"], Int[Tensor, "_B _T"]]


def pack_documents(documents: Sequence[Sequence[int]], end_id: int, row_length: int) -> Int[Tensor, "N T"]:
    """Fill rows of `row_length` tokens with whole documents, each between two `end_id`; the rest is `IGNORE`.

    All rows at once, for what fits into memory; `packing.PackedRows` says how, and makes them one by one. A document
    that fills its row exactly has no second `end_id`.
    Raises `UserError` where there is nothing to pack.

    >>> pack_documents([[1, 2], [3, 4, 5], [6]], end_id=0, row_length=6).tolist()
    [[0, 1, 2, 0, 6, 0], [0, 3, 4, 5, 0, -100]]
    """
    rows = PackedRows(documents, end_id, row_length)
    return rows[torch.arange(len(rows))]


class Shuffled:
    """An endless shuffled order: `order[step]` are the indices, below `count`, that make up batch `step`.

    It is the same at every call. Each epoch has its own order, drawn from the seed and the epoch's number; a last
    batch that would be short is filled from the next epoch.

    >>> order = Shuffled(count=3, batch_size=2, seed=0)
    >>> sorted(torch.cat([order[0], order[1], order[2]]).tolist())
    [0, 0, 1, 1, 2, 2]
    """

    def __init__(self, count: int, batch_size: int, seed: int):
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def _epoch_order(self, epoch: int) -> Int[Tensor, "N"]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        return torch.randperm(self.count, generator=generator)

    def __getitem__(self, step: int) -> Int[Tensor, "B"]:
        if step < 0:
            raise IndexError(f"there is no step {step}; training starts at step 0")
        parts, position, end = [], step * self.batch_size, (step + 1) * self.batch_size
        while position < end:  # once, or more often where an epoch ends inside the batch
            epoch, start = divmod(position, self.count)
            parts.append(self._order(epoch)[start : start + end - position])
            position += len(parts[-1])
        return torch.cat(parts)


class PackedBatches:
    """Batches of packed rows in the order of `Shuffled`: `batches[step]` is the same at every call.

    In the inputs `end_id` replaces padding, whose targets are `IGNORE`. For SFT (`conversations.pack_conversations`):
    with `segments` a batch is (inputs, segments, targets), and the first token of a text, which nothing in that text
    predicts, is not a target; with `mask` only tokens whose mask is True are targets.

    >>> rows = pack_documents([[1, 2], [3, 4]], end_id=0, row_length=4)
    >>> inputs, targets = PackedBatches(rows, batch_size=2, seed=0, end_id=0)[5]
    >>> sorted(zip(inputs.tolist(), targets.tolist()))
    [([0, 1, 2], [1, 2, 0]), ([0, 3, 4], [3, 4, 0])]
    """

    def __init__(
        self,
        rows: Int[Tensor, "N T"] | PackedRows,
        batch_size: int,
        seed: int,
        end_id: int,
        segments: Int[Tensor, "N T"] | None = None,
        mask: Bool[Tensor, "N T"] | None = None,
    ):
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be at least 1")
        if len(rows) < 1:
            raise UserError("there are no rows to make batches of; pack at least one document")
        self.rows, self.batch_size, self.end_id = rows, batch_size, end_id
        self.segments, self.mask = segments, mask
        self.order = Shuffled(len(rows), batch_size, seed)

    @property
    def epoch_length(self) -> float:
        """Batches in one pass over the rows."""
        return len(self.rows) / self.batch_size

    def __getitem__(self, step: int) -> Batch | SegmentedBatch:
        picked = self.order[step]
        inputs, targets = split_targets(self.rows[picked], self.end_id)
        if self.mask is not None:
            targets = targets.where(self.mask[picked][:, 1:], IGNORE)
        if self.segments is None:
            return inputs, targets
        segments = self.segments[picked].long()
        return inputs, segments[:, :-1], targets.where(segments[:, 1:] == segments[:, :-1], IGNORE)


class Curriculum:
    """Batches of a first kind for some steps, and of a second kind from then on.

    >>> first, second = (PackedBatches(torch.full((1, 4), n), 1, seed=0, end_id=0) for n in (1, 2))
    >>> batches = Curriculum(first, 2, second)
    >>> [int(batches[step][0][0, 0]) for step in range(4)]
    [1, 1, 2, 2]
    """

    def __init__(self, first: PackedBatches, steps: int, then: PackedBatches):
        self.first, self.steps, self.then = first, steps, then
        self.batch_size = then.batch_size

    def __getitem__(self, step: int) -> Batch | SegmentedBatch:
        return self.first[step] if step < self.steps else self.then[step - self.steps]


def split_targets(rows: Int[Tensor, "B length"], end_id: int) -> Batch:
    """Inputs and the tokens that follow them: the same row, shifted by one.

    >>> import torch
    >>> split_targets(torch.tensor([[0, 7, 8, 0, IGNORE]]), end_id=0)
    (tensor([[0, 7, 8, 0]]), tensor([[   7,    8,    0, -100]]))
    """
    rows = rows.long()
    return rows[:, :-1].where(rows[:, :-1] != IGNORE, end_id), rows[:, 1:]


def whole_documents(
    documents: Sequence[Sequence[int]], end_id: int, batch_tokens: int = 16_384, longest: int | None = None
) -> list[Batch]:
    """Batches for evaluation: each document alone in a row, from its start to its end token.

    Documents of similar length share a batch of about `batch_tokens`, so little is padding. Every token of every
    document is a target exactly once, the end token included. A document of more than `longest` tokens, which the model
    could not read at once, is cut into pieces; a token after a cut sees nothing before it.

    >>> [(inputs.tolist(), targets.tolist()) for inputs, targets in whole_documents([[1], [2, 3]], end_id=0)]
    [([[0, 1, 0], [0, 2, 3]], [[1, 0, -100], [2, 3, 0]])]
    """
    rows = []
    for document in documents:
        row = [end_id, *document, end_id]
        step = longest or len(row)
        rows += [row[start : start + step + 1] for start in range(0, len(row) - 1, step)]
    batches, group = [], []
    for row in [*sorted(rows, key=len), None]:
        if group and (row is None or (len(group) + 1) * len(row) > batch_tokens):
            widest = len(group[-1])
            full = torch.tensor([row + [IGNORE] * (widest - len(row)) for row in group])
            batches.append(split_targets(full, end_id))
            group = []
        if row is not None:
            group.append(row)
    return batches
