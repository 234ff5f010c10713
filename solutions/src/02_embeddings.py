# %% [markdown]
# # Exercise 02 · Embeddings
#
# **You will write** the metric for an approximate nearest-neighbor search, a gradient that counts every occurrence of a
# repeated id, embeddings from counts without any training, and a training step with a few negative samples instead of
# the whole vocabulary.
#
# **Time**: 80 minutes. **Points**: 10. **Before you start**: lesson 02.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# recall(*check("02.1", recall).failure.example)
# check("02.1", recall, seed=7)
# ```
#
# In every question you may use everything in torch and numpy except what **Without** lists. Don't change the inputs:
# return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 02.1 · Recall at k of a compressed table
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: measure how many true nearest neighbors a compressed table of embeddings still finds.
#
# A vector database compresses its vectors to search faster: fewer numbers per vector, or fewer bits per number. What
# this costs is measured as *recall at k*. Take the k nearest neighbors of each row in the full table, by brute force.
# Which share of them is also among the k nearest neighbors in the compressed table?
#
# **In**: `table` (V, C) and `compressed` (V, c), two tables with the same number of rows: row i of both belongs to
# token i. `k`, a whole number from 1 to V - 1. The neighbors of a row are the k *other* rows with the largest cosine.
# There are no ties, and no row is 0.
#
# **Out**: one number from 0 to 1, the mean over all V rows of the share of true neighbors that are found.
#
# ```
# table = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.2, 1.0], [0.0, 1.0]])
# compressed = torch.tensor([[1.0, 0.0], [1.0, 0.5], [0.7, 1.0], [-0.2, 1.0]])
# recall(table, compressed, k=1)  0.75
# ```
#
# The nearest neighbors are 1, 0, 3, 2 in the table and 1, 0, 1, 2 in the compressed one: three of four are the same.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Write a function for the k neighbors of all rows at once, (V, k), and call it for both tables. What is the cosine of a
# row with itself, and where does it end up in `topk`?
# </details>
#
# <details><summary>Hint 2</summary>
#
# With rows of norm 1, all cosines are one product, `rows @ rows.T`. Set the diagonal to minus infinity before `topk`.
# Then compare the two lists of each row as *sets*: the order doesn't matter.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `found = (true[:, :, None] == near[:, None, :]).any(dim=-1)` is (V, k): True where a true neighbor is in the other
# list. Its mean is the recall.
# </details>


# %%
def recall(table, compressed, k):
    """The mean share of the k nearest neighbors that the compressed table finds."""

    ### BEGIN SOLUTION
    def neighbors(rows):
        rows = rows / rows.norm(dim=1, keepdim=True)
        cosines = (rows @ rows.T).fill_diagonal_(-torch.inf)
        return cosines.topk(k).indices  # (V, k)

    true, near = neighbors(table), neighbors(compressed)
    found = (true[:, :, None] == near[:, None, :]).any(dim=-1)
    return found.float().mean().item()
    ### END SOLUTION


# %%
check("02.1", recall).points

# %% [markdown]
# For 4,000 rows of SmolLM2's table (ids 1,000 to 4,999) and k = 10, your function gives:
#
# | compressed table | recall at 10 |
# | --- | --- |
# | int8, one scale per row | 0.98 |
# | int4, one scale per row | 0.78 |
# | the first 288 of 576 columns | 0.59 |
# | only the signs, 1 bit per number | 0.47 |
# | the same rows, shuffled (chance) | 0.002 |

# %% [markdown]
# ## 02.2 · Three occurrences, one gradient
#
# *bug-hunt · difficulty 3 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why a frequent word gets no more gradient than a rare one below, and write the gradient that is
# right.
#
# A text of a few words looks up a few rows of a table of 49,152. So its gradient doesn't have to be a table: it is
# enough to keep the ids that were looked up and one row of slopes for each. (PyTorch does this with `nn.Embedding` and
# `sparse=True`.) The cell below sends back a 1 for each position of a text. So the slope of each word must be the
# number of times it occurs.


# %%
def broken_gradient(ids, upstream):
    """The ids that were looked up, and their slopes. (Not all of them.)"""
    rows = ids.unique()  # each id once, the smallest first
    slopes = torch.zeros(len(rows), upstream.shape[-1])
    row_of = torch.searchsorted(rows, ids)  # where in rows each id is
    slopes[row_of] += upstream
    return rows, slopes


sentence = "the king and the queen and the ferryman"
text = sentence.split()
words = sorted(set(text))
ids = torch.tensor([[words.index(word) for word in text]])  # (B, T)
for row, slope in zip(*broken_gradient(ids, torch.ones(1, 8, 1)), strict=True):
    print(f"{words[row]:8} occurs {text.count(words[row])} times, slope {slope.item()}")

# %% [markdown]
# **In**: `ids` (B, T); `upstream` (B, T, C), the slope of the loss for each number that was looked up; `pad`, the id
# that fills up short texts, before, after or between their tokens. Not all of a batch is padding. The slopes at padding
# don't count, even if they are infinite.
#
# **Out**: a pair `(rows, slopes)`. `rows` (n,) are the different ids without `pad`, the smallest first; `slopes` (n, C)
# is the gradient of each of these rows of the table, zeros included.
#
# `gradient(torch.tensor([[5, 2, 5, 0]]), torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]), pad=0)` is
# `([2, 5], [[2.0], [4.0]])`.
#
# **Without**: `minillm`, `torch.nn.functional.embedding`, `torch.autograd`, `torch.Tensor.backward`.
#
# <details><summary>Hint 1</summary>
#
# `slopes[row_of] += upstream` is short for `slopes[row_of] = slopes[row_of] + upstream`. What is on the right if
# `row_of` names a row three times, and what is then written into that row?
# </details>
#
# <details><summary>Hint 2</summary>
#
# You need an addition that counts repeats: `slopes.index_add_(0, row_of, upstream)`, with a single axis of positions. A
# loop over the positions works, too. So does a product with one-hot rows, once the padding is out (0 times infinity is
# NaN).
# </details>
#
# <details><summary>Hint 3</summary>
#
# `real = ids != pad` is (B, T), and as an index it does two things at once: `ids[real]` is (m,) and `upstream[real]` is
# (m, C), in the same order. `unique(return_inverse=True)` gives you the ids and the row of each position together.
# </details>


# %%
def gradient(ids, upstream, pad):
    """The ids that were looked up, in order, and the slopes of their rows."""
    ### BEGIN SOLUTION
    real = ids != pad
    rows, row_of = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1])
    return rows, slopes.index_add(0, row_of, upstream[real])
    ### END SOLUTION


# %%
check("02.2", gradient).points

# %% [markdown]
# ## 02.3 · Embeddings from counts: PPMI
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: turn counts of word pairs into a table in which two words are similar if they occur with the same words.
#
# Training on pairs of neighboring words is one way to get embeddings. Another is to count the pairs, and to ask how
# many times more often two words occur together than they would by chance. By chance, a pair is as frequent as the
# product of its two shares. The logarithm of this ratio is the *pointwise mutual information* (PMI). Where it is
# negative, it is hard to tell from chance, so it is replaced by 0: *positive* PMI. (Skip-gram with negative sampling,
# which comes next, finds rows whose dot products are the PMI minus a constant: Levy and Goldberg 2014.)
#
# **In**: `counts` (V, W), how often each word (row) occurred near each context word (column), as floats, not all 0;
# `power`, a number above 0. The table may be neither symmetric nor square.
#
# **Out**: (V, W), in nats:
#
# > max(0, log(p(w, v) / (p(w) q(v))))
#
# p(w, v) is the pair's share of all counts, and p(w) the share of the row's sum. q(v) is the share of the context:
# raise the sum of each column to `power`, then divide by the sum of these. (1 gives the plain share; 0.75 flattens the
# shares, so that rare contexts count less.) Where the pair, the word or the context was never seen, put 0.
#
# `ppmi(torch.tensor([[3.0, 0.0], [1.0, 2.0]]), power=1.0)` is `[[0.4055, 0], [0, 0.6931]]`: the first pair has half of
# all counts, and the product of its shares is 1/2 · 2/3 = 1/3.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Three shares: of the pair (V, W), of the word (V,), of the context (W,). Each is something divided by its own sum. The
# product of the last two has to become (V, W): which one needs a new axis?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `seen = counts.sum(0) ** power` and `q = seen / seen.sum()`. The pairs and the words keep their counts as they are.
# </details>
#
# <details><summary>Hint 3</summary>
#
# For a pair that was never seen the logarithm is minus infinity, and `clamp_min(0)` makes it 0. For a word that was
# never seen it is 0 / 0, NaN, which `clamp_min` leaves alone. `nan_to_num()` after it replaces it by 0.
# </details>


# %%
def ppmi(counts, power):
    """The positive pointwise mutual information of each pair: (V, W)."""
    ### BEGIN SOLUTION
    pair = counts / counts.sum()
    word = counts.sum(1) / counts.sum()
    seen = counts.sum(0) ** power
    context = seen / seen.sum()
    return (pair / (word[:, None] * context)).log().clamp_min(0).nan_to_num()
    ### END SOLUTION


# %%
check("02.3", ppmi).points

# %% [markdown]
# ## 02.4 · Skip-gram with negative sampling
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: take one training step of skip-gram that touches a few rows, however large the vocabulary is.
#
# *Skip-gram* learns two tables by predicting the words around a word: E has a row per word, U a row per context word,
# and the score of a pair is u_context · e_word. A softmax over these scores needs all rows of U in every step, too many
# for a million words. *Negative sampling* (Mikolov et al. 2013) asks a different question: here is a word and a
# candidate for its context. Is it real, or was it drawn at random? The answer is sigmoid(score) = 1 / (1 + e^-score)
# (`torch.sigmoid`). For each real pair a few random words are drawn, the *negative samples* or *noise*. The loss of a
# pair is the surprise at all of these answers together:
#
# > -log sigmoid(u_context · e_word) - (sum over its noise) log sigmoid(-u_noise · e_word)
#
# **In**: `E` and `U`, (V, C) each; `words` (N,) and `contexts` (N,), the real pairs; `noise` (N, K), the negative
# samples of each pair; `rate`, a number. The loss is the *sum* over the pairs. Any id may occur several times anywhere.
# The draw doesn't look at the pair: if a pair's noise equals its own context, that one draw is left out.
#
# **Out**: a pair of new tables `(E, U)`, each minus `rate` times its gradient. All gradients are taken at the tables
# that came in. (A trainer would change the few rows in place. Here the inputs stay unchanged.)
#
# With `E = [[1.0], [2.0]]` and `U = [[0.0], [0.0]]`, `step(E, U, words, contexts, noise, rate=1.0)` for the one pair
# (0, 0) with noise 1 leaves E unchanged (U is 0), and makes U `[[0.5], [-0.5]]`.
#
# **Without**: `minillm`, `torch.autograd`, `torch.Tensor.backward`, `torch.nn.functional.embedding`.
#
# <details><summary>Hint 1</summary>
#
# The gradient at a score is *predicted minus true*, as with softmax: sigmoid(score) - 1 for the context and
# sigmoid(score) for noise. From there it is one product back: to E's row through U's row, and to U's row through E's.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Put the context before its noise: `choices` (N, 1 + K). Look up `e = E[words]` (N, C) and `u = U[choices]`
# (N, 1 + K, C). Now context and noise are one case, except for the - 1 in the first column. A draw that is left out has
# the slope 0 at its score.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `slope` (N, 1 + K): E's gradients are `(slope[..., None] * u).sum(1)`, one row per entry of `words`. U's are
# `slope[..., None] * e[:, None]`, one row per entry of `choices`. Ids repeat, as in question 2:
# `E.index_add(0, words, ..., alpha=-rate)`, and for U flatten the first two axes.
# </details>


# %%
def step(E, U, words, contexts, noise, rate):
    """Both tables after one step, as new tensors."""
    ### BEGIN SOLUTION
    choices = torch.cat([contexts[:, None], noise], 1)  # (N, 1 + K)
    e, u = E[words], U[choices]
    slope = (u * e[:, None]).sum(-1).sigmoid()
    slope[:, 0] -= 1
    slope[:, 1:] *= noise != contexts[:, None]
    by_word = (slope[..., None] * u).sum(1)
    by_choice = (slope[..., None] * e[:, None]).flatten(0, 1)
    new_E = E.index_add(0, words, by_word, alpha=-rate)
    return new_E, U.index_add(0, choices.flatten(), by_choice, alpha=-rate)
    ### END SOLUTION


# %%
check("02.4", step).points

# %% [markdown]
# **What you built**: the metric of every vector database, the gradient of a lookup that counts repeats, embeddings from
# counts, and a training step whose cost doesn't grow with the vocabulary. To see the last two meet, take the singular
# value decomposition of a `ppmi` table of a text of yours, keep the 16 largest directions, and look at the neighbors.
