# %% [markdown]
# # 06 lab · Reading and operating: four experiments on the stream
#
# In lesson 06 all of SmolLM2 ran on your code. Here we ask what its 61 writes are for, and what they cost. We hold two
# famous ways of looking inside a model, the logit lens and direct logit attribution, up to experiments that can
# contradict them. Each section is told like a short paper: the claim, what would refute it, the method, the controls,
# the result, the verdict.
#
# **Time**: 45 minutes. **Before you start**: lesson 06. Slow measurements load `benchmarks/results/lens.json`; `python
# benchmarks/lens.py` remakes it.

# %%
import math

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minillm.analysis.lens import logit_lens
from minillm.config import ModelConfig
from minillm.course import mine, predict, predict_number, stack
from minillm.losses import next_token_loss
from minillm.model import accounting
from minillm.model.transformer import Transformer
from minillm.viz import figures
from minillm.viz.figures import bars, lines, show

stored = stack.results("lens")
model, tokenizer = mine.smollm2()

# %% [markdown]
# ## 1. Does the model decide in its last blocks?
#
# **Claim**. "Put the last norm and the head on the stream after block k, and you see what the model would say if it
# stopped there. So you can watch it decide." This is the [logit lens](../teaching/glossary.md#l) (nostalgebraist 2020).
# Here is what it shows after "The capital of France is":

# %% tags=["nbval-ignore-output"]
PROMPT = "The capital of France is"  # change this
depths = [0, 4, 8, 12, 16, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30]
read = logit_lens(model, stack.ids_of(PROMPT)[None])[depths, 0].softmax(
    -1
)  # (depths, T, V)
chance, best = read.max(-1)
said = [[tokenizer.decode([id]) for id in row] for row in best.tolist()]
show(
    figures.logit_lens(
        said, chance, stack.tokens_of(PROMPT), layers=[str(d) for d in depths]
    ),
    title="After 'is', the lens reads Paris at the very end",
    alt=f"The likeliest token by the lens, at each token and depth. After the last token: {[row[-1] for row in said]}.",
)

# %% [markdown]
# A row is a depth, a column a token. By the lens, *Paris* comes with the very last block.
#
# **Refuted if** the vector of the last token, taken after *fewer* blocks and put into a run about another country,
# already brings its own capital with it.
#
# **Method**. *Activation patching*: run "The capital of Italy is" and keep its stream. Run "The capital of France is",
# and after k blocks replace one token's vector by Italy's. If now *Rome* comes out, then what makes the answer was in
# that vector at that depth, whether the lens can read it or not. Forty pairs of countries, drawn at random among those
# whose capital the model knows.

# %%
switch = predict_number(
    "From how many blocks on does swapping the last token's vector swap the answer, in most pairs?",
    unit="blocks",
)

# %%
capitals = stored["patching"]["capitals"]
by_pair = sorted(each for each in capitals["last"]["switches"] if each is not None)
switch.answer(by_pair[len(by_pair) // 2])
for depth in (20, 22, 23, 24, 25, 26, 30):
    print(
        f"swapped after {depth} blocks: {capitals['last']['donor'][depth]:2} of {capitals['last']['of']} pairs"
    )

# %% [markdown]
# **Controls**. The same at the country's own token. A vector from an unrelated sentence, and noise of the same norm, to
# see what *any* damage does. Other relations. And the lens over the same countries, asked less: not "is *Paris* first
# of 49,152 tokens?" but "is *Paris* ahead of the other known capitals?"

# %%
n, seen = capitals["last"]["of"], stored["lens"]["capitals"]
print(
    f"lens after 24 blocks: {seen['right of the known'][24]} of {seen['known']} countries"
)
share = {
    "last token swapped": [hits / n for hits in capitals["last"]["donor"]],
    "country swapped": [hits / n for hits in capitals["subject"]["donor"]],
    "lens, first of all": [hits / seen["known"] for hits in seen["likeliest of all"]],
    "lens, first of capitals": [
        hits / seen["known"] for hits in seen["right of the known"]
    ],
}
show(
    lines(share, "after so many blocks", "share of pairs or countries", ylim=(0, 1)),
    title="What decides has moved to the last token long before the lens can read it",
    alt="Swapping the last token does nothing up to 23 blocks and nearly everything from 24 or 25 on. Swapping the "
    "country does the opposite. The two lens curves rise several blocks later.",
)

# %%
for control in ("last, another sentence", "last, noise"):
    kept = capitals[control]["receiver"]
    print(
        f"{control}: own capital kept in {kept[10]}, {kept[20]}, {kept[24]}, {kept[28]} of {n} at 10, 20, 24, 28"
    )
for name, found in stored["patching"].items():
    if "last" in found:
        hits = found["last"]["donor"]
        first = next(
            depth for depth, hit in enumerate(hits) if hit > found["last"]["of"] / 2
        )
        print(
            f"{name}: {found['known']} known; half of the pairs swapped after {first} blocks"
        )

# %%
stack.PatchExplorer("The capital of France is", "The capital of Italy is", " Rome")

# %% [markdown]
# **Result**. After 23 blocks, swapping the last token changes no answer at all; after 24, it changes 38 of 40. At the
# country it's the other way round: 37, then 0. The lens, meanwhile, picks the right one of 71 capitals for 3 of 72
# countries after 24 blocks, where guessing picks one, and for 26 after 29.
#
# Two controls say more. A vector from an unrelated sentence removes the country's own answer from about 13 blocks on;
# noise removes it at any depth. So the last token holds something that the answer needs long before block 23. Swapping
# vectors between two prompts can't show what both share, such as that a capital is wanted. And the relations differ.
# Languages behave like capitals. With opposites, the lens is in time: after 23 blocks it has 14 of 28, and the swap 20
# of 40. Past tenses have no single depth: 0 of 40 after 20 blocks, 20 after 25, 40 after 30.
#
# **Verdict**. Refuted, for capitals and languages. What decides *which* capital reaches the last token in block 23, and
# the lens sees it five or six blocks later. If a lens shows an answer, it's there. If it doesn't, you know nothing. A
# *tuned* lens, with a translator trained for each depth, sees earlier ([Belrose et al.
# 2023](https://arxiv.org/abs/2303.08112)). Then part of the answer may be the translator's.

# %% [markdown]
# ## 2. Which write makes it say Paris?
#
# **Claim**. "A logit is a sum over the writes, so you can see which part of the model said it." This is *direct logit
# attribution*, and for "The capital of France is" it names the last feed-forward networks.
#
# **Refuted if** the same sum, with a fairer question, names another part.
#
# **Method**. After the last norm, a logit is a dot product with a row of the head. The norm divides all writes by one
# number; hold that fixed, and each of the 61 writes has its own share. But a share of what? Only differences of logits
# mean something. So: the right capital **minus what**? One choice is a common word, *the*. Another is the mean of all
# the other capitals.

# %%
part = predict(
    "Right capital minus the mean of the other capitals: which write adds most?",
    ["the last feed-forward network", "an attention near block 23", "the embedding"],
)

# %%
by_reference = stored["attribution"]
largest = max(by_reference["other capitals"]["writes"], key=lambda row: row["mean"])[
    "write"
]
part.answer(
    part.choices[
        1 if largest.startswith("attention") else 2 if largest == "embedding" else 0
    ]
)
for reference in ("the", "other capitals"):
    ranked = sorted(by_reference[reference]["writes"], key=lambda row: -row["mean"])[:5]
    told = ", ".join(f"{row['write']} {row['mean']:+.1f}" for row in ranked)
    print(f"minus {reference}: {told}")

# %%
names, means, errors = [], [], []
for row in sorted(by_reference["the"]["writes"], key=lambda row: -row["mean"])[:6]:
    for reference in ("the", "other capitals"):
        of = next(
            each
            for each in by_reference[reference]["writes"]
            if each["write"] == row["write"]
        )
        names.append(f"{row['write']}, minus {reference}")
        means.append(of["mean"])
        errors.append(of["spread"])
show(
    bars(
        names,
        means,
        f"added to the logit; mean of {by_reference['countries']} countries ± their spread",
        1,
        errors=errors,
    ),
    title="Take other capitals as the reference, and the late peaks shrink",
    alt="; ".join(
        f"{name} {mean:.1f}" for name, mean in zip(names, means, strict=True)
    ),
)

# %% [markdown]
# **Controls**. 72 countries, with their spread. And another method: the attention of block 23 is where patching saw the
# capital arrive, and without that block the model names none of 20.
#
# **Result**. Against *the*, the feed-forward of block 28 leads with +5.3. Against other capitals, it's +0.6: it
# separates capitals from *the*, and hardly one from another. For the attention of block 23, the reference changes
# little: +4.9 and +4.6.
#
# **Verdict**. True as arithmetic, and it answers the question that you asked. "Which part said *Paris*?" has no answer
# until you say *rather than what*. The shares are exact sums, with the last norm held fixed. They don't say what
# happens without a part, since all later writes would change.

# %% [markdown]
# ## 3. What is START's long vector for?
#
# **Claim**. "The first token's vector grows to a size of 20,000, and the model needs it: it's a place for heads to look
# at when they have nothing to say" (*massive activations*, Sun et al. 2024; *attention sinks*, Xiao et al. 2023).
#
# **Refuted if** the feed-forward that makes it long matters no more at START than at another token.
#
# **Method**. Leave out what one feed-forward network writes, **only at START**, or only at all other tokens; for each
# of the 30, on six texts.

# %%
where = predict(
    "The feed-forward of block 11 is silenced at START only. The loss rises by, in nats per token, about",
    ["0.02: one token of a hundred", "0.2", "2"],
)

# %%
first = stored["first token"]
rise = first["removed"][11]["first"]["mean"]
where.answer(where.choices[0 if rise < 0.06 else 1 if rise < 0.7 else 2])
curves = {
    "silent at START": [row["first"]["mean"] for row in first["removed"]],
    "silent elsewhere": [row["others"]["mean"] for row in first["removed"]],
}
show(
    lines(curves, "feed-forward network of block", "added loss, nats per token"),
    title="Blocks 2 and 11 work at the first token",
    alt=f"At START only, block 11 costs {rise:.2f}; at all other tokens far less.",
)
elsewhere = first["removed"][11]["others"]["mean"]
print(
    f"block 11 silent at START: {rise:+.2f} nats; at all other tokens: {elsewhere:+.2f}"
)
print(
    "norm at START by depth: ",
    *(f"{norm:,.0f}" for norm in first["norm, first token"][::3]),
)
print(
    "norm elsewhere by depth:",
    *(f"{norm:,.0f}" for norm in first["norm, other tokens"][::3]),
)

# %% [markdown]
# **Controls**. The same silence at one *other* token, at five places. Texts without START, which begin with a word:

# %%
others = first["one other token"]
print(
    "silent at one other token:",
    {at: round(row["mean"], 3) for at, row in others.items()},
)
words = [max(norms) for norms in first["norm, first word without the token"]]
print(
    "largest norm of the first word, without START:",
    *(f"{norm:,.0f}" for norm in words),
)

# %% [markdown]
# **Result**. Silent at START, block 11 costs 1.8 nats; silent at all the others together, 0.1; at one other token, at
# most 0.01. Block 2, which begins the climb, is similar: 1.6 and 0.2. And it isn't about START itself: in texts without
# it, the first word's vector gets as long, in 6 of 6 texts.
#
# **Verdict**. The long vector is needed; what for isn't shown here. In the [lab of lesson
# 04](04_attention_lab.ipynb#4.-Attention-sinks), hiding START from all heads cost 0.4 nats, on six other texts. So a
# missing START does less harm than one of ordinary length. One explanation: a hidden token takes no weight and writes
# nothing, a short one takes its weight and does write. That's a hypothesis. Which experiment could refute it?

# %% [markdown]
# ## 4. Can you know the price before you run it?
#
# **Claim**. "Parameters, operations, memory and even the first loss follow from the sizes alone."
#
# **Refuted if** a formula with nothing but sizes misses a count by a single parameter or operation, or the measured
# memory or first loss by more than 5%.
#
# **Method**. Per block, queries and outputs have C · C weights each, keys and values C · K · D, the feed-forward three
# times C · F, and two norms C. Then the table, V · C, which is also the head, and the last norm. Predict SmolLM2's
# number before you compute it: C = 576, K · D = 192, F = 1,536, L = 30, V = 49,152.

# %%
tables = predict_number(
    "What share of SmolLM2's parameters is its table of tokens?", unit="percent"
)


# %%
def parameters_of(c):
    attention = (
        2 * c.d_model * c.n_heads * c.d_head + 2 * c.d_model * c.n_kv_heads * c.d_head
    )
    each = attention + 3 * c.d_model * c.d_ff + 2 * c.d_model
    return c.vocab_size * c.d_model + c.n_layers * each + c.d_model


c = model.config
counted = sum(parameter.numel() for parameter in model.parameters())
tables.answer(round(100 * c.vocab_size * c.d_model / counted, 1))
print(f"predicted {parameters_of(c):,}, counted {counted:,}")
with torch.device("meta"):  # tensors with a shape and no numbers cost nothing
    gpt3 = Transformer(ModelConfig.preset("gpt3"))
in_gpt3 = sum(parameter.numel() for parameter in gpt3.parameters())
print(
    f"GPT-3: predicted {accounting.count_parameters(gpt3.config):,}, counted {in_gpt3:,}"
)


def share_of(network, part):
    own = [
        tensor.numel() for name, tensor in network.named_parameters() if part in name
    ]
    return sum(own) / sum(tensor.numel() for tensor in network.parameters())


kinds = {
    "feed-forward": "feedforward.",
    "attention": "attention.",
    "tables": "embedding",
}
parts = ", ".join(f"{name} {share_of(gpt3, kind):.3f}" for name, kind in kinds.items())
print(f"GPT-3: {parts}")

# %% [markdown]
# **Controls**. Three more prices, each by a formula and by a measurement that knows nothing of it: torch counts
# operations, autograd shows what it keeps for the backward pass, and an untrained model is asked for its loss. A model
# that knows nothing gives each of V tokens 1/V, so its loss should be ln V, and its logits' own variance, C · 0.02²,
# costs half of that more. Choose the sizes:

# %%
SIZES = dict(
    vocab_size=1024, d_model=128, n_layers=4, n_heads=4, max_seq_len=128
)  # change this


def kept_by_autograd(network, ids):
    """Bytes that wait for the backward pass, without the model's own weights."""
    own, kept = {one.untyped_storage().data_ptr() for one in network.parameters()}, {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if tensor.is_floating_point() and tensor.dim():
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        next_token_loss(network(ids[:, :-1]), ids[:, 1:])
    return sum(storage.nbytes() for place, storage in kept.items() if place not in own)


# %%
torch.manual_seed(0)
small = Transformer(ModelConfig(**SIZES, tie_embeddings=False))
T, V, C = 64, SIZES["vocab_size"], SIZES["d_model"]
with (
    FlopCounterMode(display=False) as counter,
    sdpa_kernel(SDPBackend.MATH),
    torch.no_grad(),
):
    small(torch.zeros(1, T, dtype=torch.long))
hidden = (
    4 * SIZES["n_layers"] * C * (T * (T - 1) // 2)
)  # pairs above the diagonal, computed and thrown away
flops = accounting.count_flops(small.config, T) + hidden
losses = []
for seed in range(5):
    torch.manual_seed(seed)
    fresh, drawn = (
        Transformer(ModelConfig(**SIZES, tie_embeddings=False)),
        torch.randint(V, (16, 65)),
    )
    with torch.no_grad():
        losses.append(next_token_loss(fresh(drawn[:, :-1]), drawn[:, 1:]).item())
expected = math.log(V) + C * 0.02**2 / 2

# %% tags=["nbval-ignore-output"]
memory = accounting.training_memory(small.config, 8, T)["activations"]
kept = kept_by_autograd(small, torch.randint(V, (8, T + 1)))
print(
    f"operations for {T} tokens: predicted {flops:,}, counted {counter.get_total_flops():,}"
)
print(
    f"activations of 8 texts: predicted {memory / 1e6:.1f} MB, measured {kept / 1e6:.1f} MB"
)
print(
    f"first loss: predicted {expected:.2f}, measured {sum(losses) / 5:.2f} (five seeds)"
)

# %% tags=["test", "nbval-ignore-output"]
assert parameters_of(c) == counted
assert flops == counter.get_total_flops()
assert abs(kept / memory - 1) < 0.05
assert abs(sum(losses) / 5 - expected) < 0.03

# %% [markdown]
# **Result**. Parameters and operations agree to the last digit; activations and the first loss within a few percent.
# GPT-3's paper says 3.14 · 10²³ operations for 300 billion tokens. Take the same formula three times, once for the
# forward pass and twice for the backward pass, and it gives

# %%
training = 3 * 300e9 / 2048 * accounting.count_flops(gpt3.config, 2048)
print(f"{training:.2e} operations, {training / 3.14e23 - 1:+.1%} from the paper's")

# %% [markdown]
# **Verdict**. True. You can price a model on a napkin: 2 operations per weight and token forward, 6 in training; four
# numbers per weight, which are the weight, its gradient and two averages of the optimizer; and activations that grow
# with the batch. Time is another matter: it depends on where the numbers have to travel (lesson 12).
#
# A first loss far above ln V often means that weights start too large. One *below* it is rarer: an untrained model with
# a head of its own can't predict anything, leak or not. Two ways to get there are trained weights that were loaded by
# mistake, and a tied head with targets that aren't shifted, since it favors the token that it just read.

# %% [markdown]
# ## What you measured
#
# - Reading a stream with the lens and patching it disagree about *when*, by five or six blocks, for two of four
#   relations.
# - A logit's share depends on the reference. Change it, and the largest write shrinks to a ninth.
# - One feed-forward network works mostly for one token, and the whole model needs it.
# - Parameters, operations, memory and the first loss follow from the sizes; time doesn't.
#
# **Next**: a pair of prompts of your own in `PatchExplorer`, with equally many tokens. Put more words between the
# country and the question: does it still switch at block 23?
