"""11a.3: the loss of GRPO favors long wrong answers (Liu et al. 2025, "Understanding R1-Zero-like training").

GRPO divides the loss of an answer by its length, so each token of a long wrong answer is discouraged less than each of
a short one, and it divides by the standard deviation, so a prompt where nearly all answers agree weighs most.
DeepSeek-R1-Zero was trained so; open libraries had the division by the length in PPO's loss as well.
"""

import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
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
    log_probs, _, mask, longest = _group(rng, (4, 2, 5, 3), 2, 8)
    at_the_mean = [(log_probs, torch.tensor([3.0, 1.0, -1.0, 1.0]), mask, longest)]
    return [*same, *partial_marks, *at_the_mean]


ENDS = ("rewards of 0", "rewards of 1", "any rewards", "a reward that is the mean")
ADVANTAGES = {
    "Rewards above 0 are turned into 1, all others into 0.": lambda r: (r > 0).float() - (r > 0).float().mean(),
    "Only the signs of the rewards are used.": lambda r: r.sign() - r.sign().mean(),
    "The rewards are cut off at 0 and 1.": lambda r: r.clamp(0, 1) - r.clamp(0, 1).mean(),
    "The rewards are cut off at -1 and 1.": lambda r: r.clamp(-1, 1) - r.clamp(-1, 1).mean(),
    "Negative rewards are taken for 0.": lambda r: r.relu() - r.relu().mean(),
    "The rewards are rounded.": lambda r: r.round() - r.round().mean(),
    "The advantages are cut off at -1 and 1.": lambda r: (r - r.mean()).clamp(-1, 1),
    "Negative advantages are taken for 0: wrong answers teach nothing.": lambda r: (r - r.mean()).relu(),
    "Positive advantages are taken for 0: right answers teach nothing.": lambda r: -(r.mean() - r).relu(),
    "The absolute values of the advantages are used.": lambda r: (r - r.mean()).abs(),
    "Only the signs of the advantages are used.": lambda r: (r - r.mean()).sign(),
    "The baseline is the median of the rewards, not their mean.": lambda r: r - r.median(),
    "The baseline is the largest reward, not the mean.": lambda r: r - r.max(),
    "The baseline is the smallest reward, not the mean.": lambda r: r - r.min(),
    "The baseline is 1/2 whatever the rewards, not their mean.": lambda r: r - 0.5,
    "The mean is added to the rewards, not subtracted.": lambda r: r + r.mean(),
    "The baseline is the mean reward of the other answers (RLOO), not that of all.": lambda r: (
        (r - r.mean()) * len(r) / max(len(r) - 1, 1)
    ),
    "The advantages are still divided by the standard deviation (that without n - 1).": lambda r: (
        (r - r.mean()) / (r.std(correction=0) + 1e-6)
    ),
    "The advantages are divided by the variance.": lambda r: (r - r.mean()) / (r.var() + 1e-6),
    "The advantages are divided by the largest absolute one.": lambda r: (
        (r - r.mean()) / ((r - r.mean()).abs().max() + 1e-6)
    ),
    "The softmax of the rewards is used.": lambda r: r.softmax(0) - 1 / len(r),
}
WEIGHTS = {
    "Each answer is divided by `longest` and by its own length.": lambda mask, longest: longest * mask.sum(1),
    "Each answer is divided by the square root of its own length.": lambda mask, longest: mask.sum(1).sqrt(),
    "Each answer is multiplied by its own length.": lambda mask, longest: longest / mask.sum(1),
    "Each answer is divided by the mean length of this group, not by `longest`.": lambda mask, longest: (
        mask.sum() / len(mask)
    ),
    "Each answer is divided by `longest` + 1.": lambda mask, longest: longest + 1,
    "Each answer is divided by `longest` - 1.": lambda mask, longest: longest - 1,
    "The loss is divided by B - 1, not by B.": lambda mask, longest: longest * (len(mask) - 1) / len(mask),
    "The loss is divided by B twice.": lambda mask, longest: longest * len(mask),
    "The loss is divided by the most tokens of this group, `T`, and by `longest`.": lambda mask, longest: (
        longest * mask.shape[1]
    ),
}


def _something_else(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Other advantages, or other weights of the answers."""
    hint = "-((rewards minus their mean) times (the sum over an answer's tokens / longest)), and the mean over answers."
    for sentence, advantages in ADVANTAGES.items():
        made = [-(advantages(r) * (lp * mask).sum(1) / longest).mean() for lp, r, mask, longest in calls]
        if difference(made, got) is None:
            return sentence, hint
    for sentence, divisor in WEIGHTS.items():
        made = [
            -((r - r.mean()) * (lp * mask).sum(1) / divisor(mask, longest)).mean() for lp, r, mask, longest in calls
        ]
        if difference(made, got) is None:
            return sentence, hint
    each = [-((r - r.mean()) * (lp * mask).sum(1) / longest) for lp, r, mask, longest in calls]
    if difference(each, got) is None:
        return "The result has a loss for each answer; one number is asked for.", "Take the mean over the answers."
    return None


question = Question("11a.3", "The loss that favors long wrong answers", fair_loss)

lengths = question.probe("answers of different lengths", _lengths, _something_else)
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
    "The sums are divided by the number of tokens in this group, as in DAPO; it differs from group to group.",
    "Dr. GRPO divides by `longest` times the number of answers.",
    partial(_loss, over="all"),
)
lengths.mistake(
    "This is DAPO's average over all tokens of the group, with the standard deviation.",
    "Dr. GRPO has no standard deviation, and divides by `longest` times the number of answers.",
    partial(_loss, over="all", scale=True),
)
lengths.mistake(
    "The sums are divided by the number of tokens in this group and then by the number of answers.",
    "Divide each answer's sum by `longest`, the same number for every group, and take the mean over answers.",
    lambda log_probs, rewards, mask, longest: _loss(log_probs, rewards, mask, longest, over="all") / len(rewards),
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

ends = question.probe("equal rewards, and rewards that are not 0 or 1", _ends, _something_else, kinds=ENDS)


@ends.mistake(
    "The mean is taken only over answers whose advantage is not 0.",
    "Divide by the number of all answers, B: one that is just as good as the mean counts, with 0.",
)
def _without_zeros(log_probs, rewards, mask, longest):
    advantages = rewards - rewards.mean()
    used = (advantages != 0).sum().clamp(min=1)
    return -(advantages * (log_probs * mask).sum(1) / longest).sum() / used
