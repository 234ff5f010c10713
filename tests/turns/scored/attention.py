"""Answers to the turns of lesson 04, written from its text alone; they are only scored."""

import math

import torch
from torch import nn
from turn_answers import right, wrong


def _attention(query, key, value, visible):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    return scores.masked_fill(~visible, -math.inf).softmax(dim=-1) @ value


# wrong: The comparison is the other way round, so each query sees itself and the future.
@wrong("04.causal_mask", "")
class LooksForward:
    def causal_mask(T):
        position = torch.arange(T)
        return position[:, None] <= position[None, :]


# wrong: True marks the hidden keys, not the visible ones.
@wrong("04.causal_mask", "")
class TrueMeansHidden:
    def causal_mask(T):
        return torch.ones(T, T).triu(diagonal=1).bool()


# wrong: A query does not see its own key, only those before it.
@wrong("04.causal_mask", "")
class LeavesOutItself:
    def causal_mask(T):
        visible = torch.zeros(T, T, dtype=torch.bool)
        for t in range(T):
            for s in range(t):
                visible[t, s] = True
        return visible


# wrong: The triangle holds the numbers 1.0 and 0.0, not True and False.
@wrong("04.causal_mask", "")
class OnesAndZeros:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T))


# wrong: Each query also sees the key right after it.
@wrong("04.causal_mask", "")
class SeesTheNext:
    def causal_mask(T):
        return torch.ones(T, T, dtype=torch.bool).tril(diagonal=1)


# wrong: It is the table to add to the scores (0 and minus infinity), not True and False.
@wrong("04.causal_mask", "")
class MinusInfinityTable:
    def causal_mask(T):
        return torch.full((T, T), -math.inf).triu(diagonal=1)


@right("04.causal_mask")
class RunningSumOfTheDiagonal:
    def causal_mask(T):
        return torch.eye(T).cumsum(dim=0) > 0


@right("04.causal_mask")
class ListsOfTrueAndFalse:
    def causal_mask(T):
        return torch.tensor([[True] * (t + 1) + [False] * (T - t - 1) for t in range(T)])


# wrong: Hidden scores become 0 and not minus infinity, so hidden keys still get weight.
@wrong("04.attention", "")
class HiddenScoresAreZero:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        weights = (scores * visible).softmax(dim=-1)
        return weights @ value


# wrong: It adds (not visible) times minus infinity, and 0 times infinity is nan at every visible key.
@wrong("04.attention", "")
class ZeroTimesInfinity:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        scores = scores + (~visible) * -math.inf
        return scores.softmax(dim=-1) @ value


# wrong: It ignores `visible` and lets query t read the keys 0 to t, whatever the table says.
@wrong("04.attention", "")
class AlwaysCausal:
    def attention(query, key, value, visible):
        rows = []
        for t, q in enumerate(query):
            scores = key[: t + 1] @ q / math.sqrt(query.shape[-1])
            rows.append(scores.softmax(dim=0) @ value[: t + 1])
        return torch.stack(rows)


# wrong: The powers are divided by the sum of the whole table, not by the sum of their row.
@wrong("04.attention", "")
class OneSumForAllRows:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        powers = torch.exp(scores) * visible
        return powers / powers.sum() @ value


# wrong: It divides by the root of the number of keys, not of the number of entries of a query.
@wrong("04.attention", "")
class RootOfTheNumberOfKeys:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(key.shape[0])
        scores = scores.masked_fill(~visible, -math.inf)
        return scores.softmax(dim=-1) @ value


# wrong: The weights are divided by the root of D after softmax, instead of the scores before it.
@wrong("04.attention", "")
class DividesTheWeights:
    def attention(query, key, value, visible):
        scores = (query @ key.T).masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1) / math.sqrt(query.shape[-1])
        return weights @ value


@right("04.attention")
class OneQueryAtATime:
    def attention(query, key, value, visible):
        rows = []
        for q, sees in zip(query, visible, strict=True):
            weights = torch.softmax(key[sees] @ q * len(q) ** -0.5, dim=0)
            rows.append((weights[:, None] * value[sees]).sum(dim=0))
        return torch.stack(rows)


@right("04.attention")
class SubtractsTheLogOfTheSum:
    def attention(query, key, value, visible):
        scores = torch.einsum("td,sd->ts", query / query.shape[-1] ** 0.5, key)
        scores = torch.where(visible, scores, float("-inf"))
        log_weights = scores - scores.logsumexp(dim=1, keepdim=True)
        return torch.einsum("ts,sd->td", log_weights.exp(), value)


# wrong: It views (T, C) as (H, T, D), which cuts between tokens and not between columns.
@wrong("04.heads", "")
class ViewsHeadsFirst:
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
            H = self.n_heads
            query = self.query(x).view(H, T, C // H)
            key = self.key(x).view(H, T, C // H)
            value = self.value(x).view(H, T, C // H)
            heads = [_attention(query[h], key[h], value[h], visible) for h in range(H)]
            return self.output(torch.cat(heads, dim=-1))


# wrong: Head h starts at column h instead of column h D, so the heads overlap.
@wrong("04.heads", "")
class SlicesOverlap:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h, h + D)
                heads.append(_attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


# wrong: The stacked heads (H, T, D) are reshaped to (T, C) without moving the heads back behind the tokens.
@wrong("04.heads", "")
class JoinsWithReshape:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(_attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.stack(heads).reshape(x.shape))


# wrong: The scores of each head are divided by the root of C, not of D.
@wrong("04.heads", "")
class RootOfAllFeatures:
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
            H, D = self.n_heads, C // self.n_heads
            query = self.query(x).view(T, H, D).transpose(0, 1)
            key = self.key(x).view(T, H, D).transpose(0, 1)
            value = self.value(x).view(T, H, D).transpose(0, 1)
            scores = query @ key.transpose(1, 2) / math.sqrt(C)
            weights = scores.masked_fill(~visible, -math.inf).softmax(dim=-1)
            return self.output((weights @ value).transpose(0, 1).reshape(T, C))


# wrong: It adds x to the output, which is the model's job and not the layer's.
@wrong("04.heads", "")
class AddsTheInput:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(_attention(query[:, own], key[:, own], value[:, own], visible))
            return x + self.output(torch.cat(heads, dim=-1))


# wrong: It multiplies by the stored weight of the output, which is W_O transposed.
@wrong("04.heads", "")
class MultipliesByTheStoredWeight:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(_attention(query[:, own], key[:, own], value[:, own], visible))
            return torch.cat(heads, dim=-1) @ self.output.weight


@right("04.heads")
class AllHeadsAtOnce:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            query, key, value = (
                part(x).unflatten(-1, (self.n_heads, -1)) for part in (self.query, self.key, self.value)
            )
            scores = torch.einsum("thd,shd->hts", query, key) / math.sqrt(query.shape[-1])
            weights = torch.where(visible, scores, -math.inf).softmax(dim=-1)
            return self.output(torch.einsum("hts,shd->thd", weights, value).flatten(1))


@right("04.heads")
class EachHeadHasItsShareOfTheOutput:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model, bias=False)
            self.key = nn.Linear(d_model, d_model, bias=False)
            self.value = nn.Linear(d_model, d_model, bias=False)
            self.output = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            W_O = self.output.weight.chunk(self.n_heads, dim=1)
            parts = [part(x).chunk(self.n_heads, dim=-1) for part in (self.query, self.key, self.value)]
            total = torch.zeros_like(x)
            for query, key, value, mix in zip(*parts, W_O, strict=True):
                total = total + _attention(query, key, value, visible) @ mix.T
            return total
