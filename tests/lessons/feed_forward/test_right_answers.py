"""The right answers of exercise 05, against the package, torch and the property that each is for."""

import pytest
import torch
import torch.nn.functional as F

from minillm.course.checks.feed_forward.experts import mixture
from minillm.course.checks.feed_forward.shards import feed_forward
from minillm.course.checks.feed_forward.write import write
from minillm.course.checks.feed_forward.writers import contributions
from minillm.course.turns import turns
from minillm.model.feedforward import FeedForward


@pytest.fixture
def network():
    torch.manual_seed(0)
    return FeedForward(d_model=6, d_ff=9)


def test_all_neurons_together_write_what_the_network_writes(network):
    x, words = torch.randn(4, 6), torch.randn(3, 6)
    shares = contributions(x, network.gate.weight, network.up.weight, network.down.weight, words)
    torch.testing.assert_close(shares.sum(1), network(x) @ words.T)


def test_a_neuron_that_is_switched_off_takes_its_share_with_it(network):
    x, words = torch.randn(4, 6), torch.randn(3, 6)
    shares = contributions(x, network.gate.weight, network.up.weight, network.down.weight, words)
    before = network(x) @ words.T
    with torch.no_grad():
        network.down.weight[:, 5] = 0
    torch.testing.assert_close(before - network(x) @ words.T, shares[:, 5])


@pytest.mark.parametrize("shares", [[9], [5, 4], [3, 3, 3], [1, 6, 2]])
def test_cards_write_what_the_whole_network_writes(network, shares):
    x = torch.randn(4, 6)
    rows = zip(network.gate.weight.split(shares), network.up.weight.split(shares), strict=True)
    gate_up = [torch.cat(both) for both in rows]
    torch.testing.assert_close(feed_forward(x, gate_up, list(network.down.weight.split(shares, 1))), network(x))


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("renormalize", [True, False])
def test_a_mixture_token_by_token(k, renormalize):
    torch.manual_seed(k)
    experts = [FeedForward(d_model=6, d_ff=5) for _ in range(4)]
    x, router = torch.randn(7, 6), torch.randn(4, 6)
    stacked = [torch.stack([getattr(one, name).weight for one in experts]) for name in ("gate", "up", "down")]
    for token, out in zip(x, mixture(x, router, *stacked, k, renormalize), strict=True):
        top, chosen = (router @ token).softmax(0).topk(k)
        if renormalize:
            top = top / top.sum()
        heard = sum(weight * experts[e](token) for weight, e in zip(top, chosen.tolist(), strict=True))
        torch.testing.assert_close(out, heard)


def test_with_every_expert_both_ways_to_weigh_are_one():
    x, router = torch.randn(5, 6), torch.randn(3, 6)
    experts = torch.randn(3, 4, 6), torch.randn(3, 4, 6), torch.randn(3, 6, 4)
    torch.testing.assert_close(*(mixture(x, router, *experts, 3, renormalize) for renormalize in (True, False)))


@pytest.mark.parametrize(("m", "n"), [(1, 0), (1, 3), (3, 2), (2, 6)])
def test_what_was_written_is_answered_and_the_rest_as_before(m, n):
    torch.manual_seed(m + n)
    down, asked, answers, others = torch.randn(4, 8), torch.randn(m, 8), torch.randn(m, 4), torch.randn(n, 8)
    new = write(down, asked, answers, others)
    close = dict(rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(asked @ new.T, answers, **close)
    torch.testing.assert_close(others @ new.T, others @ down.T, **close)
    # The nearest: the change has nothing along any direction at right angles to all questions.
    free = torch.linalg.svd(torch.cat((asked, others))).Vh[m + n :]
    torch.testing.assert_close((new - down) @ free.T, torch.zeros(4, 8 - m - n), **close)


def test_the_courses_versions_of_the_feed_forward_layer_equal_the_package():
    """Oracles: the package's layer; its ReLU; and what a written neuron does at the vectors that it was solved for."""
    feed_forward, recall, write_fact = (turn.course for turn in turns("05"))
    layer, x = FeedForward(6, 10, "swiglu").requires_grad_(False), 3 * torch.randn(4, 6)
    torch.testing.assert_close(feed_forward(x, *(part.weight for part in (layer.gate, layer.up, layer.down))), layer(x))
    biased = FeedForward(6, 10, "relu2", bias=True).requires_grad_(False)
    biased.up.bias.fill_(-0.5)
    biased.down.bias.zero_()
    squared = recall(x, biased.up.weight, torch.eye(10), 0.5).square() @ biased.down.weight.T
    torch.testing.assert_close(squared, biased(x))
    about, say, instead, others = torch.randn(6), torch.randn(6), torch.randn(6), torch.randn(3, 6)
    gate, up, down = write_fact(about, others, say, instead, 40.0)
    written = feed_forward(torch.stack([about, *others]), gate[None], up[None], down[:, None])
    torch.testing.assert_close(written[0], 6 * torch.sigmoid(torch.tensor(6.0)) * down)
    own_weight = (others @ up)[:, None] * F.silu(torch.tensor(-6.0))
    torch.testing.assert_close(written[1:], own_weight * down, rtol=1e-3, atol=1e-3)
    assert (say - instead) @ down > 0
