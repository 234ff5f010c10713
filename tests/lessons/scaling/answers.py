"""Answers to the turns and questions of lesson 13; `tools/choose_answers.py` chose them."""

import math
import struct

import numpy as np
import torch
from answers import right, wrong

from minillm.course.turns.scaling import fit_power


@right("13.training_flops")
class ForwardAsAFunction:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        def forward():
            weights = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
            yield 2 * weights * T
            yield from (4 * d_model * (t + 1) for t in range(T) for _ in range(n_layers))

        return sum(forward()) * 3


@right("13.training_flops")
class TokenByToken:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        total = 0
        for t in range(T):
            for _ in range(n_layers):
                total += 2 * (4 * d_model**2 + 3 * d_model * d_ff)
                total += 4 * d_model * (t + 1)
            total += 2 * d_model * vocab_size
        return total * 3


@wrong("13.training_flops", "raised NameError")
class LettersOfThePapers:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        return 6 * N * D  # noqa: F821


@wrong("13.training_flops", "raised AttributeError")
class ADotConfig:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        return 6 * n_layers.d_model * T


@wrong("13.training_flops", "raised TypeError")
class ASizeIsCalled:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        return 12 * n_layers * d_model * T(T + 1) // 2


@wrong("13.training_flops", "The result isn't one number.")
class TwoParts:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        weights = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + d_model * vocab_size
        return 6 * weights * T, 6 * n_layers * d_model * T * (T + 1)


@wrong("13.training_flops", "The result is ")
class FourTimes:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        return 4 * (2 * linear * T + n_layers * 2 * d_model * T * (T + 1))


@right("13.fit_power")
class BaseTen:
    def fit_power(x, y, floor):
        slope, intercept = np.polyfit(np.log10(x), np.log10(np.array(y) - floor), 1)
        return [10**intercept, slope]


@wrong("13.fit_power", "raised TypeError")
class MathOfAList:
    def fit_power(x, y, floor):
        return np.polyfit(math.log(x), math.log(y), 1)


@wrong("13.fit_power", "raised NameError")
class NumpyByName:
    def fit_power(x, y, floor):
        return numpy.polyfit(x, y, 1)  # noqa: F821


@wrong("13.fit_power", "raised ValueError")
class LogOfAFloor:
    def fit_power(x, y, floor):
        return math.log(floor - y[0]), 1


@wrong("13.fit_power", "")
class QuadraticInLogs:
    def fit_power(x, y, floor):
        return np.polyfit(np.log(x), np.log(np.array(y) - floor), 2)


@wrong("13.fit_power", "raised TypeError")
class ListMinusNumber:
    def fit_power(x, y, floor):
        b, log_a = np.polyfit(np.log(x), np.log(y - floor), 1)
        return np.exp(log_a), b


@wrong("13.fit_power", "raised NameError")
class CurveFitWithoutImport:
    def fit_power(x, y, floor):
        (a, b), _ = curve_fit(lambda x, a, b: floor + a * x**b, x, y)  # noqa: F821
        return a, b


@wrong("13.fit_power", "raised ValueError")
class ThreeNumbers:
    def fit_power(x, y, floor):
        a, b, c = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return a, b


@wrong("13.fit_power", "raised TypeError")
class PolyfitOfNoDegree:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.subtract(y, floor)))
        return np.exp(a), b


@wrong("13.fit_power", "changed the input")
class InPlace:
    def fit_power(x, y, floor):
        for i in range(len(y)):
            y[i] -= floor
        b, log_a = np.polyfit(np.log(x), np.log(y), 1)
        return np.exp(log_a), b


@right("13.left_out")
class WithNumpy:
    def left_out(x, y, floor):
        x, y = np.array(x), np.array(y)
        errors = np.zeros(len(x))
        for i in range(len(x)):
            keep = np.arange(len(x)) != i
            a, b = fit_power(x[keep], y[keep], floor)
            errors[i] = (a * x[i] ** b - (y[i] - floor)) / (y[i] - floor)
        return errors


@wrong("13.left_out", "raised NameError")
class NumpyUnderItsName:
    def left_out(x, y, floor):
        return numpy.zeros(len(x))  # noqa: F821


@wrong("13.left_out", "raised TypeError")
class OfOneListOnly:
    def left_out(x, y, floor):
        return [fit_power(x, y[:i] + y[i + 1 :], floor)[0] for i in range(len(x))]


@wrong("13.left_out", "raised TypeError")
class WithoutTheFloor:
    def left_out(x, y, floor):
        return [fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :])[0] for i in range(len(x))]


@wrong("13.left_out", "raised TypeError")
class PowersOfAList:
    def left_out(x, y, floor):
        a, b = fit_power(x, y, floor)
        return (floor + a * x**b - y) / (y - floor)


@wrong("13.left_out", "raised ValueError")
class ThreeOfTwo:
    def left_out(x, y, floor):
        a, b, c = fit_power(x, y, floor)
        return [a, b, c]


@wrong("13.left_out", "raised IndexError")
class GoesTooFar:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x) + 1):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "One number is returned.")
class TheMean:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return float(np.mean(errors))


@wrong("13.left_out", "changed the input")
class PopsWhatCame:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            here, there = x.pop(i), y.pop(i)
            a, b = fit_power(x, y, floor)
            errors.append((floor + a * here**b - there) / (there - floor))
            x.insert(i, here)
            y.insert(i, there + 1e-3)
        return errors


@right("13.best_split")
class AGridOfNumpy:
    def best_split(flops, A, alpha, B, beta):
        N = np.logspace(0, 20, 4001)
        D = flops / (6 * N)
        best = np.argmin(A / N**alpha + B / D**beta)
        return N[best], D[best]


@right("13.best_split")
class GoldenSection:
    def best_split(flops, A, alpha, B, beta):
        def loss(log_n):
            n = math.exp(log_n)
            return A * n**-alpha + B * (flops / (6 * n)) ** -beta

        low, high, golden = 0.0, 45.0, (5**0.5 - 1) / 2
        for _ in range(100):
            first, second = high - golden * (high - low), low + golden * (high - low)
            low, high = (low, second) if loss(first) < loss(second) else (first, high)
        return torch.tensor([math.exp(low), flops / 6 / math.exp(low)], dtype=torch.float64)


@wrong("13.best_split", "raised NameError")
class LawOfThePage:
    def best_split(flops, A, alpha, B, beta):
        return min((10**k for k in range(20)), key=lambda N: E + A / N**alpha + B / D**beta)  # noqa: F821


@wrong("13.best_split", "raised ZeroDivisionError")
class FromZero:
    def best_split(flops, A, alpha, B, beta):
        return min(range(0, 100), key=lambda N: A / N**alpha)


@wrong("13.best_split", "raised TypeError")
class ARangeOfAFloat:
    def best_split(flops, A, alpha, B, beta):
        return min(range(1, flops), key=lambda N: A / N**alpha + B / (flops / 6 / N) ** beta)


@wrong("13.best_split", "The result isn't two numbers.")
class TheLoss:
    def best_split(flops, A, alpha, B, beta):
        return min(A / 10 ** (k * alpha) + B / (flops / 6 / 10**k) ** beta for k in range(1, 20))


@wrong("13.best_split", "raised NameError")
class NumpyMissing:
    def best_split(flops, A, alpha, B, beta):
        N = numpy.logspace(0, 20, 1000)  # noqa: F821
        return N[0], flops / 6 / N[0]


@wrong("13.best_split", "raised ValueError")
class ThreeOut:
    def best_split(flops, A, alpha, B, beta):
        N, D, loss = A, B
        return N, D


@right("13.1")
def between_neighbours(x, dice):
    x = x.numpy()
    mantissa, exponent = np.frexp(np.abs(x).astype(np.float64))
    share, whole = np.modf(mantissa * 256)
    return np.copysign(np.ldexp(whole + (dice.numpy() < share), exponent - 8), x).astype(np.float32)


@right("13.1")
def one_by_one(x, dice):
    out = []
    for number, die in zip(x.tolist(), dice.tolist(), strict=True):
        (bits,) = struct.unpack("<I", struct.pack("<f", number))
        bits = (bits >> 16) + (die * 65536 < bits % 65536)
        out.append(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
    return torch.tensor(out)


@wrong("13.1", "The result has shape (")
def wrong_width(x, dice):
    return (x.view(torch.int16)[1::2] + (dice < 0.5)).view(torch.float32)


@wrong("13.1", "The result is a tensor of torch.bfloat")
def gives_bfloat16(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    return torch.where(dice < rest / 65536, lower + 65536, lower).view(torch.float32).bfloat16()


@wrong("13.1", "round_by_dice changed the input that it was given; work on a copy. Open the")
def writes_into_x(x, dice):
    bits = x.view(torch.int32)
    low = bits & 0xFFFF
    bits -= low
    bits += (dice < low / 65536).int() * 65536
    return bits.view(torch.float32).clone()


@wrong("13.1", "The first die decides for all numbers. Each number has a die of its own:")
def one_die_for_all(x, dice):
    bits = x.view(torch.int32)
    rest = bits & 0xFFFF
    lower = bits - rest
    die = dice[:1]
    return torch.where(die < rest / 65536, lower + 65536, lower).view(torch.float32)


@right("13.2")
def by_numpy(cards, whole, most):
    shares = []
    for card in cards:
        shares.append(sum(np.sum(g.numpy() ** 2) / (len(cards) if name in whole else 1) for name, g in card.items()))
    factor = most / max(math.sqrt(sum(shares)), most)
    return [{name: (factor * g).tolist() for name, g in card.items()} for card in cards]


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


@wrong("13.2", "and the result ['down', 'up'] there")
def names_of_card_0(cards, whole, most):
    length = math.sqrt(sum(float(piece.square().sum()) for card in cards for piece in card.values()))
    return [{name: card[name] * min(1.0, most / length) for name in cards[0] if name in card} for card in cards]


def length(pieces):
    return torch.cat([piece.flatten() for piece in pieces]).norm()


def scaled(cards, factor):
    return [{name: piece * factor for name, piece in card.items()} for card in cards]


@wrong("13.2", "raised ZeroDivisionError")
def no_thought_of_zero(cards, whole, most):
    return scaled(cards, min(1.0, most / float(length([g for card in cards for g in card.values()]))))


@wrong("13.2", "The gradient of all cards of one name is clipped by itself.")
def each_name_for_itself(cards, whole, most):
    factors = {}
    for name in cards[0]:
        holders = cards[:1] if name in whole else cards
        length = math.sqrt(sum(float(card[name].square().sum()) for card in holders))
        factors[name] = most / length if length > most else 1.0
    return [{name: factors[name] * piece for name, piece in card.items()} for card in cards]


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


@wrong("13.3", "does not reach the loss")
def forgot_a_term(law, loss, served):
    E, A, alpha, B, beta = law
    n = (A / (loss - E)) ** (1 / alpha)
    return n * (B / (loss - E)) ** (1 / beta) + 2 * n * served


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


@wrong("13.3", "is 2 values")
def size_and_tokens(law, loss, served):
    return by_thirds(law, loss, whole_price(served))


def _lowest(cost, low, high):
    for _ in range(300):
        third = (high - low) / 3
        a, b = low + third, high - third
        if cost(a) > cost(b):
            low = a
        else:
            high = b
    return (low + high) / 2


@wrong("13.3", "Twenty tokens for each parameter are taken for granted.")
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


def orders(p, m, ahead):
    found = []
    for s in range(p):
        w = min(ahead(s), m)
        order = [("forward", j) for j in range(w)]
        for j in range(m):
            order += [("forward", w + j)] * (w + j < m) + [("backward", j)]
        found.append(order)
    return found


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


@wrong("13.4", "The starts are right, but the works of a stage are not in the order in which")
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


@wrong("13.4", "The works are (kind, j, start), and (start, kind, j) is asked for. Each piece")
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
