# %% [markdown]
# # 10b lab · Reward hacking
#
# "When a measure becomes a target, it ceases to be a good measure": Goodhart's law, in Marilyn Strathern's words. A
# reward model is a measure. In this lab you make it the target: first by choosing answers, then by training. A good
# reward model goes the same way, as the control. Without it, you couldn't tell a bad reward from a bad recipe.
#
# **Time**: 30 minutes. **Before you start**: lesson 10b.
#
# Long runs are stored: `python benchmarks/reward_hacking.py` makes them again.

# %%
import torch

from minillm.course import hacking, mine, own_ppo, predict, predict_number
from minillm.viz.figures import lines, show

torch.set_num_threads(1)

# %% [markdown]
# ## 1. Choosing by a bad measure
#
# **Claim**. "The more answers you choose from, the better the one that you get."
#
# **Refuted if** gold utility falls while the reward of the chosen answers rises.
#
# **Method**. The *proxy* is a reward model of raters who like long answers: 0.15 points per word, where this world's
# gold utility takes off a tenth of a point per word too many. It learned from 2,000 of their comparisons. People, and
# the reward models that learn from them, do like long answers ([Singhal et al.
# 2023](https://arxiv.org/abs/2310.03716)). The chat model answers 40 questions 64 times each. Of n answers, the one
# with the highest reward is kept: best-of-n, averaged over all ways to draw n of the 64.
#
# **Controls**. The same answers, chosen by the course's reward model.

# %% tags=["nbval-ignore-output"]
proxy, good = hacking.proxy(), own_ppo.models()[1]
for name, judge in (("proxy", proxy), ("good", good)):
    print(
        f"fair raters agree with the {name} reward model: {hacking.agreement(judge):.2f}"
    )

# %%
chosen = predict(
    "The proxy picks from 64 answers. Compared with a random one, the gold utility is",
    ["higher", "lower", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
pool = hacking.pool({"proxy": proxy, "good": good})
by_proxy, by_good = pool.rewards.values()
random_one = pool.gold.mean(1).tolist()
kept = hacking.best_of(64, by_proxy, pool.gold).tolist()
chosen.answer_by({"higher": kept, "lower": random_one})
NS = [1, 2, 4, 8, 16, 32, 64]
curves = {}
for name, reward in pool.rewards.items():
    rewards = [hacking.best_of(n, reward, reward) for n in NS]
    golds = [hacking.best_of(n, reward, pool.gold) for n in NS]
    curves[f"{name}: its reward"] = [(x - rewards[0]).mean().item() for x in rewards]
    curves[f"{name}: gold utility"] = [(x - golds[0]).mean().item() for x in golds]
    error = (golds[-1] - golds[0]).std() / len(golds[0]) ** 0.5
    print(
        f"best of 64 by the {name} reward model: reward {curves[f'{name}: its reward'][-1]:+.2f}, "
        f"gold {curves[f'{name}: gold utility'][-1]:+.2f} ± {error:.2f}"
    )

# %% tags=["nbval-ignore-output"]
show(
    lines(curves, "n", "gain over one answer, points", x=NS, log_x=True),
    title="Both rewards rise to the end; gold utility does so with only one of them",
    alt=str({name: round(values[-1], 2) for name, values in curves.items()}),
)

# %% [markdown]
# What does the proxy like? Look at its favorites:

# %% tags=["nbval-ignore-output"]
for q in (0, 1, 2):  # change them: 0 to 39
    best, other = by_proxy[q].argmax().item(), by_good[q].argmax().item()
    print(pool.questions[q][-70:])
    print(f"    proxy: {pool.texts[q][best]!r}\n    good:  {pool.texts[q][other]!r}")

# %% [markdown]
# Choosing can be softer than best-of-64. At a KL coefficient β, the best policy over these 64 answers is known (lesson
# 10b): each gets a weight exp(r / β). Find a β at which the proxy does no harm.

# %% tags=["nbval-ignore-output"]
for beta in (10.0, 3.0, 1.0, 0.3, 0.1):  # change them
    shown = f"beta {beta:4}"
    for name, reward in pool.rewards.items():
        kl, gold = hacking.tilted(beta, reward, pool.gold)
        shown += f"   {name}: KL {kl:.2f} nats, gold {gold:.2f}"
    print(shown)

# %% [markdown]
# **Result**. Fair raters agree with the proxy about as often as with a coin. Choosing by it raises *its* reward by 2.9
# points. Gold utility rises at first, by 0.29 ± 0.08 at n = 4, and then it falls: at 64 it's 0.40 ± 0.28 below one
# answer, which is too close to call on 40 questions. So we ran all 200, which takes five times as long: 0.37 ± 0.13
# below. Of the same answers to the 40 questions, the good reward model picks some that are 0.80 ± 0.12 better.
#
# A mild β makes the proxy harmless, and even useful: on the 200 questions, β = 3 gains 0.15 ± 0.02. But β = 0.1 loses
# 0.29 ± 0.13.
#
# **Verdict**: true for a few answers, false for 64. More answers to choose from help as far as the measure is right,
# and no further. The reward alone doesn't tell: it rose four times as much for the worse measure.

# %% [markdown]
# ## 2. Training on a bad measure
#
# **Claim**. "While the reward rises, training goes well."
#
# **Refuted if** the reward of held-out answers rises and their gold utility falls.
#
# **Method**. Stored runs of 80 rounds for the proxy, with β = 0 and a learning rate of 3e-4. (By GRPO, lesson 11's
# method: PPO's loss, with the mean reward of several answers to one question as baseline.) At twelve checkpoints, the
# model answers 300 held-out questions, sampled. The bias and the rate were chosen on a seed that isn't shown.
#
# **Controls**. *Seen*: the reward on questions that the run has learned from. If only that one rises, it's overfitting.
# *Good*: the course's reward model, with the same rate, rounds and β. If it falls as well, the recipe did it, and not
# the reward.

# %%
first = predict(
    "Trained for the proxy: what falls first?",
    ["gold utility", "right answers", "both at once"],
)
left = predict_number(
    "88% of the chat model's sampled answers are right. After 80 rounds for the proxy?",
    unit="%",
)

# %%
low, good_runs = hacking.runs("low"), hacking.runs("good")
shown = [("proxy", low), ("good", good_runs)]
print(f"{len(low)} and {len(good_runs)} seeds")
for name, seeds in shown:
    print(f"{name:6} round    KL  reward  seen   gold  right  polite  words")
    for row in hacking.table(seeds):
        print(
            f"{row['round']:12} {row['kl']:5.1f}  {row['reward']:6.2f} {row['seen']:5.2f}  "
            f"{row['gold']:5.2f}   {row['right']:4.0%}    {row['polite']:4.0%}  {row['words']:5.1f}"
        )

# %%
falls = hacking.falls("low")
for part, rounds in falls.items():
    print(f"clearly below the chat model, from round: {part} {rounds}")
for name, run in (("proxy", "low"), ("good", "good")):
    print(f"{name}, {hacking.at_the_end(run)}")
first.answer(hacking.which_first(falls))
left.answer(round(100 * hacking.table(low)[-1]["right"]))
for asked, text in low[0][-1]["samples"]:
    print(f"{asked.splitlines()[-1]}\n    {text!r}")

# %%
gains, at = {}, {}
for name, seeds in shown:
    points = hacking.table(seeds)
    for part in ("reward", "gold"):
        gains[f"{name}: {part}"] = [row[part] - points[0][part] for row in points]
        at[f"{name}: {part}"] = [row["round"] for row in points]
show(
    lines(gains, "round", "gain over the chat model, points", x=at),
    title="The proxy's reward rises while gold utility falls; with the good one, gold stays up",
    alt=str({name: round(values[-1], 2) for name, values in gains.items()}),
)

# %% [markdown]
# **Result**. For 80 rounds, the proxy's reward rises, on held-out questions as well as on seen ones, so this isn't
# overfitting. Gold utility ends at 0.14, from 4.05. In all three seeds, right answers fall first: they stay clearly
# below the chat model's from round 8, 15 and 10 on, gold utility only from round 20 on. Until then, a courtesy makes up
# for them: at round 10, with 5 of 100 right answers lost, gold utility is 0.13 above the chat model's (95% over seeds:
# -0.14 to 0.39).
#
# With the good reward model, at the same rate and without a KL penalty, gold utility ends at 4.29 (95%: 4.13 to 4.44),
# 2 nats away. It loses right answers as well, 4 of 100. So the first small loss needn't be the proxy's doing: at round
# 10, it's 5 of 100 with the proxy and 3 with the good one. The collapse is.
#
# That was without a KL penalty. Would one have saved the run?

# %%
held = predict(
    "The same proxy with beta = 0.05. After 80 rounds, gold utility is",
    ["above the chat model's", "within half a point of it", "more than a point below"],
)

# %%
for name, run in (("0", "low"), ("0.05", "low-0.05"), ("0.2", "low-0.2")):
    right = hacking.table(hacking.runs(run))[-1]["right"]
    print(f"beta {name:5} {hacking.at_the_end(run)}, {right:.0%} right")
fallen = (
    hacking.table(low)[0]["gold"] - hacking.table(hacking.runs("low-0.05"))[-1]["gold"]
)
held.answer(held.choices[(fallen > 0) + (fallen > 1)])

# %% [markdown]
# At 0.05, the fall comes later, and comes: to 3.0, 0.9 and 1.5 points on the three seeds. At 0.2, four times as strong,
# they end at 4.3, 3.8 and 4.2: held back, on two of three. All have fewer right answers than before, while the proxy's
# reward is still on its way up. A KL penalty says how far you may go. It doesn't know in which direction.
#
# **Verdict**: false. While the reward rises, the reward rises; that's all. To judge a run, take a measure that it
# doesn't train on. And look first at what the reward model *can't* see: here, whether an answer is right.
# [Gao et al. 2023](https://arxiv.org/abs/2210.10760) found that gold reward first rises and then falls, for reward
# models of many sizes, with a larger reward model in the place of our gold utility. Ours rises first as well, if the
# model answers greedily: by 0.50 (0.43 to 0.57) at round 8.

# %% [markdown]
# ### Your own run
#
# Ten rounds of PPO with your functions for the proxy. If the answers get worse: is that hacking, or only a high
# learning rate? You know how to find out: the same run with `score = None`, which is the good reward model. Then tame
# the run: by β, by the rate, or by fewer rounds.

# %% tags=["nbval-ignore-output"]
functions = mine.token_rewards, mine.gae, mine.ppo_loss
score = proxy.score  # change me: None
settings = {"kl_coef": 0.0, "learning_rate": 4e-4}  # change me
run = own_ppo.learn(*functions, rounds=10, score=score, **settings)
taken = own_ppo.exam(run.model, temperature=1.0, count=100)
print(f"proxy's reward {hacking.reward_of(proxy, taken):.2f}, gold {taken}")
print(*taken.texts[:4], sep="\n")

# %% [markdown]
# **Next**: [lesson 11](11_preference_optimization.ipynb), DPO and GRPO; or the
# [glossary](../teaching/glossary.md#r) on reward hacking.
