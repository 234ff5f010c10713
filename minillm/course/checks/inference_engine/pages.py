"""12.4: a cache in pages, which texts share until one of them writes (Kwon et al. 2023, "PagedAttention")."""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from string import ascii_uppercase
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show
from minillm.course.checks.question import Question

Event = tuple[Any, ...]
Tables = dict[str, list[int]]


def page_tables(events: list[Event], page_size: int) -> list[Tables]:
    """The right answer: every text's pages after each event.

    >>> page_tables([("join", "A", 3), ("fork", "A", "B"), ("write", "B"), ("leave", "A")], page_size=2)[1:]
    [{'A': [0, 1], 'B': [0, 1]}, {'A': [0, 1], 'B': [0, 2]}, {'B': [0, 2]}]
    """
    return _page_tables(events, page_size)


class _Cache:
    """Texts and their pages; `bent` says what is done otherwise."""

    def __init__(self, page_size: int, bent: str):
        self.size, self.bent = page_size, bent
        self.tables: Tables = {}
        self.lengths: dict[str, int] = {}
        self.holders: Counter[int] = Counter()
        self.freed: list[int] = []  # in the order in which they came back
        self.once_shared: set[int] = set()

    def take(self) -> int:
        if self.bent == "latest first" and self.freed:
            page = self.freed.pop()
        elif self.bent in ("never comes back", "latest first"):
            page = max(self.holders, default=-1) + 1
        else:
            page = next(page for page in count() if self.holders[page] < 1)
        self.holders[page] = 1
        return page

    def let_go(self, page: int) -> None:
        self.holders[page] -= 1
        if self.holders[page] < 1:
            self.freed.append(page)

    def enough(self, length: int) -> int:
        rules = {"one too many": length // self.size + 1, "only full ones": length // self.size, "each": length}
        return rules.get(self.bent, -(-length // self.size))

    def grow(self, name: str, new: int) -> None:
        self.lengths[name] = self.lengths.get(name, 0) + new
        table = self.tables.setdefault(name, [])
        while len(table) < self.enough(self.lengths[name]):
            table.append(self.take())

    def own(self, name: str) -> None:
        """Give a text pages of its own where it is about to write."""
        table = self.tables[name]
        into_last = self.lengths[name] % self.size > 0 or self.bent == "copies a full page"
        for place in range(len(table)) if self.bent == "copies all at a write" else range(len(table))[-1:]:
            page = table[place]
            shared = page in self.once_shared if self.bent == "once shared" else self.holders[page] > 1
            if shared and into_last and self.bent != "writes into both":
                table[place] = self.take()
                self.let_go(page)

    def do(self, kind: str, name: str, argument: Any = None) -> None:
        if kind == "join":
            self.grow(name, argument)
        elif kind == "write":
            self.own(name)
            self.grow(name, 1)
        elif kind == "leave":
            for page in self.tables[name]:
                self.holders[page] = 1 if self.bent == "frees for all" else self.holders[page]
                self.let_go(page)
            if self.bent != "table stays":
                del self.tables[name]
        elif self.bent == "copies at a fork":
            self.grow(argument, self.lengths[name])
        else:
            self.tables[argument], self.lengths[argument] = list(self.tables[name]), self.lengths[name]
            self.holders.update(self.tables[name])
            self.once_shared.update(self.tables[name])


def _page_tables(events: list[Event], page_size: int, *, bent: str = "") -> list[Tables]:
    cache, seen = _Cache(page_size, bent), []
    for event in events:
        cache.do(*event)
        seen.append({name: table if bent == "one list" else list(table) for name, table in cache.tables.items()})
    return [seen[-1]] * len(seen) if bent == "one object" else seen


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
joining.mistake(
    "A page is taken before it is needed: a text that fills its pages has one too many.",
    "A text of n tokens needs n / page_size pages, rounded up. 4 tokens fill 2 pages of 2.",
    partial(_page_tables, bent="one too many"),
)
joining.mistake(
    "A page that is not full yet is forgotten.",
    "A text of n tokens needs n / page_size pages, rounded *up*.",
    partial(_page_tables, bent="only full ones"),
)
joining.mistake(
    "Each token takes a page of its own.",
    "A page has room for `page_size` tokens. Take a new one only when the last is full.",
    partial(_page_tables, bent="each"),
)
joining.mistake(
    "After every event the tables are those of the end.",
    "You put the same dictionary or the same lists into the result each time. Put copies there.",
    partial(_page_tables, bent="one object"),
)
joining.mistake(
    "A table that you have put into the result still grows afterwards.",
    "`dict(tables)` is a new dictionary with the same lists in it. Copy each list, too.",
    partial(_page_tables, bent="one list"),
)

leaving = question.probe(
    "texts that leave",
    _stories("leave leave", (6, 2), (12, 2), (12, 3), (16, 2), (20, 1), (24, 3), (24, 2)),
    _first_wrong_event,
)
leaving.mistake(
    "Pages of those who left never come back.",
    "They are free again. Take the smallest number that nobody holds.",
    partial(_page_tables, bent="never comes back"),
)
leaving.mistake(
    "The page that came back last is taken first.",
    "A stack would do as well, but to compare answers it must be the smallest free number here.",
    partial(_page_tables, bent="latest first"),
)
leaving.mistake(
    "The table of a text that left is still there.",
    "Remove the text from the tables when its pages are free.",
    partial(_page_tables, bent="table stays"),
)

forking = question.probe(
    "texts that fork",
    _stories("leave fork fork write", (8, 2), (14, 2), (14, 3), (18, 4), (24, 2), (24, 3), (30, 2)),
    _first_wrong_event,
)
forking.mistake(
    "Both write into a page that they share, and the tokens of one overwrite the other's.",
    "Whoever writes into a page that another text holds, too, takes a copy of it first.",
    partial(_page_tables, bent="writes into both"),
)
forking.mistake(
    "A fork copies pages.",
    "It only copies the table. A page is copied when somebody writes into it.",
    partial(_page_tables, bent="copies at a fork"),
)
forking.mistake(
    "A write copies all pages that are shared.",
    "Only the last page is written into. The ones before it stay shared as long as the texts live.",
    partial(_page_tables, bent="copies all at a write"),
)
forking.mistake(
    "A shared page that is full is copied.",
    "Nobody writes into a full page. The new token goes to a new one, and the full one stays shared.",
    partial(_page_tables, bent="copies a full page"),
)
forking.mistake(
    "A page becomes free although another text still holds it.",
    "Count the holders of each page, and let it go when the last of them has left.",
    partial(_page_tables, bent="frees for all"),
)
forking.mistake(
    "A page that was shared once is copied even by the only text that still holds it.",
    "Whoever copies a page, or leaves, no longer holds it. Count its holders down.",
    partial(_page_tables, bent="once shared"),
)
