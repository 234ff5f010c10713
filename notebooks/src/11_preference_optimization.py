# %% [markdown]
# # 11 · Preference optimization: without a judge, or without a value
#
# **You will build** the two methods that took PPO apart. DPO throws the reward model out: a loss on pairs of answers,
# derived in four lines from the formula at which lesson 10 stopped. GRPO keeps the reward model and throws the value
# out: answers to one question judge each other. You see on a small exact world what each of them finds, and three ways
# in which a falling loss makes a model worse.
#
# **The claim** is in a title: *your language model is secretly a reward model* (Rafailov et al. 2023). So one needs no
# "separate reward model", as the training pipeline has it, no drawing of answers, no PPO; it is said to be simpler and
# at least as good. The first half of this is a theorem, and you will prove it and watch it hold to the last digit. The
# second half is a measurement. Place your bet: of what the best of 64 answers gains by the reward model of lesson 10,
# PPO gained 84 % (three seeds, below). How much does DPO gain, from the same raters?
#
# **Time**: 80 minutes; the cells themselves run in about two.
#
# **Before you start**: lesson 10, of which you need the Bradley-Terry loss, the best policy at a price, and the
# baseline. Softmax is in lesson 00a, KL divergence in the [glossary](../teaching/glossary.md#k).

# %%
import inspect
import json
import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean

import torch

from minillm.analysis.alignment import Estimate, answer
from minillm.course import models
from minillm.course.recipes.preferences import DPO, REWARD, own_answers
from minillm.course.recipes.prompts import WORLD_GRPO, WORLD_PPO
from minillm.data.chat import encode_chat
from minillm.data.pairs import PairBatches, PairData, encode_preferences
from minillm.losses import bradley_terry_loss
from minillm.posttraining import policy_gradient
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.dpo import dpo, implicit_margins, log_probs
from minillm.posttraining.grpo import GRPO, GRPOConfig, grpo
from minillm.posttraining.online import PromptData
from minillm.posttraining.ppo import PPOConfig, ppo
from minillm.posttraining.reward import pair_margins
from minillm.viz.explorer import Explorer
from minillm.viz.figures import grouped_bars, lines, scatter, show
from minillm.world.instructions import Instructions
from minillm.world.raters import RIGHT, Rater, bayes_ceiling, simulate, utility

# %% [markdown]
# ## The formula, turned round
#
# Lesson 10 ended with the best policy there is, when an answer a is worth r(a) points and each nat of KL from the
# reference costs β points:
#
# p*(a) = p_ref(a) · e^(r(a)/β) / Z,
#
# where Z only makes the chances add up to one. Take our four kinds of answers, and a chat model that says them with the
# chances in the third line:

# %%
KINDS = {"right and civil": 5.0, "right": 4.0, "wrong, civil": 1.0, "wrong": 0.0}
worth = torch.tensor(list(KINDS.values())).double()
reference = torch.tensor([0.1, 0.5, 0.1, 0.3], dtype=torch.double)
assert math.isclose(reference.sum(), 1)


# %%
def naive_best_policy(reference, rewards, price):
    shares = reference * torch.exp((rewards - rewards.max()) / price)
    return shares / shares.sum()


# %%
best = naive_best_policy(reference, worth, price=1.0)
for kind, before, after in zip(KINDS, reference, best, strict=True):
    print(f"{kind:16} {before:.4f} -> {after:.4f}")
assert best.argmax() == 1  # "right" was five times as likely from the start

# %% [markdown]
# The formula leads from rewards to a policy. Nothing forbids to read it from right to left. Take logarithms:
#
# log p*(a) = log p_ref(a) + r(a)/β − log Z, and so r(a) = β · log(p*(a) / p_ref(a)) + β · log Z.
#
# Suppose somebody hands you the two columns above and nothing else. What were the answers worth?

# %%
found = 1.0 * (best / reference).log()
log_Z = (reference * worth.exp()).sum().log()
print("beta log(p*/p_ref):", [round(one, 4) for one in found.tolist()])
print("and beta log Z:    ", [round(one, 4) for one in (found + log_Z).tolist()])
torch.testing.assert_close(found + log_Z, worth)

# %% [markdown]
# All four, to the last digit. Without Z, which the finder cannot know, they are all too low by the same 3.75 points;
# but lesson 10 found that rankings do not know the zero either. **A policy and its reference are a reward model**, and
# nobody had to train it. That is the secret of the title.
#
# ## A loss without a judge
#
# Raters choose by differences of rewards: P(a over b) = sigmoid(r(a) − r(b)). Put the policy in for the rewards. Both
# have the same β log Z, since both answer the same question, and in the difference it is gone:
#
# P(a over b) = sigmoid(β log(p(a)/p_ref(a)) − β log(p(b)/p_ref(b))).
#
# Everything on the right side can be read off two language models. Minus the log of it, for what the rater did choose,
# is the loss of **direct preference optimization**, DPO (Rafailov et al. 2023, eq. 7). By hand:


# %%
def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def naive_dpo_loss(policy, reference, pairs, price):
    """The chances of all answers under both models, and pairs (chosen, rejected)."""
    loss = 0.0
    for chosen, rejected in pairs:
        margin = price * math.log(policy[chosen] / reference[chosen])
        margin -= price * math.log(policy[rejected] / reference[rejected])
        loss -= math.log(sigmoid(margin))
    return loss / len(pairs)


assert math.isclose(naive_dpo_loss(reference, reference, [(0, 1)], 1.0), math.log(2))

# %% [markdown]
# At the start policy and reference are the same, so every margin is 0 and every pair costs log 2, a coin toss. The
# package's form has logarithms come in, since that is what a language model gives, and then takes the loss of the
# reward model, which lesson 10 has built:

# %%
print(inspect.getsource(implicit_margins))

# %%
pairs = [(0, 1), (1, 3), (2, 1)]
chosen, rejected = torch.tensor(pairs).T
x = torch.tensor([0.3, 0.4, 0.2, 0.1], dtype=torch.double).log().requires_grad_()
policy = x.log_softmax(0)
ratios = policy[chosen] - policy[rejected]
ratios_before = (reference[chosen] / reference[rejected]).log()

# %%
loss = bradley_terry_loss(implicit_margins(ratios, ratios_before, beta=0.5))
by_hand = naive_dpo_loss(policy.exp().tolist(), reference.tolist(), pairs, 0.5)
print(f"{loss.item():.4f} nats a pair")
assert math.isclose(loss.item(), by_hand)

# %% [markdown]
# ### What a pair pushes
#
# And its slope? Lesson 10: a chosen answer is pushed up by 1 − P, the surprise. Here the same push reaches the logits
# of the policy, times β: up for the chosen one, down for the rejected one, by equally much. Answers that are not in the
# pair get none of it.

# %%
margins = implicit_margins(ratios, ratios_before, beta=0.5).detach()
pushes = torch.zeros(4).double()
for (up, down), margin in zip(pairs, margins.tolist(), strict=True):
    surprise = 1 - sigmoid(margin)
    print(f"{up} over {down}: margin {margin:+.4f}, pushed with {0.5 * surprise:.4f}")
    pushes[up] += 0.5 * surprise / len(pairs)
    pushes[down] -= 0.5 * surprise / len(pairs)
torch.testing.assert_close(torch.autograd.grad(loss, x)[0], -pushes)

# %% [markdown]
# So DPO weights its pairs, by how much the policy is surprised:

# %%
for margin in (-3.0, 0.0, 3.0):
    print(f"margin {margin:+.0f} points: weight {1 - sigmoid(margin):.3f}")
assert round(1 - sigmoid(3.0), 3) == 0.047

# %% [markdown]
# What the policy already tells apart hardly counts, and a pair that it has the wrong way round counts fully. Plain
# "make the chosen one likelier, the other one less likely" lacks this weight; the paper tried it, and the model fell
# into nonsense (section 4, and a table in the appendix).
#
# ### Does it find the best policy?
#
# The test is hard: four kinds of answers, raters whose probabilities we know, no reward anywhere. Here is gradient
# descent on that loss, over all pairs. One thing simplifies: log p is a logit less a constant, and the constant falls
# out of each difference as Z did. So the logits x will do.


# %%
def naive_surprise(lead):
    return torch.sigmoid(-lead)


def naive_dpo(heard, price, updates=1000, push=naive_surprise):
    """The policy's chances; heard[a, b] is how often a is preferred to b."""
    x = reference.log()
    for _ in range(updates):
        points = price * (x - reference.log())
        pushes = heard * push(points[:, None] - points[None])
        x = x + 0.25 / price * (pushes.sum(1) - pushes.sum(0))
    return x.softmax(0)


# %%
heard = torch.sigmoid(worth[:, None] - worth[None])
for price in (0.5, 1.0, 3.0):
    by_pairs, best = naive_dpo(heard, price), naive_best_policy(reference, worth, price)
    print(f"a nat costs {price}:", [round(p, 4) for p in by_pairs.tolist()])
    torch.testing.assert_close(by_pairs, best, rtol=0, atol=1e-6)

# %% [markdown]
# To six digits, at each price. No reward model, no draw, no value, no clip. Look again at the loop: `points` is what
# lesson 10 called points when it fitted Bradley-Terry to the four kinds, and the pushes are the same ones. **DPO is the
# training of a reward model whose rewards are written as β · log(p/p_ref).** When the reward is learnt, the policy
# already is the best one for it.
#
# ## Three ways to go wrong
#
# What was too good in that test? The raters' probabilities were given exactly. Every pair had been compared, endlessly
# often. And each answer had a logit of its own. Take them away, one by one.
#
# ### Raters who are sure
#
# Suppose that the better answer *always* wins. Then P should be 1, and no finite margin will do.


# %%
def kl(policy, other):
    return (policy * (policy / other).log()).sum().item()


sure = (worth[:, None] > worth[None]).double()
for updates in (10, 100, 1000, 10_000):
    policy = naive_dpo(sure, 3.0, updates)
    far = kl(policy, reference)
    print(f"{updates:6} updates: favourite {policy[0]:.4f}, KL {far:.2f}")
best = naive_best_policy(reference, worth, 3.0)
assert kl(policy, reference) > 5 * kl(best, reference)
assert round(kl(best, reference), 2) == 0.15

# %% [markdown]
# It never stops. The price β, which ought to hold the policy near the reference, has become a mere delay: margins grow
# with the logarithm of the updates. With β = 3 the best policy for the true merits moves 0.15 nats. A reward model that
# learns from such raters runs away as well; but then the price is charged by PPO, separately, on each nat that it
# measures. In DPO the price is written inside the sigmoid, and where the sigmoid saturates it is not charged at all.
#
# Azar et al. (2023) saw this and proposed **IPO**: instead of the surprise, which pushes for ever, ask the winner to
# lead by just so much, by a squared error (their eq. 17). In our points: half a point, and whoever leads by more is
# pulled back.


# %%
def naive_half_a_point(lead):
    return 0.5 - lead


assert naive_half_a_point(0.5) == 0

# %%
wins = (sure + torch.eye(4) / 2).mean(1)  # against an answer drawn at random
for price in (0.1, 3.0):
    policy = naive_dpo(sure, price, push=naive_half_a_point)
    print(f"a nat costs {price}:", [round(p, 4) for p in policy.tolist()])
    expected = naive_best_policy(reference, wins, price)
    torch.testing.assert_close(policy, expected, rtol=0, atol=1e-6)

# %% [markdown]
# It stops, and we even know where: at the best policy when an answer is worth *how often it wins*. No answer can be
# worth more than one point then, so a β of IPO is not a β of DPO, and has to be smaller for a like effect. (It will
# arrive in a single update below. That is due to our table: for four answers our step happens to be exactly the inverse
# of the curvature.)

# %%
UPDATES = [1, 3, 10, 30, 100, 300, 1000, 3000]
ROUTES = {"DPO, 1 point": (1.0, naive_surprise), "DPO, 3": (3.0, naive_surprise)}
ROUTES["IPO, 0.2"] = (0.2, naive_half_a_point)
walked = {
    name: [kl(naive_dpo(sure, price, n, push), reference) for n in UPDATES]
    for name, (price, push) in ROUTES.items()
}
assert walked["DPO, 3"][-1] > 2 * walked["DPO, 3"][4]
assert math.isclose(walked["IPO, 0.2"][0], walked["IPO, 0.2"][-1], rel_tol=1e-6)

# %%
show(
    lines(
        walked,
        "updates",
        "KL, nats",
        x=UPDATES,
        references={"favourite only": math.log(10)},
        log_x=True,
    ),
    alt="KL against updates where raters are sure, for a nat at 1 point and at 3. Both of DPO's lines climb towards "
    "the 2.30 nats at which one answer is left, the dearer one later. IPO's is flat from the first update.",
)
assert max(walked["DPO, 1 point"]) < math.log(10)

# %% [markdown]
# ### A handful of comparisons
#
# Real raters are not sure, but each pair is compared *once*, and one comparison looks exactly like a sure rater. On the
# table you can set how many there are. Raters draw their choices from the true probabilities; with *endless* you have
# the exact ones.


# %%
def hear(comparisons):
    """How often each kind beat each other one, in so many comparisons of each pair."""
    if comparisons == "endless":
        return heard
    draws = torch.Generator().manual_seed(11)
    n = int(comparisons)
    rows = torch.rand(n, 4, 4, generator=draws, dtype=torch.double) < heard
    won = rows.double().mean(0).triu(1)
    return won + (1 - won).T.tril(-1)


together = hear("3") + hear("3").T
torch.testing.assert_close(together, 1 - torch.eye(4).double())


# %%
def look(loss, price, comparisons, updates):
    push = {"DPO": naive_surprise, "IPO": naive_half_a_point}[loss]
    best = naive_best_policy(reference, worth, float(price))
    policy = naive_dpo(hear(comparisons), float(price), int(updates), push)
    chances = {"reference": reference, "best policy": best, loss: policy}
    values = [
        f"{name}: worth {(p * worth).sum():.2f}, KL {kl(p, reference):.2f}"
        for name, p in chances.items()
    ]
    return grouped_bars(chances, list(KINDS), "chance"), "; ".join(values) + "."


# %%
assert "DPO: worth 4.30, KL 0.55" in look("DPO", "1", "endless", "1000")[1]
assert "DPO: worth 4.00, KL 0.69" in look("DPO", "1", "1", "1000")[1]
SEEN = (("1", "1000", 0.55), ("1", "30", 0.22), ("100", "3000", 0.16))
for comparisons, updates, far in SEEN:
    assert look("DPO", "3", comparisons, updates)[1].endswith(f"KL {far}.")

# %%
Explorer(
    look,
    loss=["DPO", "IPO"],
    price=["1", "0.3", "3"],
    comparisons=["1", "3", "10", "100", "endless"],
    updates=["1000", "30", "300", "3000"],
)

# %% [markdown]
# It begins with one comparison of each pair. A toss of the coin has put *right* above *right and civil*, and DPO takes
# it for a law: of the best answer nothing is left. Raise the price to 3 points. The best policy now stays within 0.15
# nats; DPO goes 0.55. Fewer updates help, the *early stopping* of everyone who trains with DPO: after 30 it is at 0.22.
# And what really helps is to ask more people: with a hundred comparisons it stands at 0.16, however long it runs.
#
# Then IPO, at 0.3: one comparison or endlessly many make little difference to it. Now look at what it pays for that
# when the comparisons are endless. It knows only how *often* an answer wins, and *right* wins nearly as often as *right
# and civil*.
#
# ### A neighbour whom nobody mentioned
#
# On the table a pair moved two logits and no other. In a network answers share their weights, down to the last one. Let
# three answers share two: one weight for each courtesy in an answer, one for each mistake.

# %%
THREE = ["Certainly. 12.", "Certainly, with pleasure. 13.", "Ask somebody else."]
FEATURES = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 0.0]])  # courtesies, mistakes


def train_on_one_pair(imitation, updates=200):
    """The chances of the three answers, update by update; the first is preferred."""
    weights, path = torch.zeros(2), []
    for _ in range(updates):
        weights.requires_grad_()
        log_p = (FEATURES @ weights).log_softmax(0)
        path.append(log_p.detach().exp())
        margin = implicit_margins(log_p[:1] - log_p[1:2], torch.zeros(1), beta=0.5)
        loss = bradley_terry_loss(margin) - imitation * log_p[0]
        (slope,) = torch.autograd.grad(loss, weights)
        weights = weights.detach() - 0.5 * slope
    return torch.stack(path)


# %%
by_pairs = train_on_one_pair(imitation=0.0)
print("           ", THREE)
for update in (0, 1, 20, 199):
    print(f"after {update:3}:", [round(p, 4) for p in by_pairs[update].tolist()])
assert (by_pairs[:, 0] / by_pairs[:, 1]).diff().min() > 0
assert by_pairs[-1, 0] < 0.1
assert by_pairs[-1, 2] > 0.9

# %% [markdown]
# The loss went down at every single step. The preferred answer went down too, and the winner is an answer that no rater
# has ever seen. Nothing is wrong with the gradient: chosen less rejected is (1, 0) − (2, 1) = (−1, −1), *fewer
# courtesies and fewer mistakes*, and the third answer has the fewest of both. DPO wants a **difference**, and does not
# care which of the two moves, nor where the chance goes that both lose. Researchers call it *likelihood displacement*
# (Razin et al. 2024; Pal et al. 2024 prescribe against it).
#
# The remedy in our recipe is old: learn the chosen answer as an example as well, as in SFT. That is the term
# `imitation` (Pang et al. 2024, eq. 1).

# %%
with_imitation = train_on_one_pair(imitation=1.0)
curves = {"preferred, pairs only": by_pairs[:, 0]}
curves["the third, pairs only"] = by_pairs[:, 2]
curves["preferred, imitation"] = with_imitation[:, 0]
show(
    lines(curves, "updates", "chance"),
    alt="Chances against updates. By pairs alone the preferred answer falls from a third to nearly nothing, and the "
    "third answer takes nearly all. With imitation the preferred one rises to nearly one.",
)
assert with_imitation[-1, 0] > 0.9

# %% [markdown]
# ## The same on the assistant
#
# Now the course's chat model. What should its pairs be? Lesson 10's judge compared candidates written by the world,
# from excellent to rude nonsense. For DPO the answers had better be the model's own. Ask it 192 short questions, four
# times each, and let raters choose; and 40 more questions to measure on.

# %% tags=["nbval-ignore-output"]
sft, tokenizer = models.sft()
judge = models.reward()[0].eval()
END = [tokenizer.eos_id]
STREAM = Instructions(6_000_000).instructions(700)
SHORT = [one for one in STREAM if len(one.prompt) < 160]
LEARNT, OTHERS = SHORT[:192], SHORT[192:232]
assert len(OTHERS) == 40


# %% tags=["nbval-ignore-output"]
def ranked(asked, seed):
    """Four answers of the chat model to each question, in pairs, as raters chose."""
    own = own_answers(sft, tokenizer, asked, n=4, seed=seed)
    said = dict(zip((one.prompt for one in asked), own, strict=True))
    found = simulate(asked, Rater(), seed, 4, lambda one: said[one.prompt])
    return encode_preferences(tokenizer, found, 256)


# %% tags=["nbval-ignore-output"]
learnt, held = ranked(LEARNT, seed=10), ranked(OTHERS, seed=1)
for pair in held.preferences[:3]:
    print(f"p = {pair.probability:.2f}  {pair.chosen!r}  over  {pair.rejected!r}")
print(len(learnt.pairs), "pairs to learn from,", len(held.pairs), "to measure on")
assert len(learnt.pairs) > 400

# %% [markdown]
# How likely does the chat model find such answers? The package reads each question once for all of its answers:


# %%
@torch.no_grad()
def both_log_probs(model, pairs):
    """log p of the chosen answers and of the rejected ones, (2, pairs)."""
    model.eval()
    parts = [log_probs(model, pairs[n : n + 32]) for n in range(0, len(pairs), 32)]
    return torch.cat([torch.stack(part) for part in parts], 1)


# %% tags=["nbval-ignore-output"]
before = both_log_probs(sft, held.pairs)
assert before.shape == (2, len(held.pairs))

# %% [markdown]
# By hand, for the first three pairs. The log-probability of an answer is the sum over its tokens, as ever:


# %%
@torch.no_grad()
def naive_log_prob(model, prompt, answer):
    ids = torch.tensor([[*prompt, *answer]])
    log_p = model(ids)[0].log_softmax(-1)  # (T, V)
    places = range(len(prompt) - 1, ids.shape[1] - 1)
    return sum(log_p[t, id] for t, id in zip(places, answer, strict=True))


# %% tags=["nbval-ignore-output"]
for n, pair in enumerate(held.pairs[:3]):
    both = pair.chosen, pair.rejected
    by_hand = torch.stack([naive_log_prob(sft, pair.prompt, one) for one in both])
    torch.testing.assert_close(by_hand, before[:, n], rtol=1e-3, atol=1e-3)
    print("chosen {:.2f}, rejected {:.2f}".format(*by_hand.tolist()))

# %% [markdown]
# And how likely are the candidates of the world, for the same questions?

# %% tags=["nbval-ignore-output"]
world = encode_preferences(tokenizer, simulate(OTHERS, Rater(), 1, 4), 256)
strange = both_log_probs(sft, world.pairs)
print(f"an answer of its own: {before.mean():6.1f} nats")
print(f"one that the world wrote: {strange.mean():6.1f} nats")
assert strange.mean() < before.mean() - 50

# %% [markdown]
# There is the reason for its own answers. A candidate of the world has a probability of about e^−160, before the
# training and after it: DPO may turn it round and round, nobody will ever hear it. (Where two of its own four answers
# are the same there is nothing to rank, so 192 questions give fewer than the 768 pairs that were asked for.)
#
# ### Two trainings
#
# Both see the same pairs three times or a little more. The first one is DPO as in the paper's experiments: β = 0.1 and
# nothing else. The second is the course's recipe, with two precautions: β = 0.3, and imitation beside it.

# %% tags=["nbval-ignore-output"]
DATA = PairData(PairBatches(learnt.pairs, batch_size=8, seed=0), held.pairs)
CONFIG = replace(DPO.training, steps=72, warmup_steps=4, log_every=6)


def train_dpo(data, **settings):
    """72 updates of up to 32 pairs, from the chat model: the policy and its metrics."""
    return dpo(models.sft()[0], data, replace(CONFIG, **settings))


# %% tags=["nbval-ignore-output"]
bare, bare_history = train_dpo(DATA, beta=0.1, imitation=0.0)
careful, history = train_dpo(DATA)
assert len(history) == len(bare_history)

# %% tags=["nbval-ignore-output"]
curves = {"bare": [line["accuracy"] for line in bare_history]}
curves["careful"] = [line["accuracy"] for line in history]
x = [line["step"] for line in history]

# %% tags=["nbval-ignore-output"]
show(
    lines(curves, "update", "margin above 0", x=x, references={"coin": 0.5}),
    alt="The share of a batch of pairs that the policy has the right way round. Both lines rise from a coin's half to "
    "about three quarters by the third time that the pairs are seen, and go up and down with the batch.",
)
assert min(sum(curve[-4:]) / 4 for curve in curves.values()) > 0.65

# %% [markdown]
# On the pairs that it learns from, DPO is a great success. Now look at pairs that it has not seen: how have the two
# answers moved, in nats?

# %% tags=["nbval-ignore-output"]
moved = {
    name: both_log_probs(model, held.pairs) - before
    for name, model in (("bare", bare), ("careful", careful))
}
for name, table in moved.items():
    fell = (table[0] < 0).float().mean()
    print("{}: chosen {:+.2f}, rejected {:+.2f}".format(name, *table.mean(1)), end="")
    print(f"; {fell:.0%} of the chosen fell")
    lead = (table[0] - table[1]).mean()
    assert lead > 0.4
    assert table[0].mean().abs() < lead / 2 < -table[1].mean()

# %% tags=["nbval-ignore-output"]
show(
    grouped_bars(
        {name: table.mean(1) for name, table in moved.items()},
        ["chosen", "rejected"],
        "change of log p, nats",
    ),
    alt="The mean change of the log-probability of unseen chosen and rejected answers. In both trainings the chosen "
    "ones hardly move, and the rejected ones fall, in the bare training by more than a nat.",
)
assert moved["bare"][1].mean() < moved["careful"][1].mean() < 0

# %% [markdown]
# The difference grew, as the loss wanted, and it grew downwards: the rejected answers fell, and the chosen ones on
# average stayed where they were, or with imitation rose a little. A quarter of them became *rarer*, with imitation a
# fifth, though they were preferred. So the loss does not say who moves. On the table the preferred answer fell with the
# other; here most of the preferred ones held out.
#
# ### Secretly a reward model?
#
# Each of these policies is a reward model, too: β · log(p/p_ref), no training needed. So let us use them as one. How
# often do raters agree with each, on the unseen pairs? Beside them the judge of lesson 10, and the course's PPO model,
# which learnt from that judge and should have its taste in it.


# %% tags=["nbval-ignore-output"]
def agreement(margins):
    """How often raters agree with these margins, on the unseen pairs."""
    chances = [one.probability for one in held.preferences]
    both = zip(margins.tolist(), chances, strict=True)
    return fmean(p if margin > 0 else 1 - p for margin, p in both)


most = bayes_ceiling(held.preferences).accuracy
assert 0 < agreement(before[0] - before[1]) < most

# %% tags=["nbval-ignore-output"]
after_ppo = both_log_probs(models.ppo()[0], held.pairs) - before
views = {"the judge": pair_margins(judge, held.pairs)}
views |= {name: table[0] - table[1] for name, table in moved.items()}
views["the PPO model"] = after_ppo[0] - after_ppo[1]
found = {name: agreement(view) for name, view in views.items()}

# %% tags=["nbval-ignore-output"]
for name, share in found.items():
    print(f"{name:17} {share:.3f}")
print(f"{'ceiling':17} {most:.3f}")
assert max(found.values()) < most
assert min(found.values()) > (0.5 + most) / 2

# %% [markdown]
# The secret reward models come two thirds to four fifths of the way from a coin to the ceiling, as far as the judge or
# nearly so: a hundred pairs cannot tell them apart. The ceiling itself is low, for four answers of one model to one
# question are often nearly alike: most differ only in how civil they are. What has become of the theorem? It speaks of
# the *best* policy. These three are on their way towards it. **Every policy is the best one for some reward. It need
# not be the one it was trained for.**
#
# ## GRPO: the group is the baseline
#
# Back to drawing answers. PPO needs an expectation for each answer, so that "4.2 points" can be called good or bad, and
# trains a second head to give it, the value. But lesson 10 has shown what a good baseline is: *the mean reward*. To get
# it, ask the same question eight times. **Group relative policy optimization** (Shao et al. 2024, section 4.1.2) does
# just this, and divides by the group's standard deviation (with n − 1, as a sample's; that is how TRL computes it). All
# tokens of an answer get the same advantage:


# %%
def naive_group_advantages(scores):
    mean = sum(scores) / len(scores)
    deviation = math.sqrt(
        sum((score - mean) ** 2 for score in scores) / (len(scores) - 1)
    )
    return [(score - mean) / deviation if deviation else 0.0 for score in scores]


# %%
group = [4.2, 0.1, 3.9, 4.0, -0.3, 4.1, 3.8, 5.0]
by_hand = torch.tensor(naive_group_advantages(group))
theirs = policy_gradient.group_advantages(torch.tensor(group), group_size=8)
torch.testing.assert_close(by_hand, theirs, rtol=1e-4, atol=1e-5)
print([round(one, 2) for one in by_hand.tolist()])

# %% [markdown]
# Is that still right on average? The baseline of lesson 10 was a fixed number. The mean of a group has each answer's
# own reward in it: for one part in eight, an answer is compared with itself. So let us take lesson 10's smallest case
# again, *plain* (4 points, chance 0.6) and *civil* (5 points, 0.4), whose exact slope was 0.24, and go through all the
# groups that can be drawn:


# %%
def mean_slope(size):
    """The slope of the civil answer's logit, averaged over all groups of this size."""
    total = 0.0
    for group in product((0, 1), repeat=size):
        chance = math.prod((0.6, 0.4)[answer] for answer in group)
        baseline = 4.0 + sum(group) / size
        slopes = [(4.0 + a - baseline) * (a - 0.4) for a in group]
        total += chance * sum(slopes) / size
    return total


# %%
for size in (2, 4, 8):
    print(f"groups of {size}: {mean_slope(size):.4f}")
    assert math.isclose(mean_slope(size), 0.24 * (1 - 1 / size))

# %% [markdown]
# The direction is right, and the length too short by one part in the group's size; a learning rate makes up for that.
# (Who compares each answer with the mean of the *others* has it exactly: RLOO, Kool et al. 2019, Ahmadian et al. 2024.)
# What the package does with the advantages:

# %%
print(inspect.getsource(GRPO.loss))

# %% [markdown]
# That is all: PPO's clip, an advantage without a value, and the price of KL as a term of the loss, not of the reward.
# DeepSeek-R1 (2025) was trained with it. Some of its decisions look harmless, and each has a consequence that you can
# compute.
#
# ### The unit is gone
#
# Reward answers in points or in tenths of a point, add seven to all: the advantages are the same. That is handy, and it
# takes away the meaning of β. PPO's 0.05 were *points* per nat. GRPO's 0.04 are *standard deviations of a group* per
# nat, whatever a standard deviation is.

# %%
for scale, shift in ((1, 0), (10, 7), (0.001, 0)):
    scores = [scale * score + shift for score in group]
    torch.testing.assert_close(
        torch.tensor(naive_group_advantages(scores)), by_hand, rtol=1e-4, atol=1e-5
    )
alike = [3.01, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
apart = [5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
for name, scores in (("a hundredth of a point", alike), ("five points", apart)):
    ahead = naive_group_advantages(scores)[0]
    print(f"{name} ahead: {ahead:.4f}")
    assert math.isclose(ahead, 7 / math.sqrt(8))

# %% [markdown]
# The two last lines are the same number. Where all answers are as good as equal, the judge's smallest whim is taken for
# a triumph.
#
# ### Hard and easy questions
#
# Let rewards be 1 for right and 0 for wrong, as with a checker. With n right answers of eight, how hard does the group
# push? Without the division the advantages of the right ones add up to 8 · p · (1 − p), with it to √56 · √(p(1 − p)).

# %%
right = torch.arange(1, 8)
raw, divided = [], []
for n in right.tolist():
    scores = [1.0] * n + [0.0] * (8 - n)
    raw.append(sum(max(score - n / 8, 0) for score in scores))
    divided.append(sum(max(one, 0) for one in naive_group_advantages(scores)))
p = right / 8
torch.testing.assert_close(torch.tensor(raw), 8 * p * (1 - p))
torch.testing.assert_close(torch.tensor(divided), (56 * p * (1 - p)).sqrt())

# %%
curves = {"divided by the deviation": [one / divided[3] for one in divided]}
curves["not divided"] = [one / raw[3] for one in raw]
show(
    lines(curves, "right answers of eight", "push (4 of 8: 1)", x=right),
    alt="The push of a group against the number of right answers among eight, as a share of the push with four. At one "
    "or seven it is 0.66 where advantages are divided by the deviation and 0.44 where they are not.",
)
assert [round(curve[0], 2) for curve in curves.values()] == [0.66, 0.44]

# %% [markdown]
# Dividing gives the questions at the edge, almost never or almost always answered, half as much again. That may even be
# welcome; it is no longer the gradient of the mean reward. (Groups that are all right or all wrong push nothing at all
# in either form: they are drawn for nothing.)
#
# ### Long wrong answers
#
# Every answer weighs the same in the loss, so a token of a long answer weighs less. Two wrong answers, of 5 tokens and
# of 50, with the same advantage of −1:

# %%
counts = torch.arange(50) < torch.tensor([[5], [50]])
log_p = torch.zeros(2, 50, requires_grad=True)
per_token = policy_gradient.clipped_policy_loss(
    log_p, torch.zeros(2, 50), -torch.ones(2, 50), clip=0.2
)
for mean in (policy_gradient.answer_mean, policy_gradient.token_mean):
    (slope,) = torch.autograd.grad(mean(per_token, counts), log_p, retain_graph=True)
    short, long = slope[:, 0].tolist()
    print(f"{mean.__name__}: pushed down with {short:.4f} and {long:.4f} a token")
assert math.isclose(short, long)

# %% [markdown]
# By `answer_mean`, which is GRPO's, the long wrong answer is punished ten times more gently for each token. A right one
# is, by the same rule, rewarded more for being short; but where most answers are wrong, the cheapest way to lose less
# is to go on talking. Liu et al. (2025) found this and the division in DeepSeek's recipe, suspected that a part of its
# famous ever longer thoughts comes from here, and drop both ("Dr. GRPO"). `token_mean` is what our PPO uses. The
# package keeps the form of 2024, for that is what the name means.
#
# ### The price has another slope
#
# The last one is subtle. The KL is estimated token by token as p_ref/p − 1 − log(p_ref/p). Its mean over draws is
# exactly the KL, and it is never negative, which the plain log(p/p_ref) often is:


# %%
def naive_kl_estimate(p, p_ref):
    return p_ref / p - 1 - math.log(p_ref / p)


x = torch.tensor([0.3, 0.4, 0.2, 0.1], dtype=torch.double).log().requires_grad_()
policy = x.softmax(0)
both = list(zip(policy.tolist(), reference.tolist(), strict=True))
estimates = policy_gradient.kl_estimate(policy.log(), reference.log())
by_hand = torch.tensor([naive_kl_estimate(*one) for one in both]).double()
torch.testing.assert_close(estimates, by_hand)
mean = (policy * estimates).sum().item()
print(f"KL {kl(policy, reference):.4f}, mean estimate {mean:.4f}")
assert math.isclose(kl(policy, reference), mean, rel_tol=1e-9)

# %% [markdown]
# But a training takes no mean; it takes slopes, of answers that were drawn and now stand still. And a right estimate
# may have a slope of its own:

# %%
drawn = policy.detach()  # the draws do not move with x
wanted = {
    "KL(policy, reference)": (policy * (policy / reference).log()).sum(),
    "KL(reference, policy)": (reference * (reference / policy).log()).sum(),
    "the estimate's": (drawn * estimates).sum(),
}
slopes = {}
for name, value in wanted.items():
    (slopes[name],) = torch.autograd.grad(value, x, retain_graph=True)
    print(f"{name:22}", [round(one, 4) for one in slopes[name].tolist()])
torch.testing.assert_close(slopes["the estimate's"], slopes["KL(reference, policy)"])

# %% [markdown]
# The number is the KL from the policy to the reference; what pulls on the weights is the KL *the other way round*,
# which punishes an answer that is lost more than one that is gained. It still holds the policy back. It is only not
# what the paper's formula says that it minimizes (Tang and Munos 2025 collect such pitfalls).

# %% [markdown]
# ## The same budget for all
#
# Now let them compete. What is *equal*? We count answers. GRPO and PPO run twelve rounds of 64 drawn answers, each
# learned from twice. DPO has drawn as many before it began, 192 questions of four; and learns from up to 64 answers an
# update, so 24 updates would be its fair share. We have given it 72.

# %%
ROUNDS, CHOSEN_AND_REJECTED = 12, 2
online = GRPOConfig(steps=ROUNDS, max_new_tokens=40)
an_update = DPO.batch_size * DPO.pairs_per_instruction * CHOSEN_AND_REJECTED
for config in (online, PPOConfig(steps=ROUNDS)):
    drawn = config.steps * config.prompts_per_step * config.answers_per_prompt
    name, learnt_from = type(config).__name__, config.epochs * drawn
    print(f"{name}: {drawn} answers drawn, {learnt_from} learnt from")
print(f"DPO: {len(LEARNT) * 4} drawn, up to {72 * an_update} learnt from")
assert (drawn, 72 * an_update) == (len(LEARNT) * 4, 3 * online.epochs * drawn)

# %% tags=["nbval-ignore-output"]
prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in LEARNT]
asked = PromptData(prompts, judge.score, END)
by_grpo, grpo_history = grpo(models.sft()[0], asked, online)
by_ppo, ppo_history = ppo(
    models.sft()[0], asked, PPOConfig(steps=ROUNDS, max_new_tokens=40)
)
curves = {"GRPO": [line["reward"] for line in grpo_history]}
curves["PPO"] = [line["reward"] for line in ppo_history]

# %% tags=["nbval-ignore-output"]
show(
    lines(curves, "round", "the judge's points", x=range(1, ROUNDS + 1)),
    alt="The judge's mean reward of 64 answers, over twelve rounds of GRPO and of PPO. Both lines go up and down with "
    "the questions of the round, by more than they rise from the first rounds to the last.",
)
assert min(past[-1]["kl"] for past in (grpo_history, ppo_history)) > 0.1

# %% [markdown]
# ### Whose rankings?
#
# One thing is not equal, and it is easy to overlook. GRPO and PPO ask the judge, and the judge has learnt from 358,400
# rankings. DPO has had some 500 of its own, each of them *one* toss of a rater's coin. So here is a third DPO with the
# same answers, the same pairs and the same updates; only who is *chosen* is now said by the judge.

# %% tags=["nbval-ignore-output"]
margins = pair_margins(judge, learnt.pairs).tolist()
judged = [
    pair if margin > 0 else replace(pair, chosen=pair.rejected, rejected=pair.chosen)
    for pair, margin in zip(learnt.pairs, margins, strict=True)
]
turned = sum(old != new for old, new in zip(learnt.pairs, judged, strict=True))
print(f"{turned} of {len(judged)} pairs are turned round")
assert 0 < turned < len(judged) / 2

# %% tags=["nbval-ignore-output"]
chances = [one.probability for one in learnt.preferences]
a_toss = fmean(p**2 + (1 - p) ** 2 for p in chances)
by_margin = zip(margins, chances, strict=True)
the_judge = fmean(p if margin > 0 else 1 - p for margin, p in by_margin)
print(
    f"raters agree with another toss in {a_toss:.3f}, with the judge in {the_judge:.3f}"
)
assert the_judge > a_toss

# %% tags=["nbval-ignore-output"]
by_judge, judge_history = train_dpo(PairData(PairBatches(judged, 8, 0), held.pairs))
for name, lines_of in (("tosses", history), ("the judge", judge_history)):
    print(f"by {name}, the right way round at last: {lines_of[-1]['accuracy']:.2f}")
assert fmean(line["accuracy"] for line in judge_history[-4:]) > 0.6

# %% [markdown]
# ### What was won
#
# Two hundred short questions that none of them has seen, three answers to each, and the gold utility, at which no
# training was allowed to look. Errors are those of the difference on the same questions.

# %% tags=["nbval-ignore-output"]
FRESH = Instructions(4_000_000, "held-out").instructions(700)
TESTED = [one for one in FRESH if len(one.prompt) < 160][:200]
assert len(TESTED) == 200


# %%
def points_of(model):
    """Per question: gold utility, its points for being right, KL from the chat model."""
    each = TESTED * 3
    said = answer(model, tokenizer, each, reference=sft, seed=0, max_new_tokens=40)
    found = [
        (utility(one, a.text), RIGHT * one.check(a.text), a.log_ratio)
        for one, a in zip(each, said, strict=True)
    ]
    return torch.tensor(found).view(3, len(TESTED), 3).mean(0).unbind(-1)


# %% tags=["nbval-ignore-output"]
start = points_of(sft)
gold, right, _ = start
print(f"the chat model: {gold.mean():.2f} points, {right.mean():.2f} for being right")
assert 3 < right.mean() < 4

# %% tags=["nbval-ignore-output"]
POLICIES = {"DPO, bare": bare, "DPO, careful": careful, "DPO, judge": by_judge}
POLICIES |= {"GRPO": by_grpo, "PPO": by_ppo, "PPO, long": models.ppo()[0]}
assert len(POLICIES) == 6

# %% tags=["nbval-ignore-output"]
gains, distances = {}, {}
for name, policy in POLICIES.items():
    gold, right, log_ratio = points_of(policy)
    gain, of_right = (
        Estimate.of((now - was).tolist())
        for now, was in zip((gold, right), start, strict=False)
    )
    gains[name], distances[name] = gain, log_ratio.mean().item()
    print(f"{name:12} {gain.mean:+.2f} ± {gain.stderr:.2f}", end="")
    print(f"   being right {of_right.mean:+.2f}   KL {distances[name]:.2f}")
assert gains["GRPO"].mean > gains["DPO, bare"].mean + 0.2

# %% [markdown]
# The last line is the course's PPO model, with its 160 rounds of 128 answers. The errors are those of 200 questions.
# Another draw of answers to learn from moves a line by more, so one run says little, and some were repeated for you:
#
# - **Fresh answers and a judge win over old pairs and tosses.** GRPO is ahead of DPO on the raters' pairs by about two
#   errors, PPO by nearly as much, and both learned from about half as many answers. Two things differ here, the answers
#   and who ranks them.
# - **The value is not needed**, at least here: after twelve rounds GRPO and PPO cannot be told apart.
# - **The precautions pay.** Bare DPO won nothing, lost a third of a point of right answers, and went twice as far. With
#   four other draws of the pairs it won 0.26, −0.16, −0.44 and −0.02 points, and careful DPO 0.32, 0.26, 0.09 and 0.15:
#   ahead in all five, and with more right answers in all five.
# - **Most of what is won is manners.** The chat model is right nine times in ten, so little is left to win there. The
#   column *being right* is near 0 for GRPO and both PPO runs, and negative for DPO.
# - **Who ranks may matter.** With the judge's choices DPO won 0.18 more than with the tosses, and one draw of pairs is
#   not enough to trust two errors. The judge's choices are right somewhat more often than a rater's single toss, and
#   the *kind* of mistakes differs, too. A toss that went the wrong way can only be learned by heart, for it says
#   nothing of the next pair; the judge decides like cases alike, its mistakes included. The exercise tests this.
#
# In these short runs the methods with a separate reward model gained more. One possible reason is that it averages
# 358,400 noisy labels, where DPO here fits some 500. Another is that GRPO and PPO learn from fresh answers. This
# experiment can't separate the two. With the full recipes, three rounds of DPO match PPO and GRPO within the error and
# use no reward model (see the three seeds below).
#
# ### The honest rival
#
# A method that trains should beat one that does not. Best of n needs the judge and no training, and its distance is
# known: at most log n − (n − 1)/n nats (lesson 10). So to each trained policy belongs an n that goes as far. Thirty-two
# draws to each of fifty of the questions, and lesson 10's count of what the best of n of them is worth:

# %% tags=["nbval-ignore-output"]
N, LAB = 32, TESTED[:50]
EACH = [encode_chat(tokenizer, one.messages[:-1]) for one in LAB for _ in range(N)]
drawn = draw(sft, EACH[::N], N, 40, END, seed=0)
texts = [tokenizer.decode([id for id in ids if id not in END]) for ids in drawn]
worths = [utility(LAB[n // N], text) for n, text in enumerate(texts)]
worths = torch.tensor(worths).double().view(-1, N)
in_order = worths.gather(1, judge.score(EACH, drawn).view(-1, N).argsort(1))
assert in_order.shape == (50, N)


# %% tags=["nbval-ignore-output"]
def naive_best_of(n):
    """The mean worth of the answer that the judge likes best among n."""
    chance = [math.comb(i, n - 1) / math.comb(N, n) for i in range(N)]
    return (in_order * torch.tensor(chance).double()).sum(1).mean().item()


NS = [1, 2, 4, 8, 16, 32]
furthest = [math.log(n) - (n - 1) / n for n in NS]
rival = [naive_best_of(n) - naive_best_of(1) for n in NS]
print([(n, round(gain, 2)) for n, gain in zip(NS, rival, strict=True)])
assert rival[3] > 0.2

# %% tags=["nbval-ignore-output"]
show(
    scatter(
        list(distances.values()),
        [gain.mean for gain in gains.values()],
        "KL from the chat model, nats",
        "gold utility won, points",
        labels=[name.replace(", ", "-") for name in gains],
        fit=(furthest, rival),
        fit_name="best of 1 to 32, by the judge",
    ),
    alt="Points won against KL. A line for the best of 1 to 32 rises steeply and flattens; all six trained policies "
    "lie below it, PPO with 160 rounds the highest and GRPO next, bare DPO the lowest and the furthest away.",
)
assert rival[-1] > max(gain.mean for gain in gains.values())

# %% [markdown]
# In our run everything that was trained lies below the line, the long PPO within about an error of it. The best of
# *four* (on a quarter of the questions) wins as much as any of them and is at most 0.64 nats away. The longer run moves
# up along the line: the course's PPO model won twice as much as the twelve rounds did, at nearly twice the KL. (Its
# recipe differs in more than the rounds.) Training doesn't beat best of four here. What it saves is sampling: one
# answer per question in place of four.
#
# ## Three seeds, with the full recipes
#
# Twelve rounds with one seed are only a sketch. `benchmarks/alignment.py` trains each method with its full recipe on
# three seeds, and evaluates it on 300 held-out instructions of all kinds per seed. All seeds start from the same chat
# model and use the same reward model, so the spread does not include retraining those two. The next cell reads its
# results. Points are the gold utility of answers sampled at temperature 1, and *right* counts greedy answers. A
# percentage is a method's gain over SFT divided by best-of-64's gain, per seed. 100 % matches best-of-64; it is not a
# ceiling.
#
# Plain `dpo` samples all its pairs from the chat model before it trains. `dpo-rounds` is iterated DPO (Xu et al. 2023).
# After each round, the trained model samples 12,800 new pairs, the raters label them, and training continues, for three
# rounds in all. Each round's reference is the model of the round before, so β limits the KL of a round, not the KL from
# the chat model. Two more methods train on the reward model's choices without RL. `dpo-judge` is DPO on the pairs of
# `dpo`, labeled by the reward model in place of the raters. `distilled` is SFT on the best of 16 answers to each of
# 1,000 training instructions.

# %%
KEPT = Path("../benchmarks/results/alignment.json")
runs = json.loads(KEPT.read_text(encoding="utf-8"))["runs"]
for name in ("SFT", "ppo", "grpo", "dpo", "dpo-rounds", "dpo-judge", "distilled"):
    rows = [run[name] for run in runs]
    keys = ("utility", "kl", "accuracy")
    points, nats, share = (fmean(row[key] for row in rows) for key in keys)
    closed = ", ".join(f"{row['closed']:.0%}" for row in rows)
    print(f"{name:10} {points:.2f} points, KL {nats:.2f}, right {share:.1%}", end="")
    print(f"; of the gain {closed}")

# %%
METHODS = {"ppo": "PPO", "grpo": "GRPO", "dpo": "DPO", "dpo-rounds": "DPO-rounds"}
METHODS |= {"dpo-judge": "DPO-judge", "distilled": "distilled"}
closed = {name: fmean(run[name]["closed"] for run in runs) for name in METHODS}
assert [round(s, 2) for s in closed.values()] == [0.84, 0.76, 0.55, 0.79, 0.53, 0.42]

# %%
found = [(name, run) for name in METHODS for run in runs]
far = [run[name]["kl"] for name, run in found]
won = [run[name]["utility"] - run["SFT"]["utility"] for name, run in found]
names = [METHODS[name] for name, _ in found]
show(
    scatter(
        far,
        won,
        "KL from the chat model, nats",
        "gold utility won, points",
        labels=names,
    ),
    alt="Points gained against KL for three seeds of each method. DPO stays within 0.5 nats and gains 0.22 to 0.44 "
    "points, and 0.42 to 0.58 at about one nat in three rounds. PPO gains 0.48 to 0.57 within 1.2 nats, GRPO 0.40 to "
    "0.53 within 1.6. DPO on the reward model's choices gains 0.28 to 0.37 at 1.2 to 1.4 nats, distillation 0.22 to "
    "0.31 at almost two.",
)
gained = {name: won[3 * number : 3 * number + 3] for number, name in enumerate(METHODS)}
assert max(far[6:9]) < 0.6 < min(far[:3])
assert min(gained["grpo"]) > 0.39
assert fmean(gained["ppo"]) > fmean(gained["dpo"]) > fmean(gained["distilled"])
assert fmean(gained["dpo-rounds"]) > fmean(gained["dpo"]) + 0.1

# %% [markdown]
# What do the recipes give to each method?

# %%
for name, config in (("PPO", WORLD_PPO), ("GRPO", WORLD_GRPO)):
    drawn = config.steps * config.prompts_per_step * config.answers_per_prompt
    print(f"{name}: {drawn} answers drawn, {config.epochs * drawn} learnt from")
learnt_by_judge = REWARD.training.steps * an_update
print(f"their judge: {REWARD.pairs} rankings, {learnt_by_judge} answers learnt from")
learnt_by_dpo = DPO.training.steps * an_update
print(f"DPO: {DPO.pairs} rankings, {DPO.pairs} drawn, {learnt_by_dpo} learnt from")
print("DPO, 3 rounds: three times as many of each")
learnt_online = config.epochs * drawn
assert REWARD.pairs == 28 * DPO.pairs
assert learnt_by_dpo > learnt_online
assert 0.2 < learnt_by_dpo / (learnt_online + learnt_by_judge) < 0.21

# %% [markdown]
# So "at equal compute" has no single meaning here, and you should ask what it means whenever you read it. PPO samples
# and learns from more answers than one round of DPO and fewer than three; GRPO learns from fewer than either. If the
# reward model's training counts, one round of DPO learns from a fifth as many as GRPO. It uses one ranking for every 28
# that the reward model saw, and rankings cost people's time.
#
# The recipes were also tuned, unequally. DPO's is the best of eight on an earlier version of this world; we later
# doubled its pairs. We tried a second round on 600 questions of another seed, and added the third without a trial.
# PPO's recipe is the best of five on the same 600 questions; our previous one drew only 7,680 answers and closed 66 %.
# GRPO's is the better of two on 150 questions of the first seed, so that seed is not an independent test for GRPO.
# `dpo-judge` and `distilled` were not tuned at all.
#
# ## The verdict
#
# *Your language model is secretly a reward model*: **true**, as a theorem, and you have checked it to the last digit.
# At a given β, the optimal policy determines the reward up to a constant per prompt. A policy still in training only
# approximates this: ours got two thirds of the way from chance to the ceiling.
#
# *Simpler*: **true**. It needs a loss on pairs, the one training loop of this course and two models in memory, and
# samples nothing while it learns. But it needs safeguards: pairs of the model's own answers, early stopping, and an
# imitation loss. Three rounds also need sampling between them, so part of the simplicity is gone.
#
# *At least as good*: **one round is not; after three rounds we see no difference**. One round of DPO on the raters'
# labels closed 55 % (36, 66 and 64), PPO 84 % (77, 102 and 73) and GRPO 76 % (65, 94 and 70). Both beat one round of
# DPO on all three seeds: PPO by 0.17 ± 0.06 points and GRPO by 0.13 ± 0.04 (standard errors over seeds). Three rounds
# closed 79 % (78, 75 and 83) at a KL of 1.0. We cannot tell that from either: it is 0.03 ± 0.06 points below PPO and
# 0.02 ± 0.06 above GRPO, and the order changes from seed to seed. A true difference of 0.1 points would fit these data,
# too.
#
# Three rounds see three times as many rankings. Is it their number, or that they are fresh? As a control, we sampled
# all 38,400 pairs from the chat model at once, and trained on them in one round that was three times as long. This
# closed 67 % (58, 77 and 65) at a KL of 0.5. So more labels gained 12 points over one round, and fresh pairs 12 more.
# The standard error over seeds is 6 and 7 points, so neither part alone is certain.
#
# Budgets differ: PPO drew 20,480 answers, GRPO 10,240, and DPO 12,800 per round; and the reward model behind PPO and
# GRPO saw 28 times as many rankings as one round of DPO. Right answers don't separate the methods. Greedy, SFT gets
# 93.6 % right, DPO 93.2 after one round and 93.1 after three, PPO 92.6 and GRPO 91.9 (standard error 0.9 each). At
# temperature 1, SFT gets 87.6 %, DPO 87.9 and 88.3, PPO 89.2 and GRPO 88.6 (1.1 each).
#
# Do the reward model's labels help? Not with this recipe, which we didn't tune for them. On the pairs of the first
# round they closed 53 % (46, 67 and 45) against the raters' 55 %, at three times the KL, and greedy right answers fell
# to 90.9 %. On an earlier version of this world, with a chat model that was right less often, such labels closed 51 %
# and the raters' 32 %. So the answer may depend on the chat model; the two worlds differ in more than that, and three
# seeds don't settle it. Distilling the best of 16 closed 42 % and lost the most right answers, 4.7 points.
#
# > **Where the picture simplifies.**
# > Our raters follow Bradley and Terry exactly, as DPO supposes; where people contradict themselves in circles, DPO and
# > a reward model have no right answer to find. Our table has four answers and sees all of their pairs; a language
# > model has more answers than atoms and sees two of each question's. The live runs are short, on short questions, with
# > one seed, and 200 questions cannot tell half a tenth of a point from nothing. Each method's settings were searched a
# > little, and none as far as they could be. The reward model's labels are those of one reward model: part of its
# > reward is the chat model's own likelihood, so they also teach the policy to say what it finds likely.
#
# > **At scale.** DPO needs two models in memory where PPO needs four, and no engine that draws; so nearly everyone with
# > a few GPUs began with it, and Llama 3 (2024), with 405 billion parameters, was aligned by rounds of it: draw anew
# > from the latest model, rank, train, again. They added an imitation term, as we do. GRPO made its name where the
# > reward is a checker (DeepSeek-R1, 2025: mathematics and programs): there is no judge to fool, a value is hard to
# > learn, and 16 to 64 answers to a question are drawn anyway. Xu et al. (2024) and Tang et al. (2024) compare the
# > families with large models and find that learning from fresh answers wins; the latter also that policies trained on
# > old answers become good at telling pairs apart and less good at writing. Ivison et al. (2024) find that the quality
# > of the rankings matters more than the method.
#
# ## Five questions
#
# Answer before you open.
#
# **1.** DPO has no reward model. Where did the Z of the formula go? (a) It is so small that it is left out. (b) It is
# the same for both answers to a question and cancels. (c) The reference model estimates it.
#
# <details><summary>Open 1</summary>
#
# **(b)**. Bradley-Terry only looks at differences of rewards, and β log Z is in both of them. Not (a): in our table it
# was 3.75 points, nearly what a right answer is worth. Not (c): the reference gives p_ref(a), and Z would need a sum
# over all possible answers. Our table has four; a language model has no end of them.
# </details>
#
# **2.** Your DPO loss falls steadily, on unseen pairs as well. What may you conclude about the preferred answers? (a)
# They became likelier. (b) The lead over the rejected ones grew. (c) The model gives them more often than others.
#
# <details><summary>Open 2</summary>
#
# **(b)**, and nothing else. The loss knows only the difference, measured from the reference. Not (a): with three
# answers sharing two weights the preferred one fell to a fiftieth while the loss went down at each step. Not (c): the
# chance that both lost went to an answer that is in no pair.
# </details>
#
# **3.** Each pair was compared once, and you double β to stay nearer to the reference. What happens in a *long*
# training? (a) The policy ends half as far away. (b) It ends at the same place, the rejected ones at 0, only later. (c)
# It stops at once.
#
# <details><summary>Open 3</summary>
#
# **(b)**. One comparison is a sure rater: the loss is least at an endless margin, whatever factor stands before it. β
# changes how fast the surprise dies. (a) would be so if each pair's probability were known, as with *endless*. Not (c):
# the surprise begins at one half for every β.
# </details>
#
# **4.** In GRPO you multiply all rewards by ten and leave β as it is. What changes? (a) KL becomes ten times as cheap.
# (b) The steps become ten times as long. (c) Nothing.
#
# <details><summary>Open 4</summary>
#
# **(c)**. The division by the group's standard deviation takes the ten out again. (a) is right for PPO, where points
# and nats meet in the reward before anything is divided. Not (b): the advantages are the same numbers, and so is the
# gradient.
# </details>
#
# **5.** A paper reports that its DPO equals PPO. What would you ask first? (a) Who ranked the pairs, how many rankings
# each method has seen, and at which KL they are compared. (b) Which optimizer was used. (c) Whether β was 0.1.
#
# <details><summary>Open 5</summary>
#
# **(a)**. With pairs ranked by a good reward model DPO is a different contest than with single human choices, and a
# method that went twice as far from the reference should have won more. (b) and (c) move the numbers as well, but both
# sides can tune them; no tuning makes up for another amount of information.
# </details>

# %% [markdown]
# **What you built**: a reward out of a policy, to the last digit; DPO's loss and its pushes by hand, equal to the
# package, and on an exact table its optimum, which is PPO's; three ways to go wrong, with sure raters, few comparisons
# and shared weights, and a cure for each; GRPO's advantages, and what its two divisions and its price really do; and
# six policies and a rival that trains nothing, on the same questions.
#
# **Exercise**: test the explanation. On the unseen pairs `held`, how often does `by_judge` agree with the judge, and
# how often `careful` with the choices of the raters? If a toss can only be learnt by heart, which of the two numbers is
# near a half? Then give DPO fresh answers, for its pairs were drawn before it began: draw four to each question from
# `by_judge`, let the judge rank them, and train 36 updates from there (mind which model is the reference now). Does it
# pass GRPO?
#
# **Graded questions**, with checks that name the mistake:
# [exercise 11](../exercises/11_preference_optimization/11_preference_optimization.ipynb).
#
# **Next**: lesson 12, the inference engine: prefill and decode, batches, int4 weights, and a second model that guesses
# ahead, until the real model writes several times as fast.
