# %% [markdown]
# # 11a · Reasoning
#
# Ask our little model what 6 - 3 + 5 + 9 - 9 is, and it says 11. Start its answer off with "6 -", and it gets 8, which
# is right. Same weights. Nobody taught it anything in between.
#
# Can a model find that trick by itself, if all we ever tell it is *right* or *wrong*?
#
# **The claim**: in 2025, DeepSeek reported that a model rewarded for right answers and for a fixed format learned to
# think at length ([DeepSeek-R1](https://arxiv.org/abs/2501.12948)). Does that happen? And did it learn to reason, or to
# use what it had?
#
# **You will write** a verifier and a policy-gradient loss, which train a model while you watch, and pass@k, which
# measures what it learned.
#
# **Time**: 70 minutes. **Before you start**: lesson 09 (SFT). Lesson 11 (GRPO) helps. Stuck at
# **your turn**? Run its cell again, unchanged, for a hint.

# %%
import copy
import math
import re
from pathlib import Path
from statistics import fmean

import torch
from torch.nn.utils import clip_grad_norm_

from minillm.analysis.alignment import Estimate
from minillm.analysis.reasoning import attempt, complete, correct, likeliest
from minillm.course import mine, models, predict, predict_number, your_turn
from minillm.course.recipes.chat import problems
from minillm.files import read_json
from minillm.posttraining.policy_gradient import group_advantages, grpo_loss
from minillm.posttraining.rollout import score_answers
from minillm.viz import diagrams
from minillm.viz.figures import BLUE, SKY, bars, lines, show
from minillm.viz.watch import Watch
from minillm.world.lexicon import ADDENDS, TOTALS

# %% tags=["nbval-ignore-output"]
mine.map("11a")

# %% [markdown]
# ## One problem, two answers
#
# `models.solver()` is the course's small model after SFT on such problems. We write `begin`, and the model goes on.
# Run this, then change `begin`: try "9", "8 -", "Hmm," or "Answer:".

# %% tags=["nbval-ignore-output"]
solver, tokenizer = models.solver()
held_out = problems({"chain": 1}, 200, seed=5_000_000, split="held-out")
puzzle = held_out[0]
begin = "6 -"  # change this
print(puzzle.prompt)
for words in ("", begin):
    print(f"{words!r:>8} ->", *complete(solver, tokenizer, [puzzle], [words]))

# %% [markdown]
# We rigged it: late in training, one answer in eight showed its work. So the model *can* write its steps (a [chain of
# thought](../teaching/glossary.md#c)). It rarely does.

# %% [markdown]
# ## How much do two words help?
#
# Now 200 held-out problems, with greedy decoding. Blurting out the result, the model is right about once in 28.

# %%
started = predict_number(
    "We write the first number and the sign. How many are right?", unit="of 200"
)

# %% tags=["nbval-ignore-output"]
numbers, signs = zip(*(p.worked.split()[:2] for p in held_out), strict=True)
starts = [[f"{number} {sign}" for number in ADDENDS] for sign in signs]
ways = {  # how each of the 200 answers begins
    "result at once": ["The number is"] * 200,
    "first number given, then result": [f"{n}. The number is" for n in numbers],
    "steps, it picks the number": likeliest(solver, tokenizer, held_out, starts),
    "steps, first number given": list(map(" ".join, zip(numbers, signs, strict=True))),
}
right = {way: correct(solver, tokenizer, held_out, ways[way]) for way in ways}
started.answer_count(right["steps, first number given"])

# %% tags=["nbval-ignore-output"]
shares = [Estimate.of(hits) for hits in right.values()]
means, errors = [s.mean for s in shares], [s.stderr for s in shares]
colors = [SKY, SKY, BLUE, BLUE]
show(
    bars(list(right), means, "share right, ± standard error", 3, colors, errors),
    title=f"Beginning with a step: {means[0]:.1%} becomes {means[2]:.0%} to {means[3]:.0%}",
    alt="; ".join(f"{way}: {mean:.1%}" for way, mean in zip(right, means, strict=True)),
)

# %% tags=["test"]
assert means[3] > means[2] > 0.4 > 0.1 > max(means[:2])

# %% [markdown]
# Is that fair? The number was in the question, but this model often botches the copy: when it picks the number itself
# and we give only the sign, it gets 60%. The number without steps gets 5.5%; the result at once, 3.5%.
#
# Why would steps help? Every token gets one trip through the layers. A written step buys another trip, and leaves a
# note that later trips can read. That's an intuition, not a proof: these sums could be added in any order. [Merrill and
# Sabharwal 2024](https://arxiv.org/abs/2310.07923) prove, under a standard conjecture, that some problems do need
# steps.

# %% [markdown]
# ### Does it read its own steps?
#
# Let's sabotage one: we write a first step that is off by `off_by`, and the model goes on. If it reads that step, its
# result should be off by as much.

# %% tags=["nbval-ignore-output"]
off_by = 1  # change this: 5, then 40
first = [re.match(r"(.+?) = (\d+)", p.worked).groups() for p in held_out]
edits = {
    "right": "{0} = {1},",
    "wrong": "{0} = {2},",
    "wrong, then right": "{0} = {2}, {1}",
}
for edit, form in edits.items():
    begins = [form.format(move, total, int(total) + off_by) for move, total in first]
    ends = list(
        zip(complete(solver, tokenizer, held_out, begins), held_out, strict=True)
    )
    print(f"first step {edit}: {ends[0][0]}")
    for off in (0, off_by):
        hits = [t.endswith(f": {int(p.key.truth[0]) + off}.") for t, p in ends]
        print(f"    of 200 results, off by {off}: {fmean(hits):.1%}")

# %% [markdown]
# The error rides along to the end. The model uses what it wrote: if we write the right number after it (*wrong, then
# right*), the sabotage has no effect. And at 40? No total in its world is above 40, so it reads 43 as a 3 ("6 - 3 = 43,
# 3 + 5 = 8") or as a 4. How much a large model depends on its steps varies with the task; larger models often depend on
# them less ([Lanham et al. 2023](https://arxiv.org/abs/2307.13702)).

# %% [markdown]
# ## A reward that a program can compute
#
# Lesson 10 trained a reward model. Here a program will do: a [verifier](../teaching/glossary.md#v) returns a reward of
# 1 for a right result and 0 otherwise. It never looks at the work.
#
# The laziest verifier is one line. Pretend you're the model: you can't add, and you have 64 tokens. Change `cheat`
# until it is paid for all 39 possible results.


# %%
def lazy(answer, result):
    """Pay if the digits of the result occur anywhere in the answer."""
    return float(str(result) in answer)


cheat = "The number is 11."  # change this
payout = sum(lazy(cheat, result) for result in TOTALS)
n_tokens = len(tokenizer.encode(cheat))
print(f"paid for {payout:.0f} of {len(TOTALS)} results, with {n_tokens} tokens")

# %% [markdown]
# ### Your turn: the verifier
#
# The final answer is what follows the last "Answer:", or the whole answer if there is no "Answer:". Pay 1.0 if it names
# the number `result` and no other number, and 0.0 otherwise. `re` is imported.


# %%
@your_turn("11a.verifier", minutes=6, difficulty=2)
def verifier(answer, result):
    """The reward of an answer: 1.0 if it ends in the right result, else 0.0."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def verifier(answer, result):
#     """The reward of an answer: 1.0 if it ends in the right result, else 0.0."""
#     final = answer.rpartition("Answer:")[2]  # all of it, where there is no "Answer:"
#     numbers = re.findall(r"\d+", final)
#     return float({int(number) for number in numbers} == {result})
# ```
#
# </details>

# %% [markdown]
# So much care? We'll also train on `lazy` and find out.

# %% [markdown]
# ## Learning from right and wrong
#
# The reward came out of a program, so no gradient flows through it. The
# [policy gradient](../teaching/glossary.md#p) is the way around (REINFORCE, Williams 1992): the gradient of the
# expected reward is the expectation of
#
# reward × gradient of log p(answer)
#
# over answers that the model samples itself. So make each sampled answer more probable in proportion to its reward.
#
# Subtract a **baseline** that doesn't depend on the answer: the expectation stays the same, and a good baseline reduces
# the noise. GRPO takes the mean reward of the *group*, the G answers to the same prompt. That mean includes the answer
# itself, which only scales the gradient, by 1 - 1/G. Then it divides by the group's standard deviation, which does bias
# the gradient. The result is the [advantage](../teaching/glossary.md#a).

# %% [markdown]
# ### Four answers by hand
#
# One prompt, four answers, one of them right. The mean reward is 0.25, the standard deviation (with n - 1) is 0.5.
#
# | answer | reward | advantage | log p of its tokens | mean | advantage × mean |
# | --- | --- | --- | --- | --- | --- |
# | right | 1 | (1 - 0.25) / 0.5 = 1.5 | -2, -4 | -3 | -4.5 |
# | wrong | 0 | (0 - 0.25) / 0.5 = -0.5 | -1 | -1 | 0.5 |
# | wrong | 0 | -0.5 | -1 | -1 | 0.5 |
# | wrong | 0 | -0.5 | -1 | -1 | 0.5 |
#
# The mean of the last column is -0.75, so the loss is 0.75. All right or all wrong? Then every advantage is 0, and
# nothing is learned.

# %% [markdown]
# ### Your turn: the policy-gradient loss
#
# You get B answers to one prompt. `log_probs` has the log-probability of every token, (B, T). `mask` is True at the
# tokens of an answer and False at the padding after it. `rewards` is (B,). Compute
#
# 1. the advantages: rewards minus their mean, over their standard deviation + 1e-6,
# 2. for each answer the mean log-probability of its own tokens,
# 3. the loss: minus the mean over answers of advantage × mean log-probability.


# %%
@your_turn("11a.policy_gradient", minutes=10, difficulty=3)
def policy_gradient_loss(log_probs, rewards, mask):
    """The loss of B answers to one prompt, from the log-probabilities of their tokens (B, T)."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def policy_gradient_loss(log_probs, rewards, mask):
#     """The loss of B answers to one prompt, from the log-probabilities of their tokens (B, T)."""
#     advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
#     per_answer = (log_probs * mask).sum(dim=1) / mask.sum(dim=1)
#     return -(advantages * per_answer).mean()
# ```
#
# </details>

# %% [markdown]
# GRPO's own loss holds a clipped ratio p / p_old (lesson 11). At the first update on each batch, the ratio is 1, and
# its gradient is yours:

# %%
rewards = torch.tensor([1.0, 0.0, 0.0, 0.0])  # (B,)
log_p = torch.tensor([[-2.0, -4.0], *[[-1.0, 0.0]] * 3], requires_grad=True)  # (B, T)
mask = torch.tensor([[True, True], *[[True, False]] * 3])
yours, old = policy_gradient_loss(log_p, rewards, mask), log_p.detach()
grpo, _ = grpo_loss(log_p, old, old, group_advantages(rewards, 4), mask, kl_coef=0.0)
gradient, grpos = (torch.autograd.grad(loss, log_p)[0] for loss in (yours, grpo))
print(f"your loss: {yours.item():.2f}; by hand: 0.75")
print(f"largest difference from GRPO's gradient: {(gradient - grpos).abs().max():.4f}")
print(gradient)

# %% [markdown]
# Where the gradient is negative, an update makes the token more probable.

# %% [markdown]
# ## The loop
#
# Sample, verify, compare, update; then sample again, from the new model. One group:

# %% tags=["nbval-ignore-output"]
made = attempt(solver, tokenizer, held_out[:20], verifier, seed=1)  # 8 answers to each
table = made.paid.view(-1, 8)  # (problems, 8)
g = (table.mean(1) - 0.25).abs().argmin().item()  # a group with a few right answers
group = made.texts[8 * g : 8 * g + 8]
diagrams.reasoning_loop(
    held_out[g].prompt, group, table[g], group_advantages(table[g], 8)
).show()

# %% [markdown]
# Yes, "Of course.hat 8" is real: small model, temperature 1.
#
# The next cell is the whole training: 48 updates of 64 answers each, your verifier, your loss, one step of AdamW. Does
# it ask for steps anywhere, or for length?

# %%
PLOTS = {"share": ["paid", "right", "steps"], "tokens per answer": ["tokens"]}


def learn(verify, loss=policy_gradient_loss, room=64, n=8, updates=48, seed=0):
    """A copy of the solver, trained on what `verify` pays, and what each update saw."""
    model = copy.deepcopy(solver)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=0.0)
    practice = problems({"chain": 1}, n * updates, seed=2_000_000 + 100_000 * seed)
    watch = Watch(updates, PLOTS, lambda: complete(model, tokenizer, [puzzle], [""])[0])
    with watch:
        for update in watch:
            asked = practice[n * update : n * update + n]
            made = attempt(model, tokenizer, asked, verify, 8, room, seed=update)
            log_probs, _ = score_answers(model, made.rollout)  # (8 n, T)
            parts = (
                each.split(8) for each in (log_probs, made.paid, made.rollout.mask)
            )
            total = sum(loss(*group) for group in zip(*parts, strict=True)) / n
            optimizer.zero_grad()
            total.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            paid = made.paid.mean().item()
            watch.log(paid=paid, right=made.right, steps=made.steps, tokens=made.tokens)
    return model, watch.history


# %% [markdown]
# Run it (about a minute; you may interrupt it) and read along: the model answers the puzzle every few updates. With
# your verifier, *paid* lies under *right*: they're the same number.

# %% tags=["nbval-ignore-output"]
learner, run = learn(verifier, seed=0)  # change this: another seed

# %% [markdown]
# Worked answers win more often, winners get more probable, so the next batch holds more of them. First the habit
# changes: after 20 updates nearly every answer shows steps, and most are still wrong. Then more of them come out right:
# at temperature 1 the solver slips often, and training makes the right tokens more probable. Nothing in this training
# told it to begin with the first number. The habit comes from SFT.

# %% [markdown]
# ## Was it the steps?
#
# Or would any training do? The control has no room for steps. With steps an answer nearly always takes 18 tokens or
# more, so we cut every answer off after 12. This also cuts some polite answers without steps; "Certainly. The number is
# 11." has 13, with its end token. Most of its groups would be all wrong. To give the control as many groups with a
# signal, we ask three times as many problems per update.

# %%
short = predict_number(
    "How many held-out problems does the control get right?", unit="of 200"
)

# %% tags=["nbval-ignore-output"]
cramped, short_run = learn(verifier, room=12, n=24)


# %% tags=["nbval-ignore-output"]
two_words = ways["steps, first number given"]
exams = {
    "before": correct(solver, tokenizer, held_out),
    "before, two words given": correct(solver, tokenizer, held_out, two_words),
    "after": correct(learner, tokenizer, held_out),
    "after, two words given": correct(learner, tokenizer, held_out, two_words),
    "control": correct(cramped, tokenizer, held_out, max_new_tokens=12),
}
for who, hits in exams.items():
    print(f"{who:24} {fmean(hits):5.1%} right")
print("the control on our puzzle:", *complete(cramped, tokenizer, [puzzle], [""]))
short.answer_count(exams["control"])

# %% tags=["nbval-ignore-output"]
curves = {key: run[key] for key in ("right", "steps")}
curves |= {f"control: {key}": short_run[key] for key in ("right", "steps")}
show(
    lines(curves, "update", "share (mean of five updates)", ylim=(0, 1), mean_of=5),
    title="Only results are paid, and steps take over; without room for steps, nothing",
    alt="; ".join(f"{name} ends at {seen[-1]:.2f}" for name, seen in curves.items()),
)

# %% tags=["test"]
assert fmean(exams["after"]) > 0.5 > 0.2 > fmean(exams["control"])

# %% [markdown]
# The control had about as many groups with a signal per update. What it learned is to guess: it answers 9 to nearly
# all of our 200 problems. Even the best constant, 8, gets only 17.
#
# Now compare *after* with *before, two words given*. With greedy decoding, the training bought about as much as our two
# words.

# %% [markdown]
# ## The same run, on the lazy verifier
#
# Same start and loss, but `lazy` pays.

# %%
honest = predict(
    "Trained on which one is the model right more often?",
    ["your verifier", "lazy", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
hacker, lazy_run = learn(lazy, seed=2)  # change this: seed 0, 1 or 3

# %% tags=["nbval-ignore-output"]
exams["lazy"] = correct(hacker, tokenizer, held_out)
honest.answer_by({"your verifier": exams["after"], "lazy": exams["lazy"]})
print(*complete(hacker, tokenizer, held_out[:3], [""] * 3), sep="\n")

# %% tags=["nbval-ignore-output"]
hacked = {f"lazy: {name}": lazy_run[name] for name in ("paid", "steps", "right")}
hacked["your verifier: right"] = run["right"]
show(
    lines(hacked, "update", "share (mean of five updates)", ylim=(0, 1), mean_of=5),
    title="Paid more and more, full of steps, and wrong",
    alt="; ".join(f"{name} ends at {seen[-1]:.2f}" for name, seen in hacked.items()),
)

# %% [markdown]
# It looks like reasoning. But read it: in ours, sums didn't come out (23 - 9 = 13), and some answers went on naming
# numbers after "Answer:". It's the student who ticks every box. This is
# [reward hacking](../teaching/glossary.md#r), and only the true results show it.
#
# `lazy` pays every right answer, too, so an honest model would earn more: compare *lazy: paid* with *your verifier:
# right*. Hacking isn't even the best-paid way here. This run fell into it.
# Some seeds don't.
#
# Here are all the runs, over three to five streams of problems (`benchmarks/reasoning_controls.py`). The *bad control*
# is that of question 4 below.

# %%
print(
    *read_json(Path("../benchmarks/results/reasoning_controls.json"))["table"], sep="\n"
)

# %% [markdown]
# On `lazy`, two of five streams end in ruin, at 1% and 8%. At half the learning rate, the same two end at 80% and 77%.
# So hacking is a risk, not a law.
#
# Could the loss itself prefer long answers? Ours divides by the length, so each token of a long wrong answer is
# punished less ([Liu et al. 2025](https://arxiv.org/abs/2503.20783), Dr. GRPO). Their loss drops that division and the
# standard deviation, and the answers end just as long. So here it isn't the loss that makes them long.

# %% [markdown]
# ### Your own run
#
# Change one thing and predict before you run it: another `seed`, `room=24`, your own loose verifier, or a loss that
# sums over tokens. Twelve updates show whether steps spread. Whether they're right takes 48.


# %%
def my_verifier(answer, result):
    """Pay whatever you like."""  # change this
    return float(answer.endswith(f"{result}."))


# %% tags=["nbval-ignore-output"]
my_model, my_run = learn(my_verifier, updates=12, seed=1)

# %% [markdown]
# ## Did it learn anything new?
#
# *Reach*: which problems a model can solve at all. *Rate*: how often it solves them. Perhaps RL adds only rate ([Yue et
# al. 2025](https://arxiv.org/abs/2504.13837)). Then the untrained model should find the same solutions, given more
# attempts. [pass@k](../teaching/glossary.md#p) measures that: you may ask k times, and somebody picks the winner.
#
# You have n answers to a problem, and c of them are right. The plain estimate, 1 - (1 - c/n)ᵏ, is biased. An unbiased
# one ([Chen et al. 2021](https://arxiv.org/abs/2107.03374)): put your n answers into a hat and pull out k. What is the
# probability that at least one is right?

# %% [markdown]
# ### Your turn: pass@k


# %%
@your_turn("11a.pass_at_k", minutes=7, difficulty=3)
def pass_at_k(n, c, k):
    """The probability that k of n answers, c of them right, include a right one."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def pass_at_k(n, c, k):
#     """The probability that k of n answers, c of them right, include a right one."""
#     return 1 - math.comb(n - c, k) / math.comb(n, k)
# ```
#
# </details>

# %% [markdown]
# Does the bias matter? A model is right with probability 0.1, so its pass@2 is 1 - 0.9² = 0.19. Average the estimates
# from n = 4 answers over all outcomes:

# %%
plain = unbiased = 0.0
for c in range(5):
    probability = math.comb(4, c) * 0.1**c * 0.9 ** (4 - c)  # of c right answers
    plain += probability * (1 - (1 - c / 4) ** 2)
    unbiased += probability * pass_at_k(4, c, 2)
print(f"plain {plain:.4f}, yours {unbiased:.4f}, true {1 - 0.9**2:.4f}")

# %% [markdown]
# Now 512 answers to each of 180 chains, by three solvers before and after RL (`benchmarks/reasoning_reach.py`).
# The trap: a chain has one of 39 results, so 64 random guesses hit the right one in four problems out of five. So an
# answer counts only if its **steps** are right, too, as in CoT-pass@k ([Wen et al.
# 2025](https://arxiv.org/abs/2506.14245)).

# %%
reach = predict(
    "Given 512 attempts, which model finds right steps for more problems?",
    ["before RL", "after RL", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
counted = read_json(Path("../benchmarks/results/reasoning_reach.json"))["counts"]
found = {f"{when} RL": [c > 0 for c in counted[when]["steps"]] for when in counted}
reach.answer_by(found)

# %% tags=["nbval-ignore-output"]
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
attempts = {
    f"{when} RL: right {kind}": [fmean(pass_at_k(512, c, k) for c in cs) for k in KS]
    for when, kinds in counted.items()
    for kind, cs in kinds.items()
}
attempts["guessing: right result"] = [1 - (1 - 1 / len(TOTALS)) ** k for k in KS]
figure = lines(
    attempts, "k, attempts per problem", "pass@k", KS, log_x=True, ylim=(0, 1.02)
)
figure.axes[0].set_xticks(KS, map(str, KS))
show(
    figure,
    title="By right steps, RL multiplies the rate; by 512 attempts the gap nearly closes",
    alt="; ".join(f"{name} ends at {v[-1]:.2f}" for name, v in attempts.items()),
)
for name, v in attempts.items():
    print(f"{name:25} {v[0]:.2f} at 1, {v[6]:.2f} at 64, {v[-1]:.2f} at 512")

# %% [markdown]
# **The verdict: mostly rate.** With one attempt, RL lifts right steps from 2% of the answers to 74%. With 64 the gap is
# still wide, but the untrained model shows its steps in one answer out of six, so it has made only some ten attempts
# with steps. From there each doubling about halves the gap: 0.37, 0.23, 0.13, 0.05. At 512, 168 problems are solved
# before RL and 177 after, and none is lost: a little reach, or not enough attempts yet. RL mostly changed how often the
# model finds solutions that it could find before. By results alone, the two look alike from 64 attempts on, and
# guessing isn't far behind. Our check accepts one wording, so these counts are lower bounds.

# %% [markdown]
# > **Where the picture simplifies.** No KL penalty: nothing keeps the model near its start, as the lazy run showed. No
# > ratio and no clipping: every sample is used for one update. One form of steps, so there's no search and no
# > backtracking. And our model didn't discover steps: one pretraining document in ten is a chain, and another one in
# > ten is a sum, most with their steps. Large models bring theirs, too: DeepSeek-V3-Base reflects on answers before any
# > RL (Liu et al. 2025, Dr. GRPO).

# %% [markdown]
# > **At scale.** DeepSeek-R1-Zero was trained by GRPO, with rewards for right results and for format. Its accuracy on
# > AIME 2024 rose from 15.6% to [77.9%](https://www.nature.com/articles/s41586-025-09422-z), and its answers grew to
# > thousands of tokens. Whether such training adds reach is debated: [ProRL](https://arxiv.org/abs/2505.24864) (M. Liu
# > et al. 2025) trains much longer and reports problems that the base model fails however often it is sampled.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** Nothing paid for length. Why did the answers grow? (a) GRPO's loss prefers long answers. (b) Answers with steps
# were right more often. (c) The model had to fill its 64 tokens.
#
# <details><summary>Open 1</summary>
#
# **(b)**: their advantages were positive more often. (a) is a real effect for *wrong* answers, but Dr. GRPO's loss
# removes it, and the answers grow as long. Not (c): before the training, seven in ten answers without steps ended
# within eight.
# </details>
#
# **2.** All eight answers to a prompt are wrong. What does your loss teach? (a) To avoid all eight. (b) Nothing. (c) To
# answer at random.
#
# <details><summary>Open 2</summary>
#
# **(b)**. All rewards equal their mean, so every advantage is 0, and so is the gradient. (a) would need a baseline from
# elsewhere, and (c) a reward for entropy.
# </details>
#
# **3.** A colleague reports pass@64 = 0.95 on yes/no questions as evidence of reasoning. What do you say? (a)
# Impressive. (b) Estimate it without bias first. (c) A coin does better.
#
# <details><summary>Open 3</summary>
#
# **(c)**. 64 tosses of a coin contain the right answer almost surely, so (a) is wrong. (b) doesn't help: look at
# pass@1, or at the steps. </details>
#
# **4.** Your control learns nothing, and its answers read "The 11 11 11". What does it show? (a) That the thing it
# lacks is what pays. (b) Little: it fell apart, and that can have other causes. (c) That RL never works without steps.
#
# <details><summary>Open 4</summary>
#
# **(b)**. A control that collapsed shows only that. Few groups with a signal, or too high a learning rate, can do it,
# too. So (a) doesn't follow, and (c) still less. Our control kept the rate, had about as many groups with a signal, and
# settled on a guess.
# </details>

# %% tags=["nbval-ignore-output"]
mine.map(lesson="11a")

# %% [markdown]
# **What you wrote**: a verifier, a policy-gradient loss with GRPO's gradient, and pass@k. The first two trained a model
# to show its work; the third measured what that changed.
#
# **What you found**: steps help, and rewarding results alone is enough to bring them out. A lazy verifier brings out
# "steps", too, and ruined the model in two of five runs. And RL mostly made frequent what the model could do before.
#
# **Next**: the [lab](11a_reasoning_lab.ipynb), the [graded questions](../exercises/11a_reasoning/11a_reasoning.ipynb),
# or lesson 12: the [inference engine](12_inference_engine.ipynb), which makes sampling cheaper.
