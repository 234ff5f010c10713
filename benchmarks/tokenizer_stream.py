"""The memory that `encode_iterable` needs for a stream of a gigabyte: the peak of a process of its own, as it goes on.

    python benchmarks/tokenizer_stream.py           # some minutes
    python benchmarks/tokenizer_stream.py --megabytes 50

The stream is made on the way, line by line. Half of its bytes are the words of a real text, in any order; the others
are new: numbers, names of random letters, and ideographs in runs, so the cache of words fills up and is emptied again
and again. No line comes twice, and no list holds them.
"""

import argparse
import json
import pydoc_data.topics
import random
import resource
import sys
import time
from collections.abc import Iterator

from common import write_result

from minillm.tokenizer import Tokenizer
from minillm.tokenizer.merging import CACHED_WORDS

MARKS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the stream at which the peak is read


def lines(text: str, n_bytes: int, seed: int = 0) -> Iterator[str]:
    """At least `n_bytes` of text, in lines of about 200 bytes."""
    rng, words = random.Random(seed), text.split()
    produced = 0
    while produced < n_bytes:
        known = " ".join(rng.choices(words, k=16))
        name = f"{rng.getrandbits(96):x}"
        ideographs = "".join(map(chr, rng.choices(range(0x4E00, 0x9FA5), k=10)))
        line = f"{known} {name} {rng.getrandbits(40)} {ideographs}\n"
        produced += len(line.encode())
        yield line


def peak_megabytes() -> float:
    """The most memory that this process ever had; macOS counts bytes, Linux kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()

    text = "\n".join(pydoc_data.topics.topics.values())
    tokenizer = Tokenizer.train([text], 4096)
    n_bytes, read, marks, peaks = arguments.megabytes * 10**6, 0, list(MARKS), []

    def counted() -> Iterator[str]:
        nonlocal read
        for line in lines(text, n_bytes):
            read += len(line.encode())
            yield line

    before, start, n_ids = peak_megabytes(), time.perf_counter(), 0
    for _ in tokenizer.encode_iterable(counted()):
        n_ids += 1
        if marks and read >= marks[0] * n_bytes:
            peaks.append({"share": marks.pop(0), "peak_growth_mb": peak_megabytes() - before})
            print(f"  {read / 1e6:7.0f} MB read, peak {peaks[-1]['peak_growth_mb']:.1f} MB above the start", flush=True)
    result = {
        "bytes": read,
        "ids": n_ids,
        "seconds": time.perf_counter() - start,
        "peak_before_mb": before,
        "peaks": peaks,
        "cached_words": CACHED_WORDS,
    }
    write_result("tokenizer_stream", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
