"""minillm mine: `chat` and `generate` by a model that computes, draws and remembers with what you wrote.

In the workbook, `python -m mine` is the same command (`workbook/mine/__main__.py`).
"""

from functools import partial

import click

from minillm.cli.chat import chat
from minillm.cli.generate import generate
from minillm.course import mine
from minillm.course.own_loop import OwnEngine, whose_loop
from minillm.course.own_model import use_mine, whose
from minillm.course.workbook import from_anywhere
from minillm.model.transformer import Transformer


@click.group(name="mine", invoke_without_command=True)
@click.pass_context
def own(ctx: click.Context) -> None:
    """Run a model with the code that you wrote; without a command, list what is yours."""
    from_anywhere()
    if ctx.invoked_subcommand is None:
        mine.report()
        click.echo("\n`minillm mine chat` and `minillm mine generate TEXT` run a model with it.")
        click.echo("(`MultiHead` stays in its lesson, since it neither rotates nor caches keys.)")


def _change(model: Transformer) -> None:
    click.echo(f"{whose()} {whose_loop()}", err=True)
    use_mine(model)


def _with_mine(command: click.Command, help: str) -> click.Command:
    """The same command with the same options; a prompt stands by itself."""
    argument = click.Argument(["prompt"], required=False)
    params = [argument if option.name == "prompt" else option for option in command.params]
    assert command.callback is not None
    return click.Command(
        command.name, params=params, callback=partial(command.callback, change=_change, engine=OwnEngine), help=help
    )


own.add_command(_with_mine(chat, "Chat with a model that computes with your code; --model names a run of your own."))
own.add_command(_with_mine(generate, "Continue PROMPT; --model names a run of your own, such as runs/base."))
