# %% [markdown]
# # 08 · Pretraining
#
# Five people trained the same model on the same text. One run is right. The other four have a bug of one line each, and
# no error message. Here are their losses. Lower is better, isn't it?
#
# **The claim**, as people say it: "Training a language model is simple. Predict the next token, and make the loss go
# down." Half of this page is about *which* loss, the other half about *how* it goes down.
#
# **You will write** the loss, two optimizers, and the training loop. Then you train a model from nothing while you
# watch, and it writes.
#
# **Time**: 75 minutes. **Before you start**: lesson 00b (gradient descent). Lesson 06 helps. Shift+Enter runs a cell.
# At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
import math

import torch
import torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_

from minillm.course import (
    mine,
    models,
    own_run,
    predict,
    predict_number,
    suspects,
    your_turn,
)
from minillm.viz import diagrams
from minillm.viz.figures import lines, show

_ = clip_grad_norm_, lines  # for your turns

# %%
mine.map(lesson="08")

# %%
suspects.show_suspects("Five runs of 120 updates, and one of them is right")

# %%
best = predict("Which model would you keep?", list(suspects.SUSPECTS))

# %%
best.answer(suspects.true_losses())

# %% [markdown]
# We gave each finished model new text, and measured its loss without the bug. The two that look best are worthless, and
# the third one is right. By the end of this page you'll know what happened to each.
#
# Our texts are about Ottermere, an invented country. We wrote the program that writes them, so we know a number that
# nobody knows for text from the web: the *floor*, the loss of a reader who knows all of Ottermere's rules. It's 0.36
# [nats](../teaching/glossary.md#n) per token. No model can do better on average.

# %% [markdown]
# ## A text is its own answer key
#
# Lesson 00b trained on pairs: an input, and the right answer. Who writes the answers for a language model? The text
# does. At every position, the right answer is the next token. That's *self-supervised* learning. Here's the course's
# finished model, reading a sentence:

# %%
base, tokenizer = models.base()
texts = own_run.lesson()
print(f"{len(texts.documents):,} documents, {texts.answers:,} answers")
tokens, told = own_run.losses_of(base, "A rooster lives in the yard.")
diagrams.next_tokens(tokens, told).show()

# %% [markdown]
# The loss at a position is -ln p, where p is the probability that the model gave to the token that came next. After *A
# rooster lives in the*, the token *yard* costs almost nothing. All five runs above began near 7.6, before any update.
# This vocabulary has 2,048 tokens.

# %%
nothing = predict(
    "An untrained model with GPT-2's 50,257 tokens: where does its loss begin?",
    ["at 7.6", "at 10.8", "at 187"],
)

# %%
nothing.answer(f"at {math.log(50257):.1f}")
print(f"ln 2,048 = {math.log(2048):.2f}, ln 50,257 = {math.log(50257):.2f}")

# %% [markdown]
# Knowing nothing means p = 1/V for each token, and -ln(1/V) is ln V. Check that first in any run. If it begins much
# higher or lower, something is wrong before training has begun.

# %% [markdown]
# ### Your turn: the loss of a text
#
# `ids` is (T,): the tokens of a text. `logits` is (T, V): at position t, what the model says about position t + 1.
# Return the mean of -ln p over the T - 1 positions that have a next token, as a tensor: training will follow its
# gradient. Logits may be as large as 10,000, so a probability may round to 0. The loss must still be finite.


# %%
@your_turn("08.next_token_loss", minutes=8, difficulty=2)
def next_token_loss(logits, ids):
    """The mean loss of a text in nats, from its logits (T, V) and its own ids (T,)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def next_token_loss(logits, ids):
#     """The mean loss of a text in nats, from its logits (T, V) and its own ids (T,)."""
#     log_p = logits[:-1].log_softmax(dim=-1)  # the last position has no next token
#     return -log_p[torch.arange(len(ids) - 1), ids[1:]].mean()
# ```
#
# </details>

# %%
row = own_run.row()  # a document that no run has read
with torch.no_grad():
    for who, model in {"untrained": own_run.newborn(), "finished": base}.items():
        print(f"{who:9} {next_token_loss(model(row[None])[0], row):.2f} nats per token")

# %% [markdown]
# ## AdamW divides each gradient by its usual size
#
# Plain gradient descent steps by rate × gradient, with one rate for all weights. AdamW ([Loshchilov and Hutter
# 2019](https://arxiv.org/abs/1711.05101)) keeps two running means per weight: m of its gradients g, and v of their
# squares. The step is m / √v. Two weights, four gradients each:
#
# | gradients | mean | root of the mean square | ratio |
# | --- | --- | --- | --- |
# | 0.01, 0.01, 0.01, 0.01 | 0.01 | 0.01 | **1** |
# | 5, -5, 5, -5 | 0 | 5 | **0** |
#
# The first weight moves by a full step, though its gradient is tiny: it always points the same way. The second stays
# where it is. Both means start at 0, so they are too small at first, and a factor corrects that. *Weight decay* pulls
# each weight a little towards 0. It acts on the weight directly, and passes through neither mean.

# %% [markdown]
# ### Your turn: a step of AdamW
#
# All four tensors have the same shape, and `step` counts from 1. Return the new `w`, `m` and `v`, and leave the old
# ones as they are.
#
# 1. m becomes beta1 · m + (1 - beta1) · g, and v becomes beta2 · v + (1 - beta2) · g².
# 2. Corrected, they are m / (1 - beta1^step) and v / (1 - beta2^step).
# 3. Subtract lr times (corrected m / (√corrected v + eps) + decay · w) from w.


# %%
@your_turn("08.adamw_step", minutes=8, difficulty=2)
def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
    """The weights and both running means after one update: w, m and v."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def adamw_step(w, g, m, v, step, lr, decay, beta1=0.9, beta2=0.95, eps=1e-8):
#     """The weights and both running means after one update: w, m and v."""
#     m = beta1 * m + (1 - beta1) * g
#     v = beta2 * v + (1 - beta2) * g**2
#     m_hat = m / (1 - beta1**step)
#     v_hat = v / (1 - beta2**step)
#     w = w - lr * (m_hat / (v_hat.sqrt() + eps) + decay * w)
#     return w, m, v
# ```
#
# </details>

# %%
scale = (
    1.0  # change me: what if the loss, and so each gradient, is 1,000 times as large?
)
w, m, v = torch.ones(3), torch.zeros(3), torch.zeros(3)
for step, g in enumerate(([0.01, 5, 1], [0.01, -5, 0], [0.01, 5, 0]), start=1):
    w, m, v = adamw_step(w, scale * torch.tensor(g), m, v, step, lr=0.1, decay=0.0)
print("three weights after three steps:", w)

# %% [markdown]
# ## Muon makes all directions count the same
#
# AdamW looks at each number by itself. But most weights belong to matrices, and the gradient of a matrix has
# directions. Its [singular values](../teaching/glossary.md#s) say how strong each is. Here's the gradient of one
# matrix of our model, before any update. It's 128 x 128, so it has 128 directions.

# %%
few = predict_number(
    "How many of them hold 90% of the squared gradient?", unit="of 128"
)

# %%
gradient = own_run.gradient_of(next_token_loss)  # (128, 128)
strength = torch.linalg.svdvals(gradient)
share = (strength**2).cumsum(0) / (strength**2).sum()
few.answer(int((share < 0.9).sum()) + 1)

# %% [markdown]
# A few directions drown out the rest. This matrix is an extreme one: the values and outputs of attention need 2 to 4
# directions, in all four blocks. Its queries and keys need 26 to 36, and the feed-forward layers 19 to 43. Muon
# ([Jordan et al. 2024](https://kellerjordan.github.io/posts/muon/)) moves all singular values close to 1 and keeps the
# directions. No decomposition is needed, only matrix products: a polynomial in X Xᵀ acts on the singular values alone.

# %% [markdown]
# ### Your turn: orthogonalize
#
# `M` is a matrix. Let X be M divided by its norm + 1e-7, where the norm is the root of the sum of all squares. Then, in
# each of `steps` rounds, make A = X Xᵀ anew, and replace X by 3.4445 X - 4.7750 A X + 2.0315 A A X. Return X. If M has
# more rows than columns, work on its transpose (A is smaller then), and transpose the result back.


# %%
@your_turn("08.orthogonalize", minutes=8, difficulty=3)
def orthogonalize(M, steps=5):
    """The matrix with its singular values moved close to 1, and its singular vectors kept."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def orthogonalize(M, steps=5):
#     """The matrix with its singular values moved close to 1, and its singular vectors kept."""
#     tall = M.shape[0] > M.shape[1]
#     X = M.T if tall else M
#     X = X / (X.norm() + 1e-7)
#     for _ in range(steps):
#         A = X @ X.T
#         X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
#     return X.T if tall else X
# ```
#
# </details>

# %%
rounds = 5  # change me: 1, then 20
equal = torch.linalg.svdvals(orthogonalize(gradient, rounds))
show(
    lines(
        {"gradient": strength / strength.max(), f"after {rounds} rounds": equal},
        "direction, the strongest first",
        "singular value",
        ylim=(0, 1.4),
    ),
    title=f"A few directions lead the gradient; after {rounds} rounds, all count alike",
    alt=f"Singular values: 1 to {strength[63] / strength[0]:.3f} for the stronger half of the gradient's directions.",
)

# %% [markdown]
# "Alike" is generous. The values end between 0.6 and 1.2, and the weakest dozen, which began at nearly nothing, below.
# Muon is momentum, then this, for the matrices inside the blocks. Embeddings, the output matrix and the norms stay with
# AdamW, as in the original.

# %% [markdown]
# ## The loop
#
# One update: clear the gradients, compute the loss, go backward, clip, step. *Clipping* scales the gradient down if its
# norm is above 1, so that one strange batch can't throw the model off. The rate isn't constant: it climbs for 20
# updates, while the running means still rest on few gradients, and falls to 0 over the last four fifths of the run.

# %% [markdown]
# ### Your turn: the training loop
#
# For each batch, count `step` from 0. Set the rate: `group["lr"] = schedule(step)` for each `group` in
# `optimizer.param_groups`. Then clear the gradients, compute `loss(model, batch)`, go backward, clip with
# `clip_grad_norm_(model.parameters(), 1.0)`, and step. Return the list of all losses, as plain numbers. `batches` is a
# stream: you can loop over it, once.


# %%
@your_turn("08.train", minutes=8, difficulty=2)
def train(model, batches, loss, optimizer, schedule):
    """The loss of each batch, as numbers; the model learns from one batch after the other."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def train(model, batches, loss, optimizer, schedule):
#     """The loss of each batch, as numbers; the model learns from one batch after the other."""
#     losses = []
#     for step, batch in enumerate(batches):
#         for group in optimizer.param_groups:
#             group["lr"] = schedule(step)
#         optimizer.zero_grad()
#         now = loss(model, batch)
#         now.backward()
#         clip_grad_norm_(model.parameters(), 1.0)
#         optimizer.step()
#         losses.append(now.item())
#     return losses
# ```
#
# </details>

# %% [markdown]
# ## Train it
#
# 1.4 million random weights, 120 updates of 16 rows with 256 tokens each, your four functions. Read what it writes
# after *A rooster lives in*. (About a minute. You may interrupt it, and change the seed.)

# %% tags=["nbval-ignore-output"]
seed = 0  # change me
muon = own_run.learn(train, next_token_loss, adamw_step, orthogonalize, seed=seed)
print(f"on new documents {muon.val_loss:.2f} nats, {muon.closed:.0%} of the way")

# %% [markdown]
# *Of the way* goes from the upper line to the floor. The upper one is a table of *bigrams*: how often each token
# follows each other one, counted in the same texts. It's a dumb baseline, at 2.92 nats. A less dumb one counts
# *5-grams*: what comes after these four tokens? Where a context is rare, shorter ones are mixed in.

# %%
counting = predict_number("What do 5-grams pay per token of new text?", unit="nats")

# %%
grams = suspects.counted()
counting.answer(round(grams[5], 2))
print("counted on the same 7,300 documents, nats per token on new ones:")
print(", ".join(f"{n}-grams {loss:.2f}" for n, loss in grams.items()))
suspects.say_base()

# %% [markdown]
# Counting alone gets 71% of the way. Keep that in mind when somebody shows you a falling loss.
#
# Now the control. The same texts in the same order, your same loop, AdamW for all weights, at the best of the five
# rates that we tried.

# %%
control = predict(
    "Where does AdamW end after 120 updates?",
    ["about where Muon ended", "halfway to the bigrams", "about at the bigrams"],
)

# %% tags=["nbval-ignore-output"]
adamw = own_run.learn(train, next_token_loss, adamw_step, seed=seed)
print(f"on new documents {adamw.val_loss:.2f} nats, {adamw.closed:.0%} of the way")

# %%
distances = suspects.show_race()  # of AdamW's mean from each of the three
control.answer(min(distances, key=distances.get))

# %% [markdown]
# Muon ends at 1.00, 0.96 and 0.98 on new documents, AdamW at 2.70, 3.07 and 2.70: same loss, same texts, same loop. Is
# it the rate? We tried five for AdamW and four for Muon, over a factor of eight each, one seed per rate. The worst Muon
# (1.57) beats the best AdamW. Counted 5-grams (1.11) lie in between, so Muon's lead over a table is 0.13 nats. But it's
# a sprint. Given four times the updates, and four times the documents, AdamW reaches 0.68 (one seed). We didn't count a
# table on that many. GPT-3 and Llama 3 were trained with Adam and AdamW. So this says which optimizer gets going
# faster, and no more.
#
# The forward pass was the package's. Would your transformer from lesson 06 do? Yes: with QK-norm switched off in the
# package's, three updates give the same losses to five digits. In 32 bits, yours takes twice as long.

# %% [markdown]
# ## Break it
#
# Back to the five runs. One of the four bugs is a missing shift. Train on it, with your loop and your optimizers. Watch
# the loss, then read what it writes:


# %% tags=["nbval-ignore-output"]
def leaky(logits, ids):
    return F.cross_entropy(logits, ids)  # change me


leak = own_run.learn(train, leaky, adamw_step, orthogonalize, until=30)

# %% [markdown]
# A loss near 0, from a model that says the last word again. Its task was *say what you just read*, and it does that to
# perfection. The other run with a beautiful loss has no causal mask: each position can look at the next token, which is
# the answer. That's B and D, and one of them is harder to catch.

# %%
late = predict_number(
    "From which update on is a run without a mask half a nat below the right one?",
    unit="updates",
)

# %%
late.answer(suspects.caught("no causal mask"))
suspects.show_suspects("The two that look best are the two that leak", named=True)

# %% [markdown]
# At update 30, D has 3.13 and the right run 3.35: nothing to see. The answer stands one position ahead, but the model
# has to learn to look there, and then its loss falls. So a healthy beginning proves little. A learns from the answers
# of another row: which tokens are frequent, and little more. (A table of token frequencies pays 5.99.) E is right, and
# a hundred times too slow.
#
# And the leaks aren't just useless. On new text they pay 22.5 and 11.1 nats per token (means of three runs), where
# an untrained model pays 7.6. They're confidently wrong.

# %% [markdown]
# ## You trained it
#
# Give your model a beginning. It knows nothing but Ottermere.

# %% tags=["nbval-ignore-output"]
begin = "A duck is a bird. A duck lives"  # change me
mine.write(begin, n=40, model=(muon.model, tokenizer))
own_run.keep(muon)

# %% [markdown]
# A model is more fun with an audience. This writes it into one HTML file: your weights, your loss curve, and a game in
# which a visitor guesses the next word against your model and the truth. It needs no network and no Python.

# %% tags=["nbval-ignore-output"]
name = "My first language model"  # change me
own_run.publish(muon, name, begin)

# %% [markdown]
# **Verdict: true, with two catches.** The loss must be the right one: both leaks end at a training loss below 0.001,
# and pay more for new text than a model that knows nothing. And *how* it goes down decides how far a run gets: 120
# updates of Muon reach 76% of the way (3 seeds, 75 to 77%), of AdamW 4% (-6 to 9%), and counting 5-grams 71%. "Predict
# the next token" is simple. Making sure that your code does just that isn't.

# %% [markdown]
# > **Where the picture simplifies.** The world's texts come from a program, so the floor is known and the vocabulary is
# > small. Each document is read once, so training loss and loss on new text hardly differ; with few documents read
# > often, they would. And 120 updates are a sprint: which optimizer wins a sprint says little about a marathon.

# %% [markdown]
# > **At scale.** Llama 3 405B read 15.6 trillion tokens with 3.8e25 operations, on 16,384 GPUs ([Meta
# > 2024](https://arxiv.org/abs/2407.21783)). The loop is the one that you wrote. Around it: numbers in 16 bits, batches
# > of 16 million tokens, a model cut across many cards, restarts after a card has failed, and months of work on the
# > text. Kimi K2, with a trillion weights, was trained by a variant of Muon ([Moonshot
# > 2025](https://arxiv.org/abs/2507.20534)).

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** An untrained model with 50,000 tokens has a first loss of 2.1. What do you think? (a) A good start. (b) It
# isn't untrained, or the loss is wrong. (c) The mask is missing.
#
# <details><summary>Open 1</summary>
#
# **(b)**. Knowing nothing costs ln 50,000 = 10.8 nats. (a) would need luck in a mean over thousands of tokens. (c)
# can't show yet: an untrained model hasn't learned to look one position ahead.
# </details>
#
# **2.** You multiply the loss by 10, and leave AdamW's rate as it was. What happens? (a) Steps ten times as long. (b)
# Nearly nothing. (c) Weight decay becomes ten times as strong.
#
# <details><summary>Open 2</summary>
#
# **(b)**. m grows by 10 and √v by 10, so their ratio stays. (a) is plain gradient descent. (c) can't be, since AdamW
# keeps the decay apart from the gradients.
# </details>
#
# **3.** Halfway through, your run has a loss of 1.2. A friend's run was half as long, so it ended at that update, with
# 0.9. Whose is better? (a) The friend's. (b) Yours. (c) You can't tell yet.
#
# <details><summary>Open 3</summary>
#
# **(c)**. The friend's rate had fallen to 0, and yours is still high. Loss usually drops as the rate falls. So neither
# (a) nor (b): compare finished runs with finished runs.
# </details>
#
# **4.** Your training loss is below the floor. What do you do? (a) Publish. (b) Look for a leak. (c) Lower the rate.
#
# <details><summary>Open 4</summary>
#
# **(b)**. Below the floor, the model knows what can't be known from the text before. (a) is how leaks get famous. (c)
# changes how fast a model learns, not what it sees. (If the training text was read many times, it can also be learned
# by heart. So look at new text, too.)
# </details>

# %%
mine.map(lesson="08")

# %% [markdown]
# **What you wrote**: a loss, AdamW, the core of Muon, and the loop. They trained a language model from random numbers.
#
# **What you measured**: what knowing nothing costs, how far 120 updates go with two optimizers, and what a leak looks
# like.
#
# **Yours to keep**: `mine/pretraining.py` in your workbook, and `mine/model`, a model that you trained,
# with a page that runs it.
#
# **Next**: the labs [what it learned](08_pretraining_lab.ipynb) (copying, memorizing, compressing) and [what data
# does](08_pretraining_data_lab.ipynb); the [graded questions](../exercises/08_pretraining/08_pretraining.ipynb); or
# lesson 09. Your model continues any text, and answers no question. [You'll teach it](09_sft.ipynb).
