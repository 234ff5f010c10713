"""Answers to assignment 13 from its text alone; this set served to tune the checks."""

import math

import numpy as np
import torch
from answers import right, wrong

# 13.1


@wrong("13.1", "goes up if the die is at most the share, so with a die of 0 a number that bfloat16 holds does not stay")
def die_at_most_the_share(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    return torch.where(dice <= rest / 65536, lower + 65536, lower).view(torch.float32)


@wrong("13.1", "takes the smaller of the two neighbours for the lower one, also below 0")
def smaller_is_lower(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    share = rest / 65536
    nearer = bits - rest
    up = torch.where((x < 0) & (rest > 0), dice >= 1 - share, dice < share)
    return torch.where(up, nearer + 65536, nearer).view(torch.float32)


@wrong("13.1", "divides the lower 16 bits by 65,535, so the shares are a little too large")
def divided_by_65535(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    up = dice < rest.double() / 65535
    return (bits - rest + 65536 * up.int()).view(torch.float32)


@wrong("13.1", "takes the logarithm of 0 for the step, so 0 becomes NaN")
def zero_has_no_logarithm(x, dice):
    wide = x.double()
    step = torch.exp2(wide.abs().log2().floor() - 7)
    lower = torch.trunc(wide / step) * step
    share = (wide - lower).abs() / step
    found = torch.where(dice < share, lower + torch.sign(wide) * step, lower)
    return found.float()


@wrong("13.1", "gives back the type bfloat16 instead of float32")
def type_is_bfloat16(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    up = (dice < rest / 65536).int()
    return (bits - rest + 65536 * up).view(torch.float32).bfloat16()


@wrong("13.1", "takes the nearest bfloat16 for the lower neighbour, though that may be the upper one")
def nearest_is_lower(x, dice):
    lower = x.bfloat16().float()
    upper = (lower.view(torch.int32) + 65536).view(torch.float32)
    share = ((x - lower) / (upper - lower)).clamp(min=0)
    return torch.where(dice < share, upper, lower)


@wrong("13.1", "adds the die as noise to the lower bits and cuts: right on the average, but it turns the dice round")
def noise_and_cut(x, dice):
    bits = x.view(torch.int32)
    noise = (dice.double() * 65536).to(torch.int32)
    return ((bits + noise) & -65536).view(torch.float32)


@wrong("13.1", "works on a view of x, so the numbers that it was given are changed")
def changes_x(x, dice):
    bits = x.view(torch.int32)
    share = (bits & 0xFFFF) / 65536
    bits &= -65536
    bits += 65536 * (dice < share).int()
    return x


@right("13.1")
def steps_from_the_exponent(x, dice):
    wide = x.double()
    _, exponent = torch.frexp(wide)
    step = torch.exp2((exponent - 8).clamp(min=-133).double())
    whole = torch.trunc(wide / step)
    share = (wide / step - whole).abs()
    whole = whole + torch.where(dice < share, torch.sign(wide), 0.0)
    return (whole * step).float()


@right("13.1")
def numpy_halves(x, dice):
    halves = np.ascontiguousarray(x.numpy()).view(np.uint32).copy()
    upper, rest = halves >> np.uint32(16), halves & np.uint32(0xFFFF)
    upper = upper + (dice.double().numpy() * 65536 < rest)
    return torch.from_numpy((upper.astype(np.uint32) << np.uint32(16)).view(np.float32))


# 13.2


def _squares(piece):
    return float(piece.double().square().sum())


@wrong("13.2", "counts the gradient that lies on every card once for each card")
def whole_on_every_card(cards, whole, most):
    length = math.sqrt(sum(_squares(piece) for card in cards for piece in card.values()))
    factor = most / length if length > most else 1.0
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "adds up the lengths of the pieces instead of their squares")
def lengths_added_up(cards, whole, most):
    length = 0.0
    for number, card in enumerate(cards):
        for name, piece in card.items():
            if name not in whole or number == 0:
                length += math.sqrt(_squares(piece))
    factor = most / length if length > most else 1.0
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "divides by the length also where it is 0, and raises")
def length_of_nothing(cards, whole, most):
    squares = sum(_squares(cards[0][name]) for name in whole)
    for card in cards:
        squares += sum(_squares(piece) for name, piece in card.items() if name not in whole)
    factor = min(1.0, most / math.sqrt(squares))
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "scales the pieces only, and leaves what every card holds as long as it was")
def whole_not_scaled(cards, whole, most):
    squares = sum(_squares(cards[0][name]) for name in whole)
    squares += sum(_squares(piece) for card in cards for name, piece in card.items() if name not in whole)
    factor = most / max(most, math.sqrt(squares))
    return [{n: piece.clone() if n in whole else factor * piece for n, piece in card.items()} for card in cards]


@wrong("13.2", "divides by the length + 1e-6, as a library does, which is too much where the length is small")
def a_millionth_more(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        squares += sum(_squares(piece) for name, piece in card.items() if number == 0 or name not in whole)
    factor = min(1.0, most / (math.sqrt(squares) + 1e-6))
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "scales the tensors that it was given in place")
def scales_what_is_given(cards, whole, most):
    squares = 0.0
    for number, card in enumerate(cards):
        squares += sum(_squares(piece) for name, piece in card.items() if number == 0 or name not in whole)
    length = math.sqrt(squares)
    if length > most:
        for card in cards:
            for piece in card.values():
                piece.mul_(most / length)
    return [dict(card) for card in cards]


@wrong("13.2", "does not count what every card holds at all")
def whole_not_counted(cards, whole, most):
    length = math.sqrt(sum(_squares(piece) for card in cards for name, piece in card.items() if name not in whole))
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@wrong("13.2", "counts equal tensors of one name once, so pieces that happen to be equal are counted too few times")
def equal_tensors_once(cards, whole, most):
    squares, seen = 0.0, []
    for card in cards:
        for name, piece in card.items():
            if not any(name == other and torch.equal(piece, tensor) for other, tensor in seen):
                squares += _squares(piece)
                seen.append((name, piece))
    length = math.sqrt(squares)
    factor = most / length if length > most else 1.0
    return [{name: factor * piece for name, piece in card.items()} for card in cards]


@right("13.2")
def shared_out_by_cards(cards, whole, most):
    squares = 0.0
    for card in cards:
        for name in card:
            squares += _squares(card[name]) / (len(cards) if name in set(whole) else 1)
    shrink = max(1.0, squares**0.5 / most)
    return [{name: piece.clone() if shrink == 1 else piece / shrink for name, piece in card.items()} for card in cards]


@right("13.2")
def one_long_vector(cards, whole, most):
    parts = [piece.double().flatten() for card in cards for name, piece in card.items() if name not in whole]
    parts += [cards[0][name].double().flatten() for name in whole]
    vector = torch.cat(parts) if parts else torch.zeros(1, dtype=torch.float64)
    length = torch.linalg.vector_norm(vector).item()
    out = []
    for card in cards:
        new = {}
        for name, piece in card.items():
            new[name] = piece * (most / length) if length > most else piece * 1.0
        out.append(new)
    return out


# 13.3


def _cost_at(law, loss, served, log_n):
    E, A, alpha, B, beta = law
    left = loss - E - A * math.exp(-alpha * log_n)
    if left <= 0:
        return math.inf
    log_d = (math.log(B) - math.log(left)) / beta
    if log_d + log_n > 650:
        return math.inf
    return 6 * math.exp(log_n + log_d) + 2 * math.exp(log_n) * served


def _lowest(cost, low, high):
    for _ in range(300):
        third = (high - low) / 3
        a, b = low + third, high - third
        if cost(a) > cost(b):
            low = a
        else:
            high = b
    return (low + high) / 2


@wrong("13.3", "takes the model that is cheapest to train and only adds its use to the price")
def cheapest_to_train(law, loss, served):
    E, A, alpha, B, beta = law
    low = math.log(A / (loss - E)) / alpha
    n = _lowest(lambda n: _cost_at(law, loss, 0.0, n), low, low + 60)
    return _cost_at(law, loss, served, n)


@wrong("13.3", "tries N from 0.001 to 1,000 only, though the best may lie far outside")
def fixed_range_of_sizes(law, loss, served):
    grid = np.linspace(math.log(0.001), math.log(1000), 200_001)
    E, A, alpha, B, beta = law
    left = loss - E - A * np.exp(-alpha * grid)
    usable = left > 0
    if not usable.any():
        return math.inf
    n = np.exp(grid[usable])
    d = (B / left[usable]) ** (1 / beta)
    return float((6 * n * d + 2 * n * served).min())


@wrong("13.3", "lets N and D be to blame for half of what is left of the loss each")
def half_of_the_loss_each(law, loss, served):
    E, A, alpha, B, beta = law
    half = (loss - E) / 2
    N, D = (A / half) ** (1 / alpha), (B / half) ** (1 / beta)
    return 6 * N * D + 2 * N * served


@wrong("13.3", "tries whole billions of parameters only")
def whole_billions(law, loss, served):
    E, A, alpha, B, beta = law
    smallest = math.floor((A / (loss - E)) ** (1 / alpha)) + 1
    if smallest < 1e6:
        best = min(_cost_at(law, loss, served, math.log(N)) for N in range(smallest, smallest + 3000))
    else:
        best = math.inf
    low = math.log(smallest)
    n = _lowest(lambda n: _cost_at(law, loss, served, n), low, low + 60)
    near = {max(smallest, round(math.exp(n)) + k) for k in (-1, 0, 1)}
    return min(best, *(_cost_at(law, loss, served, math.log(N)) for N in near))


@wrong("13.3", "searches N between its smallest value and ten billion more, too narrow for large models")
def ten_billion_more(law, loss, served):
    E, A, alpha, B, beta = law
    smallest = (A / (loss - E)) ** (1 / alpha)
    n = _lowest(lambda N: _cost_at(law, loss, served, math.log(N)), smallest, smallest + 10)
    return _cost_at(law, loss, served, math.log(n))


@wrong("13.3", "lets the model read at least 20 tokens for each parameter, as a rule of thumb says")
def twenty_tokens_at_least(law, loss, served):
    E, A, alpha, B, beta = law

    def cost(n):
        left = loss - E - A * math.exp(-alpha * n)
        if left <= 0:
            return math.inf
        log_d = max((math.log(B) - math.log(left)) / beta, n + math.log(20))
        if log_d + n > 650:
            return math.inf
        return 6 * math.exp(n + log_d) + 2 * math.exp(n) * served

    low = math.log(A / (loss - E)) / alpha
    return cost(_lowest(cost, low, low + 60))


@wrong("13.3", "charges a served token as much as a token of training, 6 N and not 2 N")
def served_like_trained(law, loss, served):
    E, A, alpha, B, beta = law
    low = math.log(A / (loss - E)) / alpha
    n = _lowest(lambda n: _cost_at(law, loss, 3 * served, n), low, low + 60)
    return _cost_at(law, loss, 3 * served, n)


@wrong("13.3", "takes alpha for the data, too, and never uses beta")
def alpha_for_both(law, loss, served):
    E, A, alpha, B, _ = law
    same = (E, A, alpha, B, alpha)
    low = math.log(A / (loss - E)) / alpha
    n = _lowest(lambda n: _cost_at(same, loss, served, n), low, low + 60)
    return _cost_at(same, loss, served, n)


@right("13.3")
def share_of_the_blame(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E

    def at(u):
        of_n, of_d = -math.log1p(math.exp(-u)), -math.log1p(math.exp(u))
        log_n = (math.log(A / gap) - of_n) / alpha
        log_d = (math.log(B / gap) - of_d) / beta
        return of_n, of_d, log_n, log_d

    low, high = -80.0, 80.0
    for _ in range(200):
        u = (low + high) / 2
        of_n, of_d, _, log_d = at(u)
        data = math.exp(min(log_d, 600.0))
        if 3 * data * math.exp(of_n) / beta > (3 * data + served) * math.exp(of_d) / alpha:
            high = u
        else:
            low = u
    _, _, log_n, log_d = at(low)
    return 6 * math.exp(log_n + log_d) + 2 * served * math.exp(log_n)


@right("13.3")
def grids_over_the_tokens(law, loss, served):
    E, A, alpha, B, beta = law
    least = np.log(B / (loss - E)) / beta
    low, high = -30.0, 6.0
    best = math.inf
    for _ in range(12):
        grid = np.linspace(low, high, 401)
        log_d = least + np.exp(grid)
        left = (loss - E) * -np.expm1(-beta * np.exp(grid))
        log_n = np.log(A / left) / alpha
        with np.errstate(over="ignore"):
            cost = 6 * np.exp(log_n + log_d) + 2 * np.exp(log_n) * served
        k = int(np.argmin(cost))
        best = min(best, float(cost[k]))
        low, high = grid[max(k - 2, 0)], grid[min(k + 2, 400)]
    return best


# 13.4


def _order(s, p, m, ahead=None):
    w = min(p - 1 - s, m) if ahead is None else ahead
    work = [("forward", j) for j in range(w)]
    for j in range(m):
        if w + j < m:
            work.append(("forward", w + j))
        work.append(("backward", j))
    return work


def _run(p, m, orders, backward=2, own_forward_only=False, busy=None):
    ended, free, at = {}, [0] * p, [0] * p
    out = [[] for _ in range(p)]
    moved = True
    while moved:
        moved = False
        for s in range(p):
            while at[s] < len(orders[s]):
                kind, j = orders[s][at[s]]
                if kind == "forward":
                    need = ("forward", j, s - 1) if s > 0 else None
                elif s == p - 1 or own_forward_only:
                    need = ("forward", j, s)
                else:
                    need = ("backward", j, s + 1)
                if need is not None and need not in ended:
                    break
                start = max(free[s], ended[need] if need else 0)
                lasts = 1 if kind == "forward" else backward
                ended[kind, j, s] = start + lasts
                free[s] = start + (busy or lasts)
                out[s].append((start, kind, j))
                at[s] += 1
                moved = True
    return out


@wrong("13.4", "sends all small batches forwards before the first comes back, as in the lesson")
def all_forwards_first(p, m):
    order = [("forward", j) for j in range(m)] + [("backward", j) for j in range(m)]
    return _run(p, m, [order] * p)


@wrong("13.4", "lets each stage run one small batch further ahead than the rule says")
def one_further_ahead(p, m):
    return _run(p, m, [_order(s, p, m, min(p - s, m)) for s in range(p)])


@wrong("13.4", "forgets the min with m, so with few small batches a stage sends some forwards that are not there")
def batches_that_do_not_exist(p, m):
    return _run(p, m, [_order(s, p, m, p - 1 - s) for s in range(p)])


@wrong("13.4", "lets a backward pass last 1, not 2")
def backward_lasts_one(p, m):
    return _run(p, m, [_order(s, p, m) for s in range(p)], backward=1)


@wrong("13.4", "lets a backward pass begin after the stage's own forward, without waiting for the stage behind")
def waits_for_own_forward_only(p, m):
    return _run(p, m, [_order(s, p, m) for s in range(p)], own_forward_only=True)


@wrong("13.4", "has no fixed order: a stage does whatever is ready, backward first, and runs ahead too far")
def whatever_is_ready(p, m):
    ended, free = {}, [0] * p
    sent, back = [0] * p, [0] * p
    out = [[] for _ in range(p)]
    now = 0
    while min(back) < m:
        for s in range(p):
            if free[s] > now:
                continue
            j, need = back[s], ("backward", back[s], s + 1) if s < p - 1 else ("forward", back[s], s)
            if j < sent[s] and ended.get(need, math.inf) <= now:
                out[s].append((now, "backward", j))
                free[s] = ended["backward", j, s] = now + 2
                back[s] += 1
                continue
            j = sent[s]
            if j < m and (s == 0 or ended.get(("forward", j, s - 1), math.inf) <= now):
                out[s].append((now, "forward", j))
                free[s] = ended["forward", j, s] = now + 1
                sent[s] += 1
        now += 1
    return out


@wrong("13.4", "takes the small batch that it sent last for the next backward pass, not the oldest one")
def last_in_first_out(p, m):
    orders = []
    for s in range(p):
        w = min(p - 1 - s, m)
        work, kept = [("forward", j) for j in range(w)], list(range(w))
        for j in range(w, m):
            kept.append(j)
            work += [("forward", j), ("backward", kept.pop())]
        work += [("backward", j) for j in reversed(kept)]
        orders.append(work)
    return _run(p, m, orders)


@wrong("13.4", "takes a stage for free again 1 after a backward pass has begun, though it lasts 2")
def free_too_early(p, m):
    return _run(p, m, [_order(s, p, m) for s in range(p)], busy=1)


@right("13.4")
def clock_that_ticks(p, m):
    left = []
    for s in range(p):
        f = [("forward", j) for j in range(m)]
        b = [("backward", j) for j in range(m)]
        w = min(p - 1 - s, m)
        turns = [one for pair in zip(f[w:], b) for one in pair]
        left.append((f[:w] + turns + b[m - w :])[::-1])
    done, until, plan, now = {}, [0] * p, [[] for _ in range(p)], 0
    while any(left):
        for s in range(p):
            if not left[s] or until[s] > now:
                continue
            kind, j = left[s][-1]
            if kind == "forward":
                ready = s == 0 or done.get((s - 1, kind, j), now + 1) <= now
            elif s + 1 < p:
                ready = done.get((s + 1, kind, j), now + 1) <= now
            else:
                ready = done.get((s, "forward", j), now + 1) <= now
            if ready:
                left[s].pop()
                plan[s].append((now, kind, j))
                until[s] = now + (1 if kind == "forward" else 2)
                done[s, kind, j] = until[s]
        now += 1
    return plan


@right("13.4")
def push_times_until_they_rest(p, m):
    kinds, numbers = [], []
    for s in range(p):
        w = min(p - 1 - s, m)
        keys = [(2 * max(j - w, 0) - (j < w), 0, j) for j in range(m)] + [(2 * j + 1, 1, j) for j in range(m)]
        keys = sorted(keys, key=lambda key: (key[0], key[2]) if key[1] == 0 else (key[0], -1))
        kinds.append([k for _, k, _ in keys])
        numbers.append([j for _, _, j in keys])
    start = np.zeros((p, 2, m), dtype=int)
    while True:
        before = start.copy()
        start[1:, 0] = np.maximum(start[1:, 0], start[:-1, 0] + 1)
        start[-1, 1] = np.maximum(start[-1, 1], start[-1, 0] + 1)
        start[:-1, 1] = np.maximum(start[:-1, 1], start[1:, 1] + 2)
        for s in range(p):
            free = 0
            for kind, j in zip(kinds[s], numbers[s]):
                start[s, kind, j] = max(start[s, kind, j], free)
                free = start[s, kind, j] + 1 + kind
        if (start == before).all():
            break
    names = ("forward", "backward")
    return [[(int(start[s, k, j]), names[k], j) for k, j in zip(kinds[s], numbers[s])] for s in range(p)]
