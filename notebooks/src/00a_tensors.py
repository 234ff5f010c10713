# %% [markdown]
# # 00a · Tensors
#
# SmolLM2 is a language model of 135 million numbers. In a minute, you'll swap one of its lines for another that gives
# the same shape. Will the model still talk sense?
#
# **The claim**: PyTorch checks your shapes, so if you get an axis wrong, it raises an error. True?
#
# **You will write** ten one-liners and three short functions. The three then run in all 30 layers of the model.
#
# **Time**: 80 minutes. **Before you start**: Python lists and functions, and what a matrix is. No PyTorch.
# Shift+Enter runs a cell. At **your turn**, and in the puzzles, replace the `...`. Stuck? Run that cell again,
# unchanged, for a hint.

# %%
import math

import torch

from minillm.course import mine, predict, predict_number, puzzles, shapes, your_turn
from minillm.course.versions import origin
from minillm.viz import diagrams

# %%
mine.map(lesson="00a")

# %% [markdown]
# ## Two ways to cut
#
# In every layer, the model has 576 numbers per token (a word, or a piece of one). It cuts them into H = 9 *heads* of
# 64; lesson 04 says what for. Here are two ways to write the cut. Both take (T, 576) and give (9, T, 64), for T tokens.
# In a shape, -1 means *whatever fits*.


# %%
def by_transpose(x, H):
    return x.view(len(x), H, -1).transpose(0, 1)


def by_reshape(x, H):
    return x.reshape(H, len(x), -1)


# %%
which = predict(
    "Which of the two completes *The capital of France is* with *Paris*?",
    ["by_transpose", "by_reshape", "both"],
)

# %% tags=["nbval-ignore-output"]
prompt = "The capital of France is"  # change this
first = mine.write(prompt, n=10, split_heads=by_transpose)
second = mine.write(prompt, n=10, split_heads=by_reshape)
if prompt == "The capital of France is":
    knows = ["Paris" in first, "Paris" in second]
    which.answer("both" if all(knows) else which.choices[knows.index(True)])

# %% [markdown]
# Same weights, same shapes, no error. A bug like this can cost you a day. By the end of this page you'll see it coming,
# and know how many of its kind PyTorch catches.

# %% [markdown]
# ## A box of numbers with a shape
#
# That's a [tensor](../teaching/glossary.md#t): one number, a row, a table, a stack of tables. Each **axis** has a size,
# with a letter in this course:
#
# | letter | counts | in SmolLM2 |
# | --- | --- | --- |
# | B | the texts worked on at once, the [batch](../teaching/glossary.md#b) | |
# | T | tokens of a text (S, if there's a second one) | up to 8,192 |
# | C | numbers per token | 576 |
# | H, D | heads, and numbers per head | 9, 64 |
# | V | tokens in the vocabulary | 49,152 |

# %%
LETTERS = ".abcdefghijklmnopqrstuvwxyz"


def spell(ids):
    return "".join(LETTERS[id] for id in ids)


words = ["mira", "bram", "nell"]
ids = torch.tensor([[LETTERS.index(c) for c in word] for word in words])  # (B, T)
print(ids, tuple(ids.shape), ids.dtype)

# %% [markdown]
# Indices go in the order of the shape. `:` means *all*, -1 *the last*, and a list or a tensor of indices picks several.

# %%
print(spell(ids[0]), spell(ids[:, 0]), spell(ids[:, -1]), spell(ids[1, 1:]))
print(spell(ids[[0, 1, 2], [0, 3, 1]]))  # change this: rows, and a column for each

# %% [markdown]
# ### Puzzles 1 and 2
#
# The loops fill `out`, which starts as zeros. Do the same in one expression, without a loop. `torch.arange(n)`, which
# is 0, 1, ..., n - 1, helps. You'll meet both again: `pick` reads the correct token's score in every loss, and
# `repeat_rows` lets several heads share their keys.
#
# ```python
# # pick(x, ids)
# for t in range(len(x)):
#     out[t] = x[t, ids[t]]
#
# # repeat_rows(x, n)
# for i in range(len(x) * n):
#     out[i] = x[i // n]
# ```

# %%
puzzles.solve(
    pick=lambda x, ids: ...,
    repeat_rows=lambda x, n: ...,
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# puzzles.solve(
#     pick=lambda x, ids: x[torch.arange(len(x)), ids],
#     repeat_rows=lambda x, n: x[torch.arange(len(x) * n) // n],
# )
# ```
#
# </details>

# %% [markdown]
# ## Views: who owns the numbers?
#
# Take a word out of the table, and change its first letter:

# %%
names = ids.clone()
word = names[0]  # change this: try names[[0]][0]
word[0] = LETTERS.index("l")
print(spell(word), "in the table:", spell(names[0]))

# %% [markdown]
# Trap one: Mira was renamed in the table, too. `names[0]` is a **view**: it has no numbers of its own and looks at
# those of `names`. Slices, `view`, `transpose` and `.T` give views. Indexing with a list or a tensor gives a copy, and
# so does arithmetic (`y = x + 1`). `reshape` gives a view where it can and a copy where it must.
#
# Now turn the rows into columns. There are two obvious candidates, and both give (4, 3):

# %%
turned, refilled = ids.T, ids.reshape(4, 3)  # change this: 2, 6
print("turned:  ", *(spell(row) for row in turned))
print("refilled:", *(spell(row) for row in refilled))

# %% [markdown]
# `.T` swaps the axes: the first letters spell *mira*. `reshape` reads all numbers in order, *m i r a b r a m n e l l*,
# and fills them into the new shape: *mir, abr, amn, ell*. Trap two, and the one from the beginning. Here it is with T =
# 3 tokens, C = 6 and H = 2. The number 25 is column 5 of token 2:

# %%
x = 10 * torch.arange(3.0).view(3, 1) + torch.arange(6.0)  # (T, C)
viewed = diagrams.box("head 0, by_transpose", by_transpose(x, 2)[0], "T D")
reshaped = diagrams.box("head 0, by_reshape", by_reshape(x, 2)[0], "T D")
diagrams.flow(
    [
        diagrams.box("x", x, "T C", ["t=0", "t=1", "t=2"]),
        diagrams.fan([viewed], [reshaped]),
    ],
    title="With the transpose, head 0 gets a part of each token; without, never of token 2",
).show()

# %% [markdown]
# **`transpose` swaps axes. `view` and `reshape` keep the order of the numbers: they only split axes, or join
# neighbors.**

# %% [markdown]
# ### Your turn: join the heads
#
# The way back: `heads` is (H, T, D). Return (T, H · D), where row t holds the D numbers that head 0 has for token t,
# then those of head 1, and so on. Stay in torch: learning needs its gradients (lesson 00b).


# %%
@your_turn("00a.join_heads", minutes=4, difficulty=2)
def join_heads(heads):
    """Each token's heads side by side: (H, T, D) -> (T, H * D)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def join_heads(heads):
#     """Each token's heads side by side: (H, T, D) -> (T, H * D)."""
#     H, T, D = heads.shape
#     return heads.transpose(0, 1).reshape(T, H * D)
# ```
#
# </details>

# %%
torch.testing.assert_close(join_heads(by_transpose(x, 2)), x)
owner = "the course's" if origin(join_heads) == "the course's" else "your"
print(
    f"Cut by by_transpose, joined by {owner} join_heads: all {x.numel()} are in place."
)

# %% [markdown]
# ## Broadcasting
#
# What if two shapes differ? Write them flush right. Where one has a 1, or nothing, it's repeated until it fits;
# anything else is an error. This is [broadcasting](../teaching/glossary.md#b):
#
# ```
# scores    (B, T, V)     3  4  27
# bias            (V)           27     the same for all texts and tokens
# column    (B, 1, 1)     3  1   1     one number per text
# ```
#
# An index `None` makes an axis of size 1: a row `a` of shape (4,) becomes a column `a[:, None]`, (4, 1).

# %% [markdown]
# ### Puzzles 3 and 4
#
# ```python
# # outer(a, b)
# for i in range(len(a)):
#     for j in range(len(b)):
#         out[i, j] = a[i] * b[j]
#
# # one_hot(ids, V)
# for t in range(len(ids)):
#     for v in range(V):
#         out[t, v] = ids[t] == v
# ```

# %%
puzzles.solve(
    outer=lambda a, b: ...,
    one_hot=lambda ids, V: ...,
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# puzzles.solve(
#     outer=lambda a, b: a[:, None] * b,
#     one_hot=lambda ids, V: ids[:, None] == torch.arange(V),
# )
# ```
#
# </details>

# %% [markdown]
# Trap three. A network gives one answer per text, shape (4, 1). The right answers are a row, shape (4,). It
# got all of them right:

# %%
count = predict_number("How many numbers does `answers - right` hold?", unit="numbers")

# %%
answers = torch.tensor([[1.0], [2.0], [3.0], [4.0]])  # (B, 1)
right = torch.tensor([1.0, 2.0, 3.0, 4.0])  # (B,)
lazy = torch.full((4, 1), 2.5)  # change this: a network that always says 2.5
difference = answers - right
count.answer(difference.numel())
print("mean squared error, all right:", (difference**2).mean().item())
print("always the same answer:       ", ((lazy - right) ** 2).mean().item())
diagrams.flow(
    [
        diagrams.box("answers", answers, "B 1"),
        diagrams.sign("-"),
        diagrams.box("right", right[None], "1 B"),
        diagrams.arrow("broadcast"),
        diagrams.box("difference", difference, "B B"),
    ],
    title="Only the diagonal was wanted",
).show()

# %% [markdown]
# Sixteen: every answer was compared with every right one. The perfect network gets an error of 2.5, and the slacker
# that says 2.5 to everything gets half of that. Nothing crashes. (`torch.nn.functional.mse_loss` at least warns; a
# minus sign can't.) **Before you subtract, check both shapes.**
#
# This trap has a cousin. `x.mean(dim=1)` averages axis 1 away: (T, C) becomes (T,), and flush right, that stands below
# the *columns*. With `keepdim=True` it's (T, 1), one number per row.

# %% [markdown]
# ### Puzzles 5 and 6
#
# ```python
# # center(x)
# for t in range(len(x)):
#     out[t] = x[t] - sum(x[t]) / len(x[t])
#
# # distances(a, b)
# for t in range(len(a)):
#     for s in range(len(b)):
#         out[t, s] = sum((a[t] - b[s]) ** 2)
# ```

# %%
puzzles.solve(
    center=lambda x: ...,
    distances=lambda a, b: ...,
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# puzzles.solve(
#     center=lambda x: x - x.mean(dim=1, keepdim=True),
#     distances=lambda a, b: ((a[:, None] - b) ** 2).sum(dim=-1),
# )
# ```
#
# </details>

# %% [markdown]
# ## Masks
#
# A comparison gives a table of True and False, a [mask](../teaching/glossary.md#m). In attention, it says which token
# may look at which. `&` means *and*, and a sum counts the True entries.

# %% [markdown]
# ### Puzzles 7 and 8
#
# `window` is the mask of sliding-window attention: a token sees itself and the W - 1 before it. `t` holds positions: 0,
# 1, 2, ... And `rank(x) < k` picks the k largest scores (more, if some tie), as top-k sampling does.
#
# ```python
# # window(t, W)
# for i in range(len(t)):
#     for j in range(len(t)):
#         out[i, j] = 0 <= t[i] - t[j] < W
#
# # rank(x)
# for i in range(len(x)):
#     out[i] = sum(x[j] > x[i] for j in range(len(x)))
# ```

# %%
puzzles.solve(
    window=lambda t, W: ...,
    rank=lambda x: ...,
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# puzzles.solve(
#     window=lambda t, W: (t[:, None] >= t) & (t[:, None] < t + W),
#     rank=lambda x: (x > x[:, None]).sum(dim=1),
# )
# ```
#
# </details>

# %% [markdown]
# ## Products
#
# The [dot product](../teaching/glossary.md#d) of two vectors multiplies them entry by entry and adds up. Entries
# with the same sign add to it, entries with opposite signs take away from it. And `a @ b` holds the dot products of all
# rows of a with all columns of b. The inner sizes must agree, and vanish: (T, **C**) @ (**C**, V) is (T, V).

# %%
a = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])  # (2, 3)
b = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 4.0]])  # (3, 2)
print(a @ b)  # change this: b @ a, a @ a.T, a * b.T

# %% [markdown]
# ### Puzzles 9 and 10
#
# A matrix of zeros and ones can add entries up, and move them. `torch.ones(n, n).tril()` keeps the ones on and below
# the diagonal, and `torch.where(mask, this, that)` chooses entry by entry.
#
# ```python
# # running_sum(x)
# for t in range(len(x)):
#     out[t] = sum(x[: t + 1])
#
# # shift(x)
# for t in range(1, len(x)):
#     out[t] = x[t - 1]
# ```

# %%
puzzles.solve(
    running_sum=lambda x: ...,
    shift=lambda x: ...,
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# puzzles.solve(
#     running_sum=lambda x: torch.ones(len(x), len(x)).tril() @ x,
#     shift=lambda x: torch.where(torch.arange(len(x)) > 0, x.roll(1), 0),
# )
# ```
#
# </details>

# %% [markdown]
# With more axes in front, `@` multiplies the last two and treats the rest as a stack: (H, T, D) @ (H, D, S) is
# (H, T, S), a table for each head. Attention needs just that, twice.

# %% [markdown]
# ### Your turn: a batched product
#
# This time without `@`, to see what it does. Entry (h, t, s) is the dot product of row t of `a[h]` and column s of
# `b[h]`. Line up the axes so that `*` makes all products at once, then sum.


# %%
@your_turn("00a.batched_product", minutes=7, difficulty=3)
def batched_product(a, b):
    """The matrix product of a[h] and b[h] for every h: (H, T, D), (H, D, S) -> (H, T, S)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def batched_product(a, b):
#     """The matrix product of a[h] and b[h] for every h: (H, T, D), (H, D, S) -> (H, T, S)."""
#     products = a[:, :, :, None] * b[:, None, :, :]  # (H, T, D, S)
#     return products.sum(dim=2)
# ```
#
# </details>

# %% [markdown]
# ## Softmax
#
# Scores can be any numbers. Softmax turns a row of them into probabilities: raise e to the power of each score, then
# divide by the sum of the row. But e to the 200 is more than a 32-bit float holds:

# %%
scores = torch.tensor([200.0, 199.0, -math.inf])  # change this
print(scores.exp(), scores.exp() / scores.exp().sum())

# %% [markdown]
# Infinity divided by infinity is `nan`, not a number. The way out: only *differences* of scores count. Subtract a
# number from all of them, and all powers are divided by the same factor. And minus infinity is welcome. Its power is
# exactly 0, which is how a mask hides a score.

# %% [markdown]
# ### Your turn: softmax
#
# `scores` has any number of axes, and the results along the last one must add up to 1. We'll try scores of 1,000 and
# -1,000, and hidden ones. For the gradients, make new tensors, and write into none.


# %%
@your_turn("00a.softmax", minutes=6, difficulty=2)
def softmax(scores):
    """Probabilities along the last axis, in the shape of `scores`."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def softmax(scores):
#     """Probabilities along the last axis, in the shape of `scores`."""
#     powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
#     return powers / powers.sum(dim=-1, keepdim=True)
# ```
#
# </details>

# %%
print([round(share, 3) for share in softmax(scores).tolist()])

# %% [markdown]
# ## Your code, 30 layers
#
# Now all three go into SmolLM2. In each layer, your product runs twice:

# %% tags=["nbval-ignore-output"]
parts = dict(batched_product=batched_product, softmax=softmax, join_heads=join_heads)
text = mine.write("The capital of France is", n=8, **parts)
if shapes.agrees("The capital of France is", **parts):
    print("All 49,152 scores of the first token match SmolLM2's own.")

# %% [markdown]
# ## Break it
#
# Four small slips, and no error. The last one is for square matrices: PyTorch stores the weights of a layer as (out,
# in), so `x @ W.T` is right, and `x @ W` fits if W is square, as two of seven are.


# %%
def over_queries(scores):
    return softmax(scores.transpose(1, 2)).transpose(1, 2)


def joined_by_reshape(heads):
    return heads.reshape(heads.shape[1], -1)


def norm_over_tokens(x, weight, eps):
    return x / (x.square().mean(dim=0, keepdim=True) + eps).sqrt() * weight


def not_transposed(x, W):
    return x @ W if W.shape[0] == W.shape[1] else x @ W.T


# %% tags=["nbval-ignore-output"]
slips = {"softmax": over_queries, "join_heads": joined_by_reshape}
slips |= {"norm": norm_over_tokens, "linear": not_transposed}
for part, slip in slips.items():
    mine.write("Once upon a time, a dog", n=8, **{part: slip})  # change this
named = {"none of them": shapes.capitals()}
named |= {part: shapes.capitals(**{part: slip}) for part, slip in slips.items()}
print("capitals named, of 20:", named)

# %% tags=["test", "nbval-ignore-output"]
assert max(named[part] for part in slips) <= 1 < named["none of them"]

# %% [markdown]
# The intact model writes *named Max was on the road*. With any one of these slips, it knows no capital.

# %% [markdown]
# ### Two changes to all numbers
#
# A **norm** brings each vector to a standard size, 61 times on the way. SmolLM2's is RMSNorm, which divides by the root
# of the mean square. LayerNorm subtracts the mean first. This model was never trained for that. Let's do it:

# %%
after = predict(
    "With the mean subtracted in all 61 norms, how many of 20 capitals are left?",
    ["0 to 5", "6 to 14", "15 to 20"],
)


# %% tags=["nbval-ignore-output"]
def moved_norm(x, weight, eps, shift=0.0):
    mean, size = x.mean(dim=-1, keepdim=True), x.square().mean(dim=-1, keepdim=True)
    x = x - mean if shift == 0 else x - shift * size.sqrt()
    return x / (x.square().mean(dim=-1, keepdim=True) + eps).sqrt() * weight


left = shapes.capitals(norm=moved_norm)
after.answer(after.choices[0 if left <= 5 else 1 if left <= 14 else 2])
for s in (0.1, -0.1, 0.03):  # change this
    moved = shapes.capitals(norm=lambda *of, s=s: moved_norm(*of, s))
    print(f"all numbers moved by {-s:+.0%}: {moved} of 20 capitals")
print(f"no mean: {left}; its share of the mean square: {shapes.mean_share():.1%}")

# %% [markdown]
# Is the model blind to the mean? No: move all numbers of a vector down by 10% of their root mean square, and 3 capitals
# of 20 are left; up, 11. The means in this model are smaller: a share of 0.1% of the mean square, as in the median
# norm, makes a mean of about 3%, and a move by 3% leaves 16. So LayerNorm finds little to subtract here.
#
# Second: a number has a [dtype](../teaching/glossary.md#d). `float32` keeps 24 binary digits, and `bfloat16`, in which
# large models are stored and mostly computed, keeps 8. So it can't count past 256:

# %%
small = torch.tensor(256.0, dtype=torch.bfloat16)
print(f"256 + 1 = {small + 1:.0f}")

# %%
unchanged = predict_number(
    "We round all 135 million weights to bfloat16. Of 6 texts of 16 tokens, how many stay the same to the letter?",
    unit="of 6",
)

# %% tags=["nbval-ignore-output"]
dtype = torch.bfloat16  # change this: torch.float8_e4m3fn
before = shapes.texts()
with shapes.rounded(dtype):
    pairs = list(zip(before, shapes.texts(), strict=True))
if dtype == torch.bfloat16:
    unchanged.answer(sum(old == new for old, new in pairs))
print(*(f"{old} ... became {new}" for old, new in pairs if old != new), sep="\n")

# %% [markdown]
# So each of our slips was fatal, and a wrong third digit hardly shows. How few digits will do?
# `torch.float8_e4m3fn` keeps 4 binary ones: try it above.

# %% [markdown]
# ## How many does PyTorch catch?
#
# Back to the claim. Here's an attention layer. We changed one axis at a time: others in a `transpose`, or no
# `transpose`; axis 0 or 1 for -1; no `keepdim`; no `.T`; `reshape` for `view` and `transpose`; a mask on its side. 29
# slips.

# %%
print(shapes.LAYER)
caught = predict_number(
    "With 4 tokens and 4 heads of 4 numbers: how many of the 29 raise an error?",
    unit="of 29",
)

# %%
caught.answer(shapes.counted(T=4, H=4, D=4)["raises an error"])
sizes = [(4, 4, 4), (1, 1, 4), (2, 3, 5), (6, 9, 64), (9, 9, 64)]  # change these
for T, H, D in sizes:
    found = shapes.counted(T, H, D).most_common()
    told = ", ".join(f"{outcome}: {n}" for outcome, n in found)
    print(f"T = {T:2}, H = {H}, D = {D:2}   {told}")

# %% [markdown]
# **Verdict: true for half of them, if you're lucky.** With 9 heads of 64 numbers and six tokens, 14 of 29 raise an
# error. With nine tokens, as many as heads, it's 9. And with T = H = D, none.
#
# So **compare the numbers** with slow loops. That catches all 29, even where T = H = D. It fails only where a size is
# 1, and that's the first test that comes to mind: with one token and one head, 19 of the 29 wrong layers give the right
# numbers. Best are **sizes above 1 that all differ**, such as (2, 3, 5): all 29 are caught, and 14 of them stop by
# themselves.

# %% [markdown]
# > **Where the picture simplifies.** The 29 slips are ours, in one layer, each alone. We can't say how often people
# > make them. Our product stores all H · T · D · S products before it sums; real ones don't. We rounded the weights
# > alone, from a 4-bit file, and computed in float32.

# %% [markdown]
# > **At scale.** Why `@`, if loops give the same? A Python loop asks for every number what it is and what to do with
# > it. `@` asks once, and then a GPU does hundreds of trillions of multiplications per second. Against silent slips,
# > large code bases write shapes next to names and check them in tests, as this course's package does with `jaxtyping`,
# > or name the axes (`einsum`, `einops`).

# %% [markdown]
# ## Three questions
#
# Pick, then open.
#
# **1.** `x` is (8, 8), and you write `x / x.sum(dim=1)`. What adds up to 1? (a) Rows. (b) Columns. (c) In general,
# neither.
#
# <details><summary>Open 1</summary>
#
# **(c)**. The sums are those of rows, but flush right they stand below the columns, so column j is divided by the sum
# of row j. For (a), write `keepdim=True`. For (b), the sums would have to be those of columns, `dim=0`.
# </details>
#
# **2.** `y = x[:, :3]`, then `y += 1`. What about `x`? (a) It stays. (b) Its first three columns grew. (c) An error.
#
# <details><summary>Open 2</summary>
#
# **(b)**. A slice is a view, and `+=` writes into it. With `y = y + 1` it would be (a), since arithmetic gives a copy.
# Not (c): writing into a view is allowed.
# </details>
#
# **3.** `heads` is (H, T, D) and you want (T, H · D). `heads.reshape(T, H * D)` runs. (a) Fine. (b) Fine if H = 1.
# (c) Never fine.
#
# <details><summary>Open 3</summary>
#
# **(b)**. With one head (or one token), the numbers happen to come in the right order, so the smallest test passes.
# With more, it reads head 0 to its end before head 1, and rows mix tokens: not (a). And (c) forgets those two cases,
# where the bug hides.
# </details>

# %%
mine.map(lesson="00a")

# %% [markdown]
# **What you wrote**: ten one-liners, and three functions that ran in all 30 layers.
#
# **What you measured**: of 29 slips in an attention layer, PyTorch catches 14 with 9 heads of 64, and none if T = H =
# D. Comparing numbers catches all 29, unless a size is 1.
#
# **Yours to keep**: `mine/tensors.py` in your workbook.
#
# **More**: Sasha Rush's [Tensor Puzzles](https://github.com/srush/Tensor-Puzzles), which gave ours their form. And,
# after lesson 00b, [exercise 00a](../exercises/00a_tensors/00a_tensors.ipynb).
#
# **Next**: [lesson 00b](00b_learning.ipynb), where a network learns, by the same few operations.
