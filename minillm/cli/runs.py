"""Shared by the commands that train: the models that they start from, the run itself, and a progress bar."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from tqdm import tqdm

from minillm.assets import registered_names
from minillm.cli.common import print_json
from minillm.cli.options import RUN, settle
from minillm.data.chat import chat_tokenizer
from minillm.device import pick_device, seed_everything
from minillm.errors import UserError
from minillm.files import write_json
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel, load_reward_model
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import ALONE, Processes, join_processes, restart_count
from minillm.training.metrics import Metrics
from minillm.training.recipes import Job, make
from minillm.training.run import OnMetrics
from minillm.training.settings import TrainConfig


def load_model(name: str | None, default: str) -> tuple[Transformer, Tokenizer]:
    """The model of a run folder or an asset's name, or the course's."""
    return load(_known(name, default, "--model"))


def load_chat_model(name: str | None) -> tuple[Transformer, Tokenizer]:
    """The chat model of a run folder or an asset's name, or the course's; its tokenizer has a chat template."""
    model, tokenizer = load_model(name, "course-sft")
    return model, chat_tokenizer(tokenizer)


def load_reward(name: str | None, tokenizer: Tokenizer) -> RewardModel:
    """The reward model of a run folder, or the course's; raises `UserError` if its tokenizer is another one."""
    reward_model, own = load_reward_model(_known(name, "course-reward", "--reward"))
    if own.vocab != tokenizer.vocab:
        raise UserError("the model and the reward model have different tokenizers; use two that share one")
    return reward_model


def _known(name: str | None, default: str, option: str) -> str:
    if name is None and default not in registered_names():
        raise UserError(
            f"the default model comes with the course, which is not installed here; give a folder: {option}"
        )
    return name or default


@dataclass(frozen=True)
class Trained:
    """What a run made: the model, what was measured before, the last metrics, and the seconds that it took."""

    model: Any
    before: Any
    last: Metrics
    seconds: float


@dataclass(frozen=True)
class CommandRun:
    """A run of one of the commands that train, new or resumed: its options and the recipe that they make up."""

    command: str
    out: Path
    options: dict[str, Any]
    recipe: Any
    processes: Processes
    as_json: bool

    def say(self, text: str) -> None:
        """Print a line, on rank 0 only; with --json on stderr."""
        if self.processes.is_main:
            click.echo(text, err=self.as_json)

    def train(
        self,
        start: tuple[Any, ...],
        fingerprint: Callable[[Job], str],
        learned_from: str,
        ready: Callable[[Job], Any] = lambda job: None,
        unit: str = "tokens",
        **settings: Any,
    ) -> Trained:
        """Make the recipe from `start`, with a progress bar.

        `fingerprint` tells whether a resumed run learns from the same, which `learned_from` names; `ready` is called
        before the first step, and what it returns is in the result. `settings` are the method's own.
        """
        before, begun = None, 0.0

        @contextmanager
        def watch(job: Job) -> Iterator[OnMetrics]:
            nonlocal before, begun
            if self.processes.is_main:
                remember(self.out, self.options, fingerprint(job), learned_from)
            before, begun = ready(job), time.perf_counter()
            with progress(job.config, self.out, self.command, self.processes, unit) as show:
                yield show

        model, history = make(self.recipe, self.out, start=start, watch=watch, **settings)
        return Trained(model, before, history[-1] if history else Metrics(), time.perf_counter() - begun)

    def report(self, result: Mapping[str, Any], sentence: str) -> None:
        """Print the result of the run: the sentence, and the JSON that --json asks for; on rank 0 only."""
        self.say(sentence)
        if self.as_json and self.processes.is_main:
            print_json(dict(result))


@contextmanager
def open_run(
    ctx: click.Context, options: dict[str, Any], find: Callable[[dict[str, Any]], Any]
) -> Iterator[CommandRun]:
    """A run by the options of a command, with the recipe that `find` chooses by them.

    With --parallel it is shared by all processes that torchrun started; a restart by torchrun resumes.
    """
    out, as_json, resume = (options.pop(name) for name in ("out", "as_json", "resume"))
    resume = resume or (restart_count() > 0 and (out / RUN).exists())
    joined: AbstractContextManager[Processes] = nullcontext(ALONE)
    if (parallel := options.pop("parallel", None)) is not None:
        joined = join_processes(pick_device(options["device"]), sharded=parallel == "fsdp")
    with joined as processes:
        settled = settle(ctx, out, resume, options, find) if processes.is_main else None
        recipe, options = processes.broadcast(settled)
        if parallel is None:  # on the device that the run began with
            processes = replace(processes, device=pick_device(options["device"]))
        seed_everything(options["seed"])
        yield CommandRun(str(ctx.command.name), out, options, recipe, processes, as_json)


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
