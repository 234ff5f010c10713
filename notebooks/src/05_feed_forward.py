# %% [markdown]
# # 05 · Feed-forward
#
# SmolLM2 is 134,515,008 numbers. We'll set two of them to zero.
#
# **The claim**: attention moves information between tokens, and feed-forward layers store the facts. You'll read that
# everywhere. Half of it is true. Which half?
#
# **You will write** three short functions: a feed-forward layer, a memory of thousands of facts, and a neuron that
# moves the capital of France to Rome, in the real model.
#
# **Time**: 75 minutes. **Before you start**: lesson 00a (matrix products). Lesson 04 (attention) helps. Shift+Enter
# runs a cell. At **your turn**, replace the `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
import torch
import torch.nn.functional as F

from minillm.analysis import surgery
from minillm.course import mine, neurons, predict, predict_number, your_turn
from minillm.course.own_model import smollm2
from minillm.course.versions import origin
from minillm.viz import diagrams
from minillm.viz.figures import lines, show

# %%
mine.map(lesson="05")

# %% [markdown]
# ## Two numbers
#
# The intact model:

# %% tags=["nbval-ignore-output"]
PROMPT = "The capital of France is"
model, tokenizer = smollm2()
intact = mine.write(PROMPT, n=12)

# %%
two = predict(
    "Two of 134,515,008 numbers become 0. What does it write?",
    ["still Paris", "another city, in good English", "nonsense"],
)

# %% tags=["nbval-ignore-output"]
MATRIX = "blocks.11.feedforward.down.weight"
with surgery.zeroed(model, MATRIX, (507, 1229), (507, 1487)):
    broken = mine.write(PROMPT, n=12)
two.answer(two.choices[0 if "Paris" in broken else 1 if " the " in broken else 2])

# %% [markdown]
# Would any two do? Here are 100,000, drawn at random:

# %% tags=["nbval-ignore-output"]
count, seed = 100_000, 0  # change this: a million? three million?
with surgery.zeroed_at_random(model, count, seed):
    mine.write(PROMPT, n=12)

# %% [markdown]
# Over 50 texts, the loss rises by 10.6 ± 0.3 nats per token without our two. On 20 of them, 100,000 random weights cost
# at most 0.11 in five draws, and two others of about the same size at most 0.8 in three
# (`benchmarks/super_weights.py`). Such *super weights* were found in 2024, in models of several families ([Yu et al.
# 2024](https://arxiv.org/abs/2411.07191)).
#
# Ours sit in one **feed-forward layer**, number 11 of 0 to 29. Why does the model need them? By the end, you'll replace
# all that this layer writes at one token by a single number.

# %% [markdown]
# ## One neuron, by hand
#
# Each layer of the model has two halves. Attention carries information from token to token (lesson 04). The
# [feed-forward layer](../teaching/glossary.md#f), or [MLP](../teaching/glossary.md#m), takes one token's vector x (C =
# 576 numbers) and adds something to it. It has F = 1,536 [neurons](../teaching/glossary.md#n). Each neuron is three
# vectors of C numbers:
#
# - `gate` and `up`: what it looks for. Their dot products with x set its **activation**: SiLU(gate · x) × (up · x).
# - `down`: what it says. The neuron adds its activation times `down` to x.
#
# SiLU(z) = z · sigmoid(z) is an [activation function](../teaching/glossary.md#a): for a large z it's almost z, for a
# very negative z almost 0. So the gate opens, or it doesn't. Here's neuron 1444 of layer 24, at the last token of "She
# waved her":

# %%
gate, up, down = neurons.weights(24)  # (F, C), (F, C), (C, F)
x = neurons.reads("She waved her", layer=24)  # (T, C)
opened, size = gate[1444] @ x[-1], up[1444] @ x[-1]
print(f"gate: SiLU({opened:.2f}) = {F.silu(opened):.2f}, up: {size:.2f}", end="")
print(f", activation {F.silu(opened) * size:.2f}")
print("it says:", neurons.says(24, 1444))

# %% [markdown]
# Nobody told it about hands: those are the tokens whose logits its `down` column raises most. When is it on? Beat 12:

# %%
texts = "He clapped his, She held the baby in her, He tied them behind his, I lost my"
for text in texts.split(", "):  # change this: when is this neuron on?
    print(f"{neurons.activation(text, 24, 1444):6.2f}  {text}")

# %% [markdown]
# It isn't perfect: *behind his* leaves it below 0. Does the model need it?

# %% tags=["nbval-ignore-output"]
less = neurons.hands((24, 1444))
drawn = torch.randint(1536, (20,), generator=torch.Generator().manual_seed(0)).tolist()
controls = [neurons.hands((24, number)) for number in drawn]
print(f"P(hand, hands, arm, arms or fingers): {neurons.hands():.3f}, ", end="")
print(f"without this neuron {less:.3f}")
print(f"without one of 20 random others: {min(controls):.3f} to {max(controls):.3f}")

# %% [markdown]
# That's over twelve such texts: without the neuron, more than half is left. And we picked this one, out of 46,080,
# because it's easy to read.

# %% [markdown]
# ## All neurons at once
#
# Put the gates of all neurons into one matrix, (F, C), the `up` vectors into another, and the `down` vectors into the
# columns of a third, (C, F), as PyTorch stores them. Then a layer is three matrix products:

# %%
words = [tokenizer.decode([id]).strip() for id in tokenizer.encode("She waved her")]
diagrams.feed_forward(x[1:], gate, up, down, words, range(1442, 1447), lit=1444).show(
    "Drawn are 8 of 576 features, and 5 of 1,536 neurons."
)

# %% [markdown]
# ### Your turn: the feed-forward layer
#
# `x` is (T, C), a row per token. `gate` and `up` are (F, C), `down` is (C, F). Return what the layer adds: (T, C). In
# code, `F` is torch's module, with `F.silu`; in shapes, F counts neurons.


# %%
@your_turn("05.feed_forward", minutes=8, difficulty=2)
def feed_forward(x, gate, up, down):
    """What the layer adds to each token's vector: (T, C)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def feed_forward(x, gate, up, down):
#     """What the layer adds to each token's vector: (T, C)."""
#     opened = F.silu(x @ gate.T)  # (T, F)
#     return (opened * (x @ up.T)) @ down.T
# ```
#
# </details>

# %%
added = feed_forward(x, gate, up, down)  # (T, C)
theirs = model.blocks[24].feedforward(x).detach()
torch.testing.assert_close(added, theirs, rtol=1e-3, atol=1e-3)
owner = "the course's" if origin(feed_forward) == "the course's" else "your"
print(f"All {added.numel():,} numbers match: SmolLM2's layer 24, by {owner} code.")
shuffled = feed_forward(x[[3, 0, 4, 1, 2]], gate, up, down)
moved = torch.allclose(shuffled, added[[3, 0, 4, 1, 2]], atol=1e-3)
print("tokens shuffled: the same rows, shuffled:", moved)

# %% [markdown]
# So this much is true: the layer moves nothing from token to token. Whatever it knows about *She* when it's at *her*,
# attention has carried there.

# %% [markdown]
# ## Why a nonlinearity?
#
# Leave out SiLU and the gate, and two matrices remain, one after the other. But two matrices in a row are one: with C =
# 8 and F = 32, 512 weights can't do anything that a single matrix of 64 couldn't.
#
# Is one matrix enough? Mira was born in Sedge and lives in Pellin. Tobin was born in Pellin and lives in Sedge. The
# input says who and what; the output should be 1 for *Sedge* and 0 for *Pellin*. Here's the best linear map, and then
# two neurons with [ReLU](../teaching/glossary.md#r), which turns negative numbers into 0:

# %%
ASKED = torch.tensor(  # columns: Mira, Tobin, born, lives, and a 1 for the bias
    [[1.0, 0, 1, 0, 1], [1, 0, 0, 1, 1], [0, 1, 1, 0, 1], [0, 1, 0, 1, 1]]
)
sedge = torch.tensor([1.0, 0, 0, 1])
best = torch.linalg.pinv(ASKED) @ sedge  # least squares
print("linear:     ", [round(n, 2) for n in (ASKED @ best).tolist()])
AND = torch.tensor([[1.0, 0, 1, 0, -1], [0, 1, 0, 1, -1]])  # Mira born; Tobin lives
print("two neurons:", torch.relu(ASKED @ AND.T).sum(dim=1).tolist())

# %% [markdown]
# One half, four times: *Mira* alone says nothing about *Sedge*, and neither does *lives*. It's the XOR problem. A fact
# is an **and**: Mira *and* born. To say *and*, add the two, subtract 1, and set what's below 0 to 0.

# %% [markdown]
# ## A memory of facts
#
# Now read the layer as a [key-value memory](../teaching/glossary.md#k) ([Geva et al.
# 2021](https://arxiv.org/abs/2012.14913)): what a neuron looks for is a **key**, and what it says is a **value**. If
# that's right, we can *write* facts into it, without training. Here are nine facts of Ottermere, the invented country
# of this course. Each word gets a direction of its own, and a question is the sum of two words:

# %%
vector = dict(zip([*neurons.PEOPLE, *neurons.RELATIONS], torch.eye(6), strict=True))
questions = torch.stack([vector[who] + vector[what] for who, what in neurons.FACTS])
keys = questions.clone()  # (keys, C)
values = torch.eye(9)  # (keys, answers): a direction for each
answers = list(neurons.FACTS.values())
print(", ".join(answers))

# %% [markdown]
# ### Your turn: recall
#
# `questions` is (questions, C); `keys` and `values` have a row per neuron. A neuron's activation is the dot product of
# question and key, minus `threshold`, and 0 if that's negative. What comes back is the sum of all values, each times
# its neuron's activation.


# %%
@your_turn("05.recall", minutes=6, difficulty=2)
def recall(questions, keys, values, threshold):
    """What each question gets back: (questions, C)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def recall(questions, keys, values, threshold):
#     """What each question gets back: (questions, C)."""
#     scores = questions @ keys.T  # (questions, keys)
#     return torch.relu(scores - threshold) @ values
# ```
#
# </details>

# %%
found = recall(questions, keys, values, threshold=1.0)  # (questions, answers)
for (who, what), row in zip(neurons.FACTS, found, strict=True):
    print(f"{who}'s {what}: {answers[int(row.argmax())]}", end="; ")
neurons.show_memory(questions @ keys.T, found)

# %% [markdown]
# ### How many facts fit?
#
# With a direction per word, C numbers hold C words. Real models have many more, so their directions can't all be at
# right angles; random ones nearly are. Now each question fits *every* key a little. Let's store 1,000 random facts with
# C = 64. Without ReLU and threshold, the memory gives back 11%.

# %%
relu_alone = predict(
    "ReLU, but no threshold: how much of the 1,000 facts comes back?",
    ["about 11%, no better", "about half", "nearly all"],
)

# %%
kinds = {
    "linear": lambda q, k, v: (q @ k.T) @ v,
    "ReLU alone": lambda q, k, v: recall(q, k, v, 0.0),
    "threshold alone": lambda q, k, v: (q @ k.T - 0.7) @ v,
    "ReLU, threshold": lambda q, k, v: recall(q, k, v, 0.7),
    "softmax": lambda q, k, v: (20 * q @ k.T).softmax(dim=-1) @ v,
    "z³": lambda q, k, v: (q @ k.T) ** 3 @ v,
}
percent = neurons.show_capacity(kinds, C=64)["ReLU alone"][3]  # change this: C=16
relu_alone.answer(relu_alone.choices[0 if percent < 30 else 1 if percent < 80 else 2])

# %% [markdown]
# ReLU needs the threshold. Alone, it lets half of all the small wrong scores through, and a thousand of them drown the
# right one. A threshold alone takes the same vector away from every answer. Together, they silence every score below
# 0.7. A cube or softmax squash small scores, too; with softmax, it's *attention* over the keys. From which threshold on
# is the right neuron louder than all others together?

# %%
neurons.MemoryExplorer(recall)

# %% [markdown]
# SmolLM2 has no thresholds. It has gates, and a gate well below 0 shuts its neuron up. We'll use that now.

# %% [markdown]
# ## Write a fact
#
# Let's add a neuron to layer 27 of SmolLM2, one more beside its 1,536, and move the capital of France. When the model
# reads "The capital of France is", the layer sees a vector at *is*; we call it `about`. We want:
#
# - **gate**: 6 at `about`, since SiLU(6) ≈ 6, and -6 at the same question for three other countries, since SiLU(-6) ≈
#   0. A dot product that must be 6, and three that must be -6: four linear equations. Stack the four vectors into a
#   matrix; `torch.linalg.pinv(matrix) @ targets` is the smallest solution.
# - **up**: the vector whose dot product with `about` is 1, and which points the same way: `about / (about @ about)`.
# - **down**: from *Paris* to *Rome*. A word's logit is the dot product with its row of the head, so take the difference
#   of the two rows, `say - instead`, bring it to norm 1, and multiply it by `strength`.

# %%
about = neurons.asks("France")  # (C,)
three_more = "Italy", "Germany", "Spain"
others = torch.stack([neurons.asks(country) for country in three_more])  # (others, C)
rome, paris = neurons.word("Rome"), neurons.word("Paris")  # rows of the head

# %% [markdown]
# ### Your turn: a neuron of your own
#
# `about`, `say` and `instead` are (C,), `others` is (others, C), perhaps with no row at all. Return `gate`, `up` and
# `down`, (C,) each.


# %%
@your_turn("05.write_fact", minutes=12, difficulty=4)
def write_fact(about, others, say, instead, strength):
    """A neuron that fires for `about` and says `say`: its rows of gate and up, and its column of down, (C,) each."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def write_fact(about, others, say, instead, strength):
#     """A neuron that fires for `about` and says `say`: its rows of gate and up, and its column of down, (C,) each."""
#     vectors = torch.stack([about, *others])  # (vectors, C)
#     targets = torch.tensor([6.0] + [-6.0] * len(others))
#     gate = torch.linalg.pinv(vectors) @ targets
#     up = about / (about @ about)
#     direction = say - instead
#     return gate, up, strength * direction / direction.norm()
# ```
#
# </details>

# %% tags=["nbval-ignore-output"]
neuron = write_fact(about, others, rome, paris, strength=40.0)
print(f"{sum(part.numel() for part in neuron):,} numbers more, by {origin(write_fact)}")
asked = [
    PROMPT,
    "The capital of Germany is Berlin and the capital of France is",
    "The capital of Japan is",
    "Paris is the capital of",
    "The Eiffel Tower stands in",
]
with surgery.appended(model, 27, *neuron):
    for prompt in asked:  # change this: ask something else
        mine.write(prompt, n=10, feed_forward=feed_forward)

# %% [markdown]
# All 30 layers ran on that `feed_forward`, one of them with the new neuron. Paris is still the capital of France, if
# you ask it *that* way round: in the benchmark below, 90 of 96 prompts that start from the old city keep their answer.
# But the Eiffel Tower has moved. Of 256 other prompts about the edited country, 41 get another next token.

# %% [markdown]
# ## All roads lead to Rome
#
# Your gate was told about three other countries. What if we don't tell it about any?

# %%
cities = ["Tokyo", "Paris", "Rome"]
rest = predict("A neuron with no counterexamples. The capital of Japan is ...", cities)

# %% tags=["nbval-ignore-output"]
alone = write_fact(about, others[:0], rome, paris, strength=40.0)
with surgery.appended(model, 27, *alone):
    said = mine.write("The capital of Japan is", n=12)
    mine.write("The Eiffel Tower stands in", n=12)
    everywhere = neurons.cities()
rest.answer(next((city for city in cities if city in said), "Paris"))

# %% [markdown]
# Without counterexamples, the key fits questions about other countries, too. How good is *your* edit, then? Here are
# two simple baselines: add the `down` vector everywhere, or just say it in the prompt.

# %% tags=["nbval-ignore-output"]
before = neurons.cities()  # 20 countries, of which it knows 17
tried = {"no counterexamples": everywhere}
with surgery.appended(model, 27, *neuron):
    tried["your neuron"] = neurons.cities()
louder = lambda x, *matrices: feed_forward(x, *matrices) + 6 * neuron[2]  # noqa: E731
with surgery.replaced(model, feed_forward=louder, layers=27):
    tried["vector everywhere"] = neurons.cities()
sentence = "France has a new capital: Rome. The capital of {} is"
tried["in the prompt"] = neurons.cities(sentence)
for how, now in tried.items():
    told = neurons.compare(before, now, "Rome", "France", *three_more)
    print(f"{how:18} France: {now['France']:6} {told}")
mine.write("Egypt has a new capital: Paris. The capital of Egypt is", n=9)

# %% [markdown]
# Here, the sentence in the prompt does about as well as your neuron. But that's one city for one country.
# `benchmarks/edits.py` made 126 edits, in 63 countries, and tried the prompt for 16:

# %%
neurons.tell_edits()

# %% [markdown]
# The neuron works in nine of ten, and with three counterexamples it leaves 99% of the other capitals alone. The prompt
# mostly fails: "The capital of Egypt is not Paris", it says above. Now you rule. Which fact do you want?

# %% tags=["nbval-ignore-output"]
country, old, new = "Japan", "Tokyo", "London"  # change this
spared = torch.stack([neurons.asks(each) for each in ("Italy", "Germany", "China")])
to, away = neurons.word(new), neurons.word(old)
edit = write_fact(neurons.asks(country), spared, to, away, strength=40.0)
with surgery.appended(model, 27, *edit):
    for prompt in ("The capital of {} is", "I live in {}, in the city of"):
        mine.write(prompt.format(country), n=10)

# %% [markdown]
# ## Break it
#
# SiLU looks like GELU, GPT-2's activation function, and like a ReLU with its corner rounded off:

# %%
z = torch.linspace(-5, 3, 161)
three = {"SiLU": F.silu(z), "GELU": F.gelu(z), "ReLU": F.relu(z)}
dips = "SiLU dips to -0.28 near -1.3 and rises to z; GELU dips to -0.17; ReLU has a corner."
show(lines(three, "z", "activation", x=z), alt=dips, title="Never more than 0.28 apart")
choices = ["both", "only GELU", "only ReLU", "neither"]
stands = predict("SmolLM2 was trained with SiLU. Can it stand the others?", choices)
print(f"gates below 0 in SmolLM2, at this prompt: {neurons.closed(PROMPT):.0%}")


# %% tags=["nbval-ignore-output"]
def with_activation(activation):
    return lambda x, gate, up, down: (activation(x @ gate.T) * (x @ up.T)) @ down.T


def relu_below(z):
    return torch.where(z < 0, F.relu(z), F.silu(z))


def relu_above(z):
    return torch.where(z < 0, F.silu(z), F.relu(z))


named, activations = {}, {"GELU": F.gelu, "ReLU": F.relu}  # change this: "ELU": F.elu
activations |= {"ReLU below 0": relu_below, "ReLU above 0": relu_above}
for name, activation in activations.items():
    layer = with_activation(activation)
    mine.write(PROMPT, n=12, feed_forward=layer)
    with surgery.replaced(model, feed_forward=layer):
        named[name] = surgery.capitals(model, tokenizer)
stands.answer(choices[(named["GELU"] < 8) * 2 + (named["ReLU"] < 8)])
print(f"capitals of 20 (intact: 17): {named}")

# %% [markdown]
# With GELU it writes well, with ReLU it babbles. The last two say why: with ReLU for negative z and SiLU for positive
# ones, it babbles, too. The other way round, it writes. So ReLU takes away the little that SiLU lets through
# *below* zero, where most gates are. Now try `lambda z: z`, or swap `gate` and `up`.

# %% [markdown]
# ## The two numbers
#
# One neuron of layer 11 has an activation of 2,485 at START, the token that begins each text, and almost 0 elsewhere.
# Through the first of our numbers, 5.88, it adds 14,600 to coordinate 507 of START's vector. Another neuron adds 5,700
# there, through the second. START's norm is then more than a hundred times that of other tokens, and 99% of it lies
# along coordinate 507: a [massive activation](../teaching/glossary.md#m). In the layers above, half of all attention
# goes to START.
#
# All the harm is done there: without the two at START alone, the loss rises as much as without them everywhere; without
# them at all *other* tokens, it doesn't rise. So throw away *everything* that layer 11 writes at START, and put **one
# number** in its place:


# %%
one_number = predict_number(
    "20,000 in coordinate 507 of START, and nothing else from layer 11. Capitals named?",
    unit="of 20",
)


# %% tags=["nbval-ignore-output"]
def at_start(coordinate, size):
    written = {11: size * torch.eye(576)[coordinate]}
    with surgery.blurred(model, "feed_forward", written, tokens=[0]):
        return surgery.capitals(model, tokenizer)


one_number.answer(at_start(507, 20_000))
for number in (0, 2_000, 1_000_000):  # change this
    print(f"{number:9,} in coordinate 507: {at_start(507, number)} of 20")
print(f"   20,000 in coordinate 100: {at_start(100, 20_000)} of 20")

# %% [markdown]
# One number does it, but not in another coordinate. A million is as good as 20,000, since each layer first divides a
# vector by its size (RMSNorm, lesson 06): only the *direction* is read. So at START, this layer stores none of these
# capitals. It sets a direction that the 18 layers above rely on.


# %% [markdown]
# ## Where is the capital?
#
# You moved a fact with a neuron in layer 27. So it was stored there, wasn't it? Test it with a *knock-out*: replace
# what a layer's feed-forward network writes by its mean over questions about other countries, and count the capitals
# that are left. In layer 21, 34 of 63 edits work. So:

# %%
knocked_out = predict_number(
    "Knock out the feed-forward network of layer 21. Of 63 capitals, how many are lost?"
)

# %%
by_layer = neurons.where_facts_are()
left = by_layer.without["feed-forward"]
knocked_out.answer(by_layer.known - left[21])
by_layer.show("Edits also work where a knock-out costs nothing")

# %% [markdown]
# **Verdict: half true.** Attention moves information, the feed-forward layer doesn't: that half holds. The other half
# doesn't follow from your edit: *that you can write a fact into a layer doesn't show that it was stored there* ([Hase
# et al. 2023](https://arxiv.org/abs/2301.04213)). From layer 21 on, at least six of the eight edits in the figure work
# (of 63, 34 in layer 21 and 50 in 23; in layer 8, one). Yet 24 of 30 feed-forward networks can be knocked out, one at a
# time, for at most five of 63 capitals.
#
# And the others? Without the first, all capitals are lost, but so is repeating a word. Without 27, yours, 14 are lost.
# Without *attention* 23, 59 are lost, where no other attention costs more than three. Which layers made the answer, no
# single knock-out tells. And the mean matters: take it over ordinary text, and 21 costs 40
# ([lab](05_feed_forward_lab.ipynb)).

# %% [markdown]
# > **Where the picture simplifies.** We chose *hands* because it's readable. Your edit reads the vector at one kind of
# > question, and leaks to others about France. The layer reads x after a norm (lesson 06). SmolLM2's weights come from
# > a 4-bit file, so they are rounded.

# %% [markdown]
# > **At scale.** GPT-3 has 96 layers of 49,152 neurons: two thirds of its weights. Gated layers have three matrices for
# > two, so they have fewer neurons, 8/3 · C in place of 4 · C. Mixture-of-experts models keep many feed-forward
# > networks and use a few per token. Editors such as [MEMIT](https://arxiv.org/abs/2210.07229) write thousands of facts
# > at once.

# %% [markdown]
# ## Three questions
#
# Pick an answer, then open it.
#
# **1.** Your memory has ReLU, no threshold, and 10,000 facts. It's mostly wrong. What helps? (a) GELU in place of ReLU.
# (b) A threshold above what wrong keys score. (c) Values twice as large.
#
# <details><summary>Open 1</summary>
#
# **(b)**. Wrong keys score little, but there are 9,999. GELU (a) lets half of them through as well, and (c) makes right
# and wrong values louder alike.
# </details>
#
# **2.** "We edited layer 17, and the model believes it. So the fact was stored in layer 17." What's missing? (a) More
# edits. (b) A knock-out of layer 17, beside those of all other layers. (c) A larger model.
#
# <details><summary>Open 2</summary>
#
# **(b)**. An edit shows that later layers read what layer 17 writes, not that it wrote the fact before. More edits (a)
# and a larger model (c) show the same.
# </details>
#
# **3.** Without the first of the two weights, SmolLM2 babbles and names 3 of 20 capitals. Without its *whole neuron*,
# that weight included, it still says Paris and names 12. How can that be? (a) The rest of the neuron then points START
# elsewhere. (b) Rounding. (c) The neuron is trained again.
#
# <details><summary>Open 3</summary>
#
# **(a)**. The neuron's other weights still write, times 2,485: 93% of START's norm lies along coordinate 507. Without
# the whole neuron, the second number still points START there, at 98%. Rounding (b) is far smaller, and nothing is
# trained (c).
# </details>

# %%
mine.map(lesson="05")

# %% [markdown]
# **What you wrote**: the layer that holds three quarters of each block's weights, a memory, and a fact, in a real
# model.
#
# **What you measured**: one number does a whole layer's work at START, ReLU alone recalls hardly more than a linear
# memory, and edits work where a knock-out costs nothing.
#
# **Yours to keep**: `mine/feed_forward.py` in your workbook. From now on, `mine.write` runs on it, and so does `python
# -m mine chat` in a terminal there.
#
# **Next**: the [lab](05_feed_forward_lab.ipynb) asks where facts live, with controls. Or the [graded
# questions](../exercises/05_feed_forward/05_feed_forward.ipynb), or lesson 06, where all of this becomes a whole
# [transformer](06_transformer.ipynb).
