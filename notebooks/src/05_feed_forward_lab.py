# %% [markdown]
# # 05 lab · Where do facts live? Five experiments
#
# In lesson 05 you wrote a fact into one layer. Here we ask where the facts were before. Each answer needs a control: a
# skill that isn't a fact, the same damage elsewhere, an answer without any model. Each experiment is told like a short
# paper: the claim, what would refute it, the method, the controls, the result, the verdict.
#
# **Time**: 45 minutes, of which the cells run for two. **Before you start**: lesson 05.

# %%
import random
import re

import torch

from minillm import load
from minillm.analysis import surgery
from minillm.analysis.evaluation import scorer
from minillm.course import neurons, predict, predict_number
from minillm.course.own_model import smollm2
from minillm.course.shipped import folder_of
from minillm.viz.figures import scatter, show
from minillm.world import World, experiments

torch.set_grad_enabled(False)
model, tokenizer = smollm2()

# %% [markdown]
# ## 1. Attention moves, feed-forward stores?
#
# **Claim**. "Attention moves information between tokens. The facts are stored in the feed-forward networks." So take
# the feed-forward networks away, and facts should go, while skills that need no fact stay.
#
# **Refuted if** a skill that needs no fact goes as far as facts do.
#
# **Method**. Mean ablation: at every token but START, the output of all feed-forward networks of layers 1 to 29 is
# replaced by its mean over *other* questions of the same form, so that it says the same whichever country is asked. The
# first layer stays: without it, no word means anything. We count answers that are the likeliest of all 49,152 tokens
# (*open*), and answers that are the likeliest of the right answers to all questions (*closed*).
#
# **Controls**. Copying, which needs no fact: "One word: France. The same word again:". The attentions in place of the
# feed-forward networks. Random vectors of the same norms. And no model at all: the answer whose row in the embedding
# table is nearest to the country's row.

# %%
which = predict(
    "All feed-forward networks but the first say the same for all countries. What survives better?",
    ["naming capitals", "copying a word", "both die", "too close to call"],
)

# %%
knockouts = neurons.stored("knockouts")
together = knockouts["together"]


def share(found, kind="open"):
    return found[kind]["hits"] / found["of"]


damage = {
    name: share(together[name]["feed_forward: other"])
    for name in ("capitals", "copies")
}
gap = damage["capitals"] - damage["copies"]
best = "naming capitals" if gap > 0 else "copying a word"
which.answer(
    "both die"
    if max(damage.values()) < 0.15
    else "too close to call"
    if abs(gap) < 0.1
    else best
)

# %%
for name, found in together.items():
    asked = knockouts["relations"][name]
    print(
        f"{name}: {asked['asked']} of {asked['items']} asked, such as {asked['form']!r}"
    )
    print(f"    nearest row: closed {asked['nearest row']['closed']['hits']}")
    for how, row in found.items():
        told = f"open {row['open']['hits']:2}, closed {row['closed']['hits']:2}"
        print(f"    {how:25} {told}, median rank {row['rank']:,.0f}")

# %% [markdown]
# **Result**. Without what the feed-forward networks say of the country, no capital is left. But neither is much else:
# three of 45 copies, and one of 30 past tenses, which are grammar. Of 30 languages, 12 are left. Random vectors of the
# same norms do as much to capitals and copies. Copies look much better in the closed choice. But there the nearest row
# of the embedding table, without any model, gets all 45, all past tenses, 29 of 30 languages, and 34 of 63 capitals.
#
# How the mean is made decides as much as what is asked. Taken over the questions in the damaged pass itself (*within*),
# it leaves 15 capitals and 25 copies; over ordinary text, nothing.
#
# **Verdict**: refuted, as a rule for facts. Copies and past tenses go with the capitals, and languages outlive both.
# But *France: French* is an easy fact: the nearest row knows 29 of 30. With 29 networks muted, nearly everything goes.
# Damage as large as this can't locate anything.

# %% [markdown]
# ## 2. One layer at a time
#
# **Claim**. "Where we can edit a fact, there it's stored." So the layers where an edit works should be those whose
# knock-out costs the fact.
#
# **Refuted if** edits work in layers that can be knocked out without a loss.
#
# **Method**. The feed-forward network, or the attention, of one layer is replaced by its mean over other countries'
# questions, and we count the capitals that are still named. Then the same with its mean over ordinary text, which says
# nothing of the question, either. And in each layer we try eight edits by one neuron each, as in lesson 05, with 24
# countries as counterexamples: a country gets the capital of another.
#
# **Controls**. All other layers. Copying, where a layer hurts. And other capitals, which an edit shouldn't touch.

# %%
layer = 23  # change this: which layer do you want to knock out?
rows = {
    (name, part): knockouts["singles"][name][f"{part}: other"]
    for name in ("capitals", "copies")
    for part in ("feed_forward", "attention")
}
guess = predict_number(
    "Without attention 23, alone: how many of the capitals are left?", unit="capitals"
)

# %%
guess.answer(rows["capitals", "attention"][23]["open"]["hits"])
for (name, part), found in rows.items():
    row = found[layer]
    print(f"{name:8} without {part:12} {layer}: {row['open']['hits']} of {row['of']}")
stored_edits = neurons.stored("edits")
edit = stored_edits["blocks"][layer]
print(f"edits in layer {layer}: {edit['works']} of {edit['of']} work, ", end="")
print(f"{edit['kept']} of {edit['others']} other capitals kept")
for number in (8, 19, 20, 21, 22, 23):
    row = stored_edits["rows"][f"block {number + 1}, 24"]
    works, stay = row["works"], row["kept"]
    print(f"63 edits in layer {number}: {works['hits']} work, ", end="")
    print(f"{stay['hits']} of {stay['of']} other capitals kept")

# %%
by_layer = neurons.where_facts_are()
by_layer.show("Attention 23 is needed, and edits work in most of the last ten layers")
left, singles = by_layer.without, knockouts["singles"]["capitals"]
for part, hits in left.items():
    by_text = [
        row["open"]["hits"] for row in singles[f"{part.replace('-', '_')}: text"]
    ]
    few, by_few = (sum(63 - n <= 5 for n in row) for row in (hits, by_text))
    print(
        f"without {part}: at most 5 lost in {few} layers; worst {min(hits)} of {by_layer.known}"
    )
    print(
        f"    by its mean over text: at most 5 lost in {by_few}; in layer 21, {63 - by_text[21]}"
    )
copying = knockouts["singles"]["copies"]
for where in ("feed_forward 21", "attention 12", "attention 13", "attention 23"):
    part, number = where.split()
    both = [asked[f"{part}: text"][int(number)] for asked in (singles, copying)]
    gone = [f"{row['of'] - row['open']['hits']} of {row['of']}" for row in both]
    print(f"{where} by its mean over text: lost {gone[0]} capitals, {gone[1]} copies")

# %% [markdown]
# **Result**. In 24 of 30 layers, what the feed-forward network says of the country can be muted for at most five of 63
# capitals. Without the first, all are lost, and all copies, too. Layers 24 and 29 cost capitals (10 and 31) and copies
# (7 and 15 of 45). Layers 26 to 28 cost 11 to 15 capitals, and two or three copies. Of all attentions, 23 costs 59
# capitals and 15 copies; no other costs more than three capitals. From layer 20 on, most of the eight edits work. With
# 63 edits in a layer, 17 work in layer 19, 35 and 34 in 20 and 21, and 52 and 50 in 22 and 23. In layer 8, one does,
# and a third of the other capitals change.
#
# But the mean decides again. By its mean over ordinary text, a muted network doesn't even say *that* a capital is asked
# for, and only four layers can be spared. Layer 21, which costs nothing the other way, costs 40, and eight of 45
# copies. Attention 23 isn't alone any more, either: 12 and 13 cost 53 and 51, and seven and two copies.
#
# **Verdict**: refuted. In layers 20 and 21 half of the edits work, in 22 and 23 four of five, and these networks need
# say nothing of the country. An edit needs later layers that read what it writes, and most of the last third will do
# ([Hase et al. 2023](https://arxiv.org/abs/2301.04213) found the same in a larger model). Layers 26 to 28 are the best
# candidates for a store: muting them costs capitals and spares copies. As for attention 23: [Geva et al.
# 2023](https://arxiv.org/abs/2304.14767) found, in larger models, that early feed-forward layers enrich the subject and
# a late attention extracts the answer. Attention 23 would fit. But of the early networks, only the first is missed
# alone.

# %% [markdown]
# ## 3. How good is a neuron's edit?
#
# **Claim**. "One neuron, solved in closed form, changes one fact and nothing else."
#
# **Refuted if** other capitals change, or if saying it in the prompt does as well.
#
# **Method**. Every country whose capital SmolLM2 writes in full gets two random other capitals, in layer 27. With no
# counterexample, one, three, or 24 other countries; and with 24 countries and 200 positions of ordinary text.
# Paraphrases and other prompts were fixed before the first run.
#
# **Controls**. The sentence "France has a new capital: Rome." in front of each question. The vector added at every
# token. A neuron of random directions with the same norms. Half and double strength.

# %%
sentence = predict(
    "Which keeps more of the *other* capitals: a neuron with 24 counterexamples, or the sentence in the prompt?",
    ["the neuron", "the prompt", "too close to call"],
)

# %%
edits = neurons.stored("edits")
kept = {
    name: row["kept"]["hits"] / row["kept"]["of"] for name, row in edits["rows"].items()
}
apart = kept["24"] - kept["in the prompt"]
sentence.answer(
    sentence.choices[2]
    if abs(apart) < 0.03
    else sentence.choices[0 if apart > 0 else 1]
)
for name, row in edits["rows"].items():
    counts = {
        key: f"{row[key]['hits']:3} of {row[key]['of']:4}" for key in ("works", "kept")
    }
    name = re.sub(r"block (\d+)", lambda found: f"layer {int(found[1]) - 1}", name)
    print(f"{name:24} works {counts['works']}, others kept {counts['kept']}", end="")
    print(f", became the new city {row['became new']['hits']}")

# %%
shown = ("paraphrases", "same country", "old capital", "unrelated")
print("prompts that do what they should:")
for setting, kinds in edits["prompts"].items():
    told = ", ".join(
        f"{kind} {kinds[kind]['hits']} of {kinds[kind]['of']}" for kind in shown
    )
    print(f"  {setting:12} {told}")
for setting, row in edits["losses"].items():
    print(
        f"  {setting:12} loss on ten texts {row['rise']:+.4f} nats, at most {row['most']:+.4f}"
    )

# %% [markdown]
# **Result**. 115 of 126 edits work, whatever the counterexamples. Those decide what else changes: without any, 600 of
# 3,024 other capitals become the new one; with three, nine. With three, 125 of 167 paraphrases get the new capital. 255
# of 256 unrelated prompts stay as they were, and so do 215 of 256 about the same country and 90 of 96 that start from
# the old city. Counterexamples from ordinary text let fewer answers leak, and catch fewer paraphrases: 100. The
# sentence in the prompt works in three of 16, or in seven if only capitals are allowed to answer, and spoils more.
#
# **Verdict**: true, with a catch. One neuron changes one *answer*, and little else. It doesn't change the fact
# everywhere: sentences about the old city stay as they were, and one paraphrase in four escapes.

# %% [markdown]
# ## 4. A model whose world we know
#
# **Claim**. "Knock out a feed-forward network, and facts suffer more than grammar."
#
# **Refuted if** attentions do the same at equal damage.
#
# **Method**. The course's base model (4 layers) learned from texts of Ottermere, where we know every fact. We ask 127
# beginnings such as *Mira*, each with 16 ways to go on: the right one, seven of the right kind, eight of a wrong kind.
# *Fact*: the right one beats the seven. *Grammar*: the likeliest of all 16 is of the right kind. One part at a time is
# replaced by its mean over 64 documents.
#
# **Controls**. Guessing: 0.12 and 0.50. The loss on other documents, which says how much damage was done in all.

# %%
base, words = load(folder_of("base"))
probes = [probe for probe in experiments.facts().probes if len(probe.choices) >= 8]
by_kind = {}
for probe in probes:
    by_kind.setdefault(probe.group, set()).add(probe.choices[probe.answer])


def sixteen(probe, rng):
    right = probe.choices[probe.answer]
    own = rng.sample([choice for choice in probe.choices if choice != right], 7)
    others = set().union(*(by_kind[kind] for kind in by_kind if kind != probe.group))
    return probe.prefix, (
        right,
        *own,
        *rng.sample(sorted(others - set(probe.choices)), 8),
    )


every_third = list(enumerate(probes))[::3]
asked_of_base = [sixteen(probe, random.Random(n)) for n, probe in every_third]
beginning, ways = asked_of_base[1]
print(
    f"{len(asked_of_base)} questions, such as {beginning!r} ...", *ways[:9], sep="\n  "
)

# %%
documents = [document.text for document in World(1).documents(64)]
fresh = [document.text for document in World(2).documents(24)]


def examined():
    """Facts, grammar, and the loss in nats per token."""
    scores = torch.tensor(scorer(base, words)(asked_of_base))  # (questions, 16)
    reads = [
        read
        for text in fresh
        for read in surgery.token_probabilities(base, words, text)
    ]
    loss = -torch.tensor([read.probability for read in reads]).log().mean()
    facts, grammar = scores[:, :8].argmax(1) == 0, scores.argmax(1) < 8
    return float(facts.double().mean()), float(grammar.double().mean()), float(loss)


hit = predict(
    "Which single part, knocked out, costs the most facts?",
    ["a feed-forward network", "an attention"],
)

# %% tags=["nbval-ignore-output"]
intact = examined()
print(
    f"intact           facts {intact[0]:.2f}, grammar {intact[1]:.2f}, loss {intact[2]:.2f}"
)
lost = {}
for part in ("attention", "feed_forward"):
    means = surgery.output_means(base, words, documents, part)
    for number in range(4):
        with surgery.blurred(base, part, {number: means[number]}):
            lost[part, number] = found = examined()
        told = f"facts {found[0]:.2f}, grammar {found[1]:.2f}, loss {found[2] - intact[2]:+.2f}"
        print(f"{part:13} {number}  {told}")
worst = min(lost, key=lambda place: lost[place][0])[0]
hit.answer(hit.choices[1 if worst == "attention" else 0])

# %% tags=["nbval-ignore-output"]
points = [(found[2] - intact[2], intact[0] - found[0]) for found in lost.values()]
labels = [f"{part.replace('_', '-')}\u00a0{number}" for part, number in lost]
show(
    scatter(
        *zip(*points, strict=True),
        "added loss, nats per token",
        "facts lost, share",
        labels,
        xlim=(0, 1.15 * max(loss for loss, _ in points)),
    ),
    title="More damage, more facts lost, in both kinds of part",
    alt="; ".join(
        f"{name}: loss {a:+.2f}, facts {-b:+.2f}"
        for name, (a, b) in zip(labels, points, strict=True)
    ),
)

# %% [markdown]
# **Result**. With 127 questions, the standard error of a share of facts is 0.04. Attention 1 costs the most facts and
# the most grammar, and by far the most loss. Each of the four feed-forward networks costs 5 to 9 points of facts, and 1
# to 5 of grammar; attention 2 costs 13 and one. Now compare parts that do equal damage, 0.13 to 0.15 nats: attention 3
# costs 6 points of facts, feed-forward 1 costs 9 and feed-forward 2 costs 5.
#
# **Verdict**: refuted. Facts suffer more than grammar whichever part is muted, with one exception: attention 0 costs
# loss, and no facts. Where more loss is added, more facts are lost, in both kinds of part. In this small model, no kind
# of part keeps the facts for itself.

# %% [markdown]
# ## 5. One number at START
#
# **Claim**. "The two weights matter because they store something." Or do they only write one number?
#
# **Refuted if** the number alone, without anything else from the layer, keeps the model going.
#
# **Method**. At START, and only there, the output of the feed-forward network of layer 11 is replaced by a vector of
# our choice. Of 20 capitals, those that are still named are counted (intact: 17).
#
# **Controls**. The same number in 12 other coordinates; the other sign; the layer's own output with coordinate 507
# alone, and without it; other sizes.

# %%
elsewhere = predict_number(
    "20,000 in each of 12 other coordinates, drawn at random, one after the other. In how many is any capital named?",
    unit="of 12",
)

# %% tags=["nbval-ignore-output"]
own = model.blocks[11].feedforward(
    neurons.reads("The capital of France is", layer=11)[0]
)  # (C,)
axis = torch.eye(576)


def named(vector):
    with surgery.blurred(model, "feed_forward", {11: vector}, tokens=[0]):
        return surgery.capitals(model, tokenizer)


drawn = torch.randperm(576, generator=torch.Generator().manual_seed(0))[:12].tolist()
counts = [named(20_000 * axis[coordinate]) for coordinate in drawn]
elsewhere.answer(sum(count > 0 for count in counts))
mine_alone = own * axis[507]
print(
    f"the layer's own output: {named(own)}; its coordinate 507 alone: {named(mine_alone)}; ",
    end="",
)
print(
    f"all but that: {named(own - mine_alone)}; -20,000 in 507: {named(-20_000 * axis[507])}"
)
for size in (500, 1_500, 5_000, 20_000, 100_000_000):  # change this
    print(f"{size:11,} in coordinate 507: {named(size * axis[507]):2} of 20")

# %% [markdown]
# **Result**. The layer's own output at START has 576 numbers. One of them alone does as well as all; with the other 575
# alone, no capital is named. The same number works in none of 12 other coordinates. The sign matters: -20,000 names
# none. The size hardly does: 5,000 leaves 16 capitals, and a hundred million 19.
#
# **Verdict**: refuted, as a store. Of all that the layer adds at START, the model needs one direction. Why does it need
# one at all? Most attention goes to START (lesson 04), and the layers above may have learned to find it by this
# direction; we haven't tested that. A GPT-2 that was trained with an explicit bias in attention does without massive
# activations ([Sun et al. 2024](https://arxiv.org/abs/2402.17762)); in other models, that remedy can fail ([Owen et al.
# 2025](https://arxiv.org/abs/2503.22329)).

# %% [markdown]
# ## What you can take away
#
# - An edit that works, a knock-out that hurts, and a map of attention answer three different questions. Only the second
#   is about what is needed, and only beside a skill that needs none of it.
# - "Facts" aren't one kind of thing to a model: languages outlive past tenses, capitals don't.
# - What a baseline without any model gets (34 of 63 by the nearest row) belongs beside every closed choice.
#
# The numbers of experiments 1 to 3 are stored; `python benchmarks/knockouts.py` and `python benchmarks/edits.py`
# compute them again, in 15 and 20 minutes. **Next**: lesson 06, the [transformer](06_transformer.ipynb).
