# %% [markdown]
# # 12 · The inference engine
#
# Below, SmolLM2 writes the same words three times, on the same computer, with the same weights. Each time, it's faster.
# Nobody taught it anything in between. Where was the time going?
#
# **The claim** has three parts, as people say them: inference is "a forward pass only", for every new token "the entire
# process runs again", and a reply takes "seconds on one GPU". Each is half true.
#
# **You will write** four functions: attention with a preallocated cache, weights in 8 bits, the rule that makes
# guessing exact, and a draft that guesses by copying. At the end, SmolLM2 writes with all four.
#
# **Time**: 80 minutes. **Before you start**: lesson 07 (the loop, a first cache). Shift+Enter runs a cell. At **your
# turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
import math
import time
from fractions import Fraction

import torch

from minillm import ModelConfig, generate, load
from minillm.course import mine, models, own_engine, predict, predict_number, your_turn
from minillm.course import own_engine_edits as edits
from minillm.course import own_engine_measured as measured
from minillm.data.chat import encode_chat
from minillm.data.corpora import load_corpus
from minillm.model.accounting import count_flops, count_parameters
from minillm.viz import diagrams
from minillm.viz.figures import lines, show
from minillm.world import floor

_ = torch.set_grad_enabled(False)  # a forward pass only, all lesson long
torch.set_num_threads(1)

# %%
mine.map(lesson="12")

# %% tags=["nbval-ignore-output"]
PROMPT = "The river was high, so the ferryman"
model, tokenizer = mine.smollm2()
fast = load("smollm2-135m-instruct", weights="native")[0]
ids = tokenizer.encode(PROMPT)
for name, writer, cache in (
    ("as it is", model, False),
    ("with a cache", model, True),
    ("4 bits, too", fast, True),
):
    start = time.perf_counter()
    text = generate(writer, ids, 12, temperature=0, use_cache=cache)
    speed = 12 / (time.perf_counter() - start)
    print(f"{name:12} {speed:5.1f} tokens/s: {tokenizer.decode(text[len(ids) :])}")

# %% [markdown]
# ## One token, one read
#
# For each token, a weight takes part in one multiplication and one addition. Before that, it has to come from memory,
# and afterwards it's dropped again, since few processors have a cache that holds the whole model.

# %%
WEIGHTS = sum(parameter.nbytes for parameter in model.parameters())
OPERATIONS = count_flops(model.config, n_tokens=1)
print(f"one token: {WEIGHTS / 1e6:.0f} MB to read, {OPERATIONS / 1e6:.0f} M operations")

# %% [markdown]
# That gives a bound: a step takes at least as long as your memory needs to deliver these bytes, here to one thread. How
# long is that? Time one product with a matrix as large as the model. Like a step, it reads each number once. (In a
# server whose cache holds 300 MB, part of either may come from there.)

# %%
share = predict(
    "The bound is 100%. What does a step of SmolLM2 in torch reach?",
    ["more than 80%", "50 to 80%", "less than 50%"],
)

# %% tags=["nbval-ignore-output"]
large, ones = torch.ones(2**17, 1024), torch.ones(1024)  # 537 MB
bandwidth = large.nbytes / own_engine.fastest(lambda: large @ ones)
del large
bound = WEIGHTS / bandwidth
cache = model.new_cache(1, 64)
one = torch.tensor([ids[:1]])
step = own_engine.fastest(lambda: (model(one, cache), cache.truncate(0)))
reached = bound / step
share.answer(share.choices[(reached <= 0.8) + (reached <= 0.5)])
print(f"{bandwidth / 1e9:.1f} GB/s, so {1000 * bound:.0f} ms: {reached:.0%} reached")
blocks = [
    [layer.weight for layer in block.modules() if isinstance(layer, torch.nn.Linear)]
    for block in model.blocks
]
vectors = {size: torch.ones(size) for matrix in blocks[0] for size in matrix.shape}


def products(blocks):
    return [matrix @ vectors[matrix.shape[1]] for block in blocks for matrix in block]


own = own_engine.fastest(lambda: products(blocks))
same = own_engine.fastest(lambda: products(blocks[:1] * len(blocks)))
print(f"a step {1000 * step:.0f} ms, the products of its 30 blocks {1000 * own:.0f} ms")
print(f"30 times those of the first block {1000 * same:.0f} ms")

# %% [markdown]
# The last line is the control: the same arithmetic, on 14 MB, which many caches hold. If the last two times differ, the
# difference is what the memory costs, and the last one is the library's loop. If they agree, the products don't wait
# for the memory, or your cache holds all 425 MB, or not even 14. In the [lab](12_inference_engine_lab.ipynb), you write
# your own loop. The rest of the step goes to the head, norms, rotations, attention, and Python. So the bound tells you
# which speed is out of reach. It doesn't tell you which speed you get.

# %% [markdown]
# ## Two kinds of pass
#
# A pass over a prompt reads the weights once for many tokens: *prefill*. A pass that writes reads them once for one
# token: *decode*. Count the tokens of each pass, and the passes:


# %%
def passes_of(use_cache):
    read = []
    hook = model.embedding.register_forward_hook(
        lambda m, i, o: read.append(i[0].numel())
    )
    generate(model, (ids * 3)[:24], 8, temperature=0, use_cache=use_cache)
    hook.remove()
    return read


for use_cache in (False, True):
    read, how = passes_of(use_cache), "with" if use_cache else "without"
    print(f"{how} a cache: {sum(read)} tokens in {len(read)} passes: {read}")

# %% [markdown]
# Seven times fewer tokens, and just as many reads of the weights. So for the *text*, "the entire process runs again" is
# wrong as soon as there's a cache. For the *weights*, it's right, cache or not. And "seconds on one GPU"? Take GPT-3 in
# 16 bits, on H100 cards (80 GB, 3.35 TB/s, says NVIDIA):

# %%
gpt3_bytes = 2 * count_parameters(ModelConfig.preset("gpt3"))
cards, per_token = math.ceil(gpt3_bytes / 80e9), gpt3_bytes / 3.35e12
print(f"weights {gpt3_bytes / 1e9:.0f} GB: at least {cards} cards of 80 GB")
print(f"a reply of 300 tokens: {300 * per_token:.0f} s")

# %% [markdown]
# That's if one card could hold it and served one reader.

# %% [markdown]
# ## Many texts share one reading
#
# A weight that was read can serve many texts. Put them side by side:

# %% tags=["nbval-ignore-output"]
print("texts   a step    tokens per second, together")
for rows in (1, 4, 16):  # change me
    batch, room = torch.tensor([ids[:1]] * rows), model.new_cache(rows, 8)
    took = own_engine.fastest(lambda b=batch, r=room: (model(b, r), r.truncate(0)), 3)
    print(f"{rows:5} {1000 * took:6.0f} ms {rows / took:10.0f}")

# %% [markdown]
# Each reader waits longer, and all together get more: *latency* against *throughput*. Whether a reply is cheap depends
# on how many others are being written at the same time.

# %% [markdown]
# ## The cache, in memory that was reserved
#
# Lesson 07's cache joined tensors, which copies all of it for each token. An engine *preallocates* it, and remembers
# how much is filled. `cache` has `"keys"` and `"values"`, both (H, room, D), and `"length"`, how many positions are
# filled. Say 10 are, and 3 new tokens come: they go to positions 10, 11 and 12, and the first of them may see 11 keys,
# its own included.

# %% [markdown]
# ### Your turn: attention with a cache
#
# `query`, `key` and `value` are those of the T new tokens, (H, T, D), already rotated. Write the keys and values into
# the cache, let the length grow, and return what each new token reads, (H, T, D): softmax of the scores over sqrt(D),
# times the values. A token sees all earlier ones and itself, none after it, and nothing of the memory that is still
# empty.


# %%
@your_turn("12.cached_attention", minutes=11, difficulty=3)
def cached_attention(cache, query, key, value):
    """What the new tokens read, (H, T, D); their keys and values are kept in the cache."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def cached_attention(cache, query, key, value):
#     """What the new tokens read, (H, T, D); their keys and values are kept in the cache."""
#     start = cache["length"]
#     end = start + key.shape[1]
#     cache["keys"][:, start:end] = key
#     cache["values"][:, start:end] = value
#     cache["length"] = end
#     keys, values = cache["keys"][:, :end], cache["values"][:, :end]
#     scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])  # (H, T, end)
#     visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
#     return scores.masked_fill(~visible, -math.inf).softmax(dim=-1) @ values
# ```
#
# </details>

# %% tags=["nbval-ignore-output"]
with_cache, reads = own_engine.typewrite(PROMPT, 8, cached_attention)
without, again = own_engine.typewrite(PROMPT, 8, cached_attention, use_cache=False)
print("With the cache and without, the same text:", with_cache == without)
words = [tokenizer.decode([token]) for token in tokenizer.encode(PROMPT + with_cache)]
diagrams.tokens_read(words[:-1], {"with your cache": reads, "without": again}).show()

# %% [markdown]
# Now one line is changed: new keys and values are put in *front* of the old ones.

# %%
front = predict(
    "One token at a time, new keys in front of the old ones. The text is",
    ["the same", "another sensible text", "garbage"],
)


# %% tags=["nbval-ignore-output"]
def in_front(cache, query, key, value):
    n, end = cache["length"], cache["length"] + key.shape[1]
    for name, new in (("keys", key), ("values", value)):
        cache[name][:, :end] = torch.cat([new, cache[name][:, :n]], dim=1)
    cache["length"] = end
    scores = query @ cache["keys"][:, :end].transpose(1, 2) / math.sqrt(query.shape[2])
    visible = torch.ones(end - n, end, dtype=torch.bool).tril(n)
    scores = scores.masked_fill(~visible, -math.inf)
    return scores.softmax(dim=-1) @ cache["values"][:, :end]


reversed_text, _ = own_engine.typewrite(PROMPT, 8, in_front)
front.answer("the same" if reversed_text == with_cache else "another sensible text")

# %% [markdown]
# A weighted mean has no order. Where a key lies in memory doesn't matter, because its position was rotated into the key
# itself (lesson 03). It does matter for the mask: with several new tokens at once, the wrong ones would be hidden.

# %% [markdown]
# ## Fewer bytes
#
# For one text, all that's left is to read less. Store each weight as a *code*, a small whole number, and one *scale*
# per row: a weight is code times scale. With *absmax* ([Dettmers et al. 2022](https://arxiv.org/abs/2208.07339)), the
# largest weight of a row, without its sign, gets the code 127 or -127. So [0.90, -0.31, 0.02, -1.27] becomes [90, -31,
# 2, -127], times 0.01.

# %% [markdown]
# ### Your turn: eight bits
#
# `weight` is a matrix (rows, C). Return the codes as int8, (rows, C), rounded to the nearest, and the scales, (rows,
# 1). A row of zeros has the codes 0.


# %%
@your_turn("12.quantize", minutes=8, difficulty=2)
def quantize(weight):
    """Codes in int8, (rows, C), and the scale of each row, (rows, 1): weight is nearly codes * scale."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def quantize(weight):
#     """Codes in int8, (rows, C), and the scale of each row, (rows, 1): weight is nearly codes * scale."""
#     scale = weight.abs().amax(dim=1, keepdim=True) / 127
#     steps = scale.where(scale > 0, 1)  # a row of zeros would divide by 0
#     codes = (weight / steps).round().to(torch.int8)
#     return codes, scale
# ```
#
# </details>


# %% tags=["nbval-ignore-output"]
def by_128(weight):
    scale = weight.abs().amax(dim=1, keepdim=True) / 128  # the largest becomes 128
    return (weight / scale).round().long().add(128).remainder(256).sub(128), scale


passages = own_engine.passages(6)
exact = own_engine.nats(model, passages)
for rounding in (quantize, by_128):
    after = own_engine.nats(own_engine.rounded(model, rounding), passages)
    mean, error = own_engine.added(exact, after)
    print(f"{rounding.__name__:9} adds {mean:+7.4f} ± {error:.4f} nats per token")

# %% [markdown]
# Your codes are within the noise of six passages. In `by_128`, one number is different. An int8 ends at 127; then it
# begins again at -128. So where the largest weight of a row is positive, it changes its sign, and the model is ruined.

# %% [markdown]
# ### What fewer bits cost
#
# These weights had been rounded to 4 bits before we got them. So ask the course's base model, which never was, and
# whose floor is known. Per row or in groups of 32, from 6 bits down to 2:

# %%
growth = predict(
    "Per row, from 4 bits to 3, steps get twice as wide. The added loss grows:",
    ["2 times", "4 to 5 times", "more than 5 times"],
)

# %% tags=["nbval-ignore-output"]
base, words_of_base = models.base()
world = load_corpus("world", n_train=1, n_validation=60)
edge = words_of_base.eos_id
texts = [[edge, *each, edge] for each in words_of_base.encode_batch(world.validation)]
unrounded = own_engine.nats(base, texts)
left = sum(unrounded) / 60 - floor(world.truth, words_of_base).nats_per_token
BITS, ways = [2, 3, 4, 6], {"one scale per row": None, "one per 32 weights": 32}
losses = {
    name: [own_engine.nats(own_engine.with_bits(base, b, group), texts) for b in BITS]
    for name, group in ways.items()
}

# %% tags=["nbval-ignore-output"]
cost = {
    name: [own_engine.added(unrounded, each) for each in rows]
    for name, rows in losses.items()
}
for name, rows in losses.items():
    told = zip(BITS, cost[name], strict=True)
    print(f"{name:18}", *(f"{b} bits {m:.4f} ± {e:.4f} " for b, (m, e) in told))
    ratio, low, high = own_engine.ratio_interval(unrounded, rows[2], rows[1])
    print(f"{'':18} from 4 bits to 3: {ratio:.1f} times (90%: {low:.1f} to {high:.1f})")
ratio = own_engine.ratio_interval(unrounded, *losses["one scale per row"][2:0:-1])[0]
growth.answer(growth.choices[0 if ratio < 3 else 1 if ratio <= 5 else 2])

# %% tags=["nbval-ignore-output"]
bands = {  # at 6 bits, it's noise
    name: [[m + sign * e for m, e in rows[:3]] for sign in (-1, 0, 1)]
    for name, rows in cost.items()
}
left_over = {"left by training": left}
added = "nats added ± standard error"
figure = lines(bands, "bits per code", added, BITS[:3], left_over, log_y=True)
figure.axes[0].set_xticks(BITS[:3])
show(
    figure,
    title="At 4 bits, rounding costs far less than training left undone",
    alt=str({name: [round(m, 4) for m, _ in rows] for name, rows in cost.items()}),
)

# %% [markdown]
# The steps go as 1 / (2^b - 1). From 4 bits to 3, they grow by 15/7, and their squares by 4.6. Near a minimum, the loss
# should grow with the squares. Per row, it grew more; in groups, see whether the interval holds 4.6. At 6 bits, the
# cost drowns in the noise of 60 documents. And with a scale and a zero in 16 bits for each 32 weights, "4-bit" takes 5
# bits. Judge a file by its size, not by its name.

# %% [markdown]
# ## Guessing ahead
#
# One read can serve several tokens, but the tokens of one text come one after another. Unless you guess them! In
# *speculative decoding*, something cheap, the *draft*, proposes, say, four tokens. The model reads all four in one
# pass, which gives its own distribution for each. Right guesses stay ([Leviathan et al.
# 2023](https://arxiv.org/abs/2211.17192)).
#
# And the text must not change. The draft draws a token from its distribution q; the model's is p. After *so the
# ferryman*, our draft proposes *swam* with q = 6/10. It hasn't met many ferrymen: the model's p is 3/10. So half of
# these guesses must be rejected. What comes instead? What the draft proposes too rarely.

# %% [markdown]
# ### Your turn: accept or replace
#
# `guess` was drawn from q. It's kept with probability min(1, p[guess] / q[guess]). If not, a token is drawn in
# proportion to max(p - q, 0). Return the distribution of the token that comes out, as a list. p and q are lists of
# fractions, so nothing is rounded.


# %%
@your_turn("12.outcome", minutes=9, difficulty=3)
def outcome(p, q, guess):
    """The distribution of the token that comes out, if `guess` was drawn from q and p is right."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def outcome(p, q, guess):
#     """The distribution of the token that comes out, if `guess` was drawn from q and p is right."""
#     keep = min(1, p[guess] / q[guess])
#     missing = [max(wanted - drawn, 0) for wanted, drawn in zip(p, q, strict=True)]
#     total = sum(missing)
#     result = [(1 - keep) * each / total if total else 0 for each in missing]
#     result[guess] += keep
#     return result
# ```
#
# </details>

# %% [markdown]
# Over all guesses, each as often as q draws it, p must come out. Exactly:


# %%
def joint(rule, p, q):  # how often a guess is proposed and a token comes out
    return [[drawn * share for share in rule(p, q, g)] for g, drawn in enumerate(q)]


def from_p(p, q, guess):
    keep = min(1, p[guess] / q[guess])
    return [
        (1 - keep) * share + keep * (token == guess) for token, share in enumerate(p)
    ]


WORDS = ["waited", "swam", "sang", "rowed"]
p, q = ([Fraction(n, 10) for n in tenths] for tenths in ((4, 3, 2, 1), (1, 6, 2, 1)))
print("wanted         ", *p)
for name, rule in (("by your rule", outcome), ("replaced from p", from_p)):
    print(f"{name:15}", *map(sum, zip(*joint(rule, p, q), strict=True)))
diagrams.accept_rule(WORDS, p, q, joint(outcome, p, q)).show()  # change me: from_p

# %% [markdown]
# The last line is the tempting mistake: reject correctly, then draw from p itself. It's a distribution, and a wrong
# one: *swam* still comes too often. A few texts wouldn't show it. With your rule, even a silly draft changes nothing
# but the speed.

# %% [markdown]
# ## Copying as a guess
#
# A draft needs no model. Some of what a model writes stood in its prompt: a name, a quotation, a line of code. So look
# up where the last tokens occurred before, and guess that the same follows: *prompt lookup*.

# %% [markdown]
# ### Your turn: look it up
#
# `ids` is the text so far, a list. Find the latest earlier place where its last n tokens occurred, and return up to k
# tokens that followed there; fewer where the text ends. Without such a place, return an empty list.


# %%
@your_turn("12.look_up", minutes=6, difficulty=2)
def look_up(ids, n, k):
    """Up to k tokens: what followed the last n tokens where these last occurred before."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def look_up(ids, n, k):
#     """Up to k tokens: what followed the last n tokens where these last occurred before."""
#     last = ids[-n:]
#     for start in range(len(ids) - n - 1, -1, -1):
#         if ids[start : start + n] == last:
#             return ids[start + n : start + n + k]
#     return []
# ```
#
# </details>

# %%
tokens_per_pass = predict_number(
    "SmolLM2 repeats a story, with your look-up. How many tokens per pass?",
    unit="tokens",
)

# %% tags=["nbval-ignore-output"]
found, yours = {}, {"look_up": look_up, "outcome": outcome, "attend": cached_attention}
small, stop = own_engine.rounded(model, quantize), [tokenizer.eos_id]
for name in ("quote a story", "quote a list", "why salty"):  # change me: from TASKS
    message = {"role": "user", "content": own_engine.TASKS[name]}
    asked, start = encode_chat(tokenizer, [message]), time.perf_counter()
    new, passes = own_engine.speculate(asked, 24, stop, **yours, model=small)
    middle = time.perf_counter()
    same = new == own_engine.greedy(asked, 24, stop, cached_attention, small)
    seconds = f"{middle - start:.1f} s, one by one {time.perf_counter() - middle:.1f} s"
    found[name] = len(new) / passes
    report = f"{len(new)} tokens, {passes:2} passes; same text: {same}; {seconds}"
    print(f"{name:14} {report}")
tokens_per_pass.answer(round(found["quote a story"], 1))
print(own_engine.ran_on(**yours, quantize=quantize))

# %% [markdown]
# That's an engine of four functions, and the last line says whose. Taking back rejected guesses is one line in it,
# since only the length changes. Fewer passes, and the same text. But compare the seconds: both read the prompt first,
# and a pass over nine tokens takes longer than one over one.
#
# And three prompts prove little. So here are eight quotations, eight summaries of the same texts, and eight questions,
# counted beforehand. The controls: the same look-up in *another* conversation's prompt, and guesses at random.

# %%
measured.tokens_per_pass("look-up, last 3", "look-up, another prompt", "random tokens")

# %% [markdown]
# All eight quotations get 2 tokens per pass or more; no summary and no question does. Take the guesses from another
# prompt, and 4.3 falls to 1.2: what helps is that the text stands in *this* one. The one control that reached 2 has a
# story. Asked to repeat some directions, SmolLM2 wrote *The train was headed towards the second bridge*, again and
# again. It copied itself.

# %% [markdown]
# ## Break it
#
# Change one line of this engine; the rest stays yours. The draft now looks up a single token, so some guesses are
# wrong. All but one of these changes show in the text:

# %%
harmless = predict("Which of them changes nothing in the text?", list(edits.EDITS))

# %% tags=["nbval-ignore-output"]
broken = edits.menu(PROMPT, 12, **yours, model=small)  # change me: "why salty"
unchanged = [edit for edit in broken if edit and broken[edit] == broken[""]]
if len(unchanged) == 1:  # with another prompt, it may be two
    harmless.answer(unchanged[0])

# %% [markdown]
# Positions from 100 change nothing: after rotation, a score depends on the distance of two tokens only (lesson 03).
# Count from 0 again after the prompt, and the distances are wrong. Over six passages, with unrounded weights, that adds
# 0.8 ± 0.3 nats per token (`benchmarks/engine_edits.py`).
#
# With the newest eight keys, the engine repeated its prompt; with the first in place of the eighth, it wrote a
# sentence. Is that luck? On the passages, the newest eight add 2.8 ± 0.2 nats, and with the first among them it's 0.6 ±
# 0.2. Keep the second in its place, the third or the fifth, and it's 2.6 or more. Of these, only the first helps: the
# *attention sink* of lesson 04 ([Xiao et al. 2023](https://arxiv.org/abs/2309.17453)).
#
# And with every guess accepted, nobody checks the draft: *the ferryman* is what followed *the* in the prompt. Nothing
# in such a sentence says that it isn't the model's. Now change the prompt to "why salty": with rejected guesses left
# in, who is the sea?

# %% [markdown]
# **Verdict: half true, three times.** "A forward pass only": yes, no gradient was computed in this lesson. "The entire
# process again": for the weights, not for the text. "Seconds on one GPU": half a minute, if it fit on one, and it's
# cheap only in a batch. And speed isn't bytes alone: how much of a step the memory takes depends on the kernel.

# %% [markdown]
# > **Where the picture simplifies.** Rounding errors differ between a pass over one token and one over nine, and where
# > two tokens nearly tie, a text may turn. Real engines also decide who shares a batch: a text that ends early makes
# > room for the next (*continuous batching*). At T = 0, p and q are certain, so only two corners of your rule were
# > used.

# %% [markdown]
# > **At scale.** An H100 does 295 operations while a byte arrives (NVIDIA's figures), so some 300 texts must share a
# > read before it has enough to do, and their caches must fit. Hence shared heads, caches in 8 bits, and in pages
# > ([Kwon et al. 2023](https://arxiv.org/abs/2309.06180)). Drafts are often small heads on the model itself.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** A step reaches 40% of its bound. What do you try next? (a) Buy faster memory. (b) Time the products of
# one block, again and again. (c) Use fewer bits.
#
# <details><summary>Open 1</summary>
#
# **(b)**. It tells how much of the step the memory explains. (a) helps only with that part, and (c) may even be slower,
# if unpacking takes longer than reading did.
# </details>
#
# **2.** A batch of eight writes five times as many tokens per second as one text. A reader of one of the eight (a) gets
# tokens five times as fast. (b) waits 60% longer for each. (c) waits eight times as long.
#
# <details><summary>Open 2</summary>
#
# **(b)**. Five times the tokens for eight readers: each gets 5/8 of the speed. (a) is what all get together, and (c)
# would be eight texts one after another.
# </details>
#
# **3.** A row has one weight 28 times the typical one. Which suffers most? (a) bfloat16. (b) 4 bits in groups of 32.
# (c) 4 bits with one scale per row.
#
# <details><summary>Open 3</summary>
#
# **(c)**. Sixteen codes over a range that one weight has blown up. In (b), 31 neighbors suffer. In (a), each number
# carries its own scale.
# </details>
#
# **4.** Your prompt begins with the date, then come 3,000 tokens that never change. An engine that keeps caches of
# earlier prompts (a) reuses the 3,000. (b) reuses nothing of them. (c) writes wrong texts.
#
# <details><summary>Open 4</summary>
#
# **(b)**. Keys and values depend on everything before them. Put what changes last. (a) would mix caches of different
# texts, and (c) doesn't happen, since the engine compares tokens.
# </details>

# %% [markdown]
# **What you wrote**: attention with a preallocated cache, absmax in 8 bits, the accept rule, and a draft. What passed
# is in `mine/`, and SmolLM2 just wrote with it.
#
# **Next**: the labs, where you [write the kernel](12_inference_engine_lab.ipynb) in C and take [attention apart into
# tiles](12_inference_engine_tiles_lab.ipynb); the
# [exercise](../exercises/12_inference_engine/12_inference_engine.ipynb); and [lesson 13](13_scaling.ipynb), which
# counts what training costs.
