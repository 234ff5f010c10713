"""The right answers of exercise 13, against torch, the package's law, and the rules of a pipeline one by one."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minillm.analysis.scaling import ScalingLaw
from minillm.course.checks.scaling.cheapest import cheapest
from minillm.course.checks.scaling.clipping import clip
from minillm.course.checks.scaling.costs import cost_of
from minillm.course.checks.scaling.pipeline import timetable
from minillm.course.checks.scaling.rounding import round_by_dice
from minillm.course.checks.scaling.schedule import LASTS


@given(st.lists(st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30), min_size=1, max_size=8))
def test_with_dice_of_a_half_it_is_torchs_rounding_but_for_ties(numbers):
    x = torch.tensor(numbers)
    rounded = round_by_dice(x, torch.full_like(x, 0.5))
    torch.testing.assert_close(rounded.bfloat16().float(), rounded, rtol=0, atol=0)  # nothing is left to round
    nearest = x.bfloat16().float()
    tie = (nearest - x).abs() == (rounded - x).abs()
    assert ((rounded == nearest) | tie).all()


def test_over_a_grid_of_dice_the_mean_is_the_number():
    dice = (torch.arange(1000) + 0.5) / 1000
    for number in (0.3, -77.7, 1.998, -0.124, 0.0, 384.0):
        mean = round_by_dice(torch.full((1000,), number), dice).mean()
        torch.testing.assert_close(mean, torch.tensor(number), rtol=1e-5, atol=0)


@pytest.mark.parametrize("most", [0.5, 5.0, 50.0])
def test_cards_clip_as_torch_clips_on_one(most):
    up, down, norm = torch.randn(6, 2), torch.randn(4), torch.randn(3)
    weights = [nn.Parameter(torch.zeros_like(piece)) for piece in (up, down, norm)]
    for weight, gradient in zip(weights, (up, down, norm), strict=True):
        weight.grad = gradient.clone()
    nn.utils.clip_grad_norm_(weights, most)
    cards = [{"up": up[:2], "norm": norm}, {"up": up[2:], "down": down, "norm": norm}]
    first, second = clip(cards, ["norm"], most)
    torch.testing.assert_close(torch.cat([first["up"], second["up"]]), weights[0].grad)
    torch.testing.assert_close(second["down"], weights[1].grad)
    for card in (first, second):
        torch.testing.assert_close(card["norm"], weights[2].grad)


def test_without_use_the_cheapest_is_the_packages_best_split():
    law = (1.69, 0.354, 0.34, 1.24, 0.28)
    for budget in (10.0, 1e4, 1e7):
        size, tokens = ScalingLaw(*law).best_split(budget)
        loss = ScalingLaw(*law).loss(size, tokens)
        assert math.isclose(cheapest(law, loss, served=0.0), budget, rel_tol=1e-6)


@pytest.mark.parametrize("served", [0.0, 100.0, 1e5])
def test_no_other_size_is_cheaper(served):
    law, loss = (1.5, 0.4, 0.3, 1.5, 0.45), 2.0
    least = cheapest(law, loss, served)
    costs = [cost_of(law, loss, served, 1.02**n) for n in range(-500, 1000)]
    assert least <= min(costs) < 1.001 * least


@pytest.mark.parametrize(("p", "m"), [(1, 1), (1, 4), (2, 3), (4, 8), (5, 2), (6, 6)])
def test_a_timetable_keeps_the_rules_of_a_pipeline(p, m):
    rows = timetable(p, m)
    end = {(kind, j, s): start + LASTS[kind] for s, row in enumerate(rows) for start, kind, j in row}
    assert len(end) == 2 * p * m
    for s, row in enumerate(rows):
        free, waiting = 0, 0
        for start, kind, j in row:
            if kind == "forward":
                needed = end.get((kind, j, s - 1), 0)
            else:
                needed = end[kind, j, s + 1] if s < p - 1 else end["forward", j, s]
            assert start == max(free, needed)
            free = start + LASTS[kind]
            waiting += 1 if kind == "forward" else -1
            assert 0 <= waiting <= p - s  # small batches that are kept for their backward pass
    assert max(end.values()) == 3 * (m + p - 1)  # the bubble of the lesson's timetable
