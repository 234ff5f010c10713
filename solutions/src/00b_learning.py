# %% [markdown]
# # Exercise 00b · Learning
#
# **You will write** the KL divergence of two rows of logits, a correct gradient step for a network of any depth, the
# gradient of a broadcast, and a small autograd.
#
# **Time**: 75 minutes. **Points**: 10. **Before you start**: lesson 00b.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# kl(*check("00b.1", kl).failure.example)
# check("00b.1", kl, seed=7)
# ```
#
# In every question you may use everything in torch and numpy except what **Without** lists. Don't change the inputs:
# return something new.

# %%
import math

import torch

from minillm.course.checks import check

# %% [markdown]
# ## 00b.1 · KL divergence from logits
#
# *rebuild · difficulty 2 of 5 · 10 minutes · 2 points*
#
# **Goal**: compute KL(truth, guess) for rows of logits.
#
# The cross-entropy of lesson 00b compares a guess with one right token. Often the truth is a distribution itself: when
# a small model learns from a large one, the target at each position is the large model's distribution. The KL
# divergence is the cross-entropy minus the entropy of the truth, so it is 0 for a perfect guess:
#
# > KL(p, q) = sum over tokens of p · (log p - log q)
#
# You get logits, which can be large, or minus infinity for a token that a network rules out.
#
# **In**: `truth` and `guess`, logits of (B, V) each. Some may be 150 or -150, some minus infinity. No row is minus
# infinity everywhere.
#
# **Out**: (B,), one divergence per row, in nats. A token with probability 0 in the truth adds 0, whatever the guess
# says about it. Where the guess rules out a token that can occur, however unlikely, the divergence is infinite.
#
# With the probabilities 1/2, 1/4, 1/4 and 1/4, 1/4, 1/2,
# `kl(torch.tensor([[1/2, 1/4, 1/4]]).log(), torch.tensor([[1/4, 1/4, 1/2]]).log())` gives `[0.1733]`: a quarter of a
# bit.
#
# **Without**: `minillm`, `torch.nn.functional.kl_div`, `torch.kl_div`, `torch.distributions`.
#
# <details><summary>Hint 1</summary>
#
# Which function gives you log p directly from logits, without computing p first?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `log_softmax` of the logits is log p. It stays exact where p itself is rounded to 0. Only the weights are
# probabilities, `log_p.exp()`.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `terms = log_p.exp() * (log_p - log_q)` is right except for tokens that the truth rules out, where it is 0 times
# infinity. `torch.where(log_p > -torch.inf, terms, 0.0)` puts zeros there; then sum along the last axis. Compute in
# float64, where e⁻³⁰⁰ is not yet 0.
# </details>


# %%
def kl(truth, guess):
    """The KL divergence of each row in nats: (B,)."""
    ### BEGIN SOLUTION
    log_p, log_q = truth.double().log_softmax(-1), guess.double().log_softmax(-1)
    terms = log_p.exp() * (log_p - log_q)
    return torch.where(log_p > -torch.inf, terms, 0.0).sum(-1)
    ### END SOLUTION


# %%
check("00b.1", kl).points

# %% [markdown]
# ## 00b.2 · The loss falls, but the step is wrong
#
# *bug-hunt · difficulty 3 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why the step below does not follow the gradient, and write one that does.
#
# The function below takes the lesson's step for a network of any depth. One loop computes each gradient and updates
# the layer at once, so no list of gradients is needed. And the loss falls. But a gradient step has a property that you
# can measure: with twice the rate, every number moves exactly twice as far. Run the cell. Which layers fail this test?


# %%
def broken_step(layers, x, y, rate):
    """All layers after one step down. (It is not the gradient step.)"""
    outputs = [x]  # what goes into each layer
    for weight, bias in layers[:-1]:
        outputs.append(torch.tanh(outputs[-1] @ weight + bias))
    weight, bias = layers[-1]
    log_p = (outputs[-1] @ weight + bias).log_softmax(-1)
    slope = log_p.exp() * y.sum(1, keepdim=True) - y
    stepped = list(layers)
    for index in reversed(range(len(layers))):
        weight, bias = layers[index]
        h = outputs[index]
        weight = weight - rate * h.T @ slope
        bias = bias - rate * slope.sum(0)
        stepped[index] = weight, bias
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
for index, (weight, _) in enumerate(layers):
    far, twice = (step[index][0] - weight for step in (once, double))
    print(f"weight of layer {index}: {twice.norm() / far.norm():.2f} times as far")

# %% [markdown]
# **In**: `layers`, a list of pairs (weight, bias), (in, out) and (out,); `x` (B, C); `y` (B, V), target probabilities
# with a weight per row: a row's numbers add up to its weight, and all of `y` adds up to 1; `rate`, a number. The
# network is the lesson's with any number of layers: tanh after each layer except the last, then log_softmax. The loss
# is -(y · log p).sum().
#
# **Out**: a new list of pairs, each weight and bias minus `rate` times its gradient. The inputs stay unchanged.
#
# `step([(torch.zeros(1, 2), torch.zeros(2))], torch.tensor([[1.0]]), torch.tensor([[1.0, 0.0]]), 0.5)`: both tokens
# have probability 1/2, the gradient at the logits is (-0.5, 0.5), the weight becomes `[[0.25, -0.25]]` and the bias
# `[0.25, -0.25]`.
#
# **Without**: `minillm`, `torch.autograd`, `torch.Tensor.backward`, `torch.optim`.
#
# <details><summary>Hint 1</summary>
#
# The last layer passes the test and all earlier layers fail. What does the loop pass back to the layer before?
# </details>
#
# <details><summary>Hint 2</summary>
#
# A gradient belongs to the weights that the loss was computed with. Which `weight` does the last line of the loop use?
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
    for index in reversed(range(len(layers))):
        weight, bias = layers[index]
        h = outputs[index]
        stepped[index] = weight - rate * h.T @ slope, bias - rate * slope.sum(0)
        slope = slope @ weight.T * (1 - h**2)  # through the old weight
    return stepped
    ### END SOLUTION


# %%
check("00b.2", step).points

# %% [markdown]
# ## 00b.3 · The gradient of a broadcast
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: sum the gradient of a broadcast result to the shape of the tensor that was broadcast.
#
# *What is broadcast forward is summed backward*: in the lesson that was `d_logits.sum(dim=0)` for a bias. There are
# other ways to broadcast. A mean per row, (B, 1), is repeated along an axis; a table of positions, (T, C), gets a new
# first axis; a single number gets all its axes. An autograd meets each of these at every `+` and `*`.
#
# **In**: `slopes`, a tensor, the slope of the loss for each number of the result; `shape`, a tuple of whole numbers,
# the shape of the tensor that was broadcast to `slopes.shape`. It can be broadcast to it, and it may be `()`. A size
# may be 0: then there are no numbers.
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
# Write the two shapes one below the other, aligned on the right. A number has copies for two reasons: an axis has
# nothing below it, or it has a 1 below a larger size.
# </details>
#
# <details><summary>Hint 2</summary>
#
# First sum over the extra axes on the left: there are `slopes.dim() - len(shape)` of them. After that both shapes
# have the same length, and axis i of one is axis i of the other.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Then, for each axis where `shape` has a 1: `slopes = slopes.sum(axis, keepdim=True)`. Where `slopes` has a 1 too,
# this changes nothing.
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
check("00b.3", unbroadcast).points

# %% [markdown]
# ## 00b.4 · Write an autograd
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: compute the slope of the last number with respect to every number before it, in one backward pass.
#
# You have used `backward()`, and you have written the backward pass of one network. Now write one for any network.
# PyTorch records each operation while it computes. Here you get this record as a list of steps, in the order in which
# they were computed.
#
# **In**: `values`, a dictionary of the given numbers by name, large or small; `steps`, a list of one or more
# `(name, operation, inputs)`. The inputs are a tuple of earlier names. There are four operations:
#
# | operation | inputs | gives |
# | --- | --- | --- |
# | `"+"` | two | their sum |
# | `"*"` | two | their product |
# | `"tanh"` | one | its tanh |
# | `"exp"` | one | e to the power of it |
#
# A name may be used by several steps, twice in one step, or not at all.
#
# **Out**: a dictionary with a slope for every name, in `values` and in `steps`: the change of the last step's number
# per change of this one. The last step itself has slope 1. A number with no effect on it has slope 0.
#
# A squared error, (w x + b)²:
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
# Two passes. Forward, to know every number: copy `values` and add each step's result. Backward, with a second
# dictionary that starts with 0 for every name and 1 for the last.
# </details>
#
# <details><summary>Hint 2</summary>
#
# In the backward pass, a step's slope is complete when you reach it, because every step that uses its result came
# first. Give each input that slope times the local slope: 1 for a sum, the other factor for a product, 1 - out² for
# tanh, out for exp, where out is the result.
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
    """The slope of the last number with respect to every number, by name."""
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
        for source, local in zip(inputs, own[name], strict=True):
            slope[source] += local * slope[name]
    return slope
    ### END SOLUTION


# %%
check("00b.4", slopes).points

# %% [markdown]
# **What you built**: a KL divergence that stays exact for large logits, a step that follows the gradient at any depth,
# and an autograd in twenty lines. To train the network of the lesson with it, let its numbers be tensors, apply
# `unbroadcast` after every `+` and `*`, and add a matrix product.
