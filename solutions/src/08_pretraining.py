# %% [markdown]
# # Exercise 08 · Pretraining
#
# **You will write** an ablation that says how sure its result is, fix gradient accumulation, search the training data
# for test documents, and write Adafactor, an optimizer whose state is two vectors per matrix.
#
# **Time**: 100 minutes. **Points**: 12. **Before you start**: lesson 08.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# decay_gain(*check("08.1", decay_gain).failure.example)
# check("08.1", decay_gain, seed=7)
# ```
#
# In every question you may use everything in torch and numpy except what **Without** lists. Don't change the inputs:
# return something new.

# %%
from itertools import pairwise

import torch
import torch.nn.functional as F

from minillm.course.checks import check

# %% [markdown]
# ## 08.1 · An ablation with its error
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: train small models, and measure what a falling learning rate gains and how sure that is.
#
# In the lesson, the rate falls to 0 at the end of a run. Does that help? An *ablation* trains twice, with runs that
# differ in this one thing only. But runs with other seeds end at other losses, so one pair of runs isn't enough. Take
# several seeds. Both runs of a pair begin with the same weights and see the same batches, so much of the luck is the
# same in both, and cancels in their difference. These differences have a mean, and the mean has a *standard error*:
# their sample standard deviation, divided by the square root of the number of seeds.
#
# The model is a table of logits, V × V: row a has the logits of the token that comes after token a. An update is plain
# gradient descent on one batch. The loss of a batch is the mean of -ln p(next token) over all pairs of neighboring
# tokens of all of its texts. A pair lies within one text.
#
# **In**: `starts` (S, V, V), the table that each seed begins with; `batches` (S, N, B, T), for each seed N batches of B
# texts with T token ids; `validation` (M, L), M texts of L token ids; `rate`. Logits may be in the hundreds.
#
# **Out**: a pair `(gain, error)` of numbers. For each seed, train twice, one update per batch. In one run, every update
# uses `rate`. In the other, update k uses rate · (1 - k / N), with k from 0 to N - 1. The gain of a seed is the
# validation loss after the first run minus that after the second, in nats. `gain` is the mean over the seeds, and
# `error` its standard error. With one seed nothing is known about the spread, and `error` is NaN.
#
# ```
# starts = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [1.0, 0.0]]])
# batches = torch.tensor([[[[0, 1, 1]], [[1, 0, 1]]], [[[0, 1, 1]], [[1, 0, 1]]]])
# decay_gain(starts, batches, torch.tensor([[0, 1, 0, 0]]), rate=1.0)     (-0.0203, 0.0090)
# ```
#
# So here the second run is worse, by 0.020 ± 0.009 nats: with two updates, both runs are still on their way down, and
# the second one takes smaller steps.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Write three small functions, or three loops: the loss of a batch, a run that returns its validation loss, and the
# comparison. Which of the run's arguments differ within a pair?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `table[ids[:, :-1]]` looks up the logits for each token that has a next one, (B, T - 1, V), and `ids[:, 1:]` are the
# answers. `F.cross_entropy` wants (B · (T - 1), V) and (B · (T - 1),). `torch.autograd.grad(loss, table)` returns the
# gradient. Begin each run with the seed's own start, unchanged.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With the gains of all seeds in one tensor of float64, it's `gains.mean()` and `gains.std() / len(gains) ** 0.5`.
# `std` divides by S - 1, as it should: the mean is estimated from the same numbers.
# </details>


# %%
def decay_gain(starts, batches, validation, rate):
    """What a falling rate gains in validation loss: the mean over seeds, and its standard error."""
    ### BEGIN SOLUTION

    def loss_of(table, ids):
        logits = table[ids[:, :-1]]  # (B, T - 1, V)
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())

    def run(table, texts, falling):
        for k, ids in enumerate(texts):
            table = table.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(loss_of(table, ids), table)
            step = rate * (1 - k / len(texts)) if falling else rate
            table = table - step * gradient
        return loss_of(table, validation).item()

    gains = torch.tensor(
        [
            run(start, texts, falling=False) - run(start, texts, falling=True)
            for start, texts in zip(starts, batches, strict=True)
        ],
        dtype=torch.float64,
    )
    return gains.mean().item(), (gains.std() / len(gains) ** 0.5).item()
    ### END SOLUTION


# %%
check("08.1", decay_gain).points

# %% [markdown]
# Now a real ablation: 8 seeds, 300 updates each, on texts whose next token is drawn from a fixed table. Which sign do
# you expect at each rate? Then ask for more: how many seeds until the error is half as large?

# %%
torch.manual_seed(0)
V, S, N, B, T = 20, 8, 300, 2, 33
truth = (2 * torch.randn(V, V)).softmax(-1)


def write(*shape):
    """Texts of this shape, token by token from the table `truth`."""
    ids = torch.randint(V, (*shape[:-1], 1))
    for _ in range(shape[-1] - 1):
        ids = torch.cat(
            (
                ids,
                torch.multinomial(truth[ids[..., -1].flatten()], 1).view(
                    *shape[:-1], 1
                ),
            ),
            dim=-1,
        )
    return ids


starts, batches, validation = (
    0.1 * torch.randn(S, V, V),
    write(S, N, B, T),
    write(64, T),
)
for rate in (0.3, 3.0, 30.0):
    if result := decay_gain(starts, batches, validation, rate):
        gain, error = result
        print(f"rate {rate:4}: a falling rate gains {gain:+.3f} ± {error:.3f} nats")

# %% [markdown]
# ## 08.2 · Gradient accumulation changes the loss
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find out why the loss below depends on how a batch is split, and write one that doesn't.
#
# A batch that doesn't fit into memory is split into parts, called *micro-batches*: forward and backward for each, the
# gradients add up, and only then comes the step. This is *gradient accumulation*. The result must be the same as with
# one large batch, up to rounding. (Several trainers had this bug. Hugging Face's was fixed in October 2024.)
#
# The cell below has eight texts of 20 to 2 tokens, and a model of one matrix, which knows the long texts better than
# the short ones. It takes all of them at once, then in two parts, then in eight. It's the same batch three times.


# %%
def broken_in_parts(weight, parts):
    """Loss and gradient of a batch that is split into parts."""
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        logits = x @ weight.T
        loss = F.cross_entropy(logits, targets, ignore_index=-100) / len(parts)
        loss.backward()
        total += loss.item()
    return total, weight.grad


torch.manual_seed(0)
weight = torch.randn(5, 4)
texts = []
for length in (20, 16, 12, 8, 5, 4, 3, 2):
    x = torch.randn(length, 4)
    noise = torch.randn(length, 5) * (3 if length < 10 else 1)
    texts.append((x, (x @ weight.T + noise).argmax(-1)))
for ends in ([8], [5, 8], range(1, 9)):
    groups = [texts[start:end] for start, end in pairwise([0, *ends])]
    parts = [tuple(map(torch.cat, zip(*group, strict=True))) for group in groups]
    loss, gradient = broken_in_parts(weight, parts)
    print(
        f"parts: {len(parts)}  loss {loss:.2f}  norm of gradient {gradient.norm():.2f}"
    )

# %% [markdown]
# **In**: `weight` (V, C), laid out as in `nn.Linear`; `parts`, a list of pairs `(x, targets)`, `x` (N, C) and `targets`
# (N,). N differs from part to part. A target of -100 doesn't count. A part may have no target that counts, but all
# parts together have at least one.
#
# **Out**: a pair `(loss, gradient)`. `loss` is the mean of -ln p(target) over the targets that count, of all parts, as
# a number. `gradient` is its gradient with respect to `weight`, (V, C). Process one part at a time: the logits of all
# parts together wouldn't fit into memory. (The check can't see that. You can.)
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Take a part of one token and a part of a hundred. With which weight does each of the 101 tokens enter the loss?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Each token must have the weight 1 / (number of targets in *all* parts). So you need that number before the first
# `backward`. Padding is not a target.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `n = sum(int((targets != -100).sum()) for _, targets in parts)`, and in the loop
# `F.cross_entropy(..., reduction="sum") / n`. A sum over nothing is 0; a mean over nothing is NaN.
# </details>


# %%
def in_parts(weight, parts):
    """Loss and gradient of a batch that is split into parts."""
    ### BEGIN SOLUTION
    n = sum(int((targets != -100).sum()) for _, targets in parts)
    weight = weight.clone().requires_grad_()
    total = 0.0
    for x, targets in parts:
        loss = F.cross_entropy(
            x @ weight.T, targets, ignore_index=-100, reduction="sum"
        )
        (loss / n).backward()
        total += loss.item() / n
    return total, weight.grad
    ### END SOLUTION


# %%
check("08.2", in_parts).points

# %% [markdown]
# ## 08.3 · Test documents in the training data
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: compute for each validation document how much of it also occurs in the training data.
#
# A validation loss means little if the model was trained on the same text. This is called *contamination*. A document
# that occurs twice is easy to find, but one changed word hides a copy. So GPT-3's authors searched for *n-grams*: 13
# words in a row that occur in a test and somewhere in the training data (Brown et al. 2020, appendix C). Some
# benchmarks were full of them.
#
# **In**: `training` and `validation`, lists of documents, each a list of token ids; `n`, an integer, 1 or more.
#
# **Out**: for each validation document a number from 0 to 1: the share of its tokens that are part of an n-gram (n
# tokens in a row) that also occurs in a training document, in the same order and without gaps. A token in two such
# n-grams counts once. Different n-grams may come from different documents. A document shorter than n has no n-grams;
# its share is 0.0.
#
# `seen_before([[1, 2, 3, 4, 5]], [[9, 2, 3, 4, 7, 8], [4, 5]], n=3)` returns `[0.5, 0.0]`. Of the six tokens of the
# first document, 2, 3 and 4 occur in a row in training. The second document is too short.
#
# Write it so that it would work for a large corpus: go through the training data once, not once for each validation
# document.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Two passes. First collect all n-grams of the training documents in a `set`. Then go through each validation document,
# and mark which of its positions are covered.
# </details>
#
# <details><summary>Hint 2</summary>
#
# A list can't be put into a set, but a tuple can: `tuple(document[t : t + n])`. A document of L tokens has L - n + 1
# n-grams. Where one of them is known, mark the positions t to t + n - 1.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `read = [False] * len(document)`, and for each n-gram that is known `read[t : t + n] = [True] * n`. The share is
# `sum(read) / len(read)`, if the document isn't empty.
# </details>


# %%
def seen_before(training, validation, n):
    """For each validation document the share of its tokens that occur in training."""
    ### BEGIN SOLUTION
    known = {
        tuple(document[t : t + n])
        for document in training
        for t in range(len(document) - n + 1)
    }
    shares = []
    for document in validation:
        read = [False] * len(document)
        for t in range(len(document) - n + 1):
            if tuple(document[t : t + n]) in known:
                read[t : t + n] = [True] * n
        shares.append(sum(read) / len(read) if read else 0.0)
    return shares
    ### END SOLUTION


# %%
check("08.3", seen_before).points

# %% [markdown]
# ## 08.4 · Adafactor: a matrix of second moments in two vectors
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: write an update that scales a gradient as Adam does, and stores R + C numbers for an R × C matrix.
#
# AdamW stores two numbers for every weight, m and v, so its state is twice as large as the model. Adafactor (Shazeer &
# Stern 2018) drops m. Of v, the running mean of the squared gradients, it stores the mean of each row and the mean of
# each column. T5 was trained with it. Two vectors can't restore v exactly, unless v has rank 1. But this estimate has
# the right mean in each row and in each column:
#
#     v̂[i, j] = row[i] · column[j] / mean(row) / (1 - beta2^step)
#
# The update is g / (√v̂ + 1e-8). Its RMS (the root of the mean of its squares) is normally near 1. Without m nothing
# smooths the updates, so Adafactor clips them: if the RMS is larger than `longest`, the whole update is scaled down to
# that RMS.
#
# **In**: `gradient` (R, C); `row` (R,) and `column` (C,), the running means after the step before, 0 at first; `step`,
# the number of this step, 1 for the first; `beta2`, the decay rate of the running means, as in AdamW; `longest`, the
# largest RMS. At least one entry of a gradient isn't 0. A gradient may be as small as 1e-7, where the 1e-8 matters.
#
# **Out**: `(update, row, column)`: the update (R, C), and the new running means, without bias correction (only the
# denominator of the update is corrected).
#
# For the gradient `[[1, 2]]`, both means 0, step 1, beta2 = 0.9 and longest = 10, `row` becomes `[0.25]`, `column`
# `[0.1, 0.4]`, and the update is `[[1, 1]]`.
#
# **Without**: `minillm`, `torch.optim`.
#
# <details><summary>Hint 1</summary>
#
# Start with the means: `row` is a running mean of the mean square of each row, and `column` of each column. Both are
# updated as v is in the lesson. Do the example by hand: 0.1 · (1 + 4) / 2 = 0.25.
# </details>
#
# <details><summary>Hint 2</summary>
#
# The mean of a row is over the *columns*: axis 1. `torch.outer(row, column)` has the shape of the gradient. It has one
# factor of the overall mean too many, so divide by `row.mean()`. Correct the bias once.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `update = gradient / (v_hat.sqrt() + 1e-8)`, then `update / max(1.0, rms / longest)` with
# `rms = update.square().mean().sqrt().item()`.
# </details>


# %%
def factored_step(gradient, row, column, step, beta2, longest):
    """The update, and the running means of the squares by row and by column."""
    ### BEGIN SOLUTION
    squares = gradient**2
    row = row + (1 - beta2) * (squares.mean(1) - row)
    column = column + (1 - beta2) * (squares.mean(0) - column)
    table = torch.outer(row, column) / row.mean() / (1 - beta2**step)
    update = gradient / (table.sqrt() + 1e-8)
    rms = update.square().mean().sqrt().item()
    return update / max(1.0, rms / longest), row, column
    ### END SOLUTION


# %%
check("08.4", factored_step).points

# %% [markdown]
# **What you built**: an ablation with an error bar, a batch that is the same however it's split, a contamination check
# for any benchmark, and an optimizer whose state hardly grows with the model. For a matrix of 4,096 × 4,096 AdamW
# stores 33.6 million numbers, and your `factored_step` 8,192. Does that cost anything? Your `decay_gain` has the form
# of an answer: train with both from the same starts, and report the difference with its error.
