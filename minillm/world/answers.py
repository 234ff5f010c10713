"""Check answers exactly by content, whatever their wording.

The check finds every name that a reply mentions, out of all that would fit the question: people, places,
numbers, meanings such as "lost". The reply is right exactly if it mentions the true ones and no others. So
"Bram.", "It was Bram the ferryman" and "certainly: BRAM" count as the same answer, and "Bram or Nell" is wrong.
Case, articles, punctuation and polite phrases are ignored. A reply may repeat what the question mentions. A
reply that hedges or denies ("perhaps Bram", "not Bram") is wrong.

A reply may show its work: if it contains "Answer:", only what follows the last one is checked.

The check does not understand language: a sentence that names the right person and adds something false about
the weather is accepted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from minillm.errors import UserError

ARTICLES = frozenset(("a", "an", "the"))
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

FINAL = "Answer:"  # what a reply with steps writes before its result

Phrase = tuple[str, ...]


def final_answer(reply: str) -> str:
    """Return the part of a reply that counts: after the last "Answer:", or all of it.

    >>> final_answer("4 + 7 = 11, 1 + 1 + 1 = 3. Answer: 31."), final_answer("It is 31.")
    (' 31.', 'It is 31.')
    """
    return reply.rpartition(FINAL)[2]


def shows_steps(text: str) -> bool:
    """Whether an answer writes down steps before its result.

    >>> shows_steps("4 + 7 = 11, 1 + 1 + 1 = 3. Answer: 31."), shows_steps("It is 31.")
    (True, False)
    """
    return FINAL in text


def bare_words(text: str) -> Phrase:
    """Return the words of a text without case, punctuation, articles and possessive 's.

    >>> bare_words("They're THE forty-two keys of Mira's!")
    ('theyre', 'forty', 'two', 'keys', 'of', 'mira')
    """
    text = re.sub(r"'s\b", "", text.casefold().replace("’", "'"))
    words = re.findall(r"\w+", text.replace("'", ""))
    return tuple(word for word in words if word not in ARTICLES)


def in_words(number: int) -> str:
    """Write an integer from 0 to 99 in English words; raises `UserError` outside that range.

    >>> in_words(7), in_words(42)
    ('seven', 'forty-two')
    """
    if not 0 <= number <= 99:
        raise UserError(f"{number} cannot be written in words; use a number from 0 to 99")
    if number < len(ONES):
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")


class Vocabulary:
    """Phrases with their meanings, and a search for all of them in a text, longest phrase first.

    With `figures`, every number in digits is found, even if it is not in the list.

    >>> animals = Vocabulary({"goose": ["goose"], "swan": ["swan", "white bird"]})
    >>> animals.read("A white bird, then the goose.")
    ['swan', 'goose']
    """

    def __init__(self, meanings: Mapping[str, Iterable[str]], figures: bool = False):
        self._figures = figures
        self._meaning = {bare_words(phrase): meaning for meaning, phrases in meanings.items() for phrase in phrases}
        self._lengths = sorted({len(phrase) for phrase in self._meaning} - {0}, reverse=True)

    def read(self, text: str) -> list[str]:
        """Find the meanings that the text mentions, in order."""
        words, found, position = bare_words(text), [], 0
        while position < len(words):
            for length in self._lengths:
                meaning = self._meaning.get(words[position : position + length])
                if meaning is not None:
                    found.append(meaning)
                    position += length
                    break
            else:
                if self._figures and words[position].isdecimal():
                    found.append(words[position])
                position += 1
        return found


@dataclass(frozen=True)
class Key:
    """The right answer to one question, and the vocabulary used to compare a reply with it.

    >>> animals = Vocabulary({"goose": ["goose"], "swan": ["swan"], "ram": ["ram"], "denial": ["not"]})
    >>> key = Key(("goose",), animals, given=frozenset(("ram",)))
    >>> key.accepts("THE GOOSE!"), key.accepts("It was the goose that chased the ram"), key.accepts("not the goose")
    (True, True, False)
    """

    truth: Sequence[str]
    vocabulary: Vocabulary
    ordered: bool = False  # whether the truth is a list that must be given complete and in order
    given: frozenset[str] = frozenset()  # what the question mentions; the reply may repeat it

    def accepts(self, reply: str) -> bool:
        """Whether the final answer mentions exactly the right thing, and nothing else in the vocabulary."""
        named = self.vocabulary.read(final_answer(reply))
        if self.ordered:
            return named == list(self.truth)
        return set(named) - (self.given - set(self.truth)) == set(self.truth)
