"""The trace against the model's own arithmetic, and against the outputs of transformers."""

import itertools

import pytest
import torch
from helpers import lively, small_config
from transformers import LlamaConfig, LlamaForCausalLM

from minillm.analysis.lens import logit_lens, read_off
from minillm.analysis.tracing import sublayers, trace
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.pretrained.families import LLAMA
from minillm.pretrained.weights import rename

VARIANTS = [
    dict(position=position, causal=causal, **rest)
    for position, causal, rest in itertools.product(
        ("rotary", "learned", "sinusoidal", "alibi", "none"),
        (True, False),
        (
            dict(norm="rmsnorm", activation="swiglu"),
            dict(norm="layernorm", activation="gelu", bias=True, qk_norm=True, tie_embeddings=False, n_kv_heads=4),
        ),
    )
]


def hooks_of(model):
    return [hook for module in model.modules() for hook in module._forward_hooks.values()]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_the_trace_holds_the_values_of_the_forward_pass(variant):
    model, ids = lively(Transformer(small_config(**variant))), torch.randint(0, 50, (2, 7))
    seen = trace(model, ids)
    torch.testing.assert_close(seen.logits, model(ids).detach())
    embedded = (
        model.embedding(ids) if model.position is None else model.embedding(ids) + model.position(torch.arange(7))
    )
    torch.testing.assert_close(seen.stream[0], embedded.detach())
    assert len(seen.stream) == model.config.n_layers + 1
    torch.testing.assert_close(seen.stream[:-1] + seen.attention + seen.feedforward, seen.stream[1:])
    torch.testing.assert_close(model.head(model.final_norm(seen.stream[-1])), model(ids))
    for layer, block in enumerate(model.blocks):
        middle = seen.stream[layer] + seen.attention[layer]
        torch.testing.assert_close(block.feedforward(block.feedforward_norm(middle)).detach(), seen.feedforward[layer])
    assert not seen.logits.requires_grad


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_the_weights_reproduce_the_attention_outputs(variant):
    """The weighted means of the values, projected back, are the output of each attention layer."""
    model, ids = lively(Transformer(small_config(**variant))), torch.randint(0, 50, (2, 7))
    seen = trace(model, ids)
    torch.testing.assert_close(seen.weights.sum(-1), torch.ones(2, 2, 4, 7))
    if variant["causal"]:
        assert (seen.weights.triu(1) == 0).all()
    with torch.no_grad():
        for layer, block in enumerate(model.blocks):
            attention = block.attention
            value = attention.value(block.attention_norm(seen.stream[layer])).unflatten(-1, (-1, attention.d_head))
            value = value.transpose(1, 2).repeat_interleave(4 // value.shape[2], dim=1)
            output = attention.output((seen.weights[layer] @ value).transpose(1, 2).flatten(2))
            torch.testing.assert_close(output, seen.attention[layer], atol=1e-4, rtol=1e-4)


def test_stream_and_weights_are_those_of_transformers():
    config = small_config()
    model, ids = lively(Transformer(config)), torch.randint(0, 50, (2, 9))
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50, hidden_size=32, intermediate_size=config.d_ff, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=config.norm_eps, tie_word_embeddings=True, attn_implementation="eager",
        )
    ).eval()  # fmt: skip
    weights = {rename(name, LLAMA): tensor for name, tensor in model.named_parameters()}
    theirs.load_state_dict(weights | {"lm_head.weight": model.head.weight})
    seen = trace(model, ids)
    with torch.no_grad():
        answer = theirs(ids, output_hidden_states=True, output_attentions=True)
    torch.testing.assert_close(torch.stack(answer.attentions), seen.weights, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.stack(answer.hidden_states[:-1]), seen.stream[:-1], atol=1e-4, rtol=1e-4)
    # Their last hidden state is already normalized.
    torch.testing.assert_close(answer.hidden_states[-1], model.final_norm(seen.stream[-1]).detach())


def test_weights_can_be_left_out(small_model):
    ids = torch.randint(0, 50, (1, 5))
    short, full = trace(small_model, ids, weights=False), trace(small_model, ids)
    assert short.weights is None
    torch.testing.assert_close(short.stream, full.stream)


def test_hooks_are_removed_even_after_an_error(small_model):
    trace(small_model, torch.tensor([[1, 2]]))
    with pytest.raises(UserError, match="token id 50 is outside"):
        trace(small_model, torch.tensor([[50]]))
    with pytest.raises(ValueError, match="the sequence is empty"):
        logit_lens(small_model, torch.zeros(1, 0, dtype=torch.long))
    assert not hooks_of(small_model)


@pytest.mark.parametrize("variant", VARIANTS[:4], ids=str)
def test_the_last_row_of_the_lens_holds_the_models_logits(variant):
    model, ids = lively(Transformer(small_config(**variant))), torch.randint(0, 50, (2, 7))
    lens = logit_lens(model, ids)
    assert lens.shape == (3, 2, 7, 50)
    torch.testing.assert_close(lens[-1], model(ids).detach())


def test_the_lens_equals_a_model_with_fewer_blocks():
    """After block 1 its logits are those of a one-block model with the same weights."""
    model, short = lively(Transformer(small_config())), Transformer(small_config(n_layers=1))
    short.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("blocks.1.")})
    ids = torch.randint(0, 50, (2, 7))
    torch.testing.assert_close(logit_lens(model, ids)[1], short(ids).detach())
    torch.testing.assert_close(read_off(model, trace(model, ids).stream[1, :, -1]), short(ids)[:, -1].detach())


def test_sublayers_are_in_order_of_computation(small_model):
    assert list(sublayers(small_model)) == [(0, "attention"), (0, "feedforward"), (1, "attention"), (1, "feedforward")]
    assert sublayers(small_model)[1, "feedforward"] is small_model.blocks[1].feedforward
