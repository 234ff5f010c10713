"""Strangers' wrong answers to the turns of lesson 13: errors, other forms, and mistakes that only a probe tells."""

import math

import numpy as np
from turn_answers import wrong

from minillm.course.turns.scaling import fit_power

# --- 13.training_flops


@wrong("13.training_flops", "raised NameError")
class LettersOfThePapers:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        return 6 * N * D  # noqa: F821


@wrong("13.training_flops", "raised AttributeError")
class ADotConfig:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        return 6 * n_layers.d_model * T


@wrong("13.training_flops", "returned None")
class Printed:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        print(6 * n_layers * d_model * T)


@wrong("13.training_flops", "The result isn't one number.")
class TwoParts:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        weights = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + d_model * vocab_size
        return 6 * weights * T, 6 * n_layers * d_model * T * (T + 1)


@wrong("13.training_flops", "Attention's pairs are missing.")
class RuleOfThumb:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        N = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + d_model * vocab_size
        return 6 * N * T


@wrong("13.training_flops", "This is the rule of thumb")
class BothTables:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        N = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + 2 * d_model * vocab_size
        return 6 * N * T


@wrong("13.training_flops", "as if every query saw every key")
class NoMask:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        forward = 2 * T * (n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + d_model * vocab_size)
        forward += n_layers * 4 * d_model * T * T
        return 3 * forward


@wrong("13.training_flops", "Half of T * T are not all pairs")
class HalfOfTheSquare:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        forward = 2 * T * (n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + d_model * vocab_size)
        return 3 * (forward + n_layers * 2 * d_model * T**2)


@wrong("13.training_flops", "The backward pass is missing")
class Forward:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model * d_model + 3 * d_model * d_ff) + d_model * vocab_size
        return 2 * matrices * T + 4 * n_layers * d_model * T * (T + 1) // 2


@wrong("13.training_flops", "Backward is counted as one forward pass")
class ForwardAndBack:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model * d_model + 3 * d_model * d_ff) + d_model * vocab_size
        return 2 * (2 * matrices * T + 4 * n_layers * d_model * T * (T + 1) // 2)


@wrong("13.training_flops", "The attention of a single layer")
class OneAttention:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model * d_model + 3 * d_model * d_ff) + d_model * vocab_size
        return 6 * matrices * T + 12 * d_model * (T * (T + 1) // 2)


@wrong("13.training_flops", "A feed-forward layer has two matrices")
class OfGpt2:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model * d_model + 2 * d_model * d_ff) + d_model * vocab_size
        return 6 * matrices * T + 12 * n_layers * d_model * (T * (T + 1) // 2)


@wrong("13.training_flops", "Attention has three matrices")
class NoOutputMatrix:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (3 * d_model * d_model + 3 * d_model * d_ff) + d_model * vocab_size
        return 6 * matrices * T + 12 * n_layers * d_model * (T * (T + 1) // 2)


@wrong("13.training_flops", "The head is missing")
class Kaplans:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model * d_model + 3 * d_model * d_ff)
        return 6 * matrices * T + 12 * n_layers * d_model * (T * (T + 1) // 2)


@wrong("13.training_flops", "This is the cost per token")
class PerToken:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model * d_model + 3 * d_model * d_ff) + d_model * vocab_size
        return 6 * matrices + 6 * n_layers * d_model * (T + 1)


# --- 13.fit_power


@wrong("13.fit_power", "raised TypeError")
class ListMinusNumber:
    def fit_power(x, y, floor):
        b, log_a = np.polyfit(np.log(x), np.log(y - floor), 1)
        return np.exp(log_a), b


@wrong("13.fit_power", "raised TypeError")
class MathOfAList:
    def fit_power(x, y, floor):
        return np.polyfit(math.log(x), math.log(y), 1)


@wrong("13.fit_power", "raised NameError")
class NumpyByName:
    def fit_power(x, y, floor):
        return numpy.polyfit(x, y, 1)  # noqa: F821


@wrong("13.fit_power", "raised NameError")
class CurveFitWithoutImport:
    def fit_power(x, y, floor):
        (a, b), _ = curve_fit(lambda x, a, b: floor + a * x**b, x, y)  # noqa: F821
        return a, b


@wrong("13.fit_power", "raised ValueError")
class LogOfAFloor:
    def fit_power(x, y, floor):
        return math.log(floor - y[0]), 1


@wrong("13.fit_power", "changed the input")
class InPlace:
    def fit_power(x, y, floor):
        for i in range(len(y)):
            y[i] -= floor
        b, log_a = np.polyfit(np.log(x), np.log(y), 1)
        return np.exp(log_a), b


@wrong("13.fit_power", "raised ValueError")
class ThreeNumbers:
    def fit_power(x, y, floor):
        a, b, c = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return a, b


@wrong("13.fit_power", "The floor isn't subtracted")
class NoFloor:
    def fit_power(x, y, floor):
        slope, intercept = np.polyfit(np.log(x), np.log(y), 1)
        return np.exp(intercept), slope


@wrong("13.fit_power", "The floor is subtracted after the logarithm.")
class FloorLate:
    def fit_power(x, y, floor):
        slope, intercept = np.polyfit(np.log(x), np.log(y) - floor, 1)
        return np.exp(intercept), slope


@wrong("13.fit_power", "Slope and intercept are returned as they came")
class AsItComes:
    def fit_power(x, y, floor):
        return tuple(np.polyfit(np.log(x), np.log(np.array(y) - floor), 1))


@wrong("13.fit_power", "The intercept is returned")
class NoExp:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return a, b


@wrong("13.fit_power", "The power comes first.")
class PowerFirst:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return b, np.exp(a)


@wrong("13.fit_power", "The power has the wrong sign.")
class AsInThePaper:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return np.exp(a), -b


@wrong("13.fit_power", "Logarithms to base 10 go in")
class TwoBases:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log10(x), np.log10(np.array(y) - floor), 1)
        return np.exp(a), b


@wrong("13.fit_power", "x and y are swapped in the fit.")
class AxesSwapped:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(np.array(y) - floor), np.log(x), 1)
        return np.exp(a), b


@wrong("13.fit_power", "The line goes through x itself")
class HalfLogarithmic:
    def fit_power(x, y, floor):
        b, a = np.polyfit(x, np.log(np.array(y) - floor), 1)
        return np.exp(a), b


@wrong("13.fit_power", "No logarithms are taken")
class StraightLine:
    def fit_power(x, y, floor):
        b, a = np.polyfit(x, np.array(y) - floor, 1)
        return a, b


@wrong("13.fit_power", "Only the first and the last point are used.")
class TwoEnds:
    def fit_power(x, y, floor):
        b = math.log((y[-1] - floor) / (y[0] - floor)) / math.log(x[-1] / x[0])
        return (y[0] - floor) / x[0] ** b, b


@wrong("13.fit_power", "One number is returned.")
class PowerAlone:
    def fit_power(x, y, floor):
        b, _ = np.polyfit(np.log(x), np.log(np.array(y) - floor), 1)
        return b


# --- 13.left_out


@wrong("13.left_out", "raised NameError")
class AnotherName:
    def left_out(x, y, floor):
        return [np.mean(fit_powers(x, y, floor)) for _ in x]  # noqa: F821


@wrong("13.left_out", "raised NameError")
class NumpyUnderItsName:
    def left_out(x, y, floor):
        return numpy.zeros(len(x))  # noqa: F821


@wrong("13.left_out", "raised TypeError")
class PowersOfAList:
    def left_out(x, y, floor):
        a, b = fit_power(x, y, floor)
        return (floor + a * x**b - y) / (y - floor)


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


@wrong("13.left_out", "raised IndexError")
class GoesTooFar:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x) + 1):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "raised ValueError")
class ThreeOfTwo:
    def left_out(x, y, floor):
        a, b, c = fit_power(x, y, floor)
        return [a, b, c]


@wrong("13.left_out", "No point is left out")
class SeesAll:
    def left_out(x, y, floor):
        a, b = fit_power(x, y, floor)
        return [(floor + a * p**b - q) / (q - floor) for p, q in zip(x, y, strict=True)]


@wrong("13.left_out", "These are shares of the loss")
class OfTheLoss:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b) / y[i] - 1)
        return errors


@wrong("13.left_out", "These are errors in nats")
class InNats:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append(floor + a * x[i] ** b - y[i])
        return errors


@wrong("13.left_out", "The errors have lost their sign.")
class Absolute:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append(abs(floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "The sign is the other way round.")
class MeasuredLessPredicted:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((y[i] - floor - a * x[i] ** b) / (y[i] - floor))
        return errors


@wrong("13.left_out", "The floor isn't added")
class NoFloorInTheLaw:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "One number is returned.")
class TheMean:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return float(np.mean(errors))


@wrong("13.left_out", "errors for")
class OneTooFew:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x) - 1):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "Point i stays in")
class OffByOne:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[: i + 1] + x[i + 2 :], y[: i + 1] + y[i + 2 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


# --- 13.best_split


@wrong("13.best_split", "raised NameError")
class NumpyMissing:
    def best_split(flops, A, alpha, B, beta):
        N = numpy.logspace(0, 20, 1000)  # noqa: F821
        return N[0], flops / 6 / N[0]


@wrong("13.best_split", "raised NameError")
class LawOfThePage:
    def best_split(flops, A, alpha, B, beta):
        return min((10**k for k in range(20)), key=lambda N: E + A / N**alpha + B / D**beta)  # noqa: F821


@wrong("13.best_split", "raised ValueError")
class ThreeOut:
    def best_split(flops, A, alpha, B, beta):
        N, D, loss = A, B
        return N, D


@wrong("13.best_split", "raised ZeroDivisionError")
class FromZero:
    def best_split(flops, A, alpha, B, beta):
        return min(range(0, 100), key=lambda N: A / N**alpha)


@wrong("13.best_split", "raised TypeError")
class ARangeOfAFloat:
    def best_split(flops, A, alpha, B, beta):
        return min(range(1, flops), key=lambda N: A / N**alpha + B / (flops / 6 / N) ** beta)


@wrong("13.best_split", "N and D are swapped.")
class TokensFirst:
    def best_split(flops, A, alpha, B, beta):
        G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
        N = G * (flops / 6) ** (beta / (alpha + beta))
        return flops / 6 / N, N


@wrong("13.best_split", "The 6 is missing")
class NoSix:
    def best_split(flops, A, alpha, B, beta):
        G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
        N = G * flops ** (beta / (alpha + beta))
        return N, flops / N


@wrong("13.best_split", "This split costs 3 times the budget.")
class TwoNd:
    def best_split(flops, A, alpha, B, beta):
        N = np.logspace(0, 20, 4001)
        D = flops / (2 * N)
        i = np.argmin(A / N**alpha + B / D**beta)
        return N[i], D[i]


@wrong("13.best_split", "The powers alpha and beta aren't in the balance")
class EqualTerms:
    def best_split(flops, A, alpha, B, beta):
        N = ((A / B) * (flops / 6) ** beta) ** (1 / (alpha + beta))
        return N, flops / 6 / N


@wrong("13.best_split", "The balance is upside down.")
class UpsideDown:
    def best_split(flops, A, alpha, B, beta):
        N = (beta * B / (alpha * A) * (flops / 6) ** beta) ** (1 / (alpha + beta))
        return N, flops / 6 / N


@wrong("13.best_split", "The budget's power is alpha's")
class AlphaOnTop:
    def best_split(flops, A, alpha, B, beta):
        G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
        N = G * (flops / 6) ** (alpha / (alpha + beta))
        return N, flops / 6 / N


@wrong("13.best_split", "20 tokens per parameter")
class Twenty:
    def best_split(flops, A, alpha, B, beta):
        N = (flops / 6 / 20) ** 0.5
        return N, 20 * N


@wrong("13.best_split", "The budget is split evenly")
class Even:
    def best_split(flops, A, alpha, B, beta):
        return (flops / 6) ** 0.5, (flops / 6) ** 0.5


@wrong("13.best_split", "The budget is kept, and the loss is")
class CoarseGrid:
    def best_split(flops, A, alpha, B, beta):
        sizes = [10**k for k in range(4)]
        N = min(sizes, key=lambda N: A / N**alpha + B / (flops / 6 / N) ** beta)
        return N, flops / 6 / N


@wrong("13.best_split", "The result isn't two numbers.")
class TheLoss:
    def best_split(flops, A, alpha, B, beta):
        return min(A / 10 ** (k * alpha) + B / (flops / 6 / 10**k) ** beta for k in range(1, 20))


# --- what a reader typed, and was told nothing about


@wrong("13.training_flops", "The part of the head is 0.333 times what it should be")
class TheHeadOnlyForward:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model**2 + 3 * d_model * d_ff)
        pairs = n_layers * 2 * d_model * T * (T + 1)
        return 3 * (2 * matrices * T + pairs) + 2 * d_model * vocab_size * T


@wrong("13.training_flops", "The part of all matrices is 0.333 times what it should be")
class OnlyAttentionGoesBack:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = n_layers * (4 * d_model**2 + 3 * d_model * d_ff) + d_model * vocab_size
        return 2 * matrices * T + 3 * n_layers * 2 * d_model * T * (T + 1)


@wrong("13.training_flops", "A layer has 12 C * C weights here")
class Gpt2s:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        matrices = 12 * n_layers * d_model**2 + d_model * vocab_size
        return 3 * (2 * matrices * T + n_layers * 2 * d_model * T * (T + 1))


@wrong("13.training_flops", "raised TypeError")
class ASizeIsCalled:
    def training_flops(n_layers, d_model, d_ff, vocab_size, T):
        return 12 * n_layers * d_model * T(T + 1) // 2


@wrong("13.fit_power", "Logarithms to base 2 go in")
class BaseTwo:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log2(x), np.log2(np.subtract(y, floor)), 1)
        return np.exp(a), b


@wrong("13.fit_power", "Two kinds of variance are mixed")
class CovarianceOverVar:
    def fit_power(x, y, floor):
        X, Y = np.log(x), np.log(np.subtract(y, floor))
        b = np.cov(X, Y)[0, 1] / X.var()
        return np.exp(Y.mean() - b * X.mean()), b


@wrong("13.fit_power", "Both numbers are nearly right.")
class MeanOfSlopes:
    def fit_power(x, y, floor):
        X, Y = np.log(x), np.log(np.subtract(y, floor))
        slopes = [(Y[j] - Y[i]) / (X[j] - X[i]) for i in range(len(X)) for j in range(i)]
        b = float(np.mean(slopes))
        return np.exp(np.mean(Y - b * X)), b


@wrong("13.fit_power", "The power is right, the factor isn't.")
class TheMiddle:
    def fit_power(x, y, floor):
        X, Y = np.log(x), np.log(np.subtract(y, floor))
        return np.exp(Y.mean()), np.polyfit(X, Y, 1)[0]


@wrong("13.left_out", "Brackets are missing: the difference is divided by y[i]")
class NoBracketsBelow:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / y[i] - floor)
        return errors


@wrong("13.left_out", "Brackets are missing: only y[i] is divided.")
class NoBracketsAbove:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append(floor + a * x[i] ** b - y[i] / (y[i] - floor))
        return errors


@wrong("13.left_out", "The factor is inside the power")
class FactorInside:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :], floor)
            errors.append((floor + (a * x[i]) ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "The point before i is left out, too.")
class OneTooMany:
    def left_out(x, y, floor):
        errors = []
        for i in range(len(x)):
            a, b = fit_power(x[: i - 1] + x[i + 1 :], y[: i - 1] + y[i + 1 :], floor)
            errors.append((floor + a * x[i] ** b - y[i]) / (y[i] - floor))
        return errors


@wrong("13.left_out", "raised TypeError")
class OfOneListOnly:
    def left_out(x, y, floor):
        return [fit_power(x, y[:i] + y[i + 1 :], floor)[0] for i in range(len(x))]


@wrong("13.fit_power", "raised TypeError")
class PolyfitOfNoDegree:
    def fit_power(x, y, floor):
        b, a = np.polyfit(np.log(x), np.log(np.subtract(y, floor)))
        return np.exp(a), b


@wrong("13.left_out", "raised TypeError")
class WithoutTheFloor:
    def left_out(x, y, floor):
        return [fit_power(x[:i] + x[i + 1 :], y[:i] + y[i + 1 :])[0] for i in range(len(x))]
