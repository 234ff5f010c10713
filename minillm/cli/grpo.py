"""minillm grpo: make answers likelier that score above others to the same prompt, by a reward model or a verifier."""

from pathlib import Path
from typing import Any, get_args

import click

from minillm.cli.online import learn_online, online_options, settle
from minillm.cli.verified import learn_verified
from minillm.course.recipes.prompts import WORLD_GRPO
from minillm.course.recipes.reasoning import FAMILIES, REASONING_GRPO
from minillm.errors import UserError
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.grpo import grpo as run_grpo
from minillm.posttraining.policy_gradient import LossType


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
@click.option("--verify", is_flag=True, help="Reward right results on problems with exact checks; no reward model.")
@click.option("--families", help=f"Of problems for --verify, separated by commas; without it {','.join(FAMILIES)}.")
@click.pass_context
def grpo(ctx: click.Context, out: Path, **options: Any) -> None:
    """Train a chat model for a reward, by GRPO."""
    options, as_json = settle(REASONING_GRPO if options["verify"] else WORLD_GRPO, ctx, out, options)
    if options["verify"] and options["reward"]:
        raise UserError(f"--verify needs no reward model; leave out --reward {options['reward']}")
    if options["families"] and not options["verify"]:
        raise UserError(f"--families {options['families']} chooses problems to verify; add --verify")
    learn = learn_verified if options["verify"] else learn_online
    learn("grpo", run_grpo, GRPOConfig, out, options, as_json)
