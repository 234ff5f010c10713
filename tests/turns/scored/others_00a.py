"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from turn_answers import right, wrong

# --- 00a.join_heads


@wrong("00a.join_heads", "The numbers are read in the order of `heads`, so a row mixes tokens.")
class ViewOrElseReshape:
    """When view refuses the transposed tensor, it falls back to a reshape of the untransposed one."""

    def join_heads(heads):
        H, T, D = heads.shape
        try:
            return heads.transpose(0, 1).view(T, H * D)
        except RuntimeError:
            return heads.reshape(T, H * D)


@wrong("00a.join_heads", "The last two axes are swapped, so a row mixes tokens.")
class AxesOfABatch:
    """Transpose(1, 2) is for (B, H, T, D); without the batch axis it swaps tokens and numbers."""

    def join_heads(heads):
        H, T, D = heads.size()
        return heads.transpose(1, 2).contiguous().view(T, H * D)


@wrong("00a.join_heads", "The heads are one below the other, (H * T, D).")
class HeadsBelowEachOther:
    """Cat joins along axis 0 by default, so the heads stand below each other: (H * T, D)."""

    def join_heads(heads):
        return torch.cat([head for head in heads])


@wrong("00a.join_heads", "The columns come in turn: first one number of each head.")
class JuliaCountsTheFirstAxisFastest:
    """Brings the head axis to the end, as column-major languages need it; here it interleaves the heads."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.permute(1, 2, 0).reshape(T, D * H)


@wrong("00a.join_heads", "")
class SqueezedToken:
    """Squeeze() drops every axis of size 1, so a text of one token loses its row."""

    def join_heads(heads):
        return torch.cat(heads.split(1), dim=-1).squeeze()


@wrong("00a.join_heads", "")
class WidthOfATokenCount:
    """The place of each head is T numbers wide in place of D, which fits only if they are equal."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D)
        for h in range(H):
            out[:, h * D : h * D + T] = heads[h]
        return out


@wrong("00a.join_heads", "The result is right, but no model could learn through it: `heads` gets no")
class ThroughNumpy:
    """A detour through numpy cuts the gradient."""

    def join_heads(heads):
        return torch.from_numpy(np.concatenate(list(heads.detach().numpy()), axis=1))


@wrong("00a.join_heads", "The heads come from the last to the first.")
class NewHeadInFront:
    """Each further head is put in front, so the last head comes first."""

    def join_heads(heads):
        return functools.reduce(lambda joined, head: torch.cat([head, joined], dim=1), heads)


@wrong("00a.join_heads", "")
class FlattensEverything:
    """Flatten() without a start axis joins the tokens as well: one long row."""

    def join_heads(heads):
        return heads.swapaxes(0, 1).flatten()


@wrong("00a.join_heads", "`join_heads` changed the input that it was given; work on a copy.")
class TurnsTheCallersTensor:
    """Transpose_ swaps the axes of the caller's own tensor."""

    def join_heads(heads):
        return heads.transpose_(0, 1).flatten(1)


@wrong("00a.join_heads", "All three axes are turned around, (D, T, H), so a row mixes what it should keep apart.")
class AllAxesReversed:
    """Reversing all axes, as .T does in numpy, brings the numbers of a head to the front as well."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.permute(*reversed(range(heads.ndim))).reshape(T, H * D)


@wrong("00a.join_heads", "")
class SizesMisnamed:
    """Takes the first size for T and the second for H; right only if they are equal."""

    def join_heads(heads):
        T, H, D = heads.shape
        return heads.transpose(0, 1).reshape(T, H * D)


@wrong("00a.join_heads", "")
class StridesByHand:
    """Strides worked out from the shape read the wrong numbers if `heads` is a view, such as by_view's."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.as_strided((T, H, D), (D, T * D, 1)).reshape(T, H * D)


@wrong("00a.join_heads", "The result is `heads` as it came in.")
class OneHeadNeedsNoJoining:
    """A single head is returned as it is, with its axis: (1, T, D) in place of (T, D)."""

    def join_heads(heads):
        if len(heads) == 1:
            return heads
        return torch.cat(tuple(heads), dim=1)


@wrong("00a.join_heads", "`join_heads` returns a list; the cells below need a torch tensor.")
class ListOfRows:
    """Returns a Python list of rows, not a tensor."""

    def join_heads(heads):
        return [torch.cat(list(heads[:, t])) for t in range(heads.shape[1])]


@wrong("00a.join_heads", "Only the first two heads are joined.")
class TwoHeadsAsInTheDrawing:
    """Joins heads 0 and 1 only, as in the example."""

    def join_heads(heads):
        return torch.cat([heads[0], heads[1]], dim=1)


@wrong("00a.join_heads", "")
class KeepsABatchAxis:
    """Adds a batch axis for the pasted code and doesn't take it off: (1, T, H * D)."""

    def join_heads(heads):
        attn_output = heads[None]
        bsz, _, q_len, _ = attn_output.size()
        attn_output = attn_output.transpose(1, 2).contiguous()
        return attn_output.reshape(bsz, q_len, -1)


@wrong("00a.join_heads", "There is a row for each head, (H, T * D).")
class TokensSideBySide:
    """Takes the tensor apart by tokens and lays them side by side: a row per head, (H, T * D)."""

    def join_heads(heads):
        return torch.cat(heads.unbind(1), dim=1)


@wrong("00a.join_heads", "The numbers are read in the order of `heads`, so a row mixes tokens.")
class TransposeWithoutAssignment:
    """Transpose returns a new view; its result is thrown away, and the old order is reshaped."""

    def join_heads(heads):
        H, T, D = heads.shape
        heads.transpose(0, 1)
        heads = heads.contiguous()
        return heads.view(T, H * D)


@wrong("00a.join_heads", "The result is on its side, (H * D, T).")
class TokensAsColumns:
    """Puts the heads below each other with a column per token and forgets to turn the table: (H * D, T)."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(1, 2).reshape(H * D, T)


@right("00a.join_heads")
class SideBySide:
    """Hstack of the heads, without any reshape."""

    def join_heads(heads):
        return torch.hstack(tuple(heads))


@right("00a.join_heads")
class ColumnsThenTurned:
    """A column per token first, then .T."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.mT.reshape(H * D, T).T


@right("00a.join_heads")
class ZipOfHeads:
    """Zip gives each token's rows; no sizes at all."""

    def join_heads(heads):
        return torch.stack([torch.cat(rows) for rows in zip(*heads, strict=True)])


@right("00a.join_heads")
class FilledSlices:
    """Fills a table of zeros, head by head; autograd follows the slices."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D)
        for h, head in enumerate(heads):
            out[:, h * D : (h + 1) * D] = head
        return out


@right("00a.join_heads")
class IndexArithmetic:
    """Reads each entry by its indices, with // and %."""

    def join_heads(heads):
        H, T, D = heads.shape
        column = torch.arange(H * D)
        return heads[column // D, torch.arange(T)[:, None], column % D]


# --- 00a.batched_product


@wrong("00a.batched_product", "The result is divided by the root of D.")
class ScaledLikeAttention:
    """Divides by the root of D, which belongs to attention, not to the product."""

    def batched_product(a, b):
        products = a[:, :, :, None] * b[:, None]
        return products.sum(dim=2) / math.sqrt(a.size(-1))


@wrong("00a.batched_product", "Every head of `a` meets the first head of `b`.")
class FirstHeadForAll:
    """Multiplies every head with b[0]."""

    def batched_product(a, b):
        return (a[:, :, :, None] * b[0]).sum(dim=2)


@wrong("00a.batched_product", "Every head of `a` meets every head of `b`.")
class EveryHeadWithEvery:
    """Different letters for the two head axes: each a[h] is multiplied with the sum of all b[g]."""

    def batched_product(a, b):
        return torch.einsum("htd,gds->hts", a, b)


@wrong("00a.batched_product", "The products of all heads are added up.")
class HeadsSummedAway:
    """The result has no h, so the heads are added up as well: (T, S)."""

    def batched_product(a, b):
        return torch.einsum("htd,hds->ts", a, b)


@wrong("00a.batched_product", "")
class ExpandedToSixtyFour:
    """S is written in as 64, the size in SmolLM2."""

    def batched_product(a, b):
        wide = a.unsqueeze(-1).expand(-1, -1, -1, 64)
        return (wide * b.unsqueeze(1)).sum(-2)


@wrong("00a.batched_product", "")
class SqueezedProduct:
    """Squeeze() at the end also drops H, T or S if it is 1."""

    def batched_product(a, b):
        return (a.unsqueeze(-1) * b.unsqueeze(1)).sum(2).squeeze()


@wrong("00a.batched_product", "There are four axes.")
class KeptTheSummedAxis:
    """Keepdim=True leaves an axis of size 1: (H, T, 1, S)."""

    def batched_product(a, b):
        return (a[..., None] * b[:, None, ...]).sum(dim=2, keepdim=True)


@wrong("00a.batched_product", "")
class ResultShapedLikeA:
    """Gives the result the shape of a, which is right only if S equals D."""

    def batched_product(a, b):
        out = torch.zeros_like(a)
        for s in range(b.shape[2]):
            out[:, :, s] = (a * b[:, None, :, s]).sum(-1)
        return out


@wrong("00a.batched_product", "The first product of each sum is left out.")
class CountsFromOne:
    """The loop over D starts at 1, as in R or Julia, and leaves out the first number."""

    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, b.shape[2])
        for d in range(1, D):
            out = out + a[:, :, d, None] * b[:, None, d, :]
        return out


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so.")
class ReshapedToRows:
    """Reshape(H, S, D) in place of a transpose: its rows aren't the columns of b."""

    def batched_product(a, b):
        H, D, S = b.shape
        rows = b.reshape(H, 1, S, D)
        return (a[:, :, None, :] * rows).sum(dim=-1)


@wrong("00a.batched_product", "")
class DiagonalAtTheEnd:
    """Diagonal() puts the head axis last, and it stays there: (T, S, H)."""

    def batched_product(a, b):
        every = torch.tensordot(a, b, dims=([2], [1]))  # (H, T, H, S)
        return every.diagonal(dim1=0, dim2=2)


@wrong("00a.batched_product", "The sum runs over t.")
class SumsTheTokens:
    """Within a head, sums axis 0, the tokens, in place of axis 1: (H, D, S)."""

    def batched_product(a, b):
        return torch.stack([(x[:, :, None] * y).sum(0) for x, y in zip(a, b, strict=True)])


@wrong("00a.batched_product", "The tables of the heads are one below the other.")
class GluedHeads:
    """Cat in place of stack: the heads' tables stand below each other, (H * T, S)."""

    def batched_product(a, b):
        return torch.cat([(x[:, :, None] * y).sum(1) for x, y in zip(a, b, strict=True)])


@wrong("00a.batched_product", "")
class LoopsOverTokensForHeads:
    """Loops over a.shape[1], the tokens, as if it were the number of heads."""

    def batched_product(a, b):
        tables = []
        for h in range(a.shape[1]):
            tables.append((a[h][:, :, None] * b[h]).sum(1))
        return torch.stack(tables)


@wrong("00a.batched_product", "The numbers are multiplied entry by entry, and nothing is summed.")
class EntrywiseIfShapesAgree:
    """Where a and b have the same shape it multiplies entry by entry, which isn't the matrix product."""

    def batched_product(a, b):
        if a.shape == b.shape:
            return a * b
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2)


@wrong("00a.batched_product", "")
class LateBoundHead:
    """The lambdas look h up when they are called, so all of them use the last head of b."""

    def batched_product(a, b):
        by = [lambda x: (x[:, :, None] * b[h]).sum(1) for h in range(len(b))]
        return torch.stack([f(x) for f, x in zip(by, a, strict=True)])


@wrong("00a.batched_product", "")
class RepeatedInTheWrongOrder:
    """Repeat lays whole rows one after the other; each number should be repeated S times (repeat_interleave)."""

    def batched_product(a, b):
        H, T, D = a.shape
        S = b.shape[2]
        return (a.repeat(1, 1, S).reshape(H, T, D, S) * b[:, None]).sum(2)


@wrong("00a.batched_product", "")
class InHalfTheBits:
    """Computes in bfloat16, which keeps 8 binary digits, so the third digit is off."""

    def batched_product(a, b):
        a, b = a.bfloat16(), b.bfloat16()
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2).float()


@wrong("00a.batched_product", "What is above the diagonal is 0.")
class AlreadyMasked:
    """Cuts off everything above the diagonal, as a causal mask would; a product has no mask."""

    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2).tril()


@wrong("00a.batched_product", "`batched_product` returned None.")
class NothingReturned:
    """Computes the sum and doesn't return it."""

    def batched_product(a, b):
        products = a[:, :, :, None] * b[:, None, :, :]
        products.sum(dim=2)


@right("00a.batched_product")
class RowsAgainstColumns:
    """Turns b first, and the sum goes along the last axis."""

    def batched_product(a, b):
        return (a[:, :, None, :] * b.transpose(1, 2)[:, None, :, :]).sum(-1)


@right("00a.batched_product")
class SumOfOuterProducts:
    """Adds up D outer products."""

    def batched_product(a, b):
        return sum(a[:, :, d, None] * b[:, None, d, :] for d in range(a.shape[2]))


@right("00a.batched_product")
class RepeatedOutright:
    """Repeats the numbers in memory in place of broadcasting."""

    def batched_product(a, b):
        H, T, D = a.shape
        S = b.shape[2]
        wide = a.repeat_interleave(S, dim=2).reshape(H, T, D, S)
        return (wide * b.repeat_interleave(T, dim=0).reshape(H, T, D, S)).sum(2)


@right("00a.batched_product")
class HeadByHead:
    """A loop over the heads, with two axes inside."""

    def batched_product(a, b):
        tables = []
        for h in range(len(a)):
            tables.append(torch.stack([(row[:, None] * b[h]).sum(0) for row in a[h]]))
        return torch.stack(tables)


@right("00a.batched_product")
class EinsteinSum:
    """Einsum, without @ and without *."""

    def batched_product(a, b):
        return torch.einsum("htd,hds->hts", a, b)


# --- 00a.softmax


@wrong("00a.softmax", "")
class AxisLeftToTorch:
    """Without dim, torch picks axis 0 for one or three axes and axis 1 for others"""

    def softmax(scores):
        return F.softmax(scores)


@wrong("00a.softmax", "")
class LargestOfTheColumn:
    """Subtracts the maximum along the first axis, so the powers differ in their factor within a row."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=0, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "")
class ThirdAxis:
    """Dim=2 is the last axis only of (H, T, S)."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=2, keepdim=True)).exp()
        return powers / powers.sum(dim=2, keepdim=True)


@wrong("00a.softmax", "Scores are cut off at both ends, so all beyond an end get the same share.")
class ClampedScores:
    """Clamps scores to -80 to 80 in place of shifting them, so 1,000 and 990 get the same probability."""

    def softmax(scores):
        powers = scores.clamp(-80, 80).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Not finite: powers overflow, or all those of a row are 0.")
class DoubleIsEnough:
    """64 bits only move the overflow to 709: e to the 1,000 is infinite there, too."""

    def softmax(scores):
        powers = scores.double().exp()
        return (powers / powers.sum(dim=-1, keepdim=True)).float()


@wrong("00a.softmax", "A NaN is replaced: the shares of a large score are gone.")
class NanSweptAway:
    """Turns nan into 0 afterwards, so the largest score, the one that overflowed, gets 0."""

    def softmax(scores):
        powers = scores.exp()
        return torch.nan_to_num(powers / powers.sum(dim=-1, keepdim=True))


@wrong("00a.softmax", "")
class ColumnForTwoAxes:
    """`[:, None]` makes a column only of a row; with one or three axes the None is in the wrong place."""

    def softmax(scores):
        powers = (scores - scores.amax(-1)[:, None]).exp()
        return powers / powers.sum(-1)[:, None]


@wrong("00a.softmax", "A hidden score counts like a score of 0.")
class HiddenBecomesZero:
    """Replaces minus infinity by a score of 0, whose power is 1, so hidden scores get a share."""

    def softmax(scores):
        scores = scores.masked_fill(scores.isinf(), 0.0)
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The mean is subtracted, so large scores still overflow.")
class ShiftedByTheMean:
    """Subtracts the mean, which is minus infinity if one score is hidden, and too low if scores lie far apart."""

    def softmax(scores):
        powers = (scores - scores.mean(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The result is right, but no model could learn through it: `scores` gets a")
class DetachedTotal:
    """Detaches the sum: the numbers are right, but the gradient misses that all shares depend on each score."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True).detach()


@wrong("00a.softmax", "")
class StaysFlat:
    """Makes a table of all rows and doesn't give the result the shape of `scores` back."""

    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        powers = (rows - rows.amax(dim=1, keepdim=True)).exp()
        return powers / powers.sum(dim=1, keepdim=True)


@wrong("00a.softmax", "")
class SortedShares:
    """Sorts the scores to find the largest, and the shares stay in sorted order."""

    def softmax(scores):
        ordered = scores.sort(dim=-1, descending=True).values
        powers = (ordered - ordered[..., :1]).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Scores of -1,000 and less count as hidden, so a row of them has nothing")
class ThousandBelowIsHidden:
    """Takes scores of -1,000 and less for hidden, so a row of only such scores has nothing to share."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        powers = torch.where(scores <= -1000, 0.0, powers)
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "These are logarithms of the probabilities.")
class StaysInLogarithms:
    """Returns the logarithms of the probabilities."""

    def softmax(scores):
        largest = scores.amax(dim=-1, keepdim=True)
        return scores - largest - (scores - largest).exp().sum(-1, keepdim=True).log()


@wrong("00a.softmax", "A row of one score comes back as it was.")
class SingleScoreUntouched:
    """A row of one score is returned as it is; its probability is 1."""

    def softmax(scores):
        if scores.shape[-1] == 1:
            return scores
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "")
class QuietSoftmax:
    """Adds 1 to the sum ("softmax one"), so the shares add up to less than 1."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / (1 + powers.sum(dim=-1, keepdim=True))


@wrong("00a.softmax", "Everything after the first axis adds up to 1. With three axes, that's more")
class LoopsOverTheFirstAxis:
    """Treats each scores[i] as a row: with one axis every share is 1, with three a whole table shares the 1."""

    def softmax(scores):
        rows = []
        for row in scores:
            powers = (row - row.max()).exp()
            rows.append(powers / powers.sum())
        return torch.stack(rows)


@wrong("00a.softmax", "The scores are divided by the largest one.")
class DividedByTheLargest:
    """Divides the scores by the largest; only subtracting leaves the shares as they are."""

    def softmax(scores):
        powers = (scores / scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Powers of 2 are taken.")
class PowersOfTwo:
    """Exp2 takes powers of 2, not of e."""

    def softmax(scores):
        powers = torch.exp2(scores - scores.amax(dim=-1, keepdim=True))
        return powers / powers.sum(dim=-1, keepdim=True)


@right("00a.softmax")
class MinusLogSumExp:
    """Subtracts logsumexp and takes one power."""

    def softmax(scores):
        return (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()


@right("00a.softmax")
class RowsAndBack:
    """Flattens to rows, and back to the shape at the end."""

    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        powers = (rows - rows.max(dim=1).values[:, None]).exp()
        return (powers / powers.sum(1)[:, None]).reshape(scores.shape)


@right("00a.softmax")
class LastAxisToTheFront:
    """Moves the last axis to the front, where everything broadcasts by itself, and back."""

    def softmax(scores):
        first = scores.movedim(-1, 0)
        with torch.no_grad():
            largest = first.amax(0)
        powers = torch.exp(first - largest)
        return (powers / powers.sum(0)).movedim(0, -1)


@right("00a.softmax")
class FiniteFloor:
    """Replaces minus infinity by the lowest float, whose power is 0 as well."""

    def softmax(scores):
        x = scores.masked_fill(scores == -math.inf, torch.finfo(scores.dtype).min)
        e = (x - x.max(-1, keepdim=True)[0]).exp()
        return e / e.sum(-1, keepdim=True)


@right("00a.softmax")
class RecursiveOverAxes:
    """Goes down the axes one by one until there is a row."""

    def softmax(scores):
        def row_by_row(part):
            if part.ndim > 1:
                return torch.stack([row_by_row(each) for each in part])
            powers = (part - part.max()).exp()
            return powers / powers.sum()

        return row_by_row(scores)
