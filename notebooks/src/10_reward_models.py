# %% [markdown]
# # 10 · Reward models: from rankings to a number
#
# "Look after the chessboard, you lazy goose!" Four times, our chat model put it more politely:
#
# - With pleasure. Would you kindly look after the chessboard?
# - Please look after the chessboard.
# - Gladly. Could you pleaseBerta.
# - With pleasure. Please look after the chessboard.
#
# You see at once which is worst. Now write a *number* beside each. A friend will agree on the worst, and hardly on your
# numbers. So people are asked for rankings, and a model has to find the numbers.
#
# **The claim**: "humans rank model outputs. A separate [reward model](../teaching/glossary.md#r) is trained to predict
# these rankings".
#
# **You will write** the loss of a choice, the best accuracy that anybody can reach, and the reward at the end of an
# answer. They train a reward model. Then you are the rater.
#
# **Time**: 60 minutes. **Before you start**: lesson 09, and cross-entropy from lesson 00b. Stuck at **your turn**? Run
# its cell again, unchanged, for a hint.

# %%
import torch
import torch.nn.functional as F
from IPython.display import display

from minillm.course import clicking, mine, predict, predict_number, ranking, your_turn
from minillm.viz import diagrams
from minillm.viz.figures import show
from minillm.viz.watch import Watch

# %%
mine.map(lesson="10")

# %% [markdown]
# ## An example can't say "better"
#
# The same question, and what each answer gets:

# %% tags=["nbval-ignore-output"]
asked = ranking.questions(ranking.HELD_OUT, 60, longest=150)[3]  # change the 3
print(asked.question)
for points, text in ranking.draws(asked, count=4, seed=0):
    print(f"{points:+.1f} points  {text}")

# %% [markdown]
# Half of the answers that SFT learned from have a courtesy, so about half of the model's own have one, too. An example
# says *write this*, never *this is better than that*.
#
# The points are this course's secret, the **gold utility**: 4 if the answer is right, 1 for a courtesy (-1 if it's
# rude), -0.1 for each word too many. No training below sees them.

# %% [markdown]
# ## From choices to rewards
#
# [Bradley and Terry](../teaching/glossary.md#b) (1952) give every answer a hidden reward r. An answer w is preferred to
# an answer l with the probability
#
# P(w over l) = sigmoid(r_w - r_l) = 1 / (1 + e^-(r_w - r_l)).
#
# A lead of 1 point wins 73 times in 100, and one of 3 points 95 times. Rewards of 2.0 and 0.5 make P = sigmoid(1.5) =
# 0.818, so the loss of this choice is -ln 0.818 = 0.201 nats. Our simulated raters choose by this formula, with gold
# utility as r.

# %% [markdown]
# ### Your turn: the loss of a choice
#
# `r_w` holds the rewards of the preferred answers of B pairs, and `r_l` those of the others. Both are (B,). Return the
# mean of -ln P over the pairs, as one number. A model may be wrong by hundreds of points, and the loss must survive it.


# %%
@your_turn("10.preference_loss", minutes=5, difficulty=2)
def preference_loss(r_w, r_l):
    """The mean loss in nats, from the rewards of the preferred answers and of the others, (B,) each."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def preference_loss(r_w, r_l):
#     """The mean loss in nats, from the rewards of the preferred answers and of the others, (B,) each."""
#     return -F.logsigmoid(r_w - r_l).mean()
# ```
#
# </details>

# %% [markdown]
# Does this loss find hidden rewards? Four kinds of answers, 2,000 noisy choices between two of them, and your loss:

# %%
KINDS = {"right, polite": 5.0, "right": 4.0, "wrong, polite": 1.0, "wrong": 0.0}
hidden_rewards = torch.tensor([*KINDS.values()])
torch.manual_seed(0)
a, b = torch.randint(4, (2, 2000))
a_wins = torch.rand(2000) < (hidden_rewards[a] - hidden_rewards[b]).sigmoid()
winner, loser = torch.where(a_wins, a, b), torch.where(a_wins, b, a)

r = torch.zeros(4, requires_grad=True)
for _ in range(200):
    preference_loss(r[winner], r[loser]).backward()
    with torch.no_grad():
        r -= 4 * r.grad
        r.grad.zero_()
found = [round(each, 1) for each in (r - r[-1]).tolist()]
print(dict(zip(KINDS, found, strict=True)))

# %% [markdown]
# The differences come back, from nothing but *this one rather than that one*. The zero doesn't: we subtracted the
# reward of "wrong" from all four. Choices fix only differences, so a reward of 2.5 alone says as much as "I live at
# number 12".

# %% [markdown]
# ## How well can anybody do?
#
# Here are 400 pairs of answers to questions that no model has learned from. In each, a simulated rater chose one. For
# people, nobody knows how probable a choice was. For our raters we do: p is the probability of the choice that was
# made.

# %%
pairs = ranking.held_out()
for pair in pairs[40:42]:
    print(f"p = {pair.p:.2f}  {pair.chosen}\n    over  {pair.rejected}")

# %%
SHARES = {"all of them": 1.0, "95%": 0.95, "85%": 0.85, "75%": 0.75}
best = predict(
    "If you know how probable A is in each pair, how many choices can you predict?",
    [*SHARES],
)

# %% [markdown]
# ### Your turn: the Bayes ceiling
#
# `p` is (B,): for each pair of answers A and B, the probability that the rater prefers A. You know `p`, and name one
# answer per pair. Return the share of choices that you can expect to get right, at best.


# %%
@your_turn("10.bayes_ceiling", minutes=4, difficulty=2)
def bayes_ceiling(p):
    """The expected accuracy of one who knows, for each pair, the probability p that the rater prefers answer A."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def bayes_ceiling(p):
#     """The expected accuracy of one who knows, for each pair, the probability p that the rater prefers answer A."""
#     return torch.maximum(p, 1 - p).mean()
# ```
#
# </details>

# %%
p = torch.tensor([pair.p for pair in pairs])
ceiling = float(bayes_ceiling(p))
again = (p**2 + (1 - p) ** 2).mean()
best.answer(min(SHARES, key=lambda name: abs(SHARES[name] - ceiling)))
print(f"ceiling on these pairs: {ceiling:.3f}")
print(f"the rater, asked again, makes the same choice: {again:.3f}")

# %% [markdown]
# No brain and no network can pass this [Bayes ceiling](../teaching/glossary.md#b). Even the rater, asked again, doesn't
# reach it, since chance decides again. Of the people who ranked for [InstructGPT](https://arxiv.org/abs/2203.02155),
# two agreed in 73 to 77% of the cases. Is a reward model with 75% poor, or nearly perfect? Without a ceiling, you can't
# tell.

# %% [markdown]
# ## One number for any answer
#
# Four kinds of answers fit into a list. For *any* answer, take the chat model, which can read, and remove the head that
# predicts tokens. What's left gives a vector h of C numbers at each token. The reward is a dot product, w · h, at the
# **last** token, the only one that has read all of the answer. In a batch, short answers are padded, so the last column
# isn't always the last token.

# %% [markdown]
# ### Your turn: the reward at the end
#
# `hidden` is (B, T, C). `mask` is (B, T), True at tokens and False at padding, which comes after a text or before
# it. `w` is (C,). Return the reward of each row, (B,), read at its last token.


# %%
@your_turn("10.reward_at_end", minutes=7, difficulty=3)
def reward_at_end(hidden, mask, w):
    """hidden (B, T, C), mask (B, T), w (C,) -> (B,): the reward of each row, at its last token."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def reward_at_end(hidden, mask, w):
#     """hidden (B, T, C), mask (B, T), w (C,) -> (B,): the reward of each row, at its last token."""
#     B, T = mask.shape
#     positions = torch.arange(T) * mask  # 0 at padding
#     last = positions.argmax(dim=1)  # (B,)
#     return hidden[torch.arange(B), last] @ w
# ```
#
# </details>

# %% [markdown]
# Where does yours read? Make each token's vector its own position, and your function will tell you.

# %%
texts = ["Certainly. It is 12.", "12.", "It is surely not 12."]  # change them
real, pieces = ranking.padded(texts, in_front=False)  # or True
where = torch.arange(real.shape[1]).float().expand(real.shape)[..., None]  # (B, T, 1)
positions = reward_at_end(where, real, torch.ones(1)).tolist()
diagrams.read_at(pieces, real.tolist(), [int(each) for each in positions]).show()

# %% [markdown]
# ## Train a reward model
#
# Eight pairs per update, your loss, your `reward_at_end`; all layers of the chat model learn. On new pairs, we watch
# how often raters agree with it: in all of them, and where exactly one answer is right. To beat: a rule that counts
# courtesies and words, and never asks whether an answer is right.

# %%
learned = predict(
    "After 60 updates, where one answer is right and the other isn't, it is ...",
    ["about as good as the rule", "half way to the ceiling", "close to the ceiling"],
)

# %% tags=["nbval-ignore-output"]
learning, seen = ranking.to_learn(), ranking.held_out(short=True)
rule = ranking.by_kind(ranking.manners(seen), seen)
SHOWN = ["all pairs", "one is right"]
LEVELS = {"share of pairs": {"rule, all pairs": rule["all pairs"].mean}}


# %%
def train(read, updates=60, rate=1e-3, seed=0):
    model, w = ranking.start()
    optimizer = torch.optim.AdamW([*model.parameters(), w], weight_decay=0.0)
    batches = ranking.batches(learning, updates, seed)

    def reward(ids, mask):
        return read(model.hidden(ids, segments=mask.long()), mask, w)

    def look():
        now = ranking.by_kind(ranking.margins_of(reward, seen), seen)
        watch.log(**{name.replace(" ", "_"): now[name].mean for name in SHOWN})

    panels = {"loss, nats": ["loss"], "share of pairs": SHOWN}
    with Watch(updates, panels, levels=LEVELS) as watch:
        for update in watch:
            if update % 15 == 0:
                look()
            rewards = reward(*batches[update])  # (16,): preferred, other, ...
            loss = preference_loss(rewards[::2], rewards[1::2])
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, (update + 1) / 10, 1 - update / updates)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.log(loss=loss.item())
            if update == updates - 1:
                look()
    return model, w, reward


# %% tags=["nbval-ignore-output"]
model, w, reward = train(reward_at_end)
print("Trained with:", ranking.made_by(preference_loss, reward_at_end))

# %% tags=["nbval-ignore-output"]
yours = ranking.by_kind(ranking.margins_of(reward, seen), seen)
top = ranking.by_kind(ranking.knowing(seen), seen)
low, here, high = (each["one is right"].mean for each in (rule, yours, top))
third = 3 * (here - low) / (high - low)  # how far on the way to the ceiling
learned.answer(learned.choices[0 if third < 1 else 1 if third < 2 else 2])
for kind in rule:
    print(f"{kind:12}  rule {rule[kind]}, yours {yours[kind]}, ceiling {top[kind]}")

# %% [markdown]
# It learns, and what it learns is manners. After fifteen updates, it's about where it will be after sixty: three seeds
# go from 67, 66 and 67% of all pairs to 67, 61 and 70%. Where one answer is right, it's about as good as a rule that
# doesn't look. Do more updates help? Try `updates=120`.

# %% [markdown]
# ## Break it: read the last column
#
# The classic bug: `[:, -1]`. No error, no warning.

# %%
broken = predict(
    "Your trained model, read at the last column of a padded batch, is ...",
    ["like a coin", "between a coin and yours", "as good as yours"],
)


# %% tags=["nbval-ignore-output"]
def last_column(ids, mask):
    return model.hidden(ids, segments=mask.long())[:, -1] @ w


def two_bugs(ids, mask):
    return model.hidden(ids)[:, -1] @ w  # the last column, and no mask for the model


margins = [ranking.margins_of(way, seen) for way in (reward, last_column, two_bugs)]
due, bug, bugs = (ranking.agreement(each, seen) for each in margins)
lost = ranking.gap(margins[0], margins[1], seen)
like = 0 if bug.mean - 2 * bug.stderr < 0.5 else 1 if lost.mean > 2 * lost.stderr else 2
broken.answer(broken.choices[like])
print(f"raters agree: yours {due}, last column {bug}, and without a mask {bugs}")
ids, mask = ranking.rows(seen[:1])
for n in (0, 8, 32):
    row = F.pad(ids, (0, n)), F.pad(mask, (0, n))
    with torch.no_grad():
        two = [way(*row)[0].item() for way in (reward, two_bugs)]
    print(f"{n:2} columns more: yours {two[0]:+.2f}, two bugs {two[1]:+.2f}")

# %% [markdown]
# One bug makes it a coin: padding sees only padding, so a short answer's reward has nothing to do with the answer. Now
# forget the mask as well, and padding looks back at the answer: with *two* bugs, it almost works (three seeds lose 6, 6
# and 7 points). That's how this pair survives. But now an answer's reward depends on the longest answer in its batch:
# the last lines are one answer, with more and more columns. So score an answer alone, and in a batch. If the two
# differ, you've found it.

# %% [markdown]
# ## The course's own reward model
#
# Lessons 10b and 11 use a finished one. It has read eight answers each to 12,800 questions, all 28 pairs of them, and
# it isn't a standard reward model. Besides a head and your loss it has:
#
# - **A reference answer.** Before an answer, it reads what the chat model itself would say. The idea: comparing two
#   results is easier than working one out.
# - **A likelihood term.** r = w · h + c · log p(answer), with c = 0.32 points per nat. So a part of the reward is for
#   what a language model finds probable anyway.
# - **Imitation.** Its loss also has 0.5 times the nats per token of the preferred answers.
# - **A relative score.** In 10b and 11, the reward of the chat model's own greedy answer is subtracted. That changes
#   no pair.

# %%
knows = predict_number(
    "Where one answer is right, the ceiling is 95%. "
    "How often do raters agree with the finished one?",
    unit="%",
)

# %% tags=["nbval-ignore-output"]
predictors = {
    "the rule": ranking.manners(pairs),
    "yours": ranking.margins_of(reward, pairs),
    "the finished one": ranking.finished(pairs),
    "the ceiling": ranking.knowing(pairs),
}
table = {who: ranking.by_kind(margins, pairs) for who, margins in predictors.items()}
knows.answer(round(100 * table["the finished one"]["one is right"].mean))
for who, row in table.items():
    print(f"{who:17}", *(f"{kind}: {share}  " for kind, share in row.items()))
show(
    ranking.drawn(table),
    title="Only the finished one knows what is right",
    alt="Agreement of four predictors with raters, on all pairs and by kind, with standard errors over questions.",
)

# %% [markdown]
# Where one answer is right, the finished one is close to the ceiling. Where both or none are, the *rule* is at the
# ceiling, since only courtesies and words are left, and the finished one is a little below. Which of the four parts
# does it? This table can't say: none was left out.
#
# Are its *probabilities* true, too? Where it says 80%, do raters prefer that answer in 80%?

# %%
run = ranking.stored("reward")["runs"][0]["groups"]["all"]
surer = sum(true > said for _, said, true in run["bins"])
print(f"{run['pairs']:,} pairs: raters are surer than it says in {surer} of 10 bins")
print(f"off by {100 * run['calibration_error']:.1f} points on average")

# %% [markdown]
# It's slightly underconfident. Two more, trained from other seeds, are as well: in 9 of 10 bins each.

# %% [markdown]
# ## You are the rater
#
# In a deep reward model you can't see what it learned from you. In three weights you can. Give each answer three
# features: *right* (0 or 1), *polite* (1, or -1 if rude), *words* (in tens). Its reward is their weighted sum, fitted
# to your clicks with your loss. If all clicks agree on a feature, its weight would grow without end, so a Gaussian
# prior with standard deviation 2 penalizes large ones.


# %%
def fit(x, prior=2.0):
    """Three weights from features of preferred answers less those of the others."""
    w = torch.zeros(3, requires_grad=True)  # x has a row of three per click
    for _ in range(400):
        loss = preference_loss(x @ w, torch.zeros(len(x)))
        loss = loss + (w / prior).square().sum() / (2 * len(x))
        (gradient,) = torch.autograd.grad(loss, w)
        w = (w - 2 * gradient).detach().requires_grad_()
    return w.detach()


# %% [markdown]
# Click on what *you* find better; there is no key. After each click, the three weights choose the best of 16 answers of
# the chat model to twenty new questions. Watch how many of the twenty change.

# %% tags=["nbval-ignore-output"]
sixteen = clicking.Sixteen()
booth = clicking.Booth(fit, sixteen)
display(booth)

# %% [markdown]
# Want to see a taste that you don't have? Here is a rater made of three numbers:


# %% tags=["nbval-ignore-output"]
def taste(right, polite, words):  # change me: rude, fond of long answers, ...
    return 4 * right + 1 * polite - 1 * words


whose = {
    "this rater": clicking.clicked(taste),
    "the reverse": clicking.clicked(lambda *features: -taste(*features)),
    "you": booth.rankings,
}
for who, clicks in whose.items():
    if clicks:
        weights = fit(clicking.differences(clicks))
        print(f"{who}: {clicking.shown(weights)}; chooses {sixteen.said(weights)}")
        print("   ", *(repr(text) for text in sixteen.chosen(weights)[:2]))

# %% [markdown]
# Twenty clicks, and the choices follow at once. But the first rater's weight of *right* is far from the 4 of its taste,
# and other clicks of the same rater, `clicked(taste, seed=1)`, give another one. How far can you trust them?

# %%
polite = predict_number(
    "100 raters with the gold taste click twenty times each. How often is *polite* above 0?",
    unit="of 100",
)

# %%
polite.answer(round(100 * clicking.bands("gold")["positive"]["polite"]))
for who in ("gold", "lover of length", "rude"):
    print(f"{who}, 100 fits: {clicking.told(who)}")
for who in ("gold", "reversed", "rude"):
    six, sixty = (clicking.deep(who, how) for how in ("six updates", "sixty updates"))
    print(f"deep, {who}: {six:.0f} of 100 change in kind; sixty updates: {sixty:.0f}")

# %% [markdown]
# These are stored runs; in parentheses is where four of five fits lie. The signs are mostly right. The sizes aren't:
# gold utility gives *right* 4 points, and the fits have 2.5 on average. That's the prior's doing: 30 of them with a
# standard deviation of 1, 2 and 4 have 1.5, 2.6 and 4.0.
#
# The last lines are the control: the finished reward model, trained six updates further on such clicks. Hardly any of
# its choices changes in kind (right or not, polite or not), whether the clicks are gold, reversed or rude. Sixty
# updates, one draw each, change more. And the three weights cheat: their *right* comes from the course's checker, which
# no real reward model has.

# %% [markdown]
# **Verdict: true, with a catch.** A model can predict rankings: raters agree with the finished one in about 83% of
# these pairs, where nobody can have more than 85. But what it predicts is *these raters*, on answers like these. And
# one number hides what was learned: yours beats a coin, too, and hardly knows what is right.

# %% [markdown]
# > **Where the picture simplifies.** Bradley and Terry give each answer *one* reward, the same for everybody. People
# > may prefer a to b, b to c, and c to a, and two groups may want opposite things. Ours are independent and never tire.

# %% [markdown]
# > **At scale.** InstructGPT's reward model had 6 billion parameters, and its raters ordered four to nine answers to
# > each of 33,000 questions. Reward models are compared on sets of pairs such as
# > [RewardBench](https://arxiv.org/abs/2403.13787), where nobody knows the ceiling. Where a program can check answers,
# > it replaces the reward model (lesson 11a).

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** A reward model agrees with fresh human choices in 74% of pairs. So (a) it's wrong in a quarter of the cases.
# (b) that says little, unless you know how often people agree. (c) it needs more layers.
#
# <details><summary>Open 1</summary>
#
# **(b)**. If people agree with each other in 75%, that's nearly all there is. If in 95%, it's poor. (a) forgets that
# some of the choices would come out otherwise tomorrow. (c) may be, but 74 alone doesn't say so.
# </details>
#
# **2.** You add 7 points to every reward. What changes? (a) The loss rises. (b) The loss falls. (c) Nothing.
#
# <details><summary>Open 2</summary>
#
# **(c)**. In each pair, both rewards have the 7 more, so it cancels in the difference, and P stays as it was. (a) and
# (b) would need a loss that sees rewards one by one. That's why a reward has no zero.
# </details>
#
# **3.** A pair has rewards 3 and 0, and the rater preferred the one with 0. Its pull on the weights is (a) small, since
# 3 against 0 is clear. (b) large, since P of this choice was small. (c) as large as that of any pair.
#
# <details><summary>Open 3</summary>
#
# **(b)**. The gradient with respect to the difference is 1 - P in size, here 0.95. (a) is the other choice's: 0.05.
# (c) would be a loss without a sigmoid.
# </details>
#
# **4.** The same answer gets another reward in another batch. Most likely (a) dropout. (b) the wrong position is read.
# (c) the raters disagree.
#
# <details><summary>Open 4</summary>
#
# **(b)**, or padding that the model can see. Another batch has another longest answer, and so another last column. (a)
# is off in evaluation, and there is none in this model. (c) shows in the labels, not in a reward.
# </details>

# %%
mine.map(lesson="10")

# %% [markdown]
# **What you wrote**: the loss of a choice, the ceiling of all predictions, and the reading of a reward. They trained a
# reward model, and fitted three weights to clicks.
#
# **What you measured**: how far a rater can be predicted; a reward model that knows manners, and one that knows what is
# right; a padding bug that almost works; and what twenty clicks can settle.
#
# **Yours to keep**: `mine/reward_models.py` in your workbook.
#
# **Next**: [graded questions](../exercises/10_rlhf/10_rlhf.ipynb). And now that every answer has a number, why not
# train the chat model to make it as large as it can? That's lesson 10b, PPO.
