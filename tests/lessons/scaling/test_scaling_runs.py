"""Lesson 13: tables against counting by hand, laws on planted points, choices of runs, and the course's turns."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from minillm import ModelConfig
from minillm.analysis.scaling import ScalingLaw
from minillm.course import scaling_runs as lab
from minillm.course.turns.scaling import best_split, fit_power, left_out, training_flops
from minillm.data.floor import bigram_loss
from minillm.errors import UserError
from minillm.model.accounting import count_flops


def text(n, seed=0, vocab_size=12):
    rng, ids = random.Random(seed), [0]
    while len(ids) < n:
        ids.append((ids[-1] * 5 + rng.choice((0, 0, 1, 3, 7))) % vocab_size)
    return ids


def naive_loss(train, validation, vocab_size, order):
    """Witten and Bell's tables as dictionaries, one context at a time."""
    followers = {n: {} for n in range(order)}
    for at in range(1, len(train)):
        for n in range(min(order, at + 1)):
            followers[n].setdefault(tuple(train[at - n : at]), Counter())[train[at]] += 1
    nats = 0.0
    for at in range(2, len(validation)):
        p = 1 / vocab_size
        for n in range(order):
            row = followers[n].get(tuple(validation[at - n : at]))
            if row is None:
                break
            p = (row[validation[at]] + len(row) * p) / (row.total() + len(row))
        nats -= math.log(p)
    return nats / (len(validation) - 2)


@pytest.mark.parametrize("order", [2, 3])
def test_tables_are_those_that_are_counted_one_by_one(order):
    train, validation = text(3_000), text(400, seed=1)
    sizes = [10, 100, 1_000, 3_000]
    found = lab.table_losses(train, validation, 12, order, sizes)
    assert found == pytest.approx([naive_loss(train[:size], validation, 12, order) for size in sizes])
    if order == 2:  # the package scores the second token, too
        whole, rest = bigram_loss(train, validation, 12), lab.table_losses(train, validation, 12, 2, [3_000])[0]
        first = whole * (len(validation) - 1) - rest * (len(validation) - 2)
        assert first == pytest.approx(bigram_loss(train, validation[:2], 12))
    with pytest.raises(UserError, match="3,000 tokens to count, not 3,001"):
        lab.table_losses(train, validation, 12, order, [3_001])


@pytest.mark.parametrize("floor", [0.0, 0.36, 2.0])
def test_a_planted_law_is_found_again(floor):
    points = [lab.Point("", x, floor + 7 * x**-0.4) for x in (10.0, 40.0, 300.0, 2e3, 1e4)]
    x, y = [point.cost for point in points], [point.loss for point in points]
    assert lab.best_floor(x, y, fit_power) == pytest.approx(floor, abs=1e-4)
    for told in (floor, None):
        assert lab.predict_loss(points, 1e6, fit_power, told) == pytest.approx(floor + 7 * 1e6**-0.4, rel=1e-3)
    assert lab.left_out_of(points, fit_power, floor, floor) == pytest.approx([0] * 5, abs=1e-9)
    with pytest.raises(UserError, match="at least 3 points, not 2"):
        lab.best_floor(x[:2], y[:2], fit_power)


def test_leaving_out_is_the_same_in_the_turn_and_here():
    points = lab.sweep_points()[-5:]
    x, y = [point.cost for point in points], [point.loss for point in points]
    floor = lab.base_floor()
    assert left_out(x, y, floor) == pytest.approx(lab.left_out_of(points, fit_power, floor, floor))


def test_the_choices_are_ten_and_never_hold_the_base_model():
    floor, base = lab.base_floor(), lab.base_point()
    chosen = lab.choices(lab.sweep_points(), floor)
    assert len(chosen) == 10
    for points in chosen.values():
        assert len(points) >= 3
        assert max(point.cost for point in points) < base.cost / 2
        assert min(point.loss for point in points) > floor


@pytest.mark.parametrize("T", [1, 7, 256])
def test_the_courses_cost_is_the_packages(T):
    for shape in (dict(n_layers=2, d_model=32, d_ff=80, vocab_size=100), dict(n_layers=4, d_model=128, d_ff=384)):
        config = ModelConfig.preset("tiny").replace(**shape, d_head=None, n_heads=2, n_kv_heads=2)
        sizes = config.n_layers, config.d_model, config.d_ff, config.vocab_size
        assert training_flops(*sizes, T) == 3 * count_flops(config, T)


def test_the_courses_fit_is_least_squares_and_its_split_the_closed_form():
    x, y = [1.0, 3.0, 9.0, 40.0], [8.0, 4.5, 3.0, 1.5]
    factor, power = fit_power(x, y, 1.0)

    def error(a, b):
        return sum((math.log(p - 1) - math.log(a) - b * math.log(q)) ** 2 for p, q in zip(y, x, strict=True))

    for a, b in ((1.01, 1.0), (0.99, 1.0), (1.0, 1.01), (1.0, 0.99)):
        assert error(factor, power) < error(factor * a, power * b)
    law = ScalingLaw(1.69, 406.4, 0.34, 410.7, 0.28)
    assert best_split(3e23, 406.4, 0.34, 410.7, 0.28) == pytest.approx(law.best_split(3e23))
    N, D = best_split(3e23, 406.4, 0.34, 410.7, 0.28)
    assert all(law.loss(N, D) < law.loss(N * k, D / k) for k in (0.9, 1.1))


def test_stored_tables_fall_and_the_law_of_the_later_points_predicts():
    for name in ("bigram", "trigram"):
        for seed in range(5):
            losses = [point.loss for point in lab.tables(name, seed)]
            assert np.all(np.diff(losses) < 0)
    assert 1.0 < lab.own_run().loss < 1.1
