"""Wrong answers to 00.next_token: what the web has, what the page invites, what a beginner types."""

import math

import numpy as np
import torch
from turn_answers import wrong


@wrong("00.next_token", "That's a tensor or an array, and a list")
class AsTheWebHasIt:
    def next_token(logits, temperature):
        return np.exp(logits) / np.sum(np.exp(logits))


@wrong("00.next_token", "unsupported operand type")
class KarpathysMultinomial:
    def next_token(logits, temperature):
        probs = torch.softmax(logits / temperature, dim=-1)
        return torch.multinomial(probs, 1)


@wrong("00.next_token", "list indices must be integers or slices,")
class NanoGPTsLine:
    def next_token(logits, temperature):
        logits = logits[:, -1, :] / temperature
        return torch.softmax(torch.tensor(logits), -1)


@wrong("00.next_token", "unsupported operand type")
class DividesTheList:
    def next_token(logits, temperature):
        scaled = logits / temperature
        return [math.exp(s) / sum(math.exp(t) for t in scaled) for s in scaled]


@wrong("00.next_token", "must be real number, not list")
class ExpOfTheList:
    def next_token(logits, temperature):
        powers = math.exp(logits)
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The temperature has no effect.")
class NoTemperature:
    def next_token(logits, temperature):
        powers = [math.exp(x) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The temperature works the other way round, as if the scores were multiplied by it.")
class TimesTemperature:
    def next_token(logits, temperature):
        powers = [math.exp(x * temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "math range error")
class OverflowsAtAThousand:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        total = sum(powers)
        return [p / total for p in powers]


@wrong("00.next_token", "")
class PowerOfE:
    def next_token(logits, temperature):
        return [
            2.718281828 ** (x / temperature) / sum(2.718281828 ** (y / temperature) for y in logits) for x in logits
        ]


@wrong("00.next_token", "The powers are those of a rounded e.")
class TwoDigitsOfE:
    def next_token(logits, temperature):
        powers = [2.72 ** (x / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "")
class MathE:
    def next_token(logits, temperature):
        powers = [math.e ** (x / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "float division by zero")
class LinearShares:
    def next_token(logits, temperature):
        return [x / sum(logits) for x in logits]


@wrong("00.next_token", "float division by zero")
class LinearSharesByTemperature:
    def next_token(logits, temperature):
        scaled = [x / temperature for x in logits]
        return [x / sum(scaled) for x in scaled]


@wrong("00.next_token", "The powers are not divided by their sum.")
class PowersAlone:
    def next_token(logits, temperature):
        return [math.exp(x / temperature) for x in logits]


@wrong("00.next_token", "That's a single number.")
class ReturnsTheLargest:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        return max(powers) / sum(powers)


@wrong("00.next_token", "That's the number of a token.")
class ReturnsTheIndex:
    def next_token(logits, temperature):
        return logits.index(max(logits))


@wrong("00.next_token", "That's a dictionary.")
class ReturnsADictionary:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        return {i: p / sum(powers) for i, p in enumerate(powers)}


@wrong("00.next_token", "That's a single number.")
class ReturnsInTheLoop:
    def next_token(logits, temperature):
        total = sum(math.exp(x / temperature) for x in logits)
        for x in logits:
            return math.exp(x / temperature) / total


@wrong("00.next_token", "3 scores came in, and 1 number came out.")
class ReturnsTheListInTheLoop:
    def next_token(logits, temperature):
        total = sum(math.exp(x / temperature) for x in logits)
        out = []
        for x in logits:
            out.append(math.exp(x / temperature) / total)
            return out


@wrong("00.next_token", "returned None.")
class PrintsIt:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        print([p / sum(powers) for p in powers])


@wrong("00.next_token", "returned None.")
class NoReturn:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        probabilities = [p / sum(powers) for p in powers]


@wrong("00.next_token", "Each power is divided by the sum of the")
class RunningTotal:
    def next_token(logits, temperature):
        total, out = 0, []
        for x in logits:
            total += math.exp(x / temperature)
            out.append(math.exp(x / temperature) / total)
        return out


@wrong("00.next_token", "name 'exp' is not defined")
class ExpNotImported:
    def next_token(logits, temperature):
        powers = [exp(x / temperature) for x in logits]  # noqa: F821
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "name 'T' is not defined")
class CapitalT:
    def next_token(logits, temperature):
        powers = [math.exp(x / T) for x in logits]  # noqa: F821
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The probabilities are divided by the tem")
class SoftmaxThenTemperature:
    def next_token(logits, temperature):
        powers = [math.exp(x) for x in logits]
        return [p / sum(powers) / temperature for p in powers]


@wrong("00.next_token", "The temperature has no effect.")
class TemperatureOfThePowers:
    def next_token(logits, temperature):
        powers = [math.exp(x) / temperature for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "to 1 over the temperature, and they don'")
class SharpensProbabilities:
    def next_token(logits, temperature):
        powers = [math.exp(x) for x in logits]
        p = [q / sum(powers) for q in powers]
        return [q ** (1 / temperature) for q in p]


@wrong("00.next_token", "The temperature works the other way round, as if the scores were multiplied by it.")
class SharpensTheWrongWay:
    def next_token(logits, temperature):
        powers = [math.exp(x) for x in logits]
        p = [(q / sum(powers)) ** temperature for q in powers]
        return [q / sum(p) for q in p]


@wrong("00.next_token", "Only the powers above the line know the")
class OnlyAbove:
    def next_token(logits, temperature):
        below = sum(math.exp(x) for x in logits)
        return [math.exp(x / temperature) / below for x in logits]


@wrong("00.next_token", "Only the sum below the line knows the te")
class OnlyBelow:
    def next_token(logits, temperature):
        below = sum(math.exp(x / temperature) for x in logits)
        return [math.exp(x) / below for x in logits]


@wrong("00.next_token", "The temperature has no effect.")
class NoParentheses:
    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp(x - largest / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The numbers add up to 0.368, and probabi")
class ShiftsOnlyAbove:
    def next_token(logits, temperature):
        largest = max(logits)
        return [math.exp((x - largest) / temperature) / sum(math.exp(y / temperature) for y in logits) for x in logits]


@wrong("00.next_token", "math range error")
class SubtractsTheSmallest:
    def next_token(logits, temperature):
        least = min(logits)
        powers = [math.exp((x - least) / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The sign of the scores is turned round:")
class LargestMinusX:
    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((largest - x) / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The sign of the scores is turned round:")
class MinusX:
    def next_token(logits, temperature):
        powers = [math.exp(-x / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The likeliest token gets 1, and the")
class DividesByTheLargest:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        return [p / max(powers) for p in powers]


@wrong("00.next_token", "The powers are divided by the number of")
class DividesByTheCount:
    def next_token(logits, temperature):
        powers = [math.exp(x / temperature) for x in logits]
        return [p / len(powers) for p in powers]


@wrong("00.next_token", "Each score is a probability of its own:")
class Sigmoid:
    def next_token(logits, temperature):
        return [1 / (1 + math.exp(-x / temperature)) for x in logits]


@wrong("00.next_token", "The logarithm of the probabilities is re")
class LogSoftmax:
    def next_token(logits, temperature):
        total = sum(math.exp(x / temperature) for x in logits)
        return [x / temperature - math.log(total) for x in logits]


@wrong("00.next_token", "The probabilities are rounded.")
class RoundsToThree:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return [round(p / sum(powers), 3) for p in powers]


@wrong("00.next_token", "The result is the right one, rounded to")
class RoundsToTwo:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return [round(p / sum(powers), 2) for p in powers]


@wrong("00.next_token", "The result is in percent.")
class Percent:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return [100 * p / sum(powers) for p in powers]


@wrong("00.next_token", "The list holds text.")
class AsText:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return [f"{p / sum(powers):.3f}" for p in powers]


@wrong("00.next_token", "The probabilities are sorted.")
class Sorted:
    def next_token(logits, temperature):
        powers = sorted((math.exp((x - max(logits)) / temperature) for x in logits), reverse=True)
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The result is 0 everywhere.")
class WholeDivision:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return [p // sum(powers) for p in powers]


@wrong("00.next_token", "Softmax is taken twice.")
class Twice:
    def next_token(logits, temperature):
        def soft(v):
            powers = [math.exp(x / temperature) for x in v]
            return [p / sum(powers) for p in powers]

        return soft(soft(logits))


@wrong("00.next_token", "The likeliest token gets all, the others")
class Greedy:
    def next_token(logits, temperature):
        return [1.0 if x == max(logits) else 0.0 for x in logits]


@wrong("00.next_token", "That's a tensor or an array, and a list")
class Tensor:
    def next_token(logits, temperature):
        return torch.tensor(logits).div(temperature).softmax(-1)


@wrong("00.next_token", "softmax")
class TorchOfAList:
    def next_token(logits, temperature):
        return torch.softmax(logits, dim=-1)


@wrong("00.next_token", "'list' object has no attribute 'softmax'")
class ListMethod:
    def next_token(logits, temperature):
        return logits.softmax(-1)


@wrong("00.next_token", "list indices must be integers or slices,")
class IndexesByLogit:
    def next_token(logits, temperature):
        powers = [math.exp(logits[x] / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "list assignment index out of range")
class FillsAnEmptyList:
    def next_token(logits, temperature):
        out = []
        for i in range(len(logits)):
            out[i] = math.exp(logits[i] / temperature)
        return [p / sum(out) for p in out]


@wrong("00.next_token", "'float' object is not iterable")
class SumOfOneNumber:
    def next_token(logits, temperature):
        return [math.exp(x / temperature) / sum(math.exp(x / temperature)) for x in logits]


@wrong("00.next_token", "not enough values to unpack")
class ThreeTokens:
    def next_token(logits, temperature):
        a, b, c = logits
        total = math.exp(a / temperature) + math.exp(b / temperature) + math.exp(c / temperature)
        return [math.exp(a / temperature) / total, math.exp(b / temperature) / total, math.exp(c / temperature) / total]


@wrong("00.next_token", "goes more than 1,000 calls deep")
class CallsItself:
    def next_token(logits, temperature):
        return next_token([x / temperature for x in logits], 1.0)  # noqa: F821


@wrong("00.next_token", "changed the input that it was ")
class ChangesTheInput:
    def next_token(logits, temperature):
        for i in range(len(logits)):
            logits[i] = math.exp((logits[i]) / temperature / 100)
        total = sum(logits)
        for i in range(len(logits)):
            logits[i] /= total
        return logits


@wrong("00.next_token", "The scores are squared, so a very negati")
class Squares:
    def next_token(logits, temperature):
        squares = [(x / temperature) ** 2 for x in logits]
        return [s / sum(squares) for s in squares]


@wrong("00.next_token", "Negative scores count as 0, and the rest")
class Relu:
    def next_token(logits, temperature):
        positive = [max(x, 0) / temperature for x in logits]
        return [p / (sum(positive) or 1) for p in positive]


@wrong("00.next_token", "The powers are those of 2, not of e.")
class TwoToThePower:
    def next_token(logits, temperature):
        powers = [2 ** (x / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "float division by zero")
class ClampsBelow700:
    def next_token(logits, temperature):
        powers = [math.exp(min(x / temperature, 700)) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "returned something that is a g")
class Generator:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return (p / sum(powers) for p in powers)


@wrong("00.next_token", "That's a tuple, and a list is asked for.")
class Tuple:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return tuple(p / sum(powers) for p in powers)


@wrong("00.next_token", "The result is right, but `next_token` goes")
class ByOddsAgainstEachOther:
    def next_token(logits, temperature):
        def gap(a, b):
            return math.exp(min(700, (b - a) / temperature))

        return [1 / sum(gap(a, b) for b in logits) for a in logits]


@wrong("00.next_token", "The result is right, but `next_token` goes")
class SumsAgainForEachPower:
    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((x - largest) / temperature) for x in logits]
        return [p / sum(powers) for p in powers]


@wrong("00.next_token", "The result is right, but `next_token` goes")
class LargestAgainForEachScore:
    def next_token(logits, temperature):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        total = sum(powers)
        return [p / total for p in powers]


@wrong("00.next_token", "The result is right, but `next_token` goes")
class LoopInALoop:
    def next_token(logits, temperature):
        largest, result = max(logits), []
        for logit in logits:
            total = 0
            for other in logits:
                total += math.exp((other - largest) / temperature)
            result.append(math.exp((logit - largest) / temperature) / total)
        return result
