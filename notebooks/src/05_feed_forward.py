# %% [markdown]
# # 05 · Feed-forward: where a model keeps what it knows
#
# **You will build** the feed-forward network of a transformer, by hand and equal to the package's; a memory of facts
# out of nothing but its two matrices; and three small models that learn the facts of a whole country while you wait.
#
# **The claim** is one you will read everywhere: *attention moves information between words, the feed-forward networks
# store the facts*. You will prove that a feed-forward network moves nothing. The other half, that it stores the facts,
# goes on trial, with a control and three seeds: do facts go before grammar when the feed-forward networks are damaged?
# Then a real model must say where it keeps its capitals. Make your bet now.
#
# **Time**: 70 minutes; the cells themselves run in about one.
#
# **Before you start**: tensors and softmax (lesson 00a), cross-entropy (00b), and what attention does (lesson 04) in
# one sentence: it replaces a vector by a weighted mean of other vectors.

# %%
import inspect
import itertools
import random
import re

import torch
import torch.nn.functional as F
from ipywidgets import FloatSlider
from torch.nn.utils.rnn import pad_sequence

from minillm import ModelConfig, Tokenizer, TrainConfig, Transformer, generate, pretrain
from minillm.analysis import ablation
from minillm.analysis.ablation import Replacement, ablate, random_directions
from minillm.analysis.evaluation import scorer
from minillm.analysis.tracing import sublayers
from minillm.data.batches import PackedBatches, pack_documents, split_targets
from minillm.losses import IGNORE, token_log_probs
from minillm.model.feedforward import FeedForward
from minillm.pretrained import load
from minillm.training.pretraining import TextData
from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, grouped_bars, heat_map, lines, scatter, show
from minillm.viz.figures.style import BLUE, ORANGE
from minillm.world import World, experiments
from minillm.world.facts import load_almanac
from minillm.world.telling import tell

_ = torch.manual_seed(0)

# %% [markdown]
# ## Why is there a second half in every block?
#
# Attention mixes. Its softmax decides who is listened to, and that part is far from simple; but what it then writes is
# a weighted mean of what stood there before, times a matrix. Means and matrices are *straight* (the textbook word is
# linear): twice the input gives twice the output, and a sum of inputs gives the sum of the outputs. Suppose we want
# more made of each word and add two more matrices. Watch what becomes of them:

# %%
first, second = torch.randn(32, 8), torch.randn(8, 32)  # 8 numbers to 32 and back
x = torch.randn(5, 8)  # five positions
one = second @ first  # (8, 8)
torch.testing.assert_close(x @ first.T @ second.T, x @ one.T, rtol=1e-4, atol=1e-4)
print(f"{first.numel() + second.numel()} weights do the work of {one.numel()}")

# %% [markdown]
# Two matrices in a row are one matrix, and so are a hundred. The 512 weights cannot do anything that 64 could not. To
# get something new there must be a *bend* between them, a function that is not straight.
#
# Is a straight map too weak for facts? Take two people and two questions, with towns made up for this example (in
# Ottermere both live in Pellin). Mira lives in Sedge and was born in Pellin. Tobin lives in Pellin and was born in
# Sedge. The input says who and what is asked; the output should be 1 for Sedge and 0 for Pellin. Here is the *best*
# straight map there is, by least squares:

# %%
WHO_AND_WHAT = torch.tensor(  # columns: Mira, Tobin, lives, born, 1 for the bias
    [[1.0, 0, 1, 0, 1], [1, 0, 0, 1, 1], [0, 1, 1, 0, 1], [0, 1, 0, 1, 1]]
)
SEDGE = torch.tensor([1.0, 0, 0, 1])
best = torch.linalg.pinv(WHO_AND_WHAT) @ SEDGE
answers = WHO_AND_WHAT @ best
print("Sedge? the best straight answer:", answers.round(decimals=4).tolist())
torch.testing.assert_close(answers, torch.full((4,), 0.5))

# %% [markdown]
# One half for everything. A straight map adds what *Mira* speaks for to what *lives* speaks for, and here each word
# alone speaks for nothing. (You may know this as XOR.) A fact is an **and**: Mira *and* lives. One bend is enough to
# say *and*: add the two inputs, subtract 1, and cut off what is below zero. That cut is called ReLU.

# %%
# Two detectors: Mira and lives; Tobin and born.
AND = torch.tensor([[1.0, 0, 1, 0, -1], [0, 1, 0, 1, -1]])
found = torch.relu(WHO_AND_WHAT @ AND.T)  # (4 questions, 2 detectors)
print("Sedge? with a bend:", found.sum(1).tolist())
assert torch.equal(found.sum(1), SEDGE)

# %% [markdown]
# ## The bend, by hand
#
# ReLU has a corner at zero and no slope at all below it: a detector that is off for every text learns nothing more.
# Most models use a rounder bend. GELU multiplies x by the probability that a standard normal number is smaller than x
# (Hendrycks & Gimpel 2016); SiLU multiplies x by sigmoid(x).


# %%
def naive_gelu(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def naive_silu(x):
    return x / (1 + torch.exp(-x))


z = torch.linspace(-4, 4, 161)
torch.testing.assert_close(naive_gelu(z), F.gelu(z))
torch.testing.assert_close(naive_silu(z), F.silu(z))

# %% [markdown]
# GPT-2 was trained with an approximation of GELU that does without erf, the function behind the normal distribution:


# %%
def naive_gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


torch.testing.assert_close(naive_gelu_tanh(z), F.gelu(z, approximate="tanh"))
assert (naive_gelu(z) - naive_gelu_tanh(z)).abs().max() < 5e-4

# %%
bends = {"ReLU": z.relu(), "GELU": naive_gelu(z), "SiLU": naive_silu(z)}
show(
    lines(bends, "x", "bend(x)", x=z),
    alt="Three bends. ReLU is zero up to x = 0 and then x. GELU and SiLU follow it far from zero and dip a little "
    "below zero on the left: GELU to -0.17 near -0.75, SiLU to -0.28 near -1.28.",
)

# %% [markdown]
# The two GELUs differ by less than 0.0005, which is little and not nothing: it comes back in every neuron of every
# layer, and GPT-2's weights in a model with the exact GELU give logits that are a little off everywhere. When "my
# logits nearly match", look here first.
#
# **SwiGLU** (Shazeer 2020) goes one step further. It reads x twice, with two matrices. One reading, bent by SiLU, is
# the *gate*: it says how far the other one is let through. C is the width of the model, `d_model`, and F that of the
# hidden layer between the matrices, `d_ff`; its F numbers are the *neurons*.


# %%
def naive_swiglu(x, gate, up, down):
    """x: (T, C); gate and up: (F, C); down: (C, F)."""
    rows = []
    for position in x:  # one position at a time: nothing here looks at the others
        hidden = naive_silu(gate @ position) * (up @ position)  # (F,)
        rows.append(down @ hidden)
    return torch.stack(rows)


# %%
layer = FeedForward(d_model=8, d_ff=21, activation="swiglu")
by_hand = naive_swiglu(x, layer.gate.weight, layer.up.weight, layer.down.weight)
torch.testing.assert_close(by_hand, layer(x))

# %% [markdown]
# And this is the package's. The form with one matrix up and the GELU is in it too. (`kernels.swiglu` is the same
# product of gate and up, in one pass of C code while a model is trained on a CPU.)

# %%
print(inspect.getsource(FeedForward.forward))

# %%
plain = FeedForward(d_model=8, d_ff=32, activation="gelu")
by_hand = naive_gelu_tanh(x @ plain.up.weight.T) @ plain.down.weight.T
torch.testing.assert_close(plain(x), by_hand)
for name, module in [("swiglu, d_ff 21", layer), ("gelu, d_ff 32", plain)]:
    print(f"{name}: {sum(weight.numel() for weight in module.parameters())} weights")

# %% [markdown]
# Three matrices of width 21 or two of width 32: about the same number of weights. That is where the odd 8/3 in
# *d_ff = 8/3 · d_model* comes from: two thirds of the usual 4, because there are three matrices to pay for. Whether
# the gate helps is a matter of measurement. Shazeer's paper measured that it does, and closes: "We offer no
# explanation as to why these architectures seem to work".
#
# ### Every position for itself
#
# The loop above looked at one position at a time and got the same result. So the words may come in any order:

# %%
order = torch.tensor([3, 0, 4, 1, 2])
torch.testing.assert_close(layer(x)[order], layer(x[order]))

# %% [markdown]
# Nothing travels from word to word here. Whatever the feed-forward network at *lives* knows of *Mira*, attention has
# carried there before. Keep this in mind; it decides the trial below.
#
# ## A memory, by hand
#
# Look at `down(bend(up(x)))` once more, row by row (Geva et al. 2021, *Transformer feed-forward layers are key-value
# memories*). A row of `up` is compared with x by a dot product: it is a **key**. The bend says how well it fits. The
# matching column of `down` is added to the output, as strongly as the key fitted: it is the **value**. If this is
# right, we can *write* facts into the matrices, without any training.
#
# Here are nine facts of Ottermere, the invented country of this course, whose every fact we know:

# %%
LIBRARY = {
    (one.name, what.name): one.attributes[what.name]  # ("Mira", "home"): "Pellin"
    for one, what in load_almanac().facts()
}
PEOPLE, RELATIONS = ["Mira", "Bram", "Isa"], ["home", "trade", "food"]
FACTS = {fact: LIBRARY[fact] for fact in itertools.product(PEOPLE, RELATIONS)}
for (who, what), value in FACTS.items():
    print(f"{who:<6}{what:<7}{value}")
assert len(set(FACTS.values())) == 9

# %% [markdown]
# Every word gets a direction of its own in a space of 32 dimensions. A question is the sum of two words, as attention
# would deliver it. `random_directions` gives directions at right angles, of length 1: the dot product of a word with
# itself is 1, with any other 0. A key is the sum of the two words of its fact: it fits its own question with 2, a
# question that shares one word with 1, others with 0. The bias -1 and the cut at zero turn that into 1, 0, 0: an *and*.

# %%
words = [*PEOPLE, *RELATIONS, *FACTS.values()]
vector = dict(zip(words, random_directions(32, len(words), seed=0), strict=True))
questions = torch.stack([vector[who] + vector[what] for who, what in FACTS])  # (9, 32)
keys = questions.clone()
values = torch.stack([vector[answer] for answer in FACTS.values()])
fits = torch.relu(questions @ keys.T - 1)  # (9 questions, 9 keys)
# Every question gets its answer:
torch.testing.assert_close(fits @ values, values, rtol=1e-4, atol=1e-4)

# %%
names = [f"{who}.{what}" for who, what in FACTS]
torch.testing.assert_close(fits, torch.eye(9), rtol=1e-4, atol=1e-4)
numbers = [str(number) for number in range(9)]
show(
    heat_map(questions @ keys.T, "question key", names, numbers, digits=0),
    alt="Nine questions against nine keys before the bend. On the diagonal stands 2, where a word is shared 1, else 0. "
    "The bend with its bias of -1 leaves only the diagonal.",
)

# %% [markdown]
# Now the same memory in the package's own module, with the matrices that you just wrote. (`relu2` is ReLU, squared: 1,
# 0, 0 stay 1, 0, 0.)

# %%
memory = FeedForward(d_model=32, d_ff=9, activation="relu2", bias=True)
with torch.no_grad():
    memory.up.weight.copy_(keys)
    memory.up.bias.fill_(-1)
    memory.down.weight.copy_(values.T)
    memory.down.bias.zero_()
    recalled = memory(questions)
torch.testing.assert_close(recalled, values, rtol=1e-4, atol=1e-4)

# %%
answers = list(FACTS.values())
for name, output in zip(names[:4], recalled, strict=False):
    print(f"{name:12} -> {answers[int((output @ values.T).argmax())]}")
assert [answers[i] for i in (recalled @ values.T).argmax(1).tolist()] == answers

# %% [markdown]
# ### How many facts fit?
#
# With a direction for each word, 32 dimensions would be full after 32 words. Real models have many more words than
# dimensions, so their directions cannot all be at right angles; random ones nearly are. Now every question fits
# *every* key a little. Which memory stands that better, one without a bend or one with?


# %%
def recall(n_facts, d_model, bend, n_answers=100):
    """The share of random facts that a memory of random directions gives back."""
    generator = torch.Generator().manual_seed(n_facts)
    keys = F.normalize(torch.randn(n_facts, d_model, generator=generator), dim=1)
    answers = F.normalize(torch.randn(n_answers, d_model, generator=generator), dim=1)
    right = torch.randint(n_answers, (n_facts,), generator=generator)
    asked = slice(0, 300)
    output = bend(keys[asked] @ keys.T) @ answers[right]
    return float(((output @ answers.T).argmax(1) == right[asked]).float().mean())


assert recall(10, 64, lambda fit: fit) == 1.0


# %%
def recall_of_the_best(n_facts, d_model, n_answers=100):
    """The same facts in a matrix that was fitted to them, instead of one summed up."""
    generator = torch.Generator().manual_seed(n_facts)
    keys = F.normalize(torch.randn(n_facts, d_model, generator=generator), dim=1)
    answers = F.normalize(torch.randn(n_answers, d_model, generator=generator), dim=1)
    right = torch.randint(n_answers, (n_facts,), generator=generator)
    matrix = torch.zeros(d_model, d_model, requires_grad=True)
    optimizer = torch.optim.Adam([matrix], lr=1.0)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(keys @ matrix @ answers.T, right).backward()
        optimizer.step()
    return float(((keys @ matrix @ answers.T).argmax(1) == right).float().mean())


AMOUNTS = [30, 100, 300, 1000, 3000, 10_000]
fitted = [recall_of_the_best(amount, 64) for amount in AMOUNTS]
assert fitted[2] > 0.95
assert fitted[3] < 0.6

# %%
STRAIGHT, BENT = (lambda fit: fit), (lambda fit: torch.relu(fit - 0.7))
curves = {
    f"{name}, {d_model} dims": [recall(amount, d_model, bend) for amount in AMOUNTS]
    for name, bend in [("bent", BENT), ("straight", STRAIGHT)]
    for d_model in (64, 16)
}
assert min(curves["bent, 64 dims"]) > 0.99
assert curves["straight, 64 dims"][-1] < 0.1
show(
    lines(
        curves | {"fitted, 64 dims": fitted},
        "facts stored",
        "share recalled",
        x=AMOUNTS,
        references={"chance": 0.01},
        log_x=True,
    ),
    alt="Recall against the number of stored facts. Without a bend 64 dimensions hold about a hundred facts and fail "
    "at a thousand; fitted, they hold three hundred. With a bend they hold ten thousand, and so do even 16 "
    "dimensions, nearly.",
)

# %% [markdown]
# That is the best reason for the bend. Without it the small wrong fits of all keys add up, and a memory of 64
# dimensions is full at about a hundred facts. With it most wrong fits are cut off before they can add up, and the
# number of *neurons* (rows of `up`), not the number of dimensions, decides how much fits in.
#
# Is that fair to the straight one? Not quite, and so there is a fifth line. Summing up is a poor way to fill a matrix.
# *Fitted* by gradient descent the same 64 × 64 numbers hold three to four hundred facts, and then they are full too:
# 4,096 numbers are all that ten thousand straight neurons amount to. The bent memory pays for its size as well, with
# 128 numbers a fact. The difference is that it *can* grow.
#
# So a feed-forward network **can** be a memory for facts. Does a trained one **do** it? A thing that can be a hammer
# may still be used as a paperweight.
#
# ## The trial
#
# ### Three models that know a country
#
# We train on documents that tell facts of Ottermere, about people, towns and animals. Some facts are told often, some
# seldom; how often is known exactly. (The assert below says that Ottermere itself could have written this one.)

# %%
WORLD = World(seed=0)


def sheet(name, number):
    """One facts document, sentence by sentence, each with the form it was made from."""
    return tell(WORLD, random.Random(f"{name} {number}"), "facts", "", {})


def text_of(document):
    return "".join(sentence.said for sentence in document)


print(text_of(sheet("training", 0)))
assert WORLD.log_prob(text_of(sheet("training", 0))) > -100

# %%
SHEETS = [sheet("training", number) for number in range(8000)]
TEXTS = [text_of(document) for document in SHEETS]
tokenizer = Tokenizer.train(
    TEXTS[:3000], vocab_size=768, special_tokens=["<|endoftext|>"]
)
tokenizer.eos_token = "<|endoftext|>"
END = tokenizer.eos_id

# %%
rows = pack_documents(tokenizer.encode_batch(TEXTS), END, row_length=129)
print(f"{len(TEXTS):,} documents in {len(rows):,} rows of 129 tokens")

# %% [markdown]
# To measure, 60 new documents. The world tells us for every word what it is. A sentence form such as *{X} lives in
# {X.home}.* has open places. What fills the place of the fact is a **fact**, and what the form itself says is the
# **wording**: *lives in* and the full stop. (The subject's name or pronoun is neither.)
#
# One distinction more, which will be needed at the end. In *Oona keeps a pig named Duchess* the fact is settled at
# *pig*: of all pets of Ottermere only one is a pig. Up to there is the **choice**; *named Duchess* is only its
# **spelling**.


# %%
def fact_of(sentence):
    """The texts of a sentence's pieces, and the place of the one with the fact."""
    pattern, holds = r"\s*", []
    for piece in sentence.form.pieces:  # a text, or an open place with a path
        is_text = isinstance(piece, str)
        pattern += f"({re.escape(piece)})" if is_text else "(.+?)"
        holds.append(not is_text and sentence.event in piece.path)
    texts = re.fullmatch(pattern, sentence.said, re.IGNORECASE).groups()
    return texts, holds.index(True)


VALUES = {}  # for each relation all that Ottermere says of anybody
for sentence in itertools.chain.from_iterable(SHEETS[:4000]):
    texts, place = fact_of(sentence)
    VALUES.setdefault(sentence.event, set()).add(texts[place].lower())
print(*(f"{name}: {len(values)}" for name, values in VALUES.items()), sep="\n")
assert "a pig named duchess" in VALUES["pet"]

# %%
KINDS = "cswo"  # choice and spelling of a fact, wording, other


def marks(sentence):
    """One letter of KINDS for every character of a sentence."""
    texts, place = fact_of(sentence)
    letters = "o" * (len(sentence.said) - len("".join(texts)))  # the space before it
    for number, (text, piece) in enumerate(
        zip(texts, sentence.form.pieces, strict=True)
    ):
        if number != place:
            letters += ("w" if isinstance(piece, str) else "o") * len(text)
            continue
        for end in range(len(text)):  # do several values begin like this one so far?
            so_far = text[:end].lower()
            fits = sum(value.startswith(so_far) for value in VALUES[sentence.event])
            letters += "c" if fits > 1 else "s"
    return letters


measured = sheet("measuring", 2) + sheet("measuring", 3)
example = next(sentence for sentence in measured if sentence.event == "pet")
print(example.said, marks(example), sep="\n")
assert len(marks(example)) == len(example.said)

# %% [markdown]
# A token is of the kind of its first letter (the space before it aside):

# %%
token_rows, kind_rows = [], []
for document in (sheet("measuring", number) for number in range(60)):
    ids, letters = tokenizer.encode(text_of(document)), "".join(map(marks, document))
    end, kinds = 0, []
    for piece in (tokenizer.decode([id]) for id in ids):
        kinds.append(KINDS.index(letters[end + (piece[0] == " " and len(piece) > 1)]))
        end += len(piece)
    token_rows.append(torch.tensor([END, *ids, END]))
    kind_rows.append(torch.tensor([*kinds, 3]))
padded = pad_sequence(token_rows, batch_first=True, padding_value=IGNORE)
INPUTS, TARGETS = split_targets(padded, END)
TOKEN_KINDS = pad_sequence(kind_rows, batch_first=True, padding_value=3)
assert TOKEN_KINDS.shape == TARGETS.shape
print(
    {kind: int((number == TOKEN_KINDS).sum()) for number, kind in enumerate(KINDS[:3])}
)

# %% [markdown]
# Now train three models, alike but for their seeds. Each reads less than half of the documents, and none twice.
# (`pretrain` is lesson 08's, and Muon an optimizer that lesson 13 builds; here it only saves your time.)

# %% tags=["nbval-ignore-output"]
CONFIG = ModelConfig(
    tokenizer.vocab_size,
    d_model=96,
    n_layers=2,
    n_heads=2,
    max_seq_len=128,
    qk_norm=True,
)
TRAINING = TrainConfig(
    steps=150, optimizer="muon", learning_rate=1e-2, warmup_steps=15, bf16=False
)


def learn(seed):
    torch.manual_seed(seed)
    data = TextData(
        PackedBatches(rows, batch_size=8, seed=seed, end_id=END), [(INPUTS, TARGETS)]
    )
    model, history = pretrain(Transformer(CONFIG), data, TRAINING)
    return model, history[-1]["val_loss"]


MODELS, LOSSES = zip(*map(learn, range(3)), strict=True)
print("loss on new documents, nats per token:", *(f"{loss:.3f}" for loss in LOSSES))
assert max(LOSSES) < 1.0


# %%
def weights_in(part):
    named = MODELS[0].named_parameters()
    return sum(weight.numel() for name, weight in named if part in name)


print({part: weights_in(part) for part in ("attention", "feedforward", "embedding")})
assert weights_in("feedforward") > 1.9 * weights_in("attention")

# %% [markdown]
# Two thirds of the weights of every block are in the feed-forward network. If only for that, one would look for the
# facts there.
#
# ### Two questions in one
#
# Facts are hard and grammar is easy, so *any* damage might hurt facts first, and prove nothing. We need two questions
# that are asked in the same place, in the same way. Take the beginning *Mira likes* and sixteen ways to go on: the
# right one, seven wrong ones of the right **kind** (other dishes), and eight of a wrong kind (pets, trades, ...).
#
# - Is the right one the likeliest of the eight dishes? That needs the **fact**; guessing gets 1/8.
# - Is the likeliest of all sixteen a dish? That needs only the **grammar** of the sentence, in the wide sense of what
#   kind of word may follow; guessing gets 1/2.

# %%
PROBES = [probe for probe in experiments.facts().probes if len(probe.choices) >= 8]
RIGHT = {}
for probe in PROBES:
    RIGHT.setdefault(probe.group, set()).add(probe.choices[probe.answer])


# %%
def sixteen(probe, draw):
    right = probe.choices[probe.answer]
    own = draw.sample([choice for choice in probe.choices if choice != right], 7)
    others = set().union(*(RIGHT[group] for group in RIGHT if group != probe.group))
    others = sorted(others - set(probe.choices))
    return probe.prefix, (right, *own, *draw.sample(others, 8))


# %%
QUESTIONS = [sixteen(probe, random.Random(n)) for n, probe in enumerate(PROBES)]
beginning, ways = QUESTIONS[1]
print(f"{len(QUESTIONS)} questions, such as: {beginning} ...", *ways, sep="\n")
assert all(len(set(ways)) == 16 for _, ways in QUESTIONS)


# %%
def ask(model, questions=QUESTIONS):
    """ln P of the sixteen ways to go on: (questions, 16)."""
    return torch.tensor(scorer(model, tokenizer)(questions))


@torch.no_grad()
def examine(model, answers):
    """Right facts, right kinds, and what facts and wording cost in nats."""
    losses = -token_log_probs(model(INPUTS), TARGETS)
    return {
        "facts": float((answers[:, :8].argmax(1) == 0).float().mean()),
        "grammar": float((answers.argmax(1) < 8).float().mean()),
        "loss on facts": float(losses[TOKEN_KINDS <= 1].mean()),
        "loss on wording": float(losses[TOKEN_KINDS == 2].mean()),
        "loss on the choice": float(losses[TOKEN_KINDS == 0].mean()),
        "loss on the spelling": float(losses[TOKEN_KINDS == 1].mean()),
    }


blank = Transformer(CONFIG)
result = examine(blank, ask(blank, QUESTIONS[::8]))
assert result["facts"] < 0.3
assert result["grammar"] < 0.8

# %% tags=["nbval-ignore-output"]
ANSWERS = [ask(model) for model in MODELS]
for seed, model in enumerate(MODELS):
    result = examine(model, ANSWERS[seed])
    print(
        f"seed {seed}:",
        *(f"{name} {value:.2f}" for name, value in result.items()),
        sep="\n  ",
    )
    assert result["facts"] > 0.25  # twice what guessing gets
    assert result["grammar"] > 0.85

# %% [markdown]
# These models know what kind of word must come nearly always, and the fact itself in more than a third of the
# questions, three times as often as by guessing. Perfect would be 1 and 1. (A perfect loss is not 0: which fact is told
# next is free.)
#
# ### Which facts? The ones that were told
#
# The world knows how often each fact is told, down to the last digit. So is a fact known *because* it was told often?


# %%
def rank_correlation(a, b):
    """Spearman's: the correlation of the ranks; equal values share their mean rank."""
    ranks = []
    for values in (torch.as_tensor(a), torch.as_tensor(b)):
        above, equal = values[:, None] > values, values[:, None] == values
        rank = above.double().sum(1) + 0.5 * equal.double().sum(1)
        ranks.append(rank - rank.mean())
    return float((ranks[0] @ ranks[1]) / (ranks[0].norm() * ranks[1].norm()))


# %%
assert abs(rank_correlation([1, 2, 3], [10, 200, 3000]) - 1) < 1e-9
assert abs(rank_correlation([1, 2, 3, 4], [2, 1, 4, 3]) - 0.6) < 1e-9

# %% tags=["nbval-ignore-output"]
told = torch.tensor([probe.amount for probe in PROBES])
right = [(answers[:, :8].argmax(1) == 0).double() for answers in ANSWERS]
known = torch.stack(right).mean(0)
groups = told.argsort().chunk(10)  # ten groups of equal size, from seldom to often
frequency = [float(told[group].mean()) for group in groups]
recalled_share = [float(known[group].mean()) for group in groups]
rho = rank_correlation(told, known)
print(f"rank correlation over {len(PROBES)} facts: {rho:.2f}")
assert rho > 0.2
show(
    scatter(
        frequency,
        recalled_share,
        "probability that a document tells the fact",
        "share known",
        log_x=True,
    ),
    alt=f"Ten groups of facts, from seldom told to often told, against the share that the three models know. It rises "
    f"from {recalled_share[0]:.2f} to {recalled_share[-1]:.2f}; rank correlation over single facts {rho:.2f}.",
)

# %% [markdown]
# Yes, as a tendency: what was told often is known more often. (A model reads some 2,900 documents here, so 0.002 means
# that it was told the fact about six times.) It is far from a law: among the seldom told facts some are known and some
# not, for reasons that we did not measure (how many facts share its words, perhaps, or whether its first token gives it
# away). Hold on to it for lesson 08, where recall by frequency is the measure of *lossy compression*.
#
# ### The damage
#
# Now to the knife. *Mean ablation* replaces what a sub-layer writes by its mean over all texts: it still says
# something, but the same everywhere. At *strength* 0.5 it writes half its own and half the mean.

# %%
print(inspect.getsource(Replacement.__call__))

# %%
model = MODELS[0]
batches = [(INPUTS, TARGETS)]
MEANS = [ablation.mean_outputs(one, batches) for one in MODELS]
place = (0, "feedforward")
with ablate(model, {place: Replacement(MEANS[0][place])}):
    first, second = sublayers(model)[place](torch.randn(2, 96))
torch.testing.assert_close(first, second)  # whatever comes in, the same goes out

# %% [markdown]
# Three ways to do damage: in both attentions; in both feed-forward networks; or, as the **control**, in every sub-layer
# but only along random directions, half as many as there are dimensions. The control has no address. Whatever it does
# to facts and grammar is what damage *as such* does.
#
# The three must be equally bad, or we compare a scratch with a stroke. So the strength is turned up until the loss on
# new documents has risen by the same amount, 0.3 nats per token.

# %% tags=["nbval-ignore-output"]
DAMAGE = 0.3
WAYS = ["attention", "feedforward", "random"]
ASKED = slice(None, None, 3)  # every third question is enough here


def damaged(seed, way):
    """What one model still knows when damage has raised its loss by DAMAGE."""
    model, places, directions = MODELS[seed], list(sublayers(MODELS[seed])), None
    chosen = [place for place in places if place[1] == way]
    if way == "random":
        chosen = places
        directions = random_directions(CONFIG.d_model, CONFIG.d_model // 2, seed)
    match = ablation.match_damage(
        model, batches, MEANS[seed], chosen, DAMAGE, directions
    )
    with ablate(model, match.replacements):
        return {"increase": match.increase} | examine(
            model, ask(model, QUESTIONS[ASKED])
        )


AFTER = {way: [damaged(seed, way) for seed in range(3)] for way in WAYS}
for way, results in AFTER.items():
    print(f"{way:12}", *(f"+{result['increase']:.3f}  " for result in results))
    assert all(abs(result["increase"] - DAMAGE) < 0.01 for result in results)

# %% [markdown]
# ### First witness: the loss
#
# The loss has risen by 0.3 everywhere. But on which tokens? If the feed-forward networks keep the facts, damage to
# them should land on the fact tokens and spare the wording, more than the other two do.

# %% tags=["nbval-ignore-output"]
BEFORE = [examine(MODELS[seed], ANSWERS[seed][ASKED]) for seed in range(3)]


def changes(*measures):
    """For each kind of damage a table (seeds, measures): after minus before."""
    table = {}
    for way in WAYS:
        pairs = zip(AFTER[way], BEFORE, strict=True)
        rows = [[after[m] - before[m] for m in measures] for after, before in pairs]
        table[way] = torch.tensor(rows)
    return table


def in_words(table, *names):
    """The means over the seeds, as text."""
    means = {way: zip(names, table[way].mean(0).tolist(), strict=True) for way in WAYS}
    parts = {way: ", ".join(f"{n} {v:+.2f}" for n, v in means[way]) for way in WAYS}
    return "; ".join(f"{way}: {part}" for way, part in parts.items())


extra = changes("loss on facts", "loss on wording")
ratio = {way: table.mean(0)[0] / table.mean(0)[1] for way, table in extra.items()}
text = "Facts over wording: " + ", ".join(f"{way} {r:.1f}" for way, r in ratio.items())
print(text)
assert ratio["feedforward"] > max(ratio["attention"], ratio["random"])
show(
    grouped_bars(extra, ["facts", "wording"], "extra nats per token"),
    alt=f"Extra loss at equal damage, mean of three seeds with the least and the greatest. {text}.",
)

# %% [markdown]
# The first witness seems to speak for the claim, but look at the control. The feed-forward networks' bars lie within a
# few hundredths of those of the damage without an address: 0.44 against 0.41 on the facts, where the ranges of the
# three seeds just miss each other, and 0.20 against 0.21 on the wording, where they overlap. The odd one out is
# *attention*: damage there falls more on the wording. Many an article ends before this comparison.
#
# ### Second witness: the answers
#
# The loss on a fact token can rise for two reasons. The model may no longer know *which* dish it is; or it may no
# longer know that a *dish* must come, and gives its probability to pets and months. Only the first is a forgotten
# fact. The sixteen ways tell the two apart. If facts go first, damage to the feed-forward networks should cost
# **more** right facts than the other two, and **fewer** right kinds.

# %% tags=["nbval-ignore-output"]
lost = changes("facts", "grammar")
text = in_words(lost, "facts", "grammar")
print(text)
assert all(table.mean(0).max() < -0.01 for table in lost.values())
assert (lost["feedforward"] - lost["random"]).mean(0)[0] > -0.1
show(
    grouped_bars(lost, ["facts", "grammar"], "change of accuracy"),
    alt=f"Change of accuracy at equal damage, mean of three seeds with the least and the greatest. {text}.",
)

# %% [markdown]
# The second witness decides nothing. At equal damage we see no more right facts lost with the feed-forward networks
# than with attention or the control, and about as much grammar. But about 125 questions per seed could not show a
# difference of a few hundredths. Nor do we see facts go *first*: under all three kinds of damage right facts fall by
# 0.06 to 0.09, right kinds by 0.07 to 0.08.
#
# ### Cross-examination
#
# Is more to be seen in the losses? The first witness counted every token of a fact, the second only asked which one it
# is. So split the fact tokens: where the fact is still to be chosen, and where it is settled and only has to be spelled
# out.

# %% tags=["nbval-ignore-output"]
parts = changes("loss on the choice", "loss on the spelling")
text = in_words(parts, "choice", "spelling")
print(text)
assert parts["feedforward"].mean(0)[1] > parts["attention"].mean(0)[1]
assert (parts["feedforward"] - parts["random"]).mean(0).abs().max() < 0.15
show(
    grouped_bars(
        parts, ["which fact it is", "spelling it out"], "extra nats per token"
    ),
    alt=f"Extra loss on fact tokens at equal damage, mean of three seeds with the least and the greatest. {text}.",
)

# %% [markdown]
# On the choice, the feed-forward networks' damage did what the control did: 0.39 against 0.38. The spelling stands out
# a little, 0.48 against 0.42, and the ranges of the three seeds do not overlap. So this is where the first witness got
# its ratio from: not from which fact it is, but from how it is spelled, and a ratio magnifies a difference of 0.06
# nats.
#
# Does that depend on how the models learned? We also trained these three models with AdamW (280 steps at the same
# learning rate, to about the same loss). The first two figures came out alike, and in the third the spelling stands out
# further: 0.63 against 0.51 for the control, more in each of the three seeds, while the choice has 0.28 against 0.32.
# One could write that these networks store how *a pig named* goes on, a perfect entry for a key-value memory, and not
# which pet Oona has, whose key is two words that stand apart. (Geva and colleagues did find such shallow patterns in
# the lower layers of a model of sixteen.) Perhaps so, in those models. But three seeds per optimizer are few, and they
# cannot tell whether the two optimizers differ. A story about *the* feed-forward network should say how it was trained.
#
# ### The court of appeal: a real model
#
# Three small models of one small country are a low court. SmolLM2-135M knows real capitals. We ask it about twelve
# countries, in three ways. The third is the control: it only has to say the country's name again.

# %%
real, real_tokenizer = load("smollm2-135m-instruct")
COUNTRIES = """France Italy Germany Spain Japan Russia
China Greece Sweden Poland Norway Egypt"""
CAPITALS = """Paris Rome Berlin Madrid Tokyo Moscow
Beijing Athens Stockholm Warsaw Oslo Cairo"""
LANGUAGES = """French Italian German Spanish Japanese Russian
Chinese Greek Swedish Polish Norwegian Arabic"""


def task(form, answers):
    """Twelve beginnings, their right next tokens, and the place of the country."""
    encode = real_tokenizer.encode
    start = real_tokenizer.special_tokens["<|endoftext|>"]
    texts = [encode(form.format(country)) for country in COUNTRIES.split()]
    right = [encode(" " + answer)[0] for answer in answers.split()]
    place = 1 + texts[0].index(encode(" France")[0])
    return torch.tensor([[start, *ids] for ids in texts]), torch.tensor(right), place


TASKS = {
    "capital": task("The capital of {} is", CAPITALS),
    "language": task("People in {} speak", LANGUAGES),
    "copy": task("One word: {}. The same word again:", COUNTRIES),
}
assert all(len(right.unique()) == 12 for _, right, _ in TASKS.values())

# %% [markdown]
# The damage is finer than before. A sub-layer's output at chosen tokens is replaced by its mean over the *twelve
# countries*. It still says "some country"; it no longer says which. Nothing else about the text is lost. We count for
# how many of the twelve the right answer is still the likeliest of the twelve answers; guessing gets one. (Why block
# 24? Lesson 06 finds it: there the answer moves from the country to the last token.)


# %%
@torch.no_grad()
def right_when_blurred(name, places, whole_text=False, among_all=False):
    """Right answers of twelve when `places` do not tell the countries apart."""
    ids, right, country = TASKS[name]
    tokens = slice(None) if whole_text else slice(country, country + 1)

    def blur(_module, _inputs, output):
        output = output.clone()
        output[:, tokens] = output[:, tokens].mean(0, keepdim=True)
        return output

    hooks = [sublayers(real)[place].register_forward_hook(blur) for place in places]
    try:
        logits = real.head(real.hidden(ids)[:, -1])  # (12 countries, V)
    finally:
        for hook in hooks:
            hook.remove()
    if among_all:
        return int((logits.argmax(1) == right).sum())
    return int((logits[:, right].argmax(1) == torch.arange(12)).sum())


assert right_when_blurred("capital", []) == 12

# %% tags=["nbval-ignore-output"]
OTHERS = [(n, "feedforward") for n in range(1, 30)]  # places count from 0
BLURS = {
    "nothing": ([], False),
    "feed-forward of block 1,\nat the country": ([(0, "feedforward")], False),
    "feed-forwards 2 to 30,\nat every token": (OTHERS, True),
    "attention of block 24,\nat every token": ([(23, "attention")], True),
}
COUNTS = {}
for name in TASKS:
    counts = [right_when_blurred(name, *blur) for blur in BLURS.values()]
    COUNTS[name] = counts
    print(f"{name:9}", counts)
    assert counts[1] <= 3  # block 1: all is lost, the copy too
plain, blurred = (
    right_when_blurred("capital", places, True, among_all=True)
    for places in ([], OTHERS)
)
print(f"capitals, of all tokens: {plain}, with feed-forwards 2 to 30 blurred {blurred}")
ids, right, country = TASKS["capital"]
rows = F.normalize(real.embedding.weight, dim=1)
nearest = (rows[ids[:, country]] @ rows[right].T).argmax(1)
print(f"nearest of twelve rows: {int((nearest == torch.arange(12)).sum())} capitals")
assert COUNTS["capital"][2] >= 9
assert COUNTS["capital"][3] <= 3 < 9 <= COUNTS["copy"][3]

# %%
show(
    grouped_bars(COUNTS, list(BLURS), "right answers of 12", digits=0),
    alt="Right answers of twelve. With the first feed-forward network blurred at the country, none of the three tasks "
    "is left. With all others blurred at every token most capitals and copies stay and half the languages go. With "
    "one attention blurred, that of block 24, capitals and languages go and the copies stay.",
)

# %% [markdown]
# Look at the second group with one eye closed, at the capitals only. Blur a single feed-forward network, at a single
# token, and every capital is gone: "the facts were stored in there". Now open the other eye. The model cannot even say
# the *word* again. What is lost is not a fact about the country but the country itself, for whatever purpose: here the
# first feed-forward network works like a second embedding table. Without the copy as a control we would have published
# a nice result.
#
# The third group is harder on the claim. **All other 29** feed-forward networks, blurred at every token, and most
# capitals are still right. (A choice among twelve is easy: the nearest rows of the embedding table get it right as
# well, as the last line shows. So look at the line before it, where the capital must be the likeliest of all 49,152
# tokens.) Both kinds of facts need *one attention*, that of block 24; copying does not. So the capital is made by the
# first network, beside the country's name, or by attention: by the matrices of block 24 while they carry the country,
# or by an earlier one. We cannot tell which from this; but these capitals hardly need the store that the textbook
# describes, somewhere in the middle of the feed-forward networks. (Geva et al. 2023 trace facts in larger models and
# find middle feed-forward networks that enrich the subject, and attention that extracts the answer.) The languages do
# need it: half of them are lost. Two kinds of facts, two answers.
#
# **The verdict on "attention moves, feed-forward stores, and facts go before grammar": loose.** In our small models we
# found no difference between damage to the feed-forward networks and damage without an address: not on which fact it
# is, not on the wording, not in right answers; only the spelling suffered a little more. Three seeds could have missed
# a small one. A fact is a key, a road and a value, and it is lost wherever that chain is cut. Nor did we see facts go
# before grammar: right answers to both fell about equally, and the loss rose more on facts than on wording under
# *every* damage. And in the real model you found one kind of fact that hardly needs the store, and one that does.
#
# ### Try it: the switchboard
#
# Back to your own first model. It has four sub-layers, and each gets a switch. *Strength* says how much of the mean a
# switched-off part writes. The damage is not matched here, so look at the loss as well. The next cell works out all
# settings; the explorer only looks them up.

# %%
STRENGTHS, PARTS = [0.5, 1.0], ["the choice", "the spelling", "wording"]
PLACES = list(sublayers(MODELS[0]))  # (0, "attention"), (0, "feedforward"), ...


def setting(off, strength):
    """What the first model knows with some sub-layers off, and how it goes on."""
    with ablate(MODELS[0], {p: Replacement(MEANS[0][p], strength) for p in off}):
        result = examine(MODELS[0], ask(MODELS[0], QUESTIONS[::32]))
        start = [END, *tokenizer.encode("Mira lives in")]
        ids = generate(MODELS[0], start, 12, temperature=0, stop=[END])
    text = tokenizer.decode(ids[1:]).removesuffix("<|endoftext|>")
    return result | {"text": text}


TABLE = {}
for switches in itertools.product((False, True), repeat=4):
    off = tuple(itertools.compress(PLACES, switches))
    TABLE |= {(off, strength): setting(off, strength) for strength in STRENGTHS}
assert len(TABLE) == 16 * 2

# %% tags=["nbval-ignore-output"]
SHOWN = ["facts", "grammar", *(f"loss on {part}" for part in PARTS)]


def draw(strength, **off):
    chosen = tuple(itertools.compress(PLACES, off.values()))
    result = TABLE[chosen, strength]
    unit = "share right (orange), nats per token (blue)"
    values = [result[name] for name in SHOWN]
    figure = bars(SHOWN, values, unit, colours=[ORANGE] * 2 + [BLUE] * 3)
    figure.axes[0].set_xlim(0, 14)
    figure.set_layout_engine(None)  # fixed margins are faster
    figure.subplots_adjust(left=0.21, right=0.98, bottom=0.22, top=0.97)
    names = ", ".join(f"{kind} {layer + 1}" for layer, kind in chosen) or "nothing"
    knows = f"facts {result['facts']:.2f}, grammar {result['grammar']:.2f}"
    writes = f"it writes: {result['text']!r}"
    return figure, f"Off, at strength {strength}: {names}. {knows}; {writes}"


switches = {f"{kind} {layer + 1} off": False for layer, kind in PLACES}
switches["feedforward 1 off"] = True
assert "Off, at strength 1.0: feedforward 1" in draw(1.0, **switches)[1]
Explorer(draw, strength=FloatSlider(0.5, min=0.5, max=1, step=0.5), **switches)

# %% [markdown]
# Which of the four sub-layers can this model do without most easily? At which one does the sentence stop being
# English? Does the text stay well formed where the fact is already wrong? Are two parts off as bad as the two damages
# added up?
#
# <details><summary>What we found</summary>
#
# At half strength the first attention is missed least: the loss on wording goes from 0.67 to 0.69, and it still writes
# *Mira lives in Pellin. She is a baker, and proud of it*. At full strength the facts fall to 0.17, from 0.33, and the
# grammar to 0.58, from 1.00 (twelve questions are asked), and what it writes is well formed and wrong: *Mira lives in
# Pellin. He has always lived in Thornby*. The sentence stops being English at the first feed-forward network: *Mira
# lives in in in Pellin Pellin*. Two parts are worse than the sum: both feed-forward networks together cost 5.3 nats on
# wording, one by one 2.3 and 0.8.
# </details>
#
# > **Where the picture simplifies.**
# > *Keys and values* are our reading; training knows nothing of it, and a trained neuron usually answers to several
# > unrelated patterns at once (superposition). With SwiGLU a key is a product of two readings, so it can also be
# > negative. Mean ablation at half strength is a state that the model never met. Our grammar question is about kinds
# > of words, not about agreement or word order. Our memory by hand was asked with exactly its own keys; a blurred
# > question lowers every fit, and the threshold of 0.7 has to pay for it. And "loose" is the verdict for two layers, 96
# > dimensions and three seeds, and for one form of question and twelve well-known countries in one real model; what is
# > *not* loose is that the answer depends on the measure and on the control.
#
# > **At scale.**
# > In GPT-3 the feed-forward networks hold 116 of the 175 billion weights: 96 layers, each 49,152 neurons wide. Meng
# > et al. (2022, *ROME*) restored single activations in GPT-2 XL and found middle feed-forward layers decisive at the
# > subject's last token; Hase et al. (2023) found that where such tracing points says little about where an edit works
# > best. The dispute is open there too. Because the weights are used by every token alike, large models split them:
# > in a mixture of experts a router sends each token through a few of many feed-forward networks, so the memory
# > grows while the work per token does not.
#
# ## Five questions
#
# Answer before you open.
#
# **1.** You remove the GELU from a trained feed-forward network. (a) It still computes, but could be one C x C matrix.
# (b) It becomes attention. (c) Nothing changes if d_ff is large enough.
#
# <details><summary>Open 1</summary>
#
# **(a)**. Two matrices in a row are one matrix, whatever lies between in width. Not (b): nothing moves between
# positions. Not (c): width does not help, since the product is C x C at most; the figure of stored facts
# shows what is lost.
# </details>
#
# **2.** SwiGLU with d_ff = 8/3 C has, compared with a GELU network with d_ff = 4 C, (a) more weights. (b) the same
# number. (c) fewer.
#
# <details><summary>Open 2</summary>
#
# **(b)**: 3 matrices of 8/3 C² weights are 8 C², and so are 2 of 4 C². Not (a) and not (c): the factor 8/3 was chosen
# exactly so that the comparison is fair. With d_ff left at 4 C, SwiGLU would have half as many again.
# </details>
#
# **3.** The memory by hand with bias 0 in place of -1 is asked for Mira's home. (a) It answers with a mixture. (b) It
# stays silent. (c) It answers as before, only louder.
#
# <details><summary>Open 3</summary>
#
# **(a)**. The right key fits with 2, but every other fact about Mira and every other home fits with 1, and their values
# are added too. Not (b): a *larger* negative bias, -2 or below, would silence it. Not (c): louder would mean all
# others stay at zero, and the bias was what kept them there. (With few facts the right one still is the largest part
# of the mixture; with many it drowns.)
# </details>
#
# **4.** You ablate part A and facts fall from 0.6 to 0.4 while grammar falls from 0.99 to 0.93. So (a) A stores facts.
# (b) you need a control of equal damage first. (c) A stores both.
#
# <details><summary>Open 4</summary>
#
# **(b)**. In this lesson random directions did about the same, and they store nothing. Not (a): the harder question
# may fall further under any damage. Not (c): the same experiment without a control cannot show that either; a part may
# carry what it does not store, as the wire to a lamp carries the light.
# </details>
#
# **5.** Two positions hold the same vector x, in different sentences. The feed-forward network of this layer writes
# (a) the same at both. (b) something else, because the neighbours differ. (c) the same only if the bias is zero.
#
# <details><summary>Open 5</summary>
#
# **(a)**. It sees one position at a time. Not (b): neighbours count only in so far as attention has already written
# them *into* x. Not (c): the bias is the same everywhere as well.
# </details>

# %% [markdown]
# **What you built**: GELU, SiLU and SwiGLU equal to torch and the package; a memory of nine facts written by hand
# into its matrices; a measurement of what the bend is worth (ten thousand facts instead of some hundreds); and a trial
# with controls, on your own models and on a real one, in which a textbook sentence turned out loose.
#
# **Exercise**: repeat the trial with AdamW (`optimizer="adamw"`, 280 steps, 30 of warm-up), then with
# `activation="gelu"` in `CONFIG`, or with four layers, and write down before you run it what you expect of the three
# figures. Which of them hold? Or take the real model to a fact of your own: a
# form, twelve subjects of one token each, twelve answers, and a control.
#
# **Graded questions**, with checks that name the mistake:
# [exercise 05](../exercises/05_feed_forward/05_feed_forward.ipynb).
#
# **Next**: lesson 06 puts attention and feed-forward into one block, stacks the blocks, and reads what the model
# would say after each of them.
