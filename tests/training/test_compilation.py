"""Compiled layers take the same steps, and only while they train."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from counting import new_model, settings, text_data

from minillm.device import require_compiler
from minillm.training.compilation import compiled_layers
from minillm.training.loop import Task, train
from minillm.training.pretraining import text_loss
from minillm.training.recompute import recompute_blocks

ROOT = Path(__file__).resolve().parents[2]
RUNS = """
    import json, sys
    import torch
    torch.set_num_threads(1)
    from counting import new_model, settings, text_data
    from minillm.training.pretraining import pretrain

    lines = []
    for compile in (False, True):
        config = settings(steps=6, eval_every=2, learning_rate=0.01, compile=compile)
        lines.append(pretrain(new_model().to(sys.argv[1]), text_data(), config)[1])
    print(json.dumps([lines, torch._dynamo.utils.counters["stats"]["unique_graphs"]]))
"""


@pytest.mark.slow
def test_compiled_steps_are_the_plain_steps(device):
    """In a process without the shape checks of the test run, which the compiler would have to compile too."""
    try:
        require_compiler(device)
    except ValueError as missing:
        pytest.skip(str(missing))
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "training")))
    program = [sys.executable, "-c", textwrap.dedent(RUNS), device.type]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (plain, compiled), graphs = json.loads(done.stdout.splitlines()[-1])
    assert graphs == 1  # the two layers are one to the compiler, and validation with its other shapes is not compiled
    for one, two in zip(compiled, plain, strict=True):
        for name in {"loss", "grad_norm", "val_loss"} & two.keys():
            assert one[name] == pytest.approx(two[name], rel=1e-3)


def test_a_layer_is_compiled_in_training_mode_and_plain_again_afterwards(monkeypatch):
    calls = []

    def compile(forward):
        def compiled(*inputs, **settings):
            calls.append(forward)
            return forward(*inputs, **settings)

        return compiled

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setattr("minillm.training.compilation.require_compiler", lambda device: None)
    model, ids = new_model(), torch.tensor([[1, 2, 3]])
    with compiled_layers(model):
        trained = model.train()(ids)
        assert calls == [block.__class__.forward.__get__(block) for block in model.blocks]
        torch.testing.assert_close(model.eval()(ids), trained)
        assert len(calls) == len(model.blocks)
    model.train()(ids)
    assert len(calls) == len(model.blocks)
    recompute_blocks(model)
    recomputing = [block.forward for block in model.blocks]
    with compiled_layers(model):
        pass
    assert [block.forward for block in model.blocks] == recomputing


def test_a_run_without_a_compiler_says_so_before_its_first_step(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="there is no C\\+\\+ compiler 'no-such-compiler' here; leave compile out"):
        next(train(Task(new_model(), text_data().train, text_loss), settings(compile=True)))
