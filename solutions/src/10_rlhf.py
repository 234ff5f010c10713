# %% [markdown]
# # Exercise 10 · RLHF
#
# **You will write** a function that fits the weights of a reward with their errors, advantages that padding can't
# change, the best policy within a KL budget, and a league table from games in which not all players have met.
#
# **Time**: 90 minutes. **Points**: 10. **Before you start**: lesson 10, and for questions 2 and 3 lesson 10b (PPO).
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# weights_with_errors(*check("10.1", weights_with_errors).failure.example)
# check("10.1", weights_with_errors, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have. What
# your function is given must stay as it is: return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 10.1 · Weights with their errors
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: fit the weights of a reward to clicks, and say how well the clicks determine each of them.
#
# In the booth of the lesson, twenty clicks gave three weights. Another twenty would have given others. How far off may
# they be? Nobody has to click again: the curvature of the loss tells you. Where the loss rises steeply around its
# minimum, few other weights explain the clicks; where it's flat, many do. Predict first: which of your three weights is
# within two errors of zero? Then try your function on your own clicks.
#
# **In**: `x` (N, K), float64: for each of N clicks, the K features of the preferred answer less those of the other one.
# `prior`, a number above 0: the standard deviation of each weight's Gaussian prior. N may be smaller than K.
#
# **Out**: two tensors (K,), to four digits. First the weights w, which make
#
# − Σ log sigmoid(x_n · w) + |w|² / (2 prior²)
#
# as small as it can be; a sum, over all clicks. Then their errors, the square roots of the diagonal of H⁻¹. H (K, K)
# are the second derivatives at these weights: each click adds P (1 − P) x_n x_nᵀ, with P = sigmoid(x_n · w), and the
# prior adds 1 / prior² to the diagonal.
#
# `weights_with_errors(torch.tensor([[1.0], [1.0], [1.0], [-1.0]]).double(), prior=2.0)` is `([0.8365], [0.9562])`:
# three clicks for the feature, one against it, and 0 is within one error.
#
# **Without**: `minillm`, `sklearn`.
#
# <details><summary>Hint 1</summary>
#
# The gradient of the sum is −Σ (1 − P) x_n + w / prior². Begin with zeros, and follow it downhill until nothing
# changes. A rate that is never too long: 1 / (Σ |x_n|² / 4 + 1 / prior²).
# </details>
#
# <details><summary>Hint 2</summary>
#
# You have H, so you can use it for the steps, too (Newton's method): `w - torch.linalg.solve(H, gradient)`, with H and
# the gradient at the present w. Some ten steps are enough for small weights.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `H = x.T @ ((P * (1 - P))[:, None] * x) + torch.eye(K) / prior**2`, at the weights that you found. Invert the whole
# matrix, then take its diagonal: features that go together make each other's weights uncertain.
# </details>


# %%
def weights_with_errors(x, prior):
    """The weights that explain the clicks best, and their standard errors: (K,) each."""
    ### BEGIN SOLUTION
    K = x.shape[1]
    w = torch.zeros(K, dtype=torch.float64)
    for _ in range(50):
        P = torch.sigmoid(x @ w)
        gradient = w / prior**2 - x.T @ (1 - P)
        H = (
            x.T @ ((P * (1 - P))[:, None] * x)
            + torch.eye(K, dtype=torch.float64) / prior**2
        )
        step = torch.linalg.solve(H, gradient)
        w = w - step / max(1.0, step.abs().max().item())
    return w, torch.linalg.inv(H).diagonal().sqrt()
    ### END SOLUTION


# %%
check("10.1", weights_with_errors).points

# %% [markdown]
# ## 10.2 · Masked, and the padding still counts
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why an answer's advantages change when a longer answer stands beside it, and write ones that do
# not.
#
# The function below does what your two functions do in lesson 10b: a KL penalty at every token, the score at the last
# one, and GAE from the end of the row to its beginning. It masks the padding, too. But run the cell: the same answer of
# three tokens, first alone, then with four tokens of padding.


# %%
def broken_advantages(scores, log_probs, reference, values, counts, price, trace):
    """Rewards and GAE of a batch: (B, T), and 0 at padding."""
    rewards = -price * (log_probs - reference)
    rows, last = torch.arange(len(scores)), counts.sum(1) - 1
    rewards[rows, last] += scores
    advantages = torch.zeros_like(values)
    following_value = following = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + following_value - values[:, t]
        advantages[:, t] = surprise + trace * following
        following_value, following = values[:, t], advantages[:, t]
    return torch.where(counts, advantages, 0.0)


torch.manual_seed(0)
scores, counts = torch.tensor([3.0]), torch.arange(7)[None] < 3
log_probs, reference, values = -3 * torch.rand(3, 1, 7)
for width in (3, 7):
    tables = [one[:, :width] for one in (log_probs, reference, values, counts)]
    found = broken_advantages(scores, *tables, price=0.1, trace=0.5)
    print([round(one, 2) for one in found[0].tolist()])

# %% [markdown]
# **In**: `scores` (B,), one for each answer; `log_probs`, `reference` and `values` (B, T): log p of each token under
# the policy, log p under the reference, and the value before the token; `counts` (B, T), the mask, True at tokens (each
# row has at least one, and its padding is at the end); `price`, the KL coefficient β, in points per nat; `trace`, the λ
# of GAE. At padding, the tables may hold anything, including minus infinity and NaN.
#
# **Out**: the advantages, (B, T), and 0 at padding. The reward of a token is −β (log p − log p_ref), and at an answer's
# last token the score is added. After that token, the value is 0. Nothing is discounted (γ = 1).
#
# With log p = (−1, −2), log p_ref = (−2, −2), values (0.5, 1), a score of 3, β = 0.1 and λ = 0.5, the advantages are
# (1.4, 2).
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# The loop begins at the end of the row, in the padding. Print `following` and `following_value` at the moment when it
# reaches the last real token. What should they be?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two things from the padding reach an answer: the penalties of tokens that weren't sampled, and values after the end.
# If both are 0 before the loop begins, what comes out of it at the padding?
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.where(counts, values, 0.0)`, and the same with the penalties, before the score is added. Multiplying by the
# mask isn't enough: 0 · NaN is NaN.
# </details>


# %%
def advantages(scores, log_probs, reference, values, counts, price, trace):
    """Rewards and GAE of a batch: (B, T), and 0 at padding."""
    ### BEGIN SOLUTION
    values = torch.where(counts, values, 0.0)
    rewards = torch.where(counts, -price * (log_probs - reference), 0.0)
    rows, last = torch.arange(len(scores)), counts.sum(1) - 1
    rewards[rows, last] += scores
    advantages = torch.zeros_like(values)
    following_value = following = torch.zeros(len(scores))
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + following_value - values[:, t]
        advantages[:, t] = surprise + trace * following
        following_value, following = values[:, t], advantages[:, t]
    return advantages
    ### END SOLUTION


# %%
check("10.2", advantages).points

# %% [markdown]
# ## 10.3 · The best policy for a budget
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: find the policy with the highest mean reward among those that are at most `budget` nats from the reference.
#
# With a KL coefficient of β points per nat, the best policy is p_ref(a) · e^(r(a)/β) / Z. But which β is right? It's
# easier to say how far the policy may move: "at most half a nat". For each β, that policy is also the best one of all
# that have moved as far. So find the β at which the KL is just the budget.
#
# **In**: `reference` (K,), the probabilities of K answers, all above 0, of type float64; `rewards` (K,), float64 too,
# in any unit, from thousandths to thousands of points, and perhaps all far from 0 (two of them may differ by only a
# hundred-thousandth of the spread); `budget`, in nats, 0 or more.
#
# **Out**: the probabilities (K,) of the best policy, to five digits. KL(policy, reference) is the budget, or less where
# the budget is larger than any KL that pays: if only the answers with the highest reward are left, moving further gains
# nothing.
#
# `best_within(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]), budget=0.1)` is `[0.7198, 0.2802]`, and with a budget
# of 1 it is `[1, 0]`, which is log 2 nats away.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# The smaller β is, the further the best policy moves. So you don't need a formula for the right β: try one, and if the
# KL of its policy is too large, β was too small.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Halve an interval, eighty times. It is easier to search for 1/β, which is 0 at the reference, than for β. What is the
# upper end? Bring the rewards to one unit first: less the largest one, divided by their spread. (And if they are all
# the same?) A billion is enough then, even where two rewards nearly tie.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Do the case of a large budget first. The answers with the highest reward keep their ratios to each other, so a policy
# of these alone is −log(sum of their p_ref) nats away; if that's within the budget, it's the best one. In all other
# cases, `torch.special.xlogy(policy, policy / reference).sum()` is the KL; it counts 0 · log 0 as 0.
# </details>


# %%
def best_within(reference, rewards, budget):
    """The best policy within the budget: (K,)."""
    ### BEGIN SOLUTION
    favourites = reference * (rewards == rewards.max())
    if -(favourites.sum() / reference.sum()).log() <= budget:
        return favourites / favourites.sum()
    merits = (rewards - rewards.max()) / (rewards.max() - rewards.min())
    low, high = 0.0, 1e9  # 1 / price
    for _ in range(80):
        middle = (low + high) / 2
        shares = reference * (middle * merits).exp()
        policy = shares / shares.sum()
        far = torch.special.xlogy(policy, policy / reference).sum()
        low, high = (middle, high) if far <= budget else (low, middle)
    return policy
    ### END SOLUTION


# %%
check("10.3", best_within).points

# %% [markdown]
# ## 10.4 · A league in which not all have met
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: give every player the strength that explains best who has beaten whom, however unevenly they have met.
#
# Public league tables of chat models are made like this: visitors see the answers of two models and choose one. A new
# model has met few others, a popular one has met all of them hundreds of times, and two may never have met at all.
#
# **In**: `wins` (K, K), whole numbers of type float64: `wins[a, b]` is how often a beat b. `pull`, 0 or at
# least 0.5. Where it is 0, everybody has beaten everybody else, directly or through others (a beat b, and b beat c).
#
# **Out**: the strengths m (K,), Bradley and Terry's rewards r of the lesson, to five digits, that make
#
# − Σ wins[a, b] · log sigmoid(m_a − m_b) + pull / 2 · Σ m_a²
#
# as small as it can be. If `pull` is 0, only differences are fixed, so take the strengths that add up to 0. (Otherwise,
# they do so by themselves.) `pull` is 1 / prior², the Gaussian prior of question 1: without it, the strength of a
# player who has never lost would grow without end.
#
# `merits(torch.tensor([[0, 3], [1, 0]]).double(), pull=0.0)` is `[0.5493, -0.5493]`: log 3 apart, since
# sigmoid(log 3) is 3/4.
#
# **Without**: `minillm`, `sklearn`.
#
# <details><summary>Hint 1</summary>
#
# The lesson did this for four kinds of answers: begin with zeros, and follow the gradient. Here each pair counts as
# often as it has met: the gradient is the number of wins less the expected number, games times probability.
# </details>
#
# <details><summary>Hint 2</summary>
#
# With `met = wins + wins.T`, minus the gradient for m_a is Σ_b (wins[a, b] − met[a, b] · sigmoid(m_a − m_b)) − pull ·
# m_a. Two players who never met have 0 in both tables, and add nothing. Work in float64.
# </details>
#
# <details><summary>Hint 3</summary>
#
# One learning rate for all is slow if one player has 40 games and another 4. A step that is never too long for any of
# them is that sum, divided by `met.sum(1) / 2 + pull`. Make 5,000 steps; at the end, subtract the mean.
# </details>


# %%
def merits(wins, pull):
    """The merits that explain the wins best: (K,)."""
    ### BEGIN SOLUTION
    met = wins + wins.T
    found = torch.zeros(len(wins), dtype=torch.float64)
    for _ in range(5000):
        expected = met * torch.sigmoid(found[:, None] - found)
        slope = (wins - expected).sum(1) - pull * found
        found = found + slope / (met.sum(1) / 2 + pull)
        if slope.abs().max() < 1e-9:
            break
    return found - found.mean()
    ### END SOLUTION


# %%
check("10.4", merits).points

# %% [markdown]
# **What you built**: weights with their errors, advantages that don't depend on the other answers of a batch, the best
# policy for a KL budget, and a league table. Put the rewards of 64 sampled answers into `best_within`, as in the lab of
# lesson 10b: there you choose β, and here you choose the nats.
