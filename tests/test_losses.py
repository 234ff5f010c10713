import math

import pytest
import torch

from minillm.losses import IGNORE, next_token_loss, token_log_probs


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
