# %% [markdown]
# # Exercise 06 · The transformer
#
# **You will write** the parameter counts of a mixture of experts, fold norm weights into matrices, add blocks to a
# trained model without changing its logits, and attribute a logit to single attention heads.
#
# **Time**: 90 minutes. **Points**: 10. **Before you start**: lesson 06.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# fold(*check("06.2", fold).failure.example)
# check("06.2", fold, seed=7)
# ```
#
# In every question you may use everything in torch and numpy except what **Without** lists. Don't change the inputs:
# return something new.

# %%
import torch
import torch.nn.functional as F

from minillm.course.checks import check

# %% [markdown]
# ## 06.1 · Total and active parameters
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: count the parameters of a mixture of experts: all of them, and those that are used for one token.
#
# In such a model each block has E feed-forward networks instead of one, the *experts*. A small matrix, the *router*,
# scores the experts for each token, and only the k best are evaluated. So there are two counts. All parameters take up
# memory. Only the *active* ones take part in a token's forward pass, at about two operations per parameter.
#
# The rest of the model is as in the lesson, with RMSNorm and SwiGLU and without biases, except that the head is *not*
# tied to the embedding, and that the size D of a head may differ from C / H.
#
# **In**: nine integers, `vocab_size` (V), `d_model` (C), `n_layers` (L), `n_heads` (H), `n_kv_heads` (K), `d_head` (D),
# `d_ff` (F, of each expert), `n_experts` (E), `n_chosen` (k). Each block's router is a C × E matrix.
#
# **Out**: `(total, active)`. Active are all parameters except those of the experts that are not chosen. The whole
# router is active: it must score all experts to find the best.
#
# Mixtral 8x7B is `mixture_parameters(32_000, 4096, 32, 32, 8, 128, 14_336, 8, 2)`. Its authors report 47 billion
# parameters, of which 13 billion are active. The exact counts are `(46702792704, 12879925248)`.
#
# **Without**: `minillm`, `torch.nn`.
#
# <details><summary>Hint 1</summary>
#
# List the tensors of the model with their shapes. Which exist once, which once per block, and which once per expert?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Attention: the query and output matrices are C × (H · D), the key and value matrices C × (K · D). An expert has three
# C × F matrices. Don't forget the norm after the last block.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Write the count as a function of the number of experts, `count(experts)`. The router has E columns in both cases. The
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
    """The number of all parameters, and of those used for one token."""
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
# ## 06.2 · Fold the norm weights
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find the two mistakes in the function below, and write one that leaves all logits as they are.
#
# RMSNorm divides each row by its root mean square, then multiplies coordinate c by a weight. The result goes straight
# into matrices, which multiply coordinate c by their column c. So the norm's weights can be multiplied into these
# columns once and for all, and the norm is left with weights of 1. This is called *folding*. TransformerLens folds to
# make matrices comparable, and QuaRot (Ashkboos et al. 2024) does it before it rotates the stream to quantize it.
#
# The cell folds two models with one block, without attention to keep it short. One has a head of its own, the other is
# *tied*: its head is the embedding, stored once. Both errors should be 0.00.


# %%
def rms_norm(x, weight, eps=1e-5):
    """Each row divided by its root mean square, then multiplied by the weights."""
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


def logits(weights, ids):
    """The logits of a model with one block and no attention: (T, V)."""
    x = weights["embedding.weight"][ids]
    normed = rms_norm(x, weights["blocks.0.feedforward_norm.weight"])
    parts = ("gate", "up", "down")
    gate, up, down = (weights[f"blocks.0.feedforward.{part}.weight"] for part in parts)
    x = x + (F.silu(normed @ gate.T) * (normed @ up.T)) @ down.T
    head = weights.get("head.weight", weights["embedding.weight"])
    return rms_norm(x, weights["final_norm.weight"]) @ head.T


def broken_fold(weights):
    """The state dictionary with all norm weights folded. (Two mistakes.)"""
    head = "head.weight" if "head.weight" in weights else "embedding.weight"
    readers = {
        "attention_norm": ("attention.query", "attention.key", "attention.value"),
        "feedforward_norm": ("feedforward.gate",),
    }
    folded = dict(weights)
    for name, norm in weights.items():
        block, _, part = name.removesuffix(".weight").rpartition(".")
        matrices = [f"{block}.{reader}.weight" for reader in readers.get(part, ())]
        if part == "final_norm":
            matrices = [head]
        for matrix in matrices:
            folded[matrix] = weights[matrix] * norm  # column c times norm[c]
            folded[name] = torch.ones_like(norm)
    return folded


torch.manual_seed(0)
shapes = {"feedforward.gate": (6, 4), "feedforward.up": (6, 4)}
shapes |= {"feedforward_norm": (4,), "feedforward.down": (4, 6)}
own = {f"blocks.0.{part}.weight": torch.randn(shape) for part, shape in shapes.items()}
own |= {"embedding.weight": torch.randn(9, 4), "final_norm.weight": torch.randn(4)}
own["head.weight"] = torch.randn(9, 4)
tied = {name: weight for name, weight in own.items() if name != "head.weight"}
for kind, weights in (("its own head", own), ("a tied head", tied)):
    change = logits(broken_fold(weights), range(9)) - logits(weights, range(9))
    print(f"{kind}: largest error of a logit {change.abs().max():.2f}")

# %% [markdown]
# **In**: `weights`, a state dictionary, from names to tensors. The names are the package's: `embedding.weight`; for
# each block, here block 0, `blocks.0.attention_norm.weight`, `blocks.0.attention.query.weight` and the same for `key`,
# `value` and `output`, `blocks.0.feedforward_norm.weight`, `blocks.0.feedforward.up.weight` and `down`, and `gate` if
# the layer has one; `final_norm.weight`. A matrix may have a bias, `blocks.0.attention.query.bias` for example. There
# is a `head.weight` unless the head is tied.
#
# **Out**: a new state dictionary of the same model, all of whose norm weights are 1. The logits don't change for any
# text. If the head was tied, there is now a `head.weight` as well. All other tensors stay as they are. Each tensor
# keeps its dtype: norm weights are often float32 where the matrices are bfloat16.
#
# **Without**: `minillm`, `torch.nn`.
#
# <details><summary>Hint 1</summary>
#
# Start with the model that has its own head. Which matrices multiply the output of `feedforward_norm`? Compare with
# `logits`.
# </details>
#
# <details><summary>Hint 2</summary>
#
# In the tied model, `embedding.weight` is used twice: to look up the tokens, and as the head. `broken_fold` changes it.
# Which of the two uses comes after the final norm?
# </details>
#
# <details><summary>Hint 3</summary>
#
# `head = weights.get("head.weight", weights["embedding.weight"])`, then `folded["head.weight"] = head * norm`. The
# embedding stays. And `feedforward.up` reads the norm as `feedforward.gate` does.
# </details>


# %%
def fold(weights):
    """The state dictionary of the same model, with all norm weights equal to 1."""
    ### BEGIN SOLUTION
    folded = dict(weights)

    def fold_into(matrix, source, norm):
        weight = weights[source]
        folded[matrix] = (weight * norm).to(weight.dtype)  # column c times norm[c]

    readers = {
        "attention_norm": ("attention.query", "attention.key", "attention.value"),
        "feedforward_norm": ("feedforward.gate", "feedforward.up"),
    }
    for name, norm in weights.items():
        block, _, part = name.removesuffix(".weight").rpartition(".")
        for reader in readers.get(part, ()):
            matrix = f"{block}.{reader}.weight"
            if matrix in weights:  # not every feed-forward layer has a gate
                fold_into(matrix, matrix, norm)
        if part == "final_norm":
            head = "head.weight" if "head.weight" in weights else "embedding.weight"
            fold_into("head.weight", head, norm)
        if part.endswith("_norm"):
            folded[name] = torch.ones_like(norm)
    return folded
    ### END SOLUTION


# %%
check("06.2", fold).points

# %% [markdown]
# ## 06.3 · Add blocks without changing a logit
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: insert new blocks into a trained model without changing any of its logits.
#
# You have a trained model and want a deeper one. A block adds its outputs to the residual stream, so a block whose
# outputs are zero changes nothing, wherever it is inserted. The deeper model starts where the old one stopped. Its new
# blocks can then learn something else, a language for example, while the old ones stay frozen (LLaMA Pro: Wu et al.
# 2024). A new block is a copy of the block before it, with zeros in the matrices that *write to the stream* and nowhere
# else: if all of its matrices were zero, none of them would get a gradient.
#
# **In**: `weights`, a state dictionary, from names to tensors. The names are the package's: `embedding.weight`, then
# for block 0 `blocks.0.attention_norm.weight`, `blocks.0.attention.output.weight`, `blocks.0.feedforward.down.weight`
# and so on. A block may have biases, with the same names that end in `.bias`. And `after`, a list of different block
# numbers, in any order, possibly empty.
#
# **Out**: the state dictionary of the deeper model, a new one even where nothing is added. Each tensor has the dtype of
# the one that it comes from, bfloat16 for example. Directly after each block in `after` comes its silent copy, and the
# blocks are numbered from 0 again. All other tensors stay as they are.
#
# With three blocks and `after=[1]`, the new blocks 0, 1, 2, 3 are the old ones 0, 1, the silent copy of 1, and 2.
#
# **Without**: `minillm`, `torch.nn`.
#
# <details><summary>Hint 1</summary>
#
# Go through the dictionary once. `name.split(".", 2)` splits `blocks.10.attention.output.weight` into `blocks`, `10`
# and the rest. Which names don't begin with `blocks.`?
# </details>
#
# <details><summary>Hint 2</summary>
#
# A block's number grows by one for each number in `after` that is smaller than its own. Compare integers, not text: as
# text, "10" comes before "2".
# </details>
#
# <details><summary>Hint 3</summary>
#
# If the block is in `after`, write a second tensor under the next number: `torch.zeros_like(weight)` if the rest of the
# name begins with `attention.output.` or `feedforward.down.`, and otherwise the same weight.
# </details>


# %%
def deepen(weights, after):
    """The state dictionary with a silent copy after each of these blocks."""
    ### BEGIN SOLUTION
    grown = {}
    for name, weight in weights.items():
        if not name.startswith("blocks."):
            grown[name] = weight
            continue
        _, number, rest = name.split(".", 2)
        new = int(number) + sum(other < int(number) for other in after)
        grown[f"blocks.{new}.{rest}"] = weight
        if int(number) in after:
            writes = rest.startswith(("attention.output.", "feedforward.down."))
            copy = torch.zeros_like(weight) if writes else weight.clone()
            grown[f"blocks.{new + 1}.{rest}"] = copy
    return grown
    ### END SOLUTION


# %%
check("06.3", deepen).points

# %% [markdown]
# ## 06.4 · Attribute a logit to heads
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: split what one attention layer adds to a difference of logits among its heads.
#
# In SmolLM2, the attention of block 23 (the blocks are numbered from 0 to 29) raises the right capital above the others
# more than any other write does: by 4.6 after "The capital of France is" and 71 such questions, on average (lab 06).
# But it has nine heads. The output of attention is the output matrix times the concatenated heads, so it is a sum with
# one term per head. Each term adds its own part to the logit, and the parts sum to that of the whole layer.
#
# GPT-2 has a LayerNorm after its last block, which also subtracts the mean. The mean of a sum is the sum of the means,
# so this step, too, can be split among the terms.
#
# **In**: `heads` (H, D), each head's weighted average of values at the last token; `output_weight` (C, H · D), stored
# as in `nn.Linear`; `stream` (C,), the residual stream at the last token after the last block; `norm`, the text
# `"rmsnorm"` or `"layernorm"`; `norm_weight` (C,), the weights of the final norm; `direction` (C,), the row of one
# token in the model's head minus the row of another. Both norms have eps = 1e-5. It matters: the entries of `stream`
# may be as small as 0.001.
#
# **Out**: what each head adds to the difference of the two logits, (H,). All terms are divided by the same number, the
# one that the norm computes for `stream`. A bias of LayerNorm belongs to no head and is left out.
#
# Two heads of size 1: `heads = [[1.0], [1.0]]`, `output_weight = [[3.0, 0.0], [0.0, 1.0]]`, `stream = [1.0, 1.0]`,
# RMSNorm with weights of 1, `direction = [1.0, -1.0]`. The heads write (3, 0) and (0, 1), the root mean square of the
# stream is 1, and the result is 3 and -1. With LayerNorm and the stream (2, 0), whose standard deviation is 1, it is 3
# and -1, too.
#
# **Without**: `minillm`, `torch.nn.Module`.
#
# <details><summary>Hint 1</summary>
#
# First compute what the heads write, (H, C), one row per head. Head 0 uses the first D *columns* of `output_weight`,
# head 1 the next D. The sum over the heads must be `output_weight @ heads.flatten()`.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Then apply the norm. With RMSNorm, all rows are divided by one number, √(mean of the squares of `stream` + eps), then
# multiplied by `norm_weight`. Finally take the dot product of each row with `direction`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# LayerNorm needs one more step before that: subtract from each row the mean of its own C numbers, and from `stream` its
# mean. The rest is the same line. `output_weight.unflatten(1, (H, D))` splits the columns by head.
# </details>


# %%
def head_shares(heads, output_weight, stream, norm, norm_weight, direction):
    """What each head adds to the difference of two logits: (H,)."""
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
# **What you built**: both parameter counts of a mixture of experts, a model with folded norms, a way to deepen a
# trained model, and an attribution to single heads. To apply the last one to SmolLM2, record the input of
# `model.blocks[23].attention.output` with a forward hook. Its last row is the concatenation of block 23's nine heads.
# How many of them raise *Paris*?
