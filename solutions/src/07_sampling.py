# %% [markdown]
# # Exercise 07 · Sampling
#
# **You will write** a penalty that counts, mend top-p so that it can serve many readers at once, turn the temperature
# into a dial that reads in nats, and search for the likeliest text.
#
# **Time**: 80 minutes. **Points**: 10. **Before you start**: lesson 07.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# top_p(*check("07.2", top_p).failure.example)
# check("07.2", top_p, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 07.1 · A penalty that counts
#
# *extend · difficulty 1 of 5 · 10 minutes · 2 points*
#
# **Goal**: lower the logits of tokens that were written, the more often the more.
#
# The repetition penalty of the lesson has two flaws: it depends on where zero is, and it punishes a token that came ten
# times like one that came once. Many servers offer two other dials. The *presence* is subtracted once from every token
# that was written at all, the *frequency* once for each time that it was.
#
# **In**: `logits` (V,); `written`, a list of ids, with repetitions and possibly empty; `presence` and `frequency`, two
# numbers.
#
# **Out**: the new logits, (V,), in a tensor of their own, even where nothing was written.
#
# `penalise(torch.tensor([1.0, 2.0, 3.0]), [2, 2, 0], presence=0.5, frequency=0.1)` is `[0.4, 2.0, 2.3]`: token 2 loses
# 0.5 + 2 · 0.1, token 0 loses 0.5 + 0.1, and token 1 nothing.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Count first: how often does each of the V tokens stand in `written`? The rest is one subtraction.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.bincount(ids, minlength=V)` counts a tensor of whole numbers (give an empty list `dtype=torch.long`). A loop
# over `written` that adds 1 does as well.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `counts > 0` is True, or 1, for each token that was written, and 0 for the others. So it is that times `presence`, and
# the counts times `frequency`.
# </details>


# %%
def penalise(logits, written, presence, frequency):
    """The logits, lower for what was written: (V,)."""
    ### BEGIN SOLUTION
    ids = torch.tensor(written, dtype=torch.long)
    counts = torch.bincount(ids, minlength=len(logits))
    return logits - presence * (counts > 0) - frequency * counts
    ### END SOLUTION


# %%
check("07.1", penalise).points

# %% [markdown]
# ## 07.2 · A nucleus for each text of a batch
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find the two mistakes in the top-p below, and write one that cuts each text of a batch at its own p.
#
# A server answers many people at once. Their texts lie in one batch, and everybody has set another p. The function
# below was written for a single text, and somebody has put `p[:, None]` in so that it takes a batch. The three texts
# that the cell gives it are these: the first two have the same probabilities, 0.5, 0.3, 0.15 and 0.05, and the same p,
# 0.6; the third is nearly sure of its first token, and has the p 0.5. Say first what must be kept: 2, 2 and 1.


# %%
def broken_top_p(logits, p):
    """The logits, minus infinity outside of each text's nucleus: (B, V)."""
    ordered, order = logits.sort(descending=True)
    reached = ordered.softmax(-1).cumsum(-1)  # what is held up to here
    drop = reached > p[:, None]
    drop[0] = False  # the likeliest token stays, whatever it holds
    places = order.argsort(-1)  # where in the sorted list each token stands
    return logits.masked_fill(drop.gather(-1, places), -math.inf)


open_text, sure_text = [0.5, 0.3, 0.15, 0.05], [0.91, 0.03, 0.03, 0.03]
logits = torch.tensor([open_text, open_text, sure_text]).log()
kept = broken_top_p(logits, torch.tensor([0.6, 0.6, 0.5])).isfinite().sum(-1)
print("tokens kept:", kept.tolist())

# %% [markdown]
# **In**: `logits` (B, V), of which no two in a row are equal; `p` (B,), each text's own, above
# 0 and below 1, and never met exactly.
#
# **Out**: (B, V), in the order of `logits`: those outside of the nucleus are minus infinity, the others as they were.
# The nucleus is, as in the lesson, the smallest number of likeliest tokens that together reach p.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Two texts are the same, and the answers are not. Which line treats the first row in another way? When there was only
# one text, `drop` had the shape (V,), and `drop[0]` was one token. What is it in a batch?
# </details>
#
# <details><summary>Hint 2</summary>
#
# The second text has lost a token, too: 0.5 does not reach 0.6, so the one that crosses p is needed. And if that is
# done rightly, the likeliest token needs no line to protect it: what is held before it is 0, and that is less than any
# p.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Call the sorted probabilities `held`. What the likelier ones hold *before* each token is `held.cumsum(-1) - held`.
# Drop where this is at least `p[:, None]`, and bring the mask back into the tokens' order as above.
# </details>


# %%
def top_p(logits, p):
    """The logits, minus infinity outside of each text's nucleus: (B, V)."""
    ### BEGIN SOLUTION
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    before = held.cumsum(-1) - held
    drop = before >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)
    ### END SOLUTION


# %%
check("07.2", top_p).points

# %% [markdown]
# ## 07.3 · A dial in nats
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find the temperature at which the next token has a given entropy.
#
# "Temperature 0.8" means one thing in one model and another in the next: it depends on the unit of the logits. The
# entropy does not. Two nats are as open a choice as e², some 7.4, equally likely tokens, whichever model it is. The
# lesson has shown that the entropy only ever rises with the temperature. So there is one right temperature, and you can
# close in on it from both sides.
#
# **In**: `logits` (V,), not all equal, some of them perhaps minus infinity (cut by a rule that came before); `entropy`,
# in nats, below that of equal chances for all tokens that were not cut, and above 0 (or above that of equal chances for
# the largest, where several are equal).
#
# **Out**: the temperature, a number, right to five digits. Logits may be ten-thousandths or thousands, so the answer
# may lie far from 1.
#
# `temperature_for(torch.tensor([1.0, 0.0]), 0.5)` is 0.7204: the logits become 1.3881 and 0, the probabilities 0.8003
# and 0.1997, and -0.8003 ln 0.8003 - 0.1997 ln 0.1997 = 0.5000.
#
# **Without**: `minillm`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# First a function for the entropy at a temperature, as in the lesson. Try it: for a cut token it must add 0, but
# 0 · -∞ is NaN. (`torch.special.entr(q)` is -q ln q and knows that; or leave the cut tokens out from the start.)
# </details>
#
# <details><summary>Hint 2</summary>
#
# Then halve: keep a temperature that is too low and one that is too high, try the one in the middle, and replace one of
# the two by it. Each round halves what is between them, so 60 rounds leave nothing.
# </details>
#
# <details><summary>Hint 3</summary>
#
# From 0.000001 to 1,000,000 the middle is better taken of the *logarithms*: it is `math.sqrt(low * high)`. If the
# entropy there is too small, it becomes `low`, otherwise `high`.
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
# ## 07.4 · The likeliest text
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: write beam search, which looks for the likeliest *text*, and not for the likeliest next token.
#
# Greedy takes the best token now, and may regret it later. *Beam search* keeps the best few texts, the *beam*, and lets
# them compete. In this question the "model" is a table: what follows depends on the last token alone. With a real model
# nothing else would change.
#
# The rules, to the letter. In each round every text of the beam is continued by every token. A text whose last token is
# `end` is finished: it is not continued, but stays in the race as it is. Of all these texts the `width` best are kept.
# After `steps` rounds the best one is the answer.
#
# *Best* means the highest score: the sum of its log-probabilities divided by n to the `power`, where n is the number of
# new tokens (`end` is one of them). With power 0 it is the likeliest text. But a sum of logarithms falls with each
# token, so the likeliest text is a short one; a power above 0 makes up for that.
#
# **In**: `log_p` (V, V), in whose row i stand the log-probabilities of what follows token i (minus infinity for what
# cannot follow); `start`, the token before the first new one (it may be `end`, and finishes nothing: only a new token
# does); `end`; `width`; `steps`; `power`.
#
# **Out**: the new tokens, a list of ids, `steps` at most. No two texts that matter have the same score.
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
# Let a text be a pair: its new tokens, and the sum of their log-probabilities. The beam begins with one text,
# `([], 0.0)`. Write a round as two steps: a list of all candidates, then the best `width` of it.
# </details>
#
# <details><summary>Hint 2</summary>
#
# The candidates of one text: if it is finished, the text itself; else V texts, each with one more token and the sum
# plus `log_p[last, token]`. The last token of the empty text is `start`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `sorted(candidates, key=score, reverse=True)[:width]` is the new beam, with a function `score(text)` that divides
# `text[1]` by `len(text[0]) ** power`. After the last round the first of the beam is the best.
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
# **What you built**: a penalty that counts and does not care where zero is, top-p for a whole batch of readers, a dial
# that means the same for every model, and a search for the likeliest text. Try the last one on a table of your own,
# with power 0 and a growing width. When does the answer become short, and is it a text that you would like to read?
