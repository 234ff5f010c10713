"""Twelve facts about a shop that exists nowhere: told, shown, looked up, learned by heart, and learned to be read.

    python benchmarks/own_facts.py               # about 20 minutes on one thread; what is done is kept in --folder
    python benchmarks/own_facts.py --seeds 0     # without training: some minutes

SmolLM2-135M-Instruct answers 62 questions in five families (`minillm/course/own_task/facts.py`): facts as they were
taught, in other words and backwards, questions that no fact answers, and everyday ones. Ways without training: nothing;
a system message with all facts; 24 examples in three orders; both; a look-up by rare words, without any model. LoRA
(rank 8) learns the same 24 examples: by heart (40 updates of 8 rows, learning rate 2e-3), or with the message before
each ("reader": 24 updates of 2 rows, 1e-3). The reader's control ("apart") learns as it does, but without the message,
and gets it only when asked. For each trained model, the message is given with other facts, too: are they read from it,
or recited? A seed draws A and the order of the examples.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import write_result
from measures import stored, wilson
from paired import mcnemar, over_seeds

from minillm.course import own_task
from minillm.course.own_task import facts
from minillm.data.chat import Message

ORDERS, LONGEST, Z = (0, 1, 2), 24, 1.96
BY_HEART = {"updates": 40, "rate": 2e-3, "size": 8}
READER = {"updates": 24, "rate": 1e-3, "size": 2}


def system(text: str) -> list[Message]:
    """A system message, or none."""
    return [{"role": "system", "content": text}] if text else []


def answers(model: Any, before: list[Message], questions: tuple[str, ...] = facts.QUESTIONS) -> dict[str, str]:
    """What a model says to each question, with messages before it."""
    talks = [[*before, {"role": "user", "content": question}] for question in questions]
    return dict(zip(questions, own_task.ask(model, talks, LONGEST), strict=True))


def shown(seed: int) -> list[Message]:
    """The 24 examples as a conversation, in an order."""
    pairs = own_task.in_order(facts.SHOWN, seed)
    return [
        message
        for asked, said in pairs
        for message in ({"role": "user", "content": asked}, {"role": "assistant", "content": said})
    ]


def trained(seed: int, message: str, recipe: dict[str, Any], told: str | None = None) -> dict[str, Any]:
    """One run, its answers (with the message it learned with, or another one), and those with other facts in it."""
    run = own_task.teach(facts.SHOWN, seed=seed, system=message, **recipe)
    taught = tuple(asked for asked, *_ in facts.FACTS)
    return {
        "answers": answers(run.model, system(message if told is None else told)),
        "changed": facts.read_or_recited(answers(run.model, system(facts.changed()), taught)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of training")
    parser.add_argument("--folder", type=Path, default=Path("runs/own_facts"), help="keeps what is done")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    native = own_task.untrained()[0]
    ways: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        ("untrained", lambda: {"answers": answers(native, [])}),
        ("look-up", lambda: {"answers": {question: facts.look_up(question) for question in facts.QUESTIONS}}),
        ("told", lambda: {"answers": answers(native, system(facts.MESSAGE))}),
        *((f"24 shown, order {n}", lambda n=n: {"answers": answers(native, shown(n))}) for n in ORDERS),
        ("told and 24 shown", lambda: {"answers": answers(native, system(facts.MESSAGE) + shown(0))}),
    ]
    for seed in range(arguments.seeds):
        ways.append((f"by heart, seed {seed}", lambda s=seed: trained(s, "", BY_HEART)))
        ways.append((f"reader, seed {seed}", lambda s=seed: trained(s, facts.MESSAGE, READER)))
        ways.append((f"apart, seed {seed}", lambda s=seed: trained(s, "", READER, facts.MESSAGE)))
    rows: dict[str, dict[str, Any]] = {}
    hits: dict[str, dict[str, list[bool]]] = {}
    result: dict[str, Any] = {}
    for name, make in ways:
        made = stored(arguments.folder / f"{name}.json", make)
        hits[name] = facts.marked(made["answers"])
        rows[name] = {family: wilson(sum(own), len(own), Z) for family, own in hits[name].items()}
        print(f"{name:22}", {family: f"{row['hits']}/{row['of']}" for family, row in rows[name].items()}, flush=True)
        rows[name] |= {"changed": made["changed"]} if "changed" in made else {}
        rows[name]["answers"] = [made["answers"][question] for question in facts.QUESTIONS]  # the lab marks them itself
        result = {"ways": rows, "recipes": {"by heart": BY_HEART, "reader": READER}, "means": means(rows)}
        result["manner"] = {
            f"24 shown, order 0 | {other}": mcnemar(hits["24 shown, order 0"]["manner"], hits[other]["manner"])
            for other in hits
            if other.startswith(("by heart", "reader", "apart"))
        }
        write_result("own_facts", result)
    if arguments.json:
        print(json.dumps(result))


def means(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Hits over the seeds of each kind of training, by family."""
    found = {}
    for kind in ("by heart", "reader", "apart"):
        runs = [row for name, row in rows.items() if name.startswith(f"{kind}, seed")]
        if runs:
            families = ("manner", *facts.EXAM)
            found[kind] = {family: over_seeds([row[family]["hits"] for row in runs]) for family in families}
    return found


if __name__ == "__main__":
    main()
