"""The time to load a batch, relative to a training step on it, for the preset tiny.

    python benchmarks/loader.py                     # the world; token file in a temporary folder
    python benchmarks/loader.py --steps 100 --json

Loading is what `train` waits for: selecting rows, reading them from the memory-mapped token file, and shifting them by
one. A step is forward, backward and update on one batch. Both are timed in the same loop.
"""

import argparse
import json
import os
import statistics
import tempfile
import time

import torch
from common import write_result

from minillm.config import ModelConfig
from minillm.data.batches import PackedBatches, pack_documents
from minillm.data.corpora import SPECIAL_TOKENS, encode_training, load_corpus
from minillm.data.packing import PackedRows
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer
from minillm.training.distributed import Processes
from minillm.training.loop import update
from minillm.training.optim import adamw
from minillm.training.pretraining import text_loss
from minillm.training.settings import TrainConfig


def measure(batches: PackedBatches, config: ModelConfig, steps: int) -> tuple[float, float]:
    """Measure the median seconds to load a batch and to train on it."""
    torch.manual_seed(0)
    model, settings = Transformer(config), TrainConfig(steps=steps)
    batch_loss = Processes().batch_loss(model, text_loss)
    optimizer = adamw(model, settings.learning_rate, settings.weight_decay)
    loading, training = [], []
    for step in range(steps):
        start = time.perf_counter()
        batch = batches[step]
        loaded = time.perf_counter()
        update(model, batch_loss, optimizer, [batch], 1e-3, settings, Processes())
        loading.append(loaded - start)
        training.append(time.perf_counter() - loaded)
    return statistics.median(loading), statistics.median(training)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000, help="of the world")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()

    corpus = load_corpus("world", n_train=arguments.documents)
    tokenizer = Tokenizer.train(corpus.train[:4000], ModelConfig.preset("tiny").vocab_size, SPECIAL_TOKENS)
    tokenizer.eos_token = SPECIAL_TOKENS[0]
    config = ModelConfig.preset("tiny", vocab_size=tokenizer.vocab_size)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows cannot remove a mapped file
        os.environ["MINILLM_HOME"] = folder
        file = encode_training(corpus, tokenizer)
        length, end = config.max_seq_len + 1, tokenizer.eos_id
        forms = {"from the token file": PackedRows(file, end, length), "in memory": pack_documents(file, end, length)}
        rows = []
        for form, packed in forms.items():
            load, step = measure(PackedBatches(packed, arguments.batch_size, 0, end), config, arguments.steps)
            rows.append({"form": form, "batch_seconds": load, "step_seconds": step, "share": load / step})

    print(f"preset tiny, batches of {arguments.batch_size} x {config.max_seq_len}, {corpus.name}:")
    for row in rows:
        print(f"  loading a batch {row['form']:20} takes {row['share']:.2%} of its training step")
    result = {"loader_share": rows[0]["share"], "batch_size": arguments.batch_size, "rows": rows}
    write_result("loader", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
