# %% [markdown]
# # 12 tiles lab · Attention that never writes its table
#
# For a text of 4,096 tokens, one head of attention makes a table of 16.8 million scores. It's used once and thrown
# away. On a GPU, the table is too large for the small memory beside the arithmetic, so it travels to the large one and
# back, several times. [FlashAttention](https://arxiv.org/abs/2205.14135) computes the same numbers and never writes it.
# How can softmax, which needs a whole row, work on pieces of one?
#
# **Time**: 30 minutes. **Before you start**: lessons 04 and 12.
#
# No GPU needed. A memory that counts stands in for it: what is loaded and stored costs, all else is free. So the
# numbers on this page are counted, and the same on every computer.

# %%
import inspect
import math

import numpy as np

from minillm.course import predict, tiles
from minillm.course.tiles import Memory, hide, megabytes_of_plain, moved, start
from minillm.course.tiles.in_triton import by_triton, triton_source, why_no_triton
from minillm.course.tiles.memory import plain
from minillm.viz.figures import lines, show

# %%
memory = Memory(np.ones((8, 2)))
few = memory.load(2, 5)  # three rows of two numbers
print(few.shape, "moved:", memory.moved)

# %%
print(inspect.getsource(plain))

# %% [markdown]
# Four passes go over the table: its scores are written, read for the softmax, written as weights, and read for the mix.
# `fused` saves two of them: that's the rival to beat.

# %% [markdown]
# ## Your turn: one more tile
#
# A row of scores arrives in pieces, the *tiles*. Keep three things per row, the `state`: the largest score so far, the
# sum of the weights e^(score - largest), and the values' sum with these weights. With each tile, a larger score may
# come. Then all that was summed before was made with the wrong largest score. It takes one factor to mend that.
#
# `state` is (largest (rows,), total (rows,), mixed (rows, D)), `scores` is (rows, cols), `values` (cols, D), all of
# numpy. Return the new state. Nothing is divided yet.


# %%
@tiles.asked
def merge(state, scores, values):
    """The state after one more tile of scores (rows, cols) and values (cols, D)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# @tiles.asked
# def merge(state, scores, values):
#     """The state after one more tile of scores (rows, cols) and values (cols, D)."""
#     largest, total, mixed = state
#     new = np.maximum(largest, scores.max(axis=1))
#     shrink = np.exp(largest - new)
#     weights = np.exp(scores - new[:, None])
#     return new, total * shrink + weights.sum(axis=1), mixed * shrink[:, None] + weights @ values
# ```
#
# </details>

# %%
row, column = np.array([[1.0, 3.0, 2.0, 5.0]]), np.array([[1.0], [2.0], [3.0], [4.0]])
state = start(1, 1)
for first in (0, 2):  # two tiles of two keys
    state = merge(state, row[:, first : first + 2], column[first : first + 2])
whole = np.exp(row) @ column / np.exp(row).sum()
print(f"in two tiles {(state[2] / state[1])[0, 0]:.6f}, at once {whole[0, 0]:.6f}")

# %% [markdown]
# ## Your turn: the loops
#
# For each tile of `rows` queries: load them, begin with `start(R, D)`, and go over tiles of `cols` keys and values, up
# to the last query of the tile. The scores are divided by sqrt(D), and `hide(scores, r, c)` hides later keys, where r
# is the tile's first query and c its first key. At the end, store mixed over total at r. `q.load(first, end)` gives
# rows; at the end of the text, there may be fewer.


# %%
@tiles.asked
def attend(q, k, v, out, rows, cols):
    """Causal attention in tiles of rows x cols; the table is never written."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# @tiles.asked
# def attend(q, k, v, out, rows, cols):
#     """Causal attention in tiles of rows x cols; the table is never written."""
#     T, D = q.shape
#     for r in range(0, T, rows):
#         queries = q.load(r, r + rows)
#         state = start(len(queries), D)
#         for c in range(0, min(r + rows, T), cols):
#             keys, values = k.load(c, c + cols), v.load(c, c + cols)
#             scores = hide(queries @ keys.T / math.sqrt(D), r, c)
#             state = merge(state, scores, values)
#         _, total, mixed = state
#         out.store(r, mixed / total[:, None])
# ```
#
# </details>

# %%
megabytes, error = moved(attend, T=256, rows=64, cols=64)
print(f"tiles {megabytes:.2f} MB, the table {megabytes_of_plain(256):.2f} MB")
print(f"same numbers: {error < 1e-5}")

# %% [markdown]
# ## 1. Do tiles move less?
#
# **Claim**. "FlashAttention moves less because it never writes the table of scores."
#
# **Refuted if** a kernel that never writes it moves as much.
#
# **Method**. One head, D = 64, causal, float32. All loads and stores are counted, in megabytes.
#
# **Controls**. Tiles of several shapes. Two lengths. And the rival: attention that writes the table, but fuses its
# softmax with the mix, so that two of four passes are left.

# %%
wider = predict(
    "Tiles of 64 x 64 become 64 x 256: four times the keys at once. They move:",
    ["a fourth", "about as much", "four times as much"],
)
low = predict(
    "Tiles of 16 queries x 64 keys never write the table. Next to four passes, they save:",
    ["nearly all", "about half", "nothing"],
)

# %%
SHAPES = ((16, 64), (64, 16), (64, 64), (64, 256), (256, 64))
counted = {
    T: {shape: moved(attend, T, *shape)[0] for shape in SHAPES} for T in (1024, 2048)
}
for T, found in counted.items():
    print(
        f"T = {T}: table {megabytes_of_plain(T):5.1f} MB, fused {megabytes_of_plain(T, fused=True):5.1f}"
    )
    for (rows, cols), each in found.items():
        print(f"    tiles of {rows:3} queries x {cols:3} keys {each:6.1f} MB")

# %%
at = counted[2048]
ratio = at[64, 256] / at[64, 64]
wider.answer("about as much" if 0.7 < ratio < 1.5 else wider.choices[2 * (ratio > 1)])
saved = 1 - at[16, 64] / megabytes_of_plain(2048)
low.answer("nothing" if saved < 0.2 else "about half" if saved < 0.7 else "nearly all")

# %% tags=["test"]
assert abs(ratio - 1) < 0.2
assert abs(saved) < 0.05

# %% [markdown]
# Why do only the rows count? A tile of R queries loads every earlier key and value once, on average T / 2 of them with
# 2 D numbers. There are T / R such tiles: T² D / R numbers in all. The table's four passes move 4 T². So tiles save
# from R > D / 4 on, which is 16 here, and the number of keys at a time drops out. Wide tiles move a little *more*: on
# the diagonal, they load keys that are hidden.

# %%
heights = [16, 32, 64, 128, 256]
curve = {
    "tiles of R queries x 64 keys": [moved(attend, 1024, R, 64)[0] for R in heights],
    "the table, four passes": [megabytes_of_plain(1024)] * len(heights),
    "the table, fused": [megabytes_of_plain(1024, fused=True)] * len(heights),
}
axes = "queries per tile", "megabytes moved"
show(
    lines(curve, *axes, heights, log_x=True, ylim=(0, 20)),
    title="Tiles save only if they are tall",
    alt=str({name: [round(each, 1) for each in row] for name, row in curve.items()}),
)

# %% [markdown]
# **Result**. Tiles of 16 queries never write the table, and move as much as the kernel that passes over it four times.
# Tiles of 64 move about a fourth, and half of what the fused rival moves. With 256, it's about a tenth.
#
# **Verdict**: half true. Not writing the table saves its passes, but each tile of queries loads keys and values again.
# Only if one load of a key serves enough queries, something is left of the saving. How many fit is up to the small
# memory: a tile of 256 x 64 needs 64 KB for its scores alone.

# %% [markdown]
# ## Break it
#
# Two bugs that a careless test lets pass. Leave out the factor, and leave out the largest score:


# %%
def no_shrink(state, scores, values):
    largest, total, mixed = state
    new = np.maximum(largest, scores.max(axis=1))
    weights = np.exp(scores - new[:, None])
    return new, total + weights.sum(axis=1), mixed + weights @ values


def no_largest(state, scores, values):
    weights = np.exp(scores).astype(np.float32)  # as a GPU has it
    return state[0], state[1] + weights.sum(axis=1), state[2] + weights @ values


# %%
def broken(step):
    def attend(q, k, v, out, rows, cols):
        for r in range(0, q.shape[0], rows):
            queries = q.load(r, r + rows)
            state = start(len(queries), q.shape[1])
            for c in range(0, min(r + rows, q.shape[0]), cols):
                scores = queries @ k.load(c, c + cols).T / math.sqrt(q.shape[1])
                state = step(state, hide(scores, r, c), v.load(c, c + cols))
            out.store(r, state[2] / state[1][:, None])

    return attend


for name, step in (("no shrinking", no_shrink), ("no largest", no_largest)):
    for T, scale in ((64, 1), (256, 1), (256, 5)):  # change me
        error = moved(broken(step), T, 64, 64, scale=scale)[1]
        verdict = "NaN" if math.isnan(error) else "right" if error < 1e-4 else "wrong"
        print(f"{name:12}  T = {T:3}, queries and keys times {scale}: {verdict}")

# %% [markdown]
# Without the factor, a text that fits one tile is right. Without the largest score, all texts are right, until the
# scores grow. So test a kernel with more than one tile, and with large scores.

# %% [markdown]
# ## The same on a GPU
#
# [Triton](https://triton-lang.org) is a language for such kernels inside Python. Your outer loop becomes many programs
# that run at the same time, one per tile of queries; the rest is line for line what you wrote:

# %%
print(triton_source())

# %% tags=["nbval-ignore-output"]
if reason := why_no_triton():
    print(reason)
else:
    print(f"largest difference from the table: {by_triton(256, 64, 64):.0e}")

# %% [markdown]
# Without a card, Triton's interpreter runs the programs one after the other. So it can't show a race, and it accepts
# tiles that a card refuses. When this page was built, Triton wasn't there: the kernel is shown, not run.

# %% [markdown]
# > **Where the picture simplifies.** We count numbers, not time. A real small memory has a size, and real kernels keep
# > the inner loop busy while the next tile loads. The backward pass computes the scores a second time, since they were
# > never kept. And the table of `plain` is counted whole, with its hidden half.

# %% [markdown]
# **Next**: [lesson 13](13_scaling.ipynb): what a training run costs before you start it.
