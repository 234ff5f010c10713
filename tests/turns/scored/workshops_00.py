"""Answers to the turns of lesson 00, written from its text alone; checks changed after."""

import math

from turn_answers import right

# --- 00.next_token


@right("00.next_token")
class LogOfTheTotal:
    """Never divides powers: it subtracts the logarithm of the total from each scaled logit and raises e to that."""

    def next_token(logits, temperature):
        top = max(logits)
        scaled = [(logit - top) / temperature for logit in logits]
        log_total = math.log(math.fsum(map(math.exp, scaled)))
        return [math.exp(s - log_total) for s in scaled]


@right("00.next_token")
class RunningMaximum:
    """One pass keeps a running maximum and a total, rescaled whenever the maximum grows; a second pass divides."""

    def next_token(logits, temperature):
        peak, total = None, 0.0
        for logit in logits:
            if peak is None:
                peak, total = logit, 1.0
            elif logit <= peak:
                total += math.exp((logit - peak) / temperature)
            else:
                total = total * math.exp((peak - logit) / temperature) + 1.0
                peak = logit
        return [math.exp((logit - peak) / temperature) / total for logit in logits]


# --- 00.surprise
