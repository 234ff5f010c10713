# %% [markdown]
# # 06 · The transformer: a sum that is written block by block
#
# **You will build** a whole transformer from the package's parts, which lessons 02 to 05 have opened, pour the weights
# of a real model into it and get the real model's answers. Then you price it before you run it, and watch an answer
# come into being.
#
# **The claim**: a transformer is one running sum. Every block reads a copy of it and adds to it, and from this follow
# the norms, the first numbers the weights are given, the price, and a way to look inside. Each of these you will first
# predict with a formula and then measure. One famous way of looking, the *logit lens*, will turn out to show less than
# it seems to.
#
# **Time**: 70 minutes; the cells themselves run in about half a minute.
#
# **Before you start**: lesson 00a. Attention and the feed-forward network are used here as finished parts; lessons 04
# and 05 open them. From statistics you need one rule: the variance of a sum of independent numbers is the sum of their
# variances.

# %%
import inspect
import math

import torch
from ipywidgets import IntSlider
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minillm.analysis import lens
from minillm.analysis.tracing import trace
from minillm.config import ModelConfig
from minillm.losses import next_token_loss
from minillm.model import accounting
from minillm.model.accounting import count_flops, count_parameters
from minillm.model.attention import MultiHeadAttention
from minillm.model.embedding import TokenEmbedding
from minillm.model.feedforward import FeedForward
from minillm.model.norm import LayerNorm, RMSNorm
from minillm.model.position import rotary_angles
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.viz.explorer import Explorer
from minillm.viz.figures import grouped_bars, lines, logit_lens, model_sketch, show
from minillm.viz.figures.style import BLUE, ORANGE, SKY, in_style, new_panels, visible

# %% [markdown]
# ## The residual stream
#
# Why not simply put layer on layer, each one taking the last one's output and making something new of it? People did,
# and past some twenty layers it got worse instead of better, even on the training data (He et al. 2015). A deep stack
# must carry what it knows through every layer, and every layer has to learn how to let it pass.
#
# The way out is to let it pass by itself. Each token has one vector of C numbers, its *residual stream*. A part of the
# model **reads** a copy of it, and what it finds it **adds**. Nothing is ever replaced. Here is the real model with its
# own numbers; follow the grey line from bottom to top:

# %%
model, tokenizer = load("smollm2-135m-instruct")
model.requires_grad_(False)  # this one is only read; the small ones below get gradients
c = model.config
shape = ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head")
sizes = {name: getattr(c, name) for name in shape}
show(
    model_sketch(
        **sizes, d_ff=c.d_ff, norm=c.norm, activation=c.activation, position=c.position
    ),
    alt=f"The model as one vertical line, the stream. In each of {c.n_layers} blocks, attention and feed-forward "
    "branch off through a norm and come back at a plus sign.",
)

# %% [markdown]
# To see that this is the whole truth, walk the stream by hand and keep every vector that is added. (`rotary_angles`
# tells attention where each token stands; lesson 03.)

# %%
START = tokenizer.special_tokens["<|endoftext|>"]


def read(text):
    """The text as ids, with the mark in front that says: a new text begins here."""
    return torch.tensor([[START, *tokenizer.encode(text)]])


# %%
prompt = read("The capital of France is")
assert tokenizer.decode(prompt[0, 1:].tolist()) == "The capital of France is"
print(prompt.tolist())


# %%
def naive_writes(model, ids):
    """All that is ever written to the stream: the embedding, then two writes a block."""
    settings = dict(
        is_causal=True,
        angles=rotary_angles(torch.arange(ids.shape[1]), c.d_head, c.rope_theta),
    )
    writes = [model.embedding(ids)]
    for block in model.blocks:
        writes.append(block.attention(block.attention_norm(sum(writes)), **settings))
        writes.append(block.feedforward(block.feedforward_norm(sum(writes))))
    return torch.stack(writes)


# %%
writes = naive_writes(model, prompt)
print("writes, texts, tokens, numbers:", tuple(writes.shape))
assert len(writes) == 2 * c.n_layers + 1

# %% [markdown]
# 2L + 1 = 61 writes. Is their sum all that the head gets to see? The package has a tool that runs the *real* forward
# pass and keeps what goes by, `trace`. We hold our 61 vectors against it, and then the logits against the model's.

# %%
seen = trace(model, prompt, weights=False)
torch.testing.assert_close(writes[1::2], seen.attention, rtol=1e-3, atol=1e-2)
torch.testing.assert_close(writes[2::2], seen.feedforward, rtol=1e-3, atol=1e-2)
torch.testing.assert_close(writes.sum(0), seen.stream[-1], rtol=1e-3, atol=1e-2)
torch.testing.assert_close(
    model.head(model.final_norm(writes.sum(0))), model(prompt), rtol=1e-3, atol=1e-2
)

# %% [markdown]
# This is what the package does in each block. Two lines, and both begin with `x +`:

# %%
print(inspect.getsource(type(model.blocks[0]).forward))

# %% [markdown]
# A sum can be taken apart. After the last norm a logit is a dot product, so each write has its own share in it, and
# the shares add up exactly. We ask: who lifted *Paris* over *the*? (The norm divides all writes by one common number;
# we take the one that was really used. This is called *direct logit attribution*.)


# %%
def shares_of_logit(writes, right, wrong):
    """What each write at the last token adds to the lead of `right` over `wrong`."""
    stream = writes.sum(0)[0, -1]
    scale = model.final_norm.weight * (stream.square().mean() + c.norm_eps).rsqrt()
    direction = model.head.weight[right] - model.head.weight[wrong]
    return (writes[:, 0, -1] * scale) @ direction


# %%
paris, the = (tokenizer.encode(word)[0] for word in (" Paris", " the"))
shares = shares_of_logit(writes, paris, the)
logits = model(prompt)[0, -1]
torch.testing.assert_close(
    shares.sum(), logits[paris] - logits[the], rtol=1e-3, atol=1e-2
)

# %%
attention, feedforward = shares[1::2], shares[2::2]
blocks = list(range(1, c.n_layers + 1))
show(
    lines(
        {"attention": attention, "feed-forward": feedforward},
        "block",
        "added to the lead of Paris",
        x=blocks,
    ),
    alt=f"What each block adds to the lead of Paris over the, {shares.sum():.1f} in all. Up to block 23 no write adds "
    f"as much as 1, and some take away up to {-feedforward[:23].min():.1f}; the attention of block 24 adds "
    f"{attention[23]:.1f}, the feed-forward of 29 {feedforward[28]:.1f} and of 30 {feedforward[29]:.1f}.",
)
assert attention.argmax() == 23
assert feedforward.argmax() == 28
assert max(attention[:23].max(), feedforward[:23].max()) < 1

# %% [markdown]
# Among the attentions one write stands out, that of block 24: it is the first large push of all. Of the feed-forward
# networks the last two push most. Read this with care: it says where the push came from. That the answer was *fetched*
# in block 24 is a guess so far, since a later write may only repeat what an earlier one said in another form. At the
# end we test it by experiment.
#
# > **A common mistake.** "The blocks are added up, so their order does not matter." The *sum* has no order. But each
# > write was computed from the sum so far: swap two blocks and every write after them is another one.
#
# ## Norms: why each part reads a normalised copy
#
# If a part adds something about as large as what it reads, the variance of the stream doubles with every write, and
# 2L writes make it 2^(2L) times as large: its size grows as 2^L. If it reads a copy brought to size 1, each write has
# size 1, the variance grows by 1 a write, and the size is √(1 + 2L). For 30 blocks: a billion, or 7.8. ("Size" is the
# root mean square of the numbers throughout this lesson.) Try it, with a random matrix as each part:


# %%
def rms(x):
    return x.square().mean(-1, keepdim=True).sqrt()


def stream_of_matrices(normalise, n_writes=60, width=256):
    """The size of a stream after writes of a random matrix times what is read."""
    torch.manual_seed(0)
    x = torch.randn(64, width)
    for _ in range(n_writes):
        # Divided so, it keeps the size of what it multiplies.
        matrix = torch.randn(width, width) / math.sqrt(width)
        x = x + (x / rms(x) if normalise else x) @ matrix
    return rms(x).mean().item()


# %%
without, with_norm = stream_of_matrices(False), stream_of_matrices(True)
print(f"without {without:.1e}, predicted {2**30:.1e}")
print(f"with    {with_norm:.2f}, predicted {math.sqrt(61):.2f}")
assert 0.8 < without / 2**30 < 1.2
assert 0.95 < with_norm / math.sqrt(61) < 1.05

# %% [markdown]
# ### The two norms by hand
#
# *LayerNorm* subtracts the mean of a vector and divides by its standard deviation. *RMSNorm* leaves the mean alone and
# divides by the root mean square, which is cheaper and does as well. Both then scale each coordinate by a learned
# number, and LayerNorm also adds a learned one. (The functions below leave both out.) Which direction do we average in?
# Over the C numbers of *one token*, never over tokens or texts:


# %%
def naive_layer_norm(vector, eps=1e-5):
    mean = sum(vector) / len(vector)
    variance = sum((x - mean) ** 2 for x in vector) / len(vector)
    return [(x - mean) / math.sqrt(variance + eps) for x in vector]


def naive_rms_norm(vector, eps=1e-5):
    mean_square = sum(x**2 for x in vector) / len(vector)
    return [x / math.sqrt(mean_square + eps) for x in vector]


# %%
print("LayerNorm of 3, 4, 8:", *(f"{x:.4f}" for x in naive_layer_norm([3.0, 4.0, 8.0])))
print("RMSNorm   of 3, 4, 8:", *(f"{x:.4f}" for x in naive_rms_norm([3.0, 4.0, 8.0])))
assert abs(sum(naive_layer_norm([3.0, 4.0, 8.0]))) < 1e-6

# %% [markdown]
# The package's two, for tensors. (While a model is trained on a CPU, `kernels.rms_norm` computes the same in one pass
# of C code.)

# %%
print(inspect.getsource(RMSNorm.forward))
print(inspect.getsource(LayerNorm.forward))

# %%
vectors = seen.stream[10, 0]  # six tokens of the real stream, after ten blocks
by_hand = {RMSNorm: naive_rms_norm, LayerNorm: naive_layer_norm}
for norm, naive in by_hand.items():
    expected = torch.tensor([naive(vector) for vector in vectors.tolist()])
    torch.testing.assert_close(norm(c.d_model)(vectors), expected, rtol=1e-4, atol=1e-5)

# %% [markdown]
# `torch.var` divides by C - 1 unless told otherwise; both norms divide by C. And `eps`, a tiny number that keeps us
# from dividing by zero, stands *inside* the root. These
# are the two usual reasons why a norm by hand is off in the third digit.
#
# A norm forgets the size and keeps the direction. So a block cannot tell a long stream from a short one:

# %%
norm = RMSNorm(c.d_model)
torch.testing.assert_close(norm(1000 * vectors), norm(vectors), rtol=1e-4, atol=1e-4)

# %% [markdown]
# ### A real stack without its norms
#
# Now the package's own blocks, 24 of them, with weights drawn so that each matrix keeps the size of what it reads.
# Then the same with the norms taken out.


# %%
def small(n_layers, **changes):
    """A small model whose matrices keep sizes: standard deviation 1/sqrt(inputs)."""
    shape = dict(
        vocab_size=256, d_model=64, n_heads=4, max_seq_len=64, tie_embeddings=False
    )
    model = Transformer(ModelConfig(**(shape | changes), n_layers=n_layers))
    for parameter in model.blocks.parameters():
        if parameter.dim() == 2:
            nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[1]))
    nn.init.normal_(model.embedding.weight)
    return model


torch.manual_seed(0)
model_24 = small(24)
down = model_24.blocks[3].feedforward.down.weight  # (C, F)
assert abs(down.std() * math.sqrt(down.shape[1]) - 1) < 0.05


# %%
def sizes_by_depth(model):
    torch.manual_seed(1)
    stream = trace(model, torch.randint(0, 256, (4, 32)), weights=False).stream
    return stream.square().mean((1, 2, 3)).sqrt()


def without_norms(model):
    for block in model.blocks:
        block.attention_norm = block.feedforward_norm = nn.Identity()
    return model


# %%
print("after block        0         1         2         4         8        24")
for activation in ("gelu", "swiglu"):
    for change in (lambda model: model, without_norms):
        torch.manual_seed(0)
        size = sizes_by_depth(change(small(24, activation=activation)))
        size = size[[0, 1, 2, 4, 8, 24]]
        name = f"{activation}, {'no norms' if change is without_norms else 'norms'}"
        print(f"{name:17}", *(f"{x:9.2g}" for x in size.tolist()))
        assert (size[-1] < 10) == (change is not without_norms)

# %% [markdown]
# With norms the stream creeps from 1 to about 5. Without them GELU takes it to hundreds of thousands, and SwiGLU past
# the largest number that float32 can hold: it multiplies two readings of its input, so a stream twice as large gets a
# write *four* times as large. The explosion feeds itself.
#
# ### Norm before, or norm after?
#
# The first transformer put the norm *behind* the addition: x = norm(x + part(x)) (Vaswani et al. 2017). It needed a
# careful warm-up of the learning rate (small first steps; lesson 08). Today nearly everybody reads through a norm and
# leaves the stream alone: x = x + part(norm(x)). Why does it matter? Xiong et al. (2020) predict: at initialisation the
# gradient in the last block is of the same size at any depth for post-norm, and shrinks as 1/√L for pre-norm, where the
# last norm divides by the stream's size √(2L). Hence, they argue, the warm-up: without it the first steps of a deep
# post-norm model are too large. (Not the whole story: AdamW divides the gradient's size out again, and Liu et al. 2020
# look for the trouble in how strongly a post-norm model leans on its parts.) The prediction itself can be checked:


# %%
class PostNormBlock(nn.Module):
    """The same parts in the order of 2017."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x, **settings):
        x = self.block.attention_norm(x + self.block.attention(x, **settings))
        return self.block.feedforward_norm(x + self.block.feedforward(x))


def gradients(n_layers, post, seed):
    """The size of the gradient in every block's last matrix, at initialisation."""
    torch.manual_seed(seed)
    model = small(n_layers, norm="layernorm", activation="gelu")
    blocks = list(model.blocks)
    if post:
        model.blocks = nn.ModuleList(map(PostNormBlock, blocks))
        model.final_norm = nn.Identity()
    ids = torch.randint(0, 256, (8, 33))
    next_token_loss(model(ids[:, :-1]), ids[:, 1:]).backward()
    return [block.feedforward.down.weight.grad.norm().item() for block in blocks]


# %%
found = {}
for post in (0, 1):
    for depth in (6, 24):
        by_seed = [gradients(depth, post, seed) for seed in range(3)]
        found[post, depth] = torch.tensor(by_seed)
for post, name in enumerate(("pre-norm ", "post-norm")):
    shallow, deep = (found[post, depth][:, -1].mean() for depth in (6, 24))
    both = f"6 layers {shallow:.4f}, 24 layers {deep:.4f}"
    print(f"{name} last block: {both}, ratio {deep / shallow:.2f}")
    assert abs(deep / shallow - (1.0 if post else 0.5)) < 0.2

# %%
show(
    lines(
        {"pre-norm": found[0, 24], "post-norm": found[1, 24]},
        "block",
        "gradient",
        x=list(range(1, 25)),
    ),
    alt="Gradient in each of 24 blocks at initialisation, mean of three seeds with the least and the greatest. "
    "Pre-norm falls from first block to last; post-norm falls less, is higher everywhere in the mean, and ends four "
    "times as high.",
)

# %% [markdown]
# The prediction holds: four times the depth halves the last gradient of the pre-norm model (1/√4) and leaves the other
# as it was. Another thing that you will read is that post-norm gradients *vanish* on their way down to the first block.
# In these runs they do not: they are, if anything, a little larger there. What a model shows depends on how large its
# parts write at the start. That is the next section.
#
# ## Initialisation: 2L writes share one budget
#
# GPT-2 draws all weights with standard deviation 0.02, and makes the matrices that write to the stream smaller by
# 1/√(2L). Why this number? 2L independent writes of variance v add up to 2L·v. With the scale each has v/(2L), and the
# sum is v, at any depth. Without it, the sum grows with L.


# %%
def added_variance(n_layers, scaled):
    """How much variance all blocks together add to the stream of an untrained model."""
    torch.manual_seed(0)
    model = Transformer(
        ModelConfig(
            vocab_size=1024, d_model=128, n_layers=n_layers, n_heads=4, max_seq_len=64
        )
    )
    for block in model.blocks:
        for matrix in (block.attention.output, block.feedforward.down):
            matrix.weight.data *= 1 if scaled else math.sqrt(2 * n_layers)  # undo it
    stream = trace(model, torch.randint(0, 1024, (4, 32)), weights=False).stream
    return (stream[-1] - stream[0]).var().item()


# %%
table = {}
print("variance added: L, with 1/sqrt(2L), without, ratio")
for depth in (2, 8, 32):
    scaled, plain = added_variance(depth, True), added_variance(depth, False)
    table[depth] = (scaled, plain)
    print(f"{depth:2}   {scaled:.5f}   {plain:.5f}   {plain / scaled:.0f}")
assert table[32][0] < 2.5 * table[2][0]
assert table[32][1] > 20 * table[2][1]

# %% [markdown]
# With the scale, sixteen times the depth adds less than twice the variance; without it, forty-five times. Why not 1 and
# 16? Because v is not the same in every block: the later ones write more. A likely reason: attention averages over
# tokens. In the first block their vectors have nothing in common, and the average of many such vectors is short. But
# each attention writes much the same to all of them, so they grow alike, and the later averages are longer.
#
# ### The first loss
#
# An untrained model knows nothing, so each of V tokens should get 1/V, and the loss should be ln V. It is the first
# thing to check in any run: a first loss far *above* ln V means weights that are too large, one *below* it means that
# the targets leak. But look closely. The logits are not zero: each is a sum of C products of a normalised number
# (size 1) and a weight (size 0.02), so its variance is s² = C·0.02², and guessing with such logits costs s²/2 nats
# more.


# %%
def first_losses(seed, tied, d_model=128, vocab_size=1024):
    """An untrained model's loss: on the next token, and on the one just read."""
    torch.manual_seed(seed)
    shape = dict(
        vocab_size=vocab_size, d_model=d_model, n_layers=4, n_heads=4, max_seq_len=64
    )
    model = Transformer(ModelConfig(**shape, tie_embeddings=tied))
    ids = torch.randint(0, vocab_size, (16, 65))
    with torch.no_grad():
        logits = model(ids[:, :-1])
    both = ids[:, 1:], ids[:, :-1]
    return [next_token_loss(logits, right).item() for right in both]


# %%
tied = torch.tensor([first_losses(seed, True) for seed in range(5)])
untied = torch.tensor([first_losses(seed, False) for seed in range(5)])
predicted = math.log(1024) + 128 * 0.02**2 / 2
print(f"ln V = {math.log(1024):.3f}, with the logits' own variance {predicted:.3f}")
for name, losses in (("untied", untied), ("tied", tied)):
    mean, spread = losses.mean(0), losses.std(0)
    next_one, same = (f"{mean[i]:.3f} ± {spread[i]:.3f}" for i in (0, 1))
    print(f"{name:7}: next token {next_one}, the same token again {same}")
assert abs(untied[:, 0].mean() - predicted) < 0.02
assert abs(tied[:, 0].mean() - predicted) < 0.03

# %% [markdown]
# The correction is real, if small. And there is a surprise in the last number. With *tied* embeddings, where the head's
# rows are those of the table, an untrained model has an opinion: it expects that the same token comes again, at two
# nats below chance. The stream still consists mostly of the token's own row, and the head asks which row is nearest.
# On text with many repetitions such a model starts below ln V, and no target has leaked.
#
# ## Assemble it
#
# All parts are there. Put them together, in your own order and your own words. Only the *names* must be those of the
# package, because weights are found by name. `torch.device("meta")` makes tensors that have a shape and no numbers,
# since the numbers come from the real model a line later.


# %%
class NaiveTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embedding = TokenEmbedding(c.vocab_size, c.d_model)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                dict(
                    attention_norm=RMSNorm(c.d_model, c.norm_eps),
                    attention=MultiHeadAttention(c.d_model, c.n_heads, c.n_kv_heads),
                    feedforward_norm=RMSNorm(c.d_model, c.norm_eps),
                    feedforward=FeedForward(c.d_model, c.d_ff, c.activation),
                )
            )
            for _ in range(c.n_layers)
        )
        self.final_norm = RMSNorm(c.d_model, c.norm_eps)
        self.head = nn.Linear(c.d_model, c.vocab_size, bias=False)

    def forward(self, ids):
        angles = rotary_angles(
            torch.arange(ids.shape[1]), self.c.d_head, self.c.rope_theta
        )
        stream = self.embedding(ids)
        for part in self.blocks:
            stream = stream + part["attention"](
                part["attention_norm"](stream), is_causal=True, angles=angles
            )
            stream = stream + part["feedforward"](part["feedforward_norm"](stream))
        return self.head(self.final_norm(stream))


# %%
with torch.device("meta"):
    naive = NaiveTransformer(c)
assert list(naive.state_dict()) == list(model.state_dict())

# %% [markdown]
# `load_state_dict` compares names. It can be told not to complain, with `strict=False`, and that is how people come to
# run a "pretrained" model with random weights. Here every name has a prefix too many, and nothing at all is loaded:

# %%
weights = model.state_dict()
report = naive.load_state_dict(
    {f"model.{name}": w for name, w in weights.items()}, strict=False
)
print(f"{len(report.missing_keys)} of {len(weights)} tensors missing, and no error")
assert len(report.missing_keys) == len(weights)

# %% [markdown]
# Strict, then. `assign=True` takes the real model's tensors themselves, so that no memory is needed twice.

# %%
naive.load_state_dict(weights, assign=True)
for text in ("The capital of France is", "Monday, Tuesday,"):
    logits = naive(read(text)).detach()
    torch.testing.assert_close(logits, model(read(text)), rtol=1e-3, atol=1e-2)
    print(text, "->", repr(tokenizer.decode([int(logits[0, -1].argmax())])))

# %% [markdown]
# Some thirty lines wire the package's parts together, and the result *is* SmolLM2. The package's class differs in what
# it also accepts: other norms and positions, a cache for fast generation, a mask. None of it changes a logit.
#
# One thing is still wrong, and no logit shows it. In SmolLM2 the head *is* the table (*weight tying*): one tensor, used
# at both ends. Ours got the same numbers under two names. Count the parameters:

# %%
counted = [sum(p.numel() for p in one.parameters()) for one in (model, naive)]
print(f"the package {counted[0]:,}, ours {counted[1]:,}")
assert counted[1] - counted[0] == c.vocab_size * c.d_model
naive.head.weight = naive.embedding.weight  # one tensor again
assert sum(p.numel() for p in naive.parameters()) == counted[0]

# %% [markdown]
# As long as you only read the model, nothing happens. Train it, and the optimizer knows two parameters that share one
# memory: it updates the same numbers twice per step. (`assign=True` wrapped the one tensor of the loaded weights twice.
# And since these are the real model's own tensors, training `naive` would change `model` too.) So tie *after* loading,
# and count.
#
# ## The price, predicted and then measured
#
# ### Parameters
#
# Per block: queries and results are C × C, keys and values C × (K·D), the feed-forward has three matrices C × F, and
# there are two norms of C. Then the table, V × C, used twice, and the last norm.


# %%
def naive_parameters(c):
    attention = 2 * c.d_model * c.d_model + 2 * c.d_model * c.n_kv_heads * c.d_head
    block = attention + 3 * c.d_model * c.d_ff + 2 * c.d_model
    return c.vocab_size * c.d_model + c.n_layers * block + c.d_model


# %%
counted = sum(parameter.numel() for parameter in model.parameters())
by_hand, by_package = naive_parameters(c), count_parameters(c)
print(f"by hand {by_hand:,}, by the package {by_package:,}, counted {counted:,}")
assert by_hand == by_package == counted

# %% [markdown]
# The package's formula knows the other designs too. And a tensor without numbers costs nothing, so let us build GPT-3:

# %%
presets = {
    "SmolLM2": c,
    "GPT-2": ModelConfig.preset("gpt2"),
    "GPT-3": ModelConfig.preset("gpt3"),
}
for name, preset in presets.items():
    with torch.device("meta"):
        built = Transformer(preset)
    counted = sum(parameter.numel() for parameter in built.parameters())
    predicted = count_parameters(preset)
    print(f"{name:8} predicted {predicted:>15,}   counted {counted:>15,}")
    assert counted == predicted

# %% [markdown]
# Where do 175 billion numbers sit? `built` is the last one, GPT-3.


# %%
def share_by_part(config):
    """The tables', attention's and the feed-forwards' shares of all parameters."""
    with torch.device("meta"):
        built = Transformer(config)
    count = {"tables": 0, "attention": 0, "feedforward": 0}
    for name, parameter in built.named_parameters():
        kinds = [kind for kind in ("attention", "feedforward") if f"{kind}." in name]
        count[kinds[0] if kinds else "tables"] += parameter.numel()
    return torch.tensor(list(count.values())) / sum(count.values())


# %%
parts = torch.stack([share_by_part(config) for config in presets.values()])
torch.testing.assert_close(parts.sum(1), torch.ones(3))
assert parts[2, 2] > 0.66
assert parts[2, 0] < 0.01 < 0.2 < parts[0, 0]

# %%
names = ["tables and norms", "attention", "feed-forward"]
show(
    grouped_bars(
        dict(zip(names, parts.T, strict=True)), list(presets), "share of all parameters"
    ),
    alt=f"Shares of parameters. GPT-3: feed-forward {parts[2, 2]:.2f}, attention {parts[2, 1]:.2f}, tables "
    f"{parts[2, 0]:.3f}. In SmolLM2 the table alone holds {parts[0, 0]:.2f}.",
)

# %% [markdown]
# In a block of GPT-3, attention has 4 C² and the feed-forward 8 C²: one third and two thirds, and that is nearly all of
# the model. With 96 layers, 12 C² · 96 at C = 12,288 is 174 billion. A *small* model is a different animal: a fifth of
# SmolLM2 is its vocabulary. Comparing models by "parameters" at this end compares dictionaries as well.
#
# ### Arithmetic
#
# Each weight is multiplied and added once per token, two operations: **2N per token** for N weights. On top, attention
# compares each token with all before it, 4·L·H·D operations a pair. Torch can count for itself. (Its counter knows
# plain matrix products only, so we tell attention to use those.)

# %%
T = 64
with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
    model(torch.zeros(1, T, dtype=torch.long))
measured, predicted = counter.get_total_flops(), count_flops(c, T)
hidden_pairs = 4 * c.n_layers * c.n_heads * c.d_head * (T * (T - 1) // 2)
print(f"predicted {predicted:,}, measured {measured:,}")
print(f"rule of thumb 2N: {2 * count_parameters(c) * T:,}")
assert measured == predicted + hidden_pairs

# %% [markdown]
# The difference is known to the last digit: a plain kernel computes the pairs above the diagonal too and throws them
# away. A fused kernel skips them. When does attention's own part matter? When 2·L·H·D·T, the mean over a text of T
# tokens, reaches 2N:

# %%
for name, preset in presets.items():
    even = count_parameters(preset) / (preset.n_layers * preset.n_heads * preset.d_head)
    context = preset.max_seq_len
    print(f"{name:8} even at {even:>9,.0f} tokens; context {context:,}")
    assert even > 0.9 * preset.max_seq_len

# %% [markdown]
# "Attention is quadratic" is true and, within the context these models were built for, hardly the point: at the end of
# SmolLM2's context the two are about even, and in the GPTs the weights cost far more. (It is memory traffic and the
# cache that hurt; lesson 12.)
#
# Backward costs twice forward, so training costs 6N a token. Check it on GPT-3. Its paper says 300 billion tokens and
# 3.14 × 10²³ operations (Brown et al. 2020, table D.1):

# %%
gpt3 = presets["GPT-3"]
training = 3 * 300e9 / 2048 * count_flops(gpt3, 2048)
print(f"GPT-3: {training:.2e} operations to train, by our formula")
assert abs(training / 3.14e23 - 1) < 0.05

# %% [markdown]
# ### Memory
#
# Training keeps four numbers for each weight: itself, its gradient, and the two running means of AdamW. And it keeps
# the *activations*: whatever the forward pass computed and the backward pass will need. Autograd tells us what it puts
# aside if we ask:


# %%
def kept_by_autograd(model, ids):
    """Bytes that wait for the backward pass, without the model's own weights."""
    own, kept = {one.untyped_storage().data_ptr() for one in model.parameters()}, {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if tensor.is_floating_point() and tensor.dim():
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
    assert loss.requires_grad
    return sum(storage.nbytes() for place, storage in kept.items() if place not in own)


# %% tags=["nbval-ignore-output"]
tiny = ModelConfig.preset("tiny")
student = Transformer(tiny)
for batch in (1, 8):
    memory = accounting.training_memory(tiny, batch, 128)
    measured = kept_by_autograd(student, torch.randint(tiny.vocab_size, (batch, 129)))
    fixed = memory["weights"] + memory["gradients"] + memory["optimizer"]
    predicted = memory["activations"]
    megabytes = [f"{n / 1e6:.1f}" for n in (fixed, predicted, measured)]
    form = "batch {}, in MB: fixed {}, activations predicted {}, measured {}"
    print(form.format(batch, *megabytes))
    assert abs(measured / predicted - 1) < 0.06

# %% [markdown]
# A batch of eight short texts needs three times as much memory for activations as for everything that
# belongs to the model. This is the usual answer to "why does a one-million-parameter model fill my GPU?". Halve the
# batch.
#
# Running a model needs the weights and the cache of keys and values:

# %%
cache = model.new_cache(batch=1, max_seq_len=512)
memory = accounting.inference_memory(c, batch_size=1, n_tokens=512)
assert memory["kv_cache"] == cache.keys.nbytes + cache.values.nbytes
big = accounting.inference_memory(
    gpt3, batch_size=1, n_tokens=2048, bytes_per_weight=2, bytes_per_cached=2
)
weights, kv_cache = big["weights"] / 1e9, big["kv_cache"] / 1e9
print(f"GPT-3 in 16 bits: weights {weights:.0f} GB, one text's cache {kv_cache:.1f} GB")
terabytes = 16 * count_parameters(gpt3) / 1e12
print(f"GPT-3, AdamW in float32, without activations: {terabytes:.1f} TB")

# %% [markdown]
# ## The logit lens: what would it say if it stopped here?
#
# The stream has the same shape after every block, so nothing keeps us from putting the last norm and the head on it
# *early*. That is the logit lens (nostalgebraist 2020). By hand it is one line:

# %%
lens_logits = lens.logit_lens(model, prompt)
naive_lens = torch.stack(
    [model.head(model.final_norm(stream)) for stream in seen.stream]
)
torch.testing.assert_close(lens_logits, naive_lens, rtol=1e-3, atol=1e-2)
torch.testing.assert_close(lens_logits[-1], model(prompt), rtol=1e-3, atol=1e-2)

# %%
depths = [0, 3, 6, 9, 12, 15, 18, 21, 24, 26, 28, 29, 30]
chances, best = lens_logits[depths, 0].softmax(-1).max(-1)
said = [[tokenizer.decode([token]) for token in row] for row in best.tolist()]
pieces = ["START", *(tokenizer.decode([token]) for token in prompt[0, 1:].tolist())]
show(
    logit_lens(said, chances, pieces, layers=[str(depth) for depth in depths]),
    alt="What the lens reads after each block, for each token. At the bottom it is mostly the token itself; after the "
    "last token it reads full stops, a bracket, blanks and 'the' until block 28, 'capital' at 29 and "
    f"{said[-1][-1]!r} at 30.",
)
assert said[-1][-1] == " Paris"
assert said[0][-1] == " is"

# %% [markdown]
# When does *Paris* come to the top? After the very last block. Look at its rank on the way:

# %% tags=["nbval-ignore-output"]
last = lens_logits[:, 0, -1]
ranks = (last > last[:, paris, None]).sum(-1) + 1
for depth in (0, 10, 20, 23, 24, 27, 28, 29, 30):
    p = last[depth].softmax(-1)[paris]
    print(f"after block {depth:2}: rank {ranks[depth]:5,}, probability {p:.3f}")
assert ranks[-1] == 1
assert ranks[-2] > 1
assert ranks[20] > 1000

# %% [markdown]
# A tempting story: "for 23 blocks the model does not know; then it narrows the choice, and at the last moment it
# decides". Hold it against two controls.
#
# ### Control 1: over a whole text
#
# How often does the lens of block k already name the token that the model names in the end? Beside it stands how often
# the lens just names the token that it *reads*, and chance: the final answers dealt out to the wrong places.
# (`lens.read_off` is our one line, for vectors that we have already: last norm, then head.)

# %%
PARAGRAPH = (
    "Water boils at a lower temperature on a high mountain than at the sea, because the air above presses less on its "
    "surface. Anyone who cooks beans in the mountains learns this quickly: after two hours in an open pot they are "
    "still hard. A lid with a weight on it keeps the steam in, the pressure rises, and with it the boiling point, so "
    "that the beans are soft before the fire is out."
)
ids = read(PARAGRAPH)
stream = trace(model, ids, weights=False).stream[:, 0, 1:]
assert stream.shape[0] == c.n_layers + 1

# %%
named = torch.stack(
    [lens.read_off(model, vectors).argmax(-1) for vectors in stream]
)  # (depth, T)
agrees = (named == named[-1]).float().mean(1)
echoes = (named == ids[0, 1:]).float().mean(1)
generator = torch.Generator().manual_seed(0)
places = [torch.randperm(len(named[-1]), generator=generator) for _ in range(50)]
shuffled = [named[-1][place] for place in places]
chance = (torch.stack(shuffled) == named[-1]).float().mean().item()

# %%
for depth in (0, 10, 20, 24, 27, 29, 30):
    named_final, named_own = f"{agrees[depth]:.2f}", f"{echoes[depth]:.2f}"
    print(f"after block {depth:2}: final answer {named_final}, token read {named_own}")
assert chance < 0.1
assert agrees[10] < 0.25
assert agrees[29] < 0.8
assert echoes[0] > 0.6 > 0.05 > echoes[1]

# %%
show(
    lines(
        {"names the final answer": agrees, "names what it reads": echoes},
        "after block",
        "share of tokens",
        references={"chance": chance},
    ),
    alt=f"Agreement of the lens with the final answer over {len(named[0])} tokens: about chance "
    f"({chance:.2f}) in the first third, a fifth at most up to block 20, {agrees[24]:.2f} after 24, "
    f"{agrees[29]:.2f} after 29, and 1 after 30 by definition.",
)

# %% [markdown]
# So *Paris* is no odd case: the lens shows little before the last quarter, and even one block before the end it is
# wrong for nearly every second token. At the very bottom it mostly names the token it reads. That is no thought of the
# model's: the table is tied to the head, so a row finds itself. Unless a longer row wins the dot product: *France* came
# out as `<filename>` in the figure above.
#
# But is the answer *not there* before, or can the lens not *read* it? The head was trained to read the stream after
# block 30. Nobody asked the earlier blocks to write in its language.
#
# ### Control 2: an experiment instead of a reading
#
# Take two prompts of the same length. Run the second, keep its stream. Run the first, and after block k replace one
# token's vector by that of the second run. If now *Rome* comes out, then what makes the answer *was in that vector at
# that depth*, whether the lens can read it or not. This is *activation patching*. One batch does all 31 depths: row k
# is patched after block k.


# %%
def patched(ids, donor, position):
    """Probabilities of the next token, one token's vector taken from `donor`: (31, V)."""
    theirs = trace(model, donor, weights=False).stream[:, 0, position]

    def patch(depth):
        def hook(_module, _inputs, output):
            output = output.clone()
            output[depth, position] = theirs[depth]
            return output

        return hook

    places = [model.embedding, *model.blocks]
    hooks = [one.register_forward_hook(patch(d)) for d, one in enumerate(places)]
    try:
        return model(ids.expand(len(places), -1))[:, -1].softmax(-1)
    finally:
        for hook in hooks:
            hook.remove()


# %%
france, italy = read("The capital of France is"), read("The capital of Italy is")
rome = tokenizer.encode(" Rome")[0]
at_last = patched(france, italy, position=-1)
at_country = patched(france, italy, position=4)
assert at_last[-1].argmax() == rome
assert at_last[0].argmax() == paris
assert at_country[0].argmax() == rome
assert at_country[-1].argmax() == paris

# %%
italian_lens = lens.logit_lens(model, italy)[:, 0, -1].softmax(-1)
curves = {
    "patch at the country": at_country,
    "patch at 'is'": at_last,
    "lens at 'is', Italy": italian_lens,
}
curves = {name: probabilities[:, rome] for name, probabilities in curves.items()}
show(
    lines(curves, "after block", "probability of Rome"),
    alt="Patching the country's vector turns the answer to Rome up to block 23 and then no longer. Patching the last "
    "token's does nothing up to block 23 and everything from 24 on. The lens sees Rome only at the end.",
)

# %%
before, after = (f"{at_last[block, rome]:.3f}" for block in (23, 24))
print(f"'is' patched: after block 23 {before}  after block 24 {after}")
assert at_last[23, rome] < 0.1
assert at_last[24, rome] > 0.4
assert italian_lens[24, rome] < 0.05

# %% [markdown]
# A switch. Up to block 23 it is the country's own vector that decides, and the last token's has no say. One block later
# it is the other way round. Only attention moves anything between tokens, so the attention of block 24 fetched it: the
# very one that stood out when we took the logit apart. Yet after that block the lens gives *Rome* next to no
# probability (the green line), and it comes round to it six blocks later. Is that so for other prompts?

# %% tags=["nbval-ignore-output"]
PAIRS = [
    ("The capital of France is", "The capital of Italy is", " Rome"),
    ("The capital of Germany is", "The capital of Spain is", " Madrid"),
    ("The capital of Japan is", "The capital of Russia is", " Moscow"),
    ("The opposite of hot is", "The opposite of big is", " small"),
]
for text, other, answer in PAIRS:
    word = tokenizer.encode(answer)[0]
    flips = patched(read(text), read(other), position=-1).argmax(-1) == word
    reads = lens.logit_lens(model, read(other))[:, 0, -1].argmax(-1) == word
    decided, late = (int(found.float().argmax()) for found in (flips, reads))
    print(
        f"{answer:8} decided from block {decided} on, read by the lens from {late} on"
    )
    assert decided < late

# %% [markdown]
# The lens is late each time, by three to six blocks, if it must show the answer in first place. It shows something
# earlier: in the list above, *Paris* jumps from rank 3,055 to 335 at block 24, where the answer is decided. So its
# honest reading is one-sided. *If* it shows the answer, the answer is there, in the head's own language. If it does not
# show it in first place, you know little yet. (A lens with a translator trained for each depth sees earlier: Belrose et
# al. 2023, the *tuned lens*. Then one must ask whether the translator did the thinking.)
#
# ### Look for yourself
#
# Choose a text, a token and a block. On the left is what the lens reads there. On the right is how much of the stream
# *at that depth* each block wrote, the embedding first. A write counts by how far it goes in the stream's direction, so
# that the shares add up to 1, and a block that takes away has a negative one.


# %%
def look_inside(text):
    """For one text, at every depth and token: what the lens reads, the writes' shares."""
    ids = read(text)
    seen = trace(model, ids, weights=False)
    blocks = seen.attention + seen.feedforward
    written = torch.cat([seen.stream[:1], blocks])[:, 0]  # (L + 1, T, C)
    stream = seen.stream[:, 0]  # (L + 1, T, C)
    # The dot products of write k with the stream at depth d:
    along = torch.einsum("ktc,dtc->dtk", written, stream)
    shares = along / stream.square().sum(-1, keepdim=True)
    best = [lens.read_off(model, vectors).softmax(-1).topk(8) for vectors in stream]
    values, indices = (torch.stack(tensors) for tensors in zip(*best, strict=True))
    return ids[0].tolist(), values, indices, shares


# %%
TEXTS = [
    "The capital of France is",
    "Monday, Tuesday,",
    "The keys to the cabinet",
    "They sat down by the river bank",
]
INSIDE = {text: look_inside(text) for text in TEXTS}
shares = INSIDE[TEXTS[0]][3]
torch.testing.assert_close(
    shares[-1].sum(-1), torch.ones(len(shares[-1])), rtol=1e-3, atol=1e-3
)


# %%
@in_style
def draw(text, token, after_block):
    ids, values, indices, shares = INSIDE[text]
    token = min(token, len(ids) - 1)
    names = [tokenizer.decode([id]) for id in indices[after_block, token].tolist()]
    share = shares[after_block, token, : after_block + 1].tolist()
    figure, ((left, right),) = new_panels(1, 2, height=3.0)
    figure.set_layout_engine(None)  # fixed margins are faster
    figure.subplots_adjust(left=0.16, right=0.99, bottom=0.16, top=0.97, wspace=0.27)
    left.barh(range(8), values[after_block, token].tolist(), color=BLUE)
    left.set_yticks(range(8), [visible(name, 12) for name in names], family="monospace")
    left.set(ylim=(7.6, -0.6), xlim=(0, 1), xlabel="probability")
    right.vlines(
        range(len(share)), 0, share, colors=[ORANGE, *[SKY] * after_block], linewidth=5
    )
    right.set(
        xlim=(-0.8, c.n_layers + 0.8),
        xlabel="embedding (0) and blocks",
        ylabel="share of the stream",
    )
    largest = max(range(len(share)), key=share.__getitem__)
    read_token = "START" if token == 0 else tokenizer.decode([ids[token]])
    place = f"After block {after_block}, at token {token} ({read_token!r})"
    reads = f"the lens reads {names[0]!r} with {values[after_block, token, 0]:.3f}"
    most = (
        f"block {largest} wrote the largest share of the stream, {share[largest]:.2f}"
    )
    return figure, f"{place}, {reads}; {most}."


# %%
assert "reads ' Paris'" in draw(TEXTS[0], 5, 30)[1]
Explorer(
    draw,
    text=TEXTS,
    token=IntSlider(5, min=0, max=7),
    after_block=IntSlider(30, min=0, max=c.n_layers),
)

# %% [markdown]
# Move *token* to 0, the mark START, and walk up. Something odd happens there: a single block writes nearly all of the
# stream, and everything after it hardly counts. The numbers:

# %%
stream = trace(model, read(TEXTS[0]), weights=False).stream[:, 0]
size = stream.norm(dim=-1)  # (depth, T)
assert size[12, 0] > 50 * size[12, 1:].mean()

# %%
print("length of the stream   at START   at the other tokens")
for depth in (11, 12, 28, 30):
    both = size[depth, 0], size[depth, 1:].mean()
    start, others = (float(f"{length:.3g}") for length in both)
    print(f"after block {depth:2}         {start:9,.0f}             {others:9,.0f}")

# %% [markdown]
# After block 12 the stream at START is over a hundred times as long as at the others, and the last two blocks take most
# of it back. It is no error, and many large models do it at their first token: *massive activations* (Sun et al. 2024).
# START sees only itself, so its vector is the same in every text, and after this one write the norm in front of each
# part always reads the same direction. That makes a quiet place for heads to look at when they have nothing to say
# (*attention sinks*; lesson 04). Remember it when you read averages of stream sizes: with the first token in, they
# average this.
#
# > **Where the picture simplifies.**
# > *Each block adds* is exact; *each block adds its own piece of meaning* is a hope. Blocks also take away what earlier
# > ones wrote, and the shares in the explorer count only what points along the stream. Attribution freezes the last
# > norm's divisor at the value it had. The 1/√(2L) argument takes all writes as equally large, and they are not.
# > 2N operations a token leaves out norms, softmax and rotations, which are few to compute though they cost time. And
# > patching says *that* a vector decides the answer, for these pairs of prompts; it does not say in which words the
# > model "knows" it.
#
# > **At scale.**
# > GPT-3 has 96 blocks, so 194 writes (one is the position's) of 12,288 numbers, about a third of its weights in
# > attention and two thirds in the feed-forward. In 16 bits it takes 350 GB, more than any one GPU holds, so blocks and
# > matrices are spread over several (lesson 13). Kernels fuse the norm with what follows it, because a norm is all
# > memory traffic and hardly any arithmetic. Very wide models also replace "0.02 everywhere" by rules that scale with
# > the width, so that a learning rate found on a small model still fits the large one (Yang et al. 2022).
#
# ## Five questions
#
# Answer before you open.
#
# **1.** A model has 12 blocks. How many vectors are added up in the stream that the head sees, at one token? (a) 12.
# (b) 13. (c) 25.
#
# <details><summary>Open 1</summary>
#
# **(c)**: the embedding, and in each block one write of attention and one of the feed-forward, 2·12 + 1. Not (a), which
# counts blocks, and each block writes twice. Not (b), which remembers the embedding and still takes a block for one
# write. (With learned positions, as in GPT-2, the position's vector is one more.)
# </details>
#
# **2.** You multiply the stream after block 5 of a pre-norm model by 3. What happens to the write of block 6's
# attention? (a) It is three times as large. (b) Nothing. (c) It is a third.
#
# <details><summary>Open 2</summary>
#
# **(b)**, up to `eps`: attention reads a normalised copy, and the norm forgets the size. Not (a), which would be about
# right without the norm, since the values would be three times as large. Not (c): the *write* stays as it is, but
# beside a stream three times as long it turns the direction only a third as far, and this is the true effect.
# </details>
#
# **3.** A new run with V = 1024 starts at a loss of 6.95; ln V is 6.93. (a) A bug: it must be exactly ln V. (b) As
# expected. (c) The targets leak.
#
# <details><summary>Open 3</summary>
#
# **(b)**. Untrained logits are small but not zero, and their variance s² costs about s²/2 nats. Not (a): exactly ln V
# needs logits that are all equal, for example a head of zeros. Not (c): a leak would show as a loss *below* ln V, and
# even then look first for repeated tokens and a tied head, which you saw make 4.9 out of 6.9 for free.
# </details>
#
# **4.** Which change doubles the memory of the activations and leaves weights, gradients and optimizer as they are?
# (a) Twice the batch. (b) Twice the layers. (c) Twice the vocabulary.
#
# <details><summary>Open 4</summary>
#
# **(a)**: activations are kept per token, and twice the batch is twice the tokens. Not (b): twice the layers doubles
# most of the activations and the weights of the blocks as well. Not (c): it doubles the table, which is a weight, and
# of the activations only the kept log-probabilities.
# </details>
#
# **5.** The logit lens after block 20 ranks the right answer 4,000th. What follows? (a) The model has not computed the
# answer yet. (b) It computed the answer and hides it. (c) From this alone, neither.
#
# <details><summary>Open 5</summary>
#
# **(c)**. The lens asks what the *last* norm and head would make of a vector they were never trained on. Not (a): after
# block 24 the vector decided the answer in our experiment, while the lens still gave it next to no probability. Not (b)
# either: in our experiment patching showed that after block 20 the answer was not yet in that vector. It took the
# experiment to tell the two apart.
# </details>

# %% [markdown]
# **What you built**: a transformer from parts, with the weights and the answers of a real model; the stream as a sum of
# 61 writes; norms, initial sizes and the first loss, each predicted and then measured; the price of SmolLM2, GPT-2 and
# GPT-3; a logit lens, and an experiment that shows how late it is.
#
# **Exercise**: write a pair of prompts of your own for `patched` whose answers differ (check that both have the same
# number of tokens). Predict at which block the answer switches, then look. Does a longer way between the fact and the
# last token move the block?
#
# **Graded questions**, with checks that name the mistake:
# [exercise 06](../exercises/06_transformer/06_transformer.ipynb).
#
# **Next**: lesson 07, where the list of probabilities at the top becomes text.
