"""A process that opens damaged checkpoints, one after the other, and may not take much more memory than it has.

Every file of three small checkpoints is cut off, has bytes changed, or a part of it twice, in turn. Each of them must
load, or be refused in one sentence that begins with its place; anything else ends this process with an error. A flipped
byte of a number cannot be noticed, so what loads need not be equal; but a file that was cut off never loads.
"""

import random
import sys
from collections import Counter
from pathlib import Path

import torch
from helpers import lively, small_config
from pretrained.gguf_files import settings_of, small_llama, small_tokenizer, tensors_of, write_gguf
from safetensors import safe_open

from minillm.model.transformer import Transformer
from minillm.pretrained import load, save
from minillm.pretrained.shards import INDEX, WEIGHTS

SPARE = 500_000_000  # bytes beyond what the process has when it begins
TIMES = 60  # a file and a kind of damage


def checkpoints(home: Path) -> dict[Path, list[Path]]:
    """Three good checkpoints and the files of each: a directory, one with shards, a GGUF file."""
    tokenizer = small_tokenizer()
    model = lively(Transformer(small_config(vocab_size=tokenizer.vocab_size)))
    save(model, tokenizer, home / "whole")
    save(model, tokenizer, home / "sharded")
    (home / "sharded" / WEIGHTS).rename(home / "sharded" / "model-1.safetensors")
    listed = ", ".join(f'"{name}": "model-1.safetensors"' for name in names(home / "sharded" / "model-1.safetensors"))
    (home / "sharded" / INDEX).write_text(f'{{"weight_map": {{{listed}}}}}', encoding="utf-8")
    model = small_llama(tokenizer)
    write_gguf(home / "model.gguf", settings_of(model, tokenizer), tensors_of(model))
    return {place: sorted(place.iterdir()) if place.is_dir() else [place] for place in sorted(home.iterdir())}


def names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content.rstrip()))]


def flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(min(len(content), 6_000))] ^= rng.randint(1, 255)  # the headers, not only numbers
    return bytes(changed)


def double(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(min(len(content), 6_000))
    return content[: start + rng.randint(1, 200)] + content[start:]


def main() -> None:
    import resource  # Windows has none

    torch.set_num_threads(1)
    places = checkpoints(Path(sys.argv[1]))
    for place in places:
        load(place)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    rng, counts = random.Random(0), Counter()
    for place, files in places.items():
        for file in files:
            whole = file.read_bytes()
            for damage in (cut, flip, double):
                for _ in range(TIMES):
                    file.write_bytes(damage(whole, rng))
                    try:
                        load(place)
                        outcome = "loaded"
                    except (ValueError, FileNotFoundError) as error:  # an index may name a file that is not there
                        sentence = str(error)
                        assert sentence.startswith(str(place)), sentence
                        assert len(sentence) < 1000, sentence
                        outcome = "refused"
                    assert (damage, outcome) != (cut, "loaded"), file
                    counts[outcome] += 1
            file.write_bytes(whole)
        load(place)
    print(dict(counts))


if __name__ == "__main__":
    main()
