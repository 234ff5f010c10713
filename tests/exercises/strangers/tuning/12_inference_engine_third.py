"""Answers to assignment 12 from its text alone; this set served to tune the checks."""

from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

# 12.1


def _codes(matrix, most=127):
    scale = matrix.abs().amax(1, keepdim=True) / most
    scale = torch.where(scale == 0, 1.0, scale)
    return (matrix / scale).round(), scale


@wrong("12.1", "multiplies and adds up in 8 bits, where the sums do not fit")
def sums_in_eight_bits(x, weight):
    codes_x, scale_x = _codes(x)
    codes_w, scale_w = _codes(weight)
    products = codes_x.to(torch.int8)[:, None, :] * codes_w.to(torch.int8)[None, :, :]
    return products.sum(-1, dtype=torch.int8) * scale_x * scale_w.T


@wrong("12.1", "rounds the weights only and leaves x as it is")
def only_the_weights(x, weight):
    codes, scale = _codes(weight)
    return (x @ codes.T) * scale.T


@wrong("12.1", "has one scale for a whole matrix instead of one for each row")
def one_scale_a_matrix(x, weight):
    scale_x, scale_w = x.abs().max() / 127, weight.abs().max() / 127
    if scale_x == 0 or scale_w == 0:
        return torch.zeros(len(x), len(weight))
    codes_x, codes_w = (x / scale_x).round().int(), (weight / scale_w).round().int()
    return (codes_x @ codes_w.T) * (scale_x * scale_w)


@wrong("12.1", "divides by 128, so the largest value has the code 128 and is cut to 127")
def scale_with_128(x, weight):
    codes_x, scale_x = _codes(x, 128)
    codes_w, scale_w = _codes(weight, 128)
    codes_x, codes_w = codes_x.clamp(-128, 127), codes_w.clamp(-128, 127)
    return (codes_x.int() @ codes_w.int().T) * scale_x * scale_w.T


@wrong("12.1", "cuts off behind the point instead of rounding to the nearest code")
def cuts_instead_of_rounding(x, weight):
    result = []
    for matrix in (x, weight):
        scale = matrix.abs().amax(1, keepdim=True) / 127
        scale[scale == 0] = 1.0
        result.append(((matrix / scale).to(torch.int32), scale))
    (codes_x, scale_x), (codes_w, scale_w) = result
    return (codes_x @ codes_w.T) * scale_x * scale_w.T


@wrong("12.1", "divides by the scale of a row of zeros, which gives NaN")
def zero_row_is_nan(x, weight):
    scale_x = x.abs().amax(1) / 127
    scale_w = weight.abs().amax(1) / 127
    codes_x = torch.round(x / scale_x[:, None])
    codes_w = torch.round(weight / scale_w[:, None])
    return torch.outer(scale_x, scale_w) * (codes_x @ codes_w.T)


@wrong("12.1", "keeps scales from falling below 0.0001, so rows of small numbers lose nearly all their codes")
def scales_with_a_floor(x, weight):
    def quantize(matrix):
        scale = (matrix.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-4)
        return torch.round(matrix / scale), scale

    codes_x, scale_x = quantize(x)
    codes_w, scale_w = quantize(weight)
    return codes_x @ codes_w.T * (scale_x @ scale_w.T)


@wrong("12.1", "takes the largest value of a row instead of the largest absolute value")
def largest_without_abs(x, weight):
    pairs = []
    for matrix in (x, weight):
        top = matrix.amax(1, keepdim=True)
        scale = torch.where(top == 0, torch.ones_like(top), top) / 127
        pairs.append(((matrix / scale).round().clamp(-127, 127), scale))
    (codes_x, scale_x), (codes_w, scale_w) = pairs
    return (codes_x @ codes_w.T) * scale_x * scale_w.T


@right("12.1")
def numpy_in_64_bits(x, weight):
    def quantize(matrix):
        matrix = matrix.detach().numpy()
        scale = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(127)
        safe = np.where(scale > 0, scale, np.float32(1))
        return np.rint(matrix / safe).astype(np.int64), scale

    codes_x, scale_x = quantize(x)
    codes_w, scale_w = quantize(weight)
    exact = np.einsum("tc,rc->tr", codes_x, codes_w).astype(np.float64)
    result = exact * scale_x.astype(np.float64) * scale_w.T.astype(np.float64)
    return torch.from_numpy(result.astype(np.float32))


@right("12.1")
def row_against_row(x, weight):
    rows = []
    for matrix in (x, weight):
        for row in matrix:
            scale = row.abs().max() / 127
            codes = torch.zeros(len(row), dtype=torch.int64)
            if scale > 0:
                codes = torch.round(row / scale).to(torch.int64)
            rows.append((codes, scale))
    left, right_hand = rows[: len(x)], rows[len(x) :]
    out = torch.zeros(len(x), len(weight))
    for t, (a, scale_a) in enumerate(left):
        for r, (b, scale_b) in enumerate(right_hand):
            out[t, r] = float((a * b).sum()) * float(scale_a) * float(scale_b)
    return out


# 12.2


def _row(texts, pad):
    T = max(map(len, texts))
    ids = torch.full((len(texts), T), pad)
    positions = torch.zeros(len(texts), T, dtype=torch.long)
    visible = torch.eye(T, dtype=torch.bool).repeat(len(texts), 1, 1)
    for b, text in enumerate(texts):
        start = T - len(text)
        ids[b, start:] = torch.tensor(text)
        positions[b, start:] = torch.arange(len(text))
        visible[b, start:, start:] = torch.ones(len(text), len(text), dtype=torch.bool).tril()
    return ids, positions, visible


@wrong("12.2", "takes every token with the pad's id for padding, also those in the texts")
def padding_by_its_id(texts, pad):
    ids, positions, _ = _row(texts, pad)
    T = ids.shape[1]
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    visible = causal & (ids != pad)[:, None, :] | torch.eye(T, dtype=torch.bool)
    return ids, positions, visible


@wrong("12.2", "counts the positions by columns, so a text's first token stands where its padding ends")
def positions_are_columns(texts, pad):
    ids, _, visible = _row(texts, pad)
    positions = torch.arange(ids.shape[1]).expand_as(ids).clone()
    for b, text in enumerate(texts):
        positions[b, : ids.shape[1] - len(text)] = 0
    return ids, positions, visible


@wrong("12.2", "lets a column of padding see nothing, so the softmax over its row is NaN")
def padding_is_blind(texts, pad):
    ids, positions, visible = _row(texts, pad)
    for b, text in enumerate(texts):
        visible[b, : ids.shape[1] - len(text)] = False
    return ids, positions, visible


@wrong("12.2", "lets a column of padding see the padding before it as well as itself")
def padding_sees_padding(texts, pad):
    ids, positions, _ = _row(texts, pad)
    T = ids.shape[1]
    start = torch.tensor([[T - len(text)] for text in texts])
    real = torch.arange(T) >= start
    visible = (real[:, :, None] == real[:, None, :]).tril()
    return ids, positions, visible


@wrong("12.2", "gives padding the position 1, as another library does")
def padding_at_position_one(texts, pad):
    ids, _, visible = _row(texts, pad)
    T = ids.shape[1]
    attention_mask = torch.tensor([[0] * (T - len(text)) + [1] * len(text) for text in texts])
    positions = attention_mask.cumsum(-1) - 1
    positions = positions.masked_fill(attention_mask == 0, 1)
    return ids, positions, visible


@wrong("12.2", "looks for a text's beginning at the first id that is not the pad, though texts may begin with it")
def begins_at_first_other_id(texts, pad):
    ids, _, _ = _row(texts, pad)
    T = ids.shape[1]
    other = ids != pad
    start = torch.where(other.any(1), other.int().argmax(1), T - 1)[:, None]
    columns = torch.arange(T)
    real = columns >= start
    positions = (columns - start).clamp(min=0)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    return ids, positions, causal & real[:, None, :] | torch.eye(T, dtype=torch.bool)


@wrong("12.2", "puts the padding into the texts that it was given")
def pads_the_input(texts, pad):
    lengths = [len(text) for text in texts]
    T = max(lengths)
    for text in texts:
        while len(text) < T:
            text.insert(0, pad)
    _, positions, visible = _row([[pad] * n for n in lengths], pad)
    return torch.tensor(texts), positions, visible


@wrong("12.2", "has the causal mask alone, so a text sees the padding in front of it")
def only_causal(texts, pad):
    ids, positions, visible = _row(texts, pad)
    T = ids.shape[1]
    for b, text in enumerate(texts):
        for t in range(T - len(text), T):
            visible[b, t, : t + 1] = True
    return ids, positions, visible


@right("12.2")
def blocks_on_the_diagonal(texts, pad):
    T = max(len(text) for text in texts)
    ids, positions, visible = [], [], []
    for text in texts:
        n = len(text)
        ids.append(F.pad(torch.tensor(text, dtype=torch.long), (T - n, 0), value=pad))
        positions.append(F.pad(torch.arange(n), (T - n, 0)))
        visible.append(torch.block_diag(torch.eye(T - n), torch.ones(n, n).tril()) > 0)
    return torch.stack(ids), torch.stack(positions), torch.stack(visible)


@right("12.2")
def nested_lists(texts, pad):
    T = max(len(text) for text in texts)
    starts = [T - len(text) for text in texts]
    ids = [[pad if c < s else text[c - s] for c in range(T)] for s, text in zip(starts, texts)]
    positions = [[max(0, c - s) for c in range(T)] for s in starts]
    visible = [[[a == b or s <= b <= a for b in range(T)] for a in range(T)] for s in starts]
    return torch.tensor(ids), torch.tensor(positions), torch.tensor(visible)


# 12.3


def _draw(probabilities, last):
    above = (probabilities.cumsum(0) > last).nonzero()
    return int(above[0]) if len(above) else int(probabilities.nonzero()[-1])


def _excess(p, q):
    more = (p - q).clamp(min=0)
    return more / more.sum()


@wrong("12.3", "keeps a guess if its die is at most p / q, so a die of 0 keeps a guess of probability 0")
def at_most_the_ratio(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] <= wanted[i][guess] / offered[i][guess]:
            out.append(guess)
        else:
            return out + [_draw(_excess(wanted[i], offered[i]), last)]
    return out + [_draw(wanted[len(out)], last)]


@wrong("12.3", "draws the first token at which the sum reaches last, so with 0 a token of probability 0 is drawn")
def sum_reaches_last(guesses, offered, wanted, dice, last):
    def draw(probabilities):
        sums = probabilities.cumsum(0)
        reached = sums >= min(float(last), float(sums[-1]))
        return int(reached.nonzero()[0])

    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if not dice[i] < wanted[i][guess] / offered[i][guess]:
            return out + [draw(_excess(wanted[i], offered[i]))]
        out.append(guess)
    return out + [draw(wanted[len(out)])]


@wrong("12.3", "draws the replacement from the model's own list, not from what it has more than was offered")
def replaced_from_wanted(guesses, offered, wanted, dice, last):
    out = []
    for i in range(len(guesses)):
        guess = int(guesses[i])
        if dice[i] >= wanted[i][guess] / offered[i][guess]:
            break
        out.append(guess)
    out.append(_draw(wanted[len(out)], last))
    return out


@wrong("12.3", "does not scale the excess to sum to 1 before it draws")
def excess_not_scaled(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] < wanted[i][guess] / offered[i][guess]:
            out.append(guess)
        else:
            more = (wanted[i] - offered[i]).clamp(min=0)
            return out + [_draw(more, last)]
    return out + [_draw(wanted[len(out)], last)]


@wrong("12.3", "replaces a refused guess and goes on with the next guess instead of ending the list there")
def goes_on_after_a_refusal(guesses, offered, wanted, dice, last):
    out = []
    refused = False
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] < wanted[i][guess] / offered[i][guess]:
            out.append(guess)
        else:
            refused = True
            out.append(_draw(_excess(wanted[i], offered[i]), last))
    if not refused:
        out.append(_draw(wanted[len(out)], last))
    return out


@wrong("12.3", "takes the token on top from the list of the last guess, one place too early")
def on_top_one_too_early(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] >= wanted[i][guess] / offered[i][guess]:
            return out + [_draw(_excess(wanted[i], offered[i]), last)]
        out.append(guess)
    return out + [_draw(wanted[max(len(out) - 1, 0)], last)]


@wrong("12.3", "takes the absolute difference, so what was offered too often may be drawn as a replacement")
def absolute_difference(guesses, offered, wanted, dice, last):
    out = []
    for i, guess in enumerate(guesses):
        guess = int(guess)
        if dice[i] < wanted[i][guess] / offered[i][guess]:
            out.append(guess)
        else:
            apart = (wanted[i] - offered[i]).abs()
            return out + [_draw(apart / apart.sum(), last)]
    return out + [_draw(wanted[len(out)], last)]


@wrong("12.3", "writes the new token into the list of guesses that it was given")
def writes_into_the_guesses(guesses, offered, wanted, dice, last):
    for i in range(len(guesses)):
        guess = int(guesses[i])
        if dice[i] >= wanted[i][guess] / offered[i][guess]:
            guesses[i] = _draw(_excess(wanted[i], offered[i]), last)
            return [int(g) for g in guesses[: i + 1]]
    return [int(g) for g in guesses] + [_draw(wanted[len(guesses)], last)]


@right("12.3")
def counts_those_that_stay(guesses, offered, wanted, dice, last):
    guesses = [int(guess) for guess in guesses]
    n = len(guesses)
    stays = [bool(dice[i] < wanted[i][g] / offered[i][g]) for i, g in enumerate(guesses)]
    k = stays.index(False) if False in stays else n
    chances = wanted[n] if k == n else torch.relu(wanted[k] - offered[k])
    if k < n:
        chances = chances / chances.sum()
    sums = chances.cumsum(0)
    token = int((sums <= last).sum())
    if token == len(sums):
        token = int(chances.nonzero().max())
    return guesses[:k] + [token]


@right("12.3")
def one_guess_then_the_rest(guesses, offered, wanted, dice, last):
    def draw(chances):
        total = 0.0
        likely = [token for token, chance in enumerate(chances) if chance > 0]
        for token in likely:
            total = total + chances[token]
            if total > last:
                return token
        return likely[-1]

    if len(guesses) == 0:
        return [draw(wanted[0])]
    first = int(guesses[0])
    p, q = wanted[0], offered[0]
    if dice[0] < p[first] / q[first]:
        return [first, *one_guess_then_the_rest(guesses[1:], offered[1:], wanted[1:], dice[1:], last)]
    more = torch.maximum(p - q, torch.zeros_like(p))
    return [draw(more / more.sum())]


# 12.4


def _smallest_free(holders):
    page = 0
    while holders[page] > 0:
        page += 1
    holders[page] += 1
    return page


@wrong("12.4", "gives a fork the very list of the other text, so both tables change together")
def fork_shares_the_list(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = tables[name]
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
            del lengths[name]
        else:
            if lengths[name] % page_size == 0:
                tables[name].append(_smallest_free(holders))
            elif holders[tables[name][-1]] > 1:
                new = _smallest_free(holders)
                holders[tables[name][-1]] -= 1
                tables[name][-1] = new
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@wrong("12.4", "puts its own lists into the result, so earlier dictionaries change with later events")
def results_change_later(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = list(tables[name])
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
            del lengths[name]
        else:
            table = tables[name]
            if lengths[name] % page_size == 0:
                table.append(_smallest_free(holders))
            elif holders[table[-1]] > 1:
                new = _smallest_free(holders)
                holders[table[-1]] -= 1
                table[-1] = new
            lengths[name] += 1
        out.append(dict(tables))
    return out


@wrong("12.4", "writes into a page that another text holds as well, and takes no copy")
def writes_into_shared_pages(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range((event[2] + page_size - 1) // page_size)]
        elif kind == "fork":
            tables[event[2]] = list(tables[name])
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        else:
            if lengths[name] % page_size == 0:
                tables[name].append(_smallest_free(holders))
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@wrong("12.4", "frees all pages of a text that leaves, also those that another text still holds")
def leaving_frees_shared_pages(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = list(tables[name])
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            for page in tables.pop(name):
                holders[page] = 0
        else:
            table = tables[name]
            if lengths[name] % page_size == 0:
                table.append(_smallest_free(holders))
            elif holders[table[-1]] > 1:
                new = _smallest_free(holders)
                holders[table[-1]] -= 1
                table[-1] = new
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@wrong("12.4", "copies a shared last page also where it is full, before it takes a new one")
def copies_full_pages(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = list(tables[name])
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        else:
            table = tables[name]
            if holders[table[-1]] > 1:
                new = _smallest_free(holders)
                holders[table[-1]] -= 1
                table[-1] = new
            if lengths[name] % page_size == 0:
                table.append(_smallest_free(holders))
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@wrong("12.4", "takes the forked text's last page for full, since it does not copy the length")
def fork_forgets_the_length(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = tables[name][:]
            lengths[event[2]] = page_size * len(tables[name])
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        else:
            table = tables[name]
            if lengths[name] % page_size == 0:
                table.append(_smallest_free(holders))
            elif holders[table[-1]] > 1:
                new = _smallest_free(holders)
                holders[table[-1]] -= 1
                table[-1] = new
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@wrong("12.4", "still counts a text as holder of the page that it has replaced by a copy")
def still_holds_the_old_page(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [_smallest_free(holders) for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = list(tables[name])
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        else:
            table = tables[name]
            if lengths[name] % page_size == 0:
                table.append(_smallest_free(holders))
            elif holders[table[-1]] > 1:
                table[-1] = _smallest_free(holders)
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@wrong("12.4", "takes the page that became free last, from a stack, and not the one with the smallest number")
def last_freed_first(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []
    stack, fresh = [], [0]

    def take():
        if stack:
            page = stack.pop()
        else:
            page = fresh[0]
            fresh[0] += 1
        holders[page] = 1
        return page

    for event in events:
        kind, name = event[:2]
        if kind == "join":
            lengths[name] = event[2]
            tables[name] = [take() for _ in range(-(-event[2] // page_size))]
        elif kind == "fork":
            tables[event[2]] = list(tables[name])
            lengths[event[2]] = lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            for page in tables.pop(name):
                holders[page] -= 1
                if holders[page] == 0:
                    stack.append(page)
        else:
            table = tables[name]
            if lengths[name] % page_size == 0:
                table.append(take())
            elif holders[table[-1]] > 1:
                holders[table[-1]] -= 1
                table[-1] = take()
            lengths[name] += 1
        out.append({one: list(table) for one, table in tables.items()})
    return out


@right("12.4")
def counts_holders_anew(events, page_size):
    texts = {}
    history = []

    def free():
        held = {page for _, table in texts.values() for page in table}
        return min(set(range(len(held) + 1)) - held)

    for what, name, *more in events:
        if what == "join":
            texts[name] = (0, ())
            while len(texts[name][1]) * page_size < more[0]:
                texts[name] = (more[0], (*texts[name][1], free()))
        elif what == "fork":
            texts[more[0]] = texts[name]
        elif what == "leave":
            texts.pop(name)
        else:
            n, table = texts[name]
            if len(table) * page_size == n:
                table = (*table, free())
            elif sum(table[-1] in other for _, other in texts.values()) >= 2:
                table = (*table[:-1], free())
            texts[name] = (n + 1, table)
        history.append({one: list(table) for one, (_, table) in texts.items()})
    return history


@right("12.4")
def matrix_of_holders(events, page_size):
    most = 1 + sum(1 + (event[2] if event[0] == "join" else 0) for event in events)
    holds, length, order, result = {}, {}, {}, []

    def take():
        used = np.zeros(most, dtype=int)
        for row in holds.values():
            used += row
        return int(np.argmin(used > 0))

    for event in events:
        name = event[1]
        if event[0] == "join":
            holds[name], order[name], length[name] = np.zeros(most, dtype=int), [], event[2]
            for _ in range(0, event[2], page_size):
                page = take()
                holds[name][page] = 1
                order[name] = order[name] + [page]
        elif event[0] == "fork":
            new = event[2]
            holds[new], order[new], length[new] = holds[name].copy(), order[name], length[name]
        elif event[0] == "leave":
            for book in (holds, order, length):
                del book[name]
        else:
            tail = order[name][-1]
            full = length[name] % page_size == 0
            shared = sum(row[tail] for row in holds.values()) > 1
            if full or shared:
                page = take()
                holds[name][page] = 1
                if full:
                    order[name] = order[name] + [page]
                else:
                    holds[name][tail] = 0
                    order[name] = order[name][:-1] + [page]
            length[name] += 1
        result.append({one: list(pages) for one, pages in order.items()})
    return result
