"""minillm grpo: make the answers likelier that a reward model prefers to others to the same prompt."""

from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.online import learn_online, online_options
from minillm.posttraining.grpo import grpo as run_grpo
from minillm.posttraining.policy_gradient import LossType
from minillm.posttraining.recipes import WORLD_GRPO


@click.command()
@online_options
@click.option(
    "--scale/--no-scale",
    default=None,
    help="Divide advantages by their group's standard deviation; Dr. GRPO does not (Liu et al. 2025).",
)
@click.option(
    "--loss-type",
    type=click.Choice(get_args(LossType)),
    help="Mean of token losses: per answer (grpo, Shao et al. 2024), over all tokens (dapo, Yu et al. 2025), or their "
    "sum over --max-new-tokens (dr_grpo, Liu et al. 2025).",
)
@click.pass_context
def grpo(ctx: click.Context, out: Path, **options: Any) -> None:
    """Train a chat model for a reward, by GRPO."""
    learn_online("grpo", run_grpo, WORLD_GRPO, ctx, out, options)
