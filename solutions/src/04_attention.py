# %% [markdown]
# # Exercise 04 · Attention
#
# **You will write** one head with a mask, mend heads that lose the beginning of the text, make a mask that models
# with very long texts use, and put together one softmax whose keys lie on two machines.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 04.
#
# Write in place of `raise NotImplementedError()`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# attention(*check("04.1", attention).failure.example)
# check("04.1", attention, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 04.1 · One head
#
# *rebuild · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: write attention for one head and any mask: softmax(Q Kᵀ / √D) V, with hidden keys left out.
#
# **In**: `query` (T, D), `key` (S, D), `value` (S, D) and `visible` (T, S), which is True where a query may look. Each
# query may look at one key at least. T and S may differ. Scores may be as low as -1,000,000, for all that a query may
# see.
#
# **Out**: what each query hears, (T, D).
#
# **Without**: `minillm`, `torch.nn.functional.scaled_dot_product_attention`,
# `torch.nn.functional.multi_head_attention_forward`, `torch.nn.MultiheadAttention`.
#
# <details><summary>Hint 1</summary>
#
# Three steps: scores (T, S), weights (T, S), mixture (T, D). Check after the second that each row adds up to 1.
# </details>
#
# <details><summary>Hint 2</summary>
#
# The first and the last step are matrix products. Divide the scores by √D, where D is `query.shape[-1]`. Hide before
# you take softmax, not after.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `scores.masked_fill(~visible, -math.inf)` writes minus infinity wherever a query may not look, and `.softmax(-1)`
# makes exactly 0 of it. The last axis runs over the keys.
# </details>


# %%
def attention(query, key, value, visible):
    """What each query hears: (T, D)."""
    ### BEGIN SOLUTION
    scores = query @ key.T / math.sqrt(query.shape[-1])
    weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
    return weights @ value
    ### END SOLUTION


# %%
check("04.1", attention).points

# %% [markdown]
# ## 04.2 · The mask is right, and half the text misses the beginning
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why half of a text does not hear its beginning below, and write attention in which all of it does.
#
# The mask is the lower triangle, as it should be. Every shape is right, and nothing is raised. But the cell below
# changes the first of six tokens, at which all others may look, and not all of them notice.


# %%
def broken_multi_head(
    x, query_weight, key_weight, value_weight, output_weight, n_heads
):
    """Causal attention in several heads: (T, C) -> (T, C)."""
    T, C = x.shape
    matrices = (query_weight, key_weight, value_weight)
    query, key, value = (
        (x @ matrix.T).view(n_heads, T, C // n_heads) for matrix in matrices
    )
    scores = query @ key.mT / math.sqrt(C // n_heads)  # (H, T, S)
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    heads = scores.masked_fill(~visible, -math.inf).softmax(-1) @ value  # (H, T, D)
    return heads.reshape(T, C) @ output_weight.T


torch.manual_seed(0)
x, matrices = torch.randn(6, 4), torch.randn(4, 4, 4)
changed = x.clone()
changed[0] += 1
before, after = (broken_multi_head(text, *matrices, n_heads=2) for text in (x, changed))
moved = (before - after).abs().amax(-1) > 1e-6
print("changing token 0 moves the outputs at", moved.nonzero().flatten().tolist())

# %% [markdown]
# **In**: `x` (T, C); `query_weight`, `key_weight`, `value_weight`, `output_weight`, each (C, C) and laid out as in
# `nn.Linear`, so that they are used as `x @ weight.T`; `n_heads`, a whole number H that divides C.
#
# **Out**: (T, C): cut into H heads of D = C / H columns, attended causally, joined, and mixed by the output matrix.
#
# **Without**: `minillm`, `torch.nn.functional.scaled_dot_product_attention`,
# `torch.nn.functional.multi_head_attention_forward`, `torch.nn.MultiheadAttention`.
#
# <details><summary>Hint 1</summary>
#
# Suspect the heads. For `x = torch.arange(24).view(6, 4)` print `x.view(2, 6, 2)[1]`. Whose numbers stand in its
# first row?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Head h owns D *columns* of every token, so it is the last axis that has to be split. And there are two places: where
# heads are made, and where they are joined.
# </details>
#
# <details><summary>Hint 3</summary>
#
# In: `.view(T, H, D).transpose(0, 1)`. Out: the same two steps backwards, first swap the axes, then join the last two.
# </details>


# %%
def multi_head(x, query_weight, key_weight, value_weight, output_weight, n_heads):
    """Causal attention in several heads: (T, C) -> (T, C)."""
    ### BEGIN SOLUTION
    T, C = x.shape
    query, key, value = (
        (x @ matrix.T).view(T, n_heads, C // n_heads).transpose(0, 1)  # (H, T, D)
        for matrix in (query_weight, key_weight, value_weight)
    )
    scores = query @ key.mT / math.sqrt(C // n_heads)  # (H, T, S)
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    heads = scores.masked_fill(~visible, -math.inf).softmax(-1) @ value  # (H, T, D)
    return heads.transpose(0, 1).reshape(T, C) @ output_weight.T
    ### END SOLUTION


# %%
check("04.2", multi_head).points

# %% [markdown]
# ## 04.3 · A window, and a sink
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: write the mask of a sliding window that always keeps the first tokens visible.
#
# In a text of 100,000 tokens the last one would look at all 100,000. A sliding window lets it look at the last few
# thousand only (Beltagy et al. 2020; Mistral 7B has 4,096). But you have seen that heads send what they do not need to
# the first token. If the window moves on and leaves that token behind, the model breaks down; if a handful of first
# tokens stay visible, it does not (Xiao et al. 2023).
#
# **In**: four whole numbers. `S` positions, of which the queries are the last `T` (the others lie in a cache);
# `window`, how many positions a query sees, itself included; `sinks`, how many positions at the beginning of the text
# stay visible.
#
# **Out**: a boolean tensor (T, S), True where a query may look. No query sees a position after its own.
#
# `window_mask(2, 5, window=2, sinks=1)`: the queries stand at positions 3 and 4.
#
# ```
# [[1, 0, 1, 1, 0],
#  [1, 0, 0, 1, 1]]
# ```
#
# **Without**: `minillm`, `torch.nn.functional.scaled_dot_product_attention`,
# `torch.nn.functional.multi_head_attention_forward`, `torch.nn.MultiheadAttention`.
#
# <details><summary>Hint 1</summary>
#
# Write the rule for one query at position p and one key at position s first, in words: it is seen if it is not in the
# future, and either near enough or a sink.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.arange(S)` are the positions of the keys. Those of the queries begin at S - T. Near enough: p - s is less than
# the window.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Give the queries' positions a second axis, `p[:, None]`; then `p[:, None] - s` is the table of all distances (T, S),
# and the rule can be written with `&` and `|` (in brackets: they bind tighter than `<`).
# </details>


# %%
def window_mask(T, S, window, sinks):
    """True where a query may look: (T, S)."""
    ### BEGIN SOLUTION
    query = torch.arange(S - T, S)[:, None]  # the positions of the queries, (T, 1)
    key = torch.arange(S)
    near_or_sink = (query - key < window) | (key < sinks)
    return near_or_sink & (key <= query)
    ### END SOLUTION


# %%
check("04.3", window_mask).points

# %% [markdown]
# ## 04.4 · One softmax on two machines
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: put together what two machines have heard, as if one machine had held all keys.
#
# The keys of a long text do not fit on one card. So machine a attends to the first half of them, machine b to the
# second, and each sends back two things for every query: its mixture, and the logarithm of the sum that its softmax
# divided by, log Σ exp(score). FlashAttention makes the same step between blocks of keys.
#
# **In**: `out_a` and `out_b` (T, D), the mixtures; `total_a` and `total_b`, (T,) each, the logarithms of the sums.
# Totals may be as large as 200 or as small as -200. Where all keys of a part are hidden from a query, its total is
# minus infinity and its mixture NaN (it is 0 / 0). That does not happen to both parts of one query.
#
# **Out**: a pair `(out, total)`, (T, D) and (T,): the mixture over all keys, and the logarithm of their common sum.
#
# **Without**: `minillm`, `torch.nn.functional.scaled_dot_product_attention`,
# `torch.nn.functional.multi_head_attention_forward`, `torch.nn.MultiheadAttention`.
#
# <details><summary>Hint 1</summary>
#
# Undo the division first. What would `out_a` have been, had softmax not divided by its sum? Add the two undivided
# mixtures, add the two sums, divide.
# </details>
#
# <details><summary>Hint 2</summary>
#
# So a's share is e^total_a / (e^total_a + e^total_b). In 32 bits e^200 is infinite. Subtract the larger total from both
# before you take powers: the share stays the same. (`naive_blocks` in the lesson did so too.)
# </details>
#
# <details><summary>Hint 3</summary>
#
# A share of 0 does not help against NaN: 0 · NaN is NaN. Replace the mixture of an empty part before you multiply,
# `torch.where(total_a[:, None] == -math.inf, 0.0, out_a)`.
# </details>


# %%
def join(out_a, total_a, out_b, total_b):
    """The mixture over all keys, and the logarithm of the common sum."""
    ### BEGIN SOLUTION
    largest = torch.maximum(total_a, total_b)
    power_a, power_b = (total_a - largest).exp(), (total_b - largest).exp()
    heard_a = torch.where(power_a[:, None] == 0, 0.0, out_a * power_a[:, None])
    heard_b = torch.where(power_b[:, None] == 0, 0.0, out_b * power_b[:, None])
    power = power_a + power_b
    return (heard_a + heard_b) / power[:, None], largest + power.log()
    ### END SOLUTION


# %%
check("04.4", join).points

# %% [markdown]
# **What you built**: a head for any mask, heads that keep to their columns, a window with sinks, and the step by which
# one softmax is spread over blocks and machines. Put `window_mask` into your `attention` and you have the attention of
# a model that never runs out of room.
