"""Recipes: everything that decides what a run makes. The command line, the course's models and the sweep share them.

    recipe -> prepare -> Job (a model, what it learns from, the method) -> run -> a trained model, kept in a folder

A recipe belongs to a shape, since a wider model wants smaller steps and a GPU larger batches. Recipes for data that an
extension brings register themselves (`register_recipe`), as the course's do for its world.
"""

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from minillm.config import ModelConfig
from minillm.data.corpora import TOKENIZER_DOCUMENTS, Corpus, encode_training, learn_tokenizer, load_corpus
from minillm.data.floor import Floor, floor
from minillm.data.token_file import TokenFile
from minillm.device import pick_device, seed_everything
from minillm.extensions import load_extensions
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
    recipe: Recipe,
    folder: str | Path | None = None,
    on_metrics: OnMetrics = ignore,
    start: tuple[Any, ...] = (),
    watch: Callable[[Job], AbstractContextManager[OnMetrics]] | None = None,
    **settings: Any,
) -> tuple[Any, list[Metrics]]:
    """Make what a recipe describes; returns the trained model and the metrics of the run.

    `start` is what the recipe's `prepare` takes: nothing for a base model, a model and its tokenizer for the others.
    What an interrupted run left in `folder` is resumed. `watch(job)`, if given, sees the job before it runs and returns
    a context to run it in, which gives the callback for metrics. `settings` are the method's own, such as `processes`.

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
    job = recipe.prepare(*start)
    with nullcontext(on_metrics) if watch is None else watch(job) as show:
        return job.run(folder, show, **settings)


Settled = TypeVar("Settled")


def with_settings(recipe: Settled, settings: Mapping[str, Any]) -> Settled:
    """Change a recipe by settings of its own or of its training; other names, and those that are None, are ignored.

    Steps or minutes replace both: the run is then as long as the given one says. A recipe with a method
    `in_proportion_to` has more numbers that depend on what was changed.

    >>> recipe = with_settings(BaseRecipe("mine.txt"), {"batch_size": 8, "minutes": 2.0, "learning_rate": None})
    >>> recipe.batch_size, recipe.training.minutes, recipe.training.steps
    (8, 2.0, None)
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if given.keys() & {"steps", "minutes"}:
        given = {"steps": None, "minutes": None} | given
    old: Any = recipe
    training, own = (
        {field.name: given[field.name] for field in fields(part) if field.name in given} for part in (old.training, old)
    )
    new = replace(old, **own, training=replace(old.training, **training))
    return new.in_proportion_to(old) if hasattr(new, "in_proportion_to") else new


_REGISTERED: dict[tuple[str, str], Callable[[], Any]] = {}


def register_recipe(command: str, data: str, find: Callable[[], Any]) -> None:
    """Make the recipe of a command (sft, reward, dpo, ppo or grpo) for some data known by the name of the data.

    `find` returns it. The command line uses these, and says what to give instead where there is none.

    >>> register_recipe("pretrain", "letters", lambda: BaseRecipe("letters.txt"))
    >>> registered_recipe("pretrain", "letters").corpus, registered_recipe("pretrain", "digits")
    ('letters.txt', None)
    """
    _REGISTERED[command, data] = find


def registered_recipe(command: str, data: str) -> Any:
    """The recipe that is registered for a command and the name of its data, or None if there is none."""
    load_extensions()
    find = _REGISTERED.get((command, data))
    return find and find()


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
        data = TextData.from_ids(text.train, text.validation, *shape)
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
