"""Which form computes new tokens: the C step by default, never with stale weights, and not where more is going on."""

import gc
import weakref
from contextlib import suppress

import pytest
import torch
from inference.test_native import small_cache, small_packed
from torch import nn

from minillm.inference import decode
from minillm.inference.decode import Decoder, decoder, install, next_logits
from minillm.inference.generate import generate
from minillm.inference.native import NativeStep, unavailable
from minillm.inference.snapshot import Snapshot
from minillm.model.quantized_linear import Int4Linear
from minillm.model.transformer import Transformer
from minillm.posttraining.lora import LoRALinear


@pytest.fixture
def _native():
    if reason := unavailable():
        pytest.skip(reason)


pytestmark = pytest.mark.usefixtures("_native")


@pytest.mark.parametrize("weights", ["int4", "int8", "bfloat16"])
def test_a_model_that_fits_is_decoded_in_c_without_a_flag(weights, monkeypatch):
    model, calls, real = small_packed(weights), [], NativeStep.__call__
    monkeypatch.setattr(NativeStep, "__call__", lambda *inputs: calls.append(1) or real(*inputs))
    before = torch.get_rng_state()
    assert len(generate(model, [1, 2, 3], 5, temperature=0)) == 8
    assert len(calls) == 5  # the prompt and four tokens
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(decoder(model), NativeStep)


def test_a_model_in_float32_is_not_and_nothing_is_compiled_for_it(monkeypatch, tmp_path):
    monkeypatch.setattr(decode, "unavailable", lambda: pytest.fail("asked for the library"))
    model = small_packed("float32")
    assert decoder(model) is None
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    with decode.in_float32(model):
        assert decoder(model) is None


def test_a_small_model_in_float32_is_within_a_block(monkeypatch):
    model = small_packed("float32")
    with decode.in_float32(model):
        assert isinstance(decoder(model), NativeStep)
    assert decoder(model) is None
    monkeypatch.setattr(decode, "MOST_COPIED", 1000)
    with decode.in_float32(model):
        assert decoder(model) is None


@pytest.mark.parametrize("fused", [True, False])
def test_weights_that_an_optimizer_changed_count_in_the_next_block(fused):
    """A fused optimizer writes to weights without counting it in `_version`."""
    model, ids = small_packed("float32"), torch.tensor([[1, 2, 3]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
    for _ in range(2):
        model(ids).logsumexp(-1).sum().backward()
        optimizer.step()
        with torch.no_grad(), decode.in_float32(model):
            expected = model(ids)
            torch.testing.assert_close(logits_of(model), expected, rtol=1e-4, atol=1e-4)


def logits_of(model: Transformer) -> torch.Tensor:
    return next_logits(model, torch.tensor([[1, 2, 3]]), model.new_cache())


def double_a_scale(model):
    with torch.no_grad():
        model.blocks[0].feedforward.down.scale.mul_(2)


def replace_a_layer(model):
    """By one that may get the memory, the size and the count of changes of the old one."""
    layer = nn.Linear(96, 32, bias=False)
    model.blocks[0].feedforward.down = None
    model.blocks[0].feedforward.down = Int4Linear.from_linear(layer)


def replace_a_parameter(model):
    model.final_norm.weight = nn.Parameter(torch.full((32,), 3.0))


def replace_the_data(model):
    model.final_norm.weight.data = torch.full((32,), 3.0)


def load_other_weights(model):
    other = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other["blocks.1.attention_norm.weight"] *= -1
    model.load_state_dict(other)


def change_the_embedding(model):
    with torch.no_grad():
        model.embedding.table.scale.mul_(2)  # tied: the head changes, too


@pytest.mark.parametrize("made_by", [NativeStep, Decoder], ids=lambda form: form.__name__)
@pytest.mark.parametrize(
    "change",
    [double_a_scale, replace_a_layer, replace_a_parameter, replace_the_data, load_other_weights, change_the_embedding],
)
def test_stale_weights_are_never_used(change, made_by):
    """Oracle: a step made after the change."""
    model = small_packed("int4")
    install(model, made_by(model))
    step, before = decoder(model), logits_of(model)
    change(model)
    after = logits_of(model)
    assert decoder(model) is not step
    assert not torch.equal(after, before)
    assert torch.equal(after, NativeStep(model)(torch.tensor([[1, 2, 3]]), small_cache(model, 1)))


def test_generate_looks_at_the_weights_once_and_at_those_of_now(monkeypatch):
    model, looked, real = small_packed("int4"), [], Snapshot.holds
    decoder(model)
    monkeypatch.setattr(Snapshot, "holds", lambda snapshot: looked.append(1) or real(snapshot))
    before = generate(model, [[1, 2], [3, 4]], 6, temperature=0)
    assert len(looked) == 1
    with torch.no_grad():
        model.final_norm.weight.neg_()
    after = generate(model, [[1, 2], [3, 4]], 6, temperature=0)
    assert after != before
    install(model, NativeStep(model))
    assert generate(model, [[1, 2], [3, 4]], 6, temperature=0) == after


def test_a_steady_block_ends_with_an_error_and_is_of_one_model():
    model, other = small_packed("int4"), small_packed("int4")
    with suppress(KeyboardInterrupt), decode.steady(model):
        step = decoder(model)
        double_a_scale(model)
        assert decoder(model) is step
        assert decoder(other) is not step
        with decode.steady(other):
            pass
        assert decoder(model) is step
        raise KeyboardInterrupt
    assert decoder(model) is not step


def test_weights_that_change_in_the_middle_of_a_text_count_from_there_on():
    model, cache = small_packed("int4"), small_cache(small_packed("int4"), 1)
    next_logits(model, torch.tensor([[1, 2]]), cache)
    double_a_scale(model)
    fresh, copy = NativeStep(model), small_cache(model, 1)
    copy.keys.copy_(cache.keys)
    copy.values.copy_(cache.values)
    copy.length = 2
    assert torch.equal(next_logits(model, torch.tensor([[3]]), cache), fresh(torch.tensor([[3]]), copy))


def test_an_unchanged_model_keeps_its_step():
    model = small_packed("int4")
    step = decoder(model)
    with torch.no_grad():
        model(torch.tensor([[1, 2]]))  # the readable form keeps unpacked weights
    model.extend_context(100)
    assert decoder(model) is step


def test_hooks_are_called_and_the_step_is_used_again_without_them():
    model, calls = small_packed("int4"), []
    generate(model, [1, 2, 3], 2, temperature=0)
    hooks = [
        model.blocks[1].register_forward_hook(lambda *_: calls.append("after")),
        model.blocks[0].attention.query.register_forward_pre_hook(lambda *_: calls.append("before")),
    ]
    generate(model, [1, 2, 3], 2, temperature=0)
    assert calls == ["before", "after"] * 2
    for hook in hooks:
        hook.remove()
    assert isinstance(decoder(model), NativeStep)
    model.blocks[0].forward = lambda x, **_: calls.append("mine") or x
    generate(model, [1, 2, 3], 2, temperature=0)
    assert calls[4:] == ["mine"] * 2
    del model.blocks[0].forward
    assert isinstance(decoder(model), NativeStep)


def test_a_model_in_training_is_computed_by_itself_and_gradients_flow():
    model = small_packed("bfloat16")
    assert isinstance(decoder(model), NativeStep)
    assert decoder(model.train()) is None
    assert decoder(model.eval()) is not None
    model(torch.tensor([[1, 2, 3]])).float().sum().backward()  # the model itself never takes the step
    assert model.final_norm.weight.grad is not None


@pytest.mark.parametrize("part", ["blocks.0.attention.query", "blocks.1.feedforward.up"])
def test_a_model_with_lora_is_computed_with_it(part):
    model = small_packed("bfloat16")
    before = logits_of(model)
    layer = LoRALinear(model.get_submodule(part), rank=2, alpha=4)
    nn.init.normal_(layer.lora_B)
    model.set_submodule(part, layer)
    assert decoder(model) is None
    assert (logits_of(model) - before).abs().max() > 0.1


def test_parts_of_other_classes_are_computed_by_themselves():
    class Doubled(Int4Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model = small_packed("int4")
    model.blocks[0].feedforward.down.__class__ = Doubled
    assert not isinstance(decoder(model), NativeStep)


def test_weights_whose_changes_torch_does_not_count_are_never_copied():
    with torch.inference_mode():
        model = small_packed("int8")
    assert decoder(model) is None
    assert len(generate(model, [1, 2, 3], 3)) == 6


def test_a_model_that_moves_away_has_no_step():
    model = small_packed("int8")
    assert decoder(model) is not None
    assert decoder(model.to("meta")) is None


def test_a_model_is_freed_with_its_step():
    model = small_packed("int4")
    generate(model, [1, 2, 3], 3)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_two_models_have_a_step_each():
    first, second = small_packed("int4"), small_packed("int8")
    alone = [generate(model, [1, 2, 3], 9, temperature=0) for model in (first, second)]
    again = [generate(model, [1, 2, 3], 9, temperature=0) for model in (second, first, second, first)]
    assert again == [alone[1], alone[0]] * 2


def test_a_snapshot_keeps_replaced_weights_alive_until_it_is_asked():
    """Else a new tensor could get the old one's address and pass for it."""
    layer = nn.Linear(4, 4, bias=False)
    before = Snapshot(layer)
    for _ in range(100):
        layer.weight.data = torch.zeros(4, 4)
        assert not before.holds()
