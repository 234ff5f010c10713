# %% [markdown]
# # 00a · Tensors: the arithmetic that learns
#
# **You will build** a small neural network that guesses the next letter of a word, and you will build all of it: its
# probabilities, its loss, the slopes of its loss, and the step that makes it better. PyTorch can do each of these for
# you. Here it is only asked whether it agrees.
#
# **The claim**: a gradient is all the learning there is. The overview from which this course started describes training
# as a "forward pass + backpropagation" that goes on "minimizing the error in predicting the next word". If that is the
# whole story, a network that is told nothing but "this number a little up, that one a little down" must end up knowing
# all that can be known. At the end you give it a task where *all that can be known* is a number that you can count, and
# see how near it gets.
#
# **Time**: 75 minutes, best in two sittings (the place for a break is marked); two sections marked *optional* take ten
# more. The cells themselves run in under one.
#
# **Before you start**: Python lists and functions, what a matrix is, and e and its logarithm. No PyTorch, and no
# calculus beyond "the slope of a curve".
#
# Run a cell with Shift+Enter, from top to bottom. Change the numbers, run it again; nothing here can break.

# %%
import inspect
import math
import random
import re
import time
from itertools import pairwise

import torch
from ipywidgets import FloatSlider

from minillm import ModelConfig, Transformer, world
from minillm.losses import next_token_loss, token_log_probs
from minillm.pretrained import load
from minillm.viz.explorer import Explorer
from minillm.viz.figures import RED, bars, computation_graph, heat_map, lines, show

torch.set_num_threads(1)  # tiny tensors: two threads would mostly wait for each other

# %% [markdown]
# ## Why tensors?
#
# Open a language model and look what is inside. This one is the course's own, the one that you will train in lesson 08.
# It was made a moment ago, so it knows nothing yet.

# %%
model = Transformer(ModelConfig.preset("tiny"))
boxes = dict(model.named_parameters())
numbers = sum(box.numel() for box in boxes.values())
print(f"{len(boxes)} boxes hold {numbers:,} numbers; among them:")
some = ["embedding.weight", "blocks.0.attention.query.weight", "final_norm.weight"]
for name in some:
    print(f"  {name:32} {tuple(boxes[name].shape)}")
assert numbers == sum(math.prod(box.shape) for box in boxes.values())

# %% [markdown]
# A few dozen boxes of numbers. That is the model: no rules of grammar, no list of facts, no `if`. Training changes the
# numbers and nothing else, and what the finished model "knows" is what stands in these boxes.
#
# A box of numbers with a shape is a **tensor**: one number, a row, a table, a stack of tables, and so on. This lesson
# is about what can be done with tensors, and there are just two things: run them forwards to get a guess, run them
# backwards to get better at guessing.
#
# ## Shape and dtype
#
# Let us make one. Letters first have to become numbers; we take their place in the alphabet. The dot in front has
# number 0. It will mark where a word begins and ends.

# %%
LETTERS = ".abcdefghijklmnopqrstuvwxyz"


def encode(word):
    return [LETTERS.index(letter) for letter in word]


def decode(ids):
    return "".join(LETTERS[id] for id in ids.tolist())


ids = torch.tensor([encode("mira"), encode("bram"), encode("nell")])
print(ids, tuple(ids.shape), ids.dtype)
assert decode(ids[0]) == "mira"

# %% [markdown]
# Mira the baker, Bram the ferryman and Nell the weaver live in Ottermere, the small kingdom whose texts this course
# trains on. You will meet its words again at the end.
#
# A tensor has a **shape**, here (3, 4): three words of four letters. And it has one **dtype** for all its numbers, here
# 64-bit whole numbers. In this course every size has a letter, the same in each lesson, figure and line of the package.
# You need five of them now:
#
# | letter | counts | for example |
# | --- | --- | --- |
# | B | the *batch*: texts that are worked on at once | 3 words |
# | T | places in the text, its *time* | 4 letters |
# | C | numbers that stand for one token (*channels*) | 2, below |
# | F | numbers in the hidden layer of a network | 64, at the end |
# | V | the *vocabulary*: how many tokens there are | 27 |
#
# So `ids` is (B, T). Why do the letters matter so much? Because nearly every mistake with tensors is a mistake about
# shapes, and the worst ones raise no error. Two of these are in this lesson, and a third trap that raises no error.
#
# An id is a name, not an amount: *b* is not twice *a*. A network needs amounts, so a table gives each letter a row of C
# numbers, and indexing it with a whole tensor of ids looks all of them up at once:

# %%
table = torch.arange(54.0).reshape(27, 2)  # (V, C): 0.0, 1.0, ... in rows of two
vectors = table[ids]  # (B, T) ids -> (B, T, C) vectors
print(tuple(table.shape), table.dtype, "->", tuple(vectors.shape))
assert vectors[0, 1].tolist() == table[LETTERS.index("i")].tolist()

# %% [markdown]
# `float32` is the usual dtype: 32 bits, which keep 24 binary digits (and where the point stands). It is worth knowing
# where they run out.

# %%
large = torch.tensor(16_777_216.0)  # 2 to the power of 24
print(f"{large:,.0f} plus one is {large + 1:,.0f}")
assert large + 1 == large

# %% [markdown]
# A counter in float32 stops at sixteen million and says nothing. Large models use `bfloat16`, with 8 bits for the
# digits. Where does *that* stop counting? Guess before you run it:

# %%
small = torch.tensor(256.0, dtype=torch.bfloat16)
print(f"{small:.0f} plus one is {small + 1:.0f}")
assert small + 1 == small

# %% [markdown]
# At 256. Still, such models learn, because they need a fair idea of many numbers rather than an exact one of few. But
# it is why a loss is added up in float32 at least, and why this lesson uses `float64`, 53 bits, where it measures.
#
# ## Indexing, and who owns the numbers
#
# Indices go in the order of the shape. A colon means *all of them*, three dots *all of them on every axis that is not
# named*, -1 the last, and `None` puts in a new axis of size 1.

# %%
print("the word 0:      ", ids[0].tolist(), decode(ids[0]))
print("every first:     ", ids[:, 0].tolist(), decode(ids[:, 0]))
print("every last:      ", ids[..., -1].tolist(), decode(ids[..., -1]))
print("with a new axis: ", tuple(ids[:, None].shape), tuple(ids[..., None].shape))
assert ids[:, None].shape == (3, 1, 4)

# %% [markdown]
# Now take out a word and change it:

# %%
kingdom = ids.clone()
word = kingdom[0]
word[0] = LETTERS.index("l")
print(decode(word), "| in the kingdom:", decode(kingdom[0]))
assert decode(kingdom[0]) == "lira"

# %% [markdown]
# We changed `word`, and Mira was renamed in the whole kingdom. `kingdom[0]` is a **view**: a second look at the same
# numbers. Why does torch work like that? Because copying costs time, and a model's boxes are large. The rule of thumb:
#
# - slices and single indices, `view`, `transpose` and `.T` give views;
# - a list or a tensor as index, and all arithmetic, give **copies**; so does `clone`, always;
# - `reshape` gives a view where it can and a copy where it must, so never rely on which.

# %%
copy = kingdom[[0]][0]  # a list as index: a copy
copy[0] = LETTERS.index("m")
print(decode(copy), "| in the kingdom:", decode(kingdom[0]))
assert decode(kingdom[0]) == "lira"

# %% [markdown]
# A view can also have another shape, and here is the first trap. You have three words in rows and want them in columns.
# Two lines of code suggest themselves, and both give (4, 3). Which one is right?

# %%
turned, refilled = ids.T, ids.reshape(4, 3)
print([decode(column) for column in turned.T], [decode(row) for row in refilled])
assert turned.shape == refilled.shape
assert not torch.equal(turned, refilled)

# %% [markdown]
# `.T` swaps the axes: each word is a column. `reshape` reads all numbers in order, *m i r a b r a m n e l l*, and fills
# them into the new shape: *mir, abr, amn, ell*. The shapes agree and the words are lost. **Use `transpose` to swap
# axes, and `reshape` only to split an axis or to join neighbours.**
#
# And when PyTorch refuses a `view`, as it now does, it is telling you that the numbers do not lie in memory in the
# order that you want to read. `reshape` copies them where it must.

# %%
try:
    ids.T.view(12)
except RuntimeError as error:
    print(str(error).split(" (")[0])
print(decode(ids.T.reshape(12)))
assert ids.T.reshape(12)[:3].tolist() == ids[:, 0].tolist()

# %% [markdown]
# ## Broadcasting, and the trap in it
#
# Add two tensors and torch adds them number by number. What if the shapes differ? Then it *broadcasts*. Write the
# shapes flush right. Where one of them has a 1, or nothing at all, it is repeated until it fits:
#
# ```
# vectors   (B, T, C)   3  4  2
# place        (T, C)      4  2      the same place vectors for all words
# ```

# %%
place = torch.tensor([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [0.4, 0.0]])  # (T, C)
placed = vectors + place
for b in range(3):
    torch.testing.assert_close(placed[b], vectors[b] + place)
print(tuple(vectors.shape), "+", tuple(place.shape), "->", tuple(placed.shape))

# %% [markdown]
# When the shapes do not fit you get an error, and that is the good case. Say you want to subtract each row's mean:

# %%
marks = torch.tensor([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 4.0, 8.0]])
try:
    marks - marks.mean(dim=1)
except RuntimeError as error:
    print(error)
print(marks - marks.mean(dim=1, keepdim=True))

# %% [markdown]
# The mean over axis 1 leaves (3,), which flush right stands under the *columns*. `keepdim=True` leaves (3, 1), one mean
# per row. It reads like a nuisance. But picture `marks` with three columns instead of four. Then (3, 3) minus (3,)
# fits, and the wrong means are subtracted without a word.
#
# That is the second trap, and its most famous form is in a loss. A network answers with one number per text, shape (B,
# 1). The right answers are a plain list, shape (B,). This network is *perfect*, so its mean squared error must be 0:

# %%
answer = torch.tensor([[1.0], [2.0], [3.0], [4.0]])  # (B, 1)
right = torch.tensor([1.0, 2.0, 3.0, 4.0])  # (B,)
error = answer - right
lazy = torch.full((4, 1), 2.5) - right  # a network that always answers 2.5
print("the perfect network: ", (error**2).mean().item(), tuple(error.shape))
print("always answering 2.5:", (lazy**2).mean().item())
assert (answer[:, 0] - right).abs().max() == 0
assert (lazy**2).mean() < (error**2).mean()

# %%
show(
    heat_map(error, axes="answer right"),
    alt="A table of 4 times 4 differences. Only the four on the diagonal were wanted, "
    "and they are 0; the other twelve compare the answer to one text with the right "
    "answer to another.",
)

# %% [markdown]
# (B, 1) against (B,) makes (B, B): every answer is compared with every text. Nothing crashes. Worse, this loss likes a
# network that always says 2.5 better than the perfect one, because the mean of all right answers is the best reply to
# all columns at once. So training goes on, the loss falls, and what is learnt is to say the mean to everybody. The cure
# costs one line: **assert the shape of what goes into a loss.**
#
# ## Matrix multiplication: many dot products
#
# The one operation that fills nearly all of a model's time begins with something smaller. The **dot product** of two
# vectors multiplies them place by place and adds up. It says how much the two agree: large when they are large at the
# same places, 0 when they have nothing in common, negative when they pull against each other.
#
# `a @ b` is all dot products of the rows of a with the columns of b, in a table:


# %%
def matmul_by_loops(a, b):
    """(B, C) @ (C, F): entry (i, j) is the dot product of row i and column j."""
    result = torch.zeros(len(a), b.shape[1])
    for i, row in enumerate(a.tolist()):
        for j, column in enumerate(b.T.tolist()):
            result[i, j] = sum(x * y for x, y in zip(row, column, strict=True))
    return result


a = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])  # (B, C) = (2, 3)
b = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 4.0]])  # (C, F) = (3, 2)
print(a @ b)
torch.testing.assert_close(matmul_by_loops(a, b), a @ b)

# %% [markdown]
# The inner sizes must agree and vanish: (B, **C**) @ (**C**, F) is (B, F). Remember only that, and most formulas of
# this course can be read off their shapes.
#
# Why not keep the loops, if they give the same? Measure (your numbers will differ):

# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
wide_a, wide_b = torch.randn(128, 128), torch.randn(128, 128)


def seconds(multiply, repeats):
    """The fastest of some calls: others may be using this computer too."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        multiply(wide_a, wide_b)
        times.append(time.perf_counter() - start)
    return min(times)


loops, at_once = seconds(matmul_by_loops, repeats=1), seconds(torch.matmul, repeats=20)
print(f"{2 * 128**3:,} operations: loops {loops:.3f} s, @ {at_once:.6f} s")
print(f"{loops / at_once:,.0f} times as fast")

# %% [markdown]
# That factor is why tensors exist. A loop in Python asks, for every single number, what it is and what to do with it.
# `@` asks once, and then runs through memory with all that the processor has. (Four million operations: each of the 128
# · 128 results takes 128 multiplications and 128 additions. This is how FLOPs are counted.)
#
# With more axes in front, `@` multiplies the last two and treats the others as a stack. Two cases are enough for a
# whole transformer:

# %%
torch.manual_seed(0)
x = torch.randn(3, 4, 2)  # (B, T, C)
weight = torch.randn(2, 5)  # (C, F)
layer = x @ weight  # (B, T, F): one weight for every place of every text
scores = x @ x.transpose(1, 2)  # (B, T, T): in each text, every place with every place
print(tuple(layer.shape), tuple(scores.shape))
torch.testing.assert_close(layer[1, 2], x[1, 2] @ weight)
torch.testing.assert_close(scores[1], matmul_by_loops(x[1], x[1].T))

# %% [markdown]
# The first is a layer. The second is the heart of attention, and lesson 04 is about those scores.
#
# ## Softmax: from scores to probabilities
#
# Now for guessing. *Mira opened the oven and took out the ...* Our vocabulary has three words, and some network gave
# each a score. Such scores are called **logits**; they can be any numbers. How do we make probabilities of them, all
# positive and adding up to 1? Raise e to each, then divide by the sum:

# %%
WORDS = ["bread", "cake", "clocks"]
logits = torch.tensor([2.0, 1.0, -1.0])


def softmax_by_hand(logits):
    powers = logits.exp()
    return powers / powers.sum(-1, keepdim=True)


p = softmax_by_hand(logits)
print(p)
torch.testing.assert_close(p, logits.softmax(-1))
assert p.sum().isclose(torch.tensor(1.0))

# %% [markdown]
# Why e, why not simply divide the scores by their sum? Because scores can be negative, and because of what *adding*
# then means: one more point on a logit multiplies the odds by e, wherever you start. (And `-1`, the last axis, is the
# one that must add up to 1. Softmax over the wrong axis is a favourite bug; it too raises no error.)
#
# Now give it more confident scores:

# %%
confident = torch.tensor([200.0, 199.0, 0.0])
print("by hand:", softmax_by_hand(confident))
print("torch:  ", confident.softmax(-1))
assert softmax_by_hand(confident).isnan().any()

# %% [markdown]
# `nan` is *not a number*: e to the 200 is too large for float32 (anything above e to the 88.7 is), it becomes infinity,
# and infinity divided by infinity is nothing. Yet the answer is harmless, 0.7311 and 0.2689. How does torch get it?
#
# It subtracts the largest logit first. That changes nothing: e^(z - m) is e^z divided by e^m, so every power is divided
# by the same number, and so is their sum. Only *differences* of logits count. And now the largest power is e^0 = 1.


# %%
def stable_softmax(logits):
    powers = (logits - logits.max(-1, keepdim=True).values).exp()
    return powers / powers.sum(-1, keepdim=True)


torch.testing.assert_close(stable_softmax(confident), confident.softmax(-1))
torch.testing.assert_close(stable_softmax(logits), stable_softmax(logits + 7))

# %% [markdown]
# Underflow is the other end of it, and subtle. *clocks* in `confident` has a probability of about e^-200. That is too
# small for float32, so it is rounded to 0. Soon we shall need its logarithm, and the logarithm of 0 is minus infinity.
# The true one is an ordinary number, about -200. So never take the log of a softmax; take both in one go: log(e^z /
# sum) is z minus log(sum).


# %%
def log_softmax_by_hand(logits):
    shifted = logits - logits.max(-1, keepdim=True).values
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


print("log of softmax:", confident.softmax(-1).log())
print("log_softmax:   ", log_softmax_by_hand(confident))
torch.testing.assert_close(log_softmax_by_hand(confident), confident.log_softmax(-1))

# %% [markdown]
# ## How wrong is a guess? Surprise, in bits and nats
#
# A network says *bread* 0.71. Then the word comes. How good was the guess? We want a number that is 0 if the word had
# probability 1, and that *adds up* over a text whose probabilities multiply. That leaves only one choice, minus the
# logarithm of the probability that the word had. It is called the **surprise**. With the base 2 it is counted in
# **bits**, with the base e in **nats**; a nat is 1.4427 bits.

# %%
for chance in [1, 1 / 2, 1 / 4, 1 / 27]:
    nats = math.log(1 / chance)
    print(f"probability {chance:.4f}: {nats:.4f} nats = {nats / math.log(2):.4f} bits")
assert -math.log2(1 / 4) == 2

# %% [markdown]
# A bit has a plain meaning: one question with a yes or no, asked well. Suppose that of the things in Mira's oven a half
# is *bread*, a quarter *cake* and a quarter *clocks* (she is married to the clockmaker). You may ask. You say "Is it
# bread?", and half the time you are done; else you ask once more. On average that is 1.5 questions, and it is the mean
# surprise of someone who knows the truth. This is the **entropy**: what nobody can save. (Where the chances are not
# halves of halves, one asks about many loaves together, and bits may be fractions.)
#
# Now somebody believes that *clocks* are a half and the other two a quarter each. So they ask for clocks first. They
# still get there, but they need more questions. What they need is the **cross-entropy** of the truth and their guess:

# %%
truth = torch.tensor([1 / 2, 1 / 4, 1 / 4])
guess = torch.tensor([1 / 4, 1 / 4, 1 / 2])
entropy = -(truth * truth.log2()).sum()
cross_entropy = -(truth * guess.log2()).sum()
for name, bits in [("entropy", entropy), ("cross-entropy", cross_entropy)]:
    print(f"{name:13} {bits:.4f} bits = {bits * math.log(2):.4f} nats")
assert abs(entropy - 1.5) < 1e-6
assert abs(cross_entropy - 1.75) < 1e-6

# %% [markdown]
# A quarter of a question wasted each time, on average, for believing the wrong thing. That difference is the
# **Kullback-Leibler divergence**, KL(truth, guess):
#
# > cross-entropy = entropy + KL: what you pay = what nobody can save + what your mistakes cost.
#
# It is never negative, and 0 only if the guess is the truth. It is not a distance, because it has a direction. Watch
# what happens to somebody who is *sure* that clocks are never baked:


# %%
def kl_in_bits(truth, guess):
    possible = truth > 0  # what never happens costs nothing
    return (truth[possible] * (truth[possible] / guess[possible]).log2()).sum()


stubborn = torch.tensor([1 / 2, 1 / 2, 0.0])
print(f"KL(truth, guess)    = {kl_in_bits(truth, guess):.4f} bits")
print(f"KL(truth, stubborn) = {kl_in_bits(truth, stubborn):.4f} bits")
print(f"KL(stubborn, truth) = {kl_in_bits(stubborn, truth):.4f} bits")
torch.testing.assert_close(kl_in_bits(truth, guess), cross_entropy - entropy)

# %% [markdown]
# A single wrong zero costs infinitely much. Keep it in mind; it will return near the end.
#
# ## The loss of a language model
#
# In training, the truth about one place in one text is simply the word that came: probability 1 for it, 0 for all
# others. The entropy of that is 0, and of the cross-entropy a single term is left: the surprise of the word that came.
# Its mean over all places is *the* loss of this course. (Over all *places*: the mean of the means of a long and a short
# batch is another number.)
#
# At each place the target is the token that comes **next**, so the targets are the text itself, shifted by one. Which
# way? Look at one window before you train on a million of them. A shift that is wrong or forgotten is among the
# commonest bugs, and it too raises no error:

# %%
window = torch.tensor(encode("mira."))
inputs, following = window[:-1], window[1:]
for seen, comes in zip(inputs, following, strict=True):
    print(LETTERS[seen], "->", LETTERS[comes])
assert decode(inputs) == "mira"
assert decode(following) == "ira."

# %% [markdown]
# Without the shift the network is asked for the letter that it was just shown. It learns to copy, and the loss goes to
# 0, which is far too good (question 5). Now the loss by hand, with (B, T, V) logits and (B, T) targets:


# %%
def loss_by_loops(logits, targets):
    surprises = []
    for b in range(targets.shape[0]):
        for t in range(targets.shape[1]):
            surprises.append(-log_softmax_by_hand(logits[b, t])[targets[b, t]])
    return sum(surprises) / len(surprises)


torch.manual_seed(0)
scores = torch.randn(3, 4, 27)  # a network without any idea
targets = torch.tensor([encode("ira."), encode("ram."), encode("ell.")])
loss = next_token_loss(scores, targets)
torch.testing.assert_close(loss_by_loops(scores, targets), loss)

# %% [markdown]
# The package does the same without loops. To read its source: `Float[Tensor, "*B T V"]` is a note about the shape, `F`
# is `torch.nn.functional`, and `gather` picks from each row the entry that the target names. `IGNORE` marks targets
# that shall not count, such as the blanks that fill up a short text; a batch of nothing else is refused, since a mean
# over nothing is `nan`.

# %%
print(inspect.getsource(next_token_loss))
print(inspect.getsource(token_log_probs))

# %% [markdown]
# One value of this loss you should always have in your head. Somebody who knows nothing gives each of V tokens 1/V, and
# is surprised by ln V every time. It is the loss at which an untrained network should start, and the first thing to
# check when a run looks odd.

# %%
knows_nothing = next_token_loss(torch.zeros(3, 4, 27), targets)
print(f"27 letters, no idea: {knows_nothing:.4f} nats; ln 27 = {math.log(27):.4f}")
torch.testing.assert_close(knows_nothing.item(), math.log(27))

# %% [markdown]
# *Half-way, and a good place for a break. Nothing has learnt anything so far.*
#
# ## Slopes: which way is better?
#
# The network said 2, 1, -1, and *bread* came. Which logits should it have changed, and by how much? Do the obvious
# thing: nudge each a little, once up and once down, look what the loss does, and note the **slope**, the change of the
# loss per change of the logit.


# %%
def loss_if_bread_came(logits):
    return -logits.log_softmax(-1)[0]


def slopes_by_nudging(f, x, nudge=1e-5):
    slopes = torch.zeros_like(x)
    for i in range(len(x)):
        step = torch.zeros_like(x)
        step[i] = nudge
        slopes[i] = (f(x + step) - f(x - step)) / (2 * nudge)
    return slopes


slopes = slopes_by_nudging(loss_if_bread_came, logits.double())
print("slopes:       ", slopes)
print("probabilities:", logits.double().softmax(-1))
assert slopes[0] < 0 < slopes[1]

# %% [markdown]
# Look at the two rows before you read on. The slopes of *cake* and *clocks* **are** their probabilities. And *bread*
# has its probability minus 1. So for all three:
#
# > slope = what you said - what was true
#
# Here is why. The loss is log(sum of e^z) minus the logit of *bread*. The second part has slope -1, for bread only. And
# nudging z_i changes the log of the sum by e^(z_i) / sum, which is p_i. This difference is where every gradient in
# every language model starts, and it is easily said in words: lower each wrong word as much as you believed in it. It
# is 0 only when you said exactly what was true.

# %%
came = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
torch.testing.assert_close(slopes, logits.double().softmax(-1) - came)

# %% [markdown]
# Try it. The explorer has all of this lesson so far in one picture: logits, temperature (which divides them), softmax,
# the surprise and the slopes. Find out:
#
# - What changes if all three logits go up by the same amount?
# - Make the network sure of *cake* when *bread* comes. How steep can a slope get?
# - What does a high temperature do to that slope?


# %%
def guess_a_word(bread, cake, clocks, temperature, came):
    p = (torch.tensor([bread, cake, clocks]) / temperature).softmax(-1)
    true = WORDS.index(came)
    slopes = (p - torch.eye(3)[true]) / temperature  # eye(3)[true]: 1 where it came
    labels = [f"{WORDS[i]} (slope {slopes[i]:+.2f})" for i in range(3)]
    figure = bars(labels, p, unit="probability", digits=3)
    figure.axes[0].set_xlim(0, 1.1)
    figure.axes[0].patches[true].set_facecolor(RED)
    nats = -p[true].log().item()
    bits = nats / math.log(2)
    return figure, f"{came} came: a surprise of {nats:.2f} nats, or {bits:.2f} bits."


assert "0.35 nats, or 0.50 bits" in guess_a_word(2.0, 1.0, -1.0, 1.0, "bread")[1]
Explorer(
    guess_a_word,
    bread=FloatSlider(2.0, min=-4, max=4, step=0.5),
    cake=FloatSlider(1.0, min=-4, max=4, step=0.5),
    clocks=FloatSlider(-1.0, min=-4, max=4, step=0.5),
    temperature=FloatSlider(1.0, min=0.2, max=4.0, step=0.1),
    came=WORDS,
)

# %% [markdown]
# (Nothing changes; only differences count. No slope gets steeper than 1, so however wrong the network is, a single word
# pulls at a logit with no more than that; only a temperature below 1 makes it steeper. A high one makes everything
# flatter, because the logits are divided by it before they count.)
#
# Nudging has two faults. One is rounding. Choose the nudge too small and it vanishes in the last digit, as the one did
# in sixteen million:

# %%
too_small = slopes_by_nudging(loss_if_bread_came, logits, nudge=1e-8)
print("nudged by 0.00000001, in float32:", too_small)
assert (too_small == 0).all()

# %% [markdown]
# The other is the price. Each slope needs two runs of the network, and our small model has 1.4 million numbers. Nearly
# three million runs for *one* step of learning! What saves us is an idea that Linnainmaa published in 1970: it gets
# all slopes together, for the price of about two more runs.
#
# ## Backwards through a graph
#
# Take a network small enough to see: one weight, one bias, and the loss is a square.
#
# ```mermaid
# graph LR
#     W["w = 2"] --> A["a = w · x = 6"]
#     X["x = 3"] --> A
#     A --> C["c = a + b = 2"]
#     B["b = -4"] --> C
#     C --> L["loss = c² = 4"]
# ```
#
# Ask each box only what it can know: *if what you receive goes up by a little, how much does what you give go up?* The
# square at c = 2 says: 4 times as much. The sum says: 1 time. The product says for w: x times as much, so 3. Then walk
# **back** from the loss, and multiply on the way:
#
# | box | its own slope | slope of the loss |
# | --- | --- | --- |
# | c | 2c = 4 | 4 |
# | a | 1 | 4 · 1 = 4 |
# | b | 1 | 4 · 1 = 4 |
# | w | x = 3 | 4 · 3 = 12 |
# | x | w = 2 | 4 · 2 = 8 |
#
# That is the **chain rule**, and the walk is **backpropagation**. Each slope was used by all boxes behind it, so one
# walk served them all. PyTorch notes down the graph while it computes, for every tensor made with `requires_grad=True`.
# `backward()` takes the walk, and leaves in `.grad` what it found for w, x and b, the ends. (For the picture we want
# the slopes in between as well, so we ask for these by name.)

# %%
w = torch.tensor(2.0, requires_grad=True)
x = torch.tensor(3.0, requires_grad=True)
b = torch.tensor(-4.0, requires_grad=True)
a = w * x
c = a + b
loss = c**2
everything = torch.autograd.grad(  # retain_graph: the notes are needed once more
    loss, [w, x, a, b, c, loss], retain_graph=True
)
loss.backward()
print(f"w {w.grad:.4f}   x {x.grad:.4f}   b {b.grad:.4f}")
assert (w.grad, x.grad, b.grad) == (12, 8, 4)

# %%
formulas = {"w": "", "x": "", "a": "w * x", "b": "", "c": "a + b", "loss": "c**2"}
values = dict(zip(formulas, [w, x, a, b, c, loss], strict=True))
show(
    computation_graph(formulas, values, dict(zip(formulas, everything, strict=True))),
    alt="The graph with its values and, in red, the slope of the loss by each: 1 at "
    "the loss itself, 4 at c, a and b, 12 at w and 8 at x.",
)

# %% [markdown]
# And if a number is used *twice*? Take w · w at w = 3. The nudge arrives by two ways, each with slope 3, and what
# arrives by several ways adds up: 6, which is the 2w from school.

# %%
w = torch.tensor(3.0, requires_grad=True)
(w * w).backward()
print(w.grad)
assert w.grad == 3 + 3

# %% [markdown]
# **Slopes of several ways add up.** In a language model this happens all the time: the row of the letter *a* is used
# wherever an *a* stands in the batch.
#
# It also explains the third trap. PyTorch *adds* to `.grad`; it cannot know whether your second `backward()` is another
# way through the same step or the beginning of the next step. You have to say so, by `w.grad = None` or an optimizer's
# `zero_grad()`. What if you forget? Let w walk down to the bottom of (w - 3)², a tenth of the slope at a time:


# %%
def walk_down(forget):
    w, path = torch.tensor(0.0, requires_grad=True), []
    for _ in range(45):
        path.append(w.item())
        ((w - 3) ** 2).backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        if not forget:
            w.grad = None
    return path


good, forgetful = walk_down(forget=False), walk_down(forget=True)
assert abs(good[-1] - 3) < 0.01
assert max(forgetful[20:]) > 5.9

# %%
show(
    lines({"slopes cleared": good, "left in .grad": forgetful}, "step", "w"),
    alt="Two walks from w = 0. With the slopes cleared, w goes to 3 and stays. With "
    "them left in .grad, w swings on and on between about 0 and 6.",
)

# %% [markdown]
# The forgetful one swings like a weight on a spring, for ever. (Add a little friction and it is a good idea: this is
# *momentum*, which you will meet in lesson 08.)
#
# You saw `torch.no_grad()` in there. Notes for the way back cost memory, and the change of a weight is not part of the
# network, so we tell torch not to take any. Without it:

# %%
w = torch.tensor(2.0, requires_grad=True)
try:
    w -= 0.1
except RuntimeError as error:
    print(error)
cut = w.detach()  # the same number as a constant: no way leads back through it
with torch.no_grad():
    silent = w * 3
assert not cut.requires_grad
assert not silent.requires_grad

# %% [markdown]
# Use `no_grad` around everything that only measures, `detach()` to cut one tensor off its history, and `.item()` to
# keep a loss for your diary. (A list of losses that were never detached keeps the notes of every step alive, until the
# memory is full.)
#
# ## Backpropagation through a network, by hand
#
# Now the same walk with matrices. Our network has two layers:
#
# ```mermaid
# graph LR
#     X["x (B, C)"] --> Z["z = x @ W1 + b1 (B, F)"]
#     Z --> H["h = tanh(z) (B, F)"]
#     H --> G["logits = h @ W2 + b2 (B, V)"]
#     G --> P["log p = log_softmax(logits)"]
#     P --> L["loss = -sum(y · log p)"]
#     Y["y (B, V), the truth"] --> L
# ```
#
# Why the `tanh` in the middle, which squeezes each number into -1 to 1? Without it the network would be x @ W1 @ W2,
# and W1 @ W2 is just one matrix: two layers could do no more than one.
#
# `y` is the truth as a table. Row b says what should come after input b, and all of y together adds up to 1. For a
# plain batch that is 1/B at the word that came. We make all four sizes different on purpose: then a matrix that lies
# the wrong way round cannot slip through.

# %%
B, C, F, V = 4, 3, 5, 6
torch.manual_seed(0)
shapes = [(B, C), (C, F), (F,), (F, V), (V,)]
x, *weights = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
came = [2, 0, 5, 2]  # for each of the B inputs, the token that came
y = torch.eye(V, dtype=torch.float64)[came] / B  # row i of eye(V): 1 at place i, else 0
assert y.sum() == 1


# %%
def forward(weights, x, y):
    w1, b1, w2, b2 = weights
    h = torch.tanh(x @ w1 + b1)  # (B, C) @ (C, F) -> (B, F)
    log_p = (h @ w2 + b2).log_softmax(-1)  # (B, F) @ (F, V) -> (B, V)
    return h, log_p, -(y * log_p).sum()


h, log_p, loss = forward(weights, x, y)
print(f"loss {loss:.4f}")
torch.testing.assert_close(loss, -log_p[range(B), came].mean())

# %% [markdown]
# We walk back. We write `d_h` for "slope of the loss for each number of h"; it has h's shape, always. **The shapes will
# find the formulas for us.**
#
# **The logits.** What you said minus what was true, as above. Each row weighs as much as its row of y adds up to, so
# `d_logits` = p · (sum of the row of y) - y, (B, V).
#
# **W2.** The number W2[f, v] goes into logits[b, v], multiplied by h[b, f], for every b. B ways; they add up: d_W2[f,
# v] is the sum over b of h[b, f] · d_logits[b, v]. But that *is* a matrix multiplication: `h.T @ d_logits`, (F, B) @
# (B, V) -> (F, V). Of all ways to multiply these two, it is the only one with W2's shape.
#
# **b2** was broadcast to all B rows on the way forward. So B ways lead back, and they add up: `d_logits.sum(0)`. *What
# is broadcast forwards is summed backwards.*
#
# **h.** h[b, f] goes into all V logits of its row, by W2[f, v]: `d_logits @ W2.T`, (B, V) @ (V, F) -> (B, F).
#
# **z.** The slope of tanh is 1 - tanh², number by number: `d_h * (1 - h**2)`.
#
# **W1 and b1** are to z what W2 and b2 are to the logits. Same formulas.


# %%
def gradients_by_hand(weights, x, y):
    _, _, w2, _ = weights
    h, log_p, loss = forward(weights, x, y)
    d_logits = log_p.exp() * y.sum(1, keepdim=True) - y  # (B, V)
    d_w2, d_b2 = h.T @ d_logits, d_logits.sum(0)  # (F, V), (V,)
    d_z = (d_logits @ w2.T) * (1 - h**2)  # (B, F)
    d_w1, d_b1 = x.T @ d_z, d_z.sum(0)  # (C, F), (F,)
    return loss, [d_w1, d_b1, d_w2, d_b2]


loss, by_hand = gradients_by_hand(weights, x, y)
print([tuple(gradient.shape) for gradient in by_hand])
assert [g.shape for g in by_hand] == [w.shape for w in weights]

# %% [markdown]
# Four lines from `d_logits` to the end, and they are the whole of it. Is it right? Ask autograd, for all 56 numbers at
# once. And ask the nudge, for one of them: it knows nothing of chain rules, so it cannot share a mistake with either.

# %%
watched = [w.clone().requires_grad_() for w in weights]
forward(watched, x, y)[-1].backward()
for own, its in zip(by_hand, watched, strict=True):
    torch.testing.assert_close(own, its.grad)


def loss_with_first_bias(value):
    w1, b1, w2, b2 = weights
    return forward([w1, torch.cat([value, b1[1:]]), w2, b2], x, y)[-1]


nudged = slopes_by_nudging(loss_with_first_bias, weights[1][:1])
print(f"the first number of b1: by hand {by_hand[1][0]:.4f}, nudged {nudged[0]:.4f}")
torch.testing.assert_close(nudged[0], by_hand[1][0])

# %% [markdown]
# ## One step
#
# The slopes of all weights together are the **gradient**: the direction in which the loss rises fastest. So go the
# other way, by a small multiple of it, the **learning rate**. That is a training step:


# %%
def step_by_hand(weights, gradients, rate):
    return [w - rate * g for w, g in zip(weights, gradients, strict=True)]


stepped = step_by_hand(weights, by_hand, rate=0.1)
after = forward(stepped, x, y)[-1]
print(f"loss {loss:.4f} -> {after:.4f}")
assert after < loss

# %% [markdown]
# Now the same in the words that everybody uses: layers from `torch.nn`, an optimizer from `torch.optim`, and the four
# lines that you will see in every training loop of the world. One thing to know before: `nn.Linear(C, F)` keeps its
# weight as (F, C), one row per output, and computes `x @ weight.T`.

# %%
net = torch.nn.Sequential(torch.nn.Linear(C, F), torch.nn.Tanh(), torch.nn.Linear(F, V))
net.double()  # float64, like ours
with torch.no_grad():
    for parameter, own in zip(net.parameters(), weights, strict=True):
        parameter.copy_(own.T if own.ndim == 2 else own)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

loss = -(y * net(x).log_softmax(-1)).sum()  # forward
optimizer.zero_grad()  # clear the old slopes
loss.backward()  # backward
optimizer.step()  # one step down
for parameter, own in zip(net.parameters(), stepped, strict=True):
    own = own.T if own.ndim == 2 else own
    assert torch.allclose(parameter, own, rtol=1e-12, atol=1e-12)

# %% [markdown]
# Equal, to twelve digits. SGD is *stochastic gradient descent*, and in this step it is nothing but your
# `w - rate * g`.
#
# How large should the step be? The slope makes a promise: go `rate` along the gradient, and the loss falls by rate ·
# |gradient|². A slope is only true nearby, though. Let us see how long the promise holds:

# %%
rates = [0.05 * i for i in range(161)]
steps = [step_by_hand(weights, by_hand, rate) for rate in rates]
reached = [forward(step, x, y)[-1].item() for step in steps]
length2 = sum((g**2).sum() for g in by_hand).item()
promised = [reached[0] - rate * length2 for rate in rates]
best = reached.index(min(reached))
print(f"at rate 0.05: promised {promised[1]:.4f}, reached {reached[1]:.4f}")
assert promised[1] < reached[1] < reached[0]
assert reached[-1] > reached[best]

# %%
nearby = 1 + max(i for i in range(161) if promised[i] > 0)
curves = {"loss after one step": reached, "the slope's promise": promised[:nearby]}
places = {"loss after one step": rates, "the slope's promise": rates[:nearby]}
show(
    lines(curves, "learning rate", "loss (nats)", x=places),
    alt="The loss after a single step against the learning rate. At first it follows "
    f"the promised line; it is lowest at {rates[best]:.1f}, and rises beyond.",
)

# %% [markdown]
# Too small a rate wastes your time, too large a one makes things worse. There is no formula for the best one. People
# try.
#
# ### Optional: the same on a real model
#
# Does this hold where there are 135 million numbers in place of 56? Let the real model of lesson 00 read one sentence.
# What you said minus what was true must be the slope at each of its logits (divided by the number of places, since the
# loss is their mean). `retain_grad` asks autograd to leave the slopes there too, not only at the ends.

# %%
real, tokenizer = load("smollm2-135m-instruct")
text = "The ferryman of Ottermere takes nobody across on a Monday."
sentence = torch.tensor([tokenizer.encode(text)])
logits = real(sentence[:, :-1])  # (B, T, V)
logits.retain_grad()
next_token_loss(logits, sentence[:, 1:]).backward()

came = torch.zeros_like(logits)
places = range(logits.shape[1])
came[0, places, sentence[0, 1:]] = 1
expected = (logits.softmax(-1) - came) / len(places)
torch.testing.assert_close(logits.grad, expected, rtol=1e-4, atol=1e-6)
print(tuple(logits.shape), "slopes at the logits, as foretold")

# %% [markdown]
# And the price? That one walk back left a slope for every weight of the model. Compare the time that a text of 224
# tokens takes forwards only, and forwards and backwards (by the count of products 3 times as long; your computer has
# its own opinion):

# %% tags=["nbval-ignore-output"]
n_slopes = sum(weight.grad.numel() for weight in real.parameters())
long_text = sentence.repeat(1, 16)
forwards, both_ways = [], []
for _ in range(2):
    real.zero_grad()
    start = time.perf_counter()
    with torch.no_grad():
        real(long_text)
    middle = time.perf_counter()
    next_token_loss(real(long_text[:, :-1]), long_text[:, 1:]).backward()
    forwards.append(middle - start)
    both_ways.append(time.perf_counter() - middle)
ratio = min(both_ways) / min(forwards)
print(f"{n_slopes:,} slopes for the time of {ratio:.1f} forward passes")
assert n_slopes == sum(weight.numel() for weight in real.parameters())
del real, logits, long_text  # they hold more than a gigabyte

# %% [markdown]
# A few passes, though half a gigabyte of slopes must also be written down. Nudging each number up and down would have
# taken 269 million.
#
# ## Is that all the learning there is?
#
# Now the test. We take the words of Ottermere, let a network see one letter at a time, and ask for the next. It starts
# with random numbers; it gets your gradients and nothing else.

# %%
ottermere = world.World(seed=0)
texts = [document.text for document in ottermere.documents(300)]


def words_of(texts):
    found = [word for text in texts for word in re.findall("[a-z]+", text.lower())]
    return sorted(set(found))


words = words_of(texts)
print(f"{len(words):,} different words:", *random.Random(1).sample(words, 9))
assert {"mira", "bram", "nell"} <= set(words)

# %% [markdown]
# How well *can* one guess the next letter from the last one? Here the best is known, because we can count. In a table
# of 27 × 27 we count how often each letter follows each. If *q* was followed by *u* every single time, then nothing
# better can be said after a *q* than "*u*, for certain".


# %%
def count_pairs(words):
    counts = torch.zeros(27, 27, dtype=torch.float64)
    for word in words:
        letters = encode(f".{word}.")
        for first, second in pairwise(letters):
            counts[first, second] += 1
    return counts


counts = count_pairs(words)
counted = counts / counts.sum(1, keepdim=True)  # row q: the chances of what follows q
q, u = encode("qu")
print(f"{counts.sum():,.0f} pairs; q: {counts[q].sum():.0f}, qu: {counts[q, u]:.0f}")
assert ((counted.sum(1) - 1).abs() < 1e-9).all()

# %% [markdown]
# The mean surprise with that table is the **floor**: the entropy of the next letter for somebody who sees one letter.
# No network that sees one letter can have a lower loss on these words, however large it is. And whatever a network's
# loss has above the floor is KL, the price of its mistakes.

# %%
y = counts / counts.sum()  # the truth: each pair as heavy as it is frequent; together 1
happens = y > 0
floor = -(y[happens] * counted[happens].log()).sum().item()
print(f"no idea: {math.log(27):.4f} nats    floor: {floor:.4f} nats")
print(f"as unsure as among 27 letters; among {math.exp(floor):.1f}")
assert 0 < floor < math.log(27)

# %% [markdown]
# (e to the loss is called the *perplexity*: among how many equally likely letters one would be as unsure.)
#
# The network is the one from above, with V = 27 letters and F = 64. What is its input? For each letter a row that is 1
# at its place and 0 elsewhere: `eye(27)`. There are thousands of pairs, but only 27 letters to start from, and the same
# letter always gets the same answer. So 27 rows are the whole batch, and `y` holds how much each answer counts.


# %%
def start(seed, hidden=64):
    torch.manual_seed(seed)
    w1, w2 = torch.randn(27, hidden), 0.01 * torch.randn(hidden, 27)
    return [w.double() for w in (w1, torch.zeros(hidden), w2, torch.zeros(27))]


x = torch.eye(27, dtype=torch.float64)
weights = start(seed=0)
loss = forward(weights, x, y)[-1]
print(f"{sum(w.numel() for w in weights):,} numbers, loss {loss:.2f}")
assert abs(loss - math.log(27)) < 0.01

# %% [markdown]
# It starts at ln 27, as it must. And this is training, all of it:


# %%
def train(weights, steps=1000, rate=1.5):
    curve = []
    for _ in range(steps):
        loss, gradients = gradients_by_hand(weights, x, y)
        weights = step_by_hand(weights, gradients, rate)
        curve.append(loss.item())
    return weights, curve


weights, curve = train(start(seed=0))
assert curve[-1] < curve[0] - 0.8

# %% [markdown]
# Before you see how far it came, two rivals, so that we know what the *gradient* was worth:
#
# - **Shuffled** takes the very same slopes, but deals them out to the wrong weights, like letters put into the wrong
#   letterboxes. The same numbers, steps of the same length, another direction.
# - **Trial and error** changes all weights a little at random and keeps the change if the loss fell. A step with a
#   gradient costs about as much as three forward passes, so it gets three tries in place of each.


# %%
def train_shuffled(seed, steps=1000, rate=1.5):
    weights, lost, curve = start(seed), start(seed), []
    for _ in range(steps):
        _, gradients = gradients_by_hand(weights, x, y)
        dealt = [g.flatten()[torch.randperm(g.numel())].view_as(g) for g in gradients]
        weights = step_by_hand(weights, gradients, rate)
        lost = step_by_hand(lost, dealt, rate)
        curve.append(forward(lost, x, y)[-1].item())
    return curve


lost = train_shuffled(seed=0, steps=100)
assert lost[-1] > curve[99] + 0.5


# %%
def train_by_trial(seed, steps=1000, size=0.01):
    weights, curve = start(seed), []
    best = forward(weights, x, y)[-1]
    for _ in range(3 * steps):
        tried = [w + size * torch.randn_like(w) for w in weights]
        loss = forward(tried, x, y)[-1]
        if loss < best:
            weights, best = tried, loss
        curve.append(best.item())
    return curve[::3]


trials = train_by_trial(seed=0, steps=100)
assert trials[-1] < trials[0]

# %%
curves = {"gradient": [], "trial and error": [], "shuffled": []}
for seed in range(5):
    curves["gradient"].append(train(start(seed))[1])
    curves["trial and error"].append(train_by_trial(seed))
    curves["shuffled"].append(train_shuffled(seed))
assert max(curve[-1] for curve in curves["gradient"]) < floor + 0.005
assert min(curve[-1] for curve in curves["trial and error"]) > floor + 0.1
assert min(curve[-1] for curve in curves["shuffled"]) > floor + 0.8

# %%
show(
    lines(curves, "step", "loss (nats)", range(1, 1001), {"floor": floor}, log_x=True),
    alt="Loss against the step, on a logarithmic axis, as a mean with a band over five "
    "seeds. With the gradient it drops to the floor. Trial and error has come part of "
    "the way after 1,000 steps; the shuffled gradient learns nothing.",
)

# %% [markdown]
# And the number that this lesson is about:

# %% tags=["nbval-ignore-output"]
print("seed   start     end   floor  KL left  closed")
for seed, curve in enumerate(curves["gradient"]):
    closed = (curve[0] - curve[-1]) / (curve[0] - floor)
    row = f"{seed:4} {curve[0]:7.4f} {curve[-1]:7.4f} {floor:7.4f}"
    print(row + f" {curve[-1] - floor:8.4f} {closed:7.1%}")
    assert 0.995 < closed < 1

# %% [markdown]
# From 3.3 nats down to 2.398, where 2.3948 is possible. Of all that could be learned, 99.6 % was, from each of five
# random beginnings. Less than four thousandths of a nat are left. That is KL, the price of the mistakes that remain,
# and more steps make it smaller. The shuffled gradient, with the same numbers, learnt nothing. (The rate of 1.5 was
# found by trying. At 2 the loss hops now and then; at 10 it explodes. Try it. The size 0.01 of the blind steps is the
# best of seven that we tried, from 0.003 to 0.2.)
#
# Trial and error does learn, so nobody may say that a gradient is the *only* way. But look at the prices. A blind try
# moves 3,547 numbers, each in a random direction, and the more numbers there are, the less of it points downhill. A
# gradient costs three passes, be it for three numbers or for three billion.
#
# ### Why does it stop just there?
#
# Nobody told the network to count. Put its probabilities beside the table of counts:

# %%
learnt = forward(weights, x, y)[1].exp()
both = torch.stack([counted, learnt])
often = counts.sum(1) >= 100
assert (learnt - counted)[often].abs().max() < 0.01
figure = heat_map(both, "table letter next", list(LETTERS), list(LETTERS))
for axes, title in zip(figure.axes, ["counted", "learnt"], strict=False):
    axes.set_title(title)
show(
    figure,
    alt="Two tables of 27 times 27 probabilities, one counted, one learnt. They look "
    "alike: a dark cell for u after q, stripes at the vowels. For letters seen at "
    "least a hundred times no entry differs by more than 0.01.",
)

# %% [markdown]
# The reason is the formula that you found by nudging. The slope at the logits is *what you said minus what was true*,
# and over many words "what was true" becomes "how often it was true". At the logits the slopes vanish where the
# probabilities are the counted ones, and nowhere else:

# %%
d_logits = counted * y.sum(1, keepdim=True) - y
print(f"steepest slope at the counted table: {d_logits.abs().max():.4f}")
torch.testing.assert_close(d_logits, torch.zeros_like(y))

# %% [markdown]
# So no network that still has mistakes is ever at rest *at its logits*. Does it follow that learning always gets there?
# Let us be unkind, and start with all weights at zero:

# %%
asleep, slow = train([torch.zeros_like(w) for w in weights])
letters = y.sum(0)  # how frequent each letter is, whatever stood before it
blind = -(letters * letters.log()).sum().item()
print(f"started at zero: {slow[-1]:.2f} nats; letters without any context: {blind:.2f}")
moved = [w.count_nonzero().item() for w in asleep]
print("numbers that moved in W1, b1, W2, b2:", moved)
assert moved == [0, 0, 0, 27]
assert abs(slow[-1] - blind) < 0.001

# %% [markdown]
# Stuck. Both matrices and `b1` are still at zero, and only `b2` has learnt: how frequent each letter is. Look at the
# four lines to see why: W2's slope is multiplied by h, which is 0, and W1's by W2, which is 0. The mistakes are there,
# but no way leads back from them. A gradient is all the learning there is, *if* it has a place to start from. That is
# the reason why networks begin at random, and why lesson 06 takes such care with it.
#
# What does the good network know? Let it write: begin with the dot, draw a letter from its row, go on until the dot
# comes back.


# %%
def invent(draw):
    word = "."
    while word == "." or word[-1] != ".":
        chances = learnt[LETTERS.index(word[-1])].tolist()
        word += draw.choices(LETTERS, weights=chances)[0]
    return word.strip(".")


draw = random.Random(3)
invented = [invent(draw) for _ in range(12)]
print(*invented)
assert all(set(word) <= set(LETTERS) for word in invented)

# %% [markdown]
# Hardly English, but no alphabet soup either: *eleng* and *tersnterets* could be places, and *at*, *ten* and *she* are
# English. It is all that one letter of memory can give. The lessons from here on are about giving it more: not a better
# way to learn, but more to look at.
#
# ### Optional: one warning
#
# The floor is the floor *of these words*. Take words from later documents of Ottermere that were not in the list. The
# counted table is the best possible one for the old words. How does it do on the new ones?

# %% tags=["nbval-ignore-output"]
later = [document.text for document in ottermere.documents(1200)[300:]]
new_words = [word for word in words_of(later) if word not in words]
new_y = count_pairs(new_words) / count_pairs(new_words).sum()
seen = new_y > 0
by_count = -(new_y[seen] * counted[seen].log()).sum()
by_network = forward(weights, x, new_y)[-1]
unseen = (seen & (counts == 0)).nonzero()
print(f"{len(new_words)} new words; never seen:", *(decode(pair) for pair in unseen))
print(f"counted table {by_count:.2f} nats, network {by_network:.2f} nats")
softer = (counts + 0.1) / (counts + 0.1).sum(1, keepdim=True)
by_softer = -(new_y * softer.log()).sum()
print(f"the table with a tenth added to every count: {by_softer:.2f} nats")
assert by_count == math.inf
assert by_network < 2.6

# %% [markdown]
# Infinite: a pair that was never seen has probability 0, and you know what a wrong zero costs. An exact softmax is
# never 0 (in float32 it can round to 0, as you saw), so the network pays 2.49 nats and goes on. (It is no magic of
# networks. Add a tenth to every count before you divide, and the table pays 2.49 too.) Perfect on what you have seen is
# not the same as good. In the later lessons the floor is that of the generator that writes Ottermere, which holds for
# new documents too.
#
# > **Where the picture simplifies.**
# > "A gradient is all the learning there is" leaves out who chose the network, the loss, the words and the rate: a
# > person did, by trial and error. The tokenizer of lesson 01 learns by counting, without a gradient. And a large model
# > picks up a pattern from its prompt with no weight changed at all (lesson 08). Our steps used all words at once. Real
# > training takes a small batch at a time, so its gradient is an estimate. And it takes better steps than our plain one
# > (AdamW, lesson 08). That five of five runs came near the floor is due to the small task; for a large network nobody
# > can promise it, and nobody knows the floor of the internet. *What you said minus what was true* holds for the
# > logits; the weights below are shared by all inputs, so a step that helps one may hurt another.
#
# > **At scale.**
# > Your four lines are the same on a GPU. Look at the products in them: per layer one forwards, two backwards (`h.T @
# > d_logits` for the weight, `d_logits @ w2.T` for what is below). So training costs three times the forward pass,
# > about 6 operations per weight and token. GPT-3 has 175 billion weights and read 300 billion tokens: 6 · 175e9 ·
# > 300e9 = 3.15e23 operations; its makers report 3.14e23. Its largest tensor is none of the weights but the logits: a
# > batch of 3.2 million tokens times 50,257 entries is 640 GB in float32, so nobody ever holds them all. They are made,
# > turned into a loss and dropped piece by piece; `fused_linear_cross_entropy` in `minillm/losses.py` does so, and at
# > its heart you will find *what you said minus what was true*. The same goes for what the forward pass must keep for
# > the way back: much of it is thrown away and computed again. And where weights are bfloat16, the one that stops
# > counting at 256, a small step would often be lost; so the optimizer keeps a copy in float32.
#
# ## Five questions
#
# Choose before you open.
#
# **1.** A network answers with shape (32, 1), the targets have shape (32,). You train on the mean of `(answer -
# target)**2`. What happens?
#
# - (a) An error in the first step.
# - (b) It trains well; 32 answers meet 32 targets.
# - (c) The loss falls, then stands still, and all answers are alike.
#
# <details><summary>Open 1</summary>
#
# **(c)**. The difference is (32, 32), each answer against each target, and the constant that suits all targets best is
# their mean. Not (a): a 1 broadcasts against anything, so the shapes do fit. Not (b): for that, both would have to be
# (32,) or both (32, 1), so that entry i meets entry i.
# </details>
#
# **2.** Your untrained model starts at a loss of 10.8. A friend's, with the same 50,000 tokens, starts at 15.6. Whose
# is better?
#
# - (a) Yours.
# - (b) The friend's has a bug.
# - (c) Neither.
#
# <details><summary>Open 2</summary>
#
# **(c)**. ln 50,000 is 10.8 and log₂ 50,000 is 15.6: you count nats, the friend bits, and both models know nothing. (a)
# compares numbers with different units. (b) would be right if 15.6 were nats: a start well above ln V means logits that
# are far from equal already, and wrong.
# </details>
#
# **3.** h has shape (B, F), `d_logits` (B, V), W2 (F, V). What is `d_w2`?
#
# - (a) `d_logits.T @ h`
# - (b) `h.T @ d_logits`
# - (c) `(h * d_logits).sum(0)`
#
# <details><summary>Open 3</summary>
#
# **(b)**: (F, B) @ (B, V) is (F, V), the shape of W2, and the sum over B adds up the ways. (a) is its transpose, (V,
# F); `nn.Linear` wants it so, because it stores the weight the other way round. (c) multiplies (B, F) by (B, V) number
# by number: an error unless F and V happen to be equal, and then it is a vector and means nothing.
# </details>
#
# **4.** Somebody starts the network with W2 at zero, but W1 at random as before. What moves in the first step?
#
# - (a) Only b2, as when all weights were zero.
# - (b) W2 and b2.
# - (c) Everything.
#
# <details><summary>Open 4</summary>
#
# **(b)**. `h.T @ d_logits` does not contain W2, and h is not zero this time, so (a) is too little. What goes back to h
# is `d_logits @ w2.T`, which is zero, so W1 and b1 get no slope, and (c) is too much. After the first step W2 is no
# longer zero, and from the second on everything moves. Such a start works well, and many models use it for some of
# their layers.
# </details>
#
# **5.** A larger network that sees one letter is reported with 2.35 nats on the words above, where the floor is 2.3948.
# What do you say?
#
# - (a) Larger networks are better.
# - (b) Something is wrong with the measurement.
# - (c) The floor was only an estimate.
#
# <details><summary>Open 5</summary>
#
# **(b)**. The loss is entropy plus KL, and KL is never negative, so on these very words nothing that sees one letter
# gets below the entropy. (a) can only make KL smaller, and less than four thousandths of it are left. (c) would be a
# good answer on *new* words; on these the floor is a sum over counts, as exact as the loss itself. Remember the
# argument: *below the floor* means a bug, and mostly it is a model that sees the token it should guess.
# </details>

# %% [markdown]
# **What you built**: tensors and their three silent traps (reshape for transpose, (B, 1) against (B,), slopes that pile
# up); softmax that does not overflow; surprise, entropy, cross-entropy and KL; backpropagation in four lines, equal to
# autograd; a training step, equal to `torch.optim`; and a network that went 99.6 % of the way from *no idea* to *the
# best possible*, with nothing but slopes (and a random start).
#
# **Exercise**: let the network see *two* letters. First count the floor: how much does the second letter save? Then
# build `x` with a row of 54 numbers for each pair of letters that occurs, two rows of `eye(27)` side by side, and
# train. Before you run it, write down whether 64 hidden numbers and 1,000 steps will come as near to the new floor as
# to the old one. (To check your floor: it falls by 0.53 nats.) If it does not come near, what helps: more steps, or
# more hidden numbers?
#
# **Graded questions**, with checks that name the mistake:
# [exercise 00a](../exercises/00a_tensors/00a_tensors.ipynb).
#
# **Next**: [lesson 00b](00b_learning.ipynb), where you write the loss, the way back and the step yourself, and train a
# network that invents dinosaurs.
