"""11a.policy_gradient: the loss of one group of answers (Williams 1992; Shao et al. 2024, section 4.1)."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.reasoning.losses import divided, each, loss, no_loss


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
        "does not require grad": "Return the loss. The training loop below calls `backward`.",
        r"is invalid for input of size.*\[mask": "`log_probs[mask]` is one long row, and the answers in it differ in "
        "length. Multiply by `mask` instead: that keeps (B, T).",
        r"\blog_p\b": "`log_p` belongs to the page. The argument is called `log_probs`.",
        r"name '\w*(old|ref)\w*' is not defined": "There is no older policy here, so no ratio: the loss takes "
        "`log_probs` as they are.",
        "is invalid for input of size|Provided sizes": "All rows are one group here, with any number of answers, "
        "`len(rewards)`.",
        r"size of tensor [ab] \([48]\)": "This group has two answers. Is something fixed for four or eight "
        "in your code?",
        r"line:.*\bnp\.": "Numpy doesn't take tensors. They have methods of the same names: `.mean()`, `.std()`, "
        "`.sum(dim=1)`.",
        "builtin_function_or_method": "A method needs parentheses to be called, even without arguments.",
        "could not infer output dtype": "`mask` holds True and False. `mask.sum(dim=1)` counts those that are True.",
        "converted to an index": "Answers have different lengths, so no slice fits all. Multiply by `mask` instead.",
        "size of tensor a": "Each answer has one advantage: (B,). `log_probs` and `mask` are (B, T), and their "
        "sums with `dim=1` are (B,).",
        "out of bounds": "A group may have any number of answers, `len(rewards)`, and any number of tokens.",
    },
    constants=("rewards",),
    debrief=Debrief(
        production="GRPO takes several updates from one sample, so libraries multiply the advantage by the ratio "
        "p / p_old, clip it, and may add a KL penalty. At the first update the gradient is yours.",
        why="A group has one right answer of 4 tokens and one wrong answer of 40. Which single token moves most?",
    ),
)


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


groups = turn.probe("right and wrong answers", _groups, divided)
groups.mistake(
    "The sign is wrong: right answers become less probable.",
    "An optimizer goes down the loss, so the loss is minus advantage times log-probability.",
    lambda *call: loss(*call, sign=1.0),
)
groups.mistake(
    "The rewards are used without a baseline: wrong answers, with reward 0, teach nothing.",
    "Subtract `rewards.mean()`. Wrong answers then have negative advantages.",
    lambda *call: loss(*call, baseline=False),
)
groups.mistake(
    "The rewards are used as they are, without mean and standard deviation.",
    "The advantages are `(rewards - rewards.mean()) / (rewards.std() + 1e-6)`.",
    lambda *call: loss(*call, baseline=False, correction=None),
)
groups.mistake(
    "The advantages are not divided by the standard deviation of the rewards.",
    "Divide by `rewards.std() + 1e-6`. Leaving it out is a known variant, Dr. GRPO; this turn asks for GRPO.",
    lambda *call: loss(*call, correction=None),
)
groups.mistake(
    "This is Dr. GRPO's loss: a sum over tokens, and no standard deviation.",
    "A good loss, and the exercise asks for it. This turn asks for GRPO: divide by `rewards.std() + 1e-6`, and take "
    "the mean over each answer's tokens.",
    lambda *call: loss(*call, correction=None, tokens="sum"),
)
groups.mistake(
    "No standard deviation, and each sum is divided by T, the padded length.",
    "Divide the advantages by `rewards.std() + 1e-6`, and each sum by the number of the answer's own tokens.",
    lambda *call: loss(*call, correction=None, tokens="padded"),
)
groups.mistake(
    "No standard deviation, and one mean over all tokens of the group: long answers weigh more.",
    "Divide the advantages by `rewards.std() + 1e-6`, and take the mean over each answer's own tokens first.",
    lambda *call: loss(*call, correction=None, tokens="all"),
)
groups.mistake(
    "The log-probabilities are summed over an answer's tokens, and more than 1e-6 is added to the deviation.",
    "Divide each sum by `mask.sum(dim=1)`, and add 1e-6. Libraries choose both differently.",
    lambda log_probs, rewards, mask: loss(
        log_probs, rewards / (rewards.std() + 1e-4), mask, correction=None, tokens="sum"
    ),
)
groups.mistake(
    "One mean is taken over all tokens of the group, and more than 1e-6 is added to the deviation, as in TRL?",
    "Take the mean over each answer's own tokens first, and add 1e-6. Libraries choose both differently.",
    lambda log_probs, rewards, mask: loss(
        log_probs, rewards / (rewards.std() + 1e-4), mask, correction=None, tokens="all"
    ),
)
for small, remark in ((1e-4, " 1e-4 is TRL's; this turn adds 1e-6."), (1e-6, "")):
    groups.mistake(
        "The loss doesn't depend on the log-probabilities. A ratio such as `exp(lp - lp.detach())` is always 1.",
        f"Use `log_probs` themselves, and take the mean over each answer's own tokens first.{remark}",
        lambda log_probs, rewards, mask, small=small: loss(
            torch.ones_like(log_probs), rewards / (rewards.std() + small), mask, correction=None, tokens="all"
        ),
    )
for ignored, which in ((False, "All tokens of the group"), (True, "All tokens, those of the padding too,")):
    groups.mistake(
        f"{which} are summed, and nothing is divided by their number.",
        "Divide each answer's sum by `mask.sum(dim=1)`, then take the mean over answers.",
        lambda log_probs, rewards, mask, ignored=ignored: (
            loss(log_probs, rewards, mask | ignored, tokens="sum") * len(rewards)
        ),
    )
groups.mistake(
    "Only right answers count, as in rejection sampling: wrong ones teach nothing.",
    "Give every answer its advantage. Wrong ones have a negative one.",
    lambda log_probs, rewards, mask: loss(log_probs, rewards / rewards.mean(), mask, baseline=False, correction=None),
)
groups.mistake(
    "This is plain REINFORCE: rewards times the log-probability of the whole answer.",
    "Subtract the mean of the rewards, divide by their standard deviation + 1e-6, and take the mean over tokens.",
    lambda *call: loss(*call, baseline=False, correction=None, tokens="sum"),
)
groups.mistake(
    "The baseline is the mean of the other answers (RLOO), and nothing is divided by the standard deviation.",
    "Subtract the mean of all rewards, and divide by their standard deviation + 1e-6.",
    lambda log_probs, rewards, mask: loss(
        log_probs, (rewards - rewards.mean()) * len(rewards) / (len(rewards) - 1), mask, correction=None
    ),
)
groups.mistake(
    "The standard deviation divides by n instead of n - 1.",
    "`rewards.std()` divides by n - 1, as the sample's standard deviation does.",
    lambda *call: loss(*call, correction=0),
)
groups.mistake(
    "The log-probabilities are summed over an answer's tokens, so long answers weigh more.",
    "Take the mean: divide the sum by `mask.sum(dim=1)`, the number of tokens in each answer.",
    lambda *call: loss(*call, tokens="sum"),
)
groups.mistake(
    "The mean is taken over all tokens of the group, so long answers weigh more.",
    "Take the mean over each answer's own tokens first, then the mean over answers.",
    lambda *call: loss(*call, tokens="all"),
)
groups.mistake(
    "Each answer's sum is divided by the padded length T.",
    "Divide by the number of the answer's own tokens, `mask.sum(dim=1)`.",
    lambda *call: loss(*call, tokens="padded"),
)
groups.mistake(
    "The mask is not used: the padding counts as part of the answers.",
    "Multiply the log-probabilities by `mask` before you sum them, and divide by `mask.sum(dim=1)`.",
    lambda log_probs, rewards, mask: loss(log_probs, rewards, mask | True),
)
groups.mistake(
    "The mask is inverted: only the padding is summed.",
    "`mask` is True at the tokens of the answers.",
    lambda log_probs, rewards, mask: loss(
        log_probs * ~mask / mask.sum(1, keepdim=True), rewards, mask | True, tokens="sum"
    ),
)
groups.mistake(
    "The rewards are divided by their variance, not by their standard deviation.",
    "Divide by `rewards.std() + 1e-6`.",
    lambda log_probs, rewards, mask: loss(log_probs, rewards, mask, correction=None) / (rewards.var() + 1e-6),
)
groups.mistake(
    "Only the mean is divided by the standard deviation: brackets are missing.",
    "Write `(rewards - rewards.mean()) / (rewards.std() + 1e-6)`.",
    lambda log_probs, rewards, mask: loss(
        log_probs, rewards - rewards.mean() / (rewards.std() + 1e-6), mask, baseline=False, correction=None
    ),
)
groups.mistake(
    "The mean over answers divides by B - 1.",
    "Only the standard deviation divides by B - 1. The mean of B losses divides by B, as `.mean()` does.",
    lambda log_probs, rewards, mask: loss(log_probs, rewards, mask) * len(rewards) / (len(rewards) - 1),
)
groups.mistake(
    "Only answers with a positive advantage are used.",
    "Answers below the mean teach as much: they become less probable.",
    lambda log_probs, rewards, mask: (
        loss(log_probs[rewards == 1], rewards[rewards == 1], mask[rewards == 1], baseline=False, correction=None)
        * ((1 - rewards.mean()) / rewards.std() * (rewards == 1).float().mean())
    ),
)
groups.mistake(
    "Probabilities are used in place of log-probabilities.",
    "The gradient of the expected reward holds the gradient of log p. Use `log_probs` as they are.",
    lambda log_probs, rewards, mask: loss(log_probs.exp(), rewards, mask),
)
groups.mistake(
    "No standard deviation, and the padding is summed, too, before one mean over all tokens.",
    "Divide the advantages by `rewards.std() + 1e-6`, and take the mean over each answer's own tokens.",
    lambda log_probs, rewards, mask: (
        loss(log_probs, rewards, mask | True, correction=None, tokens="all") * mask.numel() / mask.sum()
    ),
)
for place, which, remedy in (
    (0, "first", "Is there a `return` inside a loop? It ends the loop in its first round."),
    (-1, "last", "Does each round of a loop overwrite the sum?"),
):
    groups.mistake(
        f"Only the {which} answer counts, divided by the number of answers.",
        remedy,
        lambda *call, place=place: each(*call)[place] / len(call[1]),
    )
    groups.mistake(
        f"Only the {which} answer counts.",
        remedy,
        lambda *call, place=place: each(*call)[place],
    )
groups.mistake(
    "The mean 0.25 and the standard deviation 0.5 are those of the table, whatever the rewards are.",
    "Compute them from `rewards`.",
    lambda log_probs, rewards, mask: loss(log_probs, (rewards - 0.25) / 0.5, mask, baseline=False, correction=None),
)
groups.mistake(
    "The losses of the answers are summed, so a larger group takes larger steps.",
    "Take the mean over answers.",
    lambda log_probs, rewards, mask: loss(log_probs, rewards, mask) * len(rewards),
)

turn.probe("all rewards are equal", _equal_rewards, no_loss)
close = turn.probe(
    "rewards that hardly differ",  # by so little that the 1e-6 matters
    lambda rng: [(log_probs, 1e-6 * rewards, mask) for log_probs, rewards, mask in _groups(rng)[1:]],
    no_loss,
)


def _with_spread(spread: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """The loss with advantages divided by something else."""
    return lambda log_probs, rewards, mask: loss(log_probs, rewards / spread(rewards), mask, correction=None)


close.mistake(
    "The 1e-6 is a lower limit of the standard deviation here.",
    "Add it to the standard deviation.",
    _with_spread(lambda rewards: rewards.std().clamp(min=1e-6)),
)
close.mistake(
    "The 1e-6 is added to the variance, under the root.",
    "Add it to the standard deviation: `rewards.std() + 1e-6`.",
    _with_spread(lambda rewards: (rewards.var() + 1e-6).sqrt()),
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
