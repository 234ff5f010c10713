"""Answers to the turns of lesson 12, written from the text of its stubs alone, before the checks."""

import math
import random

import torch
import torch.nn.functional as F
from turn_answers import wrong

# --- 12.cached_attention


@wrong("12.cached_attention", "")
class ForgetsToAdvance:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class CountsOne:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] += 1
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class CountsOneAndReadsSo:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] += 1
        keys, values = cache["keys"][:, : cache["length"]], cache["values"][:, : cache["length"]]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(key.shape[1], cache["length"], dtype=torch.bool).tril(cache["length"] - key.shape[1])
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class NoMask:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class TopLeftMask:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril()
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class IsCausal:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        return F.scaled_dot_product_attention(query, keys, values, is_causal=True)


@wrong("12.cached_attention", "")
class SdpaWithoutMask:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        return F.scaled_dot_product_attention(query, keys, values)


@wrong("12.cached_attention", "")
class ReadsTheRoom:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"], cache["values"]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, keys.shape[1], dtype=torch.bool)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class MaskOfZeros:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores * visible
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class MaskAfterSoftmax:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        weights = scores.softmax(dim=-1) * visible
        return weights @ values


@wrong("12.cached_attention", "")
class MaskInverted:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class StrictMask:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start - 1)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class LooseMask:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start + 1)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class MaskByEnd:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(end)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class NoScale:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2)
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class ScaleByD:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / query.shape[2]
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class ScaleByT:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[1])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class ScaleByH:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[0])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class SoftmaxOfQueries:
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
        return scores.softmax(dim=1) @ values


@wrong("12.cached_attention", "")
class SoftmaxOfHeads:
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
        return scores.softmax(dim=0) @ values


@wrong("12.cached_attention", "")
class KeysForValues:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = key
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class MixesKeys:
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
        return scores.softmax(dim=-1) @ keys


@wrong("12.cached_attention", "")
class OnlyNew:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, start:end], cache["values"][:, start:end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end - start, dtype=torch.bool).tril()
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class OldOnly:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] = key
        cache["values"][:, start:end] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :start], cache["values"][:, :start]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class WritesAtZero:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, : end - start] = key
        cache["values"][:, : end - start] = value
        cache["length"] = end
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class AddsToTheCache:
    def cached_attention(cache, query, key, value):
        start = cache["length"]
        end = start + key.shape[1]
        cache["keys"][:, start:end] += key
        cache["values"][:, start:end] = value
        cache["length"] = end - 1
        keys, values = cache["keys"][:, :end], cache["values"][:, :end]
        scores = query @ keys.transpose(1, 2) / math.sqrt(query.shape[2])
        visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ values


@wrong("12.cached_attention", "")
class AverageOfValues:
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
        return (scores > -math.inf).float() @ values / end


@wrong("12.cached_attention", "")
class Appends:
    def cached_attention(cache, query, key, value):
        keys = torch.cat([cache["keys"], key], dim=1)
        values = torch.cat([cache["values"], value], dim=1)
        cache["keys"], cache["values"] = keys, values
        cache["length"] += key.shape[1]
        scores = query @ keys.mT / query.shape[-1] ** 0.5
        return scores.softmax(-1) @ values


@wrong("12.cached_attention", "")
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


@wrong("12.cached_attention", "")
class NewOnesInFront:
    def cached_attention(cache, query, key, value):
        n = key.shape[1]
        cache["keys"] = torch.cat([key, cache["keys"]], 1)
        cache["values"] = torch.cat([value, cache["values"]], 1)
        cache["length"] += n
        keys, values = cache["keys"][:, : cache["length"]], cache["values"][:, : cache["length"]]
        att = query @ keys.mT / math.sqrt(query.size(-1))
        mask = torch.tril(torch.ones(n, cache["length"]), cache["length"] - n)
        att = att.masked_fill(mask == 0, float("-inf"))
        return F.softmax(att, dim=-1) @ values


# --- 12.quantize


@wrong("12.quantize", "")
class SignedMax:
    def quantize(weight):
        scale = weight.max(dim=1, keepdim=True).values / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class By128:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 128
        scale[scale == 0] = 1
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class By128Clamped:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 128
        scale[scale == 0] = 1
        return (weight / scale).round().clamp(-128, 127).to(torch.int8), scale


@wrong("12.quantize", "")
class By255:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 255
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class NoRound:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return (weight / scale).to(torch.int8), scale


@wrong("12.quantize", "")
class Floor:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return (weight / scale).floor().to(torch.int8), scale


@wrong("12.quantize", "")
class OneScale:
    def quantize(weight):
        scale = weight.abs().max() / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class OneScaleExpanded:
    def quantize(weight):
        scale = weight.abs().max() / 127
        return (weight / scale).round().to(torch.int8), scale.expand(len(weight), 1)


@wrong("12.quantize", "")
class PerColumn:
    def quantize(weight):
        scale = weight.abs().amax(dim=0, keepdim=True) / 127
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class NoKeepdim:
    def quantize(weight):
        scale = weight.abs().amax(dim=1) / 127
        return (weight / scale[:, None]).round().to(torch.int8), scale


@wrong("12.quantize", "")
class ScaleFirst:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return scale, (weight / scale).round().to(torch.int8)


@wrong("12.quantize", "")
class OnlyCodes:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return (weight / scale).round().to(torch.int8)


@wrong("12.quantize", "")
class FloatCodes:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return (weight / scale).round(), scale


@wrong("12.quantize", "")
class Dequantized:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        codes = (weight / scale).round()
        return codes * scale, scale


@wrong("12.quantize", "")
class MinMax:
    def quantize(weight):
        low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
        scale = (high - low) / 255
        return ((weight - low) / scale - 128).round().to(torch.int8), scale


@wrong("12.quantize", "")
class InverseScale:
    def quantize(weight):
        scale = 127 / weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8)
        return (weight * scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class MaxAsScale:
    def quantize(weight):
        largest = weight.abs().amax(dim=1, keepdim=True)
        return (weight / largest * 127).round().to(torch.int8), largest


@wrong("12.quantize", "")
class FourBits:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 7
        return (weight / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class UnsignedCodes:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        return ((weight / scale).round() + 128).to(torch.uint8), scale


@wrong("12.quantize", "")
class AbsOfCodes:
    def quantize(weight):
        w = weight.abs()
        scale = w.amax(dim=1, keepdim=True) / 127
        return (w / scale).round().to(torch.int8), scale


@wrong("12.quantize", "")
class MeanScale:
    def quantize(weight):
        scale = weight.abs().mean(dim=1, keepdim=True) / 127
        return (weight / scale).round().clamp(-127, 127).to(torch.int8), scale


@wrong("12.quantize", "")
class DeviationScale:
    def quantize(weight):
        scale = 3 * weight.std(dim=1, keepdim=True) / 127
        return (weight / scale).round().clamp(-127, 127).to(torch.int8), scale


@wrong("12.quantize", "")
class MultipliedTwice:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True) / 127
        return (weight * 127 / scale).round().clamp(-127, 127).to(torch.int8), scale


@wrong("12.quantize", "")
class MaxOfTheAbsOfTheMax:
    def quantize(weight):
        scale = weight.amax(dim=1, keepdim=True).abs() / 127
        return (weight / scale).round().clamp(-127, 127).to(torch.int8), scale


@wrong("12.quantize", "")
class ListOfCodes:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return [[round(float(w)) for w in row] for row in weight / scale], scale


@wrong("12.quantize", "")
class IntoInt8BeforeRounding:
    def quantize(weight):
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
        return (weight.to(torch.int8) / scale).round().to(torch.int8), scale


# --- 12.outcome


@wrong("12.outcome", "")
class FromP:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        out = [(1 - keep) * x for x in p]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class FromQ:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        out = [(1 - keep) * x for x in q]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class Upside:
    def outcome(p, q, guess):
        keep = min(1, q[guess] / p[guess]) if p[guess] else 1
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class NoMin:
    def outcome(p, q, guess):
        keep = p[guess] / q[guess]
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class NotClamped:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [a - b for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class AbsoluteDifference:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [abs(a - b) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class NotNormalized:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        out = [(1 - keep) * max(a - b, 0) for a, b in zip(p, q)]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class NotWeighed:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest) or 1
        out = [r / total for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class NoGuess:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest) or 1
        return [(1 - keep) * r / total for r in rest]


@wrong("12.outcome", "")
class JustP:
    def outcome(p, q, guess):
        return p


@wrong("12.outcome", "")
class JustPCopied:
    def outcome(p, q, guess):
        return [x for x in p]


@wrong("12.outcome", "")
class Difference:
    def outcome(p, q, guess):
        return [max(a - b, 0) for a, b in zip(p, q)]


@wrong("12.outcome", "")
class Residual:
    def outcome(p, q, guess):
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        return [r / total if total else 0 for r in rest]


@wrong("12.outcome", "")
class Hard:
    def outcome(p, q, guess):
        keep = 1 if p[guess] >= q[guess] else 0
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class GreedyCheck:
    def outcome(p, q, guess):
        keep = 1 if guess == p.index(max(p)) else 0
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class AlwaysTheLikeliest:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        out = [0] * len(p)
        out[p.index(max(p))] = 1 - keep
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class WithoutTheGuess:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [0 if i == guess else x for i, x in enumerate(p)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class ReversedDifference:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(b - a, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class KeepP:
    def outcome(p, q, guess):
        keep = p[guess]
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class KeepMin:
    def outcome(p, q, guess):
        keep = min(p[guess], q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [(1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += keep
        return out


@wrong("12.outcome", "")
class TimesQ:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        total = sum(rest)
        out = [q[guess] * (1 - keep) * r / total if total else 0 for r in rest]
        out[guess] += q[guess] * keep
        return out


@wrong("12.outcome", "")
class Overall:
    def outcome(p, q, guess):
        return [min(a, b) + max(a - b, 0) for a, b in zip(p, q)]


@wrong("12.outcome", "")
class Drawn:
    def outcome(p, q, guess):
        if random.random() < p[guess] / q[guess]:
            return guess
        rest = [max(a - b, 0) for a, b in zip(p, q)]
        return random.choices(range(len(p)), [float(r) for r in rest])[0]


@wrong("12.outcome", "")
class OnlyTheProbability:
    def outcome(p, q, guess):
        return min(1, p[guess] / q[guess])


@wrong("12.outcome", "")
class EvenlyReplaced:
    def outcome(p, q, guess):
        keep = min(1, p[guess] / q[guess])
        out = [(1 - keep) / (len(p) - 1) if len(p) > 1 else 0 for _ in p]
        out[guess] = keep
        return out


@wrong("12.outcome", "")
class Ratios:
    def outcome(p, q, guess):
        rest = [min(1, a / b) if b else 1 for a, b in zip(p, q)]
        total = sum(rest)
        return [r / total for r in rest]


# --- 12.look_up


@wrong("12.look_up", "")
class FindsItself:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class Earliest:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class TheMatch:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i : i + n]
        return []


@wrong("12.look_up", "")
class FromTheMatch:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i : i + k]
        return []


@wrong("12.look_up", "")
class MatchAndMore:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i : i + n + k]
        return []


@wrong("12.look_up", "")
class OneLate:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n + 1 : i + n + k + 1]
        return []


@wrong("12.look_up", "")
class OneShort:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + k]
        return []


@wrong("12.look_up", "")
class Alphabet:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if all(token in ids[i : i + n] for token in last):
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class OnlyTheLastToken:
    def look_up(ids, n, k):
        for i in range(len(ids) - 2, -1, -1):
            if ids[i] == ids[-1]:
                return ids[i + 1 : i + 1 + k]
        return []


@wrong("12.look_up", "")
class OnlyTheFirstOfThem:
    def look_up(ids, n, k):
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i] == ids[-n]:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class MissesTheBeginning:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, 0, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class MissesTheLatest:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 2, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class ReturnsInTheLoop:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
            return []


@wrong("12.look_up", "")
class NothingWithoutAMatch:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]


@wrong("12.look_up", "")
class TheLastOnes:
    def look_up(ids, n, k):
        return ids[-k:]


@wrong("12.look_up", "")
class RunsOn:
    def look_up(ids, n, k):
        last, text = ids[-n:], list(ids)
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                for j in range(k):
                    text.append(text[i + n + j])
                return text[len(ids) :]
        return []


@wrong("12.look_up", "")
class AllThatFollows:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n :]
        return []


@wrong("12.look_up", "")
class APosition:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return i + n
        return -1


@wrong("12.look_up", "")
class Backwards:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k][::-1]
        return []


@wrong("12.look_up", "")
class AllMatches:
    def look_up(ids, n, k):
        last, out = ids[-n:], []
        for i in range(len(ids) - n):
            if ids[i : i + n] == last:
                out += ids[i + n : i + n + k]
        return out


@wrong("12.look_up", "")
class NamesExchanged:
    def look_up(ids, n, k):
        last = ids[-k:]
        for i in range(len(ids) - k - 1, -1, -1):
            if ids[i : i + k] == last:
                return ids[i + k : i + k + n]
        return []


@wrong("12.look_up", "")
class OnlyFull:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - k, -1, -1):
            if ids[i : i + n] == last:
                return ids[i + n : i + n + k]
        return []


@wrong("12.look_up", "")
class PaddedWithNothing:
    def look_up(ids, n, k):
        last = ids[-n:]
        for i in range(len(ids) - n - 1, -1, -1):
            if ids[i : i + n] == last:
                found = ids[i + n : i + n + k]
                return found + [0] * (k - len(found))
        return [0] * k
