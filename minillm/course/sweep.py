"""The training runs for the scaling law of lesson 13: several model widths, each with several numbers of tokens.

The numbers of the default sweep ship with the package (`minillm.course.shipped`). Other runs are trained once and
cached, one small file per run, so an interrupted sweep resumes at the run where it stopped. Every run has its own
learning rate schedule that ends with the run; intermediate losses of a longer run would compare different learning
rates (Hoffmann et al. 2022, section 3.1). No run reads a document twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from minillm.config import ModelConfig
from minillm.course.keeping import as_settings, kept_numbers, numbers_file, settings_text
from minillm.course.shipped import numbers_path, shipped_numbers
from minillm.data.corpora import TOKENIZER_DOCUMENTS
from minillm.errors import UserError
from minillm.model.accounting import count_parameters
from minillm.training.metrics import Metrics
from minillm.training.recipes import BaseRecipe, Text
from minillm.training.settings import TrainConfig
from minillm.world import WORLD_VERSION

NAME = "scaling-run"


class SweepRun(NamedTuple):
    """The numbers of a finished run."""

    d_model: int
    steps: int
    parameters: int  # all parameters
    inside_blocks: int  # parameters without embedding, head and final norm
    tokens: int  # training tokens, each read once
    loss: float  # nats per token on the validation documents


@dataclass(frozen=True)
class SweepRecipe:
    """The settings of a sweep. The preset `tiny` is of the same family, with width 128 and 660 steps of 16 rows."""

    widths: tuple[int, ...] = (16, 32, 64, 96)  # d_model
    steps: tuple[int, ...] = (100, 200, 400)  # for each width; a step reads batch_size rows of max_seq_len tokens
    held_out: tuple[tuple[int, int], ...] = ((48, 800),)  # (d_model, steps) of runs that the law is not fitted to
    shape: ModelConfig = ModelConfig.preset("tiny")  # all but its width  # noqa: RUF009
    training: TrainConfig = replace(BaseRecipe("world").training, bf16=False)  # all but its steps  # noqa: RUF009
    batch_size: int = 8
    documents: int = 22_000  # of the world, enough that the longest run reads each at most once
    tokenizer_documents: int = TOKENIZER_DOCUMENTS
    seed: int = 0  # for the documents, the initial weights and the order

    def config(self, d_model: int) -> ModelConfig:
        """Return the config for a width: about 64 dimensions per head, and d_ff = 3 d_model.

        >>> SweepRecipe().config(128) == ModelConfig.preset("tiny")
        True
        """
        heads = max(1, d_model // 64)
        return self.shape.replace(d_model=d_model, n_heads=heads, n_kv_heads=None, d_head=None, d_ff=3 * d_model)

    def base(self, d_model: int, steps: int) -> BaseRecipe:
        """The recipe of one run."""
        training = replace(self.training, steps=steps, eval_every=steps, save_every=steps)
        shape = self.seed, self.config(d_model), training, self.batch_size
        return BaseRecipe("world", *shape, self.documents, self.tokenizer_documents)

    def settings(self, d_model: int, steps: int) -> dict[str, Any]:
        """Return all settings of one run as plain values."""
        base = self.base(d_model, steps)
        shared = {name: getattr(base, name) for name in ("batch_size", "documents", "tokenizer_documents", "seed")}
        return shared | {
            "config": as_settings(base.config),
            "training": as_settings(base.training),
            "world": WORLD_VERSION,
        }


def sweep(recipe: SweepRecipe = SweepRecipe()) -> tuple[list[SweepRun], list[SweepRun]]:
    """Return the runs to fit a law to and the held-out runs: shipped, from the cache, or trained now.

    Training the default sweep takes some minutes on two cores, with a progress bar; Ctrl-C loses only the current run.
    Raises `UserError` if the shipped numbers are damaged or if a run would read a document twice, and `OSError` if the
    cache folder cannot be written.

    >>> runs, held_out = sweep()                                                              # doctest: +SKIP
    """
    runs = make_runs(recipe, NAME, shipped_numbers())
    return runs[: len(_fitted(recipe))], runs[len(_fitted(recipe)) :]


def make_runs(recipe: SweepRecipe, name: str, known: Mapping[str, dict[str, Any]]) -> list[SweepRun]:
    """Return all runs of a recipe; those that are not `known` by their settings are in the cache under `name`."""
    missing = [pair for pair in _all(recipe) if not _is_here(recipe, pair, name, known)]
    text = cache(recipe.base(*_all(recipe)[0]).read)  # only needed if a run is missing
    to_do = sum(steps for _, steps in missing)
    with tqdm(total=to_do, desc="Runs of the sweep, made once", unit="step", disable=not missing) as bar:

        def make(d_model: int, steps: int) -> SweepRun:
            def train() -> dict[str, int | float]:
                return train_run(recipe, d_model, steps, text(), bar.update)._asdict()

            settings = recipe.settings(d_model, steps)
            return SweepRun(**(known.get(settings_text(settings)) or kept_numbers(name, settings, train)))

        return [make(*pair) for pair in _all(recipe)]


def train_run(
    recipe: SweepRecipe, d_model: int, steps: int, text: Text, on_steps: Callable[[int], Any] = lambda steps: None
) -> SweepRun:
    """Train one run from scratch and report its steps to `on_steps`.

    Raises `UserError` if the run would read a document twice.
    """
    job = recipe.base(d_model, steps).prepare(text)
    if steps > job.data.train.epoch_length:
        raise UserError(
            f"{steps} steps would read documents twice, since {recipe.documents:,} make "
            f"{job.data.train.epoch_length:.0f} steps; use more documents or fewer steps"
        )
    reported = 0

    def report(line: Metrics) -> None:
        nonlocal reported
        on_steps(line["step"] - reported)
        reported = line["step"]

    model, history = job.run(on_metrics=report)
    inside = sum(parameter.numel() for block in model.blocks for parameter in block.parameters())
    last = history[-1]
    return SweepRun(d_model, steps, count_parameters(model.config), inside, last["tokens"], last["val_loss"])


def sweep_files(recipe: SweepRecipe = SweepRecipe()) -> list[Path]:
    """List the files of all runs, shipped or in the cache; empty unless all runs are there."""
    try:
        known = shipped_numbers()
    except UserError:
        return []
    if not all(_is_here(recipe, pair, NAME, known) for pair in _all(recipe)):
        return []
    cached = [pair for pair in _all(recipe) if settings_text(recipe.settings(*pair)) not in known]
    shipped = [numbers_path()] if len(cached) < len(_all(recipe)) else []
    return shipped + [numbers_file(NAME, recipe.settings(*pair)) for pair in cached]


def all_settings(recipe: SweepRecipe) -> list[dict[str, Any]]:
    """Return the settings of each run, in the order of `make_runs`."""
    return [recipe.settings(*pair) for pair in _all(recipe)]


def _is_here(recipe: SweepRecipe, pair: tuple[int, int], name: str, known: Mapping[str, dict[str, Any]]) -> bool:
    settings = recipe.settings(*pair)
    return settings_text(settings) in known or numbers_file(name, settings).exists()


def _fitted(recipe: SweepRecipe) -> list[tuple[int, int]]:
    return [(d_model, steps) for d_model in recipe.widths for steps in recipe.steps]


def _all(recipe: SweepRecipe) -> list[tuple[int, int]]:
    return [*_fitted(recipe), *recipe.held_out]
