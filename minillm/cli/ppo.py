"""minillm ppo: make the answers that a reward model likes likelier, with a value head that tells what to expect."""

from pathlib import Path
from typing import Any

import click

from minillm.cli.online import learn_online, online_options, settle
from minillm.course.recipes.prompts import WORLD_PPO
from minillm.posttraining.ppo import PPOConfig
from minillm.posttraining.ppo import ppo as run_ppo


@click.command()
@online_options
@click.pass_context
def ppo(ctx: click.Context, out: Path, **options: Any) -> None:
    """Train a chat model for a reward, by PPO."""
    learn_online("ppo", run_ppo, PPOConfig, out, *settle(WORLD_PPO, ctx, out, options))
