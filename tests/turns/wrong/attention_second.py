"""Wrong answers to the turns of lesson 04 that a second reading of the page brought."""

import math

import torch
from torch import nn
from turn_answers import wrong

from minillm.course.turns.attention import attention, causal_mask

T = 5  # as on the page


@wrong("04.causal_mask", "name 'context_length' is not defined")
class RaschkasContextLength:
    def causal_mask(T):
        mask = torch.triu(torch.ones(context_length, context_length), diagonal=1)  # noqa: F821
        return mask.bool()


@wrong("04.causal_mask", "name 'self' is not defined")
class NanoGPTsBuffer:
    def causal_mask(T):
        self.register_buffer("bias", torch.tril(torch.ones(T, T)).view(1, 1, T, T))  # noqa: F821
        return self.bias  # noqa: F821


@wrong("04.causal_mask", "unexpected keyword argument 'dtype'")
class TypeForTril:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T), dtype=torch.bool)


@wrong("04.causal_mask", "index 3 is out of bounds")
class OneColumnTooFar:
    def causal_mask(T):
        mask = torch.empty(T, T, dtype=torch.bool)
        for t in range(T):
            mask[t, : t + 1] = True
            mask[t, t + 1] = False
        return mask


@wrong("04.causal_mask", "builtin_function_or_method")
class NotCalled:
    def causal_mask(T):
        return torch.ones(T, T).bool().tril


@wrong("04.causal_mask", "Everything is visible")
class OneListThreeTimes:
    def causal_mask(T):
        rows = [[False] * T] * T
        for t in range(T):
            for s in range(t + 1):
                rows[t][s] = True
        return torch.tensor(rows)


@wrong("04.attention", "name 'W_query' is not defined")
class RaschkasProjection:
    def attention(query, key, value, visible):
        queries = query @ W_query  # noqa: F821
        return torch.softmax(queries @ key.T / key.shape[-1] ** 0.5, dim=-1) @ value


@wrong("04.attention", "list assignment index out of range")
class PutsIntoAnEmptyList:
    def attention(query, key, value, visible):
        outputs = []
        for t in range(len(query)):
            scores = (key @ query[t] / math.sqrt(query.shape[-1])).masked_fill(~visible[t], -math.inf)
            outputs[t] = scores.softmax(-1) @ value
        return torch.stack(outputs)


@wrong("04.attention", "until a hidden score is far above")
class NormalizesWhatIsLeft:
    def attention(query, key, value, visible):
        weights = (query @ key.T / math.sqrt(query.shape[-1])).softmax(-1) * visible
        return nn.functional.normalize(weights, p=1, dim=-1) @ value


@wrong("04.attention", "contains NaN")
class InfiniteWeights:
    def attention(query, key, value, visible):
        weights = torch.exp(query @ key.T / math.sqrt(query.shape[-1]))
        weights = torch.where(visible, weights, -math.inf)
        return weights / weights.sum(-1, keepdim=True) @ value


@wrong("04.attention", "contains NaN")
class PlusInfinity:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, math.inf).softmax(-1) @ value


@wrong("04.attention", "mask is added")
class Llama2cWithoutTheBatch:
    def attention(query, key, value, visible):
        scores = torch.matmul(query, key.transpose(0, 1)) / math.sqrt(query.shape[-1])
        scores = scores + visible
        return torch.matmul(torch.softmax(scores.float(), dim=-1).type_as(query), value)


class Base(nn.Module):
    """The lines that the lesson gives, and a loop over heads."""

    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def heads(self, x, visible, number=None):
        number = number or self.n_heads
        D = x.shape[-1] // number
        parts = [layer(x).split(D, dim=-1)[:number] for layer in (self.query, self.key, self.value)]
        return [attention(*head, visible) for head in zip(*parts, strict=True)]


@wrong("04.heads", "mask is inverted")
class TrueMeansHidden:
    class MultiHead(Base):
        def forward(self, x, visible):
            return self.output(torch.cat(self.heads(x, ~visible), dim=-1))


@wrong("04.heads", "You return 2 things, and the first is right")
class ReturnsTheHeadsToo:
    class MultiHead(Base):
        def forward(self, x, visible):
            heads = self.heads(x, visible)
            return self.output(torch.cat(heads, dim=-1)), heads


@wrong("04.heads", "always two heads")
class TwoHeads:
    class MultiHead(Base):
        def forward(self, x, visible):
            return self.output(torch.cat(self.heads(x, visible, number=2), dim=-1))


@wrong("04.heads", "(1x12 and 4x4)")
class AddsRows:
    class MultiHead(Base):
        def forward(self, x, visible):
            joined = []
            for head in self.heads(x, visible):
                joined += head
            return self.output(torch.cat(joined, dim=-1))


@wrong("04.heads", "size of tensor a (5)")
class MaskOfThePage:
    class MultiHead(Base):
        def forward(self, x, visible):
            return self.output(torch.cat(self.heads(x, causal_mask(T)), dim=-1))


@wrong("04.heads", "name 'rearrange' is not defined")
class Einops:
    class MultiHead(Base):
        def forward(self, x, visible):
            layers = (self.query, self.key, self.value)
            q, k, v = (rearrange(layer(x), "t (h d) -> h t d", h=self.n_heads) for layer in layers)  # noqa: F821
            out = torch.stack([attention(*head, visible) for head in zip(q, k, v, strict=True)])
            return self.output(rearrange(out, "h t d -> t (h d)"))  # noqa: F821


@wrong("04.grouped", "one long row")
class AddsRowsOfHeads:
    def grouped_attention(query, key, value, visible):
        n, outputs = len(query) // len(key), []
        for h in range(len(query)):
            outputs += attention(query[h], key[h // n], value[h // n], visible)
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "stacked, (T, H, D)")
class StacksInTheMiddle:
    def grouped_attention(query, key, value, visible):
        n = len(query) // len(key)
        heads = [attention(q, key[h // n], value[h // n], visible) for h, q in enumerate(query)]
        return torch.stack(heads, dim=1)


@wrong("04.grouped", "name 'repeat_kv' is not defined")
class Llama2cRepeats:
    def grouped_attention(query, key, value, visible):
        n_rep = query.shape[0] // key.shape[0]
        key, value = repeat_kv(key, n_rep), repeat_kv(value, n_rep)  # noqa: F821
        return torch.cat([attention(*head, visible) for head in zip(query, key, value, strict=True)], dim=-1)


@wrong("04.grouped", "reads key/value head 0")
class DividesTwice:
    def grouped_attention(query, key, value, visible):
        H, K = len(query), len(key)
        outputs = [attention(query[h], key[h // H // K], value[h // H // K], visible) for h in range(H)]
        return torch.cat(outputs, dim=-1)


@wrong("04.grouped", "raised IndexError")
class OneNumberForAll:
    def grouped_attention(query, key, value, visible):
        H, K = len(query), len(key)
        k = H // K
        return torch.cat([attention(query[h], key[k], value[k], visible) for h in range(H)], dim=-1)
