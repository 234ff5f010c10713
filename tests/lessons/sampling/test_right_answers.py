"""The right answers of exercise 07, against the package, brute force and cases by hand."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.sampling.dial import entropy_at, temperature_for
from minillm.course.checks.sampling.noise import gumbel_max
from minillm.course.checks.sampling.search import beam_search
from minillm.course.checks.sampling.text_probs import text_log_prob
from minillm.inference.sampling import keep_min_p


@given(st.floats(0.2, 3), st.floats(0, 1), st.integers(0, 1000))
def test_the_probabilities_of_all_texts_sum_to_1(temperature, min_p, seed):
    logits = 2 * torch.randn(3, 3, generator=torch.Generator().manual_seed(seed))
    texts = map(torch.tensor, itertools.product(range(3), repeat=3))
    total = sum(math.exp(text_log_prob(logits, ids, temperature, min_p)) for ids in texts)
    assert total == pytest.approx(1)


@pytest.mark.parametrize(("temperature", "min_p"), [(1.0, 1e-9), (0.7, 0.1), (1.8, 0.3), (1.0, 1.0)])
def test_the_log_probability_of_a_text_with_the_packages_cut(temperature, min_p):
    logits, ids = torch.randn(5, 20), torch.randint(20, (5,))
    kept = keep_min_p(logits, min_p)
    right = sum(
        torch.distributions.Categorical(logits=row / temperature).log_prob(id)
        for row, id in zip(kept, ids, strict=True)
    )
    assert text_log_prob(logits, ids, temperature, min_p) == pytest.approx(right.item())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_gumbel_max_draws_each_token_as_often_as_its_probability_says(temperature):
    row, n = torch.tensor([1.0, 2.0, -math.inf, 0.0, -1.0]), 40_000
    u = torch.rand(n, 5, generator=torch.Generator().manual_seed(0))
    counts = gumbel_max(row.expand(n, -1), torch.full((n,), temperature), u).bincount(minlength=5)
    expected = n * (row / temperature).softmax(-1)
    assert counts[2] == 0
    real = expected > 0
    chi_square = ((counts - expected)[real].square() / expected[real]).sum()
    assert chi_square < 16.3  # p = 0.001 for 3 degrees of freedom


def test_gumbel_max_at_temperature_0_is_greedy_whatever_u_is():
    logits = torch.randn(6, 9)
    for u in (torch.zeros(6, 9), torch.rand(6, 9), torch.full((6, 9), 1 - 2**-24)):
        assert torch.equal(gumbel_max(logits, torch.zeros(6), u), logits.argmax(-1))


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_the_dial_finds_the_temperature_that_made_the_entropy(scale, temperature):
    logits = scale * torch.tensor([2.0, 1.0, 0.5, -math.inf, -1.0], dtype=torch.double)
    wanted = torch.distributions.Categorical(logits=logits[logits.isfinite()] / (scale * temperature)).entropy().item()
    assert entropy_at(logits, scale * temperature) == pytest.approx(wanted)
    assert temperature_for(logits, wanted) == pytest.approx(scale * temperature, rel=1e-6)


def all_texts(V, end, steps):
    """Every text that has ended, or is as long as it may be."""
    for n in range(1, steps + 1):
        for tokens in itertools.product(range(V), repeat=n):
            if end not in tokens[:-1] and (n == steps or tokens[-1] == end):
                yield tokens


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_that_holds_everything_finds_the_likeliest_text_of_all(seed):
    log_p = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)
    for power in (0.0, 0.7):

        def score(tokens, power=power):
            total = sum(log_p[pair].item() for pair in itertools.pairwise((0, *tokens)))
            return total / len(tokens) ** power

        assert beam_search(log_p, 0, 3, 4**4, 4, power) == max(all_texts(4, 3, 4), key=score)


def test_a_beam_of_one_is_greedy_and_a_wider_one_may_be_better():
    log_p = torch.tensor([[0.0, 0.6, 0.4, 0.0], [0.3, 0.3, 0.4, 0.0], [0.0, 0.9, 0.0, 0.1], [0.0, 0.0, 0.0, 1.0]]).log()
    assert beam_search(log_p, 0, 3, 1, 2, 0.0) == (1, 2)  # 0.6 · 0.4
    assert beam_search(log_p, 0, 3, 2, 2, 0.0) == (2, 1)  # 0.4 · 0.9


def test_a_power_prefers_long_texts():
    log_p = torch.tensor([[0.0, 0.7, 0.3], [0.7, 0.0, 0.3], [0.0, 0.0, 1.0]]).log()
    assert beam_search(log_p, 0, 2, 4, 5, 0.0) == (2,)  # 0.3, and 0.7 to the 5 is 0.17
    assert beam_search(log_p, 0, 2, 4, 5, 1.0) == (1, 0, 1, 0, 1)  # 0.7 a token
