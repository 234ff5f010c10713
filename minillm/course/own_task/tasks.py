"""Tasks that a program can make and check, and the questions that lie outside of them.

A task is a function that draws one example: what is asked, and the right answer as a value of JSON.
"""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minillm.course.turns.your_assistant.scoring import score as course_score
from minillm.errors import UserError

Example = tuple[str, Any]  # what is asked, and the right answer: a value of JSON
Make = Callable[[random.Random], Example]
Score = Callable[[str, Any], bool]

THINGS = ("kettle", "lamp", "clock", "umbrella", "radio", "chair", "violin", "basket")
NEW_THINGS = ("teapot", "bicycle", "pencil", "guitar", "doll", "mirror")
SENTENCES = ("I bring {}.", "Please mend {}.", "I have {}.", "Here are {}.")
OTHER_SENTENCES = (
    "Could you repair {}?",
    "My uncle left me {}, and all of it is broken.",
    "Yesterday I dropped {}.",
)
NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HOURS = (
    "twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"
)  # fmt: skip
MINUTES = {5: "five", 10: "ten", 15: "quarter", 20: "twenty", 25: "twenty-five", 30: "half"}
PARTS = {"in the morning": range(1, 12), "in the afternoon": range(12, 18), "in the evening": range(18, 24)}
ATTEMPTS = 50  # draws per example that is wanted, before a task counts as too small

# Written by hand before any model was trained: none of them comes from a generator.
MESSAGES: tuple[Example, ...] = (
    ("hi, my kettle is broken and so are two lamps", {"kettle": 1, "lamp": 2}),
    ("3 clocks and a radio pls", {"clock": 3, "radio": 1}),
    ("It's about the umbrellas. There are four of them.", {"umbrella": 4}),
    ("Two chairs. Oh, and a basket!", {"chair": 2, "basket": 1}),
    ("Could you look at my violin?", {"violin": 1}),
    ("My grandmother left me five clocks and one of her lamps.", {"clock": 5, "lamp": 1}),
    ("one radio, one radio, and one more radio", {"radio": 3}),
    ("a pair of chairs", {"chair": 2}),
    ("half a dozen baskets", {"basket": 6}),
    ("I'd like to have six lamps repaired, and also a clock if you have time.", {"lamp": 6, "clock": 1}),
    ("KETTLE x2", {"kettle": 2}),
    ("both my violins need new strings", {"violin": 2}),
    ("lamp: 3, chair: 1", {"lamp": 3, "chair": 1}),
    ("I wanted to bring three radios, but it's only two.", {"radio": 2}),
    ("There's an umbrella at the door and a chair behind it, both broken.", {"umbrella": 1, "chair": 1}),
    ("Five baskets, five chairs.", {"basket": 5, "chair": 5}),
    ("Hello! Do you repair clocks? I have four.", {"clock": 4}),
    ("The twins each broke a violin.", {"violin": 2}),
    ("2 kettles 1 lamp", {"kettle": 2, "lamp": 1}),
    ("It rained, so now I own six dead umbrellas and one sad radio.", {"umbrella": 6, "radio": 1}),
    ("Please mend a chair, a lamp, a clock and a kettle.", {"chair": 1, "lamp": 1, "clock": 1, "kettle": 1}),
    ("Three violns and a baskt, please.", {"violin": 3, "basket": 1}),
    ("my lamps, all five of them", {"lamp": 5}),
    ("no kettles today, just a clock", {"clock": 1}),
)
GENERAL = (  # a question, and the words of which a right answer has one
    ("What is the capital of France?", ("paris",)),
    ("What is the capital of Japan?", ("tokyo",)),
    ("In which country is Berlin?", ("germany",)),
    ("How many days are in a week?", ("seven", "7")),
    ("What color is the sky on a clear day?", ("blue",)),
    ("What is the opposite of big?", ("small", "little", "tiny")),
    ("On which planet do we live?", ("earth",)),
    ("Who wrote Romeo and Juliet?", ("shakespeare",)),
    ("What do cows give us to drink?", ("milk",)),
    ("What is the largest ocean?", ("pacific",)),
    ("How many legs does a cat have?", ("four", "4")),
    ("Which elements is water made of?", ("hydrogen",)),
)
OLD_QUESTIONS = (  # what the model answers before it is trained; none of GENERAL
    "What is the capital of Italy?", "Which animal barks?", "What is ice made of?", "How many legs does a spider have?",
    "What do bees make?", "What is the opposite of hot?", "Who painted the Mona Lisa?", "What is the tallest mountain?",
    "How many minutes are in an hour?", "What color is grass?", "Which planet is the largest?", "What do we breathe?",
    "Tell me a joke.", "What is a verb?", "Why do birds sing?", "Who was Isaac Newton?",
)  # fmt: skip


def order(
    rng: random.Random,
    things: Sequence[str] = THINGS,
    least: int = 1,
    most: int = 6,
    sentences: Sequence[str] = SENTENCES,
) -> Example:
    """An order of a repair shop: one to three things, and how many of each.

    >>> order(random.Random(3))
    ('I bring five clocks and four baskets.', {'clock': 5, 'basket': 4})
    """
    chosen = rng.sample(things, rng.choice([1, 2, 2, 3]))
    counts = [rng.randint(least, most) for _ in chosen]
    said = [_counted(count, thing) for count, thing in zip(counts, chosen, strict=True)]
    together = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return rng.choice(sentences).format(together), dict(zip(chosen, counts, strict=True))


def _counted(count: int, thing: str) -> str:
    article = "an" if count == 1 and thing[0] in "aeiou" else NUMBERS[count]
    return f"{article} {thing}{'s' * (count > 1)}"


def spoken_time(rng: random.Random) -> Example:
    """A time of day in words, in steps of five minutes, and its hour (0 to 23) and minute.

    >>> spoken_time(random.Random(1))
    ("It's five past ten in the morning.", {'hour': 10, 'minute': 5})
    """
    part = rng.choice([*PARTS])
    hour, minute = rng.choice(PARTS[part]), rng.randrange(0, 60, 5)
    this, following = HOURS[hour % 12], HOURS[(hour + 1) % 12]
    if minute == 0:
        said = f"{this} o'clock"
    else:
        said = f"{MINUTES[minute]} past {this}" if minute <= 30 else f"{MINUTES[60 - minute]} to {following}"
    return f"It's {said} {part}.", {"hour": hour, "minute": minute}


def elsewhere(count: int = 20) -> dict[str, list[Example]]:
    """Orders that differ from those of `order` in one thing each."""
    changes: dict[str, dict[str, Any]] = {
        "new things": {"things": NEW_THINGS},
        "numbers 7 to 9": {"least": 7, "most": 9},
        "other sentences": {"sentences": OTHER_SENTENCES},
    }
    return {name: draw(lambda rng, its=its: order(rng, **its), count, seed=99) for name, its in changes.items()}


def draw(make: Make, count: int, seed: int = 0) -> list[Example]:
    """So many examples of a task, each question once; raises `UserError` where there aren't so many.

    >>> len({question for question, _ in draw(order, 84)})
    84
    """
    found: dict[str, Any] = {}
    for number in range(count * ATTEMPTS):
        if len(found) == count:
            break
        question, answer = make(random.Random(seed * 1_000_003 + number))
        found.setdefault(question, json.loads(json.dumps(answer)))
    if len(found) < count:
        raise UserError(
            f"your generator made {len(found)} different questions in {count * ATTEMPTS} draws, and {count} are "
            "needed; let it vary more, and use the `rng` that it gets"
        )
    return [*found.items()]


def split(make: Make, train: int = 24, test: int = 60, seed: int = 0) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and others to test with: the test set is the same for every seed and every `train`.

    >>> (few, test), (many, same) = split(order), split(order, train=96, seed=1)
    >>> len(few), len(many), test == same, {*dict(many)} & {*dict(test)}
    (24, 96, True, set())
    """
    held_out = draw(make, test)
    asked = dict(held_out)
    others = [each for each in draw(make, train + test, seed=seed + 1) if each[0] not in asked]
    return others[:train], held_out


@dataclass(frozen=True)
class Frozen:
    """A test set and the function that scores it, as they were before training.

    >>> exam = Frozen.of([("Two kettles.", {"kettle": 2})])
    >>> exam.hits(['{"kettle": 2}']), len(exam.digest)
    ([True], 8)
    """

    test: tuple[Example, ...]
    score: Score
    digest: str

    @classmethod
    def of(cls, test: Sequence[Example], score: Score = course_score) -> "Frozen":
        """Freeze copies; the digest is the beginning of the SHA-256 of questions and right answers."""
        kept = json.loads(json.dumps([*test]))
        return cls(tuple((question, answer) for question, answer in kept), score, digest_of(kept))

    @property
    def questions(self) -> list[str]:
        """What is asked."""
        return [question for question, _ in self.test]

    def hits(self, answers: Sequence[str]) -> list[bool]:
        """Whether each answer is right; raises `UserError` for another number of answers."""
        if len(answers) != len(self.test):
            raise UserError(f"there are {len(answers)} answers to {len(self.test)} questions; give one for each")
        return [bool(self.score(said, due)) for said, (_, due) in zip(answers, self.test, strict=True)]


def digest_of(examples: Any) -> str:
    """Eight characters that change if anything in the examples does."""
    text = json.dumps(examples, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def knows(answers: Sequence[str]) -> list[bool]:
    """Whether each answer to GENERAL has one of the words of a right one."""
    spoken = [" " + " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split()) for text in answers]
    return [any(f" {word}" in text for word in words) for text, (_, words) in zip(spoken, GENERAL, strict=True)]
