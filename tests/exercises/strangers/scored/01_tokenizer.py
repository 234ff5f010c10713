"""Answers to assignment 01 from its text alone; this set is only scored."""

import re
from collections import Counter
from itertools import groupby, pairwise

from answers import right, wrong


@wrong("01.1", "skips places that overlap, so (7, 7, 7) holds (7, 7) only once")
def next_pair_no_overlap(words):
    counts = {}
    for word, n in words.items():
        i = 0
        last = None
        while i < len(word) - 1:
            pair = (word[i], word[i + 1])
            if last == (pair, i - 1) and pair[0] == pair[1]:
                last = None
            else:
                counts[pair] = counts.get(pair, 0) + n
                last = (pair, i)
            i += 1
    if not counts:
        return None
    best = max(counts.values())
    return min(p for p in counts if counts[p] == best)


@wrong("01.1", "compares equally frequent pairs as text, so that 10 is smaller than 9")
def next_pair_ids_as_text(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    ranked = sorted(counts, key=lambda pair: (-counts[pair], " ".join(map(str, pair))))
    return ranked[0] if ranked else None


@wrong("01.1", "counts (1, 2) and (2, 1) as one pair by sorting the two ids")
def next_pair_unordered(words):
    counts = Counter()
    for word, n in words.items():
        for a, b in zip(word, word[1:]):
            counts[min(a, b), max(a, b)] += n
    return min(counts, key=lambda p: (-counts[p], p), default=None)


@wrong("01.1", "counts a pair once for each word that holds it, however many places it has in the word")
def next_pair_once_per_word(words):
    table = Counter()
    for word, n in words.items():
        for pair in {(word[i], word[i + 1]) for i in range(len(word) - 1)}:
            table[pair] += n
    if not table:
        return None
    return sorted(table.items(), key=lambda item: (-item[1], item[0]))[0][0]


@wrong("01.1", "of equally frequent pairs compares the right id first")
def next_pair_right_id_first(words):
    counts = {}
    for word in words:
        for left, right_one in pairwise(word):
            counts[left, right_one] = counts.get((left, right_one), 0) + words[word]
    best = None
    for pair, n in counts.items():
        if best is None or n > counts[best] or (n == counts[best] and pair[::-1] < best[::-1]):
            best = pair
    return best


@right("01.1")
def next_pair_sort_and_group(words):
    places = sorted((pair, n) for word, n in words.items() for pair in zip(word, word[1:]))
    best, most = None, None
    for pair, group in groupby(places, key=lambda place: place[0]):
        total = sum(n for _, n in group)
        if most is None or total > most:
            best, most = pair, total
    return best


@wrong("01.2", "the paper's regular expression on a text with blanks: a piece that holds a blank falls apart")
def merge_regex_of_the_paper(pieces, pair):
    if not pieces:
        return []
    pattern = re.compile(r"(?<!\S)" + re.escape(" ".join(pair)) + r"(?!\S)")
    return pattern.sub(lambda _: "".join(pair), " ".join(pieces)).split(" ")


@wrong("01.2", "compares the joined text, so ('ab', 'c') is taken for ('a', 'bc')")
def merge_compares_joined_text(pieces, pair):
    joined = pair[0] + pair[1]
    out = []
    i = 0
    while i < len(pieces):
        if i + 1 < len(pieces) and pieces[i] + pieces[i + 1] == joined:
            out.append(joined)
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out


@wrong("01.2", "walks from the right, so a a a becomes a aa")
def merge_from_the_right(pieces, pair):
    out = []
    i = len(pieces) - 1
    while i >= 0:
        if i > 0 and (pieces[i - 1], pieces[i]) == tuple(pair):
            out.append(pieces[i - 1] + pieces[i])
            i -= 2
        else:
            out.append(pieces[i])
            i -= 1
    return out[::-1]


@wrong("01.2", "gives back the very list that came in where the pair does not occur")
def merge_returns_the_same_list(pieces, pair):
    if tuple(pair) not in zip(pieces, pieces[1:]):
        return pieces
    out, skip = [], False
    for at, piece in enumerate(pieces):
        if skip:
            skip = False
        elif tuple(pieces[at : at + 2]) == tuple(pair):
            out.append(piece + pieces[at + 1])
            skip = True
        else:
            out.append(piece)
    return out


@wrong("01.2", "joins only the first place where the pair stands")
def merge_first_place_only(pieces, pair):
    for at in range(len(pieces) - 1):
        if pieces[at] == pair[0] and pieces[at + 1] == pair[1]:
            return pieces[:at] + [pair[0] + pair[1]] + pieces[at + 2 :]
    return pieces[:]


@right("01.2")
def merge_with_one_waiting(pieces, pair):
    left, second = pair
    out = []
    waiting = 0  # 1 if a left half has been read that nobody has used yet
    for piece in pieces:
        if waiting and piece == second:
            out.append(left + second)
            waiting = 0
            continue
        if waiting:
            out.append(left)
        waiting = int(piece == left)
        if not waiting:
            out.append(piece)
    return out + [left] * waiting


def _join_at(pieces, at):
    return pieces[:at] + [pieces[at] + pieces[at + 1]] + pieces[at + 2 :]


@wrong("01.3", "begins with characters and not with bytes, so that an é is never cut")
def encode_from_characters(text, merges):
    pieces = [c.encode() for c in text]
    ranks = {pair: r for r, pair in enumerate(merges)}
    while True:
        known = [(ranks[p], i) for i, p in enumerate(pairwise(pieces)) if p in ranks]
        if not known:
            return pieces
        pieces = _join_at(pieces, min(known)[1])


@wrong("01.3", "takes the longest known piece from the left, and replays no merges")
def encode_longest_match(text, merges):
    data = text.encode()
    vocabulary = {a + b for a, b in merges}
    out = []
    while data:
        n = next((n for n in range(len(data), 1, -1) if data[:n] in vocabulary), 1)
        out.append(data[:n])
        data = data[n:]
    return out


@wrong("01.3", "joins the leftmost known pair first, whatever its rank")
def encode_leftmost_pair(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    known = set(merges)
    i = 0
    while i < len(pieces) - 1:
        if (pieces[i], pieces[i + 1]) in known:
            pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
            i = 0
        else:
            i += 1
    return pieces


@wrong("01.3", "writes a special letter in place of a space, as GPT-2's tables do, so a space is never found again")
def encode_space_as_special_letter(text, merges):
    parts = [bytes([b]) for b in text.replace(" ", "\u0120").encode()]
    rank = {pair: r for r, pair in enumerate(merges)}
    while len(parts) > 1:
        best = min(range(len(parts) - 1), key=lambda i: rank.get((parts[i], parts[i + 1]), len(merges)))
        if (parts[best], parts[best + 1]) not in rank:
            break
        parts = _join_at(parts, best)
    return parts


@wrong("01.3", "joins the rightmost of several places of a pair first, so aaa becomes a aa")
def encode_rightmost_place(text, merges):
    data = text.encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    for a, b in merges:
        for i in range(len(pieces) - 2, -1, -1):
            if i + 1 < len(pieces) and pieces[i] == a and pieces[i + 1] == b:
                pieces[i : i + 2] = [a + b]
    return pieces


@right("01.3")
def encode_with_cuts(text, merges):
    data = text.encode()
    cuts = list(range(len(data) + 1))
    order = {}
    for r, pair in enumerate(merges):
        order.setdefault(pair, r)

    def rank(i):
        return order.get((data[cuts[i - 1] : cuts[i]], data[cuts[i] : cuts[i + 1]]), len(merges))

    while len(cuts) > 2:
        best = min(range(1, len(cuts) - 1), key=rank)
        if rank(best) == len(merges):
            break
        del cuts[best]
    return [data[a:b] for a, b in pairwise(cuts)]


@wrong("01.4", "keeps the whole buffer back while its end is incomplete, the complete characters in front with it")
def show_all_or_nothing(chunks):
    out, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        try:
            out.append(buffer.decode("utf-8"))
            buffer = b""
        except UnicodeDecodeError:
            out.append("")
    return out


@wrong("01.4", "takes a replacement sign at the end for half a character, though the text may hold one of its own")
def show_waits_at_replacement_sign(chunks):
    out, data, shown = [], b"", 0
    for chunk in chunks:
        data += chunk
        text = data.decode("utf-8", errors="replace").rstrip("\ufffd")
        out.append(text[shown:])
        shown = max(shown, len(text))
    return out


@wrong("01.4", "waits for four bytes after every first byte from 0xE0 on, though many characters have three")
def show_three_bytes_wait_for_a_fourth(chunks):
    out, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        keep = 0
        for back in range(1, min(3, len(buffer)) + 1):
            byte = buffer[-back]
            if byte >= 0xC0:
                need = 2 if byte < 0xE0 else 4
                keep = back if back < need else 0
                break
            if byte < 0x80:
                break
        cut = len(buffer) - keep
        out.append(buffer[:cut].decode("utf-8"))
        buffer = buffer[cut:]
    return out


@wrong("01.4", "shows whole words only, up to the last blank, as a streamer of another library does")
def show_up_to_the_last_blank(chunks):
    out, data, shown = [], b"", 0
    for chunk in chunks:
        data += chunk
        text = data.decode("utf-8", errors="ignore")
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        out.append(text[shown:end])
        shown = max(shown, end)
    return out


@wrong("01.4", "shows what is left over at the end as a replacement sign with the last chunk")
def show_flushes_the_rest(chunks):
    out, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        for wait in range(4):
            try:
                text = buffer[: len(buffer) - wait].decode()
            except UnicodeDecodeError:
                continue
            buffer = buffer[len(buffer) - wait :]
            out.append(text)
            break
    if buffer:
        out[-1] += buffer.decode(errors="replace")
    return out


@right("01.4")
def show_difference_of_prefixes(chunks):
    data = b"".join(chunks)
    ends = [0]
    for chunk in chunks:
        ends.append(ends[-1] + len(chunk))
    texts = [data[:end].decode("utf-8", errors="ignore") for end in ends]
    return [new[len(old) :] for old, new in pairwise(texts)]
