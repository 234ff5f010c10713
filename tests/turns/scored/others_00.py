"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import functools
import itertools
import math
from collections import Counter

import numpy as np
from turn_answers import right, wrong

# --- 00.next_token


@wrong("00.next_token", "")
class ShiftedBeforeTheDial:
    """The largest logit isn't divided by the temperature before it is subtracted, so powers over- or underflow."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp(logit / temperature - largest) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The probabilities are rounded.")
class SharesAsInTheTable:
    """Rounds to three digits as in the table: small shares become 0, and the sum isn't 1."""

    def next_token(logits, temperature):
        top = max(logits)
        powers = [math.exp((logit - top) / temperature) for logit in logits]
        total = sum(powers)
        return [round(power / total, 3) for power in powers]


@wrong("00.next_token", "")
class PowersInADictionary:
    """Keeps the powers in a dictionary by logit, so equal logits count only once in the sum."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = {logit: math.exp((logit - largest) / temperature) for logit in logits}
        total = sum(powers.values())
        return [powers[logit] / total for logit in logits]


@wrong("00.next_token", "The probabilities are sorted.")
class BarsFromTheTop:
    """Returns the probabilities in order of size, so they no longer belong to their tokens."""

    def next_token(logits, temperature):
        ranked = sorted(logits, reverse=True)
        powers = [math.exp((logit - ranked[0]) / temperature) for logit in ranked]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "At a low temperature the likeliest token gets all.")
class GreedyWhenCold:
    """At low temperatures all goes to the top token, though every probability must be above 0."""

    def next_token(logits, temperature):
        largest = max(logits)
        if temperature < 0.2:
            best = logits.index(largest)
            return [1.0 if i == best else 0.0 for i in range(len(logits))]
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "")
class DialWithStops:
    """Holds the temperature between 0.1 and 2, so a dial at 5 acts like 2."""

    def next_token(logits, temperature):
        temperature = min(max(temperature, 0.1), 2.0)
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The scores are rounded down to whole numbers before `math.exp`.")
class FloorDivision:
    """`//` cuts the divided logits down to whole numbers."""

    def next_token(logits, temperature):
        scaled = [logit // temperature for logit in logits]
        largest = max(scaled)
        powers = [math.exp(logit - largest) for logit in scaled]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The temperature has no effect.")
class MissingParentheses:
    """`logit - largest / temperature` divides only the largest, so the dial does nothing."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp(logit - largest / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The powers are those of a rounded e.")
class EulerFromTheTable:
    """Uses 2.72 from the table in place of e."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [2.72 ** ((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "`next_token` returned something that is a generator, which has computed")
class LazyShares:
    """Round brackets make a generator, not a list: it has no length and is used up after one pass."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return (power / total for power in powers)


@wrong("00.next_token", "The result is 1.006 times the right one.")
class TotalOfTheTopTen:
    """Divides by the sum of the ten bars that one sees, not by the sum of all powers."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(sorted(powers, reverse=True)[:10])
        return [power / total for power in powers]


@wrong("00.next_token", "")
class SafeDenominator:
    """Adds 1e-8 to the sum without shifting the logits, which swamps it when all logits are low."""

    def next_token(logits, temperature):
        powers = [math.exp(logit / temperature) for logit in logits]
        total = sum(powers) + 1e-8
        return [power / total for power in powers]


@wrong("00.next_token", "")
class ZeroIsFalsy:
    """`if logit` takes a logit of 0 for a missing one and gives it no probability."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) if logit else 0.0 for logit in logits]
        total = sum(powers) or 1.0
        return [power / total for power in powers]


@wrong("00.next_token", "That's the number of a token.")
class PicksTheToken:
    """Returns the likeliest token's number in place of all the probabilities."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        probabilities = [power / total for power in powers]
        return max(range(len(probabilities)), key=lambda i: probabilities[i])


@wrong("00.next_token", "")
class SharpenedAfterwards:
    """Raises the finished shares to the power 1/temperature and doesn't divide by their sum again."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp(logit - largest) for logit in logits]
        total = sum(powers)
        return [(power / total) ** (1 / temperature) for power in powers]


@wrong("00.next_token", "")
class MaximumFromZero:
    """The search for the largest starts at 0, so if all logits are far below 0, all powers underflow."""

    def next_token(logits, temperature):
        largest = 0
        for logit in logits:
            if logit > largest:
                largest = logit
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "")
class DialOnlyAboveOne:
    """Divides by the temperature only above 1, so low temperatures don't sharpen."""

    def next_token(logits, temperature):
        if temperature > 1:
            logits = [logit / temperature for logit in logits]
        largest = max(logits)
        powers = [math.exp(logit - largest) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The result has 1e-06 in place of 8.13e-17 at [2].")
class LiftedAboveZero:
    """Lifts small probabilities to 1e-6 to keep them above 0, and the sum grows past 1."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return [max(power / total, 1e-6) for power in powers]


@right("00.next_token")
class OnlineSoftmax:
    """One pass with a running maximum that rescales the sum, as in flash attention."""

    def next_token(logits, temperature):
        m, s = -math.inf, 0.0
        for logit in logits:
            z = logit / temperature
            if z > m:
                s = s * math.exp(m - z) + 1.0
                m = z
            else:
                s += math.exp(z - m)
        return [math.exp(logit / temperature - m) / s for logit in logits]


@right("00.next_token")
class ThroughTheLogarithm:
    """Subtracts the logarithm of the sum in the exponent and never divides."""

    def next_token(logits, temperature):
        z = [logit / temperature for logit in logits]
        m = max(z)
        log_total = m + math.log(math.fsum(math.exp(v - m) for v in z))
        return [math.exp(v - log_total) for v in z]


@right("00.next_token")
class CountsEqualLogits:
    """Computes each different logit once and counts how often it occurs."""

    def next_token(logits, temperature):
        counts = Counter(logits)
        top = max(counts)
        power = {v: math.exp((v - top) / temperature) for v in counts}
        total = sum(n * power[v] for v, n in counts.items())
        return [power[v] / total for v in logits]


@right("00.next_token")
class NumpyAndBack:
    """Numpy inside, a plain list outside."""

    def next_token(logits, temperature):
        z = np.array(logits, dtype=np.float64) / temperature
        e = np.exp(z - z.max())
        return (e / e.sum()).tolist()


@right("00.next_token")
class HelperInside:
    """A helper function inside, and the sum kept in the loop."""

    def next_token(logits, temperature):
        def warmed(logit):
            return logit / temperature

        hottest = warmed(sorted(logits)[-1])
        shares = []
        total = 0
        for logit in logits:
            shares.append(math.exp(warmed(logit) - hottest))
            total += shares[-1]
        for i in range(len(shares)):
            shares[i] /= total
        return shares


# --- 00.surprise


@wrong("00.surprise", "The product of all probabilities is rounded to 0, and the surprise of 0 is")
class ProductWithAGuard:
    """Multiplies all probabilities first"""

    def surprise(probabilities):
        p = math.prod(probabilities)
        if p == 0:
            return math.inf
        return -math.log2(p)


@wrong("00.surprise", "")
class TwoDigitsEach:
    """Rounds each token's bits to two digits before adding, and the errors pile up."""

    def surprise(probabilities):
        return sum(round(-math.log2(p), 2) for p in probabilities)


@wrong("00.surprise", "Each token's surprise is rounded up to whole bits.")
class CountsTheHalvings:
    """Counts whole halvings, so anything but a power of 1/2 is rounded up to whole bits."""

    def surprise(probabilities):
        bits = 0
        for p in probabilities:
            while p < 1:
                p *= 2
                bits += 1
        return bits


@wrong("00.surprise", "Equal probabilities count once.")
class EachProbabilityOnce:
    """A set drops tokens whose probability occurred before."""

    def surprise(probabilities):
        return sum(-math.log2(p) for p in set(probabilities))


@wrong("00.surprise", "The first token is left out.")
class FirstTokenIsFree:
    """Leaves out the first token, though it has a probability too."""

    def surprise(probabilities):
        return sum(-math.log2(p) for p in probabilities[1:])


@wrong("00.surprise", "That's a surprise for each token.")
class OnePerToken:
    """Returns the surprise of each token, not that of the text."""

    def surprise(probabilities):
        return [-math.log2(p) for p in probabilities]


@wrong("00.surprise", "Each surprise is weighted by its probability: this is the formula of")
class EntropyFormula:
    """Weights each surprise with its probability, which is the formula of entropy."""

    def surprise(probabilities):
        return -sum(p * math.log2(p) for p in probabilities)


@wrong("00.surprise", "The result is the perplexity: 2 to the power of the mean surprise.")
class PerplexityInstead:
    """Returns the perplexity, 2 to the mean surprise, in place of the bits."""

    def surprise(probabilities):
        bits = sum(-math.log2(p) for p in probabilities)
        return 2 ** (bits / len(probabilities))


@wrong("00.surprise", "This is the surprise of every token not coming: 1 - p in place of p.")
class OfTheOthers:
    """Takes the logarithm of 1 - p, the probability that something else had come; only at 1/2 is it the same."""

    def surprise(probabilities):
        return sum(-math.log2(1 - p) for p in probabilities)


@wrong("00.surprise", "")
class ReduceWithoutAStart:
    """Reduce without a start value takes the first probability itself for the sum so far."""

    def surprise(probabilities):
        return functools.reduce(lambda bits, p: bits - math.log2(p), probabilities)


@wrong("00.surprise", "`surprise` changed the input that it was given; work on a copy.")
class UsesUpTheList:
    """Pop empties the caller's list, which the page still needs for its length."""

    def surprise(probabilities):
        bits = 0.0
        while probabilities:
            bits -= math.log2(probabilities.pop())
        return bits


@wrong("00.surprise", "`bits` still holds what earlier calls have put into it, and that changes")
class DefaultListRemembers:
    """The default list is made once, so each call adds the bits of all earlier texts."""

    def surprise(probabilities, bits=[]):  # noqa: B006
        for p in probabilities:
            bits.append(-math.log2(p))
        return sum(bits)


@wrong("00.surprise", "")
class OneInHowMany:
    """`1 // p` rounds "one in how many" down, which is right only for 1/2, 1/4, 1/8 and the like."""

    def surprise(probabilities):
        return sum(math.log2(1 // p) for p in probabilities)


@wrong("00.surprise", "The probabilities are averaged before the logarithm, and the result is")
class LogarithmOfTheMean:
    """Averages the probabilities and takes one logarithm times the length; the logarithm must come first."""

    def surprise(probabilities):
        n = len(probabilities)
        return -math.log2(sum(probabilities) / n) * n


@wrong("00.surprise", "The surprises are multiplied.")
class MultipliesTheBits:
    """Multiplies the surprises; probabilities multiply, surprises add up."""

    def surprise(probabilities):
        return math.prod(-math.log2(p) for p in probabilities)


@wrong("00.surprise", "The result is 1.005 times the right one.")
class LnTwoFromMemory:
    """Converts nats to bits with 0.69 for ln 2, which is half a percent off."""

    def surprise(probabilities):
        return sum(-math.log(p) / 0.69 for p in probabilities)


@wrong("00.surprise", "That's text.")
class AsText:
    """Returns a string like '3.00 bits', not a number."""

    def surprise(probabilities):
        bits = sum(-math.log2(p) for p in probabilities)
        return f"{bits:.2f} bits"


@wrong("00.surprise", "")
class NormalizedFirst:
    """Scales the probabilities to add up to 1, but they belong to different guesses."""

    def surprise(probabilities):
        total = sum(probabilities)
        return sum(-math.log2(p / total) for p in probabilities)


@wrong("00.surprise", "The result is 0.")
class StopsWhenCertain:
    """Break in place of continue: a certain token ends the count."""

    def surprise(probabilities):
        bits = 0.0
        for p in probabilities:
            if p == 1:
                break
            bits += -math.log2(p)
        return bits


@wrong("00.surprise", "`surprise` goes more than 1,000 calls deep.")
class OneCallPerToken:
    """Recursion, one call per token: a text of a thousand tokens or more ends in a RecursionError."""

    def surprise(probabilities):
        def rest(i):
            if i == len(probabilities):
                return 0.0
            return -math.log2(probabilities[i]) + rest(i + 1)

        return rest(0)


@wrong("00.surprise", "")
class CoinTossIsTheLeast:
    """Counts only tokens less likely than a coin toss; likelier ones carry part of a bit, too."""

    def surprise(probabilities):
        return sum(-math.log2(p) for p in probabilities if p <= 1 / 2)


@right("00.surprise")
class LogarithmToBaseOneHalf:
    """Base 1/2 needs no minus."""

    def surprise(probabilities):
        return math.fsum(math.log(p, 0.5) for p in probabilities)


@right("00.surprise")
class GroupedByCounter:
    """Equal probabilities are counted and multiplied."""

    def surprise(probabilities):
        return sum(-math.log2(p) * n for p, n in Counter(probabilities).items())


@right("00.surprise")
class MantissaAndExponent:
    """Multiplies the probabilities, but keeps the exponent apart so that nothing underflows."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for p in probabilities:
            mantissa, e = math.frexp(mantissa * p)
            exponent += e
        return -(math.log2(mantissa) + exponent)


@right("00.surprise")
class ReduceFromZero:
    """Reduce, with a start value."""

    def surprise(probabilities):
        return functools.reduce(lambda bits, p: bits - math.log2(p), probabilities, 0.0)


@right("00.surprise")
class LastOfTheRunningSums:
    """Keeps all running sums and returns the last."""

    def surprise(probabilities):
        *_, total = itertools.accumulate(map(math.log2, probabilities))
        return abs(total)
