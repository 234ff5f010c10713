"""Riddles: a few clues that only one answer fits, the question, and who found the answer.

A riddle draws its answer first and reveals it only at the end, so a reader must track every answer that the clues
still allow. Some answers are one word with two meanings: the clues distinguish a bank with money from a bank with
reeds. The clues, which come in random order, and the sentences around them are in `text/riddles.toml`.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minillm.world.choice import Chooser, Options, equally
from minillm.world.lexicon import TEXT, Entity, WorldDataError, load_lexicon, read_toml
from minillm.world.scene import CastingRule, Scene
from minillm.world.wording import Form, say_one_of

PARTS = ("opening", "question", "answer")
FEWEST, MOST = 2, 4  # clues in a document
GO_ON: Options = ((3, True), (2, False))  # after the second clue and after the third


@dataclass(frozen=True, eq=False, slots=True)
class RiddleBook:
    """The answers, the clues for each, and the sentences that all riddles share."""

    answers: Options
    clues: Mapping[Entity, Options]
    parts: Mapping[str, Options]
    rules: Mapping[str, CastingRule]


@functools.cache
def load_riddles(folder: Path = TEXT) -> RiddleBook:
    """Read `riddles.toml`; raises `WorldDataError` for an invalid entry or a clue that two answers share."""
    content = read_toml(folder / "riddles.toml", ("cast", "forms", "riddle"))
    try:
        return _book(content, load_lexicon(folder).kinds)
    except WorldDataError as problem:
        raise WorldDataError(f"riddles.toml: {problem}") from None


def _book(content: dict[str, Any], kinds: Mapping[str, Options]) -> RiddleBook:
    for part in PARTS:
        if not content["forms"].get(part):
            raise WorldDataError(f"there are no forms for the {part!r}; add at least one sentence")
    rules = {role: CastingRule.parse(text) for role, text in content["cast"].items()}
    for role, rule in rules.items():
        if rule.kind not in kinds:
            raise WorldDataError(f"the role {role!r} is cast from {rule.kind!r}; the kinds are {', '.join(kinds)}")
    owners: dict[str, str] = {}
    clues: dict[Entity, Options] = {}
    for answer, sentences in content["riddle"].items():
        if len(sentences) < MOST:
            raise WorldDataError(f"{answer!r} has {len(sentences)} clues; add more, a riddle uses up to {MOST}")
        for sentence in sentences:
            if sentence in owners:
                raise WorldDataError(
                    f"the clue {sentence!r} is given for {owners[sentence]!r} and {answer!r}; keep it for one of them"
                )
            owners[sentence] = answer
        clues[Entity("riddle", answer, answer)] = equally([Form.parse(sentence) for sentence in sentences])
    parts = {part: equally([Form.parse(form) for form in content["forms"][part]]) for part in PARTS}
    return RiddleBook(equally(list(clues)), clues, parts, rules)


def begin(scene: Scene, chooser: Chooser, book: RiddleBook) -> None:
    """Start a riddle; its answer is drawn with the first clue."""
    scene.plan, scene.plan_position, scene.rules = book, "opening", book.rules


def step(scene: Scene, chooser: Chooser) -> None:
    """Say the opening, a clue, the question or the answer."""
    book, position = scene.plan, scene.plan_position
    if position in PARTS:
        say_one_of(f"form {position}", book.parts[position], scene, chooser)
        scene.plan_position = {"opening": 0, "question": "answer", "answer": None}[position]
        scene.finished = position == "answer"
        return
    if position == 0:
        scene.cast_role("X", chooser.choose("riddle", book.answers))
    say_one_of(f"clue {scene.cast['X'].name}", book.clues[scene.cast["X"]], scene, chooser)
    told = position + 1
    more = told < FEWEST or (told < MOST and chooser.choose("another clue", GO_ON))
    scene.plan_position = told if more else "question"
