# %% [markdown]
# # 02 lab · King - man + woman: five experiments
#
# Lesson 02 took the famous sum apart. Here are the experiments behind it, each told like a short paper: the claim,
# what would refute it, the method, the controls, the result, the verdict.
#
# **Time**: 55 minutes, of which the cells run for one. **Before you start**: lesson 02. The last experiment trains a
# table; it uses cross-entropy, from lesson 00b.

# %%
import random
import re
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F

from minillm.analysis import analogies, surgery
from minillm.analysis.geometry import PCA
from minillm.course import mine, predict, predict_number, vectors
from minillm.files import read_json
from minillm.viz.figures import bars, embedding_map, grouped_bars, lines, show
from minillm.world import World, experiments
from minillm.world.telling import tell

# %%
table = vectors.table()
stored = read_json(Path("../benchmarks/results/sums.json"))["table"]
generator = torch.Generator().manual_seed(0)

# %% [markdown]
# ## 1. What does the subtraction add?
#
# **Claim**. In *king* - *man* + *woman*, the step from *man* to *woman* does the work.
#
# **Refuted if** *king* + *woman*, which subtracts nothing, is right as often.
#
# **Method**. Ten relations, 8 to 14 pairs of single-token words each, every pair with every other: 1,238 sums. A sum
# is right if d is the nearest of all 49,152 rows, strictly or with the rows of a, b and c left out
# (`benchmarks/sums.py`).
#
# **Controls**. b + c; b alone, that is, the neighbor of *king*; the wrong way, b + a - c. A second table with the
# mean row taken away. And the intervals are bootstraps over the *pairs*: 110 sums of 11 couples aren't 110
# independent ones.

# %%
centered_guess = predict(
    "All rows lean one way. Take the mean row away first. What becomes of b + c?",
    ["better in all ten", "worse in all ten", "better in some, worse in others"],
)

# %%
print("left out:       b - a + c (90% of resamples)   b + c    b   wrong way      of")
for relation, both in stored.items():
    hit = {vector: found for vector, found in both["plain"]["left out"].items()}
    total, n = hit["b - a + c"], both["plain"]["of"]
    span = f"{total['hits']:3} ({n * total['low']:3.0f} to {n * total['high']:3.0f})"
    rest = "      ".join(
        f"{hit[vector]['hits']:3}" for vector in ("b + c", "b", "b + a - c")
    )
    print(f"{relation:15} {span:28} {rest:28} {n}")

# %%
change = {}
for relation, both in stored.items():
    before, after = (
        both[kind]["left out"]["b + c"]["hits"] for kind in ("plain", "centered")
    )
    change[relation] = after - before
better = sum(gain > 0 for gain in change.values())
worse = sum(gain < 0 for gain in change.values())
outcome = 0 if better == 10 else 1 if worse == 10 else 2
centered_guess.answer(centered_guess.choices[outcome], show=lambda: print(change))

# %%
shown = {"b - a + c": [], "b + c": []}
for both in stored.values():
    for vector, column in shown.items():
        column.append(100 * both["plain"]["left out"][vector]["share"])
show(
    bars(
        list(stored),
        [total - plain for total, plain in zip(*shown.values(), strict=True)],
        "percentage points that the subtraction adds, with a, b and c left out",
        0,
    ),
    title="With subtraction, nine relations of ten score 3 to 48 points higher",
    alt=str(
        {name: [round(share) for share in column] for name, column in shown.items()}
    ),
)

# %% [markdown]
# Now a relation of your own. Give five pairs or more, of single tokens (a name like *Vienna* is fine, a rare word
# isn't):

# %%
own = "write writer sing singer teach teacher lead leader drive driver paint painter"  # change this
words = own.split()
rows_of = {word: vectors.id_of(word) for word in words}
pairs = list(zip(words[::2], words[1::2], strict=True))
quadruples = [
    (rows_of[a], rows_of[b], rows_of[c], rows_of[d])
    for a, c in pairs
    for b, d in pairs
    if (a, c) != (b, d)
]
places = torch.tensor(quadruples).T
a, b, c, d = table[places]
for who, vector in {"b - a + c": b - a + c, "b + c": b + c, "b": b}.items():
    strict, left_out = (
        int((analogies.nearest_rows(table, vector, barred) == places[3]).sum())
        for barred in (None, places[:3])
    )
    print(f"{who:10} strictly {strict:3}, left out {left_out:3} of {len(quadruples)}")

# %% [markdown]
# **Result**. Left out, the sum beats b + c in nine relations of ten, for family by 64 to 53 and for capitals by 109 to
# 25, with wide intervals: family, past tense (55 to 51) and opposites (7 to 9) could go either way. b alone is right in
# all 132 for *king*, *King*, where the sum has 110: there the arithmetic does harm. Without the mean row, b + c for
# nationalities rises from 67 to 127 of 132, where the sum gets all. So part of what the subtraction does there may be
# to take the common direction out.
#
# **Verdict**: true for some relations. A score without b + c, b alone and the relations side by side doesn't say
# which.

# %% [markdown]
# ## 2. One line that says when
#
# **Claim**. The sum closes where the step taken, o = c - a, and the right one, o′ = d - b, obey |o - o′| < |o|.
#
# **Refuted if** the rule is right for no more sums than the answer *never*.
#
# **Method**. We apply the rule to each sum in the ten relations, and compare with what is strictly nearest. The rule is
# about the distances to two of 49,152 rows, b and d.
#
# **Controls**. *Never*. The rule with both corners: d must be nearer than c, too. The popular form, cosine of the
# steps above one half, which assumes steps of one norm. And the table without its mean row.

# %%
corner_guess = predict_number(
    "The rule with one corner is right in 1,161 of 1,238. How often with both?",
    unit="of 1,238",
)

# %%
scores = Counter()
for relation in vectors.RELATIONS:
    ids = vectors.places(relation)
    for name, space in (("", table), (", centered", table - table.mean(0))):
        a_, b_, c_, d_ = space[ids]
        closes = analogies.nearest_rows(space, b_ - a_ + c_) == ids[3]
        taken, right_step = c_ - a_, d_ - b_
        answers = {
            "never": torch.zeros_like(closes),
            "past b": analogies.promises(taken, right_step),
            "past b and c": analogies.promises(taken, right_step, b_ - a_),
            "cosine > 1/2": F.cosine_similarity(taken, right_step) > 0.5,
        }
        for rule, answer in answers.items():
            scores[rule + name] += int((answer == closes).sum())
corner_guess.answer(scores["past b and c"])
for rule, right in scores.items():
    print(f"{rule:23} right in {right:,} of 1,238")

# %%
print("who is nearest to the sum:      b    c    d  another")
for relation, both in stored.items():
    won = both["plain"]["nearest"]
    print(f"{relation:28} {won['b']:4} {won['c']:4} {won['d']:4} {won['another']:8}")

# %% [markdown]
# **Result**. All three rules beat *never*, on both tables; the popular one, which knows only the angle, by the least.
# What breaks the rule with one corner is c: of its 77 errors, c makes 51, in 20 sums of capitals and 31 of ordinals.
# Only 20 of 1,238 sums land nearest to a row other than b, c and d, so a rule about these three is enough for nearly
# all.
#
# **Verdict**: true, with both corners. It says which sums close. It doesn't say why steps agree (mean cosine 0.06 for
# opposites, 0.61 for nationalities, 0.81 for ordinals).

# %% [markdown]
# ## 3. What does the model make of it?
#
# **Claim**. In the model, *Paris* - *France* + *Italy* becomes *Rome*.
#
# **Refuted if** *Paris* + *Italy* gets there as often, or if the sum's vector stays apart from that of *Rome* at all
# depths.
#
# **Method**. The lesson asked the model where the city lies; now we look inside. We put a vector in place of `???` in
# a short prompt, and compare the stream there with those of 14 real cities and 14 countries, at each depth. Which of
# the 28 has the largest cosine? 182 sums.
#
# **Controls**. *Paris* + *Italy*; *Italy* - *France*, without any city. A second prompt: the lesson's.

# %%
depth_guess = predict(
    "After The road to: at which depth is the sum's vector nearest to Rome's most often?",
    ["0, the table", "1 to 10", "11 to 20", "21 to 30"],
)

# %%
model, tokenizer = mine.smollm2()
ROAD = "The road to ???"
LIES = "Lisbon lies in Portugal, Kenya lies in Africa, Oslo lies in Norway, and ???"
prompts = [ROAD, LIES]  # change these; let them end with ???
country, city, other, wanted = vectors.places("capitals")[[0, 2, 1, 3]]
all_countries = country.unique()
all_cities = torch.stack([city[country == one][0] for one in all_countries])


def by_depth(prompt, vector):
    """How many of the vectors are nearest to the wanted city, and to any country: (depth, 2)."""
    known = torch.cat([all_cities, all_countries])
    real = F.normalize(
        surgery.vector_states(model, tokenizer, prompt, table[known]), dim=-1
    )
    put_in = F.normalize(
        surgery.vector_states(model, tokenizer, prompt, vector), dim=-1
    )
    nearest = torch.einsum("ndc,kdc->ndk", put_in, real).argmax(-1)
    found = known[nearest]
    return torch.stack(
        [(found == wanted[:, None]).sum(0), (nearest >= len(all_cities)).sum(0)], 1
    )


# %%
kinds = {
    "Paris - France + Italy": table[city] - table[country] + table[other],
    "Paris + Italy": table[city] + table[other],
    "Italy - France": table[other] - table[country],
}
inside = {
    (prompt, who): by_depth(prompt, vector)
    for prompt in prompts
    for who, vector in kinds.items()
}
most = int(inside[prompts[0], "Paris - France + Italy"][:, 0].argmax())
if prompts[0] == ROAD:
    depth_guess.answer(depth_guess.choices[0 if most == 0 else 1 + (most - 1) // 10])

# %%
print("nearest to Rome, of 182, at depth")
for (prompt, who), counts in inside.items():
    told = "  ".join(
        f"{depth}: {counts[depth, 0]:3}" for depth in (0, 5, 10, 20, 25, 30)
    )
    print(f"... {prompt[-10:]:10}  {who:23} {told}")

# %%
show(
    lines(
        {
            f"{who}, {'the road' if prompt == ROAD else 'lies in'}": counts[:, 0]
            for (prompt, who), counts in inside.items()
            if who != "Italy - France"
        },
        "depth (blocks passed)",
        "nearest to the wanted city, of 182",
        x=range(31),
        ylim=(0, 182),
    ),
    title="The sum comes near to Rome late, and how often depends on the prompt",
    alt=f"The sum peaks at depth {most}; Paris + Italy stays below 20 with both prompts.",
)

# %%
for who, counts in vectors.judged(
    read_json(Path("../benchmarks/results/sums.json"))["persons"],
    ["man", "king", "woman", "queen"],
).items():
    print(f"{who:28} {counts}, of 110")

# %% [markdown]
# **Result**. At the table, 2 of 182. The peak comes late, after some 25 blocks: 70 to 80 of 182 after *The road to*,
# and more than 150 with the lesson's prompt, where the model *says* Italy in 152 to 162. *Paris* + *Italy* stays below
# 20 with both; *Italy* - *France* gets to 64 with the lesson's. And beside the queen it names the king in 11 to 16 of
# 110, for real words in 80 to 90.
#
# **Verdict**: loose. The sum becomes Rome more often than *Paris* + *Italy* does, and late; the prompt decides whether
# that's less than half of the sums, or most. 14 countries, two prompts, one model.

# %% [markdown]
# ## 4. A map, and its number
#
# **Claim**. The step from male to female is one direction: on a map of the words, the arrows are parallel.
#
# **Refuted if** the arrows agree on the map and not in the table.
#
# **Method**. Principal component analysis (PCA) turns the cloud of points until its two widest directions lie on the
# paper. First the four famous words, then all 22 of the couples.
#
# **Controls**. The share of the variance that a map shows; the same share for any four tokens; and the mean cosine of
# two arrows, on the map and in all 576 dimensions.

# %%
couples = analogies.relations(tokenizer)["family"]
names = [word for couple in couples for word in couple]
famous = ["man", "woman", "king", "queen"]


def map_of(words):
    points = torch.stack([vectors.row(word) for word in words])
    picture = PCA.fit(points)
    return points, picture(points), picture.explained.sum().item()


# %%
any_four = predict_number(
    "A map of man, woman, king, queen shows 89% of their variance. And of any four tokens?",
    unit="%",
)

# %%
drawn = [torch.randint(300, 20_000, (4,), generator=generator) for _ in range(100)]
any_share = sum(PCA.fit(table[four]).explained.sum().item() for four in drawn) / 100
any_four.answer(round(100 * any_share))
print(
    f"the four: {map_of(famous)[2]:.0%} of the variance; all 22: {map_of(names)[2]:.0%}"
)

# %%
points, on_map, shown_share = map_of(names)


def agreement(rows):
    """The mean cosine of two different arrows."""
    arrows = F.normalize(rows[1::2] - rows[::2], dim=1)
    return (arrows @ arrows.T)[~torch.eye(len(arrows), dtype=torch.bool)].mean().item()


def neighbor(rows):
    return torch.cdist(rows, rows).fill_diagonal_(torch.inf).argmin(1)


kept = int((neighbor(points) == neighbor(on_map)).sum())
print(
    f"mean cosine of two arrows: {agreement(points):.2f}, on the map {agreement(on_map):.2f}"
)
print(
    f"words that have their nearest neighbor beside them on the map: {kept} of {len(names)}"
)
sexes = ["female" if i % 2 else "male" for i in range(len(names))]
show(
    embedding_map(on_map, names, groups=sexes, arrows=couples),
    title=f"All 22 words: {shown_share:.0%} of the variance",
    alt="Eleven arrows from male to female. Most point one way, two elsewhere; their lengths differ.",
)

# %% [markdown]
# **Result**. Four points always lie in three dimensions, so a map of any four shows three quarters; the famous four,
# 89%. The map of all 22 words shows a third. On it, the arrows agree better than in the table (mean cosine 0.45 and
# 0.23), and only 3 of 22 words have their nearest neighbor beside them.
#
# **Verdict**: loose. There's a common direction, and most of each step is its own. If somebody shows you such a map,
# ask for the number under it.

# %% [markdown]
# ## 5. Couples that were never told together
#
# **Claim**. A table learns the relation of two words from the company that each keeps, even if the two never meet.
#
# **Refuted if** couples that no text puts together fail strictly, or if the same words in random order do as well.
#
# **Method**. *Skip-gram* ([Mikolov et al. 2013](https://arxiv.org/abs/1301.3781)): each word has a row in E, and a
# row in U for its part as company; softmax of U · e predicts the words within ten of it. The texts are about 16
# couples of this course's invented kingdom; four couples are never told together. We count all pairs, so the lowest
# loss that is possible, the floor, can be counted, too. Five seeds.
#
# **Controls**. b + c. The same words shuffled. One table in place of two, 16 and 64 wide. (A sum counts as never told
# if at least one of its two couples is.)

# %%
world = World(seed=0)
QUADRUPLES = experiments.quadruples("both")
COUPLE_WORDS = sorted({word for four in QUADRUPLES for word in four})


def text_about_a_word(number):
    """A document of the kingdom about a word of the couples."""
    wish = {"subject": lambda entity: entity.name in COUPLE_WORDS}
    said = tell(world, random.Random(f"lesson 02, {number}"), "facts", "", wish)
    return re.findall("[a-z]+", "".join(sentence.said for sentence in said).lower())


texts = [text_about_a_word(number) for number in range(3000)]
vocabulary = sorted(set().union(*texts))
number_of = {word: i for i, word in enumerate(vocabulary)}
print(" ".join(texts[0]))

# %%
WINDOW = 10  # change this: 2, or 5


def count_pairs(texts):
    """How often each word stands within WINDOW words of each other one: (V, V)."""
    counter = Counter()
    for text in texts:
        for i, word in enumerate(text):
            counter.update((word, near) for near in text[max(0, i - WINDOW) : i])
    counts = torch.zeros(len(vocabulary), len(vocabulary))
    ends = torch.tensor([[number_of[word] for word in pair] for pair in counter])
    counts[ends[:, 0], ends[:, 1]] = torch.tensor(
        [*counter.values()], dtype=torch.float
    )
    return counts + counts.T


order = [word for text in texts for word in text]
random.Random(0).shuffle(order)
left = iter(order)
counts = count_pairs(texts)
shuffled = count_pairs([[next(left) for _ in text] for text in texts])

# %%
joint = counts / counts.sum()
alone = joint.sum(1)
unseen = torch.special.entr(alone).sum().item()
floor = -torch.special.xlogy(joint, joint / alone[:, None]).sum().item()
print(f"without looking at the word {unseen:.3f} nats, floor {floor:.3f}")


def train(counts, seed, width=16, tied=False, steps=200):
    """Two tables, or one for both parts, that predict the company: E, and the loss."""
    rng = torch.Generator().manual_seed(seed)
    E, U = (0.1 * torch.randn(len(counts), width, generator=rng) for _ in range(2))
    E, U = E.requires_grad_(), U.requires_grad_()
    optimizer = torch.optim.Adam([E] if tied else [E, U], lr=0.05)
    for _ in range(steps):
        scores = E @ (E if tied else U).T
        loss = -(counts * scores.log_softmax(-1)).sum() / counts.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return E.detach(), loss.item()


# %%
told_guess = predict(
    "Strictly right, of couples told together and of couples never told together?",
    [
        "told only",
        "both, the told ones more often",
        "both, too close to call",
        "neither",
    ],
)

# %% tags=["nbval-ignore-output"]
candidates = torch.tensor([number_of[word] for word in COUPLE_WORDS])


def shares_right(E, split, leave_out=False):
    """The share of right answers among the couples' words: of the sum, of b + c, of b."""
    four = experiments.quadruples(split)
    at = torch.tensor(
        [[number_of[word] for word in words] for words in four]
    ).T.contiguous()
    a, b, c, _ = E[at]
    barred = torch.searchsorted(candidates, at[:3]) if leave_out else None
    return [
        (candidates[analogies.nearest_rows(E[candidates], vector, barred)] == at[3])
        .double()
        .mean()
        .item()
        for vector in (b - a + c, b + c, b)
    ]


# %% tags=["nbval-ignore-output"]
trained = [train(counts, seed) for seed in range(5)]
at_random = [train(shuffled, seed) for seed in range(5)]
outcomes = {
    "told": [shares_right(E, "training") for E, _ in trained],
    "never told": [shares_right(E, "held-out") for E, _ in trained],
    "shuffled": [shares_right(E, "both") for E, _ in at_random],
}
both_shares = {group: torch.tensor(seeds).mean(0) for group, seeds in outcomes.items()}
high = [both_shares[group][0] > 0.2 for group in ("told", "never told")]
ahead = torch.tensor(
    [
        told[0] - never[0]
        for told, never in zip(outcomes["told"], outcomes["never told"], strict=True)
    ]
)
apart = ahead.mean() > 2.8 * ahead.std() / 5**0.5  # t with four degrees of freedom
if WINDOW == 10:
    told_guess.answer(
        told_guess.choices[(1 if apart else 2) if all(high) else 0 if high[0] else 3]
    )

# %% tags=["nbval-ignore-output"]
for group, seeds in outcomes.items():
    per_seed = torch.tensor(seeds)
    error = per_seed.std(0)
    print(f"{group:11} sum {per_seed[:, 0].mean():.2f} ± {error[0]:.2f}", end="   ")
    print(
        f"b + c {per_seed[:, 1].mean():.2f} ± {error[1]:.2f}   (standard deviation, 5 seeds)"
    )
for group, split in {"told": "training", "never told": "held-out"}.items():
    out = torch.tensor([shares_right(E, split, leave_out=True) for E, _ in trained])
    told = "   ".join(f"{n:.2f}" for n in out.mean(0))
    print(f"with a, b and c left out, {group}: sum, b + c, b alone   {told}")

# %% tags=["nbval-ignore-output"]
by_question = {
    question: [[outcomes[group][seed][i] for group in outcomes] for seed in range(5)]
    for i, question in enumerate(("b - a + c", "b + c"))
}
show(
    grouped_bars(
        by_question, list(outcomes), "strictly right", references={"chance": 1 / 32}
    ),
    title="The sum closes for couples that never met; b + c doesn't",
    alt=str(
        {
            group: [round(x, 2) for x in shares.tolist()]
            for group, shares in both_shares.items()
        }
    ),
)

# %% tags=["nbval-ignore-output"]
for tied, width in [(True, 16), (True, 64), (False, 16)]:  # change this
    closed = (unseen - train(counts, 0, width, tied)[1]) / (unseen - floor)
    print(
        "one table " if tied else "two tables",
        f"{width} wide: {closed:.0%} of the way to the floor",
    )

# %% tags=["test", "nbval-ignore-output"]
assert both_shares["told"][0] > 0.4
assert both_shares["never told"][0] > 0.25
assert both_shares["never told"][1] < 0.25
assert both_shares["shuffled"].max() < 0.15

# %% [markdown]
# **Result**. On this table, the sum closes for 65% of the told couples and 52% of those never told (four fixed couples,
# so the gap may be theirs), and b + c for 12% and 5%. But with a, b and c left out, b alone does as well as the sum: a
# couple's rows are neighbors. With shuffled words, it's under 1%, below chance. One table for both parts gets
# two thirds of the way to the floor, even four times as wide; two tables get nearly nine tenths (one seed each). A
# suspect, untested: with one table, a word's score for itself is |e|², so it always expects itself.
#
# **Verdict**: true, in a kingdom of 177 words where the two of a couple are described alike on purpose. Real text is
# less tidy: on SmolLM2's own table, 4 of 110 sums of couples close.
#
# **Next**: [lesson 03](03_positional_encoding.ipynb). A table gives *dog bites man* and *man bites dog* the same
# rows.
