"""The options of the commands that train: declared once, filled in once from a recipe, and restored by --resume."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource

from minillm.cli.common import combined, device_option, json_option
from minillm.errors import UserError
from minillm.files import read_json
from minillm.training.recipes import registered_recipe, with_settings
from minillm.training.settings import Optimizer

RUN = "run.json"  # the options and the whole recipe of the run, for --resume
WORLD, PROBLEMS = "world", "problems"  # data that the course brings

SHARED = {
    "--model": dict(help="A run folder or an asset's name; without it the course's chat model."),
    "--out": dict(required=True, type=click.Path(path_type=Path), help="The folder that the run is kept in."),
    "--steps": dict(type=int, help="Optimizer updates; this and what follows is in the recipe for the data."),
    "--minutes": dict(type=float, help="How long to train in place of --steps, or beside it: what ends first."),
    "--optimizer": dict(type=click.Choice(get_args(Optimizer)), help="What moves the weights."),
    "--batch-size": dict(type=int, help="Rows of several texts in one batch."),
    "--learning-rate": dict(type=float, help="At its peak; another optimizer wants another one."),
    "--seed": dict(default=0, help="Decides what is drawn at random."),
    "--compile": dict(is_flag=True, help="Compile the layers first, for a long run; needs a C++ compiler."),
    "--resume": dict(is_flag=True, help="Go on with the run in --out, with its own settings."),
    "--parallel": dict(default="ddp", type=click.Choice(["ddp", "fsdp"]), help="Under torchrun: whole or sharded."),
}


def shared(*names: str, help: str | None = None) -> Callable:
    """Options that several commands have, by their names; `help` is for a command in which one means something else.

    >>> command = click.command("train")(shared("--steps", "--seed")(lambda **options: None))
    >>> [option.name for option in command.params]
    ['steps', 'seed']
    """
    others = {"--device": device_option, "--json": json_option}
    about = {} if help is None else {"help": help}
    return combined(*(others.get(name) or click.option(name, **(SHARED[name] | about)) for name in names))


def find_recipe(command: str, data: str, own: Any, instead: str) -> Any:
    """The recipe that is registered for data of that name, or `own` for a file.

    Raises `UserError` for the course's data where the course is not; `instead` is what to give then.
    """
    found = registered_recipe(command, data)
    if found is None and data in (WORLD, PROBLEMS):
        raise UserError(
            f"the data {data!r} come with the course, which is not installed here; give your own: {instead}"
        )
    return own if found is None else found


def settle(
    ctx: click.Context, out: Path, resume: bool, options: dict[str, Any], find: Callable[[dict[str, Any]], Any]
) -> tuple[Any, dict[str, Any]]:
    """The recipe of this run, and its options as `RUN` holds them: with all settings of the recipe.

    A new run has the recipe that `find` chooses by the options, with those that were given in place of its own. A
    resumed run has what it began with.
    """
    kept = out / RUN
    if not resume and kept.exists():
        raise UserError(f"{out} already holds a run; continue it with --resume, or choose another --out")
    if not resume:
        recipe = with_settings(find(options), options)
        plain = {field.name: _plain(getattr(recipe, field.name)) for field in fields(recipe)}
        filled = {name: plain["training"].get(name, value) for name, value in options.items()}
        return recipe, filled | plain
    if not kept.exists():
        raise FileNotFoundError(f"{out} holds no run to resume; leave out --resume to start one")
    damage = f"{kept} is damaged ({{}}); start again with another --out"
    try:
        held = read_json(kept)
        before = {name: value for name, value in held.items() if value is not None}
        for parameter in ctx.command.params:  # the file may have been edited
            if parameter.name in before:
                value = parameter.type_cast_value(ctx, before[parameter.name])
                before[parameter.name] = list(value) if isinstance(value, tuple) else value  # as JSON has them
    except (ValueError, TypeError, OverflowError, AttributeError, click.BadParameter) as error:
        raise UserError(damage.format(error)) from None
    for name, value in options.items():
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE and before.get(name) != value:
            raise UserError(
                f"the run in {out} has {name} = {before.get(name)}; a resumed run cannot change it to {value}"
            )
    options = options | before  # an option that there was not yet when the run began has its default
    recipe = find(options)
    try:
        return _restored(recipe, {"training": held["training"]} | held | before), options
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(damage.format(error)) from None


def _plain(value: Any) -> Any:
    """A field of a recipe as JSON has it."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _restored(recipe: Any, held: Mapping[str, Any]) -> Any:
    """The recipe with the fields that a file holds; those that a file from before does not have stay."""
    changes = {}
    for field in fields(recipe):
        value = changes[field.name] = held.get(field.name, getattr(recipe, field.name))
        if isinstance(value, dict) and is_dataclass(kind := type(getattr(recipe, field.name))):
            changes[field.name] = kind.from_dict(value) if hasattr(kind, "from_dict") else kind(**value)
    return replace(recipe, **changes)
