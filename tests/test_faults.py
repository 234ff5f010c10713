"""Kills, full disks and wrong clocks: a run and a download go on, and end as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from counting import new_model, settings, text_data
from faults import CONFIG
from tqdm import std

from minillm import Tokenizer, pretrain
from minillm.cli.runs import progress

TESTS = Path(__file__).resolve().parent


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork, and importing torch again takes seconds")
def test_nothing_is_lost_by_kills_and_a_full_disk(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    command = [sys.executable, "-m", "faults", str(tmp_path), "2"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    for name in ("pretraining, killed", "SFT, killed"):
        assert found[name]["alive_then"] == found[name]["same_end"] == 2
        assert found[name]["most_steps_repeated"] <= CONFIG.save_every
    assert found["a download, killed"]["same_end"] == 2
    assert found["a download, killed"]["alive_then"] > 0
    disk = found["a full disk"]
    if disk is None:
        pytest.skip("the kills are survived; this system lets nobody mount a small disk, so it was not filled")
    assert disk["steps_not_saved"] > 0
    assert (disk["lines_in_the_file"], disk["saved_step"], disk["same_end"]) == (CONFIG.steps, CONFIG.steps, True)
    assert "Read-only file system" in disk["read_only"]


@pytest.mark.parametrize("jump", [-3600.0, 86_400.0])
def test_the_clock_on_the_wall_may_be_set(tmp_path, monkeypatch, capsys, jump):
    """An hour back, as where a laptop wakes up and asks the network: nothing in the metrics is of that clock."""
    now, tokenizer, config = [1_000_000.0], Tokenizer.train(["1 2 3"], 258), settings(steps=20)

    def told() -> float:
        now[0] += 0.1
        return now[0]

    monkeypatch.setattr("time.time", told)
    monkeypatch.setattr(std, "time", told)  # the bar's own
    with progress(config, tmp_path, "pretrain") as show:

        def set_the_clock(metrics):
            now[0] += jump if metrics["step"] == 10 else 0.0
            show(metrics)

        _, history = pretrain(new_model(vocab_size=258), text_data(), config, tmp_path, tokenizer, set_the_clock)
    seconds = [line["seconds"] for line in history]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] <= seconds[-1] < 600
    assert all(line["tokens_per_second"] > 0 for line in history)
    assert "step 20/20" in capsys.readouterr().err
