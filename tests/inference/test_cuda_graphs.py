"""The step that a card records against the readable one: same logits, same cache, whatever the position."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from helpers import lively, small_config
from torch.fx.experimental.proxy_tensor import make_fx

from minillm.config import RopeScaling
from minillm.device import require_compiler
from minillm.inference import generate as generation
from minillm.inference.cuda_graphs import GraphedDecoder, static_step
from minillm.inference.sampling import Sampling
from minillm.model.kv_cache import KVCache
from minillm.model.transformer import Transformer
from minillm.pretrained import quantize

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {
    "rotary": {},
    "rotary, stretched": {"rope_scaling": RopeScaling(4.0)},
    "learned": {"position": "learned", "norm": "layernorm", "activation": "gelu", "bias": True},
    "sinusoidal": {"position": "sinusoidal"},
    "alibi": {"position": "alibi"},
    "alibi, 6 heads": {"position": "alibi", "n_heads": 6, "d_head": 8, "n_kv_heads": 3},
    "none": {"position": "none", "qk_norm": True},
    "rotary, with a window": {"sliding_window": 3},
    "alibi, with a window": {"position": "alibi", "sliding_window": 3},
}


@pytest.fixture(params=SHAPES)
def model(request) -> Transformer:
    return lively(Transformer(small_config(**SHAPES[request.param])))


def filled(model: Transformer, ids: torch.Tensor, room: int | None = None) -> KVCache:
    """A cache that has read some tokens, with room for as many as the context holds, or for `room`."""
    cache = model.new_cache(len(ids), room)
    with torch.no_grad():
        model(ids, cache)
    return cache


@torch.no_grad()
def compare(model: Transformer, ids: torch.Tensor, start: int, step: GraphedDecoder, **close: float) -> None:
    """The columns of `ids` after the first `start`, one by one, by both forms."""
    slow, fast = (filled(model, ids[:, :start]) for _ in range(2))
    for column in ids[:, start:].unbind(1):
        torch.testing.assert_close(step(column, fast), model(column.unsqueeze(1), slow)[:, 0], **close)
    assert fast.length == slow.length == ids.shape[1]
    torch.testing.assert_close(fast.keys, slow.keys, **close)
    torch.testing.assert_close(fast.values, slow.values, **close)


def test_a_step_is_that_of_the_model(model, device):
    model = model.to(device)
    ids, step = torch.randint(0, 50, (3, 24), device=device), GraphedDecoder(model)
    compare(model, ids[:, :9], 5, step, rtol=1e-4, atol=1e-4)
    compare(model, ids, 20, step, rtol=1e-4, atol=1e-4)  # another cache, and to the end of the context
    compare(model, ids[:1, :4], 1, step, rtol=1e-4, atol=1e-4)  # and another batch


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantised_layers_take_the_step_too(device, weights):
    model = quantize(lively(Transformer(small_config(d_ff=64, norm_eps=0.1))), weights).to(device)
    compare(model, torch.randint(0, 50, (2, 9), device=device), 5, GraphedDecoder(model), rtol=0.05, atol=0.05)


def test_what_a_cache_forgot_is_not_seen(device, small_model):
    """Rows after its length hold old numbers; after `truncate`, another text must not see them."""
    model = small_model.to(device)
    one, other = torch.randint(0, 50, (2, 1, 9), device=device)
    cache, step = filled(model, one), GraphedDecoder(model)
    step(one[:, 0], cache)
    cache.truncate(0)
    for column in other.unbind(1):
        logits = step(column, cache)
    torch.testing.assert_close(logits, model(other)[:, -1], rtol=1e-4, atol=1e-4)


def test_logits_stay_as_they_were_given(device, small_model):
    model = small_model.to(device)
    cache, step = model.new_cache(), GraphedDecoder(model)
    first = step(torch.tensor([3], device=device), cache)
    kept = first.clone()
    step(torch.tensor([4], device=device), cache)
    assert torch.equal(first, kept)


@pytest.mark.parametrize("copies", [None, [0, 0, 1, 1, 1]])
def test_the_loop_of_generate_takes_it_for_its_fast_step(monkeypatch, device, model, copies):
    step, taken = GraphedDecoder(model.to(device)), []
    picked = None if copies is None else torch.tensor(copies, device=device)

    def tokens() -> list[list[int]]:
        prompts = torch.arange(8, device=device).reshape(2, 4)
        steps = generation.continuations(model, prompts, None, 9, Sampling(temperature=0), copies=picked)
        return [chosen.tolist() for chosen, _ in steps]

    def graphed(_, ids: torch.Tensor, cache: KVCache, segments: None) -> torch.Tensor:
        taken.append(cache.length)
        return step(ids[:, 0], cache).unsqueeze(1)

    expected = tokens()
    monkeypatch.setattr(generation, "next_logits", graphed)
    assert tokens() == expected
    assert taken == list(range(4, 12))


def test_operations_recorded_at_one_position_are_right_at_another(as_users_call_it, model):
    """What a CUDA graph does, without a card: the same operations on the same tensors, and no Python between them."""
    ids = torch.randint(0, 50, (2, 9))
    cache, expected = filled(model, ids[:, :4]), model(ids)
    with torch.no_grad():
        inputs = model.embedding(ids[:, 4:5]), torch.tensor([4]), cache.keys, cache.values
        recorded = make_fx(lambda *inputs: static_step(model, *inputs))(*inputs)
        for place in range(4, 9):
            logits = recorded(model.embedding(ids[:, place, None]), torch.tensor([place]), cache.keys, cache.values)
            torch.testing.assert_close(logits, expected[:, place], rtol=1e-4, atol=1e-4)


COMPILED = """
    import json, sys
    import torch
    torch.set_num_threads(1)
    from helpers import lively, small_config
    from minillm.inference.cuda_graphs import static_step
    from minillm.model.transformer import Transformer

    torch.manual_seed(0)
    device, model = sys.argv[1], lively(Transformer(small_config(n_layers=1))).to(sys.argv[1])
    ids = torch.randint(0, 50, (2, 9), device=device)
    step, cache, differences = torch.compile(static_step, fullgraph=True), model.new_cache(2), []
    with torch.no_grad():
        expected = model(ids)
        for place in range(9):
            x, position = model.embedding(ids[:, place, None]), torch.tensor([place], device=device)
            logits = step(model, x, position, cache.keys, cache.values)
            differences.append((logits - expected[:, place]).abs().max().item())
    print(json.dumps([max(differences), torch._dynamo.utils.counters["stats"]["unique_graphs"]]))
"""


def test_the_compiled_step_is_compiled_once_and_right(device):
    """In a process without the shape checks of the test run, which the compiler would have to compile too."""
    try:
        require_compiler(device)
    except ValueError as missing:
        pytest.skip(str(missing))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    program = [sys.executable, "-c", textwrap.dedent(COMPILED), device.type]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    difference, graphs = json.loads(done.stdout.splitlines()[-1])
    assert graphs == 1  # a position that Python knew would make one for each
    assert difference < 1e-3


def test_a_full_cache_a_full_context_and_padding_are_errors(small_model):
    step, token = GraphedDecoder(small_model), torch.tensor([1])
    with pytest.raises(ValueError, match="has room for 1; 1 more do not fit"):
        step(token, filled(small_model, token[None], 1))
    with pytest.raises(ValueError, match="has 25 tokens, this model was built for 24"):
        step(token, filled(small_model, token.expand(1, 24), 30))
    padded = small_model.new_cache(2)
    small_model(torch.tensor([[1, 1], [2, 3]]), padded, torch.tensor([[0, 1], [1, 1]]))
    with pytest.raises(ValueError, match="holds padding or several texts in a row; call the model itself"):
        step(torch.tensor([1, 1]), padded)
    with pytest.raises(IndexError, match="token id 50 is outside"):
        step(torch.tensor([50]), small_model.new_cache())
    blind = lively(Transformer(small_config(causal=False)))
    with pytest.raises(ValueError, match="causal=False cannot use a KV cache"):
        GraphedDecoder(blind)(token, filled(blind, token[None]))
