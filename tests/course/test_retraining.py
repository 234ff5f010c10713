"""`--retrain`: the chain starts from shipped weights, nothing half-written ships, an interrupted command resumes."""

import json
import os
import signal
from dataclasses import replace

import pytest
import tiny_models
import torch
from helpers import small_config

from minillm.course import models, shipped
from minillm.course.models import retraining
from minillm.course.models.__main__ import main
from minillm.course.models.retraining import retrain
from minillm.course.recipes import chat
from minillm.course.shipped import shipped_recipe
from minillm.course.sweep import SweepRecipe, sweep, sweep_files
from minillm.training import recipes as training_recipes
from minillm.training.settings import TrainConfig

PRETRAIN = training_recipes.pretrain
SWEEP = SweepRecipe(
    widths=(8,),
    steps=(2, 3),
    held_out=((16, 4),),
    shape=small_config(vocab_size=300, max_seq_len=16),
    training=TrainConfig(steps=1, warmup_steps=1, bf16=False),
    batch_size=2,
    documents=30,
    tokenizer_documents=10,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Nothing ships, and the cache is empty."""
    monkeypatch.setattr(retraining, "SWEEP_RECIPE", SWEEP)
    return tiny_models.set_up(tmp_path, monkeypatch)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def hash_of(name):
    return shipped_recipe(name)["files"]["model.safetensors"]["sha256"]


def test_the_chain_ships_in_order_and_each_model_starts_from_shipped_weights(folder, tmp_path, monkeypatch):
    assert retrain() == ["base", "sft", "reward", "ppo", "solver", "reasoning", "sweep"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "base", "ppo", "reasoning", "reward", "sft", "solver", "sweep.json"
    ]  # fmt: skip
    assert [path for path in (tmp_path / "home").rglob("*") if "new-" in path.name and path.suffix != ".lock"] == []
    assert shipped_recipe("sft")["settings"]["starts"] == {"base": hash_of("base")}
    assert shipped_recipe("reward")["settings"]["starts"] == {"sft": hash_of("sft")}
    assert shipped_recipe("ppo")["settings"]["starts"] == {"sft": hash_of("sft"), "reward": hash_of("reward")}
    assert shipped_recipe("reasoning")["settings"]["starts"] == {"solver": hash_of("solver")}
    models.METHODS["sft"].train(tiny_models.SFT, tmp_path / "by hand", base=models.base())  # base: float16's values
    assert torch.equal(weights(models.sft()[0]), weights(models.load(tmp_path / "by hand")[0]).half().float())
    score, again = models.reward()[0].score, models.load_reward_model(folder / "reward")[0].score
    assert torch.equal(score([[3]], [[14, 15]]), again([[3]], [[14, 15]]))
    monkeypatch.setattr(models, "kept_folder", lambda *arguments: pytest.fail("it asked the cache"))
    for model in (models.base, models.sft, models.reward, models.ppo, models.solver, models.reasoning):
        model()


@pytest.mark.slow
def test_a_model_whose_start_changed_is_retrained(folder, monkeypatch):
    retrain(["ppo"])  # brings its missing starts
    assert [shipped_recipe(name) is not None for name in models.DEFAULTS] == [True] * 4 + [False] * 2
    assert retrain(["base"]) == ["base"]  # the same weights again, so nothing else changes
    longer = replace(tiny_models.BASE, training=replace(tiny_models.BASE.training, steps=5))
    sft = replace(tiny_models.SFT, base=longer)
    rewards = replace(tiny_models.REWARDS, chat=sft)
    ppo = replace(tiny_models.DEFAULTS["ppo"], reward=rewards)
    monkeypatch.setattr(models, "DEFAULTS", {"base": longer, "sft": sft, "reward": rewards, "ppo": ppo})
    assert [bool(files) for files in models.files_here().values()] == [False] * 5
    assert retrain(["base"]) == ["base", "sft", "reward", "ppo"]
    assert [bool(files) for files in models.files_here().values()] == [True] * 4 + [False]


def test_the_sweep_alone_touches_no_model_and_its_numbers_are_used(folder, tmp_path, monkeypatch):
    assert retrain(["sweep"]) == ["sweep"]
    assert [path.name for path in folder.iterdir()] == ["sweep.json"]
    by_shipped = sweep(SWEEP)
    assert sweep_files(SWEEP) == [folder / "sweep.json"]
    assert sweep_files(replace(SWEEP, seed=1)) == []
    more = replace(SWEEP, steps=(2, 3, 4))  # one run is missing: it alone is trained, into the cache
    assert sweep(more)[0][:2] == by_shipped[0]
    cached = list((tmp_path / "home" / "runs").glob("scaling-run-*.json"))
    assert sweep_files(more) == [folder / "sweep.json", *cached]
    assert len(cached) == 1
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "nothing")
    assert sweep(SWEEP) == by_shipped  # trained here: the same numbers


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"runs": [{}], "sha256": ""}', '{"runs": [], "sha256": "0"}'])
def test_damaged_numbers_are_refused_with_the_remedy(folder, text):
    (folder / "sweep.json").write_text(text)
    with pytest.raises(ValueError, match=r"sweep\.json (cannot be read|has runs of SHA-256).*--retrain sweep"):
        sweep(SWEEP)
    assert sweep_files(SWEEP) == []
    (damage,) = models.damages()
    assert "sweep.json" in damage


def test_a_changed_number_is_noticed(folder):
    retrain(["sweep"])
    values = json.loads((folder / "sweep.json").read_text())
    values["runs"][0]["numbers"]["loss"] -= 0.1
    (folder / "sweep.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="has runs of SHA-256"):
        sweep(SWEEP)


def test_ctrl_c_leaves_what_shipped_and_the_same_command_resumes(folder, monkeypatch, capsys):
    retrain(["base", "sft"])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    teach = chat.sft

    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(chat, "sft", interrupted)
    with pytest.raises(KeyboardInterrupt):
        retrain(["base", "sft"])
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after.keys() == before.keys()
    assert {path.name for path in after if after[path] != before[path]} <= {"recipe.json", "metrics.jsonl"}  # the clock
    assert models.damages() == []
    monkeypatch.setattr(chat, "sft", teach)
    monkeypatch.setattr(training_recipes, "pretrain", None)  # base was finished: it is not trained again
    assert retrain(["base", "sft"]) == ["base", "sft"]
    assert "base was finished by the command that was interrupted" in capsys.readouterr().out


def test_training_resumes_at_the_last_checkpoint(folder, monkeypatch):
    retrain(["base"])
    whole = weights(models.base()[0])

    def stop(metrics):
        if metrics["step"] >= 2:
            signal.raise_signal(signal.SIGINT)

    def cut(model, data, config, folder, tokenizer, on_metrics, floor):
        return PRETRAIN(model, data, config, folder, tokenizer, stop)

    seen = []

    def noted(model, data, config, folder, tokenizer, on_metrics, floor):
        return PRETRAIN(model, data, config, folder, tokenizer, lambda metrics: seen.append(metrics["step"]))

    monkeypatch.setattr(training_recipes, "pretrain", cut)
    with pytest.raises(KeyboardInterrupt):
        retrain(["base"])
    monkeypatch.setattr(training_recipes, "pretrain", noted)
    retrain(["base"])
    assert min(seen) > 2
    assert torch.equal(weights(models.base()[0]), whole)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_rename_leaves_the_old_model(folder, monkeypatch, failing):
    retrain(["base"])
    before = {path.name: path.read_bytes() for path in (folder / "base").iterdir()}
    renames, replace_file = [], os.replace

    def fails(source, target):
        if str(folder) in str(target) and os.path.isdir(source):
            renames.append(target)
            if len(renames) == failing:
                raise KeyboardInterrupt
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        retrain(["base"])
    assert [path.name for path in folder.iterdir()] == ["base"]
    assert {path.name: path.read_bytes() for path in (folder / "base").iterdir()} == before


def test_weights_that_float16_cannot_hold_are_refused(folder, tmp_path):
    run = tmp_path / "run"
    models.train("base", tiny_models.BASE, run)
    model, tokenizer = models.load(run)
    with torch.no_grad():
        model.embedding.weight[0, 0] = 70_000.0
    models.save(model, tokenizer, run)
    with pytest.raises(ValueError, match="a weight of base is too large for float16"):
        retraining.ship("base", run, {})
    assert list(folder.iterdir()) == []


def test_the_command_line_says_what_is_wrong_in_a_sentence(folder, monkeypatch, capsys):
    assert main(["--retrain", "bas"]) == 1
    assert "error: no shipped model is called 'bas'; did you mean 'base'?" in capsys.readouterr().err
    assert main(["--retrain", "xyz"]) == 1
    assert "choose from base, sft, reward, ppo, solver, reasoning, sweep" in capsys.readouterr().err
    assert main(["--retrain", "base"]) == 0
    assert "made: base" in capsys.readouterr().out
    monkeypatch.setattr(retraining.os, "access", lambda path, mode: False)
    assert main(["--retrain"]) == 1
    assert f"error: {folder} cannot be written; install minillm from a clone" in capsys.readouterr().err
