"""Answers to assignment 07 from its text alone; this half served to tune the checks."""

import heapq
import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


@wrong("07.1", "indexing with repeated ids subtracts once only, so the frequency does not count repetitions")
def repeated_ids_are_one(logits, written, presence, frequency):
    out = logits.clone()
    ids = torch.tensor(written, dtype=torch.long)
    out[ids] -= presence
    out[ids] -= frequency
    return out


@wrong("07.1", "changes the logits that it was given")
def subtracts_in_place(logits, written, presence, frequency):
    for token in set(written):
        logits[token] -= presence + frequency * written.count(token)
    return logits


@wrong("07.1", "the presence is subtracted from all tokens, also from those that were never written")
def presence_for_all(logits, written, presence, frequency):
    counts = torch.zeros(len(logits))
    for token in written:
        counts[token] += 1
    return logits - (presence + counts * frequency)


@right("07.1")
def with_a_counter(logits, written, presence, frequency):
    out = logits.clone()
    for token, times in Counter(written).items():
        out[token] = logits[token] - (presence + frequency * times)
    return out


@wrong("07.1", "an empty list becomes a tensor of floats, with which bincount raises an error")
def empty_list_is_float(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written), minlength=len(logits))
    return logits - (counts > 0) * presence - counts * frequency


@wrong("07.1", "adds where it must subtract, so what was written becomes likelier")
def a_reward(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    penalty = (counts > 0) * -presence + counts * -frequency
    return logits - penalty


@right("07.1")
def first_time_and_every_time(logits, written, presence, frequency):
    out, seen = torch.clone(logits), set()
    for token in written:
        if token not in seen:
            seen.add(token)
            out[token] -= presence
        out[token] -= frequency
    return out


@wrong("07.1", "stops at zero: a logit may well become negative")
def never_below_zero(logits, written, presence, frequency):
    out = logits.clone()
    for token, times in Counter(written).items():
        out[token] = max(0.0, float(out[token]) - presence - frequency * times)
    return out


@wrong("07.1", "counts a token only where it follows itself directly")
def only_side_by_side(logits, written, presence, frequency):
    out = logits.clone()
    last = None
    for token in set(written):
        out[token] -= presence + frequency
    for token in written:
        if token == last:
            out[token] -= frequency
        last = token
    return out


@wrong("07.2", "drop[0] = False is still there, and keeps the whole first text")
def first_text_is_never_cut(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    drop[0] = False
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@right("07.2")
def text_by_text(logits, p):
    out = torch.full_like(logits, -math.inf)
    for b in range(logits.shape[0]):
        q = logits[b].double().softmax(0)
        total = 0.0
        for token in torch.argsort(q, descending=True).tolist():
            out[b, token] = logits[b, token]
            total += q[token].item()
            if total >= p[b].item():
                break
    return out


@wrong("07.2", "gathers with the order itself; the way back is its inverse, order.argsort(-1)")
def sorted_twice(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order), -math.inf)


@wrong("07.2", "sorts from the least likely token on, so the tail is kept")
def the_tail_is_kept(logits, p):
    ordered, order = logits.sort(dim=-1)
    held = ordered.softmax(-1)
    before = held.cumsum(-1) - held
    drop = (before >= p[:, None]).gather(-1, order.argsort(-1))
    return logits.masked_fill(drop, -math.inf)


@wrong("07.2", "gives the renormalised log-probabilities; the kept logits shall stay as they were")
def renormalised(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    cut = logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)
    return cut.log_softmax(-1)


@wrong("07.2", "masked_fill_ cuts the caller's logits")
def cuts_in_place(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill_(drop.gather(-1, order.argsort(-1)), -math.inf)


@right("07.2")
def in_numpy(logits, p):
    a = logits.detach().numpy().astype(np.float64)
    q = np.exp(a - a.max(axis=1, keepdims=True))
    q /= q.sum(axis=1, keepdims=True)
    order = np.argsort(-a, axis=1)
    running = np.cumsum(np.take_along_axis(q, order, axis=1), axis=1)
    n_kept = (running < p.detach().numpy().astype(np.float64)[:, None]).sum(axis=1) + 1
    keep = np.zeros(a.shape, dtype=bool)
    np.put_along_axis(keep, order, np.arange(a.shape[1])[None, :] < n_kept[:, None], axis=1)
    return logits.masked_fill(torch.from_numpy(~keep), float("-inf"))


@wrong("07.2", "keeps a share p of the vocabulary, not the tokens that hold p of the probability")
def a_share_of_the_vocabulary(logits, p):
    out = torch.full_like(logits, -math.inf)
    for b, row in enumerate(logits):
        n = max(1, math.ceil(float(p[b]) * len(row)))
        best = row.topk(n).indices
        out[b, best] = row[best]
    return out


@wrong("07.2", "keeps one token behind the one that crosses p")
def one_token_too_many(logits, p):
    ordered, order = logits.sort(descending=True)
    reached = ordered.softmax(-1).cumsum(-1) >= p[:, None]
    drop = torch.zeros_like(reached)
    drop[:, 2:] = reached[:, :-2]
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.3", "measures the entropy in bits (log2), but it is given in nats")
def in_bits(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-9, 1e9
    for _ in range(150):
        middle = math.sqrt(low * high)
        q = (kept / middle).softmax(-1)
        h = torch.special.entr(q).sum().item() / math.log(2)
        low, high = (middle, high) if h < entropy else (low, middle)
    return middle


@wrong("07.3", "fifteen rounds leave the fourth and fifth digit open")
def too_few_rounds(logits, entropy):
    kept = logits[torch.isfinite(logits)].double()
    low, high = 1e-6, 1e6
    for _ in range(15):
        middle = math.sqrt(low * high)
        if torch.special.entr((kept / middle).softmax(0)).sum() < entropy:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


@wrong("07.3", "gives 1 / T, by which the logits would be multiplied, in place of T")
def the_inverse(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-9, 1e9
    for _ in range(150):
        beta = math.sqrt(low * high)
        h = torch.special.entr((kept * beta).softmax(-1)).sum().item()
        if h > entropy:
            low = beta
        else:
            high = beta
    return beta


@right("07.3")
def brackets_grow_until_they_hold(logits, entropy):
    numbers = [float(v) for v in logits if v > -math.inf]
    top = max(numbers)

    def too_cold(t):
        powers = [math.exp((v - top) / t) for v in numbers]
        z = math.fsum(powers)
        # H = ln Z + mean of (top - v) / t
        return math.log(z) + math.fsum(w * (top - v) / t for w, v in zip(powers, numbers, strict=True)) / z < entropy

    t = top - min(numbers)
    low = high = t
    while not too_cold(low):
        low /= 2
    while too_cold(high):
        high *= 2
    for _ in range(100):
        t = (low + high) / 2
        low, high = (t, high) if too_cold(t) else (low, t)
    return t


@wrong("07.3", "a bare Newton iteration from T = 1 flies off where the curve is flat")
def newton_without_a_net(logits, entropy):
    v = logits[logits.isfinite()].double()
    t = 1.0
    for _ in range(100):
        q = (v / t).softmax(-1)
        mean = (q * v).sum()
        slope = (q * (v - mean) ** 2).sum().item() / t**3
        h = torch.special.entr(q).sum().item()
        if slope == 0:
            break
        t = abs(t - (h - entropy) / slope)
        if t == 0:
            break
    return t


@wrong("07.3", "minus infinity is replaced by -10,000, which is not far away where logits are thousands")
def not_far_enough_away(logits, entropy):
    z = logits.double().clamp(min=-1e4)
    low, high = 1e-9, 1e9
    for _ in range(150):
        middle = math.sqrt(low * high)
        log_q = (z / middle).log_softmax(-1)
        h = -(log_q.exp() * log_q).sum().item()
        if h < entropy:
            low = middle
        else:
            high = middle
    return middle


@right("07.3")
def finer_and_finer_grids(logits, entropy):
    kept = logits[logits > -math.inf].to(torch.float64)
    low, high = -30.0, 30.0  # logarithms of the temperature
    for _ in range(12):
        grid = torch.linspace(low, high, 101, dtype=torch.float64)
        log_q = (kept[None, :] / grid.exp()[:, None]).log_softmax(-1)
        h = -(log_q.exp() * log_q).sum(-1)
        i = int((h < entropy).sum().clamp(1, 100))
        low, high = grid[i - 1].item(), grid[i].item()
    return math.exp((low + high) / 2)


@wrong("07.3", "is rounded to four places behind the point, which is no digit at all for a small temperature")
def four_places(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-9, 1e9
    for _ in range(150):
        middle = math.sqrt(low * high)
        if torch.special.entr((kept / middle).softmax(-1)).sum().item() < entropy:
            low = middle
        else:
            high = middle
    return round(middle, 4)


@wrong("07.3", "only the two largest logits are looked at: right on the example, wrong for more tokens")
def as_if_there_were_two(logits, entropy):
    a, b = logits.double().topk(2).values.tolist()
    low, high = 1e-9, 1e9
    for _ in range(150):
        middle = math.sqrt(low * high)
        p = 1 / (1 + math.exp(max(-700.0, -(a - b) / middle)))
        h = -p * math.log(p) - (1 - p) * math.log(1 - p) if 0 < p < 1 else 0.0
        if h < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.4", "a text that has reached end is continued all the same")
def never_finished(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            last = tokens[-1] if tokens else start
            for token in range(len(log_p)):
                candidates.append((tokens + [token], total + log_p[last, token].item()))
        beam = sorted(candidates, key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    best = beam[0][0]
    return best[: best.index(end) + 1] if end in best else best


@right("07.4")
def with_a_heap_and_few_candidates(log_p, start, end, width, steps, power):
    # of one text more than `width` continuations can never be kept
    n_tokens = log_p.shape[1]
    beam = [(0.0, 0.0, ())]
    for _ in range(steps):
        race = []
        for score, total, text in beam:
            if text and text[-1] == end:
                race.append((score, total, text))
            else:
                row = log_p[text[-1] if text else start].double()
                values, tokens = row.topk(min(width, n_tokens))
                n = len(text) + 1
                for value, token in zip(values.tolist(), tokens.tolist(), strict=True):
                    race.append(((total + value) / n**power, total + value, (*text, token)))
        beam = heapq.nlargest(width, race)
    return list(max(beam)[2])


@wrong("07.4", "in the rounds the beam is chosen by the bare sum; the power is used at the end only")
def normalised_at_the_end_only(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            row = log_p[tokens[-1] if tokens else start]
            candidates.extend((tokens + [v], total + float(row[v])) for v in range(len(row)))
        candidates.sort(key=lambda text: text[1], reverse=True)
        beam = candidates[:width]
    return max(beam, key=lambda text: text[1] / len(text[0]) ** power)[0]


@wrong("07.4", "the answer begins with start, which is not a new token")
def start_in_the_answer(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if len(tokens) > 1 and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            for v, log in enumerate(log_p[tokens[-1]].tolist()):
                candidates.append((tokens + [v], total + log))
        beam = sorted(candidates, key=lambda t: t[1] / (len(t[0]) - 1) ** power, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "a start that is the end token counts as finished, so nothing is written")
def start_can_finish(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            for v, log in enumerate(log_p[tokens[-1]].tolist()):
                candidates.append((tokens + [v], total + log))
        beam = sorted(candidates, key=lambda t: t[1] / max(1, len(t[0]) - 1) ** power, reverse=True)[:width]
    return beam[0][0][1:]


@wrong("07.4", "only a finished text may win, even where an unfinished one has the higher score")
def only_finished_texts_win(log_p, start, end, width, steps, power):
    def score(text):
        return text[1] / len(text[0]) ** power

    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            last = tokens[-1] if tokens else start
            candidates += [([*tokens, v], total + log) for v, log in enumerate(log_p[last].tolist())]
        beam = sorted(candidates, key=score, reverse=True)[:width]
    finished = [text for text in beam if text[0][-1] == end]
    return max(finished or beam, key=score)[0]


@right("07.4")
def recursion_over_the_rounds(log_p, start, end, width, steps, power):
    rows = log_p.double().numpy()

    def total(text):
        return sum(float(rows[a, b]) for a, b in zip((start, *text), text, strict=False))

    def rank(text):
        return -total(text) / len(text) ** power

    def go(beam, left):
        if left == 0:
            return beam[0]
        race = [t for t in beam if t[-1:] == (end,)]
        race += [(*t, v) for t in beam if t[-1:] != (end,) for v in range(len(rows))]
        return go(sorted(race, key=rank)[:width], left - 1)

    return list(go([()], steps))


@wrong("07.4", "keeps only the best text for each last token (Viterbi), but two texts may end alike")
def best_for_each_last_token(log_p, start, end, width, steps, power):
    def score(text):
        return text[1] / len(text[0]) ** power

    beam = [([], 0.0)]
    for _ in range(steps):
        best = {}
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                new = [(tokens, total)]
            else:
                row = log_p[tokens[-1] if tokens else start].tolist()
                new = [(tokens + [v], total + log) for v, log in enumerate(row)]
            for text in new:
                key = text[0][-1]
                if key not in best or score(text) > score(best[key]):
                    best[key] = text
        beam = sorted(best.values(), key=score, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "keeps the score, already divided, as the sum, and divides it again in each round")
def divided_again_and_again(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, score in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, score))
                continue
            row = log_p[tokens[-1] if tokens else start].tolist()
            n = len(tokens) + 1
            for token in range(len(row)):
                candidates.append((tokens + [token], (score + row[token]) / n**power))
        beam = sorted(candidates, key=lambda t: t[1], reverse=True)[:width]
    return beam[0][0]
