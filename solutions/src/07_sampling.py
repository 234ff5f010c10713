# %% [markdown]
# # Exercise 07 · Sampling
#
# **You will write** the log-probability of a sampled text, fix a batched sampler that ignores the temperature, find the
# temperature for a given entropy, and search for the most probable text.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 07.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# gumbel_max(*check("07.2", gumbel_max).failure.example)
# check("07.2", gumbel_max, seed=7)
# ```
#
# In every question you may use everything in torch and numpy except what **Without** lists. Don't change the inputs:
# return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 07.1 · The log-probability of a sampled text
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: compute the log-probability with which a sampler writes a given text.
#
# In reinforcement learning, a model writes texts, and the training step then needs the log-probability of each text. A
# common bug is to compute it from the plain softmax although the sampler used a temperature. (TRL's GRPO trainer did so
# until pull request 3029.) The two distributions differ, which biases the gradient, and no error says so.
#
# The sampler here works in this order. First *min-p* (Nguyen et al. 2024): at temperature 1, it keeps each token whose
# probability is at least `min_p` times the largest one, and removes the others. Then the logits of the tokens that were
# kept are divided by the temperature, and their softmax is the distribution of the next token.
#
# **In**: `logits` (T, V), whose row t the model computed for position t of the text; `ids` (T,), the token at each of
# these positions; `temperature`, above 0; `min_p`, from 0 to 1. Some logits may be minus infinity already. A text may
# have hundreds of tokens, and logits may be in the thousands. No probability is close to the limit of `min_p`, except
# the largest itself where `min_p` is 1.
#
# **Out**: one number, the log of the probability that this sampler draws exactly these tokens, in nats. It is minus
# infinity if the sampler can't write the text.
#
# ```
# logits = torch.tensor([[0.5, 0.4, 0.1], [0.3, 0.5, 0.2]]).log()
# text_log_prob(logits, torch.tensor([0, 1]), temperature=0.5, min_p=0.45)  -0.8022
# ```
#
# At the first position tokens 0 and 1 are kept, and token 0 has the probability 0.25 / (0.25 + 0.16) = 0.6098. At the
# second, tokens 0 and 1 are kept, and token 1 has 0.25 / (0.09 + 0.25) = 0.7353. The log of the product is -0.8022.
#
# **Without**: `minillm`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# Start without min-p. For one position it is `(row / temperature).log_softmax(-1)[id]`. The probability of a text is a
# product, so its logarithm is a sum. (A product of hundreds of probabilities underflows to 0.)
# </details>
#
# <details><summary>Hint 2</summary>
#
# For min-p compare probabilities *before* you divide by the temperature. In logarithms: a token is removed if its log
# probability is below the largest one + ln(min_p). Set its logit to minus infinity.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `probs = logits.softmax(-1)`, then `logits.masked_fill(probs < min_p * probs.amax(-1, keepdim=True), -math.inf)`.
# After the log-softmax, `log_p.gather(-1, ids[:, None])` takes each position's own token.
# </details>


# %%
def text_log_prob(logits, ids, temperature, min_p):
    """The log-probability that the sampler writes these tokens, in nats."""
    ### BEGIN SOLUTION
    probs = logits.softmax(-1)
    removed = probs < min_p * probs.amax(-1, keepdim=True)
    kept = logits.masked_fill(removed, -math.inf)
    log_p = (kept / temperature).log_softmax(-1)
    return log_p.gather(-1, ids[:, None]).sum().item()
    ### END SOLUTION


# %%
check("07.1", text_log_prob).points

# %% [markdown]
# ## 07.2 · Gumbel-max: a temperature without effect
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the temperature has no effect in the sampler below, and write one that samples correctly.
#
# Servers sample for many users at once, each with their own temperature. The *Gumbel-max trick* needs no loop and no
# cumulative sum: give each token its own random number u, uniform from 0 to 1, turn it into *Gumbel noise*, g =
# -log(-log u), add it to the log-probabilities, and take the argmax. The result is an exact sample from the softmax.
# The cell draws 20,000 tokens at each of four temperatures and compares how often token 1 is drawn with its
# probability.


# %%
def broken_gumbel_max(logits, temperature, u):
    """One token per row, drawn at each row's temperature: (B,)."""
    noise = -(-u.log()).log()
    return ((logits + noise) / temperature[:, None]).argmax(-1)


torch.manual_seed(0)
row = torch.tensor([1.0, 2.0, 0.0])
for temperature in (0.0, 0.5, 1.0, 2.0):
    rows = row.expand(20_000, -1)
    ids = broken_gumbel_max(
        rows, torch.full((20_000,), temperature), torch.rand_like(rows)
    )
    # a softmax of almost 0 is the argmax
    right = (row / max(temperature, 1e-6)).softmax(-1)[1]
    drawn = (ids == 1).float().mean()
    print(
        f"temperature {temperature}: token 1 drawn {drawn:.3f}, should be {right:.3f}"
    )

# %% [markdown]
# **In**: `logits` (B, V), one row per text, where some are minus infinity (removed by an earlier rule); `temperature`
# (B,), one per text, 0 or above; `u` (B, V), random numbers from 0 to 1. 1 itself never occurs, but 0 may, as in
# `torch.rand`.
#
# **Out**: (B,), the id drawn for each text: the argmax when the noise -log(-log u) is added to the logits at this
# temperature. At temperature 0 it is the token with the largest logit for any `u`. There are no ties.
#
# **Without**: `minillm`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# Dividing *all* of a row by the same positive number doesn't change its argmax. What must be divided by the
# temperature, and what must not?
# </details>
#
# <details><summary>Hint 2</summary>
#
# The distribution is softmax(logits / temperature). So the noise is added to `logits / temperature`. At temperature 0
# that is a division by 0: such rows need the argmax of their logits, without noise.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Multiply by the temperature: the argmax of `logits / temperature + noise` is that of `logits + temperature * noise`,
# which needs no division. But 0 times an infinite noise is NaN, and `argmax` takes NaN for the largest number. Select
# with `torch.where`, or keep u a little above 0.
# </details>


# %%
def gumbel_max(logits, temperature, u):
    """One token per row, drawn at each row's temperature: (B,)."""
    ### BEGIN SOLUTION
    noise = -(-u.clamp_min(1e-30).log()).log()
    return (logits + temperature[:, None] * noise).argmax(-1)
    ### END SOLUTION


# %%
check("07.2", gumbel_max).points

# %% [markdown]
# ## 07.3 · Find the temperature for an entropy
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find the temperature at which the next token has a given entropy.
#
# A temperature of 0.8 has a different effect in each model, since it depends on the scale of the logits. The entropy
# doesn't: two nats are as uncertain as e², about 7.4, equally likely tokens, in any model. (Mirostat samples at a fixed
# surprise for this reason: Basu et al. 2021.) The entropy always grows with the temperature. So there is exactly one
# temperature for each entropy, and bisection finds it.
#
# **In**: `logits` (V,), not all equal, some of them possibly minus infinity (removed by an earlier rule); `entropy`, in
# nats. It is above 0 and below the largest possible entropy, that of equal probabilities for all tokens that weren't
# removed. (Where several tokens share the largest logit, it is above that of equal probabilities for these.)
#
# **Out**: the temperature, a number, correct to five digits. Logits may be ten-thousandths or thousands, so the answer
# may be far from 1.
#
# `temperature_for(torch.tensor([1.0, 0.0]), 0.5)` is 0.7204: the logits become 1.3881 and 0, the probabilities 0.8003
# and 0.1997, and -0.8003 ln 0.8003 - 0.1997 ln 0.1997 = 0.5000.
#
# **Without**: `minillm`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# First write a function for the entropy at a temperature. Test it on a removed token: it must add 0, but 0 · -∞ is NaN.
# (`torch.special.entr(q)` is -q ln q and returns 0 for q = 0. Or leave the removed tokens out from the start.)
# </details>
#
# <details><summary>Hint 2</summary>
#
# Then bisect: keep a temperature that is too low and one that is too high, try the one in the middle, and replace one
# of the two by it. Each round halves the interval, so 60 rounds are enough.
# </details>
#
# <details><summary>Hint 3</summary>
#
# From 0.000001 to 1,000,000 it is better to bisect the *logarithm* of the temperature: the middle is
# `math.sqrt(low * high)`. If the entropy there is too small, it becomes `low`, otherwise `high`.
# </details>


# %%
def temperature_for(logits, entropy):
    """The temperature at which the distribution has this entropy, in nats."""
    ### BEGIN SOLUTION
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        q = (logits.double() / middle).softmax(-1)
        if torch.special.entr(q).sum() < entropy:
            low = middle
        else:
            high = middle
    return low
    ### END SOLUTION


# %%
check("07.3", temperature_for).points

# %% [markdown]
# ## 07.4 · Beam search
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: write beam search, which looks for the most probable *text* instead of the most probable next token.
#
# Greedy decoding takes the best token now, and may miss a better text. *Beam search* keeps several partial texts, the
# *beam*, and compares them. In this question the "model" is a table: the next token depends on the last one only. With
# a real model, nothing else would change.
#
# These are the exact rules. In each round, every text of the beam is extended by every token. A text whose last token
# is `end` is finished: it isn't extended, but stays among the candidates as it is. The `width` best of all these texts
# are kept. After `steps` rounds, the best one is the answer.
#
# *Best* means the highest score: the sum of its log-probabilities divided by n to the power of `power`, where n is the
# number of new tokens (`end` is one of them). With power 0 it is the most probable text. But the sum gets smaller with
# each token, so this favors short texts. A power above 0 compensates for it (a *length penalty*).
#
# **In**: `log_p` (V, V), whose row i holds the log-probabilities of the tokens after token i (minus infinity for a
# token that can't follow); `start`, the token before the first new one (it may equal `end`, but only a new token can
# finish a text); `end`; `width`; `steps`; `power`.
#
# **Out**: the new tokens, a list of ids, at most `steps` of them. No two texts that matter have the same score.
#
# ```python
# log_p = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.0, 0.0, 1.0]]).log()
# beam_search(log_p, start=0, end=2, width=1, steps=4, power=0)  # [1, 0, 1, 0], with probability 0.09
# beam_search(log_p, start=0, end=2, width=3, steps=4, power=0)  # [2], with probability 0.3
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Let a text be a pair: its new tokens, and the sum of their log-probabilities. The beam starts with one text, `([],
# 0.0)`. Write a round as two steps: make a list of all candidates, then keep the best `width` of them.
# </details>
#
# <details><summary>Hint 2</summary>
#
# The candidates of one text: if it is finished, the text itself. Otherwise V texts, each with one more token and the
# sum plus `log_p[last, token]`. The last token of the empty text is `start`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `sorted(candidates, key=score, reverse=True)[:width]` is the new beam, with a function `score(text)` that divides
# `text[1]` by `len(text[0]) ** power`. After the last round, the first text of the beam is the best.
# </details>


# %%
def beam_search(log_p, start, end, width, steps, power):
    """The new tokens of the best text that a beam of this width finds."""

    ### BEGIN SOLUTION
    def score(text):
        tokens, total = text
        return total / len(tokens) ** power

    table = log_p.tolist()
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            last = tokens[-1] if tokens else start
            if tokens and last == end:
                candidates.append((tokens, total))
            else:
                for token, gain in enumerate(table[last]):
                    candidates.append(([*tokens, token], total + gain))
        beam = sorted(candidates, key=score, reverse=True)[:width]
    return beam[0][0]
    ### END SOLUTION


# %%
check("07.4", beam_search).points

# %% [markdown]
# **What you built**: the log-probability that every trainer of reinforcement learning needs, a sampler for a whole
# batch of users, a temperature that means the same in every model, and a search for the most probable text. Try the
# last one on a table of your own with power 0 and a growing width. At which width does the answer become short?
