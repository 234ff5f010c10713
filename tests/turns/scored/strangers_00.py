"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import functools
import math
import random

import numpy as np
import torch
from turn_answers import right, wrong

p = 1 / 8  # as a cell of lesson 00 leaves it


# --- 00.next_token


@wrong("00.next_token", "The temperature works the other way round, as if the scores were multiplied by it.")
class TimesTemperature:
    """Multiplies the logits by the temperature in place of dividing, so the dial turns the wrong way."""

    def next_token(logits, temperature):
        scaled = [logit * temperature for logit in logits]
        top = max(scaled)
        powers = [math.exp(s - top) for s in scaled]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The temperature has no effect.")
class TemperatureNeverRead:
    """A plain softmax; the temperature isn't used at all."""

    def next_token(logits, temperature):
        largest = max(logits)
        exps = [math.exp(v - largest) for v in logits]
        total = sum(exps)
        return [e / total for e in exps]


@wrong("00.next_token", "The temperature has no effect.")
class TemperatureCancels:
    """Divides the powers by the temperature, not the logits; it cancels when dividing by the sum."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [math.exp(logit - m) / temperature for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "")
class TemperatureOnShares:
    """Divides the finished probabilities by the temperature, so they no longer add up to 1."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [math.exp(logit - m) for logit in logits]
        total = sum(powers)
        return [power / total / temperature for power in powers]


@wrong("00.next_token", "The temperature has no effect.")
class BracketsForgotten:
    """Without brackets, only the largest logit is divided by the temperature; the differences stay."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp(logit - largest / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The probabilities are rounded.")
class RoundedAsInTable:
    """Rounds to three digits as in the table, so rare tokens get exactly 0 and the sum isn't 1."""

    def next_token(logits, temperature):
        largest = max(logits)
        powers = [math.exp((logit - largest) / temperature) for logit in logits]
        total = sum(powers)
        return [round(power / total, 3) for power in powers]


@wrong("00.next_token", "The probabilities are sorted.")
class SortedLikeTheBars:
    """Returns the probabilities from large to small, so they no longer belong to their tokens."""

    def next_token(logits, temperature):
        ordered = sorted(logits, reverse=True)
        powers = [math.exp((logit - ordered[0]) / temperature) for logit in ordered]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The logarithm of the probabilities is returned.")
class LogProbabilities:
    """Returns the logarithms of the probabilities, which are negative."""

    def next_token(logits, temperature):
        scaled = [logit / temperature for logit in logits]
        m = max(scaled)
        lse = m + math.log(sum(math.exp(s - m) for s in scaled))
        return [s - lse for s in scaled]


@wrong("00.next_token", "")
class DictLosesTies:
    """Collects the powers in a dict with the logit as its key, so tokens with equal logits melt into one."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = {logit: math.exp((logit - m) / temperature) for logit in logits}
        total = sum(powers.values())
        return [power / total for power in powers.values()]


@wrong("00.next_token", "")
class TotalAtTemperatureOne:
    """The sum below the line is taken without the temperature, so the shares don't add up to 1."""

    def next_token(logits, temperature):
        m = max(logits)
        total = sum(math.exp(logit - m) for logit in logits)
        return [math.exp((logit - m) / temperature) / total for logit in logits]


@wrong("00.next_token", "At a low temperature the likeliest token gets all.")
class GreedyWhenCold:
    """At low temperatures it gives all to the likeliest token; the others must stay above 0."""

    def next_token(logits, temperature):
        if temperature <= 0.1:
            best = logits.index(max(logits))
            return [1.0 if i == best else 0.0 for i in range(len(logits))]
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "`next_token` changed the input that it was given; work on a copy.")
class WritesIntoLogits:
    """Divides the caller's list in place, so the next call starts from logits already divided."""

    def next_token(logits, temperature):
        for i in range(len(logits)):
            logits[i] /= temperature
        m = max(logits)
        powers = [math.exp(logit - m) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "")
class GeneratorUsedUp:
    """The powers are a generator, and the sum uses it up; the returned list is empty."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = (math.exp((logit - m) / temperature) for logit in logits)
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "That's a tensor or an array, and a list is asked for.")
class NumpyArrayOut:
    """Returns a numpy array in place of a list."""

    def next_token(logits, temperature):
        z = np.array(logits, dtype=float) / temperature
        e = np.exp(z - z.max())
        return e / e.sum()


@wrong("00.next_token", "")
class ListOverNumber:
    """`logits / temperature` works for tensors, but logits is a plain list: a TypeError."""

    def next_token(logits, temperature):
        logits = logits / temperature
        powers = [math.exp(logit) for logit in logits]
        return [power / sum(powers) for power in powers]


@wrong("00.next_token", "The likeliest token gets 1, and the powers are not divided by their sum.")
class LikeliestGetsOne:
    """Divides by the largest power in place of the sum, so the likeliest token has 1 and the sum is above it."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) for logit in logits]
        most = max(powers)
        return [power / most for power in powers]


@wrong("00.next_token", "That's the number of a token.")
class DrawsAToken:
    """Draws a token and returns its number, where the list of probabilities was asked for."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) for logit in logits]
        return random.choices(range(len(logits)), weights=powers)[0]


@wrong("00.next_token", "Only the ten likeliest tokens get something.")
class TopTenOnly:
    """Keeps the ten best tokens and gives the others 0, as the bars on the page suggest."""

    def next_token(logits, temperature):
        cut = sorted(logits, reverse=True)[:10][-1]
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) if logit >= cut else 0.0 for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "")
class LiftedAboveZero:
    """Lifts small probabilities to 0.0001 after dividing, so the sum is above 1."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) for logit in logits]
        total = sum(powers)
        return [max(power / total, 1e-4) for power in powers]


@wrong("00.next_token", "The smallest score is subtracted, and what is left is divided by its sum.")
class NoPowers:
    """Shifts the logits above 0 and divides by their sum; e to the power is missing."""

    def next_token(logits, temperature):
        low = min(logits)
        positive = [(logit - low) / temperature + 1e-9 for logit in logits]
        total = sum(positive)
        return [v / total for v in positive]


@wrong("00.next_token", "")
class WholeLogits:
    """Floor division cuts the divided logits to whole numbers."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [math.exp((logit - m) // temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "Softmax is taken twice.")
class SoftmaxTwice:
    """Applies softmax to the probabilities once more, which flattens them."""

    def next_token(logits, temperature):
        def soft(values):
            m = max(values)
            powers = [math.exp(v - m) for v in values]
            total = sum(powers)
            return [power / total for power in powers]

        return soft(soft([logit / temperature for logit in logits]))


@wrong("00.next_token", "")
class NormedFirst:
    """Brings the logits to a standard size (root mean square 1) first, as a norm does with vectors."""

    def next_token(logits, temperature):
        size = math.sqrt(sum(logit**2 for logit in logits) / len(logits)) + 1e-12
        scaled = [logit / size / temperature for logit in logits]
        m = max(scaled)
        powers = [math.exp(s - m) for s in scaled]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "")
class DialOnlyBelowOne:
    """Uses the temperature only below 1; above 1, where the shares should move closer, it's ignored."""

    def next_token(logits, temperature):
        if temperature > 1:
            temperature = 1
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "The powers are those of a rounded e.")
class ETwoPointSevenTwo:
    """Takes e for 2.72, the rounded entry of the table; at large logits that's off by percents."""

    def next_token(logits, temperature):
        m = max(logits)
        powers = [2.72 ** ((logit - m) / temperature) for logit in logits]
        total = sum(powers)
        return [power / total for power in powers]


@wrong("00.next_token", "Each power is divided by the sum of the others, without its own.")
class OddsNotShares:
    """Divides each power by the sum of the *other* powers: these are odds, not probabilities."""

    def next_token(logits, temperature):
        if len(logits) == 1:
            return [1.0]
        m = max(logits)
        powers = [math.exp((logit - m) / temperature) for logit in logits]
        total = sum(powers)
        return [power / max(total - power, 1e-300) for power in powers]


@right("00.next_token")
class LogSumExpLogits:
    """Subtracts the logarithm of the sum in the exponent, so there's no division."""

    def next_token(logits, temperature):
        scaled = [logit / temperature for logit in logits]
        m = max(scaled)
        log_total = m + math.log(math.fsum(math.exp(s - m) for s in scaled))
        return [math.exp(s - log_total) for s in scaled]


@right("00.next_token")
class NumpyInsideListOut:
    """Numpy in double precision inside, a plain list outside."""

    def next_token(logits, temperature):
        z = np.asarray(logits, dtype=np.float64) / temperature
        e = np.exp(z - z.max())
        return (e / e.sum()).tolist()


@right("00.next_token")
class CopyAndIndices:
    """C style with indices, writing into a copy of the list."""

    def next_token(logits, temperature):
        out = list(logits)
        big = out[0]
        for i in range(1, len(out)):
            if out[i] > big:
                big = out[i]
        total = 0.0
        for i in range(len(out)):
            out[i] = math.exp((out[i] - big) / temperature)
            total += out[i]
        for i in range(len(out)):
            out[i] /= total
        return out


@right("00.next_token")
class InverseTemperature:
    """Multiplies by 1 / temperature, with map in place of comprehensions."""

    def next_token(logits, temperature):
        largest = max(logits)
        inverse = 1 / temperature
        powers = list(map(lambda logit: math.exp(inverse * (logit - largest)), logits))
        total = math.fsum(powers)
        return list(map(lambda power: power / total, powers))


@right("00.next_token")
class TorchDouble:
    """The sampling line of nanoGPT, in double precision, and back to a list."""

    def next_token(logits, temperature):
        z = torch.tensor(logits, dtype=torch.float64) / temperature
        return torch.softmax(z, dim=-1).tolist()


# --- 00.surprise


@wrong("00.surprise", "The logarithm is the natural one, so the unit is the nat.")
class UsesNaturalLog:
    """Natural logarithm in place of base 2: nats, not bits."""

    def surprise(probabilities):
        return sum(-math.log(q) for q in probabilities)


@wrong("00.surprise", "This is the mean surprise per token.")
class PerToken:
    """The average per token (the loss) in place of the sum over the text."""

    def surprise(probabilities):
        bits = [-math.log2(q) for q in probabilities]
        return sum(bits) / len(bits)


@wrong("00.surprise", "")
class ProductUnderflows:
    """Multiplies first and takes one logarithm; for a long text the product is too small for a float."""

    def surprise(probabilities):
        return -math.log2(math.prod(probabilities))


@wrong("00.surprise", "That's a surprise for each token.")
class OneSurpriseEach:
    """Returns a list with the surprise of each token, not their sum."""

    def surprise(probabilities):
        return [-math.log2(q) for q in probabilities]


@wrong("00.surprise", "Each surprise is weighted by its probability: this is the formula of")
class EntropyNotSurprise:
    """Weights each surprise with its probability, which is the formula of the entropy."""

    def surprise(probabilities):
        return -sum(q * math.log2(q) for q in probabilities)


@wrong("00.surprise", "The first token is left out.")
class FirstTokenFree:
    """Leaves the first token out, as if it had been given; every entry of the list counts."""

    def surprise(probabilities):
        return sum(-math.log2(q) for q in probabilities[1:])


@wrong("00.surprise", "The probabilities are added up before the logarithm.")
class LogOfSum:
    """Adds the probabilities before the logarithm; it's their product that belongs to the text."""

    def surprise(probabilities):
        return -math.log2(sum(probabilities))


@wrong("00.surprise", "The probabilities are averaged before the logarithm, and the result is")
class LogOfAverage:
    """The surprise of the average probability, times the number of tokens."""

    def surprise(probabilities):
        n = len(probabilities)
        return -n * math.log2(sum(probabilities) / n)


@wrong("00.surprise", "Each surprise is 1 / p.")
class InverseProbability:
    """Adds up 1/p and forgets the logarithm."""

    def surprise(probabilities):
        return sum(1 / q for q in probabilities)


@wrong("00.surprise", "Surprise is not 1 - p.")
class OneMinus:
    """Takes 1 - p for the surprise; that stays below 1 however unlikely the token was."""

    def surprise(probabilities):
        return sum(1 - q for q in probabilities)


@wrong("00.surprise", "The result is the perplexity: 2 to the power of the mean surprise.")
class Perplexity:
    """Returns the perplexity, 2 to the average surprise."""

    def surprise(probabilities):
        bits = sum(-math.log2(q) for q in probabilities)
        return 2 ** (bits / len(probabilities))


@wrong("00.surprise", "Equal probabilities count once.")
class RepeatsCountOnce:
    """A dict from probability to surprise counts tokens with the same probability only once."""

    def surprise(probabilities):
        table = {q: -math.log2(q) for q in probabilities}
        return sum(table.values())


@wrong("00.surprise", "No token carries more than 20 bits: 1e-06 is added to p, or p can't fall")
class SafeLog:
    """Adds 0.000001 to each probability 'against log of 0', which caps the surprise of rare tokens at 20 bits."""

    def surprise(probabilities):
        eps = 1e-6
        return sum(-math.log2(q + eps) for q in probabilities)


@wrong("00.surprise", "`surprise` returned None.")
class PrintsBits:
    """Prints the surprise and returns nothing."""

    def surprise(probabilities):
        bits = sum(-math.log2(q) for q in probabilities)
        print(f"{bits:.2f} bits")


@wrong("00.surprise", "Only the last token counts.")
class EqualsMinus:
    """`=-` in place of `-=`: each token overwrites the total, so only the last counts."""

    def surprise(probabilities):
        total = 0.0
        for q in probabilities:
            total = -math.log2(q)
        return total


@wrong("00.surprise", "`bits` still holds what earlier calls have put into it, and that changes")
class RemembersLastText:
    """A list as default keeps the surprises of earlier calls, so the second text gets those of the first."""

    def surprise(probabilities, bits=[]):
        for q in probabilities:
            bits.append(-math.log2(q))
        return sum(bits)


@wrong("00.surprise", "Each token's surprise is rounded up to whole bits.")
class WholeBits:
    """Rounds each token up to whole bits, as if the bits had to be written down one token at a time."""

    def surprise(probabilities):
        return sum(math.ceil(-math.log2(q)) for q in probabilities)


@wrong("00.surprise", "Every token counts 3 bits, whatever its probability.")
class PageP:
    """The loop's variable has another name, so `p` is the 1/8 from the cell above: 3 bits for each token."""

    def surprise(probabilities):
        return sum(-math.log2(p) for probability in probabilities)


@wrong("00.surprise", "Only the most surprising token counts.")
class WorstToken:
    """Returns the surprise of the least likely token alone."""

    def surprise(probabilities):
        return max(-math.log2(q) for q in probabilities)


@wrong("00.surprise", "Early tokens count again and again: the logarithm of a running product is")
class RunningProduct:
    """Adds the logarithm of the running product for each token, so early tokens are counted again and again."""

    def surprise(probabilities):
        text, total = 1.0, 0.0
        for q in probabilities:
            text *= q
            total -= math.log2(text)
        return total


@wrong("00.surprise", "Each token's surprise is rounded down to whole bits.")
class CoinTosses:
    """Counts how often 1/p can be halved as a whole number; right for 1/2, 1/4, 1/8 only."""

    def surprise(probabilities):
        return sum(int(1 / q).bit_length() - 1 for q in probabilities)


@wrong("00.surprise", "That's text.")
class TextWithUnit:
    """Returns a text with two digits and a unit, copied from the cell above, in place of a number."""

    def surprise(probabilities):
        return f"{sum(-math.log2(q) for q in probabilities):.2f} bits"


@wrong("00.surprise", "Each surprise is 1 over what it should be.")
class LogArgumentsSwapped:
    """Math.log(2, p) is the logarithm of 2 to the base p; number and base are swapped."""

    def surprise(probabilities):
        return sum(-math.log(2, q) for q in probabilities)


@wrong("00.surprise", "`surprise` goes more than 1,000 calls deep.")
class Recursive:
    """One call within the other for each token"""

    def surprise(probabilities):
        def rest(ps):
            if not ps:
                return 0.0
            return -math.log2(ps[0]) + rest(ps[1:])

        return rest(probabilities)


@wrong("00.surprise", "Tokens with 1/2 or more are left out.")
class LikelyIsNoSurprise:
    """Counts only tokens below 1/2; a likely token carries a little surprise, too."""

    def surprise(probabilities):
        return sum(-math.log2(q) for q in probabilities if q < 0.5)


@wrong("00.surprise", "This is the surprise of every token not coming: 1 - p in place of p.")
class LogOfComplement:
    """Takes the logarithm of 1 - p, so the tokens that the model expected count most."""

    def surprise(probabilities):
        return sum(-math.log2(max(1 - q, 1e-300)) for q in probabilities)


@right("00.surprise")
class MinusEquals:
    """A loop that subtracts from 0."""

    def surprise(probabilities):
        total = 0.0
        for q in probabilities:
            total -= math.log2(q)
        return total


@right("00.surprise")
class ChangeOfBase:
    """Natural logarithms, summed exactly and divided by ln 2 at the end."""

    def surprise(probabilities):
        return -math.fsum(map(math.log, probabilities)) / math.log(2)


@right("00.surprise")
class ProductWithExponent:
    """Multiplies as the text says, but keeps the exponent apart, so nothing underflows."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for q in probabilities:
            m, e = math.frexp(mantissa * q)
            mantissa, exponent = m, exponent + e
        return -(math.log2(mantissa) + exponent)


@right("00.surprise")
class Reduced:
    """Functools.reduce with a start of 0."""

    def surprise(probabilities):
        return functools.reduce(lambda bits, q: bits - math.log2(q), probabilities, 0.0)


@right("00.surprise")
class NumpyLogTwo:
    """Numpy's log2 over the whole list, as a Python float."""

    def surprise(probabilities):
        return float(-np.log2(np.array(probabilities, dtype=float)).sum())
