"""Rank pairs of students whose answers are alike, with the matching code side by side: something to ask about.

The method is winnowing's (Schleimer et al. 2003; MOSS), by the library `copydetect`. Answers are tidied (`tidying`),
comments and layout are removed and names replaced, so renaming changes nothing. A *fragment* is `FRAGMENT` characters
of what remains. Fragments of the template and of the course's solution are dropped, and so are those that many students
wrote: short exercises have few natural answers. But a long run of them in a row isn't one, however many have it, so a
ring of copiers is found whatever its share of the class. What a pair still shares is rare, and sharing it in several
questions is rarer. The report ranks; it decides nothing.
"""

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from minillm.course.grading.needed import needed_statements
from minillm.course.grading.tidying import tidy

FRAGMENT = 20  # characters of normalized code, about half a line; shorter ones are shared by chance
COMMON = 0.1  # a fragment in more than this share of a class's answers to a question is a common idiom
FEWEST = 3  # students who may share a fragment in any class
LEAST = 40  # rare characters that a pair must share, about two lines
# Characters in a row that don't become an idiom by being common. Of 2,376 pairs of right answers on file by different
# authors one shares more in a row, beside public code; 99.5 % share at most 65.
RUN = 120
MOST_PAIRS = 50  # in the report
MOST_CHARACTERS = 20_000  # of an answer; the rest is not compared
Normalized = tuple[str, str, list[list[int]]]  # code, normalized code, and where characters of the first were removed


@dataclass(frozen=True)
class Match:
    """What two answers to one question share: rare characters, their share of the shorter answer, and where.

    `sides` holds both codes in pieces, each with a flag for whether the other side has it.
    """

    question: str
    characters: int
    share: float
    sides: tuple[list[tuple[str, bool]], list[tuple[str, bool]]]
    run: bool = False  # at least `RUN` characters in a row


@dataclass(frozen=True)
class Pair:
    """Two students, and their matches in one assignment, the longest first."""

    number: str  # of the assignment
    first: str
    second: str
    matches: tuple[Match, ...]
    ring: tuple[str, ...] = ()  # all students whom such runs connect with these two, if there are more than two

    @property
    def characters(self) -> int:
        """Rare characters shared in all questions."""
        return sum(match.characters for match in self.matches)


def answer_of(cells: Sequence[tuple[str, str]], function: str) -> str:
    """The code of an answer: the function and whatever it needs, without imports, tidied.

    Of a very long one it is the end, where the function is.

    >>> answer_of([("cell 1", "import math\\nONE = 1"), ("cell 2", "def f():\\n    return ONE")], "f")
    'ONE = 1\\n\\ndef f():\\n    return ONE'
    """
    sources = [statement.source for statement in needed_statements(cells, [function]) if statement.needed]
    code = tidy("\n".join(source for source in sources if not source.startswith(("import ", "from "))))
    return code[-MOST_CHARACTERS:]


def normalize(code: str) -> Normalized:
    """Normalized code: no comments and layout, V for a variable, F for a function, S for a string.

    >>> normalize("def f(x):  # double\\n    return 2 * x")[1]
    'defF(V):return2*V'
    """
    from copydetect.utils import filter_code

    normalized, offsets = filter_code(code, "answer.py")
    return code, normalized, offsets.tolist()


def compare(
    answers: Mapping[str, Normalized], question: str, known: Iterable[Normalized] = ()
) -> dict[tuple[str, str], Match]:
    """The matches of all pairs of students that share at least `LEAST` rare characters.

    `answers` are those to one question, by student. Fragments of `known` code do not count.
    """
    public = {fragment for code in known for fragment in fragments_of(code[1])}
    fragments = {student: fragments_of(answer[1]) for student, answer in answers.items()}
    own = {student: set(found) - public for student, found in fragments.items()}
    holders = Counter(fragment for each in own.values() for fragment in each)
    limit = max(FEWEST, COMMON * len(answers))
    common = {fragment for fragment, students in holders.items() if students > limit}
    whole = {student: _fingerprint(answer, public) for student, answer in answers.items()}
    rare = {student: _fingerprint(answer, public | common) for student, answer in answers.items()}
    found = {}
    for first, second in combinations(sorted(answers), 2):
        run = _longest_run(fragments[first], own[first] & own[second]) >= RUN
        prints = whole if run else rare
        if match := _match(prints[first], prints[second], question, run):
            found[first, second] = match
    return found


def fragments_of(normalized: str) -> list[int]:
    """The hashes of all fragments of normalized code, in their order; the same only within one process."""
    from copydetect.utils import hashed_kgrams

    return hashed_kgrams(normalized, FRAGMENT).tolist()


def _longest_run(fragments: Sequence[int], shared: set[int]) -> int:
    """The most characters in a row whose fragments are all shared."""
    longest = length = 0
    for fragment in fragments:
        length = length + 1 if fragment in shared else 0
        longest = max(longest, length)
    return longest and longest + FRAGMENT - 1


def _fingerprint(answer: Normalized, dropped: set[int]) -> Any:
    from copydetect import CodeFingerprint

    code, normalized, offsets = answer
    found = CodeFingerprint("answer.py", FRAGMENT, 1, list(dropped), filter=False, fp=io.StringIO(normalized))
    found.raw_code, found.offsets = code, np.array(offsets)
    return found


def _match(first: Any, second: Any, question: str, run: bool) -> Match | None:
    from copydetect import compare_files

    characters, shares, slices = compare_files(first, second)
    if characters < LEAST:
        return None
    sides = _pieces(first.raw_code, slices[0]), _pieces(second.raw_code, slices[1])
    return Match(question, int(characters), float(max(shares)), sides, run)


def _pieces(code: str, slices: np.ndarray) -> list[tuple[str, bool]]:
    """A code in pieces, with True for those in one of the slices (2, n)."""
    shared = np.zeros(len(code) + 1, dtype=bool)
    for start, end in slices.T.astype(int):
        shared[start:end] = True
    edges = [0, *(np.flatnonzero(np.diff(shared[: len(code)])) + 1).tolist(), len(code)]
    return [(code[start:end], bool(shared[start])) for start, end in pairwise(edges) if start < end]


def pairs_of(
    number: str, asked: Mapping[str, Mapping[str, Normalized]], known: Sequence[Normalized] = ()
) -> list[Pair]:
    """The pairs of one assignment, those with most shared characters first.

    `asked` holds each question's answers by student, `known` the public code of the assignment. A ring of n students is
    listed as n - 1 pairs that connect it.
    """
    matches: dict[tuple[str, str], list[Match]] = {}
    for question, answers in asked.items():
        for pair, match in compare(answers, question, known).items():
            matches.setdefault(pair, []).append(match)
    pairs = [
        Pair(number, *names, tuple(sorted(found, key=lambda match: -match.characters)))
        for names, found in matches.items()
    ]
    pairs.sort(key=lambda pair: (-pair.characters, pair.first, pair.second))
    return _with_rings(pairs)[:MOST_PAIRS]


def _with_rings(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their rings, without those that connect nobody new by a run."""
    rings: dict[str, set[str]] = {}
    listed = []
    for pair in pairs:
        if any(match.run for match in pair.matches):
            one, other = (rings.get(name, {name}) for name in (pair.first, pair.second))
            if one is other:
                continue
            both = one | other
            rings |= dict.fromkeys(both, both)
        listed.append(pair)
    for number, pair in enumerate(listed):
        ring = rings.get(pair.first, set())
        if len(ring) > 2 and pair.second in ring:
            listed[number] = replace(pair, ring=tuple(sorted(ring)))
    return listed
