import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from minillm.errors import UserError
from minillm.losses import (
    IGNORE,
    _FusedLinearCrossEntropy,
    bradley_terry_loss,
    entropy,
    fused_linear_cross_entropy,
    next_token_loss,
    sft_loss,
    token_log_probs,
)


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
        patch.setattr(_FusedLinearCrossEntropy, "LOGITS_ON_CPU", chunk)
        patch.setattr(_FusedLinearCrossEntropy, "FEWEST_ROWS", 1)
        ours = fused_linear_cross_entropy(hidden, head, targets)
        gradients = torch.autograd.grad(3 * ours, (hidden, head))
    plain = next_token_loss(hidden @ head.mT, targets)
    torch.testing.assert_close(ours, plain)
    for one, two in zip(gradients, torch.autograd.grad(3 * plain, (hidden, head)), strict=True):
        torch.testing.assert_close(one, two)
    with torch.no_grad():
        torch.testing.assert_close(fused_linear_cross_entropy(hidden, head, targets), plain)


def test_the_loss_in_chunks_under_autocast_is_the_plain_one_under_autocast():
    hidden, head = torch.randn(1, 40, 16, requires_grad=True), torch.randn(300, 16, requires_grad=True)
    targets = torch.randint(0, 300, (1, 40))
    with torch.autocast("cpu", torch.bfloat16):
        ours = fused_linear_cross_entropy(hidden, head, targets)
    with torch.autocast(
        "cpu", torch.bfloat16
    ):  # its own: PyTorch 2.6 would take the cast head of ours, without gradient
        plain = next_token_loss(torch.nn.functional.linear(hidden, head), targets)
    torch.testing.assert_close(ours, plain)
    for x in (hidden, head):
        one, two = (torch.autograd.grad(loss, x, retain_graph=True)[0] for loss in (ours, plain))
        torch.testing.assert_close(one, two, rtol=0.02, atol=2e-4)


def test_the_loss_in_chunks_copies_the_head_once_under_autocast(monkeypatch):
    monkeypatch.setattr(_FusedLinearCrossEntropy, "LOGITS_ON_CPU", 64)
    monkeypatch.setattr(_FusedLinearCrossEntropy, "FEWEST_ROWS", 2)  # 8 chunks
    hidden, head = torch.randn(16, 4, requires_grad=True), torch.randn(32, 4, requires_grad=True)
    copies = []

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            if function is torch.ops.aten._to_copy.default and arguments[0].shape == head.shape:
                copies.append(options)
            return function(*arguments, **(options or {}))

    with Counting(), torch.autocast("cpu", torch.bfloat16):
        fused_linear_cross_entropy(hidden, head, torch.arange(16))
    assert [copy["dtype"] for copy in copies] == [torch.bfloat16]


def test_the_loss_in_chunks_leaves_a_frozen_head_alone():
    hidden, targets = torch.randn(5, 4, requires_grad=True), torch.arange(5)
    gradients = []
    for learns in (True, False):
        head = torch.ones(6, 4).tril().requires_grad_(learns)
        fused_linear_cross_entropy(hidden, head, targets).backward()
        gradients.append(hidden.grad)
        hidden.grad = None
    assert head.grad is None
    assert torch.equal(*gradients)


def test_the_loss_in_chunks_refuses_a_batch_without_targets():
    with pytest.raises(ValueError, match="all 3 targets are ignored"):
        fused_linear_cross_entropy(torch.zeros(1, 3, 4), torch.zeros(11, 4), torch.full((1, 3), IGNORE))


def test_a_chunk_is_as_large_as_the_device_wants():
    rows = _FusedLinearCrossEntropy.rows
    assert rows("cpu", 2048) == 128 < rows("cuda", 2048)
    assert rows("cpu", 128) * 128 * 4 == 2**20  # bytes of float32
    assert rows("cuda", 10**9) == rows("cpu", 10**9) == 128


def test_the_sft_loss_is_that_of_transformers_with_ignored_labels():
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    ids, mask = torch.randint(0, 50, (3, 8)), torch.rand(3, 8) < 0.5
    mask[0, -1] = True
    expected = theirs(ids, labels=ids.where(mask, -100)).loss
    torch.testing.assert_close(sft_loss(lambda ids: theirs(ids).logits, ids, mask), expected)
    with pytest.raises(ValueError, match="all 21 targets are ignored"):
        sft_loss(lambda ids: theirs(ids).logits, ids, torch.zeros(3, 8, dtype=torch.bool))


def test_entropy_is_that_of_torch_and_zero_outside_the_mask():
    logits, mask = 2 * torch.randn(2, 3, 9), torch.tensor([[True, True, False], [True, False, True]])
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(entropy(logits), expected)
    torch.testing.assert_close(entropy(logits, mask), expected * mask)
    ruled_out = torch.cat([logits, torch.full((2, 3, 2), -torch.inf)], -1).requires_grad_()
    torch.testing.assert_close(entropy(ruled_out), expected)
    assert torch.autograd.grad(entropy(ruled_out).sum(), ruled_out)[0].isfinite().all()


@pytest.mark.usefixtures("as_users_call_it")
def test_a_mask_of_numbers_is_refused():
    ids = torch.tensor([[5, 6, 7]])
    with pytest.raises(UserError, match=r"the mask is of torch.int64; give mask.bool\(\)"):
        sft_loss(lambda ids: torch.zeros(*ids.shape, 8), ids, torch.ones_like(ids))


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=5), st.floats(0, 0.49))
def test_bradley_terry_by_numpy(rewards, smoothing):
    chosen, rejected = np.array(rewards, dtype=np.float64).T
    p = 1 / (1 + np.exp(rejected - chosen))
    expected = -((1 - smoothing) * np.log(p) + smoothing * np.log(1 - p)).mean()
    pair = torch.tensor(chosen), torch.tensor(rejected)
    assert bradley_terry_loss(*pair, label_smoothing=smoothing).item() == pytest.approx(expected, rel=1e-6)
    assert torch.equal(bradley_terry_loss(*pair), bradley_terry_loss(pair[0] - pair[1]))
