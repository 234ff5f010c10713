"""Answers to exercise 01 as learners write them."""

import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
from answers import right, wrong

# 01.1 Which pair is next?


@wrong("01.1", "Each word counts once")
def every_word_alike(words):
    counts = Counter(pair for word in words for pair in pairwise(word))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "stands twice in a word is counted once")
def set_of_pairs(words):
    counts = Counter()
    for word, times in words.items():
        for pair in {(word[i], word[i + 1]) for i in range(len(word) - 1)}:
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "Pairs that overlap are left out")
def skip_behind_a_pair(words):
    counts = Counter()
    for word, times in words.items():
        for pair in set(pairwise(word)):
            at = 0
            while at < len(word) - 1:
                if word[at : at + 2] == pair:
                    counts[pair] += times
                    at += 1
                at += 1
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "over the edge of a word")
def one_long_text(words):
    counts, last = Counter(), None
    for word, times in words.items():
        for token in word:
            if last is not None:
                counts[last, token] += times
            last = token
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


@wrong("01.1", "takes the rarest pair")
def forgot_the_sign(words):
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return min(counts, key=lambda pair: (counts[pair], pair), default=None)


@wrong("01.1", "the one that came first")
def most_common(words):
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return counts.most_common(1)[0][0] if counts else None


@wrong("01.1", "takes the larger one")
def max_of_both(words):
    counts = defaultdict(int)
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return max((n, pair) for pair, n in counts.items())[1] if counts else None


@wrong("01.1", "decided by the right id")
def right_id_first(words):
    counts = Counter()
    for word, times in words.items():
        for left, right in pairwise(word):
            counts[right, left] += times
    best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
    return best and best[::-1]


@wrong("01.1", "raised ValueError")
def nothing_left(words):
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return min(counts, key=lambda pair: (-counts[pair], pair))


@right("01.1")
def by_sorting(words):
    pairs = sorted(pair for word, times in words.items() for pair in list(zip(word, word[1:], strict=False)) * times)
    best, most = None, 0
    for pair in pairs:
        if (n := pairs.count(pair)) > most:
            best, most = pair, n
    return best and list(best)


@right("01.1")
def by_a_table(words):
    if max(map(len, words), default=0) < 2:
        return None
    size = max(token for word in words for token in word) + 1
    table = np.zeros((size, size), dtype=np.int64)
    for word, times in words.items():
        np.add.at(table, (np.array(word[:-1], dtype=int), np.array(word[1:], dtype=int)), times)
    return np.unravel_index(table.argmax(), table.shape)


@wrong("01.1", "is as frequent as")
def ties_by_the_smallest_word(words):
    counts = Counter()
    for word, times in sorted(words.items()):
        for pair in pairwise(word):
            counts[pair] += times
    return max(counts, key=counts.get, default=None)


# 01.2 A merge that joins what it should not


@wrong("01.2", "only ends or begins like the pair")
def as_it_was(pieces, pair):
    return " ".join(pieces).replace(" ".join(pair), "".join(pair)).split()


@wrong("01.2", "The right piece may go on")
def guarded_in_front(pieces, pair):
    text = " " + " ".join(pieces)
    return text.replace(f" {pair[0]} {pair[1]}", f" {pair[0]}{pair[1]}")[1:].split(" ")


@wrong("01.2", "The left piece may begin earlier")
def guarded_behind(pieces, pair):
    text = " ".join(pieces) + " "
    return text.replace(f"{pair[0]} {pair[1]} ", f"{pair[0]}{pair[1]} ")[:-1].split(" ")


@wrong("01.2", "stops after the first place")
def only_once(pieces, pair):
    for at in range(len(pieces) - 1):
        if (pieces[at], pieces[at + 1]) == tuple(pair):
            return pieces[:at] + [pieces[at] + pieces[at + 1]] + pieces[at + 2 :]
    return pieces


@wrong("01.2", "joins only the first")
def guarded_on_both_sides(pieces, pair):
    text = " " + " ".join(pieces) + " "
    return text.replace(f" {pair[0]} {pair[1]} ", f" {pair[0]}{pair[1]} ").split()


@wrong("01.2", "reads like the pair")
def compared_when_joined(pieces, pair):
    merged, at, new = [], 0, pair[0] + pair[1]
    while at < len(pieces):
        if at + 1 < len(pieces) and pieces[at] + pieces[at + 1] == new:
            merged.append(new)
            at += 2
        else:
            merged.append(pieces[at])
            at += 1
    return merged


@wrong("01.2", "where a piece holds a blank")
def as_in_the_paper(pieces, pair):
    found = re.compile(r"(?<!\S)" + re.escape(" ".join(pair)) + r"(?!\S)")
    return found.sub("".join(pair), " ".join(pieces)).split(" ")


@wrong("01.2", "is not the edge of a piece")
def word_boundaries(pieces, pair):
    return re.sub(rf"\b{re.escape(' '.join(pair))}\b", "".join(pair), " ".join(pieces)).split(" ")


@wrong("01.2", "A piece is used twice")
def one_step_only(pieces, pair):
    merged, at = [], 0
    while at < len(pieces):
        if at + 1 < len(pieces) and (pieces[at], pieces[at + 1]) == tuple(pair):
            merged.append(pieces[at] + pieces[at + 1])
            if (pieces[at + 1], *pieces[at + 2 : at + 3]) != tuple(pair):
                at += 1
        else:
            merged.append(pieces[at])
        at += 1
    return merged


@wrong("01.2", "is lost, or taken for an edge")
def lines_for_blanks(pieces, pair):
    text = re.sub(r"(?<![^\n])" + re.escape("\n".join(pair)) + r"(?![^\n])", "".join(pair), "\n".join(pieces))
    return text.split("\n") if pieces else []


@wrong("01.2", "merges from the right")
def backwards(pieces, pair):
    pieces, at = list(pieces), len(pieces) - 2
    while at >= 0:
        if (pieces[at], pieces[at + 1]) == tuple(pair):
            pieces[at : at + 2] = ["".join(pair)]
            at -= 1
        at -= 1
    return pieces


@wrong("01.2", "changed the input")
def in_place(pieces, pair):
    at = 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) == tuple(pair):
            pieces[at : at + 2] = ["".join(pair)]
        at += 1
    return pieces


@right("01.2")
def by_recursion(pieces, pair):
    if len(pieces) < 2:
        return list(pieces)
    if tuple(pieces[:2]) == pair:
        return ["".join(pair), *by_recursion(pieces[2:], pair)]
    return [pieces[0], *by_recursion(pieces[1:], pair)]


@right("01.2")
def by_a_mark_that_no_piece_holds(pieces, pair):
    edge = next(mark for mark in map(chr, range(0xE000, 0xF000)) if mark not in "".join(pieces))
    text = "".join(f"{edge}{piece}{edge}" for piece in pieces)
    two = f"{edge}{pair[0]}{edge}{edge}{pair[1]}{edge}"
    text = text.replace(two, f"{edge}{''.join(pair)}{edge}")
    return [piece for piece in text.split(edge) if piece]


@wrong("01.2", "returned its input itself")
def nothing_to_do(pieces, pair):
    if tuple(pair) not in pairwise(pieces):
        return pieces
    return by_a_mark_that_no_piece_holds(pieces, pair)


@wrong("01.2", "The character")
def by_a_nul(pieces, pair):
    edge = "\0"
    text = "".join(f"{edge}{piece}{edge}" for piece in pieces)
    two = f"{edge}{pair[0]}{edge}{edge}{pair[1]}{edge}"
    text = text.replace(two, f"{edge}{''.join(pair)}{edge}")
    return [piece for piece in text.split(edge) if piece]


@right("01.2")
def a_copy_at_once(pieces, pair):
    merged, at = list(pieces), 0
    while at < len(merged) - 1:
        if (merged[at], merged[at + 1]) == tuple(pair):
            merged[at : at + 2] = ["".join(pair)]
        at += 1
    return merged


# 01.3 Replay the merges


@wrong("01.3", "from left to right, and not in the order of learning")
def the_first_that_is_known(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    at = 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) in merges:
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
            at = 0
        else:
            at += 1
    return pieces


@wrong("01.3", "the longest entry that fits")
def greedy(text, merges):
    known = {a + b for a, b in merges} | {bytes([b]) for b in text.encode()}
    data, pieces = text.encode(), []
    while data:
        longest = max((entry for entry in known if data.startswith(entry)), key=len)
        pieces.append(longest)
        data = data[len(longest) :]
    return pieces


@wrong("01.3", "learned last")
def highest_rank(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    while True:
        known = [(merges.index(pair), i) for i, pair in enumerate(pairwise(pieces)) if pair in merges]
        if not known:
            return pieces
        _, i = max(known)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


@wrong("01.3", "over the word once")
def single_pass(text, merges):
    pieces = []
    for byte in text.encode():
        pieces.append(bytes([byte]))
        if len(pieces) > 1 and (pieces[-2], pieces[-1]) in merges:
            pieces[-2:] = [pieces[-2] + pieces[-1]]
    return pieces


@wrong("01.3", "Each merge is used once")
def if_in_place_of_while(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    for left, right in merges:
        for i in range(len(pieces) - 1):
            if pieces[i] == left and pieces[i + 1] == right:
                pieces[i : i + 2] = [left + right]
                break
    return pieces


@wrong("01.3", "starts from characters")
def letters(text, merges):
    pieces = [c.encode() for c in text]
    for pair in merges:
        i = 0
        while i < len(pieces) - 1:
            if (pieces[i], pieces[i + 1]) == pair:
                pieces[i : i + 2] = [b"".join(pair)]
            i += 1
    return pieces


@wrong("01.3", "The pieces are text")
def text_and_not_bytes(text, merges):
    return [piece.decode(errors="replace") for piece in list_of_merges(text, merges)]


@wrong("01.3", "called minillm.tokenizer")
def by_the_package(text, merges):
    from minillm.tokenizer import Tokenizer, byte_to_unicode

    vocabulary = [bytes([byte]) for byte in byte_to_unicode()] + [left + right for left, right in merges]
    package = Tokenizer(dict(enumerate(vocabulary)), merges, {})
    return [package.vocab[id] for id in package.encode(text)]


@right("01.3")
def list_of_merges(text, merges):
    """Through the list once, each merge everywhere: a merge makes only pairs that were learnt later."""
    pieces = [bytes([b]) for b in text.encode()]
    for pair in merges:
        i = 0
        while i < len(pieces) - 1:
            if (pieces[i], pieces[i + 1]) == pair:
                pieces[i : i + 2] = [b"".join(pair)]
            i += 1
    return pieces


@right("01.3")
def by_a_queue(text, merges):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    data = text.encode()
    ends = {at: at + 1 for at in range(len(data))}  # each living piece by its start

    def candidates(starts):
        for start in starts:
            middle = ends.get(start)
            end = ends.get(middle)
            if end is not None and (pair := (data[start:middle], data[middle:end])) in ranks:
                yield ranks[pair], start, middle, end

    queue = list(candidates(ends))
    heapq.heapify(queue)
    while queue:
        _, start, middle, end = heapq.heappop(queue)
        if ends.get(start) == middle and ends.get(middle) == end:
            ends[start] = end
            del ends[middle]
            before = [at for at in ends if ends[at] == start]
            for one in candidates([*before, start]):
                heapq.heappush(queue, one)
    return tuple(bytearray(data[start:end]) for start, end in sorted(ends.items()))


@wrong("01.3", "Capital letters become small")
def in_small_letters(text, merges):
    return by_each_merge_everywhere(text.lower(), merges)


@wrong("01.3", "The space in front is lost")
def stripped(text, merges):
    return by_each_merge_everywhere(text.strip(), merges)


def by_each_merge_everywhere(text, merges):
    pieces = [bytes([byte]) for byte in text.encode()]
    for pair in merges:
        at = 0
        while at < len(pieces) - 1:
            if (pieces[at], pieces[at + 1]) == tuple(pair):
                pieces[at : at + 2] = [b"".join(pair)]
            at += 1
    return pieces


# 01.4 Show the text while it arrives


@wrong("01.4", "Each byte is shown as a character of its own")
def latin(chunks):
    return [chunk.decode("latin-1") for chunk in chunks]


@wrong("01.4", "Nothing is shown before the end")
def wait_for_all(chunks):
    shown = ["" for _ in chunks]
    if shown:
        shown[-1] = b"".join(chunks).decode(errors="ignore")
    return shown


@wrong("01.4", "shown again")
def the_whole_each_time(chunks):
    shown, data = [], b""
    for chunk in chunks:
        data += chunk
        shown.append(data.decode(errors="ignore"))
    return shown


@wrong("01.4", "A complete character waits")
def ascii_is_safe(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        safe = len(waiting)
        while safe and waiting[safe - 1] >= 128:
            safe -= 1
        shown.append(waiting[:safe].decode(errors="replace"))
        waiting = waiting[safe:]
    return shown


@wrong("01.4", "is shown as the mark")
def each_token_alone(chunks):
    return [str(chunk, "utf-8", "replace") for chunk in chunks]


@wrong("01.4", "is lost")
def ignore_errors(chunks):
    return [chunk.decode("utf-8", "ignore") for chunk in chunks]


@wrong("01.4", "wait for the half one behind them")
def all_or_nothing(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        try:
            shown.append(waiting.decode())
            waiting = b""
        except UnicodeDecodeError:
            shown.append("")
    return shown


@wrong("01.4", "waits for one more byte")
def only_the_last_byte(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        data = waiting + chunk
        waiting = b""
        if data and data[-1] >= 0b11000000:
            data, waiting = data[:-1], data[-1:]
        shown.append(data.decode("utf-8", "replace"))
    return shown


@wrong("01.4", "wait where more than one byte")
def at_most_one_byte_waits(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        ready = ""
        for n_held in (0, 1):
            at = len(waiting) - n_held
            try:
                ready, waiting = waiting[:at].decode(), waiting[at:]
                break
            except UnicodeDecodeError:
                pass
        shown.append(ready)
    return shown


@wrong("01.4", "where three bytes of the next are there")
def up_to_two_bytes(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        text = ""
        for n_held in range(3):
            try:
                text = waiting[: len(waiting) - n_held].decode()
            except UnicodeDecodeError:
                continue
            waiting = waiting[len(waiting) - n_held :]
            break
        shown.append(text)
    return shown


@wrong("01.4", "is shown in the end")
def flush(chunks):
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        ready = buffer.decode(errors="ignore")
        shown.append(ready)
        buffer = buffer[len(ready.encode()) :]
    if shown:
        shown[-1] += buffer.decode(errors="replace")
    return shown


@wrong("01.4", "called codecs.getincrementaldecoder")
def ready_made(chunks):
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    return [decoder.decode(chunk) for chunk in chunks]


@wrong("01.4", "which has computed nothing yet")
def a_generator(chunks):
    yield from (chunk.decode() for chunk in chunks)


@right("01.4")
def by_the_first_byte(chunks):
    shown, buffer = [], bytearray()
    for chunk in chunks:
        buffer.extend(chunk)
        text = ""
        while buffer:
            first = buffer[0]
            size = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            if len(buffer) < size:
                break
            text += bytes(buffer[:size]).decode()
            del buffer[:size]
        shown.append(text)
    return tuple(shown)


@right("01.4")
def by_what_can_be_decoded(chunks):
    data, n_shown, shown = b"", 0, []
    for chunk in chunks:
        data += chunk
        text = data.decode(errors="ignore")  # well-formed text loses only what is incomplete at its end
        shown.append(text[n_shown:])
        n_shown = len(text)
    return shown


@wrong("01.4", "a � of the text's own")
def the_mark_stripped(chunks):
    shown, before = [], ""
    for n in range(1, len(chunks) + 1):
        text = b"".join(chunks[:n]).decode(errors="replace").rstrip("\ufffd")
        shown.append(text[len(before) :])
        before = text
    return shown


@wrong("01.4", "raised IndexError")
def the_last_byte_of_each_chunk(chunks):
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        if chunk[-1] < 0x80:
            shown.append(buffer.decode())
            buffer = b""
            continue
        shown.append(buffer.decode(errors="ignore"))
        buffer = buffer[len(shown[-1].encode()) :]
    return shown


@wrong("01.4", "called codecs.StreamReader")
def read_from_a_stream(chunks):
    import codecs
    import io

    stream = io.BytesIO()
    reader = codecs.getreader("utf-8")(stream)
    shown = []
    for chunk in chunks:
        at = stream.tell()
        stream.write(chunk)
        stream.seek(at)
        shown.append(reader.read())
    return shown


@right("01.4")
def decoded_by_codecs(chunks):
    import codecs

    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        for held in range(min(4, len(buffer) + 1)):
            try:
                shown.append(codecs.decode(buffer[: len(buffer) - held], "utf-8"))
            except UnicodeDecodeError:
                continue
            buffer = buffer[len(buffer) - held :]
            break
    return shown


@right("01.4")
def by_another_name_of_the_encoding(chunks):
    shown, buffer = [], b""
    for chunk in chunks:
        buffer += chunk
        shown.append(buffer.decode("U8", errors="ignore"))
        buffer = buffer[len(shown[-1].encode("U8")) :]
    return shown


def counted(words, pairs=pairwise):
    counts = Counter()
    for word, times in words.items():
        for pair in pairs(word):
            counts[pair] += times
    return counts


def best_of(counts, tie=lambda pair: pair):
    return min(counts, key=lambda pair: (-counts[pair], tie(pair)), default=None)


@wrong("01.1", "The last pair of each word is missed")
def one_round_too_few(words):
    return best_of(counted(words, lambda word: [(word[i], word[i + 1]) for i in range(len(word) - 2)]))


@wrong("01.1", "The first pair of each word is missed")
def begins_at_one(words):
    return best_of(counted(words, lambda word: [(word[i], word[i + 1]) for i in range(1, len(word) - 1)]))


@wrong("01.1", "are counted as one pair")
def in_any_order(words):
    return best_of(counted(words, lambda word: [tuple(sorted(pair)) for pair in pairwise(word)]))


@wrong("01.1", "even if others stand between")
def any_two(words):
    return best_of(counted(words, lambda word: [(a, b) for i, a in enumerate(word) for b in word[i + 1 :]]))


@wrong("01.1", "In ties, ids are compared as text")
def as_written(words):
    return best_of(counted(words), repr)


@wrong("01.1", "the larger right id wins")
def tie_of_left_and_minus_right(words):
    return best_of(counted(words), lambda pair: (pair[0], -pair[1]))


@wrong("01.1", "the larger left id wins")
def tie_of_minus_left_and_right(words):
    return best_of(counted(words), lambda pair: (-pair[0], pair[1]))


@wrong("01.1", "the one that came last")
def the_last_of_the_best(words):
    best, most = None, 0
    for pair, n in counted(words).items():
        if n >= most:
            best, most = pair, n
    return best


@wrong("01.1", "A pair that occurs once is not merged")
def repeated_pairs_only(words):
    return best_of(Counter({pair: n for pair, n in counted(words).items() if n > 1}))


@wrong("01.1", "part 1 of it is right: return only that")
def with_its_count(words):
    best = best_of(counted(words))
    return best and (best, counted(words)[best])


@wrong("01.1", "is as frequent as")
def smaller_sum(words):
    return best_of(counted(words), lambda pair: (sum(pair), pair))


@wrong("01.1", "It happens with words of one token, no words")
def best_of_nothing(words):
    return best_of(counted(words))[:]


@wrong("01.2", "It joins 's' and 'e', and the pair is")
def in_whatever_order(pieces, pair):
    merged, at = [], 0
    while at < len(pieces):
        n = 2 if sorted(pieces[at : at + 2]) == sorted(pair) else 1
        merged.append("".join(pieces[at : at + n]))
        at += n
    return merged


@wrong("01.2", "Put together, the result reads")
def last_piece_lost(pieces, pair):
    return a_copy_at_once(pieces, pair)[: max(1, len(pieces) - 2)]


@wrong("01.2", "stay apart")
def not_at_the_beginning(pieces, pair):
    return pieces[:1] + a_copy_at_once(pieces[1:], pair)


@wrong("01.3", "The pieces are text")
def decoded_pieces(text, merges):
    return [piece.decode(errors="ignore") for piece in list_of_merges(text, merges)]


@wrong("01.3", "learned last")
def highest_rank_at_its_first_place(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    while known := [(-merges.index(pair), i) for i, pair in enumerate(pairwise(pieces)) if pair in merges]:
        _, i = min(known)
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]
    return pieces


@wrong("01.3", "it joins the last one first")
def from_the_end(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    for pair in merges:
        for i in reversed(range(len(pieces) - 1)):
            if tuple(pieces[i : i + 2]) == pair:
                pieces[i : i + 2] = [b"".join(pair)]
    return pieces


@wrong("01.3", "A space in front is kept apart")
def space_alone(text, merges):
    n = len(text) - len(text.lstrip(" "))
    return [b" "] * n + list_of_merges(text[n:], merges)


@wrong("01.3", "encoded as latin-1")
def one_byte_for_each_letter(text, merges):
    data = text.encode("latin-1", "ignore")
    return list_of_merges(text, merges) if text.isascii() else [bytes([byte]) for byte in data]


@wrong("01.3", "There is an empty piece")
def nothing_is_a_piece(text, merges):
    return list_of_merges(text, merges) or [b""]


@wrong("01.3", "it ends too early")
def one_merge_only(text, merges):
    pieces = [bytes([b]) for b in text.encode()]
    for pair in merges:
        if pair in list(pairwise(pieces)):
            at = list(pairwise(pieces)).index(pair)
            return [*pieces[:at], b"".join(pair), *pieces[at + 2 :]]
    return pieces


@wrong("01.4", "Only the newest chunk waits")
def first_bytes_lost(chunks):
    shown, waiting = [], b""
    for chunk in chunks:
        data = waiting + chunk
        try:
            end = len(data)
            data.decode()
        except UnicodeDecodeError as error:
            end = error.start
        shown.append(data[:end].decode())
        waiting = chunk[-(len(data) - end) :] if end < len(data) else b""
    return shown


@wrong("01.4", "is taken to have two bytes")
def two_for_all(chunks):
    shown, buffer = [], b""
    for chunk in chunks:
        buffer, text = buffer + chunk, ""
        while buffer:
            size = 1 if buffer[0] < 0xC0 else 2
            if len(buffer) < size:
                break
            text, buffer = text + buffer[:size].decode("utf-8", "replace"), buffer[size:]
        shown.append(text)
    return shown


@wrong("01.4", "The text is normalized")
def composed(chunks):
    shown, data = [], b""
    for chunk in chunks:
        data += chunk
        text = unicodedata.normalize("NFC", data.decode(errors="ignore"))
        shown.append(text[sum(map(len, shown)) :])
    return shown


@wrong("01.4", "strings for")
def silent_chunks_left_out(chunks):
    return [text for text in by_what_can_be_decoded(chunks) if text]


@wrong("01.4", "is shown too late")
def one_chunk_late(chunks):
    text = by_what_can_be_decoded(chunks)
    return ["", *text[:-2], "".join(text[-2:])] if len(text) > 1 else text


@wrong("01.1", "divided by how often its tokens occur")
def as_wordpiece_does(words):
    pairs, tokens = Counter(), Counter()
    for word, times in words.items():
        tokens.update({token: word.count(token) * times for token in set(word)})
        for pair in zip(word, word[1:]):
            pairs[pair] += times
    return min(pairs, key=lambda pair: (-pairs[pair] / (tokens[pair[0]] * tokens[pair[1]]), pair), default=None)


@wrong("01.1", "The pair of the most frequent tokens")
def frequent_tokens(words):
    tokens = Counter()
    for word, times in words.items():
        tokens.update({token: word.count(token) * times for token in set(word)})
    pairs = {pair for word in words for pair in zip(word, word[1:])}
    return min(pairs, key=lambda pair: (-tokens[pair[0]] - tokens[pair[1]], pair), default=None)


@wrong("01.2", "a list is asked for")
def a_tuple_comes_back(pieces, pair):
    out, at = (), 0
    while at < len(pieces):
        two = tuple(pieces[at : at + 2]) == pair
        out += ("".join(pair),) if two else (pieces[at],)
        at += 1 + two
    return out


@wrong("01.2", "in steps of two")
def twos(pieces, pair):
    out = []
    for at in range(0, len(pieces), 2):
        two = tuple(pieces[at : at + 2])
        out += ["".join(two)] if two == pair else two
    return out


@wrong("01.2", "it goes on by two")
def two_on_each_time(pieces, pair):
    return ["".join(pair) if tuple(pieces[i : i + 2]) == pair else pieces[i] for i in range(0, len(pieces), 2)]


@wrong("01.2", "The last piece is lost")
def up_to_the_last_pair(pieces, pair):
    out, at = [], 0
    while at < len(pieces) - 1:
        two = (pieces[at], pieces[at + 1]) == pair
        out.append("".join(pair) if two else pieces[at])
        at += 1 + two
    return out


@wrong("01.3", "The pieces are numbers")
def numbers_all_the_way(text, merges):
    pieces = list(text.encode())
    for left, right in merges:
        at = 0
        while at < len(pieces) - 1:
            if (pieces[at], pieces[at + 1]) == (left, right):
                pieces[at : at + 2] = [left + right]
            at += 1
    return pieces
