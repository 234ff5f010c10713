"""A profile of a training step of the preset tiny, with torch's profiler and the course's recipe.

    python benchmarks/profile_training.py                  # writes results/profile_training.json and its picture
    python benchmarks/profile_training.py --steps 20 --json

Every operation is attributed to the part of the model that called it, and a backward operation to the part whose
forward operation it differentiates. The profiler's own overhead slightly inflates small operations.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from common import RESULTS, write_result
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from minillm import Transformer
from minillm.course.models import BaseRecipe
from minillm.data.batches import Batch, PackedBatches
from minillm.data.corpora import encode_training, learn_tokenizer, load_corpus
from minillm.model import attention
from minillm.training.loop import Task, fit
from minillm.training.metrics import Metrics
from minillm.training.pretraining import TextData, text_loss
from minillm.training.run import Run
from minillm.viz.figures import BLUE, ORANGE, bars, png

# The part of the model by the end of a module's name; the last entry is everything else.
PARTS = {
    (".query", ".key", ".value", ".output"): "attention: projections",
    (".gate", ".up", ".down"): "feed-forward: projections",
    ("norm",): "norms",
    (".attention",): "attention: rotary and heads",
    (".feedforward",): "feed-forward: activation",
    ("",): "embedding and residual sums",
}
KERNEL, LOSS, OPTIMIZER = "attention: kernel", "head and loss", "optimizer"
DATA, REST, STEP = "data", "rest of the loop", "step"
OPERATIONS = {KERNEL: KERNEL, "_FusedLinearCrossEntropy": LOSS, DATA: DATA}
MATRICES = {"attention: projections", "feed-forward: projections", KERNEL, LOSS}  # parts that are products of matrices
BACKWARD = "autograd::engine::evaluate_function: "


class Timed:
    """Batches that record the time to make one in the profile."""

    def __init__(self, batches: PackedBatches):
        self.batches, self.batch_size = batches, batches.batch_size

    def __getitem__(self, step: int) -> Batch:
        with record_function(DATA):
            return self.batches[step]


def name_modules(model: nn.Module) -> None:
    """Make every module record its calls under its own name in the profile."""
    open_records = []
    for name, module in model.named_modules():

        def enter(module: nn.Module, arguments: Any, name: str = name) -> None:
            open_records.append(record_function(f"module.{name}"))
            open_records[-1].__enter__()

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(lambda module, arguments, output: open_records.pop().__exit__(None, None, None))

    plain = attention.attention  # a function, whichever form it takes

    def recorded(*arguments: Any) -> torch.Tensor:
        with record_function(KERNEL):
            return plain(*arguments)

    attention.attention = recorded


def part_named(event: FunctionEvent) -> str | None:
    """Return the part that an event starts, or None."""
    if event.name.startswith("module."):
        return next(part for suffixes, part in PARTS.items() if event.name.endswith(suffixes))
    return OPTIMIZER if event.name.startswith("Optimizer.step") else OPERATIONS.get(event.name)


def with_parts(event: FunctionEvent, part: str = REST) -> Iterator[tuple[FunctionEvent, str]]:
    """Yield an event and all events inside it with their parts; a backward operation is not split."""
    part = part_named(event) or part
    yield event, part
    for child in event.cpu_children if not event.name.startswith(BACKWARD) else []:
        yield from with_parts(child, part)


def times_of_step(step: FunctionEvent) -> tuple[Counter, Counter]:
    """Sum the microseconds of each part in one step, outside and inside the backward pass.

    PyTorch gives each operation that it will differentiate a sequence number. Other operations carry the next free
    number, so the last operation with a number is the one that owns it.
    """
    outside, backward, part_of_number = Counter(), Counter(), {}
    for event, part in with_parts(step):
        if event.name.startswith(BACKWARD):
            backward[part_of_number.get(event.sequence_nr, REST)] += event.cpu_time_total
        else:
            outside[part] += event.self_cpu_time_total
            if event.sequence_nr >= 0:
                part_of_number[event.sequence_nr] = part
    return outside, backward


class Watch:
    """Called after every step: times some without the profiler, then profiles some, each as one event `STEP`."""

    def __init__(self, model: Transformer, plain: int, profiled: int):
        self.model, self.plain, self.end = model, plain, plain + profiled
        self.profiler = profile(activities=[ProfilerActivity.CPU])
        self.step = record_function(STEP)
        self.times, self.start = [], time.perf_counter()

    def __call__(self, line: Metrics) -> None:
        step = line["step"]
        if step <= self.plain:
            self.times.append(time.perf_counter() - self.start)
        else:
            self.step.__exit__(None, None, None)
        if step == self.plain:
            name_modules(self.model)
            self.profiler.start()
        if step == self.end:
            self.profiler.stop()
        elif step >= self.plain:
            self.step = record_function(STEP)
            self.step.__enter__()
        self.start = time.perf_counter()


def profile_steps(recipe: BaseRecipe, steps: int) -> dict[str, Any]:
    corpus = load_corpus("world", recipe.seed, 3000)
    tokenizer = learn_tokenizer(corpus, recipe.config.vocab_size)
    shape = (tokenizer.eos_id, recipe.config.max_seq_len, recipe.batch_size, recipe.seed)
    data = TextData.from_ids(encode_training(corpus, tokenizer), [], *shape)
    torch.manual_seed(recipe.seed)
    model = Transformer(recipe.config)
    warm = 5
    config = replace(recipe.training, steps=warm + 2 * steps, minutes=None, log_every=1)
    watch = Watch(model, plain=warm + steps, profiled=steps)
    fit(Task(model, Timed(data.train), text_loss), config, Run(config, on_metrics=watch))
    outside, backward = Counter(), Counter()
    for event in watch.profiler.events():
        if event.name == STEP:
            for sums, part in zip((outside, backward), times_of_step(event), strict=True):
                sums.update(part)
    whole = outside.total() + backward.total()
    parts = {
        part: {"share": (outside[part] + backward[part]) / whole, "backward": backward[part] / whole}
        for part in sorted(outside | backward, key=lambda part: -outside[part] - backward[part])
    }
    return {
        "threads": torch.get_num_threads(),
        "optimizer": recipe.training.optimizer,
        "activation": recipe.config.activation,
        "step_seconds": min(watch.times[warm:]),
        "tokens_per_second": round(recipe.batch_size * recipe.config.max_seq_len / min(watch.times[warm:])),
        "parts": parts,
    }


def draw(result: dict[str, Any]) -> bytes:
    parts = result["parts"]
    colours = [BLUE if part in MATRICES else ORANGE for part in parts]
    percent = [100 * times["share"] for times in parts.values()]
    unit = "% of a training step (blue: parts that are mostly matrix products)"
    return png(bars(list(parts), percent, unit, digits=1, colours=colours))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    result = profile_steps(BaseRecipe("world"), arguments.steps)
    for part, times in result["parts"].items():
        print(f"{part:30} {times['share']:6.1%}   of it backward {times['backward']:6.1%}")
    (RESULTS / "profile_training.png").write_bytes(draw(result))
    print(f"written to {write_result('profile_training', result).name} and profile_training.png")
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
