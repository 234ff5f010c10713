# %% [markdown]
# # Exercise 01 · The tokenizer
#
# **You will write** the step that byte-pair encoding repeats, mend a merge that many have got wrong, cut new words as
# the training did, and show a text while its tokens are still arriving.
#
# **Time**: 75 minutes. **Points**: 10. **Before you start**: lesson 01.
#
# Write in place of the `...`, run your cell, then the check below it. A check tries your function
# on many inputs; it says what it saw for a small one, names the mistake if it knows it, and gives you the next hint.
# Its last line is your points. To try your function on the very input that went wrong, and to draw other inputs:
#
# ```python
# next_pair(*check("01.1", next_pair).failure.example)
# check("01.1", next_pair, seed=7)
# ```
#
# What your function is given must stay as it is: return something new.

# %%
from itertools import pairwise

from minillm.course.checks import check

# %% [markdown]
# ## 01.1 · Which pair is next?
#
# *rebuild · difficulty 1 of 5 · 10 minutes · 2 points*
#
# **Goal**: find the pair of neighbours that byte-pair encoding merges next, the most frequent one.
#
# **In**: `words`, a dictionary. A word is a tuple of ids, and its value says how often the word occurs: once at least.
#
# **Out**: the pair as a tuple `(left, right)`; of equally frequent pairs the smaller one, the left id compared first. A
# pair counts at every place where it stands, also where two places overlap: (7, 7, 7) holds (7, 7) twice. If no word
# has two tokens any more, `None`.
#
# `next_pair({(1, 2, 2): 10, (1, 2): 3})` is `(1, 2)`: it occurs 13 times, and `(2, 2)` ten times.
#
# **Without**: `minillm`, `tokenizers`.
#
# <details><summary>Hint 1</summary>
#
# Two steps: first count all pairs into one dictionary, then choose from it. `pairwise(word)` gives a word's neighbours.
# </details>
#
# <details><summary>Hint 2</summary>
#
# A word that occurs ten times adds ten to each of its pairs. `collections.Counter` begins every count at 0.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `min(counts, key=lambda pair: (-counts[pair], pair), default=None)`: the largest count first, then the smaller pair.
# </details>


# %%
def next_pair(words):
    """The pair that is merged next, or None."""
    ### BEGIN SOLUTION
    counts = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)
    ### END SOLUTION


# %%
check("01.1", next_pair).points

# %% [markdown]
# ## 01.2 · A merge that joins what it should not
#
# *bug-hunt · difficulty 2 of 5 · 15 minutes · 2 points*
#
# **Goal**: find out why the merge below makes a piece that no merge can make, and write one that does not.
#
# The idea is tempting: write the pieces of a word with blanks between them, and let Python's `replace` do the work. The
# paper that brought this algorithm to translation, and so to language models, keeps its words so too (Sennrich et al.
# 2016, algorithm 1), but with a careful regular expression where a plain `replace` stands here. Run the cell. Which of
# the three merges makes `thes`, and why?


# %%
def broken_merge(pieces, pair):
    """Join the pair wherever it stands in the word. (It does not.)"""
    text = " ".join(pieces)
    return text.replace(" ".join(pair), "".join(pair)).split(" ")


pieces = list("these")
for pair in [("t", "h"), ("th", "e"), ("e", "s")]:
    pieces = broken_merge(pieces, pair)
    print(pair, "->", pieces)

# %% [markdown]
# **In**: `pieces`, a list of strings, perhaps empty, and `pair`, a tuple of two strings. A piece may hold
# anything, a blank too, but is never empty.
#
# **Out**: a new list, even where nothing is joined. Wherever the two pieces of the pair stand side by side they are
# one, from the left, and no piece is used twice: `merge(["a", "a", "a"], ("a", "a"))` is `["aa", "a"]`.
#
# **Without**: `minillm`, `tokenizers`.
#
# <details><summary>Hint 1</summary>
#
# Look at the text that `replace` searches just before the last merge. Where in it does `e s` stand?
# </details>
#
# <details><summary>Hint 2</summary>
#
# Once the pieces are one text, nobody knows where they began and ended. Stay with the list and compare whole pieces.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Walk along the list with a place `at`. If the two pieces from `at` on are the pair, append the joined piece and go on
# two places; otherwise append the one piece and go on by one.
# </details>


# %%
def merge(pieces, pair):
    """Join the pair wherever it stands in the word."""
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
# ## 01.3 · Replay the merges
#
# *rebuild · difficulty 3 of 5 · 20 minutes · 3 points*
#
# **Goal**: cut a new word into pieces by replaying the merges in the order in which they were learnt.
#
# **In**: `text`, a string, one word or nothing (then there are no pieces, `[]`). A word may begin with a space and hold
# capital letters. `merges`, a list of pairs of bytes such as `(b"t", b"h")`, the first learned first, all of one
# training and each once.
#
# **Out**: the pieces, a list of bytes. All pieces put together are `text.encode()`.
#
# `encode("abab", [(b"b", b"a"), (b"a", b"b")])` is `[b"a", b"ba", b"b"]`: the merge of *b* and *a* came first, and
# after it no *a* has a *b* to its right.
#
# **Without**: `minillm`, `tokenizers`.
#
# <details><summary>Hint 1</summary>
#
# Begin with single bytes. Then repeat one step until it finds nothing: among all neighbours in the word, find the pair
# that stands first in `merges`, and join it.
# </details>
#
# <details><summary>Hint 2</summary>
#
# `data[i : i + 1]` is one byte as bytes; `data[i]` would be a number. A dictionary from each pair to its place in the
# list (its rank) saves you from searching the list again and again.
# </details>
#
# <details><summary>Hint 3</summary>
#
# `known = [(ranks[pair], at) for at, pair in enumerate(pairwise(pieces)) if pair in ranks]`; if it is empty you are
# done, else `min(known)` says which merge and where. (There is another right way: go through the list of merges once,
# and use each merge everywhere. Why does it come to the same?)
# </details>


# %%
def encode(text, merges):
    """The pieces of a word."""
    ### BEGIN SOLUTION
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    pieces = [bytes([byte]) for byte in text.encode()]
    while True:
        pairs = enumerate(pairwise(pieces))
        known = [(ranks[pair], at) for at, pair in pairs if pair in ranks]
        if not known:
            return pieces
        _, at = min(known)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    ### END SOLUTION


# %%
check("01.3", encode).points

# %% [markdown]
# ## 01.4 · Show the text while it arrives
#
# *extend · difficulty 4 of 5 · 30 minutes · 3 points*
#
# **Goal**: show with each token the characters that have become complete, and never half of one.
#
# A chat shows its answer while the model is writing. Each token is a few bytes, and a token may end in the middle of a
# character: whoever decodes each token alone shows `�` where an é or an emoji should be. You have seen it happen.
#
# **In**: `chunks`, a list of bytes, one for each token. Put together they are the beginning of a well-formed text. A
# chunk may be empty, and the text may hold a `�` of its own.
#
# **Out**: a list of strings, one for each chunk: all characters that are complete now and were not shown before. What
# never becomes complete is never shown. `show([b"caf", b"\xc3", b"\xa9!"])` is `["caf", "", "é!"]`.
#
# **Without**: `minillm`, `tokenizers`, and the ready-made `codecs.getincrementaldecoder`,
# `codecs.BufferedIncrementalDecoder`, `codecs.StreamReader`. `bytes.decode` and `codecs.decode` are welcome.
#
# <details><summary>Hint 1</summary>
#
# Keep a buffer of bytes that have not been shown. Put each chunk behind it, show what is complete, keep the rest.
# </details>
#
# <details><summary>Hint 2</summary>
#
# Only the last character can be incomplete, and then at most three of its bytes are there. So at most three bytes at
# the end of the buffer have to wait, and it is enough to find out how many: 0, 1, 2 or 3.
# </details>
#
# <details><summary>Hint 3</summary>
#
# Two ways. Try: decode the buffer without its last 0, 1, 2, 3 bytes, and take the first that raises no
# `UnicodeDecodeError`. Or read: bytes that begin with 10 continue a character; go back to the first byte of the last
# character, and it tells you by its leading ones (110, 1110, 11110) how many there must be.
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
# **What you built**: the step that makes a vocabulary, a merge that keeps its pieces apart, the encoder that replays
# them, and a stream that never shows half a character. The package has each of them, faster and no different:
# `minillm/tokenizer/training.py`, `minillm/tokenizer/merging.py` and `minillm/inference/text.py`.
