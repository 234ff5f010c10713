"""Answers to assignment 01 from its text alone; this half served to tune the checks."""

import heapq
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from functools import reduce
from itertools import accumulate, groupby, pairwise

import numpy as np
from answers import right, wrong


@wrong("01.1", "of equally frequent pairs it takes the one met first, not the smaller one")
def first_met_wins(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    return max(counts, key=counts.get, default=None)


@right("01.1")
def one_pass_over_sorted_pairs(words):
    flat = sorted((word[i], word[i + 1], n) for word, n in words.items() for i in range(len(word) - 1))
    best, best_total = None, None
    for pair, group in groupby(flat, key=lambda item: item[:2]):
        total = sum(item[2] for item in group)
        if best is None or total > best_total:  # of equal ones the first, which is the smaller
            best, best_total = pair, total
    return best


@wrong("01.1", "places that overlap are not counted: (7, 7, 7) holds (7, 7) only once for it")
def places_that_overlap_counted_once(words):
    counts = Counter()
    for word, n in words.items():
        last = None
        for i, pair in enumerate(pairwise(word)):
            if pair == last and pair[0] == pair[1]:
                last = None
                continue
            counts[pair] += n
            last = pair
    return min(counts, key=lambda p: (-counts[p], p), default=None)


@wrong("01.1", "max of an empty dictionary raises where None is asked for")
def nothing_to_choose_from(words):
    counts = defaultdict(int)
    for word, n in words.items():
        for pair in zip(word[:-1], word[1:]):
            counts[pair] += n
    most = max(counts.values())
    return min(pair for pair, n in counts.items() if n == most)


@wrong("01.1", "a pair counts once in a word, even if it stands there several times")
def set_of_pairs_per_word(words):
    counts = Counter()
    for word, n in words.items():
        for pair in set(pairwise(word)):
            counts[pair] += n
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@right("01.1")
def numpy_unique_rows(words):
    lefts, rights, times = [], [], []
    for word, n in words.items():
        lefts += word[:-1]
        rights += word[1:]
        times += [n] * max(len(word) - 1, 0)
    if not lefts:
        return None
    table, inverse = np.unique(np.array([lefts, rights]).T, axis=0, return_inverse=True)
    totals = np.zeros(len(table), dtype=np.int64)
    np.add.at(totals, inverse.reshape(-1), times)
    a, b = table[totals.argmax()]  # the rows are sorted and argmax takes the first
    return int(a), int(b)


@wrong("01.1", "left and right are sorted, so (2, 1) and (1, 2) are counted as one pair")
def pairs_without_a_direction(words):
    counts = Counter()
    for word, n in words.items():
        for a, b in pairwise(word):
            counts[min(a, b), max(a, b)] += n
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "it divides by how frequent the two tokens are, which is WordPiece's rule and not that of byte pairs")
def wordpiece_score(words):
    pairs, tokens = Counter(), Counter()
    for word, n in words.items():
        for token in word:
            tokens[token] += n
        for pair in pairwise(word):
            pairs[pair] += n

    def score(pair):
        return pairs[pair] / (tokens[pair[0]] * tokens[pair[1]])

    return min(pairs, key=lambda pair: (-score(pair), pair), default=None)


@wrong("01.1", "words without a pair are deleted from the dictionary that came in")
def short_words_deleted(words):
    for word in list(words):
        if len(word) < 2:
            del words[word]
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.2", "with blanks around the pair two pairs in a row share a blank, and a blank within a piece cuts it")
def blanks_on_both_sides(pieces, pair):
    text = " " + " ".join(pieces) + " "
    text = text.replace(f" {pair[0]} {pair[1]} ", f" {pair[0]}{pair[1]} ")
    return text.split()


@wrong("01.2", "the pieces are joined in the list that came in")
def joined_in_the_list_given(pieces, pair):
    i = 0
    while i < len(pieces) - 1:
        if pieces[i] == pair[0] and pieces[i + 1] == pair[1]:
            pieces[i] = pieces[i] + pieces[i + 1]
            del pieces[i + 1]
        i += 1
    return list(pieces)


@right("01.2")
def waiting_left_piece(pieces, pair):
    left, follower = pair
    out = []
    waiting = False  # is a left piece at the end of out still free to be joined?
    for piece in pieces:
        if waiting and piece == follower:
            out[-1] = left + follower
            waiting = False
        else:
            out.append(piece)
            waiting = piece == left
    return out


@wrong("01.2", "the loop ends before the last piece, which is lost unless it was joined")
def last_piece_lost(pieces, pair):
    out = []
    at = 0
    while at < len(pieces) - 1:
        if pieces[at] == pair[0] and pieces[at + 1] == pair[1]:
            out.append(pair[0] + pair[1])
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "only the first place where the pair stands is joined")
def first_place_only(pieces, pair):
    for at, neighbours in enumerate(pairwise(pieces)):
        if neighbours == pair:
            return [*pieces[:at], "".join(pair), *pieces[at + 2 :]]
    return pieces[:]


@wrong("01.2", "it gives a tuple, and a list was asked for")
def a_tuple_of_pieces(pieces, pair):
    def join(done, piece):
        done, free = done
        if free and done[-1] == pair[0] and piece == pair[1]:
            return (*done[:-1], done[-1] + piece), False
        return (*done, piece), True

    return reduce(join, pieces, ((), False))[0]


@right("01.2")
def jumping_with_index(pieces, pair):
    a, b = pair
    result = []
    start = 0
    while True:
        try:
            at = pieces.index(a, start)
        except ValueError:
            return result + pieces[start:]
        result += pieces[start:at]
        if at + 1 < len(pieces) and pieces[at + 1] == b:
            result.append(a + b)
            start = at + 2
        else:
            result.append(a)
            start = at + 1


@wrong("01.2", "it looks behind the last piece and raises if that is the left one of the pair")
def one_place_too_far(pieces, pair):
    merged, i = [], 0
    while i < len(pieces):
        if pieces[i] == pair[0] and pieces[i + 1] == pair[1]:
            merged.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            merged.append(pieces[i])
            i += 1
    return merged


@wrong("01.2", "it goes by twos, so a pair that begins at an odd place is not seen")
def two_by_two(pieces, pair):
    out = []
    for i in range(0, len(pieces), 2):
        two = pieces[i : i + 2]
        if tuple(two) == pair:
            out.append("".join(two))
        else:
            out.extend(two)
    return out


@wrong("01.3", "it joins the leftmost pair that is known at all, whichever was learned first")
def leftmost_known_pair(text, merges):
    known = set(merges)
    pieces = [bytes([b]) for b in text.encode()]
    found = True
    while found:
        found = False
        for i in range(len(pieces) - 1):
            if (pieces[i], pieces[i + 1]) in known:
                pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
                found = True
                break
    return pieces


@wrong("01.3", "it begins with characters in place of bytes, so the bytes of an e with an accent are never apart")
def begins_with_characters(text, merges):
    pieces = [char.encode() for char in text]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        candidates = [(ranks[p], i) for i, p in enumerate(pairwise(pieces)) if p in ranks]
        if not candidates:
            return pieces
        i = min(candidates)[1]
        pieces = [*pieces[:i], pieces[i] + pieces[i + 1], *pieces[i + 2 :]]


@wrong("01.3", "the word is put into small letters first, so the pieces put together are not the text")
def small_letters_first(text, merges):
    data = text.lower().encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    for left, follower in merges:
        out = []
        for piece in pieces:
            if out and out[-1] == left and piece == follower:
                out[-1] = left + follower
            else:
                out.append(piece)
        pieces = out
    return pieces


@right("01.3")
def each_merge_everywhere_once(text, merges):
    pieces = [bytes([number]) for number in text.encode("utf-8")]
    for left, follower in merges:
        new = []
        todo = deque(pieces)
        while todo:
            piece = todo.popleft()
            if piece == left and todo and todo[0] == follower:
                piece += todo.popleft()
            new.append(piece)
        pieces = new
    return pieces


@wrong("01.3", "each merge is used at one place only, though its pair may stand in the word several times")
def each_merge_at_one_place(text, merges):
    pieces = [bytes([x]) for x in text.encode()]
    for pair in merges:
        for i in range(len(pieces) - 1):
            if (pieces[i], pieces[i + 1]) == pair:
                pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
                break
    return pieces


@wrong("01.3", "a list of bytes is a list of numbers, and no number is ever found in a merge")
def numbers_for_bytes(text, merges):
    pieces = list(text.encode())
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        known = [(ranks[pair], at) for at, pair in enumerate(pairwise(pieces)) if pair in ranks]
        if not known:
            return pieces
        at = min(known)[1]
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


@wrong("01.3", "it stops at the first merge that the word does not need, and later ones are never tried")
def stops_at_the_first_useless_merge(text, merges):
    data = text.encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    for pair in merges:
        if pair not in pairwise(pieces):
            break
        new, i = [], 0
        while i < len(pieces):
            if tuple(pieces[i : i + 2]) == pair:
                new.append(b"".join(pair))
                i += 2
            else:
                new.append(pieces[i])
                i += 1
        pieces = new
    return pieces


@right("01.3")
def a_heap_and_linked_neighbours(text, merges):
    rank = {}
    for number, pair in enumerate(merges):
        rank.setdefault(tuple(pair), number)
    piece = {i: bytes([n]) for i, n in enumerate(text.encode())}
    after = {i: i + 1 for i in piece}
    before = {i: i - 1 for i in piece}
    heap = []

    def offer(i):
        j = after.get(i)
        if i in piece and j in piece and (piece[i], piece[j]) in rank:
            heapq.heappush(heap, (rank[piece[i], piece[j]], i, piece[i], piece[j]))

    for i in list(piece):
        offer(i)
    while heap:
        _, i, left, follower = heapq.heappop(heap)
        j = after.get(i)
        if piece.get(i) != left or piece.get(j) != follower:
            continue  # one of them has been joined to another piece since
        piece[i] = left + follower
        del piece[j]
        after[i] = after[j]
        before[after[j]] = i
        offer(i)
        offer(before[i])
    return [piece[i] for i in sorted(piece)]


@wrong("01.3", "a mark for the end of the word is added as in the paper, and then the pieces are not the text")
def mark_for_the_end_of_the_word(text, merges):
    if not text:
        return []
    pieces = [bytes([b]) for b in text.encode()]
    pieces[-1] += b"</w>"
    ranks = {pair: i for i, pair in enumerate(merges)}
    while True:
        known = [(ranks[p], i) for i, p in enumerate(pairwise(pieces)) if p in ranks]
        if not known:
            return pieces
        _, i = min(known)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


@wrong("01.4", "the bytes of an unfinished character are thrown away, so the character is never shown")
def halves_thrown_away(chunks):
    result = []
    for chunk in chunks:
        result.append(chunk.decode("utf-8", errors="ignore"))
    return result


@wrong("01.4", "a replacement character at the end is taken for half a character, but the text may hold one of its own")
def waits_behind_a_replacement_character(chunks):
    shown, result = 0, []
    data = b""
    for chunk in chunks:
        data += chunk
        text = data.decode("utf-8", errors="replace").rstrip("\ufffd")
        new = text[shown:]
        result.append(new)
        shown += len(new)
    return result


@right("01.4")
def leading_ones_of_the_last_character(chunks):
    out = []
    rest = b""
    for chunk in chunks:
        data = rest + bytes(chunk)
        start = len(data) - 1
        while start >= 0 and data[start] >> 6 == 0b10:
            start -= 1
        cut = len(data)
        if start >= 0:
            lead = data[start]
            if lead >> 5 == 0b110:
                size = 2
            elif lead >> 4 == 0b1110:
                size = 3
            elif lead >> 3 == 0b11110:
                size = 4
            else:
                size = 1
            if start + size > len(data):
                cut = start
        out.append(data[:cut].decode("utf-8"))
        rest = data[cut:]
    return out


@wrong("01.4", "it gives all of the text so far each time, not only what is new")
def all_the_text_so_far(chunks):
    seen = bytearray()
    texts = []
    for chunk in chunks:
        seen += chunk
        texts.append(bytes(seen).decode("utf-8", errors="ignore"))
    return texts


@wrong("01.4", "at most two bytes are held back, and three of an emoji's four may have come")
def at_most_two_bytes_wait(chunks):
    buffer, out = b"", []
    for chunk in chunks:
        buffer += chunk
        for wait in (0, 1, 2):
            end = len(buffer) - wait
            try:
                out.append(buffer[:end].decode())
                buffer = buffer[end:]
                break
            except UnicodeDecodeError:
                continue
        else:
            out.append(buffer.decode(errors="replace"))
            buffer = b""
    return out


@wrong("01.4", "it gives one string, and a list with a string for each token was asked for")
def one_string_for_everything(chunks):
    text, buffer = "", b""
    for chunk in chunks:
        buffer += chunk
        try:
            text += buffer.decode("utf-8")
            buffer = b""
        except UnicodeDecodeError as e:
            text += buffer[: e.start].decode("utf-8")
            buffer = buffer[e.start :]
    return text


@right("01.4")
def each_character_has_a_last_byte(chunks):
    text = b"".join(chunks).decode("utf-8", errors="ignore")
    last_bytes = list(accumulate(len(char.encode()) for char in text))
    ends = list(accumulate(len(chunk) for chunk in chunks))
    result = [""] * len(chunks)
    for char, needed in zip(text, last_bytes):
        result[bisect_left(ends, needed)] += char
    return result


@wrong("01.4", "all bytes from 128 on at the end have to wait, also those of a character that is complete")
def all_high_bytes_wait(chunks):
    out = []
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        end = len(buffer)
        while end > 0 and buffer[end - 1] >= 0x80:
            end -= 1
        out.append(buffer[:end].decode())
        buffer = buffer[end:]
    return out


@wrong("01.4", "the blanks around each token's text are stripped off")
def blanks_stripped(chunks):
    pending = b""
    lines = []
    for chunk in chunks:
        pending = pending + chunk
        ready = pending.decode(errors="ignore")
        pending = pending[len(ready.encode()) :]
        lines.append(ready.strip())
    return lines
