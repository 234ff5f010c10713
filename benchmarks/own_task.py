"""A task of one's own: 24 examples of orders as JSON, shown to the model or taught by LoRA, and what that costs.

    python benchmarks/own_task.py                # about an hour on one thread; what is done is kept in --folder
    python benchmarks/own_task.py --seeds 1 --parts orders --json

SmolLM2-135M-Instruct reads "I have five violins, four kettles and four clocks." and must answer with
{"violin": 5, "kettle": 4, "clock": 4}. The test set of 60 orders is frozen, and no answer to it is looked at before
scoring. All ways get the same 24 examples: a prompt with 8 or 24 of them in three orders, the nearest example, and LoRA
(rank 8, 20 updates of 8 rows, learning rate 2e-3 after 5 updates of warmup, cosine to 0). A rule of a few lines, which
knows the generator's number words, needs none. A seed of training draws A and the order of the examples. Controls: the
same training with the answers dealt to other questions, and untrained weights. Then what lies outside: orders that
differ in one thing, 24 messages written by hand before any training, and 12 everyday questions. `mixed` adds 16 answers
of the untrained model to everyday questions (none of the 12), and trains for as many epochs. The second task is
spoken time ("twenty to four in the morning"), with 24 and with 216 examples.

A hit is JSON that equals the truth; `strict` also asks that no key comes twice, which `json.loads` lets pass.
"""

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from common import write_result
from measures import stored, wilson
from paired import mcnemar, over_seeds

from minillm.course import own_task
from minillm.course.own_task.answering import SENTENCE
from minillm.course.own_task.tasks import Example, Frozen
from minillm.course.own_task.teaching import RATE, ROWS, UPDATES

Z = 1.96
SHOTS, ORDERS = (8, 24), (0, 1, 2)
MIXED_UPDATES = 34  # as many epochs of 24 + 16 examples as UPDATES are of 24
TIMES = ((24, 60), (216, 60))  # examples and updates of the second task
DEALT = "answers dealt to other questions"


def sets() -> dict[str, Frozen]:
    """The test set, and orders outside of what was trained."""
    outside = {name: Frozen.of(examples) for name, examples in own_task.elsewhere().items()}
    return {"test": Frozen.of(own_task.split(own_task.order)[1]), **outside, "messages": Frozen.of(own_task.MESSAGES)}


def answered(model: Any, kept: Mapping[str, Frozen]) -> dict[str, list[str]]:
    """The answers of a model to all sets, and to the everyday questions."""
    found = {name: own_task.ask(model, exam.questions) for name, exam in kept.items()}
    return found | {"general": own_task.ask(model, [question for question, _ in own_task.GENERAL], SENTENCE)}


def trained(examples: Sequence[Example], updates: int, seed: int, kept: Mapping[str, Frozen]) -> dict[str, Any]:
    """One run of LoRA, and its answers."""
    run = own_task.teach(examples, updates, seed)
    return {"losses": run.losses, "answers": answered(run.model, kept)}


def dealt(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same questions, each with the answer of another one."""
    answers = [answer for _, answer in examples]
    turn = random.Random(seed).randrange(1, len(answers))
    return [(question, answers[(n + turn) % len(answers)]) for n, (question, _) in enumerate(examples)]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys differ; raises `ValueError` otherwise.

    >>> once([("kettle", 1)])
    {'kettle': 1}
    """
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


def strictly(answer: str, truth: Any) -> bool:
    """Whether an answer is JSON without a key that comes twice, and equals the truth.

    >>> strictly('{"lamp": 1}', {"lamp": 1}), strictly('{"lamp": 1, "lamp": 1}', {"lamp": 1})
    (True, False)
    """
    try:
        return json.loads(answer, object_pairs_hook=once) == truth
    except ValueError:
        return False


def told(answers: Mapping[str, Sequence[str]], kept: Mapping[str, Frozen]) -> dict[str, Any]:
    """How many answers of each set are right."""
    found: dict[str, Any] = {}
    for name, exam in kept.items():
        if name in answers:
            strict = sum(strictly(said, due) for said, (_, due) in zip(answers[name], exam.test, strict=True))
            found[name] = wilson(sum(exam.hits(answers[name])), len(exam.test), Z) | {"strict": strict}
    if "general" in answers:
        found["general"] = wilson(sum(own_task.knows(answers["general"])), len(own_task.GENERAL), Z)
    return found


class Orders:
    """The first task: every way, kept in a folder."""

    def __init__(self, folder: Path, seeds: int):
        self.folder, self.seeds = folder / "orders", seeds
        self.train = own_task.split(own_task.order)[0]
        self.kept = sets()
        self.exam = self.kept["test"]
        self.answers: dict[str, dict[str, list[str]]] = {}
        self.losses: dict[str, list[float]] = {}

    def run(self, result: dict[str, Any]) -> None:
        """All ways, one after another; the result is written after each."""
        native = own_task.untrained()[0]
        of = self.kept
        ways: list[tuple[str, Any]] = [
            ("untrained", lambda: answered(native, {"test": self.exam})),
            ("rule", lambda: {n: [own_task.by_rule(q) for q in e.questions] for n, e in of.items()}),
            ("nearest", lambda: {n: own_task.nearest(self.train, e.questions) for n, e in of.items()}),
        ]
        for shots in SHOTS:
            for seed in ORDERS:
                also = ("test", "messages") if (shots, seed) == (24, 0) else ("test",)
                ways.append((f"{shots} shown, order {seed}", lambda n=shots, s=seed, also=also: self.shown(n, s, also)))
        for name, answer in ways:
            self.keep(name, stored(self.folder / f"{name}.json", lambda answer=answer: {"answers": answer()}), result)
        for seed in range(self.seeds):
            for name, examples, updates in self.lessons(seed):
                path = self.folder / f"{name}, seed {seed}.json"
                made = stored(path, lambda e=examples, u=updates, s=seed: trained(e, u, s, of))
                self.keep(f"{name}, seed {seed}", made, result)

    def lessons(self, seed: int) -> list[tuple[str, list[Example], int]]:
        """What is trained on, and in how many updates."""
        return [
            ("LoRA", self.train, UPDATES),
            ("LoRA, mixed", [*self.train, *own_task.own_answers()], MIXED_UPDATES),
            (f"LoRA, {DEALT}", dealt(self.train, seed), UPDATES),
        ]

    def shown(self, shots: int, seed: int, also: Sequence[str]) -> dict[str, list[str]]:
        """Answers with the first so many examples of an order before the question."""
        native, examples = own_task.untrained()[0], own_task.in_order(self.train, seed)[:shots]
        return {name: own_task.ask(native, own_task.shown(examples, self.kept[name].questions)) for name in also}

    def keep(self, name: str, made: Mapping[str, Any], result: dict[str, Any]) -> None:
        """Add one way to the result, and write it."""
        self.answers[name] = made["answers"]
        if "losses" in made:
            self.losses[name] = made["losses"]
        row = told(made["answers"], self.kept)
        print(f"{name:50}", {key: f"{its['hits']}/{its['of']}" for key, its in row.items()}, flush=True)
        result["orders"] = self.summary()
        write_result("own_task", result)

    def summary(self) -> dict[str, Any]:
        """Hits of every way, means over the seeds, tests of pairs on the same questions, and some answers."""
        rows = {name: told(answers, self.kept) for name, answers in self.answers.items()}
        means: dict[str, Any] = {}
        for lesson in ("LoRA", "LoRA, mixed", f"LoRA, {DEALT}"):
            runs = [row for name, row in rows.items() if name.rpartition(", seed ")[0] == lesson]
            if runs:
                means[lesson] = {key: over_seeds([row[key]["hits"] for row in runs]) for key in runs[0]}
        hits = {name: self.exam.hits(answers["test"]) for name, answers in self.answers.items()}
        pairs = [
            (shown, name)
            for name in hits
            for shown in ("24 shown, order 0", "rule")
            if name.startswith("LoRA") and DEALT not in name
        ]
        pairs += [(f"8 shown, order {seed}", f"24 shown, order {seed}") for seed in ORDERS]
        return {
            "digest": self.exam.digest,
            "examples": len(self.train),
            "updates": {"LoRA": UPDATES, "LoRA, mixed": MIXED_UPDATES},
            "rate": RATE,
            "rows per update": ROWS,
            "ways": rows,
            "means": means,
            "paired": {f"{a} | {b}": mcnemar(hits[a], hits[b]) for a, b in pairs if a in hits and b in hits},
            "losses": self.losses,
            "answers": {
                name: {key: said if key in ("messages", "general") else said[:4] for key, said in answers.items()}
                for name, answers in self.answers.items()
            },
        }


def times(folder: Path, seeds: int, result: dict[str, Any]) -> None:
    """The second task: untrained, shown, nearest, and taught with 24 and with 216 examples."""
    folder = folder / "times"
    examples, test = own_task.split(own_task.spoken_time, 216)
    exam = Frozen.of(test)
    few = examples[:24]
    native = own_task.untrained()[0]
    rows: dict[str, Any] = {}

    def keep(name: str, answers: Sequence[str]) -> None:
        rows[name] = wilson(sum(exam.hits(answers)), len(exam.test), Z) | {"answers": [*answers[:4]]}
        print(f"spoken time: {name:40} {rows[name]['hits']}/{rows[name]['of']}", flush=True)
        result["times"] = {"digest": exam.digest, "ways": rows}
        write_result("own_task", result)

    keep("untrained", stored(folder / "untrained.json", lambda: own_task.ask(native, exam.questions)))
    shown = own_task.shown(few, exam.questions)
    keep("24 shown", stored(folder / "24 shown.json", lambda: own_task.ask(native, shown)))
    keep("nearest of 216", own_task.nearest(examples, exam.questions))
    for seed in range(seeds):
        for count, updates in TIMES:
            name = f"LoRA, {count} examples, seed {seed}"
            made = stored(
                folder / f"{name}.json",
                lambda n=count, u=updates, s=seed: trained(examples[:n], u, s, {"test": exam}),
            )
            keep(name, made["answers"]["test"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of training")
    parser.add_argument("--parts", nargs="+", choices=("orders", "times"), default=["orders", "times"])
    parser.add_argument("--folder", type=Path, default=Path("runs/own_task"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    if "orders" in arguments.parts:
        Orders(arguments.folder, arguments.seeds).run(result)
    if "times" in arguments.parts:
        times(arguments.folder, arguments.seeds, result)
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
