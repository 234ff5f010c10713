"""The right answers of exercise 00a, against torch's own views, losses and padding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.tensors.accuracy import accuracy
from minillm.course.checks.tensors.padding import pad_batch
from minillm.course.checks.tensors.strides import read
from minillm.course.turns import turns


def test_top_k_accuracy_grows_with_k_and_ends_at_1():
    logits, targets = torch.randn(40, 7), torch.randint(7, (40,))
    shares = [accuracy(logits, targets, k) for k in range(1, 8)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares[0] == pytest.approx((logits.argmax(-1) == targets).float().mean().item())


def test_rows_without_a_target_change_nothing():
    logits, targets = torch.randn(20, 7), torch.randint(7, (20,))
    more = torch.cat([targets, torch.full((5,), -100)])
    assert accuracy(torch.cat([logits, torch.randn(5, 7)]), more, 3) == accuracy(logits, targets, 3)


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=5).filter(any), st.integers(0, 9))
def test_right_padding_is_torchs(texts, pad):
    ids, mask = pad_batch(texts, pad, "right", 99)
    rows = [torch.tensor(text, dtype=torch.long) for text in texts]
    assert torch.equal(ids, torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad))
    assert mask.sum(1).tolist() == list(map(len, texts))


@given(
    st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=5).filter(any),
    st.sampled_from(["left", "right"]),
    st.integers(1, 7),
)
def test_the_mask_gives_the_texts_back(texts, side, max_length):
    ids, mask = pad_batch(texts, 5, side, max_length)
    assert [row[keep].tolist() for row, keep in zip(ids, mask, strict=True)] == [text[-max_length:] for text in texts]
    assert (ids[~mask] == 5).all()
    column = mask[:, -1] if side == "left" else mask[:, 0]
    assert column.tolist() == [bool(text) for text in texts]


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.transpose(0, 2),
        lambda x: x[1:, ::2],
        lambda x: x[:, 1],
        lambda x: x.unfold(2, 2, 1),
        lambda x: x[:1].expand(4, 3, 4),
        lambda x: x.diagonal(),
        lambda x: x[1, 2, 3],
    ],
)
def test_every_view_of_torch_is_read(view):
    x = torch.arange(24).reshape(2, 3, 4)
    wanted = view(x)
    found = read(x.flatten(), tuple(wanted.shape), wanted.stride(), wanted.storage_offset())
    assert torch.equal(found, wanted)


def test_the_courses_versions_of_tensors_equal_torch():
    """Oracles: torch's product and softmax; heads joined as the package's attention joins them."""
    join_heads, batched_product, softmax = (turn.course for turn in turns("00a"))
    heads, keys = torch.randn(3, 5, 4), torch.randn(3, 6, 4)
    torch.testing.assert_close(join_heads(heads), heads.transpose(0, 1).flatten(1))
    torch.testing.assert_close(batched_product(heads, keys.transpose(1, 2)), heads @ keys.transpose(1, 2))
    for scores in (
        torch.randn(4),
        100 * torch.randn(2, 3, 4),
        torch.tensor([[-torch.inf, 200.0], [-200.0, -torch.inf]]),
    ):
        torch.testing.assert_close(softmax(scores), scores.softmax(-1))
