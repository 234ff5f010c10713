"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

from turn_answers import right

# --- 00.next_token


@right("00.next_token")
class ByLogOfTheTotal:
    """Softmax as the power of each scaled logit minus the logarithm of the total, computed from the peak."""

    def next_token(logits, temperature):
        peak = max(logits) / temperature
        log_total = peak + math.log(math.fsum(math.exp(logit / temperature - peak) for logit in logits))
        return [math.exp(logit / temperature - log_total) for logit in logits]


@right("00.next_token")
class OnlineTotal:
    """Peak and total come from one pass that rescales the total whenever a larger logit turns up."""

    def next_token(logits, temperature):
        peak, total = -math.inf, 0.0
        for logit in logits:
            z = logit / temperature
            if z > peak:
                total, peak = total * math.exp(peak - z) + 1.0, z
            else:
                total += math.exp(z - peak)
        return list(map(lambda logit: math.exp(logit / temperature - peak) / total, logits))


# --- 00.surprise


@right("00.surprise")
class MantissaAndExponent:
    """The product is kept as a mantissa and a whole exponent by frexp, with one logarithm at the end."""

    def surprise(probabilities):
        mantissa, exponent = 1.0, 0
        for p in probabilities:
            piece, of_piece = math.frexp(p)
            mantissa, carried = math.frexp(mantissa * piece)
            exponent += of_piece + carried
        return -(exponent + math.log2(mantissa))


@right("00.surprise")
class HalfAndHalf:
    """The text is cut in halves by recursion, and the surprises of both are added."""

    def surprise(probabilities):
        def bits(start, end):
            if end - start < 2:
                return -math.log2(probabilities[start]) if start < end else 0.0
            middle = (start + end) // 2
            return bits(start, middle) + bits(middle, end)

        return bits(0, len(probabilities))
