from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from minillm.training.schedule import cosine, cosine_with_warmup, learning_rate, warmup_stable_decay
from minillm.training.settings import Schedule, TrainConfig

SHARES = st.floats(0, 1)
SCHEDULES = get_args(Schedule)


@given(st.sampled_from(SCHEDULES), st.integers(1, 300), st.integers(0, 100), st.floats(1e-6, 1), SHARES)
def test_the_rate_climbs_then_falls_and_stays_in_its_bounds(schedule, steps, warmup, peak, final):
    rates = [learning_rate(schedule, peak, step, step / steps, warmup, final) for step in range(steps)]
    turn = rates.index(max(rates))
    assert all(a < b for a, b in pairwise(rates[: turn + 1]))
    assert all(a >= b - 1e-12 for a, b in pairwise(rates[turn:]))
    assert all(0 < rate <= peak * (1 + 1e-9) for rate in rates)
    assert learning_rate(schedule, peak, max(steps, warmup), 1.0, warmup, final) == pytest.approx(peak * final)


@given(st.sampled_from(SCHEDULES), st.integers(1, 500), st.floats(0.01, 100), SHARES)
def test_a_run_of_minutes_has_the_shape_of_a_run_of_steps(schedule, steps, minutes, final):
    """A machine that does `steps` equal steps in `minutes` takes the same rates either way."""
    by_steps, by_time = TrainConfig(steps=steps), TrainConfig(minutes=minutes)
    for step in range(0, steps, max(steps // 7, 1)):
        shares = by_steps.progress(step, 0.0), by_time.progress(step, 60 * minutes * step / steps)
        rates = [learning_rate(schedule, 1.0, step, share, 10, final) for share in shares]
        assert rates[0] == pytest.approx(rates[1], abs=1e-9)


@given(SHARES, SHARES)
def test_cosine_is_symmetric_about_its_middle(progress, final):
    both = cosine(progress, final) + cosine(1 - progress, final)
    assert both == pytest.approx(1 + final)


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_is_that_of_torch(final):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=final)
    for step in range(20):
        assert cosine(step / 20, final) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@given(SHARES, st.floats(0, 0.9), st.floats(0.05, 1))
def test_the_stable_part_does_not_know_the_end(progress, final, decay):
    rate, left = warmup_stable_decay(progress, final, decay), (1 - progress) / decay
    assert rate == pytest.approx(1 if left >= 1 else final + (1 - final) * left)


@given(st.integers(1, 1000), st.floats(0.1, 10), st.integers(0, 2000), st.floats(0, 1000))
def test_the_budget_that_is_spent_first_ends_the_run(steps, minutes, step, seconds):
    progress = TrainConfig(steps=steps, minutes=minutes).progress(step, seconds)
    assert (progress >= 1) == (step >= steps or seconds / (60 * minutes) >= 1)


@pytest.mark.parametrize(("total", "warmup", "final"), [(20, 0, 0.0), (20, 5, 0.1), (7, 6, 0.5)])
def test_cosine_with_warmup_is_that_of_transformers(total, warmup, final):
    """Up to their warmup, which begins with a rate of 0, where ours takes its first step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = get_cosine_with_min_lr_schedule_with_warmup(optimizer, warmup, total, min_lr_rate=final)
    rates = []
    for _ in range(total + 1):
        rates.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    ours = [cosine_with_warmup(step, total, 0.3, warmup, final) for step in range(total + 1)]
    assert ours[warmup:] == pytest.approx(rates[warmup:])
    assert ours[:warmup] == pytest.approx(rates[1 : warmup + 1])


def test_a_warmup_longer_than_the_run_is_refused():
    with pytest.raises(ValueError, match="warmup_steps is 5 of 5"):
        cosine_with_warmup(0, 5, 0.1, warmup_steps=5)


def test_a_config_hands_its_decay_to_the_schedule():
    config = TrainConfig(
        steps=10, schedule="wsd", learning_rate=1.0, warmup_steps=0, final_fraction=0.0, decay_fraction=0.8
    )
    rates = [config.learning_rate_at(step, step / 10) for step in range(10)]
    assert rates == pytest.approx([1, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_a_decay_that_is_no_part_of_the_run_is_refused(fraction):
    with pytest.raises(ValueError, match="decay_fraction"):
        TrainConfig(steps=10, decay_fraction=fraction)
