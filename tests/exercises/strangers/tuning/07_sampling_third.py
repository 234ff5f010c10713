"""Answers to assignment 07 from its text alone; this set served to tune the checks."""

import heapq
import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong

# 07.1


@wrong("07.1", "subtracts the presence, too, once for each time that the token was written")
def presence_each_time(logits, written, presence, frequency):
    new = logits.clone()
    for token in written:
        new[token] -= presence + frequency
    return new


@wrong("07.1", "subtracts with a list as index, which counts a repeated id only once")
def index_counts_once(logits, written, presence, frequency):
    new = logits.clone()
    ids = torch.tensor(written, dtype=torch.long)
    new[ids] -= frequency
    new[ids.unique()] -= presence
    return new


@wrong("07.1", "subtracts from the logits that it was given, in place")
def changes_its_input(logits, written, presence, frequency):
    for token in written:
        logits[token] -= frequency
    for token in set(written):
        logits[token] -= presence
    return logits


@wrong("07.1", "gives back the caller's own tensor if nothing was written")
def same_tensor_for_nothing(logits, written, presence, frequency):
    if len(written) == 0:
        return logits
    counts = torch.bincount(torch.tensor(written), minlength=len(logits))
    return logits - presence * (counts > 0) - frequency * counts


@wrong("07.1", "takes the frequency to be a share of the text and divides the counts by its length")
def relative_frequency(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    return logits - presence * (counts > 0) - frequency * counts / max(1, len(written))


@wrong("07.1", "takes the frequency for repetitions only: the first time costs nothing but the presence")
def first_time_is_free(logits, written, presence, frequency):
    new = logits.clone()
    for token, times in Counter(written).items():
        new[token] -= presence + frequency * (times - 1)
    return new


@wrong("07.1", "collects the penalties in a tensor of whole numbers, which cuts off their fractions")
def whole_number_penalties(logits, written, presence, frequency):
    penalty = torch.zeros(len(logits), dtype=torch.long)
    for token in set(written):
        penalty[token] = presence + frequency * written.count(token)
    return logits - penalty


@wrong("07.1", "pushes a negative logit upwards, by analogy with the repetition penalty that looks at the sign")
def looks_at_the_sign(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    penalty = presence * (counts > 0) + frequency * counts
    return torch.where(logits > 0, logits - penalty, logits + penalty)


@right("07.1")
def compares_each_with_each(logits, written, presence, frequency):
    ids = np.asarray(written, dtype=np.int64).reshape(1, -1)
    counts = (np.arange(logits.numel())[:, None] == ids).sum(1)
    penalty = np.where(counts > 0, presence, 0.0) + frequency * counts
    return (logits.double() - torch.from_numpy(penalty)).to(logits.dtype)


@right("07.1")
def first_and_later_times(logits, written, presence, frequency):
    values, seen = logits.tolist(), set()
    for token in written:
        if token not in seen:
            values[token] -= presence
            seen.add(token)
        values[token] -= frequency
    return torch.tensor(values, dtype=logits.dtype)


# 07.2


@wrong("07.2", "mends the row that is protected, but still drops the token that crosses p")
def crossing_token_dropped(logits, p):
    ordered, order = logits.sort(descending=True)
    drop = ordered.softmax(-1).cumsum(-1) > p[:, None]
    drop[:, 0] = False
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.2", "shifts the mask by one but fills the gap from the far end, so the likeliest token is lost")
def rolled_around(logits, p):
    ordered, order = logits.sort(descending=True)
    drop = (ordered.softmax(-1).cumsum(-1) >= p[:, None]).roll(1, dims=-1)
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.2", "brings the mask back with the order itself in place of its inverse")
def order_for_its_inverse(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order), -math.inf)


@wrong("07.2", "leaves the logits in sorted order")
def stays_sorted(logits, p):
    ordered = logits.sort(descending=True).values
    held = ordered.softmax(-1)
    return ordered.masked_fill(held.cumsum(-1) - held >= p[:, None], float("-inf"))


@wrong("07.2", "cuts every text at the p of the first one")
def p_of_the_first(logits, p):
    ordered, order = torch.sort(logits, dim=-1, descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= float(p[0])
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)


@wrong("07.2", "gives back new log-probabilities of the nucleus in place of the logits as they were")
def renormalised_afterwards(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = torch.empty_like(order, dtype=torch.bool)
    drop.scatter_(-1, order, held.cumsum(-1) - held >= p[:, None])
    return logits.masked_fill(drop, -math.inf).log_softmax(-1)


@wrong("07.2", "writes minus infinity into the logits that it was given")
def cuts_in_place(logits, p):
    for row, own_p in zip(logits, p, strict=True):
        held, order = row.softmax(-1).sort(descending=True)
        row[order[held.cumsum(-1) - held >= own_p]] = -math.inf
    return logits


@wrong("07.2", "keeps one token more than the nucleus needs")
def one_too_many(logits, p):
    out = torch.full_like(logits, -math.inf)
    for b in range(len(logits)):
        held, order = logits[b].softmax(-1).sort(descending=True)
        enough = int((held.cumsum(-1) < p[b]).sum()) + 1
        keep = order[: enough + 1]
        out[b, keep] = logits[b, keep]
    return out


@right("07.2")
def all_likelier_ones_summed(logits, p):
    share = logits.double().softmax(-1)
    likelier = logits[:, None, :] > logits[:, :, None]
    before = torch.where(likelier, share[:, None, :], 0.0).sum(-1)
    return torch.where(before < p.double().unsqueeze(-1), logits, -torch.inf)


@right("07.2")
def takes_until_it_is_enough(logits, p):
    rows = []
    for row, own in zip(logits.tolist(), p.tolist(), strict=True):
        top = max(row)
        weights = [math.exp(v - top) for v in row]
        whole, got, kept = math.fsum(weights), 0.0, set()
        for i in sorted(range(len(row)), key=row.__getitem__, reverse=True):
            if got / whole >= own:
                break
            got += weights[i]
            kept.add(i)
        rows.append([v if i in kept else -math.inf for i, v in enumerate(row)])
    return torch.tensor(rows, dtype=logits.dtype)


# 07.3


@wrong("07.3", "measures the entropy in bits, with the logarithm to base 2")
def entropy_in_bits(logits, entropy):
    logits = logits[logits.isfinite()].double()
    low, high = 1e-9, 1e9
    for _ in range(200):
        middle = math.sqrt(low * high)
        q = (logits / middle).softmax(-1)
        if -(q * q.clamp(min=1e-300).log2()).sum() < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "looks between 0.01 and 100 only, and the answer may lie outside")
def range_too_small(logits, entropy):
    low, high = 0.01, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        q = (logits.double() / middle).softmax(-1)
        if torch.special.entr(q).sum() < entropy:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@wrong("07.3", "lets a cut token add 0 times minus infinity, and the entropy becomes NaN")
def nan_for_cut_tokens(logits, entropy):
    low, high = 1e-8, 1e8
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        log_q = (logits.double() / middle).log_softmax(-1)
        if -(log_q.exp() * log_q).sum() < entropy:
            low = middle
        else:
            high = middle
    return low


@wrong("07.3", "gives back the number that the logits are multiplied with, one over the temperature")
def one_over_temperature(logits, entropy):
    z = logits[logits > -math.inf].double()
    low, high = 1e-9, 1e9
    for _ in range(200):
        beta = math.sqrt(low * high)
        if torch.special.entr(torch.softmax(beta * z, 0)).sum().item() > entropy:
            low = beta
        else:
            high = beta
    return beta


@wrong("07.3", "takes the best of a fixed grid of temperatures, which is not right to five digits")
def best_of_a_grid(logits, entropy):
    kept = logits[torch.isfinite(logits)].double()
    grid = torch.logspace(-7, 7, 3000, dtype=torch.float64)
    q = (kept / grid[:, None]).softmax(-1)
    return float(grid[(torch.special.entr(q).sum(-1) - entropy).abs().argmin()])


@wrong("07.3", "puts 0 in place of minus infinity, so that a cut token comes back")
def cut_tokens_come_back(logits, entropy):
    z = torch.where(logits.isfinite(), logits, torch.zeros_like(logits)).double()
    low, high = -20.0, 20.0
    for _ in range(100):
        middle = (low + high) / 2
        q = (z / math.exp(middle)).softmax(-1)
        if torch.special.entr(q).sum() < entropy:
            low = middle
        else:
            high = middle
    return math.exp(middle)


@wrong("07.3", "takes minus the logarithm of the largest probability for the entropy")
def surprise_of_the_best(logits, entropy):
    z = logits[logits.isfinite()].double()
    z = z - z.max()
    low, high = 1e-9, 1e9
    for _ in range(200):
        middle = math.sqrt(low * high)
        if torch.logsumexp(z / middle, 0) < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "scales the logits to standard deviation 1 and forgets to scale the temperature back")
def unit_of_logits_lost(logits, entropy):
    z = logits[logits.isfinite()].double()
    z = (z - z.mean()) / z.std()
    low, high = 1e-9, 1e9
    for _ in range(200):
        middle = math.sqrt(low * high)
        if torch.special.entr((z / middle).softmax(-1)).sum() < entropy:
            low = middle
        else:
            high = middle
    return middle


@right("07.3")
def brackets_by_doubling_numpy(logits, entropy):
    z = logits.detach().double().numpy()
    z = z[z > -np.inf]
    z = z - z.max()

    def too_cold(t):
        w = np.exp(z / t)
        return math.log(w.sum()) - (w * z).sum() / w.sum() / t < entropy

    low = high = 1.0
    while not too_cold(low):
        low /= 2
    while too_cold(high):
        high *= 2
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return float(middle)
        if too_cold(middle):
            low = middle
        else:
            high = middle


@right("07.3")
def newton_between_two_walls(logits, entropy):
    z = logits[logits != -math.inf].double()
    z = z - z.max()
    low, high, s = -40.0, 40.0, math.log(float(-z.min()))  # s is the logarithm of the temperature
    for _ in range(300):
        x = z / math.exp(s)
        q = x.softmax(0)
        gap = torch.special.entr(q).sum().item() - entropy
        if gap < 0:
            low = s
        else:
            high = s
        slope = ((q * x * x).sum() - (q * x).sum() ** 2).item()  # dH/ds is the variance of x
        step = s - gap / slope if slope > 1e-12 else math.inf
        s = step if low < step < high else (low + high) / 2
    return math.exp(s)


# 07.4


@wrong("07.4", "keeps the best by the bare sum in each round and divides by the length only at the end")
def length_only_at_the_end(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for text, total in beam:
            if text and text[-1] == end:
                candidates.append((text, total))
                continue
            last = text[-1] if text else start
            candidates += [(text + [v], total + log_p[last, v].item()) for v in range(len(log_p))]
        beam = sorted(candidates, key=lambda c: c[1], reverse=True)[:width]
    return max(beam, key=lambda c: c[1] / len(c[0]) ** power)[0]


@wrong("07.4", "puts finished texts aside, where they take no place in the beam and cannot be beaten out of it")
def finished_ones_aside(log_p, start, end, width, steps, power):
    def score(c):
        return c[1] / len(c[0]) ** power

    beam, done = [([], 0.0)], []
    for _ in range(steps):
        candidates = []
        for text, total in beam:
            row = log_p[text[-1] if text else start].tolist()
            candidates += [(text + [v], total + lp) for v, lp in enumerate(row)]
        done += [c for c in candidates if c[0][-1] == end]
        beam = sorted((c for c in candidates if c[0][-1] != end), key=score, reverse=True)[:width]
    return max(done + beam, key=score)[0]


@wrong("07.4", "does not count end among the new tokens when it divides by the length")
def end_is_not_counted(log_p, start, end, width, steps, power):
    def score(c):
        n = len(c[0]) - (c[0][-1] == end)
        return c[1] / max(n, 1) ** power

    beam = [((), 0.0)]
    for _ in range(steps):
        race = [c for c in beam if c[0] and c[0][-1] == end]
        for text, total in beam:
            if not text or text[-1] != end:
                last = ((start,) + text)[-1]
                race += [(text + (v,), total + float(log_p[last, v])) for v in range(log_p.shape[1])]
        beam = sorted(race, key=score, reverse=True)[:width]
    return list(beam[0][0])


@wrong("07.4", "keeps start in the text, so that a start which is end finishes it at once")
def start_can_finish(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        race = []
        for text, total in beam:
            if text[-1] == end:
                race.append((text, total))
            else:
                race += [(text + [v], total + log_p[text[-1], v].item()) for v in range(len(log_p))]
        race.sort(key=lambda c: c[1] / max(len(c[0]) - 1, 1) ** power, reverse=True)
        beam = race[:width]
    return beam[0][0][1:]


@wrong("07.4", "stops as soon as the best text is finished, though a longer one might still overtake it")
def stops_too_early(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        race = []
        for text, total in beam:
            if text and text[-1] == end:
                race.append((text, total))
                continue
            row = log_p[text[-1] if text else start]
            race += [(text + [v], total + row[v].item()) for v in range(len(row))]
        beam = sorted(race, key=lambda c: -c[1] / len(c[0]) ** power)[:width]
        if beam[0][0][-1] == end:
            break
    return beam[0][0]


@wrong("07.4", "divides by ((5 + n) / 6) to the power, the length penalty of Google's translator")
def penalty_of_the_paper(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        race = []
        for text, total in beam:
            if text[-1:] == [end]:
                race.append((text, total))
            else:
                row = log_p[(text or [start])[-1]].tolist()
                race += [(text + [v], total + lp) for v, lp in enumerate(row)]
        beam = sorted(race, key=lambda c: c[1] / ((5 + len(c[0])) / 6) ** power, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "stores the score that is divided already and adds the next log-probability to that")
def divides_again_and_again(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        race = []
        for text, score in beam:
            if text and text[-1] == end:
                race.append((text, score))
                continue
            n = len(text) + 1
            last = text[-1] if text else start
            for v in range(len(log_p)):
                race.append((text + [v], (score + log_p[last, v].item()) / n**power))
        beam = sorted(race, key=lambda c: c[1], reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "gives a finished text the preference in the end, even if an unfinished one has a higher score")
def prefers_the_finished(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        race = []
        for text, total in beam:
            if text and text[-1] == end:
                race.append((text, total))
            else:
                last = text[-1] if text else start
                race.extend((text + [v], total + log_p[last, v].item()) for v in range(len(log_p)))
        beam = sorted(race, key=lambda c: c[1] / len(c[0]) ** power, reverse=True)[:width]
    finished = [c for c in beam if c[0][-1] == end]
    return (finished or beam)[0][0]


@right("07.4")
def rounds_by_recursion(log_p, start, end, width, steps, power):
    table = log_p.tolist()

    def best(beam, rounds):
        if rounds == 0:
            return list(beam[0][2])
        race = []
        for score, total, text in beam:
            if text and text[-1] == end:
                race.append((score, total, text))
                continue
            for token, step in enumerate(table[text[-1] if text else start]):
                new = total + step
                race.append((new / (len(text) + 1) ** power, new, (*text, token)))
        return best(heapq.nlargest(width, race, key=lambda c: c[0]), rounds - 1)

    return best([(0.0, 0.0, ())], steps)


@right("07.4")
def beam_as_a_table(log_p, start, end, width, steps, power):
    size = log_p.shape[0]
    table = log_p.double()
    texts = torch.empty(1, 0, dtype=torch.long)  # -1 stands behind a finished text
    sums = torch.zeros(1, dtype=torch.float64)
    for n in range(1, steps + 1):
        done = (texts == end).any(1)
        last = texts[:, -1] if n > 1 else torch.tensor([start])
        live = (~done).nonzero()[:, 0]
        more = torch.cat((texts[live].repeat_interleave(size, 0), torch.arange(size).repeat(len(live))[:, None]), 1)
        still = torch.cat((texts[done], torch.full((int(done.sum()), 1), -1)), 1)
        texts = torch.cat((still, more))
        sums = torch.cat((sums[done], (sums[live, None] + table[last[live]]).flatten()))
        scores = sums / (texts >= 0).sum(1).double() ** power
        keep = scores.argsort(descending=True, stable=True)[:width]
        texts, sums = texts[keep], sums[keep]
    return [token for token in texts[0].tolist() if token >= 0]
