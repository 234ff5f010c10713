# %% [markdown]
# # 10 · RLHF: from rankings to manners
#
# **You will build** all that lies between "I like this answer better" and a model that gives such answers more often:
# the formula that turns choices into points, a reward model that guesses the points, the gradient of something that was
# drawn by lot, and PPO with its clip and its price for leaving home. In between you sit in the booth yourself and rank
# twenty pairs; a reward model learns from each of your clicks.
#
# **The claim** is the last step of the training pipeline: *humans rank model outputs. A separate reward model is
# trained to predict these rankings, and the LLM is optimized to maximize this reward score.* Here the "humans" are
# simulated, so we know what nobody else knows: what every answer is really worth. So you can measure how far rankings
# can be predicted at all, what the optimized model has won and what it has lost, and what becomes of the word
# *maximize* when it is taken at its word.
#
# **Time**: 90 minutes; the cells themselves run in about three.
#
# **Before you start**: cross-entropy and a gradient (lesson 00b), KL divergence
# ([glossary](../teaching/glossary.md#k)), and what supervised fine-tuning does (lesson 09). The part on GAE is
# optional.

# %%
import copy
import inspect
import math
from dataclasses import replace
from pathlib import Path

import torch
from IPython.display import display
from ipywidgets import SelectionSlider

from minillm.analysis.alignment import Estimate, answer
from minillm.analysis.calibration import score_pairs
from minillm.course import models
from minillm.course.recipes.preferences import LOVER_OF_LENGTH, WEAK_REWARD
from minillm.data.chat import encode_chat
from minillm.data.pairs import PairBatches, PairData, encode_preferences
from minillm.losses import bradley_terry_loss
from minillm.posttraining import policy_gradient
from minillm.posttraining.best_of_n import best_of_n, draw
from minillm.posttraining.online import PromptData
from minillm.posttraining.ppo import PPO, PPOConfig, ppo
from minillm.posttraining.reward import RewardConfig, pair_margins, train_reward_model
from minillm.posttraining.reward_model import RewardModel
from minillm.posttraining.rollout import hidden_of_answers
from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, grouped_bars, lines, scatter, show
from minillm.viz.ranking_booth import RankingBooth
from minillm.world.instructions import Instructions
from minillm.world.raters import RIGHT, Rater, bayes_ceiling, simulate, utility

# %% [markdown]
# ## What examples cannot say
#
# Lesson 09 made an assistant out of a completer, by showing it answers that somebody had written. Ask it the same thing
# four times:

# %% tags=["nbval-ignore-output"]
sft, tokenizer = models.sft()
END = [tokenizer.eos_id]
TESTED = Instructions(4_000_000, "held-out").instructions(200)


def said(ids):
    """An answer's ids as text, without the token that closes it."""
    return tokenizer.decode(ids[:-1] if ids[-1] == END[0] else ids)


# %% tags=["nbval-ignore-output"]
one = next(one for one in TESTED if one.family == "copy")
asked = encode_chat(tokenizer, one.messages[:-1])
for ids in draw(sft, [asked], 4, 48, END, seed=3):
    print(f"{utility(one, said(ids)):+.1f} points  {said(ids)!r}")
assert utility(one, one.answer) == 5

# %% [markdown]
# It knows how to answer, and yet each draw is a new throw: one may miss the question, and another forgets its manners,
# because those who wrote its examples did too: half of them are plain. Imitation has no word for this. An example says
# *say this*; it never says *this is better than that*, and a model that is shown both kinds learns to do both.
#
# People find it hard to write a perfect answer, harder to give a number to one, and easy to say which of two is better.
# So that is what they are asked.
#
# The points in front are this course's secret. In Ottermere each question comes with a checker, so the **gold utility**
# of any answer is known: 4 points if it is right, 1 for a courtesy (and 1 off for rudeness), a tenth off for each word
# too many. Nothing that is trained today may look at it. We shall, to see what has been learnt.
#
# ## From choices to points
#
# How do choices become numbers? Bradley and Terry (1952) supposed that everybody has a hidden merit r, and that a beats
# b with the probability
#
# P(a over b) = sigmoid(r_a − r_b) = 1 / (1 + e^−(r_a − r_b)).
#
# A lead of one point wins 73 times of 100, of three points 95 times. Our raters choose in just this way: nobody is sure
# of himself, and least so where the answers are nearly as good.


# %%
def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# %%
rater = Rater()
for lead in (0, 1, 3):
    chance = rater.probability_of_preferring(1.0 + lead, 1.0)
    print(f"{lead} points ahead: preferred with probability {chance:.3f}")
    assert math.isclose(chance, sigmoid(lead))

# %% [markdown]
# Turn it round: given the choices, which merits explain them best? Those that make what was chosen likely. The loss is
# the usual one, minus the log of the probability of what happened:


# %%
def naive_preference_loss(chosen, rejected):
    """Rewards of the chosen answers and of the rejected ones, pair by pair."""
    losses = [-math.log(sigmoid(a - b)) for a, b in zip(chosen, rejected, strict=True)]
    return sum(losses) / len(losses)


# %%
chosen = torch.tensor([2.0, 0.5, -1.0], requires_grad=True)
rejected = torch.tensor([0.0, 1.0, -1.0])
loss = bradley_terry_loss(chosen - rejected)
by_hand = naive_preference_loss(chosen.tolist(), rejected.tolist())
torch.testing.assert_close(loss.item(), by_hand)
print(f"{loss.item():.4f} nats; a coin pays {math.log(2):.4f}")

# %% [markdown]
# Its slope is worth knowing by heart. Each chosen answer is pushed up by 1 − P, the *surprise*: a choice that the
# model foresaw teaches nothing, one against all its expectations pushes with full strength.

# %%
loss.backward()
surprise = [1 - sigmoid(a - b) for a, b in zip(chosen.tolist(), rejected, strict=True)]
print("surprise", [round(float(s), 4) for s in surprise])
torch.testing.assert_close(chosen.grad, -torch.tensor(surprise) / 3)

# %% [markdown]
# Does that find the merits? Take four kinds of answers: right and civil, right, wrong and civil, wrong. Nobody tells
# how much they are worth; we only hear how often raters prefer each to each. Start with zeros, and follow the slope:

# %%
KINDS = {"right and civil": 5.0, "right": 4.0, "wrong, civil": 1.0, "wrong": 0.0}
worth = list(KINDS.values())
heard = [[rater.probability_of_preferring(a, b) for b in worth] for a in worth]
points = [0.0] * 4
for _ in range(3000):
    slopes = [
        sum(heard[a][b] - sigmoid(points[a] - points[b]) for b in range(4))
        for a in range(4)
    ]
    points = [x + slope for x, slope in zip(points, slopes, strict=True)]

# %%
print({kind: round(x, 2) for kind, x in zip(KINDS, points, strict=True)})
from_zero = torch.tensor(points) - points[3]
torch.testing.assert_close(from_zero, torch.tensor(worth), rtol=0, atol=0.01)

# %% [markdown]
# The steps of 1, 3 and 1 points have come back, out of nothing but "this one rather than that one". What has not come
# back is the zero: choices know differences only, so a reward of 2.5 means nothing by itself. Keep it in mind when a
# paper shows a curve of rewards.
#
# ## How well can anybody do?
#
# Now a heap of real comparisons: 100 questions that no model here has been trained on, with four pairs of answers each,
# from excellent to rude nonsense, and a rater who chooses. Because he is simulated, each pair also carries the
# probability p of what he chose.

# %%
ASKED = Instructions(1_000_000, "held-out").instructions(100)
heap = encode_preferences(tokenizer, simulate(ASKED, rater, 1_000_000, 4), 256)
HELD = heap.preferences
for pair in HELD[40:42]:
    print(f"p = {pair.probability:.3f}  {pair.chosen!r}\n    over {pair.rejected!r}")
print(len(HELD), "pairs")

# %% [markdown]
# Suppose you knew every p and had to foretell the choices. You would name the likelier one each time, and be right with
# probability max(p, 1 − p). Nobody can do better, with any brain or any network: this is the **Bayes ceiling**.


# %%
def naive_ceiling(pairs):
    return sum(max(p.probability, 1 - p.probability) for p in pairs) / len(pairs)


# %%
ceiling = bayes_ceiling(HELD)
assert math.isclose(ceiling.accuracy, naive_ceiling(HELD))
himself = sum(p.probability**2 + (1 - p.probability) ** 2 for p in HELD) / len(HELD)
print(f"ceiling {ceiling.accuracy:.3f} on these pairs")
print(f"the rater, asked a second time, agrees with himself: {himself:.3f}")
assert himself < ceiling.accuracy < 0.9

# %% [markdown]
# Look at the second number. Even the rater cannot foretell himself as well as the ceiling, since he tosses his coin
# anew. When OpenAI had people rank for InstructGPT, two of them agreed in 73 to 77 % of cases (Ouyang et al. 2022). So
# a reward model with "only" 75 % may be nearly perfect or poor. Without a ceiling you cannot tell, and for real people
# nobody knows the ceiling. Here we do.

# %%
sure = [max(p.probability, 1 - p.probability) for p in HELD]
tenth = [min(int(10 * s), 9) for s in sure]  # 5: from 50 to 60 %
shares = [tenth.count(n) / len(sure) for n in range(5, 10)]
names = [f"{n}0 to {n + 1}0 %" for n in range(5, 10)]
assert shares[-1] > 0.4 > 0.15 > shares[0] > 0.05

# %%
show(
    bars(names, shares, "share of pairs, by how sure a rater is", digits=3),
    alt="How sure a rater is of his choice. In half of the pairs he is more than 90 % sure; in one of ten he might as "
    "well toss a coin.",
)
assert math.isclose(sum(shares), 1)

# %% [markdown]
# ## The reward model
#
# The merits of four kinds of answers fit into a list. For answers to anything one needs a function: text in, one number
# out. Take the assistant itself, for it can read, and put another head on it: instead of V logits for each token, one
# number at the **last** token, the only one that has seen the whole answer.

# %%
print(inspect.getsource(RewardModel.forward))

# %% [markdown]
# `points` multiplies by the head's one row, in float32 also where a training step computes in bfloat16 (lesson 13):
# rounded to eight bits, two nearly equal rewards would be one.
#
# The course's own judge has two more sources. The head of so small a model learns manners and hardly ever whether an
# answer is *right*, and it need not: the chat model that it began as knows most answers. So before an answer the judge
# reads what that model, its **reference**, would say itself; to compare two results is easier than to work one out
# (Zheng et al. 2023 give such a reference to GPT-4). And it counts how probable the answer is, once that has been read:
#
# r = w · (last vector) + c · log p(answer),
#
# an **opinion** and a **likelihood**. (Lesson 11 finds the second one in every language model.) This is what it reads
# before an answer, and its reward by hand:

# %% tags=["nbval-ignore-output"]
judge = models.reward()[0].eval()


def as_read(pairs):
    """The pairs with what the judge reads before an answer in place of the prompt."""
    read = judge.with_reference_answers([pair.prompt for pair in pairs])
    return [
        replace(pair, prompt=tuple(ids)) for pair, ids in zip(pairs, read, strict=True)
    ]


READ = as_read(heap.pairs)
prompt = heap.pairs[40].prompt
assert READ[40].prompt[: len(prompt)] == tuple(prompt)
print(tokenizer.decode(READ[40].prompt))
print(f"a nat of likelihood is worth {judge.likelihood.weight.item():.2f} points")


# %%
@torch.no_grad()
def naive_reward(prompt, answer):
    ids = torch.tensor([[*prompt, *answer]])
    hidden = judge.transformer.hidden(ids)[0]  # (T, C)
    opinion = hidden[-1] @ judge.head.weight[0]
    log_probs = judge.language_head(hidden).log_softmax(-1)  # (T, V)
    before = range(len(prompt) - 1, ids.shape[1] - 1)
    known = sum(log_probs[t, id] for t, id in zip(before, answer, strict=True))
    return opinion + judge.likelihood.weight[0, 0] * known


# %% tags=["nbval-ignore-output"]
for pair, read in zip(heap.pairs[40:43], READ[40:43], strict=True):
    both = [pair.chosen, pair.rejected]
    by_hand = torch.stack([naive_reward(read.prompt, answer) for answer in both])
    with torch.no_grad():
        scores = judge.rewards([pair.prompt] * 2, both)
    torch.testing.assert_close(by_hand, scores, rtol=1e-3, atol=1e-3)
    print("chosen {:+.2f}, rejected {:+.2f}".format(*by_hand.tolist()))

# %% [markdown]
# It was trained on eight answers to each of 12,800 questions, all 28 pairs of them, and has never seen these questions.
# Three things go beyond a standard reward model, which is a head and the loss that you know: the reference, the
# likelihood term, and half a nat per token of the chosen answers, so that it also learns to say them
# (`imitation=0.5`). How often does it prefer what raters prefer? We count not the
# single choices, which are coin tosses, but the raters' probability of agreeing with it; and beside it stands a judge
# of manners, who counts courtesies and words and never asks whether an answer is right.


# %%
QUESTION = {one.prompt: one for one in ASKED}


def parts_of(pair):
    """Of both answers: whether they are right, and the points without that."""
    one = QUESTION[pair.prompt[-1]["content"]]
    texts = (pair.chosen, pair.rejected)
    right = [one.check(text) for text in texts]
    points = [utility(one, text) for text in texts]
    return right, [x - RIGHT * r for x, r in zip(points, right, strict=True)]


# %%
parts = [parts_of(pair) for pair in HELD]
polite = [manners[0] - manners[1] for _, manners in parts]
one_right = [right[0] != right[1] for right, _ in parts]
print(f"in {sum(one_right)} of {len(HELD)} pairs exactly one answer is right")
assert 0 < sum(one_right) < len(HELD)


# %%
def agreement(margins, wanted):
    """How often raters agree with a judge, in the pairs that are wanted."""
    kept = [n for n, one in enumerate(wanted) if one]
    score = score_pairs([margins[n] for n in kept], [HELD[n] for n in kept])
    return score.expected


EVERY = [True] * len(HELD)
all_knowing = [pair.probability - 0.5 for pair in HELD]
assert math.isclose(agreement(all_knowing, EVERY), ceiling.accuracy)

# %% tags=["nbval-ignore-output"]
margins = pair_margins(judge, heap.pairs).tolist()
JUDGES = {"a judge of manners": polite, "the reward model": margins}
JUDGES["the best there is"] = all_knowing
GROUPS = {"all": EVERY, "one is right": one_right}
GROUPS["both or none"] = [not one for one in one_right]
table = {
    name: [agreement(margins, wanted) for wanted in GROUPS.values()]
    for name, margins in JUDGES.items()
}

# %% tags=["nbval-ignore-output"]
for name, row in table.items():
    print(f"{name:20}", *(f"{value:.3f}" for value in row))
assert table["the reward model"][1] > table["a judge of manners"][1] + 0.1
assert table["the reward model"][0] < table["the best there is"][0]

# %% tags=["nbval-ignore-output"]
show(
    grouped_bars(table, list(GROUPS), "raters agree", references={"a coin": 0.5}),
    alt="How often raters agree with a judge of manners, with the reward model and with the best there is. The reward "
    "model is two points or so below the best on all pairs. Where one answer is right it is far ahead of manners.",
)
assert table["the reward model"][0] > 0.65

# %% [markdown]
# About two points are missing, half of them in pairs where manners decide and half where one answer is right. Wrong
# answers of the reference explain little of this: they stand before 20 of these 400 pairs. (`benchmarks/reward.py` has
# larger sets of pairs.)
#
# Are its *chances* true? Where it gives the better answer 80 %, do raters prefer that one in 80 of 100? A point on the
# line below is a group of pairs whose chances are as stated:

# %% tags=["nbval-ignore-output"]
score = score_pairs(margins, HELD, bins=5)
stated, true = zip(*((one.predicted, one.true) for one in score.bins), strict=True)
axes = ("chance that the reward model states", "the raters' own")
show(
    scatter(stated, true, *axes, fit=([0.5, 1], [0.5, 1]), fit_name="as stated"),
    alt="Calibration of the reward model: five points, near the diagonal on which the stated chance is the true one.",
)
assert score.calibration_error < 0.1

# %% [markdown]
# ### The bug that everybody writes once
#
# Answers differ in length, so in a batch the short ones are padded, and the last place of a row is no longer the end of
# the answer. No error appears. There are two ways to do it wrong: to read the head at the padding, and to forget the
# mask as well, so that the padding looks back at the answer.


# %%
def padded(texts):
    """Texts as rows, with one token of padding at least; what is real; and the ends."""
    width = 1 + max(map(len, texts))
    ids = torch.tensor([text + [0] * (width - len(text)) for text in texts])  # (B, T)
    real = torch.tensor([[t < len(text) for t in range(width)] for text in texts])
    return ids, real.long(), torch.tensor([len(text) - 1 for text in texts])


assert padded([[7, 8, 9], [5]])[0].tolist() == [[7, 8, 9, 0], [5, 0, 0, 0]]


# %%
@torch.no_grad()
def opinions(pairs, at_padding=False, masked=True):
    """The head's part of the margins, twenty pairs at a time."""
    found = []
    for start in range(0, len(pairs), 20):
        some = pairs[start : start + 20]
        texts = [
            [*one.prompt, *said] for one in some for said in (one.chosen, one.rejected)
        ]
        ids, real, ends = padded(texts)
        hidden = judge.transformer.hidden(
            ids, segments=real if masked else None
        )  # (B, T, C)
        last = torch.full_like(ends, -1) if at_padding else ends
        heads = judge.head(hidden[torch.arange(len(texts)), last]).squeeze(-1)
        found += (heads[::2] - heads[1::2]).tolist()
    return [round(margin, 4) for margin in found]


assert set(opinions(READ[:20], at_padding=True)) == {0}

# %% tags=["nbval-ignore-output"]
head_alone = opinions(READ)
unmasked = opinions(READ, at_padding=True, masked=False)
likely = [all_of_it - head for all_of_it, head in zip(margins, head_alone, strict=True)]
views = {"the head": head_alone, "the head at padding, no mask": unmasked}
views["the likelihood"] = likely

# %% tags=["nbval-ignore-output"]
agree = {}
for name, view in views.items():
    agree[name] = [agreement(view, wanted) for wanted in (EVERY, one_right)]
    print(f"{name:29} {agree[name][0]:.3f}   one is right: {agree[name][1]:.3f}")
assert agree["the head"][0] > agree["the head at padding, no mask"][0]
assert agree["the likelihood"][1] > agree["the head"][1]

# %% [markdown]
# Masked padding sees only itself, so all answers get the same opinion: exactly a coin, which at least one notices.
# Without the mask it works *a little*: 0.61 in our run where the head, read right, has 0.67. Such a model trains, its
# loss falls, and nobody looks. (The package finds the last real token wherever the padding is.)
#
# The other two lines show why the judge needs both sources. Where one answer is right and the other is not, the
# likelihood sees far more than the head; on all pairs neither comes near what they reach together.
#
# ## You are the rater
#
# Now it is your turn. Twenty questions, two answers each. Which one is better is for you to say; there is no key.
#
# What learns is a new head, of 128 numbers, on the judge's last layer, which stays as it is: its eyes, but no opinion
# yet. After each choice it is fitted anew to all of yours, with the slope from above: every chosen answer pushes by its
# surprise, and a pull towards zero keeps twenty choices from explaining everything.


# %%
@torch.no_grad()
def last_vectors(model, pairs):
    """What a model holds at the end of the chosen answer, less that of the other."""
    prompts = [pair.prompt for pair in pairs for _ in range(2)]
    answers = [ids for pair in pairs for ids in (pair.chosen, pair.rejected)]
    hidden = hidden_of_answers(model, prompts, answers)
    ends = torch.tensor([len(ids) for ids in answers])
    vectors = hidden[torch.arange(len(answers)), ends]
    return vectors[::2] - vectors[1::2]  # (pairs, C)


held_vectors = last_vectors(judge.transformer, READ)
scale = held_vectors.std(0) * held_vectors.shape[1] ** 0.5
assert len(held_vectors) == len(HELD)


# %%
def naive_head(vectors, steps=200, rate=0.1):
    head = torch.zeros(vectors.shape[1])
    for _ in range(steps):
        surprise = torch.sigmoid(-(vectors @ head))
        head = head + rate * (vectors.T @ surprise - head)
    return head


# %%
vectors = held_vectors[:20] / scale
head = naive_head(vectors).requires_grad_()
whole = 20 * bradley_terry_loss(vectors @ head) + head @ head / 2
whole.backward()
assert head.grad.abs().max() < 1e-3  # at the bottom: the package's loss has no slope

# %% [markdown]
# After each choice the picture shows how often raters, on the pairs of before, would agree with the head that *you*
# have taught. Beside it stands a simulated rater in the same booth. Where you and he want different things, your curve
# will stay below his, and that is no mistake of yours: the gold utility is the taste of Ottermere.


# %% tags=["nbval-ignore-output"]
def taught(rankings):
    """How often raters agree after 0, 1, 2, ... rankings; the chance given to the last."""
    pairs = encode_preferences(tokenizer, rankings, 256).pairs
    vectors = last_vectors(judge.transformer, as_read(pairs)) / scale
    heads = [naive_head(vectors[:n]) for n in range(len(rankings) + 1)]
    tries = [(held_vectors / scale @ head).tolist() for head in heads]
    agree = [agreement(one, EVERY) for one in tries]
    return agree, torch.sigmoid(vectors[-1] @ heads[-2]).item()


# %% tags=["nbval-ignore-output"]
STREAM = Instructions(5_000_000).instructions(90)
easy = [one for one in STREAM if len(one.prompt) < 200]
PAIRS = simulate(easy[:20], Rater(name="simulated"), seed=0)
simulated, _ = taught(PAIRS)
print(f"after 0, 5, 20 rankings: {[round(simulated[n], 2) for n in (0, 5, 20)]}")
assert simulated[0] == 0.5
assert simulated[20] > 0.55

# %% [markdown]
# Choose with the mouse, or with the keyboard: **Tab** until a button is framed, then **Space**. Each choice is a line
# of the file `my_rankings.jsonl` beside this notebook before the next pair appears. Nothing is lost if you stop; run
# the cell again and it goes on. (Throw the file away to begin anew.) If you skip the booth, the simulated rater's
# rankings stand in for yours below.

# %% tags=["nbval-ignore-output"]
LEVELS = {"the judge itself": table["the reward model"][0], "ceiling": ceiling.accuracy}


def draw_booth(rankings):
    curves = {"a simulated rater": simulated}
    sentence = (
        f"Raters agree with the head of a simulated rater in {simulated[-1]:.0%}."
    )
    if rankings:
        curves["you"], chance = taught(rankings)
        sentence += f" With yours, after {len(rankings)}: {curves['you'][-1]:.0%}."
        sentence += f" Your last choice had the chance {chance:.2f}."
    x = {name: range(len(curve)) for name, curve in curves.items()}
    figure = lines(curves, "rankings", "raters agree", x=x, references=LEVELS)
    figure.axes[0].set_xticks(range(0, 21, 5))
    return figure, sentence


# %% tags=["nbval-ignore-output"]
booth = RankingBooth(PAIRS, Path("my_rankings.jsonl"), "me", draw_booth)
assert len(booth.waiting) + len(booth.rankings) == 20
display(booth)

# %% [markdown]
# Twenty choices, 128 numbers, and raters agree with the simulated rater's head in two cases of three, as they do with
# the judge's own. The first choice nearly settles it. (Alone, fourteen of the twenty give 0.64 to 0.69, and the other
# six the opposite, 0.33 to 0.40.) But that so few suffice at all is not the doing of the twenty. The layers beneath
# have seen hundreds of thousands of choices and know what a courtesy is. Here are the same twenty on the layers of the
# chat model, which have seen none:


# %% tags=["nbval-ignore-output"]
def taught_on(model):
    """How often raters agree with a head on this model's last layer, after the twenty."""
    theirs = last_vectors(model, READ)
    ours = encode_preferences(tokenizer, PAIRS, 256).pairs
    ours = last_vectors(model, as_read(ours))
    scale = theirs.std(0) * theirs.shape[1] ** 0.5
    return agreement((theirs / scale @ naive_head(ours / scale)).tolist(), EVERY)


on_chat, on_judge = taught_on(sft), taught_on(judge.transformer)
print(f"on the chat model's layers {on_chat:.2f}, on the judge's {on_judge:.2f}")
assert abs(on_judge - simulated[20]) < 0.01
assert on_chat < on_judge

# %% [markdown]
# Not much better than a coin. What a head can learn from a few rankings is decided by what lies beneath it; which is
# why reward models are built on the largest language model one has.
#
# The real thing is to train all of its layers. So the judge goes on to learn, from your twenty pairs, with the
# package's own function:

# %% tags=["nbval-ignore-output"]
RANKINGS = booth.rankings or PAIRS
print(f"{len(RANKINGS)} rankings by", "you" if booth.rankings else "a simulated rater")
mine = encode_preferences(tokenizer, RANKINGS, 256).pairs

# %% tags=["nbval-ignore-output"]
own_judge = copy.deepcopy(judge)
data = PairData(PairBatches(mine, batch_size=20, seed=0), mine)
config = RewardConfig(steps=6, learning_rate=2e-4, warmup_steps=0, weight_decay=0.0)
own_judge, _ = train_reward_model(own_judge, data, config)
before = bradley_terry_loss(pair_margins(judge, mine)).item()
after = bradley_terry_loss(pair_margins(own_judge, mine)).item()
print(f"loss on these rankings: {before:.2f} nats before, {after:.2f} after")
agree = agreement(pair_margins(own_judge, heap.pairs).tolist(), EVERY)
print(f"raters agree on the other pairs: {LEVELS['the judge itself']:.3f}, {agree:.3f}")
assert after < before

# %% [markdown]
# ## The gradient of a thing drawn by lot
#
# Now the language model shall be *optimized to maximize this reward*. Why is that not simply training, as before?
# Because the reward is paid for a whole answer, and an answer is drawn, token by token. You cannot differentiate a dice
# throw: if another word had come, the reward would have been another one, but by how much no chain rule says.
#
# The smallest case shows the way out. Two answers, *plain*, worth 4, and *civil*, worth 5, and a *policy*, as the field
# calls a model that acts, with one number x for each answer, whose softmax are the chances. What is to be maximised is
# the mean J = sum of p(a) r(a), and that has a gradient:

# %%
x = torch.tensor([0.6, 0.4]).log().requires_grad_()
worth = torch.tensor([4.0, 5.0])
p = x.softmax(0)
J = (p * worth).sum()
(exact,) = torch.autograd.grad(J, x, retain_graph=True)
print(f"J = {J.item():.2f}, gradient {[round(g, 4) for g in exact.tolist()]}")

# %% [markdown]
# With all the answers that a language model could give, nobody can add up that sum. But look: the gradient of p is p
# times the gradient of log p. So the gradient of J is the sum of p(a) · r(a) · ∇log p(a), and *that is a mean over
# draws*: draw an answer, take the gradient of its log-probability, multiply by the reward. Williams (1992) called it
# REINFORCE. The reward is only a factor; nothing has to be differentiated through it, and it may come from a network, a
# checker or a person.

# %%
pushes = torch.stack(
    [torch.autograd.grad(p[a].log(), x, retain_graph=True)[0] for a in (0, 1)]
)
chances = p.detach()
torch.testing.assert_close((chances[:, None] * worth[:, None] * pushes).sum(0), exact)


# %%
def spread_of_draws(baseline):
    """Mean and standard deviation of one draw's gradient for the civil answer."""
    draws = (worth - baseline) * pushes[:, 1]
    mean = (chances * draws).sum()
    return mean, (chances * (draws - mean).square()).sum().sqrt()


# %%
for baseline in (0.0, 4.4):
    mean, deviation = spread_of_draws(baseline)
    print(f"baseline {baseline}: mean {mean:.4f}, standard deviation {deviation:.4f}")
    torch.testing.assert_close(mean, exact[1])

# %% [markdown]
# Right on average, and useless at first: the mean is 0.24 and a single draw is off by 2.25, since *both* answers have a
# positive reward and each draw shouts "more of this!". So take something off, the **baseline**: what is above it is
# pushed up, what is below it down. The mean does not change at all, because the pushes of all answers, weighted by
# their chances, add up to zero. The noise does:

# %%
baselines = torch.linspace(0, 8, 81)
noise = [spread_of_draws(b)[1].item() for b in baselines]
show(
    lines({"noise": noise}, "baseline", "standard deviation", x=baselines),
    alt="The noise of one draw against the baseline: 2.25 without one, nothing at 4.6, and 1.67 at 8.",
)
assert 4.5 < baselines[noise.index(min(noise))] < 4.7

# %%
ratio = (noise[0] / spread_of_draws(4.4)[1].item()) ** 2
print(f"the mean reward, 4.4, as baseline: worth {ratio:.0f} times as many draws")
assert round(ratio) == 529

# %% [markdown]
# The mean reward, 4.4, is nearly the best baseline, and it saves 528 draws of 529. (So much only because there are two
# answers, with nearly equal rewards. Among many answers a baseline saves far less.) What is left, reward less baseline,
# is called the **advantage**. All that follows, PPO included, is care in estimating advantages and in not taking too
# large a step with them.
#
# ## Why not simply maximize?
#
# The reward model is right about the answers that it was trained on. Push the policy hard, and it goes where no rater
# has ever been. So RLHF maximises something else (Ziegler et al. 2019):
#
# mean reward − β · KL(policy, reference).
#
# The reference is the model before this training. Each nat of distance from it costs β points. For this, unlike for
# "maximize", one can write down the best policy there is:
#
# p*(a) is proportional to p_ref(a) · e^(r(a)/β).
#
# Every answer keeps its old chance, times a factor for its reward. Cheap nats (small β) make the factors extreme.


# %%
def naive_best_policy(reference, rewards, price):
    shares = reference * torch.exp((rewards - rewards.max()) / price)
    return shares / shares.sum()


def objective(policy, reference, rewards, price):
    kl = (policy * (policy / reference).log()).sum()
    return (policy * rewards).sum() - price * kl


# %%
start = torch.tensor([0.6, 0.4]).double()
grid = torch.linspace(0.001, 0.999, 999).double()
for price in (0.3, 1.0, 10.0):
    best = naive_best_policy(start, worth, price)
    others = (objective(torch.stack([1 - q, q]), start, worth, price) for q in grid)
    print(f"a nat costs {price:4}: civil with probability {best[1]:.4f}")
    assert objective(best, start, worth, price) >= max(others)

# %% [markdown]
# Remember this formula. Below it becomes a dial, and in lesson 11 the whole method of DPO.
#
# ## PPO
#
# For answers of many tokens PPO (Schulman et al. 2017) joins these pieces:
#
# 1. **Draw** answers, and have each scored by the reward model.
# 2. **Price**: at every token β · (log p − log p_ref) is taken off. Summed over an answer and averaged over draws that
#    is just β · KL. The score itself comes at the last token.
# 3. **Advantage** of each token: what came after it, less what was expected. The expectation is a second head on the
#    same layers, the *value*, which learns as it goes.
# 4. **Clip**: the answers are used for several steps, and by the second step the policy is no longer the one that drew
#    them. So the ratio p / p_old of a token counts only up to 1.2 (or down to 0.8), and beyond that its push is zero.
#
# Two and four by hand:


# %%
def naive_token_rewards(score, log_probs, reference, price):
    rewards = [
        -price * (new - old) for new, old in zip(log_probs, reference, strict=True)
    ]
    rewards[-1] += score
    return rewards


# %%
log_probs = torch.tensor([[-1.0, -0.5, -2.0]])
reference = torch.tensor([[-2.0, -0.7, -1.5]])
counts = torch.ones(1, 3).bool()
by_hand = naive_token_rewards(3.0, log_probs[0].tolist(), reference[0].tolist(), 0.1)
tables = torch.tensor([3.0]), log_probs, reference, counts
theirs = policy_gradient.token_rewards(*tables, kl_coef=0.1)
torch.testing.assert_close(torch.tensor([by_hand]), theirs)
print([round(reward, 4) for reward in by_hand])


# %%
def naive_clipped_loss(ratio, advantage, clip=0.2):
    kept = min(max(ratio, 1 - clip), 1 + clip)
    return -min(ratio * advantage, kept * advantage)


# %%
ratios = torch.linspace(0.5, 1.5, 101)
gained = {}
for name, advantage in (("a good token", 1.0), ("a bad token", -1.0)):
    loss = torch.tensor([naive_clipped_loss(one, advantage) for one in ratios.tolist()])
    rows = ratios.log()[None], torch.zeros(1, 101), torch.full((1, 101), advantage)
    theirs = policy_gradient.clipped_policy_loss(*rows, clip=0.2)
    torch.testing.assert_close(loss[None], theirs)
    gained[name] = -loss

# %%
show(
    lines(gained, "ratio p / p_old", "what is gained", x=ratios),
    alt="What a token gains against its ratio. For a good token the line rises and is flat from 1.2 on: no more push. "
    "For a bad one it is flat below 0.8 and falls from there on.",
)
assert gained["a good token"][-1] == gained["a good token"][75]

# %% [markdown]
# Look where the lines are *not* flat. A bad token that has become likelier is pushed back with full strength, however
# far it went, and so is a good one that became rarer. The clip stops progress, never repair. It is also no wall: it
# takes away the push, but the neighbours' pushes may carry a token further.

# %%
print(inspect.getsource(PPO.loss))

# %% [markdown]
# ### Optional: GAE, the advantage of a token
#
# How much better than expected did things go after token t? Two honest answers. *Trust the values*: compare the value
# before the token with the reward plus the value after it, δ_t = r_t + V_(t+1) − V_t. Little noise; but wrong as long
# as the values are. *Trust nobody*: add up all rewards to the end, less V_t. Right on average; but everything that
# happened later is noise. Schulman et al. (2016) mix all horizons, with a λ between 0 and 1: A_t = δ_t + λ δ_(t+1) +
# λ² δ_(t+2) + ...


# %%
def naive_gae(rewards, values, trace):
    after = [*values[1:], 0.0]
    surprises = [r + b - v for r, b, v in zip(rewards, after, values, strict=True)]
    return [
        sum(trace**k * one for k, one in enumerate(surprises[t:]))
        for t in range(len(rewards))
    ]


# %%
rewards, values = [-0.1, 0.0, 0.05, 3.0], [2.0, 2.5, 1.0, 2.0]
for trace in (0.0, 0.95, 1.0):
    by_hand = naive_gae(rewards, values, trace)
    tables = torch.tensor([rewards]), torch.tensor([values]), torch.ones(1, 4).bool()
    torch.testing.assert_close(
        torch.tensor([by_hand]), policy_gradient.gae(*tables, 1.0, trace)
    )
    print(trace, [round(one, 4) for one in by_hand])
assert math.isclose(naive_gae(rewards, values, 1.0)[0], sum(rewards) - values[0])

# %% [markdown]
# By the second token the expectation fell from 2.5 to 1.0. With λ = 0 that token gets all the blame, a point and a
# half; with λ = 1 it is even praised, since in the end all went well; 0.95, the usual choice, is near the latter.
#
# ## A run, before your eyes
#
# The judge is the one that has just learnt from the rankings. Sixteen questions, the same ones in each round, so that
# the curve shows the policy and not the questions; four answers to each; twelve rounds; 0.05 points a nat.


# %% tags=["nbval-ignore-output"]
def prompts_of(instructions):
    return [encode_chat(tokenizer, one.messages[:-1]) for one in instructions]


def train(judge, **settings):
    """A short run from the chat model: the policy and a line for each round."""
    policy = models.sft()[0]
    config = PPOConfig(max_new_tokens=40, **settings)
    return ppo(policy, PromptData(SIXTEEN, judge.score, END), config)


STREAM = Instructions(6_000_000).instructions(24)
SIXTEEN = prompts_of([one for one in STREAM if len(one.prompt) < 500])[:16]
assert len(SIXTEEN) == 16

# %% tags=["nbval-ignore-output"]
live, history = train(own_judge, steps=12, kl_coef=0.05)
curves = {"reward, points": [line["reward"] for line in history]}
curves["KL, nats"] = [line["kl"] for line in history]
first, *_, last = history

# %% tags=["nbval-ignore-output"]
show(
    lines(curves, "round", "mean of 64 answers", x=range(1, 13)),
    alt=f"Twelve rounds of PPO. The reward goes from {first['reward']:.2f} to {last['reward']:.2f} points, the "
    f"distance from the chat model from 0 to {last['kl']:.2f} nats.",
)
rewards = curves["reward, points"]
assert sum(rewards[-4:]) > sum(rewards[:4])

# %% [markdown]
# Twelve rounds are a beginning. The course's own PPO model was trained for 160 rounds, with new questions each round,
# eight answers per question, and λ = 1.
#
# ## What was won, and what was lost?
#
# Two hundred questions that no model has seen, two answers to each, drawn at temperature 1, and now the gold utility,
# at which nothing was allowed to look. And more than the sum: the points for being right and the points for manners,
# each by itself, with its standard error. The errors of a *difference* are small, because both models answer the same
# questions.


# %% tags=["nbval-ignore-output"]
def points_of(model, asked):
    """Per question: gold utility, points for being right, all other points; KL."""
    gold, right, kl = [], [], []
    for seed in (0, 1):
        said = answer(model, tokenizer, asked, reference=sft, seed=seed)
        both = list(zip(asked, said, strict=True))
        gold.append([utility(one, a.text) for one, a in both])
        right.append([RIGHT * one.check(a.text) for one, a in both])
        kl.append([a.log_ratio for a in said])
    gold, right, kl = (torch.tensor(rows).mean(0) for rows in (gold, right, kl))
    return {
        "gold utility": gold,
        "being right": right,
        "manners": gold - right,
        "KL": kl,
    }


# %% tags=["nbval-ignore-output"]
trained = models.ppo()[0]
before, after = points_of(sft, TESTED), points_of(trained, TESTED)
assert before["KL"].abs().max() < 0.01

# %% tags=["nbval-ignore-output"]
PARTS = ["gold utility", "being right", "manners"]


def gains(after):
    """What was won over the chat model, answer by answer, with its standard error."""
    return {part: Estimate.of((after[part] - before[part]).tolist()) for part in PARTS}


won = gains(after)
for part in PARTS:
    print(f"{part:13} {before[part].mean():.2f} -> {after[part].mean():.2f}", end="")
    print(f"   {won[part].mean:+.2f} ± {won[part].stderr:.2f}")
print(f"KL {after['KL'].mean():.2f} nats an answer")
assert won["manners"].mean > 0.2
assert won["being right"].mean < 0.3

# %% tags=["nbval-ignore-output"]
means = {
    name: [points[part].mean().item() for part in PARTS]
    for name, points in (("after SFT", before), ("after PPO", after))
}
show(
    grouped_bars(means, PARTS, "points an answer"),
    alt="Points per answer before and after PPO. The gold utility rises by about two thirds of a point. Most of that "
    "is manners, and the rest is points for being right.",
)
assert means["after PPO"][2] > means["after SFT"][2]

# %% [markdown]
# And the twelve rounds that you watched, for the judge with your twenty rankings in it?

# %% tags=["nbval-ignore-output"]
won_live = gains(points_of(live, TESTED))
for part, gain in won_live.items():
    print(f"{part:13} {gain.mean:+.2f} ± {gain.stderr:.2f}")
assert won_live["gold utility"].stderr < 0.3

# %% [markdown]
# In our run, with the simulated rater's rankings, twelve rounds on sixteen questions won two thirds of what the long
# run gained in manners. Right answers didn't change measurably. So manners that are learned on sixteen questions carry
# over to two hundred others. (If you ranked for another taste than Ottermere's, its gold utility is not yours.)
#
# What did the long run do? Training maximized one number, and that number rose. Most of the gain is manners: nearly
# every answer is civil now, and half of them were before. The rest is right answers: at temperature 1 the chat model
# was right in 85 % of its answers here, and PPO in 90 %. Over the three seeds of lesson 11's benchmark the change is
# smaller: sampled answers went from 87.6 to 89.2 % right (± 1.5), and greedy ones from 93.6 to 92.6 % (± 1.2). So we
# see no sign that PPO taught it new answers. A likely explanation is a sharper distribution, from which a sample is
# more often the greedy answer: during training the entropy fell from about 0.17 to 0.10 nats per token.
#
# Why do manners gain more? Probably because a courtesy is the same for every question, so one gradient teaches it for
# all. What makes an answer right differs from question to question. Right answers *are* drawn: below, at least one of
# 64 to each of forty questions is right. Picking a right answer out of 64 is easier than learning from it for other
# questions. And what is never drawn is never rewarded: **RLHF chooses among what a model can do already.**
#
# ## What "maximize" does, taken at its word
#
# For the last part you spoil a judge on purpose. Raters who take length for quality (0.3 points a word), and only 200
# pairs of theirs, and a head alone. No such bias is invented: people who rank, and the reward models that learn from
# them, do like long answers (Singhal et al. 2023). We call it the *proxy*.

# %% tags=["nbval-ignore-output"]
hasty = simulate(Instructions(0).instructions(50), LOVER_OF_LENGTH, seed=0, pairs=4)
hasty = encode_preferences(tokenizer, hasty, 256)
batches = PairBatches(hasty.pairs, WEAK_REWARD.batch_size, seed=0)
data = PairData(batches, hasty.pairs[:20])
proxy, _ = train_reward_model(sft, data, WEAK_REWARD.training)

# %% tags=["nbval-ignore-output"]
for name, pairs in (("its own", hasty), ("fair", heap)):
    found = score_pairs(pair_margins(proxy, pairs.pairs).tolist(), pairs.preferences)
    print(f"{name} raters agree with the proxy in {found.expected:.2f}")
assert found.expected < 0.6

# %% [markdown]
# Of its own raters it has learned something, and fair ones agree with it no more often than with a coin. Now let us
# choose by it. The simplest way to optimize for a judge needs no training at all: ask n times, keep the answer that he
# likes best. This **best of n** is at the same time the most honest one, since we know how far it goes: log n − (n −
# 1)/n nats from the reference (Stiennon et al. 2020; Beirami et al. 2024 on why this is "at most").

# %% tags=["nbval-ignore-output"]
LAB, N = TESTED[:40], 64
EACH = [one for one in LAB for _ in range(N)]
drawn = draw(sft, prompts_of(LAB), N, 40, END, seed=0)
texts = [said(ids) for ids in drawn]
print(f"{len(texts)} answers, {len(set(texts))} different ones")

# %% tags=["nbval-ignore-output"]
pairs = list(zip(EACH, texts, strict=True))
gold = torch.tensor([utility(one, text) for one, text in pairs]).view(40, N)
right = torch.tensor([float(one.check(text)) for one, text in pairs]).view(40, N)
PRAISE = {
    name: one.score(prompts_of(EACH), drawn).view(40, N).double()
    for name, one in (("the proxy", proxy), ("the judge", judge))
}
assert gold.shape == PRAISE["the judge"].shape

# %% [markdown]
# Sixty-four answers to each of forty questions. What is the best of n worth? Put the 64 in the order of the judge's
# praise. Of n answers, drawn from them without looking, the i-th (from below, counted from 0) is the best with
# probability C(i, n − 1) / C(64, n): it is among them, and the n − 1 others are below it. So we need not throw dice:


# %%
def naive_best_of(n, praise, worth):
    """The mean worth of what the judge keeps; praise and worth: (questions, draws)."""
    chance = [math.comb(i, n - 1) / math.comb(N, n) for i in range(N)]
    in_order = worth.double().gather(1, praise.argsort(1))
    return (in_order * torch.tensor(chance).double()).sum(1).mean().item()


# %% tags=["nbval-ignore-output"]
for praise in PRAISE.values():
    one, all_64 = naive_best_of(1, praise, gold), naive_best_of(N, praise, praise)
    assert math.isclose(one, gold.double().mean(), rel_tol=1e-6)
    assert math.isclose(all_64, praise.max(1).values.mean(), rel_tol=1e-6)

# %% [markdown]
# And the package's, which does draw: of four answers it keeps the one that we would have kept.

# %% tags=["nbval-ignore-output"]
three = prompts_of(LAB[:3])
four = draw(sft, three, 4, 40, END, seed=1)
liked = judge.score([prompt for prompt in three for _ in range(4)], four).view(3, 4)
kept, _ = best_of_n(sft, three, 4, judge.score, 40, END, seed=1)
assert kept == [four[4 * q + int(liked[q].argmax())] for q in range(3)]

# %% tags=["nbval-ignore-output"]
NS = [1, 2, 4, 8, 16, 32, 64]
by_proxy, by_judge = PRAISE.values()
curves = {"the proxy's praise": [naive_best_of(n, by_proxy, by_proxy) for n in NS]}
curves["gold, by proxy"] = [naive_best_of(n, by_proxy, gold) for n in NS]
curves["gold, by judge"] = [naive_best_of(n, by_judge, gold) for n in NS]
for name, values in curves.items():
    print(f"{name:18}", *(f"{value:6.2f}" for value in values))

# %% tags=["nbval-ignore-output"]
KL = [math.log(n) - (n - 1) / n for n in NS]
show(
    lines(curves, "KL from the chat model, nats", "points", x=KL),
    alt="Best of 1 to 64 against its KL. The proxy's praise of what it keeps rises by more than two points. The "
    "gold utility of the same answers falls by more than one. Kept by the judge, it rises by most of a point.",
)
assert curves["the proxy's praise"][-1] > curves["the proxy's praise"][0] + 1
assert curves["gold, by judge"][-1] > curves["gold, by proxy"][-1] + 0.4

# %% [markdown]
# **Goodhart's law** says that a measure that becomes a target ceases to be a good measure. Gao et al. (2023) drew it
# for reward models of many sizes: the gold utility first rises and then falls. Ours hardly rises, because this
# proxy is *misspecified*: to fair raters it equals a coin, so it is wrong from the first nat. (Praise
# and gold share an axis for convenience. A reward has no zero, so it means nothing where they cross; and log n − (n −
# 1)/n is an upper bound of the KL.) From inside the training one sees the blue line only, and it looks splendid.
#
# ### The dial
#
# And the price of a nat? For these 64 answers the best policy is known, by the formula of before: p_ref is 1/64 for
# each, and the best policy at price β gives each a share proportional to e^(r/β). So you can turn the dial from *a nat
# costs 10 points* (nobody moves) to *nothing* (only the favourite is left), and no policy, trained by PPO or by
# anything else, makes more of these answers by that judge at that price.

# %% tags=["nbval-ignore-output"]
PRICES = ["10", "3", "1", "0.5", "0.2", "0.1", "0.03", "0.01"]
AS_DRAWN = torch.full((N,), 1 / N).double()


def setting(praise, price):
    """The best policy for one judge at one price: KL, praise, gold, right answers."""
    rows = [naive_best_policy(AS_DRAWN, row, float(price)) for row in praise]
    policy = torch.stack(rows)  # (questions, draws)
    tables = {"kl": (policy * N).clamp_min(1e-300).log()}
    tables |= {"praise": praise, "gold": gold, "right": right}
    found = {key: (policy * one).sum(1).mean().item() for key, one in tables.items()}
    return found | {"favourite": policy.argmax(1)}


# %% tags=["nbval-ignore-output"]
DIAL = {
    by: [setting(praise, price) for price in PRICES] for by, praise in PRAISE.items()
}
for path in DIAL.values():
    kls = [one["kl"] for one in path]
    assert kls == sorted(kls)
    assert kls[0] < 0.1 < 2 < kls[-1] <= math.log(N)
assert DIAL["the judge"][5]["gold"] > DIAL["the proxy"][5]["gold"] + 0.4

# %% tags=["nbval-ignore-output"]
SHORT = {one.question: n for n, one in enumerate(LAB) if len(one.question) < 60}


def look(price, by, question):
    path, here = DIAL[by], DIAL[by][PRICES.index(price)]
    curves = {f"praise of {by}": [one["praise"] for one in path]}
    curves["gold utility"] = [one["gold"] for one in path]
    figure = lines(curves, "KL, nats", "points", x=[one["kl"] for one in path])
    figure.axes[0].axvline(here["kl"], color="black", linewidth=1, linestyle=":")
    text = texts[SHORT[question] * N + int(here["favourite"][SHORT[question]])]
    values = f"KL {here['kl']:.2f} nats, praise {here['praise']:.2f}, "
    values += f"gold {here['gold']:.2f}, right {here['right']:.0%}"
    return figure, f"At {price} points a nat: {values}. Likeliest answer: {text!r}"


# %% tags=["nbval-ignore-output"]
dial = SelectionSlider(options=PRICES, value="10")
assert "At 10 points a nat" in look("10", "the proxy", next(iter(SHORT)))[1]
Explorer(look, price=dial, by=list(PRAISE), question=list(SHORT)[:8])

# %% [markdown]
# Turn it slowly, first for the proxy. At which price does the gold utility leave its height? Does the share of right
# answers fall before it or after it? Then the good judge: here, too, look at the last two or three prices. Is there
# something left to gain when a nat costs next to nothing?
#
# <details><summary>What we found</summary>
#
# With the proxy the gold utility leaves its height of 4.0 between 3 points a nat (3.92) and 1 point (3.65), and ends at
# 2.7; the share of right answers falls with it, from 87 to 52 %, neither before nor after. With the good judge it rises
# to 4.77 at 0.03 points, and right answers to 95 %. At the last price the praise still rises a little, and the gold
# utility does not (4.75): even this judge is not to be believed to the end.
# </details>
#
# ### No price at all
#
# Sixty-four draws cannot leave what the chat model would say anyway. A trained policy can. Ten rounds of PPO for the
# proxy, at a rate three times as high, with β = 0:

# %% tags=["nbval-ignore-output"]
hacked, history = train(proxy, steps=10, kl_coef=0.0, learning_rate=1e-3)
curves = {"the proxy's praise, points": [line["reward"] for line in history]}
curves["KL, nats"] = [line["kl"] for line in history]
first, *_, last = history

# %% tags=["nbval-ignore-output"]
show(
    lines(curves, "round", "mean of 64 answers", x=range(1, 11)),
    alt=f"Ten rounds of PPO without a price. The praise rises from {first['reward']:.2f} to {last['reward']:.2f} "
    f"points, and the KL to {last['kl']:.0f} nats.",
)
assert last["reward"] > first["reward"] + 1
assert last["kl"] > 4

# %% tags=["nbval-ignore-output"]
was, wild = (
    before["gold utility"][:40].mean(),
    points_of(hacked, LAB)["gold utility"].mean(),
)
print(f"gold utility {was:.2f} -> {wild:.2f}")
for one, said_now in zip(LAB, answer(hacked, tokenizer, LAB[:5]), strict=False):
    print(f"{one.question[-70:]}\n    {said_now.text!r}")
assert wild < was - 0.5

# %% [markdown]
# The training went well, by its own light, at least for eight rounds. What came of it you have read.
# (`benchmarks/reward_hacking.py` goes on for eighty rounds, on three seeds. Where the raters' bias is half as large and
# the proxy learns from 2,000 pairs, gold utility first rises, by 0.17 ± 0.06 points, before it falls to 0.2.)
#
# ## The verdict
#
# *Humans rank model outputs*: yes, and they contradict each other and themselves, so there is a ceiling, and only where
# the truth is known can one say how far from it a reward model stays. *A separate reward model is trained to predict
# these rankings*: yes; but what is optimized then is this model and no longer the people, and the two part where the
# policy goes and the rankings never were. *The LLM is optimized to maximize this reward*: **loose, and dangerous if
# taken at its word**. With a learned reward model, what works maximizes reward less a KL penalty, or stops early.
# (Where a checker verifies the answer, many recipes set β = 0: DAPO, Yu et al. 2025; Dr. GRPO, Liu et al. 2025.) And
# the picture suggests that such training makes a model better in general. It made ours more civil, as the rankings
# within its reach asked. Its samples are right a little more often; its greedy answers aren't.
#
# > **Where the picture simplifies.** Bradley and Terry give every answer one merit, the same for everybody. People may
# > prefer a to b, b to c and c to a, and two groups may want opposite things; then one number an answer is a compromise
# > that nobody chose. Our raters are independent of each other and never tire. InstructGPT's people ranked four to nine
# > answers at once, which makes 6 to 36 comparisons of one question; most others compare two. Our judge pays 0.32
# > points per nat of likelihood: at a β of 0.05 the best policy for that part alone is proportional to p^7.4, if p is
# > the reference's own probability, so a part of the reward is earned by sharpening. Our dial moves among 64 drawn
# > answers; the true best policy at that price may put weight on others. We compared one short run with each judge; the
# > three seeds are in `benchmarks/`. And the gold utility is itself only a measure: a model that maximized *it* would
# > learn to say "Certainly." before everything.
#
# > **At scale.**
# > InstructGPT (Ouyang et al. 2022): 33,000 prompts with four to nine ranked answers each, a reward model of 6 billion
# > parameters for a policy of up to 175 billion (GPT-3's 96 layers, 12,288 wide), a nat at 0.02 points. Its 1.3-billion
# > model was preferred to GPT-3 with 175, and on some benchmarks of knowledge it lost a little: they call it the
# > *alignment tax* and mix pretraining text in against it. PPO keeps four models in memory: policy, value, reference
# > and reward model, and most of the time goes into drawing, hence the engines of lesson 12. Where a checker exists
# > (mathematics, programs), it replaces the reward model, and GRPO does without the value (lesson 11). Gao et al.
# > (2023) found that larger reward models and more rankings move the turning point out; nothing removed it.
#
# ## Five questions
#
# Answer before you open.
#
# **1.** A reward model agrees with fresh human choices in 74 % of pairs. What do you know? (a) It is wrong in a quarter
# of the cases. (b) Little, without knowing how often people agree. (c) It needs more layers.
#
# <details><summary>Open 1</summary>
#
# **(b)**. If people agree with each other in 75 %, then 74 is nearly all there is; if in 95 %, it is poor. Not (a):
# some of the disagreements are the raters' own coin tosses, and no reader could foretell them. (c) may or may not be;
# the number alone does not say that anything is left to gain.
# </details>
#
# **2.** You add 7 points to every reward of a reward model. What changes in its pair loss, and in PPO, which takes the
# mean off all advantages of a round? (a) Both. (b) The loss only. (c) Neither.
#
# <details><summary>Open 2</summary>
#
# **(c)**. The loss sees differences only, and the 7 cancels. In PPO it is a baseline: every answer has it, and taking
# off the mean takes it off too, once the values have learned it. (Before that it is a bias: with values of 0 and λ =
# 0.95 the late tokens of an answer get more of it than the early ones.) Not (a) and not (b): both would need a use of
# the reward's absolute height, and neither has one.
# </details>
#
# **3.** The gradient of one drawn answer, reward × ∇log p, points upwards for a *bad* answer with reward 4. Is
# something broken? (a) Yes, bad answers must be pushed down. (b) No: on average, better answers are pushed up more, and
# a baseline makes the single draws sensible. (c) Yes, rewards must be negative.
#
# <details><summary>Open 3</summary>
#
# **(b)**. The chances add up to one, so whoever is pushed up less than the others falls. On average the direction is
# exact; with a baseline of 4.4 every single draw points the right way, too. Not (a): that is what the baseline
# achieves, but the mean was right before. (c) is a baseline in disguise, and a poor one: with all rewards negative,
# good answers are pushed down when drawn.
# </details>
#
# **4.** The same answers are used a second time. A *bad* token's ratio is 1.4 by then, and clip is 0.2. What does the
# clipped loss do? (a) It pushes it back. (b) Nothing, it is outside of the clip. (c) It pushes it further up.
#
# <details><summary>Open 4</summary>
#
# **(a)**. The minimum of the two terms takes the worse one, so a move in the wrong direction is always repaired. (b)
# would be so for a *good* token at 1.4, which has got its share already. Not (c): an advantage below zero never pushes
# up.
# </details>
#
# **5.** Your training curve shows the reward rising steadily for 60 rounds. What would you check first? (a) Nothing,
# that is success. (b) KL, length and variety of the answers, and a few answers themselves, with a judgement that the
# training never saw. (c) Whether the learning rate could be higher.
#
# <details><summary>Open 5</summary>
#
# **(b)**. The reward rose as well in the run whose gold utility fell to less than half. KL says how far the
# policy has gone, length and variety are where hacks show first, and a second judge (people, a checker, another reward
# model) sees what the first one cannot. (a) trusts the proxy to judge itself. (c) would get there faster, wherever that
# is.
# </details>

# %% [markdown]
# **What you built**: points out of choices, and their slope; the ceiling that no reader can pass; a reward model's
# number by hand, and the bug at the padding; a head taught by your own twenty rankings; the gradient of a drawn answer,
# with a baseline worth 529 times the draws, where there are two answers; the best policy at a price; PPO's rewards,
# clip and advantages, each equal to the package; and a judge that was maximized until the answers were worth less than
# half.
#
# **Exercise**: rank the twenty pairs once more under another name (the booth's third argument), this time by your mood
# alone or always for the longer answer, and run the cells below it. What does the live run's policy learn from the
# judge that you have raised? Then give PPO without a price a second judge, the mean of proxy and judge: how far does it
# get now?
#
# **Graded questions**, with checks that name the mistake:
# [exercise 10](../exercises/10_rlhf/10_rlhf.ipynb).
#
# **Next**: lesson 11, where the best policy at a price turns out to be a reward model in disguise: DPO needs no judge
# and no draws; and GRPO, which keeps the draws and drops the value.
