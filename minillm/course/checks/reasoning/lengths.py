"""11a.3: the loss of GRPO favors long wrong answers (Liu et al. 2025, "Understanding R1-Zero-like training").

GRPO divides the loss of an answer by its length, so each token of a long wrong answer is discouraged less than each of
a short one, and it divides by the standard deviation, so a prompt where nearly all answers agree weighs most.
DeepSeek-R1-Zero was trained so; open libraries had the division by the length in PPO's loss as well.
"""

import random
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question
from minillm.posttraining.policy_gradient import constant_mean, group_advantages


def fair_loss(
    log_probs: Float[Tensor, "B T"], rewards: Float[Tensor, "B"], mask: Bool[Tensor, "B T"], longest: int
) -> Float[Tensor, ""]:
    """The right answer, by the package's functions: every token has the weight 1 / (B longest).

    >>> log_probs, mask = -torch.ones(2, 2), torch.tensor([[True, True], [True, False]])
    >>> fair_loss(log_probs, torch.tensor([1.0, 0.0]), mask, longest=4)                 # (0.5 x 2 - 0.5 x 1) / 8
    tensor(0.0625)
    """
    advantages = group_advantages(rewards, len(rewards), scale=False)
    return constant_mean(-advantages[:, None] * log_probs, mask, longest)


def _loss(
    log_probs: Tensor,
    rewards: Tensor,
    mask: Tensor,
    longest: int,
    *,
    baseline: bool = True,
    scale: bool = False,
    over: str = "longest",
    sign: float = -1.0,
    masked: bool = True,
) -> Tensor:
    """The loss with one thing done differently."""
    advantages = rewards - rewards.mean() if baseline else rewards
    if scale:
        advantages = advantages / (rewards.std() + 1e-6)
    sums = ((log_probs * mask) if masked else log_probs).sum(1)
    if over == "all":
        return sign * (advantages * sums).sum() / mask.sum()
    count = {"longest": longest, "own": mask.sum(1), "T": mask.shape[1], "sum": 1}[over]
    return sign * (advantages * sums / count).mean()


def _group(rng: random.Random, lengths: tuple[int, ...], right: int, longest: int) -> Call:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    rewards = torch.tensor([float(row < right) for row in range(len(lengths))])
    order = torch.tensor(rng.sample(range(len(lengths)), len(lengths)))
    return -numbers(rng, *mask.shape).abs() - 0.5, rewards[order], mask, longest


def _lengths(rng: random.Random) -> list[Call]:
    sizes = (((1, 3), 1, 4), ((2, 7, 4, 3), 1, 8), ((5, 1, 6, 2, 9, 3), 4, 16))
    return [_group(rng, lengths, right, longest) for lengths, right, longest in sizes]


def _ends(rng: random.Random) -> list[Call]:
    same = [(log_probs, torch.full_like(rewards, value), mask, longest) for value in (0.0, 1.0)
            for log_probs, rewards, mask, longest in [_group(rng, (2, 5, 3), 1, 8)]]  # fmt: skip
    partial_marks = [(log_probs, numbers(rng, len(rewards)), mask, longest)
                     for log_probs, rewards, mask, longest in [_group(rng, (4, 1, 6, 3), 1, 6)]]  # fmt: skip
    return [*same, *partial_marks]


question = Question("11a.3", "The loss that favors long wrong answers", fair_loss)

lengths = question.probe("answers of different lengths", _lengths)
lengths.mistake(
    "Each answer is still divided by its own length.",
    "That division is what makes tokens of long answers count less. Divide all answers by `longest`.",
    partial(_loss, over="own"),
)
lengths.mistake(
    "Nothing has changed: this is the loss above.",
    "Two divisions must go: by the answer's own length, and by the standard deviation.",
    partial(_loss, over="own", scale=True),
)
lengths.mistake(
    "The advantages are still divided by the standard deviation.",
    "Use rewards minus their mean, as they are.",
    partial(_loss, scale=True),
)
lengths.mistake(
    "The sums are divided by the length of the longest answer in this group, which differs from group to group.",
    "Divide by `longest`, which is the same for all groups.",
    partial(_loss, over="T"),
)
lengths.mistake(
    "The sums are divided by the number of tokens in this group, which differs from group to group.",
    "Divide by `longest` times the number of answers.",
    partial(_loss, over="all"),
)
lengths.mistake(
    "The sums are not divided by `longest`.",
    "The loss is the mean over answers of sum / longest.",
    partial(_loss, over="sum"),
)
lengths.mistake(
    "The answers are summed, so a larger group takes larger steps.",
    "Take the mean over the B answers.",
    lambda log_probs, rewards, mask, longest: len(rewards) * _loss(log_probs, rewards, mask, longest),
)
lengths.mistake(
    "The sign is wrong: right answers become less probable.", "The loss is minus the mean.", partial(_loss, sign=1.0)
)
lengths.mistake(
    "The rewards have no baseline: a wrong answer teaches nothing.",
    "The advantages are rewards minus their mean.",
    partial(_loss, baseline=False),
)
lengths.mistake(
    "The padding counts as part of the answers.",
    "Multiply the log-probabilities by `mask` before you sum them.",
    partial(_loss, masked=False),
)

question.probe("equal rewards, and rewards that are not 0 or 1", _ends)
