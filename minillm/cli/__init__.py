"""The command line: one small file per command; everything in it is also available from Python."""

import io
import sys

import click

from minillm.assets import AssetError
from minillm.cli.bundle import bundle
from minillm.cli.chat import chat
from minillm.cli.doctor import doctor
from minillm.cli.dpo import dpo
from minillm.cli.evaluate import evaluate
from minillm.cli.fetch import fetch
from minillm.cli.generate import generate
from minillm.cli.grade import grade_class
from minillm.cli.grpo import grpo
from minillm.cli.mine import own
from minillm.cli.ppo import ppo
from minillm.cli.pretrain import pretrain
from minillm.cli.progress import show_progress
from minillm.cli.reward import reward
from minillm.cli.sft import sft
from minillm.cli.tour import tour
from minillm.cli.workbook import workbook
from minillm.errors import UserError


class Sentences(click.Group):
    """Print an error about bad input as one sentence, without a traceback, and exit with status 1.

    Any other exception is a bug and keeps its traceback.
    """

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


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="minillm")
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
def main(traceback: bool) -> None:
    """Build, train and question small language models."""


LEARN = (pretrain, sft, reward, ppo, dpo, grpo)
YOURS = (own, workbook, show_progress)
for command in (tour, doctor, fetch, *LEARN, evaluate, generate, chat, bundle, *YOURS, grade_class):
    main.add_command(command)
