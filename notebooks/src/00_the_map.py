# %% [markdown]
# # 00 · The map: from your text to the next word
#
# **You will build** the whole path from the text *Hello* to the word that follows it, out of the parts of a real
# language model, and then turn that model into a program that compresses files.
#
# **The claim** has two halves. A language model is "a probabilistic function that maps a sequence of input tokens to
# a probability distribution over possible next tokens". And it is "a lossy compression of the internet". You will not
# take either on trust: the first you check by adding up probabilities, the second by racing the model against gzip
# and xz.
#
# **Time**: 55 minutes; the cells themselves run in under one.
#
# **Before you start**: some Python, what a vector is, and the one rule of logarithms that log(a · b) = log a + log b.
# No PyTorch: the few words of it that you need stand below the first cell.
#
# Run a cell with Shift+Enter, from top to bottom. Every cell may be changed and run again; nothing here can break.
# This is a tour: each box is opened once, and has a lesson of its own later. You need not follow every line of code.

# %%
import gzip
import inspect
import lzma
import math
import random
import textwrap
import time
from fractions import Fraction
from pydoc_data import topics

import torch
from IPython.display import Markdown, display
from ipywidgets import FloatSlider

from minillm import world
from minillm.analysis.compression import Encoder, compress, decompress, model_predictor
from minillm.assets import REGISTRY, fetch
from minillm.inference.generate import generate
from minillm.model.transformer import Block
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer
from minillm.viz.explorer import Explorer
from minillm.viz.figures import (
    bars,
    lines,
    probability_bars,
    show,
    token_strip,
    vector_strip,
)
from minillm.viz.figures.style import BLUE, ORANGE, SKY

_ = torch.set_grad_enabled(False)  # nothing is trained today

# %% [markdown]
# ## What you need of PyTorch here
#
# A **tensor** is a box of numbers with a *shape*: (576,) is a row, (2, 576) a table of two rows. The sizes have the
# same letters in every lesson: **B** texts that are worked on together (here 1), **T** tokens of a text, **C** numbers
# that stand for one token, **V** tokens that the model knows.
#
# | code | means |
# | --- | --- |
# | `x[0, -1]` | of the first text, the last token's row |
# | `x.sum(0)`, `x.softmax(-1)` | the sum along the first axis; softmax (box 4) along the last |
# | `a @ b` | for two vectors: the dot product, Σ aᵢ·bᵢ |
# | `x.norm(dim=1)` | of each row the length, the square root of its dot product with itself |
# | `torch.stack([a, b])` | vectors put on each other as rows of a table |
# | `torch.testing.assert_close(a, b)` | silent if a and b agree up to rounding, an error if not |
#
# Lesson 00a teaches all this from the beginning. Two kinds of line will come again and again: an `assert` states what
# must be true, and stops the lesson if it is not; `show` displays a picture, and its `alt` says what there is to see.
#
# ## The map
#
# This is the diagram that the course sets out to build, as the overview draws it from which the course started. Its
# numbers are invented, as in most diagrams of this kind. At the end of the first half you will draw it again, with
# the numbers of a real model in every box.
#
# ```mermaid
# graph TD
#     A["User input: Hello"] --> B(Tokenizer)
#     B --> C["Token ID: 15496"]
#     C --> D(Embedding layer)
#     D --> E["Vector: 0.1, -0.9, ..."]
#     E --> F["Transformer blocks x N layers"]
#     F --> F1(Self-attention)
#     F1 --> F2(Feed-forward network)
#     F2 --> F
#     F --> G["Final context vector"]
#     G --> H(Unembedding + softmax)
#     H --> I["Probabilities: World = 0.9, There = 0.1"]
#     I --> J(Sampling strategy)
#     J --> K["Output token: World"]
#     K --> L(Append to input and repeat)
# ```
#
# In words, should you see no drawing: the tokenizer turns the text into ids, the embedding turns ids into vectors, and
# N times self-attention and a feed-forward network work on these; unembedding and softmax make probabilities of the
# last vector, and sampling draws a token, which is appended to the text for the next round.
#
# The real model is SmolLM2-135M-Instruct, a small relative of the models behind the well-known assistants: the same
# boxes, as far as their makers have told us, only fewer and narrower ones. It was fetched when you set up the course;
# from here on no network is needed.

# %%
model, tokenizer = load("smollm2-135m-instruct")
config = model.config
parameters = sum(parameter.numel() for parameter in model.parameters())
print(f"{parameters:,} numbers, in {config.n_layers} layers, {config.d_model} wide")
weights = REGISTRY["smollm2-135m-instruct"].size
print(f"its file: {weights:,} bytes, {8 * weights / parameters:.2f} bits a number")
assert config.n_layers == len(model.blocks)

# %% [markdown]
# Fewer than 6 bits a number? An ordinary one takes 32. The file keeps most of them rounded to one of 16 steps between
# the least and the greatest of 32 neighbours, and a large model hardly minds. Lesson 12 is about that.
#
# ## Box 1: the tokenizer, text to numbers
#
# A network multiplies numbers, so the text must become numbers first. The tokenizer cuts it into pieces from a fixed
# list, its *vocabulary*, and writes down the number of each piece. In the diagram *Hello* is 15496. Is it?

# %%
folder = fetch("gpt2-tokenizer")
gpt2 = Tokenizer.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
for name, one in [("GPT-2", gpt2), ("SmolLM2", tokenizer)]:
    hello, cat = one.encode("Hello"), one.encode("The cat")
    print(f"{name:8} {one.vocab_size:,} pieces   Hello -> {hello}   The cat -> {cat}")
assert gpt2.encode("Hello") == [15496]

# %% [markdown]
# It is, in GPT-2's vocabulary. In SmolLM2's it is 19556. Neither number means anything by itself: an id is a row
# number in one particular list, as a page number is good for one particular edition of a book. Feed GPT-2's 15496 to
# SmolLM2 and it reads something else entirely. A model and its tokenizer belong together.

# %%
print("SmolLM2 reads 15496 as", repr(tokenizer.decode([15496])))
assert tokenizer.decode(tokenizer.encode("Hello")) == "Hello"

# %% [markdown]
# Nor are the pieces words. Frequent words are one piece, with the space in front of them included; rare ones fall
# into several. Nothing is ever lost: the pieces put together are the text again.

# %%
text = "Hello, world! Tokenization isn't magic."
ids = tokenizer.encode(text)
pieces = [tokenizer.decode([id]) for id in ids]
assert "".join(pieces) == text
show(
    token_strip(pieces, ids),
    alt=f"{len(ids)} coloured boxes, one a token with its id below; the sign ␣ is a "
    "space. The word 'Tokenization' takes two boxes.",
)

# %% [markdown]
# One more id goes in front. In training, documents stood one after the other, divided by the mark `<|endoftext|>`.
# That mark is how we tell the model: *a new text begins here*. We call it `START`, and every text of this lesson
# begins with it.

# %%
START = tokenizer.special_tokens["<|endoftext|>"]
prompt = [START, *tokenizer.encode("Hello")]
ids = torch.tensor([prompt])  # shape (B, T): one text, two tokens
print(prompt, tuple(ids.shape))

# %% [markdown]
# ## Box 2: the embedding, one number to many
#
# What could a network do with 19556? It is neither more nor less than 19557. So the first layer is a table with one
# row of numbers for each token, and the id picks the row. This is all it does:

# %%
table = model.embedding.weight
vectors = model.embedding(ids)
assert torch.equal(vectors[0, 1], table[19556])
first_four = " ".join(f"{x:.3f}" for x in vectors[0, 1, :4].tolist())
print("table:", tuple(table.shape), "  row of Hello:", first_four, "...")

# %% [markdown]
# Nobody wrote these rows; they were learnt. Words that are used alike ended up with rows that point in similar
# directions. We measure that by the cosine of the angle between two rows: 1 for the same direction, 0 for a right
# angle.

# %%
words = ["Hello", "Hi", "river"]
rows = torch.stack([table[tokenizer.encode(word)[0]] for word in words])
cosines = torch.cosine_similarity(rows[0], rows, dim=1)
assert cosines[1] > cosines[2] + 0.1
show(
    vector_strip(rows, words),
    alt="The embedding rows of three words as stripes, which the eye cannot compare. "
    f"Hello and Hi: cosine {cosines[1]:.2f}; Hello and river: {cosines[2]:.2f}.",
)

# %% [markdown]
# ## Box 3: the transformer blocks
#
# Thirty blocks follow, and the diagram sends the data through them as through a row of machines. In truth a block does
# not replace a vector, it *adds* something to it. Here is what the package runs in each block, all of it:

# %%
print(inspect.getsource(Block.forward))

# %% [markdown]
# Attention adds, then the feed-forward network adds. (Each reads a copy of the vector, which a *norm* has brought to a
# standard length: lesson 06.) So the vector that comes out at the top must be a plain sum: the embedding, plus thirty
# contributions of attention, plus thirty of the feed-forward networks.
#
# That is a strong statement. Let us catch every contribution on its way and see. PyTorch has *hooks* for that: a hook
# is a function of ours that a part of the model calls each time it has computed something.


# %%
def record(ids):
    """What each block adds to the last token's vector, and the model's logits."""
    added = {"attention": [], "feedforward": []}
    hooks = []
    for block in model.blocks:
        for part, found in added.items():

            def keep(module, inputs, output, found=found):
                found.append(output[0, -1])  # of the first text, the last token's

            # getattr(block, "attention") is block.attention
            hooks.append(getattr(block, part).register_forward_hook(keep))
    logits = model(ids)
    for hook in hooks:
        hook.remove()
    return {part: torch.stack(found) for part, found in added.items()}, logits[0, -1]


added, logits = record(ids)
print({part: tuple(found.shape) for part, found in added.items()})
assert len(added["attention"]) == len(added["feedforward"]) == config.n_layers

# %% [markdown]
# Add them up by hand and finish as the model does: the final norm, then the last table, the *head* (box 4).

# %%
total = vectors[0, -1] + added["attention"].sum(0) + added["feedforward"].sum(0)
by_hand = model.head(model.final_norm(total))
torch.testing.assert_close(by_hand, logits, rtol=1e-3, atol=1e-3)

# %% [markdown]
# Equal: an embedding and sixty additions are the whole way from the first table to the final norm. (A sum, but no
# simple one: each part had read the sum so far before it answered.) How much does each layer add for *Hello*?

# %%
lengths = {
    "attention": added["attention"].norm(dim=1),
    "feed-forward": added["feedforward"].norm(dim=1),
}
assert lengths["feed-forward"].argmax() == config.n_layers - 1
show(
    lines(lengths, xlabel="layer", ylabel="length of what is added"),
    alt="Two lines over thirty layers, one for attention and one for the feed-forward "
    "network. Every layer adds something; attention has one peak, at layer "
    f"{lengths['attention'].argmax()}, and the last feed-forward network adds by far "
    "the most.",
)

# %% [markdown]
# ### 3a: self-attention, where tokens meet
#
# Attention is the only place where one token's vector learns of another token. Take the word *bank* at the end of two
# sentences. Its row in the table is the same in both. And at the top?


# %%
def context_vectors(text):
    """The vectors at the top of the model, one for each token of the text: (T, C)."""
    return model.hidden(torch.tensor([[START, *tokenizer.encode(text)]]))[0, 1:]


river = context_vectors("They had a picnic on the grassy river bank")
money = context_vectors("They put all of their savings into a bank")
cosine = torch.cosine_similarity(river[-1], money[-1], dim=0)
print(f"'bank' at the top of the model, river against money: cosine {cosine:.2f}")
assert cosine < 0.9

# %% [markdown]
# The two have moved apart, and only what stood before them can be the reason. *Before* is a word to hold on to. The
# overview's example goes: in "The bank of the river", the word *river* tells *bank* what it means. In a model that
# writes from left to right this cannot happen, since a token may only look back:

# %%
bank_river = context_vectors("The bank of the river")
bank_nation = context_vectors("The bank of the nation")
mouth_river = context_vectors("The mouth of the river")
# The, bank, of, the: the same, whatever comes after them
torch.testing.assert_close(bank_river[:4], bank_nation[:4], rtol=1e-3, atol=1e-3)
cosine = torch.cosine_similarity(bank_river[4], mouth_river[4], dim=0)
print(f"'river', after bank against after mouth: cosine {cosine:.2f}")
assert cosine < 0.98

# %% [markdown]
# *bank* is left exactly as it is, be it of a river or of a nation. It is *river* that changes: it has read *bank* or
# *mouth*. Lesson 04 takes this apart, with the controls that one example lacks.
#
# ### 3b: the feed-forward network, each token for itself
#
# The other half of a block sees one token at a time. Give it a whole text or a single token: the answer for that
# token is the same (up to rounding). The overview calls it a memory for facts; lesson 05 puts that to the test.

# %%
feedforward = model.blocks[0].feedforward
together, alone = feedforward(river)[-1], feedforward(river[-1])
torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)

# %% [markdown]
# ## Box 4: unembedding and softmax, a vector to probabilities
#
# At the top, the last token's vector is compared with a row for *every* token in the vocabulary: one dot product
# each. The results are called *logits*. In this model the rows are those of the embedding table itself, used
# backwards.

# %%
context = context_vectors("Hello")[-1]
assert model.head.weight is model.embedding.weight
for word in [",", " World", " there"]:
    id = tokenizer.encode(word)[0]
    print(f"{word!r:9} logit {float(context @ table[id]):6.2f}")
    torch.testing.assert_close(context @ table[id], logits[id], rtol=1e-3, atol=1e-3)

# %% [markdown]
# A logit can be any number. To get probabilities, raise e to each of them, so that all are positive, and divide by
# the sum, so that together they make 1. That is *softmax*. We do it in double precision: 49,152 numbers are many to
# add up.


# %%
def softmax_by_hand(logits):
    powers = [math.exp(logit) for logit in logits.tolist()]
    total = sum(powers)
    return torch.tensor([power / total for power in powers])


probabilities = logits.double().softmax(-1)
by_hand = softmax_by_hand(logits).double()
torch.testing.assert_close(by_hand, probabilities, rtol=1e-4, atol=1e-7)
print(f"{len(probabilities):,} probabilities, sum {probabilities.sum():.3f}")
print("every one above 0:", bool(probabilities.min() > 0))
assert abs(probabilities.sum() - 1) < 1e-9

# %%
top = probabilities.topk(10)
likeliest = [tokenizer.decode([id]) for id in top.indices.tolist()]
show(
    probability_bars(likeliest, top.values),
    alt=f"The ten likeliest tokens after Hello; {likeliest[0]!r} leads with "
    f"{top.values[0]:.3f}, and all ten together hold {top.values.sum():.3f}.",
)
worlds = [tokenizer.encode(word)[0] for word in (" World", " world")]
assert 0.01 < probabilities[worlds].sum() < 0.04

# %% [markdown]
# So much for World = 0.9. A real model spreads its bets. Most of its probability goes to commas and exclamation
# marks, because that is what followed *Hello* in the texts it learnt from; *World* and *world* share about two in a
# hundred. What you see here is everything the model ever says. It does not choose a word. It hands over this list,
# and somebody else chooses.
#
# ## Box 5: sampling, a list to one token
#
# That somebody is a random draw, and its dial is the *temperature*: divide all logits by it, then apply softmax.
# Below 1 the likely get likelier, above 1 the list gets flatter.

# %%
for temperature in [0.1, 0.8, 1.0, 1.5]:
    p = (logits.double() / temperature).softmax(-1)
    leader, ten = p.max(), p[top.indices].sum()
    print(f"at {temperature}: {likeliest[0]!r} has {leader:.3f}, the ten {ten:.3f}")
    assert p.argmax() == logits.argmax()

# %% [markdown]
# At 0.1 the leader takes practically everything *here*. Low temperature is often called deterministic. It is not:
# where two tokens are nearly equal, a draw at 0.1 still goes either way. Only in the limit 0 does the likeliest
# always win, which is called *greedy*. Try it yourself, on other prompts as well:

# %%
PROMPTS = [
    "Hello",
    "The capital of France is",
    "Once upon a time",
    "The keys to the cabinet",
]
LOGITS = {}
for text in PROMPTS:
    one = torch.tensor([[START, *tokenizer.encode(text)]])
    LOGITS[text] = model(one)[0, -1].double()


def draw(prompt, temperature):
    best = (LOGITS[prompt] / temperature).softmax(-1).topk(8)
    tokens = [tokenizer.decode([id]) for id in best.indices.tolist()]
    leader = f"{tokens[0]!r} has {best.values[0]:.3f}"
    sentence = f"After {prompt!r}, at temperature {temperature:.1f}, {leader}."
    return probability_bars(tokens, best.values), sentence


assert "' Paris' has 0.8" in draw("The capital of France is", 1.0)[1]
Explorer(draw, prompt=PROMPTS, temperature=FloatSlider(1.0, min=0.1, max=2.0, step=0.1))

# %% [markdown]
# Which prompt has the weakest leader? At which temperature is *Paris* drawn less than every second time? (The order
# of the bars never changes with the temperature. Why not? Question 2 below.)
#
# ## Box 6: append and repeat
#
# One pass gives one token. To write on, put the token at the end of the text and start again from box 1. This loop is
# all that stands between a next-token function and a program that writes:


# %%
def write_on(ids, steps):
    """The greedy loop, naively: the whole text passes the model for every new token."""
    for _ in range(steps):
        logits = model(torch.tensor([ids]))[0, -1]
        ids = [*ids, int(logits.argmax())]
    return ids


written = write_on(prompt, steps=8)
assert written == generate(model, prompt, max_new_tokens=8, temperature=0)
print(tokenizer.decode(written[1:]))

# %% [markdown]
# The package's `generate` gave the same ids, faster: it keeps what it computed for the earlier tokens (lesson 07).
# Now with draws instead of the greedy choice. The first two are drawn at 0.1, the others at 0.8:

# %% tags=["nbval-ignore-output"]
for temperature, seed in [(0.1, 0), (0.1, 1), (0.8, 0), (0.8, 1)]:
    ids = generate(model, prompt, max_new_tokens=16, temperature=temperature, seed=seed)
    print(temperature, repr(tokenizer.decode(ids[1:])))
assert ids[:2] == prompt

# %% [markdown]
# In our run the two at 0.1 begin with the same words and then part: there two tokens were nearly equal. Most of them
# sound like somebody who opens a chat with an assistant. That is no accident: after its first training on plain text,
# this model was tuned on dialogues (lesson 09). We do not use its dialogue form here, we only let it continue a text.
#
# ## The map again, with real numbers
#
# All boxes have been opened. Here is the diagram you started with, drawn by the next cell from the tensors you just
# made:


# %%
def quoted(text):
    return text.replace('"', "#quot;").replace(" ", "␣")


chances = zip(likeliest[:3], top.values.tolist(), strict=False)
bets = ", ".join(f"'{quoted(token)}' = {p:.3f}" for token, p in chances)
row = f"{vectors[0, 1, 0]:.2f}, {vectors[0, 1, 1]:.2f}, ... {config.d_model} numbers"
boxes = [
    'A["User input: Hello"] --> B(Tokenizer)',
    f'B --> C["Token IDs: {prompt[0]}, {prompt[1]}"] --> D(Embedding layer)',
    f'D --> E["Vector: {row}"]',
    f'E --> F["Transformer blocks x {config.n_layers} layers"] --> F1(Self-attention)',
    "F1 --> F2(Feed-forward network) --> F",
    'F --> G["Final context vector: the sum of 61 vectors, normalised"]',
    "G --> H(Unembedding + softmax)",
    f'H --> I["Probabilities: {bets}, ..."] --> J(Sampling strategy: greedy)',
    f"J --> K[\"Output token: '{quoted(likeliest[0])}'\"]",
    "K --> L(Append to input and repeat)",
]
assert written[2] == top.indices[0]
display(Markdown("\n".join(["```mermaid", "graph TD", *boxes, "```"])))

# %% [markdown]
# ## A language model is a probability function
#
# The list for the next token adds up to 1. More is true: the model gives a probability to *every row* of, say, a
# hundred tokens, and all these add up to 1 as well, though nobody could list them. The reason is the chain rule of
# probability: that of a text is that of its first token, times that of the second given the first, and so on. See it
# with a language of three words, where all texts of two words can be listed:

# %%
first = torch.tensor([0.5, 0.3, 0.2])  # the first word
second = torch.tensor(  # the second word; one row for each first word
    [[0.1, 0.6, 0.3], [0.8, 0.1, 0.1], [0.2, 0.2, 0.6]]
)
texts = first[:, None] * second  # [:, None] stands it upright: row i times first[i]
print(texts)
torch.testing.assert_close(texts.sum(), torch.tensor(1.0))

# %% [markdown]
# A product of many small numbers is too small for a computer, so we add logarithms instead. One pass through the model
# gives the list after *every* token of a text, because a token sees only what is before it; we pick from each list the
# token that really came. Natural logarithms are counted in *nats*.


# %%
def log_probs(text):
    """The log-probability of each token, given all before it, in nats: (T,)."""
    ids = torch.tensor([[START, *tokenizer.encode(text)]])
    every_list = model(ids)[0, :-1].double().log_softmax(-1)  # (T, V)
    came = ids[0, 1:]  # the list after token t is about token t + 1
    return every_list[range(len(came)), came]


comma = tokenizer.encode(",")[0]
assert torch.isclose(log_probs("Hello,")[1].exp(), probabilities[comma], rtol=1e-3)
pair = [
    "The keys to the cabinet are on the table.",
    "The keys to the cabinet is on the table.",
]
right, wrong = (log_probs(text) for text in pair)
for text, scores in zip(pair, (right, wrong), strict=True):
    print(f"{scores.sum():7.2f} nats  {text}")

# %% [markdown]
# The first is the larger one, by 4.8 nats: *are* goes with *keys*, four words back, and not with *cabinet*, its
# neighbour. Nobody taught the model grammar. The difference is nearly all in one token, and you can see which. The
# bars show each token's surprise in *bits*: minus the logarithm to the base 2, so that 1 bit is the surprise of a
# coin toss.

# %%
odds = (right.sum() - wrong.sum()).exp()
print(f"the right sentence is {odds:.0f} times as likely as the wrong one")
# up to "cabinet" they are the same sentence
torch.testing.assert_close(right[:5], wrong[:5], rtol=1e-4, atol=1e-4)
surprise = -torch.cat([right[4:], wrong[4:]]) / math.log(2)
ends = [id for text in pair for id in tokenizer.encode(text)[4:]]
labels = [tokenizer.decode([id]).replace(" ", "␣") for id in ends]
colours = [BLUE] * 6 + [ORANGE] * 6
show(
    bars(labels, surprise, unit="bits of surprise", digits=1, colours=colours),
    alt="Surprise of each token from 'cabinet' on, the right sentence above, the wrong "
    f"one below. They part at the verb: 'are' costs {surprise[1]:.1f} bits, 'is' "
    f"{surprise[7]:.1f}.",
)
assert (right - wrong).argmax() == 5

# %% [markdown]
# ## A language model is a compressor
#
# Surprise in bits is more than a figure of speech. A token that was expected with probability p can be *stored* in
# -log₂ p bits, and a whole text in the sum of them. The method is arithmetic coding, and it is the old game of
# halving an interval. The message is one number between 0 and 1. Each token owns a part of the interval, as wide as
# its probability. To send a token, step into its part; there the game begins again.


# %%
def step_into(interval, shares, symbol):
    """The part of an interval (low, width) that belongs to one symbol."""
    low, width = interval
    return low + width * sum(shares[:symbol]), width * shares[symbol]


shares = [Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]
interval = (Fraction(0), Fraction(1))
for symbol in [0, 1, 2]:
    interval = step_into(interval, shares, symbol)
    print(f"symbol {symbol}: from {interval[0]}, {interval[1]} wide")
assert interval == (Fraction(11, 32), Fraction(1, 32))

# %% [markdown]
# Any number in the last interval names the message, for somebody who knows that it has three symbols. The interval is
# 1/32 wide, and five binary digits can point into it: 0.01011 in binary is 11/32. Five bits is also what the surprises
# add up to: 1 + 2 + 2. Likely symbols hardly narrow the interval, so they hardly cost a digit.
#
# The package does the same with whole numbers, because fractions grow without end and decimals round. This is its step
# (`_settle_carry` adds a carry to the bytes already written):

# %%
print(inspect.getsource(Encoder.encode))

# %%
encoder = Encoder()
for start, size in [(0, 2), (2, 1), (3, 1)]:  # the same symbols, in quarters
    encoder.encode(start, size, total=4)
message = encoder.finish()
print(f"{message.hex()} in hexadecimal is {Fraction(message[0], 256)}")
assert interval[0] <= Fraction(message[0], 256) < sum(interval)

# %% [markdown]
# Now with the model. The receiver runs the same model and sees the same lists, so the two stay in step. *The same* is
# meant to the last bit: both feed one token at a time, because a pass over the whole text rounds a little
# differently, and one rounding is enough to lose the thread.
#
# The text is new. It was written for this lesson, so the model cannot have learnt it by heart.

# %% tags=["nbval-ignore-output"]
FRESH = (
    "Mrs Abernathy kept her umbrella in the piano, because the piano was the only "
    "dry place in the house. When the tuner came in March he found three umbrellas, "
    "a trout rod and a letter to the mayor about pigeons. He tuned around them. The "
    "low F has tasted faintly of rain ever since, and nobody in the village will "
    "play a funeral march in any other key."
)
ids = tokenizer.encode(FRESH)
packed = compress(ids, model_predictor(model, START))
print(f"{len(FRESH.encode())} bytes of text, {len(ids)} tokens -> {len(packed)} bytes")

# %%
unpacked = tokenizer.decode(decompress(packed, model_predictor(model, START)))
assert unpacked == FRESH
promised = -log_probs(FRESH).sum().item() / math.log(2) / 8
print(f"back again; promised were {promised:.1f} bytes, and 2 more count the tokens")
assert len(packed) - 2 <= promised + 1.5

# %% [markdown]
# Lossless, and within a byte of what the probabilities promised. So we need not run the coder to know a size; adding
# up surprises is enough. That is how the loss curves of lesson 08 are to be read: the loss, the mean surprise of a
# token, *is* the size of the compressed text, divided by its number of tokens.
#
# ### The race
#
# Against gzip and xz, on three texts: the new one; one that every library holds; and random digits, which nobody can
# foretell. A hexadecimal digit is one of 16, so each of them is worth 4 bits, and on average no program gets below
# that.

# %%
KNOWN = (
    "When in the Course of human events, it becomes necessary for one people to "
    "dissolve the political bands which have connected them with another, and to "
    "assume among the powers of the earth, the separate and equal station to which "
    "the Laws of Nature and of Nature's God entitle them, a decent respect to the "
    "opinions of mankind requires that they should declare the causes which impel "
    "them to the separation."
)
NOISE = "".join(random.Random(0).choices("0123456789abcdef", k=360))


def bits_per_byte(text):
    """Bits needed for each byte of the text by gzip, xz and the model."""
    data = text.encode()
    sizes = [8 * len(tool.compress(data)) for tool in (gzip, lzma)]
    sizes.append(-log_probs(text).sum().item() / math.log(2))
    return [size / len(data) for size in sizes]


texts = {"new": FRESH, "known": KNOWN, "noise": NOISE}
race = {name: bits_per_byte(text) for name, text in texts.items()}
assert race["known"][2] < race["new"][2] < 2
assert race["noise"][2] > 4

# %%
labels = [f"{name}: {tool}" for name in race for tool in ("gzip", "xz", "SmolLM2")]
sizes = [size for row in race.values() for size in row]
unit, colours = "bits per byte (plain text: 8)", [SKY, SKY, BLUE] * 3
show(
    bars(labels, sizes, unit=unit, colours=colours),
    alt=f"SmolLM2 needs {race['new'][2]:.2f} bits per byte for the new text, "
    f"{race['known'][2]:.2f} for the known one and {race['noise'][2]:.2f} for noise; "
    "gzip and xz need 5 to 7.5 for texts this short.",
)

# %% [markdown]
# The model wins by far. (Look at the noise: after a handful of digits it has noticed that more of the same is to come,
# and it ends near the 4 bits that nobody beats. No weight was changed for that; it happened while it read.) But we must
# not be too pleased. Three objections:
#
# 1. **The race is short.** gzip and xz know nothing when they start; they learn while they read, and 400 bytes give
#    them little to learn from (and some 20 to 60 bytes are their headers).
# 2. **The receiver needs the model.** gzip is a small program that every computer has. Our file can only be read by
#    somebody who has 98 MB of weights.
# 3. **The known text was known.** The Declaration of Independence is in the training data, surely more than once. At
#    least a part of the gap between *known* and *new* is memory, not understanding.
#
# The second objection first. With the weights on the scales, the new text costs:

# %%
n_bytes = len(FRESH.encode())
print(f"{weights:,} bytes of weights for {n_bytes} bytes of text:")
print(f"{8 * (weights + len(packed)) / n_bytes / 1e6:.2f} million bits per byte")
assert weights > 250_000 * n_bytes

# %% [markdown]
# And the first: a longer text. Every Python brings its own manual along, about half a megabyte. gzip and xz get all
# of it; the model sees 600 tokens from the middle. (Your Python's edition of the manual may differ from ours, and your
# computer's speed, so the numbers may too. Python's manual is in the training data as well.)

# %% tags=["nbval-ignore-output"]
manual = "\n".join(topics.topics.values())
data = manual.encode()
sample = tokenizer.decode(tokenizer.encode(manual[200_000:210_000])[:600])
by_gzip, by_xz = (8 * len(tool.compress(data)) / len(data) for tool in (gzip, lzma))
by_model = bits_per_byte(sample)[2]
print(f"gzip {by_gzip:.2f}, xz {by_xz:.2f}, SmolLM2 {by_model:.2f} bits per byte")
enough = 8 * weights / (by_xz - by_model)
print(f"the weights are earned back after {enough / 1e6:,.0f} MB of such text or more")
assert by_model < by_xz < by_gzip < 3


# %% tags=["nbval-ignore-output"]
def seconds_a_byte(work, data):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) / len(data)


slow = seconds_a_byte(lambda: compress(ids, model_predictor(model, START)), FRESH)
fast = seconds_a_byte(lambda: gzip.compress(data), data)
print(f"gzip packs a byte {slow / fast:,.0f} times as fast as the model does")

# %% [markdown]
# On a long text xz comes much closer. The model still needs fewer bits per byte. With its weights counted, it is the
# better compressor only for somebody with a gigabyte or more to send and a lot of time. (A gigabyte is a lower bound:
# it assumes that xz packs a gigabyte no better than half a megabyte, and on longer texts xz finds more to repeat.)
#
# ### The best compressor there is
#
# Could a better model go on and on, to 0.5 bits, to 0.1, to nothing? For English nobody knows. So this course has an
# invented kingdom, Ottermere. A program of ours writes its texts by drawing at random, and notes the probability of
# each text. Whoever knows those probabilities is the best compressor that there can be: on average over many texts
# nothing gets below them. Eight of the texts, as one file, and one of them to read:

# %%
documents = world.World(seed=0).documents(8)
one_file = "\n\n".join(document.text for document in documents)
print(textwrap.fill(documents[6].text, 88))
truth = -sum(document.log_prob for document in documents) / math.log(2)  # bits
n_bytes = len(one_file.encode())
by_gzip, by_xz, by_model = bits_per_byte(one_file)
print(f"\n{n_bytes:,} bytes. Bits per byte: gzip {by_gzip:.1f}, xz {by_xz:.1f},")
print(f"SmolLM2 {by_model:.2f}, whoever knows how they are made {truth / n_bytes:.2f}")
assert truth / n_bytes < 0.5 * by_model
assert by_model < 0.5 * min(by_gzip, by_xz)

# %% [markdown]
# SmolLM2 has never heard of Ottermere, and still its English is worth much there. But below it there is a long way to
# go, and here we know how long. The last number is called the **floor**. From lesson 08 on you train models of your own
# on such texts, and how far they stay above the floor is what they have not understood.
#
# ### Lossy or lossless?
#
# What of the claim, then, that a model is a *lossy* compression of the internet? Two things share the word here. The
# model as a **predictor** compresses any text without loss, as you saw. The **weights** are what is left of the
# training text, and there the loss is certain: by its makers' account SmolLM2-135M read about two trillion tokens,
# some eight terabytes, and 98 MB is eighty thousand times less. English holds about one bit a letter (Shannon
# estimated 0.6 to 1.3 in 1951), so without loss nothing shrinks it much more than tenfold. What survives in the
# weights are the patterns, and here and there a text as often repeated as the Declaration. Lesson 08 measures how
# much.
#
# > **Where the picture simplifies.**
# > The diagram has no box for *positions*. The overview adds a positional vector to the embedding, as GPT-2 does;
# > this model turns queries and keys by an angle instead (lesson 03). Nor has it a box for the *norms*. *Attention
# > then feed-forward, N times* is right, but both only add to a running sum, which the arrow back hides. *bank* cannot
# > look ahead to *river*. A temperature of 0.1 is not deterministic. "It does not know facts" is a choice of words: it
# > gives *Paris* 0.8 after "The capital of France is", and lesson 05 asks where in the weights that sits. A text can be
# > cut into tokens in several ways, and we count only the usual one (lesson 01). And our compressed file unpacks only
# > on a computer that rounds alike.
#
# > **At scale.**
# > GPT-3 has the same boxes: 96 layers in place of 30, vectors of 12,288 numbers in place of 576, 175 billion weights
# > in place of 135 million. In 16-bit numbers that is 350 GB, so it is spread over several GPUs, and kernels written
# > for them fuse steps that we ran one by one. Many of today's large models keep several feed-forward networks in a
# > block and send each token through a few of them (*mixture of experts*). The boxes stay; the probabilities get
# > better. With Chinchilla (70 billion) as the predictor, a gigabyte of Wikipedia shrinks to 8.3 % of its size,
# > against 32.3 % by gzip, the weights not counted (Delétang et al. 2023, *Language Modeling Is Compression*; Wikipedia
# > was in its training text too). This course runs on the processor of any computer. If you want to move to a graphics
# > card, run `python3 start.py doctor` first: it trains a few steps on both and compares, because a device that
# > computes *wrongly* gives no error either, only a loss that nobody can explain.
#
# ## Where each box is taken apart
#
# | box | lesson |
# | --- | --- |
# | tokenizer | 01 |
# | embedding, positions | 02, 03 |
# | self-attention, feed-forward, the whole block | 04, 05, 06 |
# | softmax, sampling, the loop | 07 |
# | where the weights come from: pretraining, fine-tuning, RLHF | 08, 09, 10, 11 |
# | running it fast, making it larger | 12, 13 |
#
# ## Five questions
#
# Answer before you open.
#
# **1.** "Hello" is 15496 in the diagram and 19556 here. (a) The diagram is out of date. (b) The model here is wrong.
# (c) Both are right.
#
# <details><summary>Open 1</summary>
#
# **(c)**. An id is a row number in one vocabulary: 15496 in GPT-2's, 19556 in SmolLM2's. Not (a): GPT-2's numbers have
# not changed, and never can. Not (b): this model was trained with these numbers. What must never happen is that ids
# from one vocabulary are fed to a model of the other: no error appears, the model simply reads another text.
# </details>
#
# **2.** Why does the order of the bars stay the same at every temperature? (a) Because the logits are sorted first.
# (b) Because all logits are divided by the same positive number. (c) It does not: above 1 the order turns round.
#
# <details><summary>Open 2</summary>
#
# **(b)**. Dividing by one positive number keeps the order, and so does raising e to the results. What changes are the
# ratios: two tokens in the ratio r are in the ratio r^(1/T) at temperature T. At 0.1 that is the tenth power, so 2 : 1
# becomes 1024 : 1, but 1.01 : 1 only 1.1 : 1, and the draw stays open. Not (a): nothing is sorted, except for the
# picture. Not (c): a high temperature flattens the bars, and at the limit they are equal, but none overtakes another.
# </details>
#
# **3.** One sentence has -39.11 nats, another -43.88. (a) The first is better English. (b) The model finds the first
# about 119 times as likely. (c) The second is the longer one.
#
# <details><summary>Open 3</summary>
#
# **(b)**: e to the power of the difference. Here the two differ in one word, so the comparison is fair. Not (a): likely
# is not good; rare words cost much though nothing is wrong with them. Not (c), or not for this reason: a longer
# sentence is less likely as a rule, because more factors below 1 are multiplied, but one rare word does the same.
# </details>
#
# **4.** Why do both sides of the compressor run the model one token at a time? (a) To save memory. (b) Because the
# sender must not see the end of the text. (c) Because they must get identical numbers.
#
# <details><summary>Open 4</summary>
#
# **(c)**. The receiver does not have the later tokens yet, so it can only go step by step. The sender could pass the
# whole text at once, but larger matrix products add up in another order and round differently; then an interval's
# border moves, and from there on the receiver reads nonsense. Not (a): this text fits into any memory. Not (b): the
# sender has the whole text anyway, and each prediction sees only what is before it.
# </details>
#
# **5.** "0.8 bits per byte for the Declaration: eight times as good as xz." (a) True. (b) True, but the receiver needs
# the weights too. (c) Wrong in at least three ways.
#
# <details><summary>Open 5</summary>
#
# **(c)**. The text is in the training data, so part of it is recited, not predicted. xz had 400 bytes to learn from,
# most of its size is a start-up cost, and on a long text it gets much closer. And the receiver needs 98 MB of weights,
# which a fair count must add; (b) sees this one and forgets the other two. (a) is what an advertisement would say.
# </details>

# %% [markdown]
# **What you built**: every box of the map on a real model, with its data in your hands; the sum of 61 vectors that
# *is* the transformer; log-probabilities of whole sentences; and a lossless compressor, weighed honestly.
#
# **Exercise**: change `FRESH` to three sentences of your own, in any language, and run from there to the race. Then
# predict, before you run it, how many bits per byte the model needs for the same sentences with the words in reverse
# order.
#
# **Next**: lesson 00a, if tensors are new to you; else lesson 01, where you train a tokenizer and find out why
# *Hello* got the number it has.
