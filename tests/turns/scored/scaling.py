"""Answers to the turns of lesson 13, written from the text of its stubs alone, before any verdict was looked at."""

import math

import numpy as np
from turn_answers import right, wrong

from minillm.course.turns.scaling import fit_power

# --- 13.training_flops


@wrong("13.training_flops", "")
class ForgetsTheLayersInAttention:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        attention = 2 * d_model * T * (T + 1)
        return 3 * (2 * linear * T + attention)


@wrong("13.training_flops", "")
class OnlyScores:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        scores = n_layers * d_model * T * (T + 1)
        return 3 * (2 * linear * T + scores)


@wrong("13.training_flops", "")
class BackwardOfWeightsOnly:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        return 6 * linear * T + 2 * n_layers * d_model * T * (T + 1)


@wrong("13.training_flops", "")
class OneFlopPerMultiplyAdd:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        return 3 * (linear * T + n_layers * d_model * T * (T + 1))


@wrong("13.training_flops", "")
class HeadInEveryLayer:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        total = 0
        for _ in range(n_layers):
            total += 2 * T * (4 * d_model**2 + 3 * d_model * d_ff + vocab_size * d_model)
            total += 2 * d_model * T * (T + 1)
        return 3 * total


@wrong("13.training_flops", "")
class PairsWithoutWidth:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        return 3 * (2 * linear * T + n_layers * 2 * T * (T + 1))


@wrong("13.training_flops", "")
class FullSquare:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        return 3 * (2 * linear * T + n_layers * 4 * d_model * T**2)


@wrong("13.training_flops", "")
class FourTimes:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
        return 4 * (2 * linear * T + n_layers * 2 * d_model * T * (T + 1))


@wrong("13.training_flops", "")
class TwoMatricesInTheMlp:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        linear = n_layers * (4 * d_model**2 + 2 * d_model * d_ff) + vocab_size * d_model
        return 3 * (2 * linear * T + n_layers * 2 * d_model * T * (T + 1))


@right("13.training_flops")
class ForwardAsAFunction:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        def forward():
            weights = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + vocab_size * d_model
            yield 2 * weights * T
            yield from (4 * d_model * (t + 1) for t in range(T) for _ in range(n_layers))

        return sum(forward()) * 3


# --- 13.fit_power


@wrong("13.fit_power", "")
class LogOfYLessLogOfFloor:
    def fit_power(x, y, floor):
        b, log_a = np.polyfit(np.log(x), np.log(y) - np.log(floor + 1e-12), 1)
        return np.exp(log_a), b


@wrong("13.fit_power", "")
class ExpOfBoth:
    def fit_power(x, y, floor):
        b, log_a = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return np.exp(log_a), np.exp(b)


@wrong("13.fit_power", "")
class QuadraticInLogs:
    def fit_power(x, y, floor):
        return np.polyfit(np.log(x), np.log(np.array(y) - floor), 2)


@wrong("13.fit_power", "")
class TenToANaturalLog:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return 10**a, b


@wrong("13.fit_power", "")
class AlwaysNoFloor:
    def fit_power(x, y, floor=0):
        b, a = np.polyfit(np.log(x), np.log(y), 1)
        return np.exp(a), b


@wrong("13.fit_power", "")
class MinusThePower:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return np.exp(a), abs(b)


@wrong("13.fit_power", "")
class FloorAdded:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.array(y) + floor), 1)
        return np.exp(a), b


@wrong("13.fit_power", "")
class BothLogsOfBaseTwo:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log2(x), np.log2(np.array(y) - floor), 1)
        return np.exp(a), b


@right("13.fit_power")
class BaseTwoThroughout:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log2(x), np.log2(np.array(y) - floor), 1)
        return 2**a, b


# --- 13.left_out


@wrong("13.left_out", "")
class DividesByThePredicted:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            p = floor + a * x[i] ** b
            out.append((p - y[i]) / (p - floor))
        return out


@wrong("13.left_out", "")
class RatioOfExcesses:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            out.append(a * x[i] ** b / (y[i] - floor))
        return out


@wrong("13.left_out", "")
class SlicesOneTooFar:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i:], y[:i] + y[i:], floor)
            out.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return out


@wrong("13.left_out", "")
class Percent:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            out.append(100 * (floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return out


@wrong("13.left_out", "")
class FloorForgottenInTheFit:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], 0.0)
            out.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return out


@wrong("13.left_out", "")
class SwapsFactorAndPower:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            b, a = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            out.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return out


@wrong("13.left_out", "")
class ReturnsInTheLoop:
    def left_out(x, y, floor):
        out = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            out.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
            return out


# --- 13.best_split


@wrong("13.best_split", "")
class DerivativeWithoutTheExponents:
    def best_split(flops, A, alpha, B, beta):
        N = (A / B * (flops / 6) ** beta) ** (1 / (alpha + beta))
        return N, flops / (6 * N)


@wrong("13.best_split", "")
class MinimizesTheFirstTerm:
    def best_split(flops, A, alpha, B, beta):
        N = max(10**k for k in range(20) if 10**k < flops / 6)
        return N, flops / 6 / N


@wrong("13.best_split", "")
class CoarsePowersOfTen:
    def best_split(flops, A, alpha, B, beta):
        N = min((10.0**k for k in range(1, 20)), key=lambda N: A / N**alpha + B / (flops / 6 / N) ** beta)
        return N, flops / 6 / N


@wrong("13.best_split", "")
class TokensWithoutSix:
    def best_split(flops, A, alpha, B, beta):
        N = (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))
        return N, flops / N


@wrong("13.best_split", "")
class OnlyN:
    def best_split(flops, A, alpha, B, beta):
        return (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))


@wrong("13.best_split", "")
class Maximizes:
    def best_split(flops, A, alpha, B, beta):
        sizes = [10 ** (k / 20) for k in range(20, 400)]
        N = max(sizes, key=lambda N: A / N**alpha + B / (flops / 6 / N) ** beta)
        return N, flops / 6 / N


@wrong("13.best_split", "")
class NoRoot:
    def best_split(flops, A, alpha, B, beta):
        N = alpha * A / (beta * B) * (flops / 6) ** (beta / (alpha + beta))
        return N, flops / 6 / N


@right("13.best_split")
class FineSteps:
    def best_split(flops, A, alpha, B, beta):
        best = None
        for k in range(0, 20000):
            N = math.exp(k / 400)
            loss = A / N**alpha + B / (flops / 6 / N) ** beta
            if best is None or loss < best[0]:
                best = loss, N
        return best[1], flops / 6 / best[1]
