"""minillm sft: teach a model to answer, by the world's instructions or by examples of your own."""

import functools
import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.common import device_option, json_option, print_json
from minillm.cli.runs import RUN, TRAINING, fingerprint, progress, remember, resolve_options, training_config
from minillm.course.recipes.chat import OWN_SFT, WORLD_SFT, SFTRecipe
from minillm.course.recipes.reasoning import REASONING
from minillm.data.conversations import hold_out, read_conversations
from minillm.device import pick_device, seed_everything
from minillm.posttraining.lora import add_lora
from minillm.pretrained import load
from minillm.training.distributed import Processes, join_processes, restart_count
from minillm.training.pretraining import mean_loss
from minillm.training.settings import Optimizer, TrainConfig

WORLD = "world"
RECIPES = {WORLD: WORLD_SFT, "problems": REASONING}  # for the data that we make ourselves
# Of a recipe, beside its training.
SIZES = (
    "batch_size", "instructions", "questions", "short_instructions", "short_steps", "worked", "families", "worked_steps"
)  # fmt: skip


@click.command()
@click.option("--model", help="A run folder, a .gguf file or an asset's name; without it the course's base model.")
@click.option(
    "--data", default=WORLD, help='world, problems (to verify) or a JSONL file with {"messages": [...]} on each line.'
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder that the run is kept in.")
@click.option("--lora", type=int, help="Learn corrections of this rank only, and leave the model's own weights.")
@click.option("--steps", type=int, help="Optimizer updates; this and what follows is in the recipe for the data.")
@click.option("--minutes", type=float, help="How long to train in place of --steps, or beside it: what ends first.")
@click.option("--optimizer", type=click.Choice(get_args(Optimizer)), help="What moves the weights.")
@click.option("--batch-size", type=int, help="Rows of several conversations in one batch.")
@click.option("--learning-rate", type=float, help="At its peak; another optimizer wants another one.")
@click.option("--instructions", type=int, help="Instructions of the world to learn from.")
@click.option("--seed", default=0, help="Decides the world's instructions, LoRA's first weights and the order.")
@click.option("--compile", is_flag=True, help="Compile the layers first, for a long run; needs a C++ compiler.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, with its own settings.")
@click.option("--parallel", default="ddp", type=click.Choice(["ddp", "fsdp"]), help="Under torchrun: whole or sharded.")
@device_option
@json_option
@click.pass_context
def sft(ctx: click.Context, out: Path, resume: bool, parallel: str, as_json: bool, **options: Any) -> None:
    """Teach a model to answer questions; under torchrun, in several processes at once."""
    with join_processes(pick_device(options["device"]), sharded=parallel == "fsdp") as processes:
        resume = resume or (restart_count() > 0 and (out / RUN).exists())
        options = processes.broadcast(
            resolve_options(ctx, out, resume, options, with_recipe) if processes.is_main else None
        )
        result = _train(out, options, processes, as_json)
    if as_json and processes.is_main:
        print_json(result)


def with_recipe(options: dict[str, Any]) -> dict[str, Any]:
    """The options, those that were not given from the recipe for this data; --minutes alone replaces its steps."""
    recipe = RECIPES.get(options["data"], OWN_SFT)
    own = {name: getattr(recipe.training, name) for name in TRAINING} | {name: getattr(recipe, name) for name in SIZES}
    if options["minutes"] is not None or options["steps"] is not None:
        own |= {"minutes": None, "steps": None}
    if options["instructions"] is not None and recipe.instructions:  # the others in proportion
        own["short_instructions"] = round(recipe.short_instructions / recipe.instructions * options["instructions"])
    options = options | {name: value for name, value in own.items() if options.get(name) is None}
    training = replace(recipe.training, **{name: options[name] for name in TRAINING})
    if training.steps is not None and recipe.training.steps is not None:  # of fewer steps as large a part
        for name in ("short_steps", "worked_steps"):
            options[name] = round(getattr(recipe, name) / recipe.training.steps * training.steps)
    return options | {"training": asdict(training)}  # whole, so that --resume needs no recipe


def _train(out: Path, options: dict[str, Any], processes: Processes, as_json: bool) -> dict[str, Any]:
    """The whole run of one process; returns the result on rank 0."""
    seed_everything(options["seed"])
    recipe = SFTRecipe(
        training_config(TrainConfig, options, out), **{name: options[name] for name in SIZES if name in options}
    )
    with processes.main_first():
        model, tokenizer = load(options["model"] or "course-base")
        own = None if options["data"] in RECIPES else hold_out(read_conversations(Path(options["data"])))
        job = recipe.prepare(model, tokenizer, options["seed"], own)
        if processes.is_main:
            learned_from = [part.tolist() for part in (*job.data.validation[0], *job.data.train[0])]
            remember(out, options, fingerprint(model, learned_from), "the data or the initial model")
    say = functools.partial(click.echo, err=as_json) if processes.is_main else lambda text: None
    model.to(processes.device)
    if options["lora"] is not None:
        add_lora(model, options["lora"], 2.0 * options["lora"])
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    say(f"{learning:,} parameters learn from rows of {job.data.train[0][0].shape[1]} tokens")
    before = mean_loss(model, job.data.validation) if processes.is_main else math.nan
    start = time.perf_counter()
    with progress(job.config, out, "sft", processes) as show:
        _, history = job.run(out, show, processes=processes, base_name=options["model"])
    if not processes.is_main:
        return {}
    last = history[-1]
    result = {"val_loss_before": round(before, 5), "val_loss": round(last["val_loss"], 5)}
    result |= {"seconds": round(time.perf_counter() - start, 1), "steps": last["step"]}
    say("Held-out loss {val_loss_before:.3f} -> {val_loss:.3f} nats per token ({seconds:.0f} s)".format(**result))
    return result | {"tokens": last["tokens"], "parameters": learning, "out": str(out)}
