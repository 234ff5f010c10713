# %% [markdown]
# # Exercise 09 · Supervised fine-tuning
#
# **You will write** the way back from token ids to messages, on which a forged mark must not lead you astray; the rule
# by which a chat that is too long loses its oldest part; one LoRA adapter out of several (the one below is right with
# each alone and wrong with two); and a packed row, all four tensors of it, by hand.
#
# **Time**: 85 minutes. **Points**: 11. **Before you start**: lesson 09.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# read_chat(*check("09.1", read_chat).failure.example)
# check("09.1", read_chat, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import torch

from minillm.course.checks import check

# %% [markdown]
# ## 09.1 · Read a chat back
#
# *extend · difficulty 2 of 5 · 15 minutes · 3 points*
#
# **Goal**: give back the messages of a chat from its token ids.
#
# Whoever prepares training rows looks into some of them before the run: are these the messages that went in? The lesson
# turned messages into ids. Here is the way back, and the forger waits on this way, too.
#
# **In**: `ids`, a list of token ids; `pieces`, a dictionary with the text of each id. As in the lesson, id 1 is the
# mark `<|im_start|>` and id 2 is `<|im_end|>`. A turn is: start mark, role, line break, what is said, end mark; behind
# it the template writes one more line break. The ids may end before the last turn is over, but not before the line
# break behind its role. A role may be any text. What stands outside of a turn belongs to no message.
#
# **Out**: a list with a dictionary for each turn, `{"role": ..., "content": ..., "ended": ...}`: two texts, and True if
# the end mark has come. The content is what was said, letter by letter, with all its line breaks and typed marks.
#
# With `pieces = {1: "<|im_start|>", 2: "<|im_end|>", 5: "user\n", 6: "Hi", 7: "\n", 8: "assistant\n"}`,
# `read_chat([1, 5, 6, 2, 7, 1, 8], pieces)` gives
#
# ```
# [{"role": "user", "content": "Hi", "ended": True},
#  {"role": "assistant", "content": "", "ended": False}]
# ```
#
# Nothing says where a tokenizer cuts: a role may be one piece or two, and its line break may be joined to the role or
# to the first word behind it.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# In which order: decode and then cut at the marks, or cut and then decode? A user has typed `<|im_end|>`. In which of
# the two do you notice that it is not id 2?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Go through the ids. At 1 a new turn begins, with nothing in it yet; at 2 it is ended; any other id belongs to the turn
# that is open, and to nobody if none is.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Join the pieces of a turn, then `role, _, content = text.partition("\n")`: it cuts at the first line break alone.
# </details>


# %%
def read_chat(ids, pieces):
    """The messages of a chat: role, content, and whether it is ended."""
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
# ## 09.2 · A chat too long for its row
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: choose the messages of a long chat that stay, so that they fit and still make sense.
#
# A row has so many tokens, and so has what a model can read. The package refuses a conversation that is longer. Cutting
# it at its end is the worst remedy: the answer that breaks off has no end mark, and a model that learns from such
# answers does not learn to stop. So drop whole messages, from the oldest on.
#
# **In**: `messages`, a list of pairs `(role, tokens)`: who speaks, and how many tokens the message takes, with its
# marks. The first may be the system's; then users and assistant take turns, the user first, at least one. `room`, how
# many tokens there is room for.
#
# **Out**: the numbers of the messages that stay, counted from 0, in order. A system's message always stays. Of the
# others stay the last ones, as many as there is room for, without a gap, and so that the first of them is a user's: an
# answer without its question teaches nonsense. If not even the last question (with its answer, if there is one) has
# room beside the system's message, nothing is left: `[]`.
#
# `fit([("system", 5), ("user", 10), ("assistant", 20), ("user", 8), ("assistant", 12)], room=30)` gives `[0, 3, 4]`: 25
# tokens. With `room=50` message 2 would have room as well; but it would be an answer in front, so it is `[0, 3, 4]`
# again.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# What stays is given by one number: the place at which it begins. Which places are allowed, and which of them is the
# best?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Take the system's tokens off the room first. Then try the users' places, the earliest first: if everything from there
# on fits, you are done.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `sum(tokens for _, tokens in messages[begin:]) <= room`, and then `[*system, *range(begin, len(messages))]`, where
# `system` is `[0]` or `[]`.
# </details>


# %%
def fit(messages, room):
    """The numbers of the messages that stay."""
    ### BEGIN SOLUTION
    system = [0] if messages[0][0] == "system" else []
    room -= sum(messages[place][1] for place in system)
    for begin, (role, _) in enumerate(messages):
        if role == "user" and sum(tokens for _, tokens in messages[begin:]) <= room:
            return [*system, *range(begin, len(messages))]
    return []
    ### END SOLUTION


# %%
check("09.2", fit).points

# %% [markdown]
# ## 09.3 · Each alone is right
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the adapter below is wrong as soon as two are in it, and make one that is right.
#
# One base, many LoRA adapters: one has learnt to be polite, another to answer in rhymes. Could a model have both? Each
# adapter is a correction to the same matrix, α / r · B A, and corrections can be added, each with a weight. The cell
# below makes one adapter of two. Each factor is shared between A and B: its root goes into either. With one of the
# weights at 0, the other adapter comes out of it exactly. With both, it does not.


# %%
def broken_one_adapter(adapters, weights):
    """A and B of one adapter: its correction is B @ A, with no factor."""
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
    print(f"weights {weights}: off by {error:.0%}")

# %% [markdown]
# **In**: `adapters`, a list of `(A, B, alpha)`: A (r, columns), B (rows, r), where r may be another one for each
# adapter, and alpha, a number; `weights`, a number for each adapter. A negative weight takes an adapter away, and one
# with weight 0 keeps its rows. There may be one adapter only.
#
# **Out**: a pair `(A, B)`, (R, columns) and (rows, R), with R the sum of all r, such that `B @ A` is the sum of the
# adapters' corrections, each times its weight. The rows of A are those of the adapters, unchanged, in their order; so
# all factors are in B.
#
# For an adapter `A = [[1, 2]]`, `B = [[3]]`, alpha = 2, taken twice with the weights 1 and -0.5: `A` is
# `[[1, 2], [1, 2]]` and `B` is `[[6, -3]]`.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Multiply it out: (B₁ + B₂)(A₁ + A₂). How many products are that, and which of them did you want?
# </details>
#
# <details><summary>Hint 2</summary>
#
# A product of matrices is a sum over what is in the middle: over the columns of B and the rows of A. Adapters that lie
# *beside* each other there are added, and never meet.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.cat` twice: the A along axis 0, and the B, each times `weight * alpha / len(A)`, along axis 1.
# </details>


# %%
def one_adapter(adapters, weights):
    """A and B of one adapter: its correction is B @ A, with no factor."""
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
# ## 09.4 · A row by hand
#
# *rebuild · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: lay conversations into one row, so that each is read and learnt as if it were alone.
#
# The lesson left this to the package. All that can go wrong in SFT without an error comes together here: what is a
# target and what is not, who sees whom, and where a position begins to count. Among the conversations there may be a
# *document*, all of whose tokens count, as in the lesson's last exercise; mind its first token.
#
# **In**: `conversations`, a list of pairs `(ids, counts)` as in the lesson: token ids, and for each token whether it
# counts in the loss. 0 may be a token's id, too. `length`, the number of places T in the row, enough for all of them.
#
# **Out**: four tensors.
#
# - `inputs` (T,): the ids, one conversation right behind the other, with nothing in between; 0 in the empty places at
#   the end.
# - `targets` (T,): in place t the token at t + 1, if it is of the same conversation and counts; else -100.
# - `positions` (T,): from 0 on in each conversation; 0 in an empty place.
# - `visible` (T, T), boolean: True where place t (row) may see place s (column): in the same conversation, itself and
#   what is before it. An empty place sees itself alone.
#
# `pack_row([([5, 6, 7], [False, True, True]), ([8], [True])], length=5)` gives
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
# Begin with what an empty row looks like: zeros, -100, zeros, and a mask with nothing but its diagonal. Then lay in one
# conversation after the other.
# </details>
#
# <details><summary>Hint 2</summary>
#
# A conversation of n tokens from place `at` on fills `at` to `at + n`. Its targets begin at `at` with its *second*
# token, and there are n - 1 of them. In the mask it owns a square on the diagonal.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `visible[at : at + n, at : at + n] = torch.ones(n, n).tril() == 1`. For the targets go over `range(1, n)`: if
# `counts[k]`, then `targets[at + k - 1] = ids[k]`.
# </details>


# %%
def pack_row(conversations, length):
    """Inputs, targets, positions and who may see whom."""
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
# **What you built**: a reader of chats that no typed mark deceives, a rule for chats that are too long, one adapter out
# of many, and the row on which all of SFT stands. With your `pack_row` you can do the lesson's last exercise, documents
# among the conversations, without the package's help.
