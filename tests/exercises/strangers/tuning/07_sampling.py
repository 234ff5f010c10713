"""Answers to assignment 07 from its text alone; this half is for tuning the check."""

import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong


@wrong("07.1", "the presence is subtracted each time; it shall be subtracted once")
def presence_each_time(logits, written, presence, frequency):
    out = logits.clone()
    for token in written:
        out[token] -= presence + frequency
    return out


@right("07.1")
def count_and_subtract(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    return logits - presence * (counts > 0) - frequency * counts


@wrong("07.1", "where nothing was written it gives back the caller's own tensor")
def shortcut_for_empty(logits, written, presence, frequency):
    if not written:
        return logits
    counts = torch.bincount(torch.tensor(written), minlength=logits.numel())
    return logits - counts * frequency - (counts > 0) * presence


@wrong("07.1", "divides, as the lesson's repetition penalty does, in place of subtracting")
def like_the_old_penalty(logits, written, presence, frequency):
    out = logits.clone()
    for token, times in Counter(written).items():
        factor = 1 + presence + frequency * times
        out[token] = out[token] / factor if out[token] > 0 else out[token] * factor
    return out


@wrong("07.1", "the first time is not counted for the frequency")
def counts_repetitions_only(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    again = (counts - 1).clamp(min=0)
    return logits - (counts > 0).float() * presence - again * frequency


@right("07.1")
def one_line_for_each_token(logits, written, presence, frequency):
    def penalty(token):
        times = sum(1 for w in written if w == token)
        return presence + frequency * times if times else 0.0

    return logits - torch.tensor([penalty(v) for v in range(logits.shape[0])], dtype=logits.dtype)


@wrong("07.1", "without minlength the counts end at the largest id written, so the shapes do not fit")
def counts_too_short(logits, written, presence, frequency):
    if len(written) == 0:
        return logits.clone()
    counts = torch.bincount(torch.tensor(written))
    return logits - (counts > 0) * presence - counts * frequency


@wrong("07.1", "presence and frequency have changed places")
def dials_swapped(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    return logits - (counts > 0) * frequency - counts * presence


@wrong("07.1", "the frequency is taken of the share of the text, count / len(written), not of the count")
def relative_frequency(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    share = counts / max(1, len(written))
    return logits - presence * (counts > 0) - frequency * share


@right("07.1")
def index_add_on_a_table(logits, written, presence, frequency):
    ids = torch.as_tensor(list(written)).to(torch.int64)
    often = torch.zeros_like(logits).index_add(0, ids, torch.ones(len(ids), dtype=logits.dtype))
    once = often.clamp(max=1)
    return torch.sub(logits, once * presence + often * frequency)


@wrong("07.1", "gives a list of numbers in place of a tensor")
def a_plain_list(logits, written, presence, frequency):
    result = []
    for token, logit in enumerate(logits.tolist()):
        n = written.count(token)
        result.append(logit - (presence if n else 0.0) - frequency * n)
    return result


@wrong("07.2", "only drop[:, 0] is mended; the token that crosses p is still dropped")
def crossing_token_still_lost(logits, p):
    ordered, order = logits.sort(descending=True)
    reached = ordered.softmax(-1).cumsum(-1)
    drop = reached > p[:, None]
    drop[:, 0] = False
    places = order.argsort(-1)
    return logits.masked_fill(drop.gather(-1, places), -math.inf)


@right("07.2")
def held_before_each_token(logits, p):
    ordered, order = logits.sort(dim=-1, descending=True)
    held = ordered.softmax(-1)
    before = held.cumsum(-1) - held
    drop = before >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.2", "the mask stays in the sorted order and falls on the wrong tokens")
def mask_in_sorted_order(logits, p):
    ordered, _ = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill(drop, -math.inf)


@wrong("07.2", "all texts are cut at the first one's p")
def one_p_for_all(logits, p):
    limit = float(p[0])
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= limit
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.2", "those outside become -10,000 in place of minus infinity")
def a_large_negative_number(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -1e4)


@right("07.2")
def what_the_likelier_ones_hold(logits, p):
    # no sorting: for each token, add up what all likelier tokens of its row hold
    q = logits.softmax(dim=-1)
    likelier = logits.unsqueeze(1) > logits.unsqueeze(2)  # (B, token, other)
    before = (likelier * q.unsqueeze(1)).sum(-1)
    return torch.where(before < p.unsqueeze(1), logits, torch.full_like(logits, -torch.inf))


@wrong("07.2", "the answer is in sorted order, not in the order of the logits")
def comes_back_sorted(logits, p):
    ordered = logits.sort(dim=-1, descending=True).values
    held = torch.softmax(ordered, dim=-1)
    return ordered.masked_fill(held.cumsum(-1) - held >= p[:, None], -math.inf)


@wrong("07.2", "this is min-p: it keeps what has at least p times the probability of the likeliest")
def that_is_min_p(logits, p):
    q = logits.softmax(-1)
    limit = p[:, None] * q.max(-1, keepdim=True).values
    return logits.masked_fill(q < limit, -math.inf)


@wrong("07.2", "every text keeps as many tokens as the one with the largest nucleus")
def as_many_as_the_largest(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    n = int((held.cumsum(-1) - held < p[:, None]).sum(-1).max())
    out = torch.full_like(logits, -math.inf)
    return out.scatter(-1, order[:, :n], ordered[:, :n])


@right("07.2")
def shift_and_scatter(logits, p):
    order = torch.argsort(logits, dim=-1, descending=True)
    q = torch.softmax(logits, dim=-1).gather(-1, order)
    reached = q.cumsum(-1) >= p.reshape(-1, 1)
    drop = torch.zeros_like(reached)
    drop[:, 1:] = reached[:, :-1]
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)


@wrong("07.2", "p[None, :] lays the p along the vocabulary in place of the texts")
def p_along_the_wrong_axis(logits, p):
    ordered, order = logits.sort(descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[None, :]
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.3", "0 times minus infinity is NaN for a token that was cut, and every comparison with NaN is false")
def nan_for_cut_tokens(logits, entropy):
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = math.sqrt(low * high)
        log_q = (logits.double() / middle).log_softmax(-1)
        h = -(log_q.exp() * log_q).sum().item()
        if h < entropy:
            low = middle
        else:
            high = middle
    return middle


@right("07.3")
def halving_on_logarithms(logits, entropy):
    kept = logits[logits.isfinite()].double()
    kept = kept - kept.max()

    def entropy_at(temperature):
        return torch.special.entr((kept / temperature).softmax(-1)).sum().item()

    low, high = 1e-12, 1e12
    for _ in range(200):
        middle = math.sqrt(low * high)
        if entropy_at(middle) < entropy:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


@wrong("07.3", "looks between 0.01 and 100 only; the answer may lie far from 1")
def between_narrow_bounds(logits, entropy):
    kept = logits[torch.isfinite(logits)].double()
    low, high = 0.01, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        if torch.special.entr((kept / middle).softmax(0)).sum() < entropy:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@wrong("07.3", "moves the wrong end: with too little entropy the temperature must rise")
def moves_the_wrong_end(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = math.sqrt(low * high)
        if torch.special.entr((kept / middle).softmax(-1)).sum().item() < entropy:
            high = middle
        else:
            low = middle
    return middle


@wrong("07.3", "takes the best of a fixed list of temperatures, which is right to two digits or so")
def best_of_a_grid(logits, entropy):
    kept = logits[logits.isfinite()].double()
    best, gap = None, math.inf
    for temperature in np.geomspace(1e-6, 1e6, 2000):
        h = torch.special.entr((kept / temperature).softmax(-1)).sum().item()
        if abs(h - entropy) < gap:
            best, gap = float(temperature), abs(h - entropy)
    return best


@right("07.3")
def newton_with_a_safety_net(logits, entropy):
    # in u = ln T the slope of the entropy is the variance of the logits / T^2; halve wherever Newton leaves the bracket
    v = logits.detach().numpy().astype(np.float64)
    v = v[np.isfinite(v)]
    v = v - v.max()
    low, high = math.log(1e-13), math.log(1e13)
    u = math.log(-v.min())
    for _ in range(300):
        a = v / math.exp(u)
        q = np.exp(a)
        z = q.sum()
        q /= z
        mean = (q * a).sum()
        miss = math.log(z) - mean - entropy
        if miss < 0:
            low = u
        else:
            high = u
        slope = (q * (a - mean) ** 2).sum()
        step = u - miss / slope if slope > 1e-12 else math.inf
        new = step if low < step < high else (low + high) / 2
        if abs(new - u) < 1e-13:
            break
        u = new
    return math.exp(u)


@wrong("07.3", "cut tokens get the logit 0 in place of minus infinity, and take part again")
def cut_tokens_come_back(logits, entropy):
    z = torch.nan_to_num(logits.double(), nan=0.0, neginf=0.0)
    low, high = 1e-9, 1e9
    for _ in range(150):
        middle = math.sqrt(low * high)
        if torch.special.entr((z / middle).softmax(-1)).sum().item() < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "takes the entropy as a share of the largest one possible, not in nats")
def share_of_the_maximum(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-9, 1e9
    for _ in range(150):
        middle = math.sqrt(low * high)
        h = torch.special.entr((kept / middle).softmax(-1)).sum().item() / math.log(len(kept))
        if h < entropy:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "exp of the bare logits overflows, or is 0 / 0, at low temperatures")
def exp_without_the_maximum(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = math.sqrt(low * high)
        powers = (kept / middle).exp()
        q = powers / powers.sum()
        if torch.special.entr(q).sum().item() < entropy:
            low = middle
        else:
            high = middle
    return middle


@right("07.3")
def recursion_on_the_inverse(logits, entropy):
    z = torch.nan_to_num(logits.double(), neginf=0.0)
    alive = torch.isfinite(logits)

    def h(beta):
        q = (z * beta).masked_fill(~alive, -math.inf).softmax(-1)
        return -torch.xlogy(q, q).sum()

    def search(lo, hi, left):
        mid = (lo * hi) ** 0.5
        if left == 0:
            return mid
        return search(mid, hi, left - 1) if h(mid) > entropy else search(lo, mid, left - 1)

    return 1 / search(1e-12, 1e12, 150)


@wrong("07.3", "stops as soon as the entropy is right to 0.001, when the temperature is not yet right to five digits")
def near_enough(logits, entropy):
    kept = logits[logits.isfinite()].double()
    low, high = 1e-9, 1e9
    while True:
        middle = math.sqrt(low * high)
        h = torch.special.entr((kept / middle).softmax(-1)).sum().item()
        if abs(h - entropy) < 1e-3:
            return middle
        if h < entropy:
            low = middle
        else:
            high = middle


@wrong("07.4", "finished texts are set aside and take no place in the beam, so more texts survive than width")
def finished_ones_set_aside(log_p, start, end, width, steps, power):
    beam, finished = [([], 0.0)], []
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            last = tokens[-1] if tokens else start
            for token, log in enumerate(log_p[last].tolist()):
                text = ([*tokens, token], total + log)
                (finished if token == end else candidates).append(text)
        candidates.sort(key=lambda t: t[1] / len(t[0]) ** power, reverse=True)
        beam = candidates[:width]
    return max(beam + finished, key=lambda t: t[1] / len(t[0]) ** power)[0]


@right("07.4")
def lists_and_sorted(log_p, start, end, width, steps, power):
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
            for token, log in enumerate(log_p[last].tolist()):
                candidates.append(([*tokens, token], total + log))
        beam = sorted(candidates, key=score, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "power is never used: the bare sum decides")
def no_length_normalisation(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, total))
            else:
                last = tokens[-1] if tokens else start
                candidates += [(tokens + [v], total + log_p[last, v].item()) for v in range(log_p.shape[1])]
        beam = sorted(candidates, key=lambda text: -text[1])[:width]
    return beam[0][0]


@wrong("07.4", "n counts the start token, too; it is the number of new tokens")
def start_counted_in_the_length(log_p, start, end, width, steps, power):
    beam = [([start], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if len(tokens) > 1 and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            for v, log in enumerate(log_p[tokens[-1]].tolist()):
                candidates.append((tokens + [v], total + log))
        beam = sorted(candidates, key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    return beam[0][0][1:]


@wrong("07.4", "returns as soon as the best text is finished, though a longer one may still overtake it")
def stops_at_the_first_end(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            last = tokens[-1] if tokens else start
            for v in range(log_p.shape[0]):
                candidates.append(([*tokens, v], total + log_p[last][v].item()))
        beam = sorted(candidates, key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
        if beam[0][0][-1] == end:
            break
    return beam[0][0]


@right("07.4")
def all_in_tensors(log_p, start, end, width, steps, power):
    table = log_p.double()
    n_tokens = table.shape[0]
    texts = torch.full((1, steps), -1)
    totals = torch.zeros(1, dtype=torch.float64)
    lengths = torch.zeros(1, dtype=torch.long)
    last = torch.tensor([start])
    for step in range(steps):
        done = (last == end) & (lengths > 0)
        grown = (totals[:, None] + table[last])[~done]
        n = lengths[~done] + 1
        scores = torch.cat(
            (totals[done] / lengths[done].double() ** power, (grown / n[:, None].double() ** power).flatten())
        )
        new_texts = texts[~done].repeat_interleave(n_tokens, 0)
        new_texts[:, step] = torch.arange(n_tokens).repeat(len(n))
        all_texts = torch.cat((texts[done], new_texts))
        all_totals = torch.cat((totals[done], grown.flatten()))
        all_lengths = torch.cat((lengths[done], n.repeat_interleave(n_tokens)))
        best = scores.sort(descending=True).indices[:width]
        texts, totals, lengths = all_texts[best], all_totals[best], all_lengths[best]
        last = texts.gather(1, lengths[:, None] - 1)[:, 0]
    return texts[0, : lengths[0]].tolist()


@wrong("07.4", "each text keeps its own best `width`; they never compete, so the beam grows without end")
def no_competition(log_p, start, end, width, steps, power):
    def score(text):
        return text[1] / len(text[0]) ** power

    beam = [([], 0.0)]
    for _ in range(steps):
        following = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                following.append((tokens, total))
                continue
            values, ids = log_p[tokens[-1] if tokens else start].topk(min(width, len(log_p)))
            following += [(tokens + [i], total + v) for v, i in zip(values.tolist(), ids.tolist(), strict=True)]
        beam = following
    return max(beam, key=score)[0]


@wrong("07.4", "topk(width) raises an error where the beam is wider than the vocabulary")
def wider_than_the_vocabulary(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            values, ids = log_p[tokens[-1] if tokens else start].topk(width)
            for value, token in zip(values.tolist(), ids.tolist(), strict=True):
                candidates.append((tokens + [token], total + value))
        beam = sorted(candidates, key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "reads the table by columns: log_p[i, last] is what comes before, not what follows")
def reads_the_columns(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                candidates.append((tokens, total))
                continue
            last = tokens[-1] if tokens else start
            candidates += [([*tokens, v], total + log) for v, log in enumerate(log_p[:, last].tolist())]
        beam = sorted(candidates, key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    return beam[0][0]


@right("07.4")
def stops_when_all_are_finished(log_p, start, end, width, steps, power):
    class Text:
        def __init__(self, tokens, total):
            self.tokens, self.total = tokens, total
            self.finished = bool(tokens) and tokens[-1] == end
            self.score = total / max(1, len(tokens)) ** power

        def continued(self):
            if self.finished:
                return [self]
            here = self.tokens[-1] if self.tokens else start
            return [Text(self.tokens + [v], self.total + log_p[here, v].item()) for v in range(log_p.size(1))]

    beam = [Text([], 0.0)]
    for _ in range(steps):
        if all(text.finished for text in beam):
            break
        candidates = [new for text in beam for new in text.continued()]
        candidates.sort(key=lambda text: text.score, reverse=True)
        del candidates[width:]
        beam = candidates
    return max(beam, key=lambda text: text.score).tokens


@wrong("07.4", "the end token is cut off the answer, but it is one of the new tokens")
def end_is_cut_off(log_p, start, end, width, steps, power):
    beam = [([], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, total in beam:
            if end in tokens:
                candidates.append((tokens, total))
                continue
            last = tokens[-1] if tokens else start
            candidates += [([*tokens, v], total + log) for v, log in enumerate(log_p[last].tolist())]
        beam = sorted(candidates, key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    return [token for token in beam[0][0] if token != end]
