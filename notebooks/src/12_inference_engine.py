# %% [markdown]
# # 12 · The inference engine: why a token takes as long as it does
#
# **You will build** what stands between a trained model and people who wait for it: a formula that says beforehand how
# fast a model *can* write here; weights of 8 and 4 bits, by hand, equal to the package's and to a real file's bytes;
# guessing ahead with a rule that is exactly fair; a batch that texts join and leave. At the end the real model has
# climbed a ladder, and beside every rung stands what it cost in quality.
#
# **The claim** comes from a table of the overview from which the course started: inference is a *forward pass only*,
# its cost *low to high, seconds on one GPU*; and for every new token *the entire process runs again*. Each of the three
# is true in a sense, and each hides what decides most: not the multiplications cost most of the time, but the bytes.
#
# **Time**: 90 minutes; the cells themselves run in about two.
#
# **Before you start**: the loop and the cache (lesson 07) and what a matrix product is. For the rule of guessing ahead
# you need nothing but probabilities.

# %%
import copy
import inspect
import math
import struct
import time
from fractions import Fraction

import torch
from IPython.display import display
from ipywidgets import Dropdown, SelectionSlider
from torch import nn

from minillm import ModelConfig, generate, load, stream
from minillm.assets import fetch
from minillm.course import models
from minillm.data.chat import encode_chat
from minillm.data.corpora import load_corpus
from minillm.device import bf16_speedup, matmul_peak
from minillm.inference import speculative
from minillm.inference.decode import next_logits
from minillm.inference.engine import Engine, Request
from minillm.inference.scoring import log_probs
from minillm.inference.speculative import PromptLookup, Tally, speculate
from minillm.losses import next_token_loss
from minillm.model.accounting import count_flops, count_parameters, inference_memory
from minillm.model.kv_cache import KVCache
from minillm.model.quantized_linear import Int4Linear, Int8Linear
from minillm.pretrained.gguf_file import GGUFFile
from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, lines, show
from minillm.world import floor

_ = torch.set_grad_enabled(False)  # a forward pass only, all lesson long

# %% [markdown]
# ## One token, one reading
#
# In lesson 07 the cache sent fifteen times fewer tokens through the model, and the text came nowhere near fifteen times
# as fast. Why? Count what one token needs. Each of the model's weights takes part in one multiplication and one
# addition. And each must be *there*: it lies in memory, and the processor fetches it, uses it for two operations, and
# throws it away, since its own small memory (the caches) holds a few megabytes and the model has hundreds.

# %%
NAME = "smollm2-135m-instruct"
model, tokenizer = load(NAME)
config = model.config


def bytes_read(model):
    """What a pass fetches from memory: every weight, once."""
    return sum(parameter.nbytes for parameter in model.parameters())


# %%
WEIGHTS, OPERATIONS = bytes_read(model), count_flops(config, n_tokens=1)
print(f"one token: {WEIGHTS / 1e6:.0f} MB to read, {OPERATIONS / 1e6:.0f} M operations")
print(f"operations for each byte: {OPERATIONS / WEIGHTS:.2f}")
assert inference_memory(config, 1, 1)["weights"] == WEIGHTS
assert abs(OPERATIONS / WEIGHTS - 0.5) < 0.01

# %% [markdown]
# Half an operation for each byte. (The embedding table counts in full: this model uses it a second time, as the head.)
# Now the computer: how many bytes a second come from memory, and how many operations a second can it do? For the first,
# add up an array much larger than the processor's caches. For the second, the package times large matrix products.


# %%
def fastest(work, rounds=5):
    """Seconds of the least disturbed of a few rounds."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])  # the first one warms up


calls = []
fastest(lambda: calls.append(1), rounds=3)
assert len(calls) == 4

# %% tags=["nbval-ignore-output"]
array = torch.ones(2**26)  # 268 MB
BANDWIDTH = array.nbytes / fastest(array.sum)
PEAK = matmul_peak(torch.device("cpu"))
print(
    f"memory brings {BANDWIDTH / 1e9:.0f} GB/s, products run at {PEAK / 1e9:.0f} GFLOP/s"
)
print(f"while one byte arrives: {PEAK / BANDWIDTH:.1f} operations")

# %% [markdown]
# So while a byte is on its way the processor could do several operations, and has half of one to do. It waits. From
# these numbers follows a bound that no program gets past, however clever: a step lasts at least as long as its reading,
# and at least as long as its arithmetic.


# %%
def naive_bound(to_read, operations, bandwidth, peak):
    """Seconds that a pass takes at least: the longer of reading and computing."""
    return max(to_read / bandwidth, operations / peak)


assert naive_bound(6, 2, bandwidth=6, peak=4) == 1 == naive_bound(3, 4, 6, 4)

# %% [markdown]
# Against it the loop of lesson 07, with the cache or without. It returns the text, and how many tokens a second it
# wrote after the first. (`step` is what computes the logits of one more token; further down we shall put something
# faster in its place.)


# %%
def write(model, ids, new, step=None, use_cache=True):
    """Greedy tokens after `ids`, and how many a second behind the first."""
    step, cache = step or model, model.new_cache(1, len(ids) + new)
    text = [*ids, int(model(torch.tensor([ids]), cache)[0, -1].argmax())]
    start = time.perf_counter()
    for _ in range(new - 1):
        ids = torch.tensor([text[-1:] if use_cache else text])
        logits = step(ids, cache) if use_cache else model(ids)
        text.append(int(logits[0, -1].argmax()))
    return text, (new - 1) / (time.perf_counter() - start)


# %%
PROMPT = tokenizer.encode("The capital of France is")
greedy = generate(model, PROMPT, 6, temperature=0)
assert write(model, PROMPT, 6)[0] == greedy
assert write(model, PROMPT, 6, use_cache=False)[0] == greedy

# %% tags=["nbval-ignore-output"]
bound = 1 / naive_bound(WEIGHTS, OPERATIONS, BANDWIDTH, PEAK)
speed = write(model, PROMPT, 24)[1]
print(f"at most {bound:.0f} tokens a second; measured {speed:.0f}: {speed / bound:.0%}")

# %% [markdown]
# A bound is not a forecast: we got the share of it that is printed above, well below half. Where does the rest go? Take
# the matrix products alone, with nothing between them. And as a control the products of the blocks once more with one
# matrix of each shape, which stays in the processor's cache:

# %% tags=["nbval-ignore-output"]
vectors = [
    (layer, torch.ones(1, 1, layer.in_features))
    for layer in model.modules()
    if isinstance(layer, nn.Linear)
]
alone = fastest(lambda: [layer(vector) for layer, vector in vectors])
print(f"the products alone: {1000 * alone:.0f} ms of {1000 / speed:.0f}")
inner = [pair for pair in vectors if pair[0] is not model.head]
inner.sort(key=lambda pair: pair[0].weight.shape)  # equal shapes one after another
by_shape = {layer.weight.shape: layer for layer, _ in inner}
each_its_own = fastest(lambda: [layer(vector) for layer, vector in inner])
resident = fastest(lambda: [by_shape[la.weight.shape](v) for la, v in inner])
print(
    f"without the head {1000 * each_its_own:.0f} ms, from the cache {1000 * resident:.0f}"
)
print(f"they read {WEIGHTS / alone / 1e9:.0f} GB/s, a plain sum {BANDWIDTH / 1e9:.0f}")

# %% [markdown]
# Most of a step is products, and these draw on memory less well than a plain sum. The control says how much of their
# time is waiting: with the matrix in the cache the same multiplications take a fraction of it. (The rest of the step is
# some thirty small operations a layer, norms, rotations and additions, a few microseconds each.) The library could do
# better, then. But whatever it does with a weight, it does once a token, and the multiplication is the least of it: you
# are about to see that sixteen tokens at once cost not twice as much as one. So the bound says where to look. A
# processor that multiplies faster would win next to nothing; whatever makes a step read less wins, though not quite in
# proportion, as you will see.
#
# ## Two kinds of pass
#
# If a weight is in the processor anyway, it might as well serve several tokens. Send more of them through at once:
# reading stays the same, arithmetic grows with each. Where should it begin to bind? Where the operations for each byte,
# half of one per token, reach what the processor can do while a byte arrives.

# %% tags=["nbval-ignore-output"]
COUNTS = [1, 2, 4, 8, 16, 32, 64, 128]
some = torch.tensor([tokenizer.encode(" the old bridge over the river" * 22)[:128]])
seconds = {n: fastest(lambda n=n: model(some[:, :n]), rounds=3) for n in COUNTS}
for n, took in seconds.items():
    print(f"{n:4} tokens {1000 * took:6.0f} ms, {1000 * took / n:6.1f} ms each")
print(f"reading and arithmetic should meet near {2 * PEAK / BANDWIDTH:.0f} tokens")
print(f"16 tokens cost {seconds[16] / seconds[1]:.1f} times as much as one,")
print(f"128 tokens {seconds[128] / seconds[16]:.1f} times as much as 16")

# %% [markdown]
# (Two tokens may cost you more than four, as they did us: the library has one program for a matrix times one vector,
# and others for several.)
#
# Engineers draw this as a *roofline* (Williams, Waterman & Patterson 2009). To the right grow the operations that are
# done with each byte; upwards, the operations a second. The roof rises as long as memory is what one waits for, and is
# flat where arithmetic is. Your own passes stand below it.

# %% tags=["nbval-ignore-output"]
operations = [count_flops(config, n) for n in COUNTS]
intensity = [one / WEIGHTS for one in operations]
roof = [min(BANDWIDTH * x, PEAK) / 1e9 for x in intensity]
reached = [one / seconds[n] / 1e9 for one, n in zip(operations, COUNTS, strict=True)]

# %% tags=["nbval-ignore-output"]
axes = ("operations for each byte read", "GFLOP a second")
both = {"the roof": roof, "measured": reached}
show(
    lines(both, *axes, x=intensity, log_x=True, log_y=True),
    alt=f"A roofline: the roof rises to {roof[-1]:.0f} GFLOP a second and is flat there. The measured passes climb "
    f"below it, from {reached[0]:.0f} for one token to {reached[-1]:.0f} for 128.",
)

# %% [markdown]
# The two ends of this picture have names. **Prefill** is the pass over the prompt: many tokens at once, to the right,
# bound by arithmetic. **Decode** is every pass after it: one token, far left, bound by memory. A program that answers
# people is judged by two numbers, one for each: the time to the first token, and the time between tokens.

# %% tags=["nbval-ignore-output"]
prompt = some[0].tolist()
first, between = seconds[128], 1 / speed
print(
    f"a prompt of 128: {1000 * first / 128:.1f} ms a token; an answer: {1000 * between:.0f}"
)
print(f"writing a token costs as much as reading {128 * between / first:.0f}")

# %% [markdown]
# That is why providers sell tokens that you write to the model at a lower price than those that it writes to you. The
# forward pass is one and the same; the company it travels in is not.
#
# ### "The entire process runs again"
#
# This is how the overview describes the loop. For the *text* it is wrong as soon as there is a cache: only the new
# token goes through. For the *weights* it is right, to the last one, with a cache or without. Count both, for a prompt
# of 24 tokens and 8 new ones. A hook on the embedding sees how many tokens come in, and how often.


# %%
def passes_of(model, work):
    """How many tokens each pass of the model read while `work` ran."""
    read = []

    def count(_module, inputs, _output):
        read.append(inputs[0].numel())

    hook = model.embedding.register_forward_hook(count)
    work()
    hook.remove()
    return read


# %%
short, read = prompt[:24], {}
for use_cache in (False, True):
    settings = {"temperature": 0, "use_cache": use_cache}
    read[use_cache] = passes_of(
        model, lambda s=settings: generate(model, short, 8, **s)
    )
    name, passes = "with" if use_cache else "without", read[use_cache]
    print(f"{name} a cache: {sum(passes)} tokens in {len(passes)} passes: {passes}")
assert read[False] == [24, 25, 26, 27, 28, 29, 30, 31]
assert read[True] == [24, 1, 1, 1, 1, 1, 1, 1]

# %% [markdown]
# Seven times fewer tokens, and *not one reading less*. As long as a text is short, the cache saves what costs least.
# That is the answer to the riddle of lesson 07. It also says when a cache pays: once the text is so long that a pass
# over all of it is bound by arithmetic.
#
# *Forward pass only* is true without reserve: no gradient has been computed in this lesson, and none will be. It just
# says little about the cost, as the same forward pass is many times dearer a token in an answer than in a prompt.
#
# *Seconds on one GPU* can be held against a model of the size that the overview has in mind. GPT-3 in 16 bits:

# %%
gpt3 = ModelConfig.preset("gpt3")
gpt3_bytes, card, card_bandwidth = 2 * count_parameters(gpt3), 80e9, 3.35e12
each = gpt3_bytes / card_bandwidth
cards = math.ceil(gpt3_bytes / card)
print(f"weights {gpt3_bytes / 1e9:.0f} GB: at least {cards} cards of 80 GB")
print(f"a token on one, if it fitted: {1000 * each:.0f} ms")
print(f"a reply of 300 tokens: {300 * each:.0f} s")
assert gpt3_bytes > 4 * card

# %% [markdown]
# "Seconds" is about right. "On one GPU" is not: it does not fit (3.35 TB/s is what NVIDIA states for an H100). And "low
# to high" depends less on the model than on how many people it answers at the same time, which comes next.
#
# ## Many texts share one reading
#
# A batch of texts does for decode what a prompt does for prefill: one reading, many tokens. The rows need not be the
# same text, since a weight does not ask whose token it meets. Ten new tokens, for 1 to 16 texts at a time:


# %%
def seconds_a_step(rows, new=10):
    """Of decode behind a short prompt, with so many texts side by side."""
    ids, cache = torch.tensor([PROMPT] * rows), model.new_cache(rows, len(PROMPT) + new)
    model(ids, cache)
    start = time.perf_counter()
    for _ in range(new):
        model(ids[:, -1:], cache)
    return (time.perf_counter() - start) / new


assert passes_of(model, lambda: seconds_a_step(2, new=2)) == [2 * len(PROMPT), 2, 2]

# %% tags=["nbval-ignore-output"]
ROWS = [1, 2, 4, 8, 16]
steps = [min(seconds_a_step(rows) for _ in range(2)) for rows in ROWS]
print("texts   a step    tokens a second, together")
for rows, step in zip(ROWS, steps, strict=True):
    print(f"{rows:5} {1000 * step:6.0f} ms {rows / step:10.0f}")

# %% [markdown]
# Each reader waits longer for each token, and all together get several times as many. This is the trade that
# every service makes: *latency* for one against *throughput* for all. It is also why the same model is cheap for a
# company with a thousand readers and dear for you alone.
#
# What the rows do not share is their past. Every text has its own keys and values, and a step reads those too:


# %%
def naive_cache_bytes(config, rows, length, bytes_per_number=4):
    """Keys and values of every layer and key/value head, for all tokens of all texts."""
    numbers = 2 * config.n_layers * config.n_kv_heads * config.d_head
    return numbers * rows * length * bytes_per_number


theirs = inference_memory(config, batch_size=16, n_tokens=500)["kv_cache"]
assert naive_cache_bytes(config, 16, 500) == theirs

# %%
shared = naive_cache_bytes(config, 1, 1)
unshared = shared * config.n_heads // config.n_kv_heads
for name, each in (("shared heads", shared), ("a head each", unshared)):
    as_heavy = WEIGHTS // each
    print(f"{name}: {each:,} bytes a token; as heavy as the weights at {as_heavy:,}")
assert WEIGHTS // shared == 11_676

# %% [markdown]
# Eleven thousand tokens in all, be it one long text or sixteen of 730. From there on a step reads more past than
# weights, and more rows make no better use of the reading, because each brings its own. Shared heads (lesson 04) move
# that point by a factor of three; that, and not the smaller matrices, is what they are for.
#
# Does a long past slow a step down? You need not write 8,000 tokens for it. A cache that is full of one number takes as
# long to read as any:


# %% tags=["nbval-ignore-output"]
def step_behind(length):
    """Seconds of a step with so many tokens of past."""
    cache = model.new_cache(1, length + 1)
    for part in (cache.keys, cache.values):
        part.fill_(0.1)
    cache.advance(length)
    return fastest(lambda: (model(some[:, :1], cache), cache.truncate(length)))


# %% tags=["nbval-ignore-output"]
near, far = step_behind(16), step_behind(8_000)
least = naive_cache_bytes(config, 1, 8_000) / BANDWIDTH
print(f"a step behind 16 tokens: {1000 * near:.0f} ms, behind 8,000: {1000 * far:.0f}")
print(f"to read so much past takes at least {1000 * least:.0f} ms")
assert passes_of(model, lambda: step_behind(16)) == [1] * 6

# %% [markdown]
# It slows down by more than the reading alone, since attention is no plain sum either. But the direction is what the
# formula says: a long past is paid for at every step.
#
# ## Fewer bytes
#
# Batching helps whoever has many texts. For one text a single remedy is left: make the weights smaller. Not fewer;
# *shorter*. A float32 has 32 bits, and surely not all of them matter.
#
# The simplest cut is **bfloat16**: keep the sign, the exponent and the first 7 bits behind the point, and round the
# other 16 away, to the nearest. Every weight is then off by at most one part in 256, and there is half as much to read.

# %%
matrix = model.blocks[0].feedforward.up.weight
halved = matrix.bfloat16()
off = (halved.float() - matrix).abs()
print(f"{matrix.nbytes:,} bytes -> {halved.nbytes:,}")
assert (off <= matrix.abs() / 256).all()
assert (off > matrix.abs() / 300).any()

# %% [markdown]
# Below 16 bits one leaves floating-point numbers. Weights become *codes*, small whole numbers, and a *scale* says how
# much one unit of code is worth. **int8** (Dettmers et al. 2022, absmax): the largest weight of a row gets the code 127
# or -127, all others what is nearest.


# %%
def naive_int8(row):
    """Codes from -127 to 127, and the scale that turns them back into weights."""
    scale = max(abs(weight) for weight in row) / 127
    return [round(weight / scale) for weight in row], scale


codes, scale = naive_int8([0.90, -0.31, 0.02, -1.27])
print(codes, f"times {scale:.2f}")
assert codes == [90, -31, 2, -127]

# %% [markdown]
# The package does the same for a whole matrix. It stores the scale in bfloat16, and rounds the scale *first*, so that
# the codes can make up for its error:

# %%
print(inspect.getsource(Int8Linear.from_linear).split('"""')[-1])

# %%
linear = model.blocks[0].feedforward.up
int8 = Int8Linear.from_linear(linear)
for row in (0, 1, 700):
    codes, scale = naive_int8(linear.weight[row].tolist())
    assert abs(scale / int8.scale[row].item() - 1) < 1 / 256  # theirs is a bfloat16
    assert (torch.tensor(codes) - int8.codes[row]).abs().max() <= 1

# %%
steps_off = (int8.weight - linear.weight).abs() / int8.scale.float()[:, None]
print(f"largest error: {steps_off.max():.2f} of a step")
assert steps_off.max() < 0.75

# %% [markdown]
# An error of half a step, and how large is a step? As large as the row's *largest* weight makes it. That is the weak
# spot. One outlier in a row coarsens all the others:


# %%
def error_of_the_others(row):
    """Root of the mean squared error of all weights of a row but the last."""
    codes, scale = naive_int8(row)
    errors = [code * scale - weight for code, weight in zip(codes, row, strict=True)]
    return math.sqrt(sum(error**2 for error in errors[:-1]) / len(errors[:-1]))


# %%
row = linear.weight[0].tolist()
outlier = 10 * max(map(abs, row))
ratio = error_of_the_others([*row[:-1], outlier]) / error_of_the_others(row)
print(
    f"beside a weight ten times the largest, the others err {ratio:.1f} times as much"
)
assert 7 < ratio < 13

# %% [markdown]
# Does that happen? Here is how far the largest weight of a row stands above the typical one (the root mean square),
# over all matrices of the real model. A row of 576 numbers from a bell curve would have about 3.2.


# %%
def peaks(weight, group):
    """The largest weight of each group of a row, measured in typical ones."""
    groups = weight.unflatten(1, (-1, group))
    return (groups.abs().amax(-1) / groups.square().mean(-1).sqrt()).flatten()


assert peaks(torch.tensor([[1.0, -1.0, 3.0, 0.0]]), 2).tolist()[0] == 1

# %%
named = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)]
inside = dict(named[:-1])  # all but the head
of_rows = {
    name: peaks(layer.weight, layer.in_features) for name, layer in inside.items()
}
worst = max(of_rows, key=lambda name: of_rows[name].max())
by_row = torch.cat([*of_rows.values()])
by_32 = torch.cat([peaks(layer.weight, 32) for layer in inside.values()])

# %%
print(f"rows:         mean {by_row.mean():.1f}, largest {by_row.max():.1f} in {worst}")
print(f"groups of 32: mean {by_32.mean():.1f}, largest {by_32.max():.1f}")
assert by_row.max() > 4 * by_32.max()

# %% [markdown]
# There is a row with a weight 28 times the typical one. It gets the code 127, and a typical weight of that row 4 or 5:
# what is called 8 bits is worth three or four there. The cure: give every **group of 32**
# neighbours a scale of its own. An outlier then spoils 31 others and no more. (By this measure no group of 32 can be
# above √32 = 5.7. The one with 5.6 is as bad as can be, but it is alone.)
#
# With 8 bits that is a refinement. With 4 it is the condition. **int4** has sixteen codes, and to waste none of them a
# group stores two numbers, its scale and its *zero*: the smallest weight gets the code 0, the largest 15.


# %%
def bfloat16(number):
    return torch.tensor(number).bfloat16().item()


def naive_int4(group):
    """Codes 0 to 15 with weight = scale * (code - 8) + zero, for 32 weights."""
    least, most = min(group), max(group)
    scale = bfloat16((most - least) / 15)
    zero = bfloat16(least + 8 * scale)
    codes = [round((weight - zero) / scale) + 8 for weight in group]
    return [min(max(code, 0), 15) for code in codes], scale, zero


# %%
group = linear.weight[700, :32].tolist()
codes, scale, zero = naive_int4(group)
print(codes)
back = [scale * (code - 8) + zero for code in codes]
assert max(abs(a - b) for a, b in zip(back, group, strict=True)) < 0.6 * scale

# %% [markdown]
# (The 8 is a convention of the kernel that multiplies them.) No computer addresses half a byte, so two codes go into
# one: the first sixteen into the lower halves, the last sixteen into the upper ones.


# %%
def naive_pack(codes):
    return [low | high << 4 for low, high in zip(codes[:16], codes[16:], strict=True)]


def naive_unpack(packed):
    return [byte & 15 for byte in packed] + [byte >> 4 for byte in packed]


packed = naive_pack(codes)
assert naive_unpack(packed) == codes
assert len(bytes(packed)) == 16

# %%
int4 = Int4Linear.from_linear(linear)  # codes: (groups, 16 bytes, rows)
for row in (0, 1, 700):
    for place, group in enumerate(linear.weight[row].split(32)):
        codes, scale, zero = naive_int4(group.tolist())
        assert naive_pack(codes) == int4.codes[place, :, row].tolist()
        by_hand = torch.tensor([scale * (code - 8) + zero for code in codes])
        theirs = int4.weight[row].split(32)[place]
        torch.testing.assert_close(by_hand, theirs, rtol=1e-5, atol=1e-7)

# %%
size = sum(parameter.nbytes for parameter in int4.parameters())
print(f"{8 * size / linear.weight.numel():.0f} bits a weight")
assert 8 * size == 5 * linear.weight.numel()

# %% [markdown]
# Five bits, not four: a scale and a zero of 16 bits each for 32 weights are one bit more. "4-bit model" is the name of
# the codes. Look at files by their size, not by their name.
#
# ### What is in the file
#
# You have used such a format since lesson 00: the file of the real model holds its layers in **Q4_1**. Open it and read
# the first group of the same matrix, without any library: 20 bytes, two numbers in float16 and 16 bytes of codes.

# %%
path = fetch(NAME)
entry = GGUFFile(path).tensors["blk.0.ffn_up.weight"]
with open(path, "rb") as file:
    file.seek(entry.start)
    scale, least, *packed = struct.unpack("<ee16B", file.read(20))
print(entry.number_format.name, naive_unpack(packed))

# %%
weights = torch.tensor([scale * code + least for code in naive_unpack(packed)])
torch.testing.assert_close(weights, linear.weight[0, :32], rtol=1e-6, atol=1e-9)

# %% [markdown]
# So *these are* the weights that you called float32 all along: sixteen values for each group, unpacked into numbers of
# 32 bits. The package can also leave them packed (`weights="native"`). Its scale and zero follow from the file's by one
# line, zero = least + 8 · scale, and the codes stay as they are.
#
# This has a consequence for what we may conclude. Rounding *these* weights to 4 bits says little about rounding: they
# have been rounded before. For an honest price of bits we need weights that never were.
#
# ### The price of a bit
#
# The course's base model is such a one: trained here, in float32. And as its world is known, so is its floor, and a
# loss minus the floor is a distance (KL) from the truth. Round all its matrices to 8, 6, 5, 4, 3, 2 bits, once with a
# scale for each row and once for each 32 weights.

# %% tags=["nbval-ignore-output"]
base, base_tokenizer = models.base()
corpus = load_corpus("world", n_train=1, n_validation=60)
EDGE = base_tokenizer.eos_id
documents = [
    [EDGE, *ids, EDGE] for ids in base_tokenizer.encode_batch(corpus.validation)
]


# %% tags=["nbval-ignore-output"]
def loss_of(model):
    """Nats a token on documents of Ottermere that nobody has learnt."""
    return -torch.cat([log_probs(model, ids) for ids in documents]).mean().item()


exact = loss_of(base)
truth = floor(corpus.truth, base_tokenizer).nats_per_token
print(f"unrounded: {exact:.3f} nats, {exact - truth:.3f} above the floor")
assert 0 < exact - truth < 0.3


# %%
def round_trip(weight, bits, group):
    """A matrix with 2^bits values in each group of a row: (rows, columns) both ways."""
    groups = weight.unflatten(1, (-1, group))
    least, most = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = (most - least) / (2**bits - 1)
    return (((groups - least) / scale).round() * scale + least).flatten(1)


ramp = torch.arange(32.0)[None]
assert round_trip(ramp, 5, 32).equal(ramp)  # 32 values, 5 bits: nothing is lost
assert round_trip(ramp, 1, 32).unique().tolist() == [0, 31]


# %%
def rounded(model, bits, group=None):
    """A copy of the model with every matrix rounded; without a group, row by row."""
    model = copy.deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            columns = layer.in_features
            layer.weight.copy_(round_trip(layer.weight, bits, group or columns))
    return model


assert rounded(base, 2, 32).head.weight[0, :32].unique().numel() <= 4

# %% tags=["nbval-ignore-output"]
BITS = [2, 3, 4, 5, 6, 8]
added_by_row = [loss_of(rounded(base, bits)) - exact for bits in BITS]
added_by_32 = [loss_of(rounded(base, bits, 32)) - exact for bits in BITS]
for bits, *added in zip(BITS, added_by_row, added_by_32, strict=True):
    print(f"{bits} bits: a scale a row {added[0]:7.4f}, a scale for 32 {added[1]:7.4f}")
assert all(abs(added[-1]) < 0.002 for added in (added_by_row, added_by_32))
assert added_by_32[2] < 0.03 < added_by_32[1] < added_by_row[1]
assert added_by_row[3] < added_by_32[2]  # 5 bits with a scale a row, 4 with one for 32

# %% tags=["nbval-ignore-output"]
rows = zip(BITS, added_by_row, added_by_32, strict=True)
# what is not above 0 is noise, and has no place on this axis
bits, *drawn = zip(*(row for row in rows if min(row) > 0), strict=True)
price = dict(zip(("a scale a row", "a scale for 32"), drawn, strict=True))
ruler = {"what training left": exact - truth}
show(
    lines(price, "bits of a code", "nats added", x=bits, log_y=True, references=ruler),
    alt="The loss that rounding adds falls steeply with the bits, until from 6 bits on it is lost in noise. At 4 bits "
    "it is far below the distance that training left to the floor, at 2 far above it.",
)
assert added_by_32[2] < (exact - truth) / 5 < (exact - truth) < added_by_32[0]

# %% [markdown]
# Read it against the dashed line: what training left undone. At 8 bits rounding costs nothing that we could measure; at
# 4 about a tenth of what is missing anyway; at 3 a third, even with a scale for 32; and at 2 the model is ruined.
# From 4 to 3 the price grew six- to eightfold. (At 5 it is too near the noise for such a ratio.) Near a minimum the
# loss is a bowl, and one expects a factor of four: the steps get twice as wide, the squared error four times as large.
# Three bits seem to be too far from the minimum for that.
#
# And one thing that you will not find in the textbooks. A scale and a zero for each 32 weights cost a bit per weight,
# for a row of 128 only a quarter of one. So compare at nearly equal size, 5.25 bits against 5: *five* bits with a scale
# a row are better here than *four* with one for 32. (Most rows of this model are no longer than the groups of 128 that
# are usual for large ones, so this says nothing about long rows.) Groups are the remedy for outliers, and this small
# model seems to have few (`peaks` would tell you: try it on a matrix of `base`). Whether they pay is a property of the
# weights, and can be measured as you just did. (What speaks for 4 and groups all the same: two codes fill a byte, and
# large models do have outliers.)
#
# ## The ladder
#
# Now the real model, rung by rung. Each is one change:
#
# 1. no cache;
# 2. a cache;
# 3. weights in bfloat16;
# 4. int8;
# 5. the file's own 4 bits;
# 6. the same by the package's fast step: a C function, called once per token (without a C compiler, the same with fewer
#    operations of PyTorch). It also rounds the *vectors*, to integers of two bytes, so that products are of integers.
#
# Beside the speed stands the *perplexity* (e to the loss) on real text, the manual and the docstrings of your own
# Python, in windows of 256 tokens. It is measured through the pass that we time: eight tokens at a time, after those in
# the cache. (All at once would not do. From 48 vectors on, the package's 8- and 4-bit layers unpack their weights and
# use an ordinary product, and the kernels of a single step would never be scored.)

# %%
RUNGS = {  # weights, a cache, the fast step
    "no cache": ("float32", False, False),
    "cache": ("float32", True, False),
    "bfloat16": ("bfloat16", True, False),
    "int8": ("int8", True, False),
    "native 4 bits": ("native", True, False),
    "fast step": ("native", True, True),
}
if bf16_speedup() < 1:  # this processor only imitates bfloat16
    del RUNGS["bfloat16"]
assert len(RUNGS) >= 5

# %%
manual = load_corpus("python-docs").validation[:40]
held_out = torch.tensor(tokenizer.encode("\n\n".join(manual))[: 4 * 257])
windows = held_out.view(4, 257)
assert held_out.unique().numel() > 100


# %%
def step_of(rung):
    """The pass of a rung: logits of new tokens after those in a cache."""
    weights, _, fast = RUNGS[rung]
    one = formats[weights]
    return (lambda ids, cache: next_logits(one, ids, cache)) if fast else one


def perplexity(step, one=model):
    cache = one.new_cache(4, 256)
    read, asked_for = (
        part.split(8, dim=1) for part in (windows[:, :-1], windows[:, 1:])
    )
    losses = [
        next_token_loss(step(ids, cache).float(), targets)
        for ids, targets in zip(read, asked_for, strict=True)
    ]
    return torch.stack(losses).mean().exp().item()


undecided = perplexity(lambda ids, _: torch.zeros(*ids.shape, config.vocab_size))
print(f"a model that knows nothing: {undecided:,.0f}")
assert math.isclose(undecided, config.vocab_size, rel_tol=1e-4)

# %% tags=["nbval-ignore-output"]
formats = {"float32": model}
for weights, *_ in RUNGS.values():
    if weights not in formats:
        formats[weights] = load(NAME, weights=weights)[0]
assert bytes_read(formats["native"]) < WEIGHTS / 5

# %% tags=["nbval-ignore-output"]
perplexities = {
    rung: perplexity(step_of(rung), formats[weights])
    for rung, (weights, _, _) in RUNGS.items()
}
for rung, value in perplexities.items():
    change, size = (
        value / perplexities["cache"] - 1,
        bytes_read(formats[RUNGS[rung][0]]),
    )
    print(f"{rung:13} {size / 1e6:4.0f} MB, perplexity {value:.2f} ({change:+.2%})")
    assert abs(change) < 0.04


# %% tags=["nbval-ignore-output"]
speeds = {}
for rung, (weights, use_cache, _) in RUNGS.items():
    one, new = formats[weights], 32 if use_cache else 12
    step = step_of(rung)
    twice = [write(one, PROMPT, new, step, use_cache)[1] for _ in range(2)]
    speeds[rung] = max(twice)

# %% tags=["nbval-ignore-output"]
print("               tokens/s   of the bound   perplexity")
for rung, one in speeds.items():
    weights = RUNGS[rung][0]
    share = one * bytes_read(formats[weights]) / BANDWIDTH
    print(f"{rung:14}{one:9.1f}{share:15.0%}{perplexities[rung]:13.2f}")

# %% tags=["nbval-ignore-output"]
listed = ", ".join(f"{rung} {one:.0f}" for rung, one in speeds.items())
show(
    bars(list(speeds), list(speeds.values()), "tokens a second, one text", digits=0),
    alt=f"The ladder, in tokens a second: {listed}.",
)

# %% [markdown]
# Several times as fast, and the perplexity has hardly moved. Two things to notice. A fifth of the bytes does not make
# five times the speed: the less there is to read, the more the small operations between the products weigh. The last
# rung has nearly as many bytes to read, but one call instead of hundreds. And int8, with more bits, is further from
# float32 than the 4 bits of the file. It must round, one scale a row; native only unpacks what is there.
#
# Perplexity can hide things. It averages; whoever needs the one rare answer should test for that. Texts also part ways
# early: a greedy text is a chain of decisions, and one near tie that falls the other way makes another text. That is no
# loss of quality, it is another text. Do not judge a format by whether the first reply is the same.
#
# ### Try it: what does a step wait for?
#
# Choose a rung, the number of texts and how long each is so far. The bars are the three things that a step must do, at
# the speeds of *your* computer. Reading and arithmetic overlap: the longer of the two is the bound.


# %%
def step_parts(size, rows, past, bytes_per_number=4):
    """Milliseconds for weights, cache and arithmetic of one step."""
    cache = naive_cache_bytes(config, rows, past, bytes_per_number)
    operations = rows * (OPERATIONS + 4 * config.n_layers * config.d_model * past)
    return [1000 * size / BANDWIDTH, 1000 * cache / BANDWIDTH, 1000 * operations / PEAK]


by_formula = count_flops(config, 101) - count_flops(config, 100)
assert OPERATIONS + 4 * config.n_layers * config.d_model * 100 == by_formula


# %% tags=["nbval-ignore-output"]
def draw(rung, texts, tokens_each):
    weights = RUNGS[rung][0]
    size, number = bytes_read(formats[weights]), 2 if weights == "bfloat16" else 4
    parts = step_parts(size, texts, tokens_each, number)
    reading, most = parts[0] + parts[1], texts / max(parts[0] + parts[1], parts[2])
    longest = "the weights" if parts[0] >= parts[1] else "the cache"
    waits = longest if reading > parts[2] else "arithmetic"
    sentence = (
        f"{rung}, {texts} x {tokens_each:,} tokens: a step reads {size / 1e6:.0f} MB of weights and waits for {waits}; "
        f"at most {1000 * most:.0f} tokens a second together. Measured for one short text: {speeds[rung]:.0f}; "
        f"perplexity {perplexities[rung]:.2f}."
    )
    return bars(["read weights", "read cache", "arithmetic"], parts, "ms", 1), sentence


# %% tags=["nbval-ignore-output"]
explorer = Explorer(
    draw,
    rung=Dropdown(options=list(RUNGS)[1:]),
    texts=SelectionSlider(options=[1, 2, 4, 8, 16, 32, 64]),
    tokens_each=SelectionSlider(options=[0, 500, 1000, 2000, 4000, 8000]),
)
assert "a step reads 538 MB of weights" in explorer.sentence
display(explorer)

# %% [markdown]
# Things to find: how many short texts does it take until arithmetic binds, in float32 and with 4 bits? Why fewer? At
# which length does one text with 4-bit weights wait for its cache? Sixteen texts of 2,000 tokens: what would a cache in
# 8 bits win?
#
# <details><summary>What we found</summary>
#
# On the computer that built this lesson: from eight to twelve short texts on in float32, and from two with 4 bits,
# since there the weights are read in a fifth of the time and the arithmetic of each text is the same. One text with 4
# bits waits for its cache from some 2,200 tokens on. Sixteen texts of 2,000 tokens, with 4 bits, stand at the corner:
# their bytes take 31 to 45 ms, as one measures the memory, and their arithmetic 33. So a cache in 8 bits wins a quarter
# at most.
# </details>
#
# ## Guessing ahead
#
# One reading can serve several tokens; but the tokens of *one* text come one after another, since each is drawn from
# what the last one made of the list. Is there no way? There is, if somebody *guesses* them. Let something cheap propose
# the next four tokens. The model reads all four in one pass, hardly dearer than a pass over one, and thereby says
# for each place what it would have drawn from. Right guesses stay, and the rest is thrown away (Leviathan et al. 2023;
# Chen et al. 2023). It is called *speculative decoding*.
#
# What must not happen is that the text changes. At temperature 0 that is easy: a guess stays if it is what the model
# would have chosen. But when tokens are *drawn*? The guesser draws x from its list q; the model's list is p. The rule:
#
# - keep x with probability min(1, p(x) / q(x));
# - if it is refused, draw in its place from what p has *more* than q: (p - q) where that is positive, scaled to sum
#   to 1.
#
# Then x comes out with probability p(x), *exactly*, whatever q is. Four tokens are enough to see all that can happen,
# and fractions leave no room for rounding:


# %%
def naive_outcomes(p, q, instead=None):
    """With which probability each token comes out, over every guess and every draw."""
    missing = [max(a - b, 0) for a, b in zip(p, q, strict=True)]
    instead = instead or [one / sum(missing) for one in missing]
    out = [Fraction(0)] * len(p)
    for guess, guessed in enumerate(q):
        kept = min(Fraction(1), p[guess] / guessed)
        out[guess] += guessed * kept
        for token, drawn in enumerate(instead):
            out[token] += guessed * (1 - kept) * drawn
    return out


# %%
p, q = ([Fraction(n, 10) for n in tenths] for tenths in ((4, 3, 2, 1), (1, 6, 2, 1)))
print("wanted:   ", *p)
print("guessed:  ", *q)
print("comes out:", *naive_outcomes(p, q))
assert naive_outcomes(p, q) == p

# %% [markdown]
# Exactly p. Why? Token x comes out by being guessed and kept, q(x) · min(1, p(x)/q(x)) = min(p(x), q(x)); what is then
# missing to p(x) is max(p(x) - q(x), 0), and that is just what refused guesses are replaced from. The tempting mistake
# is to draw the replacement from p itself. It looks harmless:

# %%
wrong = naive_outcomes(p, q, instead=p)
print("replaced from p:", *wrong)
assert wrong != p
assert sum(wrong) == 1
assert wrong[1] > p[1]  # what is guessed too often stays too frequent

# %%
print(inspect.getsource(speculative.verify).split('"""')[-1])
print(inspect.getsource(speculative.residual).split('"""')[-1])

# %% [markdown]
# The package's rule is the same, with random numbers in place of fractions. Twenty thousand guesses, and Pearson's
# chi-square of lesson 07 as the judge (four tokens: above 16.3 once in a thousand times for right draws):

# %%
generator = torch.Generator().manual_seed(0)
wanted, offered = (torch.tensor([float(one) for one in pair]) for pair in (p, q))
guesses = torch.multinomial(offered, 20_000, replacement=True, generator=generator)
settings = {"target_probs": wanted, "draft_probs": offered, "rng": generator}
drawn = [speculative.verify(guess, **settings) for guess in guesses.tolist()]
counts = torch.tensor(drawn).bincount(minlength=4)


# %%
def chi_square(counts, probabilities):
    expected = counts.sum() * torch.tensor([float(one) for one in probabilities])
    return ((counts - expected) ** 2 / expected).sum().item()


print(f"against p: {chi_square(counts, p):.0f}")
assert chi_square(counts, p) < 16.3
assert chi_square(counts, wrong) > 100  # this test can fail

# %% [markdown]
# ### How much is won
#
# The chance that a guess is kept is the sum of min(p, q): the *overlap* of the two lists, here 7/10. Say it is a at
# every place, and n tokens are guessed. Then the first is kept with a, the first two with a², and so on; one more token
# comes for free in any case (the replacement, or the one behind the last guess). Tokens a pass: 1 + a + a² + ... + aⁿ.
#
# Test that with a guesser of known quality: the base model of Ottermere, and as its guesser *itself, rounded* to 2, 3
# and 4 bits. First the overlap, on texts that the base model draws; then the passes that the package counts.


# %% tags=["nbval-ignore-output"]
texts = [generate(base, [EDGE], 80, seed=seed) for seed in range(4)]


def overlap(large, small):
    """Mean of the sum of min(p, q) over the places of the texts."""
    means = []
    for ids in texts:
        p, q = (one(torch.tensor([ids])).softmax(-1) for one in (large, small))
        means.append(torch.minimum(p, q).sum(-1).mean())
    return torch.stack(means).mean().item()


assert abs(overlap(base, base) - 1) < 1e-4


# %% tags=["nbval-ignore-output"]
def counted(small):
    """Tokens a pass, by the package, while it writes four texts."""
    tally = Tally()
    for seed in range(4):
        list(speculate(base, [EDGE], 80, small, seed=seed, n_draft=4, tally=tally))
    return tally.tokens_per_pass


# %% tags=["nbval-ignore-output"]
for bits in (2, 3, 4):
    small = rounded(base, bits, 32)
    a, found = overlap(base, small), counted(small)
    foretold = sum(a**n for n in range(5))
    print(f"{bits} bits: overlap {a:.2f}; a pass: {foretold:.2f} foretold, {found:.2f}")
    assert abs(found / foretold - 1) < 0.3

# %% [markdown]
# The forecast is good to a few percent, though its assumption is not quite true: places differ, and easy ones come in a
# row, where all four guesses are kept. And look at the middle line. Three bits cost a third of the distance
# to the floor, and yet as a *guesser* that model is kept nine times in ten. A guess only needs to be likely.
#
# ### Copying as a guess
#
# A guesser need not be a model. Much of what a model writes stood in its prompt: a name, a quotation, a line of code.
# So look up where the last three tokens came before, and guess that the same follows (Saxena 2023).


# %%
def naive_lookup(text, n, most):
    """What followed the last n tokens when they came before, the latest place first."""
    for place in range(len(text) - 1, n - 1, -1):
        if text[place - n : place] == text[-n:]:
            for copied in range(place, place + most):  # it may run on into the copy
                text = [*text, text[copied]]
            return text[-most:]
    return []


assert naive_lookup([7, 8, 9, 1, 7, 8], 2, 3) == [9, 1, 7]
for text in ([1, 2, 1, 2], [1, 2, 3], [5, 1, 2, 6, 1, 2, 9, 1, 2]):
    assert naive_lookup(text, 2, 3) == PromptLookup(2).propose(text, 3)


# %%
def naive_speculate(model, ids, new, n_guesses, stop):
    """Greedy text with looked-up guesses, and how many passes it took."""
    text, end, passes = list(ids), len(ids) + new, 0
    while len(text) < end and text[-1] != stop:
        guesses = naive_lookup(text, 3, n_guesses)
        logits = model(torch.tensor([text + guesses]))[0, len(text) - 1 :]
        passes += 1
        places = zip([*guesses, None], logits.argmax(-1).tolist(), strict=True)
        for guess, chosen in places:
            text.append(chosen)
            if chosen != guess or chosen == stop or len(text) == end:
                break
    return text, passes


# %%
plain = generate(base, [EDGE], 12, temperature=0)
assert naive_speculate(base, [EDGE], 12, 4, stop=None)[0] == plain

# %% [markdown]
# On the real model: one question that asks for a quotation and one that does not.

# %%
STORY = (
    "The old bridge over the river Aller was built in 1783 by a mason who had lost his way. He meant to build a mill, "
    "but the stones were too long and the water too quick."
)
ASKED = {
    "quote": f"Repeat this text word for word:\n\n{STORY}",
    "chat": "Why is the sea salty?",
}
turns = {name: [{"role": "user", "content": text}] for name, text in ASKED.items()}
asked = {name: encode_chat(tokenizer, turn) for name, turn in turns.items()}
assert len(asked["quote"]) > 2 * len(asked["chat"])


# %% tags=["nbval-ignore-output"]
def timed(steps):
    """The tokens, and how many a second behind the first."""
    tokens, start = [next(steps)], time.perf_counter()
    tokens += steps
    return tokens, (len(tokens) - 1) / (time.perf_counter() - start)


greedily = {"temperature": 0, "stop": [tokenizer.eos_id]}
written, gain, per_pass = {}, {}, {}
for name, ids in asked.items():
    tally = Tally()
    written[name], before = timed(stream(model, ids, 32, **greedily))
    guessing = speculate(
        model, ids, 32, PromptLookup(), n_draft=8, tally=tally, **greedily
    )
    guessed, after = timed(guessing)
    gain[name], per_pass[name] = after / before, tally.tokens_per_pass
    assert guessed == written[name]

# %% tags=["nbval-ignore-output"]
for name in asked:
    print(f"{name}: {per_pass[name]:.1f} tokens a pass, {gain[name]:.1f} times as fast")
assert per_pass["quote"] > 2 > 1.5 > per_pass["chat"]
text, passes = naive_speculate(model, asked["quote"], 32, 8, tokenizer.eos_id)
assert text[len(asked["quote"]) :] == written["quote"]

# %% [markdown]
# The same text, word for word, in a fraction of the passes; and for the open question nothing is won, because nothing
# can be looked up. It costs little there, either, as no guess is made.
#
# When is it a loss? When passes over several tokens are *not* nearly free. You have measured that: the gain is tokens a
# pass, divided by what such a pass costs in plain ones. A guesser that is kept half the time with 4 guesses brings 1.9
# tokens; if its pass costs twice as much, all was in vain.


# %% tags=["nbval-ignore-output"]
def dearer(model, n):
    """What a pass over n tokens costs, in passes over one, behind 64 others."""
    cache = model.new_cache(1, 128)
    next_logits(model, some[:, :64], cache)

    def once(n):
        next_logits(model, some[:, :n], cache)
        cache.truncate(64)

    return fastest(lambda: once(n)) / fastest(lambda: once(1))


# %% tags=["nbval-ignore-output"]
for weights in ("float32", "native"):
    costs = {n: dearer(formats[weights], n) for n in (2, 5, 9)}
    print(weights, {n: round(cost, 1) for n, cost in costs.items()})
assert passes_of(model, lambda: dearer(model, 2)) == [64] + [2] * 6 + [1] * 6

# %% [markdown]
# In float32 five or nine tokens cost little more than one. With weights of 4 bits they cost two or three times as much:
# there is so little to read that the arithmetic, unpacking included, shows. So does the top of the ladder bear one
# more rung? For a text that quotes, it does:

# %% tags=["nbval-ignore-output"]
native, quote, tally = formats["native"], asked["quote"], Tally()
before = timed(stream(native, quote, 32, **greedily))[1]
settings = {"n_draft": 8, "tally": tally, **greedily}
after = timed(speculate(native, quote, 32, PromptLookup(), **settings))[1]
print(f"fast step {before:.0f} tokens a second, with guesses {after:.0f}")
print(f"{tally.tokens_per_pass:.1f} tokens a pass")
assert tally.tokens_per_pass > 1.5

# %% [markdown]
# The remedies of this lesson draw on one reserve, the arithmetic that is idle while weights arrive. A batch uses it up,
# and so do short weights on a slow processor; whoever has both has little left to guess with.
#
# ## Texts that come and go
#
# Back to many texts. A batch as you know it begins together and ends with its longest text; whoever is done early keeps
# the seat and does nothing. Real requests come when they like and end when they like. *Continuous batching* (Yu et al.
# 2022, "Orca") decides anew at every step: who is done leaves, and who waits sits down.
#
# First without a model. Seven requests, some short and some long, three seats:


# %%
def level(rows):
    return [row.ljust(max(map(len, rows)), ".") for row in rows]


def naive_seating(lengths, seats, together):
    """Who sits where in each step, a string for each seat."""
    rows = [""] * seats
    for number, (name, length) in enumerate(zip("ABCDEFG", lengths, strict=True)):
        if together and number % seats == 0:  # the next batch begins when all are done
            rows = level(rows)
        seat = number % seats if together else rows.index(min(rows, key=len))
        rows[seat] += name * length
    return level(rows)


# %%
LENGTHS = [4, 30, 6, 5, 28, 7, 12]
together, apart = (naive_seating(LENGTHS, 3, kind) for kind in (True, False))
for name, rows in (("all wait for the longest", together), ("each leaves", apart)):
    print(f"{name}: {len(rows[0])} steps", *rows, sep="\n  ")
assert all("".join(rows).count("B") == 30 for rows in (together, apart))

# %%
for name, rows in (("together", together), ("apart", apart)):
    seats = "".join(rows)
    print(f"{name}: {seats.count('.') / len(seats):.2f} of the seats are empty")
assert len(apart[0]) < 0.6 * len(together[0])

# %% [markdown]
# Now the real thing. Three difficulties, and each has its answer in what you have: texts of different length stand in
# one rectangle (padding on the left, and `segments` keep it out of sight); a newcomer's prompt must be read first (by
# itself); and caches must be put together and taken apart. The last is `KVCache.aligned`, which sets rows one below the
# other so that they end in one column, and `row`, which takes one out again. Keys know their own positions, so they
# can be moved.


# %%
class Text:
    """A request under way: its tokens, how many are still to come, its own dice and cache."""

    def __init__(self, ids, new, seed):
        self.ids, self.left, self.cache = list(ids), new, None
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, logits):
        drawn = torch.multinomial(logits.softmax(-1), 1, generator=self.generator)
        self.ids.append(int(drawn))
        self.left -= 1


text = Text([EDGE], new=1, seed=3)
text.draw(base(torch.tensor([[EDGE]]))[0, -1])
assert text.ids == generate(base, [EDGE], 1, seed=3)
assert text.left == 0


# %%
def read_prompt(model, text):
    """The newcomer's own pass: its logits, and a cache that it keeps."""
    text.cache = model.new_cache(1, len(text.ids))
    return model(torch.tensor([text.ids]), text.cache)[0, -1]


def one_more_each(model, texts):
    """One pass for all: caches put together, a column added, taken apart again."""
    cache = KVCache.aligned([text.cache for text in texts], n_new=1)
    logits = model(torch.tensor([text.ids[-1:] for text in texts]), cache)[:, -1]
    for row, text in enumerate(texts):
        text.cache = cache.row(row)
    return logits


# %%
pair = [
    Text([EDGE], 2, seed=0),
    Text([EDGE, *base_tokenizer.encode("The old")], 2, seed=1),
]
for text in pair:
    text.draw(read_prompt(base, text))
in_company = one_more_each(base, pair)
for logits, text in zip(in_company, pair, strict=True):
    alone = base(torch.tensor([text.ids]))[0, -1]
    torch.testing.assert_close(logits, alone, rtol=1e-3, atol=1e-3)


# %%
class NaiveEngine:
    """Seats for a few texts; each step gives every seated text one token."""

    def __init__(self, model, seats):
        self.model, self.seats, self.waiting, self.seated = model, seats, [], []

    def step(self):
        old, free = self.seated, self.seats - len(self.seated)
        new, self.waiting = self.waiting[:free], self.waiting[free:]
        logits = [*one_more_each(self.model, old)] if old else []
        logits += [read_prompt(self.model, text) for text in new]
        for text, scores in zip(old + new, logits, strict=True):
            text.draw(scores)
        self.seated = [text for text in old + new if text.left]


nobody = NaiveEngine(base, seats=2)
nobody.step()
assert nobody.seated == []


# %%
BEGINNINGS = ["The", "Once the miller", "A", "In the morning", "Rain", "Why", "Who"]
prompts = [[EDGE, *base_tokenizer.encode(text)] for text in BEGINNINGS]
requests = [*zip(prompts, LENGTHS, range(7), strict=True)]
by_hand = [Text(ids, new, seed) for ids, new, seed in requests]
engine = Engine(base, base_tokenizer, max_batch=3)
answers = [engine.submit(Request(ids, new, seed=seed)) for ids, new, seed in requests]

# %%
ours, steps = NaiveEngine(base, seats=3), 0
ours.waiting = by_hand
while ours.waiting or ours.seated:
    ours.step()
    assert engine.step()
    steps += 1
print(f"{steps} steps, as in the table of seats")
assert steps == len(apart[0])
assert not engine.step()  # the package is done in the same step

# %% [markdown]
# The texts are those of the package, and those that each prompt would have got *alone*: who sits beside you must not
# matter, and each text draws from its own seed.

# %%
for (ids, new, seed), text, answer in zip(requests, by_hand, answers, strict=True):
    alone = generate(base, ids, new, seed=seed)
    assert text.ids == alone
    assert [event.token for event in answer] == alone[len(ids) :]
print(f"{len(requests)} texts: by hand, by the package, alone: equal")

# %% [markdown]
# ### What was read before
#
# One more saving, and the largest one for a chat. Its every turn sends the whole conversation again, so the beginning
# of each prompt has been read already. A key or value depends on nothing behind its token: the cache of a text is also
# the cache of everything that it begins with. The engine keeps what it has read and looks for the longest common
# beginning. Three questions about one text, and count the tokens that go through the model:


# %%
def read_by(engine, requests):
    """Tokens of every pass while requests are answered one after another."""
    return passes_of(base, lambda: [list(engine.submit(one)) for one in requests])


story = [EDGE, *base_tokenizer.encode(corpus.validation[0])][:80]
tails = [
    base_tokenizer.encode(text) for text in (" Who", " Then the king", " In the end")
]
three = [Request([*story, *tail], max_new_tokens=4, seed=0) for tail in tails]

# %%
forgetful = read_by(Engine(base, base_tokenizer, kept_tokens=0), three)
keeping = read_by(Engine(base, base_tokenizer), three)
print("nothing kept:", forgetful)
print("kept:        ", keeping)
assert sum(forgetful) == sum(len(story) + len(tail) + 3 for tail in tails)
assert sum(keeping) == sum(forgetful) - 2 * len(story)

# %% [markdown]
# The first number of each answer is its prompt, then come three passes over one token each. From the second question
# on only the new words are read. In a chat of ten turns that is the difference between reading each word once and
# reading the first of them ten times. The price is memory, the cache of every text that might come back.
#
# > **Where the picture simplifies.**
# > *Every weight is read once a token* forgets the processor's caches: a model of a few megabytes stays in them, and
# > the base model of Ottermere is one. *Memory or arithmetic* is two of three; the third is overhead, hundreds of small
# > operations, and it weighs most where there is least to read. In a mixture of experts a token uses a part of the
# > weights only, so one token reads less, and a batch reads nearly all. Our perplexities compare formats on one kind of
# > text, and the "float32" of the real model had been rounded to 4 bits before we got it. *The same text, whatever is
# > guessed* holds for exact numbers: a pass over five tokens adds up in another order than one over a single one, and
# > where two tokens nearly tie the text may turn. With 4-bit layers, whose products round to bfloat16, that happens.
# > And while a newcomer's prompt is read, everybody else waits; real engines cut long prompts into pieces.
#
# > **At scale.**
# > An H100 brings 3.35 TB/s and computes 990 TFLOP/s in bfloat16 (NVIDIA's figures): 295 operations a byte, where a
# > decode step has one for each row. So some 300 texts must share a reading before such a card has enough to do, and
# > their caches must fit: for GPT-3, 4.7 MB a token, 300 texts of 2,000 tokens are 2.8 TB. Everything follows from that
# > squeeze: shared heads, caches in 8 bits, caches in pages, so that no room is reserved in vain (Kwon et al. 2023,
# > "PagedAttention", found that in older engines only a fifth to two fifths of that memory held tokens), prefill and
# > decode on different machines. Rounding gets smarter: outliers are kept apart (Dettmers et al. 2022), or the rounding
# > errors of one weight are made up for by the next (Frantar et al. 2023, "GPTQ"). Guessers are often small heads on
# > the model itself (Cai et al. 2024, "Medusa"). Leviathan et al. report two to three times the speed for an
# > 11-billion-parameter T5. Training stays dearer than one reply, and cheaper than a year of them (lesson 13).
#
# ## Five questions
#
# Answer before you open.
#
# **1.** You put in a processor with twice the arithmetic and the same memory. One text, float32, one token at a time.
# How much faster does it write? (a) Twice. (b) Hardly. (c) It depends on the temperature.
#
# <details><summary>Open 1</summary>
#
# **(b)**. A step waits mostly for its 538 MB, and these come no sooner. Not (a): with the matrices in the cache the
# products took a fraction of their time, so even free arithmetic would win little. Prompts, though, would be read
# nearly twice as fast. Not (c): temperature divides a list of logits, after all the work is done.
# </details>
#
# **2.** A batch of eight writes five times as many tokens a second as one text. What happened to the reader of one of
# the eight? (a) Gets tokens five times as fast. (b) Waits a little longer for each token. (c) Waits eight times as
# long.
#
# <details><summary>Open 2</summary>
#
# **(b)**. Five times the tokens for eight readers: each gets 5/8 of the speed that one alone would have. Not (a): the
# gain is shared by all. Not (c): that would be eight texts one after another, without any sharing.
# </details>
#
# **3.** A row of weights has one outlier, 28 times the typical weight. Which format suffers most? (a) bfloat16. (b)
# int4 with groups of 32. (c) int4 with one scale a row.
#
# <details><summary>Open 3</summary>
#
# **(c)**. Sixteen codes over a range that one weight has blown up: nearly all others fall on two or three of them. Not
# (a): a floating-point number carries its own scale, its exponent. Not (b), or only in part: 31 neighbours suffer, the
# other groups of the row do not notice.
# </details>
#
# **4.** A guesser's list is q = p: it is as good as the model. How often is a guess kept, and what if it always guesses
# the likeliest token instead of drawing? (a) Always; then sometimes. (b) Always; then always. (c) Half the time.
#
# <details><summary>Open 4</summary>
#
# **(a)**. With q = p the ratio is 1 and every guess stays. Guessing the likeliest means that q has all of its
# probability on one token: it stays with probability p of that token. So drawn guesses are the better ones. Not (b):
# min(1, p/1) is less than 1 unless the model is certain. Not (c): nothing here is a fair coin.
# </details>
#
# **5.** Your prompt begins with the date and time, then come 3,000 tokens of instructions that never change. What does
# that do to the reading of prefixes? (a) Nothing. (b) It ruins it. (c) It makes the texts wrong.
#
# <details><summary>Open 5</summary>
#
# **(b)**. Keys and values depend on everything before them, so only what is equal *from the first token on* can be used
# again, and the time differs at once. Put what changes last. Not (a): the 3,000 tokens are the same as text and
# different as keys and values. Not (c): the engine compares tokens, and reads anew what does not agree.
# </details>

# %% [markdown]
# **What you built**: a bound from two measured speeds, and the passes that stand below it; int8, int4 and the bytes of
# a real file; the price of a bit in nats above the truth; a ladder with the perplexity beside each rung; guessing
# ahead, exact in fractions; an engine whose texts come and go, equal to the package's. And you can say what is loose in
# the overview: a forward pass only, yes; the entire process again, for the weights, not for the text; seconds on one
# GPU, if it fits, and cheap in company.
#
# **Exercise**: the cache is still in float32, 46,080 bytes a token. Round it to int8, one scale for each key and value
# vector, in a subclass of `KVCache` whose `append` stores codes and gives back numbers. What does the perplexity say?
# And does a step behind 8,000 tokens get faster? Predict first: where would the unpacking have to happen?
#
# **Graded questions**, with checks that name the mistake:
# [exercise 12](../exercises/12_inference_engine/12_inference_engine.ipynb).
#
# **Next**: lesson 13, where the same accounting is turned on training: what a run costs before you start it, and what
# loss it will reach.
