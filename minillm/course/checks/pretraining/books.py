"""Training and validation documents for 08.3, of every kind that its text allows."""

import random
from collections.abc import Callable

from minillm.course.checks.asking import Call

Document = list[int]


def _fresh(rng: random.Random) -> Callable[[int], Document]:
    """So many tokens that have not been drawn yet: only what is copied on purpose is seen twice."""
    left = iter(rng.sample(range(10, 100), 90))
    return lambda count: [next(left) for _ in range(count)]


def one_book(rng: random.Random) -> list[Call]:
    """N-grams from the middle and the end of one document, its tokens in another order, and every other of them."""
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
    calls.append(([[0, 0, 1, 0, 0]], [[0, 0, 0, 1], [1, 1], [5, 0, 5, 0, 0, 1]], 2))
    calls.append(([large], [[9, 0, 128_255, 7, 3], large[1:]], 3))
    return [*calls, ([four], [[four[2], odd, four[0], odd], [odd]], 1), ([four], [four, [odd, *four], four], 4)]


BOOK = (
    "an n-gram in the middle",
    *["n-grams, gaps, another order"] * 3,
    "tokens that repeat",
    "ids of a large vocabulary, and 0",
    "n = 1",
    "a document of n tokens",
)


def shelf(rng: random.Random) -> list[Call]:
    """One document has n-grams of two others, one spans two documents, one looks the same as text."""
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


SHELF = (
    *["several training documents"] * 7,
    "ids that look alike as text",
    "several n-grams in a document",
    "the same training document twice",
)


def short(rng: random.Random) -> list[Call]:
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
