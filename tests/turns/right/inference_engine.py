"""Unusual right answers to the turns of lesson 12, as learners write them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right

from minillm.inference.speculative import PromptLookup
from minillm.model.attention import attention_by_matmul


@right("12.cached_attention")
class TokenByToken:
    def cached_attention(cache, query, key, value):
        out = torch.zeros_like(query)
        for t in range(query.shape[1]):
            n = cache["length"]
            cache["keys"][:, n], cache["values"][:, n] = key[:, t], value[:, t]
            cache["length"] += 1
            for h in range(len(query)):
                scores = cache["keys"][h, : n + 1] @ query[h, t] / query.shape[-1] ** 0.5
                out[h, t] = scores.softmax(0) @ cache["values"][h, : n + 1]
        return out


@right("12.cached_attention")
class Fused:
    def cached_attention(cache, query, key, value):
        old = cache["length"]
        new = old + query.size(1)
        cache["keys"][:, old:new].copy_(key)
        cache["values"].narrow(1, old, new - old).copy_(value)
        cache.update(length=new)
        seen = torch.arange(new)[None, :] <= torch.arange(old, new)[:, None]
        k, v = cache["keys"].narrow(1, 0, new), cache["values"].narrow(1, 0, new)
        return F.scaled_dot_product_attention(query, k, v, attn_mask=seen)


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
class GrownByCat:
    def cached_attention(cache, query, key, value):
        old = cache["length"]
        cache["keys"] = torch.cat([cache["keys"][:, :old], key], dim=1)
        cache["values"] = torch.cat([cache["values"][:, :old], value], dim=1)
        cache["length"] = cache["keys"].size(1)
        scores = torch.bmm(query, cache["keys"].transpose(-2, -1)) / math.sqrt(query.size(-1))
        hidden = torch.ones(query.size(1), cache["length"]).triu(old + 1)
        scores = scores.masked_fill(hidden == 1, float("-inf"))
        e = torch.exp(scores - scores.max(-1, keepdim=True).values)
        return torch.bmm(e / e.sum(-1, keepdim=True), cache["values"])


@right("12.cached_attention")
class InDouble:
    def cached_attention(cache, query, key, value):
        a = cache["length"]
        b = a + key.shape[1]
        cache["keys"][:, a:b], cache["values"][:, a:b], cache["length"] = key, value, b
        scores = query.double() @ cache["keys"][:, :b].mT.double() / math.sqrt(query.shape[-1])
        scores = scores.where(torch.ones(b - a, b).tril(a).bool(), -math.inf)
        return (scores.softmax(-1) @ cache["values"][:, :b].double()).float()


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


@right("12.quantize")
class Clamped:
    def quantize(weight):
        scale = torch.max(weight.abs(), dim=-1, keepdim=True)[0].div(127).clamp_min(1e-12)
        return torch.clamp(torch.round(weight / scale), -127, 127).char(), scale


@right("12.quantize")
class ByTheInfinityNorm:
    def quantize(weight):
        scale = weight.norm(p=float("inf"), dim=1, keepdim=True) / 127
        codes = torch.nan_to_num(weight / scale).round_()
        return codes.type(torch.int8), scale


@right("12.quantize")
class ThroughNumpy:
    def quantize(weight):
        array = weight.numpy()
        scale = np.abs(array).max(axis=1, keepdims=True) / 127
        safe = np.where(scale == 0, 1, scale)
        codes = np.rint(array / safe).astype(np.int8)
        return torch.from_numpy(codes), torch.from_numpy(scale)


@right("12.quantize")
class HalfAdded:
    def quantize(weight):
        low, high = weight.min(1, keepdim=True).values, weight.max(1, keepdim=True).values
        scale = torch.maximum(-low, high) / 127
        x = weight / (scale + (scale == 0))
        return ((x.abs() + 0.5).floor() * x.sign()).to(torch.int8), scale


@right("12.quantize")
class TorchsOwn:
    def quantize(weight):
        scale = weight.abs().amax(1).clamp(min=1e-9).double() / 127
        zero = torch.zeros(len(weight), dtype=torch.long)
        made = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
        return made.int_repr(), scale.float().unsqueeze(1)


@right("12.outcome")
class WithEnumerate:
    def outcome(p, q, guess):
        ratio = p[guess] / q[guess]
        if ratio >= 1:
            return [int(i == guess) for i in range(len(p))]
        left = [a - b if a > b else 0 for a, b in zip(p, q)]
        return [ratio * (i == guess) + (1 - ratio) * x / sum(left) for i, x in enumerate(left)]


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
class AsATuple:
    def outcome(p, q, guess):
        missing = tuple(max(0, p[i] - q[i]) for i in range(len(p)))
        refused = max(0, q[guess] - p[guess]) / q[guess]
        total = sum(missing)
        return tuple(
            (refused * m / total if refused else 0) + (1 - refused) * (i == guess) for i, m in enumerate(missing)
        )


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


@right("12.look_up")
class WhileLoop:
    def look_up(ids, n, k):
        end = len(ids) - 1
        while end >= n:
            if all(ids[end - n + j] == ids[len(ids) - n + j] for j in range(n)):
                return list(ids[end : min(end + k, len(ids))])
            end -= 1
        return []


@right("12.look_up")
class Remembered:
    def look_up(ids, n, k):
        where = {}
        for i in range(len(ids) - n):
            where[tuple(ids[i : i + n])] = i + n
        begin = where.get(tuple(ids[-n:]))
        return [] if begin is None else ids[begin:][:k]


@right("12.look_up")
class HuggingFaceBackwards:
    def look_up(ids, n, k):
        row = torch.tensor(ids)
        if len(row) < n + 1:
            return []
        matches = (row.unfold(0, n, 1)[:-1] == row[-n:]).all(dim=1).nonzero().flatten()
        return row[matches[-1] + n :][:k].tolist() if len(matches) else []


@right("12.look_up")
class PackageCut:
    def look_up(ids, n, k):
        guesses = PromptLookup(n).propose(ids, k)
        for start in range(len(ids) - n - 1, -1, -1):
            if ids[start : start + n] == ids[-n:]:
                return guesses[: len(ids) - start - n]
        return guesses
