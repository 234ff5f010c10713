"""12.4: a cache in pages, which texts share until one of them writes (Kwon et al. 2023, "PagedAttention")."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.inference_engine.paging import Cache, Event, Tables
from minillm.course.checks.inference_engine.slips import (
    OTHERS,
    Blocks,
    ForkHoldsNothing,
    HoldsBoth,
    OnlyForkCopies,
    ReplacesFullPage,
)
from minillm.course.checks.inference_engine.stories import FORK_KINDS, of_one_event, stories
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Probe
from minillm.course.checks.question import Question


def page_tables(events: list[Event], page_size: int) -> list[Tables]:
    """The right answer: every text's pages after each event.

    >>> page_tables([("join", "A", 3), ("fork", "A", "B"), ("write", "B"), ("leave", "A")], page_size=2)[1:]
    [{'A': [0, 1], 'B': [0, 1]}, {'A': [0, 1], 'B': [0, 2]}, {'B': [0, 2]}]
    """
    return _page_tables(events, page_size)


def _page_tables(events: list[Event], page_size: int, *, cache: type[Cache] = Cache, told=deepcopy) -> list[Tables]:
    kept, seen = cache(page_size), []
    for event in events:
        kept.do(*event)
        seen.append(told(kept.tables))
    return seen


def _with(probe: Probe, sentence: str, hint: str) -> Callable[[type[Cache]], type[Cache]]:
    """Add a mistake that is made by a cache with another method; a decorator of its class."""

    def add(cache: type[Cache]) -> type[Cache]:
        probe.mistake(sentence, hint, partial(_page_tables, cache=cache))
        return cache

    return add


def _first_wrong_event(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """After which event the tables are wrong, and whose; and the known mistake that explains most stories."""
    for cache, sentence, hint in OTHERS:
        if difference([_page_tables(*call, cache=cache) for call in calls], got) is None:
            return sentence, hint
    for probe in question.probes:
        if mistake := probe.closest(calls, right, got):
            return f"In some cases, this is what happens: {mistake.sentence}", mistake.hint
    for (events, size), answer, reply in zip(calls, right, got, strict=True):
        if type(reply) is not list or len(reply) != len(answer):
            return None
        kept = Cache(size)
        for number, (event, tables, told) in enumerate(zip(events, answer, reply, strict=True)):
            if type(told) is dict and difference(tables, told):
                missing = tables.keys() ^ told.keys()
                wrong = [name for name in {**tables, **told} if name in missing or difference(tables[name], told[name])]
                length = kept.lengths.get(event[1], 0)
                after = f"After event {number}, {event},"
                return of_one_event(after, event, kept.tables, tables, told, wrong, length, size)
            kept.do(*event)
    return None


question = Question("12.4", "A cache in pages", page_tables)

joining = question.probe(
    "texts that join and write", stories("", (3, 2), (6, 3), (9, 2), (12, 4), (12, 1), (14, 3)), _first_wrong_event
)


@_with(
    joining,
    "A page is taken before it is needed: a text that fills its pages has one too many.",
    "A text of n tokens needs n / page_size pages, rounded up. 4 tokens fill 2 pages of 2.",
)
class _OneTooMany(Cache):
    def enough(self, length):
        return length // self.size + 1


@_with(
    joining,
    "A write takes a new page as soon as it has filled the last one, a write too early.",
    "Take a page when there is a token to put into it: look whether the last one is full before you write.",
)
class _WritesAhead(Cache):
    def grow(self, name, new):
        joins = name not in self.tables
        super().grow(name, new)
        if not joins and self.lengths[name] % self.size == 0:
            self.tables[name].append(self.take())


@_with(
    joining,
    "A write takes a new page when it has filled the last one, not when it finds it full.",
    "Take a page when there is a token to put into it: look whether the last one is full before you write.",
)
class _LooksAfterwards(Cache):
    def grow(self, name, new):
        if name not in self.tables:
            return super().grow(name, new)
        self.lengths[name] += 1
        if self.lengths[name] % self.size == 0:
            self.tables[name].append(self.take())


@_with(
    joining, "A page that is not full yet is forgotten.", "A text of n tokens needs n / page_size pages, rounded *up*."
)
class _OnlyFullOnes(Cache):
    def enough(self, length):
        return length // self.size


@_with(
    joining,
    "Each token takes a page of its own.",
    "A page has room for `page_size` tokens. Take a new one only when the last is full.",
)
class _OnePerToken(Cache):
    def enough(self, length):
        return length


joining.mistake(
    "After every event the tables are those of the end.",
    "You put the same dictionary or the same lists into the result each time. Put copies there.",
    lambda *call: [_page_tables(*call)[-1]] * len(call[0]),
)
joining.mistake(
    "A table that you have put into the result still grows afterwards.",
    "`dict(tables)` is a new dictionary with the same lists in it. Copy each list, too.",
    partial(_page_tables, told=dict),
)

leaving = question.probe(
    "texts that leave",
    stories("leave leave", (6, 2), (12, 2), (12, 3), (16, 2), (20, 1), (24, 3), (24, 2)),
    _first_wrong_event,
    kinds=("single free pages", *["several texts"] * 7),
)


@_with(
    leaving,
    "Pages of those who left never come back.",
    "They are free again. Take the smallest number that nobody holds.",
)
class _NeverBack(Cache):
    def free_page(self):
        return max(self.holders, default=-1) + 1


@_with(
    leaving,
    "The page that came back last is taken first.",
    "A stack would do as well, but to compare answers it must be the smallest free number here.",
)
class _LatestFirst(Cache):
    def __init__(self, page_size):
        super().__init__(page_size)
        self.freed = []

    def free_page(self):
        return self.freed.pop() if self.freed else max(self.holders, default=-1) + 1

    def let_go(self, page):
        super().let_go(page)
        if self.holders[page] < 1:
            self.freed.append(page)


_with(
    leaving,
    "A text that joins takes pages side by side, and leaves single free ones alone.",
    "Take the smallest free page, one after the other: pages of a text may lie anywhere.",
)(Blocks)


@_with(
    leaving, "The table of a text that left is still there.", "Remove the text from the tables when its pages are free."
)
class _TableStays(Cache):
    def leave(self, name):
        for page in self.tables[name]:
            self.let_go(page)


forking = question.probe(
    "texts that fork",
    stories("leave fork fork write", (8, 2), (14, 2), (14, 3), (18, 4), (24, 2), (24, 3), (30, 2)),
    _first_wrong_event,
    kinds=(*FORK_KINDS, *["many events"] * 7),
)


@_with(
    forking,
    "Both write into a page that they share, and the tokens of one overwrite the other's.",
    "Copy a page before you write into it if another text holds it, too.",
)
class _WritesIntoBoth(Cache):
    def copy(self, name):
        pass


@_with(forking, "A fork copies pages.", "It only copies the table. A page is copied when somebody writes into it.")
class _CopiesAtFork(Cache):
    def fork(self, name, new):
        self.grow(new, self.lengths[name])


@_with(
    forking,
    "A write copies all pages that are shared.",
    "Only the last page is written into. The ones before it stay shared as long as the texts live.",
)
class _CopiesAll(Cache):
    def to_copy(self, name):
        return list(range(len(self.tables[name]))) if super().to_copy(name) else []


@_with(
    forking,
    "A shared page that is full is copied.",
    "Nobody writes into a full page. The new token goes to a new one, and the full one stays shared.",
)
class _CopiesFullPage(Cache):
    def to_copy(self, name):
        return list(range(len(self.tables[name])))[-1:]


@_with(
    forking,
    "A page becomes free although another text still holds it.",
    "Count the holders of each page, and let it go when the last of them has left.",
)
class _FreesForAll(Cache):
    def leave(self, name):
        for page in self.tables[name]:
            self.holders[page] = 1
        super().leave(name)


@_with(
    forking,
    "A page that was shared once is copied even by the only text that still holds it.",
    "A text that copies a page, or leaves, no longer holds it. Count its holders down.",
)
class _OnceShared(Cache):
    def __init__(self, page_size):
        super().__init__(page_size)
        self.once_shared = set()

    def fork(self, name, new):
        super().fork(name, new)
        self.once_shared.update(self.tables[name])

    def shared(self, page):
        return page in self.once_shared


_with(
    forking,
    "Only the fork takes a copy; the text that was there first writes into the shared page.",
    "Whoever writes first takes a copy, while the other still holds the page.",
)(OnlyForkCopies)


_with(
    forking,
    "A text that has taken a copy still counts as a holder of the old page.",
    "It no longer holds the old page: count its holders down by one.",
)(HoldsBoth)


_with(
    forking,
    "A shared page that is full is replaced, and the text loses it.",
    "Nobody writes into a full page. The new page is appended to the table.",
)(ReplacesFullPage)


_with(
    forking,
    "A fork does not count as a holder of the pages.",
    "Each page of the table has one holder more after a fork.",
)(ForkHoldsNothing)
