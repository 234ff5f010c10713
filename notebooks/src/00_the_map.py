# %% [markdown]
# # 00 · The map
#
# Here's a language model: SmolLM2, 135 million numbers, running on your computer. In the next ten minutes you'll watch
# it write, pull parts out of it while it runs, and read what comes out. Nothing here can break for good.
#
# **The claim**: people say that a language model "just predicts the next word", and that it's a stack of layers, each
# adding a little to the answer. Then the parts that add the most should matter the most. Do they?
#
# **You will write** two short functions in plain Python: one turns scores into probabilities, by which the model then
# writes; the other measures surprise.
#
# **Time**: 45 minutes. **Before you start**: some Python. No PyTorch, no machine learning.
# Shift+Enter runs a cell. At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
import math

from minillm.course import mine, predict, predict_number, the_map, your_turn

# %% [markdown]
# ## One more token
#
# Type the beginning of a sentence and press Enter. Then press **one more token**, ten times.

# %%
the_map.NextTokenExplorer("The capital of France is")

# %% [markdown]
# That's all a language model does. It reads a text and gives a probability to each [token](../teaching/glossary.md#t)
# in its list. There are 49,152, each a word or a piece of one; you see the top ten. The model never picks one. You did,
# by pressing the button, which always takes the top bar. Then the token joins the text, and everything runs again. So
# "it just predicts the next word" is too modest: it predicts all of them.

# %% [markdown]
# ## Switch a part off
#
# What's inside? Before we explain a single part, let's unplug some. First the intact model, then one that doesn't know
# where in the text its words stand:

# %% tags=["nbval-ignore-output"]
left_out = "positions"  # change this: "attention", "feed_forward", "norm"
mine.write("The capital of France is")
mine.write("The capital of France is", without=left_out)

# %% [markdown]
# Ah, the United States of France. Try the other three before you read on, then a prompt of your own.
#
# - Without **attention**, no token sees any other. The model knows its last word and nothing else.
# - Without **feed-forward** networks, it repeats a scrap such as *MetaInfo*. We don't know why that one.
# - Without **norms**, the numbers grow until they overflow. All that's left is `NaN`, "not a number".

# %% [markdown]
# ## Switch a layer off
#
# All of this comes in 30 layers, one on top of the other. Each has its own attention and its own feed-forward network.
# Take just one layer out, and ask for the capitals of 20 countries. The intact model names 17.

# %%
removed = predict(
    "Which single layer can it lose and still name half of the capitals?",
    ["the first", "the sixteenth", "either", "neither"],
)

# %% tags=["nbval-ignore-output"]
first = the_map.capitals([*range(1, 30)])
middle = the_map.capitals([*range(15), *range(16, 30)])
can = ["neither", "the first", "the sixteenth", "either"]
named = f"of 20: {first} without the first, {middle} without the sixteenth"
right = can[(first >= 10) + 2 * (middle >= 10)]
removed.answer(right, show=lambda: print("capitals named,", named))

# %% [markdown]
# `order` says which layers run, and in which order. Here layer 15, the sixteenth, runs three times in a row:

# %% tags=["nbval-ignore-output"]
order = [*range(15), 15, 15, 15, *range(16, 30)]  # change this
mine.write("Once upon a time, a dog")
mine.write("Once upon a time, a dog", order=order)

# %% [markdown]
# A dog is a dog. Now run layer 15 only twice, then swap two layers: 14 and 15, then 0 and 1.
#
# Was the sixteenth a lucky pick? We took out each of the 30 by itself. For 19 of them, the model still names at least
# 10 capitals. But lose 0, 1, 2, 11, 12, 23 or 24, and it names none. All 30 are built alike, so their code doesn't tell
# you which ones you need.

# %% [markdown]
# ## One prompt through every box
#
# So what are these parts? Here's a prompt on its way, with the true sizes of everything:

# %%
prompt = "The capital of France is"  # change this
print(the_map.size())
the_map.diagrams.journey(**the_map.traced(prompt)).show()

# %% [markdown]
# The **tokenizer** cuts the text into tokens and gives each its number in the list, its id. `START` marks the
# beginning of a text. The **embedding** is a table: id 504 picks row 504, a vector of 576 numbers. Then 30 layers
# work on the vectors. In each layer,
#
# - **attention** lets a token's vector take something from the vectors before it. It's the only part that does, and
#   the only one that uses positions;
# - the **feed-forward** network works on each vector by itself;
# - both read a copy that a **norm** has brought to a standard size.
#
# The last vector, normed once more, is compared with each row of the table. That gives one score per token, called
# [logit](../teaching/glossary.md#l).
#
# Every model has its own list of tokens. Here are two:

# %%
the_map.show_ids("Hello", "The cat")  # change these

# %% [markdown]
# Each box has a lesson of its own:

# %%
mine.map(lesson="00")

# %% [markdown]
# ## From scores to probabilities
#
# Diagrams of language models often show *World* after *Hello*, at 0.9.

# %%
world = predict_number("What probability does SmolLM2 give to World after Hello?")

# %% [markdown]
# You'll compute it. A logit can be any number. Probabilities are positive and add up to 1.
# [Softmax](../teaching/glossary.md#s) gets from one to the other: raise e to the power of each logit, then divide by
# the sum. Take three tokens with the logits 2, 1 and 0:
#
# | logit | power | share |
# | --- | --- | --- |
# | 2 | 7.39 | 7.39 / 11.11 = 0.665 |
# | 1 | 2.72 | 2.72 / 11.11 = 0.245 |
# | 0 | 1.00 | 1.00 / 11.11 = 0.090 |
#
# There's a dial, the [temperature](../teaching/glossary.md#t): divide all logits by it first. At 0.5 the logits become
# 4, 2 and 0, and the first token gets 0.867. Above 1, the shares move closer together.

# %% [markdown]
# ### Your turn: the next token
#
# `logits` is a plain list of numbers, one per token. Return a list of as many probabilities. Use `math.exp`.


# %%
@your_turn("00.next_token", minutes=6, difficulty=2)
def next_token(logits, temperature):
    """The probability of each token: a list of numbers above 0 that add up to 1."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def next_token(logits, temperature):
#     """The probability of each token: a list of numbers above 0 that add up to 1."""
#     largest = max(logits)
#     powers = [math.exp((logit - largest) / temperature) for logit in logits]
#     total = sum(powers)
#     return [power / total for power in powers]
# ```
#
# </details>

# %%
hello = next_token(the_map.next_logits("Hello"), 1.0)
print(f"{len(hello):,} probabilities, sum {sum(hello):.3f}")
print("every one above 0:", min(hello) > 0)
world.answer(round(dict(the_map.likeliest("Hello", next_token))[" World"], 3))
the_map.show_next("Hello", next_token)

# %% [markdown]
# A real model spreads its bets, and a comma is 40 times as likely as *World*. What does the dial do to the comma?

# %%
logits = the_map.next_logits("Hello")
for dial in (0.1, 0.8, 1.0, 1.5):  # change this
    print(f"at {dial}: ',' has {max(next_token(logits, dial)):.3f}")

# %% [markdown]
# Next, the same box as at the top, but the bars come from your function, and there's a dial. Does the order of the bars
# ever change?

# %%
the_map.NextTokenExplorer("Once upon a time, a dog", next_token)

# %% [markdown]
# Never. Now let it write. Each token is drawn at random, by your
# probabilities:

# %% tags=["nbval-ignore-output"]
temperature = 0.8  # change this: 0.1, 1.5, 5
mine.write("Once upon a time, a dog", sampler=the_map.choosing(next_token, temperature))

# %% [markdown]
# ## Surprise
#
# Turn the question around: you have a text, and you ask how well the model saw it coming. A token that had the
# probability 1/2 carries 1 bit of [surprise](../teaching/glossary.md#s), like a coin toss. One with 1/4 carries 2 bits,
# one with 1/8 carries 3. In general, surprise is minus the base-2 logarithm of the probability. Multiply the
# probabilities of all tokens, and you get that of the text. So the surprises add up.

# %%
p = 1 / 8  # change this: 1/4, 0.9, 0.001
print(f"{-math.log2(p):.2f} bits")

# %% [markdown]
# ### Your turn: surprise
#
# `probabilities` is a list with the probability that each token of a text had. Return the surprise of the text, one
# number. Use `math.log2`.


# %%
@your_turn("00.surprise", minutes=5, difficulty=2)
def surprise(probabilities):
    """The surprise of a text in bits, from the probabilities that its tokens had."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def surprise(probabilities):
#     """The surprise of a text in bits, from the probabilities that its tokens had."""
#     return sum(-math.log2(p) for p in probabilities)
# ```
#
# </details>

# %%
texts = [  # change these
    "The keys to the cabinet are on the table.",
    "The keys to the cabinet is on the table.",
]
reads = [the_map.token_probabilities(text) for text in texts]
bits = [surprise([read.probability for read in each]) for each in reads]
print(f"{bits[0]:.1f} and {bits[1]:.1f} bits")
print(f"the first is {2 ** (bits[1] - bits[0]):,.3g} times as likely as the second")
the_map.show_surprises(reads, surprise, title="The difference begins where they part")

# %% [markdown]
# Both sentences are alike up to *cabinet*. Then comes the verb, and *are* must agree with *keys*, four words back,
# not with *cabinet* next door. The model got that from reading; nobody gave it a rule. And it isn't a bias for *are*:
# write *The key to the cabinets*, and *is* comes out ahead. With 12 pairs of nouns, each singular and plural, the
# right verb won 47 of 48 times. Try two sentences of your own. A different word changes everything after it, so look
# where they part.
#
# The surprise per token, averaged over a lot of text, is the [loss](../teaching/glossary.md#l). Pretraining does
# nothing but lower it.

# %% [markdown]
# ## What does it cost to lose a part?
#
# Back to the operating table, this time with a scale: leave a part out, and see how many more bits per token a text
# costs. Your function does the counting.


# %% tags=["nbval-ignore-output"]
def bits_per_token(text, **left_out):
    tokens = the_map.token_probabilities(text, **left_out)
    return surprise([token.probability for token in tokens]) / len(tokens)


layer = 2  # change this, and the text
text = "The lighthouse keeper sold her violin to buy a telescope, and then it rained."
intact = bits_per_token(text)
for part in ("attention", "feed_forward"):
    extra = bits_per_token(text, without=part, layer=layer) - intact
    print(f"without {part} in layer {layer}: {extra:+.2f} bits per token")

# %% [markdown]
# There are 60 such parts. None replaces the vectors that come in; each **adds** a vector to what's there. So the final
# vector is a sum of 61: the embedding's row and 60 more.

# %%
vectors, final = the_map.written("The capital of France is")
same = bool((sum(vectors) - final).abs().max() < 0.001 * final.abs().max())
print(f"{len(vectors)} vectors add up to the final one: {same}")

# %% [markdown]
# So here's the claim again: a part that adds a long vector should matter more than one that adds a short one. (The
# length of a vector is its **norm**: the root of the sum of its squared numbers.) Of the 30 attention layers, layer 0
# adds the shortest vectors, with a norm of about 3, and layer 24 the longest, about 190.

# %%
costlier = predict(
    "Remove one of these two. Which costs more bits per token?",
    ["attention in layer 0", "attention in layer 24", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
six = the_map.SENTENCES  # change this: six of yours
found = the_map.prices(six)
cost = found.cost[:, 0] * the_map.BITS  # of the attention layers
if six is the_map.SENTENCES:
    costlier.answer_by({f"attention in layer {n}": cost[n].tolist() for n in (0, 24)})

# %% tags=["nbval-ignore-output"]
the_map.show_prices(
    found,
    title="Removing a part costs a lot or nearly nothing; its size doesn't say which",
)

# %% [markdown]
# Each point is a part, and the line through it spans the six texts. Most cost less than half a bit; on some texts, a
# few even save. Feed-forward 29 adds the longest vectors of all, yet losing any of four parts that add a ninth of that
# or less costs far more.
#
# A **rank correlation** is 1 if the larger part always costs more, and near 0 if size tells you nothing. Over all 60
# parts, it's a quarter at most on these texts.
#
# Case closed? Not yet. Look at what a vector is added **to**. The sum grows from layer to layer, so a norm of 50 is a
# shout in layer 0 and a whisper in layer 28. Let's divide each norm by the norm of the sum so far.

# %%
divided = predict_number("Now what's the mean rank correlation over all 60 parts?")

# %% tags=["nbval-ignore-output"]
if six is the_map.SENTENCES:
    divided.answer(round(found.agreement(relative=True).mean().item(), 2))
the_map.show_prices(
    found, title="Measured against the sum so far, size says a lot", relative=True
)

# %% [markdown]
# **Verdict: true, with a catch.** Relative to the sum so far, the rank correlation is about two thirds. Average the
# costs over 20 longer texts first, and it's 0.92, against 0.32 by the plain norm (`benchmarks/removal.py`).
#
# Does size only tell feed-forward from attention? That alone gets 0.69. But among the 30 attentions size gets 0.82,
# among the 30 feed-forward networks 0.68. Dumber rules get less: the earlier, 0.13; the farther from the middle, 0.32.
#
# So ask "large compared with what?", and size says a lot. It still isn't the test: feed-forward 11 is 26th of the 60
# in relative size, and fourth in cost.

# %% [markdown]
# > **Where the picture simplifies.** Removing is a blunt tool: no part was trained to live without the others, and
# > what one leaves undone, a later one may do. So "costs nothing" doesn't mean "does nothing". Six short texts, one
# > model. Its weights come from a 4-bit file, so they are rounded. Probabilities of whole texts assume the usual cut
# > into tokens (lesson 01).

# %% [markdown]
# > **At scale.** The same boxes, only more and wider: GPT-3 has 96 layers, vectors of 12,288 numbers and 175 billion
# > weights. Many large models keep several feed-forward networks per layer and send each token through a few of them
# > (*mixture of experts*). Removing whole layers makes a model cheaper:
# > [Gromov et al. 2024](https://arxiv.org/abs/2403.17887) cut out up to half, mostly late ones, and fine-tuned a
# > little, before answers to questions got much worse.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** SmolLM2 writes *vania sands execute Cassinippm tomb*. What happened? (a) Its attention is off. (b) The
# temperature was 5. (c) One of its middle layers is gone.
#
# <details><summary>Open 1</summary>
#
# **(b)**. At 5, not one token has even 0.1%: you get real words and pieces of words, none of which go together. Without
# attention (a), it repeats itself in dashes. One middle layer less (c) mostly leaves sentences; the worst, layer 11,
# leaves *a, a, a, a*.
# </details>
#
# **2.** *Hello* is id 19556 in SmolLM2 and 15496 in GPT-2. (a) One of them is out of date. (b) Both are right. (c) An
# id says how frequent a word is.
#
# <details><summary>Open 2</summary>
#
# **(b)**. An id is a row number in one model's table, like a page number in one edition of a book. So (a) is wrong, and
# so is (c): feed GPT-2's id to SmolLM2, and it reads *urrection*.
# </details>
#
# **3.** Is a model at temperature 0.1 deterministic? (a) Yes. (b) Only if the likeliest token is far ahead. (c) No, at
# 0.1 all tokens are alike.
#
# <details><summary>Open 3</summary>
#
# **(b)**. Two tokens in the ratio r get the ratio r to the power of 10: 2 to 1 becomes 1,024 to 1, but 1.01 to 1 only
# 1.1 to 1, a toss-up. So not (a), and (c) has it backwards: low temperatures sharpen.
# </details>
#
# **4.** A part adds only tiny vectors. May you delete it? (a) Yes. (b) No. (c) Delete it, read a few texts, and
# compare the bits.
#
# <details><summary>Open 4</summary>
#
# **(c)**. By size alone, (a), you'd have deleted attention 0, which costs every text more than a bit per token. But
# (b) is too strict: any one of 19 layers could go, and at least 10 capitals stayed.
# </details>

# %%
mine.map(lesson="00")

# %% [markdown]
# **What you wrote**: softmax with a temperature, by which a real model wrote, and surprise, which is what
# pretraining lowers.
#
# **What you measured**: losing a part costs from 0 to 13 bits per token, though all layers are built alike. The norm
# of what a part adds hardly tells which are expensive; measured against the sum so far, it tells a lot.
#
# **Yours to keep**: `mine/the_map.py` in your workbook.
#
# **Next**: surprise is also a file size. In the [lab](00_the_map_lab.ipynb), this model beats gzip, and you find out
# what the victory costs. Then lesson 00a ([tensors](00a_tensors.ipynb)), if PyTorch is new to you, or 01 (the
# [tokenizer](01_tokenizer.ipynb)).
