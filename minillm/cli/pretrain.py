"""minillm pretrain: train a base model, and report its distance from the best possible loss."""

import functools
import itertools
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.common import device_option, json_option, print_json
from minillm.cli.runs import RUN, TRAINING, progress, remember, resolve_options, training_config
from minillm.config import PRESETS, ModelConfig
from minillm.data.floor import bigram_loss
from minillm.device import memory_gb, pick_device
from minillm.errors import UserError
from minillm.model.accounting import count_parameters, training_memory
from minillm.training.distributed import Processes, join_processes, restart_count
from minillm.training.metrics import Metrics
from minillm.training.recipes import BaseRecipe, Text, recipe_of
from minillm.training.recompute import recompute_blocks
from minillm.training.settings import Optimizer, TrainConfig

BIGRAM_TOKENS = 20_000_000  # of the training text that the bigram model counts; more hardly changes its loss


@click.command()
@click.option("--preset", default="tiny", type=click.Choice(list(PRESETS)), help="The model's shape and its recipe.")
@click.option(
    "--corpus",
    default="world",
    help="world, python-docs, what `minillm fetch` brings, a text file or a folder.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder that the run is kept in.")
@click.option("--steps", type=int, help="Optimizer updates; this and what follows is in the preset's recipe.")
@click.option("--minutes", type=float, help="How long to train in place of --steps, or beside it: what ends first.")
@click.option("--optimizer", type=click.Choice(get_args(Optimizer)), help="What moves the weights.")
@click.option("--batch-size", type=int, help="Rows of max_seq_len tokens in one batch.")
@click.option("--learning-rate", type=float, help="At its peak; another optimizer wants another one.")
@click.option("--weight-decay", type=float, help="Shrinks matrices by this times the rate; long runs want less.")
@click.option("--documents", type=int, help="Documents of a generated corpus to train on.")
@click.option("--seed", default=0, help="Decides the world's documents, the initial weights and the order.")
@click.option("--compile", is_flag=True, help="Compile the layers first, for a long run; needs a C++ compiler.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, with its own settings.")
@click.option("--parallel", default="ddp", type=click.Choice(["ddp", "fsdp"]), help="Under torchrun: whole or sharded.")
@click.option("--recompute", is_flag=True, help="Less memory, more time: compute each block again for its gradients.")
@device_option
@json_option
@click.pass_context
def pretrain(
    ctx: click.Context, out: Path, resume: bool, parallel: str, recompute: bool, as_json: bool, **options: Any
) -> None:
    """Train a base model from nothing; under torchrun, in several processes at once.

    --parallel and --recompute say how it is computed, not what: a run may be resumed with others, as it may with
    another number of processes.
    """
    with join_processes(pick_device(options["device"]), sharded=parallel == "fsdp") as processes:
        resume = resume or (restart_count() > 0 and (out / RUN).exists())
        options = processes.broadcast(
            resolve_options(ctx, out, resume, options, with_recipe) if processes.is_main else None
        )
        result = _train(out, options, processes, recompute, as_json)
    if as_json and processes.is_main:
        print_json(result)


def _train(out: Path, options: dict[str, Any], processes: Processes, recompute: bool, as_json: bool) -> dict[str, Any]:
    """The whole run of one process; returns the result on rank 0."""
    _check_memory(options["preset"])
    chosen = {name: options[name] for name in ("seed", "corpus", "documents", "batch_size")}
    shape, training = ModelConfig.preset(options["preset"]), training_config(TrainConfig, options, out)
    recipe = BaseRecipe(config=shape, training=training, **chosen)
    with processes.main_first():
        corpus = recipe.load()
        if processes.is_main:
            remember(out, options, corpus.fingerprint, f"the corpus {options['corpus']}")
        text = recipe.read(corpus, progress=sys.stderr.isatty() and processes.is_main)
    job = recipe.prepare(text, processes.device)
    say = functools.partial(click.echo, err=as_json) if processes.is_main else lambda text: None
    say(
        f"{len(text.train):,} documents, {len(text.train.stream):,} tokens; "
        f"{count_parameters(job.model.config):,} parameters; a pass over them takes "
        f"{job.data.train.epoch_length / training.accumulate:,.0f} steps"
    )
    if recompute:
        recompute_blocks(job.model)
    start = time.perf_counter()
    with progress(training, out, "pretrain", processes) as show:
        _, history = job.run(out, show, processes=processes)
    if not processes.is_main:
        return {}
    seconds, last = time.perf_counter() - start, history[-1]
    result = summary(text, last)
    result |= {"seconds": round(seconds, 1), "tokens_per_second": round(last["tokens"] / last["seconds"])}
    say(sentence(result))
    return result | {"steps": last["step"], "tokens": last["tokens"], "out": str(out)}


def with_recipe(options: dict[str, Any]) -> dict[str, Any]:
    """Fill options that were not given from the preset's recipe; --minutes alone replaces its steps."""
    recipe = recipe_of(options["preset"], options["corpus"])
    own = asdict(recipe.training) | {"batch_size": recipe.batch_size, "documents": recipe.documents}
    if options["minutes"] is not None or options["steps"] is not None:
        own |= {"minutes": None, "steps": None}
    options = {name: own.get(name) if value is None else value for name, value in options.items()}
    training = replace(recipe.training, **{name: options[name] for name in TRAINING})
    return options | {"training": asdict(training)}  # whole, so that --resume needs no recipe


def _check_memory(preset: str) -> None:
    """Refuse a model that this computer cannot hold, before it takes all the memory there is."""
    memory = training_memory(ModelConfig.preset(preset), batch_size=1, n_tokens=1)
    needed = (memory["weights"] + memory["gradients"] + memory["optimizer"]) / 1e9
    available = memory_gb()
    if available is not None and needed > available:
        raise UserError(
            f"training {preset!r} takes at least {needed:,.1f} GB for its weights and the optimizer, and this computer "
            f"has {available} GB of memory; choose a smaller preset"
        )


def summary(text: Text, last: Metrics) -> dict[str, Any]:
    """The validation loss between a bigram model's and, where it is known, the floor; in nats per token."""
    end, truth = text.tokenizer.end_id, text.floor
    learned = itertools.chain([end], text.train.stream[:BIGRAM_TOKENS])
    measured = itertools.chain([end], *([*document, end] for document in text.validation))
    loss = last["val_loss"]
    result = {"val_loss": loss, "bigram_loss": bigram_loss(learned, measured, text.tokenizer.vocab_size)}
    if truth is not None:
        result |= {"floor": truth.nats_per_token, "floor_stderr": truth.stderr, "kl": loss - truth.nats_per_token}
        result["closed"] = (result["bigram_loss"] - loss) / (result["bigram_loss"] - truth.nats_per_token)
    return {key: round(value, 5) for key, value in result.items()}


def sentence(result: dict[str, Any]) -> str:
    """The same for a person."""
    text = f"Validation loss {result['val_loss']:.3f} nats per token; a bigram model has {result['bigram_loss']:.3f}"
    if "floor" in result:
        text += f", and no model can get under {result['floor']:.3f}. {result['closed']:.1%} of that way is done"
    return f"{text} ({result['seconds']:.0f} s, {result['tokens_per_second']:,} tokens/s)."
