"""The course's models: made once, cached, and made again when damaged; with a recipe that takes a second."""

import importlib
import json
import shutil
import signal
from dataclasses import asdict, replace

import pytest
import torch
from click.testing import CliRunner
from helpers import small_config

from minillm.cli import main
from minillm.config import PRESETS, ModelConfig
from minillm.course import models, shipped
from minillm.course.keeping import SEAL, as_settings, kept_folder
from minillm.course.models import (
    BaseRecipe,
    ChatRecipe,
    PPORecipe,
    RewardRecipe,
    make_base,
    make_ppo,
    make_reward,
    make_sft,
)
from minillm.course.models.recipes import plain_settings
from minillm.course.recipes import chat, preferences, prompts
from minillm.course.recipes.chat import WORLD_SFT, WorldSFT
from minillm.course.recipes.commands import COMMANDS
from minillm.course.recipes.preferences import REWARD, WorldPairs
from minillm.course.recipes.prompts import WORLD_PPO, WorldPrompts
from minillm.data.corpora import END_OF_TEXT, TOKENIZER_DOCUMENTS
from minillm.model.transformer import Transformer
from minillm.posttraining import recipes as own_recipes
from minillm.posttraining.reward_model import load_reward_model
from minillm.pretrained import load, save
from minillm.tokenizer import Tokenizer
from minillm.training import recipes as training_recipes
from minillm.training.recipes import recipe_of, with_settings
from minillm.training.settings import TrainConfig

cli = importlib.import_module("minillm.cli.pretrain")  # by this name minillm.cli holds the command, not the module
sft_command = importlib.import_module("minillm.cli.sft")
LOAD_CORPUS, PRETRAIN = training_recipes.load_corpus, training_recipes.pretrain
TINY = BaseRecipe(
    "world",
    config=small_config(vocab_size=300, max_seq_len=16),
    training=TrainConfig(steps=4, warmup_steps=1, log_every=2, save_every=2, bf16=False),
    batch_size=2,
    documents=20,
    tokenizer_documents=10,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Nothing ships and the cache is empty; returns the cache's folder of models."""
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "nothing")
    monkeypatch.setattr(
        training_recipes, "load_corpus", lambda name, seed, n: LOAD_CORPUS(name, seed, n, n_validation=5)
    )
    return tmp_path / "models"


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def only_folder(home):
    (folder,) = [path for path in home.iterdir() if path.is_dir()]
    return folder


def test_the_recipe_equals_that_of_the_command():
    given = cli.pretrain.make_context("pretrain", ["--out", "somewhere"]).params
    recipe = with_settings(recipe_of(given["preset"], given["corpus"]), given)
    assert recipe == BaseRecipe("world")
    assert recipe.config == ModelConfig.preset("tiny")
    assert recipe.tokenizer_documents == TOKENIZER_DOCUMENTS


def test_the_base_model_equals_that_of_the_command(home, tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", as_settings(TINY.config))
    numbers = ["--steps", "4", "--batch-size", "2", "--documents", "20", "--learning-rate", "0.004"]
    made = CliRunner().invoke(cli.pretrain, [*numbers, "--out", str(tmp_path / "run")])
    assert made.exit_code == 0, made.output
    training = replace(BaseRecipe("world").training, steps=4, learning_rate=0.004)
    recipe = replace(TINY, training=training, tokenizer_documents=TOKENIZER_DOCUMENTS)
    by_course, tokenizer = make_base(recipe)
    by_command, other = load(tmp_path / "run")
    torch.testing.assert_close(weights(by_course), weights(by_command), rtol=0, atol=0)
    assert tokenizer.encode("Mira lives in Sedge.") == other.encode("Mira lives in Sedge.")


def test_the_second_call_trains_nothing(home, monkeypatch):
    first, tokenizer = make_base(TINY)
    monkeypatch.setattr(training_recipes, "pretrain", None)
    second, _ = make_base(TINY)
    assert torch.equal(weights(first), weights(second))
    assert not second.training
    assert tokenizer.eos_id is not None
    folder = only_folder(home)
    assert "checkpoint.safetensors" not in [path.name for path in folder.iterdir()]
    settings = json.loads((folder / SEAL).read_text())["settings"]
    assert settings["training"] == as_settings(TINY.training)
    assert settings["config"] == as_settings(TINY.config)  # without rope_scaling, which the config gained later


def test_the_key_depends_on_the_numbers_and_not_on_which_were_given():
    given = ModelConfig(**as_settings(TINY.config))
    assert given != TINY.config
    assert as_settings(given) == as_settings(TINY.config) == given.to_dict()


def test_new_settings_at_their_defaults_leave_the_key_as_it_was():
    assert "corpus" not in plain_settings(BaseRecipe("world"))
    assert plain_settings(BaseRecipe("python-docs"))["corpus"] == "python-docs"
    changed = replace(PPORecipe(), training=replace(PPORecipe().training, clip_high=0.28))
    assert plain_settings(changed)["training"]["clip_high"] == 0.28


def test_the_files_of_a_complete_model_are_listed_with_the_seal_last(home, monkeypatch):
    monkeypatch.setitem(models.DEFAULTS, "base", TINY)
    assert models.files_here()["base"] == []
    make_base(TINY)
    here = models.files_here()
    folder = only_folder(home)
    assert {path.parent for path in here["base"]} == {folder}
    assert {path.name for path in here["base"]} == {path.name for path in folder.iterdir()}
    assert here["base"][-1].name == SEAL
    assert [name for name, paths in here.items() if not paths] == [
        "sft",
        "reward",
        "ppo",
        "solver",
        "reasoning",
        "sweep",
    ]
    (folder / "model.safetensors").write_bytes(b"half")
    assert models.files_here()["base"] == []


def test_every_setting_changes_the_cache_path(home):
    recipes = [TINY, replace(TINY, seed=1), replace(TINY, batch_size=3)]
    recipes += [replace(TINY, training=replace(TINY.training, weight_decay=0.2))]
    for recipe in recipes:
        kept_folder("base", asdict(recipe), _save_untrained)
    assert len([path for path in home.iterdir() if path.is_dir()]) == len(recipes)


def _save_untrained(folder):
    tokenizer = Tokenizer.train(["a b"], 260, [END_OF_TEXT])
    save(Transformer(small_config(vocab_size=tokenizer.vocab_size)), tokenizer, folder)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"half"), "its model.safetensors has changed"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "its tokenizer.json is missing"),
        (lambda folder: (folder / SEAL).write_text("{"), f"its {SEAL} is missing or unreadable"),
    ],
)
def test_a_damaged_model_is_made_again_with_a_message(home, capsys, harm, sentence):
    first, _ = make_base(TINY)
    harm(only_folder(home))
    second, _ = make_base(TINY)
    assert f"is damaged ({sentence}). It is removed and made again." in capsys.readouterr().err
    assert torch.equal(weights(first), weights(second))


def test_an_interrupted_run_is_resumed(home, monkeypatch):
    whole, _ = make_base(TINY)
    shutil.rmtree(home)
    monkeypatch.setattr(training_recipes, "pretrain", _stopped_at(2))
    with pytest.raises(KeyboardInterrupt):
        make_base(TINY)
    seen = []
    monkeypatch.setattr(training_recipes, "pretrain", _noting(seen))
    resumed, _ = make_base(TINY)
    assert min(seen) > 2  # the steps before Ctrl-C were not repeated
    assert torch.equal(weights(resumed), weights(whole))


def _stopped_at(step):
    def stop(metrics):
        if metrics["step"] >= step:
            signal.raise_signal(signal.SIGINT)

    def pretrain(model, data, config, folder, tokenizer, on_metrics, floor):
        return PRETRAIN(model, data, config, folder, tokenizer, stop)

    return pretrain


def _noting(seen):
    def pretrain(model, data, config, folder, tokenizer, on_metrics, floor):
        return PRETRAIN(model, data, config, folder, tokenizer, lambda metrics: seen.append(metrics["step"]))

    return pretrain


def test_a_run_that_cannot_be_resumed_is_made_again(home, capsys):
    first, _ = make_base(TINY)
    folder = only_folder(home)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(folder)
    partial.mkdir()
    (partial / "checkpoint.safetensors").write_bytes(b"torn")
    second, _ = make_base(TINY)
    assert "cannot be resumed" in capsys.readouterr().err
    assert torch.equal(weights(first), weights(second))
    assert not partial.exists()


def test_an_error_in_training_is_not_hidden(home):
    def fails(folder):
        folder.mkdir()
        raise ValueError("no such corpus")

    with pytest.raises(ValueError, match="no such corpus"):
        kept_folder("base", {}, fails)


def test_a_cache_that_cannot_be_written_is_reported(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot keep the course's base model in .*set MINILLM_HOME"):
        make_base(TINY)


def test_the_chat_models_recipe_equals_that_of_the_command():
    given = sft_command.sft.make_context("sft", ["--out", "somewhere"]).params
    assert (given["data"], given["model"], given["lora"]) == ("world", None, None)
    assert with_settings(sft_command.recipe_for(given), given) == ChatRecipe().sft


@pytest.mark.slow
def test_the_chat_model_equals_that_of_the_command(home, tmp_path, monkeypatch):
    training = replace(WORLD_SFT.training, steps=4, warmup_steps=1, bf16=False)
    shape = replace(TINY, config=small_config(vocab_size=300, max_seq_len=700))
    recipe = ChatRecipe(
        base=shape,
        sft=WorldSFT(training, batch_size=2, instructions=30, questions=2, short_instructions=20, short_steps=2),
    )
    model, tokenizer = make_sft(recipe)
    assert tokenizer.chat_template is not None
    monkeypatch.setitem(models.DEFAULTS, "base", shape)
    monkeypatch.setitem(COMMANDS, ("sft", "world"), recipe.sft)
    made = CliRunner().invoke(sft_command.sft, ["--out", str(tmp_path / "run")])
    assert made.exit_code == 0, made.output
    torch.testing.assert_close(weights(model), weights(load(tmp_path / "run")[0]), rtol=0, atol=0)
    monkeypatch.setattr(chat, "sft", None)
    assert torch.equal(weights(make_sft(recipe)[0]), weights(model))


def test_the_reward_model_equals_that_of_the_command(home, tmp_path, monkeypatch):
    short = {"steps": 3, "warmup_steps": 1, "bf16": False}
    shape = replace(TINY, config=small_config(vocab_size=300, max_seq_len=700))
    chat = ChatRecipe(base=shape, sft=WorldSFT(replace(WORLD_SFT.training, **short), batch_size=2, instructions=30))
    pairs = WorldPairs(replace(REWARD.training, **short), batch_size=2, pairs=12)
    monkeypatch.setattr(preferences, "HELD_OUT_PAIRS", 4)
    recipe = RewardRecipe(chat=chat, pairs=pairs)
    model, _ = make_reward(recipe)
    monkeypatch.setitem(models.DEFAULTS, "sft", chat)
    monkeypatch.setitem(COMMANDS, ("reward", "world"), pairs)
    made = CliRunner().invoke(main, ["reward", "--out", str(tmp_path / "run")])
    assert made.exit_code == 0, made.output
    again, _ = load_reward_model(tmp_path / "run")
    texts = [[14, 15], [26]]
    assert torch.equal(model.score([[3], [9]], texts), again.score([[3], [9]], texts))
    monkeypatch.setattr(own_recipes, "train_reward_model", None)
    assert torch.equal(make_reward(recipe)[0].score([[3], [9]], texts), again.score([[3], [9]], texts))


@pytest.mark.slow
def test_the_model_after_ppo_equals_that_of_the_command(home, tmp_path, monkeypatch):
    short = {"steps": 2, "warmup_steps": 1, "bf16": False}
    shape = replace(TINY, config=small_config(vocab_size=300, max_seq_len=700))
    chat = ChatRecipe(base=shape, sft=WorldSFT(replace(WORLD_SFT.training, **short), batch_size=2, instructions=30))
    pairs = WorldPairs(replace(REWARD.training, **short), batch_size=2, pairs=12)
    monkeypatch.setattr(preferences, "HELD_OUT_PAIRS", 4)
    training = replace(WORLD_PPO, steps=2, prompts_per_step=2, max_new_tokens=4)
    recipe = PPORecipe(reward=RewardRecipe(chat=chat, pairs=pairs), prompts=6, training=training)
    model, _ = make_ppo(recipe)
    assert not torch.equal(weights(model), weights(make_sft(chat)[0]))
    monkeypatch.setattr(prompts, "MEASURED", 4)
    monkeypatch.setitem(models.DEFAULTS, "sft", chat)
    monkeypatch.setitem(models.DEFAULTS, "reward", recipe.reward)
    monkeypatch.setitem(COMMANDS, ("ppo", "world"), WorldPrompts(training))
    made = CliRunner().invoke(main, ["ppo", "--prompts", "6", "--out", str(tmp_path / "run")])
    assert made.exit_code == 0, made.output
    assert torch.equal(weights(load(tmp_path / "run")[0]), weights(model))
    assert PPORecipe().training == WORLD_PPO
