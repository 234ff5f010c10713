"""The parts of `benchmarks/train.py` that need no text: tokens per second, fraction of peak FLOPs, time and memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from plain_gpt import PlainGPT, plain_optimizer

from minillm import ModelConfig, TrainConfig, Transformer, kernels
from minillm.c_library import SWITCH
from minillm.device import bf16_speedup, keep_freed_memory, matmul_peak
from minillm.model.accounting import count_flops
from minillm.training.distributed import Processes
from minillm.training.loop import update
from minillm.training.optim import make_optimizer
from minillm.training.pretraining import text_loss
from minillm.training.recipes import recipe_of

WIDTHS = (128, 256, 512, 768)
VOCAB, CONTEXT, BATCH = 1024, 256, 8


def best_seconds(work: Callable[[], object], rounds: int = 7) -> float:
    """Return the best time of several rounds, after one warmup round."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def n_heads(width: int) -> int:
    return width // 32 if width < 256 else width // 64


def our_step(
    width: int,
    bf16: bool,
    context: int = CONTEXT,
    batch: int = BATCH,
    optimizer: str = "adamw",
    config: ModelConfig | None = None,
):
    """Return a function that does one training step, and the number of floating-point operations of a step."""
    keep_freed_memory()  # as `train` does
    config = config or ModelConfig(VOCAB, width, 4, n_heads(width), context, qk_norm=True)
    model = Transformer(config)
    settings = TrainConfig(steps=1, bf16=bf16)
    batch_loss = Processes().batch_loss(model, text_loss)
    mover = make_optimizer(optimizer, model, 1e-3, 0.1)
    ids = torch.randint(0, config.vocab_size, (batch, context))
    flops = 3 * batch * count_flops(config, context)
    return lambda: update(model, batch_loss, mover, [(ids, ids)], 1e-3, settings, Processes()), flops


def plain_gpt_step(width: int):
    model = PlainGPT(VOCAB, width, 4, n_heads(width), CONTEXT)
    optimizer, ids = plain_optimizer(model), torch.randint(0, VOCAB, (BATCH, CONTEXT))
    config = ModelConfig(VOCAB, width, 4, n_heads(width), CONTEXT, activation="gelu", position="learned")

    def step() -> None:
        loss = F.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step, 3 * BATCH * count_flops(config, CONTEXT)


def take_turns(steps: dict[str, Callable[[], object]], rounds: int = 12) -> dict[str, float]:
    """The best time of each contestant in seconds; they take turns, step by step, after one warmup step each."""
    times: dict[str, list[float]] = {who: [] for who in steps}
    for turn in range(rounds + 1):
        for who, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:
                times[who].append(time.perf_counter() - start)
    return {who: min(seconds) for who, seconds in times.items()}


def without_kernels(step: Callable[[], object]) -> Callable[[], object]:
    """The same step in the readable forms."""

    def readable() -> None:
        os.environ[SWITCH] = "0"
        try:
            step()
        finally:
            del os.environ[SWITCH]

    return readable


def kernels_gain() -> dict:
    """A step of the course's base model with the fused kernels and without, by number of threads."""
    recipe = recipe_of("tiny", "world")
    shape = {"context": recipe.config.max_seq_len, "batch": recipe.batch_size, "config": recipe.config}
    rows, before = [], torch.get_num_threads()
    for threads in sorted({1, before}):
        torch.set_num_threads(threads)
        for name, bf16 in (("float32", False), ("bf16", True)):
            if bf16 and bf16_speedup() <= 1.2:
                continue
            steps = [our_step(recipe.config.d_model, bf16, optimizer="muon", **shape)[0] for _ in range(2)]
            best = take_turns({"fused": steps[0], "readable": without_kernels(steps[1])}, rounds=20)
            row = {"threads": threads, "format": name, **{f"{who}_seconds": value for who, value in best.items()}}
            rows.append(row | {"ratio": round(best["readable"] / best["fused"], 3)})
            print(
                f"{threads} thread(s), {name:7}  readable {1e3 * best['readable']:4.0f} ms, "
                f"fused {1e3 * best['fused']:4.0f} ms: {rows[-1]['ratio']:.2f} times as fast",
                flush=True,
            )
    torch.set_num_threads(before)
    return {"unavailable": kernels.unavailable(), "rows": rows}


def throughput() -> dict:
    """Measure training throughput by width; FLOPs are 6 per weight and token, plus causal attention."""
    formats = [("float32", torch.float32)] + ([("bf16", torch.bfloat16)] if bf16_speedup() > 1.2 else [])
    peaks = {name: matmul_peak(torch.device("cpu"), dtype) for name, dtype in formats}
    rows = []
    for width in WIDTHS:
        contestants = {f"ours {name}": (our_step(width, name == "bf16"), name) for name, _ in formats}
        contestants["plain float32"] = (plain_gpt_step(width), "float32")
        best = take_turns({who: step for who, ((step, _), _) in contestants.items()})
        for who, ((_, flops), name) in contestants.items():
            seconds = best[who]
            row = {
                "who": who,
                "d_model": width,
                "tokens_per_second": round(BATCH * CONTEXT / seconds),
                "times_plain": round(best["plain float32"] / seconds, 3),
                "share_of_peak": round(flops / seconds / peaks[name], 3),
                "flops_per_second": flops / seconds,
            }
            rows.append(row)
            rate, utilization = row["tokens_per_second"], row["share_of_peak"]
            print(f"d_model {width:4}  {who:14} {rate:8,} tokens/s  {utilization:.0%} of the peak", flush=True)
    if len(formats) == 1:
        print("bfloat16 is not measured because it is slower than float32 on this processor")
    return {"batch": BATCH, "context": CONTEXT, "peaks": peaks, "rows": rows}


CHILD = """
import json, resource, sys
sys.path.insert(0, {folder!r})
from throughput import best_seconds, our_step
step, flops = our_step(128, bf16=False, context={context}, batch={batch})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([best_seconds(step, rounds=4), before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def shapes() -> dict:
    """Measure a step at the width of the preset tiny in a separate process: seconds, and memory beyond the model."""
    rows = []
    for context, batch in ((64, 32), (256, 1), (256, 8), (256, 32), (1024, 2), (1024, 8), (4096, 2)):
        code = CHILD.format(folder=str(Path(__file__).parent), context=context, batch=batch)
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        seconds, before, after = json.loads(out.splitlines()[-1])
        unit = 1024 if sys.platform != "darwin" else 1  # ru_maxrss counts kilobytes on Linux, bytes on a Mac
        row = {"context": context, "batch": batch, "seconds": seconds, "memory_mb": (after - before) * unit / 1e6}
        rows.append(row)
        ms = 1e3 * seconds / batch / context
        print(f"{batch:3} x {context:4}: {ms:7.4f} ms per token, {row['memory_mb']:6.0f} MB")
    return {"rows": rows}
