# %% [markdown]
# # 14 lab · Told, shown, looked up, or learned by heart?
#
# Ask SmolLM2 who Bolt is, and it may tell you of the 2017 film *The Hunger Games*. Wrong film, wrong year, and Bolt is
# a cat. He lives in the Tin Otter, a repair shop that exists nowhere, so no model has ever read about it. Whatever an
# assistant knows of this shop, it has from you. You can put twelve facts into its prompt, look them up, or train them
# in. Which would you bet on?
#
# **Time**: 30 minutes. **Before you start**: lesson 14.
#
# Long runs are stored: `python benchmarks/own_facts.py` makes them again, in 20 minutes.

# %%
import torch

from minillm.course import mine, own_task, predict, predict_number
from minillm.course.own_task import facts, ways
from minillm.viz.figures import bars, show

torch.set_num_threads(1)

# %% tags=["nbval-ignore-output"]
asked = ["Who is Bolt?", "What is the name of the shop's cat?"]  # change me
for question, answer in ways.say(asked).items():
    print(f"{question}\n    {answer}")

# %% [markdown]
# It doesn't know, and it doesn't say so. Here is what the owner wants: twelve facts, a signature, and a refusal where
# no fact answers. And the exam, in five families, which we'll never add up to one number:

# %%
print(facts.sentences(facts.MESSAGE), "\n")
for family, rows in facts.EXAM.items():
    print(f"{family:15} {len(rows):2} questions, such as: {rows[1][0]}")

# %% [markdown]
# ## The dumb baseline first
#
# A look-up needs no model. Ten lines print the fact that shares the most telling words with your question. A word
# counts the more, the fewer facts have it ([inverse document frequency](https://en.wikipedia.org/wiki/Tf%E2%80%93idf)).
# If no word is shared, it refuses. Fool it:

# %%
tries = ["How do I get to you by bus?", "What is the name of your boss?"]  # change me
for question in ways.listed(tries):
    print(f"{question}\n    {facts.look_up(question)}")

# %% [markdown]
# *Name* is a word that the boss shares with the cat. (Anyone who has a cat will let that pass.) The exam doesn't:

# %%
looked_up = facts.marked({q: facts.look_up(q) for q in facts.QUESTIONS})
for part, hits in looked_up.items():
    print(f"{part:15} {ways.share(hits, mine.wilson)}")

# %% [markdown]
# ## 1. Does a model find more than a look-up?
#
# **Claim**. "A language model understands the question. Put the facts into its prompt, and it beats a search for
# words."
#
# **Refuted if** the look-up answers at least as many of the questions in other words.
#
# **Method**. SmolLM2, untrained, in the 4 bits of its file, greedy, at most 24 tokens per answer. *Told*: the message
# above. *24 shown*: 24 questions with their answers stand before yours (each fact once, six refusals, six everyday
# questions), in three orders. *Told and 24 shown*: both, in one order. An answer is right if it has the fact's telling
# word, such as *46*, whatever else it says. Two ways are compared on the same questions, by your paired test.
#
# **Controls**. The look-up, the same look-up with less help, and the model without any prompt.

# %%
found = sum(looked_up["in other words"])
told = predict_number(
    f"In other words: the look-up has {found} of 24. Told all facts, the model has?",
    unit="of 24",
)

# %%
prompts = ["untrained", "look-up", "told", "24 shown", "told and 24 shown"]
told.answer(sum(ways.marks("told")["in other words"]))
print(*ways.table(prompts), "\nin other words:", sep="\n")
print(
    *ways.compared("in other words", prompts, mine.wilson, mine.paired_test), sep="\n"
)

# %% [markdown]
# Shown 24 examples, the model has a question of the first family in front of it, answer and all, and still misses 20
# of 36. How? Read what it said.

# %%
run_to_read = "24 shown, order 0"  # change me: "told", "24 shown, order 2", ...
for question, answer in list(ways.answers(run_to_read).items())[1:62:6]:
    print(f"{question}\n    {answer!r}")
print(*(ways.copied(order) for order in range(3)), sep="\n")

# %% [markdown]
# Was that fair? The look-up had help. It searches the twelve questions as taught, too, while *told* has only the
# answers. It skips common words. And it compares five letters, so *umbrella* finds *umbrellas*. Take all that away:

# %%
unhelped = predict(
    "In other words, against the model told, the look-up without help finds",
    list(ways.MORE),
)

# %%
told_hits = ways.marks("told")["in other words"]
plain_hits = ways.helped(99, asked_too=False, stop=())["in other words"]
unhelped.answer(ways.against(told_hits, plain_hits, mine.paired_test))
print(*ways.look_ups("in other words", mine.wilson, mine.paired_test), sep="\n")

# %% [markdown]
# **Result**. The model told finds 8 of 12 facts as taught, but 4 of 24 in other words; with examples, 1 to 7 of these.
# The look-up finds 14, and part of that is our help: without any, it finds 8, a lead that may be luck. And two
# questions ask for each fact, so they aren't independent. By facts, as in exercise 14.1, *told* has p = 0.04, not
# 0.006.
#
# The 24 examples bring the signature at once, in every order; the message alone never does. In the first order, the
# model says its last example 15 times, to anything, and a cat on the counter is a dog.
#
# **Verdict**: false for this model. No prompt of ours beats the search. Whether the search beats the model depends on
# our help, and a search knows nothing of the world. A larger model may read better; none was measured here.

# %% [markdown]
# ### Mend the message
#
# Nobody has tuned that message. Do better: say the facts in more words, shorten the wishes. You may even cheat, and
# write the exam's questions into it, with their answers. Does it pass the look-up then?

# %% tags=["nbval-ignore-output"]
message = facts.MESSAGE  # change me
questions = [question for question, _ in facts.EXAM["in other words"]]
said = ways.say(questions, message)
yours = [facts.holds(said[q], words) for q, words in facts.EXAM["in other words"]]
p = mine.paired_test(looked_up["in other words"], yours)
print(f"yours: {ways.share(yours, mine.wilson)}, against the look-up p = {p:.2g}")
for question, right in zip(questions[:8], yours, strict=False):
    print("right" if right else "     ", f"{question[:46]:48}{said[question][:60]!r}")

# %% [markdown]
# Read what counts as right: *We are open on Wednesdays* has its telling word. And if you mended the message by its
# wrong answers, a fair report needs new questions. You've seen these.

# %% [markdown]
# ## 2. Does training put the facts in?
#
# **Claim**. "Fine-tune it on your facts, and it knows them."
#
# **Refuted if** it has them only in the words in which it learned them, or says them although the message in front of
# it says otherwise.
#
# **Method**. LoRA of rank 8 learns the same 24 examples. *By heart*: 40 updates of 8 rows, no message. *Reader*: the
# message stands before each example, 24 updates of 2 rows, half the rate. Both are asked as they learned. Then each is
# asked the twelve facts again, with a *changed* message: every fact has another value, and Bolt is called Biscuit.
#
# **Controls**. *Apart*: the reader's recipe without the message, which it gets only when asked. The untrained model,
# told the changed message. And the look-up.

# %%
recited = predict(
    "It knows them by heart, and the message says otherwise. It mostly says",
    ["what the message says", "what it learned", "too close to call"],
)

# %% tags=["nbval-ignore-output"]
taught = [question for question, _ in facts.EXAM["as taught"]]
read = ways.say(taught, facts.changed())
print(f"untrained, told the changed message: {facts.read_or_recited(read)}")
print(*(f"    {question} {read[question]}" for question in taught[6:9]), sep="\n")

# %%
trained = ["by heart", "reader", "apart"]
recited.answer(ways.listens_to("by heart"))
for way in trained:
    print(f"{way:9} of twelve facts, by seed: {ways.changed(way)}")
print(*ways.table(["look-up", "told", *trained]), sep="\n")
for question, _ in facts.EXAM["general"][4:8]:
    print(f"    by heart: {question} {ways.answers('by heart, seed 0')[question]}")

# %%
family_drawn = "in other words"  # change me: "as taught", "backwards", "general"
rival = "look-up"  # change me: "told", "untrained"
hits_of = ways.hits(family_drawn)
ends = [mine.wilson(sum(hits), len(hits)) for hits in hits_of.values()]
ahead = ways.ahead(family_drawn, mine.paired_test, of=rival)
show(
    bars(
        list(hits_of),
        [sum(hits) / len(hits) for hits in hits_of.values()],
        f"share right, {family_drawn}, and its 95% interval",
        intervals=[(float(low), float(high)) for low, high in ends],
    ),
    title=f"{family_drawn}: {len(ahead)} of {len(hits_of) - 1} runs clearly beat '{rival}'",
    alt=str({run: f"{sum(hits)} of {len(hits)}" for run, hits in hits_of.items()}),
)
print(
    *ways.compared(family_drawn, trained, mine.wilson, mine.paired_test, to=rival),
    sep="\n",
)

# %% [markdown]
# **Result**. By heart, it has all twelve facts as taught. In other words it has 5, 3, and 2 of 24, fewer than our
# look-up on each seed. Backwards it has none of 6, as the [reversal curse](https://arxiv.org/abs/2309.12288) says,
# though six questions can't separate reversal from rewording. And it recites: whatever the message says, it gives 11,
# 12, and 12 facts as learned. Everyday answers suffer: 5, 5, and 4 of 12, from 9. (For these questions, the 95%
# t-interval over seeds is 3.2 to 6.1; on no seed alone is it clear.) Seed 0 says *Romeo and Juliet were written by
# Juliet.*
#
# The reader learned the same examples. Asked as it was taught, it says at least 10 of 12 facts as the message has them,
# on each seed. *Apart* had the same updates without the message: 4, 4, and 5, where the untrained model has 6. In other
# words the reader depends on its seed. One of three is level with the look-up (13 of 24), and clearly ahead of the
# other two, with 4 and 5. With one seed, you'd have published either.
#
# **Verdict**: false. By heart, it has learned sentences. What training can put in is a habit, reading, and then a fact
# is changed by changing a word. (By heart also had more updates, of more rows, and twice the rate. Whether a reader
# trained that hard would recite, nobody has measured here.)

# %% [markdown]
# ## 3. Who knows what it doesn't know?
#
# **Claim**. "Train it to say *I do not know*, and it says so when it doesn't know."
#
# **Refuted if** it refuses about as large a share of questions whose answers it has learned.
#
# **Method**. How many answers are the refusal: of the eight questions that no fact answers; of the twelve facts as
# taught; of the 24 in other words; and of twelve everyday questions. A refusal is told by *do not know*.
#
# **Controls**. A program that always refuses. It has 8 of 8 unknown ones right, which no model here does. And the
# models that were told or shown, but not trained.

# %%
shy = predict_number(
    "Of the 24 questions about facts that it has by heart, in other words, it refuses?",
    unit="of 24",
)

# %%
refusals = {run: ways.refused(ways.answers(run)) for run in hits_of}
by_heart = [each["in other words"] for run, each in refusals.items() if "heart" in run]
shy.answer(sum(map(sum, by_heart)) / len(by_heart))
print("refused            ", *(f"{group:>15}" for group in refusals["look-up"]))
print("always refuse      ", *(f"{n:15}" for n in (8, 12, 24, 12)))
for run, groups in refusals.items():
    print(f"{run:19}", *(f"{sum(each):15}" for each in groups.values()))

# %% [markdown]
# **Result**. By heart, it refuses 5, 4, and 4 of the 8 questions that no fact answers. No prompt gets more than 2,
# which may be luck. It never refuses an everyday question, or a fact as taught. But of the 24 in other words it refuses
# 11, 10, and 9, and it has learned each of those facts. With 8 and 24 questions, you can't tell the two shares apart.
# (Fisher's exact test: p is at least 0.68 on each seed.)
#
# **Verdict**: false. It refuses questions about the shop in new words, whether or not it has learned the answer. That
# looks like modesty. The look-up refuses facts in other words, too, and there you can read why: no word is shared.

# %% [markdown]
# ### Your own shop
#
# Three facts of yours: how you ask, the answer, and another answer. The model is told them, then it learns them by
# heart (a minute), and then you change your mind in the message.

# %%
shop = [  # change me
    ("What is the dog called?", "Our dog is Button.", "Our dog is Pepper."),
    ("When do you close?", "We close at a quarter past nine.", "We close at noon."),
    ("What is on the roof?", "A weathercock is there.", "A telescope is there."),
]
as_others_ask = ["Who barks at the postman?", "What can I see above your door?"]
was, now = ways.messages(shop)
to_ask = [row[0] for row in shop] + as_others_ask
print(facts.sentences(now))

# %% tags=["nbval-ignore-output"]
lesson = [(row[0], row[1] + facts.SIGN) for row in shop]
lesson += facts.SHOWN[12:]  # what to refuse, and what everybody knows
run = own_task.teach(lesson, updates=20, question=to_ask[0])

# %% tags=["nbval-ignore-output"]
for title, model, before in (
    ("told, not trained", None, was),
    ("by heart", run.model, ""),
    ("by heart, and told otherwise", run.model, now),
):
    print(title)
    for question, answer in ways.say(to_ask, before, model).items():
        print(f"    {question}\n        {answer}")

# %% [markdown]
# Did it listen to you, or recite? Now teach it to read: `teach` takes `system=was`, which puts your message before each
# example. (With `size=2`, or it takes four times as long. While it trains, it's still asked without the message.) Does
# it listen then?

# %% [markdown]
# So: a signature can be shown. A fact is easiest to change where it's read, and training can teach to read it. But
# before any of that, write the ten lines.
#
# **Next**: back to [your assistant](14_your_assistant.ipynb), or to the [claims](../teaching/claims.md) of all lessons.
