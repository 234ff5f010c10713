"""What is kept at the end: an adapter with a card, the learner's own model as one HTML file, and a list of it all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from minillm.course import models
from minillm.course.contents import TOPICS
from minillm.course.learner.saved import workbook
from minillm.course.own_model import REAL_MODEL
from minillm.course.own_task.tasks import Frozen
from minillm.course.turns import turns
from minillm.course.turns.your_assistant.judging import wilson
from minillm.course.versions import load as load_parts
from minillm.files import write_text
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import save_adapter
from minillm.pretrained import load
from minillm.publish import publish

CARD = """# {name}

An adapter for {base}: rank-8 corrections of all matrices in its blocks, trained in minillm, lesson 14.

It was asked {of} questions that were frozen before training (digest {digest}). Right, with the 95% interval:

{rows}

It was trained on {examples} examples. It wasn't asked about anything else than what stands here.
"""


def card(name: str, exam: Frozen, examples: int, results: Mapping[str, Sequence[bool]]) -> str:
    """What a stranger must know of the model, as Markdown: each way with its hits, of however many questions.

    >>> print(card("Pip", Frozen.of([("A lamp.", {"lamp": 1})]), 24, {"mine": [True]}).splitlines()[6])
    - mine: 1 of 1 (21% to 100%)
    """
    rows = []
    for way, hits in results.items():
        low, high = wilson(sum(hits), len(hits))
        rows.append(f"- {way}: {sum(hits)} of {len(hits)} ({max(0.0, low):.0%} to {high:.0%})")
    return CARD.format(
        name=name, base=REAL_MODEL, of=len(exam.test), digest=exam.digest, rows="\n".join(rows), examples=examples
    )


def keep(model: Transformer, name: str, exam: Frozen, examples: int, results: Mapping[str, Sequence[bool]]) -> Path:
    """Save the corrections and their card in the workbook, mine/assistant, and print the card."""
    folder = _mine() / "assistant"
    save_adapter(model, folder, base_name=REAL_MODEL)
    text = card(name, exam, examples, results)
    write_text(folder / "README.md", text)
    print(text)
    print(f"Kept in mine/assistant, {_megabytes(folder):.1f} MB.")
    return folder


def gift(author: str = "") -> Path:
    """Write the model that lesson 08 kept as one HTML file, mine/model.html; without one, the course's base model."""
    own = _mine() / "model"
    kept = (own / "config.json").is_file()
    model, tokenizer = load(own) if kept else models.base()
    path = _mine() / "model.html"
    size = publish(
        model, tokenizer, path, "My language model" if kept else "A language model", author or None,
        beginnings=["Mira lives in", "The town clock"],
    )  # fmt: skip
    whose = "your model of lesson 08" if kept else "the course's base model (lesson 08 keeps yours)"
    print(f"mine/model.html, {size / 1e6:.1f} MB: {whose}. A double click runs it in a browser, offline.")
    return path


def yours() -> None:
    """Print what is the learner's: the parts that passed, lesson by lesson, and the files that were made of them."""
    written = 0
    for number, topic in TOPICS.items():
        own, asked = load_parts(topic).yours, turns(number)
        names = [turn.name for turn in asked if turn.id in own]
        written += len(names)
        if names:
            print(f"Lesson {number:>3}: {', '.join(names)}")
    print(f"{written} of {sum(len(turns(number)) for number in TOPICS)} parts of the course are yours.")
    for path, what in (
        ("model", "a language model that you trained from nothing"),
        ("model.html", "the page that runs it"),
        ("assistant", "your assistant: an adapter, and a card that says how good it is"),
    ):
        if (_mine() / path).exists():
            print(f"mine/{path:11} {_megabytes(_mine() / path):6.1f} MB  {what}")


def _mine() -> Path:
    folder = workbook() / "mine"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 1e6
