"""The effect of kills, restarts and a second process on a run, measured by its final validation loss.

    python benchmarks/resilience.py            # eight short runs on the world, about three minutes on two cores
    python benchmarks/resilience.py --json

All runs have the same small model, batches and seed. A killed process gets SIGKILL at step 90 of 150, thirty steps
after the last checkpoint; in a job of two, one process is killed and torchrun restarts both. `equal` says whether the
loss is exactly that of the corresponding run without a kill.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from common import write_result

from minillm import ModelConfig, Transformer
from minillm.data.corpora import encode_training, learn_tokenizer, load_corpus
from minillm.device import seed_everything
from minillm.training.distributed import join_processes, restart_count
from minillm.training.pretraining import TextData, pretrain
from minillm.training.settings import TrainConfig

SHAPE = dict(d_model=64, n_layers=3, n_heads=4, max_seq_len=256, qk_norm=True)
# In float32, because in bfloat16 half a batch is rounded differently from a whole one, which changed the loss by 0.03.
CONFIG = TrainConfig(steps=150, warmup_steps=20, learning_rate=4e-3, eval_every=50, save_every=60, bf16=False)
DOCUMENTS, BATCH_SIZE, SEED, DIES_AT = 1_500, 8, 0, 90

# name, processes, parallelism, whether one is killed, processes after the restart, run with the expected loss
ROWS = [
    ("one process", 1, "ddp", False, 1, None),
    ("one process, killed and resumed", 1, "ddp", True, 1, "one process"),
    ("two processes, DDP", 2, "ddp", False, 2, None),
    ("two processes, DDP, one killed, restarted", 2, "ddp", True, 2, "two processes, DDP"),
    ("two processes, FSDP2", 2, "fsdp", False, 2, None),
    ("two processes, FSDP2, one killed, restarted", 2, "fsdp", True, 2, "two processes, FSDP2"),
    ("two processes, FSDP2, killed, resumed by one", 2, "fsdp", True, 1, None),
    ("one process, killed, resumed by two, FSDP2", 1, "fsdp", True, 2, None),
]


def work(out: Path, parallel: str, dies: bool) -> None:
    """Train in one process of the job."""
    torch.set_num_threads(1)
    with join_processes(torch.device("cpu"), sharded=parallel == "fsdp") as processes:
        seed_everything(SEED)
        with processes.main_first():
            corpus = load_corpus("world", SEED, DOCUMENTS, n_validation=200)
            tokenizer = learn_tokenizer(corpus, 512)
            encoded = encode_training(corpus, tokenizer)
        model = Transformer(ModelConfig(vocab_size=tokenizer.vocab_size, **SHAPE))
        validation = tokenizer.encode_batch(corpus.validation)
        data = TextData.from_ids(encoded, validation, tokenizer.eos_id, SHAPE["max_seq_len"], BATCH_SIZE, SEED)

        def show(metrics: dict) -> None:
            if dies and restart_count() == 0 and metrics["step"] == DIES_AT:
                os.kill(os.getpid(), signal.SIGKILL)

        pretrain(model, data, CONFIG, out, tokenizer, show, processes=processes)


def job(out: Path, processes: int, parallel: str, dies: bool, restarts: int) -> int:
    """Start a job and return its exit status."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--max-restarts", str(restarts)]
        command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command += [__file__, "--work", str(out), "--parallel", parallel] + ["--dies"] * dies
    with open(out.with_suffix(".log"), "a", encoding="utf-8") as log:
        return subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode


def run(out: Path, processes: int, parallel: str, dies: bool, processes_after: int) -> tuple[int, float]:
    """Run one row; returns the number of steps and the final validation loss."""
    same = processes == processes_after
    code = job(out, processes, parallel, dies, restarts=1 if dies and same else 0)
    if dies and (not same or processes == 1):
        if code == 0:
            raise RuntimeError(f"{out.name}: nothing died")
        code = job(out, processes_after, parallel, False, restarts=0)
    if code:
        raise RuntimeError(f"{out.name} failed:\n{out.with_suffix('.log').read_text(encoding='utf-8')[-3000:]}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return lines[-1]["step"], lines[-1]["val_loss"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parallel", help=argparse.SUPPRESS)
    parser.add_argument("--dies", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.parallel, arguments.dies)
        return
    rows: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, *how, like) in enumerate(ROWS):
            steps, loss = run(Path(folder) / f"run{number}", *how)
            away = loss - rows["one process"]["val_loss"] if rows else 0.0
            rows[name] = {"steps": steps, "val_loss": loss, "from_one_process": away}
            rows[name]["equal"] = None if like is None else loss == rows[like]["val_loss"]
            verdict = "" if like is None else f"   equal to {like!r}: {rows[name]['equal']}"
            print(f"{name:52} {loss:.6f}   {away:+.1e}{verdict}", flush=True)
    result = {"rows": rows, "documents": DOCUMENTS, "batch_size": BATCH_SIZE, "dies_at": DIES_AT}
    print(f"written to {write_result('resilience', result).name}")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
