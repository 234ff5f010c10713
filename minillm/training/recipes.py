"""Recipes: everything that decides what a run makes. The command line, the course's models and the sweep share them.

    recipe -> prepare -> Job (a model, what it learns from, the method) -> run -> a trained model, kept in a folder

A recipe belongs to a shape, since a wider model wants smaller steps and a GPU larger batches.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from minillm.config import ModelConfig
from minillm.data.corpora import TOKENIZER_DOCUMENTS, Corpus, encode_training, learn_tokenizer, load_corpus
from minillm.data.floor import Floor, floor
from minillm.data.token_file import TokenFile
from minillm.device import pick_device, seed_everything
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.pretraining import PRETRAINING, TextData, pretrain
from minillm.training.run import OnMetrics, ignore
from minillm.training.settings import TrainConfig


@dataclass
class Job:
    """A run that is ready to start: a model, what it learns from, and the method that trains it."""

    model: Any
    tokenizer: Tokenizer
    data: Any  # TextData, ChatData, PairData or PromptData, as the method takes it
    config: TrainConfig
    method: Callable[..., tuple[Any, list[Metrics]]]  # pretrain, sft, train_reward_model, dpo, ppo or grpo

    def run(
        self, folder: str | Path | None = None, on_metrics: OnMetrics = ignore, **settings: Any
    ) -> tuple[Any, list[Metrics]]:
        """Train, or resume what is in `folder`; returns the trained model and the metrics of the run."""
        tokenizer = None if folder is None else self.tokenizer
        return self.method(self.model, self.data, self.config, folder, tokenizer, on_metrics, **settings)


@runtime_checkable
class Recipe(Protocol):
    """What `make` takes: settings that prepare a job, from nothing or from a model to start with."""

    @property
    def prepare(self) -> Callable[..., Job]:
        """Makes the job, from what `make` gets as `start`."""
        ...


def make(
    recipe: Recipe, folder: str | Path | None = None, on_metrics: OnMetrics = ignore, start: tuple[Any, ...] = ()
) -> tuple[Any, list[Metrics]]:
    """Make what a recipe describes; returns the trained model and the metrics of the run.

    `start` is what the recipe's `prepare` takes: nothing for a base model, a model and its tokenizer for the others.
    What an interrupted run left in `folder` is resumed.

    >>> import os, tempfile
    >>> from unittest import mock
    >>> shape = ModelConfig(vocab_size=300, d_model=8, n_layers=1, n_heads=2, max_seq_len=16)
    >>> with tempfile.TemporaryDirectory() as cache, mock.patch.dict(os.environ, MINILLM_HOME=cache):
    ...     text = Path(cache, "mine.txt")
    ...     size = text.write_text("\\n\\n".join(f"{n} and {n} is {n + n}." for n in range(50)))
    ...     recipe = BaseRecipe(str(text), config=shape, training=TrainConfig(steps=2), batch_size=2)
    ...     model, metrics = make(recipe)
    >>> model.config.vocab_size, metrics[-1]["step"], "val_loss" in metrics[-1]
    (300, 2, True)
    """
    return recipe.prepare(*start).run(folder, on_metrics)


@dataclass(frozen=True)
class Text:
    """A corpus as a model reads it: its tokenizer, the training documents and the validation documents as ids."""

    corpus: Corpus
    tokenizer: Tokenizer
    train: TokenFile
    validation: list[list[int]]

    @functools.cached_property
    def floor(self) -> Floor | None:
        """The entropy floor of the validation documents; None where the corpus's probabilities are not known."""
        return None if self.corpus.truth is None else floor(self.corpus.truth, self.tokenizer)


@dataclass(frozen=True)
class BaseRecipe:
    """Everything needed to reproduce a base model. The defaults are for preset `tiny`, two minutes on two CPU cores."""

    corpus: str  # what `load_corpus` takes: a name, a file or a folder
    seed: int = 0  # decides a generated corpus, the initial weights and the order
    config: ModelConfig = field(default_factory=lambda: ModelConfig.preset("tiny"))  # its vocab_size at most
    training: TrainConfig = PRETRAINING
    batch_size: int = 16  # rows of max_seq_len tokens
    documents: int = 40_000  # of a corpus that is generated; others are as long as they are
    tokenizer_documents: int = TOKENIZER_DOCUMENTS  # of these, to learn the vocabulary from

    def load(self) -> Corpus:
        """The corpus, not yet read."""
        return load_corpus(self.corpus, self.seed, self.documents)

    def read(self, corpus: Corpus | None = None, progress: bool = False) -> Text:
        """Learn the vocabulary and encode the documents, or take the latter from the cache."""
        corpus = corpus or self.load()
        tokenizer = learn_tokenizer(corpus, self.config.vocab_size, self.tokenizer_documents)
        return Text(
            corpus, tokenizer, encode_training(corpus, tokenizer, progress), tokenizer.encode_batch(corpus.validation)
        )

    def prepare(self, text: Text | None = None, device: torch.device | None = None) -> Job:
        """A new model and its batches; `text` is what `read` returned, if that is known already."""
        text = text or self.read()
        config = self.config.replace(vocab_size=text.tokenizer.vocab_size)
        shape = text.tokenizer.end_id, config.max_seq_len, self.batch_size, self.seed
        data = TextData.of(text.train, text.validation, *shape)
        seed_everything(self.seed)
        model = Transformer(config).to(device or pick_device(None))
        ruler = text.floor and text.floor.nats_per_token
        return Job(model, text.tokenizer, data, self.training, functools.partial(pretrain, floor=ruler))


# One GPU and TinyStories: 12,000 steps of 2 x 32 x 512 tokens, 7.5e16 floating-point operations. At a third of a
# 71 TFLOP/s card's peak (bfloat16, an RTX 3090) that is 53 minutes. It fits into 12 GB.
ON_A_GPU = TrainConfig(
    steps=12_000, accumulate=2, learning_rate=1e-3, warmup_steps=300, eval_every=1000, save_every=1000
)


def recipe_of(preset: str, corpus: str) -> BaseRecipe:
    """The recipe of a preset on a corpus: `tiny` for a CPU, all others for a GPU.

    >>> recipe_of("tiny", "mine.txt").training.steps, recipe_of("gpt2", "mine.txt").training.steps
    (660, 12000)
    """
    if preset == "tiny":
        return BaseRecipe(corpus)
    return BaseRecipe(corpus, config=ModelConfig.preset(preset), training=ON_A_GPU, batch_size=32, documents=400_000)
