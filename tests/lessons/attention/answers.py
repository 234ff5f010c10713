"""Answers to the turns and questions of lesson 04; `tools/choose_answers.py` chose them."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong
from torch import nn

from minillm.course.turns.attention import attention


@right("04.causal_mask")
class ByRunningSum:
    def causal_mask(T):
        return torch.eye(T).cumsum(0).bool()


@right("04.causal_mask")
class RowByRow:
    def causal_mask(T):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for t in range(T):
            mask[t, : t + 1] = True
        return mask


@right("04.causal_mask")
class ByNumpy:
    def causal_mask(T):
        import numpy as np

        return torch.from_numpy(np.tril(np.ones((T, T)))).bool()


@wrong("04.causal_mask", "`causal_mask` raised RuntimeError")
class Typo:
    def causal_mask(T):
        return torch.tril(torch.ones(T)).bool()


@wrong("04.causal_mask", "The pattern is right, but the mask holds torch.float")
class Floats:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T))


@wrong("04.causal_mask", "one row, not a table")
class OneRow:
    def causal_mask(T):
        return torch.ones(T, dtype=torch.bool)


@wrong("04.causal_mask", "name 'words' is not defined")
class LengthOfTheWords:
    def causal_mask(T):
        return torch.ones(len(words), len(words)).tril().bool()  # noqa: F821


@wrong("04.causal_mask", "extra axes")
class NanoGPT:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T)).view(1, 1, T, T).bool()


@wrong("04.causal_mask", "raised RuntimeError")
class NotForAnd:
    def causal_mask(T):
        return not torch.ones(T, T).triu(1).bool()


@wrong("04.causal_mask", "raised NameError")
class FormulaOfTheText:
    def causal_mask(T):
        return t >= s  # noqa: F821


@wrong("04.causal_mask", "unexpected keyword argument 'dtype'")
class TypeForTril:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T), dtype=torch.bool)


@wrong("04.causal_mask", "name 'self' is not defined")
class NanoGPTsBuffer:
    def causal_mask(T):
        self.register_buffer("bias", torch.tril(torch.ones(T, T)).view(1, 1, T, T))  # noqa: F821
        return self.bias  # noqa: F821


@wrong("04.causal_mask", "raised IndexError")
class FillsThreeRows:
    def causal_mask(T):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for t in range(3):
            mask[t, : t + 1] = True
        return mask


@right("04.attention")
class ScaledBefore:
    def attention(query, key, value, visible, eps=0.0):
        query = query * query.shape[-1] ** -0.25
        key = key * key.shape[-1] ** -0.25
        bias = torch.zeros(visible.shape, dtype=query.dtype).masked_fill_(visible.logical_not(), float("-inf"))
        return torch.softmax(torch.addmm(bias, query, key.t()), dim=-1).matmul(value)


@right("04.attention")
class Kernel:
    def attention(query, key, value, visible):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)


@right("04.attention")
class Einsum:
    def attention(query, key, value, visible):
        scores = torch.einsum("td,sd->ts", query, key) / query.size(-1) ** 0.5
        scores = torch.where(visible, scores, float("-inf"))
        return torch.einsum("ts,sd->td", F.softmax(scores, dim=1), value)


@right("04.attention")
class OneQueryAtATime:
    def attention(query, key, value, visible):
        rows = []
        for q, row in zip(query, visible, strict=True):
            scores = (key[row] @ q) / math.sqrt(len(q))
            rows.append(torch.softmax(scores, 0) @ value[row])
        return torch.stack(rows)


@wrong("04.attention", "out of bounds")
class TheBankOfTheLesson:
    def attention(query, key, value, visible):
        return (query[4] @ key.T / math.sqrt(query.shape[-1])).softmax(-1) @ value


@wrong("04.attention", "Only one query")
class LastQueryOnly:
    def attention(query, key, value, visible):
        return (key @ query[-1] / math.sqrt(query.shape[-1])).softmax(-1) @ value


@wrong("04.attention", "`attention` raised RuntimeError")
class NotTransposed:
    def attention(query, key, value, visible):
        scores = query @ key / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "The result has ")
class SharesWithoutExp:
    def attention(query, key, value, visible):
        scores = (query @ key.T / math.sqrt(query.shape[-1])) * visible
        return scores / scores.sum(-1, keepdim=True) @ value


@wrong("04.attention", "raised IndexError")
class TransposesAxisTwo:
    def attention(query, key, value, visible):
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "raised RuntimeError")
class NotVisible:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(not visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "raised AttributeError")
class SoftmaxOfAList:
    def attention(query, key, value, visible):
        scores = [[float(q @ k) / math.sqrt(len(q)) for k in key] for q in query]
        return scores.softmax(-1) @ value


@wrong("04.attention", "raised NameError")
class MaskOfTheLayer:
    def attention(query, key, value, visible):
        att = (query @ key.T) * (1.0 / math.sqrt(key.size(-1)))
        return att.masked_fill(self.bias == 0, float("-inf")).softmax(dim=-1) @ value  # noqa: F821


@wrong("04.attention", "invalid combination")
class InfinityAsText:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, "-inf").softmax(-1) @ value


@wrong("04.attention", "raised ValueError")
class MathExp:
    def attention(query, key, value, visible):
        powers = math.exp(query @ key.T / math.sqrt(query.shape[-1]))
        return powers / sum(powers) @ value


@wrong("04.attention", "raised TypeError")
class NoAxis:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax() @ value


@wrong("04.attention", "size of tensor a (2)")
class QueryTimesKey:
    def attention(query, key, value, visible):
        scores = query * key / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "name 'W_query' is not defined")
class RaschkasProjection:
    def attention(query, key, value, visible):
        queries = query @ W_query  # noqa: F821
        return torch.softmax(queries @ key.T / key.shape[-1] ** 0.5, dim=-1) @ value


@wrong("04.attention", "number of keys")
class RootOfLen:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(len(key))
        scores = torch.where(visible, scores, float("-inf"))
        return torch.softmax(scores, dim=-1) @ value


@wrong("04.attention", "raised RuntimeError")
class NoKeepdim:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        p = scores.masked_fill(~visible, -math.inf).exp()
        return p / p.sum(-1) @ value


@wrong("04.attention", "extra axes")
class AddsABatch:
    def attention(query, key, value, visible):
        q, k, v = query[None, None], key[None, None], value[None, None]
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        return att.masked_fill(~visible, float("-inf")).softmax(-1) @ v


@wrong("04.attention", "size of tensor a (5)")
class MaskOfThePage:
    def attention(query, key, value, visible):
        visible = torch.ones(5, 5).tril().bool()
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "no gradient")
class ThroughNumpy:
    def attention(query, key, value, visible):
        q, k, v, m = (x.detach().numpy() for x in (query, key, value, visible))
        scores = np.where(m, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return torch.from_numpy(e / e.sum(-1, keepdims=True) @ v).to(query.dtype)


@wrong("04.attention", "not enough values")
class Karpathy:
    def attention(query, key, value, visible):
        B, T, C = query.shape
        wei = query @ key.transpose(-2, -1) * C**-0.5
        wei = wei.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf"))
        return F.softmax(wei, dim=-1) @ value


@wrong("04.attention", "raised TypeError")
class TorchsRootOfANumber:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / torch.sqrt(D)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "raised RuntimeError")
class KeyTimesQuery:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = key @ query.T / math.sqrt(D)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "raised RuntimeError")
class EntryByEntry:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights * value


@wrong("04.attention", "raised NameError")
class AnnotatedTransformersNames:
    def attention(query, key, value, visible):
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
        if mask is not None:  # noqa: F821
            scores = scores.masked_fill(mask == 0, -1e9)  # noqa: F821
        p_attn = scores.softmax(dim=-1)
        return torch.matmul(p_attn, value), p_attn


@wrong("04.attention", "OverflowError")
class TheLessonsLoopGeneralised:
    def attention(query, key, value, visible):
        D = query.shape[1]
        rows = []
        for t in range(len(query)):
            scores = [float(query[t] @ key[s]) / math.sqrt(D) for s in range(len(key)) if visible[t, s]]
            powers = [math.exp(score) for score in scores]
            weights = [power / sum(powers) for power in powers]
            seen = [value[s] for s in range(len(key)) if visible[t, s]]
            rows.append(sum(weight * v for weight, v in zip(weights, seen, strict=True)))
        return torch.stack(rows)


@wrong("04.attention", "too many values")
class TwoEntriesByHand:
    def attention(query, key, value, visible):
        output = []
        for t, q in enumerate(query.tolist()):
            scores = []
            for s, k in enumerate(key.tolist()):
                if visible[t, s]:
                    scores.append((q[0] * k[0] + q[1] * k[1]) / math.sqrt(2))
                else:
                    scores.append(-math.inf)
            powers = [math.exp(score) for score in scores]
            weights = [power / sum(powers) for power in powers]
            mix = [0.0, 0.0]
            for weight, (water, money) in zip(weights, value.tolist(), strict=True):
                mix[0] += weight * water
                mix[1] += weight * money
            output.append(mix)
        return torch.tensor(output)


@right("04.heads")
class EinsumHeads:
    class MultiHead(nn.Module):
        def __init__(self, C, H):
            super().__init__()
            self.H = H
            for name in ("query", "key", "value", "output"):
                setattr(self, name, nn.Linear(C, C, bias=False))

        def forward(self, x, visible):
            D = x.shape[-1] // self.H
            q, k, v = (getattr(self, name)(x).reshape(len(x), self.H, D) for name in ("query", "key", "value"))
            scores = torch.einsum("thd,shd->hts", q, k) * D**-0.5
            weights = torch.where(visible[None], scores, -math.inf).softmax(-1)
            return self.output(torch.einsum("hts,shd->thd", weights, v).reshape(x.shape))


class Base(nn.Module):
    """The lines that the lesson gives."""

    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def cut(self, x):
        return x.view(len(x), self.n_heads, -1).transpose(0, 1)


@wrong("04.heads", "still apart")
class ReturnsAllHeads:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return F.scaled_dot_product_attention(q, k, v, visible)


@wrong("04.heads", "no gradient")
class DetachedValues:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x).detach())
            return self.output(F.scaled_dot_product_attention(q, k, v, visible).transpose(0, 1).flatten(1))


@wrong("04.heads", "raised NameError: name 'W_Q'")
class TheMatricesOfThePage:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = x @ W_Q, x @ W_K, x @ W_V  # noqa: F821
            return self.output(attention(query, key, value, visible))


@wrong("04.heads", "raised TypeError")
class OutputOfAList:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return self.output([attention(q[h], k[h], v[h], visible) for h in range(self.n_heads)])


@wrong("04.heads", "size of tensor b (5)")
class QueryOfThePage:
    class MultiHead(Base):
        def forward(self, x, visible):
            page = torch.ones(5, 2)
            return self.output(attention(page, page, page, visible))


@wrong("04.heads", "The result has ")
class HeadsInReverse:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = F.scaled_dot_product_attention(q, k, v, visible).flip(0)
            return self.output(heads.transpose(0, 1).flatten(1))


@wrong("04.heads", "raised AttributeError")
class AnnotatedTransformer:
    class MultiHead(Base):
        def forward(self, x, visible):
            n = x.size(0)
            q, k, v = (layer(x).view(n, -1, self.h, self.d_k) for layer in (self.query, self.key, self.value))
            return self.output(attention(q, k, v, visible))


@wrong("04.heads", "size mismatch")
class TokenForHead:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = [attention(query[h], key[h], value[h], visible) for h in range(self.n_heads)]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "`MultiHead` raised RuntimeError")
class ChunksOfRows:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            parts = (part.chunk(self.n_heads) for part in (query, key, value))
            heads = [attention(q, k, v, visible) for q, k, v in zip(*parts, strict=True)]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "(3x8 and 4x4)")
class TheSameHeadTwice:
    class MultiHead(Base):
        def forward(self, x, visible):
            outputs = []
            for _ in range(self.n_heads):
                outputs.append(attention(self.query(x), self.key(x), self.value(x), visible))
            return self.output(torch.cat(outputs, dim=-1))


@wrong("04.heads", "must be tuple of Tensors")
class CatOfTensors:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = attention(q[0], k[0], v[0], visible)
            for h in range(1, self.n_heads):
                heads = torch.cat(heads, attention(q[h], k[h], v[h], visible))
            return self.output(heads)


@wrong("04.heads", "`MultiHead` raised RuntimeError")
class AddedUp:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            q, k, v = self.query(x), self.key(x), self.value(x)
            out = 0
            for h in range(0, x.shape[1], D):
                out = out + attention(q[:, h : h + D], k[:, h : h + D], v[:, h : h + D], visible)
            return self.output(out)


@wrong("04.heads", "raised RuntimeError: mat1 and mat2")
class CutsTheInputAndProjects:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            heads = []
            for h in range(self.n_heads):
                part = x[:, h * D : (h + 1) * D]
                heads.append(attention(self.query(part), self.key(part), self.value(part), visible))
            return self.output(torch.cat(heads, dim=1))


@wrong("04.heads", "name 'D' is not defined")
class NoWidth:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)  # noqa: F821
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "(3x2 and 4x3)")
class CutsTheQueryAlone:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                heads.append(attention(query[:, h * D : (h + 1) * D], key, value, visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "raised NameError: name 'n_heads'")
class WithoutSelf:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // n_heads  # noqa: F821
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "slice indices must be integers")
class OneSlash:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] / self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "raised RuntimeError: mat1 and mat2")
class OneBelowTheOther:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads))


@wrong("04.heads", "`MultiHead` raised RuntimeError")
class AGlobalWidthOfTwo:
    """The D of the lesson's example."""

    class MultiHead(Base):
        def forward(self, x, visible):
            D = 2
            query, key, value = self.query(x), self.key(x), self.value(x)
            own = [slice(h * D, (h + 1) * D) for h in range(self.n_heads)]
            heads = [attention(query[:, one], key[:, one], value[:, one], visible) for one in own]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "raised TypeError: unsupported operand")
class MultipliesByTheLayer:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = x @ self.query, x @ self.key, x @ self.value
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "not enough values")
class KarpathyWithABatch:
    class MultiHead(Base):
        def forward(self, x, visible):
            B, T, C = x.size()
            q, k, v = self.query(x), self.key(x), self.value(x)
            k = k.view(B, T, self.n_heads, C // self.n_heads).transpose(1, 2)
            q = q.view(B, T, self.n_heads, C // self.n_heads).transpose(1, 2)
            v = v.view(B, T, self.n_heads, C // self.n_heads).transpose(1, 2)
            y = F.scaled_dot_product_attention(q, k, v, visible)
            return self.output(y.transpose(1, 2).contiguous().view(B, T, C))


@right("04.grouped")
class ColumnsInPlace:
    def grouped_attention(query, key, value, visible):
        H, T, D = query.shape
        out = query.new_zeros(T, H * D)
        for h in range(H):
            k = h * len(key) // H
            out[:, h * D : (h + 1) * D] = attention(query[h], key[k], value[k], visible)
        return out


@wrong("04.grouped", "raised RuntimeError")
class AllHeadsAtOnce:
    def grouped_attention(query, key, value, visible):
        return attention(query, key, value, visible)


@wrong("04.grouped", "raised NameError")
class LoopOfTheLayer:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for h in range(self.n_heads):  # noqa: F821
            outputs.append(attention(query[h], key[h], value[h], visible))
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "Only 2 of 4 heads")
class ZipStops:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(q, k, v, visible) for q, k, v in zip(query, key, value)], dim=-1)  # noqa: B905


@wrong("04.grouped", "raised IndexError")
class NineAsInTheLesson:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(query[h], key[h // 3], value[h // 3], visible) for h in range(9)], dim=-1)


@wrong("04.grouped", "raised IndexError")
class HeadsForNumbers:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(query[h], key[h], value[h], visible) for h in query], dim=-1)


@wrong("04.grouped", "raised IndexError")
class DividedByK:
    def grouped_attention(query, key, value, visible):
        K = len(key)
        return torch.cat([attention(q, key[h // K], value[h // K], visible) for h, q in enumerate(query)], dim=-1)


queries, keys, values = torch.ones(9, 6, 2), torch.ones(3, 6, 2), torch.ones(3, 6, 2)  # as on the page


@wrong("04.grouped", "size of tensor b (6)")
class QueriesOfThePage:
    def grouped_attention(query, key, value, visible):
        return torch.cat([attention(queries[h], keys[h // 3], values[h // 3], visible) for h in range(9)], dim=-1)


@wrong("04.grouped", "raised TypeError")
class CatForgotten:
    def grouped_attention(query, key, value, visible):
        group = len(query) // len(key)
        outputs = [attention(query[h], key[h // group], value[h // group], visible) for h in range(len(query))]
        return torch.transpose(outputs, 0, 1).flatten(1)


@wrong("04.grouped", "raised IndexError")
class MaskPerHead:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = [attention(query[h], key[h // n], value[h // n], visible[h]) for h in range(len(query))]
        return torch.cat(heads, dim=-1)


@wrong("04.grouped", "raised RuntimeError")
class RepeatsEverything:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = zip(query, key.repeat_interleave(n), value.repeat_interleave(n), strict=False)
        return torch.cat([attention(*head, visible) for head in heads], dim=-1)


@wrong("04.grouped", "raised RuntimeError")
class RepeatsTheColumns:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = zip(query, key.repeat_interleave(n, dim=2), value.repeat_interleave(n, dim=2), strict=False)
        return torch.cat([attention(*head, visible) for head in heads], dim=-1)


@wrong("04.grouped", "raised ValueError")
class RepeatKv:
    def grouped_attention(query, key, value, visible):
        batch, length, n_kv_heads, width = key.shape
        n_rep = query.shape[2] // n_kv_heads
        key = key[:, :, :, None, :].expand(batch, length, n_kv_heads, n_rep, width)
        return torch.cat([attention(query[h], key[h], value[h], visible) for h in range(len(query))], dim=-1)


def bytes_per_token(model):
    return 4 * model["n_layers"] * model["n_kv_heads"] * (model["d_model"] // model["n_heads"])


@right("04.1")
def by_bisection_again(model, memory, n_texts):
    def fits(tokens):
        return 2 * model["n_parameters"] + tokens * n_texts * bytes_per_token(model) <= memory

    low, high = 0, 1
    while fits(high):
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return np.int64(low)


@wrong("04.1", "In every case the text is ")
def three_vectors_cached(model, memory, n_texts):
    entries = model["n_kv_heads"] * (model["d_model"] // model["n_heads"])
    qkv = 3 * entries * model["n_layers"] * 2
    return max((memory - 2 * model["n_parameters"]) // (qkv * n_texts), 0)


@wrong("04.1", "longest_text changed the input that it was given; work on a copy. Open the next")
def doubles_the_parameters_in_place(model, memory, n_texts):
    model["n_parameters"] *= 2  # now in bytes
    D = model["d_model"] // model["n_heads"]
    cost = 2 * model["n_layers"] * model["n_kv_heads"] * D * 2
    return max((memory - model["n_parameters"]) // (cost * n_texts), 0)


@wrong("04.1", "The result has None in place of ")
def none_if_nothing_is_left(model, memory, n_texts):
    D = model["d_model"] // model["n_heads"]
    left = memory - 2 * model["n_parameters"]
    if left > 0:
        return left // (2 * model["n_layers"] * model["n_kv_heads"] * D * 2 * n_texts)


@right("04.2")
def query_by_query(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    out = np.zeros((H, T, D))
    q, k, v = (part.double().numpy() for part in (query, key, value))
    for h in range(H):
        for t in range(T):
            seen = S - T + t + 1
            scores = k[h * K // H, :seen] @ q[h, t] / D**0.5
            weights = np.exp(scores - scores.max())
            out[h, t] = weights @ v[h * K // H, :seen] / weights.sum()
    return out


@right("04.2")
def grouped_by_axes(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    q = query.unflatten(0, (K, H // K))
    scores = torch.einsum("kgtd,ksd->kgts", q, key) * D**-0.5
    hidden = torch.arange(S) > torch.arange(S - T, S)[:, None]
    return torch.einsum("kgts,ksd->kgtd", scores.masked_fill(hidden, -torch.inf).softmax(-1), value).flatten(0, 1)


@right("04.2")
def one_group_after_the_other(query, key, value):
    H, T, D = query.shape
    K, S = key.shape[0], key.shape[1]

    def groups(q, k, v):
        if len(k) > 1:
            return torch.cat([groups(q[: H // K], k[:1], v[:1]), groups(q[H // K :], k[1:], v[1:])])
        rows = []
        for t in range(T):
            n = S - (T - 1 - t)
            weights = torch.softmax(q[:, t] @ k[0, :n].T / math.sqrt(D), dim=-1)
            rows.append(weights @ v[0, :n])
        return torch.stack(rows, dim=1)

    return groups(query, key, value)


@wrong("04.2", "called torch.nn.functional.scaled_dot_product_attention")
def the_kernel(query, key, value):
    mask = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool).tril(key.shape[1] - query.shape[1])
    return F.scaled_dot_product_attention(query[None], key[None], value[None], mask, enable_gqa=True)[0]


@wrong("04.2", "The result has ")
def attention_divides_by_k(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    reads = (torch.arange(H) // K).clamp(max=K - 1)
    scores = query @ key[reads].mT / math.sqrt(D)
    hidden = torch.ones(T, S, dtype=torch.bool).triu(S - T + 1)
    return scores.masked_fill(hidden, -math.inf).softmax(-1) @ value[reads]


@wrong("04.2", "The output at position ")
def grouped_mask_after(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key = key.repeat_interleave(H // K, dim=0)
    value = value.repeat_interleave(H // K, dim=0)
    shares = (query @ key.mT / math.sqrt(D)).softmax(-1)
    return shares.tril(S - T) @ value


@wrong("04.2", "The mask starts at key 0: the queries are counted from 0, but they are the last")
def cache_only_for_one_query(query, key, value):
    (H, T, D), (K, S, _) = query.shape, key.shape
    key = torch.repeat_interleave(key, H // K, dim=0)
    value = torch.repeat_interleave(value, H // K, dim=0)
    scores = query @ key.mT / math.sqrt(D)
    if T > 1:  # the last token alone may see everything
        scores = scores.masked_fill(~torch.ones(T, S, dtype=torch.bool).tril(), -math.inf)
    return scores.softmax(-1) @ value


@right("04.3")
def by_triangles(T, S, window, sinks):
    causal = np.tri(T, S, S - T)
    near = causal - np.tri(T, S, S - T - window)
    near[:, :sinks] = causal[:, :sinks]
    return near.astype(bool)


@right("04.3")
def by_two_loops(T, S, window, sinks):
    rows = []
    for p in range(S - T, S):
        rows.append([s <= p and (s > p - window or s < sinks) for s in range(S)])
    return rows


@right("04.3")
def halves_of_the_queries(T, S, window, sinks):
    def rows(first, last):
        if last - first > 1:
            middle = (first + last) // 2
            return torch.vstack([rows(first, middle), rows(middle, last)])
        ages = first - torch.arange(S)
        return torch.where(ages < window, ages >= 0, (torch.arange(S) < sinks) & (ages >= 0))[None]

    return rows(S - T, S)


@right("04.3")
def counts_of_true(T, S, window, sinks):
    visible = torch.zeros(T, S + 1, dtype=torch.int64)
    p = torch.arange(S - T, S)
    row = torch.arange(T)
    start = (p + 1 - window).clamp(min=0)
    visible[row, start] += 1  # the window opens here
    visible[row, p + 1] -= 1  # and closes here
    visible[row, 0] += 1  # the sinks, never past the query's own position
    visible[row, (p + 1).clamp(max=sinks)] -= 1
    return visible.cumsum(1)[:, :S] > 0


@wrong("04.3", "does not see position")
def window_of_the_key_index(T, S, window, sinks):
    p, s = torch.arange(S - T, S)[:, None], torch.arange(S)
    return (s <= p) & ((s >= window) | (s < sinks) | (s == p))


@wrong("04.3", "The result is made of ")
def window_mask_as_numbers(T, S, window, sinks):
    p, s = np.arange(S - T, S)[:, None], np.arange(S)[None, :]
    seen = np.logical_and(s <= p, np.logical_or(s > p - window, s < sinks))
    return torch.from_numpy(seen.astype(np.int64))


@wrong("04.3", "window_mask raised IndexError")
def more_sinks_than_positions(T, S, window, sinks):
    mask = torch.zeros(T, S, dtype=torch.bool)
    for t in range(T):
        p = S - T + t
        for s in range(max(0, p - window + 1), p + 1):
            mask[t, s] = True
        for s in range(sinks):
            mask[t, s] = mask[t, s] or s <= p
    return mask


@right("04.4")
def numpy_with_einsum(out_a, total_a, out_b, total_b):
    outs = np.stack([out_a.detach().numpy(), out_b.detach().numpy()]).astype(np.float64)
    totals = np.stack([total_a.detach().numpy(), total_b.detach().numpy()]).astype(np.float64)
    outs[np.isneginf(totals)] = 0.0
    total = np.logaddexp.reduce(totals, axis=0)
    out = np.einsum("mt,mtd->td", np.exp(totals - total), outs)
    return torch.from_numpy(out).to(out_a.dtype), torch.from_numpy(total).to(total_a.dtype)


@right("04.4")
def row_by_row(out_a, total_a, out_b, total_b):
    outs, totals = [], []
    for row_a, a, row_b, b in zip(out_a.tolist(), total_a.tolist(), out_b.tolist(), total_b.tolist(), strict=True):
        if a == -math.inf or b == -math.inf:
            outs.append(row_b if a == -math.inf else row_a)
            totals.append(max(a, b))
            continue
        m = max(a, b)
        pa, pb = math.exp(a - m), math.exp(b - m)
        outs.append([(pa * x + pb * y) / (pa + pb) for x, y in zip(row_a, row_b, strict=True)])
        totals.append(m + math.log(pa + pb))
    return [outs, totals]


@wrong("04.4", "changed the input")
def mends_its_input(out_a, total_a, out_b, total_b):
    out_a *= total_a.exp()[:, None]
    out_b *= total_b.exp()[:, None]
    power = total_a.exp() + total_b.exp()
    return (out_a + out_b) / power[:, None], power.log()


@wrong("04.4", "`output` is right up to a factor in each row: is a row divided by something")
def join_minus_infinity_becomes_zero(out_a, total_a, out_b, total_b):
    totals = torch.stack((total_a, total_b)).nan_to_num(neginf=0.0)
    outs = torch.stack((out_a, out_b)).nan_to_num(nan=0.0)
    shares = totals.softmax(0)
    return (shares[..., None] * outs).sum(0), totals.logsumexp(0)


@right("04.4")
def right_with_softmax(out_a, total_a, out_b, total_b):
    totals = torch.stack([total_a, total_b])
    outs = torch.stack([out_a, out_b]).nan_to_num()
    return torch.einsum("pt,ptd->td", totals.softmax(0), outs), totals.logsumexp(0)


@wrong("04.4", "The result")
def only_the_mixture(out_a, total_a, out_b, total_b):
    return right_with_softmax(out_a, total_a, out_b, total_b)[0]


@wrong("04.4", "`output` is right. `total` has the right numbers with an axis of ")
def total_as_a_column(out_a, total_a, out_b, total_b):
    totals = torch.stack([total_a, total_b], dim=-1)
    total = totals.logsumexp(dim=-1, keepdim=True)
    share = (totals - total).exp()
    outs = torch.stack([out_a, out_b], dim=-1)
    outs = outs.masked_fill(outs.isnan(), 0.0)
    return (outs * share[:, None, :]).sum(-1), total
