"""Wrong answers to 00.surprise: other logarithms, other sums, other units."""

import math

import torch
from turn_answers import wrong


@wrong("00.surprise", "The logarithm is the natural one, so the")
class SurpriseNaturalLog:
    def surprise(probabilities):
        return sum(-math.log(p) for p in probabilities)


@wrong("00.surprise", "The sign is missing: the result is the l")
class SurpriseNoSign:
    def surprise(probabilities):
        return sum(math.log2(p) for p in probabilities)


@wrong("00.surprise", "The logarithm is the natural one, and th")
class SurpriseNaturalNoSign:
    def surprise(probabilities):
        return sum(math.log(p) for p in probabilities)


@wrong("00.surprise", "The logarithm has the base 10.")
class SurpriseTenLog:
    def surprise(probabilities):
        return -sum(math.log10(p) for p in probabilities)


@wrong("00.surprise", "This is the mean surprise per token.")
class SurpriseLoss:
    def surprise(probabilities):
        return -sum(math.log2(p) for p in probabilities) / len(probabilities)


@wrong("00.surprise", "This is the mean surprise per token, in")
class SurpriseLossInNats:
    def surprise(probabilities):
        return -sum(math.log(p) for p in probabilities) / len(probabilities)


@wrong("00.surprise", "The probabilities are added up before th")
class SurpriseLogOfTheSum:
    def surprise(probabilities):
        return -math.log2(sum(probabilities))


@wrong("00.surprise", "The probabilities are averaged before th")
class SurpriseLogOfTheMean:
    def surprise(probabilities):
        return -math.log2(sum(probabilities) / len(probabilities))


@wrong("00.surprise", "math domain error")
class SurpriseLogOfTheProduct:
    def surprise(probabilities):
        return -math.log2(math.prod(probabilities))


@wrong("00.surprise", "math domain error")
class SurpriseProductInALoop:
    def surprise(probabilities):
        p = 1
        for q in probabilities:
            p *= q
        return -math.log2(p)


@wrong("00.surprise", "Each surprise is weighted by its probabi")
class SurpriseEntropy:
    def surprise(probabilities):
        return -sum(p * math.log2(p) for p in probabilities)


@wrong("00.surprise", "Only the first token counts.")
class SurpriseFirstOnly:
    def surprise(probabilities):
        for p in probabilities:
            return -math.log2(p)


@wrong("00.surprise", "Only the last token counts.")
class SurpriseLastOnly:
    def surprise(probabilities):
        for p in probabilities:
            total = -math.log2(p)
        return total


@wrong("00.surprise", "Only the first token counts.")
class SurpriseReturnInTheLoop:
    def surprise(probabilities):
        total = 0
        for p in probabilities:
            total += -math.log2(p)
            return total


@wrong("00.surprise", "That's a surprise for each token.")
class SurpriseEachToken:
    def surprise(probabilities):
        return [-math.log2(p) for p in probabilities]


@wrong("00.surprise", "returned None.")
class SurprisePrinted:
    def surprise(probabilities):
        print(-sum(math.log2(p) for p in probabilities))


@wrong("00.surprise", "That's text.")
class SurpriseAsText:
    def surprise(probabilities):
        return f"{-sum(math.log2(p) for p in probabilities):.1f} bits"


@wrong("00.surprise", "must be real number, not list")
class SurpriseLogOfTheList:
    def surprise(probabilities):
        return -math.log2(probabilities)


@wrong("00.surprise", "bad operand type for unary -: 'list'")
class SurpriseMinusTheList:
    def surprise(probabilities):
        return sum(-probabilities)


@wrong("00.surprise", "name 'log2' is not defined")
class SurpriseLog2NotImported:
    def surprise(probabilities):
        return -sum(log2(p) for p in probabilities)  # noqa: F821


@wrong("00.surprise", "log2")
class SurpriseTorchOfAList:
    def surprise(probabilities):
        return -torch.log2(probabilities).sum()


@wrong("00.surprise", "'list' object has no attribute 'log2'")
class SurpriseListMethod:
    def surprise(probabilities):
        return -probabilities.log2().sum()


@wrong("00.surprise", "total")
class SurpriseNoBeginning:
    def surprise(probabilities):
        for p in probabilities:
            total -= math.log2(p)
        return total


@wrong("00.surprise", "The first token is left out.")
class SurpriseSkipsTheFirst:
    def surprise(probabilities):
        return -sum(math.log2(probabilities[i]) for i in range(1, len(probabilities)))


@wrong("00.surprise", "The last token is left out.")
class SurpriseSkipsTheLast:
    def surprise(probabilities):
        return -sum(math.log2(probabilities[i]) for i in range(len(probabilities) - 1))


@wrong("00.surprise", "list index out of range")
class SurpriseOneTooFar:
    def surprise(probabilities):
        return -sum(math.log2(probabilities[i + 1]) for i in range(len(probabilities)))


@wrong("00.surprise", "Surprise is not 1 - p.")
class SurpriseOneMinusP:
    def surprise(probabilities):
        return sum(1 - p for p in probabilities)


@wrong("00.surprise", "every token not coming")
class SurpriseLogOfOneMinusP:
    def surprise(probabilities):
        return -sum(math.log2(1 - p) for p in probabilities)


@wrong("00.surprise", "Each surprise is 1 / p.")
class SurpriseOneOverP:
    def surprise(probabilities):
        return sum(1 / p for p in probabilities)


@wrong("00.surprise", "Each token's surprise is rounded up to w")
class SurpriseCeiling:
    def surprise(probabilities):
        return sum(math.ceil(-math.log2(p)) for p in probabilities)


@wrong("00.surprise", "The result is rounded up to a whole numb")
class SurpriseCeilingOfTheSum:
    def surprise(probabilities):
        return math.ceil(-sum(math.log2(p) for p in probabilities))


@wrong("00.surprise", "The result is a whole number.")
class SurpriseRoundedSum:
    def surprise(probabilities):
        return round(-sum(math.log2(p) for p in probabilities))


@wrong("00.surprise", "The result is cut to a whole number.")
class SurpriseWholeNumber:
    def surprise(probabilities):
        return int(-sum(math.log2(p) for p in probabilities))


@wrong("00.surprise", "The surprise is rounded to one digit.")
class SurpriseOneDigit:
    def surprise(probabilities):
        return round(-sum(math.log2(p) for p in probabilities), 1)


@wrong("00.surprise", "The result is the perplexity: 2 to the p")
class SurprisePerplexity:
    def surprise(probabilities):
        return 2 ** (-sum(math.log2(p) for p in probabilities) / len(probabilities))


@wrong("00.surprise", "This is the probability of the text.")
class SurpriseTheProbability:
    def surprise(probabilities):
        return math.prod(probabilities)


@wrong("00.surprise", "Only the most surprising token counts.")
class SurpriseMostSurprising:
    def surprise(probabilities):
        return max(-math.log2(p) for p in probabilities)


@wrong("00.surprise", "The surprise is in bytes.")
class SurpriseBytes:
    def surprise(probabilities):
        return -sum(math.log2(p) for p in probabilities) / 8


@wrong("00.surprise", "'float' object is not iterable")
class SurpriseSumOfANumber:
    def surprise(probabilities):
        total = 0
        for p in probabilities:
            total += sum(-math.log2(p))
        return total


@wrong("00.surprise", "The surprise of the text is squared, or")
class SurpriseNestedLoop:
    def surprise(probabilities):
        total = 0
        for _ in probabilities:
            for p in probabilities:
                total -= math.log2(p)
        return total


@wrong("00.surprise", "The logarithm is the natural one, so the")
class SurpriseAbsoluteNatural:
    def surprise(probabilities):
        return abs(sum(math.log(p) for p in probabilities))


@wrong("00.surprise", "not enough values to unpack")
class SurpriseTwoTokens:
    def surprise(probabilities):
        p, q = probabilities
        return -math.log2(p) - math.log2(q)


@wrong("00.surprise", "The surprise is negative.")
class SurpriseRoot:
    def surprise(probabilities):
        return -sum(math.sqrt(p) for p in probabilities)


@wrong("00.surprise", "Each surprise is 1 over")
class SurpriseLogWithBaseFirst:
    def surprise(probabilities):
        return -sum(math.log(2, p) for p in probabilities)


@wrong("00.surprise", "")
class SurpriseBitLength:
    def surprise(probabilities):
        return sum(int(1 / p).bit_length() for p in probabilities)


@wrong("00.surprise", "goes more than 1,000 calls deep")
class SurpriseCallsItself:
    def surprise(probabilities):
        return surprise(probabilities[:1]) + surprise(probabilities[1:])  # noqa: F821


@wrong("00.surprise", "The surprises are multiplied.")
class SurpriseMultipliesSurprises:
    def surprise(probabilities):
        total = 1
        for p in probabilities:
            total *= -math.log2(p)
        return total


@wrong("00.surprise", "")
class SurpriseSkipsSmallOnes:
    def surprise(probabilities):
        return -sum(math.log2(p) for p in probabilities if p > 0.1)


@wrong("00.surprise", "")
class SurpriseFloorsAtEpsilon:
    def surprise(probabilities):
        return -sum(math.log2(p + 1e-2) for p in probabilities)
