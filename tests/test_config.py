import copy
import dataclasses
import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minillm.config import PRESETS, ModelConfig, RopeScaling
from minillm.errors import UserError
from minillm.inference.sampling import Sampling
from minillm.posttraining.dpo import DPOConfig
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.ppo import PPOConfig
from minillm.posttraining.reward import RewardConfig
from minillm.training.settings import TrainConfig

SHAPE = dict(vocab_size=50, d_model=32, n_layers=2, n_heads=4, max_seq_len=16)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vocab_size": 0}, "vocab_size is 0; it must be a whole number"),
        ({"n_layers": 2.5}, "n_layers is 2.5"),
        ({"n_layers": True}, "n_layers is True"),
        ({"d_ff": -1}, "d_ff is -1"),
        ({"n_heads": 5}, r"d_model \(32\) is not a multiple of n_heads \(5\)"),
        ({"d_model": 2, "n_heads": 4}, r"d_model \(2\) is not a multiple of n_heads \(4\)"),
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
        ({"bias": 1.5}, "bias is 1.5; choose one of True, False, 'qkv', 'attention'"),
        ({"causal": "no"}, "causal is 'no'; it must be True or False"),
        ({"norm_eps": None}, "norm_eps is None; it must be a number"),
        ({"norm_eps": True}, "norm_eps is True; it must be a number"),
        ({"rope_scaling": {"factor": 2.0}}, r"rope_scaling is \{'factor': 2.0\}; it must be a RopeScaling or None"),
        ({"sliding_window": 0}, "sliding_window is 0; it must be a whole number of at least 1"),
        ({"sliding_window": 4, "causal": False}, "sliding_window is 4 and causal False"),
        ({"rope_scaling": RopeScaling(2.0), "position": "none"}, 'rope_scaling stretches .* position="none"'),
    ],
)
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
        ({"factor": "much"}, "factor is 'much'; it must be a number"),
        ({"factor": 2, "original_max_seq_len": 1.5}, "original_max_seq_len is 1.5; it must be a whole number or None"),
        ({}, "incomplete or mistyped"),
        ([2], "incomplete or mistyped"),
    ],
)
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


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        ({}, {"d_model": 64}),
        ({}, {"n_heads": 8}),
        ({}, {"n_heads": 2}),
        ({}, {"activation": "gelu"}),
        ({"d_ff": 40}, {"d_model": 64, "n_heads": 8}),
        ({"n_kv_heads": 2, "d_head": 8}, {"d_model": 64}),
        ({"d_head": 6}, {"d_head": None}),
        ({}, {"d_head": 8, "n_kv_heads": 4}),  # the values that were derived, now given
        ({"d_ff": 85}, {"d_model": 64}),
    ],
)
def test_a_changed_configuration_is_the_one_that_is_built_with_these_values(given, changes):
    """Twice: what the first change left to be derived, the second derives again, and no other field."""
    once = ModelConfig(**{**SHAPE, **given}).replace(**changes)
    assert once == ModelConfig(**{**SHAPE, **given, **changes})
    wider = {"d_model": 96}
    assert once.replace(**wider) == ModelConfig(**{**SHAPE, **given, **changes, **wider})


def test_a_number_taken_from_another_configuration_is_given():
    narrow = ModelConfig(1000, 96, 2, 4, 64)
    wide = ModelConfig(1000, 192, 2, 4, 64, d_ff=narrow.d_ff, d_head=narrow.d_head)
    assert (wide.d_ff, wide.d_head, wide.derived) == (256, 24, ("n_kv_heads",))


HEADS = st.sampled_from([1, 2, 4])
NUMBERS = st.fixed_dictionaries(
    {},
    optional={
        "n_kv_heads": HEADS | st.none(),
        "d_head": st.sampled_from([4, 8, 16]) | st.none(),
        "d_ff": st.sampled_from([42, 64, 85, 128]) | st.none(),  # what SHAPES derive, among others
    },
)
SHAPES = st.fixed_dictionaries(
    {}, optional={"d_model": st.sampled_from([16, 32]), "n_heads": HEADS, "activation": st.sampled_from(["gelu"])}
)


def build(make, changes):
    """What `make` makes of the changes, or the sentence that it refuses them with."""
    try:
        return make(**changes)
    except UserError as error:
        return str(error)


@given(NUMBERS, NUMBERS, SHAPES, SHAPES)
def test_equal_configurations_are_equal_after_every_change(numbers, others, shape, change):
    one = build(ModelConfig, SHAPE | shape | numbers)
    other = build(ModelConfig, SHAPE | shape | others)
    if one == other and isinstance(one, ModelConfig):
        assert hash(one) == hash(other)
        assert build(one.replace, change) == build(other.replace, change)


@pytest.mark.parametrize(
    "again",
    [
        lambda config: ModelConfig.from_dict(config.to_dict()),
        lambda config: ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))),
        lambda config: pickle.loads(pickle.dumps(config)),
        copy.copy,
        copy.deepcopy,
        ModelConfig.replace,
    ],
)
@given(NUMBERS, SHAPES, NUMBERS | SHAPES)
def test_a_copy_behaves_as_the_original(again, numbers, shape, change):
    config = build(ModelConfig, SHAPE | shape | numbers)
    if isinstance(config, ModelConfig):
        assert again(config) == config
        changed = build(config.replace, change)
        assert build(again(config).replace, change) == changed
        if isinstance(changed, ModelConfig):
            assert changed == ModelConfig(**(SHAPE | shape | numbers | change))


def test_of_an_older_file_all_numbers_were_given():
    config = ModelConfig(**SHAPE)
    older = {name: value for name, value in config.to_dict().items() if name != "derived"}
    assert ModelConfig.from_dict(older).replace(d_model=64).d_ff == config.d_ff
    assert ModelConfig.from_dict(older).to_dict() == older


def test_an_edited_number_of_a_file_was_given():
    edited = ModelConfig.from_dict(ModelConfig(**SHAPE).to_dict() | {"d_ff": 40})
    assert (edited.d_ff, edited.derived) == (40, ("n_kv_heads", "d_head"))


@pytest.mark.parametrize("derived", [3, "d_ff", ["vocab_size"], [["d_ff"]], {"d_ff": 85}])
def test_refuses_names_of_numbers_that_cannot_be_derived(derived):
    with pytest.raises(UserError, match="derived is .*; it must be a list of names out of n_kv_heads, d_head, d_ff"):
        ModelConfig.from_dict(ModelConfig(**SHAPE).to_dict() | {"derived": derived})


def test_what_was_derived_is_a_plain_number_to_everybody_else():
    config = ModelConfig(**SHAPE)
    assert {type(getattr(config, name)) for name in config.derived} == {int}
    assert json.dumps(dataclasses.asdict(config)["d_ff"]) == repr(config.d_ff) == "85"
    assert dataclasses.replace(config, d_model=64) == ModelConfig(
        **SHAPE | dict(d_model=64, n_kv_heads=4, d_head=8, d_ff=85)
    )


def test_a_change_of_an_unknown_field_is_refused():
    with pytest.raises(UserError, match="unknown model settings: d_modle; known are .*d_model"):
        ModelConfig(**SHAPE).replace(d_modle=64)


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        (TrainConfig, {"steps": "10"}, "steps is '10'; it must be a whole number or None"),
        (TrainConfig, {"steps": 10.0}, "steps is 10.0; it must be a whole number or None"),
        (TrainConfig, {"learning_rate": None}, "learning_rate is None; it must be a number"),
        (TrainConfig, {"accumulate": None}, "accumulate is None; it must be a whole number"),
        (TrainConfig, {"compile": 1}, "compile is 1; it must be True or False"),
        (TrainConfig, {"optimizer": None}, "optimizer is None; choose one of adamw, muon"),
        (RewardConfig, {"likelihood": "0"}, "likelihood is '0'; it must be a number"),
        (DPOConfig, {"beta": None}, "beta is None; it must be a number"),
        (PPOConfig, {"gae_lambda": "0.9"}, "gae_lambda is '0.9'; it must be a number"),
        (DPOConfig, {"loss_type": "hinge"}, "loss_type is 'hinge'; choose one of sigmoid, ipo"),
        (GRPOConfig, {"loss_type": "bnpo"}, "loss_type is 'bnpo'; choose one of grpo, dapo, dr_grpo"),
        (GRPOConfig, {"scale": 1}, "scale is 1; it must be True or False"),
        (GRPOConfig, {"target_kl": "6"}, "target_kl is '6'; it must be a number or None"),
        (Sampling, {"temperature": None}, "temperature is None; it must be a number"),
    ],
)
@pytest.mark.usefixtures("as_users_call_it")
def test_a_value_of_another_type_is_refused(kind, changes, sentence):
    needed = {"steps": 3} if "steps" in {field.name for field in dataclasses.fields(kind)} else {}
    with pytest.raises(UserError, match=re.escape(sentence)):
        kind(**(needed | changes))


@pytest.mark.usefixtures("as_users_call_it")
def test_numbers_of_numpy_are_numbers():
    assert TrainConfig(steps=np.int64(3), learning_rate=np.float32(0.5)).learning_rate == 0.5


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
