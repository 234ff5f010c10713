"""Answers to assignment 12 from its text alone; this half served to tune the checks."""

import heapq
import itertools
import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


@wrong("12.1", "one scale serves a whole matrix, where each row should have its own")
def one_scale_for_all_rows(x, weight):
    sx = x.abs().max() / 127
    sw = weight.abs().max() / 127
    sx = sx if sx > 0 else torch.tensor(1.0)
    sw = sw if sw > 0 else torch.tensor(1.0)
    qx, qw = torch.round(x / sx).int(), torch.round(weight / sw).int()
    return (qx @ qw.T) * sx * sw


@right("12.1")
def helper_twice(x, weight):
    def codes_and_scales(matrix):
        scales = matrix.abs().amax(1, keepdim=True) / 127
        scales = torch.where(scales == 0, 1.0, scales)
        return (matrix / scales).round().to(torch.int8), scales

    codes_x, scale_x = codes_and_scales(x)
    codes_w, scale_w = codes_and_scales(weight)
    return (codes_x.int() @ codes_w.int().T) * scale_x * scale_w.T


@wrong("12.1", "the scales of the weights are not turned, so they go with the rows of x and not with the columns")
def weight_scales_not_turned(x, weight):
    def quantize(m):
        s = m.abs().amax(1, keepdim=True) / 127
        s = torch.where(s == 0, 1.0, s)
        return (m / s).round().int(), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx @ qw.T) * (sx * sw)


@wrong("12.1", "the largest value gets the code 128, which 8 bits turn into -128")
def largest_is_128(x, weight):
    def quantize(m):
        s = m.abs().amax(1, keepdim=True) / 128
        s = torch.where(s == 0, 1.0, s)
        return (m / s).round().int().to(torch.int8), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx.int() @ qw.int().T) * sx * sw.T


@wrong("12.1", "only the weights become codes, x stays as it is, as in Int8Linear")
def x_stays_float(x, weight):
    scale = weight.abs().amax(1, keepdim=True) / 127
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    codes = torch.round(weight / scale).to(torch.int8)
    return (x @ codes.float().T) * scale.T


@right("12.1")
def numpy_einsum_in_64_bits(x, weight):
    def quantize(a):
        s = np.abs(a).max(axis=1) / np.float32(127)
        safe = np.where(s > 0, s, np.float32(1)).astype(np.float32)
        return np.rint(a / safe[:, None]).astype(np.int64), safe

    cx, sx = quantize(x.numpy())
    cw, sw = quantize(weight.numpy())
    sums = np.einsum("tc,rc->tr", cx, cw)
    return torch.from_numpy((sums * np.outer(sx.astype(np.float64), sw.astype(np.float64))).astype(np.float32))


@wrong(
    "12.1", "the codes run from the smallest to the largest value of a row, with a zero point, and not from -127 to 127"
)
def zero_point(x, weight):
    def quantize(m):
        low, high = m.amin(1, keepdim=True), m.amax(1, keepdim=True)
        s = (high - low) / 255
        s = torch.where(s == 0, 1.0, s)
        zero = (-low / s).round()
        return (m / s + zero).round().clamp(0, 255) - zero, s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx @ qw.T) * sx * sw.T


@wrong("12.1", "the weights get a scale for each column, which cannot be taken out of a sum over the columns")
def weight_scales_by_column(x, weight):
    sx = (x.abs().amax(1, keepdim=True) / 127).clamp(min=1e-30)
    sw = (weight.abs().amax(0, keepdim=True) / 127).clamp(min=1e-30)
    qx, qw = (x / sx).round(), (weight / sw).round()
    return (qx * sx) @ (qw * sw).T


@wrong("12.1", "a row of zeros has the scale 0, and 0 / 0 is NaN")
def nan_for_rows_of_zeros(x, weight):
    scale_x = x.abs().amax(1, keepdim=True) / 127
    scale_w = weight.abs().amax(1, keepdim=True) / 127
    codes_x = torch.round(x / scale_x)
    codes_w = torch.round(weight / scale_w)
    return (codes_x.double() @ codes_w.double().T).float() * scale_x * scale_w.T


@wrong("12.2", "the padding is put into the lists that were given")
def pads_the_given_lists(texts, pad):
    lengths = [len(text) for text in texts]
    T = max(lengths)
    for text in texts:
        while len(text) < T:
            text.insert(0, pad)
    ids = torch.tensor(texts)
    start = torch.tensor([[T - n] for n in lengths])
    columns = torch.arange(T)
    visible = (columns[:, None] >= columns) & (columns >= start)[:, None, :] | torch.eye(T, dtype=torch.bool)
    return ids, (columns - start).clamp(min=0), visible


@right("12.2")
def columns_and_starts(texts, pad):
    T = max(map(len, texts))
    ids = torch.tensor([[pad] * (T - len(text)) + list(text) for text in texts])
    start = torch.tensor([T - len(text) for text in texts])[:, None]
    columns = torch.arange(T)
    real = columns >= start
    positions = (columns - start).clamp(min=0)
    causal = columns[:, None] >= columns
    visible = (causal & real[:, None, :]) | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@wrong(
    "12.2", "a column of padding may look at everything, so that its softmax is not empty; it should see itself alone"
)
def padding_sees_everything(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    real = columns >= start
    visible = (columns[:, None] >= columns) & real[:, None, :]
    return ids, (columns - start).clamp(min=0), visible | ~real[:, :, None]


@wrong("12.2", "the mask is turned round: the second column may look at the first")
def mask_turned_round(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    positions = (columns - start).clamp_min(0)
    real = columns >= start
    visible = torch.ones(T, T, dtype=torch.bool).triu() & real[:, :, None] | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@wrong("12.2", "positions of padding are negative, where they should be 0")
def negative_positions(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    positions = torch.arange(T) - start
    real = positions >= 0
    visible = torch.tril(real[:, None, :].expand(-1, T, -1)) | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@right("12.2")
def fills_slices_from_the_back(texts, pad):
    """ids (B, T), positions (B, T) and a mask (B, T, T)."""
    B, T = len(texts), max(len(t) for t in texts)
    ids = torch.full((B, T), pad, dtype=torch.long)
    positions = torch.zeros(B, T, dtype=torch.long)
    visible = torch.eye(T, dtype=torch.bool).repeat(B, 1, 1)
    for b, text in enumerate(texts):
        n = len(text)
        ids[b, -n:] = torch.tensor(text)
        positions[b, -n:] = torch.arange(n)
        visible[b, -n:, -n:] = torch.ones(n, n, dtype=torch.bool).tril()
    return ids, positions, visible


@wrong("12.2", "the mask holds 0 and minus infinity, to be added to scores, where True and False are asked for")
def mask_to_be_added(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    visible = (columns[:, None] >= columns) & (columns >= start)[:, None, :] | torch.eye(T, dtype=torch.bool)
    mask = torch.zeros(len(texts), T, T).masked_fill(~visible, -math.inf)
    return ids, (columns - start).clamp(min=0), mask


@wrong(
    "12.2", "all leading tokens with the id of padding are taken for padding, also the EDGE with which a text begins"
)
def leading_pads_are_padding(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    real = (ids != pad).cumsum(1) > 0
    positions = (real.cumsum(1) - 1).clamp(min=0)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = causal & real[:, None, :] | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@wrong("12.2", "a column of padding sees nothing at all, not even itself, and its softmax is NaN")
def padding_sees_nothing(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([T - len(text) for text in texts])[:, None]
    columns = torch.arange(T)
    real = columns >= start
    positions = (columns - start).clamp(min=0)
    visible = torch.ones(T, T, dtype=torch.bool).tril() & real[:, None, :] & real[:, :, None]
    return ids, positions, visible


@wrong("12.3", "only the new token is returned, without the guesses that stay in front of it")
def only_the_new_token(guesses, offered, wanted, dice, last):
    chances = wanted[len(guesses)]
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i, g] / offered[i, g]:
            chances = (wanted[i] - offered[i]).clamp(min=0)
            chances = chances / chances.sum()
            break
    return [int((chances.cumsum(0) > last).nonzero()[0])]


@right("12.3")
def plain_numbers(guesses, offered, wanted, dice, last):
    """The guesses that stay, and one token more: a list of ids."""
    p = [[float(x) for x in row] for row in wanted]
    q = [[float(x) for x in row] for row in offered]
    out, rest = [], p[-1]
    for g, pi, qi, die in zip(map(int, guesses), p, q, map(float, dice)):
        if die >= pi[g] / qi[g]:
            rest = [max(a - b, 0.0) for a, b in zip(pi, qi)]
            break
        out.append(g)
    goal = float(last) * math.fsum(rest)
    fallback = max(k for k, x in enumerate(rest) if x > 0)
    sums = itertools.accumulate(rest)
    return [*out, next((k for k, s in enumerate(sums) if s > goal), fallback)]


@wrong("12.3", "with no guesses at all there is no i behind the loop, and a NameError is raised")
def no_guesses_no_i(guesses, offered, wanted, dice, last):
    kept = []
    for i in range(len(guesses)):
        g = int(guesses[i])
        if dice[i] < wanted[i, g] / offered[i, g]:
            kept.append(g)
        else:
            break
    if len(kept) == len(guesses):
        chances = wanted[i + 1]
    else:
        chances = (wanted[i] - offered[i]).clamp(min=0)
        chances = chances / chances.sum()
    return kept + [int((chances.cumsum(0) > last).nonzero()[0])]


@wrong("12.3", "if all guesses stay, no token comes on top")
def nothing_on_top(guesses, offered, wanted, dice, last):
    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
            continue
        rest = (wanted[i] - offered[i]).clamp(min=0)
        rest = rest / rest.sum()
        out.append(int((rest.cumsum(0) > last).nonzero()[0]))
        break
    return out


@wrong("12.3", "the probabilities are sorted before they are added up, so the sum does not run from token 0 on")
def largest_first(guesses, offered, wanted, dice, last):
    def draw(chances):
        ordered, tokens = chances.sort(descending=True, stable=True)
        return int(tokens[(ordered.cumsum(0) > last).nonzero()[0]])

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@right("12.3")
def recursion_on_the_rest(guesses, offered, wanted, dice, last):
    def token_from(chances):
        total = 0.0
        best = None
        for k, c in enumerate(chances.tolist()):
            if c > 0:
                total += c
                best = k
                if total > float(last):
                    break
        return best

    if len(guesses) == 0:
        return [token_from(wanted[0])]
    g = int(guesses[0])
    p, q = wanted[0], offered[0]
    if float(dice[0]) < float(p[g] / q[g]):
        return [g] + recursion_on_the_rest(guesses[1:], offered[1:], wanted[1:], dice[1:], last)
    extra = torch.where(p > q, p - q, 0.0)
    return [token_from(extra / extra.sum())]


@wrong("12.3", "what is left is not scaled to sum to 1, so a large `last` finds no token or a wrong one")
def remainder_not_scaled(guesses, offered, wanted, dice, last):
    def draw(chances):
        return min(int((chances.cumsum(0) <= last).sum()), len(chances) - 1)

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            return out + [draw((wanted[i] - offered[i]).clamp(min=0))]
    return out + [draw(wanted[-1])]


@wrong("12.3", "it takes the likeliest token where it should draw with `last`")
def takes_the_likeliest(guesses, offered, wanted, dice, last):
    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            out.append(int((wanted[i] - offered[i]).argmax()))
            return out
    out.append(int(wanted[-1].argmax()))
    return out


@wrong("12.3", "the token on top comes from the list for the last guess and not from the one behind it")
def top_from_the_last_guess(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) > last).nonzero()[0])

    out = []
    n = len(guesses)
    for i in range(n):
        g = int(guesses[i])
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(g)
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[max(n - 1, 0)])]


@wrong("12.4", "a fork's length is taken for a full table, although its last page may have room")
def fork_forgets_the_length(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]] = list(tables[name])
            lengths[rest[0]] = len(tables[name]) * page_size
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@right("12.4")
def heap_of_free_pages(events, page_size):
    class Memory:
        def __init__(self):
            self.free, self.fresh, self.count = [], 0, {}

        def take(self):
            if self.free:
                page = heapq.heappop(self.free)
            else:
                page, self.fresh = self.fresh, self.fresh + 1
            self.count[page] = 1
            return page

        def drop(self, page):
            self.count[page] -= 1
            if not self.count[page]:
                heapq.heappush(self.free, page)

    memory, texts, result = Memory(), {}, []
    for event in events:
        match event:
            case ("join", name, n):
                texts[name] = [n, [memory.take() for _ in range((n + page_size - 1) // page_size)]]
            case ("write", name):
                n, table = texts[name]
                if n % page_size == 0:
                    table.append(memory.take())
                elif memory.count[table[-1]] > 1:
                    memory.drop(table[-1])
                    table[-1] = memory.take()
                texts[name][0] = n + 1
            case ("fork", name, other):
                n, table = texts[name]
                for page in table:
                    memory.count[page] += 1
                texts[other] = [n, table.copy()]
            case ("leave", name):
                for page in texts.pop(name)[1]:
                    memory.drop(page)
        result.append({name: table.copy() for name, (_, table) in texts.items()})
    return result


@wrong("12.4", "who leaves frees all his pages, those that another text still holds as well")
def frees_pages_still_held(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] = 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            for page in tables.pop(name):
                holders[page] = 0
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "who joins takes one page too many where his tokens fill the last one exactly")
def one_page_too_many(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(rest[0] // page_size + 1)]
        elif kind == "write":
            lengths[name] += 1
            if lengths[name] > len(tables[name]) * page_size:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "of the free pages it takes the one that was given back last, not the one with the smallest number")
def last_in_first_out(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    free, fresh = [], itertools.count()

    def take():
        page = free.pop() if free else next(fresh)
        holders[page] = 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            for page in tables[name]:
                holders[page] += 1
        elif kind == "leave":
            for page in tables.pop(name):
                holders[page] -= 1
                if holders[page] == 0:
                    free.append(page)
        out.append({n: list(t) for n, t in tables.items()})
    return out


@right("12.4")
def tuples_that_never_change(events, page_size):
    def free_pages(state):
        used = set().union(*(pages for _, pages in state.values()))
        return (p for p in itertools.count() if p not in used)

    def step(state, event):
        kind, name = event[:2]
        new = dict(state)
        if kind == "join":
            need = math.ceil(event[2] / page_size)
            new[name] = (event[2], tuple(itertools.islice(free_pages(state), need)))
        elif kind == "fork":
            new[event[2]] = state[name]
        elif kind == "leave":
            new.pop(name)
        else:
            n, pages = state[name]
            holders = sum(pages[-1] in other for _, other in state.values())
            if n % page_size == 0:
                pages = (*pages, next(free_pages(state)))
            elif holders > 1:
                pages = (*pages[:-1], next(free_pages(state)))
            new[name] = (n + 1, pages)
        return new

    states = itertools.accumulate(events, step, initial={})
    next(states)
    return [{name: list(pages) for name, (_, pages) in state.items()} for state in states]


@wrong("12.4", "pages that have become free are never taken again, numbers only grow")
def numbers_only_grow(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    fresh = itertools.count()

    def take():
        page = next(fresh)
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "a fork gets the very same list, so what one of the two takes the other has as well")
def fork_shares_the_list(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = tables[name], lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "a text that must write copies all its shared pages, not only the last one")
def copies_every_page(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                for i, page in enumerate(tables[name]):
                    if holders[page] > 1:
                        holders[page] -= 1
                        tables[name][i] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out
