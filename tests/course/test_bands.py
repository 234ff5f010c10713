"""Bands of hand-made runs, verdicts with their sentences, and the checkup of a whole run."""

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import small_config

from minillm.config import ModelConfig
from minillm.course.bands import (
    BANDS,
    LIVE_BANDS,
    Band,
    Bands,
    bands_of,
    is_normal,
    load_bands,
    settings_of,
    write_bands,
)
from minillm.course.checkup import check_run, summarize, table
from minillm.course.keeping import as_settings
from minillm.course.models import BaseRecipe
from minillm.losses import next_token_loss
from minillm.model.transformer import Transformer
from minillm.training import recipes
from minillm.training.settings import TrainConfig

RECIPE = BaseRecipe("world", config=ModelConfig.preset("tiny", vocab_size=1024))
LN_V = math.log(1024)
NONE = Band((), (), (), ())


def falling(step: int) -> float:
    return 0.7 + 6.2314 / step**0.5  # ln 1024 at step 1


def run_of(loss=falling, val=None, steps=(1, *range(10, 1001, 10))) -> list[dict]:
    lines = [{"step": step, "loss": loss(step)} for step in steps]
    for line in lines:
        if val and line["step"] % 250 == 0:
            line["val_loss"] = val(line["step"])
    return lines


SEEDS = [run_of(lambda s, d=d: falling(s) + d, lambda s, d=d: falling(s) + d) for d in (-0.04, -0.02, 0, 0.01, 0.03)]
BANDS_BY_HAND = bands_of(SEEDS, settings_of(RECIPE))


def test_an_untrained_models_loss_is_ln_v():
    torch.manual_seed(0)
    model = Transformer(RECIPE.config)
    ids = torch.randint(0, 1024, (4, 129))
    with torch.no_grad():
        first = next_token_loss(model(ids[:, :-1]), ids[:, 1:]).item()
    assert first == pytest.approx(LN_V, abs=0.05)
    assert is_normal(1, first, BANDS_BY_HAND).word == "normal"


def test_the_bands_are_lowest_median_and_highest_of_the_seeds():
    assert BANDS_BY_HAND.ln_vocab == pytest.approx(LN_V, abs=1e-4)
    band = BANDS_BY_HAND.val_loss
    assert band.steps == (250, 500, 750, 1000)
    for side, shift in ((band.lowest, -0.04), (band.median, 0.0), (band.highest, 0.03)):
        assert side == pytest.approx([falling(step) + shift for step in band.steps], abs=1e-4)
    steps = BANDS_BY_HAND.loss.steps
    assert steps[0] == 1
    assert steps[-1] == 1000
    assert len(steps) < 60  # small enough to ship


def test_only_steps_that_all_seeds_have_are_in_a_band():
    band = bands_of([run_of(), run_of(steps=(1, 15, 20))], settings_of(RECIPE)).loss
    assert band.steps == (1, 20)


def test_bands_round_trip_through_their_file_and_a_damaged_one_is_rejected(tmp_path):
    write_bands(BANDS_BY_HAND, tmp_path / "bands.json")
    assert load_bands(tmp_path / "bands.json") == BANDS_BY_HAND
    for text in ("{", "[]", '{"loss": 3}', "null", json.dumps({"loss": {}, "val_loss": {}})):
        (tmp_path / "bands.json").write_text(text)
        with pytest.raises(ValueError, match="is not a loss band file"):
            load_bands(tmp_path / "bands.json")
    with pytest.raises(FileNotFoundError, match="loss_bands.py makes them"):
        load_bands(tmp_path / "nowhere.json")


@pytest.mark.skipif(not BANDS.is_file(), reason="no bands are shipped")
def test_the_shipped_bands_belong_to_the_current_recipe():
    bands, recipe = load_bands(), BaseRecipe("world")
    assert bands.recipe == json.loads(json.dumps(settings_of(recipe))), "run python benchmarks/loss_bands.py"
    measured = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "pretrain.json"
    low, high = bands.val_loss.at(recipe.training.steps)
    for run in json.loads(measured.read_text(encoding="utf-8"))["runs"]:  # three of the same seeds
        assert low - 0.002 < run["val_loss"] < high + 0.002, "run python benchmarks/loss_bands.py"
    assert bands.seeds == 5
    assert bands.loss.at(1) == pytest.approx((bands.ln_vocab, bands.ln_vocab), abs=0.1)


@pytest.mark.skipif(not LIVE_BANDS.is_file(), reason="no live bands are shipped")
def test_the_live_bands_are_those_of_lesson_08s_run():
    bands, recipe = load_bands(LIVE_BANDS), BaseRecipe("world", documents=7_300)
    recipe = replace(recipe, training=replace(recipe.training, steps=120))
    assert bands.recipe == json.loads(json.dumps(settings_of(recipe))), "run python benchmarks/broken_runs.py"
    assert bands.loss.steps == (1, *range(5, 121, 5))
    assert bands.seeds == 5


@pytest.mark.parametrize(
    ("step", "loss", "word", "part"),
    [
        (400, 0.80, "normal", "At step 400, five seeds had a training loss of 0.70 to 0.80; 0.80 is normal."),
        (400, 0.89, "normal", "0.89 is normal"),  # within one width
        (400, 0.95, "above", "0.95 is above"),
        (400, 1.9, "far above", "Is the learning rate too low or too high"),
        (400, 0.65, "normal", "0.65 is normal"),
        (400, 0.55, "below", "see the token that it has to predict"),
        (400, 0.01, "far below", "train on the documents that it is measured on"),
        (400, 6.95, "far above", "still finds every token equally likely"),
        (400, 9.0, "far above", "fell and then rose"),
        (1, 8.0, "far above", "initial weights"),
        (1, 4.0, "far below", "start from trained weights"),
        (1001, 0.7, "unknown", "reach from step 1 to 1,000, so they say nothing of step 1,001"),
        (400, math.nan, "unknown", "is no number"),
    ],
)
def test_one_loss_gets_a_word_and_likely_causes(step, loss, word, part):
    band = Band((1, 2, 1000), (6.92, 0.7, 0.7), (6.93, 0.75, 0.75), (6.94, 0.8, 0.8))
    verdict = is_normal(step, loss, Bands({}, 5, LN_V, band, NONE))
    assert verdict.word == word
    assert part in verdict.sentence


def test_the_kind_of_loss_is_checked():
    with pytest.raises(ValueError, match="kind is 'grad_norm'; choose loss or val_loss"):
        is_normal(1, 1.0, BANDS_BY_HAND, kind="grad_norm")


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (run_of(lambda s: 6.93), "still finds every token equally likely"),
        (run_of(lambda s: falling(s) + max(0, s - 500) / 500), "It fell and then rose"),
        (run_of(lambda s: falling(s) if s > 1 else 11.0), "The first loss, 11.00, is above ln V = 6.93"),
        (run_of(lambda s: 2.0 / s**0.5), "The first loss, 2.00, is below ln V"),
        (run_of(lambda s: 6.93 / s), "see the token"),
        (run_of(lambda s: 2.0 + 4.93 / s**0.5), "Is the learning rate too low or too high"),
        (run_of(val=lambda s: falling(s) + 1), "Training goes well and validation does not"),
        (run_of(val=lambda s: 0.1), "see the token"),
        (run_of(lambda s: math.nan if s == 50 else falling(s)), "At step 50, the training loss is no number"),
    ],
)
def test_an_abnormal_run_gets_the_matching_hint(lines, part):
    normal, verdict = summarize(lines, BANDS_BY_HAND, LN_V)
    assert not normal
    assert part in verdict


def test_a_sixth_seed_is_normal_at_every_length():
    whole = run_of(lambda s: falling(s) + 0.05, lambda s: falling(s) - 0.06)
    for length in (1, 2, 30, len(whole)):
        normal, verdict = summarize(whole[:length], BANDS_BY_HAND, LN_V)
        assert normal, verdict
    later = run_of(steps=range(2000, 2100, 10))
    assert summarize(later, BANDS_BY_HAND, LN_V) == (
        True,
        "The bands know none of this run's steps; nothing else looks wrong (it ends at 0.84).",
    )


def test_the_table_is_short_and_has_the_first_and_the_last_step():
    rows = table(run_of(val=falling), BANDS_BY_HAND)
    steps = [row.step for row in rows if row.kind == "loss"]
    assert (steps[0], steps[-1]) == (1, 1000)
    assert len(steps) <= 13
    assert [row.step for row in rows if row.kind == "val_loss"] == [250, 500, 750, 1000]


TINY = BaseRecipe(
    "world",
    config=small_config(vocab_size=300, max_seq_len=16),
    training=TrainConfig(steps=4, warmup_steps=1, log_every=1, eval_every=2, save_every=2, bf16=False),
    batch_size=2,
    documents=20,
    tokenizer_documents=10,
)


def loss_bands():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "loss_bands.py"
    spec = importlib.util.spec_from_file_location("loss_bands", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_trains_each_seed_once_and_a_run_of_the_recipe_is_normal(tmp_path, monkeypatch):
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    load = recipes.load_corpus
    monkeypatch.setattr(recipes, "load_corpus", lambda name, seed, n: load(name, seed, n, n_validation=5))
    script, to = loss_bands(), tmp_path / "bands.json"
    bands = script.make(TINY, 2, tmp_path / "runs", to)
    assert load_bands(to) == bands
    assert bands.loss.steps == (1, 2, 3, 4)
    assert bands.val_loss.steps == (2, 4)
    monkeypatch.setattr(script, "train_base", None)
    assert script.make(TINY, 2, tmp_path / "runs", to) == bands  # both runs were cached
    with pytest.raises(ValueError, match="a band over 1 seeds has no width"):
        script.make(TINY, 1, tmp_path / "runs", to)
    monkeypatch.undo()

    (folder,) = (tmp_path / "runs").glob("*/seed1")
    result = check_run(folder, bands)
    assert result.normal, result.verdict
    assert result.differences == ["the folder does not tell its batch_size, which may differ too"]
    other = replace(bands, recipe=settings_of(replace(TINY, training=replace(TINY.training, learning_rate=0.5))))
    assert check_run(folder, other).differences[0] == (
        "this run has learning_rate = 0.003; the bands were made with 0.5"
    )
    (folder / "run.json").write_text(json.dumps({"corpus": "world", "documents": 20, "batch_size": 8}))
    assert check_run(folder, bands).differences == ["this run has batch_size = 8; the bands were made with 2"]
    (folder / "run.json").write_text("{")
    with pytest.raises(ValueError, match="run.json is damaged"):
        check_run(folder, bands)
    (folder / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no lines yet; train for a few steps first"):
        check_run(folder, bands)


def test_every_setting_of_the_recipe_is_in_the_fingerprint():
    known = settings_of(TINY)
    assert known["training"] == as_settings(TINY.training)
    assert known["model"] == as_settings(TINY.config)
    assert (known["batch_size"], known["documents"]) == (2, 20)
