"""Answers to the turns of lesson 00a, written from its text alone; checks changed after they were scored."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from turn_answers import right, wrong

# --- 00a.join_heads


@wrong("00a.join_heads", "")
class ReshapeAtOnce:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.reshape(T, H * D)


@wrong("00a.join_heads", "")
class ViewAtOnce:
    def join_heads(heads):
        return heads.view(heads.shape[1], -1)


@wrong("00a.join_heads", "")
class ViewAfterTranspose:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(0, 1).view(T, H * D)


@wrong("00a.join_heads", "")
class TransposeOnly:
    def join_heads(heads):
        return heads.transpose(0, 1)


@wrong("00a.join_heads", "")
class CatOfRows:
    def join_heads(heads):
        return torch.cat(list(heads))


@wrong("00a.join_heads", "")
class NanoGPT:
    def join_heads(heads):
        B, nh, T, hs = heads.shape
        return heads.transpose(1, 2).contiguous().view(B, T, nh * hs)


@wrong("00a.join_heads", "")
class LastTwoSwapped:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(1, 2).reshape(T, H * D)


@wrong("00a.join_heads", "")
class ColumnsInTurn:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.permute(1, 2, 0).reshape(T, H * D)


@wrong("00a.join_heads", "")
class CapitalT:
    def join_heads(heads):
        return heads.T.reshape(heads.shape[1], -1)


@wrong("00a.join_heads", "")
class SumOfHeads:
    def join_heads(heads):
        return heads.sum(0)


@wrong("00a.join_heads", "")
class MeanOfHeads:
    def join_heads(heads):
        return heads.mean(dim=0)


@wrong("00a.join_heads", "")
class FirstHeadOnly:
    def join_heads(heads):
        for head in heads:
            return head


@wrong("00a.join_heads", "")
class FlattenTheEnd:
    def join_heads(heads):
        return heads.flatten(1)


@wrong("00a.join_heads", "")
class FlattenTheFront:
    def join_heads(heads):
        return heads.flatten(0, 1)


@wrong("00a.join_heads", "")
class StackLast:
    def join_heads(heads):
        return torch.stack(list(heads), dim=-1)


@wrong("00a.join_heads", "")
class AList:
    def join_heads(heads):
        rows = []
        for t in range(heads.shape[1]):
            row = []
            for h in range(heads.shape[0]):
                row += heads[h, t].tolist()
            rows.append(row)
        return rows


@wrong("00a.join_heads", "")
class NumpyConcatenate:
    def join_heads(heads):
        return np.concatenate(heads.numpy(), axis=1)


@wrong("00a.join_heads", "")
class NoReturn:
    def join_heads(heads):
        joined = torch.cat(list(heads), dim=1)


@wrong("00a.join_heads", "")
class ShapeOfThePage:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(4, 6)


@wrong("00a.join_heads", "")
class SizesByGlobals:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(T, C)  # noqa: F821


@wrong("00a.join_heads", "")
class AddsInTheLoop:
    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D)
        for h in range(H):
            out[:, h : h + D] = heads[h]
        return out


@wrong("00a.join_heads", "")
class EveryHthColumn:
    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D)
        for h in range(H):
            out[:, h::H] = heads[h]
        return out


@wrong("00a.join_heads", "")
class BackToFront:
    def join_heads(heads):
        return torch.cat([heads[h] for h in reversed(range(len(heads)))], dim=1)


@wrong("00a.join_heads", "")
class HeadsPlus:
    def join_heads(heads):
        out = heads[0]
        for head in heads[1:]:
            out = out + head
        return out


# --- 00a.batched_product


@wrong("00a.batched_product", "")
class EntryByEntry:
    def batched_product(a, b):
        return (a * b).sum(-1)


@wrong("00a.batched_product", "")
class StarAfterTranspose:
    def batched_product(a, b):
        return (a * b.transpose(1, 2)).sum(-1)


@wrong("00a.batched_product", "")
class SumOverTheLast:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(-1)


@wrong("00a.batched_product", "")
class SumOverT:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(1)


@wrong("00a.batched_product", "")
class NoSum:
    def batched_product(a, b):
        return a.unsqueeze(-1) * b.unsqueeze(1)


@wrong("00a.batched_product", "")
class NewAxesInTheWrongPlace:
    def batched_product(a, b):
        return (a[:, None] * b[:, :, None]).sum(2)


@wrong("00a.batched_product", "")
class RowsWithRows:
    def batched_product(a, b):
        return (a[:, :, None] * b[:, None]).sum(-1)


@wrong("00a.batched_product", "")
class TwoAxes:
    def batched_product(a, b):
        return (a[:, :, None] * b[None]).sum(1)


@wrong("00a.batched_product", "")
class FirstHead:
    def batched_product(a, b):
        for x, y in zip(a, b):
            return x @ y


@wrong("00a.batched_product", "")
class AllHeadsAdded:
    def batched_product(a, b):
        out = 0
        for x, y in zip(a, b):
            out = out + x @ y
        return out


@wrong("00a.batched_product", "")
class AListOfHeads:
    def batched_product(a, b):
        return [x @ y for x, y in zip(a, b)]


@wrong("00a.batched_product", "")
class CatOfHeads:
    def batched_product(a, b):
        return torch.cat([x @ y for x, y in zip(a, b)])


@wrong("00a.batched_product", "")
class Mean:
    def batched_product(a, b):
        return (a.unsqueeze(3) * b.unsqueeze(1)).mean(2)


@wrong("00a.batched_product", "")
class TransposedResult:
    def batched_product(a, b):
        return torch.einsum("htd,hds->hst", a, b)


@wrong("00a.batched_product", "")
class EveryPairOfHeads:
    def batched_product(a, b):
        return torch.einsum("htd,gds->hts", a, b)


@wrong("00a.batched_product", "")
class TransposesB:
    def batched_product(a, b):
        return a @ b.transpose(1, 2)


@wrong("00a.batched_product", "")
class TransposesA:
    def batched_product(a, b):
        return a.transpose(1, 2) @ b


@wrong("00a.batched_product", "")
class CapitalTOfThree:
    def batched_product(a, b):
        return a @ b.T


@wrong("00a.batched_product", "")
class LoopsWithoutSum:
    def batched_product(a, b):
        out = torch.zeros(a.shape[0], a.shape[1], b.shape[2])
        for h in range(a.shape[0]):
            for t in range(a.shape[1]):
                for s in range(b.shape[2]):
                    for d in range(a.shape[2]):
                        out[h, t, s] = a[h, t, d] * b[h, d, s]
        return out


@wrong("00a.batched_product", "")
class LoopsWithRows:
    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, b.shape[2])
        for h in range(H):
            for t in range(T):
                for s in range(b.shape[2]):
                    out[h, t, s] = (a[h, t] * b[h, s]).sum()
        return out


@wrong("00a.batched_product", "")
class SquareOutput:
    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, T)
        for h in range(H):
            for t in range(T):
                for s in range(T):
                    out[h, t, s] = (a[h, t] * b[h, :, s]).sum()
        return out


@wrong("00a.batched_product", "")
class LastHeadEverywhere:
    def batched_product(a, b):
        for x, y in zip(a, b):
            product = (x[:, :, None] * y).sum(1)
        return product


@wrong("00a.batched_product", "")
class SwappedOrder:
    def batched_product(a, b):
        return b @ a


@wrong("00a.batched_product", "")
class ScaledToo:
    def batched_product(a, b):
        return (a[..., None] * b[:, None]).sum(2) / math.sqrt(a.shape[-1])


@wrong("00a.batched_product", "")
class SoftmaxToo:
    def batched_product(a, b):
        return (a[..., None] * b[:, None]).sum(2).softmax(-1)


# --- 00a.softmax


@wrong("00a.softmax", "")
class Overflows:
    def softmax(scores):
        powers = scores.exp()
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class FirstAxis:
    def softmax(scores):
        powers = (scores - scores.max()).exp()
        return powers / powers.sum(0)


@wrong("00a.softmax", "")
class AxisOne:
    def softmax(scores):
        powers = (scores - scores.amax(1, keepdim=True)).exp()
        return powers / powers.sum(1, keepdim=True)


@wrong("00a.softmax", "")
class NoKeepdim:
    def softmax(scores):
        powers = (scores - scores.amax(-1)).exp()
        return powers / powers.sum(-1)


@wrong("00a.softmax", "")
class NoKeepdimInTheSum:
    def softmax(scores):
        powers = torch.exp(scores - scores.max(-1, keepdim=True).values)
        return powers / powers.sum(-1)


@wrong("00a.softmax", "")
class MaxIsAPair:
    def softmax(scores):
        powers = torch.exp(scores - scores.max(-1, keepdim=True))
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class SumOfAll:
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        return powers / powers.sum()


@wrong("00a.softmax", "")
class NumpyFromTheWeb:
    def softmax(scores):
        e = np.exp(scores - np.max(scores))
        return e / e.sum()


@wrong("00a.softmax", "")
class MaxOfAll:
    def softmax(scores):
        e = torch.exp(scores - scores.max())
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class LogSoftmax:
    def softmax(scores):
        return scores - scores.logsumexp(-1, keepdim=True)


@wrong("00a.softmax", "")
class NoExp:
    def softmax(scores):
        return scores / scores.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class ShiftedNoExp:
    def softmax(scores):
        shifted = scores - scores.amax(-1, keepdim=True)
        return shifted / shifted.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class SubtractsTheMean:
    def softmax(scores):
        e = (scores - scores.mean(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class SubtractsTheSmallest:
    def softmax(scores):
        e = (scores - scores.amin(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class InPlace:
    def softmax(scores):
        scores -= scores.amax(-1, keepdim=True)
        e = scores.exp()
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class DivideByMax:
    def softmax(scores):
        e = (scores / scores.amax(-1, keepdim=True)).exp()
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class Clamped:
    def softmax(scores):
        e = scores.clamp(max=80).exp()
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class WrongSignOfTheShift:
    def softmax(scores):
        e = (scores.amax(-1, keepdim=True) - scores).exp()
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class ForgotToDivide:
    def softmax(scores):
        return (scores - scores.amax(-1, keepdim=True)).exp()


@wrong("00a.softmax", "")
class MathExp:
    def softmax(scores):
        e = math.exp(scores - scores.max())
        return e / e.sum(-1)


@wrong("00a.softmax", "")
class PythonLists:
    def softmax(scores):
        rows = []
        for row in scores:
            powers = [math.exp(s - max(row)) for s in row]
            rows.append([p / sum(powers) for p in powers])
        return torch.tensor(rows)


@wrong("00a.softmax", "")
class RowsOnly:
    def softmax(scores):
        rows = []
        for row in scores:
            e = (row - row.max()).exp()
            rows.append(e / e.sum())
        return torch.stack(rows)


@wrong("00a.softmax", "")
class AddsEpsilon:
    def softmax(scores):
        e = (scores - scores.amax(-1, keepdim=True)).exp()
        return e / (e.sum(-1, keepdim=True) + 1e-3)


@wrong("00a.softmax", "")
class BaseTwo:
    def softmax(scores):
        e = 2 ** (scores - scores.amax(-1, keepdim=True))
        return e / e.sum(-1, keepdim=True)


@wrong("00a.softmax", "")
class Sigmoid:
    def softmax(scores):
        return scores.sigmoid()


@wrong("00a.softmax", "")
class NoAxisGiven:
    def softmax(scores):
        return scores.softmax()


@wrong("00a.softmax", "")
class TheOtherName:
    def softmax(scores):
        e = (logits - logits.amax(-1, keepdim=True)).exp()  # noqa: F821
        return e / e.sum(-1, keepdim=True)


# --- right


@right("00a.join_heads")
class Permute:
    def join_heads(heads):
        return heads.permute(1, 0, 2).flatten(1)


@right("00a.join_heads")
class HstackOfHeads:
    def join_heads(heads):
        return torch.hstack(tuple(heads))


@right("00a.join_heads")
class FillsColumns:
    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D, dtype=heads.dtype)
        for h in range(H):
            out[:, h * D : (h + 1) * D] = heads[h]
        return out


@right("00a.join_heads")
class ContiguousView:
    def join_heads(heads):
        return heads.swapaxes(0, 1).contiguous().view(heads.shape[1], -1)


@right("00a.batched_product")
class Unsqueezed:
    def batched_product(a, b):
        return a.unsqueeze(-1).mul(b.unsqueeze(-3)).sum(dim=-2)


@right("00a.batched_product")
class RowsOfTheTranspose:
    def batched_product(a, b):
        columns = b.transpose(1, 2)  # (H, S, D)
        return (a[:, :, None, :] * columns[:, None, :, :]).sum(-1)


@right("00a.batched_product")
class OuterProductsAddedUp:
    def batched_product(a, b):
        out = torch.zeros(a.shape[0], a.shape[1], b.shape[2])
        for d in range(a.shape[2]):
            out = out + a[:, :, d, None] * b[:, d, None, :]
        return out


@right("00a.batched_product")
class HeadByHead:
    def batched_product(a, b):
        return torch.stack([(x[:, :, None] * y[None]).sum(1) for x, y in zip(a, b)])


@right("00a.softmax")
class LogSumExp:
    def softmax(scores):
        return torch.exp(scores - torch.logsumexp(scores, dim=-1, keepdim=True))


@right("00a.softmax")
class MaxWithIndices:
    def softmax(scores):
        largest, _ = scores.max(dim=-1, keepdim=True)
        e = torch.exp(scores - largest)
        return e / e.sum(dim=-1, keepdim=True)


@right("00a.softmax")
class AddsATinyNumber:
    def softmax(scores):
        e = torch.exp(scores - scores.max(-1)[0][..., None])
        return e / (e.sum(-1)[..., None] + 1e-9)


@right("00a.softmax")
class Flattened:
    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        e = (rows - rows.max(1, keepdim=True).values).exp()
        return (e / e.sum(1, keepdim=True)).reshape(scores.shape)


@right("00a.softmax")
class DividesBySumOfRatios:
    def softmax(scores):
        shifted = scores - scores.amax(dim=-1, keepdim=True)
        return shifted.exp().div(shifted.exp().sum(dim=-1).unsqueeze(-1))


@right("00a.softmax")
class NnSoftmax:
    def softmax(scores):
        return nn.Softmax(dim=-1)(scores)


@right("00a.softmax")
class Functional:
    def softmax(scores):
        return F.softmax(scores, dim=-1)
