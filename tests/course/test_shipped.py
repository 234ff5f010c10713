"""What ships: loaded in float32 without a cache, refused when damaged, passed over for other settings."""

import json
import os
from contextlib import suppress
from dataclasses import replace

import pytest
import tiny_models
import torch

from minillm.course import models, shipped
from minillm.course.bands import is_normal
from minillm.course.models import damages, files_here, make_base, settings_of
from minillm.course.models.recipes import plain_settings
from minillm.course.models.retraining import retrain
from minillm.course.shipped import RECIPE, check_shipped, shipped_recipe, shipped_weights
from minillm.course.sweep import SweepRecipe, all_settings, sweep_files
from minillm.pretrained import load
from minillm.training.metrics import METRICS, read_metrics, series, smoothed
from minillm.training.recipes import BaseRecipe
from minillm.training.run import Run

FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", METRICS, RECIPE}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A tiny base model that ships."""
    folder = tiny_models.set_up(tmp_path, monkeypatch)
    retrain(["base"])
    return folder / "base"


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_a_shipped_model_is_the_trained_one_rounded_to_float16(folder, tmp_path):
    trained = tmp_path / "trained"
    models.train("base", tiny_models.BASE, trained)
    model, tokenizer = models.base()
    expected, its_tokenizer = load(trained)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(weights(model), weights(expected).half().float())
    assert not model.training
    assert tokenizer.encode("Mira lives in Sedge.") == its_tokenizer.encode("Mira lives in Sedge.")
    assert {path.name for path in folder.iterdir()} == FILES
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters * 2 < (folder / "model.safetensors").stat().st_size < parameters * 2 + 5_000
    recipe = shipped_recipe("base")
    assert recipe["metrics"] == read_metrics(folder / METRICS)[-1]
    assert recipe["metrics"]["step"] == 4
    assert recipe["settings"] == plain_settings(tiny_models.BASE) | {"version": 1}
    assert recipe["command"] == "python -m minillm.course.models --retrain base"
    assert {name: about["bytes"] for name, about in recipe["files"].items()} == {
        name: (folder / name).stat().st_size for name in FILES - {RECIPE}
    }


def test_it_loads_without_a_cache_and_writes_nothing(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "file"))  # a cache there can neither be read nor written
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    models.base()
    assert files_here()["base"] == sorted(folder.iterdir())
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    with pytest.raises(OSError, match="cannot keep the course's base model"):
        models.base(seed=1)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"half"), r"model.safetensors has SHA-256 .*, not"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: (folder / RECIPE).unlink(), "recipe.json cannot be read"),
        (lambda folder: (folder / RECIPE).write_text("{"), "recipe.json cannot be read"),
        (lambda folder: (folder / RECIPE).write_text("{}"), "recipe.json cannot be read .it is incomplete"),
        (lambda folder: (folder / RECIPE).write_text("[]"), "recipe.json cannot be read .the file holds a list"),
    ],
)
def test_a_damaged_file_is_refused_with_the_remedy_and_retraining_mends_it(folder, harm, sentence):
    whole = weights(models.base()[0])
    harm(folder)
    remedy = "Reinstall minillm .* or python -m minillm.course.models --retrain base"
    with pytest.raises(ValueError, match=f"{sentence}.*{remedy}"):
        models.base()
    (damage,) = damages()
    assert "--retrain base" in damage
    assert files_here() == {name: [] for name in (*models.DEFAULTS, "sweep")}
    retrain(["base"])
    assert damages() == []
    assert torch.equal(weights(models.base()[0]), whole)


def test_another_recipe_is_trained_and_kept_as_before(folder, tmp_path, monkeypatch):
    for other in (replace(tiny_models.BASE, seed=1), replace(tiny_models.BASE, batch_size=3)):
        assert shipped_weights("base", settings_of("base", other)) is None
        make_base(other)
    models.base(seed=1)
    assert len(list((tmp_path / "home" / "models").glob("base-*"))) == 2
    monkeypatch.setattr(models.recipes, "WORLD_VERSION", "a new one")
    assert shipped_weights("base", settings_of("base", tiny_models.BASE)) is None
    models.base()  # while a new world is developed
    assert len(list((tmp_path / "home" / "models").glob("base-*"))) == 3


def test_a_model_that_starts_from_shipped_weights_is_kept_under_their_hash(folder, tmp_path, monkeypatch):
    base_hash = shipped_recipe("base")["files"]["model.safetensors"]["sha256"]
    for name in ("sft", "reward", "ppo", "solver", "reasoning"):
        assert settings_of(name, tiny_models.DEFAULTS[name])["starts"] == {"base": base_hash}
    models.sft()
    (kept,) = (tmp_path / "home" / "models").glob("sft-*")
    assert files_here()["sft"][0].parent == kept
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "nothing")
    assert "starts" not in settings_of("sft", tiny_models.SFT)  # as it was before anything shipped
    assert files_here()["sft"] == []


# -- what ships with this checkout -------------------------------------------------------------------------------------

SHIPPED = [name for name in models.DEFAULTS if (shipped.SHIPPED / name).is_dir()]
nothing_ships = pytest.mark.skipif(not SHIPPED, reason="no trained model ships with this checkout")


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_whole(name):
    check_shipped(name)
    assert {path.name for path in (shipped.SHIPPED / name).iterdir()} == FILES
    limit = 8e6 if name == "reward" else 4e6  # a judge is two models: its own, and the chat model that it reads
    assert sum(path.stat().st_size for path in (shipped.SHIPPED / name).iterdir()) < limit


def test_a_default_recipe_starts_from_the_default_models():
    for name, recipe in models.DEFAULTS.items():
        for start, its_recipe in models.METHODS[name].starts(recipe).items():
            assert its_recipe == models.DEFAULTS[start]
            assert list(models.DEFAULTS).index(start) < list(models.DEFAULTS).index(name)


@pytest.mark.slow
@nothing_ships
@pytest.mark.parametrize("name", models.DEFAULTS)
def test_the_shipped_model_is_that_of_the_default_recipe(name):
    found = shipped_weights(name, settings_of(name, models.DEFAULTS[name]))
    assert found, f"{name} does not ship as the code asks for: python -m minillm.course.models --retrain {name}"


@pytest.mark.slow
@nothing_ships
def test_the_shipped_sweep_is_that_of_the_default_recipe():
    known = shipped.shipped_numbers()
    missing = [its for its in all_settings(SweepRecipe()) if shipped.settings_text(its) not in known]
    assert not missing, "the sweep does not ship as the code asks for: python -m minillm.course.models --retrain sweep"
    assert sweep_files() == [shipped.numbers_path()]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("as_users_call_it")  # checking every shape makes it much slower
def test_the_base_model_trained_anew_has_losses_in_the_shipped_bands(tmp_path, monkeypatch):
    """Its first 60 steps; with MINILLM_SLOW=1 all 660, and the validation loss at their end."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    record = Run.record

    def record_and_stop(run, metrics):
        record(run, metrics)
        if metrics["step"] == 60 and "MINILLM_SLOW" not in os.environ:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "record", record_and_stop)
    with suppress(KeyboardInterrupt):
        models.train("base", BaseRecipe("world"), tmp_path)
    metrics = read_metrics(tmp_path / METRICS)
    steps, losses = series(metrics, "loss")
    assert steps[-1] >= 60
    verdicts = [is_normal(steps[-1], smoothed(steps, losses)[-1])]
    if "val_loss" in metrics[-1]:
        verdicts.append(is_normal(steps[-1], metrics[-1]["val_loss"], kind="val_loss"))
    assert [verdict.word for verdict in verdicts] == ["normal"] * len(verdicts), verdicts


@pytest.mark.skipif("base" not in SHIPPED, reason="no base model ships with this checkout")
def test_the_shipped_base_model_has_a_validation_loss_in_the_shipped_band():
    last = json.loads((shipped.SHIPPED / "base" / RECIPE).read_text(encoding="utf-8"))["metrics"]
    verdict = is_normal(last["step"], last["val_loss"], kind="val_loss")
    assert verdict.word == "normal", verdict.sentence
