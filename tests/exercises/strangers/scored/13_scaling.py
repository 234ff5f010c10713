"""Answers to assignment 13 from its text alone; this set is only scored."""

import math

import numpy as np
import torch
from answers import right, wrong


@wrong("13.1", "goes up also where the die equals the share, so a number that bfloat16 holds moves at a die of 0")
def die_equals_share(x, dice):
    bits = x.view(torch.int32)
    low = bits & 0xFFFF
    up = dice <= low / 65536
    return (bits - low + up.int() * 65536).view(torch.float32)


@wrong("13.1", "adds the die to the lower bits and cuts off, so the high dice go up and not the low ones")
def noise_and_cut(x, dice):
    bits = x.view(torch.int32) + (dice * 65536).to(torch.int32)
    return (bits - (bits & 0xFFFF)).view(torch.float32)


@wrong("13.1", "finds the distance of the neighbours by a log2, and 0 becomes NaN")
def logarithm_of_zero(x, dice):
    size = x.double().abs()
    step = 2.0 ** (torch.floor(torch.log2(size)) - 7)
    lower = torch.floor(size / step)
    up = dice < size / step - lower
    return (torch.sign(x) * (lower + up) * step).float()


@wrong("13.1", "works on the bits in place, so x itself is rounded too")
def writes_into_x(x, dice):
    bits = x.view(torch.int32)
    low = bits & 0xFFFF
    bits -= low
    bits += (dice < low / 65536).int() * 65536
    return bits.view(torch.float32).clone()


@wrong("13.1", "below 0 it takes the neighbour further from 0 for the lower one")
def lower_is_smaller(x, dice):
    mantissa, exponent = np.frexp(x.numpy().astype(np.float64))
    units = np.ldexp(mantissa, 8)
    floor = np.floor(units)
    floor = floor + (dice.numpy() < units - floor)
    return torch.from_numpy(np.ldexp(floor, exponent - 8).astype(np.float32))


@right("13.1")
def steps_by_frexp(x, dice):
    value = x.numpy().astype(np.float64)
    _, exponent = np.frexp(value)
    step = np.ldexp(1.0, np.maximum(exponent - 8, -133))
    way = np.abs(value) / step
    whole = np.trunc(way)
    size = (whole + (dice.numpy() < way - whole)) * step
    return torch.from_numpy(np.copysign(size, value).astype(np.float32))


@wrong("13.2", "the gradients that lie whole on every card do not enter the length at all")
def whole_not_counted(cards, whole, most):
    squares = sum(float(g.square().sum()) for card in cards for name, g in card.items() if name not in whole)
    length = math.sqrt(squares)
    factor = most / length if length > most else 1.0
    return [{name: g * factor for name, g in card.items()} for card in cards]


@wrong("13.2", "divides by a length of 0 where the gradient is 0")
def zero_length(cards, whole, most):
    square = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                square += float((piece**2).sum())
    factor = min(1.0, most / math.sqrt(square))
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "each name is clipped to the limit on its own, so the direction of the gradient changes")
def each_name_alone(cards, whole, most):
    clipped = [dict() for _ in cards]
    for name in cards[0]:
        pieces = [card[name] for card in cards]
        counted = pieces[:1] if name in whole else pieces
        length = math.sqrt(sum(float(piece.square().sum()) for piece in counted))
        factor = most / length if length > most else 1.0
        for new, piece in zip(clipped, pieces):
            new[name] = factor * piece
    return clipped


@wrong("13.2", "scales the given tensors in place")
def scaled_in_place(cards, whole, most):
    square = sum(float(g.square().sum()) for g in cards[0].values())
    square += sum(float(g.square().sum()) for card in cards[1:] for n, g in card.items() if n not in whole)
    length = math.sqrt(square)
    if length > most:
        for card in cards:
            for piece in card.values():
                piece.mul_(most / length)
    return [dict(card) for card in cards]


@wrong("13.2", "adds up the lengths of the cards, though only their squares add up")
def lengths_added(cards, whole, most):
    length = 0.0
    for number, card in enumerate(cards):
        mine = [g.flatten() for name, g in card.items() if number == 0 or name not in whole]
        if mine:
            length += float(torch.cat(mine).norm())
    factor = most / length if length > most else 1.0
    return [{name: g * factor for name, g in card.items()} for card in cards]


@right("13.2")
def hypot_of_all(cards, whole, most):
    once = {name: [card[name] for card in cards if name in card] for card in cards for name in card}
    lengths = []
    for name, pieces in once.items():
        for piece in pieces[: 1 if name in whole else None]:
            lengths.append(float(torch.linalg.vector_norm(piece.double())))
    length = math.hypot(*lengths)
    shrink = length / most if length > most else 1.0
    return [{name: piece / shrink for name, piece in card.items()} for card in cards]


@wrong("13.3", "takes the model that is cheapest to train and only then adds what it costs to serve")
def cheapest_to_train(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    N = (A * (alpha + beta) / (beta * gap)) ** (1 / alpha)
    D = (B * (alpha + beta) / (alpha * gap)) ** (1 / beta)
    return 6 * N * D + 2 * N * served


@wrong("13.3", "the model and the data each close one half of the gap, which is best only by chance")
def half_of_the_gap(law, loss, served):
    E, A, alpha, B, beta = law
    half = (loss - E) / 2
    N, D = (A / half) ** (1 / alpha), (B / half) ** (1 / beta)
    return 6 * N * D + 2 * N * served


@wrong("13.3", "looks for N between 0.001 and 1,000 only, though it may lie far outside")
def narrow_grid(law, loss, served):
    E, A, alpha, B, beta = law
    N = np.geomspace(1e-3, 1e3, 200_001)
    rest = loss - E - A / N**alpha
    N, rest = N[rest > 0], rest[rest > 0]
    if len(N) == 0:
        return math.inf
    with np.errstate(over="ignore"):
        return float((6 * N * (B / rest) ** (1 / beta) + 2 * N * served).min())


@wrong("13.3", "counts 6 N for the served tokens too, as if they were trained on")
def serving_costs_six(law, loss, served):
    E, A, alpha, B, beta = law
    low = math.log((A / (loss - E)) ** (1 / alpha)) + 1e-9
    high = low + 60

    def cost(log_n):
        N = math.exp(log_n)
        rest = loss - E - A / N**alpha
        return 6 * N * ((B / rest) ** (1 / beta) + served) if rest > 1e-15 else math.inf

    for _ in range(200):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if cost(a) < cost(b) else (a, high)
    return cost(low)


@wrong("13.3", "tries forty sizes, each half as large again as the one before, too few for a hundredth of a per cent")
def coarse_grid(law, loss, served):
    E, A, alpha, B, beta = law
    least = (A / (loss - E)) ** (1 / alpha)
    costs = []
    for k in range(1, 41):
        N = least * 1.5**k
        D = (B / (loss - E - A / N**alpha)) ** (1 / beta)
        costs.append(6 * N * D + 2 * N * served)
    return min(costs)


@right("13.3")
def share_of_the_gap(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E

    def log_cost(t):
        by_model = np.logaddexp(0, -t)  # minus log of the share that N leaves
        by_data = np.logaddexp(0, t)
        log_n = (math.log(A / gap) + by_model) / alpha
        log_d = (math.log(B / gap) + by_data) / beta
        bill = math.log(6) + log_d
        if served > 0:
            bill = np.logaddexp(bill, math.log(2) + math.log(served))
        return float(log_n + bill)

    golden = (math.sqrt(5) - 1) / 2
    low, high = -80.0, 80.0
    for _ in range(120):
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if log_cost(a) < log_cost(b) else (a, high)
    return math.exp(log_cost((low + high) / 2))


def _clock(orders, backward=2, wait_behind=True):
    p = len(orders)
    free, at, ended = [0] * p, [0] * p, {}
    plan = [[] for _ in range(p)]
    moved = True
    while moved:
        moved = False
        for s in range(p):
            while at[s] < len(orders[s]):
                kind, j = orders[s][at[s]]
                if kind == "forward":
                    need = ("forward", j, s - 1) if s else None
                elif s < p - 1 and wait_behind:
                    need = ("backward", j, s + 1)
                else:
                    need = ("forward", j, s)
                if need is not None and need not in ended:
                    break
                start = max(free[s], ended[need] if need is not None else 0)
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else backward)
                plan[s].append((start, kind, j))
                at[s] += 1
                moved = True
    return plan


def _by_turns(ahead, m):
    order = [("forward", j) for j in range(ahead)]
    for j in range(m):
        if ahead + j < m:
            order.append(("forward", ahead + j))
        order.append(("backward", j))
    return order


@wrong("13.4", "a backward pass lasts 1, as long as a forward pass")
def quick_backward(p, m):
    return _clock([_by_turns(min(p - 1 - s, m), m) for s in range(p)], backward=1)


@wrong("13.4", "each stage runs one small batch further ahead: p - s forwards before the turns begin")
def one_further_ahead(p, m):
    return _clock([_by_turns(min(p - s, m), m) for s in range(p)])


@wrong("13.4", "all forwards first and then all backwards, the timetable of the lesson")
def all_forwards_first(p, m):
    order = [("forward", j) for j in range(m)] + [("backward", j) for j in range(m)]
    return _clock([order] * p)


@wrong("13.4", "a backward pass waits for its own forward only, not for the backward of the stage behind")
def no_wait_for_behind(p, m):
    return _clock([_by_turns(min(p - 1 - s, m), m) for s in range(p)], wait_behind=False)


@wrong("13.4", "forgets the minimum with m, so with few small batches a stage sends forward some that do not exist")
def more_than_there_are(p, m):
    orders = [_by_turns(p - 1 - s, m) for s in range(p)]
    return _clock(orders)


@right("13.4")
def tick_by_tick(p, m):
    def length(kind):
        return 1 if kind == "forward" else 2

    todo = []
    for s in range(p):
        ahead = min(p - 1 - s, m)
        rank = [(2 * max(j - ahead, -1), 0, j, "forward") for j in range(m)]
        rank += [(2 * j, 1, j, "backward") for j in range(m)]
        todo.append([(kind, j) for _, _, j, kind in sorted(rank)])
    plan, done, busy = [[] for _ in range(p)], {}, [0] * p
    now = 0
    while any(len(plan[s]) < 2 * m for s in range(p)):
        for s in range(p):
            if busy[s] > now or len(plan[s]) == 2 * m:
                continue
            kind, j = todo[s][len(plan[s])]
            if kind == "forward":
                ready = s == 0 or done.get(("forward", j, s - 1), math.inf) <= now
            elif s == p - 1:
                ready = done.get(("forward", j, s), math.inf) <= now
            else:
                ready = done.get(("backward", j, s + 1), math.inf) <= now
            if ready:
                plan[s].append((now, kind, j))
                busy[s] = done[kind, j, s] = now + length(kind)
        now += 1
    return plan
