"""Answers to assignment 07 from its text alone; this set is only scored."""

import heapq
import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


@wrong("07.1", "fancy indexing with -= subtracts the frequency once only for a repeated id")
def fancy_minus_equals(logits, written, presence, frequency):
    out = logits.clone()
    ids = torch.tensor(written, dtype=torch.long)
    out[ids] -= frequency
    out[ids.unique()] -= presence
    return out


@wrong("07.1", "subtracts the presence each time that a token was written, not once")
def presence_every_time(logits, written, presence, frequency):
    out = logits.clone()
    for i in written:
        out[i] -= presence + frequency
    return out


@wrong("07.1", "gives back the very tensor that it was given where nothing was written")
def same_tensor_if_empty(logits, written, presence, frequency):
    if not written:
        return logits
    counts = torch.bincount(torch.tensor(written), minlength=len(logits))
    return logits - presence * (counts > 0) - frequency * counts


@wrong("07.1", "divides the count by the length of the text, so frequency is a share and not a number of times")
def relative_frequency(logits, written, presence, frequency):
    out = logits.clone()
    for i, times in Counter(written).items():
        out[i] = out[i] - presence - frequency * times / len(written)
    return out


@wrong("07.1", "counts for the frequency only the repetitions after the first time")
def first_time_is_free(logits, written, presence, frequency):
    counts = torch.zeros_like(logits)
    for i in written:
        counts[i] += 1
    return logits - (counts > 0) * presence - (counts - 1).clamp(min=0) * frequency


@right("07.1")
def counted_by_comparison(logits, written, presence, frequency):
    hits = torch.tensor(written, dtype=torch.long)[None, :] == torch.arange(len(logits))[:, None]
    lowered = hits.any(1) * presence + hits.sum(1) * frequency
    return (logits - lowered).to(logits.dtype)


@wrong("07.2", "protects the first column but still drops the token that crosses p")
def column_in_place_of_row(logits, p):
    ordered, order = logits.sort(descending=True)
    drop = ordered.softmax(-1).cumsum(-1) > p[:, None]
    drop[:, 0] = False
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.2", "sends the mask through order and not through its inverse")
def order_is_not_places(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order), -math.inf)


@wrong("07.2", "writes the minus infinities into the very logits that it was given")
def cut_in_place(logits, p):
    ordered, order = logits.sort(dim=-1, descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    for row, places, gone in zip(logits, order, drop, strict=True):
        row[places[gone]] = -math.inf
    return logits


@wrong("07.2", "takes the smallest p of the batch for every text")
def strictest_reader(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p.min()
    out = torch.full_like(logits, -math.inf)
    return out.scatter(-1, order, ordered.masked_fill(drop, -math.inf))


@wrong("07.2", "keeps each token whose own probability is at least p times the best one's: that is min-p")
def min_p_by_mistake(logits, p):
    q = logits.softmax(-1)
    floor = q.amax(-1, keepdim=True) * p[:, None]
    return torch.where(q >= floor, logits, -math.inf)


@right("07.2")
def likelier_ones_by_comparison(logits, p):
    q = logits.softmax(-1)
    likelier = logits[:, None, :] > logits[:, :, None]
    before = (likelier * q[:, None, :]).sum(-1)
    return torch.where(before < p[:, None], logits, torch.full_like(logits, -math.inf))


@wrong("07.3", "the search begins between 0.01 and 100, and the answer may lie outside")
def narrow_bracket(logits, entropy):
    z = logits[logits.isfinite()].double()
    low, high = 0.01, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        q = (z / middle).softmax(0)
        if torch.special.entr(q).sum().item() < entropy:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@wrong("07.3", "measures the entropy in bits")
def entropy_in_bits(logits, entropy):
    z = logits[logits > -math.inf].double()
    low, high = 1e-9, 1e9
    for _ in range(120):
        middle = math.sqrt(low * high)
        q = (z / middle).softmax(0)
        bits = -(q * q.clamp(min=1e-300).log2()).sum().item()
        low, high = (middle, high) if bits < entropy else (low, middle)
    return math.sqrt(low * high)


@wrong("07.3", "gives the inverse temperature, the factor for the logits")
def beta_not_temperature(logits, entropy):
    z = logits[~torch.isinf(logits)].double()
    low, high = 1e-9, 1e9
    for _ in range(120):
        beta = math.sqrt(low * high)
        if torch.special.entr((z * beta).softmax(0)).sum() > entropy:
            low = beta
        else:
            high = beta
    return beta


@wrong("07.3", "a cut token gives 0 times minus infinity, so the entropy is NaN and the search runs to one end")
def nan_from_cut_tokens(logits, entropy):
    low, high = 1e-8, 1e8
    for _ in range(100):
        middle = math.sqrt(low * high)
        lp = (logits.double() / middle).log_softmax(-1)
        here = -(lp.exp() * lp).sum().item()
        if here < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "takes a fixed grid of a thousand temperatures and gives the nearest, which is not right to five digits")
def nearest_on_a_grid(logits, entropy):
    z = logits[logits.isfinite()].double()
    grid = torch.logspace(-8, 8, 1000, dtype=torch.float64)
    all_of_them = torch.special.entr((z / grid[:, None]).softmax(-1)).sum(-1)
    return grid[(all_of_them - entropy).abs().argmin()].item()


@right("07.3")
def doubling_then_halving(logits, entropy):
    z = logits.double().numpy()
    z = z[np.isfinite(z)]
    z = z - z.max()

    def opens(t):
        e = np.exp(z / t)
        return np.log(e.sum()) - (e * z).sum() / e.sum() / t

    scale = float(-z.min())
    low = high = scale
    while opens(low) > entropy:
        low /= 2
    while opens(high) < entropy:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if opens(middle) < entropy:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@wrong("07.4", "compares by the bare sum while it searches and divides by the length only at the end")
def length_only_at_the_end(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        new = []
        for ids, s in beam:
            if ids and ids[-1] == end:
                new.append((ids, s))
                continue
            last = ids[-1] if ids else start
            new += [([*ids, v], s + log_p[last, v].item()) for v in range(log_p.shape[1])]
        beam = sorted(new, key=lambda text: text[1], reverse=True)[:width]
    return max(beam, key=lambda text: text[1] / len(text[0]) ** power)[0]


@wrong("07.4", "a finished text leaves the race and waits in a list of its own, so it takes no place in the beam")
def finished_aside(log_p, start, end, width, steps, power):
    def score(text):
        return text[1] / len(text[0]) ** power

    table = log_p.tolist()
    beam, done = [([], 0.0)], []
    for _ in range(steps):
        new = []
        for ids, s in beam:
            for v, lp in enumerate(table[ids[-1] if ids else start]):
                text = ([*ids, v], s + lp)
                (done if v == end else new).append(text)
        beam = sorted(new, key=score, reverse=True)[:width]
    return max(beam + done, key=score)[0]


@wrong("07.4", "a start that is the end token counts as finished, and nothing is written")
def start_finishes(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        new = []
        for ids, s in beam:
            if ids[-1] == end:
                new.append((ids, s))
            else:
                for v in range(len(log_p)):
                    new.append((ids + [v], s + float(log_p[ids[-1], v])))
        new.sort(key=lambda c: c[1] / max(1, len(c[0]) - 1) ** power, reverse=True)
        beam = new[:width]
    return beam[0][0][1:]


@wrong("07.4", "counts the start token in the length by which it divides")
def start_counted(log_p, start, end, width, steps, power):
    beam = [((start,), 0.0)]
    for _ in range(steps):
        pool = []
        for ids, s in beam:
            if len(ids) > 1 and ids[-1] == end:
                pool.append((ids, s))
            else:
                pool.extend(((*ids, v), s + lp) for v, lp in enumerate(log_p[ids[-1]].tolist()))
        beam = heapq.nlargest(width, pool, key=lambda c: c[1] / len(c[0]) ** power)
    return list(beam[0][0][1:])


@wrong("07.4", "stops as soon as any text of the beam is finished and gives that one back")
def first_end_wins(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        pool = []
        for ids, s in beam:
            row = log_p[ids[-1] if ids else start].tolist()
            pool += [(ids + [v], s + lp) for v, lp in enumerate(row)]
        pool.sort(key=lambda c: c[1] / len(c[0]) ** power, reverse=True)
        beam = pool[:width]
        for ids, _ in beam:
            if ids[-1] == end:
                return ids
    return beam[0][0]


@right("07.4")
def heap_of_linked_texts(log_p, start, end, width, steps, power):
    table = log_p.double().tolist()
    beam = [(0.0, 0, None, start)]
    for _ in range(steps):
        pool = []
        for text in beam:
            total, n, _, last = text
            if n > 0 and last == end:
                pool.append(text)
            else:
                pool.extend((total + lp, n + 1, text, v) for v, lp in enumerate(table[last]))
        beam = heapq.nlargest(width, pool, key=lambda text: text[0] / text[1] ** power)
    ids, text = [], beam[0]
    while text[2] is not None:
        ids.append(text[3])
        text = text[2]
    return ids[::-1]
