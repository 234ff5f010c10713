import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation import logits_process as theirs

from minillm.inference.sampling import (
    Sampling,
    apply_temperature,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)

NO_IDS = torch.zeros(4, 0, dtype=torch.long)


@given(st.integers(1, 60), st.floats(0.05, 0.99), st.floats(0.1, 5), st.integers(0, 2**31))
def test_each_filter_equals_transformers(k, p, number, seed):
    torch.manual_seed(seed)
    logits, seen = 3 * torch.randn(4, 50), torch.randint(0, 50, (4, 6))
    for ours, processor in (
        (apply_temperature(logits, number), theirs.TemperatureLogitsWarper(number)),
        (keep_top_k(logits, k), theirs.TopKLogitsWarper(k)),
        (keep_top_p(logits, p), theirs.TopPLogitsWarper(p)),
        (keep_min_p(logits, p), theirs.MinPLogitsWarper(p)),
        (penalize_repetition(logits, seen, number), theirs.RepetitionPenaltyLogitsProcessor(number)),
    ):
        torch.testing.assert_close(ours, processor(seen, logits.clone()))


def test_a_top_p_of_one_keeps_everything():
    logits = 3 * torch.randn(1, 151_936, generator=torch.Generator().manual_seed(0))
    assert Sampling(top_p=1.0).filter(logits, NO_IDS[:1]).isfinite().all()


@given(st.floats(0.01, 1), st.integers(0, 2**31))
def test_top_p_keeps_the_smallest_sufficient_set(p, seed):
    torch.manual_seed(seed)
    logits = 2 * torch.randn(30)
    kept = keep_top_p(logits, p).isfinite()
    probs = logits.softmax(-1)
    assert probs[kept].sum() >= p - 1e-5
    assert probs[kept].sum() - probs[kept].min() < p + 1e-5  # without its least likely member it falls short
    assert kept[probs.argmax()]


@given(st.floats(0.01, 1), st.integers(0, 2**31))
def test_min_p_by_its_definition(p, seed):
    """Nguyen et al. 2024: the threshold is p times the highest probability, so a sure model leaves less to chance."""
    torch.manual_seed(seed)
    probs = (2 * torch.randn(3, 30)).softmax(-1)
    threshold = p * probs.max(-1, keepdim=True).values
    near = ((probs - threshold).abs() < 1e-6 * threshold).any(-1, keepdim=True)  # rounding decides there
    kept = keep_min_p(probs.log(), p).isfinite()
    assert ((kept == (probs >= threshold)) | near).all()
    assert kept.gather(-1, probs.argmax(-1, keepdim=True)).all()
    drawn = keep_min_p(probs.log(), p).softmax(-1)
    torch.testing.assert_close(drawn, (probs * kept) / (probs * kept).sum(-1, keepdim=True))


def test_min_p_leaves_more_open_where_the_model_is_unsure():
    sure, unsure = torch.tensor([0.9, 0.05, 0.03, 0.02]), torch.tensor([0.3, 0.25, 0.25, 0.2])
    counts = [int(keep_min_p(probs.log(), 0.1).isfinite().sum()) for probs in (sure, unsure)]
    assert counts == [1, 4]  # thresholds 0.09 and 0.03


def test_min_p_looks_at_the_distribution_after_the_temperature():
    logits = torch.tensor([[0.6, 0.3, 0.1]]).log()
    kept = [
        int(Sampling(temperature=t, min_p=0.3).filter(logits, NO_IDS[:1]).isfinite().sum()) for t in (0.5, 1.0, 2.0)
    ]
    assert kept == [1, 2, 3]  # 0.3 against ratios (1/2, 1/6) to the power of 2, 1 and 1/2


def test_ruled_out_means_probability_zero():
    probs = keep_top_k(torch.randn(3, 20), 5).softmax(-1)
    assert ((probs > 0).sum(-1) == 5).all()
    assert (probs.sort().values[:, :15] == 0).all()


def test_draws_follow_the_probabilities():
    """Chi-square over 20,000 draws with 4 degrees of freedom: above 23.5 once in ten thousand."""
    logits = torch.tensor([0.4, 0.3, 0.2, 0.07, 0.03]).log().expand(20_000, 5)
    tokens = Sampling(temperature=0.7).choose(logits, torch.zeros(20_000, 0, dtype=torch.long))
    expected = (logits[0] / 0.7).softmax(-1) * 20_000
    counts = torch.bincount(tokens, minlength=5)
    assert ((counts - expected) ** 2 / expected).sum() < 23.5


def test_greedy_takes_the_likeliest_whatever_else_is_set():
    logits = torch.randn(4, 50)
    for settings in ({}, {"top_k": 3}, {"top_p": 0.1}, {"min_p": 0.9}):
        chosen = Sampling(temperature=0, **settings).choose(logits, NO_IDS)
        torch.testing.assert_close(chosen, logits.argmax(-1))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature": -0.1}, "temperature is -0.1; it must be 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"top_k": 0}, "top_k is 0; it must keep at least 1 token"),
        ({"top_p": 1.5}, "top_p is 1.5; it is a probability"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"min_p": -1.0}, "min_p is -1.0"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0"),
    ],
)
def test_settings_that_mean_nothing_are_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Sampling(**settings)


def test_a_token_drawn_by_inverse_is_the_one_whose_interval_holds_the_number():
    """Oracle: the probabilities added up one by one, in rational numbers."""
    logits = torch.tensor([[0.0, -math.inf, 1.0, 0.5], [-math.inf, 0.0, 0.0, -math.inf]])
    for row, probabilities in enumerate(logits.softmax(-1).double().tolist()):
        total = sum(map(Fraction, probabilities))
        for step in range(200):
            ends = itertools.accumulate(map(Fraction, probabilities))
            expected = next(token for token, end in enumerate(ends) if end > Fraction(step, 200) * total)
            uniform = torch.full((2,), step / 200, dtype=torch.float64)
            drawn = Sampling().choose_by_inverse(logits, torch.zeros(2, 1).long(), uniform)[row]
            assert int(drawn) == expected
    largest = torch.full((2,), 1 - 2**-53, dtype=torch.float64)
    assert Sampling().choose_by_inverse(logits, torch.zeros(2, 1).long(), largest).tolist() == [3, 2]
    assert Sampling(temperature=0).choose_by_inverse(logits, torch.zeros(2, 1).long(), largest).tolist() == [2, 1]


def test_min_p_of_zero_keeps_every_token():
    logits = torch.tensor([0.0, -50.0, -math.inf])
    assert torch.equal(keep_min_p(logits, 0), logits)
