# %% [markdown]
# # 07 · Sampling: from a list of numbers to a text
#
# **You will build** everything that stands between the logits of a model and the text you read: softmax, greedy
# choice, temperature, top-k, top-p, min-p, the repetition penalty, the draw itself, the loop that repeats it, and
# the cache that makes the loop affordable.
#
# **The claim** comes from every chat program's settings page: "low temperature is precise and deterministic, high
# temperature is creative". You will see what is true of it. At temperature 0.1 the real model still tosses a coin in
# places; the temperature that is *right* can be measured; and for a well-calibrated model it is close to 1.
#
# **Time**: 70 minutes; the cells themselves run in about one.
#
# **Before you start**: softmax (lesson 00a), cross-entropy (00b) and KL divergence
# ([glossary](../teaching/glossary.md#k)). Nothing of attention is needed until the last part, on the cache, where
# lesson 04 helps.

# %%
import inspect
import math
import random
import textwrap
import time
from collections import Counter, defaultdict

import torch
from IPython.display import display
from ipywidgets import Button, Dropdown, FloatSlider, IntSlider, Play, link

from minillm import generate, load
from minillm.inference import sampling
from minillm.inference.sampling import Sampling
from minillm.model.accounting import count_flops, inference_memory
from minillm.model.kv_cache import KVCache
from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, grouped_bars, lines, probability_bars, show
from minillm.viz.figures.style import BLUE, GREEN, ORANGE, SKY
from minillm.world import World
from minillm.world.reading import PIECE

_ = torch.set_grad_enabled(False)  # nothing is trained by gradients today

# %% [markdown]
# ## Why is there a choice at all?
#
# A model does not say the next word. It gives every token of its vocabulary a number, the *logit*, and stops.
# Turning 49,152 numbers into one token is left to a small program outside the network. That program has no weights
# and learns nothing, and yet it decides whether you read a sober sentence, a lively one, a loop or noise.
#
# Here are the logits of SmolLM2-135M-Instruct for one beginning. As in lesson 00, every text starts with the mark
# that says "a new text begins here".

# %%
model, tokenizer = load("smollm2-135m-instruct")
START = tokenizer.special_tokens["<|endoftext|>"]


def encoded(text):
    return [START, *tokenizer.encode(text)]


def next_logits(text):
    """The logits for the token that follows a text, in double precision: (V,)."""
    return model(torch.tensor([encoded(text)]))[0, -1].double()


WALK = "The old man walked to the"
logits = next_logits(WALK)
print(tuple(logits.shape), f"highest {logits.max():.2f}, lowest {logits.min():.2f}")
assert logits.isfinite().all()

# %% [markdown]
# Logits can be any number, so first comes softmax: raise e to each, divide by the sum. There is one trap. e to the
# 800 is larger than any float, and the result is infinity divided by infinity. The remedy costs one subtraction:
# softmax does not change when the same number is taken from every logit, so take the largest.


# %%
def naive_softmax(logits):
    largest = max(logits)
    powers = [math.exp(logit - largest) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


small = [801.0, 800.0, 799.0]
print([round(p, 4) for p in naive_softmax(small)])
assert torch.tensor(small).exp().isinf().all()  # without the subtraction
torch.testing.assert_close(
    torch.tensor(naive_softmax(small)), torch.tensor(small).softmax(-1)
)

# %% [markdown]
# ## Greedy, and temperature
#
# The simplest choice is the likeliest token. It is called *greedy*, because it takes the best now and never asks
# what follows from it.


# %%
def naive_greedy(logits):
    best = 0
    for id, logit in enumerate(logits):
        if logit > logits[best]:
            best = id
    return best


# %%
chosen = naive_greedy(logits.tolist())
nothing_seen = torch.zeros(1, 0).long()
assert chosen == Sampling(temperature=0).choose(logits[None], nothing_seen).item()
print(f"{WALK} ...{tokenizer.decode([chosen])}")

# %% [markdown]
# All other ways draw at random, and *temperature* says how boldly: divide every logit by it before softmax.


# %%
def naive_temperature(logits, temperature):
    return [logit / temperature for logit in logits]


logits_5, ids_5 = logits.topk(5)
words_5 = [tokenizer.decode([id]) for id in ids_5.tolist()]
at = {T: (logits / T).softmax(-1) for T in (0.1, 0.8, 1.0)}
for T, p in at.items():
    by_hand = torch.tensor(naive_temperature(logits_5.tolist(), T)).double()
    torch.testing.assert_close(
        by_hand, sampling.apply_temperature(logits_5, T), rtol=1e-6, atol=1e-6
    )
    print(
        T, *(f"{word!r} {p[id]:.2f}" for word, id in zip(words_5, ids_5, strict=True))
    )

# %%
show(
    grouped_bars(
        {f"temperature {T}": p[ids_5] for T, p in at.items()}, words_5, "probability"
    ),
    alt="The five likeliest tokens at three temperatures. At 1 and 0.8 none is above 0.13; at 0.1 'door' has 0.59 and "
    "'old' 0.41, and the other three are nearly gone.",
)
assert 0.55 < at[0.1].max() < 0.62

# %% [markdown]
# Look at the bars for 0.1. "Deterministic" is not the word for a choice that goes the other way four times in ten.
#
# Why? Temperature acts on *ratios*. If two tokens are in the ratio r at temperature 1, they are in the ratio r^(1/T)
# at temperature T. At 0.1 that is the tenth power. A leader who is ten times as likely wins by 10^10 : 1; but *door*
# and *old* are in the ratio 1.04 : 1, and 1.04^10 is not even 1.5.

# %%
ratio = at[1.0][ids_5[0]] / at[1.0][ids_5[1]]
print(f"{ratio:.2f} : 1 becomes {ratio**10:.1f} : 1")
torch.testing.assert_close(at[0.1][ids_5[0]] / at[0.1][ids_5[1]], ratio**10)

# %% [markdown]
# How often does the real model leave such a question open? Eight beginnings, and the probability of the runner-up:

# %%
PROMPTS = [
    WALK,
    "Roses are red, violets are",
    "On the table stood a",
    "In the morning the old man went to the",
    "The best thing about Sundays is",
    "The cat sat on the",
    "The capital of France is",
    "Once upon a time",
]
LOGITS = {text: next_logits(text) for text in PROMPTS}
runner_up = {}
for text, z in LOGITS.items():
    at_1, at_01 = ((z / T).softmax(-1).topk(2).values[1] for T in (1.0, 0.1))
    runner_up[text] = at_01
    print(f"{text:40} at 1: {at_1:.2f}   at 0.1: {at_01:.2f}")
assert sum(probability > 0.05 for probability in runner_up.values()) == 4

# %% [markdown]
# Half of them still go to the runner-up at 0.1 in more than one draw of twenty. In a text of a hundred tokens a few
# such places are enough to make every reply a different one. Only the *limit* is deterministic: as T goes to 0 the
# leader's share goes to 1. How small must T be? If the leader's logit is ahead by g, the runner-up has about
# e^(-g/T); for one in a thousand, T must be g / 6.9.

# %%
gap = (logits_5[0] - logits_5[1]).item()
needed = gap / math.log(999)
p = (logits_5[:2] / needed).softmax(-1)
print(f"gap {gap:.2f}; for 1 in 1000 the temperature must be {needed:.3f}")
assert math.isclose(p[1], 0.001, rel_tol=1e-6)

# %% [markdown]
# Programs treat `temperature=0` as a name for greedy, because one cannot divide by 0. And even greedy is only
# deterministic for one computation: another computer, another batch size, a cache or another kernel rounds sums
# differently, and two nearly equal logits may swap.
#
# ## Three ways to cut the tail
#
# At temperature 1 one draws from *all* 49,152 tokens. Most have almost no probability each, but there are very many
# of them:

# %%
ordered = at[1.0].sort(descending=True).values
tail = ordered[100:].sum()
print(f"all but the likeliest 100 together: {tail:.2f}")
print(f"at least one of them in 50 draws: {1 - (1 - tail) ** 50:.3f}")
assert 0.1 < tail < 0.5

# %% [markdown]
# One strange word then steers everything that follows. So the tail is cut: the logit of a cut token becomes minus
# infinity, which softmax turns into exactly 0. Three rules are in use.
#
# - **top-k** (Fan et al. 2018): keep the k likeliest.
# - **top-p**, the *nucleus* (Holtzman et al. 2020): keep the smallest number of likeliest tokens that together reach p.
# - **min-p** (Nguyen et al. 2024): keep what is at least p times as likely as the leader.
#
# Naively, with plain lists:


# %%
def naive_top_k(logits, k):
    smallest_kept = sorted(logits, reverse=True)[:k][-1]
    return [logit if logit >= smallest_kept else -math.inf for logit in logits]


def naive_top_p(logits, p):
    probabilities, kept, reached = naive_softmax(logits), set(), 0.0
    for id in sorted(range(len(logits)), key=lambda id: -probabilities[id]):
        if reached >= p:
            break
        kept.add(id)
        reached += probabilities[id]
    return [logit if id in kept else -math.inf for id, logit in enumerate(logits)]


def naive_min_p(logits, p):
    probabilities = naive_softmax(logits)
    least = p * max(probabilities)
    both = zip(logits, probabilities, strict=True)
    return [logit if probability >= least else -math.inf for logit, probability in both]


three = [math.log(q) for q in (0.5, 0.3, 0.2)]
print([round(q, 4) for q in naive_softmax(naive_top_p(three, 0.7))])
assert naive_top_k([1.0, 3.0, 2.0], 2) == [-math.inf, 3.0, 2.0]

# %% [markdown]
# Minus infinity, and not "some very small number". A well-known slip is to write 1e-10 where -1e10 was meant. That
# gives every cut token a logit of about 0, which is *more* than many of them had, and nobody gets an error:

# %%
forty = sampling.keep_top_k(logits, 40)
slip = logits.masked_fill(forty.isinf(), 1e-10).softmax(-1)
for name, p in (("right", forty.softmax(-1)), ("1e-10", slip)):
    print(f"{name}: probability outside the top 40: {p[forty.isinf()].sum():.3f}")
assert forty.softmax(-1)[forty.isinf()].sum() == 0 < slip[forty.isinf()].sum()

# %% [markdown]
# One draw in a hundred: you would not see it in the first sentence, and it spoils most pages. Test such code with "what
# was cut has probability exactly 0", never by looking at the text.
#
# Two things are easy to get wrong in top-p. The token that *crosses* p stays, so at least one token always survives.
# And p is reached when the sum *equals* it: for p = 0.5 a token of 0.5 is enough. The package says both in one line,
# with what the likelier tokens hold *before* this one:

# %%
print(inspect.getsource(sampling.keep_top_p))

# %%
for seed in range(20):
    z = 2 * torch.randn(
        50, generator=torch.Generator().manual_seed(seed), dtype=torch.double
    )
    for naive, ours, value in [
        (naive_top_k, sampling.keep_top_k, 1 + seed),
        (naive_top_p, sampling.keep_top_p, (1 + seed) / 21),
        (naive_min_p, sampling.keep_min_p, (1 + seed) / 21),
    ]:
        by_hand = torch.tensor(naive(z.tolist(), value)).double()
        torch.testing.assert_close(by_hand, ours(z, value), rtol=1e-6, atol=0)
print("20 random lists, three rules: equal")

# %% [markdown]
# What is the difference in practice? How many tokens each rule keeps, for a beginning that is open and for one that
# is not:

# %%
RULES = {"top-k 40": (sampling.keep_top_k, 40), "top-p 0.9": (sampling.keep_top_p, 0.9)}
RULES["min-p 0.1"] = (sampling.keep_min_p, 0.1)
kept = {}
for text in (WALK, "The capital of France is"):
    cuts = {name: rule(LOGITS[text], value) for name, (rule, value) in RULES.items()}
    kept[text] = {name: int(cut.isfinite().sum()) for name, cut in cuts.items()}
    print(f"{text:26}", kept[text])
assert kept[WALK]["top-k 40"] == 40 < kept[WALK]["top-p 0.9"]

# %% [markdown]
# top-k keeps 40 wherever it is: too few where a story could go anywhere, and 39 too many after *France is*. The
# other two follow the shape of the list, and not in the same way: top-p counts what has been collected, min-p
# measures against the leader.
#
# ### The repetition penalty
#
# A fourth rule looks back instead: tokens that were already written become less likely (Keskar et al. 2019). Mind
# the sign. Dividing a *negative* logit by 1.3 would raise it, so negative ones are multiplied. And a token that
# occurred ten times is punished once.


# %%
def naive_repetition_penalty(logits, seen, penalty):
    return [
        logit if id not in seen else logit / penalty if logit > 0 else logit * penalty
        for id, logit in enumerate(logits)
    ]


for seed in range(20):
    z = 2 * torch.randn(
        50, generator=torch.Generator().manual_seed(seed), dtype=torch.double
    )
    seen = [3, 17, 17, 4 + seed]
    by_hand = torch.tensor([naive_repetition_penalty(z.tolist(), seen, 1.3)]).double()
    torch.testing.assert_close(
        by_hand, sampling.penalize_repetition(z[None], torch.tensor([seen]), 1.3)
    )

# %% [markdown]
# There is something odd about this rule, and few who use it know. Softmax does not care where zero is: take 5 from
# every logit and the probabilities stay. The penalty *does* care, because it asks for the sign:

# %%
z, seen = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0]])
for shift in (0.0, -5.0):
    penalised = sampling.penalize_repetition(z + shift, seen, 1.3).softmax(-1)
    print(f"all logits {shift:+.0f}:", *(f"{p:.4f}" for p in penalised[0]))
torch.testing.assert_close(z.softmax(-1), (z - 5).softmax(-1))

# %% [markdown]
# The same distribution, the same penalty, two results. So the strength 1.3 means one thing in one model and another
# thing in the next. It is a rule of thumb, not a piece of probability.
#
# ### The order matters
#
# The package applies penalty, temperature, top-k, top-p, min-p, in this order. So does the library `transformers`.
# llama.cpp by default puts the temperature *last*. Is that the same? For top-k, yes: dividing all logits by one
# number leaves their order. For the others:

# %%
four = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
cut_last = sampling.keep_top_p(sampling.apply_temperature(four, 2.0), 0.75).softmax(-1)
cut_first = sampling.apply_temperature(sampling.keep_top_p(four, 0.75), 2.0).softmax(-1)
print("temperature, then top-p:", *(f"{p:.4f}" for p in cut_last))
print("top-p, then temperature:", *(f"{p:.4f}" for p in cut_first))
assert ((cut_last > 0).sum(), (cut_first > 0).sum()) == (3, 2)

# %% [markdown]
# Temperature 2 flattens the list, so the nucleus of the flat list is larger. On the real model this is not a nuance:

# %%
counts = {}
for name in ("top-p 0.9", "min-p 0.1"):
    rule, value = RULES[name]
    last, first = (int(rule(z, value).isfinite().sum()) for z in (logits / 1.5, logits))
    counts[name] = [last, first]
    print(f"{name} at 1.5: cut last, about {round(last, -1):,}; cut first, {first}")
assert counts["top-p 0.9"][0] > 10 * counts["top-p 0.9"][1]

# %% [markdown]
# Settings copied from one program to another may thus mean something else there. Two cuts can also meet in two
# orders. After top-k the rest adds up to 1 again, so a later top-p works on *larger* numbers than an earlier one:

# %%
five = torch.tensor([0.4, 0.2, 0.15, 0.15, 0.1]).log()
k_then_p = sampling.keep_top_p(sampling.keep_top_k(five, 2), 0.6).isfinite().sum()
p_then_k = sampling.keep_top_k(sampling.keep_top_p(five, 0.5), 2).isfinite().sum()
print(f"top-k 2, then top-p 0.6: {k_then_p} kept")
print(f"top-p 0.5, then top-k 2: {p_then_k} kept")
assert (k_then_p, p_then_k) == (1, 2)

# %% [markdown]
# (The looser 0.6 kept *fewer*.) top-k and min-p may change places freely: min-p asks only for ratios, and ratios
# survive any cut that leaves the leader.
#
# ## The draw
#
# How does a computer draw from a list of probabilities, when all it has is a random number between 0 and 1? Lay the
# probabilities end to end on a line of length 1 and see on whose piece the number falls.


# %%
def naive_draw(probabilities, u):
    """The token on whose piece of the line from 0 to 1 the number u falls."""
    end = 0.0
    for id, p in enumerate(probabilities):
        end += p
        if u < end:
            return id
    # Rounding left the end a little below 1, and u beyond it.
    return max(id for id, p in enumerate(probabilities) if p > 0)


p = [0.4, 0.3, 0.15, 0.1, 0.05]
landed = [naive_draw(p, u) for u in (0.0, 0.39, 0.41, 0.84, 0.96, 1.0)]
assert landed == [0, 0, 1, 2, 4, 4]

# %% [markdown]
# That is the *inverse of the cumulative distribution*. The last line is no decoration: 49,152 rounded numbers seldom
# add up to exactly 1, and once in a long while u falls beyond the end. Then a token must come that was not cut.
#
# Do the draws follow the list? Never exactly; so how far off may they be? Pearson's chi-square adds up
# (seen - expected)² / expected over the tokens. For right draws from five tokens it is 4 on average (one less than
# the tokens), and above 18.5 once in a thousand times.


# %%
def chi_square(draws, probabilities):
    expected = [len(draws) * p for p in probabilities]
    seen = Counter(draws)
    return sum((seen[id] - e) ** 2 / e for id, e in enumerate(expected))


uniform = torch.rand(10_000, generator=torch.Generator().manual_seed(0)).tolist()
ours = chi_square([naive_draw(p, u) for u in uniform], p)
rows = torch.tensor(p).log().expand(10_000, -1)
nothing_seen = rows[:, :0].long()
drawn = Sampling().choose(rows, nothing_seen, torch.Generator().manual_seed(0))
package = chi_square(drawn.tolist(), p)
cooled = naive_softmax([math.log(q) / 0.9 for q in p])
wrong = chi_square([naive_draw(cooled, u) for u in uniform], p)

# %%
print(f"by hand {ours:.0f}, the package {package:.0f}, at the wrong 0.9: {wrong:.0f}")
assert max(ours, package) < 18.5 < wrong

# %% [markdown]
# The third number is there because a test that cannot fail shows nothing: draws at 0.9 look much the same to the
# eye, and the test rejects them at once.
#
# The seed fixes the random numbers, so the same seed gives the same text: on the same machine, with the same
# program. Another way to draw turns the same numbers into other tokens. One that needs no line at all: add to every
# logit an independent *Gumbel* number, -ln(-ln u), and take the largest. Sampling is greedy choice among noisy
# logits:

# %%
u = torch.rand(
    10_000, 5, generator=torch.Generator().manual_seed(1), dtype=torch.double
)
noisy = torch.tensor(p).log() - (-u.log()).log()
gumbel = chi_square(noisy.argmax(-1).tolist(), p)
print(f"argmax of noisy logits: chi-square {gumbel:.0f}")
assert gumbel < 18.5

# %% [markdown]
# ## Entropy against temperature
#
# "Creative" is no quantity; *entropy* is: the average surprise of a draw, in nats. e to the entropy is the number of
# equally likely tokens that would be just as open.

# %%
TEMPERATURES = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0]


def entropy_at(logits, temperature):
    log_q = (logits / temperature).log_softmax(-1)
    return -(log_q.exp() * log_q).sum(-1)


curves = {}
for text in PROMPTS[::2]:
    curves[text] = [entropy_at(LOGITS[text], T).item() for T in TEMPERATURES]
assert all(curve == sorted(curve) for curve in curves.values())
show(
    lines(
        curves,
        "temperature",
        "entropy, nats",
        x=TEMPERATURES,
        references={"all equal": math.log(49_152)},
    ),
    alt="Entropy against temperature for four beginnings. All rise, from below 1 nat at 0.1 towards 10.8, the "
    "logarithm of the vocabulary; 'The capital of France' stays low longest.",
)

# %% [markdown]
# The curves only ever rise. The slope has a formula, known from the physics that the word *temperature* comes from:
# the variance of the logits under the distribution, divided by T³. A variance is never negative. Check it with a
# small difference:

# %%
T, step = 0.8, 1e-4
q = (logits / T).softmax(-1)
variance = (q * logits**2).sum() - (q * logits).sum() ** 2
slope = (entropy_at(logits, T + step) - entropy_at(logits, T - step)) / (2 * step)
torch.testing.assert_close(slope, variance / T**3, rtol=1e-4, atol=1e-4)
print(f"slope at {T}: {slope:.1f} nats per unit of temperature")

# %% [markdown]
# ## The loop, by hand
#
# One pass gives one token. For a text: choose, append, ask again. Each token becomes part of the question for the
# next one, hence the name *auto-regressive*.


# %%
def naive_generate(ids, steps, choice, seed=0):
    """The whole text goes through the model for every new token."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        seen = torch.tensor([ids])
        ids = [*ids, choice.choose(model(seen)[:, -1], seen, generator).item()]
    return ids


greedy = naive_generate(encoded(WALK), 8, Sampling(temperature=0))
assert greedy == generate(model, encoded(WALK), 8, temperature=0)
drawn = naive_generate(encoded(WALK), 8, Sampling(0.8, top_p=0.9), seed=3)
assert drawn == generate(model, encoded(WALK), 8, temperature=0.8, top_p=0.9, seed=3)

# %% [markdown]
# The package's `generate` gives the same ids. It is faster, for a reason that is the last part of this lesson.
# First, what does greedy write if we let it run?

# %% tags=["nbval-ignore-output"]
looping = generate(model, encoded(WALK), 80, temperature=0)
print(textwrap.fill(tokenizer.decode(looping[1:]), 88))

# %% [markdown]
# A loop. The likeliest next token after a repeated sentence is, to this model, the sentence once more, and each
# round makes the next one likelier. To measure it: which share of the 4-grams (four tokens in a row) has occurred
# before in the same text? A person's text of like length is the yardstick; this one was written for the lesson.


# %%
def grams(ids, n):
    return list(zip(*(ids[i:] for i in range(n)), strict=False))


def repetition(ids, n=4):
    """The share of n-grams that the text has already used."""
    found = grams(ids, n)
    return 1 - len(set(found)) / len(found)


assert repetition([1, 2, 3, 4, 5, 6]) == 0
assert repetition([1, 2, 3, 4] * 10) > 0.8

# %%
HUMAN = (
    "The old man walked to the ferry every Thursday, though the ferry had stopped running when the bridge was built. "
    "He bought a ticket from nobody, sat on the bench, and read yesterday's paper to the gulls. Children thought he "
    "was mad. Their mothers, who remembered his wife waving from the other bank, told them to leave him in peace."
)
human = tokenizer.encode(HUMAN)[:80]
print(f"repeated 4-grams, a person: {repetition(human):.2f}")
assert repetition(human) == 0

# %% tags=["nbval-ignore-output"]
penalised = generate(model, encoded(WALK), 80, temperature=0, repetition_penalty=1.3)
print(textwrap.fill(tokenizer.decode(penalised[1:]), 88))
print(f"repeated 4-grams, greedy: {repetition(looping):.2f}")
print(f"repeated 4-grams, greedy with penalty 1.3: {repetition(penalised):.2f}")
assert repetition(looping) > 0.3 > 0.1 > repetition(penalised)

# %% [markdown]
# The penalty breaks the loop, by force: it also forbids *the* and the full stop to come back at their usual rate.
#
# ### Try it: step or run
#
# All rules on the real model, on a text that grows under your hands. A `Story` keeps the text and the logits after
# each of its tokens. So that a step is one short pass, it keeps a *cache* too, the subject of the last part.


# %%
class Story:
    """A text under way, with the logits after its beginning and each new token."""

    def __init__(self, beginning):
        self.new, self.cache = [], model.new_cache(1, 64)
        self.logits = [self.read(encoded(beginning))]

    def read(self, ids):
        return model(torch.tensor([ids]), self.cache)[0, -1].double()

    def write(self, id):
        self.new.append(id)
        self.logits.append(self.read([id]))

    def cut(self, tokens):
        """Forget what was written after so many new tokens."""
        self.cache.truncate(self.cache.length - len(self.new[tokens:]))
        del self.new[tokens:], self.logits[tokens + 1 :]


story = Story(WALK)
story.write(naive_greedy(story.logits[-1].tolist()))
torch.testing.assert_close(story.logits[0], logits, rtol=1e-3, atol=1e-3)
assert story.new == greedy[len(encoded(WALK)) :][:1]


# %%
def next_token(logits, choice, u):
    """The token on whose piece of the line u falls, and the list it is drawn from."""
    q = choice.filter(logits[None], torch.zeros(1, 0).long())[0].softmax(-1)
    place = torch.searchsorted(q.cumsum(-1), u, right=True)
    return min(int(place), int(q.nonzero().max())), q


def go_on(beginning, choice, tokens, seed):
    """The story at so many new tokens, the next one, and the list it is drawn from."""
    now = STORIES[beginning]
    now.cut(tokens)
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(LONGEST + 1, generator=generator, dtype=torch.double)
    while len(now.new) < tokens:
        id, _ = next_token(now.logits[-1], choice, uniform[len(now.new)])
        now.write(id)
    return now, *next_token(now.logits[-1], choice, uniform[tokens])


STORIES, LONGEST = {text: Story(text) for text in PROMPTS}, 40
assert go_on(WALK, Sampling(top_k=1), 8, seed=0)[0].new == greedy[-8:]

# %% [markdown]
# The bars are the probabilities of the next token at this temperature; the grey ones are cut, and the red one is what
# the seed draws. *one token more* takes it; *run* goes on by itself. You may turn a dial in the middle of a sentence:
# it acts from the next token on. Moving *tokens* to the left takes back what was written. 0 for top-k and min-p, and 1
# for top-p, switch a rule off.


# %%
def draw(beginning, temperature, top_k, top_p, min_p, seed, tokens):
    choice = Sampling(
        temperature, top_k or None, top_p if top_p < 1 else None, min_p or None
    )
    now, drawn, q = go_on(beginning, choice, tokens, seed)
    best, ids = (now.logits[-1] / temperature).softmax(-1).topk(10)
    figure = probability_bars(
        [tokenizer.decode([id]) for id in ids.tolist()],
        best,
        chosen=ids.tolist().index(drawn) if drawn in ids else None,
        kept=q[ids] > 0,
        cut="cut below this line",
    )
    figure.set_layout_engine(None)  # fixed margins are faster
    figure.subplots_adjust(left=0.18, right=0.99, bottom=0.13, top=0.98)
    entropy = torch.special.xlogy(q, q).sum().abs()
    text = repr(beginning + tokenizer.decode(now.new))
    kept = f"kept {(q > 0).sum():,} of {len(q):,} tokens, entropy {entropy:.2f} nats"
    return figure, f"{text}: {kept}; next comes {tokenizer.decode([drawn])!r}."


assert "kept 1 of 49,152" in draw(WALK, 0.8, 1, 1.0, 0.0, 0, 0)[1]

# %%
tokens, seed = IntSlider(0, min=0, max=LONGEST), IntSlider(0, min=0, max=20)
beginning = Dropdown(options=PROMPTS)
beginning.observe(lambda _change: setattr(tokens, "value", 0), "value")
explorer = Explorer(
    draw,
    beginning=beginning,
    temperature=FloatSlider(0.8, min=0.1, max=2.0, step=0.1),
    top_k=IntSlider(0, min=0, max=50),
    top_p=FloatSlider(0.5, min=0.05, max=1.0, step=0.05),
    min_p=FloatSlider(0.0, min=0.0, max=0.5, step=0.05),
    seed=seed,
    tokens=tokens,
)
step = Button(description="one token more")
step.on_click(lambda _button: setattr(tokens, "value", tokens.value + 1))
run = Play(min=0, max=LONGEST, interval=600, description="run")
link((run, "value"), (tokens, "value"))
*controls, picture, caption = explorer.children
explorer.children = (*controls, step, run, picture, caption)
display(explorer)

# %% [markdown]
# Things to find: at temperature 2, how many tokens does top-p 0.5 keep, and how many min-p 0.1? Which beginnings
# keep a single token at top-p 0.8? Run at temperature 0.1: how long does it take until the story goes round in
# circles? Run at 2 with nothing cut, and stop at the first word that spoils it: was its probability large or small?
#
# <details><summary>What we found</summary>
#
# At temperature 2 top-p 0.5 keeps 878 tokens after *The old man walked to the*, and min-p 0.1 keeps 126. At 0.8 and
# top-p 0.8 two of the eight beginnings leave a single token, *The capital of France is* and *Once upon a time*, for
# which the model is sure; *On the table stood a* leaves 105. At 0.1 the old man's story begins to circle after some
# thirty tokens (*She was wearing a hat. She was wearing a hat with*), with each of the seeds 0 to 3.
# </details>
#
# ### Diversity against temperature
#
# Now draws. Four texts at each of five temperatures, all twenty in one batch: a *column* of temperatures divides
# each row by its own. For diversity we count, over the four texts together, how many different pairs of tokens there
# are among all pairs (*distinct-2*, Li et al. 2016). Four equal texts would give at most 0.25.


# %%
def write_many(ids, temperatures, steps, seed):
    """One text for each temperature, in one batch, with a cache: (rows, tokens)."""
    column = torch.tensor(temperatures)[:, None]
    texts = torch.tensor([ids] * len(temperatures))
    cache, new = model.new_cache(len(texts), len(ids) + steps), texts
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        z = model.head(model.hidden(new, cache)[:, -1])
        new = torch.multinomial((z / column).softmax(-1), 1, generator=generator)
        texts = torch.cat([texts, new], dim=1)
    return texts[:, len(ids) :]


HEATS = [0.1, 0.5, 0.8, 1.0, 1.5]

# %% tags=["nbval-ignore-output"]
texts = write_many(
    encoded(WALK), [T for T in HEATS for _ in range(4)], steps=60, seed=0
)
by_heat = texts.reshape(len(HEATS), 4, -1).tolist()
for T, group in zip(HEATS, by_heat, strict=True):
    print(textwrap.fill(f"{T}: ...{tokenizer.decode(group[0][:28])!r}", 88))
assert texts.shape == (20, 60)

# %% tags=["nbval-ignore-output"]
pairs = [[pair for ids in group for pair in grams(ids, 2)] for group in by_heat]
distinct = [len(set(found)) / len(found) for found in pairs]
repeats = [sum(map(repetition, group)) / 4 for group in by_heat]
show(
    lines(
        {"distinct pairs": distinct, "repeated 4-grams": repeats},
        "temperature",
        "share",
        x=HEATS,
    ),
    alt=f"Distinct pairs rise with the temperature from {distinct[0]:.2f} to {distinct[-1]:.2f}; repeated 4-grams fall "
    f"from {repeats[0]:.2f} to {repeats[-1]:.2f}.",
)
assert distinct[0] < distinct[3]
assert repeats[0] > repeats[-1]

# %% [markdown]
# More diverse, less repetitive; and at 1.5, as you can read, no longer English. Neither number sees that. Diversity
# is easy: a random number generator has it. What we want is text that is *as* diverse as the real thing, and for
# this we must know the real thing.
#
# ## Which temperature is right?
#
# In the world of this course we do know it. It counts in *pieces*: a word, a number or a mark, with the space before it
# (a tokenizer cuts them further, lesson 01). `next_pieces` gives the true distribution after any beginning. We take one
# place each from a hundred documents, and ask: suppose a model knew the truth p exactly, and somebody set the
# temperature to T. How far is what comes out from p? The measure is KL(p, q): the surprise per draw that q adds.

# %%
world, elsewhere = World(0), random.Random(0)
documents = [PIECE.findall(document.text) for document in world.documents(4000)]
pieces = sorted({piece for document in documents for piece in document})
pieces = ["", *pieces]  # "" is the end of a document
number = {piece: id for id, piece in enumerate(pieces)}
places = []
for document in World(1).documents(100):  # another seed: no model below counts these
    found = PIECE.findall(document.text)
    places.append(found[: elsewhere.randrange(len(found) + 1)])
print(
    f"{len(documents):,} documents of {len(pieces):,} different pieces;  a place:",
    repr("".join(places[3])[-40:]),
)
assert all(piece in number for place in places for piece in place)

# %%
truth = torch.zeros(len(places), len(pieces), dtype=torch.double)
for row, place in zip(truth, places, strict=True):
    for piece, probability in world.next_pieces("".join(place)).items():
        if piece in number:  # what never came is next to impossible
            row[number[piece]] = probability
truth /= truth.sum(-1, keepdim=True)
true_entropy = -torch.special.xlogy(truth, truth).sum(-1)
certain = (true_entropy == 0).double().mean()
print(f"true entropy: {true_entropy.mean():.3f} nats; certain places: {certain:.2f}")
assert 0.2 < true_entropy.mean() < 0.7


# %%
def kl(p, log_q):
    """KL(p, q) in nats, averaged over the rows."""
    terms = torch.special.xlogy(p, p) - (p * log_q).masked_fill(p == 0, 0)
    return terms.sum(-1).mean().item()


# %%
perfect = {T: kl(truth, (truth.log() / T).log_softmax(-1)) for T in TEMPERATURES}
print("KL from the truth at")
print(*(f"{T}: {abs(k):.3f}" for T, k in perfect.items()), sep="  ")
assert min(perfect, key=perfect.get) == 1.0
assert perfect[1.0] < 1e-12

# %% [markdown]
# For a perfect model temperature 1 is right, and nothing else is. Near 1 the cost is small (it grows with the square
# of the step), at 0.1 it is large: there one takes the likeliest piece nearly always, and documents made so are not
# typical ones, as a die that always shows its likeliest face is no die.
#
# Real models are not perfect. Let us make one that errs in a way that we control: count which piece followed each of
# the last three pieces, and where a context was seldom seen, lean on the shorter context. How much to lean is a
# number that we call *doubt*:  q = (count + doubt · q of the shorter context) / (total + doubt).

# %%
follows = defaultdict(Counter)
for document in documents:
    ids = [0, 0, 0, *(number[piece] for piece in document), 0]
    for place in range(3, len(ids)):
        for n in range(4):
            follows[tuple(ids[place - n : place])][ids[place]] += 1
print(f"{len(follows):,} contexts counted")


# %%
def count_model(place, doubt):
    """Next-piece probabilities from the counts after the last 0 to 3 pieces: (V,)."""
    ids = [0, 0, 0, *(number[piece] for piece in place)]
    q = torch.full((len(pieces),), 1 / len(pieces), dtype=torch.double)
    for n in range(4):
        counts = torch.zeros_like(q)
        for id, count in follows[tuple(ids[len(ids) - n :])].items():
            counts[id] = count
        q = (counts + doubt * q) / (counts.sum() + doubt)
    return q


log_models = {}
for d in (1, 10, 100):
    q = torch.stack([count_model(place, d) for place in places])
    assert torch.allclose(q.sum(-1), torch.ones(100).double())
    log_models[d] = q.log()

# %%
FINE = [round(0.4 + 0.05 * i, 2) for i in range(33)]
costs, best = {}, {}
for d, log_q in log_models.items():
    cost = costs[d] = [kl(truth, (log_q / T).log_softmax(-1)) for T in FINE]
    best[d], at_1 = FINE[cost.index(min(cost))], cost[FINE.index(1.0)]
    print(f"doubt {d:3}: best at {best[d]:.2f}, KL {min(cost):.3f}; at 1: {at_1:.3f}")
assert best[100] < 0.8 < best[10] < 1.1 < best[1]

at_best = {d: (log_q / best[d]).log_softmax(-1) for d, log_q in log_models.items()}
lead = (truth * (at_best[1] - at_best[10])).sum(-1)  # KL of doubt 10 minus doubt 1
error = lead.std() / math.sqrt(len(places))
print(f"doubt 1 is closer than doubt 10 by {lead.mean():.2f} ± {error:.2f}")
assert lead.mean() > 0.02

# %%
show(
    lines(
        {f"doubt {d}": cost for d, cost in costs.items()},
        "temperature",
        "KL from the truth, nats",
        x=FINE,
    ),
    alt=f"Three U-shaped curves. The model with little doubt is best at {best[1]}, the one with much doubt at "
    f"{best[100]}, the middle one at {best[10]}; the lowest minimum is that of little doubt.",
)

# %% [markdown]
# So the right temperature is a property of the *model*. One that trusts rare counts too much (doubt 1) is overconfident
# and must be warmed; one that trusts nothing (doubt 100) must be cooled. It does not tell which model is best: doubt 10
# has its right temperature nearest to 1, and yet doubt 1, warmed, is the closest to the truth, by 0.07 ± 0.03 nats
# (mean and standard error over the places). (A best temperature of 1 is necessary for a *calibrated* model, one whose
# 0.3 happens three times in ten. It is not sufficient: errors of different sizes can cancel.) Pretraining pushes there
# by itself, since cross-entropy *is* KL plus a constant: if another temperature lowered the loss, training would scale
# the logits. (On the training text, that is. A model that has learned its text by heart is overconfident on fresh text;
# doubt 1 is a small case of it.)
#
# ### The real model
#
# Of real English nobody knows p. But the constant does not depend on T, so we can find the minimum without knowing
# it: measure the cross-entropy of a person's text at several temperatures.

# %%
ids = torch.tensor([encoded(HUMAN)])
rows = model(ids)[0, :-1].double()
right = ids[0, 1:, None]  # each next token
log_p = [(rows / T).log_softmax(-1).gather(1, right) for T in TEMPERATURES]
english = [-one.mean().item() for one in log_p]
print(*(f"{T}: {loss:.2f}" for T, loss in zip(TEMPERATURES, english, strict=True)))
assert 0.8 <= TEMPERATURES[english.index(min(english))] <= 1.25

# %% [markdown]
# The minimum lies near 1 here too, and 0.1 would be a catastrophe as a *prediction*. One short text is a rough
# measure; the exercise takes more.
#
# Then why do people set 0.8, or top-p 0.9? Because KL is not what a reader minds. KL punishes a model for what it
# calls impossible though it may come. A reader minds the opposite: one impossible word spoils the page. So take
# three other yardsticks, all of which the world lets us measure exactly, and all of which should be small:
#
# - *impossible*: the probability of drawing a piece that cannot come here;
# - *forbidden*: the share of what can come that the rule no longer allows;
# - *misplaced*: how much probability would have to be moved from one piece to another to make the list the true one
#   (half the sum of |p - q|, the total variation distance).

# %%
CUTS = {"none": lambda z: z, "T 0.8": lambda z: z / 0.8, "T 0.5": lambda z: z / 0.5}
for value in (0.95, 0.8, 0.5):
    CUTS[f"top-p {value}"] = lambda z, value=value: sampling.keep_top_p(z, value)
CUTS |= {
    "min-p 0.1": lambda z: sampling.keep_min_p(z, 0.1),
    "greedy": lambda z: sampling.keep_top_k(z, 1),
}


def flaws(q):
    """Impossible, forbidden and misplaced probability, averaged over the places."""
    every = (q * (truth == 0), truth * (q == 0), (q - truth).abs() / 2)
    return [one.sum(-1).mean().item() for one in every]


measured = {}
print("           impossible   forbidden   misplaced")
for name, rule in CUTS.items():
    measured[name] = flaws(rule(log_models[10]).softmax(-1))
    print(f"{name:10}", *(f"{value:10.3f} " for value in measured[name]))
assert max(flaws(truth)) < 1e-12

# %%
columns = torch.tensor(list(measured.values())).T.tolist()
by_rule = [dict(zip(measured, column, strict=True)) for column in columns]
impossible, forbidden, misplaced = by_rule
show(
    grouped_bars(
        dict(zip(("impossible", "forbidden", "misplaced"), columns, strict=True)),
        [name.replace(" ", "\n") for name in measured],
        "share",
    ),
    alt="For eight rules, three kinds of error. Stricter cuts leave less on impossible pieces and forbid more; greedy "
    "has a quarter on impossible pieces and forbids a third of the truth. Temperature 0.5 misplaces least.",
)
order = ("greedy", "top-p 0.5", "top-p 0.95", "none")  # from strict to loose
strict_to_loose = [impossible[name] for name in order]
assert strict_to_loose == sorted(strict_to_loose)
assert forbidden["top-p 0.95"] < forbidden["top-p 0.5"] < forbidden["greedy"]
assert misplaced["T 0.5"] < misplaced["T 0.8"] < misplaced["none"]

# %% [markdown]
# Read it slowly, for it settles an old quarrel. This is doubt 10, whose best temperature by KL is 0.9. By misplaced
# probability 0.5 is better than 1 or 0.8, and even greedy beats the plain draw. Both are right: KL asks for a good
# *forecast* and never forgives a zero; the other asks how often a *draw* is out of place. Many errors sit in small
# probabilities, so cooling or cutting removes more of them than of the truth. For a perfect model the two agree on 1.
#
# And every cut has its price: it buys fewer impossible words with forbidden possible ones. Here is also an honest
# *no* for the textbook picture of an "unreliable tail": the tail is only part of the trouble. Greedy, with no tail
# at all, still says something impossible in about one place of four. No rule repairs a model that is wrong at the
# top of its list; only a better model does.
#
# ## The cache
#
# `naive_generate` sends the whole text through the model for each new token. But the model is causal: what it
# computed for the earlier tokens cannot change when a later one comes. Of an earlier token the later ones need only
# two things in each layer, its key and its value. So keep these, and send only the *new* token through.
#
# A cache is little more than two lists for each layer. This one of ours fits straight into the real model, since it
# has what the model asks of a cache: `length`, `append`, `advance`, and `segments`. The last one says which tokens of a
# row belong to one text; ours all do, and the value for that is `None`.


# %%
class NaiveCache:
    def __init__(self):
        self.keys, self.values, self.length, self.segments = {}, {}, 0, None

    def append(self, layer, key, value):
        for store, new in ((self.keys, key), (self.values, value)):
            if layer in store:
                new = torch.cat([store[layer], new], dim=2)
            store[layer] = new
        return self.keys[layer], self.values[layer]

    def advance(self, new, segments):
        self.length += new


ids = torch.tensor([encoded(HUMAN)[:24]])
cache, uncached = NaiveCache(), model(ids)
first = model(ids[:, :16], cache)
then = [model(ids[:, t : t + 1], cache) for t in range(16, 24)]
torch.testing.assert_close(
    torch.cat([first, *then], dim=1), uncached, rtol=1e-3, atol=1e-3
)

# %% [markdown]
# Sixteen tokens at once (the *prefill*), then eight one by one (the *decode*): the same logits at all 24 places. The
# package's cache does the same without `cat`, which copies everything it holds for each new token; it takes its
# memory once and writes into it:

# %%
print(inspect.getsource(KVCache.append))

# %%
package_cache = model.new_cache(batch=1, max_seq_len=24)
model(ids, package_cache)
for layer in range(model.config.n_layers):
    for ours, theirs in (
        (cache.keys, package_cache.keys),
        (cache.values, package_cache.values),
    ):
        torch.testing.assert_close(theirs[layer], ours[layer], rtol=1e-3, atol=1e-3)

# %% [markdown]
# The classic mistake: a cache that does not count. The new token then thinks that it stands at position 0, its query
# is turned by the wrong angle (lesson 03), and no error appears. The numbers are just wrong:

# %%
forgetful = NaiveCache()
model(ids[:, :23], forgetful)
forgetful.length = 0
off = (model(ids[:, 23:], forgetful) - uncached[:, 23:]).abs().max()
print("with the position forgotten, logits are off by more than 1:", bool(off > 1))
assert off > 1

# %% [markdown]
# The other one: going on past the end. A model was trained on texts of some length, SmolLM2 on 8,192 tokens, and the
# cache has the room it was given. The package refuses, and `generate` stops there:

# %%
try:
    model(ids[:, :1], package_cache)
except ValueError as error:
    print(textwrap.fill(str(error), 88))
assert package_cache.length == 24

# %% [markdown]
# Nothing in the arithmetic would refuse. With learned positions the lookup fails at the first token too many; with
# rotated ones the model goes on and gets worse without a word (lesson 03). Dropping the oldest tokens to make room is
# not free either: the keys and values that stay were computed by layers that still saw what is now gone, and in many
# models the very first token is the one that heads rest on (lesson 06).
#
# ### How much work it saves
#
# Seconds depend on the machine. The number of tokens that go through the layers does not. A hook on the first block
# counts them:


# %%
def tokens_through(write):
    passed = []

    def count(_module, _inputs, output):
        passed.append(output.shape[1])

    hook = model.blocks[0].register_forward_hook(count)
    start = time.perf_counter()
    write()
    hook.remove()
    return sum(passed), time.perf_counter() - start


prompt, new = encoded(HUMAN)[:8], 24
without, slow = tokens_through(
    lambda: generate(model, prompt, new, temperature=0, use_cache=False)
)
with_cache, fast = tokens_through(lambda: generate(model, prompt, new, temperature=0))
print(f"tokens through the model: {without} without a cache, {with_cache} with it")
assert without == sum(8 + i for i in range(new))
assert with_cache == 8 + new - 1

# %% tags=["nbval-ignore-output"]
print(f"{without / with_cache:.0f} times fewer tokens, {slow / fast:.1f} times as fast")

# %% [markdown]
# Why not as many times faster as there are fewer tokens? Because a pass over one token is no twentieth of a pass
# over twenty. For a single token the processor waits for the weights to come from memory, all 538 MB of them, and
# multiplies in between; twenty tokens can share one reading. Lesson 12 is about this.
#
# In multiplications the saving is what the count says. With a cache, writing costs as much as *reading* the finished
# text once; without it, as much as reading all its beginnings:

# %%
for length in (32, 256, 2048):
    beginnings = sum(count_flops(model.config, t) for t in range(8, length))
    once = count_flops(model.config, length - 1)
    work = f"{once / 1e9:7,.0f} GFLOP with a cache"
    print(f"{length:5} tokens: {work}, {beginnings / once:5,.0f} times as many without")
assert beginnings > 900 * once

# %% [markdown]
# ### What it costs
#
# The cache is paid for in memory: for every token a key and a value, in every layer and key/value head, D numbers of
# 4 bytes each.

# %%
c = model.config
by_hand = 2 * c.n_layers * c.n_kv_heads * c.d_head * 4
parts = [*cache.keys.values(), *cache.values.values()]
real = sum(part.nbytes for part in parts) // cache.length
print(f"2 x {c.n_layers} layers x {c.n_kv_heads} heads x {c.d_head} numbers x 4 bytes")
print(f"= {by_hand:,} bytes per token")
assert by_hand == real == inference_memory(c, 1, n_tokens=1)["kv_cache"]
package_bytes = package_cache.keys.nbytes + package_cache.values.nbytes
assert package_bytes == inference_memory(c, 1, n_tokens=24)["kv_cache"]

# %%
sizes = {"weights": inference_memory(c, 1, 1)["weights"]}
for texts, length in [(1, 2048), (1, 8192), (16, 8192)]:
    kv_cache = inference_memory(c, texts, length)["kv_cache"]
    sizes[f"cache, {texts} x {length:,} tokens"] = kv_cache
show(
    bars(
        list(sizes),
        [size / 1e6 for size in sizes.values()],
        unit="MB",
        digits=0,
        colours=[SKY, BLUE, GREEN, ORANGE],
    ),
    alt="538 MB of weights; the cache of one text of 2,048 tokens takes 94 MB, of one of 8,192 tokens 377 MB, and of "
    "sixteen such texts 6,040 MB.",
)
assert sizes["cache, 16 x 8,192 tokens"] > 10 * sizes["weights"]

# %% [markdown]
# For one short text the cache is a trifle. For sixteen long ones it outweighs the model eleven times. This model
# already holds the price down: nine query heads share three key/value heads (lesson 04), else it would be three
# times as much.
#
# > **Where the picture simplifies.**
# > *Temperature is creativity* is a manner of speaking: it is one exponent on all probabilities. *Low is
# > deterministic* holds in the limit only, and even greedy may differ between computers. *min-p beats top-p* is
# > disputed: Schaeffer et al. (2025) went through the paper's own data and found no consistent advantage. We judged
# > calibration by the next token; over whole texts errors add up, since the model reads its own mistakes, which it
# > never did in training. Our three count models are simple and their world is small: that a cut costs possible
# > words is general, the one in four is not. Beam search, which looks for the likeliest *text*, is left out: it
# > suits translation and makes open text duller.
#
# > **At scale.**
# > A vocabulary of 128,000 tokens and 64 texts at a time make sorting for top-p a noticeable part of the time, so
# > servers fuse it into one GPU kernel, or draw by rejection without sorting at all. GPT-3 (96 layers, 12,288
# > wide, no shared heads) needs 2 · 96 · 12,288 · 2 bytes = 4.7 MB of cache per token in 16 bits: one text of 2,048
# > tokens takes 9.7 GB. Llama 3 70B shares each key/value head among eight query heads: 0.33 MB. Hence shared heads,
# > 8-bit caches, caches cut into pages. Assistants trained by RLHF are less calibrated than their base models
# > (OpenAI report it for GPT-4, 2023), so their makers recommend settings found by trial.
#
# ## Five questions
#
# Answer before you open.
#
# **1.** At temperature 0.1 the runner-up has 0.41. What was the ratio at temperature 1? (a) About 1.04 : 1.
# (b) 0.59 : 0.41. (c) 10 : 1.
#
# <details><summary>Open 1</summary>
#
# **(a)**. At 0.1 the ratio is 0.59 : 0.41, or 1.44 : 1, and the tenth root of it is 1.04. Not (b): that is the ratio at
# 0.1, already raised to the tenth power. Not (c): 10 : 1 would become ten thousand million to one, and the runner-up
# would never be seen.
# </details>
#
# **2.** A list has probabilities 0.6, 0.3, 0.1. Which rules keep exactly one token? (a) top-p 0.5. (b) min-p 0.5.
# (c) top-p 0.7.
#
# <details><summary>Open 2</summary>
#
# **(a)** only: 0.6 alone reaches 0.5. Not exactly one under (b): 0.3 is just half of 0.6, and "at least" lets it
# stay, so two are kept; with 0.51 it would be one. (c) keeps two: 0.6 does not reach 0.7, so the token that crosses
# it is kept as well, and together they hold 0.9. A nucleus of 0.7 may hold much more than 0.7.
# </details>
#
# **3.** You copy temperature 1.5 and top-p 0.9 from a program that cuts first to one that cuts last. What changes?
# (a) Nothing, the two commute. (b) More tokens are kept. (c) Fewer tokens are kept.
#
# <details><summary>Open 3</summary>
#
# **(b)**. Cutting last means that the flattened list is cut, and a flat list needs many more tokens to collect 0.9.
# Not (a): only top-k commutes with temperature, since it asks for the order alone. (c) would be right for a temperature
# below 1, where the list is sharpened before it is cut.
# </details>
#
# **4.** A model's loss on fresh text falls when its logits are divided by 1.3. What follows? (a) It should be
# sampled at 1.3 for better stories. (b) It is overconfident. (c) It is underconfident.
#
# <details><summary>Open 4</summary>
#
# **(b)**. Its list gets closer to the truth when flattened, so it was too sharp: it put too much on its favourites. (c)
# would show as a loss that falls below temperature 1. (a) mixes two things: 1.3 gives the least KL, but a reader minds
# impossible words, and flattening makes more of these. Our table shows it from the other side: cooling doubt 10 from 1
# to 0.5 lowers *impossible* from 0.424 to 0.292.
# </details>
#
# **5.** With a cache, 24 tokens after a prompt of 8 send 31 tokens through the model, not 468. Why 31 and not 32?
# (a) The prompt's first token is free. (b) The last new token is never read. (c) A rounding error.
#
# <details><summary>Open 5</summary>
#
# **(b)**. A token is sent through the model to ask what follows it, and after the last one nobody asks. Not (a): the
# prompt goes through whole, all 8 tokens of it, in one pass. Not (c): these are whole numbers, 8 for the prompt and
# 23 for the new tokens but the last.
# </details>

# %% [markdown]
# **What you built**: softmax without overflow, greedy, temperature, three cuts and a penalty, each equal to the
# package; the draw, tested by chi-square; the loop, equal to `generate`; a cache that fits into the real model. And
# you measured that 0.1 is not deterministic, that greedy text loops, that the right temperature belongs to the
# model, and what every cut costs.
#
# **Exercise**: take three texts of your own, 200 words each, in different styles. Find the temperature at which the
# real model's loss on them is least, to two decimals. Predict first: is it higher or lower for a language the model
# hardly knows?
#
# **Graded questions**, with checks that name the mistake:
# [exercise 07](../exercises/07_sampling/07_sampling.ipynb).
#
# **Next**: lesson 08, where the probabilities themselves come from: you train a model from nothing and watch its
# distance to the floor.
