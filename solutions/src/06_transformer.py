# %% [markdown]
# # Exercise 06 · The transformer
#
# **You will write** the price of a model of which each token uses a part, mend a block that forgets how long its stream
# was, make a trained model deeper without changing a word of what it says, and find out which head lifted an answer.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 06.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# block(*check("06.2", block).failure.example)
# check("06.2", block, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 06.1 · Pay for eight, use two
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: count the parameters of a mixture of experts: all of them, and those that one token uses.
#
# In such a model each block has E feed-forward networks in place of one, the *experts*. A small matrix, the *router*,
# scores them for each token, and only the k best do any work. So there are two prices: the memory holds all parameters,
# and the arithmetic (2N per token, you remember) meets only the active ones.
#
# The rest is as in the lesson, RMSNorm and SwiGLU, without biases, but with two differences: the head is *not* tied to
# the table, and a head's width D need not be C / H.
#
# **In**: nine whole numbers, `vocab_size` (V), `d_model` (C), `n_layers` (L), `n_heads` (H), `n_kv_heads` (K), `d_head`
# (D), `d_ff` (F, of each expert), `n_experts` (E), `n_chosen` (k). Each block's router is a matrix C × E.
#
# **Out**: `(total, active)`. Active is everything but the experts that were not chosen. The router is used whole: it
# must score all experts to find the best.
#
# Mixtral 8x7B is `mixture_parameters(32_000, 4096, 32, 32, 8, 128, 14_336, 8, 2)`, and its makers say: 47 billion, 13
# of them active. To the last digit it is `(46702792704, 12879925248)`.
#
# **Without**: `minillm`, `torch.nn`.
#
# <details><summary>Hint 1</summary>
#
# Start from the lesson's `naive_parameters`. Go through it part by part: what is there once, what once in each block,
# what once for each expert?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Attention: the matrices of queries and results are C × (H · D), those of keys and values C × (K · D). An expert has
# three matrices C × F. And there is the norm behind the last block.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Write the count with the number of experts left open, `count(experts)`. In it the router always has E columns. The
# answer is `(count(n_experts), count(n_chosen))`.
# </details>


# %%
def mixture_parameters(
    vocab_size,
    d_model,
    n_layers,
    n_heads,
    n_kv_heads,
    d_head,
    d_ff,
    n_experts,
    n_chosen,
):
    """All parameters, and those that one token uses."""
    ### BEGIN SOLUTION
    attention = 2 * d_model * d_head * (n_heads + n_kv_heads)
    shared = attention + d_model * n_experts + 2 * d_model  # of a block: router, norms
    expert = 3 * d_model * d_ff
    outside = 2 * vocab_size * d_model + d_model

    def count(experts):
        return outside + n_layers * (shared + experts * expert)

    return count(n_experts), count(n_chosen)
    ### END SOLUTION


# %%
check("06.1", mixture_parameters).points

# %% [markdown]
# ## 06.2 · The stream that forgets its length
#
# *bug-hunt · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why the block below forgets how long its stream was, and write one that does not.
#
# It is a pre-norm block with all left out that does not matter here: how much each token hears of the others is given,
# as the matrix `mix`, and the feed-forward is a plain one with ReLU. Every shape is right, nothing is raised, and
# people have trained and published models made of such blocks. But the cell below sends two streams through it, one
# of them a thousand times as long.


# %%
def rms_norm(x, weight, eps=1e-5):
    """Each row divided by its root mean square, then scaled coordinate by coordinate."""
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


def broken_block(
    x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight
):
    """A block: (T, C) -> (T, C)."""
    x = rms_norm(x, attention_norm)
    x = x + mix @ x @ value_weight.T
    x = rms_norm(x, feedforward_norm)
    x = x + (x @ up_weight.T).relu() @ down_weight.T
    return x


torch.manual_seed(0)
x, mix, ones = torch.randn(3, 4), torch.ones(3, 3).tril() / 3, torch.ones(4)
value_weight, up_weight, down_weight = torch.randn(3, 4, 4)
weights = (ones, value_weight, ones, up_weight, down_weight)
for scale in (1, 1000):
    size = broken_block(scale * x, mix, *weights).square().mean().sqrt()
    print(f"the stream times {scale:4} comes out with size {size:.2f}")

# %% [markdown]
# **In**: `x`, the stream (T, C); `mix` (T, T), in whose row t stands how much token t hears of each token, later ones
# included; `attention_norm` and `feedforward_norm` (C,), the weights of the two norms; `value_weight` (C, C),
# `up_weight` (F, C) and `down_weight` (C, F), laid out as in `nn.Linear`. The cell above has defined `rms_norm`, which
# you may use. Its eps counts: the stream's numbers may be as small as 0.001.
#
# **Out**: the stream after both writes, (T, C).
#
# **Without**: `minillm`, `torch.nn.Module`.
#
# <details><summary>Hint 1</summary>
#
# The lesson's rule: a part *reads* a normalised copy, and what it finds is *added to the stream*. In `broken_block`,
# point at the stream. Where is it after the first line?
# </details>
#
# <details><summary>Hint 2</summary>
#
# The first line gives the name `x` to the copy, and the stream is lost. If both writes were zero, a block should give
# back its input unchanged; this one does not. And the mistake is there twice.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Give the copy a name of its own: `copy = rms_norm(x, attention_norm)`, then `x = x + mix @ copy @ value_weight.T`. The
# feed-forward likewise, from the new `x`.
# </details>


# %%
def block(
    x, mix, attention_norm, value_weight, feedforward_norm, up_weight, down_weight
):
    """A block: (T, C) -> (T, C)."""
    ### BEGIN SOLUTION
    copy = rms_norm(x, attention_norm)
    x = x + mix @ copy @ value_weight.T
    copy = rms_norm(x, feedforward_norm)
    return x + (copy @ up_weight.T).relu() @ down_weight.T
    ### END SOLUTION


# %%
check("06.2", block).points

# %% [markdown]
# ## 06.3 · A deeper model that says the same
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: put new blocks into a trained model without changing one of its logits.
#
# You want a deeper model and have a trained one that is too shallow. Since the stream is a sum, a block that writes
# zeros can be put in anywhere, and nobody notices. Such a model begins where the old one stands, and its new blocks can
# learn something else, a language for example, while the old ones are kept as they are. (LLaMA Pro was made so, Wu et
# al. 2024.) A new block is a copy of the one in front of it, with zeros for all that *writes to the stream* and nothing
# else: if everything were zero, no gradient would reach its matrices.
#
# **In**: `weights`, a state dictionary, which has a tensor for each name. The names are the package's:
# `embedding.weight`, then for block 0 `blocks.0.attention_norm.weight`, `blocks.0.attention.output.weight`,
# `blocks.0.feedforward.down.weight` and so on. A block may have biases, with the same names but for the end, `.bias`.
# And `after`, a list of different block numbers, in any order, perhaps empty.
#
# **Out**: the state dictionary of the deeper model, a new one also where nothing is added. Every tensor in it has the
# dtype of the one that it comes from, bfloat16 for example. Directly behind each block of `after` stands its silent
# copy, and the blocks are numbered anew from 0. All other tensors stay.
#
# With three blocks and `after=[1]`, the new blocks 0, 1, 2, 3 are the old ones 0, 1, the silent copy of 1, and 2.
#
# **Without**: `minillm`, `torch.nn`.
#
# <details><summary>Hint 1</summary>
#
# Go through the dictionary once. `name.split(".", 2)` cuts `blocks.10.attention.output.weight` into `blocks`, `10` and
# the rest. Which names do not begin with `blocks.`?
# </details>
#
# <details><summary>Hint 2</summary>
#
# A block moves up by one for each number in `after` that is smaller than its own. Compare numbers, not text: as text,
# "10" comes before "2".
# </details>
#
# <details><summary>Hint 3</summary>
#
# If the block is in `after`, write a second tensor under the next number: `torch.zeros_like(weight)` if the rest of the
# name begins with `attention.output.` or `feedforward.down.`, and else the same weight.
# </details>


# %%
def deepen(weights, after):
    """The state dictionary with a silent copy behind each of these blocks."""
    ### BEGIN SOLUTION
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        place = int(number) + sum(other < int(number) for other in after)
        grown[f"blocks.{place}.{rest}"] = weight
        if int(number) in after:
            writes = rest.startswith(("attention.output.", "feedforward.down."))
            copy = torch.zeros_like(weight) if writes else weight.clone()
            grown[f"blocks.{place + 1}.{rest}"] = copy
    return grown
    ### END SOLUTION


# %%
check("06.3", deepen).points

# %% [markdown]
# ## 06.4 · Which head said Paris?
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: divide the share that one block's attention has in a logit among its heads.
#
# In the lesson one write stood out: the attention of block 24 lifted *Paris* over *the*. But this block has nine heads.
# A write of attention is the output matrix times the heads' mixtures, one behind the other, so it is itself a sum, with
# one term for each head. Each term has its share in the logit, and the shares add up to that of the whole write.
#
# GPT-2 has LayerNorm behind its last block, which also subtracts the mean. The mean of a sum is the sum of the means,
# so that can be divided among the writes, too.
#
# **In**: `heads` (H, D), what each head heard for the last token; `output_weight` (C, H · D), laid out as in
# `nn.Linear`; `stream` (C,), the finished stream at the last token; `norm`, the text `"rmsnorm"` or `"layernorm"`;
# `norm_weight` (C,), the weights of the last norm; `direction` (C,), the row of one token in the model's head minus the
# row of another. The norms have eps = 1e-5, which counts: the stream's numbers may be as small as 0.001.
#
# **Out**: the heads' shares, (H,). The divisor is the one that the norm has for `stream`, as in `shares_of_logit`. A
# bias of LayerNorm belongs to no head and is left out.
#
# Two heads of one number: `heads = [[1.0], [1.0]]`, `output_weight = [[3.0, 0.0], [0.0, 1.0]]`, `stream = [1.0, 1.0]`,
# RMSNorm with weights of 1, `direction = [1.0, -1.0]`. The heads write (3, 0) and (0, 1); the size of the stream is 1;
# the shares are 3 and -1. With LayerNorm on the stream (2, 0), whose standard deviation is 1, they are 3 and -1, too.
#
# **Without**: `minillm`, `torch.nn.Module`.
#
# <details><summary>Hint 1</summary>
#
# First the writes (H, C), one row for each head. Head 0 owns the first D *columns* of `output_weight`, head 1 the next
# D. The sum of all writes must be `output_weight @ heads.flatten()`.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Then the norm. With RMSNorm all writes are divided by one number, √(mean of the squares of `stream` + eps), then
# multiplied by `norm_weight`. Last a dot product with `direction` for each row.
# </details>
#
# <details><summary>Hint 3</summary>
#
# For LayerNorm only one thing comes in front: subtract from each write the mean of its own C numbers, and from `stream`
# its mean. The rest is the same line. `output_weight.unflatten(1, (H, D))` gives each head its columns.
# </details>


# %%
def head_shares(heads, output_weight, stream, norm, norm_weight, direction):
    """What each head adds to the lead of one token over another: (H,)."""
    ### BEGIN SOLUTION
    columns = output_weight.unflatten(1, tuple(heads.shape))  # (C, H, D)
    writes = torch.einsum("chd,hd->hc", columns, heads)
    if norm == "layernorm":
        writes = writes - writes.mean(-1, keepdim=True)
        stream = stream - stream.mean()
    size = (stream.square().mean() + 1e-5).sqrt()
    return writes / size * norm_weight @ direction
    ### END SOLUTION


# %%
check("06.4", head_shares).points

# %% [markdown]
# **What you built**: the two prices of a mixture of experts, a block that keeps its stream, a way to deepen a trained
# model, and a look at single heads. To use the last one on the real model, catch what goes into
# `model.blocks[23].attention.output` with a forward hook: its last row is the nine heads of block 24, one behind the
# other. Do they share the work, or is it one of them?
