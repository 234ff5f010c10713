"""The right answers of exercise 07, against the package, brute force and cases by hand."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.sampling.dial import entropy_at, temperature_for
from minillm.course.checks.sampling.nucleus import top_p
from minillm.course.checks.sampling.penalty import penalise
from minillm.course.checks.sampling.search import beam_search
from minillm.inference.sampling import keep_top_p


@given(st.lists(st.integers(0, 4), max_size=12), st.floats(0, 2), st.floats(0, 2))
def test_the_penalty_by_counting(written, presence, frequency):
    logits = torch.tensor([3.0, -1.0, 0.0, 2.0, -4.0])
    found = penalise(logits, written, presence, frequency).tolist()
    for id, (before, after) in enumerate(zip(logits.tolist(), found, strict=True)):
        assert after == pytest.approx(before - presence * (id in written) - frequency * written.count(id), abs=1e-5)


def test_the_penalty_does_not_care_where_zero_is():
    logits, settings = torch.randn(6), ([1, 4, 4], 0.5, 0.3)
    here, there = penalise(logits, *settings), penalise(logits - 5, *settings)
    torch.testing.assert_close(here.softmax(-1), there.softmax(-1))


def test_with_one_p_for_all_the_nucleus_is_the_packages():
    logits = torch.randn(5, 20)
    assert torch.equal(top_p(logits, torch.full((5,), 0.7)), keep_top_p(logits, 0.7))


def test_the_nucleus_is_the_smallest_set_of_likeliest_tokens_that_reaches_p():
    logits, p = torch.randn(8, 6), torch.rand(8)
    for row, own, kept in zip(logits.softmax(-1), p, top_p(logits, p).isfinite(), strict=True):
        held = row[kept].sum()
        assert held >= own
        assert held - row[kept].min() < own
        assert kept.all() or row[kept].min() > row[~kept].max()


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
