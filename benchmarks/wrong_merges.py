"""What a slip in the tokenizer costs: bits per byte of SmolLM2-135M on 50 texts that are cut in other ways.

    python benchmarks/wrong_merges.py                     # about six minutes on one thread
    python benchmarks/wrong_merges.py --texts 5 --json

The model and the texts stay the same; only the cut of a text into tokens differs. All ways but GPT-2's ids spell the
same bytes with the model's own vocabulary, so bits per byte compare them: bits to predict all tokens of a text, divided
by its bytes. GPT-2's tokenizer comes from the cache (`minillm fetch gpt2-tokenizer`); without it, its rows are left
out. What is done is kept in --folder; an interrupted benchmark resumes there.
"""

import argparse
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import torch
from common import write_result
from measures import bootstrap_interval, stored, text_loss, texts

from minillm.analysis.surgery import prompt_ids, write
from minillm.assets import cached
from minillm.model.transformer import Transformer
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer, split
from minillm.tokenizer.merging import merge_word_naive

MODEL = "smollm2-135m-instruct"
PROMPTS = ("The capital of France is", "Once upon a time, there was a little girl named")
MergeTable = dict[tuple[int, int], tuple[int, int]]  # a pair of ids -> rank, and the id that it becomes
Cut = Callable[[str], list[int]]


def merge_table(tokenizer: Tokenizer, rank: Callable[[int, int], float] = lambda rank, count: rank) -> MergeTable:
    """The tokenizer's merges, in the order of `rank(its rank, number of merges)`."""
    ids, count = {token: id for id, token in tokenizer.vocab.items()}, len(tokenizer.merges)
    ordered = sorted(range(count), key=lambda index: rank(index, count))
    table = {}
    for new_rank, index in enumerate(ordered):
        left, right = tokenizer.merges[index]
        table[ids[left], ids[right]] = (new_rank, ids[left + right])
    return table


def longest_match(word: Sequence[int], spelled: Mapping[tuple[int, ...], int], longest: int) -> list[int]:
    """The longest entry that begins the word, then the longest that begins the rest; `spelled` holds ids of bytes.

    >>> longest_match([1, 2, 3], {(1,): 1, (2,): 2, (3,): 3, (1, 2): 9, (2, 3): 8}, longest=2)
    [9, 3]
    """
    cut, start = [], 0
    while start < len(word):
        end = next(end for end in range(start + longest, start, -1) if tuple(word[start:end]) in spelled)
        cut.append(spelled[tuple(word[start:end])])
        start = min(end, len(word))
    return cut


def any_pair(word: Sequence[int], table: Mapping[tuple[int, int], tuple[int, int]]) -> list[int]:
    """Merge every known pair from left to right, pass by pass, whatever its rank; until a pass merges nothing.

    >>> any_pair([1, 2, 3], {(1, 2): (5, 9), (2, 3): (0, 8)})
    [9, 3]
    """
    ids = list(word)
    while True:
        merged: list[int] = []
        for id in ids:
            found = table.get((merged[-1], id)) if merged else None
            if found:
                merged[-1] = found[1]
            else:
                merged.append(id)
        if merged == ids:
            return ids
        ids = merged


def cuts(tokenizer: Tokenizer) -> dict[str, Cut]:
    """The ways to cut a text, by name."""
    single = {token[0]: id for id, token in tokenizer.vocab.items() if len(token) == 1}
    special = set(tokenizer.special_tokens.values())
    spelled = {tuple(single[b] for b in token): id for id, token in tokenizer.vocab.items() if id not in special}
    longest = max(map(len, spelled))
    table, rng = merge_table(tokenizer), random.Random(0)
    tables = {
        "merges in random order": merge_table(tokenizer, lambda rank, count: rng.random()),
        "merges in reverse order": merge_table(tokenizer, lambda rank, count: -rank),
        "one merge in ten missing": {pair: entry for pair, entry in table.items() if rng.random() > 0.1},
    }

    def by_word(encode: Callable[[list[int]], list[int]]) -> Cut:
        pattern = tokenizer.model.pre_tokenizer  # pyright: ignore[reportAttributeAccessIssue]
        return lambda text: [id for word in split(text, pattern) for id in encode([single[b] for b in word.encode()])]

    ways: dict[str, Cut] = {
        "right": by_word(lambda word: merge_word_naive(word, table)),
        "longest match": by_word(lambda word: longest_match(word, spelled, longest)),
        "no split into words": lambda text: merge_word_naive([single[b] for b in text.encode()], table),
        "any known pair, pass by pass": by_word(lambda word: any_pair(word, table)),
    }
    ways |= {name: by_word(lambda word, t=other: merge_word_naive(word, t)) for name, other in tables.items()}
    ways["spaces as tokens of their own"] = lambda text: [
        id for piece in pieces_and_spaces(text) for id in tokenizer.encode(piece)
    ]
    ways["no merges: bytes"] = by_word(list)
    return ways


def pieces_and_spaces(text: str) -> list[str]:
    """The text cut at each space, with the spaces.

    >>> pieces_and_spaces("a cat  sat")
    ['a', ' ', 'cat', ' ', ' ', 'sat']
    """
    parts = [part for word in text.split(" ") for part in (word, " ")][:-1]
    return [part for part in parts if part]


def of_gpt2(gpt2: Tokenizer, tokenizer: Tokenizer) -> dict[str, Cut]:
    """GPT-2's pieces, spelled with the model's ids where it has them, and GPT-2's ids as they are."""
    ids, V = {token: id for id, token in tokenizer.vocab.items()}, tokenizer.vocab_size
    single = {token[0]: id for id, token in tokenizer.vocab.items() if len(token) == 1}
    table = merge_table(tokenizer)

    def pieces(text: str) -> list[int]:
        tokens = (gpt2.vocab[id] for id in gpt2.encode(text))
        return [id for token in tokens for id in ([ids[token]] if token in ids else spell(token))]

    def spell(token: bytes) -> list[int]:
        return merge_word_naive([single[b] for b in token], table)

    return {"GPT-2's pieces": pieces, "GPT-2's ids": lambda text: [id % V for id in gpt2.encode(text)]}


def trailing_space(tokenizer: Tokenizer, text: str) -> tuple[list[int], list[int], int]:
    """A text as it is cut, and with a space of its own where its middle word begins; and where the two part."""
    middle = text.index(" ", len(text) // 2)
    before, after = tokenizer.encode(text[:middle]), tokenizer.encode(text[middle:])
    apart = [*tokenizer.encode(" "), *tokenizer.encode(text[middle + 1 :])]
    return before + after, before + apart, len(before)


def bits(model: Transformer, start: int, ids: Sequence[int]) -> float:
    """Bits to predict all ids of a text."""
    return text_loss(model, [start, *ids]) * len(ids) / math.log(2)


def per_byte(rows: Sequence[Mapping]) -> float:
    """Bits per byte of several texts together."""
    return sum(row["bits"] for row in rows) / sum(row["bytes"] for row in rows)


def measured(name: str, rows: Sequence[Mapping], kinds: Sequence[str]) -> dict:
    """Bits per byte with an interval over texts, by kind of text, and tokens per byte."""
    low, high = bootstrap_interval(rows, per_byte)
    by_kind = {
        kind: per_byte([row for row, own in zip(rows, kinds, strict=True) if own == kind])
        for kind in dict.fromkeys(kinds)
    }
    tokens = sum(row["tokens"] for row in rows) / sum(row["bytes"] for row in rows)
    return {"cut": name, "bits_per_byte": per_byte(rows), "low": low, "high": high} | {
        "tokens_per_byte": tokens,
        "alike": fmean(row["alike"] for row in rows),
        "by_kind": by_kind,
    }


def alike(ids: Sequence[int], right: Sequence[int], vocab: Mapping[int, bytes]) -> float:
    """The share of the right tokens that the other cut has at the same bytes."""
    spans = [{*spans_of(cut, vocab)} for cut in (ids, right)]
    return len(spans[0] & spans[1]) / len(spans[1])


def spans_of(ids: Sequence[int], vocab: Mapping[int, bytes]) -> list[tuple[int, int]]:
    """From which byte to which each token reaches.

    >>> spans_of([0, 1], {0: b"ab", 1: b"c"})
    [(0, 2), (2, 3)]
    """
    ends = [0]
    for id in ids:
        ends.append(ends[-1] + len(vocab[id]))
    return list(pairwise(ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("runs/wrong_merges"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (model, tokenizer), written, kinds = load(MODEL), texts(arguments.texts), texts(arguments.texts, "kind")
    folder, start = arguments.folder / str(len(written)), prompt_ids(tokenizer, "")[0]
    ways = cuts(tokenizer)
    assert all(ways["right"](text) == tokenizer.encode(text) for text in written), "the right way is the tokenizer's"
    if there := cached("gpt2-tokenizer"):
        ways |= of_gpt2(Tokenizer.from_gpt2_files(there / "vocab.json", there / "merges.txt"), tokenizer)

    rows, samples = [], {}
    for name, cut in ways.items():

        def measure(cut: Cut = cut) -> list[dict]:
            made = []
            for text in written:
                ids, right = cut(text), tokenizer.encode(text)
                made.append({"bits": bits(model, start, ids), "bytes": len(text.encode()), "tokens": len(ids)})
                made[-1]["alike"] = alike(ids, right, tokenizer.vocab)
            return made

        def sample(cut: Cut = cut) -> dict[str, str]:
            return {prompt: write(model, tokenizer, [start, *cut(prompt)], n=20) for prompt in PROMPTS}

        rows.append(measured(name, stored(folder / f"{name}.json", measure), kinds))
        samples[name] = stored(folder / f"{name}, sample.json", sample)
        row = rows[-1]
        print(
            f"{name:30} {row['bits_per_byte']:6.2f} ({row['low']:.2f} to {row['high']:.2f}), {samples[name]}",
            flush=True,
        )

    def measure_space() -> list[dict]:
        made = []
        for text in written:
            right, apart, at = trailing_space(tokenizer, text)
            made.append({"extra": bits(model, start, apart) - bits(model, start, right), "at": at})
        return made

    extra = [row["extra"] for row in stored(folder / "trailing space.json", measure_space)]
    low, high = bootstrap_interval(extra, fmean)
    space = {"extra_bits": fmean(extra), "low": low, "high": high, "worse": sum(value > 0 for value in extra)}
    space["samples"] = {
        f"{prompt} ": write(model, tokenizer, [start, *tokenizer.encode(f"{prompt} ")], n=20) for prompt in PROMPTS
    }
    print(f"a trailing space costs {fmean(extra):.1f} bits ({low:.1f} to {high:.1f}): {space}", flush=True)
    result = {"model": MODEL, "texts": len(written), "rows": rows, "samples": samples, "trailing_space": space}
    print(f"written to {write_result('wrong_merges', result)}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
