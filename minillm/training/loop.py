"""One training loop for pretraining, SFT, the reward model, DPO, PPO and GRPO.

A `Task` says what is learned: its batches, its loss and what it measures. `train` does the rest, which is the same for
all of them: the learning-rate schedule, the optimizer's steps, metrics, checkpoints and interrupts.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm import kernels
from minillm.device import autocast_dtype, keep_freed_memory
from minillm.losses import IGNORE
from minillm.training.checkpoint import Progress
from minillm.training.compilation import compiled_layers
from minillm.training.distributed import BatchLoss, Processes, not_yet_averaged, whole
from minillm.training.metrics import Metrics
from minillm.training.optim import make_optimizer
from minillm.training.run import Run
from minillm.training.settings import TrainConfig

LossFunction = Callable[[Any, Any], Float[Tensor, ""] | None]  # of a model and a batch


@runtime_checkable
class Batches(Protocol):
    """Where batches come from: `batches[step]` is the same whenever it is asked for, so a run can resume anywhere.

    A batch is a tuple of tensors with one row per example, the targets last.
    """

    batch_size: int

    def __getitem__(self, step: int) -> Any: ...


class Update(NamedTuple):
    """What one optimizer step reports."""

    loss: float  # nats per target, before the step
    grad_norm: float  # before clipping
    n_targets: int  # tokens (or pairs) that all processes learned from


@dataclass
class Task:
    """What a training method adds to the loop; by default, each step makes one update on that step's batches.

    PPO and GRPO override `updates`: they sample first, then make several updates on what was sampled.
    """

    model: nn.Module  # everything that learns and that a checkpoint holds
    batches: Batches
    loss: LossFunction
    validate: Callable[[], Metrics] = lambda: Metrics()
    extra_metrics: Callable[[Metrics], Metrics] = lambda metrics: Metrics()  # from the metrics of a step so far
    state: dict[str, float] = field(default_factory=dict)  # numbers of the task's own that a checkpoint keeps

    def updates(self, step: int, accumulate: int) -> Iterator[Sequence[Any]]:
        """The updates of a step (from 0), each as its `accumulate` micro-batches.

        The next one is asked for after the last one is made. None is asked for after a loss of None, which says that
        the step has moved the model far enough.
        """
        yield [self.batches[step * accumulate + n] for n in range(accumulate)]

    def metrics(self, updates: Sequence[Update]) -> Metrics:
        """The metrics of a step, from what its updates reported."""
        n = len(updates)
        loss, grad_norm = sum(done.loss for done in updates) / n, sum(done.grad_norm for done in updates) / n
        return {"loss": loss, "grad_norm": grad_norm, "tokens": sum(done.n_targets for done in updates)}


def fit(task: Task, config: TrainConfig, run: Run | None = None) -> list[Metrics]:
    """Run `train` to its end, leave the model in evaluation mode, and return all metrics of the run."""
    run = run or Run(config)
    for _ in train(task, config, run):
        pass
    task.model.eval()
    return run.history


def train(task: Task, config: TrainConfig, run: Run | None = None) -> Generator[Metrics, None, None]:
    """Train for `config.steps` or `config.minutes`; yield metrics at step 1, every `log_every`, and the last step.

    The keys are those of `Metrics`. With a folder the `run` keeps metrics and checkpoints there and resumes from
    them: with `steps`, the losses that follow are the same to the last bit; with `minutes`, the seconds before the cut
    count. State is saved every `save_every` steps, after the step's metrics. Ctrl-C and SIGTERM (a cluster that wants
    its machine back) finish the step, save, and only then raise `KeyboardInterrupt`.

    Raises `FloatingPointError` at a loss or gradient that is not finite, with the last good checkpoint kept; `OSError`
    if the last checkpoint cannot be written (an earlier one only warns); `UserError` if a batch cannot be divided
    among the processes.
    """
    run = run or Run(config)
    processes = run.processes
    keep_freed_memory()  # not at import: a process that only generates is left as it is
    processes.check(task.batches.batch_size)
    device = next(task.model.parameters()).device
    batch_loss = processes.batch_loss(task.model, task.loss)
    optimizer = make_optimizer(config.optimizer, task.model, config.learning_rate, config.weight_decay, config.momentum)
    progress: Progress = {"step": 0, "tokens": 0, "seconds": 0.0} | task.state | run.resume(task.model, optimizer)
    task.state = {name: progress[name] for name in task.state}
    start = time.perf_counter() - progress["seconds"]
    measured_from = progress["tokens"], time.perf_counter()  # tokens_per_second counts from here
    fraction = config.progress(progress["step"], progress["seconds"])  # of the run that is over
    task.model.train()

    with interrupt_after_step() as interrupted, compiled_layers(task.model) if config.compile else nullcontext():
        while fraction < 1:
            # One step: the rate for it, then forward, backward and the optimizer, as often as the task says.
            rate = config.learning_rate_at(progress["step"], fraction)
            made: list[Update] = []
            try:
                for batches in task.updates(progress["step"], config.accumulate):
                    rows = [to_device(processes.shard(batch), device) for batch in batches]
                    done = update(task.model, batch_loss, optimizer, rows, rate, config, processes)
                    if done is None:
                        break
                    made.append(done)
            except FloatingPointError as error:
                raise FloatingPointError(run.diagnose(f"step {progress['step']}: {error}", task.model)) from None

            metrics = task.metrics(made)

            # Where the run stands now; any process may stop all.
            step, seconds = progress["step"] + 1, time.perf_counter() - start
            progress = {"step": step, "tokens": progress["tokens"] + metrics["tokens"], "seconds": seconds} | task.state
            fraction, stopped = processes.max(config.progress(step, seconds), interrupted())
            last = fraction >= 1

            # Metrics, with a validation now and then.
            shown = last or stopped or step == 1 or step % config.log_every == 0 or step % config.eval_every == 0
            if shown:
                pace = (progress["tokens"] - measured_from[0]) / (time.perf_counter() - measured_from[1])
                line: Any = {"seconds": round(seconds, 3), "learning_rate": rate, "tokens_per_second": round(pace, 1)}
                metrics |= progress | line
                if last or step % config.eval_every == 0:
                    with processes.measuring(batch_loss) as measures:
                        metrics |= task.validate() if measures else {}
                    task.model.train()
                metrics |= task.extra_metrics(metrics)
                run.record(metrics)
                yield metrics

            if last or stopped or step % config.save_every == 0:
                run.save(task.model, optimizer, progress, required=bool(last or stopped))
            if stopped:
                raise KeyboardInterrupt
            if shown:
                measured_from = progress["tokens"], time.perf_counter()


def update(
    model: nn.Module,
    batch_loss: BatchLoss,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Any],
    learning_rate: float,
    config: TrainConfig,
    processes: Processes,
) -> Update | None:
    """One optimizer step: forward, backward, clip, step.

    `batch_loss` is that of `Processes.batch_loss`. The `batches` are micro-batches of one large batch: their
    gradients are summed, each weighted by its number of targets, so that every token counts the same (a mean of means
    would favor the emptier ones). Returns None, with nothing changed, if the loss is None.

    Raises `FloatingPointError` before any weight changes if the loss or the gradient is not finite.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    device = next(model.parameters()).device
    counts = [count_targets(batch) for batch in batches]
    n_targets = int(processes.sum(sum(counts)))
    total = 0.0
    optimizer.zero_grad(set_to_none=True)
    for number, (batch, count) in enumerate(zip(batches, counts, strict=True), start=1):
        if count == 0 and n_targets > 0 and processes.world_size == 1:
            continue  # nothing to learn from in this micro-batch; the loss refuses a batch that is empty as a whole
        weight = count / n_targets if n_targets and len(batches) * processes.world_size > 1 else 1.0
        if count == 0 and n_targets > 0:  # nothing to learn here, but the other processes wait for its zero gradient
            batch = (*batch[:-1], torch.zeros_like(batch[-1]))
        # forward and backward
        # also on the way back the fused kernels, since `recompute` computes there what it did not keep
        with not_yet_averaged(batch_loss, more_to_come=number < len(batches)), kernels.enabled():
            with training_context(config, device):
                loss = batch_loss(batch)
            if loss is None:
                return None
            if not math.isfinite(loss.item()):
                raise FloatingPointError(
                    f"the loss became {loss.item()} at learning rate {learning_rate:.2g}; lower the learning rate "
                    f"or clip_norm (now {config.clip_norm})"
                )
            (loss * weight * processes.world_size).backward()  # times world_size, since DDP averages
        total += loss.item() * weight
    # clip, then step
    grad_norm = whole(nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)).item()
    if not math.isfinite(grad_norm):  # clipping would write NaN into every weight
        raise FloatingPointError(
            f"the gradient norm is {grad_norm} at learning rate {learning_rate:.2g}; lower the learning rate"
        )
    optimizer.step()
    return Update(processes.sum(total), grad_norm, n_targets)


def training_dtype(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """The number format of matrix products in training, or None if it is the weights' own float32."""
    if config.bf16 is None:
        return autocast_dtype(device)
    return torch.bfloat16 if config.bf16 else None


@contextmanager
def training_context(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """The context in which a training step computes its loss: fused kernels, and bfloat16 as `training_dtype` says."""
    dtype = training_dtype(config, device)
    with kernels.enabled(), torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        yield


def count_targets(batch: Any) -> int:
    """How many targets a batch holds: those in its last tensor that are not `IGNORE`, or what its own count says."""
    own = getattr(batch, "n_targets", None)
    return int((batch[-1] != IGNORE).sum()) if own is None else own


def to_device(batch: Any, device: torch.device) -> Any:
    """A tuple of tensors on the device; any other batch is there already."""
    return tuple(part.to(device, non_blocking=True) for part in batch) if isinstance(batch, tuple) else batch


@contextmanager
def interrupt_after_step() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a flag, since an interrupt in the middle of an update would leave half of it.

    `torchrun` sends SIGTERM to the remaining processes when one has died, so they can still report it. A handler that
    was not installed from Python could not be put back, so it stays.
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
