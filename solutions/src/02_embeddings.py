# %% [markdown]
# # Exercise 02 · Embeddings
#
# **You will write** the rank of a neighbour, mend a gradient that forgets all but the last of several places, make a
# table out of counts without any training, and train with a handful of wrong words in place of the whole vocabulary.
#
# **Time**: 80 minutes. **Points**: 10. **Before you start**: lesson 02.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# rank(*check("02.1", rank).failure.example)
# check("02.1", rank, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 02.1 · Which neighbour is it?
#
# *rebuild · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: say which neighbour of one row another row is: the nearest, the second, the third?
#
# A cosine of 0.62 says little, as the lesson found: all rows lean the same way, so random pairs have 0.44. Two things
# help. Take the mean row away first, and look at the rank in place of the number.
#
# **In**: `table` (V, C) and two different ids, `one` and `other`. Rows are of very different lengths, and none is equal
# to their mean.
#
# **Out**: a whole number, the place of `other` among all rows but `one`, the largest cosine with `one` first: 1 for the
# nearest, V - 1 for the furthest. Before any cosine, the mean row is taken away from all rows. There are no ties.
#
# ```
# table = torch.tensor([[2.0, 1.0], [6.0, 1.0], [3.0, 1.0], [1.0, 5.0]])
# rank(table, 0, 1)  # 3: the mean is [3, 2], and what is left of rows 0 and 1 is [-1, -1] and [3, -1]
# rank(table, 0, 2)  # 1
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# `naive_nearest` in the lesson has the cosines of one vector with all rows. Give it the table without its mean.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Nothing needs to be sorted. The rank is how many rows have a larger cosine than `other`, and one more. Mind that `one`
# itself is not counted.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())`, then `cosines[one] = -torch.inf`, then count
# `cosines > cosines[other]`.
# </details>


# %%
def rank(table, one, other):
    """Which neighbour of one the other is; 1 is the nearest."""
    ### BEGIN SOLUTION
    rows = table - table.mean(0)
    cosines = rows @ rows[one] / (rows.norm(dim=1) * rows[one].norm())
    cosines[one] = -torch.inf
    return int((cosines > cosines[other]).sum()) + 1
    ### END SOLUTION


# %%
check("02.1", rank).points

# %% [markdown]
# ## 02.2 · Said three times, learnt once
#
# *bug-hunt · difficulty 3 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why a frequent word learns no more than a rare one below, and write the gradient that is right.
#
# A text of a few words touches a few rows of a table of 49,152. So the gradient need not be a table: it is enough to
# keep the ids that were looked up and one row of slopes for each. (PyTorch can do so, too: `nn.Embedding` with
# `sparse=True`.) The cell below sends back a 1 for each place of a text. So each word's slope must be how often it
# stands there.


# %%
def broken_gradient(ids, upstream):
    """The ids that were looked up, and their slopes. (Not all of them.)"""
    rows = ids.unique()  # each id once, the smallest first
    slopes = torch.zeros(len(rows), upstream.shape[-1])
    places = torch.searchsorted(rows, ids)  # where in rows each id is
    slopes[places] += upstream
    return rows, slopes


sentence = "the king and the queen and the ferryman"
text = sentence.split()
words = sorted(set(text))
ids = torch.tensor([[words.index(word) for word in text]])  # (B, T)
for row, slope in zip(*broken_gradient(ids, torch.ones(1, 8, 1)), strict=True):
    print(f"{words[row]:8} stands {text.count(words[row])} times, slope {slope.item()}")

# %% [markdown]
# **In**: `ids` (B, T); `upstream` (B, T, C), the slope of the loss for each number that was looked up; `pad`, the id
# that fills up short texts, in front, behind or in between; not all of a batch is padding. What stands at the padding
# counts for nothing, even if it is infinity.
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
# `slopes[places] += upstream` is short for `slopes[places] = slopes[places] + upstream`. Write down what stands on the
# right if `places` names a row three times, and what is then written into that row.
# </details>
#
# <details><summary>Hint 2</summary>
#
# You need an addition that knows of repeats: `slopes.index_add_(0, places, upstream)`, with one axis of places. A loop
# over the places will do, too; or the one-hot rule of the lesson, once the padding is out (0 times infinity is no 0).
# </details>
#
# <details><summary>Hint 3</summary>
#
# `real = ids != pad` is (B, T), and as an index it does two things at once: `ids[real]` is (m,) and `upstream[real]` is
# (m, C), in the same order. `unique(return_inverse=True)` gives you rows and places together.
# </details>


# %%
def gradient(ids, upstream, pad):
    """The ids that were looked up, in order, and the slopes of their rows."""
    ### BEGIN SOLUTION
    real = ids != pad
    rows, places = ids[real].unique(return_inverse=True)
    slopes = torch.zeros(len(rows), upstream.shape[-1])
    return rows, slopes.index_add(0, places, upstream[real])
    ### END SOLUTION


# %%
check("02.2", gradient).points

# %% [markdown]
# ## 02.3 · A table that nobody trained
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: make of counts a table in which two words are alike if they keep the same company.
#
# In the lesson you counted pairs and then trained on the counts. One can also stop at the counts, if one asks them the
# right question: how many times as often do two words meet as they would by chance? By chance a pair is as frequent as
# the product of its two shares. The logarithm of that ratio is the *pointwise mutual information*; where it is negative
# it is hard to tell from chance, so 0 is put there. (Skip-gram with negative sampling, which comes next, looks for rows
# whose dot products are this logarithm, less a constant: Levy and Goldberg 2014.)
#
# **In**: `counts` (V, W), how often each word (row) had each word as company (column), as floats, not all 0; `power`, a
# number above 0. The table need not be symmetric, nor square.
#
# **Out**: (V, W), in nats:
#
# > max(0, log(p(w, v) / (p(w) q(v))))
#
# p(w, v) is the pair's share of all counts, p(w) the share of the row's sum. q(v) is the share of the company: raise
# the sum of each column to `power`, then divide by the sum of these. (With 1 it is the plain share; 0.75 flattens the
# shares, so that rare company counts for less.) Where the pair, the word or the company was never seen, put 0.
#
# `association(torch.tensor([[3.0, 0.0], [1.0, 2.0]]), power=1.0)` is `[[0.4055, 0], [0, 0.6931]]`: the first pair has
# a half of all counts, and the product of its shares is 1/2 · 2/3 = 1/3.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Three shares: of the pair (V, W), of the word (V,), of the company (W,). Each is something divided by its own sum. The
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
# For a pair that never met the logarithm is minus infinity, and `clamp_min(0)` makes it 0. For a word that was never
# seen it is 0 / 0, NaN, which `clamp_min` leaves alone; `nan_to_num()` after it does not.
# </details>


# %%
def association(counts, power):
    """How much more often than by chance, as a logarithm, at least 0: (V, W)."""
    ### BEGIN SOLUTION
    pair = counts / counts.sum()
    word = counts.sum(1) / counts.sum()
    seen = counts.sum(0) ** power
    company = seen / seen.sum()
    return (pair / (word[:, None] * company)).log().clamp_min(0).nan_to_num()
    ### END SOLUTION


# %%
check("02.3", association).points

# %% [markdown]
# ## 02.4 · A handful of wrong words
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: take one training step of skip-gram that touches a handful of rows, however large the vocabulary is.
#
# The softmax of the lesson divides by a sum over all words, so every step works on the whole of U. With a million words
# that is too much. *Negative sampling* (Mikolov et al. 2013) asks another question: here is a word and a candidate for
# its company; is it real, or was it drawn by lot? The answer is sigmoid(score) = 1 / (1 + e^-score), which squeezes a
# score into a probability (`torch.sigmoid`), with the score of the lesson, U's row times E's row. For each real pair a
# few wrong words are drawn, the *noise*. The loss of a pair is the surprise at all of these answers together:
#
# > -log sigmoid(u_company · e_word) - (sum over its noise) log sigmoid(-u_noise · e_word)
#
# **In**: `E` and `U`, (V, C) each; `words` (N,) and `company` (N,), the real pairs; `noise` (N, K), wrong words for
# each; `rate`, a number. The loss is the *sum* over the pairs. Any id may stand several times anywhere. And the lot is
# blind: where a pair's noise hits its own company, that one draw is left out.
#
# **Out**: a pair of new tables `(E, U)`, each minus `rate` times its slopes. All slopes are those at the tables that
# came in. (A trainer would change the few rows in place. Here, what came in stays as it was.)
#
# With `E = [[1.0], [2.0]]` and `U = [[0.0], [0.0]]`, `step(E, U, words, company, noise, rate=1.0)` for the one pair
# (0, 0) with noise 1 leaves E as it is (U is 0), and makes U `[[0.5], [-0.5]]`.
#
# **Without**: `minillm`, `torch.autograd`, `torch.Tensor.backward`, `torch.nn.functional.embedding`.
#
# <details><summary>Hint 1</summary>
#
# *What you said minus what was true* holds here, too. The slope at a score is sigmoid(score) - 1 for the company and
# sigmoid(score) for noise. From there it is one product back: to E's row by U's row, and to U's row by E's.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Put the company in front of its noise: `choices` (N, 1 + K), and `truth` of the same shape, 1 in the first column and
# 0 in the others. Look up `e = E[words]` (N, C) and `u = U[choices]` (N, 1 + K, C). Now company and noise are one case.
# A draw that is left out has the slope 0 at its score.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `slope` (N, 1 + K): E's slopes are `(slope[..., None] * u).sum(1)`, one row for each entry of `words`. U's are
# `slope[..., None] * e[:, None]`, one row for each entry of `choices`. Ids repeat, so question 2 is waiting:
# `E.index_add(0, words, ..., alpha=-rate)`, and for U flatten the first two axes.
# </details>


# %%
def step(E, U, words, company, noise, rate):
    """Both tables after one step, as new tensors."""
    ### BEGIN SOLUTION
    choices = torch.cat([company[:, None], noise], 1)  # (N, 1 + K)
    e, u = E[words], U[choices]
    slope = (u * e[:, None]).sum(-1).sigmoid()
    slope[:, 0] -= 1
    slope[:, 1:] *= noise != company[:, None]
    by_word = (slope[..., None] * u).sum(1)
    by_choice = (slope[..., None] * e[:, None]).flatten(0, 1)
    new_E = E.index_add(0, words, by_word, alpha=-rate)
    return new_E, U.index_add(0, choices.flatten(), by_choice, alpha=-rate)
    ### END SOLUTION


# %%
check("02.4", step).points

# %% [markdown]
# **What you built**: a rank that says more than a cosine, the gradient of a lookup that keeps every place, a table from
# counts, and a training step whose price does not grow with the vocabulary. To see the last two meet, give the lesson's
# `counts` to `association`, take its singular value decomposition, and ask the 16 widest directions the four questions.
