# %% [markdown]
# # 08 · Pretraining: where the probabilities come from
#
# **You will build** the loss of a sequence, AdamW and a learning-rate schedule by hand, each equal to the package's;
# then you train a language model from nothing while you watch, break it in four ways on purpose, and look inside while
# it learns to copy.
#
# **The claim** is threefold: *a model learns grammar and facts by minimising the error in predicting the next word; it
# is a lossy compression of its training text; and training it costs incomparably more than using it*. Each part ends in
# numbers here, and two of them you will want to put differently afterwards.
#
# **Time**: 90 minutes; the cells themselves run in two or three.
#
# **Before you start**: cross-entropy and one step of gradient descent (lesson 00b); the model itself (lesson 06).

# %%
import copy
import inspect
import math
import textwrap
import time
import zlib
from dataclasses import replace

import torch
import torch.nn.functional as F
from IPython.display import display

from minillm import ModelConfig, TrainConfig, Transformer, generate, load, pretrain
from minillm.analysis.evaluation import scorer
from minillm.analysis.tracing import trace
from minillm.course import models
from minillm.course.bands import is_normal, load_bands
from minillm.data.corpora import learn_tokenizer, load_corpus
from minillm.data.floor import bigram_loss
from minillm.losses import IGNORE, next_token_loss
from minillm.model.accounting import count_flops, count_parameters, training_memory
from minillm.training import optim, schedule
from minillm.training.loop import Task, train
from minillm.training.metrics import series, smoothed
from minillm.training.pretraining import TextData, mean_loss, text_loss
from minillm.training.recipes import recipe_of
from minillm.viz.explorer import Explorer
from minillm.viz.figures import grouped_bars, lines, show, training_curve
from minillm.viz.live import Live
from minillm.world import experiments, floor

_ = torch.manual_seed(0)

# %% [markdown]
# ## Why is text enough?
#
# In lesson 00b you trained a net on pairs: an input, and the right answer to it. Who writes the right answers for a
# language model? Nobody. A text already contains them: after *the old miller walked to the* comes some word, and
# whoever wrote the text has filled it in. Every token is the right answer to the question that its predecessors ask.
# So a text of n tokens is n exercises with solutions, and the number of texts in the world is the size of the book.
# That is all that "self-supervised" means.
#
# Our texts are documents of Ottermere, the invented country of this course, since there we know what no collection of
# web pages can tell: how good a reader could become *at best*.

# %%
corpus = load_corpus("world", seed=0, n_train=7_300)
base, tokenizer = (
    models.base()
)  # the course's own base model; you train its younger sister
assert learn_tokenizer(corpus, tokenizer.vocab_size).merges == tokenizer.merges
print(f"{len(corpus.train):,} documents to learn from; the first one:\n")
print(corpus.train[0])

# %%
training = tokenizer.encode_batch(corpus.train)
validation = tokenizer.encode_batch(corpus.validation)
END = tokenizer.eos_id
exercises = sum(map(len, training)) + len(training)  # the end is to be foreseen, too
print(f"{exercises:,} exercises, {tokenizer.vocab_size:,} possible answers to each")
assert not set(corpus.train) & set(corpus.validation)

# %% [markdown]
# ### The loss of a sequence
#
# For one place you know the loss: minus the logarithm of the probability that the model gave to the token that came.
# For a sequence it is the mean over its places. The one thing to get right is *which* token came. The model's output
# at place t answers "what comes at t + 1?", so the answers are the text itself, shifted by one:


# %%
def naive_sequence_loss(logits, ids):
    """Mean of -ln p(next token), in nats: logits (T, V), ids (T,)."""
    total = 0.0
    for t in range(len(ids) - 1):
        log_p = logits[t].log_softmax(-1)
        total -= log_p[ids[t + 1]].item()
    return total / (len(ids) - 1)


# %%
ids = torch.tensor([END, *training[0][:200]])
with torch.no_grad():
    logits = base(ids[None])[0]  # (T, V)
by_hand = naive_sequence_loss(logits, ids)
torch.testing.assert_close(
    by_hand, next_token_loss(logits[:-1], ids[1:]).item(), rtol=1e-5, atol=1e-5
)

# %% [markdown]
# What does an untrained model score? It should find every one of V tokens equally likely, and -ln(1/V) is ln V. That
# is the first thing to check in any training run, before a single update:

# %%
RECIPE = recipe_of("tiny", "world")  # what the base model was made by
CONFIG = RECIPE.config
torch.manual_seed(0)
newborn = Transformer(CONFIG)

# %%
with torch.no_grad():
    first_loss = naive_sequence_loss(newborn(ids[None])[0], ids)
print(
    f"untrained: {first_loss:.1f} nats; ln {CONFIG.vocab_size:,} is {math.log(CONFIG.vocab_size):.2f}"
)
assert abs(first_loss - math.log(CONFIG.vocab_size)) < 0.3

# %% [markdown]
# Well above it, something is wrong with the initial weights or with the targets. Well below it before any update, the
# weights are trained, the head is tied to the table, or the loss is computed wrongly. A leak does not show yet: an
# untrained model cannot use the answer, even where it sees it. It shows after some updates, and you will see what it
# looks like further down: forget the shift, and the task becomes *repeat what you just read*.
#
# Texts have different lengths and a batch is a rectangle. The package lays whole documents side by side into rows,
# like books on a shelf, the end token between them, and marks what stays empty as no target:

# %%
shape = END, CONFIG.max_seq_len, RECIPE.batch_size
data = TextData.from_ids(training, validation, *shape, seed=0)
inputs, targets = data.train[0]  # (B, T) each
B, T = inputs.shape
assert torch.equal(
    inputs[:, 1:][targets[:, :-1] != IGNORE], targets[:, :-1][targets[:, :-1] != IGNORE]
)

# %%
empty = (targets == IGNORE).float().mean().item()
print(f"{B} rows of {T} tokens, {empty:.1%} of the places empty")
assert empty < 0.05

# %% [markdown]
# ## One update, by hand
#
# The gradient says for every weight in which direction the loss rises, and how steeply. Plain gradient descent walks
# against it, one rate for all. For transformers that works badly, and the reason is visible in the gradient itself.
# Here are the weights with the largest and with the smallest typical entry at the first step:

# %%
loss = text_loss(newborn, (inputs, targets))
loss.backward()
sizes = {
    name: p.grad.abs().mean().item()
    for name, p in newborn.named_parameters()
    if name.startswith("blocks.0") or "." not in name.removesuffix(".weight")
}

# %% tags=["nbval-ignore-output"]
smallest, largest = min(sizes, key=sizes.get), max(sizes, key=sizes.get)
for name in (largest, smallest):
    print(f"{name:36} {sizes[name]:.1e}")
assert sizes[largest] > 30 * sizes[smallest]

# %% [markdown]
# One rate for all of them is too much for some or too little for others. **Adam** (Kingma & Ba 2015) gives each weight
# a rate of its own. It keeps two running means for every weight: of its gradient, m (its *momentum*), and of the
# gradient's square, v. Then it walks by m / sqrt(v). If a gradient always points the same way, m is as large as sqrt(v)
# and the step is a full one, however small the gradient. If it flips its sign from batch to batch, m averages out to
# little, and so does the step. So Adam asks not *how steep* but *how sure*.
#
# Two details. Both means begin at 0 and are too small at first; dividing by 1 - beta^step repairs exactly that. And
# **AdamW** (Loshchilov & Hutter 2019) first pulls every weight a little towards 0, apart from all statistics.


# %%
class NaiveAdamW:
    """AdamW for a list of tensors; one rate, one decay for all."""

    def __init__(self, weights, rate, decay, beta1=0.9, beta2=0.95, eps=1e-8):
        self.weights, self.rate, self.decay = weights, rate, decay
        self.beta1, self.beta2, self.eps, self.steps = beta1, beta2, eps, 0
        self.m = [torch.zeros_like(w) for w in weights]
        self.v = [torch.zeros_like(w) for w in weights]

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for w, m, v in zip(self.weights, self.m, self.v, strict=True):
            g = w.grad
            w -= self.rate * self.decay * w
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            m_hat = m / (1 - self.beta1**self.steps)
            v_hat = v / (1 - self.beta2**self.steps)
            w -= self.rate * m_hat / (v_hat.sqrt() + self.eps)


# %%
ours, theirs = (torch.nn.Linear(16, 16, bias=False) for _ in range(2))
theirs.load_state_dict(ours.state_dict())
by_hand = NaiveAdamW([ours.weight], rate=0.01, decay=0.1)
package = optim.adamw(theirs, lr=0.01, weight_decay=0.1)
assert torch.equal(ours.weight, theirs.weight)

# %%
for _ in range(20):
    x, y = torch.randn(2, 8, 16)
    for net, optimizer in ((ours, by_hand), (theirs, package)):
        net.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimizer.step()
torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-4, atol=1e-5)
print("20 updates, 256 weights: equal to the package's AdamW")

# %% [markdown]
# The package decays matrices only. Pulling the scale of a norm towards 0 would just dim its layer:

# %%
print(inspect.getsource(optim.adamw).split('"""')[-1])

# %% [markdown]
# "Not how steep but how sure" can be tested. Multiply the loss by 1,000, so that every gradient is a thousand times as
# long. Plain descent takes steps a thousand times as long, and Adam the same ones as before:


# %%
def moved(optimizer_class, scale, rate=1e-5):
    """How far a weight matrix is after ten steps, when the loss is multiplied by `scale`."""
    torch.manual_seed(1)
    net = torch.nn.Linear(16, 16, bias=False)
    before = net.weight.detach().clone()
    optimizer = optimizer_class(net.parameters(), lr=rate)
    x, y = torch.randn(2, 64, 16)
    for _ in range(10):
        net.zero_grad()
        (scale * F.mse_loss(net(x), y)).backward()
        optimizer.step()
    return (net.weight - before).norm().item()


assert moved(torch.optim.SGD, 1, rate=0.0) == 0

# %%
as_far = {}
for name, optimizer in (("SGD", torch.optim.SGD), ("Adam", torch.optim.Adam)):
    as_far[name] = moved(optimizer, 1000) / moved(optimizer, 1)
    print(f"{name:5} {as_far[name]:8.1f} times as far")
assert 900 < as_far["SGD"] < 1100
assert 0.99 < as_far["Adam"] < 1.01

# %% [markdown]
# ## How large a step, when?
#
# One number is left, the rate itself, and it changes during the run. At the start the means of Adam have seen next to
# nothing, so the rate *climbs*. Then it stays high for a while: large steps cover ground. Over the last four fifths of
# the run it falls to 0, because large steps jump around a minimum and never into it. A trapezoid does all three. The
# package calls it `wsd`: warm-up, stable, decay.


# %%
def naive_schedule(step, steps, peak, warmup, decay=0.8):
    climb = (step + 1) / warmup
    left = (1 - step / steps) / decay
    return peak * min(climb, left, 1.0)


STEPS, PEAK = 120, RECIPE.training.learning_rate

# %%
rates = [naive_schedule(step, STEPS, PEAK, 20) for step in range(STEPS)]
for step in range(STEPS):
    package = schedule.learning_rate("wsd", PEAK, step, step / STEPS, 20, 0.0, 0.8)
    assert math.isclose(rates[step], package)
print(f"first {rates[0]:.4f}, highest {max(rates):.4f}, last {rates[-1]:.5f}")

# %% [markdown]
# ## A run
#
# Now everything together: 120 updates, each on 16 rows of 256 tokens. It is the course's own recipe, only shorter: the
# base model that you loaded above had 660. (For its matrices the recipe uses a faster relative of AdamW, called Muon,
# which you will build in lesson 13; everything else is moved by AdamW.)
#
# Two rulers belong beside the curve. The upper one is the *bigram* model, which knows nothing but how often each token
# follows each other one: it is what counting can do. The lower one is the *floor*, the loss of a reader who knows
# Ottermere's own rules: nobody can be better on average, because what is left is what the writer really tossed a coin
# for. A loss minus the floor is a KL divergence: the nats per token that the model still wastes.

# %%
truth = floor(corpus.truth, tokenizer).nats_per_token


def as_stream(documents):
    return [token for document in documents for token in (*document, END)]


# %%
bigram = bigram_loss(
    [END, *as_stream(training)], [END, *as_stream(validation)], tokenizer.vocab_size
)
print(f"bigram {bigram:.2f}, floor {truth:.2f} nats per token")
assert truth < 0.5 < 2 < bigram < math.log(tokenizer.vocab_size)

# %% [markdown]
# Behind the curve you will see a grey band: what five seeds of the recipe had at each step. While it runs, a look into
# the model every 10 updates is kept for later.


# %%
ANY = torch.arange(3, tokenizer.vocab_size)


def repeated(rows, length, seed, tokens):
    """Nonsense, said twice: (rows, 1 + 2 length) random tokens, the second half equal to the first."""
    dice = torch.Generator().manual_seed(seed)
    once = tokens[torch.randint(len(tokens), (rows, length), generator=dice)]
    return torch.cat([torch.full((rows, 1), END), once, once], dim=1)


# %%
@torch.no_grad()
def loss_first_and_second(model, length=40, tokens=ANY):
    """Nats per token on nonsense that is new, and on the same nonsense when it comes again."""
    ids = repeated(16, length, 1, tokens)
    log_p = model(ids[:, :-1]).log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return -log_p[:, :length].mean().item(), -log_p[:, length + 1 :].mean().item()


ids = repeated(2, 5, 0, ANY)
assert torch.equal(ids[:, 1:6], ids[:, 6:])
assert ids.shape == (2, 11)

# %% tags=["nbval-ignore-output"]
SETTINGS = replace(RECIPE.training, steps=STEPS, eval_every=60, log_every=5)

# %% tags=["nbval-ignore-output"]
bands = load_bands()
band = bands.loss.steps, bands.loss.lowest, bands.loss.highest
live = Live(floor=truth, bigram=bigram, band=band, steps=STEPS)
looks = {}


def watch(line):
    live(line)
    if line["step"] == 1 or line["step"] % 10 == 0:
        looks[line["step"]] = loss_first_and_second(model)


torch.manual_seed(0)
model = Transformer(CONFIG)
model, history = pretrain(model, data, SETTINGS, on_metrics=watch, floor=truth)
assert history[-1]["step"] == STEPS

# %% [markdown]
# How far did it get? The way from the bigram model to the floor is the part that a model with a memory for more than
# one token can win. Your run, and its elder sister's 660 updates:


# %% tags=["nbval-ignore-output"]
def share_of_the_way(loss):
    return (bigram - loss) / (bigram - truth)


# %% tags=["nbval-ignore-output"]
ours, elder = history[-1]["val_loss"], mean_loss(base, data.validation)
named = {"bigram": bigram, f"{STEPS} updates": ours}
named |= {f"{RECIPE.training.steps} updates": elder}
for name, loss in named.items():
    waste = loss - truth
    print(f"{name:12} {loss:.3f}   KL {waste:.3f}   {share_of_the_way(loss):6.1%}")
assert share_of_the_way(bigram) == 0
assert share_of_the_way(truth) == 1
assert 0.65 < share_of_the_way(ours) < 0.9 < share_of_the_way(elder) < 0.98

# %% [markdown]
# Fewer than a fifth of the elder's updates make nearly three quarters of the way, and each further gain costs more.
# Look at the curve once more: in some forty steps it is down at the bigram model's loss, which takes knowing who
# follows whom; all that comes below needs a longer memory. And look at its end. When the rate falls to 0 the loss falls
# with it, *below* the band. Is that suspicious?

# %% tags=["nbval-ignore-output"]
steps, losses = series(history, "loss")
smooth = dict(zip(steps, smoothed(steps, losses), strict=True))
for step in (30, 60, 120):
    print(textwrap.fill(is_normal(step, smooth[step], bands).sentence, 88), "\n")
assert is_normal(30, smooth[30], bands).word == "normal"
assert smooth[120] < bands.loss.at(120)[0]

# %% [markdown]
# The five seeds of the band ran for 660 steps. At 120 they were still at full rate, and you were at 0. A loss is normal
# *for a schedule*, and a run that is still at its high rate looks worse than it is. Do not compare a run in its middle
# with another one at its end.
#
# ## Is my loss normal?
#
# Most mistakes in training code produce a curve, and no error message. So learn to read the curves. Here are the first
# updates of five runs, one of them right and four of them broken, each in a way that has happened to many people:

# %%
SHORT = replace(RECIPE.training, log_every=2)


# %%
def not_shifted(model, batch):
    return next_token_loss(
        model(batch[0]), batch[0].masked_fill(batch[1] == IGNORE, IGNORE)
    )


def answers_of_another_row(model, batch):
    return text_loss(model, (batch[0], batch[1].roll(1, dims=0)))


# %%
for broken_loss in (not_shifted, answers_of_another_row):  # at first nobody can tell
    at_first = broken_loss(newborn, (inputs, targets))
    assert abs(at_first - math.log(CONFIG.vocab_size)) < 0.3


# %%
def short_run(loss_function=text_loss, rate=1.0, causal=True, until=40):
    """Steps and losses of the recipe's first updates, changed in one point."""
    torch.manual_seed(0)
    broken = Transformer(CONFIG.replace(causal=causal))
    settings = replace(SHORT, learning_rate=rate * SHORT.learning_rate)
    lines = []
    for line in train(Task(broken, data.train, loss_function), settings):
        lines.append(line)
        if line["step"] >= until:
            return series(lines, "loss")


# %% tags=["nbval-ignore-output"]
RUNS = {"as it should be": (steps[:9], losses[:9])}
RUNS["targets not shifted"] = short_run(not_shifted)
RUNS["no causal mask"] = short_run(causal=False, until=60)
RUNS["answers of another text"] = short_run(answers_of_another_row)
RUNS["rate 100 times too low"] = short_run(rate=0.01)
assert RUNS["no causal mask"][0][-1] == 60
for name, (at, losses_of) in RUNS.items():
    row = {step: losses_of[at.index(step)] for step in (30, 40, 60) if step in at}
    print(f"{name:25}", *(f"{loss:.2f} at step {step}" for step, loss in row.items()))
    if name == "no causal mask":
        assert row[60] < truth < 2 < row[30]

# %% [markdown]
# Choose one, say what is wrong with it before you read the sentence below the picture, and then read what the package
# says. (`minillm doctor --run FOLDER` says the same of any run that you keep.)


# %% tags=["nbval-ignore-output"]
def verdict(name):
    at, losses_of = RUNS[name]
    return is_normal(at[-1], smoothed(at, losses_of)[-1], bands)


def draw_run(run):
    at, losses_of = RUNS[run]
    inside = [number for number, step in enumerate(band[0]) if step <= at[-1]]
    part = tuple([side[number] for number in inside] for side in band)
    figure = training_curve((at, losses_of), (at, smoothed(at, losses_of)), band=part)
    return figure, verdict(run).sentence


# %% tags=["nbval-ignore-output"]
explorer = Explorer(draw_run, run=list(RUNS))
assert "normal" in explorer.sentence
display(explorer)

# %% tags=["nbval-ignore-output"]
words = {name: verdict(name).word for name in RUNS}
for name, word in words.items():
    print(f"{name}: {word}")
assert words["targets not shifted"] == words["no causal mask"] == "far below"
assert (
    words["answers of another text"] == words["rate 100 times too low"] == "far above"
)

# %% [markdown]
# The two that look *best* are the two that are worst. A loss below what the data allow is a leak. (At step 40 only the
# first is below the floor; there it is the band that gives the other away.) With a known floor you can be sure; without
# one, be suspicious of every sudden gain.
#
# And look at the run without a mask again: at step 30 its loss was near that of the right run. The answer stood one
# position ahead, in plain sight, but the model had not yet learned to look there. Ten updates later it had. So a
# healthy beginning proves little; look again later.
#
# ## The moment it learns to copy
#
# Here is a task for which no fact has to be known: *say again what was said before*. A text that repeats itself, *... q
# x 7 f ... q x 7*, goes on with *f*. What circuit can do that? Olsson et al. (2022) found one in all language models of
# two layers or more that they looked at, and called it an **induction head**. It takes two layers:
#
# - a head of the first layer looks at the token just before, and writes into each place *who stood before me*;
# - a head of the second layer asks *where does somebody stand whose predecessor is the token that I am?*, looks there,
#   and says what it sees.
#
# One layer cannot do it, at least not in this way: the second question needs the answer to the first. So train two
# small models, of one layer and of two, on nonsense that repeats itself after 8 to 19 tokens. Each sequence is fresh
# nonsense, so there is nothing to learn by heart, and only the places where copying helps count as targets.


# %%
LETTERS, LONG = 32, 40


def repeats(rows, seed):
    """Nonsense with a period of its own in each row: inputs and targets, (rows, LONG) each."""
    generator = torch.Generator().manual_seed(seed)
    once = torch.randint(LETTERS, (rows, LONG), generator=generator)
    period = torch.randint(8, 20, (rows, 1), generator=generator)
    ids = once.gather(1, torch.arange(LONG + 1) % period)
    guessing = (
        torch.arange(1, LONG + 1) <= period
    )  # the first time round, and one more to recognise it by
    return ids[:, :-1], ids[:, 1:].masked_fill(guessing, IGNORE)


assert repeats(3, seed=0)[0].shape == (3, LONG)


# %%
class Nonsense:
    batch_size = 64

    def __getitem__(self, step):
        return repeats(self.batch_size, seed=step)


# %%
x, y = repeats(3, seed=0)
print(x[0].tolist())
assert all(y[0, t] in x[0, : t - 6].tolist() for t in range(LONG) if y[0, t] != IGNORE)

# %% tags=["nbval-ignore-output"]
COPYING = TrainConfig(
    steps=100, optimizer="muon", learning_rate=0.01, schedule="wsd", warmup_steps=10, final_fraction=0.0, log_every=5
)  # fmt: skip


# %%
def copy_loss(model, batch):
    return next_token_loss(model(batch[0]), batch[1])


# %% tags=["nbval-ignore-output"]
copiers, curves = {}, {}
for layers in (1, 2):
    torch.manual_seed(0)
    copier = Transformer(
        ModelConfig(
            LETTERS,
            d_model=64,
            n_layers=layers,
            n_heads=2,
            d_ff=64,
            max_seq_len=LONG,
            qk_norm=True,
        )
    )
    lines_of = list(train(Task(copier, Nonsense(), copy_loss), COPYING))
    copiers[layers], curves[f"{layers} layer{'s' * (layers > 1)}"] = (
        copier.eval(),
        [line["loss"] for line in lines_of],
    )
assert abs(curves["1 layer"][0] - math.log(LETTERS)) < 0.5


# %% tags=["nbval-ignore-output"]
places = [line["step"] for line in lines_of]
show(
    lines(
        curves,
        "step",
        "nats per copied token",
        x=places,
        references={"guessing": math.log(LETTERS)},
    ),
    alt=f"Loss on copied tokens. With one layer it creeps from 3.5 to {curves['1 layer'][-1]:.1f}; with two it keeps "
    f"beside the first for a while, then falls within some twenty steps, and ends at {curves['2 layers'][-1]:.2f}.",
)
assert curves["1 layer"][-1] > 1.5
assert curves["2 layers"][-1] < 0.3

# %% [markdown]
# That drop is one of the few sudden events in the life of a language model. Before it, the second layer has nothing to
# ask for; before the second layer asks, the first layer's answer is worth nothing; and then both fall into place
# together. Is the circuit really the one described above? Look at where the heads look. For each head: how much of its
# attention goes to the token just before, and how much to the place *behind* the last occurrence of the present token?


# %%
def looks_at(model, ids):
    """(previous token, behind the last occurrence): mean attention of each head, two tensors (L, H)."""
    weights = trace(model, ids).weights  # (L, B, H, T, S)
    before, behind = [], []
    for row, text in enumerate(ids.tolist()):
        for t in range(1, len(text)):
            before.append(weights[:, row, :, t, t - 1])
            earlier = [s for s in range(t) if text[s] == text[t]]
            if earlier:
                behind.append(weights[:, row, :, t, earlier[-1] + 1])
    return torch.stack(before).mean(0), torch.stack(behind).mean(0)


# %% tags=["nbval-ignore-output"]
before, behind = looks_at(copiers[2], repeats(8, seed=10**6)[0])
assert before.shape == behind.shape == (2, 2)  # layers, heads

# %% tags=["nbval-ignore-output"]
names = [f"layer {layer} head {head}" for layer in (0, 1) for head in (0, 1)]
show(
    grouped_bars(
        {
            "the token before": before.flatten(),
            "behind the last occurrence": behind.flatten(),
        },
        names,
        "attention",
    ),
    alt=f"Attention of the four heads. The most that a head of layer 0 gives to the token just before is "
    f"{before[0].max():.2f}; the most that a head of layer 1 gives to the place behind the last occurrence of its own "
    f"token is {behind[1].max():.2f}.",
)
assert before[0].max() > 0.2
assert behind[1].max() > 0.3
assert behind[1].max() > 1.5 * behind[0].max()

# %% [markdown]
# The division of labour is the one that was foretold: a first layer that looks one back, a second that looks behind
# the last occurrence. Does a real model have such heads? It can be asked the same question: nonsense, said twice.

# %%
real, real_tokenizer = load("smollm2-135m-instruct")
once = torch.randint(1000, 40_000, (2, 20), generator=torch.Generator().manual_seed(3))
twice = torch.cat([once, once], dim=1)
with torch.no_grad():
    log_p = real(twice[:, :-1]).log_softmax(-1).gather(-1, twice[:, 1:, None])[..., 0]
new, again = -log_p[:, :19].mean().item(), -log_p[:, 20:].mean().item()
print(f"new nonsense {new:.1f} nats per token, the same again {again:.1f}")
assert again < new / 3

# %%
before, behind = looks_at(real, twice)
layer, head = divmod(behind.argmax().item(), behind.shape[1])
strong = int((behind > 0.5).sum())
print(
    f"{strong} of {behind.numel()} heads look behind the last occurrence with more than half of their attention"
)
assert strong >= 3
assert layer > 0

# %% [markdown]
# And the model that you have trained? You have kept a look into it every 10 updates:

# %% tags=["nbval-ignore-output"]
print("step   new nonsense   again")
for step in (1, 30, 60, 90, 120):
    print("{:4}   {:12.2f}   {:5.2f}".format(step, *looks[step]))
for_elder = loss_first_and_second(base)
print("base   {:12.2f}   {:5.2f}".format(*for_elder))
occurring = torch.tensor(sorted({id for document in training for id in document}))
of_training = loss_first_and_second(base, tokens=occurring)
print("base, with tokens that do occur: {:.2f}, {:.2f}".format(*of_training))
every = (*looks.values(), for_elder, of_training)
assert all(again > new - 1 for new, again in every)

# %% [markdown]
# Nothing. It gets *worse* at nonsense all the time, the second time no less than the first, and so did its elder
# sister. The last line is a control: about a fifth of all tokens never occur in training, so we asked the base model
# again with tokens that do occur. It still does not copy. That is the condition on "induction heads appear in all
# language models": they appear where the text asks for them. In Ottermere nobody repeats a string of random tokens,
# which is a likely reason (we did not test it). Lesson 09 will pay for this: to find an answer in the text above it,
# the model has to learn such a look back there.
#
# ## A lossy compression?
#
# "A language model is a lossy compression of the internet." What would that mean, exactly? A JPEG gives back every
# picture, a little blurred. So the texts that were read should come back, a little blurred. Do they? Your model has
# read some seven rows in eight of its data exactly once, and the rest never. Is it better on those that it has read?

# %% tags=["nbval-ignore-output"]
age, rows_loss = [], []
for first in (0, 30, 60, 90, 110):
    age.append(f"{STEPS - first} updates ago")
    rows_loss.append(
        mean_loss(model, [data.train[step] for step in range(first, first + 10)])
    )

# %% tags=["nbval-ignore-output"]
unread = mean_loss(model, [data.train[step] for step in range(STEPS, STEPS + 10)])
print(
    *(f"{name:16} {loss:.3f}\n" for name, loss in zip(age, rows_loss, strict=True)),
    sep="",
)
print(f"never read       {unread:.3f}")
assert rows_loss[3] < unread - 0.05
assert rows_loss[3] < min(rows_loss[0], rows_loss[-1])

# %% [markdown]
# So one reading leaves a trace. It fades as other text is read: of the first batches hardly anything is left. And it is
# as deep as the rate was high: the last batches, read at a rate of nearly 0, left less than those of thirty updates
# ago.
#
# But a lower loss is not a text that comes
# back. Give the model the first 40 tokens of a document and let it go on, always with the likeliest token. How many of
# the next 20 are those of the document? The controls are documents that it has never seen:


# %%
@torch.no_grad()
def recited(model, documents, given=40, then=20):
    """Share of tokens that a greedy continuation has in common with the document, place by place."""
    right = 0
    for document in documents:
        text = [END, *document][: given + then]
        right += sum(
            a == b
            for a, b in zip(
                generate(model, text[:given], then, temperature=0)[given:],
                text[given:],
                strict=True,
            )
        )
    return right / (then * len(documents))


# %%
long_enough = [document for document in training if len(document) >= 60]
controls = [document for document in validation if len(document) >= 60][:40]
seen_once, few = long_enough[-40:], long_enough[:32]
assert not {*map(tuple, seen_once)} & {*map(tuple, controls)}

# %% tags=["nbval-ignore-output"]
AGAIN = TrainConfig(
    steps=40, optimizer="muon", learning_rate=0.006, schedule="wsd", warmup_steps=5, final_fraction=0.0
)  # fmt: skip
parrot = copy.deepcopy(model)
shelf = TextData.from_ids(few, validation[:8], END, CONFIG.max_seq_len, 8, seed=0)
parrot, _ = pretrain(parrot, shelf, AGAIN)
times_read = AGAIN.steps / shelf.train.epoch_length

# %% tags=["nbval-ignore-output"]
share = {
    "never read": recited(model, controls),
    "read once": recited(model, seen_once),
    f"read {times_read:.0f} times": recited(parrot, few),
}
for name, value in share.items():
    print(f"{name:14} {value:.2f}")
assert share["read once"] < share["never read"] + 0.2
assert recited(parrot, few) > 0.8

# %% tags=["nbval-ignore-output"]
price = mean_loss(parrot, data.validation)
print(f"loss on new documents: {ours:.2f} before, {price:.2f} as a parrot")
assert price > ours + 1

# %% [markdown]
# (Some of the forty stood in rows that were never read, about one in eight.) What is read once does not come back: what
# the continuations have in common with the document is what *any* document of Ottermere has in common with any other.
# What is read twenty times comes back word for word, and then the model is of little use for anything else. Carlini et
# al. (2023) found the same law in large models: what is recited verbatim is mostly what stood in the training text many
# times.
#
# What does stay from texts that are read once is what *many* of them say. Here are 465 facts of Ottermere, from those
# told least to those told most, and how many of them the base model knows (to guess would make 7 of 100 right):

# %% tags=["nbval-ignore-output"]
asked = experiments.make("facts", "training").probes
answers = scorer(base, tokenizer)([probe.question for probe in asked])

# %% tags=["nbval-ignore-output"]
known = torch.tensor(
    [
        max(range(len(a)), key=a.__getitem__) == p.answer
        for a, p in zip(answers, asked, strict=True)
    ]
)
often = torch.tensor([probe.amount for probe in asked])

# %% tags=["nbval-ignore-output"]
groups = often.argsort().chunk(6)
told = [often[group].mean().item() for group in groups]
recall = [known[group].float().mean().item() for group in groups]
show(
    lines(
        {"known": recall},
        "probability that a document of facts tells it",
        "share known",
        x=told,
        log_x=True,
    ),
    alt=f"Share of facts that the base model knows, in six groups from seldom to often told: from {recall[0]:.2f} to "
    f"{recall[-1]:.2f}.",
)
assert recall[-1] > sum(recall[:2]) / 2 + 0.15

# %% [markdown]
# Last, count bytes. Lesson 00 turned a model into a compressor *without* loss: the model foretells, and a code says
# where it was wrong. So the training text can be stored as two things, the weights and the code. Which is the larger?

# %%
raw = "\n".join(corpus.train).encode()
weights = 2 * count_parameters(CONFIG)  # in 16 bits
sizes = {"text": len(raw), "zlib": len(zlib.compress(raw, 9)), "weights": weights}
sizes |= {"at the floor": round(exercises * truth / math.log(2) / 8)}
for name, size in sizes.items():
    print(f"{name:13} {size / 1e3:8,.0f} kB")
assert sizes["at the floor"] < sizes["zlib"] / 10 < sizes["text"] < sizes["weights"]

# %% tags=["nbval-ignore-output"]
code = exercises * elder / math.log(2) / 8
print(
    f"code of the base model: {code / 1e3:.0f} kB, {sizes['zlib'] / code:.0f} times less than zlib's"
)
assert code < sizes["zlib"] / 6

# %% [markdown]
# With its weights, this compressed form is larger than the text: 2.8 MB of weights for 2.0 MB of it. (There is a code
# without weights: sender and receiver train the same model on the text sent so far, and the losses *during* training
# add up to the length. This is prequential coding.) That is no contradiction, for weights are paid once, and the code
# grows with the text; for the trillions of tokens that a large model reads, it is the weights that do not count. But it
# shows what kind of thing a model is. It keeps what is common to many texts: the grammar, the ways of telling, the
# facts told often. It loses which of the possible texts was written. As a compressor it is excellent, *with* the code;
# without the code it is no archive at all, but a writer who has read everything once.
#
# ## What training costs, and what use costs
#
# The overview's table sets two columns side by side: *forward pass and backpropagation, months on thousands of GPUs*
# against *forward pass only, seconds on one*. Measure it for your own model. First time: one batch, forward only, and
# forward with backward.


# %%
def seconds(work, times=3):
    work()
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


@torch.no_grad()
def forward():
    return text_loss(model, (inputs, targets))


def forward_and_backward():
    model.zero_grad()
    text_loss(model, (inputs, targets)).backward()


forward_and_backward()
assert all(p.grad is not None for p in model.parameters())

# %% tags=["nbval-ignore-output"]
ratio = seconds(forward_and_backward) / seconds(forward)
print(f"forward and backward takes {ratio:.1f} times as long as forward alone")

# %% [markdown]
# The formula says 3: for each matrix the backward pass multiplies twice, once for the gradient of the weights and once
# to hand the gradient on to the layer below. Now the memory, and the number of operations. And, by the very same
# formula, GPT-3, of which it is published what it was trained on (300 billion tokens) and what that took (3.14e23
# operations; Brown et al. 2020, table D.1):


# %%
def costs(config, tokens_read, length):
    """What training takes, and what a reply of 100 tokens takes."""
    per_token = count_flops(config, length) / length
    memory = training_memory(config, batch_size=1, n_tokens=length)
    return {
        "parameters": count_parameters(config),
        "tokens read in training": tokens_read,
        "operations, training": 3 * per_token * tokens_read,
        "operations, reply of 100": 100 * per_token,
        "bytes beside the weights": memory["gradients"] + memory["optimizer"],
        "replies that cost as much": 3 * tokens_read / 100,
    }


# %%
yours = costs(CONFIG, STEPS * inputs.numel(), CONFIG.max_seq_len)
gpt3 = costs(ModelConfig.preset("gpt3"), 300e9, 2048)
print(f"{'':27}{'yours':>12}{'GPT-3':>12}")
for row, value in yours.items():
    print(f"{row:27}{value:12.2e}{gpt3[row]:12.2e}")
published = 3.14e23
assert abs(gpt3["operations, training"] / published - 1) < 0.05

# %% [markdown]
# Within 5 % of the published figure, by a formula of two lines. And the last row is worth a second look. *Training* is
# the expensive part for whoever trains. But a reply of 100 tokens costs, for any model of this kind, 100 / (3 x tokens
# read) of its training: after nine billion replies GPT-3 has cost as much in use as in training. A service with a
# hundred million users is there within months. So "massive" against "seconds on one GPU" is right for one reply and
# wrong for a year.
#
# > **Where the picture simplifies.** *Learns by minimising the error* is true, and says nothing of what is learnt: that
# > is decided by the text. *The error in predicting the next word* is a token, and a probability, not a hit or a miss.
# > Our floor is known because we wrote the world; for web text nobody knows it, and scaling laws guess it from the
# > curve's end (lesson 13). The base model reads seven in eight of its documents, each once, as large models read most
# > of theirs; books and often copied pages are the exception, and they are what is recited. The induction circuit was
# > shown in a model of our making, for which 100 updates are a lifetime; in large models copying is spread over dozens
# > of heads, and some look up *similar* tokens rather than equal ones. And the run used *Muon* in place of the AdamW
# > that you built; lesson 13 explains it.
#
# > **At scale.** Llama 3 405B read 15.6 trillion tokens with 3.8e25 operations, on 16,384 GPUs (Meta 2024). Nothing in
# > the loop is different: next token, cross-entropy, AdamW, climb and decay. What is different is everything around it:
# > the model does not fit on a card and is cut along four axes (three of them in lesson 13, and the text's length); a
# > card fails every few hours, so runs save and go on as ours do; batches of 16 million tokens; numbers in 16 bits; and
# > most of the work goes into the text: what is left out, what is said twice, in which mixture. The rate is lower the
# > larger the model, and a spike in the loss means going back to the last checkpoint.
#
# ## Five questions
#
# Answer before you open.
#
# **1.** An untrained model with 50,000 tokens has a first loss of 2.1. What do you think? (a) A good start. (b) It is
# not untrained, or the loss is wrong. (c) The learning rate is too high.
#
# <details><summary>Open 1</summary>
#
# **(b)**. Knowing nothing costs ln 50,000 = 10.8 nats. A much lower first loss means trained weights, a head tied to
# the table with targets that are not shifted, or a mistake in the loss. (A leak through the mask does not lower the
# *first* loss.) Not (a): there is no luck in a mean over thousands of tokens. Not (c): before the first update no rate
# has been used.
# </details>
#
# **2.** You multiply the loss by 10 and leave the rate of AdamW as it was. What happens? (a) Steps ten times as long.
# (b) Nearly nothing. (c) Decay becomes ten times as strong.
#
# <details><summary>Open 2</summary>
#
# **(b)**. Both means grow, m by 10 and sqrt(v) by 10, and their ratio is what is walked. Not (a): that is plain
# gradient descent. Not (c): in AdamW decay stands apart from the gradients. In Adam with the decay added to the
# gradient it would even count for a tenth of what it did. (A clipped gradient norm does not change the picture: it only
# scales gradients again.)
# </details>
#
# **3.** Your run at half its length has a loss of 1.2, your friend's finished run half as long had 0.9 at that step.
# Who is better? (a) The friend. (b) You. (c) One cannot say.
#
# <details><summary>Open 3</summary>
#
# **(c)**. The friend's rate had fallen to 0, yours is still high, and letting it fall is worth a tenth of a nat or two,
# as you saw at the end of your run. Not (a) and not (b), before both have decayed: compare finished runs with finished
# runs.
# </details>
#
# **4.** Why can a model of one layer not do what the induction head does? (a) It has too few parameters. (b) The place
# to look for can only be known from what a layer before has written. (c) It cannot see far enough back.
#
# <details><summary>Open 4</summary>
#
# **(b)**. To find *the place whose predecessor is my token*, each place must already hold its predecessor, and that is
# the work of a layer before. Not (a): a wider layer does not help. Not (c): attention of one layer sees everything
# before it; it just finds nothing there that says who stood in front of it.
# </details>
#
# **5.** A company says that its model cannot contain your novel, because "it only keeps statistics". When are they
# wrong? (a) Never. (b) When the novel stood in the training text many times. (c) Always.
#
# <details><summary>Open 5</summary>
#
# **(b)**. What is read many times comes back word for word, as your parrot showed, and famous texts stand in web
# collections hundreds of times. Not (c): what was read once hardly comes back, though its trace can be measured in the
# loss. Not (a): statistics of twenty readings of one text *are* that text.
# </details>

# %% [markdown]
# **What you built**: the loss of a sequence, AdamW and the trapezoid, each equal to the package; a model from nothing,
# its distance to the best that is possible, and the eye that tells a broken run from a good one. You saw copying appear
# all of a sudden in two layers and never in one; that what is read once leaves a trace and no text; and that training
# is three times a forward pass, times very many.
#
# **Exercise**: run the recipe's 120 updates with `optimizer="adamw"` and a rate of your own choice, three at least. How
# much of the way does the best of them make? Then let `warmup_steps` be 1. Predict first which of the two will mind.
#
# **Graded questions**, with checks that name the mistake:
# [exercise 08](../exercises/08_pretraining/08_pretraining.ipynb).
#
# **Next**: lesson 09. Your model goes on with any text, and answers no question. You will teach it to.
