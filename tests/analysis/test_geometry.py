"""Neighbors, analogies and PCA against loops, constructed tables and torch's own decomposition."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.analysis.geometry import PCA, analogy, nearest


@given(st.integers(2, 20), st.integers(1, 6), st.integers(0, 1000), st.data())
def test_nearest_by_its_definition(V, C, seed, data):
    torch.manual_seed(seed)
    table, vector = torch.randn(V, C), torch.randn(C)
    exclude = data.draw(st.sets(st.integers(0, V - 1), max_size=V - 1))
    k = data.draw(st.integers(1, V - len(exclude)))
    cosines = {}
    for row in set(range(V)) - exclude:
        product = sum(float(a) * float(b) for a, b in zip(table[row], vector, strict=True))
        cosines[row] = product / float(table[row].norm() * vector.norm())
    found = nearest(table, vector, k, exclude)
    assert len(found) == k
    best = sorted(cosines.values(), reverse=True)[:k]
    assert [cosine for _, cosine in found] == pytest.approx(best, abs=1e-5)
    assert [cosines[row] for row, _ in found] == pytest.approx(best, abs=1e-5)  # each row comes with its own cosine


def test_nearest_does_not_change_the_table_or_need_gradients():
    table = torch.nn.Parameter(torch.randn(5, 3))
    before = table.detach().clone()
    assert nearest(table, table[2], k=1)[0] == (2, pytest.approx(1.0))
    assert torch.equal(table, before)


def test_an_analogy_that_holds_exactly_and_the_effect_of_excluding_the_query():
    """The step from he to she is short: the sum is nearest to the query word itself unless that is excluded."""
    royal, person, male, female = torch.eye(4) * torch.tensor([[3.0], [3.0], [0.5], [0.5]])
    table = torch.stack([person + male, royal + male, person + female, royal + female, torch.tensor([0, 0, 1.0, 1.0])])
    man, king, woman, queen = range(4)
    assert analogy(table, man, king, woman, k=1) == [(queen, pytest.approx(1.0))]
    shifted = table.clone()
    shifted[queen] += torch.tensor([0, 0, 1.5, 0])  # slightly off the exact solution
    assert analogy(shifted, man, king, woman, k=1)[0][0] == queen
    assert analogy(shifted, man, king, woman, k=1, exclude_query=False)[0][0] == king


@given(st.integers(3, 12), st.integers(2, 6), st.integers(0, 1000))
def test_pca_is_the_covariances_eigenvectors(N, C, seed):
    torch.manual_seed(seed)
    points = torch.randn(N, C, dtype=torch.float64).float() @ torch.diag(2.0 ** -torch.arange(C))
    k = min(2, N - 1)
    picture = PCA.fit(points, k)
    values, vectors = torch.linalg.eigh(points.double().mT.cov())
    torch.testing.assert_close(picture.explained.double(), values.flip(0)[:k] / values.sum(), atol=1e-5, rtol=1e-4)
    cosines = (picture.directions.double() * vectors.mT.flip(0)[:k]).sum(-1).abs()
    torch.testing.assert_close(cosines, torch.ones(k, dtype=torch.float64), atol=1e-3, rtol=0)
    torch.testing.assert_close(picture(points).mean(0), torch.zeros(k), atol=1e-5, rtol=0)
    assert (picture.directions.gather(-1, picture.directions.abs().argmax(-1, keepdim=True)) > 0).all()


def test_pca_directions_have_a_fixed_sign():
    """Points in another order give the same directions, although the SVD may return other signs."""
    points = torch.randn(20, 5)
    pca, reordered = PCA.fit(points), PCA.fit(points.flip(0))
    torch.testing.assert_close(pca(points), reordered(points), atol=1e-4, rtol=1e-4)


def test_pca_by_hand():
    """Four corners of a rectangle, 4 wide and 2 high: the wide side first, 4 / (4 + 1) of the variance."""
    picture = PCA.fit(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]]))
    torch.testing.assert_close(picture.directions, torch.eye(2))
    torch.testing.assert_close(picture.explained, torch.tensor([0.8, 0.2]))
    torch.testing.assert_close(picture(torch.tensor([[2.0, 1.0], [4.0, 2.0]])), torch.tensor([[0.0, 0.0], [2.0, 1.0]]))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: nearest(torch.eye(3), torch.ones(3), k=4), "k is 4; use from 1 to 3"),
        (lambda: nearest(torch.eye(3), torch.ones(3), k=2, exclude=[0, 1, 1]), "k is 2; use from 1 to 1"),
        (lambda: nearest(torch.eye(3), torch.zeros(3), k=1), "the vector is zero, so its cosine"),
        (lambda: PCA.fit(torch.randn(2, 5), k=2), "k is 2; 2 points with 5 coordinates have at most 1 directions"),
        (lambda: PCA.fit(torch.ones(4, 3)), "all 4 points are the same"),
    ],
)
def test_invalid_input_is_rejected(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_a_cosine_is_between_minus_one_and_one():
    table = torch.randn(30, 4) * torch.logspace(-3, 3, 30).unsqueeze(1)
    assert all(abs(cosine) <= 1 + 1e-6 for _, cosine in nearest(table, table[3], k=30))
    assert math.isclose(nearest(table, -table[3], k=30)[-1][1], -1, abs_tol=1e-6)
