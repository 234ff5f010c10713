"""The scaling law: known constants are found again, the fit beats torch's L-BFGS, resamples are what was drawn."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.analysis.scaling import DELTA, Run, ScalingLaw, bootstrap, fit, interval, log_error

TRUTH = ScalingLaw(0.3, 40.0, 0.4, 3000.0, 0.7)
PLACES = [(n, d) for n in (4e4, 1e5, 3e5, 8e5) for d in (2e5, 4e5, 8e5)]


def runs_of(law, noise=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    off = (noise * torch.randn(len(PLACES), generator=generator)).exp().tolist()
    return [Run(n, d, law.loss(n, d) * factor) for (n, d), factor in zip(PLACES, off, strict=True)]


def distance(law, other):
    """How far two laws are apart on the runs' own places, as a share of the loss."""
    return max(abs(law.loss(n, d) / other.loss(n, d) - 1) for n, d in PLACES)


@settings(max_examples=15)
@given(
    floor=st.floats(0.1, 2.0),
    powers=st.tuples(st.floats(0.25, 1.0), st.floats(0.25, 1.0)),
    prices=st.tuples(st.floats(0.3, 2.0), st.floats(0.3, 2.0)),
)
def test_known_constants_are_found_again(floor, powers, prices):
    """`prices` are the two terms for the smallest model and the shortest text."""
    factors = [price * place**power for price, place, power in zip(prices, (4e4, 2e5), powers, strict=True)]
    law = ScalingLaw(floor, factors[0], powers[0], factors[1], powers[1])
    found = fit(runs_of(law))
    assert found.floor == pytest.approx(floor, rel=1e-3)
    assert (found.size_power, found.data_power) == pytest.approx(powers, rel=1e-3)
    assert fit(runs_of(law), floor=floor).data_power == pytest.approx(powers[1], rel=1e-4)


def test_the_error_is_hubers_of_the_log():
    runs = runs_of(TRUTH, noise=0.02)
    off = torch.tensor([math.log(TRUTH.loss(run.parameters, run.tokens) / run.loss) for run in runs])
    for delta in (DELTA, 0.01, 1.0):
        expected = torch.nn.functional.huber_loss(off, torch.zeros_like(off), reduction="sum", delta=delta)
        assert log_error(TRUTH, runs, delta) == pytest.approx(expected.item(), rel=1e-4)


def by_lbfgs(runs, floor=None):
    """The least error that torch's L-BFGS reaches from a few places, as Hoffmann et al. fit."""
    size, data, loss = torch.tensor([[run.parameters, run.tokens, run.loss] for run in runs]).double().log().T
    least = math.inf
    for alpha in (0.3, 0.6):
        theta = torch.tensor([alpha * 12, alpha, 8.4, 0.7, math.log(0.2)], dtype=torch.float64)
        theta.requires_grad_()
        optimizer = torch.optim.LBFGS([theta], max_iter=400, tolerance_change=1e-14, line_search_fn="strong_wolfe")

        def error(theta=theta, optimizer=optimizer):
            optimizer.zero_grad()
            e = theta[4] if floor is None else torch.tensor(math.log(floor)).double()
            lines = [theta[0] - theta[1] * size, theta[2] - theta[3] * data, e.expand(len(runs))]
            off = torch.stack(lines).logsumexp(0) - loss
            total = torch.nn.functional.huber_loss(off, torch.zeros_like(off), reduction="sum", delta=DELTA)
            (1e4 * total).backward()  # a loss as small as this one ends the walk before it has begun
            return 1e4 * total

        optimizer.step(error)
        least = min(least, error().item() / 1e4)
    return least


@pytest.mark.parametrize("floor", [None, 0.3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_at_least_as_good_as_lbfgs(seed, floor):
    runs = runs_of(TRUTH, noise=0.02, seed=seed)
    assert log_error(fit(runs, floor=floor), runs) <= by_lbfgs(runs, floor) * 1.005


def test_a_run_that_went_wrong_does_not_pull_the_law_to_itself():
    runs = runs_of(TRUTH)
    runs[3] = Run(runs[3].parameters, runs[3].tokens, 2 * runs[3].loss)
    assert distance(fit(runs), TRUTH) < 1e-3
    assert distance(fit(runs, delta=10.0), TRUTH) > 0.02  # by squares it does


def test_a_resample_is_a_fit_to_the_runs_that_were_drawn():
    runs = runs_of(TRUTH, noise=0.01)
    generator = torch.Generator().manual_seed(7)
    for law in bootstrap(runs, resamples=3, seed=7):
        drawn = torch.randint(len(runs), (len(runs),), generator=generator)
        by_hand = fit([runs[i] for i in drawn.tolist()])
        drawn_runs = [runs[i] for i in drawn.tolist()]
        assert log_error(law, drawn_runs) == pytest.approx(log_error(by_hand, drawn_runs), rel=0.01)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(12):
        laws = bootstrap(runs_of(TRUTH, noise=0.01, seed=seed), resamples=30, floor=TRUTH.floor)
        low, high = interval([law.loss(2e6, 2e6) for law in laws])
        covered += low <= TRUTH.loss(2e6, 2e6) <= high
    assert covered >= 7  # of twelve; a bootstrap of twelve runs is known to be a little too sure


def test_the_best_split_is_the_best_of_all_splits():
    flops = 6 * 1e5 * 1e6
    parameters, tokens = TRUTH.best_split(flops)
    assert 6 * parameters * tokens == pytest.approx(flops)
    by_trial = [TRUTH.loss(parameters * f, tokens / f) for f in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0)]
    assert TRUTH.loss(parameters, tokens) < min(by_trial)
    with pytest.raises(ValueError, match="does not fall with both N and D"):
        ScalingLaw(0.3, 40.0, -0.1, 3000.0, 0.7).best_split(flops)


def test_what_cannot_be_fitted_is_refused():
    runs = runs_of(TRUTH)
    for few, floor, needed in ((5, None, 6), (4, 0.3, 5)):
        with pytest.raises(ValueError, match=f"{few} runs cannot tell .* apart; finish at least {needed}"):
            fit(runs[:few], floor=floor)
    for few, floor, needed in ((7, None, 8), (6, 0.3, 7)):
        with pytest.raises(ValueError, match=f"{few} runs, drawn from, say nothing .*; finish at least {needed}"):
            bootstrap(runs[:few], floor=floor)
    one_width = [Run(1e5, d, 1 + 1e5 / d) for d in range(100_000, 700_000, 100_000)]
    with pytest.raises(ValueError, match="same parameters, so nothing can be said of them; vary both"):
        bootstrap(one_width)
    for floor in (0.0, 5.0):
        with pytest.raises(ValueError, match="a floor lies above 0 and below every loss"):
            fit(runs, floor=floor)
    for wrong in ((0, 1, 1), (1, math.inf, 1), (1, 1, -0.5), (1, 1, math.nan)):
        with pytest.raises(ValueError, match="it must be a positive number"):
            Run(*wrong)
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        interval([1.0], share=1.0)
    with pytest.raises(ValueError, match="not 0 and"):
        interval([])


def test_wild_runs_give_a_law_and_no_overflow():
    """Losses that do not fall at all: whatever comes out, it can be asked."""
    runs = [Run(n, d, 1.0 + 0.1 * ((i * 7) % 5)) for i, (n, d) in enumerate(PLACES)]
    assert all(math.isfinite(law.loss(1e6, 1e6)) for law in bootstrap(runs, resamples=10))
