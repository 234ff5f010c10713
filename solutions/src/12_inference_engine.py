# %% [markdown]
# # Exercise 12 · The inference engine
#
# **You will write** a product of whole numbers, mend a batch in which texts disturb each other, settle a run of guesses
# with dice that you are given, and keep the books of a cache in pages.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 12.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# int8_product(*check("12.1", int8_product).failure.example)
# check("12.1", int8_product, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 12.1 · Whole numbers on both sides
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: multiply two matrices as an int8 unit does, with codes on both sides, and give back ordinary numbers.
#
# `Int8Linear` rounds the weights and leaves `x` as it is. That saves reading. A long prompt, though, waits for
# arithmetic, and many processors have units that multiply bytes by bytes: those of an H100 do twice as many a second as
# in bfloat16 (NVIDIA's figures). They can be used only if `x` consists of codes, too (Dettmers et al. 2022).
#
# **In**: `x` (T, C) and `weight` (R, C), laid out as in `nn.Linear`, in float32; a row's numbers may all be below
# 0.001.
#
# **Out**: (T, R), close to `x @ weight.T`. Each row of x and each row of the weights is rounded as in `naive_int8` of
# the lesson, with a scale of its own in float32: the largest absolute value gets the code 127 or -127. Codes are
# multiplied with codes, and the result is scaled back. A row may be all zeros.
#
# `int8_product([[1.27, 0.3]], [[1.27, 0.0], [0.0, 2.54]])`, the lists being tensors: the codes are `[127, 30]`, and
# `[127, 0]` and `[0, 127]`. Their products are 16129 and 3810.
#
# ```
# [[1.6129, 0.7620]]
# ```
#
# **Without**: `minillm`, `torch.quantize_per_channel`, `torch.quantize_per_tensor`,
# `torch.fake_quantize_per_channel_affine`, `torch.fake_quantize_per_tensor_affine`.
#
# <details><summary>Hint 1</summary>
#
# Write a helper that returns codes and scales of one matrix, and use it twice. A product of codes is worth the product
# of their two scales.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `matrix.abs().amax(1, keepdim=True) / 127` are the scales, (rows, 1). Where that is 0, take any other number.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With codes and scales of both: `(codes_x.int() @ codes_w.int().T) * scale_x * scale_w.T`. In 8 bits the sums would not
# fit.
# </details>


# %%
def int8_product(x, weight):
    """Nearly x @ weight.T, by way of whole numbers: (T, R)."""
    ### BEGIN SOLUTION
    codes, scales = [], []
    for matrix in (x, weight):
        scale = (matrix.abs().amax(1, keepdim=True) / 127).clamp(min=1e-12)
        codes.append((matrix / scale).round().int())
        scales.append(scale)
    return (codes[0] @ codes[1].T) * scales[0] * scales[1].T
    ### END SOLUTION


# %%
check("12.1", int8_product).points

# %% [markdown]
# ## 12.2 · Who sits beside you must not matter
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why a text gets another answer batched than alone, and put texts together so that it does not.
#
# Texts of unequal length go into one rectangle with padding on the left, so that all of them end in the last column.
# Each text of Ottermere begins with a token of its own, EDGE, here 0, and somebody thought that it would do for padding
# as well. It can; but not like this. Below, one head listens, and we look at what the last column hears of each text.


# %%
def broken_left_padded(texts, pad):
    """ids (B, T), positions (B, T) and a mask (B, T, T)."""
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    positions = torch.arange(T).expand_as(ids)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = causal & (ids != pad)[:, None, :]
    return ids, positions, visible | torch.eye(T, dtype=torch.bool)


def last_hears(ids, positions, visible):
    """What the last column hears of each text: (B, 8)."""
    torch.manual_seed(0)
    words, places = torch.randn(10, 8), torch.randn(10, 8)
    x = words[ids] + places[positions]
    scores = (x @ x.mT / math.sqrt(8)).masked_fill(~visible, -math.inf)
    return (scores.softmax(-1) @ x)[:, -1]


texts = [[0, 5, 7, 2, 9], [0, 6, 4], [0, 3, 0, 8]]
batch = broken_left_padded(texts, pad=0)
for row, text in enumerate(texts):
    alone = last_hears(*broken_left_padded([text], pad=0))[0]
    off = (last_hears(*batch)[row] - alone).abs().max()
    seen = batch[2][row, -1].sum()
    print(
        f"{text}: company moves it by {off:.2f}; it sees {seen} of {len(text)} tokens"
    )

# %% [markdown]
# **In**: `texts`, B lists of ids, each of at least one and the longest of T; `pad`, the id to pad with, which may stand
# in the texts as well.
#
# **Out**: three tensors. `ids` (B, T) with every text at the right end of its row. `positions` (B, T): a text's first
# token stands at 0, wherever that is, and so does padding. `visible` (B, T, T), True (or 1) where the first of two
# columns may look at the second: its own text, itself and what came before. A column of padding sees itself alone,
# since softmax over nothing is NaN.
#
# `left_padded([[7, 8], [0]], pad=0)`:
#
# ```
# ids        [[7, 8], [0, 0]]
# positions  [[0, 1], [0, 0]]
# visible    [[[1, 0], [1, 1]], [[1, 0], [0, 1]]]
# ```
#
# **Without**: `minillm`, `torch.nn.utils.rnn.pad_sequence`.
#
# <details><summary>Hint 1</summary>
#
# There are two mistakes. The first text has no padding, and batching does not move it; but how many of its tokens does
# it see? Then print `positions`: at which position does "6" stand when batched, and at which alone?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Ids do not say what is padding, lengths do: the text of a row begins at column T - len(text). With these beginnings
# as `start` (B, 1), the columns from there on are the text.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `columns = torch.arange(T)`, `real = columns >= start`, `positions = (columns - start).clamp(min=0)`, and a column is
# seen where `causal & real[:, None, :]`, or by itself. A column of padding lies in front of all that is real.
# </details>


# %%
def left_padded(texts, pad):
    """ids (B, T), positions (B, T) and a mask (B, T, T)."""
    ### BEGIN SOLUTION
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    columns = torch.arange(T)
    start = torch.tensor([[T - len(text)] for text in texts])
    real = columns >= start  # (B, T)
    positions = (columns - start).clamp(min=0)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = causal & real[:, None, :]
    return ids, positions, visible | torch.eye(T, dtype=torch.bool)
    ### END SOLUTION


# %%
check("12.2", left_padded).points

# %% [markdown]
# ## 12.3 · A run of guesses, and dice that you are given
#
# *rebuild · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: from the lists of one pass, say which guesses stay and which token comes behind them.
#
# The lesson had the rule for one guess. A pass brings the lists for all of them, and something has to walk along. Your
# function throws no dice; it is given them. So it can be tested to the last token, and that is how you should write
# whatever draws.
#
# **In**: `guesses`, n ids; `offered` (n, V), the lists they were drawn from; `wanted` (n + 1, V), the model's own, with
# `wanted[i]` for the place of guess i and `wanted[n]` for the place behind all of them; `dice`, n uniform numbers from
# 0 to below 1, one a guess; `last`, one more. n may be 0.
#
# **Out**: a list of ids. Guess i stays if `dice[i]` is below p / q, where p and q are what `wanted[i]` and `offered[i]`
# say of it. The first that does not is replaced by a token drawn from what `wanted[i]` has more than `offered[i]`,
# scaled to sum to 1, and there the list ends. If all stay, a token from `wanted[n]` comes on top. To draw is to add up
# the probabilities from token 0 on, and to take the first token at which the sum is above `last`; there is one.
#
# With `offered = [[0.5, 0.5]]`, `wanted = [[0.9, 0.1], [0.0, 1.0]]`, `dice = [0.7]` and `last = 0.3`:
#
# ```
# guesses = [0] gives [0, 1]    0.7 < 0.9 / 0.5, it stays; then 1, which is certain
# guesses = [1] gives [0]       0.7 is not below 0.1 / 0.5; only 0 has more than was offered
# ```
#
# **Without**: `minillm`, `torch.multinomial`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# A loop over the guesses with two ways out: at a refused one you return at once, and behind the loop all have stayed.
# Both draw one token, so write a helper for that.
# </details>
#
# <details><summary>Hint 2</summary>
#
# What p has more than q: `(p - q).clamp(min=0)`, divided by its sum. It cannot be empty: if q has more of the refused
# token, p has more of another one.
# </details>
#
# <details><summary>Hint 3</summary>
#
# The draw: `int((probabilities.cumsum(0) > last).nonzero()[0])`. Mind the two signs, here and at the dice: a number
# that is exactly 0 must neither keep a guess of probability 0 nor draw such a token.
# </details>


# %%
def settle(guesses, offered, wanted, dice, last):
    """The guesses that stay, and one token more: a list of ids."""
    ### BEGIN SOLUTION
    text = []

    def draw(probabilities):
        return int((probabilities.cumsum(0) > last).nonzero()[0])

    for guess, q, p, die in zip(guesses, offered, wanted, dice, strict=False):
        if die >= p[guess] / q[guess]:
            missing = (p - q).clamp(min=0)
            return [*text, draw(missing / missing.sum())]
        text.append(guess)
    return [*text, draw(wanted[-1])]
    ### END SOLUTION


# %%
check("12.3", settle).points

# %% [markdown]
# ## 12.4 · A cache in pages
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: keep the books of a cache in pages: which text holds which page after each event.
#
# Our engine makes one cache as wide as its longest text may become. With hundreds of texts most of that room would stay
# empty. So large engines cut the memory into *pages* of a few tokens each, and give every text a table of its pages, as
# an operating system does (Kwon et al. 2023). A page is taken when it is needed. And several texts may share one: four
# answers to one prompt hold the same pages, until one of them must write into a page that another holds too. It takes a
# copy then, of that one page.
#
# **In**: `events`, a list of tuples, and `page_size`, the tokens for which a page has room. The events:
#
# - `("join", "A", 3)`: text A begins with 3 tokens (1 at least) and takes the pages that these need;
# - `("write", "A")`: A grows by a token. If its last page is full it takes a new one. If there is room, but another
#   text holds that page too, A takes a new page in its place, for a copy of its own, and no longer holds the old one;
# - `("fork", "A", "B")`: a new text B is what A is, and holds the same pages;
# - `("leave", "A")`: A no longer holds any page.
#
# A page that no text holds is free. A text that needs one takes the free one with the smallest number; they are
# numbered from 0, and there are always enough.
#
# **Out**: a list with one dictionary for each event: the tables of all texts present after it, as lists of page numbers
# in the order of the text.
#
# With pages of 2:
#
# ```
# ("join", "A", 3)     {"A": [0, 1]}
# ("fork", "A", "B")   {"A": [0, 1], "B": [0, 1]}
# ("write", "B")       {"A": [0, 1], "B": [0, 2]}
# ("leave", "A")       {"B": [0, 2]}
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Keep three books: the table of each text, its length, and for each page how many texts hold it. Make `join` and
# `write` right first, that is the first point; then `leave`, then `fork`.
# </details>
#
# <details><summary>Hint 2</summary>
#
# A text of n tokens fills its last page if `n % page_size == 0`: then a write takes a page and appends it. Otherwise it
# writes into `table[-1]`, and if that page has more than one holder a new page replaces it. A fork copies the list
# (`list(table)`, not `table`) and counts one holder more for each page in it.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `holders = Counter()`, the smallest free page is `next(page for page in itertools.count() if not
# holders[page])`. And put copies into the result: `{name: list(table) for name, table in tables.items()}`.
# </details>


# %%
def page_tables(events, page_size):
    """The tables of all texts after each event: a list of dictionaries."""
    ### BEGIN SOLUTION
    tables, lengths, holders, seen = {}, {}, {}, []

    def take():
        page = 0
        while holders.get(page):
            page += 1
        holders[page] = 1
        return page

    for kind, name, *more in events:
        if kind == "join":
            lengths[name] = more[0]
            tables[name] = [take() for _ in range(math.ceil(more[0] / page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[more[0]], lengths[more[0]] = list(tables[name]), lengths[name]
            for page in tables[name]:
                holders[page] += 1
        else:
            for page in tables.pop(name):
                holders[page] -= 1
        seen.append({name: list(table) for name, table in tables.items()})
    return seen
    ### END SOLUTION


# %%
check("12.4", page_tables).points

# %% [markdown]
# **What you built**: the product for which processors have a unit of its own, a batch in which nobody notices the
# others, the walk along a run of guesses, and the books of a cache that no longer reserves what nobody may need. With
# `int8_product` in place of the float product you can measure, as in the lesson, what rounding `x` costs in nats.
