"""More wrong answers to the turns of lesson 12, typed by a second reader."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 12.cached_attention


@wrong("12.cached_attention", "joined to the end of the whole reserved memory")
class TheCacheOfLesson7:
    def cached_attention(cache, query, key, value):
        keys = torch.cat([cache["keys"], key], dim=1)
        values = torch.cat([cache["values"], value], dim=1)
        T, S = query.shape[1], keys.shape[1]
        mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        scores = (query @ keys.mT / math.sqrt(query.shape[-1])).masked_fill(~mask, -math.inf)
        cache["length"] += T
        return scores.softmax(-1) @ values


@wrong("12.cached_attention", "The new keys land one step too far")
class CountsBeforeItWrites:
    def cached_attention(cache, query, key, value):
        cache["length"] += key.shape[1]
        n = cache["length"]
        cache["keys"][:, n : n + key.shape[1]] = key
        cache["values"][:, n : n + key.shape[1]] = value
        scores = query @ cache["keys"][:, :n].mT / math.sqrt(query.shape[2])
        mask = torch.ones(key.shape[1], n, dtype=torch.bool).tril(n - key.shape[1])
        return scores.masked_fill(~mask, -math.inf).softmax(-1) @ cache["values"][:, :n]


@wrong("12.cached_attention", "The result is 0 everywhere.")
class ValuesNotWritten:
    def cached_attention(cache, query, key, value):
        n = cache["length"]
        e = n + key.shape[1]
        cache["keys"][:, n:e] = key
        cache["length"] = e
        scores = query @ cache["keys"][:, :e].mT / math.sqrt(query.shape[2])
        mask = torch.ones(e - n, e, dtype=torch.bool).tril(n)
        return scores.masked_fill(~mask, -math.inf).softmax(-1) @ cache["values"][:, :e]


@wrong("12.cached_attention", "raised RuntimeError")
class TokensOnTheAxisOfHeads:
    def cached_attention(cache, query, key, value):
        n = cache["length"]
        e = n + key.shape[0]
        cache["keys"][n:e] = key
        cache["values"][n:e] = value
        cache["length"] = e
        return (query @ cache["keys"].mT / math.sqrt(query.shape[2])).softmax(-1) @ cache["values"]


@wrong("12.cached_attention", "The mask takes the new tokens for the first")
class MaskWithTheNewOnesFirst:
    def cached_attention(cache, query, key, value):
        n, T = cache["length"], key.shape[1]
        e = n + T
        cache["keys"][:, n:e] = key
        cache["values"][:, n:e] = value
        cache["length"] = e
        scores = query @ cache["keys"][:, :e].mT / math.sqrt(query.shape[2])
        mask = torch.cat([torch.ones(T, T).tril(), torch.ones(T, n)], 1).bool()
        return scores.masked_fill(~mask, -math.inf).softmax(-1) @ cache["values"][:, :e]


@wrong("12.cached_attention", "raised RuntimeError")
class AMaskOfFloats:
    def cached_attention(cache, query, key, value):
        n = cache["length"]
        e = n + key.shape[1]
        cache["keys"][:, n:e], cache["values"][:, n:e], cache["length"] = key, value, e
        scores = query @ cache["keys"][:, :e].mT / math.sqrt(query.shape[2])
        return scores.masked_fill(torch.ones(e - n, e).tril(n), -math.inf).softmax(-1) @ cache["values"][:, :e]


@right("12.cached_attention")
class ByHandTokenByToken:
    def cached_attention(cache, query, key, value):
        n, T = cache["length"], key.shape[1]
        cache["keys"][:, n : n + T] = key
        cache["values"][:, n : n + T] = value
        cache["length"] += T
        out = []
        for t in range(T):
            k, v = cache["keys"][:, : n + t + 1], cache["values"][:, : n + t + 1]
            w = torch.softmax((k * query[:, t : t + 1]).sum(-1) / query.shape[-1] ** 0.5, dim=-1)
            out.append((w[..., None] * v).sum(1))
        return torch.stack(out, dim=1)


# --- 12.quantize


@wrong("12.quantize", "raised TypeError")
class PythonsRound:
    def quantize(weight):
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        return round(weight / scale).to(torch.int8), scale


@wrong("12.quantize", "raised TypeError")
class TheTypeOfNumpy:
    def quantize(weight):
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-9) / 127
        return (weight / scale).round().to(np.int8), scale


@wrong("12.quantize", "All rows share one scale.")
class OneScaleInEachRow:
    def quantize(weight):
        scale = torch.full((len(weight), 1), weight.abs().max().item() / 127)
        return (weight / scale).round().to(torch.int8), scale


@right("12.quantize")
class OnlyTheLivingRows:
    def quantize(weight):
        low, high = torch.aminmax(weight, dim=1, keepdim=True)
        scale = torch.maximum(high, -low) / 127
        codes = torch.zeros_like(weight, dtype=torch.int8)
        live = (scale > 0).squeeze(1)
        codes[live] = (weight[live] / scale[live]).round().to(torch.int8)
        return codes, scale


# --- 12.outcome


@wrong("12.outcome", "The guess is kept with a probability above 1.")
class MaxForMin:
    def outcome(p, q, guess):
        keep = max(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q, strict=True)]
        total = sum(rest) or 1
        out = [(1 - keep) * r / total for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "The replacement is always the token that's missing most.")
class MostMissing:
    def outcome(p, q, guess):
        keep = min(p[guess] / q[guess], 1)
        out = [0] * len(p)
        out[guess] = keep
        out[max(range(len(p)), key=lambda j: p[j] - q[j])] += 1 - keep
        return out


@wrong("12.outcome", "in proportion to p / q - 1")
class ByTheRatio:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a / b - 1, 0) if b else a for a, b in zip(p, q, strict=True)]
        total = sum(rest) or 1
        out = [(1 - keep) * r / total for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "Where p equals q, p is returned.")
class PWhereNothingIsMissing:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q, strict=True)]
        if sum(rest) == 0:
            return p
        out = [(1 - keep) * r / sum(rest) for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class ReallyDrawn:
    def outcome(p, q, guess):
        if random.random() < p[guess] / q[guess]:
            return [1 if i == guess else 0 for i in range(len(p))]
        rest = [max(a - b, 0) for a, b in zip(p, q, strict=True)]
        return [r / sum(rest) for r in rest]


@wrong("12.outcome", "There's 1 number for 2 tokens.")
class ReturnsInsideTheLoop:
    def outcome(p, q, guess):
        keep, out = min(1, p[guess] / q[guess]), []
        total = sum(max(a - b, 0) for a, b in zip(p, q, strict=True)) or 1
        for i in range(len(p)):
            out.append((1 - keep) * max(p[i] - q[i], 0) / total + keep * (i == guess))
            return out


@wrong("12.outcome", "kept too often or too rarely")
class TheAverage:
    def outcome(p, q, guess):
        return [(a + b) / 2 for a, b in zip(p, q, strict=True)]


# --- 12.look_up


@wrong("12.look_up", "A guess is made where nothing matches.")
class MinusOneOfRfind:
    def look_up(ids, n, k):
        text = "".join(map(chr, ids))
        start = text.rfind(text[-n:], 0, len(text) - 1)
        return ids[start + n : start + n + k]


@wrong("12.look_up", "A guess is made where nothing matches.")
class ShorterAndShorterN:
    def look_up(ids, n, k):
        for m in range(n, 0, -1):
            for i in range(len(ids) - m - 1, -1, -1):
                if ids[i : i + m] == ids[-m:]:
                    return ids[i + m : i + m + k]
        return []


@wrong("12.look_up", "A match at the very beginning is missed.")
class DownToOne:
    def look_up(ids, n, k):
        for i in range(len(ids) - n - 1, 0, -1):
            if ids[i : i + n] == ids[-n:]:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "filled up to k tokens")
class FilledWithZeros:
    def look_up(ids, n, k):
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == ids[-n:]:
                guess = ids[i + n : i + n + k]
                return guess + [0] * (k - len(guess))
        return []


@right("12.look_up")
class TheGramsOfTheText:
    def look_up(ids, n, k):
        grams = list(zip(*(ids[j:] for j in range(n)), strict=False))
        if len(grams) < 2 or grams[-1] not in grams[:-1]:
            return []
        start = len(grams) - 2 - grams[:-1][::-1].index(grams[-1])
        return ids[start + n : start + n + k]


@right("12.cached_attention")
class OfTorchWithAMask:
    def cached_attention(cache, query, key, value):
        n, T = cache["length"], key.shape[1]
        rows = slice(n, n + T)
        cache["keys"][:, rows], cache["values"][:, rows], cache["length"] = key, value, n + T
        keys, values = (cache[name][None, :, : n + T] for name in ("keys", "values"))
        mask = torch.ones(T, n + T).tril(n).bool()
        return F.scaled_dot_product_attention(query[None], keys, values, attn_mask=mask)[0]
