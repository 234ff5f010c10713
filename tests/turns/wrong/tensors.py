"""Wrong answers to the turns of lesson 00a, as learners write them."""

import math

import torch
from turn_answers import wrong

# --- 00a.join_heads


@wrong("00a.join_heads", "read in the order of `heads`")
class FlatAndBack:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.flatten().reshape(T, H * D)


@wrong("00a.join_heads", "view size is not compatible")
class ViewLast:
    def join_heads(heads):
        H, T, D = heads.shape
        return heads.permute(1, 0, 2).view(T, -1)


@wrong("00a.join_heads", "not enough values to unpack")
class WithABatch:
    def join_heads(heads):
        B, H, T, D = heads.shape
        return heads.transpose(1, 2).reshape(B, T, H * D)


@wrong("00a.join_heads", "name 'D' is not defined")
class NoSizes:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(-1, len(heads) * D)


@wrong("00a.join_heads", "is invalid for input of size")
class NineHeads:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(-1, 576)


@wrong("00a.join_heads", "on its side, (H * D, T)")
class OnItsSide:
    def join_heads(heads):
        return torch.cat([head.T for head in heads])


@wrong("00a.join_heads", "Only the last head")
class Overwritten:
    def join_heads(heads):
        for head in heads:
            out = head
        return out


@wrong("00a.join_heads", "returned None")
class Prints:
    def join_heads(heads):
        print(heads.transpose(0, 1).flatten(1))


@wrong("00a.join_heads", "goes more than 1,000 calls deep")
class CallsItself:
    def join_heads(heads):
        return join_heads(heads.transpose(0, 1))


# --- 00a.batched_product


@wrong("00a.batched_product", "must match the size of tensor b")
class NoNewAxes:
    def batched_product(a, b):
        return (a * b).sum(-1)[:, :, None] if a.shape[1:] == b.shape[1:] and a.shape[1] > 3 else _fits(a, b)


def _fits(a, b):
    return a @ b if a.shape[1] == b.shape[2] else a * b


@wrong("00a.batched_product", "Expected size")
class KeysAsTheyAre:
    def batched_product(a, b):
        return a.bmm(b.transpose(1, 2)) if a.shape[1] != b.shape[2] else a.bmm(b)


@wrong("00a.batched_product", "Dimension out of range")
class AxisFour:
    def batched_product(a, b):
        return (a * b).sum(3)


@wrong("00a.batched_product", "too many values to unpack")
class OneHead:
    def batched_product(a, b):
        T, D = a.shape
        return a @ b


@wrong("00a.batched_product", "name 'S' is not defined")
class NoS:
    def batched_product(a, b):
        H, T, D = a.shape
        out = torch.zeros(H, T, S)
        for h in range(H):
            out[h] = a[h] @ b[h]
        return out


@wrong("00a.batched_product", "out of bounds")
class LoopsOverT:
    def batched_product(a, b):
        return torch.stack([a[h] @ b[h] for h in range(a.shape[1])]) if len(a) < a.shape[1] else a.bmm(b)


@wrong("00a.batched_product", "The result is right, but a loop runs over every single number")
class FourLoops:
    def batched_product(a, b):
        (H, T, D), S = a.shape, b.shape[2]
        rows = []
        for h in range(H):
            for t in range(T):
                for s in range(S):
                    total = 0.0
                    for d in range(D):
                        total = total + a[h, t, d] * b[h, d, s]
                    rows.append(total)
        return torch.stack(rows).reshape(H, T, S)


@wrong("00a.batched_product", "returned None")
class NothingReturned:
    def batched_product(a, b):
        products = a[:, :, :, None] * b[:, None, :, :]
        products.sum(2)


@wrong("00a.batched_product", "The sum runs over the heads")
class SumOverHeads:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=0)


@wrong("00a.batched_product", "There are four axes")
class KeepsTheAxis:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2, keepdim=True)


# --- 00a.softmax


@wrong("00a.softmax", "`exp` overflows above 88")
class AsInTheTable:
    def softmax(scores):
        powers = torch.exp(scores)
        return powers / powers.sum(dim=-1, keepdim=True)


@wrong("00a.softmax", "The columns add up to 1")
class MinusTwo:
    def softmax(scores):
        if scores.dim() < 2:
            return scores.softmax(0)
        return scores.softmax(-2)


@wrong("00a.softmax", "The largest score of the whole table")
class OneLargest:
    def softmax(scores):
        powers = (scores - scores.max()).exp()
        return powers / powers.sum(-1).unsqueeze(-1)


@wrong("00a.softmax", "Not finite where a score is -inf")
class TimesAMask:
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).exp() + 0 * scores
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "The size of tensor a")
class RowsOfFive:
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).exp()
        return powers / (powers.sum(-1) if scores.shape[-1] == 5 else powers.sum(-1, keepdim=True))


@wrong("00a.softmax", "return_types.max")
class MaxPair:
    def softmax(scores):
        return (scores - scores.max(dim=-1, keepdim=True)).exp()


@wrong("00a.softmax", "softmax() missing")
class NoDim:
    def softmax(scores):
        return scores.softmax()


@wrong("00a.softmax", "only one element tensors")
class ExpOfAList:
    def softmax(scores):
        powers = [math.exp(row) for row in scores]
        return torch.tensor(powers) / sum(powers)


@wrong("00a.softmax", "Dimension out of range")
class AxisTwo:
    def softmax(scores):
        powers = (scores - scores.amax(2, keepdim=True)).exp()
        return powers / powers.sum(2, keepdim=True)


@wrong("00a.softmax", "name 'x' is not defined")
class OtherName:
    def softmax(scores):
        return (x - x.max()).exp()


@wrong("00a.softmax", "Scores are cut off at both ends")
class ClampedAtBothEnds:
    def softmax(scores):
        powers = scores.clamp(-60, 60).exp()
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "A NaN is replaced")
class NanToNum:
    def softmax(scores):
        powers = scores.exp()
        return torch.nan_to_num(powers / powers.sum(-1, keepdim=True))


@wrong("00a.softmax", "Softmax is taken twice")
class Twice:
    def softmax(scores):
        return scores.softmax(-1).softmax(-1)


@wrong("00a.softmax", "no model could learn through it")
class Detached:
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).detach().exp()
        return powers / powers.sum(-1, keepdim=True)
