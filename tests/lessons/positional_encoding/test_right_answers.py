"""The right answers of exercise 03, against the package and the property that each is for."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.positional_encoding.common import turned
from minillm.course.checks.positional_encoding.eviction import evict
from minillm.course.checks.positional_encoding.precision import score_error
from minillm.course.checks.positional_encoding.to_halves import to_halves
from minillm.course.turns import turns
from minillm.model.position import SinusoidalPosition, rotary_angles, rotate
from minillm.model.position import rotate as package_rotate


def test_halves_turned_as_complex_numbers_are_the_packages():
    x, where = torch.randn(2, 5, 8), torch.tensor([3, 0, 7, 20, 1])
    by_package = rotate(x[None], *rotary_angles(where, 8, 500.0))[0]
    torch.testing.assert_close(turned(x, where, 500.0, halves=True), by_package, rtol=1e-4, atol=1e-5)


def test_without_rounding_in_the_way_there_is_no_error():
    """Positions up to 256 and the frequencies 1 and 1/2 are whole and halved: bfloat16 holds their products exactly."""
    query, key = torch.randn(2, 4)
    errors = score_error(query, key, torch.arange(20, 129), distance=5, theta=4.0)
    torch.testing.assert_close(errors, torch.zeros(109))


def test_the_exact_part_of_the_score_is_the_packages():
    query, key, positions = torch.randn(8), torch.randn(8), torch.tensor([3, 40, 200])

    def rotated(x, at):
        return rotate(x.expand(1, 1, len(at), 8), *rotary_angles(at, 8, 500.0))[0, 0]

    def in_bfloat16(x, at):
        frequencies = (500.0 ** (-torch.arange(0, 8, 2) / 8)).bfloat16()
        angles = (at.bfloat16()[:, None] * frequencies).double()
        points = torch.complex(*x.double().chunk(2)) * torch.polar(torch.ones_like(angles), angles)
        return torch.cat([points.real, points.imag], -1)

    exact = (rotated(query, positions) * rotated(key, positions - 2)).sum(-1)
    low = (in_bfloat16(query, positions) * in_bfloat16(key, positions - 2)).sum(-1)
    found = score_error(query, key, positions, 2, 500.0)
    torch.testing.assert_close(found, (low - exact).float(), rtol=1e-3, atol=1e-4)


def test_from_257_on_neighboring_positions_become_equal():
    x = torch.full((64,), 0.5**0.5)
    scores = [32.0, 30.9166]  # at distance 0 and 1
    found = score_error(x, x, torch.tensor([257, 261, 300]), distance=1, theta=10_000.0)
    torch.testing.assert_close(found, torch.full((3,), scores[0] - scores[1]), rtol=1e-3, atol=1e-3)


def test_sorted_weights_give_the_scores_of_the_paper():
    """Neighbors with the weights as they were, halves with the sorted ones; two query heads share a key head."""
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
def test_kept_keys_are_as_if_rotated_at_their_new_positions(keep):
    keep = torch.tensor(keep)
    bare, values = torch.randn(2, len(keep), 6, generator=torch.Generator().manual_seed(0))
    keys = turned(bare, torch.arange(len(keep)), 100.0, halves=True)
    moved, left = evict(keys, values, keep, 100.0)
    anew = turned(bare[keep], torch.arange(int(keep.sum())), 100.0, halves=True)
    torch.testing.assert_close(moved, anew, rtol=1e-4, atol=1e-5)
    assert torch.equal(left, values[keep])


def test_the_courses_versions_of_positions_equal_the_package():
    """Oracles: the package's sinusoids and its rotation, and complex multiplication."""
    sinusoids, rotate_pair, rotate = (turn.course for turn in turns("03"))
    where, x = torch.tensor([0, 3, 57, 1_000]), torch.randn(4, 6)
    torch.testing.assert_close(sinusoids(where, 6), SinusoidalPosition(6)(where))
    turned = torch.complex(x[:, 0], x[:, 1]) * torch.exp(1j * where)
    new_x, new_y = rotate_pair(x[:, 0], x[:, 1], where.float())
    torch.testing.assert_close(torch.complex(new_x, new_y), turned, rtol=1e-4, atol=1e-4)
    theirs = package_rotate(x[None, None], *rotary_angles(where, 6, 500.0))[0, 0]
    torch.testing.assert_close(rotate(x, where, 500.0), theirs, rtol=1e-4, atol=1e-4)
