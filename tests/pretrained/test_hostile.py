"""Damaged checkpoints are refused in a sentence, or load; none crashes, hangs, or takes the memory of the machine."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process has, to limit the rest")
def test_damaged_files_of_every_kind(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    command = [sys.executable, "-X", "faulthandler", "-m", "pretrained.hostile", str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    counts = ast.literal_eval(run.stdout.splitlines()[-1])
    assert counts["refused"] > counts["loaded"] > 50
