"""A cache in pages, for 12.4: the rules, one method for each, so that a mistake can override one of them."""

from collections import Counter
from itertools import count
from typing import Any

Event = tuple[Any, ...]
Tables = dict[str, list[int]]


class Cache:
    """Texts and their pages, by the rules; each mistake overrides one of the methods."""

    def __init__(self, page_size: int):
        self.size = page_size
        self.tables: Tables = {}
        self.lengths: dict[str, int] = {}
        self.holders: Counter[int] = Counter()

    def free_page(self) -> int:
        """The page to be taken next: the smallest number that nobody holds."""
        return next(page for page in count() if self.holders[page] < 1)

    def take(self) -> int:
        """Take a free page for one holder."""
        page = self.free_page()
        self.holders[page] = 1
        return page

    def let_go(self, page: int) -> None:
        """One text fewer holds this page."""
        self.holders[page] -= 1

    def enough(self, length: int) -> int:
        """How many pages a text of this length needs."""
        return -(-length // self.size)

    def grow(self, name: str, new: int) -> None:
        """Make room for new tokens at the end of a text."""
        self.lengths[name] = self.lengths.get(name, 0) + new
        table = self.tables.setdefault(name, [])
        while len(table) < self.enough(self.lengths[name]):
            table.append(self.take())

    def to_copy(self, name: str) -> list[int]:
        """The places in a text's table of the pages that it must have for itself before it writes."""
        return list(range(len(self.tables[name])))[-1:] if self.lengths[name] % self.size else []

    def shared(self, page: int) -> bool:
        """Whether a page must be copied before somebody writes into it."""
        return self.holders[page] > 1

    def copy(self, name: str) -> None:
        """Give a text pages of its own where it is about to write."""
        table = self.tables[name]
        for place in self.to_copy(name):
            page = table[place]
            if self.shared(page):
                table[place] = self.take()
                self.let_go(page)

    def fork(self, name: str, new: str) -> None:
        """Let a new text share all pages of another."""
        self.tables[new], self.lengths[new] = list(self.tables[name]), self.lengths[name]
        self.holders.update(self.tables[name])

    def leave(self, name: str) -> None:
        """Remove a text, and let go of its pages."""
        for page in self.tables.pop(name):
            self.let_go(page)

    def do(self, kind: str, name: str, argument: Any = None) -> None:
        """Do what an event says."""
        if kind == "join":
            self.grow(name, argument)
        elif kind == "write":
            self.copy(name)
            self.grow(name, 1)
        elif kind == "leave":
            self.leave(name)
        else:
            self.fork(name, argument)
