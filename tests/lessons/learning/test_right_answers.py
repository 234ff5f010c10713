"""The right answers of exercise 00b, against sums by hand, nudges and torch's own gradients."""

import math
import random
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minillm.course.checks.learning.autograd import slopes
from minillm.course.checks.learning.broadcast import unbroadcast
from minillm.course.checks.learning.divergence import kl
from minillm.course.checks.learning.rules import FORWARD
from minillm.course.checks.learning.step import step
from minillm.course.dinosaurs import forward, start, windows
from minillm.course.turns import turns
from minillm.losses import token_log_probs


def test_kl_is_the_sum_of_its_definition():
    truth, guess = torch.randn(2, 5, 7).double()
    p, q = truth.exp() / truth.exp().sum(-1, keepdim=True), guess.exp() / guess.exp().sum(-1, keepdim=True)
    torch.testing.assert_close(kl(truth, guess), (p * (p / q).log()).sum(-1).float())


def test_a_certain_truth_makes_kl_the_surprise_at_the_target():
    guess = 50 * torch.randn(4, 6)
    targets = torch.tensor([0, 5, 2, 2])
    certain = torch.full((4, 6), -torch.inf)
    certain[range(4), targets] = 0
    torch.testing.assert_close(kl(certain, guess), -token_log_probs(guess, targets))
    assert kl(certain, certain).tolist() == [0] * 4


def test_kl_is_infinite_where_the_guess_rules_out_what_can_happen():
    assert kl(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, -torch.inf]])).item() == math.inf


@pytest.mark.parametrize("widths", [(3, 4), (3, 5, 4), (2, 2, 2, 2, 2)])
def test_a_step_goes_where_nudges_point(widths):
    layers = [(torch.randn(a, b).double(), torch.randn(b).double()) for a, b in pairwise(widths)]
    x, y = torch.randn(3, widths[0]).double(), torch.rand(3, widths[-1]).double()
    stepped = step(layers, x, y, rate=0.5)

    def loss():
        h = x
        for index, (weight, bias) in enumerate(layers):
            h = (h.tanh() if index else h) @ weight + bias
        return -(y * h.log_softmax(-1)).sum()

    for old, new in zip(layers, stepped, strict=True):
        for own, its in zip(old, new, strict=True):
            for index in range(own.numel()):
                before = own.view(-1)[index].item()
                ways = []
                for nudge in (1e-6, -1e-6):
                    own.view(-1)[index] = before + nudge
                    ways.append(loss())
                own.view(-1)[index] = before
                by_nudge = before - 0.5 * (ways[0] - ways[1]) / 2e-6
                torch.testing.assert_close(its.reshape(-1)[index], by_nudge, rtol=1e-5, atol=1e-5)


@given(st.lists(st.integers(1, 3), max_size=4), st.data())
def test_unbroadcast_matches_torchs_gradient(sizes, data):
    front = data.draw(st.integers(0, len(sizes)))
    shape = tuple(data.draw(st.sampled_from([1, size])) for size in sizes[front:])
    given_slopes = torch.randn(sizes)
    source = torch.zeros(shape, requires_grad=True)
    source.expand(sizes).backward(given_slopes)
    torch.testing.assert_close(unbroadcast(given_slopes, shape), source.grad)


@given(st.integers(1, 12), st.integers(0, 10**6))
def test_every_slope_is_what_a_nudge_says(n_steps, seed):
    rng = random.Random(seed)
    values = {name: rng.uniform(-1, 1) for name in "wxb"}
    names, steps = list(values), []
    for index in range(n_steps):
        operation = rng.choice(["+", "*", "tanh"])
        steps.append((f"s{index}", operation, tuple(rng.choices(names, k=1 if operation == "tanh" else 2))))
        names.append(f"s{index}")

    def last(nudged, nudge):
        found = {name: value + nudge * (name == nudged) for name, value in values.items()}
        for name, operation, inputs in steps:
            found[name] = FORWARD[operation](*(found[one] for one in inputs)) + nudge * (name == nudged)
        return found[steps[-1][0]]

    found = slopes(values, steps)
    assert list(found) == names
    for name in names:
        by_nudge = (last(name, 1e-5) - last(name, -1e-5)) / 2e-5
        assert math.isclose(found[name], by_nudge, rel_tol=1e-4, abs_tol=1e-4)


def test_the_courses_versions_of_learning_equal_torch():
    """Oracles: torch's cross-entropy, its autograd through the lesson's network, and its SGD."""
    cross_entropy, backward, sgd_step = (turn.course for turn in turns("00b"))
    x, y = windows(["minmi", "irritator"])
    weights = [weight + 0.1 * torch.randn_like(weight) for weight in start(1)]
    watched = [weight.clone().requires_grad_() for weight in weights]
    h, logits = forward(watched, x)
    loss = F.cross_entropy(logits, y)
    torch.testing.assert_close(cross_entropy(logits, y), loss)
    (d_logits,) = torch.autograd.grad(loss, logits, retain_graph=True)
    expected = torch.autograd.grad(loss, watched)
    found = backward(x, h.detach(), weights[2], d_logits)
    for mine, torchs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, torchs)
    for mine, torchs in zip(sgd_step(start(), [torch.ones_like(w) for w in start()], 4.0), start(), strict=True):
        torch.testing.assert_close(mine, torchs - 4)
