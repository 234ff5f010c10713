# %% [markdown]
# # 10b · PPO: learning from a reward
#
# Lesson 10 ended with a reward model: a number for every answer. So why not train the chat model to get higher numbers?
# In a minute of training, with your code, it will gain about half a point out of five. Then it meets an opponent of
# eleven characters.
#
# **The claim**: in reinforcement learning from human feedback, "the LLM is optimized to *maximize* this reward score".
#
# **You will write** the three formulas of [PPO](../teaching/glossary.md#p): a reward for each token, the advantage of
# each token, and the clipped loss. Then you'll train with them.
#
# **Time**: 70 minutes. **Before you start**: lesson 00b (gradients). Lessons 09 (SFT) and 10 (reward models) help.
# Stuck at **your turn**? Run its cell again, unchanged, for a hint.

# %%
import torch

from minillm.course import mine, own_ppo, ppo_runs, predict, your_turn
from minillm.posttraining.best_of_n import draw
from minillm.viz import diagrams
from minillm.viz.figures import lines, show

# %%
mine.map(lesson="10b")

# %% [markdown]
# ## Four answers, four rewards

# %% tags=["nbval-ignore-output"]
chat, reward_model, tokenizer = own_ppo.models()
question = own_ppo.questions()[3]  # change me: 0 to 191
print(question.prompt)
prompt = own_ppo.prompts([question])
answers = draw(chat, prompt, 4, own_ppo.LONGEST, [tokenizer.end_id], seed=1)
rewards = reward_model.score(prompt * 4, answers).tolist()
for ids, r in zip(answers, rewards, strict=True):
    print(f"{r:+.2f}  {tokenizer.decode(ids[:-1])}")

# %% [markdown]
# One model, one question, four samples, with the reward in front. Its zero is the chat model's own greedy answer, so +1
# means "a point better than usual".
#
# How do you get more of the good ones? Not by backpropagation through the reward: an answer is *sampled*, and the
# derivative of a dice roll doesn't exist.

# %% [markdown]
# ## A gradient without that derivative
#
# Take a policy with two answers: *plain*, with reward r = 4, and *polite*, with r = 5. It's a softmax over two logits,
# now at 60 and 40%. We want a higher mean reward. Since the gradient of p is p times the gradient of log p,
#
# gradient of the mean reward = mean over samples of r · gradient of log p
#
# So sample an answer, multiply the gradient of its log-probability by its reward, and you're right *on average*
# ([Williams 1992](https://doi.org/10.1007/BF00992696)). The reward is only a factor. It may come from a network, a
# program or a person. How noisy is one sample?

# %%
p, r = torch.tensor([0.6, 0.4]), torch.tensor([4.0, 5.0])
grad_log_p = torch.tensor([-0.4, 0.6])  # of each answer, for the logit of "polite"


def one_sample(baseline):
    """The mean and the standard deviation of one sample's gradient."""
    samples = (r - baseline) * grad_log_p
    mean = (p * samples).sum()
    return mean.item(), (p * (samples - mean) ** 2).sum().sqrt().item()


print("mean {:.2f}, standard deviation {:.2f}".format(*one_sample(baseline=0)))

# %%
noise = predict(
    "Now subtract the mean reward, 4.4, from both rewards. The standard deviation is",
    ["2.25, as before", "1.1", "0.1"],
)

# %%
mean, deviation = one_sample(baseline=4.4)  # change me: 4.6? 10?
noise.answer("0.1" if one_sample(4.4)[1] < 0.2 else "1.1")
print(f"mean {mean:.2f}, standard deviation {deviation:.2f}")

# %% [markdown]
# The mean is the same for every baseline, and the noise isn't. Without a baseline, both rewards are positive, so any
# answer that is sampled becomes more probable. Reward minus baseline is the [advantage](../teaching/glossary.md#a). It
# helps this much because 4 and 5 are nearly equal: with rewards of 0 and 5, the noise falls only from 1.47 to 0.49.

# %% [markdown]
# ## Don't go too far
#
# A reward model has learned from some answers. Far from those, nobody has checked its rewards. So RLHF maximizes
# something else ([Ziegler et al. 2019](https://arxiv.org/abs/1909.08593)):
#
# mean reward - β · KL(π_θ, π_ref)
#
# π_θ is the policy, π_ref a frozen copy of it from the start, and β the KL coefficient, in points per nat. For this
# objective the best policy is known: π* is proportional to π_ref · exp(r / β).

# %%
best = predict(
    "At which beta is *polite*, now at 40%, at 95% in the best policy?",
    ["beta = 10", "beta = 1", "beta = 0.3"],
)

# %%
optimum = {}
for beta in (10, 1, 0.3):  # change them
    weights = p * torch.exp((r - r.max()) / beta)
    optimum[f"beta = {beta}"] = (weights / weights.sum())[1].item()
    print(f"beta = {beta}: polite {optimum[f'beta = {beta}']:.1%}")
best.answer(min(best.choices, key=lambda name: abs(optimum[name] - 0.95)))

# %% [markdown]
# A large β keeps the policy where it was; a small one puts all of the probability on the highest reward. Lesson 11
# builds a whole method on this formula. But nobody can list all answers that a model could give. So we sample.

# %% [markdown]
# ## One round of PPO

# %%
diagrams.ppo_round(questions=16, answers=64, tokens=40, updates=4).show()

# %% [markdown]
# Four models ([Ouyang et al. 2022](https://arxiv.org/abs/2203.02155)): the **policy** that learns; the frozen
# **reference**; the frozen **reward model**; and a **value** head on the policy's last layer, which learns to predict
# the reward that is still to come, before each token. It's the baseline.
#
# The green boxes are yours.

# %% [markdown]
# ### Your turn: a reward for each token
#
# B answers are rows of T columns, with padding after the short ones. `log_p` and `log_p_ref` (B, T) are the
# log-probabilities of the sampled tokens under policy and reference; in the padding they hold junk. `mask` (B, T) is
# True at tokens of the answer. `score` (B,) is the reward of each answer.
#
# Return (B, T): at every token the penalty -β (log_p - log_p_ref), at each answer's *last* token its score as well, and
# 0 in the padding. Averaged over samples, the sum of the penalties is -β · KL.


# %%
@your_turn("10b.token_rewards", minutes=7, difficulty=2)
def token_rewards(score, log_p, log_p_ref, mask, beta):
    """The reward of each token (B, T): the KL penalty, and at an answer's last token its score, too."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def token_rewards(score, log_p, log_p_ref, mask, beta):
#     """The reward of each token (B, T): the KL penalty, and at an answer's last token its score, too."""
#     rewards = -beta * (log_p - log_p_ref) * mask
#     last = mask.sum(dim=1) - 1
#     rewards[torch.arange(len(score)), last] += score
#     return rewards
# ```
#
# </details>

# %%
log_p = torch.tensor([[-1.0, -0.5, -2.0, 0.0], [-0.2, -0.1, -0.3, -0.4]])
log_p_ref = torch.tensor([[-2.0, -0.7, -1.5, 0.0], [-0.2, -0.4, -0.1, -0.4]])
mask = torch.tensor([[True, True, True, False], [True, True, True, True]])
given = token_rewards(torch.tensor([3.0, -1.0]), log_p, log_p_ref, mask, 0.1)
print(given)

# %% [markdown]
# Nearly all of the reward arrives at the end. Which token earned it? *Of course* at the beginning, or the right number
# in the middle?

# %% [markdown]
# ### Your turn: the advantage of each token
#
# V_t is the value before token t: the reward that is still expected. Then how much better than expected did token t go?
#
# δ_t = r_t + γ V_(t+1) - V_t
#
# This trusts V entirely. [Generalized advantage estimation](../teaching/glossary.md#g) (GAE,
# [Schulman et al. 2016](https://arxiv.org/abs/1506.02438)) also looks at what came later:
#
# Â_t = δ_t + γ λ Â_(t+1)
#
# With λ = 0 only the next value counts. With λ = 1 (and γ = 1), V_t is compared with all the rewards that really came.
#
# `rewards`, `values` and `mask` are (B, T); `lam` is λ. After an answer's last token, V and Â are 0. In the padding,
# `rewards` is 0 and `values` holds junk. Return Â, (B, T), with 0 in the padding.


# %%
@your_turn("10b.gae", minutes=11, difficulty=4)
def gae(rewards, values, mask, gamma, lam):
    """The advantage of each token (B, T), 0 after an answer."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def gae(rewards, values, mask, gamma, lam):
#     """The advantage of each token (B, T), 0 after an answer."""
#     advantages = torch.zeros_like(rewards)
#     next_value = next_advantage = torch.zeros(len(rewards))
#     for t in reversed(range(rewards.shape[1])):
#         delta = rewards[:, t] + gamma * next_value - values[:, t]
#         advantages[:, t] = (delta + gamma * lam * next_advantage) * mask[:, t]
#         next_value, next_advantage = values[:, t] * mask[:, t], advantages[:, t]
#     return advantages
# ```
#
# </details>

# %%
words = ["Of", "course", "it", "is", "12", "."]
came = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
V = torch.tensor([[0.2, 0.6, 0.6, 0.6, 0.2, 0.9]])  # what if V were 0 everywhere?
whole = torch.ones(1, 6, dtype=torch.bool)
credit = {f"λ = {lam}": gae(came, V, whole, 1.0, lam)[0] for lam in (0.0, 0.5, 1.0)}
title = "Who gets the credit? λ = 0: jumps of V; λ = 1: all that came later"
diagrams.token_credit(words, {"reward": came[0], "V": V[0], **credit}, title).show()

# %% [markdown]
# V rose at *course*: so *Of* gets credit, which led there. It fell before *12*, and *is* gets the blame if λ = 0. With
# λ = 1, all went well in the end, and *is* gets credit, too. Our runs use λ = 1, since V has only begun to learn.

# %% [markdown]
# ### Your turn: the clipped loss
#
# Sampling is slow, so each batch of answers serves for four updates. After the first, the policy isn't the one that
# sampled them any more. PPO ([Schulman et al. 2017](https://arxiv.org/abs/1707.06347)) corrects for that by the ratio
# of a token's probability to what it was when sampled, and stops where that has moved enough:
#
# gain = min(ratio · Â, clip(ratio, 1 - ε, 1 + ε) · Â),  ratio = p / p_old
#
# `log_p`, `log_p_old`, `A` and `mask` are (B, T); `epsilon` is a number. Return the loss, one number: minus the gain,
# as a mean over all tokens of all answers.


# %%
@your_turn("10b.ppo_loss", minutes=8, difficulty=3)
def ppo_loss(log_p, log_p_old, A, mask, epsilon):
    """The mean over all tokens of -min(ratio A, clipped ratio A), as one number."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def ppo_loss(log_p, log_p_old, A, mask, epsilon):
#     """The mean over all tokens of -min(ratio A, clipped ratio A), as one number."""
#     ratio = (log_p - log_p_old).exp()
#     clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
#     losses = -torch.minimum(ratio * A, clipped * A)
#     return (losses * mask).sum() / mask.sum()
# ```
#
# </details>

# %%
ratio = torch.linspace(0.5, 1.5, 101)
token = torch.ones(1, 1, dtype=torch.bool)


def gain(ratio, A):
    """What one token with this ratio and advantage gains."""
    log_p = torch.tensor([[ratio]]).log()
    return -ppo_loss(log_p, torch.zeros(1, 1), torch.tensor([[A]]), token, 0.2).item()


curves = {
    "good token, Â = 1": [gain(x, 1.0) for x in ratio.tolist()],
    "bad token, Â = -1": [gain(x, -1.0) for x in ratio.tolist()],
}
show(
    lines(curves, "ratio p / p_old", "gain", x=ratio),
    title="Flat where the token has moved far enough, and never in the wrong direction",
    alt="The gain of a good token rises up to a ratio of 1.2 and is flat from there. That of a bad token is flat up to "
    "0.8 and falls from there.",
)

# %% [markdown]
# Where the curve is flat, the gradient is zero. A *bad* token that has become more probable isn't on the flat part:
# it's corrected with full strength. The clip stops progress, never a repair. And it isn't a wall: what other tokens
# change in the weights can move this one further.

# %% [markdown]
# ## Train it
#
# 192 short questions, 16 of them with four answers each per round, twenty rounds. β = 0.05, ε = 0.2. The package
# samples, scores, and takes the steps; rewards, advantages and loss are yours. Before the loss, it *whitens* Â: mean 0,
# standard deviation 1. Watch the sampled answers. Each round has other questions, so the curves wobble.

# %% tags=["nbval-ignore-output"]
run = own_ppo.learn(token_rewards, gae, ppo_loss)

# %% tags=["nbval-ignore-output"]
before, after = own_ppo.exam(chat), own_ppo.exam(run.model)
print("before:", before)
print("after: ", after)
pairs = zip(own_ppo.held_out(), before.texts, after.texts, strict=True)
changed = [(each.question, a, b) for each, a, b in pairs if a != b]
print(f"{len(changed)} of 200 answers changed, such as")
for asked, a, b in changed[:3]:
    print(f"  {asked[-60:]!r}\n    {a!r}\n    {b!r}")

# %% [markdown]
# The 200 questions are new to both models, and these are greedy answers. The *gold utility* is the one that this
# world's raters act on: 4 points if the answer is right, 1 for a courtesy, a tenth off per word too many. Training
# never saw it. So it worked: about 0.6 points out of five, in twenty rounds. But look at its two parts.

# %%
gains = own_ppo.stored("ppo_live")["summary"]["fresh"]
for temperature in ("greedy", "sampled"):
    won = gains[f"all, {temperature}"]
    parts = {part: won[f"gain_{part}"] for part in ("gold", "right", "manners")}
    print(temperature, end=": ")
    print(*(f"{part} {x['mean']:+.2f}" for part, x in parts.items()), sep=", ", end="")
    print(f"  (gold, 95%: {parts['gold']['low']:+.2f} to {parts['gold']['high']:+.2f})")

# %% [markdown]
# Three stored runs (seeds 0 to 2) say the same. What was won is manners: for right answers, the 95% intervals go from
# -0.05 to 0.10 (greedy) and from -0.10 to 0.12 (sampled).

# %% [markdown]
# ## Inside one answer
#
# Here is one of the 64 answers of your last round, with your numbers:

# %% tags=["nbval-ignore-output"]
last = run.last
row = last.best()  # change me: last.score.argmin().item(), or 0 to 63
numbers = {
    "KL penalty": last.of(row, -0.05 * (last.log_p - last.log_p_ref)),
    "reward": last.of(row, last.rewards),
    "V": last.of(row, last.values),
    "Â": last.of(row, last.advantages),
}
diagrams.token_credit(last.tokens(row), numbers).show()

# %% [markdown]
# The penalty is tiny beside the score. In our run, it sits where a courtesy begins: that's where the policy has moved.
# With λ = 1, all tokens share what the answer earned, apart from what V had expected by then. So most of the credit
# goes to tokens that did nothing for it. Only over many answers does this average out: a courtesy occurs more often in
# the good ones.

# %% [markdown]
# ## Five brakes: which one holds?
#
# A policy that runs away is the classic failure of reinforcement learning. PPO has five brakes: the **clip**; the **KL
# penalty**; `stop_kl`, which ends a round early once the policy has moved by 0.1 nats per token; a clip of the
# **values**; and a low **learning rate**. Take them away one at a time, on three seeds:

# %%
brake = predict(
    "Without which does gold utility end more than a point lower?",
    ["the clip", "the KL penalty", "the low learning rate", "none of them"],
)

# %%
brakes = ppo_runs.brakes()
print(f"{'':24} gold by seed          KL  clipped  rounds cut")
for name, each in brakes.items():
    gold = " ".join(f"{value:5.2f}" for value in each["gold"])
    cut = f"{each['clip_fraction']:8.1%} {each['stopped']:10.1f}"
    print(f"{name:24} {gold} {each['kl']:7.2f} {cut}")
lost = {"no clip": 0, "no KL penalty": 1, "rate x 5": 2}
missed = [place for name, place in lost.items() if name in ppo_runs.needed(brakes)]
brake.answer(brake.choices[missed[0] if missed else 3])

# %% [markdown]
# Two brakes had nothing to do: without `stop_kl` or the clip of the values, the run is the same to the last digit.
# Without the clip or the KL penalty, gold utility stays within 0.14 points on each seed, and without all four at once,
# within 0.08. At 2.5 times the rate, 0.23 points are lost (0.08 to 0.38), and at five times all of it, with the other
# brakes in place. The last three rows have nothing left to lose, so they can't show what a brake is good for.
#
# So in this run, the low rate is what holds. Elsewhere it may be another one. Now you drive:

# %% tags=["nbval-ignore-output"]
wild = own_ppo.learn(token_rewards, gae, ppo_loss, learning_rate=1e-3, rounds=10)
print(own_ppo.exam(wild.model))
print(own_ppo.greedy(wild.model, "What is 2 plus 3?"))

# %% [markdown]
# Change one setting above: `kl_coef=0.0`, `clip=10.0`, `gae_lambda=0.0`. How fast do you have to drive before you
# need one of the other brakes?

# %% [markdown]
# ## The opponent
#
# Now for the eleven characters. Take the chat model as it was, untrained, answering greedily, and let a program write
# "Certainly. " in front of every answer that isn't polite yet. Two more competitors, on the same 200 questions: the
# course's own PPO model, 160 rounds; and *best-of-64*, where the reward model picks from 64 answers of the chat model.

# %%
champion = predict(
    "Which has the highest gold utility?",
    [
        "PPO, 160 rounds",
        "best-of-64",
        "chat model with Certainly.",
        "too close to call",
    ],
)

# %% tags=["nbval-ignore-output"]
finished = own_ppo.exam(own_ppo.long_run())
opponent = own_ppo.prefixed(before)
picked = own_ppo.best_of_64()
champion.answer_by(
    {
        "PPO, 160 rounds": finished.gold,
        "best-of-64": picked.gold,
        "chat model with Certainly.": opponent.gold,
    }
)
rows = {"chat model": before, "your PPO, 20 rounds": after, "PPO, 160 rounds": finished}
rows |= {"best-of-64": picked, "chat model with Certainly.": opponent}
for name, each in rows.items():
    print(f"{name:27} {each}")

# %% [markdown]
# Reinforcement learning with four models, and 64 answers per question, against a string concatenation: too close to
# call. The string can't lose a right answer, since it touches none. And the others don't win any: greedily, the chat
# model was right as often before.
#
# Did the string cheat, because we knew what raters like? The reward model knows, too: of the 136 answers that get the
# string, it gives 133 a higher reward, by 0.7 on average.
#
# That's not a failure of PPO. It maximized the reward that it was given. Our guess is that a courtesy is the easiest
# point to get: the same word fits every question, while what makes an answer *right* differs from question to question.
# So before you credit a training method, try the dumb baseline.
#
# Can your word do better?

# %% tags=["nbval-ignore-output"]
word = "Gladly. "  # change me: "Certainly, my good friend. "
print(own_ppo.prefixed(before, word))

# %% [markdown]
# A puzzle: sampled answers of the chat model are right less often than greedy ones. How could training raise the right
# answers among the *sampled* ones, without teaching the policy a single fact?

# %% [markdown]
# <details><summary>How</summary>
#
# By making it surer, so that it samples what it would have said greedily. A lower temperature does the same. So a gain
# on sampled answers needs greedy decoding as its baseline.
#
# </details>

# %% [markdown]
# **Verdict: true, with two catches.** The reward did rise, and gold utility with it. First: what is maximized isn't the
# reward. It's the reward minus a KL penalty, for a few rounds, in small steps; of the five brakes, only the small steps
# were needed. Second: *reward* and *better* aren't one thing. Of the gain, nearly all was one courtesy. The
# [lab](10b_ppo_lab.ipynb) takes "maximize" at its word, with a reward model that can be fooled.

# %% [markdown]
# > **Where the picture simplifies.** Our reward model reads the chat model's own answer first, and scores relative to
# > it: a baseline per question, which plain RLHF doesn't have. Its reward contains a likelihood term, so a part of it
# > can be earned by being surer. The value head shares its layers with the policy; InstructGPT's value model was a copy
# > of the reward model. Many recipes also give an answer without an end token a fixed bad reward; ours doesn't. And
# > gold utility is a measure, too: a model that maximized *it* would say "Certainly."

# %% [markdown]
# > **At scale.** InstructGPT used PPO on about 31,000 prompts; labelers preferred its 1.3B model to GPT-3 with 175B.
# > Four models in memory and slow sampling made PPO expensive: so DPO (lesson 11) drops sampling and reward model, and
# > GRPO drops the value. The details decide: [Huang et al. 2024](https://arxiv.org/abs/2403.17031) list over twenty.
# > Where a program checks answers, recent recipes set β = 0.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** You add 7 to the score of every answer. After the values have learned it, what changes in the advantages? (a)
# All are 7 higher. (b) Nothing. (c) Long answers get more.
#
# <details><summary>Open 1</summary>
#
# **(b)**. V learns the 7, and it's a baseline. (a) would be so while V is still 0 and λ is 1, and whitening would then
# take it off again. (c) never: the 7 comes once per answer, however long it is.
# </details>
#
# **2.** A *bad* token has a ratio of 1.4, and ε is 0.2. The loss (a) pulls it back. (b) does nothing, since it's
# clipped. (c) raises it further.
#
# <details><summary>Open 2</summary>
#
# **(a)**. The smaller of the two gains is the unclipped one, so its gradient counts. (b) holds for a *good* token at
# 1.4. (c) never: Â is negative.
# </details>
#
# **3.** Your `token_rewards` puts the score into the last *column*. With `gae` as above, which answers does it still
# reach? (a) All. (b) The longest ones only. (c) None.
#
# <details><summary>Open 3</summary>
#
# **(b)**. Rewards in the padding never reach an answer that has ended; only the KL penalty is left of its own. (a)
# would need advantages that run through the padding. (c) can't be: the table is as wide as its longest answer. Nothing
# raises an error.
# </details>
#
# **4.** A paper reports: "RLHF raised our score from 3.9 to 4.6." What would you ask first? (a) How many GPUs? (b) What
# does a fixed prefix get, or greedy decoding, or best-of-n? (c) Was β tuned?
#
# <details><summary>Open 4</summary>
#
# **(b)**. Without the cheap baselines nobody knows what the 0.7 is made of. (a) says what it cost, and (c) how it
# was found; neither can tell manners from right answers.
# </details>

# %%
mine.map(lesson="10b")

# %% [markdown]
# **What you wrote**: PPO's token rewards, GAE, and the clipped loss. They trained a chat model to be polite.
#
# **What you measured**: the noise of a policy gradient with and without a baseline, the best policy at three values of
# β, a run's gain in two parts, what each brake did, and what one word does without any training.
#
# **Yours to keep**: `mine/ppo.py` in your workbook.
#
# **Next**: the [lab](10b_ppo_lab.ipynb), *reward hacking*: a proxy that can be fooled, and the good reward model as
# its control; the [graded questions](../exercises/10b_ppo/10b_ppo.ipynb); or
# [lesson 11](11_preference_optimization.ipynb): DPO, which needs neither samples nor a reward model.
