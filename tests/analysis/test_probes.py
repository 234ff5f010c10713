"""Probes against torch's least squares and the conditions of a minimum; separation against loops."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minillm.analysis.probes import ridge_probe, separation


def two_clouds(N=40, C=6, distance=3.0):
    labels = torch.arange(N) % 2
    return torch.randn(N, C) + distance * labels[:, None] * F.one_hot(torch.tensor(1), C), labels


@given(st.integers(6, 30), st.integers(1, 8), st.integers(2, 3), st.floats(0.001, 10), st.integers(0, 1000))
def test_ridge_is_least_squares_with_extra_rows(N, C, G, penalty, seed):
    """A penalty equals C further examples with target 0, one for each weight."""
    torch.manual_seed(seed)
    vectors, labels = 5 * torch.randn(N, C) + 3, torch.arange(N) % G
    probe = ridge_probe(vectors, labels, penalty)
    x, y = vectors.double() - vectors.double().mean(0), F.one_hot(labels).double()
    scale = (penalty * x.square().mean() * N).sqrt()
    rows = torch.cat((x, scale * torch.eye(C)))
    wanted = torch.cat((y - y.mean(0), torch.zeros(C, G)))
    expected = torch.linalg.lstsq(rows, wanted).solution
    torch.testing.assert_close(probe.weight, expected.float(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(probe(vectors).mean(0), y.mean(0).float(), atol=1e-4, rtol=1e-4)


def test_a_probe_does_not_depend_on_the_scale_of_the_vectors():
    vectors, labels = two_clouds(distance=1.0)
    scaled = ridge_probe(1000 * vectors, labels)(1000 * vectors)
    torch.testing.assert_close(scaled, ridge_probe(vectors, labels)(vectors))


def test_a_probe_separates_clusters_and_not_noise():
    def accuracy(vectors, labels):
        return (ridge_probe(vectors[::2], labels[::2]).classify(vectors[1::2]) == labels[1::2]).float().mean()

    vectors, labels = two_clouds(distance=8.0)
    mixed = torch.randperm(len(labels))
    assert accuracy(vectors[mixed], labels[mixed]) == 1.0
    # 40 noise vectors in 60 dimensions: a probe separates the vectors it was fitted to, and no others.
    noise, labels = torch.randn(400, 60), torch.randint(2, (400,))
    assert (ridge_probe(noise[:40], labels[:40]).classify(noise[:40]) == labels[:40]).float().mean() > 0.9
    guessed = (ridge_probe(noise[:40], labels[:40]).classify(noise[40:]) == labels[40:]).float().mean()
    assert abs(guessed - 0.5) < 0.15


@given(st.integers(2, 5), st.integers(2, 5), st.integers(2, 6), st.integers(0, 1000))
def test_separation_by_loops(first, second, C, seed):
    torch.manual_seed(seed)
    groups = torch.tensor([7] * first + [3] * second)[torch.randperm(first + second)]
    layers = torch.randn(3, first + second, C)
    found = separation(layers, groups, shuffles=3)
    for layer in range(3):
        x = layers[layer] - layers[layer].mean(0)
        right, within, between = 0, [], []
        for i in range(len(x)):
            cosines = {}
            for group in (3, 7):
                others = [x[j] for j in range(len(x)) if groups[j] == group and j != i]
                cosines[group] = F.cosine_similarity(x[i], torch.stack(others).mean(0), dim=0)
            right += bool(cosines[int(groups[i])] > cosines[10 - int(groups[i])])
            for j in range(len(x)):
                if i != j:
                    (within if groups[i] == groups[j] else between).append(F.cosine_similarity(x[i], x[j], dim=0))
        torch.testing.assert_close(found.accuracy[layer], torch.tensor(right / len(x)))
        gap = torch.stack(within).mean() - torch.stack(between).mean()
        torch.testing.assert_close(found.cosine_gap[layer], gap, atol=1e-5, rtol=1e-4)


def test_noise_is_at_chance_and_separate_groups_are_not():
    groups = torch.arange(12) % 2
    noise = torch.randn(50, 12, 30)  # fifty layers of noise
    found = separation(noise, groups, shuffles=100)
    assert abs(found.accuracy.mean() - found.chance.mean()) < 0.05  # the true groups are no better than shuffled ones
    assert (found.accuracy > found.chance_95).float().mean() < 0.15
    assert (found.cosine_gap > found.gap_95).float().mean() < 0.15
    apart = noise + 20 * groups[:, None] * F.one_hot(torch.tensor(0), 30)
    found = separation(apart, groups, shuffles=100)
    assert (found.accuracy == 1).all()
    assert (found.chance_95 < 1).all()
    assert (found.cosine_gap > 0.5).all()
    assert (found.gap_95 < found.cosine_gap).all()


@pytest.mark.parametrize("G", [2, 3])
def test_equal_vectors_tie(G):
    """All groups are equally near; rounding noise does not decide."""
    same = torch.randn(8).expand(4 * G, 8).clone()
    found = separation(torch.stack((same, 1e4 * same)), torch.arange(4 * G) % G, shuffles=5)
    torch.testing.assert_close(found.accuracy, torch.full((2,), 1 / G))
    torch.testing.assert_close(found.chance, found.accuracy)
    assert (found.cosine_gap == 0).all()


def test_a_common_direction_does_not_hide_the_groups():
    """Vectors in a narrow cone: all cosines are near 1 before the mean is subtracted."""
    vectors, labels = two_clouds(distance=8.0)
    torch.testing.assert_close(separation(vectors + 1000, labels).cosine_gap, separation(vectors, labels).cosine_gap,
                               atol=1e-3, rtol=1e-3)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda x: ridge_probe(x, torch.arange(6) % 2, 0.0), "penalty is 0.0; it must be positive"),
        (lambda x: ridge_probe(0 * x + 1, torch.arange(6) % 2), "all 6 vectors are the same"),
        (lambda x: ridge_probe(x, torch.zeros(6).long()), "6 vectors with 6 labels of 1 classes"),
        (lambda x: ridge_probe(x, torch.arange(6) - 1), "one label from 0 up"),
        (lambda x: ridge_probe(x, torch.arange(5) % 2), "6 vectors with 5 labels of 2 classes"),
        (lambda x: separation(x, torch.tensor([0, 0, 0, 0, 0, 1])), r"groups of \[5, 1\] vectors"),
        (lambda x: separation(x, torch.zeros(6).long()), r"groups of \[6\] vectors"),
    ],
)
@pytest.mark.usefixtures("as_users_call_it")
def test_invalid_input_is_rejected(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(torch.randn(6, 3))
