"""The peak memory of `encode_iterable` on a stream of one gigabyte, in a separate process.

    python benchmarks/tokenizer_stream.py           # some minutes
    python benchmarks/tokenizer_stream.py --megabytes 50

The stream is generated line by line. Three fifths of its bytes are words of a real text in random order; the rest is
new: numbers, names and ideographs, so that the cache of words repeatedly fills up and is emptied.
"""

import argparse
import json
import pydoc_data.topics
import random
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from common import write_result

from minillm.tokenizer import Tokenizer
from minillm.tokenizer.merging import CACHED_WORDS

FRACTIONS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the stream, at which the peak is read


def lines(text: str, n_bytes: int, seed: int = 0) -> Iterator[str]:
    """Yield at least `n_bytes` of text, in lines of about 200 bytes."""
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
    """Return the peak memory of this process; macOS counts bytes, Linux kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(tokenizer: Tokenizer, text: str, n_bytes: int) -> dict[str, object]:
    """Encode the stream in a fresh process and measure how far the peak rises."""
    read, fractions, peaks = 0, list(FRACTIONS), []

    def counted() -> Iterator[str]:
        nonlocal read
        for line in lines(text, n_bytes):
            read += len(line.encode())
            yield line

    before, start, n_ids = peak_megabytes(), time.perf_counter(), 0
    for _ in tokenizer.encode_iterable(counted()):
        n_ids += 1
        if fractions and read >= fractions[0] * n_bytes:
            peaks.append({"share": fractions.pop(0), "peak_growth_mb": round(peak_megabytes() - before, 1)})
            print(f"  {read / 1e6:7.0f} MB read, peak {peaks[-1]['peak_growth_mb']} MB above the start", flush=True)
    seconds = time.perf_counter() - start
    return {"bytes": read, "ids": n_ids, "seconds": seconds, "peak_before_mb": before, "peaks": peaks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()

    text = "\n".join(pydoc_data.topics.topics.values())
    # Train in another process, because the peak of training would hide the memory of encoding.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        tokenizer = pool.submit(Tokenizer.train, [text], 4096).result()
    result = measure(tokenizer, text, arguments.megabytes * 10**6)
    result["cached_words"] = CACHED_WORDS
    write_result("tokenizer_stream", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
