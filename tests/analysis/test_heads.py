"""Single heads: their outputs against the definition, their ablation against zeroed weights."""

import pytest
import torch

from minillm.analysis.heads import ablate_heads, head_outputs, projected, reading
from minillm.analysis.surgery import prompt_ids
from minillm.analysis.tracing import trace
from minillm.config import ModelConfig
from minillm.errors import UserError
from minillm.model.attention import attention_weights, causal_mask
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer

IDS = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])


@pytest.mark.usefixtures("as_users_call_it")
def test_the_outputs_are_weights_times_values(small_model):
    outputs, seen = head_outputs(small_model, IDS), trace(small_model, IDS)
    config = small_model.config
    assert outputs.shape == (config.n_layers, 2, config.n_heads, 4, config.d_model // config.n_heads)
    for layer, block in enumerate(small_model.blocks):
        joined = outputs[layer].transpose(1, 2).flatten(2)
        torch.testing.assert_close(block.attention.output(joined), seen.attention[layer])


@pytest.mark.parametrize("layer", [0, 1])
def test_ablating_to_zero_equals_zero_columns_of_the_output_matrix(small_model, layer):
    D = small_model.config.d_model // small_model.config.n_heads
    intact = small_model(IDS)
    with ablate_heads(small_model, {(layer, 1): torch.zeros(D), (layer, 0): torch.zeros(D)}):
        ablated = small_model(IDS)
    torch.testing.assert_close(small_model(IDS), intact)  # the hooks are gone
    small_model.blocks[layer].attention.output.weight.data[:, : 2 * D] = 0
    torch.testing.assert_close(ablated, small_model(IDS))
    assert not torch.allclose(ablated, intact)


def test_heads_of_two_layers_are_replaced_at_every_position(small_model):
    D = small_model.config.d_model // small_model.config.n_heads
    vectors = {(0, 1): torch.arange(D).float(), (1, 0): -torch.ones(D)}
    intact = head_outputs(small_model, IDS)
    with ablate_heads(small_model, vectors):
        outputs = head_outputs(small_model, IDS)
    for (layer, head), vector in vectors.items():
        assert torch.equal(outputs[layer, :, head], vector.expand(2, 4, D))
    assert torch.equal(outputs[0, :, 0], intact[0, :, 0])  # its neighbor is left alone


@pytest.mark.parametrize(
    ("head", "width", "said"),
    [
        ((2, 0), 8, r"there is no head \(2, 0\); layers are 0 to 1, heads 0 to"),
        ((0, -1), 8, r"there is no head \(0, -1\)"),
        ((1, 0), 3, r"the vector for head \(1, 0\) has shape \(3,\); it must be \("),
    ],
)
def test_a_head_that_is_not_there_is_answered(small_model, head, width, said):
    with pytest.raises(UserError, match=said), ablate_heads(small_model, {head: torch.zeros(width)}):
        pass


def test_projected_queries_and_keys_give_the_traced_weights(small_model):
    seen = trace(small_model, IDS)
    for layer in range(len(small_model.blocks)):
        query, key, value = projected(small_model, seen, layer)
        weights = attention_weights(query[None], key[None], causal_mask(4, 4))
        torch.testing.assert_close(weights[0], seen.weights[layer, 0])
        assert value.shape == key.shape


def test_a_layer_that_is_not_there_and_a_model_without_rotation_are_named(small_model):
    seen = trace(small_model, IDS)
    with pytest.raises(UserError, match="there is no layer 7; this model's are 0 to "):
        projected(small_model, seen, 7)
    model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=1, n_heads=2, max_seq_len=8, position="learned"))
    with pytest.raises(UserError, match="this model has position='learned'"):
        projected(model, trace(model, IDS), 0)


def test_reading_is_the_weight_of_the_last_word_on_the_place():
    tokenizer = Tokenizer.train(["the river has a bank and the tree has a branch"] * 3, vocab_size=280)
    torch.manual_seed(0)
    model = Transformer(ModelConfig(vocab_size=280, d_model=16, n_layers=2, n_heads=4, max_seq_len=64))
    places, words = ["river", "tree"], ["bank", "umbrella", "branch"]
    found = reading(model, tokenizer, "the {} has a {}", places, words)
    for i, place in enumerate(places):
        position = len(prompt_ids(tokenizer, f"the {place}")) - 1
        for j, word in enumerate(words):
            ids = torch.tensor([prompt_ids(tokenizer, f"the {place} has a {word}")])
            torch.testing.assert_close(found[:, :, i, j], trace(model, ids).weights[:, 0, :, -1, position])
    with pytest.raises(UserError, match="must have a gap for a place and end with one for a word"):
        reading(model, tokenizer, "the {} has a bank", places, words)
