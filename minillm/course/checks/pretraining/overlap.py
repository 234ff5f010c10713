"""08.3: how much of a validation text occurs in the training data (Brown et al. 2020, appendix C, with 13-grams).

Their own filter had a bug, found too late to train again, so the paper measures what the overlap does.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, pairwise
from typing import Any

from minillm.course.checks.pretraining import books
from minillm.course.checks.pretraining.books import Document
from minillm.course.checks.pretraining.documents import which_document
from minillm.course.checks.question import Question


def seen_before(training: list[Document], validation: list[Document], n: int) -> list[float]:
    """The right answer: for each validation document the share of tokens in an n-gram that occurs in training.

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
    """Another share, computed from where the known n-grams start."""
    runs = _runs(training, n)
    return [count(text, _starts(text, runs, n), n) for text in validation]


question = Question("08.3", "Test documents in the training data", seen_before)

one_book = question.probe("one training document", books.one_book, which_document, kinds=books.BOOK)
one_book.mistake(
    "It's the share of the n-grams, not of the tokens.",
    "A known n-gram marks n tokens. Count the marked tokens, and divide by the number of all.",
    partial(_counting, count=lambda document, starts, n: len(starts) / max(len(document) - n + 1, 1)),
)
one_book.mistake(
    "The covered tokens are divided by the number of n-grams, not by that of tokens.",
    "A document of L tokens has L - n + 1 n-grams. Divide by L.",
    partial(
        _counting,
        count=lambda document, starts, n: (
            len({place for at in starts for place in range(at, at + n)}) / max(len(document) - n + 1, 1)
        ),
    ),
)
one_book.mistake(
    "Only the first token of an n-gram is counted.",
    "An n-gram at position t covers the positions t to t + n - 1.",
    partial(_counting, count=lambda document, starts, n: len(starts) / max(len(document), 1)),
)
one_book.mistake(
    "A token in two n-grams is counted twice.",
    "Collect the positions in a set, or mark them True.",
    partial(_counting, count=lambda document, starts, n: len(starts) * n / max(len(document), 1)),
)


one_book.mistake(
    "A token in two n-grams is counted twice.",
    "Collect the positions in a set, or mark them True.",
    partial(_counting, count=lambda document, starts, n: min(1.0, len(starts) * n / max(len(document), 1))),
)


@one_book.mistake(
    "The last n-gram of each training document is missing.", "A document of L tokens has L - n + 1 n-grams."
)
def _last_run_missed(training, validation, n):
    return _shares({tuple(text[at : at + n]) for text in training for at in range(len(text) - n)}, validation, n)


one_book.mistake(
    "Single tokens are looked up, in any order.",
    "n tokens count only if they occur in a row in training, in the same order.",
    lambda training, validation, n: seen_before(training, validation, 1),
)
one_book.mistake(
    "Only a document that occurs as a whole is found.",
    "One changed word hides such a copy. Look up every n-gram.",
    lambda training, validation, n: [float(text in training) for text in validation],
)


@one_book.mistake(
    "The tokens of an n-gram may have gaps between them in the training document.",
    "An n-gram has no gaps, in training either: compare n tokens in a row with n tokens in a row.",
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
    """N-grams count as the same if their keys are."""
    known = set(map(key, _runs(training, n)))
    return _shares({run for run in _runs(validation, n) if key(run) in known}, validation, n)


one_book.mistake(
    "The tokens of an n-gram may be in any order.",
    "The order matters: compare tuples as they are, not sorted and not as sets.",
    partial(_other_runs, key=lambda run: tuple(sorted(run))),
)
one_book.mistake(
    "It's the share of new tokens, not of those that occur in training.",
    "Count the positions that are covered.",
    lambda training, validation, n: [1 - share for share in seen_before(training, validation, n)],
)
one_book.mistake(
    "It's in percent, not a number from 0 to 1.",
    "Divide the number of covered tokens by the number of all.",
    lambda training, validation, n: [100 * share for share in seen_before(training, validation, n)],
)
one_book.mistake(
    "Every token of a document with a known n-gram is counted.",
    "Only the n tokens of the n-gram count, not the rest of the document.",
    partial(_counting, count=lambda document, starts, n: float(bool(starts))),
)
one_book.mistake(
    "It's the number of tokens, not their share.",
    "Divide by the length of the validation document.",
    lambda training, validation, n: [
        share * len(text) for share, text in zip(seen_before(training, validation, n), validation, strict=True)
    ],
)
one_book.mistake(
    "A document is split into chunks of n tokens, so n-grams that start in between are missed.",
    "An n-gram may start at any position: t = 0, 1, 2, and so on.",
    partial(_counting, count=lambda document, starts, n: _covered([t for t in starts if t % n == 0], document, n)),
)
one_book.mistake(
    "Only the first known n-gram of a document is counted.",
    "Go on after the first: a document may have several.",
    partial(_counting, count=lambda document, starts, n: _covered(starts[:1], document, n)),
)
one_book.mistake(
    "The last n-gram of each validation document is missing.",
    "A document of L tokens has L - n + 1 n-grams.",
    partial(_counting, count=lambda text, starts, n: _covered([t for t in starts if t < len(text) - n], text, n)),
)
one_book.mistake(
    "n tokens in a row count as soon as each of them occurs somewhere in training.",
    "The n tokens must occur in a row in training, in the same order.",
    lambda training, validation, n: _shares(
        {run for run in _runs(validation, n) if set(run) <= set(chain(*training))}, validation, n
    ),
)

one_book.mistake(
    "The last n-gram of each document is missing, in training and in validation.",
    "A document of L tokens has L - n + 1 n-grams.",
    lambda training, validation, n: [
        _covered(
            [at for at in _starts(text, _runs([read[:-1] for read in training], n), n) if at < len(text) - n], text, n
        )
        for text in validation
    ],
)
one_book.mistake(
    "After a known n-gram, the search goes on behind it and misses those that overlap it.",
    "The next n-gram may start one position later, at t + 1.",
    partial(_counting, count=lambda document, starts, n: _covered(_apart(starts, n), document, n)),
)
for _count in (
    lambda places, text: len({text[at] for at in places}) / max(len(set(text)), 1),
    lambda places, text: len({text[at] for at in places}) / max(len(text), 1),
):
    one_book.mistake(
        "Distinct tokens are counted, not positions: a token that occurs twice in a document counts once.",
        "Mark the positions t to t + n - 1 of each n-gram, and count the marks.",
        partial(_counting, count=lambda text, starts, n, count=_count: count(_places(starts, n), text)),
    )
one_book.mistake(
    "A token of an n-gram is counted wherever it occurs in the document, also outside of the n-gram.",
    "Mark the positions t to t + n - 1 of each n-gram, and count the marks.",
    partial(
        _counting,
        count=lambda text, starts, n: (
            sum(id in {text[at] for at in _places(starts, n)} for id in text) / max(len(text), 1)
        ),
    ),
)


def _places(starts: list[int], n: int) -> set[int]:
    return {place for at in starts for place in range(at, at + n)}


def _apart(starts: list[int], n: int) -> list[int]:
    """The n-grams that are found if the search goes on behind each."""
    kept = []
    for at in starts:
        if not kept or at >= kept[-1] + n:
            kept.append(at)
    return kept


def _covered(starts: list[int], document: Document, n: int) -> float:
    return len(_places(starts, n)) / max(len(document), 1)


several_books = question.probe("several training documents", books.shelf, which_document, kinds=books.SHELF)
several_books.mistake(
    "N-grams go from the end of one training document into the next.",
    "No document has these tokens in a row. Take the n-grams of each document separately.",
    lambda training, validation, n: seen_before([list(chain(*training))], validation, n),
)


@several_books.mistake(
    "N-grams go from the end of one validation document into the next.",
    "Take the n-grams of each validation document separately, too.",
)
def _one_exam(training, validation, n):
    runs, whole = _runs(training, n), list(chain(*validation))
    read = {place for at in _starts(whole, runs, n) for place in range(at, at + n)}
    ends = [0]
    for text in validation:
        ends.append(ends[-1] + len(text))
    return [len(read & set(range(*span))) / max(span[1] - span[0], 1) for span in pairwise(ends)]


@several_books.mistake(
    "Only the training document with most in common counts.", "Put the n-grams of all training documents into one set."
)
def _best_single_document(training, validation, n):
    return [max(share) for share in zip(*(seen_before([text], validation, n) for text in training), strict=True)]


@several_books.mistake(
    "Ids are joined to a text with nothing in between, where 1, 23 and 12, 3 are the same.",
    "Don't turn them into text. A tuple of ids can be put into a set.",
)
def _glued(training, validation, n):
    runs = {"".join(map(str, run)) for run in _runs(training, n)}
    alike = {run for run in _runs(validation, n) if "".join(map(str, run)) in runs}
    return _shares(alike, validation, n)


@several_books.mistake(
    "Ids are looked up in a text, where 11 23 contains 1 2.",
    "Don't turn them into text. A tuple of ids can be put into a set.",
)
def _in_text(training, validation, n):
    book = "\n".join(" ".join(map(str, text)) for text in training)
    return _shares({run for run in _runs(validation, n) if " ".join(map(str, run)) in book}, validation, n)


short_texts = question.probe("documents shorter than n", books.short, which_document, kinds=books.SHORT)


@short_texts.mistake(
    "The last fewer than n tokens of a document count as an n-gram.",
    "At the end, `document[t : t + n]` is shorter, without an error. Stop at L - n.",
)
def _short_ends(training, validation, n):
    runs = {tuple(text[at : at + n]) for text in training for at in range(len(text))}
    covered = [{p for at in _starts(text, runs, n) for p in range(at, min(at + n, len(text)))} for text in validation]
    return [len(places) / max(len(text), 1) for places, text in zip(covered, validation, strict=True)]
