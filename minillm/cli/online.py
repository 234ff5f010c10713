"""What `minillm ppo` and `minillm grpo` share: train a chat model on its own answers, scored by a reward model."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import click

from minillm.analysis.alignment import Report, askable, assess, win_rate
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
from minillm.course.recipes.prompts import PROMPTS, online_job
from minillm.device import pick_device, seed_everything
from minillm.model.transformer import Transformer
from minillm.posttraining.online import OnlineConfig
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instructions

MEASURED = 300  # held-out instructions that are asked before and after


def online_options(command: Callable) -> Callable:
    """Options of a training on one's own answers; those without a default are the method's own."""
    for option in reversed(
        [
            click.option("--model", help="A run folder or an asset's name; without it the course's chat model."),
            click.option("--reward", help="A run folder of `minillm reward`; without it the course's reward model."),
            click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder of the run."),
            click.option("--prompts", default=PROMPTS, type=click.IntRange(min=1), help="Instructions to be asked."),
            click.option("--steps", type=int, help="Rounds of asking and learning."),
            click.option("--prompts-per-step", type=int, help="Instructions in a round."),
            click.option("--answers-per-prompt", type=int, help="Answers to each of them."),
            click.option("--max-new-tokens", type=int, help="The longest answer."),
            click.option("--learning-rate", type=float, help="At its peak."),
            click.option(
                "--kl-coef", type=float, help="KL coefficient: points of reward per nat of KL from the initial model."
            ),
            click.option("--target-kl", type=float, help="Nats of KL per answer; --kl-coef is adapted to meet it."),
            click.option("--clip-high", type=float, help="Upper clip, if not the lower; DAPO: 0.28 (Yu et al. 2025)."),
            click.option("--seed", default=0, help="Decides the instructions and the answers."),
            click.option("--resume", is_flag=True, help="Go on with the run in --out, with its own settings."),
            device_option,
            json_option,
        ]
    ):
        command = option(command)
    return command


def settle(recipe: OnlineConfig, ctx: click.Context, out: Path, options: dict) -> tuple[dict, bool]:
    """The options of this run, new or resumed, with all training settings; and whether the result is to be JSON."""
    resume, as_json = options.pop("resume"), options.pop("as_json")

    def complete(given: dict[str, Any]) -> dict[str, Any]:
        chosen = {field.name: given[field.name] for field in fields(recipe) if given.get(field.name) is not None}
        return given | {"training": asdict(replace(recipe, **chosen))}

    return resolve_options(ctx, out, resume, options, complete), as_json


def start_model(options: dict) -> tuple[Transformer, Tokenizer]:
    """The chat model that learns, on the device of the run."""
    seed_everything(options["seed"])
    model, tokenizer = load_chat_model(options["model"])
    return model.to(pick_device(options["device"])), tokenizer


def learn_online(
    command: str, train: Callable, kind: type[OnlineConfig], out: Path, options: dict, as_json: bool
) -> None:
    """Train for a reward model, and ask held-out instructions before and after."""
    config = training_config(kind, options, out)
    model, tokenizer = start_model(options)
    device = model.device
    reward_model = load_reward(options["reward"], tokenizer).to(device).eval()
    job = online_job(train, config, model, tokenizer, reward_model.score, options["prompts"], options["seed"])
    remember(out, options, fingerprint(model, job.data.prompts), "the prompts or the initial model")
    asked = askable(model, tokenizer, Instructions(options["seed"], "held-out").stream(), MEASURED)
    reference = load_chat_model(options["model"])[0].to(device)
    before = assess(reference, tokenizer, asked, reference, reward_model, options["seed"])
    with progress(config, out, command) as show:
        model, history = job.run(out, show)
    after = assess(model, tokenizer, asked, reference, reward_model, options["seed"])
    result = {"asked": after.n, "before": _figures(before), "after": _figures(after)}
    result["win_rate"] = asdict(win_rate(after.utilities, before.utilities))
    result |= {"seconds": history[-1]["seconds"], "steps": history[-1]["step"], "out": str(out)}
    click.echo(_sentence(result), err=as_json)
    if as_json:
        print_json(result)


def _figures(report: Report) -> dict[str, float]:
    means = {name: getattr(report, name).mean for name in ("accuracy", "utility", "reward", "kl")}
    return means | {"utility_stderr": report.utility.stderr, "length": report.length, "ended": report.ended}


def _sentence(result: dict[str, Any]) -> str:
    before, after, wins = result["before"], result["after"], result["win_rate"]
    return (
        f"On {result['asked']} held-out instructions: reward {before['reward']:.2f} before, {after['reward']:.2f} "
        f"after; utility {before['utility']:.2f}, {after['utility']:.2f}; right {before['accuracy']:.1%}, "
        f"{after['accuracy']:.1%}; {after['kl']:.1f} nats an answer from the model it began as. What it says now is "
        f"better in {wins['rate']:.1%} ({wins['low']:.1%} to {wins['high']:.1%}), ties being half "
        f"({result['seconds']:.0f} s)."
    )
