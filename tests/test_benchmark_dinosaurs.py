"""The benchmark of lesson 00b's network: what it compares with, on cases that are counted by hand."""

import math

import pytest
import torch

from minillm.course.dinosaurs import start, windows
from tests.benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def dinosaurs():
    with benchmark_script("dinosaurs") as module:
        yield module


def test_counts_fall_back_on_shorter_contexts(dinosaurs):
    """From "a": "a" and "." follow once each. In "b.", "b" is new, and after it nothing is known but single letters."""
    (x, y), (held_x, held_y) = windows(["a"]), windows(["b"])
    none = (1 + 2 / 27) / 4, (2 / 27) / 4  # of the dot, or an "a"; of a "b"
    at_start = none[1]
    for _ in range(3):  # one letter, "a", followed the dot, two dots and three dots
        at_start = at_start / 2
    expected = -(math.log(at_start) + math.log(none[0])) / 2
    assert dinosaurs.fallback_loss(x, y, held_x, held_y) == pytest.approx(expected)


def test_a_shuffled_gradient_is_cut_to_the_steps_of_the_unbroken_run(dinosaurs):
    x, y = windows(["minmi", "irritator"])
    find = dinosaurs.as_long(dinosaurs.shuffled(0), seed=0)
    for weights in ([10 * weight for weight in start(0)], start(0)):
        found, wanted = find(weights, x, y), dinosaurs.gradient(start(0), x, y)
        if weights[0].equal(start(0)[0]):  # the second step: the unbroken run has moved on
            wanted = dinosaurs.gradient(dinosaurs.sgd_step(start(0), wanted, dinosaurs.RATE), x, y)
        torch.testing.assert_close([g.norm() for g in found], [g.norm() for g in wanted])
