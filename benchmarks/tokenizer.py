"""Our tokenizer compared with the `tokenizers` library, and our fast trainer compared with the naive one.

    python benchmarks/tokenizer.py                  # needs the test extra
    python benchmarks/tokenizer.py --text corpus.txt --vocab-size 4096 --json

The text is tiny Shakespeare if it was fetched with `minillm fetch tiny-shakespeare`, otherwise the manual that comes
with Python. A ratio above 1 means that ours is faster. Before timing, merges and ids are checked to be equal.
"""

import argparse
import json
import pydoc_data.topics
from pathlib import Path

import tokenizers
from common import race, tiny_shakespeare, write_result
from tokenizers import models, pre_tokenizers, trainers

from minillm.tokenizer import Tokenizer, unspell
from minillm.tokenizer.training import count_words, learn_merges, learn_merges_naive

NAIVE_MERGES = 64  # the naive trainer takes the same time per merge, so a few suffice


def library_train(text: str, vocab_size: int) -> tokenizers.Tokenizer:
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator([text], trainer)
    return library


def measure(text: str, vocab_size: int, rounds: int) -> list[dict[str, object]]:
    """Measure one row per task: the seconds of both and their ratio."""
    ours, library = Tokenizer.train([text], vocab_size), library_train(text, vocab_size)
    saved = library.to_str()
    merges = [(unspell(left), unspell(right)) for left, right in json.loads(saved)["model"]["merges"]]
    if ours.merges != merges or ours.encode(text) != library.encode(text).ids:
        raise SystemExit("merges or ids differ from the library's, so nothing was timed")

    lines = text.splitlines(keepends=True)
    words = count_words([text])

    def fresh_ours() -> Tokenizer:
        return Tokenizer(ours.vocab, ours.merges, ours.special_tokens)

    def fresh_library() -> tokenizers.Tokenizer:
        return tokenizers.Tokenizer.from_str(saved)

    def first_call(make):
        def prepare():
            tokenizer = make()
            return lambda: tokenizer.encode(text)

        return prepare

    def naive_race(learn):
        return lambda: lambda: learn(words, NAIVE_MERGES)

    races = {
        "train": (lambda: lambda: Tokenizer.train([text], vocab_size), lambda: lambda: library_train(text, vocab_size)),
        "encode, first call": (first_call(fresh_ours), first_call(fresh_library)),
        "encode, later calls": (lambda: lambda: ours.encode(text), lambda: lambda: library.encode(text)),
        "encode_batch of lines": (
            lambda: lambda: ours.encode_batch(lines),
            lambda: lambda: library.encode_batch(lines),
        ),
        f"learn {NAIVE_MERGES} merges, ours against the naive form": (
            naive_race(learn_merges),
            naive_race(learn_merges_naive),
        ),
    }
    rows = []
    for work, (us, them) in races.items():
        seconds = race({"ours": us, "theirs": them}, rounds)
        rows.append({"work": work, **seconds, "ratio": seconds["theirs"] / seconds["ours"]})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="a UTF-8 file to train on and to encode")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()

    path = arguments.text or tiny_shakespeare()
    text = path.read_text(encoding="utf-8") if path else "\n".join(pydoc_data.topics.topics.values())
    name = path.name if path else "pydoc_data.topics"

    rows = measure(text, arguments.vocab_size, arguments.rounds)
    print(f"{name}, {len(text.encode()):,} bytes, {arguments.vocab_size:,} tokens. Above 1: ours is faster.")
    for row in rows:
        print(f"  {row['ratio']:6.2f} x  {row['work']}")

    ratios = {row["work"]: row["ratio"] for row in rows}
    result = {
        "train_ratio": ratios["train"],
        "encode_ratio": ratios["encode, first call"],
        "encode_again_ratio": ratios["encode, later calls"],
        "text": name,
        "bytes": len(text.encode()),
        "vocab_size": arguments.vocab_size,
        "rows": rows,
    }
    write_result("tokenizer", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
