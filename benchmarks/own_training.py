"""Lesson 08's training update through the package, and through what the learner wrote in lessons 03 to 06.

    python benchmarks/own_training.py          # about a minute on one quiet core

One update is 16 rows of 256 tokens, forward, backward and Muon, on one thread. The contestants take turns; the result
is their time in that of the package. *Own parts*: attention, rotation, norm and feed-forward are functions of the
course's turns (a learner's are as fast), head by head and text by text, inside the package's blocks. *Own transformer*:
all of the model is `transformer(ids, weights, settings)`, which has no QK-norm; so its model has none. Own parts
compute in float32 only: they refuse the mixed precision that the package trains in where that is faster.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from common import race, write_result
from optimizers import run
from short_runs import CONFIG, SETTINGS, Lesson, kept, new_model, train, train_and_measure

from minillm import Transformer
from minillm.course.own_model import use_mine
from minillm.losses import next_token_loss
from minillm.training.pretraining import text_loss

NO_QK_NORM = CONFIG.replace(qk_norm=False)
PACKAGE, WITHOUT = "package", "package, no QK-norm"
PARTS, WHOLE = "own parts", "own transformer, no QK-norm"


def plain_loss(model: Transformer, batch: Any) -> Any:
    """The loss of a model's logits, which own parts compute."""
    return next_token_loss(model(batch[0]), batch[1])


def contestants() -> dict[str, tuple[Transformer, Callable[[Transformer, Any], Any]]]:
    """A model with the initial weights of seed 0, and its loss, by name."""
    return {
        PACKAGE: (new_model(0), text_loss),
        WITHOUT: (new_model(0, NO_QK_NORM), text_loss),
        PARTS: (use_mine(new_model(0)), plain_loss),
        WHOLE: (use_mine(new_model(0, NO_QK_NORM)), plain_loss),
    }


def losses(batches: Any, updates: int, bf16: bool | None = False) -> dict[str, list[float]]:
    """The losses of the first updates of each contestant, in float32 by default."""
    config = replace(SETTINGS, bf16=bf16)
    return {
        name: [done.loss for done in train(model, batches, config, loss=loss, until=updates)]
        for name, (model, loss) in contestants().items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lesson = Lesson.load()
    batches = lesson.data(0).train
    seconds: dict[str, dict[str, float]] = {}
    for label, bf16 in (("as the machine prefers", None), ("float32", False)):
        config = replace(SETTINGS, bf16=bf16)

        def prepare(model: Transformer, loss: Any, config: Any = config) -> Callable[[], Callable[[], object]]:
            return lambda: lambda: train(model, batches, config, loss=loss, until=1)

        able = {name: pair for name, pair in contestants().items() if bf16 is False or name.startswith(PACKAGE)}
        seconds[label] = race({name: prepare(*pair) for name, pair in able.items()}, arguments.rounds)
        print(label, seconds[label], flush=True)
    rate = SETTINGS.learning_rate
    whole = {
        PACKAGE: run(lesson, "Muon", rate),
        WITHOUT: kept("own_training", {"qk_norm": False}, lambda: train_and_measure(lesson, 0, shape=NO_QK_NORM)),
    }
    package = seconds["as the machine prefers"][PACKAGE]
    result = {
        "seconds": seconds,
        "ratios": {label: {name: value / package for name, value in found.items()} for label, found in seconds.items()},
        "losses": losses(batches, 3),
        "validation loss after 120 updates of the package": {name: found["val_loss"] for name, found in whole.items()},
    }
    print(json.dumps(result["losses"]))
    write_result("own_training", result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
