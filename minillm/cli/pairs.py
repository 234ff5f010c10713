"""What `minillm reward` and `minillm dpo` share: options, pairs of answers, and the run itself."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args

import click
import torch

from minillm.cli.common import device_option, json_option, print_json
from minillm.cli.runs import (
    fingerprint,
    load_chat_model,
    load_reward,
    progress,
    remember,
    resolve_options,
    training_config,
)
from minillm.course.recipes.preferences import PairRecipe, own_answers, world_preferences
from minillm.data.pairs import EncodedPairs, PairBatches, PairData, hold_out_preferences
from minillm.data.preferences import Preference, load_preferences
from minillm.device import pick_device, seed_everything
from minillm.model.transformer import Transformer
from minillm.posttraining.reward import relabel
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.training.settings import Optimizer
from minillm.world.raters import Rater

# From the trained model, the held-out pairs and the last metrics to the result, as numbers and as a sentence.
Summarize = Callable[[Any, EncodedPairs, Metrics], tuple[dict[str, Any], str]]
WORLD = "world"
SHOWN = 3  # of what was left out


def pair_options(command: Callable) -> Callable:
    """Options of a training on pairs; those without a default are in the recipe."""
    for option in reversed(
        [
            click.option("--model", help="A run folder or an asset's name; without it the course's chat model."),
            click.option(
                "--data",
                multiple=True,
                default=[WORLD],
                callback=lambda ctx, option, values: list(values),
                help="world (simulated raters), or a JSONL file of people's rankings; several are mixed.",
            ),
            click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder of the run."),
            click.option("--pairs", type=click.IntRange(min=1), help="Pairs that simulated raters compare."),
            click.option("--own-answers", is_flag=True, help="Let raters compare answers of the model itself."),
            click.option("--length-bias", default=0.0, help="Points that simulated raters give for each word."),
            click.option("--steps", type=int, help="Optimizer updates."),
            click.option("--minutes", type=float, help="How long to train in place of --steps, or beside it."),
            click.option("--optimizer", type=click.Choice(get_args(Optimizer)), help="What moves the weights."),
            click.option("--batch-size", type=int, help="Prompts in one batch, each with all its pairs."),
            click.option("--learning-rate", type=float, help="At its peak."),
            click.option("--imitation", type=float, help="Weight of the loss of saying what was chosen."),
            click.option("--seed", default=0, help="Decides the instructions, the raters' choices and the order."),
            click.option("--compile", is_flag=True, help="Compile the layers first, for a long run."),
            click.option("--resume", is_flag=True, help="Go on with the run in --out, with its own settings."),
            device_option,
            json_option,
        ]
    ):
        command = option(command)
    return command


def learn_from_pairs(
    command: str,
    train: Callable,
    recipe: PairRecipe,
    ctx: click.Context,
    out: Path,
    options: dict[str, Any],
    summarize: Summarize,
) -> None:
    """The whole command: complete the options, train on the pairs, and print what `summarize` makes of it."""
    resume, as_json = options.pop("resume"), options.pop("as_json")
    options = resolve_options(ctx, out, resume, options, lambda given: with_pair_recipe(given, recipe))
    say = functools.partial(click.echo, err=as_json)
    seed_everything(options["seed"])
    model, tokenizer = load_chat_model(options["model"])
    model = model.to(pick_device(options["device"]))
    data, held_out = load_pairs(options, recipe, model, tokenizer, say)
    if options.get("reward"):
        data = _relabeled(data, options, tokenizer, model.device)
    learned_from = fingerprint(model, [data.train.pairs, data.validation])
    remember(out, options, learned_from, "the data or the initial model")
    config = training_config(type(recipe.training), options, out)
    start = time.perf_counter()
    with progress(config, out, command, unit="pairs") as show:
        trained, history = train(model, data, config, out, tokenizer, show)
    result, sentence = summarize(trained, held_out, history[-1])
    result |= {"seconds": round(time.perf_counter() - start, 1), "steps": history[-1]["step"], "out": str(out)}
    say(f"{sentence} ({result['seconds']:.0f} s).")
    if as_json:
        print_json(result)


def with_pair_recipe(options: dict[str, Any], recipe: PairRecipe) -> dict[str, Any]:
    """The options, those that were not given from the recipe; --minutes alone replaces its steps."""
    own = asdict(recipe.training) | {"batch_size": recipe.batch_size, "pairs": recipe.pairs}
    if options["minutes"] is not None or options["steps"] is not None:
        own |= {"minutes": None, "steps": None}
    options = {name: own.get(name) if value is None else value for name, value in options.items()}
    settings = {field.name: options[field.name] for field in fields(recipe.training) if field.name in options}
    return options | {"training": asdict(replace(recipe.training, **settings))}


def load_pairs(
    options: dict[str, Any], recipe: PairRecipe, model: Transformer, tokenizer: Tokenizer, say: Callable[[str], None]
) -> tuple[PairData, EncodedPairs]:
    """The pairs to learn from and to be measured on, the latter with the preferences that they come from."""
    parts: tuple[list[Preference], list[Preference]] = [], []
    for source in options["data"]:
        if source == WORLD:
            rater = Rater(length_bias=options["length_bias"])
            own = functools.partial(own_answers, model, tokenizer, seed=options["seed"])
            sized = replace(recipe, pairs=options["pairs"])
            found = world_preferences(sized, rater, options["seed"], own if options["own_answers"] else None)
        else:
            loaded = load_preferences(Path(source), skip_broken=True)
            _tell(say, "lines cannot be used", loaded.skipped)
            found = hold_out_preferences(loaded.preferences)
        for part, more in zip(parts, found, strict=True):
            part += more
    sized = replace(recipe, batch_size=options["batch_size"])
    data, train, held_out = sized.encode(parts, model, tokenizer, options["seed"])
    _tell(say, "pairs are left out", [*train.skipped, *held_out.skipped])
    say(f"{len(train.pairs):,} pairs to learn from, and {len(held_out.pairs):,} to measure on")
    return data, held_out


def _relabeled(data: PairData, options: dict[str, Any], tokenizer: Tokenizer, device: torch.device) -> PairData:
    """The pairs with the answer that --reward scores higher as the chosen one."""
    name = None if options["reward"] == "course" else options["reward"]
    reward_model = load_reward(name, tokenizer).to(device)
    train = PairBatches(relabel(reward_model, data.train.pairs), options["batch_size"], options["seed"])
    return PairData(train, relabel(reward_model, data.validation))


def _tell(say: Callable[[str], None], what: str, skipped: Sequence[str]) -> None:
    if skipped:
        say(f"{len(skipped)} {what}, such as: " + "; ".join(skipped[:SHOWN]))
