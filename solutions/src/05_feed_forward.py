# %% [markdown]
# # Exercise 05 · Feed-forward
#
# **You will write** what each neuron adds to a word's score, mend a network that was put together from two cards, build
# a mixture of experts, and write facts into a matrix without spoiling those that are in it.
#
# **Time**: 90 minutes. **Points**: 10. **Before you start**: lesson 05.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# contributions(*check("05.1", contributions).failure.example)
# check("05.1", contributions, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, and nothing of `minillm`. What
# your function is given must stay as it is: return something new.

# %%
import torch
import torch.nn.functional as F

from minillm.course.checks import check

# %% [markdown]
# ## 05.1 · Which neuron wrote it?
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: say of every neuron what it adds to the score of a word.
#
# The output of a feed-forward network is a sum: each neuron adds its value, a column of `down`, as strongly as it
# fires. And the score of a word is a dot product with the word's row of the head. So each neuron has its own share in
# each score, and all shares add up to what the network does for that word. (The norm in front of the head is left out
# here.)
#
# **In**: `x` (T, C), `gate` and `up` (F, C), `down` (C, F): a SwiGLU network and what it reads at T positions. `words`
# (V, C), rows of the head.
#
# **Out**: a tensor (T, F, V): what neuron f adds at position t to the score of word v.
#
# Added up over the neurons, `contributions(x, gate, up, down, words).sum(1)` is the network's output times `words.T`.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Two things are asked of a neuron. How strongly does it fire at a position, (T, F)? How well does what it writes fit a
# word, (V, F) or (F, V)?
# </details>
#
# <details><summary>Hint 2</summary>
#
# The first is the hidden layer, SiLU(x · gateᵀ) · (x · upᵀ). The second is one matrix product of `words` and `down`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Multiply them with new axes, (T, F, 1) times (F, V): `hidden[:, :, None] * (words @ down).T`.
# </details>


# %%
def contributions(x, gate, up, down, words):
    """What each neuron adds at each position to the score of each word: (T, F, V)."""
    ### BEGIN SOLUTION
    hidden = F.silu(x @ gate.T) * (x @ up.T)  # (T, F)
    fit = (words @ down).T  # (F, V)
    return hidden[:, :, None] * fit
    ### END SOLUTION


# %%
check("05.1", contributions).points

# %% [markdown]
# ## 05.2 · Two cards, and another network
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the network below changes with the number of cards, and write one that does not.
#
# A network too large for one card is spread over several: each holds some of the neurons. Many models also keep gate
# and up in one matrix, because one large product is faster than two. `spread` below does both, and rightly. Then the
# cards' matrices are put together again.


# %%
def spread(gate, up, down, cards):
    """Each card's neurons: its rows of gate and of up in one matrix, its columns of down."""
    rows = zip(gate.chunk(cards), up.chunk(cards), strict=True)
    gate_up = [torch.cat((own_gate, own_up)) for own_gate, own_up in rows]
    return gate_up, list(down.chunk(cards, dim=1))


def broken_feed_forward(x, gate_up, down):
    """SwiGLU put together from its cards: (T, C) -> (T, C)."""
    gate, up = torch.cat(gate_up).chunk(2)
    return (F.silu(x @ gate.T) * (x @ up.T)) @ torch.cat(down, dim=1).T


torch.manual_seed(0)
x, gate, up, down = (torch.randn(s) for s in ((3, 4), (6, 4), (6, 4), (4, 6)))
whole = (F.silu(x @ gate.T) * (x @ up.T)) @ down.T
for cards in (1, 2, 3):
    out = broken_feed_forward(x, *spread(gate, up, down, cards))
    far = (out - whole).abs().max()
    print(f"cards: {cards}  shape: {tuple(out.shape)}  off by {far:.2f}")

# %% [markdown]
# **In**: `x` (T, C); `gate_up`, a list with a matrix for each card, of twice as many rows as it holds neurons and C
# columns: first its rows of gate, behind them its rows of up; `down`, a list with a matrix for each card, of C rows and
# a column for each of its neurons. A card may hold more neurons than another.
#
# **Out**: (T, C), what the whole network writes.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Name the rows: with two cards, two neurons each, `torch.cat(gate_up)` is g0 g1 u0 u1 g2 g3 u2 u3. What does `chunk(2)`
# call gate?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Gate and up must be separated card by card. What comes after that, joining or adding, is up to you: no neuron needs to
# know of any other.
# </details>
#
# <details><summary>Hint 3</summary>
#
# For one card, `gate, up = own.chunk(2)`, and its neurons write `(F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T`. Add
# up what all cards write. (Real cards do the same; the sum is the only time that they must talk.)
# </details>


# %%
def feed_forward(x, gate_up, down):
    """SwiGLU whose neurons lie on several cards: (T, C) -> (T, C)."""
    ### BEGIN SOLUTION
    out = torch.zeros_like(x)
    for own, own_down in zip(gate_up, down, strict=True):
        gate, up = own.chunk(2)
        out = out + (F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T
    return out
    ### END SOLUTION


# %%
check("05.2", feed_forward).points

# %% [markdown]
# ## 05.3 · A few of many networks
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: build a mixture of experts, in which each token is sent through k of E feed-forward networks.
#
# A router gives each expert a score, by a dot product with the token's vector. The k best are asked, and what they
# write is added up with weights. Models differ in the weights. In Mixtral those of the chosen experts add up to 1; in
# OLMoE they are the shares that the chosen ones have among *all* experts, and add up to less. Nothing is raised if a
# model that was trained with one runs with the other. (It has happened. Its texts began well and drifted away.)
#
# **In**: `x` (T, C); `router` (E, C); the experts' `gate` and `up` (E, F, C) and `down` (E, C, F), SwiGLU each; `k`,
# how many experts a token is sent through; `renormalize`, True if the weights of the chosen ones shall add up to 1. No
# two scores of a token are equal. Scores may be as large as 200, or as small as -200.
#
# **Out**: (T, C).
#
# With the scores 0, ln 2 and ln 3 and k = 2 the weights are 0, 2/5 and 3/5 if they are renormalised, otherwise 0, 2/6
# and 3/6.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Begin with the weights, (T, E), with zeros for all that are not chosen. Check them with the example above. Then the
# rest is a sum over the experts.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `scores.softmax(-1)` are the shares among all. `shares.topk(k)` gives the largest and which they are. To renormalise,
# divide them by their sum.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.zeros_like(shares).scatter(-1, chosen, top)` puts them back in their seats. Then, for each expert e, add
# `weights[:, e, None]` times what it writes. (A fast one would let an expert read its own tokens only.)
# </details>


# %%
def mixture(x, router, gate, up, down, k, renormalize):
    """What the k best experts of each token write, weighted and added up: (T, C)."""
    ### BEGIN SOLUTION
    shares = (x @ router.T).softmax(-1)  # (T, E)
    top, chosen = shares.topk(k)  # (T, k)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    weights = torch.zeros_like(shares).scatter(-1, chosen, top)
    out = torch.zeros_like(x)
    for e in range(len(router)):
        hidden = F.silu(x @ gate[e].T) * (x @ up[e].T)
        out = out + weights[:, e, None] * (hidden @ down[e].T)
    return out
    ### END SOLUTION


# %%
check("05.3", mixture).points

# %% [markdown]
# ## 05.4 · Write a fact, and spoil nothing
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: change `down` so that a network gives new answers to some questions and its old ones to others.
#
# In the lesson you wrote facts into an empty memory, in which each question woke one neuron. Here the matrix is full,
# and a question wakes many neurons. Can one still write "Mira's home is Sedge" into it? The matrix is straight: to the
# hidden layer h it answers `down @ h`. So facts are equations, and as long as there are fewer of them than neurons,
# many matrices fulfil them all. The best is the one that differs least from the old one, for the sake of all questions
# that nobody has thought of. (ROME and its successors edit the facts of real models so.)
#
# **In**: `down` (C, F); `asked` (m, F), what the hidden layer says to m questions; `answers` (m, C), what shall be
# answered to them; `others` (n, F), what the hidden layer says to n more questions, whose answers must stay as they
# are. n may be 0. There are no more questions than neurons, and none is a sum of multiples of the others.
#
# **Out**: the new matrix (C, F). It gives each question of `asked` its answer, and the others what `down` gives them.
# Of all matrices that do, it is the nearest to `down`: the sum of the squared changes is the least.
#
# With `down` [[0, 0]], one question [2, 0] and its answer [6], it is [[3, 0]]. [[3, 5]] would answer rightly too, but
# is further away.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# One fact and no others. Which change gives another answer to h, and why would a change along anything at right angles
# to h be wasted? Write what is *missing*, the new answer minus the old one, as an outer product with h. Then ask the
# new matrix: by what factor is it off?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Now look for the change alone, D = new - old. To `asked` it must answer what is missing, to the others 0. Those are
# equations of one kind: put all questions into one matrix, and what is missing into another.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `questions` (m + n, F) and `missing` (m + n, C) you look for the smallest D with `questions @ D.T` = `missing`.
# The shortest solution of such equations is `torch.linalg.pinv(questions) @ missing`, with the pseudo-inverse, which
# gave you the best straight answer in the lesson.
# </details>


# %%
def write(down, asked, answers, others):
    """The nearest matrix to `down` with these answers, and its own to the others."""
    ### BEGIN SOLUTION
    questions = torch.cat((asked, others))  # (m + n, F)
    unchanged = torch.zeros(len(others), len(down))
    missing = torch.cat((answers - asked @ down.T, unchanged))
    return down + (torch.linalg.pinv(questions) @ missing).T
    ### END SOLUTION


# %%
check("05.4", write).points

# %% [markdown]
# **What you built**: a ledger of who wrote what, a network that lies on any number of cards, the layer that lets a
# memory grow while the work for a token does not, and a pen for facts. Whether a real model then knows the fact in
# other words, too, is another question; ask it with a control, as in the lesson.
