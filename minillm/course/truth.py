"""The exact next word after some beginnings, and questions of a guessing game, for `minillm publish --compare`.

Stored in truth.json, since a browser cannot run the world; `tools/build_truth.py` makes it anew. A word here is a piece
of GPT-2's pre-tokenizer, with the space before it; "" is the end of the document.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minillm.files import read_json
from minillm.world import World
from minillm.world.reading import PIECE

FILE = Path(__file__).with_name("truth.json")
BEGINNINGS = (
    "",
    "The",
    "Every Monday,",
    "Nobody was looking when",
    "NOTICE to everyone who comes to the hay barn: Do not",
    "The King likes",
    "Marta is Wren's",
    "Nothing ever happens in the bakery, or so Mira the baker thought. She had a three-legged stool that was good "
    "enough for the",
    "There is a bench in the rose garden, and the Queen was asleep on it. She had inherited a wicker basket and did "
    "not know what to do with it. Along came her husband the King with a birdcage, the finest in Corran. They shook "
    "hands, and he took the",
    "This riddle is told in Corran, and the King tells it best. I last for a moment and am heard for a mile. I come "
    "out of the tower and never go back in. Any ideas? Before long somebody had it: a",
    "In the cellar Tilda kept 14 lanterns. Then Pru brought 8 more. 14 + 8 =",
    "Hal gave Pru these to do before supper.\n7 - 4 + 5 + 2 =",
)
COUNTED = 4000  # documents of the training stream, from which the bigram model is counted
SEED = 909  # of the documents with the questions; training has seed 0
QUESTIONS = 24  # the game takes the first twenty that a tokenizer can tell apart
N_OPTIONS = 4
OPEN, CERTAIN = 0.6, 0.9  # the largest true probability of an open question at most, of a decided one at least
LONGEST = 600  # characters of a beginning in the game: a phone's screen
DIGITS = 6


def stored() -> dict[str, Any]:
    """The content of truth.json: `beginnings` with their true next words, and `questions`.

    >>> first = stored()["beginnings"][1]
    >>> first["text"], first["next"][0]
    ('The', [' bells', 0.166635])
    """
    return read_json(FILE)


def made() -> dict[str, Any]:
    """The same, computed from the world in about half a minute."""
    world = World(0)
    beginnings = [{"text": text, "next": _rounded(world.next_pieces(text))} for text in BEGINNINGS]
    return {"beginnings": beginnings, "questions": questions(world, Bigrams.count(World(0).documents(COUNTED)))}


class Bigrams:
    """A bigram model of words, interpolated with their frequencies (Witten & Bell 1991; see `data.floor.bigram_loss`).

    >>> bigrams = Bigrams([["a", "b"], ["a", "c"], ["a", "b"]])
    >>> bigrams.probability("a", "b") > bigrams.probability("a", "c") > bigrams.probability("a", "d") > 0
    True
    """

    def __init__(self, texts: Sequence[Sequence[str]]):
        self.words = Counter(word for text in texts for word in (*text, ""))
        self.total = sum(self.words.values())
        self.after: dict[str, Counter] = {}
        for text in texts:
            for first, second in zip(["", *text], [*text, ""], strict=True):
                self.after.setdefault(first, Counter())[second] += 1

    @classmethod
    def count(cls, documents: Sequence[Any]) -> "Bigrams":
        """The model of some documents."""
        return cls([PIECE.findall(document.text) for document in documents])

    def probability(self, first: str, second: str) -> float:
        """P(second | first); "" stands for the beginning and the end of a document."""
        followers = self.after.get(first, Counter())
        alone = (self.words[second] + 1) / (self.total + len(self.words) + 1)
        if not followers:
            return alone
        return (followers[second] + len(followers) * alone) / (followers.total() + len(followers))

    def likeliest(self, first: str, k: int) -> list[str]:
        """The k words that most often came after this one."""
        return [word for word, _ in self.after.get(first, Counter()).most_common(k)]


def questions(world: World, bigrams: Bigrams) -> list[dict[str, Any]]:
    """Beginnings of fresh documents with four words to choose from: open ones and decided ones in turn.

    In a decided one the context leaves hardly a choice, but a bigram model's favorite is another word. Of each
    question: `text`, `options`, `answer` (the place of the word that came), and the probabilities of the options by
    `truth` and `bigram`, which sum to 1.
    """
    found: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for document in World(SEED).documents(40 * QUESTIONS):
        is_open = len(found[True]) <= len(found[False])
        pieces = PIECE.findall(document.text)
        for at in range(5 + len(document.text) % 7, len(pieces)):  # somewhere, and the same place every time
            question = _question(world, bigrams, pieces, at, is_open)
            if question is not None and question["options"] not in [other["options"] for other in found[is_open]]:
                found[is_open].append(question)
                break
        if len(found[True]) == len(found[False]) == QUESTIONS // 2:
            break
    return [question for pair in zip(found[True], found[False], strict=True) for question in pair]


def _question(world: World, bigrams: Bigrams, pieces: list[str], at: int, is_open: bool) -> dict[str, Any] | None:
    text, last, answer = "".join(pieces[:at]), pieces[at - 1], pieces[at]
    if len(text) > LONGEST or not answer.strip().isalnum():
        return None
    favorites = bigrams.likeliest(last, N_OPTIONS)
    if not is_open and favorites[:1] == [answer]:
        return None
    truth = world.next_pieces(text)
    if not (max(truth.values()) <= OPEN if is_open else max(truth.values()) >= CERTAIN):
        return None
    words = [word for word in {*truth, *favorites} if word.strip().isalnum()]
    words.sort(key=lambda word: (-truth.get(word, 0.0) - bigrams.probability(last, word), word))
    options = sorted(words[:N_OPTIONS], key=lambda word: (word.lower(), word))
    if len(options) < N_OPTIONS or answer not in options:
        return None
    return {
        "text": text,
        "options": options,
        "answer": options.index(answer),
        "truth": _shares([truth.get(word, 0.0) for word in options]),
        "bigram": _shares([bigrams.probability(last, word) for word in options]),
    }


def _shares(weights: Sequence[float]) -> list[float]:
    """The weights over their sum, rounded.

    >>> _shares([1, 3])
    [0.25, 0.75]
    """
    return [round(weight / math.fsum(weights), DIGITS) for weight in weights]


def _rounded(distribution: Mapping[str, float]) -> list[list[Any]]:
    return [[word, round(p, DIGITS)] for word, p in sorted(distribution.items(), key=lambda item: (-item[1], item[0]))]
