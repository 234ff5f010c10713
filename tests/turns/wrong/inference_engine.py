"""Strangers' wrong answers to the turns of lesson 12: errors, other forms, and mistakes that only a probe tells."""

import math

import torch
import torch.nn.functional as F
from turn_answers import wrong

# --- 12.cached_attention


@wrong("12.cached_attention", "cache['length'] is 0")
class RoomByCat:
    def cached_attention(cache, query, key, value):
        cache["k"] = torch.cat([cache["k"], key], 1) if "k" in cache else key
        cache["v"] = torch.cat([cache["v"], value], 1) if "v" in cache else value
        T, S = key.shape[1], cache["k"].shape[1]
        mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        return F.scaled_dot_product_attention(query, cache["k"], cache["v"], attn_mask=mask)


@wrong("12.cached_attention", "cache['keys'] does not hold them")
class OwnEntries:
    def cached_attention(cache, query, key, value):
        cache["k"] = torch.cat([cache["k"], key], 1) if "k" in cache else key
        cache["v"] = torch.cat([cache["v"], value], 1) if "v" in cache else value
        T, S = key.shape[1], cache["k"].shape[1]
        cache["length"] = S
        mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        return F.scaled_dot_product_attention(query, cache["k"], cache["v"], attn_mask=mask)


@wrong("12.cached_attention", "raised KeyError")
class ByLayer:
    def cached_attention(cache, query, key, value):
        keys, values = cache[0]
        return (query @ keys.mT).softmax(-1) @ values


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


@wrong("12.cached_attention", "raised RuntimeError")
class NotTransposed:
    def cached_attention(cache, query, key, value):
        n = cache["length"] + key.shape[1]
        cache["keys"][:, cache["length"] : n] = key
        cache["values"][:, cache["length"] : n] = value
        cache["length"] = n
        return (query @ cache["keys"][:, :n]).softmax(-1) @ cache["values"][:, :n]


@wrong("12.cached_attention", "raised RuntimeError")
class HeadsJoined:
    def cached_attention(cache, query, key, value):
        keys = torch.cat([cache["keys"], key], dim=0)
        values = torch.cat([cache["values"], value], dim=0)
        return (query @ keys.mT).softmax(-1) @ values


@wrong("12.cached_attention", "raised ValueError")
class WithABatch:
    def cached_attention(cache, query, key, value):
        B, H, T, D = query.shape
        return (query @ key.mT / math.sqrt(D)).softmax(-1) @ value


@wrong("12.cached_attention", "raised TypeError")
class LengthAsATensor:
    def cached_attention(cache, query, key, value):
        n = cache["keys"].abs().sum(-1) > 0
        cache["keys"][:, n : n + 1] = key
        return query


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


@wrong("12.cached_attention", "Several things are returned.")
class ReturnsTheKeys:
    def cached_attention(cache, query, key, value):
        return cache["keys"], cache["values"]


@wrong("12.cached_attention", "The cache is returned.")
class ReturnsTheCache:
    def cached_attention(cache, query, key, value):
        cache["length"] += key.shape[1]
        return cache


# --- 12.quantize


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


@wrong("12.quantize", "changed the input")
class InPlace:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        weight /= scale
        return weight.round().to(torch.int8), scale


@wrong("12.quantize", "raised ValueError")
class RoundsNan:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        codes = [[round(each) for each in row] for row in (weight / scale).tolist()]
        return torch.tensor(codes, dtype=torch.int8), scale


@wrong("12.quantize", "raised NameError")
class BitsOfThePage:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)  # noqa: F821
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "Only the codes are returned.")
class CodesAlone:
    def quantize(weight):
        return (weight / weight.abs().amax(1, keepdim=True).clamp(min=1e-9) * 127).round().to(torch.int8)


@wrong("12.quantize", "A row of zeros gives NaN: 0 / 0.")
class NanScale:
    def quantize(weight):
        top = weight.abs().amax(1, keepdim=True)
        codes = torch.nan_to_num(weight / top * 127).round().to(torch.int8)
        scale = weight.abs().sum(1, keepdim=True) / codes.abs().sum(1, keepdim=True)
        return codes, top / 127 + 0 * scale


# --- 12.outcome


@wrong("12.outcome", "raised ZeroDivisionError")
class AlwaysNormalizes:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        out = [(1 - keep) * r / sum(rest) for r in rest]
        out[guess] += keep
        return out


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


@wrong("12.outcome", "raised NameError")
class KeepOfThePage:
    def outcome(p, q, guess):
        return [keep if i == guess else (1 - keep) * p[i] for i in range(len(p))]  # noqa: F821


@wrong("12.outcome", "A dictionary is returned.")
class ADictionary:
    def outcome(p, q, guess):
        return {i: x for i, x in enumerate(p)}


@wrong("12.outcome", "for 2 tokens")
class WithoutItsEntry:
    def outcome(p, q, guess):
        return [x for i, x in enumerate(p) if i != guess]


@wrong("12.outcome", "is a tensor, which rounds")
class InFloats:
    def outcome(p, q, guess):
        p, q = torch.tensor([float(x) for x in p]), torch.tensor([float(x) for x in q])
        keep = (p[guess] / q[guess]).clamp(max=1)
        rest = (p - q).clamp(min=0)
        out = (1 - keep) * rest / rest.sum().clamp(min=1e-9)
        return out + keep * F.one_hot(torch.tensor(guess), len(p))


# --- 12.look_up


@wrong("12.look_up", "raised IndexError")
class OneByOne:
    def look_up(ids, n, k):
        for i in range(len(ids) - n, -1, -1):
            if ids[i : i + n] == ids[-n:]:
                return [ids[i + n + j] for j in range(k)]
        return []


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


@wrong("12.look_up", "changed the input")
class Pops:
    def look_up(ids, n, k):
        last = [ids.pop() for _ in range(n)][::-1]
        for i in range(len(ids) - n, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "raised ValueError")
class MaxOfNone:
    def look_up(ids, n, k):
        start = max(i for i in range(len(ids) - n) if ids[i : i + n] == ids[-n:])
        return ids[start + n : start + n + k]


@wrong("12.look_up", "raised NameError")
class TextOfThePage:
    def look_up(ids, n, k):
        for i in range(len(text) - n - 1, -1, -1):  # noqa: F821
            if text[i : i + n] == ids[-n:]:  # noqa: F821
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "The whole text is returned")
class TheWholeText:
    def look_up(ids, n, k):
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == ids[-n:]:
                return ids + ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "Only the first of the n tokens is compared.")
class FirstOfThem:
    def look_up(ids, n, k):
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i] == ids[len(ids) - n]:
                return ids[i + n : i + n + k]
        return []
