# %% [markdown]
# # Exercise 08 · Pretraining
#
# **You will write** four things that stand between the loop of the lesson and a run that one can trust: the leash on a
# gradient that has become too long; a large batch in small parts (the one below counts some tokens for more than
# others); a search for exam questions that stood in the training text; and an optimizer that remembers two vectors in
# place of a matrix.
#
# **Time**: 90 minutes. **Points**: 12. **Before you start**: lesson 08.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# clip(*check("08.1", clip).failure.example)
# check("08.1", clip, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import math
from itertools import pairwise

import torch
import torch.nn.functional as F

from minillm.course.checks import check

# %% [markdown]
# ## 08.1 · One leash for all
#
# *rebuild · difficulty 2 of 5 · 15 minutes · 3 points*
#
# **Goal**: shorten a gradient that has become too long, without changing its direction.
#
# Now and then a batch is so odd that its gradient is many times as long as usual, and one step along it undoes what
# others have taught. So the loop measures the gradient's length, the norm over the numbers of *all* weights, and pulls
# it back where it is longer than allowed. The package's loop does so at every step (`clip_norm`), and its metrics show
# the norm as it was: that is where you see the odd batch.
#
# **In**: `gradients`, a list of tensors of any shapes; `longest`, the largest norm that is allowed.
#
# **Out**: a pair `(clipped, norm)`: the list of clipped tensors, in the same order, and the norm before clipping, a
# number. A gradient that is short enough stays as it is. Where a number has overflowed, so that the norm is infinite or
# NaN, no direction is left: give back zeros in place of every tensor, and the norm as it is. (Finite numbers are below
# 10^15, so that their squares do not overflow.)
#
# `clip([[3.0], [[4.0]]], longest=1.0)`, the lists being tensors, gives `([[0.6], [[0.8]]], 5.0)`.
#
# **Without**: `minillm`, `torch.nn.utils.clip_grad_norm_`, `torch.nn.utils.clip_grads_with_norm_`,
# `torch.nn.utils.get_total_norm`, `torch.nn.utils.clip_grad_value_`.
#
# <details><summary>Hint 1</summary>
#
# Think of all numbers of all tensors as one long vector. It has one length, and it is shortened by one factor.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Add `one.square().sum()` over the tensors, and take the root. The factor is longest / norm, but at most 1. What is it
# for a norm of 0?
# </details>
#
# <details><summary>Hint 3</summary>
#
# First `if not math.isfinite(norm)`: return `torch.zeros_like` of each. Multiplying does not help there, since 0 times
# infinity is NaN; nor does `min(1.0, nan)`, which is 1.0.
# </details>


# %%
def clip(gradients, longest):
    """The clipped gradients, and the norm that they had."""
    ### BEGIN SOLUTION
    norm = math.sqrt(sum(one.square().sum().item() for one in gradients))
    if not math.isfinite(norm):
        return [torch.zeros_like(one) for one in gradients], norm
    factor = longest / norm if norm > longest else 1.0
    return [one * factor for one in gradients], norm
    ### END SOLUTION


# %%
check("08.1", clip).points

# %% [markdown]
# ## 08.2 · The same batch, cut otherwise
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find out why the loss below depends on how a batch is cut, and write one that does not.
#
# A batch that does not fit into memory is worked off in parts: forward and backward for each, the gradients add up, and
# only then comes the step. (In the package: `accumulate`.) That must be the same as one large batch, but for rounding.
# The cell below has eight texts, twenty to two tokens long, and a model of one matrix, which knows the long ones better
# than the short ones. It takes all of them at once, then in two parts, then in eight. It is the same batch three times.


# %%
def broken_in_parts(weight, parts):
    """Loss and gradient of a batch that comes in parts."""
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        logits = x @ weight.T
        loss = F.cross_entropy(logits, targets, ignore_index=-100) / len(parts)
        loss.backward()
        total += loss.item()
    return total, weight.grad


torch.manual_seed(0)
weight = torch.randn(5, 4)
texts = []
for length in (20, 16, 12, 8, 5, 4, 3, 2):
    x = torch.randn(length, 4)
    noise = torch.randn(length, 5) * (3 if length < 10 else 1)
    texts.append((x, (x @ weight.T + noise).argmax(-1)))
for ends in ([8], [5, 8], range(1, 9)):
    groups = [texts[start:end] for start, end in pairwise([0, *ends])]
    parts = [tuple(map(torch.cat, zip(*group, strict=True))) for group in groups]
    loss, gradient = broken_in_parts(weight, parts)
    print(
        f"cut into {len(parts)}: loss {loss:.2f}, norm of gradient {gradient.norm():.2f}"
    )

# %% [markdown]
# **In**: `weight` (V, C), laid out as in `nn.Linear`; `parts`, a list of pairs `(x, targets)`, `x` (N, C) and `targets`
# (N,), where N differs from part to part and a target of -100 does not count. A part may have no target that counts;
# all parts together have one at least.
#
# **Out**: a pair `(loss, gradient)`: the mean of -ln p(target) over the targets that count, of all parts, as a number,
# and its gradient with respect to `weight`, (V, C). Work off one part at a time: the logits of all parts together
# would not fit. (The check cannot see that. You can.)
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Take a part of one token and a part of a hundred. By how much does each of the 101 tokens move the loss?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each token must weigh 1 / (number of targets in *all* parts). So that number has to be known before the first
# `backward`. And padding is no target.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `n = sum(int((targets != -100).sum()) for _, targets in parts)`, and in the loop
# `F.cross_entropy(..., reduction="sum") / n`. A sum over nothing is 0; a mean over nothing is NaN.
# </details>


# %%
def in_parts(weight, parts):
    """Loss and gradient of a batch that comes in parts."""
    ### BEGIN SOLUTION
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(
            x @ weight.T, targets, ignore_index=-100, reduction="sum"
        )
        (loss / n).backward()
        total += loss.item() / n
    return total, weight.grad
    ### END SOLUTION


# %%
check("08.2", in_parts).points

# %% [markdown]
# ## 08.3 · The exam stood in the book
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: say of each validation document how much of it was read in training.
#
# The lesson asserts that no validation document is a training document. That is easily passed: change one word, and a
# copy is no copy any more. For GPT-3 (Brown et al. 2020, appendix C) they looked for *runs*, thirteen words side by
# side that stand in a test and somewhere in the training text as well, and found some benchmarks full of them.
#
# **In**: `training` and `validation`, lists of documents, each a list of token ids; `n`, a whole number, 1 or more.
#
# **Out**: for each validation document a number from 0 to 1: the share of its tokens that lie in a run of n tokens
# which stands, in the same order and without a gap, in one of the training documents. A token in two such runs counts
# once. Different runs may come from different documents. A document shorter than n has no runs; its share is 0.0.
#
# `seen_before([[1, 2, 3, 4, 5]], [[9, 2, 3, 4, 7, 8], [4, 5]], n=3)` gives `[0.5, 0.0]`: of the six tokens of the
# first document 2, 3 and 4 were read side by side; the second one is too short for a run.
#
# Write it so that it would do for a corpus: the training text may be looked at once, not once for each validation
# document.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Two passes. First collect all runs of the training documents in a `set`. Then go through each validation document and
# mark which of its places are covered.
# </details>
#
# <details><summary>Hint 2</summary>
#
# A list cannot be put into a set, a tuple can. A document of L tokens has L - n + 1 runs, and none if that is less
# than 1. Never let a run reach from one document into the next.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `read = [False] * len(document)`; where the run from t on is in the set, `read[t : t + n] = [True] * n`. The share is
# `sum(read) / len(read)`, but an empty document has no length to divide by.
# </details>


# %%
def seen_before(training, validation, n):
    """For each validation document the share of its tokens that were read."""
    ### BEGIN SOLUTION
    known = {
        tuple(document[t : t + n])
        for document in training
        for t in range(len(document) - n + 1)
    }
    shares = []
    for document in validation:
        read = [False] * len(document)
        for t in range(len(document) - n + 1):
            if tuple(document[t : t + n]) in known:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(read) if read else 0.0)
    return shares
    ### END SOLUTION


# %%
check("08.3", seen_before).points

# %% [markdown]
# ## 08.4 · A table in two vectors
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: write a step that scales a gradient as Adam does, and remembers R + C numbers for a matrix of R · C.
#
# AdamW keeps two numbers for every weight, m and v, so its state is twice as large as the model. Adafactor (Shazeer &
# Stern 2018) leaves out m, and of the table v, the running mean of the squared gradient, it keeps the mean of each row
# and the mean of each column. T5 was trained with it. Two vectors do not give the table back, unless all its rows are
# alike but for a factor; but in the average over rows and over columns they do:
#
#     v̂[i, j] = row[i] · column[j] / mean(row) / (1 - beta2^step)
#
# The update is g / (√v̂ + 1e-8). There is no m to calm it, so one thing is added: its RMS, the root of the mean of its
# squared numbers, is normally near 1. Where it is larger than `longest`, the whole update is shortened to that.
#
# **In**: `gradient` (R, C); `row` (R,) and `column` (C,), the running means as the step before left them, 0 at first;
# `step`, the number of this step, 1 for the first; `beta2`, how much of a running mean is kept; `longest`. No gradient
# is 0 everywhere, but one may be as small as 1e-7, where the 1e-8 counts.
#
# **Out**: `(update, row, column)`: the update (R, C), and the new running means, as they are (what the first steps lack
# is made up for only where the update is divided).
#
# For a gradient `[[1, 2]]`, both means 0, step 1, beta2 = 0.9 and longest = 10: `row` becomes `[0.25]`, `column`
# `[0.1, 0.4]`, and the update is `[[1, 1]]`.
#
# **Without**: `minillm`, `torch.optim`.
#
# <details><summary>Hint 1</summary>
#
# First the means: `row` moves towards the mean of the squares over each row, `column` towards that over each column,
# both as v moved in the lesson. Work the example through by hand: 0.1 · (1 + 4) / 2 = 0.25.
# </details>
#
# <details><summary>Hint 2</summary>
#
# The mean of a row runs over the *columns*: axis 1. `torch.outer(row, column)` has the shape of the gradient. It is the
# table times one mean too many; divide by `row.mean()`. Correct the bias once.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `update = gradient / (table.sqrt() + 1e-8)`, then `update / max(1.0, rms / longest)` with
# `rms = update.square().mean().sqrt().item()`.
# </details>


# %%
def factored_step(gradient, row, column, step, beta2, longest):
    """The update, and the running means of the squares by row and by column."""
    ### BEGIN SOLUTION
    squares = gradient**2
    row = row + (1 - beta2) * (squares.mean(1) - row)
    column = column + (1 - beta2) * (squares.mean(0) - column)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column
    ### END SOLUTION


# %%
check("08.4", factored_step).points

# %% [markdown]
# **What you built**: the leash that every training run wears, a batch that is the same however it is cut, the question
# to put to any benchmark result (was it in the book?), and an optimizer whose memory hardly grows with the model. For a
# matrix of 4,096 × 4,096 AdamW remembers 33.6 million numbers, and your `factored_step` 8,192.
