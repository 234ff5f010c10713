# %% [markdown]
# # 03 lab · Who bit whom: five experiments on positions
#
# In lesson 03 you turned the positions of a real model. Here small models are trained on questions about order, with
# four kinds of positions and with none. Each experiment is told like a short paper: the claim, what would refute it,
# the method, the controls, the result, the verdict.
#
# **Time**: 55 minutes, of which the cells run for two. **Before you start**: lesson 03. Lesson 08 builds the training
# loop; here it's enough that it lowers the loss.

# %%
import itertools
import math
from pathlib import Path

import torch

from minillm.config import ModelConfig
from minillm.course import mine, positions, predict, predict_number
from minillm.course.turns.positional_encoding import rotate
from minillm.files import read_json
from minillm.losses import IGNORE, next_token_loss
from minillm.model.transformer import Transformer
from minillm.training.optim import adamw
from minillm.viz.figures import grouped_bars, lines, show

torch.set_num_threads(1)  # models as small as these are not worth sharing

# %% [markdown]
# ## 1. Is a transformer blind to order?
#
# **Claim**. "Without positions, a transformer reads a bag of words. To it, *dog bites man* and *man bites dog* are the
# same."
#
# **Refuted if** a model without positions answers a question about order better than 0.5.
#
# **Method**. Every sentence is three words and *ouch*, and the next word is the one who was hurt: *dog bites man ouch*
# -> *man*. Each sentence comes with its mirror image. A model that can't see the order gives both the same answer, so
# it's right in one and wrong in the other: not about 0.5, but exactly. Three models without positions: one that sees
# the whole sentence, and two that are *causal* (each word sees only what came before), with one layer and with two.
#
# **Controls**. Test sentences are about pairs of nouns that never met in training. Three seeds. And untrained models,
# where equal vectors follow from the algebra alone.

# %%
NOUNS = "dog man cat girl wolf boy goose cook goat king bear maid hen ox queen miller"
NOUNS, VERBS = NOUNS.split(), ["bites", "kicks", "pokes", "pinches"]
WORDS = [*NOUNS, *VERBS, "ouch"]


def ids_of(text):
    return torch.tensor([[WORDS.index(word) for word in text.split()]])


def sentences(pairs):
    """Every pair with every verb, both ways: ids of the shape (B, 4)."""
    texts = []
    for (x, y), verb in itertools.product(pairs, VERBS):
        texts += [f"{x} {verb} {y} ouch", f"{y} {verb} {x} ouch"]
    return torch.cat([ids_of(text) for text in texts])


all_pairs = list(itertools.combinations(NOUNS, 2))
drawn = torch.randperm(len(all_pairs), generator=torch.Generator().manual_seed(0))
shuffled = [all_pairs[i] for i in drawn.tolist()]
TEST, TRAINING = sentences(shuffled[:24]), sentences(shuffled[24:])
print(f"{len(TRAINING)} sentences to learn from, {len(TEST)} to test")


# %%
def fit(batches, seed, rate=5e-3, loud=False, **shape):
    """Train a small model on (inputs, targets): it, and its last loss in nats."""
    torch.manual_seed(seed)
    model = Transformer(
        ModelConfig(**dict(d_model=32, n_heads=4, tie_embeddings=True) | shape)
    )
    if loud:  # word vectors fifty times as long
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


def ouch(seed, steps=150, **settings):
    """Train on the sentences: (accuracy in the test, last loss)."""
    rng = torch.Generator().manual_seed(seed)
    batches = []
    for _ in range(steps):
        ids = TRAINING[torch.randint(len(TRAINING), (64,), generator=rng)]
        targets = torch.full_like(ids, IGNORE)
        targets[:, 3] = ids[:, 2]  # only what follows ouch counts
        batches.append((ids, targets))
    model, loss = fit(batches, seed, vocab_size=len(WORDS), max_seq_len=4, **settings)
    logits = model(TEST)[:, -1]
    right, wrong = logits.gather(1, TEST[:, 2:3]), logits.gather(1, TEST[:, :1])
    return (right > wrong).float().mean().item(), loss


# %%
who_can = predict(
    "No positions at all. Which of the three models answers above 0.5?",
    [
        "none",
        "the one without a mask",
        "both causal ones",
        "only the one with two layers",
    ],
)

# %% tags=["nbval-ignore-output"]
SEEDS = range(3)
runs = {}


def probe(name, **settings):
    runs[name] = [ouch(seed, **settings) for seed in SEEDS]
    results = [f"accuracy {right:.3f}, loss {loss:.3f};" for right, loss in runs[name]]
    print(f"{name:20}", *results)


probe("no mask, 2 layers", position="none", n_layers=2, causal=False)
probe("causal, 1 layer", position="none", n_layers=1)
probe("causal, 2 layers", position="none", n_layers=2)
able = [max(accuracy for accuracy, _ in found) > 0.6 for found in runs.values()]
kinds = {(0, 0, 0): 0, (1, 0, 0): 1, (0, 1, 1): 2, (0, 0, 1): 3}
who_can.answer(who_can.choices[kinds[tuple(able)]])

# %% tags=["test", "nbval-ignore-output"]
for name in ("no mask, 2 layers", "causal, 1 layer"):
    assert all(abs(accuracy - 0.5) < 0.01 for accuracy, _ in runs[name])
assert all(accuracy > 0.95 for accuracy, _ in runs["causal, 2 layers"])

# %% [markdown]
# Two stand at 0.5 for every seed, and their loss stays above ln 2 = 0.69, the loss of guessing between two. The third
# answers everything, **without any positions**. Where does it get the order from? We look into untrained models, with
# weights large enough to show a difference (standard deviation 0.3).

# %%
at_noun = predict(
    "One causal layer. Read its vector at the last noun, before ouch. In the two texts, it's",
    ["the same, as at ouch", "different"],
)


# %%
def lively(**shape):
    torch.manual_seed(0)
    shape = dict(vocab_size=len(WORDS), d_model=32, n_heads=4, max_seq_len=64) | shape
    model = Transformer(ModelConfig(**shape)).requires_grad_(False)
    for weight in model.parameters():
        if weight.dim() == 2:
            weight.normal_(std=0.3)
    return model


def differ(model, text, other, at, at_other):
    """Whether a word has different vectors at two places."""
    x, y = model.hidden(ids_of(text))[0, at], model.hidden(ids_of(other))[0, at_other]
    return bool((x - y).abs().max() > 1e-3)


texts = "dog bites man ouch", "man bites dog ouch"  # change these
for depth in (1, 2):
    causal = lively(n_layers=depth, position="none")
    print(
        f"{depth} layer(s): two vectors of ouch differ: {differ(causal, *texts, 3, 3)}"
    )
first_layer = lively(n_layers=1, position="none")
print(f"1 layer: dog first and dog third differ: {differ(first_layer, *texts, 0, 2)}")
if texts == ("dog bites man ouch", "man bites dog ouch"):
    at_noun.answer(at_noun.choices[differ(first_layer, *texts, 2, 2)])

# %% [markdown]
# **Result**. In layer 1, *ouch* takes a weighted mean of the words, each of which is still its own row in the table: a
# bag. But the *other* words have read something by then, too. A first dog has seen only itself, a third one a verb. In
# layer 2, *ouch* can look for that. So the mask gives positions away, but only from the second layer on.
#
# That's why the question ends in *ouch*. Asked at the last noun, one layer seems to know the order, because
# *man* and *dog* are different words to ask from. That's knowing the last word, not the order.
#
# In lesson 03, SmolLM2 without positions gave the book to the name that came last in 41 of 56. Does it know the order
# in this way, from its mask? Here are five other wordings.

# %% tags=["nbval-ignore-output"]
FORMS = (  # change these
    "From {0}, {1} got a book.",
    "To {0}, {1} gave a book.",
    "A book was given by {0} to {1}.",
    "A book was given to {0} by {1}.",
    "{0} was given a book by {1}.",
)
names = [(before, last) for _, last, before in positions.book("gave a book to")]
whose = [
    (f"{form.format(*pair)} Now the book belongs to", pair[1], pair[0])
    for form in FORMS
    for pair in names
]
for name, off in {"intact": {}, "without positions": {"without": "positions"}}.items():
    print(f"{name:18} the last in {positions.prefers(whose, **off)} of {len(whose)}")

# %% [markdown]
# It doesn't: without positions, that's chance.
#
# **Verdict**: true without a mask or with one layer, false for a causal model with two. [Haviv et al.
# 2022](https://arxiv.org/abs/2203.16634) found that such models learn positions; today they're called NoPE.

# %% [markdown]
# ## 2. Is one kind of position better?
#
# **Claim**. "With positions, one layer is enough, and it doesn't matter which kind."
#
# **Refuted if** one of four kinds ends with a clearly higher loss than the others on the same question.
#
# **Method**. One causal layer, where NoPE had no chance: a learned table, sinusoids, rotary, and ALiBi
# ([Press et al. 2022](https://arxiv.org/abs/2108.12409)), which lowers each score by the distance times each
# head's own slope.
#
# **Controls**. We try two fixes on the one that fails: each alone, and both. And both on one that doesn't need them.

# %% tags=["nbval-ignore-output"]
SCHEMES = ["learned", "sinusoidal", "rotary", "alibi"]
for scheme in SCHEMES:
    probe(f"{scheme}, 1 layer", position=scheme, n_layers=1, steps=150)  # or 600

# %% [markdown]
# Sinusoids lag behind: mostly right, but at 1.2 to 1.8 nats. A row of sinusoids has entries around 0.7, and a fresh
# word vector has entries around 0.02: does the position drown the word? Then louder words should fix it. (Vaswani et
# al. multiplied theirs by √C.) But there's a second suspect. In these models one table serves both ends, as input and
# as output, and that may be too much for one table: to stand out against the sinusoids, and to score the words. Then an
# output table of its own should fix it.

# %%
culprit = predict(
    "What brings the loss of the sinusoids down to that of the others?",
    ["an output table of its own", "louder words", "only both together"],
)

# %% tags=["nbval-ignore-output"]
probe("sinusoidal, own table", position="sinusoidal", n_layers=1, tie_embeddings=False)
probe("sinusoidal, loud", position="sinusoidal", n_layers=1, loud=True)
BOTH = dict(n_layers=1, tie_embeddings=False, loud=True)
probe("sinusoidal, both", position="sinusoidal", **BOTH)
probe("rotary, both", position="rotary", **BOTH)
mean = {
    name: sum(loss for _, loss in found) / len(SEEDS) for name, found in runs.items()
}
low = 2 * mean["rotary, both"]
alone = [mean["sinusoidal, own table"] < low, mean["sinusoidal, loud"] < low]
culprit.answer(culprit.choices[0 if alone[0] else 1 if alone[1] else 2])
drawn_runs = list(runs)[3:]
short = [
    name.replace("sinusoidal", "sines").replace(", ", ",\n") for name in drawn_runs
]
show(
    grouped_bars(
        {"loss": [[runs[name][seed][1] for name in drawn_runs] for seed in SEEDS]},
        short,
        "nats",
        references={"guess of two": math.log(2)},
    ),
    title="With positions, one layer is enough; sinusoids need loud words",
    alt=", ".join(f"{name}: {mean[name]:.2f}" for name in drawn_runs),
)

# %% tags=["test", "nbval-ignore-output"]
assert mean["sinusoidal, own table"] < 0.5 * mean["sinusoidal, 1 layer"]
assert mean["sinusoidal, loud"] < 0.2 * mean["sinusoidal, own table"]
assert (
    max(mean[f"{scheme}, 1 layer"] for scheme in ("learned", "rotary", "alibi")) < 0.1
)

# %% [markdown]
# **Result**. Louder words do it alone (with one table, the output gets louder, too). An output table alone goes most of
# the way, from 1.45 to 0.20. With both, it's no better than with loudness alone. For rotary, which adds nothing, the
# two change little.
#
# The first edition of this course ran three of these four settings. It left out loudness alone, and concluded that "two
# things were wrong". It takes all four to tell two causes apart.
#
# **Verdict**: half true. One layer is enough with each of the four kinds, but the kind matters: in 150 steps, sinusoids
# need words that aren't drowned.

# %% [markdown]
# ## 3. What can't a model see, even with positions?
#
# **Claim**. "With positions, a model knows where each word stands."
#
# **Refuted if** two places, or two orders, give the same vectors.
#
# **Method**. Two texts that are hard on purpose: six equal words, and a text beside its mirror image. The first goes
# into SmolLM2, both into untrained models of each kind.
#
# **Controls**. All kinds read the same texts with the same sizes; one different word in front of the six.

# %%
dogs_alike = predict(
    "SmolLM2 reads dog dog dog dog dog dog. Does it predict the same after the first dog and the sixth?",
    ["the same", "something else"],
)

# %% tags=["nbval-ignore-output"]
model, tokenizer = mine.smollm2()
front = "The"  # change this
six = tokenizer.encode(" dog") * 6
with torch.no_grad():
    bare = model(torch.tensor([six]))[0]
    led = model(torch.tensor([[*tokenizer.encode(front), *six]]))[0, 1:]
alike = bool((bare - bare[0]).abs().max() < 0.01)
dogs_alike.answer(dogs_alike.choices[0 if alike else 1])
print(f"after {front}, all six alike: {bool((led - led[0]).abs().max() < 0.01)}")

# %%
KINDS = ("learned", "sinusoidal", "rotary", "alibi", "none")
for kind in KINDS:
    four = lively(n_layers=2, position=kind).hidden(ids_of("dog dog dog dog"))[0]
    both_ways = lively(n_layers=2, position=kind, causal=False)
    there, back = (
        both_ways.hidden(ids_of(text))[0].mean(0)
        for text in ("dog bites man", "man bites dog")
    )  # change these
    counts = bool((four[3] - four[0]).abs().max() > 1e-3)
    print(
        f"{kind:11} counts dogs: {counts!s:6} tells a text from its mirror image:",
        bool((there - back).abs().max() > 1e-3),
    )

# %% [markdown]
# **Result**. Rotary positions only touch scores, and scores only choose whose values are averaged. If all values are
# equal, so is every average, in all 30 layers: SmolLM2 can't count six bare dogs. With one different word in front, the
# six dogs differ. Where positions are *added*, they differ without it. And without a mask, ALiBi reads a text and its
# mirror image alike, since a distance has no sign. The mirror image of *dog bites man* is, of all things, *man bites
# dog*.
#
# **Verdict**: false for rotary and ALiBi in these texts. Rotary is told distances with a sign, ALiBi distances without
# one, and among equal words neither says where a word stands.

# %% [markdown]
# ## 4. Longer than ever before
#
# **Claim**. "RoPE only sees distances, so it works at any length. ALiBi does too, but reads worse. Without positions,
# nothing works for long." People say all three.
#
# **Refuted if**, in texts four times as long as in training, rotary's loss jumps; if ALiBi is as good as rotary within
# the training length; if NoPE keeps its loss.
#
# **Method**. A language of six letters: the next one depends on the last two and their order, with the probabilities
# 0.7, 0.2 and 0.1. So the lowest possible loss is known, 0.802 nats, and we look at the **excess** above it. A uniform
# guess has 0.99, a reader who knows only the last letter 0.69. One layer (NoPE two), trained on texts of 32 letters.
#
# **Controls**. 4 heads and 8; 150 steps and 600; heads of 4 numbers with 4 heads, to tell the number of heads from
# their width; three seeds. All of it is in `benchmarks/positions.py` (six minutes).

# %%
jump = predict(
    "Rotary, 600 steps. Beyond the 32 letters, its loss ...",
    ["jumps with 4 heads and with 8", "jumps with 4 heads only", "never jumps"],
)


# %%
def excesses(scheme, heads, steps):
    """Mean excess within 32 letters, in the next 32, and in the 64 after: (3,)."""
    asked = (scheme, heads, steps)
    for cell in CELLS:
        if (cell["scheme"], cell["heads"], cell["steps"]) == asked:
            return torch.tensor([list(run.values()) for run in cell["runs"]]).mean(0)


CELLS = read_json(Path("../benchmarks/results/positions.json"))["cells"]
print("excess, mean of 3 seeds:                  within  next 32  beyond")
for cell in CELLS:  # a learned table ends at 32; other bases come below
    if cell["scheme"] != "learned" and "base" not in cell["scheme"]:
        row = excesses(cell["scheme"], cell["heads"], cell["steps"])
        settings = f"{cell['scheme']}, {cell['heads']} heads, {cell['steps']} steps"
        print(f"{settings:42} {row[0]:5.2f} {row[1]:8.2f} {row[2]:7.2f}")
wide, narrow = (float(excesses("rotary", heads, 600)[1]) for heads in (4, 8))
jump.answer(jump.choices[0 if narrow > 0.5 else 1 if wide > 0.5 else 2])

# %%
curves = {
    "rotary, 4 heads of 8": ("rotary", 4),
    "rotary, 8 heads of 4": ("rotary", 8),
    "rotary, 4 heads of 4": ("rotary, heads of 4 numbers", 4),
    "ALiBi, 4 heads": ("alibi", 4),
    "ALiBi, 8 heads": ("alibi", 8),
    "no positions": ("none, 2 layers", 4),
}
after_600 = {name: excesses(*cell, 600) for name, cell in curves.items()}
show(
    lines(after_600, "letter of the text", "nats above the floor", [16, 48, 96]),
    title="At base 10,000, after 600 steps, heads of 8 jump and heads of 4 don't",
    alt="Rotary with 4 heads of 8 jumps to 1.5 and 2.0; NoPE rises to 0.7; the rest are low.",
)

# %% [markdown]
# So it takes a narrow head? At base 10,000, a head of 8 turns its pairs by 1, 0.1, 0.01 and 0.001 per letter, a head of
# 4 by 1 and 0.01. Only the wide one has a pair at 0.1: half a circle in 32 letters, two circles in 128. If that pair
# does the damage, narrow heads at base 100 (1 and 0.1) should jump, and wide heads at base 100,000,000 (1, 0.01, ...)
# shouldn't.

# %%
speeds = predict(
    "After 600 steps, which one jumps above 0.99, a uniform guess, in the next 32?",
    ["wide heads at 1e8", "narrow heads at 100", "both", "neither"],
)

# %% [markdown]
# Train them yourself: in the cell that begins with `trial`, set `n_heads=8, rope_theta=100.0` or `n_heads=4,
# rope_theta=1e8`. Three seeds take seconds.


# %%
def letters(count, length, seed):
    """Texts of the six-letter language: ids (count, length)."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(6, (count, length), generator=rng)
    for t in range(2, length):
        following = NEXT[ids[:, t - 2], ids[:, t - 1]]
        ids[:, t] = torch.multinomial(following, 1, generator=rng)[:, 0]
    return ids


dice, NEXT = torch.Generator().manual_seed(0), torch.zeros(6, 6, 6)
for a, b in itertools.product(range(6), repeat=2):
    NEXT[a, b, torch.randperm(6, generator=dice)[:3]] = torch.tensor([0.7, 0.2, 0.1])


# %%
def speak(seed, steps=150, **settings):
    """Train on texts of 32 letters; the excess within, in the next 32, and beyond."""
    batches = [
        (ids[:, :-1], ids[:, 1:]) for ids in letters(32 * steps, 33, seed).split(32)
    ]
    shape = dict(n_layers=1, vocab_size=6, max_seq_len=32) | settings
    reader = fit(batches, seed, rate=1e-2, **shape)[0]
    reader.extend_context(128)
    text = letters(64, 129, seed=1000)
    log_probs = reader(text[:, :-1])[:, 1:].log_softmax(-1)
    truth = NEXT[text[:, :-2], text[:, 1:-1], text[:, 2:]].log()
    excess = (truth - log_probs.gather(2, text[:, 2:, None])[..., 0]).mean(0)
    return [round(part.mean().item(), 2) for part in excess.split([31, 32, 64])]


# %% tags=["nbval-ignore-output"]
trial = dict(position="rotary", n_heads=4, rope_theta=4.0)  # change this
for seed in SEEDS:
    print(speak(seed, steps=600, **trial))

# %%
jumped = []
for scheme, heads in (("rotary, base 1e8", 4), ("rotary, base 100", 8)):
    row = excesses(scheme, heads, 600)
    jumped.append(bool(row[1] > 0.99))
    print(f"{scheme}, {heads} heads: {row[0]:.2f} {row[1]:.2f} {row[2]:.2f}")
which = {(True, False): 0, (False, True): 1, (True, True): 2, (False, False): 3}
speeds.answer(speeds.choices[which[tuple(jumped)]])

# %% [markdown]
# **Result**. With 4 heads of 8 numbers, rotary's loss jumps above a uniform guess, and *more* training makes it worse:
# in the next 32, 1.24 after 150 steps and 1.54 after 600, with each seed. With heads of 4 numbers there's no such jump
# after 600 steps: 0.01 with 8 heads, and 0.09 with 4. But their width isn't what counts: narrow heads at base 100 jump
# to 1.37 and 1.99, and wide heads at base 100,000,000 stay at 0.01. So the speeds decide. Angles that training never
# showed would explain that, but not all of it: at base 4 every pair makes a full circle in training, and some of the
# jump is left (0.3 to 0.5, then 0.8 to 0.9).
#
# ALiBi's excess hardly moves at four times the length: from 0.11 to 0.14 with 4 heads, from 0.03 to 0.02 with 8. Within
# the training length it's behind rotary: 0.11 against 0.02 with 4 heads, 0.03 against 0.01 with 8. (The number of heads
# also sets its steepest slope.)
#
# NoPE gets better with training, 0.54 to 0.32, and worse with length, 0.32 to 0.72. That's no better than a reader who
# knows only the last letter. Kazemnejad et al. ([2023](https://arxiv.org/abs/2305.19466)) found the opposite on their
# tasks: NoPE went furthest. In this language only the last two letters matter.
#
# **Verdict**: "any length" is false for rotary with some speeds and true with others, up to four times the length;
# "reads worse" is true, but by 0.09 nats with 4 heads and by 0.02 with 8; "not for long" holds here. The first depends
# on the base and the second on the number of heads, so neither is about the scheme alone.

# %% [markdown]
# ## 5. Does SmolLM2 know which is which?
#
# **Claim** (from lesson 03). SmolLM2 with positions tells which of two things has which color, and is at chance
# without.
#
# **Refuted if** the same question in other words gives chance with positions, too.
#
# **Method**. 56 questions, each pair of things with the colors swapped and the sentences swapped, in three wordings.
# Right if the right color is more probable than the other one.
#
# **Controls**. Rules such as *say the last color* get exactly 28. The same questions without positions. And base
# 10,000, which did better than the model's own in the lesson: does it here?

# %%
reworded = predict_number(
    "With 'What color is the door? The color of the door is', how many are right?",
    unit="of 56",
)

# %% tags=["nbval-ignore-output"]
WORDINGS = {
    "the lesson's": "What color is the {0}? The {0} is",
    "It is": "What color is the {0}? It is",  # change this
    "The color of": "What color is the {0}? The color of the {0} is",
}


def asked(question):
    """The lesson's questions, with another end."""
    changed = []
    for text, right, wrong in positions.COLORS:
        told, _, end = text.partition(" What color is the ")
        changed.append((f"{told} {question.format(end.split('?')[0])}", right, wrong))
    return changed


def other_base(x, positions, base):
    return rotate(x, positions, 10_000)  # change this: 30_000, or 1_000_000


scored = {}
for wording, question in WORDINGS.items():
    ways = {}, {"without": "positions"}, {"rotation": other_base}
    scored[wording] = own, none, other = [
        positions.prefers(asked(question), **way) for way in ways
    ]
    print(f"{wording:14} {own} of 56, without {none}, with base 10,000 {other}")
reworded.answer(scored["The color of"][0])

# %% [markdown]
# **Result**. In the lesson's words it's right in 44 of 56, in others in 37 and in 24. The last is chance. Without
# positions it's at chance in all three. With base 10,000 it does better than with its own in all three: 52, 43 and 32.
# We don't know why.
#
# **Verdict**: half true. Without positions, this model can't tell which is which, in any wording that we tried. With
# them, it *can*, and whether it does depends on how you ask. So the lesson's 44 says that positions make a difference.
# It doesn't say that the model understands who is who.

# %% [markdown]
# **What you measured**: a question that a bag of words answers at exactly 0.5, and a mask that gives the order away
# from layer 2 on; sinusoids that drown the words, with a second suspect that isn't needed; six bare dogs that SmolLM2
# can't count; and three sayings about long texts, two of which depend on a number that nobody mentions.
#
# **Next**: [lesson 04](04_attention.ipynb), attention.
