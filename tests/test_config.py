import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.config import PRESETS, ModelConfig, RopeScaling

SHAPE = dict(vocab_size=50, d_model=32, n_layers=2, n_heads=4, max_seq_len=16)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vocab_size": 0}, "vocab_size is 0; it must be a whole number"),
        ({"n_layers": 2.5}, "n_layers is 2.5"),
        ({"n_layers": True}, "n_layers is True"),
        ({"d_ff": -1}, "d_ff is -1"),
        ({"n_heads": 5}, r"d_model \(32\) is not a multiple of n_heads \(5\)"),
        ({"n_kv_heads": 3}, r"n_heads \(4\) must be a multiple of n_kv_heads \(3\)"),
        ({"n_kv_heads": 0}, "n_kv_heads is 0"),
        ({"d_head": 7}, r"d_head \(7\) must be even"),
        ({"position": "sinusoidal", "d_model": 33, "n_heads": 3}, r"d_model \(33\) must be even"),
        ({"norm": "batchnorm"}, "norm is 'batchnorm'; choose one of rmsnorm, layernorm"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"position": "alibi2"}, "position is 'alibi2'"),
        ({"norm_eps": 0}, "norm_eps is 0"),
        ({"rope_theta": float("nan")}, "rope_theta is nan"),
        ({"rope_theta": float("inf")}, "rope_theta is inf"),
        ({"bias": "key"}, "bias is 'key'; choose one of True, False, 'qkv', 'attention'"),
        ({"bias": 1.5}, "bias is 1.5"),
        ({"rope_scaling": RopeScaling(2.0), "position": "none"}, 'rope_scaling stretches .* position="none"'),
    ],
)
@pytest.mark.usefixtures("as_users_call_it")
def test_refuses_a_shape_that_cannot_be_built(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        ModelConfig(**{**SHAPE, **changes})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"factor": 0}, "the factor of rope_scaling is 0; it must be positive"),
        ({"factor": float("nan")}, "rope_scaling is nan"),
        ({"factor": 2, "original_max_seq_len": 0}, "original_max_seq_len is 0"),
        (
            {"factor": 2, "low_freq_factor": 4},
            "low_freq_factor is 4 and high_freq_factor 4.0; the first must be positive",
        ),
        ({"factor": 2, "low_freq_factor": -1}, "low_freq_factor is -1"),
        ({"factor": "much"}, "incomplete or mistyped"),
        ({}, "incomplete or mistyped"),
        ([2], "incomplete or mistyped"),
    ],
)
@pytest.mark.usefixtures("as_users_call_it")
def test_refuses_a_scaling_that_cannot_be_applied(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        ModelConfig.from_dict({**SHAPE, "rope_scaling": values})


def test_a_scaling_survives_its_dictionary_and_no_scaling_leaves_no_trace():
    config = ModelConfig(**SHAPE, rope_scaling=RopeScaling(8.0, original_max_seq_len=16))
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert "rope_scaling" not in ModelConfig(**SHAPE).to_dict()  # what is kept under a hash of it stays known


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tiny", {"n_heads": 8}),
        ("tiny", {"d_model": 256}),
        ("gpt2", {"activation": "swiglu"}),
        ("small", {"n_heads": 4}),
    ],
)
def test_a_changed_preset_is_the_model_that_these_values_describe(name, changes):
    assert ModelConfig.preset(name, **changes) == ModelConfig(**(PRESETS[name] | changes))


def test_the_near_preset_is_named():
    with pytest.raises(ValueError, match="no preset named 'tinny'.*Did you mean 'tiny'"):
        ModelConfig.preset("tinny")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_its_dictionary(name):
    config = ModelConfig.preset(name)
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_unknown_and_missing_settings_are_named():
    with pytest.raises(ValueError, match="unknown model settings: n_head;"):
        ModelConfig.from_dict({**SHAPE, "n_head": 4})
    with pytest.raises(ValueError, match="incomplete.*'d_model'"):
        ModelConfig.from_dict({"vocab_size": 50})


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 16))
def test_derived_sizes_fit_together(groups, n_kv_heads, half):
    n_heads = groups * n_kv_heads
    config = ModelConfig(100, 2 * half * n_heads, 1, n_heads, 8, n_kv_heads=n_kv_heads)
    assert config.d_head * config.n_heads == config.d_model
    assert config.n_heads % config.n_kv_heads == 0
