"""Unusual right answers to the turns of lesson 13, as learners write them."""

import math

import numpy as np
import torch
from turn_answers import right

from minillm.course.turns.scaling import fit_power

# --- 13.training_flops


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


@right("13.training_flops")
class AFloat:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        per_layer = 8.0 * T * d_model**2 + 6.0 * T * d_model * d_ff + 2.0 * d_model * T * (T + 1)
        return (per_layer * n_layers + 2.0 * T * d_model * vocab_size) * 3


@right("13.training_flops")
class ATensor:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        sizes = torch.tensor([4 * d_model**2, 3 * d_model * d_ff], dtype=torch.float64)
        matrices = sizes.sum() * n_layers + d_model * vocab_size
        pairs = sum(range(1, T + 1))
        return 6 * matrices * T + 12 * n_layers * d_model * pairs


@right("13.training_flops")
class EveryMatrixByName:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        def product(rows, inner, columns):
            return 2 * rows * inner * columns

        query = key = value = output = product(T, d_model, d_model)
        gate = up = product(T, d_model, d_ff)
        down = product(T, d_ff, d_model)
        half = (T + 1) / (2 * T)
        scores = product(T, d_model, T) * half
        mix = product(T, T, d_model) * half
        layer = query + key + value + output + gate + up + down + scores + mix
        forward = n_layers * layer + product(T, d_model, vocab_size)
        backward = 2 * forward
        return forward + backward


@right("13.training_flops")
class SixPerWeight:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        n = n_layers * d_model * (4 * d_model + 3 * d_ff) + d_model * vocab_size
        return 6 * n * T + 6 * n_layers * d_model * T * (T + 1)


# --- 13.fit_power


@right("13.fit_power")
class LeastSquaresByHand:
    def fit_power(x, y, floor):
        X = [math.log(each) for each in x]
        Y = [math.log(each - floor) for each in y]
        mean_x, mean_y = sum(X) / len(X), sum(Y) / len(Y)
        b = sum((p - mean_x) * (q - mean_y) for p, q in zip(X, Y, strict=True)) / sum((p - mean_x) ** 2 for p in X)
        return math.exp(mean_y - b * mean_x), b


@right("13.fit_power")
class BaseTen:
    def fit_power(x, y, floor):
        slope, intercept = np.polyfit(np.log10(x), np.log10(np.array(y) - floor), 1)
        return [10**intercept, slope]


@right("13.fit_power")
class AMatrixOfOnes:
    def fit_power(x, y, floor):
        design = np.stack([np.ones(len(x)), np.log(x)], axis=1)
        (log_a, b), *_ = np.linalg.lstsq(design, np.log(np.asarray(y) - floor), rcond=None)
        return np.array([np.exp(log_a), b])


@right("13.fit_power")
class WithTorch:
    def fit_power(x, y, floor):
        X, Y = torch.tensor(x).double().log(), (torch.tensor(y).double() - floor).log()
        design = torch.stack([X, torch.ones_like(X)], dim=1)
        slope, intercept = torch.linalg.lstsq(design, Y[:, None]).solution[:, 0]
        return intercept.exp(), slope


@right("13.fit_power")
class ATensorOfBoth:
    def fit_power(x, y, floor):
        b, log_a = np.polyfit(np.log(x), np.log([each - floor for each in y]), deg=1)
        return torch.tensor([np.exp(log_a), b])


@right("13.fit_power")
class Polynomial:
    def fit_power(x, y, floor):
        line = np.polynomial.Polynomial.fit(np.log(x), np.log(np.subtract(y, floor)), 1).convert()
        return math.exp(line.coef[0]), line.coef[1]


@right("13.fit_power")
class Covariance:
    def fit_power(x, y, floor):
        X, Y = np.log(x), np.log(np.array(y) - floor)
        b = np.cov(X, Y)[0, 1] / np.var(X, ddof=1)
        return np.exp(Y.mean() - b * X.mean()), b


# --- 13.left_out


@right("13.left_out")
class ByAComprehension:
    def left_out(x, y, floor):
        return [
            (floor + a * x[i] ** b - y[i]) / (y[i] - floor)
            for i in range(len(x))
            for a, b in [fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)]
        ]


@right("13.left_out")
class PopsFromCopies:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            xs, ys = list(x), list(y)
            here, there = xs.pop(i), ys.pop(i)
            factor, power = fit_power(xs, ys, floor=floor)
            errors.append((floor + factor * here**power - there) / (there - floor))
        return errors


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


@right("13.left_out")
class RatioLessOne:
    def left_out(x, y, floor):
        out = ()
        for i, (a_x, a_y) in enumerate(zip(x, y, strict=True)):
            others = [(p, q) for j, (p, q) in enumerate(zip(x, y, strict=True)) if j != i]
            a, b = fit_power(*map(list, zip(*others, strict=True)), floor)
            out += (a * a_x**b / (a_y - floor) - 1,)
        return out


@right("13.left_out")
class NumpyDelete:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(y)):
            a, b = fit_power(np.delete(x, i), np.delete(y, i), floor)
            errors.append(float((floor + a * x[i] ** b - y[i]) / (y[i] - floor)))
        return torch.tensor(errors)


# --- 13.best_split


@right("13.best_split")
class SearchTwice:
    def best_split(flops, A, alpha, B, beta):
        def loss(k):
            N = 10**k
            return A / N**alpha + B / (flops / 6 / N) ** beta

        best = min((n / 10 for n in range(10, 200)), key=loss)
        best = min((best - 0.1 + n / 1000 for n in range(201)), key=loss)
        return 10**best, flops / 6 / 10**best


@right("13.best_split")
class Bisection:
    def best_split(flops, A, alpha, B, beta):
        low, high = 1.0, 1e20
        for _ in range(200):
            N = (low * high) ** 0.5
            D = flops / 6 / N
            if alpha * A / N**alpha > beta * B / D**beta:
                low = N
            else:
                high = N
        return [N, D]


@right("13.best_split")
class HoffmannsG:
    def best_split(flops, A, alpha, B, beta):
        G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
        a, b = beta / (alpha + beta), alpha / (alpha + beta)
        return G * (flops / 6) ** a, 1 / G * (flops / 6) ** b


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
