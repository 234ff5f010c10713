"""Answers to exercise 12 as learners write them."""

import heapq
import itertools
import math
from bisect import bisect_right
from collections import Counter
from fractions import Fraction

import numpy as np
import torch
from answers import right, wrong

# 12.1 Whole numbers on both sides


def rounded(matrix, largest=None, to_whole=torch.round):
    scale = (matrix.abs().max(dim=1).values if largest is None else largest) / 127
    return to_whole(matrix / scale[:, None]), scale


@wrong("12.1", "`x` is not")
def weights_only(x, weight):
    codes, scale = rounded(weight)
    return x @ (codes * scale[:, None]).T


@wrong("12.1", "Nothing is rounded")
def the_product_itself(x, weight):
    return torch.einsum("tc,rc->tr", x, weight)


@wrong("12.1", "one scale")
def scale_of_the_matrix(x, weight):
    a, b = x.abs().max() / 127, weight.abs().max() / 127
    return torch.round(x / a) @ torch.round(weight / b).T * (a * b)


@wrong("12.1", "the most negative one")
def forgot_the_absolute_value(x, weight):
    a, of_x = rounded(x, x.max(1).values)
    b, of_weight = rounded(weight, weight.max(1).values)
    return a @ b.T * torch.outer(of_x, of_weight)


@wrong("12.1", "cut off")
def converted_to_whole_numbers(x, weight):
    a, of_x = rounded(x, to_whole=lambda codes: codes.int())
    b, of_weight = rounded(weight, to_whole=lambda codes: codes.int())
    return a @ b.T * torch.outer(of_x, of_weight)


@wrong("12.1", "wrap round")
def product_of_bytes(x, weight):
    a, of_x = rounded(x)
    b, of_weight = rounded(weight)
    return torch.stack([(a.char() * row.char()).sum(1, dtype=torch.int8) for row in b], 1) * torch.outer(
        of_x, of_weight
    )


@wrong("12.1", "still in codes")
def not_scaled_back(x, weight):
    return rounded(x)[0] @ rounded(weight)[0].mT


@wrong("12.1", "scales of the weights are missing")
def half_scaled_back(x, weight):
    codes, scale = rounded(x)
    return scale[:, None] * (codes @ rounded(weight)[0].T)


@wrong("12.1", "0 / 0 is NaN")
def no_thought_of_zeros(x, weight):
    a, of_x = rounded(x)
    b, of_weight = rounded(weight)
    return (a @ b.T) * of_x.unsqueeze(1) * of_weight


@wrong("12.1", "transposed")
def weight_not_turned(x, weight):
    return int8_by_numpy(weight, x)


@wrong("12.1", "raised IndexError")
def scales_of_columns(x, weight):
    codes, scale = rounded(weight.T)
    return x @ (codes * scale[:, None])[: weight.shape[2]]


@wrong("12.1", "called torch.quantize_per_channel")
def the_library(x, weight):
    scale = weight.abs().amax(1) / 127
    return x @ torch.quantize_per_channel(weight, scale, torch.zeros(len(scale)), 0, torch.qint8).dequantize().T


def with_scales(scale, to_whole=torch.round, back=lambda a, b: torch.outer(a, b)):
    """The product, with other scales of a row or other codes."""

    def int8_product(x, weight):
        sides = [rounded(matrix, 127 * scale(matrix), to_whole) for matrix in (x, weight)]
        return sides[0][0].double() @ sides[1][0].double().T * back(sides[0][1], sides[1][1])

    return int8_product


def over(levels):
    return lambda matrix: matrix.abs().amax(1) / levels


wrong("12.1", "the most negative one")(
    with_scales(
        lambda m: torch.where(m.amax(1) > 0, m.amax(1) / 127, 1.0), lambda codes: codes.round().clamp(-127, 127)
    )
)
wrong("12.1", "rounded down")(with_scales(over(127), torch.floor))
wrong("12.1", "scales of `x` are missing")(with_scales(over(127), back=lambda a, b: b[None]))
wrong("12.1", "cut off at 0")(with_scales(over(127), lambda codes: codes.round().relu()))
wrong("12.1", "over 128")(with_scales(over(128)))
wrong("12.1", "over 127.5")(with_scales(over(127.5)))
wrong("12.1", "over 255")(with_scales(over(255)))
wrong("12.1", "over 7, as")(with_scales(over(7)))
wrong("12.1", "rounded to 16 bits")(with_scales(lambda m: (m.abs().amax(1) / 127).half().float()))
wrong("12.1", "rounded to 16 bits")(with_scales(lambda m: (m.abs().amax(1) / 127).bfloat16().float()))
wrong("12.1", "Something is added to the scales")(with_scales(lambda m: m.abs().amax(1) / 127 + 1e-5))


@wrong("12.1", "Only `x` is rounded")
def activations_only(x, weight):
    codes, scale = rounded(x)
    return (codes * scale[:, None]) @ weight.T


@wrong("12.1", "16 bits and wrap round")
def sums_in_shorts(x, weight):
    (a, of_x), (b, of_weight) = rounded(x), rounded(weight)
    return (a.short() @ b.short().T) * torch.outer(of_x, of_weight)


@wrong("12.1", "`x` has one scale")
def one_scale_for_x(x, weight):
    (a, of_x), (b, of_weight) = rounded(x, x.abs().max().repeat(len(x))), rounded(weight)
    return a @ b.T * torch.outer(of_x, of_weight)


@wrong("12.1", "`weight` has one scale")
def one_scale_for_the_weights(x, weight):
    (a, of_x), (b, of_weight) = rounded(x), rounded(weight, weight.abs().max().repeat(len(weight)))
    return a @ b.T * torch.outer(of_x, of_weight)


@right("12.1")
def int8_by_numpy(x, weight):
    def codes(matrix):
        matrix = matrix.numpy()
        scale = np.abs(matrix).max(1, keepdims=True) / np.float32(127) + np.float32(1e-12)
        return np.rint(matrix / scale).astype(np.int64), scale

    (a, of_x), (b, of_weight) = codes(x), codes(weight)
    return np.einsum("tc,rc->tr", a, b) * (of_x * of_weight.T)


@right("12.1")
def by_lists(x, weight):
    def codes(row):
        largest = max(abs(one) for one in row) or 1.0
        return [math.floor(one * 127 / largest + 0.5) for one in row], largest / 127

    rows, columns = [codes(row) for row in x.tolist()], [codes(row) for row in weight.tolist()]
    return [[sum(i * j for i, j in zip(a, b, strict=True)) * of_a * of_b for b, of_b in columns] for a, of_a in rows]


@wrong("12.1", "kept above a smallest number")
def scales_of_a_thousandth_at_least(x, weight):
    scales = [(matrix.abs().amax(1, keepdim=True) / 127).clamp(min=1e-3) for matrix in (x, weight)]
    codes = [(matrix / scale).round() for matrix, scale in zip((x, weight), scales, strict=True)]
    return codes[0] @ codes[1].T * scales[0] * scales[1].T


# 12.2 Who sits beside you must not matter


def rectangle(texts, pad):
    width = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (width - len(text)) + text for text in texts])
    lengths = torch.tensor([len(text) for text in texts])[:, None]
    return ids, torch.arange(width) >= width - lengths


def masked(real):
    width = real.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    return (causal & real[:, None, :]) | torch.eye(width, dtype=torch.bool)


@wrong("12.2", "The positions count the padding")
def only_the_mask_is_mended(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, torch.arange(ids.shape[1]).repeat(len(ids), 1), masked(real)


@wrong("12.2", "positions of the padding are negative")
def from_the_right_end(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, torch.arange(ids.shape[1]) - (~real).sum(1, keepdim=True), masked(real)


@wrong("12.2", "stands behind the texts")
def padded_on_the_right(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([text + [pad] * (T - len(text)) for text in texts])
    real = torch.tensor([[place < len(text) for place in range(T)] for text in texts])
    visible = torch.ones(T, T).tril().bool() & real[:, None] & real[:, :, None] | torch.eye(T).bool()
    return ids, torch.arange(T) * real, visible


@wrong("12.2", "The padding can be seen")
def plain_causal(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(0), torch.ones(len(ids), *ids.shape[1:] * 2).tril() > 0


@wrong("12.2", "sees nothing at all")
def padding_is_blind(texts, pad):
    ids, real = rectangle(texts, pad)
    both = real[:, :, None] & real[:, None, :]
    return ids, torch.cumsum(real, 1).sub(1).clamp(min=0), both & torch.ones(both.shape[1:]).tril().bool()


@wrong("12.2", "are hidden because they have")
def positions_mended_only(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(min=0), masked(ids != pad)


@wrong("12.2", "hidden, and not counted")
def all_by_the_ids(texts, pad):
    ids, _ = rectangle(texts, pad)
    real = ids.ne(pad)
    return ids, (real.long().cumsum(-1) - 1).clamp(min=0), masked(real)


@wrong("12.2", "is taken for padding")
def up_to_the_first_other(texts, pad):
    ids, _ = rectangle(texts, pad)
    real = ids.ne(pad).cummax(1).values
    return ids, (real.cumsum(1) - 1).clamp(min=0), masked(real)


@wrong("12.2", "The positions count from 1")
def counted_from_one(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, real.cumsum(1), masked(real)


@wrong("12.2", "A token sees what comes later")
def everybody_sees_everybody(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(min=0), real[:, None, :] & real[:, :, None] | torch.eye(len(ids[0])).bool()


@wrong("12.2", "not three things")
def no_mask_returned(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(min=0)


@wrong("12.2", "Padding stands at position 1")
def filled_with_one(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).masked_fill(~real, 1), masked(real)


@wrong("12.2", "A column of padding also sees the padding")
def two_kinds_of_columns(texts, pad):
    ids, real = rectangle(texts, pad)
    return (
        ids,
        (real.cumsum(1) - 1).clamp(0),
        (real[:, None] == real[:, :, None]) & torch.ones(*[len(ids[0])] * 2).tril().bool(),
    )


@wrong("12.2", "The mask is transposed")
def who_is_seen_first(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(0), masked(real).transpose(1, 2)


@wrong("12.2", "upside down")
def true_where_hidden(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(0), ~masked(real)


@wrong("12.2", "does not see itself")
def only_what_came_before(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(0), masked(real) & ~(torch.eye(len(ids[0])).bool() & real[:, None])


@right("12.2")
def cell_by_cell(texts, pad):
    T = max(map(len, texts))
    ids, positions, visible = [], [], []
    for text in texts:
        start = T - len(text)
        ids.append([text[column - start] if column >= start else pad for column in range(T)])
        positions.append([max(column - start, 0) for column in range(T)])
        visible.append([[a == b or start <= b <= a for b in range(T)] for a in range(T)])
    return ids, positions, visible


@right("12.2")
def turned_round(texts, pad):
    rows = itertools.zip_longest(*(reversed(text) for text in texts))
    columns = [[pad if id is None else id for id in row] for row in rows]
    ids = np.array(columns[::-1]).T
    start = ids.shape[1] - np.array([len(text) for text in texts])
    place = np.arange(ids.shape[1])
    real = place >= start[:, None]
    own = real[:, None, :] & np.tri(len(place), dtype=bool)
    return ids, np.where(real, place - start[:, None], 0), own | np.eye(len(place), dtype=bool)


# 12.3 A run of guesses, and dice that you are given


def draw(probabilities, last):
    total = 0.0
    for token, probability in enumerate(probabilities.tolist()):
        total += probability
        if total > last:
            return token
    return token


@wrong("12.3", "Nothing comes behind the last guess")
def guesses_only(guesses, offered, wanted, dice, last):
    kept = []
    for i, guess in enumerate(guesses):
        if dice[i] >= wanted[i, guess] / offered[i, guess]:
            rest = torch.relu(wanted[i] - offered[i])
            return [*kept, draw(rest / rest.sum(), last)]
        kept.append(guess)
    return kept


@wrong("12.3", "belongs to the last guess")
def last_list_seen(guesses, offered, wanted, dice, last):
    kept, p = [], wanted[0]
    for guess, p, q, die in zip(guesses, wanted, offered, dice, strict=False):
        if die >= p[guess] / q[guess]:
            return [*kept, draw((p - q).clamp(0) / (p - q).clamp(0).sum(), last)]
        kept.append(guess)
    return [*kept, draw(p, last)]


def settle_with(stays, replace=lambda p, q: (p - q).clamp(0) / (p - q).clamp(0).sum(), choose=draw):
    def settle(guesses, offered, wanted, dice, last):
        kept = []
        for i in range(len(guesses)):
            p, q = wanted[i], offered[i]
            if not stays(dice[i], p[guesses[i]], q[guesses[i]]):
                return [*kept, choose(replace(p, q), last)]
            kept.append(guesses[i])
        return [*kept, choose(wanted[len(guesses)], last)]

    return settle


@wrong("12.3", "upside down")
def q_over_p(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < q / p)(guesses, offered, wanted, dice, last)


@wrong("12.3", "The dice are not used")
def at_least_as_likely(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: q <= p)(guesses, offered, wanted, dice, last)


@wrong("12.3", "held against p")
def chance_of_the_model(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < p)(guesses, offered, wanted, dice, last)


@wrong("12.3", "the likeliest one")
def greedy_on_top(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < p / q, choose=lambda list_, _: list_.argmax())(
        guesses, offered, wanted, dice, last
    )


@wrong("12.3", "from the model's own list")
def replaced_from_p(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < p / q, lambda p, q: p)(guesses, offered, wanted, dice, last)


@wrong("12.3", "not scaled to sum to 1")
def unscaled(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < p / q, lambda p, q: torch.relu(p - q))(
        guesses, offered, wanted, dice, last
    )


@wrong("12.3", "*less* than q")
def absolute_difference(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < p / q, lambda p, q: (p - q).abs() / (p - q).abs().sum())(
        guesses, offered, wanted, dice, last
    )


@wrong("12.3", "what q has more than p")
def more_of_what_was_offered(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die < p / q, lambda p, q: (q - p).relu() / (q - p).relu().sum())(
        guesses, offered, wanted, dice, last
    )


@wrong("12.3", "behind a refused one are looked at")
def never_stops(guesses, offered, wanted, dice, last):
    text = []
    for guess, q, p, die in zip(guesses, offered, wanted[:-1], dice, strict=True):
        more = torch.clamp(p - q, min=0)
        text.append(guess if die * q[guess] < p[guess] else draw(more / more.sum(), last))
    return [*text, draw(wanted[-1], last)]


@wrong("12.3", "Nothing comes in place")
def stops_at_once(guesses, offered, wanted, dice, last):
    for i, guess in enumerate(guesses):
        if dice[i] * offered[i][guess] >= wanted[i][guess]:
            return guesses[:i]
    return [*guesses, draw(wanted[-1], last)]


@wrong("12.3", "one token too many")
def replaced_and_one_more(guesses, offered, wanted, dice, last):
    text = []
    for guess, q, p, die in zip(guesses, offered, wanted, dice, strict=False):
        if die * q[guess] < p[guess]:
            text.append(guess)
        else:
            more = (p - q).clamp(min=0)
            text.append(draw(more / more.sum(), last))
            break
    text.append(draw(wanted[len(guesses)], last))
    return text


@wrong("12.3", "probability 0 stays")
def up_to_the_ratio(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die <= p / q)(guesses, offered, wanted, dice, last)


@wrong("12.3", "A token of probability 0 is drawn")
def searched_from_the_left(guesses, offered, wanted, dice, last):
    def choose(probabilities, last):
        return int(torch.searchsorted(probabilities.cumsum(0), torch.tensor(last)))

    return settle_with(lambda die, p, q: die < p / q, choose=choose)(guesses, offered, wanted, dice, last)


@wrong("12.3", "raised IndexError")
def never_without_a_guess(guesses, offered, wanted, dice, last):
    if dice[0] * offered[0, guesses[0]] < wanted[0, guesses[0]] and len(guesses) == 1:
        return [guesses[0], draw(wanted[1], last)]
    return by_recursion(guesses, offered, wanted, dice, last)


@wrong("12.3", "die is above p / q")
def stays_above(guesses, offered, wanted, dice, last):
    return settle_with(lambda die, p, q: die >= p / q)(guesses, offered, wanted, dice, last)


@wrong("12.3", "from the first list")
def first_list_on_top(guesses, offered, wanted, dice, last):
    found = by_recursion(guesses, offered, wanted, dice, last)
    return [*guesses, draw(wanted[0], last)] if len(found) > len(guesses) else found


@wrong("12.3", "from the last to the first")
def from_behind(guesses, offered, wanted, dice, last):
    def choose(probabilities, last):
        return len(probabilities) - 1 - draw(probabilities.flip(0), last)

    return settle_with(lambda die, p, q: die < p / q, choose=choose)(guesses, offered, wanted, dice, last)


@wrong("12.3", "from the likeliest on")
def likeliest_first(guesses, offered, wanted, dice, last):
    def choose(probabilities, last):
        values, tokens = probabilities.sort(descending=True, stable=True)
        return int(tokens[draw(values, last)])

    return settle_with(lambda die, p, q: die < p / q, choose=choose)(guesses, offered, wanted, dice, last)


@wrong("12.3", "The likeliest token comes in place")
def argmax_of_what_is_missing(guesses, offered, wanted, dice, last):
    for i, guess in enumerate(guesses):
        if dice[i] >= wanted[i, guess] / offered[i, guess]:
            return [*guesses[:i], int((wanted[i] - offered[i]).argmax())]
    return [*guesses, draw(wanted[-1], last)]


@wrong("12.3", "drawn with its die")
def die_used_twice(guesses, offered, wanted, dice, last):
    for i, guess in enumerate(guesses):
        if dice[i] >= wanted[i, guess] / offered[i, guess]:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return [*guesses[:i], draw(rest / rest.sum(), dice[i])]
    return [*guesses, draw(wanted[-1], last)]


@right("12.3")
def by_recursion(guesses, offered, wanted, dice, last):
    if not guesses:
        return (bisect_right(np.cumsum(wanted[0].double().numpy()).tolist(), last),)
    p, q = wanted[0].tolist(), offered[0].tolist()
    if dice[0] < p[guesses[0]] / q[guesses[0]]:
        return (guesses[0], *by_recursion(guesses[1:], offered[1:], wanted[1:], dice[1:], last))
    more = [max(a - b, 0) for a, b in zip(p, q, strict=True)]
    return (bisect_right(list(itertools.accumulate(more)), last * sum(more)),)


@right("12.3")
def in_fractions(guesses, offered, wanted, dice, last):
    def exact(row):
        return [Fraction(round(1000 * one), 1000) for one in row.tolist()]

    text, probabilities = [], exact(wanted[-1])
    for guess, q, p, die in zip(guesses, map(exact, offered), map(exact, wanted), dice, strict=False):
        if Fraction(die) * q[guess] >= p[guess]:
            more = [max(a - b, Fraction(0)) for a, b in zip(p, q, strict=True)]
            probabilities = [one / sum(more) for one in more]
            break
        text.append(guess)
    return [*text, next(t for t, total in enumerate(itertools.accumulate(probabilities)) if total > Fraction(last))]


# 12.4 A cache in pages


class Books:
    """A cache as most write it, with methods to write otherwise."""

    def __init__(self, page_size):
        self.page_size, self.tables, self.lengths, self.holders = page_size, {}, {}, Counter()

    def take(self):
        page = 0
        while self.holders[page] > 0:
            page += 1
        self.holders[page] = 1
        return page

    def join(self, name, n):
        self.lengths[name] = n
        self.tables[name] = [self.take() for _ in range((n + self.page_size - 1) // self.page_size)]

    def write(self, name):
        table = self.tables[name]
        if self.lengths[name] % self.page_size == 0:
            table.append(self.take())
        elif self.holders[table[-1]] > 1:
            old, table[-1] = table[-1], self.take()
            self.release(old)
        self.lengths[name] += 1

    def fork(self, name, copy):
        self.tables[copy], self.lengths[copy] = self.tables[name][:], self.lengths[name]
        for page in self.tables[name]:
            self.holders[page] += 1

    def release(self, page):
        self.holders[page] -= 1

    def leave(self, name):
        for page in self.tables.pop(name):
            self.release(page)

    def run(self, events):
        seen = []
        for kind, *arguments in events:
            getattr(self, kind)(*arguments)
            seen.append({name: table[:] for name, table in self.tables.items()})
        return seen


@wrong("12.4", "before it is needed")
def whole_part_plus_one(events, page_size):
    class Mine(Books):
        def join(self, name, n):
            self.lengths[name] = n
            self.tables[name] = [self.take() for _ in range(n // self.page_size + 1)]

        def write(self, name):
            self.lengths[name] += 1
            if self.lengths[name] % self.page_size == 0:
                self.tables[name].append(self.take())

    return Mine(page_size).run(events)


@wrong("12.4", "not full yet is forgotten")
def rounded_down(events, page_size):
    class Mine(Books):
        def join(self, name, n):
            self.tables[name], self.lengths[name] = [self.take() for _ in range(n // self.page_size)], n

        def write(self, name):
            self.lengths[name] += 1
            if self.lengths[name] % self.page_size == 0:
                self.tables[name].append(self.take())

    return Mine(page_size).run(events)


@wrong("12.4", "Each token takes a page")
def page_by_token(events, page_size):
    return Books(1).run(events)


@wrong("12.4", "who is not present")
def gone_but_remembered(events, page_size):
    class Mine(Books):
        def leave(self, name):
            super().leave(name)
            self.tables[name] = None

        def run(self, events):
            seen = []
            for kind, *arguments in events:
                getattr(self, kind)(*arguments)
                seen.append({name: table and table[:] for name, table in self.tables.items()})
            return seen

    return Mine(page_size).run(events)


@wrong("12.4", "the tables are those of the end")
def appended_the_books(events, page_size):
    books, seen = Books(page_size), []
    for kind, *arguments in events:
        getattr(books, kind)(*arguments)
        seen.append(books.tables)
    return seen


@wrong("12.4", "still grows afterwards")
def copied_the_dictionary_alone(events, page_size):
    books, seen = Books(page_size), []
    for kind, *arguments in events:
        getattr(books, kind)(*arguments)
        seen.append(dict(books.tables))
    return seen


@wrong("12.4", "never come back")
def counting_up(events, page_size):
    class Mine(Books):
        numbers = None

        def take(self):
            self.numbers = self.numbers or itertools.count()
            page = next(self.numbers)
            self.holders[page] = 1
            return page

    return Mine(page_size).run(events)


@wrong("12.4", "came back last is taken first")
def stack_of_free_pages(events, page_size):
    class Mine(Books):
        def __init__(self, page_size):
            super().__init__(page_size)
            self.free = list(range(999, -1, -1))

        def take(self):
            page = self.free.pop()
            self.holders[page] = 1
            return page

        def release(self, page):
            super().release(page)
            if not self.holders[page]:
                self.free.append(page)

    return Mine(page_size).run(events)


@wrong("12.4", "is still there")
def never_forgotten(events, page_size):
    class Mine(Books):
        def leave(self, name):
            for page in self.tables[name]:
                self.release(page)

    return Mine(page_size).run(events)


@wrong("12.4", "takes pages side by side")
def one_block(events, page_size):
    class Mine(Books):
        def join(self, name, n):
            count, start = math.ceil(n / self.page_size), 0
            while any(self.holders[start + place] for place in range(count)):
                start += 1
            self.lengths[name], self.tables[name] = n, list(range(start, start + count))
            self.holders.update(self.tables[name])

    return Mine(page_size).run(events)


@wrong("12.4", "a write too early")
def page_for_the_next_token(events, page_size):
    class Mine(Books):
        def write(self, name):
            if self.lengths[name] % self.page_size or len(self.tables[name]) * self.page_size > self.lengths[name]:
                self.lengths[name] += 1
            else:
                super().write(name)
            if self.lengths[name] % self.page_size == 0:
                self.tables[name].append(self.take())

    return Mine(page_size).run(events)


@wrong("12.4", "not when it finds it full")
def looks_after_the_write(events, page_size):
    class Mine(Books):
        def write(self, name):
            self.lengths[name] += 1
            if self.lengths[name] % self.page_size == 0:
                self.tables[name].append(self.take())

    return Mine(page_size).run(events)


@wrong("12.4", "Only the fork takes a copy")
def child_copies(events, page_size):
    class Mine(Books):
        children = ()

        def fork(self, name, copy):
            super().fork(name, copy)
            self.children = (*self.children, copy)

        def write(self, name):
            table = self.tables[name]
            if name in self.children or self.lengths[name] % self.page_size == 0:
                return super().write(name)
            self.tables[name], self.lengths[name] = table, self.lengths[name] + 1

    return Mine(page_size).run(events)


@wrong("12.4", "still counts as a holder")
def old_page_not_released(events, page_size):
    class Mine(Books):
        def write(self, name):
            table = self.tables[name]
            if self.lengths[name] % self.page_size and self.holders[table[-1]] > 1:
                table[-1] = self.take()
                self.lengths[name] += 1
            else:
                super().write(name)

    return Mine(page_size).run(events)


@wrong("12.4", "is replaced, and the text loses it")
def full_page_replaced(events, page_size):
    class Mine(Books):
        def write(self, name):
            last = self.tables[name][-1]
            if self.lengths[name] % self.page_size == 0 and self.holders[last] > 1:
                self.release(last)
                self.tables[name][-1] = self.take()
                self.lengths[name] += 1
            else:
                super().write(name)

    return Mine(page_size).run(events)


@wrong("12.4", "A fork does not count")
def table_copied_alone(events, page_size):
    class Mine(Books):
        def fork(self, name, copy):
            self.tables[copy], self.lengths[copy] = self.tables[name][:], self.lengths[name]

    return Mine(page_size).run(events)


@wrong("12.4", "overwrite the other's")
def no_copy(events, page_size):
    class Mine(Books):
        def write(self, name):
            if self.lengths[name] % self.page_size == 0:
                self.tables[name].append(self.take())
            self.lengths[name] += 1

    return Mine(page_size).run(events)


@wrong("12.4", "A fork copies pages")
def fork_as_a_join(events, page_size):
    class Mine(Books):
        def fork(self, name, copy):
            self.join(copy, self.lengths[name])

    return Mine(page_size).run(events)


@wrong("12.4", "copies all pages that are shared")
def copy_of_the_whole_table(events, page_size):
    class Mine(Books):
        def write(self, name):
            if self.lengths[name] % self.page_size:
                for place, page in enumerate(self.tables[name]):
                    if self.holders[page] > 1:
                        self.tables[name][place] = self.take()
                        self.release(page)
            super().write(name)

    return Mine(page_size).run(events)


@wrong("12.4", "that is full is copied")
def copy_before_it_looks(events, page_size):
    class Mine(Books):
        def write(self, name):
            last = self.tables[name][-1]
            if self.holders[last] > 1:
                self.tables[name][-1] = self.take()
                self.release(last)
            super().write(name)

    return Mine(page_size).run(events)


@wrong("12.4", "although another text still holds it")
def free_is_free(events, page_size):
    class Mine(Books):
        def leave(self, name):
            for page in self.tables.pop(name):
                self.holders[page] = 0

    return Mine(page_size).run(events)


@wrong("12.4", "the only text that still holds it")
def marked_as_shared(events, page_size):
    class Mine(Books):
        def __init__(self, page_size):
            super().__init__(page_size)
            self.marked = set()

        def fork(self, name, copy):
            super().fork(name, copy)
            self.marked |= set(self.tables[name])

        def write(self, name):
            last, into = self.tables[name][-1], self.lengths[name] % self.page_size
            if into and last in self.marked:
                self.tables[name][-1] = self.take()
                self.release(last)
                self.lengths[name] += 1
            else:
                super().write(name)

    return Mine(page_size).run(events)


@wrong("12.4", "After event")
def pages_from_one(events, page_size):
    return [
        {name: [page + 1 for page in table] for name, table in one.items()} for one in with_a_heap(events, page_size)
    ]


@wrong("12.4", "another text's table has changed as well")
def one_list_for_both(events, page_size):
    class Mine(Books):
        def fork(self, name, copy):
            super().fork(name, copy)
            self.tables[copy] = self.tables[name]

    return Mine(page_size).run(events)


@wrong("12.4", "who is not present")
def emptied_table(events, page_size):
    class Mine(Books):
        def leave(self, name):
            super().leave(name)
            self.tables[name] = []

    return Mine(page_size).run(events)


@wrong("12.4", "there is no table of")
def tells_of_one(events, page_size):
    tables = with_a_heap(events, page_size)
    return [{event[1]: one.get(event[1])} for event, one in zip(events, tables, strict=True)]


@wrong("12.4", "is a dictionary")
def only_the_end(events, page_size):
    return with_a_heap(events, page_size)[-1]


@right("12.4")
def with_a_heap(events, page_size):
    free, texts, seen = list(range(10_000)), {}, []
    for kind, name, *more in events:
        if kind == "join":
            n = more[0]
            texts[name] = ([heapq.heappop(free) for _ in range(-(-n // page_size))], n)
        elif kind == "fork":
            texts[more[0]] = texts[name]
        else:
            pages, n = texts.pop(name)
            held = set(itertools.chain(*(other for other, _ in texts.values())))
            if kind == "leave":
                for page in set(pages) - held:
                    heapq.heappush(free, page)
            elif n % page_size == 0:
                texts[name] = ([*pages, heapq.heappop(free)], n + 1)
            else:
                last = heapq.heappop(free) if pages[-1] in held else pages[-1]
                texts[name] = ([*pages[:-1], last], n + 1)
        seen.append({name: pages for name, (pages, _) in texts.items()})
    return seen


class FirstPageAsked(Books):
    def write(self, name):
        table = self.tables[name]
        if self.lengths[name] % self.page_size == 0:
            table.append(self.take())
        elif self.holders[table[0]] > 1:  # the first page, and it is the last that is written into
            old, table[-1] = table[-1], self.take()
            self.release(old)
        self.lengths[name] += 1


class SecondPageReleased(Books):
    def write(self, name):
        table = self.tables[name]
        if self.lengths[name] % self.page_size == 0:
            table.append(self.take())
        elif self.holders[table[-1]] > 1:
            old, table[-1] = table[min(1, len(table) - 1)], self.take()
            self.release(old)
        self.lengths[name] += 1


@wrong("12.4", "After event")
def first_page_asked(events, page_size):
    return FirstPageAsked(page_size).run(events)


@wrong("12.4", "After event")
def second_page_released(events, page_size):
    return SecondPageReleased(page_size).run(events)


# Answers from the text alone


def _codes(matrix, most=127.0):
    scale = matrix.abs().amax(1, keepdim=True) / most
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (matrix / scale).round(), scale


@wrong("12.1", "Scales are kept above a smallest number, so small rows lose their digits.")
def scales_kept_large(x, weight):
    def codes(m):
        s = (m.abs().amax(1, keepdim=True) / 127).clamp(min=1e-5)
        return (m / s).round(), s

    (a, s), (b, t) = codes(x), codes(weight)
    return a @ b.T * s * t.T


@wrong("12.1", "`x` has one scale for all of its rows; each row needs its own.")
def whole_x_by_one_scale(x, weight):
    s = x.abs().max() / 127
    s = s if s > 0 else torch.tensor(1.0)
    b, t = _codes(weight)
    return (x / s).round() @ b.T * s * t.T


@wrong("12.1", "The sums are kept in 16 bits and wrap round at 32,767.")
def sums_in_sixteen_bits(x, weight):
    (a, s), (b, t) = _codes(x), _codes(weight)
    return (a.short() @ b.short().T).float() * s * t.T


@wrong("12.1", "The codes are cut off behind the point, not rounded.")
def cut(x, weight):
    (_, s), (_, t) = _codes(x), _codes(weight)
    return (x / s).trunc() @ (weight / t).trunc().T * s * t.T


@wrong("12.1", "In some cases, this is what happens: The scale comes from the largest number, and the")
def without_abs(x, weight):
    def codes(m):
        s = m.amax(1, keepdim=True) / 127
        s = torch.where(s != 0, s, 1.0)
        return (m / s).round().clamp(-127, 127), s

    (a, s), (b, t) = codes(x), codes(weight)
    return a @ b.T * s * t.T


@wrong("12.1", "Only the weights are rounded; `x` is not.")
def codes_of_weights_only(x, weight):
    b, t = _codes(weight)
    return x @ (b * t).T


@wrong("12.1", "The scale is the largest value over 128, and codes are cut off at -128 and 127.")
def to_128(x, weight):
    (a, s), (b, t) = _codes(x, 128.0), _codes(weight, 128.0)
    return a.clamp(-128, 127) @ b.clamp(-128, 127).T * s * t.T


def _parts(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([[pad] * (T - len(t)) + list(t) for t in texts])
    start = torch.tensor([T - len(t) for t in texts])[:, None]
    columns = torch.arange(T)
    return T, ids, start, columns


@wrong("12.2", "Tokens of a text are hidden because they have the padding's id.")
def by_the_id(texts, pad):
    T, ids, start, columns = _parts(texts, pad)
    positions = (columns - start).clamp(min=0)
    visible = torch.ones(T, T).tril().bool() & (ids != pad)[:, None]
    return ids, positions, visible | torch.eye(T).bool()


@wrong("12.2", "The token at the beginning of a text is taken for padding.")
def leading_pads(texts, pad):
    T, ids, _, columns = _parts(texts, pad)
    start = T - (ids != pad).long().cumsum(1).ne(0).sum(1, keepdim=True)
    positions = (columns - start).clamp(min=0)
    real = columns >= start
    visible = torch.ones(T, T).tril().bool() & real[:, None]
    return ids, positions, visible | torch.eye(T).bool()


@wrong("12.2", "A column of padding also sees the padding in front of it.")
def padding_sees_padding(texts, pad):
    T, ids, start, columns = _parts(texts, pad)
    positions = (columns - start).clamp(min=0)
    real = columns >= start
    same = real[:, :, None] == real[:, None, :]
    return ids, positions, torch.ones(T, T).tril().bool() & same


@wrong("12.2", "A column of padding sees nothing at all, and softmax divides 0 by 0 there.")
def padding_sees_nothing(texts, pad):
    T, ids, start, columns = _parts(texts, pad)
    positions = (columns - start).clamp(min=0)
    real = columns >= start
    return ids, positions, torch.ones(T, T).tril().bool() & real[:, None, :] & real[:, :, None]


@wrong("12.2", "The positions of the padding are negative, and a table of positions has no such row.")
def negative_positions(texts, pad):
    T, ids, start, columns = _parts(texts, pad)
    visible = torch.ones(T, T).tril().bool() & (columns >= start)[:, None, :]
    return ids, columns - start, visible | torch.eye(T).bool()


@wrong("12.2", "A text's positions are the numbers of its columns: they begin at the padding, and only")
def positions_of_columns(texts, pad):
    T, ids, start, columns = _parts(texts, pad)
    positions = columns.expand_as(ids) * (columns >= start)
    visible = torch.ones(T, T).tril().bool() & (columns >= start)[:, None, :]
    return ids, positions, visible | torch.eye(T).bool()


@wrong("12.2", "All rows of the ids are one and the same list, so each holds what was written last.")
def one_row_for_all(texts, pad):
    T, _, start, columns = _parts(texts, pad)
    rows = [[pad] * T] * len(texts)
    for row, text in zip(rows, texts):
        row[T - len(text) :] = text
    positions = (columns - start).clamp(min=0)
    visible = torch.ones(T, T).tril().bool() & (columns >= start)[:, None, :]
    return torch.tensor(rows), positions, visible | torch.eye(T).bool()


def _draw(p, last):
    return int((p.cumsum(0) > last).nonzero()[0])


@wrong("12.3", "A guess that the model gives probability 0 stays when its die shows 0.")
def at_most_the_ratio(guesses, offered, wanted, dice, last):
    for i, g in enumerate(guesses):
        if dice[i] * offered[i][g] <= wanted[i][g]:
            continue
        rest = (wanted[i] - offered[i]).clamp(min=0)
        return [*guesses[:i], _draw(rest / rest.sum(), last)]
    return [*guesses, _draw(wanted[-1], last)]


@wrong("12.3", "The replacement is drawn from the model's own list.")
def from_wanted(guesses, offered, wanted, dice, last):
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i][g] / offered[i][g]:
            return [*guesses[:i], _draw(wanted[i], last)]
    return [*guesses, _draw(wanted[-1], last)]


@wrong("12.3", "What p has more than q is not scaled to sum to 1.")
def rest_not_scaled(guesses, offered, wanted, dice, last):
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i][g] / offered[i][g]:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            above = (rest.cumsum(0) > last).nonzero()
            return [*guesses[:i], int(above[0]) if len(above) else int(rest.nonzero()[-1])]
    return [*guesses, _draw(wanted[-1], last)]


@wrong("12.3", "A token of probability 0 is drawn when `last` is 0.")
def at_least_last(guesses, offered, wanted, dice, last):
    def draw(p):
        return int(torch.searchsorted(p.cumsum(0), torch.tensor(last, dtype=p.dtype), right=False))

    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i][g] / offered[i][g]:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return [*guesses[:i], draw(rest / rest.sum())]
    return [*guesses, draw(wanted[-1])]


@wrong("12.3", "The token on top is the likeliest one, not a drawn one.")
def argmax_of_the_rest(guesses, offered, wanted, dice, last):
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i][g] / offered[i][g]:
            return [*guesses[:i], int((wanted[i] - offered[i]).argmax())]
    return [*guesses, int(wanted[-1].argmax())]


@wrong("12.3", "The die is held against p; what the guesser offered is not used.")
def die_against_p(guesses, offered, wanted, dice, last):
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i][g]:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            rest = rest if rest.sum() > 0 else wanted[i]
            return [*guesses[:i], _draw(rest / rest.sum(), last)]
    return [*guesses, _draw(wanted[-1], last)]


@wrong("12.3", "The guesses behind a refused one are looked at, too.")
def goes_on(guesses, offered, wanted, dice, last):
    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i][g] / offered[i][g]:
            out.append(g)
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            out.append(_draw(rest / rest.sum(), last))
    return [*out, _draw(wanted[-1], last)]


def _pages(events, size, *, reuse="smallest", share=True, copy="one", snapshot=True, leak=False, full=0):
    tables, lengths, holders, out = {}, {}, Counter(), []
    freed, fresh = [], itertools.count()

    def take():
        if reuse == "never":
            page = next(fresh)
        elif reuse == "latest" and freed:
            page = freed.pop()
        elif reuse == "latest":
            page = next(fresh)
        else:
            page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    def drop(page):
        holders[page] -= 1
        if not holders[page]:
            freed.append(page)

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // size))]
        elif kind == "write":
            if lengths[name] % size == full:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1 and copy == "one":
                old = tables[name][-1]
                tables[name][-1] = take()
                if not leak:
                    drop(old)
            elif holders[tables[name][-1]] > 1 and copy == "all":
                old = tables[name]
                tables[name] = [take() if holders[p] > 1 else p for p in old]
                for p, q in zip(old, tables[name]):
                    if p != q:
                        drop(p)
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]] = list(tables[name]) if share else tables[name]
            lengths[rest[0]] = lengths[name]
            for p in tables[name]:
                holders[p] += 1
        else:
            for p in tables.pop(name):
                drop(p)
            del lengths[name]
        out.append({k: list(v) if snapshot else v for k, v in tables.items()})
    return out


@wrong("12.4", "The page that came back last is taken first.")
def latest_freed_first(events, page_size):
    return _pages(events, page_size, reuse="latest")


@wrong("12.4", "A write copies all pages that are shared.")
def copies_all(events, page_size):
    return _pages(events, page_size, copy="all")


@wrong("12.4", "A text that has taken a copy still counts as a holder of the old page.")
def old_page_still_held(events, page_size):
    return _pages(events, page_size, leak=True)


@wrong("12.4", "A table that you have put into the result still grows afterwards.")
def live_tables(events, page_size):
    return _pages(events, page_size, snapshot=False)


@wrong("12.4", "After event 2, ('write', 'A'), another text's table has changed as well: that of B.")
def forks_share_a_list(events, page_size):
    return _pages(events, page_size, share=False)


@wrong("12.4", "A write takes a new page when it has filled the last one, not when it finds it full.")
def a_page_too_early(events, page_size):
    return _pages(events, page_size, full=page_size - 1)


@wrong("12.4", "A page becomes free although another text still holds it.")
def leaving_frees_shared_pages(events, page_size):
    tables, lengths, free, out = {}, {}, set(range(10_000)), []

    def take():
        page = min(free)
        free.discard(page)
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif any(tables[name][-1] in t for n, t in tables.items() if n != name):
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
        else:
            free.update(tables.pop(name))
        out.append({k: list(v) for k, v in tables.items()})
    return out


@right("12.1")
def with_numpy_integers(x, weight):
    def codes(m):
        m = m.numpy()
        s = np.abs(m).max(1, keepdims=True) / np.float32(127)
        s[s == 0] = 3
        return np.rint(m / s).astype(np.int64), s

    (a, s), (b, t) = codes(x), codes(weight)
    return (a @ b.T) * (s.astype(np.float64) * t.T.astype(np.float64))


@right("12.2")
def by_loops(texts, pad):
    T = max(len(t) for t in texts)
    ids, positions, visible = [], [], []
    for text in texts:
        n = T - len(text)
        ids.append([pad] * n + list(text))
        positions.append([0] * n + list(range(len(text))))
        visible.append([[i == j or (n <= j <= i) for j in range(T)] for i in range(T)])
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(visible)


@right("12.3")
def without_division(guesses, offered, wanted, dice, last):
    wanted, offered = wanted.double(), offered.double()
    out, p = [], wanted[len(guesses)]
    for i, g in enumerate(guesses):
        if not float(dice[i]) * float(offered[i, g]) < float(wanted[i, g]):
            p = (wanted[i] - offered[i]).relu()
            break
        out.append(int(g))
    total, bar = 0.0, float(last) * float(p.sum()) if len(out) < len(guesses) else float(last)
    for token, share in enumerate(p.tolist()):
        total += share
        if total > bar:
            return [*out, token]


@right("12.4")
def holders_are_looked_up(events, page_size):
    texts, out = {}, []

    def free():
        held = {p for t, _ in texts.values() for p in t}
        return next(p for p in itertools.count() if p not in held)

    for event in events:
        match event:
            case ("join", name, n):
                texts[name] = ((), 0)
                for _ in range(math.ceil(n / page_size)):
                    texts[name] = ((*texts[name][0], free()), n)
            case ("write", name):
                table, n = texts[name]
                if n == len(table) * page_size:
                    table = (*table, free())
                elif any(table[-1] in t for other, (t, _) in texts.items() if other != name):
                    table = (*table[:-1], free())
                texts[name] = (table, n + 1)
            case ("fork", name, twin):
                texts[twin] = texts[name]
            case ("leave", name):
                del texts[name]
        out.append({name: list(table) for name, (table, _) in texts.items()})
    return out


@wrong("12.1", "The result has shape (1, 1) in place of (2, 1).")
def rows_of_zeros_dropped(x, weight):
    x, weight = x[x.any(1)], weight[weight.any(1)]
    (a, s), (b, t) = _codes(x), _codes(weight)
    return a @ b.T * s * t.T
