"""Answers to exercise 13 as learners write them."""

import math
import struct
from collections import deque

import numpy as np
import torch
from answers import right, wrong

# 13.1 Rounding with dice


def in_bits(x):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    return bits - rest, rest


@wrong("13.1", "has numbers that bfloat16 cannot hold")
def one_bit_is_left(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFE
    return (bits - rest + 65536 * (dice < rest / 65536).int()).view(torch.float32)


@wrong("13.1", "goes to the nearest one")
def the_lessons_rounding(x, dice):
    return x.bfloat16().float()


@wrong("13.1", "are cut off")
def cut_in_half(x, dice):
    return (x.view(torch.int32) & ~0xFFFF).view(torch.float32)


@wrong("13.1", "the other way round")
def noise_before_cutting(x, dice):
    bits = x.view(torch.int32) + (dice * 65536).int()
    return (bits & ~0xFFFF).view(torch.float32)


@wrong("13.1", "near the lower neighbour are sent to the upper")
def above_the_share(x, dice):
    low, rest = in_bits(x)
    return (low + 65536 * (dice > rest / 65536).int()).view(torch.float32)


@wrong("13.1", "way which is left")
def distance_to_the_upper(x, dice):
    lower = (x.view(torch.int32) & -65536).view(torch.float32)
    upper = (x.view(torch.int32) | 65535).view(torch.float32)
    return torch.where(dice < (upper - x) / (upper - lower), (upper.view(torch.int32) + 1).view(torch.float32), lower)


@wrong("13.1", "one die in two")
def a_fair_coin(x, dice):
    low, rest = in_bits(x)
    up = (dice < 0.5) & (rest > 0)
    return torch.where(up, (low + 65536).view(torch.float32), low.view(torch.float32))


@wrong("13.1", "whole numbers, not bfloat16")
def to_integers(x, dice):
    return torch.floor(x) + (x % 1 > dice)


@wrong("13.1", "counted from the wrong neighbour")
def by_floor(x, dice):
    step = 2.0 ** (torch.floor(torch.log2(x.abs().clamp(min=1e-30))) - 7)
    low = torch.floor(x / step)
    return (low + (dice < x / step - low)) * step


@wrong("13.1", "its die equals the share")
def at_or_below(x, dice):
    low, rest = in_bits(x)
    return (low + (dice * 65536 <= rest).int() * 65536).view(torch.float32)


@wrong("13.1", "0 becomes NaN")
def logarithm_of_zero(x, dice):
    step = 2.0 ** (x.abs().log2().floor() - 7)
    low = (x.abs() / step).floor()
    return x.sign() * (low + (dice < x.abs() / step - low)) * step


@wrong("13.1", "one bit is missing")
def seven_bits_in_all(x, dice):
    step = 2.0 ** (x.abs().clamp(min=1e-30).log2().floor() - 6)
    low = (x.abs() / step).floor()
    return x.sign() * (low + (dice < x.abs() / step - low)) * step


@wrong("13.1", "has shape")
def wrong_width(x, dice):
    return (x.view(torch.int16)[1::2] + (dice < 0.5)).view(torch.float32)


def between(x, dice, step, up=lambda dice, share: dice < share):
    """The lower or the upper of two neighbours that are a step apart."""
    low = (x.abs().double() / step).floor()
    return (x.sign() * (low + up(dice, x.abs().double() / step - low)) * step).float()


@wrong("13.1", "half as far apart")
def nine_bits(x, dice):
    return between(x, dice, 2.0 ** (x.abs().clamp(min=1e-30).log2().floor() - 8))


@wrong("13.1", "those of float16")
def ten_bits_behind_the_point(x, dice):
    return between(x, dice, 2.0 ** (x.abs().clamp(min=1e-30).log2().floor() - 10))


@wrong("13.1", "The step is 2 whatever")
def steps_of_two(x, dice):
    return between(x, dice, 2.0)


@wrong("13.1", "The step is 0.0078125 whatever")
def step_at_one(x, dice):
    return between(x, dice, 1 / 128)


@wrong("13.1", "All numbers go to the upper")
def always_up(x, dice):
    low, rest = in_bits(x)
    return (low + (rest > 0) * 65536).int().view(torch.float32)


@wrong("13.1", "over 65,535")
def all_ones(x, dice):
    low, rest = in_bits(x)
    return (low + 65536 * (dice.double() < rest.double() / 0xFFFF).int()).view(torch.float32)


@wrong("13.1", "is a tensor of torch.bfloat16")
def left_in_bfloat16(x, dice):
    return one_by_one(x, dice).bfloat16()


@right("13.1")
def one_by_one(x, dice):
    out = []
    for number, die in zip(x.tolist(), dice.tolist(), strict=True):
        (bits,) = struct.unpack("<I", struct.pack("<f", number))
        bits = (bits >> 16) + (die * 65536 < bits % 65536)
        out.append(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
    return torch.tensor(out)


@right("13.1")
def between_neighbours(x, dice):
    x = x.numpy()
    mantissa, exponent = np.frexp(np.abs(x).astype(np.float64))
    share, whole = np.modf(mantissa * 256)
    return np.copysign(np.ldexp(whole + (dice.numpy() < share), exponent - 8), x).astype(np.float32)


@right("13.1")
def noise_from_the_other_end(x, dice):
    """Adding noise and cutting, with the die turned round and never a whole step for what needs none."""
    noise = (65536 - (dice.double() * 65536).floor() - 1).to(torch.int32)
    return ((x.view(torch.int32) + noise) & ~0xFFFF).view(torch.float32)


# 13.2 Two cards clip one gradient


def length(pieces):
    return torch.cat([piece.flatten() for piece in pieces]).norm()


def scaled(cards, factor):
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "and the result ['down', 'up'] there")
def names_of_card_0(cards, whole, most):
    length = math.sqrt(sum(float(piece.square().sum()) for card in cards for piece in card.values()))
    return [{name: card[name] * min(1.0, most / length) for name in cards[0] if name in card} for card in cards]


@wrong("13.2", "the length of its own pieces")
def as_it_was(cards, whole, most):
    return [scaled([card], min(1.0, most / float(length(card.values()))))[0] for card in cards]


@wrong("13.2", "by its own length")
def tensor_by_tensor(cards, whole, most):
    clipped = []
    for card in cards:
        clipped.append({name: g * min(1.0, most / g.norm().item()) for name, g in card.items()})
    return clipped


@wrong("13.2", "cut off at the limit")
def clip_by_value(cards, whole, most):
    return [{name: g.clip(-most, most) for name, g in card.items()} for card in cards]


@wrong("13.2", "lengths of the cards are added")
def sum_of_lengths(cards, whole, most):
    return scaled(cards, min(1.0, most / sum(float(length(card.values())) for card in cards)))


@wrong("13.2", "The largest length")
def the_longest(cards, whole, most):
    return scaled(cards, min(1.0, most / max(length(card.values()).item() for card in cards)))


@wrong("13.2", "that card 0 has")
def all_cards_alike(cards, whole, most):
    squares = sum((card[name] ** 2).sum() for name in cards[0] for card in cards if name not in whole)
    squares += sum((cards[0][name] ** 2).sum() for name in whole)
    factor = min(1.0, most / max(squares.sqrt().item(), 1e-12))
    return [{name: factor * card[name] for name in cards[0]} for card in cards]


@wrong("13.2", "are averaged")
def reduced_by_the_mean(cards, whole, most):
    squares = torch.stack([length(card.values()) ** 2 for card in cards])
    return scaled(cards, (most / squares.mean().sqrt()).clamp(max=1))


@wrong("13.2", "The root is missing")
def no_root(cards, whole, most):
    total = sum((g**2).sum() for card in cards for g in card.values())
    return scaled(cards, torch.clamp(most / total, max=1.0))


@wrong("13.2", "the length 1")
def normalised(cards, whole, most):
    total = float(length([g for card in cards for g in card.values()]))
    return scaled(cards, 1 / total if total > most else 1)


@wrong("13.2", "is made longer")
def always_scaled(cards, whole, most):
    total = math.sqrt(sum(float(g.square().sum()) for card in cards for g in card.values()))
    return scaled(cards, most / max(total, 1e-12))


@wrong("13.2", "once for each card")
def all_that_is_there(cards, whole, most):
    total = float(length([g for card in cards for g in card.values()]))
    return scaled(cards, most / total if total > most else 1)


@wrong("13.2", "not counted at all")
def pieces_only(cards, whole, most):
    total = float(length([g for card in cards for name, g in card.items() if name not in whole]))
    return scaled(cards, most / total if total > most else 1)


@wrong("13.2", "is not clipped")
def whole_left_alone(cards, whole, most):
    clipped = on_one_card(cards, whole, most)
    for card, old in zip(clipped, cards, strict=True):
        card.update({name: old[name] for name in whole})
    return clipped


@wrong("13.2", "no longer do")
def shared_by_the_cards(cards, whole, most):
    clipped = on_one_card(cards, whole, most)
    return [
        {name: g / (number + 1) if name in whole else g for name, g in card.items()}
        for number, card in enumerate(clipped)
    ]


@wrong("13.2", "raised ZeroDivisionError")
def no_thought_of_zero(cards, whole, most):
    return scaled(cards, min(1.0, most / float(length([g for card in cards for g in card.values()]))))


@wrong("13.2", "changed the input")
def in_place(cards, whole, most):
    for card, new in zip(cards, on_one_card(cards, whole, most), strict=True):
        card.update(new)
    return cards


@wrong("13.2", "clip_grad_norm_")
def ready_made(cards, whole, most):
    weights = []
    for card in cards:
        for g in card.values():
            weights.append(torch.nn.Parameter(torch.zeros_like(g)))
            weights[-1].grad = g.clone()
    torch.nn.utils.clip_grad_norm_(weights, most)
    left = iter(weights)
    return [{name: next(left).grad for name in card} for card in cards]


def by_length(total):
    """Everything scaled by one factor, with a length of one's own."""
    return lambda cards, whole, most: scaled(cards, min(1.0, most / max(float(total(cards)), 1e-12)))


wrong("13.2", "only the last card's counts")(
    by_length(lambda cards: length({k: g for c in cards for k, g in c.items()}.values()))
)
wrong("13.2", "the first card's pieces")(by_length(lambda cards: length(cards[0].values())))
wrong("13.2", "the last card's pieces")(by_length(lambda cards: length(cards[-1].values())))
wrong("13.2", "Absolute values are added up")(
    by_length(lambda cards: sum(g.abs().sum() for c in cards for g in c.values()))
)
wrong("13.2", "The largest number")(by_length(lambda cards: max(g.abs().max() for c in cards for g in c.values())))
wrong("13.2", "It is the mean square")(
    by_length(lambda cards: torch.cat([g.flatten() for c in cards for g in c.values()]).square().mean().sqrt())
)


@wrong("13.2", "of one name is clipped by itself")
def name_by_name(cards, whole, most):
    out = [{} for _ in cards]
    for name in {name for card in cards for name in card}:
        total = float(length([card[name] for card in cards if name in card]))
        for card, new in zip(cards, out, strict=True):
            if name in card:
                new[name] = card[name] * min(1.0, most / max(total, 1e-12))
    return out


@wrong("13.2", "over the number of cards")
def a_share_for_each(cards, whole, most):
    return on_one_card(cards, whole, most / len(cards))


@wrong("13.2", "0 / 0 is NaN")
def tensor_division(cards, whole, most):
    pieces = [g for n, card in enumerate(cards) for name, g in card.items() if n == 0 or name not in whole]
    return scaled(cards, (most / length(pieces)).clamp(max=1) if length(pieces) else math.nan)


@right("13.2")
def on_one_card(cards, whole, most):
    pieces = [g for card in cards for name, g in card.items() if name not in whole]
    factor = min(1.0, most / (float(length(pieces + [cards[0][name] for name in whole])) + 1e-6))
    return scaled(cards, factor)


@right("13.2")
def by_numpy(cards, whole, most):
    shares = []
    for card in cards:
        shares.append(sum(np.sum(g.numpy() ** 2) / (len(cards) if name in whole else 1) for name, g in card.items()))
    factor = most / max(math.sqrt(sum(shares)), most)
    return [{name: (factor * g).tolist() for name, g in card.items()} for card in cards]


@wrong("13.2", "equal on two cards are counted once")
def counted_by_their_numbers(cards, whole, most):
    different = {tuple(piece.flatten().tolist()) for card in cards for piece in card.values()}
    length = math.sqrt(sum(number**2 for piece in different for number in piece))
    factor = most / length if length > most else 1.0
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "equal on two cards are counted once")
def whole_found_by_looking(cards, whole, most):
    def is_whole(name):
        return all(name in card and torch.equal(card[name], cards[0][name]) for card in cards)

    squares = 0.0
    for number, card in enumerate(cards):
        squares += sum(float(one.square().sum()) for name, one in card.items() if number == 0 or not is_whole(name))
    factor = min(1.0, most / max(math.sqrt(squares), 1e-12))
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "returned its input itself")
def left_alone_if_short(cards, whole, most):
    pieces = [one for n, card in enumerate(cards) for name, one in card.items() if n == 0 or name not in whole]
    length = math.sqrt(sum(float(piece.square().sum()) for piece in pieces))
    if length <= most:
        return cards
    return [{name: piece * most / length for name, piece in card.items()} for card in cards]


@wrong("13.2", "returned its input itself")
def the_same_dictionaries(cards, whole, most):
    clipped = left_alone_if_short(cards, whole, most)
    return list(clipped)


# 13.3 A model that will be used


def by_thirds(law, loss, price, rounds=120):
    """The ln N at which a price of N and D is least."""
    E, A, alpha, B, beta = law

    def cost(log_size):
        size = math.exp(log_size)
        left = loss - E - A / size**alpha
        return price(size, (B / left) ** (1 / beta)) if left > 0 else math.inf

    low, high = math.log(A / (loss - E)) / alpha, math.log(A / (loss - E)) / alpha + 40
    for _ in range(rounds):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (a, high) if cost(a) > cost(b) else (low, b)
    size = math.exp(high)
    return size, (B / (loss - E - A / size**alpha)) ** (1 / beta)


def whole_price(served):
    return lambda n, d: 6 * n * d + 2 * n * served


@wrong("13.3", "floor E is left out")
def no_floor(law, loss, served):
    n, d = by_thirds((0.0, *law[1:]), loss, whole_price(served))
    return 6 * n * d + 2 * n * served


@wrong("13.3", "half of the distance")
def equal_shares(law, loss, served):
    E, A, alpha, B, beta = law
    half = (loss - E) / 2
    n, d = (A / half) ** (1 / alpha), (B / half) ** (1 / beta)
    return 6 * n * d + 2 * n * served


@wrong("13.3", "Twenty tokens")
def chinchilla(law, loss, served):
    E, A, alpha, B, beta = law
    low, high = 1e-12, 1e24
    while high / low > 1 + 1e-9:
        n = math.sqrt(low * high)
        low, high = (n, high) if E + A / n**alpha + B / (20 * n) ** beta > loss else (low, n)
    return 6 * n * 20 * n + 2 * n * served


@wrong("13.3", "counted like use")
def two_operations(law, loss, served):
    n, d = by_thirds(law, loss, lambda n, d: 2 * n * (d + served))
    return 2 * n * (d + served)


@wrong("13.3", "The use is not counted")
def training_is_all(law, loss, served):
    n, d = by_thirds(law, loss, lambda n, d: n * d)
    return 6 * n * d


@wrong("13.3", "paid for on top")
def first_train_then_serve(law, loss, served):
    n, d = by_thirds(law, loss, lambda n, d: n * d)
    return 6 * n * d + 2 * n * served


@wrong("13.3", "with 6 operations")
def six_for_everybody(law, loss, served):
    n, d = by_thirds(law, loss, lambda n, d: 6 * n * (d + served))
    return 6 * n * (d + served)


@wrong("13.3", "only its training is paid for")
def forgot_to_add(law, loss, served):
    n, d = by_thirds(law, loss, whole_price(served))
    return 6 * n * d


@wrong("13.3", "above the least one")
def a_hundred_sizes(law, loss, served):
    E, A, alpha, B, beta = law
    smallest = (A / (loss - E)) ** (1 / alpha)
    sizes = [smallest * 10 ** ((k + 1) / 20) for k in range(100)]
    return min(6 * n * (B / (loss - E - A / n**alpha)) ** (1 / beta) + 2 * n * served for n in sizes)


@wrong("13.3", "does not reach the loss")
def forgot_a_term(law, loss, served):
    E, A, alpha, B, beta = law
    n = (A / (loss - E)) ** (1 / alpha)
    return n * (B / (loss - E)) ** (1 / beta) + 2 * n * served


@wrong("13.3", "times the least one")
def ten_times_the_smallest(law, loss, served):
    E, A, alpha, B, beta = law
    n = 1e6 * (A / (loss - E)) ** (1 / alpha)
    return 6 * n * (B / (loss - E - A / n**alpha)) ** (1 / beta) + 2 * n * served


@wrong("13.3", "is 2 values")
def size_and_tokens(law, loss, served):
    return by_thirds(law, loss, whole_price(served))


def least_cost(tokens, law, loss, served, gap=None):
    """Over a grid of sizes; `tokens` says how many are read when so much of the loss is left."""
    E, A, alpha, B, beta = law
    size = np.exp(np.log(A / (loss - E)) / alpha + np.linspace(1e-4, 30, 300_000))
    return float((6 * size * tokens(B, loss - E - A / size**alpha, beta) + 2 * size * served).min())


@wrong("13.3", "to the power beta")
def power_of_beta(law, loss, served):
    return least_cost(lambda B, left, beta: (B / left) ** beta, law, loss, served)


@wrong("13.3", "without the power 1 / beta")
def no_power(law, loss, served):
    return least_cost(lambda B, left, beta: B / left, law, loss, served)


@wrong("13.3", "the 6 operations are missing")
def product_of_both(law, loss, served):
    n, d = by_thirds(law, loss, lambda n, d: n * d + 2 * n * served)
    return n * d + 2 * n * served


@wrong("13.3", "count among those that the model must read")
def use_teaches(law, loss, served):
    return least_cost(lambda B, left, beta: np.maximum((B / left) ** (1 / beta) - served, 0), law, loss, served)


@wrong("13.3", "1 operation for each parameter")
def one_a_token(law, loss, served):
    n, d = by_thirds(law, loss, lambda n, d: 6 * n * d + n * served)
    return 6 * n * d + n * served


@wrong("13.3", "the best number of parameters N")
def size_alone(law, loss, served):
    return by_thirds(law, loss, whole_price(served))[0]


@wrong("13.3", "10^18 times")
def single_operations(law, loss, served):
    return 1e18 * many_sizes_at_once(law, loss, served)


@wrong("13.3", "The cost is not a number")
def bracket_below_zero(law, loss, served):
    E, A, alpha, B, beta = law
    size = np.logspace(-9, 9, 100_000)
    with np.errstate(invalid="ignore"):
        return float((6 * size * (B / (loss - E - A / size**alpha)) ** (1 / beta) + 2 * size * served).min())


@right("13.3")
def many_sizes_at_once(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E
    size = np.exp(np.log(A / gap) / alpha + np.linspace(1e-4, 30, 300_000))
    return (6 * size * (B / (gap - A / size**alpha)) ** (1 / beta) + 2 * size * served).min()


@right("13.3")
def by_share_of_the_gap(law, loss, served):
    """Looks for the part of the distance that the size takes, by the golden section."""
    E, A, alpha, B, beta = law

    def cost(share):
        n = (A / (share * (loss - E))) ** (1 / alpha)
        return n * (6 * (B / ((1 - share) * (loss - E))) ** (1 / beta) + 2 * served)

    low, high, golden = 0.0, 1.0, (math.sqrt(5) - 1) / 2
    for _ in range(100):
        a, b = high - golden * (high - low), low + golden * (high - low)
        if cost(a) < cost(b):
            high = b
        else:
            low = a
    return torch.tensor(cost((low + high) / 2), dtype=torch.float64)


@wrong("13.3", "Does your search reach it?")
def sizes_from_a_hundredth_to_a_thousand(law, loss, served):
    E, A, alpha, B, beta = law
    best = math.inf
    for step in range(20_001):
        size = 10 ** (-2 + 5 * step / 20_000)
        left = loss - E - A / size**alpha
        if left > 0:
            best = min(best, 6 * size * (B / left) ** (1 / beta) + 2 * size * served)
    return best


# 13.4 One forward, one backward


def orders(p, m, ahead):
    found = []
    for s in range(p):
        w = min(ahead(s), m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
        found.append(order)
    return found


def played(p, orders, backward=2, forward=1, needs_left=True, needs_right=True, one_at_a_time=True):
    end, rows, free = {}, [[] for _ in range(p)], [0] * p
    queues = [deque(order) for order in orders]
    while any(queues):
        for s, queue in enumerate(queues):
            if not queue:
                continue
            kind, j = queue[0]
            if kind == "forward":
                needed = [("forward", j, s - 1)] if s and needs_left else []
            else:
                needed = [("backward", j, s + 1) if s < p - 1 else ("forward", j, s)] if needs_right else []
            if all(one in end for one in needed):
                start = max([free[s] * one_at_a_time, *(end[one] for one in needed)])
                end[kind, j, s] = free[s] = start + (backward if kind == "backward" else forward)
                rows[s].append((start, kind, j))
                queue.popleft()
    return rows


@wrong("13.4", "All forward passes come first")
def gpipe(p, m):
    return played(p, [[(kind, j) for kind in ("forward", "backward") for j in range(m)]] * p)


@wrong("13.4", "one small batch too many")
def p_minus_stage(p, m):
    return played(p, orders(p, m, lambda s: p - s))


@wrong("13.4", "equally far")
def p_minus_one(p, m):
    return played(p, orders(p, m, lambda s: p - 1))


@wrong("13.4", "as long as a forward one")
def one_unit_each(p, m):
    return played(p, orders(p, m, lambda s: p - 1 - s), backward=1)


@wrong("13.4", "No stage waits until its neighbours")
def back_to_back(p, m):
    rows = []
    for order in orders(p, m, lambda s: p - s - 1):
        rows.append([])
        clock = 0
        for kind, j in order:
            rows[-1].append((clock, kind, j))
            clock += 1 if kind == "forward" else 2
    return rows


@wrong("13.4", "does not wait for that of the stage behind")
def gradient_from_nowhere(p, m):
    return played(p, orders(p, m, lambda s: p - 1 - s), needs_right=False)


@wrong("13.4", "does not wait for that of the stage before")
def input_from_nowhere(p, m):
    return played(p, orders(p, m, lambda s: p - 1 - s), needs_left=False)


@wrong("13.4", "two things at the same time")
def never_busy(p, m):
    return played(p, orders(p, m, lambda s: p - 1 - s), one_at_a_time=False)


@wrong("13.4", "Every stage but the last runs ahead by one")
def one_ahead(p, m):
    return played(p, orders(p, m, lambda s: 0 if s == p - 1 else 1))


@wrong("13.4", "With few small batches")
def short_cut_for_few(p, m):
    return gpipe(p, m) if m < p else by_recursion(p, m)


@wrong("13.4", "there is no small batch")
def batches_that_are_not_there(p, m):
    rows = by_recursion(p, m)
    for s in range(p):
        rows[s] += [(rows[s][-1][0] + 2, "forward", j) for j in range(m, p - 1 - s)]
    return rows


@wrong("13.4", "All starts are 1 too late.")
def begins_at_one(p, m):
    return [[(start + 1, kind, j) for start, kind, j in row] for row in by_recursion(p, m)]


@wrong("13.4", "is a dictionary")
def with_names_of_the_stages(p, m):
    return {f"stage {s}": row for s, row in enumerate(by_recursion(p, m))}


@wrong("13.4", "A stage does whatever is ready")
def first_come(p, m):
    rows, end, clock = [[] for _ in range(p)], {}, 0
    while sum(map(len, rows)) < 2 * p * m:
        for s, row in enumerate(rows):
            if row and row[-1][0] + (2 if row[-1][1] == "backward" else 1) > clock:
                continue
            f, b = (sum(kind == which for _, kind, _ in row) for which in ("forward", "backward"))
            back = end.get(("backward", b, s + 1) if s < p - 1 else ("forward", b, s), math.inf)
            if b < f and back <= clock:
                row.append((clock, "backward", b))
                end["backward", b, s] = clock + 2
            elif f < m and (s == 0 or end.get(("forward", f, s - 1), math.inf) <= clock):
                row.append((clock, "forward", f))
                end["forward", f, s] = clock + 1
        clock += 1
    return rows


@wrong("13.4", "A forward pass lasts as long")
def two_units_each(p, m):
    return played(p, orders(p, m, lambda s: p - 1 - s), forward=2)


@wrong("13.4", "each other's length")
def lengths_exchanged(p, m):
    return played(p, orders(p, m, lambda s: p - 1 - s), forward=2, backward=1)


@wrong("13.4", "stops before all of its backward passes")
def until_the_last_forward(p, m):
    return [row[: -min(p - 1 - s, m) or None] for s, row in enumerate(by_recursion(p, m))]


@wrong("13.4", "not in the order in which they begin")
def by_kind(p, m):
    return [sorted(row, key=lambda work: work[1], reverse=True) for row in by_recursion(p, m)]


@wrong("13.4", "the times at which the works end")
def ends(p, m):
    return [[(t + (1 if kind == "forward" else 2), kind, j) for t, kind, j in row] for row in by_recursion(p, m)]


@wrong("13.4", "not three things")
def starts_only(p, m):
    return [[work[0] for work in row] for row in by_recursion(p, m)]


@right("13.4")
def by_recursion(p, m):
    todo = orders(p, m, lambda s: p - 1 - s)
    place = {(kind, j, s): i for s, order in enumerate(todo) for i, (kind, j) in enumerate(order)}
    known = {}

    def start(kind, j, s):
        if (kind, j, s) not in known:
            i = place[kind, j, s]
            needed = [(*todo[s][i - 1], s)] if i else []
            if kind == "forward":
                needed += [(kind, j, s - 1)] if s else []
            else:
                needed += [(kind, j, s + 1)] if s < p - 1 else [("forward", j, s)]
            known[kind, j, s] = max((start(*one) + (2 if one[0] == "backward" else 1) for one in needed), default=0)
        return known[kind, j, s]

    return [[(start(kind, j, s), kind, j) for kind, j in order] for s, order in enumerate(todo)]


@right("13.4")
def clock_by_clock(p, m):
    """Time goes on by 1; each stage looks whether it may begin the next piece of work. Lists in place of tuples."""
    todo = [deque(order) for order in orders(p, m, lambda s: p - s - 1)]
    rows, busy, done, clock = [[] for _ in range(p)], [0] * p, {}, 0
    while any(todo):
        for s in range(p):
            if todo[s] and busy[s] <= clock:
                kind, j = todo[s][0]
                before = ("forward", j, s - 1) if kind == "forward" else ("backward", j, s + 1)
                if kind == "backward" and s == p - 1:
                    before = ("forward", j, s)
                if before == ("forward", j, -1) or done.get(before, clock + 1) <= clock:
                    rows[s].append([clock, kind, j])
                    busy[s] = done[kind, j, s] = clock + (2 if kind == "backward" else 1)
                    todo[s].popleft()
        clock += 1
    return rows


# Answers from the text alone


def _lower(x):
    bits = x.view(torch.int32)
    low = bits & 0xFFFF
    return bits, low, bits - low


@wrong("13.1", "A number goes up where its die equals the share, so a die of 0 moves what bfloat16 holds.")
def die_may_equal(x, dice):
    _bits, low, lower = _lower(x)
    return (lower + 65536 * (dice <= low / 65536)).to(torch.int32).view(torch.float32)


@wrong("13.1", "Below 0 the share of the way is counted from the wrong neighbour.")
def floor_for_negatives(x, dice):
    _bits, low, lower = _lower(x)
    small, large = lower.view(torch.float32), (lower + 65536).view(torch.float32)
    a, b = torch.minimum(small, large), torch.maximum(small, large)
    share = (x.double() - a) / (b.double() - a)
    out = torch.where(dice < share, b, a)
    return torch.where(low == 0, x, out)


@wrong("13.1", "The dice are read the other way round.")
def die_added(x, dice):
    bits = x.view(torch.int32)
    up = bits + (dice * 65536).to(torch.int32)
    return (up & ~0xFFFF).view(torch.float32)


@wrong("13.1", "The result is a tensor of torch.bfloat16 in place of torch.float32.")
def as_bfloat16(x, dice):
    _bits, low, lower = _lower(x)
    return (lower + 65536 * (dice < low / 65536)).to(torch.int32).view(torch.float32).bfloat16()


@wrong("13.1", "Each number goes to the nearest one; the dice are not used.")
def nearest(x, dice):
    return x.bfloat16().float()


@wrong("13.1", "The first die decides for all numbers.")
def one_die(x, dice):
    _bits, low, lower = _lower(x)
    return (lower + 65536 * (dice[0] < low / 65536)).to(torch.int32).view(torch.float32)


@wrong("13.1", "The nearest number is taken for the lower neighbour: where it lies above x, x always goes")
def from_the_rounded(x, dice):
    base = x.bfloat16().float()
    step = (base.view(torch.int32) + 65536).view(torch.float32) - base
    share = (x - base) / step
    return torch.where(dice < share, base + step, base)


def _scaled(cards, factor):
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "A name that begins with one of `whole` is taken for it.")
def by_prefix(cards, whole, most):
    def is_whole(name):
        return any(name.startswith(w) for w in whole)

    total = sum(
        float(g.double().square().sum()) for n, c in enumerate(cards) for k, g in c.items() if n == 0 or not is_whole(k)
    )
    length = math.sqrt(total)
    return _scaled(cards, most / length if length > most else 1.0)


@wrong("13.2", "What every card holds is counted once for each card.")
def whole_on_each_card(cards, whole, most):
    length = math.sqrt(sum(float(g.square().sum()) for c in cards for g in c.values()))
    return _scaled(cards, min(1.0, most / max(length, 1e-30)))


@wrong("13.2", "What every card holds is not counted at all.")
def whole_left_out(cards, whole, most):
    length = math.sqrt(sum(float(g.square().sum()) for c in cards for k, g in c.items() if k not in whole))
    return _scaled(cards, min(1.0, most / max(length, 1e-30)))


@wrong("13.2", "The lengths of the cards are added.")
def lengths_added(cards, whole, most):
    length = 0.0
    for n, c in enumerate(cards):
        length += math.sqrt(sum(float(g.square().sum()) for k, g in c.items() if n == 0 or k not in whole))
    return _scaled(cards, min(1.0, most / max(length, 1e-30)))


@wrong("13.2", "Pieces that are equal on two cards are counted once.")
def equal_is_whole(cards, whole, most):
    seen, total = [], 0.0
    for c in cards:
        for k, g in c.items():
            if any(k == n and g.shape == h.shape and torch.equal(g, h) for n, h in seen):
                continue
            seen.append((k, g))
            total += float(g.square().sum())
    length = math.sqrt(total)
    return _scaled(cards, min(1.0, most / max(length, 1e-30)))


@wrong("13.2", "The length is that of the last card's pieces.")
def sum_starts_again(cards, whole, most):
    for n, c in enumerate(cards):
        total = 0.0
        for k, g in c.items():
            if n == 0 or k not in whole:
                total += float(g.square().sum())
    length = math.sqrt(total)
    return _scaled(cards, min(1.0, most / max(length, 1e-30)))


@wrong("13.2", "A gradient that is shorter than the limit is made longer.")
def scaled_to_most_always(cards, whole, most):
    total = sum(float(g.square().sum()) for n, c in enumerate(cards) for k, g in c.items() if n == 0 or k not in whole)
    return _scaled(cards, most / math.sqrt(total) if total else 1.0)


def _least(law, loss, cost, up=60.0):
    E, A, alpha, B, beta = law
    low = math.log(A / (loss - E)) / alpha + 1e-9
    high = low + up

    def of(x):
        N = math.exp(x)
        gap = loss - E - A / N**alpha
        if gap <= 0:
            return math.inf
        try:
            return cost(N, (B / gap) ** (1 / beta))
        except OverflowError:
            return math.inf

    for _ in range(300):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if of(a) < of(b) else (a, high)
    return math.exp(low), of(low)


def _reads(law, loss, N):
    E, A, alpha, B, beta = law
    return (B / (loss - E - A / N**alpha)) ** (1 / beta)


@wrong("13.3", "The model is the cheapest to train, and use is paid for on top.")
def cheapest_training_then_serving(law, loss, served):
    N, cost = _least(law, loss, lambda N, D: 6 * N * D)
    return cost + 2 * N * served


@wrong("13.3", "A token that is served is counted with 6 operations for each parameter.")
def serving_at_six(law, loss, served):
    return _least(law, loss, lambda N, D: 6 * N * (D + served))[1]


@wrong("13.3", "e+03 billion. Does your search reach it?")
def up_to_a_thousand(law, loss, served):
    E, A, alpha, B, beta = law
    best = math.inf
    for N in np.logspace(-4, 3, 200_000):
        gap = loss - E - A / N**alpha
        if gap > 0:
            best = min(best, 6 * N * (B / gap) ** (1 / beta) + 2 * N * served)
    return float(best)


@wrong("13.3", "Size and text are given half of the distance to the floor each.")
def half_and_half(law, loss, served):
    E, A, alpha, B, beta = law
    half = (loss - E) / 2
    N, D = (A / half) ** (1 / alpha), (B / half) ** (1 / beta)
    return 6 * N * D + 2 * N * served


@wrong("13.3", "The law is unpacked as E, A, B, alpha, beta.")
def other_order(law, loss, served):
    E, A, B, alpha, beta = law
    return _least((E, A, alpha, B, beta), loss, lambda N, D: 6 * N * D + 2 * N * served)[1]


@wrong("13.3", "The result is the best number of parameters N, not its cost.")
def gives_n(law, loss, served):
    return _least(law, loss, lambda N, D: 6 * N * D + 2 * N * served)[0]


@wrong("13.3", "above the least one")
def coarse(law, loss, served):
    E, A, alpha, _B, _beta = law
    least = (A / (loss - E)) ** (1 / alpha)
    costs = []
    for k in range(1, 101):
        N = least * math.exp(k / 4)
        D = _reads(law, loss, N)
        costs.append(6 * N * D + 2 * N * served)
    return min(costs)


def _schedule(orders, p, back=2.0, last_is_free=False, starts=False):
    free, ended, out = [0] * p, {}, [[] for _ in range(p)]
    left = [list(o) for o in orders]
    for _ in range(100_000):
        moved = False
        for s in range(p):
            while left[s]:
                kind, j = left[s][0]
                if kind == "forward":
                    needs = ended.get(("forward", j, s - 1)) if s else 0
                else:
                    needs = ended.get(("backward", j, s + 1)) if s < p - 1 else ended.get(("forward", j, s))
                if needs is None:
                    break
                start = max(free[s], needs)
                free[s] = start + (1 if kind == "forward" else int(back))
                ended[kind, j, s] = start if starts else free[s]
                out[s].append((start, kind, j))
                left[s].pop(0)
                moved = True
        if not moved:
            break
    return out


def _order(s, p, m, warm):
    w = min(warm, m)
    work = [("forward", j) for j in range(w)]
    for j in range(m):
        if w + j < m:
            work.append(("forward", w + j))
        work.append(("backward", j))
    return work


@wrong("13.4", "Every stage runs ahead by one small batch too many.")
def one_batch_ahead(p, m):
    return _schedule([_order(s, p, m, p - s) for s in range(p)], p)


@wrong("13.4", "All forward passes come first.")
def all_forwards_first(p, m):
    orders = [[("forward", j) for j in range(m)] + [("backward", j) for j in range(m)] for _ in range(p)]
    return _schedule(orders, p)


@wrong("13.4", "A backward pass lasts as long as a forward one.")
def short_backward(p, m):
    return _schedule([_order(s, p, m, p - 1 - s) for s in range(p)], p, back=1)


@wrong("13.4", "All forward passes come first, and the backward passes begin with the last small batch.")
def backward_from_the_last(p, m):
    orders = [[("forward", j) for j in range(m)] + [("backward", j) for j in reversed(range(m))] for _ in range(p)]
    return _schedule(orders, p)


@wrong("13.4", "No stage waits until its neighbours have finished: each works without a break.")
def waits_for_the_start(p, m):
    return _schedule([_order(s, p, m, p - 1 - s) for s in range(p)], p, starts=True)


@wrong("13.4", "These are the times at which the works end, not those at which they begin.")
def ends_written(p, m):
    found = _schedule([_order(s, p, m, p - 1 - s) for s in range(p)], p)
    return [[(t + (1 if kind == "forward" else 2), kind, j) for t, kind, j in stage] for stage in found]


@wrong("13.4", "All stages run ahead equally far.")
def all_ahead(p, m):
    return _schedule([_order(s, p, m, p - 1) for s in range(p)], p)


@right("13.1")
def through_numpy(x, dice):
    bits = x.numpy().view(np.uint32)
    low = (bits & np.uint32(0xFFFF)).astype(np.float64) / 65536
    upper = bits - (bits & np.uint32(0xFFFF)) + np.where(dice.double().numpy() < low, 65536, 0).astype(np.uint32)
    return torch.from_numpy(upper.astype(np.uint32).view(np.float32).copy())


@right("13.2")
def by_one_long_vector(cards, whole, most):
    parts = [g.double().reshape(-1) for k, g in cards[0].items() if k in set(whole)]
    parts += [g.double().reshape(-1) for c in cards for k, g in c.items() if k not in set(whole)]
    length = torch.cat(parts).norm().item() if parts else 0.0
    if length <= most:
        return [{k: g.clone() for k, g in c.items()} for c in cards]
    return [{k: (g.double() * (most / length)).float() for k, g in c.items()} for c in cards]


@right("13.3")
def golden_section(law, loss, served):
    E, A, alpha, B, beta = law
    gap = loss - E

    def cost(x):  # the share of the gap that N takes
        N = (A / (gap * x)) ** (1 / alpha)
        D = (B / (gap * (1 - x))) ** (1 / beta)
        return math.log(6 * N * D + 2 * N * served)

    def of(z):
        return cost(1 / (1 + math.exp(-z)))

    g = (math.sqrt(5) - 1) / 2
    low, high = -30.0, 30.0
    for _ in range(200):
        a, b = high - g * (high - low), low + g * (high - low)
        if of(a) < of(b):
            high = b
        else:
            low = a
    return np.float64(math.exp(of((low + high) / 2)))


@right("13.4")
def starts_by_recursion(p, m):
    from functools import cache

    orders = [_order(s, p, m, p - 1 - s) for s in range(p)]

    @cache
    def start(s, k):
        kind, j = orders[s][k]
        free = end(s, k - 1) if k else 0
        if kind == "forward":
            need = end(s - 1, orders[s - 1].index((kind, j))) if s else 0
        elif s < p - 1:
            need = end(s + 1, orders[s + 1].index((kind, j)))
        else:
            need = end(s, orders[s].index(("forward", j)))
        return max(free, need)

    def end(s, k):
        return start(s, k) + (1 if orders[s][k][0] == "forward" else 2)

    for s in range(p):
        for k in range(2 * m):
            start(s, min(k, 2 * m - 1))
    return tuple(tuple((start(s, k), *orders[s][k]) for k in range(2 * m)) for s in range(p))


def _by_names(alike):
    def answer(cards, whole, most):
        total = sum(
            float(g.double().square().sum())
            for n, c in enumerate(cards)
            for k, g in c.items()
            if n == 0 or not any(alike(k, w) for w in whole)
        )
        length = math.sqrt(total)
        return _scaled(cards, most / length if length > most else 1.0)

    return answer


@wrong("13.2", "A name that ends in one of `whole` is taken for it.")
def by_suffix(cards, whole, most):
    return _by_names(lambda name, w: name.endswith(w))(cards, whole, most)


@wrong("13.2", "A name that contains one of `whole` is taken for it.")
def by_a_part(cards, whole, most):
    return _by_names(lambda name, w: w in name)(cards, whole, most)


@wrong("13.4", "forward passes before its first backward pass")
def two_ahead_at_most(p, m):
    return _schedule([_order(s, p, m, min(2, p - 1 - s)) for s in range(p)], p)
