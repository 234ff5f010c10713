# %% [markdown]
# # 03 · Positions
#
# Tom hit Bob. Then Bob hit Tom. Same words, another order, another story. How does a language model know which word
# came first?
#
# **The claim**: it must be told where each word stands. Half of that is true. Which half?
#
# **You will write** three short functions: a clock for positions, a turn in the plane, and the rotation that SmolLM2
# and most models since Llama use. Halfway down the page, all 30 of its layers run on your code. Then you break it in
# ways that no error message will ever tell you about.
#
# **Time**: 70 minutes. **Before you start**: lessons 00 and 00a, and what sine and cosine are. No attention; that's
# lesson 04. Shift+Enter runs a cell. At **your turn**, replace the `...`. Stuck? Run that cell again,
# unchanged, for a hint.

# %%
import torch

from minillm.course import mine, positions, predict, predict_number, your_turn
from minillm.course.versions import origin
from minillm.model.position import SinusoidalPosition
from minillm.viz import diagrams
from minillm.viz.figures import lines, rotation, show

# %%
mine.map(lesson="03")

# %% [markdown]
# ## Switch the positions off
#
# First the intact model, then one that doesn't know where its words stand:

# %% tags=["nbval-ignore-output"]
PROMPT = "Tom hit Bob. Then Bob"
plain = mine.write(PROMPT, n=12)
lost = mine.write(PROMPT, n=12, without="positions")

# %% [markdown]
# So it does need to be told something. What it's told is a number per [token](../teaching/glossary.md#t): 0, 1, 2, and
# so on. Let's lie to it, and count from a million:

# %%
million = predict(
    "We number the tokens from 1,000,000 on, not from 0. What does it write?",
    ["the same, to the letter", "sensible, but different", "gibberish"],
)

# %% tags=["nbval-ignore-output"]
start = 1_000_000  # change this: 1_000, then 1_000_000_000
moved = mine.write(PROMPT, n=12, rotation=positions.counted_from(start))
if start == 1_000_000:
    million.answer(million.choices[0 if moved == plain else 1 if "hit" in moved else 2])

# %% [markdown]
# Without positions, everything changes; a million further on, nothing does. So whatever this model is told, it isn't
# *where* a word stands. (And a billion? We'll get back to that.)

# %% [markdown]
# ## A sum has no order
#
# Why does a model need positions at all? Because of how it mixes words. Lesson 04 has the details; today one sentence
# is enough: **each word's new vector is a weighted mean of all the words' vectors**, and a word takes more from those
# that point its own way. Three words, two numbers each:

# %%
vectors = {"dog": [2.0, 0.0], "bites": [1.0, 1.0], "man": [0.0, 1.5]}


def mix(x):
    weights = (x @ x.T).softmax(dim=-1)  # (T, T), each row adds up to 1
    return weights @ x  # (T, 2)


for sentence in ("dog bites man", "man bites dog"):  # change these
    words = sentence.split()
    x = torch.tensor([vectors[word] for word in words])
    print(*(f"{w}: {a:.2f} {b:.2f}" for w, (a, b) in zip(words, mix(x), strict=True)))

# %% [markdown]
# The dog that bites *is* the dog that's bitten: same vector, digit for digit. A sum doesn't care about the order of its
# terms. Fine, so we mark the positions: one vector for each, and we **add** them to the words.

# %%
marked = predict(
    "Add a vector per position, then take the plain mean. Same mean for both sentences?",
    ["yes, the same", "no, two different ones"],
)

# %%
marks = torch.tensor([[0.0, 0.0], [0.3, 1.0], [1.0, 0.5]])  # change this
dog, bites, man = (torch.tensor(vector) for vector in vectors.values())
one = torch.stack([dog, bites, man]) + marks
other = torch.stack([man, bites, dog]) + marks
marked.answer(marked.choices[0 if torch.allclose(one.mean(0), other.mean(0)) else 1])
for each in (one, other):
    weights = (each @ each.T).softmax(dim=-1)
    for place, x in {"everywhere": each, "in the weights alone": each - marks}.items():
        becomes = [round(n, 2) for n in (weights @ x)[1].tolist()]
        print(f"marked {place}, bites becomes {becomes}")

# %% [markdown]
# The sum of the words plus the sum of the marks: neither depends on the order. With unequal *weights* it's different.
# And marks that are in the weights alone do it, too. Remember this: **to tell two orders
# apart, it's enough to mark the weights.**

# %% [markdown]
# ## Which vector?
#
# What should the mark of position t, its **positional encoding**, be? Three ideas:
#
# - **t itself.** The entries of SmolLM2's word vectors are about 0.1 in size. Position 300 would be a siren in a
#   library.
# - **t in binary digits.** They stay small. But from 7 (0111) to 8 (1000), all digits change at once; from 8 to 9, just
#   one.
# - **t on a clock.** The second hand tells neighbors apart, the hour hand tells morning from noon, and all of them move
#   smoothly.

# %% [markdown]
# The first transformer ([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)) used the clock. With C numbers, there
# are C/2 hands, numbered i = 0, 1, 2, ... At position t, hand i has turned by the angle
#
# t · 10,000^(-2i/C)
#
# in radians, and we note down its sine and its cosine. For C = 4, hand 0 turns by 1 per position and hand 1 by 0.01:
#
# | t | sin t | cos t | sin 0.01t | cos 0.01t |
# | --- | --- | --- | --- | --- |
# | 0 | 0 | 1 | 0 | 1 |
# | 1 | 0.84 | 0.54 | 0.01 | 1.00 |
# | 2 | 0.91 | -0.42 | 0.02 | 1.00 |

# %% [markdown]
# ### Your turn: sinusoids
#
# `positions` is a tensor of T whole numbers, not always 0, 1, 2. Return a row of C numbers for each: sine and cosine of
# hand 0, sine and cosine of hand 1, and so on. C is even.


# %%
@your_turn("03.sinusoids", minutes=8, difficulty=3)
def sinusoids(positions, C):
    """C numbers for each position, sines and cosines in turn: (T, C)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sinusoids(positions, C):
#     """C numbers for each position, sines and cosines in turn: (T, C)."""
#     frequency = 10_000 ** (-torch.arange(0, C, 2) / C)  # (C/2,)
#     angle = positions[:, None] * frequency  # (T, C/2)
#     return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
# ```
#
# </details>

# %%
T = 180
table = sinusoids(torch.arange(T), 64)  # (T, C)
package = SinusoidalPosition(64)(torch.arange(T))
torch.testing.assert_close(table, package, atol=1e-4, rtol=0)
owner = "the course's" if origin(sinusoids) == "the course's" else "your"
print(f"All {table.numel():,} numbers of {owner} sinusoids match the package's.")
hills = {f"position {t}": table[t] @ table.T for t in (40, 90, 140)}
show(
    lines(hills, xlabel="other position", ylabel="dot product", ylim=(0, 34)),
    title="From every position, the neighborhood looks the same",
    alt="Dot products of rows 40, 90 and 140 with all rows: three equal hills.",
)

# %% [markdown]
# Three equal hills. How alike two marks are depends only on how far apart they are. Here is why:
#
# sin a · sin b + cos a · cos b = cos(a - b)
#
# So the dot product of two clocks depends only on the *difference* of their times. Hold on to that.

# %% [markdown]
# ## Turn, don't add
#
# If distance is what we want, why add anything? Rotary positions, or [RoPE](../teaching/glossary.md#r) ([Su et al.
# 2021](https://arxiv.org/abs/2104.09864)), take the word's own vector as the hands of the clock. Cut it into pairs of
# numbers. Each pair is a point in the plane, and it's **turned** by the position. Nothing is added, and the norm stays
# the same.
#
# To turn a point by an angle a, see where the axes go: (1, 0) goes to (cos a, sin a), and (0, 1) goes to (-sin a, cos
# a). The point (x, y) is x steps along one axis and y along the other.

# %% [markdown]
# ### Your turn: turn a point
#
# `x`, `y` and `angle` are tensors of the same shape: many points, each with an angle of its own, in radians.


# %%
@your_turn("03.rotate_pair", minutes=4, difficulty=1)
def rotate_pair(x, y, angle):
    """The points (x, y), turned around (0, 0) by an angle in radians: their new x and y."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def rotate_pair(x, y, angle):
#     """The points (x, y), turned around (0, 0) by an angle in radians: their new x and y."""
#     cos, sin = angle.cos(), angle.sin()
#     return x * cos - y * sin, x * sin + y * cos
# ```
#
# </details>

# %% [markdown]
# Tom is the point (2, 1) and stands at position 0. Bob is (1, 1.5), at position 4. Each position turns a point by 0.3
# radians. The dot product of the two, after turning, is the score that sets their weight. Let both move on, then only
# Bob; then swap their places:


# %%
def score(tom, bob):
    x, y = torch.tensor([[2.0, 1.0], [1.0, 1.5]]).T  # Tom, Bob
    x, y = rotate_pair(x, y, 0.3 * torch.tensor([tom, bob]))
    return (x[0] * x[1] + y[0] * y[1]).item()


for tom, bob in [(0, 4), (100, 104), (0, 5), (4, 0)]:  # change these
    print(f"Tom at {tom}, Bob at {bob}: {score(tom, bob):.2f}")

# %% [markdown]
# Turn both hands of a clock by the same amount, and the angle from one to the other stays. So a million changes
# nothing: every score in the model stays what it was, up to rounding. Swap them, and the angle has the other sign.

# %% [markdown]
# ## All pairs at once
#
# A vector has D numbers, so D/2 pairs, and each turns at its own frequency, as before: pair i by t · base^(-2i/D).
# **Which numbers make a pair?** In the paper it's neighbors, 0 with 1. In SmolLM2 it's halves: 0 with D/2, 1 with D/2 +
# 1, and so on. Here are the angles of T = 3 words with D = 8 numbers each, at base 100:

# %%
t, frequencies = torch.tensor([0, 1, 5]), 100 ** (-torch.arange(4) / 4)  # (T,), (D/2,)
diagrams.flow(
    [
        diagrams.box("position", t[:, None], "T 1"),
        diagrams.sign("×"),
        diagrams.box("frequency of each pair", frequencies[None], "1 D/2"),
        diagrams.sign("="),
        diagrams.box("angle", t[:, None] * frequencies, "T D/2"),
    ],
    title="Every word has a position, every pair a frequency",
).show()

# %% [markdown]
# ### Your turn: rotate
#
# `x` is (T, D), a row per token. `positions` is (T,), and there may be gaps: while a model writes, it turns one row at
# a time, and that row may stand at position 57. `base` is 100,000 in SmolLM2. Stay in torch, so that gradients
# pass.


# %%
@your_turn("03.rotate", minutes=9, difficulty=3)
def rotate(x, positions, base):
    """Each row of x, turned by its position; its numbers i and i + D/2 make a pair: (T, D)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def rotate(x, positions, base):
#     """Each row of x, turned by its position; its numbers i and i + D/2 make a pair: (T, D)."""
#     half = x.shape[-1] // 2
#     frequency = base ** (-torch.arange(half) / half)  # (D/2,)
#     angle = positions[:, None] * frequency  # (T, D/2)
#     first, second = rotate_pair(x[:, :half], x[:, half:], angle)
#     return torch.cat([first, second], dim=-1)
# ```
#
# </details>

# %%
word = torch.tensor([[2.0, 1.0, 0.0, 1.0, 1.0, 0.0, 2.0, 1.0]])
clock = rotate(word.expand(12, 8), torch.arange(12), 100)  # at 12 positions
show(
    rotation(clock.unflatten(1, (2, 4)).transpose(1, 2)),
    title="One word at positions 0 to 11: pair 0 races, pair 3 crawls",
    alt="Four circles with 12 points each, from nearly two rounds to a few degrees.",
)

# %% [markdown]
# ## Plug it in
#
# SmolLM2 has 30 layers. In each, it makes [queries and keys](../teaching/glossary.md#q) of the words, whose dot
# products set the weights. Your function turns them, 9 heads of queries and 3 of keys in each layer:

# %% tags=["nbval-ignore-output"]
mine.write(PROMPT, n=12, rotation=rotate)

# %%
theirs, ours = positions.next_logits(PROMPT), positions.next_logits(PROMPT, rotate)
by = "the course's" if origin(rotate) == "the course's" else "your"
close = bool((theirs - ours).abs().max() < 0.01)
print(f"All {len(ours):,} logits match SmolLM2's own, by {by} rotate: {close}")

# %% [markdown]
# ## Break it
#
# Now for the mistakes that real code makes. All of them run without an error. Two tests try to find them: 20
# **capitals** ("The capital of France is"), and 84 times **revenge**: after "Tom hit Bob. Then Bob hit", the likeliest
# token must be *Tom*, with 28 pairs of names and three verbs. The intact model has 17 and 73.


# %%
def neighbors(x, positions, base):  # as in the paper; these weights have halves
    D = x.shape[-1]
    angle = positions[:, None] * base ** (-torch.arange(0, D, 2) / D)
    return torch.stack(rotate_pair(x[:, 0::2], x[:, 1::2], angle), dim=-1).flatten(1)


def usual_base(x, positions, base):  # 10,000, as in most tutorials
    return rotate(x, positions, 10_000)


alarm = predict(
    "Neighbors in place of halves: which of the two tests notices?",
    ["both", "only the capitals", "only revenge", "neither"],
)

# %% tags=["nbval-ignore-output"]
found = [positions.scores(part) for part in (rotate, neighbors, usual_base)]
capitals, revenge = (now < was / 2 for was, now in zip(*found[:2], strict=True))
alarm.answer(alarm.choices[3 - 2 * capitals - revenge])
for name, result in zip(("rotate", "neighbors", "base 10,000"), found, strict=True):
    print(f"{name:12} {result}")

# %% tags=["test", "nbval-ignore-output"]
assert found[0] == (17, 73)
assert found[1].capitals > 15
assert found[1].revenge < 5

# %% tags=["nbval-ignore-output"]
for part in (neighbors, usual_base):
    for prompt in ("The capital of France is", PROMPT):
        mine.write(prompt, n=12, rotation=part)

# %% [markdown]
# With the wrong pairs it names 19 capitals, two *more* than before (that's noise), and then writes only line breaks. A
# test that asks for Paris passes this bug. [Somebody](https://github.com/NeuraLegion/shainet/pull/111) who had it with
# this very model was luckier, and read "the capital of France is the capital of France".
#
# The wrong base is worse, in a way: it's nearly invisible. Over 20 texts it costs 0.08 ± 0.02
# [nats](../teaching/glossary.md#n) per token (a 90% interval); the wrong pairs cost 1.38 ± 0.16. You'd just think that
# the model is a bit dim. And if all angles turn the other way?

# %%
notices = predict(
    "Multiply all positions by -1. All distances stay. Does the model notice?",
    ["no", "yes"],
)

# %% tags=["nbval-ignore-output"]
factor = -1  # change this: 2, 0.5


def sabotage(x, positions, base):
    return rotate(x, factor * positions, base)


mine.write(PROMPT, n=12, rotation=sabotage)
sabotaged = positions.scores(sabotage)
print(sabotaged)
if factor == -1:
    notices.answer("yes" if sabotaged.revenge < 42 else "no")

# %% [markdown]
# So it isn't told distances alone. It's told on which side, too.

# %% [markdown]
# ## When numbers run out
#
# Back to the billion. By the formula, nothing should change, and everything does (try it above). Large models usually
# compute with 16-bit numbers, *bfloat16*, where we use 32 bits. What if the positions have only 16, too?

# %%
in_16_bits = predict_number(
    "Count from 4,000, in bfloat16. How much revenge is left?", unit="of 84"
)


# %% tags=["nbval-ignore-output"]
offset = 4_000  # change this: 0, 200, 300


def rounded(x, positions, base):
    return rotate(x, (positions + offset).bfloat16().long(), base)


counted_on = positions.scores(rounded)
print(counted_on)
if offset == 4_000:
    in_16_bits.answer(counted_on.revenge)
mine.write("The capital of France is", n=12, rotation=rounded)

# %%
print("4,000 to 4,005:", [int(n) for n in torch.arange(4_000, 4_006).bfloat16()])
counted = torch.arange(1_000)
first_lost = int((counted.bfloat16().int() != counted).nonzero()[0])
print(f"first position that bfloat16 loses: {first_lost}")
print(f"a billion and one in float32: {int(torch.tensor(1_000_000_001).float()):,}")

# %% [markdown]
# bfloat16 keeps 8 binary digits. Up to 256 it can count, then it skips. Around 4,000 it moves in steps of 16, so a
# whole sentence sits at one position. The billion did the same to float32, which counts to 16,777,216: at one
# position, the model writes what it wrote without any. So short tests pass, and long texts fail:

# %%
where, rise = positions.by_position("in bfloat16")
show(
    lines(rise, "position in the text", "added nats per token", where, {"intact": 0}),
    title="In bfloat16, 200 tokens are fine, and 400 are not",
    alt=f"bfloat16 adds {[round(loss, 2) for loss in rise['in bfloat16']]} nats.",
)

# %% [markdown]
# 1,200 tokens, several short texts in a row, from `benchmarks/rotations.py`. Hugging Face's Llama had
# [this bug](https://github.com/huggingface/transformers/pull/29285) until 2024.

# %% [markdown]
# ## Does it know who did what?
#
# Look at revenge again: "Tom hit Bob. Then Bob hit". *Bob* appears twice, *Tom* once. A rule that only counts
# names would get 84 of 84, with no idea of order. So here's another question: "Tom **gave a book to** Bob. Now the book
# belongs to". Is *Bob* more probable than *Tom*? Yes, in 26 of 28 pairs of names. Impressive! Now turn it around.

# %%
turned_around = predict_number(
    "Tom got a book from Bob. Now the book belongs to ... In how many is Tom more probable?",
    unit="of 28",
)

# %% tags=["nbval-ignore-output"]
gave, got = positions.book("gave a book to"), positions.book("got a book from")
turned_around.answer(positions.prefers(got))
for name, off in {"intact": {}, "without positions": {"without": "positions"}}.items():
    both = positions.prefers(gave, **off), positions.prefers(got, **off)
    print(f"{name:18} gave {both[0]} of 28, got {both[1]} of 28")

# %% [markdown]
# In 50 of 56 cases it says the name that comes **last**, no matter who has the book. And without positions it looks
# nearly as clever. (It isn't; the [lab](03_positional_encoding_lab.ipynb) asks in other words.) So a test of order must
# ask **both ways**. Here's one: "The door is white. The box is brown. What color is the door? The door is". Each
# pair of things comes four times, with the colors swapped and the sentences swapped. *Say the last color* gets 28 of
# 56, and so does *say the first*; a coin gets 28 on average.

# %% tags=["nbval-ignore-output"]
tried = {
    "intact": {},
    "from a million": {"rotation": positions.counted_from(1_000_000)},
    "without positions": {"without": "positions"},
    "neighbors": {"rotation": neighbors},
}  # change these: add sabotage, or rounded
right = {
    name: positions.prefers(positions.COLORS, **how) for name, how in tried.items()
}
for name, count in right.items():
    print(f"{name:18} {count} of 56")
at_10_000 = predict_number(
    "And with base 10,000, which these weights were never trained with?", unit="of 56"
)

# %% tags=["nbval-ignore-output"]
by_wrong_base = positions.prefers(positions.COLORS, usual_base)
at_10_000.answer(by_wrong_base)

# %% tags=["test", "nbval-ignore-output"]
assert by_wrong_base > right["intact"] == right["from a million"] > 39
assert 20 < right["without positions"] < 35

# %% [markdown]
# **Verdict: true, with a catch.** This model must be told something about order: with positions it gets 44 of 56,
# without them 29, where guessing gets 28, and over 20 texts it then loses 1.9 ± 0.2 nats per token. But it's not told
# *where* a word stands. It's told **how far away another word is, and on which side**, so you may count from a million.
#
# And the wrong base does *better* here than its own, though on those 20 texts it does worse. We don't know why. One
# test isn't everything, even one that asks both ways; the [lab](03_positional_encoding_lab.ipynb) asks in two more.

# %% [markdown]
# > **Where the picture simplifies.** Real weights come from queries and keys, not from the words' own vectors, and each
# > word takes its mean over itself and the words *before* it (lesson 04). So a model *can* work out where it is: the
# > first token has nothing before it. We turned positions off in a model that grew up with them; one trained without
# > them can learn to tell the order ([lab](03_positional_encoding_lab.ipynb)). SmolLM2's weights come from a 4-bit
# > file, so they are rounded.

# %% [markdown]
# > **At scale.** GPT-3 adds a learned table: 2,048 rows of 12,288 numbers, and there it ends. A formula has no end, but
# > models with sinusoids or RoPE tend to fail beyond the length that they were trained on ([Press et al.
# > 2022](https://arxiv.org/abs/2108.12409)). To read further, models are trained a little more, with slower hands:
# > positions squeezed ([Chen et al. 2023](https://arxiv.org/abs/2306.15595)), or a larger base ([Code
# > Llama](https://arxiv.org/abs/2308.12950): 1,000,000 in place of 10,000).

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** A query at position 7 and a key at position 4 have the score 2.0. The same two vectors at 107 and 104? (a) 2.0.
# (b) Less, for the positions are larger. (c) That depends on the base.
#
# <details><summary>Open 1</summary>
#
# **(a)**. Both are turned on by the same angles, and the angles between them stay. So not (b): turning doesn't change
# a norm. The base sets how fast each pair turns, so it sets the 2.0, but it's the same at both positions: not (c).
# </details>
#
# **2.** You load someone else's weights and always take the likeliest token. It names Paris, then writes only line
# breaks. What do you check first? (a) Which numbers make a pair. (b) Whether positions begin at 0 or at 1. (c) The
# temperature.
#
# <details><summary>Open 2</summary>
#
# **(a)**. That's what wrong pairs look like. Not (b): all distances stay, and with RoPE nothing changes. (With a
# learned table, it would.) Not (c): the likeliest token is the same at any temperature.
# </details>
#
# **3.** An [issue](https://github.com/karpathy/nanochat/issues/264) says that nanochat's RoPE pairs halves where the
# paper has neighbors, and calls it a bug. nanochat trains its own models from scratch. Is it one? (a) Yes. (b) No. (c)
# Only above position 256.
#
# <details><summary>Open 3</summary>
#
# **(b)**. Before training, no number of a query means anything yet, so it doesn't matter which of them make a pair. A
# trained model is bound to its choice: (a) would be right for weights from elsewhere. (c) is another bug, bfloat16's.
# </details>
#
# **4.** "Our model understands *gave*: it names the right owner in 26 of 28." What's missing? (a) More names. (b) The
# same question with *got*. (c) A larger model.
#
# <details><summary>Open 4</summary>
#
# **(b)**. "Say the name that comes last" gets 28 of 28, and 0 when turned around. With more names (a), you'd measure
# the same rule more precisely, and (c) doesn't change what the test can tell.
# </details>

# %%
mine.map(lesson="03")

# %% [markdown]
# **What you wrote**: a clock for positions, and the rotation on which all 30 layers of a real model ran, logit for
# logit.
#
# **What you measured**: a shift by a million changes nothing, the wrong pairs leave 19 capitals and no revenge, and
# 26 right answers of 28 fit the rule *say the last name*.
#
# **Yours to keep**: `mine/positional_encoding.py` in your workbook. From now on, `mine.write` runs on it.
#
# **Next**: the [lab](03_positional_encoding_lab.ipynb) trains models with four kinds of positions, and none, on longer
# and longer texts. Or lesson 04, [attention](04_attention.ipynb), where the weights come from; and the
# [graded questions](../exercises/03_positional_encoding/03_positional_encoding.ipynb).
