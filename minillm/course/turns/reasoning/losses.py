"""The loss of 11a.policy_gradient done differently, and what is told of one that no mistake explains."""

from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor


def loss(
    log_probs: Tensor,
    rewards: Tensor,
    mask: Tensor,
    *,
    baseline: bool = True,
    correction: int | None = 1,
    tokens: str = "answer",
    sign: float = -1.0,
) -> Tensor:
    """The loss with one thing done differently; `correction` None leaves the division out."""
    advantages = rewards - rewards.mean() if baseline else rewards
    if correction is not None:
        advantages = advantages / (rewards.std(correction=correction) + 1e-6)
    sums = (log_probs * mask).sum(1)
    if tokens == "all":
        return sign * (advantages * sums).sum() / mask.sum()
    counts = {"answer": mask.sum(1), "sum": 1, "padded": mask.shape[1]}[tokens]
    return sign * (advantages * sums / counts).mean()


def each(log_probs: Tensor, rewards: Tensor, mask: Tensor) -> Tensor:
    """The loss of each answer (B,)."""
    return -(rewards - rewards.mean()) / (rewards.std() + 1e-6) * (log_probs * mask).sum(1) / mask.sum(1)


def no_loss(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Not one number, not finite, or 0. Several roads lead to 0, so none of them is named."""
    answers = [as_tensor(answer) for answer in got]
    if any(type(answer) in (tuple, list) and tensor is None for answer, tensor in zip(got, answers, strict=True)):
        return "The loss must be one number; here several things are returned.", "Return the loss alone."
    if all(answer is not None and answer.dim() == 0 and abs(answer) < 1e-6 for answer in answers):
        hint = (
            "Advantages add up to 0, so the same factor for each gives 0. Print both factors' shapes. (With "
            "`exp(lp - lp.detach())` the gradient is right, but this turn asks for the value, too.)"
        )
        return "The loss is 0, whatever the log-probabilities are.", hint
    if all(answer is not None and answer.dim() > 0 for answer in answers):
        return "The loss must be one number; here it still has one per answer or token.", "End with `.mean()`."
    broken = [
        call for call, answer in zip(calls, answers, strict=True) if answer is None or not answer.isfinite().all()
    ]
    if any(call[1].max() > call[1].min() for call in broken):
        hint = "Is the padding set to -inf or NaN, a sum divided by a count of 0, or a logarithm taken twice?"
        return "The loss is not finite.", hint
    if broken:
        hint = "If all rewards are equal, their standard deviation is 0. Add 1e-6 to it before you divide."
        return "The loss is not finite.", hint
    return None


def divided(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What `no_loss` says; or the right loss, divided by a number that is fixed in the code."""
    if found := no_loss(calls, right, got):
        return found
    for tokens, sizes, what, remedy in (
        ("answer", [len(call[1]) for call in calls], "The sum over answers", "the number of answers, `len(rewards)`"),
        ("sum", [1] * len(calls), "Each answer's sum", "the number of the answer's own tokens"),
    ):
        losses = [loss(*call, tokens=tokens) * size for call, size in zip(calls, sizes, strict=True)]
        by = torch.stack(losses) / torch.tensor([float(gave) for gave in got])
        whole = by.mean().round()
        if whole > 1 and torch.allclose(by, whole, rtol=1e-3):
            return f"{what} is divided by {whole:.0f}, whatever the size.", f"Divide by {remedy}."
    return None
