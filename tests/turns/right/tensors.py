"""Unusual right answers to the turns of lesson 00a, as learners write them."""

import torch
from turn_answers import right


@right("00a.join_heads")
class CatOfColumns:
    def join_heads(heads):
        return torch.cat([head for head in heads], dim=-1)


@right("00a.join_heads")
class TokenByToken:
    def join_heads(heads):
        return torch.stack([heads[:, t].flatten() for t in range(heads.shape[1])])


@right("00a.join_heads")
class MoveAxis:
    def join_heads(heads):
        return heads.movedim(0, 1).flatten(start_dim=1)


@right("00a.join_heads")
class ByPlaces:
    def join_heads(heads):
        H, T, D = heads.shape
        column = torch.arange(H * D)
        return heads[column // D, torch.arange(T)[:, None], column % D]


@right("00a.batched_product")
class TwoDimensionsPerHead:
    def batched_product(a, b):
        return torch.stack([x @ y for x, y in zip(a, b)])


@right("00a.batched_product")
class TripleLoop:
    def batched_product(a, b):
        H, T, D = a.shape
        S = b.shape[-1]
        rows = [torch.stack([(a[h, t] * b[h, :, s]).sum() for s in range(S)]) for h in range(H) for t in range(T)]
        return torch.stack(rows).reshape(H, T, S)


@right("00a.batched_product")
class AddsUpOverD:
    def batched_product(a, b):
        return sum(a[..., d : d + 1] * b[:, d : d + 1] for d in range(a.shape[-1]))


@right("00a.batched_product")
class TorchsOwn:
    def batched_product(a, b):
        return a @ b


@right("00a.softmax")
class SumsRatios:
    def softmax(scores):
        return 1 / (scores[..., None, :] - scores[..., :, None]).nan_to_num(nan=0.0).exp().sum(-1)


@right("00a.softmax")
class DetachedShift:
    def softmax(scores):
        m = torch.max(scores, dim=-1, keepdim=True)[0].detach()
        e = torch.exp(scores - m)
        return e / torch.sum(e, -1, True)


@right("00a.softmax")
class OnItsSide:
    def softmax(scores):
        columns = scores.unsqueeze(0).transpose(0, -1)  # (S, ..., 1)
        e = (columns - columns.amax(0)).exp()
        return (e / e.sum(0)).transpose(0, -1)[0]


@right("00a.softmax")
class InDoubles:
    def softmax(scores):
        z = scores.double()
        e = (z - z.amax(-1, keepdim=True)).exp()
        return (e / e.sum(-1, keepdim=True)).to(scores.dtype)
