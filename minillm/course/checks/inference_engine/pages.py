"""12.4: a cache in pages, which texts share until one of them writes (Kwon et al. 2023, "PagedAttention")."""

import random
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from string import ascii_uppercase
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.inference_engine.paging import Cache, Event, Tables
from minillm.course.checks.plain import difference, show
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


def _story(rng: random.Random, n: int, page_size: int, kinds: str) -> list[Event]:
    """n events of some kinds besides joining and writing; one text always stays."""
    names, live, events = iter(ascii_uppercase), [], []
    while len(events) < n:
        kind = rng.choice(f"join write write {kinds}".split()) if live else "join"
        name = rng.choice(live) if live else None
        if kind == "join":
            live.append(next(names))
            events.append((kind, live[-1], rng.randint(1, 2 * page_size)))
        elif kind == "write":
            events.append((kind, name))
        elif kind == "fork":
            live.append(next(names))
            events.append((kind, name, live[-1]))
        elif len(live) > 1:
            live.remove(name)
            events.append((kind, name))
    return events


# Texts of three pages, of which those in front stay shared when the last has been copied
LONG = [("join", "A", 9), ("fork", "A", "B"), *[("write", "B")] * 2, ("write", "A"), ("leave", "B"), ("join", "C", 13)]


def _stories(kinds: str, *sizes: tuple[int, int]) -> Callable[[random.Random], list[Call]]:
    """For each (events, page_size) a story, and the long one where texts fork."""
    more = [(LONG, 4)] if "fork" in kinds else []
    return lambda rng: [*((_story(rng, n, page_size, kinds), page_size) for n, page_size in sizes), *more]


def _first_wrong_event(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """After which event the tables are wrong, and whose."""
    for (events, _), answer, reply in zip(calls, right, got, strict=True):
        if type(reply) is not list or len(reply) != len(answer):
            return None
        for number, (event, tables, told) in enumerate(zip(events, answer, reply, strict=True)):
            if type(told) is dict and difference(tables, told):
                missing = tables.keys() ^ told.keys()
                wrong = [name for name in {**tables, **told} if name in missing or difference(tables[name], told[name])]
                return _of_one_event(f"After event {number}, {event},", event, tables, told, wrong)
    return None


def _of_one_event(after: str, event: Event, tables: Tables, told: Tables, wrong: list[str]) -> tuple[str, str]:
    """What one event has done to the tables of the texts in `wrong`."""
    hint = "Write down who holds which page before that event, and what the rules say of it."
    for name in wrong:
        if name not in told:
            return f"{after} there is no table of {name}.", "The result tells of all texts that are present."
        if name not in tables:
            return f"{after} there is a table of {name}, who is not present.", "Remove it from the dictionary."
        if name not in event:
            hint = "Two texts may hold the same pages, but each needs a list of its own: `list(table)`, not `table`."
            return f"{after} another text's table has changed as well: that of {name}.", hint
    name = wrong[0]
    return f"{after} the table of {name} is {show(told[name])}; right is {tables[name]}.", hint


question = Question("12.4", "A cache in pages", page_tables)

joining = question.probe(
    "texts that join and write", _stories("", (3, 2), (6, 3), (9, 2), (12, 4), (12, 1), (14, 3)), _first_wrong_event
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
    _stories("leave leave", (6, 2), (12, 2), (12, 3), (16, 2), (20, 1), (24, 3), (24, 2)),
    _first_wrong_event,
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


@_with(
    leaving, "The table of a text that left is still there.", "Remove the text from the tables when its pages are free."
)
class _TableStays(Cache):
    def leave(self, name):
        for page in self.tables[name]:
            self.let_go(page)


forking = question.probe(
    "texts that fork",
    _stories("leave fork fork write", (8, 2), (14, 2), (14, 3), (18, 4), (24, 2), (24, 3), (30, 2)),
    _first_wrong_event,
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
