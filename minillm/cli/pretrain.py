"""minillm pretrain: teach a model to predict the next token, and say how far it is from the best possible."""

import functools
import itertools
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.common import device_option, json_option, print_json
from minillm.cli.runs import RUN, TRAINING, keep, progress, settle, training_of
from minillm.config import PRESETS, ModelConfig
from minillm.data.corpora import NAMES, encode_training, learn_tokenizer, load_corpus
from minillm.data.token_file import TokenFile
from minillm.device import memory_gb, pick_device, seed_everything
from minillm.errors import UserError
from minillm.model.accounting import count_parameters, training_memory
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import Processes, join_processes, restart_count
from minillm.training.metrics import Metrics
from minillm.training.pretraining import TextData
from minillm.training.pretraining import pretrain as run_pretrain
from minillm.training.recipes import recipe_of
from minillm.training.recompute import recompute_blocks
from minillm.training.settings import Optimizer, TrainConfig
from minillm.world import Floor, bigram_loss, floor

BIGRAM_TOKENS = 20_000_000  # of the training text that the bigram model counts; more hardly changes its loss


@click.command()
@click.option("--preset", default="tiny", type=click.Choice(list(PRESETS)), help="The model's shape and its recipe.")
@click.option("--corpus", default="world", help=f"{', '.join(NAMES)}, a text file or a folder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder that the run is kept in.")
@click.option("--steps", type=int, help="Optimizer updates; this and what follows is in the preset's recipe.")
@click.option("--minutes", type=float, help="How long to train in place of --steps, or beside it: what ends first.")
@click.option("--optimizer", type=click.Choice(get_args(Optimizer)), help="What moves the weights.")
@click.option("--batch-size", type=int, help="Rows of max_seq_len tokens in one batch.")
@click.option("--learning-rate", type=float, help="At its peak; another optimizer wants another one.")
@click.option("--documents", type=int, help="Documents of the world to train on.")
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
        options = processes.broadcast(settle(ctx, out, resume, options, with_recipe) if processes.is_main else None)
        result = _train(out, options, processes, recompute, as_json)
    if as_json and processes.is_main:
        print_json(result)


def _train(out: Path, options: dict[str, Any], processes: Processes, recompute: bool, as_json: bool) -> dict[str, Any]:
    """The whole run of one process; returns what the leading one has to tell."""
    seed_everything(options["seed"])
    _check_memory(options["preset"])
    with processes.main_first():
        corpus = load_corpus(options["corpus"], options["seed"], options["documents"])
        if processes.is_main:
            keep(out, options, corpus.fingerprint, f"the corpus {options['corpus']}")
        tokenizer = learn_tokenizer(corpus, ModelConfig.preset(options["preset"]).vocab_size)
        encoded = encode_training(corpus, tokenizer, progress=sys.stderr.isatty() and processes.is_main)
    config = ModelConfig.preset(options["preset"], vocab_size=tokenizer.vocab_size)
    validation = tokenizer.encode_batch(corpus.validation)
    shape = (tokenizer.end_id, config.max_seq_len, options["batch_size"], options["seed"])
    data = TextData.of(encoded, validation, *shape)
    train_config = training_of(TrainConfig, options, out)
    say = functools.partial(click.echo, err=as_json) if processes.is_main else lambda text: None
    say(
        f"{len(encoded):,} documents, {len(encoded.stream):,} tokens; {count_parameters(config):,} parameters; "
        f"a pass over them takes {data.train.epoch_length / train_config.accumulate:,.0f} steps"
    )
    model = Transformer(config).to(processes.device)
    if recompute:
        recompute_blocks(model)
    truth = None if corpus.truth is None else floor(corpus.truth, tokenizer)
    start = time.perf_counter()
    with progress(train_config, out, "pretrain", processes) as show:
        ruler = truth and truth.nats_per_token
        _, history = run_pretrain(model, data, train_config, out, tokenizer, show, processes, ruler)
    if not processes.is_main:
        return {}
    seconds = time.perf_counter() - start
    result = summary(truth, tokenizer, encoded, validation, history[-1])
    result |= {"seconds": round(seconds, 1), "tokens_per_second": round(history[-1]["tokens"] / history[-1]["seconds"])}
    say(sentence(result))
    return result | {"steps": history[-1]["step"], "tokens": history[-1]["tokens"], "out": str(out)}


def with_recipe(options: dict[str, Any]) -> dict[str, Any]:
    """The options, those that were not given being the preset's own; --minutes alone takes the place of its steps."""
    recipe = recipe_of(options["preset"])
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


def summary(
    truth: Floor | None, tokenizer: Tokenizer, train: TokenFile, validation: list[list[int]], last: Metrics
) -> dict[str, Any]:
    """The validation loss between its two rulers, in nats per token: a bigram model and, where known, the floor."""
    end = tokenizer.end_id
    learnt = itertools.chain([end], train.stream[:BIGRAM_TOKENS])
    measured = itertools.chain([end], *([*document, end] for document in validation))
    loss = last["val_loss"]
    result = {"val_loss": loss, "bigram_loss": bigram_loss(learnt, measured, tokenizer.vocab_size)}
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
