"""11a.policy_gradient: the loss of one group of answers (Williams 1992; Shao et al. 2024, section 4.1)."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.learner.turn import Debrief, Turn


def policy_gradient_loss(log_probs, rewards, mask):
    """The loss of B answers to one prompt, from the log-probabilities of their tokens (B, T)."""
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    per_answer = (log_probs * mask).sum(dim=1) / mask.sum(dim=1)
    return -(advantages * per_answer).mean()


turn = Turn(
    "11a.policy_gradient",
    "A policy-gradient step",
    policy_gradient_loss,
    minutes=10,
    difficulty=3,
    hints=(
        "Which shape has a number per answer, and which of the three arguments have it already?",
        "The advantages need only `rewards`: its `mean` and its `std`. For the answers, set the padding to 0 with "
        "`mask`, then sum along the tokens and divide by how many there are.",
        "Multiply the two (B,) tensors, take the mean over answers, and think of the sign: the optimizer goes down the "
        "loss, and answers with a positive advantage should become more probable.",
    ),
    errors={
        r"Dimension out of range.*rewards\.\w+\((dim=)?-?1": "`rewards` is (B,), one dimension: leave out `dim`.",
        "Dimension out of range": "What has only one axis here? `log_probs[mask]` is one long row, which has lost the "
        "answers. Multiply by `mask` instead: that keeps (B, T).",
        "size of tensor a": "Each answer has one advantage: (B,). `log_probs` and `mask` are (B, T), and their "
        "sums with `dim=1` are (B,).",
        "is invalid for input of size": "All rows are one group here, with any number of answers, `len(rewards)`.",
        "out of bounds": "A group may have any number of answers, `len(rewards)`, and any number of tokens.",
    },
    constants=("rewards",),
    debrief=Debrief(
        production="GRPO takes several updates from one sample, so libraries multiply the advantage by the ratio "
        "p / p_old, clip it, and may add a KL penalty. At the first update the gradient is yours.",
        why="A group has one right answer of 4 tokens and one wrong answer of 40. Which single token moves most?",
    ),
)


def _loss(
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


def _groups(rng: random.Random) -> list[Call]:
    """Two groups of answers of different lengths, some right and some wrong."""
    calls = []
    for lengths in ((1, 3), (4, 2, 3, 1), (5, 2, 2, 6, 3)):
        shape = (len(lengths), max(lengths))
        mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
        rewards = torch.tensor([float(number % 2 == 0) for number in range(len(lengths))])
        calls.append((-numbers(rng, *shape).abs() - 0.5, rewards, mask))
    return calls


def _equal_rewards(rng: random.Random) -> list[Call]:
    return [(log_probs, torch.full_like(rewards, share), mask) for share in (0.0, 1.0)
            for log_probs, rewards, mask in _groups(rng)[1:2]]  # fmt: skip


def _no_loss(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Not one number, not finite, or 0. Several roads lead to 0, so none of them is named."""
    answers = [as_tensor(answer) for answer in got]
    if all(answer is not None and answer.dim() == 0 and abs(answer) < 1e-5 for answer in answers):
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
        return "The loss is not finite.", "Set the padding to 0 before you add up, not to -inf or NaN."
    if broken:
        hint = "If all rewards are equal, their standard deviation is 0. Add 1e-6 to it before you divide."
        return "The loss is not finite.", hint
    return None


groups = turn.probe("right and wrong answers", _groups, _no_loss)
groups.mistake(
    "The sign is wrong: right answers become less probable.",
    "An optimizer goes down the loss, so the loss is minus advantage times log-probability.",
    lambda *call: _loss(*call, sign=1.0),
)
groups.mistake(
    "The rewards are used without a baseline: wrong answers, with reward 0, teach nothing.",
    "Subtract `rewards.mean()`. Wrong answers then have negative advantages.",
    lambda *call: _loss(*call, baseline=False),
)
groups.mistake(
    "The rewards are used as they are, without mean and standard deviation.",
    "The advantages are `(rewards - rewards.mean()) / (rewards.std() + 1e-6)`.",
    lambda *call: _loss(*call, baseline=False, correction=None),
)
groups.mistake(
    "The advantages are not divided by the standard deviation of the rewards.",
    "Divide by `rewards.std() + 1e-6`. Leaving it out is a known variant, Dr. GRPO; this turn asks for GRPO.",
    lambda *call: _loss(*call, correction=None),
)
groups.mistake(
    "This is Dr. GRPO's loss: a sum over tokens, and no standard deviation.",
    "A good loss, and the exercise asks for it. This turn asks for GRPO: divide by `rewards.std() + 1e-6`, and take "
    "the mean over each answer's tokens.",
    lambda *call: _loss(*call, correction=None, tokens="sum"),
)
groups.mistake(
    "No standard deviation, and each sum is divided by T, the padded length.",
    "Divide the advantages by `rewards.std() + 1e-6`, and each sum by the number of the answer's own tokens.",
    lambda *call: _loss(*call, correction=None, tokens="padded"),
)
groups.mistake(
    "No standard deviation, and one mean over all tokens of the group: long answers weigh more.",
    "Divide the advantages by `rewards.std() + 1e-6`, and take the mean over each answer's own tokens first.",
    lambda *call: _loss(*call, correction=None, tokens="all"),
)
groups.mistake(
    "The log-probabilities are summed over an answer's tokens, and more than 1e-6 is added to the deviation.",
    "Divide each sum by `mask.sum(dim=1)`, and add 1e-6. Libraries choose both differently.",
    lambda log_probs, rewards, mask: _loss(
        log_probs, rewards / (rewards.std() + 1e-4), mask, correction=None, tokens="sum"
    ),
)


def _first_answer(log_probs: Tensor, rewards: Tensor, mask: Tensor) -> Tensor:
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    return -advantages[0] * log_probs[0][mask[0]].mean()


groups.mistake(
    "Only the first answer counts.",
    "Is there a `return` inside a loop? It ends the loop in its first round.",
    _first_answer,
)
groups.mistake(
    "Only the first answer counts, divided by the number of answers.",
    "Is there a `return` inside a loop? It ends the loop in its first round.",
    lambda *call: _first_answer(*call) / len(call[1]),
)
groups.mistake(
    "This is plain REINFORCE: rewards times the log-probability of the whole answer.",
    "Subtract the mean of the rewards, divide by their standard deviation + 1e-6, and take the mean over tokens.",
    lambda *call: _loss(*call, baseline=False, correction=None, tokens="sum"),
)
groups.mistake(
    "The baseline is the mean of the other answers (RLOO), and nothing is divided by the standard deviation.",
    "Subtract the mean of all rewards, and divide by their standard deviation + 1e-6.",
    lambda log_probs, rewards, mask: _loss(
        log_probs, (rewards - rewards.mean()) * len(rewards) / (len(rewards) - 1), mask, correction=None
    ),
)
groups.mistake(
    "The standard deviation divides by n instead of n - 1.",
    "`rewards.std()` divides by n - 1, as the sample's standard deviation does.",
    lambda *call: _loss(*call, correction=0),
)
groups.mistake(
    "The log-probabilities are summed over an answer's tokens, so long answers weigh more.",
    "Take the mean: divide the sum by `mask.sum(dim=1)`, the number of tokens in each answer.",
    lambda *call: _loss(*call, tokens="sum"),
)
groups.mistake(
    "The mean is taken over all tokens of the group, so long answers weigh more.",
    "Take the mean over each answer's own tokens first, then the mean over answers.",
    lambda *call: _loss(*call, tokens="all"),
)
groups.mistake(
    "Each answer's sum is divided by the padded length T.",
    "Divide by the number of the answer's own tokens, `mask.sum(dim=1)`.",
    lambda *call: _loss(*call, tokens="padded"),
)
groups.mistake(
    "The mask is not used: the padding counts as part of the answers.",
    "Multiply the log-probabilities by `mask` before you sum them, and divide by `mask.sum(dim=1)`.",
    lambda log_probs, rewards, mask: _loss(log_probs, rewards, mask | True),
)
groups.mistake(
    "The mask is inverted: only the padding counts.",
    "`mask` is True at the tokens of the answers.",
    lambda log_probs, rewards, mask: _loss(log_probs, rewards, mask.logical_not()),
)
groups.mistake(
    "The rewards are divided by their variance, not by their standard deviation.",
    "Divide by `rewards.std() + 1e-6`.",
    lambda log_probs, rewards, mask: _loss(log_probs, rewards, mask, correction=None) / (rewards.var() + 1e-6),
)
groups.mistake(
    "Only the mean is divided by the standard deviation: brackets are missing.",
    "Write `(rewards - rewards.mean()) / (rewards.std() + 1e-6)`.",
    lambda log_probs, rewards, mask: _loss(
        log_probs, rewards - rewards.mean() / (rewards.std() + 1e-6), mask, baseline=False, correction=None
    ),
)
groups.mistake(
    "The mean over answers divides by B - 1.",
    "Only the standard deviation divides by B - 1. The mean of B losses divides by B, as `.mean()` does.",
    lambda log_probs, rewards, mask: _loss(log_probs, rewards, mask) * len(rewards) / (len(rewards) - 1),
)
groups.mistake(
    "Only answers with a positive advantage are used.",
    "Answers below the mean teach as much: they become less probable.",
    lambda log_probs, rewards, mask: (
        _loss(log_probs[rewards == 1], rewards[rewards == 1], mask[rewards == 1], baseline=False, correction=None)
        * ((1 - rewards.mean()) / rewards.std() * (rewards == 1).float().mean())
    ),
)
groups.mistake(
    "Probabilities are used in place of log-probabilities.",
    "The gradient of the expected reward holds the gradient of log p. Use `log_probs` as they are.",
    lambda log_probs, rewards, mask: _loss(log_probs.exp(), rewards, mask),
)
groups.mistake(
    "The losses of the answers are summed, so a larger group takes larger steps.",
    "Take the mean over answers.",
    lambda log_probs, rewards, mask: _loss(log_probs, rewards, mask) * len(rewards),
)

turn.probe("all rewards are equal", _equal_rewards, _no_loss)
close = turn.probe(
    "rewards that hardly differ",  # by so little that the 1e-6 matters
    lambda rng: [(log_probs, 1e-6 * rewards, mask) for log_probs, rewards, mask in _groups(rng)[1:]],
    _no_loss,
)


def _with_spread(spread: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss with advantages divided by something else."""
    return lambda log_probs, rewards, mask: _loss(log_probs, rewards / spread(rewards), mask, correction=None)


close.mistake(
    "The 1e-6 is a lower limit of the standard deviation here.",
    "Add it to the standard deviation.",
    _with_spread(lambda rewards: rewards.std().clamp(min=1e-6)),
)
for small in (1e-8, 1e-5):
    close.mistake(
        f"{small:g} is added to the standard deviation, and 1e-6 is asked for.",
        "It matters only where rewards hardly differ, and libraries choose differently.",
        _with_spread(lambda rewards, small=small: rewards.std() + small),
    )
groups.mistake(
    "More than 1e-6 is added to the standard deviation: 1e-4, as in TRL?",
    "It matters little, and libraries choose differently. This turn adds 1e-6.",
    _with_spread(lambda rewards: rewards.std() + 1e-4),
)
