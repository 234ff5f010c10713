"""Training elsewhere than on the CPU: what can be seen without a card, and the same tests with one (`pytest -m cuda`).

Without a card: a forward pass, decoding and optimizer steps on a card that exists only in torch's bookkeeping find
tensors in the wrong place (see fake_card.py); backward passes on the `meta` device find wrong shapes. What needs real
numbers is written for any device, so that the tests' own code runs here on the CPU.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import fake_card
import pytest
import torch
from counting import new_model, settings, text_data
from training.test_distributed import alone, results, start_job
from training.test_loop import TOKENIZER

from minillm import ModelConfig, Transformer
from minillm.losses import _FusedLinearCrossEntropy
from minillm.model.accounting import count_parameters
from minillm.training.checkpoint import load_checkpoint, save_checkpoint
from minillm.training.loop import Task, train
from minillm.training.optim import make_optimizer
from minillm.training.pretraining import pretrain, text_loss

ROOT = Path(__file__).resolve().parents[2]
CASES = fake_card.cases()


@pytest.fixture(scope="module")
def met(tmp_path_factory) -> dict[str, str | None]:
    """What every case of fake_card met, in a process of its own."""
    try:
        guard = fake_card.compile_guard(tmp_path_factory.mktemp("guard"))
    except RuntimeError as missing:
        pytest.skip(str(missing))
    program = [sys.executable, str(ROOT / "tests" / "fake_card.py"), *([str(guard)] if guard else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", [name for name in CASES if not name.startswith("wrong")])
def test_nothing_is_left_on_the_cpu(met, case):
    assert met[case] is None


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("wrong")])
def test_a_tensor_made_on_the_cpu_is_found(met, case):
    assert met[case] is not None
    assert "device" in met[case]
    assert "cpu" in met[case]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("preset", ["tiny", "gpt2", "smollm2-135m"])
def test_shapes_and_formats_of_a_whole_step(preset, dtype):
    """Forward, the loss in chunks, backward, clip, step, of models that would take minutes here."""
    config = ModelConfig.preset(preset)
    with torch.device("meta"):
        model, ids = Transformer(config).to(dtype), torch.zeros(2, 200, dtype=torch.long)
    hidden = model.hidden(ids).flatten(0, 1)
    loss = _FusedLinearCrossEntropy.apply(
        hidden, model.head.weight, ids.flatten(), True
    )  # which rows count is a look at numbers
    assert (loss.shape, loss.dtype, loss.device.type) == ((), torch.float32, "meta")
    loss.backward()
    parameters = list(model.parameters())
    assert sum(p.grad.numel() for p in parameters) == count_parameters(config)
    for p in parameters:
        assert (p.grad.shape, p.grad.dtype, p.grad.device.type) == (p.shape, dtype, "meta")
    assert torch.nn.utils.clip_grad_norm_(parameters, 1.0).shape == ()
    kept = {"adamw": {"exp_avg", "exp_avg_sq", "step"}, "muon": {"momentum"}}
    for name in ("adamw", "muon"):
        optimizer = make_optimizer(name, model, 0.01, 0.1)
        optimizer.step()
        for group in optimizer.param_groups:
            for p in group["params"]:
                state = optimizer.state[p]
                assert state.keys() == kept[group.get("kind", "adamw")]
                assert all(value.shape == (() if key == "step" else p.shape) for key, value in state.items())


def weights(model: Transformer) -> torch.Tensor:
    return torch.cat([p.detach().cpu().flatten() for p in model.parameters()])


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_device_takes_the_steps_that_the_cpu_takes(monkeypatch, device, optimizer):
    monkeypatch.setattr("minillm.training.optim.autocast_dtype", lambda device: None)  # Muon's products in float32 too
    config, start = settings(steps=10, optimizer=optimizer, learning_rate=0.01), weights(new_model())
    there, here = new_model().to(device), new_model()
    lines = [list(train(Task(model, text_data().train, text_loss), config)) for model in (there, here)]
    assert there.device.type == device.type
    for one, two in zip(*lines, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)
        assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-2)
    # Where a gradient is nearly 0, AdamW takes a full step along its rounding error: compare all weights at once.
    assert (weights(there) - weights(here)).norm() < 0.01 * (weights(here) - start).norm()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_bfloat16_on_a_device_learns_the_same_thing(device, optimizer):
    configs = [settings(optimizer=optimizer, learning_rate=0.01, bf16=bf16) for bf16 in (False, True)]
    lines = [pretrain(new_model().to(device), text_data(), config)[1] for config in configs]
    full, half = (history[-1]["val_loss"] for history in lines)
    assert full < 3.0  # 3.9 at the start
    assert half == pytest.approx(full, rel=0.05)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_from_a_device_goes_on_on_the_cpu(tmp_path, device, optimizer):
    config = settings(steps=30, optimizer=optimizer, save_every=10)
    _, whole = pretrain(new_model(vocab_size=258), text_data(), config)

    class PulledPlug(Exception): ...

    def pull(metrics):
        if metrics["step"] == 15:
            raise PulledPlug

    with pytest.raises(PulledPlug):
        pretrain(new_model(vocab_size=258).to(device), text_data(), config, tmp_path, TOKENIZER, on_metrics=pull)
    for place in ("cpu", device):  # from step 10 to the end on the CPU; then the state of the end, read on the device
        _, lines = pretrain(new_model(7, vocab_size=258).to(place), text_data(), config, tmp_path, TOKENIZER)
        assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in whole], rel=0.02)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_checkpoint_restores_a_device_and_its_random_state(tmp_path, device, optimizer):
    def moved(seed):
        model = new_model(seed).to(device)
        mover = make_optimizer(optimizer, model, 0.01, 0.1)
        model(torch.full((1, 3), 5, device=device)).square().mean().backward()
        mover.step()
        return model, mover

    save_checkpoint(tmp_path / "c", *(kept := moved(1)), {"step": 1})
    drawn = torch.rand(3, device=device)
    load_checkpoint(tmp_path / "c", *(other := moved(2)))
    assert torch.equal(torch.rand(3, device=device), drawn)
    expected, found = (mover.state_dict()["state"] for _, mover in (kept, other))
    assert expected.keys() == found.keys()
    for index, state in expected.items():
        for key, value in state.items():  # a count of steps left on the CPU would stop the next update on a card
            assert value.device == found[index][key].device, (index, key)
            assert torch.equal(value, found[index][key]), (index, key)
    other[1].step()  # with the gradients that are there


@pytest.mark.slow
def test_a_process_of_torchrun_on_a_device_learns_what_one_without_does(tmp_path, device):
    code, said = start_job(tmp_path, {"there": {"steps": 20}}, processes=1, device=device.type)
    assert code == 0, said[-4000:]
    ((_, there),) = results(tmp_path / "there")
    expected = alone(tmp_path / "alone", {"steps": 20})
    assert [line["loss"] for line in there] == pytest.approx([line["loss"] for line in expected], rel=1e-3)


@pytest.mark.cuda
@pytest.mark.parametrize("sharded", [False, True])
def test_two_cards_learn_what_one_learns(tmp_path, sharded):
    if torch.cuda.device_count() < 2:
        pytest.skip("fewer than two NVIDIA cards here")
    code, said = start_job(tmp_path, {"both": {"steps": 20, "sharded": sharded}}, device="cuda")
    assert code == 0, said[-4000:]
    (digest, history), (other_digest, _) = results(tmp_path / "both")
    assert digest == other_digest
    expected = alone(tmp_path / "alone", {"steps": 20})
    assert [line["loss"] for line in history] == pytest.approx([line["loss"] for line in expected], rel=1e-3)
