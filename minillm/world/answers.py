"""When an answer is right: an exact check that forgives manner, not matter.

A reply is read for the things it names, among all that could be named there: the people of the world, its
places, numbers, meanings such as "lost". It is right exactly if these are the true ones. So "Bram.", "It was
Bram the ferryman" and "certainly: BRAM" are one answer, "Bram or Nell" is another, and case, articles, full
stops and courtesies do not count. What the question itself names may be repeated. An answer that hedges or
takes itself back ("perhaps Bram", "not Bram") is wrong.

What this does not do: understand. A sentence that names the right person and says something false about
the weather is right.
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

Phrase = tuple[str, ...]


def bare_words(text: str) -> Phrase:
    """The words of a text without case, punctuation, articles and the 's of possession.

    >>> bare_words("They're THE forty-two keys of Mira's!")
    ('theyre', 'forty', 'two', 'keys', 'of', 'mira')
    """
    text = re.sub(r"'s\b", "", text.casefold().replace("’", "'"))
    words = re.findall(r"\w+", text.replace("'", ""))
    return tuple(word for word in words if word not in ARTICLES)


def in_words(number: int) -> str:
    """A whole number from 0 to 99 in English words; raises ValueError beyond.

    >>> in_words(7), in_words(42)
    ('seven', 'forty-two')
    """
    if not 0 <= number <= 99:
        raise UserError(f"{number} cannot be written out here; numbers in words go from 0 to 99")
    if number < len(ONES):
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens - 2] + (f"-{ONES[ones]}" if ones else "")


class Vocabulary:
    """Phrases and what they mean; reads a text for all of them, the longest phrase first.

    With `figures` every number in digits counts as named, whether it is in the list or not.

    >>> animals = Vocabulary({"goose": ["goose"], "swan": ["swan", "white bird"]})
    >>> animals.read("A white bird, then the goose.")
    ['swan', 'goose']
    """

    def __init__(self, meanings: Mapping[str, Iterable[str]], figures: bool = False):
        self._figures = figures
        self._meaning = {bare_words(phrase): meaning for meaning, phrases in meanings.items() for phrase in phrases}
        self._lengths = sorted({len(phrase) for phrase in self._meaning} - {0}, reverse=True)

    def read(self, text: str) -> list[str]:
        """What the text names, in order."""
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
    """The truth about one question, and the vocabulary in which a reply is compared with it.

    >>> animals = Vocabulary({"goose": ["goose"], "swan": ["swan"], "ram": ["ram"], "denial": ["not"]})
    >>> key = Key(("goose",), animals, given=frozenset(("ram",)))
    >>> key.accepts("THE GOOSE!"), key.accepts("It was the goose that chased the ram"), key.accepts("not the goose")
    (True, True, False)
    """

    truth: Sequence[str]
    vocabulary: Vocabulary
    ordered: bool = False  # whether the truth is a list, to be told in its order and nothing left out
    given: frozenset[str] = frozenset()  # what the question names; it may come back in the reply

    def accepts(self, reply: str) -> bool:
        """Whether a reply says the truth, the whole truth and nothing else that the vocabulary knows."""
        named = self.vocabulary.read(reply)
        if self.ordered:
            return named == list(self.truth)
        return set(named) - (self.given - set(self.truth)) == set(self.truth)
