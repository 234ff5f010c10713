# %% [markdown]
# # 04 · Attention: who listens to whom
#
# **You will build** attention seven times: one question by hand, one head by loops, the same as matrices, with a mask,
# with many heads, with shared keys, and in blocks, the way a fast kernel does it. Each form must equal the one before,
# then the package's, then PyTorch's kernel, then a layer of a real model.
#
# **The claim**, in the words of the overview from which this course started: attention "allows tokens to 'talk' to
# each other to resolve ambiguity", and in *The bank of the river* the value of *river* is "added to 'bank', updating
# 'bank's' vector to reflect a 'nature' meaning". The talking is real. The example cannot be, in a model that writes
# from left to right. You will show why, then find out where and how far the real model does pull the two *banks*
# apart, and how much of that happens just as well to a word with a single meaning.
#
# **Time**: 70 minutes; the cells themselves run in under one. A good place for a break is marked.
#
# **Before you start**: lesson 00a (shapes, matrix products, softmax, gradients). Positions (lesson 03) help, but are
# not needed.
#
# Run a cell with Shift+Enter, from top to bottom. Change the numbers and run it again: an `assert` that fails shows
# what depended on them. Gradients are off in the second half, so restart the kernel to come back to the first.

# %%
import copy
import inspect
import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from ipywidgets import IntSlider
from torch import nn

from minillm.analysis.probes import separation
from minillm.analysis.tracing import trace
from minillm.model import attention as package
from minillm.model.position import rotary_angles
from minillm.pretrained import load
from minillm.viz.figures import attention_arcs, attention_grid, equation, lines, show
from minillm.viz.hover import TokenExplorer, hover_tokens

# %% [markdown]
# ## Why does this part exist?
#
# Everything else in a transformer works on one token at a time: the embedding, the norms, the feed-forward network. A
# model of those alone would read *bank* and never hear of the *river* three words back. Something has to carry
# information from one place of a text to another, and this is the only part that does.
#
# What is the simplest way to let words hear each other? Give each one the average of all. But an average cannot choose:
# *bank* would hear *the* as loudly as *river*. So let it be a **weighted** average, and let the words themselves work
# out the weights. For that, each word gets three vectors:
#
# - a **query**: what am I looking for?
# - a **key**: what can I be found by?
# - a **value**: what do I hand over to whoever finds me?
#
# The weight is large where a query and a key point the same way, that is, where their dot product is large. In this toy
# the first number of each vector means *water* and the second *money*; in a real model nobody writes these numbers.
# Each vector is computed from the token's vector x, as x times a learned matrix, and its numbers rarely mean anything
# so tidy.

# %%
words = ["the", "river", "has", "a", "bank"]
keys = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.5, 0.5]])
values = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.5, 0.5]])
query = torch.tensor([2.0, 2.0])  # bank asks: who here is about water, or about money?

# %% [markdown]
# Now by hand, for this one query. First a **score** for each key, the dot product; we divide it by the square root of
# D, the number of entries in a vector, 2 here, and you will see in a moment why. Then **softmax**, so that the
# weights are positive and add up to 1. Then the weighted average of the values.


# %%
def one_query(query, keys, values):
    """What one query hears: plain Python, one number at a time."""
    D, powers = len(query), []
    for key in keys:
        score = sum(q * k for q, k in zip(query, key, strict=True)) / math.sqrt(D)
        powers.append(math.exp(score))
    weights = [power / sum(powers) for power in powers]
    heard = [0.0] * D
    for weight, value in zip(weights, values, strict=True):
        for i in range(D):
            heard[i] += weight * value[i]
    return weights, heard


# %%
weights, heard = one_query(query.tolist(), keys.tolist(), values.tolist())
for word, weight in zip(words, weights, strict=True):
    print(f"{word:6} {weight:.3f}")
print("bank came in with water 0.5, money 0.5")
print(f"and hears    with water {heard[0]:.3f}, money {heard[1]:.3f}")
assert abs(sum(weights) - 1) < 1e-9
assert heard[0] > 0.9 > 0.1 > heard[1]

# %% [markdown]
# Nine tenths of what *bank* hears comes from *river*. That is attention, complete. A dictionary returns the value
# whose key *equals* the query; attention returns a mixture of all values, most of it from the keys that are *near* the
# query. It is a dictionary soft enough to have a slope everywhere, so it can be learnt.
#
# ## One head, by loops
#
# Every token asks. So we do the same for all T queries; in **self**-attention the keys and values come from the same
# tokens, so there are S = T of them. One set of queries, keys and values is called a **head**, and D is its width.


# %%
def naive_head(query, key, value):
    """All queries, one after the other: (T, D), (S, D), (S, D) -> (T, D)."""
    keys, values = key.tolist(), value.tolist()
    return torch.tensor([one_query(q, keys, values)[1] for q in query.tolist()])


torch.manual_seed(0)
T, D = 5, 8
query, key, value = torch.randn(3, T, D)
out = naive_head(query, key, value)
assert out.shape == (T, D)

# %% [markdown]
# The package has the same loop, for a batch of B texts and H heads at once. Read the innermost lines; they are yours.
# (`mask`, `bias` and `group` wait for their turn below; ALiBi's bias was in lesson 03.)

# %%
print(inspect.getsource(package.attention_by_loops))

# %%
# One text and one head: (B, H, T, D).
one_head = query[None, None], key[None, None], value[None, None]
torch.testing.assert_close(package.attention_by_loops(*one_head)[0, 0], out)

# %% [markdown]
# ## The same as matrices
#
# Row t of `query @ key.T` holds query t's dot product with every key. So all scores are *one* matrix product, and the
# weighted averages are another one. This is the formula on the posters: softmax(Q Kᵀ / √D) V. (`.mT` swaps the last
# two axes and leaves those in front alone, so the same line will serve a whole batch of heads.)


# %%
def naive_matrices(query, key, value):
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (T, S)
    return scores.softmax(-1) @ value


torch.testing.assert_close(naive_matrices(query, key, value), out)
torch.testing.assert_close(package.attention_by_matmul(*one_head)[0, 0], out)

# %% [markdown]
# Two slips are common here and raise no error, because T = S makes every shape fit. One is softmax along the wrong
# axis: then each *key's* weights add up to 1, and some queries hear more than others. The other is `key @ query.T`,
# which puts every weight at the wrong address. Check for the first by adding up the rows:

# %%
scores = query @ key.mT / math.sqrt(D)
weights, wrong_axis = scores.softmax(-1), scores.softmax(0)
print("each query's weights add up to", *(f"{w:.4f}" for w in weights.sum(1)))
print("with the wrong axis to        ", *(f"{w:.4f}" for w in wrong_axis.sum(1)))
torch.testing.assert_close(weights.sum(1), torch.ones(T))

# %%
names = [f"t={t}" for t in range(T)]
show(
    attention_grid(weights, names),
    alt="Your head's weights as a square: a row is a query, a column a key, and every "
    f"row adds up to 1. The largest weight is {weights.max():.2f}. Above the diagonal, "
    "queries look at tokens after them.",
)

# %% [markdown]
# ## Why divide by √D?
#
# A dot product of two vectors of D random numbers (mean 0, variance 1) is a sum of D products, each with variance 1.
# Variances add up, so the score's variance should be D, and after the division 1. Measured:

# %%
torch.manual_seed(0)
widths = [4, 16, 64, 256, 1024]
for D in widths:
    q, k = torch.randn(2, 10_000, D)
    scores = (q * k).sum(-1)
    after = (scores / math.sqrt(D)).var()
    print(f"D = {D:4}: variance / D = {scores.var() / D:.2f}, divided: {after:.2f}")
    assert abs(scores.var() / D - 1) < 0.1

# %% [markdown]
# So a wide head has large scores. Why is that bad? Softmax of large numbers gives nearly all the weight to one key, the
# one that happens to be largest. And where a weight is nearly 0 or 1 it no longer *moves* when its score does: its
# slope, with respect to the score that enters softmax, is w (1 - w). Nothing is learnt through a slope of zero.
# Autograd measures it: how much does the largest of 64 weights move with its own score? (No query's weights depend on
# another query's scores. So we may add up the 500 largest weights, go back once, and pick from each row the one slope
# that we want.)


# %%
def slope_of_the_largest(D, divisor):
    """The largest of 64 weights and its slope: medians of 500 queries."""
    query, key = torch.randn(500, D), torch.randn(64, D)
    scores = (query @ key.mT / divisor).requires_grad_()
    largest = scores.softmax(-1).max(-1)  # .values and .indices, one for each query
    largest.values.sum().backward()
    slopes = scores.grad.gather(-1, largest.indices[:, None])
    return largest.values.median().item(), slopes.median().item()


w, slope = slope_of_the_largest(D=64, divisor=8)
print(f"64 wide, divided: largest weight {w:.2f}, slope {slope:.4f}")
print(f"and w (1 - w) is {w * (1 - w):.4f}")
assert abs(slope - w * (1 - w)) < 0.005

# %%
torch.manual_seed(0)
undivided = [slope_of_the_largest(D, 1)[1] for D in widths]
divided = [slope_of_the_largest(D, math.sqrt(D))[1] for D in widths]
for D, small, large in zip(widths, divided, undivided, strict=True):
    print(f"D = {D:4}: slope {small:.3f} divided, {large:.5f} undivided")
assert divided[-1] > 0.03 > 100 * undivided[-1]

# %%
slopes = {"divided by √D": divided, "not divided": undivided}
show(
    lines(slopes, "D", "slope", x=widths, log_x=True, log_y=True),
    alt="The slope through which a head learns, against its width. Divided by the root "
    f"of D it stays near {divided[-1]:.2f}; undivided it is no smaller up to 64, then "
    "falls below a thousandth of that at 1024.",
)

# %% [markdown]
# Read the left end too, because the textbooks leave it out. Up to a width of 64, which is GPT-2's and that of our real
# model, the undivided head is no worse by this measure; it is even quicker to move, up to nearly three times, since a
# weight near one half has the largest slope. And this is the slope behind the division. The query and key matrices are
# in front of it, so their gradients hold another factor 1/√D: at 256 that leaves 0.005 divided against 0.014 undivided.
# By that measure the cliff comes only at 1024, with 0.003 against 0.00007. What the division buys is that the largest
# weight at the start does not depend on the width.
#
# So it is a choice of starting point and not a law. After training, queries and keys are no longer random, and their
# scores spread as the model needs it (we measure that below). Any factor could also be learned into the matrix that
# makes the queries; the point is that the head must be able to learn it.
#
# ## Not looking ahead
#
# A language model learns by guessing each next token, at all places of a text at once. If place t could look at place
# t + 1, it would read the answer off. So it may only look at itself and back: a **causal** mask. Hide a key from a
# query by giving it the score minus infinity: e to the minus infinity is 0, so it gets no weight, *and* it is missing
# from the sum that softmax divides by.
#
# In code, a mask is a table of True and False, here True where a query may look. `tril` keeps the lower triangle,
# the diagonal included; `~` turns True and False round; and `masked_fill` writes a number wherever it finds True.


# %%
def naive_causal(query, key, value, visible=None, hidden=-math.inf):
    """Like `naive_matrices`, but each query sees only itself and what came before.

    `visible` is another mask than that, `hidden` another score for what it hides.
    """
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if visible is None:
        visible = torch.ones_like(scores, dtype=torch.bool).tril()
    return scores.masked_fill(~visible, hidden).softmax(-1) @ value


causal = naive_causal(query, key, value)
everything = naive_matrices(query, key, value)
torch.testing.assert_close(causal[-1], everything[-1])  # the last token sees all
torch.testing.assert_close(causal[0], value[0])  # the first one only itself

# %%
mask = package.causal_mask(T, T)
torch.testing.assert_close(package.attention_by_loops(*one_head, mask)[0, 0], causal)
torch.testing.assert_close(package.attention_by_matmul(*one_head, mask)[0, 0], causal)

# %%
scores = query @ key.mT / math.sqrt(query.shape[-1])
scores = scores.masked_fill(~mask, -math.inf)
captions = ["scores (T, S)", "weights, after softmax"]
show(
    equation(scores, "→", scores.softmax(-1), captions=captions),
    alt="Left the scores, with minus infinity above the diagonal; right the weights "
    "after softmax: zero above the diagonal, and each row adds up to 1.",
)
assert (scores.softmax(-1).triu(1) == 0).all()

# %% [markdown]
# ### The test that every attention must pass
#
# A mask is easy to get wrong and hard to see. So do not look at the mask; look at what it is for. **Change token t.
# Nothing before t may move.**


# %%
def moved_too_early(attend, T=6, D=8):
    """The pairs (early, t): changing token t moved the output at an earlier place."""
    torch.manual_seed(0)
    x = torch.randn(T, D)
    before, pairs = attend(x), []
    for t in range(T):
        changed = x.clone()
        changed[t] = torch.randn(D)
        moved = (attend(changed) - before).abs().amax(-1) > 1e-6
        pairs += [(early, t) for early in range(t) if moved[early]]
    return pairs


assert moved_too_early(lambda x: naive_causal(x, x, x)) == []  # an honest mask: none
without_a_mask = moved_too_early(lambda x: naive_matrices(x, x, x))
assert len(without_a_mask) == 6 * 5 / 2  # all pairs

# %% [markdown]
# Now three masks that went wrong in real projects: one place too many is visible; the hidden weights are multiplied by
# zero *after* softmax; the hidden score is a finite number. Before you run it: which of them leak?


# %%
def off_by_one(x):
    visible = torch.ones(len(x), len(x), dtype=torch.bool).tril(1)
    return naive_causal(x, x, x, visible)


def zeroed_after_softmax(x):
    weights = (x @ x.mT / math.sqrt(x.shape[-1])).softmax(-1)
    return weights.tril() @ x


def hidden_by(number):
    return lambda x: naive_causal(x, x, x, hidden=number)


# %%
forms = {"off by one": off_by_one, "zeroed after softmax": zeroed_after_softmax}
for number in (-10, -100, -1e9):
    forms[f"hidden score {number:g}"] = hidden_by(number)
leaks = {name: len(moved_too_early(form)) for name, form in forms.items()}
for name, count in leaks.items():
    print(f"{name:22} {count:2} of 15 pairs moved")
assert leaks["off by one"] == 5
assert leaks["zeroed after softmax"] == 15
assert leaks["hidden score -10"] > 0 == leaks["hidden score -1e+09"]

# %% [markdown]
# *Off by one* leaks to the five places just before a change. *Zeroed after softmax* leaks everywhere: the hidden values
# are gone, but the hidden scores still stand in the sum that softmax divided by, so the future tells the past how loud
# to be. And -10 leaks, since e to the minus 10 is not 0.
#
# But -1e9 passes? Yes. In 32-bit numbers e to the minus 1e9 *is* 0, so the warning "a finite number leaks" is too
# strong as it stands. It is right in two cases. One is a number that is not far enough below the scores, and how far is
# enough depends on the model: layer 18 of the real one has *visible* scores below -40 (you will print them), so a
# hidden -10 would be louder than those. (You will meet -10,000 in older code. It comes from 16-bit floats, which end at
# 65,504, so that -1e9 cannot be written in them.) The other is a row in which *everything* is hidden, as for the
# padding in front of a short text:

# %%
nothing = torch.zeros(T, T, dtype=torch.bool)
finite = naive_causal(query, key, value, nothing, hidden=-1e9)
infinite = naive_causal(query, key, value, nothing)
torch.testing.assert_close(finite[0], value.mean(0))  # the average of all hidden ones
assert infinite.isnan().all()
print("hidden score -1e9:", *(f"{x:.4f}" for x in finite[0, :3]))
print("hidden score -inf:", *infinite[0, :3].tolist())

# %% [markdown]
# With -1e9 all scores tie, and softmax quietly averages over everything that was forbidden. With minus infinity you get
# NaN, which nobody overlooks. (A finite number can end there too: mask twice, by *adding* the lowest number that the
# format has, and the sum is minus infinity.) Better still: never make such a row. In this package a padded query may
# look at itself.
#
# ### A leak makes the loss better
#
# Why all this fuss? Most bugs raise the loss, and you notice. A leak *lowers* it. How far? We need a text whose loss
# has a known floor, and random digits have one: nothing about them can be learnt, so no honest guesser does better than
# ln 10 = 2.303 nats a digit. The guesser is one attention over 32 places. (`nn.Module` is PyTorch's box for weights and
# what is done with them: calling the box runs its `forward`. `F.cross_entropy` is the loss of lesson 00a.)


# %%
class Guesser(nn.Module):
    def __init__(self, T):
        super().__init__()
        self.table = nn.Embedding(10, 32)
        self.attention = package.MultiHeadAttention(d_model=32, n_heads=2, bias=True)
        self.head = nn.Linear(32, 10)
        # Lesson 03: turned queries and keys, so that it knows places.
        self.angles = rotary_angles(torch.arange(T), d_head=16, theta=10_000.0)

    def forward(self, ids, mask):
        x = self.table(ids)
        return self.head(x + self.attention(x, mask=mask, angles=self.angles))


# %%
LENGTH = 32
honest = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
leaky = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril(1)  # one place too many
some_digits = torch.zeros(1, LENGTH, dtype=torch.long)
assert Guesser(LENGTH)(some_digits, honest).shape == (1, LENGTH, 10)


# %%
def loss_on(model, digits, mask):
    logits = model(digits[:, :-1], mask)  # place t guesses digit t + 1
    return F.cross_entropy(logits.flatten(0, 1), digits[:, 1:].flatten())


def train(mask, seed, steps=100):
    torch.manual_seed(seed)
    model = Guesser(LENGTH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        digits = torch.randint(10, (32, LENGTH + 1))
        optimizer.zero_grad()
        loss_on(model, digits, mask).backward()
        optimizer.step()
    return model


# %%
torch.manual_seed(99)
fresh = torch.randint(10, (200, LENGTH + 1))
just_begun = loss_on(train(honest, 0, steps=1), fresh, honest)
assert abs(just_begun - math.log(10)) < 0.5

# %% tags=["nbval-ignore-output"]
fair = [train(honest, seed) for seed in range(3)]
cheats = [train(leaky, seed) for seed in range(3)]
found = {
    "honest mask": [loss_on(model, fresh, honest).item() for model in fair],
    "leaky mask": [loss_on(model, fresh, leaky).item() for model in cheats],
}
found["trained leaky, then masked"] = [loss_on(m, fresh, honest).item() for m in cheats]
for name, losses in found.items():
    print(f"{name:27}", *(f"{loss:.3f}" for loss in losses), "nats a digit")
floor = math.log(10)
print(f"the floor: {floor:.3f}   a perfect cheat: {floor / LENGTH:.3f}")
assert 2.29 < min(found["honest mask"]) <= max(found["honest mask"]) < 2.40
assert max(found["leaky mask"]) < 0.3
assert min(found["trained leaky, then masked"]) > 2.4

# %% [markdown]
# With the leak the loss falls to about 0.08, thirty times below what is possible. It does not reach 0, because the
# last of the 32 places has no next one to peek at: a perfect cheat pays ln 10 / 32 = 0.072. And when the model must
# *write*, the future is not there; then it does worse than a guesser who knows nothing. So when a loss is wonderful,
# run the test above first.
#
# **A good place for a break.**
#
# ## Many heads
#
# One softmax makes one mixture. But a word may need several things at once: the verb it belongs to, the word just
# before, the topic. So we compute C numbers of query, key and value from the *whole* vector, and cut these projections
# into H heads of D = C / H. Every head reads all C numbers of its input, asks its own question, and the answers are put
# side by side. One more matrix, the *output*, mixes them. (`nn.Linear` stores its matrix the other way round, as
# outputs by inputs; hence the `.T`.)


# %%
def naive_multi_head(x, attention, H):
    """(T, C) -> (T, C), head after head, with the weights of a package module."""
    query = x @ attention.query.weight.T
    key = x @ attention.key.weight.T
    value = x @ attention.value.weight.T
    D, answers = query.shape[1] // H, []
    for h in range(H):
        own = slice(h * D, (h + 1) * D)  # head 0 owns the first D columns, and so on
        answers.append(naive_causal(query[:, own], key[:, own], value[:, own]))
    return torch.cat(answers, dim=-1) @ attention.output.weight.T


# %%
torch.manual_seed(0)
T, C, H, D = 6, 32, 4, 8
x = torch.randn(T, C)
four_heads = package.MultiHeadAttention(d_model=C, n_heads=H)
theirs = four_heads(x[None], is_causal=True)[0]
torch.testing.assert_close(naive_multi_head(x, four_heads, H), theirs)

# %% [markdown]
# The matrices are as large as those of one head that is C wide; only the softmax comes in four parts. In real code the
# loop over heads is one more axis, and making it is the line that is most often got wrong. Head h owns *columns* of
# every token: so split the last axis, then move the heads to the front. Cutting the front axis straight away gives the
# right shape as well:

# %%
query = x @ four_heads.query.weight.T  # (T, C)
right = query.view(T, H, D).transpose(0, 1)  # (H, T, D)
wrong = query.view(H, T, D)  # the same shape
torch.testing.assert_close(right[1], query[:, 8:16])
assert right.shape == wrong.shape
assert not torch.allclose(right, wrong)
token = int((query == wrong[1, 0, 0]).nonzero()[0, 0])
print("head 1 of the wrong cut begins with token", token, "and not with 0")

# %% [markdown]
# The same trap stands at the exit, where the heads' answers, (H, T, D), become (T, C) again. First swap the axes back,
# then join the last two. `view` refuses to join what does not lie side by side in memory (lesson 00a). That error is a
# friend: `reshape` copies the numbers into the new order, and so does `.contiguous().view(...)`, which you will see in
# much code. The enemy is to forget the swap. Nothing is raised, and the tokens are mixed.

# %%
answers = right.contiguous()  # heads compute their answers head by head in memory
try:
    answers.transpose(0, 1).view(T, C)
except RuntimeError as error:
    print(str(error).split(" (")[0])
torch.testing.assert_close(answers.transpose(0, 1).reshape(T, C), query)
mixed_up = answers.reshape(T, C)  # no swap
assert mixed_up.shape == query.shape
assert not torch.allclose(mixed_up, query)

# %% [markdown]
# ## Fewer keys than queries
#
# When a model writes, it keeps the keys and values of all earlier tokens, or it would have to compute them again for
# each new one (the *KV cache*, lessons 07 and 12). Queries are used once and thrown away. So let several query heads
# share one key/value head: K of them instead of H. That is **grouped-query attention**. With H = 4 and K = 2, heads 0
# and 1 share the first, heads 2 and 3 the second: head h reads h // (H / K).


# %%
def naive_grouped(query, key, value):
    """(H, T, D), (K, S, D), (K, S, D) -> (H, T, D)."""
    group = len(query) // len(key)  # how many query heads share one key/value head
    answers = []
    for h, q in enumerate(query):
        answers.append(naive_causal(q, key[h // group], value[h // group]))
    return torch.stack(answers)


# %%
torch.manual_seed(0)
query = torch.randn(4, T, D)
key, value = torch.randn(2, 2, T, D)
grouped = naive_grouped(query, key, value)
one_text = (query[None], key[None], value[None], package.causal_mask(T, T))
torch.testing.assert_close(package.attention_by_loops(*one_text)[0], grouped)
torch.testing.assert_close(package.attention_by_matmul(*one_text)[0], grouped)
torch.testing.assert_close(package.attention_by_sdpa(*one_text)[0], grouped)

# %% [markdown]
# The tempting mistake is h % K, which deals the heads out like cards. It runs, and a model trained with it is as good
# as any; but published weights are laid out in blocks, and read this way they give nonsense:

# %%
dealt = [naive_causal(q, key[h % 2], value[h % 2]) for h, q in enumerate(query)]
dealt = torch.stack(dealt)
torch.testing.assert_close(dealt[[0, 3]], grouped[[0, 3]])  # two heads agree by luck
assert not torch.allclose(dealt[[1, 2]], grouped[[1, 2]], atol=0.1)

# %% [markdown]
# ## What PyTorch runs: SDPA
#
# The package's forms by loops and by matrices are for reading. The model calls the third, torch's
# `scaled_dot_product_attention`. Here it is, below the function that works out the weights when somebody wants to see
# them:

# %%
for form in (package.attention_weights, package.attention_by_sdpa):
    print(inspect.getsource(form))

# %%
fused = F.scaled_dot_product_attention(*one_text[:3], is_causal=True, enable_gqa=True)
torch.testing.assert_close(fused[0], grouped)
heads, length = 9, 8192
weights, result = heads * length * length, heads * length * 64
print(f"weights of one layer at T = {length}: {weights * 4 / 1e9:.1f} GB in 32 bits")
print(f"its result: {result * 4 / 1e9:.3f} GB")
assert weights == 128 * result

# %% [markdown]
# Equal, and it need not hold the T x S weights. How can that be? Softmax divides by a sum over *all* keys, so it seems
# to need the whole row before it can begin. It does not. Go through the keys in blocks, and keep three things for each
# query: the largest score so far, the sum of the powers so far, and the mixture so far. If a block brings a larger
# score, then all that was summed up before was taken against the wrong maximum; but you know by which factor, so shrink
# it. At the end, divide the mixture by the sum.


# %%
def naive_blocks(query, key, value, size=2):
    """One causal head, a few keys at a time: (T, D) -> (T, D)."""
    rows = []
    for t, q in enumerate(query):
        largest, total, mixture = torch.tensor(-math.inf), 0.0, 0.0
        for block in torch.arange(t + 1).split(size):  # the visible keys only
            scores = key[block] @ q / math.sqrt(len(q))
            before, largest = largest, torch.maximum(largest, scores.max())
            powers, shrink = (scores - largest).exp(), (before - largest).exp()
            total = total * shrink + powers.sum()
            mixture = mixture * shrink + powers @ value[block]
        rows.append(mixture / total)
    return torch.stack(rows)


# %%
for size in (1, 2, 5):
    blockwise = naive_blocks(query[0], key[0], value[0], size)
    torch.testing.assert_close(blockwise, grouped[0])

# %% [markdown]
# This is the heart of *FlashAttention* (Dao et al. 2022); what a kernel adds is to do it for many queries at once, in
# the fastest memory of the chip. The work is the same T x S products; the memory is not. The price: nobody can look at
# weights that were never stored. Whoever wants to see them computes them again, as `trace` does below. (And it is no
# promise: where torch has no such kernel for your device, your mask or your number format, it falls back to matrices,
# quietly, and they do hold the weights.)
#
# ## A layer of the real model
#
# SmolLM2 has 30 layers, each with H = 9 query heads and K = 3 key/value heads of D = 64. We put the mark
# `<|endoftext|>`, which stands between two documents, before each text and call it `START`.
#
# `trace` runs the model once and keeps what is otherwise thrown away. You need three things from it: `stream`, the
# vectors of all tokens at every depth (each layer *adds* what it found to them; lesson 06 builds this residual stream);
# `attention`, what each layer's attention added; and `weights`, who looked at whom. Does your function do what layer 9
# does?

# %%
_ = torch.set_grad_enabled(False)  # from here on we only look
model, tokenizer = load("smollm2-135m-instruct")
START = tokenizer.special_tokens["<|endoftext|>"]
river = "The river was high, so the ferryman tied his boat to the bank"
money = "The money was gone, so the ferryman took the road to the bank"
TEXTS = {
    "river": f"{river} and waited for the rain to stop.",
    "money": f"{money} and asked there for a new loan.",
}


# %%
def with_start(text):
    """A text as ids, the mark in front."""
    return [START, *tokenizer.encode(text)]


ids, tokens, traces = {}, {}, {}
for name, text in TEXTS.items():
    ids[name] = torch.tensor([with_start(text)])
    pieces = [tokenizer.decode([id]) for id in tokenizer.encode(text)]
    tokens[name] = ["START", *pieces]
    traces[name] = trace(model, ids[name])
print({name: len(row) for name, row in tokens.items()}, "tokens")
assert tokens["river"][15] == tokens["money"][15] == " bank"

# %%
block, seen = model.blocks[9], traces["river"]
x = block.attention_norm(seen.stream[9])  # (B, T, C): what layer 9 reads
places = torch.arange(x.shape[1])
angles = rotary_angles(places, d_head=64, theta=model.config.rope_theta)
query, key, value = block.attention.project(x, angles)
print("query", tuple(query.shape), "key", tuple(key.shape), "value", tuple(value.shape))

# %%
answers = naive_grouped(query[0], key[0], value[0])  # (H, T, D)
by_hand = block.attention.output(answers.transpose(0, 1).flatten(1))
torch.testing.assert_close(by_hand, seen.attention[9, 0], rtol=1e-3, atol=1e-3)

# %% [markdown]
# It does. And the spread of its scores, which the division by 8 was to bring to 1? Beside the trained layers we look at
# one with the same shape and fresh weights, with the standard deviation that GPT-2 began with, 0.02.


# %%
def visible_scores(attention, x):
    """All scores that the mask lets through, from all heads of a layer, in one row."""
    query, key, _ = attention.project(x, angles)
    key = key.repeat_interleave(3, dim=1)  # one key head serves three query heads
    scores = query[0] @ key[0].mT / 8  # (H, T, S)
    return scores[:, package.causal_mask(*scores.shape[1:])].flatten()


# %%
torch.manual_seed(0)
untrained = copy.deepcopy(block.attention)
for weight in untrained.parameters():
    weight.normal_(std=0.02)
spread = {"fresh": visible_scores(untrained, F.rms_norm(x, (576,)))}
for layer in (0, 9, 18):
    block = model.blocks[layer]
    x = block.attention_norm(traces["river"].stream[layer])
    spread[f"layer {layer}"] = visible_scores(block.attention, x)
for name, scores in spread.items():
    print(f"{name:8} spread {scores.std():.1f}, lowest {scores.min():.1f}")
stds = [scores.std() for scores in spread.values()]
assert stds[0] < 0.5 < 1.5 < min(stds[1:])
assert spread["layer 18"].min() < -40

# %% [markdown]
# Not 1, neither before nor after. A query's entries have variance 1 in the textbook; with weights this small they have
# a quarter of it, and so a fresh head starts flatter still. (With 1/√576 = 0.042 it would start at the textbook's 1.)
# Training then makes the heads as sharp as it needs them, with a spread of 2 to 9. What the division sees to is that
# the start is on the flat side, where learning is easy, however wide the head is.
#
# ## *bank*, rightly told
#
# Now the famous example. In "the bank of the river", *river* comes after *bank*. You know what the mask does to that:


# %%
def vectors(text, model=model):
    """The stream of a text before the first block and after each one: (L + 1, T, C)."""
    return trace(model, torch.tensor([with_start(text)]), weights=False).stream[:, 0]


# %%
of_river, of_england = vectors("The bank of the river"), vectors("The bank of England")
largest = (of_river[:, :4] - of_england[:, :4]).abs().max()
print(f"START The bank of: they differ by {largest:.2f} at most", end=", ")
print(f"where numbers go up to {of_river.abs().max() / 1000:.0f} thousand")
torch.testing.assert_close(of_river[:, :4], of_england[:, :4], rtol=1e-3, atol=1e-2)

# %% [markdown]
# *bank* is the same bank in both, in all 30 layers. Nobody will ever come back and correct it. What the text says later
# can only be used *later*: by *river* and whatever follows. To see *bank* itself change, its context must come first.
# We compare two texts which differ in one word, by the cosine of the two vectors, and do the same with *wall*:


# %%
def cosines(word):
    """The cosine of a word's vectors after river and after street, at every depth."""
    river = vectors(f"We walked along the river to its {word}")[:, -1]
    street = vectors(f"We walked along the street to its {word}")[:, -1]
    return torch.cosine_similarity(river, street, dim=-1)


apart = {word: cosines(word) for word in ("bank", "wall")}
assert apart["bank"][0] > 0.999 > 0.95 > apart["bank"].min()
assert apart["wall"].min() > apart["bank"].min()

# %%
show(
    lines(apart, "depth (blocks passed)", "cosine, river against street"),
    alt="The cosine of one word's vectors in two texts, over depth. Both words start "
    f"at 1; bank falls to {apart['bank'].min():.2f}, wall only to "
    f"{apart['wall'].min():.2f}.",
)

# %% [markdown]
# With *river* before it, *bank* moves, and it moves further than *wall*. (Why do all cosines stay near 1? The vectors
# of one depth share a large common part, as the rows of the table did in lesson 02. Below we take it away first.)
#
# And where would the usual telling be right? In a model without the mask, such as BERT, which does not write but reads.
# We can lift the mask from ours: the same weights, `causal=False`. Yours is lifted by `naive_matrices` in place of
# `naive_causal`. (These weights were trained with the mask, so what they do without it is only a sign that the road is
# open, not that it leads anywhere.)

# %%
both_ways = copy.copy(model)  # the same weights
both_ways.config = replace(model.config, causal=False)  # and another setting
of_river = vectors("The bank of the river", both_ways)
of_england = vectors("The bank of England", both_ways)
unmasked = torch.cosine_similarity(of_river[:, 2], of_england[:, 2], dim=-1)
print(f"cosine of bank and bank: first {unmasked[0]:.2f}, lowest {unmasked.min():.2f}")
assert unmasked[0] > 0.999 > 0.95 > unmasked.min()

# %% [markdown]
# ## Do the two meanings come apart?
#
# One pair of texts proves little. Here are twelve openings about money and twelve about water, built alike, and all go
# on with the same eight words up to *bank*. So the neighbours of *bank* are the same in all; whatever tells the vectors
# apart has come from the sentence before.

# %%
ABOUT_MONEY = """The loan was approved on Monday. She had saved four hundred dollars.
Interest rates had gone up again. His salary arrived every month.
The cashier counted the coins. They needed a new mortgage.
He signed the cheque with a pen. The robbers wore masks and carried bags.
The accountant checked the savings. Her credit card was lost.
The vault was locked at five. The investors wanted their money."""
ABOUT_WATER = """The otters were swimming upstream. She had caught four silver trout.
The water had gone up again. His canoe drifted every afternoon.
The fisherman counted the ducks. They needed a new boat.
He crossed the stream with a stick. The beavers built a dam of branches.
The angler checked the reeds. Her fishing rod was lost.
The ferry was moored at five. The swimmers wanted their towels."""
sentences = (ABOUT_MONEY + ABOUT_WATER).split(".")
OPENINGS = [sentence.strip() for sentence in sentences if sentence.strip()]
groups = torch.tensor([0] * 12 + [1] * 12)
assert len(OPENINGS) == len(groups)

# %% [markdown]
# All 24 go through the model at once. Shorter ones are filled up *on the right*: the mask keeps what comes later from
# reaching back, so it does no harm.


# %%
def last_words(word):
    """The vectors of the last word of all 24 texts, at every depth: (L + 1, 24, C)."""
    ending = f". We walked along until we came to the {word}"
    rows = [with_start(opening + ending) for opening in OPENINGS]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [START] * (longest - len(row)) for row in rows])
    stream = trace(model, ids, weights=False).stream
    return stream[:, torch.arange(len(rows)), [len(row) - 1 for row in rows]]


banks = last_words("bank")
for one in banks[0]:  # before the first block: 24 times the same vector
    assert torch.equal(one, banks[0, 0])

# %% [markdown]
# How clearly do the two groups stand apart? `separation` takes the mean of the 24 vectors away and gives two measures,
# at each depth. The **accuracy** is the share of vectors which are nearer to the mean of their own group than to the
# other's (a vector does not count towards its own mean). The **gap** is the mean cosine within the groups less the mean
# cosine between them: 0 is no difference, 2 is opposite directions. In brackets stands what chance reaches: 95 of 100
# random labellings stay at or below it.

# %%
found = separation(banks, groups)
for depth in (0, 2, 3, 5, 10, 20, 30):
    print(f"depth {depth:2}: accuracy {found.accuracy[depth]:.2f}", end=" ")
    print(f"({found.chance_95[depth]:.2f})", end="   ")
    print(f"gap {found.cosine_gap[depth]:5.2f} ({found.gap_95[depth]:.2f})")
assert found.cosine_gap[0] == 0
assert (found.accuracy[4:] > found.chance_95[4:]).all()
assert found.cosine_gap[10] > 1 > 5 * found.gap_95[10]

# %% [markdown]
# So the claim holds: chance for two blocks, clear after three, complete by the fifth, and from there on the two *banks*
# lie on opposite sides of their common mean. This is where most tellings stop, with a plot. One question is left.
# **Would any word do that?** A *wall* is a wall beside a river and beside a vault. We put four words of one meaning
# into the very same texts:

# %%
CONTROLS = ("wall", "house", "tree", "door")
controls = [separation(last_words(word), groups) for word in CONTROLS]
shore = separation(last_words("shore"), groups)
control_gaps = torch.stack([control.cosine_gap for control in controls])
gaps = {
    "bank": found.cosine_gap,
    "shore": shore.cosine_gap,
    "wall, house, tree, door": control_gaps,
}
print(f"{'gap':24} at depth 10   mean from depth 5 on")
for name, gap in gaps.items():
    print(f"{name:24} {gap[..., 10].mean():11.2f}   {gap[..., 5:].mean():20.2f}")
print("accuracy of the controls:", *(f"{c.accuracy[10]:.2f}" for c in controls))

# %%
assert min(control.accuracy[10] for control in controls) > 0.8
assert (found.cosine_gap[3:] > control_gaps[:, 3:].max(0).values).all()
late_bank, late_controls = found.cosine_gap[5:].mean(), control_gaps[:, 5:].mean()
assert late_bank > 2.5 * late_controls > 2.5 * found.gap_95[5:].mean()
chance = {"95 % of shuffles": found.gap_95.max().item()}
show(
    lines(gaps, "depth (blocks passed)", "cosine gap", references=chance),
    alt="How far apart the two groups point, over depth. Bank rises to "
    f"{found.cosine_gap.max():.2f}; the four words of one meaning stay near "
    f"{late_controls:.2f}, still above the shuffles; shore lies between, in the middle "
    "layers.",
)

# %% [markdown]
# Read this slowly, for it is where a careful reader and a careless one part. *Wall* is told apart as well, with an
# accuracy of 0.9 and more. Its meaning did not change. Attention simply carries the **topic** into every word, and a
# classifier that finds the topic has not found a meaning. By accuracy, the usual measure, nothing was shown at all.
#
# The gap shows more: on average over depth 5 to 30 that of *bank* is more than three times that of the words of one
# meaning. So there is something in it that is about *bank*. But look at *shore*. It has one meaning, and it goes with
# one of the two topics. In the middle layers it lies between, so part of what parts the *banks* there may be how well
# the word *fits* the text, and not which of two meanings was looked up. From depth 26 on *shore* stands no further
# apart than the widest of the others, and *bank* still does. "Attention resolves ambiguity" is a fair summary of the
# distance between the lines, and no more than that.
#
# ## See for yourself: the attention explorer
#
# The first picture: layer 9, head 2, at *bank*. Nearly three quarters of its attention goes to *river*, thirteen tokens
# back; in the other text it finds *money*. Point at any other token with the mouse, or walk through them with the Tab
# key: the numbers say in per cent what it takes from the tokens before it. Notice that nothing behind it ever gets any.
# Then move the sliders (arrow keys do it); the arcs belong to the token of the last one. Try layer 11, head 0, which
# finds what is done at the bank; then layer 18, head 7. With the box ticked, the first token is left out and the rest
# is scaled up to 1 again.


# %%
def look(text, layer, head, token, without_the_first_token):
    weights = traces[text].weights[layer, 0, head].clone()  # (T, S)
    if without_the_first_token:
        weights[1:, 0] = 0
        weights /= weights.sum(-1, keepdim=True)
    names, row = tokens[text], weights[token]
    largest = [s for s in row.argsort(descending=True).tolist()[:3] if row[s] > 0.005]
    looks = ", ".join(f"{names[s]!r} {row[s]:.2f}" for s in largest)
    sentence = f"Layer {layer}, head {head}: {names[token]!r} looks at {looks}."
    return (
        attention_arcs(names, row, token),
        sentence,
        hover_tokens(names, weights, token),
    )


# %%
assert "' bank' looks at ' river' 0.7" in look("river", 9, 2, 15, False)[1]
TokenExplorer(
    look,
    layer=IntSlider(9, 0, 29),
    head=IntSlider(2, 0, 8),
    token=IntSlider(15, 1, 23),
    without_the_first_token=False,
    text=list(TEXTS),
)

# %% [markdown]
# ## Weights are not reasons
#
# You will have seen that most heads, most of the time, stare at the first token. How much?

# %%
weights = traces["river"].weights[:, 0]  # (L, H, T, S)
T = weights.shape[-1]
to_first = weights[:, :, 1:, 0].mean(-1)  # (L, H); the first query has no choice
even = sum(1 / (t + 1) for t in range(1, T)) / (T - 1)
print(f"attention to the first token: {to_first.mean():.2f} of all", end="; ")
print(f"if spread evenly, {even:.2f}")
print(f"layer 18, head 7: {to_first[18, 7]:.3f}")
assert to_first[18, 7] > 0.99
assert to_first.mean() > 3 * even

# %% [markdown]
# Half of all attention goes to a token that says nothing but *a text begins here*. Read as an explanation, a map of
# layer 18, head 7 says: every word of this text is what it is because of the beginning. What does that head really get
# there? The weight times the *value*; so look at the values:

# %%
block = model.blocks[18]
x = block.attention_norm(traces["river"].stream[18])
_, _, value = block.attention.project(x, angles)
lengths = value[0, 7 // 3].norm(dim=-1)  # query head 7 reads key/value head 2
print(f"length of the first token's value: {lengths[0]:.2f}")
print(f"of the others, on average: {lengths[1:].mean():.2f}")
assert lengths[0] < 0.2 * lengths[1:].mean()

# %% [markdown]
# The value is less than a tenth as long as the others. So the head writes next to nothing. Softmax must give 100 % to
# somebody; a head with nothing to say gives it to a place where it does no harm. Such a place is called an **attention
# sink** (Xiao et al. 2023). It is not even this mark that matters: without `START`, the first word takes the part.

# %%
headless = trace(model, ids["river"][:, 1:]).weights[:, 0, :, 1:, 0].mean()
print(f"without START, attention to the first word, 'The': {headless:.2f} of all")
assert headless > 0.4

# %% [markdown]
# And a head that looks at the *right* place? Layer 9, head 2 gave *river* 0.73. Surely such a look tells *bank* what
# the text is about? Take the 24 texts from above, in which the topic stands in the first sentence. Replace what the
# head writes by its mean over all texts, and measure the gap again:


# %%
def without_head(layer, head):
    """The gap of *bank* at every depth, while one head writes the same everywhere."""
    own = slice(64 * head, 64 * (head + 1))

    def blur(_module, inputs):
        mixed = inputs[0].clone()
        mixed[..., own] = mixed[..., own].mean((0, 1))
        return (mixed,)

    output = model.blocks[layer].attention.output
    hook = output.register_forward_pre_hook(blur)
    try:
        return separation(last_words("bank"), groups).cosine_gap
    finally:
        hook.remove()


# %%
ending = tokenizer.encode(". We walked along until we came to the bank")
rows = [[START, *tokenizer.encode(one), *ending] for one in OPENINGS]
looks = [trace(model, torch.tensor([row])).weights[9, 0, 2, -1] for row in rows]
share = sum(look[1 : -len(ending)].sum() for look in looks) / len(looks)
print(f"attention of the head to the first sentence: {share:.2f}")
assert share > 0.5
ablated = without_head(9, 2)
print("gap of bank                with the head   without it")
print(f"at depth 10                {found.cosine_gap[10]:13.2f}   {ablated[10]:10.2f}")
late, late_ablated = found.cosine_gap[10:].mean(), ablated[10:].mean()
print(f"mean from depth 10 on      {late:13.2f}   {late_ablated:10.2f}")
assert (ablated[10:] - found.cosine_gap[10:]).abs().max() < 0.1
torch.testing.assert_close(ablated[:10], found.cosine_gap[:10])

# %% [markdown]
# No difference, although in these texts, too, the head looks mostly at the first sentence. By then *bank* had long been
# told: after three blocks its gap stood at 0.54, after eight at 1.22, and this head, which makes the best picture of
# all, works in the tenth. (It may serve something else, and others may fill in for it; an ablation answers only the
# question that you asked.) A weight says where a head *looks*. What comes of it, only an experiment says.
#
# > **Where the picture simplifies.** *Query, key and value* are names for what three learned matrices compute; no head
# > was told to ask anything. *Words look at each other*: tokens do, they look back only, and at vectors that already
# > hold much of their own neighbours, so a look at *river* may be after *high*. The usual drawing shows one head of one
# > layer; this model has 270. Our `one_query` takes e to the power of the scores as they are; real code first subtracts
# > the largest score, which changes nothing but keeps e from overflowing (`softmax` does it for you, and `naive_blocks`
# > had to do it itself). Many a recipe drops some weights at random in training. We do not; if you do, mind that
# > torch's fused kernel drops whatever `dropout_p` says, in evaluation too. Twelve texts a group, one ending, one small
# > model: the curve is about these.
#
# > **At scale.**
# > GPT-3 has 96 layers of 96 heads, each 128 wide: 9,216 heads. The T x S products grow with the square of the text:
# > at 128,000 tokens each head of each layer has 8 billion visible pairs. So kernels work block by block in the GPU's
# > fast memory (FlashAttention), long texts are divided over devices, and keys and values get fewer: Llama 3 70B has
# > 64 query heads and 8 key/value heads. Sinks are there too: Llama 3.1 405B gives about four fifths of its attention
# > to the first token (Barbero et al. 2025), and some newer models get an explicit place for it.
#
# ## Five questions
#
# Answer before you open.
#
# **1.** Multiply the hidden weights by zero *after* softmax, then divide each row by its sum. Does that leak?
# (a) Yes, the hidden scores were in the sum. (b) No, it is the same in every case. (c) No, but it can fail.
#
# <details><summary>Open 1</summary>
#
# **(c)**. In exact arithmetic the common divisor cancels, and what is left is the softmax over the visible keys; so (a)
# is wrong. In floating point, if one hidden score is larger than the visible ones by 110 or so, all visible weights are
# rounded to 0, and 0 / 0 is NaN; so (b) is wrong too. Minus infinity before softmax has neither trouble, which is why
# everybody uses it.
# </details>
#
# **2.** Your validation loss is far below everybody else's. What do you test first? (a) The learning rate. (b) Whether
# changing a token moves anything before it. (c) The optimiser.
#
# <details><summary>Open 2</summary>
#
# **(b)**. A loss below what is possible needs information from the future, whether by the mask, by targets that were
# not shifted, or by a norm that averages over places. A bug in (a) or (c) would make the loss worse, not better. (First
# be sure that the two losses count the same: with shorter tokens a loss per token is lower, as lesson 01 showed, and
# texts that were in the training data leak in a way of their own.)
# </details>
#
# **3.** Without the division by √D, a wide head starts with weights of nearly 0 and 1. Isn't a sharp choice what we
# want? (a) Yes, it saves training time. (b) At the end perhaps, at the start not. (c) It makes no difference: the
# matrices are learnt.
#
# <details><summary>Open 3</summary>
#
# **(b)**. At the start the choice is that of random weights, and the slope w (1 - w) is next to zero, so the head
# cannot unlearn it; that also answers (a) and (c), for what has no slope is not learnt. With the division it starts
# undecided, where slopes are large, and becomes sharp where that pays. Layer 9 of the real model has scores that spread
# some ten times as wide as those of our fresh weights.
# </details>
#
# **4.** A classifier reads from the vectors of *bank* whether the text was about money or water, with an accuracy of
# 1.00. Has attention resolved the ambiguity? (a) Yes. (b) That does not follow. (c) No, 1.00 must be chance.
#
# <details><summary>Open 4</summary>
#
# **(b)**. The same classifier does nearly as well on *wall*, which has nothing to resolve: the topic gets into every
# word. So not (a). Not (c): where the accuracy is 1.00, 95 of 100 shuffled labellings stay at or below 0.67. What
# speaks for *bank* is a gap more than three times as wide in the same texts; what speaks for caution is *shore*, which
# has one meaning and in the middle layers a wider gap than *wall* too. Without a control word there is no result.
# </details>
#
# **5.** A head gives *river* a weight of 0.73 when it reads *bank*. May you write that it "uses river to understand
# bank"? (a) Yes, 0.73 is most of its attention. (b) Only if no other head does the same. (c) No.
#
# <details><summary>Open 5</summary>
#
# **(c)**. What it takes is weight times value, and the value may be short, as at the sink; so (a) says nothing of what
# arrived. What it then writes may be ignored, or also be written by others: without this very head the two meanings
# stood just as far apart. Counting heads, as in (b), does not help: the weight is a fact about looking, and a claim
# about use needs an intervention and a stated measure.
# </details>

# %% [markdown]
# **What you built**: attention by hand, by loops, by matrices, masked, with many heads, with shared keys and in blocks,
# each equal to the package, to PyTorch's kernel or to a layer of a real model; a test that finds any leak, and the loss
# that a leak makes look so good; the two *banks* told apart with a control and a level of chance; and two heads whose
# weights do not show what they do: a sink, and a head whose removal leaves the gap as it was.
#
# **Exercise**: can a causal model be made to look ahead after all? Say it twice (Springer et al. 2024 do): "The bank
# was near. The otters were swimming upstream. The bank was near." The second *bank* has seen everything. Write
# `last_words` so that the opening comes *after* the first *bank*, measure the gap at the first and at the second one,
# and again with *wall*. Predict all four before you run it.
#
# **Graded questions**, with checks that name the mistake:
# [exercise 04](../exercises/04_attention/04_attention.ipynb).
#
# **Next**: lesson 05, the other half of the block: the feed-forward network, which is said to hold the facts.
