# %% [markdown]
# # 07 · Sampling
#
# "The sea animal with eight arms is called **a** ..." SmolLM2 goes on: *whale*. Now change one letter: "... is called
# **an** ..." It goes on: *octopus*. So it has heard of the octopus. Why doesn't it say so?
#
# **The claim**, from every chat program's settings page: "A low temperature makes the model precise and deterministic,
# a high one makes it creative." You'll measure both halves.
#
# **You will write** four short functions: draw a token, cut the tail, the loop, and the cache. At the end, SmolLM2
# writes with them.
#
# **Time**: 80 minutes. **Before you start**: lesson 00a (softmax). Lesson 06 helps with the last part. Shift+Enter runs
# a cell. At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
import math
import random

import torch
from ipywidgets import FloatSlider

from minillm.analysis import surgery
from minillm.course import choices, mine, predict, predict_number, your_turn
from minillm.course.own_loop import OwnStep, tell
from minillm.viz import diagrams
from minillm.viz.explorer import Explorer
from minillm.viz.figures import lines, show, unit_line
from minillm.viz.guessing import GuessingGame

_ = torch.set_grad_enabled(False)  # nothing is trained here

# %%
mine.map(lesson="07")

# %% [markdown]
# ## A whale, an octopus

# %% tags=["nbval-ignore-output"]
riddle = "The sea animal with eight arms is called"
mine.write(f"{riddle} a", n=6)
mine.write(f"{riddle} an", n=6)

# %% [markdown]
# A language model doesn't say words. It gives each of its 49,152 tokens a number, the
# [logit](../teaching/glossary.md#l). A small program outside the network picks one token, appends it, and asks again.
# What was picked stays. Left alone after this riddle, the model says *a* (0.63, against 0.08 for *an*), and then the
# right word no longer fits.
#
# We wrote 40 riddles that need *an*: an owl, an onion, an astronaut. *Greedy* decoding always picks the likeliest
# token.

# %%
says_an = predict_number("After how many of them does greedy say an?", unit="of 40")

# %%
found = choices.riddles()
says_an.answer(found["says an"])
for word in ("a", "an", "the"):
    free, vowel = (found[f"right after {word}{end}"] for end in ("", ", vowel"))
    print(f"right after {word:3}: {free:2} of 40; only vowels allowed: {vowel:2}")

# %% [markdown]
# After *an*, 28 of 40 are right; after *a*, one. But *an* is also a hint: the answer begins with a vowel. So the last
# column gives all three the same hint, and allows only such words. Now even *a* leads to 24 right answers: the octopus
# isn't forgotten, it just no longer fits. (Wording matters: after *is known as an*, 24 are right; asked as question and
# answer, 3.)
#
# Can you find a riddle for which the model says *an* by itself?

# %% tags=["nbval-ignore-output"]
print(choices.articles("The person who flies a plane is called"))  # change me

# %% [markdown]
# ## From logits to a token
#
# Our running example: "The old man walked to the ...", and the five likeliest tokens.
# [Softmax](../teaching/glossary.md#s) turns logits into probabilities. Lay these end to end, and they fill the line
# from 0 to 1. Draw one random number u. It falls on a piece, and that piece's token comes next.

# %%
WALK = "The old man walked to the"
model, tokenizer = mine.smollm2()
logits = surgery.next_logits(model, tokenizer, WALK)  # (V,)
top = logits.topk(5)
five = top.values  # the logits of the five
words = [tokenizer.decode([token]) for token in top.indices.tolist()]
print(f"{len(logits):,} logits, from {logits.min():.2f} to {logits.max():.2f}")
print(*(f"{word} {logit:.2f}" for word, logit in zip(words, five, strict=True)))
show(
    unit_line(words, five.softmax(dim=-1), u=0.6),
    title="u = 0.60 falls on the third piece",
    alt="The line from 0 to 1 in five pieces; u lies on the third, local.",
)

# %% [markdown]
# A piece is hit in proportion to its length.
#
# The [temperature](../teaching/glossary.md#t) T divides the logits before softmax. Above 1, the pieces become more
# equal; below 1, less so. T = 0 would divide by zero, so it's a name for greedy.

# %% [markdown]
# ### Your turn: draw a token
#
# `logits` is (V,), `temperature` is 0 or more, and u is at least 0 and below 1. Lay the pieces out in the order of the
# ids, and return the id, an `int`, of the piece that holds u. A piece includes its left end, not its right one. A token
# with the logit -inf has no piece. And computers round: if the pieces add up to 0.99999998, a u above that belongs to
# the last piece.


# %%
@your_turn("07.sample", minutes=8, difficulty=2)
def sample(logits, temperature, u):
    """The id of the token in whose piece of the line u falls."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def sample(logits, temperature, u):
#     """The id of the token in whose piece of the line u falls."""
#     if temperature == 0:
#         return int(logits.argmax())
#     pieces = (logits.double() / temperature).softmax(dim=-1)
#     ends = pieces.cumsum(dim=-1)
#     return int((ends <= u * ends[-1]).sum())
# ```
#
# </details>

# %%
rng = random.Random(0)
draws = [sample(five, 1.0, rng.random()) for _ in range(1000)]
for token, share in enumerate(five.softmax(dim=-1)):
    count = draws.count(token)
    print(f"{words[token]:7} piece {share:.3f}, {count:3} of 1,000 draws")

# %% [markdown]
# Now drag u and the temperature. The red piece is what your function returns:


# %%
def drawn(u, temperature):
    chosen = sample(five, temperature, u)
    pieces = (five / temperature).softmax(dim=-1)
    sentence = f"sample returns {chosen}, {words[chosen]!r}"
    return unit_line(words, pieces, u, chosen), sentence


Explorer(
    drawn,
    u=FloatSlider(0.6, min=0, max=0.99, step=0.01),
    temperature=FloatSlider(1.0, min=0.1, max=3.0, step=0.1),
)

# %% [markdown]
# ## Is a low temperature deterministic?
#
# Temperature acts on ratios: a token that is r times as likely as another at T = 1 is r^(1/T) times as likely at T.
# At 0.1 that's the tenth power. A tenfold lead becomes ten billion to one. But *door* leads *old* by 1.04 to 1, and the
# tenth power of that is only about 3 to 2. So:

# %%
same = predict_number(
    "60 tokens at T = 0.1. Of 100 draws, how many equal the greedy text?", unit="of 100"
)

# %% tags=["nbval-ignore-output"]
cold = choices.stored("loops")["cold"]
same.answer(round(100 * cold["equal for 60"]["exact"]["mean"]))
for seed in (0, 1):
    draw = random.Random(seed).random
    mine.write(WALK, sampler=lambda logits, draw=draw: sample(logits, 0.1, draw()))

# %% [markdown]
# That's the exact probability, averaged over 24 prompts (90% interval: 12% to 26%). In 48 draws, 7 texts were equal.
# (It isn't rounding: greedy alone and in a batch wrote the same, 8 times of 8.) In texts by people, one position in
# five leaves the runner-up more than 5% at T = 0.1 (26 texts, 8% to 31%). So 0.1 isn't deterministic. It's a die with a
# few sides taped over. (A fixed seed repeats the draws at any temperature.)

# %% [markdown]
# ## Cut the tail

# %%
tail = choices.tail(WALK, 100)
print(f"outside the likeliest 100 tokens: {tail:.2f}")
print(f"at least one of them in 50 draws: {1 - (1 - tail) ** 50:.3f}")
tails = sorted(choices.tail(text, 100) for text in choices.stored("loops")["prompts"])
print(f"24 prompts: {tails[0]:.3f} to {tails[-1]:.2f}, half above {tails[11]:.2f}")

# %% [markdown]
# Each of the 49,052 tokens in the tail is unlikely, but at T = 1 one comes sooner or later, and the model has to
# continue from it. So people cut the tail. [Top-p](../teaching/glossary.md#t), or nucleus sampling ([Holtzman et al.
# 2020](https://arxiv.org/abs/1904.09751)), keeps the likeliest tokens until their probabilities add up to p, and gives
# all others the logit -inf. Softmax makes that exactly 0.

# %% [markdown]
# ### Your turn: top-p
#
# Return logits in the order in which they came: unchanged for the tokens that stay, `-math.inf` for the others. The
# token that reaches p stays, so at least one always does. Leave the input as it is.


# %%
@your_turn("07.top_p", minutes=9, difficulty=3)
def top_p(logits, p):
    """The logits, with minus infinity for all but the likeliest tokens that reach p together."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def top_p(logits, p):
#     """The logits, with minus infinity for all but the likeliest tokens that reach p together."""
#     shares, order = logits.softmax(dim=-1).sort(descending=True)
#     before = shares.cumsum(dim=-1) - shares  # of all more probable tokens
#     kept = logits.clone()
#     kept[order[before >= p]] = -math.inf
#     return kept
# ```
#
# </details>

# %%
for prompt in (WALK, "The capital of France is"):  # change them
    cut = top_p(surgery.next_logits(model, tokenizer, prompt), 0.9)
    print(f"{prompt}: {int((cut > -math.inf).sum())} of {len(cut):,} tokens stay")

# %% [markdown]
# The cut follows the model's doubt: hundreds stay where the story could go anywhere, ten where it can't. A *top-k* cut
# keeps k tokens in both.

# %% [markdown]
# ## The loop
#
# All that's left is to repeat. `step(ids)` gives the logits of the next token after a text, a list of ids.

# %% [markdown]
# ### Your turn: generate
#
# Return the prompt's ids and up to n new ones, as a list. In each round, cut the logits with `top_p` first, then draw
# with `sample`. Random numbers come from `random.Random(seed)`: one call of its `.random()` per token. The token `stop`
# ends the text, and stays in it. Leave `ids` as it is.


# %%
@your_turn("07.generate", minutes=7, difficulty=2)
def generate(step, ids, n, temperature, p, seed, stop):
    """The ids of a text and of up to n more tokens; `stop` ends it."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def generate(step, ids, n, temperature, p, seed, stop):
#     """The ids of a text and of up to n more tokens; `stop` ends it."""
#     ids = list(ids)
#     rng = random.Random(seed)
#     for _ in range(n):
#         logits = top_p(step(ids), p)
#         ids.append(sample(logits, temperature, rng.random()))
#         if ids[-1] == stop:
#             break
#     return ids
# ```
#
# </details>

# %% [markdown]
# It writes! Four settings; change the seed:

# %% tags=["nbval-ignore-output"]
seed = 0  # change me
for temperature, p in ((0, 1.0), (1.0, 1.0), (1.5, 1.0), (1.5, 0.9)):
    tell(WALK, 20, temperature, p, seed, generate=generate)

# %%
boiling = predict(
    "Temperature 100, p = 0.3. What does it write?",
    ["the greedy text", "English", "noise"],
)

# %% tags=["nbval-ignore-output"]
boiled = tell(WALK, 20, 100.0, 0.3, generate=generate)
nats = choices.surprise(WALK, boiled)
print(f"SmolLM2's own surprise: {nats:.1f} nats per token")
boiling.answer("English" if nats < 5 else "noise")

# %% [markdown]
# It's English, because your loop cuts first, as llama.cpp does. What's left is a handful of good tokens, and a high
# temperature makes these equally likely. Now swap the order, as Hugging Face and vLLM have it: temperature, then cut.


# %% tags=["nbval-ignore-output"]
def cut_last(step, ids, n, temperature, p, seed, stop):
    def warmed(ids):
        return step(ids) / temperature

    return generate(warmed, ids, n, 1.0, p, seed, stop)


soup = tell(WALK, 20, 100.0, 0.3, generate=cut_last)  # now try 1.5 and 0.9
print(f"{choices.surprise(WALK, soup):.1f} nats per token")

# %% [markdown]
# Divide by 100 first, and all 49,152 tokens are nearly alike; 30% of them is 15,000 tokens of soup. (Over 24 prompts,
# with a cut by min-p: 1.3 nats per token if the cut comes first, 14.3 if last.) So a temperature means little without
# its cut, and a setting copied from one program may do something else in the next.

# %% [markdown]
# ## Greedy doesn't find the likeliest text
#
# The probability of a text is the product over its tokens. Two tokens after our prompt:

# %%
diagrams.continuations(WALK, choices.branches(WALK)).show()

# %% [markdown]
# Greedy grabs *door*, and misses *other side*. Beam search follows several paths at a time; four would find it. But is
# a more probable text a better one? Here's how surprised SmolLM2 is by what it writes after 24 prompts, and by what
# people wrote (26 texts):

# %%
measured = choices.stored("loops")
for setting in ("greedy", "T 0.3", "T 0.7", "T 1", "T 1.5"):
    nats = measured["surprise"][setting]
    print(f"{setting:6}  {nats['mean']:.1f} nats per token")
print(f"people  {measured['written']['surprise']['mean']:.1f}")

# %% [markdown]
# On average, people are as surprising as T = 1, and nowhere near the likeliest text. (That doesn't make T = 1 write
# like people: see its text above.) And the likeliest way to go on is often to say it again:

# %%
looping = predict_number(
    "Greedy, 24 prompts, 320 tokens each. How many end in a loop?", unit="of 24"
)

# %%
LENGTHS = ["80", "160", "320"]
loops = {name: measured["loops"][name] for name in ("greedy", "T 0.3", "T 0.7", "T 1")}
looping.answer(loops["greedy"]["320"]["hits"])
by_length = {name: [100 * loops[name][n]["share"] for n in LENGTHS] for name in loops}
show(
    lines(by_length, "tokens", "% of texts that end in a loop", [80, 160, 320]),
    title="The longer you look, the more greedy texts loop",
    alt=str(by_length),
)

# %% [markdown]
# T = 0.3 only delays it. At 0.7, two of 24 loop, and at 1 none; nor do any of 50 texts by people. Why loops? Here's the
# same nonsense sentence eight times in a row, and the model's mean probability per token:

# %%
rounds = {
    name: [each["mean"] for each in measured["rounds"][kind]["probability"]]
    for name, kind in (
        ("the same nonsense", "nonsense"),
        ("other nonsense each time", "nonsense, all different"),
        ("the same random tokens", "random tokens"),
    )
}
show(
    lines(rounds, "round", "probability per token", range(1, 9), ylim=(0, 1)),
    title="A sentence that is repeated gets more probable each time",
    alt=str(rounds),
)

# %% [markdown]
# The sentences are like *My elbow sells blue winters to the carpet* (8 of them, from 0.13 to 0.89). The control, eight
# different ones, rises to 0.21. Repeated random tokens rise, too, and then fall. So a loop of sentences feeds itself,
# and greedy decoding never breaks it with an unlikely token. Some programs fight loops with a [repetition
# penalty](../teaching/glossary.md#r). It lowers the logits of all tokens that were already written, commas included.

# %% [markdown]
# ## The cache
#
# So far `step` came from the package. With your transformer from lesson 06, each call reads the whole text again: 7
# tokens, then 8, then 9. But the keys and values of earlier tokens never change, because no token can look ahead. So
# keep them, and read only the new token. That's the [KV cache](../teaching/glossary.md#k).

# %% [markdown]
# ### Your turn: remember
#
# `cache` is a dictionary, empty at the beginning of a text. In each step, every layer calls your function with the keys
# and values of its new tokens, both (K, T, D). Append them along the tokens, store the pair (keys, values) as
# `cache[layer]`, and return both.


# %%
@your_turn("07.remember", minutes=7, difficulty=2)
def remember(cache, layer, key, value):
    """All keys and values of a layer so far, the new ones last: both (K, S, D)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def remember(cache, layer, key, value):
#     """All keys and values of a layer so far, the new ones last: both (K, S, D)."""
#     if layer in cache:
#         keys, values = cache[layer]
#         key = torch.cat([keys, key], dim=1)
#         value = torch.cat([values, value], dim=1)
#     cache[layer] = key, value
#     return key, value
# ```
#
# </details>

# %% tags=["nbval-ignore-output"]
steps = {
    "with your cache": OwnStep(model, remember),
    "without": OwnStep(model, remember=None),
}
texts = [tell(WALK, 8, 0, step=step, generate=generate) for step in steps.values()]
print("With the cache and without, the same text:", texts[0] == texts[1])
read = ["START", *(tokenizer.decode([t]) for t in tokenizer.encode(WALK + texts[0]))]
reads = {name: step.reads for name, step in steps.items()}
diagrams.tokens_read(read[:-1], reads).show()

# %% [markdown]
# Same text, a fraction of the reading. Now break it:


# %%
def one_for_all(cache, layer, key, value):
    return remember(cache, 0, key, value)


def nothing(cache, layer, key, value):
    cache[layer] = key, value
    return key, value


BROKEN = {
    "one cache for all layers": one_for_all,
    "only the new token": nothing,
    "forget START": choices.forgetting(0),
    "forget man": choices.forgetting(3),
}
harmless = predict("Which text stays closest to the right one?", list(BROKEN))

# %% tags=["nbval-ignore-output"]
kept = {}  # characters at the beginning that are right
for idea, broken in BROKEN.items():
    text = tell(WALK, 12, 0, step=OwnStep(model, broken), generate=generate)
    kept[idea] = choices.agree(text, texts[0])
harmless.answer(max(kept, key=kept.get))

# %% [markdown]
# Forget *man*, and the story goes on. Forget START, which means nothing, and it goes in circles. (Yet in [lesson
# 04](04_attention.ipynb#Break-it), hiding START cost only 2 of 17 capitals.) Does a word ever matter as much? All
# seven, one at a time:

# %% tags=["nbval-ignore-output"]
start = surgery.prompt_ids(tokenizer, WALK)
for place, name in enumerate(read[: len(start)]):
    step = OwnStep(model, choices.forgetting(place))
    ids = generate(step, start, 12, 0, 1.0, 0, None)
    print(f"without {name:7}{tokenizer.decode(ids[len(start) :])!r}")

# %% [markdown]
# In this text, only START's loss makes it go in circles. Without a word, the story changes; without *The*, not even
# that.
#
# How much time does the cache save?

# %%
faster = predict_number(
    "After 512 tokens, how many times as fast is a step with a cache?", unit="times"
)

# %% tags=["nbval-ignore-output"]
gains = choices.stored("cache_gain")["step"]
faster.answer(round(gains["512"]["ratio"]))
speedup = {
    "with a cache": [
        [row["lowest"] for row in gains.values()],
        [row["ratio"] for row in gains.values()],
        [row["highest"] for row in gains.values()],
    ],
    "without": [1.0] * len(gains),
}
show(
    lines(speedup, "tokens", "times as fast", [int(n) for n in gains], log_x=True),
    title="The longer the text, the more a cache saves",
    alt=str({n: round(row["ratio"], 1) for n, row in gains.items()}),
)

# %% [markdown]
# The band is the range of five rounds. With a cache, a step after 512 tokens takes 1.06 times as long as one after 8.
# Without, 22 times.

# %% [markdown]
# ## Beat the model
#
# In 1951, Claude Shannon let people guess a text letter by letter to measure how predictable English is. Now it's you,
# token by token, against 135 million parameters. (Over 26 texts by people, the model's first guess is right 37% of the
# time; in single texts, 16% to 64%.)

# %%
GuessingGame(*choices.questions())

# %% [markdown]
# **Verdict: false at 0.1, and half true above.** At T = 0.1, 18% of 60-token texts equal the greedy one (24 prompts).
# Only T = 0 leaves nothing to chance, and even then your hardware may round differently. (Is a low one at least
# *precise*? See the lab.) A high temperature does bring rarer tokens. But after a cut, T = 100 writes tame English, so
# the number alone says nothing about creativity. And no setting lets a model take back an *a*.

# %% [markdown]
# > **Where the picture simplifies.** Chat models answer in a template, which we left out. Real loops know several stop
# > tokens, and serve many texts at once. Our texts come from one small model in 4 bits, and rounding may change a
# > greedy text on your computer.

# %% [markdown]
# > **At scale.** Models that "think" first can get around the whale: they write drafts, and drafts can be dropped
# > (lesson 11a). SmolLM2's cache takes 46 KB per token in float32; Llama 3 70B's takes 328 KB in 16 bits, 42 GB for a
# > text of 128,000 tokens. [Lesson 12](12_inference_engine.ipynb) makes it smaller.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** Two tokens have 0.59 and 0.41 at T = 0.1. What's their ratio at T = 1? (a) 1.04. (b) 1.44. (c) 38.
#
# <details><summary>Open 1</summary>
#
# **(a)**. 0.59 / 0.41 is 1.44, and its tenth root is 1.04. (b) is the ratio at 0.1 itself, and (c) its tenth power.
# </details>
#
# **2.** Probabilities 0.6, 0.3 and 0.1. What does top-p with p = 0.6 keep? (a) One token. (b) Two. (c) None, since no
# token is above 0.6.
#
# <details><summary>Open 2</summary>
#
# **(a)**. The first token reaches p by itself. (b) is what you get from `>` where `>=` belongs. (c) drops the token
# that reaches p, and then nothing is left to draw.
# </details>
#
# **3.** "With beam search, we find the most probable text, so it'll be the best one." (a) Right. (b) Right if the beam
# is wide enough. (c) Wrong on both counts.
#
# <details><summary>Open 3</summary>
#
# **(c)**. A beam follows a few paths, and may drop the best one early, so (a) is wrong. A wider one, as in (b), finds
# more probable texts. But texts by people are far from the most probable, as measured above.
# </details>
#
# **4.** You cut with `logits[drop] = 1e-10`, a slip for `-1e10`. What happens? (a) An error. (b) Some cut tokens become
# more probable than before. (c) The same as -inf.
#
# <details><summary>Open 4</summary>
#
# **(b)**. A logit of about 0 is more than many of them had. Nothing raises an error as in (a). To tell it from (c),
# check that what was cut has probability exactly 0.
# </details>

# %%
mine.map(lesson="07")

# %% [markdown]
# **What you wrote**: a draw, a cut, a loop and a cache, and SmolLM2 wrote with them.
#
# **What you measured**: how often T = 0.1 leaves the greedy path, what temperature 100 does after a cut and before it,
# and how loops grow with length.
#
# **Yours to keep**: `mine/sampling.py` in your workbook. In a terminal there, `python -m mine chat` now runs on your
# draw, loop and cache, and says which other parts are yours.
#
# **Next**: the [lab](07_sampling_lab.ipynb) asks which temperature is right, in a world where the truth is known; the
# [graded questions](../exercises/07_sampling/07_sampling.ipynb); or lesson 08, [training](08_pretraining.ipynb).
