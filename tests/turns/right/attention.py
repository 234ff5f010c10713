"""Right answers to the turns of lesson 04, as nobody expects them."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right

from minillm.course.turns.attention import attention


@right("04.causal_mask")
class ByLoops:
    def causal_mask(T):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for t in range(T):
            for s in range(t + 1):
                mask[t, s] = True
        return mask


@right("04.causal_mask")
class ByLists:
    def causal_mask(T):
        return torch.tensor([[key <= query for key in range(T)] for query in range(T)])


@right("04.causal_mask")
class ByRunningSum:
    def causal_mask(T):
        return torch.eye(T).cumsum(0).bool()


@right("04.causal_mask")
class ByUpperTriangle:
    def causal_mask(T):
        return torch.triu(torch.ones((T, T)), diagonal=1) == 0


@right("04.causal_mask")
class ByFillingInPlace:
    def causal_mask(T):
        mask = torch.full((T, T), False)
        mask[tuple(torch.tril_indices(T, T))] = True
        return mask


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


@right("04.attention")
class FilledInPlace:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[1])
        scores[~visible] = -math.inf
        weights = torch.softmax(scores, dim=1)
        return weights @ value


@right("04.attention")
class OneQueryAtATime:
    def attention(query, key, value, visible):
        rows = []
        for q, row in zip(query, visible, strict=True):
            scores = (key[row] @ q) / math.sqrt(len(q))
            rows.append(torch.softmax(scores, 0) @ value[row])
        return torch.stack(rows)


@right("04.attention")
class EveryNumberByItself:
    def attention(query, key, value, visible):
        out = torch.zeros_like(query)
        for t in range(len(query)):
            scores = []
            for s in range(len(key)):
                score = sum(query[t, i] * key[s, i] for i in range(query.shape[1])) / query.shape[1] ** 0.5
                scores.append(score if visible[t, s] else torch.full_like(score, -math.inf))
            weights = torch.stack(scores).softmax(0)
            for s in range(len(key)):
                if visible[t, s]:
                    out[t] = out[t] + weights[s] * value[s]
        return out


@right("04.attention")
class Einsum:
    def attention(query, key, value, visible):
        scores = torch.einsum("td,sd->ts", query, key) / query.size(-1) ** 0.5
        scores = torch.where(visible, scores, float("-inf"))
        return torch.einsum("ts,sd->td", F.softmax(scores, dim=1), value)


@right("04.attention")
class Kernel:
    def attention(query, key, value, visible):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)


@right("04.attention")
class LikeNumpy:
    def attention(q, k, v, mask):
        scores = q @ k.T / math.sqrt(q.shape[1])
        scores[~mask] = -math.inf
        exps = torch.exp(scores - scores.amax(axis=-1, keepdims=True))
        return (exps / exps.sum(axis=-1, keepdims=True)) @ v


@right("04.attention")
class ScaledBefore:
    def attention(query, key, value, visible, eps=0.0):
        query = query * query.shape[-1] ** -0.25
        key = key * key.shape[-1] ** -0.25
        bias = torch.zeros(visible.shape, dtype=query.dtype).masked_fill_(visible.logical_not(), float("-inf"))
        return torch.softmax(torch.addmm(bias, query, key.t()), dim=-1).matmul(value)


@right("04.attention")
class Printing:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        print("scores", scores)
        return scores.masked_fill(~visible, -torch.inf).softmax(-1) @ value


@right("04.heads")
class HeadByHead:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            T, C = x.shape
            D = C // self.n_heads
            query = self.query(x).view(T, self.n_heads, D).transpose(0, 1)
            key = self.key(x).view(T, self.n_heads, D).transpose(0, 1)
            value = self.value(x).view(T, self.n_heads, D).transpose(0, 1)
            heads = [attention(query[h], key[h], value[h], visible) for h in range(self.n_heads)]
            return self.output(torch.cat(heads, dim=1))


@right("04.heads")
class ByView:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads, self.d_head = n_heads, d_model // n_heads
            self.query, self.key, self.value, self.output = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))

        def forward(self, x, visible):
            T, C = x.shape
            q, k, v = (
                layer(x).view(T, self.n_heads, self.d_head).transpose(0, 1)
                for layer in (self.query, self.key, self.value)
            )
            scores = q @ k.transpose(-2, -1) / self.d_head**0.5
            weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
            return self.output((weights @ v).transpose(0, 1).contiguous().view(T, C))


@right("04.heads")
class WithTheKernel:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            q, k, v = [f(x).unflatten(-1, (self.n_heads, -1)).movedim(1, 0) for f in (self.query, self.key, self.value)]
            return self.output(F.scaled_dot_product_attention(q, k, v, visible).movedim(0, 1).flatten(1))


@right("04.heads")
class SumOfHeads:
    """The output projection is cut into rows instead of joining the heads: the same sum."""

    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            total = 0
            for h in range(self.n_heads):
                rows = slice(h * D, h * D + D)
                q, k, v = (x @ m.weight[rows].T for m in (self.query, self.key, self.value))
                weights = (q @ k.T / D**0.5).masked_fill(~visible, -math.inf).softmax(-1)
                total = total + weights @ v @ self.output.weight[:, rows].T
            return total


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


@right("04.grouped")
class RepeatInterleaved:
    def grouped_attention(query, key, value, visible):
        n_rep = query.size(0) // key.size(0)
        key, value = key.repeat_interleave(n_rep, dim=0), value.repeat_interleave(n_rep, dim=0)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.size(-1))
        weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        return (weights @ value).transpose(0, 1).reshape(query.size(1), -1)


@right("04.grouped")
class TheKernel:
    def grouped_attention(query, key, value, visible):
        heads = F.scaled_dot_product_attention(query, key, value, attn_mask=visible, enable_gqa=True)
        return heads.transpose(0, 1).flatten(1)


@right("04.grouped")
class ByGroups:
    def grouped_attention(query, key, value, visible):
        outputs = []
        for group, k, v in zip(query.chunk(len(key)), key, value, strict=True):
            for q in group:
                outputs.append(attention(q, k, v, visible))
        return torch.hstack(outputs)


@right("04.grouped")
class ColumnsInPlace:
    def grouped_attention(query, key, value, visible):
        H, T, D = query.shape
        out = query.new_zeros(T, H * D)
        for h in range(H):
            k = h * len(key) // H
            out[:, h * D : (h + 1) * D] = attention(query[h], key[k], value[k], visible)
        return out


@right("04.causal_mask")
class TorchsOwnAsABool:
    def causal_mask(T):
        return nn.Transformer.generate_square_subsequent_mask(T) == 0


@right("04.attention")
class AddsTheLogarithmOfTheMask:
    def attention(query, key, value, visible):
        return (query @ key.T / math.sqrt(query.shape[-1]) + visible.log()).softmax(-1) @ value


@right("04.attention")
class KeepsTheVisibleKeys:
    def attention(query, key, value, visible):
        outputs = []
        for t in range(len(query)):
            seen, read = key[visible[t]], value[visible[t]]
            outputs.append((seen @ query[t] / math.sqrt(len(query[t]))).softmax(0) @ read)
        return torch.stack(outputs)


@right("04.grouped")
class QueriesOfAGroupAtOnce:
    def grouped_attention(query, key, value, visible):
        n, T, outputs = len(query) // len(key), query.shape[1], []
        for group, k, v in zip(query.split(n), key, value, strict=True):
            outputs += attention(group.flatten(0, 1), k, v, visible.repeat(n, 1)).split(T)
        return torch.cat(outputs, dim=-1)
