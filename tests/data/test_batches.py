import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.batches import PackedBatches, pack_documents, split_targets, whole_documents
from minillm.losses import IGNORE

END = 0
documents = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=30), min_size=1, max_size=40)


def unpack(rows: torch.Tensor) -> list[list[int]]:
    """The pieces between end tokens, in no order."""
    pieces = []
    for row in rows.tolist():
        assert row[0] == END
        piece: list[int] = []
        for token in row[1:]:
            if token == END:
                pieces.append(piece)
                piece = []
            elif token != IGNORE:
                piece.append(token)
        pieces += [piece] if piece else []  # the first part of a document that was cut
    return sorted(pieces)


@given(documents, st.integers(32, 60))
def test_packing_loses_nothing_and_cuts_nothing_that_fits(documents, row_length):
    assert unpack(pack_documents(documents, END, row_length)) == sorted(documents)


@given(documents, st.integers(3, 12))
def test_long_documents_are_cut_but_complete(documents, row_length):
    rows = pack_documents(documents, END, row_length)
    tokens = sorted(token for row in rows.tolist() for token in row if token not in (END, IGNORE))
    assert tokens == sorted(token for document in documents for token in document)


def test_padding_stands_only_at_the_end_of_a_row():
    rows = pack_documents([[1] * n for n in range(1, 20)], END, 21)
    for row in rows:
        padding = (row == IGNORE).long()
        assert (padding.diff() >= 0).all()


@given(documents, st.integers(1, 7), st.integers(0, 5))
def test_an_epoch_shows_every_row_once(documents, batch_size, seed):
    rows = pack_documents(documents, END, 40)
    batches = PackedBatches(rows, batch_size, seed, END)
    seen = [row for step in range(len(rows)) for row in batches[step][1].tolist()]  # batch_size epochs
    for epoch in range(batch_size):
        shown = seen[epoch * len(rows) : (epoch + 1) * len(rows)]
        assert sorted(shown) == sorted(rows[:, 1:].tolist())


def test_a_batch_depends_on_seed_and_step_only():
    rows = pack_documents([[n, n] for n in range(1, 60)], END, 10)
    one, two = PackedBatches(rows, 4, 1, END), PackedBatches(rows, 4, 1, END)
    for step in (17, 3, 17):  # in any order, again and again
        torch.testing.assert_close(one[step], two[step])
    assert not torch.equal(one[0][0], PackedBatches(rows, 4, 2, END)[0][0])
    assert not torch.equal(one[0][0], one[len(rows) // 4][0])  # the next epoch has another order


def test_the_target_is_the_token_that_follows():
    inputs, targets = split_targets(torch.tensor([[END, 5, 6, END, IGNORE, IGNORE]]), END)
    assert inputs.tolist() == [[END, 5, 6, END, END]]
    assert targets.tolist() == [[5, 6, END, IGNORE, IGNORE]]


@given(documents, st.integers(1, 200))
def test_whole_documents_count_every_token_once(documents, batch_tokens):
    seen = []
    for inputs, targets in whole_documents(documents, END, batch_tokens):
        assert inputs.shape[0] == 1 or inputs.numel() <= batch_tokens
        for row_in, row_out in zip(inputs.tolist(), targets.tolist(), strict=True):
            kept = [t for t in row_out if t != IGNORE]
            assert row_in[: len(kept)] == [END, *kept[:-1]]
            assert kept[-1] == END
            seen.append(kept[:-1])
    assert sorted(seen) == sorted(documents)


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="row_length is 2"):
        pack_documents([[1]], END, 2)
    with pytest.raises(ValueError, match="no documents to pack"):
        pack_documents([], END, 5)
    with pytest.raises(ValueError, match="batch_size is 0"):
        PackedBatches(pack_documents([[1]], END, 5), 0, 0, END)
