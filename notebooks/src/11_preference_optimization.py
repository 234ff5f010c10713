# %% [markdown]
# # 11 · Preference optimization: DPO and GRPO
#
# A rater was asked which answer to *What is 5 plus 7?* is better, and preferred "Certainly. 12." to "Certainly, with
# pleasure. 13." You train a policy on this one pair, 200 times. The loss falls at every update. What does the policy
# say in the end? Place your bet below.
#
# **The claim**: "[your language model is secretly a reward model](https://arxiv.org/abs/2305.18290)". So, people say,
# you need no separate reward model, no sampling and no PPO. A loss on pairs is simpler, and as good.
#
# **You will write** the loss of DPO, the advantages of GRPO, and three ways to average its tokens. Each of them will
# train a chat model.
#
# **Time**: 70 minutes. **Before you start**: lesson 10 (the Bradley-Terry loss, the KL penalty). Stuck at **your
# turn**? Run its cell again, unchanged, for a hint.

# %%
import torch
import torch.nn.functional as F

from minillm.course import (
    contest,
    mine,
    predict,
    predict_number,
    preference_runs,
    preferring,
    small_policies,
    your_turn,
)
from minillm.viz import diagrams
from minillm.viz.figures import grouped_bars, lines, show

_ = F  # for your turns

# %%
mine.map(lesson="11")

# %% [markdown]
# ## One pair, and an answer that nobody compared
#
# This policy knows three answers, and has two weights: one counts courtesies, the other mistakes. An answer's logit is
# its two counts times these weights. Both begin at 0, so each answer has probability 1/3.

# %%
ANSWERS = ["Certainly. 12.", "Certainly, with pleasure. 13.", "Ask somebody else."]
FEATURES = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 0.0]])  # courtesies, mistakes
fate = predict(
    "After 200 updates, the preferred answer's probability is ...",
    ["nearly 1", "about 1/2", "nearly 0"],
)

# %%
path, losses = small_policies.one_pair(FEATURES)
print("the loss fell at every update:", bool((losses.diff() < 0).all()))
last = path[-1, 0].item()
fate.answer("nearly 1" if last > 0.9 else "nearly 0" if last < 0.1 else "about 1/2")
show(
    lines(dict(zip(ANSWERS, path.T, strict=True)), "update", "probability"),
    title=f"The loss falls at every update; the preferred answer ends at {last:.0%}",
    alt=f"After 200 updates: {[round(p, 3) for p in path[-1].tolist()]}",
)

# %% [markdown]
# You asked for 12 rather than 13, and you got "Ask somebody else." (You may know this assistant from the phone.)
#
# There's no bug. Later you'll see why, how much of it a chat model shows, and what helps.

# %% [markdown]
# ## A policy hides a reward
#
# Lesson 10 ended with the policy that is best for a reward r(y), if each nat of KL from the reference costs beta:
#
# pi\*(y) = pi_ref(y) · exp(r(y) / beta) / Z
#
# Z makes the probabilities of all answers to a prompt add up to 1. Read the formula backwards:
#
# r(y) = beta · log(pi\*(y) / pi_ref(y)) + beta · log Z
#
# Four kinds of answers, and rewards that a policy is the best for:

# %%
KINDS = ["right, polite", "right", "wrong, polite", "wrong"]
r = torch.tensor([5.0, 4.0, 1.0, 0.0]).double()
pi_ref = torch.tensor([0.1, 0.5, 0.1, 0.3]).double()
beta = 1.0  # change me: 0.5, or 3.0
pi_star = (pi_ref.log() + r / beta).softmax(0)  # softmax divides by Z
hidden = beta * (pi_star / pi_ref).log()
for kind, *row in zip(KINDS, pi_ref, pi_star, hidden - hidden.min(), strict=True):
    print("{:14} {:.3f} -> {:.3f}   reward {:.3f}".format(kind, *row))

# %% [markdown]
# Two columns of probabilities give all four rewards back, up to one constant. That's beta · log Z, the same for all
# answers to a prompt, and a ranking doesn't depend on it. This half of the claim is a theorem.

# %% [markdown]
# ## A loss without a reward model
#
# Raters choose by a difference of rewards (Bradley-Terry): y_w is preferred to y_l with probability
# sigmoid(r(y_w) - r(y_l)). Replace each r by its *implicit reward*, beta · log(pi_theta(y) / pi_ref(y)). In the
# difference, beta · log Z cancels. Minus the logarithm of that probability is the loss of *direct preference
# optimization*, [DPO](../teaching/glossary.md#d).
#
# By hand: log pi_theta is -4 for the winner and -7 for the loser, log pi_ref is -5.5 and -5, and beta is 0.5. The
# implicit rewards are 0.75 and -1. The loss is -log sigmoid(1.75) = 0.160.

# %% [markdown]
# ### Your turn: the DPO loss
#
# You get B pairs. `logp_w` and `logp_l` (B,) are the policy's log-probabilities of the winners and the losers, summed
# over their tokens; `ref_w` and `ref_l` (B,) are the reference's. Return the mean loss, in nats per pair. Answers may
# have hundreds of tokens, so log-probabilities may be below -500. `F` is `torch.nn.functional`.


# %%
@your_turn("11.dpo_loss", minutes=7, difficulty=2)
def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
    """The mean loss of B pairs in nats, from log-probabilities (B,) of answers under the policy and the reference."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def dpo_loss(logp_w, logp_l, ref_w, ref_l, beta):
#     """The mean loss of B pairs in nats, from log-probabilities (B,) of answers under the policy and the reference."""
#     r_w = beta * (logp_w - ref_w)  # the implicit rewards
#     r_l = beta * (logp_l - ref_l)
#     return -F.logsigmoid(r_w - r_l).mean()
# ```
#
# </details>

# %%
start = predict(
    "Before the first update, the policy is the reference. The loss of a pair:",
    ["0.000", "0.693", "1.000"],
)

# %%
same = torch.tensor([-12.0, -30.0]), torch.tensor([-20.0, -9.0])
start.answer(f"{dpo_loss(*same, *same, 0.1):.3f}")
zero = torch.zeros(1)
for margin in (-3.0, 0.0, 3.0):
    logp_w = torch.tensor([margin], requires_grad=True)
    dpo_loss(logp_w, zero, zero, zero, 1.0).backward()
    print(f"r(y_w) - r(y_l) = {margin:+.0f}: gradient {logp_w.grad.item():.3f}")

# %% [markdown]
# It's ln 2, whatever the answers are. And the gradient's size is a weight per pair: one that is already ranked
# correctly by 3 counts 0.05, and one that is wrong by 3 counts 0.95.

# %% [markdown]
# ## Does it find the best policy?
#
# Now gradient descent on your loss, over all pairs of the four kinds. Each pair counts as often as raters would choose
# it.

# %%
wins = torch.sigmoid(r[:, None] - r).fill_diagonal_(0)
trained = small_policies.on_table(dpo_loss, wins, pi_ref, beta, updates=700)
for kind, *row in zip(KINDS, trained, pi_star, strict=True):
    print("{:14} by pairs {:.4f}, best {:.4f}".format(kind, *row))
print("equal to six digits:", torch.allclose(trained, pi_star, rtol=0, atol=1e-6))

# %% [markdown]
# So DPO trains a reward model whose rewards are written as beta · log(pi_theta / pi_ref). When the rewards fit, the
# policy is already the best one for them.
#
# But here the raters' probabilities came in exactly. In a data set, each pair is compared *once*, so its winner seems
# to win every time. Take beta = 3, and pairs that the better answer always wins.

# %%
best = (pi_ref.log() + r / 3.0).softmax(0)
near = (best * (best / pi_ref).log()).sum().item()
drift = predict_number(
    f"The best policy is {near:.2f} nats from the reference. DPO, after 1,000 updates?",
    unit="nats",
)

# %%
sure, far = (r[:, None] > r).double(), {}
for n in (10, 100, 1000):  # change me: add 3000
    policy = small_policies.on_table(dpo_loss, sure, pi_ref, 3.0, updates=n)
    far[n] = (policy * (policy / pi_ref).log()).sum().item()
    print(f"{n:5} updates: KL {far[n]:.2f} nats, {KINDS[0]} {policy[0]:.3f}")
drift.answer(round(far[1000], 2))

# %% [markdown]
# It has passed the best policy, and it doesn't stop: add more updates. The loss is lowest at an infinite margin, and
# beta sits inside the sigmoid. Once that saturates, nothing pulls the policy back; a larger beta only slows it down.
#
# So recipes for DPO stop early. The loss of [IPO](https://arxiv.org/abs/2310.12036) asks for a fixed margin and no
# more.

# %% [markdown]
# ## Why the preferred answer fell
#
# Back to the first figure, with your loss. On the table, each answer had a logit of its own. Here, answers share
# weights. Each update moves these along winner minus loser, (1, 0) - (2, 1) = (-1, -1): *fewer courtesies, fewer
# mistakes*. The third answer has the fewest of both. DPO asks for a **difference**. Both probabilities may fall, and
# what they lose may go anywhere. That's [likelihood displacement](https://arxiv.org/abs/2410.08847).
#
# The usual remedy: learn the winner as an example, too, as in SFT ([Pang et al.
# 2024](https://arxiv.org/abs/2404.19733)). `nll` is the weight of that term. Or find features for the third answer with
# which the winner rises by itself:

# %%
third = [0.0, 0.0]  # change me: courtesies and mistakes of "Ask somebody else."
for nll in (0.0, 1.0):
    table = torch.tensor([[1.0, 0.0], [2.0, 1.0], third])
    end = small_policies.one_pair(table, dpo_loss, nll)[0][-1]
    print(f"nll {nll}:", ", ".join(f"{p:.2f}" for p in end.tolist()))

# %% [markdown]
# <details><summary>Features that work</summary>
#
# [2, 0], [1, 1] or anything above: both weights fall below 0, so the answer with fewer counts wins, and now that's the
# winner. With [0, 1] they end up level.
#
# </details>

# %% [markdown]
# ## The same on a chat model
#
# Our chat model answers 192 short questions, four times each, and a simulated rater compares its answers. Each pair is
# compared once.

# %% tags=["nbval-ignore-output"]
pairs = preferring.own_pairs(seed=0)
exams = {"chat model": preferring.exam()}
print(f"{len(pairs.training)} pairs to learn from. Three of them:")
for question, winner, loser in pairs.texts[:12:4]:
    print(f"{question}\n    {winner!r} over {loser!r}")

# %% [markdown]
# First *bare* DPO: beta = 0.1, 64 updates of your loss, and nothing else. The plot shows how far the log-probabilities
# of 40 training pairs have moved.

# %%
righter = predict(
    "200 new questions, answers sampled. Which model is right more often?",
    ["the chat model", "bare DPO", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
bare, about_bare = preferring.learn_dpo(dpo_loss, beta=0.1)

# %% tags=["nbval-ignore-output"]
exams["bare DPO"] = preferring.exam(bare)
right = {name: each.right for name, each in exams.items()}
righter.answer_by(
    {"the chat model": right["chat model"], "bare DPO": right["bare DPO"]}
)
for name, each in exams.items():
    print(f"{name:11} {each}")
for name, moved in about_bare.items():
    print(f"{name} pairs: {moved['right'].float().mean():.0%} ranked correctly")

# %% [markdown]
# On its training pairs, it's a success: most are ranked correctly now. But look at the plot. The difference grew
# *downward*: losers fell by nats, and winners hardly moved. On new questions, the model is much more polite, and right
# less often.
#
# Now a *careful* run on the same pairs: beta = 0.3, and the winner learned as an example, too.

# %% tags=["nbval-ignore-output"]
beta_now, nll_now = 0.3, 1.0  # change me: to 0.1, 1.0. Which of the two helps?
careful, _ = preferring.learn_dpo(dpo_loss, beta=beta_now, nll=nll_now)
exams["careful DPO"] = preferring.exam(careful)
for name, each in exams.items():
    print(f"{name:11} {each}")

# %% [markdown]
# Stored runs on three seeds, with intervals by Student's t:

# %%
runs = preference_runs.live_runs()
print(f'{"prefix":11} right +0.00, manners {runs.prefix:+.2f} ("Certainly." in front)')
for name, row in runs.gains.items():
    print(f"{name:11} right {row['right']}, manners {row['manners']}")
for name, gains in runs.controls.items():
    print(f"{name:14} right", *(f"{gain:+.2f}" for gain in gains))
bars = {"prefix": [0.0, runs.prefix]} | {name: runs.means(name) for name in runs.gains}
halves = {"prefix": [0.0, 0.0]} | {name: runs.halves(name) for name in runs.gains}
show(
    grouped_bars(
        bars, ["right answers", "manners"], "gain in points, sampled", errors=halves
    ),
    title="Over three seeds, bare DPO loses right answers, and the prefix gains most",
    alt=str(bars),
)

# %% [markdown]
# A right answer counts 4 points, a courtesy 1. So bare DPO loses about 5 right answers in 100, and it loses some on
# each seed. Careful DPO loses about half as many, and on each seed fewer. Is that due to beta, or to the winner's term?
# The controls have one of the two. With the larger beta alone, about as many are lost as by bare DPO. With the term
# alone, about as few as with both. So it's the term.
#
# But look at the prefix. A program that writes "Certainly." in front of every plain answer gains more than any of these
# runs, and loses no right answer. It has no weights at all.

# %% [markdown]
# ## GRPO: the group is the baseline
#
# PPO samples answers, scores them with a reward model, and subtracts a baseline that it has to learn: the value.
# *Group relative policy optimization*, [GRPO](https://arxiv.org/abs/2402.03300), asks the same question G times and
# subtracts the group's mean reward. Then it divides by the group's standard deviation. All tokens of an answer get the
# same [advantage](../teaching/glossary.md#a), A-hat.

# %% [markdown]
# ### Your turn: advantages
#
# `rewards` is (answers,). The answers to one prompt are neighbors, `group_size` of them. Return (answers,): each reward
# minus the mean of its group and, if `scale` is True, divided by the group's standard deviation (with n - 1) + 1e-6.


# %%
@your_turn("11.group_advantages", minutes=6, difficulty=2)
def group_advantages(rewards, group_size, scale=True):
    """The advantages, (answers,); each `group_size` neighbors answer the same prompt."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def group_advantages(rewards, group_size, scale=True):
#     """The advantages, (answers,); each `group_size` neighbors answer the same prompt."""
#     groups = rewards.view(-1, group_size)  # a row per prompt
#     advantages = groups - groups.mean(dim=1, keepdim=True)
#     if scale:
#         advantages = advantages / (groups.std(dim=1, keepdim=True) + 1e-6)
#     return advantages.flatten()
# ```
#
# </details>

# %%
lead = predict_number(
    "Seven answers have reward 3.00, the eighth 3.01. What's its advantage?"
)

# %%
close = torch.tensor([3.01, *[3.0] * 7])
apart = torch.tensor([5.0, *[0.0] * 7])
lead.answer(round(group_advantages(close, 8)[0].item(), 2))
for name, rewards in (("3.01 over 3.00", close), ("5 over 0", apart)):
    scaled, plain = (group_advantages(rewards, 8, way)[0] for way in (True, False))
    print(f"{name}: {scaled:.2f}; not divided {plain:.2f}")

# %% [markdown]
# A hundredth of a point counts as much as five points. If all rewards are nearly equal, dividing by their standard
# deviation amplifies noise, so [Dr. GRPO](https://arxiv.org/abs/2503.20783) leaves it out.

# %% [markdown]
# ### Your turn: one number from many tokens
#
# `losses` (B, T) has a loss for each token of B answers, and `mask` (B, T) is True at real tokens. Return one number:
#
# - `how == "answer"`: the mean over each answer's own tokens, then the mean over answers,
# - `how == "token"`: the mean over all real tokens of the batch,
# - `how == "constant"`: the sum over all real tokens, divided by B times `max_new_tokens`.


# %%
@your_turn("11.aggregate", minutes=6, difficulty=2)
def aggregate(losses, mask, how, max_new_tokens):
    """The loss of B answers from the losses of their tokens, (B, T), averaged in one of three ways."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def aggregate(losses, mask, how, max_new_tokens):
#     """The loss of B answers from the losses of their tokens, (B, T), averaged in one of three ways."""
#     sums = (losses * mask).sum(dim=1)  # (B,)
#     if how == "answer":
#         return (sums / mask.sum(dim=1)).mean()
#     if how == "token":
#         return sums.sum() / mask.sum()
#     return sums.sum() / (len(losses) * max_new_tokens)  # "constant"
# ```
#
# </details>

# %%
gentle = predict(
    'Two wrong answers, 5 and 50 tokens long, how = "answer". A token of the long '
    "one is pushed down ...",
    ["10 times less", "as much", "10 times more"],
)

# %%
token_losses = torch.zeros(2, 50, requires_grad=True)
real = torch.arange(50) < torch.tensor([[5], [50]])
pushes = {}
for how in ("answer", "token", "constant"):
    total = aggregate(token_losses, real, how, 100)
    (each,) = torch.autograd.grad(total, token_losses)
    pushes[how] = each[:, 0].tolist()
    print(
        "{:9} {:.4f} per token of 5, {:.4f} per token of 50".format(how, *pushes[how])
    )
ratio = pushes["answer"][0] / pushes["answer"][1]
gentle.answer(
    "10 times less" if ratio > 5 else "as much" if ratio > 0.2 else "10 times more"
)

# %% [markdown]
# With a mean per answer, a long wrong answer is punished ten times more gently per token. The authors of Dr. GRPO
# suspect that this is part of why R1-Zero's answers grew so long. They use "constant";
# [DAPO](https://arxiv.org/abs/2503.14476) uses "token".

# %% [markdown]
# ### Train with them
#
# 16 rounds of 8 questions, with 8 sampled answers to each, scored by lesson 10's reward model. Your two functions are
# in the loss; PPO's clip and the KL term are the package's.

# %% tags=["nbval-ignore-output"]
how_now, scale_now = "answer", True  # change me: "token" or "constant", False
grpo = preferring.learn_grpo(group_advantages, aggregate, how_now, scale_now)

# %% tags=["nbval-ignore-output"]
exams["GRPO"] = preferring.exam(grpo)
for name, row in exams.items():
    print(f"{name:11} {row}")
print(*exams["GRPO"].first[:4], sep="\n")

# %% [markdown]
# Nearly all answers are polite now, and about as many are right as before. (In the plot, *right* goes up and down with
# the eight questions of a round.)

# %% [markdown]
# ## What each method needs

# %%
diagrams.preference_methods(preferring.sizes()).show()

# %% [markdown]
# | | PPO | DPO | GRPO |
# | --- | --- | --- | --- |
# | labels | for the reward model | pairs, for the policy | as PPO, or none with a verifier |
# | samples while it trains | yes | no | G per prompt |
# | KL from the reference | penalty, measured | inside the sigmoid | a term of the loss |

# %% [markdown]
# "GRPO" means different things:
#
# | | Shao et al. 2024 | TRL's defaults since 2025 |
# | --- | --- | --- |
# | KL coefficient beta | 0.04 | 0, so there's no reference |
# | tokens | mean per answer | mean over all tokens |
# | division by the group's deviation | yes | yes, can be switched off |

# %% [markdown]
# ## As good as PPO?
#
# The course's full recipes are longer. Gains over the chat model in points, sampled, on three seeds:

# %%
gains = contest.gains()
reached = predict_number(
    f"PPO gains {gains['PPO'].mean:.2f} points. And one round of DPO?", unit="points"
)

# %%
reached.answer(round(gains["DPO, one round"].mean, 2))
for title, gain in gains.items():
    print(f"{title:31} {gain}")
for rival in ("DPO, one round", "DPO, three rounds"):
    print(f"PPO minus {rival}: {contest.ahead('PPO', rival)}")
    print(f"the same, greedily: {contest.ahead('PPO', rival, 'greedy')}")

# %% [markdown]
# Sampled, one round of DPO is behind PPO on all three seeds. Three rounds, each on fresh answers, aren't. Greedily,
# three seeds can't tell PPO from either. Is it a matter of labels? PPO's reward model has learned from far more
# comparisons. But with its labels on the same pairs, one round doesn't clearly gain more.
#
# In the [lab](11_preference_optimization_lab.ipynb) you rig this contest, and then run it fairly, with all its
# baselines.

# %% [markdown]
# **Verdict: one half is a theorem, the other takes rounds.** A policy and its reference *are* a reward model, and on
# the table, your loss found the best policy to six digits. "Simpler" is true, too: two models, no sampling, one loss.
# But the loss sees only a difference. Bare DPO ranked most of its pairs correctly, and lost right answers on all three
# seeds. Sampled, "as good as PPO" holds after three rounds, not after one. And a fixed prefix beat every live run.

# %% [markdown]
# > **Where the picture simplifies.** Our raters follow Bradley-Terry, as DPO assumes. Real ones contradict themselves.
# > The group's mean includes the answer itself, which scales the expected gradient by 1 - 1/G. None of our recipes was
# > tuned for long.

# %% [markdown]
# > **At scale.** Llama 3 (2024) was aligned by rounds of DPO: sample from the latest model, rank, train, again, with an
# > NLL term as above. DeepSeek-R1 (2025) used GRPO where a program checks the answer, so there was no reward model to
# > fool. [Ivison et al. 2024](https://arxiv.org/abs/2406.09279) found that better preference data matters more than the
# > choice between DPO and PPO.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** Where did Z go in DPO's loss? (a) It's close to 1. (b) It's the same for both answers to a prompt, so it
# cancels. (c) The reference estimates it.
#
# <details><summary>Open 1</summary>
#
# **(b)**. In the table, beta · log Z was 3.75 points, nearly a right answer's, so (a) is wrong. For (c), one would have
# to sum over all possible answers.
# </details>
#
# **2.** DPO's loss falls on held-out pairs, too. So (a) the preferred answers are more probable now. (b) their lead
# over the rejected ones has grown. (c) the model gives them more often.
#
# <details><summary>Open 2</summary>
#
# **(b)**, and nothing else: the loss knows only that difference. Not (a): in the first figure, the winner nearly
# vanished while the loss fell at every update. Not (c): what both lost may go to answers that nobody compared.
# </details>
#
# **3.** Each pair is compared once, and you triple beta. After a long training, the policy (a) is closer to the
# reference. (b) goes as far, only later. (c) never moves.
#
# <details><summary>Open 3</summary>
#
# **(b)**. A pair that's always won asks for an infinite margin, whatever beta is. (a) would hold if the raters'
# probabilities were known, as in the first table. (c) The gradient at the start is 0.5 · beta per pair.
# </details>
#
# **4.** You multiply all rewards by 10, and keep beta. What changes in GRPO, with division? (a) Nothing. (b) The steps
# are 10 times longer. (c) The KL term counts 10 times less.
#
# <details><summary>Open 4</summary>
#
# **(a)**. The division takes the 10 out again, so beta is in standard deviations per nat. (b) and (c) would be so
# without the division.
# </details>

# %%
mine.map(lesson="11")

# %% [markdown]
# **What you wrote**: the loss of DPO, the advantages of GRPO, and three ways to average tokens. They trained three
# policies of the chat model.
#
# **What you measured**: a preferred answer that falls, right answers lost and manners gained, and a prefix that beats
# them all.
#
# **Yours to keep**: `mine/preference_optimization.py` in your workbook.
#
# **Next**: the [graded questions](../exercises/11_preference_optimization/11_preference_optimization.ipynb), or lesson
# 11a, where a program pays the reward and a model [learns to show its work](11a_reasoning.ipynb).
