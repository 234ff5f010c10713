"""Shared by the commands that train: options that --resume restores, and a progress bar."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import torch
from click.core import ParameterSource
from tqdm import tqdm

from minillm.data.chat import chat_tokenizer
from minillm.errors import UserError
from minillm.files import read_json, write_json
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel, load_reward_model
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import ALONE, Processes
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics
from minillm.training.settings import TrainConfig

Config = TypeVar("Config")
RUN = "run.json"  # the options of the run, for --resume
# Options that are settings of `TrainConfig`.
TRAINING = ("steps", "minutes", "optimizer", "learning_rate", "weight_decay", "compile")


def resolve_options(
    ctx: click.Context,
    out: Path,
    resume: bool,
    options: dict[str, Any],
    complete: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """The options of this run: with `resume` those it started with, else the given ones as `complete` fills them in."""
    kept = out / RUN
    if not resume:
        if kept.exists():
            raise UserError(f"{out} already holds a run; continue it with --resume, or choose another --out")
        return complete(options)
    if not kept.exists():
        raise FileNotFoundError(f"{out} holds no run to resume; leave out --resume to start one")
    try:
        before = {name: value for name, value in read_json(kept).items() if value is not None}
        for parameter in ctx.command.params:  # the file may have been edited
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


def training_config(kind: type[Config], options: dict[str, Any], out: Path) -> Config:
    """The training settings in a run's options, which may come from an edited file."""
    try:
        return kind(**options["training"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{out / RUN} is damaged ({error}); start again with another --out") from None


def load_chat_model(name: str | None) -> tuple[Transformer, Tokenizer]:
    """The chat model of a run folder or an asset's name, or the course's; its tokenizer has a chat template."""
    model, tokenizer = load(name or "course-sft")
    return model, chat_tokenizer(tokenizer)


def load_reward(name: str | None, tokenizer: Tokenizer) -> RewardModel:
    """The reward model of a run folder, or the course's; raises `UserError` if its tokenizer is another one."""
    reward_model, own = load_reward_model(name or "course-reward")
    if own.vocab != tokenizer.vocab:
        raise UserError("the model and the reward model have different tokenizers; use two that share one")
    return reward_model


def remember(out: Path, options: dict[str, Any], fingerprint: str, learned_from: str) -> None:
    """Write the options for --resume with a fingerprint of the data; refuse to resume on different data."""
    before = options.setdefault("fingerprint", fingerprint)
    if before != fingerprint:
        raise UserError(
            f"{learned_from} is not what the run in {out} began with; bring that back, or start a new run in another "
            "--out"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RUN, options)


def fingerprint(model: Transformer, learned_from: Any) -> str:
    """A hash of the initial weights and the data, so that a run is not resumed with different ones."""
    digest = hashlib.sha256(repr(learned_from).encode())
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def progress(
    config: TrainConfig,
    out: Path,
    command: str,
    processes: Processes = ALONE,
    unit: str = "tokens",  # what metrics["tokens"] counts
) -> Iterator[OnMetrics]:
    """Show a bar of the fraction of the run that is over; Ctrl-C ends it with a sentence."""
    latest: dict[str, Any] = {}
    layout = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(total=1.0, bar_format=layout, disable=not processes.is_main) as bar:

        def show(metrics: Metrics) -> None:
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
    """The latest metrics as text, the most important first, since a narrow terminal cuts off the end.

    >>> latest = dict(step=20, loss=2.5, val_loss=2.6, above_floor=1.9, tokens_per_second=9876.5, flop_utilization=0.31)
    >>> progress_line(latest, 1000)
    'step 20/1,000, loss 2.500, val_loss 2.600, 1.900 above the floor, 9,876 tokens/s, 31% of the peak'
    """
    words = [f"step {latest['step']:,}" + (f"/{steps:,}" if steps else "")]
    words += [f"{key} {latest[key]:.3f}" for key in ("reward", "kl", "loss", "val_loss") if key in latest]
    words += [f"{latest['above_floor']:.3f} above the floor"] if "above_floor" in latest else []
    words += [f"{latest['tokens_per_second']:,.0f} {unit}/s"] if "tokens_per_second" in latest else []
    words += [f"{latest['flop_utilization']:.0%} of the peak"] if "flop_utilization" in latest else []
    return ", ".join(words)
