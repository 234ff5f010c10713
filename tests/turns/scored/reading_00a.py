"""Answers to the turns of lesson 00a, written from its text alone by a reader."""

import numpy as np
import torch
from turn_answers import right, wrong

# --- 00a.join_heads


@wrong("00a.join_heads", "The numbers are read in the order of `heads`")
class TheLessonsByReshapeBackwards:
    def join_heads(heads):
        return heads.reshape(len(heads[0]), -1)


@wrong("00a.join_heads", "raised RuntimeError")
class ByViewTheOtherWay:
    def join_heads(heads):
        H = len(heads)
        return heads.view(len(heads), H, -1).transpose(0, 1)


@wrong("00a.join_heads", "All three axes are turned around, (D, T, H), so a row mixes what it should keep apart.")
class DotTAndReshape:
    def join_heads(heads):
        return heads.T.reshape(heads.shape[1], -1)


@wrong("00a.join_heads", "raised ValueError")
class WithNanoGptsBatch:
    def join_heads(heads):
        B, H, T, D = heads.shape
        return heads.transpose(1, 2).contiguous().view(B, T, H * D)


@wrong("00a.join_heads", "The last two axes are swapped, so a row mixes tokens")
class TransposeOneTwoCopied:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(1, 2).contiguous().view(T, H * D)


@wrong("00a.join_heads", "raised RuntimeError")
class ViewWithoutContiguous:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(0, 1).view(T, H * D)


@wrong("00a.join_heads", "The heads come from the last to the first")
class HeadsTurnedAround:
    def join_heads(heads):
        return torch.cat([head for head in reversed(heads)], dim=-1)


@wrong("00a.join_heads", "The heads are one below the other, (H * T, D)")
class CatAlongTokens:
    def join_heads(heads):
        return torch.cat(list(heads), dim=0)


@wrong("00a.join_heads", "The numbers are read in the order of `heads`")
class DefaultCatThenReshape:
    def join_heads(heads):
        H, T, D = heads.shape
        return torch.cat([heads[h] for h in range(H)]).reshape(T, -1)


@wrong("00a.join_heads", "The columns come in turn: first one number of each head")
class StackedLast:
    def join_heads(heads):
        return torch.stack(list(heads), dim=-1).flatten(1)


@wrong("00a.join_heads", "Only the first head is returned")
class FirstHeadOnly:
    def join_heads(heads):
        rows = []
        for head in heads:
            for row in head:
                rows.append(row)
            return torch.stack(rows)


@wrong("00a.join_heads", "`join_heads` returned None")
class ForgotToReturn:
    def join_heads(heads):
        H, T, D = heads.shape
        out = heads.transpose(0, 1).reshape(T, H * D)


@wrong("00a.join_heads", "raised RuntimeError")
class SizesOfTheFigure:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(3, 6)


@wrong("00a.join_heads", "The heads are added up")
class SumOfHeads:
    def join_heads(heads):
        return heads.sum(dim=0)


@wrong("00a.join_heads", "The axes are swapped, but there are still three of them")
class TransposeNotJoined:
    def join_heads(heads):
        return heads.transpose(0, 1)


@wrong("00a.join_heads", "Tokens and heads are joined: a row for each pair, (T * H, D)")
class FlattenLastTwo:
    def join_heads(heads):
        return heads.transpose(0, 1).flatten(0, 1)


@wrong("00a.join_heads", "The result has the right numbers in another shape")
class OneLongRow:
    def join_heads(heads):
        return heads.transpose(0, 1).flatten()


@wrong("00a.join_heads", "There is a row for each head, (H, T * D)")
class TokensSideBySide:
    def join_heads(heads):
        return torch.cat([heads[:, t] for t in range(heads.shape[1])], dim=1)


@wrong("00a.join_heads", "Tokens and heads are joined: a row for each pair, (T * H, D)")
class TokensBelowEachOther:
    def join_heads(heads):
        return torch.cat([heads[:, t] for t in range(heads.shape[1])])


@wrong("00a.join_heads", "Only the first two heads are joined.")
class TwoHeadsByName:
    def join_heads(heads):
        return torch.cat([heads[0], heads[1]], dim=1)


@right("00a.join_heads")
class IndexedLoops:
    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D)
        for h in range(H):
            out[:, h * D : (h + 1) * D] = heads[h]
        return out


@right("00a.join_heads")
class ByColumnNumbers:
    def join_heads(heads):
        H, T, D = heads.shape
        c = torch.arange(H * D)
        return heads[c // D, :, c % D].T


@right("00a.join_heads")
class HStack:
    def join_heads(heads):
        return torch.hstack(tuple(heads))


# --- 00a.batched_product


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so")
class TheDistancesPattern:
    def batched_product(a, b):
        return (a[:, :, None] * b[:, None]).sum(dim=-1)


@wrong("00a.batched_product", "The sum runs over s.")
class SummedLast:
    def batched_product(a, b):
        return (a[..., None] * b[:, None]).sum(dim=-1)


@wrong("00a.batched_product", "The sum runs over t")
class SummedOverRows:
    def batched_product(a, b):
        return (a[..., None] * b[:, None]).sum(dim=1)


@wrong("00a.batched_product", "The sum runs over the heads")
class SumOverHeads:
    def batched_product(a, b):
        return (a[..., None] * b[:, None]).sum(dim=0)


@wrong("00a.batched_product", "The numbers are multiplied entry by entry")
class NoNewAxes:
    def batched_product(a, b):
        return (a * b).sum(dim=-1)


@wrong("00a.batched_product", "Row t of `a` meets column t of `b` alone: (H, T, 1)")
class TransposedFirst:
    def batched_product(a, b):
        return (a[:, :, None] * b.transpose(1, 2)[:, :, None]).sum(-1)


@wrong("00a.batched_product", "The axes of `b` come in another order")
class DotTOfB:
    def batched_product(a, b):
        return (a[:, :, None] * b.T[:, None]).sum(-1)


@wrong("00a.batched_product", "The mean is taken in place of the sum")
class MeanOfProducts:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).mean(dim=2)


@wrong("00a.batched_product", "There are four axes: nothing is summed")
class NothingSummed:
    def batched_product(a, b):
        return a[:, :, :, None] * b[:, None, :, :]


@wrong("00a.batched_product", "The result is divided by the root of D")
class ScaledLikeAttention:
    def batched_product(a, b):
        H, T, D = a.shape
        products = a[:, :, :, None] * b[:, None, :, :]
        return products.sum(dim=2) / D**0.5


@wrong("00a.batched_product", "Every head of `a` meets the first head of `b`")
class EveryHeadWithTheFirst:
    def batched_product(a, b):
        H, T, D = a.shape
        S = b.shape[2]
        out = torch.zeros(H, T, S)
        for h in range(H):
            for t in range(T):
                for s in range(S):
                    out[h, t, s] = (a[h, t] * b[0, :, s]).sum()
        return out


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so")
class RowsOfBForColumns:
    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, b.shape[2])
        for h in range(H):
            for t in range(T):
                for s in range(b.shape[2]):
                    out[h, t, s] = (a[h, t] * b[h, s]).sum()
        return out


@wrong("00a.batched_product", "Only the first head is computed: (1, T, S)")
class ReturnInsideTheLoop:
    def batched_product(a, b):
        out = []
        for h in range(len(a)):
            out.append((a[h][:, :, None] * b[h]).sum(1))
            return torch.stack(out)


@wrong("00a.batched_product", "Only the last product of each sum is kept")
class PlusEqualsForgotten:
    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, b.shape[2])
        for d in range(D):
            out = a[:, :, d, None] * b[:, None, d]
        return out


@wrong("00a.batched_product", "`batched_product` returns a numpy array")
class InNumpy:
    def batched_product(a, b):
        a, b = np.array(a), np.array(b)
        return (a[:, :, :, None] * b[:, None, :, :]).sum(axis=2)


@wrong("00a.batched_product", "There are four axes")
class KeepsD:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None]).sum(2, keepdim=True)


@wrong("00a.batched_product", "Heads of `b` meet rows of `a`")
class OnlyOneNewAxis:
    def batched_product(a, b):
        return (a[..., None] * b).sum(2)


@wrong("00a.batched_product", "Heads of `b` meet rows of `a`")
class OneNewAxisAndNone:
    def batched_product(a, b):
        return (a[..., None] * b[None]).sum(dim=2)


@wrong("00a.batched_product", "Numbers are added, then summed")
class SumsSums:
    def batched_product(a, b):
        return (a[..., None] + b[:, None]).sum(2)


@wrong("00a.batched_product", "The largest product is taken in place of the sum")
class LargestProduct:
    def batched_product(a, b):
        return (a[..., None] * b[:, None]).amax(2)


@wrong("00a.batched_product", "The factors are swapped: this is b times a")
class NewAxesSwapped:
    def batched_product(a, b):
        return (a[:, None] * b[..., None]).sum(2)


@wrong("00a.batched_product", "The sum runs over s.")
class TransposedButSummedInTheMiddle:
    def batched_product(a, b):
        return (a[:, :, None, :] * b.transpose(1, 2)[:, None]).sum(-2)


@right("00a.batched_product")
class OuterProductsAddedUp:
    def batched_product(a, b):
        out = 0
        for d in range(a.shape[-1]):
            out = out + a[:, :, d, None] * b[:, None, d]
        return out


@right("00a.batched_product")
class ColumnByColumn:
    def batched_product(a, b):
        return torch.stack([(a * b[:, None, :, s]).sum(-1) for s in range(b.shape[-1])], dim=-1)


@right("00a.batched_product")
class BTransposedAndSummedLast:
    def batched_product(a, b):
        return (a.unsqueeze(2) * b.transpose(1, 2).unsqueeze(1)).sum(-1)


# --- 00a.softmax


@wrong("00a.softmax", "The whole table adds up to 1")
class TheLessonsOwnLine:
    def softmax(scores):
        return scores.exp() / scores.exp().sum()


@wrong("00a.softmax", "`exp` overflows above 88, and a row of -200 has nothing but zeros")
class WithoutTheLargest:
    def softmax(scores):
        return scores.exp() / scores.exp().sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The largest score of the whole table is subtracted")
class OneLargestForAll:
    def softmax(scores):
        powers = (scores - scores.max()).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The mean is subtracted, so large scores still overflow")
class TheMeanInstead:
    def softmax(scores):
        powers = (scores - scores.mean(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The sum runs over axis 1. With three axes, that isn't the last")
class AxisOne:
    def softmax(scores):
        powers = (scores - scores.amax(dim=1, keepdim=True)).exp()
        return powers / powers.sum(dim=1, keepdim=True)


@wrong("00a.softmax", "Each row is shifted by itself, but the sum runs over the first")
class FirstAxisSum:
    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=0, keepdim=True)


@wrong("00a.softmax", "raised TypeError")
class MaxGivesTwo:
    def softmax(scores):
        powers = (scores - scores.max(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Without `keepdim`, largest scores and sums of rows go to columns")
class NoKeepdim:
    def softmax(scores):
        powers = (scores - scores.amax(dim=-1)).exp()
        return powers / powers.sum(dim=-1)


@wrong("00a.softmax", "Without `keepdim`, the sum of a row divides a column")
class NoKeepdimInTheSumOnly:
    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1)


@wrong("00a.softmax", "The smallest score is subtracted, so large scores still overflow")
class SmallestSubtracted:
    def softmax(scores):
        powers = (scores - scores.amin(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "These are logarithms of the probabilities")
class LogSoftmax:
    def softmax(scores):
        shifted = scores - scores.amax(dim=-1, keepdim=True)
        return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()


@wrong("00a.softmax", "Powers of 2 are taken")
class TwoToThePower:
    def softmax(scores):
        powers = 2 ** (scores - scores.amax(dim=-1, keepdim=True))
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The sum runs over the first axis")
class TorchsOwn:
    def softmax(scores):
        return torch.softmax(scores, dim=0)


@wrong("00a.softmax", "Not finite: powers overflow, or all those of a row are 0")
class SubtractsTwoHundred:
    def softmax(scores):
        powers = (scores - 200).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The powers are not divided by their sum")
class PowersNotDivided:
    def softmax(scores):
        return (scores - scores.amax(dim=-1, keepdim=True)).exp()


@wrong("00a.softmax", "A NaN is replaced: the shares of a large score are gone")
class NanToNum:
    def softmax(scores):
        powers = scores.exp()
        return (powers / powers.sum(dim=-1, keepdim=True)).nan_to_num(0)


@wrong("00a.softmax", "The result is right up to a factor in each row")
class EpsilonBelow:
    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / (powers.sum(dim=-1, keepdim=True) + 0.1)


@wrong("00a.softmax", "`softmax` goes more than 1,000 calls deep")
class CallsItself:
    def softmax(scores):
        return softmax(scores - scores.amax(dim=-1, keepdim=True))  # noqa: F821


@wrong("00a.softmax", "Scores are cut off at both ends")
class Clamped:
    def softmax(scores):
        powers = scores.clamp(-80, 80).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The largest absolute score is subtracted")
class LargestInAbsoluteValue:
    def softmax(scores):
        powers = (scores - scores.abs().amax(-1, keepdim=True)).exp()
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "A hidden score counts like a score of 0")
class HiddenAsZero:
    def softmax(scores):
        scores = scores.nan_to_num(neginf=0.0)
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "Not finite: powers overflow, or all those of a row are 0")
class TheFirstScoreSubtracted:
    def softmax(scores):
        powers = (scores - scores[..., :1]).exp()
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "The result is right up to a factor in each row")
class ShiftedAboveTheLineOnly:
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        return powers / scores.exp().sum(-1, keepdim=True)


@wrong("00a.softmax", "Not finite: powers overflow, or all those of a row are 0")
class InDoublesWithoutTheShift:
    def softmax(scores):
        powers = scores.double().exp()
        return (powers / powers.sum(-1, keepdim=True)).float()


@wrong("00a.softmax", "")
class OneShareForTheLargest:
    def softmax(scores):
        return (scores == scores.amax(-1, keepdim=True)).float()


@right("00a.softmax")
class ExpOfLogSumExp:
    def softmax(scores):
        return (scores - scores.logsumexp(-1, keepdim=True)).exp()


@right("00a.softmax")
class RowByRow:
    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        out = []
        for row in rows:
            powers = (row - row.max()).exp()
            out.append(powers / powers.sum())
        return torch.stack(out).reshape(scores.shape)


@right("00a.softmax")
class LastAxisInFront:
    def softmax(scores):
        x = scores.movedim(-1, 0)
        x = (x - x.max(0).values).exp()
        return (x / x.sum(0)).movedim(0, -1)


@right("00a.softmax")
class PairwiseDifferences:
    def softmax(scores):
        safe = scores.clamp(min=-10000)
        return 1 / (safe[..., None, :] - safe[..., :, None]).exp().sum(-1)
