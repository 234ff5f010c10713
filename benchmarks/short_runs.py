"""Lesson 08's live run, for the benchmarks that change something in it: 120 updates of the base recipe.

The benchmarks beside this file import it. It has the lesson's documents with the losses they are compared with, a
training loop that takes any optimizer and loss, and a store for finished runs, from which a killed script resumes.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from minillm import ModelConfig, Tokenizer, TrainConfig, Transformer
from minillm.course import models
from minillm.data.corpora import Corpus, load_corpus
from minillm.files import read_json, write_json
from minillm.training.distributed import ALONE
from minillm.training.loop import Update, update
from minillm.training.optim import make_optimizer
from minillm.training.pretraining import TextData, mean_loss, text_loss
from minillm.training.recipes import recipe_of
from minillm.world import WORLD_VERSION, floor

RUNS = Path(__file__).resolve().parents[1] / "runs"
RECIPE = recipe_of("tiny", "world")
CONFIG, STEPS, DOCUMENTS = RECIPE.config, 120, 7_300
SETTINGS = replace(RECIPE.training, steps=STEPS)


@dataclass(frozen=True)
class Lesson:
    """The lesson's documents as text and as ids."""

    corpus: Corpus
    tokenizer: Tokenizer
    training: list[list[int]]
    validation: list[list[int]]

    @classmethod
    def load(cls) -> "Lesson":
        corpus, (_, tokenizer) = load_corpus("world", seed=0, n_train=DOCUMENTS), models.base()
        return cls(corpus, tokenizer, *(tokenizer.encode_batch(part) for part in (corpus.train, corpus.validation)))

    def data(self, seed: int, documents: Sequence[Sequence[int]] | None = None) -> TextData:
        """Batches in the order of the seed; seed 0 is the lesson's own."""
        shape = self.tokenizer.end_id, CONFIG.max_seq_len, RECIPE.batch_size, seed
        return TextData.from_ids(self.training if documents is None else documents, self.validation, *shape)

    @cached_property
    def floor(self) -> float:
        """The exact floor of the validation documents, in nats per token."""
        return floor(self.corpus.truth, self.tokenizer).nats_per_token


def new_model(seed: int, config: ModelConfig = CONFIG) -> Transformer:
    """A model with the initial weights of the seed."""
    torch.manual_seed(seed)
    return Transformer(config)


def train(
    model: Transformer,
    batches: Any,
    config: TrainConfig = SETTINGS,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Callable[[Transformer, Any], Any] = text_loss,
    until: int | None = None,
) -> list[Update]:
    """Make the updates of `minillm.training.loop.train`, the first `until` of them, by any optimizer and loss.

    Without an optimizer it is the one that the config names. Raises `FloatingPointError` as the loop does.
    """
    if optimizer is None:
        named = config.optimizer, model, config.learning_rate, config.weight_decay, config.momentum
        optimizer = make_optimizer(*named)
    assert config.steps is not None
    batch_loss, done = ALONE.batch_loss(model, loss), []
    model.train()
    for step in range(until or config.steps):
        rate = config.learning_rate_at(step, config.progress(step, 0.0))
        made = update(model, batch_loss, optimizer, [batches[step]], rate, config, ALONE)
        assert made is not None
        done.append(made)
    model.eval()
    return done


def kept(name: str, settings: dict[str, Any], make: Callable[[], dict[str, Any]], runs: Path = RUNS) -> dict[str, Any]:
    """A run's result under runs/<name>/, made first if its settings (or the recipe, or the world) are new."""
    recipe = {"model": repr(CONFIG), "training": repr(SETTINGS), "world": WORLD_VERSION, "documents": DOCUMENTS}
    key = hashlib.sha256(json.dumps([settings, recipe], sort_keys=True).encode()).hexdigest()[:16]
    path = runs / name / f"{key}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, settings | make())
    return read_json(path)


def train_and_measure(
    lesson: Lesson,
    seed: int,
    config: TrainConfig = SETTINGS,
    optimizer_of: Callable[[Transformer], torch.optim.Optimizer] | None = None,
    shape: ModelConfig = CONFIG,
) -> dict[str, Any]:
    """One run: the loss and number of targets of each update, and the validation loss (None: it diverged)."""
    model, data = new_model(seed, shape), lesson.data(seed)
    try:
        done = train(model, data.train, config, None if optimizer_of is None else optimizer_of(model))
    except FloatingPointError:
        return {"losses": [], "targets": [], "val_loss": None}
    loss = mean_loss(model, data.validation)
    return {
        "losses": [round(each.loss, 5) for each in done],
        "targets": [each.n_targets for each in done],
        "val_loss": loss if math.isfinite(loss) else None,
    }
