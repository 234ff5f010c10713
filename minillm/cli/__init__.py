"""The command line: one small file per command; everything in it is also available from Python.

A command's module is imported when the command runs, so that `minillm --help` needs no torch. The course's commands are
there when the course is.
"""

import importlib
import io
import sys
from dataclasses import dataclass

import click

from minillm.assets import AssetError
from minillm.errors import UserError
from minillm.extensions import is_installed


@dataclass(frozen=True)
class Entry:
    """Where a command is: a module of this folder, and the function's name in it; and its line in `--help`."""

    module: str
    function: str
    about: str
    course: bool = False  # whether it needs the course


COMMANDS = {
    "tour": Entry("tour", "tour", "Follow one prompt through a real model, step by step."),
    "doctor": Entry("doctor", "doctor", "Check this computer, and that it computes the right losses."),
    "fetch": Entry("fetch", "fetch", "Download an asset once, check it and keep it."),
    "pretrain": Entry("pretrain", "pretrain", "Train a base model from nothing."),
    "sft": Entry("sft", "sft", "Teach a model to answer questions."),
    "reward": Entry("pairs", "reward", "Train a reward model on preferences."),
    "ppo": Entry("online", "ppo", "Train a chat model for a reward, by PPO."),
    "dpo": Entry("pairs", "dpo", "Train a chat model on preferences, without a reward model."),
    "grpo": Entry("online", "grpo", "Train a chat model for a reward, by GRPO."),
    "eval": Entry("evaluate", "evaluate", "Score a model in the world's experiments.", course=True),
    "generate": Entry("generate", "generate", "Continue a prompt."),
    "chat": Entry("chat", "chat", "Chat with an instruction-tuned model."),
    "publish": Entry("publish", "publish", "Write a model as one HTML file that runs it in a browser."),
    "bundle": Entry("bundle", "bundle", "Write a bundle for laptops without a network.", course=True),
    "mine": Entry("mine", "own", "Run a model with the code that you wrote.", course=True),
    "workbook": Entry("workbook", "workbook", "Lay out your copies of the lessons and exercises.", course=True),
    "progress": Entry("progress", "show_progress", "Print what is done in your workbook.", course=True),
    "grade": Entry("grade", "grade_class", "Grade a class's submissions.", course=True),
}


class Commands(click.Group):
    """Import a command when it runs; print an error about bad input as one sentence, and exit with status 1.

    Any other exception is a bug and keeps its traceback.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of `--help`."""
        course = is_installed("course")
        return [name for name, entry in COMMANDS.items() if course or not entry.course]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name; None for an unknown one."""
        if cmd_name not in self.list_commands(ctx):
            return None
        entry = COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"minillm.cli.{entry.module}"), entry.function)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, from the table above, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].about) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context):
        """Run a command, and turn errors about bad input into a `ClickException`."""
        for stream in (sys.stdin, sys.stdout, sys.stderr):  # a character that a file's encoding lacks is no such input
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except (UserError, FloatingPointError, OSError, ModuleNotFoundError, AssetError) as error:
            if ctx.params["traceback"]:
                raise
            raise click.ClickException(str(error)) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="minillm")
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
def main(traceback: bool) -> None:
    """Build, train and question small language models."""
