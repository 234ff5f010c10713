"""Caches in pages that break one rule, for 12.4."""

from minillm.course.checks.inference_engine.paging import Cache


class OnlyForkCopies(Cache):
    """Only a fork copies a shared page."""

    def __init__(self, page_size):
        super().__init__(page_size)
        self.forks = set()

    def fork(self, name, new):
        super().fork(name, new)
        self.forks.add(new)

    def copy(self, name):
        if name in self.forks:
            super().copy(name)


class HoldsBoth(Cache):
    """Who copies a page still counts as a holder of the old one."""

    def copy(self, name):
        for place in self.to_copy(name):
            if self.shared(self.tables[name][place]):
                self.tables[name][place] = self.take()


class ReplacesFullPage(Cache):
    """A shared page that is full is replaced."""

    def grow(self, name, new):
        if name not in self.tables:
            return super().grow(name, new)
        table = self.tables[name]
        if self.lengths[name] % self.size == 0:
            if self.shared(table[-1]):
                self.let_go(table.pop())
            table.append(self.take())
        self.lengths[name] += 1


class ForkHoldsNothing(Cache):
    """A fork is no holder of its pages."""

    def fork(self, name, new):
        self.tables[new], self.lengths[new] = list(self.tables[name]), self.lengths[name]


class Blocks(Cache):
    """Pages of one text stand side by side."""

    def grow(self, name, new):
        count = self.enough(new)
        if name in self.tables:
            return super().grow(name, new)
        start = next(page for page in range(10**6) if all(self.holders[page + place] < 1 for place in range(count)))
        self.lengths[name], self.tables[name] = new, list(range(start, start + count))
        self.holders.update(self.tables[name])


class _PageAhead(Cache):
    """A text that joins takes one page too many where its tokens fill the last; writes are right."""

    def grow(self, name, new):
        joins = name not in self.tables
        super().grow(name, new)
        if joins and self.lengths[name] % self.size == 0:
            self.tables[name].append(self.take())


class _FullFork(Cache):
    """A fork's length is taken for that of full pages."""

    def fork(self, name, new):
        super().fork(name, new)
        self.lengths[new] = len(self.tables[name]) * self.size


class _EmptyFork(Cache):
    """A fork begins with the length 0."""

    def fork(self, name, new):
        super().fork(name, new)
        self.lengths[new] = 0

    def grow(self, name, new):
        if name not in self.tables:
            return super().grow(name, new)
        if self.lengths[name] % self.size == 0:
            self.tables[name].append(self.take())
        self.lengths[name] += 1


class _NoPageBack(Cache):
    """A text that copies its last page appends the copy and keeps the old one."""

    def copy(self, name):
        for place in self.to_copy(name):
            if self.shared(self.tables[name][place]):
                self.tables[name].append(self.take())


class _LargestFirst(Cache):
    """The free page with the largest number is taken, of those that were held once."""

    def free_page(self):
        free = [page for page in self.holders if self.holders[page] < 1]
        return max(free) if free else max(self.holders, default=-1) + 1


class _OldestFirst(Cache):
    """The page that came back first is taken first."""

    def __init__(self, page_size):
        super().__init__(page_size)
        self.freed = []

    def free_page(self):
        return self.freed.pop(0) if self.freed else max(self.holders, default=-1) + 1

    def let_go(self, page):
        super().let_go(page)
        if self.holders[page] < 1:
            self.freed.append(page)


class _FreesBeforeTaking(Cache):
    """A text lets go of the shared page before it takes another, or takes the copy from the end."""

    def free_page(self):
        return max((page for page in self.holders if self.holders[page] > 0), default=-1) + 1


class _OthersNeverWrite(Cache):
    """Both holders of a shared page take a copy, so the old page is free."""

    def copy(self, name):
        for place in self.to_copy(name):
            page = self.tables[name][place]
            if self.shared(page):
                for table in self.tables.values():
                    if page in table:
                        table[table.index(page)] = self.take()
                self.holders[page] = 0


class _FreesAll(Cache):
    """A sequence that leaves frees all of its pages, also those that another one still holds."""

    def __init__(self, page_size):
        super().__init__(page_size)
        self.free = set(range(1000))

    def take(self):
        page = min(self.free)
        self.free.remove(page)
        return page

    def shared(self, page):
        return sum(page in table for table in self.tables.values()) > 1

    def leave(self, name):
        self.free.update(self.tables.pop(name))


OTHERS = (
    (
        _FreesAll,
        "A page becomes free although another text still holds it.",
        "Count the holders of each page, and let it go when the last of them has left.",
    ),
    (
        _PageAhead,
        "Who joins takes one page too many where the tokens fill the last one exactly.",
        "A text of n tokens needs n / page_size pages, rounded up. 4 tokens fill 2 pages of 2.",
    ),
    (
        _FullFork,
        "A fork's last page is taken for full, although it has room.",
        "A fork has the length of its text, too: copy it with the table.",
    ),
    (
        _EmptyFork,
        "A fork's length begins at 0.",
        "A fork has the length of its text, too: copy it with the table.",
    ),
    (
        _NoPageBack,
        "The copy of a shared page is appended, and the old page stays in the table.",
        "The copy takes the place of the old page: `table[-1] = page`.",
    ),
    (
        _LargestFirst,
        "Of the free pages the one with the largest number is taken.",
        "Take the free page with the smallest number.",
    ),
    (
        _OldestFirst,
        "Of the free pages the one that came back first is taken.",
        "Take the free page with the smallest number, in whichever order they came back.",
    ),
    (
        _FreesBeforeTaking,
        "The page after the largest one in use is taken, although smaller ones are free.",
        "Take the smallest number that nobody holds.",
    ),
    (
        _OthersNeverWrite,
        "All holders of a shared page take copies when one of them writes.",
        "Only the text that writes takes a copy; the others keep the page.",
    ),
)
