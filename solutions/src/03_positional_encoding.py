# %% [markdown]
# # Exercise 03 · Positional encoding
#
# **You will write** the places of tokens among padding, mend a rotation that changes lengths, sort the weights of
# one kind of RoPE for the code of the other, and let the tokens of a full cache move up.
#
# **Time**: 80 minutes. **Points**: 10. **Before you start**: lesson 03.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# places(*check("03.1", places).failure.example)
# check("03.1", places, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, and nothing of `minillm`. What
# your function is given must stay as it is: return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 03.1 · Padding takes no place
#
# *rebuild · difficulty 2 of 5 · 10 minutes · 2 points*
#
# **Goal**: give each token of a batch its place in its own text.
#
# Texts of different length make one batch with padding, in front of them or behind. Whoever takes the columns for
# places gives a text with three paddings in front the places 3, 4, 5, ... GPT-2 then answers differently in a batch and
# alone. And while a model writes, it keeps the keys and values of what it has read, so as not to compute them again:
# its *cache* (lesson 07). So a part of each text is there already, of another length in each row.
#
# **In**: `real` (B, T), True for a token and False for padding, which may stand anywhere and fill a row; `past` (B,),
# how many tokens of each row are in the cache.
#
# **Out**: whole numbers (B, T): for a token the number of tokens before it in its text, those in the cache included;
# for padding 0.
#
# `places(tensor([[False, True, True], [True, True, False]]), tensor([5, 0]))` is `[[0, 5, 6], [0, 1, 0]]`.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# What is it that counts the columns, and what should be counted in place of it?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `real.cumsum(-1)` counts the tokens up to each column, the token itself among them. Take 1 off, add the past, and see
# what has become of the padding.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `past[:, None]` is (B, 1) and is added row by row. `torch.where(real, counted, 0)` clears the padding, last of all.
# </details>


# %%
def places(real, past):
    """The place of each token in its own text, 0 for padding: (B, T)."""
    ### BEGIN SOLUTION
    counted = past[:, None] + real.cumsum(-1) - 1
    return torch.where(real, counted, 0)
    ### END SOLUTION


# %%
check("03.1", places).points

# %% [markdown]
# ## 03.2 · A rotation that changes lengths
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out what is wrong with the rotation below, and write one that fits its weights.
#
# The weights are of the kind that the paper describes: neighbours make a pair, 0 with 1, 2 with 3. The code is the
# common one, a table of angles as wide as the vector and no loop. Every shape is right, and at place 0 it does nothing,
# as it should. But a rotation keeps every length, and its scores depend on the distance alone. This one does neither.
# (It is a real one. A published model was trained with it and has to keep it; yours has been trained rightly.)


# %%
def broken_turn(x, places, theta):
    """Each pair of neighbours turned by its place: (H, T, D) -> (H, T, D)."""
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)  # (half,)
    angles = places[:, None] * frequencies  # (T, half)
    angles = torch.cat((angles, angles), dim=-1)  # (T, D)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()


query, key = torch.ones(1, 1, 8), torch.ones(1, 1, 8)
for place in (0, 1, 2):
    turned = broken_turn(query, torch.tensor([place]), 10_000.0)
    print(f"place {place}: length {turned.norm():.2f}")
for m, n in ((3, 1), (13, 11)):
    q = broken_turn(query, torch.tensor([m]), 10_000.0)
    k = broken_turn(key, torch.tensor([n]), 10_000.0)
    print(f"places {m} and {n}: score {(q * k).sum():.2f}")

# %% [markdown]
# **In**: `x` (H, T, D), the queries or keys of H heads; `places` (T,), whole numbers, not always from 0, perhaps 1,000,
# and not always one after the other; `theta`, the base, a number.
#
# **Out**: (H, T, D): the pair of the numbers 2i and 2i + 1 turned by the angle place · theta^(-2i/D), in its old seats.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Take D = 4, so that there are two angles, a and b. Write down what stands in the four columns of the table, and below
# it which two numbers of `x` make a pair. Which angles does the first pair get?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two conventions have met. The table is made for halves, a b a b; the line with `crossed` pairs neighbours. The weights
# say which of the two is to be mended.
# </details>
#
# <details><summary>Hint 3</summary>
#
# The table must be a a b b. `torch.repeat_interleave` writes each number several times in a row.
# </details>


# %%
def turn(x, places, theta):
    """Each pair of neighbours turned by its place: (H, T, D) -> (H, T, D)."""
    ### BEGIN SOLUTION
    D = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, D, 2) / D)  # (half,)
    angles = places[:, None] * frequencies  # (T, half)
    angles = angles.repeat_interleave(2, dim=-1)  # (T, D)
    crossed = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * angles.cos() + crossed * angles.sin()
    ### END SOLUTION


# %%
check("03.2", turn).points

# %% [markdown]
# ## 03.3 · Weights of the other kind
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: sort query and key matrices that were trained with neighbours, so that code for halves gives the same
# scores.
#
# Meta published Llama's weights for neighbours; most code that loads them pairs halves, as the package does. So every
# script that converts them holds this step. In several it went wrong for models in which several query heads share one
# key head, so that there are fewer of these (lesson 04), and nothing was raised: the model loads, and writes gibberish.
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
# One head with D = 6 first. Call its rows by pair and part: 0a 0b 1a 1b 2a 2b. Write below them the order in which the
# code for halves looks for them.
# </details>
#
# <details><summary>Hint 2</summary>
#
# All the a's, then all the b's: within a head the even rows first, then the odd ones. It is a matter within each head,
# so cut the rows into heads first. Key heads are as wide as query heads, there are only fewer.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Give the rows three axes, `weight.view(heads, D // 2, 2, C)`: head, pair, part. Swap pair and part, and join the three
# again. `D` is `len(weight) // heads`; write one function of `weight` and `heads`, and call it twice.
# </details>


# %%
def to_halves(query_weight, key_weight, n_heads, n_kv_heads):
    """Both matrices with the rows of each head sorted: first parts, then second ones."""

    ### BEGIN SOLUTION
    def sort(weight, heads):
        pairs = weight.unflatten(0, (heads, -1, 2))  # (heads, half, 2, C)
        return pairs.transpose(1, 2).flatten(0, 2)

    return sort(query_weight, n_heads), sort(key_weight, n_kv_heads)
    ### END SOLUTION


# %%
check("03.3", to_halves).points

# %% [markdown]
# ## 03.4 · A cache that moves up
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: take tokens out of a cache and let the others move up, without computing a single key anew.
#
# A model writes, and its cache of keys and values is full. Some tokens must go: the oldest, or those in the middle (the
# first few had better stay, as you will see in exercise 04), or those that nobody looks at. Then the others move up, so
# that no place is empty and the next token gets the next place. But the keys in the cache are turned already, each by
# the place at which it *stood*.
#
# **In**: `keys` and `values` (S, D), one head's cache; key number s was turned by its place s, and its pairs are
# halves, (i, i + D/2). `stay` (S,), False for a token that leaves (not all do). `theta`, the base: pair i turns by
# theta^(-2i/D) at each place.
#
# **Out**: a pair `(keys, values)` of those that stay, in their order, with the keys as if they had been turned by their
# new places 0, 1, 2, ...
#
# With D = 2, two equal keys turned by the places 0 and 1, and `stay` `[False, True]`: the second moves to place 0, so
# one key is left, and it is what the first was.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# What comes out if you turn a vector by 12 places, and then by -3? You need not know the key as it was before.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each key is turned by its new place minus its old one. The old one is its number s. The new one is the number of those
# that stay in front of it; you have counted such things in 03.1. What does a value have to do with places?
# </details>
#
# <details><summary>Hint 3</summary>
#
# `by = stay.cumsum(0) - 1 - torch.arange(S)`, then keep `by[stay]` and `keys[stay]`. With angles (left, half),
# `first, second = keys[stay].chunk(2, -1)` become first · cos - second · sin and second · cos + first · sin.
# </details>


# %%
def move_up(keys, values, stay, theta):
    """The keys and values that stay, each key turned to its new place."""
    ### BEGIN SOLUTION
    S, D = keys.shape
    by = (stay.cumsum(0) - 1 - torch.arange(S))[stay]  # new place minus old one
    angles = by[:, None] * theta ** (-torch.arange(0, D, 2) / D)  # (left, half)
    cos, sin = angles.cos(), angles.sin()
    first, second = keys[stay].chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), -1)
    return turned, values[stay]
    ### END SOLUTION


# %%
check("03.4", move_up).points

# %% [markdown]
# **What you built**: places that padding does not disturb, a rotation for neighbours, the step by which weights for
# neighbours become weights for halves, and a cache that can forget. With the last one a chat goes on when its cache is
# full; whether the model can still read what moved up is a question to measure, not to believe.
