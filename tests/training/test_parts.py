"""Schedule, optimizer and checkpoint."""

from itertools import pairwise

import pytest
import torch
from helpers import lively, small_config
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minillm.model.transformer import Transformer
from minillm.training.checkpoint import load_checkpoint, save_checkpoint
from minillm.training.optim import adamw
from minillm.training.schedule import warmup_cosine


@given(st.integers(1, 300), st.integers(0, 100), st.floats(1e-6, 1))
def test_the_rate_climbs_then_falls_and_ends_where_it_should(steps, warmup, peak):
    rates = [warmup_cosine(step, steps, warmup, peak, peak / 10) for step in range(steps)]
    assert all(a < b for a, b in pairwise(rates[:warmup]))
    assert all(a >= b for a, b in pairwise(rates[warmup:]))
    assert max(rates) <= peak * (1 + 1e-9)
    if steps > warmup + 1:
        assert rates[warmup] == pytest.approx(peak)
        assert rates[-1] == pytest.approx(peak / 10)


def test_adamw_by_its_formula():
    """One step from zero state: m = (1 - b1) g, v = (1 - b2) g^2, both bias-corrected back to g and g^2."""
    layer = nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    layer.weight.grad, layer.bias.grad = torch.randn(2, 3), torch.randn(2)
    adamw(layer, learning_rate=0.1, weight_decay=0.5).step()
    moved = 0.1 * layer.weight.grad / (layer.weight.grad.abs() + 1e-8)
    torch.testing.assert_close(layer.weight.detach(), weight * (1 - 0.1 * 0.5) - moved)
    torch.testing.assert_close(layer.bias.detach(), bias - 0.1 * layer.bias.grad / (layer.bias.grad.abs() + 1e-8))


def trained(seed: int):
    torch.manual_seed(seed)
    model = lively(Transformer(small_config()))
    optimizer = adamw(model, 0.01, 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randint(0, 50, (2, 5))).square().mean().backward()
        optimizer.step()
    return model, optimizer


def test_a_checkpoint_restores_everything(tmp_path):
    model, optimizer = trained(1)
    save_checkpoint(tmp_path / "c", model, optimizer, {"step": 3, "tokens": 30})
    drawn = torch.rand(3)
    other, other_optimizer = trained(2)
    assert load_checkpoint(tmp_path / "c", other, other_optimizer) == {"step": 3, "tokens": 30}
    torch.testing.assert_close(torch.rand(3), drawn, rtol=0, atol=0)
    for (name, one), two in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two), name
    before, after = optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    for index, state in before.items():
        for key, value in state.items():
            assert torch.equal(after[index][key], value), (index, key)


def test_a_checkpoint_that_does_not_fit_is_named_and_changes_nothing(tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, *trained(1), {"step": 3})
    wide = Transformer(small_config(d_model=64))
    kept = wide.embedding.weight.clone()
    with pytest.raises(
        ValueError, match=r"belongs to another model: blocks.0.attention.key.weight is \(16, 32\) there and"
    ):
        load_checkpoint(path, wide, adamw(wide, 0.1, 0))
    deep = Transformer(small_config(n_layers=3))
    with pytest.raises(ValueError, match="blocks.2.* is missing there and"):
        load_checkpoint(path, deep, adamw(deep, 0.1, 0))
    assert torch.equal(wide.embedding.weight, kept)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c"
    model, optimizer = trained(1)
    save_checkpoint(path, model, optimizer, {"step": 3})
    whole = path.read_bytes()
    for damaged in (b"", b"\0" * 100, whole[:50], whole[:-1], b"\xff" * 8 + whole[8:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a whole checkpoint"):
            load_checkpoint(path, model, optimizer)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint at"):
        load_checkpoint(tmp_path / "none", model, optimizer)


def test_a_write_that_fails_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    model, optimizer = trained(1)
    save_checkpoint(tmp_path / "c", model, optimizer, {"step": 3})

    def full_disk(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("minillm.training.checkpoint.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "c", model, optimizer, {"step": 4})
    assert load_checkpoint(tmp_path / "c", model, optimizer) == {"step": 3}
