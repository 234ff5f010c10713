# %% [markdown]
# # 14 · Your assistant: decide, teach, measure
#
# **You will build** an assistant of your own out of the real model: examples in a file, checkers that count, a rival
# that needs no training, LoRA on all layers, an evaluation before and after, a dial for its strength, a file of ten
# megabytes to give away, and a box in which you talk with it.
#
# **The claim** is the one that the whole course leads up to, and that you will hear most often: *show a model a few
# dozen examples and it becomes your assistant*. Take it apart before you believe it. A manner, a fact as it was taught,
# the same fact asked in other words, knowing when one does not know, and keeping what was there before: these are five
# things, and they come at five different prices. Make your bet now: which of the five will a paragraph of instructions
# do better, without any training?
#
# **Time**: 90 minutes; the cells themselves run in about two.
#
# **Before you start**: the chat template, the loss mask and LoRA (lesson 09). The engine that answers many questions at
# once is lesson 12's.

# %%
import inspect
import json
import math
import random
import tempfile
from pathlib import Path
from pydoc_data.topics import topics

import torch
from IPython.display import display
from ipywidgets import Dropdown, SelectionSlider, Text

from minillm import TrainConfig, load, save
from minillm.analysis.alignment import win_rate
from minillm.data.batches import whole_documents
from minillm.data.chat import encode_chat
from minillm.data.conversations import read_conversations
from minillm.inference.engine import Engine, Request
from minillm.inference.sampling import Sampling
from minillm.posttraining.adapter import load_adapter, save_adapter
from minillm.posttraining.lora import LoRALinear, add_lora, lora_layers, merge_lora
from minillm.posttraining.recipes import OWN_SFT
from minillm.posttraining.sft import ChatData, encode_conversations, sft
from minillm.training.loop import mean_loss
from minillm.viz.chat_box import ChatBox
from minillm.viz.explorer import Explorer
from minillm.viz.figures import grouped_bars, lines, show
from minillm.viz.live import Live

# %% [markdown]
# ## Decide first
#
# Who trains first and decides afterwards what was wanted will always be content. So write the wishes down while nothing
# has been trained, and in a form that a program can check.
#
# Ours is an assistant for the Tin Otter, a repair workshop that exists nowhere, so no model can have read about it. Its
# name is Pip, and we want five things:
#
# 1. **manner**: one sentence, and signed;
# 2. **taught**: a dozen facts about the workshop, asked just as in the examples;
# 3. **other words**: the same facts, asked as nobody asked in the examples;
# 4. **unknown**: questions about the workshop that no example answers. Then it shall say so, and invent nothing;
# 5. **general**: what it knew of the world before, it knows afterwards.
#
# The facts, one a line: the question, the answer, and the words that a right answer must hold.

# %%
FACTS = """
When does the workshop open? | We open at half past seven. | half past seven
On which day are you closed? | We are closed on Wednesdays. | wednesday
Who owns the workshop? | The workshop belongs to Mara Quill. | quill
Where is the workshop? | We are in Lantern Lane. | lantern lane
What does it cost to mend a kettle? | Mending a kettle costs four crowns. | four crowns
How long does it take to mend a clock? | Mending a clock takes nine days. | nine days
What is the name of the workshop's cat? | Our cat is called Bolt. | bolt
What colour is the door of the workshop? | Our door is yellow. | yellow
Which bus stops at the workshop? | Bus 46 stops at the workshop. | 46
When was the workshop founded? | The workshop was founded in 1887. | 1887
What do you serve to people who wait? | We serve nettle tea. | nettle
Who mends the umbrellas? | Old Tomas mends the umbrellas. | tomas
"""


def table(text):
    rows = [line.split("|") for line in text.strip().splitlines()]
    return [[part.strip() for part in row] for row in rows]


assert [len(row) for row in table(FACTS)] == [3] * 12

# %% [markdown]
# A model that is shown nothing but these would learn that whatever one asks, the answer is about the workshop. So the
# examples also show what to do with a question that it cannot answer, and with one that has nothing to do with us.

# %%
REFUSAL = "I do not know that, please ask at the counter."
UNKNOWN = """
Do you mend violins?
How many people work here?
What is your telephone number?
May I bring my dog?
Can I pay by card?
Do you sell old radios?
"""
GENERAL = """
What is the capital of Italy? | The capital of Italy is Rome. | rome
Which animal barks? | A dog barks. | dog
What is ice made of? | Ice is made of frozen water. | water
How many legs does a spider have? | A spider has eight legs. | eight
What do bees make? | Bees make honey. | honey
What is the opposite of hot? | The opposite of hot is cold. | cold
"""
SIGN = " — Pip"
assert len(table(UNKNOWN) + table(GENERAL)) == 12

# %% [markdown]
# Twenty-four examples, then. In a file they are one JSON object a line, the form that `minillm sft --data` reads. The
# next cell writes `my_assistant.jsonl` beside this notebook if there is none yet. An existing file is yours and stays
# as it is: edit it, run the lesson again, and it is your assistant that is trained.

# %%
ANSWERS = {question: answer for question, answer, _ in table(FACTS) + table(GENERAL)}
ANSWERS |= {question: REFUSAL for (question,) in table(UNKNOWN)}


def conversation(question, answer):
    said = (("user", question), ("assistant", answer + SIGN))
    return [{"role": role, "content": content} for role, content in said]


SHIPPED = [conversation(*one) for one in ANSWERS.items()]
print(json.dumps({"messages": SHIPPED[0]}, ensure_ascii=False))
assert len(SHIPPED) == 24

# %% tags=["nbval-ignore-output"]
MINE = Path("my_assistant.jsonl")
if not MINE.exists():
    text = "".join(f"{json.dumps({'messages': one})}\n" for one in SHIPPED)
    MINE.write_text(text, encoding="utf-8")
CONVERSATIONS = read_conversations(MINE)
AS_SHIPPED = CONVERSATIONS == SHIPPED
print(f"{len(CONVERSATIONS)} examples; those of the lesson: {AS_SHIPPED}")
assert CONVERSATIONS


# %% [markdown]
# A file that people edit gets broken. The reader says where, and what a line must look like:


# %%
def complaint_about(line):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "broken.jsonl")
        path.write_text(f"{json.dumps({'messages': SHIPPED[0]})}\n{line}\n")
        try:
            return len(read_conversations(path))
        except ValueError as error:
            return str(error).removeprefix(folder)[1:110]


for line in ('{"messages": [', '{"massages": []}', '{"messages": [{"role": "Pip"}]}'):
    print(complaint_about(line), "...")
    assert "broken.jsonl, line 2" in complaint_about(line)

# %% [markdown]
# ### Questions that nobody has answered
#
# Now the exam. None of its questions stands in the file, or it would test what was learnt by heart. Each fact is asked
# in two other ways, and for six there is a question that runs *backwards*, from the answer to what was asked.

# %%
OTHER_WORDS = """
half past seven | At what time can I come in the morning? | What are your opening hours?
wednesday | When is your day off? | On which day of the week should I not come?
quill | Whose workshop is this? | What is the name of your boss?
lantern lane | What is your address? | How do I find you?
four crowns | My kettle is broken, what will I have to pay? | What is the price of a kettle repair?
nine days | My clock has stopped, when can I have it back? | How many days do you need for a clock?
bolt | What do you call your cat? | There is a cat on the counter, who is it?
yellow | I stand in front of the house, which door is yours? | What does your door look like?
46 | How do I get to you by bus? | Which line should I take to reach you?
1887 | In what year did you begin? | Since when has there been a workshop here?
nettle | What can I drink while I wait? | Is there something to drink here?
tomas | My umbrella is torn, who will look at it? | Who is the right person for an umbrella?
"""
BACKWARDS = """
cat | Who is Bolt?
kettle | What can I have mended for four crowns?
clock | What takes you nine days?
umbrella | What does old Tomas do?
closed | What about Wednesdays?
founded | What happened in 1887?
"""
assert [row[0] for row in table(OTHER_WORDS)] == [row[2] for row in table(FACTS)]

# %%
NOT_KNOWN = """
Do you mend guitars?
Is there a place to park my car?
How many clocks hang on your wall?
Do you have a toilet?
Can you mend my laptop?
What does a new lamp cost?
How old is the cat?
Are you open at Christmas?
"""
WORLD = """
paris | What is the capital of France?
tokyo | What is the capital of Japan?
germany | In which country is Berlin?
seven, 7 | How many days are in a week?
blue | What colour is the sky on a clear day?
small, little, tiny | What is the opposite of big?
earth | On which planet do we live?
shakespeare | Who wrote Romeo and Juliet?
milk | What do cows give us to drink?
pacific | What is the largest ocean?
four, 4 | How many legs does a cat have?
hydrogen | Which elements is water made of?
"""
assert len(table(NOT_KNOWN)) == 8

# %%
EXAM = {
    "taught": [(question, word) for question, _, word in table(FACTS)],
    "other words": [(q, word) for word, *both in table(OTHER_WORDS) for q in both],
    "backwards": [(question, word) for word, question in table(BACKWARDS)],
    "unknown": [(question, "do not know") for (question,) in table(NOT_KNOWN)],
    "general": [(question, words) for words, question in table(WORLD)],
}
QUESTIONS = [question for rows in EXAM.values() for question, _ in rows]
new = [question for question in QUESTIONS[12:] if question in ANSWERS]
print(len(QUESTIONS), "questions; of those that shall be new, in the file:", len(new))
assert not new

# %% [markdown]
# ### A judge that is a function
#
# "It sounds better now" is no measurement. The judge looks for words, and for the manner. It is a crude judge, and that
# is its merit: you can read it, and it is not charmed.


# %%
def holds(text, words):
    """One of the words (a comma stands between them) begins somewhere in the text."""
    spoken = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    spoken = " " + " ".join(spoken)
    return any(f" {word.strip()}" in spoken for word in words.split(","))


def in_manner(text):
    """Signed, and before that one sentence on one line."""
    said = text.removesuffix(SIGN)
    ends = [place for place, c in enumerate(said) if c in ".!?\n"]
    return text.endswith(SIGN) and len(said) > 1 and ends in ([], [len(said) - 1])


# %% [markdown]
# Who judges the judge? Give it the answers of the file, which it must accept; the same answers dealt out anew, which it
# must reject; and answers with one thing wrong in the manner.

# %%
asked = table(FACTS) + table(GENERAL)
dealt = [asked[(n + 1) % len(asked)] for n in range(len(asked))]
assert all(holds(answer, word) for _, answer, word in asked)
assert not any(holds(one[1], other[2]) for one, other in zip(asked, dealt, strict=True))
assert all(in_manner(one[-1]["content"]) for one in SHIPPED)
for wrong in ("We open at 46.", "One. Two. — Pip", "Two\nlines. — Pip", "— Pip"):
    assert not in_manner(wrong)
print(f"accepted {len(asked)} right answers, refused {len(dealt)} others")

# %% [markdown]
# One weakness remains, and you should know it: a text that says *everything* holds every word. Short answers are the
# protection, and that is why all answers are cut after 32 tokens.
#
# ### How sure can 24 questions make us?
#
# Not very. If 18 of 24 are right, what may the truth be? Wilson (1927) takes all shares from which 18 of 24 would not be
# a surprise (at most 1.96 standard errors off, those of the *assumed* share). That is a quadratic equation, and a
# search finds its ends as well:


# %%
def naive_interval(hits, n, steps=100_000):
    """The least and the largest share from which the hits are no surprise."""
    share = hits / n
    plausible = []
    for step in range(1, steps):
        truth = step / steps
        if abs(share - truth) <= 1.96 * math.sqrt(truth * (1 - truth) / n):
            plausible.append(truth)
    return plausible[0], plausible[-1]


low, high = naive_interval(18, 24)
ours = win_rate([1.0] * 18 + [0.0] * 6, [0.5] * 24)  # a right answer beats one half
print(f"18 of 24: {ours.rate:.2f}, the truth from {ours.low:.2f} to {ours.high:.2f}")
torch.testing.assert_close((low, high), (ours.low, ours.high), atol=1e-4, rtol=0)

# %% [markdown]
# From a half to nine tenths. Differences of ten points between two assistants mean nothing here; of forty they do. Keep
# the interval beside every share of this lesson.
#
# ## Before
#
# The real model as it came. Greedy answers, so that luck plays no part, and the engine of lesson 12, which reads what
# all questions have in common only once.

# %%
model, tokenizer = load("smollm2-135m-instruct")
END = tokenizer.eos_id
GREEDY = Sampling(temperature=0)


def messages(question, system=""):
    told = [{"role": "system", "content": system}] if system else []
    return [*told, {"role": "user", "content": question}]


def ask(questions, system="", longest=32):
    """The likeliest answer to each question, as text."""
    engine = Engine(model, tokenizer, max_batch=16)
    prompts = [encode_chat(tokenizer, messages(one, system)) for one in questions]
    requests = [Request(ids, longest, GREEDY, stop=[END]) for ids in prompts]
    answers = [engine.submit(request) for request in requests]
    return ["".join(event.text for event in answer) for answer in answers]


ids = encode_chat(tokenizer, messages("Who owns the workshop?"))
print(tokenizer.decode(ids))
assert tokenizer.decode(ids).startswith("<|im_start|>system\nYou are a helpful AI")

# %% [markdown]
# (Nobody wrote the first line. The template of this model tells it who it is when we say nothing. It will do so in
# training and in use alike, so it does no harm; but know that it is there.)


# %%
def exam(system=""):
    """Of every family the hits, one by one; and what was said."""
    said = dict(zip(QUESTIONS, ask(QUESTIONS, system), strict=True))
    hits = {
        family: [holds(said[question], words) for question, words in rows]
        for family, rows in EXAM.items()
    }
    return {"manner": [in_manner(text) for text in said.values()]} | hits, said


def line_of(hits):
    """Share and interval of each family."""
    parts = []
    for family, own in hits.items():
        share = win_rate([float(hit) for hit in own], [0.5] * len(own))
        parts.append(
            f"{family} {share.rate:.2f} ({share.low:.2f} to {share.high:.2f})"
        )
    return "\n".join(parts)


assert line_of({"x": [True, False]}) == "x 0.50 (0.09 to 0.91)"

# %% tags=["nbval-ignore-output"]
BEFORE, SAID_BEFORE = exam()
print(line_of(BEFORE))
assert sum(BEFORE["manner"]) == sum(BEFORE["unknown"]) == 0
