"""Two processes take the same steps as one, and a job whose process dies goes on from its checkpoint.

Real jobs under `torchrun`, with Gloo, on the counting task. A job costs seconds before its first step, so
each does several runs, one after the other.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from counting import new_model, settings, text_data
from safetensors import safe_open

from minillm import load
from minillm.tokenizer import Tokenizer
from minillm.training.checkpoint import load_checkpoint, load_latest, previous
from minillm.training.distributed import ModelWithLoss, Processes, join_processes, not_yet_averaged
from minillm.training.loop import update
from minillm.training.optim import make_optimizer
from minillm.training.pretraining import pretrain, text_loss

ROOT = Path(__file__).resolve().parents[2]
SHARDS = hasattr(torch.cpu.Stream, "record_event")
can_shard = pytest.mark.skipif(not SHARDS, reason="this PyTorch cannot shard on the CPU; 2.6 cannot")
VOCAB = 259  # odd, so that two processes hold unequal parts of the table
JOB = """
import json, os, signal, sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from counting import new_model, settings, text_data
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import restart_count, join_processes, whole
from minillm.training.recompute import recompute_blocks
from minillm.training.pretraining import pretrain

def run(mates, out, sharded=False, recompute=False, dies_in=None, **changes):
    def show(metrics):
        if metrics["step"] == 33 and restart_count() == dies_in:
            os.kill(os.getpid(), signal.SIGKILL)

    model = new_model(vocab_size=259).to(mates.device)
    if recompute:
        recompute_blocks(model)
    mates = replace(mates, sharded=sharded)
    tokenizer = Tokenizer.train(["1 2 3"], 258)
    _, history = pretrain(model, text_data(), settings(**changes), out, tokenizer, show, processes=mates)
    digest = sum(whole(parameter.detach()).double().sum().item() for parameter in model.parameters())
    (out / f"rank{mates.rank}.json").write_text(json.dumps([digest, history]))

with join_processes(torch.device(sys.argv[3])) as mates:
    for name, changes in json.loads(sys.argv[2]).items():
        run(mates, Path(sys.argv[1]) / name, **changes)
"""
CHANGES = {"adamw": {}, "muon": {"optimizer": "muon"}, "accumulate": {"accumulate": 2, "steps": 30}}


def start_job(folder, runs, restarts=0, processes=2, device="cpu"):
    """Let so many processes do these runs; returns the launcher's end and what it and all the processes said."""
    program = folder / "job.py"
    program.write_text(JOB, encoding="utf-8")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--max-restarts", str(restarts), "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command += ["--log-dir", str(folder / "logs"), "--redirects", "3"]
    command += [str(program), str(folder), json.dumps(runs), device]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    logs = "".join(path.read_text() for path in sorted(folder.glob("logs/**/std*.log")))
    # torch 2.13 now and then aborts a process that has done all its work, on its way out (one job of twenty here, as
    # its log says in these words). What a job did is judged by what it wrote before.
    aborted = "terminate called without an active exception" in logs
    return 0 if aborted else done.returncode, done.stderr + logs


def results(folder):
    """What each process wrote at the end of a run: a digest of the weights, and the history."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("rank*.json"))]


def alone(folder, changes, on_metrics=lambda metrics: None):
    """The run in one process; returns its history."""
    tokenizer = Tokenizer.train(["1 2 3"], 258)
    return pretrain(new_model(vocab_size=VOCAB), text_data(), settings(**changes), folder, tokenizer, on_metrics)[1]


class PulledPlug(Exception): ...


def pull_the_plug(metrics):
    if metrics["step"] == 33:
        raise PulledPlug


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return {name: alone(folder / name, changes) for name, changes in CHANGES.items()}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder of a job that does each run twice, and goes on with one that a single process began."""
    if not SHARDS:
        pytest.skip(can_shard.kwargs["reason"])
    folder = tmp_path_factory.mktemp("two")
    with pytest.raises(PulledPlug):
        alone(folder / "begun", {}, pull_the_plug)
    runs = {f"ddp-{name}": changes for name, changes in CHANGES.items()}
    runs |= {f"fsdp-{name}": {**changes, "sharded": True} for name, changes in CHANGES.items()}
    runs["fsdp-accumulate"]["recompute"] = True
    code, said = start_job(folder, runs | {"begun": {"sharded": True}})
    assert code == 0, said[-4000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_learns(one, two, way, name):
    (digest, history), (other_digest, other_history) = results(two / f"{way}-{name}")
    assert digest == other_digest  # both hold the same weights, to the last bit
    for ours, theirs in zip(history, one[name], strict=True):
        assert ours["tokens"] == theirs["tokens"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-2)
    assert history[-1]["val_loss"] == pytest.approx(one[name][-1]["val_loss"], rel=1e-3)
    assert [line["loss"] for line in history] == [line["loss"] for line in other_history]  # of all, not of a share


@pytest.mark.slow
def test_a_run_of_one_process_can_be_gone_on_with_by_a_sharded_team(one, two):
    history = results(two / "begun")[0][1]
    assert [line["step"] for line in history] == list(range(1, 61))
    assert history[-1]["val_loss"] == pytest.approx(one["adamw"][-1]["val_loss"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_what_a_team_saved_is_a_whole_model(two, way):
    model, _tokenizer = load(two / f"{way}-adamw")
    digest = sum(parameter.double().sum().item() for parameter in model.parameters())
    assert digest == pytest.approx(results(two / f"{way}-adamw")[0][0], rel=1e-9)


@pytest.mark.slow
def test_a_sharded_checkpoint_is_in_parts_that_one_process_puts_together(two, tmp_path):
    folder = shutil.copytree(two / "fsdp-adamw", tmp_path / "run")
    path = folder / "checkpoint.safetensors"
    parts = [f"checkpoint.step-{step}.part-1-of-2.safetensors" for step in (40, 60)]
    assert sorted(file.name for file in folder.glob("checkpoint.*")) == ["checkpoint.safetensors", *parts]
    for file, rows in ((path, 130), (folder / parts[1], 129)):
        with safe_open(file, framework="pt") as opened:
            for name in ("model/embedding.weight", "optimizer/0/exp_avg"):
                assert opened.get_slice(name).get_shape() == [rows, 32]
    model = new_model(1, vocab_size=VOCAB)
    optimizer = make_optimizer("adamw", model, 0.1, 0.1)
    assert load_checkpoint(path, model, optimizer)["step"] == 60
    for ours, saved in zip(model.parameters(), load(folder)[0].parameters(), strict=True):
        assert torch.equal(ours, saved)
    shutil.copy(folder / parts[0], folder / parts[1])
    with pytest.raises(ValueError, match=r"checkpoint.step-60.part-1-of-2.safetensors was written at another step"):
        load_checkpoint(path, model, optimizer)
    (folder / parts[1]).unlink()
    with pytest.warns(UserWarning, match=r"not a whole checkpoint.*Going on from the one before, step 40"):
        assert load_latest(path, model, optimizer)["step"] == 40
    (folder / parts[0]).unlink()
    with pytest.raises(ValueError, match=r"previous.checkpoint.safetensors is not a whole checkpoint"):
        load_checkpoint(previous(path), model, optimizer)


@pytest.mark.slow
def test_a_job_whose_process_dies_starts_again_and_nothing_had_happened(two, tmp_path):
    """To the last bit, with as many processes and threads. Each start goes through all runs; done ones are done."""
    runs = {"ddp-adamw": {"dies_in": 0}, "fsdp-adamw": {"dies_in": 1, "sharded": True}}
    code, said = start_job(tmp_path, runs, restarts=2)
    assert code == 0, said[-4000:]
    keys = ("step", "loss", "grad_norm", "tokens", "val_loss")
    for name in runs:
        (digest, history), (expected_digest, expected) = results(tmp_path / name)[0], results(two / name)[0]
        cut, whole = ([[line.get(key) for key in keys] for line in lines] for lines in (history, expected))
        assert cut == whole
        assert digest == expected_digest


@pytest.mark.slow
@can_shard
def test_a_process_that_dies_ends_the_job_with_a_sentence_and_one_process_can_go_on(one, tmp_path):
    _, said = start_job(tmp_path, {"run": {"dies_in": 0, "sharded": True}})
    assert "ConnectionError: process 1 of 2 stops because another one ended" in said
    history = alone(tmp_path / "run", {})
    assert history[-1]["val_loss"] == pytest.approx(one["adamw"][-1]["val_loss"], rel=1e-3)
    files = sorted(file.name for file in (tmp_path / "run").glob("*checkpoint.*"))
    assert files == ["checkpoint.safetensors", "previous.checkpoint.safetensors"]  # the parts went with their lists


@pytest.fixture
def process_group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_the_gradients_of_several_parts_are_exchanged_once(process_group):
    model = new_model()
    module = torch.nn.parallel.DistributedDataParallel(ModelWithLoss(model, text_loss))
    exchanges = []

    def count(state, bucket):
        exchanges.append(bucket.index())
        future = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    module.register_comm_hook(None, count)
    optimizer = make_optimizer("adamw", model, 0.1, 0.1)
    update(model, module, optimizer, [text_data().train[n] for n in range(3)], 0.1, settings(), Processes())
    assert exchanges.count(0) == 1


@can_shard
def test_a_sharded_gradient_stays_where_it_is_until_the_last_part(process_group):
    plain, model = new_model(), new_model()
    module = Processes(sharded=True).batch_loss(model, text_loss)
    for n in range(2):
        text_loss(plain, text_data().train[n]).backward()
        with not_yet_averaged(module, more_to_come=n == 0):
            module(text_data().train[n]).backward()
        assert all((parameter.grad is None) == (n == 0) for parameter in module.parameters())
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad.full_tensor(), theirs.grad)


def test_a_pytorch_that_cannot_shard_here_is_refused(monkeypatch):
    monkeypatch.delattr(torch.cpu.Stream, "record_event", raising=False)
    with pytest.raises(ValueError, match="cannot shard a model on the CPU; take a newer one, or --parallel ddp"):
        Processes(sharded=True).batch_loss(new_model(), text_loss)


def test_a_single_process_changes_nothing(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with join_processes(torch.device("cpu"), sharded=True) as mates:
        assert mates == Processes()
        assert mates.is_main
        assert mates.broadcast("as it is") == "as it is"
        with mates.main_first():
            pass
        with pytest.raises(OSError, match="no room"), mates.all_or_none():
            raise OSError("no room")
