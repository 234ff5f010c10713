"""Answers to assignment 12 from its text alone; this half is for tuning the check."""

import copy
import itertools
import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


@wrong("12.1", "nothing is rounded: this is the product of floats that the codes should come close to")
def not_a_code_in_sight(x, weight):
    return torch.nn.functional.linear(x, weight)


@right("12.1")
def codes_as_doubles(x, weight):
    """Nearly x @ weight.T, by way of whole numbers: (T, R)."""
    both = []
    for m in (x, weight):
        top = m.abs().max(dim=1).values
        scale = (top / 127).masked_fill(top == 0, 1.0)
        both.append((torch.round(m / scale[:, None]).double(), scale))
    (a, sa), (b, sb) = both
    # products of codes are whole numbers below 2^53, so double is exact
    return (torch.mm(a, b.t()) * sa[:, None] * sb[None, :]).float()


@wrong("12.1", "the scale comes from the largest value and not from the largest absolute value")
def forgets_the_negative_ones(x, weight):
    def quantize(m):
        s = m.amax(1, keepdim=True) / 127
        s = torch.where(s <= 0, 1.0, s)
        return (m / s).round().clamp(-127, 127).to(torch.int8), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx.int() @ qw.int().T) * sx * sw.T


@wrong("12.1", "x is divided by its scales in place, so what was given is changed")
def divides_x_in_place(x, weight):
    sx = x.abs().amax(1, keepdim=True) / 127
    sx[sx == 0] = 1
    sw = weight.abs().amax(1, keepdim=True) / 127
    sw[sw == 0] = 1
    x /= sx
    return (x.round_().int() @ (weight / sw).round().int().T) * sx * sw.T


@wrong("12.1", "scales are kept above 0.001 to avoid a division by 0, so rows of small numbers lose their digits")
def floor_for_the_scales(x, weight):
    def quantize(m):
        s = (m.abs().amax(1, keepdim=True) / 127).clamp(min=1e-3)
        return (m / s).round().to(torch.int8), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx.int() @ qw.int().T) * sx * sw.T


@right("12.1")
def plain_loops(x, weight):
    def row_codes(row):
        scale = row.abs().max() / 127
        if scale == 0:
            return [0] * len(row), 0.0
        return [int(v) for v in torch.round(row / scale)], float(scale)

    xs = [row_codes(row) for row in x]
    ws = [row_codes(row) for row in weight]
    out = torch.zeros(len(xs), len(ws))
    for t, (a, sa) in enumerate(xs):
        for r, (b, sb) in enumerate(ws):
            out[t, r] = sum(i * j for i, j in zip(a, b)) * sa * sb
    return out


@wrong("12.1", "the codes are multiplied and added in 8 bits, where 127 times 127 does not fit")
def sums_in_8_bits(x, weight):
    def quantize(m):
        s = m.abs().amax(1, keepdim=True) / 127
        s[s == 0] = 1.0
        return (m / s).round().to(torch.int8), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx @ qw.T) * sx * sw.T


@wrong("12.1", "the scales are stored in 16 bits, where those of small rows have hardly any digits")
def scales_in_half(x, weight):
    def quantize(m):
        s = (m.abs().amax(1, keepdim=True) / 127).half()
        s = torch.where(s == 0, torch.ones_like(s), s).float()
        return (m / s).round().clamp(-127, 127), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx @ qw.T) * sx * sw.T


@wrong("12.1", "only x is scaled back, the scales of the weights are forgotten")
def only_one_side_scaled_back(x, weight):
    scale_x = x.abs().amax(1, keepdim=True) / 127
    scale_w = weight.abs().amax(1, keepdim=True) / 127
    scale_x = scale_x + (scale_x == 0)
    scale_w = scale_w + (scale_w == 0)
    return ((x / scale_x).round().int() @ (weight / scale_w).round().int().T) * scale_x


@right("12.1")
def broadcast_and_sum(x, weight):
    sx = x.abs().amax(-1) / 127
    sw = weight.abs().amax(-1) / 127
    cx = torch.nan_to_num(x / sx[:, None]).round().to(torch.int32)
    cw = torch.nan_to_num(weight / sw[:, None]).round().to(torch.int32)
    rows = [(cw * one).sum(1) for one in cx]
    return torch.stack(rows).float() * torch.outer(sx, sw)


@wrong("12.1", "numbers are cut off towards 0 and not rounded to the nearest code")
def cuts_off(x, weight):
    def quantize(m):
        s = m.abs().amax(1, keepdim=True) / 127
        s = torch.where(s == 0, 1.0, s)
        return (m / s).to(torch.int32), s

    qx, sx = quantize(x)
    qw, sw = quantize(weight)
    return (qx @ qw.T) * sx * sw.T


@wrong("12.2", "a token sees its whole text, the tokens behind it as well")
def sees_the_future(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    positions = torch.tensor([[0] * (T - len(text)) + list(range(len(text))) for text in texts])
    real = torch.tensor([[False] * (T - len(text)) + [True] * len(text) for text in texts])
    visible = (real[:, :, None] & real[:, None, :]) | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@right("12.2")
def numpy_with_running_numbers(texts, pad):
    lengths = np.array([len(t) for t in texts])
    T = lengths.max()
    number = np.arange(T)[None, :] - (T - lengths)[:, None]  # negative in the padding
    flat = np.concatenate([np.asarray(t, dtype=np.int64) for t in texts])
    ids = np.full((len(texts), T), pad, dtype=np.int64)
    ids[number >= 0] = flat
    sees = (number[:, :, None] >= number[:, None, :]) & (number[:, None, :] >= 0)
    sees |= number[:, :, None] == number[:, None, :]
    return torch.from_numpy(ids), torch.from_numpy(np.maximum(number, 0)), torch.from_numpy(sees)


@wrong("12.2", "a text's first token stands at 1 and not at 0, because the running sum counts it already")
def positions_from_one(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    attention_mask = torch.tensor([[0] * (T - len(text)) + [1] * len(text) for text in texts])
    positions = attention_mask.cumsum(-1)
    causal = torch.ones(T, T).tril().bool()
    visible = causal & attention_mask.bool()[:, None, :] | torch.eye(T).bool()
    return ids, positions, visible


@wrong("12.2", "the mask is only causal, so a text sees the padding in front of it")
def only_causal(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    positions = torch.tensor([[0] * (T - len(text)) + list(range(len(text))) for text in texts])
    visible = torch.ones(len(texts), T, T, dtype=torch.bool).tril()
    return ids, positions, visible


@wrong("12.2", "a token is still taken for padding because of its id, and so a text cannot see its own EDGE")
def told_by_the_id(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([T - len(text) for text in texts])[:, None]
    positions = (torch.arange(T) - start).clamp(min=0)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = causal & (ids != pad)[:, None, :]
    return ids, positions, visible | torch.eye(T, dtype=torch.bool)


@right("12.2")
def blocks_on_the_diagonal(texts, pad):
    longest = max(len(text) for text in texts)
    rows, places, masks = [], [], []
    for text in texts:
        n, gap = len(text), longest - len(text)
        rows.append(torch.cat([torch.full((gap,), pad, dtype=torch.long), torch.tensor(text, dtype=torch.long)]))
        places.append(torch.cat([torch.zeros(gap, dtype=torch.long), torch.arange(n)]))
        masks.append(torch.block_diag(torch.eye(gap), torch.ones(n, n).tril()) if gap else torch.ones(n, n).tril())
    return torch.stack(rows), torch.stack(places), torch.stack(masks).bool()


@wrong("12.2", "a token sees what came before, but not itself")
def not_oneself(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    real = columns >= start
    before = torch.ones(T, T, dtype=torch.bool).tril(-1) & real[:, None, :]
    alone = torch.eye(T, dtype=torch.bool) & ~real[:, :, None]
    return ids, (columns - start).clamp(min=0), before | alone


@wrong("12.2", "a column of padding also sees the padding in front of it, where it should see itself alone")
def padding_sees_padding(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([T - len(text) for text in texts])[:, None]
    columns = torch.arange(T)
    real = columns >= start
    positions = (columns - start).clamp(min=0)
    same_kind = real[:, :, None] == real[:, None, :]
    return ids, positions, same_kind & torch.ones(T, T, dtype=torch.bool).tril()


@wrong("12.2", "the mask is mended, but positions still count from the first column of the rectangle")
def positions_of_the_columns(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([T - len(text) for text in texts])[:, None]
    columns = torch.arange(T)
    real = columns >= start
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = (causal & real[:, None, :]) | torch.eye(T, dtype=torch.bool)
    return ids, columns.expand_as(ids).clone(), visible


@right("12.2")
def cell_by_cell(texts, pad):
    T = 0
    for text in texts:
        T = max(T, len(text))
    ids, positions, visible = [], [], []
    for text in texts:
        gap = T - len(text)
        ids.append([text[c - gap] if c >= gap else pad for c in range(T)])
        positions.append([c - gap if c >= gap else 0 for c in range(T)])
        visible.append([[b == a or gap <= b < a for b in range(T)] for a in range(T)])
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(visible, dtype=torch.bool)


@wrong("12.2", "the padding stands on the right, so the texts do not end in the last column")
def padding_on_the_right(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([text + [pad] * (T - len(text)) for text in texts])
    lengths = torch.tensor([len(text) for text in texts])[:, None]
    columns = torch.arange(T)
    real = columns < lengths
    positions = torch.where(real, columns, 0)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = (causal & real[:, None, :] & real[:, :, None]) | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@wrong(
    "12.3", "a refused guess is replaced by a token from all of `wanted[i]`, not from what it has more than was offered"
)
def replaces_from_wanted(guesses, offered, wanted, dice, last):
    out = []
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i, g] / offered[i, g]:
            break
        out.append(int(g))
    chances = wanted[len(out)]
    out.append(int((chances.cumsum(0) > last).nonzero()[0]))
    return out


@right("12.3")
def loop_with_two_ways_out(guesses, offered, wanted, dice, last):
    def draw(chances):
        above = (torch.as_tensor(chances).cumsum(0) > last).nonzero()
        return int(above[0]) if len(above) else int(chances.nonzero()[-1])

    said = []
    for i in range(len(dice)):
        token = int(guesses[i])
        if dice[i] < wanted[i][token] / offered[i][token]:
            said.append(token)
        else:
            more = (wanted[i] - offered[i]).clamp(min=0)
            said.append(draw(more / more.sum()))
            return said
    said.append(draw(wanted[len(dice)]))
    return said


@wrong("12.3", "the absolute difference is drawn from, so a token that was offered too often can come")
def absolute_difference(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) > last).nonzero()[0])

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            rest = (wanted[i] - offered[i]).abs()
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@wrong("12.3", "the sum need only reach `last`, so a `last` of 0 draws token 0 even if its probability is 0")
def sum_may_be_equal(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) >= last).nonzero()[0])

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@wrong("12.3", "the die is compared with p alone, not with p / q")
def die_against_p_alone(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) > last).nonzero()[0])

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g]:
            out.append(int(g))
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            if rest.sum() == 0:
                rest = wanted[i]
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@right("12.3")
def all_dice_at_once(guesses, offered, wanted, dice, last):
    g = torch.as_tensor(guesses, dtype=torch.long).reshape(-1)
    n = g.numel()
    row = torch.arange(n)
    d = torch.as_tensor(dice, dtype=wanted.dtype).reshape(-1)
    if n:
        stays = d < wanted[row, g] / offered[row, g]
        kept = int(stays.long().cumprod(0).sum())
    else:
        kept = 0
    chances = wanted[kept]
    if kept < n:
        chances = torch.relu(chances - offered[kept])
        chances = chances / chances.sum()
    sums = chances.double().cumsum(0)
    token = int((sums <= float(last)).sum())
    return g[:kept].tolist() + [min(token, int(chances.nonzero().max()))]


@wrong("12.3", "after a refused guess the walk goes on, where the list should end")
def goes_on_after_a_refusal(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) > last).nonzero()[0])

    out = []
    for i in range(len(guesses)):
        g = int(guesses[i])
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(g)
        else:
            rest = torch.clamp(wanted[i] - offered[i], min=0)
            out.append(draw(rest / rest.sum()))
    out.append(draw(wanted[len(guesses)]))
    return out


@wrong("12.3", "the die is compared with q / p, the ratio the wrong way round")
def ratio_turned_round(guesses, offered, wanted, dice, last):
    def draw(chances):
        return min(int((chances.cumsum(0) <= last).sum()), len(chances) - 1)

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < offered[i, g] / wanted[i, g]:
            out.append(int(g))
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@wrong("12.3", "the difference is taken the wrong way round: what was offered more than it is wanted")
def difference_the_wrong_way(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) > last).nonzero()[0])

    out = []
    for i, g in enumerate(guesses):
        if dice[i] < wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            rest = (offered[i] - wanted[i]).clamp(min=0)
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@right("12.3")
def numpy_searchsorted(guesses, offered, wanted, dice, last):
    want, offer = np.asarray(wanted, dtype=np.float64), np.asarray(offered, dtype=np.float64)
    tokens = [int(g) for g in guesses]
    refused = [i for i, g in enumerate(tokens) if not float(dice[i]) < want[i, g] / offer[i, g]]
    stop = min(refused, default=len(tokens))
    weights = np.maximum(want[stop] - offer[stop], 0) if refused else want[stop]
    steps = np.cumsum(weights)
    k = int(np.searchsorted(steps / steps[-1], float(last), side="right"))
    return tokens[:stop] + [k]


@wrong("12.3", "a die that is equal to p / q keeps the guess, so a die of 0 keeps one of probability 0")
def die_may_be_equal(guesses, offered, wanted, dice, last):
    def draw(chances):
        return int((chances.cumsum(0) > last).nonzero()[0])

    out = []
    for i, g in enumerate(guesses):
        if dice[i] <= wanted[i, g] / offered[i, g]:
            out.append(int(g))
        else:
            rest = (wanted[i] - offered[i]).clamp(min=0)
            return out + [draw(rest / rest.sum())]
    return out + [draw(wanted[-1])]


@wrong(
    "12.4", "who joins looks for pages that stand in one block, where he should take the smallest free ones one by one"
)
def joins_in_one_block(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take(n=1):
        start = next(p for p in itertools.count() if all(holders[p + k] == 0 for k in range(n)))
        holders.update(range(start, start + n))
        return list(range(start, start + n))

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = take((rest[0] + page_size - 1) // page_size)
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name] += take()
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1:] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@right("12.4")
def looks_at_all_tables(events, page_size):
    """The tables of all texts after each event: a list of dictionaries."""
    now, size, out = {}, {}, []

    def smallest_free(also_taken=()):
        used = {page for table in now.values() for page in table} | set(also_taken)
        k = 0
        while k in used:
            k += 1
        return k

    for event in events:
        kind, who = event[0], event[1]
        if kind == "join":
            pages = []
            while len(pages) * page_size < event[2]:
                pages.append(smallest_free(pages))
            now[who], size[who] = pages, event[2]
        elif kind == "fork":
            now[event[2]], size[event[2]] = now[who][:], size[who]
        elif kind == "leave":
            del now[who], size[who]
        else:
            table = now[who]
            if size[who] == len(table) * page_size:
                table.append(smallest_free())
            elif any(table[-1] in other for n, other in now.items() if n != who):
                table[-1] = smallest_free()
            size[who] += 1
        out.append(copy.deepcopy(now))
    return out


@wrong("12.4", "only the fork copies before it writes; the text that it came from writes into the shared page")
def only_the_fork_copies(events, page_size):
    tables, lengths, holders, borrowed, out = {}, {}, Counter(), {}, []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name], borrowed[name] = rest[0], set()
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            page = tables[name][-1]
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif page in borrowed[name] and holders[page] > 1:
                holders[page] -= 1
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            borrowed[rest[0]] = set(tables[name])
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "a text writes into a page that another holds too, without taking a copy of its own")
def never_copies(events, page_size):
    tables, lengths, out = {}, {}, []

    def take():
        used = set(itertools.chain.from_iterable(tables.values()))
        return next(p for p in itertools.count() if p not in used)

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name], tables[name] = rest[0], []
            for _ in range(math.ceil(rest[0] / page_size)):
                tables[name].append(take())
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
        else:
            del tables[name]
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "a shared last page is replaced even if it is full; then the new page should be appended")
def copies_full_pages_too(events, page_size):
    tables, lengths, out = {}, {}, []

    def take():
        used = {p for table in tables.values() for p in table}
        return next(p for p in itertools.count() if p not in used)

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name], tables[name] = rest[0], []
            for _ in range(math.ceil(rest[0] / page_size)):
                tables[name].append(take())
        elif kind == "write":
            last = tables[name][-1]
            if any(last in table for other, table in tables.items() if other != name):
                tables[name][-1] = take()
            elif lengths[name] % page_size == 0:
                tables[name].append(take())
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
        else:
            del tables[name]
        out.append({n: list(t) for n, t in tables.items()})
    return out


@right("12.4")
def page_holds_its_texts(events, page_size):
    pages = []  # for each page the set of its holders
    tables, room, out = {}, {}, []  # room: tokens that still fit in the last page

    def take(name):
        for number, holders in enumerate(pages):
            if not holders:
                holders.add(name)
                return number
        pages.append({name})
        return len(pages) - 1

    for kind, name, *more in events:
        if kind == "join":
            tables[name], room[name] = [], 0
        if kind in ("join", "write"):
            for _ in range(more[0] if more else 1):
                if room[name] == 0:
                    tables[name].append(take(name))
                    room[name] = page_size
                elif pages[tables[name][-1]] != {name}:
                    pages[tables[name][-1]].remove(name)
                    tables[name][-1] = take(name)
                room[name] -= 1
        if kind == "fork":
            tables[more[0]], room[more[0]] = tables[name] + [], room[name]
            for page in tables[name]:
                pages[page].add(more[0])
        if kind == "leave":
            for page in tables.pop(name):
                pages[page].discard(name)
        out.append({key: list(value) for key, value in tables.items()})
    return out


@wrong("12.4", "a fork takes new pages at once, where it should hold the same ones until it writes")
def fork_copies_at_once(events, page_size):
    tables, lengths, out = {}, {}, []

    def take(n):
        used = {p for table in tables.values() for p in table}
        return list(itertools.islice((p for p in itertools.count() if p not in used), n))

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = take(-(-rest[0] // page_size))
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name] += take(1)
            lengths[name] += 1
        elif kind == "fork":
            lengths[rest[0]] = lengths[name]
            tables[rest[0]] = take(len(tables[name]))
        else:
            del tables[name]
        out.append({n: list(t) for n, t in tables.items()})
    return out


@wrong("12.4", "the lists in the result are the working tables themselves, so earlier states change with later events")
def snapshots_are_not_copies(events, page_size):
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
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append(dict(tables))
    return out


@wrong("12.4", "after taking a copy a text still counts as holder of the old page, which so never becomes free")
def still_holds_the_old_page(events, page_size):
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
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out


@right("12.4")
def three_books(events, page_size):
    tables, lengths, holders = {}, {}, Counter()
    history = []

    def take():
        page = next(number for number in itertools.count() if holders[number] == 0)
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
                old = tables[name][-1]
                tables[name][-1] = take()
                holders[old] -= 1
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]] = list(tables[name])
            lengths[rest[0]] = lengths[name]
            holders.update(tables[name])
        else:
            holders.subtract(tables.pop(name))
            del lengths[name]
        history.append({n: list(t) for n, t in tables.items()})
    return history


@wrong("12.4", "a new page is taken when a write has just filled the last one, one write too early")
def new_page_too_early(events, page_size):
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
            lengths[name] += 1
            if lengths[name] % page_size == 0:
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
