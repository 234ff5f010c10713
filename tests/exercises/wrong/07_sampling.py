"""Answers to exercise 07 as learners write them."""

import itertools
import math
from collections import Counter

import numpy as np
import torch
from answers import right, wrong

# 07.1 A penalty that counts


@wrong("07.1", "becomes likelier")
def rewarded(logits, written, presence, frequency):
    out = logits.clone()
    for id, times in Counter(written).items():
        out[id] += presence + frequency * times
    return out


@wrong("07.1", "pays no frequency")
def set_of_ids(logits, written, presence, frequency):
    out = logits.clone()
    for id in set(written):
        out[id] -= presence
    return out


@wrong("07.1", "pays no presence")
def each_time(logits, written, presence, frequency):
    out = logits.clone()
    for id in written:
        out[id] -= frequency
    return out


@wrong("07.1", "as if the sign mattered")
def asks_for_the_sign(logits, written, presence, frequency):
    out = logits.clone()
    for id, times in Counter(written).items():
        loss = presence + frequency * times
        out[id] = out[id] - loss if out[id] > 0 else out[id] + loss
    return out


@wrong("07.1", "Every token pays")
def everybody(logits, written, presence, frequency):
    return logits - presence - frequency * len(written)


@wrong("07.1", "several times pays for one")
def indexed(logits, written, presence, frequency):
    out = logits.clone()
    out[written] -= presence + frequency
    return out


@wrong("07.1", "The presence is paid each time")
def in_the_loop(logits, written, presence, frequency):
    out = logits.clone()
    for id in written:
        out[id] = out[id] - presence - frequency
    return out


@wrong("07.1", "have changed places")
def the_other_dial(logits, written, presence, frequency):
    out = logits.clone()
    for id, times in Counter(written).items():
        out[id] -= frequency + presence * times
    return out


@wrong("07.1", "divided by the length of the text")
def relative(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    return logits - presence * (counts > 0) - frequency * counts / max(1, len(written))


@wrong("07.1", "returned its input itself")
def nothing_written(logits, written, presence, frequency):
    return list_count(logits, written, presence, frequency) if written else logits


@wrong("07.1", "lose")
def as_many_counts_as_ids_occur(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor([*written, 0], dtype=torch.long))
    counts[0] -= 1
    out = logits.clone()
    out[: len(counts) - 1] -= presence * (counts[:-1] > 0) + frequency * counts[:-1]
    return out


@wrong("07.1", "changed the input")
def in_place(logits, written, presence, frequency):
    for id, times in Counter(written).items():
        logits[id] -= presence + frequency * times
    return logits


@right("07.1")
def list_count(logits, written, presence, frequency):
    loss = [presence * (id in written) + frequency * written.count(id) for id in range(len(logits))]
    return logits - torch.tensor(loss)


@wrong("07.1", "is of type list, and a tensor is asked for")
def in_a_list(logits, written, presence, frequency):
    return list_count(logits, written, presence, frequency).tolist()


@wrong("07.1", "pays no frequency")
def first_time_free(logits, written, presence, frequency):
    out = logits.clone()
    for id, times in Counter(written).items():
        out[id] -= presence + frequency * (times - 1)
    return out


@wrong("07.1", "were written equally often, but lose")
def divided_as_in_the_lesson(logits, written, presence, frequency):
    out = logits.clone()
    for id, times in Counter(written).items():
        factor = 1 + presence + frequency * times
        out[id] = out[id] / factor if out[id] > 0 else out[id] * factor
    return out


@wrong("07.1", "a softmax is taken")
def normalized_again(logits, written, presence, frequency):
    return list_count(logits, written, presence, frequency).log_softmax(-1)


@wrong("07.1", "is wrong with a token that comes 300 times")
def counted_in_bytes(logits, written, presence, frequency):
    counts = torch.zeros(len(logits), dtype=torch.uint8)
    for id in written:
        counts[id] += 1
    return logits - presence * (counts > 0) - frequency * counts


@wrong("07.1", "is wrong with logits of minus infinity")
def by_adding_zero_times(logits, written, presence, frequency):
    once = torch.tensor([float(id in written) for id in range(len(logits))])
    return logits * (1 - once) + once * (list_count(logits, written, presence, frequency))


@right("07.1")
def accumulated(logits, written, presence, frequency):
    ids = torch.tensor(written, dtype=torch.int64)
    out = logits.index_put((ids,), torch.full(ids.shape, -frequency), accumulate=True)
    return out.index_add(0, ids.unique(), torch.full(ids.unique().shape, -presence))


# 07.2 A nucleus for each text of a batch


def back(drop, order):
    return torch.zeros_like(drop).scatter(-1, order, drop)


@wrong("07.2", "Nothing is cut from the first text")
def as_it_was(logits, p):
    ordered, order = logits.sort(descending=True)
    drop = ordered.softmax(-1).cumsum(-1) > p[:, None]
    drop[0] = False
    return logits.masked_fill(drop.gather(-1, order.argsort(-1)), -math.inf)


@wrong("07.2", "Nothing is cut from the first text")
def one_of_two(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held > p[:, None]
    drop[0] = False
    return logits.masked_fill(back(drop, order), -math.inf)


@wrong("07.2", "The token that crosses p is cut")
def the_other_one(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    drop = ordered.softmax(-1).cumsum(-1) > p[:, None]
    drop[..., 0] = False
    return logits.masked_fill(back(drop, order), -math.inf)


@wrong("07.2", "by `order` where it needs the inverse")
def gathered_by_the_order(logits, p):
    ordered, order = logits.sort(dim=-1, descending=True)
    held = ordered.softmax(-1)
    drop = held.cumsum(-1) - held >= p[:, None]
    return logits.masked_fill(drop.gather(-1, order), -math.inf)


@wrong("07.2", "least likely tokens are collected first")
def sorted_upwards(logits, p):
    ordered, order = logits.sort(-1)
    held = ordered.softmax(-1)
    return logits.masked_fill(back(held.cumsum(-1) - held >= p[:, None], order), -math.inf)


@wrong("07.2", "cut by place in the vocabulary")
def mask_in_sorted_order(logits, p):
    held = logits.softmax(-1).sort(descending=True).values
    return logits.masked_fill(held.cumsum(-1) - held >= p[:, None], -torch.inf)


@wrong("07.2", "come back sorted")
def sorted_logits(logits, p):
    ordered = logits.sort(descending=True).values
    held = ordered.softmax(-1)
    ordered[held.cumsum(-1) - held >= p[:, None]] = -torch.inf
    return ordered


@wrong("07.2", "The tail is kept")
def where_the_wrong_way_round(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    held = ordered.softmax(-1)
    stay = back(held.cumsum(-1) - held < p[:, None], order)
    return torch.where(stay, -math.inf, logits)


@wrong("07.2", "A cut logit is 0; it should")
def multiplied(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    held = ordered.softmax(-1)
    return logits * back(held.cumsum(-1) - held < p[:, None], order)


@wrong("07.2", "at the first one's p")
def one_p(logits, p):
    return right_by_scatter(logits, p[:1].expand(len(logits)))


@wrong("07.2", "lie along the tokens")
def without_a_column(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    held = ordered.softmax(-1)
    return logits.masked_fill(back(held.cumsum(-1) - held >= p, order), -math.inf)


@wrong("07.2", "cut in one text is cut in all")
def ids_without_rows(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    held = ordered.softmax(-1)
    out = logits.clone()
    out[..., order[held.cumsum(-1) - held >= p[:, None]]] = -math.inf
    return out


@wrong("07.2", "These are probabilities")
def probabilities(logits, p):
    return right_by_scatter(logits, p).softmax(-1)


@wrong("07.2", "with an axis of 1 too few")
def first_row(logits, p):
    return right_by_scatter(logits, p)[0]


@wrong("07.2", "A cut logit is -10000")
def a_large_negative_number(logits, p):
    return right_by_scatter(logits, p).clamp(min=-1e4)


@wrong("07.2", "It is min-p")
def min_p(logits, p):
    q = logits.softmax(-1)
    return torch.where(q >= p[:, None] * q.amax(-1, keepdim=True), logits, -math.inf)


@wrong("07.2", "held against p by itself")
def by_itself(logits, p):
    return torch.where(logits.softmax(-1) >= p[:, None], logits, -math.inf)


@wrong("07.2", "One token too many stays")
def one_more(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    drop = ordered.softmax(-1).cumsum(-1) >= p[:, None]
    later = torch.zeros_like(drop)
    later[:, 2:] = drop[:, :-2]
    return logits.masked_fill(back(later, order), -math.inf)


@wrong("07.2", "holds 1 - p")
def the_rest_of_it(logits, p):
    return right_by_scatter(logits, 1 - p)


@wrong("07.2", "the largest nucleus")
def a_rectangle(logits, p):
    count = right_by_scatter(logits, p).isfinite().sum(-1).max().item()
    least = logits.topk(count).values[:, -1:]
    return torch.where(logits >= least, logits, -math.inf)


@wrong("07.2", "at the largest p")
def largest_p(logits, p):
    return right_by_scatter(logits, p.max().expand(len(p)))


@wrong("07.2", "at the mean p")
def mean_p(logits, p):
    return right_by_scatter(logits, p.mean().expand(len(p)))


@wrong("07.2", "Nothing is cut from the last text")
def all_of_the_last(logits, p):
    if len(logits) == 1:
        return right_by_scatter(logits, p)
    return torch.cat([right_by_scatter(logits[:-1], p[:-1]), logits[-1:]])


@wrong("07.2", "have been normalized")
def log_probabilities(logits, p):
    return right_by_scatter(logits, p).log_softmax(-1)


@wrong("07.2", "keeps")
def the_smallest_of_all(logits, p):
    count = right_by_scatter(logits, p).isfinite().sum(-1).min().item()
    return torch.where(logits >= logits.topk(count).values[:, -1:], logits, -math.inf)


@right("07.2")
def right_by_scatter(logits, p):
    ordered, order = torch.sort(logits, descending=True)
    drop = ordered.softmax(-1).cumsum(-1) >= p[:, None]
    drop = torch.cat([torch.zeros_like(drop[:, :1]), drop[:, :-1]], dim=1)
    return logits.masked_fill(back(drop, order), -math.inf)


@right("07.2")
def without_sorting(logits, p):
    q = logits.softmax(-1)
    likelier = q[:, None, :] > q[:, :, None]  # [b, i, j]: is token j likelier than i?
    before = (q[:, None, :] * likelier).sum(-1)
    return torch.where(before < p[:, None], logits, -torch.inf)


@right("07.2")
def from_the_tail(logits, p):
    rows = []
    for row, own in zip(logits.double().numpy(), p.tolist(), strict=True):
        q = np.exp(row) / np.exp(row).sum()
        kept = dict(enumerate(q))
        while sum(kept.values()) - min(kept.values()) >= own:
            kept.pop(min(kept, key=kept.get))
        rows.append([float(row[id]) if id in kept else -math.inf for id in range(len(row))])
    return rows


# 07.3 A dial in nats


def nats(logits, temperature):
    q = (logits[logits.isfinite()].double() / temperature).softmax(0)
    return -(q * q.log()).nan_to_num().sum().item()


def halved(logits, wanted, low=1e-6, high=1e6, times=80, measure=nats):
    for _ in range(times):
        middle = (low * high) ** 0.5
        if measure(logits, middle) < wanted:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "This is 1 over the temperature")
def multiplies(logits, entropy):
    return halved(logits, -entropy, measure=lambda z, factor: -nats(z, 1 / factor))


@wrong("07.3", "measured in bits")
def base_two(logits, entropy):
    return halved(logits, entropy, measure=lambda z, t: nats(z, t) / math.log(2))


@wrong("07.3", "as a number of tokens")
def perplexity(logits, entropy):
    return halved(logits, entropy, measure=lambda z, t: math.exp(nats(z, t)))


@wrong("07.3", "the search went the other way")
def the_wrong_half(logits, entropy):
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if nats(logits, middle) > entropy else (low, middle)
    return middle


@wrong("07.3", "nearly right")
def too_few_rounds(logits, entropy):
    return halved(logits, entropy, times=12)


@wrong("07.3", "nearly right")
def a_grid(logits, entropy):
    return min((t / 100 for t in range(1, 1000)), key=lambda t: abs(nats(logits, t) - entropy))


@wrong("07.3", "the end of the interval")
def between_a_tenth_and_ten(logits, entropy):
    return halved(logits, entropy, 0.1, 10.0)


@wrong("07.3", "Is the entropy NaN")
def zero_times_infinity(logits, entropy):
    def measure(logits, temperature):
        log_q = (logits.double() / temperature).log_softmax(-1)
        return -(log_q.exp() * log_q).sum()

    return halved(logits, entropy, measure=measure)


@wrong("07.3", "as a share of the largest possible")
def normalized(logits, entropy):
    return halved(logits, entropy, measure=lambda z, t: nats(z, t) / math.log(len(z)))


@wrong("07.3", "the logarithm of the temperature")
def in_logarithms(logits, entropy):
    return math.log(halved(logits, entropy))


@wrong("07.3", "taken for -10,000")
def cut_as_a_low_number(logits, entropy):
    return halved(logits.where(logits.isfinite(), -1e4), entropy)


@wrong("07.3", "the entropy NaN there?")
def exp_overflows(logits, entropy):
    def measure(z, temperature):
        q = (z[z.isfinite()].double() / temperature).exp()
        return torch.special.entr(q / q.sum()).sum().item()

    return halved(logits, entropy, measure=measure)


@wrong("07.3", "taken for 0")
def cut_replaced(logits, entropy):
    return halved(torch.nan_to_num(logits, neginf=0.0), entropy)


@wrong("07.3", "like the least likely of the others")
def cut_as_the_least(logits, entropy):
    return halved(logits.clamp(min=logits[logits > -math.inf].min().item()), entropy)


@wrong("07.3", "the search went the other way")
def nan_is_never_too_small(logits, entropy):
    low, high = 1e-6, 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        q = (logits / middle).softmax(-1)
        if -(q * q.log()).sum() < entropy:
            low = middle
        else:
            high = middle
    return high


@wrong("07.3", "is not a temperature")
def newton_with_cut_tokens(logits, entropy):
    return newton_on(logits.double(), entropy)


@wrong("07.3", "The result")
def both_ends(logits, entropy):
    return halved(logits, entropy), halved(logits, entropy)


def newton_on(z, entropy):
    """In the logarithm of the temperature, where the slope is the variance divided by T²."""

    def moments(x):
        q = (z / math.exp(x)).softmax(0)
        return -(q * q.clamp(min=1e-300).log()).sum(), (q * z**2).sum() - (q * z).sum() ** 2

    x = min(torch.linspace(-12, 12, 100).tolist(), key=lambda x: abs(float(moments(x)[0]) - entropy))
    for _ in range(50):
        found, variance = moments(x)
        x += float((entropy - found) / variance) * math.exp(2 * x)
    return math.exp(x)


@right("07.3")
def newton_on_what_is_left(logits, entropy):
    return newton_on(logits[logits.isfinite()].double(), entropy)


@right("07.3")
def plain_lists_and_doubling(logits, entropy):
    z = [x for x in logits.tolist() if x > -math.inf]

    def measure(t):
        powers = [math.exp((x - max(z)) / t) for x in z]
        q = [power / sum(powers) for power in powers]
        return sum(-p * math.log(p) for p in q if p > 0)

    low = high = 1.0
    while measure(low) > entropy:
        low /= 2
    while measure(high) < entropy:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if measure(middle) < entropy else (low, middle)
    return torch.tensor(high)


@wrong("07.3", "the end of the interval")
def between_a_thousandth_and_a_thousand(logits, entropy):
    return halved(logits, entropy, 1e-3, 1e3)


# 07.4 The likeliest text


def best(log_p, start, end, width, steps, score, from_the_first=None, stop=None):
    """Beam search with a score of one's own for (tokens, sum)."""
    beam = [((), 0.0)]
    for step in range(steps):
        candidates = []
        for tokens, total in beam:
            last = tokens[-1] if tokens else start
            if tokens and last == end:
                candidates.append((tokens, total))
                continue
            own = [((*tokens, id), total + log_p[last, id].item()) for id in range(len(log_p))]
            own.sort(key=score, reverse=True)
            candidates += own[: from_the_first if step else None]
        beam = sorted(candidates, key=score, reverse=True)[:width]
        if stop and stop(beam):
            break
    return beam


def mean(power):
    return lambda text: text[1] / len(text[0]) ** power


@wrong("07.4", "a width of 1, whatever")
def always_the_best_next(log_p, start, end, width, steps, power):
    tokens = []
    while len(tokens) < steps and tokens[-1:] != [end]:
        tokens.append(int(log_p[tokens[-1] if tokens else start].argmax()))
    return tokens


@wrong("07.4", "by its own best token alone")
def no_competition(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(power), from_the_first=1)[0][0]


@wrong("07.4", "by their last token alone")
def short_memory(log_p, start, end, width, steps, power):
    def score(text):
        tokens = (start, *text[0])
        return log_p[tokens[-2], tokens[-1]].item()

    return best(log_p, start, end, width, steps, score)[0][0]


@wrong("07.4", "Probabilities are added")
def sum_not_product(log_p, start, end, width, steps, power):
    return best(log_p.exp(), start, end, width, steps, mean(power))[0][0]


@wrong("07.4", "The start comes back")
def whole_text(log_p, start, end, width, steps, power):
    return [start, *best(log_p, start, end, width, steps, mean(power))[0][0]]


@wrong("07.4", "Nothing comes back where the start is the end")
def ended_before_it_began(log_p, start, end, width, steps, power):
    return [] if start == end else best(log_p, start, end, width, steps, mean(power))[0][0]


@wrong("07.4", "go on after their end")
def no_end(log_p, start, end, width, steps, power):
    return best(log_p, start, None, width, steps, mean(power))[0][0]


@wrong("07.4", "Finished texts are lost")
def continues_what_is_unfinished(log_p, start, end, width, steps, power):
    beam = [((), 0.0)]
    for _ in range(steps):
        grown = []
        for tokens, total in beam:
            for id in range(len(log_p)):
                if id != end:
                    grown.append(((*tokens, id), total + log_p[tokens[-1] if tokens else start, id].item()))
        beam = sorted(grown, key=mean(power), reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "with the first text that is finished")
def stops_early(log_p, start, end, width, steps, power):
    def some_end(beam):
        return any(tokens[-1] == end for tokens, _ in beam)

    beam = best(log_p, start, end, width, steps, mean(power), stop=some_end)
    return next((tokens for tokens, _ in beam if tokens[-1] == end), beam[0][0])


@wrong("07.4", "as soon as the best text is finished")
def content_with_a_finished_leader(log_p, start, end, width, steps, power):
    beam = best(log_p, start, end, width, steps, mean(power), stop=lambda beam: beam[0][0][-1] == end)
    return beam[0][0]


@wrong("07.4", "others take their places")
def two_lists(log_p, start, end, width, steps, power):
    beam, finished = [([], 0.0)], []
    for _ in range(steps):
        grown = []
        for tokens, total in beam:
            for id in range(len(log_p)):
                text = ([*tokens, id], total + log_p[tokens[-1] if tokens else start, id].item())
                (finished if id == end else grown).append(text)
        beam = sorted(grown, key=mean(power), reverse=True)[:width]
    return max(finished + beam, key=mean(power))[0]


@wrong("07.4", "`power` is not used")
def likeliest(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1])[0][0]


@wrong("07.4", "Only the last choice is by the score")
def corrected_in_the_end(log_p, start, end, width, steps, power):
    return max(best(log_p, start, end, width, steps, lambda text: text[1]), key=mean(power))[0]


@wrong("07.4", "The sum is multiplied")
def times_the_length(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(-power))[0][0]


@wrong("07.4", "The start counts as a token")
def one_token_more(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1] / (len(text[0]) + 1) ** power)[0][0]


@wrong("07.4", "The end does not count")
def without_the_end(log_p, start, end, width, steps, power):
    def score(text):
        n = len([id for id in text[0] if id != end])
        return text[1] / max(n, 1) ** power

    return best(log_p, start, end, width, steps, score)[0][0]


@wrong("07.4", "The beam is never cut")
def every_text_there_is(log_p, start, end, width, steps, power):
    return best(log_p, start, end, 10**4, steps, mean(power))[0][0]


@wrong("07.4", "The result")
def with_its_score(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(power))[0]


@wrong("07.4", "read by columns")
def columns(log_p, start, end, width, steps, power):
    return best(log_p.T, start, end, width, steps, mean(power))[0][0]


@wrong("07.4", "keeps its own best `width`")
def width_for_each(log_p, start, end, width, steps, power):
    beam = [((), 0.0)]
    for _ in range(steps):
        grown = []
        for tokens, total in beam:
            if tokens and tokens[-1] == end:
                grown.append((tokens, total))
                continue
            row = log_p[tokens[-1] if tokens else start]
            grown += [((*tokens, id), total + row[id].item()) for id in row.topk(min(width, len(row))).indices.tolist()]
        beam = grown
    return max(beam, key=mean(power))[0]


@wrong("07.4", "the worst of the beam")
def sorted_upwards_in_the_end(log_p, start, end, width, steps, power):
    return min(best(log_p, start, end, width, steps, mean(power)), key=mean(power))[0]


@wrong("07.4", "`width` worst")
def sorted_upwards_each_time(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: -mean(power)(text))[0][0]


@wrong("07.4", "The end is cut off")
def without_its_end(log_p, start, end, width, steps, power):
    return [id for id in best(log_p, start, end, width, steps, mean(power))[0][0] if id != end]


@wrong("07.4", "A finished text is preferred")
def finished_ones_first(log_p, start, end, width, steps, power):
    beam = best(log_p, start, end, width, steps, mean(power))
    return max(beam, key=lambda text: (text[0][-1] == end, mean(power)(text)))[0]


@wrong("07.4", "An unfinished text is preferred")
def unfinished_ones_first(log_p, start, end, width, steps, power):
    beam = best(log_p, start, end, width, steps, mean(power))
    return max(beam, key=lambda text: (text[0][-1] != end, mean(power)(text)))[0]


@wrong("07.4", "One round too few")
def first_round_not_counted(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps - 1, mean(power))[0][0] if steps > 1 else ()


@wrong("07.4", "(5 + n) / 6")
def as_in_the_translation_system(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1] / ((5 + len(text[0])) / 6) ** power)[0][0]


@wrong("07.4", "divided by n, whatever")
def plain_mean(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(1.0))[0][0]


@wrong("07.4", "divided by n · power")
def times_the_power(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, lambda text: text[1] / (len(text[0]) * power or 1.0))[0][0]


@right("07.4")
def with_tensors(log_p, start, end, width, steps, power):
    """The beam as a matrix, as one writes it for a real model; finished texts are filled up with their end."""
    V = len(log_p)
    texts, totals, lengths = torch.empty(1, 0, dtype=torch.long), torch.zeros(1), torch.zeros(1)
    for step in range(steps):
        last = texts[:, -1] if step else torch.tensor([start])
        done = (last == end) & (step > 0)
        only_end = torch.full((V,), -torch.inf).index_fill(0, torch.tensor([end]), 0.0)
        grown = totals[:, None] + torch.where(done[:, None], only_end, log_p[last])
        counted = (lengths + (~done).float())[:, None].expand(-1, V)
        _, chosen = (grown / counted**power).flatten().topk(min(width, grown.numel()))
        rows, ids = chosen // V, chosen % V
        texts = torch.cat([texts[rows], ids[:, None]], dim=1)
        totals, lengths = grown.flatten()[chosen], counted.flatten()[chosen]
    return list(itertools.takewhile(lambda id: id != end, texts[0].tolist())) + [end] * (end in texts[0].tolist())


@right("07.4")
def until_all_are_finished(log_p, start, end, width, steps, power):
    def all_end(beam):
        return all(tokens[-1] == end for tokens, _ in beam)

    return list(best(log_p, start, end, width, steps, mean(power), stop=all_end)[0][0])


# Further answers to all questions: what is seldom forgotten


def lose(logits, loss):
    out = logits.clone()
    for id, amount in loss.items():
        out[id] -= amount
    return out


@wrong("07.1", "would become negative is set to 0")
def stops_at_zero(logits, written, presence, frequency):
    out = logits.clone()
    for id, times in Counter(written).items():
        out[id] = max(out[id] - presence - frequency * times, torch.tensor(0.0))
    return out


@wrong("07.1", "Only what is to be subtracted")
def the_penalty_alone(logits, written, presence, frequency):
    counts = torch.bincount(torch.tensor(written, dtype=torch.long), minlength=len(logits))
    return presence * (counts > 0) + frequency * counts


@wrong("07.1", "probabilities or their logarithms")
def ready_to_draw(*call):
    return list_count(*call).softmax(-1)


@wrong("07.1", "the ids are off by one")
def counted_from_one(logits, written, presence, frequency):
    return lose(logits, {(id + 1) % len(logits): presence + frequency * n for id, n in Counter(written).items()})


@wrong("07.1", "for the length of the text")
def length_for_count(logits, written, presence, frequency):
    return lose(logits, {id: presence + frequency * len(written) for id in written})


@wrong("07.1", "follows itself directly")
def runs_of_the_same(logits, written, presence, frequency):
    out = lose(logits, {id: presence + frequency for id in written})
    for before, id in zip(written, written[1:], strict=False):
        out[id] -= frequency if before == id else 0.0
    return out


@wrong("07.1", "The count is squared, or its root")
def root_of_the_count(logits, written, presence, frequency):
    return lose(logits, {id: presence + frequency * math.sqrt(n) for id, n in Counter(written).items()})


@wrong("07.1", "It pays as if it had been written 2 times")
def twice_at_most(logits, written, presence, frequency):
    return lose(logits, {id: presence + frequency * min(n, 2) for id, n in Counter(written).items()})


@wrong("07.2", "in the order of the vocabulary")
def as_they_stand(logits, p):
    shares = logits.softmax(-1)
    return logits.masked_fill(shares.cumsum(-1) - shares >= p[:, None], -math.inf)


@wrong("07.2", "p times V of them stay")
def that_many_tokens(logits, p):
    out = torch.full_like(logits, -math.inf)
    for row, own, new in zip(logits, p.tolist(), out, strict=True):
        best = row.topk(max(1, math.ceil(own * len(row)))).indices
        new[best] = row[best]
    return out


@wrong("07.3", "to 4 digits after the point, rounded or from a list")
def easy_to_read(logits, entropy):
    return round(halved_between(logits, entropy), 4)


def halved_between(logits, entropy):
    kept, low, high = logits[logits.isfinite()].double(), 1e-6, 1e6
    for _ in range(80):
        middle = math.sqrt(low * high)
        too_little = torch.special.entr((kept / middle).softmax(-1)).sum() < entropy
        low, high = (middle, high) if too_little else (low, middle)
    return low


def search(grow, score, steps, width):
    beam = [([], 0.0)]
    for number in range(steps):
        pool = [new for text in beam for new in grow(*text)]
        beam = sorted(pool, key=score, reverse=True)[: width if type(width) is int else width(number)]
    return beam[0][0]


def grown(log_p, start, end):
    def grow(tokens, total):
        if tokens and tokens[-1] == end:
            return [(tokens, total)]
        row = log_p[tokens[-1] if tokens else start].tolist()
        return [([*tokens, id], total + gain) for id, gain in enumerate(row)]

    return grow


@wrong("07.4", "Viterbi's rule")
def dynamic_programming(log_p, start, end, width, steps, power):
    grow, beam = grown(log_p, start, end), [([], 0.0)]
    for _ in range(steps):
        best = {}
        for text in itertools.chain(*(grow(*each) for each in beam)):
            best[text[0][-1]] = max(best.get(text[0][-1], text), text, key=lambda t: t[1] / len(t[0]) ** power)
        beam = sorted(best.values(), key=lambda t: t[1] / len(t[0]) ** power, reverse=True)[:width]
    return beam[0][0]


@wrong("07.4", "as if it came after the start")
def row_of_the_start(log_p, start, end, width, steps, power):
    table = log_p[start].repeat(len(log_p), 1)
    return search(grown(table, start, end), lambda t: t[1] / len(t[0]) ** power, steps, width)


@wrong("07.4", "After the first round only one text goes on")
def begins_with_the_best(log_p, start, end, width, steps, power):
    grow = grown(log_p, start, end)
    return search(grow, lambda t: t[1] / len(t[0]) ** power, steps, lambda number: width if number else 1)


@wrong("07.4", "cut after its end only in the answer")
def cut_when_it_is_over(log_p, start, end, width, steps, power):
    text = search(grown(log_p, start, -1), lambda t: t[1] / len(t[0]) ** power, steps, width)
    return text[: text.index(end) + 1] if end in text else text


@wrong("07.4", "divided again in the next round")
def score_for_the_sum(log_p, start, end, width, steps, power):
    grow = grown(log_p, start, end)

    def divided(tokens, score):
        new = grow(tokens, score)
        return new if new[0][0] == tokens else [(ids, total / len(ids) ** power) for ids, total in new]

    return search(divided, lambda t: t[1], steps, width)
