"""A checkpoint restores everything, or says why it cannot and changes nothing."""

import copy

import pytest
import torch
from helpers import lively, small_config
from safetensors import safe_open
from safetensors.torch import save_file

from minillm.model.transformer import Transformer
from minillm.training.checkpoint import load_checkpoint, load_latest, previous, save_checkpoint
from minillm.training.optim import adamw, make_optimizer


def trained(seed: int, name: str = "adamw"):
    torch.manual_seed(seed)
    model = lively(Transformer(small_config()))
    optimizer = make_optimizer(name, model, 0.01, 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randint(0, 50, (2, 5))).square().mean().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_checkpoint_restores_everything(tmp_path, name):
    model, optimizer = trained(1, name)
    save_checkpoint(tmp_path / "c", model, optimizer, {"step": 3, "tokens": 30, "seconds": 1.25})
    drawn = torch.rand(3)
    other, other_optimizer = trained(2, name)
    assert load_checkpoint(tmp_path / "c", other, other_optimizer) == {"step": 3, "tokens": 30, "seconds": 1.25}
    torch.testing.assert_close(torch.rand(3), drawn, rtol=0, atol=0)
    for (name, one), two in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two), name
    before, after = optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    assert before.keys() == after.keys()
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
    model, optimizer = trained(2, "muon")
    kept = model.embedding.weight.clone()
    with pytest.raises(ValueError, match="was written by AdamW, and now the optimizer is Muon"):
        load_checkpoint(path, model, optimizer)
    assert torch.equal(model.embedding.weight, kept)


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


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop("random/torch"), "has no random state that could be restored"),
        (lambda tensors: tensors.update({"random/torch": torch.ones(3)}), "has no random state that could be restored"),
        (
            lambda tensors: tensors.update({"optimizer/0/exp_avg": torch.ones(2, 3)}),
            r"belongs to another model: exp_avg of parameter 0 is \(2, 3\) there and \(50, 32\) here",
        ),
        (
            lambda tensors: tensors.update({"optimizer/99/exp_avg": torch.ones(2)}),
            r"exp_avg of parameter 99 is \(2,\) there and unknown here",
        ),
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused_and_changes_nothing(tmp_path, change, sentence):
    path = tmp_path / "c"
    save_checkpoint(path, *trained(1), {"step": 3})
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors)
    save_file(tensors, path, metadata=metadata)
    model, optimizer = trained(2)
    before = copy.deepcopy([model.state_dict(), optimizer.state_dict()["state"], torch.get_rng_state()])
    with pytest.raises(ValueError, match=sentence):
        load_checkpoint(path, model, optimizer)
    torch.testing.assert_close([model.state_dict(), optimizer.state_dict()["state"], torch.get_rng_state()], before)


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


def test_a_spoilt_checkpoint_gives_way_to_the_one_before(tmp_path):
    path = tmp_path / "c"
    model, optimizer = trained(1)
    save_checkpoint(path, model, optimizer, {"step": 3})
    assert not previous(path).exists()
    save_checkpoint(path, model, optimizer, {"step": 4})
    save_checkpoint(path, model, optimizer, {"step": 5})
    assert load_checkpoint(previous(path), model, optimizer) == {"step": 4}
    assert load_latest(path, model, optimizer) == {"step": 5}
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(UserWarning, match="not a whole checkpoint.*Going on from the one before, step 4"):
        assert load_latest(path, model, optimizer) == {"step": 4}
    spoilt = path.read_bytes()
    save_checkpoint(path, model, optimizer, {"step": 5})
    assert load_checkpoint(previous(path), model, optimizer) == {"step": 4}  # not the spoilt one
    path.write_bytes(spoilt)
    wide = Transformer(small_config(d_model=64))
    with pytest.raises(ValueError, match="belongs to another model"):  # the one before would not fit either
        load_latest(path, wide, adamw(wide, 0.1, 0))
    previous(path).unlink()
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load_latest(path, model, optimizer)


def test_the_one_before_is_a_copy_where_a_file_cannot_have_two_names(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError("not on this file system")

    monkeypatch.setattr("os.link", no_links)
    model, optimizer = trained(1)
    for step in (3, 4):
        save_checkpoint(tmp_path / "c", model, optimizer, {"step": step})
    assert load_checkpoint(previous(tmp_path / "c"), model, optimizer) == {"step": 3}
