"""The sweep: each run equals a plain pretraining run, is cached on its own, and is resumed after Ctrl-C."""

import json
from dataclasses import replace

import pytest
import torch
from helpers import small_config

from minillm.config import ModelConfig
from minillm.course import shipped
from minillm.course import sweep as module
from minillm.course.models import BaseRecipe
from minillm.course.sweep import SweepRecipe, sweep, sweep_files
from minillm.data.corpora import learn_tokenizer
from minillm.model.transformer import Transformer
from minillm.training import recipes
from minillm.training.pretraining import TextData, pretrain
from minillm.training.settings import TrainConfig

LOAD_CORPUS = recipes.load_corpus
TINY = SweepRecipe(
    widths=(8, 16),
    steps=(2, 3),
    held_out=((16, 4),),
    shape=small_config(vocab_size=300, max_seq_len=16),
    training=TrainConfig(steps=1, warmup_steps=1, bf16=False),
    batch_size=2,
    documents=30,
    tokenizer_documents=10,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Nothing ships and the cache is empty; returns the cache's folder of runs."""
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path))
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "nothing")
    monkeypatch.setattr(recipes, "load_corpus", lambda name, seed, n: LOAD_CORPUS(name, seed, n, n_validation=5))
    return tmp_path / "runs"


def test_a_run_equals_a_plain_pretraining_run(home):
    runs, (held_out,) = sweep(TINY)
    assert [(run.d_model, run.steps) for run in runs] == [(8, 2), (8, 3), (16, 2), (16, 3)]
    corpus = LOAD_CORPUS("world", 0, 30, 5)
    tokenizer = learn_tokenizer(corpus, 300, 10)
    train, validation = (tokenizer.encode_batch(texts) for texts in (corpus.train, corpus.validation))
    data = TextData.from_ids(train, validation, tokenizer.eos_id, 16, 2, seed=0)
    torch.manual_seed(0)
    model = Transformer(replace(TINY.shape, d_model=16, n_heads=1, n_kv_heads=1, d_head=16, d_ff=48))
    _, history = pretrain(model, data, replace(TINY.training, steps=4))
    assert held_out.loss == pytest.approx(history[-1]["val_loss"], rel=1e-6)
    assert held_out.tokens == history[-1]["tokens"]
    assert held_out.parameters == sum(parameter.numel() for parameter in model.parameters())
    outside = [model.embedding.weight, model.final_norm.weight] + [model.head.weight] * (not TINY.shape.tie_embeddings)
    assert held_out.inside_blocks == held_out.parameters - sum(weight.numel() for weight in outside)


def test_the_second_call_trains_nothing(home, monkeypatch):
    assert sweep_files(TINY) == []
    first = sweep(TINY)
    monkeypatch.setattr(recipes, "pretrain", None)
    monkeypatch.setattr(recipes, "load_corpus", None)
    assert sweep(TINY) == first
    assert sorted(home.glob("*.json")) == sorted(sweep_files(TINY))
    assert len(sweep_files(TINY)) == 5


def test_ctrl_c_loses_only_the_current_run(home, monkeypatch):
    trained = []

    def interrupted(model, *rest, **named):
        trained.append(model.config.d_model)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return pretrain(model, *rest, **named)

    monkeypatch.setattr(recipes, "pretrain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(TINY)
    assert len(list(home.glob("*.json"))) == 2
    sweep(TINY)
    assert trained == [8, 8, 16, 16, 16, 16]  # the third was repeated, the first two were not


def test_every_setting_changes_the_cache_path(home):
    changed = [replace(TINY, seed=1), replace(TINY, batch_size=1), replace(TINY, documents=31)]
    changed += [replace(TINY, training=replace(TINY.training, learning_rate=0.1))]
    files = {module.numbers_file(module.NAME, recipe.settings(8, 2)) for recipe in [TINY, *changed]}
    files |= {module.numbers_file(module.NAME, TINY.settings(*pair)) for pair in ((16, 2), (8, 3))}
    assert len(files) == 7


@pytest.mark.parametrize("text", ["", "{", "[]", '{"settings": {}, "numbers": {}}'])
def test_a_damaged_file_is_made_again_with_a_message(home, capsys, text):
    first = sweep(TINY)
    file = module.numbers_file(module.NAME, TINY.settings(8, 3))
    file.write_text(text)
    assert sweep(TINY) == first
    assert f"{file} is damaged. It is made again." in capsys.readouterr().err
    assert json.loads(file.read_text())["numbers"]["steps"] == 3


def test_no_run_reads_a_document_twice(home):
    with pytest.raises(ValueError, match="900 steps would read documents twice, since 30 make .* use more documents"):
        sweep(replace(TINY, held_out=((8, 900),)))


def test_a_cache_that_cannot_be_written_is_reported(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINILLM_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="cannot keep the numbers of scaling-run in .*set MINILLM_HOME"):
        sweep(TINY)


def test_the_base_model_belongs_to_the_sweeps_family():
    recipe, base = SweepRecipe(), BaseRecipe("world")
    assert recipe.config(128) == base.config == ModelConfig.preset("tiny")
    assert replace(recipe.training, bf16=None) == base.training
