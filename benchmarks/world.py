"""Statistics of the world: speed of generating and parsing, number of words and forms, entropy floor.

    python benchmarks/world.py             # writes benchmarks/results/world.json
    python benchmarks/world.py --page      # also writes teaching/fifty_documents.md

Times depend on the machine named in the JSON; words, forms, floor and bigram loss depend only on the world.
"""

import argparse
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import write_result

from minillm.config import ModelConfig
from minillm.tokenizer import Tokenizer
from minillm.world import WORLD_VERSION, World, bigram_loss, floor
from minillm.world.world import PLANNED

PAGE = Path(__file__).resolve().parents[1] / "teaching" / "fifty_documents.md"
VOCAB_SIZE = ModelConfig.preset("tiny").vocab_size
FIRST_HELD_OUT = 1_000_000  # beyond the documents that the tokenizer and the bigram model see


def count_forms(world: World) -> int:
    """Count the sentence forms in use."""
    events = {
        event for kind in PLANNED for _, arc in world.plans[kind] for beat in arc.beats for _, event in beat.events
    }
    forms = [form for event in events - {None} for _, form in event.forms]
    almanac, book = world.plans["facts"], world.plans["riddle"]
    forms += [form for relation in {relation for _, relation in almanac.facts()} for _, form in relation.forms]
    forms += [form for options in (*book.clues.values(), *book.parts.values()) for _, form in options]
    return len(forms)


def measure(seed: int, n_train: int, n_held_out: int) -> dict[str, Any]:
    world = World(seed)
    start = time.perf_counter()
    train = world.documents(n_train)
    writing = time.perf_counter() - start
    held_out = [world.document(FIRST_HELD_OUT + index) for index in range(n_held_out)]
    start = time.perf_counter()
    worst = max(abs(world.log_prob(document.text) - document.log_prob) for document in held_out)
    reading = time.perf_counter() - start

    tokenizer = Tokenizer.train([document.text for document in train], VOCAB_SIZE)
    lengths = [len(tokenizer.encode(document.text)) for document in train]
    end = tokenizer.vocab_size

    def stream(documents):
        return [end] + [token for document in documents for token in [*tokenizer.encode(document.text), end]]

    measured = floor(held_out, tokenizer)
    return {
        "version": WORLD_VERSION,
        "documents": n_train,
        "megabytes_per_second": sum(len(document.text.encode("utf-8")) for document in train) / writing / 1e6,
        "reading_ms_per_document": 1000 * reading / n_held_out,
        "largest_difference_in_log_prob": worst,
        "words": len({word for document in train for word in re.findall(r"[a-z]+", document.text.lower())}),
        "forms": count_forms(world),
        "facts": len(list(world.plans["facts"].facts())),
        "kinds": dict(Counter(document.kind for document in train)),
        "tokens_mean": sum(lengths) / n_train,
        "tokens_longest": max(lengths),
        "floor_nats_per_token": measured.nats_per_token,
        "floor_bits_per_byte": measured.bits_per_byte,
        "floor_stderr": measured.stderr,
        "bigram_nats_per_token": bigram_loss(stream(train), stream(held_out), end + 1),
    }


def page(world: World) -> str:
    """Format the first fifty documents of the stream as Markdown."""
    head = (
        f"# Fifty documents from Ottermere\n\nWorld {WORLD_VERSION}, seed {world.seed}, the first fifty as they come. "
        "In brackets: minus the\nlog-probability of the document, which is known exactly; 31.5 nats is one chance in "
        "e^31.5.\n"
    )
    parts = []
    for number, document in enumerate(world.documents(50), start=1):
        text = document.text.replace("\n", "  \n")
        parts.append(f"\n**{number}, {document.kind}** ({-document.log_prob:.1f} nats)\n\n{text}\n")
    return head + "".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--documents", type=int, default=20_000, help="number of documents to generate")
    parser.add_argument("--held-out", type=int, default=2_000, help="number of documents to parse and to evaluate on")
    parser.add_argument("--page", action="store_true", help="write teaching/fifty_documents.md as well")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    result = measure(arguments.seed, arguments.documents, arguments.held_out)
    for name, value in result.items():
        print(f"{name:32} {value:.4g}" if isinstance(value, float) else f"{name:32} {value}")
    write_result("world", result)
    if arguments.page:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(World(arguments.seed)), encoding="utf-8", newline="\n")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
