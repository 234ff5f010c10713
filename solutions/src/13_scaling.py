# %% [markdown]
# # Exercise 13 · Scaling
#
# **You will write** a rounding by which small updates arrive after all, mend the clipping of a gradient that lies on
# several cards, find the cheapest model for people who will also use it, and draw the timetable of a pipeline that
# turns round as soon as it can.
#
# **Time**: 85 minutes. **Points**: 10. **Before you start**: lesson 13.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# round_by_dice(*check("13.1", round_by_dice).failure.example)
# check("13.1", round_by_dice, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 13.1 · Rounding with dice
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: round float32 numbers to bfloat16 so that they are right on the average.
#
# In bfloat16, 1 - 1000 × 0.001 stays 1 if each step is rounded: each is less than half of the way to the next number,
# and is rounded back each time. Master weights are one remedy, and cost 4 bytes each. Another costs none: let chance
# decide. A number that lies at a tenth of the way goes there once in ten times, and so the steps arrive on the average
# (Gupta et al. 2015).
#
# **In**: `x` (n,), float32 numbers that may be negative or 0, within bfloat16's range; `dice` (n,), a uniform number
# from 0 to below 1 for each.
#
# **Out**: a tensor (n,) of type float32, of numbers that bfloat16 can hold. Each x lies between two neighbours. Call
# the one that is nearer to 0 its lower one, the other its upper one, below 0 as well. x goes to the upper one if its
# die is below the share of the way that it has come from the lower to the upper. A number that bfloat16 holds stays as
# it is.
#
# Between 256 and 512 only even numbers exist. So 257 is half of the way from 256 to 258, and 258 stays (the lists being
# tensors):
#
# ```
# round_by_dice([257.0, 257.0, 258.0], [0.4, 0.6, 0.0]) gives [258.0, 256.0, 258.0]
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# How does one round to a bfloat16? It is the upper 16 of a float32's 32 bits. What do the lower 16 say?
# </details>
#
# <details><summary>Hint 2</summary>
#
# They are the way from the lower neighbour to the upper one, as a whole number of 65,536ths. Set them to 0 and you have
# the lower neighbour; add 65,536 to that and you have the upper one, powers of two and negative numbers included.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `bits = x.view(torch.int32)` reads the same bytes as whole numbers, and `.view(torch.float32)` leads back. The share
# is `(bits & 0xFFFF) / 65536`, the lower neighbour `bits - (bits & 0xFFFF)`.
# </details>


# %%
def round_by_dice(x, dice):
    """Numbers that bfloat16 holds, right on the average: (n,)."""
    ### BEGIN SOLUTION
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    up = dice < rest / 65536
    return (bits - rest + 65536 * up.int()).view(torch.float32)
    ### END SOLUTION


# %%
check("13.1", round_by_dice).points

# %% [markdown]
# ## 13.2 · Two cards clip one gradient
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: find out what goes wrong when a gradient in pieces is clipped, and clip it as if it lay on one card.
#
# A step must not be made long by one odd batch. So training limits the length of the gradient (`clip_norm` in
# `TrainConfig`): if it is longer, all of it is scaled down to that length. Now two cards share each matrix, and with it
# its gradient; the weights of a norm, and their gradient, lie on both and are equal. Somebody let the function for one
# card run on each of the two. Nothing is raised. But look at what came out.


# %%
def broken_clip(cards, whole, most):
    """The pieces of a gradient, as a dictionary for each card, scaled down."""
    clipped = []
    for card in cards:
        length = math.sqrt(sum(float(piece.square().sum()) for piece in card.values()))
        factor = min(1.0, most / length)
        clipped.append({name: factor * piece for name, piece in card.items()})
    return clipped


cards = [
    {"up": torch.tensor([6.0, 2.0]), "norm": torch.tensor([1.0])},
    {"up": torch.tensor([1.0, 2.0]), "norm": torch.tensor([1.0])},
]
for number, card in enumerate(broken_clip(cards, whole=["norm"], most=1.0)):
    pieces = {
        name: [round(x, 2) for x in piece.tolist()] for name, piece in card.items()
    }
    print(f"card {number}: {pieces}")

# %% [markdown]
# **In**: `cards`, for each card a dictionary from names to tensors; `whole`, the names of which every card holds the
# same gradient (all others are pieces, and no number of theirs is on two cards); `most`, the longest that the gradient
# may be, above 0.
#
# **Out**: a new list of such dictionaries, scaled as on one card that holds every number of the gradient once. A
# gradient that is not too long stays as it is, also if it is 0.
#
# `clip([{"up": [3.0]}, {"up": [4.0]}], whole=[], most=1.0)`, the inner lists being tensors: the length is 5.
#
# ```
# [{"up": [0.6]}, {"up": [0.8]}]
# ```
#
# **Without**: `minillm`, `torch.nn.utils.clip_grad_norm_`.
#
# <details><summary>Hint 1</summary>
#
# Before clipping, 6 is six times as much as 1. And after? By which factor did card 0 scale its pieces, by which did
# card 1?
# </details>
#
# <details><summary>Hint 2</summary>
#
# There can be one factor only, so everybody needs the length of the whole. Lengths of pieces do not add; their squares
# do. On real cards each would send one number, its sum of squares.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Sum the squares over all cards, but of the names in `whole` only those of card 0. Take the root. Scale everything, if
# the length is above `most`.
# </details>


# %%
def clip(cards, whole, most):
    """The pieces of a gradient, as a dictionary for each card, scaled down."""
    ### BEGIN SOLUTION
    squares = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                squares += float(piece.square().sum())
    length = math.sqrt(squares)
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]
    ### END SOLUTION


# %%
check("13.2", clip).points

# %% [markdown]
# ## 13.3 · A model that will be used
#
# *extend · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find what it costs at least to reach a loss, if the model is trained once and then serves many tokens.
#
# `best_split` of the lesson spends a budget on training. But a model is trained to be used, and each token that it
# serves costs 2 N. If you serve many, you take a smaller model and let it read more, until it is as good (Sardana et
# al. 2024). Llama 3 8B read nearly 2,000 tokens for each parameter.
#
# **In**: `law`, the five numbers (E, A, alpha, B, beta) of L = E + A / N^alpha + B / D^beta, with N and D in
# *billions*; `loss`, the L to be reached, above E, perhaps only by 0.02, so that N and D may be far above 1,000 or far
# below 0.001; `served`, the tokens that the model will serve, in billions, 0 or more.
#
# **Out**: the least 6 N D + 2 N · served with which some N and D reach the loss. A search that is exact to a
# hundredth of a per cent will do. (With billions of both, the unit is 10^18 operations.)
#
# With L = 1 + 1 / N + 1 / D and a loss of 2:
#
# ```
# cheapest((1, 1, 1, 1, 1), 2.0, served=0.0)  gives 24.0    N = 2, D = 2
# cheapest((1, 1, 1, 1, 1), 2.0, served=24.0) gives 96.0    N = 4/3, D = 4; with N = D = 2 it would be 120
# ```
#
# **Without**: `minillm`, `scipy`.
#
# <details><summary>Hint 1</summary>
#
# For a given N the law says how much the model must read. So there is one number to search for, N, and each N has a
# cost. Write that as a function first.
# </details>
#
# <details><summary>Hint 2</summary>
#
# D = (B / (loss - E - A / N^alpha))^(1 / beta). It exists only where the bracket is above 0: N must be larger than
# (A / (loss - E))^(1 / alpha). There the cost is without bounds; it falls, has one lowest point, and rises again.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Search over ln N, from just above that smallest one to some dozen more. Cut the interval into thirds, compare the
# costs at the two inner points, throw away the third next to the more expensive one, and repeat 200 times.
# </details>


# %%
def cheapest(law, loss, served):
    """The least 6 N D + 2 N served that reaches the loss, with N and D in billions."""
    ### BEGIN SOLUTION
    E, A, alpha, B, beta = law

    def cost(log_size):
        size = math.exp(log_size)
        left = loss - E - A / size**alpha
        if left <= 0:
            return math.inf
        return 6 * size * (B / left) ** (1 / beta) + 2 * size * served

    low = math.log(A / (loss - E)) / alpha
    high = low + 50
    for _ in range(200):
        third = (high - low) / 3
        if cost(low + third) > cost(high - third):
            low += third
        else:
            high -= third
    return cost(high)
    ### END SOLUTION


# %%
check("13.3", cheapest).points

# %% [markdown]
# ## 13.4 · One forward, one backward
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: draw the timetable of a pipeline whose stages begin with backward passes as early as they can.
#
# In GPipe's timetable (lab 13) a stage sends all m small batches forwards before the first comes back, and it must
# keep what each of them left for its backward pass. Here a stage runs ahead only as far as it has to, and from then on
# takes turns: one forward, one backward, "1F1B" (Narayanan et al. 2019). The bubble is as large as before. But stage s
# keeps p - s small batches at most, be m 8 or 800.
#
# **In**: `p` stages and `m` small batches, both 1 or more.
#
# **Out**: for each stage a list of `(start, kind, j)` in the order in which it works; kind is `"forward"` or
# `"backward"`, j the small batch from 0 on. The rules:
#
# - stage s first sends min(p - 1 - s, m) small batches forwards. Then it does one forward and one backward pass by
#   turns, until no forward pass is left, and then the backward passes that are left. Both go through the small batches
#   in their order;
# - a forward pass lasts 1, a backward pass 2;
# - forward j needs forward j of the stage before; backward j needs backward j of the stage behind, or on the last
#   stage its own forward j. Everything begins as soon as that is done and the stage is free. The first begins at 0.
#
# `timetable(2, 2)`:
#
# ```
# [[(0, "forward", 0), (1, "forward", 1), (4, "backward", 0), (7, "backward", 1)],
#  [(1, "forward", 0), (2, "backward", 0), (4, "forward", 1), (5, "backward", 1)]]
# ```
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Two steps. First the order of each stage, without times: 2 m pieces of work. Then the times: begin what can begin,
# write down when it ends, and go on until nothing is left.
# </details>
#
# <details><summary>Hint 2</summary>
#
# With w = min(p - 1 - s, m): forward 0 to w - 1; then for each j forward w + j, if there is one, and backward j. For
# the times keep two books: `free[s]`, and `ended[kind, j, s]`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Go round the stages. If the next work of a stage needs something that is not in `ended` yet, go on to the next stage;
# otherwise it starts at the later of `free[s]` and that end. If your loop never ends, some stage waits for what another
# would do only later: print what each of them waits for.
# </details>


# %%
def timetable(p, m):
    """For each stage its work in order, as (start, kind, small batch)."""
    ### BEGIN SOLUTION
    todo = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            if w + j < m:
                order.append(("forward", w + j))
            order.append(("backward", j))
        todo.append(order)

    rows, free, ended = [[] for _ in range(p)], [0] * p, {}
    while any(todo):
        for s in range(p):
            if not todo[s]:
                continue
            kind, j = todo[s][0]
            if kind == "forward":
                needs = (kind, j, s - 1) if s > 0 else None
            else:
                needs = (kind, j, s + 1) if s < p - 1 else ("forward", j, s)
            if needs is None or needs in ended:
                start = max(free[s], ended.get(needs, 0))
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
                rows[s].append((start, kind, j))
                todo[s].pop(0)
    return rows
    ### END SOLUTION


# %%
check("13.4", timetable).points

# %% [markdown]
# **What you built**: a rounding that needs no master weights, one length for a gradient on many cards, the price of a
# model over its whole life, and the timetable that large runs work by. To see the first at work, repeat
# 1 - 1000 × 0.001 with `round_by_dice`, a few times. And give `cheapest` Chinchilla's law, (1.69, 0.354, 0.34, 1.24,
# 0.28) for billions, a loss of 2.1 and 10,000 billion tokens served: about half of what it costs with the model that
# is cheapest to train.
