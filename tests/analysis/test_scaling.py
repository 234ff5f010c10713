"""The scaling law: fits recover known constants and beat torch's L-BFGS; resamples equal direct fits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.analysis.scaling import DELTA, Run, ScalingLaw, bootstrap, fit, interval, log_error

TRUTH = ScalingLaw(0.3, 40.0, 0.4, 3000.0, 0.7)
SIZES = [(n, d) for n in (4e4, 1e5, 3e5, 8e5) for d in (2e5, 4e5, 8e5)]


def runs_of(law, noise=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    factors = (noise * torch.randn(len(SIZES), generator=generator)).exp().tolist()
    return [Run(n, d, law.loss(n, d) * factor) for (n, d), factor in zip(SIZES, factors, strict=True)]


def distance(law, other):
    """The largest relative difference between the losses of two laws at the sizes of the runs."""
    return max(abs(law.loss(n, d) / other.loss(n, d) - 1) for n, d in SIZES)


@settings(max_examples=15)
@given(
    floor=st.floats(0.1, 2.0),
    powers=st.tuples(st.floats(0.25, 1.0), st.floats(0.25, 1.0)),
    terms=st.tuples(st.floats(0.3, 2.0), st.floats(0.3, 2.0)),
)
def test_a_fit_recovers_known_constants(floor, powers, terms):
    """`terms` are the two terms of the law for the smallest model and the smallest data set."""
    factors = [term * size**power for term, size, power in zip(terms, (4e4, 2e5), powers, strict=True)]
    law = ScalingLaw(floor, factors[0], powers[0], factors[1], powers[1])
    found = fit(runs_of(law))
    assert found.floor == pytest.approx(floor, rel=1e-3)
    assert (found.size_power, found.data_power) == pytest.approx(powers, rel=1e-3)
    assert fit(runs_of(law), floor=floor).data_power == pytest.approx(powers[1], rel=1e-4)


def test_the_error_is_the_huber_loss_of_the_log():
    runs = runs_of(TRUTH, noise=0.02)
    residuals = torch.tensor([math.log(TRUTH.loss(run.parameters, run.tokens) / run.loss) for run in runs])
    for delta in (DELTA, 0.01, 1.0):
        expected = torch.nn.functional.huber_loss(residuals, torch.zeros_like(residuals), reduction="sum", delta=delta)
        assert log_error(TRUTH, runs, delta) == pytest.approx(expected.item(), rel=1e-4)


def by_lbfgs(runs, floor=None):
    """The lowest error that torch's L-BFGS reaches from a few starts, as in Hoffmann et al."""
    size, data, loss = torch.tensor([[run.parameters, run.tokens, run.loss] for run in runs]).double().log().T
    lowest = math.inf
    for alpha in (0.3, 0.6):
        theta = torch.tensor([alpha * 12, alpha, 8.4, 0.7, math.log(0.2)], dtype=torch.float64)
        theta.requires_grad_()
        optimizer = torch.optim.LBFGS([theta], max_iter=400, tolerance_change=1e-14, line_search_fn="strong_wolfe")

        def error(theta=theta, optimizer=optimizer):
            optimizer.zero_grad()
            e = theta[4] if floor is None else torch.tensor(math.log(floor)).double()
            lines = [theta[0] - theta[1] * size, theta[2] - theta[3] * data, e.expand(len(runs))]
            residuals = torch.stack(lines).logsumexp(0) - loss
            zeros = torch.zeros_like(residuals)
            total = torch.nn.functional.huber_loss(residuals, zeros, reduction="sum", delta=DELTA)
            (1e4 * total).backward()  # without the factor, the loss is below the optimizer's tolerance at the start
            return 1e4 * total

        optimizer.step(error)
        lowest = min(lowest, error().item() / 1e4)
    return lowest


@pytest.mark.parametrize("floor", [None, 0.3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_fit_is_at_least_as_good_as_lbfgs(seed, floor):
    runs = runs_of(TRUTH, noise=0.02, seed=seed)
    assert log_error(fit(runs, floor=floor), runs) <= by_lbfgs(runs, floor) * 1.005


def test_an_outlier_has_little_influence():
    runs = runs_of(TRUTH)
    runs[3] = Run(runs[3].parameters, runs[3].tokens, 2 * runs[3].loss)
    assert distance(fit(runs), TRUTH) < 1e-3
    assert distance(fit(runs, delta=10.0), TRUTH) > 0.02  # with squared errors it has


def test_a_bootstrap_law_is_a_fit_to_its_resample():
    runs = runs_of(TRUTH, noise=0.01)
    generator = torch.Generator().manual_seed(7)
    for law in bootstrap(runs, resamples=3, seed=7):
        indices = torch.randint(len(runs), (len(runs),), generator=generator).tolist()
        resample = [runs[i] for i in indices]
        assert log_error(law, resample) == pytest.approx(log_error(fit(resample), resample), rel=0.01)


def test_the_interval_has_about_the_right_coverage():
    covered = 0
    for seed in range(12):
        laws = bootstrap(runs_of(TRUTH, noise=0.01, seed=seed), resamples=30, floor=TRUTH.floor)
        low, high = interval([law.loss(2e6, 2e6) for law in laws])
        covered += low <= TRUTH.loss(2e6, 2e6) <= high
    assert covered >= 7  # of 12; a bootstrap of 12 runs gives intervals that are slightly too narrow


def test_the_best_split_has_the_lowest_loss():
    flops = 6 * 1e5 * 1e6
    parameters, tokens = TRUTH.best_split(flops)
    assert 6 * parameters * tokens == pytest.approx(flops)
    by_trial = [TRUTH.loss(parameters * f, tokens / f) for f in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0)]
    assert TRUTH.loss(parameters, tokens) < min(by_trial)
    with pytest.raises(ValueError, match="does not decrease with both N and D"):
        ScalingLaw(0.3, 40.0, -0.1, 3000.0, 0.7).best_split(flops)


def test_invalid_input_is_rejected():
    runs = runs_of(TRUTH)
    for few, floor, needed in ((5, None, 6), (4, 0.3, 5)):
        with pytest.raises(ValueError, match=f"{few} runs do not determine .* parameters; finish at least {needed}"):
            fit(runs[:few], floor=floor)
    for few, floor, needed in ((7, None, 8), (6, 0.3, 7)):
        with pytest.raises(ValueError, match=f"{few} runs are too few to bootstrap .*; finish at least {needed}"):
            bootstrap(runs[:few], floor=floor)
    one_size = [Run(1e5, d, 1 + 1e5 / d) for d in range(100_000, 700_000, 100_000)]
    with pytest.raises(ValueError, match="same number of parameters; vary both"):
        bootstrap(one_size)
    for floor in (0.0, 5.0):
        with pytest.raises(ValueError, match="it must be above 0 and below the lowest loss"):
            fit(runs, floor=floor)
    for wrong in ((0, 1, 1), (1, math.inf, 1), (1, 1, -0.5), (1, 1, math.nan)):
        with pytest.raises(ValueError, match="it must be a positive number"):
            Run(*wrong)
    with pytest.raises(ValueError, match="a coverage between 0 and 1"):
        interval([1.0], coverage=1.0)
    with pytest.raises(ValueError, match="not 0 and"):
        interval([])


def test_erratic_runs_give_a_finite_law():
    """The losses do not decrease at all, but the fitted law still gives finite predictions."""
    runs = [Run(n, d, 1.0 + 0.1 * ((i * 7) % 5)) for i, (n, d) in enumerate(SIZES)]
    assert all(math.isfinite(law.loss(1e6, 1e6)) for law in bootstrap(runs, resamples=10))
