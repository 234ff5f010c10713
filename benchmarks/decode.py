"""Decoding speed of SmolLM2-135M, from naive to 4 bits in C, compared with `transformers` and `llama_cpp`.

    python benchmarks/decode.py                     # needs the weights: minillm fetch smollm2-135m-instruct
    python benchmarks/decode.py --json --rounds 5

All contestants read the same GGUF file (Q4_1 layers, head and embedding in Q8_0) and decode greedily. They take turns
of a few seconds, each in a separate process that sleeps while another is measured; the best round counts. `llama_cpp`
is included if it can be imported. Speeds exclude the first new token. Perplexity is measured through the pass that is
timed: token by token, in all windows at once. The share of the bandwidth is the bytes of the weights, read once per
step, compared with those that a plain sum over an array reads in the same time.
"""

import argparse
import gc
import json
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import torch
from common import write_result

from minillm.assets import fetch
from minillm.data.corpora import load_corpus
from minillm.inference import decode
from minillm.inference import generate as generation
from minillm.inference.decode import Decoder
from minillm.inference.native import NativeStep, unavailable
from minillm.losses import next_token_loss
from minillm.pretrained import load
from minillm.tokenizer import Tokenizer

NAME = "smollm2-135m-instruct"
PROMPT = "The capital of France is"
NEW, BATCH_NEW, BATCH, LONG = 128, 48, 8, 512  # new tokens alone and in a batch, rows, tokens of the long prompt
WINDOWS = 8  # of LONG tokens each, for perplexity

EXACT = "+ KV cache"
# name: (weights, use_cache, fast step, head); each entry but the last has one change from the previous one
LADDER = {
    "naive: float32, no cache": ("float32", False, None, "float32"),
    EXACT: ("float32", True, None, "float32"),
    "+ bfloat16": ("bfloat16", True, None, "bfloat16"),
    "+ int8 layers and head": ("int8", True, None, "int8"),
    "+ native Q4_1 layers": ("native", True, None, "Q8_0 as two int4 products"),
    "+ decode step on plain tensors": ("native", True, Decoder, "Q8_0 as two int4 products"),
    "+ decode step in C": ("native", True, NativeStep, "Q8_0"),
    "int4, rounded by us": ("int4", True, NativeStep, "int8"),
}
THEIRS = {"transformers float32": torch.float32, "transformers bfloat16": torch.bfloat16}
LLAMA = "llama_cpp Q4_1"
MEMORY = "sum of an array"
Write = Callable[[list[list[int]], int], Iterator[object]]  # prompts, new tokens -> one item for each step
NewPass = Callable[[int], Callable]  # rows -> a pass: new tokens (B, T), after those before, -> logits (B, T, V)
Contestant = tuple[Write, NewPass | None, int]  # the last: bytes of the weights


def our_writer(name: str) -> Contestant:
    weights, use_cache, form, _ = LADDER[name]
    model, _ = load(NAME, weights=weights)
    decode.install(model, form and form(model))

    def write(prompts: list[list[int]], new: int) -> Iterator[object]:
        sampling = generation.Sampling(temperature=0)
        with decode.steady(model):  # as in `generate`
            yield from generation.continuations(model, torch.tensor(prompts), None, new, sampling, use_cache=use_cache)

    def new_pass(rows: int) -> Callable:
        cache = model.new_cache(rows, LONG)
        return lambda ids: decode.next_logits(model, ids, cache)

    step = decode.decoder(model)
    return write, new_pass, step.nbytes if isinstance(step, NativeStep) else bytes_of(model)


def their_writer(name: str) -> Contestant:
    from transformers import AutoModelForCausalLM, DynamicCache

    path = fetch(NAME)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=THEIRS[name]).eval()

    def write(prompts: list[list[int]], new: int) -> Iterator[object]:
        ids, cache = torch.tensor(prompts), DynamicCache()
        for _ in range(new):  # faster per token than their `generate`
            with torch.inference_mode():
                ids = model(ids, past_key_values=cache, logits_to_keep=1).logits[:, -1].argmax(-1, keepdim=True)
            yield ids

    def new_pass(rows: int) -> Callable:
        cache = DynamicCache()
        return lambda ids: model(ids, past_key_values=cache).logits

    return write, new_pass, bytes_of(model)


def llama_writer(name: str) -> Contestant:
    import llama_cpp
    import numpy as np

    threads = torch.get_num_threads()
    size = dict(n_ctx=1024, n_batch=512, n_threads=threads, n_threads_batch=threads)
    llama = llama_cpp.Llama(str(fetch(NAME)), verbose=False, **size)

    def write(prompts: list[list[int]], new: int) -> Iterator[object]:
        (ids,) = prompts
        llama.reset()
        for _ in range(new):
            llama.eval(ids)
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama._ctx.ctx, -1), (llama.n_vocab(),))
            ids = [int(logits.argmax())]
            yield ids

    return write, None, fetch(NAME).stat().st_size


def bytes_of(model: torch.nn.Module) -> int:
    return sum(parameter.nbytes for parameter in model.parameters())  # a tied embedding is the head, and counts once


def make(name: str) -> Contestant:
    return (our_writer if name in LADDER else their_writer if name in THEIRS else llama_writer)(name)


def pace(write: Write, prompts: list[list[int]], new: int) -> dict[str, float]:
    """Measure the seconds to the first token, and the tokens per second after it."""
    start = time.perf_counter()
    steps = write(prompts, new)
    next(steps)
    first = time.perf_counter()
    count = sum(1 for _ in steps)
    return {"first": first - start, "tokens_per_second": len(prompts) * count / max(time.perf_counter() - first, 1e-9)}


@torch.no_grad()
def perplexity(new_pass: NewPass, windows: torch.Tensor) -> float:
    one_pass, losses = new_pass(len(windows)), []
    for column in range(windows.shape[1] - 1):
        logits = one_pass(windows[:, column : column + 1])
        losses.append(next_token_loss(logits.float(), windows[:, column + 1 : column + 2]).item())
    return math.exp(sum(losses) / len(losses))


def bandwidth(array: torch.Tensor) -> float:
    """Bytes per second of a sum over an array that no cache of the processor holds."""
    start = time.perf_counter()
    array.sum()
    return array.nbytes / (time.perf_counter() - start)


def serve(name: str, pipe, threads: int, short: list[int], long: list[int], windows: torch.Tensor) -> None:
    """Run in a contestant's process: measure what the parent asks for, and sleep in between."""
    torch.set_num_threads(threads)
    write, new_pass, size = make(name)
    gc.freeze()
    naive = name in LADDER and not LADDER[name][1]
    while order := pipe.recv():
        if order == "size":
            pipe.send(size)
        elif order == "one":
            pipe.send(pace(write, [short], NEW // 8 if naive else NEW)["tokens_per_second"])
        elif order == "batch":
            skip = naive or name == LLAMA
            pipe.send(None if skip else pace(write, [short] * BATCH, BATCH_NEW)["tokens_per_second"])
        elif order == "first":
            pipe.send(pace(write, [long], 1)["first"])
        else:
            pipe.send(None if new_pass is None else perplexity(new_pass, windows))


def measure(rounds: int, n_windows: int) -> list[dict[str, object]]:
    """Measure one row per contestant, the best of a few rounds in which they take turns."""
    tokenizer: Tokenizer = load(NAME)[1]
    held_out = tokenizer.encode("\n\n".join(load_corpus("python-docs").validation))
    windows = torch.tensor(held_out[: n_windows * (LONG + 1)]).view(n_windows, LONG + 1)
    if said := unavailable():
        print(said)
        for name in [name for name in LADDER if LADDER[name][2] is NativeStep]:
            LADDER.pop(name)
    array, speeds = torch.ones(2**26), []  # 268 MB
    names = [*LADDER, *(THEIRS if find_spec("transformers") else ()), *([LLAMA] if find_spec("llama_cpp") else [])]
    context, contestants = multiprocessing.get_context("spawn"), {}
    inputs = torch.get_num_threads(), tokenizer.encode(PROMPT), windows[0, :LONG].tolist(), windows
    for name in names:
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(name, there, *inputs), daemon=True)
        process.start()
        contestants[name] = here

    def ask(name: str, order: str) -> float | None:
        contestants[name].send(order)
        return contestants[name].recv()

    rows = [{"contestant": name, "head": LADDER[name][3] if name in LADDER else None} for name in names]
    for row in rows:
        row["perplexity"], row["bytes"] = (ask(row["contestant"], order) for order in ("perplexity", "size"))
    for order, column, best in (
        ("one", "tokens_per_second", max),
        ("batch", f"tokens_per_second_batch_{BATCH}", max),
        ("first", f"seconds_to_first_token_of_{LONG}", min),
    ):
        taken = []
        for _ in range(rounds):
            speeds.append(bandwidth(array))
            taken.append([ask(name, order) for name in names])
        for row, values in zip(rows, zip(*taken, strict=True), strict=True):
            row[column] = None if None in values else best(values)
    for row in rows:  # the fastest sum counts, as the fastest round does
        row["share_of_bandwidth"] = row["tokens_per_second"] * row["bytes"] / max(speeds)
    for pipe in contestants.values():
        pipe.send(None)
    return rows


def summary(rows: list[dict[str, object]]) -> dict[str, object]:
    """Find our best single-stream speed with the file's own weights, which `llama_cpp` has too, and its ratios."""
    speed = {row["contestant"]: row["tokens_per_second"] for row in rows}
    batch = {row["contestant"]: row[f"tokens_per_second_batch_{BATCH}"] for row in rows}
    ours = [row for row in rows if row["contestant"] in LADDER]
    float32 = next(row["perplexity"] for row in ours if row["contestant"] == EXACT)
    for row in ours:
        row["perplexity_change"] = row["perplexity"] / float32 - 1
    own = [row for row in ours if LADDER[row["contestant"]][0] == "native"]
    best = max(own, key=lambda row: row["tokens_per_second"])
    best_batch = max(row[f"tokens_per_second_batch_{BATCH}"] for row in own)
    ratios = {f"over {name}": best["tokens_per_second"] / speed[name] for name in speed if name not in LADDER}
    if "transformers float32" in batch:
        ratios[f"batch of {BATCH} over transformers float32"] = best_batch / batch["transformers float32"]
    result = {"tokens_per_second": best["tokens_per_second"], "configuration": best["contestant"], "head": best["head"]}
    llama = speed.get(LLAMA)  # None where it cannot be imported
    result |= {"llama_cpp": llama, "ratio": None if llama is None else best["tokens_per_second"] / llama}
    return result | {"threads": torch.get_num_threads(), "ratios": ratios, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=WINDOWS, help="of 512 tokens each, for perplexity")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on one line")
    arguments = parser.parse_args()
    result = summary(measure(arguments.rounds, arguments.windows))
    batch, first = f"tokens_per_second_batch_{BATCH}", f"seconds_to_first_token_of_{LONG}"
    print(f"{'':34}{'tok/s':>12}{f'batch of {BATCH}':>12}{'first, s':>12}{'perplexity':>12}{'bandwidth':>12}  head")
    for row in result["rows"]:
        figures = (row["tokens_per_second"], row[batch], row[first], row["perplexity"])
        cells = ["-" if value is None else f"{value:.2f}" for value in figures]
        cells.append(f"{row['share_of_bandwidth']:.0%}")
        print(f"{row['contestant']:34}" + "".join(f"{cell:>12}" for cell in cells), row["head"] or "", sep="  ")
    for name, ratio in result["ratios"].items():
        print(f"{ratio:6.2f} x  {name}")
    write_result("decode", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
