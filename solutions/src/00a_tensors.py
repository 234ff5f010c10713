# %% [markdown]
# # Exercise 00a · Tensors
#
# **You will write** the price of a wrong belief, straight from logits; mend a training step that learns and is wrong
# all the same; bring slopes back through a broadcast; and build an autograd.
#
# **Time**: 75 minutes. **Points**: 10. **Before you start**: lessons 00a and 00b.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# kl(*check("00a.1", kl).failure.example)
# check("00a.1", kl, seed=7)
# ```
#
# In all questions you may use everything that torch or numpy have, but for what stands behind **Without**. What
# your function is given must stay as it is: return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 00a.1 · What a wrong belief costs
#
# *rebuild · difficulty 2 of 5 · 10 minutes · 2 points*
#
# **Goal**: compute KL(truth, guess), what a guess costs above what nobody can save, for rows of logits.
#
# KL(p, q) is the sum of p · ln(p / q), with p what is true and q what is guessed. Two networks give you logits of both,
# and these can be large, or minus infinity for a token that a network rules out. (When a small model learns from a
# large one, KL is the loss, place by place.)
#
# **In**: `truth` and `guess`, logits of (B, V) each. Some may be 150 or -150, some minus infinity. No row is minus
# infinity everywhere.
#
# **Out**: (B,), one price for each row, in nats. A token with probability 0 in the truth costs nothing, whatever the
# guess says of it. Where the guess rules out what can happen, however unlikely, the price is infinite.
#
# For example, `kl(torch.tensor([[1/2, 1/4, 1/4]]).log(), torch.tensor([[1/4, 1/4, 1/2]]).log())` gives `[0.1733]`: a
# quarter of a bit.
#
# **Without**: `minillm`, `torch.nn.functional.kl_div`, `torch.kl_div`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# The definition has a logarithm of a quotient. Write it as a difference of two logarithms.
# </details>
#
# <details><summary>Hint 2</summary>
#
# You never need a logarithm of a probability: `log_softmax` of the logits is one already, and it is exact where the
# probability itself is rounded to 0. Only the weights are probabilities, `log_p.exp()`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `prices = log_p.exp() * (log_p - log_q)` is right but for the tokens that the truth rules out. There it is 0 times
# infinity. `torch.where(log_p > -torch.inf, prices, 0.0)` puts the zeros in; then add up along the last axis. Compute
# in float64, where e⁻³⁰⁰ is not yet 0.
# </details>


# %%
def kl(truth, guess):
    """What the guess costs in each row: (B,)."""
    ### BEGIN SOLUTION
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    prices = log_p.exp() * (log_p - log_q)
    return torch.where(log_p > -torch.inf, prices, 0.0).sum(-1)
    ### END SOLUTION


# %%
check("00a.1", kl).points

# %% [markdown]
# ## 00a.2 · The loss falls, and the step is wrong
#
# *bug-hunt · difficulty 3 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why the step below does not go along the gradient, and write one that does.
#
# It is lesson 00b's step for a network of any depth, in a single walk back, which saves the list of slopes. And it
# learns: the loss falls. But a step along the gradient has a property that you can measure. Take it at double the
# rate, and each number moves exactly twice as far. Run the cell. Which layers keep to that, and which do not?


# %%
def broken_step(layers, x, y, rate):
    """All layers after one step down. (It is another step.)"""
    outputs = [x]  # what goes into each layer
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    log_p = (outputs[-1] @ weight + bias).log_softmax(-1)
    slope = log_p.exp() * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = layers[place]
        h = outputs[place]
        weight = weight - rate * h.T @ slope
        bias = bias - rate * slope.sum(0)
        stepped[place] = weight, bias
        slope = slope @ weight.T * (1 - h**2)
    return stepped


def loss_of(layers, x, y):
    for weight, bias in layers[:-1]:
        x = torch.tanh(x @ weight + bias)
    return -(y * (x @ layers[-1][0] + layers[-1][1]).log_softmax(-1)).sum()


torch.manual_seed(0)
layers = [
    (torch.randn(size), torch.randn(size[1])) for size in [(3, 5), (5, 4), (4, 6)]
]
x, y = torch.randn(4, 3), torch.eye(6)[[2, 0, 5, 2]] / 4
once, double = (broken_step(layers, x, y, rate) for rate in (1.0, 2.0))
print(f"loss {loss_of(layers, x, y):.2f}, after a step {loss_of(once, x, y):.2f}")
for place, (weight, _) in enumerate(layers):
    far, twice = (step[place][0] - weight for step in (once, double))
    print(f"weight of layer {place}: {twice.norm() / far.norm():.2f} times as far")

# %% [markdown]
# **In**: `layers`, a list of pairs (weight, bias), (in, out) and (out,); `x` (B, C); `y` (B, V), the truth, whose rows
# may weigh differently and add up to 1 all together; `rate`, a number. The network is that of 00b, with any number of
# layers: tanh after each but the last, then log_softmax, and the loss is -(y · log p).sum().
#
# **Out**: a new list of pairs, each weight and bias minus `rate` times its slope. What came in stays as it was.
#
# `step([(torch.zeros(1, 2), torch.zeros(2))], torch.tensor([[1.0]]), torch.tensor([[1.0, 0.0]]), 0.5)`: both tokens
# have probability a half, the slope at the logits is (-0.5, 0.5), and the weight becomes `[[0.25, -0.25]]`, the bias
# `[0.25, -0.25]`.
#
# **Without**: `minillm`, `torch.autograd`, `torch.Tensor.backward`, `torch.optim`.
#
# <details><summary>Hint 1</summary>
#
# The last layer is right, and all in front of it are not. So each layer's own slope is right if what arrives at it is.
# What does the loop hand on to the layer in front?
# </details>
#
# <details><summary>Hint 2</summary>
#
# The slope says what a small change does *here*, at the weights with which the loss was computed. Which `weight` does
# the last line of the loop use?
# </details>
#
# <details><summary>Hint 3</summary>
#
# Keep two names: `new_weight = weight - rate * h.T @ slope`, put that into `stepped`, and go back through `weight`.
# </details>


# %%
def step(layers, x, y, rate):
    """All layers after one step down, as a new list."""
    ### BEGIN SOLUTION
    outputs = [x]
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    log_p = (outputs[-1] @ weight + bias).log_softmax(-1)
    slope = log_p.exp() * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for place in reversed(range(len(layers))):
        weight, bias = layers[place]
        h = outputs[place]
        stepped[place] = weight - rate * h.T @ slope, bias - rate * slope.sum(0)
        slope = slope @ weight.T * (1 - h**2)  # through the old weight
    return stepped
    ### END SOLUTION


# %%
check("00a.2", step).points

# %% [markdown]
# ## 00a.3 · Back through a broadcast
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: bring the slopes of a broadcast result back to the shape of what was broadcast.
#
# *What is broadcast forwards is summed backwards*: in lesson 00b that was `d_logits.sum(0)` for a bias. But there are
# more ways to broadcast. A mean per row, (B, 1), is stretched along an axis; a table of places, (T, C), gets an axis in
# front; a single number gets all its axes. An autograd meets each of these, behind every `+` and `*`.
#
# **In**: `slopes`, a tensor, the slope of the loss for each number of the result; `shape`, a tuple of whole numbers,
# the shape of what was broadcast to `slopes.shape`. It fits, and it may be `()`.
#
# **Out**: a tensor of that shape: for each number, the sum over all its copies.
#
# With `slopes = torch.tensor([[1.0, 2.0], [3.0, 4.0]])`:
#
# ```
# unbroadcast(slopes, (2,))    [4, 6]
# unbroadcast(slopes, (2, 1))  [[3], [7]]
# unbroadcast(slopes, ())      10
# ```
#
# **Without**: `minillm`, `torch.Tensor.sum_to_size`, `torch.autograd`, `torch.Tensor.backward`.
#
# <details><summary>Hint 1</summary>
#
# Write the two shapes flush right, one below the other, as the lesson does. There are two reasons why a number has
# copies: nothing stands below an axis, or a 1 stands below a larger number.
# </details>
#
# <details><summary>Hint 2</summary>
#
# First the axes that stick out on the left: `slopes.dim() - len(shape)` of them, each summed away. After that both
# shapes are equally long, and axis i of one is axis i of the other.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Then, for each axis where `shape` has a 1: `slopes = slopes.sum(axis, keepdim=True)`. Where `slopes` has a 1 too, that
# changes nothing.
# </details>


# %%
def unbroadcast(slopes, shape):
    """For each number of a tensor of this shape, the sum of its copies' slopes."""
    ### BEGIN SOLUTION
    while slopes.dim() > len(shape):
        slopes = slopes.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            slopes = slopes.sum(axis, keepdim=True)
    return slopes
    ### END SOLUTION


# %%
check("00a.3", unbroadcast).points

# %% [markdown]
# ## 00a.4 · An autograd of your own
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: compute the slope of the last number by every number before it, in one walk back.
#
# You have used `backward()` and you have walked back by hand. Now write what walks. PyTorch notes down each operation
# while it computes; here you get these notes as a list of steps, in the order in which they were computed.
#
# **In**: `values`, a dictionary, the given numbers by name, large or small; `steps`, a list of one or more
# `(name, operation, inputs)`. The inputs are a tuple of names that were there before. There are four operations:
#
# | operation | inputs | gives |
# | --- | --- | --- |
# | `"+"` | two | their sum |
# | `"*"` | two | their product |
# | `"tanh"` | one | its tanh |
# | `"exp"` | one | e to its power |
#
# A name may be used by several steps, twice in one step, or by none.
#
# **Out**: a dictionary with a slope for every name, those of `values` and those of `steps`: the slope of the last
# step's number by this one. That of the last step itself is 1; what has no effect on it has 0.
#
# A small graph:
#
# ```
# values = {"w": 2.0, "x": 3.0, "b": -4.0}
# steps = [("a", "*", ("w", "x")), ("c", "+", ("a", "b")), ("loss", "*", ("c", "c"))]
# slopes(values, steps)
# {"w": 12.0, "x": 8.0, "b": 4.0, "a": 4.0, "c": 4.0, "loss": 1.0}
# ```
#
# **Without**: `minillm`, `torch.autograd`, `torch.Tensor.backward`. (Plain Python is enough.)
#
# <details><summary>Hint 1</summary>
#
# Two walks. Forwards, to know every number: copy `values` and add each step's result. Backwards, with a second
# dictionary that begins with 0 for every name and 1 for the last.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Going backwards, all that use a step's result have had their turn when you reach it, so its slope is complete. Give
# each input the step's own slope times that: 1 for a sum, the other factor for a product, 1 - out² for tanh, out for
# exp, where out is the result.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `for name, operation, inputs in reversed(steps):` and, for a product of a and b, two lines:
# `slope[a] += numbers[b] * slope[name]` and `slope[b] += numbers[a] * slope[name]`. With `+=`, w · w comes out right
# by itself.
# </details>


# %%
def slopes(values, steps):
    """The slope of the last number by every number, by name."""
    ### BEGIN SOLUTION
    operations = {
        "+": lambda a, b: (a + b, [1, 1]),
        "*": lambda a, b: (a * b, [b, a]),
        "tanh": lambda a: (math.tanh(a), [1 - math.tanh(a) ** 2]),
        "exp": lambda a: (math.exp(a), [math.exp(a)]),
    }
    numbers, own = dict(values), {}
    for name, operation, inputs in steps:
        numbers[name], own[name] = operations[operation](*(numbers[i] for i in inputs))
    slope = dict.fromkeys(numbers, 0.0)
    slope[steps[-1][0]] = 1.0
    for name, _, inputs in reversed(steps):
        for one, by_input in zip(inputs, own[name], strict=True):
            slope[one] += by_input * slope[name]
    return slope
    ### END SOLUTION


# %%
check("00a.4", slopes).points

# %% [markdown]
# **What you built**: the price of a belief that no large logit can spoil, a step that goes where the gradient points,
# and an autograd in twenty lines. Give its numbers shapes, put `unbroadcast` behind its `+` and `*`, add a matrix
# product, and it trains the network of 00b.
