"""Answers to the turns and questions of lesson 07; `tools/choose_answers.py` chose them."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

from minillm.course.turns.sampling import sample, top_p


@right("07.sample")
class NumpyByHand:
    def sample(logits, temperature, u):
        scores = logits.numpy().astype(float)
        if temperature == 0:
            return int(np.argmax(scores))
        powers = np.exp((scores - scores.max()) / temperature)
        ends = np.cumsum(powers)
        return int(np.searchsorted(ends, u * ends[-1], side="right"))


@right("07.sample")
class ALoopThatSubtracts:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax().item()
        probabilities = (logits / temperature).softmax(-1).tolist()
        last = 0
        for token, p in enumerate(probabilities):
            if p == 0:
                continue
            last = token
            if u < p:
                return token
            u -= p
        return last


@wrong("07.sample", "name 'probs' is not defined")
class AnotherName:
    def sample(logits, temperature, u):
        return int((probs.cumsum(0) <= u).sum())  # noqa: F821


@wrong("07.sample", "raised ZeroDivisionError")
class PlainNumbersDivided:
    def sample(logits, temperature, u):
        scores = [score / temperature for score in logits.tolist()]
        ends = torch.tensor(scores).double().softmax(0).cumsum(0)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "'list' object has no attribute")
class AListOfLogits:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int((logits.tolist().softmax(0).cumsum(0) <= u).sum())


@wrong("07.sample", "searchsorted")
class SearchsortedOfAList:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int(torch.searchsorted((logits / temperature).softmax(0).cumsum(0).tolist(), u, right=True))


@wrong("07.sample", "There is no token 6.")
class DoublesToo:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        return int(((logits.double() / temperature).softmax(-1).cumsum(-1) <= u).sum())


@wrong("07.sample", "The number is in a tensor, and an int is asked for.")
class ReturnsATensor:
    def sample(logits, temperature, u):
        if temperature == 0:
            return logits.argmax()
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return (ends <= u * ends[-1]).sum()


@wrong("07.sample", "The result has ")
class NearestEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).softmax(dim=-1).cumsum(dim=-1)
        return int((ends - u).abs().argmin())


@wrong("07.sample", "In some cases, this is what happens: The logits themselves are added up")
class NoSoftmax:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        ends = (logits / temperature).cumsum(dim=-1)
        return int((ends <= u * ends[-1]).sum())


@wrong("07.sample", "raised IndexError")
class RunsPastTheEnd:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        probabilities = (logits / temperature).softmax(0)
        token = 0
        while u >= probabilities[token]:
            u -= float(probabilities[token])
            token += 1
        return token


@wrong("07.sample", "`sample` raised OverflowError")
class MathExpOverflows:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        powers = [math.exp(logit / temperature) for logit in logits.tolist()]
        total, left = sum(powers), u * sum(powers)
        for token, power in enumerate(powers):
            left -= power
            if left < 0:
                return token


@wrong(
    "07.sample",
    "`sample` raised UnboundLocalError: cannot access local variable 'chosen' where it is not associated with a value.",
)
class ReturnInsideTheLoop:
    def sample(logits, temperature, u):
        if temperature == 0:
            return int(logits.argmax())
        total = 0.0
        for i, piece in enumerate((logits / temperature).softmax(dim=-1).tolist()):
            total += piece
            if u < total:
                chosen = i
            return chosen


@right("07.top_p")
class NumpyInside:
    def top_p(logits, p):
        scores = logits.numpy().astype(np.float64)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        n = np.searchsorted(np.cumsum(shares[order]), p - 1e-12) + 1
        kept = np.full_like(scores, -np.inf)
        kept[order[:n]] = scores[order[:n]]
        return torch.from_numpy(kept).float()


@right("07.top_p")
class LoopOverTheTop:
    def top_p(logits, p):
        out = torch.full_like(logits, -math.inf)
        shares = logits.softmax(dim=-1)
        total = 0.0
        for i in shares.argsort(descending=True).tolist():
            out[i] = logits[i]
            total += shares[i]
            if total >= p:
                break
        return out


@wrong("07.top_p", "name 'probs' is not defined")
class TheNameOfTheLibrary:
    def top_p(logits, p):
        return logits.masked_fill(probs < p, -math.inf)  # noqa: F821


@wrong("07.top_p", "must match")
class TwoMasks:
    def top_p(logits, p):
        ordered = logits.softmax(-1).sort(descending=True).values
        return logits.masked_fill(ordered[1:].cumsum(-1) > p, -math.inf)


@wrong("07.top_p", "'list' object has no attribute")
class AListInTheMiddle:
    def top_p(logits, p):
        shares = sorted(logits.softmax(-1).tolist(), reverse=True)
        return logits.masked_fill(shares.cumsum(-1) > p, -math.inf)


@wrong("07.top_p", "This is top-k: 3 tokens stay, whatever their probabilities.")
class RasbtTopKOfThree:
    def top_p(logits, p):
        top_logits, _ = torch.topk(logits, min(3, len(logits)))
        return torch.where(logits < top_logits[-1], torch.tensor(float("-inf")), logits)


@wrong("07.top_p", "These are the ids of the tokens that stay. Keep the shape: the position says")
class TheIds:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        return order[values.cumsum(-1) - values < p]


@wrong("07.top_p", "`top_p` raised RuntimeError: selected index k out of range.")
class RasbtTopK:
    def top_p(logits, p):
        top_logits, _ = torch.topk(logits, 50)
        min_val = top_logits[-1]
        return torch.where(logits < min_val, torch.tensor(float("-inf")), logits)


@wrong("07.top_p", "`top_p` changed the input that it was given; work on a copy. The caller still")
class InPlace:
    def top_p(logits, p):
        values, order = logits.softmax(-1).sort(descending=True)
        logits[order[values.cumsum(-1) - values >= p]] = -torch.inf
        return logits


@wrong("07.top_p", "`top_p` raised IndexError")
class TwoAxes:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        remove = sorted_logits.softmax(-1).cumsum(-1) > p
        remove[..., 1:] = remove[..., :-1].clone()
        remove[..., 0] = 0
        return logits.masked_fill(remove.scatter(1, sorted_indices, remove), -torch.inf)


@wrong("07.top_p", "In some cases, this is what happens: The token that reaches p is cut, too.")
class RasbtTopPFunction:
    def top_p(logits, p):
        probas = torch.softmax(logits, dim=-1)
        sorted_probas, sorted_idx = torch.sort(probas, dim=-1, descending=True)
        cumulative = torch.cumsum(sorted_probas, dim=-1)
        keep = cumulative <= p
        keep[0] = True
        mask = torch.zeros_like(probas, dtype=torch.bool).scatter(-1, sorted_idx, keep)
        return torch.where(mask, logits, torch.tensor(-math.inf))


@wrong("07.top_p", "`top_p` raised RuntimeError")
class HuggingFaceWithoutClone:
    def top_p(logits, p):
        sorted_logits, sorted_indices = torch.sort(logits, descending=True)
        cumulative_probs = sorted_logits.softmax(dim=-1).cumsum(dim=-1)
        sorted_indices_to_remove = cumulative_probs > p
        sorted_indices_to_remove[1:] = sorted_indices_to_remove[:-1]
        sorted_indices_to_remove[0] = 0
        out = logits.clone()
        out[sorted_indices[sorted_indices_to_remove]] = -float("inf")
        return out


@right("07.generate")
class ATupleOfNewOnes:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng, new = random.Random(seed), ()
        while len(new) < n and (not new or new[-1] != stop):
            new += (sample(top_p(step((*ids, *new)), p), temperature, rng.random()),)
        return [*ids, *new]


@right("07.generate")
class OneByRecursion:
    def generate(step, ids, n, temperature, p, seed, stop):
        rng = random.Random(seed)

        def go(text, left):
            if left == 0:
                return text
            token = sample(top_p(step(text), p), temperature, rng.random())
            return text + [token] if token == stop else go(text + [token], left - 1)

        return go(list(ids), n)


@wrong("07.generate", "missing 1 required positional argument")
class SampleWithoutU:
    def generate(step, ids, n, temperature, p, seed, stop):
        ids = list(ids)
        for _ in range(n):
            ids.append(sample(top_p(step(ids), p), temperature))
        return ids


@right("07.remember")
class CopiesIntoANewBlock:
    def remember(cache, layer, key, value):
        if layer not in cache:
            cache[layer] = key.clone(), value.clone()
            return cache[layer]
        both = []
        for old, new in zip(cache[layer], (key, value), strict=True):
            K, S, D = old.shape
            block = torch.empty(K, S + new.shape[1], D)
            block[:, :S], block[:, S:] = old, new
            both.append(block)
        cache[layer] = tuple(both)
        return both[0], both[1]


@wrong("07.remember", "name 'k' is not defined")
class ShorterNames:
    def remember(cache, layer, key, value):
        cache[layer] = k, v  # noqa: F821
        return k, v  # noqa: F821


@wrong("07.remember", "'NoneType' object")
class GetWithoutADefault:
    def remember(cache, layer, key, value):
        keys, values = cache.get(layer)[0], cache.get(layer)[1]
        cache[layer] = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        return cache[layer]


@wrong("07.remember", "`remember` raised KeyError")
class NoFirstTime:
    def remember(cache, layer, key, value):
        keys, values = cache[layer]
        cache[layer] = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        return cache[layer]


@wrong("07.remember", "`remember` raised TypeError: the results are right, but cache[0] does not hold them.")
class ListsInTheCache:
    def remember(cache, layer, key, value):
        keys, values = cache.setdefault(layer, ([], []))
        keys.append(key)
        values.append(value)
        return torch.cat(keys, dim=1), torch.cat(values, dim=1)


@wrong("07.remember", "Nothing is returned. Return all keys and all values of this layer: two tensors.")
class NothingReturned:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = key, value


@wrong("07.remember", "Lists of tensors are returned. Join the tensors along the axis of tokens,")
class ListsOfTensors:
    def remember(cache, layer, key, value):
        keys, values = cache.setdefault(layer, ([], []))
        keys.append(key)
        values.append(value)
        return keys, values


@wrong("07.remember", "stack expects each tensor to be equal size")
class StackedAlongTokens:
    def remember(cache, layer, key, value):
        if layer in cache:
            key = torch.stack([cache[layer][0], key], dim=1).flatten(1, 2)
            value = torch.stack([cache[layer][1], value], dim=1).flatten(1, 2)
        cache[layer] = key, value
        return key, value


STORE = {}


@wrong("07.remember", "`remember` raised RuntimeError")
class AGlobalStore:
    def remember(cache, layer, key, value):
        if layer in STORE:
            key = torch.cat([STORE[layer][0], key], dim=1)
            value = torch.cat([STORE[layer][1], value], dim=1)
        STORE[layer] = key, value
        return key, value


@wrong("07.remember", "except in dimension 0")
class TheDefaultAxis:
    def remember(cache, layer, key, value):
        if layer in cache and key.shape[1] < cache[layer][0].shape[1]:
            key = torch.cat([cache[layer][0], key])
            value = torch.cat([cache[layer][1], value])
        elif layer in cache:
            key = torch.cat([cache[layer][0], key], dim=1)
            value = torch.cat([cache[layer][1], value], dim=1)
        cache[layer] = key, value
        return key, value


@right("07.1")
def with_numpy_in_float64(logits, ids, temperature, min_p):
    total = 0.0
    for row, id in zip(logits.double().numpy(), ids.tolist()):
        shifted = row - row.max()
        keep = np.exp(shifted) >= min_p
        if not keep[id]:
            return -math.inf
        kept = shifted[keep] / temperature
        total += shifted[id] / temperature - np.log(np.exp(kept).sum())
    return float(total)


def cut(logits, min_p):
    probs = logits.softmax(-1)
    return logits.masked_fill(probs < min_p * probs.amax(-1, keepdim=True), -math.inf)


@right("07.1")
def one_hot(logits, ids, temperature, min_p):
    log_p = (cut(logits.double(), min_p) / temperature).log_softmax(-1)
    chosen = F.one_hot(ids, logits.shape[1]).bool()
    return log_p[chosen].sum().item()


@wrong("07.1", "The result is minus infinity for a text that the sampler can write. It is wrong")
def text_absolute_limit(logits, ids, temperature, min_p):
    p = logits.softmax(-1)
    z = logits.masked_fill((p < min_p) & (p < p.amax(-1, keepdim=True)), -math.inf) / temperature
    return z.log_softmax(-1).gather(-1, ids[:, None]).sum().item()


@wrong("07.1", "text_log_prob raised ValueError")
def text_log_of_zero(logits, ids, temperature, min_p):
    log_p = logits.log_softmax(-1)
    kept = log_p >= log_p.amax(-1, keepdim=True) + math.log(min_p) - 1e-6
    z = (logits / temperature).masked_fill(~kept, -math.inf)
    return float(z.log_softmax(-1).gather(-1, ids[:, None]).sum())


def taken(log_p, ids):
    return log_p[torch.arange(len(ids)), ids]


@wrong("07.1", "The removed logits are 0, which leaves them a probability")
def masked_by_product(logits, ids, temperature, min_p):
    p = logits.softmax(-1)
    k = logits * (p >= min_p * p.amax(-1, keepdim=True))
    return taken((k / temperature).log_softmax(-1), ids).sum().item()


@wrong("07.1", "The result has 2 numbers, and one is asked for")
def each_token(logits, ids, temperature, min_p):
    return taken((cut(logits, min_p) / temperature).log_softmax(-1), ids)


@right("07.2")
def with_numpy_noise(logits, temperature, u):
    with np.errstate(divide="ignore"):
        noise = -np.log(-np.log(u.double().numpy()))
    t = temperature.double().numpy()[:, None]
    with np.errstate(invalid="ignore"):
        return np.where(t > 0, logits.double().numpy() + t * noise, logits.numpy()).argmax(-1)


@right("07.2")
def from_log_probabilities_drawn(logits, temperature, u):
    hot = temperature > 0
    ids = logits.argmax(-1)
    log_p = (logits[hot] / temperature[hot, None]).log_softmax(-1)
    ids[hot] = (log_p - (-u[hot].log()).log()).argmax(-1)
    return ids


@right("07.2")
def row_by_row(logits, temperature, u):
    ids = []
    for row, t, own in zip(logits.tolist(), temperature.tolist(), u.tolist(), strict=True):
        noise = [-math.log(-math.log(x)) if x > 0 else -math.inf for x in own]
        scores = [z + t * g if t else z for z, g in zip(row, noise, strict=True)]
        ids.append(max(range(len(scores)), key=scores.__getitem__))
    return ids


@wrong("07.2", "At temperature ")
def gumbel_small_temperature(logits, temperature, u):
    noise = -(-u.clamp_min(1e-30).log()).log()
    return (logits / temperature.clamp(min=0.05)[:, None] + noise).argmax(-1)


@wrong("07.2", "At temperature 0 tokens are still drawn at random.")
def gumbel_tiny_temperature(logits, temperature, u):
    noise = -(-u.log()).log()
    return (logits / temperature.clamp_min(1e-6)[:, None] + noise).argmax(-1)


def gumbel(u):
    return -(-u.clamp_min(1e-30).log()).log()


@wrong("07.2", "The result has the right numbers with an axis of 1 too many")
def a_column(logits, temperature, u):
    return (logits + temperature[:, None] * gumbel(u)).argmax(-1, keepdim=True)


@wrong("07.2", "gumbel_max changed the input that it was given")
def added_in_place(logits, temperature, u):
    logits += temperature[:, None] * gumbel(u)
    return logits.argmax(-1)


@right("07.3")
def temperature_by_inverse(logits, entropy):
    x = logits.double().numpy()
    x = x[np.isfinite(x)]
    x = x - x.max()
    spread = -x.min()
    x = x / spread

    def too_sharp(log_beta):
        weights = np.exp(np.exp(log_beta) * x)
        z = weights.sum()
        return np.log(z) - np.exp(log_beta) * (weights @ x) / z < entropy

    low, high = -40.0, 40.0
    while high - low > 1e-13 * 40:
        middle = (low + high) / 2
        low, high = (low, middle) if too_sharp(middle) else (middle, high)
    return float(spread / np.exp((low + high) / 2))


def nats(logits, temperature):
    q = (logits[logits.isfinite()].double() / temperature).softmax(0)
    return -(q * q.log()).nan_to_num().sum().item()


@wrong("07.3", "nearly right")
def a_grid(logits, entropy):
    return min((t / 100 for t in range(1, 1000)), key=lambda t: abs(nats(logits, t) - entropy))


def halved(logits, wanted, low=1e-6, high=1e6, times=80, measure=nats):
    for _ in range(times):
        middle = (low * high) ** 0.5
        if measure(logits, middle) < wanted:
            low = middle
        else:
            high = middle
    return middle


@wrong("07.3", "The result")
def both_ends(logits, entropy):
    return halved(logits, entropy), halved(logits, entropy)


@wrong("07.3", "temperature_for raised OverflowError")
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


@right("07.4")
def beam_recursive(log_p, start, end, width, steps, power):
    table = log_p.numpy().astype(np.float64)

    def go(beam, left):
        if left == 0:
            return list(beam[0][2])
        pool = []
        for _, total, tokens in beam:
            if tokens and tokens[-1] == end:
                pool.append((total, tokens))
            else:
                row = table[tokens[-1] if tokens else start]
                pool.extend((total + lp, tokens + (token,)) for token, lp in enumerate(row))
        scored = [(total / len(tokens) ** power, total, tokens) for total, tokens in pool]
        scored.sort(key=lambda one: -one[0])
        return go(scored[:width], left - 1)

    return go([(0.0, 0.0, ())], steps)


@right("07.4")
def beam_arrays(log_p, start, end, width, steps, power):
    """The beam as arrays: tokens padded with -1, sums and lengths."""
    table = log_p.double().numpy()
    V = len(table)
    texts = np.full((1, steps), -1)
    sums, lengths = np.zeros(1), np.zeros(1, dtype=int)
    for step in range(steps):
        last = texts[:, step - 1] if step else np.array([start])
        open_ = (lengths == step) & ((last != end) | (step == 0))
        kept = np.flatnonzero(~open_)
        live = np.flatnonzero(open_)
        new = np.repeat(texts[live], V, axis=0)
        if len(live):
            new[:, step] = np.tile(np.arange(V), len(live))
        new_sums = (sums[live, None] + table[last[live]]).ravel()
        texts = np.concatenate([texts[kept], new])
        sums = np.concatenate([sums[kept], new_sums])
        lengths = np.concatenate([lengths[kept], np.full(len(new), step + 1)])
        best = np.argsort(-sums / lengths.astype(float) ** power, kind="stable")[:width]
        texts, sums, lengths = texts[best], sums[best], lengths[best]
    return [int(token) for token in texts[0][: lengths[0]]]


@wrong("07.4", "beam_search raised RuntimeError")
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


@wrong("07.4", "The result")
def with_its_score(log_p, start, end, width, steps, power):
    return best(log_p, start, end, width, steps, mean(power))[0]
