"""Wrong answers to the third turn of lesson 04, as learners write them: several heads."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import wrong

from minillm.course.turns.attention import attention


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


@wrong("04.heads", "The input is cut")
class CutsTheInput:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                part = x[:, own]
                q = part @ self.query.weight[own, own].T
                k = part @ self.key.weight[own, own].T
                v = part @ self.value.weight[own, own].T
                heads.append(attention(q, k, v, visible))
            return self.output(torch.cat(heads, 1))


@wrong("04.heads", "one head reads all C columns")
class NoHeadsAtAll:
    class MultiHead(Base):
        def forward(self, x, visible):
            return self.output(attention(self.query(x), self.key(x), self.value(x), visible))


@wrong("04.heads", "cut and joined along the tokens")
class ViewHeadsFirst:
    class MultiHead(Base):
        def forward(self, x, visible):
            T, C = x.shape
            q, k, v = (f(x).view(self.n_heads, T, -1) for f in (self.query, self.key, self.value))
            return self.output(F.scaled_dot_product_attention(q, k, v, visible).reshape(T, C))


@wrong("04.heads", "joined along the tokens")
class ForgotToTransposeBack:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            weights = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~visible, -math.inf).softmax(-1)
            return self.output((weights @ v).reshape(x.shape))


@wrong("04.heads", "sqrt(C)")
class ScaledByC:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            weights = (q @ k.mT / math.sqrt(x.shape[-1])).masked_fill(~visible, -math.inf).softmax(-1)
            return self.output((weights @ v).transpose(0, 1).flatten(1))


@wrong("04.heads", "output projection is not applied")
class ForgotTheOutput:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return F.scaled_dot_product_attention(q, k, v, visible).transpose(0, 1).flatten(1)


@wrong("04.heads", "mask is not used")
class ForgotTheMask:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return self.output(F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1))


@wrong("04.heads", "causal mask is used instead")
class AlwaysCausal:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return self.output(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).flatten(1))


@wrong("04.heads", "keys come from the query")
class CopyPaste:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.query(x)), self.cut(self.value(x))
            return self.output(F.scaled_dot_product_attention(q, k, v, visible).transpose(0, 1).flatten(1))


@wrong("04.heads", "same as head 0")
class AlwaysTheFirstColumns:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            heads = []
            for h in range(self.n_heads):  # noqa: B007
                heads.append(attention(self.query(x)[:, :D], self.key(x)[:, :D], self.value(x)[:, :D], visible))
            return self.output(torch.cat(heads, -1))


@wrong("04.heads", "raised")
class AddedUp:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            q, k, v = self.query(x), self.key(x), self.value(x)
            out = 0
            for h in range(0, x.shape[1], D):
                out = out + attention(q[:, h : h + D], k[:, h : h + D], v[:, h : h + D], visible)
            return self.output(out)


@wrong("04.heads", "query.bias")
class WithBias:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.query = nn.Linear(d_model, d_model)
            self.key = nn.Linear(d_model, d_model)
            self.value = nn.Linear(d_model, d_model)
            self.output = nn.Linear(d_model, d_model)

        def forward(self, x, visible):
            return self.output(attention(self.query(x), self.key(x), self.value(x), visible))


@wrong("04.heads", "query.weight")
class OtherNames:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.w_q, self.w_k, self.w_v, self.w_o = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
            self.n_heads = n_heads

        def forward(self, x, visible):
            return self.w_o(x)


@wrong("04.heads", "raised")
class ForgotSuper:
    class MultiHead(nn.Module):
        def __init__(self, d_model, n_heads):
            self.query = nn.Linear(d_model, d_model, bias=False)

        def forward(self, x, visible):
            return self.query(x)


@wrong("04.heads", "still apart")
class ReturnsAllHeads:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return F.scaled_dot_product_attention(q, k, v, visible)


@wrong("04.heads", "input is added")
class Residual:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return x + self.output(F.scaled_dot_product_attention(q, k, v, visible).transpose(0, 1).flatten(1))


@wrong("04.heads", "no gradient")
class DetachedValues:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x).detach())
            return self.output(F.scaled_dot_product_attention(q, k, v, visible).transpose(0, 1).flatten(1))


@wrong("04.heads", "")
class OutputBeforeTheHeadsAreJoined:
    class MultiHead(Base):
        def forward(self, x, visible):
            v = self.cut(self.output(self.value(x)))
            q, k = self.cut(self.query(x)), self.cut(self.key(x))
            return F.scaled_dot_product_attention(q, k, v, visible).transpose(0, 1).flatten(1)


@wrong("04.heads", "")
class HeadsInReverse:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = F.scaled_dot_product_attention(q, k, v, visible).flip(0)
            return self.output(heads.transpose(0, 1).flatten(1))


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
class CutsTheInputAndProjects:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[1] // self.n_heads
            heads = []
            for h in range(self.n_heads):
                part = x[:, h * D : (h + 1) * D]
                heads.append(attention(self.query(part), self.key(part), self.value(part), visible))
            return self.output(torch.cat(heads, dim=1))


@wrong("04.heads", "raised RuntimeError")
class ThreeDimensions:
    class MultiHead(Base):
        def forward(self, x, visible):
            T, C = x.shape
            D = C // self.n_heads
            query = self.query(x).view(T, self.n_heads, D).transpose(0, 1)
            key = self.key(x).view(T, self.n_heads, D).transpose(0, 1)
            value = self.value(x).view(T, self.n_heads, D).transpose(0, 1)
            heads = attention(query, key, value, visible)
            return self.output(heads.transpose(0, 1).reshape(T, C))


@wrong("04.heads", "raised")
class CutsRows:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[own], key[own], value[own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "raised")
class ChunksOfRows:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            parts = (part.chunk(self.n_heads) for part in (query, key, value))
            heads = [attention(q, k, v, visible) for q, k, v in zip(*parts, strict=True)]
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


@wrong("04.heads", "without a transpose")
class WeightsAsTheyAre:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = x @ self.query.weight, x @ self.key.weight, x @ self.value.weight
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "overlap")
class OverlappingColumns:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h, h + D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "n_heads columns wide")
class SplitByTheNumber:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            parts = (part.split(self.n_heads, dim=1) for part in (query, key, value))
            heads = [attention(q, k, v, visible) for q, k, v in zip(*parts, strict=True)]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "cut in turn")
class EveryOtherColumn:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h, None, self.n_heads)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "cut along the tokens")
class ViewThenCat:
    class MultiHead(Base):
        def forward(self, x, visible):
            T, C = x.shape
            D = C // self.n_heads
            query = self.query(x).view(self.n_heads, T, D)
            key = self.key(x).view(self.n_heads, T, D)
            value = self.value(x).view(self.n_heads, T, D)
            heads = [attention(query[h], key[h], value[h], visible) for h in range(self.n_heads)]
            return self.output(torch.cat(heads, dim=1))


@wrong("04.heads", "")
class ValuesNotCut:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value, visible))
            return self.output(sum(heads))


@wrong("04.heads", "raised RuntimeError: mat1 and mat2")
class ReturnInsideTheLoop:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
                return self.output(torch.cat(heads, dim=-1))


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


@wrong("04.heads", "raised")
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


@wrong("04.heads", "raised NameError: name 'W_Q'")
class TheMatricesOfThePage:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = x @ W_Q, x @ W_K, x @ W_V  # noqa: F821
            return self.output(attention(query, key, value, visible))


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


@wrong("04.heads", "as a list")
class ReturnsAList:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = []
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
            return heads


@wrong("04.heads", "raised TypeError")
class OutputOfAList:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            return self.output([attention(q[h], k[h], v[h], visible) for h in range(self.n_heads)])


@wrong("04.heads", "joined in turn")
class StacksColumns:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = [attention(*head, visible) for head in zip(q, k, v, strict=True)]
            return self.output(torch.stack(heads, dim=-1).flatten(1))


@wrong("04.heads", "always has two columns")
class TwoHeadsByHand:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            one = attention(query[:, :2], key[:, :2], value[:, :2], visible)
            two = attention(query[:, 2:], key[:, 2:], value[:, 2:], visible)
            return self.output(torch.cat([one, two], dim=-1))


@wrong("04.heads", "output projection multiplies by its weights without a transpose")
class OutputWeightAsItIs:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = [attention(*head, visible) for head in zip(q, k, v, strict=True)]
            return torch.cat(heads, dim=-1) @ self.output.weight


@wrong("04.heads", "changed places")
class ValueBeforeKey:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = [attention(q[h], v[h], k[h], visible) for h in range(self.n_heads)]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "Each head reads x itself")
class CutsXAlone:
    class MultiHead(Base):
        def forward(self, x, visible):
            heads = [attention(part, part, part, visible) for part in self.cut(x)]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "One head reads x itself")
class AttentionOfX:
    class MultiHead(Base):
        def forward(self, x, visible):
            return self.output(attention(x, x, x, visible))


@wrong("04.heads", "another result each time")
class NewLayerInForward:
    class MultiHead(Base):
        def forward(self, x, visible):
            layer = nn.MultiheadAttention(x.shape[-1], self.n_heads, bias=False)
            return layer(x, x, x, attn_mask=~visible)[0]


@wrong("04.heads", "as wide as one head")
class ReturnsTheFirstHead:
    class MultiHead(Base):
        def forward(self, x, visible):
            D = x.shape[-1] // self.n_heads
            query, key, value = self.query(x), self.key(x), self.value(x)
            for h in range(self.n_heads):
                own = slice(h * D, (h + 1) * D)
                return attention(query[:, own], key[:, own], value[:, own], visible)


@wrong("04.heads", "raised RuntimeError")
class ListOfTheLesson:
    class MultiHead(Base):
        def forward(self, x, visible):
            outputs = []
            for W_q, W_k, W_v in [[torch.ones(4, 2)] * 3] * 2:  # as on the page
                outputs.append(attention(x @ W_q, x @ W_k, x @ W_v, visible))
            return torch.cat(outputs, dim=-1)


@wrong("04.heads", "raised AttributeError")
class AnnotatedTransformer:
    class MultiHead(Base):
        def forward(self, x, visible):
            n = x.size(0)
            q, k, v = (layer(x).view(n, -1, self.h, self.d_k) for layer in (self.query, self.key, self.value))
            return self.output(attention(q, k, v, visible))


@wrong("04.heads", "(3x8 and 4x4)")
class TheSameHeadTwice:
    class MultiHead(Base):
        def forward(self, x, visible):
            outputs = []
            for _ in range(self.n_heads):
                outputs.append(attention(self.query(x), self.key(x), self.value(x), visible))
            return self.output(torch.cat(outputs, dim=-1))


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


@wrong("04.heads", "size mismatch")
class TokenForHead:
    class MultiHead(Base):
        def forward(self, x, visible):
            query, key, value = self.query(x), self.key(x), self.value(x)
            heads = [attention(query[h], key[h], value[h], visible) for h in range(self.n_heads)]
            return self.output(torch.cat(heads, dim=-1))


@wrong("04.heads", "size of tensor b (5)")
class QueryOfThePage:
    class MultiHead(Base):
        def forward(self, x, visible):
            page = torch.ones(5, 2)
            return self.output(attention(page, page, page, visible))


@wrong("04.heads", "must be tuple of Tensors")
class CatOfTensors:
    class MultiHead(Base):
        def forward(self, x, visible):
            q, k, v = self.cut(self.query(x)), self.cut(self.key(x)), self.cut(self.value(x))
            heads = attention(q[0], k[0], v[0], visible)
            for h in range(1, self.n_heads):
                heads = torch.cat(heads, attention(q[h], k[h], v[h], visible))
            return self.output(heads)
