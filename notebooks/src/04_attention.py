# %% [markdown]
# # 04 · Attention
#
# Here's a language model: SmolLM2, 135 million parameters, about to finish a sentence. In a minute we'll unplug one of
# its parts. Then you'll write that part yourself, and plug it back in.
#
# **The claim**: you've probably heard that attention lets words "talk" to each other. In *the bank of the river*, the
# word *river* tells *bank* what it means. Half of that is true. Which half?
#
# **You will write** four short functions: a causal mask, a head of attention, a layer with several heads, and heads
# that share their keys. By the end, all 270 attention heads of SmolLM2 run on your code.
#
# **Time**: 80 minutes. **Before you start**: lesson 00a (matrix products, softmax). Lesson 03 (positions) helps.
# Shift+Enter runs a cell. At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
import math

import torch
from torch import nn

from minillm.analysis import surgery
from minillm.analysis.heads import projected, reading
from minillm.analysis.tracing import trace
from minillm.course import mine, predict, predict_number, your_turn
from minillm.course.own_model import smollm2
from minillm.viz import diagrams
from minillm.viz.figures import heat_map, show
from minillm.viz.hover import HeadExplorer

# %%
mine.map(lesson="04")

# %% [markdown]
# ## Unplug it
#
# First, let the model finish a sentence:

# %% tags=["nbval-ignore-output"]
PROMPT = "The river was high, so the ferryman"
mine.write(PROMPT)

# %% [markdown]
# Nearly all parts of a transformer work on one [token](../teaching/glossary.md#t) at a time. Only
# [attention](../teaching/glossary.md#a) moves information from one position to another. Without it, *bank* would be
# the same in "the river has a bank" and "the street has a bank".
#
# The simplest way: let each word take the plain average of everything up to here. `value` holds a vector per
# word, and `visible[t, s]` says whether word t may look at word s:


# %%
def plain_average(query, key, value, visible):
    weights = visible / visible.sum(dim=-1, keepdim=True)  # each row adds up to 1
    return weights @ value


# %%
unplugged = predict(
    "All 270 heads take the plain average instead. What does SmolLM2 write?",
    ["real words, if dull ones", "hardly a word"],
)

# %% tags=["nbval-ignore-output"]
text = mine.write(PROMPT, attention=plain_average)
letters = sum(character.isalpha() for character in text) / len(text)
unplugged.answer("hardly a word" if letters < 0.5 else "real words, if dull ones")

# %% [markdown]
# Same weights, same 30 layers, but they were trained with heads that choose. An average can't: *bank* reads as much
# from *the* as from *river*. What's missing is a **weighted** average, with weights that each word works out for
# itself. That's attention.

# %% [markdown]
# ## One sentence, five words
#
# We'll stay with "the river has a bank". Each word is a token, and its vector x has C = 4 features, which we chose by
# hand.

# %%
words = ["the", "river", "has", "a", "bank"]
features = ["place", "water", "money", "little"]
little_word = [0.0, 0.0, 0.0, 1.0]  # the, has, a
river = [2.0, 3.0, 0.0, 0.0]  # a big place with lots of water
bank = [1.0, 0.5, 0.5, 0.0]  # a place, for water or for money
x = torch.tensor([little_word, river, little_word, little_word, bank])
T, C = x.shape

# %% [markdown]
# ## Query, key and value
#
# Each word gets three vectors with D entries:
#
# - a [query](../teaching/glossary.md#q): what it's looking for,
# - a [key](../teaching/glossary.md#k): the label on its drawer,
# - a [value](../teaching/glossary.md#v): what's in the drawer.
#
# All three are matrix products: x W_Q, x W_K and x W_V, each matrix of shape (C, D). In a head, these three matrices
# are all that training changes; the rest is computed fresh for every sentence. We'll fill them in by hand, with D = 2:

# %%
W_Q, W_K, W_V = torch.zeros(3, C, 2)
W_Q[0] = torch.tensor([2.0, -2.0])  # a place asks: any places around here?
W_K[0, 0] = W_K[3, 1] = 1.0  # the label says: place, little word
W_V[1, 0] = W_V[2, 1] = 1.0  # the drawer holds: water, money
query, key, value = x @ W_Q, x @ W_K, x @ W_V  # (T, D)
names = features, ["place?", "little?"], ["place", "little"], ["water", "money"]
diagrams.projections(x, W_Q, W_K, W_V, words, names=names).show()

# %% [markdown]
# Look at *bank*. It's a place, so its query is (2, -2): "Any places around here? No little words, please." *river* is
# a big place, so its key is (2, 0). But what it hands over is something else: 3 of water.

# %% [markdown]
# ## One query by hand
#
# Now let *bank* do some reading. Three steps:
#
# 1. A **score** for each key: the dot product of query and key, divided by √D.
# 2. [Softmax](../teaching/glossary.md#s) turns the scores into **weights**: positive, adding up to 1.
# 3. The output is the weighted average of the values.


# %%
def read(t, query, key, value):
    scores = [float(query[t] @ k) / math.sqrt(2) for k in key]
    powers = [math.exp(score) for score in scores]
    weights = [power / sum(powers) for power in powers]
    return weights, sum(w * v for w, v in zip(weights, value, strict=True))


of_bank, mix = read(4, query, key, value)
for word, share in zip(words, of_bank, strict=True):
    print(f"{word:6} {share:.3f}")
print(f"bank's output: water {mix[0]:.2f}, money {mix[1]:.2f}")

# %% [markdown]
# *bank* came with water 0.50 and money 0.50. *river* wins with 78%, so *bank*'s output is soaked.

# %%
mint = predict(
    "Turn the river into a mint: just as big a place, with money in place of water. What changes for bank?",
    ["its weights", "its output", "both"],
)

# %%
place = 2.0  # change me: how much of a place is the mint?
in_a_mint = x.clone()
in_a_mint[1] = torch.tensor([place, 0.0, 3.0, 0.0])
in_mint, rich = read(4, in_a_mint @ W_Q, in_a_mint @ W_K, in_a_mint @ W_V)
of_mint = f"weight on mint {in_mint[1]:.3f}; water {rich[0]:.2f}, money {rich[1]:.2f}"
if place == 2:
    mint.answer("its output" if in_mint == of_bank else "both", lambda: print(of_mint))
else:
    print(of_mint)

# %% [markdown]
# **The key decides who gets read. The value decides what they say.** The weights stay, the loot changes. Make the mint
# no place at all (0), and run the cell again: just as much money in the drawer, and *bank* takes 17% of it, not 78%.
#
# A Python dictionary returns the value whose key *equals* the query. Attention returns a mix of all values, weighted
# by how well the keys match. The mix changes smoothly, so gradients can train the matrices.

# %% [markdown]
# ## A query may only look back
#
# A language model learns to predict the next token, at all positions of a text in parallel. If position t could look
# at position t + 1, it would read the answer. So each query sees only itself and what came before. We write that down
# as a table of True and False: the [causal mask](../teaching/glossary.md#c).

# %% [markdown]
# ### Your turn: the causal mask
#
# Return a (T, T) tensor of True and False. Rows are queries, columns are keys, so the first row of `causal_mask(3)`
# is True, False, False.


# %%
@your_turn("04.causal_mask", minutes=5, difficulty=1)
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
# One set of queries, keys and values is a [head](../teaching/glossary.md#h). Entry (t, s) of `query @ key.T` is the
# dot product of query t and key s, so a single matrix product computes all scores. A head takes four steps:
#
# 1. Scores: Q Kᵀ / √D, a (T, S) table with a row for each of T queries and a column for each of S keys. (Here S = T.)
# 2. Mask: hidden scores become minus infinity. Their exponential is 0, so a hidden key drops out of softmax's
#    denominator, too.
# 3. Weights: softmax over the keys, so that each row adds up to 1.
# 4. Output: the weights times the values.

# %% [markdown]
# ### Your turn: attention
#
# `query` is (T, D), `key` and `value` are (S, D), and `visible` is (T, S). Here T = S = 5 and D = 2, but we'll also try
# your function on other sizes. So take D from its input: `query.shape[-1]`.


# %%
@your_turn("04.attention", minutes=12, difficulty=3)
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
yours = {"attention": attention, "names": names[2:]}
diagrams.attention_step(query, key, value, words, visible, **yours).show()

# %% [markdown]
# Weights and output come from your code. The last row is the one from above. *the*, *has* and *a* have queries of zero,
# so all their scores tie: they're back to the plain average that we began with. **Change the last word, and no output
# before it may move:**

# %%
other = torch.tensor([*x[:4].tolist(), river])
changed = attention(other @ W_Q, other @ W_K, other @ W_V, visible)  # (T, D)
moved = ((changed - output).abs().amax(dim=-1) > 1e-6).tolist()
only_bank = moved == [False, False, False, False, True]
print("moved:", moved, "Only bank moved: no leaks." if only_bank else "Not right.")

# %% [markdown]
# This test catches bugs that raise no error. Mask one line too late, after softmax, and the future's words are gone,
# but its fingerprints are still in the denominator. Show one position too many, and the loss even gets *better*: see
# the [lab](04_attention_lab.ipynb#2.-A-leak-looks-like-skill).

# %% [markdown]
# ## Why divide by √D?
#
# Take two random vectors with D independent entries of mean 0 and variance 1. Their dot product is a sum of D terms of
# variance 1, so its standard deviation is √D. Dividing brings it back to 1. Let's check:

# %%
torch.manual_seed(0)
for width, S in ((4, 16), (4, 1024), (1024, 16), (1024, 1024)):
    products = torch.randn(200, width) @ torch.randn(S, width).T  # (200, S)
    plain = products.softmax(dim=-1).amax(dim=-1).median()
    divided = (products / math.sqrt(width)).softmax(dim=-1).amax(dim=-1).median()
    print(f"D = {width:4}, {S:4} keys: spread {products.std():4.1f}, ", end="")
    print(f"largest weight {plain:.2f}, divided {divided:.2f}")

# %% [markdown]
# Divided, the largest weight hardly depends on the width. Plain, a wide head puts everything on a single random key.
# (Real models start with smaller weights, so it's milder there.) Later we'll leave the division out of SmolLM2.

# %% [markdown]
# ## Several heads, first as a list
#
# *bank* has more than one question to ask. Each [head](../teaching/glossary.md#m) can ask one, if it has its own W_Q,
# W_K and W_V. Head 1 below looks for little words and takes *little* and *place* from them:

# %%
W_Q1, W_K1, W_V1 = torch.zeros(3, C, 2)
W_Q1[0] = torch.tensor([0.0, 3.0])  # a place asks: any little words here?
W_K1[0, 0] = W_K1[3, 1] = 1.0  # the label says: place, little word
W_V1[3, 0] = W_V1[0, 1] = 1.0  # the drawer holds: little, place
outputs = []
for W_q, W_k, W_v in ((W_Q, W_K, W_V), (W_Q1, W_K1, W_V1)):
    outputs.append(attention(x @ W_q, x @ W_k, x @ W_v, visible))
joined = torch.cat(outputs, dim=-1)  # (T, C): both heads side by side
print("bank:", [round(number, 2) for number in joined[4].tolist()])

# %% [markdown]
# Real code puts the matrices of all heads side by side in one (C, C) matrix, usually with D = C / H for H heads.
# Project all of x once, cut *the result* into heads of D columns, attend in each, put the outputs side by side, and
# mix them with one more matrix, W_O. Cut x instead, and each head goes half blind.

# %% [markdown]
# ### Your turn: several heads
#
# An `nn.Module` holds weights; calling it runs `forward`. A layer like `self.query` is called, too: `self.query(x)`
# is x W_Q for all heads, with shape (T, C). Cut, attend, join, and finish with `self.output`, which is W_O.


# %%
@your_turn("04.heads", minutes=12, difficulty=4)
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


# %%
def whose(*parts):
    theirs = any(part.__module__.startswith("minillm") for part in parts)
    return "the course's" if theirs else "your"


layer = MultiHead(C, 2).requires_grad_(False)
layer.query.weight.copy_(torch.cat([W_Q, W_Q1], dim=1).T)  # kept transposed
layer.key.weight.copy_(torch.cat([W_K, W_K1], dim=1).T)
layer.value.weight.copy_(torch.cat([W_V, W_V1], dim=1).T)
layer.output.weight.copy_(torch.eye(C))  # W_O passes everything on
torch.testing.assert_close(layer(x, visible), joined)
print(f"All {joined.numel()} numbers match: {whose(MultiHead)} layer, our two heads.")
parts = {"query": layer.query(x), "key": layer.key(x), "value": layer.value(x)}
named = [*names[1:3], ["water", "money", "little", "place"]]
diagrams.heads(parts, layer(x, visible), 2, words, names=named).show()

# %% [markdown]
# ## A real layer shares its keys
#
# SmolLM2 has 30 layers with H = 9 query heads each, and D = 64. Here's our sentence inside it, after the token
# `START` that begins each text. `trace` runs the model and keeps what every layer computed; `projected` gives the
# queries, keys and values of a layer, rotated by their positions (lesson 03).

# %%
model, tokenizer = smollm2()


def run(text):
    return trace(model, torch.tensor([surgery.prompt_ids(tokenizer, text)]))


seen = run("the river has a bank")
queries, keys, values = projected(model, seen, layer=9)
print("query", tuple(queries.shape), " key and value", tuple(keys.shape))

# %% [markdown]
# Nine queries, three keys. Neighbors share: heads 0, 1 and 2 read key 0. It's called
# [grouped-query attention](../teaching/glossary.md#g). While a model writes, it
# keeps the keys and values of all earlier tokens (lesson 12), and a third of the heads means a third of the memory.

# %% [markdown]
# ### Your turn: heads that share keys
#
# `query` is (H, T, D), `key` and `value` are (K, T, D), and H is a multiple of K. Call your `attention` once per
# query head, and return the outputs side by side: (T, H * D).


# %%
@your_turn("04.grouped", minutes=5, difficulty=2)
def grouped_attention(query, key, value, visible):
    """H query heads on K key/value heads, their outputs side by side: (T, H * D)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def grouped_attention(query, key, value, visible):
#     """H query heads on K key/value heads, their outputs side by side: (T, H * D)."""
#     H, K = len(query), len(key)
#     outputs = []
#     for h in range(H):
#         k = h // (H // K)  # neighbors share
#         outputs.append(attention(query[h], key[k], value[k], visible))
#     return torch.cat(outputs, dim=-1)
# ```
#
# </details>

# %% tags=["nbval-ignore-output"]
heads = grouped_attention(queries, keys, values, causal_mask(6))
layer_9 = model.blocks[9].attention.output(heads)  # (T, C)
torch.testing.assert_close(layer_9, seen.attention[9, 0], rtol=1e-3, atol=1e-3)
owner = whose(attention, grouped_attention)
print(f"All {layer_9.numel():,} numbers match: SmolLM2's layer 9 on {owner} attention.")

# %% [markdown]
# ## Plug it in
#
# One layer down, 29 to go. The last line says whose code ran:

# %% tags=["nbval-ignore-output"]
mine.write(PROMPT, attention=attention, causal_mask=causal_mask)

# %% [markdown]
# ## Break it
#
# To learn what a line is for, take it out. Here are three sabotages. One does far less harm than the others:


# %%
def not_divided(query, key, value, visible):
    scores = (query @ key.T).masked_fill(~visible, -math.inf)
    return scores.softmax(dim=-1) @ value


def hide_start(query, key, value, visible):
    hidden = visible.clone()
    hidden[1:, 0] = False
    return attention(query, key, value, hidden)


to_start = run(PROMPT).weights[:, 0, :, 1:, 0].mean()  # over layers, heads and queries
print(f"{to_start:.0%} of all attention goes to START, the token that begins each text")
sabotages = {
    "leave out √D": not_divided,
    "hand over the keys": lambda q, k, v, visible: attention(q, k, k, visible),
    "hide START": hide_start,
}
harmless = predict("Which sabotage does the least harm?", list(sabotages))

# %% tags=["nbval-ignore-output"]
capitals = {"no sabotage": surgery.capitals(model, tokenizer)}
for idea, broken in sabotages.items():
    with surgery.replaced(model, attention=broken):
        capitals[idea] = surgery.capitals(model, tokenizer)
named_by_each = f"capitals that it names, of 20: {capitals}"
harmless.answer(max(sabotages, key=capitals.get), show=lambda: print(named_by_each))

# %% [markdown]
# On this prompt, most attention goes to START. Hide it, and 15 of 17 capitals are left. (START is an *attention sink*:
# softmax must hand out 100%, even when a head has nothing to say. See the
# [lab](04_attention_lab.ipynb#4.-Attention-sinks).) But one missing square root, and every capital is gone. (SmolLM2
# was trained with it, and now every score is 8 times too large. A W_Q an eighth as large would repair that.) What do
# the broken ones write?

# %% tags=["nbval-ignore-output"]
for idea in ("leave out √D", "hand over the keys"):
    mine.write(PROMPT, attention=sabotages[idea])

# %% [markdown]
# Now you're the saboteur. Change a line and run the cell; the mask is a good victim, too.


# %% tags=["nbval-ignore-output"]
def sabotage(query, key, value, visible):  # change this, and run the cell
    scores = (query @ key.T / query.shape[-1]).masked_fill(~visible, -math.inf)
    return scores.softmax(dim=-1) @ value


mine.write(PROMPT, attention=sabotage)

# %% [markdown]
# ## Swap one word
#
# Back to the claim. Does *river* tell *bank* what it means? Five of 270 heads give *river* 41% or more at *bank*. We'll
# follow one of them, head 2 of layer 9 (head 9.2):


# %%
def weights_on(place, word):  # (L, H)
    return reading(model, tokenizer, "the {} has a {}", [place], [word])[..., 0, 0]


at_bank = weights_on("river", "bank")
as_much = int((at_bank >= at_bank[9, 2]).sum())
print(f"river to bank: {at_bank[9, 2]:.0%}; as much or more in {as_much} of 270 heads")

# %% [markdown]
# Swap *bank* for *wall*. How much will it read from *river*? Guess, then run:

# %%
pairs = "river bank, river wall, street bank, street wall, guitar string, river bed"
for pair in pairs.split(", "):  # change them
    print(f"{pair:14} {weights_on(*pair.split())[9, 2]:.2f}")

# %% [markdown]
# Nobody programmed this. (One pair proves little: hold on for the test.) Now one sentence with four nouns, and you
# choose the last word. Point at a token, and move the sliders through all 270 heads.

# %%
last_word = "string"  # change me: bank, branch, lobby, or a word of your own
sentence = f"the river and the guitar and the tree and the hotel: a {last_word}"
pieces = ["START", *(tokenizer.decode([token]) for token in tokenizer.encode(sentence))]
HeadExplorer(pieces, run(sentence).weights[:, 0], layer=9, head=2)

# %% [markdown]
# ## Does it hold for other pairs?
#
# We picked this head by its weight on *river*, so it owes us a test on other pairs. Here are twelve: each noun with its
# own word (the diagonal) and with the words of the others.

# %%
PAIRS = """tree branch, guitar string, church bell, ship anchor, castle tower, school teacher,
hospital nurse, farm barn, bird nest, king crown, bicycle wheel, piano key"""
nouns, partners = zip(*(pair.split() for pair in PAIRS.split(",")), strict=True)
grid = reading(model, tokenizer, "the {} has a {}", nouns, partners)
own = grid.diagonal(dim1=2, dim2=3).mean(-1)  # (L, H)
others = (grid.sum((2, 3)) - 12 * own) / 132  # (L, H)
rank = int((own - others > own[9, 2] - others[9, 2]).sum()) + 1
rows, columns = (int((grid[9, 2].argmax(d) == torch.arange(12)).sum()) for d in (1, 0))
print(f"pairs: {own[9, 2]:.2f}, crossed: {others[9, 2]:.2f}, rank {rank} of 270 heads")
print(f"own word first for {rows} of 12 nouns, own noun for {columns} of 12 words")
show(
    heat_map(grid[9, 2], "noun word", nouns, partners, unit="weight"),
    title="Head 9.2 reads what belongs together",
    alt=f"A grid of 12 nouns and 12 words. Weights on the diagonal: {own[9, 2]:.2f} "
    f"on average, elsewhere {others[9, 2]:.2f}.",
)

# %% [markdown]
# *church* fails: *bell* gives it just 3%. And *string* and *wheel* read *piano* more than *key* does, which is hard to
# hold against them: pianos have both.
#
# So the head finds what belongs together, whether a word needs it or not: *nurse* and *wheel* aren't ambiguous. And an
# ambiguous word may get little: *bed* reads only 9% from *river*. Try *mouth*, *channel* and *current* above.

# %% [markdown]
# ## Can *bank* know about a river that comes later?
#
# In the claim, *river* comes **after** *bank*. So compare *the bank of the river* with *the bank of England*:

# %%
later = predict_number("After how many of 30 layers do they differ?", unit="layers")


# %%
def layers_apart(place, *texts):
    one, two = (run(text).stream[1:, 0, place] for text in texts)  # (30, C)
    return int(((one - two).abs().amax(dim=-1) > 0).sum())


before = layers_apart(5, "the river has a bank", "the street has a bank")
after = layers_apart(2, "the bank of the river", "the bank of England")
both = f"river first: banks differ after {before} of 30 layers; river later: {after}"
later.answer(after, show=lambda: print(both))

# %% [markdown]
# **Verdict: true, with a catch.** Words do talk, but only forward: no layer can carry *river* back to *bank*, because
# the mask won't allow it. Where *river* comes first, a head reads it, and the same head reads *guitar* at *string*.
# Whether that settles the meaning is another matter: a weight shows where a head looks, not what the model
# does with it. In the [lab](04_attention_lab.ipynb#3.-Does-the-head-matter?), we take the head away.

# %% [markdown]
# > **Where the picture simplifies.** Real queries, keys and values have 64 entries, and hardly any means something as
# > tidy as *water*. A real layer reads vectors that already hold much of their neighbors, so attention to *river* may
# > fetch something else. SmolLM2's weights come from a 4-bit file, so they are rounded.

# %% [markdown]
# > **At scale.** GPT-3 has 96 layers of 96 heads. Llama 3 70B shares 8 key/value heads among 64 query heads. At
# > Llama 3.1's 128,000 tokens, the causal table of one head has 8 billion visible entries, so kernels such as
# > [FlashAttention](../teaching/glossary.md#f) never store it.

# %% [markdown]
# ## Three questions
#
# Pick an answer, then open it.
#
# **1.** Your validation loss is far below everybody else's. What do you check first? (a) The learning rate. (b)
# Whether a new last word changes an earlier output, and whether validation text is in the training set. (c) The
# optimizer.
#
# <details><summary>Open 1</summary>
#
# **(b)**. A loss that's too good has usually seen the answers, through the mask or in the data. A mistake in (a) or
# (c) would make it worse.
# </details>
#
# **2.** A projection of shape (T, C) is to become (H, T, D). Which line is right? (a) `q.view(T, H, D).transpose(0,
# 1)`. (b) `q.view(H, T, D)`. (c) Both, the shapes are equal.
#
# <details><summary>Open 2</summary>
#
# **(a)**. Head h owns D *columns* of every token, so split the last axis, then move the heads to the front. (b) cuts
# between tokens: its head 0 holds the first tokens whole. So (c) is wrong, and no error says so.
# </details>
#
# **3.** Head 9.2 reads *river* at *bank* with 0.41. May you write that SmolLM2 "uses *river* to understand *bank*"?
# (a) Yes, that's where it looks. (b) Only if no other head does the same. (c) No.
#
# <details><summary>Open 3</summary>
#
# **(c)**. A weight says where a head looks. What arrives is weight times value, and later layers may ignore it, so
# (a) is too much. Counting heads, as in (b), doesn't help: a claim about use needs an intervention.
# </details>

# %%
mine.map(lesson="04")

# %% [markdown]
# **What you wrote**: all 270 heads of a real model ran on your mask and your head, and stopped making sense when you
# took out a line.
#
# **What you measured**: hiding the token that gets most of the attention costs two capitals of 17, and head 9.2, first
# of 270, reads what belongs together, in pairs that weren't used to find it.
#
# **Yours to keep**: `mine/attention.py` in your workbook. In a terminal there, `python -m mine generate "The river"`
# runs SmolLM2 on it.
#
# **Next**: the [lab](04_attention_lab.ipynb), the [graded questions](../exercises/04_attention/04_attention.ipynb),
# or lesson 05: the [feed-forward layer](05_feed_forward.ipynb), where the facts supposedly live.
