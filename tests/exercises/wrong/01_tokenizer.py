"""Answers to exercise 01 as learners write them."""

import functools
import heapq
import math
import re
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
from answers import right, wrong


# 01.2 A merge by str.replace


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


@wrong("01.2", "stops after the first position")
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


@wrong("01.2", "where a piece holds a space")
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


# 01.4 Stream text without broken characters


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


@wrong("01.4", "is shown as")
def each_token_alone(chunks):
    return [str(chunk, "utf-8", "replace") for chunk in chunks]


@wrong("01.4", "is lost")
def ignore_errors(chunks):
    return [chunk.decode("utf-8", "ignore") for chunk in chunks]


@wrong("01.4", "wait for the incomplete one after them")
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


@wrong("01.4", "is known by the �")
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


# 01.1 Bits per byte under a bigram model


def surprise(train, text, vocab, *, log=math.log2, followed=lambda train: Counter(train[:-1]), first=True, V=None):
    V = V or len(vocab)
    pairs, n = Counter(pairwise(train)), followed(train)
    total = log(V) if first else 0.0
    return total + sum(log((n[a] + V) / (pairs[a, b] + 1)) for a, b in pairwise(text))


def length(text, vocab):
    return sum(len(vocab[id]) for id in text)


@wrong("01.1", "per token")
def mean_over_the_tokens(train, text, vocab):
    return surprise(train, text, vocab) / len(text)


@wrong("01.1", "in nats")
def natural_logarithm(train, text, vocab):
    return surprise(train, text, vocab, log=math.log) / length(text, vocab)


@wrong("01.1", "without its first token")
def pairs_only(train, text, vocab):
    return surprise(train, text, vocab, first=False) / length(text, vocab)


@wrong("01.1", "The last id of `train` is counted")
def all_ids_counted(train, text, vocab):
    return surprise(train, text, vocab, followed=Counter) / length(text, vocab)


@wrong("01.1", "per character")
def decoded(train, text, vocab):
    return surprise(train, text, vocab) / len(b"".join(vocab[id] for id in text).decode(errors="replace"))


@wrong("01.1", "V is the number of different ids in `train`")
def vocabulary_of_the_text(train, text, vocab):
    return surprise(train, text, vocab, V=len(set(train))) / length(text, vocab)


@wrong("01.1", "bytes of the vocabulary")
def over_the_vocabulary(train, text, vocab):
    return surprise(train, text, vocab) / sum(map(len, vocab))


@wrong("01.1", "The denominator takes no smoothing")
def one_added_above_only(train, text, vocab):
    pairs, n = Counter(pairwise(train)), Counter(train[:-1])
    bits = math.log2(len(vocab))
    for a, b in pairwise(text):
        bits -= math.log2((pairs[a, b] + 1) / max(n[a], 1))
    return bits / length(text, vocab)


@wrong("01.1", "left out of the sum")
def unseen_skipped(train, text, vocab):
    pairs, n, V = Counter(pairwise(train)), Counter(train[:-1]), len(vocab)
    bits = math.log2(V)
    for a, b in pairwise(text):
        if pairs[a, b]:
            bits -= math.log2((pairs[a, b] + 1) / (n[a] + V))
    return bits / sum(len(vocab[id]) for id in text)


@wrong("01.1", "is not smoothed")
def plain_shares(train, text, vocab):
    pairs, n = Counter(pairwise(train)), Counter(train[:-1])
    bits = math.log2(len(vocab))
    for a, b in pairwise(text):
        bits += math.log2(n[a] / pairs[a, b]) if pairs[a, b] else math.inf
    return bits / length(text, vocab)


@wrong("01.1", "the pair in reverse")
def backwards(train, text, vocab):
    pairs, n, V = Counter(pairwise(train)), Counter(train[1:]), len(vocab)
    bits = math.log2(V)
    for a, b in pairwise(text):
        bits += math.log2((n[b] + V) / (pairs[a, b] + 1))
    return bits / length(text, vocab)


@wrong("01.1", "The pairs are counted in `text`")
def trained_on_the_text(train, text, vocab):
    return surprise(text, text, vocab) / length(text, vocab)


@wrong("01.1", "the other sign")
def minus_forgotten(train, text, vocab):
    return -surprise(train, text, vocab) / length(text, vocab)


@wrong("01.1", "The measured bytes are those of `train`")
def bytes_of_the_training_text(train, text, vocab):
    return surprise(train, text, vocab) / length(train, vocab)


@wrong("01.1", "bytes per bit")
def upside_down(train, text, vocab):
    return length(text, vocab) / surprise(train, text, vocab)


@wrong("01.1", "frequency of single tokens")
def unigram_model(train, text, vocab):
    n, V = Counter(train), len(vocab)
    return sum(math.log2((len(train) + V) / (n[id] + 1)) for id in text) / length(text, vocab)


@wrong("01.1", "is taken to cost")
def zeros_divided(train, text, vocab):
    pairs, n = Counter(pairwise(train)), Counter(train[:-1])
    return sum(-math.log2((pairs[pair] + 1) / n[pair[0]]) for pair in pairwise(text)) / length(text, vocab)


@right("01.1")
def by_a_table(train, text, vocab):
    V = len(vocab)
    table = np.ones((V, V))
    for a, b in pairwise(train):
        table[a, b] += 1
    p = table / table.sum(1, keepdims=True)
    bits = -np.log2([1 / V, *(p[a, b] for a, b in pairwise(text))])
    return bits.sum() / len(b"".join(vocab[id] for id in text))


# 01.3 The most probable segmentation


def all_cuts(text):
    for bits in range(1 << max(len(text) - 1, 0)):
        ends = [at + 1 for at in range(len(text) - 1) if bits >> at & 1]
        yield [text[a:b] for a, b in pairwise([0, *ends, len(text)])]


def viterbi(text, log_probs, score=lambda total, log_p: total + log_p, better=lambda new, old: new > old):
    found = {0: (0.0, [])}
    for end in range(1, len(text) + 1):
        for start in range(end):
            piece = text[start:end]
            if start in found and piece in log_probs:
                total = score(found[start][0], log_probs[piece])
                if end not in found or better(total, found[end][0]):
                    found[end] = total, [*found[start][1], piece]
    return found[len(text)][1] if len(text) in found else None


@wrong("01.3", "longest piece that fits")
def longest_match(text, log_probs):
    pieces = []
    while text:
        fitting = [n for n in range(1, len(text) + 1) if text[:n] in log_probs]
        if not fitting:
            return None
        pieces.append(text[: max(fitting)])
        text = text[max(fitting) :]
    return pieces


@wrong("01.3", "most probable piece that fits")
def likeliest_match(text, log_probs):
    pieces = []
    while text:
        fitting = [text[:n] for n in range(1, len(text) + 1) if text[:n] in log_probs]
        if not fitting:
            return None
        pieces.append(max(fitting, key=log_probs.get))
        text = text[len(pieces[-1]) :]
    return pieces


@wrong("01.3", "fewest pieces")
def shortest_list(text, log_probs):
    return viterbi(text, dict.fromkeys(log_probs, -1.0))


@wrong("01.3", "least probable segmentation")
def smallest_total(text, log_probs):
    return viterbi(text, log_probs, better=lambda new, old: new < old)


@wrong("01.3", "adds up probabilities")
def sum_of_probabilities(text, log_probs):
    return viterbi(text, log_probs, score=lambda total, log_p: total + math.exp(log_p))


@wrong("01.3", "a single character")
def characters(text, log_probs):
    return list(text) if all(character in log_probs for character in text) else None


@wrong("01.3", "from the end")
def longest_from_the_end(text, log_probs):
    pieces = []
    while text:
        start = next((at for at in range(len(text)) if text[at:] in log_probs), None)
        if start is None:
            return None
        pieces.insert(0, text[start:])
        text = text[:start]
    return pieces


@wrong("01.3", "[] and not None")
def empty_list_for_none(text, log_probs):
    return viterbi(text, log_probs) or []


@wrong("01.3", "None for an empty text")
def nothing_for_nothing(text, log_probs):
    return viterbi(text, log_probs) or None


@wrong("01.3", "kept as a piece of its own")
def unknown_characters_kept(text, log_probs):
    return viterbi(text, {character: -100.0 for character in text} | log_probs)


@wrong("01.3", "left out of the result")
def unknown_characters_dropped(text, log_probs):
    known = set("".join(log_probs))
    return viterbi("".join(character for character in text if character in known), log_probs)


@wrong("01.3", "the part that can be made up")
def as_far_as_it_goes(text, log_probs):
    while viterbi(text, log_probs) is None:
        text = text[:-1]
    return viterbi(text, log_probs)


@wrong("01.3", "in the reverse order")
def walked_back(text, log_probs):
    found = viterbi(text, log_probs)
    return found and found[::-1]


@wrong("01.3", "mean log-probability per piece")
def averaged(text, log_probs):
    found = {0: [(0.0, [])]}
    for end in range(1, len(text) + 1):
        found[end] = []
        for start in range(end):
            if text[start:end] in log_probs:
                found[end] += [(total + log_probs[text[start:end]], [*p, text[start:end]]) for total, p in found[start]]
        best = {}
        for total, pieces in found[end]:
            best[len(pieces)] = max(best.get(len(pieces), (-math.inf, [])), (total, pieces))
        found[end] = list(best.values())
    return max(found[len(text)], key=lambda one: one[0] / max(len(one[1]), 1), default=(0, None))[1]


@wrong("01.3", "`text` as it came in")
def joined(text, log_probs):
    found = viterbi(text, log_probs)
    return None if found is None else "".join(found)


@wrong("01.3", "raised")
def key_errors(text, log_probs):
    best = [[] if n == 0 else None for n in range(len(text) + 1)]
    for end in range(1, len(text) + 1):
        options = [
            [*best[start], text[start:end]]
            for start in range(end)
            if text[start:end] in log_probs and best[start] is not None
        ]
        best[end] = max(options, key=lambda pieces: sum(log_probs[piece] for piece in pieces))
    return best[-1]


@right("01.3")
def from_the_end_with_memory(text, log_probs):
    known = {"": (0.0, [])}
    for n in range(1, len(text) + 1):
        rest = text[len(text) - n :]
        ways = [
            (log_probs[piece] + known[rest[size:]][0], [piece, *known[rest[size:]][1]])
            for size in range(1, n + 1)
            if (piece := rest[:size]) in log_probs and rest[size:] in known
        ]
        if ways:
            known[rest] = max(ways)
    return known[text][1] if text in known else None


@right("01.3")
def like_dijkstra(text, log_probs):
    waiting, done = [(0.0, 0, ())], set()
    while waiting:
        cost, at, pieces = heapq.heappop(waiting)
        if at == len(text):
            return list(pieces)
        if at in done:
            continue
        done.add(at)
        for end in range(at + 1, len(text) + 1):
            if text[at:end] in log_probs:
                heapq.heappush(waiting, (cost - log_probs[text[at:end]], end, (*pieces, text[at:end])))
    return None


# From the text alone, before the checks were read


def bits_of(train, text, V, first=None):
    pairs, followed = Counter(pairwise(train)), Counter(train[:-1])
    bits = math.log2(V) if first is None else first
    return bits + sum(math.log2((followed[a] + V) / (pairs[a, b] + 1)) for a, b in pairwise(text))


@wrong("01.1", "V is the number of different ids in `train`, not the size of the vocabulary")
def ids_that_occur(train, text, vocab):
    return bits_of(train, text, len(set(train))) / sum(len(vocab[id]) for id in text)


@wrong("01.1", "`pairs` still holds what earlier calls have put into it, and that changes the result")
def counts_of_earlier_calls(train, text, vocab, pairs=Counter(), followed=Counter()):  # noqa: B008
    pairs.update(pairwise(train))
    followed.update(train[:-1])
    V = len(vocab)
    bits = math.log2(V) + sum(math.log2((followed[a] + V) / (pairs[a, b] + 1)) for a, b in pairwise(text))
    return bits / sum(len(vocab[id]) for id in text)


@wrong("01.1", "Every pair begins with the first token of the text: the token before never moves on")
def previous_never_moves(train, text, vocab):
    pairs, followed = Counter(pairwise(train)), Counter(train[:-1])
    V, a = len(vocab), text[0]
    bits = math.log2(V)
    for b in text[1:]:
        bits += math.log2((followed[a] + V) / (pairs[a, b] + 1))
    return bits / sum(len(vocab[id]) for id in text)


@wrong("01.1", "The length is the mean length of the vocabulary's tokens, times the tokens of the text")
def average_length_of_the_vocabulary(train, text, vocab):
    mean = sum(map(len, vocab)) / len(vocab)
    return bits_of(train, text, len(vocab)) / (mean * len(text))


@wrong("01.1", "The first token has the probability of its share of `train`, not 1/V")
def first_by_its_frequency(train, text, vocab):
    V = len(vocab)
    first = -math.log2((train.count(text[0]) + 1) / (len(train) + V))
    return bits_of(train, text, V, first) / sum(len(vocab[id]) for id in text)


@wrong("01.1", "The measured bytes are those of `train`")
def bytes_of_train(train, text, vocab):
    return bits_of(train, text, len(vocab)) / sum(len(vocab[id]) for id in train)


@right("01.1")
def with_a_table_of_counts(train, text, vocab):
    V = len(vocab)
    counts = np.ones((V, V))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    logs = np.log(counts) - np.log(counts.sum(1, keepdims=True))
    nats = np.log(V) - logs[text[:-1], text[1:]].sum()
    return nats / np.log(2) / len(b"".join(vocab[id] for id in text))


@wrong("01.2", "It joins what reads like the pair: 't' and 'he' for the pair 'th', 'e'")
def same_text_joined(pieces, pair):
    out, at = [], 0
    while at < len(pieces):
        if "".join(pieces[at : at + 2]) == "".join(pair) and at + 1 < len(pieces):
            out.append("".join(pair))
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "Of two positions in a row it joins only the first")
def shared_separator(pieces, pair):
    if not pieces:
        return []
    mark = "\ue123"
    text = mark + mark.join(pieces) + mark
    return text.replace(f"{mark}{pair[0]}{mark}{pair[1]}{mark}", f"{mark}{''.join(pair)}{mark}")[1:-1].split(mark)


@wrong("01.2", "`out` still holds what earlier calls have put into it, and that changes the result")
def pieces_of_earlier_calls(pieces, pair, out=[]):  # noqa: B006
    at = 0
    while at < len(pieces):
        joined = tuple(pieces[at : at + 2]) == tuple(pair)
        out.append("".join(pair) if joined else pieces[at])
        at += 1 + joined
    return list(out)


@wrong("01.2", "The last piece is lost where it is not part of a pair")
def last_piece_lost_again(pieces, pair):
    out, at = [], 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) == pair:
            out.append(pieces[at] + pieces[at + 1])
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "It joins 's' and 'e', and the pair is ('e', 's')")
def in_either_order(pieces, pair):
    out, at = [], 0
    while at < len(pieces):
        if at + 1 < len(pieces) and {*pieces[at : at + 2]} == {*pair} and sorted(pieces[at : at + 2]) == sorted(pair):
            out.append(pieces[at] + pieces[at + 1])
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "The character ' ' of a piece is lost, or taken for an edge between pieces")
def the_papers_regular_expression(pieces, pair):
    if not pieces:
        return []
    pattern = r"(?<!\S)" + re.escape(" ".join(pair)) + r"(?!\S)"
    return re.sub(pattern, lambda match: "".join(pair), " ".join(pieces)).split(" ")


@right("01.2")
def with_a_reduce(pieces, pair):
    def add(state, piece):
        done, waiting = state
        if waiting is not None and (waiting, piece) == pair:
            return [*done, waiting + piece], None
        return (done if waiting is None else [*done, waiting]), piece

    done, waiting = functools.reduce(add, pieces, ([], None))
    return done if waiting is None else [*done, waiting]


@wrong("01.3", "`kept` still holds what earlier calls have put into it, and that changes the result")
def kept_for_another_vocabulary(text, log_probs, kept={}):  # noqa: B006
    def best(end):
        if end == 0:
            return 0.0, []
        if text[:end] not in kept:
            options = [
                (best(s)[0] + log_probs[text[s:end]], best(s)[1] + [text[s:end]])
                for s in range(max(0, end - 12), end)
                if text[s:end] in log_probs and best(s) is not None
            ]
            kept[text[:end]] = max(options) if options else None
        return kept[text[:end]]

    for end in range(len(text)):
        best(end)
    found = best(len(text))
    return None if found is None else found[1]


@wrong("01.3", "It takes the most probable piece that fits, again and again")
def most_probable_piece_first(text, log_probs):
    at, out = 0, []
    while at < len(text):
        fitting = [piece for piece in log_probs if text.startswith(piece, at)]
        if not fitting:
            return None
        out.append(max(fitting, key=log_probs.get))
        at += len(out[-1])
    return out


@wrong("01.3", "It compares the mean log-probability per piece")
def best_mean(text, log_probs):
    best = {(0, 0): (0.0, [])}
    for end in range(1, len(text) + 1):
        for n in range(1, end + 1):
            options = [
                (best[s, n - 1][0] + log_probs[text[s:end]], best[s, n - 1][1] + [text[s:end]])
                for s in range(end)
                if (s, n - 1) in best and text[s:end] in log_probs
            ]
            if options:
                best[end, n] = max(options)
    if not text:
        return []
    found = [
        (best[len(text), n][0] / n, best[len(text), n][1]) for n in range(1, len(text) + 1) if (len(text), n) in best
    ]
    return max(found)[1] if found else None


@wrong("01.3", "The start is stored even where its total is not better: the way back follows the last")
def the_last_start_is_stored(text, log_probs):
    best, start = [0.0] + [-math.inf] * len(text), [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for s in range(end):
            if text[s:end] in log_probs and best[s] > -math.inf:
                best[end] = max(best[end], best[s] + log_probs[text[s:end]])
                start[end] = s
    if best[-1] == -math.inf:
        return None
    out, end = [], len(text)
    while end:
        out.insert(0, text[start[end] : end])
        end = start[end]
    return out


@wrong("01.3", "Only pieces of up to 4 characters are tried")
def pieces_up_to_four(text, log_probs):
    best = [(0.0, [])] + [None] * len(text)
    for end in range(1, len(text) + 1):
        options = [
            (best[s][0] + log_probs[text[s:end]], best[s][1] + [text[s:end]])
            for s in range(max(0, end - 4), end)
            if best[s] is not None and text[s:end] in log_probs
        ]
        best[end] = max(options) if options else None
    return None if best[-1] is None else best[-1][1]


@wrong("01.3", "It finds the fewest pieces, whatever their probabilities")
def fewest_pieces(text, log_probs):
    best = [(0, 0.0, [])] + [None] * len(text)
    for end in range(1, len(text) + 1):
        options = [
            (best[s][0] + 1, best[s][1] - log_probs[text[s:end]], best[s][2] + [text[s:end]])
            for s in range(end)
            if best[s] is not None and text[s:end] in log_probs
        ]
        best[end] = min(options) if options else None
    return None if best[-1] is None else best[-1][2]


@right("01.3")
def from_the_back(text, log_probs):
    best = {len(text): (0.0, ())}
    for start in reversed(range(len(text))):
        for piece, log_prob in log_probs.items():
            rest = best.get(start + len(piece))
            if rest is not None and text.startswith(piece, start):
                total = rest[0] + log_prob
                if start not in best or total > best[start][0]:
                    best[start] = total, (piece, rest[1])
    if 0 not in best:
        return None
    out, rest = [], best[0][1]
    while rest:
        piece, rest = rest
        out.append(piece)
    return out


def complete(data):
    for wait in range(4):
        try:
            return data[: len(data) - wait].decode(), data[len(data) - wait :]
        except UnicodeDecodeError:
            continue
    return "", data


@wrong("01.4", "`waiting` still holds what earlier calls have put into it, and that changes the result")
def bytes_of_an_earlier_call(chunks, waiting=bytearray()):  # noqa: B008
    out = []
    for chunk in chunks:
        waiting.extend(chunk)
        text, rest = complete(bytes(waiting))
        waiting[:] = rest
        out.append(text)
    return out


@wrong("01.4", "Complete characters wait for the incomplete one after them")
def all_or_nothing_again(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        try:
            out.append(waiting.decode())
            waiting = b""
        except UnicodeDecodeError:
            out.append("")
    return out


@wrong("01.4", "An incomplete character is known by the � that a decoder puts for it, but texts may")
def replacement_taken_for_incomplete(chunks):
    out, data, shown = [], b"", 0
    for chunk in chunks:
        data += chunk
        text = data.decode(errors="replace").rstrip("\ufffd")
        out.append(text[shown:])
        shown = max(shown, len(text))
    return out


@wrong("01.4", "There are 2 strings for 3 chunks")
def empty_chunks_skipped(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        if not chunk:
            continue
        text, waiting = complete(waiting + chunk)
        out.append(text)
    return out


@wrong("01.4", "Only the newest chunk waits; of a character in three chunks the first bytes are lost")
def waiting_bytes_replaced(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        text, rest = complete(waiting + chunk)
        waiting = rest if text else chunk
        out.append(text)
    return [text if "\ufffd" not in text else text for text in out]


@wrong("01.4", "A complete character waits for the next letter")
def up_to_the_last_ascii(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        end = max((at + 1 for at, byte in enumerate(waiting) if byte < 128), default=0)
        out.append(waiting[:end].decode())
        waiting = waiting[end:]
    return out


@right("01.4")
def by_counting_bits(chunks):
    need, code, out = 0, 0, []
    for chunk in chunks:
        text = ""
        for byte in chunk:
            if byte & 0xC0 == 0x80:
                need, code = need - 1, code << 6 | byte & 0x3F
            else:
                need = 0 if byte < 0x80 else 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
                code = byte if need == 0 else byte & (0x3F >> need)
            if need == 0:
                text += chr(code)
        out.append(text)
    return out


@wrong("01.3", "Texts whose total is low")
def impossible_is_minus_a_hundred(text, log_probs):
    best = [(0.0, [])] + [(-100.0, None)] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            total, pieces = best[start]
            piece = text[start:end]
            if pieces is not None and piece in log_probs and total + log_probs[piece] > best[end][0]:
                best[end] = total + log_probs[piece], [*pieces, piece]
    return best[-1][1]


@wrong("01.3", "can be made up, and the result is None")
def gives_up_on_long_texts(text, log_probs):
    if len(text) > 64:
        return None
    best = {0: (0.0, [])}
    for end in range(1, len(text) + 1):
        ways = [(best[s][0] + log_probs[text[s:end]], s) for s in range(end) if s in best and text[s:end] in log_probs]
        if ways:
            total, start = max(ways)
            best[end] = total, [*best[start][1], text[start:end]]
    return best[len(text)][1] if len(text) in best else None


@wrong("01.3", "are taken for ones that can't be made up")
def product_underflows(text, log_probs):
    best = [(1.0, [])] + [(0.0, None)] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            p, pieces = best[start]
            if text[start:end] in log_probs and p * math.exp(log_probs[text[start:end]]) > best[end][0]:
                best[end] = p * math.exp(log_probs[text[start:end]]), [*pieces, text[start:end]]
    return best[-1][1]
