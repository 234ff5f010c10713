# %% [markdown]
# # Exercise 01 · The tokenizer
#
# **You will write** the measurement that compares tokenizers fairly, a merge that joins only whole pieces, the
# tokenizer that picks the most probable segmentation instead of replaying merges, and a stream that never shows a
# broken character.
#
# **Time**: 80 minutes. **Points**: 10. **Before you start**: lesson 01.
#
# Replace the `...`, run your cell, then run the check below it. A check tries your function on many inputs. It shows
# a small one that fails, names the mistake if it can, and gives a hint. Its last line is your points. To call your
# function on the input that failed, or to draw other inputs:
#
# ```python
# bits_per_byte(*check("01.1", bits_per_byte).failure.example)
# check("01.1", bits_per_byte, seed=7)
# ```
#
# Don't change the inputs: return something new.

# %%
import math
from collections import Counter
from itertools import pairwise

from minillm.course.checks import check

# %% [markdown]
# ## 01.1 · Bits per byte under a bigram model
#
# *extend · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: measure how well a tokenizer suits a simple model, with a number that is comparable between tokenizers.
#
# Which vocabulary is better, the one with 256 tokens or the one with 2,048? Tokens per word can't tell: fewer tokens
# may be harder to predict. Bits per token can't tell: longer tokens carry more text. *Bits per byte* can. It divides
# the surprise at a whole text by a length that no tokenizer changes.
#
# The model is the simplest one that trains by counting, a *bigram* model: the next token depends only on the one
# before it.
#
# > p(b after a) = (times that b follows a + 1) / (times that any token follows a + V)
#
# The 1 and the V keep a pair that never occurred above 0 (add-one smoothing). The first token of a text has the
# probability 1/V.
#
# **In**: `train` and `text`, lists of ids, with at least one id each; `vocab`, a list of V bytes objects: id i stands
# for the bytes `vocab[i]`. Count pairs in `train`.
#
# **Out**: the sum of -log2 p over all ids of `text`, divided by the number of bytes that they stand for.
#
# ```
# bits_per_byte(train=[0, 1, 0, 1], text=[0, 1], vocab=[b"a", b"b"])  0.7075
# ```
#
# The first token costs 1 bit. The second has p = (2 + 1) / (2 + 2), 0.415 bits. Together they are 2 bytes.
#
# **Without**: `minillm`, `tokenizers`.
#
# <details><summary>Hint 1</summary>
#
# How many pairs does `train` have, and which of its ids is never followed by another one?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Two counts: `Counter(pairwise(train))` for the pairs, and one for how often each id is followed by any id. The last id
# of `train` has no follower, so it counts once less in the second.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `bits = math.log2(V)` for the first id. Then, for each pair (a, b) of `text`, add
# `math.log2((followed[a] + V) / (pairs[a, b] + 1))`. The length is `sum(len(vocab[id]) for id in text)`.
# </details>


# %%
def bits_per_byte(train, text, vocab):
    """The surprise at the text in bits, per byte, under a bigram model of `train`."""
    ### BEGIN SOLUTION
    V = len(vocab)
    pairs = Counter(pairwise(train))
    followed = Counter(train[:-1])
    bits = math.log2(V)  # the first id
    for a, b in pairwise(text):
        bits += math.log2((followed[a] + V) / (pairs[a, b] + 1))
    return bits / sum(len(vocab[id]) for id in text)
    ### END SOLUTION


# %%
check("01.1", bits_per_byte).points

# %% [markdown]
# With 2,000 documents of the course's world for training and 300 others as the text, your function gives:
#
# | V | bits per token | bits per byte |
# | --- | --- | --- |
# | 256 (bytes) | 3.45 | 3.45 |
# | 512 | 4.94 | 2.25 |
# | 1,024 | 6.06 | 2.02 |
# | 2,048 | 7.16 | 1.94 |
# | 3,603 | 7.78 | 1.91 |
#
# The two columns disagree about which tokenizer is best. To measure your own text, use `Tokenizer.train` of
# `minillm.tokenizer`.

# %% [markdown]
# ## 01.2 · A merge by str.replace
#
# *bug-hunt · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why the merge below makes a piece that no merge makes, and write one that doesn't.
#
# The idea is tempting: write the pieces of a word with spaces between them, and let Python's `replace` do the work. The
# paper that introduced BPE for translation keeps its words the same way (Sennrich et al. 2016, algorithm 1), but uses a
# careful regular expression instead of `replace`. Run the cell. Which of the three merges makes `thes`, and why?


# %%
def broken_merge(pieces, pair):
    """Join the pair wherever it occurs in the word. (It joins more.)"""
    text = " ".join(pieces)
    return text.replace(" ".join(pair), "".join(pair)).split(" ")


pieces = list("these")
for pair in [("t", "h"), ("th", "e"), ("e", "s")]:
    pieces = broken_merge(pieces, pair)
    print(pair, "->", pieces)

# %% [markdown]
# **In**: `pieces`, a list of strings, perhaps empty, and `pair`, a tuple of two strings. A piece may hold any
# character, spaces included, but is never empty.
#
# **Out**: a new list, even if nothing is joined. Wherever the two pieces of the pair are neighbors, they become one
# piece. Go from left to right and use no piece twice: `merge(["a", "a", "a"], ("a", "a"))` is `["aa", "a"]`.
#
# **Without**: `minillm`, `tokenizers`.
#
# <details><summary>Hint 1</summary>
#
# Look at the text that `replace` searches just before the last merge. Where in it does `e s` occur?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Once the pieces are one text, nothing says where they began and ended. Keep the list and compare whole pieces.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Walk along the list with an index `at`. If the two pieces at `at` and `at + 1` are the pair, append the joined piece
# and move on by two; otherwise append the one piece and move on by one.
# </details>


# %%
def merge(pieces, pair):
    """Join the pair wherever it occurs in the word."""
    ### BEGIN SOLUTION
    merged, at = [], 0
    while at < len(pieces):
        here = tuple(pieces[at : at + 2])
        is_pair = here == tuple(pair)
        merged.append("".join(pair) if is_pair else pieces[at])
        at += 2 if is_pair else 1
    return merged
    ### END SOLUTION


# %%
check("01.2", merge).points

# %% [markdown]
# ## 01.3 · The most probable segmentation
#
# *extend · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: cut a text into the pieces whose total log-probability is highest.
#
# BPE replays merges. The other common tokenizer, *Unigram* (Kudo 2018; in T5, ALBERT and XLNet), gives each piece of
# its vocabulary a probability instead. A segmentation is as probable as the product of its pieces, so its
# log-probability is their sum, and the tokenizer returns the segmentation with the highest one. A text of n characters
# has 2^(n-1) segmentations, too many to try. But the best segmentation of a text ends in some piece, and what comes
# before that piece is itself cut in the best way. This is the Viterbi algorithm.
#
# **In**: `text`, a string of up to 200 characters, perhaps empty; `log_probs`, a dictionary from each piece, a string
# that is not empty, to its log-probability, a number below 0. There is one best segmentation, without a tie.
#
# **Out**: the pieces of the best segmentation, a list of strings that make up the text; `[]` for an empty text; `None`
# if the pieces can't make up the text.
#
# ```
# log_probs = {"a": -3.0, "b": -3.0, "ab": -2.0, "aba": -2.5}
# segment("abab", log_probs)  ["ab", "ab"]  -4.0 in total; ["aba", "b"] has -5.5
# segment("abc", log_probs)   None
# ```
#
# **Without**: `minillm`, `tokenizers`, `sentencepiece`.
#
# <details><summary>Hint 1</summary>
#
# For "abab", write down the best total for each beginning: "", "a", "ab", "aba", "abab". Which earlier totals do you
# need for the next one?
# </details>
#
# <details><summary>Hint 2</summary>
#
# `best[end]` is the best total of `text[:end]`. It is the largest `best[start] + log_probs[text[start:end]]` over all
# starts whose piece is in the vocabulary. Beginnings that can't be made up have minus infinity.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Also store which `start` gave the largest total. At the end walk back from `end = len(text)`: the last piece is
# `text[start[end] : end]`, the one before it ends at `start[end]`, and so on. Reverse the list.
# </details>


# %%
def segment(text, log_probs):
    """The pieces of the most probable segmentation, or None."""
    ### BEGIN SOLUTION
    best, starts = [0.0], [0]
    for end in range(1, len(text) + 1):
        totals = [
            (best[start] + log_probs.get(text[start:end], -math.inf), start)
            for start in range(end)
        ]
        total, start = max(totals)
        best.append(total)
        starts.append(start)
    if best[-1] == -math.inf:
        return None
    pieces, end = [], len(text)
    while end > 0:
        pieces.append(text[starts[end] : end])
        end = starts[end]
    return pieces[::-1]
    ### END SOLUTION


# %%
check("01.3", segment).points

# %% [markdown]
# ## 01.4 · Stream text without broken characters
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: with each token, show the characters that are now complete, and never part of one.
#
# A chat shows its answer while the model is still writing. Each token is a few bytes, and a token may end in the middle
# of a character. If you decode each token by itself, `�` appears instead of an é or an emoji.
#
# **In**: `chunks`, a list of bytes objects, one per token. Joined, they are the beginning of a valid UTF-8 text. A
# chunk may be empty, and the text may contain a `�` of its own.
#
# **Out**: a list of strings, one per chunk: all characters that are complete now and were not shown before. A
# character that never becomes complete is never shown. `show([b"caf", b"\xc3", b"\xa9!"])` is `["caf", "", "é!"]`.
#
# **Without**: `minillm`, `tokenizers`, and the ready-made `codecs.getincrementaldecoder`,
# `codecs.BufferedIncrementalDecoder`, `codecs.StreamReader`. `bytes.decode` and `codecs.decode` are allowed.
#
# <details><summary>Hint 1</summary>
#
# Keep a buffer of bytes that have not been shown. Append each chunk to it, show what is complete, keep the rest.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Only the last character can be incomplete, and at most three of its bytes are there. So at most three bytes at the end
# of the buffer have to wait. You only need to find out how many: 0, 1, 2 or 3.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Two ways. Try: decode the buffer without its last 0, 1, 2, 3 bytes, and take the first that raises no
# `UnicodeDecodeError`. Or read the bits: bytes that begin with 10 continue a character. Go back to the first byte of
# the last character; its leading ones (110, 1110, 11110) tell how many bytes the character has.
# </details>


# %%
def show(chunks):
    """What to show with each chunk."""
    ### BEGIN SOLUTION
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        for held in range(4):
            ready = buffer[: len(buffer) - held]
            try:
                shown.append(ready.decode())
            except UnicodeDecodeError:
                continue
            buffer = buffer[len(ready) :]
            break
    return shown
    ### END SOLUTION


# %%
check("01.4", show).points

# %% [markdown]
# **What you built**: a metric that compares tokenizers, a merge that keeps its pieces apart, the search of the Unigram
# tokenizer, and a stream that never shows part of a character. The package has the merge and the stream, in
# `minillm/tokenizer/merging.py` and `minillm/inference/text.py`.
