"""Assignment 01, new answers from the text alone; every second wrong one is only scored."""

import functools
import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np
from answers import right, wrong


def bits_of(train, text, V, first=None):
    pairs, followed = Counter(pairwise(train)), Counter(train[:-1])
    bits = math.log2(V) if first is None else first
    return bits + sum(math.log2((followed[a] + V) / (pairs[a, b] + 1)) for a, b in pairwise(text))


@wrong("01.1", "V is the number of different ids in `train`, not the size of the vocabulary.")
def ids_that_occur(train, text, vocab):
    return bits_of(train, text, len(set(train))) / sum(len(vocab[id]) for id in text)


@wrong("01.1", "The counts of earlier calls stay in mutable defaults.")
def counts_of_earlier_calls(train, text, vocab, pairs=Counter(), followed=Counter()):  # noqa: B008
    pairs.update(pairwise(train))
    followed.update(train[:-1])
    V = len(vocab)
    bits = math.log2(V) + sum(math.log2((followed[a] + V) / (pairs[a, b] + 1)) for a, b in pairwise(text))
    return bits / sum(len(vocab[id]) for id in text)


@wrong("01.1", "The id before never moves on: all pairs begin with the first id of the text.")
def previous_never_moves(train, text, vocab):
    pairs, followed = Counter(pairwise(train)), Counter(train[:-1])
    V, a = len(vocab), text[0]
    bits = math.log2(V)
    for b in text[1:]:
        bits += math.log2((followed[a] + V) / (pairs[a, b] + 1))
    return bits / sum(len(vocab[id]) for id in text)


@wrong("01.1", "The length is the mean bytes of a vocabulary entry times the tokens, not the text's own bytes.")
def average_length_of_the_vocabulary(train, text, vocab):
    mean = sum(map(len, vocab)) / len(vocab)
    return bits_of(train, text, len(vocab)) / (mean * len(text))


@wrong("01.1", "The first id has its smoothed share of `train` as probability, not 1/V.")
def first_by_its_frequency(train, text, vocab):
    V = len(vocab)
    first = -math.log2((train.count(text[0]) + 1) / (len(train) + V))
    return bits_of(train, text, V, first) / sum(len(vocab[id]) for id in text)


@wrong("01.1", "The bits are divided by the bytes of `train`, not of `text`.")
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


@wrong("01.2", "It compares the joined text, so other neighbors that join to the same text are joined, too.")
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


@wrong("01.2", "With separators around each piece, two occurrences in a row share one, and the second is missed.")
def shared_separator(pieces, pair):
    if not pieces:
        return []
    mark = "\ue123"
    text = mark + mark.join(pieces) + mark
    return text.replace(f"{mark}{pair[0]}{mark}{pair[1]}{mark}", f"{mark}{''.join(pair)}{mark}")[1:-1].split(mark)


@wrong("01.2", "The pieces of earlier calls stay in a mutable default.")
def pieces_of_earlier_calls(pieces, pair, out=[]):  # noqa: B006
    at = 0
    while at < len(pieces):
        joined = tuple(pieces[at : at + 2]) == tuple(pair)
        out.append("".join(pair) if joined else pieces[at])
        at += 1 + joined
    return list(out)


@wrong("01.2", "The last piece is lost where it isn't joined: the loop ends one too early.")
def last_piece_lost(pieces, pair):
    out, at = [], 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) == pair:
            out.append(pieces[at] + pieces[at + 1])
            at += 2
        else:
            out.append(pieces[at])
            at += 1
    return out


@wrong("01.2", "The pair is joined in either order: its second piece before its first, too.")
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


@wrong("01.2", "The pieces are joined with spaces for a regular expression, so a piece that holds a space is cut.")
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


@wrong(
    "01.3", "Answers are kept by text alone in a mutable default, so a call with other log-probabilities gets old ones."
)
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


@wrong("01.3", "At each place the most probable piece is taken, without a look at what comes after.")
def most_probable_piece_first(text, log_probs):
    at, out = 0, []
    while at < len(text):
        fitting = [piece for piece in log_probs if text.startswith(piece, at)]
        if not fitting:
            return None
        out.append(max(fitting, key=log_probs.get))
        at += len(out[-1])
    return out


@wrong("01.3", "The mean log-probability per piece is maximized, not the total.")
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


@wrong("01.3", "The start is stored even where the total is not better, so the walk back follows the last start.")
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


@wrong("01.3", "Only pieces of up to 4 characters are tried.")
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


@wrong("01.3", "The segmentation with the fewest pieces is returned; log-probabilities only decide ties.")
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


@wrong("01.4", "The waiting bytes of an earlier call stay in a mutable default.")
def bytes_of_an_earlier_call(chunks, waiting=bytearray()):  # noqa: B008
    out = []
    for chunk in chunks:
        waiting.extend(chunk)
        text, rest = complete(bytes(waiting))
        waiting[:] = rest
        out.append(text)
    return out


@wrong("01.4", "While the end is incomplete the whole buffer waits, complete characters included.")
def all_or_nothing(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        waiting += chunk
        try:
            out.append(waiting.decode())
            waiting = b""
        except UnicodeDecodeError:
            out.append("")
    return out


@wrong(
    "01.4", "Incomplete ends are found by the replacement character, so one that the text holds itself is lost or late."
)
def replacement_taken_for_incomplete(chunks):
    out, data, shown = [], b"", 0
    for chunk in chunks:
        data += chunk
        text = data.decode(errors="replace").rstrip("\ufffd")
        out.append(text[shown:])
        shown = max(shown, len(text))
    return out


@wrong("01.4", "Nothing is returned for an empty chunk, so the list is shorter than the chunks.")
def empty_chunks_skipped(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        if not chunk:
            continue
        text, waiting = complete(waiting + chunk)
        out.append(text)
    return out


@wrong("01.4", "The waiting bytes are replaced, not extended (`=` for `+=`): a character in three chunks is lost.")
def waiting_bytes_replaced(chunks):
    out, waiting = [], b""
    for chunk in chunks:
        text, rest = complete(waiting + chunk)
        waiting = rest if text else chunk
        out.append(text)
    return [text if "\ufffd" not in text else text for text in out]


@wrong("01.4", "Complete characters above ASCII wait for the next ASCII byte.")
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
