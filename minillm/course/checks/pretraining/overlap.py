"""08.3: how much of a validation text has been read in training (Brown et al. 2020, appendix C, with runs of 13 words).

Their own filter had a bug, found when it was too late to train again; so the paper measures what the overlap does.
"""

import random
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, pairwise
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.pretraining.documents import which_document
from minillm.course.checks.question import Question

Document = list[int]


def seen_before(training: list[Document], validation: list[Document], n: int) -> list[float]:
    """The right answer: for each validation document the share of tokens that stand in a run of n read in training.

    >>> seen_before([[1, 2, 3, 4, 5]], [[9, 2, 3, 4, 7, 8], [4, 5]], n=3)
    [0.5, 0.0]
    """
    return _shares(_runs(training, n), validation, n)


def _runs(training: Iterable[Document], n: int) -> set[tuple[int, ...]]:
    return {tuple(text[at : at + n]) for text in training for at in range(len(text) - n + 1)}


def _starts(document: Document, runs: set[tuple[int, ...]], n: int) -> list[int]:
    return [at for at in range(len(document)) if tuple(document[at : at + n]) in runs]


def _shares(runs: set[tuple[int, ...]], validation: list[Document], n: int) -> list[float]:
    covered = [{place for at in _starts(text, runs, n) for place in range(at, at + n)} for text in validation]
    return [len(places) / max(len(text), 1) for places, text in zip(covered, validation, strict=True)]


def _counting(
    training: list[Document], validation: list[Document], n: int, *, count: Callable[[Document, list[int], int], float]
) -> list[float]:
    """Another share, made of where the runs start."""
    runs = _runs(training, n)
    return [count(text, _starts(text, runs, n), n) for text in validation]


def _fresh(rng: random.Random) -> Callable[[int], Document]:
    """So many tokens that have not been drawn yet: only what is copied on purpose is seen twice."""
    left = iter(rng.sample(range(10, 100), 90))
    return lambda count: [next(left) for _ in range(count)]


def _one_book(rng: random.Random) -> list[Call]:
    """Runs from the middle and from the end of one document, its tokens in another order, and every other of them."""
    calls = [([[1, 2, 3, 4, 5]], [[9, 2, 3, 4, 7, 8]], 3)]
    for n in (2, 3, 4):
        new = _fresh(rng)
        book = new(n + 6)
        at = rng.randint(0, 2)
        middle = [*new(rng.randint(1, 3)), *book[at : at + n + 1], *new(2)]
        end = [*new(2), *book[-n:], *new(1)]
        gaps = [token for pair in zip(book, new(n + 6), strict=True) for token in pair]
        calls.append(([book], [middle, end, book[::-1], book[:-1:2], gaps, new(n + 2), book], n))
    new = _fresh(rng)
    four, (odd,), large = new(4), new(1), [50_256, 0, 128_255, 7, 50_256, 0]
    calls.append(([[0, 0, 1, 0, 0]], [[0, 0, 0, 1], [1, 1], [5, 0, 0, 5, 1]], 2))
    calls.append(([large], [[9, 0, 128_255, 7, 3], large[1:]], 3))
    return [*calls, ([four], [[four[2], odd, four[0], odd], [odd]], 1), ([four], [four, [odd, *four], four], 4)]


BOOK = (
    "a run in the middle",
    *["runs, gaps, another order"] * 3,
    "tokens that repeat",
    "ids of a large vocabulary, and 0",
    "n = 1",
    "a document that is one run",
)


def _shelf(rng: random.Random) -> list[Call]:
    """One document has runs of two others, one goes from the end of one into the next, one looks alike as text."""
    calls = [([[1, 2, 3], [4, 5, 6]], [[2, 3, 4, 5], [1, 2, 9, 5, 6]], 2)]
    for n in (2, 3, 4):
        new = _fresh(rng)
        text, two, three = new(n + 2), new(n + 3), new(n + 1)
        across = [*new(1), *two[-(n - 1) :], *three[: n - 1], *new(1)]
        calls.append(([text, two, three], [across, [*three[:n], *new(2), *text[-n:]], new(n)], n))
        first, second = [*new(1), *text[: n - 1]], [*text[n - 1 : n + 1], *new(1)]  # a run goes from one into the other
        calls.append(([text, two], [first, second, three], n))
    calls.append(([[1, 23], [4, 56], [11, 23]], [[12, 3], [1, 2], [4, 56]], 2))
    new = _fresh(rng)
    book, other, free = new(8), new(5), new(6)
    chained = [free[0], *book[1:3], free[1], *other[2:4], *book[5:8], free[2]]
    return [*calls, ([book, other], [chained, [*book[4:7], *book[:3]]], 2), ([other, other], [other[:3]], 3)]


SHELF = *["several books"] * 7, "ids that look alike as text", "several runs in a document", "the same book twice"


def _short(rng: random.Random) -> list[Call]:
    """Documents shorter than n, and empty ones, on both sides."""
    calls = [([[1, 2, 3, 4]], [[3, 4], []], 3)]
    for n in (3, 4):
        new = _fresh(rng)
        book, short = new(n + 3), new(n - 1)
        ends_alike = [*new(n), *book[-(n - 1) :]]
        calls.append(([book, short, []], [short, ends_alike, [], book[:n]], n))
    return [*calls, ([], [[1, 2, 3]], 2), ([[1, 2, 3]], [], 2), ([[1, 2]], [[1, 2], [1, 2, 3]], 5)]


SHORT = (
    *["a document shorter than n, and an empty one"] * 3,
    "no training document",
    "no validation document",
    "an n larger than every document",
)


question = Question("08.3", "The exam stood in the book", seen_before)

one_book = question.probe("one book", _one_book, which_document, kinds=BOOK)
one_book.mistake(
    "It is the share of the runs, not of the tokens.",
    "A run that was read marks n tokens as read. Count the marked ones, and divide by all.",
    partial(_counting, count=lambda document, starts, n: len(starts) / max(len(document) - n + 1, 1)),
)
one_book.mistake(
    "Only the token at which a run begins is counted.",
    "A run at place t covers the places t to t + n - 1.",
    partial(_counting, count=lambda document, starts, n: len(starts) / max(len(document), 1)),
)
one_book.mistake(
    "A token that lies in two runs is counted twice.",
    "Collect the places in a set, or mark them True: a place is read or not.",
    partial(_counting, count=lambda document, starts, n: len(starts) * n / max(len(document), 1)),
)


@one_book.mistake(
    "The last run of each training document is missing.", "A document of L tokens has L - n + 1 runs of n."
)
def _last_run_missed(training, validation, n):
    return _shares({tuple(text[at : at + n]) for text in training for at in range(len(text) - n)}, validation, n)


one_book.mistake(
    "Single tokens are looked up, in whatever order they stand.",
    "n tokens count as read only if they stand side by side in training, in the same order.",
    lambda training, validation, n: seen_before(training, validation, 1),
)
one_book.mistake(
    "Only a document that was read as a whole is found.",
    "That is what the lesson's `assert` did. Look for every run of n tokens.",
    lambda training, validation, n: [float(text in training) for text in validation],
)


@one_book.mistake(
    "The tokens of a run need not stand side by side in the training document.",
    "A run has no gap, in training either: compare n tokens with n neighbours.",
)
def _with_gaps(training, validation, n):
    def stands(run: tuple[int, ...], document: Document) -> bool:
        rest = iter(document)
        return all(token in rest for token in run)

    known = {run for run in _runs(validation, n) if any(stands(run, text) for text in training)}
    return _shares(known, validation, n)


def _other_runs(
    training: list[Document], validation: list[Document], n: int, *, key: Callable[[tuple[int, ...]], Any]
) -> list[float]:
    """Runs count as the same if their keys are."""
    known = set(map(key, _runs(training, n)))
    return _shares({run for run in _runs(validation, n) if key(run) in known}, validation, n)


one_book.mistake(
    "The tokens of a run may stand in any order.",
    "A run has an order: compare tuples as they are, not sorted and not as sets.",
    partial(_other_runs, key=lambda run: tuple(sorted(run))),
)
one_book.mistake(
    "It is the share of new tokens, not of those that were read.",
    "Count the places that are covered.",
    lambda training, validation, n: [1 - share for share in seen_before(training, validation, n)],
)
one_book.mistake(
    "It is in percent, not a number from 0 to 1.",
    "Divide the number of covered tokens by the number of all.",
    lambda training, validation, n: [100 * share for share in seen_before(training, validation, n)],
)
one_book.mistake(
    "Every token of a document that holds a run is counted.",
    "Only the n tokens of a run were read, not the rest of the document.",
    partial(_counting, count=lambda document, starts, n: float(bool(starts))),
)
one_book.mistake(
    "It is the number of tokens that were read, not their share.",
    "Divide by the length of the validation document.",
    lambda training, validation, n: [
        share * len(text) for share, text in zip(seen_before(training, validation, n), validation, strict=True)
    ],
)
one_book.mistake(
    "A document is cut into pieces of n tokens, and runs that begin between are missed.",
    "A run may begin at any place: t = 0, 1, 2, and so on.",
    partial(_counting, count=lambda document, starts, n: _covered([t for t in starts if t % n == 0], document, n)),
)
one_book.mistake(
    "Only the first run of a document is counted.",
    "Go on after the first: several runs may stand in a document.",
    partial(_counting, count=lambda document, starts, n: _covered(starts[:1], document, n)),
)
one_book.mistake(
    "The last run of each validation document is missing.",
    "A document of L tokens has L - n + 1 runs of n.",
    partial(_counting, count=lambda text, starts, n: _covered([t for t in starts if t < len(text) - n], text, n)),
)
one_book.mistake(
    "n neighbours that are all known count as a run, in whatever order and wherever they stand in training.",
    "The n tokens must stand side by side in training, in the same order.",
    lambda training, validation, n: _shares(
        {run for run in _runs(validation, n) if set(run) <= set(chain(*training))}, validation, n
    ),
)


def _covered(starts: list[int], document: Document, n: int) -> float:
    return len({place for at in starts for place in range(at, at + n)}) / max(len(document), 1)


several_books = question.probe("a shelf of books", _shelf, which_document, kinds=SHELF)
several_books.mistake(
    "A run goes from the end of one training document into the next.",
    "Nobody wrote these tokens side by side. Take the runs of each document by itself.",
    lambda training, validation, n: seen_before([list(chain(*training))], validation, n),
)


@several_books.mistake(
    "A run goes from the end of one validation document into the next.",
    "Take the runs of each validation document by itself, too.",
)
def _one_exam(training, validation, n):
    runs, whole = _runs(training, n), list(chain(*validation))
    read = {place for at in _starts(whole, runs, n) for place in range(at, at + n)}
    ends = [0]
    for text in validation:
        ends.append(ends[-1] + len(text))
    return [len(read & set(range(*span))) / max(span[1] - span[0], 1) for span in pairwise(ends)]


@several_books.mistake(
    "Only the training document with most in common counts.", "Put the runs of all training documents into one set."
)
def _best_single_document(training, validation, n):
    return [max(share) for share in zip(*(seen_before([text], validation, n) for text in training), strict=True)]


@several_books.mistake(
    "Ids are joined to a text with nothing in between: 1, 23 and 12, 3 look alike.",
    "Do not make text of them. A tuple of ids can be put into a set.",
)
def _glued(training, validation, n):
    runs = {"".join(map(str, run)) for run in _runs(training, n)}
    alike = {run for run in _runs(validation, n) if "".join(map(str, run)) in runs}
    return _shares(alike, validation, n)


@several_books.mistake(
    "Ids are looked up in a text: 1 2 stands in 11 23.",
    "Do not make text of them. A tuple of ids can be put into a set.",
)
def _in_text(training, validation, n):
    book = "\n".join(" ".join(map(str, text)) for text in training)
    return _shares({run for run in _runs(validation, n) if " ".join(map(str, run)) in book}, validation, n)


short_texts = question.probe("texts shorter than a run", _short, which_document, kinds=SHORT)


@short_texts.mistake(
    "What is left at the end of a document, fewer than n tokens, counts as a run.",
    "`document[t : t + n]` becomes shorter at the end, without an error. Stop at L - n.",
)
def _short_ends(training, validation, n):
    runs = {tuple(text[at : at + n]) for text in training for at in range(len(text))}
    covered = [{p for at in _starts(text, runs, n) for p in range(at, min(at + n, len(text)))} for text in validation]
    return [len(places) / max(len(text), 1) for places, text in zip(covered, validation, strict=True)]
