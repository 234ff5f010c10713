# %% [markdown]
# # 02 · Embeddings
#
# Read this aloud: *The ??? sat down and*. Where the question marks are, we'll put something that nobody ever typed: a
# vector halfway between *cat* and *dog*. There's no such word. The model reads it anyway, and goes on.
#
# **The claim**: *king* - *man* + *woman* = *queen*. It's the most famous equation about word vectors ([Mikolov, Yih and
# Zweig 2013](https://aclanthology.org/N13-1090/)). Meaning has become geometry, people say, and you can calculate with
# it. Can you?
#
# **You will write** three short functions: the lookup that SmolLM2 begins with, the neighbors of a vector, and the
# sum.
#
# **Time**: 75 minutes. **Before you start**: lesson 00a (tensors, matrix products). At **your turn**, replace the
# `...`. Stuck? Run that cell again, unchanged, for a hint.

# %%
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F

from minillm.analysis.analogies import promises
from minillm.course import mine, predict, predict_number, vectors, your_turn
from minillm.course.vectors import name, row
from minillm.files import read_json
from minillm.viz import diagrams

# %% [markdown]
# ## Half a cat

# %% tags=["nbval-ignore-output"]
half = (row("cat") + row("dog")) / 2  # change this: two animals, two jobs, 0.9 of one
mine.write("The ??? sat down and", vector=half)

# %% [markdown]
# It purrs, and it wags its tail. Now move the slider from cat to dog (the bars show each word's first token):

# %%
vectors.MixExplorer("The ??? began to", "cat", "dog", ["purr", "meow", "bark", "wag"])

# %% [markdown]
# And the famous sum, beside the king and two controls:

# %% tags=["nbval-ignore-output"]
king, man, woman = row("king"), row("man"), row("woman")  # change these
for vector in (king - man + woman, king, woman, king + woman):
    mine.write("The ??? lost", n=12, vector=vector)

# %% [markdown]
# The sum lost *her crown*! Before you tell anyone: *king* alone loses a crown, and *woman* alone gets a *her*. Does the
# model read a queen, or a bit of each?

# %%
mine.map(lesson="02")

# %% [markdown]
# ## An id is a name
#
# The tokenizer turns text into ids. Here are the neighbors of *king* by id:

# %%
print(*(f"{id} {name(id)}" for id in range(vectors.id_of("king") - 2, 4201)))
print(vectors.size())

# %% [markdown]
# *king* is 4197, and *rief* is 4196: next to each other, and unrelated. An id only says which row of a table to take.
# That row is the token's [embedding](../teaching/glossary.md#e): a vector of C = 576 numbers.
#
# A matrix product can do that. Write an id as a **one-hot** vector: 0 everywhere, 1 at its own position. Multiplied by
# the table, it adds up all rows, with weight 0 for all but one. Four tokens, two numbers each:

# %%
tiny_table = torch.tensor([[2.0, 1.0], [1.0, 2.0], [6.0, 3.0], [0.0, -1.0]])
one_hot = F.one_hot(torch.tensor([2, 0]), 4).float()
diagrams.flow(
    [
        diagrams.box("one-hot ids 2, 0", one_hot, "T V"),
        diagrams.sign("@"),
        diagrams.box("table: cat, dog, king, river", tiny_table, "V C"),
        diagrams.sign("="),
        diagrams.box("vectors", one_hot @ tiny_table, "T C"),
    ],
    title="A lookup is a matrix product: king, cat",
).show()

# %% [markdown]
# ### Your turn: the lookup
#
# `ids` is (T,), `table` is (V, C). Return (T, C): a row per id, in the order of the text.
# A model learns its table through it, so gradients must reach `table`.


# %%
@your_turn("02.embed", minutes=5, difficulty=1)
def embed(ids, table):
    """The row of each id: (T,) ids and a (V, C) table make (T, C) vectors."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def embed(ids, table):
#     """The row of each id: (T,) ids and a (V, C) table make (T, C) vectors."""
#     return table[ids]
# ```
#
# </details>

# %% [markdown]
# Does the product give the same on the real table? And can SmolLM2 read by your lookup?

# %% tags=["nbval-ignore-output"]
table = vectors.table()
ids = torch.tensor([vectors.id_of(word) for word in ("king", "queen", "king")])
rows = embed(ids, table)
same = torch.equal(F.one_hot(ids, len(table)).float() @ table, rows)
print(f"All {rows.numel():,} numbers equal the product's, to the last bit: {same}")
mine.write("The capital of France is", n=12, embedding=embed)

# %% [markdown]
# ## Break it
#
# Four ways to break the table. One of them does next to nothing.


# %%
def moved_by_one(ids, table):
    return embed((ids + 1) % len(table), table)


def only_signs(ids, table):
    return embed(ids, table).sign() * table.abs().mean()


def one_norm(ids, table):
    return F.normalize(embed(ids, table), dim=-1) * table.norm(dim=1).mean()


def ten_times(ids, table):
    return 10 * embed(ids, table)


broken = {
    "every row moved up by one": moved_by_one,
    "only the signs: one bit per number": only_signs,
    "all rows brought to one norm": one_norm,
    "all rows ten times as long": ten_times,
}
survives = predict("Which table still names 10 of 20 capitals?", list(broken))

# %% tags=["nbval-ignore-output"]
left = {}
for change, lookup in broken.items():
    mine.write("The capital of France is", n=12, embedding=lookup)
    left[change] = vectors.capitals(lookup)
survives.answer(max(left, key=left.get), show=lambda: print(left))

# %% [markdown]
# Intact, it names 17. Off by one row, no language is left. With one bit per number, it names no capital
# either. With all rows at one norm, it still names 17: for this task, the **direction** of a row is enough. The norm
# isn't free, though: with rows ten times as long, it names none.

# %% [markdown]
# ## Which rows are near?
#
# So we compare directions. The dot product alone won't do, because long rows win: *cat* is (2, 1) and *king* is (6, 3)
# in our tiny table. Then cat · cat = 5 and cat · king = 15, so *king* would be closer to *cat* than *cat* is. Divide by
# both norms:
#
# [cosine](../teaching/glossary.md#c) = a · b / (|a| |b|)
#
# 1 means the same direction, 0 a right angle, -1 the opposite. For *cat* and *dog* it's (2 + 2) / (√5 · √5) = 0.8.
# For *cat* and *king*, in that table, it's 1.

# %% [markdown]
# ### Your turn: nearest
#
# `vector` is (C,), `table` is (V, C). Return the ids of the `k` rows with the largest cosines, nearest first, as a
# tensor (k,). Leave no row out.


# %%
@your_turn("02.nearest", minutes=8, difficulty=3)
def nearest(vector, table, k):
    """The ids of the k rows with the largest cosines with a vector, nearest first."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def nearest(vector, table, k):
#     """The ids of the k rows with the largest cosines with a vector, nearest first."""
#     cosines = table @ vector / (table.norm(dim=1) * vector.norm())
#     return cosines.topk(k).indices
# ```
#
# </details>

# %%
word = "king"  # change this
print(*(name(id) for id in nearest(row(word), table, 8)))
cosine = F.cosine_similarity(row("king"), row("queen"), dim=0)
print(f"' king' and ' queen': {cosine:.3f}")

# %% [markdown]
# Nobody told the table about royalty. It holds tokens, not words: *King* and *kings* come first. *queen* has 0.62.
# Is that a lot?

# %%
chance = predict_number("What's the mean cosine of two random rows of this table?")

# %%
mean, found = vectors.random_cosines()
chance.answer(mean, show=lambda: print(found))

# %% [markdown]
# All rows lean the same way, the rare ones (the last 10,000 ids) most: among those, more than one random pair in five
# is closer than king and queen. So read a cosine next to that of random pairs. The rank among all rows says more.

# %% [markdown]
# ## Tokens that share one direction
#
# Your `nearest` can find something odd. One token is called *MetaInfoClass*. You may have met its cousin: in lesson 00,
# without its feed-forward networks, the model wrote little but *MetaInfo*. The neighbors:

# %%
strange = nearest(row("MetaInfoClass"), table, 16)
print(*(name(id) for id in strange))
directions = F.normalize(table[strange], dim=1)
print(f"the smallest cosine of any two: {(directions @ directions.T).min():.3f}")

# %% [markdown]
# So these 16 share nearly one direction (and the list goes on). Now the simplest task there is. Say
# something four times, "king, king, king, king,", and a language model will say it again.

# %%
said = predict_number("Of these 16, how many does it say again?", unit="of 16")

# %%
said.answer(vectors.echoes(strange))
print("16 random tokens:", vectors.echoes(vectors.random_ids(16)))
print("16 rare ones:", vectors.echoes(vectors.random_ids(16, rare=True)))

# %% [markdown]
# It repeats none of them, though it repeats most random tokens, rare ones included. Eleven of the 16 are markers such
# as `<jupyter_start>`, which the tokenizer reserves for files of code. We think that few of the 16, if any, came up in
# training. The table is also the output head, so each training step lowers the scores of the tokens that didn't come
# next. A token that never comes next gets no other gradient, so such rows would end up alike. (Yet `<|im_start|>`,
# which did come up, has 0.99 with them.) [Land and Bartolo 2024](https://arxiv.org/abs/2405.05417) found such tokens in
# many models.

# %% [markdown]
# ## King - man + woman
#
# Now the sum. *man* is to *king* as *woman* is to what? Call the three words a, b and c, and the right answer d.
# Compute b - a + c, and look for the nearest row: is it d? Usually a, b and c aren't allowed to answer.

# %% [markdown]
# ### Your turn: analogy
#
# `a`, `b` and `c` are ids. Return the id of the row nearest to row b - row a + row c. If `leave_out` is True, a, b
# and c may not answer. Your `nearest` is there to help.


# %%
@your_turn("02.analogy", minutes=8, difficulty=3)
def analogy(a, b, c, table, leave_out):
    """The id nearest to row b - row a + row c; with `leave_out`, a, b and c may not answer."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def analogy(a, b, c, table, leave_out):
#     """The id nearest to row b - row a + row c; with `leave_out`, a, b and c may not answer."""
#     total = table[b] - table[a] + table[c]
#     found = [int(id) for id in nearest(total, table, 4)]
#     if leave_out:
#         found = [id for id in found if id not in (a, b, c)]
#     return found[0]
# ```
#
# </details>

# %%
vectors.NeighborExplorer("man", "king", "woman", nearest)

# %% [markdown]
# Try *boy, king, girl*. Try *France, Paris, Italy*, and *big, bigger, small*. A gray bar is a, b or c. How often is it
# on top?

# %%
for leave_out in (False, True):
    asked = [vectors.id_of(word) for word in ("boy", "king", "girl")]  # change these
    print(leave_out, name(analogy(*asked, table, leave_out)))
print("yours and ours:", vectors.agreement(analogy, "family", 12))

# %% [markdown]
# ### What does the subtraction add?
#
# *King* and *queen* are one of 11 couples whose words are single tokens: 110 sums. With a, b and c left out, 64 come
# out right. Now a control that [Linzen 2016](https://aclanthology.org/W16-2503/) proposed: subtract nothing, and ask
# for *king* + *woman*.

# %%
added = predict_number("king + woman, left out: right in how many?", unit="of 110")

# %%
plain = {}
for relation in vectors.RELATIONS:
    total, n = vectors.census(relation, lambda a, b, c: b - a + c, leave_out=True)
    plain[relation], _ = vectors.census(relation, lambda a, b, c: b + c, leave_out=True)
    print(f"{relation:15} b - a + c {total:3}, b + c {plain[relation]:3} of {n}")
added.answer(plain["family"])

# %% [markdown]
# For family, adding alone is right in 53, against 64: too close to call with 11 couples. For capitals, it's 25 against
# 109.

# %% [markdown]
# ### When does it close?
#
# And if every word may answer? Say that a sum *closes* if d is nearest even then. We count over all ten relations.

# %%
closes = predict(
    "Nothing left out. Which sum comes out right most often?",
    [
        "family: queen",
        "capitals: Rome",
        "comparatives: older",
        "nationalities: Italian",
    ],
)

# %%
closed = {}
for relation in vectors.RELATIONS:
    closed[relation] = vectors.census(relation, lambda a, b, c: b - a + c, False)
shares = {choice: closed[choice.split(":")[0]] for choice in closes.choices}
best = max(shares, key=lambda choice: shares[choice][0] / shares[choice][1])
closes.answer(best, show=lambda: print(shares))

# %% [markdown]
# 4 of 110, or 112 of 132, by the same table and the same sum. And one of the 4 is *king - man + woman*, the example
# that everybody shows. What decides? Call the step that we take o = c - a, and the step that would be right o′ = d -
# b. We land at b + o. From there, it's |o| back to b, and |o - o′| to d. So d is nearer than b if
#
# **|o - o′| < |o|**
#
# If both steps have the same norm, this says that their cosine is above one half. The rule takes distances, where
# `nearest` takes cosines, and it ignores the other 49,150 rows. Does it still predict which sums close?


# %%
def rule(a, b, c, d, past_c):
    """Whether d is nearer to b - a + c than b is; and with past_c, than c is, too."""
    return promises(c - a, d - b, b - a if past_c else None)


past_c = False  # change this to True, but read on first
promised, right, never = {}, 0, 0
for relation in vectors.RELATIONS:
    promised[relation], hits = vectors.by_rule(relation, rule, past_c)
    right += int((promised[relation] == hits).sum())
    never += int((~hits).sum())
print(f"the rule is right for {right:,} of 1,238 sums; 'never' for {never}")
vectors.show_rule(promised, closed, "On the line: as many close as promised")

# %% [markdown]
# One line of geometry, and it's right for 94% of the sums, where *never* gets 76%. But ordinals break it. In 56 sums
# such as *three* - *two* + *second*, d is always nearer than b, and still only 13 close.

# %%
in_the_way = predict(
    "In most of the 56, which row is nearest to b - a + c?",
    ["a, as two", "c, as second", "another, as first"],
)

# %%
for relation in ("ordinals", "capitals"):  # change this
    nearest_to = Counter()
    for a, b, c, d in vectors.places(relation).T.tolist():
        corner = {a: "a", b: "b", c: "c", d: "d"}
        nearest_to[corner.get(int(analogy(a, b, c, table, False)), "another")] += 1
    print(f"{relation}: {dict(nearest_to)}")
    if relation == "ordinals":
        most = max(in_the_way.choices, key=lambda row: nearest_to[row.split(",")[0]])
        in_the_way.answer(most)

# %% [markdown]
# It's mostly c. From the sum, c is |b - a| away: the other side of the parallelogram. If that side is short, as from
# *two* to *three*, c wins. Set `past_c = True` above, and run it again: right for 1,209. Of all 1,238 sums, only 20
# land nearest to a row other than b, c or d.
#
# So a sum closes where d is nearer than both b and c. Elsewhere, the nearest row is nearly always a word that you put
# in. That's why the three words are left out: otherwise, they would be most of the answers.

# %% [markdown]
# ## Ask the model
#
# So far, the nearest row decided what a vector means. But the model is what reads it. By the table, *Paris - France +
# Italy* is *Rome* in 2 of 182 sums of this kind. What does the model read?
#
# We need a question that *Italy* alone fails. Here's one: a city lies in a country, a country in Europe.

# %% tags=["nbval-ignore-output"]
lies = "Lisbon lies in Portugal, Kenya lies in Africa, Oslo lies in Norway, and ??? lies in"
# change these: a city and its country, another country and its city
city, its_country, other, its_city = map(row, ("Paris", "France", "Italy", "Rome"))
for vector in (its_city, other, city + other):
    mine.write(lies, n=1, vector=vector)

# %%
read_as = predict_number(
    "Of 182 sums like Paris - France + Italy, how many does the model read right?",
    unit="of 182",
)

# %% tags=["nbval-ignore-output"]
mine.write(lies, n=1, vector=city - its_country + other)

# %% [markdown]
# We tried 16 prompts on 14 countries, and kept the four after which at least 12 of 14
# real cities bring out their country, and at most one country on its own does. The choice depends on no sum
# (`benchmarks/sums.py`). Each row below is a kind of vector, named by one example; the columns are the four prompts,
# each of 182.

# %%
stored = read_json(Path("../benchmarks/results/sums.json"))
cities = vectors.judged(stored["cities"], ["France", "Paris", "Italy", "Rome"])
for who, counts in cities.items():
    print(f"{who:28} {counts[0]}, {counts[1]}, {counts[2]}, {counts[3]}")
read_as.answer(cities["Paris - France + Italy"][1])  # the second is the prompt above
vectors.show_judged(cities, 182, "The sum is read nearly as often as the real city")

# %% [markdown]
# By the table, 2 of these sums are right. The model reads 152 to 162 of them right, depending on the prompt, and 156
# to 169 of the real cities. Adding without subtracting gets 4 to 21, and subtracting a wrong country 32 to 52. But
# *Italy - France* gets 27 to 97, with no city in it. To be read as Italian, a vector needn't be a city.
#
# And the queen? A question that *woman* alone fails: who stands beside her?

# %% tags=["nbval-ignore-output"]
queen = row("king") - row("man") + row("woman")  # change this
for asked_of_her in ("The ??? and the", "Once there lived a ??? and a"):
    mine.write(asked_of_her, n=2, vector=queen)
beside_her = predict_number(
    "After the first of these, over all sums of couples: the right partner in how many?",
    unit="of 110",
)

# %%
couples = vectors.judged(stored["persons"], ["man", "king", "woman", "queen"])
for who, counts in couples.items():
    print(f"{who:28} {counts[0]}, {counts[1]}, {counts[2]} of 110")
beside_her.answer(couples["king - man + woman"][0])

# %% [markdown]
# The famous sum passes the first prompt, and fails the second. Over all 110 sums and three prompts (7 of 11 real words
# were enough for these), the sums bring out the right partner in 11 to 16; real words do in 80 to 90. So *her crown*
# doesn't show a queen: *woman* alone gets a *her*, and *king* alone a *crown*. Yet *king + woman* got neither. The
# subtraction changed something, and one sentence can't tell what.
#
# **Verdict: true, with a catch.** Directions in the table carry meaning for some relations: 0 of 90 sums close for
# opposites, 112 of 132 for nationalities. Two inequalities predict which, right for 1,209 of 1,238, where *never*
# gets 946. For capitals, the model reads right what the nearest row gets wrong. For the couples that made the sum
# famous, the table (4 of 110) and the model (11 to 16) mostly say no.

# %% [markdown]
# > **Where the picture simplifies.** A row belongs to a token, not to a word: *duchess* has none, and *king* has
# > several. It's one row for all meanings of *bank*; the layers above tell them apart (lesson 04). 14 countries and 11
# > couples are few, and their sums share words. We measured one model, stored in 4 bits.

# %% [markdown]
# > **At scale.** GPT-3's table has 50,257 rows of 12,288: 618 million numbers, and 0.4% of the model. Here it's a
# > fifth, though SmolLM2 uses it twice, as input and as output ([tied](https://arxiv.org/abs/1608.05859)). Large models
# > often keep two tables. The lookup costs next to nothing: it copies one row, whatever V is.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** Somebody sorts the vocabulary alphabetically, so that similar words get similar ids, and trains from scratch.
# (a) It learns better. (b) It makes no difference. (c) It learns worse.
#
# <details><summary>Open 1</summary>
#
# **(b)**. An id says only which row. Renumber the tokens, move the rows along, and it's the same model, so neither
# (a) nor (c). It would matter to a layer that multiplies the id by a weight.
# </details>
#
# **2.** "These two tokens have a cosine of 0.5, so they're related." (a) Right. (b) Weak evidence here. (c) Wrong:
# related means above 0.9.
#
# <details><summary>Open 2</summary>
#
# **(b)**. A random pair has 0.44 in this table. Among random numbers, 0.5 would be sensational: hence (a). (c) can't
# be: *king* and *queen* have 0.62.
# </details>
#
# **3.** A paper reports 95% on analogies. What do you ask first? (a) How many analogies? (b) What do b + c and b
# alone get, and were the query words left out? (c) How wide is the table?
#
# <details><summary>Open 3</summary>
#
# **(b)**. On our comparatives, b + c gets 110 of 132, and the sum 128. (a) only makes the same number more certain.
# (c) moves the number, but doesn't tell what it is made of.
# </details>
#
# **4.** Two steps have one norm, and their cosine is 0.4, where random steps have 0 ± 0.04. Where does b - a + c
# land? (a) Nearer to d. (b) Nearer to b. (c) Halfway.
#
# <details><summary>Open 4</summary>
#
# **(b)**. With |o| = |o′| = 1, it's 1 back to b, and √(2 - 2 · 0.4) = 1.10 to d. (a) needs more than one half, (c)
# exactly that. A shared direction can be real and still too weak for the sum.
# </details>

# %%
mine.map(lesson="02")

# %% [markdown]
# **What you wrote**: the lookup, which SmolLM2 ran on, the nearest rows, and the sum.
#
# **What you measured**: the control b + c; a rule that predicts which sums close, and the row that gets in its way; 16
# tokens that the model didn't repeat; and sums that the model reads right though the nearest row is wrong.
#
# **Yours to keep**: `mine/embeddings.py` in your workbook.
#
# **Next**: the [lab](02_embeddings_lab.ipynb) takes the sum apart, and trains a table in a second; the
# [exercise](../exercises/02_embeddings/02_embeddings.ipynb) has graded questions. Or lesson 03: *dog bites man* and
# *man bites dog* look up the same rows. Something has to say which comes first.
