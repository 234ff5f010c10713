# %% [markdown]
# # Exercise 04 · Attention
#
# **You will write** a formula that predicts which texts fit into memory, attention with shared keys and a cache, the
# mask of models that read very long texts, and the step that spreads one softmax over several machines.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 04 with its turns.
#
# Replace the `...`, run your cell, then run the check below it. A check calls your function on many
# inputs. It shows what it saw for a small one, names the mistake if it knows it, and points to the next hint. Its last
# line is your points. To call your function on the very input that failed, and to draw other inputs:
#
# ```python
# longest_text(*check("04.1", longest_text).failure.example)
# check("04.1", longest_text, seed=7)
# ```
#
# You may use everything in torch and numpy except what **Without** lists. Do not change the arguments that your
# function gets: return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 04.1 · The longest text that fits
#
# *predict · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: predict how long a text a model can read, before you rent the machine.
#
# While a model writes, every layer keeps the key and the value of every token so far (the KV cache; lesson 04 has the
# heads, lesson 12 the code). The cache shares the memory with the parameters. All numbers are stored as bfloat16, with
# 2 bytes each. Nothing else counts here.
#
# Guess first: Llama 3 8B has 8,030,261,248 parameters, 32 layers, d_model = 4,096, 32 query heads and 8 key/value
# heads. How long a text fits into 24 GB (24 · 10⁹ bytes)? And how long if it did not share its keys, so that it had
# 32 key/value heads?
#
# **In**: `model`, a dictionary of whole numbers with the keys `n_parameters`, `n_layers`, `d_model`, `n_heads`
# and `n_kv_heads`; `memory` in bytes; `n_texts`, how many texts the model reads at the same time, 1 or more.
#
# **Out**: a whole number: how many tokens each of the texts can have, if all have the same length and share the memory.
# Where not even one token fits, it is 0.
#
# For `{"n_parameters": 1000, "n_layers": 3, "d_model": 8, "n_heads": 4, "n_kv_heads": 2}` and 3,000 bytes, one text can
# have 20 tokens.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Count the bytes of one token first: two vectors in each layer, `n_kv_heads` heads of D entries each, 2 bytes per
# entry.
# </details>
#
# <details><summary>Hint 2</summary>
#
# D is d_model / n_heads, also for keys and values. In the example a token costs 2 · 3 · (2 · 2) · 2 = 48 bytes.
# </details>
#
# <details><summary>Hint 3</summary>
#
# The parameters leave `memory - 2 * n_parameters` bytes. Divide them with `//` by what one token of every text costs.
# If nothing is left, `max(..., 0)`.
# </details>


# %%
def longest_text(model, memory, n_texts):
    """The number of tokens that each of the texts can have."""
    ### BEGIN SOLUTION
    d_head = model["d_model"] // model["n_heads"]
    # key and value, 2 bytes per entry
    per_token = 2 * 2 * model["n_layers"] * model["n_kv_heads"] * d_head
    free = memory - 2 * model["n_parameters"]
    return max(free // (n_texts * per_token), 0)
    ### END SOLUTION


# %%
check("04.1", longest_text).points

# %% [markdown]
# ## 04.2 · Right shapes, wrong words
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find the two mistakes in the attention below, and write it without them.
#
# A colleague wrote grouped-query attention. All shapes are right and nothing raises an error. But with the weights of a
# real model, it writes nonsense, and the nonsense changes when the keys of the past come from a cache. These are the
# two symptoms:


# %%
def broken_attention(query, key, value):
    """Causal attention with shared keys: (H, T, D), (K, S, D) -> (H, T, D)."""
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat(H // K, 1, 1) for part in (key, value))  # (H, S, D)
    scores = query @ key.mT / math.sqrt(D)  # (H, T, S)
    visible = torch.ones(T, S, dtype=torch.bool).tril()
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


torch.manual_seed(0)
query, key, value = torch.randn(4, 5, 2), torch.randn(2, 5, 2), torch.randn(2, 5, 2)
whole = broken_attention(query, key, value)
other = broken_attention(query, key, torch.stack([value[0] + 1, value[1]]))
moved = (whole - other).abs().amax((1, 2)) > 1e-6
print("query heads that read key/value head 0:", moved.nonzero().flatten().tolist())
last = broken_attention(query[:, -2:], key, value)  # the first 3 came before
apart = (whole[:, -2:] - last).abs().max()
print(f"last 2 positions, without a cache and with one: {apart:.2f} apart")

# %% [markdown]
# **In**: `query` (H, T, D), `key` and `value` (K, S, D). H is a multiple of K, and query head h reads key/value head
# h // (H / K). There are S positions, and the queries are the last T of them. (The keys of the others come from a
# cache. Without a cache, T = S.)
#
# **Out**: (H, T, D): what each query reads in each head, where a query sees its own position and all earlier ones.
#
# **Without**: `minillm`, `torch.nn.functional.scaled_dot_product_attention`,
# `torch.nn.functional.multi_head_attention_forward`, `torch.nn.MultiheadAttention`.
#
# <details><summary>Hint 1</summary>
#
# Which query heads should the first symptom list, with H = 4 and K = 2? Then print `torch.arange(2).repeat(2)`.
# </details>
#
# <details><summary>Hint 2</summary>
#
# For the second, print `torch.ones(2, 5).tril()`. How many of the 5 keys does the last position see?
# </details>
#
# <details><summary>Hint 3</summary>
#
# `part.repeat_interleave(H // K, dim=0)` gives each key/value head to H / K neighbors. `tril(S - T)` moves the triangle
# to the right, by the number of positions in the cache.
# </details>


# %%
def grouped_attention(query, key, value):
    """Causal attention with shared keys: (H, T, D), (K, S, D) -> (H, T, D)."""
    ### BEGIN SOLUTION
    (H, T, D), (K, S, _) = query.shape, key.shape
    key, value = (part.repeat_interleave(H // K, dim=0) for part in (key, value))
    scores = query @ key.mT / math.sqrt(D)  # (H, T, S)
    visible = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value
    ### END SOLUTION


# %%
check("04.2", grouped_attention).points

# %% [markdown]
# ## 04.3 · A window, and a sink
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: write the mask of a sliding window that always keeps the first tokens visible.
#
# In a text of 100,000 tokens, the last token would look at all 100,000. With a sliding window, it looks at the last few
# thousand only (Beltagy et al. 2020; 4,096 in Mistral 7B). But many heads look at the first token by default: it is
# their attention sink. If the window moves on and hides that token, the model breaks down. If a few first tokens stay
# visible, it does not (Xiao et al. 2023).
#
# **In**: four whole numbers. `S` positions, of which the queries are the last `T` (1 or more; the others are in a
# cache); `window`, how many positions a query sees, its own included (1 or more); `sinks`, how many positions at the
# beginning of the text stay visible (0 or more). The window and the sinks may be larger than the text.
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
# First write the rule for one query at position p and one key at position s, in words: the key is visible if it is not
# in the future, and if it is near enough or a sink.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `torch.arange(S)` holds the positions of the keys. Those of the queries begin at S - T. A key is near enough if p - s
# is less than the window.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Give the positions of the queries a second axis. Then `p[:, None] - s` is the table of all distances, (T, S), and you
# can write the rule with `&` and `|`. Put each comparison in parentheses: `&` and `|` bind tighter than `<`.
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
# **Goal**: join the outputs of two machines into the output of one machine with all keys.
#
# The keys of a long text do not fit on one GPU. So machine a attends to the first half of them and machine b to the
# second. For every query, each returns two things: its output, and the logarithm of the sum that its softmax divided
# by, log Σ exp(score). FlashAttention takes the same step between blocks of keys.
#
# **In**: `out_a` and `out_b` (T, D), the outputs; `total_a` and `total_b`, (T,) each, the logarithms of the sums.
# Totals are between -200 and 200. Where all keys of one machine are hidden from a query, its total is minus infinity
# and its output NaN (it is 0 / 0). That never happens on both machines for the same query.
#
# **Out**: a pair `(out, total)`, (T, D) and (T,): the output over all keys, and the logarithm of their common sum.
#
# **Without**: `minillm`, `torch.nn.functional.scaled_dot_product_attention`,
# `torch.nn.functional.multi_head_attention_forward`, `torch.nn.MultiheadAttention`.
#
# <details><summary>Hint 1</summary>
#
# Undo the division first. What would `out_a` be if softmax had not divided by its sum? Add the two undivided outputs,
# add the two sums, divide.
# </details>
#
# <details><summary>Hint 2</summary>
#
# So the share of a is e^total_a / (e^total_a + e^total_b). In 32 bits, e^200 is infinite. Subtract the larger total
# from both before you exponentiate: the share stays the same.
# </details>
#
# <details><summary>Hint 3</summary>
#
# A share of 0 does not remove NaN: 0 · NaN is NaN. Replace the output of a machine without a visible key before you
# multiply: `torch.where(total_a[:, None] == -math.inf, 0.0, out_a)`.
# </details>


# %%
def join(out_a, total_a, out_b, total_b):
    """The output over all keys, and the logarithm of the common sum."""
    ### BEGIN SOLUTION
    largest = torch.maximum(total_a, total_b)
    power_a, power_b = (total_a - largest).exp(), (total_b - largest).exp()
    read_a = torch.where(power_a[:, None] == 0, 0.0, out_a * power_a[:, None])
    read_b = torch.where(power_b[:, None] == 0, 0.0, out_b * power_b[:, None])
    power = power_a + power_b
    return (read_a + read_b) / power[:, None], largest + power.log()
    ### END SOLUTION


# %%
check("04.4", join).points

# %% [markdown]
# **What you built**: a prediction for any model (Llama 3 8B in 24 GB: 60,573 tokens, and 15,143 if it did not share its
# keys), grouped attention that works with a cache, a window with sinks, and the step that spreads one softmax over
# blocks and machines. With all four you have the attention of a model that reads very long texts.
