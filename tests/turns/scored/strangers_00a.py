"""Answers to the turns of lesson 00a, written from its text alone; checks changed after."""

import math

import numpy as np
import torch
from turn_answers import right, wrong

x = 10 * torch.arange(3.0)[:, None] + torch.arange(6.0)  # as a cell of 00a leaves it


# --- 00a.join_heads


@wrong("00a.join_heads", "The numbers are read in the order of `heads`, so a row mixes tokens.")
class ReshapeAlone:
    """Reshape without transpose reads head 0 to its end first, so rows mix tokens."""

    def join_heads(heads):
        return heads.reshape(heads.shape[1], -1)


@wrong("00a.join_heads", "")
class ViewAfterTranspose:
    """View after transpose works only on heads cut by by_view; on a tensor of its own it raises an error."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(0, 1).view(T, H * D)


@wrong("00a.join_heads", "The last two axes are swapped, so a row mixes tokens.")
class NanoGptTranspose:
    """Transpose(1, 2) is for a batch axis in front; here it swaps tokens and numbers of a head."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(1, 2).contiguous().view(T, H * D)


@wrong("00a.join_heads", "The columns come in turn: first one number of each head.")
class Interleaved:
    """Moves the heads to the last axis, so a row holds number 0 of all heads, then number 1 of all heads."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.movedim(0, -1).reshape(T, H * D)


@wrong("00a.join_heads", "The heads are one below the other, (H * T, D).")
class StackedBelow:
    """Puts the heads below each other, (H * T, D), not side by side."""

    def join_heads(heads):
        return torch.cat(list(heads), dim=0)


@wrong("00a.join_heads", "The result is on its side, (H * D, T).")
class TokensAreColumns:
    """Joins the transposed heads, so tokens are the columns: (H * D, T)."""

    def join_heads(heads):
        return torch.cat([head.T for head in heads])


@wrong("00a.join_heads", "")
class SmolSizes:
    """The width 576 of SmolLM2 is written into the code."""

    def join_heads(heads):
        return heads.transpose(0, 1).reshape(-1, 576)


@wrong("00a.join_heads", "The heads come from the last to the first.")
class LastHeadFirst:
    """Each new head is put in front, so a row begins with the last head."""

    def join_heads(heads):
        out = heads[0]
        for head in heads[1:]:
            out = torch.cat([head, out], dim=1)
        return out


@wrong("00a.join_heads", "The heads are added up.")
class HeadsAdded:
    """Adds the heads up, (T, D), in place of setting them side by side."""

    def join_heads(heads):
        return heads.sum(dim=0)


@wrong("00a.join_heads", "Tokens and heads are joined: a row for each pair, (T * H, D).")
class JoinsWrongNeighbors:
    """Joins the first two axes after the swap, not the last two: (T * H, D)."""

    def join_heads(heads):
        return heads.swapaxes(0, 1).flatten(0, 1)


@wrong("00a.join_heads", "The columns of the heads overlap: head h begins at column h.")
class OffsetNotTimesD:
    """Head h begins at column h in place of h * D, so each head overwrites most of the one before."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = heads.new_zeros(T, H * D)
        for h in range(H):
            out[:, h : h + D] = heads[h]
        return out


@wrong("00a.join_heads", "")
class StepsOfH:
    """Slices of H columns where D were needed; fits only if there are as many heads as numbers per head."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = heads.new_empty(T, H * D)
        for h in range(H):
            out[:, h * H : (h + 1) * H] = heads[h]
        return out


@wrong("00a.join_heads", "")
class SizesInWrongOrder:
    """Unpacks the shape as (T, H, D); the rows are right only if T equals H."""

    def join_heads(heads):
        T, H, D = heads.shape
        return heads.transpose(0, 1).reshape(T, H * D)


@wrong("00a.join_heads", "All three axes are turned around, (D, T, H), so a row mixes what it should keep apart.")
class CapitalTOfThreeAxes:
    """.T (here as permute) turns all three axes around, (D, T, H), and the reshape then mixes everything."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.permute(2, 1, 0).reshape(T, H * D)


@wrong("00a.join_heads", "`join_heads` returns a numpy array; the cells below need a torch tensor.")
class LeavesTorch:
    """Returns a numpy array in place of a tensor."""

    def join_heads(heads):
        return np.concatenate(list(heads.detach().numpy()), axis=1)


@wrong("00a.join_heads", "`join_heads` returns a list; the cells below need a torch tensor.")
class ListOfRows:
    """Returns a list of rows; torch.stack is missing."""

    def join_heads(heads):
        H, T, D = heads.shape
        return [torch.cat([heads[h, t] for h in range(H)]) for t in range(T)]


@wrong("00a.join_heads", "The last head is left out.")
class LastHeadLost:
    """The loop starts with head 0 and then runs over range(1, H - 1), so the last head is missing."""

    def join_heads(heads):
        H = heads.shape[0]
        parts = [heads[0]]
        for h in range(1, H - 1):
            parts.append(heads[h])
        return torch.cat(parts, dim=-1)


@wrong("00a.join_heads", "")
class SqueezedRows:
    """Squeeze() at the end drops the token axis of a text of one token."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(0, 1).reshape(T, H * D).squeeze()


@wrong("00a.join_heads", "`join_heads` changed the input that it was given; work on a copy.")
class TurnsTheCallersTensor:
    """Transpose_ with an underscore swaps the axes of the caller's tensor, too."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose_(0, 1).reshape(T, H * D)


@wrong("00a.join_heads", "")
class AxisLeftInFront:
    """Chunk keeps the axis of size 1, so the result is (1, T, H * D)."""

    def join_heads(heads):
        return torch.cat(heads.chunk(len(heads)), dim=-1)


@wrong("00a.join_heads", "")
class ShapeOfPageX:
    """Reshapes to the shape of the page's x, which fits only that one example."""

    def join_heads(heads):
        return heads.transpose(0, 1).reshape(x.shape)


@wrong("00a.join_heads", "Every row is that of the first token.")
class FirstTokenRepeated:
    """Builds the row of token 0 and repeats it for all tokens."""

    def join_heads(heads):
        return heads[:, 0].reshape(1, -1).repeat(heads.shape[1], 1)


@right("00a.join_heads")
class CatTheHeads:
    """Cat along the last axis, no transpose at all."""

    def join_heads(heads):
        return torch.cat(tuple(heads), dim=-1)


@right("00a.join_heads")
class PermuteFlatten:
    """Permute, then flatten from axis 1 on."""

    def join_heads(heads):
        return heads.permute(1, 0, 2).flatten(start_dim=1)


@right("00a.join_heads")
class ContiguousView:
    """NanoGPT's transpose, contiguous and view, with the axes adapted."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.transpose(0, 1).contiguous().view(T, H * D)


@right("00a.join_heads")
class IndexedColumns:
    """Computes head and number of each column, and picks all entries by index."""

    def join_heads(heads):
        H, T, D = heads.shape
        column = torch.arange(H * D)
        return heads[column // D, torch.arange(T)[:, None], column % D]


@right("00a.join_heads")
class FillsSlices:
    """Fills slices of a new tensor of the same dtype, head by head."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.empty(T, H * D, dtype=heads.dtype, device=heads.device)
        for h, head in enumerate(heads):
            out[:, h * D : h * D + D] = head
        return out


# --- 00a.batched_product


@wrong("00a.batched_product", "The numbers are multiplied entry by entry, and nothing is summed.")
class EntryByEntry:
    """Multiplies a and b entry by entry; that fits only square tables and isn't a matrix product."""

    def batched_product(a, b):
        return a * b


@wrong("00a.batched_product", "")
class NoneOnWrongSide:
    """B's new axis is after D, so T of a meets D of b; runs only if T equals D."""

    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, :, None, :]).sum(dim=2)


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so.")
class RowsWithRows:
    """Takes dot products of rows of a with rows of b, a @ b.T; runs only if S equals D."""

    def batched_product(a, b):
        return (a[:, :, None, :] * b[:, None, :, :]).sum(dim=-1)


@wrong("00a.batched_product", "There are four axes.")
class KeepsD:
    """Keepdim=True leaves the summed axis in place: (H, T, 1, S)."""

    def batched_product(a, b):
        return (a[..., None] * b[:, None]).sum(dim=2, keepdim=True)


@wrong("00a.batched_product", "The products of all heads are added up.")
class HeadsSummedToo:
    """Sums over the heads as well and returns one table, (T, S)."""

    def batched_product(a, b):
        return torch.einsum("htd,hds->ts", a, b)


@wrong("00a.batched_product", "Every head of `a` meets every head of `b`.")
class EveryPairOfHeads:
    """Multiplies each head of a with every head of b: (H, H, T, S)."""

    def batched_product(a, b):
        products = a[:, None, :, :, None] * b[None, :, None, :, :]
        return products.sum(dim=3)


@wrong("00a.batched_product", "")
class LoopOverT:
    """The loop over the inner axis runs to a.shape[1], which is T, not D."""

    def batched_product(a, b):
        out = 0
        for d in range(a.shape[1]):
            out = out + a[:, :, d, None] * b[:, d, None, :]
        return out


@wrong("00a.batched_product", "The result is divided by the root of D.")
class ScaledForAttention:
    """Divides by the root of D, as attention does later; the product alone was asked for."""

    def batched_product(a, b):
        att = (a.unsqueeze(-1) * b.unsqueeze(1)).sum(dim=2)
        return att * (1.0 / math.sqrt(a.size(-1)))


@wrong("00a.batched_product", "Every table is that of the last head.")
class LastHeadForAll:
    """The lambdas look h up when they're called, after the loop, so all tables are those of the last head."""

    def batched_product(a, b):
        tables = [lambda: (a[h][:, :, None] * b[h]).sum(dim=1) for h in range(len(a))]
        return torch.stack([table() for table in tables])


@wrong("00a.batched_product", "Heads of `b` meet rows of `a`.")
class FlushRightForgotten:
    """B gets no new axis, and flush right its H stands below the T of a; runs only if they agree, or one is 1."""

    def batched_product(a, b):
        products = a[:, :, :, None] * b
        return products.sum(dim=2)


@wrong("00a.batched_product", "Rows and columns are summed first, and the sums multiplied.")
class SumsTooEarly:
    """Sums over D first and multiplies the sums; the products have to come before the sum."""

    def batched_product(a, b):
        return a.sum(dim=2)[:, :, None] * b.sum(dim=1)[:, None, :]


@wrong("00a.batched_product", "These are cosines: rows and columns are divided by their norms.")
class Cosines:
    """Divides rows and columns by their lengths, which gives cosines in place of dot products."""

    def batched_product(a, b):
        a = a / a.norm(dim=2, keepdim=True).clamp(min=1e-12)
        b = b / b.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return (a[:, :, :, None] * b[:, None]).sum(dim=2)


@wrong("00a.batched_product", "Rows of `a` meet rows of `b`. With equal sizes, no error says so.")
class ReshapedColumns:
    """Gets b's columns by reshape in place of transpose, which shuffles their numbers."""

    def batched_product(a, b):
        H, D, S = b.shape
        columns = b.reshape(H, S, D)
        return (a[:, :, None, :] * columns[:, None, :, :]).sum(dim=-1)


@wrong("00a.batched_product", "")
class SqueezedTable:
    """Squeeze() at the end drops every axis of size 1, such as that of a single head."""

    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2).squeeze()


@wrong("00a.batched_product", "What is above the diagonal is 0.")
class CausalAlready:
    """Zeroes the entries above the diagonal, as if a mask had been asked for."""

    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2).tril()


@wrong("00a.batched_product", "")
class ExpectsABatch:
    """Unpacks four axes (B, H, T, D) as in nanoGPT; a has three, so it's a ValueError."""

    def batched_product(a, b):
        B, H, T, D = a.shape
        return (a[:, :, :, :, None] * b[:, :, None, :, :]).sum(dim=3)


@wrong("00a.batched_product", "`batched_product` changed the input that it was given; work on a copy.")
class GrowsTheCallersTensor:
    """Unsqueeze_ with an underscore gives the caller's a and b a fourth axis."""

    def batched_product(a, b):
        return (a.unsqueeze_(3) * b.unsqueeze_(1)).sum(dim=2)


@wrong("00a.batched_product", "Every head of `a` meets the first head of `b`.")
class FirstHeadsB:
    """Every head of a is multiplied with b[0], the first head's table."""

    def batched_product(a, b):
        return (a[:, :, :, None] * b[0]).sum(dim=2)


@wrong("00a.batched_product", "Differences are squared and summed.")
class SquaredDistances:
    """Puzzle 6 again: squared differences of rows and columns, not their products."""

    def batched_product(a, b):
        return ((a[:, :, None] - b.transpose(1, 2)[:, None]) ** 2).sum(dim=-1)


@wrong("00a.batched_product", "The factors are swapped: this is b times a.")
class ArgumentsSwapped:
    """Multiplies b[h] with a[h] in place of a[h] with b[h]; runs only if S equals T, and the order matters."""

    def batched_product(a, b):
        return (b[:, :, :, None] * a[:, None, :, :]).sum(dim=2)


@right("00a.batched_product")
class SumOfOuterProducts:
    """Adds up D outer products, so it never stores all H * T * D * S."""

    def batched_product(a, b):
        out = torch.zeros_like(a[:, :, :1] * b[:, :1, :])
        for d in range(a.shape[2]):
            out = out + a[:, :, d : d + 1] * b[:, d : d + 1, :]
        return out


@right("00a.batched_product")
class ColumnByColumn:
    """One column of b at a time, stacked along the last axis."""

    def batched_product(a, b):
        return torch.stack([(a * b[:, None, :, s]).sum(dim=-1) for s in range(b.shape[2])], dim=-1)


@right("00a.batched_product")
class TransposedLineUp:
    """Transposes b so that both have D last, and sums the last axis."""

    def batched_product(a, b):
        rows = a.unsqueeze(2)  # (H, T, 1, D)
        columns = b.mT.unsqueeze(1)  # (H, 1, S, D)
        return rows.mul(columns).sum(-1)


@right("00a.batched_product")
class DiagonalOfAllPairs:
    """Makes the products of all pairs of heads, and keeps the diagonal."""

    def batched_product(a, b):
        every = (a[:, None, :, :, None] * b[None, :, None, :, :]).sum(dim=3)
        h = torch.arange(len(a))
        return every[h, h]


@right("00a.batched_product")
class AxisDFirst:
    """Brings D to the front of both, so the sum is over axis 0."""

    def batched_product(a, b):
        left = a.movedim(2, 0)[..., None]  # (D, H, T, 1)
        up = b.movedim(1, 0)[:, :, None]  # (D, H, 1, S)
        return (left * up).sum(dim=0)


# --- 00a.softmax


@wrong("00a.softmax", "`exp` overflows above 88, and a row of -200 has nothing but zeros: NaN.")
class NothingSubtracted:
    """Subtracts nothing, so e to the 1,000 is infinite and the result nan."""

    def softmax(scores):
        powers = scores.exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Large scores are cut off, so all beyond the limit get the same share.")
class CappedAt80:
    """Caps the scores at 80 so that the powers fit, but then 1,000 and 500 count the same."""

    def softmax(scores):
        powers = scores.clamp(max=80).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The largest score of the whole table is subtracted. A row far below it has")
class LargestOfAllRows:
    """Subtracts the largest of the whole tensor; a row far below it has powers of 0 only, and 0 / 0 is nan."""

    def softmax(scores):
        powers = (scores - scores.max()).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The sum runs over axis 1. With three axes, that isn't the last.")
class AxisOneAlways:
    """Dim=1 is the last axis of a table, but not of anything with more axes or fewer."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=1, keepdim=True)).exp()
        return powers / powers.sum(dim=1, keepdim=True)


@wrong("00a.softmax", "Without `keepdim`, the sum of a row divides a column. The table is square,")
class SumWithoutKeepdim:
    """The sums of the rows, without keepdim, stand below the columns; no error if the table is square."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1)


@wrong("00a.softmax", "Without `keepdim`, the largest score of a row is subtracted from a column.")
class MaxWithoutKeepdim:
    """Without keepdim, each column loses the largest score of some row, so a row isn't shifted as a whole."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=-1)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The mean is subtracted, so large scores still overflow.")
class MeanSubtracted:
    """Subtracts the mean"""

    def softmax(scores):
        powers = (scores - scores.mean(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The scores are divided by the largest one.")
class DividedByLargest:
    """Divides by the largest score in place of subtracting it, which changes the differences."""

    def softmax(scores):
        powers = (scores / scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "`softmax` changed the input that it was given; work on a copy.")
class WritesIntoScores:
    """`-=` and exp_ write into the caller's scores."""

    def softmax(scores):
        scores -= scores.amax(dim=-1, keepdim=True)
        scores.exp_()
        return scores / scores.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "A NaN is replaced: the shares of a large score are gone.")
class NanBecomesZero:
    """Replaces nan by 0 at the end, so the score of 1,000 gets a probability of 0."""

    def softmax(scores):
        powers = scores.exp()
        return (powers / powers.sum(dim=-1, keepdim=True)).nan_to_num()


@wrong("00a.softmax", "These are logarithms of the probabilities.")
class LogOfShares:
    """Stops at the logarithms of the probabilities (log-softmax)."""

    def softmax(scores):
        shifted = scores - scores.amax(dim=-1, keepdim=True)
        return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()


@wrong("00a.softmax", "The whole table adds up to 1.")
class OneForTheWholeTensor:
    """Divides by the sum of all powers, so the whole tensor adds up to 1, not each row."""

    def softmax(scores):
        powers = (scores - scores.max()).exp()
        return powers / powers.sum()


@wrong("00a.softmax", "")
class HiddenMeansMinusThousand:
    """Turns minus infinity into -1,000, so next to scores of -1,000 a hidden one gets its share."""

    def softmax(scores):
        scores = scores.clamp(min=-1000.0)
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Everything after the first axis adds up to 1. With three axes, that's more")
class LoopOverFirstAxis:
    """Takes scores[i] for a row; with three axes it's a table, which then adds up to 1 as a whole."""

    def softmax(scores):
        rows = []
        for row in scores:
            powers = (row - row.max()).exp()
            rows.append(powers / powers.sum())
        return torch.stack(rows)


@wrong("00a.softmax", "The largest absolute score is subtracted. In a row of -200, that's 200,")
class LargestBySize:
    """Subtracts the largest absolute value: in a row of -1,000s all powers are e to the -2,000, which is 0."""

    def softmax(scores):
        powers = (scores - scores.abs().amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "")
class StaysATable:
    """Makes a table of rows to work on and returns it, so three axes become two."""

    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        powers = (rows - rows.amax(dim=1, keepdim=True)).exp()
        return powers / powers.sum(dim=1, keepdim=True)


@wrong("00a.softmax", "Each score is squeezed by a sigmoid before the row is divided by its sum.")
class SigmoidShares:
    """Squeezes each score with a sigmoid before dividing; large scores then all count the same."""

    def softmax(scores):
        squeezed = torch.sigmoid(scores)
        return squeezed / squeezed.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The largest score is subtracted only if it is large: a row of -200 has")
class GuardsOneSide:
    """Subtracts the largest only if it's too large; a row of -1,000s still gives 0 / 0."""

    def softmax(scores):
        if scores.max() > 80:
            scores = scores - scores.amax(dim=-1, keepdim=True)
        powers = scores.exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "A hidden score counts like a score of 0.")
class HiddenBecomesZeroScore:
    """Replaces minus infinity by a score of 0, but it's the power that is 0; hidden entries get a share."""

    def softmax(scores):
        scores = scores.masked_fill(scores == -math.inf, 0.0)
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "Not finite: powers overflow, or all those of a row are 0.")
class FirstSubtracted:
    """Subtracts the first score of the row ('any number will do')"""

    def softmax(scores):
        powers = (scores - scores[..., :1]).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "")
class ZeroIsHidden:
    """Hides scores of 0, as if the mask had multiplied them; 0 is a score like any other."""

    def softmax(scores):
        scores = scores.masked_fill(scores == 0, -math.inf)
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "")
class MaxIsAPair:
    """Max(dim=...) returns values and indices; subtracting the pair is a TypeError."""

    def softmax(scores):
        powers = (scores - scores.max(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "`softmax` returns a list; the cells below need a torch tensor.")
class NestedLists:
    """Returns nested lists, as the cell below prints them, in place of a tensor."""

    def softmax(scores):
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return (powers / powers.sum(dim=-1, keepdim=True)).tolist()


@wrong("00a.softmax", "What is above the diagonal is hidden.")
class MaskedByTril:
    """Hides everything above the diagonal itself; the scores come with what is to be hidden."""

    def softmax(scores):
        if scores.dim() >= 2:
            T, S = scores.shape[-2:]
            keep = torch.ones(T, S).tril().bool()
            scores = scores.masked_fill(~keep, -math.inf)
        powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@right("00a.softmax")
class LogSumExpScores:
    """Subtracts the logarithm of the sum before the power."""

    def softmax(scores):
        return (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()


@right("00a.softmax")
class SortedMax:
    """Finds the largest score by sorting."""

    def softmax(scores):
        largest = scores.sort(dim=-1).values[..., -1:]
        powers = torch.exp(scores - largest)
        return powers / powers.sum(-1).unsqueeze(-1)


@right("00a.softmax")
class RowsAndBack:
    """Flattens to a list of rows, works in a loop, and restores the shape."""

    def softmax(scores):
        done = []
        for row in scores.reshape(-1, scores.shape[-1]):
            powers = (row - row.max()).exp()
            done.append(powers / powers.sum())
        return torch.stack(done).reshape(scores.shape)


@right("00a.softmax")
class LastAxisInFront:
    """Brings the last axis to the front, where broadcasting needs no keepdim, and back."""

    def softmax(scores):
        front = scores.movedim(-1, 0)
        powers = (front - front.amax(dim=0)).exp()
        return (powers / powers.sum(dim=0)).movedim(0, -1)
