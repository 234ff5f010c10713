"""Answers to the turns and questions of lesson 12; `tools/choose_answers.py` chose them."""

import heapq
import itertools
import math
from bisect import bisect_right
from collections import Counter
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong

from minillm.inference.speculative import PromptLookup
from minillm.model.attention import attention_by_matmul


@right("12.cached_attention")
class ThePackagesAttention:
    def cached_attention(cache, query, key, value):
        length = cache["length"] + key.shape[1]
        for name, new in (("keys", key), ("values", value)):
            cache[name][:, cache["length"] : length] = new
        cache["length"] = length
        mask = torch.ones(key.shape[1], length).tril(length - key.shape[1]).bool()
        rows = (cache[name][None, :, :length] for name in ("keys", "values"))
        return attention_by_matmul(query[None], *rows, mask)[0]


@right("12.cached_attention")
class ReadsAllMemoryAndHidesIt:
    def cached_attention(cache, query, key, value):
        n, T = cache["length"], key.shape[1]
        cache["keys"].index_copy_(1, torch.arange(n, n + T), key)
        cache["values"].index_copy_(1, torch.arange(n, n + T), value)
        cache["length"] = n + T
        room = cache["keys"].shape[1]
        bias = torch.full((T, room), -1e9).triu(n + 1)
        scores = torch.einsum("htd,hsd->hts", query, cache["keys"]) * query.shape[-1] ** -0.5 + bias
        return torch.einsum("hts,hsd->htd", scores.softmax(-1), cache["values"])


@wrong("12.cached_attention", "raised KeyError")
class ByLayer:
    def cached_attention(cache, query, key, value):
        keys, values = cache[0]
        return (query @ keys.mT).softmax(-1) @ values


@wrong("12.cached_attention", "Several things are returned.")
class ReturnsTheKeys:
    def cached_attention(cache, query, key, value):
        return cache["keys"], cache["values"]


@wrong("12.cached_attention", "raised ValueError")
class WithABatch:
    def cached_attention(cache, query, key, value):
        B, H, T, D = query.shape
        return (query @ key.mT / math.sqrt(D)).softmax(-1) @ value


@wrong("12.cached_attention", "raised NameError")
class GlobalsOfThePage:
    def cached_attention(cache, query, key, value):
        keys = torch.cat([K, key], 1)  # noqa: F821
        return (query @ keys.mT).softmax(-1) @ value


@wrong("12.cached_attention", "raised AttributeError")
class PackageCache:
    def cached_attention(cache, query, key, value):
        keys, values = cache.append(0, key, value)
        return (query @ keys.mT / math.sqrt(query.shape[2])).softmax(-1) @ values


@wrong("12.cached_attention", "raised RuntimeError")
class HeadsJoined:
    def cached_attention(cache, query, key, value):
        keys = torch.cat([cache["keys"], key], dim=0)
        values = torch.cat([cache["values"], value], dim=0)
        return (query @ keys.mT).softmax(-1) @ values


@wrong("12.cached_attention", "raised TypeError")
class LengthAsATensor:
    def cached_attention(cache, query, key, value):
        n = cache["keys"].abs().sum(-1) > 0
        cache["keys"][:, n : n + 1] = key
        return query


@wrong("12.cached_attention", "raised RuntimeError")
class AMaskOfFloats:
    def cached_attention(cache, query, key, value):
        n = cache["length"]
        e = n + key.shape[1]
        cache["keys"][:, n:e], cache["values"][:, n:e], cache["length"] = key, value, e
        scores = query @ cache["keys"][:, :e].mT / math.sqrt(query.shape[2])
        return scores.masked_fill(torch.ones(e - n, e).tril(n), -math.inf).softmax(-1) @ cache["values"][:, :e]


@wrong("12.cached_attention", "cache['length'] is 0")
class RoomByCat:
    def cached_attention(cache, query, key, value):
        cache["k"] = torch.cat([cache["k"], key], 1) if "k" in cache else key
        cache["v"] = torch.cat([cache["v"], value], 1) if "v" in cache else value
        T, S = key.shape[1], cache["k"].shape[1]
        mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        return F.scaled_dot_product_attention(query, cache["k"], cache["v"], attn_mask=mask)


@wrong("12.cached_attention", "raised RuntimeError")
class NotTransposed:
    def cached_attention(cache, query, key, value):
        n = cache["length"] + key.shape[1]
        cache["keys"][:, cache["length"] : n] = key
        cache["values"][:, cache["length"] : n] = value
        cache["length"] = n
        return (query @ cache["keys"][:, :n]).softmax(-1) @ cache["values"][:, :n]


@wrong("12.cached_attention", "raised RuntimeError")
class TokensOnTheAxisOfHeads:
    def cached_attention(cache, query, key, value):
        n = cache["length"]
        e = n + key.shape[0]
        cache["keys"][n:e] = key
        cache["values"][n:e] = value
        cache["length"] = e
        return (query @ cache["keys"].mT / math.sqrt(query.shape[2])).softmax(-1) @ cache["values"]


@wrong("12.cached_attention", "cache['keys'] does not hold them")
class OwnEntries:
    def cached_attention(cache, query, key, value):
        cache["k"] = torch.cat([cache["k"], key], 1) if "k" in cache else key
        cache["v"] = torch.cat([cache["v"], value], 1) if "v" in cache else value
        T, S = key.shape[1], cache["k"].shape[1]
        cache["length"] = S
        mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        return F.scaled_dot_product_attention(query, cache["k"], cache["v"], attn_mask=mask)


@wrong("12.cached_attention", "raised RuntimeError")
class OnePosition:
    def cached_attention(cache, query, key, value):
        n = cache["length"]
        cache["keys"][:, n : n + 1] = key
        cache["values"][:, n : n + 1] = value
        cache["length"] += 1
        return (query @ cache["keys"][:, : n + 1].mT / math.sqrt(query.shape[2])).softmax(-1) @ cache["values"][
            :, : n + 1
        ]


@wrong("12.cached_attention", "The new tokens stand in front of the old ones.")
class InFrontInPlace:
    def cached_attention(cache, query, key, value):
        n, end = cache["length"], cache["length"] + key.shape[1]
        cache["keys"][:, :end] = torch.cat([key, cache["keys"][:, :n].clone()], 1)
        cache["values"][:, :end] = torch.cat([value, cache["values"][:, :n].clone()], 1)
        cache["length"] = end
        mask = torch.ones(end - n, end, dtype=torch.bool).tril(n)
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)


@wrong("12.cached_attention", "The result has shape (")
class ReturnsTheWeights:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1)


@right("12.quantize")
class ThroughNumpy:
    def quantize(weight):
        array = weight.numpy()
        scale = np.abs(array).max(axis=1, keepdims=True) / 127
        safe = np.where(scale == 0, 1, scale)
        codes = np.rint(array / safe).astype(np.int8)
        return torch.from_numpy(codes), torch.from_numpy(scale)


@right("12.quantize")
class RowByRow:
    def quantize(weight):
        codes = torch.zeros(weight.shape, dtype=torch.int8)
        scale = torch.ones(len(weight), 1)
        for r, row in enumerate(weight.tolist()):
            largest = max(abs(each) for each in row)
            if largest:
                scale[r, 0] = largest / 127
                for c, each in enumerate(row):
                    codes[r, c] = round(each * 127 / largest)
        return codes, scale


@wrong("12.quantize", "raised TypeError")
class PythonsRound:
    def quantize(weight):
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        return round(weight / scale).to(torch.int8), scale


@wrong("12.quantize", "changed the input")
class InPlace:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        weight /= scale
        return weight.round().to(torch.int8), scale


@wrong("12.quantize", "raised TypeError")
class TheTypeOfNumpy:
    def quantize(weight):
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        return (weight / scale).round().to(np.int8), scale


@wrong("12.quantize", "raised RuntimeError")
class ScaleWithoutItsAxis:
    def quantize(weight):
        scale = weight.abs().amax(dim=1) / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "raised TypeError")
class MaxGivesTwo:
    def quantize(weight):
        scale = weight.abs().max(dim=1, keepdim=True) / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "raised AttributeError")
class AsType:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        return (weight / scale).round().astype("int8"), scale


@wrong("12.quantize", "raised IndexError")
class AxisTwo:
    def quantize(weight):
        scale = weight.abs().amax(dim=2, keepdim=True) / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "raised NameError")
class BitsOfThePage:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)  # noqa: F821
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "There's one scale per column. One per row: the largest along axis ")
class PerColumn:
    def quantize(weight):
        scale = weight.abs().amax(dim=0, keepdim=True) / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "The result keeps the right codes as torch.float")
class FloatCodes:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return (weight / scale).round(), scale


@wrong("12.quantize", "The scale is the mean absolute weight over 127.")
class MeanScale:
    def quantize(weight):
        scale = weight.abs().mean(dim=1, keepdim=True) / 127
        return (weight / scale).round().clamp(-127, 127).to(torch.int8), scale


@wrong("12.quantize", "raised ValueError")
class RoundsNan:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        codes = [[round(each) for each in row] for row in (weight / scale).tolist()]
        return torch.tensor(codes, dtype=torch.int8), scale


@right("12.outcome")
class ByNumpy:
    def outcome(p, q, guess):
        p, q = np.array(p), np.array(q)
        keep = min(p[guess] / q[guess], 1)
        rest = np.maximum(p - q, 0)
        out = rest * (1 - keep) / (rest.sum() or 1)
        out[guess] = out[guess] + keep
        return out


@right("12.outcome")
class Without:
    def outcome(p, q, guess):
        keep = p[guess] / q[guess] if p[guess] < q[guess] else 1
        total = 0
        for a, b in zip(p, q):
            if a > b:
                total += a - b
        out = []
        for token in range(len(p)):
            x = keep if token == guess else 0
            if keep < 1 and p[token] > q[token]:
                x += (1 - keep) * (p[token] - q[token]) / total
            out.append(x)
        return out


@wrong("12.outcome", "raised NameError")
class KeepOfThePage:
    def outcome(p, q, guess):
        return [keep if i == guess else (1 - keep) * p[i] for i in range(len(p))]  # noqa: F821


@wrong("12.outcome", "kept too often or too rarely")
class TheAverage:
    def outcome(p, q, guess):
        return [(a + b) / 2 for a, b in zip(p, q, strict=True)]


@wrong("12.outcome", "raised TypeError")
class GuessIsAList:
    def outcome(p, q, guess):
        keep = min(1, p[q] / q[guess])
        return [keep * a for a in p]


@wrong("12.outcome", "raised TypeError")
class ListsMinusLists:
    def outcome(p, q, guess):
        rest = p - q
        return rest


@wrong("12.outcome", "raised TypeError")
class SumsANumber:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        return [(1 - keep) * a for a in sum(p[guess])]


@wrong("12.outcome", "raised ZeroDivisionError")
class AlwaysNormalizes:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        out = [(1 - keep) * r / sum(rest) for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "is a tensor, which rounds")
class InFloats:
    def outcome(p, q, guess):
        p, q = torch.tensor([float(x) for x in p]), torch.tensor([float(x) for x in q])
        keep = (p[guess] / q[guess]).clamp(max=1)
        rest = (p - q).clamp(min=0)
        out = (1 - keep) * rest / rest.sum().clamp(min=1e-9)
        return out + keep * F.one_hot(torch.tensor(guess), len(p))


@wrong("12.outcome", "raised RuntimeError")
class Tensors:
    def outcome(p, q, guess):
        p, q = torch.tensor(p), torch.tensor(q)
        keep = (p[guess] / q[guess]).clamp(max=1)
        rest = (p - q).clamp(min=0)
        out = (1 - keep) * rest / rest.sum()
        out[guess] += keep
        return out


@wrong("12.outcome", "changed the input")
class WritesIntoP:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        for i in range(len(p)):
            p[i] = (1 - keep) * max(p[i] - q[i], 0)
        total = sum(p) or 1
        p = [x / total * (1 - keep) for x in p]
        p[guess] += keep
        return p


@right("12.look_up")
class PackageCut:
    def look_up(ids, n, k):
        guesses = PromptLookup(n).propose(ids, k)
        for start in range(len(ids) - n - 1, -1, -1):
            if ids[start : start + n] == ids[-n:]:
                return guesses[: len(ids) - start - n]
        return guesses


@right("12.look_up")
class ByNumpyWindows:
    def look_up(ids, n, k):
        if len(ids) <= n:
            return []
        windows = np.lib.stride_tricks.sliding_window_view(np.array(ids), n)[:-1]
        found = np.flatnonzero((windows == np.array(ids[-n:])).all(axis=1))
        if not len(found):
            return []
        begin = int(found[-1]) + n
        return ids[begin : begin + k]


@wrong("12.look_up", "raised ValueError")
class IndexOfASlice:
    def look_up(ids, n, k):
        start = ids.index(ids[-n:])
        return ids[start + n : start + n + k]


@wrong("12.look_up", "raised AttributeError")
class AsText:
    def look_up(ids, n, k):
        start = ids.rfind(ids[-n:])
        return ids[start + n : start + n + k]


@wrong("12.look_up", "raised ValueError")
class MaxOfNone:
    def look_up(ids, n, k):
        start = max(i for i in range(len(ids) - n) if ids[i : i + n] == ids[-n:])
        return ids[start + n : start + n + k]


@wrong("12.look_up", "A guess is made where nothing matches.")
class MinusOneOfRfind:
    def look_up(ids, n, k):
        text = "".join(map(chr, ids))
        start = text.rfind(text[-n:], 0, len(text) - 1)
        return ids[start + n : start + n + k]


@wrong("12.look_up", "raised IndexError")
class OneByOne:
    def look_up(ids, n, k):
        for i in range(len(ids) - n, -1, -1):
            if ids[i : i + n] == ids[-n:]:
                return [ids[i + n + j] for j in range(k)]
        return []


@wrong("12.look_up", "raised NameError")
class TextOfThePage:
    def look_up(ids, n, k):
        for i in range(len(text) - n - 1, -1, -1):  # noqa: F821
            if text[i : i + n] == ids[-n:]:  # noqa: F821
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "changed the input")
class Pops:
    def look_up(ids, n, k):
        last = [ids.pop() for _ in range(n)][::-1]
        for i in range(len(ids) - n, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@right("12.1")
def int8_by_numpy(x, weight):
    def codes(matrix):
        matrix = matrix.numpy()
        scale = np.abs(matrix).max(1, keepdims=True) / np.float32(127) + np.float32(1e-12)
        return np.rint(matrix / scale).astype(np.int64), scale

    (a, of_x), (b, of_weight) = codes(x), codes(weight)
    return np.einsum("tc,rc->tr", a, b) * (of_x * of_weight.T)


@right("12.1")
def plain_loops(x, weight):
    def row_codes(row):
        scale = row.abs().max() / 127
        if scale == 0:
            return [0] * len(row), 0.0
        return [int(v) for v in torch.round(row / scale)], float(scale)

    xs = [row_codes(row) for row in x]
    ws = [row_codes(row) for row in weight]
    out = torch.zeros(len(xs), len(ws))
    for t, (a, sa) in enumerate(xs):
        for r, (b, sb) in enumerate(ws):
            out[t, r] = sum(i * j for i, j in zip(a, b)) * sa * sb
    return out


@wrong("12.1", "called torch.quantize_per_channel")
def the_library(x, weight):
    scale = weight.abs().amax(1) / 127
    return x @ torch.quantize_per_channel(weight, scale, torch.zeros(len(scale)), 0, torch.qint8).dequantize().T


@wrong("12.1", "In `weight`: Each column has a scale, not each row. It is wrong with ordinary")
def weight_scales_by_column(x, weight):
    sx = (x.abs().amax(1, keepdim=True) / 127).clamp(min=1e-30)
    sw = (weight.abs().amax(0, keepdim=True) / 127).clamp(min=1e-30)
    qx, qw = (x / sx).round(), (weight / sw).round()
    return (qx * sx) @ (qw * sw).T


@wrong("12.1", "In some cases, this is what happens: The scale comes from the largest number, and the")
def without_abs(x, weight):
    def codes(m):
        s = m.amax(1, keepdim=True) / 127
        s = torch.where(s != 0, s, 1.0)
        return (m / s).round().clamp(-127, 127), s

    (a, s), (b, t) = codes(x), codes(weight)
    return a @ b.T * s * t.T


def _codes(matrix, most=127.0):
    scale = matrix.abs().amax(1, keepdim=True) / most
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (matrix / scale).round(), scale


@wrong("12.1", "The result has shape (1, 1) in place of (2, 1).")
def rows_of_zeros_dropped(x, weight):
    x, weight = x[x.any(1)], weight[weight.any(1)]
    (a, s), (b, t) = _codes(x), _codes(weight)
    return a @ b.T * s * t.T


@right("12.2")
def padded_by_blocks(texts, pad):
    T = max(len(text) for text in texts)
    ids = np.full((len(texts), T), pad, dtype=np.int64)
    positions = np.zeros((len(texts), T), dtype=np.int64)
    visible = np.zeros((len(texts), T, T), dtype=bool)
    for b, text in enumerate(texts):
        for column in range(T):
            k = column - (T - len(text))
            visible[b, column, column] = True
            if k >= 0:
                ids[b, column], positions[b, column] = text[k], k
                visible[b, column, column - k : column] = True
    return tuple(torch.from_numpy(one) for one in (ids, positions, visible))


def rectangle(texts, pad):
    width = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (width - len(text)) + text for text in texts])
    lengths = torch.tensor([len(text) for text in texts])[:, None]
    return ids, torch.arange(width) >= width - lengths


@wrong("12.2", "not three things")
def no_mask_returned(texts, pad):
    ids, real = rectangle(texts, pad)
    return ids, (real.cumsum(1) - 1).clamp(min=0)


@wrong("12.2", "The mask holds ")
def mask_to_be_added(texts, pad):
    T = max(len(text) for text in texts)
    ids = torch.tensor([[pad] * (T - len(text)) + text for text in texts])
    start = torch.tensor([[T - len(text)] for text in texts])
    columns = torch.arange(T)
    visible = (columns[:, None] >= columns) & (columns >= start)[:, None, :] | torch.eye(T, dtype=torch.bool)
    mask = torch.zeros(len(texts), T, T).masked_fill(~visible, -math.inf)
    return ids, (columns - start).clamp(min=0), mask


@wrong("12.2", "left_padded changed the input that it was given; work on a copy. It happens")
def pads_the_given_lists(texts, pad):
    lengths = [len(text) for text in texts]
    T = max(lengths)
    for text in texts:
        while len(text) < T:
            text.insert(0, pad)
    ids = torch.tensor(texts)
    start = torch.tensor([[T - n] for n in lengths])
    columns = torch.arange(T)
    visible = (columns[:, None] >= columns) & (columns >= start)[:, None, :] | torch.eye(T, dtype=torch.bool)
    return ids, (columns - start).clamp(min=0), visible


@right("12.3")
def by_recursion(guesses, offered, wanted, dice, last):
    if not guesses:
        return (bisect_right(np.cumsum(wanted[0].double().numpy()).tolist(), last),)
    p, q = wanted[0].tolist(), offered[0].tolist()
    if dice[0] < p[guesses[0]] / q[guesses[0]]:
        return (guesses[0], *by_recursion(guesses[1:], offered[1:], wanted[1:], dice[1:], last))
    more = [max(a - b, 0) for a, b in zip(p, q, strict=True)]
    return (bisect_right(list(itertools.accumulate(more)), last * sum(more)),)


@right("12.3")
def in_fractions(guesses, offered, wanted, dice, last):
    def exact(row):
        return [Fraction(round(1000 * one), 1000) for one in row.tolist()]

    text, probabilities = [], exact(wanted[-1])
    for guess, q, p, die in zip(guesses, map(exact, offered), map(exact, wanted), dice, strict=False):
        if Fraction(die) * q[guess] >= p[guess]:
            more = [max(a - b, Fraction(0)) for a, b in zip(p, q, strict=True)]
            probabilities = [one / sum(more) for one in more]
            break
        text.append(guess)
    return [*text, next(t for t, total in enumerate(itertools.accumulate(probabilities)) if total > Fraction(last))]


@wrong("12.3", "Only the new token is returned, without the guesses that stay. Return the")
def only_the_new_token(guesses, offered, wanted, dice, last):
    chances = wanted[len(guesses)]
    for i, g in enumerate(guesses):
        if dice[i] >= wanted[i, g] / offered[i, g]:
            chances = (wanted[i] - offered[i]).clamp(min=0)
            chances = chances / chances.sum()
            break
    return [int((chances.cumsum(0) > last).nonzero()[0])]


def _draw(probabilities, last):
    above = (probabilities.cumsum(0) > last).nonzero()
    return int(above[0]) if len(above) else int(probabilities.nonzero()[-1])


def _excess(p, q):
    more = (p - q).clamp(min=0)
    return more / more.sum()


@wrong("12.3", "settle changed the input that it was given; work on a copy. Open the next hint")
def writes_into_the_guesses(guesses, offered, wanted, dice, last):
    for i in range(len(guesses)):
        guess = int(guesses[i])
        if dice[i] >= wanted[i][guess] / offered[i][guess]:
            guesses[i] = _draw(_excess(wanted[i], offered[i]), last)
            return [int(g) for g in guesses[: i + 1]]
    return [int(g) for g in guesses] + [_draw(wanted[len(guesses)], last)]


@right("12.4")
def with_a_heap(events, page_size):
    free, texts, seen = list(range(10_000)), {}, []
    for kind, name, *more in events:
        if kind == "join":
            n = more[0]
            texts[name] = ([heapq.heappop(free) for _ in range(-(-n // page_size))], n)
        elif kind == "fork":
            texts[more[0]] = texts[name]
        else:
            pages, n = texts.pop(name)
            held = set(itertools.chain(*(other for other, _ in texts.values())))
            if kind == "leave":
                for page in set(pages) - held:
                    heapq.heappush(free, page)
            elif n % page_size == 0:
                texts[name] = ([*pages, heapq.heappop(free)], n + 1)
            else:
                last = heapq.heappop(free) if pages[-1] in held else pages[-1]
                texts[name] = ([*pages[:-1], last], n + 1)
        seen.append({name: pages for name, (pages, _) in texts.items()})
    return seen


@right("12.4")
def tuples_that_never_change(events, page_size):
    def free_pages(state):
        used = set().union(*(pages for _, pages in state.values()))
        return (p for p in itertools.count() if p not in used)

    def step(state, event):
        kind, name = event[:2]
        new = dict(state)
        if kind == "join":
            need = math.ceil(event[2] / page_size)
            new[name] = (event[2], tuple(itertools.islice(free_pages(state), need)))
        elif kind == "fork":
            new[event[2]] = state[name]
        elif kind == "leave":
            new.pop(name)
        else:
            n, pages = state[name]
            holders = sum(pages[-1] in other for _, other in state.values())
            if n % page_size == 0:
                pages = (*pages, next(free_pages(state)))
            elif holders > 1:
                pages = (*pages[:-1], next(free_pages(state)))
            new[name] = (n + 1, pages)
        return new

    states = itertools.accumulate(events, step, initial={})
    next(states)
    return [{name: list(pages) for name, (_, pages) in state.items()} for state in states]


@right("12.4")
def matrix_of_holders(events, page_size):
    most = 1 + sum(1 + (event[2] if event[0] == "join" else 0) for event in events)
    holds, length, order, result = {}, {}, {}, []

    def take():
        used = np.zeros(most, dtype=int)
        for row in holds.values():
            used += row
        return int(np.argmin(used > 0))

    for event in events:
        name = event[1]
        if event[0] == "join":
            holds[name], order[name], length[name] = np.zeros(most, dtype=int), [], event[2]
            for _ in range(0, event[2], page_size):
                page = take()
                holds[name][page] = 1
                order[name] = order[name] + [page]
        elif event[0] == "fork":
            new = event[2]
            holds[new], order[new], length[new] = holds[name].copy(), order[name], length[name]
        elif event[0] == "leave":
            for book in (holds, order, length):
                del book[name]
        else:
            tail = order[name][-1]
            full = length[name] % page_size == 0
            shared = sum(row[tail] for row in holds.values()) > 1
            if full or shared:
                page = take()
                holds[name][page] = 1
                if full:
                    order[name] = order[name] + [page]
                else:
                    holds[name][tail] = 0
                    order[name] = order[name][:-1] + [page]
            length[name] += 1
        result.append({one: list(pages) for one, pages in order.items()})
    return result


@wrong("12.4", "is a dictionary")
def only_the_end(events, page_size):
    return with_a_heap(events, page_size)[-1]


@wrong("12.4", "A page becomes free although another text still holds it.")
def leaving_frees_shared_pages(events, page_size):
    tables, lengths, free, out = {}, {}, set(range(10_000)), []

    def take():
        page = min(free)
        free.discard(page)
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(-(-rest[0] // page_size))]
        elif kind == "write":
            if lengths[name] % page_size == 0:
                tables[name].append(take())
            elif any(tables[name][-1] in t for n, t in tables.items() if n != name):
                tables[name][-1] = take()
            lengths[name] += 1
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
        else:
            free.update(tables.pop(name))
        out.append({k: list(v) for k, v in tables.items()})
    return out


@wrong("12.4", "there is no table of")
def tells_of_one(events, page_size):
    tables = with_a_heap(events, page_size)
    return [{event[1]: one.get(event[1])} for event, one in zip(events, tables, strict=True)]


@wrong("12.4", "Who joins takes one page too many where the tokens fill the last one exactly. A")
def one_page_too_many(events, page_size):
    tables, lengths, holders, out = {}, {}, Counter(), []

    def take():
        page = next(p for p in itertools.count() if not holders[p])
        holders[page] += 1
        return page

    for kind, name, *rest in events:
        if kind == "join":
            lengths[name] = rest[0]
            tables[name] = [take() for _ in range(rest[0] // page_size + 1)]
        elif kind == "write":
            lengths[name] += 1
            if lengths[name] > len(tables[name]) * page_size:
                tables[name].append(take())
            elif holders[tables[name][-1]] > 1:
                holders[tables[name][-1]] -= 1
                tables[name][-1] = take()
        elif kind == "fork":
            tables[rest[0]], lengths[rest[0]] = list(tables[name]), lengths[name]
            holders.update(tables[name])
        elif kind == "leave":
            holders.subtract(tables.pop(name))
        out.append({n: list(t) for n, t in tables.items()})
    return out
