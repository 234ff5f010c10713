# %% [markdown]
# # 00 lab · Compression: three experiments
#
# In lesson 00 you measured surprise in bits. Here a bit becomes a bit of a file. Each experiment is told like a short
# paper: the claim, what would refute it, the method, the controls, the result, the verdict.
#
# **Time**: 35 minutes, of which the cells run for two. **Before you start**: lesson 00.

# %%
import gzip
import lzma
import math
import random
from fractions import Fraction
from pydoc_data import topics

import torch
from torch.nn import functional as F

from minillm import ModelConfig, Transformer, world
from minillm.analysis.compression import compress, decompress, model_predictor
from minillm.assets import REGISTRY
from minillm.course import mine, models, predict, predict_number, the_map
from minillm.viz.figures import BLUE, SKY, bars, lines, show

# %% tags=["nbval-ignore-output"]
surprise = mine.surprise  # yours, if it passed in lesson 00
model, tokenizer = mine.smollm2()


def bits_of(text):
    """The surprise of a text in bits, by SmolLM2."""
    return surprise([read.probability for read in the_map.token_probabilities(text)])


# %% [markdown]
# ## 1. Is surprise a file size?
#
# **Claim**. A text whose tokens carry n bits of surprise fits into a file of n bits, and comes back whole.
#
# **Refuted if** the file is more than two bytes longer than the surprise says, or if another text comes back.
#
# **Method**. [Arithmetic coding](../teaching/glossary.md#a). The message is one number between 0 and 1. Each token owns
# a part of that interval, as wide as its probability. To send a token, step into its part; there the next token's parts
# begin. Below: three symbols with the probabilities 1/2, 1/4 and 1/4, and then SmolLM2's 49,152, one token at a time.
#
# **Controls**. The receiver uses the same model, then one that is broken. And the text is new: it was written for
# this course.


# %%
def step_into(interval, shares, symbol):
    """The part of an interval (low, width) that belongs to one symbol."""
    low, width = interval
    return low + width * sum(shares[:symbol]), width * shares[symbol]


message = [0, 1, 2]  # change this
shares = [Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]
interval = (Fraction(0), Fraction(1))
for symbol in message:
    interval = step_into(interval, shares, symbol)
    print(f"symbol {symbol}: from {interval[0]}, {interval[1]} wide")
print(f"{surprise([float(shares[symbol]) for symbol in message]):.0f} bits of surprise")

# %% [markdown]
# The last interval is 1/32 wide, so five binary digits can point into it: 0.01011 in binary is 11/32. Five bits is also
# what the surprises add up to. Likely symbols hardly narrow the interval, so they cost almost no digits. Now the model:

# %%
saved = predict_number("349 bytes of new text. How long is the file?", unit="bytes")

# %% tags=["nbval-ignore-output"]
NEW = (
    "Mrs Abernathy kept her umbrella in the piano, because the piano was the only "
    "dry place in the house. When the tuner came in March he found three umbrellas, "
    "a trout rod and a letter to the mayor about pigeons. He tuned around them. The "
    "low F has tasted faintly of rain ever since, and nobody in the village will "
    "play a funeral march in any other key."
)
START = tokenizer.special_tokens["<|endoftext|>"]
packed = compress(tokenizer.encode(NEW), model_predictor(model, START))
unpacked = tokenizer.decode(decompress(packed, model_predictor(model, START)))
print(f"surprise: {bits_of(NEW) / 8:.1f} bytes, and 2 more for the number of tokens")
print("the same text came back:", unpacked == NEW)
saved.answer(len(packed))

# %% tags=["test"]
assert unpacked == NEW
assert len(packed) - 2 <= bits_of(NEW) / 8 + 1.5

# %% [markdown]
# And if the receiver's model differs by a hair? Here its last norm is larger by one part in a thousand:

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    before = model.final_norm.weight.clone()
    model.final_norm.weight.mul_(1.001)  # change this
    try:
        other = tokenizer.decode(decompress(packed, model_predictor(model, START)))
    finally:
        model.final_norm.weight.copy_(before)
print(repr(other[:160]))

# %% tags=["test"]
assert other != NEW

# %% [markdown]
# **Result**. The file is as long as the surprise says, within two bytes, and the text comes back. With a model that is
# off by 0.1%, not even the first word survives: *Mrs* is an unlikely beginning, so its part of the interval is narrow,
# and a tiny shift puts the number into another one. What comes out is fluent, and about something else. At 1.00001,
# *Mrs* survives, but *Abernathy* doesn't.
#
# **Verdict**: true, with a condition. Both sides must compute the *same* probabilities, to the last bit. That's why
# sender and receiver both feed one token at a time: a pass over the whole text rounds differently.

# %% [markdown]
# ## 2. Does a language model compress better than gzip?
#
# **Claim**. "A language model is a better compressor than gzip."
#
# **Refuted if** gzip or xz needs fewer bits per byte on any of the texts, or if the model's victory vanishes once its
# own size is counted.
#
# **Method**. Bits per byte of four texts by gzip, xz and SmolLM2. An uncompressed byte is 8 bits.
#
# **Controls**. A famous text, which the model has read in training. The new one with its words in reverse order: the
# same words, no sentences. And random hexadecimal digits, where nobody can beat 4 bits per byte on average.

# %%
noise_guess = predict(
    "360 random digits, each worth 4 bits. What does SmolLM2 need?",
    ["less than 4 bits per byte", "4 to 5", "5 to 7", "more than 7"],
)

# %% tags=["nbval-ignore-output"]
FAMOUS = (
    "When in the Course of human events, it becomes necessary for one people to "
    "dissolve the political bands which have connected them with another, and to "
    "assume among the powers of the earth, the separate and equal station to which "
    "the Laws of Nature and of Nature's God entitle them, a decent respect to the "
    "opinions of mankind requires that they should declare the causes which impel "
    "them to the separation."
)
contestants = {
    "new": NEW,
    "famous": FAMOUS,
    "new, words reversed": " ".join(reversed(NEW.split())),
    "noise": "".join(random.Random(0).choices("0123456789abcdef", k=360)),
    "yours": "Our goose has learned to open the fridge, and now we own no cheese.",  # change this, then to "ha " * 200
}


def bits_per_byte(text):
    data = text.encode()
    sizes = [8 * len(tool.compress(data)) for tool in (gzip, lzma)]
    return [size / len(data) for size in (*sizes, bits_of(text))]


race = {name: bits_per_byte(text) for name, text in contestants.items()}
for name, row in race.items():
    print(f"{name:20} gzip {row[0]:.2f}  xz {row[1]:.2f}  SmolLM2 {row[2]:.2f}")
bracket = sum(race["noise"][2] >= border for border in (4, 5, 7))
noise_guess.answer(noise_guess.choices[bracket])

# %% tags=["test"]
assert race["famous"][2] < race["new"][2] < race["new, words reversed"][2]
assert all(row[2] < min(row[:2]) for row in race.values())
assert 4 < race["noise"][2] < 5

# %% tags=["nbval-ignore-output"]
named = [f"{name}: {tool}" for name in race for tool in ("gzip", "xz", "SmolLM2")]
show(
    bars(
        named,
        [size for row in race.values() for size in row],
        "bits per byte",
        2,
        [SKY, SKY, BLUE] * len(race),
    ),
    title="SmolLM2 beats gzip and xz on short texts, unless they repeat",
    alt="Bits per byte of five texts. SmolLM2 needs "
    + ", ".join(f"{row[2]:.2f} for {name}" for name, row in race.items())
    + "; the others are gzip and xz.",
)

# %% [markdown]
# A clean sweep, even on noise: after a handful of digits, the model predicts little but digits. But don't send
# out the press release yet. Three objections:
#
# 1. **The race is short.** gzip and xz know nothing at the start and learn as they read. 350 bytes teach them little,
#    and file headers take about 20 and 60 bytes. Without those, the model still wins on the first four texts.
# 2. **The receiver needs the model.** gzip is on every computer. Our file can only be read with the weights.
# 3. **The famous text was known.** Part of that victory may be memory.
#
# So a longer text. Every Python brings its manual along, half a megabyte. gzip and xz get all of it, the model 600
# tokens from the middle. It has read Python's manual, too, perhaps in another edition.

# %%
worth_it = predict_number(
    "From how many megabytes of such text on do the weights pay?", unit="MB"
)

# %% tags=["nbval-ignore-output"]
manual = "\n".join(topics.topics.values())
sample = tokenizer.decode(tokenizer.encode(manual[200_000:210_000])[:600])
data = manual.encode()
by_gzip, by_xz = (8 * len(tool.compress(data)) / len(data) for tool in (gzip, lzma))
by_model = bits_of(sample) / len(sample.encode())
weights = REGISTRY["smollm2-135m-instruct"].size
print(f"gzip {by_gzip:.2f}, xz {by_xz:.2f}, SmolLM2 {by_model:.2f} bits per byte")
print(
    f"with its {weights / 1e6:.0f} MB of weights, SmolLM2 packs the new text into",
    end=" ",
)
print(f"{8 * (weights + len(packed)) / len(NEW) / 1e6:.1f} million bits per byte")
worth_it.answer(round(8 * weights / (by_xz - by_model) / 1e6))

# %% tags=["test"]
assert by_model < by_xz < by_gzip < 3

# %% [markdown]
# **Result**. On all five short texts the model wins (not on "ha ha ha ...", where gzip has 0.4 and the model 2.5), by a
# factor of three or more in English sentences. Reversed words cost it almost a bit per byte more, and gzip the same as
# before. On half a megabyte xz comes much closer, 1.63 bits against 0.93. With the weights in the bill, the model
# starts to pay after about a gigabyte: 1.0 to 1.3 for samples from six places in the manual. The true number is
# probably higher: xz finds more to repeat in a gigabyte than in half a megabyte.
#
# **Verdict**: true of the predictor, on text that doesn't just repeat; false of the package you'd have to ship.
# [Delétang et al. 2024](https://arxiv.org/abs/2309.10668) find the same for large models, with and without their
# weights.

# %% [markdown]
# ## 3. What does learning cost?
#
# **Claim**. A model that starts from nothing can compress a text without sending any weights at all: both sides train
# the same model on what has been sent so far. Then the cost of learning is in the file, and the bill is fair.
#
# **Refuted if** the file, learning included, isn't shorter than gzip's.
#
# **Method**. The [prequential code](https://arxiv.org/abs/1802.07044): predict the next piece, pay its surprise, *then*
# train on it, on both sides. The texts come from Ottermere, a kingdom that this course invented, so no
# library has read them. A small transformer (0.4 million weights, random at the start) reads 1,600 of them, in order.
# It uses the course's tokenizer, which both sides have. That one has seen such texts, which is a head start.
#
# **Controls**. gzip and xz on the same bytes, up to the same point: they learn as they read, too. And a **floor**: our
# program draws these texts at random, and knows the probability of each. No compressor beats that on average.

# %% tags=["nbval-ignore-output"]
documents = world.World(seed=0).documents(1600)  # change this: 400 are faster
kingdom = "\n\n".join(document.text for document in documents)
n_bytes = len(kingdom.encode())
floor = -sum(document.log_prob for document in documents) / math.log(2) / n_bytes
_, letters = models.base()  # the course's tokenizer
ids = torch.tensor(letters.encode(kingdom))
pieces = ids[: len(ids) // 512 * 512].reshape(-1, 4, 128)  # (pieces, B, T)
print(documents[6].text)
print(f"{n_bytes:,} bytes, {len(ids):,} tokens; the floor is {floor:.2f} bits per byte")

# %%
learned = predict(
    "Bits per byte over the whole text, learning included. Where does the learner end?",
    ["above gzip (2.2)", "between gzip and xz (1.3)", "below xz"],
)


# %% tags=["nbval-ignore-output"]
def loss_of(learner, rows):
    """Mean surprise per token in nats, each row read by itself; its first token is predicted from token 0."""
    inputs = F.pad(rows[:, :-1], (1, 0))
    return F.cross_entropy(learner(inputs).flatten(0, 1), rows.flatten())


torch.manual_seed(0)  # sender and receiver use the same seed
shape = dict(d_model=96, n_layers=2, n_heads=4, max_seq_len=128)
learner = Transformer(ModelConfig(vocab_size=letters.vocab_size, **shape))
optimizer = torch.optim.AdamW(learner.parameters(), lr=0.004, betas=(0.9, 0.95))
paid = []  # bits for each piece, before it was learned
for number, piece in enumerate(pieces):
    again = pieces[torch.randint(number + 1, (3,))]  # and three earlier ones
    for rows in (piece, *again):
        loss = loss_of(learner, rows)
        if rows is piece:
            paid.append(loss.item() / math.log(2) * piece.numel())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
    if number % 50 == 49:
        print(
            f"{number + 1} of {len(pieces)} pieces: {paid[-1] / piece.numel():.2f} bits per token"
        )

# %% tags=["nbval-ignore-output"]
per_token = n_bytes / len(ids)
ends = [n * 512 for n in range(20, len(pieces) + 1, 20)]  # tokens read so far
ends = ends or [len(pieces) * 512]
curves = {"the learner": [sum(paid[: end // 512]) / (end * per_token) for end in ends]}
for name, tool in (("gzip", gzip), ("xz", lzma)):
    parts = [kingdom.encode()[: int(end * per_token)] for end in ends]
    curves[name] = [8 * len(tool.compress(part)) / len(part) for part in parts]
show(
    lines(
        curves,
        "kilobytes read",
        "bits per byte so far",
        x=[end * per_token / 1000 for end in ends],
        references={"floor": floor},
        ylim=(0, 4),
    ),
    title="Bits per byte, learning included",
    alt="Bits per byte paid so far by the learner, gzip and xz: at the end "
    + ", ".join(f"{name} {curve[-1]:.2f}" for name, curve in curves.items())
    + f"; the floor is {floor:.2f}.",
)

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    known = (
        torch.stack([loss_of(learner, rows) for rows in pieces]).mean().item()
        / math.log(2)
        / per_token
    )
size = (
    16 * sum(weight.numel() for weight in learner.parameters()) / n_bytes
)  # 16-bit weights
print(f"the learner as it read: {curves['the learner'][-1]:.2f} bits per byte")
print(f"its weights, then the text: {size:.2f} + {known:.2f} = {size + known:.2f}")
print(
    f"its last 20 pieces: {sum(paid[-20:]) / (20 * 512 * per_token):.2f}; the floor: {floor:.2f}"
)
final = {name: curve[-1] for name, curve in curves.items()}
beaten = sum(final["the learner"] < final[tool] for tool in ("gzip", "xz"))
if len(documents) == 1600:
    learned.answer(learned.choices[beaten])

# %% tags=["test"]
assert floor < curves["the learner"][-1] < size + known

# %% [markdown]
# **Result**. Learning included, the learner pays 1.42 bits per byte. Sending its weights first would cost 15.28 for
# the weights alone. It beats gzip (2.23) all the way. It's ahead of xz for 100 kilobytes, then behind, and ends at 1.42
# against 1.32; over the last 20 pieces, both pay about the same. And both are far above the floor of 0.14: most of what
# they still pay for could be known.
#
# **Verdict**: true, with a catch. It beats gzip, not xz. The cost of learning is in the file, and the whole file is a
# tenth of the weights, which are twice as long as the text itself. But the tokenizer was trained on such texts, which
# favors the learner. How much of its early lead comes from that, we didn't measure. One seed, one small model, one
# order of the texts; a larger model may win. Try it.
#
# **Next**: the loss curves of [lesson 08](08_pretraining.ipynb) are this experiment, run for longer. The area under
# such a curve is the prequential code. Before that, [00a](00a_tensors.ipynb) or [01](01_tokenizer.ipynb).
