"""The sketch says the model's own numbers, and the logit lens what each layer would say."""

import pytest
import torch

from minillm.config import PRESETS, ModelConfig
from minillm.viz import figures

SIZES = ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_ff")
KINDS = ("norm", "activation", "position")


def sketch(config):
    return figures.model_sketch(**{name: getattr(config, name) for name in (*SIZES, *KINDS)})


@pytest.mark.parametrize("preset", PRESETS)
def test_the_sketch_names_every_size_of_the_model(preset):
    config = ModelConfig.preset(preset)
    said = " ".join(text.get_text() for text in sketch(config).axes[0].texts)
    for name in SIZES:
        assert f"{getattr(config, name):,}" in said, name
    assert said.count(config.norm) == 3
    assert ("plus learned positions" in said) == (config.position == "learned")
    assert ("RoPE" in said) == (config.position == "rotary")
    assert ("key/value heads" in said) == (config.n_kv_heads != config.n_heads)


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="F is 0; every size of a model is at least 1"):
        figures.model_sketch(vocab_size=2, d_model=2, n_layers=1, n_heads=1, n_kv_heads=1, d_head=2, d_ff=0)


def test_the_lens_writes_each_token_where_it_belongs_the_first_layer_at_the_bottom():
    shares = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 1.0]])
    tokens = [[" a", "b"], ["\n", "$"], ["antidisestablishmentarianism" * 3, "语"]]
    axes = figures.logit_lens(tokens, shares, ["The", " cat"], layers=["0", "10", "29"]).axes[0]
    assert axes.images[0].get_array().tolist() == shares.double().tolist()
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts[0, 0] == "␣a"
    assert texts[1, 1] == "$"
    assert texts[0, 2].endswith("…"), "what does not fit is cut, and says so"
    assert texts[1, 2] == "\\u8bed"
    assert not axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "10", "29"]


def test_logit_lens_refuses_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"1 layers of \[2\] tokens, 1 positions .* do not match; all must be \(L, T\)"
    ):
        figures.logit_lens([["a", "b"]], [[0.1, 0.2]], ["The"])
    with pytest.raises(ValueError, match="is not a probability; apply softmax first"):
        figures.logit_lens([["a"]], [[3.0]], ["The"])
