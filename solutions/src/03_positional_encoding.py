# %% [markdown]
# # Exercise 03 · Positional encoding
#
# **You will write** a measurement of what bfloat16 does to RoPE, a rotation that fits the layout of its weights, the
# step that converts weights between two layouts, and the removal of tokens from a cache of rotated keys.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 03.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# score_error(*check("03.1", score_error).failure.example)
# check("03.1", score_error, seed=7)
# ```
#
# In every question you may use everything in torch and numpy, and nothing of `minillm`. Don't change the inputs: return
# something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 03.1 · RoPE angles in bfloat16
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: measure how far attention scores are off if RoPE computes its angles in bfloat16.
#
# A rotated query and a rotated key have a dot product that depends only on their distance. That holds for exact angles.
# Much code runs whole models in bfloat16, which has 8 significant bits: from 256 on it skips whole numbers, so that
# neighboring positions become equal. (It happened to Llama and Gemma in `transformers`, whose pull request 29285
# computes the angles in float32 since then.)
#
# **In**: `query` and `key` (D,), not rotated yet; `positions` (T,), whole numbers; `distance`, a whole number that is
# at most the smallest position; `theta`, the base. Pair i is made of the numbers i and i + D/2, and its frequency is
# theta^(-2i/D).
#
# **Out**: (T,), one error per position m: the score with bfloat16 angles minus the exact score. In both the query is
# rotated to position m and the key to position m - `distance`. For the exact score an angle is position times
# frequency, in float32. For the other score, round the position to bfloat16, round the frequency to bfloat16, and round
# their product to bfloat16. Cosine, sine and all that follows are float32 again.
#
# ```
# one = torch.tensor([1.0, 0.0])
# score_error(one, one, torch.tensor([100, 257]), distance=1, theta=10_000.0)  [0, 0.4597]
# ```
#
# D is 2, so the only frequency is 1. The exact score is cos(1) = 0.5403 at both positions. In bfloat16 257 is rounded
# to 256, the position of its neighbor, and the score is cos(0) = 1.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Write a function that rotates one vector to T positions and takes a dtype for the angles. Which of its lines differ
# between the two scores?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `positions.to(dtype)[:, None] * frequencies.to(dtype)` rounds all three: in torch, the product of two bfloat16 tensors
# is a bfloat16 tensor. Then `.float()` before `cos` and `sin`. The key's position is `positions - distance`, computed
# before anything is rounded.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `angles` (T, D/2) and `a, b = x.chunk(2)`, the rotated vectors are
# `torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)`, (T, D). A score is the sum over D of query times key.
# </details>


# %%
def score_error(query, key, positions, distance, theta):
    """The error of each score with bfloat16 angles: (T,)."""

    ### BEGIN SOLUTION
    def rotated(x, positions, dtype):
        D = len(x)
        frequencies = theta ** (-torch.arange(0, D, 2) / D)
        angles = (positions.to(dtype)[:, None] * frequencies.to(dtype)).float()
        a, b = x.chunk(2)
        cos, sin = angles.cos(), angles.sin()
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)  # (T, D)

    def scores(dtype):
        queries = rotated(query, positions, dtype)
        keys = rotated(key, positions - distance, dtype)
        return (queries * keys).sum(-1)

    return scores(torch.bfloat16) - scores(torch.float32)
    ### END SOLUTION


# %%
check("03.1", score_error).points

# %% [markdown]
# With D = 64 and all 64 numbers 1/√2, so that each pair has norm 1, your function measures for the token just before
# (distance 1, theta = 10,000, exact score 30.92):
#
# | position | score with bfloat16 angles |
# | --- | --- |
# | 10 | 30.92 |
# | 100 | 30.75 |
# | 200 | 30.71 |
# | 300 | 32.00 |
# | 2,000 | 32.00 |
#
# 32 is the score at distance 0: from some position on, the model can't see that the two tokens are not at the same
# position.

# %% [markdown]
# ## 03.2 · A rotation that changes norms
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out what is wrong with the rotation below, and write one that fits its weights.
#
# The weights use the layout of the RoPE paper: neighboring numbers make a pair, 0 with 1, 2 with 3. The code is the
# common one, with a table of angles as wide as the vector and no loop. Every shape is right, and at position 0 it
# changes nothing, as it should. But a rotation keeps every norm, and its scores depend only on the distance. This one
# does neither. (The bug is real. V-JEPA 2 was trained with it and has to keep it. Your weights were trained without.)


# %%
def broken_rotation(x, positions, theta):
    """Each pair of neighbors rotated by its position: (H, T, D) -> (H, T, D)."""
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)  # (half,)
    angles = positions[:, None] * frequencies  # (T, half)
    angles = torch.cat((angles, angles), dim=-1)  # (T, D)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


query, key = torch.ones(1, 1, 8), torch.ones(1, 1, 8)
for position in (0, 1, 2):
    rotated = broken_rotation(query, torch.tensor([position]), 10_000.0)
    print(f"position {position}: norm {rotated.norm():.2f}")
for m, n in ((3, 1), (13, 11)):
    q = broken_rotation(query, torch.tensor([m]), 10_000.0)
    k = broken_rotation(key, torch.tensor([n]), 10_000.0)
    print(f"positions {m} and {n}: score {(q * k).sum():.2f}")

# %% [markdown]
# **In**: `x` (H, T, D), the queries or keys of H heads; `positions` (T,), whole numbers, not always from 0, perhaps
# 1,000, and not always consecutive; `theta`, the base, a number.
#
# **Out**: (H, T, D): the pair of the numbers 2i and 2i + 1 rotated by the angle position · theta^(-2i/D), in the same
# columns.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Take D = 4, so that there are two angles, a and b. Write down the four columns of the table, and below them which two
# numbers of `x` make a pair. Which angles does the first pair get?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two layouts have been mixed. The table is made for halves, a b a b; the line with `crossed` pairs neighbors. The
# weights decide which of the two must change.
# </details>
#
# <details><summary>Hint 3</summary>
#
# The table must be a a b b. `torch.repeat_interleave` repeats each number several times in a row.
# </details>


# %%
def rotate_pairs(x, positions, theta):
    """Each pair of neighbors rotated by its position: (H, T, D) -> (H, T, D)."""
    ### BEGIN SOLUTION
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)  # (half,)
    angles = positions[:, None] * frequencies  # (T, half)
    angles = angles.repeat_interleave(2, dim=-1)  # (T, D)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()
    ### END SOLUTION


# %%
check("03.2", rotate_pairs).points

# %% [markdown]
# ## 03.3 · Convert weights between two RoPE layouts
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: reorder query and key matrices that were trained with pairs of neighbors, so that code for halves gives the
# same scores.
#
# Meta published Llama's weights for pairs of neighbors. Most code that loads them, this package included, pairs halves.
# So every script that converts them has this step. In several it went wrong for models with *grouped-query attention*,
# in which several query heads share one key head, so that there are fewer key heads (lesson 04). Nothing was raised:
# the model loads, and writes gibberish.
#
# **In**: `query_weight` (n_heads · D, C) and `key_weight` (n_kv_heads · D, C), laid out as in `nn.Linear`: a row makes
# one number of a query, the first D rows make the first head, and so on. `n_heads` and `n_kv_heads`, whole numbers.
#
# **Out**: a pair `(query_weight, key_weight)` of the same shapes, with the rows in another order: what was pair
# (2i, 2i + 1) of a head is now its pair (i, i + D/2).
#
# For one head with D = 4 the rows 0, 1, 2, 3 become 0, 2, 1, 3.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# One head with D = 6 first. Call its rows by pair and part: 0a 0b 1a 1b 2a 2b. Below them, write the order in which the
# code for halves expects them.
# </details>
#
# <details><summary>Hint 2</summary>
#
# All the a's, then all the b's: within a head the even rows come first, then the odd ones. Split the rows into heads
# first. Key heads are as wide as query heads, there are only fewer of them.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Give the rows three axes, `weight.view(heads, D // 2, 2, C)`: head, pair, part. Swap pair and part, and join the three
# again. `D` is `len(weight) // heads`. Write one function of `weight` and `heads`, and call it twice.
# </details>


# %%
def to_halves(query_weight, key_weight, n_heads, n_kv_heads):
    """Both matrices, each head with its even rows first, then its odd rows."""

    ### BEGIN SOLUTION
    def sort(weight, heads):
        pairs = weight.unflatten(0, (heads, -1, 2))  # (heads, half, 2, C)
        return pairs.transpose(1, 2).flatten(0, 2)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)
    ### END SOLUTION


# %%
check("03.3", to_halves).points

# %% [markdown]
# ## 03.4 · Remove tokens from a KV cache
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: remove tokens from a cache and close the gaps, without computing a single key again.
#
# While a model writes, it keeps the keys and values of all tokens so far, so as not to compute them again: its *KV
# cache* (lesson 07). When the cache is full, some tokens must go: the oldest, some in the middle (the first few had
# better stay, as exercise 04 shows), or those with the least attention. Then the others move up, so that positions are
# consecutive again and the next token gets the next one. But the keys in the cache are rotated already, each by its
# *old* position.
#
# **In**: `keys` and `values` (S, D), one head's cache. Key number s was rotated by its position s, and its pairs are
# halves, (i, i + D/2). `keep` (S,), False for a token that leaves (not all do). `theta`, the base: pair i is rotated by
# theta^(-2i/D) per position.
#
# **Out**: a pair `(keys, values)` of those that are kept, in their order, with the keys as if they had been rotated by
# their new positions 0, 1, 2, ...
#
# With D = 2, two equal keys rotated by the positions 0 and 1, and `keep` `[False, True]`: the second moves to position
# 0, so one key is left, and it equals the first one.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# What is the result of rotating a vector by 12 positions, and then by -3? You don't need the key as it was before.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Rotate each key by its new position minus its old one. The old one is its number s. The new one is the number of kept
# tokens before it, which a cumulative sum gives. Do values depend on positions?
# </details>
#
# <details><summary>Hint 3</summary>
#
# `by = keep.cumsum(0) - 1 - torch.arange(S)`, then take `by[keep]` and `keys[keep]`. With angles (left, half),
# `first, second = keys[keep].chunk(2, -1)` become first · cos - second · sin and second · cos + first · sin.
# </details>


# %%
def evict(keys, values, keep, theta):
    """The keys and values that are kept, each key rotated to its new position."""
    ### BEGIN SOLUTION
    S, D = keys.shape
    by = (keep.cumsum(0) - 1 - torch.arange(S))[keep]  # new position minus old one
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)  # (left, half)
    cos, sin = angles.cos(), angles.sin()
    first, second = keys[keep].chunk(2, dim=-1)
    rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), -1)
    return rotated, values[keep]
    ### END SOLUTION


# %%
check("03.4", evict).points

# %% [markdown]
# **What you built**: the error of RoPE in low precision, a rotation for pairs of neighbors, the step that converts
# their weights to halves, and a cache that can drop tokens. With the last one a chat continues when its cache is full.
# Whether the model still reads the moved tokens well is a question to measure.
