"""The one training loop: pretraining, SFT, the reward model and DPO differ in their batches and their loss.

`train` is a generator of metrics. It draws nothing and prints nothing; whoever iterates decides what to show.
"""

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.data.batches import Batch, SegmentedBatch
from minillm.device import autocast_dtype, keep_freed_memory
from minillm.errors import UserError
from minillm.losses import IGNORE, next_token_loss_of_hidden
from minillm.model.transformer import Transformer
from minillm.training.checkpoint import Progress, load_latest, save_checkpoint
from minillm.training.compilation import compiled_layers
from minillm.training.distributed import Team, not_yet_averaged, whole
from minillm.training.optim import make_optimizer
from minillm.training.schedule import learning_rate
from minillm.training.settings import TrainConfig

Metrics = dict[str, Any]
LossFunction = Callable[[Any, Any], Float[Tensor, ""]]  # of a model and a batch


@runtime_checkable
class Batches(Protocol):
    """What is learnt from: `batches[step]`, tuples of tensors with one row an example, the same whenever asked for."""

    batch_size: int

    def __getitem__(self, step: int) -> tuple[Tensor, ...]: ...


def train(
    model: nn.Module,
    batches: Batches,
    loss_function: LossFunction,
    config: TrainConfig,
    validate: Callable[[], Metrics] | None = None,
    checkpoint: Path | None = None,
    on_checkpoint: Callable[[], None] = lambda: None,
    team: Team = Team(),  # noqa: B008 - frozen, and it holds nothing
) -> Generator[Metrics, None, None]:
    """Update `model` for `config.steps` or `config.minutes`; yield metrics at step 1, then every `log_every`.

    Each `eval_every` and the last step have a line too. Each line holds step (updates done), loss (nats, of that step's
    batches before the update), learning_rate, grad_norm (before clipping), tokens and seconds (both since step 0),
    tokens_per_second (since the line before, what validating and saving took at that line left out), and now and then
    what `validate` returns.
    With `checkpoint`, state is saved there every `save_every` steps, after the step's metrics were yielded and
    `on_checkpoint` was called, so neither is missing from a run that goes on from there. A file that is already there
    is gone on from: with `steps`, the losses that follow are the same to the last bit; with `minutes`, the seconds
    before the cut count, and the schedule goes on where it was.
    Ctrl-C, or SIGTERM (a cluster that wants its machine back), waits for the end of the step, saves, and only then
    raises `KeyboardInterrupt`.
    Raises `FloatingPointError` at a loss or a gradient that is no number; the checkpoint stays at the last good
    step. A checkpoint that cannot be written, on a full disk, is a warning, except the last one: that raises `OSError`.
    In a `team` every process gets the same batches and works on its share of the rows; the leading one validates and
    saves, or all together where the model is sharded (`on_checkpoint` is called in every process). Raises `ValueError`
    where a batch cannot be shared out evenly.
    """
    keep_freed_memory()
    device = next(model.parameters()).device
    team.check(batches.batch_size)
    module = team.with_loss(model, loss_function)
    optimizer = make_optimizer(config.optimizer, model, config.learning_rate, config.weight_decay, config.momentum)
    progress: Progress = {"step": 0, "tokens": 0, "seconds": 0.0}
    if checkpoint and checkpoint.exists():
        progress = load_latest(checkpoint, model, optimizer)
    start = time.perf_counter() - progress["seconds"]
    mark = progress["tokens"], time.perf_counter()
    share = config.progress(progress["step"], progress["seconds"])
    model.train()
    with interrupt_after_step() as interrupted, compiled_layers(model) if config.compile else nullcontext():
        while share < 1:
            first = progress["step"] * config.accumulate
            parts = [_to_device(team.share(batches[first + n]), device) for n in range(config.accumulate)]
            ends = config.warmup_steps, config.final_fraction
            rate = learning_rate(config.schedule, config.learning_rate, progress["step"], share, *ends)
            try:
                loss, grad_norm, tokens = update(module, optimizer, parts, rate, config, team)
            except FloatingPointError as error:
                raise FloatingPointError(f"step {progress['step']}: {error}") from None
            done, seconds = progress["step"] + 1, time.perf_counter() - start
            progress = {"step": done, "tokens": progress["tokens"] + tokens, "seconds": seconds}
            share, stopped = team.most(config.progress(done, seconds), interrupted())
            last = share >= 1
            line = last or stopped or done == 1 or done % config.log_every == 0 or done % config.eval_every == 0
            if line:
                metrics = {**progress, "seconds": round(seconds, 3), "loss": team.sum(loss.item())}
                pace = (progress["tokens"] - mark[0]) / (time.perf_counter() - mark[1])  # .item() waited for the card
                metrics |= {"learning_rate": rate, "grad_norm": grad_norm.item(), "tokens_per_second": round(pace, 1)}
                if validate and (last or done % config.eval_every == 0):
                    with team.measuring(module) as measures:
                        metrics |= validate() if measures else {}
                    model.train()
                yield metrics
            if checkpoint and (last or stopped or done % config.save_every == 0):
                with surviving_a_full_disk(done, must_save=bool(last or stopped)):
                    with team.all_or_none():
                        on_checkpoint()
                    save_checkpoint(checkpoint, model, optimizer, progress, team)
            if stopped:
                raise KeyboardInterrupt
            if line:
                mark = progress["tokens"], time.perf_counter()


def update(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    parts: Sequence[Any],
    learning_rate: float,
    config: TrainConfig,
    team: Team,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], int]:
    """One step: forward, backward, clip, move. Returns this process's part of the loss, the gradient's norm before
    clipping, and how many tokens all processes learnt from.

    The `parts` are batches that make one large batch together: their gradients are summed, each weighing as many
    targets as it holds, so that every token counts the same (a mean of means would favour the emptier parts).
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    device = next(module.parameters()).device
    counts = [count_targets(batch) for batch in parts]
    targets = int(team.sum(sum(counts)))
    total = torch.zeros((), device=device)
    optimizer.zero_grad(set_to_none=True)
    for number, (batch, count) in enumerate(zip(parts, counts, strict=True), start=1):
        if count == 0 and targets > 0 and team.size == 1:
            continue  # nothing to learn from in this part; a batch that is empty as a whole is the loss's to refuse
        share = count / targets if targets and len(parts) * team.size > 1 else 1.0
        if count == 0 and targets > 0:  # this process has nothing to learn here; the others wait for its gradient of 0
            batch = (*batch[:-1], torch.zeros_like(batch[-1]))
        with not_yet_averaged(module, more_to_come=number < len(parts)):
            with number_format(config, device):
                loss = module(batch)
            if not math.isfinite(loss.item()):
                raise FloatingPointError(
                    f"the loss became {loss.item()} at learning rate {learning_rate:.2g}; lower the learning rate "
                    f"or clip_norm (now {config.clip_norm})"
                )
            (loss * share * team.size).backward()  # times the size, since an average will be taken
        total += loss.detach() * share
    grad_norm = whole(nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm))
    if not math.isfinite(grad_norm.item()):  # clipped, it would be no number in every weight
        raise FloatingPointError(
            f"the gradient's norm became {grad_norm.item()} at learning rate {learning_rate:.2g}; lower it"
        )
    optimizer.step()
    return total, grad_norm, targets


def half_precision(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """The number format of the matmuls where it is not the weights' own float32."""
    if config.bf16 is None:
        return autocast_dtype(device)
    return torch.bfloat16 if config.bf16 else None


def number_format(config: TrainConfig, device: torch.device) -> torch.autocast:
    """The context that a training step computes its loss in: bfloat16 where `half_precision` says so."""
    dtype = half_precision(config, device)
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def count_targets(batch: Any) -> int:
    """How many tokens of a batch are learnt from: its last part holds the targets."""
    return int((batch[-1] != IGNORE).sum())


def _to_device(batch: Any, device: torch.device) -> Any:
    return tuple(part.to(device, non_blocking=True) for part in batch)


def text_loss(model: Transformer, batch: Batch | SegmentedBatch) -> Float[Tensor, ""]:
    """Cross-entropy of every target of a batch, in nats: of every next token in pretraining, of the answers in SFT."""
    inputs, *segments, targets = batch
    hidden = model.hidden(inputs, segments=segments[0] if segments else None)
    return next_token_loss_of_hidden(hidden, model.head.weight, targets)


@torch.no_grad()
def mean_loss(model: Transformer, batches: Sequence[Batch | SegmentedBatch]) -> float:
    """Nats per token over all batches, each token weighing the same (a mean of batch means would not do that)."""
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for batch in batches:
        if n := count_targets(batch):
            total += n * text_loss(model, _to_device(batch, device)).item()
            count += n
    if count == 0:
        raise UserError("there is no token to measure the loss on")
    return total / count


@contextmanager
def surviving_a_full_disk(step: int, must_save: bool) -> Iterator[None]:
    """Turn an `OSError` while step `step` is saved into a warning, unless it `must_save`: there may be room later."""
    try:
        yield
    except OSError as error:
        if must_save:
            raise
        warnings.warn(f"step {step} is not saved: {error}. Training goes on.", stacklevel=3)


@contextmanager
def interrupt_after_step() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a flag: an interrupt in the middle of an update would leave half of it behind.

    `torchrun` sends SIGTERM to those who are left when one of its processes has died; so they can still say so.
    A handler that was not installed from Python could not be put back, so it stays.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield lambda: False
        return
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not None}
    for number in before:
        signal.signal(number, lambda number, frame: seen.append(number))
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
