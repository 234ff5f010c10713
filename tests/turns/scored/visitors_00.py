"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

from turn_answers import right, wrong

_BUFFER = []


def _shares_and_log_total(scaled, begin, end):
    if end - begin == 1:
        return [1.0], scaled[begin]
    middle = (begin + end) // 2
    left, log_left = _shares_and_log_total(scaled, begin, middle)
    others, log_others = _shares_and_log_total(scaled, middle, end)
    high = max(log_left, log_others)
    log_total = high + math.log(math.exp(log_left - high) + math.exp(log_others - high))
    of_left, of_others = math.exp(log_left - log_total), math.exp(log_others - log_total)
    return [of_left * share for share in left] + [of_others * share for share in others], log_total


def _bits(probabilities, begin, end):
    if end - begin == 0:
        return 0.0
    if end - begin == 1:
        return -math.log2(probabilities[begin])
    middle = (begin + end) // 2
    return _bits(probabilities, begin, middle) + _bits(probabilities, middle, end)


# --- 00.next_token


@wrong("00.next_token", "The result is right, but a later call changes it: it writes into what an earlier one retur")
class OneBufferForAllCalls:
    """Every call fills and returns the same list, so a result that was kept changes with the next call."""

    def next_token(logits, temperature):
        n = len(logits)
        del _BUFFER[n:]
        _BUFFER.extend([0.0] * (n - len(_BUFFER)))
        peak = max(logits)
        total = 0.0
        for i in range(n):
            _BUFFER[i] = math.exp((logits[i] - peak) / temperature)
            total += _BUFFER[i]
        for i in range(n):
            _BUFFER[i] /= total
        return _BUFFER


@wrong("00.next_token", "A probability is negative.")
class LastTakesTheRest:
    """The last token gets 1 minus the sum of the others, which is 0 or below 0 if its true share is tiny."""

    def next_token(logits, temperature):
        n = len(logits)
        peak = max(logits)
        total = sum(math.exp((logit - peak) / temperature) for logit in logits)
        result = [0.0] * n
        rest = 1.0
        for i in range(n - 1):
            result[i] = math.exp((logits[i] - peak) / temperature) / total
            rest -= result[i]
        result[n - 1] = rest
        return result


@right("00.next_token")
class OnePassWithRunningPeak:
    """One pass keeps the highest logit so far and a total that is scaled down whenever a higher one comes."""

    def next_token(logits, temperature):
        peak, total = logits[0] / temperature, 0.0
        for logit in logits:
            scaled = logit / temperature
            if scaled > peak:
                total *= math.exp(peak - scaled)
                peak = scaled
            total += math.exp(scaled - peak)
        result = [0.0] * len(logits)
        for i in range(len(logits)):
            result[i] = math.exp(logits[i] / temperature - peak) / total
        return result


@right("00.next_token")
class HalvesMerged:
    """The list is halved recursively, and the shares of both halves are weighted by the halves' own totals."""

    def next_token(logits, temperature):
        scaled = [logit / temperature for logit in logits]
        return _shares_and_log_total(scaled, 0, len(scaled))[0]


# --- 00.surprise


@right("00.surprise")
class HalvedText:
    """The text is halved recursively down to single tokens, and the surprises of both halves are added up."""

    def surprise(probabilities):
        return _bits(probabilities, 0, len(probabilities))
