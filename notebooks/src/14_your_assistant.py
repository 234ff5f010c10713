# %% [markdown]
# # 14 · Your assistant: decide, measure, teach
#
# A repair shop gets messages like *I have five violins, four kettles and four clocks.* Its program needs
# `{"violin": 5, "kettle": 4, "clock": 4}`. Can a small language model do that? Ask it.
#
# **The claim**, the one you'll hear most often: "show a model a few dozen examples, and it becomes your assistant".
#
# **You will write** a check, an interval for it, a few-shot prompt, and a test that says whether one way is better
# than another. Then you'll teach a model a task of your own, and keep it.
#
# **Time**: 70 minutes. **Before you start**: lesson 09 (LoRA). Stuck at **your turn**? Run its cell again, unchanged,
# for a hint.

# %%
import json
import math
import re

import torch

from minillm.course import mine, own_task, predict, predict_number, your_turn
from minillm.viz import diagrams
from minillm.viz.figures import bars, show

torch.set_num_threads(1)

# %% tags=["nbval-ignore-output"]
real, tokenizer = own_task.untrained()  # SmolLM2, 135M parameters, as in lesson 00
order = "I have five violins, four kettles and four clocks."  # change me
plea = f"{order} Answer with JSON, one key per thing."  # and me
print(*own_task.ask(real, [order, plea]), sep="\n\n")

# %% [markdown]
# *A classic example of a musical composition.* Asking nicely doesn't help either. (Try!) So it must be shown, or
# trained. Which of the two works better, by how much, and what do you lose?

# %% [markdown]
# ## Decide first
#
# If you train first and decide later what you wanted, you will always be satisfied. So decide now. A *task* is a
# function that draws a question and its right answer. Here is one. Use it, or write your own: sums in words, dates,
# colors, anything in which a program knows the answer.


# %%
def my_task(rng):
    """One question, and its right answer: a dictionary."""
    # change me: own_task.spoken_time(rng), or lines of yours
    return own_task.order(rng)


train, test = own_task.split(my_task, train=24, test=60)
for question, truth in train[:4]:
    print(f"{question:50} {truth}")

# %% [markdown]
# 24 examples to learn from, and 60 others to test with. None of the test questions is among the examples.

# %% [markdown]
# ### Your turn: what counts as right?
#
# `answer` is the text that a model wrote, and `truth` a value as above. Return True if all of the answer is JSON and
# says exactly what `truth` says: the shop's program reads it with `json.loads`, which raises a `ValueError` for text
# that isn't JSON. Spaces and the order of the keys don't matter.


# %%
@your_turn("14.score", minutes=6, difficulty=1)
def score(answer, truth):
    """Whether the answer is JSON and says exactly what the truth says."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def score(answer, truth):
#     """Whether the answer is JSON and says exactly what the truth says."""
#     try:
#         return json.loads(answer) == truth
#     except ValueError:
#         return False
# ```
#
# </details>

# %%
truth = {"violin": 5, "clock": 4}
for answer in (  # add the meanest answers that you can think of
    '{"clock": 4, "violin": 5}',
    "{'violin': 5, 'clock': 4}",
    'Sure! {"violin": 5, "clock": 4}',
    '{"violin": 5, "clock": 4, "kettle": 0}',
):
    print(f"{score(answer, truth)!s:6} {answer}")

# %% [markdown]
# ### Your turn: how sure can 60 questions make you?
#
# If 45 of 60 are right, what may the true share be? [Wilson's
# interval](https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval) holds all true shares for which 45 of
# 60 isn't unusual. With p = hits / n, its two ends are
#
# $$\frac{p + \frac{z^2}{2n} \;\pm\; z \sqrt{\frac{p\,(1 - p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}$$
#
# where z = 1.96 gives 95%. Return both, the lower one first.


# %%
@your_turn("14.wilson", minutes=6, difficulty=2)
def wilson(hits, n, z=1.96):
    """The lowest and the highest true share for which so many hits of n aren't unusual."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def wilson(hits, n, z=1.96):
#     """The lowest and the highest true share for which so many hits of n aren't unusual."""
#     share = hits / n
#     middle = share + z**2 / (2 * n)
#     reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
#     return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)
# ```
#
# </details>

# %%
for hits, n in ((0, 12), (9, 12), (36, 60), (45, 60), (60, 60)):  # change them
    low, high = wilson(hits, n)
    print(f"{hits:3} of {n}: {float(low):4.0%} to {float(high):4.0%}")

# %% [markdown]
# With 60 questions, a difference of ten points may be luck; one of forty isn't. And 0 of 12 doesn't mean never.
#
# Now freeze both, the questions and the check. The digest is a fingerprint of the test set: if anyone changes a
# question or an answer later, it changes, too.

# %%
exam = own_task.Frozen.of(test, score)
print(f"{len(exam.test)} questions, digest {exam.digest}. Write it down.")

# %% [markdown]
# ## Rivals
#
# A number alone says nothing. What would be right *without* training? The dumbest rivals come first: a rule of a few
# lines, and copying the answer of the most similar example.


# %%
def rule(text):
    """Each number with the word after it, as JSON."""
    values = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
    values |= {"six": 6, "seven": 7, "eight": 8, "nine": 9, "no": 0}
    found = re.findall(rf"\b({'|'.join(values)}) ([a-z]+)", text)  # change me
    return json.dumps({thing.removesuffix("s"): values[n] for n, thing in found})


results = {
    "a rule": exam.hits([rule(question) for question in exam.questions]),
    "nearest example": exam.hits(own_task.nearest(train, exam.questions)),
}
print({way: f"{sum(hits)} of {len(hits)}" for way, hits in results.items()})

# %% [markdown]
# The rule gets everything right. (On the shop's orders. For a task of yours, write your own.) Honest engineering would
# stop here: **if ten lines do it, don't train.** And of course they do: a program wrote the questions, so a program can
# undo them. Keep the rule in the race. We'll ask it something else later.

# %% [markdown]
# ### Your turn: show it the examples
#
# [Few-shot prompting](https://arxiv.org/abs/2005.14165) trains nothing: the examples are put before the question, as a
# conversation. `examples` is a list of pairs like those above. For each, add two messages: the user asks, and the
# assistant answers with `json.dumps(answer)`. The last message is the user's: `question`. If an example has that very
# question, leave it out. Messages are dictionaries, `{"role": "user", "content": "..."}`.


# %%
@your_turn("14.few_shot", minutes=6, difficulty=2)
def few_shot(examples, question):
    """The messages that show each example, and then ask the question."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def few_shot(examples, question):
#     """The messages that show each example, and then ask the question."""
#     messages = []
#     for asked, answer in examples:
#         if asked != question:
#             messages.append({"role": "user", "content": asked})
#             messages.append({"role": "assistant", "content": json.dumps(answer)})
#     return [*messages, {"role": "user", "content": question}]
# ```
#
# </details>

# %%
stored = own_task.stored("own_task")["orders"]
eight = [stored["ways"][f"8 shown, order {n}"]["test"]["hits"] for n in range(3)]
more = predict(
    f"With 8 examples, in three orders, it gets {eight} of 60 right. With all 24?",
    ["more, in each order", "fewer, in each order", "that depends on the order"],
)

# %% tags=["nbval-ignore-output"]
seed = 0  # change me: another number, another order of the same examples
prompts = own_task.shown(own_task.in_order(train, seed), exam.questions, few_shot)
said = own_task.ask(real, prompts)  # half a minute
results["24 shown"] = exam.hits(said)
print(f"{sum(results['24 shown'])} of 60, for example {said[0]}")

# %%
all_24 = [stored["ways"][f"24 shown, order {n}"]["test"]["hits"] for n in range(3)]
up = [b > a for a, b in zip(eight, all_24, strict=True)]
more.answer(more.choices[0 if all(up) else 2 if any(up) else 1])
print(f"stored, three orders: {eight} with 8, {all_24} with 24")

# %% [markdown]
# The same 24 examples in another order, and it gets 5 right, or 15. ([Lu et al.
# 2021](https://arxiv.org/abs/2104.08786) found the same in larger models.) So anyone who tells you that few-shot "gets
# 25%" has to say in which order.

# %% [markdown]
# ## Train
#
# The same 24 examples, and LoRA: rank 8 beside all 210 matrices of the blocks, 20 updates of 8 rows. Here's one row,
# and what is learned in it:

# %%
pieces, learned = own_task.row_of(train[0])
diagrams.loss_targets(pieces[21:], {"learned": learned[21:]}).show()

# %%
taught = predict_number("After 20 updates, it gets how many right?", unit="of 60")

# %% tags=["nbval-ignore-output"]
lesson = train  # change me: train[:8], or wrong answers on purpose
run = own_task.teach(lesson, updates=20, question="Please mend six lamps and a radio.")

# %% tags=["nbval-ignore-output"]
answers = own_task.ask(run.model, exam.questions)
results["LoRA"] = exam.hits(answers)
taught.answer(sum(results["LoRA"]))
wrong = [n for n, hit in enumerate(results["LoRA"]) if not hit]
print(*(f"{exam.questions[n]} {answers[n]}" for n in wrong[:4]), sep="\n")

# %% [markdown]
# About a minute of training, and the model that heard a musical composition gets most orders right. Look at those that
# are wrong: is the form broken, a number, or a thing?

# %% [markdown]
# Is that better than the prompt, or luck? Think of coins: how probable is each number of heads?

# %%
n = 5  # change me: so many fair coins
print(*(f"{i} heads: {math.comb(n, i) / 2**n:.3f}" for i in range(n + 1)), sep="   ")

# %% [markdown]
# ### Your turn: better, or lucky?
#
# `a` and `b` are lists of True and False: two ways on the *same* questions. Where both are right, or both wrong,
# nothing speaks for either. Count the others: only a right, only b right. If the two were equally good, each of these n
# questions would be a fair coin. Return the probability that n fair coins fall at least as unevenly as that, to either
# side: twice the sum of `math.comb(n, i) / 2**n` for i from 0 to the smaller count, and never more than 1. This is
# [McNemar's test](https://en.wikipedia.org/wiki/McNemar%27s_test), in its exact form.


# %%
@your_turn("14.paired_test", minutes=9, difficulty=3)
def paired_test(a, b):
    """The probability of a split at least as uneven, if each differing question were a fair coin."""
    ...


# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def paired_test(a, b):
#     """The probability of a split at least as uneven, if each differing question were a fair coin."""
#     only_a = sum(x and not y for x, y in zip(a, b, strict=True))
#     only_b = sum(y and not x for x, y in zip(a, b, strict=True))
#     n, k = only_a + only_b, min(only_a, only_b)
#     tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
#     return min(1.0, 2 * tail)
# ```
#
# </details>

# %% tags=["nbval-ignore-output"]
shares = {way: sum(hits) / len(hits) for way, hits in results.items()}
ends = {way: wilson(sum(hits), len(hits)) for way, hits in results.items()}
shown, lora = (f"{shares[way]:.0%}" for way in ("24 shown", "LoRA"))
show(
    bars(
        list(shares),
        [*shares.values()],
        "share of 60 right, and its 95% interval",
        intervals=[(float(low), float(high)) for low, high in ends.values()],
    ),
    title=f"24 examples: {shown} right if shown, {lora} if taught",
    alt=str({way: f"{sum(hits)} of 60" for way, hits in results.items()}),
)
for way in ("24 shown", "a rule"):
    print(f"LoRA against {way}: p = {paired_test(results['LoRA'], results[way]):.2g}")

# %% [markdown]
# Against the prompt, luck is out of the question. Against the rule, LoRA has lost, on each of three stored seeds. (On
# one of them by 56 to 60, which may be luck.)

# %% [markdown]
# ## Real people
#
# Your test set came out of a generator. Here are 24 messages that didn't: they were written by hand, before any
# training. *Two chairs. Oh, and a basket! KETTLE x2.* The rule has 60 of 60 so far.

# %%
people = predict(
    "Which gets more of the 24 messages right?",
    ["the rule", "LoRA", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
messages = own_task.Frozen.of(own_task.MESSAGES, score)
written = own_task.ask(run.model, messages.questions)
by_hand = {
    "the rule": messages.hits([rule(text) for text in messages.questions]),
    "LoRA": messages.hits(written),
}
people.answer_by(by_hand)
print({way: f"{sum(hits)} of 24" for way, hits in by_hand.items()})
print(f"p = {paired_test(by_hand['the rule'], by_hand['LoRA']):.2g}")
for text, answer, hit in zip(messages.questions, written, by_hand["LoRA"], strict=True):
    print("right" if hit else "     ", f"{text[:48]:50}{answer}")

# %% [markdown]
# So this is what the training bought. The rule breaks on the first *3 clocks pls*. The model learned from the same
# stiff sentences, and got 9 to 13 of these messages right on three stored seeds. (9 against 3 may still be luck: p =
# 0.11.) The same examples in a prompt got 2. (Mend the rule, and it will get more. But then you've seen the test:
# freeze another one first.)
#
# And now read the answers, not only the score. Some say `{"kettle": 2, "kettle": 2}`. That's clumsy JSON, and
# `json.loads` keeps the last one, so your check lets it pass. May you make it stricter now? **No.** It's frozen. Report
# what was agreed, say what you saw, and write it down for the next exam.

# %% [markdown]
# ## Break it
#
# It's *your* assistant now. Before, the model had 9 of 12 everyday questions right.

# %%
capital = predict(
    "Ask it: What is the capital of France?",
    ["Paris", "JSON", "neither"],
)

# %% tags=["nbval-ignore-output"]
everyday = [question for question, _ in own_task.GENERAL]
lost = own_task.ask(run.model, everyday)
results["LoRA, everyday"] = own_task.knows(lost)
kind = "JSON" if "{" in lost[0] else "Paris" if "Paris" in lost[0] else "neither"
capital.answer(kind)
print(f"{sum(results['LoRA, everyday'])} of 12 everyday questions")
for question, said in zip(everyday[:6], lost, strict=False):
    print(question, said)

# %% [markdown]
# That's what it cost, and no test set of orders would ever have shown it. Nothing was erased, though: LoRA left the
# weights alone, so switch the corrections off, and Paris is back.
#
# Now change one line: mix in sixteen of the model's *own old answers*. None of the sixteen is among the twelve that we
# ask, so if those come back, they were there all along.

# %% tags=["nbval-ignore-output"]
old = own_task.own_answers()
print(*old[:3], sep="\n")
back = predict_number("With 16 of them mixed in, everyday questions?", unit="of 12")

# %% tags=["nbval-ignore-output"]
mixed = own_task.teach(
    [*train, *old], updates=34, question=everyday[0]
)  # change me: old[:4]

# %% tags=["nbval-ignore-output"]
results["mixed, everyday"] = own_task.knows(own_task.ask(mixed.model, everyday))
results["mixed"] = exam.hits(own_task.ask(mixed.model, exam.questions))
back.answer(sum(results["mixed, everyday"]))
print(f"orders: {sum(results['mixed'])} of 60, before {sum(results['LoRA'])}")
for way, row in own_task.stored("own_task")["orders"]["means"].items():
    named = {"orders": "test", "messages": "messages", "everyday": "general"}
    print(
        f"stored, {way}:", {name: row[part]["values"] for name, part in named.items()}
    )

# %% [markdown]
# Four to six of the twelve are back, on three stored seeds, and the orders haven't suffered. (A few more may be luck,
# or the 14 more updates.) The old answers aren't even good: the capital of Italy is wrong. Mixing old data into new
# training is called *rehearsal* or *replay*; [InstructGPT](https://arxiv.org/abs/2203.02155) mixed pretraining text
# into its last stage. (34 updates, so that each order is read as often as before. A fair control would be 34 updates on
# orders alone. Try it: change one line.)

# %% [markdown]
# ## Yours
#
# Talk to it, and keep it: the corrections alone are 10 MB, and anyone who has the base can load them. The card says how
# good it is, so that the next person doesn't have to take your word for it.

# %% tags=["nbval-ignore-output"]
mine_to_ask = ["I dropped a teapot and three dolls.", "Who are you?"]  # change me
print(*own_task.ask(mixed.model, mine_to_ask), sep="\n")
card = {
    way.replace("mixed", "this adapter"): hits
    for way, hits in results.items()
    if "LoRA" not in way
}
folder = own_task.keep(mixed.model, "My assistant", exam, 40, card)

# %% [markdown]
# And a gift: the model that you trained *from nothing* in lesson 08, as one HTML file. It runs in any browser, offline,
# from a double click. (`minillm publish` does the same in a terminal.) SmolLM2 is too large for such a page.

# %% tags=["nbval-ignore-output"]
page = own_task.gift(author="")  # your name, if you like

# %% [markdown]
# **Verdict: true if you teach it, false if you only show.** Shown 24 examples, the untrained model got 5 to 15 of 60
# right, depending on their order. Taught the same 24 in about a minute, it got 43 to 56 (three stored seeds), and 9 to
# 13 of 24 messages that people might write. A rule of a few lines got 60 of 60, and 3 of those 24. So train where you
# can't write the rule, and compare before you do. The new skill cost all nine everyday questions that it had right;
# mixing in old answers brought four to six back.

# %% [markdown]
# > **Where the picture simplifies.** One small model, one task, 24 messages by one writer, and one run of training per
# > row. A stronger model may need no training for this. The rule could be mended; the model could be shown better
# > examples. And a check that a program can make is a luxury that "write me a kind letter" doesn't have.

# %% [markdown]
# > **At scale.** The order is the same: test set, baselines, prompt, and only then training. A fine-tuned model needs
# > no examples in front of every question, and thousands of adapters can share one base
# > ([S-LoRA](https://arxiv.org/abs/2311.03285)). Evaluation is harder where no program can check an answer; then people
# > judge, or other models, with biases of their own.

# %% [markdown]
# ## Four questions
#
# Pick an answer, then open it.
#
# **1.** You've read the wrong answers on the test set, and improved your rule by them. The rule now has (a) a fair
# score. (b) a score that's too high. (c) a score that's too low.
#
# <details><summary>Open 1</summary>
#
# **(b)**. It was fitted to these questions, so they no longer tell how it does on others. (a) would need new questions.
# (c) has nothing for it: rules rarely get worse on what they were mended for.
# </details>
#
# **2.** 20 of 24 before a change, 23 of 24 after it, on the same questions. Five differ: one only before, four only
# after. Is it better? (a) Yes. (b) That may be luck. (c) It's worse.
#
# <details><summary>Open 2</summary>
#
# **(b)**. Five coins fall four to one or more unevenly with probability 12/32 = 0.38. (a) needs more questions, not
# more confidence. (c) has nothing for it.
# </details>
#
# **3.** Suppose you deal the answers to other questions and train. Now it writes perfect JSON and gets nothing right.
# What would that show? (a) JSON needs no training. (b) The form can be learned without the content. (c) LoRA is broken.
#
# <details><summary>Open 3</summary>
#
# **(b)**. So a test that only asks whether it's JSON would have passed it. (a) is wrong: untrained, it wrote none. (c)
# is wrong: it learned what it was taught.
# </details>
#
# **4.** Set alpha to 0 in your trained model and ask for the capital of France. (a) It answers JSON. (b) It says what
# it said before training. (c) It says half of each.
#
# <details><summary>Open 4</summary>
#
# **(b)**. The correction is multiplied by 0, and the frozen weights are what they were. (a) All that it learned is in
# the corrections. (c) That might be for an alpha between the two; nobody has tried it here.
# </details>

# %% tags=["nbval-ignore-output"]
own_task.yours()
mine.map(lesson="14")

# %% [markdown]
# **What you wrote**: a check, an interval, a prompt and a test, and before them, all the parts above: tokenizer,
# attention, a transformer, training, sampling. That list is yours.
#
# **What you measured**: a prompt that depends on its order, what a minute of training adds, a rule that wins until
# people write, what a new skill costs, and how to get part of it back.
#
# **Yours to keep**: `mine/assistant` and `mine/model.html` in your workbook.
#
# **All claims** that you've tested since lesson 00, with what was measured of each, stand in [one
# table](../teaching/claims.md).
#
# **Next**: the [lab](14_your_assistant_lab.ipynb) puts facts into a model: told, shown, looked up, or learned by heart.
# Then the [graded questions](../exercises/14_your_assistant/14_your_assistant.ipynb), the last ones: a paired test for
# questions that come in groups, and how to keep more of the old. After that, nothing that we could number. Take the
# exam with you: to the next model, the next claim, the next curve that somebody shows you. You know what to ask of it.
