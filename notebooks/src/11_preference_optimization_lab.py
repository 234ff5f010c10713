# %% [markdown]
# # 11 lab · A fair contest
#
# Nearly every paper about a method has a table in which that method comes first. Nobody has to lie for that. In this
# lab you make such a table, for the method of your choice. Then you hold the same contest fairly, and see what's left.
#
# **Time**: 20 minutes. **Before you start**: lesson 11.
#
# The full recipes are stored: `python benchmarks/alignment.py` makes them again, in an hour per seed.

# %%
import torch

from minillm.analysis.alignment import Estimate
from minillm.course import contest, mine, predict_number, preferring
from minillm.viz.figures import bars, show

torch.set_num_threads(1)

# %% [markdown]
# ## Rig it
#
# Seven entrants learned from the same raters, and all began as the course's chat model:
#
# | entrant | learned from |
# | --- | --- |
# | PPO, GRPO | sampled answers, scored by the reward model, for 160 and 80 rounds |
# | DPO, one round | 12,800 pairs of the chat model's answers |
# | DPO, three rounds | three times as many, each round sampled from the model so far, which is also the reference |
# | three rounds, first reference | the same, but the reference stays the chat model |
# | DPO, reward model's labels | the pairs of one round, labeled by the reward model in place of the raters |
# | best of 16, distilled | SFT on the best of 16 answers to each of 1,000 questions |
#
# Each answered 300 held-out questions, on three seeds. You're the author of one. What is counted (`gold`, `right`,
# `polite`, `reward`, `brief`), whether answers are `greedy` or `sampled`, and on which of the seeds 0, 1 and 2: choose
# so that yours comes first.

# %%
yours = "GRPO"  # change me
for title, value in contest.podium("gold", "greedy", on=[0]):  # change them
    print(f"{value:8.3f}  {title}{'  <-' if title == yours else ''}")

# %%
held = [*contest.contests()]
possible = predict_number(
    f"There are {len(held)} such contests. How many of the seven win at least one?",
    unit="of 7",
)

# %%
wins = contest.winners()
possible.answer(len(wins))
print(f"{len(wins)} of 7 win at least one of {len(held)} contests")
for title, count in wins.most_common():
    print(f"{count:3} {title}")

# %% [markdown]
# Each of these choices could be defended: greedy answers are what users get, sampled ones show the distribution, the
# reward is what was optimized. What can't be defended is to choose after looking. So choose now, before the table:
# gold utility, sampled, all three seeds.

# %% [markdown]
# ## 1. PPO or DPO?
#
# **Claim**. "PPO beats DPO."
#
# **Refuted if** DPO isn't behind once it has what PPO has: rounds, each on fresh answers.
#
# **Method**. The difference of two entrants, in points of gold utility, question by question on the same 300 questions,
# then paired by seed, with a 95% interval by Student's t. With three seeds, t is 4.30, not 1.96.
#
# **Controls**, before any method: the chat model; the same with "Certainly." in front of each answer that isn't polite
# yet; and the best of 4 or 64 answers by the reward model, which costs no training, and 4 or 64 times the sampling.

# %%
PREFIX = contest.BASELINES["prefix"]
beaten = predict_number(
    "How many of the seven are ahead of the prefix on all three seeds, sampled?",
    unit="of 7",
)

# %%
for temperature in ("sampled", "greedy"):
    print(temperature)
    print(*contest.table(temperature), "", sep="\n")

# %%
ahead = contest.gains(over=PREFIX)
winning = sum(min(gain.values) > 0 for gain in ahead.values())
beaten.answer(winning)
print(f"ahead of the prefix on all three seeds: {winning} of 7")
for title, gain in ahead.items():
    print(f"{title:31} {gain}")
show(
    bars(
        list(ahead),
        [gain.mean for gain in ahead.values()],
        "points ahead of the prefix, sampled; 95% over three seeds",
        intervals=[(gain.low, gain.high) for gain in ahead.values()],
    ),
    title="Against one fixed word, none of seven trainings is clearly ahead",
    alt=str({title: round(gain.mean, 2) for title, gain in ahead.items()}),
)

# %%
pairs = [
    ("PPO", "DPO, one round"),
    ("PPO", "DPO, three rounds"),
    ("DPO, three rounds", "DPO, one round"),
    ("DPO, three rounds", "three rounds, first reference"),
    ("DPO, one round", "DPO, reward model's labels"),
    ("best of 64", PREFIX),
]
for first, second in pairs:
    print(f"{first} minus {second}: {contest.ahead(first, second)}")
print("greedily:")
for first, second in pairs[:2]:
    print(f"  {first} minus {second}: {contest.ahead(first, second, 'greedy')}")
for title, gain in contest.gains(over=PREFIX, temperature="greedy").items():
    print(f"  {title} minus {PREFIX}: {gain}")

# %% [markdown]
# **Result**. Sampled, one round of DPO is behind PPO on each seed, by 0.16 points (0.14 to 0.18). Three rounds aren't:
# PPO minus these is -0.02 (-0.05 to 0.01), and they take three times as long as PPO. Which reference they use changes
# nothing that three seeds could show, and neither do the reward model's labels. Greedily, PPO and one round are level.
#
# And against one fixed word? Sampled, nobody is ahead of it on all three seeds. Greedily, four of the seven are behind
# it, by their intervals, and nobody is ahead. What they all gain is manners; no gain in right answers has an interval
# without zero. Only the best of 64 answers is ahead, by 0.17 (0.06 to 0.29): sampled ones, that is. The chat model that
# answers greedily, with the word in front, has 4.72 points, more than that, and it was never trained on a preference.
#
# **Verdict**: true for one round, sampled, and not for three rounds, nor greedily. What one round lacks may be fresh
# answers or more pairs; both changed together. And on this world, where a courtesy is the easiest point to get, no
# training beats one fixed word. Where raters care for more than a word can hold, that may be otherwise; we haven't
# measured it.

# %% [markdown]
# ### Your own entrant
#
# Train one with your loss, in a minute. Write down first what you'll count: right answers, sampled, on 200 held-out
# questions, against the chat model on the same questions.

# %% tags=["nbval-ignore-output"]
before = preferring.exam()
model, _ = preferring.learn_dpo(mine.dpo_loss, beta=0.1, nll=1.0)  # change them
after = preferring.exam(model)
change = Estimate.of([a - b for a, b in zip(after.right, before.right, strict=True)])
print(f"before: {before}\nafter:  {after}")
print(f"right answers: {100 * change.mean:+.1f} ± {100 * change.stderr:.1f} in 100")

# %% [markdown]
# Now try ten settings and keep the best. On fresh questions (`seed=1` for both exams), how much of its lead is left?

# %% [markdown]
# **Next**: [lesson 11a](11a_reasoning.ipynb), where a program checks the answers; or the
# [glossary](../teaching/glossary.md#d) on DPO.
