import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.data.batches import PackedBatches, pack_documents, split_targets, whole_documents
from minillm.data.packing import PackedRows
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


@given(documents, st.integers(1, 9))
def test_a_document_that_is_too_long_is_measured_in_pieces(documents, longest):
    seen = []
    for inputs, targets in whole_documents(documents, END, batch_tokens=50, longest=longest):
        assert inputs.shape[1] <= longest
        counted = targets != IGNORE
        seen += targets[counted].tolist()
    assert sorted(seen) == sorted([token for document in documents for token in [*document, END]])


@given(documents, st.integers(3, 12))
def test_no_row_holds_an_empty_document(documents, row_length):
    """A document that fills its row to the last place goes without its end token: nothing stands between two ends."""
    for row in pack_documents(documents, END, row_length).tolist():
        assert [END, END] not in [row[i : i + 2] for i in range(row_length - 1)]


@given(documents, st.integers(3, 40), st.data())
def test_rows_that_are_made_when_asked_for_are_the_same_rows(documents, row_length, data):
    lazy, rows = PackedRows(documents, END, row_length), pack_documents(documents, END, row_length)
    picked = torch.tensor(data.draw(st.lists(st.integers(0, len(lazy) - 1), min_size=1, max_size=5)))
    assert torch.equal(lazy[picked], rows[picked])
    assert torch.equal(PackedBatches(lazy, 3, 1, END)[4][1], PackedBatches(rows, 3, 1, END)[4][1])
    if row_length > 31:
        assert lazy.tokens == sum(len(document) + 1 for document in documents)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=60))
def test_packing_is_best_fit(lengths):
    """Played by hand: a document goes into the row with the least space that it still fits into, else a new one."""
    spaces: list[int] = []
    for length in lengths:
        fitting = [space for space in spaces if space >= length + 1]
        if fitting:
            spaces.remove(min(fitting))
            spaces.append(min(fitting) - length - 1)
        else:
            spaces.append(15 - length - 1)
    rows = pack_documents([[1] * length for length in lengths], END, 16)
    assert sorted((rows == IGNORE).sum(1).tolist()) == sorted(spaces)


def test_a_batch_in_the_middle_needs_nothing_before_it():
    rows = pack_documents([[n] for n in range(1, 8)], END, 3)
    run = PackedBatches(rows, 3, 5, END)
    straight = [run[step] for step in range(12)]
    for step in range(12):
        resumed = PackedBatches(rows, 3, 5, END)[step]  # as after a crash: a new object, asked for this step only
        assert torch.equal(resumed[0], straight[step][0])


@given(documents, st.integers(0, 4))
def test_only_marked_tokens_are_targets(documents, seed):
    rows = pack_documents(documents, END, 40)
    mask = (rows % 2 == 1) & (rows != IGNORE)
    inputs, targets = PackedBatches(rows, 4, seed, END, mask=mask)[2]
    plain_inputs, plain_targets = PackedBatches(rows, 4, seed, END)[2]
    assert torch.equal(inputs, plain_inputs)
    assert torch.equal(targets, plain_targets.where((plain_targets % 2 == 1) & (plain_targets >= 0), IGNORE))


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(ValueError, match="row_length is 2"):
        pack_documents([[1]], END, 2)
    with pytest.raises(ValueError, match="no documents to pack"):
        pack_documents([], END, 5)
    with pytest.raises(ValueError, match="batch_size is 0"):
        PackedBatches(pack_documents([[1]], END, 5), 0, 0, END)
    with pytest.raises(ValueError, match="there are no rows"):
        PackedBatches(torch.zeros(0, 5, dtype=torch.int32), 1, 0, END)
    with pytest.raises(IndexError, match="no step -1; training starts at step 0"):
        PackedBatches(pack_documents([[1]], END, 5), 1, 0, END)[-1]
