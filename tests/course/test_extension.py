"""The course's models by name, and a registered folder in general."""

import pytest
import torch

import minillm
from minillm import assets
from minillm.course import extension, models
from minillm.errors import UserError


@pytest.mark.parametrize("name", ["base", "solver"])
def test_a_models_name_gives_the_courses_model(name):
    model, tokenizer = minillm.load(f"course-{name}")
    expected, its_tokenizer = getattr(models, name)()
    assert all(map(torch.equal, model.state_dict().values(), expected.state_dict().values()))
    assert tokenizer.vocab == its_tokenizer.vocab


def test_a_reward_models_name_gives_the_courses_reward_model():
    model, _ = minillm.load_reward_model("course-reward")
    assert all(map(torch.equal, model.state_dict().values(), models.reward()[0].state_dict().values()))


def test_all_default_models_have_a_name():
    assert set(extension.NAMES) == set(models.DEFAULTS)
    assert {f"course-{name}" for name in models.DEFAULTS} <= set(assets.registered_names())


def test_a_name_that_is_almost_right_is_proposed():
    with pytest.raises(UserError, match="no model is called 'course-bsae'; did you mean 'course-base'"):
        minillm.load("course-bsae")


def test_another_package_can_register_a_model(tmp_path, monkeypatch):
    tokenizer = minillm.Tokenizer.train(["a"], 256)
    model = minillm.Transformer(minillm.ModelConfig(256, d_model=8, n_layers=1, n_heads=2, max_seq_len=8))
    minillm.save(model, tokenizer, tmp_path)
    monkeypatch.setattr(assets, "_FOLDERS", {})
    assets.register_folder("theirs", lambda: tmp_path)
    loaded, _ = minillm.load("theirs")
    assert torch.equal(loaded.head.weight, model.head.weight)
