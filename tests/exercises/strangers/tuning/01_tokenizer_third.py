"""Answers to assignment 01 from its text alone; this set served to tune the checks."""

import heapq
import re
from collections import Counter, defaultdict
from itertools import groupby, pairwise

from answers import right, wrong

# 01.1


@wrong("01.1", "sets a pair's count to the frequency of the last word that holds it, in place of adding")
def next_pair_last_word_wins(words):
    counts = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] = times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "counts a pair once for each word that holds it, however often it stands in the word")
def next_pair_once_per_word(words):
    counts = Counter()
    for word, times in words.items():
        for pair in set(pairwise(word)):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "takes (1, 2) and (2, 1) for the same pair")
def next_pair_without_order(words):
    counts = Counter()
    for word, times in words.items():
        for left, right_id in pairwise(word):
            counts[min(left, right_id), max(left, right_id)] += times
    if not counts:
        return None
    return sorted(counts, key=lambda pair: (-counts[pair], pair))[0]


@wrong("01.1", "goes round the end of a word: its last id and its first make a pair, too")
def next_pair_round_the_end(words):
    counts = Counter()
    for word, times in words.items():
        if len(word) < 2:
            continue
        for pair in zip(word, word[1:] + word[:1], strict=True):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "wants a pair at least twice, as trainers with a minimum frequency do, and else gives None")
def next_pair_minimum_two(words):
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    often = [(-times, pair) for pair, times in counts.items() if times >= 2]
    return min(often)[1] if often else None


@wrong("01.1", "compares equally frequent pairs as texts, where 10 comes before 9")
def next_pair_text_order(words):
    counts = defaultdict(int)
    for word, times in words.items():
        for i in range(len(word) - 1):
            counts[word[i], word[i + 1]] += times
    if len(counts) == 0:
        return None
    most = max(counts.values())
    return min((pair for pair in counts if counts[pair] == most), key=str)


@wrong("01.1", "packs a pair into left * 256 + right, so pairs with ids of 256 and more fall together")
def next_pair_packed(words):
    counts = {}
    for word, times in words.items():
        for i in range(1, len(word)):
            code = word[i - 1] * 256 + word[i]
            counts[code] = counts.get(code, 0) + times
    best, best_count = None, 0
    for code in sorted(counts):
        if counts[code] > best_count:
            best, best_count = code, counts[code]
    return None if best is None else divmod(best, 256)


@wrong("01.1", "divides a pair's count by the counts of its two ids, as WordPiece does")
def next_pair_wordpiece_score(words):
    pairs, singles = Counter(), Counter()
    for word, times in words.items():
        for token in word:
            singles[token] += times
        for pair in pairwise(word):
            pairs[pair] += times

    def order(pair):
        return -pairs[pair] / (singles[pair[0]] * singles[pair[1]]), pair

    return min(pairs, key=order, default=None)


@right("01.1")
def next_pair_sorted_groups(words):
    seen = sorted((word[i : i + 2], times) for word, times in words.items() for i in range(len(word) - 1))
    best = None
    most = -1
    for pair, group in groupby(seen, key=lambda item: item[0]):
        total = sum(times for _, times in group)
        if total > most:
            best, most = pair, total
    return best


@right("01.1")
def next_pair_two_stable_sorts(words):
    table = defaultdict(lambda: defaultdict(int))
    for word in words:
        previous = None
        for at, token in enumerate(word):
            if at:
                table[previous][token] += words[word]
            previous = token
    listed = [(left, right_id) for left in table for right_id in table[left]]
    listed.sort()
    listed.sort(key=lambda pair: table[pair[0]][pair[1]], reverse=True)
    return next(iter(listed), None)


# 01.2


@wrong("01.2", "joins the pieces with blanks and replaces by a regular expression: a blank in a piece cuts it")
def merge_sennrich_regex(pieces, pair):
    if not pieces:
        return []
    bigram = re.escape(" ".join(pair))
    found = re.compile(r"(?<!\S)" + bigram + r"(?!\S)")
    return found.sub(lambda _: "".join(pair), " ".join(pieces)).split(" ")


@wrong("01.2", "compares the two pieces put together, so ab + c passes for a + bc")
def merge_compares_joined_text(pieces, pair):
    joined = pair[0] + pair[1]
    out, at = [], 0
    while at < len(pieces):
        if at + 1 < len(pieces) and pieces[at] + pieces[at + 1] == joined:
            out.append(joined)
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "walks from the right, so three equal pieces become a, aa")
def merge_from_the_right(pieces, pair):
    out = []
    at = len(pieces) - 1
    while at >= 0:
        if at > 0 and (pieces[at - 1], pieces[at]) == tuple(pair):
            out.append(pair[0] + pair[1])
            at -= 2
        else:
            out.append(pieces[at])
            at -= 1
    return out[::-1]


@wrong("01.2", "adds 1 to the counter of a for loop to skip a piece, which Python ignores, so pieces are used twice")
def merge_for_loop_skip(pieces, pair):
    out = []
    for i in range(len(pieces)):
        if i + 1 < len(pieces) and pieces[i] == pair[0] and pieces[i + 1] == pair[1]:
            out.append(pieces[i] + pieces[i + 1])
            i += 1
        else:
            out.append(pieces[i])
    return out


@wrong("01.2", "gives back the very list it was given where nothing is joined")
def merge_same_list_back(pieces, pair):
    if tuple(pair) not in pairwise(pieces):
        return pieces
    out, at = [], 0
    while at < len(pieces):
        if tuple(pieces[at : at + 2]) == tuple(pair):
            out.append("".join(pair))
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "compares the two pieces as a set, so it also joins them where they stand the other way round")
def merge_either_order(pieces, pair):
    out = []
    at = 0
    while at < len(pieces):
        two = pieces[at : at + 2]
        if len(two) == 2 and set(two) == set(pair):
            out.append("".join(two))
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "begins with the first piece and so fails for an empty list")
def merge_needs_a_piece(pieces, pair):
    left, right_piece = pair
    out = [pieces[0]]
    fresh = True
    for piece in pieces[1:]:
        if fresh and out[-1] == left and piece == right_piece:
            out[-1] = left + right_piece
            fresh = False
        else:
            out.append(piece)
            fresh = True
    return out


@wrong("01.2", "asks with `is` whether the pieces are the same object, and two equal strings need not be")
def merge_is_for_equal(pieces, pair):
    out, at = [], 0
    while at < len(pieces):
        if at + 1 < len(pieces) and pieces[at] is pair[0] and pieces[at + 1] is pair[1]:
            out.append(pair[0] + pair[1])
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@right("01.2")
def merge_iterator_with_one_waiting(pieces, pair):
    left, right_piece = pair
    out, waiting = [], False  # waiting: a left piece has been read and not yet written
    for piece in pieces:
        if waiting and piece == right_piece:
            out.append(left + right_piece)
            waiting = False
            continue
        if waiting:
            out.append(left)
        waiting = piece == left
        if not waiting:
            out.append(piece)
    return out + [left] * waiting


@right("01.2")
def merge_mark_then_build(pieces, pair):
    starts = set()
    for at, two in enumerate(pairwise(pieces)):
        if two == tuple(pair) and at - 1 not in starts:
            starts.add(at)
    return [
        piece + pieces[at + 1] if at in starts else piece for at, piece in enumerate(pieces) if at - 1 not in starts
    ]


# 01.3


@wrong("01.3", "begins with characters in place of single bytes, so é is never cut in two")
def encode_from_characters(text, merges):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    pieces = [character.encode() for character in text]
    while True:
        known = [(ranks[pair], at) for at, pair in enumerate(pairwise(pieces)) if pair in ranks]
        if not known:
            return pieces
        at = min(known)[1]
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]


@wrong("01.3", "cuts off the longest known piece from the left, as WordPiece does, and never replays the merges")
def encode_longest_match(text, merges):
    known = {left + right_piece for left, right_piece in merges}
    data = text.encode()
    pieces, at = [], 0
    while at < len(data):
        end = len(data)
        while end > at + 1 and data[at:end] not in known:
            end -= 1
        pieces.append(data[at:end])
        at = end
    return pieces


@wrong("01.3", "joins the leftmost pair that has any merge, whatever its place in the list")
def encode_leftmost_first(text, merges):
    allowed = set(merges)
    data = text.encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    at = 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) in allowed:
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
            at = 0
        else:
            at += 1
    return pieces


@wrong("01.3", "joins the rightmost of several places of the same pair first")
def encode_rightmost_place(text, merges):
    ranks = dict(zip(merges, range(len(merges)), strict=True))
    data = text.encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    while True:
        best = None
        for at, pair in enumerate(pairwise(pieces)):
            if pair in ranks and (best is None or ranks[pair] <= best[0]):
                best = ranks[pair], at
        if best is None:
            return pieces
        at = best[1]
        pieces = pieces[:at] + [pieces[at] + pieces[at + 1]] + pieces[at + 2 :]


@wrong("01.3", "gives one empty piece for an empty text")
def encode_empty_piece(text, merges):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    data = text.encode()
    pieces = [data[:1]] + [data[i : i + 1] for i in range(1, len(data))]
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        at = list(pairwise(pieces)).index(best)
        pieces[at : at + 2] = [best[0] + best[1]]
    return pieces


@wrong("01.3", "goes through the list of merges once, but uses each of them at one place only")
def encode_each_merge_once(text, merges):
    data = text.encode()
    pieces = [bytes([byte]) for byte in data]
    for left, right_piece in merges:
        for at in range(len(pieces) - 1):
            if pieces[at] == left and pieces[at + 1] == right_piece:
                pieces[at : at + 2] = [left + right_piece]
                break
    return pieces


@wrong("01.3", "takes the merges off the list that it was given, which is empty afterwards")
def encode_eats_the_merges(text, merges):
    pieces = [bytes([byte]) for byte in text.encode()]
    while merges:
        left, right_piece = merges.pop(0)
        out = []
        for piece in pieces:
            out.append(piece)
        at = 0
        while at + 1 < len(out):
            if out[at] == left and out[at + 1] == right_piece:
                out[at : at + 2] = [left + right_piece]
            at += 1
        pieces = out
    return pieces


@wrong("01.3", "writes Ġ for a space, as GPT-2's vocabulary file does, so the pieces are not those of the text")
def encode_gpt2_space(text, merges):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    data = text.replace(" ", "Ġ").encode()
    pieces = [data[i : i + 1] for i in range(len(data))]
    while True:
        known = [(ranks[pair], at) for at, pair in enumerate(pairwise(pieces)) if pair in ranks]
        if not known:
            return pieces
        _, at = min(known)
        pieces[at : at + 2] = [b"".join(pieces[at : at + 2])]


@right("01.3")
def encode_takes_cuts_away(text, merges):
    data = text.encode()
    order = {pair: place for place, pair in enumerate(merges)}
    cuts = list(range(len(data) + 1))
    never = len(merges)

    def place_of(i):
        """When the cut with number i would fall."""
        return order.get((data[cuts[i - 1] : cuts[i]], data[cuts[i] : cuts[i + 1]]), never)

    while len(cuts) > 2:
        first = min(range(1, len(cuts) - 1), key=place_of)
        if place_of(first) == never:
            break
        del cuts[first]
    return [data[start:end] for start, end in pairwise(cuts)]


@right("01.3")
def encode_heap_and_links(text, merges):
    order = {pair: place for place, pair in enumerate(merges)}
    data = text.encode()
    piece = {at: data[at : at + 1] for at in range(len(data))}
    after = {at: at + 1 for at in piece}
    before = {at + 1: at for at in piece}
    heap = []

    def offer(at):
        if at in piece and after[at] in piece:
            pair = piece[at], piece[after[at]]
            if pair in order:
                heapq.heappush(heap, (order[pair], at, pair))

    for at in piece:
        offer(at)
    while heap:
        _, at, pair = heapq.heappop(heap)
        if at not in piece or (piece[at], piece.get(after[at])) != pair:
            continue
        gone = after[at]
        piece[at] += piece.pop(gone)
        after[at] = after[gone]
        before[after[at]] = at
        offer(at)
        offer(before.get(at))
    return [piece[at] for at in sorted(piece)]


# 01.4


@wrong("01.4", "waits as long as the decoded text ends in �, so a � of the text itself is held back")
def show_waits_for_replacement_sign(chunks):
    buffer, shown = b"", []
    for chunk in chunks:
        buffer += chunk
        text = buffer.decode("utf-8", errors="replace")
        if text.endswith("\ufffd"):
            shown.append("")
        else:
            shown.append(text)
            buffer = b""
    return shown


@wrong("01.4", "keeps the whole buffer back if its end is incomplete, also the complete characters in front")
def show_all_or_nothing(chunks):
    waiting = b""
    out = []
    for chunk in chunks:
        waiting += chunk
        try:
            out.append(waiting.decode())
        except UnicodeDecodeError:
            out.append("")
        else:
            waiting = b""
    return out


@wrong("01.4", "lets at most two bytes wait, and fails where three of an emoji's four are there")
def show_two_bytes_wait(chunks):
    buffer = b""
    out = []
    for chunk in chunks:
        buffer += chunk
        for wait in (0, 1, 2):
            end = len(buffer) - wait
            try:
                text = buffer[:end].decode("utf-8")
            except UnicodeDecodeError:
                continue
            buffer = buffer[end:]
            break
        else:
            raise ValueError("this is no beginning of a text")
        out.append(text)
    return out


@wrong("01.4", "leaves out the empty chunks, so the list has fewer strings than there are chunks")
def show_skips_empty(chunks):
    buffer = b""
    out = []
    for chunk in chunks:
        if not chunk:
            continue
        buffer += chunk
        text = buffer.decode("utf-8", "ignore")
        buffer = buffer[len(text.encode()) :]
        out.append(text)
    return out


@wrong("01.4", "puts what has to wait in front of the next chunk of the list that it was given")
def show_carries_over_in_the_list(chunks):
    out = []
    for at in range(len(chunks)):
        try:
            text, rest = chunks[at].decode(), b""
        except UnicodeDecodeError as error:
            text, rest = chunks[at][: error.start].decode(), chunks[at][error.start :]
        out.append(text)
        if at + 1 < len(chunks):
            chunks[at + 1] = rest + chunks[at + 1]
    return out


@wrong("01.4", "decodes as utf-8-sig, which swallows a U+FEFF that the text begins with")
def show_with_signature(chunks):
    read, before, out = b"", 0, []
    for chunk in chunks:
        read += chunk
        text = read.decode("utf-8-sig", errors="ignore")
        out.append(text[before:])
        before = len(text)
    return out


@wrong("01.4", "shows a character with the chunk in which it begins, before the rest of its bytes has arrived")
def show_where_it_begins(chunks):
    text = b"".join(chunks).decode("utf-8", errors="ignore")
    begins = []
    offset = 0
    for character in text:
        begins.append(offset)
        offset += len(character.encode())
    out, start = [], 0
    for chunk in chunks:
        end = start + len(chunk)
        out.append("".join(c for c, at in zip(text, begins, strict=True) if start <= at < end))
        start = end
    return out


@wrong("01.4", "lets all bytes above 127 at the end wait until an ASCII character follows, complete or not")
def show_up_to_ascii(chunks):
    buffer, out = b"", []
    for chunk in chunks:
        buffer += chunk
        end = len(buffer)
        while end > 0 and buffer[end - 1] >= 0x80:
            end -= 1
        out.append(buffer[:end].decode())
        buffer = buffer[end:]
    return out


@right("01.4")
def show_counts_byte_by_byte(chunks):
    out = []
    character, missing = bytearray(), 0
    for chunk in chunks:
        line = []
        for byte in chunk:
            if missing == 0:
                missing = 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
            character.append(byte)
            missing -= 1
            if missing == 0:
                line.append(character.decode())
                character.clear()
        out.append("".join(line))
    return out


@right("01.4")
def show_differences_of_prefixes(chunks):
    everything = b"".join(chunks)
    lengths = [0]
    for chunk in chunks:
        lengths.append(lengths[-1] + len(chunk))
    prefixes = [everything[:end].decode(errors="ignore") for end in lengths]
    return [now.removeprefix(before) for before, now in pairwise(prefixes)]
