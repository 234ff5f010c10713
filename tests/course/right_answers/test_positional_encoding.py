"""The right answers of exercise 03, against the package and the property that each is for."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.positional_encoding.common import turned
from minillm.course.checks.positional_encoding.move_up import move_up
from minillm.course.checks.positional_encoding.places import places
from minillm.course.checks.positional_encoding.to_halves import to_halves
from minillm.model.position import rotary_angles, rotate


def test_halves_turned_as_complex_numbers_are_the_packages():
    x, where = torch.randn(2, 5, 8), torch.tensor([3, 0, 7, 20, 1])
    by_package = rotate(x[None], *rotary_angles(where, 8, 500.0))[0]
    torch.testing.assert_close(turned(x, where, 500.0, halves=True), by_package, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 6), st.integers(0, 9))
def test_padding_changes_no_place(front, behind, tokens, past):
    real = torch.tensor([[False] * front + [True] * tokens + [False] * behind])
    row = places(real, torch.tensor([past]))[0]
    assert row[real[0]].tolist() == list(range(past, past + tokens))
    assert row[~real[0]].tolist() == [0] * (front + behind)


def test_sorted_weights_give_the_scores_of_the_paper():
    """Neighbours with the weights as they were, halves with the sorted ones; two query heads share a key head."""
    T, C, D, H, G = 5, 6, 8, 4, 2
    x, query_weight, key_weight = torch.randn(T, C), torch.randn(H * D, C), torch.randn(G * D, C)

    def scores(query_weight, key_weight, halves):
        parts = zip((query_weight, key_weight), (H, G), strict=True)
        query, key = ((x @ weight.T).unflatten(1, (heads, D)).transpose(0, 1) for weight, heads in parts)
        query, key = (turned(part, torch.arange(T), 10_000.0, halves) for part in (query, key))
        return query @ key.repeat_interleave(H // G, 0).mT

    new = to_halves(query_weight, key_weight, H, G)
    before, after = scores(query_weight, key_weight, halves=False), scores(*new, halves=True)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(before, scores(query_weight, key_weight, halves=True), atol=0.1)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_what_moved_up_is_what_would_have_been_written_there(stay):
    stay = torch.tensor(stay)
    bare, values = torch.randn(2, len(stay), 6, generator=torch.Generator().manual_seed(0))
    keys = turned(bare, torch.arange(len(stay)), 100.0, halves=True)
    moved, left = move_up(keys, values, stay, 100.0)
    anew = turned(bare[stay], torch.arange(int(stay.sum())), 100.0, halves=True)
    torch.testing.assert_close(moved, anew, rtol=1e-4, atol=1e-5)
    assert torch.equal(left, values[stay])
