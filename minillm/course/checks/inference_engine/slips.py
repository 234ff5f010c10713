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
