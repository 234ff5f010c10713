"""The training loop with one thing done differently: the mistakes that the probes of `08.train` know."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from minillm.course.checks.probe import Answer
from minillm.course.turns.pretraining.spies import Schedule, Spy, loss_of


def run(
    start: Tensor,
    batches: list[Tensor],
    _loss: str,
    _optimizer: str,
    rates: list[float],
    *,
    order: str = "rate zero loss backward clip step",
    rate: Callable[[int], int] = lambda step: step,
    clip: Callable[[Any], Any] = lambda parameters: clip_grad_norm_(parameters, 1.0),
    kept: Callable[[list[Any], int], Any] = lambda losses, n: losses,
    up_to: Callable[[int], int] = lambda n: n,
    groups: int = 2,
    rate_of: Callable[[float, float], float] = lambda old, new: new,
) -> tuple[Any, Tensor]:
    """The loop with its parts in this order; a part that isn't named is left out."""
    model = Spy(start)
    optimizer, schedule = model.optimizer(), Schedule(rates)
    losses: list[Any] = []
    now: Tensor | None = None

    def do(part: str, step: int, batch: Tensor) -> None:
        nonlocal now
        if part == "rate":
            for group in optimizer.param_groups[:groups]:
                group["lr"] = rate_of(group["lr"], schedule(rate(step)))
        elif part in ("first", "second"):  # the rate of one group alone
            optimizer.param_groups[part == "second"]["lr"] = schedule(step)
        elif part == "zero":
            optimizer.zero_grad()
        elif part == "loss":
            now = loss_of(model, batch)
            losses.append(now.item())
        elif part == "over":
            now = loss_of(model, batch)
            losses[-1] = now.item()
        elif part == "double":
            for parameter in model.parameters():
                parameter.grad = None if parameter.grad is None else 2 * parameter.grad
        elif part == "again":
            losses[-1] = loss_of(model, batch).item()
        elif part == "backward" and now is not None:
            now.backward()
        elif part == "clip" and model.first.grad is not None:
            clip(model.parameters())
        elif part == "step":
            optimizer.step()

    with torch.enable_grad():
        for step, batch in enumerate(batches[: up_to(len(batches))]):
            for part in order.split():
                do(part, step, batch)
    return kept(losses, len(batches)), model.weights().detach()


def mistaken(**changed: Any) -> Answer:
    """The loop with these arguments of `run`."""
    return lambda *call: run(*call, **changed)


def scaled(parameters: Any) -> None:
    """Scale all gradients together to norm 1, even shorter ones."""
    gradients = [parameter.grad for parameter in parameters]
    norm = torch.cat(gradients).norm()
    for gradient in gradients:
        gradient /= norm


def by_hand(start: Tensor, batches: list[Tensor], _loss: str, _optimizer: str, rates: list[float]) -> Any:
    """Plain gradient descent, with no optimizer."""
    w, losses = start, []
    for batch, rate in zip(batches, rates, strict=True):
        losses.append(0.5 * (w - batch).square().sum().item())
        w = w - rate * (w - batch)
    return losses, w
