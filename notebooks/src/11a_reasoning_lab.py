# %% [markdown]
# # 11a lab · Reasoning: three experiments
#
# Lesson 11a trained one model with one seed. Three questions need more than that. Does voting replace training? Do you
# need a policy gradient, or will a filter do? And does RL add reach, or only rate? Each one reads like a tiny paper:
# claim, what would sink it, controls, error bars.
#
# **Time**: 35 minutes, of which the cells run for two. **Before you start**: lesson 11a.
#
# The slow runs were done ahead of time; you load their numbers. `benchmarks/reasoning.py` and
# `benchmarks/reasoning_reach.py` remake them, with three seeds, each with its own solver, problems and training. With
# three seeds a standard error is itself rough, so we print all three numbers.

# %%
from pathlib import Path
from statistics import fmean

from minillm.analysis.alignment import Estimate
from minillm.analysis.reasoning import many_answers, self_consistency, sound
from minillm.course import mine, models, predict
from minillm.course.recipes.chat import problems
from minillm.course.recipes.reasoning import (
    REASONING_GRPO,
    REASONING_REINFORCE,
    REASONING_REJECTION,
    REJECTION_PROBLEMS,
)
from minillm.files import read_json
from minillm.viz.figures import BLUE, ORANGE, SKY, bars, lines, show
from minillm.world.answers import shows_steps
from minillm.world.lexicon import TOTALS

# %%
chains = problems({"chain": 1}, 60, seed=6_000_000, split="held-out")
runs = read_json(Path("../benchmarks/results/reasoning.json"))["runs"]  # one per seed


def by_seed(part, *path):
    """One number of a part of the benchmark, for each seed."""
    values = []
    for value in (run[part] for run in runs):
        for key in path:
            value = value[key]
        values.append(value)
    return values


def told(values):
    """All seeds, and their mean."""
    return (
        " ".join(f"{value:+.2f}" for value in values) + f", mean {fmean(values):+.2f}"
    )


# %% tags=["nbval-ignore-output"]
solver, tokenizer = models.solver()
reasoner, _ = models.reasoning()
samples = {}  # 64 answers to each of 60 chains, at temperature 1; about a minute
print(chains[0].prompt)
for name, model in ("before RL", solver), ("after RL", reasoner):
    samples[name] = texts = many_answers(model, tokenizer, chains, 64)
    shown = fmean(shows_steps(text) for of_one in texts for text in of_one)
    print(
        f"{name}: {shown:.0%} of {64 * len(texts)} answers show steps; the first four:"
    )
    print(*(f"    {text}" for text in texts[0][:4]), sep="\n")

# %% [markdown]
# ## 1. Does voting replace training?
#
# **Claim**. Sample several answers and take the result that most of them agree on: self-consistency
# ([Wang et al. 2022](https://arxiv.org/abs/2203.11171)). So an untrained model with many votes does as well as a
# trained one with a single answer.
#
# **Refuted if** 64 votes of the model before RL are right less often than one answer of the model after it, by twice
# the standard error.
#
# **Method**. 60 held-out chains, 64 sampled answers each. `self_consistency` cuts them into groups of k and returns the
# share of groups whose vote is right. Differences are taken problem by problem.
#
# **Controls**. The same votes *after* RL: does voting help that model as much? And the solver's answers sorted by form:
# five votes with steps against five votes without, on the problems that have enough of each.

# %%
helps = predict(
    "Which model gains more from 16 votes?",
    ["before RL", "after RL", "too close to call"],
)


# %% tags=["nbval-ignore-output"]
def votes(texts, k):
    """The share of right votes among k answers, for each problem with that many."""
    pairs = zip(chains, texts, strict=True)
    return [self_consistency(p, said, k) for p, said in pairs if len(said) >= k]


your_k = 8  # change this: another from 2 to 64; predict its row
for name, texts in samples.items():
    for k in sorted({1, your_k, 16, 64}):
        share = Estimate.of(votes(texts, k))
        print(f"{name:9} vote of {k:2}: {share.mean:.2f} ± {share.stderr:.2f}")
many, one = votes(samples["before RL"], 64), votes(samples["after RL"], 1)
gap = Estimate.of([b - a for a, b in zip(many, one, strict=True)])
print(f"one answer after RL minus 64 votes before: {gap.mean:+.2f} ± {gap.stderr:.2f}")

# %% tags=["test"]
assert gap.mean > 3 * gap.stderr

# %% tags=["nbval-ignore-output"]
helps.answer_by(
    {
        name: [m - s for m, s in zip(votes(texts, 16), votes(texts, 1), strict=True)]
        for name, texts in samples.items()
    }
)
print("The same over three seeds, on all four kinds of problems:")
for k in ("16", "64"):
    for part, name in ("start", "before RL"), ("grpo", "after RL"):
        pairs = zip(
            by_seed(part, "vote_at", k), by_seed(part, "vote_at", "1"), strict=True
        )
        print(f"  gain of {k} votes {name:9}: {told([m - s for m, s in pairs])}")

# %% tags=["nbval-ignore-output"]
for wanted, name in ((True, "with steps"), (False, "at once")):
    of_form = [
        [t for t in said if shows_steps(t) == wanted] for said in samples["before RL"]
    ]
    enough = [said[:5] if len(said) >= 5 else [] for said in of_form]
    single, five = votes(enough, 1), votes(enough, 5)
    more = Estimate.of([b - a for a, b in zip(single, five, strict=True)])
    print(f"before RL, {name:10} in {len(five)} chains:", end=" ")
    print(f"one {fmean(single):.2f}, five {fmean(five):.2f}", end=", ")
    print(f"gain {more.mean:+.2f} ± {more.stderr:.2f}")

# %% [markdown]
# **Result**. Voting helps both models, and 64 votes of the untrained one stay far below a single answer of the trained
# one. Which one gains more? It depends on k: at 16 the seeds can't tell, at 64 the untrained model gains more in all
# three seeds. Sorted by form, five votes without steps gain nothing over one. With steps they gain +0.07 ± 0.04, too
# close to call on 55 chains.
#
# **Verdict**. False: voting doesn't replace the training. It adds to it, at k times the cost per answer, wherever the
# right result is already the most frequent one.

# %% [markdown]
# ## 2. Do you need a policy gradient?
#
# **Claim**. No: sample from the model itself, keep what the verifier accepts, and do plain SFT on it (rejection
# sampling; STaR, [Zelikman et al. 2022](https://arxiv.org/abs/2203.14465)). Or take right answers from a better model:
# distillation, which is how small models got DeepSeek-R1's long answers.
#
# **Refuted if** GRPO ends right more often than rejection sampling in all three seeds, without using more samples, and
# by more than twice the standard error of a single run (0.03 on 300 problems).
#
# **Method**. From the same solver, per seed: GRPO, REINFORCE, one round of rejection sampling, and SFT on right answers
# of the model after GRPO. Measured on 300 held-out problems of four kinds, with greedy answers.
#
# **Controls**. The same sampling and SFT *without* the verifier: perhaps any further SFT helps. And the solver itself.
#
# Why should a filter work at all? Look at what passes it, and at how many samples each method gets:

# %% tags=["nbval-ignore-output"]
said = [
    (p, text)
    for p, texts in zip(chains, samples["before RL"], strict=True)
    for text in texts
]
everything = fmean(shows_steps(text) for _, text in said)
accepted = fmean(shows_steps(text) for p, text in said if p.check(text))
print(f"with steps: {everything:.0%} of all samples, {accepted:.0%} of the right ones")

# %%
for name, recipe in ("GRPO", REASONING_GRPO), ("REINFORCE", REASONING_REINFORCE):
    sampled = recipe.steps * recipe.prompts_per_step * recipe.answers_per_prompt
    print(f"{name:18} {sampled:,} samples, in {recipe.steps} rounds")
print(
    f"rejection sampling {REJECTION_PROBLEMS * REASONING_REJECTION.answers:,} samples, in 1 round"
)

# %% tags=["test"]
assert accepted > 1.5 * everything

# %%
better = predict(
    "Which ends right most often on held-out problems?",
    ["GRPO", "rejection sampling", "distillation from GRPO", "too close to call"],
)

# %%
NAMES = {
    "start": "the solver (control)",
    "unverified": "SFT on all samples (control)",
    "rejection": "rejection sampling",
    "distilled": "distillation from GRPO",
    "grpo": "GRPO",
    "reinforce": "REINFORCE",
}
where = "held-out"  # change this: "longer chains"
what = "accuracy"  # change this: "worked" (the share with steps), or "tokens"
for part, name in NAMES.items():
    values = by_seed(part, where, "greedy", what)
    print(
        f"{name:29}",
        *(f"{value:6.2f}" for value in values),
        f"  mean {fmean(values):.2f}",
    )

# %%
accuracy = {part: by_seed(part, "held-out", "greedy", "accuracy") for part in NAMES}
better.answer_by(
    {NAMES[part]: accuracy[part] for part in ("grpo", "rejection", "distilled")}
)
for part, other in (
    ("grpo", "rejection"),
    ("distilled", "grpo"),
    ("rejection", "unverified"),
):
    gaps = [a - b for a, b in zip(accuracy[part], accuracy[other], strict=True)]
    print(f"{NAMES[part]} minus {NAMES[other]}: {told(gaps)}")

# %% tags=["test"]
assert all(
    a > b + 0.06 for a, b in zip(accuracy["grpo"], accuracy["rejection"], strict=True)
)
assert fmean(accuracy["rejection"]) > fmean(accuracy["unverified"]) + 0.05

# %%
estimates = [Estimate.of(values) for values in accuracy.values()]
show(
    bars(
        list(NAMES.values()),
        [estimate.mean for estimate in estimates],
        "share right, ± standard error over three seeds",
        colours=[SKY, SKY, BLUE, BLUE, ORANGE, ORANGE],
        errors=[estimate.stderr for estimate in estimates],
    ),
    title="A filter: {:.0%} becomes {:.0%}; a policy gradient: {:.0%}".format(
        *(fmean(accuracy[part]) for part in ("start", "rejection", "grpo"))
    ),
    alt=", ".join(
        f"{NAMES[part]} {fmean(values):.2f}" for part, values in accuracy.items()
    ),
)

# %% [markdown]
# **Result**. The verifier is what matters: SFT on its selection gains over SFT on everything. Steps are more than twice
# as frequent among the right answers, so learning from those alone changes the habit. But one round stays far behind
# GRPO, which had fewer samples.
#
# **Verdict**. False at this budget, true in spirit: a filter does make steps pay. What GRPO adds here is rounds, each
# sampled from a better model, and wrong answers that teach, too; this experiment can't tell which of the two matters.
# It isn't the number of updates: GRPO makes 240 and the filter's SFT 60, but 60 are enough for distillation. A filter
# applied again and again is the fair rival, and it isn't in the table. And once you have a teacher, distillation needs
# neither, but here its teacher was made by GRPO. It's ahead of GRPO in all three seeds, by about one run's error.

# %% [markdown]
# ## 3. Does RL add reach, or only rate?
#
# **Claim**. RL on verified results makes more frequent what the model could sample before, and adds nothing to it
# ([Yue et al. 2025](https://arxiv.org/abs/2504.13837)). Then pass@k rises at small k and meets the old curve at large
# k.
#
# **Refuted if** at the largest k, pass@k by right steps is higher after RL by clearly more than twice the standard
# error. (With 180 problems, the smallest gain that shows is about 0.03.)
#
# **Method**. Three seeds, each with its own solver, training and 60 chains; 512 answers to each chain before RL and
# after (`benchmarks/reasoning_reach.py`); pass@k by `mine.pass_at_k`: yours, if you wrote it.
#
# **Controls**. A chain has one of 39 results, so a model that guesses passes most problems with 64 attempts. So we
# count twice: answers with the right *result*, and answers with the right *steps* as well, as in CoT-pass@k
# ([Wen et al. 2025](https://arxiv.org/abs/2506.14245)). Two wrong steps can end in the right result: see the third
# answer after RL at the top of this page. `sound` accepts one wording of right steps, so it counts too few before RL.
# And k itself: 64 attempts of a model that shows steps in one of six are some ten attempts with steps.

# %%
farther = predict(
    "By right steps, at k = 64, how much of the gain at k = 1 is left?",
    ["none", "less than half", "more than half"],
)

# %% tags=["nbval-ignore-output"]
kept = read_json(Path("../benchmarks/results/reasoning_reach.json"))
counts, n = kept["counts"], kept["answers"]


def passes(when, kind, k):
    """pass@k of each problem, from its number of right answers among n."""
    return [float(mine.pass_at_k(n, c, k)) for c in counts[when][kind]]


def gain(kind, k):
    """How much pass@k rises with RL, over problems."""
    pairs = zip(passes("after", kind, k), passes("before", kind, k), strict=True)
    return Estimate.of([after - before for after, before in pairs])


my_k = 32  # change this: another, up to 512; predict its row
for k in sorted({1, my_k, 64, 128, 256, 512}):
    by_kind = ((kind, gain(kind, k)) for kind in ("result", "steps"))
    print(
        f"k = {k:3}",
        *(f"  by {kind} {g.mean:+.2f} ± {g.stderr:.2f}" for kind, g in by_kind),
    )
left = gain("steps", 64).mean / gain("steps", 1).mean
farther.answer(
    "none" if left < 0.1 else "less than half" if left < 0.5 else "more than half"
)

# %% tags=["nbval-ignore-output"]
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
drawn = {}
for when in counts:  # the lesson's colors
    for kind in counts[when]:
        each = [Estimate.of(passes(when, kind, k)) for k in KS]
        band = [[e.mean + side * e.stderr for e in each] for side in (-1, 0, 1)]
        drawn[f"{when} RL: right {kind}"] = band
drawn["guessing: right result"] = [1 - (1 - 1 / len(TOTALS)) ** k for k in KS]
figure = lines(
    drawn,
    "k, attempts per problem",
    "pass@k ± standard error",
    KS,
    log_x=True,
    ylim=(0, 1.03),
)
figure.axes[0].set_xticks(KS, map(str, KS))
show(
    figure,
    title="The gain by right steps shrinks as the number of attempts grows",
    alt="; ".join(
        f"{name} ends at {band[1][-1]:.2f}" for name, band in list(drawn.items())[:4]
    ),
)

# %% [markdown]
# Which problems are the hard ones? Those that the solver never solves by right steps in 512 attempts, and what the
# trained model does with them:

# %% tags=["nbval-ignore-output"]
pairs = list(zip(counts["before"]["steps"], counts["after"]["steps"], strict=True))
never = [after for before, after in pairs if before == 0]
print(
    f"{len(never)} of {len(pairs)} problems never solved before RL; right steps after RL:"
)
print(f"  {never} of {n}")
print(f"never solved after RL: {sum(after == 0 for _, after in pairs)}")
attempted = [shows_steps(t) for said in samples["before RL"] for t in said]
right_steps = [
    sound(p, t)
    for p, said in zip(chains, samples["before RL"], strict=True)
    for t in said
]
print(
    f"solver: steps in {fmean(attempted):.0%} of answers, right ones in {fmean(right_steps):.1%}"
)

# %% [markdown]
# The same on all four kinds of problems, as far as 64 answers go. And longer chains, of five to seven moves, which no
# training contained:

# %%
for k in ("1", "16", "64"):
    both = zip(
        by_seed("grpo", "sound_at", k), by_seed("start", "sound_at", k), strict=True
    )
    print(
        f"gain by right steps at k = {k:2}: {told([after - before for after, before in both])}"
    )
for part, name in ("start", "before RL"), ("grpo", "after RL"):
    values = by_seed(part, "longer chains", "greedy", "accuracy")
    print(f"longer chains, {name:9}", *(f"{value:.2f}" for value in values))

# %% [markdown]
# **Result**. Counting results, you can't tell them apart at 64 attempts (0.97 and 0.98), and guessing gets 0.81.
# Counting right steps, RL multiplies the rate at one attempt by more than 30. At 64 attempts the two models still
# differ by a third of the chains, and from there each doubling about halves the gap. Of the twelve chains that the
# solvers never solved, RL solves five in most of its answers, four in a few, and three never. It loses none. On longer
# chains it gained little or nothing.
#
# **Verdict**. Mostly rate. By the rule above the claim falls, if barely: at 512 attempts RL solves nine more of 180
# chains, and it gains in each seed (2, 3 and 4). But the gap is still shrinking there, so a larger k may close it. The
# same data read at k = 64 would make reach look large. So before you conclude anything from pass@k, ask how many
# attempts pass by luck, and whether k is large enough for the model that tries rarely. Large models are tested to
# k = 256 and 1024 (Yue et al. 2025). Training for longer and on more kinds of problems may add reach
# ([ProRL](https://arxiv.org/abs/2505.24864), M. Liu et al. 2025); this experiment trains on four kinds, for 60 rounds.
#
# **An experiment of your own**: reward nothing real. In the lesson's `learn`, shuffle what is paid:
# `made.paid[torch.randperm(len(made.paid))]`. For some large models, random rewards improved results ([Shao et al.
# 2025](https://arxiv.org/abs/2506.10947)). What do you expect here, and why might Qwen differ from our solver? (The row
# *rewards at random* in the lesson's table has the answer.)
#
# **Next**: the [graded questions](../exercises/11a_reasoning/11a_reasoning.ipynb), or
# [lesson 12](12_inference_engine.ipynb).
