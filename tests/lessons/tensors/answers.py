"""Answers to the turns and questions of lesson 00a; `tools/choose_answers.py` chose them."""

import itertools
import math
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from answers import right, wrong


@right("00a.join_heads")
class FilledSlices:
    """Fills a table of zeros, head by head; autograd follows the slices."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = torch.zeros(T, H * D)
        for h, head in enumerate(heads):
            out[:, h * D : (h + 1) * D] = head
        return out


@wrong("00a.join_heads", "name 'D' is not defined")
class NoSizes:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(-1, len(heads) * D)


@wrong("00a.join_heads", "is invalid for input of size")
class NineHeads:
    def join_heads(heads):
        return heads.transpose(0, 1).reshape(-1, 576)


@wrong("00a.join_heads", "The result has the right numbers in another shape")
class OneLongRow:
    def join_heads(heads):
        return heads.transpose(0, 1).flatten()


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


@wrong("00a.join_heads", "raised RuntimeError")
class ByViewTheOtherWay:
    def join_heads(heads):
        H = len(heads)
        return heads.view(len(heads), H, -1).transpose(0, 1)


@wrong("00a.join_heads", "raised TypeError")
class SqueezesFirst:
    """squeeze drops every axis of size 1 first, so with one head or one token the result is a single row (H * D,)."""

    def join_heads(heads):
        return torch.cat([*heads.squeeze()], dim=-1)


@wrong("00a.join_heads", "The result is right, but no model could learn through it: `heads` gets no")
class ThroughNumpy:
    """A detour through numpy cuts the gradient."""

    def join_heads(heads):
        return torch.from_numpy(np.concatenate(list(heads.detach().numpy()), axis=1))


@wrong("00a.join_heads", "The result has the right numbers in another order. Their places are wrong: is")
class StridesByHand:
    """Strides worked out from the shape read the wrong numbers if `heads` is a view, such as by_view's."""

    def join_heads(heads):
        H, T, D = heads.shape
        return heads.as_strided((T, H, D), (D, T * D, 1)).reshape(T, H * D)


@wrong("00a.join_heads", "`join_heads` raised RuntimeError")
class StepsOfH:
    """Slices of H columns where D were needed; fits only if there are as many heads as numbers per head."""

    def join_heads(heads):
        H, T, D = heads.shape
        out = heads.new_empty(T, H * D)
        for h in range(H):
            out[:, h * H : (h + 1) * H] = heads[h]
        return out


@right("00a.batched_product")
class EinsteinSum:
    """Einsum, without @ and without *."""

    def batched_product(a, b):
        return torch.einsum("htd,hds->hts", a, b)


@right("00a.batched_product")
class OuterProductsAddedUp:
    def batched_product(a, b):
        out = 0
        for d in range(a.shape[-1]):
            out = out + a[:, :, d, None] * b[:, None, d]
        return out


@right("00a.batched_product")
class HalvesOfD:
    """Divide and conquer over the inner axis: an outer product where D is 1, else the sum of both halves."""

    def batched_product(a, b):
        def product(a, b):
            D = a.shape[2]
            if D == 1:
                return a * b
            middle = D // 2
            return product(a[..., :middle], b[:, :middle]) + product(a[..., middle:], b[:, middle:])

        return product(a, b)


def _fits(a, b):
    return a @ b if a.shape[1] == b.shape[2] else a * b


# Once taken for another mistake: The numbers are multiplied entry by entry, then summed: row t of `a` meets row t of `b` alone
@wrong("00a.batched_product", "must match the size of tensor b")
class NoNewAxes:
    def batched_product(a, b):
        return (a * b).sum(-1)[:, :, None] if a.shape[1:] == b.shape[1:] and a.shape[1] > 3 else _fits(a, b)


@wrong("00a.batched_product", "Expected size")
class KeysAsTheyAre:
    def batched_product(a, b):
        return a.bmm(b.transpose(1, 2)) if a.shape[1] != b.shape[2] else a.bmm(b)


@wrong("00a.batched_product", "Dimension out of range")
class AxisFour:
    def batched_product(a, b):
        return (a * b).sum(3)


@wrong("00a.batched_product", "out of bounds")
class LoopsOverT:
    def batched_product(a, b):
        return torch.stack([a[h] @ b[h] for h in range(a.shape[1])]) if len(a) < a.shape[1] else a.bmm(b)


@wrong("00a.batched_product", "There are four axes")
class KeepsTheAxis:
    def batched_product(a, b):
        return (a[:, :, :, None] * b[:, None, :, :]).sum(dim=2, keepdim=True)


@wrong("00a.batched_product", "The result has ")
class NewAxesInTheWrongPlace:
    def batched_product(a, b):
        return (a[:, None] * b[:, :, None]).sum(2)


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


@right("00a.softmax")
class Functional:
    def softmax(scores):
        return F.softmax(scores, dim=-1)


@right("00a.softmax")
class SlopeOfLogsumexp:
    """Softmax is the gradient of logsumexp, so it asks torch.func.grad for that."""

    def softmax(scores):
        return torch.func.grad(lambda s: torch.logsumexp(s, dim=-1).sum())(scores)


@right("00a.softmax")
class SortedAndNormalized:
    """Finds the largest by sorting, and divides with normalize in the 1-norm."""

    def softmax(scores):
        top = scores.sort(dim=-1, descending=True).values[..., :1].detach()
        return torch.nn.functional.normalize((scores - top).exp(), p=1.0, dim=-1)


@right("00a.softmax")
class RowByRow:
    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        out = []
        for row in rows:
            powers = (row - row.max()).exp()
            out.append(powers / powers.sum())
        return torch.stack(out).reshape(scores.shape)


@wrong("00a.softmax", "return_types.max")
class MaxPair:
    def softmax(scores):
        return (scores - scores.max(dim=-1, keepdim=True)).exp()


@wrong("00a.softmax", "softmax() missing")
class NoDim:
    def softmax(scores):
        return scores.softmax()


@wrong("00a.softmax", "name 'x' is not defined")
class OtherName:
    def softmax(scores):
        return (x - x.max()).exp()


@wrong("00a.softmax", "The result has ")
class OneShareForTheLargest:
    def softmax(scores):
        return (scores == scores.amax(-1, keepdim=True)).float()


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


@wrong("00a.softmax", "no model could learn through it")
class Detached:
    def softmax(scores):
        powers = (scores - scores.amax(-1, keepdim=True)).detach().exp()
        return powers / powers.sum(-1, keepdim=True)


# Once taken for another mistake: The largest score of the whole table is subtracted. A row far below it has nothing but zeros: NaN
@wrong("00a.softmax", "The largest absolute score is subtracted")
class LargestInAbsoluteValue:
    def softmax(scores):
        powers = (scores - scores.abs().amax(-1, keepdim=True)).exp()
        return powers / powers.sum(-1, keepdim=True)


@wrong("00a.softmax", "`softmax` raised TypeError")
class NumpyFromTheWeb:
    def softmax(scores):
        e = np.exp(scores - np.max(scores))
        return e / e.sum()


@wrong("00a.softmax", "The result has the right numbers in another shape. Only the shape is wrong: are")
class StaysATable:
    """Makes a table of rows to work on and returns it, so three axes become two."""

    def softmax(scores):
        rows = scores.reshape(-1, scores.shape[-1])
        powers = (rows - rows.amax(dim=1, keepdim=True)).exp()
        return powers / powers.sum(dim=1, keepdim=True)


@wrong("00a.softmax", "`softmax` raised RuntimeError")
class PythonLists:
    def softmax(scores):
        rows = []
        for row in scores:
            powers = [math.exp(s - max(row)) for s in row]
            rows.append([p / sum(powers) for p in powers])
        return torch.tensor(rows)


# Once accepted
@wrong("00a.softmax", "The largest score is subtracted only if it is large: a row of -200 has")
class GuardsOneSide:
    """Subtracts the largest only if it's too large; a row of -1,000s still gives 0 / 0."""

    def softmax(scores):
        if scores.max() > 80:
            scores = scores - scores.amax(dim=-1, keepdim=True)
        powers = scores.exp()
        return powers / powers.sum(dim=-1, keepdim=True)


@right("00a.1")
def by_rank_in_numpy(logits, targets, k):
    rows, ids = logits.double().numpy(), targets.numpy()
    ranks = [(row > row[id]).sum() for row, id in zip(rows, ids, strict=True) if id >= 0]
    return np.mean([rank < k for rank in ranks])


@right("00a.1")
def in_plain_python(logits, targets, k):
    hits = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        if target >= 0:
            best = sorted(range(len(row)), key=row.__getitem__)[-k:]
            hits.append(target in best)
    return sum(hits) / len(hits)


@wrong("00a.1", "numbers, and one share is asked for")
def hits_per_row(logits, targets, k):
    return (logits.topk(k).indices == targets[:, None]).any(-1).float()


@wrong("00a.1", "rows with a target count as hits")
def never_a_hit(logits, targets, k):
    return 0.0


@wrong("00a.1", "no share is above 1")
def matches_per_row(logits, targets, k):
    predicted = logits.topk(k).indices
    return ((predicted[:, None, 0] == predicted[:, 0]).sum() / len(targets)).item() + 1


@wrong("00a.1", "accuracy raised IndexError")
def looked_up_minus_100(logits, targets, k):
    own = logits[torch.arange(len(targets)), targets]
    real = targets != -100
    return ((logits > own[:, None]).sum(1) < k)[real].float().mean().item()


@right("00a.2")
def by_masked_assignment_in_numpy(texts, pad, side, max_length):
    lengths = np.array([min(len(text), max_length) for text in texts])
    column = np.arange(lengths.max())
    mask = column[None] < lengths[:, None]
    if side == "left":
        mask = mask[:, ::-1]
    ids = np.full(mask.shape, pad)
    ids[mask] = [id for text in texts for id in text[-max_length:]]
    return ids, np.ascontiguousarray(mask)


@wrong("00a.2", "`kept` still holds what earlier calls have put into it, and that changes the result")
def rows_of_earlier_calls(texts, pad, side, max_length, kept=[]):  # noqa: B006
    kept.extend(text[-max_length:] for text in texts)
    T = max(map(len, kept))
    left = side == "left"
    ids = [[pad] * (T - len(t)) * left + t + [pad] * (T - len(t)) * (not left) for t in kept]
    mask = [[False] * (T - len(t)) * left + [True] * len(t) + [False] * (T - len(t)) * (not left) for t in kept]
    return torch.tensor(ids), torch.tensor(mask)


def filled(texts, pad, side, max_length, keep=lambda text, n: text[-n:]):
    cut = [keep(text, max_length) for text in texts]
    T = max(map(len, cut))
    rows = [[pad] * (T - len(text)) + text if side == "left" else text + [pad] * (T - len(text)) for text in cut]
    marks = [[0] * (T - len(t)) + [1] * len(t) if side == "left" else [1] * len(t) + [0] * (T - len(t)) for t in cut]
    return torch.tensor(rows), torch.tensor(marks).bool()


@wrong("00a.2", "is a tensor of torch.float32")
def floats(texts, pad, side, max_length):
    ids, mask = filled(texts, pad, side, max_length)
    return ids.float(), mask


@wrong("00a.2", "pad_batch changed the input that it was given; work on a copy. It happens with")
def pad_cuts_in_place(texts, pad, side, max_length):
    for text in texts:
        del text[: max(len(text) - max_length, 0)]
    T = max(map(len, texts))
    ids = torch.full((len(texts), T), pad)
    mask = torch.zeros(len(texts), T, dtype=torch.bool)
    for row, text in enumerate(texts):
        at = T - len(text) if side == "left" else 0
        ids[row, at : at + len(text)] = torch.tensor(text, dtype=torch.long)
        mask[row, at : at + len(text)] = True
    return ids, mask


@right("00a.3")
def element_by_element(storage, shape, strides, offset):
    out = torch.empty(shape, dtype=storage.dtype)
    for index in product(*map(range, shape)):
        out[index] = storage[offset + sum(i * stride for i, stride in zip(index, strides))]
    return out


@right("00a.3")
def read_recursive(storage, shape, strides, offset):
    if not shape:
        return storage[offset]
    parts = [read_recursive(storage, shape[1:], strides[1:], offset + i * strides[0]) for i in range(shape[0])]
    return torch.stack(parts)


@wrong("00a.3", "called torch")
def ready_made(storage, shape, strides, offset):
    return torch.as_strided(storage, shape, strides, offset)


@wrong("00a.3", "is of type list")
def nested_lists(storage, shape, strides, offset):
    if not shape:
        return storage[offset].item()
    return [nested_lists(storage, shape[1:], strides[1:], offset + i * strides[0]) for i in range(shape[0])]


@wrong("00a.3", "The result is a tensor of torch.float")
def read_as_float(storage, shape, strides, offset):
    out = torch.zeros(shape)
    for index in itertools.product(*map(range, shape)):
        out[index] = storage[offset + sum(i * s for i, s in zip(index, strides))]
    return out


@wrong("00a.3", "The strides are taken in reverse order.")
def read_strides_reversed(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, reversed(strides)):
        positions = positions[..., None] + torch.arange(size) * stride
    return storage[positions]


def at(storage, positions):
    return storage[positions % len(storage)]


@wrong("00a.3", "With the shape (")
def strides_one_too_large(storage, shape, strides, offset):
    positions = torch.tensor(offset)
    for size, stride in zip(shape, strides):
        positions = positions[..., None] + torch.arange(size) * (stride + 1)
    return at(storage, positions)
