"""Answers to assignment 01 from its text alone; this half is for tuning the check."""

import codecs
import re
import unicodedata
from collections import Counter, defaultdict, deque
from itertools import pairwise

from answers import right, wrong


@wrong("01.1", "each word counts once, however often it occurs")
def words_without_their_counts(words):
    counts = Counter()
    for word in words:
        counts.update(pairwise(word))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@right("01.1")
def counter_and_min(words):
    """The pair that is merged next, or None."""
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "of equally frequent pairs it takes the larger one")
def largest_pair_of_a_tie(words):
    counts = {}
    for word, n in words.items():
        for i in range(len(word) - 1):
            pair = (word[i], word[i + 1])
            counts[pair] = counts.get(pair, 0) + n
    if not counts:
        return None
    return max(counts, key=lambda p: (counts[p], p))


@wrong("01.1", "in a tie the right id is compared first")
def right_id_first_in_a_tie(words):
    counts = Counter()
    for word, n in words.items():
        for a, b in pairwise(word):
            counts[a, b] += n
    order = sorted(counts, key=lambda p: (-counts[p], p[1], p[0]))
    return order[0] if order else None


@wrong("01.1", "the answer is the pair together with its count, not the pair")
def pair_and_count(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    if len(counts) == 0:
        return None
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ranked[0]


@right("01.1")
def the_lead_changes_hands(words):
    seen = {}
    for word in words:
        left = None
        for place, token in enumerate(word):
            if place > 0:
                seen[left, token] = seen.get((left, token), 0) + words[word]
            left = token
    winner = None
    for pair, n in seen.items():
        if winner is None or n > seen[winner] or (n == seen[winner] and pair < winner):
            winner = pair
    return winner


@wrong("01.1", "the last token of a word and the first of the next word are counted as neighbours")
def one_long_row_of_tokens(words):
    counts = Counter()
    previous = None
    for word, n in words.items():
        for token in word:
            if previous is not None:
                counts[previous, token] += n
            previous = token
    return min(counts, key=lambda p: (-counts[p], p)) if counts else None


@wrong("01.1", "the loop over places ends one early and misses the last pair of each word")
def last_pair_missed(words):
    counts = {}
    for word, n in words.items():
        for i in range(0, len(word) - 2):
            pair = word[i], word[i + 1]
            counts[pair] = counts.get(pair, 0) + n
    best = None
    for pair in sorted(counts):
        if best is None or counts[pair] > counts[best]:
            best = pair
    return best


@wrong("01.1", "ties are broken by how the pairs are written, where 10 comes before 9")
def ties_compared_as_text(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    return min(counts, key=lambda pair: (-counts[pair], str(pair)), default=None)


@right("01.1")
def sort_twice_because_sort_is_stable(words):
    counts = defaultdict(int)
    for word, n in words.items():
        for left, follower in zip(word, word[1:]):
            counts[(left, follower)] += n
    ranking = sorted(counts)
    ranking.sort(key=counts.get, reverse=True)
    return ranking[0] if ranking else None


@wrong("01.1", "a best pair that occurs once is not merged, but None is only for when no pair is left")
def none_if_nothing_repeats(words):
    counts = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            counts[pair] += n
    if not counts or max(counts.values()) < 2:
        return None
    return min(counts, key=lambda pair: (-counts[pair], pair))


@right("01.2")
def walk_with_a_place(pieces, pair):
    """Join the pair wherever it stands in the word."""
    out, at = [], 0
    while at < len(pieces):
        if tuple(pieces[at : at + 2]) == tuple(pair):
            out.append(pieces[at] + pieces[at + 1])
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "replace joins the end of one piece with the beginning of the next")
def the_broken_merge_again(pieces, pair):
    if not pieces:
        return []
    text = " ".join(pieces)
    return text.replace(" ".join(pair), "".join(pair)).split(" ")


@wrong("01.2", "the expression of the paper takes blanks for ends of pieces, and a piece may hold a blank")
def the_expression_of_the_paper(pieces, pair):
    if not pieces:
        return []
    bigram = re.escape(" ".join(pair))
    pattern = re.compile(r"(?<!\S)" + bigram + r"(?!\S)")
    return pattern.sub(lambda _: "".join(pair), " ".join(pieces)).split(" ")


@wrong("01.2", "the right piece of a pair is looked at again, so one piece is used twice")
def a_piece_used_twice(pieces, pair):
    out = []
    skip = False
    for i, piece in enumerate(pieces):
        following = pieces[i + 1] if i + 1 < len(pieces) else None
        if (piece, following) == pair:
            out.append(piece + following)
            skip = True
        elif skip:
            skip = False
        else:
            out.append(piece)
    return out


@right("01.2")
def one_letter_for_each_piece(pieces, pair):
    # Give every different piece a private character; then replace cannot cut through a piece.
    letters = {}
    for piece in [*pair, *pieces]:
        letters.setdefault(piece, chr(0xF0000 + len(letters)))
    joined = chr(0xF0000 + len(letters))
    text = "".join(letters[piece] for piece in pieces)
    text = text.replace(letters[pair[0]] + letters[pair[1]], joined)
    back = {letter: piece for piece, letter in letters.items()}
    back[joined] = "".join(pair)
    return [back[letter] for letter in text]


@wrong("01.2", "it joins from the right, so the odd one of three equal pieces stays at the wrong end")
def from_the_right(pieces, pair):
    out = []
    i = len(pieces) - 1
    while i >= 0:
        if i > 0 and pieces[i - 1] == pair[0] and pieces[i] == pair[1]:
            out.insert(0, pieces[i - 1] + pieces[i])
            i -= 2
        else:
            out.insert(0, pieces[i])
            i -= 1
    return out


@wrong("01.2", "where nothing is joined it gives back the very list that came in, and a new one was asked for")
def the_same_list_if_nothing_to_do(pieces, pair):
    if pair not in list(pairwise(pieces)):
        return pieces
    merged = []
    it = iter(range(len(pieces)))
    for at in it:
        if at + 1 < len(pieces) and (pieces[at], pieces[at + 1]) == pair:
            merged.append("".join(pair))
            next(it)
        else:
            merged.append(pieces[at])
    return merged


@wrong("01.2", "it compares the joined texts, so other pieces that put together read the same are joined, too")
def compared_after_joining(pieces, pair):
    target = pair[0] + pair[1]
    out, i = [], 0
    while i < len(pieces):
        if i < len(pieces) - 1 and pieces[i] + pieces[i + 1] == target:
            out.append(target)
            i = i + 2
        else:
            out.append(pieces[i])
            i = i + 1
    return out


@right("01.2")
def a_queue_that_empties(pieces, pair):
    queue, out = deque(pieces), []
    while queue:
        first = queue.popleft()
        if queue and (first, queue[0]) == (pair[0], pair[1]):
            first += queue.popleft()
        out.append(first)
    return out


@wrong("01.2", "any two neighbours that occur in the pair are joined, in whatever order")
def both_are_in_the_pair(pieces, pair):
    new = []
    i = 0
    while i < len(pieces):
        if i + 1 < len(pieces) and pieces[i] in pair and pieces[i + 1] in pair:
            new.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            new.append(pieces[i])
            i += 1
    return new


@wrong("01.2", "it begins with the first piece, which an empty list does not have")
def begins_with_the_first_piece(pieces, pair):
    out = [pieces[0]]
    free = True
    for piece in pieces[1:]:
        if free and out[-1] == pair[0] and piece == pair[1]:
            out[-1] += piece
            free = False
        else:
            out.append(piece)
            free = True
    return out


@wrong("01.3", "it takes the longest known piece from the left in place of replaying the merges")
def longest_piece_from_the_left(text, merges):
    data = text.encode()
    vocabulary = {left + follower for left, follower in merges}
    pieces = []
    start = 0
    while start < len(data):
        end = len(data)
        while end > start + 1 and data[start:end] not in vocabulary:
            end -= 1
        pieces.append(data[start:end])
        start = end
    return pieces


@right("01.3")
def lowest_rank_first(text, merges):
    """The pieces of a word."""
    data = text.encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while True:
        known = [(ranks[pair], at) for at, pair in enumerate(pairwise(pieces)) if pair in ranks]
        if not known:
            return pieces
        _, at = min(known)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


@wrong("01.3", "the merge learned last goes first")
def last_learned_first(text, merges):
    raw = text.encode()
    pieces = [raw[i : i + 1] for i in range(len(raw))]
    rank = {pair: i for i, pair in enumerate(merges)}
    while len(pieces) > 1:
        best = max(pairwise(pieces), key=lambda pair: rank.get(pair, -1))
        if best not in rank:
            break
        at = list(pairwise(pieces)).index(best)
        pieces[at : at + 2] = [b"".join(best)]
    return pieces


@wrong("01.3", "the pieces are decoded to strings, and bytes were asked for")
def pieces_as_strings(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    for left, follower in merges:
        i = 0
        while i < len(pieces) - 1:
            if pieces[i] == left and pieces[i + 1] == follower:
                pieces[i : i + 2] = [left + follower]
            i += 1
    return [piece.decode("utf-8", errors="replace") for piece in pieces]


@wrong("01.3", "the space in front is stripped off and lost")
def space_stripped(text, merges):
    data = text.strip().encode()
    ranks = {pair: i for i, pair in enumerate(merges)}
    pieces = [data[i : i + 1] for i in range(len(data))]
    while len(pieces) >= 2:
        rank, at = min((ranks.get(p, len(merges)), at) for at, p in enumerate(pairwise(pieces)))
        if rank == len(merges):
            break
        pieces[at] += pieces.pop(at + 1)
    return pieces


@right("01.3")
def a_private_letter_for_every_piece(text, merges):
    # One character stands for each known piece, so that str.replace is a merge.
    letter = {bytes([n]): chr(0x4E00 + n) for n in range(256)}
    word = "".join(letter[bytes([n])] for n in text.encode())
    for left, follower in merges:
        if left in letter and follower in letter:
            both = letter.setdefault(left + follower, chr(0xF0000 + len(letter)))
            word = word.replace(letter[left] + letter[follower], both)
    piece_of = {sign: piece for piece, sign in letter.items()}
    return [piece_of[sign] for sign in word]


@wrong("01.3", "nothing becomes one empty piece in place of no pieces")
def one_empty_piece_for_nothing(text, merges):
    if len(text) <= 1:
        return [text.encode()]
    data = text.encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    while known := [(ranks[p], at) for at, p in enumerate(pairwise(pieces)) if p in ranks]:
        at = min(known)[1]
        pieces[at : at + 2] = [b"".join(pieces[at : at + 2])]
    return pieces


@wrong("01.3", "the list of merges is emptied while it is replayed")
def merges_used_up(text, merges):
    pieces = [bytes([x]) for x in text.encode()]
    while merges:
        left, follower = merges.pop(0)
        i = 0
        while i + 1 < len(pieces):
            if pieces[i] == left and pieces[i + 1] == follower:
                pieces[i] = left + follower
                del pieces[i + 1]
            i += 1
    return pieces


@wrong("01.3", "latin-1 is another encoding: an e with an accent is one byte there, and an emoji none at all")
def in_another_encoding(text, merges):
    data = text.encode("latin-1", errors="ignore")
    pieces = [bytes([b]) for b in data]
    ranks = dict(zip(merges, range(len(merges))))
    while True:
        pairs = [pair for pair in pairwise(pieces) if pair in ranks]
        if not pairs:
            break
        first = min(pairs, key=ranks.get)
        at = next(i for i, pair in enumerate(pairwise(pieces)) if pair == first)
        pieces[at : at + 2] = [first[0] + first[1]]
    return pieces


@wrong("01.3", "the space in front is kept apart, so a merge that begins with a space is never used")
def space_kept_apart(text, merges):
    head = [b" "] if text.startswith(" ") else []
    data = text[len(head) :].encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    for left, follower in merges:
        merged, i = [], 0
        while i < len(pieces):
            if pieces[i] == left and i + 1 < len(pieces) and pieces[i + 1] == follower:
                merged.append(left + follower)
                i += 2
            else:
                merged.append(pieces[i])
                i += 1
        pieces = merged
    return head + pieces


@right("01.3")
def cuts_between_bytes(text, merges):
    data = text.encode()
    cuts = list(range(len(data) + 1))  # a piece lies between two cuts
    order = {pair: n for n, pair in enumerate(merges)}
    never = len(merges)
    while len(cuts) > 2:
        found = [order.get((data[a:b], data[b:c]), never) for a, b, c in zip(cuts, cuts[1:], cuts[2:])]
        best = min(found)
        if best == never:
            break
        del cuts[found.index(best) + 1]
    return [data[a:b] for a, b in pairwise(cuts)]


@wrong("01.4", "each token is decoded alone, and half a character is shown as a question mark")
def each_token_alone(chunks):
    return [chunk.decode("utf-8", errors="replace") for chunk in chunks]


@wrong("01.4", "if the buffer ends in half a character, the complete ones in front of it have to wait, too")
def all_or_nothing(chunks):
    out, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        try:
            out.append(buffer.decode())
            buffer = b""
        except UnicodeDecodeError:
            out.append("")
    return out


@right("01.4")
def try_without_the_last_bytes(chunks):
    """What to show with each chunk."""
    shown, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        for hold in range(4):
            end = len(waiting) - hold
            if end < 0:
                continue
            try:
                text = waiting[:end].decode()
            except UnicodeDecodeError:
                continue
            shown.append(text)
            waiting = waiting[end:]
            break
    return shown


@wrong("01.4", "what never became complete is shown with the last token")
def the_rest_with_the_last_token(chunks):
    shown = []
    rest = b""
    for number, chunk in enumerate(chunks):
        rest += chunk
        text = rest.decode("utf-8", errors="ignore")
        rest = rest[len(text.encode()) :]
        if number == len(chunks) - 1 and rest:
            text += rest.decode("utf-8", errors="replace")
        shown.append(text)
    return shown


@wrong("01.4", "an empty token gets no string, so the list is shorter than the tokens")
def nothing_for_empty_tokens(chunks):
    out = []
    buffer = b""
    for chunk in chunks:
        if not chunk:
            continue
        buffer += chunk
        try:
            text = buffer.decode()
        except UnicodeDecodeError as error:
            text = buffer[: error.start].decode()
        buffer = buffer[len(text.encode()) :]
        out.append(text)
    return out


@wrong("01.4", "the unfinished bytes are put in front of the next token in the list that came in")
def rest_put_into_the_next_token(chunks):
    shown = []
    for i in range(len(chunks)):
        good = chunks[i].decode("utf-8", "ignore")
        rest = chunks[i][len(good.encode("utf-8")) :]
        if i + 1 < len(chunks):
            chunks[i + 1] = rest + chunks[i + 1]
        shown.append(good)
    return shown


@right("01.4")
def all_so_far_less_what_was_shown(chunks):
    # Everything but the tail is well-formed, so "ignore" can only drop the unfinished character.
    result = []
    before = 0
    for end in range(1, len(chunks) + 1):
        so_far = codecs.decode(b"".join(chunks[:end]), "utf-8", "ignore")
        result.append(so_far[before:])
        before = len(so_far)
    return result


@wrong("01.4", "only the newest token is kept waiting, so a character that spans three tokens loses its first bytes")
def only_the_newest_token_waits(chunks):
    shown = []
    waiting = b""
    for chunk in chunks:
        data = waiting + chunk
        try:
            text, waiting = data.decode(), b""
        except UnicodeDecodeError as error:
            missing = len(data) - error.start
            text, waiting = data[: error.start].decode(), chunk[-missing:]
        shown.append(text)
    return shown


@wrong("01.4", "every first byte from 192 on is taken for that of two, so longer characters are cut")
def every_character_has_two_bytes(chunks):
    result, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        text, i = "", 0
        while i < len(buffer):
            if buffer[i] < 0x80:
                need = 1
            elif buffer[i] >= 0xC0:
                need = 2
            elif buffer[i] >= 0xE0:
                need = 3
            else:
                need = 4
            if i + need > len(buffer):
                break
            text += buffer[i : i + need].decode("utf-8", errors="replace")
            i += need
        result.append(text)
        buffer = buffer[i:]
    return result


@right("01.4")
def decoded_bit_by_bit(chunks):
    code, missing = 0, 0
    result = []
    for chunk in chunks:
        text = ""
        for byte in chunk:
            if byte < 0x80:
                code, missing = byte, 0
            elif byte < 0xC0:
                code, missing = (code << 6) | (byte & 0x3F), missing - 1
            elif byte < 0xE0:
                code, missing = byte & 0x1F, 1
            elif byte < 0xF0:
                code, missing = byte & 0x0F, 2
            else:
                code, missing = byte & 0x07, 3
            if missing == 0:
                text += chr(code)
        result.append(text)
    return result


@wrong("01.4", "letters and accents that come as two characters are put together into one, which changes the text")
def normalised_text(chunks):
    data, shown, result = b"", "", []
    for chunk in chunks:
        data += chunk
        text = unicodedata.normalize("NFC", data.decode("utf-8", errors="ignore"))
        result.append(text[len(shown) :])
        shown = text
    return result
