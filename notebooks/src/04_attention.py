# %% [markdown]
# # 04 · Attention
#
# **You will write** a causal mask, a head of attention and a layer with several heads. Then your code computes a layer
# of a real model, SmolLM2, and gets the model's own numbers.
#
# **The claim** comes from the overview that this course tests. Attention lets tokens "talk" to each other "to resolve
# ambiguity": in *the bank of the river*, the word *river* tells *bank* what it means. Half of this is right.
#
# **Time**: 65 minutes. **Before you start**: lesson 00a (matrix products, softmax). Lesson 03 (positions) helps.
#
# Run the cells from top to bottom with Shift+Enter. Where it says **your turn**, replace the `...`, keep the line
# `@your_turn(...)`, and run the cell: a box tells you whether it is right, or what is wrong. For a hint, run the cell
# again as it is. Until it is right, the course's version stands in. The [lab](04_attention_lab.ipynb) has the
# experiments with controls and error bars.

# %%
import math

import torch
import torch.nn.functional as F
from torch import nn

from minillm.analysis.tracing import trace
from minillm.course import predict, your_turn
from minillm.model import attention as package
from minillm.model.position import rotary_angles
from minillm.pretrained import load
from minillm.viz import diagrams
from minillm.viz.figures import attention_arcs, lines, show

# %% [markdown]
# ## Why attention?
#
# A transformer computes a vector for each [token](../teaching/glossary.md#t). Nearly all of its parts work on one token
# at a time: the [embedding](../teaching/glossary.md#e), the norms, the feed-forward layers. With these alone, *bank*
# would get the same vector in "the river has a bank" as in "the street has a bank".
# [Attention](../teaching/glossary.md#a) is the part that moves information from one position to another.
#
# The simplest way to do this is to give every position the average of all vectors. But an average cannot choose: *bank*
# would read as much from *the* as from *river*. A **weighted** average can choose, if each position computes its own
# weights. That is attention.

# %% [markdown]
# ### The example: "the river has a bank"
#
# One sentence takes us through the lesson. Each word is one token. Its vector x has C = 4 features, which we chose by
# hand so that you can follow every number. In a real model, x comes from the layer below, and its features rarely have
# names.

# %%
words = ["the", "river", "has", "a", "bank"]
x = torch.tensor(  # features: water, money, place, function word
    [
        [0.0, 0.0, 0.0, 1.0],  # the
        [2.0, 0.0, 1.0, 0.0],  # river: a place with much water
        [0.0, 0.0, 0.0, 1.0],  # has
        [0.0, 0.0, 0.0, 1.0],  # a
        [0.5, 0.5, 1.0, 0.0],  # bank: a place, of water or of money
    ]
)
T, C = x.shape

# %% [markdown]
# ## Query, key and value are computed from x
#
# Each word gets three vectors with D entries:
#
# - a [query](../teaching/glossary.md#q): what this word looks for,
# - a [key](../teaching/glossary.md#k): what this word can be found by,
# - a [value](../teaching/glossary.md#v): what this word hands over when it is read.
#
# All three are matrix products: query = x W_Q, key = x W_K, value = x W_V. **Training learns only the matrices**, each
# (C, D). Here we write them by hand with D = 2, one column for *water* and one for *money*.

# %%
W_Q = torch.zeros(C, 2)
W_Q[2] = torch.tensor([2.0, 2.0])  # a place looks for water and for money
# found by its water and its money, but not if it is a function word
W_K = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [-1.0, -1.0]])
# hands over its water and its money
W_V = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
query, key, value = x @ W_Q, x @ W_K, x @ W_V  # (T, D)

# %%
diagrams.projections(x, W_Q, W_K, W_V, words).show()

# %% [markdown]
# Find the rows of *bank*. It is a place, so its query is (2, 2): it looks for water and for money. *river* can be found
# by its water, with the key (2, 0). Function words have negative keys, so a query for water or money avoids them.

# %% [markdown]
# ## One query by hand
#
# Now *bank* reads. Three steps:
#
# 1. A **score** for each key: the dot product of query and key, divided by √D. (Why divide? See below.)
# 2. [Softmax](../teaching/glossary.md#s) turns the scores into **weights**: positive numbers that add up to 1.
# 3. The output is the weighted average of the values.

# %%
most_read = predict(
    "Which word does bank read most from?", ["the", "river", "has", "a", "bank"]
)

# %%
bank, scores = query[4].tolist(), []
for k in key.tolist():
    scores.append((bank[0] * k[0] + bank[1] * k[1]) / math.sqrt(2))
powers = [math.exp(score) for score in scores]
weights = [power / sum(powers) for power in powers]
for word, score, weight in zip(words, scores, weights, strict=True):
    print(f"{word:6} score {score:5.2f}   weight {weight:.3f}")
most_read.answer(words[weights.index(max(weights))])

# %%
mix = [0.0, 0.0]
for weight, (water, money) in zip(weights, value.tolist(), strict=True):
    mix[0] += weight * water
    mix[1] += weight * money
print("the value of bank:   water 0.50, money 0.50")
print(f"the output for bank: water {mix[0]:.2f}, money {mix[1]:.2f}")

# %% [markdown]
# *river* gets four fifths of the weight, so the output is about water. (The model adds the output to x; lesson 06.)
#
# A Python dictionary returns the value whose key *equals* the query. Attention returns a mix of all values, weighted by
# how well the keys match. The mix changes smoothly with every number, so gradients can train the matrices.

# %% [markdown]
# ## A query may only look back
#
# A language model learns to predict the next token, at all positions of a text in parallel. If position t could read
# position t + 1, it would read the answer. So query t may see only the keys 0 to t. The table that says so is the
# [causal mask](../teaching/glossary.md#c): True where query t may see key s.

# %% [markdown]
# ### Your turn: the causal mask
#
# Return a (T, T) tensor of True and False. Rows are queries, columns are keys, so the first row of `causal_mask(3)` is
# True, False, False.


# %%
@your_turn("04.causal_mask", minutes=10, difficulty=2)
def causal_mask(T):
    """True where query t may see key s: (T, T)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def causal_mask(T):
#     """True where query t may see key s: (T, T)."""
#     position = torch.arange(T)
#     return position[:, None] >= position[None, :]
# ```
#
# </details>

# %%
visible = causal_mask(T)
diagrams.causal_mask(visible, words).show()

# %% [markdown]
# ## One head, all queries at once
#
# One set of queries, keys and values is a [head](../teaching/glossary.md#h). Entry (t, s) of `query @ key.T` is the dot
# product of query t and key s, so one matrix product computes all scores. The whole head takes four steps:
#
# 1. Scores: Q Kᵀ / √D, a (T, S) table: a row for each of T queries, a column for each of S keys. (Here S = T.)
# 2. Mask: replace hidden scores by minus infinity. Its exponential is 0, so a hidden key gets the weight 0 and is
#    missing from the sum that softmax divides by.
# 3. Weights: softmax over the keys, so each row adds up to 1.
# 4. Output: the weights times the values.

# %% [markdown]
# ### Your turn: attention
#
# `query` is (T, D), `key` and `value` are (S, D), and `visible` is (T, S). Here T = S, but your function is also tried
# with other numbers of keys and of entries, so take D from its input: `query.shape[-1]`.


# %%
@your_turn("04.attention", minutes=10, difficulty=2)
def attention(query, key, value, visible):
    """What each query reads: (T, D)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def attention(query, key, value, visible):
#     """What each query reads: (T, D)."""
#     scores = query @ key.T / math.sqrt(query.shape[-1])
#     scores = scores.masked_fill(~visible, -math.inf)
#     weights = scores.softmax(dim=-1)
#     return weights @ value
# ```
#
# </details>

# %%
output = attention(query, key, value, visible)  # (T, D)
diagrams.attention_step(query, key, value, words, visible).show()

# %% [markdown]
# The last row is the one you computed by hand. The queries of *the*, *has* and *a* are zero: all their visible scores
# are equal, so they get the plain average that we began with.
#
# The package computes the same in `minillm/model/attention.py`, for a batch of texts and many heads at once. So does
# torch's kernel, which real models call:

# %%
one_head = query[None, None], key[None, None], value[None, None]  # (B, H, T, D)
by_package = package.attention_by_matmul(*one_head, visible)[0, 0]  # (T, D)
by_torch = F.scaled_dot_product_attention(query, key, value, visible)  # (T, D)
torch.testing.assert_close(by_package, output)
torch.testing.assert_close(by_torch, output)

# %% [markdown]
# ## Why divide by √D?
#
# Take a random query and a random key with D independent entries each, of mean 0 and variance 1. Their dot product is a
# sum of D terms of variance 1, so its variance is D and its standard deviation √D. Dividing by √D brings it back to 1.
# Let's check, and look at the largest of 64 weights:

# %%
torch.manual_seed(0)
for D in (4, 64, 1024):
    scores = (torch.randn(300, 1, D) * torch.randn(300, 64, D)).sum(-1)  # (300, 64)
    print(f"D = {D}")
    for name, s in (("not divided", scores), ("divided", scores / math.sqrt(D))):
        largest = s.softmax(-1).amax(-1).median()
        print(f"  {name:12} spread {s.std():4.1f}   largest weight {largest:.2f}")

# %% [markdown]
# So the division buys one thing: **a start that does not depend on the width**. Without it, a wide head starts with all
# of its weight on one random key, and a weight w near 0 or 1 hardly moves: its slope, in its own score, is w (1 - w).
# After training, queries and keys are no longer random, and each head has its own spread. (How wide is too wide? By the
# slope, D = 256 is still fine without the division, and 1,024 is not: see the
# [lab](04_attention_lab.ipynb#Why-divide?).)

# %% [markdown]
# ## The test that every attention must pass
#
# A mask is easy to get wrong, and a mistake raises no error. So test what the mask is for: **change token t, and no
# output before t may move**.


# %%
def leaks(layer, T=5, C=4):
    """The pairs (early, t) where a change of token t moves an earlier output."""
    torch.manual_seed(0)
    tokens, pairs = torch.randn(T, C), []
    before = layer(tokens)
    for t in range(T):
        changed = tokens.clone()
        changed[t] = torch.randn(C)
        moved = (layer(changed) - before).abs().amax(-1) > 1e-6
        pairs += [(early, t) for early in range(t) if moved[early]]
    return pairs


print("attention leaks at", leaks(lambda x: attention(x, x, x, causal_mask(len(x)))))

# %% tags=["test"]
assert len(leaks(lambda x: attention(x, x, x, torch.ones(5, 5).bool()))) == 10

# %% [markdown]
# An empty list: it passes. (If your turn is still open, this was the course's version.) Without a mask, all 10 pairs
# leak. Now a mask that somebody applied a line too late:

# %%
leaking = predict(
    "Softmax first, then hidden weights are set to 0: how many of the 10 pairs leak?",
    ["none", "some", "all"],
)


# %%
def masked_too_late(x):
    weights = (x @ x.T / math.sqrt(x.shape[-1])).softmax(dim=-1)
    return (weights * causal_mask(len(x))) @ x


found = leaks(masked_too_late)
leaking.answer("all" if len(found) == 10 else "some" if found else "none")

# %% [markdown]
# The hidden *values* are gone. But the hidden *scores* are still in the sum that softmax divided by, so the future
# changes the size of every weight. A leak can make the training loss **better** than is possible: the
# [lab](04_attention_lab.ipynb#2.-A-leak-looks-like-skill) shows how much.

# %% [markdown]
# ## Several heads cut the projections, not the input
#
# One softmax gives one mix. But a word may need several: what it is about, which article belongs to it. So a layer runs
# H heads in parallel ([multi-head attention](../teaching/glossary.md#m)). Each has its own W_Q, W_K and W_V, and
# usually D = C / H.
#
# In code, the matrices of all heads stand side by side in one (C, C) matrix. We project all of x once, cut *the result*
# into heads of D columns, run attention in each, join the outputs and mix them with one more matrix, W_O. **Every head
# reads all C features of x.** Cutting x itself is the classic mistake.

# %% [markdown]
# ### Your turn: several heads
#
# An `nn.Module` holds weights; calling it runs `forward`. `self.query(x)` computes x W_Q for all heads. (The layer
# keeps W_Q transposed, so call it instead of multiplying by its weight.) Use your `attention`.


# %%
@your_turn("04.heads", minutes=10, difficulty=2)
class MultiHead(nn.Module):
    """Attention in several heads: (T, C) -> (T, C)."""

    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, visible):
        """What each position reads in all heads: (T, C)."""
        ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# class MultiHead(nn.Module):
#     """Attention in several heads: (T, C) -> (T, C)."""
#
#     def __init__(self, d_model, n_heads):
#         super().__init__()
#         self.n_heads = n_heads
#         self.query = nn.Linear(d_model, d_model, bias=False)
#         self.key = nn.Linear(d_model, d_model, bias=False)
#         self.value = nn.Linear(d_model, d_model, bias=False)
#         self.output = nn.Linear(d_model, d_model, bias=False)
#
#     def forward(self, x, visible):
#         """What each position reads in all heads: (T, C)."""
#         D = x.shape[-1] // self.n_heads
#         query, key, value = self.query(x), self.key(x), self.value(x)
#         heads = []
#         for h in range(self.n_heads):
#             own = slice(h * D, (h + 1) * D)  # the columns of head h
#             heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
#         return self.output(torch.cat(heads, dim=-1))
# ```
#
# </details>

# %% [markdown]
# ### Two heads for *bank*
#
# Head 0 is the one from above. Head 1 looks for function words. Its matrices stand to the right of head 0's.
# (`nn.Linear` stores a matrix transposed, hence the `.T`.)

# %%
W_Q1, W_K1 = torch.zeros(C, 2), torch.zeros(C, 2)
W_Q1[2], W_K1[3] = torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0])
W_V1 = W_K1
layer = MultiHead(C, 2).requires_grad_(False)
layer.output.weight.copy_(torch.eye(C))
two = {"query": (W_Q, W_Q1), "key": (W_K, W_K1), "value": (W_V, W_V1)}
for name, matrices in two.items():
    getattr(layer, name).weight.copy_(torch.cat(matrices, dim=1).T)

# %%
second = attention(x @ W_Q1, x @ W_K1, x @ W_V1, visible)  # (T, D)
outputs = torch.stack([output, second])  # (H, T, D)
diagrams.heads(layer.value(x), outputs, words).show()
torch.testing.assert_close(layer(x, visible), torch.cat([output, second], dim=1))

# %% [markdown]
# With these weights, *bank* reads mostly *river* in head 0, and the three function words, in equal parts, in head 1.
# Head 1 cannot tell *a* from *the*: nothing here knows positions (lesson 03).
#
# The package's layer has the same parameter names, so it can take over your weights:

# %%
theirs = package.MultiHeadAttention(d_model=C, n_heads=2)
theirs.load_state_dict(layer.state_dict())
torch.testing.assert_close(theirs(x[None], is_causal=True)[0], layer(x, visible))

# %% [markdown]
# ## A real layer shares its keys
#
# SmolLM2 has 30 layers, and in each H = 9 query heads with D = 64. Here is our sentence in it, after the token
# `START` that begins a text. `trace` runs the model and keeps what each layer computed.

# %%
model, tokenizer = load("smollm2-135m-instruct")
START = tokenizer.special_tokens["<|endoftext|>"]


def run(text):
    return trace(model, torch.tensor([[START, *tokenizer.encode(text)]]))


seen = run("the river has a bank")
block = model.blocks[9]
stream = block.attention_norm(seen.stream[9])  # (B, T, C) = (1, 6, 576)
angles = rotary_angles(torch.arange(6), d_head=64, theta=model.config.rope_theta)
queries, keys, values = block.attention.project(stream, angles)
print("query", tuple(queries.shape), " key and value", tuple(keys.shape))

# %%
diagrams.shared_keys(queries[0], keys[0]).show()

# %% [markdown]
# There are only K = 3 heads of keys and values. Query head h reads key/value head h // (H / K). This is
# [grouped-query attention](../teaching/glossary.md#g). While a model writes, it keeps the keys and values of all
# earlier tokens (the KV cache, lesson 12); with a third of the heads, it keeps a third of the numbers.

# %% [markdown]
# ## Your attention computes layer 9
#
# `project` has computed x W_Q, x W_K and x W_V and rotated queries and keys by their positions (lesson 03). The rest is
# your code:

# %%
heads = []
for h in range(9):
    q, k, v = queries[0, h], keys[0, h // 3], values[0, h // 3]
    heads.append(attention(q, k, v, causal_mask(6)))
by_you = block.attention.output(torch.cat(heads, dim=-1))  # (T, C)
torch.testing.assert_close(by_you, seen.attention[9, 0], rtol=1e-3, atol=1e-3)
print("Layer 9 of SmolLM2 is equal, in all", by_you.numel(), "numbers.")

# %%
row = seen.weights[9, 0, 2, -1]  # (S,)
show(
    attention_arcs(["START", *words], row, query=5),
    title=f"In layer 9, head 2, bank reads {row[2]:.0%} from river".replace("%", " %"),
    alt="Arcs from bank to the tokens that it reads from in layer 9, head 2: "
    f"river {row[2]:.2f}, START {row[0]:.2f}, bank itself {row[5]:.2f}.",
)

# %% [markdown]
# Most of the rest goes to `START`, where many heads look by default (an *attention sink*; see the
# [lab](04_attention_lab.ipynb#Attention-sinks)). Does the weight on *river* show that the head tells *bank* its
# meaning? It only shows where the head looks. The
# [lab](04_attention_lab.ipynb#3.-A-head-that-matters,-and-one-that-does-not) removes heads to see what they do.

# %% [markdown]
# ## Can *bank* know about the river?
#
# Back to the claim. In "the bank of the river", *river* comes **after** *bank*.

# %%
differs = predict(
    "'the bank of the river', 'the bank of England': where do the vectors of bank differ?",
    ["after no layer", "after the last few", "after each of the 30"],
)

# %%
river, england = run("the bank of the river").stream, run("the bank of England").stream
apart = (river[:, 0, 2] - england[:, 0, 2]).abs().amax(-1)  # (31,)
differing = int((apart[1:] > 0.1).sum())
outcomes = {0: "after no layer", 30: "after each of the 30"}
differs.answer(outcomes.get(differing, "after the last few"))

# %% [markdown]
# The mask settles it: no layer can carry *river* back to *bank*. Later words can use both; *bank* itself stays as it
# is. For *bank* to change, *river* must come **first**, as in our sentence. So we compare "the river has a ..." with
# "the street has a ...", by the [cosine](../teaching/glossary.md#c) of the last word's two vectors. As a control, we
# measure four words with one meaning.


# %%
def cosines(word):
    """The cosine of a word's vectors after river and after street, at each depth."""
    pair = [
        run(f"the {place} has a {word}").stream[:, 0, -1]
        for place in ("river", "street")
    ]
    return torch.cosine_similarity(*pair, dim=-1)


controls = torch.stack([cosines(word) for word in ("wall", "house", "tree", "door")])
curves = {"bank": cosines("bank"), "wall, house, tree, door": controls}
of_bank, least, most = curves["bank"][-1], controls[:, -1].min(), controls[:, -1].max()
print(
    f"after the last block: bank {of_bank:.2f}, the controls {least:.2f} to {most:.2f}"
)

# %% tags=["test"]
assert of_bank < least

# %%
show(
    lines(curves, "depth (blocks passed)", "cosine, after river and after street"),
    title="After river or after street: bank differs more than the control words",
    alt="The cosine of one word's vectors in two sentences, over depth. All start at 1; "
    f"bank falls to {of_bank:.2f}, the control words to between {least:.2f} and {most:.2f}.",
)

# %% [markdown]
# *river* changes *bank*, and it changes *wall* and *door* as well: attention carries the topic into later words. In
# this pair of sentences, it moves *bank* further than each control. One pair does not show that attention finds a
# meaning. The [lab](04_attention_lab.ipynb#1.-bank,-layer-by-layer) has 24 texts, shuffled labels, and a control that
# is harder to beat.

# %% [markdown]
# > **Where the picture simplifies.** *Query*, *key* and *value* are names for what three learned matrices compute, and
# > their entries rarely mean anything as tidy as *water*. A real layer reads vectors that already hold much of their
# > neighbors, so attention to *river* may fetch something else. Our by-hand softmax would overflow for scores above
# > 700; real code first subtracts the largest score, which changes nothing else.

# %% [markdown]
# > **At scale.** GPT-3 has 96 layers of 96 heads, each with D = 128. At 128,000 tokens, the causal table of one head
# > has 8 billion visible entries, so kernels such as FlashAttention work block by block and never store it. Llama 3 70B
# > shares 8 key/value heads among 64 query heads.

# %% [markdown]
# ## Four questions
#
# Answer each one before you open it.
#
# **1.** What does training learn in an attention layer? (a) The queries, keys and values. (b) W_Q, W_K, W_V and W_O.
# (c) The weights of the average.
#
# <details><summary>Open 1</summary>
#
# **(b)**. The queries, keys and values in (a) and the weights in (c) are computed from x, anew for every text. Only the
# matrices stay the same from text to text.
# </details>
#
# **2.** Your validation loss is far below everybody else's. What do you test first? (a) The learning rate. (b) Whether
# a change of token t moves an output before t. (c) The optimizer.
#
# <details><summary>Open 2</summary>
#
# **(b)**. A loss below what is possible needs information from the future. A mistake in (a) or (c) would make the loss
# worse. (Check also that both losses count the same tokens; lesson 01.)
# </details>
#
# **3.** A projection of shape (T, C) is to become (H, T, D). Which line is right?
# (a) `q.view(T, H, D).transpose(0, 1)`. (b) `q.view(H, T, D)`. (c) Both, the shapes are equal.
#
# <details><summary>Open 3</summary>
#
# **(a)**. Head h owns D *columns* of every token, so split the last axis, then move the heads to the front. (b) cuts
# between tokens: its head 0 holds the first tokens whole. The shape is right, so nothing raises an error, and (c) is
# wrong.
# </details>
#
# **4.** Head 2 of layer 9 gives *river* the largest weight when it reads *bank*. May you write that it "uses *river* to
# understand *bank*"? (a) Yes, that is where it looks. (b) Only if no other head does the same. (c) No.
#
# <details><summary>Open 4</summary>
#
# **(c)**. A weight says where a head looks. What arrives is weight times value, and the later layers may ignore it, so
# (a) is too much. Counting heads, as in (b), doesn't help: a claim about use needs an intervention, such as removing
# the head.
# </details>

# %% [markdown]
# **What you wrote**: a causal mask, a head of attention and a layer with several heads, equal to the package's, to
# torch's kernel and to layer 9 of a real model; and a test that finds a leak in any of them.
#
# **What you measured**: *bank* never learns of a *river* that comes later. A *river* that comes before moves it, in one
# pair of sentences more than four words with one meaning.
#
# **Yours to keep**: `mine/attention.py` in your workbook. In a terminal there, `python -m mine generate "The river"`
# runs SmolLM2 with your mask and your attention, and `minillm progress` counts your turns and guesses. (Your
# `MultiHead` stays in this lesson: SmolLM2 shares its keys.)
#
# **Next**: the [lab](04_attention_lab.ipynb) (three experiments on attention), the
# [graded questions](../exercises/04_attention/04_attention.ipynb), or lesson 05: the
# [feed-forward layer](05_feed_forward.ipynb), which is said to hold the facts.
