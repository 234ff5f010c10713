# %% [markdown]
# # 12 lab · Write the kernel
#
# "A step reads its weights once, so speed is bandwidth over bytes." Lesson 12 begins with that bound. If nothing else
# counted, fewer bytes would always be faster, and a clever program would have nothing to gain. Here you write the
# innermost loop yourself, in C, and find out what else counts.
#
# **Time**: 40 minutes. **Before you start**: lesson 12. No C needed: each loop is four to ten lines, and the first one
# is given.
#
# You need a C compiler: on Linux `gcc`, on macOS `xcode-select --install`, anywhere `pip install ziglang` (on Windows,
# we haven't tried that). Without one, every cell still runs, and the ladder is read from `python benchmarks/kernel.py`,
# where that has been run.

# %%
from minillm.course import kernel_lab, predict
from minillm.course.choices import stored
from minillm.course.kernel_lab import Rung, ready, your_kernel
from minillm.viz.figures import grouped_bars, show

# %% [markdown]
# ## C that may crash
#
# A row of a matrix times a vector: that's nearly all a decode step does, 135 million weights long. The first loop is
# yours to break: run it, then try 2L, since not every wrong index crashes. `const float *w` is where the row begins in
# memory, `w[i]` its number i, and nothing checks that i is inside.

# %% tags=["nbval-ignore-output"]
broken = your_kernel(  # change me: the 100000000L
    "dot",
    r"""
float dot(const float *w, const float *x, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i * 100000000L] * x[i];
    return sum;
}
""",
)

# %% [markdown]
# In Python, that's an IndexError. In C, the process reads memory that isn't its own, and the system ends it. Had it run
# in this notebook, your variables would be gone. So each kernel of yours is compiled and runs in a child process. It
# gets small arrays, and its answers are compared with the readable form before anything is timed.

# %% [markdown]
# ### Your turn: a row times a vector
#
# Return the sum of `w[i] * x[i]` for i from 0 to n - 1.

# %% tags=["nbval-ignore-output"]
dot = your_kernel(
    "dot",
    r"""
float dot(const float *w, const float *x, int n) {
    ...
}
""",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```c
# float dot(const float *w, const float *x, int n) {
#     float sum = 0;
#     for (int i = 0; i < n; i++)
#         sum += w[i] * x[i];
#     return sum;
# }
# ```
#
# </details>

# %% [markdown]
# The ladder multiplies 120 matrices in the shapes of SmolLM2's 30 layers: 106 million weights, without the head. Their
# numbers are random, which doesn't change the time. Rung 1 and rung 2 are the same C. For rung 1
# the compiler does little, `-O1`. For rung 2 it may use the wide registers of your processor, which hold 4 to 16
# numbers.
# *Bound* is what a plain sum over the same bytes takes.

# %% tags=["nbval-ignore-output"]
PLAIN, FAST = "1 float32, plain", "2 float32, optimized"
first = kernel_lab.ladder([Rung(PLAIN, dot, ("-O1",)), Rung(FAST, dot)], control=False)

# %% [markdown]
# ## Four bits
#
# The file on disk holds each weight in 4 bits. Here's a block of 32 weights of a row, 24 bytes in place of 128:
#
# ```c
# typedef struct {
#     float scale, low;     // weight i is low + scale * code i
#     uint8_t codes[16];    // byte i: code i in the lower half, code i + 16 in the upper half
# } Block;
# ```

# %%
bytes_less = predict(
    "Rung 3 reads 5.3 times fewer bytes than rung 2. Which is it?",
    ["faster", "about as fast", "slower"],
)

# %% [markdown]
# ### Your turn: unpack on the way
#
# `dot4` gets a row as `blocks` blocks, and x with 32 numbers per block. Return the same sum as before. A byte's lower
# half is `byte & 15`, its upper half is `byte >> 4`.

# %% tags=["nbval-ignore-output"]
dot4 = your_kernel(
    "dot4",
    r"""
float dot4(const Block *w, const float *x, int blocks) {
    ...
}
""",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```c
# float dot4(const Block *w, const float *x, int blocks) {
#     float sum = 0;
#     for (int b = 0; b < blocks; b++, x += 32) {
#         float codes = 0, all = 0;
#         for (int i = 0; i < 16; i++) {
#             codes += (w[b].codes[i] & 15) * x[i] + (w[b].codes[i] >> 4) * x[i + 16];
#             all += x[i] + x[i + 16];
#         }
#         sum += w[b].scale * codes + w[b].low * all;
#     }
#     return sum;
# }
# ```
#
# </details>

# %% tags=["nbval-ignore-output"]
FOUR = "3 4 bits, row by row"
second = kernel_lab.ladder([Rung(FAST, dot), Rung(FOUR, dot4)], control=False)
if verdict := kernel_lab.compared(second, FOUR, FAST):
    bytes_less.answer(verdict)

# %% [markdown]
# Cutting a byte in two, turning the halves into floats and placing them is work, for each weight and each token. What
# can a kernel do about it?
#
# ### Your turn: whole numbers only
#
# Round the vector to 8 bits, too, as your `quantize` does with a row. Then the inner loop multiplies small whole
# numbers, and processors have instructions that do 32 or 64 of these at once. The scales come in once per row, outside.
# Return the sum of `w[i] * x[i]`, which is exact.

# %% tags=["nbval-ignore-output"]
dot8 = your_kernel(
    "dot8",
    r"""
int dot8(const int8_t *w, const int8_t *x, int n) {
    ...
}
""",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```c
# int dot8(const int8_t *w, const int8_t *x, int n) {
#     int sum = 0;
#     for (int i = 0; i < n; i++)
#         sum += w[i] * x[i];
#     return sum;
# }
# ```
#
# </details>

# %% [markdown]
# ## 1. What decides: the memory?
#
# **Claim**. "A step reads its weights once, so speed is bandwidth over bytes."
#
# **Refuted if** a rung that reads fewer bytes is slower; or if a rung takes as long when its weights needn't come from
# memory at all.
#
# **Method**. All products of one token, on one thread, the rungs in turns. Shown is the best tenth of the steps. Rung 5
# keeps the 4 bits but lays 16 rows side by side, so that one instruction works on all 16; it's given.
#
# **Controls**. *One layer again and again*: the same products, but with the matrices of layer 0 in all 30 places. They
# stay in the processor's cache if it holds 14 MB, so the memory has nothing to do, and the arithmetic is the same. *A
# plain sum* over the same bytes. Each kernel's result is compared with the readable form first.

# %%
cached = predict(
    "One layer again and again: on which rung does that help least?",
    ["2 float32", "3 4 bits, row by row", "4 8 bits"],
)

# %% tags=["nbval-ignore-output"]
EIGHT, SIDE = "4 8 bits, whole numbers", "5 4 bits, 16 rows at once"
rungs = [
    Rung(FAST, dot),
    Rung(FOUR, dot4),
    Rung(EIGHT, dot8),
    Rung(SIDE, ready("rows16")),
]
rows = kernel_lab.ladder(rungs)
waited = {name: kernel_lab.share_waited(row) for name, row in rows.items()}
if waited:
    least = min([FAST, FOUR, EIGHT], key=waited.get)
    cached.answer(next(each for each in cached.choices if least.startswith(each)))
for name, share in waited.items():
    print(f"{name:31} the memory costs {share:4.0%} of its time")

# %% tags=["nbval-ignore-output"]
if rows:
    kinds = {"from memory": "own", "one layer again": "same", "plain sum": "bound"}
    pairs = {kind: [row[key] for row in rows.values()] for kind, key in kinds.items()}
    show(
        grouped_bars(
            pairs, [name[2:] for name in rows], "milliseconds per token", digits=0
        ),
        title="Where the first two bars are alike, the memory doesn't decide",
        alt=str({name: round(row["own"], 1) for name, row in rows.items()}),
    )

# %% [markdown]
# **Result**. Read your own table: your compiler and processor decide it. If rung 3 is slower than rung 2, the claim is
# refuted there, since it reads 5.3 times fewer bytes. And where *one layer again* takes as long as *from memory*, a
# faster memory would win nothing. `benchmarks/kernel.py` repeats the ladder in ten rounds, with the interval of each
# ratio.
#
# **Verdict**: half true. The bound holds: apart from noise, no rung beats a plain sum. But it only decides where the
# arithmetic keeps up, and that's a property of the kernel, not of the model. Bytes limit the speed; the rest is how you
# unpack them.

# %% [markdown]
# ### Make it faster
#
# Change rung 3 until it passes rung 2. Some ideas: two loops in place of one, first all lower halves, then all upper
# ones. A local array of 32 floats that is filled first. The sum of x, computed once per block outside. Or other flags.

# %% tags=["nbval-ignore-output"]
mine4 = your_kernel(  # change me
    "dot4",
    r"""
float dot4(const Block *w, const float *x, int blocks) {
    float sum = 0;
    for (int b = 0; b < blocks; b++, x += 32) {
        float low = 0, high = 0, all = 0;
        for (int i = 0; i < 16; i++)
            low += (w[b].codes[i] & 15) * x[i];
        for (int i = 0; i < 16; i++)
            high += (w[b].codes[i] >> 4) * x[i + 16];
        for (int i = 0; i < 32; i++)
            all += x[i];
        sum += w[b].scale * (low + high) + w[b].low * all;
    }
    return sum;
}
""",
)
tuned = kernel_lab.ladder([Rung(FAST, dot), Rung(FOUR, dot4), Rung("my own", mine4)])

# %% [markdown]
# ## The whole step, beside llama.cpp
#
# Rungs 4 and 5 can be joined: 4 bits, 16 rows side by side, and an input that's rounded to whole numbers. Around these
# products, the package writes the norms, attention and head in C, too: `minillm/inference/native.c`, to be read from
# top to bottom. `benchmarks/decode.py` lets it race with two well-known engines, in turns, on two threads. All read the
# same file of SmolLM2 in 4 bits, and *transformers* unpacks it.

# %%
race = predict(
    "How fast is the step in C, beside llama.cpp with the same file?",
    ["less than half as fast", "about as fast", "more than twice as fast"],
)

# %%
decode = stored("decode")
once = decode["ratios"]["over llama_cpp Q4_1"]
race.answer(race.choices[0 if once < 0.5 else 2 if once > 2 else 1])
print(f"{'tokens per second':>50}  of the bound  perplexity")
for row in decode["rows"]:
    speed, share = row["tokens_per_second"], row["share_of_bandwidth"]
    perplexity = f"{row['perplexity']:.3f}" if row["perplexity"] else "not measured"
    print(f"{row['contestant']:34} {speed:15.0f} {share:13.0%}  {perplexity:>10}")

# %% [markdown]
# Each `+` adds one change to the row above. Fewer bytes bring 25 tokens per second to 90, and better programs for the
# nearly the same bytes (5% fewer, in the head) bring 90 to 386. That's the verdict above in one table. It's one
# machine, an AMD EPYC with two cores, the best of three rounds, and one shape of model. llama.cpp runs hundreds of
# models on nearly every machine; this step runs Llama's shape. Which part of it makes the difference, we haven't
# measured.

# %% [markdown]
# > **Where the picture simplifies.** One thread; no head, no attention, no norms. The matrices are random, in SmolLM2's
# > shapes. Real kernels for 4 bits use instructions by name (`vpdpbusd` on recent x86, `sdot` on ARM), which we left to
# > the compiler. The 8-bit rung reads more than the 4-bit ones, so it isn't the end of the ladder.

# %% [markdown]
# **Next**: [attention that never writes its table](12_inference_engine_tiles_lab.ipynb), where the slow
# memory is a GPU's.
