# %% [markdown]
# # 00b · How a network learns
#
# Four dinosaurs: *minmi*, *tenoceratops*, *irritator*, *diplodontosaurus*. Two of them are in the textbooks. A
# network invented the other two, after learning for a few seconds from 120 names. Which two?
#
# **The claim**: a network learns by making its error smaller. So the smaller the error, the more it has learned. Half
# of that is true. Which half?
#
# **You will write** the three functions that a network learns by: the loss, the backward pass through two layers, and
# the step. Then a network of 7,003 numbers learns on them while you watch.
#
# **Time**: 80 minutes. **Before you start**: lesson 00a (matrix products, softmax). No calculus beyond "the slope of
# a curve". Shift+Enter runs a cell. At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a
# hint.

# %%
import math
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import torch

from minillm.course import dinosaurs, mine, predict, predict_number, your_turn
from minillm.course.dinosaurs import HELD_OUT, TRAINING, copies, invent, start, windows
from minillm.course.versions import origin
from minillm.files import read_json
from minillm.viz import diagrams
from minillm.viz.figures import lines, show
from minillm.viz.watch import Watch

# %%
four = ["minmi", "tenoceratops", "irritator", "diplodontosaurus"]
which_two = predict(
    "Which two did a network invent?",
    [f"{one}, {other}" for one, other in combinations(four, 2)],
)

# %%
mine.map(lesson="00b")

# %% [markdown]
# ## From noise to dinosaurs
#
# Here it learns on our code. Run this, then change the steps. In an hour, the code is yours.

# %% tags=["nbval-ignore-output"]
for steps in [0, 10, 100, 300]:  # change this: try 3, or 1000
    network = dinosaurs.trained(steps)
    print(f"{steps:4} steps:", *invent(network, n=4))
which_two.answer(", ".join(name for name in four if name not in TRAINING))

# %% [markdown]
# Yes, *irritator* is real. Its name is what the scientists who described it felt when they found that a fossil dealer
# had lengthened its snout.
#
# Nobody told the network about *-saurus*. It plays one game: **see three letters, guess the next**. Here's all of
# that game for *minmi*; the dot marks where a name begins and ends:

# %%
padded = "...minmi."
print(*(f"{padded[i : i + 3]} -> {padded[i + 3]}" for i in range(6)), sep="   ")
x, y = windows(TRAINING)
print(
    f"{len(y):,} guesses from {len(TRAINING)} names:", *map(tuple, (x.shape, y.shape))
)

# %% [markdown]
# Row b of `x` holds three letters. Each takes 27 numbers, a 1 at its own position and 0 elsewhere, so a row has C = 81.
# `y` holds the id of the letter that came next. The network turns a row into F = 64 hidden numbers, then into V = 27
# [logits](../teaching/glossary.md#l), one per letter:
#
# h = tanh(x W₁ + b₁), logits = h W₂ + b₂
#
# These four tensors are all that training changes. tanh squeezes each number into -1 to 1. Without it, x W₁ W₂ would
# be one matrix product, and two layers could do no more than one.


# %%
def forward(weights, x):
    w1, b1, w2, b2 = weights
    h = torch.tanh(x @ w1 + b1)  # (B, C) @ (C, F) -> (B, F)
    logits = h @ w2 + b2  # (B, F) @ (F, V) -> (B, V)
    return h, logits


# %% [markdown]
# ## How wrong is a guess?
#
# After *sau*, say the network gives *r* a logit of 2, *s* 1 and *t* -1, and there are no other letters. Softmax makes
# probabilities of them (lesson 00a). The **loss** is the surprise at the letter that came: minus the natural
# logarithm of its probability, counted in [nats](../teaching/glossary.md#n).
#
# | letter | logit | e to the logit | probability | loss if it comes |
# | --- | --- | --- | --- | --- |
# | r | 2 | 7.39 | 7.39 / 10.48 = 0.705 | -ln 0.705 = 0.35 |
# | s | 1 | 2.72 | 0.260 | 1.35 |
# | t | -1 | 0.37 | 0.035 | 3.35 |
#
# Certain and right costs 0. Certain and wrong costs a lot. Over many guesses we take the mean, called
# [cross-entropy](../teaching/glossary.md#c).

# %% [markdown]
# ### Your turn: cross-entropy
#
# `logits` is (B, V), a row per guess. `targets` is (B,), the id of the letter that came. Return a tensor of one
# number, through which gradients pass. We'll also try logits of 200, where a probability gets too small for its
# logarithm: `log_softmax` takes both steps in one.


# %%
@your_turn("00b.cross_entropy", minutes=8, difficulty=2)
def cross_entropy(logits, targets):
    """The mean loss in nats, from logits (B, V) and the ids of the right letters (B,)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def cross_entropy(logits, targets):
#     """The mean loss in nats, from logits (B, V) and the ids of the right letters (B,)."""
#     log_p = logits.log_softmax(dim=-1)
#     return -log_p[torch.arange(len(targets)), targets].mean()
# ```
#
# </details>

# %%
clueless = predict_number(
    "A network gives all 27 characters the same probability. What's its loss?",
    unit="nats",
)

# %%
untrained = cross_entropy(forward(start(seed=0), x)[1], y)
clueless.answer(round(math.log(27), 2))
print(f"our untrained network: {untrained:.2f}")

# %% [markdown]
# Remember that number for any model: ln V nats, for V tokens. A run that starts far above it is sure of something
# wrong before it has learned anything. Look at its initial weights.

# %% [markdown]
# ## Which way is better?
#
# Back to r, s and t, and *r* came. Which logits should change, and by how much? Do the obvious thing: nudge each
# logit by a hair, and see what the loss does. The change of the loss per change of the logit is its **slope**.

# %%
slope_of_r = predict(
    "r has the probability 0.71, and r came. What's the slope of the loss at r's logit?",
    ["-0.71", "-0.29", "0.29", "0.71"],
)


# %%
def slopes_by_nudging(f, z, nudge=1e-5):
    nudges = nudge * torch.eye(len(z), dtype=z.dtype)
    return torch.stack([(f(z + n) - f(z - n)) / (2 * nudge) for n in nudges])


z = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64)  # r, s, t
slopes = slopes_by_nudging(lambda z: -z.log_softmax(-1)[0], z)
slope_of_r.answer(f"{slopes[0]:.2f}")
print("slopes:       ", [round(slope, 2) for slope in slopes.tolist()])
print("probabilities:", [round(p, 2) for p in z.softmax(-1).tolist()])

# %% [markdown]
# Look at both rows before you read on. The slopes of *s* and *t* **are** their probabilities, and *r* has its
# probability minus 1. So for all three:
#
# **slope = what you said - what was true**
#
# Why? The loss is ln(sum of all e^z) - z_r. The second part gives *r* a slope of -1. A nudge of z_i changes the first
# by e^(z_i) / sum, which is p_i. When a language model learns from text, every gradient begins with this difference.
# For a mean over B guesses, each row counts 1/B:


# %%
def logit_gradient(logits, targets):
    truth = torch.zeros_like(logits)
    truth[torch.arange(len(targets)), targets] = 1.0
    return (logits.softmax(dim=-1) - truth) / len(targets)  # (B, V)


# %% [markdown]
# ## Back through two layers
#
# Training changes the weights, in the two layers below the logits. Nudging all 7,003, twice each, takes 14,006 runs per
# step. [Backpropagation](../teaching/glossary.md#b) gets all slopes at the cost of about two more runs. It walks back
# from the loss by four rules, the chain rule in matrices. We write d_h for the slopes of the loss at h: its
# [gradient](../teaching/glossary.md#g), in h's shape.
#
# 1. out = a W. Then **d_W = aᵀ d_out**.
# 2. In the same product, **d_a = d_out Wᵀ**.
# 3. out = a + b, with b added to every row. Then **d_b is the sum of d_out over the rows**.
# 4. h = tanh(z). Then **d_z = d_h · (1 - h²)**, entry by entry: the slope of tanh is 1 - tanh².

# %% [markdown]
# Why rule 1? Nudge entry (i, j) of W. In every row, out_j changes by a_i times the nudge, and the loss by d_out_j
# times that. The rows add up: a sum over b of a[b, i] · d_out[b, j], and that *is* entry (i, j) of aᵀ d_out.
#
# You needn't remember which factor goes first: **the shapes find the order**. Below, h is (2, 4) and d_logits
# (2, 3). How can they give W₂'s (4, 3)?

# %%
torch.manual_seed(1)
tiny_x, tiny_y = torch.eye(5)[[0, 4]], torch.tensor([2, 0])
tiny = [torch.randn(5, 4), torch.zeros(4), torch.randn(4, 3), torch.zeros(3)]
tiny_h, tiny_logits = forward(tiny, tiny_x)
tiny_d = logit_gradient(tiny_logits, tiny_y)
diagrams.flow(
    [
        diagrams.box("x", tiny_x, "B C"),
        diagrams.arrow("@ W₁ + b₁\ntanh"),
        diagrams.box("h", tiny_h, "B F"),
        diagrams.sign("@"),
        diagrams.box("W₂", tiny[2], "F V"),
        diagrams.arrow("+ b₂"),
        diagrams.box("logits", tiny_logits, "B V"),
        diagrams.arrow("softmax\n− truth", "÷ B"),
        diagrams.box("d_logits", tiny_d, "B V"),
    ],
    title="Forward to the logits; d_logits is where the backward pass begins",
).show()

# %% [markdown]
# ### Your turn: the backward pass
#
# Return the gradients of W₁, b₁, W₂ and b₂, in this order. But walk from the end: W₂ and b₂ first, then h, then
# through tanh to z.


# %%
@your_turn("00b.backward", minutes=14, difficulty=4)
def backward(x, h, w2, d_logits):
    """The gradients of w1, b1, w2 and b2, from x (B, C), h (B, F), w2 (F, V) and d_logits (B, V)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def backward(x, h, w2, d_logits):
#     """The gradients of w1, b1, w2 and b2, from x (B, C), h (B, F), w2 (F, V) and d_logits (B, V)."""
#     d_w2 = h.T @ d_logits
#     d_b2 = d_logits.sum(dim=0)
#     d_z = (d_logits @ w2.T) * (1 - h**2)
#     d_w1 = x.T @ d_z
#     d_b1 = d_z.sum(dim=0)
#     return d_w1, d_b1, d_w2, d_b2
# ```
#
# </details>

# %% [markdown]
# Is it right on the real network, all 7,003 numbers? Ask torch's autograd, which works it out from its own rules. And
# ask a nudge, which knows no rules at all:


# %%
def gradients(weights, x, y):
    h, logits = forward(weights, x)
    return backward(x, h, weights[2], logit_gradient(logits, y))


watched = [weight.requires_grad_() for weight in start(seed=0)]
cross_entropy(forward(watched, x)[1], y).backward()
by_hand = gradients(start(seed=0), x, y)
for own, weight in zip(by_hand, watched, strict=True):
    torch.testing.assert_close(own, weight.grad, rtol=1e-3, atol=1e-6)
owner = "the course's" if origin(backward) == "the course's" else "your"
count = sum(map(torch.numel, by_hand))
print(f"All {count:,} slopes match autograd's, by {owner} backward.")

w1, b1, *others = (weight.double() for weight in start(seed=0))
nudged = slopes_by_nudging(
    lambda b1: cross_entropy(forward([w1, b1, *others], x.double())[1], y), b1
)
print(f"the slope at b₁[33]: by hand {by_hand[1][33]:.5f}, nudged {nudged[33]:.5f}")

# %% [markdown]
# ## One step down
#
# A gradient says which way the loss rises fastest. So go the other way, by a small multiple of it, the **learning
# rate**. That's gradient descent.

# %% [markdown]
# ### Your turn: the step
#
# `weights` and `gradients` are lists of tensors in the same order. Return a list of new tensors, and leave the old
# ones as they are.


# %%
@your_turn("00b.sgd_step", minutes=4, difficulty=1)
def sgd_step(weights, gradients, rate):
    """The weights after one step down, as a new list."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sgd_step(weights, gradients, rate):
#     """The weights after one step down, as a new list."""
#     return [w - rate * g for w, g in zip(weights, gradients, strict=True)]
# ```
#
# </details>

# %% [markdown]
# ## Watch it learn
#
# One line learns. No optimizer, no autograd, no library loss. You can interrupt it; what was learned stays.

# %%
held_x, held_y = windows(HELD_OUT)


def loss(weights, x, y):
    return cross_entropy(forward(weights, x)[1], y).item()


def learn(steps, rate=4.0, seed=0):
    weights = start(seed)
    plot = {"loss (nats)": ["training", "held out"]}
    watch = Watch(steps, plot, lambda: " ".join(invent(weights, n=4)))
    with watch:
        for step in watch:
            if step < 10 or step % 10 == 9:
                held_out = loss(weights, held_x, held_y)
                watch.log(training=loss(weights, x, y), held_out=held_out)
            weights = sgd_step(weights, gradients(weights, x, y), rate)
    return weights, watch.history


# %% tags=["nbval-ignore-output"]
weights, history = learn(300, seed=0)  # change this: another seed
print("ran from:", [origin(part) for part in (cross_entropy, backward, sgd_step)])

# %% tags=["test", "nbval-ignore-output"]
assert 3.2 < history["training"][0] < 3.4
assert history["training"][-1] < 1.2

# %% [markdown]
# Read down the names: letter soup turns into syllables, then into *-saurus* and *-don*. The steps use the training
# names only. The other curve is the loss on 40 real names that the network never saw. We'll come back to it.

# %% [markdown]
# ## Break it
#
# To learn what a line is for, take it out. PyTorch's `backward()` *adds* to the gradients that are there, so
# forgetting to clear them is a classic. And one control: *shuffled* takes the same slopes, and deals them to the
# wrong weights. Each line has the training loss, then the held-out loss.


# %%
def run(find=gradients, start_from=None, rate=4.0, steps=300, data=(x, y)):
    weights = start(seed=0) if start_from is None else start_from
    for _ in range(steps):
        weights = sgd_step(weights, find(weights, *data), rate)
    return weights


def never_cleared():
    kept = [0, 0, 0, 0]

    def find(weights, x, y):
        kept[:] = map(torch.add, gradients(weights, x, y), kept)
        return kept

    return find


def shuffled(weights, x, y):
    dealt = gradients(weights, x, y)
    return [g.flatten()[torch.randperm(g.numel())].view_as(g) for g in dealt]


# %% tags=["nbval-ignore-output"]
ends = {
    "as it should be": run(),
    "rate 10 times as large": run(rate=40.0),
    "rate a hundredth": run(rate=0.04),
    "slopes shuffled": run(shuffled),
    "gradients never cleared": run(never_cleared()),
    "never cleared, rate 1": run(never_cleared(), rate=1.0),
    "a quarter of the rate": run(rate=1.0),
    "your own": run(rate=8.0),  # change this: another rate
}
for idea, end in ends.items():
    nats = [f"{loss(end, *of):8.2f}" for of in ((x, y), (held_x, held_y))]
    print(f"{idea:24}", *nats, *invent(end, n=2))

# %% [markdown]
# On 5 of 5 seeds, ten times the rate overshoots, a hundredth of it is still at 2.2 nats, and shuffled slopes end far
# above where they began. Is that because their steps get longer, too? Partly. Cut to the lengths of the run that
# works, they end at 3.9 to 4.6 nats (`benchmarks/dinosaurs.py`), still worse than the 3.3 at the start. It takes
# the right direction. And, as the second row shows, the right length.
#
# Never cleared, the slopes pile up: the last step is more than 50 times as long as the first. And at a quarter of the
# rate? On 5 of 5, the same bug gets to 0.6 nats, the right code to 1.4. Old slopes act as momentum that never fades
# (lesson 08). A bug can look like a good idea, until you try new names: more than 15 nats, where the right code has
# 1.8, and an untrained network 3.3.

# %% [markdown]
# ### Zeros
#
# Why do networks start with random numbers? Let's start at 0, all 7,003 of them.

# %%
zeros = predict(
    "All weights start at 0. After 300 steps, what does it write?",
    ["any letters, all alike", "frequent letters, in any order", "dinosaurs, later"],
)

# %% tags=["nbval-ignore-output"]
asleep = run(start_from=[torch.zeros_like(weight) for weight in start()])
at_zero = loss(asleep, x, y)
found = zeros.choices[0 if at_zero > 3.2 else 1 if at_zero > 2 else 2]
zeros.answer(found, show=lambda: print(*invent(asleep, n=4)))
print(f"loss {at_zero:.2f}; moved of each:", [w.count_nonzero().item() for w in asleep])
alike = run(start_from=[torch.full_like(weight, 0.1) for weight in start()])
hidden = forward(alike, x)[0].round(decimals=4)
print(f"all at 0.1: {loss(alike, x, y):.2f}; h of a row:", *hidden[0].unique())

# %% [markdown]
# Only b₂ moved: how frequent each letter is. Look at your `backward` to see why. W₂'s gradient is made of h, which is
# 0; what comes back to h is made of W₂, which is 0. The error is there, but no path leads back from it. So start
# at 0.1? Then all of them move, but the 64 hidden numbers stay equal, as if there were one.

# %% [markdown]
# ## How low can it go?
#
# Training loss has a **floor**, and you can count it. After *aur*, our names have *u* 59 times, *o* 4 times and *a* 3
# times. Nobody who sees three letters can do better than to know how often each one follows. That's a
# table of counts, and its mean surprise is the lowest loss that this network can reach:

# %%
follows = defaultdict(Counter)
for context, target in zip(map(tuple, x.tolist()), y.tolist(), strict=True):
    follows[context][target] += 1
rows = follows.values()
surprises = [n * math.log(row.total() / n) for row in rows for n in row.values()]
floor = sum(surprises) / len(y)
print(f"{len(follows)} different contexts; floor {floor:.3f} nats")

# %% [markdown]
# If a loss is *below* the floor, you have found a bug, not a genius: the network sees the letter that it should
# guess, or you divide by too much.

# %%
longer = predict(
    "Ten times more steps: 3,000. Where does the loss on the 40 held-out names end?",
    ["below 2 nats", "between 2 and 3.3", "above 3.3: worse than untrained"],
)

# %% tags=["nbval-ignore-output"]
well_read, long_history = learn(3000)
first, *_, last = long_history["held out"]
if whole := len(long_history["held out"]) == 309:  # you didn't interrupt it
    longer.answer(longer.choices[0 if last < 2 else 1 if last < first else 2])
print(f"training {long_history['training'][-1]:.3f}, floor {floor:.3f}")

# %% tags=["test", "nbval-ignore-output"]
assert floor < long_history["training"][-1] < floor + 0.1
assert last > first

# %% [markdown]
# Now look at what it invents. How many are simply names from the training list?

# %%
copied = predict_number(
    "Of 200 names that it invents now, how many are copies?", unit="of 200"
)

# %% tags=["nbval-ignore-output"]
invented, before = invent(well_read, 200), copies(invent(run(), 200))
if whole:
    copied.answer(copies(invented), show=lambda: print(f"after 300 steps: {before}"))
print(*invented[:8])

# %% [markdown]
# Both losses once more, the steps on a logarithmic axis, and the floor beside them:

# %% tags=["nbval-ignore-output"]
at = [*range(1, 11), *range(20, 10 * len(long_history["held out"]) - 89, 10)]
show(
    lines(long_history, "step", "nats", at, {"floor": floor}, log_x=True, ylim=(0, 4)),
    title="Training loss nears its floor; held-out loss turns around early",
    alt=f"Held out: {min(long_history['held out']):.2f} at its lowest, {last:.2f} at the end",
)

# %% [markdown]
# One falls while the other rises: that's [overfitting](../teaching/glossary.md#o). One seed proves little, so here are
# five, with their standard deviation (`benchmarks/dinosaurs.py`):

# %%
measured = read_json(Path("../benchmarks/results/dinosaurs.json"))
print(*measured["table"][:-1], sep="\n")

# %% [markdown]
# Of these seven steps, the held-out loss is lowest at 30, on 5 of 5 seeds. By 3,000 it has doubled, and is worse than
# that of a network that has learned nothing.
#
# And the network copies. Do only networks do that? The dumbest learner there is draws each letter from the table of
# counts that you made for the floor.

# %%
by_counts = predict_number(
    "Of 200 names drawn from the table of counts, how many are copies?", unit="of 200"
)

# %%
drawn = measured["table copies"]
last_row = measured["table"][-1]
by_counts.answer(round(sum(drawn) / len(drawn)), show=lambda: print(last_row))

# %% [markdown]
# As many as the network. At its floor, a network says what the counts say, and 505 of our 634 contexts are followed by
# one letter only.
#
# Yet at 30 steps, the network was *better* on new names: 1.79 nats. The table has 1.94 at its best, with a bit added
# to each count, so that nothing new has the probability 0. Is the network beyond counting? No: counts that fall back on
# fewer letters where three are rare (Witten and Bell 1991) get 1.80, or 1.65 with the best of five weights. All but
# the 1.80 were picked by looking at these names, so don't trust their last digits.

# %% [markdown]
# **Verdict: the first half is true.** Training made the error smaller, down to its floor, and dinosaurs came out. The
# second half isn't: ten times more steps, a smaller training loss, and worse guesses on new names. No gradient ever
# looked at those. So real runs watch held-out loss.

# %% [markdown]
# ### Your own names
#
# Towns, dishes, trees, your colleagues: put in thirty or more, one word each, letters a to z only.

# %% tags=["nbval-ignore-output"]
my_names = """athens barcelona berlin bratislava brussels bucharest budapest copenhagen dublin
florence geneva helsinki lisbon ljubljana london madrid naples oslo paris prague riga rome
salzburg sofia stockholm tallinn valencia venice vienna warsaw"""  # change this
print(*invent(run(steps=100, data=windows(my_names.split())), n=8))

# %% [markdown]
# > **Where the picture simplifies.** We use all 1,552 guesses in each step. Real training takes a random batch, so
# > its gradient is an estimate. Real optimizers choose a rate per weight (AdamW, lesson 08). The rate of 4 was found
# > by trying. And a gradient isn't the only way to learn: the table learned by counting.

# %% [markdown]
# > **At scale.** Same loss, same way back with a few more rules, nearly the same step. Per layer there is one product
# > forward and two back, so training costs three times a forward pass: about 6 operations per weight and token. GPT-3
# > has 175 billion weights and read 300 billion tokens: 3.15e23 operations. Nobody knows the floor of the internet.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** Somebody leaves out `* (1 - h**2)`. What do they see? (a) An error. (b) The loss explodes. (c) The loss
# falls, more slowly.
#
# <details><summary>Open 1</summary>
#
# **(c)**. After 300 steps it is 1.32 instead of 0.90 (means of 5 seeds), and it still writes *theosaurus*. Not (a): the
# shapes are the same. Not (b), at this rate: 1 - h² is positive, so each hidden slope keeps its sign. The loss alone
# doesn't show such a bug; a check against nudges or autograd does.
# </details>
#
# **2.** An untrained model with 50,000 tokens starts at a loss of 10.8. A friend's starts at 15.6. Whose is better?
# (a) Yours. (b) The friend's has a bug. (c) Neither, perhaps.
#
# <details><summary>Open 2</summary>
#
# **(c)**. ln 50,000 is 10.8 and log₂ 50,000 is 15.6: nats and bits of the same ignorance. (a) compares numbers with
# different units. (b) would be right if both counted nats.
# </details>
#
# **3.** W₂ starts at 0 and W₁ at random. What moves in the first step? (a) Only b₂. (b) W₂ and b₂. (c) Everything.
#
# <details><summary>Open 3</summary>
#
# **(b)**. W₂'s gradient is hᵀ d_logits, and h isn't 0 this time, so (a) is too little. What goes back to h is
# d_logits W₂ᵀ, which is 0, so (c) is too much. From the second step on, everything moves.
# </details>
#
# **4.** A larger network that sees three letters reports 0.45 nats on our training names. The floor is 0.517. (a)
# Larger networks are better. (b) Something is wrong with the measurement. (c) The floor is only an estimate.
#
# <details><summary>Open 4</summary>
#
# **(b)**. On these very names, nothing that sees three letters gets below the counts, so (a) can't help. (c) would be
# fair on *new* names; on these the floor is counted. Mostly such a model sees the letter that it should guess.
# </details>

# %%
mine.map(lesson="00b")

# %% [markdown]
# **What you wrote**: the loss, the backward pass and the step. 7,003 numbers learned on your code, and it agrees with
# autograd on each of them.
#
# **What you measured**: training loss fell to within 0.02 nats of its counted floor, while held-out loss rose from 1.79
# to 3.58. Counts that fall back on shorter contexts get 1.80 on new names, or 1.65 at their best.
#
# **Yours to keep**: `mine/learning.py` in your workbook.
#
# **Graded questions**, with checks that name the mistake:
# [exercise 00b](../exercises/00b_learning/00b_learning.ipynb).
#
# **Next**: [lesson 01](01_tokenizer.ipynb), where text becomes ids: not letter by letter, and not word by word.
