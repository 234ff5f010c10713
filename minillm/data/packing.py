"""Best-fit packing: which document goes into which row, planned from lengths alone; a row is filled when it is read.

A row is what a model reads at once: an end token, then whole documents, each followed by an end token. The plan takes
a few numbers per document, so a corpus of gigabytes can be packed while its tokens stay on disk.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from minillm.data.token_file import TokenFile
from minillm.errors import UserError
from minillm.losses import IGNORE


class PackedRows:
    """Rows of `row_length` tokens filled with whole documents; `rows[picked]` makes the rows that are picked.

    A document goes into the fullest row that it still fits into (best fit), so that almost nothing is padding
    and no document is cut, except one that is longer than a row: its pieces fill rows of their own.
    Raises `UserError` where there is nothing to pack.

    >>> rows = PackedRows([[1, 2], [3, 4, 5], [6]], end_id=0, row_length=6)
    >>> len(rows), rows[torch.tensor([1, 0])].tolist()
    (2, [[0, 3, 4, 5, 0, -100], [0, 1, 2, 0, 6, 0]])
    """

    def __init__(self, documents: Sequence[Sequence[int]] | TokenFile, end_id: int, row_length: int):
        if row_length < 3:
            raise UserError(
                f"row_length is {row_length}; a row needs an end token, a token and an end token: 3 at least"
            )
        self.documents, self.end_id, self.row_length = documents, end_id, row_length
        if isinstance(documents, TokenFile):
            lengths = documents.lengths
        else:
            lengths = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
        if not len(lengths):
            raise UserError("there are no documents to pack; give at least one")
        self.tokens = int(lengths.sum()) + len(lengths)  # end tokens included
        # One line per piece, sorted by row: document, first token, one past the last (its end token included).
        self._pieces, self._row_bounds = plan_rows(lengths, row_length)

    def __len__(self) -> int:
        return len(self._row_bounds) - 1

    def __getitem__(self, picked: Int[Tensor, "_B"]) -> Int[Tensor, "_B {self.row_length}"]:
        """The picked rows, their unused positions `IGNORE`."""
        rows = np.full((len(picked), self.row_length), IGNORE, dtype=np.int32)
        rows[:, 0] = self.end_id
        for row, number in zip(rows, picked.tolist(), strict=True):
            at = 1
            for index, start, stop in self._pieces_of(number):
                document = self.documents[index]
                piece = document[start:stop]
                row[at : at + len(piece)] = piece
                at += len(piece)
                if stop > len(document):
                    row[at] = self.end_id
                    at += 1
        return torch.from_numpy(rows)

    def segments(self, picked: Int[Tensor, "_B"]) -> Int[Tensor, "_B {self.row_length}"]:
        """Which document of its row each token of the picked rows belongs to: 1, 2, 3, ..., its end token included.

        The end token that opens a row and unused positions belong to no document: 0, as in `model/segments.py`.
        """
        segments = np.zeros((len(picked), self.row_length), dtype=np.int32)
        for row, number in zip(segments, picked.tolist(), strict=True):
            lengths = [stop - start for _, start, stop in self._pieces_of(number)]
            row[1 : 1 + sum(lengths)] = np.repeat(np.arange(1, len(lengths) + 1), lengths)
        return torch.from_numpy(segments)

    def _pieces_of(self, number: int) -> list[list[int]]:
        return self._pieces[self._row_bounds[number] : self._row_bounds[number + 1]].tolist()


def plan_rows(
    lengths: Int[np.ndarray, "N"], row_length: int
) -> tuple[Int[np.ndarray, "pieces 3"], Int[np.ndarray, "bounds"]]:
    """Pieces (document, start, stop), sorted by row, and where each row's pieces begin, with one bound more at the end.

    Each document counts one token more than its length: the end token that follows it.

    >>> pieces, bounds = plan_rows(np.array([2, 3, 1]), row_length=6)
    >>> pieces.tolist(), bounds.tolist()
    ([[0, 0, 3], [2, 0, 2], [1, 0, 4]], [0, 2, 3])
    """
    capacity = row_length - 1  # tokens after the end token that opens the row
    pieces: list[tuple[int, int, int]] = []
    row_of_piece: list[int] = []
    n_rows = 0
    with_space: list[list[int]] = [[] for _ in range(capacity + 1)]  # rows by the space that is left
    spaces = 0  # bit s is set if some row has s positions left: the best fit is one lookup, not a search
    for index, length in enumerate(lengths.tolist()):
        # A document that fills its pieces exactly has no end token: alone in another row, it would look like an empty
        # document, and the model would learn to write those.
        total = length if length and length % capacity == 0 else length + 1
        for start in range(0, total, capacity):
            stop = min(start + capacity, total)
            # take the fullest row that the piece fits into, else open a new one
            fitting = spaces >> (stop - start)
            if fitting:
                space = stop - start + (fitting & -fitting).bit_length() - 1
                row = with_space[space].pop()
                if not with_space[space]:
                    spaces ^= 1 << space
            else:
                row, space = n_rows, capacity
                n_rows += 1
            left = space - (stop - start)
            if left:
                with_space[left].append(row)
                spaces |= 1 << left
            pieces.append((index, start, stop))
            row_of_piece.append(row)
    # sort the pieces by row
    rows = np.array(row_of_piece, dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))]).astype(np.int64)
    return np.array(pieces, dtype=np.int64).reshape(-1, 3)[order], bounds
