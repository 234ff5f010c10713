"""Two processes take the same steps as one, and a job whose process dies goes on from its checkpoint.

Real jobs under `torchrun`, with Gloo, on the counting task of test_loop.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from minillm.training.distributed import Team, join_team

ROOT = Path(__file__).resolve().parents[2]
JOB = """
import json, os, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from test_loop import new_model, settings, text_data
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import attempt, join_team
from minillm.training.run import pretrain

out, changes = Path(sys.argv[1]), json.loads(sys.argv[2])
dies_at, device = changes.pop("dies_at", None), changes.pop("device", "cpu")
tokenizer = Tokenizer.train(["1 2 3"], 258)

def show(metrics):
    if metrics["step"] == dies_at and attempt() == 0:
        os._exit(3)

with join_team(torch.device(device)) as mates:
    model = new_model(vocab_size=258).to(mates.device)
    _, history = pretrain(model, text_data(), settings(**changes), out, tokenizer, show, team=mates)
    digest = sum(parameter.double().sum().item() for parameter in model.parameters())
    (out / f"rank{mates.rank}.json").write_text(json.dumps([mates.size, digest, history]))
"""


def job(folder, processes, restarts=0, launched=False, **changes):
    """Run the job, under torchrun where there are several processes or it is to be `launched` all the same.

    Returns what each process wrote: how many there were, a digest of its weights, its history.
    """
    folder.mkdir()
    program = folder / "job.py"
    program.write_text(JOB, encoding="utf-8")
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "training")))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    launcher += ["--max-restarts", str(restarts), "--master-port", "0", "--log-dir", str(folder / "logs")]
    launcher += ["--redirects", "3", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command = launcher if processes > 1 or launched else [sys.executable]
    command = [*command, str(program), str(folder), json.dumps(changes)]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    logs = "".join(path.read_text() for path in sorted(folder.glob("logs/**/std*.log")))
    assert done.returncode == 0, (done.stderr + logs)[-4000:]
    return [json.loads(path.read_text()) for path in sorted(folder.glob("rank*.json"))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return job(tmp_path_factory.mktemp("alone") / "run", 1)[0]


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon"}, {"accumulate": 2, "steps": 30}])
def test_two_processes_learn_what_one_learns(tmp_path, changes):
    (_, _, expected), *_ = job(tmp_path / "one", 1, **changes)
    one, other = job(tmp_path / "two", 2, **changes)
    assert one[0] == other[0] == 2
    assert one[1] == other[1]  # both hold the same weights, to the last bit
    for ours, theirs in zip(one[2], expected, strict=True):
        assert ours["tokens"] == theirs["tokens"]
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
    assert one[2][-1]["val_loss"] == pytest.approx(expected[-1]["val_loss"], rel=1e-3)
    assert [line["loss"] for line in one[2]] == [line["loss"] for line in other[2]]  # of the whole batch, not a share


def test_a_job_whose_process_dies_starts_again_from_its_checkpoint(tmp_path, alone):
    one, _other = job(tmp_path / "two", 2, restarts=1, dies_at=33)
    lines = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 61))
    assert one[2][-1]["val_loss"] == pytest.approx(alone[2][-1]["val_loss"], rel=1e-3)


def test_a_run_of_two_processes_can_be_gone_on_with_by_one(tmp_path, alone):
    job(tmp_path / "run", 2, steps=60)
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    assert checkpoint.exists()
    from minillm import load

    model, _tokenizer = load(tmp_path / "run")
    digest = sum(parameter.double().sum().item() for parameter in model.parameters())
    assert digest == pytest.approx(alone[1], rel=1e-2)


def test_a_team_of_one_changes_nothing(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with join_team(torch.device("cpu")) as mates:
        assert mates == Team()
        assert mates.leads
        assert mates.agreed("as it is") == "as it is"
        with mates.leader_first():
            pass
