"""What the commands share that train in a folder: options that outlive the process, and a bar."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import torch
from click.core import ParameterSource
from tqdm import tqdm

from minillm.course import models
from minillm.errors import UserError
from minillm.files import read_json, write_json
from minillm.model.transformer import Transformer
from minillm.posttraining.online import OnlineConfig
from minillm.posttraining.reward_model import RewardModel, load_reward_model
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import Team
from minillm.training.settings import TrainConfig

Config = TypeVar("Config")
RUN = "run.json"  # the options of the run, for --resume
TRAINING = ("steps", "minutes", "optimizer", "learning_rate", "compile")  # options that are settings of `TrainConfig`


def settle(
    ctx: click.Context,
    out: Path,
    resume: bool,
    options: dict[str, Any],
    complete: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """The options of this run: with `resume` those it began with, else the given ones as `complete` fills them in."""
    kept = out / RUN
    if not resume:
        if kept.exists():
            raise UserError(f"{out} already holds a run; go on with it by --resume, or choose another --out")
        return complete(options)
    if not kept.exists():
        raise FileNotFoundError(f"{out} holds no run to go on with; leave --resume out to start one")
    try:
        before = {name: value for name, value in read_json(kept).items() if value is not None}
        for parameter in ctx.command.params:  # somebody may have changed them by hand
            if parameter.name in before:
                value = parameter.type_cast_value(ctx, before[parameter.name])
                before[parameter.name] = list(value) if isinstance(value, tuple) else value  # as JSON has them
    except (ValueError, TypeError, OverflowError, AttributeError, click.BadParameter) as error:
        raise UserError(f"{kept} is damaged ({error}); start again with another --out") from None
    for name, value in options.items():
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE and before.get(name) != value:
            raise UserError(
                f"the run in {out} has {name} = {before.get(name)}; a resumed run cannot change it to {value}"
            )
    return options | before  # an option that there was not yet when the run began has its default


def training_of(kind: type[Config], options: dict[str, Any], out: Path) -> Config:
    """The settings of a run that its options hold; somebody may have changed them by hand."""
    try:
        return kind(**options["training"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{out / RUN} is damaged ({error}); start again with another --out") from None


def load_judge(name: str | None, tokenizer: Tokenizer) -> RewardModel:
    """The reward model of a run folder, or without one the course's; refuses one that reads other tokens."""
    judge, own = load_reward_model(name) if name else models.reward()
    if own.vocab != tokenizer.vocab:
        raise UserError("the model and the reward model have different tokenizers; give two of one family")
    return judge


def keep(out: Path, options: dict[str, Any], fingerprint: str, learnt_from: str) -> None:
    """Note the options for --resume, and what is learnt from; refuse to go on with another than the run began with."""
    before = options.setdefault("fingerprint", fingerprint)
    if before != fingerprint:
        raise UserError(
            f"{learnt_from} is not what the run in {out} began with; bring that back, or start a new run in another "
            "--out"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RUN, options)


def fingerprint(model: Transformer, learnt_from: Any) -> str:
    """Of the weights to begin with and of the text, so that a run is not gone on with from others."""
    digest = hashlib.sha256(repr(learnt_from).encode())
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def progress(
    config: TrainConfig | OnlineConfig,
    out: Path,
    command: str,
    team: Team = Team(),  # noqa: B008 - frozen, and it holds nothing
    unit: str = "tokens",  # what a line of metrics counts as such
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar over the share of the run that is over, since it may be so many minutes long; Ctrl-C ends in a sentence."""
    latest: dict[str, Any] = {}
    with tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}", disable=not team.leads) as bar:

        def show(metrics: dict[str, Any]) -> None:
            bar.n = min(config.progress(metrics["step"], metrics["seconds"]), 1.0)
            latest.update(metrics)
            bar.set_postfix_str(progress_line(latest, config.steps, unit))

        try:
            yield show
        except KeyboardInterrupt:
            raise click.ClickException(
                f"stopped and saved; go on with: minillm {command} --out {out} --resume"
            ) from None


def progress_line(latest: dict[str, Any], steps: int | None, unit: str = "tokens") -> str:
    """What the newest metrics say, the most important first: a narrow terminal cuts the end off.

    >>> latest = dict(step=20, loss=2.5, val_loss=2.6, above_floor=1.9, tokens_per_second=9876.5, flop_utilisation=0.31)
    >>> progress_line(latest, 1000)
    'step 20/1,000, loss 2.500, val_loss 2.600, 1.900 above the floor, 9,876 tokens/s, 31% of the peak'
    """
    words = [f"step {latest['step']:,}" + (f"/{steps:,}" if steps else "")]
    words += [f"{key} {latest[key]:.3f}" for key in ("reward", "kl", "loss", "val_loss") if key in latest]
    words += [f"{latest['above_floor']:.3f} above the floor"] if "above_floor" in latest else []
    words += [f"{latest['tokens_per_second']:,.0f} {unit}/s"] if "tokens_per_second" in latest else []
    words += [f"{latest['flop_utilisation']:.0%} of the peak"] if "flop_utilisation" in latest else []
    return ", ".join(words)
