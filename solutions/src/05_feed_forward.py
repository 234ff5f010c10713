# %% [markdown]
# # Exercise 05 · Feed-forward
#
# **You will write** an attribution of logits to single neurons, fix a network that is split over several GPUs, build a
# mixture of experts, and edit facts in a matrix with the smallest possible change.
#
# **Time**: 90 minutes. **Points**: 10. **Before you start**: lesson 05.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# contributions(*check("05.1", contributions).failure.example)
# check("05.1", contributions, seed=7)
# ```
#
# In every question you may use everything in torch and numpy, but nothing of `minillm`. Don't change the inputs: return
# something new.

# %%
import torch
import torch.nn.functional as F

from minillm.course.checks import check

# %% [markdown]
# ## 05.1 · Attribute logits to neurons
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: compute what each neuron adds to the logit of a token.
#
# The output of a feed-forward layer is a sum over its neurons: each adds its column of `down`, times its activation.
# The logit of a token is a dot product with the token's row of the head. So each neuron adds its own term to each
# logit. This is called *direct logit attribution* (Geva et al. 2022). It leaves out the final norm, and so do we.
#
# **In**: `x` (T, C), the inputs at T positions; `gate` and `up` (F, C) and `down` (C, F), the weights of a SwiGLU
# layer; `words` (V, C), the rows of the head for V tokens.
#
# **Out**: a tensor (T, F, V): what neuron f adds at position t to the logit of token v.
#
# Summed over the neurons, `contributions(x, gate, up, down, words).sum(1)` is the output of the layer times `words.T`.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Compute two things. What is the activation of each neuron at each position, (T, F)? What is the dot product of each
# neuron's column of `down` with each token's row, (V, F) or (F, V)?
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
    """What each neuron adds at each position to each token's logit: (T, F, V)."""
    ### BEGIN SOLUTION
    hidden = F.silu(x @ gate.T) * (x @ up.T)  # (T, F)
    direct = (words @ down).T  # (F, V)
    return hidden[:, :, None] * direct
    ### END SOLUTION


# %%
check("05.1", contributions).points

# %% [markdown]
# ## 05.2 · Tensor parallelism changes the output
#
# *bug-hunt · difficulty 3 of 5 · 20 minutes · 2 points*
#
# **Goal**: find out why the output of the layer below depends on the number of GPUs, and write one whose output
# doesn't.
#
# A layer too large for one GPU is split over several: each GPU holds some of the neurons (*tensor parallelism*). Many
# models also store gate and up in one matrix, because one large product is faster than two. `shard` below does both
# correctly. Then the shards are joined again.


# %%
def shard(gate, up, down, n_gpus):
    """Each GPU's neurons: its rows of gate and of up in one matrix, and its columns of down."""
    rows = zip(gate.chunk(n_gpus), up.chunk(n_gpus), strict=True)
    gate_up = [torch.cat((own_gate, own_up)) for own_gate, own_up in rows]
    return gate_up, list(down.chunk(n_gpus, dim=1))


def broken_feed_forward(x, gate_up, down):
    """SwiGLU, joined from the shards of all GPUs: (T, C) -> (T, C)."""
    gate, up = torch.cat(gate_up).chunk(2)
    return (F.silu(x @ gate.T) * (x @ up.T)) @ torch.cat(down, dim=1).T


torch.manual_seed(0)
x, gate, up, down = (torch.randn(s) for s in ((3, 4), (6, 4), (6, 4), (4, 6)))
whole = (F.silu(x @ gate.T) * (x @ up.T)) @ down.T
for n_gpus in (1, 2, 3):
    out = broken_feed_forward(x, *shard(gate, up, down, n_gpus))
    error = (out - whole).abs().max()
    print(f"GPUs: {n_gpus}  shape: {tuple(out.shape)}  largest error: {error:.2f}")

# %% [markdown]
# **In**: `x` (T, C); `gate_up`, a list with one matrix per GPU, with C columns and two rows for each of the GPU's
# neurons: first all of its rows of gate, then all of its rows of up; `down`, a list with one matrix per GPU, with C
# rows and one column for each of the GPU's neurons. The GPUs may hold different numbers of neurons.
#
# **Out**: (T, C), the output of the whole layer.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# List the rows: with two GPUs of two neurons each, `torch.cat(gate_up)` is g0 g1 u0 u1 g2 g3 u2 u3. Which of them does
# `chunk(2)` return as gate?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Separate gate and up for each GPU. After that you can either join the matrices or sum the outputs: no neuron needs to
# know the activation of another.
# </details>
#
# <details><summary>Hint 3</summary>
#
# For one GPU, `gate, up = own.chunk(2)`, and its neurons write `(F.silu(x @ gate.T) * (x @ up.T)) @ own_down.T`. Sum
# over the GPUs. (Real systems do the same: this sum, an *all-reduce*, is the layer's only communication.)
# </details>


# %%
def feed_forward(x, gate_up, down):
    """SwiGLU whose neurons are split over several GPUs: (T, C) -> (T, C)."""
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
# ## 05.3 · A mixture of experts
#
# *extend · difficulty 3 of 5 · 25 minutes · 3 points*
#
# **Goal**: build a mixture of experts, in which each token uses k of E feed-forward networks.
#
# A *router* gives each expert a score, a dot product with the token's vector. The k experts with the highest scores are
# evaluated, and their outputs are summed with weights. Models differ in these weights. In Mixtral, the weights of the
# chosen experts sum to 1. In OLMoE, they are the softmax over *all* experts, and those of the chosen ones sum to less
# than 1. Running a model with the other model's weights raises no error. (It has happened: the texts began well and
# then drifted into nonsense.)
#
# **In**: `x` (T, C); `router` (E, C); the experts' `gate` and `up` (E, F, C) and `down` (E, C, F), each a SwiGLU; `k`,
# the number of experts per token; `renormalize`, True if the weights of the chosen experts are to sum to 1. No two
# scores of a token are equal. Scores range from -200 to 200.
#
# **Out**: (T, C).
#
# With the scores 0, ln 2 and ln 3 and k = 2, the weights are 0, 2/5 and 3/5 if they are renormalized, and 0, 2/6 and
# 3/6 if not.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Start with the weights, (T, E), with zeros for all experts that are not chosen. Check them with the example above. The
# rest is a sum over the experts.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `probs = scores.softmax(-1)` are the weights over all experts. `probs.topk(k)` returns the k largest and their
# indices. To renormalize, divide these k by their sum.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.zeros_like(probs).scatter(-1, chosen, top)` puts them back at their indices. Then, for each expert e, add
# `weights[:, e, None]` times its output. (A fast implementation gives each expert only its own tokens.)
# </details>


# %%
def mixture(x, router, gate, up, down, k, renormalize):
    """The weighted sum of the outputs of each token's k best experts: (T, C)."""
    ### BEGIN SOLUTION
    probs = (x @ router.T).softmax(-1)  # (T, E)
    top, chosen = probs.topk(k)  # (T, k)
    if renormalize:
        top = top / top.sum(-1, keepdim=True)
    weights = torch.zeros_like(probs).scatter(-1, chosen, top)
    out = torch.zeros_like(x)
    for e in range(len(router)):
        hidden = F.silu(x @ gate[e].T) * (x @ up[e].T)
        out = out + weights[:, e, None] * (hidden @ down[e].T)
    return out
    ### END SOLUTION


# %%
check("05.3", mixture).points

# %% [markdown]
# ## 05.4 · Edit facts with the smallest change
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: change `down` so that some questions get new answers and others keep their old ones.
#
# In the lesson you wrote a fact with one extra neuron. Here no neuron is added: the existing matrix is changed, and
# each question activates many neurons. `down` is linear: a question with the hidden layer h gets the answer `down @ h`.
# So each fact is a system of linear equations for the matrix. As long as there are fewer facts than neurons, many
# matrices satisfy all of them. The best one differs least from the old matrix, so that all other questions change as
# little as possible. (ROME and MEMIT edit facts in real models this way: Meng et al. 2022.)
#
# **In**: `down` (C, F); `asked` (m, F), the hidden layer for m questions; `answers` (m, C), their new answers; `others`
# (n, F), the hidden layer for n more questions, whose answers must stay as they are. n may be 0. There are at most as
# many questions as neurons, and all of them together are linearly independent.
#
# **Out**: the new matrix (C, F). It gives each question of `asked` its new answer, and `others` the same answers as
# `down`. Of all such matrices it is the closest to `down`: the sum of the squared changes is minimal.
#
# With `down` [[0, 0]], one question [2, 0] and its answer [6], it is [[3, 0]]. [[3, 5]] gives the right answer, too,
# but is further away.
#
# **Without**: `minillm`.
#
# <details><summary>Hint 1</summary>
#
# Take one fact and no others. Which changes affect the answer to h? A change in a direction orthogonal to h doesn't.
# Write what is *missing*, the new answer minus the old one, as an outer product with h. Then compute the answer of the
# new matrix: by which factor is it off?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Solve for the change only, D = new - old. For `asked` it must give what is missing, and for `others` 0. So all
# questions are of one kind: put them into one matrix, and what is missing into another.
# </details>
#
# <details><summary>Hint 3</summary>
#
# With `questions` (m + n, F) and `missing` (m + n, C) you want the smallest D with `questions @ D.T` = `missing`. The
# minimum-norm solution is `torch.linalg.pinv(questions) @ missing`, with the pseudo-inverse.
# </details>


# %%
def write(down, asked, answers, others):
    """The closest matrix to `down` with new answers to `asked` and old ones to `others`."""
    ### BEGIN SOLUTION
    questions = torch.cat((asked, others))  # (m + n, F)
    unchanged = torch.zeros(len(others), len(down))
    missing = torch.cat((answers - asked @ down.T, unchanged))
    return down + (torch.linalg.pinv(questions) @ missing).T
    ### END SOLUTION


# %%
check("05.4", write).points

# %% [markdown]
# **What you built**: an attribution of logits to neurons, a layer that runs on any number of GPUs, the layer that adds
# parameters without adding work per token, and an edit of facts. To attribute a real logit, take the weights of
# SmolLM2's last block, `model.blocks[29]`, and the input of its feed-forward layer at the last token, and look at the
# ten neurons that raise the model's next token most.
