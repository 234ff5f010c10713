"""minillm grpo: make the answers likelier that a reward model prefers to others to the same prompt."""

from pathlib import Path
from typing import Any

import click

from minillm.cli.online import learn_online, online_options
from minillm.posttraining.grpo import grpo as run_grpo
from minillm.posttraining.recipes import WORLD_GRPO


@click.command()
@online_options
@click.pass_context
def grpo(ctx: click.Context, out: Path, **options: Any) -> None:
    """Train a chat model for a reward, by GRPO."""
    learn_online("grpo", run_grpo, WORLD_GRPO, ctx, out, options)
