# %% [markdown]
# # Exercise 11a · Reasoning
#
# **You will write** a majority vote, a checker that finds the first wrong step, a loss without a preference for long
# wrong answers, and a training run without noise whose curve you can hold against the lesson's.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 11a.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs. It says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# vote(*check("11a.1", vote).failure.example)
# check("11a.1", vote, seed=7)
# ```
#
# You may use everything in Python's standard library, torch and numpy, except what **Without** lists. Leave the
# arguments of your function as they are: return something new.

# %%
import math
import re
from collections import Counter

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 11a.1 · One vote per answer
#
# *rebuild · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: pick the result that most of the sampled answers agree on.
#
# Wrong answers are wrong in many ways, and right ones agree. So a model that is asked several times can vote on the
# result. This is called self-consistency (Wang et al. 2022). It needs no verifier, since nobody has to know the right
# result.
#
# **In**: `results`, a list with the final result of each answer, a whole number, or None for an answer without one. The
# list may be empty.
#
# **Out**: the most frequent result. Of results with equally many votes, the one whose first vote came first. None if
# nobody votes.
#
# `vote([20, 17, None, 17, None, None])` is 17.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Two steps: leave out what is None, then count.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `Counter(list).most_common(1)` is a list with one pair, the most frequent item and its count. Of equals it keeps the
# first. For an empty counter it is empty.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `counts = Counter(result for result in results if result is not None)`. Note `is not None`: a result may be 0.
# </details>


# %%
def vote(results):
    """The most frequent result, of equals the first; None if there is none."""
    ### BEGIN SOLUTION
    counts = Counter(result for result in results if result is not None)
    return counts.most_common(1)[0][0] if counts else None
    ### END SOLUTION


# %%
check("11a.1", vote).points

# %% [markdown]
# ## 11a.2 · Which step is wrong?
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find the first wrong step of an answer.
#
# The lesson's verifier looks at the result alone. An answer can end right by luck, though, and a wrong result says
# nothing about where it went wrong. *Process supervision* rewards each step instead (Lightman et al. 2023). There,
# people labeled the steps. Ours can be checked by a program.
#
# **In**: `answer`, a text with one or more steps and a result, such as
# "Gladly. 18 + 4 = 22, 22 + 7 = 28, 28 - 9 = 19. Answer: 19." A polite phrase may stand in front. All numbers are whole
# and not negative.
#
# **Out**: the number of the first wrong step, counted from 0. A step is wrong if its sum or difference is, or if it
# does not begin with the total of the step before. Later steps are measured by what the text says, right or wrong. If
# all steps are right, but the number after "Answer: " is not the last total, return the number of steps. If nothing is
# wrong, return None.
#
# For the text above it is 1, since 22 + 7 is 29.
#
# **Without**: `minillm`, `eval`, `exec`.
#
# <details><summary>Hint 1</summary>
#
# Read the steps first: `re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)` gives four strings per step.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Go through the steps with `enumerate`, and keep the total of the step before. Return as soon as something is wrong.
# </details>
#
# <details><summary>Hint 3</summary>
#
# After the loop, compare the last total with the number behind the last "Answer: ",
# `int(answer.rpartition("Answer: ")[2].rstrip("."))`.
# </details>


# %%
def first_mistake(answer):
    """The number of the first wrong step, the number of steps if only the result is wrong, else None."""
    ### BEGIN SOLUTION
    steps = re.findall(r"(\d+) ([+-]) (\d+) = (\d+)", answer)
    before = None
    for number, (first, sign, second, total) in enumerate(steps):
        right = int(first) + int(second) if sign == "+" else int(first) - int(second)
        if right != int(total) or before not in (None, first):
            return number
        before = total
    result = answer.rpartition("Answer: ")[2].rstrip(".")
    return None if result == before else len(steps)
    ### END SOLUTION


# %%
check("11a.2", first_mistake).points

# %% [markdown]
# ## 11a.3 · The loss that favors long wrong answers
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the loss below lets long wrong answers off lightly, and write one that doesn't.
#
# This is GRPO's loss, as in the lesson. The cell takes a right answer and two wrong ones, of 2 and of 8 tokens, and
# prints the gradient at each token. (A positive gradient means that the update makes the token less probable.)


# %%
def lenient_loss(log_probs, rewards, mask):
    """The loss of B answers to one prompt, as in the lesson."""
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    per_answer = (log_probs * mask).sum(dim=1) / mask.sum(dim=1)
    return -(advantages * per_answer).mean()


mask = torch.arange(8) < torch.tensor([4, 2, 8])[:, None]
log_probs = torch.full((3, 8), -1.0, requires_grad=True)
lenient_loss(log_probs, torch.tensor([1.0, 0.0, 0.0]), mask).backward()
names = ("right, 4 tokens", "wrong, 2 tokens", "wrong, 8 tokens")
for name, row in zip(names, log_probs.grad, strict=True):
    print(f"{name}: {row[0]:+.3f} at each token")

# %% [markdown]
# Both wrong answers have the same advantage, and each token of the long one is discouraged a quarter as much. Over many
# updates, wrong answers grow longer (Liu et al. 2025), and the growth looks like reasoning. There is a second division
# that changes how much a prompt counts: if seven of eight answers are right, the standard deviation is small, so this
# easy prompt weighs more than one with four right answers.
#
# **In**: `log_probs` (B, T), `rewards` (B,), `mask` (B, T), True at the tokens of the answers, as in the lesson; and
# `longest`, a whole number, the most tokens that any answer may have (T is at most `longest`). Rewards may be any
# numbers, and all may be equal.
#
# **Out**: the loss, one number. The advantages are the rewards minus their mean, and nothing else. Each answer counts
# with the sum over its own tokens, divided by `longest`, which is the same for every answer and every prompt. The loss
# is minus the mean over the B answers. (This is Dr. GRPO.)
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Where does the length of the answer itself come in? Print the gradient with and without that division.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two divisions go: by `mask.sum(dim=1)` and by the standard deviation. One comes: by `longest`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `-(advantages * (log_probs * mask).sum(dim=1) / longest).mean()`
# </details>


# %%
def fair_loss(log_probs, rewards, mask, longest):
    """The loss in which every token of every answer has the same weight."""
    ### BEGIN SOLUTION
    advantages = rewards - rewards.mean()
    per_answer = (log_probs * mask).sum(dim=1) / longest
    return -(advantages * per_answer).mean()
    ### END SOLUTION


# %%
check("11a.3", fair_loss).points

# %% [markdown]
# ## 11a.4 · The curve of the lesson, without its noise
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: train a policy that chooses between ways to answer, by the exact policy gradient.
#
# In the lesson, a model learned to answer with steps. Leave the language out: let a policy choose one of M ways to
# answer, and let way m be right with probability `success[m]`, which stays as it is. The shares of the ways are a
# softmax of M logits. Then the accuracy is a = Σ share · success, and its gradient is known without any sampling.
# Lesson 11a's curve is this one plus noise, plus what a model learns *about* its steps.
#
# **In**: `success`, M probabilities; `shares`, M positive numbers that add up to 1, the policy at the start;
# `learning_rate`; `updates`, a whole number, which may be 0; `scale`, True or False.
#
# **Out**: a pair `(accuracies, shares)`: the accuracy before each update and after the last, `updates` + 1 numbers; and
# the M final shares. Each update adds `learning_rate` times the gradient of the accuracy to the logits. The logits
# begin at the logarithms of the given shares. If `scale` is True, the gradient is first divided by the standard
# deviation of the rewards + 1e-6, as GRPO does. Rewards are 0 or 1 with the mean a, so their standard deviation is √(a
# (1 - a)).
#
# `train([0.1, 0.6], [0.5, 0.5], 2.0, 1, False)` is ([0.35, 0.4112], [0.3775, 0.6225]), rounded.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Begin with one update and M = 2. You may let autograd find the gradient: `accuracy = (logits.softmax(0) *
# success).sum()`.
# </details>
#
# <details><summary>Hint 2</summary>
#
# By hand it is short: the derivative of the accuracy by logit m is share_m · (success_m - a). The mean reward a is the
# baseline, and nobody had to put it there.
# </details>
#
# <details><summary>Hint 3</summary>
#
# In each update: shares = softmax(logits), a, append a, then step. After the loop, compute shares and a once more.
# </details>


# %%
def train(success, shares, learning_rate, updates, scale):
    """The accuracies before each update and after the last, and the final shares."""
    ### BEGIN SOLUTION
    logits, accuracies = [math.log(share) for share in shares], []
    for update in range(updates + 1):
        total = sum(math.exp(logit) for logit in logits)
        shares = [math.exp(logit) / total for logit in logits]
        accuracy = sum(p * right for p, right in zip(shares, success, strict=True))
        accuracies.append(accuracy)
        if update < updates:
            spread = (
                math.sqrt(max(0.0, accuracy * (1 - accuracy))) + 1e-6 if scale else 1.0
            )
            steps = [
                p * (right - accuracy) / spread
                for p, right in zip(shares, success, strict=True)
            ]
            logits = [
                logit + learning_rate * step
                for logit, step in zip(logits, steps, strict=True)
            ]
    return accuracies, shares
    ### END SOLUTION


# %%
check("11a.4", train).points

# %% [markdown]
# Before you go: run `train([0.03, 0.3], [0.88, 0.12], 1.0, 60, False)`, and once more with `scale=True`. Which curve
# looks like the lesson's? What does the division do while nearly all answers are wrong?
#
# **What you wrote**: a vote that needs no verifier, a verifier of steps, the loss of Dr. GRPO, and the training of the
# lesson in ten lines. Its curve rises as steps replace answers at once, and it stops at the best way that was there
# from the start: this policy can only choose.
