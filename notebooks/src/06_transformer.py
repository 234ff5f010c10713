# %% [markdown]
# # 06 · The transformer
#
# SmolLM2 has 30 blocks. In a minute we'll take one out and let it write. In an hour, all 30 run on your code, and the
# finished model talks to you.
#
# **The claim**: a transformer is a pipeline. Each layer takes what the layer before it made and makes something better
# of it. Half of that is true. Which half?
#
# **You will write** a norm, a block, and the whole model, about 15 lines in all; and a test for bugs that nobody would
# notice in the text.
#
# **Time**: 80 minutes. **Before you start**: lessons 04 (attention) and 05 (feed-forward), or let the course's parts
# stand in. Shift+Enter runs a cell. At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a
# hint.

# %%
import torch

from minillm.course import mine, predict, predict_number, stack, your_turn
from minillm.course.heads import heads
from minillm.course.mine import feed_forward
from minillm.course.versions import origin
from minillm.viz import diagrams
from minillm.viz.figures import lines, show

# %%
mine.map(lesson="06")

# %% [markdown]
# ## Take one out
#
# Blocks are numbered from 0 to 29. First with all of them, then without number 23:

# %% tags=["nbval-ignore-output"]
PROMPT = "The capital of France is"
whole = mine.write(PROMPT)
without_23 = mine.write(PROMPT, order=stack.all_but(23))  # change this: 0, 11, 17

# %% [markdown]
# No error, and perfect English: the capital has just moved to New York. Try 17, then 0, then guess.
# [Loss](../teaching/glossary.md#l) is the average surprise per token, here on twelve texts. The intact model has 2.9
# [nats](../teaching/glossary.md#n).

# %%
spare = predict_number(
    "How many of the 30 blocks can it lose, one at a time, for less than half a nat?",
    unit="blocks",
)

# %%
costs = stack.costs()
spare.answer(sum(sum(texts) / len(texts) < 0.5 for texts in costs["block"]))
stack.show_costs(
    costs, title="Most blocks can go, one at a time; the first and the last can't"
)
print("capitals named without block 0, 1, 2, ...:", *stack.capitals_without())

# %% [markdown]
# With the line at 1 nat, it's 24. Now look at block 23: it costs 0.3 nats, and without it the model names **none** of
# 20 capitals. With all blocks, it names 17. Block 12 is the same: 0.1 nats, no capital. Without one of the other 20
# spare blocks, it names 3 to 19. Block 28 is the opposite: 1.4 nats, 19 capitals. An average over ordinary text doesn't
# show what a block is good for.
#
# Why can it lose any at all? Take a wheel out of a gearbox, and it stops. But here, **nothing is ever replaced.**

# %% [markdown]
# ## One sum per token
#
# Each token has one vector of C = 576 numbers, its [residual stream](../teaching/glossary.md#r). Each part of the model
# reads a copy of it, and **adds** its result. The embedding begins the sum. Then attention and feed-forward of block 0
# add something, then those of block 1, and so on: 1 + 2 · 30 = 61 writes. The head reads the sum.

# %%
added = stack.writes(PROMPT)  # (61, T, C)
total, final = added.sum(dim=0), stack.reference(stack.ids_of(PROMPT))[-1]
torch.testing.assert_close(total, final, rtol=1e-3, atol=1e-2)
T, C = final.shape
print(f"{len(added)} writes of {T} x {C} numbers: their sum is what the head reads")
text = PROMPT  # change this
stack.show_writes(
    stack.writes(text), text, title="Every token climbs; START takes a rocket"
)

# %% [markdown]
# A bar is one write: how much longer or shorter it made the vector. Leave one out, and the rest of the sum is still
# there. START begins each text, and the feed-forward of block 11 makes its vector 20,000 long. The
# [lab](06_transformer_lab.ipynb#3.-What-is-START's-long-vector-for?) asks what for.

# %% [markdown]
# ## Norms
#
# There's a catch. If each part adds a vector as long as the one it reads, in an unrelated direction, the sum grows by a
# factor of √2 per write. After 60 writes, that's 2³⁰. So each part reads a copy that is first scaled to a root mean
# square of 1. That's RMSNorm ([Zhang & Sennrich 2019](https://arxiv.org/abs/1910.07467)):
#
# 1. square all C numbers of a token, take the **mean**, add a tiny `eps`, take the **root**,
# 2. divide the token's vector by it,
# 3. multiply column c by `weight[c]`, which training has set.
#
# GPT-2's [LayerNorm](../teaching/glossary.md#l) also subtracts the mean first, and adds a bias at the end.
#
# Take the vector (3, 4), with both weights 1: the mean square is 12.5, its root 3.54, and the result (0.85, 1.13).

# %% [markdown]
# ### Your turn: the norm
#
# `x` is (T, C), a row per token; `weight` has C numbers.


# %%
@your_turn("06.rms_norm", minutes=7, difficulty=2)
def rms_norm(x, weight, eps=1e-5):
    """Each row of x divided by its root mean square, then each column times its weight: (T, C)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def rms_norm(x, weight, eps=1e-5):
#     """Each row of x divided by its root mean square, then each column times its weight: (T, C)."""
#     mean_square = x.square().mean(dim=-1, keepdim=True)  # (T, 1)
#     return x / torch.sqrt(mean_square + eps) * weight
# ```
#
# </details>

# %%
torch.manual_seed(0)
plain = normed = torch.randn(8, 256)
for _ in range(60):  # 60 writes, each of a random matrix that keeps sizes
    matrix = torch.randn(256, 256) / 16
    plain = plain + plain @ matrix
    normed = normed + rms_norm(normed, torch.ones(256)) @ matrix
sizes = [stream.square().mean().sqrt().item() for stream in (plain, normed)]
print(f"without a norm: {sizes[0]:.1e}; with yours: {sizes[1]:.1f}")

# %% [markdown]
# The first is 2³⁰. With a norm, each of these random writes has size 1, so the *squares* add up: √61 is 7.8. Now put
# yours in for all 61 norms of SmolLM2:

# %% tags=["nbval-ignore-output"]
mine.write(PROMPT, norm=rms_norm)

# %% [markdown]
# ## A block
#
# The gray line is the stream. Follow it from the bottom up:

# %%
model, tokenizer = mine.smollm2()
diagrams.residual_stream(model.config).show()

# %% [markdown]
# Attention reads x through a norm and adds to x. Then the feed-forward reads **the new x** through a norm of its own,
# and adds to that. In code, that's two lines with a plus sign each. How much does it hurt to forget the plus signs? The
# intact model has a loss of 2.9. A model that gives all 49,152 tokens the same probability has 10.8.

# %%
forgotten = predict(
    "Forget both plus signs in all blocks. The loss becomes about",
    ["4, worse", "11, as if it knew nothing", "30, worse than knowing nothing"],
)

# %% tags=["nbval-ignore-output"]
loss = stack.loss("no residuals")
forgotten.answer(forgotten.choices[0 if loss < 7 else 1 if loss < 15 else 2])
print(f"loss {loss:.1f}. It writes:{stack.infected_text('no residuals', PROMPT)}")

# %% [markdown]
# Knowing nothing would be an improvement. A loss of 32 takes confidence: the right token gets a probability of about
# e⁻³².

# %% [markdown]
# ### Your turn: a block
#
# All weights come in one dictionary, by name. The ones you need, with `layer` 3 as an example:
#
# | name | goes to |
# | --- | --- |
# | `blocks.3.attention_norm.weight`, `blocks.3.feedforward_norm.weight` | `rms_norm(x, weight)` |
# | `blocks.3.feedforward.gate.weight`, and `up`, and `down` | `feed_forward(x, gate, up, down)` |
#
# `heads(x, weights, layer, settings)` is attention in all heads. It finds its four matrices by itself, and runs on your
# `rotate`, `causal_mask` and `attention`. `settings` says how wide a head is; just pass it on.


# %%
@your_turn("06.block", minutes=9, difficulty=3)
def block(x, weights, layer, settings):
    """The stream after one block: (T, C)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def block(x, weights, layer, settings):
#     """The stream after one block: (T, C)."""
#     name = f"blocks.{layer}"
#     normed = rms_norm(x, weights[f"{name}.attention_norm.weight"])
#     x = x + heads(normed, weights, layer, settings)
#     normed = rms_norm(x, weights[f"{name}.feedforward_norm.weight"])
#     gate, up, down = (weights[f"{name}.feedforward.{part}.weight"] for part in ("gate", "up", "down"))
#     return x + feed_forward(normed, gate, up, down)
# ```
#
# </details>

# %%
weights, settings = model.state_dict(), stack.settings()
print(len(weights), "tensors, and", settings)
ids = stack.ids_of(PROMPT)  # (T,)
right = stack.reference(
    ids
)  # (31, T, C): the package's stream after 0, 1, ..., 30 blocks
after_12 = block(right[12], weights, 12, settings)  # (T, C)
torch.testing.assert_close(after_12, right[13], rtol=1e-3, atol=1e-2)


def whose(*parts):
    owners = {part: origin(part) for part in parts}
    named = [
        f"the course's {part.__name__}"
        if owner == "the course's"
        else f"your {part.__name__}"
        for part, owner in owners.items()
    ]
    return ", ".join(named)


print(f"All {after_12.numel():,} numbers match. That was block 12 of SmolLM2, by")
print(whose(block, rms_norm, heads, feed_forward))

# %% [markdown]
# ## The whole model
#
# Look up a row per token, run the blocks, norm once more, and take the dot product with every row of the head. The
# names: `embedding.weight`, `final_norm.weight` and `head.weight`, which is (V, C).

# %% [markdown]
# ### Your turn: the transformer
#
# `ids` is (T,), and `settings["layers"]` says how many blocks there are.


# %%
@your_turn("06.transformer", minutes=7, difficulty=2)
def transformer(ids, weights, settings):
    """The logits after each token: (T,) -> (T, V)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def transformer(ids, weights, settings):
#     """The logits after each token: (T,) -> (T, V)."""
#     x = weights["embedding.weight"][ids]
#     for layer in range(settings["layers"]):
#         x = block(x, weights, layer, settings)
#     return rms_norm(x, weights["final_norm.weight"]) @ weights["head.weight"].T
# ```
#
# </details>

# %%
logits, theirs = transformer(ids, weights, settings), model(ids[None])[0]  # (T, V) each
close = int(((logits - theirs).abs() < 0.01).sum())
print(f"{close:,} of {theirs.numel():,} logits within 0.01 of the package's,")
print("by", whose(transformer, block, rms_norm))

# %% [markdown]
# Fifteen lines around attention and feed-forward, and it's the model that anyone can download. A trap: PyTorch loads
# weights by name, and `strict=False` skips names that don't fit. Watch it skip all of them:

# %%
renamed = {
    f"model.{name}": tensor for name, tensor in weights.items()
}  # a prefix too many
missing = model.load_state_dict(renamed, strict=False).missing_keys
print(f"{len(missing)} of {len(weights)} tensors not loaded, and no error")

# %% [markdown]
# This model kept the weights that it had; a fresh one would keep its random ones. Your function would stop at the first
# name. Now let it talk. The last line says whose code computed what:

# %% tags=["nbval-ignore-output"]
mine.write("Once upon a time", n=40, transformer=transformer)

# %% [markdown]
# It doesn't reread the text for each new token: `heads` keeps earlier keys and values (lesson 07). In a terminal, in
# your workbook, `python -m mine chat` is a chat with this code. It begins with a line that says which parts are yours.

# %% [markdown]
# ## The bug zoo
#
# Your code is right: we compared its numbers with the package's. Would reading its texts have done as well? Run the
# next two cells, read what three versions of SmolLM2 write, then guess: how many have a bug?

# %%
broken = predict_number("How many of A, B and C compute something wrong?", unit="of 3")

# %% tags=["nbval-ignore-output"]
for name, said in stack.suspect_texts("The old man walked to the").items():
    print(f"{name}: The old man walked to the{said}")

# %% [markdown]
# Reading won't do it. So look inside: run the suspect and a reference on the same ids, and compare their streams, depth
# by depth. If they first differ at depth d, the bug is in block d - 1. Three traps:
#
# - START is 20,000 long, the others a few hundred. Each token needs its own limit: **tolerance times the norm** of its
#   right vector.
# - Rounding makes everything differ a little. So not `==`.
# - A bug may produce NaN, and every comparison with NaN is False.

# %% [markdown]
# ### Your turn: a test that finds it
#
# `actual` and `right` are (L + 1, T, C): depth, token, number. Return the first depth at which the norm of some token's
# difference isn't within the limit; None if there is no such depth.


# %%
@your_turn("06.differs", minutes=8, difficulty=3)
def differs(actual, right, tolerance):
    """The first depth at which a token's vector is off by more than tolerance times its norm, or None."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def differs(actual, right, tolerance):
#     """The first depth at which a token's vector is off by more than tolerance times its norm, or None."""
#     for depth, (ours, theirs) in enumerate(zip(actual, right, strict=True)):  # (T, C) each
#         allowed = tolerance * theirs.norm(dim=-1)  # (T,)
#         if not ((ours - theirs).norm(dim=-1) <= allowed).all():  # false for NaN, too
#             return depth
#     return None
# ```
#
# </details>

# %%
print("your own stack:", differs(stack.stream(block, ids), right, 0.001))
found = {
    name: differs(each, right, 0.001) for name, each in stack.suspects(ids).items()
}
broken.answer(sum(depth is not None for depth in found.values()), lambda: print(found))

# %% [markdown]
# A differs from depth 18 on, so its bug is in block 17: attention forgot to divide by √D there. And A's text is the
# intact model's, word for word. C differs at once, since all its norms have an `eps` of 0.001. B counts positions from
# 1,000, which is harmless (lesson 03).
#
# Now a bug that everybody fears: no mask, so every token sees all later ones. We take it away from the finished model,
# and measure the loss:

# %%
unmasked = predict(
    "No mask in any block of the trained model. Its loss, on 50 texts, goes",
    ["up: it was never trained for that", "down: it can peek", "nowhere"],
)

# %%
no_mask = stack.results("bug_zoo")["no mask"]
before, now = no_mask["loss"]["with"], no_mask["loss"]["without"]
unmasked.answer(
    unmasked.choices[2 if abs(now - before) < 0.05 else 0 if now > before else 1]
)
lower, n = no_mask["lower on"], no_mask["texts"]
print(
    f"loss {before:.2f} with the mask, {now:.2f} without; lower on {lower} of {n} texts"
)

# %% [markdown]
# It was never trained to peek, and it peeks. A control, at 72 positions in twelve of these texts: with the right tokens
# after the position, the loss falls in 11 of 12. With those of *another* text, it *rises*, by 1.8 nats (1.2 to 2.6);
# with nothing, by 0.4. And while it writes, there's nothing to peek at: it names 2 of 20 capitals. The loss says
# better, the model is worse.
#
# Here's a [zoo](../benchmarks/README.md) of 27 bugs, each on twelve texts and eight prompts. First a riddle:

# %%
OLD_MAN = "The old man walked to the"
zoo = stack.results("bug_zoo")["rows"]
wrote = {bug: row["texts"][OLD_MAN] for bug, row in zoo.items()}
riddle = "rotation in neighboring pairs"
print(f"{OLD_MAN}{wrote[riddle]}")
writer = predict(
    "Which bug wrote this?",
    ["no mask", "heads by reshape", riddle, "no output matrix"],
)

# %%
writer.answer(next(bug for bug in writer.choices if wrote[bug] == wrote[riddle]))
table = [bug for bug in zoo if bug != "intact"]
for bug in table:
    english = "English" if zoo[bug]["reads like English"] else ""
    print(f"{bug:29} {zoo[bug]['loss']:5.2f} {english:8}{wrote[bug][:40]!r}")
fluent = sum(zoo[bug]["reads like English"] for bug in table)
print(
    f"{fluent} of {len(table)} read like English; without a bug {zoo['intact']['loss']:.2f}"
)

# %% [markdown]
# Six read like English, by a rule that passes all 8 greedy texts of the intact model and none of 16 with shuffled
# words. Only one of the six is harmless. The riddle's bug repeats itself, but it names 19 of 20 capitals, two more than
# the intact model. And look for the mask that's one token too wide: English, a loss of 1.9, a nat *better* than without
# a bug, and no capital left. **The text, a quiz and the loss each let a bug pass.** Comparing streams found both of
# ours. Try other bugs and prompts:

# %% tags=["nbval-ignore-output"]
bug, prompt = "LayerNorm", "The best way to learn is"
print(prompt, stack.infected_text(bug, prompt), sep="")  # change this: any bug

# %% [markdown]
# ## Does the order matter?
#
# A sum has no order. So the blocks' order shouldn't matter, should it? Swap 16 and 17:

# %%
swap = predict(
    "Blocks 16 and 17 change places. What does it cost, in nats per token?",
    ["nothing at all", "about 0.1", "about 1", "about 7"],
)

# %%
cost = [row["mean"] for row in stack.results("blocks")["single"]["swapped"]]
swap.answer(swap.choices[sum(cost[16] > limit for limit in (0.01, 0.4, 3))])
print(
    "swapped with the next one, cost of 0, 1, 2, ...:",
    *(f"{each:.1f}" for each in cost),
)

# %% tags=["nbval-ignore-output"]
one, other = 16, 17  # change this: 0 and 1, 12 and 22
order = list(range(30))
order[one], order[other] = other, one
mine.write(OLD_MAN, order=order)

# %% [markdown]
# For 25 of 29 pairs, a swap costs less than half a nat. The others are the first three and the last. But the middle
# isn't a bag of blocks: shuffle numbers 12 to 22, and it costs 1.3 to 2.3 nats (three shuffles); reverse them or leave
# them out, about 3; run one of them eleven times in place of all, 8.9. A sum has no order, but what a block adds
# depends on what it reads. [Sun et al. 2024](https://arxiv.org/abs/2407.09298) find much the same in Llama 2.

# %% [markdown]
# ## At which depth does the answer arrive?
#
# Back to Paris. Is it in the last token's vector after 10 blocks, 20, 30? The [logit lens](../teaching/glossary.md#l)
# reads: it puts the last norm and the head on the stream after k blocks, as if the model stopped there. **Patching**
# operates: it takes the last token's vector after k blocks from "The capital of Italy is", puts it into the run about
# France, and sees whether *Rome* comes out.

# %%
stored = stack.results("lens")
patched, lens = stored["patching"]["capitals"]["last"], stored["lens"]["capitals"]
print(
    f"patched after 24 blocks: {patched['donor'][24]} of {patched['of']} pairs say the other capital"
)
reads = predict_number(
    f"After 24 blocks, for how many of {lens['known']} countries does the lens pick their capital among all capitals?"
)

# %%
reads.answer(lens["right of the known"][24])
share = {
    "patched": [hits / patched["of"] for hits in patched["donor"]],
    "lens, among capitals": [
        hits / lens["known"] for hits in lens["right of the known"]
    ],
    "lens, among all tokens": [
        hits / lens["known"] for hits in lens["likeliest of all"]
    ],
}
show(
    lines(share, "after so many blocks", "share of pairs or countries", ylim=(0, 1)),
    title="The answer is there before the lens can read it",
    alt=f"Patching jumps at 24 blocks, to {patched['donor'][24]} of {patched['of']} pairs. The lens stays near 0 up to "
    "27 blocks and rises in the last three.",
)

# %% [markdown]
# Block 23 again. It brings what decides the answer to the last token, in a form that the head can read only after the
# last blocks. So if the lens shows an answer, it's there; if it doesn't, you know nothing yet. Other relations are less
# extreme: see the [lab](06_transformer_lab.ipynb#1.-Does-the-model-decide-in-its-last-blocks?).

# %% [markdown]
# ## One test of the claim
#
# In a pipeline, taking out one whole stage should hurt more than damage of the same size that is spread out. So
# compare: one of 30 blocks gone, or 1 of 30 neurons and heads gone in *every* block, at random.

# %%
many, dropped = (stack.results("blocks")[key] for key in ("many", "single"))
gone = sorted(block["mean"] for block in dropped["dropped"])
spread = [
    row["mean"]
    for name, row in many.items()
    if name.startswith("1 of 30 neurons and heads")
]
noise = sum(block["mean"] < 0.5 for block in dropped["random"])
print(f"a block gone: {sum(gone[14:16]) / 2:.2f} nats (median of 30), ", end="")
print(f"{sum(gone) / 30:.2f} (mean)")
print("spread over all blocks:", *(f"{cost:.2f}" for cost in spread), "(three draws)")
print(
    f"a block's writes replaced by noise of the same norm: below 0.5 nats in {noise} of 30"
)

# %% [markdown]
# **Verdict: half true.** No part replaces what it reads. It's one sum: 22 of 30 blocks are spare, one at a time (19 to
# 23, depending on the text), and 16 even if noise stands in for what they write. The median block costs less than a
# thirtieth of every block. The *mean* block costs more, 0.9 nats: a few carry most of it. And there is an order. The
# first blocks and the last can't be swapped, and the answer to our question reaches the last token in one block, 23. It
# doesn't get better and better; it arrives.

# %% [markdown]
# > **Where the picture simplifies.** "Adds" is exact; "adds its own piece of meaning" is a hope. All of this is one
# > small model, from a 4-bit file, trained with all its blocks in place. Norms elsewhere in the block, and untrained
# > models, we didn't measure.

# %% [markdown]
# > **At scale.** Your code is Llama 2's, whose largest has 80 blocks of C = 8,192. GPT-3 has 96 blocks, so 194 writes,
# > one of them for positions. Parameters and operations follow from the sizes alone, to the last digit:
# > see the [lab](06_transformer_lab.ipynb#4.-Can-you-know-the-price-before-you-run-it?).

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** You multiply the stream after block 5 by 3. What happens to what attention writes in block 6? (a) Three times
# as much. (b) Nothing. (c) A third.
#
# <details><summary>Open 1</summary>
#
# **(b)**, up to `eps`: it reads through a norm, which removes the size. (a) forgets that norm. (c) confuses the write
# with its *effect*: beside a stream three times as long, it turns the direction about a third as far.
# </details>
#
# **2.** You port a model. It names the capitals, and its English is perfect. Is it right? (a) Yes. (b) Compare the loss
# with the original's. (c) Compare logits, and streams if they differ.
#
# <details><summary>Open 2</summary>
#
# **(c)**. (a) is the zoo: A, B and C all wrote well, and two have a bug. (b) is better, and still lets a bug pass that
# lowers the loss or hardly moves it.
# </details>
#
# **3.** At the last token, the lens ranks the right answer 4,000th after 20 blocks. What follows? (a) It isn't there
# yet. (b) It's there, and hidden. (c) Neither.
#
# <details><summary>Open 3</summary>
#
# **(c)**. The lens asks what the *last* norm and head make of a vector they were never trained on. In our case patching
# showed that (a) is true of the last token after 20 blocks and (b) after 24, while the lens looked the same.
# </details>
#
# **4.** A bug hunt. GPT-2 starts the matrices that *write* to the stream smaller, by √(2L). In llama2.c, `w1` is the
# gate, `w3` is up, `w2` is down, and this line was copied into at least ten other repositories: `if
# pn.endswith('w3.weight') or pn.endswith('wo.weight'):`. (a) It's fine. (b) `w3` should be `w2`. (c) `wo` should be
# `wq`.
#
# <details><summary>Open 4</summary>
#
# **(b)**. `wo` and `w2` (down) write. Here up is made smaller, and by luck the first write shrinks all the same, since
# what down reads is proportional to it. So at the start, (a) seems right. (c) would leave attention's writes
# large.
# </details>

# %%
mine.map(lesson="06")

# %% [markdown]
# **What you wrote**: a norm, a block and a transformer that give SmolLM2's logits, and a test that found a bug in block
# 17 which no text showed.
#
# **What you measured**: what each of 30 blocks costs, what bugs look like from outside, and that an answer arrives
# before the lens can read it.
#
# **Yours to keep**: `mine/transformer.py` in your workbook, and `python -m mine chat`.
#
# **Next**: the [lab](06_transformer_lab.ipynb), the [graded
# questions](../exercises/06_transformer/06_transformer.ipynb), or lesson 07: [sampling](07_sampling.ipynb). So far it
# always takes the likeliest token.
