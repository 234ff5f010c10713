import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from minillm.losses import IGNORE, _LossOfHidden, next_token_loss, next_token_loss_of_hidden, token_log_probs


def test_loss_is_the_negative_mean_log_prob_of_what_counts():
    logits, targets = torch.randn(2, 5, 7), torch.randint(0, 7, (2, 5))
    targets[0, :2] = IGNORE
    log_probs = token_log_probs(logits, targets)
    assert (log_probs[0, :2] == 0).all()
    torch.testing.assert_close(next_token_loss(logits, targets), -log_probs.sum() / 8)


def test_equal_logits_cost_ln_v():
    loss = next_token_loss(torch.zeros(1, 3, 11), torch.tensor([[0, 5, 10]]))
    assert loss.item() == pytest.approx(math.log(11), rel=1e-6)


def test_a_batch_without_targets_is_refused():
    with pytest.raises(ValueError, match="all 3 targets are ignored"):
        next_token_loss(torch.zeros(1, 3, 11), torch.full((1, 3), IGNORE))


def test_bfloat16_logits_are_summed_in_float32():
    logits = torch.randn(1, 4, 5000).bfloat16()
    targets = torch.randint(0, 5000, (1, 4))
    torch.testing.assert_close(next_token_loss(logits, targets), next_token_loss(logits.float(), targets))


@given(st.integers(1, 3), st.integers(1, 9), st.integers(2, 12), st.integers(1, 30), st.integers(0, 1000))
def test_the_loss_in_chunks_has_the_value_and_the_gradient_of_the_plain_one(B, T, V, chunk, seed):
    torch.manual_seed(seed)
    hidden, head = torch.randn(B, T, 4, requires_grad=True), torch.randn(V, 4, requires_grad=True)
    targets = torch.randint(0, V, (B, T)).where(torch.rand(B, T) < 0.7, IGNORE)
    targets[0, 0] = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_LossOfHidden, "CHUNK", chunk)
        patch.setattr(_LossOfHidden, "FEWEST_ROWS", 1)
        ours = next_token_loss_of_hidden(hidden, head, targets)
        gradients = torch.autograd.grad(3 * ours, (hidden, head))
    plain = next_token_loss(hidden @ head.mT, targets)
    torch.testing.assert_close(ours, plain)
    for one, two in zip(gradients, torch.autograd.grad(3 * plain, (hidden, head)), strict=True):
        torch.testing.assert_close(one, two)
    with torch.no_grad():
        torch.testing.assert_close(next_token_loss_of_hidden(hidden, head, targets), plain)


def test_the_loss_in_chunks_under_autocast_is_the_plain_one_under_autocast():
    hidden, head = torch.randn(1, 40, 16, requires_grad=True), torch.randn(300, 16, requires_grad=True)
    targets = torch.randint(0, 300, (1, 40))
    with torch.autocast("cpu", torch.bfloat16):
        ours = next_token_loss_of_hidden(hidden, head, targets)
    with torch.autocast(
        "cpu", torch.bfloat16
    ):  # its own: PyTorch 2.6 would take the cast head of ours, without gradient
        plain = next_token_loss(torch.nn.functional.linear(hidden, head), targets)
    torch.testing.assert_close(ours, plain)
    for x in (hidden, head):
        one, two = (torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in (ours, plain))
        torch.testing.assert_close(one, two, rtol=0.02, atol=2e-4)


def test_the_loss_in_chunks_copies_the_head_once_under_autocast(monkeypatch):
    monkeypatch.setattr(_LossOfHidden, "CHUNK", 64)
    monkeypatch.setattr(_LossOfHidden, "FEWEST_ROWS", 2)  # 8 chunks
    hidden, head = torch.randn(16, 4, requires_grad=True), torch.randn(32, 4, requires_grad=True)
    copies = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            if function is torch.ops.aten._to_copy.default and arguments[0].shape == head.shape:
                copies.append(options)
            return function(*arguments, **(options or {}))

    with Counting(), torch.autocast("cpu", torch.bfloat16):
        next_token_loss_of_hidden(hidden, head, torch.arange(16))
    assert [copy["dtype"] for copy in copies] == [torch.bfloat16]


def test_the_loss_in_chunks_leaves_a_frozen_head_alone():
    hidden, targets = torch.randn(5, 4, requires_grad=True), torch.arange(5)
    gradients = []
    for learns in (True, False):
        head = torch.ones(6, 4).tril().requires_grad_(learns)
        next_token_loss_of_hidden(hidden, head, targets).backward()
        gradients.append(hidden.grad)
        hidden.grad = None
    assert head.grad is None
    assert torch.equal(*gradients)


def test_the_loss_in_chunks_refuses_a_batch_without_targets():
    with pytest.raises(ValueError, match="all 3 targets are ignored"):
        next_token_loss_of_hidden(torch.zeros(1, 3, 4), torch.zeros(11, 4), torch.full((1, 3), IGNORE))
