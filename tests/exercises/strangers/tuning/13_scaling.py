"""Answers to assignment 13 from its text alone; this half is for tuning the check."""

import itertools
import math
import struct

import numpy as np
import torch
from answers import right, wrong


@wrong("13.1", "the step is 2 whatever the size of x, as it is between 256 and 512 only")
def step_of_two(x, dice):
    size = x.abs()
    lower = (size / 2).floor() * 2
    share = (size - lower) / 2
    return torch.sign(x) * (lower + 2 * (dice < share))


@right("13.1")
def adds_and_cuts_off(x, dice):
    # the carry happens where rest > floor(die * 65536), which is die < rest / 65536
    bits = x.view(torch.int32)
    noise = 65535 - (dice.double() * 65536).floor().to(torch.int32)
    return ((bits + noise) & -65536).view(torch.float32)


@wrong("13.1", "the result has the type bfloat16, where float32 numbers are asked for")
def gives_bfloat16(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    return torch.where(dice < rest / 65536, lower + 65536, lower).view(torch.float32).bfloat16()


@wrong("13.1", "the share is the rest over 65,535 and not over 65,536, a little too large")
def share_of_65535(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    share = rest.double() / 0xFFFF
    lower = bits & ~0xFFFF
    return torch.where(dice.double() < share, lower + 0x10000, lower).view(torch.float32)


@wrong("13.1", "below 0 the lower neighbour is taken to be the one further from 0")
def floor_below_zero(x, dice):
    _, exponent = torch.frexp(x.double())
    step = torch.ldexp(torch.ones(len(x), dtype=torch.float64), (exponent - 8).clamp(min=-133))
    lower = torch.floor(x.double() / step)
    share = x.double() / step - lower
    return ((lower + (dice < share)) * step).float()


@right("13.1")
def step_from_frexp(x, dice):
    a = x.double().abs()
    _, exponent = torch.frexp(a)
    # 8 binary digits; below 2^-126 the step gets no smaller
    step = torch.ldexp(torch.ones_like(a), (exponent - 8).clamp(min=-133))
    whole = torch.floor(a / step)
    share = a / step - whole
    whole = whole + (dice.double() < share)
    return torch.copysign(whole * step, x.double()).float()


@wrong("13.1", "a die that is equal to the share goes up, so a die of 0 moves a number that bfloat16 holds")
def die_equal_goes_up(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    return torch.where(dice <= rest / 65536, lower + 65536, lower).view(torch.float32)


@wrong(
    "13.1", "noise of one step is added before rounding to the nearest, which goes up for large dice and not for small"
)
def dithers(x, dice):
    _, exponent = torch.frexp(x)
    step = torch.ldexp(torch.ones_like(x), exponent - 8)
    return (x + (dice - 0.5) * step).bfloat16().float()


@wrong("13.1", "a die below the share goes down and not up")
def up_and_down_exchanged(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    go_down = (dice < rest / 65536) | (rest == 0)
    return torch.where(go_down, lower, lower + 65536).view(torch.float32)


@right("13.1")
def struct_one_by_one(x, dice):
    """Numbers that bfloat16 holds, right on the average: (n,)."""
    out = []
    for value, die in zip(x.tolist(), dice.tolist()):
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
        upper_half, rest = divmod(bits, 1 << 16)
        if die * 65536 < rest:
            upper_half += 1
        out.append(struct.unpack("<f", struct.pack("<I", upper_half << 16))[0])
    return torch.tensor(out, dtype=torch.float32)


@wrong("13.1", "the bits are a view of x, so working on them in place changes the x that was given")
def changes_x_through_the_view(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    bits -= rest
    bits += (dice < rest / 65536) * 65536
    return x


@wrong(
    "13.2", "each number is cut off at `most` for itself; that is no limit for the length, and it bends the direction"
)
def cuts_each_number(cards, whole, most):
    return [{name: piece.clamp(-most, most) for name, piece in card.items()} for card in cards]


@right("13.2")
def sum_of_squares_once(cards, whole, most):
    total = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if name not in whole or number == 0:
                total += float(piece.double().square().sum())
    length = math.sqrt(total)
    factor = most / length if length > most else 1.0
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "only the pieces are scaled, what lies whole on every card keeps its length")
def whole_is_not_scaled(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                squares += float(piece.square().sum())
    length = math.sqrt(squares)
    factor = most / length if length > most else 1.0
    return [
        {name: piece.clone() if name in whole else factor * piece for name, piece in card.items()} for card in cards
    ]


@wrong("13.2", "the cards' lengths are added up, but only squares may be added")
def adds_lengths(cards, whole, most):
    length = 0.0
    for number, card in enumerate(cards):
        own = [piece for name, piece in card.items() if number == 0 or name not in whole]
        length += math.sqrt(sum(float((piece**2).sum()) for piece in own))
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "the tensors that were given are scaled in place")
def scales_in_place(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                squares += float(piece.square().sum())
    length = math.sqrt(squares)
    if length > most:
        for card in cards:
            for piece in card.values():
                piece.mul_(most / length)
    return [{name: piece.clone() for name, piece in card.items()} for card in cards]


@right("13.2")
def one_long_vector(cards, whole, most):
    """The pieces of a gradient, as a dictionary for each card, scaled down."""
    taken, parts = set(), []
    for card in cards:
        for name in card:
            if name in whole:
                if name in taken:
                    continue
                taken.add(name)
            parts.append(card[name].detach().numpy().astype(np.float64).ravel())
    length = float(np.linalg.norm(np.concatenate(parts))) if parts else 0.0
    shrink = min(1.0, most / max(length, 1e-300))
    return [dict(zip(card, (shrink * piece for piece in card.values()))) for card in cards]


@wrong("13.2", "a gradient of 0 has length 0, and the division fails")
def divides_by_zero(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if number == 0 or name not in whole:
                squares += float(piece.square().sum())
    factor = min(1.0, most / math.sqrt(squares))
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "each card still finds its own length and its own factor")
def each_card_for_itself(cards, whole, most):
    clipped = []
    for card in cards:
        length = math.sqrt(sum(float(piece.square().sum()) for piece in card.values()))
        factor = most / length if length > most else 1.0
        clipped.append({name: factor * piece for name, piece in card.items()})
    return clipped


@wrong("13.2", "what lies whole on every card does not count for the length at all")
def whole_does_not_count(cards, whole, most):
    squares = 0.0
    for card in cards:
        for name, piece in card.items():
            if name in whole:
                continue
            squares += piece.pow(2).sum().item()
    length = squares**0.5
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@right("13.2")
def whole_counts_a_share_on_each(cards, whole, most):
    def sent(card):
        mine = sum((p.double() ** 2).sum().item() for n, p in card.items() if n not in whole)
        common = sum((p.double() ** 2).sum().item() for n, p in card.items() if n in whole)
        return mine + common / len(cards)

    squares = sum(map(sent, cards))
    too_long = squares > most**2
    result = []
    for card in cards:
        new = {}
        for name, piece in card.items():
            new[name] = piece * (most / math.sqrt(squares)) if too_long else piece.clone()
        result.append(new)
    return result


@wrong(
    "13.2", "the dictionaries are merged into one first, and of the pieces with one name only the last card's is left"
)
def merges_the_cards(cards, whole, most):
    everything = {}
    for card in cards:
        everything.update(card)
    length = math.sqrt(sum(float(piece.square().sum()) for piece in everything.values()))
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.3", "billions are turned into single numbers, so the result is 10^18 times too large")
def counts_single_operations(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    u = np.linspace(-40, 40, 400_001)
    N = np.exp((math.log(A / gap) + np.logaddexp(0, -u)) / alpha) * 1e9
    D = np.exp((math.log(B / gap) + np.logaddexp(0, u)) / beta) * 1e9
    return float((6 * N * D + 2 * N * served * 1e9).min())


@right("13.3")
def torch_grid_that_zooms(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    smallest = math.log(A / gap) / alpha
    low, high = -30.0, math.log(80 / alpha)  # of ln (ln N - smallest)
    for _ in range(8):
        t = torch.linspace(low, high, 1000, dtype=torch.float64)
        over = t.exp()
        log_n = smallest + over
        bracket = -torch.expm1(-alpha * over) * gap
        log_d = (math.log(B) - bracket.log()) / beta
        cost = 6 * (log_n + log_d).exp() + 2 * log_n.exp() * served
        i = int(cost.argmin())
        low, high = float(t[max(i - 1, 0)]), float(t[min(i + 1, 999)])
    return cost.min().item()


@wrong("13.3", "it returns the best N and not what it costs")
def returns_n(law, loss, served):
    E, A, alpha, B, beta = law

    def cost(log_n):
        bracket = loss - E - A / math.exp(alpha * log_n)
        if bracket <= 0:
            return math.inf
        return math.exp(log_n) * (6 * (B / bracket) ** (1 / beta) + 2 * served)

    a = math.log(A / (loss - E)) / alpha + 1e-9
    b = a + 40
    for _ in range(200):
        c, d = a + (b - a) / 3, b - (b - a) / 3
        if cost(c) < cost(d):
            b = d
        else:
            a = c
    return math.exp((a + b) / 2)


@wrong("13.3", "N is searched only between 0.001 and 1,000 billion, but it may lie far outside")
def range_is_fixed(law, loss, served):
    E, A, alpha, B, beta = law
    N = np.geomspace(1e-3, 1e3, 200_001)
    bracket = loss - E - A / N**alpha
    N, bracket = N[bracket > 0], bracket[bracket > 0]
    if len(N) == 0:
        return math.inf
    D = (B / bracket) ** (1 / beta)
    return float((6 * N * D + 2 * N * served).min())


@wrong("13.3", "D is the bracket to the power beta and not to 1 / beta")
def power_beta(law, loss, served):
    E, A, alpha, B, beta = law
    smallest = (A / (loss - E)) ** (1 / alpha)
    N = smallest * (1 + np.geomspace(1e-6, 1e12, 400_001))
    D = (B / (loss - E - A / N**alpha)) ** beta
    return float((6 * N * D + 2 * N * served).min())


@right("13.3")
def thirds_of_log_n(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E

    def cost(log_n):
        bracket = gap - A * math.exp(-alpha * log_n)
        if bracket <= 0:
            return math.inf
        log_d = math.log(B / bracket) / beta
        if log_d + log_n > 600:
            return math.inf
        return 6 * math.exp(log_n + log_d) + 2 * math.exp(log_n) * served

    left = math.log(A / gap) / alpha
    right_end = left + 60 / alpha
    for _ in range(400):
        a, b = left + (right_end - left) / 3, right_end - (right_end - left) / 3
        if cost(a) < cost(b):
            right_end = b
        else:
            left = a
    return cost((left + right_end) / 2)


@wrong("13.3", "E is left out: the two terms are made to reach the loss, and not the loss less E")
def forgets_e(law, loss, served):
    _, A, alpha, B, beta = law
    u = np.linspace(-40, 40, 400_001)
    N = np.exp((math.log(A / loss) + np.logaddexp(0, -u)) / alpha)
    D = np.exp((math.log(B / loss) + np.logaddexp(0, u)) / beta)
    return float((6 * N * D + 2 * N * served).min())


@wrong("13.3", "the tokens served are taken for tokens that teach: they count among those that the model must read")
def served_tokens_teach(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    u = np.linspace(-40, 40, 400_001)
    N = np.exp((math.log(A / gap) + np.logaddexp(0, -u)) / alpha)
    D = np.exp((math.log(B / gap) + np.logaddexp(0, u)) / beta)
    D = np.maximum(D - served, 0)
    return float((6 * N * D + 2 * N * served).min())


@wrong(
    "13.3",
    "below the smallest N the bracket is negative, and the costs there are NaN or no number that can be compared",
)
def below_the_smallest_n(law, loss, served):
    E, A, alpha, B, beta = law
    N = torch.logspace(-6, 8, 200_001, dtype=torch.float64)
    D = (B / (loss - E - A / N**alpha)) ** (1 / beta)
    cost = 6 * N * D + 2 * N * served
    return cost.min().item()


@right("13.3")
def golden_section_over_d(law, loss, served):
    E, A, alpha, B, beta = law

    def bill(t):
        log_d = start + math.exp(t)
        left = loss - E - B * math.exp(-beta * log_d)
        if left <= 0:
            return float("inf")
        log_n = (math.log(A) - math.log(left)) / alpha
        if log_n > 500 or log_d > 500:
            return float("inf")
        return math.exp(log_n) * (6 * math.exp(log_d) + 2 * served)

    start = math.log(B / (loss - E)) / beta
    a, b, phi = -28.0, 5.5, (5**0.5 - 1) / 2
    c, d = b - phi * (b - a), a + phi * (b - a)
    fc, fd = bill(c), bill(d)
    for _ in range(150):
        if fc < fd or (math.isinf(fc) and math.isinf(fd) and c > 0):
            b, d, fd = d, c, fc
            c = b - phi * (b - a)
            fc = bill(c)
        else:
            a, c, fc = c, d, fd
            d = a + phi * (b - a)
            fd = bill(d)
    return min(fc, fd)


@wrong("13.3", "N and D are those that are cheapest to train, and serving is only added to their bill")
def trains_cheapest_then_serves(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    best_cost, best_n = math.inf, None
    smallest = math.log(A / gap) / alpha
    for k in range(1, 20001):
        n = math.exp(smallest + k * 0.001)
        bracket = gap - A / n**alpha
        if bracket <= 0:
            continue
        cost = 6 * n * (B / bracket) ** (1 / beta)
        if cost < best_cost:
            best_cost, best_n = cost, n
    return best_cost + 2 * best_n * served


@wrong("13.4", "a backward pass lasts 1 like a forward pass, where it should last 2")
def backward_lasts_one(p, m):
    orders = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
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
            free[s] = ended[kind, j, s] = start + 1
            orders[s].pop(0)
    return out


@right("13.4")
def stages_as_coroutines(p, m):
    ended = {(-1, "forward", j): 0 for j in range(m)}
    tables = [[] for _ in range(p)]

    def stage(s):
        now = 0

        def work(kind, j):
            nonlocal now
            lasts, needs = (1, (s - 1, kind, j)) if kind == "forward" else (2, (s + 1, kind, j))
            if kind == "backward" and s == p - 1:
                needs = (s, "forward", j)
            while needs not in ended:
                yield
            now = max(now, ended[needs])
            tables[s].append((now, kind, j))
            now += lasts
            ended[s, kind, j] = now

        sent = 0
        while sent < min(p - 1 - s, m):
            yield from work("forward", sent)
            sent += 1
        for back in range(m):
            if sent < m:
                yield from work("forward", sent)
                sent += 1
            yield from work("backward", back)

    alive = [stage(s) for s in range(p)]
    nothing = object()
    while alive:
        alive = [one for one in alive if next(one, nothing) is not nothing]
    return tables


@wrong(
    "13.4", "a stage takes whatever is ready, backward before forward, and so runs ahead further than the rules allow"
)
def takes_what_is_ready(p, m):
    ended, out = {}, [[] for _ in range(p)]
    free, nf, nb = [0] * p, [0] * p, [0] * p
    clock = 0
    while sum(nb) < p * m:
        for s in range(p):
            if free[s] > clock:
                continue
            j = nb[s]
            other = ("backward", j, s + 1) if s < p - 1 else ("forward", j, s)
            if j < nf[s] and ended.get(other, math.inf) <= clock:
                out[s].append((clock, "backward", j))
                free[s] = ended["backward", j, s] = clock + 2
                nb[s] += 1
                continue
            j = nf[s]
            if j < m and (s == 0 or ended.get(("forward", j, s - 1), math.inf) <= clock):
                out[s].append((clock, "forward", j))
                free[s] = ended["forward", j, s] = clock + 1
                nf[s] += 1
        clock += 1
    return out


@wrong("13.4", "backward j waits only for the stage's own forward j, not for backward j of the stage behind")
def backward_needs_own_forward_only(p, m):
    ended, out = {}, []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            if w + j < m:
                order.append(("forward", w + j))
            order.append(("backward", j))
        free, mine = 0, []
        for kind, j in order:
            if kind == "forward":
                start = max(free, ended.get(("forward", j, s - 1), 0))
                free = start + 1
            else:
                start = max(free, ended["forward", j, s])
                free = start + 2
            ended[kind, j, s] = free
            mine.append((start, kind, j))
        out.append(mine)
    return out


@wrong("13.4", "the backward passes that are left when no forward pass is left are never made")
def stops_with_the_forwards(p, m):
    orders = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m - w):
            order += [("forward", w + j), ("backward", j)]
        orders.append(order)
    ended, free, out, moved = {}, [0] * p, [[] for _ in range(p)], True
    while moved:
        moved = False
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
            moved = True
    return out


@right("13.4")
def clock_that_ticks(p, m):
    def order(s):
        forwards, backwards = iter(range(m)), iter(range(m))
        for j in itertools.islice(forwards, max(p - 1 - s, 0)):
            yield "forward", j
        for j in forwards:
            yield "forward", j
            yield "backward", next(backwards)
        for j in backwards:
            yield "backward", j

    queues = [list(order(s)) for s in range(p)]
    table = [[] for _ in range(p)]
    busy = [0] * p
    done = set()
    running = []
    clock = 0
    while any(queues) or running:
        done.update(what for end, what in running if end <= clock)
        running = [(end, what) for end, what in running if end > clock]
        for s, queue in enumerate(queues):
            if not queue or busy[s] > clock:
                continue
            kind, j = queue[0]
            if kind == "forward":
                ready = s == 0 or ("forward", s - 1, j) in done
            else:
                ready = ("forward", s, j) in done if s == p - 1 else ("backward", s + 1, j) in done
            if ready:
                queue.pop(0)
                table[s].append((clock, kind, j))
                busy[s] = clock + (1 if kind == "forward" else 2)
                running.append((busy[s], (kind, s, j)))
        clock += 1
    return table


@wrong("13.4", "a stage begins when the work before it has begun, not when it has ended")
def begins_with_the_other(p, m):
    began, free, out = {}, [0] * p, [[] for _ in range(p)]
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
                if other and other not in began:
                    break
                start = max(free[s], began.get(other, 0))
                out[s].append((start, kind, j))
                began[kind, j, s] = start
                free[s] = start + (1 if kind == "forward" else 2)
                orders[s].pop(0)
    return out


@wrong("13.4", "with fewer small batches than stages it sends forwards some that do not exist")
def more_than_there_are(p, m):
    orders = []
    for s in range(p):
        w = p - 1 - s
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            if w + j < m:
                order.append(("forward", w + j))
            order.append(("backward", j))
        orders.append(order)
    ended, free, out, at = {}, [0] * p, [[] for _ in range(p)], [0] * p
    moved = True
    while moved:
        moved = False
        for s in range(p):
            if at[s] == len(orders[s]):
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
            moved = True
    return out


@wrong("13.4", "the list of a stage holds all its forward passes first and then the backward passes, not as it works")
def sorted_by_kind(p, m):
    ended, free, out = {}, [0] * p, [[] for _ in range(p)]
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
                out[s].append((start, kind, j))
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
                orders[s].pop(0)
    return [sorted(mine, key=lambda work: (work[1] == "backward", work[2])) for mine in out]


@right("13.4")
def goes_round_the_stages(p, m):
    plan = []
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            if w + j < m:
                order.append(("forward", w + j))
            order.append(("backward", j))
        plan.append(order)
    ended, free, out = {}, [0] * p, [[] for _ in range(p)]
    while any(len(done) < len(order) for done, order in zip(out, plan)):
        for s in range(p):
            while len(out[s]) < len(plan[s]):
                kind, j = plan[s][len(out[s])]
                if kind == "forward":
                    needs = ("forward", j, s - 1) if s else None
                else:
                    needs = ("backward", j, s + 1) if s < p - 1 else ("forward", j, s)
                if needs is not None and needs not in ended:
                    break
                start = max(free[s], ended[needs] if needs else 0)
                out[s].append((start, kind, j))
                free[s] = ended[kind, j, s] = start + (1 if kind == "forward" else 2)
    return out


@wrong("13.4", "all stages move on together in slots, and a forward pass takes as long a slot as a backward pass")
def slots_of_two(p, m):
    orders, at, ended = [], [0] * p, {}
    for s in range(p):
        w = min(p - 1 - s, m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
        orders.append(order)
    out, slot = [[] for _ in range(p)], 0
    while sum(at) < 2 * m * p:
        for s in range(p):
            if at[s] == 2 * m:
                continue
            kind, j = orders[s][at[s]]
            if kind == "forward":
                ready = s == 0 or ended.get((kind, j, s - 1), slot) < slot
            elif s == p - 1:
                ready = ended["forward", j, s] < slot
            else:
                ready = ended.get((kind, j, s + 1), slot) < slot
            if ready:
                out[s].append((2 * slot, kind, j))
                ended[kind, j, s] = slot
                at[s] += 1
        slot += 1
    return out
