"""The one training loop: pretraining, SFT, the reward model and DPO differ in their batches and their loss.

`train` is a generator of metrics. It draws nothing and prints nothing; whoever iterates decides what to show.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.data.batches import Batch, PackedBatches
from minillm.device import autocast_dtype
from minillm.losses import IGNORE, token_log_probs
from minillm.training.checkpoint import load_checkpoint, save_checkpoint
from minillm.training.optim import adamw
from minillm.training.schedule import warmup_cosine

Metrics = dict[str, Any]
LossFunction = Callable[[nn.Module, Any], Float[Tensor, ""]]


@dataclass(frozen=True)
class TrainConfig:
    """How long and how hard to train. Raises `ValueError` for a number that means nothing.

    >>> TrainConfig(steps=100).warmup_steps
    50
    """

    steps: int  # optimizer updates
    learning_rate: float = 3e-3  # at its peak
    warmup_steps: int = 50
    final_fraction: float = 0.05  # of the peak, at the end of the cosine
    weight_decay: float = 0.1
    clip_norm: float = 1.0  # longest gradient that is taken as it is
    log_every: int = 10  # steps between two lines of metrics
    eval_every: int = 250  # steps between two validations; the last step always has one
    save_every: int = 250  # steps between two checkpoints; the last step always has one
    bf16: bool | None = None  # matmuls in bfloat16; None: where that is measured to be faster

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "eval_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        for name in ("warmup_steps", "weight_decay", "final_fraction"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")


def train(
    model: nn.Module,
    batches: PackedBatches,
    loss_function: LossFunction,
    config: TrainConfig,
    validate: Callable[[], Metrics] | None = None,
    checkpoint: Path | None = None,
    on_checkpoint: Callable[[], None] = lambda: None,
) -> Iterator[Metrics]:
    """Update `model` for `config.steps` steps; yield metrics every `log_every` steps and at the last one.

    Each line holds step (updates done), loss (nats, of that step's batch before the update), learning_rate,
    grad_norm (before clipping), tokens (seen since step 0) and seconds (since this call began), and now and then what
    `validate` returns. With `checkpoint`, state is saved there every `save_every` steps (then `on_checkpoint` is
    called), and a file that is already there is gone on from: the losses that follow are the same to the last bit.
    Ctrl-C waits for the end of the step, saves, and only then raises `KeyboardInterrupt`.
    Raises `FloatingPointError` at a loss that is no number; the checkpoint stays at the last good step.
    """
    device = next(model.parameters()).device
    optimizer = adamw(model, config.learning_rate, config.weight_decay)
    progress = {"step": 0, "tokens": 0}
    if checkpoint and checkpoint.exists():
        progress = load_checkpoint(checkpoint, model, optimizer)
    start = time.perf_counter()
    model.train()
    with _interrupt_after_step() as interrupted:
        for step in range(progress["step"], config.steps):
            batch = tuple(part.to(device, non_blocking=True) for part in batches[step])
            rate = warmup_cosine(
                step,
                config.steps,
                config.warmup_steps,
                config.learning_rate,
                config.final_fraction * config.learning_rate,
            )
            loss, grad_norm = update(model, optimizer, batch, loss_function, rate, config)
            done, last = step + 1, step + 1 == config.steps
            progress = {"step": done, "tokens": progress["tokens"] + int((batch[-1] != IGNORE).sum())}
            if last or done % config.save_every == 0 or interrupted():
                if checkpoint:
                    save_checkpoint(checkpoint, model, optimizer, progress)
                    on_checkpoint()
                if interrupted():
                    raise KeyboardInterrupt
            if last or done % config.log_every == 0 or done % config.eval_every == 0:
                metrics = {**progress, "loss": loss.item(), "learning_rate": rate, "grad_norm": grad_norm.item()}
                metrics["seconds"] = round(time.perf_counter() - start, 3)
                if validate and (last or done % config.eval_every == 0):
                    metrics |= validate()
                    model.train()
                yield metrics


def update(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    loss_function: LossFunction,
    learning_rate: float,
    config: TrainConfig,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """One step: forward, backward, clip, move. Returns the loss and the gradient's norm before clipping."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    device = next(model.parameters()).device
    dtype = autocast_dtype(device) if config.bf16 is None else (torch.bfloat16 if config.bf16 else None)
    with torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        loss = loss_function(model, batch)
    if not math.isfinite(loss.item()):
        raise FloatingPointError(
            f"the loss became {loss.item()} at learning rate {learning_rate:.2g}; lower the learning rate "
            f"or clip_norm (now {config.clip_norm})"
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    grad_norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    optimizer.step()
    return loss.detach(), grad_norm


@torch.no_grad()
def mean_loss(model: nn.Module, batches: Sequence[Batch]) -> float:
    """Nats per token over all batches, each token weighing the same (a mean of batch means would not do that)."""
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for inputs, targets in batches:
        targets = targets.to(device)
        total -= token_log_probs(model(inputs.to(device)), targets).double().sum().item()
        count += int((targets != IGNORE).sum())
    if count == 0:
        raise ValueError("there is no token to measure the loss on")
    return total / count


@contextmanager
def _interrupt_after_step() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a flag: an interrupt in the middle of an update would leave half of it behind."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield lambda: False
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)
