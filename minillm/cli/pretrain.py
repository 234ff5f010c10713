"""minillm pretrain: train a base model, and report its distance from the best possible loss."""

import itertools
import sys
from typing import Any

import click

from minillm.cli.options import WORLD, shared
from minillm.cli.runs import open_run
from minillm.config import PRESETS, ModelConfig
from minillm.data.floor import bigram_loss
from minillm.device import memory_gb
from minillm.errors import UserError
from minillm.model.accounting import count_parameters, training_memory
from minillm.training.metrics import Metrics
from minillm.training.recipes import Job, Text, recipe_of
from minillm.training.recompute import recompute_blocks

BIGRAM_TOKENS = 20_000_000  # of the training text that the bigram model counts; more hardly changes its loss


@click.command()
@click.option("--preset", default="tiny", type=click.Choice(list(PRESETS)), help="The model's shape and its recipe.")
@click.option(
    "--corpus",
    default=WORLD,
    help="world, python-docs, what `minillm fetch` brings, a text file or a folder.",
)
@shared("--out")
@shared("--steps", help="Optimizer updates; this and what follows is in the preset's recipe.")
@shared("--minutes", "--optimizer")
@shared("--batch-size", help="Rows of max_seq_len tokens in one batch.")
@shared("--learning-rate")
@click.option("--weight-decay", type=float, help="Shrinks matrices by this times the rate; long runs want less.")
@click.option("--documents", type=int, help="Documents of a generated corpus to train on.")
@shared("--seed", help="Decides the world's documents, the initial weights and the order.")
@shared("--compile", "--resume", "--parallel")
@click.option("--recompute", is_flag=True, help="Less memory, more time: compute each block again for its gradients.")
@shared("--device", "--json")
@click.pass_context
def pretrain(ctx: click.Context, recompute: bool, **options: Any) -> None:
    """Train a base model from nothing; under torchrun, in several processes at once.

    --parallel and --recompute say how it is computed, not what: a run may be resumed with others, as it may with
    another number of processes.
    """
    with open_run(ctx, options, lambda chosen: recipe_of(chosen["preset"], chosen["corpus"])) as run:
        _check_memory(run.options["preset"])
        with run.processes.main_first():
            text = run.recipe.read(progress=sys.stderr.isatty() and run.processes.is_main)

        def ready(job: Job) -> None:
            run.say(
                f"{len(text.train):,} documents, {len(text.train.stream):,} tokens; "
                f"{count_parameters(job.model.config):,} parameters; a pass over them takes "
                f"{job.data.train.epoch_length / job.config.accumulate:,.0f} steps"
            )
            if recompute:
                recompute_blocks(job.model)

        start, learned_from = (text, run.processes.device), f"the corpus {run.options['corpus']}"
        done = run.train(start, lambda job: text.corpus.fingerprint, learned_from, ready, processes=run.processes)
        if not run.processes.is_main:
            return
        last = done.last
        result = summary(text, last) | {"seconds": round(done.seconds, 1)}
        result |= {"tokens_per_second": round(last["tokens"] / last["seconds"])}
        result |= {"steps": last["step"], "tokens": last["tokens"], "out": str(run.out)}
        run.report(result, sentence(result))


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
