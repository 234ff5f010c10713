# %% [markdown]
# # Exercise 10b · PPO
#
# **You will write** the clipped loss of a value head whose mistakes can be repaired, and a training that earns as much
# reward as it can within a KL limit.
#
# **Time**: 50 minutes. **Points**: 6. **Before you start**: lesson 10b.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function on many inputs. It
# says what it saw for a small one, names the mistake if it knows it, and gives you the next hint. Its last line is your
# points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# value_loss(*check("10b.1", value_loss).failure.example)
# check("10b.1", value_loss, seed=7)
# ```
#
# You may use everything that torch and numpy have. Don't change what your function is given: return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 10b.1 · A value clip that prevents repairs
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find out why these values don't learn, and write a loss with which they do.
#
# One of PPO's five brakes is a clip of the *values*. Like the clip of the policy, it must stop progress and never a
# repair. A value that has moved far enough toward its target gets no gradient any more. One that has jumped the wrong
# way is pulled back.
#
# The function below has two bugs. Run it: three tokens, all with an old value of 0.5, and a clip of 0.2. The third
# value has jumped to 2. With the right loss, 500 updates lead to 0.60 (the target), 0.71 (stopped by the clip) and 0.90
# (pulled back, until the clip lets go).


# %%
def broken_value_loss(values, old_values, advantages, mask, clip):
    """PPO's value loss, and its gradient by `values`."""
    values = values.clone().requires_grad_()
    target = values + advantages
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    errors = torch.minimum((values - target) ** 2, (clipped - target) ** 2)
    loss = errors[mask].mean() / 2
    return loss.detach(), torch.autograd.grad(loss, values)[0]


old_values, advantages = torch.full((1, 3), 0.5), torch.tensor([[0.1, 1.0, 0.3]])
values, mask = torch.tensor([[0.5, 0.5, 2.0]]), torch.ones(1, 3, dtype=torch.bool)
for _ in range(500):
    _, gradient = broken_value_loss(values, old_values, advantages, mask, clip=0.2)
    values = values - 0.03 * gradient
print("targets", [round(x, 2) for x in (old_values + advantages)[0].tolist()])
print("values ", [round(x, 2) for x in values[0].tolist()])

# %% [markdown]
# **In**: `values`, `old_values` and `advantages`, each (B, T): V of each token now, V when the answers were sampled,
# and the advantages Â from that time. `mask` (B, T) is True at tokens; each answer has at least one. `clip` is a number
# above 0. In the padding, the tables may hold anything, NaN and infinity too.
#
# **Out**: a pair `(loss, gradient)`. The target is R = V_old + Â, a fixed number. The clipped value is
# V_clip = V_old + clip(V - V_old, -`clip`, `clip`). The loss is the mean over all tokens of all answers of
#
# ½ max((V - R)², (V_clip - R)²)
#
# and the gradient is its derivative by `values`, (B, T), with 0 in the padding.
#
# For an answer with V = (2, 0.4), V_old = (0.5, 0.5), Â = (0.3, 0.2) and a clip of 0.2, the loss is 0.3825, and the
# gradient is (0.6, -0.15).
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Print `errors` for the three tokens at the start, and the gradient. How does `target` change when `values` does?
# </details>
#
# <details><summary>Hint 2</summary>
#
# V = 2 is 1.2 from its target, and V_clip = 0.7 is 0.1 from it. Which of the two errors depends on V? Which one must
# count, so that V is pulled back?
# </details>
#
# <details><summary>Hint 3</summary>
#
# A NaN in the padding survives a product with the mask, and in the gradient it survives `[mask]`, too, if you compute
# with it first. Begin with `torch.where(mask, table, 0.0)` for each of the three tables.
# </details>


# %%
def value_loss(values, old_values, advantages, mask, clip):
    """PPO's value loss, and its gradient by `values`."""
    ### BEGIN SOLUTION
    values, old_values, advantages = (
        torch.where(mask, table, 0.0) for table in (values, old_values, advantages)
    )
    values = values.requires_grad_()
    target = old_values + advantages
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    errors = torch.maximum((values - target) ** 2, (clipped - target) ** 2)
    loss = errors[mask].mean() / 2
    return loss.detach(), torch.autograd.grad(loss, values)[0]
    ### END SOLUTION


# %%
check("10b.1", value_loss).points

# %% [markdown]
# ## 10b.2 · The most reward within a KL limit
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: train a policy that earns as much as it can, and ends at most `limit` nats from the reference.
#
# In the lesson, β was 0.05, and you saw afterwards what KL came of it. Often you know the KL that you can afford, but
# not the β. So [Ziegler et al. 2019](https://arxiv.org/abs/1909.08593) let β follow the KL that they measured.
#
# Here's a language model so small that you can measure exactly. Its prompt is token 0, an answer has three tokens, and
# row a of its table has the logits of what comes after token a. All V³ answers can be listed, so mean reward and KL are
# sums, and nothing has to be sampled.
#
# The brake is your choice: β, the number of updates, their size, a mixture with the reference, or something else. The
# check only measures the policies that you return, on tasks that you haven't seen. Predict first: you train without any
# penalty, in small steps, and stop at the limit. What share of the best gain will you have? Then try it; the check
# tells you.
#
# **In**: `reference` (V, V), float64: logits, with V = 3 or 4. `rewards` (V, V, V), float64: `rewards[a, b, c]` is that
# of the answer a, b, c. Their unit may be thousandths or hundreds of points, and they may all be far from 0. `limit`:
# nats per answer, from 0.05 to 0.4.
#
# **Out**: the policy's logits, (V, V). KL(policy, reference), over whole answers, must not be above `limit` (1% is
# forgiven). For the first point, the mean reward must gain half as much over the reference's as that of the best policy
# within the limit; for the other two, 95% of it. Each point has six tasks and 30 seconds.
#
# To test how you measure: for V = 2 and a reference of zeros, the policy ((log 3, 0), (0, 0)) is 0.3189 nats away.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Measure first. With `table = logits.log_softmax(-1)`, the log-probabilities of all answers, (V, V, V), are
# `table[0][:, None, None] + table[:, :, None] + table`. Mean reward and KL are each one sum over that, and autograd has
# the gradient of both.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Subtract the mean of all rewards and divide by their standard deviation, so that one range of β fits every task. Then
# train on mean reward - β · KL until nothing changes. Is the KL above the limit? Then β was too small.
# </details>
#
# <details><summary>Hint 3</summary>
#
# One run is enough if β follows the KL: after each update, multiply it by 1.02 if the KL is above the limit, and by
# 0.98 if it's below. Return the policy with the highest mean reward among those within the limit.
# </details>


# %%
def train_within(reference, rewards, limit):
    """Logits (V, V) of a policy with nearly the highest mean reward within the KL limit."""

    ### BEGIN SOLUTION
    def log_probs(logits):
        table = logits.log_softmax(-1)
        return table[0][:, None, None] + table[:, :, None] + table

    log_p_ref = log_probs(reference)
    rewards = (rewards - rewards.mean()) / rewards.std()
    policy, beta, best, highest = reference, 1.0, reference.clone(), -torch.inf
    for _ in range(500):
        policy = policy.detach().requires_grad_()
        log_p = log_probs(policy)
        mean = (log_p.exp() * rewards).sum()
        kl = (log_p.exp() * (log_p - log_p_ref)).sum()
        if kl <= limit and mean > highest:
            best, highest = policy.detach(), mean.item()
        beta *= 1.02 if kl > limit else 0.98
        (gradient,) = torch.autograd.grad(mean - beta * kl, policy)
        policy = policy + 3 / (1 + beta) * gradient  # a large beta bends the goal
    return best
    ### END SOLUTION


# %%
check("10b.2", train_within).points

# %% [markdown]
# **What you built**: a value loss whose clip stops progress and never a repair, and a training that stays within a KL
# limit. Stopping early does that, too, but the same KL buys less: in seven tasks of ours, 66 to 92% of the best gain
# (plain gradient ascent), and 68 to 92% (Adam).
