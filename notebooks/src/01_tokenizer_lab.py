# %% [markdown]
# # 01 lab · What a text costs: six experiments
#
# Lesson 01 found that a model reads one cut only. What does that cut cost, and whom? Here are six short papers, each
# with its claim, what would refute it, controls and a verdict. Do them in any order.
#
# **Time**: 60 minutes, of which the cells run for two. **Before you start**: lesson 01.

# %%
import math
import random
from pathlib import Path

import torch

from minillm import Tokenizer, world
from minillm.analysis.probes import ridge_probe
from minillm.analysis.surgery.meters import CAPITALS
from minillm.course import bpe, mine, predict, predict_number
from minillm.files import read_json
from minillm.tokenizer import split
from minillm.viz.figures import grouped_bars, lines, show

# %% tags=["nbval-ignore-output"]
_ = torch.set_grad_enabled(False)
model, smollm2 = mine.smollm2()
gpt2 = bpe.gpt2().tokenizer
START = smollm2.special_tokens["<|endoftext|>"]


def next_probabilities(ids):
    """What SmolLM2 expects after some ids."""
    return model(torch.tensor([[START, *ids]]))[0, -1].double().softmax(-1)


# %% [markdown]
# ## 1. Who pays?
#
# **Claim**. "Greek costs more tokens because Greek letters take two bytes."
#
# **Refuted if** a language in Latin letters pays, too; or if Greek letters cost the same as Latin ones once the
# tokenizer has learned from them.
#
# **Method**. The same message in five languages, some Python and some emoji, in three vocabularies: GPT-2's, SmolLM2's,
# and one of 2,304 ids that was learned from Ottermere, in English only. Tokens for the message, tokens per word, bytes
# per token.
#
# **Controls**. German, in (nearly) the same letters as English. And an experiment in place of an excuse: write
# Ottermere's texts with Greek letters, one for one. The language is English; only the letters change. Then learn
# vocabularies from a mixture. And the same with capital letters, which take one byte each, as small ones do.

# %%
MESSAGES = {
    "English": "The old bridge over the river was closed on Monday, because the water had risen in the night. "
    "My grandmother sells bread and apples at the market, and she knows every customer by name.",
    "German": "Die alte Brücke über den Fluss wurde am Montag gesperrt, weil das Wasser in der Nacht gestiegen "
    "war. Meine Großmutter verkauft auf dem Markt Brot und Äpfel, und sie kennt jeden Kunden beim Namen.",
    "Greek": "Η παλιά γέφυρα πάνω από το ποτάμι έκλεισε τη Δευτέρα, επειδή το νερό είχε ανέβει τη νύχτα. "
    "Η γιαγιά μου πουλάει ψωμί και μήλα στην αγορά και ξέρει κάθε πελάτη με το όνομά του.",
    "Chinese": "河上的老桥星期一关闭了，因为夜里水涨了。我奶奶在市场上卖面包和苹果，她叫得出每位顾客的名字。",
    "Arabic": "أغلق الجسر القديم فوق النهر يوم الاثنين لأن الماء ارتفع في الليل. "
    "تبيع جدتي الخبز والتفاح في السوق، وهي تعرف كل زبون باسمه.",
}
OTHERS = {
    "Python": "def add(a, b):\n    total = a + b\n    if total > 100:\n"
    '        raise ValueError("too much")\n    return total\n',
    "emoji": "🌉🌊😀👍🏽❤️👩‍👩‍👧🦆🥐",
    "yours": "Fischers Fritz fischt frische Fische.",  # change this
}
documents = world.World(seed=0).documents(1200)
train, held_out = documents[:1000], documents[1000:]
train_texts, held_texts = ([each.text for each in part] for part in (train, held_out))
ottermere = Tokenizer.train(train_texts, vocab_size=256 + 2048)
per_text = [
    sum(map(len, cut)) / len(held_texts) for cut in (held_texts, map(split, held_texts))
]
print(f"per text of Ottermere: {per_text[0]:.0f} characters or {per_text[1]:.0f} words")

# %%
greek_guess = predict_number(
    "Tokens of the Greek message in GPT-2, per token of the English one?"
)

# %%
vocabularies = {"GPT-2": gpt2, "SmolLM2": smollm2, "Ottermere": ottermere}
print(f"{'':8} {'tokens':>18} {'tokens per word':>22} {'bytes per token':>20}")
counts = {}
for name, text in (MESSAGES | OTHERS).items():
    counts[name] = n = [len(each.encode(text)) for each in vocabularies.values()]
    per_word = [f"{k / len(text.split()):.2f}" if " " in text else "-" for k in n]
    per_token = [f"{len(text.encode()) / k:.2f}" for k in n]
    print(f"{name:8}", *(f"{x:>6}" for x in [*n, *per_word, *per_token]))
greek_guess.answer(round(counts["Greek"][0] / counts["English"][0], 1))
words_of = {name: MESSAGES[name].split() for name in ("English", "Greek")}
print({name: f"{len(words)} words" for name, words in words_of.items()})

# %% tags=["test"]
assert counts["Greek"][2] == len(MESSAGES["Greek"].encode())  # not one merge applies
assert min(counts["German"][:2]) > 1.8 * max(counts["English"][:2])

# %%
multiples = {
    name: [counts[language][place] / counts["English"][place] for language in MESSAGES]
    for place, name in enumerate(vocabularies)
}
show(
    grouped_bars(
        multiples, list(MESSAGES), "tokens, as a multiple of English", digits=1
    ),
    title="Everyone pays more than English, in Latin letters or not",
    alt=f"Tokens for one message in five languages, English 1: GPT-2 {multiples['GPT-2'][2]:.1f} for Greek.",
)

# %% [markdown]
# Now the control. Half of the texts to learn from are written in Greek letters, the other half in Latin ones:

# %%
cipher = predict(
    "Half and half: how many tokens does a text in Greek letters need, against Latin ones?",
    ["twice as many", "about as many", "half as many"],
)

# %%
GREEK = str.maketrans("abcdefghijklmnopqrstuvwxyz", "αβψδεφγηιξκλμνοπϙρστθωςχυζ")
plain = [text.lower() for text in train_texts]
letters_of = {"Greek": lambda text: text.translate(GREEK), "capital": str.upper}
premium = {}
for share in (0, 1, 5, 20, 50, 100):  # change this: per cent in other letters
    premium[share] = []
    n_other = len(plain) * share // 100
    for other in letters_of.values():
        mixture = [*plain[n_other:], *map(other, plain[:n_other])]
        learned = Tokenizer.train(mixture, vocab_size=256 + 1000)
        small = [text.lower() for text in held_texts]
        tokens = [
            sum(map(len, learned.encode_batch(texts)))
            for texts in (small, [other(text) for text in small])
        ]
        premium[share].append(tokens[1] / tokens[0])
    greek, capital = premium[share]
    print(
        f"{share:3} % in Greek letters: {greek:.2f} times as many tokens; "
        f"in capital letters: {capital:.2f}"
    )
if 50 in premium:
    bracket = 0 if premium[50][0] > 1.5 else 1 if premium[50][0] > 0.7 else 2
    cipher.answer(cipher.choices[bracket])

# %% [markdown]
# **Result**. GPT-2 takes 5.2 times as many tokens for Greek as for English, and 2.0 times as many for German, in
# nearly the same letters. In the experiment, Greek letters cost 5.9 times as much if the tokenizer has never seen
# them, 2.65 times if one text in a hundred has them, and nothing extra at one half. At 100 %, it's the small Latin
# letters that pay. Capital letters, one byte each, cost 3.3 times as much if unseen, and from one text in a hundred on
# as much as Greek ones.
#
# **Verdict**: false, unless the tokenizer has never seen them; even then, one-byte letters cost more than three times
# as much. What counts is how often a script occurs in the text that the merges were learned from. One message per
# language is an example; a survey over many languages found differences of [up to 15
# times](https://arxiv.org/abs/2305.15425). And where nothing fits, nothing breaks: that's what bytes are for.

# %% [markdown]
# ## 2. What does a space cost?
#
# **Claim**. "A trailing space confuses the model."
#
# **Refuted if** another odd character at the end brings the same, or if the model goes on as if nothing had happened.
#
# **Method**. "The capital of X is" for 20 countries, with other endings. What's the likeliest next token?
#
# **Controls**. A tab and a line break, just as odd at the end of a prompt. And spaces *everywhere* as tokens of their
# own: then the last one is nothing special.

# %%
apart = predict(
    "All spaces are tokens of their own, and the prompt ends without one. Which capitals does it still name?",
    ["none", "about half", "as many as before"],
)


# %% tags=["nbval-ignore-output"]
def all_apart(text):
    """Every space a token of its own."""
    return [id for piece in text.split(" ") for id in [space, *smollm2.encode(piece)]][
        1:
    ]


(space,) = smollm2.encode(" ")
ENDINGS = {
    "nothing": lambda text: smollm2.encode(text),
    "a space": lambda text: smollm2.encode(text + " "),
    "two spaces": lambda text: smollm2.encode(text + "  "),
    "a tab": lambda text: smollm2.encode(text + "\t"),
    "a line break": lambda text: smollm2.encode(text + "\n"),
    "all apart": all_apart,
    "all apart, and a space": lambda text: [*all_apart(text), space],
    "yours": lambda text: smollm2.encode(text + ":"),  # change this
}

# %% tags=["nbval-ignore-output"]
named = {}
for ending, cut in ENDINGS.items():
    said = []
    for country in CAPITALS:
        p = next_probabilities(cut(f"The capital of {country} is"))
        said.append(smollm2.decode([p.argmax().item()]))
    named[ending] = sum(
        word.strip() != "" and city.startswith(word.strip())
        for word, city in zip(said, CAPITALS.values(), strict=True)
    )
    digits = sum(word.strip().isdigit() for word in said)
    print(f"{ending:22} {named[ending]:2} of 20 named, {digits:2} digits, {said[:4]}")
apart.answer(
    apart.choices[0 if named["all apart"] < 5 else 1 if named["all apart"] < 15 else 2]
)

# %%
for prompt, word in {
    "The capital of France is": "Paris",
    "The opposite of hot is": "cold",
}.items():
    with_it = next_probabilities(smollm2.encode(prompt))[smollm2.encode(f" {word}")[0]]
    without = next_probabilities(smollm2.encode(f"{prompt} "))[smollm2.encode(word)[0]]
    print(f"{prompt:25} {word} {with_it:.3f} -> {without:.3f}")

# %% [markdown]
# **Result**. 17 capitals without anything, none with a space, and a digit in 20 of 20. A tab or a line break hurts
# as much, but brings no digits. With all spaces apart, the model names 8 capitals and writes no digit. It doesn't adopt
# the odd spelling: it writes ` Paris`, with the space attached. And if that prompt ends in a space, it writes a digit
# in 15 of 20, although a letter followed every space before.
#
# **Verdict**: true of any odd ending, and "confuses" is the wrong word. After a lone space this model expects a number,
# or another space, but no word; a prompt full of counterexamples doesn't change that. 20 prompts of one form, one
# model.

# %% [markdown]
# ## 3. Which yardstick?
#
# **Claim**. "Bits per byte compare tokenizers fairly, and by them, the more merges the better."
#
# **Refuted if** the floor moves; or if the ranking of sizes changes when the model sees more or fewer tokens back.
#
# **Method**. Four vocabularies from Ottermere. Models that only count: which token follows the last one (bigram), the
# last two (trigram), the last five. Loss per token and per byte on 200 documents that they haven't counted.
#
# **Controls**. The floor: our program wrote these documents and knows the probability of each. And the context, in
# tokens: a merge also lets the model look farther back, in bytes.

# %%
better = predict(
    "With five tokens of context in place of one: the lead of 2,304 ids over plain bytes ...",
    ["grows", "shrinks", "stays"],
)


# %% tags=["nbval-ignore-output"]
def first_merges(n):
    """The tokenizer of Ottermere with its first n merges."""
    vocabulary = {id: piece for id, piece in ottermere.vocab.items() if id < 256 + n}
    return Tokenizer(vocabulary, ottermere.merges[:n], {})


def stream(tokenizer, texts):
    """Texts as one list of ids, with one more id between them."""
    ids = [tokenizer.vocab_size]
    for encoded in tokenizer.encode_batch(texts):
        ids += [*encoded, tokenizer.vocab_size]
    return ids


# %% tags=["nbval-ignore-output"]
n_bytes = sum(len(text.encode()) for text in held_texts)
orders = {"bigram": 2, "trigram": 3, "5 tokens back": 6}
sizes, per_byte, floors = [256, 512, 1024, 2304], {name: [] for name in orders}, []
print("ids    nats per token, floor; bits per byte, floor")
for size in sizes:
    tokenizer = first_merges(size - 256)
    counted, test = stream(tokenizer, train_texts), stream(tokenizer, held_texts)
    floors.append(world.floor(held_out, tokenizer))
    row = []
    for name, order in orders.items():
        loss = bpe.ngram_loss(counted, test, size + 1, order)
        row.append(loss)
        per_byte[name].append(loss / math.log(2) * (len(test) - 1) / n_bytes)
    bits = " ".join(f"{values[-1]:.2f}" for values in per_byte.values())
    nats = " ".join(f"{loss:.2f}" for loss in row)
    floor = floors[-1]
    print(
        f"{size:5}  {nats}, {floor.nats_per_token:.3f}; {bits}, {floor.bits_per_byte:.3f}"
    )
lead = {name: values[0] / values[-1] for name, values in per_byte.items()}
change = lead["5 tokens back"] / lead["bigram"]
better.answer(better.choices[0 if change > 1.1 else 1 if change < 0.9 else 2])

# %% tags=["test", "nbval-ignore-output"]
assert (
    max(f.bits_per_byte for f in floors) - min(f.bits_per_byte for f in floors) < 1e-9
)
assert all(list(values) == sorted(values, reverse=True) for values in per_byte.values())
assert change < 0.8

# %% tags=["nbval-ignore-output"]
show(
    lines(
        per_byte,
        "ids in the vocabulary",
        "bits per byte",
        x=sizes,
        references={"floor": floors[0].bits_per_byte},
        log_x=True,
        ylim=(0, 4),
    ),
    title="The more context, the less merges gain",
    alt="Bits per byte by size of vocabulary: "
    + "; ".join(
        f"{name} {values[0]:.2f} to {values[-1]:.2f}"
        for name, values in per_byte.items()
    ),
)

# %% [markdown]
# **Result**. Per token, plain bytes win, whatever the model: 2.35 nats against 3.24 for the bigram. But the floor
# rises too, from 0.10 to 0.37, and it's the truth about the very same texts. Per byte, the floor stays at 0.142, and
# the order is reversed: 3.40 for bytes, 1.25 for 2,304 ids. With five tokens of context, the lead shrinks from 2.7
# times to 1.6. And with five *bytes* back, bytes get 1.28, nearly what 2,304 ids get with one token back.
#
# **Verdict**: the first half is true, the second is about these models. Per token compares nothing. Per byte compares
# tokenizer *and* model together, and here much of what merges buy is a longer look back. The ranking of sizes never
# changed, so that half isn't refuted either. A model that sees the whole text, such as a transformer, is another
# question.

# %% [markdown]
# ## 4. Do the rows know letters?
#
# **Claim**. "A model can't spell, because it never sees letters."
#
# **Refuted if** a linear probe finds a word's letters in its row of the embedding table.
#
# **Method**. All 15,394 words of SmolLM2 that have a space, six or more small letters, and nothing else. Which letter
# is the first? The second? A ridge classifier with 26 answers learns it on three quarters of the words and is tested
# on the rest. Words with the same first four letters stay on one side.
#
# **Controls**. The constant answer, the most frequent letter; random rows of the same size. And a stricter test, where
# words with the same first *two* letters stay on one side.

# %%
probe_guess = predict_number(
    "How often does the probe find the first letter? (always the same answer: 9)",
    unit="%",
)

# %% tags=["nbval-ignore-output"]
pieces = {id: piece.decode() for id, piece in smollm2.vocab.items() if piece.isascii()}
six = [id for id, piece in pieces.items() if piece[0] == " " and len(piece) > 6]
six = [id for id in six if pieces[id][1:].isalpha() and pieces[id].islower()]


def letters(ids, position):
    """The letter at a position of each word, a = 0."""
    return torch.tensor([ord(pieces[id][position]) - ord("a") for id in ids])


def probed(rows, position, together=4):
    """The accuracies of the probe and of the constant answer, where words that begin alike stay on one side."""
    stems = sorted({pieces[id][1 : 1 + together] for id in six})
    held = set(random.Random(0).sample(stems, len(stems) // 4))
    known = [id for id in six if pieces[id][1 : 1 + together] not in held]
    new = [id for id in six if pieces[id][1 : 1 + together] in held]
    answers, truth = letters(known, position), letters(new, position)
    guess = ridge_probe(rows[known], answers).classify(rows[new])
    constant = (truth == answers.mode().values).double().mean().item()
    return (guess == truth).double().mean().item(), constant


rows = model.embedding.weight
noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
scores = {"rows": [], "rows, strict": [], "random rows": [], "constant": []}
for position in range(1, 7):
    right, constant = probed(rows, position)
    strict, strict_constant = probed(rows, position, together=2)  # change this: 3
    results = (right, strict, probed(noise, position)[0], constant)
    for values, result in zip(scores.values(), results, strict=True):
        values.append(result)
    named_results = zip(scores, results, strict=True)
    told = ", ".join(f"{name} {value:.2f}" for name, value in named_results)
    print(f"{position} {told}, constant on the strict test {strict_constant:.2f}")
print(f"{len(six):,} words")
probe_guess.answer(round(100 * scores["rows"][0]))

# %% tags=["test", "nbval-ignore-output"]
assert scores["rows"][0] > 0.7 > 0.5 > scores["rows"][1] > 2 * scores["constant"][1]
assert scores["rows"][3] < scores["constant"][3] + 0.03
assert max(scores["random rows"]) < 0.2

# %% tags=["nbval-ignore-output"]
show(
    lines(scores, "position of the letter", "right", x=[1, 2, 3, 4, 5, 6], ylim=(0, 1)),
    title="A row knows how its word begins, and hardly how it goes on",
    alt="Accuracy of a linear probe for each letter: "
    + ", ".join(f"{value:.2f}" for value in scores["rows"])
    + "; the constant answer is near 0.12.",
)

# %% [markdown]
# **Result**. The first letter is found in 79 % of new words, the second in 40 %, the third in 23 %; the constant
# answers get 9, 17 and 11 %. From the fourth on there's little or nothing. In the stricter test, the first letter
# still gets 40 %, where the constant answer gets 2 %. Random rows do no better than the constant answer.
#
# **Verdict**: false in its reason, but not far off. No letter is in the id, and yet the row knows how the word begins.
# [Kaushal and Mahowald 2022](https://arxiv.org/abs/2206.02608) find much more in larger models. That a probe can read
# it doesn't show that the model uses it.

# %% [markdown]
# ## 5. Is 9.11 larger than 9.9?
#
# **Claim**. "Models get 9.11 wrong because the tokenizer makes it look like eleven."
#
# **Refuted if** 9.11 goes no worse than 9.1, where the two possible answers are the same.
#
# **Method**. SmolLM2 completes "The larger of the two numbers 9.11 and 9.9 is 9." and we compare the two digits that
# may come. 40 matched pairs, each in both orders, four wordings (`benchmarks/compare_numbers.py`).
#
# **Controls**. Matched pairs: d against 1, d against 11, with d from 2 to 9. And the dumbest rule there is: repeat the
# number named last.

# %%
blame = predict(
    "Asked for the smaller: right in 69 % for 9.d and 9.1. And for 9.d and 9.11?",
    ["far fewer", "about as many, or more"],
)

# %%
found = read_json(Path("../benchmarks/results/compare_numbers.json"))["rows"]
table = {}
for each in found:
    key = each["wording"].replace("\n", " ").format(a="A", b="B", n="9")
    table.setdefault(key, {})[each["condition"]] = each
for wording, of in table.items():
    print(wording)
    for condition in ("d against 1", "d against 11", "all single digits"):
        each = of[condition]
        low, high = each["right interval"]
        print(
            f"   {condition:18} right {each['right']:.2f} ({low:.2f} to {high:.2f}), "
            f"named last {each['named_last']:.2f}, of {each['questions']}"
        )
asked = list(table.values())
one, eleven = (asked[-1][f"d against {n}"]["right"] for n in (1, 11))
blame.answer(blame.choices[0 if eleven < one - 0.1 else 1])
larger = asked[0]["d against 11"]["right"]
print(f"larger of 9.d and 9.11: right in {larger:.2f}, by guessing 0.50")

# %% [markdown]
# Ask it yourself. What does it say, and does the order decide?

# %% tags=["nbval-ignore-output"]
a, b = "3.8", "3.14"  # change these
for first, second in ((a, b), (b, a)):
    mine.write(f"The larger of the two numbers {first} and {second} is", n=5)

# %% [markdown]
# **Result**. With .11 in place of .1, it names the *other* number more often: asked for the larger, it's right in 0.54
# against 0.41; asked for the smaller, in 0.46 against 0.69. The first difference is within the noise, the second
# isn't. Someone who takes .11 for eleven would do worse on both. In the other two wordings nothing changes. And what
# it does depends on how you ask: the number named last comes in 0.16 of the answers to one wording, in 0.79 to
# another.
#
# **Verdict**: not shown. Of four wordings, one went worse with .11, as the claim says: the one that asks for the
# smaller number. With 40 pairs, differences under 0.15 are noise, and most scores are near guessing. SmolLM2 sees `1`
# and `1`, never `11`. GPT-2 does see `11`; we didn't test it.

# %% [markdown]
# ## 6. Is anything lost, and is anything double?
#
# **Claim**. "A tokenizer is like ASCII: each text is one list of numbers, and each list is one text."
#
# **Refuted if** a text doesn't come back, or if two lists of ids spell the same text.
#
# **Method**. 500 strings of random characters from all of Unicode, there and back. Then random lists of ten ids: does
# `encode` give back the list? How many ways are there to spell a word, and how probable are the others?
#
# **Controls**. Two vocabularies. Frequent words beside rare ones.

# %%
rng = random.Random(0)
codes = [*range(0xD800), *range(0xE000, 0x110000)]
strings = [
    "".join(map(chr, rng.choices(codes, k=rng.randrange(20)))) for _ in range(500)
]
back = [
    sum(each.decode(each.encode(text)) == text for text in strings)
    for each in (gpt2, ottermere)
]
print(f"{back[0]} and {back[1]} of 500 random strings came back")
special = smollm2.special_tokens.values()
entries = {piece: id for id, piece in smollm2.vocab.items() if id not in special}
missing = [byte for byte in range(256) if bytes([byte]) not in entries]
print(f"SmolLM2 lacks {len(missing)} bytes:", *(f"{byte:02x}" for byte in missing))
tens = [[rng.randrange(50_256) for _ in range(10)] for _ in range(2000)]
kept = sum(gpt2.encode(gpt2.decode(ids)) == ids for ids in tens) / len(tens)
print(f"{kept:.1%} of random lists of ten ids are what encode makes of their text")

# %%
other_ways = predict_number(
    "' Paris' can be spelled in 30 ways. What share of its probability do the other 29 have?",
    unit="%",
)


# %% tags=["nbval-ignore-output"]
def all_cuts(word):
    """Every list of SmolLM2's ids that spells a word."""
    if not word:
        return [[]]
    ends = [end for end in range(1, len(word) + 1) if word[:end] in entries]
    return [
        [entries[word[:end]], *rest] for end in ends for rest in all_cuts(word[end:])
    ]


def shares(prompt, word):
    """How many cuts a word has, the share of the usual one after a prompt, and the likeliest of all."""
    start, cuts = [START, *smollm2.encode(prompt)], all_cuts(word.encode())
    longest = max(map(len, cuts))
    batch = torch.tensor([start + cut + [START] * (longest - len(cut)) for cut in cuts])
    log_probs = model(batch)[:, len(start) - 1 : -1].double().log_softmax(-1)
    each = [
        log_probs[n, range(len(cut)), cut].sum().exp().item()
        for n, cut in enumerate(cuts)
    ]
    usual = each[cuts.index(smollm2.encode(word))]
    best = cuts[max(range(len(cuts)), key=each.__getitem__)]
    return len(cuts), usual / sum(each), "|".join(smollm2.decode([id]) for id in best)


# %% tags=["nbval-ignore-output"]
WORDS = {
    " Paris": "The capital of France is",
    " Madrid": "The capital of Spain is",
    " cold": "The opposite of hot is",
    " umbrella": "It was raining, so she took her",
    " goose": "The farmer sold a",
    " violin": "She plays the",
    " zither": "She plays the",
    " Ottermere": "They live in the kingdom of",
    " Nessa": "The girl's name was",
}
for word, before in WORDS.items():
    n_ways, share, likeliest = shares(before, word)
    usual = "|".join(smollm2.decode([id]) for id in smollm2.encode(word))
    print(f"{usual:13} {n_ways:3} ways, its share {share:8.4%}; likeliest {likeliest}")
    if word == " Paris":
        other_ways.answer(round(100 * (1 - share), 4))


# %%
def ways(word, spellings):
    """The number of ways to spell a word: into each place, from each place before it."""
    found = [1]
    for end in range(1, len(word) + 1):
        found.append(sum(found[n] for n in range(end) if word[n:end] in spellings))
    return found[-1]


strawberry = ways(b" strawberry", set(gpt2.vocab.values()))
print(f"' strawberry' can be spelled in {strawberry} ways by GPT-2's entries")

# %% [markdown]
# **Result**. All strings came back, from vocabularies with all 256 bytes. SmolLM2 lacks 21: thirteen occur in no text,
# two only where Unicode has no characters, and six are control characters that a file can hold. Of random lists, 73 %
# are what `encode` would have written. For common words, the usual cut has practically all of the probability. For
# rarer ones, 0.5 to 7 % go elsewhere. And *Ottermere*, which we invented, it would hardly ever cut as its own
# tokenizer does: `Ot|term|ere` has less than a hundredth of a percent, and `Ot|ter|mere` is the likeliest of 216.
#
# **Verdict**: half true. Text to ids and back is safe, if all bytes are there. But many lists spell one text, and we
# only ever count one. So bits per byte are an upper bound: tight for common words, loose for new names. Nine words of
# our own choice, so a picture and not a survey.
#
# **Next**: [lesson 02](02_embeddings.ipynb).
