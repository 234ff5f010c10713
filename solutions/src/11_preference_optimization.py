# %% [markdown]
# # Exercise 11 · Preference optimization
#
# **You will write** three estimators of the KL, which you measure and train with, advantages that compare each answer
# with the others only, log-probabilities that don't forget how an answer ends, and a loss for thumbs where nobody has
# made pairs.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 11.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# kl_estimators(*check("11.1", kl_estimators).failure.example)
# check("11.1", kl_estimators, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have. What
# your function is given must stay as it is: return something new.

# %%
from itertools import product

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 11.1 · Three estimators of the KL
#
# *extend · difficulty 2 of 5 · 20 minutes · 2 points*
#
# **Goal**: measure three estimators of the KL without sampling noise, and then train with each of them.
#
# GRPO doesn't sum the KL over all answers. It estimates it from those that were sampled. With
# x = log π_θ(y) - log π_ref(y), three estimators are in use ([Schulman 2020](http://joschu.net/blog/kl-approx.html)):
#
# k1 = x,  k2 = x² / 2,  k3 = exp(-x) - 1 + x
#
# Where there are few answers, you can list them, so the mean and the standard deviation of one sample are exact sums.
# But a term of a loss also needs a good *gradient*. The answers are already sampled, so the gradient flows through
# log π_θ(y) only. Predict first: with which of the three does the policy come back to the reference?
#
# **In**: `logits` and `ref_logits` (K,), float64: those of the policy and of the reference for K answers. `rate`, a
# number. `updates`, a whole number, 0 or more.
#
# **Out**: three tensors (3,), each in the order k1, k2, k3.
#
# - The *means* of the estimators over samples from the policy.
# - The *standard deviations* of one sample.
# - The KL(policy, reference), in nats, that is *left* after `updates` updates, logits - `rate` · gradient. Each
#   estimator begins with `logits`. The gradient is Σ π_θ(y) · ∂k(y)/∂logits over all answers. In it, π_θ(y) only stands
#   for how often y is sampled, by the policy of that update.
#
# For the probabilities (1/4, 3/4) and a reference of (1/2, 1/2), the means are (0.1308, 0.1217, 0.1308) and the
# standard deviations (0.4757, 0.0684, 0.1016). After two updates with rate 1, (0.1308, 0.0178, 0.0117) is left.
#
# **Without**: `minillm`, `trl`.
#
# <details><summary>Hint 1</summary>
#
# `x = logits.log_softmax(0) - ref_logits.log_softmax(0)`, and `p = logits.softmax(0)` are all that the first two need.
# The mean of k is `(p * k).sum()`. The standard deviation is the root of the mean squared distance from it.
# </details>
#
# <details><summary>Hint 2</summary>
#
# For the gradient, let autograd do it: `torch.autograd.grad((p.detach() * k).sum(), logits)`. Without `.detach()`,
# the probabilities would change as well, and for sampled answers they can't.
# </details>
#
# <details><summary>Hint 3</summary>
#
# What does an update with k1 do? Σ p · ∂x/∂logits is Σ ∂p/∂logits, and all p add up to 1. If your k1 moves at all,
# look at hint 2 again. And begin each of the three trainings with a fresh copy of `logits`.
# </details>


# %%
def kl_estimators(logits, ref_logits, rate, updates):
    """Means, standard deviations and the KL that is left after a training: (3,) each."""
    ### BEGIN SOLUTION
    log_p_ref = ref_logits.log_softmax(0)

    def estimates(logits):
        x = logits.log_softmax(0) - log_p_ref
        return torch.stack([x, x**2 / 2, (-x).exp() - 1 + x])  # (3, K)

    p, k = logits.softmax(0), estimates(logits)
    means = k @ p
    deviations = ((k - means[:, None]) ** 2 @ p).sqrt()
    left = []
    for which in range(3):
        policy = logits.clone().requires_grad_()
        for _ in range(updates):
            loss = (policy.softmax(0).detach() * estimates(policy)[which]).sum()
            (gradient,) = torch.autograd.grad(loss, policy)
            policy = (policy - rate * gradient).detach().requires_grad_()
        log_p = policy.detach().log_softmax(0)
        left.append((log_p.exp() * (log_p - log_p_ref)).sum())
    return means, deviations, torch.stack(left)
    ### END SOLUTION


# %%
check("11.1", kl_estimators).points

# %% [markdown]
# ## 11.2 · Each against the others
#
# *extend · difficulty 2 of 5 · 15 minutes · 3 points*
#
# **Goal**: give every answer its lead over the *other* answers to the same question.
#
# In GRPO's group each answer has a share in the mean that it is compared with, which makes the slope too short, and the
# division by the spread takes the unit away. RLOO does neither: the baseline is the mean of the others, and nothing is
# divided. In real batches, moreover, groups do not stand in a row: answers come back in the order in which they were
# finished, and some were thrown away.
#
# **In**: `scores` (B,), and `questions` (B,), whole numbers up to many millions: answers with the same number answer
# the same question.
#
# **Out**: (B,): each score less the mean score of the others to the same question; 0 where there are no others.
#
# `against_the_others(torch.tensor([1.0, 5.0, 3.0, 8.0]), torch.tensor([7, 7, 7, 2]))` is `[-3, 3, 0, 0]`: the first
# answer is compared with the mean of 5 and 3.
#
# **Without**: `minillm`, `trl`.
#
# <details><summary>Hint 1</summary>
#
# Write it for one answer first: which others have its question, how many are they, what is the sum of their scores?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `questions[:, None] == questions` is a table (B, B) of who belongs with whom. On its diagonal everybody belongs with
# himself, and that is what has to go.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With that table as numbers, `others @ scores` are the sums and `others.sum(1)` how many there are. Where that is 0,
# do not divide: `torch.where`, or `.clamp_min(1)`.
# </details>


# %%
def against_the_others(scores, questions):
    """The lead of each answer over the others: (B,)."""
    ### BEGIN SOLUTION
    others = (questions[:, None] == questions).float().fill_diagonal_(0)
    n_others = others.sum(1)
    baseline = others @ scores / n_others.clamp_min(1)
    return torch.where(n_others > 0, scores - baseline, 0.0)
    ### END SOLUTION


# %%
check("11.2", against_the_others).points

# %% [markdown]
# ## 11.3 · All answers together: 231 %
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the chances of all answers add up to more than one, and write log-probabilities that do not.
#
# Many tokenizers have no token for padding, so the one that closes an answer is used for it. The function below takes
# care that padding does not count. Run the cell: a model that finds all of its four tokens equally likely, everywhere,
# is asked for the chance of each answer that is closed within three tokens. There are 13 of them. The right sum is
# 1/4 + 3/16 + 9/64 = 58 %.


# %%
def broken_log_probs(logits, ids, prompt_lengths, end):
    """log p of each answer: (B,)."""
    log_probs = logits[:, :-1].log_softmax(-1)
    log_probs = log_probs.gather(-1, ids[:, 1:, None]).squeeze(-1)
    place = torch.arange(1, ids.shape[1])
    counts = (place >= prompt_lengths[:, None]) & (ids[:, 1:] != end)
    return (log_probs * counts).sum(1)


END, PROMPT = 0, [1]
words = [said for n in range(3) for said in product([1, 2, 3], repeat=n)]
ids = torch.tensor([[*PROMPT, *said, *[END] * (3 - len(said))] for said in words])
logits = torch.zeros(len(words), 4, 4)  # (B, T, V)
chances = broken_log_probs(
    logits, ids, torch.ones(len(words), dtype=torch.long), END
).exp()
print(f"{len(words)} answers, together {chances.sum():.0%}")

# %% [markdown]
# **In**: `logits` (B, T, V), which may lie hundreds apart, and `ids` (B, T): the logits at a position predict the id at
# the next one. A row is a prompt, then an answer. `prompt_lengths` (B,): how many tokens the prompt has, one at least.
# `end`, the id that closes an answer; what stands behind it is padding, and padding is `end` as well. An answer that
# was cut off has no `end`; it goes up to the end of its row. And a prompt may hold `end`, where it has several turns,
# its last token included. An answer has one token at least, if only its `end`.
#
# **Out**: log p of each answer, (B,), in nats: the sum over its tokens, the closing one included.
#
# With `end` = 0 and a prompt of one token, the ids `[1, 2, 0, 0]` are the answer `2` and its end, two tokens. With even
# chances for five tokens that is 2 · log(1/5) = −3.2189.
#
# **Without**: `minillm`, `trl`.
#
# <details><summary>Hint 1</summary>
#
# Which of the answers has the chance 1? What does DPO learn about stopping, if the chance to stop is in no sum?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two tokens with the same id play two parts, so the id cannot say which counts. The place can: of the answer's end
# tokens the first one counts, and none behind it.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `ends = (ids == end) & (place >= prompt_lengths[:, None])`, with `place = torch.arange(T)`, marks the answer's end
# tokens, and `ends.cumsum(1) - ends.long()` counts those in front of each place. A token of the answer counts where
# that is 0. Or walk along each row in a loop and stop at the first.
# </details>


# %%
def answer_log_probs(logits, ids, prompt_lengths, end):
    """log p of each answer: (B,)."""
    ### BEGIN SOLUTION
    log_probs = logits[:, :-1].log_softmax(-1)
    log_probs = log_probs.gather(-1, ids[:, 1:, None]).squeeze(-1)
    is_answer = torch.arange(1, ids.shape[1]) >= prompt_lengths[:, None]
    ends = (ids[:, 1:] == end) & is_answer
    before = ends.cumsum(1) - ends.long()  # end tokens in front of this place
    return (log_probs * (is_answer & (before == 0))).sum(1)
    ### END SOLUTION


# %%
check("11.3", answer_log_probs).points

# %% [markdown]
# ## 11.4 · Thumbs instead of pairs
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: write the loss and the pushes of a method that learns from single answers with a thumb up or down.
#
# Who makes pairs? What a product hears is a thumb up for one answer and a thumb down for another one, to different
# questions. KTO (Ethayarajh et al. 2024) learns from that. It has no rival to compare an answer with, so it compares
# the answer's log-ratio with z, the policy's KL from the reference: has this answer become more likely by more than
# answers have on the whole? z is estimated from answers that belong to *other* questions, the `strangers`.
#
# **In**: `log_ratios` (B,), log p − log p_ref of each answer, in nats; `liked` (B,), True for a thumb up; `strangers`
# (B,), log-ratios too, of answers put behind questions that they do not belong to; `beta`, points a nat.
#
# **Out**: a pair `(losses, pushes)`, (B,) each.
#
# - z is the mean of `strangers`, or 0 where that is negative, since a KL never is.
# - A liked answer leads by β (log-ratio − z) points; for one that was not liked it is β (z − log-ratio).
# - A loss is weight · (1 − sigmoid(lead)). The weights let both kinds count for a half: B / 2 over the number of
#   answers of this kind. (There may be one kind only.)
# - A push is minus the slope of the *mean* of the losses along the answer's log-ratio. z is a number that stands still.
#
# `thumbs(torch.tensor([1.0, -1.0]), torch.tensor([True, False]), torch.tensor([-1.0, 0.5]), beta=1.0)`: z is 0, both
# lead by one point, and the losses are (0.2689, 0.2689), the pushes (0.0983, −0.0983).
#
# **Without**: `minillm`, `trl`.
#
# <details><summary>Hint 1</summary>
#
# Begin with the losses, kind by kind, and compare with the example. `torch.where(liked, a, b)` takes a from one table
# and b from the other. Two weights are enough, one for each kind.
# </details>
#
# <details><summary>Hint 2</summary>
#
# The slope of sigmoid is sigmoid · (1 − sigmoid). So the pushes are weight · β · s · (1 − s) / B, up for what was
# liked, and down for what was not.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Or let torch do it: `x = log_ratios.clone().requires_grad_()`, losses from `x`, and
# `-torch.autograd.grad(losses.mean(), x)[0]`. Return `losses.detach()`.
# </details>


# %%
def thumbs(log_ratios, liked, strangers, beta):
    """Losses and pushes: (B,) each."""
    ### BEGIN SOLUTION
    z = strangers.mean().clamp_min(0)
    sign = torch.where(liked, 1.0, -1.0)
    chance = torch.sigmoid(sign * beta * (log_ratios - z))
    weight = len(liked) / 2 / torch.where(liked, liked.sum(), (~liked).sum())
    losses = weight * (1 - chance)
    pushes = sign * weight * beta * chance * (1 - chance) / len(liked)
    return losses, pushes
    ### END SOLUTION


# %%
check("11.4", thumbs).points

# %% [markdown]
# **What you built**: three estimators of one KL, of which the unbiased k1 trains nothing and GRPO's k3 pulls along the
# gradient of KL(reference, policy); a baseline that asks the others; log-probabilities in which stopping has a chance;
# and a loss for what a product really hears. Look at the last one's pushes once more: at a lead
# of −10 points DPO pushes with nearly full strength, and KTO hardly at all. A thumb that it cannot understand it lets
# go.
