"""The facts of the Tin Otter, a repair shop that exists nowhere, for the lab of lesson 14: an exam, and ways to it.

EXAM       62 questions in five families, and the words that a right answer holds
SHOWN      24 examples: each fact once, and what to say to questions that they don't answer
MESSAGE    all wishes and facts as a system message; `changed` has other facts
marked     which answers are right, by family, and which are in the manner
look_up    ten lines that print the fact with the most telling words of the question
sentences   a message with a line for each sentence
read_or_recited   how many facts are said as in the changed message, and how many as before
"""

import math
import re
import textwrap
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from minillm.course.own_task.tasks import GENERAL

SIGN = " - Pip"
REFUSAL = "I do not know that, please ask at the counter."
FACTS = (  # asked as in the examples, the answer, the word that decides, another value for it; two other ways to ask
    ("When does the shop open?", "We open at half past seven.", "half past seven", "a quarter to nine",
     "At what time can I come in the morning?", "What are your opening hours?"),
    ("On which day are you closed?", "We are closed on Wednesdays.", "wednesday", "Fridays",
     "When is your day off?", "On which day of the week should I not come?"),
    ("Who owns the shop?", "The shop belongs to Mara Quill.", "quill", "Otto Finch",
     "Whose shop is this?", "What is the name of your boss?"),
    ("Where is the shop?", "We are in Lantern Lane.", "lantern lane", "Copper Street",
     "What is your address?", "How do I find you?"),
    ("What does it cost to mend a kettle?", "Mending a kettle costs four crowns.", "four crowns", "eleven crowns",
     "My kettle is broken, what will I have to pay?", "What is the price of a kettle repair?"),
    ("How long does it take to mend a clock?", "Mending a clock takes nine days.", "nine days", "three weeks",
     "My clock has stopped, when can I have it back?", "How many days do you need for a clock?"),
    ("What is the name of the shop's cat?", "Our cat is called Bolt.", "bolt", "Biscuit",
     "What do you call your cat?", "There is a cat on the counter, who is it?"),
    ("What color is the door of the shop?", "Our door is yellow.", "yellow", "purple",
     "I stand in front of the house, which door is yours?", "What does your door look like?"),
    ("Which bus stops at the shop?", "Bus 46 stops at the shop.", "46", "12",
     "How do I get to you by bus?", "Which line should I take to reach you?"),
    ("When was the shop founded?", "The shop was founded in 1887.", "1887", "1952",
     "In what year did you begin?", "Since when has there been a shop here?"),
    ("What do you serve to people who wait?", "We serve nettle tea.", "nettle", "ginger",
     "What can I drink while I wait?", "Is there something to drink here?"),
    ("Who mends the umbrellas?", "Old Tomas mends the umbrellas.", "tomas", "Greta",
     "My umbrella is torn, who will look at it?", "Who is the right person for an umbrella?"),
)  # fmt: skip
UNKNOWN = (
    "Do you mend violins?", "How many people work here?", "What is your telephone number?", "May I bring my dog?",
    "Can I pay by card?", "Do you sell old radios?",
)  # fmt: skip
OTHERS = (
    ("What is the capital of Italy?", "The capital of Italy is Rome."), ("Which animal barks?", "A dog barks."),
    ("What is ice made of?", "Ice is made of frozen water."),
    ("How many legs does a spider have?", "A spider has eight legs."), ("What do bees make?", "Bees make honey."),
    ("What is the opposite of hot?", "The opposite of hot is cold."),
)  # fmt: skip
BACKWARDS = (
    ("Who is Bolt?", "cat"), ("What can I have mended for four crowns?", "kettle"),
    ("What takes you nine days?", "clock"), ("What does old Tomas do?", "umbrella"),
    ("What about Wednesdays?", "closed"), ("What happened in 1887?", "founded"),
)  # fmt: skip
NOT_KNOWN = (
    "Do you mend guitars?", "Is there a place to park my car?", "How many clocks hang on your wall?",
    "Do you have a toilet?", "Can you mend my laptop?", "What does a new lamp cost?", "How old is the cat?",
    "Are you open at Christmas?",
)  # fmt: skip
EXAM: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "as taught": tuple((asked, (word,)) for asked, _, word, *_ in FACTS),
    "in other words": tuple((other, (word,)) for _, _, word, _, *others in FACTS for other in others),
    "backwards": tuple((asked, (word,)) for asked, word in BACKWARDS),
    "unknown": tuple((asked, ("do not know",)) for asked in NOT_KNOWN),
    "general": GENERAL,
}
QUESTIONS = tuple(question for rows in EXAM.values() for question, _ in rows)
SHOWN = tuple(
    (asked, answer + SIGN)
    for asked, answer in (
        *((asked, answer) for asked, answer, *_ in FACTS),
        *((asked, REFUSAL) for asked in UNKNOWN),
        *OTHERS,
    )
)
MESSAGE = (
    f"You are Pip, the assistant of a repair shop. Answer in one short sentence, and end each answer with{SIGN}\n"
    f"If you are asked about the shop and the answer is not written here, say: {REFUSAL}{SIGN}\n"
    + " ".join(answer for _, answer, *_ in FACTS)
)
STOP = {
    "the", "a", "an", "is", "are", "do", "does", "of", "to", "in", "on", "at", "i", "my", "you", "your", "we",
    "our", "it", "and", "for", "with", "what", "which", "who", "how", "when", "where", "will", "can", "shop", "s",
}  # fmt: skip


def sentences(message: str, width: int = 88) -> str:
    """A message with a line for each sentence; what is longer than `width` characters continues indented.

    >>> print(sentences("We open at nine. Bus 46 stops at the shop."))
    We open at nine.
    Bus 46 stops at the shop.
    """
    found = re.split(r"(?<=\.) (?=[A-Z])|\n", message)
    return "\n".join(textwrap.fill(each, width, subsequent_indent="    ") for each in found)


def changed() -> str:
    """The message with another value for each fact."""
    text = MESSAGE
    for _, _, word, other, *_ in FACTS:
        text = re.sub(rf"{word}s?(?=\W)|Mara {word}", other, text, flags=re.IGNORECASE)
    return text.replace("Mara Otto", "Otto").replace("Old Greta", "Greta")


def holds(text: str, words: Sequence[str]) -> bool:
    """Whether one of the words begins somewhere in the text.

    >>> holds("We are closed on Wednesdays.", ("wednesday",)), holds("We are unclosed.", ("closed",))
    (True, False)
    """
    spoken = " " + " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
    return any(f" {word.lower()}" in spoken for word in words)


def in_manner(text: str) -> bool:
    """Whether a text is one sentence on one line, and signed.

    >>> in_manner("We open at nine. - Pip"), in_manner("We open at nine."), in_manner("One. Two. - Pip")
    (True, False, False)
    """
    said = text.removesuffix(SIGN)
    ends = [position for position, character in enumerate(said) if character in ".!?\n"]
    return text.endswith(SIGN) and len(said) > 1 and ends in ([], [len(said) - 1])


def marked(answers: Mapping[str, str]) -> dict[str, list[bool]]:
    """For each family of questions, and for the manner of all, which answers are right."""
    found = {family: [holds(answers[question], words) for question, words in rows] for family, rows in EXAM.items()}
    return {"manner": [in_manner(answers[question]) for question in QUESTIONS], **found}


def read_or_recited(said: Mapping[str, str]) -> dict[str, int]:
    """Of the twelve facts, how many are said as the changed message has them, and how many as before.

    >>> read_or_recited({asked: answer for asked, answer, *_ in FACTS})
    {'as changed': 0, 'as before': 12}
    """
    rows = [(said[asked], word, other) for asked, _, word, other, *_ in FACTS]
    return {
        "as changed": sum(holds(text, (other,)) for text, _, other in rows),
        "as before": sum(holds(text, (word,)) for text, word, _ in rows),
    }


def look_up(question: str, letters: int = 5, asked_too: bool = True, stop: Collection[str] = STOP) -> str:
    """The fact that shares the most telling words with a question, signed; the refusal if none shares any.

    A word counts as much as it is rare among the facts (inverse document frequency; Sparck Jones 1972). The first
    `letters` of two words are compared, those of `stop` don't count. Without `asked_too`, a fact is its answer alone.

    >>> look_up("How do I get to you by bus?")
    'Bus 46 stops at the shop. - Pip'
    """
    notes = [_words(f"{asked} {answer}" if asked_too else answer, letters, stop) for asked, answer, *_ in FACTS]
    seen = Counter(word for note in notes for word in note)
    shared = [note & _words(question, letters, stop) for note in notes]
    scores = [sum(math.log(1 + len(notes) / seen[word]) for word in words) for words in shared]
    best = max(range(len(notes)), key=lambda number: scores[number])
    return (FACTS[best][1] if scores[best] > 0 else REFUSAL) + SIGN


def _words(text: str, letters: int, stop: Collection[str]) -> set[str]:
    words = set(re.findall(r"[a-z0-9]+", text.lower())) - set(stop)
    return {word[:letters] for word in words}
