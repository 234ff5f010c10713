"""Wrong answers to the turns of lesson 04, as learners write them: the mask, and one head."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import wrong


@wrong("04.causal_mask", "inverted")
class Triu:
    def causal_mask(T):
        return torch.triu(torch.ones(T, T), diagonal=1).bool()


@wrong("04.causal_mask", "transposed")
class UpperWithDiagonal:
    def causal_mask(T):
        return torch.ones(T, T, dtype=torch.bool).triu()


@wrong("04.causal_mask", "own key")
class RangeOfT:
    def causal_mask(T):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for t in range(T):
            mask[t, :t] = True
        return mask


@wrong("04.causal_mask", "float32")
class Floats:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T))


@wrong("04.causal_mask", "int64")
class Integers:
    def causal_mask(T):
        return torch.tensor([[1 if s <= t else 0 for s in range(T)] for t in range(T)])


@wrong("04.causal_mask", "returns a list; the cells below need a torch tensor")
class Lists:
    def causal_mask(T):
        return [[s <= t for s in range(T)] for t in range(T)]


@wrong("04.causal_mask", "add to the scores")
class Additive:
    def causal_mask(T):
        return torch.full((T, T), float("-inf")).triu(1)


@wrong("04.causal_mask", "key after its own")
class OneTooFar:
    def causal_mask(T):
        return torch.arange(T).view(-1, 1) + 1 >= torch.arange(T)


@wrong("04.causal_mask", "one row, not a table")
class OneRow:
    def causal_mask(T):
        return torch.ones(T, dtype=torch.bool)


@wrong("04.causal_mask", "returned None")
class NoReturn:
    def causal_mask(T):
        mask = torch.ones(T, T).tril().bool()  # noqa: F841


@wrong("04.causal_mask", "raised")
class Typo:
    def causal_mask(T):
        return torch.tril(torch.ones(T)).bool()


@wrong("04.causal_mask", "Query 2 does not see key 0")
class WindowOfTwo:
    def causal_mask(T):
        distance = torch.arange(T)[:, None] - torch.arange(T)
        return (distance >= 0) & (distance < 2)


@wrong("04.causal_mask", "Query 0 does not see key 0")
class LowerLeftFlipped:
    def causal_mask(T):
        return torch.ones(T, T).tril().flip(1).bool()


@wrong("04.causal_mask", "must take")
class TwoSizes:
    def causal_mask(T, S):
        return torch.ones(T, S).tril().bool()


@wrong("04.causal_mask", "For T = 1 the mask has 3 rows and 3 columns")
class AlwaysThree:
    def causal_mask(T):
        return torch.tensor([[True, False, False], [True, True, False], [True, True, True]])


@wrong("04.causal_mask", "name 'words' is not defined")
class LengthOfTheWords:
    def causal_mask(T):
        return torch.ones(len(words), len(words)).tril().bool()  # noqa: F821


@wrong("04.causal_mask", "extra axes")
class NanoGPT:
    def causal_mask(T):
        return torch.tril(torch.ones(T, T)).view(1, 1, T, T).bool()


@wrong("04.causal_mask", "numpy array")
class NumpyFloats:
    def causal_mask(T):
        return np.tril(np.ones((T, T)))


@wrong("04.causal_mask", "numpy array")
class NumpyBooleans:
    def causal_mask(T):
        return np.tril(np.ones((T, T))).astype(bool)


@wrong("04.causal_mask", "raised RuntimeError")
class NotForAnd:
    def causal_mask(T):
        return not torch.ones(T, T).triu(1).bool()


@wrong("04.causal_mask", "raised IndexError")
class FillsThreeRows:
    def causal_mask(T):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for t in range(3):
            mask[t, : t + 1] = True
        return mask


@wrong("04.attention", "not divided by sqrt(D)")
class NoScale:
    def attention(query, key, value, visible):
        scores = torch.matmul(query, key.transpose(0, 1))
        scores = scores.masked_fill(visible == 0, -1e9)
        return torch.matmul(F.softmax(scores, dim=-1), value)


@wrong("04.attention", "number of keys")
class RootOfLen:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(len(key))
        scores = torch.where(visible, scores, float("-inf"))
        return torch.softmax(scores, dim=-1) @ value


@wrong("04.attention", "over the queries")
class SoftmaxDimZero:
    def attention(query, key, value, visible):
        scores = (query @ key.T) / query.shape[1] ** 0.5
        scores = scores.masked_fill(~visible, -torch.inf)
        return F.softmax(scores, 0) @ value


@wrong("04.attention", "after the softmax")
class MaskTheWeights:
    def attention(query, key, value, visible):
        weights = F.softmax(query @ key.T / math.sqrt(query.size(1)), dim=-1)
        weights = weights.masked_fill(~visible, 0)
        return weights @ value


@wrong("04.attention", "is NaN")
class FilledTheWrongWay:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(visible, float("-inf"))
        return scores.softmax(-1) @ value


@wrong("04.attention", "exp(0) is 1")
class TimesTheMask:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1]) * visible
        return scores.softmax(-1) @ value


@wrong("04.attention", "mask has no effect")
class Forgot:
    def attention(query, key, value, visible):
        return torch.softmax(query @ key.T / math.sqrt(query.shape[-1]), -1) @ value


@wrong("04.attention", "Right, while scores stay moderate")
class ExpByHand:
    def attention(query, key, value, visible):
        e = torch.exp(query @ key.T / query.shape[-1] ** 0.5) * visible
        return e / e.sum(-1, keepdim=True) @ value


@wrong("04.attention", "weights are returned")
class ReturnsTheWeights:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1)


@wrong("04.attention", "changed the input")
class InPlace:
    def attention(query, key, value, visible):
        query /= math.sqrt(query.shape[-1])
        scores = query @ key.T
        scores[~visible] = -math.inf
        return scores.softmax(-1) @ value


@wrong("04.attention", "no gradient")
class ThroughNumpy:
    def attention(query, key, value, visible):
        q, k, v, m = (x.detach().numpy() for x in (query, key, value, visible))
        scores = np.where(m, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return torch.from_numpy(e / e.sum(-1, keepdims=True) @ v).to(query.dtype)


@wrong("04.attention", "float32")
class NewFloats:
    def attention(query, key, value, visible):
        out = torch.zeros(len(query), value.shape[1])
        for t in range(len(query)):
            scores = (key @ query[t]) / math.sqrt(query.shape[1])
            scores[~visible[t]] = -torch.inf
            out[t] = scores.softmax(0) @ value
        return out


@wrong("04.attention", "returned None")
class NotReturned:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
        heard = weights @ value  # noqa: F841


@wrong("04.attention", "raised")
class NotTransposed:
    def attention(query, key, value, visible):
        scores = query @ key / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "without a softmax")
class Normalized:
    def attention(query, key, value, visible):
        return (query @ key.T) * visible / math.sqrt(query.shape[-1]) @ value


@wrong("04.attention", "hidden from it")
class MinusAThousand:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -50.0).softmax(-1) @ value


@wrong("04.attention", "sqrt(D)")
class NoScaleAndMaskTooLate:
    def attention(query, key, value, visible):
        weights = (query @ key.T).softmax(-1) * visible
        return weights @ value


@wrong("04.attention", "")
class SharesWithoutExp:
    def attention(query, key, value, visible):
        scores = (query @ key.T / math.sqrt(query.shape[-1])) * visible
        return scores / scores.sum(-1, keepdim=True) @ value


@wrong("04.attention", "")
class SquaredScores:
    def attention(query, key, value, visible):
        scores = (query @ key.T).pow(2) / query.shape[-1]
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "")
class Distances:
    def attention(query, key, value, visible):
        scores = -torch.cdist(query, key) / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "raised NameError: name 'D' is not defined")
class DIsNotDefined:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(D)  # noqa: F821
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "raised TypeError")
class TorchsRootOfANumber:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / torch.sqrt(D)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "always divided by sqrt(4)")
class RootOfTheGlobalC:
    def attention(query, key, value, visible):
        C = 4
        scores = query @ key.T / math.sqrt(C)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "always divided by sqrt(2)")
class RootOfTwo:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(2)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "always divided by sqrt(5)")
class RootOfFive:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(5)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "always divided by sqrt(1024)")
class RootOfALaterD:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(1024)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "number of queries")
class RootOfTheQueries:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(len(query))
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "is NaN")
class ZeroTimesInfinity:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        scores = scores + ~visible * -math.inf
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "Query t reads only the keys 0 to t")
class LoopToT:
    def attention(query, key, value, visible):
        T, D = query.shape
        output = torch.zeros(T, D)
        for t in range(T):
            scores = []
            for s in range(t + 1):
                scores.append(sum(query[t] * key[s]) / math.sqrt(D))
            powers = [math.exp(score) for score in scores]
            weights = [power / sum(powers) for power in powers]
            for s in range(t + 1):
                output[t] += weights[s] * value[s]
        return output


@wrong("04.attention", "Query t reads only the keys 0 to t")
class CausalMaskOfItsOwn:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        hidden = torch.ones(len(query), len(key)).triu(1).bool()
        scores = scores.masked_fill(hidden, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "mask has no effect")
class FilledAndForgotten:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        scores.masked_fill(~visible, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ value


@wrong("04.attention", "minus infinity, after the softmax")
class InfinityAfterTheSoftmax:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        weights = scores.softmax(dim=-1)
        weights = weights.masked_fill(~visible, -math.inf)
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


@wrong("04.attention", "over the whole table")
class SharesOfTheTable:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        scores = scores.masked_fill(~visible, -math.inf)
        weights = scores.exp() / scores.exp().sum()
        return weights @ value


@wrong("04.attention", "raised RuntimeError")
class SumWithoutKeepdim:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        weights = scores.softmax(dim=-1) * visible
        weights = weights / weights.sum(-1)
        return weights @ value


@wrong("04.attention", "hidden from it")
class FilledWithMinusOne:
    def attention(query, key, value, visible):
        D = query.shape[1]
        scores = query @ key.T / math.sqrt(D)
        scores = scores.masked_fill(~visible, -1)
        weights = scores.softmax(dim=-1)
        return weights @ value


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


def _read(t, query, key, value):
    """The lesson's function for one query, as it stands on the page."""
    scores = [float(query[t] @ k) / math.sqrt(2) for k in key]
    powers = [math.exp(score) for score in scores]
    weights = [power / sum(powers) for power in powers]
    return weights, sum(weight * v for weight, v in zip(weights, value, strict=True))


@wrong("04.attention", "always divided by sqrt(2)")
class TheLessonsFunctionForEachQuery:
    def attention(query, key, value, visible):
        return torch.stack([_read(t, query, key, value)[1] for t in range(len(query))])


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


@wrong("04.attention", "Only two of the D entries")
class TwoEntries:
    def attention(query, key, value, visible):
        rows = []
        for t, q in enumerate(query):
            scores = torch.stack([(q[0] * k[0] + q[1] * k[1]) / math.sqrt(2) for k in key])
            rows.append(scores.masked_fill(~visible[t], -math.inf).softmax(0) @ value)
        return torch.stack(rows)


@wrong("04.attention", "not enough values")
class Karpathy:
    def attention(query, key, value, visible):
        B, T, C = query.shape
        wei = query @ key.transpose(-2, -1) * C**-0.5
        wei = wei.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf"))
        return F.softmax(wei, dim=-1) @ value


@wrong("04.attention", "Query t reads only the keys 0 to t")
class KarpathyWithoutTheBatch:
    def attention(query, key, value, visible):
        T, C = query.shape
        tril = torch.tril(torch.ones(T, len(key)))
        wei = query @ key.transpose(-2, -1) * C**-0.5
        wei = wei.masked_fill(tril == 0, float("-inf"))
        return F.softmax(wei, dim=-1) @ value


@wrong("04.attention", "raised IndexError")
class MinGPT:
    def attention(query, key, value, visible):
        att = (query @ key.transpose(-2, -1)) * (1.0 / math.sqrt(key.size(-1)))
        att = att.masked_fill(visible[:, :, : query.size(-2), : query.size(-2)] == 0, float("-inf"))
        return F.softmax(att, dim=-1) @ value


@wrong("04.attention", "raised IndexError")
class TransposesAxisTwo:
    def attention(query, key, value, visible):
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "Right, while scores stay moderate")
class RaschkaRenormalises:
    def attention(query, key, value, visible):
        attn_scores = query @ key.T
        attn_weights = torch.softmax(attn_scores / key.shape[-1] ** 0.5, dim=-1)
        masked_simple = attn_weights * visible
        row_sums = masked_simple.sum(dim=-1, keepdim=True)
        return masked_simple / row_sums @ value


@wrong("04.attention", "You return 2 things, and the first is right")
class AnnotatedTransformer:
    def attention(query, key, value, visible):
        d_k = query.size(-1)
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(d_k)
        scores = scores.masked_fill(visible == 0, -1e9)
        p_attn = scores.softmax(dim=-1)
        return torch.matmul(p_attn, value), p_attn


@wrong("04.attention", "raised RuntimeError")
class NotVisible:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(not visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "raised RuntimeError")
class NoKeepdim:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        p = scores.masked_fill(~visible, -math.inf).exp()
        return p / p.sum(-1) @ value


@wrong("04.attention", "plain average")
class PlainAverage:
    def attention(query, key, value, visible):
        weights = visible.float()
        return weights / weights.sum(-1, keepdim=True) @ value


@wrong("04.attention", "largest score")
class Dictionary:
    def attention(query, key, value, visible):
        scores = (query @ key.T).masked_fill(~visible, -math.inf)
        return value[scores.argmax(dim=-1)]


@wrong("04.attention", "raised AttributeError")
class SoftmaxOfAList:
    def attention(query, key, value, visible):
        scores = [[float(q @ k) / math.sqrt(len(q)) for k in key] for q in query]
        return scores.softmax(-1) @ value


@wrong("04.attention", "numpy")
class AllNumpy:
    def attention(query, key, value, visible):
        q, k, v, m = (x.detach().numpy() for x in (query, key, value, visible))
        scores = np.where(m, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True) @ v


@wrong("04.causal_mask", "Only the first row")
class ReturnsInTheLoop:
    def causal_mask(T):
        mask = torch.zeros(T, T, dtype=torch.bool)
        for t in range(T):
            mask[t, : t + 1] = True
            return mask


@wrong("04.causal_mask", "one row, not a table")
class ComparesARowWithItself:
    def causal_mask(T):
        position = torch.arange(T)
        return position >= position.T


@wrong("04.causal_mask", "one long row")
class OneLongList:
    def causal_mask(T):
        return torch.tensor([s <= t for t in range(T) for s in range(T)])


@wrong("04.causal_mask", "For T = 1, the function returns None")
class OnlyTheExample:
    def causal_mask(T):
        if T == 3:
            return torch.tensor([[True, False, False], [True, True, False], [True, True, True]])


@wrong("04.causal_mask", "raised AttributeError")
class ShapeOfANumber:
    def causal_mask(T):
        n = T.shape[0]
        return torch.ones(n, n).tril().bool()


@wrong("04.causal_mask", "must be Tensor, not int")
class TrilOfNumbers:
    def causal_mask(T):
        return torch.tril(T, T)


@wrong("04.causal_mask", "raised NameError")
class FormulaOfTheText:
    def causal_mask(T):
        return t >= s  # noqa: F821


@wrong("04.attention", "list of pairs")
class ListOfWhatReadReturns:
    def attention(query, key, value, visible):
        pairs = []
        for t in range(len(query)):
            scores = [float(query[t] @ k) / math.sqrt(2) for k in key]
            weights = torch.tensor(scores).softmax(dim=-1).tolist()
            pairs.append((weights, sum(w * v for w, v in zip(weights, value, strict=True))))
        return pairs


@wrong("04.attention", "one long row")
class CatOfRows:
    def attention(query, key, value, visible):
        outputs = []
        for t in range(len(query)):
            scores = (key @ query[t] / math.sqrt(query.shape[-1])).masked_fill(~visible[t], -math.inf)
            outputs.append(scores.softmax(-1) @ value)
        return torch.cat(outputs)


@wrong("04.attention", "Only one query")
class ReturnsAfterTheFirstQuery:
    def attention(query, key, value, visible):
        outputs = []
        for t in range(len(query)):
            scores = (key @ query[t] / math.sqrt(query.shape[-1])).masked_fill(~visible[t], -math.inf)
            outputs.append(scores.softmax(-1) @ value)
            return torch.stack(outputs)


@wrong("04.attention", "Only one query")
class LastQueryOnly:
    def attention(query, key, value, visible):
        return (key @ query[-1] / math.sqrt(query.shape[-1])).softmax(-1) @ value


@wrong("04.attention", "(T, S)")
class ReturnsTheScores:
    def attention(query, key, value, visible):
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf)


@wrong("04.attention", "extra axes")
class AddsABatch:
    def attention(query, key, value, visible):
        q, k, v = query[None, None], key[None, None], value[None, None]
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        return att.masked_fill(~visible, float("-inf")).softmax(-1) @ v


@wrong("04.attention", "another result each time")
class Dropout:
    def attention(query, key, value, visible):
        scores = (query @ key.T / math.sqrt(query.shape[-1])).masked_fill(~visible, -math.inf)
        return F.dropout(scores.softmax(-1), 0.5) @ (value + 0.001 * torch.rand_like(value))


@wrong("04.attention", "Every number of the result is NaN")
class RootOfTheKeys:
    def attention(query, key, value, visible):
        scores = query @ (key.T / query.shape[-1]) ** 0.5
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "taken twice")
class SoftmaxTwice:
    def attention(query, key, value, visible):
        scores = (query @ key.T / math.sqrt(query.shape[-1])).masked_fill(~visible, -math.inf)
        return F.softmax(scores.softmax(-1), -1) @ value


@wrong("04.attention", "above the diagonal are set to 0")
class TrilOfTheScores:
    def attention(query, key, value, visible):
        return torch.tril(query @ key.T / math.sqrt(query.shape[-1])).softmax(-1) @ value


@wrong("04.attention", "raised NameError")
class AnnotatedTransformersNames:
    def attention(query, key, value, visible):
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
        if mask is not None:  # noqa: F821
            scores = scores.masked_fill(mask == 0, -1e9)  # noqa: F821
        p_attn = scores.softmax(dim=-1)
        return torch.matmul(p_attn, value), p_attn


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


@wrong("04.attention", "raised RuntimeError")
class ProjectsOnceMore:
    def attention(query, key, value, visible):
        W_Q = W_K = W_V = torch.zeros(4, 2)  # as on the page
        q, k, v = query @ W_Q, key @ W_K, value @ W_V
        return (q @ k.T / math.sqrt(2)).masked_fill(~visible, -math.inf).softmax(-1) @ v


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


@wrong("04.attention", "out of bounds")
class TheBankOfTheLesson:
    def attention(query, key, value, visible):
        return (query[4] @ key.T / math.sqrt(query.shape[-1])).softmax(-1) @ value


@wrong("04.attention", "size of tensor a (5)")
class MaskOfThePage:
    def attention(query, key, value, visible):
        visible = torch.ones(5, 5).tril().bool()
        scores = query @ key.T / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value


@wrong("04.attention", "size of tensor a (2)")
class QueryTimesKey:
    def attention(query, key, value, visible):
        scores = query * key / math.sqrt(query.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1) @ value
