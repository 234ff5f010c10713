"""The fast step against the readable one: same logits, same cache, same texts."""

import pytest
import torch
from helpers import lively, small_config
from pretrained.gguf_files import settings_of, small_llama, small_tokenizer, tensors_of, write_gguf

from minillm.config import RopeScaling
from minillm.errors import UserError
from minillm.inference import decode
from minillm.inference.decode import Decoder, decoder
from minillm.inference.generate import generate
from minillm.model import quantized_linear
from minillm.model.transformer import Transformer
from minillm.pretrained import load, quantize


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch):
    monkeypatch.setattr(decode, "unavailable", lambda: "models are decoded by PyTorch, not in C")


def small_quantised(weights="int8", **changes):
    return quantize(lively(Transformer(small_config(**({"d_ff": 64, "norm_eps": 0.1} | changes)))), weights)


@pytest.fixture
def exact(monkeypatch):
    """Products without rounding, so that two forms of one step give equal numbers."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self)
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 0.0)
    monkeypatch.setattr(quantized_linear, "autocast_dtype", lambda device: None)


@pytest.mark.parametrize("weights", ["int8", "int4"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_embeddings": False},
        {"n_kv_heads": 4},
        {"d_head": 16, "n_kv_heads": 1},
        {"rope_scaling": RopeScaling(4.0)},
        {"sliding_window": 3},
        {"sliding_window": 1},
    ],
)
def test_a_step_is_that_of_the_model(exact, weights, changes, as_users_call_it):
    model = small_quantised(weights, **changes)
    ids = torch.randint(0, 50, (3, 9))
    with torch.no_grad():
        slow, fast = (model.new_cache(3) for _ in range(2))
        for cache in (slow, fast):
            model(ids[:, :5], cache)
        step = Decoder(model)
        for columns in ids[:, 5:].split((1, 2, 1), 1):
            torch.testing.assert_close(step(columns, fast), model(columns, slow), rtol=1e-4, atol=1e-4)
        assert fast.length == slow.length
        torch.testing.assert_close(fast.keys, slow.keys, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(fast.values, slow.values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_a_step_of_padded_rows_is_that_of_the_model(exact, weights, window, as_users_call_it):
    """Rows that begin late, and one that has ended and gets padding from then on."""
    model = small_quantised(weights, sliding_window=window)
    ids = torch.randint(0, 50, (3, 9))
    segments = torch.tensor([[1] * 9, [0] * 3 + [1] * 6, [0] * 4 + [1, 1] + [0] * 3])
    with torch.no_grad():
        slow, fast = (model.new_cache(3) for _ in range(2))
        for cache in (slow, fast):
            model(ids[:, :5], cache, segments[:, :5])
        step = Decoder(model)
        for columns, its in zip(ids[:, 5:].split((1, 2, 1), 1), segments[:, 5:].split((1, 2, 1), 1), strict=True):
            expected = model(columns, slow, its)
            torch.testing.assert_close(step(columns, fast, its), expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(fast.segments, slow.segments)
        torch.testing.assert_close(fast.keys, slow.keys, rtol=1e-4, atol=1e-4)


def test_generate_takes_the_fast_step_where_it_fits(monkeypatch):
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 9.0)
    taken = []
    step = Decoder.__call__
    monkeypatch.setattr(Decoder, "__call__", lambda *inputs: taken.append(1) or step(*inputs))
    prompts = torch.randint(0, 50, (2, 4))
    for model, steps in [
        (small_quantised(), 5),
        (small_quantised(position="alibi"), 0),
        (small_quantised(qk_norm=True), 0),
        (small_quantised(activation="gelu", norm="layernorm", bias=True), 0),
        (lively(Transformer(small_config())), 0),
    ]:
        taken.clear()
        texts = generate(model, prompts, 6, temperature=0)
        assert len(taken) == steps
        assert torch.equal(texts, generate(model, prompts, 6, temperature=0, use_cache=False))
    model, unequal = small_quantised(), [[1, 2], [3], [4, 5, 6, 7]]
    taken.clear()
    texts = generate(model, unequal, 6, temperature=0)
    assert len(taken) == 5
    assert texts == generate(model, unequal, 6, temperature=0, use_cache=False)


@pytest.mark.parametrize("number_format", ["Q4_1", "Q8_0"])
def test_native_layers_of_either_format_are_joined(tmp_path, monkeypatch, number_format):
    monkeypatch.setattr(quantized_linear, "packed_speedup", lambda kernel: 9.0)
    tokenizer = small_tokenizer()
    plain = small_llama(tokenizer, norm_eps=0.1)
    path = write_gguf(tmp_path / "a.gguf", settings_of(plain, tokenizer), tensors_of(plain), number_format)
    model, _ = load(path, weights="native")
    ids = torch.arange(6).reshape(2, 3)
    with torch.no_grad():
        slow, fast = (model.new_cache(2) for _ in range(2))
        for cache in (slow, fast):
            model(ids, cache)
        expected = model(ids[:, :1], slow)[:, 0]
        difference = (Decoder(model)(ids[:, :1], fast)[:, 0] - expected).abs().max()
    assert difference < 0.05 * expected.abs().max()  # the two round to bfloat16 at other moments


def test_a_model_that_was_moved_has_no_fast_step(exact, monkeypatch):
    monkeypatch.setattr(
        decode, "fits", lambda model: model.device.type == "cpu"
    )  # whatever this processor's kernels do
    model = small_quantised("int8")
    assert decoder(model) is not None
    assert decoder(model.to("meta")) is None


def test_whether_a_model_fits_is_asked_once(monkeypatch, small_model):
    asked = []
    monkeypatch.setattr(decode, "fits", lambda model: asked.append(model))
    generate(small_model, [1, 2], 6)
    assert asked == [small_model]


def test_a_full_context_is_an_error_until_it_is_extended(exact):
    """With room in the cache; the readable form says the same."""
    model = small_quantised(max_seq_len=6)
    ids, cache = torch.randint(0, 50, (1, 7)), model.new_cache(1, 10)
    with torch.no_grad():
        model(ids[:, :6], cache)
    step, said = Decoder(model), r"the sequence has 7 tokens, this model was built for 6 \(max_seq_len\)"
    for form in (model, step):
        with pytest.raises(UserError, match=said):
            form(ids[:, 6:], cache)
    assert cache.length == 6
    model.extend_context(10)
    with torch.no_grad():
        torch.testing.assert_close(step(ids[:, 6:], cache), model(ids)[:, 6:], rtol=1e-4, atol=1e-4)


def test_a_full_cache_is_an_error():
    model = small_quantised()
    cache = model.new_cache(1, 1)
    Decoder(model)(torch.tensor([[1]]), cache)
    with pytest.raises(ValueError, match="holds 1 of at most 1 positions; 1 more do not fit"):
        Decoder(model)(torch.tensor([[1]]), cache)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("weights", ["native", "int8"])
def test_the_real_model_writes_the_same_text(real_weights, monkeypatch, weights):
    """Or one whose every token is as likely as the best one, up to the rounding of bfloat16, which processors do in
    their own ways."""
    model, tokenizer = load("smollm2-135m-instruct", weights=weights)
    ids = tokenizer.encode("The capital of France is")
    fast = generate(model, ids, 24, temperature=0)
    monkeypatch.setattr(decode, "decoder", lambda model: None)  # the readable step alone
    assert "Paris" in tokenizer.decode(fast)
    for text in (fast, generate(model, ids, 24, temperature=0)):
        with torch.no_grad():
            logits = model(torch.tensor([text]))[0, len(ids) - 1 : -1].float()
        chosen = logits.gather(1, torch.tensor(text[len(ids) :])[:, None])[:, 0]
        assert (logits.amax(1) - chosen).max() <= 0.5  # logits near 30 are 0.25 apart
