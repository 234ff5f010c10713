# %% [markdown]
# # Exercise 00a · Tensors
#
# **You will write** a top-k accuracy without a silent broadcast, a batch of padded texts with its mask, and the rule by
# which every transpose, slice and window reads its numbers.
#
# **Time**: 50 minutes. **Points**: 10. **Before you start**: lesson 00a.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# accuracy(*check("00a.1", accuracy).failure.example)
# check("00a.1", accuracy, seed=7)
# ```
#
# In every question you may use everything in torch and numpy except what **Without** lists. Don't change the inputs:
# return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 00a.1 · An accuracy that is too high
#
# *bug-hunt · difficulty 2 of 5 · 15 minutes · 3 points*
#
# **Goal**: find out why the top-1 accuracy below is too high, and write a top-k accuracy that is right.
#
# A language model gives one row of logits per text. Top-k accuracy is the share of rows whose target is among the k
# largest logits. The code below runs without a warning. Its logits are random, so about 1 of 10 targets should be hit
# by chance. Run the cell, and compare with the count by hand.


# %%
def broken_accuracy(logits, targets, k):
    """The share of rows whose target is among the k largest logits. (It isn't.)"""
    top = logits.topk(k).indices
    hits = (top == targets).any(dim=-1)
    return hits.float().mean().item()


torch.manual_seed(5)
logits, targets = torch.randn(12, 10), torch.randint(10, (12,))
by_hand = sum(
    int(row.argmax()) == target for row, target in zip(logits, targets, strict=True)
)
print(f"top-1 accuracy {broken_accuracy(logits, targets, k=1):.2f}")
print(f"counted by hand: {by_hand} of 12 rows, {by_hand / 12:.2f}")

# %% [markdown]
# **In**: `logits` (B, V), with no equal numbers in a row; `targets` (B,), the right ids, or -100 for a row without a
# target (PyTorch's losses skip these rows, too); `k`, a whole number from 1 to V. At least one row has a target.
#
# **Out**: one number, the share of hits among the rows that have a target, from 0 to 1.
#
# With `logits = torch.tensor([[0.1, 2.0, 1.0], [3.0, 0.5, 0.2]])`:
#
# ```
# accuracy(logits, torch.tensor([2, 0]), k=1)     0.5  the second row is a hit
# accuracy(logits, torch.tensor([2, 1]), k=2)     1.0
# accuracy(logits, torch.tensor([2, -100]), k=1)  0.0  one row has a target, and misses it
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Print the shapes of `top`, of `targets`, and of `top == targets`. How many comparisons did you want, and how many were
# made?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Aligned on the right, (B, 1) and (B,) broadcast to (B, B). Row i should be compared with target i only. Where must
# `targets` get a new axis, so that it is repeated along the k candidates?
# </details>
#
# <details><summary>Hint 3</summary>
#
# First keep the rows with a target: `logits[targets != -100]`, and the same for the targets. Then compare
# `top == targets[:, None]`, (B, k), and take `any(dim=-1)` over the candidates.
# </details>


# %%
def accuracy(logits, targets, k):
    """The share of rows with a target whose target is among the k largest logits."""
    ### BEGIN SOLUTION
    has_target = targets != -100
    top = logits[has_target].topk(k).indices  # (rows, k)
    hits = (top == targets[has_target][:, None]).any(dim=-1)
    return hits.float().mean().item()
    ### END SOLUTION


# %%
check("00a.1", accuracy).points

# %% [markdown]
# ## 00a.2 · Pad a batch and build its mask
#
# *extend · difficulty 2 of 5 · 15 minutes · 4 points*
#
# **Goal**: put texts of different lengths into one tensor, with a mask that says which entries are real tokens.
#
# A model computes a batch as one rectangle. Shorter texts are filled up with *padding*: on the right for training, on
# the left for generation, so that every text ends in the last column and the next token follows for all of them. The
# mask tells attention what to ignore (lesson 04).
#
# Many models have no id of their own for padding and use one that also occurs in texts, often the end-of-text token.
#
# **In**: `texts`, a list of lists of ids, at least one of them not empty; `pad`, the id to fill up with; `side`,
# `"left"` or `"right"`, where the padding goes; `max_length`, a whole number of at least 1.
#
# **Out**: a pair `(ids, mask)`, both (B, T) tensors: whole numbers, and True for a token of a text. A text with more
# than `max_length` ids keeps its last `max_length`. T is the length of the longest text after that. An empty text is a
# row of padding.
#
# ```
# pad_batch([[5, 6, 7], [8]], pad=0, side="left", max_length=10)
# ids   [[5, 6, 7], [0, 0, 8]]
# mask  [[True, True, True], [False, False, True]]
# ```
#
# With `max_length=2` the ids are `[[6, 7], [0, 8]]`.
#
# **Without**: `minillm`, `torch.nn.utils.rnn`.
#
# <details><summary>Hint 1</summary>
#
# Can you compute the mask from `ids` once it is filled? What if a text holds the id `pad`?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Cut first, then find T. Start with `torch.full((B, T), pad)` and a mask that is False everywhere. Then write each text
# into its row with a slice, and True into the same slice of the mask.
# </details>
#
# <details><summary>Hint 3</summary>
#
# On the left, the slice starts at `T - len(text)` and ends at `T`; on the right it starts at 0 and ends at `len(text)`.
# (`row[-len(text):]` looks shorter, but for an empty text it is the whole row.)
# </details>


# %%
def pad_batch(texts, pad, side, max_length):
    """The ids (B, T), padded on one side, and the mask (B, T) of real tokens."""
    ### BEGIN SOLUTION
    texts = [text[-max_length:] for text in texts]
    T = max(len(text) for text in texts)
    ids = torch.full((len(texts), T), pad)
    mask = torch.zeros(len(texts), T, dtype=torch.bool)
    for row, text in enumerate(texts):
        start = T - len(text) if side == "left" else 0
        ids[row, start : start + len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, start : start + len(text)] = True
    return ids, mask
    ### END SOLUTION


# %%
check("00a.2", pad_batch).points

# %% [markdown]
# ## 00a.3 · What does a view read?
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: read the numbers of a tensor from its storage by shape, strides and offset.
#
# A tensor's numbers lie in one row in memory, its *storage*. The tensor itself only knows how to find them: element
# (i, j) is `storage[offset + i * strides[0] + j * strides[1]]`. So a transpose, a slice, a broadcast or a set of
# overlapping windows copies nothing. It is a new shape with new strides on the same storage, a *view*.
# (`x.stride()` and `x.storage_offset()` show them for any tensor.)
#
# Windows are how a text of ids becomes training examples: with the strides (1, 1), row i begins one id after row i - 1.
#
# **In**: `storage` (N,), numbers; `shape` and `strides`, tuples of whole numbers, one per axis, perhaps empty; strides
# may be 0; `offset`, a whole number. All elements lie in the storage.
#
# **Out**: a tensor of this shape, with the dtype of the storage. For the shape `()` it is a single number.
#
# With `storage = torch.arange(10, 16)`, the numbers 10, 11, 12, 13, 14, 15:
#
# ```
# read(storage, shape=(2, 3), strides=(3, 1), offset=0)  [[10, 11, 12], [13, 14, 15]]
# read(storage, shape=(3, 2), strides=(1, 3), offset=0)  [[10, 13], [11, 14], [12, 15]]   its transpose
# read(storage, shape=(3,), strides=(2,), offset=1)      [11, 13, 15]                     every second number
# read(storage, shape=(4, 3), strides=(1, 1), offset=0)  [[10, 11, 12], [11, 12, 13], ...] windows
# ```
#
# **Without**: `minillm`, `torch.as_strided`, `torch.Tensor.as_strided`, `numpy.lib`.
#
# <details><summary>Hint 1</summary>
#
# Work out the *positions* in the storage first, as a tensor of this shape. `storage[positions]` then reads them all.
# What are the positions in the transpose above?
# </details>
#
# <details><summary>Hint 2</summary>
#
# The positions of two axes are a sum by broadcasting: a column `i * strides[0]` and a row `j * strides[1]`, plus the
# offset. Can you add one axis at a time, in a loop that works for any number of axes?
# </details>
#
# <details><summary>Hint 3</summary>
#
# Start with `positions = torch.tensor(offset)`, which has no axes. For each size and stride, give it a new last axis
# with `positions[..., None]` and add `torch.arange(size) * stride`.
# </details>


# %%
def read(storage, shape, strides, offset):
    """The tensor of this shape that the strides and the offset read from the storage."""
    ### BEGIN SOLUTION
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides, strict=True):
        positions = positions[..., None] + torch.arange(size) * stride
    return storage[positions]
    ### END SOLUTION


# %%
check("00a.3", read).points

# %% [markdown]
# **What you built**: a metric that compares each row with its own target, the batch that every training loop and every
# server starts with, and `as_strided`, from which torch makes transposes, slices and windows.
