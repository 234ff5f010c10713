"""Answers to assignment 12 from its text alone; this set is only scored."""

import itertools
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


def _row_codes(matrix):
    scale = matrix.abs().amax(1, keepdim=True) / 127
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return (matrix / scale).round(), scale


@wrong("12.1", "adds the products in 16 bits, where a sum of three large ones no longer fits")
def sums_in_16_bits(x, weight):
    codes_x, scale_x = _row_codes(x)
    codes_w, scale_w = _row_codes(weight)
    return (codes_x.short() @ codes_w.short().T) * scale_x * scale_w.T


@wrong("12.1", "keeps scales above 1e-5 against division by 0, which spoils the codes of rows with small numbers")
def scale_with_a_floor(x, weight):
    def codes(matrix):
        scale = (matrix.abs().amax(1, keepdim=True) / 127).clamp_min(1e-5)
        return torch.round(matrix / scale), scale

    (cx, sx), (cw, sw) = codes(x), codes(weight)
    return (cx.int() @ cw.int().T).float() * sx * sw.T


@wrong("12.1", "a cast to int8 cuts the fraction off instead of rounding")
def cast_cuts_off(x, weight):
    def codes(matrix):
        scale = matrix.abs().amax(dim=1) / 127
        scale[scale == 0] = 1.0
        return (matrix / scale[:, None]).to(torch.int8), scale

    (cx, sx), (cw, sw) = codes(x), codes(weight)
    return (cx.int() @ cw.int().T) * torch.outer(sx, sw)


@wrong("12.1", "x gets one scale for the whole matrix, not one for each row")
def one_scale_for_x(x, weight):
    scale_x = x.abs().max() / 127
    if scale_x == 0:
        return torch.zeros(len(x), len(weight))
    codes_w, scale_w = _row_codes(weight)
    return ((x / scale_x).round().int() @ codes_w.int().T) * scale_x * scale_w.T


@wrong("12.1", "rounds the weights only and leaves x as it is, like Int8Linear")
def weights_only(x, weight):
    codes, scale = _row_codes(weight)
    return (x @ codes.T) * scale.T


@right("12.1")
def whole_numbers_in_numpy(x, weight):
    def codes(matrix):
        rows = matrix.detach().numpy()
        scale = np.abs(rows).max(axis=1) / np.float32(127)
        divisor = np.where(scale > 0, scale, np.float32(1))
        return np.rint(rows / divisor[:, None]).astype(np.int64), scale

    cx, sx = codes(x)
    cw, sw = codes(weight)
    product = np.einsum("tc,rc->tr", cx, cw).astype(np.float64)
    return torch.from_numpy((product * np.outer(sx.astype(np.float64), sw)).astype(np.float32))


@wrong("12.2", "takes all leading pad ids for padding, also those with which a text itself begins")
def text_begins_at_first_word(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([[pad] * (T - len(text)) + list(text) for text in texts])
    real = (ids != pad).cumsum(1) > 0
    positions = (real.cumsum(1) - 1).clamp_min(0)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    return ids, positions, (causal & real[:, None, :]) | torch.eye(T, dtype=torch.bool)


@wrong("12.2", "padding stands at position 1, as in another library, and not at 0")
def padding_at_one(texts, pad):
    T = max(map(len, texts))
    ids = torch.full((len(texts), T), pad)
    real = torch.zeros(len(texts), T, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, T - len(text) :] = torch.tensor(text)
        real[row, T - len(text) :] = True
    positions = real.long().cumsum(-1) - 1
    positions = positions.masked_fill(~real, 1)
    visible = real[:, None, :] & torch.ones(T, T, dtype=torch.bool).tril()
    return ids, positions, visible | torch.eye(T, dtype=torch.bool)


@wrong("12.2", "a column of padding sees the padding in front of it, too, and not itself alone")
def padding_sees_padding(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([[pad] * (T - len(text)) + list(text) for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    real = columns >= start
    causal = columns[:, None] >= columns
    return ids, (columns - start).clamp(min=0), causal & (real[:, :, None] == real[:, None, :])


@wrong("12.2", "a token of the text sees those behind it as well")
def sees_what_comes(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([[pad] * (T - len(text)) + list(text) for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    real = columns >= start
    visible = (real[:, :, None] & real[:, None, :]) | torch.eye(T, dtype=torch.bool)
    return ids, (columns - start).clamp(min=0), visible


@wrong("12.2", "a column of padding sees nothing, not even itself")
def blind_padding(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([[pad] * (T - len(text)) + list(text) for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    visible = (columns >= start)[:, None, :] & (columns[:, None] >= columns)
    return ids, (columns - start).clamp(min=0), visible


@right("12.2")
def squares_in_the_corner(texts, pad):
    T = max(map(len, texts))
    rows, places, squares = [], [], []
    for text in texts:
        n = len(text)
        rows.append([pad] * (T - n) + list(text))
        places.append([0] * (T - n) + list(range(n)))
        squares.append(torch.block_diag(torch.eye(T - n), torch.ones(n, n).tril()).bool())
    return torch.tensor(rows), torch.tensor(places), torch.stack(squares)


def _draw(probabilities, last):
    return int((probabilities.cumsum(0) > last).nonzero()[0])


@wrong("12.3", "a die equal to p / q keeps the guess, so a die of 0 keeps one of probability 0")
def die_may_be_equal(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] <= wanted[i][guess] / offered[i][guess]:
            out.append(guess)
            continue
        more = (wanted[i] - offered[i]).clamp(min=0)
        return out + [_draw(more / more.sum(), last)]
    return out + [_draw(wanted[-1], last)]


@wrong("12.3", "in place of a refused guess it draws from all of wanted, not from what that has more")
def drawn_from_wanted(guesses, offered, wanted, dice, last):
    stay = 0
    for i, guess in enumerate(guesses):
        if dice[i] >= wanted[i][guess] / offered[i][guess]:
            break
        stay += 1
    return [int(guess) for guess in guesses[:stay]] + [_draw(wanted[stay], last)]


@wrong("12.3", "the surplus is not scaled to sum to 1 before the draw")
def surplus_not_scaled(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if not dice[i] < wanted[i][guess] / offered[i][guess]:
            reached = (wanted[i] - offered[i]).clamp(min=0).cumsum(0) > last
            out.append(int(reached.int().argmax()) if reached.any() else len(reached) - 1)
            return out
        out.append(guess)
    return out + [_draw(wanted[len(out)], last)]


@wrong("12.3", "draws the first token at which the sum is at least last, not above it")
def sum_may_be_equal(guesses, offered, wanted, dice, last):
    def draw(probabilities):
        sums = probabilities.cumsum(0)
        return min(int((sums < last).sum()), len(sums) - 1)

    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] < wanted[i][guess] / offered[i][guess]:
            out.append(guess)
        else:
            more = torch.relu(wanted[i] - offered[i])
            return [*out, draw(more / more.sum())]
    return [*out, draw(wanted[len(out)])]


@wrong("12.3", "goes on after a refused guess instead of ending the list there")
def walks_on(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] < wanted[i][guess] / offered[i][guess]:
            out.append(guess)
        else:
            more = (wanted[i] - offered[i]).clamp(min=0)
            out.append(_draw(more / more.sum(), last))
    out.append(_draw(wanted[len(guesses)], last))
    return out


@right("12.3")
def cut_at_first_refusal(guesses, offered, wanted, dice, last):
    n = len(guesses)
    ids = [int(guess) for guess in guesses]
    refused = (i for i in range(n) if float(dice[i]) >= float(wanted[i][ids[i]] / offered[i][ids[i]]))
    stop = next(refused, n)
    chances = wanted[stop]
    if stop < n:
        chances = torch.where(chances > offered[stop], chances - offered[stop], 0.0)
        chances = chances / chances.sum()
    possible = [token for token, chance in enumerate(chances.tolist()) if chance > 0]
    sums = chances.cumsum(0)
    token = next((token for token in possible if sums[token] > last), possible[-1])
    return [*ids[:stop], token]


def _books(events, page_size, join_pages, keep_old=False, whole_copy=False, newest_first=False):
    tables, lengths, holders, freed, result = {}, {}, Counter(), [], []
    fresh = itertools.count()

    def take():
        if newest_first:
            page = freed.pop() if freed else next(fresh)
        else:
            page = next(page for page in itertools.count() if not holders[page])
        holders[page] += 1
        return page

    def drop(page):
        holders[page] -= 1
        if not holders[page]:
            freed.append(page)

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(join_pages(rest[0], page_size))]
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            for page in tables.pop(name):
                drop(page)
        else:
            table = tables[name]
            if lengths[name] % page_size == 0:
                table.append(take())
            elif holders[table[-1]] > 1:
                for place in range(len(table)) if whole_copy else [len(table) - 1]:
                    if holders[table[place]] > 1:
                        old, table[place] = table[place], take()
                        if not keep_old:
                            drop(old)
            lengths[name] += 1
        result.append({one: list(table) for one, table in tables.items()})
    return result


@wrong("12.4", "a text of n tokens takes n // page_size + 1 pages, one too many where the last is just full")
def one_page_too_many(events, page_size):
    return _books(events, page_size, lambda n, size: n // size + 1)


@wrong("12.4", "after the copy the text still counts as a holder of the old page, which never becomes free")
def old_page_held(events, page_size):
    return _books(events, page_size, lambda n, size: -(-n // size), keep_old=True)


@wrong("12.4", "copies all shared pages of the text at a write, not only the one that is written")
def copies_all_pages(events, page_size):
    return _books(events, page_size, lambda n, size: -(-n // size), whole_copy=True)


@wrong("12.4", "takes the page that became free last, not the free one with the smallest number")
def newest_free_page(events, page_size):
    return _books(events, page_size, lambda n, size: -(-n // size), newest_first=True)


@wrong("12.4", "asks first whether the last page is shared, and replaces it even where it is full")
def copies_a_full_page(events, page_size):
    tables, lengths, result = {}, {}, []

    def take():
        held = set(itertools.chain(*tables.values()))
        return next(page for page in itertools.count() if page not in held)

    for kind, name, *rest in events:
        if kind == "join":
            tables[name], lengths[name] = [], rest[0]
            while len(tables[name]) * page_size < rest[0]:
                tables[name].append(take())
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = tables[name][:], lengths[name]
        elif kind == "leave":
            del tables[name], lengths[name]
        else:
            shared = sum(tables[name][-1] in table for table in tables.values()) > 1
            if shared:
                tables[name][-1] = take()
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            lengths[name] += 1
        result.append({one: list(table) for one, table in tables.items()})
    return result


@right("12.4")
def new_state_each_time(events, page_size):
    state, result = {}, []

    def smallest(texts, more):
        held = set(more)
        for pages, _ in texts.values():
            held.update(pages)
        return min(set(range(len(held) + 1)) - held)

    for event in events:
        name = event[1]
        if event[0] == "join":
            pages = ()
            while len(pages) * page_size < event[2]:
                pages += (smallest(state, pages),)
            state = {**state, name: (pages, event[2])}
        elif event[0] == "fork":
            state = {**state, event[2]: state[name]}
        elif event[0] == "leave":
            state = {one: held for one, held in state.items() if one != name}
        else:
            pages, length = state[name]
            if length == len(pages) * page_size:
                pages += (smallest(state, ()),)
            elif any(pages[-1] in held for one, (held, _) in state.items() if one != name):
                pages = (*pages[:-1], smallest(state, ()))
            state = {**state, name: (pages, length + 1)}
        result.append({one: list(held) for one, (held, _) in state.items()})
    return result
