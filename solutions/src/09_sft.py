# %% [markdown]
# # Exercise 09 · Supervised fine-tuning
#
# **You will write** a parser from token ids back to messages, which typed marks can't fool; trace what a model learned
# to single training conversations; fix a function that joins LoRA adapters; and pack conversations into a row.
#
# **Time**: 95 minutes. **Points**: 11. **Before you start**: lesson 09.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# read_chat(*check("09.1", read_chat).failure.example)
# check("09.1", read_chat, seed=7)
# ```
#
# In every question you may use everything in torch and numpy, but nothing of `minillm`. Don't change the inputs: return
# something new.

# %%
import torch
import torch.nn.functional as F

from minillm.course.checks import check

# %% [markdown]
# ## 09.1 · Parse a chat from its token ids
#
# *extend · difficulty 2 of 5 · 15 minutes · 3 points*
#
# **Goal**: recover the messages of a chat from its token ids.
#
# Before a training run, look at some rows: are these the messages that you put in? In the lesson you turned messages
# into ids. Here you go back, and a user may have typed marks into a message.
#
# **In**: `ids`, a list of token ids; `pieces`, a dictionary from each id to its text. As in the lesson, id 1 is the
# mark `<|im_start|>` and id 2 is `<|im_end|>`. A turn is the start mark, the role, a line break, the content, and the
# end mark. After that, the template writes one more line break. The ids may end before the last turn does, but not
# before the line break after its role. A role may be any text. Text outside of a turn belongs to no message.
#
# **Out**: a list with one dictionary per turn, `{"role": ..., "content": ..., "ended": ...}`: two texts, and True if
# the turn has its end mark. The content is exactly what was said, with all line breaks and typed marks.
#
# With `pieces = {1: "<|im_start|>", 2: "<|im_end|>", 5: "user\n", 6: "Hi", 7: "\n", 8: "assistant\n"}`,
# `read_chat([1, 5, 6, 2, 7, 1, 8], pieces)` returns
#
# ```
# [{"role": "user", "content": "Hi", "ended": True},
#  {"role": "assistant", "content": "", "ended": False}]
# ```
#
# You can't know how the tokenizer splits a text: a role may be one token or two, and its line break may be in one token
# with the role or with the first word of the content.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Which comes first: decode the ids and then split at the marks, or split and then decode? A user has typed
# `<|im_end|>`. In which order can you still see that it isn't id 2?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Go through the ids. Id 1 begins a new, empty turn. Id 2 ends it. Any other id belongs to the turn that is open, and is
# skipped if none is.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Join the pieces of a turn, then `role, _, content = text.partition("\n")`: it splits at the first line break only.
# </details>


# %%
def read_chat(ids, pieces):
    """The messages of a chat: role, content, and whether the turn has ended."""
    ### BEGIN SOLUTION
    turns, is_open = [], False
    for id in ids:
        if id == 1:
            turns.append({"text": "", "ended": False})
            is_open = True
        elif is_open and id == 2:
            turns[-1]["ended"] = True
            is_open = False
        elif is_open:
            turns[-1]["text"] += pieces[id]
    messages = []
    for turn in turns:
        role, _, content = turn["text"].partition("\n")
        messages.append({"role": role, "content": content, "ended": turn["ended"]})
    return messages
    ### END SOLUTION


# %%
check("09.1", read_chat).points

# %% [markdown]
# ## 09.2 · Which conversations taught it?
#
# *extend · difficulty 3 of 5 · 30 minutes · 3 points*
#
# **Goal**: train a small model, and compute how much of its gain on test conversations came from each training
# conversation.
#
# A few bad conversations can spoil a model, and a few good ones can be worth thousands. Which are they? Leaving out
# each one and training again is too expensive. *TracIn* (Pruthi et al. 2020) reads it off a single run. A small update
# changes the test loss by the dot product of the update and the gradient of the test loss. The update is a sum with one
# term per training conversation, so the dot product is, too. Added up over all updates, the terms of a conversation are
# its *influence*. (LESS, Xia et al. 2024, selects conversations for SFT in a similar way.)
#
# That's exact for infinitely small updates only. So report how far off the total is.
#
# **In**: `weight` (V, C), the model: the logits are `x @ weight.T`; `train` and `test`, lists of conversations, each a
# pair `(x, labels)` with `x` (T, C), `labels` (T,), and its own T; `rate` and `steps`. A label is a token id, or -100
# where a token doesn't count. At least one label of each conversation counts. Logits may be in the hundreds.
#
# The loss of a conversation is the mean of -ln p(label) over the labels that count. The training loss is the mean over
# the training conversations, so that short and long ones weigh the same. The test loss is the mean over the test
# conversations. Training is plain gradient descent: `steps` updates with `rate`, each on all training conversations.
#
# **Out**: a pair `(influence, error)`. `influence` (n,) has one number per training conversation, the sum over the
# updates of rate / n · (gradient of its own loss) · (gradient of the test loss), where the last dot is a dot product
# over all of the weights, and both gradients are those right before the update. It's positive if the conversation
# lowers the test loss. `error` is a number: the sum of all influences minus the true gain, which is the test loss
# before training minus the test loss after it.
#
# ```
# weight = torch.zeros(2, 1)
# train = [(torch.tensor([[1.0]]), torch.tensor([0])), (torch.tensor([[2.0], [1.0]]), torch.tensor([1, -100]))]
# test = [(torch.tensor([[1.0]]), torch.tensor([0]))]
# influence(weight, train, test, rate=1.0, steps=1)     (tensor([ 0.2500, -0.5000]), 0.0309)
# ```
#
# The first conversation says what the test wants, and lowers its loss by about 0.25. The second one teaches the
# opposite. Together that's -0.25. In truth the loss rises by 0.2809, from 0.6931 to 0.9741, and -0.2500 - (-0.2809) is
# 0.0309.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# You need one gradient per training conversation, and one for the test loss. `torch.autograd.grad(loss, weight)`
# returns one. What are the gradients good for besides the influence?
# </details>
#
# <details><summary>Hint 2</summary>
#
# In each step: all gradients at the current weights, then add rate / n times each dot product to the influences, then
# subtract rate times the mean of the training gradients. Compute the test loss before the first step and after the
# last.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `grads = torch.stack([...])` is (n, V, C), and with `test_grad` (V, C) the dot products are
# `(grads * test_grad).sum((1, 2))`. The update is `weight - rate * grads.mean(0)`. `F.cross_entropy` ignores -100.
# </details>


# %%
def influence(weight, train, test, rate, steps):
    """What each training conversation did to the test loss, and by how much their sum is off."""
    ### BEGIN SOLUTION

    def loss_of(weight, conversation):
        x, labels = conversation
        return F.cross_entropy(x @ weight.T, labels)  # ignores -100

    def test_loss(weight):
        return torch.stack([loss_of(weight, each) for each in test]).mean()

    total = torch.zeros(len(train))
    before = test_loss(weight).item()
    for _ in range(steps):
        weight = weight.detach().requires_grad_()
        losses = [loss_of(weight, each) for each in train]
        grads = torch.stack([torch.autograd.grad(loss, weight)[0] for loss in losses])
        (test_grad,) = torch.autograd.grad(test_loss(weight), weight)
        total = total + rate / len(train) * (grads * test_grad).sum((1, 2))
        weight = weight - rate * grads.mean(0)
    gain = before - test_loss(weight).item()
    return total, total.sum().item() - gain
    ### END SOLUTION


# %%
check("09.2", influence).points

# %% [markdown]
# Twenty conversations about the same task, and in one of them, all answers are wrong. Which one? Then look at the
# error, and try larger rates. From which rate on would you no longer trust the influences? (The error is never negative
# here, since the loss of this model is convex. A deep network can have either sign.)

# %%
torch.manual_seed(0)
true = torch.randn(6, 8)


def conversation(length):
    x = torch.randn(length, 8)
    return x, (x @ true.T).argmax(-1)


train = [conversation(6) for _ in range(20)]
test = [conversation(6) for _ in range(20)]
bad = 7
train[bad] = (train[bad][0], (train[bad][1] + 1) % 6)
for rate in (0.01, 0.1, 1.0):
    if result := influence(torch.zeros(6, 8), train, test, rate, steps=20):
        shares, error = result
        print(
            f"rate {rate:4}: conversation {shares.argmin()} (wrong: {bad}) has the lowest influence, "
            f"{shares.min():+.3f}; all together {shares.sum():.3f}, off by {error:+.3f}"
        )

# %% [markdown]
# ## 09.3 · Join LoRA adapters
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the adapter below is wrong when it's made from two, and write one that is right.
#
# One base model, many LoRA adapters: one has learned to be polite, another to answer in rhymes. Can a model have both?
# Each adapter adds a correction to the same matrix, alpha / r · B A, and corrections can be added, each with a weight.
# The cell below makes one adapter from two. It splits each factor between A and B: both are multiplied by its square
# root. With one of the weights at 0, the result is exactly the other adapter. With both, it's wrong.


# %%
def broken_one_adapter(adapters, weights):
    """A and B of one adapter, whose correction is B @ A, without a factor."""
    joined_A = joined_B = 0.0
    for (A, B, alpha), weight in zip(adapters, weights, strict=True):
        root = (weight * alpha / len(A)) ** 0.5
        joined_A = joined_A + root * A
        joined_B = joined_B + root * B
    return joined_A, joined_B


torch.manual_seed(0)
polite, rhymes = ((torch.randn(2, 6), torch.randn(4, 2), 4.0) for _ in range(2))
for weights in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0]):
    A, B = broken_one_adapter([polite, rhymes], weights)
    wanted = sum(
        weight * alpha / len(own_A) * own_B @ own_A
        for weight, (own_A, own_B, alpha) in zip(weights, (polite, rhymes), strict=True)
    )
    error = (B @ A - wanted).norm() / wanted.norm()
    print(f"weights {weights}: relative error {error:.0%}")

# %% [markdown]
# **In**: `adapters`, a list of `(A, B, alpha)`: A (r, C_in), B (C_out, r), where r may differ from adapter to adapter,
# and alpha, a number; `weights`, one number per adapter. A negative weight subtracts an adapter. An adapter with weight
# 0 keeps its rows. There may be only one adapter.
#
# **Out**: a pair `(A, B)`, (R, C_in) and (C_out, R), where R is the sum of all r. `B @ A` must be the sum of the
# adapters' corrections, each times its weight. The rows of A are those of the adapters, unchanged and in their order,
# so all factors go into B.
#
# Take the adapter `A = [[1, 2]]`, `B = [[3]]`, alpha = 2 twice, with the weights 1 and -0.5. Then `A` is
# `[[1, 2], [1, 2]]` and `B` is `[[6, -3]]`.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Expand (B₁ + B₂)(A₁ + A₂). How many products are there, and which of them did you want?
# </details>
#
# <details><summary>Hint 2</summary>
#
# A matrix product is a sum over the inner dimension: over the columns of B and the rows of A. Concatenate the adapters
# along this dimension, and each B meets its own A only.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.cat` twice: the A's along axis 0, and the B's, each times `weight * alpha / len(A)`, along axis 1.
# </details>


# %%
def one_adapter(adapters, weights):
    """A and B of one adapter, whose correction is B @ A, without a factor."""
    ### BEGIN SOLUTION
    joined_A = torch.cat([A for A, _, _ in adapters])
    scaled = [
        weight * alpha / len(A) * B
        for (A, B, alpha), weight in zip(adapters, weights, strict=True)
    ]
    return joined_A, torch.cat(scaled, dim=1)
    ### END SOLUTION


# %%
check("09.3", one_adapter).points

# %% [markdown]
# ## 09.4 · Pack conversations into a row
#
# *rebuild · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: pack conversations into one row, so that the model computes and learns the same as if each were alone.
#
# In the lesson, the package packed your conversations into rows. Three things can go wrong there, and none of them
# raises an error: which tokens are targets, which tokens attention can see, and where the positions start. One of the
# conversations may be a *document*, all of whose tokens count. Mind its first token.
#
# **In**: `conversations`, a list of pairs `(ids, counts)`: token ids, and for each token whether it counts in the loss.
# 0 is a token id like any other. `length`, the number of positions T in the row, enough for all of them.
#
# **Out**: four tensors.
#
# - `inputs` (T,): the ids, one conversation directly after the other, then 0 in the unused positions at the end.
# - `targets` (T,): at index t the token at t + 1, if it belongs to the same conversation and counts; otherwise -100.
# - `positions` (T,): counted from 0 in each conversation; 0 where unused.
# - `visible` (T, T), boolean: True where index t (row) may attend to index s (column): in the same conversation, to
#   itself and to what comes before it. An unused position sees only itself.
#
# `pack_row([([5, 6, 7], [False, True, True]), ([8], [True])], length=5)` returns
#
# ```
# inputs     [5, 6, 7, 8, 0]
# targets    [6, 7, -100, -100, -100]
# positions  [0, 1, 2, 0, 0]
# visible    [[1, 0, 0, 0, 0],
#             [1, 1, 0, 0, 0],
#             [1, 1, 1, 0, 0],
#             [0, 0, 0, 1, 0],
#             [0, 0, 0, 0, 1]]
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Start with an empty row: zeros, -100, zeros, and a mask with only its diagonal. Then write one conversation after the
# other into it.
# </details>
#
# <details><summary>Hint 2</summary>
#
# A conversation of n tokens that starts at `at` fills `at` to `at + n`. Its n - 1 targets start at `at`, with its
# *second* token. In the mask it has a square block on the diagonal.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1`. For the targets, loop over `range(1, n)`: if
# `counts[k]`, then `targets[at + k - 1] = ids[k]`.
# </details>


# %%
def pack_row(conversations, length):
    """Inputs, targets, positions and the attention mask."""
    ### BEGIN SOLUTION
    inputs = torch.zeros(length, dtype=torch.long)
    targets = torch.full((length,), -100)
    positions = torch.zeros(length, dtype=torch.long)
    visible = torch.eye(length, dtype=torch.bool)
    at = 0
    for ids, counts in conversations:
        n = len(ids)
        inputs[at : at + n] = torch.tensor(ids)
        positions[at : at + n] = torch.arange(n)
        visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1
        for k in range(1, n):
            if counts[k]:
                targets[at + k - 1] = ids[k]
        at += n
    return inputs, targets, positions, visible
    ### END SOLUTION


# %%
check("09.4", pack_row).points

# %% [markdown]
# **What you built**: a parser that typed marks can't fool, a trace from a model's gain back to its training data, one
# adapter made from many, and the packed row that SFT trains on. One thing remains open in 09.2: is the influence of a
# conversation what you lose without it? You can test that. Train again without it, and compare.
