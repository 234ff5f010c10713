# %% [markdown]
# # 11a · Reasoning
#
# **You will write** a verifier, an unbiased pass@k and a policy-gradient loss. Then your three functions train a model
# live, and you watch its answers grow longer and its results get better.
#
# **The claim** comes from reports on reasoning models such as DeepSeek-R1: reward nothing but right results, and a
# model finds out by itself that it pays to write down its steps. Is that so? And does the model learn to reason, or
# does it only learn to do what it could do before?
#
# **Time**: 65 minutes. **Before you start**: lesson 09 (SFT). Lesson 11 (GRPO) helps.
#
# Run the cells from top to bottom with Shift+Enter. Where it says **your turn**, replace the `...`, keep the line
# `@your_turn(...)`, and run the cell. For a hint, run it again as it is.
# The [lab](11a_reasoning_lab.ipynb) repeats the experiments over three seeds and compares RL with its rivals.

# %%
import copy
import math
import re
from statistics import fmean

import torch
from torch.nn.utils import clip_grad_norm_

from minillm.analysis.alignment import Estimate
from minillm.analysis.reasoning import complete, many_answers, solve
from minillm.course import models, predict, your_turn
from minillm.data.chat import encode_chat
from minillm.posttraining.policy_gradient import group_advantages, grpo_loss
from minillm.posttraining.recipes import problems
from minillm.posttraining.rollout import roll_out, score_answers
from minillm.posttraining.verifiers import decode_answer, shows_steps
from minillm.viz import diagrams
from minillm.viz.figures import bars, lines, show
from minillm.world.lexicon import ADDENDS, AMOUNTS, TOTALS

# %% [markdown]
# ## Why would writing steps help?
#
# Our problems are chains such as 18 + 4 + 7 - 9. A model can answer *at once*: "The number is 20." Or it can first
# write its *steps*: "18 + 4 = 22, 22 + 7 = 29, 29 - 9 = 20. Answer: 20." Such steps are called a [chain of
# thought](../teaching/glossary.md#c).
#
# A transformer spends the same computation on every token: one pass through its layers. Each move of a chain needs the
# result of the move before. A model that answers at once must make all moves in the passes of one short answer. A model
# that writes its steps makes one move at a time, and the next pass can read the result.
#
# There is also less to learn. A step needs one fact, such as 22 + 7 = 29. An answer at once needs the result of a whole
# chain. How many are there of each?

# %%
totals = torch.tensor(TOTALS)  # 2 to 40
apart = (totals[:, None] - totals).abs()
is_move = torch.isin(apart, torch.tensor(AMOUNTS)).double()
n_chains = torch.isin(totals, torch.tensor(ADDENDS)).double()  # that end at each total
print(f"moves: {is_move.sum():,.0f}")
for n_moves in (1, 2, 3, 4):
    n_chains = n_chains @ is_move  # one move longer
    print(f"chains of {n_moves} moves: {n_chains.sum():,.0f}")

# %% [markdown]
# A few hundred facts against three quarters of a million results. Our model has trained on fewer than two thousand
# chains: enough to meet most facts several times, and few chains twice. (This does not prove that steps are needed. A
# larger model with more training might do several moves in one pass.)

# %% [markdown]
# ## The solver mostly answers at once
#
# `models.solver()` is the course's small model after SFT on such problems. We prepared it on purpose: in the last part
# of its training, only one answer in eight showed its steps. So it can write steps, but it rarely does. Here are four
# of its answers to one problem, sampled at temperature 1:

# %% tags=["nbval-ignore-output"]
solver, tokenizer = models.solver()
held_out = problems({"chain": 1}, 200, seed=5_000_000, split="held-out")
results = [int(problem.key.truth[0]) for problem in held_out]
[four] = many_answers(solver, tokenizer, held_out[:1], 4, seed=3)
print(held_out[0].prompt, *four, sep="\n  ")

# %% [markdown]
# To compare both ways fairly, we don't let the model choose. We write the first words of the answer ourselves, and the
# model goes on: "The number is ..." or, for steps, the first number and sign of the question, "18 + ...". Both ways get
# the same 200 held-out problems, with greedy decoding.

# %%
push = predict(
    "At once, the solver is rarely right. And if we write the first number and sign?",
    ["less than 20 %", "20 to 70 %", "more than 70 %"],
)

# %% tags=["nbval-ignore-output"]
steps_begin = [" ".join(problem.worked.split()[:2]) for problem in held_out]
right = {}  # way: right or wrong, problem by problem
for way, begin in ("at once", ["The number is"] * 200), ("with steps", steps_begin):
    completed = complete(solver, tokenizer, held_out, begin)
    right[way] = [p.check(text) for p, text in zip(held_out, completed, strict=True)]
    print(f"{way:10} {fmean(right[way]):.0%}   {completed[0]}")
pushed = fmean(right["with steps"])
push.answer("more than 70 %" if pushed > 0.7 else "20 to 70 %")

# %% tags=["test"]
assert pushed > 0.6 > 0.2 > fmean(right["at once"])

# %% [markdown]
# Same weights, same problems: the first two words of the answer make the difference. (They give nothing away that is
# not in the question. But they save the model from copying the first number, which it can get wrong.)

# %% [markdown]
# ### Does it read its own steps?
#
# Perhaps the steps are decoration, and what helps is a longer answer. So we write a **wrong** first step, one too many,
# and the number that the next step begins with: "18 + 4 = 23, 23 ...". If the model computes from there, its result
# should also be one too many. (In the figure, these answers are called *misled*.)

# %% tags=["nbval-ignore-output"]
misled = []
for problem in held_out:
    move, total = re.match(r"(.+?) = (\d+)", problem.worked).groups()
    misled.append(f"{move} = {int(total) + 1}, {int(total) + 1}")
texts = complete(solver, tokenizer, held_out, misled)
said = list(zip(texts, results, strict=True))
right["misled: still right"] = [t.endswith(f": {result}.") for t, result in said]
right["misled: 1 too many"] = [t.endswith(f": {result + 1}.") for t, result in said]

# %% tags=["nbval-ignore-output"]
shares = {way: Estimate.of(hits) for way, hits in right.items()}
means, errors = [s.mean for s in shares.values()], [s.stderr for s in shares.values()]
show(
    bars(list(shares), means, "share of 200 answers, ± standard error", errors=errors),
    title=f"{means[0]:.0%} right at once, {means[1]:.0%} with steps; a wrong step carries over",
    alt=f"Right: at once {means[0]:.0%}, with steps {means[1]:.0%}, after a wrong step {means[2]:.0%}; "
    f"after a wrong step {means[3]:.0%} are one too many.",
)

# %% tags=["test"]
assert means[3] > 3 * means[2]

# %% [markdown]
# Most results carry the mistake to the end, and few are right all the same. So the model does compute from what stands
# there.

# %% [markdown]
# ## A reward that a program can compute
#
# Lesson 10 trained a reward model on human choices. For problems with one right result, a program is enough: a
# [verifier](../teaching/glossary.md#v) gives 1 for a right answer and 0 for a wrong one. It never reads the steps.

# %% [markdown]
# ### Your turn: the verifier
#
# The final answer is what follows the last "Answer:", or the whole answer if there is no "Answer:". The reward is 1.0
# if the final answer names the number `result` and no other number, and 0.0 otherwise. `re` is imported.


# %%
@your_turn("11a.verifier", minutes=10, difficulty=2)
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
# Why so strict? A verifier that looked for the right number *anywhere* would reward "1, 2, 3, 4, 5, ...", and
# reinforcement learning would find that out soon. This is reward hacking (lesson 10).
#
# Now your verifier reads 64 sampled answers to each of 40 problems. (An answer that the token limit cuts off counts as
# empty, so it is wrong.) This takes up to a minute.

# %% tags=["nbval-ignore-output"]
few = held_out[:40]


def verify(model):
    """Rewards of 64 sampled answers to each of 40 problems: (40, 64)."""
    sampled = many_answers(model, tokenizer, few, 64)
    pairs = zip(sampled, results, strict=False)
    table = [[verifier(text, result) for text in texts] for texts, result in pairs]
    return torch.tensor(table).float()


before = verify(solver)
print(f"{before.mean():.0%} of {before.numel()} answers are right")

# %% [markdown]
# ## pass@k: is a right answer among k?
#
# Fewer than one answer in ten is right. With several attempts per problem, we can ask for more than this average.
# [pass@k](../teaching/glossary.md#p) is the probability that at least one of k sampled answers is right. pass@1 tells
# what a model usually does, pass@64 what it can do at all.
#
# Say that c of n sampled answers are right. The plain estimate 1 - (1 - c/n)ᵏ is biased. Chen et al. (2021) have an
# unbiased one: if you draw k of these n answers, without putting any back, what is the probability of at least one
# right answer?

# %% [markdown]
# ### Your turn: pass@k


# %%
@your_turn("11a.pass_at_k", minutes=10, difficulty=2)
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
# To see the bias, take a model that is right with probability 0.1. We sample n = 4 answers and estimate pass@2.
# Averaged over all that can happen, which estimate gets the truth, 1 - 0.9² = 0.19?

# %%
plain = unbiased = 0.0
for c in range(5):
    probability = math.comb(4, c) * 0.1**c * 0.9 ** (4 - c)  # of c right answers
    plain += probability * (1 - (1 - c / 4) ** 2)
    unbiased += probability * pass_at_k(4, c, 2)
print(f"plain {plain:.4f}, yours {unbiased:.4f}, truth {1 - 0.9**2:.4f}")

# %%
KS = (1, 2, 4, 8, 16, 32, 64)


def curve(rewards):
    """Mean pass@k over problems at each of KS, with its standard error."""
    counts = rewards.sum(1).int().tolist()
    return [Estimate.of([pass_at_k(64, c, k) for c in counts]) for k in KS]


# %% tags=["nbval-ignore-output"]
for k, share in zip(KS, curve(before), strict=True):
    print(f"pass@{k:<2} {share.mean:.2f} ± {share.stderr:.2f}")

# %% [markdown]
# One answer is rarely right, and among 64 there nearly always is a right one. Keep the last number in mind: we measure
# it again after the training.

# %% [markdown]
# ## Learning from rewards alone
#
# The reward is a number that a program computed from text, so no gradient flows through it. The
# [policy gradient](../teaching/glossary.md#p) goes around that (REINFORCE, Williams 1992): the gradient of the expected
# reward is the expectation of
#
# reward × gradient of log p(answer)
#
# over answers that the model samples itself. So: make every answer more probable in proportion to its reward. A
# **baseline**, subtracted from the rewards, lowers the noise of this estimate. GRPO compares the answers *to one
# prompt*: the [advantage](../teaching/glossary.md#a) is the reward minus the group's mean, divided by its standard
# deviation. Right answers get more probable, wrong ones less. If all are right, or all are wrong, nothing happens.

# %% [markdown]
# ### Your turn: the policy-gradient loss
#
# You get a group of B answers to one prompt. `log_probs` holds the log-probability of every token, (B, T), and `mask`
# is True at the tokens of an answer and False at the padding after it. `rewards` is (B,). Compute
#
# 1. the advantages: rewards minus their mean, over their standard deviation + 1e-6,
# 2. for each answer the mean log-probability of its own tokens,
# 3. the loss: minus the mean over answers of advantage × mean log-probability.
#
# (Step 2 is GRPO's choice. The formula above has the sum over tokens; the exercise asks what the difference does.)


# %%
@your_turn("11a.policy_gradient", minutes=10, difficulty=2)
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
# ### Yours has the gradient of GRPO
#
# GRPO takes several updates from one sample, so its loss holds the ratio p / p_old, clipped (lesson 11). Before the
# first update the ratio is 1 everywhere and nothing is clipped. The two *losses* differ, but their *gradients* should
# not:

# %%
torch.manual_seed(0)
table = (-torch.rand(8, 5)).requires_grad_()  # log-probabilities (B, T)
mask = torch.arange(5) < torch.tensor([2, 5, 3, 1, 4, 5, 2, 3])[:, None]  # (B, T)
reward = torch.tensor([1.0, 0, 0, 1, 0, 0, 0, 0])  # (B,)
old, advantages = table.detach(), group_advantages(reward, 8)
grpo, _ = grpo_loss(table, old, old, advantages, mask, kl_coef=0.0)
yours = policy_gradient_loss(table, reward, mask)
print(f"loss: GRPO {grpo.item():.4f}, yours {yours.item():.4f}")
gradients = [torch.autograd.grad(loss, table)[0] for loss in (grpo, yours)]
torch.testing.assert_close(*gradients)

# %% [markdown]
# ## The loop
#
# Sample, verify, compare, update, and sample again from the new model. Here is one group, from the solver as it is. (At
# temperature 1 a small model writes a wrong word or number here and there.)


# %%
def sample(model, asked, room, seed):
    """Eight answers to each problem: the rollout, texts, and rewards (problems, 8)."""
    eight = [problem for problem in asked for _ in range(8)]
    prompts = [encode_chat(tokenizer, problem.messages[:-1]) for problem in eight]
    rollout = roll_out(model, prompts, room, [tokenizer.end_id], seed)
    texts, rewards = [], []
    for problem, ids in zip(eight, rollout.answers, strict=True):
        texts.append(decode_answer(tokenizer, ids))
        right = verifier(texts[-1], int(problem.key.truth[0]))
        rewards.append(right if ids[-1] == tokenizer.end_id else 0.0)  # 0 if cut off
    return rollout, texts, torch.tensor(rewards).float().view(-1, 8)


# %% tags=["nbval-ignore-output"]
_, answers, marks = sample(solver, held_out[:20], 64, seed=1)
g = (marks.mean(1) - 0.25).abs().argmin().item()  # a group with few right
gains = group_advantages(marks[g], 8)
group = answers[8 * g : 8 * g + 8]
diagrams.reasoning_loop(held_out[g].prompt, group, marks[g], gains).show()

# %% [markdown]
# The next two cells are the whole training: new problems, 64 answers per update, your verifier, your loss, one step of
# AdamW. Nothing in it rewards steps or length.

# %%
practice = problems({"chain": 1}, 384, seed=2_000_000)


# %%
def learn(model, room=64, updates=48):
    """Train on verified results: shares right and with steps, and tokens, by update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.0)
    history = []
    for update in range(updates):
        asked = practice[8 * update : 8 * update + 8]
        rollout, texts, rewards = sample(model, asked, room, seed=update)
        log_probs, _ = score_answers(model, rollout)  # (64, T)
        groups = zip(log_probs.split(8), rewards, rollout.mask.split(8), strict=True)
        loss = sum(policy_gradient_loss(*group) for group in groups) / 8
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        row = rewards.mean().item(), fmean(map(shows_steps, texts))
        history.append([*row, rollout.mask.sum(1).float().mean().item()])
        if update % 10 == 9:
            print("update {:2}: {:.0%} right, {:.0%} with steps".format(update, *row))
    return torch.tensor(history).T


# %%
control = predict(
    "The control: the same training with room for only 12 tokens per answer. It ends",
    ["as good as with room", "about half as good", "nearly as bad as it began"],
)

# %% tags=["nbval-ignore-output"]
learner = copy.deepcopy(solver)
history = learn(learner)

# %% tags=["nbval-ignore-output"]
start = history[:, 0].tolist()  # of the first 64 answers
right_now, with_steps, tokens = history.unfold(1, 5, 1).mean(-1)  # over five updates
curves = {"right": right_now, "with steps": with_steps}
show(
    lines(curves, "update (mean of five)", "share of sampled answers"),
    title=f"Only results are rewarded, and steps go from {start[1]:.0%} to {with_steps[-1]:.0%} of the answers",
    alt=f"Right answers rise from {start[0]:.0%} to {right_now[-1]:.0%}, those with steps from {start[1]:.0%} "
    f"to {with_steps[-1]:.0%}.",
)
show(
    lines({"tokens": tokens}, "update (mean of five)", "tokens per answer"),
    title=f"Answers grow from {start[2]:.0f} to {tokens[-1]:.0f} tokens",
    alt=f"Tokens per answer rise from {start[2]:.0f} to {tokens[-1]:.0f}.",
)

# %% [markdown]
# The answers grew longer although no reward mentions length. An answer with steps is right more often, so its advantage
# is more often positive, and the next sample holds more of them. The habit changes within the first ten updates or so;
# after that, the steps themselves get better.

# %% [markdown]
# ### The control: no room for steps
#
# Is it the steps that pay, or would any training on these rewards have helped? An answer at once takes up to 9 tokens
# (up to 14 with a polite phrase), an answer with steps at least 18. We train again with the same start, problems,
# verifier and number of updates, but cut every answer off after 12 tokens.

# %% tags=["nbval-ignore-output"]
cramped = copy.deepcopy(solver)
short_history = learn(cramped, room=12)

# %% tags=["nbval-ignore-output"]
trained = {"before": (solver, 64), "after": (learner, 64), "control": (cramped, 12)}
greedy = {}
for name, (model, room) in trained.items():
    row = greedy[name] = solve(model, tokenizer, held_out, max_new_tokens=room)
    print(f"{name:8} {row.accuracy:.0%} right", end=", ")
    print(f"{row.worked:.0%} with steps, {row.tokens:.0f} tokens per answer")
print(f"before, with our push: {pushed:.0%} right")
control.answer("nearly as bad as it began")

# %% tags=["test"]
assert greedy["after"].accuracy > 0.5 > 0.25 > greedy["control"].accuracy

# %% [markdown]
# These are 200 held-out problems with greedy decoding, so each share has a standard error of at most 3.5 points. With
# room for steps, most answers become right. Without it, the same training leaves the accuracy about where it was: the
# steps pay. What the control does learn is to be brief, since a polite answer may be cut off. (Forty-eight updates are
# few. To learn what whole chains give, a model would need many more. We also tried room for 14 tokens: no answer was
# right in the end, because nearly all ran into the limit. When all rewards are 0, nothing pulls a model back.)
#
# Now compare *after* with *before, with our push*. Two words from us did about as much as the training did. So the
# training taught little arithmetic. It taught the model to begin with steps, and to begin them with the right number.

# %% [markdown]
# ## Did RL add what 64 samples did not have?

# %%
more = predict(
    "After the training, pass@1 is several times higher. What about pass@64?",
    ["higher as well", "the same, within the error", "lower"],
)

# %% tags=["nbval-ignore-output"]
after = verify(learner)
gain = Estimate.of((after.amax(1) - before.amax(1)).tolist())  # pass@64 by problem
for k, was, now in zip(KS, curve(before), curve(after), strict=True):
    print(f"pass@{k:<2} {was.mean:.2f} before, {now.mean:.2f} after")
print(f"the difference at 64: {gain.mean:+.2f} ± {gain.stderr:.2f}")
if abs(gain.mean) <= 2 * gain.stderr:
    more.answer("the same, within the error")
else:
    more.answer("higher as well" if gain.mean > 0 else "lower")

# %% tags=["test"]
assert after.mean() > 2 * before.mean()

# %% tags=["nbval-ignore-output"]
guessing = [1 - (1 - 1 / len(TOTALS)) ** k for k in KS]
bands = {  # a line with a band of one standard error
    name: [[s.mean + by * s.stderr for s in curve(rewards)] for by in (-1, 0, 1)]
    for name, rewards in (("before", before), ("after", after))
}
show(
    lines({**bands, "guessing": guessing}, "k, answers", "pass@k", x=KS, log_x=True),
    title=f"RL makes one answer as good as many were; 64 guesses pass {guessing[-1]:.0%}",
    alt=f"pass@k over k. At 1: {before.mean():.2f} before, {after.mean():.2f} after. At 64 the "
    f"difference is {gain.mean:+.2f}. Guessing reaches {guessing[-1]:.2f} at 64.",
)

# %% [markdown]
# RL lifted the left end of the curve and left the right end about where it was. So did it only make usual what the
# samples held before? On large models, too, the curves before and after RL meet at large k, and can even cross (Yue et
# al. 2025).
#
# But look at the third curve. A chain has one of 39 results, so 64 *guesses* hit the right one in most problems,
# without any reasoning. With few possible results, pass@64 cannot decide the question. The
# [lab](11a_reasoning_lab.ipynb#3.-Does-RL-add-what-64-samples-did-not-have?) counts only answers whose steps are right,
# and comes to another verdict.

# %% [markdown]
# > **Where the picture simplifies.** Our solver learned its steps in SFT, and we prepared it so that it rarely shows
# > them. A large model brings steps from pretraining, and RL brings out kinds that nobody demonstrated here, such as
# > checking a result and starting over. Our chains allow one form of steps, so the answers stop growing once all have
# > it. Whether RL teaches large models something new, or selects among what they could do, is debated.

# %% [markdown]
# > **At scale.** DeepSeek-R1-Zero was trained by GRPO, with rewards for right results and for the format. In about
# > 8,000 updates its accuracy on the AIME 2024 contest rose from 15.6 % to 71.0 %, and its answers grew to thousands of
# > tokens. Verifiers at that scale compare results in mathematics and run tests on code. Most of the cost is sampling
# > long answers, so fast inference (lesson 12) decides how much RL is affordable.

# %% [markdown]
# ## Four questions
#
# Answer each one before you open it.
#
# **1.** Nothing rewarded length. Why did the answers grow? (a) GRPO's loss prefers long answers. (b) Answers with steps
# were right more often, so they had positive advantages more often. (c) The solver had to fill its 64 tokens.
#
# <details><summary>Open 1</summary>
#
# **(b)**. Each update makes the right answers of a group more probable, and answers with steps are right several times
# as often as the others (the lab counts). Not (a): every answer has the same weight in this loss, whatever its length.
# Not (c): an answer may end at any token, and before the training most ended after a dozen.
# </details>
#
# **2.** All eight answers to a prompt are wrong. What does your loss teach? (a) To avoid all eight. (b) Nothing. (c) To
# answer at random.
#
# <details><summary>Open 2</summary>
#
# **(b)**. All rewards equal their mean, so every advantage is 0, and so is the gradient. (a) would need a baseline from
# elsewhere, for example from the batch as in lesson 10, and (c) would need a reward for entropy. So problems that are
# far too hard, or far too easy, cost samples and teach nothing.
# </details>
#
# **3.** A colleague reports pass@64 = 0.95 on yes/no questions as evidence of reasoning. What do you say? (a)
# Impressive. (b) Estimate it without bias first. (c) A coin does better.
#
# <details><summary>Open 3</summary>
#
# **(c)**. 64 tosses of a coin contain the right answer almost surely, so pass@64 says nothing here, and (a) is wrong.
# The unbiased estimate of (b) is good practice, but the number measures the wrong thing: look at pass@1 or at the
# steps.
# </details>
#
# **4.** Which control shows that steps pay, and not training as such? (a) The same training without room for steps. (b)
# A second seed. (c) The accuracy before the training.
#
# <details><summary>Open 4</summary>
#
# **(a)**. It changes one thing, the room, and keeps the problems, the verifier and the number of updates. (b) shows how
# much of a result is luck, and (c) shows that something changed; neither says why.
# </details>

# %% [markdown]
# **What you wrote**: a verifier, the unbiased pass@k, and a policy-gradient loss with the gradient of GRPO; together
# they trained a model.
#
# **What you measured**: one model is rarely right at once and mostly right with steps. Rewards for results alone made
# it write steps, and without room for steps the same rewards did next to nothing. Whether RL added anything to what 64
# samples had, pass@64 of results could not show, since guesses pass it in most problems.
#
# **Next**: the [lab](11a_reasoning_lab.ipynb) (three experiments over three seeds), the
# [graded questions](../exercises/11a_reasoning/11a_reasoning.ipynb), or lesson 12: the
# [inference engine](12_inference_engine.ipynb), which makes all this sampling cheaper.
