"""minillm ppo and minillm grpo: train a chat model on its own answers, scored by a reward model or by exact checks."""

import re
from typing import Any, get_args

import click

from minillm.cli.common import combined
from minillm.cli.options import PROBLEMS, WORLD, find_recipe, shared
from minillm.cli.runs import fingerprint, load_chat_model, load_reward, open_run
from minillm.errors import UserError
from minillm.posttraining.grpo import GRPOConfig
from minillm.posttraining.policy_gradient import LossType
from minillm.posttraining.ppo import PPOConfig
from minillm.posttraining.recipes import FilePrompts

CONFIGS = {"ppo": PPOConfig, "grpo": GRPOConfig}


class CountOrFile(click.ParamType):
    """A number of prompts, at least 1, or the path of a file that holds them.

    >>> CountOrFile().convert("12", None, None), CountOrFile().convert("asked.jsonl", None, None)
    (12, 'asked.jsonl')
    """

    name = "number or file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or the path as text."""
        if not re.fullmatch(r"-?\d+", str(value)):
            return str(value)
        if int(value) < 1:
            self.fail(f"{value} is not in the range x>=1.", param, ctx)
        return int(value)


online_options = combined(
    shared("--model"),
    click.option("--reward", help="A run folder of `minillm reward`; without it the course's reward model."),
    shared("--out"),
    click.option(
        "--prompts",
        type=CountOrFile(),
        help='How many instructions of the world, else 4,000; or a JSONL file with {"prompt": "..."} on each line.',
    ),
    shared("--steps", help="Rounds of asking and learning."),
    click.option("--prompts-per-step", type=int, help="Instructions in a round."),
    click.option("--answers-per-prompt", type=int, help="Answers to each of them."),
    click.option("--max-new-tokens", type=int, help="The longest answer."),
    shared("--learning-rate"),
    click.option(
        "--kl-coef", type=float, help="KL coefficient: points of reward per nat of KL from the initial model."
    ),
    click.option("--target-kl", type=float, help="Nats of KL per answer; --kl-coef is adapted to meet it."),
    click.option("--clip-high", type=float, help="Upper clip, if not the lower; DAPO: 0.28 (Yu et al. 2025)."),
    shared("--seed", help="Decides the instructions and the answers."),
    shared("--resume", "--device", "--json"),
)


@click.command()
@online_options
@click.pass_context
def ppo(ctx: click.Context, **options: Any) -> None:
    """Train a chat model for a reward, by PPO."""
    learn_online(ctx, options)


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
@click.option("--families", help="Of problems for --verify, separated by commas; without it chain,swaps,sum,count.")
@click.pass_context
def grpo(ctx: click.Context, **options: Any) -> None:
    """Train a chat model for a reward, by GRPO."""
    learn_online(ctx, options)


def learn_online(ctx: click.Context, options: dict[str, Any]) -> None:
    """The whole command: train on the prompts, and measure the model on held-out ones before and after."""
    with open_run(ctx, options, lambda chosen: recipe_for(str(ctx.command.name), chosen)) as run:
        verify, device = run.options.get("verify"), run.processes.device
        model, tokenizer = load_chat_model(run.options["model"])
        model = model.to(device)
        reward_model = None if verify else load_reward(run.options["reward"], tokenizer).to(device).eval()
        start = model, tokenizer, run.options["seed"], reward_model
        evaluation = run.recipe.evaluation(*start)
        done = run.train(
            start,
            lambda job: fingerprint(model, job.data.prompts),
            f"the {'problems' if verify else 'prompts'} or the initial model",
            lambda job: evaluation.measure(model),
        )
        result = evaluation.compare(done.before, evaluation.measure(model))
        result |= {"seconds": done.last["seconds"], "steps": done.last["step"], "out": str(run.out)}
        run.report(result, evaluation.sentence(result))


def recipe_for(command: str, options: dict[str, Any]) -> Any:
    """The recipe for the prompts; raises `UserError` for options that do not fit together."""
    verify, families, prompts = options.get("verify"), options.get("families"), options["prompts"]
    if verify and options["reward"]:
        raise UserError(f"--verify needs no reward model; leave out --reward {options['reward']}")
    if families and not verify:
        raise UserError(f"--families {families} chooses problems to verify; add --verify")
    if not isinstance(prompts, str):
        return find_recipe(command, PROBLEMS if verify else WORLD, None, "--prompts FILE.jsonl")
    if verify:
        raise UserError(f"--verify asks problems of its own; leave it out, or leave out --prompts {prompts}")
    return FilePrompts(CONFIGS[command](), prompts)
