# %% [markdown]
# # Exercise 14 · Your assistant
#
# **You will write** a paired test for questions that come in groups, and a training that forgets no more than it may.
#
# **Time**: 60 minutes. **Points**: 6. **Before you start**: lesson 14.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# cluster_test(*check("14.1", cluster_test).failure.example)
# check("14.1", cluster_test, seed=7)
# ```
#
# You may use everything in torch, numpy and the standard library except what **Without** lists. Don't change the
# inputs: return something new.

# %%
import math
import random
from collections import Counter

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 14.1 · Questions about one text aren't separate coins
#
# *bug-hunt · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: find out why this test calls equal models different, and write one that doesn't.
#
# Many benchmarks ask several questions about one text. A model that misreads the text gets most of them wrong, so
# these questions aren't independent. ([Miller 2024](https://arxiv.org/abs/2411.00640) corrects the errors of such
# evaluations.) The test of the lesson ignores texts: each question that differs is a fair coin.
#
# The function below has two bugs. Run it. In each of the first 1,000 comparisons, the two models are equally good: for
# each text, a coin decides which of the two reads it well. A test that says "different" at p < 0.05 may be wrong in 5%
# of them. In the last comparison, model a writes something unreadable in place of its wrong answers, so they are None.


# %%
def broken_test(a, b, texts):
    """The p-value of the difference between two models on the same questions."""
    both = [(x, y) for x, y in zip(a, b, strict=True) if None not in (x, y)]
    only_a = sum(x and not y for x, y in both)
    only_b = sum(y and not x for x, y in both)
    n, k = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def equally_good(rng, n_texts=12, per_text=5):
    """Answers of two models to the same questions, and the text of each question."""
    a_reads_well = [rng.random() < 0.5 for _ in range(n_texts)]
    texts = [text for text in range(n_texts) for _ in range(per_text)]
    a = [rng.random() < (0.9 if a_reads_well[text] else 0.5) for text in texts]
    b = [rng.random() < (0.5 if a_reads_well[text] else 0.9) for text in texts]
    return a, b, texts


rng = random.Random(0)
different = sum(broken_test(*equally_good(rng)) < 0.05 for _ in range(1000))
print(f"equal models are called different in {different / 1000:.1%} of comparisons")
p = broken_test([True] * 30 + [None] * 30, [True] * 40 + [False] * 20, range(60))
print(f"a has 30 of 60 right, b the same 30 and 10 more: p = {p:.3f}")

# %% [markdown]
# **In**: `a` and `b`, the answers of two models to the same questions: lists of True (right), False (wrong) and None
# (it couldn't be read). `texts`, a list as long: the text of each question, as a number or a string. Questions about
# one text needn't be neighbors.
#
# **Out**: p, a float. An answer that couldn't be read is wrong. The difference of a text is how many of its
# questions a has right, minus how many b has. If the models are equally good, that difference could as well have come
# out with the other sign. So flip a fair coin for each text, and let it choose the sign. p is the probability that the
# sum of all differences is then at least as far from 0 as the one that was seen, to either side.
#
# ```
# a, b = [True, True, True, True, False], [False, False, False, False, True]
# cluster_test(a, b, ["x", "x", "y", "y", "z"])        0.5
# cluster_test(a, b, [0, 1, 2, 3, 4])                  0.375
# ```
#
# The differences are 2, 2 and -1, their sum is 3, and 4 of 8 choices of signs give a sum of 3 or more, or of -3 or
# less. With a text per question, it's the test of the lesson. There may be hundreds of texts. Put yours into the
# simulation above, too: it should call equal models different in less than 5% of comparisons.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# In the simulation, which numbers are drawn once per text, and which once per question? Which of these must the test
# treat as a coin? And what does `broken_test` do with a question that a couldn't answer?
# </details>
#
# <details><summary>Hint 2</summary>
#
# First collect the difference of each text in a dictionary. Then, for three texts, list all 8 sums on paper, and count.
# A text whose difference is 0 has two signs as well.
# </details>
#
# <details><summary>Hint 3</summary>
#
# 200 texts have 2 to the 200 choices of signs, but few different sums. Go from text to text, and keep in how many ways
# each sum can be reached: begin with `{0: 1}`, and let each text add its difference to every sum, and subtract it.
# </details>


# %%
def cluster_test(a, b, texts):
    """The probability of so large a difference if each text's could have either sign."""
    ### BEGIN SOLUTION
    differences = Counter()
    for x, y, text in zip(a, b, texts, strict=True):
        differences[text] += (x is True) - (y is True)
    ways = Counter({0: 1})  # in how many ways each sum can be reached
    for difference in differences.values():
        following = Counter()
        for total, n in ways.items():
            following[total + difference] += n
            following[total - difference] += n
        ways = following
    seen = abs(sum(differences.values()))
    return sum(n for total, n in ways.items() if abs(total) >= seen) / ways.total()
    ### END SOLUTION


# %%
check("14.1", cluster_test).points

# %% [markdown]
# ## 14.2 · Learn the new, keep the old
#
# *extend · difficulty 4 of 5 · 35 minutes · 3 points*
#
# **Goal**: teach a model new answers, and let it forget just as much as is allowed.
#
# In the lesson, learning orders cost all everyday questions, and sixteen of the model's own old answers, mixed in,
# brought some of them back. How many should you mix in? The larger their share of the loss, the more is kept, and the
# less is learned.
#
# Here's a model so small that you can measure both. A prompt says which of 22 words it has (1 or 0), the logits are
# `prompts @ weights`, and the answer is the column of the largest, 0 to 5. Six words are frequent everywhere, eight in
# everyday prompts, and eight in the orders of a shop. The cell below draws a task like those of the check, and trains
# on the 40 orders alone. Predict first: what share of its answers to everyday prompts will the model keep?


# %%
def draw_prompts(n, shop):
    """n prompts (n, 22): everyday prompts, or orders of the shop."""
    rare, frequent = [0.05] * 8, [0.4] * 8
    often = [0.5] * 6 + (rare + frequent if shop else frequent + rare)
    return (torch.rand(n, 22) < torch.tensor(often)).double()


def mean_gradient(weights, prompts, targets):
    """The gradient of the mean cross-entropy with these target probabilities."""
    return prompts.T @ ((prompts @ weights).softmax(1) - targets) / len(prompts)


torch.manual_seed(2)
large, small = [1.5], [0.45]  # standard deviations of weights
weights = torch.tensor(large * 14 + small * 8)[:, None] * torch.randn(22, 6).double()
truth = torch.tensor(small * 14 + large * 8)[:, None] * torch.randn(22, 3).double()
old, new = draw_prompts(400, shop=False), draw_prompts(40, shop=True)
fresh_old, fresh_new = draw_prompts(1500, shop=False), draw_prompts(1500, shop=True)
labels, fresh_labels = ((x @ truth).argmax(1) + 3 for x in (new, fresh_new))


def measure(tuned):
    """What is kept and what is right, on fresh prompts."""
    same = (fresh_old @ tuned).argmax(1) == (fresh_old @ weights).argmax(1)
    right = (fresh_new @ tuned).argmax(1) == fresh_labels
    return f"kept {same.double().mean():.0%}, orders right {right.double().mean():.0%}"


tuned = weights
for _ in range(200):
    tuned = tuned - 0.8 * mean_gradient(tuned, new, torch.eye(6).double()[labels])
print("before:      ", measure(weights))
print("orders alone:", measure(tuned))

# %% [markdown]
# **In**: `weights` (22, 6), float64: the old model. `old` (M, 22), float64: M = 400 or 100 everyday prompts. Nobody
# knows their right answers, but you can ask the old model. `new` (40, 22), float64, and `labels` (40,), int64: orders,
# and their right answers 3, 4 or 5. `keep`: a share, 0.65 or 0.85.
#
# **Out**: the new weights, (22, 6). On 1,500 fresh everyday prompts, at least the share `keep` must get the answer that
# the old model gives (4 points are forgiven, and 6 where M is 100). On fresh orders, you need 70% as many right answers
# as the best mixture for the first point, 90% for the second, and 70% for the third, where M is 100. The best mixture
# trains with the smallest share of the loss on old answers that keeps enough. It was found on the fresh prompts, which
# you don't have.
#
# How you do it is your choice. Each point has six tasks, and your function has 30 seconds for all six. Before it's
# called, the check draws the tasks and finds the best mixtures, which takes some seconds.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# The old model's probabilities for the everyday prompts are targets, too. Train with (1 - share) times the gradient of
# the orders, and `share` times the gradient of the everyday prompts. What do shares of 0.1, 0.5 and 0.9 keep?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each task needs a share of its own, so measure what a share keeps, and search. But on which prompts? After training
# with a share of 0.5 on 100 everyday prompts, compare what is kept of these 100 with what is kept of fresh ones.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Leave a quarter of the everyday prompts out, rehearse the others, and measure on that quarter. Do it for each of the
# four quarters, and take the mean. Halve the interval of the share five times, then train once more with all prompts.
# </details>


# %%
def learn_and_keep(weights, old, new, labels, keep):
    """Weights (22, 6) that keep a share of the old answers, and have learned as much as that allows."""
    ### BEGIN SOLUTION
    new_answers = torch.eye(6).double()[labels]
    quarter = torch.arange(len(old)) % 4

    def train(rehearsed, share):
        tuned, old_answers = weights, (rehearsed @ weights).softmax(1)
        for _ in range(200):
            to_new = mean_gradient(tuned, new, new_answers)
            to_old = mean_gradient(tuned, rehearsed, old_answers)
            tuned = tuned - 0.8 * ((1 - share) * to_new + share * to_old)
        return tuned

    def kept(share):
        """What is kept of prompts that weren't rehearsed."""
        same = []
        for n in range(4):
            tuned, left_out = train(old[quarter != n], share), old[quarter == n]
            same.append((left_out @ tuned).argmax(1) == (left_out @ weights).argmax(1))
        return torch.cat(same).double().mean()

    low, high = 0.0, 0.98
    for _ in range(5):
        share = (low + high) / 2
        low, high = (low, share) if kept(share) >= keep else (share, high)
    return train(old, high)
    ### END SOLUTION


# %%
check("14.2", learn_and_keep).points

# %% [markdown]
# **What you built**: a test whose coins are what really varies independently, and a training that forgets as much as
# you allow, measured on prompts that it didn't rehearse.
