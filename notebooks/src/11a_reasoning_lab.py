# %% [markdown]
# # 11a lab · Reasoning: three experiments
#
# Lesson 11a trained a model with your three functions. Here are three questions that one run with one seed cannot
# answer: does voting replace training? Does reinforcement learning beat plain SFT on right answers? And does it add
# anything that 64 samples did not have? Each is told like a short paper, with what would refute it, controls and
# errors.
#
# **Time**: 25 minutes, of which the cells run for two. **Before you start**: lesson 11a.
#
# The models are the course's: the solver, which mostly answers at once, and the same model after GRPO on verified
# results. Whatever takes long was run by `benchmarks/reasoning.py` with three seeds, each with its own solver, its
# own problems and its own training. The lab reads the numbers it kept. A standard error from three seeds is itself
# rough.

# %%
import re
from pathlib import Path
from statistics import fmean

from minillm.analysis.alignment import Estimate
from minillm.analysis.reasoning import many_answers, solve, sound
from minillm.course import mine, models, predict
from minillm.files import read_json
from minillm.posttraining.recipes import problems
from minillm.posttraining.verifiers import self_consistency, shows_steps
from minillm.viz.figures import bars, lines, show
from minillm.world.lexicon import TOTALS

# %%
chains = problems({"chain": 1}, 60, seed=6_000_000, split="held-out")
kept = read_json(Path("../benchmarks/results/reasoning.json"))
runs = kept["runs"]  # one table per seed
print(f"{len(runs)} seeds, {kept['asked']} problems each")

# %% tags=["nbval-ignore-output"]
solver, tokenizer = models.solver()
reasoner, _ = models.reasoning()
samples = {  # 64 answers to each of 60 chains, at temperature 1
    "solver": many_answers(solver, tokenizer, chains, 64),
    "after GRPO": many_answers(reasoner, tokenizer, chains, 64),
}
for name, texts in samples.items():
    answers = [text for of_one in texts for text in of_one]
    with_steps = fmean(map(shows_steps, answers))
    print(f"{name}: {with_steps:.0%} of {len(answers)} answers show steps")

# %% [markdown]
# ## 1. Does voting replace training?
#
# **Claim**. Self-consistency (Wang et al. 2022): sample several answers and take the result that most of them agree on.
# It is right more often than a single answer, without any training.
#
# **Refuted if** a vote among 16 is not right more often than one answer by twice the standard error.
#
# **Method**. 60 held-out chains, 64 answers each. `self_consistency` cuts them into groups of k, lets each group vote,
# and returns the share of right votes. Differences are taken problem by problem, and errors are those over problems.
#
# **Controls**. Greedy decoding, which also avoids the noise of sampling, at the cost of one answer. And the solver's
# answers sorted by form: five votes with steps against five votes at once, on the same problems.

# %%
helps = predict(
    "For which model does a vote among 16 help more?",
    ["the solver, which mostly answers at once", "the model after GRPO"],
)


# %% tags=["nbval-ignore-output"]
def votes(texts, k):
    """The share of right votes among k answers, for each problem with that many."""
    pairs = zip(chains, texts, strict=True)
    return [self_consistency(p, said, k) for p, said in pairs if len(said) >= k]


your_k = 8  # choose another from 2 to 64, and predict both numbers
gains = {}
for name, texts in samples.items():
    for k in (1, your_k, 16, 64):
        share = Estimate.of(votes(texts, k))
        print(f"{name:10} vote of {k:2}: {share.mean:.2f} ± {share.stderr:.2f}")
    pairs = zip(votes(texts, 16), votes(texts, 1), strict=True)
    gains[name] = Estimate.of([many - single for many, single in pairs])
    print(f"{name:10} gain of 16: {gains[name].mean:+.2f} ± {gains[name].stderr:.2f}")

# %% tags=["nbval-ignore-output"]
helps.answer(
    "the model after GRPO"
    if gains["after GRPO"].mean > gains["solver"].mean
    else "the solver, which mostly answers at once"
)
for name, model in (("solver", solver), ("after GRPO", reasoner)):
    print(f"{name}, greedy: {solve(model, tokenizer, chains).accuracy:.2f}")

# %% tags=["nbval-ignore-output"]
forms = {"with steps": True, "at once": False}
for name, wanted in forms.items():
    of_form = [
        [text for text in texts if shows_steps(text) == wanted]
        for texts in samples["solver"]
    ]
    enough = [texts if len(texts) >= 5 else [] for texts in of_form]
    one, five = (Estimate.of(votes([t[:5] for t in enough], k)) for k in (1, 5))
    print(
        f"solver {name:10} one {one.mean:.2f} ± {one.stderr:.2f}, five {five.mean:.2f} ± {five.stderr:.2f}"
    )

# %% [markdown]
# Where do sampled steps go wrong? A step of a chain needs two things: the right numbers from the problem, and the right
# sum. The first number can only be copied.

# %% tags=["nbval-ignore-output"]
for name, texts in samples.items():
    copied, all_right = [], []
    for problem, said in zip(chains, texts, strict=True):
        for text in filter(shows_steps, said):
            first = re.search(r"\d+", text)
            copied.append(first is not None and first[0] == problem.worked.split()[0])
            all_right.append(sound(problem, text))
    print(
        f"{name}: first number right in {fmean(copied):.0%} of the answers with steps,"
        f" all steps in {fmean(all_right):.0%}"
    )

# %% [markdown]
# And over the seeds, on all kinds of problems, from the benchmark:


# %%
def over_seeds(part, *path):
    """The mean over seeds of one number of a part, with its standard error."""
    values = []
    for run in runs:
        value = run[part]
        for key in path:
            value = value[key]
        values.append(value)
    return Estimate.of(values)


for part, name in (("start", "solver"), ("grpo", "after GRPO")):
    shares = [over_seeds(part, "vote_at", str(k)) for k in (1, 4, 16, 64)]
    print(f"{name:10}", *(f"{s.mean:.2f} ± {s.stderr:.2f}" for s in shares), sep="   ")

# %% [markdown]
# **Result**. A vote finds the most frequent result. After GRPO, that is usually the right one: wrong results scatter,
# and 16 votes gain clearly. The solver gains, too, and stays mostly wrong. Sorted by form, its five votes at once are
# no better than one, since a majority of guesses is a guess; an answer with steps is right several times as often as
# one at once. And most wrong steps at temperature 1 begin with a wrong first number. Once that is copied rightly, the
# rest is mostly right.
#
# **Verdict**. Holds with a condition: the right result must be the most frequent one before the vote. Voting does not
# replace the training. It adds to it, at 16 times the cost per answer.
#
# ## 2. Is a policy gradient needed?
#
# **Claim**. Plain SFT on right answers does as well. Sample from the model itself, keep what the verifier accepts, and
# train on it (rejection sampling; STaR, Zelikman et al. 2022). Or take the right answers of a better model
# (distillation), which is how small models got DeepSeek-R1's long answers.
#
# **Refuted if** GRPO ends right more often than rejection sampling by twice the standard error of the difference over
# seeds, or distillation does not reach its teacher within that error.
#
# **Method**. From the same solver, per seed: GRPO, REINFORCE, rejection sampling (16 answers to each of 400 problems,
# two right ones kept, 60 updates of SFT), and the same with the answers of the model after GRPO. 300 held-out problems
# of four kinds, greedy answers.
#
# **Controls**. The same sampling and SFT *without* the verifier: perhaps any further SFT helps. And the solver itself.
#
# Why should a filter be enough? Count how many of the solver's samples show steps, and how many of the right ones:

# %% tags=["nbval-ignore-output"]
said = [
    (problem, text)
    for problem, texts in zip(chains, samples["solver"], strict=True)
    for text in texts
]
everything = fmean(shows_steps(text) for _, text in said)
accepted = fmean(shows_steps(text) for problem, text in said if problem.check(text))
print(f"with steps: {everything:.0%} of all samples, {accepted:.0%} of the right ones")

# %% tags=["test"]
assert accepted > 1.5 * everything

# %%
better = predict(
    "Which ends right most often on held-out problems?",
    ["GRPO", "rejection sampling", "distillation from GRPO's model"],
)

# %%
NAMES = {
    "start": "solver",
    "unverified": "SFT on all samples (control)",
    "rejection": "rejection sampling",
    "distilled": "distillation from GRPO",
    "grpo": "GRPO",
    "reinforce": "REINFORCE",
}
accuracy = {part: over_seeds(part, "held-out", "greedy", "accuracy") for part in NAMES}
for part, name in NAMES.items():
    share, steps = accuracy[part], over_seeds(part, "held-out", "greedy", "worked")
    tokens = over_seeds(part, "held-out", "greedy", "tokens")
    print(
        f"{name:29} {share.mean:.2f} ± {share.stderr:.2f} right,"
        f" {steps.mean:.2f} with steps, {tokens.mean:.0f} tokens"
    )

# %%
ends = {
    "GRPO": "grpo",
    "rejection sampling": "rejection",
    "distillation from GRPO's model": "distilled",
}
better.answer(max(ends, key=lambda name: accuracy[ends[name]].mean))


def lead(part, other):
    """How much more often one part is right than another, seed by seed."""
    right = [
        [run[which]["held-out"]["greedy"]["accuracy"] for which in (part, other)]
        for run in runs
    ]
    return Estimate.of([a - b for a, b in right])


gaps = (("grpo", "rejection"), ("distilled", "grpo"), ("rejection", "unverified"))
for part, other in gaps:
    gap = lead(part, other)
    print(f"{NAMES[part]} minus {NAMES[other]}: {gap.mean:+.2f} ± {gap.stderr:.2f}")

# %% tags=["test"]
assert lead("rejection", "unverified").mean > 0.05
assert lead("grpo", "rejection").mean > 0.1

# %%
show(
    bars(
        list(NAMES.values()),
        [share.mean for share in accuracy.values()],
        "share of right greedy answers, ± standard error over seeds",
        errors=[share.stderr for share in accuracy.values()],
    ),
    title="What each way of learning from verified answers gains",
    alt="Bars of right answers: "
    + ", ".join(f"{NAMES[part]} {share.mean:.2f}" for part, share in accuracy.items()),
)

# %% [markdown]
# **Result**. The verifier makes the difference: SFT on its selection gains over SFT on everything. Among the right
# answers, those with steps are more than twice as frequent as among all, so learning from these alone changes the
# habit. But one round of it stays far behind GRPO, and the table shows why: it still shows its steps much less often.
#
# **Verdict**. Refuted at this budget, and holds in kind. A filter is enough to make steps pay; no policy gradient is
# needed for that. GRPO gains more because it goes on: each round samples from a better model, and wrong answers teach,
# too. (Mind the budgets: GRPO samples in every round, rejection sampling once. Repeated, it comes closer to GRPO.)
# Distillation needs neither loop, once somebody has the teacher: compare its line with GRPO's.
#
# ## 3. Does RL add what 64 samples did not have?
#
# **Claim**. Reinforcement learning from verified results only makes more probable what the model could sample before
# (Yue et al. 2025). So pass@k rises at small k and not at k = 64.
#
# **Refuted if** pass@64 after GRPO is above pass@64 before it by twice the standard error.
#
# **Method**. pass@k from 64 answers per problem, by your `pass_at_k` if you wrote it, before and after GRPO.
#
# **Controls**. A chain has one of 39 results, so a model that guesses passes most problems in 64 attempts. So we count
# twice: answers that *end* right, and answers whose steps are right, too. Guesses don't pass the second count.

# %%
KS = (1, 2, 4, 8, 16, 32, 64)


def passes(texts, check):
    """pass@k of each problem at each of KS: (problems, KS)."""
    counts = [
        sum(check(problem, text) for text in said)
        for problem, said in zip(chains, texts, strict=True)
    ]
    return [[mine.pass_at_k(64, c, k) for k in KS] for c in counts]


def right(problem, text):
    """Whether the result is right."""
    return problem.check(text)


# %% tags=["nbval-ignore-output"]
curves = {}
for counted, check in (("result", right), ("steps", sound)):
    before, after = (passes(samples[name], check) for name in ("solver", "after GRPO"))
    for when, table in (("before", before), ("after", after)):
        shares = [Estimate.of(column) for column in zip(*table, strict=True)]
        curves[f"right {counted}, {when}"] = [
            [s.mean + by * s.stderr for s in shares] for by in (-1, 0, 1)
        ]
        first, last = shares[0], shares[-1]
        print(
            f"right {counted}, {when:6} pass@1 {first.mean:.2f} ± {first.stderr:.2f},"
            f" pass@64 {last.mean:.2f} ± {last.stderr:.2f}"
        )
    pairs = zip(after, before, strict=True)
    gain = Estimate.of([later[-1] - sooner[-1] for later, sooner in pairs])
    print(f"  the gain at 64: {gain.mean:+.2f} ± {gain.stderr:.2f}")

# %% tags=["test"]
assert gain.mean > 2 * gain.stderr  # of right steps

# %% tags=["nbval-ignore-output"]
guessing = [1 - (1 - 1 / len(TOTALS)) ** k for k in KS]
show(
    lines(
        {**curves, "guessing the result": guessing},
        "k, answers per problem",
        "pass@k, ± standard error",
        x=KS,
        log_x=True,
    ),
    title="pass@k before and after GRPO, by result and by steps",
    alt="pass@k over k: "
    + "; ".join(
        f"{name} {band[1][0]:.2f} at 1 and {band[1][-1]:.2f} at 64"
        for name, band in curves.items()
    )
    + f"; guessing {guessing[-1]:.2f} at 64.",
)

# %% [markdown]
# Over the seeds, on all four kinds of problems, and on chains of five to seven moves, longer than any in training:

# %%
for counted, key in (("result", "pass_at"), ("steps", "sound_at")):
    for part, when in (("start", "before"), ("grpo", "after")):
        low, high = (over_seeds(part, key, k) for k in ("1", "64"))
        print(
            f"right {counted}, {when:6} pass@1 {low.mean:.2f} ± {low.stderr:.2f},"
            f" pass@64 {high.mean:.2f} ± {high.stderr:.2f}"
        )
    gain = Estimate.of(
        [run["grpo"][key]["64"] - run["start"][key]["64"] for run in runs]
    )
    print(f"  the gain at 64: {gain.mean:+.2f} ± {gain.stderr:.2f}")
for part, when in (("start", "before"), ("grpo", "after")):
    share = over_seeds(part, "longer chains", "greedy", "accuracy")
    print(f"longer chains, {when:6} {share.mean:.2f} ± {share.stderr:.2f}")

# %% [markdown]
# **Result**. At k = 1, the accuracy multiplies. By results, pass@64 was near 1 before the training, so little was left
# to gain, and guesses alone pass four problems in five. By steps, which guesses don't pass, the picture changes: for
# about a third of the chains, none of the solver's 64 answers had the right steps, and after GRPO one of 64 nearly
# always has. (Experiment 1 shows what it learned: to begin with the right number.) On longer chains GRPO gained little
# or nothing. The model shows steps there, too, but it has never seen so many in one answer.
#
# **Verdict**. By results not refuted, and on results alone it cannot be here. By steps refuted: RL added right steps
# that 64 samples did not have. It is less than it looks: the solver could do every move, and greedy decoding with the
# first two words given was right most of the time (lesson 11a). So before you conclude from pass@k that RL only
# selects, ask how many attempts pass by luck.
#
# **An experiment of your own**: reward nothing real. In the lesson's `learn`, replace the rewards by a shuffled copy,
# `rewards.flatten()[torch.randperm(64)].view(8, 8)`. Predict the share of answers with steps after 48 updates, then run
# it. For some large models, random rewards improved results (Shao et al. 2025, "Spurious rewards"). Here?
#
# **Next**: the [graded questions](../exercises/11a_reasoning/11a_reasoning.ipynb), or
# [lesson 12](12_inference_engine.ipynb).
