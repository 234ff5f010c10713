"""torch.export, torch.compile without graph breaks, and per-sample gradients by torch.func, against plain calls."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
    import sys, warnings
    import torch
    from torch.func import functional_call, grad, vmap
    from torch.nn.functional import cross_entropy
    from minillm import ModelConfig, Transformer

    warnings.simplefilter("ignore")  # torch's own, of deprecated parts that it imports
    torch.set_num_threads(1)
    torch.manual_seed(0)
    kinds = {
        "rotary": dict(n_kv_heads=2, sliding_window=4),
        "alibi": dict(position="alibi"),
        "gpt2": dict(position="learned", norm="layernorm", activation="gelu", bias=True),
    }
    model = Transformer(ModelConfig(40, d_model=16, n_layers=2, n_heads=4, max_seq_len=32, **kinds[sys.argv[1]]))
    ids, segments = torch.randint(0, 40, (2, 9)), torch.tensor([[0, 1, 1, 1, 2, 2, 2, 2, 0], [1] * 9])
    close = lambda found, expected: torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)

    sizes = {0: torch.export.Dim("B", min=2, max=8), 1: torch.export.Dim("T", min=5, max=32)}
    for shapes in (None, (sizes,)):
        exported = torch.export.export(model, (ids,), dynamic_shapes=shapes).module()
        close(exported(ids), model(ids))
    close(exported(ids[:, :6].repeat(2, 1)), model(ids[:, :6].repeat(2, 1)))

    compiled = torch.compile(model, fullgraph=True, backend="eager")
    close(compiled(ids), model(ids))
    close(compiled(ids, segments=segments), model(ids, segments=segments))

    def loss(parameters, row):
        return cross_entropy(functional_call(model, parameters, (row[None, :-1],))[0], row[1:])

    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    found = vmap(grad(loss), in_dims=(None, 0))(parameters, ids)
    for row in range(2):
        model.zero_grad()
        cross_entropy(model(ids[row : row + 1, :-1])[0], ids[row, 1:]).backward()
        for name, parameter in model.named_parameters():
            close(found[name][row], parameter.grad)
        assert model.head.weight.grad.abs().max() > 1e-3

    try:  # plain calls are checked as before
        model(ids + 40)
    except IndexError:
        print("equal")
"""


@pytest.mark.parametrize(
    "kind", ["rotary", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("alibi", "gpt2"))]
)
def test_what_transforms_a_model_gives_the_same(kind):
    """In a process without the shape checks of the test run, which the compiler would have to trace too."""
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), kind]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["equal"]
