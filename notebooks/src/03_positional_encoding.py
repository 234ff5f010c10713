# %% [markdown]
# # 03 · Positional encoding: who bit whom
#
# **You will build** the four ways in which language models tell a word its place: a table that is learned, a table of
# sines, a rotation, and a penalty for distance. Each by hand, each held against the package.
#
# **The claim**: without positions, a transformer reads a bag of words. To it, *dog bites man* and *man bites dog* are
# the same text. That is the textbook's sentence. You will prove it, then find out where it is false, and then see
# what happens to each of the four ways when a text gets longer than any that the model was trained on.
#
# **Time**: 70 minutes; the cells themselves run in about one.
#
# **Before you start**: vectors, dot products and softmax as in lesson 00a; what a sine is. Attention is needed only
# as "a weighted mean of what the other words hold"; lesson 04 builds it properly.

# %%
import inspect
import itertools
import math

import torch
from ipywidgets import IntSlider

from minillm.config import ModelConfig
from minillm.losses import IGNORE, next_token_loss
from minillm.model.position import (
    LearnedPosition,
    SinusoidalPosition,
    alibi_bias,
    alibi_slopes,
    rotary_angles,
    rotary_frequencies,
    rotate,
)
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.training.optim import adamw
from minillm.viz.explorer import Explorer
from minillm.viz.figures import (
    attention_grid,
    grouped_bars,
    heat_map,
    lines,
    rotation,
    show,
    vector_strip,
)

torch.set_num_threads(1)  # models as small as these are not worth sharing

# %% [markdown]
# ## Why does this component exist?
#
# Here is attention with everything left out that is not needed now. Every word looks at every word, takes more from
# those that point its own way, and becomes the weighted mean. Look for the place where it asks *where* a word stands.


# %%
def mix(x):
    """Each row becomes a weighted mean of all rows: (T, C) -> (T, C)."""
    mixed = []
    for query in x:
        weights = torch.stack([query @ key for key in x]).softmax(0)
        mixed.append(sum(w * value for w, value in zip(weights, x, strict=True)))
    return torch.stack(mixed)


# %%
dog, bites, man = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
forward = mix(torch.stack([dog, bites, man]))
backward = mix(torch.stack([man, bites, dog]))
torch.testing.assert_close(backward, forward.flip(0))

# %% [markdown]
# There is no such place. A sum does not care about the order of its parts. Shuffle the words, and you get the same
# vectors, shuffled.
#
# A real model does not compare the words' own vectors. It makes three others of each word: a *query* for the word that
# looks, a *key* for the word that is looked at, and a *value*, which is handed over. The dot product of a query and a
# key is called a *score*. And it does all of this several times side by side, with other weights each time: these are
# its *heads*. You need no more of them today (lesson 04 builds them). They change nothing about our matter, nor do more
# layers: all of them treat each row alike, wherever it stands.
#
# So far this is algebra. Now the package's whole transformer, with two layers, no positions and no mask (the
# rule of a model that writes, which hides from each word all that come after it). A model
# fresh from its initialisation has tiny weights and would agree with everything, so we give it large ones. (Of a
# `Transformer` you need two things here: called with ids, it returns a score for every next word; its `hidden` returns
# the vectors from which these scores are made, one for each place. Lesson 06 builds it.)

# %%
NOUNS = "dog man cat girl wolf boy goose cook goat king bear maid hen ox queen miller"
NOUNS, VERBS = NOUNS.split(), ["bites", "kicks", "pokes", "pinches"]
WORDS = [*NOUNS, *VERBS, "ouch"]


def ids_of(text):
    return torch.tensor([[WORDS.index(word) for word in text.split()]])


assert ids_of("dog ouch").tolist() == [[0, 20]]


# %%
def lively(**shape):
    """An untrained model, with weights as large as training would make them."""
    torch.manual_seed(0)
    shape = dict(vocab_size=len(WORDS), d_model=32, n_heads=4, max_seq_len=64) | shape
    model = Transformer(ModelConfig(**shape)).requires_grad_(False)
    for weight in model.parameters():
        if weight.dim() == 2:
            weight.normal_(std=0.3)
    return model


# %%
blind = lively(n_layers=2, position="none", causal=False)
one, other = (blind.hidden(ids_of(s))[0] for s in ("dog bites man", "man bites dog"))
torch.testing.assert_close(one, other.flip(0), rtol=1e-4, atol=1e-4)

# %%
alone = blind.hidden(ids_of("dog"))[0]
assert not torch.allclose(alone[0], one[0], atol=0.1)  # the words do reach each other
labels = ["dog-biting", "dog-bitten", "man-bitten", "man-biting", "mean", "other-mean"]
pooled = [one.mean(0), other.mean(0)]
show(
    vector_strip(torch.stack([one[0], other[2], one[2], other[0], *pooled]), labels),
    alt="Final vectors as stripes, in pairs. The dog who bites and the dog who is "
    "bitten have the same vector, so have the two men, and so have the means of "
    "the two sentences.",
)

# %%
apart = (pooled[0] - pooled[1]).abs().max()
print(f"largest difference of the means below 0.0001: {bool(apart < 1e-4)}")
assert apart < 1e-4

# %% [markdown]
# The biting dog *is* the bitten dog. The two agree up to rounding (not always to the last bit: the sums are added up
# in another order). Nothing that comes after, no classifier and no training, can tell them apart.
#
# ## The probe: who says ouch?
#
# To measure it, we need questions that a bag of words cannot answer. Every sentence is three words and *ouch*; the
# next word is the one who was hurt:
#
#     dog bites man ouch -> man        man bites dog ouch -> dog
#
# Both sentences hold exactly the same words, and both end in the same word. That last point matters, as you will
# see. The score is simple: is the right one of the two likelier than the other one? **Chance is 0.5.** A model that
# cannot see the order gives one answer to both sentences of a pair, so it is right in one and wrong in the other: not
# about 0.5, but 0.5. **Perfect is 1.** Test sentences are about pairs of nouns that never met in training.


# %%
def sentences(pairs):
    """Every pair with every verb, both ways about: ids of the shape (B, 4)."""
    texts = []
    for (x, y), verb in itertools.product(pairs, VERBS):
        texts += [f"{x} {verb} {y} ouch", f"{y} {verb} {x} ouch"]
    return torch.cat([ids_of(text) for text in texts])


# %%
pairs = list(itertools.combinations(NOUNS, 2))
order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0)).tolist()
TEST = sentences([pairs[i] for i in order[:24]])
TRAINING = sentences([pairs[i] for i in order[24:]])
print(f"{len(TRAINING)} sentences to learn from, {len(TEST)} to test")
assert torch.equal(TEST[0].sort().values, TEST[1].sort().values)  # the same bag

# %% [markdown]
# One training loop serves the whole lesson. It is the shortest that works (lesson 08 has the real one): batches go
# in, AdamW turns the weights, and the learning rate goes down in the second half.


# %%
def fit(batches, seed, rate=5e-3, loud=False, **shape):
    """Train a small model on (inputs, targets): it, and its last loss in nats."""
    torch.manual_seed(seed)
    shape = dict(d_model=32, n_heads=4, tie_embeddings=True) | shape
    model = Transformer(ModelConfig(**shape))
    if loud:  # word vectors fifty times as long: see below
        torch.nn.init.normal_(model.embedding.weight)
    optimizer = adamw(model, rate, weight_decay=0.1)
    for step, (inputs, targets) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, 2 - 2 * step / len(batches))
        loss = next_token_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.requires_grad_(False), loss.item()


# %%
def ouch(seed, steps=150, **settings):
    """Train on the sentences: (accuracy in the test, last loss)."""
    draw = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(steps):
        ids = TRAINING[torch.randint(len(TRAINING), (64,), generator=draw)]
        targets = torch.full_like(ids, IGNORE)
        targets[:, 3] = ids[:, 2]  # only what follows ouch counts
        batches.append((ids, targets))
    model, loss = fit(batches, seed, vocab_size=len(WORDS), max_seq_len=4, **settings)
    logits = model(TEST)[:, -1]
    right, wrong = logits.gather(1, TEST[:, 2:3]), logits.gather(1, TEST[:, :1])
    return (right > wrong).float().mean().item(), loss


assert ouch(seed=0, steps=2, n_layers=1, position="none")[0] == 0.5

# %% [markdown]
# Now three models without any positions. The first sees everything. The other two are *causal*, as language models
# are: each word sees only itself and what came before. Before you run it: what will they score?

# %% tags=["nbval-ignore-output"]
SEEDS = range(3)
WITHOUT = {
    "no mask, 2 layers": dict(n_layers=2, causal=False),
    "causal, 1 layer": dict(n_layers=1),
    "causal, 2 layers": dict(n_layers=2),
}
runs = {}


def probe(name, **settings):
    runs[name] = [ouch(seed, **settings) for seed in SEEDS]
    results = [f"accuracy {right:.3f}, loss {loss:.3f};" for right, loss in runs[name]]
    print(f"{name:20}", *results)


# %% tags=["nbval-ignore-output"]
for name, shape in WITHOUT.items():
    probe(name, position="none", **shape)
blind_ones = runs["no mask, 2 layers"] + runs["causal, 1 layer"]
assert all(abs(accuracy - 0.5) < 0.01 for accuracy, _ in blind_ones)
assert all(accuracy > 0.95 for accuracy, _ in runs["causal, 2 layers"])

# %% [markdown]
# The first two stand at exactly 0.5 for every seed. Their losses lie above ln 2 = 0.69 nats, the price of a guess
# between two, and no training brings a blind model below it: it gives one answer to both sentences of a pair, so their
# two right words must share its probability. The third model answers every question. **It has no positional encoding at
# all.** So the textbook's sentence is true for a model without a mask and false for a language model of more than one
# layer. Where does it get the order from?
#
# ### The mask is a position
#
# In a causal model the first word sees one word, the second two, the third three. That is information about the
# place, and nobody put it in. But it takes two layers to use it. Let us go slowly, with untrained models, where the
# result is algebra and not luck. `ouch` sees all words before it:

# %%
for layers, equal in [(1, True), (2, False)]:
    model = lively(n_layers=layers, position="none")
    texts = "dog bites man ouch", "man bites dog ouch"
    x, y = (model.hidden(ids_of(text))[0] for text in texts)
    agree = bool((x[3] - y[3]).abs().max() < 1e-4)
    print(f"{layers} layer(s): the vectors of ouch are equal up to rounding: {agree}")
    assert agree is equal

# %% [markdown]
# In layer 1, `ouch` takes a weighted mean over the four words. Each word is still nothing but its own row in the
# table, so this is a bag again, with or without the mask. But in layer 1 the *other* words have read something too,
# and what they could read depends on where they stood:

# %%
first_layer = lively(n_layers=1, position="none")
x = first_layer.hidden(ids_of("dog bites man ouch"))[0]
y = first_layer.hidden(ids_of("man bites dog ouch"))[0]
only = first_layer.hidden(ids_of("dog"))[0, 0]

# %%
show(
    vector_strip(torch.stack([only, x[0], y[2]]), ["alone", "first", "third"]),
    alt="Three vectors of the word dog after one causal layer. Alone and as the first"
    " word it is the same vector; as the third word, after man and bites, it is "
    "another one.",
)
torch.testing.assert_close(only, x[0], rtol=1e-4, atol=1e-4)
assert (x[0] - y[2]).abs().max() > 0.1

# %% [markdown]
# The first word has seen nobody. The third has seen a verb: it carries the mark *after the verb*, and in layer 2 `ouch`
# can look for that mark. So a second layer reads what the first one wrote. This is called NoPE, no positional encoding
# (seen by Irie et al. 2019 and Haviv et al. 2022; Kazemnejad et al. 2023 prove what it can express and find that it
# generalizes to longer texts *better* than explicit encodings on their tasks).
#
# Now you see why the probe ends in `ouch`. Leave it out and ask at the last noun: a single causal layer will "know"
# the order, because *man* and *dog* are different words to ask from. That is knowing the last word, not the order.

# %%
assert (x[2] - y[2]).abs().max() > 0.1  # one causal layer, asked at the third word

# %% [markdown]
# If the mask is enough, why does nearly every model use positions? For one, it costs a layer. For another, our
# sentences have four words. We will come back to this with longer texts.
#
# ## Way 1: a learned table, added
#
# The plainest way, and GPT-2's: a second table with one row for each *place*, next to the table with one row for each
# word. The two rows are added.


# %%
def add_places_by_hand(vectors, places):
    return torch.stack([vector + places[t] for t, vector in enumerate(vectors)])


# %%
learned = LearnedPosition(max_seq_len=6, d_model=8)
words = torch.stack([dog, bites, dog])
placed = add_places_by_hand(words, learned.weight)
torch.testing.assert_close(placed, words + learned(torch.arange(3)))
assert torch.equal(words[0], words[2])
assert not torch.equal(placed[0], placed[2])

# %%
print(inspect.getsource(LearnedPosition.forward))

# %% [markdown]
# Two dogs with two vectors: now `mix` has something to tell them apart by. "Doesn't adding spoil the word?" In eight
# dimensions it might; in 768, two random directions are nearly at a right angle, and the model can learn to keep the
# two apart. The weakness is another one: the table ends. GPT-2 has 1,024 rows, and for the 1,025th word there is
# nothing:

# %%
gpt2_like = lively(n_layers=1, position="learned", max_seq_len=4)
try:
    gpt2_like(ids_of("dog bites man ouch dog"))
    refused = ""
except ValueError as error:
    refused = str(error)
print(refused)
assert "built for 4" in refused

# %% [markdown]
# ## Way 2: a table of sines, added
#
# The first transformer (Vaswani et al. 2017) computed its table. Think of a clock: the second hand tells neighbouring
# moments apart, the hour hand tells two o'clock from eight, and together they name any moment of half a day. Here every
# *pair* of coordinates is a hand. Pair i turns by the angle 10000^(-2i/C) at each step, the first one fast, the last
# one hardly at all; we write down the hand's tip, as a sine and a cosine.


# %%
def sines_by_hand(length, d_model):
    table = torch.zeros(length, d_model)
    for position in range(length):
        for i in range(d_model // 2):
            angle = position / 10_000 ** (2 * i / d_model)
            table[position, 2 * i] = math.sin(angle)
            table[position, 2 * i + 1] = math.cos(angle)
    return table


# %%
table = sines_by_hand(length=48, d_model=32)
by_package = SinusoidalPosition(32)(torch.arange(48))
torch.testing.assert_close(table, by_package, rtol=1e-4, atol=1e-5)

# %%
print(inspect.getsource(SinusoidalPosition.forward))

# %%
show(
    heat_map(table, axes="position C", unit="sine or cosine"),
    alt="The table of sines, positions down and coordinates across. The columns on "
    "the left flicker from row to row, those further right change more and more "
    "slowly, the last ones not visibly in 48 positions.",
)
turns = 2 * math.pi / rotary_frequencies(32, 10_000.0)
print(f"steps in a full turn: first pair {turns[0]:.1f}, last pair {turns[-1]:,.0f}")
assert torch.allclose(table[:, 0::2] ** 2 + table[:, 1::2] ** 2, torch.ones(48, 16))

# %% [markdown]
# Why both, sine and cosine? Because then one step further is a rotation, by the same angle at every place. So the
# dot product of two rows depends on their distance alone. Hold on to that; way 3 is made of it.

# %%
products = table @ table.T
assert torch.allclose(products[1:, 1:], products[:-1, :-1], atol=1e-4)
print(f"rows 3 and 8: {products[3, 8]:.4f}   rows 40 and 45: {products[40, 45]:.4f}")

# %% [markdown]
# ## Way 3: rotate queries and keys
#
# If rotation is what we want, why add at all? Su et al. (2021) turn the vectors themselves: RoPE, the rotary position
# embedding of Llama and most models since. Cut a query into pairs of numbers; turn pair i by position times its angle.
# Do the same to each key. The words' own vectors stay as they are.


# %%
def turn(x, y, angle):
    """The point (x, y), turned around (0, 0)."""
    return (
        x * math.cos(angle) - y * math.sin(angle),
        x * math.sin(angle) + y * math.cos(angle),
    )


def rotate_by_hand(vector, position, theta=10_000.0):
    """Pair i is made of the numbers i and i + D/2, as in Hugging Face's Llama files."""
    half = len(vector) // 2
    turned = torch.zeros(len(vector))
    for i in range(half):
        angle = position * theta ** (-2 * i / len(vector))
        turned[i], turned[i + half] = turn(vector[i], vector[i + half], angle)
    return turned


# %%
query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
by_hand = torch.stack([rotate_by_hand(query, t) for t in range(12)])
angles = rotary_angles(torch.arange(12), d_head=8, theta=10_000.0)
by_package = rotate(query.expand(1, 1, 12, 8), *angles)[0, 0]
torch.testing.assert_close(by_hand, by_package, rtol=1e-4, atol=1e-5)

# %% [markdown]
# The package's rotation, without its docstring. (The first two lines are for training on a CPU, where C code does the
# same in one pass.)

# %%
print(inspect.getsource(rotate).split('"""')[2])

# %%
turns = 2 * math.pi / rotary_frequencies(8, 10_000.0)
titles = [f"pair {i}: {turn:,.0f} steps a turn" for i, turn in enumerate(turns)]
show(
    rotation(by_hand.unflatten(1, (2, 4)).transpose(1, 2), titles=titles),
    alt="One query at the positions 0 to 11, as four pairs on circles. The first pair"
    " goes nearly twice round, the second a sixth of the way, the other two "
    "hardly move.",
)

# %% [markdown]
# Now the point of it. The score of a query at place m with a key at place n, for all m and n:

# %%
turned_keys = rotate(key.expand(1, 1, 12, 8), *angles)[0, 0]
scores = by_package @ turned_keys.T
assert torch.allclose(scores[1:, 1:], scores[:-1, :-1], atol=1e-4)
show(
    heat_map(scores[:5, :5], axes="T S"),
    alt="Scores of one query with one key, at all pairs of places from 0 to 4. Along "
    "each diagonal, where the distance is the same, all numbers are equal.",
)

# %%
far = rotate_by_hand(query, 1_003) @ rotate_by_hand(key, 1_001)
print(f"places 3 and 1: {scores[3, 1]:.2f}   places 1003 and 1001: {far:.2f}")

# %% [markdown]
# Only the distance counts. Turn both hands of a clock by the same angle, and the angle between them stays. (And a
# rotation keeps every length, so nothing gets louder with the place.)
#
# ### The trap: which numbers make a pair?
#
# The paper pairs neighbours: 0 with 1, 2 with 3. So do Llama's weights as Meta published them, and GGUF files of them.
# The same weights in Hugging Face's files, and this package, pair the halves: 0 with D/2. Both are RoPE. But weights
# that were trained with one give nonsense with the code of the other, and no error says so. The two differ by a shuffle
# of the coordinates:


# %%
def rotate_neighbours(vector, position, theta=10_000.0):
    turned = torch.zeros(len(vector))
    for i in range(0, len(vector), 2):
        angle = position * theta ** (-i / len(vector))
        turned[i], turned[i + 1] = turn(vector[i], vector[i + 1], angle)
    return turned


# %%
shuffle = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
mixed_up = rotate_neighbours(query, 5) @ rotate_neighbours(key, 2)
print(f"the same weights: halves {scores[5, 2]:.4f}, neighbours {mixed_up:.4f}")
mended = rotate_by_hand(query[shuffle], 5) @ rotate_by_hand(key[shuffle], 2)
torch.testing.assert_close(mended, mixed_up, rtol=1e-4, atol=1e-5)

# %% [markdown]
# A second trap is the number format. Large models run in 16 bits, and bfloat16 stops counting at 256 (lesson 00a). If
# the places are counted in it, neighbours fall onto the same place, and again nothing is raised:

# %%
places = torch.arange(4096)
print(f"{len(places):,} places are {len(places.bfloat16().unique())} in bfloat16")
late = rotary_angles(torch.tensor([4000, 4001]), d_head=8, theta=10_000.0)[0]
assert places.bfloat16()[4000] == places.bfloat16()[4001]
assert late.dtype == torch.float32
assert (late[0, 0] - late[1, 0]).abs() > 0.1

# %% [markdown]
# So the package computes angles in 32 bits, whatever the model runs in, and rounds only the finished sine and cosine.
#
# ### Added in GPT-2, rotated in Llama
#
# Much that is written about language models says: "the position is added to the embedding". Look for it in two real
# shapes. (On the *meta* device a model has shapes and no numbers, so this costs nothing.)

# %%
with torch.device("meta"):
    names = ("gpt2", "smollm2-135m")
    shapes = {name: Transformer(ModelConfig.preset(name)) for name in names}
for name, model in shapes.items():
    places = [w for name, w in model.named_parameters() if name.startswith("position")]
    sizes = [tuple(w.shape) for w in places]
    print(f"{name:13} {model.config.position:8} tables:", sizes)
assert shapes["smollm2-135m"].position is None

# %% [markdown]
# So follow one word. In `dog bites dog` the two dogs enter the first layer of a GPT-2-like model as two vectors. In a
# Llama-like one they enter as the same vector, and part only inside attention, as queries and as keys. The *values*,
# what is handed over, are never turned.

# %%
for position in ("learned", "rotary"):
    model = lively(n_layers=1, position=position)
    ids, places = ids_of("dog bites dog"), torch.arange(3)
    stream, angles = model.embedding(ids), None
    if position == "learned":
        stream = stream + model.position(places)
    else:
        angles = rotary_angles(places, model.config.d_head, 10_000.0)
    query, key, value = model.blocks[0].attention.project(stream, angles)
    parts = {"entering": stream[:, None], "query": query, "key": key, "value": value}
    same = {name: torch.allclose(x[0, :, 0], x[0, :, 2]) for name, x in parts.items()}
    print(f"{position:8} both dogs alike?", same)
assert same == {"entering": True, "query": False, "key": False, "value": True}

# %% [markdown]
# ## Way 4: a penalty for distance
#
# ALiBi (Press et al. 2022) leaves all vectors alone. It lowers the *score* of a key by its distance times a slope,
# and every head has its own slope. A head with a steep slope sees its neighbours; one with a flat slope sees nearly
# everything.


# %%
def alibi_by_hand(n_heads, length):
    bias = torch.zeros(n_heads, length, length)
    indices = itertools.product(range(n_heads), range(length), range(length))
    for head, query, key in indices:
        slope = 2 ** (-8 * (head + 1) / n_heads)
        bias[head, query, key] = -slope * abs(query - key)
    return bias


# %%
torch.testing.assert_close(alibi_by_hand(4, 12), alibi_bias(4, T=12, S=12))

# %%
print(inspect.getsource(alibi_bias).split('"""')[2])

# %%
visible = torch.ones(12, 12, dtype=torch.bool).tril()  # itself, and what came before
weights = alibi_bias(4, 12, 12).masked_fill(~visible, -math.inf).softmax(-1)
torch.testing.assert_close(weights.sum(-1), torch.ones(4, 12))

# %%
titles = [f"slope {slope:.4f}" for slope in alibi_slopes(4).tolist()]
show(
    attention_grid(weights[::3], [str(t) for t in range(12)], titles=titles[::3]),
    alt="What ALiBi alone makes of the steepest and the flattest of four heads, if "
    "all keys please alike: the first weighs its nearest neighbours most, the "
    "last spreads its weight nearly evenly over all that came before.",
)

# %% [markdown]
# A finding on the way. A distance has no sign. Take the mask away, and left and right become the same: ALiBi reads a
# text and its mirror image alike. And the mirror image of *dog bites man* is, of all things, *man bites dog*.

# %%
without_mask = {}
for position in ("none", "alibi", "rotary", "sinusoidal", "learned"):
    model = lively(n_layers=2, position=position, causal=False)
    texts = "dog bites man", "man bites dog"
    x, y = (model.hidden(ids_of(text))[0].mean(0) for text in texts)
    without_mask[position] = bool((x - y).abs().max() < 1e-4)
print("without a mask, the two means agree:")
print(without_mask)
assert [name for name, agree in without_mask.items() if agree] == ["none", "alibi"]

# %% [markdown]
# In a causal model all keys lie on one side and nothing is lost. But whoever puts ALiBi into a bidirectional encoder
# must give left and right different slopes.
#
# ## See for yourself
#
# One query stands at a place; the curve shows what it makes of a key at each place. For `rotary` the query and key
# are fixed vectors with 8 pairs, for `sinusoidal` it is the dot product of two rows of 16 numbers, for `alibi` it is
# the bias of one of 8 heads (here *pair* chooses the head). The mask is left out.

# %%
FOR_QUERY, FOR_KEY = torch.randn(2, 16, generator=torch.Generator().manual_seed(4))
PLACES = torch.arange(64)


# %%
def view(scheme, place, pair):
    angles = rotary_angles(PLACES, 16, 10_000.0)
    if scheme == "alibi":
        whole = alibi_bias(8, 64, 64)[pair, place]
        half = math.log(2) / alibi_slopes(8)[pair]
        series = {f"head {pair}": whole}
        say = f"head {pair} halves a weight every {half:.1f} places"
    else:
        root_half = torch.full((2, 16), 0.5**0.5)
        vectors = (FOR_QUERY, FOR_KEY) if scheme == "rotary" else root_half
        q, k = (rotate(v.expand(1, 1, 64, 16), *angles)[0, 0] for v in vectors)
        products = q[place] * k
        one_pair = products[:, [pair, pair + 8]].sum(1)
        series = {"all pairs": products.sum(1), f"pair {pair}": one_pair}
        turn = 2 * math.pi / rotary_frequencies(16, 10_000.0)[pair]
        say = f"pair {pair} repeats every {turn:,.1f} places"
    figure = lines(series, xlabel="place of the key", ylabel="score")
    figure.axes[0].axvline(place, color="grey", linewidth=1)
    best = int(next(iter(series.values())).argmax()) - place
    say = f"{scheme}, query at place {place}: {say}; best key at distance {best:+d}."
    return figure, say


# %%
assert "every 19.9 places" in view("rotary", 20, 1)[1]
Explorer(
    view,
    scheme=["rotary", "sinusoidal", "alibi"],
    place=IntSlider(20, min=0, max=63),
    pair=IntSlider(1, min=0, max=7),
)

# %% [markdown]
# Move the query: with all three schemes the whole curve moves along unchanged, which is what *relative* means. Two
# things to look for. Take pair 7: it hardly moves over 64 places, so it cannot tell them apart, and that makes it free
# to carry *what* instead of *where*. And `sinusoidal` is `rotary` with a query and a key whose numbers are all √½,
# because sin a · sin b + cos a · cos b = cos(a - b). (The explorer uses this to draw it.)
#
# ## Four ways on the probe
#
# Back to *ouch*. All four get a single causal layer, with which NoPE had no chance:

# %% tags=["nbval-ignore-output"]
SCHEMES = ["learned", "sinusoidal", "rotary", "alibi"]
for scheme in SCHEMES:
    probe(f"{scheme}, 1 layer", position=scheme, n_layers=1)
    worst = min(accuracy for accuracy, _ in runs[f"{scheme}, 1 layer"])
    assert worst > (0.6 if scheme == "sinusoidal" else 0.9)

# %% tags=["nbval-ignore-output"]
names = ["no mask,\n2 layers", "causal,\n1 layer", "causal,\n2 layers"]
names = [f"none,\n{name}" for name in names]
names += [f"{scheme},\n1 layer" for scheme in SCHEMES]
accuracies = [[runs[name][seed][0] for name in runs] for seed in SEEDS]  # (3, 7)
chance = {"chance": 0.5}
show(
    grouped_bars({"accuracy": accuracies}, names, "accuracy", references=chance),
    alt="Accuracy in the probe. Without positions: 0.50 without a mask, 0.50 with a "
    "mask and one layer, 1.00 with a mask and two layers. With one layer, "
    "learned, rotary and ALiBi answer practically everything; the sines lag "
    "behind.",
)

# %% [markdown]
# One layer is enough now. But the sines lag behind: most answers are right, and the loss is still a hundred times
# that of the others, though a row of sines names its place as well as a learned row does. Why?
#
# Because what is *added* must not shout. A word vector starts with numbers around 0.02, a row of sines with numbers
# around 0.7: the place is 35 times as loud as the word. (The first transformer multiplied its word vectors by the
# root of C before it added the sines; many a copy forgets it.) If this is the reason, louder words should mend it,
# and should do nothing for RoPE, which adds nothing.
#
# There is a catch. So far one table has served both ends of our models, the words that go in and the scores that come
# out (lesson 02), and loud rows would make wild scores from the start. So the models with loud words need a head of
# their own. That is a second change, and it must be tried alone, or we would not know which of the two has helped:

# %% tags=["nbval-ignore-output"]
ALONE = dict(n_layers=1, tie_embeddings=False)
probe("sinusoidal, own head", position="sinusoidal", **ALONE)
for scheme in ("sinusoidal", "rotary"):
    probe(f"{scheme}, loud", position=scheme, loud=True, **ALONE)
mean = {name: sum(loss for _, loss in runs[name]) / len(SEEDS) for name in runs}
assert mean["sinusoidal, own head"] < 0.5 * mean["sinusoidal, 1 layer"]
assert mean["sinusoidal, loud"] < 0.2 * mean["sinusoidal, own head"]

# %% [markdown]
# Two things were wrong, then. A head of its own takes the loss from about 1.5 to 0.2, and every answer is right.
# Louder words take it from there to where RoPE is. Had we made both changes in one run, the loudness would have got all
# the credit. (Why does the head matter? Perhaps because one table had to stand out against the sines *and* to score the
# words. We have not tried to find out.)
#
# ## Longer than ever before
#
# Train at one length, read at a greater one: who still finds the way? We need texts in which order matters
# everywhere, and a known best loss. So we write a language of six letters, in which the next letter depends on the
# last two *and their order*: three letters can follow, with the probabilities 0.7, 0.2 and 0.1. No model can do
# better than the entropy of that.

# %%
LETTERS, CHANCES = 6, torch.tensor([0.7, 0.2, 0.1])
draw = torch.Generator().manual_seed(0)
NEXT = torch.zeros(LETTERS, LETTERS, LETTERS)  # [last but one, last, next]
for a, b in itertools.product(range(LETTERS), repeat=2):
    NEXT[a, b, torch.randperm(LETTERS, generator=draw)[:3]] = CHANCES
FLOOR = -(CHANCES * CHANCES.log()).sum().item()
print(f"floor {FLOOR:.4f} nats a letter; a uniform guess {math.log(LETTERS):.4f}")
assert torch.allclose(NEXT.sum(-1), torch.ones(LETTERS, LETTERS))


# %%
def write(texts, length, seed):
    """Texts of the six-letter language: ids (texts, length)."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(LETTERS, (texts, length), generator=draw)
    for t in range(2, length):
        chances = NEXT[ids[:, t - 2], ids[:, t - 1]]
        ids[:, t] = torch.multinomial(chances, 1, generator=draw)[:, 0]
    return ids


# %%
text = write(1, 20_000, seed=7)[0]
surprise = -NEXT[text[:-2], text[1:-1], text[2:]].log().mean().item()
assert abs(surprise - FLOOR) < 0.02
print("".join("abcdef"[i] for i in text[:60]))

# %% [markdown]
# Two marks to read the results by. A *uniform guess* is 0.99 nats above the floor. And a reader who knows the last
# letter but not the one before? We can work that out exactly, from how often each pair of letters occurs in the long
# run:

# %%
pair = torch.full((LETTERS, LETTERS), 1 / LETTERS**2)
for _ in range(200):
    pair = (pair[:, :, None] * NEXT).sum(0)  # (a, b) goes on to (b, c)
after_one = pair / pair.sum(1, keepdim=True)
LAST_ONLY = -(pair * after_one.log()).sum().item() - FLOOR
GUESS = math.log(LETTERS) - FLOOR
print(f"above the floor: last letter only {LAST_ONLY:.3f}, uniform guess {GUESS:.3f}")
assert 0 < LAST_ONLY < GUESS

# %% [markdown]
# All train on texts of 32 letters and are tested on 128: four times as long. What counts is the *excess*: the loss
# at each place minus the true surprise of the letter that came, so 0 is perfect. The four schemes get one layer,
# NoPE the two that it needs, and the sines their loud words and own head.

# %%
LENGTH, STEPS = 32, 150
LONG = write(128, 4 * LENGTH + 1, seed=1000)
TRUTH = -NEXT[LONG[:, :-2], LONG[:, 1:-1], LONG[:, 2:]].log()


def excess(model, length):
    """Nats above the truth, from the second place on: (length - 1,)."""
    if length > model.config.max_seq_len:
        model.extend_context(length)  # allow longer texts; the weights stay
    log_probs = model(LONG[:, :length]).log_softmax(-1)
    loss = -log_probs.gather(2, LONG[:, 1 : length + 1, None])[..., 0]
    return (loss[:, 1:] - TRUTH[:, : length - 1]).mean(0)


# %%
def speak(seed, length, **settings):
    """Train on texts of 32 letters; the excess in longer ones."""
    texts = write(32 * STEPS, LENGTH + 1, seed).split(32)
    batches = [(ids[:, :-1], ids[:, 1:]) for ids in texts]
    shape = dict(n_layers=1, vocab_size=LETTERS, max_seq_len=LENGTH) | settings
    return excess(fit(batches, seed, rate=1e-2, **shape)[0], length)


fresh = lively(n_layers=1, vocab_size=LETTERS, position="none")
assert excess(fresh, 32).shape == (31,)

# %% tags=["nbval-ignore-output"]
KINDS = {
    "no positions": dict(position="none", n_layers=2),
    "learned": dict(position="learned"),
    "sinusoidal": dict(position="sinusoidal", loud=True, tie_embeddings=False),
    "rotary": dict(position="rotary"),
    "alibi": dict(position="alibi"),
}
curves = {}
for name, kind in KINDS.items():
    length = LENGTH if name == "learned" else 4 * LENGTH
    curves[name] = torch.stack([speak(seed, length, **kind) for seed in SEEDS])
assert [len(curves[name][0]) for name in ("learned", "alibi")] == [31, 127]


# %% tags=["nbval-ignore-output"]
def up_to(name, multiple):
    """Mean excess in the second half of a text of 1, 2 or 4 times the length."""
    end = multiple * LENGTH - 1
    return curves[name][:, end // 2 : end].mean(1)


# %% tags=["nbval-ignore-output"]
print("second half of a text of:       1x                   2x                   4x")
for name in curves:
    row = [up_to(name, m) for m in ((1,) if name == "learned" else (1, 2, 4))]
    cells = [f"{r.mean():8.2f} ({r.min():.2f} to {r.max():.2f})" for r in row]
    print(f"{name:26}", *cells)
for name in ("sinusoidal", "rotary"):
    assert up_to(name, 2).min() > LAST_ONLY > 2 * up_to(name, 1).max()
assert (up_to("alibi", 4) - up_to("alibi", 1)).abs().max() < 0.1
assert up_to("no positions", 1).min() > up_to("alibi", 4).max()

# %% tags=["nbval-ignore-output"]
blocks = {}
for name, curve in curves.items():  # means of eight places
    blocks[name] = torch.stack([part.mean(1) for part in curve.split(8, dim=1)], dim=1)

# %% tags=["nbval-ignore-output"]
figure = lines(
    blocks,
    xlabel="place in the text",
    ylabel="nats above the floor",
    x={name: [8 * i + 5.5 for i in range(len(blocks[name][0]))] for name in blocks},
    references={"uniform guess": GUESS, "only the last letter": LAST_ONLY},
)
figure.axes[0].axvline(LENGTH, color="grey", linewidth=1)
show(
    figure,
    alt="Excess loss by place, means of eight places, three seeds; a line marks 32, "
    "where training ended. Rotary and sinusoidal are good before it and jump "
    "above the uniform guess behind it. ALiBi goes on as if nothing had happened."
    " The model without positions gets worse from the start and ends where "
    "knowing only the last letter ends. The learned table stops at 32.",
)

# %% [markdown]
# Read it slowly; there is much in it. (The list above looks at the second half of a text of 32 places, of 64 and of
# 128, and gives the mean of the seeds, the lowest and the highest.)
#
# - **learned** reads well within its 32 places, and has nothing to say beyond them.
# - **rotary** is the best reader within the 32 places, at 0.06 nats above the floor, and 1.2 above it in the next 32.
#   **Rotary and sinusoidal** do not fade beyond place 32, they *break*, within a dozen places, to worse than a uniform
#   guess. Both are formulas with an answer for every place. That an answer exists does not make it one the model can
#   read.
# - **alibi** reads on unchanged at four times the length, and pays for it: within the 32 places it is a weaker reader
#   than rotary. A likely reason, which we did not test: its steepest head here lowers a score by only 0.25 per step,
#   and this language needs exactly one step.
# - **no positions**: in short sentences the mask was enough. In a text of this language it is so only at the beginning,
#   and it ends at the mark of a reader who knows only the last letter. (Perhaps because one word more changes a mean of
#   few words and hardly a mean of sixty; we did not test this.) Kazemnejad et al. (2023) report the opposite: on their
#   tasks NoPE extrapolates best. Ours are 150 steps on one language, so take this as a result about this setting and
#   not about NoPE.
#
# "RoPE only knows distances, so it extrapolates" is a sound-looking argument, and wrong. Here the distance that
# matters is always 1, at place 100 as at place 10. But there are a hundred other keys now, and the model has never
# had to look away from a key 80 places back: pair 1 has never been turned that far. Is that the reason? Then a
# model in which every pair turns *full circle* within the 32 places should break less. A base of 4 in place of 10,000
# makes the slowest of the four pairs turn once in 18 steps:

# %% tags=["nbval-ignore-output"]
slowest = 2 * math.pi / rotary_frequencies(8, 4.0)
print("steps per turn with base 4:", [round(s, 1) for s in slowest.tolist()])
base_4 = dict(position="rotary", rope_theta=4.0)
longer = [speak(seed, 4 * LENGTH, **base_4) for seed in SEEDS]
curves["rotary, base 4"] = torch.stack(longer)
for name in ("rotary", "rotary, base 4"):
    means = [f"{m}x: {up_to(name, m).mean():.2f}  " for m in (1, 2, 4)]
    print(f"{name:15}", *means)
assert up_to("rotary, base 4", 2).mean() < 0.75 * up_to("rotary", 2).mean()

# %% [markdown]
# For the most part. At twice the length nearly three quarters of the excess is gone, at four times more than half. So
# unseen angles were a reason. They were not the only one: with base 4 hardly a single angle is new, and still the
# model gets worse. Two suspects are left, and we have not tried them: new *combinations* of the four angles, and more
# keys in the same softmax.
#
# ## A real model cannot count
#
# One last consequence, on SmolLM2, a Llama. RoPE acts only on scores, and scores only choose *whose* values are
# averaged. If all words are the same word, all values are the same, and a mean of equal things is that thing. So what
# can a Llama know about the place of a word in *dog dog dog dog dog dog*?

# %%
model, tokenizer = load("smollm2-135m-instruct")
START = tokenizer.special_tokens["<|endoftext|>"]
dogs = tokenizer.encode(" dog") * 6
with torch.no_grad():
    logits = model(torch.tensor([dogs]))[0]
    marked = model(torch.tensor([[START, *dogs]]))[0, 1:]
print(f"six dogs, all predict alike: {bool((logits - logits[0]).abs().max() < 0.01)}")
print(f"with a start mark before them: {bool((marked - marked[0]).abs().max() < 0.01)}")
assert (logits - logits[0]).abs().max() < 0.01 < 1 < (marked[5] - marked[0]).abs().max()

# %% [markdown]
# Nothing. After one dog and after six, the model predicts the same, up to rounding, through all its 30 layers. One
# different word in front, and it can tell how far it has come: each dog now mixes the mark into a mean of more and more
# dogs. This is one good reason for the start token that many models put before every text. Where positions are added,
# as in GPT-2, a model can count without it. Here are five small ones, untrained:

# %%
for position in ("learned", "sinusoidal", "rotary", "alibi", "none"):
    hidden = lively(n_layers=2, position=position).hidden(ids_of("dog dog dog dog"))[0]
    alike = torch.allclose(hidden[0], hidden[3], atol=1e-3)
    print(f"{position:11} four dogs alike: {alike}")
    assert alike is (position in ("rotary", "alibi", "none"))

# %% [markdown]
# > **Where the picture simplifies.** *Transformers need positions* is true without a mask, or with one layer; a causal
# > model of two layers reads order from the mask. *The position is added to the embedding* is true of GPT-2 and the
# > first transformer, not of Llama. *RoPE sees only distances* is true of one score at a fixed query and key; deeper
# > layers can learn where they are, with the mask and a start mark. *RoPE and sines work at any length* is false as
# > measured; *ALiBi does* held here, where only the neighbour counts. It says nothing about a language that needs what
# > stood far back: a slope that protects from far words also hides them. Four ways are not all: T5, for one, learns a
# > number for each *bucket* of distances and adds it to the score. And one layer of 32 numbers is not a language model;
# > that the curves break is general (Press et al. 2022 measured it at scale), how high they jump is ours.
#
# > **At scale.**
# > GPT-3 adds a learned table of 2,048 rows by 12,288: 25 million of its 175 billion numbers. Llama 2 turns 64 pairs
# > per head with base 10,000 over 4,096 places; the slowest pair needs some 54,000 steps for one turn, so in training
# > it saw a thirteenth of its circle. To read further, models are trained a little longer with changed angles: places
# > squeezed into the old range (Chen et al. 2023), or a larger base (Code Llama: 1,000,000; Llama 3 has
# > 500,000 from the start). The
# > slow pairs then stay within angles that the model knows; our base 4 went the opposite way. Some models leave
# > positions out of some layers on purpose. The cost is small either way: kernels fuse the rotation with the
# > projections, and the angles are computed once for all layers. Where a text is written word by word and the past is
# > kept, mind that each new word gets its true place and not 0 (lesson 12).
#
# ## Five questions
#
# Answer before you open.
#
# **1.** A model without positions and without a mask reads *dog bites man*. What is the same in *man bites dog*?
# (a) The vector at each place. (b) The vector of each word. (c) Nothing, once the model is trained.
#
# <details><summary>Open 1</summary>
#
# **(b)**. The vectors move with their words, so *dog* has one vector in both sentences, and so does the mean. Not (a):
# at the first place stands *dog* in one and *man* in the other, and their vectors differ. Not (c): the proof uses no
# property of the weights, and your trained model stayed at exactly 0.5.
# </details>
#
# **2.** Why does a causal model of one layer fail the probe, though it has the mask? (a) It has too few weights.
# (b) Its last word averages rows that carry no trace of their place. (c) The mask hides the first word from the last.
#
# <details><summary>Open 2</summary>
#
# **(b)**. The last word sees all words, and each is still its bare table row; a mean of bare rows is a bag. In layer 2
# the rows carry what they saw. Not (a): one layer with rotary positions has exactly as many weights and solves it. Not
# (c): the causal mask hides what comes *later*, and the last word sees everything.
# </details>
#
# **3.** A query at place 7 and a key at place 4 have the RoPE score 2.0. The same two vectors at 107 and 104? (a) 2.0.
# (b) Less, for the places are larger. (c) It depends on the base.
#
# <details><summary>Open 3</summary>
#
# **(a)**. Both are turned by the same additional angle, and the angle between them stays. Not (b): distance is 3 in
# both cases, and a rotation keeps lengths. Not (c): the base sets how fast each pair turns, so it sets the value 2.0,
# but with any base the two scores are equal.
# </details>
#
# **4.** Your Llama weights load without an error and give nonsense. Which is a likely cause? (a) The code pairs
# neighbours, the weights were trained with halves. (b) The code has no position table. (c) The text begins at place 1
# in place of 0.
#
# <details><summary>Open 4</summary>
#
# **(a)**. Same shapes, no error, other scores: the commonest mistake with RoPE. Not (b): a Llama has no such table, as
# you saw. Not (c): all places shift by one, all distances stay, so with RoPE nothing changes at all. (With
# GPT-2's table it would: every word would get its neighbour's place. That happens when padding in front is counted.)
# </details>
#
# **5.** RoPE broke at twice the training length. (a) So its formula has no value there. (b) So scores at a distance
# of 1 change with the place. (c) So scores with far keys came from angles that training never met.
#
# <details><summary>Open 5</summary>
#
# **(c)**, in part: with a base at which every pair comes full circle in training, most of the damage went
# away, but not all of it. Not (a): the formula has a value for every place; the learned table has
# not. Not (b): at a given distance, the same query and key score the same everywhere.
# </details>

# %% [markdown]
# **What you built**: a proof that attention reads a bag, and a probe that holds it to exactly 0.5; the four position
# schemes by hand; a language with a known floor, on which you saw two formulas break and one read on.
#
# **Exercise**: give `speak` eight heads (`n_heads` stands in `fit`) and train `alibi` again. Its steepest slope is
# then 0.5 in place of 0.25. Predict first: will it read better or worse at 1x, and at 4x? Then let the next letter
# depend on the last letter and the one *four* before it, and see whether your reason holds.
#
# **Graded questions**, with checks that name the mistake:
# [exercise 03](../exercises/03_positional_encoding/03_positional_encoding.ipynb).
#
# **Next**: lesson 04, attention, where `mix` gets its queries, keys, values, heads and mask, and *bank* meets *river*.
