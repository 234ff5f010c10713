"""Answers to assignment 13 from its text alone; this half served to tune the checks."""

import itertools
import math
from graphlib import TopologicalSorter

import numpy as np
import torch
from answers import right, wrong


@wrong("13.1", "it rounds to the nearest, and the dice have no say")
def nearest(x, dice):
    return x.to(torch.bfloat16).to(torch.float32)


@right("13.1")
def numpy_two_halves(x, dice):
    halves = x.numpy().astype("<f4").view("<u2").reshape(-1, 2)  # low half, high half
    low, high = halves[:, 0], halves[:, 1]
    goes_up = dice.numpy().astype(np.float64) < low.astype(np.float64) / 65536
    result = np.stack([np.zeros_like(low), high + goes_up.astype("<u2")], axis=1)
    return torch.from_numpy(np.ascontiguousarray(result).view("<f4").reshape(-1).copy())


@wrong("13.1", "the first die decides for all numbers")
def one_die_for_all(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    die = dice[:1]
    return torch.where(die < rest / 65536, lower + 65536, lower).view(torch.float32)


@wrong("13.1", "the sign is lost: it works with absolute values and forgets to give the sign back")
def loses_the_sign(x, dice):
    bits = x.abs().view(torch.int32)
    rest = bits & 0xFFFF
    up = (dice < rest / 65536).int()
    return (bits - rest + (up << 16)).view(torch.float32)


@wrong("13.1", "the upper neighbour is the lower one times 1 + 1/128, which is right at powers of two only")
def upper_by_a_factor(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = (bits - rest).view(torch.float32)
    upper = lower * (1 + 1 / 128)
    return torch.where(dice < rest / 65536, upper, lower)


@right("13.1")
def share_from_the_lower_bits(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    return torch.where(dice < rest / 65536, lower + 65536, lower).view(torch.float32)


@wrong("13.1", "below 0 65,536 is taken off the bits, which leads towards 0 and not away from it")
def minus_for_negative_numbers(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    upper = lower + torch.where(x < 0, -65536, 65536).int()
    return torch.where(dice < rest / 65536, upper, lower).view(torch.float32)


@wrong("13.1", "0 gets no step: its logarithm is minus infinity, and NaN comes out")
def logarithm_of_zero(x, dice):
    size = x.double().abs()
    step = 2.0 ** (torch.floor(torch.log2(size)) - 7)
    lower = torch.floor(size / step) * step
    share = (size - lower) / step
    up = torch.where(dice < share, lower + step, lower)
    return (torch.sign(x) * up).float()


@wrong("13.1", "13 bits are cut off, as for float16, which leaves digits that bfloat16 cannot hold")
def cuts_13_bits(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0x1FFF
    lower = bits - rest
    return torch.where(dice < rest / 8192, lower + 8192, lower).view(torch.float32)


@wrong("13.2", "the factor is rounded down to a power of two, so the gradient becomes shorter than it has to")
def halves_until_it_fits(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                squares += float(piece.square().sum())
    length, factor = math.sqrt(squares), 1.0
    while factor * length > most:
        factor /= 2
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@right("13.2")
def norms_of_norms(cards, whole, most):
    norms = [
        torch.linalg.vector_norm(piece)
        for i, card in enumerate(cards)
        for name, piece in card.items()
        if i == 0 or name not in whole
    ]
    length = torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())
    if length <= most:
        return [{name: piece.clone() for name, piece in card.items()} for card in cards]
    return [{name: piece / length * most for name, piece in card.items()} for card in cards]


@wrong("13.2", "what lies whole on every card is counted once for each card")
def whole_counted_for_each_card(cards, whole, most):
    total = sum(piece.square().sum() for card in cards for piece in card.values())
    length = float(total) ** 0.5
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "only a card that is too long by itself is scaled, so factors differ between the cards")
def only_cards_that_are_too_long(cards, whole, most):
    def squares(card, names):
        return sum(float(card[name].square().sum()) for name in names)

    pieces = sum(squares(card, [n for n in card if n not in whole]) for card in cards)
    length = math.sqrt(pieces + squares(cards[0], whole))
    out = []
    for card in cards:
        own = math.sqrt(squares(card, card))
        factor = most / length if own > most else 1.0
        out.append({name: factor * piece for name, piece in card.items()})
    return out


@wrong("13.2", "each name is clipped for itself, with a length over all cards, but the limit is for all names together")
def each_name_for_itself(cards, whole, most):
    factors = {}
    for name in cards[0]:
        holders = cards[:1] if name in whole else cards
        length = math.sqrt(sum(float(card[name].square().sum()) for card in holders))
        factors[name] = most / length if length > most else 1.0
    return [{name: factors[name] * piece for name, piece in card.items()} for card in cards]


@right("13.2")
def hypot_number_by_number(cards, whole, most):
    pieces = {(name, -1 if name in whole else i): t for i, card in enumerate(cards) for name, t in card.items()}
    length = math.hypot(*(v for t in pieces.values() for v in t.flatten().tolist()))
    scaled = [{name: t.clone() for name, t in card.items()} for card in cards]
    if length > most:
        for card in scaled:
            for t in card.values():
                t.mul_(most).div_(length)
    return scaled


@wrong("13.2", "the root is not taken: `most` is compared with the sum of the squares")
def without_the_root(cards, whole, most):
    length = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                length += float(piece.square().sum())
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "a gradient that is shorter than `most` is made longer, where it should stay as it is")
def always_scales_to_most(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                squares += float(piece.square().sum())
    if squares == 0:
        return [{name: piece.clone() for name, piece in card.items()} for card in cards]
    factor = most / math.sqrt(squares)
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "the squares are averaged over the cards, as gradients of the same weights would be, and not added")
def averages_over_the_cards(cards, whole, most):
    squares = [sum(float(piece.square().sum()) for name, piece in card.items() if name not in whole) for card in cards]
    common = sum(float(cards[0][name].square().sum()) for name in whole)
    length = math.sqrt(sum(squares) / len(cards) + common)
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.3", "only whole billions of parameters are tried")
def whole_billions_only(law, loss, served):
    E, A, alpha, B, beta = law
    best = math.inf
    for n in range(1, 20_000):
        bracket = loss - E - A / n**alpha
        if bracket > 0:
            best = min(best, 6 * n * (B / bracket) ** (1 / beta) + 2 * n * served)
    return best


@right("13.3")
def share_of_the_gap(law, loss, served):
    """The least 6 N D + 2 N served that reaches the loss, with N and D in billions."""
    E, A, alpha, B, beta = map(float, law)
    gap = loss - E

    def log_sizes(u):  # a share 1 / (1 + e^-u) of the gap is left to N
        log_n = (math.log(A / gap) + np.logaddexp(0, -u)) / alpha
        log_d = (math.log(B / gap) + np.logaddexp(0, u)) / beta
        return log_n, log_d

    low, high = -60.0, 60.0
    for _ in range(6):
        u = np.linspace(low, high, 2001)
        log_n, log_d = log_sizes(u)
        bill = np.logaddexp(math.log(6) + log_n + log_d, log_n + np.log(2 * served) if served else -np.inf)
        k = int(bill.argmin())
        low, high = u[max(k - 1, 0)], u[min(k + 1, 2000)]
    return float(np.exp(bill.min()))


@wrong("13.3", "it walks in steps of a tenth until the cost rises, and stops up to a tenth away from the best N")
def walks_until_it_rises(law, loss, served):
    E, A, alpha, B, beta = law

    def cost(n):
        return 6 * n * (B / (loss - E - A / n**alpha)) ** (1 / beta) + 2 * n * served

    n = (A / (loss - E)) ** (1 / alpha) * 1.001
    while cost(n * 1.1) < cost(n):
        n *= 1.1
    return cost(n)


@wrong("13.3", "the law is unpacked as E, A, B, alpha, beta, so alpha and B are exchanged")
def order_of_the_law(law, loss, served):
    E, A, B, alpha, beta = law
    gap = loss - E
    u = np.linspace(-40, 40, 400_001)
    N = np.exp((math.log(A / gap) + np.logaddexp(0, -u)) / alpha)
    D = np.exp((math.log(B / gap) + np.logaddexp(0, u)) / beta)
    return float((6 * N * D + 2 * N * served).min())


@wrong("13.3", "D is fixed at 20 tokens a parameter, Chinchilla's rule, where it should be searched for")
def twenty_tokens_a_parameter(law, loss, served):
    E, A, alpha, B, beta = law
    low, high = -60.0, 60.0
    for _ in range(200):
        n = math.exp((low + high) / 2)
        if E + A / n**alpha + B / (20 * n) ** beta > loss:
            low = math.log(n)
        else:
            high = math.log(n)
    n = math.exp(high)
    return 6 * n * 20 * n + 2 * n * served


@right("13.3")
def zero_of_the_slope(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E

    # with s the share of the gap that is left to N, d cost / d ln N = 0 says
    # D (1 - alpha / beta * s / (1 - s)) + served / 3 = 0
    def sizes(s, rest):
        return (A / (gap * s)) ** (1 / alpha), (B / (gap * rest)) ** (1 / beta)

    low, high = -36.0, 36.0
    for _ in range(200):
        u = (low + high) / 2
        s, rest = 1 / (1 + math.exp(-u)), 1 / (1 + math.exp(u))
        _, D = sizes(s, rest)
        if D * (1 - alpha / beta * s / rest) + served / 3 > 0:
            low = u  # N is still too large
        else:
            high = u
    N, D = sizes(s, rest)
    return 6 * N * D + 2 * N * served


@wrong("13.3", "each token served is billed with 6 N, as in training, where it costs 2 N")
def serving_costs_six(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    u = np.linspace(-40, 40, 400_001)
    log_n = (math.log(A / gap) + np.logaddexp(0, -u)) / alpha
    log_d = (math.log(B / gap) + np.logaddexp(0, u)) / beta
    N, D = np.exp(log_n), np.exp(log_d)
    return float((6 * N * (D + served)).min())


@wrong(
    "13.3", "the gap is shared half and half between N and D, which is right only if alpha = beta and nothing is served"
)
def half_of_the_gap_each(law, loss, served):
    E, A, alpha, B, beta = law
    half = (loss - E) / 2
    N = (A / half) ** (1 / alpha)
    D = (B / half) ** (1 / beta)
    return 6 * N * D + 2 * N * served


@wrong("13.3", "a hundred values of N are too coarse for a hundredth of a per cent")
def grid_too_coarse(law, loss, served):
    E, A, alpha, B, beta = law
    smallest = (A / (loss - E)) ** (1 / alpha)
    N = smallest * np.geomspace(1.01, 1e8, 100)
    D = (B / (loss - E - A / N**alpha)) ** (1 / beta)
    return float(np.min(6 * N * D + 2 * N * served))


@wrong("13.4", "each stage runs ahead by p - s small batches before the turns begin, one too many")
def one_too_many_ahead(p, m):
    orders = []
    for s in range(p):
        w = min(p - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            if w + j < m:
                order.append(("forward", w + j))
            order.append(("backward", j))
        orders.append(order)
    ended, free, out, at = {}, [0] * p, [[] for _ in range(p)], [0] * p
    while sum(at) < 2 * m * p:
        for s in range(p):
            if at[s] == 2 * m:
                continue
            kind, j = orders[s][at[s]]
            if kind == "forward":
                other = (kind, j, s - 1) if s else None
            else:
                other = (kind, j, s + 1) if s < p - 1 else ("forward", j, s)
            if other and other not in ended:
                continue
            start = max(free[s], ended[other] if other else 0)
            out[s].append((start, kind, j))
            free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
            at[s] += 1
    return out


@right("13.4")
def sorted_by_what_needs_what(p, m):
    """For each stage its work in order, as (start, kind, small batch)."""
    needs, orders = {}, []
    for s in range(p):
        ahead = min(p - 1 - s, m)
        order = [("forward", j) for j in range(ahead)]
        order += [x for j in range(ahead, m) for x in (("forward", j), ("backward", j - ahead))]
        order += [("backward", j) for j in range(m - ahead, m)]
        orders.append(order)
        for before, now in itertools.pairwise([None, *order]):
            kind, j = now
            wants = [] if before is None else [(s, *before)]
            if kind == "forward" and s > 0:
                wants.append((s - 1, kind, j))
            if kind == "backward":
                wants.append((s + 1, kind, j) if s + 1 < p else (s, "forward", j))
            needs[s, kind, j] = wants
    end, start = {}, {}
    for work in TopologicalSorter(needs).static_order():
        start[work] = max((end[other] for other in needs[work]), default=0)
        end[work] = start[work] + {"forward": 1, "backward": 2}[work[1]]
    return [[(start[s, kind, j], kind, j) for kind, j in order] for s, order in enumerate(orders)]


@wrong("13.4", "each stage works off its list without waiting for the stage before or behind")
def waits_for_nobody(p, m):
    out = []
    for s in range(p):
        w = min(p - 1 - s, m)
        clock, mine = s, []
        for j in range(w):
            mine.append((clock, "forward", j))
            clock += 1
        for j in range(m):
            if w + j < m:
                mine.append((clock, "forward", w + j))
                clock += 1
            mine.append((clock, "backward", j))
            clock += 2
        out.append(mine)
    return out


@wrong("13.4", "every stage sends all small batches forwards first, as in the lesson's timetable")
def all_forwards_first(p, m):
    ended, out = {}, [[] for _ in range(p)]
    for s in range(p):
        free = 0
        for j in range(m):
            start = max(free, ended.get(("forward", j, s - 1), 0))
            out[s].append((start, "forward", j))
            free = ended["forward", j, s] = start + 1
    for s in reversed(range(p)):
        free = ended["forward", m - 1, s]
        for j in range(m):
            start = max(free, ended["backward", j, s + 1] if s < p - 1 else ended["forward", j, s])
            out[s].append((start, "backward", j))
            free = ended["backward", j, s] = start + 2
    return out


@wrong("13.4", "the stages come back in the order last to first")
def last_stage_first(p, m):
    ended, free, rows = {}, [0] * p, [[] for _ in range(p)]
    orders = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
        orders.append(order)
    while any(orders):
        for s in range(p):
            while orders[s]:
                kind, j = orders[s][0]
                if kind == "forward":
                    other = (kind, j, s - 1) if s else None
                else:
                    other = (kind, j, s + 1) if s < p - 1 else ("forward", j, s)
                if other and other not in ended:
                    break
                start = max(free[s], ended.get(other, 0))
                rows[s].append((start, kind, j))
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
                orders[s].pop(0)
    return rows[::-1]


@right("13.4")
def relaxes_until_nothing_moves(p, m):
    F = [[0] * m for _ in range(p)]
    B = [[0] * m for _ in range(p)]
    orders = []
    for s in range(p):
        w, order = min(p - 1 - s, m), []
        f = b = 0
        while b < m:
            if f < m and f - b <= w:
                order.append((F, 1, "forward", f))
                f += 1
            else:
                order.append((B, 2, "backward", b))
                b += 1
        orders.append(order)
    moved = True
    while moved:
        moved = False
        for s in range(p):
            clock = 0
            for book, lasts, kind, j in orders[s]:
                if kind == "forward":
                    other = F[s - 1][j] + 1 if s else 0
                else:
                    other = B[s + 1][j] + 2 if s + 1 < p else F[s][j] + 1
                start = max(clock, other)
                moved = moved or start != book[s][j]
                book[s][j] = start
                clock = start + lasts
    return [[(book[s][j], kind, j) for book, _, kind, j in orders[s]] for s in range(p)]


@wrong("13.4", "every stage but the last runs ahead by one small batch, which is right for two stages only")
def one_ahead_everywhere(p, m):
    ended, free, out = {}, [0] * p, [[] for _ in range(p)]
    orders = []
    for s in range(p):
        w = min(1 if s < p - 1 else 0, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
        orders.append(order)
    while any(orders):
        for s in range(p):
            while orders[s]:
                kind, j = orders[s][0]
                if kind == "forward":
                    other = (kind, j, s - 1) if s else None
                else:
                    other = (kind, j, s + 1) if s < p - 1 else ("forward", j, s)
                if other and other not in ended:
                    break
                start = max(free[s], ended.get(other, 0))
                out[s].append((start, kind, j))
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
                orders[s].pop(0)
    return out


@wrong("13.4", "in the turns the backward pass comes first and the forward pass after it")
def backward_before_forward(p, m):
    orders = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(max(w, 1))]
        sent = max(w, 1)
        for j in range(m):
            order.append(("backward", j))
            if sent < m:
                order.append(("forward", sent))
                sent += 1
        orders.append(order)
    ended, free, out = {}, [0] * p, [[] for _ in range(p)]
    while any(orders):
        for s in range(p):
            if not orders[s]:
                continue
            kind, j = orders[s][0]
            if kind == "forward":
                other = (kind, j, s - 1) if s else None
            else:
                other = (kind, j, s + 1) if s < p - 1 else ("forward", j, s)
            if other and other not in ended:
                continue
            start = max(free[s], ended.get(other, 0))
            out[s].append((start, kind, j))
            free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
            orders[s].pop(0)
    return out


@wrong("13.4", "the tuples are (kind, j, start), where (start, kind, j) is asked for")
def start_comes_last(p, m):
    ended, free, rows = {}, [0] * p, [[] for _ in range(p)]
    orders = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
        orders.append(order)
    while any(orders):
        for s in range(p):
            while orders[s]:
                kind, j = orders[s][0]
                if kind == "forward":
                    other = (kind, j, s - 1) if s else None
                else:
                    other = (kind, j, s + 1) if s < p - 1 else ("forward", j, s)
                if other and other not in ended:
                    break
                start = max(free[s], ended.get(other, 0))
                rows[s].append((kind, j, start))
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
                orders[s].pop(0)
    return rows
